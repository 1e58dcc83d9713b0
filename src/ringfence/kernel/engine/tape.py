"""The tape: every event a record, and the only code that changes the arrays. Played backwards it undoes them.

Each function works out everything that may leave 128 bits before it changes anything, so that an `OverflowError` leaves
arrays and tape in step. Whoever calls has made sure of room (`book.has_room`).
"""
# mypy: disable-error-code="untyped-decorator, no-untyped-call, no-any-return"

from ..jit import jit
from ..wide import WIDE, Wide, wide
from . import layout as at
from .far import INT, NOTHING, far
from .memory import Book, copy_record, get, put


@jit
def balance(book: Book, account: int, asset: int) -> Wide:
    """What a row, or (negative) a ledger account, holds of an asset."""
    if account >= 0:
        return get(book.rows, account, at.BALANCES + 2 * asset)
    return get(book.ledger, -1 - account, 2 * asset)


@jit
def _set_balance(book: Book, account: int, asset: int, amount: Wide) -> None:
    if account >= 0:
        put(book.rows, account, at.BALANCES + 2 * asset, amount)
    else:
        put(book.ledger, -1 - account, 2 * asset, amount)


@jit
def write(book: Book, event: int, first: int, second: int, about: int, x: Wide, y: Wide) -> None:
    """Add a record to the tape."""
    n, tape = book.clock[at.EVENTS], book.tape
    tape[n, at.EVENT], tape[n, at.FIRST], tape[n, at.SECOND], tape[n, at.ABOUT] = event, first, second, about
    put(tape, n, at.X, x)
    put(tape, n, at.Y, y)
    book.clock[at.EVENTS] = n + 1


@far(NOTHING, INT, INT, WIDE, INT, INT)
def move(book: Book, debit: int, credit: int, amount: Wide, why: int, asset: int) -> None:
    """Move an amount; a negative one moves the other way, zero is no event."""
    if amount == 0:
        return
    if amount < 0:
        debit, credit, amount = credit, debit, -amount
    left, got = balance(book, debit, asset) - amount, balance(book, credit, asset) + amount
    if debit != credit:
        _set_balance(book, debit, asset, left)
        _set_balance(book, credit, asset, got)
    write(book, at.TRANSFER + 256 * why, debit, credit, asset, amount, wide(0))


@jit
def leg_of(book: Book, row: int, market: int) -> int:
    """Record of `legs` with a subaccount's position in a market; -1 where it has none."""
    first = book.rows[row, at.LEG_FIRST]
    for leg in range(first, first + book.rows[row, at.LEG_COUNT]):
        if book.legs[leg, at.LEG_MARKET] == market:
            return leg
    return -1


@jit
def size_of(book: Book, row: int, market: int) -> Wide:
    """Lots of a subaccount's position in a market; zero where it has none."""
    leg = leg_of(book, row, market)
    return get(book.legs, leg, at.SIZE_B) if leg >= 0 else wide(0)


@jit
def _with_another(
    book: Book, market: int, side: int, from_b: Wide, from_q: Wide, to_b: Wide, to_q: Wide
) -> tuple[Wide, Wide]:
    """Lots and cost of a side once a position of it is another; no lots are on neither side."""
    size_b, cost_q = get(book.markets, market, side), get(book.markets, market, side + 2)
    if from_b != 0 and (from_b > 0) == (side == at.LONGS_B):
        size_b, cost_q = size_b - from_b, cost_q - from_q
    if to_b != 0 and (to_b > 0) == (side == at.LONGS_B):
        size_b, cost_q = size_b + to_b, cost_q + to_q
    return size_b, cost_q


@far(NOTHING, INT, WIDE, WIDE, WIDE, WIDE)
def _recount_sides(book: Book, market: int, from_b: Wide, from_q: Wide, to_b: Wide, to_q: Wide) -> None:
    """Count a trader's position on its side as what it becomes."""
    long_b, long_q = _with_another(book, market, at.LONGS_B, from_b, from_q, to_b, to_q)
    short_b, short_q = _with_another(book, market, at.SHORTS_B, from_b, from_q, to_b, to_q)
    put(book.markets, market, at.LONGS_B, long_b)
    put(book.markets, market, at.LONGS_Q, long_q)
    put(book.markets, market, at.SHORTS_B, short_b)
    put(book.markets, market, at.SHORTS_Q, short_q)


@jit
def is_capped(book: Book, row: int, market: int) -> bool:
    """Whether the liquidity behind a market caps what a subaccount is paid: any but the venue's own."""
    if not book.terms[at.CAPPED] or book.markets[market, at.CAP_PPM] < 0:
        return False
    return not book.rows[row, at.FLAGS] & at.SYSTEM


