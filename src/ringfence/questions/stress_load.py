"""A scanned book as columns: the same subaccounts that `build` makes of it, to the atom, and without an object per row.

What positions have in common (market, mode, leverage, mark) is asked of `build` itself, once for each combination that
the book has, so names, listings, modes and notes are its own. Accounts that need a closer look are named.
"""

from decimal import Decimal
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from ..books.account import Account, BookPosition, MarginMode
from ..clearing.model import QUOTE, CollateralPool, Market, Venue
from ..errors import InputError
from ..kernel.columns import WIDTHS, Block, Columns, empty
from ..kernel.plan import plan
from ..units import QUOTE_DECIMALS, parse_decimal
from . import stress_rows as compiled
from .grid import market_on_grid
from .listings import listings
from .margin import DEFAULT_VENUE
from .stress_columns import Book
from .stress_reference import Bench
from .stress_scan import DIGITS, Numbers, Scan

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

AMOUNT_MAX = 1 << 61
NOWHERE = -1
TENS: Ints = 10 ** np.arange(DIGITS + 1, dtype=np.int64)
ONE = Decimal(1)


def load(bench: Bench, scan: Scan) -> tuple[Book | None, list[str]]:
    """The accounts that columns hold, and the names of the others."""
    rulebook = bench.rulebooks[bench.venue or DEFAULT_VENUE]
    if listings(rulebook).policy.set_rule is not None or not scan.collateral.known.any():
        return None, scan.names
    loading = _Loading(bench, scan, Venue(policy=listings(rulebook).policy))
    try:
        book = loading.book() if loading.judge() else None
    except OverflowError:
        book = None
    if book is None:
        return None, scan.names
    return book, [name for name, odd in zip(scan.names, loading.odd.tolist(), strict=True) if odd]


