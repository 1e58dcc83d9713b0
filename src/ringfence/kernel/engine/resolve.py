"""What is due after prices moved: `clearing.resolve`, compiled. It proposes commands and lets each be decided as any.

A subaccount that the reference has to look at (collateral for sale, resting orders, final settlement) stops the loop.
"""
# mypy: disable-error-code="untyped-decorator, no-untyped-call, no-any-return"

from numba.core import types

from ...clearing.verdict import Reason
from .._rules import slipped_price
from ..jit import jit
from ..wide import WIDE, Wide, hi64, lo64, wide
from . import layout as at
from .far import INT, far
from .memory import Book, Words, as_book, get
from .risk import collateral_risk, freed_by, is_triggered, trigger_of
from .run import submit
from .tape import balance

COOLDOWN = int(Reason.COOLDOWN)
ON, MOVED, OVER = 0, 1, 2
"""What came of a proposal: go on to the next one, look at the subaccount anew, or leave it."""


@jit
def _moved(book: Book) -> bool:
    """Whether the command at hand did more than close withdrawals."""
    for n in range(book.clock[at.BEGUN], book.clock[at.EVENTS]):
        kind = book.tape[n, at.EVENT] & 255
        if kind not in (at.INSOLVENCY_SEEN, at.DELEVERAGED):
            return True
    return False


@jit
def _note(book: Book) -> None:
    """Write the command at hand down as a step that was done."""
    n = book.clock[at.STEPS]
    for k in range(at.COMMAND_WORDS):
        book.steps[n, k] = book.command[k]
    book.steps[n, at.STEP_BEGIN], book.steps[n, at.STEP_END] = book.clock[at.BEGUN], book.clock[at.EVENTS]
    book.clock[at.STEPS] = n + 1


@far(INT, INT, INT, INT, INT, WIDE)
def _propose(book: Book, kind: int, first: int, second: int, about: int, price: Wide) -> int:
    """Submit a command; `ON`, `MOVED` or `OVER`, or (negative) why it was not decided."""
    command = book.command
    if book.clock[at.TRIED] < book.clock[at.ANSWERED]:
        book.clock[at.TRIED] += 1
        return ON
    if book.clock[at.STEPS] == len(book.steps):
        book.clock[at.LACKING], book.clock[at.WANTED] = at.STEPS_LACK, 1
        return at.ROOM
    command[at.EVENT], command[at.FIRST], command[at.SECOND], command[at.ABOUT] = kind, first, second, about
    command[at.X] = command[at.X + 1] = 0
    command[at.Y], command[at.Y + 1] = lo64(price), hi64(price)
    if kind == at.DELEVERAGE:
        command[at.X] = book.clock[at.DRAWN]
    status = submit(book)
    book.clock[at.TRIED] += 1
    if status < 0:
        book.clock[at.TRIED] -= 1
        return status
    if status == at.ACCEPTED and _moved(book):
        _note(book)
        return MOVED
    return OVER if status == COOLDOWN else ON


@far(types.Tuple((INT, WIDE)), INT, WIDE, INT)
def _next_market(book: Book, row: int, last_q: Wide, last_rank: int) -> tuple[int, Wide]:
    """The position that comes after one in the order of liquidation, and what it frees: most margin, then by name."""
    rows, legs, found, found_q, found_rank = book.rows, book.legs, -1, wide(-1), 0
    first = rows[row, at.LEG_FIRST]
    if rows[row, at.LEG_COUNT] == 1:
        return first if last_rank < 0 else -1, found_q
    for leg in range(first, first + rows[row, at.LEG_COUNT]):
        rank = book.markets[legs[leg, at.LEG_MARKET], at.MARKET_RANK]
        freed_q = freed_by(book, row, leg, get(legs, leg, at.SIZE_B))[1]
        if last_rank >= 0 and (freed_q > last_q or (freed_q == last_q and rank <= last_rank)):
            continue
        if found < 0 or freed_q > found_q or (freed_q == found_q and rank < found_rank):
            found, found_q, found_rank = leg, freed_q, rank
    return found, found_q


@jit
def _fund_q(book: Book, market: int) -> Wide:
    """What the insurance fund of a market's pool holds."""
    return balance(book, -1 - book.pools[book.markets[market, at.POOL], at.FUND], 0)


@jit
def _draw(book: Book, row: int, market: int) -> int:
    """Let the fund pay for a position; an empty one is asked in vain, so it is not."""
    if _fund_q(book, market) > 0:
        return _propose(book, at.DRAW_INSURANCE, row, market, book.markets[market, at.POOL], wide(0))
    book.clock[at.TRIED] += 1
    return ON


@jit
def _leaves_a_loss(book: Book, row: int, market: int, equity_q: Wide) -> bool:
    """Whether it needs no fill to know that a liquidation leaves a loss, and that no cooldown forbids to go on.

    Who has one position and quote alone loses all of the equity when the whole of it is closed at the price of risk.
    """
    rows, terms, clock = book.rows, book.terms, book.clock
    alone = rows[row, at.LEG_COUNT] == 1 and len(book.assets) == 1
    whole = terms[at.SIZE] == at.FULL and terms[at.BLOCK_SUBACCOUNT_Q] == 0
    here = not terms[at.BY_INDEX] and clock[at.SLIPPAGE] == 0
    paced = book.markets[market, at.MARKET_FLAGS] & at.PACED
    plain = not paced and not terms[at.HAS_COUNTERPARTY]
    return (
        alone and whole and here and plain and equity_q < 0 and rows[row, at.COOLDOWN_MS] <= clock[at.TIME_MS]
    )


