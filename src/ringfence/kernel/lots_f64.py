"""The float reading of a whole book at one set of prices: within a row of its table, a leg is a line in its lots.

At given prices worth is so much a lot, and what a flat rate, a row of a marginal table, a step or a share of the
notional asks is so much a lot and a constant. `lines_at` writes these down once for every row of every table, so that a
leg is two products. A row with other assets, funding to settle or a leg that has no line (rates that grow with size or
apply to the cost, costs of closing with bounds, floors, notionals that may lie beyond a step) is read by `legs_f64`.
Surplus and radius are those of `legs_f64`: the same terms, in fewer operations.
"""
# mypy: no-warn-return-any

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..rules.words import PPM
from .columns import Block
from .jit import jit
from .legs import Record
from .legs_f64 import STEP_DOUBT, atoms_f64, row_surplus_f64, share_of
from .limits import SIZE_MAX
from .table import (
    ADDED,
    COST_SHARE,
    FLOOR_BELOW,
    OPEN_INTEREST_SCALED,
    ROOT_SCALED,
    SIDED,
    SKEW_SCALED,
    STEPPED,
    TIERED,
    Records,
    Table,
)
from .wide import join, to_float

LINE = np.dtype(
    [
        ("lots", np.int64),  # the line of legs of so many lots and more
        ("worth", np.float64),  # of a lot held long, quote atoms
        ("rate", np.float64),  # what is asked of a lot, quote atoms
        ("asked", np.float64),  # what is asked besides of a leg, quote atoms
        ("weight", np.float64),  # magnitude of a lot, quote atoms
    ]
)
"""A row of a table at a price."""

MARKET_LINES = np.dtype(
    [
        ("first", np.int32),  # its lines in `Lines.rows`
        ("end", np.int32),
        ("sided", np.int32),  # 1: the line after the first is that of legs held short
        ("lots_end", np.int64),  # legs of so many lots and more have no line
        ("atoms", np.float64),  # of rounding, a leg
        ("epoch", np.int64),  # as `MARKET.epoch`
    ]
)


NONE = -1.0
"""In place of a radius: a row that is not read."""

Numbers = NDArray[np.int64]


class Legs(NamedTuple):
    """What a line asks of the legs of a block: few arrays, since compiled code hands over every one of them."""

    market: NDArray[np.uint16]
    size: NDArray[np.int64]
    epoch: NDArray[np.int32]


class Lines(NamedTuple):
    """All markets at the prices of a table."""

    rows: Records
    """`LINE`, by row of `Table.rows`"""
    markets: Records
    """`MARKET_LINES`, by market"""


@jit
def _has_lines(market: Record) -> bool:
    """Whether a leg in one row of a market's table is asked a share of its notional and a constant."""
    if market.shape in (SKEW_SCALED, ROOT_SCALED, COST_SHARE):
        return False
    if market.closes and (market.close_lower_q > 0 or market.close_upper_q > 0 or market.close_of_cost):
        return False
    if market.minimum_as == ADDED:
        return True
    return market.minimum_q == 0 and (market.minimum_as == FLOOR_BELOW or not market.closes)


@jit
def _share(market: Record, row: Record) -> float:
    """What a row asks of the notional, with what closing costs, as a share."""
    if market.shape == OPEN_INTEREST_SCALED:
        return (row.initial_num / PPM) * (row.maintenance_num / PPM) + market.close_rate
    return row.maintenance_num / market.rate_den + market.close_rate


@jit
def _whole(lots: float) -> int:
    """A number of lots, rounded down."""
    return np.int64(min(max(lots, 0.0), float(SIZE_MAX)))  # type: ignore[return-value]


@jit
def _write_line(market: Record, row: Record, line: Record) -> None:
    """A row of a market's table, which begins with the first lot that reaches it."""
    worth = float(market.price) * market.worth
    share = _share(market, row)
    line.worth, line.rate, line.asked = worth, worth * share, float(market.minimum_q)
    line.weight = worth * (1.0 + 2.0 * market.rate_most + share)
    if market.shape == TIERED:
        line.asked -= to_float(join(row.deduction_hi, row.deduction_lo)) / market.rate_den
    if market.shape == STEPPED and market.by_size:
        line.lots = -(-row.lower // market.size_unit)
    else:
        line.lots = _whole(np.ceil(row.lower / worth)) if worth > 0.0 else SIZE_MAX


@jit
def _write(table: Table, lines: Lines) -> None:
    for number in range(len(table.markets)):
        market, mine = table.markets[number], lines.markets[number]
        mine.first, mine.end, mine.epoch = market.rows_at, market.rows_end, market.epoch
        mine.lots_end = SIZE_MAX + 1 if _has_lines(market) else 0
        mine.atoms = atoms_f64(market, market.rate_most)
        for at in range(mine.first, mine.end):
            _write_line(market, table.rows[at], lines.rows[at])
        if market.shape == SIDED:
            mine.sided, mine.end = 1, mine.first + 1
        if market.shape == STEPPED and not market.by_size and mine.end > mine.first + 1:
            worth, lower = lines.rows[mine.first].worth, float(table.rows[mine.first + 1].lower)
            mine.end = mine.first + 1
            if worth > 0.0:
                sure = _whole((lower * (1.0 - 2.0 * STEP_DOUBT) - 4.0) / worth)
                mine.lots_end = min(mine.lots_end, sure)


def lines_at(table: Table) -> Lines:
    """The lines of all markets at a table's present prices and funding indices."""
    found = Lines(np.zeros(len(table.rows), LINE), np.zeros(len(table.markets), MARKET_LINES))
    _write(table, found)
    return found


@jit
def _line_of(rows: Records, market: Record, size: int, lots: int) -> int:
    """Place of the line of a leg."""
    at = market.first + market.sided * (1 if size < 0 else 0)
    while at + 1 < market.end and lots >= rows[at + 1].lots:
        at += 1
    return at


@jit
def row_by_lines(lines: Lines, legs: Legs, cash: int, row: int) -> tuple[float, float]:
    """As `legs_f64.row_surplus_f64` for a row without other assets; no radius (`NONE`) where a leg has no line."""
    surplus = float(cash)
    magnitude, atoms = abs(surplus), 0.0
    for leg in range(legs.size.shape[1]):
        size = legs.size[row, leg]
        market, lots = lines.markets[legs.market[row, leg]], abs(size)
        if size == 0:
            continue
        if lots >= market.lots_end or market.epoch != legs.epoch[row, leg]:
            return 0.0, NONE
        line = lines.rows[_line_of(lines.rows, market, size, lots)]
        surplus += size * line.worth - lots * line.rate - line.asked
        magnitude, atoms = magnitude + lots * line.weight + max(line.asked, 0.0), atoms + market.atoms
    return surplus, atoms + share_of(legs.size.shape[1]) * magnitude


@jit
def find_unclear(table: Table, lines: Lines, block: Block, rows: Numbers, found: Numbers) -> int:
    """Those of `rows` that floats cannot clear at the table's present prices; how many, and in `found` which.

    Cleared is whose surplus is an atom at least for certain: neither short nor with negative equity.
    """
    count, legs = 0, Legs(block.market, block.size, block.epoch)
    is_plain = block.asset.shape[1] == 0
    for at in range(len(rows)):
        row, surplus, radius = rows[at], 0.0, NONE
        if is_plain:
            surplus, radius = row_by_lines(lines, legs, block.cash[row], row)
        if radius < 0.0:
            surplus, radius = row_surplus_f64(table, block, row)
        if not surplus - radius > 1.0:
            found[count] = row
            count += 1
    return count
