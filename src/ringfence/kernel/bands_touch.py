"""To touch a subaccount is to decide it and, where it is safe, to band it.

Its surplus is split over its legs in proportion to their worth, and each leg is armed where its own share would be
used up: as long as no leg is crossed, no share is exceeded, so the surplus is not negative. Floats decide wherever
the surplus is further from zero than its radius, which bounds all roundings of the exact rule and of the floats.
Within it there is a *doubt*: the row is noted, `decided` decides it in 128 bits, and `resolve` takes the verdicts
over. docs/explain/bands.md proves both bounds.
"""

import numpy as np

from .bands_lines import EPSILON, asked, lower_and_upper, outline
from .bands_record import ANCHORED, DOUBTS, Index, places_at
from .bands_slots import ALWAYS, NEVER, Flags, Ints32, arm
from .columns import FLAGGED, SYSTEM, Block
from .jit import always_inlined, jit
from .legs import is_liquidatable
from .table import Table

MARGIN_OF_SHARE = 1.0 - 2.0**-30
"""Of the surplus that could be given out, this much is, so that no rounding of shares gives out more."""
INWARDS = 1.0 - EPSILON
SAFE, SHORT_OF_MARGIN, UNDECIDED = range(3)


@jit
def weigh(index: Index, table: Table, row: int) -> tuple[int, float]:
    """Decide a subaccount in floats, and how much surplus there is to share per quote atom of its notional.

    The exact surplus lies within a radius of the one here, or above it where a step is not sure. The haircut of an
    asset is no margin, without which nobody is liquidatable. Leaves notional and contribution of each leg in `scratch`.
    """
    always_inlined()
    width = index.scratch.shape[1]
    places = 4 * places_at(width)
    fixed = index.words[row, width]
    surplus, margin, notionals, error, sure = fixed, 0.0, 0.0, 1.0, True
    size = abs(fixed)
    for leg in range(width):
        unit = index.words[row, leg]
        if unit == 0.0:
            continue
        lines = int(np.int64(index.shorts[row, places + leg])) >> index.class_bits
        factor = lines >> 1
        notional, sign = abs(unit) * index.price[factor], 1.0 if unit > 0.0 else -1.0
        if index.lines.made[factor]:
            lines = 2 * len(index.price) + leg
            tight = outline(index.lines, table, factor, sign, notional, index.own[row, leg], lines)
            sure = sure and tight
            error += index.own[row, leg, 0]
        need = asked(index.lines, lines, notional)
        index.scratch[0, leg], index.scratch[1, leg] = notional, sign * notional - need
        funding = unit * index.paid[factor]
        surplus += sign * notional - need - funding
        margin += need if factor < len(table.markets) else 0.0
        notionals += notional
        error += index.lines.error_q
        size += notional + abs(need) + abs(funding)
    radius = error + EPSILON * size
    if surplus > radius:
        return SAFE, (surplus - radius) * MARGIN_OF_SHARE / notionals if notionals > 0.0 else 0.0
    certain = sure and surplus < -radius and margin > radius
    return SHORT_OF_MARGIN if certain else UNDECIDED, 0.0


@jit
def band(index: Index, row: int, share: float) -> None:
    """Arm every leg where `share` of its notional is used up; at any price where there is nothing to share.

    Reads what `weigh` has left in `scratch` and in the lines made at touch.
    """
    always_inlined()
    width = index.scratch.shape[1]
    places = 4 * places_at(width)
    for leg in range(width):
        unit = index.words[row, leg]
        if unit == 0.0:
            continue
        lines, slot = (
            int(np.int64(index.shorts[row, places + leg])) >> index.class_bits,
            int(np.int64(index.slot[row, leg])),
        )
        factor = lines >> 1
        notional, worth = index.scratch[0, leg], index.scratch[1, leg]
        if share <= 0.0 or notional <= 0.0:
            arm(index.slots, slot, ALWAYS, ALWAYS)
            continue
        if index.lines.made[factor]:
            lines = 2 * len(index.price) + leg
        least = worth - share * notional + EPSILON * (notional + abs(worth))
        lower, upper = lower_and_upper(index.lines, lines, least, notional)
        per_notional = index.price[factor] / notional
        low, high = lower * per_notional, upper * per_notional
        down = low - index.narrowed[0, factor] * INWARDS if low > 0.0 else NEVER
        arm(index.slots, slot, down, -high - index.narrowed[1, factor] * INWARDS)


@jit
def note(index: Index, row: int) -> None:
    """Leave a subaccount to 128 bits."""
    index.doubts[index.state[DOUBTS]] = row
    index.state[DOUBTS] += 1


@jit
def report(index: Index, row: int, out: Ints32, count: int) -> int:
    """Append a liquidatable subaccount to `out[count:]` and watch it no more; scans drop its triggers."""
    index.watched[row] = False
    out[count] = row
    return count + 1


@jit
def touch(index: Index, table: Table, row: int, out: Ints32, count: int) -> int:
    """Decide a subaccount: band it, append it to `out[count:]`, or note a doubt. How many `out` has now."""
    always_inlined()
    found, share = weigh(index, table, row)
    if found == SAFE:
        band(index, row, share)
    elif found == SHORT_OF_MARGIN:
        count = report(index, row, out, count)
    else:
        note(index, row)
    return count


@jit
def watch(index: Index, table: Table, block: Block, row: int, out: Ints32, count: int) -> int:
    """Begin to watch a subaccount whose record is written; as `touch`."""
    flags = block.flags[row]
    index.watched[row] = not flags & SYSTEM
    if flags & SYSTEM:
        return count
    if flags & FLAGGED:
        note(index, row)
        return count
    return touch(index, table, row, out, count)


@jit
def decided(table: Table, block: Block, rows: Ints32, found: Flags) -> None:
    """Whether each of `rows` is liquidatable, exactly."""
    for number in range(len(rows)):
        found[number] = is_liquidatable(table, block, int(np.int64(rows[number])))


@jit
def resolve(index: Index, found: Flags, out: Ints32, count: int) -> int:
    """Take over the verdicts on all doubts; append who is liquidatable to `out[count:]`."""
    for number in range(index.state[DOUBTS]):
        row = int(np.int64(index.doubts[number]))
        if not found[number]:
            if row < index.state[ANCHORED]:
                band(index, row, 0.0)
        elif index.watched[row]:
            count = report(index, row, out, count)
    index.state[DOUBTS] = 0
    return count
