"""What a tick touches: prices and funding move, and whoever that crosses is decided.

Where a tick crosses so much that looking at everybody is cheaper, it sweeps the block instead, and no bands hold any
more. The ticks that follow band the rows anew, some at each, from the first on: those that are *anchored* are looked at
where a price crosses their triggers, and those that are not yet are swept at every tick.

Rows that are found liquidatable are appended to `out[count:]`, and every function says how many there are now. Doubts
are noted in the index; whoever calls resolves them before the next tick.
"""
# mypy: disable-error-code="no-any-return"

import numpy as np

from .bands_lines import EPSILON
from .bands_record import ANCHORED, DOUBTS, Index, rise_of, write
from .bands_slots import BLOCK, NONE, Flags, Ints32, Ints64, clear, scan, settle
from .bands_sweep import sweep
from .bands_touch import touch, watch
from .columns import Block
from .jit import jit
from .table import Table

TOUCHES_PER_SWEEP = 64
"""A sweep is preferred to touching more than one in so many subaccounts."""
LEAST_SLOPE = 2.0**-10
"""Where a leg gains less than this from a better price, bands do not hold when it pays funding."""
NO_SLOT = -1


@jit
def key_of(index: Index, side: int, factor: int) -> float:
    """What reaches are compared with: a reach of at least this is crossed."""
    price = index.price[factor] if side == 0 else -index.price[factor]
    return price - index.narrowed[side, factor]


@jit
def look(index: Index, factor: int, side: int, span: int) -> bool:
    """Scan one side of a factor and note the span of what was found; False where it was too much."""
    found, seen = (index.spans[span - 1, 2], index.spans[span - 1, 3]) if span else (NONE, NONE)
    key, slots, anchored = key_of(index, side, factor), index.slots, index.state[ANCHORED]
    room = BLOCK + (index.found.size - BLOCK) * anchored // max(len(index.watched), 1)
    found, seen = scan(
        slots, index.watched, anchored, factor, side, key, index.found[:room], found, index.seen, seen
    )
    index.spans[span, 0], index.spans[span, 1] = factor, side
    index.spans[span, 2], index.spans[span, 3] = found, seen
    return found <= room


@jit
def decide(index: Index, table: Table, spans: int, out: Ints32, count: int) -> int:
    """Touch what `spans` scans have found, as far as it is still crossed, and lower the extrema of its blocks."""
    begin = NONE
    for span in range(spans):
        side, end = index.spans[span, 1], index.spans[span, 2]
        key = np.float32(key_of(index, side, index.spans[span, 0]))
        for number in range(begin, end):
            slot = int(np.int64(index.found[number]))
            row = int(np.int64(index.slots.owner[slot]))
            if index.slots.reach[side, slot] >= key and index.watched[row]:
                count = touch(index, table, row, out, count)
        begin = end
    begin = NONE
    for span in range(spans):
        end = index.spans[span, 3]
        settle(index.slots, index.spans[span, 1], index.seen, begin, end)
        begin = end
    return count


@jit
def follow(index: Index, table: Table, spans: int, is_all: bool, out: Ints32, count: int) -> int:
    """Decide what `spans` scans have found, or everybody where that is not all; and whoever has no bands that hold."""
    if is_all:
        count = decide(index, table, spans, out, count)
        count = anchor(index, table, out, count)
    else:
        index.state[ANCHORED] = 0
        clear(index.slots)
    return sweep(index, table, index.state[ANCHORED], out, count)


@jit
def anchor(index: Index, table: Table, out: Ints32, count: int) -> int:
    """Touch the next rows of those that have no bands that hold, as many as a tick may touch."""
    begin = index.state[ANCHORED]
    end = min(begin + index.found.size, len(index.watched))
    for row in range(begin, end):
        if index.watched[row]:
            count = touch(index, table, row, out, count)
    index.state[ANCHORED] = end
    return count


@jit
def tick(
    index: Index,
    table: Table,
    factors: Ints64,
    prices: Ints64,
    begin: int,
    end: int,
    out: Ints32,
    count: int,
) -> int:
    """Move the prices `[begin:end]`, all at once."""
    spans, is_all = NONE, True
    for number in range(begin, end):
        factor = factors[number]
        before = index.price[factor]
        index.quoted[factor] = prices[number]
        index.price[factor] = float(prices[number])
        if is_all and index.price[factor] != before:
            is_all = look(index, factor, NONE if index.price[factor] < before else NONE + 1, spans)
            spans += 1
    is_quiet = is_all and (spans == 0 or index.spans[spans - 1, 3] == 0)
    if is_quiet and index.state[ANCHORED] == len(index.watched):
        return count
    return follow(index, table, spans, is_all, out, count)


@jit
def ticks(
    index: Index,
    table: Table,
    factors: Ints64,
    prices: Ints64,
    starts: Ints64,
    first: int,
    out: Ints32,
    ends: Ints64,
) -> int:
    """Many ticks one after the other, from number `first`; tick `i` moves the prices `[starts[i]:starts[i + 1]]`.

    Who becomes liquidatable at tick `i` is `out[ends[i - 1]:ends[i]]`. Stops after a tick that leaves a doubt, and
    returns the number of the next one.
    """
    count = ends[first - 1] if first else 0
    for number in range(first, len(ends)):
        count = tick(index, table, factors, prices, starts[number], starts[number + 1], out, count)
        ends[number] = count
        if index.state[DOUBTS]:
            return number + 1
    return len(ends)


@jit
def fund(index: Index, table: Table, number: int, epoch: int, out: Ints32) -> int:
    """Move a market's funding index to the one at place `epoch`; who pays has narrower bands from now on.

    Where narrower bands bound nothing (a leg that gains little from a better price) everybody is banded anew.
    """
    cost = rise_of(index, table, number, epoch, index.epoch[number])
    index.epoch[number] = epoch
    index.paid[number] = rise_of(index, table, number, epoch, index.base[number])
    side, slope, count = (
        (NONE, 1.0 - index.lines.steepest[number], NONE) if cost > 0.0 else (NONE + 1, 1.0, NONE)
    )
    if slope < LEAST_SLOPE:
        return follow(index, table, NONE, False, out, count)
    before = index.narrowed[side, number]
    index.narrowed[side, number] = before + abs(cost) / slope * (1 + EPSILON) + EPSILON * before
    return follow(index, table, NONE + 1, look(index, number, side, NONE), out, count)


@jit
def enter(index: Index, table: Table, block: Block, rows: Ints32, watched: Flags, out: Ints32) -> int:
    """Take over `rows` as they stand in the block, and watch those `watched` says; `NO_SLOT` where one has none."""
    count = NONE
    for number in range(len(rows)):
        row = int(np.int64(rows[number]))
        if not write(index, table, block, row):
            return NO_SLOT
        if watched[number]:
            count = watch(index, table, block, row, out, count)
    return count
