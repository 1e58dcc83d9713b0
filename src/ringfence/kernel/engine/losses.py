"""Deleveraging: `clearing.adl` and the closing half of `clearing.waterfall`, compiled."""
# mypy: disable-error-code="untyped-decorator, no-untyped-call, no-any-return"

from numba.core import types

from ..jit import jit
from ..wide import WIDE, Wide, abs_, wide
from . import layout as at
from .far import INT, RISK, far
from .fills import fill, has_leg_room, has_room, settle_all, sweep
from .memory import Book, get, put
from .queues import claims_end, has_queue, is_current, pop, put_back
from .risk import Stake, bankruptcy_at, equity_of, risk_price, stake_of, worth_q
from .shares import has_list_room, sort_list, split, total_of
from .tape import change_position, leg_of, move

FEW = 64
"""More records than a winner puts on the tape, those of its positions and of assets that it hands on apart."""


@jit
def queue_against(book: Book, leg: int) -> int:
    """The queue of the side that a position can be closed against."""
    is_long = get(book.legs, leg, at.SIZE_B) > 0
    return 2 * book.legs[leg, at.LEG_MARKET] + (1 if is_long else 0)


@jit
def shortfall_of(book: Book, row: int, leg: int, stake: Stake) -> Wide:
    """What closing a position at the present price would leave unpaid: its share of the negative equity."""
    return max(bankruptcy_at(book, row, leg, get(book.legs, leg, at.SIZE_B), stake) - stake[2], 0)


@jit
def _transfer_q(book: Book, row: int, leg: int, lots_b: Wide, stake: Stake) -> Wide:
    """Quote that the loser receives for signed lots at the transfer price."""
    market, rule = book.legs[leg, at.LEG_MARKET], book.terms[at.ADL_PRICE]
    if rule == at.AT_BANKRUPTCY:
        return bankruptcy_at(book, row, leg, lots_b, stake)
    return worth_q(
        book, market, lots_b, get(book.markets, market, at.MARK if rule == at.AT_MARK else at.PREVIOUS)
    )


@jit
def _overlaps(book: Book, winner: int, leg: int, lots_b: Wide, paid_q: Wide) -> bool:
    """May a winner close against signed lots of the loser, paying `paid_q`, within its own bankruptcy price?"""
    return -paid_q >= bankruptcy_at(book, winner, leg, -lots_b, stake_of(book, winner, leg))


@far(INT, INT, INT)
def has_counterparty(book: Book, row: int, leg: int) -> int:
    """Could deleveraging close anything against this position? 1 or 0; `ROOM` where an array has to grow."""
    queue, market = queue_against(book, leg), book.legs[leg, at.LEG_MARKET]
    if not has_queue(book, queue):
        return at.ROOM
    held_b, stake = get(book.legs, leg, at.SIZE_B), stake_of(book, row, leg)
    for n in range(book.queues[queue, at.QUEUE_NEXT], claims_end(book, queue)):
        if not is_current(book, n):
            continue
        if book.terms[at.ADL_POLICY] == at.PRO_RATA:
            return 1
        winner = book.heap[n, at.CLAIM_ROW]
        other = leg_of(book, winner, market)
        closed_b = min(abs_(get(book.legs, other, at.SIZE_B)), abs_(held_b))
        lots_b = closed_b if held_b > 0 else -closed_b
        if _overlaps(book, winner, other, lots_b, _transfer_q(book, row, leg, lots_b, stake)):
            return 1
    return 0


@far(types.UniTuple(WIDE, 2), INT, INT, INT, WIDE, RISK)
def _close_one(
    book: Book, row: int, leg: int, winner: int, remaining_b: Wide, stake: Stake
) -> tuple[Wide, Wide]:
    """Close a loser against one winner: lots, and what the winner gave up; no lots where it is passed over."""
    market, held_b = book.legs[leg, at.LEG_MARKET], get(book.legs, leg, at.SIZE_B)
    other = leg_of(book, winner, market)
    closed_b = min(remaining_b, abs_(get(book.legs, other, at.SIZE_B)))
    lots_b = closed_b if held_b > 0 else -closed_b
    got_q = _transfer_q(book, row, leg, lots_b, stake)
    if not _overlaps(book, winner, other, lots_b, got_q):
        return wide(0), wide(0)
    unpaid_q = wide(0)
    if book.terms[at.ADL_PRICE] != at.AT_BANKRUPTCY:
        unpaid_q = max(bankruptcy_at(book, row, leg, lots_b, stake) - got_q, 0)
    here_q = stake[2] if lots_b == held_b else worth_q(book, market, lots_b, risk_price(book, market))
    settle_all(book, winner)
    fill(book, market, row, winner, -lots_b, got_q, at.DELEVERAGING)
    debt = -1 - book.pools[book.markets[market, at.POOL], at.DEBT]
    move(book, debt, row, unpaid_q, at.BAD_DEBT, 0)
    sweep(book, winner)
    return closed_b, got_q - here_q


@jit
def _list_claims(book: Book, queue: int) -> int:
    """List a queue's claims in the order of their owners' ids; how many they are, or `ROOM`."""
    first, end, listed, count = book.queues[queue, at.QUEUE_NEXT], claims_end(book, queue), book.list, 0
    if not has_list_room(book, end - first):
        return at.ROOM
    for claim in range(first, end):
        if is_current(book, claim):
            listed[count, at.KEY], listed[count, at.ITEM] = book.heap[claim, at.CLAIM_RANK], claim
            count += 1
    sort_list(book, count)
    return count


