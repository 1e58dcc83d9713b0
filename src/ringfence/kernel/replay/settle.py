"""What happens to a subaccount below its trigger: liquidation, the fund, deleveraging, socialized loss.

The same as `clearing.resolve` proposes and `clearing.decide` judges, for the procedures that `sim.replay` lets in:
positions are closed whole at the mark (or worse by a stated slippage) against the market's own subaccount, a fund pays
as far as it reaches, winners are ranked by profit and leverage and close at the bankruptcy price, and what is left is
spread over the pool in proportion to equity.
"""
# mypy: disable-error-code="untyped-decorator, no-any-return"

from .._rules import fee_share_q, liquidation_fee_q, released_cost_q, slipped_price
from ..jit import jit
from ..wide import Wide, mul_div_down, narrow, wide
from .book import (
    COST,
    DEBT,
    DELEVERAGED,
    DELEVERAGING_LOSS,
    FAILED,
    FEE,
    FEE_PPM,
    FEE_TO_FUND_PPM,
    FEES,
    FILLED,
    FIRST,
    FLOOR,
    FUND,
    HAS_COUNTERPARTY,
    HAS_DELEVERAGE,
    HAS_INSURANCE,
    HAS_SOCIALIZE,
    INDEBTED,
    INSURED,
    LAST,
    LEG,
    LEG_ORDER,
    LONGS,
    LOSS,
    MARK,
    NEAR_ONES,
    NOTIONAL,
    NOW,
    OPEN,
    PASSED_ONES,
    POOL,
    QUOTE,
    RANK,
    SHARES,
    SHORTS,
    SLIPPAGE_PPM,
    SOCIALIZED,
    STEP,
    SUB,
    SYSTEM_QUOTE,
    SYSTEM_SIZE,
    WEIGHTS,
    Book,
    below,
    equity_q,
    leg_maintenance,
    leg_worth,
    maintained_q,
    receive,
    sweep,
    touch,
)
from .path import MARKET, SIZE
from .plan import split
from .rule import DEN, NUM, Ints, worth_q
from .winners import (
    bankruptcy_q,
    close_queues,
    has_counterparty,
    lots_against,
    next_winner,
    open_queue,
    overlaps,
    push,
)


@jit
def settle(book: Book, sub: int) -> None:
    """Settle one subaccount until nothing more is accepted."""
    while _next(book, sub):
        pass


@jit
def _next(book: Book, sub: int) -> bool:
    """Try the steps of the rulebook in order; whether one was accepted."""
    subs = book.subs
    if subs[sub, OPEN] == 0:
        return False
    equity, maintained = equity_q(book, sub), maintained_q(book, sub)
    if not below(book, equity, maintained):
        return False
    count, legs = 0, book.room[LEG_ORDER]
    for leg in range(subs[sub, FIRST], subs[sub, LAST]):
        if book.legs[leg, SIZE] != 0:
            legs[count] = leg
            count += 1
    _in_order(book, legs, count)
    for k in range(count):
        leg = legs[k]
        if _liquidate(book, sub, leg):
            return True
        if equity <= 0 and (_draw_insurance(book, sub, leg) or _deleverage(book, sub, leg)):
            return True
    return False


@jit
def _in_order(book: Book, legs: Ints, count: int) -> None:
    """Sort legs by the maintenance margin that closing them frees, most first, then by the market's name."""
    for k in range(1, count):
        leg, at = legs[k], k
        freed, rank = (
            leg_maintenance(book, leg, book.legs[leg, SIZE]),
            book.grid.table[book.legs[leg, MARKET], RANK],
        )
        while at > 0:
            other = legs[at - 1]
            its = leg_maintenance(book, other, book.legs[other, SIZE])
            if its > freed or (its == freed and book.grid.table[book.legs[other, MARKET], RANK] < rank):
                break
            legs[at] = other
            at -= 1
        legs[at] = leg


# -- liquidation -------------------------------------------------------------------------------------------------------


