"""The state of a replay as arrays, and what every step of it is made of: risk, touches, sweeps, the schedule.

Amounts are held in 64 bits and computed in 128; what does not fit raises `OverflowError`. Subaccounts stand in the
order of their names, so that a row is also a rank. Nothing here knows a margin mode.
"""
# mypy: disable-error-code="untyped-decorator, no-any-return"

from typing import NamedTuple

import numpy as np

from ...rules.words import PPM
from ..jit import jit
from ..wide import Wide, narrow, to_float, wide
from .path import MARKET, SIZE, Path, first_step, slack
from .rule import GRID_WORDS, Floats, Grid, Ints, initial_q, maintenance_q, notional_q, order, worth_q

(
    ACCOUNT,
    PARENT,
    FIRST,
    LAST,
    QUOTE,
    OPEN,
    POSTED,
    ANSWERS,
    DRAWN,
    DUE,
    NEXT,
    BEFORE,
    LISTED,
    FLOOR,
    VERSION,
    NEWER,
    OLDER,
    SUB_WORDS,
) = range(18)
"""Columns of `Book.subs`.

Owner, row of the parent (-1: none), legs from `FIRST` to `LAST`, quote balance, open positions; what top-ups restore,
which margin calls its owner answers (bit by bit) and how many there were; step at which it is due (-1: none), the rows
after and before it at the same step, the pass in which it was last due, and the quote balance down to which that step
and every ranking hold. `VERSION` is the change that last touched it, counted over all subaccounts; `NEWER` and `OLDER`
link whoever was touched, the latest first.
"""
_, _, SUB, COST, FLOW, MEMBER, LEG_WORDS = range(7)
"""Columns of `Book.legs` after market and size.

Row of the owner, signed cost, quote received for the position since entry. `MEMBER` lists all legs market by market.
"""
(
    MARK,
    RANK,
    POOL,
    SYSTEM_QUOTE,
    SYSTEM_SIZE,
    MEMBERS_FROM,
    MEMBERS_TO,
    HINT,
    SHORTS,
    LONGS,
    TABLE_WORDS,
) = (GRID_WORDS + at for at in (*range(9), 16, 24))
"""Columns of the table of markets after those of `rule`.

Present price, place of the name in sorted order, pool; balance and lots of the market's own subaccount; its part of
`MEMBER`, and where the last counterparty was found; the queues of either side, eight columns each: see `winners`.
"""
FUND, DEBT, INSURED, SOCIALIZED, INDEBTED, POOL_WORDS = range(6)
"""Columns of `Book.pools`: fund, bad debt unpaid, paid by the fund, spread over winners, whether it ever had a debt."""
STEP, LEG, NOTIONAL, FEE, LOSS, SOLVENT, FILL_WORDS = range(7)
"""Columns of `Book.fills`, in the order in which they happen."""
(
    AT_EQUALITY,
    SLIPPAGE_PPM,
    FEE_PPM,
    FEE_TO_FUND_PPM,
    HAS_INSURANCE,
    HAS_COUNTERPARTY,
    HAS_DELEVERAGE,
    HAS_SOCIALIZE,
    WITHDRAWAL_FLOOR_PPM,
    LEFT_PPM,
    DRAWS,
    NOW,
    PASS,
    CHANGES,
    CHANGES_BEFORE,
    LATEST,
    FILLED,
    CALLS,
    ACTIONS,
    FEES,
    DELEVERAGED,
    DELEVERAGING_LOSS,
    FAILED,
    STATE_WORDS,
) = range(24)
"""Places in `Book.state`: policy, how traders top up (`DRAWS`: times per position, 0 for never), and running sums.

`CHANGES` counts the changes of subaccounts, `CHANGES_BEFORE` those before this pass; `LATEST` is whom the last touched.
"""
RETRY_STEPS = 16
"""A liquidation that nothing accepted is tried again after so many steps of the path."""
RESERVE = 1e5
"""What a subaccount may pay before it is looked at anew, in units of `slack`: a ten-thousandth of gross notional."""


class Book(NamedTuple):
    """State of one replay; few wide arrays, because compiled functions take each apart."""

    grid: Grid
    """Its table has TABLE_WORDS columns."""
    path: Path
    legs: Ints
    """(L, LEG_WORDS)"""
    subs: Ints
    """(S + 1, SUB_WORDS); the last record is room for the lists alone"""
    pools: Ints
    """(P, POOL_WORDS), in the order of their names"""
    buckets: Ints
    """(T,) first row that is due at a step; -1 for none"""
    fills: Ints
    """(L, FILL_WORDS)"""
    state: Ints
    keys: Floats
    """(room,) queues of winners, see `winners`: bound of the score, or the score itself"""
    queue: Ints
    """(room, QUEUE_WORDS)"""
    room: Ints
    """(ROOMS, at least L and S) lists: see the names below"""
    scores: Floats
    """(SCORES, at least L) keys of the winners in the lists of the same names"""


