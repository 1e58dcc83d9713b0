"""Cells of a table, compiled: texts as numbers of a dictionary, decimal numbers as integers, both to the last digit.

What is no plain decimal number of at most 18 digits (zeros at either end not counted), 21 of them behind the point at
most, is marked and left to `books`, which reads or refuses it.
"""

from math import frexp
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...books.arrow import Floats, Integers, Texts
from ...kernel.jit import jit
from ...kernel.wide import Wide, abs_, fits, join, lo64, mul_div_down, wide

UNSTATED, UNREAD = -1, -2
"""In place of a number's decimal places: the cell is empty; it is for the reader of single accounts."""

DIGITS_MAX = 18
MANTISSA_END = 10**DIGITS_MAX
"""Numbers have at most 18 digits, their zeros behind the point not counted."""

PLACES_MAX = 21
"""Places behind the point, at most: a float of 17 digits has so many from 0.00001 on, and its products fit 128 bits."""

TENS = 10 ** np.arange(DIGITS_MAX + 1, dtype=np.int64)
FLOAT_TENS = np.array([float(10**places) for places in range(PLACES_MAX + 1)])
"""Powers of ten, exactly; floats hold those up to 10^22."""

FLOAT_END, SURE_END = 2.0**53, 1e15
"""Floats from here on are no decimal numbers of 18 digits for certain; of fewer digits than the second, they are."""

LENGTH_MAX = 60
"""As `units.DIGITS_MAX`."""

SPACE, PLUS, MINUS, POINT, SLASH, ZERO, NINE, LAST_PLAIN = (ord(each) for each in " +-./09~")
SMALL_E, LARGE_E = (ord(each) for each in "eE")
UNSHIFTED = 1000
"""In place of an exponent: there is none."""
NAME_LENGTH_MAX = 120
"""As `books.record.NAME_LENGTH_MAX`."""

Ints = NDArray[np.int64]
Codes = NDArray[np.int32]
Places = NDArray[np.int8]
Bytes = NDArray[np.uint8]


class Rows(NamedTuple):
    """Rows of texts in `k` columns."""

    offsets: NDArray[np.int32]
    """(k, rows + 1) row `i` says `data[first[c] + offsets[c, i]:first[c] + offsets[c, i + 1]]` in column `c`"""
    first: Ints
    """(k,)"""
    data: Bytes
    """`WORD` bytes at its end are never part of a text."""


MIX = np.uint64(0x9E3779B97F4A7C15)
"""Odd, and without a pattern in its bits: what hashes are multiplied by."""

WORD = 8
"""Bytes that are compared at once."""


class Index(NamedTuple):
    """What has been seen, numbered in order of appearance; `names.Numbering` makes room in it.

    An entry is a row's texts in `k` columns.
    """

    slots: Codes
    """A power of two of them: the number of an entry, or -1."""
    hashes: NDArray[np.uint64]
    """(room,)"""
    bounds: Ints
    """(room * k + 1,) text `c` of entry `e` is `data[bounds[n]:bounds[n + 1]]`, `n` being `e * k + c`"""
    data: NDArray[np.uint8]
    """`WORD` bytes at its end are never part of a text."""


# -- texts -------------------------------------------------------------------------------------------------------------


@jit
def is_stated(bits: NDArray[np.uint8], row: int) -> bool:
    """Whether a row states anything."""
    return len(bits) == 0 or (bits[row >> 3] >> (row & 7)) & 1 == 1


@jit
def span(column: Texts, row: int) -> tuple[int, int]:
    """Begin and end of a row's text; an empty one where it states nothing."""
    begin: int = np.int64(column.offsets[row])  # type: ignore[assignment]  # in compiled code they are the same
    end: int = np.int64(column.offsets[row + 1])  # type: ignore[assignment]
    return begin, end if is_stated(column.stated, row) else begin


@jit
def word_at(data: Bytes, begin: int, end: int) -> np.uint64:
    """The bytes from `begin` to `end`, at most eight of them, as a number; seven more may stand behind them."""
    at, u = np.uint64(begin), np.uint64
    low = (u(data[at + u(1)]) << u(8)) | (u(data[at + u(2)]) << u(16)) | (u(data[at + u(3)]) << u(24))
    middle = (u(data[at + u(4)]) << u(32)) | (u(data[at + u(5)]) << u(40)) | (u(data[at + u(6)]) << u(48))
    found = u(data[at]) | low | middle | (u(data[at + u(7)]) << u(56))  # the compiler makes one load of it
    unused = u(8 * max(0, WORD - (end - begin)))
    return (found << unused) >> unused


