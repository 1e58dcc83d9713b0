"""Who is liquidatable, over a whole book: a certified float filter first, 128 bits for whoever it cannot tell.

Within a window of prices the surplus of a leg is concave in its price, or bounded from below by something that is; so
the chord between the window's ends lies below it. A row keeps one slope per leg and one constant, from which the error
radius has already been taken: one multiply-add per leg says that a row is *surely safe*. A third number, the slack,
says how far above that bound the surplus may lie anywhere in the window: whoever would be short even so is *surely
short*. Whoever is in between is decided by `legs.is_liquidatable` in 128 bits, so the answer is the exact one. When a
price leaves its window, or a funding index or the price of an asset changes, the lines are built anew: one pass over
the book.

`brute` decides everybody exactly, the yardstick. `assess` returns what stress tests add up. Rows are numbered through
all blocks of a book, as in `columns.Columns`.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .columns import SYSTEM, Block, Columns
from .jit import jit, screen_jit
from .legs import Record, is_liquidatable, row_risk
from .legs_f64 import (
    UNSURE,
    atoms_f64,
    maintenance_f64,
    notional_f64,
    rate_most_f64,
    reads_a_ceiling,
    rest_surplus_f64,
    share_of,
)
from .plan import Plan
from .table import Records, Table
from .wide import narrow

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
Window = tuple[float, float, float, float]
"""Worth of a leg at the ends of its window, and what it is asked there."""
Filter = Callable[[NDArray[np.uint16], "Lines", Floats, Numbers, Floats], int]

WINDOW = 0.1
"""How far a price may move from where its lines were built, as a share of it."""


class Lines(NamedTuple):
    """The chords of a block: the surplus is at least `base + sum(slope * price)`, and at most `slack` more."""

    slope: Floats
    """(n, w) quote atoms per price unit"""
    base: Floats
    """(n,) quote atoms; everything else, less the error radius and one atom"""
    slack: Floats
    """(n,) quote atoms; infinite for who may not be asked for anything, and who is flagged"""


@jit
def _leg_slack(
    market: Record, rows: Records, terms: Record, leg: tuple[int, int], window: Window, share: float
) -> tuple[float, float]:
    """How far above its chord a leg (size and cost) may lie in a window, and the least that it is asked there.

    What it is asked, with steps and capped costs read below the window, is convex. So its chord lies above it by no
    more than twice what it does in the middle.
    """
    size, cost = leg
    least, most, first, last = window
    lowest_first, lowest_last, floor = first, last, least * (1.0 - share) - 2.0
    if reads_a_ceiling(market):
        lowest_first = maintenance_f64(market, rows, terms, size, cost, least, floor)
        lowest_last = maintenance_f64(market, rows, terms, size, cost, most, floor)
    middle = maintenance_f64(market, rows, terms, size, cost, (least + most) / 2.0, floor)
    stepped = max(first - lowest_first, last - lowest_last)
    return stepped + max(0.0, lowest_first + lowest_last - 2.0 * middle), lowest_first


@jit
def _build(table: Table, block: Block, low: Numbers, high: Numbers, lines: Lines) -> None:
    """Chords of every row of a block over the windows `low` to `high` (price units, by market)."""
    rows, terms, share = table.rows, table.terms[0], share_of(block.size.shape[1] + block.asset.shape[1])
    for row in range(block.cash.size):
        base, magnitude, atoms = rest_surplus_f64(table, block, row)
        slack, asked = 0.0, 0.0
        for leg in range(block.size.shape[1]):
            number, size, cost = block.market[row, leg], block.size[row, leg], block.cost[row, leg]
            if size == 0:
                lines.slope[row, leg] = 0.0
                continue
            market = table.markets[number]
            begin, end = float(low[number]), float(high[number])
            least, most = notional_f64(market, size, begin), notional_f64(market, size, end)
            # Above every notional in the window, rounded or not: steps and capped costs are read here.
            ceiling = most * (1.0 + share) + 2.0
            first = maintenance_f64(market, rows, terms, size, cost, least, ceiling)
            last = maintenance_f64(market, rows, terms, size, cost, most, ceiling)
            side = 1.0 if size > 0 else -1.0
            slope = (side * (most - least) - (last - first)) / (end - begin)
            lines.slope[row, leg] = slope
            base += side * least - first - slope * begin
            above, needed = _leg_slack(market, rows, terms, (size, cost), (least, most, first, last), share)
            slack, asked = slack + above, asked + needed
            rate = rate_most_f64(market, rows, terms, size)
            magnitude += 3.0 * most * (1.0 + 2.0 * rate) + first + last + 3.0 * abs(slope) * end
            atoms += 2.0 * atoms_f64(market, rate)
        radius = atoms + share * magnitude + 1.0
        lines.base[row], lines.slack[row] = base - radius, slack + 3.0 * radius
        if asked <= radius:
            lines.slack[row] = np.inf
        if block.flags[row]:
            lines.base[row] = UNSURE if block.flags[row] & SYSTEM else -UNSURE
            lines.slack[row] = np.inf


@cache
def _filter(width: int) -> Filter:
    """The filter for one width: a constant, so that the loop over legs is unrolled and several times faster.

    It writes the rows whose lower bound is below zero to `found`, their bounds to `bounds`, and returns how many there
    are.
    """

    def unclear(
        market: NDArray[np.uint16], lines: Lines, prices: Floats, found: Numbers, bounds: Floats
    ) -> int:
        count = 0
        slope, base = lines.slope, lines.base
        for row in range(base.size):
            bound = base[row]
            for leg in range(width):
                bound += slope[row, leg] * prices[market[row, leg]]
            found[count], bounds[count] = row, bound
            count += bound < 0.0
        return count

    return screen_jit(unclear)


@jit
def _decide(
    table: Table, block: Block, rows: Numbers, bounds: Floats, slack: Floats, found: Numbers
) -> tuple[int, int]:
    """How many of these rows are liquidatable (in `found` which), and how many of them 128 bits decided.

    Those are all whose bound may have so much slack that they are safe.
    """
    kept, exact = 0, 0
    for place in range(rows.size):
        row = rows[place]
        found[kept] = row
        if bounds[place] + slack[row] < 0.0:
            kept += 1
        else:
            kept += is_liquidatable(table, block, row)
            exact += 1
    return kept, exact


@jit
def _decide_all(table: Table, block: Block, found: Numbers) -> int:
    """How many rows are liquidatable (in `found` which), every one decided in 128 bits."""
    kept = 0
    for row in range(block.cash.size):
        found[kept] = row
        kept += is_liquidatable(table, block, row)
    return kept


@jit
def _assess(table: Table, block: Block, out: Numbers) -> None:
    for row in range(block.cash.size):
        equity, initial, maintenance, notional = row_risk(table, block, row)
        out[row, 0], out[row, 1] = narrow(equity), narrow(initial)
        out[row, 2], out[row, 3] = narrow(maintenance), narrow(notional)


class Screen:
    """Whole-book decisions on one plan and one book, with the lines that make them fast."""

    def __init__(self, plan: Plan, columns: Columns, window: float = WINDOW) -> None:
        """Build the lines at the plan's present prices."""
        columns.must_add_up()
        self.plan, self.columns, self.window = plan, columns, window
        self.unclear = 0
        """How many rows the filter did not clear at the last tick."""
        self.exact = 0
        """How many of them could not be told without 128 bits."""
        self.builds = 0
        """How often the lines were built."""
        self._found = [np.empty(len(block.cash) + 1, np.int64) for block in columns.blocks]
        self._bounds = [np.empty(len(block.cash) + 1) for block in columns.blocks]
        self._kept = [np.empty(len(block.cash) + 1, np.int64) for block in columns.blocks]
        self.lines = [
            Lines(np.empty(block.size.shape), np.empty(len(block.cash)), np.empty(len(block.cash)))
            for block in columns.blocks
        ]
        self.build()

    def build(self) -> None:
        """Draw all lines anew around the present prices; to be called when rows changed (fills, deposits)."""
        table, prices = self.plan.table, self.plan.table.markets["price"]
        reach = np.maximum((prices * self.window).astype(np.int64), 1)
        self._low, self._high = np.maximum(prices - reach, 0), prices + reach
        self._epochs, self._assets = table.markets["epoch"].copy(), table.assets["price"].copy()
        for block, lines in zip(self.columns.blocks, self.lines, strict=True):
            _build(table, block, self._low, self._high, lines)
        self.builds += 1

    def is_current(self) -> bool:
        """Whether every price lies in its window, and funding and the prices of assets are as they were."""
        table = self.plan.table
        prices = table.markets["price"]
        inside = np.all((prices >= self._low) & (prices <= self._high))
        settled = np.array_equal(table.markets["epoch"], self._epochs)
        return bool(inside) and settled and np.array_equal(table.assets["price"], self._assets)

    def liquidatable(self) -> Numbers:
        """Numbers of the liquidatable rows at the plan's present prices, in order."""
        if not self.is_current():
            self.build()
        table = self.plan.table
        prices = table.markets["price"].astype(np.float64)
        self.unclear, self.exact, parts = 0, 0, list[Numbers]()
        for at, block in enumerate(self.columns.blocks):
            lines, found, bounds, kept = self.lines[at], self._found[at], self._bounds[at], self._kept[at]
            count = _filter(block.size.shape[1])(block.market, lines, prices, found, bounds)
            self.unclear += count
            decided, exact = _decide(table, block, found[:count], bounds, lines.slack, kept)
            self.exact += exact
            parts.append(kept[:decided] + self.columns.starts[at])
        return np.concatenate(parts) if parts else np.empty(0, np.int64)


def brute(plan: Plan, columns: Columns) -> Numbers:
    """Numbers of the liquidatable rows, every one decided in 128 bits with the venue's roundings."""
    parts = []
    for start, block in zip(columns.starts, columns.blocks, strict=False):
        found = np.empty(len(block.cash) + 1, np.int64)
        parts.append(found[: _decide_all(plan.table, block, found)] + start)
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


class Assessment(NamedTuple):
    """Risk of every row, in quote atoms, by row number."""

    equity: Numbers
    initial: Numbers
    maintenance: Numbers
    notional: Numbers

    @property
    def surplus(self) -> Numbers:
        """Equity above maintenance margin; negative when it is short."""
        return self.equity - self.maintenance


def assess(plan: Plan, columns: Columns) -> Assessment:
    """Exact risk of every row; `OverflowError` for an amount beyond 64 bits."""
    out = np.empty((len(columns), 4), np.int64)
    for start, block in zip(columns.starts, columns.blocks, strict=False):
        _assess(plan.table, block, out[start : start + len(block.cash)])
    return Assessment(*(np.ascontiguousarray(out[:, place]) for place in range(4)))
