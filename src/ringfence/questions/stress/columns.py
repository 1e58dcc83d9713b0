"""A stress of a book in columns: the same answers as the engine's, a block of subaccounts at a time.

Prices, funding and pegs are moved by `reference.shocked_venue`, so a shock means the same on both ways; what the
kernel does not decide (`kernel.plan`) is asked of the reference by whoever builds this.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...books.record import EXACT
from ...clearing.model import Market, Venue
from ...clearing.risk import collateral_q
from ...errors import InputError
from ...kernel.columns import Block, Columns
from ...kernel.limits import UnfitError
from ...kernel.lots_f64 import Lines, find_unclear, lines_at
from ...kernel.plan import Plan, price_grid
from ...kernel.sets_scale import underlying_of
from ...kernel.sets_table import Sets, sets_of
from ...kernel.table import Table
from ...pricing.scenarios import Quote
from ...progress import Report
from ...venues.model import Rulebook
from ..repriced import reprice_options
from . import rows as compiled
from .reference import market_of, proceeds_q, shocked_venue
from .rows import Ints, exact_sum, whole
from .shocks import NOW, Shock
from .surface import NO_POOL, Fallen, Felled, Held, Ladder, Rung, Sums, Tally, Toll, outward

Flags = NDArray[np.bool_]
Standing = list[tuple[int, int, Ints]]
"""Rows that hold a market and have not fallen yet: the block, the number of the market there, places in the block."""

MOVE = 10**4
"""Shares of a price that moves are multiples of, mostly: basis points."""

SMALLER = "a file of fewer accounts is judged without columns"


class Judged(NamedTuple):
    """Rows of one block that are short or owe, and their amounts in quote atoms."""

    rows: Ints
    """(n,) places in the block"""
    short: Flags
    """(n,) liquidatable; the others only have negative equity"""
    equity: Ints
    maintenance: Ints


class Priced(NamedTuple):
    """A venue at a shock, its table, the lines of its legs, and what makes rows more than the sum of these."""

    venue: Venue
    table: Table
    lines: Lines
    sets: Sets | None


class Book(NamedTuple):
    """A book in columns, all of one rulebook.

    `venue` has the markets, assets and pools that `plan` compiles; `owner` is, by row number, the place of the row's
    account in `names`; `notes` are what a reader should know, and of how many accounts.
    """

    rulebook: Rulebook
    venue: Venue
    plan: Plan
    columns: Columns
    owner: NDArray[np.int64]
    names: Sequence[str]
    notes: Mapping[str, int]
    quotes: Mapping[str, Quote] = {}
    """What options are priced with."""
    twins: Mapping[str, str] = {}
    """Markets that stand in `venue` once more, on another grid of sizes, with the names of those that they are."""


class Columned:
    """A book in columns as a surface; points are judged side by side on so many threads (0: one per core)."""

    def __init__(self, book: Book, workers: int = 1) -> None:
        self.book, self.workers = book, workers or os.cpu_count() or 1
        pools = list(book.venue.pools)
        self._names = [book.twins.get(name, name) for name in book.plan.markets]
        self._market_rank = _rank(self._names)
        self._pools, self._pool_rank = pools, np.append(_rank(pools), len(pools))
        self._now = _priced(book.venue, book.plan)
        self._every = [np.arange(len(block.cash), dtype=np.int64) for block in book.columns.blocks]

    @property
    def size(self) -> int:
        """Accounts in the book."""
        return len(self.book.names)

    @property
    def markets(self) -> list[str]:
        """Markets that the book has positions in, the most frequent first; of options, their underlyings."""
        counts = np.zeros(len(self._names), np.int64)
        for block in self.book.columns.blocks:
            counts += np.bincount(block.market[block.size != 0], minlength=len(counts))
        positions: Counter[str] = Counter()
        for name, count in zip(self._names, counts.tolist(), strict=True):
            positions[name] += count
        held = [self.book.venue.markets[name] for name, count in positions.most_common() if count]
        return list(dict.fromkeys(underlying_of(market) for market in held))

    @property
    def assets(self) -> list[str]:
        """Collateral assets that are held other than the quote asset."""
        held = {
            int(number)
            for block in self.book.columns.blocks
            for number in np.unique(block.asset[block.amount != 0])
        }
        return [self.book.plan.assets[number] for number in sorted(held)]

    # -- the questions -------------------------------------------------------------------------------------------------

    def survey(self, shocks: Sequence[Shock], report: Report) -> Sums:
        """Sums over the liquidatable at every shock."""
        book, anywhere = self.book, np.zeros(len(self.book.names), np.bool_)
        found = Sums([Tally() for _ in shocks], {book.rulebook.name: len(book.names)}, len(book.columns))
        found.notes = dict(book.notes)
        self._count_held(found.markets)
        report(0, len(shocks), "prices")
        with ThreadPoolExecutor(self.workers) as pool:
            for at, touched in enumerate(pool.map(self._tally, shocks, found.points)):
                report(at + 1, len(shocks), f"prices: {shocks[at].label}")
                if at:  # the first point is the book as it is
                    anywhere |= touched
        found.anywhere = int(anywhere.sum())
        return found

    def tolls(self, shock: Shock, most: int | None, report: Report) -> list[Toll]:
        """Accounts with liquidatable subaccounts at a shock, those that matter most first."""
        report(0, None, "accounts")
        priced = self._at(shock)
        table = priced.table
        debts, deficits = (np.zeros(len(self.book.names), np.int64) for _ in range(2))
        notionals, listed = np.zeros_like(debts), []
        for at, block in enumerate(self.book.columns.blocks):
            judged = _only_short(self._judge(priced, at, self._every[at]))
            owner, owed = self._owners(at, judged.rows), self._debts(priced.venue, block, judged)
            notional = np.zeros(len(judged.rows), np.int64)
            self._count(table, block, judged.rows, notional)
            np.add.at(debts, owner, owed)
            np.add.at(deficits, owner, judged.maintenance - judged.equity)
            np.add.at(notionals, owner, notional)
            listed.append((at, judged, owner, owed, notional))
        owners = np.unique(np.concatenate([each[2] for each in listed]))
        order = np.lexsort((-notionals[owners], -deficits[owners], -debts[owners]))
        chosen = self._first(owners[order], (debts, deficits, notionals), most)
        fallen = self._fallen(table, listed, chosen)
        tolls = [Toll(self.book.names[account], tuple(fallen[account])) for account in chosen.tolist()]
        return sorted(tolls, key=lambda toll: toll.rank)[:most]

    def ladder(
        self, market: str, shocks: Sequence[Shock], moves: Sequence[Fraction], report: Report
    ) -> Ladder:
        """The liquidation map of a market."""
        found = Ladder(market, None, list(moves), [Rung() for _ in moves], Rung())
        name = market_of(self.book.venue, market)
        if name is None or name not in self.book.plan.market_numbers:
            return found
        standing = [
            (at, number, self._holders(at, number))
            for number, each in enumerate(self._names)
            for at in range(len(self._every))
            if each == name
        ]
        if any(len(rows) for *_, rows in standing):
            known = self.book.venue.markets[name]
            found.mark = Decimal(known.mark).scaleb(-known.price_decimals, EXACT)
        standing = self._climb(NOW, standing, found.now)
        for side in outward(moves):
            left = standing
            for done, at in enumerate(side):
                report(done, len(side), f"{market}: {shocks[at].label}")
                left = self._climb(shocks[at], left, found.rungs[at])
        return found

    # -- prices --------------------------------------------------------------------------------------------------------

    def _at(self, shock: Shock) -> Priced:
        """The venue at a shock."""
        book = self.book
        if shock.is_now:
            return self._now
        venue, plan = shocked_venue(book.venue, book.rulebook, shock, book.twins), copy(book.plan)
        reprice_options(book.rulebook, book.quotes, venue, shock.factor)
        table = plan.table
        plan.table = table._replace(
            markets=table.markets.copy(), assets=table.assets.copy(), funding=table.funding.copy()
        )
        try:
            plan.refresh(venue)
            return _priced(venue, plan)
        except (InputError, UnfitError) as error:
            raise InputError(f"{shock.label}: {error}; {SMALLER}") from None

    # -- rows ----------------------------------------------------------------------------------------------------------

    def _judge(self, priced: Priced, at: int, rows: Ints) -> Judged:
        """Those of the rows of a block that are liquidatable or have negative equity."""
        block, found = self.book.columns.blocks[at], np.empty(len(rows), np.int64)
        table, sets = priced.table, priced.sets
        short = np.zeros(len(rows), np.bool_)
        equity, maintenance = (np.zeros(len(rows), np.int64) for _ in range(2))
        try:
            if sets is None:
                rows = found[: find_unclear(table, priced.lines, block, rows, found)]
                compiled.judge(table, block, rows, short, equity, maintenance)
            else:
                from ...kernel import sets as netted

                rows = found[: netted.unclear(table, sets, block, rows, found)]
                netted.judge(table, sets, block, rows, short, equity, maintenance)
        except OverflowError:
            raise InputError(f"an amount is beyond what columns hold (64 bits); {SMALLER}") from None
        kept = np.flatnonzero(short[: len(rows)] | (equity[: len(rows)] < 0))
        return Judged(rows[kept], short[kept], equity[kept], maintenance[kept])

    def _owners(self, at: int, rows: Ints) -> Ints:
        return self.book.owner[rows + self.book.columns.starts[at]]

    def _count(
        self, table: Table, block: Block, rows: Ints, notional: Ints
    ) -> Iterator[tuple[str, int, Decimal, int]]:
        """Fill in the notional of rows; what they hold of each market: positions, lots without sign, notional."""
        count = len(self.book.plan.markets)
        positions, lots, worth = (np.zeros(shape, np.int64) for shape in (count, (count, 2), (count, 2)))
        compiled.count_held(table, block, rows, notional, positions, lots, worth)
        found = zip(positions.tolist(), whole(lots), whole(worth), strict=True)
        held = [(number, *each) for number, each in enumerate(found) if each[0]]
        return ((self._names[at], n, self._contracts(at, size), q) for at, n, size, q in held)

    def _contracts(self, number: int, size: int) -> Decimal:
        """Lots without sign, in units of the base asset."""
        market = self.book.venue.markets[self.book.plan.markets[number]]
        size_b = abs(size) * int(self.book.plan.table.markets[number]["size_unit"])
        return Decimal(size_b).scaleb(-market.base_decimals, EXACT)

    def _count_held(self, markets: dict[str, Held]) -> None:
        """What the book holds of each market as things are."""
        for block, rows in zip(self.book.columns.blocks, self._every, strict=True):
            counted = self._count(self.book.plan.table, block, rows, np.zeros(len(rows), np.int64))
            for name, positions, _, notional_q in counted:
                market = self.book.venue.markets[name]
                mark = Decimal(market.mark).scaleb(-market.price_decimals, EXACT)
                markets.setdefault(name, Held()).add(Held(positions, notional_q, mark))

    def _tally(self, shock: Shock, tally: Tally) -> Flags:
        """Add up the liquidatable at a shock; the accounts that have any."""
        priced = self._at(shock)
        table = priced.table
        touched = np.zeros(len(self.book.names), np.bool_)
        pools = np.zeros((len(self._pools) + 1, 2), np.int64)
        for at, block in enumerate(self.book.columns.blocks):
            judged = self._judge(priced, at, self._every[at])
            owed = self._debts(priced.venue, block, judged)
            tally.indebted += int((owed > 0).sum())
            indebted = judged.rows[owed > 0]
            weights = np.zeros(len(pools), np.int64)
            compiled.share_out(table, block, indebted, owed[owed > 0], self._pool_rank, weights, pools)
            short = _only_short(judged)
            touched[self._owners(at, short.rows)] = True
            notional = np.zeros(len(short.rows), np.int64)
            for name, positions, contracts, notional_q in self._count(table, block, short.rows, notional):
                tally.markets.setdefault(name, Felled()).add(positions, contracts, notional_q)
            tally.subaccounts += len(short.rows)
            tally.notional_q += exact_sum(notional)
            tally.deficit_q += exact_sum(np.maximum(0, short.maintenance - short.equity))
        names = [*self._pools, NO_POOL]
        tally.bad_debt_q = {name: owed_q for name, owed_q in zip(names, whole(pools), strict=True) if owed_q}
        tally.accounts = int(touched.sum())
        return touched

    def _debts(self, venue: Venue, block: Block, judged: Judged) -> Ints:
        """What each row owes once its positions are closed and its other collateral is sold."""
        left = judged.equity.copy()
        if block.amount.shape[1]:
            holding = (block.amount[judged.rows] > 0).any(axis=1)
            for at in np.flatnonzero(holding).tolist():
                left[at] += self._sale_q(venue, block, int(judged.rows[at]))
        owed: Ints = np.maximum(0, -left)
        return owed

    def _sale_q(self, venue: Venue, block: Block, row: int) -> int:
        """What the sale of a row's collateral brings beyond what it counts for."""
        total_q, plan = 0, self.book.plan
        for number, amount in zip(block.asset[row].tolist(), block.amount[row].tolist(), strict=True):
            if amount > 0:
                asset = venue.assets[plan.assets[number]]
                atoms = amount * int(plan.table.assets[number]["amount_unit"])
                total_q += proceeds_q(asset, atoms) - collateral_q(asset, atoms)
        return total_q

    # -- who matters most ----------------------------------------------------------------------------------------------

    def _first(self, owners: Ints, keys: tuple[Ints, Ints, Ints], most: int | None) -> Ints:
        """The first so many of sorted accounts, and those that tie with the last of them."""
        if most is None or len(owners) <= most:
            return owners
        last = owners[max(0, most - 1)]
        ties = np.all([key[owners] == key[last] for key in keys], axis=0)
        chosen: Ints = owners[(np.arange(len(owners)) < most) | ties]
        return chosen

    def _fallen(
        self, table: Table, listed: Sequence[tuple[int, Judged, Ints, Ints, Ints]], chosen: Ints
    ) -> dict[int, list[Fallen]]:
        """The liquidatable subaccounts of chosen accounts."""
        wanted = np.zeros(len(self.book.names), np.bool_)
        wanted[chosen] = True
        found: dict[int, list[Fallen]] = {account: [] for account in chosen.tolist()}
        for at, judged, owner, owed, notional in listed:
            kept = np.flatnonzero(wanted[owner])
            largest = self._largest(table, at, judged.rows[kept])
            for place, words in zip(kept.tolist(), largest, strict=True):
                account = int(owner[place])
                number = int(judged.rows[place]) + self.book.columns.starts[at]
                columns = (notional, judged.equity, judged.maintenance, owed)
                has_q, equity_q, asked_q, debt_q = (int(column[place]) for column in columns)
                name = self.book.columns.name(number)
                owner_name = self.book.names[account]
                found[account].append(Fallen(owner_name, name, has_q, equity_q, asked_q, debt_q, words))
        for each in found.values():
            each.sort(key=lambda fallen: fallen.subaccount)
        return found

    def _largest(self, table: Table, at: int, rows: Ints) -> list[str]:
        """Market and side of each row's largest position."""
        market, sign = (np.zeros(len(rows), np.int64) for _ in range(2))
        compiled.largest_legs(table, self.book.columns.blocks[at], rows, self._market_rank, market, sign)
        pairs = zip(market.tolist(), sign.tolist(), strict=True)
        names = self._names
        return [
            "" if number < 0 else f"{names[number]} {'long' if way > 0 else 'short'}" for number, way in pairs
        ]

    # -- the map -------------------------------------------------------------------------------------------------------

    def _holders(self, at: int, number: int) -> Ints:
        block = self.book.columns.blocks[at]
        found: Ints = np.flatnonzero(((block.market == number) & (block.size != 0)).any(axis=1))
        return found

    def _climb(self, shock: Shock, standing: Standing, rung: Rung) -> Standing:
        """Count those of the standing rows that are liquidatable at a shock on a rung; the rows that still stand."""
        priced, left = self._at(shock), []
        for at, number, rows in standing:
            short = _only_short(self._judge(priced, at, rows)).rows
            stands = np.ones(len(rows), np.bool_)
            stands[np.searchsorted(rows, short)] = False
            left.append((at, number, rows[stands]))
            size, notional = (np.zeros(len(short), np.int64) for _ in range(2))
            compiled.lots_in(priced.table, self.book.columns.blocks[at], short, number, size, notional)
            contracts = self._contracts(number, exact_sum(np.abs(size)))
            rung.add(Rung(len(short), contracts, exact_sum(notional)))
        return left


def _priced(venue: Venue, plan: Plan) -> Priced:
    return Priced(venue, plan.table, lines_at(plan.table), rule_of(venue, plan))


def rule_of(venue: Venue, plan: Plan) -> Sets | None:
    """The venue's rule over sets of positions, or its caps on profits; nothing where a row is the sum of its legs.

    `UnfitError` where 64 bits do not hold it.
    """
    return sets_of(venue, plan) if plan.whole else None


def may_move(market: Market) -> bool:
    """Whether the grid that columns have for a market's price has room for the digits of a move."""
    try:
        unit = price_grid((market.mark,))
    except UnfitError:
        return False
    return unit == 1 or market.mark % (unit * MOVE) == 0


def _only_short(judged: Judged) -> Judged:
    """The liquidatable among judged rows."""
    kept = judged.short
    return Judged(judged.rows[kept], judged.short[kept], judged.equity[kept], judged.maintenance[kept])


def _rank(names: Sequence[str]) -> Ints:
    """Place of each name in the order of names."""
    rank = np.zeros(len(names), np.int64)
    rank[sorted(range(len(names)), key=lambda at: names[at])] = np.arange(len(names))
    return rank