NEAR_ONES, PASSED_ONES, RANKED_SHORTS, RANKED_LONGS, SCORES = range(5)
DUE_NAMES, DUE_ONES, WEIGHTS, SHARES, _, _, LEG_ORDER, ROOMS = range(4, 12)
"""Rows of `Book.room`.

Winners near the highest score, winners passed over, either side of every market by bounds of the score; whom a step
names, who of them is liquidatable, weights to split by, three rows for `split`, legs in the order of liquidation. Only
the rankings are kept from one step to the next.
"""


@jit
def leg_worth(book: Book, leg: int) -> Wide:
    """Worth of a leg at the present price."""
    market = book.legs[leg, MARKET]
    return worth_q(book.grid, market, book.legs[leg, SIZE], book.grid.table[market, MARK])


@jit
def leg_maintenance(book: Book, leg: int, size: int) -> Wide:
    """Maintenance margin of `size` lots in the market of a leg."""
    market = book.legs[leg, MARKET]
    notional = notional_q(book.grid, market, size, book.grid.table[market, MARK])
    return maintenance_q(book.grid, market, size, notional)


@jit
def equity_q(book: Book, sub: int) -> Wide:
    """Equity of a subaccount."""
    total = wide(book.subs[sub, QUOTE])
    if book.subs[sub, OPEN] == 0:
        return total
    for leg in range(book.subs[sub, FIRST], book.subs[sub, LAST]):
        if book.legs[leg, SIZE] != 0:
            total += leg_worth(book, leg)
    return total


@jit
def maintained_q(book: Book, sub: int) -> Wide:
    """Maintenance margin of a subaccount."""
    total = wide(0)
    for leg in range(book.subs[sub, FIRST], book.subs[sub, LAST]):
        if book.legs[leg, SIZE] != 0:
            total += leg_maintenance(book, leg, book.legs[leg, SIZE])
    return total


@jit
def free_q(book: Book, sub: int) -> Wide:
    """Equity above initial margin."""
    total = equity_q(book, sub)
    for leg in range(book.subs[sub, FIRST], book.subs[sub, LAST]):
        market = book.legs[leg, MARKET]
        total -= initial_q(book.grid, market, book.legs[leg, SIZE], book.grid.table[market, MARK])
    return total


@jit
def gross_q(book: Book, sub: int) -> Wide:
    """Notional of all positions of a subaccount."""
    total = wide(0)
    for leg in range(book.subs[sub, FIRST], book.subs[sub, LAST]):
        market = book.legs[leg, MARKET]
        total += notional_q(book.grid, market, book.legs[leg, SIZE], book.grid.table[market, MARK])
    return total


@jit
def below(book: Book, equity: Wide, maintenance: Wide) -> bool:
    """The trigger: short of maintenance margin, or at it where the rulebook says so; never without a requirement."""
    return maintenance > 0 and equity - maintenance - book.state[AT_EQUALITY] < 0


@jit
def is_liquidatable(book: Book, sub: int) -> bool:
    """Whether the venue may act on a subaccount at the present prices."""
    if book.subs[sub, OPEN] == 0:
        return False
    return below(book, equity_q(book, sub), maintained_q(book, sub))


# -- changes -----------------------------------------------------------------------------------------------------------


@jit
def set_floor(book: Book, sub: int) -> None:
    """Let a subaccount pay a little before it is looked at anew: shares of socialized losses are many and small."""
    subs = book.subs
    near = slack(book.grid, book.path, book.legs, subs[sub, FIRST], subs[sub, LAST])
    subs[sub, FLOOR] = narrow(wide(subs[sub, QUOTE]) - np.int64(RESERVE * near))


@jit
def touch(book: Book, sub: int) -> None:
    """Note that a balance or position of a subaccount changed."""
    subs, state = book.subs, book.state
    set_floor(book, sub)
    state[CHANGES] += 1
    subs[sub, VERSION] = state[CHANGES]
    latest = state[LATEST]
    if sub == latest:
        return
    newer, older = subs[sub, NEWER], subs[sub, OLDER]
    if newer >= 0:
        subs[newer, OLDER] = older
    if older >= 0:
        subs[older, NEWER] = newer
    subs[sub, NEWER], subs[sub, OLDER], state[LATEST] = -1, latest, sub
    if latest >= 0:
        subs[latest, NEWER] = sub


