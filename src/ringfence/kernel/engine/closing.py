"""Liquidation and backstop as commands: `clearing.liquidation`, compiled."""
# mypy: disable-error-code="untyped-decorator, no-untyped-call, no-any-return"

from ...clearing.verdict import Reason
from .._rules import fee_share_q, is_smaller
from ..jit import jit
from ..wide import WIDE, Wide, abs_, hi64, join, mul_div_down, wide
from . import layout as at
from .cash import APART, HIGH_LIMIT
from .far import INT, RISK, far
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
from .liquidate import charged, check_fill, fee_base_q, size_allowed_b
from .losses import has_counterparty
from .memory import VIEW, Book, Words, get, put
from .risk import (
    Risk,
    bankruptcy_of,
    equity_of,
    is_exposed,
    is_triggered,
    may_act,
    risk_of,
    trigger_of,
    worth_q,
)
from .tape import balance, leg_of, move, size_of, write

AMOUNT_NOT_POSITIVE = int(Reason.AMOUNT_NOT_POSITIVE)
AMOUNT_TOO_LARGE = int(Reason.AMOUNT_TOO_LARGE)
MARKET_UNKNOWN = int(Reason.MARKET_UNKNOWN)
SIZE_NOT_A_MULTIPLE = int(Reason.SIZE_NOT_A_MULTIPLE)
NOT_OFFERED = int(Reason.NOT_OFFERED)
SUBACCOUNT_UNKNOWN = int(Reason.SUBACCOUNT_UNKNOWN)
SUBACCOUNTS_MUST_DIFFER = int(Reason.SUBACCOUNTS_MUST_DIFFER)
SYSTEM_SUBACCOUNT = int(Reason.SYSTEM_SUBACCOUNT)
POSITION_UNKNOWN = int(Reason.POSITION_UNKNOWN)
POOLS_MIXED = int(Reason.POOLS_MIXED)
MARKET_SETTLING = int(Reason.MARKET_SETTLING)
NOT_LIQUIDATABLE = int(Reason.NOT_LIQUIDATABLE)
COOLDOWN = int(Reason.COOLDOWN)
BLOCK_LIMIT = int(Reason.BLOCK_LIMIT)
INSURANCE_TOO_SMALL = int(Reason.INSURANCE_TOO_SMALL)
BACKSTOP_CAPACITY = int(Reason.BACKSTOP_CAPACITY)
FEE_ACCOUNT = -1 - at.FEES


@jit
def victim(book: Book, row: int, taker: int, second: int) -> int:
    """What is wrong with who is closed and who takes it; `second` says which name of the command the taker is."""
    if row < 0 or taker == at.UNKNOWN:
        return reject(book, SUBACCOUNT_UNKNOWN, at.OF_COMMAND if row < 0 else second, 0 if row < 0 else 1)
    if row == taker:
        return reject(book, SUBACCOUNTS_MUST_DIFFER, at.NO_DETAIL, 0)
    if book.rows[row, at.FLAGS] & at.SYSTEM:
        return reject(book, SYSTEM_SUBACCOUNT, at.NAMED, row)
    return 0


@jit
def _fund(book: Book, market: int) -> int:
    return -1 - book.pools[book.markets[market, at.POOL], at.FUND]


@jit
def _debt(book: Book, market: int) -> int:
    return -1 - book.pools[book.markets[market, at.POOL], at.DEBT]


@jit
def _must_carry(book: Book, row: int, market: int, held_b: Wide, before: Risk) -> int:
    """A trader who takes positions over needs the margin for them, as in any trade."""
    if book.rows[row, at.FLAGS] & at.SYSTEM:
        return 0
    after = risk_of(book, row)
    stands = may_act(before, after)
    if stands and book.terms[at.STRICT_REDUCE] and after[0] < after[1]:
        now_b = size_of(book, row, market)
        stands = now_b == 0 or is_smaller(held_b, now_b)
    return 0 if stands else reject(book, BACKSTOP_CAPACITY, at.NAMED, row)