@jit
def _deleverage_at_once(book: Book, row: int, market: int, equity_q: Wide, price: Wide) -> int:
    """Where a fund is empty, go on to winners without asking first whether there are any.

    A liquidation whose loss nobody bears is refused if somebody can be deleveraged, which is what deleveraging finds
    out too. Where it finds nobody, nothing was done, and the reference's order of proposals is followed to the letter.
    """
    tried = book.clock[at.TRIED]
    if not _leaves_a_loss(book, row, market, equity_q):
        book.clock[at.ASSUMED] = 1
        came = _propose(book, at.LIQUIDATE, row, at.ABSENT, market, price)
        book.clock[at.ASSUMED] = 0
        if came != ON:
            return came
    book.clock[at.TRIED] = tried
    came = _propose(book, at.DELEVERAGE, row, 0, market, wide(0))
    book.clock[at.TRIED] = tried
    return came


@jit
def _close_market(book: Book, row: int, leg: int, equity_q: Wide) -> int:
    """Liquidate a position; where nothing is left, insurance, winners, and once more."""
    market, price = book.legs[leg, at.LEG_MARKET], wide(0)
    if book.clock[at.SLIPPAGE] != 0:
        sells = get(book.legs, leg, at.SIZE_B) > 0
        price = slipped_price(get(book.markets, market, at.MARK), book.clock[at.SLIPPAGE], sells)
    at_once = book.terms[at.HAS_DELEVERAGE] and book.terms[at.GATE_BLOCKS] == 0
    if at_once and equity_q <= 0 and _fund_q(book, market) <= 0:
        came = _deleverage_at_once(book, row, market, equity_q, price)
        if came != ON:
            return came
    came = _propose(book, at.LIQUIDATE, row, at.ABSENT, market, price)
    if came != ON or equity_q > 0:
        return came
    if not book.terms[at.ALL_OR_NOTHING]:
        came = _draw(book, row, market)
    if came == ON:
        came = _propose(book, at.DELEVERAGE, row, 0, market, wide(0))
    return _propose(book, at.LIQUIDATE, row, at.ABSENT, market, price) if came == ON else came


@jit
def _pledges(book: Book, row: int) -> bool:
    """Whether a subaccount holds collateral other than quote that could be sold."""
    for asset in range(1, len(book.assets)):  # noqa: SIM110 - compiled
        if balance(book, row, asset) > 0:
            return True
    return False


@jit
def _for_reference(book: Book, row: int, pledges: bool) -> bool:
    """Whether what is due of a subaccount whatever its margin is left to the reference."""
    rows, legs = book.rows, book.legs
    if rows[row, at.FLAGS] & at.FROZEN or (pledges and book.terms[at.OVERDRAFT_Q] >= 0):
        return True
    first = rows[row, at.LEG_FIRST]
    for leg in range(first, first + rows[row, at.LEG_COUNT]):
        if book.markets[legs[leg, at.LEG_MARKET], at.MARKET_FLAGS] & at.SETTLING:
            return True
    return pledges and rows[row, at.LEG_COUNT] == 0 and balance(book, row, 0) < 0


@far(INT, INT)
def _step(book: Book, row: int) -> int:
    """Propose what is due of a subaccount until something moves; `ON` where nothing is left to do."""
    terms, pledges = book.terms, _pledges(book, row)
    # What was done for others stays, should a number leave its domain before anything is proposed.
    book.clock[at.TRIED], book.clock[at.BEGUN] = 0, book.clock[at.EVENTS]
    if book.rows[row, at.FLAGS] & at.SYSTEM:
        return ON
    if _for_reference(book, row, pledges):
        return at.REFERENCE
    if book.rows[row, at.LEG_COUNT] == 0:
        return ON
    equity, maintenance, _ = trigger_of(book, row)
    if not is_triggered(book, equity, maintenance):
        return ON
    if book.rows[row, at.FLAGS] & at.RESTING:
        return at.REFERENCE
    if pledges and collateral_risk(book, row)[0] - balance(book, row, 0) > equity:
        return at.REFERENCE
    num = terms[at.BACKSTOP_NUM]
    if num != 0 and equity * terms[at.BACKSTOP_DEN] < maintenance * num:
        came = _propose(book, at.TAKE_OVER, row, book.clock[at.BACKSTOP_ROW], 0, wide(0))
        if came != ON:
            return came
    leg, freed_q = _next_market(book, row, wide(0), -1)
    while leg >= 0:
        came = _close_market(book, row, leg, equity)
        if came != ON:
            return came
        rank = book.markets[book.legs[leg, at.LEG_MARKET], at.MARKET_RANK]
        leg, freed_q = _next_market(book, row, freed_q, rank)
    return ON


@jit
def resolve(directory: Words, rows: Words, start: int, answered: int) -> int:
    """Settle rows from `start` on that are due; returns where it stopped: at the end, or at a row it cannot settle.

    `clock[AT]` says which row is at hand, `clock[STATUS]` why it stopped, `clock[TRIED]` how many proposals to a row
    were answered before. Where it stopped for want of room it begins again at that row, with so many proposals
    `answered`: one that was accepted and changed nothing but a gate or a count would be counted twice.
    """
    book = as_book(directory)
    book.clock[at.ANSWERED] = answered
    for n in range(start, rows.shape[0]):
        book.clock[at.AT] = n
        came = MOVED
        while came == MOVED:
            came = _step(book, rows[n])
            if came >= 0:
                book.clock[at.ANSWERED] = 0
        if came < 0:
            book.clock[at.STATUS] = came
            return n
    return rows.shape[0]