@far(NOTHING, INT, INT, WIDE, WIDE)
def change_position(book: Book, row: int, market: int, size_b: Wide, cost_q: Wide) -> None:
    """Add signed lots and cost to a position; at zero lots it is gone, and those after it move up."""
    legs, leg = book.legs, leg_of(book, row, market)
    count, first = book.rows[row, at.LEG_COUNT], book.rows[row, at.LEG_FIRST]
    held_b = get(legs, leg, at.SIZE_B) if leg >= 0 else wide(0)
    held_q = get(legs, leg, at.COST_Q) if leg >= 0 else wide(0)
    left_b, left_q = held_b + size_b, held_q + cost_q
    open_b = get(book.markets, market, at.OPEN_B) + (max(left_b, 0) - max(held_b, 0))
    if is_capped(book, row, market):
        _recount_sides(book, market, held_b, held_q, left_b, left_q)
    put(book.markets, market, at.OPEN_B, open_b)
    place = (leg if leg >= 0 else first + count) - first
    if leg < 0:
        leg = first + count
        legs[leg, at.LEG_MARKET] = market
        put(legs, leg, at.FUNDED, get(book.markets, market, at.FUNDING_INDEX))
        book.rows[row, at.LEG_COUNT] = count + 1
    put(legs, leg, at.SIZE_B, left_b)
    put(legs, leg, at.COST_Q, left_q)
    if left_b == 0:
        for later in range(leg, first + book.rows[row, at.LEG_COUNT] - 1):
            copy_record(legs, later, later + 1)
        book.rows[row, at.LEG_COUNT] -= 1
    write(book, at.POSITION_CHANGED, row, place, market, size_b, cost_q)


@jit
def try_position(book: Book, leg: int, size_b: Wide, cost_q: Wide) -> None:
    """Let a position be of other lots until `end_trial`; its place is kept even at zero."""
    clock, legs = book.clock, book.legs
    clock[at.TRIED_LEG] = leg + 1
    put(clock, 0, at.TRIED_SIZE_B, get(legs, leg, at.SIZE_B))
    put(clock, 0, at.TRIED_COST_Q, get(legs, leg, at.COST_Q))
    put(legs, leg, at.SIZE_B, size_b)
    put(legs, leg, at.COST_Q, cost_q)


@jit
def end_trial(book: Book) -> None:
    """Undo `try_position`, if a position is tried."""
    leg = book.clock[at.TRIED_LEG] - 1
    if leg >= 0:
        put(book.legs, leg, at.SIZE_B, get(book.clock, 0, at.TRIED_SIZE_B))
        put(book.legs, leg, at.COST_Q, get(book.clock, 0, at.TRIED_COST_Q))
        book.clock[at.TRIED_LEG] = 0


@jit
def settle_to(book: Book, row: int, leg: int, index: Wide) -> None:
    """Note that a position's funding is settled up to `index`."""
    before = get(book.legs, leg, at.FUNDED)
    put(book.legs, leg, at.FUNDED, index)
    write(book, at.FUNDING_SETTLED, row, 0, book.legs[leg, at.LEG_MARKET], index, before)


@jit
def _restore_position(book: Book, n: int) -> None:
    """Undo the change of a position that record `n` of the tape tells of."""
    tape, legs = book.tape, book.legs
    row, place, market = tape[n, at.FIRST], tape[n, at.SECOND], tape[n, at.ABOUT]
    first, leg = book.rows[row, at.LEG_FIRST], leg_of(book, row, market)
    now_b = get(legs, leg, at.SIZE_B) if leg >= 0 else wide(0)
    if leg < 0:
        leg = first + place
        for later in range(first + book.rows[row, at.LEG_COUNT], leg, -1):
            copy_record(legs, later, later - 1)
        book.rows[row, at.LEG_COUNT] += 1
        legs[leg, at.LEG_MARKET] = market
        # Whoever fills a position has settled its funding first.
        put(legs, leg, at.FUNDED, get(book.markets, market, at.FUNDING_INDEX))
        put(legs, leg, at.COST_Q, wide(0))
    now_q = get(legs, leg, at.COST_Q)
    held_b, held_q = now_b - get(tape, n, at.X), now_q - get(tape, n, at.Y)
    put(legs, leg, at.SIZE_B, held_b)
    put(legs, leg, at.COST_Q, held_q)
    if is_capped(book, row, market):
        _recount_sides(book, market, now_b, now_q, held_b, held_q)
    open_b = get(book.markets, market, at.OPEN_B) + (max(held_b, 0) - max(now_b, 0))
    put(book.markets, market, at.OPEN_B, open_b)
    if held_b == 0:
        book.rows[row, at.LEG_COUNT] -= 1


@far(NOTHING, INT)
def undo(book: Book, begin: int) -> None:
    """Play the tape backwards to record `begin`, as if what stands after it had never been asked for."""
    tape = book.tape
    for n in range(book.clock[at.EVENTS] - 1, begin - 1, -1):
        kind = tape[n, at.EVENT] & 255
        if kind == at.TRANSFER:
            debit, credit, asset = tape[n, at.FIRST], tape[n, at.SECOND], tape[n, at.ABOUT]
            amount = get(tape, n, at.X)
            if debit != credit:
                _set_balance(book, debit, asset, balance(book, debit, asset) + amount)
                _set_balance(book, credit, asset, balance(book, credit, asset) - amount)
        elif kind == at.POSITION_CHANGED:
            _restore_position(book, n)
        elif kind == at.FUNDING_SETTLED:
            leg = leg_of(book, tape[n, at.FIRST], tape[n, at.ABOUT])
            put(book.legs, leg, at.FUNDED, get(tape, n, at.Y))
    book.clock[at.EVENTS] = begin
    book.clock[at.SEEN] = min(book.clock[at.SEEN], begin)