@jit
def _risk_before(book: Book, row: int) -> Risk:
    if book.rows[row, at.FLAGS] & at.SYSTEM:
        return wide(0), wide(0), wide(0), wide(0)
    return risk_of(book, row)


# -- liquidation -------------------------------------------------------------------------------------------------------


@jit
def _asks_well(book: Book, command: Words) -> int:
    """What is wrong with a liquidation before anybody is looked at; 0 for nothing."""
    market, size_b = command[at.ABOUT], join(command[at.X + 1], command[at.X])
    price = join(command[at.Y + 1], command[at.Y])
    if size_b < 0 or price < 0:
        return reject(book, AMOUNT_NOT_POSITIVE, at.OF_COMMAND, 0)
    if hi64(size_b) >= HIGH_LIMIT or hi64(price) >= HIGH_LIMIT:
        return reject(book, AMOUNT_TOO_LARGE, at.NO_DETAIL, 0)
    if market < 0:
        return reject(book, MARKET_UNKNOWN, at.OF_COMMAND, 0)
    step_b = get(book.markets, market, at.STEP_B)
    if mul_div_down(size_b, 1, step_b) * step_b != size_b:
        return reject(book, SIZE_NOT_A_MULTIPLE, at.STEP, market)
    return 0


@jit
def _counterparty_of(book: Book, command: Words) -> int:
    """Row of who takes the other side: the market's own subaccount where nobody is named."""
    named = command[at.SECOND]
    return named if named != at.ABSENT else book.markets[command[at.ABOUT], at.COUNTERPARTY]


@jit
def _may_close(book: Book, command: Words, counterparty: int) -> int:
    """Whether a subaccount and its position may be closed at all, before its health is looked at; 0 for yes."""
    row, market = command[at.FIRST], command[at.ABOUT]
    second = at.OWN_COUNTERPARTY if command[at.SECOND] == at.ABSENT else at.OF_COMMAND
    status = victim(book, row, counterparty, second)
    if status:
        return status
    flags = book.rows[row, at.FLAGS] | (book.rows[counterparty, at.FLAGS] & at.FROZEN)
    taker_flags = book.rows[counterparty, at.FLAGS]
    apart = at.RESTING if book.terms[at.TARGET_INITIAL] else 0
    if flags & (at.FROZEN | apart) or (taker_flags & APART and not taker_flags & at.SYSTEM):
        return at.REFERENCE
    if leg_of(book, row, market) < 0:
        return reject(book, POSITION_UNKNOWN, at.OF_MARKET, market)
    if not keep_to_one_pool(book, counterparty, book.markets[market, at.POOL]):
        return reject(book, POOLS_MIXED, at.NAMED, counterparty)
    if book.markets[market, at.MARKET_FLAGS] & at.SETTLING:
        return reject(book, MARKET_SETTLING, at.OF_MARKET, market)
    return 0


@jit
def _limits(book: Book, row: int) -> int:
    """Cooldown and the block's limit; 0 where neither binds."""
    terms, clock, until_ms = book.terms, book.clock, book.rows[row, at.COOLDOWN_MS]
    if not terms[at.PORTION_ONCE] and clock[at.TIME_MS] < until_ms:
        return refuse(book, COOLDOWN, at.UNTIL_MS, row, wide(until_ms), wide(0))
    most = terms[at.BLOCK_LIQUIDATIONS_MAX]
    if most != 0 and clock[at.BLOCK_LIQUIDATIONS] >= most:
        return reject(book, BLOCK_LIMIT, at.LIQUIDATIONS, row)
    return 0


