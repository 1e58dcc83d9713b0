"""Liquidation: `clearing.liquidation`, compiled. How much, at which price, with which fee, and who may take it."""
# mypy: disable-error-code="untyped-decorator, no-untyped-call, no-any-return"

from ...clearing.verdict import Reason
from ...rules.words import CEIL, FLOOR, PPM
from .._rules import (
    accept_price,
    bankruptcy_quote_q,
    close_portion_b,
    fillable_spread_num,
    liquidation_fee_q,
    released_cost_q,
    value_q,
)
from ..jit import jit
from ..wide import WIDE, Wide, abs_, mul_div_down, mul_div_up, wide
from . import layout as at
from .far import INT, far
from .fills import refuse
from .memory import Book, get
from .requirement import margins
from .risk import freed_by, leg_worth, market_risk, risk_of, risk_price, risk_with, worth_q

BLOCK_LIMIT = int(Reason.BLOCK_LIMIT)
PRICE_BEYOND_LIMIT = int(Reason.PRICE_BEYOND_LIMIT)


@jit
def fee_base_q(book: Book, row: int, leg: int, size_b: Wide, got_q: Wide) -> Wide:
    """What the fee on closing signed lots of a position for `got_q` is a share of."""
    of = book.terms[at.FEE_OF]
    if of == at.OF_NOTIONAL:
        return abs_(got_q)
    if of == at.OF_COST:
        held_b, held_q = get(book.legs, leg, at.SIZE_B), get(book.legs, leg, at.COST_Q)
        return abs_(released_cost_q(held_q, held_b, abs_(size_b)))
    return freed_by(book, row, leg, size_b)[1]


@jit
def charged(
    book: Book,
    row: int,
    base_q: Wide,
    left_q: Wide,
    equity_q: Wide,
    whole: bool,
) -> tuple[Wide, Wide, Wide]:
    """Fee on a fill that leaves `left_q` above bankruptcy, the fund's share of it (ppm), and the loss."""
    terms, loss_q = book.terms, max(-left_q, 0)
    if not terms[at.FEE_IN_FULL]:
        return liquidation_fee_q(base_q, terms[at.FEE_PPM], left_q), wide(terms[at.FEE_TO_FUND_PPM]), loss_q
    fee_q = mul_div_down(base_q, terms[at.FEE_PPM], PPM)
    if whole and book.rows[row, at.LEG_COUNT] == 1:
        loss_q = max(fee_q - left_q, 0)
    return fee_q, wide(0) if equity_q < 0 else wide(terms[at.FEE_TO_FUND_PPM]), loss_q


@jit
def _lots_worth(book: Book, market: int, amount_q: Wide) -> Wide:
    """Fewest lots, in whole steps, that are worth an amount."""
    if amount_q == 0:
        return wide(0)
    step_b, den = get(book.markets, market, at.STEP_B), get(book.markets, market, at.SCALE_DEN)
    per_step = get(book.markets, market, at.SCALE_NUM) * risk_price(book, market) * step_b
    return mul_div_up(amount_q, den, per_step) * step_b


@jit
def _portion_b(book: Book, market: int, held_b: Wide, own_q: Wide, total_q: Wide) -> Wide:
    """Lots of the rulebook's portion of a position."""
    terms, share_ppm = book.terms, wide(book.terms[at.PORTION_PPM])
    if terms[at.OF_ACCOUNT]:
        share_ppm = min(mul_div_down(total_q, share_ppm, own_q), PPM)
    size_b = close_portion_b(held_b, share_ppm, get(book.markets, market, at.STEP_B))
    return min(max(size_b, _lots_worth(book, market, wide(terms[at.MINIMUM_Q]))), abs_(held_b))


@jit
def _stands(book: Book, row: int, leg: int, size_b: Wide, price: Wide) -> bool:
    """Whether closing signed lots lifts equity to the liquidation-end margin."""
    market, held_b = book.legs[leg, at.LEG_MARKET], get(book.legs, leg, at.SIZE_B)
    held_q, terms, left_b = get(book.legs, leg, at.COST_Q), book.terms, held_b - size_b
    total, own = risk_of(book, row), market_risk(book, row, leg)
    got_q = worth_q(book, market, size_b, price)
    left_q = held_q - released_cost_q(held_q, held_b, abs_(size_b))
    rest_worth, rest_notional = leg_worth(book, market, left_b)
    own_worth, own_initial, own_maintenance = own[0], own[1], own[2]
    rest_initial, rest_maintenance = margins(book, market, left_b, rest_notional, left_q, at.UNKNOWN)
    if terms[at.SET_RULE]:
        own_worth, own_initial, own_maintenance = leg_worth(book, market, held_b)[0], total[1], total[2]
        _, rest_initial, rest_maintenance, _ = risk_with(book, row, leg, left_b)
    worth = own_worth - rest_worth
    bankrupt_q = bankruptcy_quote_q(worth, total[0], max(own_maintenance - rest_maintenance, 0), total[2])
    base_q = fee_base_q(book, row, leg, size_b, got_q)
    fee_q, _, loss_q = charged(book, row, base_q, got_q - bankrupt_q, total[0], left_b == 0)
    equity = total[0] - worth + got_q - fee_q + loss_q
    asked = total[2] - own_maintenance + rest_maintenance
    if terms[at.TARGET_INITIAL]:
        asked = total[1] - own_initial + rest_initial
    notional = total[3] - own[3] + rest_notional
    return equity * PPM >= asked * terms[at.TARGET_PPM] + notional * terms[at.BUFFER_PPM]