class _Loading:
    """A scan on its way into columns. `odd` grows: accounts that go the other way."""

    def __init__(self, bench: Bench, scan: Scan, venue: Venue) -> None:
        self.bench, self.scan, self.venue = bench, scan, venue
        self.odd = scan.odd.copy()
        self.markets: list[str] = []
        """Names of markets by the number that `market` uses."""
        self.market = np.full(len(scan.kinds), NOWHERE, np.int64)
        """By kind of row."""
        self.notes: list[tuple[str, ...]] = [()] * len(scan.kinds)
        self.account, self.kind = scan.account, scan.kind

    def leave(self, rows: Flags) -> None:
        """Leave the accounts of some rows to the reader."""
        self.odd[self.account[rows]] = True

    def judge(self) -> bool:
        """Find markets, sizes and costs of all rows and leave out what does not fit; false where nothing does."""
        self._samples()
        self.leave(self.market[self.kind] == NOWHERE)
        self.of_row = self.market[self.kind]
        self.isolated = np.array([mode == "isolated" for _, mode, *_ in self.scan.kinds], np.bool_)[self.kind]
        self._leave_repeats()
        if not self.markets or any(market.base_decimals > DIGITS for market in self.venue.markets.values()):
            return False
        self._sizes()
        self.plan = plan(self.venue)
        numbers = [self.plan.market_numbers.get(name, NOWHERE) for name in self.markets]
        self.number = np.array(numbers, np.int64)[self.of_row]
        self.leave(self.number == NOWHERE)
        limits = np.array([limit.size_max for limit in self.plan.limits] or [0], np.int64)
        self.leave(np.abs(self.size) > limits[np.maximum(self.number, 0)])
        if self.venue.policy.exclusive_pools:
            self._leave_mixed_pools()
        return bool(self.plan.markets) and not bool(self.odd.all())

    # -- what rows have in common --------------------------------------------------------------------------------------

    def _samples(self) -> None:
        """Ask the builder about each kind of row, the most frequent first: its marks and rules are everybody's."""
        counts = np.bincount(self.kind, minlength=len(self.scan.kinds))
        for at in np.argsort(-counts, kind="stable").tolist():
            try:
                found = self.bench.build(_sample(*self.scan.kinds[at]))
            except (InputError, ArithmeticError):
                continue
            (market,) = found.venue.markets.values()
            if not self._agrees(market):
                continue
            self.market[at] = self.markets.index(market.id)
            self.notes[at] = found.notes

    def _agrees(self, market: Market) -> bool:
        known = self.venue.markets.get(market.id)
        if known is None:
            self.venue.markets[market.id] = market
            self.venue.pools.setdefault(market.pool, CollateralPool(market.pool))
            self.markets.append(market.id)
            return True
        return known == market

    def _leave_repeats(self) -> None:
        """Leave accounts that have a market twice in one mode: the reader says which."""
        self.key = (self.account * 2 + self.isolated) * (len(self.markets) + 1) + self.of_row + 1
        found, times = np.unique(self.key, return_counts=True)
        if (times > 1).any():
            self.leave(np.isin(self.key, found[times > 1]))

    def _leave_mixed_pools(self) -> None:
        """Leave accounts whose cross positions are in pools that may not mix."""
        pools = {name: at for at, name in enumerate(self.venue.pools)}
        pool = np.array([pools[self.venue.markets[name].pool] for name in self.markets], np.int64)[
            self.of_row
        ]
        least, most = np.full(len(self.odd), len(pools)), np.full(len(self.odd), NOWHERE)
        cross = ~self.isolated
        np.minimum.at(least, self.account[cross], pool[cross])
        np.maximum.at(most, self.account[cross], pool[cross])
        self.odd |= most > least

    # -- sizes and prices on grids -------------------------------------------------------------------------------------

    def _sizes(self) -> None:
        """Signed lots on grids that hold them, and entry prices as they are."""
        kept = (self.of_row != NOWHERE) & ~self.odd[self.account]
        for at, name in enumerate(self.markets):
            market = self.venue.markets[name]
            finest = _places(self.scan.contracts, kept & (self.of_row == at))
            self.venue.markets[name] = market_on_grid(market, finest, market.price_decimals)
        decimals = [self.venue.markets[name].base_decimals for name in self.markets]
        self.size_places = np.array(decimals, np.int64)
        lots, fit = _on_grid(self.scan.contracts, self.size_places[self.of_row])
        self.size = np.where(self.scan.is_long, lots, -lots)
        self.leave(kept & ~fit)
        self.entry_places = max(self.scan.entry.places, QUOTE_DECIMALS)
        self.entry, fit = _on_grid(self.scan.entry, self.entry_places)
        self.leave(kept & ~fit)

    # -- columns -------------------------------------------------------------------------------------------------------

    def book(self) -> Book:
        """Everything that fits, as columns; `OverflowError` for an amount beyond 64 bits."""
        groups = self._groups()
        rows = groups.rows
        digits = self.size_places[self.of_row[rows]] + self.entry_places - QUOTE_DECIMALS
        cost, cash = np.zeros(len(rows), np.int64), np.zeros(len(groups.account), np.int64)
        behind = groups.backing.places - QUOTE_DECIMALS
        most, backing = max(int(digits.max(initial=0)), behind), groups.backing.atoms
        compiled.settle(
            self.size[rows], self.entry[rows], digits, groups.of_row, most, backing, behind, cost, cash
        )
        columns = (self.number[rows], self.size[rows], cost)
        counts = np.bincount(groups.of_row, minlength=len(cash))
        blocks, chosen = [], []
        for low, width in zip((-1, *WIDTHS), WIDTHS, strict=False):
            mine = np.flatnonzero((counts > low) & (counts <= width))
            if len(mine):
                blocks.append(_block(groups, mine, counts, width, columns, cash))
                chosen.append(mine)
        place = np.cumsum(~self.odd) - 1
        names = [name for name, odd in zip(self.scan.names, self.odd.tolist(), strict=True) if not odd]
        return Book(
            self.bench.rulebooks[self.bench.venue or DEFAULT_VENUE],
            self.venue,
            self.plan,
            Columns(blocks, [self._names(groups, mine) for mine in chosen]),
            place[groups.account[np.concatenate(chosen)]],
            names,
            self._notes(),
        )

    def _groups(self) -> "_Groups":
        """Rows by subaccount: cross rows of an account together, isolated ones alone; then who only has collateral."""
        margin, held, places = self._backing()
        kept = np.flatnonzero(~self.odd[self.account])
        order = kept[np.argsort(self.key[kept], kind="stable")]
        account, isolated = self.account[order], self.isolated[order]
        begins = np.ones(len(order), np.bool_)
        begins[1:] = (account[1:] != account[:-1]) | isolated[1:]
        crossing = np.zeros(len(self.odd), np.bool_)
        crossing[account[~isolated]] = True
        bare = np.flatnonzero(~crossing & ~self.odd & held.known)
        first = order[begins]
        owner = np.concatenate([account[begins], bare])
        alone = np.concatenate([isolated[begins], np.zeros(len(bare), np.bool_)])
        backing = np.where(alone, 0, held.atoms[owner])
        backing[: len(first)] += np.where(alone[: len(first)], margin.atoms[first], 0)
        return _Groups(order, np.cumsum(begins) - 1, owner, alone, Numbers(backing, places, ~alone))

    def _backing(self) -> tuple[Numbers, Numbers, int]:
        """Margin of rows and collateral of accounts with the same decimals, at least those of quote atoms."""
        margin, held = self.scan.margin, self.scan.collateral
        places = max(margin.places, held.places, QUOTE_DECIMALS)
        margins, fit = _on_grid(margin, places)
        self.leave(~fit)
        balances, fit = _on_grid(held, places)
        self.odd |= ~fit
        return Numbers(margins, places, margin.known), Numbers(balances, places, held.known), places

    def _names(self, groups: "_Groups", mine: Ints) -> NDArray[np.object_]:
        """Names of subaccounts, as `build` has them."""
        names = np.array([self.scan.names[at] for at in groups.account[mine].tolist()], object)
        firsts = np.searchsorted(groups.of_row, mine)
        for at in np.flatnonzero(groups.alone[mine]).tolist():
            row = groups.rows[firsts[at]]
            names[at] = f"{names[at]}/{self.markets[self.of_row[row]]}"
        return names

    def _notes(self) -> dict[str, int]:
        """What a reader should know, and of how many accounts."""
        found: dict[str, int] = {}
        kept = ~self.odd[self.account]
        for note in dict.fromkeys(note for notes in self.notes for note in notes):
            kinds = np.array([note in notes for notes in self.notes], np.bool_)
            accounts = len(np.unique(self.account[kept & kinds[self.kind]]))
            found |= {note: accounts} if accounts else {}
        return found


