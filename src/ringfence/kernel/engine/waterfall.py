"""The loss waterfall below liquidation: `clearing.waterfall`, compiled."""
# mypy: disable-error-code="untyped-decorator, no-untyped-call, no-any-return"

from ...clearing.verdict import Reason
from ..jit import jit
from ..wide import Wide, abs_, wide
from . import layout as at
from .closing import victim
from .far import INT, far
from .fills import has_room, records_of, refuse, reject, settle_all, sweep
from .losses import close_against, shortfall_of, take_profits
from .memory import VIEW, Book, Words, get, put
from .risk import equity_of, risk_price, stake_of, worth_q
from .shares import has_list_room, split, total_of
from .tape import balance, leg_of, move, write

MARKET_UNKNOWN = int(Reason.MARKET_UNKNOWN)
POOL_UNKNOWN = int(Reason.POOL_UNKNOWN)
NOT_OFFERED = int(Reason.NOT_OFFERED)
POSITION_UNKNOWN = int(Reason.POSITION_UNKNOWN)
NOT_INSOLVENT = int(Reason.NOT_INSOLVENT)
BLOCK_LIMIT = int(Reason.BLOCK_LIMIT)
INSURANCE_TOO_SMALL = int(Reason.INSURANCE_TOO_SMALL)
NO_COUNTERPARTY = int(Reason.NO_COUNTERPARTY)
NOTHING_OWED = int(Reason.NOTHING_OWED)


@jit
def _insolvent(book: Book, row: int, market: int, taker: int) -> int:
    """Whether the loss waterfall may act on a position, whose funding is booked; 0 for yes."""
    status = victim(book, row, taker, at.OWN_COUNTERPARTY)
    if status:
        return status
    if leg_of(book, row, market) < 0:
        return reject(book, POSITION_UNKNOWN, at.OF_MARKET, market)
    if book.rows[row, at.FLAGS] & at.FROZEN:
        return at.REFERENCE
    if not has_room(book, records_of(book, row)):
        return at.ROOM
    settle_all(book, row)
    equity_q = equity_of(book, row)
    if equity_q > 0 or (equity_q == 0 and book.terms[at.ALL_OR_NOTHING]):
        return reject(book, NOT_INSOLVENT, at.NAMED, row)
    return 0


@far(INT, VIEW)
def draw_insurance(book: Book, command: Words) -> int:
    """The fund pays, as far as it reaches, a position's shortfall or the pool's bad debt."""
    row, market, pool = command[at.FIRST], command[at.SECOND], command[at.ABOUT]
    of_position = row != at.ABSENT
    if of_position and market < 0:
        return reject(book, MARKET_UNKNOWN, at.OF_COMMAND, 0)
    if pool < 0 or (of_position and book.markets[market, at.POOL] != pool):
        return reject(book, POOL_UNKNOWN, at.OF_COMMAND, 0)
    if not book.terms[at.HAS_INSURANCE]:
        return reject(book, NOT_OFFERED, at.NO_INSURANCE, 0)
    debtor = -1 - book.pools[pool, at.DEBT]
    need_q = -balance(book, debtor, 0)
    if of_position:
        status = _insolvent(book, row, market, at.ABSENT)
        if status:
            return status
        debtor, leg = row, leg_of(book, row, market)
        need_q = shortfall_of(book, row, leg, stake_of(book, row, leg))
    if not has_room(book, 1):
        return at.ROOM
    fund = -1 - book.pools[pool, at.FUND]
    fund_q = balance(book, fund, 0)
    if fund_q <= 0 or (of_position and book.terms[at.ALL_OR_NOTHING] and fund_q < need_q):
        return refuse(book, INSURANCE_TOO_SMALL, at.POOL_HOLDS, pool, fund_q, wide(0))
    if need_q <= 0:
        return reject(book, NOTHING_OWED, at.OF_POOL, pool)
    move(book, fund, debtor, min(need_q, fund_q), at.INSURANCE, 0)
    return at.ACCEPTED


