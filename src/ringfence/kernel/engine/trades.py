"""Fills between two subaccounts: `clearing.decide`, compiled.

What a subaccount's risk was before a fill matters only to one that lacks initial margin after it, and to one with a
parent. So a fill is first decided without it (`eager` false); the answer `AGAIN` says that it was needed after all, and
the command is decided a second time.

Where lots close freely (`clearing.reducing`), a side of a fill may be judged by the position that it shrinks and by
nothing else: then it is *free*.
"""
# mypy: disable-error-code="untyped-decorator, no-untyped-call, no-any-return"

from ...clearing.verdict import Reason
from ...rules.words import PPM
from .._rules import is_smaller
from ..jit import jit
from ..wide import WIDE, Wide, abs_, hi64, join, mul_div_down, mul_div_up, wide
from . import layout as at
from .cash import APART, HIGH_LIMIT
from .far import INT, YES_NO, far
from .fills import (
    fill,
    has_leg_room,
    has_room,
    keep_to_one_pool,
    records_of,
    refuse,
    reject,
    settle_all,
    sweep,
)
from .memory import VIEW, Book, Words, get
from .risk import Risk, frees_its_cost, may_act, risk_of, trigger_of, worth_q
from .tape import leg_of, move, size_of

ACCOUNT_MARGIN = int(Reason.ACCOUNT_MARGIN)
AMOUNT_NOT_POSITIVE = int(Reason.AMOUNT_NOT_POSITIVE)
AMOUNT_TOO_LARGE = int(Reason.AMOUNT_TOO_LARGE)
MARKET_UNKNOWN = int(Reason.MARKET_UNKNOWN)
PRICE_NOT_POSITIVE = int(Reason.PRICE_NOT_POSITIVE)
PRICE_NOT_SET = int(Reason.PRICE_NOT_SET)
SIZE_NOT_A_MULTIPLE = int(Reason.SIZE_NOT_A_MULTIPLE)
SUBACCOUNT_UNKNOWN = int(Reason.SUBACCOUNT_UNKNOWN)
SUBACCOUNTS_MUST_DIFFER = int(Reason.SUBACCOUNTS_MUST_DIFFER)
POOLS_MIXED = int(Reason.POOLS_MIXED)
MARKET_SETTLING = int(Reason.MARKET_SETTLING)
EXPIRED = int(Reason.EXPIRED)
INITIAL_MARGIN = int(Reason.INITIAL_MARGIN)
INITIAL_MARGIN_COUNTERPARTY = int(Reason.INITIAL_MARGIN_COUNTERPARTY)
PARENT_MARGIN = int(Reason.PARENT_MARGIN)
FEE_ACCOUNT = -1 - at.FEES
AGAIN = -3


@jit
def _too_large(amount: Wide) -> bool:
    return hi64(abs_(amount)) >= HIGH_LIMIT


@jit
def _sized_market(book: Book, command: Words) -> int:
    """What is wrong with market, size and price of a fill; 0 for nothing."""
    market = command[at.ABOUT]
    size_b, price = join(command[at.X + 1], command[at.X]), join(command[at.Y + 1], command[at.Y])
    if size_b == 0:
        return reject(book, AMOUNT_NOT_POSITIVE, at.OF_COMMAND, 0)
    if _too_large(size_b) or _too_large(price):
        return reject(book, AMOUNT_TOO_LARGE, at.NO_DETAIL, 0)
    if market < 0:
        return reject(book, MARKET_UNKNOWN, at.OF_COMMAND, 0)
    if price <= 0:
        return reject(book, PRICE_NOT_POSITIVE, at.OF_COMMAND, 0)
    flags = book.markets[market, at.MARKET_FLAGS]
    if get(book.markets, market, at.MARK) == 0 or flags & at.UNPRICED:
        return reject(book, PRICE_NOT_SET, at.OF_MARKET, market)
    step_b = get(book.markets, market, at.STEP_B)
    if step_b != 1 and mul_div_down(size_b, 1, step_b) * step_b != size_b:
        return reject(book, SIZE_NOT_A_MULTIPLE, at.STEP, market)
    return reject(book, EXPIRED, at.OF_MARKET, market) if flags & at.EXPIRED else 0


@jit
def _may_fill(book: Book, market: int, taker: int, maker: int) -> int:
    """What may be wrong with a fill before anything is booked; 0 for nothing."""
    pool = book.markets[market, at.POOL]
    for row in (taker, maker):
        if not keep_to_one_pool(book, row, pool):
            return reject(book, POOLS_MIXED, at.NAMED, row)
    if book.markets[market, at.MARKET_FLAGS] & at.SETTLING:
        return reject(book, MARKET_SETTLING, at.OF_MARKET, market)
    return 0


