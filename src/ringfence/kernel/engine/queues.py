"""Who is deleveraged next: a queue for each side of a market, ranked when it is first asked for and kept up to date.

A queue is a ranked list of claims, the best score first and ties by id, which `ranking` sorts once, and behind it a
heap of those that came later. Nothing in it is ever searched: who changes gets a new version and, as long as it can be
touched, a late claim, and claims of old versions are dropped where they surface. Which subaccounts changed is read off
the tape. So a thousand deleveragings of a crash cost one sort of each side and a step of the heap for each change, not
a ranking each.

Prices and funding indexes change every score: whoever sets them calls `forget`. Where the liquidity of a market caps
profits, every command that stands may change the equity of all its winners, so a side is ranked anew for each loser.
"""
# mypy: disable-error-code="untyped-decorator, no-untyped-call, no-any-return"

import numpy as np

from ..jit import jit, never_inlined
from ..wide import Wide, abs_, hi64, lo64, mul_div_down, wide
from . import layout as at
from .far import INT, NOTHING, YES_NO, far
from .memory import Book, copy_record, fetch, get
from .risk import equity_of, leg_worth, trigger_of
from .tape import leg_of

USD_Q = 1_000_000
CHUNK = 1 << 32
FAN = 4
"""Claims below each one of the heap: half as many steps as with two, and those below one stand side by side."""
HELD = 0
"""Record of `heap` where a claim is kept that moves."""
ROWS_AHEAD, LEGS_AHEAD = 6, 3
"""How many claims ahead the records of owners are brought in, and then those of their positions."""
HOLDERS_AHEAD = 8
CURRENT, LATE = 1, 2
"""What `HOLDERS_KNOWN` says of the list: right, or right but for positions opened since."""


@jit
def _drop(book: Book) -> None:
    """Drop every queue."""
    for queue in range(len(book.queues)):
        book.queues[queue, at.QUEUE_LIVE] = 0
    book.clock[at.HEAP_TOP] = 1


@jit
def forget(book: Book) -> None:
    """Drop every queue, and who holds what."""
    _drop(book)
    book.clock[at.HOLDERS_KNOWN] = 0
    book.clock[at.SEEN] = book.clock[at.EVENTS]


# -- claims ------------------------------------------------------------------------------------------------------------


@jit
def _long_fraction(rest: Wide, den: Wide) -> int:
    """`_fraction_of` for a denominator that leaves no room for 32 bits above it, one binary digit at a time."""
    never_inlined()
    found = wide(0)
    for _ in range(64):
        rest, found = rest + rest, found + found
        if rest >= den:
            rest, found = rest - den, found + 1
    return lo64(found)


@jit
def _fraction_of(rest: Wide, den: Wide) -> int:
    """`rest / den` in units of 2^-64, rounded down, for `0 <= rest < den`; as an unsigned number in 64 bits."""
    if hi64(den) >= CHUNK >> 1:
        return _long_fraction(rest, den)
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


@far(YES_NO, INT, INT, INT)
def _claim(book: Book, n: int, row: int, leg: int) -> bool:
    """Let record `n` of the heap be the claim of a position, if the policy may touch it.

    In turn it may touch any; otherwise only those in profit that equity backs.
    """
    heap, cost_q = book.heap, get(book.legs, leg, at.COST_Q)
    worth, _ = leg_worth(book, book.legs[leg, at.LEG_MARKET], get(book.legs, leg, at.SIZE_B))
    in_turn = book.terms[at.ADL_POLICY] == at.CYCLIC
    if book.rows[row, at.FLAGS] & at.SYSTEM or not (in_turn or worth > cost_q):
        return False
    equity_q = equity_of(book, row)
    if not (in_turn or equity_q > 0):
        return False
    whole, rest = _score(book, row, worth, cost_q, equity_q)
    heap[n, at.SCORE], heap[n, at.SCORE + 1], heap[n, at.SCORE_REST] = lo64(whole), hi64(whole), rest
    heap[n, at.CLAIM_RANK], heap[n, at.CLAIM_ROW] = book.rows[row, at.RANK], row
    heap[n, at.CLAIM_VERSION] = book.rows[row, at.VERSION]
    return True


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
def _late_first(book: Book, queue: int) -> int:
    """Record of `heap` with the best of the late claims."""
    return book.queues[queue, at.QUEUE_FIRST] + book.queues[queue, at.QUEUE_COUNT]


@jit
def claims_end(book: Book, queue: int) -> int:
    """Where the claims of a queue end, which begin at `QUEUE_NEXT`; some of them are old."""
    return _late_first(book, queue) + book.queues[queue, at.QUEUE_LATE]


