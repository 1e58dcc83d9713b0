"""What a leg is worth and what it must be backed by: exactly, and as floats for the screen.

`Grid` holds the requirements of all markets of a run. Three shapes have a place in it: tiered, scaled with open
interest and sided. In each of them the surplus of a leg (worth less maintenance margin) is a concave function of its
price, which is what the screen rests on. `size` are signed base atoms, `price` whole quanta, amounts quote atoms.
"""
# mypy: disable-error-code="untyped-decorator, no-any-return"

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._rules import fraction_q, maintenance_of_initial_q, tiered_q
from .._rules import notional_q as absolute_worth_q
from .._rules import value_q as signed_worth_q
from ..jit import jit
from ..wide import Wide, join, wide

TIERED, OPEN_INTEREST_SCALED, SIDED = range(3)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

(
    SHAPE,
    NUM,
    DEN,
    ROWS_FROM,
    ROWS_TO,
    RATE_DEN,
    BASE_PPM,
    MINIMUM,
    ROUND_VALUE,
    ROUND_NOTIONAL,
    ROUND_REQUIREMENT,
    GRID_WORDS,
) = range(12)
"""Columns of `Grid.table`.

One base atom at one price quantum is worth `NUM / DEN` quote atoms. The market's rows of the margin table, their common
denominator, the initial margin before open interest adds to it, what is added to every requirement, and the directions
in which worth, notional and requirement are rounded.
"""
LOWER, INITIAL, MAINTENANCE, DEDUCTION_HIGH, DEDUCTION_LOW, ROW_WORDS = range(6)
"""Columns of `Grid.rows`: lower bound of notional in quote atoms; rates; two words of the deduction.

A sided market has one row for longs and one for shorts. `INITIAL` is what it is at the present open interest, and
`MAINTENANCE` of a market scaled with open interest its share of the base initial margin.
"""
PER, LESS = 0, 1
RATE = 0
"""Columns of `Grid.floats`: `PER` (quote atoms per base atom and quantum) of a market's record; of a row's, `RATE`
(maintenance margin per quote atom of notional) and `LESS` (the deduction in quote atoms)."""


class Grid(NamedTuple):
    """Requirements of `M` markets with `K` rows; few wide arrays, because compiled functions take each apart."""

    table: Ints
    """(M, at least GRID_WORDS)"""
    rows: Ints
    """(K, ROW_WORDS)"""
    floats: Floats
    """(M + K, 2) one record per market, then one per row"""


@jit
def order(keys: Ints | Floats, count: int, found: Ints) -> None:
    """Write the places of the first `count` keys in rising order, ties to the first (Shell's sort)."""
    gap = 1
    for k in range(count):
        found[k] = k
    while gap < count // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for k in range(gap, count):
            place, at = found[k], k
            while at >= gap:
                other = found[at - gap]
                if keys[other] < keys[place] or (keys[other] == keys[place] and other < place):
                    break
                found[at] = other
                at -= gap
            found[at] = place
        gap //= 3


@jit
def worth_q(grid: Grid, market: int, size: int, price: int) -> Wide:
    """Signed worth of a leg."""
    return signed_worth_q(
        size, price, grid.table[market, NUM], grid.table[market, DEN], grid.table[market, ROUND_VALUE]
    )


@jit
def notional_q(grid: Grid, market: int, size: int, price: int) -> Wide:
    """Absolute worth of a leg, the base of its requirement."""
    return absolute_worth_q(
        size, price, grid.table[market, NUM], grid.table[market, DEN], grid.table[market, ROUND_NOTIONAL]
    )


@jit
def _row(grid: Grid, market: int, size: int, notional: Wide) -> int:
    row = grid.table[market, ROWS_FROM]
    if grid.table[market, SHAPE] == SIDED:
        return row if size >= 0 else row + 1
    while row + 1 < grid.table[market, ROWS_TO] and notional >= grid.rows[row + 1, LOWER]:
        row += 1
    return row


@jit
def maintenance_q(grid: Grid, market: int, size: int, notional: Wide) -> Wide:
    """Maintenance margin of a leg; none without lots."""
    if size == 0:
        return wide(0)
    row, rounding = _row(grid, market, size, notional), grid.table[market, ROUND_REQUIREMENT]
    if grid.table[market, SHAPE] == TIERED:
        deduction = join(grid.rows[row, DEDUCTION_HIGH], grid.rows[row, DEDUCTION_LOW])
        asked = tiered_q(
            notional, grid.rows[row, MAINTENANCE], deduction, grid.table[market, RATE_DEN], rounding
        )
    elif grid.table[market, SHAPE] == SIDED:
        asked = fraction_q(notional, grid.rows[row, MAINTENANCE], grid.table[market, RATE_DEN], rounding)
    else:
        asked = maintenance_of_initial_q(
            notional, grid.table[market, BASE_PPM], grid.rows[row, MAINTENANCE], rounding
        )
    return asked + grid.table[market, MINIMUM]


@jit
def required_q(grid: Grid, market: int, size: int, notional: Wide) -> Wide:
    """Initial margin of a leg by its rate alone, at no chosen leverage."""
    row, rounding = _row(grid, market, size, notional), grid.table[market, ROUND_REQUIREMENT]
    return fraction_q(notional, grid.rows[row, INITIAL], grid.table[market, RATE_DEN], rounding)


@jit
def initial_q(grid: Grid, market: int, size: int, price: int) -> Wide:
    """Initial margin of a leg at no chosen leverage; never below its maintenance margin."""
    if size == 0:
        return wide(0)
    notional = notional_q(grid, market, size, price)
    required = required_q(grid, market, size, notional) + grid.table[market, MINIMUM]
    return max(required, maintenance_q(grid, market, size, notional))


@jit
def surplus_q(grid: Grid, market: int, size: int, price: int) -> Wide:
    """Worth of a leg less its maintenance margin."""
    notional = notional_q(grid, market, size, price)
    return worth_q(grid, market, size, price) - maintenance_q(grid, market, size, notional)


@jit
def surplus(grid: Grid, market: int, size: float, price: float) -> float:
    """The same as a float, without roundings."""
    worth = size * grid.floats[market, PER] * price
    row, notional = grid.table[market, ROWS_FROM], abs(worth)
    if grid.table[market, SHAPE] == SIDED:
        row += size < 0
    else:
        while row + 1 < grid.table[market, ROWS_TO] and notional >= grid.rows[row + 1, LOWER]:
            row += 1
    row += grid.table.shape[0]
    asked = notional * grid.floats[row, RATE] - grid.floats[row, LESS]
    return worth - asked - grid.table[market, MINIMUM]
