"""Whom deleveraging closes against a loser: winners in the order of their scores, without scoring all of them exactly.

A queue holds positions of one side of one market at one step. Its keys are upper bounds of scores from floats; whoever
comes to the front is scored exactly and put back, so the front is the highest score once it is exact. Scores that
floats cannot tell apart are compared as `clearing.adl` does: as whole parts of 2^-64, ties to the first name.

Most winners never come to the front. So positions are ranked once for a stretch of steps, by bounds that hold at all of
its prices, and enter the queue of a step only when their bound comes to the front.
"""
# mypy: disable-error-code="untyped-decorator, no-any-return"

from .._rules import bankruptcy_quote_q
from ..jit import jit
from ..wide import Wide, mul_div_down, to_float, wide
from .book import (
    CHANGES,
    COST,
    FLOOR,
    HINT,
    LATEST,
    LONGS,
    MARK,
    MEMBER,
    MEMBERS_FROM,
    MEMBERS_TO,
    NEAR_ONES,
    NOW,
    OLDER,
    QUOTE,
    RANKED_LONGS,
    RANKED_SHORTS,
    SHARES,
    SHORTS,
    SUB,
    VERSION,
    Book,
    equity_q,
    leg_maintenance,
    leg_worth,
    maintained_q,
)
from .book import FIRST as LEGS_FROM
from .book import LAST as LEGS_TO
from .path import FAN, MARKET, SIZE
from .rule import PER, order, worth_q

QUEUE_LEG, QUEUE_VERSION, QUEUE_EXACT, QUEUE_WORDS = range(4)
"""Columns of `Book.queue`: the leg, the version of its owner, whether the key is the score."""
ROOM, LENGTH, SEEN, STRETCH, RANKED, RANKED_AT, ENTERED = range(1, 8)
"""A queue is named by the first of its eight columns in the table of markets (`LONGS` or `SHORTS`).

It holds the step that the queue is for; the others are its first place in `Book.queue`, its length, and how many
changes of subaccounts it takes into account; then the stretch of the path for which the side is ranked, how many are,
after how many changes, and how many of them have entered the queue.
"""
LEVEL = 2
"""Level of the path's stretches for which a side is ranked."""
NEAR = 1e-13
"""Scores closer than this share of each other are compared exactly."""
BITS = 64
"""Scores are compared in whole parts of 2 to the minus this."""


@jit
def bankruptcy_q(book: Book, leg: int, closed: int) -> Wide:
    """Quote that closing signed lots of a leg must bring to use up its share of its owner's equity."""
    sub, market, held = book.legs[leg, SUB], book.legs[leg, MARKET], book.legs[leg, SIZE]
    left, price = held - closed, book.grid.table[book.legs[leg, MARKET], MARK]
    value = leg_worth(book, leg) - worth_q(book.grid, market, left, price)
    freed = max(wide(0), leg_maintenance(book, leg, held) - leg_maintenance(book, leg, left))
    return bankruptcy_quote_q(value, equity_q(book, sub), freed, maintained_q(book, sub))


@jit
def overlaps(book: Book, loser: int, winner: int, lots: int) -> bool:
    """May a winner close signed lots of a loser at the loser's bankruptcy price, within its own?"""
    return -bankruptcy_q(book, loser, lots) >= bankruptcy_q(book, winner, -lots)


@jit
def eligible(book: Book, leg: int) -> bool:
    """In profit, and with equity."""
    if leg_worth(book, leg) - book.legs[leg, COST] <= 0:
        return False
    return equity_q(book, book.legs[leg, SUB]) > 0


@jit
def lots_against(book: Book, loser: int, winner: int, most: int) -> int:
    """Lots of a loser, signed, that a winner can take of at most `most`."""
    lots = min(most, abs(book.legs[winner, SIZE]))
    return lots if book.legs[loser, SIZE] > 0 else -lots


@jit
def has_counterparty(book: Book, loser: int) -> bool:
    """Could deleveraging close anything against this position?"""
    market, held = book.legs[loser, MARKET], book.legs[loser, SIZE]
    first = book.grid.table[market, MEMBERS_FROM]
    count = book.grid.table[market, MEMBERS_TO] - first
    for k in range(count):
        place = (book.grid.table[market, HINT] + k) % count
        winner = book.legs[first + place, MEMBER]
        size = book.legs[winner, SIZE]
        if size == 0 or (size > 0) == (held > 0) or not eligible(book, winner):
            continue
        if overlaps(book, loser, winner, lots_against(book, loser, winner, abs(held))):
            book.grid.table[market, HINT] = place
            return True
    return False


# -- scores ------------------------------------------------------------------------------------------------------------


@jit
def _score(book: Book, leg: int) -> tuple[Wide, Wide]:
    """Numerator and denominator of profit over cost times worth over equity."""
    worth, cost = leg_worth(book, leg), wide(book.legs[leg, COST])
    over = max(wide(1), abs(cost)) * max(wide(1), equity_q(book, book.legs[leg, SUB]))
    return (worth - cost) * abs(worth), over


