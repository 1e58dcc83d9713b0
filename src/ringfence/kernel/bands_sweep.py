"""A sweep decides everybody who is watched, at the present prices, and bands nobody.

Nearly everybody clearly is safe or is not, and one pass shows it: at given prices a unit of a leg adds a fixed amount
to the surplus, as far as one line of its requirement is above all others, so a leg is a comparison and a multiply-add.
Whom this does not decide is weighed as at a touch.
"""
# mypy: disable-error-code="no-any-return"

from collections.abc import Callable

import numpy as np

from .bands_lines import EPSILON, LONG, SHORT
from .bands_record import DOUBTS, Index, factors_at
from .bands_slots import NONE, Ints32
from .bands_touch import SAFE, SHORT_OF_MARGIN, note, report, weigh
from .jit import jit
from .table import Table


@jit
def sweep(index: Index, table: Table, out: Ints32, count: int) -> int:
    """Decide everybody who is watched. There must be no doubts yet; those that there are then are in the index.

    Each step is a loop of its own: to hand on an index takes longer than to look at a subaccount.
    """
    if index.own.shape[0]:
        index.state[DOUBTS] = watched_rows(index, index.doubts)
    else:
        find_gains(index)
        count = drop_short(index, out, count, unclear_rows(index, out, count))
    left, index.state[DOUBTS] = index.state[DOUBTS], 0
    for number in range(left):
        row = int(np.int64(index.doubts[number]))
        found, _ = weigh(index, table, row)
        if found == SHORT_OF_MARGIN:
            count = report(index, row, out, count)
        elif found != SAFE:
            note(index, row)
    return count


@jit
def watched_rows(index: Index, found: Ints32) -> int:
    """Write everybody who is watched to `found`; how many there are."""
    count = NONE
    for row in range(len(index.watched)):
        if index.watched[row]:
            found[count] = row
            count += 1
    return count


@jit
def find_gains(index: Index) -> None:
    """Set `gains`: line after line of every factor and side, as they are above all others the larger a leg is.

    Up to so many units, each adds at least so much to the surplus, and the leg is asked so much besides. `EPSILON` of
    all magnitudes is taken from the one and added to the other.
    """
    lines = index.lines
    for row in range(2 * len(index.price)):
        price, paid, sign = index.price[row // 2], index.paid[row // 2], 1.0 if row % 2 == LONG else -1.0
        line = 0
        for other in range(1, lines.length[row]):
            if lines.offset[row, other] > lines.offset[row, line]:
                line = other
        for place in range(row * index.room, (row + 1) * index.room):
            rate, offset = lines.rate[row, line], lines.offset[row, line]
            until, line = next_line(index, row, line)
            doubt = EPSILON * (price * (1.0 + abs(rate)) + abs(paid))
            gains = index.gains[place]
            gains.until = until / price
            gains.gain = price * (1.0 - sign * rate) - paid - sign * doubt
            gains.fixed = offset + EPSILON * abs(offset)


@jit
def next_line(index: Index, row: int, line: int) -> tuple[float, int]:
    """The notional up to which a line is above all steeper ones, and the first that is above it from there on."""
    rates, offsets = index.lines.rate[row], index.lines.offset[row]
    until, found = np.inf, line
    for other in range(index.lines.length[row]):
        steeper = rates[other] - rates[line]
        if steeper > 0.0 and (offsets[line] - offsets[other]) / steeper <= until:
            crossing = (offsets[line] - offsets[other]) / steeper
            if crossing < until or rates[other] > rates[found]:
                until, found = crossing, other
    return until, found


def _unclear(legs: int) -> Callable[[Index, Ints32, int], int]:
    """`unclear_rows` for so many legs, or for any number where it is 0: a constant, so that its loop is unrolled."""

    def unclear(index: Index, out: Ints32, count: int) -> int:
        width = legs or index.scratch.shape[1]
        factors, room = 4 * factors_at(width), np.uint64(index.room)
        error = width * index.lines.error_q + 1.0
        for row in range(len(index.watched)):
            surplus = index.words[row, width]
            surplus -= EPSILON * abs(surplus) + error
            for leg in range(width):
                unit, bits = index.words[row, leg], index.bits[row, leg]
                if bits != 0:
                    # Unsigned, so that nothing asks whether a place counts from the end.
                    side = np.uint64(bits) >> np.uint64(63)
                    at = (np.uint64(2) * np.uint64(index.shorts[row, factors + leg]) + side) * room
                    while abs(unit) > index.gains[at].until:
                        at += np.uint64(1)
                    surplus += unit * index.gains[at].gain - index.gains[at].fixed
            if index.watched[row] and not surplus > 0.0:
                out[count] = row
                count += 1
        return count

    return jit(unclear)


_unclear_1, _unclear_4, _unclear_8, _unclear_any = (_unclear(legs) for legs in (1, 4, 8, 0))


@jit
def unclear_rows(index: Index, out: Ints32, count: int) -> int:
    """Append whoever is watched and not surely safe to `out[count:]`, where no lines are made at touch."""
    width = index.scratch.shape[1]
    if width == 8:  # noqa: PLR2004 - as many legs as the name says, here and below
        return _unclear_8(index, out, count)
    if width == 4:  # noqa: PLR2004
        return _unclear_4(index, out, count)
    if width == 1:
        return _unclear_1(index, out, count)
    return _unclear_any(index, out, count)


@jit
def drop_short(index: Index, out: Ints32, count: int, end: int) -> int:
    """Keep those of `out[count:end]` who are surely liquidatable, as what they are; note the others as doubts.

    The first lines alone say so: they ask no more than all.
    """
    width = index.scratch.shape[1]
    factors = 4 * factors_at(width)
    for number in range(count, end):
        row = int(np.int64(out[number]))
        surplus, margin = index.words[row, width], 0.0
        size = abs(surplus)
        for leg in range(width):
            unit, factor = index.words[row, leg], int(np.int64(index.shorts[row, factors + leg]))
            if unit == 0.0:
                continue
            price, paid = index.price[factor], index.paid[factor]
            line = 2 * factor + (LONG if unit > 0.0 else SHORT)
            need = index.lines.first[line, 0] * abs(unit) * price + index.lines.first[line, 1]
            surplus, margin = surplus + unit * (price - paid) - need, margin + need
            size += abs(unit) * (price + abs(paid)) + abs(need)
        radius = width * index.lines.error_q + 1.0 + EPSILON * size
        if surplus < -radius and margin > radius:
            count = report(index, row, out, count)
        else:
            note(index, row)
    return count
