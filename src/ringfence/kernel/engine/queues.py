"""Who is deleveraged next: a queue for each side of a market, made when it is first asked for and kept up to date.

A queue is a binary heap of claims, the best score first, ties by id. Nothing in it is ever searched: who changes gets a
new version and, as long as it can be touched, a new claim, and claims of old versions are dropped where they surface.
Which subaccounts changed is read off the tape. So a thousand deleveragings of a crash cost one sort of each side and a
step of the heap for each change, not a ranking each.

Prices and funding indexes change every score: whoever sets them calls `forget`.
"""
# mypy: disable-error-code="untyped-decorator, no-untyped-call, no-any-return"

import numpy as np

from ..jit import jit
from ..wide import Wide, abs_, hi64, lo64, mul_div_down, wide
from . import layout as at
from .far import INT, NOTHING, YES_NO, far
from .memory import Book, copy_record, get
from .risk import equity_of, risk_price, trigger_of, worth_q
from .tape import leg_of

USD_Q = 1_000_000
CHUNK = 1 << 32
CURRENT, LATE = 1, 2
"""What `HOLDERS_KNOWN` says of the list: right, or right but for positions opened since."""


@jit
def forget(book: Book) -> None:
    """Drop every queue."""
    for queue in range(len(book.queues)):
        book.queues[queue, at.QUEUE_LIVE] = 0
    book.clock[at.HOLDERS_KNOWN] = book.clock[at.HEAP_TOP] = 0
    book.clock[at.SEEN] = book.clock[at.EVENTS]


# -- claims ------------------------------------------------------------------------------------------------------------


@jit
def _fraction_of(rest: Wide, den: Wide) -> int:
    """`rest / den` in units of 2^-64, rounded down, for `0 <= rest < den`; as an unsigned number in 64 bits."""
    upper = mul_div_down(rest, CHUNK, den)
    rest = rest * CHUNK - upper * den
    lower = mul_div_down(rest, CHUNK, den)
    return lo64(upper * CHUNK + lower)


@jit
def _ratio(numerator: Wide, cost_q: Wide, equity_q: Wide) -> tuple[Wide, int]:
    """`numerator / (cost * equity)`: the whole part, and what is left in units of 2^-64."""
    den = max(cost_q, 1) * max(equity_q, 1)
    whole = mul_div_down(numerator, 1, den)
    return whole, _fraction_of(numerator - whole * den, den)


@jit
def _score(book: Book, row: int, worth: Wide, cost_q: Wide, equity_q: Wide) -> tuple[Wide, int]:
    """The score of a claim by the policy's formula; see `clearing.adl`."""
    kind, profit_q = book.terms[at.ADL_SCORE], worth - cost_q
    if book.terms[at.ADL_POLICY] != at.RANKED:
        return wide(0), 0
    if kind == at.PROFIT_LEVERAGE:
        return _ratio(profit_q * abs_(worth), abs_(cost_q), equity_q)
    if kind == at.PROFIT_MARGIN:
        maintenance = trigger_of(book, row)[1]
        return _ratio(profit_q * maintenance, max(equity_q - profit_q, USD_Q), equity_q)
    if kind == at.BY_INVERTED_INDEX and worth < 0:
        return _ratio(abs_(cost_q), wide(1), equity_q)
    return _ratio(worth * worth, abs_(cost_q), equity_q)


@jit
def _claims(book: Book, row: int, leg: int) -> bool:
    """Whether the policy may touch a position: in turn any, else those in profit that equity backs."""
    if book.rows[row, at.FLAGS] & at.SYSTEM:
        return False
    if book.terms[at.ADL_POLICY] == at.CYCLIC:
        return True
    market, size_b = book.legs[leg, at.LEG_MARKET], get(book.legs, leg, at.SIZE_B)
    worth = worth_q(book, market, size_b, risk_price(book, market))
    return worth > get(book.legs, leg, at.COST_Q) and equity_of(book, row) > 0


@jit
def _write_claim(book: Book, n: int, row: int, leg: int) -> None:
    """Record `n` of the heap becomes the claim of a position."""
    market, heap = book.legs[leg, at.LEG_MARKET], book.heap
    worth = worth_q(book, market, get(book.legs, leg, at.SIZE_B), risk_price(book, market))
    whole, rest = _score(book, row, worth, get(book.legs, leg, at.COST_Q), equity_of(book, row))
    heap[n, at.SCORE], heap[n, at.SCORE + 1], heap[n, at.SCORE_REST] = lo64(whole), hi64(whole), rest
    heap[n, at.CLAIM_RANK], heap[n, at.CLAIM_ROW] = book.rows[row, at.RANK], row
    heap[n, at.CLAIM_VERSION] = book.versions[row]


