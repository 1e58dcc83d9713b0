"""Margin, liquidation price and free collateral of every account of a book, under one rulebook.

Names are ccxt's, amounts decimal texts. Every figure is read through `clearing.risk` and `clearing.solve`, the same
code that decides commands, and explains itself (`Figure.explain`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from ..books.account import Account
from ..books.options import OptionTerms
from ..clearing.model import QUOTE
from ..errors import InputError
from ..units import format_atoms
from ..venues.model import Rulebook
from ..venues.overrides import load_spec
from ..venues.symbols import readings
from .arrange import Arrangement
from .build import Built, Part, build
from .explain import Figure
from .figures import PartFigures, PositionFigures

DEFAULT_VENUE = "generic"
"""The rulebook of accounts that do not say which venue they are from."""


@dataclass(frozen=True)
class PositionResult:
    """One position: what the file says (`stated`) and what follows (`figures`, by ccxt's names)."""

    symbol: str
    stated: Mapping[str, str | None]
    figures: Mapping[str, Figure]

    def __getitem__(self, name: str) -> Figure:
        return self.figures[name]

    def to_json(self, *, explain: bool = False) -> dict[str, object]:
        """The position as a JSON object; with `explain`, every figure's explanation beside it."""
        return {"symbol": self.symbol, **self.stated, **_to_json(self.figures, explain=explain)}


@dataclass(frozen=True)
class SubaccountResult:
    """What is judged together: the account's cross positions, or one isolated position."""

    subaccount: str
    mode: str
    collateral: Mapping[str, str] | None
    figures: Mapping[str, Figure]
    positions: tuple[PositionResult, ...]

    def __getitem__(self, name: str) -> Figure:
        return self.figures[name]

    def to_json(self, *, explain: bool = False) -> dict[str, object]:
        """The subaccount as a JSON object."""
        return {
            "subaccount": self.subaccount,
            "marginMode": self.mode,
            "collateral": self.collateral,
            **_to_json(self.figures, explain=explain),
            "positions": [position.to_json(explain=explain) for position in self.positions],
        }


@dataclass(frozen=True)
class AccountResult:
    """One account under one rulebook. `notes` say what a reader of the figures should know."""

    account: str
    rulebook: str
    subaccounts: tuple[SubaccountResult, ...]
    notes: tuple[str, ...]

    @property
    def positions(self) -> tuple[PositionResult, ...]:
        """All positions, cross ones first."""
        return tuple(position for subaccount in self.subaccounts for position in subaccount.positions)

    def to_json(self, *, explain: bool = False) -> dict[str, object]:
        """The account as a JSON object."""
        return {
            "account": self.account,
            "subaccounts": [subaccount.to_json(explain=explain) for subaccount in self.subaccounts],
            "notes": list(self.notes),
        }


def margin(
    accounts: Iterable[Account],
    rulebook: Rulebook,
    prices: Mapping[str, Decimal] | None = None,
    wanted: Arrangement | None = None,
) -> list[AccountResult]:
    """Answer for every account, as it is held or as `wanted`.

    `prices` (by base name, venue's or ccxt's symbol) replace the marks of the file. Raises `InputError`, naming account
    and position, where something is missing or the venue cannot hold the account.
    """
    return [answer(build(account, rulebook, prices or {}, wanted)) for account in accounts]


@dataclass(frozen=True)
class Answer:
    """A book under one rulebook."""

    rulebook: Rulebook
    accounts: tuple[AccountResult, ...]

    @property
    def warnings(self) -> list[str]:
        """What a reader should be told: the rulebook's age, and the notes on the accounts."""
        told: dict[str, list[str]] = {}
        for account in self.accounts:
            for note in account.notes:
                told.setdefault(note, []).append(account.account)
        notes = (
            f"{who[0] if len(who) == 1 else f'{len(who)} accounts'}: {note}" for note, who in told.items()
        )
        return [*self.rulebook.warnings(), *notes]

    def to_json(self, *, explain: bool = False) -> dict[str, object]:
        """The answer as a JSON object."""
        return {
            "venue": self.rulebook.head.venue,
            "version": self.rulebook.head.version,
            "accounts": [account.to_json(explain=explain) for account in self.accounts],
            "refused": [],
        }


def ask(
    accounts: Iterable[Account],
    venue: str | None,
    prices: Mapping[str, Decimal],
    wanted: Arrangement | None = None,
) -> list[Answer]:
    """Answer under a rulebook by name (and changes in braces), or (`None`) each account under that of its own venue.

    Raises `InputError` for an account that cannot be held.
    """
    accounts = list(accounts)
    check_prices(prices, accounts)
    groups: dict[str, list[Account]] = {}
    for account in accounts:
        groups.setdefault(venue or account.venue or DEFAULT_VENUE, []).append(account)
    rulebooks = {name: load_spec(name) for name in groups}
    return [
        Answer(book, tuple(margin(groups[name], book, prices, wanted))) for name, book in rulebooks.items()
    ]


def answer(built: Built) -> AccountResult:
    """Read all figures of an account that stands in the engine."""
    parts = (part for part in built.parts if part.held or built.account.collateral)
    subaccounts = tuple(_subaccount(built, part) for part in parts)
    return AccountResult(built.account.name, built.rulebook.name, subaccounts, built.notes)


def check_prices(prices: Iterable[str], accounts: Iterable[Account]) -> None:
    """Refuse a price of something that no account holds (most likely misspelt), of the quote asset, or given twice."""
    held: set[str] = set()
    for account in accounts:
        optioned = (each.option.underlying for each in account.positions if each.option)
        symbols = (
            *(position.symbol for position in account.positions),
            *(account.collateral or ()),
            *(asset for position in account.positions for asset in position.assets),
            *optioned,
        )
        held.update(name.casefold() for symbol in symbols for name in readings(symbol))
    given: dict[str, str] = {}
    for symbol in prices:
        names = {name.casefold() for name in readings(symbol)}
        if QUOTE.casefold() in names:
            raise InputError(f"--price {symbol}: {QUOTE} is what prices are in; its own is always 1")
        if held.isdisjoint(names):
            raise InputError(f"--price {symbol}: no account holds {symbol}")
        for name in names & given.keys():
            raise InputError(
                f"--price {symbol}: the same market as --price {given[name]}; give one of the two"
            )
        given |= dict.fromkeys(names, symbol)


def _subaccount(built: Built, part: Part) -> SubaccountResult:
    read = PartFigures(built, part)
    positions = tuple(_position(position) for position in read.positions)
    return SubaccountResult(part.subaccount, part.mode, _collateral(built, part), read.figures, positions)


def _collateral(built: Built, part: Part) -> dict[str, str] | None:
    if part.mode == "isolated":
        held = part.held[0].position.collateral
        if held is None:
            return None
        return {asset: format(amount, "f") for asset, amount in {QUOTE: held, **part.assets}.items()}
    collateral = built.account.collateral
    return (
        None if collateral is None else {asset: format(amount, "f") for asset, amount in collateral.items()}
    )


def _position(read: PositionFigures) -> PositionResult:
    position, market = read.position, read.market
    stated = {
        "marginMode": position.mode,
        "side": "long" if position.size > 0 else "short",
        "contracts": format_atoms(abs(read.held.size_b), market.base_decimals),
        "entryPrice": None if position.entry_price is None else format(position.entry_price, "f"),
        "markPrice": read.price(market.mark),
        "priceQuantum": read.price(1),
        "leverage": None if position.leverage is None else format(position.leverage, "f"),
        **(_option(position.option) if position.option else {}),
    }
    return PositionResult(market.id, stated, read.figures)


def _option(option: OptionTerms) -> dict[str, str | None]:
    volatility = option.volatility
    return {
        "optionType": option.kind,
        "strike": format(option.strike, "f"),
        "expiry": str(option.expiry_ms),
        "impliedVolatility": None if volatility is None else format(volatility, "f"),
    }


def _to_json(figures: Mapping[str, Figure], *, explain: bool) -> dict[str, object]:
    values: dict[str, object] = {name: figure.value for name, figure in figures.items()}
    if explain:
        values["explanations"] = {name: figure.explain().to_json() for name, figure in figures.items()}
    return values
