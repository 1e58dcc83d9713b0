"""What a rulebook says about its markets, modes and assets, read once and shared by all accounts of a book."""

from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property, lru_cache

from ..books.account import MarginMode
from ..books.record import Place
from ..clearing.model import Asset, Market
from ..clearing.policy import Policy
from ..errors import InputError, UnknownValueError
from ..venues.model import NO_MARKETS, Mode, Rulebook
from ..venues.overrides import is_changed
from .grid import atoms, market_on_grid, places

PRICED_MAX = 4096
"""Priced markets that are kept: a book has few marks, and one that has many loses nothing but time."""

MARKET = "market not listed"
MODE = "mode not offered"
COLLATERAL = "collateral not accepted"
OPTIONS = "options not offered"
POOLS = "collateral pools may not mix"
POSITIONS = "positions not listed in the file"
UNKNOWN = "a rule is not known"
INPUT = "the file lacks something"
"""In which respect a venue cannot hold an account."""


class CannotHoldError(InputError):
    """The venue cannot hold the account: in which respect, and which markets or assets are in the way."""

    def __init__(self, sentence: str, kind: str, *subjects: str) -> None:
        super().__init__(sentence)
        self.kind, self.subjects = kind, subjects


def kind_of(error: InputError) -> tuple[str, tuple[str, ...]]:
    """In which respect an account cannot be answered for, and what is in the way."""
    if isinstance(error, CannotHoldError):
        return error.kind, error.subjects
    return (UNKNOWN if isinstance(error, UnknownValueError) else INPUT), ()


class Listings:
    """One rulebook, read on demand and never twice. What it returns is shared: nobody changes it."""

    def __init__(self, rulebook: Rulebook) -> None:
        self.rulebook = rulebook
        self._names: dict[str, str] = {}
        self._unknown: dict[str, str] = {}
        self._markets: dict[str, Market] = {}
        self._modes: dict[str, tuple[Mode, ...]] = {}
        self._offers: dict[tuple[str, str], bool] = {}
        self._changed: dict[str, bool] = {}
        self._priced: dict[tuple[str, int, Decimal], Market] = {}

    @cached_property
    def policy(self) -> Policy:
        """What margin, equity and liquidation price depend on."""
        return self.rulebook.margin_policy()

    @cached_property
    def modes(self) -> tuple[Mode, ...]:
        """The venue's own modes, its default first."""
        return tuple(sorted(self.rulebook.modes().values(), key=lambda mode: not mode.default))

    @cached_property
    def assets(self) -> Mapping[str, Asset]:
        """Collateral beside the quote asset, without prices."""
        return self.rulebook.assets()

    @cached_property
    def symbols(self) -> frozenset[str]:
        """The markets that are listed by name."""
        return frozenset(self.rulebook.symbols)

    @cached_property
    def missing_market(self) -> str:
        """In which respect a market is missing: not listed, or a venue without any, with its reason."""
        return MARKET if self.rulebook.names("markets") else str(self.rulebook.ask(NO_MARKETS))

    def knows(self, market: str) -> bool:
        """Whether the rulebook has rules for a market, by name or by its catch-all."""
        return market in self.symbols or self.rulebook.lists_any

    def symbol(self, text: str) -> str:
        """The market's name as the rulebook writes it; raises `InputError` with near names."""
        if text not in self._names and text not in self._unknown:
            try:
                self._names[text] = self.rulebook.symbol(text)
            except InputError as error:
                self._unknown[text] = str(error)
        if text in self._unknown:
            raise InputError(self._unknown[text])
        return self._names[text]

    def market(self, name: str) -> Market:
        """The market without prices."""
        if name not in self._markets:
            self._markets[name] = self.rulebook.market(name)
        return self._markets[name]

    def offers(self, market: str, mode: MarginMode) -> bool:
        """Whether the venue has a shared mode (cross), or one for positions alone (isolated), for a market."""
        key = market, mode
        if key not in self._offers:
            shared = mode == "cross"
            self._offers[key] = any(each.shared == shared for each in self.modes_of(market))
        return self._offers[key]

    def priced(self, name: str, size_places: int, mark: Decimal, where: Place) -> Market:
        """The market with all its prices at `mark`, on a grid that holds it and sizes of so many decimals."""
        key = name, size_places, mark
        if key not in self._priced:
            if len(self._priced) >= PRICED_MAX:
                self._priced.clear()
            self._priced[key] = at_mark(self.market(name), size_places, mark, where)
        return self._priced[key]

    def is_changed(self, market: str) -> bool:
        """Whether the question changes the margin rule of a market, so that it counts above what a file states."""
        if market not in self._changed:
            self._changed[market] = is_changed(self.rulebook, market)
        return self._changed[market]

    def modes_of(self, market: str) -> tuple[Mode, ...]:
        """The venue's own modes that it offers for a market, its default first."""
        if not self.knows(market):
            return self.modes
        if market not in self._modes:
            allowed = self.rulebook.market_modes(market)
            self._modes[market] = tuple(mode for mode in self.modes if mode.name in allowed)
        return self._modes[market]


@lru_cache(maxsize=64)
def listings(rulebook: Rulebook) -> Listings:
    """The shared reading of a rulebook."""
    return Listings(rulebook)


def at_mark(market: Market, size_places: int, mark: Decimal, where: Place, price_places: int = 0) -> Market:
    """The market with all its prices at `mark`, on a grid that holds it and sizes and prices of so many decimals."""
    fine = market_on_grid(market, size_places, max(price_places, places(mark, where)))
    fine.mark = fine.index = fine.previous_mark = atoms(mark, fine.price_decimals, where)
    return fine
