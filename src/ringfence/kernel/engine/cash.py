"""Deposits, withdrawals, transfers of margin and insurance deposits: `clearing.decide`, compiled.

Every command is a function of the book and the record of the command; it returns `ACCEPTED`, a reason, `REFERENCE` or
`ROOM`. What it did before it refused stands on the tape and is undone by whoever called.
"""
# mypy: disable-error-code="untyped-decorator, no-untyped-call, no-any-return"

from ...clearing.verdict import Reason
from .._rules import withdrawal_q
from ..jit import jit
from ..wide import WIDE, Wide, join, wide
from . import layout as at
from .far import INT, far
from .fills import has_room, keep_to_one_pool, records_of, refuse, reject, settle_all  # noqa: F401
from .memory import VIEW, Book, Words
from .risk import is_triggered, may_act, risk_of
from .tape import balance, move

AMOUNT_NOT_POSITIVE = int(Reason.AMOUNT_NOT_POSITIVE)
AMOUNT_TOO_LARGE = int(Reason.AMOUNT_TOO_LARGE)
ASSET_UNKNOWN = int(Reason.ASSET_UNKNOWN)
POOL_UNKNOWN = int(Reason.POOL_UNKNOWN)
SUBACCOUNT_UNKNOWN = int(Reason.SUBACCOUNT_UNKNOWN)
SUBACCOUNTS_MUST_DIFFER = int(Reason.SUBACCOUNTS_MUST_DIFFER)
ACCOUNTS_DIFFER = int(Reason.ACCOUNTS_DIFFER)
MARGIN_LOCKED = int(Reason.MARGIN_LOCKED)
BALANCE_TOO_SMALL = int(Reason.BALANCE_TOO_SMALL)
WITHDRAWALS_GATED = int(Reason.WITHDRAWALS_GATED)
INITIAL_MARGIN = int(Reason.INITIAL_MARGIN)
INITIAL_MARGIN_COUNTERPARTY = int(Reason.INITIAL_MARGIN_COUNTERPARTY)
HIGH_LIMIT = at.LIMIT >> 64
"""High word of the first amount that is too large."""
OUTSIDE = -1 - at.OUTSIDE
APART = at.RESTING | at.FROZEN


@jit
def _amount_reason(command: Words) -> int:
    """What is wrong with an amount; 0 for nothing."""
    high, low = command[at.X + 1], command[at.X]
    if high < 0 or (high == 0 and low == 0):
        return AMOUNT_NOT_POSITIVE
    return AMOUNT_TOO_LARGE if high >= HIGH_LIMIT else 0


@jit
def _names_reason(command: Words) -> int:
    """What is wrong with amount, asset and subaccount of a command about one's own collateral."""
    reason = _amount_reason(command)
    if reason == 0 and command[at.ABOUT] < 0:
        reason = ASSET_UNKNOWN
    if reason == 0 and command[at.FIRST] < 0:
        reason = SUBACCOUNT_UNKNOWN
    return reason


@far(INT, VIEW)
def deposit(book: Book, command: Words) -> int:
    """Bring collateral in."""
    reason = _names_reason(command)
    if reason:
        return reject(book, reason, at.OF_COMMAND, 0)
    if not has_room(book, 1):
        return at.ROOM
    amount = join(command[at.X + 1], command[at.X])
    move(book, OUTSIDE, command[at.FIRST], amount, at.DEPOSITED, command[at.ABOUT])
    return at.ACCEPTED


@far(INT, VIEW)
def fund_insurance(book: Book, command: Words) -> int:
    """Bring quote into an insurance fund."""
    reason = _amount_reason(command)
    if reason == 0 and command[at.ABOUT] < 0:
        reason = POOL_UNKNOWN
    if reason:
        return reject(book, reason, at.OF_COMMAND, 0)
    if not has_room(book, 1):
        return at.ROOM
    fund = -1 - book.pools[command[at.ABOUT], at.FUND]
    move(book, OUTSIDE, fund, join(command[at.X + 1], command[at.X]), at.INSURANCE_DEPOSITED, 0)
    return at.ACCEPTED