class _Groups(NamedTuple):
    """Subaccounts: the rows that have any, in order of subaccount, and what backs each."""

    rows: Ints
    of_row: Ints
    """The subaccount of each of `rows`, rising."""
    account: Ints
    alone: Flags
    """Isolated, by subaccount."""
    backing: Numbers


def _block(
    groups: _Groups, mine: Ints, counts: Ints, width: int, columns: tuple[Ints, Ints, Ints], cash: Ints
) -> Block:
    """The block of some subaccounts, all of one width class."""
    block = empty(len(mine), width)
    block.cash[:] = cash[mine]
    place = np.full(len(counts), NOWHERE, np.int64)
    place[mine] = np.arange(len(mine))
    inside = place[groups.of_row] != NOWHERE
    begins = np.cumsum(counts) - counts
    leg = (np.arange(len(groups.rows)) - begins[groups.of_row])[inside]
    row = place[groups.of_row][inside]
    market, size, cost = (values[inside] for values in columns)
    block.market[row, leg], block.size[row, leg], block.cost[row, leg] = market, size, cost
    return block


def samples(scan: Scan) -> list[Account]:
    """An account for every kind of position in a scan."""
    return [_sample(*kind) for kind in scan.kinds]


def _sample(symbol: str, mode: str, leverage: str, mark: str) -> Account:
    """An account with one position of a kind; of its size and backing nothing is asked."""
    held = BookPosition(
        symbol,
        ONE,
        None,
        _stated(mark),
        cast("MarginMode", mode),
        _stated(leverage),
        collateral=Decimal(0) if mode == "isolated" else None,
    )
    return Account("sample", {QUOTE: Decimal(0)}, (held,))


def _stated(text: str) -> Decimal | None:
    """A number that is stated; raises `InputError` for what is none."""
    return parse_decimal(text, text) if text else None


def _places(numbers: Numbers, rows: Flags) -> int:
    """Decimal places that the numbers of some rows need."""
    atoms, places = numbers.atoms[rows], numbers.places
    while places and not np.any(atoms % 10):
        atoms, places = atoms // 10, places - 1
    return places


def _on_grid(numbers: Numbers, places: Ints | int) -> tuple[Ints, Flags]:
    """Numbers as whole atoms of 10**-places, and which of them fit; those that do not are 0."""
    finer, coarser = (TENS[np.maximum(0, sign * (places - numbers.places))] for sign in (1, -1))
    fit = (np.abs(numbers.atoms) < AMOUNT_MAX // finer) & (numbers.atoms % coarser == 0)
    return np.where(fit, numbers.atoms, 0) * finer // coarser, fit
