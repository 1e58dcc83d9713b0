"""What every command is made of: funding that is booked, fills, sweeps, room on the tape, and refusals."""
# mypy: disable-error-code="untyped-decorator, no-untyped-call, no-any-return"

from ...rules.words import WAD
from .._rules import funding_payment_q, released_cost_q
from ..jit import jit
from ..wide import WIDE, Wide, abs_, hi64, lo64, mul_div_down, wide
from . import layout as at
from .far import INT, NOTHING, YES_NO, far
from .memory import Book, copy_record, get, put
from .risk import withheld_q
from .tape import balance, change_position, is_capped, leg_of, move, settle_to


@jit
def refuse(book: Book, reason: int, detail: int, who: int, x: Wide, y: Wide) -> int:
    """Note why a command is refused, in the form that `details` reads; returns the reason."""
    told = book.told
    told[at.DETAIL], told[at.WHO] = detail, who
    told[at.X], told[at.X + 1], told[at.Y], told[at.Y + 1] = lo64(x), hi64(x), lo64(y), hi64(y)
    return reason


@jit
def reject(book: Book, reason: int, detail: int, who: int) -> int:
    """`refuse` without amounts."""
    return refuse(book, reason, detail, who, wide(0), wide(0))


@jit
def has_room(book: Book, records: int) -> bool:
    """Whether the tape takes so many more records; notes what is wanted where it does not."""
    if book.clock[at.EVENTS] + records <= len(book.tape):
        return True
    book.clock[at.LACKING], book.clock[at.WANTED] = at.TAPE_LACKS, records
    return False


@far(YES_NO, INT, INT)
def has_leg_room(book: Book, row: int, more: int) -> bool:
    """Let a subaccount have room for so many more positions; false where `legs` has to grow first."""
    rows, legs, clock = book.rows, book.legs, book.clock
    count, first = rows[row, at.LEG_COUNT], rows[row, at.LEG_FIRST]
    if count + more <= rows[row, at.LEG_ROOM]:
        return True
    room, top = max(2 * rows[row, at.LEG_ROOM], count + more), clock[at.LEG_TOP]
    if top + room > len(legs):
        clock[at.LACKING], clock[at.WANTED] = at.LEGS_LACK, room
        return False
    for k in range(count):
        copy_record(legs, top + k, first + k)
    rows[row, at.LEG_FIRST], rows[row, at.LEG_ROOM] = top, room
    clock[at.LEG_TOP] = top + room
    return True


@jit
def records_of(book: Book, row: int) -> int:
    """Most records that settling, filling and sweeping a subaccount and its parent puts on the tape."""
    rows, parent = book.rows, book.rows[row, at.PARENT]
    legs = rows[row, at.LEG_COUNT] + (rows[parent, at.LEG_COUNT] if parent >= 0 else 0)
    return 2 * legs + len(book.assets) + 12


@far(NOTHING, INT, INT)
def _book_funding(book: Book, row: int, leg: int) -> None:
    """Pay the funding that a position has run up."""
    market = book.legs[leg, at.LEG_MARKET]
    index, funded = get(book.markets, market, at.FUNDING_INDEX), get(book.legs, leg, at.FUNDED)
    size_b, rounding = get(book.legs, leg, at.SIZE_B), book.terms[at.FUNDING_ROUNDING]
    due_q = funding_payment_q(size_b, index - funded, WAD, rounding)
    move(book, -1 - book.markets[market, at.FUNDING_ACCOUNT], row, due_q, at.FUNDING_PAID, 0)
    settle_to(book, row, leg, index)


@jit
def settle(book: Book, row: int, leg: int) -> None:
    """Book the funding that a position has run up, if any."""
    index = get(book.markets, book.legs[leg, at.LEG_MARKET], at.FUNDING_INDEX)
    if index != get(book.legs, leg, at.FUNDED):
        _book_funding(book, row, leg)


@far(NOTHING, INT)
def settle_all(book: Book, row: int) -> None:
    """Book the funding of every position of a subaccount."""
    first = book.rows[row, at.LEG_FIRST]
    for leg in range(first, first + book.rows[row, at.LEG_COUNT]):
        settle(book, row, leg)