@jit
def _next_claim(book: Book, queue: int, turns: int, draw: int, place: int) -> int:
    """The claim whose turn it is, or -1: the first of the queue, or of a list of `turns` from a drawn start, around."""
    if draw == 0:
        return pop(book, queue)
    return book.list[(place + draw) % turns, at.ITEM] if place < turns else -1


@far(types.Tuple((INT, WIDE, WIDE, INT)), INT, INT, INT)
def close_against(book: Book, row: int, leg: int, draw: int) -> tuple[int, Wide, Wide, int]:
    """Fill a loser against winners in turn: status, lots closed, what winners gave up, and how many they were."""
    queue, loss_q, hit, seen = queue_against(book, leg), wide(0), 0, 0
    held_b, most, turns = abs_(get(book.legs, leg, at.SIZE_B)), 0, 0
    remaining_b = held_b
    if not has_queue(book, queue):
        return at.ROOM, wide(0), wide(0), 0
    begun, late = book.queues[queue, at.QUEUE_NEXT], book.queues[queue, at.QUEUE_LATE]
    if book.terms[at.ADL_POLICY] == at.CYCLIC:
        most = book.terms[at.SCAN_MAX]
    else:
        draw = 0
    if draw != 0:
        turns = _list_claims(book, queue)
        if turns < 0:
            return at.ROOM, wide(0), wide(0), 0
    stake = stake_of(book, row, leg)
    while remaining_b > 0 and (most == 0 or seen < most):
        claim = _next_claim(book, queue, turns, draw, seen)
        if claim < 0:
            break
        winner = book.heap[claim, at.CLAIM_ROW]
        if not has_room(book, 2 * (book.rows[winner, at.LEG_COUNT] + len(book.assets)) + FEW):
            book.clock[at.DISORDER] = 1
            return at.ROOM, wide(0), wide(0), 0
        closed_b, given_q = _close_one(book, row, leg, winner, remaining_b, stake)
        if closed_b > 0:
            book.heap[claim, at.CLAIM_VERSION] = -1
            remaining_b, loss_q, hit = remaining_b - closed_b, loss_q + given_q, hit + 1
            if remaining_b > 0:
                stake = stake_of(book, row, leg)
        seen += 1
    put_back(book, queue, begun, late)
    return at.ACCEPTED, held_b - remaining_b, loss_q, hit


@jit
def _weigh_by_caps(book: Book, market: int, count: int) -> int:
    """Weigh listed claims by what can be taken without touching principal; records that taking it needs."""
    records = len(book.assets) + FEW
    for n in range(count):
        winner = book.heap[book.list[n, at.ITEM], at.CLAIM_ROW]
        leg = leg_of(book, winner, market)
        worth = worth_q(book, market, get(book.legs, leg, at.SIZE_B), risk_price(book, market))
        cap_q = max(min(worth - get(book.legs, leg, at.COST_Q), equity_of(book, winner)), 0)
        put(book.list, n, at.WEIGHT, cap_q)
        records += 2 * book.rows[winner, at.LEG_COUNT] + 2
    return records


@jit
def _take_shares(book: Book, row: int, market: int, count: int) -> tuple[Wide, int]:
    """Every listed winner pays its share to a loser: the sum, and how many they were."""
    raised_q, hit = wide(0), 0
    for n in range(count):
        share_q = get(book.list, n, at.SHARE)
        if share_q == 0:
            continue
        winner = book.heap[book.list[n, at.ITEM], at.CLAIM_ROW]
        settle_all(book, winner)
        move(book, winner, row, share_q, at.PROFIT_HAIRCUT, 0)
        change_position(book, winner, market, wide(0), share_q)
        raised_q, hit = raised_q + share_q, hit + 1
    return raised_q, hit


@far(types.Tuple((INT, WIDE, WIDE, INT)), INT, INT, INT)
def take_profits(book: Book, row: int, leg: int, counterparty: int) -> tuple[int, Wide, Wide, int]:
    """Winners' profits pay a loser's shortfall and the market takes its position at the present price."""
    market, queue = book.legs[leg, at.LEG_MARKET], queue_against(book, leg)
    if not (has_queue(book, queue) and has_leg_room(book, counterparty, 1)):
        return at.ROOM, wide(0), wide(0), 0
    need_q, count = shortfall_of(book, row, leg, stake_of(book, row, leg)), _list_claims(book, queue)
    if count < 0 or not has_room(book, _weigh_by_caps(book, market, count)):
        return at.ROOM, wide(0), wide(0), 0
    if total_of(book, count) == 0:
        return at.ACCEPTED, wide(0), wide(0), 0
    split(book, min(need_q, total_of(book, count)), count)
    raised_q, hit = _take_shares(book, row, market, count)
    if hit == 0:
        return at.ACCEPTED, wide(0), wide(0), 0
    held_b = get(book.legs, leg, at.SIZE_B)
    here_q = worth_q(book, market, held_b, risk_price(book, market))
    fill(book, market, row, counterparty, -held_b, here_q, at.DELEVERAGING)
    debt = -1 - book.pools[book.markets[market, at.POOL], at.DEBT]
    move(book, debt, row, need_q - raised_q, at.BAD_DEBT, 0)
    return at.ACCEPTED, abs_(held_b), raised_q, hit
