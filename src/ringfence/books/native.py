"""Our own JSON format of an account; `docs/reference/accounts.md` is its schema."""

from decimal import Decimal

from ..clearing.model import QUOTE
from . import ccxt, options
from .account import Account, BookPosition, MarginMode
from .record import Record, name, shown

ACCOUNT_FIELDS = frozenset(
    {"account", "collateral", "positions", "venue", "prices", "maintenanceMargin", "complete", "timestamp"}
)
POSITION_FIELDS = frozenset({"maxLeverage"}) | options.FIELDS | ccxt.FIELDS
"""ccxt's names are known everywhere, so that computed figures may stand in a file; they are computed anew."""


def is_account(values: object) -> bool:
    """Whether an object looks like an account in our format."""
    return isinstance(values, dict) and ("account" in values or {"collateral", "positions"} <= values.keys())


def read(account: Record, default_name: str) -> Account:
    """Read one account; `default_name` serves where it has none."""
    account.only(ACCOUNT_FIELDS)
    complete = account.values.get("complete", True)
    if not isinstance(complete, bool):
        raise account.error("complete", f"expected true or false, got {shown(complete)}")
    stated_at = account.number_or_none("timestamp")
    return Account(
        name=account.name("account") if "account" in account else default_name,
        collateral=_collateral(account),
        positions=tuple(read_position(position) for position in account.records("positions")),
        venue=account.name("venue") if "venue" in account else None,
        prices=_prices(account),
        maintenance_margin=account.number_or_none("maintenanceMargin"),
        complete=complete,
        time_ms=None if stated_at is None else int(stated_at),
        place=account.place,
    )


def _collateral(holder: Record) -> dict[str, Decimal] | None:
    if "collateral" not in holder:
        return None
    held = holder.record("collateral")
    return {name(asset, held.place): amount(held, asset, asset) for asset in held.values}


def amount(held: Record, field: str, asset: str) -> Decimal:
    """An amount of collateral; only the quote asset may be owed."""
    value = held.number(field)
    if value < 0 and asset != QUOTE:
        raise held.error(field, f"expected an amount of at least 0, got {value}; only {QUOTE} may be owed")
    return value


def _prices(account: Record) -> dict[str, Decimal]:
    if "prices" not in account:
        return {}
    prices = account.record("prices")
    return {name(asset, prices.place): prices.positive(asset) for asset in prices.values}


def read_position(position: Record) -> BookPosition:
    """Read one position."""
    if "info" in position:
        return ccxt.read_position(position)
    position.only(POSITION_FIELDS)
    mode: MarginMode = (
        "isolated" if position.choice("marginMode", "cross", "isolated") == "isolated" else "cross"
    )
    margin, assets = _isolated_margin(position, mode)
    return BookPosition(
        symbol=position.name("symbol"),
        size=ccxt.signed_size(position),
        entry_price=position.positive("entryPrice"),
        mark_price=position.positive_or_none("markPrice"),
        mode=mode,
        leverage=position.positive_or_none("leverage"),
        collateral=margin,
        assets=assets,
        venue_max_leverage=position.positive_or_none("maxLeverage"),
        venue_liquidation_price=position.positive_or_none("liquidationPrice"),
        states_liquidation_price="liquidationPrice" in position.values,
        option=options.read_option(position),
        place=position.place,
    )


def _isolated_margin(position: Record, mode: MarginMode) -> tuple[Decimal | None, dict[str, Decimal]]:
    """What backs an isolated position: the quote asset, and all other assets by name."""
    if mode == "isolated" and isinstance(position.values.get("collateral"), dict):
        assets = _collateral(position) or {}
        return assets.pop(QUOTE, Decimal(0)), assets
    if mode == "isolated":
        return position.number("collateral"), {}
    if "collateral" in position:
        raise position.error("collateral", "a cross position has none of its own; it belongs to the account")
    return None, {}
