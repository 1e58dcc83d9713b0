"""Cells of a table, compiled: texts as numbers of a dictionary, decimal numbers as integers, both to the last digit.

What is no plain decimal number of at most 18 digits is marked and left to `books`, which reads or refuses it.
"""

import numpy as np
from numpy.typing import NDArray

from ..books.arrow import Integers, Texts
from ..kernel.jit import jit

UNSTATED, UNREAD = -1, -2
"""In place of a number's decimal places: the cell is empty; it is for the reader of single accounts."""

MANTISSA_END = 10**18
"""Numbers have at most 18 digits, their zeros behind the point not counted."""

PLACES_MAX = 18
LENGTH_MAX = 60
"""As `units.DIGITS_MAX`."""

SPACE, PLUS, MINUS, POINT, SLASH, ZERO, NINE, LAST_PLAIN = (ord(each) for each in " +-./09~")
NAME_LENGTH_MAX = 120
"""As `books.record.NAME_LENGTH_MAX`."""

Ints = NDArray[np.int64]
Codes = NDArray[np.int32]
Places = NDArray[np.int8]

_OFFSET, _PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
"""Of the hash FNV-1a."""


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
def are_same(column: Texts, begin: int, end: int, row: int) -> bool:
    """Whether a row's text is the one from `begin` to `end`."""
    there, stop = span(column, row)
    if stop - there != end - begin:
        return False
    same = 0
    while same < end - begin and column.data[begin + same] == column.data[there + same]:
        same += 1
    return same == end - begin


@jit
def hash_of(column: Texts, begin: int, end: int, before: int) -> np.uint64:
    """A hash of a text and of a number."""
    found = (_OFFSET ^ np.uint64(before)) * _PRIME
    for at in range(begin, end):
        found = (found ^ np.uint64(column.data[at])) * _PRIME
    return found ^ (found >> np.uint64(32))


@jit
def number_texts(column: Texts, before: Codes, slots: Codes, codes: Codes, firsts: Codes) -> int:
    """Number rows by what they are numbered `before` and their text, in order of appearance; how many numbers it takes.

    Fills in `codes`, the number of each row, and `firsts`, the row where each number appears first. `slots` are -1, a
    power of two of them, more than there are rows.
    """
    count, mask = 0, np.uint64(len(slots) - 1)
    for row in range(len(codes)):
        begin, end = span(column, row)
        if row > 0 and before[row] == before[row - 1] and are_same(column, begin, end, row - 1):
            codes[row] = codes[row - 1]
            continue
        slot = hash_of(column, begin, end, before[row]) & mask
        while slots[slot] >= 0:
            first = firsts[slots[slot]]
            if before[first] == before[row] and are_same(column, begin, end, first):
                break
            slot = (slot + np.uint64(1)) & mask
        if slots[slot] < 0:
            slots[slot] = count
            firsts[count] = row
            count += 1
        codes[row] = slots[slot]
    return count


@jit
def find_plain(column: Texts, rows: Codes, begins: Ints, ends: Ints, plain: NDArray[np.bool_]) -> None:
    """Where the texts of `rows` stand, and which need no closer look as the name of an account.

    Plain are printable ASCII letters without spaces and without what subaccounts are named with.
    """
    for at in range(len(rows)):
        begins[at], ends[at] = span(column, rows[at])
        plain[at] = 0 < ends[at] - begins[at] <= NAME_LENGTH_MAX
        for k in range(begins[at], ends[at]):
            letter = column.data[k]
            if letter <= SPACE or letter > LAST_PLAIN or letter == SLASH:
                plain[at] = False


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
    return -atoms if is_negative else atoms, places


@jit
def read_texts(column: Texts, atoms: Ints, places: Places) -> None:
    """Fill in the numbers that a column of texts states."""
    for row in range(len(atoms)):
        atoms[row], places[row] = read_text(column, row)


@jit
def read_integers(column: Integers, scale: int, atoms: Ints, places: Places) -> None:
    """Fill in the numbers of a column of decimals with `scale` places, without zeros at their ends."""
    for row in range(len(atoms)):
        value, behind = column.values[row], scale
        if not is_stated(column.stated, row):
            value, behind = 0, UNSTATED
        elif not -MANTISSA_END < value < MANTISSA_END:
            value, behind = 0, UNREAD
        while behind > 0 and value % 10 == 0:
            value //= 10
            behind -= 1
        atoms[row], places[row] = value, behind