@jit
def _loss_may_stand(book: Book, row: int, leg: int, loss_q: Wide) -> int:
    """A loss is for the fund; beyond it for a counterparty, for winners, or bad debt where that may be; 0 for yes."""
    terms, market = book.terms, book.legs[leg, at.LEG_MARKET]
    if terms[at.HAS_COUNTERPARTY]:
        return 0
    pool, fund_q = book.markets[market, at.POOL], balance(book, _fund(book, market), 0)
    if terms[at.HAS_INSURANCE] and loss_q <= fund_q:
        return 0
    if terms[at.HAS_DELEVERAGE]:
        if book.clock[at.FROZEN_ROWS] != 0:
            return at.REFERENCE
        found = 1 if book.clock[at.ASSUMED] else has_counterparty(book, row, leg)
        if found < 0:
            return found
        if found:
            return refuse(book, INSURANCE_TOO_SMALL, at.POOL_NEEDS, pool, fund_q, loss_q)
    if not terms[at.HAS_SOCIALIZE] or terms[at.ALL_OR_NOTHING]:
        return refuse(book, INSURANCE_TOO_SMALL, at.POOL_NEEDS, pool, fund_q, loss_q)
    return 0


@jit
def _leave(book: Book, row: int, market: int) -> int:
    """What happens to what is left once the last position is gone: kept, seized, or too little to return."""
    keeper, own = book.terms[at.KEEPER], book.markets[market, at.COUNTERPARTY]
    if book.rows[row, at.LEG_COUNT] > 0:
        return 0
    hands_over = equity_of(book, row) < book.terms[at.REMAINDER_LEAST_Q]
    if not hands_over and keeper == at.KEPT:
        return 0
    account = own if hands_over else FEE_ACCOUNT if keeper == at.TO_FEES else _fund(book, market)
    for n in range(len(book.assets)):
        asset = book.assets[n, at.SORTED]
        amount = balance(book, row, asset)
        if hands_over and amount != 0 and own < 0:
            return reject(book, SUBACCOUNT_UNKNOWN, at.OWN_COUNTERPARTY, 1)
        if amount > 0 or (hands_over and amount != 0):
            move(book, row, account, amount, at.REMAINDER, asset)
    return 0


@jit
def _pay_loss(book: Book, row: int, market: int, loss_q: Wide) -> int:
    """The fund pays what it can of a loss; the rest is forgone by the market's counterparty or is bad debt."""
    paid_q, terms, own = wide(0), book.terms, book.markets[market, at.COUNTERPARTY]
    if terms[at.HAS_INSURANCE]:
        paid_q = min(loss_q, balance(book, _fund(book, market), 0))
    move(book, _fund(book, market), row, paid_q, at.INSURANCE, 0)
    if not terms[at.HAS_COUNTERPARTY]:
        move(book, _debt(book, market), row, loss_q - paid_q, at.BAD_DEBT, 0)
        return 0
    if own < 0:
        return reject(book, SUBACCOUNT_UNKNOWN, at.OWN_COUNTERPARTY, 1)
    move(book, own, row, loss_q - paid_q, at.FORGONE, 0)
    return 0


@jit
def _count_liquidation(book: Book, row: int, worth: Wide, loss_q: Wide, cooldown_ms: int) -> None:
    """Note a liquidation in the counters of the block and of the subaccount."""
    rows, clock = book.rows, book.clock
    liquidated_q, insured_q = get(rows, row, at.BLOCK_LIQUIDATED_Q), get(rows, row, at.BLOCK_INSURED_Q)
    if rows[row, at.BLOCK] != clock[at.BLOCK_NOW]:
        rows[row, at.BLOCK], liquidated_q, insured_q = clock[at.BLOCK_NOW], wide(0), wide(0)
    put(rows, row, at.BLOCK_LIQUIDATED_Q, liquidated_q + worth)
    put(rows, row, at.BLOCK_INSURED_Q, insured_q + loss_q)
    rows[row, at.COOLDOWN_MS] = cooldown_ms
    clock[at.BLOCK_LIQUIDATIONS] += 1


