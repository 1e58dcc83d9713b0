"""Chosen leverages: a table that is looked up by subaccount and market, and grows without being sorted.

A record stands at the first place from that of its key on, around, that was empty when it came; at least half of the
places are. So one leverage more costs a record, and once in a while a table of twice the size.
"""
# mypy: disable-error-code="untyped-decorator, no-untyped-call, no-any-return"

from collections.abc import Iterable, Sequence

from ..jit import jit
from . import layout as at
from .far import INT, far
from .memory import Book, Words, blank

EMPTY = -1
LEAST = 8
LOW_BITS = (1 << 31) - 1
SPREAD = 0x9E3779B1
"""An odd number whose bits are spread evenly; times 31 bits it stays within 63."""


@jit
def _place_of(key: int, records: int) -> int:
    """Where a key is looked for first in a table of so many records, a power of two."""
    return ((key & LOW_BITS) * SPREAD >> 20) & (records - 1)


@far(INT, INT, INT)
def _choice_of(book: Book, row: int, market: int) -> int:
    """`choice_of` of a subaccount that has chosen a leverage for some market."""
    key, records = row * len(book.markets) + market, len(book.chosen)
    place = _place_of(key, records)
    while book.chosen[place, at.CHOICE] != EMPTY:
        if book.chosen[place, at.CHOICE] == key:
            return place
        place = (place + 1) & (records - 1)
    return at.UNKNOWN


@jit
def choice_of(book: Book, row: int, market: int) -> int:
    """Record of the leverage that a subaccount chose for a market, or `UNKNOWN`."""
    return _choice_of(book, row, market) if book.rows[row, at.FLAGS] & at.CHOSEN else at.UNKNOWN


def no_choices(records: int = LEAST) -> Words:
    """A table without leverages; `records` is a power of two."""
    found = blank(records, at.CHOSEN_WORDS)
    found[:, at.CHOICE] = EMPTY
    return found


def _insert(chosen: Words, record: Sequence[int] | Words) -> bool:
    """Write a record to its place; whether it is a new one."""
    place = _place_of(record[at.CHOICE], len(chosen))
    while chosen[place, at.CHOICE] not in (EMPTY, record[at.CHOICE]):
        place = (place + 1) % len(chosen)
    is_new = bool(chosen[place, at.CHOICE] == EMPTY)
    chosen[place] = record
    return is_new


def with_choices(chosen: Words, count: int, records: Iterable[Sequence[int] | Words]) -> tuple[Words, int]:
    """A table of `count` leverages with others chosen, the same or a larger one; and how many it holds then."""
    for record in records:
        if 2 * (count + 1) > len(chosen):
            kept = chosen[chosen[:, at.CHOICE] != EMPTY]
            chosen, _ = with_choices(no_choices(2 * len(chosen)), 0, kept)
        count += _insert(chosen, record)
    return chosen, count
