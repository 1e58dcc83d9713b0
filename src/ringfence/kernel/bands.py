"""Who becomes liquidatable when prices move, without looking at anybody whom the move cannot concern.

`Bands` watches a book of `columns`: each leg has a trigger price, found by splitting its subaccount's surplus over
its legs, and a tick touches those subaccounts alone whose trigger it crosses. Isolated and cross margin are one
index: with one leg, the trigger is the liquidation price. Triggers lie on the safe side; a touch decides exactly, so
every answer is what looking at everybody would give, in 128 bits.

A liquidatable subaccount is reported once, and watched again after `update`. Prices count the price units of the
plan's table, rows are numbered as in `Columns`; bands write prices and funding indices into that table as they move.
"""

from bisect import bisect_right
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..clearing.model import Market
from ..clearing.policy import (
    CostShare,
    OpenInterestScaled,
    Policy,
    Requirement,
    RootScaled,
    Sided,
    SkewScaled,
    Stepped,
    Tiered,
)
from ..clearing.set_rules import DebtMargin, ScenarioMargin, SetRule, SpreadCredit, StandardMargin
from ..errors import InputError
from . import bands_tick as core
from .bands_record import ANCHORED, DOUBTS, FACTORS_MOST, Index, empty_index, places_at
from .bands_slots import Ints32, Ints64
from .bands_tick import TOUCHES_PER_SWEEP
from .bands_touch import decided, resolve
from .columns import Block, Columns
from .limits import SIZE_MAX
from .plan import Plan

EXACT, LOWER_BOUND, SCREEN_ONLY = "exact", "lower_bound", "screen_only"
"""Where the trigger of a leg is: where its own share is used up (but for roundings), before that, or nowhere."""
BOUNDS: dict[type[Requirement | SetRule], str] = {
    Tiered: EXACT,
    OpenInterestScaled: EXACT,
    Sided: EXACT,
    SkewScaled: EXACT,
    RootScaled: EXACT,
    CostShare: EXACT,
    Stepped: LOWER_BOUND,
    SpreadCredit: SCREEN_ONLY,
    DebtMargin: SCREEN_ONLY,
    ScenarioMargin: SCREEN_ONLY,
    StandardMargin: SCREEN_ONLY,
}
"""Of every shape of a requirement, and of every rule over positions together."""


def bound_of(market: Market, policy: Policy) -> str:
    """Which bound the triggers of a market's legs are; `SCREEN_ONLY` where its margin looks beyond the leg."""
    if policy.set_rule is not None:
        return BOUNDS[type(policy.set_rule)]
    if market.option is not None or market.solvency is not None:
        return SCREEN_ONLY
    shape, cost = market.requirement, market.close_cost
    if cost is not None and cost.of == "notional" and cost.upper_q:
        return LOWER_BOUND
    if isinstance(shape, Stepped) and shape.by == "size":
        return EXACT
    return BOUNDS[type(shape)]


class Trigger(NamedTuple):
    """The prices (price units) between which one leg does not concern its subaccount."""

    factor: int
    """Number of a market, or the number of markets and that of an asset."""
    lower: float
    upper: float


class Decisions(NamedTuple):
    """Who became liquidatable at each of many ticks."""

    rows: Ints32
    ends: Ints64

    def at(self, tick: int) -> Ints32:
        """Rows that became liquidatable at a tick, in no order."""
        return self.rows[(self.ends[tick - 1] if tick else 0) : self.ends[tick]]