@jit
def _stands_apart(book: Book, row: int, market: int) -> bool:
    """Whether orders or an auction of a subaccount or its parent, or a leverage to be checked, leave a fill alone."""
    rows, parent = book.rows, book.rows[row, at.PARENT]
    if book.markets[market, at.MARKET_FLAGS] & at.AT_OPENING and rows[row, at.FLAGS] & at.CHOSEN:
        return True
    return ((rows[row, at.FLAGS] | (rows[parent, at.FLAGS] if parent >= 0 else 0)) & APART) != 0


@jit
def _needs_before(book: Book, row: int) -> bool:
    return book.rows[row, at.PARENT] >= 0


@jit
def _before(book: Book, row: int, eager: bool) -> Risk:
    if eager or _needs_before(book, row):
        return risk_of(book, row)
    return wide(0), wide(0), wide(0), wide(0)


@jit
def _fund_opening(book: Book, row: int, market: int, size_b: Wide, before: Risk) -> int:
    """A subaccount with a parent draws from it what opening lots took of its free collateral."""
    parent, held_b = book.rows[row, at.PARENT], size_of(book, row, market)
    if parent < 0 or held_b == 0 or (held_b > 0) != (size_b > 0):
        return 0
    after = risk_of(book, row)
    taken_q = (before[0] - before[1]) - (after[0] - after[1])
    if taken_q <= 0:
        return 0
    settle_all(book, parent)
    move(book, parent, row, taken_q, at.MARGIN_POSTED, 0)
    left = risk_of(book, parent)
    if left[0] < left[1]:
        return refuse(book, PARENT_MARGIN, at.LACKS, parent, left[1] - left[0], wide(0))
    return 0


@jit
def _must_stand(
    book: Book,
    row: int,
    market: int,
    held_b: Wide,
    before: Risk,
    reason: int,
    eager: bool,
) -> int:
    """Whether a side of a fill may stand where it is now."""
    if book.rows[row, at.FLAGS] & at.SYSTEM:
        return 0
    after = risk_of(book, row)
    if after[0] >= after[1]:
        return 0
    if not (eager or _needs_before(book, row)):
        return AGAIN
    if book.terms[at.GATED]:
        increasing = after[1] > before[1] or after[2] > before[2]
        lack_q = (after[1] if increasing else after[2]) - after[0]
        return refuse(book, reason, at.LACKS, row, lack_q, wide(0)) if lack_q > 0 else 0
    stands = may_act(before, after)
    if stands and book.terms[at.STRICT_REDUCE]:
        now_b = size_of(book, row, market)
        stands = now_b == 0 or is_smaller(held_b, now_b)
    return 0 if stands else refuse(book, reason, at.LACKS, row, after[1] - after[0], wide(0))


@far(INT, INT)
def _others_must_meet(book: Book, row: int) -> int:
    """Whether all other subaccounts of an account have maintenance margin; the first that lacks it is named."""
    if book.rows[row, at.FLAGS] & at.SYSTEM:
        return 0
    other, found, lack_q = book.siblings[row], -1, wide(0)
    while other != row:
        if (found < 0 or other < found) and not book.rows[other, at.FLAGS] & at.SYSTEM:
            equity, maintenance, _ = trigger_of(book, other)
            if equity < maintenance:
                found, lack_q = other, maintenance - equity
        other = book.siblings[other]
    return refuse(book, ACCOUNT_MARGIN, at.LACKS, found, lack_q, wide(0)) if found >= 0 else 0


@jit
def _return_margin(book: Book, row: int, market: int, held_b: Wide) -> None:
    """Where margin is locked, a position that shrank hands that share of the equity to the parent."""
    parent, now_b = book.rows[row, at.PARENT], size_of(book, row, market)
    locked = book.markets[market, at.MARKET_FLAGS] & at.LOCKED
    if not locked or parent < 0 or held_b == 0 or now_b == 0:
        return
    closed_b = abs_(held_b) - abs_(now_b)
    if closed_b <= 0 or (held_b > 0) != (now_b > 0):
        return
    risk = risk_of(book, row)
    share_q = mul_div_down(max(risk[0], 0), closed_b, abs_(held_b))
    move(book, row, parent, min(share_q, max(risk[0] - risk[1], 0)), at.MARGIN_RETURNED, 0)


@jit
def _fee_q(book: Book, cost_q: Wide, of: int) -> Wide:
    """Fee on a fill; `of` is `TAKER_FEE_PPM` or `MAKER_FEE_PPM`."""
    ppm = book.terms[of]
    return mul_div_up(abs_(cost_q), ppm, PPM) if ppm != 0 else wide(0)


@jit
def _book_fill(book: Book, market: int, taker: int, maker: int, size_b: Wide, price: Wide) -> None:
    """The fill and its fees."""
    cost_q = worth_q(book, market, size_b, price)
    fill(book, market, taker, maker, size_b, -cost_q, at.TRADED)
    move(book, taker, FEE_ACCOUNT, _fee_q(book, cost_q, at.TAKER_FEE_PPM), at.TRADING_FEE, 0)
    move(book, maker, FEE_ACCOUNT, _fee_q(book, cost_q, at.MAKER_FEE_PPM), at.TRADING_FEE, 0)