@jit
def _places(numerator: Wide, denominator: Wide) -> tuple[Wide, Wide]:
    """Whole part and 64 binary places of a fraction, rounded down."""
    whole = mul_div_down(numerator, 1, denominator)
    rest, places = numerator - whole * denominator, wide(0)
    for _ in range(BITS):
        rest, places = rest + rest, places + places
        if rest >= denominator:
            rest, places = rest - denominator, places + 1
    return whole, places


@jit
def _ranks_before(book: Book, leg: int, other: int) -> bool:
    """Exactly: does `leg` have the higher score, or the same and the first name?"""
    whole, places = _places(*_score(book, leg))
    other_whole, other_places = _places(*_score(book, other))
    if whole != other_whole:
        return whole > other_whole
    if places != other_places:
        return places > other_places
    return book.legs[leg, SUB] < book.legs[other, SUB]


@jit
def _bound(book: Book, leg: int, at: int) -> float:
    """An upper bound of a leg's score over a stretch of the path; 0 where it is surely not eligible."""
    grid, subs, sub, extents = book.grid, book.subs, book.legs[leg, SUB], book.path.extents
    gross, count, cost = 0.0, 1.0, float(book.legs[leg, COST])
    least, most = float(subs[sub, FLOOR]), float(subs[sub, QUOTE])
    worth = large = 0.0
    for each in range(subs[sub, LEGS_FROM], subs[sub, LEGS_TO]):
        market = book.legs[each, MARKET]
        lots = float(book.legs[each, SIZE]) * grid.floats[market, PER]
        low, high = lots * extents[0, at, market], lots * extents[1, at, market]
        if low > high:
            low, high = high, low
        least, most, gross, count = least + low, most + high, gross + max(-low, high), count + 1.0
        if each == leg:
            worth, large = high, max(-low, high)
    off = 4.0 * count + 1e-12 * (gross + max(abs(least), abs(most)) + abs(cost))
    if worth - cost <= -off or most <= -off:
        return 0.0
    return (worth - cost + off) * (large + off) / (max(abs(cost), 1.0) * max(least - off, 1.0)) * (1.0 + 1e-9)


# -- queues ------------------------------------------------------------------------------------------------------------


@jit
def _shift(book: Book, source: int, target: int) -> None:
    book.keys[target] = book.keys[source]
    for k in range(QUEUE_WORDS):
        book.queue[target, k] = book.queue[source, k]


