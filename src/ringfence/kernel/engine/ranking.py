"""The order of a queue of deleveraging: the best score first, ties by id. Made once; see `queues`."""

import numpy as np
from numpy.typing import NDArray

from . import layout as at
from .memory import Book, Words


def rank(book: Book, queue: int) -> None:
    """Put the listed claims of a queue in order; from here on it is kept up to date."""
    first, count = book.queues[queue, at.QUEUE_FIRST], book.queues[queue, at.QUEUE_COUNT]
    claims = book.heap[first : first + count]
    claims[:] = claims[_order(claims)]
    book.queues[queue, at.QUEUE_LIVE] = 1


def _order(claims: Words) -> NDArray[np.intp]:
    """Places of claims in the order in which they stand; those that 64 bits of the score do not tell apart, exactly."""
    low, high, rest = claims.view(np.uint64)[:, at.SCORE : at.SCORE + 3].T
    bits = np.uint64(int(low.max(initial=0)).bit_length())
    leading = high if high.any() else (low << (np.uint64(64) - bits)) | (rest >> bits)
    order = np.argsort(~leading)
    found = leading[order]
    is_tied, same = np.zeros(len(order), np.bool_), found[1:] == found[:-1]
    is_tied[1:] |= same
    is_tied[:-1] |= same
    tied = order[is_tied]
    keys = (claims[tied, at.CLAIM_RANK], ~rest[tied], ~low[tied], ~high[tied])
    order[is_tied] = tied[np.lexsort(keys)]
    return order