# -- the heap ----------------------------------------------------------------------------------------------------------


@jit
def _goes_before(book: Book, i: int, j: int) -> bool:
    """Whether record `i` of the heap stands before record `j`: a higher score, or the same and a smaller id."""
    heap = book.heap
    if heap[i, at.SCORE + 1] != heap[j, at.SCORE + 1]:
        return heap[i, at.SCORE + 1] > heap[j, at.SCORE + 1]
    if heap[i, at.SCORE] != heap[j, at.SCORE]:
        return bool(np.uint64(heap[i, at.SCORE]) > np.uint64(heap[j, at.SCORE]))
    if heap[i, at.SCORE_REST] != heap[j, at.SCORE_REST]:
        return bool(np.uint64(heap[i, at.SCORE_REST]) > np.uint64(heap[j, at.SCORE_REST]))
    return heap[i, at.CLAIM_RANK] < heap[j, at.CLAIM_RANK]


@jit
def _swap(book: Book, i: int, j: int) -> None:
    heap = book.heap
    for k in range(at.CLAIM_WORDS):
        heap[i, k], heap[j, k] = heap[j, k], heap[i, k]


@jit
def _sink(book: Book, queue: int, place: int) -> None:
    """Let the claim at a place of a queue sink to where it belongs."""
    first, count = book.queues[queue, at.QUEUE_FIRST], book.queues[queue, at.QUEUE_COUNT]
    while 2 * place + 1 < count:
        child = 2 * place + 1
        if child + 1 < count and _goes_before(book, first + child + 1, first + child):
            child += 1
        if not _goes_before(book, first + child, first + place):
            return
        _swap(book, first + child, first + place)
        place = child