@jit
def push(book: Book, side: int, market: int, key: float, leg: int, exact: int) -> None:
    """Put a leg into a queue; a heap whose highest key is in front."""
    keys, records, table = book.keys, book.queue, book.grid.table
    first, at = table[market, side + ROOM], table[market, side + LENGTH]
    table[market, side + LENGTH] += 1
    while at > 0 and keys[first + (at - 1) // 2] < key:
        above = (at - 1) // 2
        _shift(book, first + above, first + at)
        at = above
    keys[first + at] = key
    records[first + at, QUEUE_LEG], records[first + at, QUEUE_EXACT] = leg, exact
    records[first + at, QUEUE_VERSION] = book.subs[book.legs[leg, SUB], VERSION]


@jit
def _pop(book: Book, side: int, market: int) -> tuple[float, int, int, int]:
    """Take the front off a queue: key, leg, version, whether the key is exact."""
    keys, records, table = book.keys, book.queue, book.grid.table
    first, count = table[market, side + ROOM], table[market, side + LENGTH] - 1
    table[market, side + LENGTH] = count
    found = (
        keys[first],
        records[first, QUEUE_LEG],
        records[first, QUEUE_VERSION],
        records[first, QUEUE_EXACT],
    )
    key, leg, version = keys[first + count], records[first + count, 0], records[first + count, 1]
    exact, at = records[first + count, 2], 0
    while True:
        below = 2 * at + 1
        if below >= count:
            break
        if below + 1 < count and keys[first + below + 1] > keys[first + below]:
            below += 1
        if keys[first + below] <= key:
            break
        _shift(book, first + below, first + at)
        at = below
    keys[first + at] = key
    records[first + at, 0], records[first + at, 1], records[first + at, 2] = leg, version, exact
    return found


@jit
def _is_on(book: Book, side: int, leg: int) -> bool:
    size = book.legs[leg, SIZE]
    return size != 0 and (size > 0) == (side == LONGS)


@jit
def _enter(book: Book, side: int, leg: int) -> None:
    """Let a leg into the queue of its market if it is of that side and may be in profit."""
    if _is_on(book, side, leg):
        key = _bound(book, leg, book.state[NOW])
        if key > 0.0:
            push(book, side, book.legs[leg, MARKET], key, leg, 0)


@jit
def _rank(book: Book, market: int, side: int, stretch: int) -> None:
    """Rank one side of a market by the bounds of its scores over a stretch, the highest first."""
    table, first, count = book.grid.table, book.grid.table[market, MEMBERS_FROM], 0
    legs, keys, places = book.room[NEAR_ONES], book.scores[NEAR_ONES], book.room[SHARES]
    for k in range(first, table[market, MEMBERS_TO]):
        leg = book.legs[k, MEMBER]
        if _is_on(book, side, leg):
            legs[count], keys[count] = leg, -_bound(book, leg, stretch)
            count += keys[count] < 0.0
    order(keys, count, places)
    row = RANKED_LONGS if side == LONGS else RANKED_SHORTS
    for k in range(count):
        book.room[row, first + k], book.scores[row, first + k] = legs[places[k]], -keys[places[k]]
    table[market, side + STRETCH], table[market, side + RANKED] = stretch, count
    table[market, side + RANKED_AT] = book.state[CHANGES]


@jit
def _enter_changed(book: Book, market: int, side: int) -> bool:
    """Add whoever changed since the queue was last looked at; whether there was room for all of them."""
    table, subs, sub = book.grid.table, book.subs, book.state[LATEST]
    members = table[market, MEMBERS_TO] - table[market, MEMBERS_FROM]
    while sub >= 0 and subs[sub, VERSION] > table[market, side + SEEN]:
        if table[market, side + LENGTH] >= members:
            return False
        for leg in range(subs[sub, LEGS_FROM], subs[sub, LEGS_TO]):
            if book.legs[leg, MARKET] == market:
                _enter(book, side, leg)
        sub = subs[sub, OLDER]
    return True


@jit
def open_queue(book: Book, market: int, side: int) -> None:
    """Bring the queue of one side of a market up to date with the step and with whoever changed since its ranking."""
    table, now, levels = book.grid.table, book.state[NOW], book.path.levels
    level = min(LEVEL, levels.size - 2)
    stretch = levels[level] + now // FAN**level
    if table[market, side + STRETCH] != stretch:
        _rank(book, market, side, stretch)
        table[market, side] = -1
    if table[market, side] != now:
        _clear(book, market, side)
    if not _enter_changed(book, market, side):
        _rank(book, market, side, stretch)
        _clear(book, market, side)
    table[market, side + SEEN] = book.state[CHANGES]


@jit
def close_queues(book: Book, market: int) -> None:
    """Forget the queues of a market, whose exact keys no longer hold; its rankings do, down to the floors."""
    book.grid.table[market, LONGS] = book.grid.table[market, SHORTS] = -1


@jit
def _clear(book: Book, market: int, side: int) -> None:
    """Empty a queue, as it is right after its side was ranked."""
    table = book.grid.table
    table[market, side], table[market, side + LENGTH], table[market, side + ENTERED] = book.state[NOW], 0, 0
    table[market, side + SEEN] = table[market, side + RANKED_AT]


@jit
def _front(book: Book, side: int, market: int) -> float:
    """The key in front of a queue, once all whose bound is as high have entered it; -1 where nobody is left."""
    table, row = book.grid.table, RANKED_LONGS if side == LONGS else RANKED_SHORTS
    first, ranked = table[market, MEMBERS_FROM], table[market, side + RANKED]
    while table[market, side + ENTERED] < ranked:
        at = first + table[market, side + ENTERED]
        if table[market, side + LENGTH] > 0 and book.keys[table[market, side + ROOM]] > book.scores[row, at]:
            break
        table[market, side + ENTERED] += 1
        leg = book.room[row, at]
        if book.subs[book.legs[leg, SUB], VERSION] <= table[market, side + RANKED_AT]:
            _enter(book, side, leg)
    return book.keys[table[market, side + ROOM]] if table[market, side + LENGTH] > 0 else -1.0


@jit
def _next_exact(book: Book, side: int, market: int) -> tuple[float, int]:
    """Take the highest score off a queue: the score and its leg, or -1 where nobody is left."""
    while _front(book, side, market) >= 0.0:
        key, leg, version, exact = _pop(book, side, market)
        if version != book.subs[book.legs[leg, SUB], VERSION]:
            continue
        if exact:
            return key, leg
        if eligible(book, leg):
            over, under = _score(book, leg)
            push(book, side, market, to_float(over) / to_float(under), leg, 1)
    return 0.0, -1


@jit
def next_winner(book: Book, side: int, market: int) -> tuple[float, int]:
    """Take the first in the order of deleveraging off a queue: its key and its leg, or -1 where nobody is left.

    Whoever is too near the highest score for floats to tell is compared exactly, and put back if it comes later.
    """
    key, leg = _next_exact(book, side, market)
    count, others, scores = 0, book.room[NEAR_ONES], book.scores[NEAR_ONES]
    while leg >= 0 and _front(book, side, market) >= key * (1.0 - NEAR):
        score, other = _next_exact(book, side, market)
        if other < 0:
            break
        if score >= key * (1.0 - NEAR) and _ranks_before(book, other, leg):
            key, score, leg, other = score, key, other, leg
        others[count], scores[count] = other, score
        count += 1
    for k in range(count):
        push(book, side, market, scores[k], others[k], 1)
    return key, leg
