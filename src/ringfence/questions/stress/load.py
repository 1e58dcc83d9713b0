"""A scanned book as columns: the same subaccounts that `build` makes of it, to the atom, and without an object per row.

What positions have in common (market, mode, leverage, mark) is asked of `build` itself, once for each combination that
the book has, so names, listings, modes and notes are its own. Accounts that need a closer look are named.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import cast, overload

import numpy as np

from ...books.account import ACCOUNT_NAME_EXTRA, Account, BookPosition, MarginMode
from ...books.record import Place, Record
from ...clearing.model import QUOTE, CollateralPool, Market, Venue
from ...errors import InputError
from ...kernel.columns import WIDTHS, Block, Columns, empty
from ...kernel.limits import UnfitError
from ...kernel.plan import GRIDS, plan
from ..grid import market_on_grid
from ..listings import listings
from ..margin import DEFAULT_VENUE
from . import fill as compiled
from .cells import DIGITS_MAX, PLACES_MAX, Codes, Ints
from .columns import Book, may_move, rule_of
from .fill import NOWHERE, Flags, Grids, Groups, Numbers
from .names import Chosen
from .reference import Bench
from .scan import Kind, Scan

ONE = Decimal(1)

Sizes = dict[tuple[int, int], int]
"""How many sizes have so many decimal places and so many digits."""

EXACT_PLACES = 16
"""A funding index counts 10^-24 USD per base atom: where sizes and prices have so many places together, a rate of 8
more is exact. On finer grids its rounding depends on the grid, and only the one that `build` takes will do."""


def load(bench: Bench, scan: Scan) -> tuple[Book | None, Flags]:
    """The accounts that columns hold, and which of `scan.names` they do not."""
    rulebook = bench.rulebooks[bench.venue or DEFAULT_VENUE]
    if not (scan.collateral.places >= 0).any():
        return None, np.ones_like(scan.odd)
    loading = _Loading(bench, scan, Venue(policy=listings(rulebook).policy))
    return (loading.book(), loading.odd) if loading.judge() else (None, np.ones_like(scan.odd))


class _Loading:
    """A scan on its way into columns. `odd` grows: accounts that go the other way."""

    def __init__(self, bench: Bench, scan: Scan, venue: Venue) -> None:
        self.bench, self.scan, self.venue = bench, scan, venue
        self.odd = scan.odd.copy()
        self.markets: list[str] = []
        """Names of markets by the number that `kinds.market` uses."""
        self.kinds = scan.flags._replace(market=np.full(len(scan.kinds), NOWHERE, np.int64))
        self.notes: list[tuple[str, ...]] = [()] * len(scan.kinds)
        self.twins: dict[str, str] = {}
        """Markets once more, on a grid for sizes of a certain length, with the names that they have in the rulebook."""

    def judge(self) -> bool:
        """Find the markets and grids of all rows and leave out what does not fit; false where nothing does."""
        self._samples()
        self.own = np.full((len(self.markets), PLACES_MAX + 1), NOWHERE, np.int64)
        if not self.markets or any(
            market.base_decimals > PLACES_MAX for market in self.venue.markets.values()
        ):
            return False
        self._choose_grids()
        try:
            rule_of(self.venue, self.plan)
        except UnfitError:
            return False
        for at, name in enumerate(self.markets):
            if name not in self.plan.market_numbers:
                self.kinds.market[self.kinds.market == at] = NOWHERE
        self.grids = self._grids()
        legs, owned = self.scan.legs, self.scan.collateral
        compiled.find_misfits(legs, self.kinds, self.grids, owned, self.odd)
        self.groups = self._groups()
        return bool(self.plan.markets) and not bool(self.odd.all())

    # -- what rows have in common --------------------------------------------------------------------------------------

    def _samples(self) -> None:
        """Ask the builder about each kind of row, the most frequent first: its marks and rules are everybody's."""
        counts = np.bincount(self.scan.legs.kind, minlength=len(self.scan.kinds))
        for at in np.argsort(-counts, kind="stable").tolist():
            if not self.scan.kinds[at].is_position:
                continue
            try:
                found = self.bench.build(_sample(self.scan.kinds[at]))
            except (InputError, ArithmeticError):
                continue
            (market,) = found.venue.markets.values()
            if not may_move(market) or not self._agrees(market):
                continue
            self.kinds.market[at] = self.markets.index(market.id)
            self.notes[at] = found.notes

    def _agrees(self, market: Market) -> bool:
        known = self.venue.markets.get(market.id)
        if known is None:
            self.venue.markets[market.id] = market
            self.venue.pools.setdefault(market.pool, CollateralPool(market.pool))
            self.markets.append(market.id)
            return True
        return known == market

    # -- grids ---------------------------------------------------------------------------------------------------------

    def _choose_grids(self) -> None:
        """Plan the markets on grids for most of their sizes, and once more for each length of those that do not fit."""
        counts = np.zeros((len(self.markets), PLACES_MAX + 1, DIGITS_MAX + 1), np.int64)
        compiled.count_digits(self.scan.legs, self.kinds, self.odd, counts)
        stated, held = dict(self.venue.markets), dict[str, Sizes]()
        for name, found in zip(self.markets, counts, strict=True):
            held[name] = {
                (places, digits): int(found[places, digits]) for places, digits in np.argwhere(found).tolist()
            }
            finest = usual_places(stated[name], held[name])
            self.venue.markets[name] = market_on_grid(stated[name], finest, 0)
        self.plan = plan(self.venue, self._sizes(held))
        for at, name in enumerate(self.markets):
            for places, sizes in self._without_room(name, held[name]).items():
                twin = market_on_grid(stated[name], places, 0)
                twin.id = f"{name} in sizes of {places} decimals"
                self.own[at, places] = len(self.markets) + len(self.twins)
                self.venue.markets[twin.id], self.twins[twin.id], held[twin.id] = twin, name, sizes
        if self.twins:
            self.plan = plan(self.venue, self._sizes(held))

    def _sizes(self, held: Mapping[str, Sizes]) -> dict[str, Counter[int]]:
        """How often each size is held, in base atoms: of so many digits, the largest."""
        decimals = {name: self.venue.markets[name].base_decimals for name in held}
        return {
            name: Counter(
                {
                    (10**digits - 1) * 10 ** (decimals[name] - places): count
                    for (places, digits), count in sizes.items()
                    if places <= decimals[name]
                }
            )
            for name, sizes in held.items()
        }

    def _without_room(self, name: str, sizes: Sizes) -> dict[int, Sizes]:
        """The sizes, by decimal places, that the grid of a market has no room for."""
        found: dict[int, Sizes] = {}
        if name in self.plan.market_numbers:
            decimals, most = self._lots(name)
            for (places, digits), count in sizes.items():
                if places > decimals or (10**digits - 1) * 10 ** (decimals - places) > most:
                    found.setdefault(places, {})[places, digits] = count
        return found

    def _lots(self, name: str) -> tuple[int, int]:
        """Decimal places of a lot of a market in the plan, and the most lots that a position has."""
        number = self.plan.market_numbers[name]
        unit = int(self.plan.table.markets[number]["size_unit"])
        decimals = self.venue.markets[name].base_decimals - GRIDS.index(unit)
        return decimals, self.plan.limits[number].size_max

    def _grids(self) -> Grids:
        """How positions are counted; of markets that the kernel does not decide, with room for none."""
        names, numbers = [*self.markets, *self.twins], self.plan.market_numbers
        lots = [self._lots(name) if name in numbers else (0, 0) for name in names]
        places, limits = np.array(lots, np.int64).T
        pools = list(self.venue.pools)
        return Grids(
            places,
            limits,
            np.array([numbers.get(name, 0) for name in names], np.uint16),
            self.own,
            np.array([pools.index(self.venue.markets[name].pool) for name in self.markets], np.int64),
        )

    # -- subaccounts ---------------------------------------------------------------------------------------------------

    def _groups(self) -> Groups:
        """Subaccounts of all accounts that are not odd: cross ones of whoever has positions or collateral there."""
        legs, kinds = self.scan.legs, self.kinds
        ends, rows = self._sorted()
        most = len(self.odd) + len(rows)
        groups = Groups(
            rows,
            np.empty(most, np.int64),
            np.empty(most, np.int64),
            np.empty(most, np.int64),
            np.empty(most, np.bool_),
            Numbers(np.empty(most, np.int64), np.empty(most, np.int8)),
        )
        count = compiled.group_up(legs, kinds, self.scan.collateral, ends, self.odd, groups)
        begin, many, account, is_isolated, backing = groups[1:]
        backing = Numbers(backing.atoms[:count], backing.places[:count])
        return Groups(rows, begin[:count], many[:count], account[:count], is_isolated[:count], backing)

    def _sorted(self) -> tuple[Ints, Codes]:
        """The positions by account, cross before isolated, by market, and where those of each account end.

        Accounts where they cannot stand so are left.
        """
        legs, kinds = self.scan.legs, self.kinds
        counts = np.zeros(len(self.odd), np.int64)
        compiled.count_positions(legs, kinds, counts)
        self.odd |= counts > 2 * len(self.markets)  # who has more has a market twice
        counts[self.odd] = 0
        ends: Ints = np.cumsum(counts) - counts
        rows = np.empty(counts.sum(), np.int32)
        compiled.sort_rows(legs, kinds, self.odd, ends, rows)
        compiled.sort_within(legs, kinds.is_isolated * len(self.markets) + kinds.market, ends, rows)
        pools = self.grids.pool if self.venue.policy.exclusive_pools else np.zeros_like(self.grids.pool)
        compiled.find_apart(legs, kinds, self.grids, pools, ends, rows, self.odd)
        return ends, rows

    # -- columns -------------------------------------------------------------------------------------------------------

    def book(self) -> Book:
        """Everything that fits, as columns."""
        groups = self.groups
        classes = np.searchsorted(WIDTHS, groups.legs)
        blocks, chosen = list[Block](), list[Ints]()
        for at, width in enumerate(WIDTHS):
            mine = np.flatnonzero(classes == at)
            if len(mine):
                block = empty(len(mine), width)
                compiled.fill(self.scan.legs, self.kinds, self.grids, groups, mine, block)
                blocks.append(block)
                chosen.append(mine)
        place = np.cumsum(~self.odd) - 1
        names = Chosen(self.scan.names, np.flatnonzero(~self.odd))
        owners = [place[groups.account[mine]] for mine in chosen]
        ids = [
            Labels(names, owner, self._market(mine), self.markets)
            for owner, mine in zip(owners, chosen, strict=True)
        ]
        columns = Columns(blocks, ids)
        columns.netted = bool(self.plan.whole)
        return Book(
            self.bench.rulebooks[self.bench.venue or DEFAULT_VENUE],
            self.venue,
            self.plan,
            columns,
            np.concatenate(owners),
            names,
            self._notes(),
            twins=self.twins,
        )

    def _market(self, mine: Ints) -> Ints:
        """The market of each isolated subaccount, `NOWHERE` for cross ones."""
        found = np.full(len(mine), NOWHERE, np.int64)
        alone = self.groups.is_isolated[mine]
        rows = self.groups.rows[self.groups.begin[mine[alone]]]
        found[alone] = self.kinds.market[self.scan.legs.kind[rows]]
        return found

    def _notes(self) -> dict[str, int]:
        """What a reader should know, and of how many accounts."""
        found: dict[str, int] = {}
        legs = self.scan.legs
        for note in dict.fromkeys(note for notes in self.notes for note in notes):
            kinds = np.array([note in notes for notes in self.notes], np.bool_)
            noted = np.zeros(len(self.odd), np.bool_)
            noted[legs.account[kinds[legs.kind]]] = True
            accounts = int((noted & ~self.odd).sum())
            found |= {note: accounts} if accounts else {}
        return found