class Bands:
    """A trigger index over a book. `due` are the rows that were liquidatable when it was built."""

    def __init__(self, plan: Plan, columns: Columns, touches_per_sweep: int = TOUCHES_PER_SWEEP) -> None:
        """Index every row of `columns`, which were made on this plan.

        A tick that would touch more than one row in `touches_per_sweep` sweeps instead.
        """
        columns.must_add_up()
        self.columns, self.plan = columns, plan
        self.touches_per_sweep = touches_per_sweep
        self.factors = len(plan.table.markets) + len(plan.table.assets)
        if self.factors > FACTORS_MOST:
            raise InputError(f"markets and assets: at most {FACTORS_MOST} can be watched, not {self.factors}")
        limits = [limit.price_max for limit in plan.limits]
        self.price_max = np.array(limits + [SIZE_MAX] * len(plan.table.assets), np.int64)
        self.indices: list[Index] = []
        self.due = self.rebuild()

    # -- prices ---------------------------------------------------------------------------------------------------

    def tick(self, market: int, price: int) -> Ints32:
        """Move the price of one market; the rows that become liquidatable, in no order."""
        return self._moved(np.array([market]), np.array([price]), np.array([0, 1])).rows

    def tick_asset(self, asset: int, price: int) -> Ints32:
        """Move the price of one collateral asset."""
        return self.tick(len(self.plan.table.markets) + asset, price)

    def batch(self, prices: Ints64) -> Ints32:
        """Move all prices at once: those of all markets, or of all markets and then all assets."""
        if len(prices) not in {len(self.plan.table.markets), self.factors}:
            raise InputError(f"prices: {self.factors} are needed, {len(prices)} were given")
        return self._moved(np.arange(len(prices)), prices, np.array([0, len(prices)])).rows

    def ticks(self, factors: Ints64, prices: Ints64) -> Decisions:
        """Move one price after the other, by factor (a market, or the number of markets and that of an asset)."""
        return self._moved(factors, prices, np.arange(len(factors) + 1))

    def batches(self, prices: Ints64) -> Decisions:
        """Move all prices at once, again and again: (ticks, markets) or (ticks, markets and assets)."""
        ticks, factors = prices.shape
        return self._moved(np.tile(np.arange(factors), ticks), prices.ravel(), np.arange(ticks + 1) * factors)

    def _moved(self, factors: Ints64, prices: Ints64, starts: Ints64) -> Decisions:
        """Decide ticks; tick `i` moves prices `[starts[i]:starts[i + 1]]`, of as many different factors."""
        self._check(factors, prices)
        found = []
        for index, block, start in self._parts():
            ends, out, number = np.zeros(len(starts) - 1, np.int64), _room(block), 0
            while number < len(ends):
                number = core.ticks(index, self.plan.table, factors, prices, starts, number, out, ends)
                ends[number - 1] = self._resolved(index, block, out, ends[number - 1])
            found.append(Decisions(out[: ends[-1]] + np.int32(start), ends))
            self._quote(index)
        return _merged(found, len(starts) - 1)

    def _check(self, factors: Ints64, prices: Ints64) -> None:
        """`InputError` for a factor or a price that there cannot be."""
        if np.any((factors < 0) | (factors >= self.factors)):
            raise InputError(f"factor: numbers from 0 to {self.factors - 1} are needed")
        wrong = np.flatnonzero((prices < 0) | (prices > self.price_max[factors]))
        if len(wrong):
            most = self.price_max[factors[wrong[0]]]
            raise InputError(f"price: one between 0 and {most} is needed, not {prices[wrong[0]]}")

    # -- everything else ------------------------------------------------------------------------------------------

    def fund(self, market: int, funding_index: int) -> Ints32:
        """Move the funding index of one market; positions stay settled to the one they were."""
        epoch, found = self.plan.epoch(funding_index), []
        for index, block, start in self._parts():
            out = _room(block)
            count = core.fund(index, self.plan.table, market, epoch, out)
            found.append(out[: self._resolved(index, block, out, count)] + np.int32(start))
            self._quote(index)
        return _joined(found)

    def update(self, number: int) -> bool:
        """Take over row `number` as it stands in the columns now, and watch it again; whether it is liquidatable."""
        block, row = self.columns.place(number)
        at = bisect_right(self.columns.starts, number) - 1
        index, out = self.indices[at], np.empty(1, np.int32)
        count = core.enter(
            index, self.plan.table, block, np.array([row], np.int32), np.ones(1, np.bool_), out
        )
        if count != core.NO_SLOT:
            return self._resolved(index, block, out, count) > 0
        watched = index.watched.copy()
        watched[row] = True
        self.indices[at], due = self._indexed(block, watched)
        return row in due

    def rebuild(self) -> Ints32:
        """Index every row anew, also those that were reported; the rows that are liquidatable.

        For rules that have changed in the plan's table. It touches every row once.
        """
        found = [self._indexed(block, np.ones(len(block.cash), np.bool_)) for block in self.columns.blocks]
        self.indices = [index for index, _ in found]
        self.due = _joined(
            [due + np.int32(start) for (_, due), start in zip(found, self.columns.starts, strict=False)]
        )
        return self.due

    def triggers(self, number: int) -> list[Trigger]:
        """The bands of row `number`, leg by leg; none for a row that is not watched, or swept for now."""
        block, row = self.columns.place(number)
        index = self.indices[bisect_right(self.columns.starts, number) - 1]
        width, found = block.size.shape[1] + block.asset.shape[1], []
        holds = index.watched[row] and row < index.state[ANCHORED]
        for leg in np.flatnonzero(index.words[row, :width]) if holds else ():
            factor = int(index.shorts[row, 4 * places_at(width) + leg]) >> index.class_bits >> 1
            lower, upper = index.slots.reach[:, index.slot[row, leg]]
            low, high = lower + index.narrowed[0, factor], -(upper + index.narrowed[1, factor])
            found.append(Trigger(factor, float(low), float(high)))
        return found

    @property
    def nbytes(self) -> int:
        """Bytes of the index, without the columns."""
        return sum(_memory(index) + _memory(index.slots) + _memory(index.lines) for index in self.indices)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _parts(self) -> Iterator[tuple[Index, Block, int]]:
        """Every block with its index and the number of its first row."""
        return zip(self.indices, self.columns.blocks, self.columns.starts, strict=False)

    def _indexed(self, block: Block, watched: NDArray[np.bool_]) -> tuple[Index, Ints32]:
        """A new index of a block and, of the rows to be watched, those that are liquidatable."""
        index, out = empty_index(self.plan.table, block, self.touches_per_sweep), _room(block)
        count = core.enter(index, self.plan.table, block, np.arange(len(out), dtype=np.int32), watched, out)
        return index, out[: self._resolved(index, block, out, count)]

    def _resolved(self, index: Index, block: Block, out: Ints32, count: int) -> int:
        """Have all doubts decided in 128 bits; append who is liquidatable to `out[count:]`."""
        doubts = index.doubts[: index.state[DOUBTS]]
        if not len(doubts):
            return count
        self._quote(index)
        found = np.empty(len(doubts), np.bool_)
        decided(self.plan.table, block, doubts, found)
        return resolve(index, found, out, count)

    def _quote(self, index: Index) -> None:
        """Bring the table to the prices and funding indices of an index."""
        table = self.plan.table
        table.markets["price"], table.markets["epoch"] = index.quoted[: len(table.markets)], index.epoch
        table.assets["price"] = index.quoted[len(table.markets) :]


def _room(block: Block) -> Ints32:
    return np.empty(len(block.cash), np.int32)


def _joined(found: list[Ints32]) -> Ints32:
    return np.concatenate(found) if found else np.zeros(0, np.int32)


def _merged(found: list[Decisions], ticks: int) -> Decisions:
    """Decisions of several blocks about the same ticks, as one."""
    if len(found) == 1:
        return found[0]
    ends: Ints64 = np.zeros(ticks, np.int64)
    for each in found:
        ends += each.ends
    return Decisions(_joined([each.at(tick) for tick in range(ticks) for each in found]), ends)


def _memory(arrays: tuple[Any, ...]) -> int:
    """Bytes of the arrays among these, those once that are views of one record."""
    found = {each.__array_interface__["data"]: each.nbytes for each in arrays if isinstance(each, np.ndarray)}
    return sum(found.values())