@jit
def _size_to_target(book: Book, row: int, leg: int, price: Wide) -> Wide:
    """Fewest lots whose closing lifts equity to the liquidation-end margin; all of them when none does."""
    held_b = get(book.legs, leg, at.SIZE_B)
    step_b = get(book.markets, book.legs[leg, at.LEG_MARKET], at.STEP_B)
    low, high = wide(0), mul_div_up(abs_(held_b), 1, step_b)
    while high - low > 1:
        middle = mul_div_down(low + high, 1, 2)
        closed_b = min(middle * step_b, abs_(held_b))
        if _stands(book, row, leg, closed_b if held_b > 0 else -closed_b, price):
            high = middle
        else:
            low = middle
    return min(high * step_b, abs_(held_b))


@far(WIDE, INT, INT, WIDE, WIDE, WIDE, WIDE)
def size_allowed_b(
    book: Book, row: int, leg: int, price: Wide, equity_q: Wide, maintenance_q: Wide, total_q: Wide
) -> Wide:
    """Lots (unsigned) that the rulebook lets one liquidation of a position close."""
    rows, terms, clock = book.rows, book.terms, book.clock
    market, held_b = book.legs[leg, at.LEG_MARKET], get(book.legs, leg, at.SIZE_B)
    own_q, size_b = leg_worth(book, market, held_b)[1], abs_(held_b)
    cooling = terms[at.PORTION_ONCE] and clock[at.TIME_MS] < rows[row, at.COOLDOWN_MS]
    floor_ppm = terms[at.PORTION_FLOOR_PPM]
    low = floor_ppm != 0 and equity_q * PPM < maintenance_q * floor_ppm
    if terms[at.SIZE] == at.PORTION and own_q > terms[at.PORTION_ABOVE_Q] and not (cooling or low):
        size_b = _portion_b(book, market, held_b, own_q, total_q)
    elif terms[at.SIZE] == at.TARGET:
        size_b = _size_to_target(book, row, leg, price)
    if terms[at.BLOCK_SUBACCOUNT_Q] != 0:
        used_q = wide(0)
        if rows[row, at.BLOCK] == clock[at.BLOCK_NOW]:
            used_q = get(rows, row, at.BLOCK_LIQUIDATED_Q)
        room_q = max(terms[at.BLOCK_SUBACCOUNT_Q] - used_q, 0)
        if own_q > room_q:
            size_b = min(size_b, mul_div_down(abs_(held_b), room_q, own_q))
    if size_b == abs_(held_b):
        return size_b
    step_b = get(book.markets, market, at.STEP_B)
    return mul_div_down(size_b, 1, step_b) * step_b


@jit
def _worst_price(book: Book, row: int, leg: int, equity_q: Wide, maintenance_q: Wide) -> Wide:
    """Worst price, in quanta, at which a liquidation order may fill: a sale rounds up, a purchase down."""
    market, held_b, terms = book.legs[leg, at.LEG_MARKET], get(book.legs, leg, at.SIZE_B), book.terms
    num_scale, den_scale = get(book.markets, market, at.SCALE_NUM), get(book.markets, market, at.SCALE_DEN)
    own_q = freed_by(book, row, leg, held_b)[1]
    spread = fillable_spread_num(
        equity_q, maintenance_q, terms[at.ADJUSTMENT_PPM], terms[at.SPREAD_PPM], own_q
    )
    den = maintenance_q * PPM * PPM
    worth = value_q(held_b, num_scale, risk_price(book, market), den_scale, 2)
    num = (worth * den - spread) * den_scale
    mark, below = get(book.markets, market, at.MARK), abs_(held_b) * den * num_scale
    return accept_price(mark, num if held_b > 0 else -num, below, CEIL if held_b > 0 else FLOOR)


@far(INT, INT, INT, WIDE, WIDE, WIDE, WIDE)
def check_fill(
    book: Book, row: int, leg: int, price: Wide, loss_q: Wide, equity_q: Wide, maintenance_q: Wide
) -> int:
    """The limits on a fill: insurance drawn for the subaccount in this block, and the fillable price."""
    terms, limit_q = book.terms, book.terms[at.BLOCK_INSURANCE_Q]
    if loss_q != 0 and limit_q != 0:
        used_q = wide(0)
        if book.rows[row, at.BLOCK] == book.clock[at.BLOCK_NOW]:
            used_q = get(book.rows, row, at.BLOCK_INSURED_Q)
        if used_q + loss_q > limit_q:
            return refuse(book, BLOCK_LIMIT, at.INSURANCE_LIMIT, row, wide(0), wide(0))
    if terms[at.FILLABLE]:
        worst, is_long = (
            _worst_price(book, row, leg, equity_q, maintenance_q),
            get(book.legs, leg, at.SIZE_B) > 0,
        )
        if (price < worst) if is_long else (price > worst):
            return refuse(book, PRICE_BEYOND_LIMIT, at.FILLABLE_PRICE, row, worst, wide(0))
    return 0