@far(YES_NO, INT, INT, INT, WIDE, WIDE)
def _is_free(book: Book, market: int, row: int, other: int, size_b: Wide, received_q: Wide) -> bool:
    """Whether a fill, signed lots for quote received less the fee, is judged by the position that it shrinks."""
    rows, leg = book.rows, leg_of(book, row, market)
    by_position = not (
        book.terms[at.SET_RULE] or book.terms[at.GATED] or book.markets[market, at.CAP_PPM] >= 0
    )
    with_venue = rows[other, at.FLAGS] & at.SYSTEM and not rows[row, at.FLAGS] & at.SYSTEM
    if leg < 0 or not (by_position and with_venue):
        return False
    held_b = get(book.legs, leg, at.SIZE_B)
    left_b, first = held_b + size_b, rows[row, at.LEG_FIRST]
    if (left_b == 0 and rows[row, at.LEG_COUNT] == 1) or not is_smaller(held_b, left_b):
        return False
    for each in range(first, first + rows[row, at.LEG_COUNT]):
        if book.markets[book.legs[each, at.LEG_MARKET], at.POOL] != book.markets[market, at.POOL]:
            return False
    return frees_its_cost(book, leg, left_b, received_q)


@jit
def _free_sides(
    book: Book, market: int, taker: int, maker: int, size_b: Wide, price: Wide
) -> tuple[bool, bool]:
    """Whether taker and maker are free."""
    if not book.terms[at.FREE_REDUCE]:
        return False, False
    cost_q = worth_q(book, market, size_b, price)
    taker_q = -cost_q - _fee_q(book, cost_q, at.TAKER_FEE_PPM)
    maker_q = cost_q - _fee_q(book, cost_q, at.MAKER_FEE_PPM)
    return (
        _is_free(book, market, taker, maker, size_b, taker_q),
        _is_free(book, market, maker, taker, -size_b, maker_q),
    )


@jit
def _filled(book: Book, command: Words, eager: bool) -> int:
    """The fill itself, once nothing is wrong with what was asked."""
    taker, maker, market = command[at.FIRST], command[at.SECOND], command[at.ABOUT]
    size_b, price = join(command[at.X + 1], command[at.X]), join(command[at.Y + 1], command[at.Y])
    taker_is_free, maker_is_free = _free_sides(book, market, taker, maker, size_b, price)
    if not taker_is_free:
        settle_all(book, taker)
    taker_before, taker_b = _before(book, taker, eager), size_of(book, taker, market)
    if not maker_is_free:
        settle_all(book, maker)
    maker_before, maker_b = _before(book, maker, eager), size_of(book, maker, market)
    _book_fill(book, market, taker, maker, size_b, price)
    status = _fund_opening(book, taker, market, size_b, taker_before)
    if status == 0:
        status = _fund_opening(book, maker, market, -size_b, maker_before)
    if status == 0 and not taker_is_free:
        status = _must_stand(book, taker, market, taker_b, taker_before, INITIAL_MARGIN, eager)
    if status == 0 and not maker_is_free:
        reason = INITIAL_MARGIN_COUNTERPARTY
        status = _must_stand(book, maker, market, maker_b, maker_before, reason, eager)
    if status == 0 and book.terms[at.GATED]:
        status = _others_must_meet(book, taker) or _others_must_meet(book, maker)
    if status != 0:
        return status
    _return_margin(book, taker, market, taker_b)
    sweep(book, taker)
    _return_margin(book, maker, market, maker_b)
    sweep(book, maker)
    return at.ACCEPTED


@far(INT, VIEW, YES_NO)
def trade(book: Book, command: Words, eager: bool) -> int:
    """A fill between a taker and a maker."""
    status = _sized_market(book, command)
    if status:
        return status
    taker, maker, market = command[at.FIRST], command[at.SECOND], command[at.ABOUT]
    if taker < 0 or maker < 0:
        return reject(book, SUBACCOUNT_UNKNOWN, at.OF_COMMAND, 0 if taker < 0 else 1)
    if taker == maker:
        return reject(book, SUBACCOUNTS_MUST_DIFFER, at.NO_DETAIL, 0)
    if _stands_apart(book, taker, market) or _stands_apart(book, maker, market):
        return at.REFERENCE
    if not has_room(book, records_of(book, taker) + records_of(book, maker)):
        return at.ROOM
    if not (has_leg_room(book, taker, 1) and has_leg_room(book, maker, 1)):
        return at.ROOM
    status = _may_fill(book, market, taker, maker)
    return status or _filled(book, command, eager)