@jit
def cost_change_q(held_b: Wide, held_q: Wide, size_b: Wide, paid_q: Wide) -> Wide:
    """Change of a position's cost when `size_b` lots are added for `paid_q` (negative: received)."""
    if held_b == 0 or (held_b > 0) == (size_b > 0):
        return paid_q
    if size_b == -held_b:
        return -held_q
    if abs_(size_b) <= abs_(held_b):
        return -released_cost_q(held_q, held_b, abs_(size_b))
    opened_q = paid_q - mul_div_down(paid_q, abs_(held_b), abs_(size_b))
    return opened_q - held_q


@jit
def _take(book: Book, market: int, row: int, size_b: Wide, paid_q: Wide) -> None:
    leg = leg_of(book, row, market)
    held_b, held_q = wide(0), wide(0)
    if leg >= 0:
        held_b, held_q = get(book.legs, leg, at.SIZE_B), get(book.legs, leg, at.COST_Q)
    change_position(book, row, market, size_b, cost_change_q(held_b, held_q, size_b, paid_q))


@jit
def _kept_of(book: Book, market: int, row: int, size_b: Wide, received_q: Wide) -> Wide:
    """The part of what a fill with the liquidity behind a market realizes for a trader that it does not pay."""
    leg = leg_of(book, row, market)
    if leg < 0 or not is_capped(book, row, market):
        return wide(0)
    held_b, held_q = get(book.legs, leg, at.SIZE_B), get(book.legs, leg, at.COST_Q)
    if (held_b > 0) == (size_b > 0):
        return wide(0)
    closed_b = min(abs_(size_b), abs_(held_b))
    got_q = mul_div_down(received_q, closed_b, abs_(size_b))
    profit_q = got_q - released_cost_q(held_q, held_b, closed_b)
    return withheld_q(book, market, held_b > 0, profit_q) if profit_q > 0 else wide(0)


@far(WIDE, INT, INT, INT, WIDE, WIDE)
def _kept_q(book: Book, market: int, row: int, other: int, size_b: Wide, received_q: Wide) -> Wide:
    """What `row` hands back of a fill's profit to the liquidity behind the market; negative where `other` does."""
    pool = book.markets[market, at.COUNTERPARTY]
    if other == pool:
        return _kept_of(book, market, row, size_b, received_q)
    return -_kept_of(book, market, other, -size_b, -received_q) if row == pool else wide(0)


@far(NOTHING, INT, INT, INT, WIDE, WIDE, INT)
def fill(
    book: Book, market: int, row: int, counterparty: int, size_b: Wide, received_q: Wide, why: int
) -> None:
    """`row` changes by `size_b` lots and receives `received_q`; the counterparty does the opposite."""
    leg, other = leg_of(book, row, market), leg_of(book, counterparty, market)
    if leg >= 0:
        settle(book, row, leg)
    if other >= 0:
        settle(book, counterparty, other)
    kept_q = wide(0)
    if book.terms[at.CAPPED]:
        kept_q = _kept_q(book, market, row, counterparty, size_b, received_q)
    move(book, counterparty, row, received_q, why, 0)
    _take(book, market, row, size_b, -received_q)
    _take(book, market, counterparty, -size_b, received_q)
    move(book, row, counterparty, kept_q, at.PROFIT_CAP, 0)


@far(NOTHING, INT)
def sweep(book: Book, row: int) -> None:
    """A flat subaccount without orders and without debt hands what is left to its parent."""
    rows, parent = book.rows, book.rows[row, at.PARENT]
    resting = rows[row, at.FLAGS] & at.RESTING
    if parent < 0 or rows[row, at.LEG_COUNT] > 0 or resting or balance(book, row, 0) < 0:
        return
    for n in range(len(book.assets)):
        asset = book.assets[n, at.SORTED]
        amount = balance(book, row, asset)
        if amount > 0:
            move(book, row, parent, amount, at.MARGIN_RETURNED, asset)


@jit
def keep_to_one_pool(book: Book, row: int, pool: int) -> bool:
    """Whether a position in a pool is fine where a subaccount's positions must share one."""
    rows, legs = book.rows, book.legs
    if not book.terms[at.EXCLUSIVE_POOLS] or rows[row, at.FLAGS] & at.SYSTEM:
        return True
    first = rows[row, at.LEG_FIRST]
    for leg in range(first, first + rows[row, at.LEG_COUNT]):
        if book.markets[legs[leg, at.LEG_MARKET], at.POOL] != pool:
            return False
    return True


@jit
def set_amount(book: Book, row: int, k: int, amount: Wide) -> None:
    """Write an amount of a subaccount's record."""
    put(book.rows, row, k, amount)