@jit
def are_same(data: Bytes, begin: int, end: int, others: Bytes, there: int, stop: int) -> bool:
    """Whether two texts are the same."""
    if stop - there != end - begin:
        return False
    for at in range(0, end - begin, WORD):
        if word_at(data, begin + at, end) != word_at(others, there + at, stop):
            return False
    return True


@jit
def place_of(rows: Rows, column: int, row: int) -> tuple[int, int]:
    """Begin and end of a text."""
    first = rows.first[column]
    return first + rows.offsets[column, row], first + rows.offsets[column, row + 1]


@jit
def is_repeated(rows: Rows, row: int) -> bool:
    """Whether a row says what the one before it says."""
    for column in range(len(rows.first)):
        begin, end = place_of(rows, column, row)
        there, stop = place_of(rows, column, row - 1)
        if not are_same(rows.data, begin, end, rows.data, there, stop):
            return False
    return True


@jit
def hash_of(rows: Rows, row: int) -> np.uint64:
    """A hash of what a row says."""
    found = np.uint64(0)
    for column in range(len(rows.first)):
        begin, end = place_of(rows, column, row)
        found = (found ^ np.uint64(end - begin)) * MIX
        for at in range(begin, end, WORD):
            found = (found ^ word_at(rows.data, at, end)) * MIX
            found ^= found >> np.uint64(32)
    return found


@jit
def is_entry(rows: Rows, row: int, index: Index, entry: int) -> bool:
    """Whether an entry is what a row says."""
    place = entry * len(rows.first)
    for column in range(len(rows.first)):
        begin, end = place_of(rows, column, row)
        there, stop = index.bounds[place + column], index.bounds[place + column + 1]
        if not are_same(rows.data, begin, end, index.data, there, stop):
            return False
    return True


@jit
def slot_of(rows: Rows, row: int, index: Index, hashed: np.uint64) -> np.uint64:
    """The slot where a row's entry stands, or would stand."""
    mask = np.uint64(len(index.slots) - 1)
    slot = (hashed >> np.uint64(32)) & mask
    while index.slots[slot] >= 0:
        entry = index.slots[slot]
        if index.hashes[entry] == hashed and is_entry(rows, row, index, entry):
            break
        slot = (slot + np.uint64(1)) & mask
    return slot


@jit
def enter(rows: Rows, row: int, index: Index, entry: int) -> bool:
    """Add what a row says as an entry; false where there is no room for it."""
    place, room = entry * len(rows.first), len(index.data) - WORD
    if place + 1 >= len(index.bounds):
        return False
    for column in range(len(rows.first)):
        begin, end = place_of(rows, column, row)
        to = index.bounds[place + column]
        if to + end - begin > room:
            return False
        for at in range(end - begin):
            index.data[to + at] = rows.data[begin + at]
        index.bounds[place + column + 1] = to + end - begin
    return True


@jit
def number_rows(rows: Rows, index: Index, row: int, count: int, codes: Codes) -> tuple[int, int]:
    """Number rows from `row` on by what they say, in order of appearance; `count` entries are in the index.

    Fills in `codes`; returns the row that it came to, which is not the end where the index has no more room, and how
    many entries there are now.
    """
    while row < len(codes):
        if row > 0 and is_repeated(rows, row):
            codes[row] = codes[row - 1]
            row += 1
            continue
        hashed = hash_of(rows, row)
        slot = slot_of(rows, row, index, hashed)
        if index.slots[slot] < 0:
            if not enter(rows, row, index, count):
                break
            index.hashes[count], index.slots[slot] = hashed, count
            count += 1
        codes[row] = index.slots[slot]
        row += 1
    return row, count