@jit
def _sink(book: Book, queue: int, place: int) -> None:
    """Let the late claim at a place sink to where it belongs."""
    first, count = _late_first(book, queue), book.queues[queue, at.QUEUE_LATE]
    copy_record(book.heap, HELD, first + place)
    while FAN * place + 1 < count:
        child = FAN * place + 1
        for other in range(child + 1, min(child + FAN, count)):
            if _goes_before(book, first + other, first + child):
                child = other
        if not _goes_before(book, first + child, HELD):
            break
        copy_record(book.heap, first + place, first + child)
        place = child
    copy_record(book.heap, first + place, HELD)


@jit
def _rise(book: Book, queue: int, place: int) -> None:
    first = _late_first(book, queue)
    copy_record(book.heap, HELD, first + place)
    while place > 0 and _goes_before(book, HELD, first + (place - 1) // FAN):
        copy_record(book.heap, first + place, first + (place - 1) // FAN)
        place = (place - 1) // FAN
    copy_record(book.heap, first + place, HELD)


@jit
def is_current(book: Book, n: int) -> bool:
    """Whether a claim still is what its owner holds."""
    return book.heap[n, at.CLAIM_VERSION] == book.rows[book.heap[n, at.CLAIM_ROW], at.VERSION]


@jit
def _take_late(book: Book, queue: int) -> int:
    """Take the best late claim out of the heap; its record, behind the last one."""
    first, last = _late_first(book, queue), book.queues[queue, at.QUEUE_LATE] - 1
    _swap(book, first, first + last)
    book.queues[queue, at.QUEUE_LATE] = last
    _sink(book, queue, 0)
    fetch(book.rows, book.heap[first, at.CLAIM_ROW])
    return first + last


@jit
def _fetch_ahead(book: Book, n: int, end: int) -> None:
    """Have the owners of the next ranked claims brought in, who stand anywhere in the book."""
    if n + ROWS_AHEAD < end:
        fetch(book.rows, book.heap[n + ROWS_AHEAD, at.CLAIM_ROW])
    if n + LEGS_AHEAD < end:
        fetch(book.legs, book.rows[book.heap[n + LEGS_AHEAD, at.CLAIM_ROW], at.LEG_FIRST])


@far(INT, INT)
def pop(book: Book, queue: int) -> int:
    """Take the first claim out of a queue; its record, or -1 where there is none."""
    queues, late = book.queues, _late_first(book, queue)
    while queues[queue, at.QUEUE_LATE] > 0 and not is_current(book, late):
        _take_late(book, queue)
    while queues[queue, at.QUEUE_NEXT] < late and not is_current(book, queues[queue, at.QUEUE_NEXT]):
        queues[queue, at.QUEUE_NEXT] += 1
    found = queues[queue, at.QUEUE_NEXT]
    if queues[queue, at.QUEUE_LATE] > 0 and (found == late or _goes_before(book, late, found)):
        return _take_late(book, queue)
    if found == late:
        return -1
    queues[queue, at.QUEUE_NEXT] = found + 1
    _fetch_ahead(book, found, late)
    return found


@far(NOTHING, INT, INT, INT)
def put_back(book: Book, queue: int, begun: int, late: int) -> None:
    """Put those of the last popped claims back that still are current.

    `begun` and `late` are what `QUEUE_NEXT` and `QUEUE_LATE` were before.
    """
    queues, first = book.queues, _late_first(book, queue)
    place = queues[queue, at.QUEUE_NEXT]
    for n in range(place - 1, begun - 1, -1):
        if is_current(book, n):
            place -= 1
            copy_record(book.heap, place, n)
    queues[queue, at.QUEUE_NEXT] = place
    for n in range(first + queues[queue, at.QUEUE_LATE], first + late):
        if is_current(book, n):
            place = queues[queue, at.QUEUE_LATE]
            _swap(book, first + place, n)
            queues[queue, at.QUEUE_LATE] = place + 1
            _rise(book, queue, place)


@jit
def _drop_old(book: Book, queue: int) -> None:
    """Make the heap of late claims anew, without the old ones."""
    first, count = _late_first(book, queue), 0
    for n in range(first, claims_end(book, queue)):
        if is_current(book, n):
            copy_record(book.heap, first + count, n)
            count += 1
    book.queues[queue, at.QUEUE_LATE] = count
    for place in range((count - 1) // FAN, -1, -1):
        _sink(book, queue, place)


@jit
def _push(book: Book, queue: int, row: int, leg: int) -> None:
    """Add a late claim, if there is one; a queue that has no room for another is dropped, to be ranked anew."""
    queues = book.queues
    end = queues[queue, at.QUEUE_FIRST] + queues[queue, at.QUEUE_ROOM]
    if claims_end(book, queue) == end:
        _drop_old(book, queue)
    if claims_end(book, queue) == end:
        queues[queue, at.QUEUE_LIVE] = 0
        return
    if _claim(book, claims_end(book, queue), row, leg):
        queues[queue, at.QUEUE_LATE] += 1
        _rise(book, queue, queues[queue, at.QUEUE_LATE] - 1)


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
def _list_claims(book: Book, queue: int) -> None:
    """List the claims of one side of a market, to be ranked; says what is lacking for it."""
    market, is_long, count = queue // 2, queue % 2 == 0, 0
    first, end = book.holders_end[market], book.holders_end[market + 1]
    room, top = 2 * (end - first) + 64, book.clock[at.HEAP_TOP]
    if top + room > len(book.heap):
        # Room for every queue, so that it is asked for once; memory that no claim is written to is none.
        every = top + 4 * book.holders_end[len(book.holders_end) - 1] + 64 * len(book.queues)
        book.clock[at.LACKING], book.clock[at.WANTED] = at.HEAP_LACKS, every
        return
    for n in range(first, end):
        row = book.holders[n]
        fetch(book.rows, book.holders[min(n + 2 * HOLDERS_AHEAD, end - 1)])
        fetch(book.legs, book.rows[book.holders[min(n + HOLDERS_AHEAD, end - 1)], at.LEG_FIRST])
        leg = leg_of(book, row, market)
        if (
            leg >= 0
            and (get(book.legs, leg, at.SIZE_B) > 0) == is_long
            and _claim(book, top + count, row, leg)
        ):
            count += 1
    queues = book.queues
    queues[queue, at.QUEUE_FIRST] = queues[queue, at.QUEUE_NEXT] = top
    queues[queue, at.QUEUE_ROOM], queues[queue, at.QUEUE_COUNT] = room, count
    queues[queue, at.QUEUE_LATE] = 0
    book.clock[at.HEAP_TOP] = top + room
    book.clock[at.LACKING], book.clock[at.WANTED] = at.ORDER_LACKS, queue


@jit
def _renew(book: Book, row: int) -> None:
    """A subaccount changed: its claims are old, and new ones join the queues that there are."""
    rows = book.rows
    if rows[row, at.FLAGS] & at.SYSTEM or rows[row, at.VERSION] == book.clock[at.TURN]:
        return
    rows[row, at.VERSION] = book.clock[at.TURN]
    first = rows[row, at.LEG_FIRST]
    for leg in range(first, first + rows[row, at.LEG_COUNT]):
        is_short = get(book.legs, leg, at.SIZE_B) < 0
        queue = 2 * book.legs[leg, at.LEG_MARKET] + (1 if is_short else 0)
        if book.queues[queue, at.QUEUE_LIVE]:
            _push(book, queue, row, leg)


@jit
def _is_new(book: Book, n: int) -> bool:
    """Whether record `n` of the tape may have opened a trader's position, whom nobody has listed.

    Whoever had none when holders were listed got to the side of today's in one of the records since, which is one that
    adds to that side: its size alone does not tell, as later records may have changed it again.
    """
    tape = book.tape
    if tape[n, at.EVENT] != at.POSITION_CHANGED or book.rows[tape[n, at.FIRST], at.FLAGS] & at.SYSTEM:
        return False
    leg = leg_of(book, tape[n, at.FIRST], tape[n, at.ABOUT])
    return leg >= 0 and (get(book.legs, leg, at.SIZE_B) > 0) == (get(tape, n, at.X) > 0)


@far(NOTHING, INT)
def catch_up(book: Book, standing: int) -> None:
    """Tell the queues of every change on the tape since they were last told.

    The first records, `standing` of them, are of commands that stand. A command at hand has done no more than to book
    funding, which changes nobody's equity.
    """
    tape, clock = book.tape, book.clock
    if book.terms[at.CAPPED] and clock[at.SEEN] < standing:
        _drop(book)
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
    """Have the queue of one side of a market at hand and up to date; false where something is lacking first."""
    catch_up(book, book.clock[at.BEGUN])
    if book.queues[queue, at.QUEUE_LIVE]:
        return True
    if book.clock[at.HOLDERS_KNOWN] == CURRENT or _list_holders(book):
        _list_claims(book, queue)
    return False