@jit
def receive(book: Book, sub: int, leg: int, amount: Wide) -> None:
    """Pay an amount to a subaccount for one of its positions."""
    book.subs[sub, QUOTE] = narrow(amount + book.subs[sub, QUOTE])
    book.legs[leg, FLOW] = narrow(amount + book.legs[leg, FLOW])


@jit
def sweep(book: Book, sub: int) -> None:
    """A flat subaccount without debt hands what is left to its parent."""
    subs, parent = book.subs, book.subs[sub, PARENT]
    left = subs[sub, QUOTE]
    if parent >= 0 and subs[sub, OPEN] == 0 and left > 0:
        subs[sub, QUOTE] = 0
        subs[parent, QUOTE] = narrow(wide(subs[parent, QUOTE]) + left)
        touch(book, parent)


# -- the schedule ------------------------------------------------------------------------------------------------------


@jit
def _search(book: Book, sub: int, start: int, level: float, margins: bool) -> int:
    first, last = book.subs[sub, FIRST], book.subs[sub, LAST]
    cash = float(book.subs[sub, FLOOR])
    return first_step(book.grid, book.path, book.legs, first, last, cash, level, start, margins)


@jit
def _unlink(book: Book, sub: int) -> None:
    """Take a subaccount off the schedule."""
    subs = book.subs
    due, after, before = subs[sub, DUE], subs[sub, NEXT], subs[sub, BEFORE]
    if due < 0:
        return
    if before >= 0:
        subs[before, NEXT] = after
    else:
        book.buckets[due] = after
    if after >= 0:
        subs[after, BEFORE] = before
    subs[sub, DUE] = -1


@jit
def _link(book: Book, sub: int, step: int) -> None:
    subs, after = book.subs, book.buckets[step]
    subs[sub, DUE], subs[sub, NEXT], subs[sub, BEFORE] = step, after, -1
    if after >= 0:
        subs[after, BEFORE] = sub
    book.buckets[step] = sub


@jit
def schedule(book: Book, sub: int, start: int, stuck: bool) -> None:
    """Find the next step at which a subaccount may have to be looked at.

    For one that was due and could not be helped that is when its equity is gone, or a few steps later.
    """
    subs, end = book.subs, book.buckets.size
    _unlink(book, sub)
    if subs[sub, OPEN] == 0 or start >= end:
        return
    near = slack(book.grid, book.path, book.legs, subs[sub, FIRST], subs[sub, LAST])
    at = _search(book, sub, start, near, True)
    if subs[sub, DRAWN] < book.state[DRAWS]:
        level = to_float(wide(subs[sub, POSTED]) * book.state[LEFT_PPM]) / PPM
        call = _search(book, sub, start, level + near, False)
        at = call if at < 0 else at if call < 0 else min(at, call)
    if stuck and at >= 0:
        gone = _search(book, sub, start, near, False)
        at = max(at, start + RETRY_STEPS if gone < 0 else min(gone, start + RETRY_STEPS))
    if 0 <= at < end:
        _link(book, sub, at)


@jit
def _is_due(book: Book, sub: int, step: int) -> bool:
    """Whether a subaccount is due at a step also with what it did not pay of its reserve; if not, find when it is."""
    if book.subs[sub, FLOOR] < book.subs[sub, QUOTE]:
        book.subs[sub, FLOOR] = book.subs[sub, QUOTE]
        schedule(book, sub, step, False)
        if book.subs[sub, DUE] != step:
            return False
        _unlink(book, sub)
    return True


@jit
def collect(book: Book, step: int) -> int:
    """Empty the bucket of a step into `DUE_NAMES`, in order; how many are due."""
    subs, found, count, sub = book.subs, book.room[DUE_NAMES], 0, book.buckets[step]
    book.buckets[step] = -1
    while sub >= 0:
        after, subs[sub, DUE] = subs[sub, NEXT], -1
        if _is_due(book, sub, step):
            subs[sub, LISTED], book.room[WEIGHTS, count] = book.state[PASS], sub
            count += 1
        sub = after
    order(book.room[WEIGHTS], count, book.room[SHARES])
    for k in range(count):
        found[k] = book.room[WEIGHTS, book.room[SHARES, k]]
    return count
