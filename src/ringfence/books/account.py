"""An account as a file states it: collateral and positions, in decimal numbers, before any rulebook is asked.

Collateral excludes isolated margin, and both exclude unrealized PnL; readers of other formats convert.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from ..clearing.model import QUOTE
from ..errors import InputError
from ..units import DIGITS_MAX
from .options import OptionTerms
from .record import Place

MarginMode = Literal["cross", "isolated"]

ACCOUNT_NAME_EXTRA = "/"
"""Stands between account and symbol in the name of an isolated position's subaccount."""


@dataclass(frozen=True)
class BookPosition:
    """One position of an account.

    `size` is signed, in units of the base asset. `entry_price` and `mark_price` are in quote per unit; either may be
    unknown (without an entry price the collateral already contains the PnL). `collateral` is an isolated position's
    margin in quote, without its unrealized PnL, and `None` for a cross position; `assets` is what else backs it, by
    asset. `leverage` is the one chosen by the trader. The `venue_*` fields are what the venue states about the
    position itself: the largest leverage that it allows, and its own liquidation price; `states_liquidation_price`
    tells "none" from "not stated". With an `option` the position is in that option; size is in units of its
    underlying, prices are per such unit.
    """

    symbol: str
    size: Decimal
    entry_price: Decimal | None
    mark_price: Decimal | None
    mode: MarginMode
    leverage: Decimal | None = None
    collateral: Decimal | None = None
    venue_max_leverage: Decimal | None = None
    venue_liquidation_price: Decimal | None = None
    states_liquidation_price: bool = False
    option: OptionTerms | None = None
    assets: Mapping[str, Decimal] = field(default_factory=dict, hash=False)
    place: Place = field(default=Place(""), compare=False, repr=False)


@dataclass(frozen=True)
class Account:
    """Everything that one owner holds at one venue.

    `collateral` maps assets to amounts, or is `None` where the file does not say (ccxt positions alone). `venue` is the
    venue that the file names or comes from. `prices` gives prices of collateral assets. `time_ms` is when the venue
    stated it. `maintenance_margin` is what the venue states for all cross positions together; where the account is not
    `complete`, the positions that it does not list hold the rest of it.
    """

    name: str
    collateral: Mapping[str, Decimal] | None
    positions: tuple[BookPosition, ...]
    venue: str | None = None
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    maintenance_margin: Decimal | None = None
    complete: bool = True
    time_ms: int | None = None
    place: Place = field(default=Place(""), compare=False, repr=False)


def checked(accounts: Iterable[Account]) -> list[Account]:
    """Refuse names that stand twice or cannot be told from a subaccount's, and a symbol twice in one mode."""
    found: dict[str, Account] = {}
    for account in accounts:
        where = account.place
        if ACCOUNT_NAME_EXTRA in account.name:
            raise InputError(f"{where.field('account')}: a name may not contain {ACCOUNT_NAME_EXTRA!r}")
        if account.name in found:
            raise InputError(f"{where.field('account')}: {account.name!r} stands twice; names must differ")
        _refuse_repeats(account)
        found[account.name] = account
    return list(found.values())


def _refuse_repeats(account: Account) -> None:
    held = set()
    for position in account.positions:
        option = position.option
        terms = None if option is None else (option.kind, option.strike, option.expiry_ms)
        if (position.symbol, position.mode, terms) in held:
            where = position.place.field("symbol")
            raise InputError(
                f"{where}: {position.symbol} stands twice as {position.mode}; net the two into one position"
            )
        held.add((position.symbol, position.mode, terms))


def account_to_json(account: Account) -> dict[str, object]:
    """Write an account in our own JSON format; reading it back gives an equal account."""
    facts = {
        "venue": account.venue,
        "prices": {asset: _text(price) for asset, price in account.prices.items()} or None,
        "maintenanceMargin": _text(account.maintenance_margin),
        "complete": None if account.complete else False,
        "timestamp": account.time_ms,
    }
    collateral = account.collateral
    return {
        "account": account.name,
        "collateral": None
        if collateral is None
        else {asset: _text(held) for asset, held in collateral.items()},
        **{name: value for name, value in facts.items() if value is not None},
        "positions": [_position_to_json(position) for position in account.positions],
    }


def _position_to_json(position: BookPosition) -> dict[str, object]:
    fields = {
        "symbol": position.symbol,
        "side": "long" if position.size > 0 else "short",
        "contracts": _text(abs(position.size)),
        "entryPrice": _text(position.entry_price),
        "markPrice": _text(position.mark_price),
        "marginMode": position.mode,
        "leverage": _text(position.leverage),
        "collateral": _margin(position),
        "maxLeverage": _text(position.venue_max_leverage),
        "liquidationPrice": _text(position.venue_liquidation_price),
        **(_option_to_json(position.option) if position.option else {}),
    }
    written: dict[str, object] = {name: value for name, value in fields.items() if value is not None}
    if position.states_liquidation_price and position.venue_liquidation_price is None:
        written["liquidationPrice"] = None
    return written


def _margin(position: BookPosition) -> object:
    """An isolated position's collateral: a number of the quote asset, or amounts by asset."""
    if not position.assets:
        return _text(position.collateral)
    held = {QUOTE: position.collateral or Decimal(0), **position.assets}
    return {asset: _text(amount) for asset, amount in held.items()}


def _option_to_json(option: OptionTerms) -> dict[str, object]:
    return {
        "optionType": option.kind,
        "strike": _text(option.strike),
        "expiry": option.expiry_ms,
        "impliedVolatility": _text(option.volatility),
        "underlyingPrice": _text(option.underlying_price),
    }


def _text(value: Decimal | None) -> str | None:
    if value is None:
        return None
    plain = format(value, "f")
    return plain if len(plain) <= DIGITS_MAX else str(value)