@far(INT, INT, INT, INT, WIDE, WIDE, RISK)
def _close(book: Book, row: int, leg: int, counterparty: int, size_b: Wide, price: Wide, risk: Risk) -> int:
    """Fill signed lots of a position, then charge the fee to the subaccount or the loss to the pool."""
    market, equity, maintenance = book.legs[leg, at.LEG_MARKET], risk[0], risk[2]
    got_q = worth_q(book, market, size_b, price)
    left_q = got_q - bankruptcy_of(book, row, leg, size_b, equity, maintenance)
    whole = abs_(size_b) == abs_(get(book.legs, leg, at.SIZE_B))
    base_q = fee_base_q(book, row, leg, size_b, got_q)
    fee_q, fund_ppm, loss_q = charged(book, row, base_q, left_q, equity, whole)
    status = check_fill(book, row, leg, price, loss_q, equity, maintenance)
    if status == 0 and loss_q != 0:
        status = _loss_may_stand(book, row, leg, loss_q)
    if status != 0:
        return status
    before, held_b = _risk_before(book, counterparty), size_of(book, counterparty, market)
    cooldown_ms = (
        book.rows[row, at.COOLDOWN_MS] if whole else book.clock[at.TIME_MS] + book.terms[at.COOLS_MS]
    )
    fill(book, market, row, counterparty, -size_b, got_q, at.LIQUIDATION)
    share_q = fee_share_q(fee_q, fund_ppm)
    move(book, row, _fund(book, market), share_q, at.LIQUIDATION_FEE, 0)
    move(book, row, FEE_ACCOUNT, fee_q - share_q, at.LIQUIDATION_FEE, 0)
    status = _pay_loss(book, row, market, loss_q)
    if status != 0:
        return status
    write(book, at.LIQUIDATED, row, 0, market, -size_b, price)
    write(book, at.MORE, row, 0, market, abs_(got_q), fee_q)
    write(book, at.MORE, row, 0, market, loss_q, wide(cooldown_ms))
    status = _leave(book, row, market)
    if status != 0:
        return status
    sweep(book, row)
    status = _must_carry(book, counterparty, market, held_b, before)
    if status == 0:
        _count_liquidation(book, row, abs_(got_q), loss_q, cooldown_ms)
    return status


@far(INT, VIEW)
def liquidate(book: Book, command: Words) -> int:
    """Close (part of) a liquidatable subaccount's position at the stated price."""
    status = _asks_well(book, command)
    if status:
        return status
    row, market, counterparty = command[at.FIRST], command[at.ABOUT], _counterparty_of(book, command)
    if book.markets[market, at.MARKET_FLAGS] & at.PACED:
        return at.REFERENCE
    status = _may_close(book, command, counterparty)
    if status:
        return status
    if not has_room(book, records_of(book, row) + records_of(book, counterparty)):
        return at.ROOM
    if not has_leg_room(book, counterparty, 1):
        return at.ROOM
    settle_all(book, row)
    risk, leg = _health(book, row), leg_of(book, row, market)
    if not is_exposed(book, row) or not is_triggered(book, risk[0], risk[2]):
        return refuse(book, NOT_LIQUIDATABLE, at.EQUITY, row, risk[0], risk[2])
    status = _limits(book, row)
    if status:
        return status
    size_b, price = join(command[at.X + 1], command[at.X]), join(command[at.Y + 1], command[at.Y])
    if price == 0:
        price = get(book.markets, market, at.MARK)
    allowed_b = size_allowed_b(book, row, leg, price, risk[0], risk[2], risk[3])
    size_b = allowed_b if size_b == 0 else min(size_b, allowed_b)
    if size_b == 0:
        return reject(book, BLOCK_LIMIT, at.ENOUGH, row)
    signed_b = size_b if get(book.legs, leg, at.SIZE_B) > 0 else -size_b
    return _close(book, row, leg, counterparty, signed_b, price, risk)


@jit
def _health(book: Book, row: int) -> Risk:
    """Risk without initial margin, which liquidation does not ask for."""
    equity, maintenance, notional = trigger_of(book, row)
    return equity, wide(0), maintenance, notional


