"""The order of a queue of deleveraging: exactly by score, ties by id, however large or alike the scores are."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from kernel.engine.crowds import crowd_venue
from ringfence.kernel.engine import layout as at
from ringfence.kernel.engine.book import book_of
from ringfence.kernel.engine.far import directory_of
from ringfence.kernel.engine.memory import as_book, get
from ringfence.kernel.engine.names import Names
from ringfence.kernel.engine.queues import _fraction_of
from ringfence.kernel.engine.ranking import rank
from ringfence.kernel.jit import jit
from ringfence.kernel.wide import split

WHOLE = st.one_of(st.integers(0, 3), st.integers(0, 1 << 63), st.integers(1 << 63, 1 << 120))
REST = st.one_of(st.sampled_from((0, 1, 1 << 63, (1 << 64) - 1)), st.integers(0, (1 << 64) - 1))


@given(st.lists(st.tuples(WHOLE, REST), max_size=60), st.randoms(use_true_random=False))
@example([(0, 0)] * 9, None)
@example([(1, 5), (1, 4), (1 << 70, 0), (0, (1 << 64) - 1)], None)
@example([(1 << 63, 7), (1 << 63, 6), ((1 << 64) - 1, 0)], None)
def test_claims_stand_in_the_order_of_their_scores(scores, random):
    venue = crowd_venue(0)
    ranks = list(range(len(scores)))
    if random is not None:
        random.shuffle(ranks)
    heap = np.zeros((len(scores) + 1, at.CLAIM_WORDS), np.int64)
    for n, ((whole, rest), place) in enumerate(zip(scores, ranks, strict=True), 1):
        high, low = split(whole)
        heap[n] = (low, high, split(rest)[1], place, place, 0)
    book = book_of(venue, Names(venue))._replace(heap=heap)
    book.queues[3, at.QUEUE_FIRST], book.queues[3, at.QUEUE_COUNT] = 1, len(scores)
    rank(book, 3)
    wanted = sorted(zip(scores, ranks, strict=True), key=lambda one: (-(one[0][0] << 64) - one[0][1], one[1]))
    assert heap[1:, at.CLAIM_ROW].tolist() == [place for _, place in wanted]
    assert book.queues[3, at.QUEUE_LIVE]


@jit
def _fractions(directory, out):
    listed = as_book(directory).list
    for n in range(len(out)):
        out[n] = _fraction_of(get(listed, n, at.WEIGHT), get(listed, n, at.SHARE))


DEN = st.one_of(
    st.integers(1, 1 << 126),
    st.integers(92, 97).flatmap(lambda bits: st.integers((1 << bits) - 2, (1 << bits) + 2)),
)


@given(st.lists(DEN.flatmap(lambda den: st.tuples(st.integers(0, den - 1), st.just(den))), min_size=1))
@example([((1 << 95) - 2, (1 << 95) - 1), ((1 << 95) - 1, 1 << 95), ((1 << 126) - 1, 1 << 126), (0, 1)])
def test_the_fraction_of_a_score_is_right_to_64_bits_whatever_it_is_a_fraction_of(pairs):
    venue = crowd_venue(0)
    listed, out = np.zeros((len(pairs), at.LIST_WORDS), np.int64), np.zeros(len(pairs), np.int64)
    for n, (rest, den) in enumerate(pairs):
        for k, amount in ((at.WEIGHT, rest), (at.SHARE, den)):
            listed[n, k + 1], listed[n, k] = split(amount)
    book = book_of(venue, Names(venue))._replace(list=listed)
    _fractions(directory_of(book), out)
    assert out.astype(np.uint64).tolist() == [(rest << 64) // den for rest, den in pairs]