@jit
def find_slots(hashes: NDArray[np.uint64], slots: Codes) -> None:
    """Fill in empty slots anew with the entries of these hashes."""
    mask = np.uint64(len(slots) - 1)
    for entry in range(len(hashes)):
        slot = (hashes[entry] >> np.uint64(32)) & mask
        while slots[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        slots[slot] = entry


@jit
def find_plain(bounds: Ints, data: NDArray[np.uint8], plain: NDArray[np.bool_]) -> None:
    """Fill in which texts (`k` from `bounds[k]` to `bounds[k + 1]`) need no closer look as the name of an account.

    Plain are printable ASCII letters without spaces and without what subaccounts are named with.
    """
    for entry in range(len(plain)):
        plain[entry] = 0 < bounds[entry + 1] - bounds[entry] <= NAME_LENGTH_MAX
        for at in range(bounds[entry], bounds[entry + 1]):
            if data[at] <= SPACE or data[at] > LAST_PLAIN or data[at] == SLASH:
                plain[entry] = False


# -- numbers -----------------------------------------------------------------------------------------------------------


@jit
def trimmed(column: Texts, row: int) -> tuple[int, int]:
    """Begin and end of a row's text without the spaces around it."""
    begin, end = span(column, row)
    while begin < end and column.data[begin] == SPACE:
        begin += 1
    while begin < end and column.data[end - 1] == SPACE:
        end -= 1
    return begin, end


@jit
def read_digits(column: Texts, begin: int, end: int) -> tuple[int, int]:
    """A decimal number without its sign: `atoms` and `places` (or `UNREAD`), without zeros at its end."""
    atoms, places, zeros, points = 0, 0, 0, 0
    for at in range(begin, end):
        letter: int = np.int64(column.data[at])  # type: ignore[assignment]  # as above
        if letter == POINT:
            points += 1
        elif letter < ZERO or letter > NINE:
            return 0, UNREAD
        elif points and letter == ZERO:
            zeros += 1
        else:
            for _ in range(zeros + 1):
                atoms *= 10
                if atoms >= MANTISSA_END:
                    return 0, UNREAD
            atoms += letter - ZERO
            places += (zeros + 1) * points
            zeros = 0
    if points > 1 or points == end - begin or places > PLACES_MAX:
        return 0, UNREAD
    return atoms, places


@jit
def read_exponent(column: Texts, begin: int, end: int) -> int:
    """A power of ten of one or two digits, with or without a sign; `UNSHIFTED` for anything else."""
    is_negative = begin < end and column.data[begin] == MINUS
    if is_negative or (begin < end and column.data[begin] == PLUS):
        begin += 1
    found = 0
    for at in range(begin, end):
        letter: int = np.int64(column.data[at])  # type: ignore[assignment]  # as above
        if letter < ZERO or letter > NINE:
            return UNSHIFTED
        found = 10 * found + letter - ZERO
    if not 0 < end - begin <= 2:  # noqa: PLR2004
        return UNSHIFTED
    return -found if is_negative else found


@jit
def read_shifted(column: Texts, begin: int, end: int) -> tuple[int, int]:
    """A number with an exponent (`9.5e-05`), without its sign, as `read_digits` has others."""
    mark = begin
    while mark < end and column.data[mark] not in (SMALL_E, LARGE_E):
        mark += 1
    atoms, places = read_digits(column, begin, mark)
    exponent = read_exponent(column, mark + 1, end)
    if places == UNREAD or exponent == UNSHIFTED:
        return 0, UNREAD
    places -= exponent
    while places > 0 and atoms % 10 == 0 and atoms > 0:
        atoms //= 10
        places -= 1
    while places < 0 and 0 < atoms < MANTISSA_END:
        atoms *= 10
        places += 1
    if atoms == 0:
        return 0, 0
    return (0, UNREAD) if atoms >= MANTISSA_END or places > PLACES_MAX else (atoms, places)


@jit
def read_text(column: Texts, row: int) -> tuple[int, int]:
    """A decimal number that a text states: `atoms` and `places` (or `UNSTATED`, `UNREAD`)."""
    begin, end = span(column, row)
    if begin == end:
        return 0, UNSTATED
    begin, end = trimmed(column, row)
    if begin == end or end - begin > LENGTH_MAX:
        return 0, UNREAD
    is_negative = column.data[begin] == MINUS
    if is_negative or column.data[begin] == PLUS:
        begin += 1
    atoms, places = read_digits(column, begin, end)
    if places == UNREAD:
        atoms, places = read_shifted(column, begin, end)
    return -atoms if is_negative else atoms, places


@jit
def read_texts(column: Texts, atoms: Ints, places: Places) -> None:
    """Fill in the numbers that a column of texts states."""
    for row in range(len(atoms)):
        atoms[row], places[row] = read_text(column, row)


@jit
def narrowed(column: Integers, row: int, scale: int) -> tuple[int, int]:
    """A stated number with `scale` decimal places in 64 bits, `atoms` and `places` (or `UNREAD`)."""
    if column.values.shape[1] == 1:
        return column.values[row, 0], scale
    value = join(column.values[row, 1], column.values[row, 0])
    while scale > 0 and not fits(value):
        tenth = mul_div_down(value, 1, 10)
        if tenth * 10 != value:
            return 0, UNREAD
        value, scale = tenth, scale - 1
    return (lo64(value), scale) if fits(value) else (0, UNREAD)


@jit
def read_integers(column: Integers, scale: int, atoms: Ints, places: Places) -> None:
    """Fill in the numbers of a column of decimals with `scale` places, without zeros at their ends."""
    for row in range(len(atoms)):
        value, behind = 0, UNSTATED
        if is_stated(column.stated, row):
            value, behind = narrowed(column, row, scale)
        while behind > 0 and value % 10 == 0:
            value //= 10
            behind -= 1
        if not -MANTISSA_END < value < MANTISSA_END or behind > PLACES_MAX:
            value, behind = 0, UNREAD
        atoms[row], places[row] = value, behind


@jit
def power_of_ten(digits: int) -> Wide:
    """Ten to the power of `digits`, at most twice `DIGITS_MAX`."""
    low = min(digits, DIGITS_MAX)
    found: Wide = wide(TENS[low]) * TENS[digits - low]
    return found


@jit
def power_of_two(digits: int) -> Wide:
    """Two to the power of `digits`, at most 124."""
    low = min(digits, 62)
    found: Wide = wide(np.int64(1) << np.int64(low)) * (np.int64(1) << np.int64(digits - low))
    return found


@jit
def shortest_beyond(size: float, places: int) -> tuple[int, int]:
    """As `shortest`, of a number that has 16 digits or more, at least so many `places` of them behind the point.

    A float is `m / 2^s`; all that lies nearer to it than half of `1 / 2^s` is read as that float.
    """
    fraction, exponent = frexp(size)
    mantissa: int = np.int64(fraction * FLOAT_END)  # type: ignore[assignment]
    unit = power_of_two(54 - exponent)
    for behind in range(places, PLACES_MAX + 1):
        tens = power_of_ten(behind)
        near = wide(2 * mantissa) * tens
        atoms = mul_div_down(near * 2 + unit, 1, unit * 2)
        if (atoms * 2 - 1) * unit == near * 2:  # as near as the one below, which is taken where it is even
            atoms = atoms - (lo64(atoms) & 1)
        off = abs_(atoms * unit - near)
        if off < tens or (off == tens and mantissa % 2 == 0):
            return lo64(atoms), behind
    return 0, UNREAD


@jit
def shortest(value: float) -> tuple[int, int]:
    """The shortest decimal number that is read as a float, which is how it is written: `atoms` and `places`.

    A number of at most 15 digits is the only one of so few that is read as its float, so one division proves it.
    """
    size = abs(value)
    if not size < FLOAT_END:
        return 0, UNREAD
    for places in range(PLACES_MAX + 1):
        scaled = size * FLOAT_TENS[places]
        if not scaled < SURE_END:
            atoms, behind = shortest_beyond(size, places)
            return -atoms if value < 0.0 else atoms, behind
        near: int = np.int64(np.rint(scaled))  # type: ignore[assignment]
        if near / FLOAT_TENS[places] == size:
            return -near if value < 0.0 else near, places
    return 0, UNREAD


@jit
def read_floats(column: Floats, atoms: Ints, places: Places) -> None:
    """Fill in the numbers of a column of floats, as they are written."""
    for row in range(len(atoms)):
        atoms[row], places[row] = 0, UNSTATED
        if is_stated(column.stated, row):
            atoms[row], places[row] = shortest(column.values[row])