@jit
def _liquidate(book: Book, sub: int, leg: int) -> bool:
    """Close a position whole; whether that was accepted."""
    market, size, terms = book.legs[leg, MARKET], book.legs[leg, SIZE], book.state
    price = wide(book.grid.table[market, MARK])
    if terms[SLIPPAGE_PPM] > 0:
        price = slipped_price(price, terms[SLIPPAGE_PPM], size > 0)
    got = worth_q(book.grid, market, size, narrow(price))
    left = got - bankruptcy_q(book, leg, size)
    fee, loss = liquidation_fee_q(abs(got), terms[FEE_PPM], left), max(wide(0), -left)
    if loss > 0 and not _loss_may_stand(book, leg, loss):
        return False
    share = fee_share_q(fee, terms[FEE_TO_FUND_PPM])
    _pay_from_market(book, market, got)
    book.grid.table[market, SYSTEM_SIZE] = narrow(wide(book.grid.table[market, SYSTEM_SIZE]) + size)
    pool = book.pools[book.grid.table[market, POOL]]
    pool[FUND] = narrow(share + pool[FUND])
    book.state[FEES] = narrow(fee - share + book.state[FEES])
    _cover(book, market, loss)
    _close(book, sub, leg, size)
    receive(book, sub, leg, got - fee + loss)
    _record(book, leg, got, fee, loss)
    touch(book, sub)
    if book.subs[sub, QUOTE] < 0 and book.subs[sub, OPEN] == 0:
        book.state[FAILED] = 1  # a debt without a requirement: the reference decides
    sweep(book, sub)
    return True


@jit
def _close(book: Book, sub: int, leg: int, lots: int) -> None:
    """Take signed lots off a position."""
    size = book.legs[leg, SIZE]
    released = released_cost_q(book.legs[leg, COST], size, abs(lots))
    book.legs[leg, SIZE] = size - lots
    book.legs[leg, COST] = narrow(book.legs[leg, COST] - released)
    if size == lots:
        book.subs[sub, OPEN] -= 1


@jit
def _pay_from_market(book: Book, market: int, amount: Wide) -> None:
    book.grid.table[market, SYSTEM_QUOTE] = narrow(wide(book.grid.table[market, SYSTEM_QUOTE]) - amount)


@jit
def _cover(book: Book, market: int, loss: Wide) -> None:
    """The fund pays a loss as far as it reaches; the rest falls to the market's own subaccount, or is bad debt."""
    if loss <= 0:
        return
    pool = book.pools[book.grid.table[market, POOL]]
    paid = min(loss, wide(pool[FUND])) if book.state[HAS_INSURANCE] else wide(0)
    pool[FUND], pool[INSURED] = narrow(pool[FUND] - paid), narrow(pool[INSURED] + paid)
    if book.state[HAS_COUNTERPARTY]:
        _pay_from_market(book, market, loss - paid)
    elif loss > paid:
        pool[DEBT], pool[INDEBTED] = narrow(pool[DEBT] + loss - paid), 1


@jit
def _record(book: Book, leg: int, got: Wide, fee: Wide, loss: Wide) -> None:
    fill = book.fills[book.state[FILLED]]
    book.state[FILLED] += 1
    fill[STEP], fill[LEG], fill[NOTIONAL] = book.state[NOW], leg, narrow(abs(got))
    fill[FEE], fill[LOSS] = narrow(fee), narrow(loss)


@jit
def _loss_may_stand(book: Book, leg: int, loss: Wide) -> bool:
    """A loss is for the fund; beyond it for a counterparty that bears it, or for winners, or bad debt where it may."""
    terms, pool = book.state, book.pools[book.grid.table[book.legs[leg, MARKET], POOL]]
    if terms[HAS_COUNTERPARTY] or (terms[HAS_INSURANCE] and loss <= pool[FUND]):
        return True
    if terms[HAS_DELEVERAGE] and has_counterparty(book, leg):
        return False
    return terms[HAS_SOCIALIZE] != 0


# -- the loss waterfall ------------------------------------------------------------------------------------------------


@jit
def _draw_insurance(book: Book, sub: int, leg: int) -> bool:
    """The fund pays what closing a position at the mark would leave unpaid, as far as it reaches."""
    pool = book.pools[book.grid.table[book.legs[leg, MARKET], POOL]]
    if not book.state[HAS_INSURANCE] or pool[FUND] <= 0:
        return False
    need = bankruptcy_q(book, leg, book.legs[leg, SIZE]) - leg_worth(book, leg)
    if need <= 0:
        return False
    paid = min(need, wide(pool[FUND]))
    pool[FUND], pool[INSURED] = narrow(pool[FUND] - paid), narrow(pool[INSURED] + paid)
    receive(book, sub, leg, paid)
    touch(book, sub)
    return True


