"""Who is liquidatable where a subaccount is more than the sum of its legs, over a whole book.

The twin of `screen` for rules over sets (`clearing.portfolio`: spread credits, margin on debts, scenarios, options
netted by expiry) and for caps on profits, which depend on everybody in a market (`clearing.liquidity`). Floats decide
whoever is further from the trigger than their radius (`sets_f64`), 128 bits everybody else; `brute` decides all in 128
bits; `assess` returns what stress tests add up. Rows are numbered through all blocks of a book that was made with
`columns.from_venue(venue, plan, netted=True)`.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .columns import Block, Columns
from .jit import jit
from .legs import is_short
from .plan import Plan
from .screen import Assessment
from .sets_exact import fill_costs, is_liquidatable, least_q, row_equity_and_maintenance, row_risk
from .sets_f64 import row_surplus_f64
from .sets_table import Caps, Sets
from .table import Table
from .wide import narrow

Numbers = NDArray[np.int64]


class Decision(NamedTuple):
    """Numbers of the liquidatable rows, in order, and how many rows 128 bits had to decide."""

    rows: Numbers
    exact: int


@jit
def _decide(table: Table, sets: Sets, block: Block, is_filtered: bool, found: Numbers) -> tuple[int, int]:
    """How many rows are liquidatable (in `found` which), and how many of all 128 bits decided.

    Floats are asked first where `is_filtered`, and never otherwise.
    """
    count, exact = 0, 0
    for row in range(block.cash.size):
        found[count] = row
        if is_filtered and block.flags[row] == 0:
            surplus, radius = row_surplus_f64(table, sets, block, row)
            if surplus - radius > 1.0:
                continue
            if surplus < -radius and least_q(table, sets, block, row) > 0:
                count += 1
                continue
        count += is_liquidatable(table, sets, block, row)
        exact += 1
    return count, exact


@jit
def unclear(table: Table, sets: Sets, block: Block, rows: Numbers, found: Numbers) -> int:
    """Those of `rows` that the float reading cannot clear; how many, and in `found` which.

    Cleared is whose surplus is an atom at least for certain: neither short nor with negative equity.
    """
    count = 0
    for at in range(len(rows)):
        surplus, radius = row_surplus_f64(table, sets, block, rows[at])
        if not surplus - radius > 1.0:
            found[count] = rows[at]
            count += 1
    return count


@jit
def judge(
    table: Table,
    sets: Sets,
    block: Block,
    rows: Numbers,
    short: NDArray[np.bool_],
    equity: Numbers,
    maintenance: Numbers,
) -> None:
    """Fill in, for each of `rows`, whether it is liquidatable, its equity and its maintenance margin (quote atoms)."""
    for at in range(len(rows)):
        has_q, asked_q = row_equity_and_maintenance(table, sets, block, rows[at])
        short[at] = is_short(table, has_q, asked_q)
        equity[at], maintenance[at] = narrow(has_q), narrow(asked_q)


@jit
def _assess(table: Table, sets: Sets, block: Block, out: Numbers) -> None:
    for row in range(block.cash.size):
        equity, initial, maintenance, notional = row_risk(table, sets, block, row)
        out[row, 0], out[row, 1] = narrow(equity), narrow(initial)
        out[row, 2], out[row, 3] = narrow(maintenance), narrow(notional)


def liquidatable(plan: Plan, sets: Sets, columns: Columns) -> Decision:
    """Who is liquidatable: floats first, 128 bits where they cannot tell."""
    return _decided(plan, sets, columns, is_filtered=True)


def brute(plan: Plan, sets: Sets, columns: Columns) -> Numbers:
    """Numbers of the liquidatable rows, every one decided in 128 bits."""
    return _decided(plan, sets, columns, is_filtered=False).rows


def _decided(plan: Plan, sets: Sets, columns: Columns, *, is_filtered: bool) -> Decision:
    parts, total = [np.empty(0, np.int64)], 0
    for start, block in zip(columns.starts, columns.blocks, strict=False):
        found = np.empty(len(block.cash) + 1, np.int64)
        count, exact = _decide(plan.table, sets, block, is_filtered, found)
        parts.append(found[:count] + start)
        total += exact
    return Decision(np.concatenate(parts), total)


def assess(plan: Plan, sets: Sets, columns: Columns) -> Assessment:
    """Exact risk of every row; `OverflowError` for an amount beyond 64 bits."""
    out = np.empty((len(columns), 4), np.int64)
    for start, block in zip(columns.starts, columns.blocks, strict=False):
        mine = out[start : start + len(block.cash)]
        _assess(plan.table, sets, block, mine)
        if isinstance(sets, Caps):  # orders count market by market
            continue
        for filled in _filled(plan.table, block):
            after = np.empty_like(mine)
            _assess(plan.table, sets, filled, after)
            mine[:, 1] = np.maximum(mine[:, 1], after[:, 1])
    return Assessment(*(np.ascontiguousarray(out[:, place]) for place in range(4)))


def _filled(table: Table, block: Block) -> Iterator[Block]:
    """The block after all resting buys, and after all sells, where there are any."""
    none = np.zeros((0, block.size.shape[1]), np.int64)
    for reached in (block.buys, block.sells) if len(block.buys) else ():
        cost = np.empty_like(block.cost)
        fill_costs(table, block, reached, cost)
        yield block._replace(size=reached, cost=cost, buys=none, sells=none)
