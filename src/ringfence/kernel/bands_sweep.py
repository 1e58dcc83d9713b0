"""A sweep decides everybody who is watched, from one row on, at the present prices, and bands nobody.

Nearly everybody clearly is safe or is not, and one pass shows it: at given prices a unit of a leg adds at least a fixed
amount to the surplus, as long as the leg is in its class of sizes, so a leg is one multiply-add, wherever prices are.
Whom this does not clear is looked at once more, for whether even the most that his legs may add leaves him short; whom
that does not decide either is weighed as at a touch. Where lines are made at touch, everybody is weighed.
"""
# mypy: disable-error-code="no-any-return"

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .bands_lines import EPSILON, LONG, Floats, asked
from .bands_record import Index, places_at
from .bands_slots import NONE, Flags, Ints32
from .bands_touch import SAFE, SHORT_OF_MARGIN, note, report, weigh
from .jit import jit
from .table import Table

Shorts = NDArray[np.uint16]
Sift = Callable[
    [Floats, Shorts, Flags, Floats, Floats, int, float, int, Ints32, int, Ints32], tuple[int, int]
]


@jit
def sweep(index: Index, table: Table, begin: int, out: Ints32, count: int) -> int:
    """Decide everybody who is watched from row `begin` on; report to `out[count:]`, note doubts."""
    rows, error = len(index.watched), np.inf
    if index.own.shape[0] == 0 and begin < rows:
        chart(index, len(table.markets))
        error = index.scratch.shape[1] * index.lines.error_q + 1.0
    for start in range(begin, rows, index.unclear.size):
        count, left = sift(index, start, min(start + index.unclear.size, rows), error, out, count)
        for number in range(left):
            row = start + int(np.int64(index.unclear[number]))
            found, _ = weigh(index, table, row)
            if found == SHORT_OF_MARGIN:
                count = report(index, row, out, count)
            elif found != SAFE:
                note(index, row)
    return count


@jit
def chart(index: Index, markets: int) -> None:
    """Set `at_least` and `at_most` for the present prices.

    What is asked of the legs of a class is convex in their size, so it lies below the line through its values at the
    ends of the class; from the last one's beginning on it rises no faster than the steepest line. It lies above each of
    the lines; the one is taken that is highest in the middle. `EPSILON` of all magnitudes goes to the safe side.
    """
    lines, bits = index.lines, index.class_bits
    for row in range(2 * len(index.price)):
        price, paid, sign = index.price[row >> 1], index.paid[row >> 1], 1.0 if row % 2 == LONG else -1.0
        steepest, begin = 0.0, 0.0
        for line in range(lines.length[row]):
            steepest = max(steepest, lines.rate[row, line] * price)
        doubt = EPSILON * (price + steepest + abs(paid))
        for kind in range(1 << bits):
            end, place = index.until[row, kind], (row << bits) + kind
            need, slope, middle = asked(lines, row, begin * price), steepest, 2.0 * begin
            if end < np.inf:
                slope, middle = (asked(lines, row, end * price) - need) / (end - begin), (begin + end) / 2.0
            index.at_least[place, 0] = price - paid - sign * (slope + doubt)
            index.at_least[place, 1] = need - slope * begin + EPSILON * (abs(need) + steepest * begin)
            highest = NONE
            for line in range(1, lines.length[row]):
                steeper = (lines.rate[row, line] - lines.rate[row, highest]) * middle * price
                if steeper + lines.offset[row, line] > lines.offset[row, highest]:
                    highest = line
            rate, offset, most = (
                lines.rate[row, highest] * price,
                lines.offset[row, highest],
                index.at_most[place],
            )
            offset -= EPSILON * abs(offset)
            most[0], most[1] = price - paid - sign * (rate - doubt), offset
            most[2], most[3] = (sign * (rate - doubt), offset) if row < 2 * markets else (0.0, 0.0)
            begin = end


def _sift(legs: int) -> Sift:
    """`sift` for so many legs, or for any number where it is 0: a constant, so that its loops are unrolled.

    It is given arrays one by one, and those of the chunk alone, so that places in them cannot count from the end.
    """

    def sift_rows(
        words: Floats,
        shorts: Shorts,
        watched: Flags,
        at_least: Floats,
        at_most: Floats,
        any_legs: int,
        error: float,
        begin: int,
        out: Ints32,
        count: int,
        unclear: Ints32,
    ) -> tuple[int, int]:
        width, left, kept = legs or any_legs, NONE, NONE
        places = 4 * places_at(width)
        for row in range(len(watched)):
            surplus = words[row, width]
            surplus -= EPSILON * abs(surplus) + error
            for leg in range(width):
                place = shorts[row, places + leg]
                surplus += words[row, leg] * at_least[place, 0] - at_least[place, 1]
            unclear[left] = row
            left += (surplus <= 0.0) & watched[row]
        for number in range(left):
            of = np.uint64(unclear[number])
            surplus, margin = words[of, width], 0.0
            surplus += EPSILON * abs(surplus) + error
            for leg in range(width):
                unit, place = words[of, leg], shorts[of, places + leg]
                surplus += unit * at_most[place, 0] - at_most[place, 1]
                margin += unit * at_most[place, 2] + at_most[place, 3]
            is_short = (surplus < 0.0) & (margin > error)
            watched[of] = not is_short
            out[count] = begin + unclear[number]
            count += is_short
            unclear[kept] = unclear[number]
            kept += not is_short
        return count, kept

    return jit(sift_rows)


_sift_1, _sift_4, _sift_8, _sift_any = (_sift(legs) for legs in (1, 4, 8, 0))


@jit
def sift(index: Index, begin: int, end: int, error: float, out: Ints32, count: int) -> tuple[int, int]:
    """Report to `out[count:]` whoever of the rows clearly is liquidatable, write to `unclear` whoever of them may be.

    How many both are. `unclear` counts from `begin`.
    """
    words, shorts, watched = index.words[begin:end], index.shorts[begin:end], index.watched[begin:end]
    width, least, most, unclear = index.scratch.shape[1], index.at_least, index.at_most, index.unclear
    if width == 8:  # noqa: PLR2004 - as many legs as the name says, here and below
        return _sift_8(words, shorts, watched, least, most, width, error, begin, out, count, unclear)
    if width == 4:  # noqa: PLR2004
        return _sift_4(words, shorts, watched, least, most, width, error, begin, out, count, unclear)
    if width == 1:
        return _sift_1(words, shorts, watched, least, most, width, error, begin, out, count, unclear)
    return _sift_any(words, shorts, watched, least, most, width, error, begin, out, count, unclear)