@jit
def _rise(book: Book, queue: int, place: int) -> None:
    first = book.queues[queue, at.QUEUE_FIRST]
    while place > 0 and _goes_before(book, first + place, first + (place - 1) // 2):
        _swap(book, first + place, first + (place - 1) // 2)
        place = (place - 1) // 2


@jit
def is_current(book: Book, n: int) -> bool:
    """Whether a claim still is what its owner holds."""
    return book.heap[n, at.CLAIM_VERSION] == book.versions[book.heap[n, at.CLAIM_ROW]]


@jit
def _order(book: Book, queue: int) -> None:
    """Make a heap of the claims that a queue holds, without the old ones."""
    first, count = book.queues[queue, at.QUEUE_FIRST], 0
    for n in range(first, first + book.queues[queue, at.QUEUE_COUNT]):
        if is_current(book, n):
            copy_record(book.heap, first + count, n)
            count += 1
    book.queues[queue, at.QUEUE_COUNT] = count
    for place in range(count // 2 - 1, -1, -1):
        _sink(book, queue, place)


@far(INT, INT)
def pop(book: Book, queue: int) -> int:
    """Take the first claim out of a queue; its record (behind the last one), or -1 where there is none."""
    first = book.queues[queue, at.QUEUE_FIRST]
    while book.queues[queue, at.QUEUE_COUNT] > 0:
        last = book.queues[queue, at.QUEUE_COUNT] - 1
        _swap(book, first, first + last)
        book.queues[queue, at.QUEUE_COUNT] = last
        _sink(book, queue, 0)
        if is_current(book, first + last):
            return first + last
    return -1


@far(NOTHING, INT, INT)
def put_back(book: Book, queue: int, count: int) -> None:
    """Put those of the last popped claims back that still are current, until a queue is as long as it was."""
    first = book.queues[queue, at.QUEUE_FIRST]
    for n in range(first + book.queues[queue, at.QUEUE_COUNT], first + count):
        if not is_current(book, n):
            continue
        place = book.queues[queue, at.QUEUE_COUNT]
        _swap(book, first + place, n)
        book.queues[queue, at.QUEUE_COUNT] = place + 1
        _rise(book, queue, place)


@jit
def _push(book: Book, queue: int, row: int, leg: int) -> None:
    if book.queues[queue, at.QUEUE_COUNT] == book.queues[queue, at.QUEUE_ROOM]:
        _order(book, queue)
    place = book.queues[queue, at.QUEUE_COUNT]
    _write_claim(book, book.queues[queue, at.QUEUE_FIRST] + place, row, leg)
    book.queues[queue, at.QUEUE_COUNT] = place + 1
    _rise(book, queue, place)


# -- making and keeping ------------------------------------------------------------------------------------------------


@jit
def _list_holders(book: Book) -> bool:
    """List who holds what, by market; false where `holders` has to grow first."""
    rows, legs, ends = book.rows, book.legs, book.holders_end
    for market in range(len(ends)):
        ends[market] = 0
    for row in range(book.clock[at.ROWS]):
        for leg in range(rows[row, at.LEG_FIRST], rows[row, at.LEG_FIRST] + rows[row, at.LEG_COUNT]):
            ends[legs[leg, at.LEG_MARKET] + 1] += 1
    for market in range(len(ends) - 1):
        ends[market + 1] += ends[market]
    if ends[len(ends) - 1] > len(book.holders):
        book.clock[at.LACKING], book.clock[at.WANTED] = at.HOLDERS_LACK, ends[len(ends) - 1]
        return False
    for row in range(book.clock[at.ROWS]):
        for leg in range(rows[row, at.LEG_FIRST], rows[row, at.LEG_FIRST] + rows[row, at.LEG_COUNT]):
            market = legs[leg, at.LEG_MARKET]
            book.holders[ends[market]] = row
            ends[market] += 1
    # Every market's place has moved to the end of it, which is where the next one begins.
    for market in range(len(ends) - 1, 0, -1):
        ends[market] = ends[market - 1]
    ends[0] = 0
    book.clock[at.HOLDERS_KNOWN] = CURRENT
    return True


@jit
def _make(book: Book, queue: int) -> bool:
    """Rank one side of a market; false where `heap` has to grow first."""
    market, is_long, count = queue // 2, queue % 2 == 0, 0
    first, end = book.holders_end[market], book.holders_end[market + 1]
    room, top = 2 * (end - first) + 64, book.clock[at.HEAP_TOP]
    if top + room > len(book.heap):
        book.clock[at.LACKING], book.clock[at.WANTED] = at.HEAP_LACKS, room
        return False
    for n in range(first, end):
        row = book.holders[n]
        leg = leg_of(book, row, market)
        if leg < 0 or (get(book.legs, leg, at.SIZE_B) > 0) != is_long or not _claims(book, row, leg):
            continue
        _write_claim(book, top + count, row, leg)
        count += 1
    book.queues[queue, at.QUEUE_LIVE], book.queues[queue, at.QUEUE_FIRST] = 1, top
    book.queues[queue, at.QUEUE_ROOM], book.queues[queue, at.QUEUE_COUNT] = room, count
    book.clock[at.HEAP_TOP] = top + room
    _order(book, queue)
    return True


@jit
def _renew(book: Book, row: int) -> None:
    """A subaccount changed: its claims are old, and new ones join the queues that there are."""
    if book.rows[row, at.FLAGS] & at.SYSTEM or book.versions[row] == book.clock[at.TURN]:
        return
    book.versions[row] = book.clock[at.TURN]
    first = book.rows[row, at.LEG_FIRST]
    for leg in range(first, first + book.rows[row, at.LEG_COUNT]):
        is_short = get(book.legs, leg, at.SIZE_B) < 0
        queue = 2 * book.legs[leg, at.LEG_MARKET] + (1 if is_short else 0)
        if book.queues[queue, at.QUEUE_LIVE] and _claims(book, row, leg):
            _push(book, queue, row, leg)


@jit
def _is_new(book: Book, n: int) -> bool:
    """Whether record `n` of the tape opened a trader's position, whom nobody may have listed."""
    tape = book.tape
    if tape[n, at.EVENT] != at.POSITION_CHANGED or book.rows[tape[n, at.FIRST], at.FLAGS] & at.SYSTEM:
        return False
    leg = leg_of(book, tape[n, at.FIRST], tape[n, at.ABOUT])
    return leg >= 0 and get(book.legs, leg, at.SIZE_B) == get(tape, n, at.X)


@far(NOTHING)
def catch_up(book: Book) -> None:
    """Tell the queues of every change that stands on the tape since they were last told."""
    tape, clock = book.tape, book.clock
    clock[at.TURN] += 1
    for n in range(clock[at.SEEN] if clock[at.HOLDERS_KNOWN] else clock[at.EVENTS], clock[at.EVENTS]):
        kind = tape[n, at.EVENT] & 255
        if _is_new(book, n):
            clock[at.HOLDERS_KNOWN] = LATE
        if kind <= at.FUNDING_SETTLED and tape[n, at.FIRST] >= 0:
            _renew(book, tape[n, at.FIRST])
        if kind == at.TRANSFER and tape[n, at.SECOND] >= 0:
            _renew(book, tape[n, at.SECOND])
    clock[at.SEEN] = clock[at.EVENTS]


@far(YES_NO, INT)
def has_queue(book: Book, queue: int) -> bool:
    """Have the queue of one side of a market at hand and up to date; false where an array has to grow first."""
    catch_up(book)
    if book.queues[queue, at.QUEUE_LIVE]:
        return True
    if book.clock[at.HOLDERS_KNOWN] != CURRENT and not _list_holders(book):
        return False
    return _make(book, queue)
