"""What a stress needs of columns, compiled: who is short, what they hold, and which pool their debt belongs to.

Decisions and amounts are the kernel's exact ones (`kernel.legs`); an amount that leaves 64 bits raises `OverflowError`.
Sums that many rows add to are kept in two limbs of 32 bits (`Limbs`), so that they cannot overflow either.
"""

import numpy as np
from numpy.typing import NDArray

from ...kernel.columns import Block
from ...kernel.jit import jit
from ...kernel.legs import is_short, maintenance_at, notional_at, row_equity_and_maintenance
from ...kernel.table import Table
from ...kernel.wide import mul_div_down, narrow, wide

Ints = NDArray[np.int64]
Rows = NDArray[np.int64]
Limbs = NDArray[np.int64]
"""(n, 2): sums of what lies above the 32 lowest bits, and of these."""

LOW_BITS = 32
LOW = (1 << LOW_BITS) - 1


def whole(limbs: Limbs) -> list[int]:
    """Sums that were kept in limbs."""
    return [(int(high) << LOW_BITS) + int(low) for high, low in limbs]


def exact_sum(amounts: Ints) -> int:
    """Sum of 64-bit integers, which may need more than 64 bits."""
    return (int((amounts >> LOW_BITS).sum()) << LOW_BITS) + int((amounts & LOW).sum())


@jit
def judge(
    table: Table, block: Block, rows: Rows, short: NDArray[np.bool_], equity: Ints, maintenance: Ints
) -> None:
    """Fill in, for each of `rows`, whether it is liquidatable, its equity and its maintenance margin (quote atoms)."""
    for at in range(len(rows)):
        has_q, asked_q = row_equity_and_maintenance(table, block, rows[at])
        short[at] = is_short(table, has_q, asked_q)
        equity[at], maintenance[at] = narrow(has_q), narrow(asked_q)


@jit
def count_held(
    table: Table, block: Block, rows: Rows, notional: Ints, positions: Ints, lots: Limbs, worth: Limbs
) -> None:
    """Fill in each row's notional; add its positions, their lots without sign and their notional to their markets'."""
    for at in range(len(rows)):
        total = wide(0)
        for leg in range(block.size.shape[1]):
            number, size = block.market[rows[at], leg], block.size[rows[at], leg]
            if size == 0:
                continue
            notional_q = narrow(notional_at(table, number, size, table.markets[number].price))
            total = total + notional_q
            positions[number] += 1
            lots[number, 0] += abs(size) >> LOW_BITS
            lots[number, 1] += abs(size) & LOW
            worth[number, 0] += notional_q >> LOW_BITS
            worth[number, 1] += notional_q & LOW
        notional[at] = narrow(total)


@jit
def leg_of(block: Block, row: int, market: int) -> int:
    """The leg of a row in a market; -1 where it has none."""
    for leg in range(block.size.shape[1]):
        if block.size[row, leg] != 0 and block.market[row, leg] == market:
            return leg
    return -1


@jit
def lots_in(table: Table, block: Block, rows: Rows, market: int, size: Ints, notional: Ints) -> None:
    """Fill in what each of `rows` holds of one market: signed lots, and their worth at its price."""
    for at in range(len(rows)):
        leg = leg_of(block, rows[at], market)
        size[at] = block.size[rows[at], leg] if leg >= 0 else 0
        notional[at] = narrow(notional_at(table, market, size[at], table.markets[market].price))


@jit
def largest_leg(table: Table, block: Block, row: int, rank: Ints) -> int:
    """The leg with the largest notional, of equal ones that whose market has the lowest rank; -1 without any."""
    found, most = -1, wide(-1)
    for leg in range(block.size.shape[1]):
        number, size = block.market[row, leg], block.size[row, leg]
        if size == 0:
            continue
        notional = notional_at(table, number, size, table.markets[number].price)
        if notional > most or (notional == most and rank[number] < rank[block.market[row, found]]):
            found, most = leg, notional
    return found


@jit
def largest_legs(table: Table, block: Block, rows: Rows, rank: Ints, market: Ints, sign: Ints) -> None:
    """Fill in the market of each row's largest position (-1 without one), and whether it is long (1) or short (-1)."""
    for at in range(len(rows)):
        leg = largest_leg(table, block, rows[at], rank)
        market[at], sign[at] = -1, 0
        if leg >= 0:
            market[at] = block.market[rows[at], leg]
            sign[at] = 1 if block.size[rows[at], leg] > 0 else -1


@jit
def weigh(table: Table, block: Block, row: int, by_margin: bool, weights: Ints) -> int:
    """Add the maintenance margin of a row's positions (or their notional) to their pools; returns the sum."""
    total = wide(0)
    for leg in range(block.size.shape[1]):
        number, size = block.market[row, leg], block.size[row, leg]
        if size == 0:
            continue
        price = table.markets[number].price
        if by_margin:
            weight = narrow(maintenance_at(table, number, size, block.cost[row, leg], price))
        else:
            weight = narrow(notional_at(table, number, size, price))
        weights[table.markets[number].pool] += weight
        total = total + weight
    return narrow(total)


@jit
def only_pool(table: Table, block: Block, row: int) -> int:
    """The pool of all positions of a row; -1 where they have several, or there are none."""
    found = -1
    for leg in range(block.size.shape[1]):
        if block.size[row, leg] == 0:
            continue
        pool = table.markets[block.market[row, leg]].pool
        if found not in (-1, pool):
            return -1
        found = pool
    return found


@jit
def share_one(
    table: Table, block: Block, row: int, debt: int, rank: Ints, weights: Ints, pools: Limbs
) -> None:
    """Add one row's debt to the pools of its positions; `weights` are zero before and after."""
    only = only_pool(table, block, row)
    if only >= 0:
        pools[only, 0] += debt >> LOW_BITS
        pools[only, 1] += debt & LOW
        return
    total = weigh(table, block, row, True, weights)
    if total == 0:
        total = max(1, weigh(table, block, row, False, weights))
    left, largest, most = debt, len(pools) - 1, -1
    for leg in range(block.size.shape[1]):
        pool = table.markets[block.market[row, leg]].pool
        if block.size[row, leg] == 0 or weights[pool] < 0:
            continue
        share = narrow(mul_div_down(wide(debt), weights[pool], total))
        pools[pool, 0] += share >> LOW_BITS
        pools[pool, 1] += share & LOW
        left -= share
        if weights[pool] > most or (weights[pool] == most and rank[pool] < rank[largest]):
            largest, most = pool, weights[pool]
        weights[pool] = -1
    pools[largest, 0] += left >> LOW_BITS
    pools[largest, 1] += left & LOW
    for leg in range(block.size.shape[1]):
        if block.size[row, leg] != 0:
            weights[table.markets[block.market[row, leg]].pool] = 0


@jit
def share_out(
    table: Table, block: Block, rows: Rows, debts: Ints, rank: Ints, weights: Ints, pools: Limbs
) -> None:
    """Add each row's debt to the pools of its positions; the last place of `pools` is for rows without any.

    In proportion to maintenance margin (without any, notional), shares rounded down; what that leaves goes to the
    largest (of equal ones, that of the lowest `rank`). `weights` are zeros, as many as `pools`.
    """
    for at in range(len(rows)):
        share_one(table, block, rows[at], debts[at], rank, weights, pools)
