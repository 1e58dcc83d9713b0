"""Lists of who bears a loss: in which order, and how much each. `clearing.adl.split`, compiled.

A list stands in the first records of `book.list`. Nothing is allocated here.
"""
# mypy: disable-error-code="untyped-decorator, no-untyped-call, no-any-return"

from ..jit import jit
from ..wide import WIDE, Wide, mul_div_down, wide
from . import layout as at
from .far import INT, NOTHING, far
from .memory import Book, get, put


@jit
def has_list_room(book: Book, records: int) -> bool:
    """Whether a list of so many records fits; notes what is wanted where it does not."""
    if records <= len(book.list):
        return True
    book.clock[at.LACKING], book.clock[at.WANTED] = at.LIST_LACKS, records
    return False


@jit
def _exchange(book: Book, i: int, j: int) -> None:
    """Let two records change places, as far as `sort_list` looks at them."""
    listed = book.list
    for k in (at.KEY, at.ITEM):
        listed[i, k], listed[j, k] = listed[j, k], listed[i, k]


@jit
def _settle_down(book: Book, place: int, count: int) -> None:
    listed = book.list
    while 2 * place + 1 < count:
        child = 2 * place + 1
        if child + 1 < count and listed[child + 1, at.KEY] > listed[child, at.KEY]:
            child += 1
        if listed[child, at.KEY] <= listed[place, at.KEY]:
            return
        _exchange(book, child, place)
        place = child


@jit
def sort_list(book: Book, count: int) -> None:
    """Order the items of a list by their keys, which all differ."""
    for place in range(count // 2 - 1, -1, -1):
        _settle_down(book, place, count)
    for last in range(count - 1, 0, -1):
        _exchange(book, 0, last)
        _settle_down(book, 0, last)


@jit
def total_of(book: Book, count: int) -> Wide:
    """Sum of a list's weights."""
    total = wide(0)
    for n in range(count):
        total += get(book.list, n, at.WEIGHT)
    return total


@jit
def _above(book: Book, count: int, bound: Wide) -> int:
    """Records whose remainder is at least `bound`."""
    found = 0
    for n in range(count):
        if get(book.list, n, at.REMAINDER_OF) >= bound:
            found += 1
    return found


@far(NOTHING, WIDE, INT)
def split(book: Book, amount: Wide, count: int) -> None:
    """Split an amount in proportion to a list's weights by largest remainder, ties to the first; the sum is exact.

    The smallest remainder that is rounded up is found by halving, so no order has to be made.
    """
    total, rest, listed = total_of(book, count), amount, book.list
    for n in range(count):
        weight = get(listed, n, at.WEIGHT)
        share = mul_div_down(amount, weight, total)
        put(listed, n, at.SHARE, share)
        put(listed, n, at.REMAINDER_OF, amount * weight - share * total)
        rest -= share
    low, high = wide(0), total
    while high - low > 1:
        middle = low + mul_div_down(high - low, 1, 2)
        if rest <= _above(book, count, middle):
            low = middle
        else:
            high = middle
    ties = rest - _above(book, count, low + 1)
    for n in range(count if rest > 0 else 0):
        remainder = get(listed, n, at.REMAINDER_OF)
        if remainder > low or (remainder == low and ties > 0):
            put(listed, n, at.SHARE, get(listed, n, at.SHARE) + 1)
            ties -= 1 if remainder == low else 0