@far(INT, VIEW)
def deleverage(book: Book, command: Words) -> int:
    """Close a losing position against winners, or let winners' profits pay for it."""
    row, market, terms, clock = command[at.FIRST], command[at.ABOUT], book.terms, book.clock
    if market < 0:
        return reject(book, MARKET_UNKNOWN, at.OF_COMMAND, 0)
    if not terms[at.HAS_DELEVERAGE]:
        return reject(book, NOT_OFFERED, at.NO_DELEVERAGE, 0)
    if book.markets[market, at.MARKET_FLAGS] & at.SETTLING or clock[at.FROZEN_ROWS]:
        return at.REFERENCE
    shared = terms[at.ADL_POLICY] == at.PRO_RATA
    counterparty = book.markets[market, at.COUNTERPARTY] if shared else at.ABSENT
    status = _insolvent(book, row, market, counterparty)
    if status:
        return status
    most = terms[at.BLOCK_DELEVERAGINGS_MAX]
    if most != 0 and clock[at.BLOCK_DELEVERAGINGS] >= most:
        return reject(book, BLOCK_LIMIT, at.DELEVERAGINGS, row)
    leg = leg_of(book, row, market)
    if shared:
        status, closed_b, loss_q, hit = take_profits(book, row, leg, counterparty)
    else:
        status, closed_b, loss_q, hit = close_against(book, row, leg, command[at.X])
    if status:
        return status
    return _deleveraged(book, row, market, closed_b, loss_q, hit)


@jit
def _deleveraged(book: Book, row: int, market: int, closed_b: Wide, loss_q: Wide, hit: int) -> int:
    """What follows from a deleveraging: withdrawals close for a while, and who is flat is swept.

    The tape has room for it: whoever asked for some before left it, since a queue out of which claims were taken
    could not be left as it is.
    """
    gate, pool, clock = book.terms[at.GATE_BLOCKS], book.markets[market, at.POOL], book.clock
    if hit == 0 and gate == 0:
        return reject(book, NO_COUNTERPARTY, at.OF_MARKET, market)
    if gate != 0:
        until = clock[at.BLOCK_NOW] + gate
        book.pools[pool, at.GATED_UNTIL] = until
        write(book, at.INSOLVENCY_SEEN, 0, 0, pool, wide(until), wide(0))
    clock[at.BLOCK_DELEVERAGINGS] += 1
    write(book, at.DELEVERAGED, row, hit, market, closed_b, loss_q)
    sweep(book, row)
    return at.ACCEPTED


@jit
def _weight_of(book: Book, row: int, pool: int) -> Wide:
    """A trader's share in the debt of a pool: equity, or worth of open lots in its markets; none without either."""
    rows, legs, worth, is_in = book.rows, book.legs, wide(0), False
    if rows[row, at.FLAGS] & at.SYSTEM:
        return worth
    for leg in range(rows[row, at.LEG_FIRST], rows[row, at.LEG_FIRST] + rows[row, at.LEG_COUNT]):
        market = legs[leg, at.LEG_MARKET]
        if book.markets[market, at.POOL] == pool:
            is_in = True
            if book.terms[at.BY_OPEN_INTEREST]:
                size_b = get(legs, leg, at.SIZE_B)
                worth += abs_(worth_q(book, market, size_b, risk_price(book, market)))
    if is_in and not book.terms[at.BY_OPEN_INTEREST]:
        return max(equity_of(book, row), 0)
    return worth


@jit
def _list_weights(book: Book, pool: int) -> int:
    """List who bears a pool's debt, in the order of their ids, with their weights; how many they are."""
    count = 0
    for n in range(book.clock[at.ROWS]):
        weight = _weight_of(book, book.order[n], pool)
        if weight > 0:
            book.list[count, at.ITEM] = book.order[n]
            put(book.list, count, at.WEIGHT, weight)
            count += 1
    return count


@far(INT, VIEW)
def socialize(book: Book, command: Words) -> int:
    """The pool's bad debt is paid by those with positions in its markets, in proportion to what the policy says."""
    pool = command[at.ABOUT]
    if pool < 0:
        return reject(book, POOL_UNKNOWN, at.OF_COMMAND, 0)
    if not book.terms[at.HAS_SOCIALIZE]:
        return reject(book, NOT_OFFERED, at.NO_SOCIALIZE, 0)
    if book.clock[at.FROZEN_ROWS]:
        return at.REFERENCE
    if not has_list_room(book, book.clock[at.ROWS]):
        return at.ROOM
    count, debt = _list_weights(book, pool), -1 - book.pools[pool, at.DEBT]
    if count == 0:
        return reject(book, NO_COUNTERPARTY, at.OF_POOL, pool)
    debt_q = -balance(book, debt, 0)
    if not book.terms[at.BY_OPEN_INTEREST]:
        debt_q = min(debt_q, total_of(book, count))
    if debt_q <= 0:
        return reject(book, NOTHING_OWED, at.OF_POOL, pool)
    if not has_room(book, count + 1):
        return at.ROOM
    split(book, debt_q, count)
    for n in range(count):
        move(book, book.list[n, at.ITEM], debt, get(book.list, n, at.SHARE), at.SOCIALIZED_LOSS, 0)
    write(book, at.LOSS_SOCIALIZED, 0, 0, pool, debt_q, wide(0))
    return at.ACCEPTED