@jit
def _gates(book: Book, row: int, asset: int, amount: Wide) -> int:
    """What keeps collateral from leaving a subaccount whatever its margin is; 0 for nothing."""
    rows, legs, markets, clock = book.rows, book.legs, book.markets, book.clock
    first = rows[row, at.LEG_FIRST]
    legs_end = first + rows[row, at.LEG_COUNT]
    for leg in range(first, legs_end):
        market = legs[leg, at.LEG_MARKET]
        if markets[market, at.MARKET_FLAGS] & at.LOCKED:
            return reject(book, MARGIN_LOCKED, at.OF_MARKET, market)
    held = balance(book, row, asset)
    if asset != 0 and not book.assets[asset, at.OWED] and held < amount:
        return refuse(book, BALANCE_TOO_SMALL, at.HOLDS, row, held, wide(asset))
    if clock[at.BLOCK_NOW] < clock[at.ALL_GATED_UNTIL]:
        return reject(book, WITHDRAWALS_GATED, at.ALL_POOLS, 0)
    for leg in range(first, legs_end):
        pool = markets[legs[leg, at.LEG_MARKET], at.POOL]
        if clock[at.BLOCK_NOW] < book.pools[pool, at.GATED_UNTIL]:
            return reject(book, WITHDRAWALS_GATED, at.OF_POOL, pool)
    return 0


@far(INT, INT, INT, INT, WIDE, INT)
def _take_out(book: Book, row: int, credit: int, asset: int, amount: Wide, why: int) -> int:
    """Collateral leaves a subaccount, which must keep what the venue asks of a withdrawal."""
    settle_all(book, row)
    reason = _gates(book, row, asset, amount)
    if reason:
        return reason
    move(book, row, credit, amount, why, asset)
    equity_q, initial_q, maintenance_q, worth_q = risk_of(book, row)
    floor_ppm, rounding = book.terms[at.WITHDRAWAL_FLOOR_PPM], book.terms[at.REQUIREMENT_ROUNDING]
    keep_q = initial_q if floor_ppm == 0 else withdrawal_q(initial_q, worth_q, floor_ppm, rounding)
    if equity_q < keep_q or is_triggered(book, equity_q, maintenance_q):
        return refuse(book, INITIAL_MARGIN, at.MUST_KEEP, row, keep_q, equity_q)
    return at.ACCEPTED


@far(INT, VIEW)
def withdraw(book: Book, command: Words) -> int:
    """Take collateral out."""
    reason = _names_reason(command)
    if reason:
        return reject(book, reason, at.OF_COMMAND, 0)
    row = command[at.FIRST]
    if book.rows[row, at.FLAGS] & APART:
        return at.REFERENCE
    if not has_room(book, records_of(book, row)):
        return at.ROOM
    amount = join(command[at.X + 1], command[at.X])
    return _take_out(book, row, OUTSIDE, command[at.ABOUT], amount, at.WITHDRAWN)


@far(INT, VIEW)
def transfer_margin(book: Book, command: Words) -> int:
    """Move collateral between two subaccounts of one account."""
    reason = _names_reason(command)
    source, target, rows = command[at.FIRST], command[at.SECOND], book.rows
    if reason:
        return reject(book, reason, at.OF_COMMAND, 0)
    if target < 0:
        return reject(book, SUBACCOUNT_UNKNOWN, at.OF_COMMAND, 1)
    if source == target:
        return reject(book, SUBACCOUNTS_MUST_DIFFER, at.NO_DETAIL, 0)
    if rows[source, at.ACCOUNT] != rows[target, at.ACCOUNT]:
        return reject(book, ACCOUNTS_DIFFER, at.NO_DETAIL, 0)
    if (rows[source, at.FLAGS] | rows[target, at.FLAGS]) & APART:
        return at.REFERENCE
    if not has_room(book, records_of(book, source)):
        return at.ROOM
    before = risk_of(book, target)
    amount = join(command[at.X + 1], command[at.X])
    reason = _take_out(book, source, target, command[at.ABOUT], amount, at.MARGIN_MOVED)
    if reason:
        return reason
    if not may_act(before, risk_of(book, target)):
        return reject(book, INITIAL_MARGIN_COUNTERPARTY, at.NAMED, target)
    return at.ACCEPTED