@jit
def _deleverage(book: Book, sub: int, leg: int) -> bool:
    """Close a position against winners in turn; one whose own bankruptcy price does not overlap is passed over."""
    if not book.state[HAS_DELEVERAGE]:
        return False
    held, market = book.legs[leg, SIZE], book.legs[leg, MARKET]
    side = LONGS if held < 0 else SHORTS
    open_queue(book, market, side)
    remaining, lost, hits, passed = abs(held), wide(0), 0, 0
    while remaining > 0:
        key, winner = next_winner(book, side, market)
        if winner < 0:
            break
        lots = lots_against(book, leg, winner, remaining)
        if not overlaps(book, leg, winner, lots):
            book.room[PASSED_ONES, passed], book.scores[PASSED_ONES, passed] = winner, key
            passed += 1
            continue
        got = bankruptcy_q(book, leg, lots)
        lost += got - worth_q(book.grid, market, lots, book.grid.table[market, MARK])
        _exchange(book, sub, leg, winner, lots, got)
        remaining, hits = remaining - abs(lots), hits + 1
    for k in range(passed):
        push(book, side, market, book.scores[PASSED_ONES, k], book.room[PASSED_ONES, k], 1)
    if hits == 0:
        return False
    touch(book, sub)
    closed, counts = abs(held) - remaining, book.state
    worth = mul_div_down(
        wide(closed) * book.grid.table[market, MARK],
        book.grid.table[market, NUM],
        book.grid.table[market, DEN],
    )
    counts[DELEVERAGED] = narrow(worth + counts[DELEVERAGED])
    counts[DELEVERAGING_LOSS] = narrow(lost + counts[DELEVERAGING_LOSS])
    sweep(book, sub)
    return True


@jit
def _exchange(book: Book, sub: int, leg: int, winner: int, lots: int, got: Wide) -> None:
    """A winner takes signed lots of a loser for what the loser receives."""
    other = book.legs[winner, SUB]
    _close(book, sub, leg, lots)
    receive(book, sub, leg, got)
    _close(book, other, winner, -lots)
    receive(book, other, winner, -got)
    touch(book, other)
    sweep(book, other)


@jit
def settle_pools(book: Book) -> None:
    """Bad debt is paid by the pool's fund, then by those with positions in its markets, in proportion to equity."""
    for at in range(book.pools.shape[0]):
        pool = book.pools[at]
        if pool[DEBT] <= 0:
            continue
        if book.state[HAS_INSURANCE] and pool[FUND] > 0:
            paid = min(pool[DEBT], pool[FUND])
            pool[FUND], pool[INSURED], pool[DEBT] = pool[FUND] - paid, pool[INSURED] + paid, pool[DEBT] - paid
        if book.state[HAS_SOCIALIZE] and pool[DEBT] > 0:
            _socialize(book, at)


@jit
def _socialize(book: Book, at: int) -> None:
    """Spread a pool's bad debt over whoever is solvent, as far as their equity reaches."""
    names, weights, shares = book.room[NEAR_ONES], book.room[WEIGHTS], book.room[SHARES : SHARES + 3]
    count, last = 0, -1
    for leg in range(len(book.legs)):
        sub = book.legs[leg, SUB]
        market = book.legs[leg, MARKET]
        if book.legs[leg, SIZE] == 0 or sub == last or book.grid.table[market, POOL] != at:
            continue
        equity, last = equity_q(book, sub), sub
        if equity > 0:
            names[count], weights[count] = sub, narrow(equity)
            count += 1
    total, pool = wide(0), book.pools[at]
    for k in range(count):
        total += weights[k]
    debt = narrow(min(wide(pool[DEBT]), total))
    if debt <= 0:
        return
    split(debt, weights, count, shares)
    for k in range(count):
        book.subs[names[k], QUOTE] -= shares[0, k]
        if book.subs[names[k], QUOTE] < book.subs[names[k], FLOOR]:
            touch(book, names[k])
    for market in range(len(book.grid.table)):
        close_queues(book, market)
    pool[DEBT] -= debt
    pool[SOCIALIZED] += debt