def usual_places(market: Market, sizes: Sizes) -> int:
    """Decimal places of the grid that most sizes of a market fit on; never fewer than the venue counts."""
    coarsest = market.base_decimals
    finest = max(coarsest, min(DIGITS_MAX, EXACT_PLACES - market.price_decimals))

    def fitting(places: int) -> int:
        return sum(
            count
            for (behind, digits), count in sizes.items()
            if behind <= places and digits + places - behind <= DIGITS_MAX
        )

    return max(range(coarsest, finest + 1), key=lambda places: (fitting(places), -places))


class Labels(Sequence[str]):
    """Names of subaccounts, as `build` has them, put together when they are asked for."""

    def __init__(self, names: Sequence[str], owner: Ints, market: Ints, markets: Sequence[str]) -> None:
        """`owner` are places in `names`; `market`, of isolated ones, in `markets`, else `NOWHERE`."""
        self.names, self.owner, self.market, self.markets = names, owner, market, markets

    def __len__(self) -> int:
        return len(self.owner)

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> list[str]: ...
    def __getitem__(self, at: int | slice) -> str | list[str]:
        if isinstance(at, slice):
            return [self[each] for each in range(*at.indices(len(self)))]
        name = str(self.names[self.owner[at]])
        if self.market[at] == NOWHERE:
            return name
        return f"{name}{ACCOUNT_NAME_EXTRA}{self.markets[self.market[at]]}"


def samples(scan: Scan) -> list[Account]:
    """An account for every kind of position in a scan, of which nothing but the market is asked."""
    return [_sample(kind._replace(mark="", leverage="")) for kind in scan.kinds if kind.symbol]


def _sample(kind: Kind) -> Account:
    """An account with one position of a kind; of its size and backing nothing is asked.

    `InputError` for a number that the reader refuses.
    """
    stated = Record({"markPrice": kind.mark or None, "leverage": kind.leverage or None}, Place(kind.symbol))
    held = BookPosition(
        kind.symbol,
        ONE,
        None,
        stated.positive_or_none("markPrice"),
        cast("MarginMode", kind.mode),
        stated.positive_or_none("leverage"),
        collateral=Decimal(0) if kind.mode == "isolated" else None,
    )
    return Account("sample", {QUOTE: Decimal(0)}, (held,))