# -- backstop ----------------------------------------------------------------------------------------------------------


@jit
def _first_by_name(book: Book, row: int) -> int:
    """The position whose market has the first name of all that a subaccount holds."""
    first, found = book.rows[row, at.LEG_FIRST], book.rows[row, at.LEG_FIRST]
    for leg in range(first, first + book.rows[row, at.LEG_COUNT]):
        rank = book.markets[book.legs[leg, at.LEG_MARKET], at.MARKET_RANK]
        if rank < book.markets[book.legs[found, at.LEG_MARKET], at.MARKET_RANK]:
            found = leg
    return found


@jit
def _hand_over_all(book: Book, row: int, taker: int) -> None:
    """Every position at its cost, and every balance."""
    while book.rows[row, at.LEG_COUNT] > 0:
        leg = _first_by_name(book, row)
        market = book.legs[leg, at.LEG_MARKET]
        held_b, held_q = get(book.legs, leg, at.SIZE_B), get(book.legs, leg, at.COST_Q)
        fill(book, market, row, taker, -held_b, held_q, at.BACKSTOP)
    for n in range(len(book.assets)):
        asset = book.assets[n, at.SORTED]
        move(book, row, taker, balance(book, row, asset), at.BACKSTOP, asset)


@jit
def _may_take_over(book: Book, row: int, taker: int) -> int:
    """Whether a subaccount may go to a backstop, before its health is looked at; 0 for yes."""
    if not book.terms[at.BACKSTOP_NUM]:
        return reject(book, NOT_OFFERED, at.NO_BACKSTOP, 0)
    status = victim(book, row, taker, at.OF_COMMAND)
    if status:
        return status
    flags, is_trader = book.rows[taker, at.FLAGS], not book.rows[taker, at.FLAGS] & at.SYSTEM
    if book.rows[row, at.FLAGS] & (at.RESTING | at.FROZEN) or flags & at.FROZEN:
        return at.REFERENCE
    if is_trader and (flags & APART or book.terms[at.STRICT_REDUCE]):
        return at.REFERENCE
    first = book.rows[row, at.LEG_FIRST]
    for leg in range(first, first + book.rows[row, at.LEG_COUNT]):
        if not keep_to_one_pool(book, taker, book.markets[book.legs[leg, at.LEG_MARKET], at.POOL]):
            return reject(book, POOLS_MIXED, at.NAMED, taker)
    return 0


@far(INT, VIEW)
def take_over(book: Book, command: Words) -> int:
    """A backstop takes a subaccount's positions and collateral; nothing is returned."""
    row, taker = command[at.FIRST], command[at.SECOND]
    status = _may_take_over(book, row, taker)
    if status:
        return status
    count = book.rows[row, at.LEG_COUNT]
    if not has_room(book, 5 * count + records_of(book, row) + records_of(book, taker)):
        return at.ROOM
    if not has_leg_room(book, taker, count):
        return at.ROOM
    settle_all(book, row)
    equity, maintenance, _ = trigger_of(book, row)
    if not is_exposed(book, row) or not is_triggered(book, equity, maintenance):
        return refuse(book, NOT_LIQUIDATABLE, at.EQUITY, row, equity, maintenance)
    if equity * book.terms[at.BACKSTOP_DEN] >= maintenance * book.terms[at.BACKSTOP_NUM]:
        return reject(book, NOT_LIQUIDATABLE, at.ABOVE_BACKSTOP, row)
    before = _risk_before(book, taker)
    _hand_over_all(book, row, taker)
    if equity < 0 or equity_of(book, taker) < 0:
        return reject(book, BACKSTOP_CAPACITY, at.NAMED, taker)
    status = _must_carry(book, taker, 0, wide(0), before)
    if status == 0:
        write(book, at.TAKEN_OVER, row, taker, 0, equity, wide(0))
    return status
