"""A sweep decides everybody who is watched, at the present prices, and bands nobody.

Nearly everybody clearly is safe or is not, and one pass shows it: at given prices a unit of a leg adds a fixed amount
to the surplus, as far as one line of its requirement is above all others, so a leg is a comparison and a multiply-add.
Whom this does not decide is weighed as at a touch.
"""
# mypy: disable-error-code="no-any-return"

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .bands_lines import EPSILON, LONG, SHORT, Floats
from .bands_record import Index, factors_at
from .bands_slots import NONE, Flags, Ints32, Ints64
from .bands_touch import SAFE, SHORT_OF_MARGIN, note, report, weigh
from .jit import jit
from .table import Records, Table

Shorts = NDArray[np.uint16]
Prices = tuple[Floats, Floats, Floats]
"""Of an index: `price`, `paid`, and the first line of every factor and side."""
Decide = Callable[
    [Floats, Ints64, Shorts, Records, Flags, Prices, int, int, float, Ints32, Ints32], tuple[int, int]
]


@jit
def sweep(index: Index, table: Table, out: Ints32, count: int) -> int:
    """Decide everybody who is watched. There must be no doubts yet; those that there are then are in the index."""
    if index.own.shape[0]:
        left = watched_rows(index, index.doubts)
    else:
        find_gains(index)
        due, left = decide_rows(index, out[count:])
        count += due
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


@jit
def is_surely_short(
    words: Floats, shorts: Shorts, prices: Prices, row: int, width: int, error: float
) -> bool:
    """Whether the first lines alone, which ask no more than all, say that a subaccount is liquidatable."""
    price, paid, first = prices
    surplus, margin = words[row, width], 0.0
    size = abs(surplus)
    for leg in range(width):
        unit, factor = words[row, leg], int(np.int64(shorts[row, 4 * factors_at(width) + leg]))
        if unit == 0.0:
            continue
        line = 2 * factor + (LONG if unit > 0.0 else SHORT)
        need = first[line, 0] * abs(unit) * price[factor] + first[line, 1]
        surplus, margin = surplus + unit * (price[factor] - paid[factor]) - need, margin + need
        size += abs(unit) * (price[factor] + abs(paid[factor])) + abs(need)
    radius = error + EPSILON * size
    return surplus < -radius and margin > radius


def _decide(legs: int) -> Decide:
    """`decide_rows` for so many legs, or for any number where it is 0: a constant, so that its loop is unrolled.

    It is given arrays one by one: to reach through an index for each leg would take longer than to read it.
    """

    def decide(
        words: Floats,
        bits: Ints64,
        shorts: Shorts,
        gains: Records,
        watched: Flags,
        prices: Prices,
        any_legs: int,
        lines: int,
        error: float,
        out: Ints32,
        doubts: Ints32,
    ) -> tuple[int, int]:
        width, room = legs or any_legs, np.uint64(lines)
        factors, count, left = 4 * factors_at(width), NONE, NONE
        for row in range(len(watched)):
            surplus = words[row, width]
            surplus -= EPSILON * abs(surplus) + error
            for leg in range(width):
                unit, sign = words[row, leg], bits[row, leg]
                if sign != 0:
                    # Unsigned, so that nothing asks whether a place counts from the end.
                    side = np.uint64(sign) >> np.uint64(63)
                    at = (np.uint64(2) * np.uint64(shorts[row, factors + leg]) + side) * room
                    while abs(unit) > gains[at].until:
                        at += np.uint64(1)
                    surplus += unit * gains[at].gain - gains[at].fixed
            if surplus > 0.0 or not watched[row]:
                continue
            if is_surely_short(words, shorts, prices, row, width, error):
                watched[row] = False
                out[count] = row
                count += 1
            else:
                doubts[left] = row
                left += 1
        return count, left

    return jit(decide)


_decide_1, _decide_4, _decide_8, _decide_any = (_decide(legs) for legs in (1, 4, 8, 0))


@jit
def decide_rows(index: Index, out: Ints32) -> tuple[int, int]:
    """Report to `out` whoever surely is liquidatable, write whoever may be to `doubts`; how many both are.

    For an index in which no lines are made at touch.
    """
    width, prices = index.scratch.shape[1], (index.price, index.paid, index.lines.first)
    words, bits, shorts, watched = index.words, index.bits, index.shorts, index.watched
    gains, room, error, doubts = index.gains, index.room, width * index.lines.error_q + 1.0, index.doubts
    if width == 8:  # noqa: PLR2004 - as many legs as the name says, here and below
        return _decide_8(words, bits, shorts, gains, watched, prices, width, room, error, out, doubts)
    if width == 4:  # noqa: PLR2004
        return _decide_4(words, bits, shorts, gains, watched, prices, width, room, error, out, doubts)
    if width == 1:
        return _decide_1(words, bits, shorts, gains, watched, prices, width, room, error, out, doubts)
    return _decide_any(words, bits, shorts, gains, watched, prices, width, room, error, out, doubts)
