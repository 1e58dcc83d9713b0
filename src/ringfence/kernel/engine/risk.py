"""Risk of a subaccount on arrays: `clearing.risk`, compiled. Amounts are 128-bit quote atoms.

`(equity, initial margin, maintenance margin, notional)` stands for `clearing.risk.Risk` everywhere.
"""
# mypy: disable-error-code="untyped-decorator, no-untyped-call, no-any-return"

from numba.core import types

from ...rules.words import CEIL, FLOOR, PPM, WAD
from .._rules import (
    bankruptcy_quote_q,
    capped_profit,
    collateral_value_q,
    fraction_q,
    funding_payment_q,
    notional_q,
    released_cost_q,
    uncounted_profit_q,
    value_q,
)
from ..jit import jit
from ..wide import WIDE, Wide, abs_, fits, mul_div_down, product, wide
from . import layout as at
from .choices import choice_of
from .far import INT, RISK, YES_NO, far, late
from .memory import Book, get
from .requirement import maintenance_of, margins
from .tape import balance, end_trial, is_capped, leg_of, try_position

Risk = tuple[Wide, Wide, Wide, Wide]
Stake = tuple[Wide, Wide, Wide, Wide]
"""What one of a subaccount's positions is to it; see `stake_of`."""


@jit
def risk_price(book: Book, market: int) -> Wide:
    """The price that margin is measured at."""
    return get(book.markets, market, at.PRICE_INDEX if book.terms[at.BY_INDEX] else at.MARK)


@jit
def worth_q(book: Book, market: int, size_b: Wide, price: Wide) -> Wide:
    """Signed worth of lots at a price."""
    num, den = get(book.markets, market, at.SCALE_NUM), get(book.markets, market, at.SCALE_DEN)
    if den == 1:
        return product(product(size_b, price), num)
    # A rule may take price and scale in either order, and the product with the scale is the smaller one.
    return value_q(size_b, num, price, den, book.terms[at.VALUE_ROUNDING])


@jit
def _haircut(book: Book, asset: int, raw_q: Wide) -> Wide:
    """What raw worth of collateral counts for after the haircut of its tier."""
    first = book.assets[asset, at.HAIRCUT_FIRST]
    tier, least_q = first, max(raw_q, 0)
    for n in range(first + 1, first + book.assets[asset, at.HAIRCUT_COUNT]):
        if least_q < get(book.haircuts, n, at.LOWER_Q):
            break
        tier = n
    num, deduction = get(book.haircuts, tier, at.HAIRCUT_NUM), get(book.haircuts, tier, at.DEDUCTION)
    return collateral_value_q(raw_q, num, deduction, book.assets[asset, at.HAIRCUT_DEN])


@jit
def _raw_worth_q(book: Book, asset: int, amount: Wide) -> Wide:
    """Worth of collateral without a haircut."""
    price, num = get(book.assets, asset, at.PRICE), get(book.assets, asset, at.ASSET_NUM)
    return value_q(amount, num, price, get(book.assets, asset, at.ASSET_DEN), FLOOR)


@jit
def asset_worth_q(book: Book, asset: int, amount: Wide) -> Wide:
    """What equity counts collateral for."""
    return _haircut(book, asset, _raw_worth_q(book, asset, amount))


@far(RISK, INT)
def _collateral_risk(book: Book, row: int) -> Risk:
    """`collateral_risk` where a venue takes other assets too."""
    equity, initial, maintenance = balance(book, row, 0), wide(0), wide(0)
    for asset in range(1, len(book.assets)):
        amount = balance(book, row, asset)
        if amount == 0:
            continue
        worth = asset_worth_q(book, asset, amount)
        equity += worth
        if book.assets[asset, at.WEIGHTED]:
            rounding, den = book.terms[at.REQUIREMENT_ROUNDING], book.assets[asset, at.WEIGHTS_DEN]
            first = at.LONG_INITIAL if amount >= 0 else at.SHORT_INITIAL
            initial += fraction_q(abs_(worth), book.assets[asset, first], den, rounding)
            maintenance += fraction_q(abs_(worth), book.assets[asset, first + 1], den, rounding)
    return equity, max(initial, maintenance), maintenance, wide(0)


@jit
def collateral_risk(book: Book, row: int) -> Risk:
    """Quote balance and other collateral: what they are worth, and what weights ask of it."""
    if len(book.assets) == 1:
        return balance(book, row, 0), wide(0), wide(0), wide(0)
    return _collateral_risk(book, row)


@far(WIDE, INT, WIDE)
def _accrued_q(book: Book, leg: int, moved: Wide) -> Wide:
    """Funding of a position since its index moved by so much."""
    return funding_payment_q(get(book.legs, leg, at.SIZE_B), moved, WAD, book.terms[at.FUNDING_ROUNDING])


@jit
def unsettled_q(book: Book, leg: int) -> Wide:
    """Funding that a position would receive if it were settled now."""
    moved = get(book.markets, book.legs[leg, at.LEG_MARKET], at.FUNDING_INDEX) - get(
        book.legs, leg, at.FUNDED
    )
    return wide(0) if moved == 0 else _accrued_q(book, leg, moved)


@jit
def _rounded(quotient: Wide, rest: Wide, rounding: int, below_zero: bool) -> Wide:
    """A quotient of magnitudes with a rest, rounded as a word of the rules does it, with its sign."""
    up = rest != 0 and (rounding == (FLOOR if below_zero else CEIL))
    magnitude = quotient + 1 if up else quotient
    return -magnitude if below_zero else magnitude


@far(types.UniTuple(WIDE, 2), INT, WIDE)
def _long_worth(book: Book, market: int, size_b: Wide) -> tuple[Wide, Wide]:
    """`leg_worth` where the product of lots and price takes more than 128 bits."""
    num, den = get(book.markets, market, at.SCALE_NUM), get(book.markets, market, at.SCALE_DEN)
    price, rounding = risk_price(book, market), book.terms[at.NOTIONAL_ROUNDING]
    return worth_q(book, market, size_b, price), notional_q(size_b, num, price, den, rounding)


@jit
def leg_worth(book: Book, market: int, size_b: Wide) -> tuple[Wide, Wide]:
    """Signed worth and notional of lots at the risk price: `value_q` and `notional_q` with one division for both."""
    markets, terms, price = book.markets, book.terms, risk_price(book, market)
    num, den = get(markets, market, at.SCALE_NUM), get(markets, market, at.SCALE_DEN)
    lots = product(abs_(size_b), num)
    if den != 1 and not (fits(lots) and fits(price)):
        return _long_worth(book, market, size_b)
    raw = product(lots, price)
    if den == 1:
        return (raw if size_b >= 0 else -raw), raw
    quotient = mul_div_down(raw, 1, den)
    rest = raw - quotient * den
    worth = _rounded(quotient, rest, terms[at.VALUE_ROUNDING], size_b < 0)
    return worth, _rounded(quotient, rest, terms[at.NOTIONAL_ROUNDING], False)


@jit
def _reserve_q(book: Book, market: int) -> Wide:
    """What stands for one side: half of the cash and collateral of the market's own subaccount, without its PnL."""
    pool = book.markets[market, at.COUNTERPARTY]
    if pool < 0:
        return wide(0)
    leg, total_q = leg_of(book, pool, market), balance(book, pool, 0)
    if leg >= 0:
        total_q += get(book.legs, leg, at.COST_Q)
    for asset in range(1, len(book.assets)):
        amount = balance(book, pool, asset)
        if amount != 0:
            total_q += _raw_worth_q(book, asset, amount)
    return max(mul_div_down(total_q, 1, 2), 0)


@far(WIDE, INT, YES_NO, WIDE)
def withheld_q(book: Book, market: int, is_long: bool, profit_q: Wide) -> Wide:
    """The part of a profit on one side of a capped market that the liquidity behind it would not pay."""
    side = at.LONGS_B if is_long else at.SHORTS_B
    lots_b, cost_q = get(book.markets, market, side), get(book.markets, market, side + 2)
    owed_q = worth_q(book, market, lots_b, risk_price(book, market)) - cost_q
    most_q = mul_div_down(_reserve_q(book, market), book.markets[market, at.CAP_PPM], PPM)
    return profit_q - capped_profit(profit_q, owed_q, most_q)


@far(WIDE, INT, INT, WIDE)
def _withheld_of(book: Book, row: int, leg: int, worth: Wide) -> Wide:
    """The part of a position's profit that would not be paid."""
    market, profit_q = book.legs[leg, at.LEG_MARKET], worth - get(book.legs, leg, at.COST_Q)
    if profit_q <= 0 or not is_capped(book, row, market):
        return wide(0)
    return withheld_q(book, market, get(book.legs, leg, at.SIZE_B) > 0, profit_q)


@jit
def _counted_q(book: Book, row: int, leg: int, worth: Wide) -> Wide:
    """What equity counts a position for: its worth with unsettled funding, without a profit that would not be paid."""
    found = worth + unsettled_q(book, leg)
    return found - _withheld_of(book, row, leg, worth) if book.terms[at.CAPPED] else found


@jit
def market_risk(book: Book, row: int, leg: int) -> Risk:
    """One position's share of a subaccount's risk, unsettled funding included."""
    market, size_b = book.legs[leg, at.LEG_MARKET], get(book.legs, leg, at.SIZE_B)
    cost_q, cap_q = get(book.legs, leg, at.COST_Q), book.terms[at.PROFIT_CAP_Q]
    worth, notional = leg_worth(book, market, size_b)
    choice = choice_of(book, row, market)
    initial, maintenance = margins(book, market, size_b, notional, cost_q, choice)
    equity = _counted_q(book, row, leg, worth)
    if cap_q >= 0 and not book.terms[at.CAP_OF_ACCOUNT]:
        initial += uncounted_profit_q(equity - cost_q, cap_q)
    return equity, initial, maintenance, notional


@late(at.SET_RULE, types.UniTuple(WIDE, 2), INT, WIDE, WIDE, YES_NO)
def asked(
    book: Book, row: int, legs_initial: Wide, legs_maintenance: Wide, with_initial: bool
) -> tuple[Wide, Wide]:
    """What the rule over sets asks, where the markets' own requirements add up to these; initial margin if wanted."""
    raise NotImplementedError


@jit
def _least(book: Book, row: int) -> int:
    """Under a rule over sets, whoever has a position is asked for an atom at least."""
    first = book.rows[row, at.LEG_FIRST]
    for leg in range(first, first + book.rows[row, at.LEG_COUNT]):
        if get(book.legs, leg, at.SIZE_B) != 0:
            return 1
    return 0


@far(RISK, INT)
def risk_of(book: Book, row: int) -> Risk:
    """Risk of everything a subaccount holds; resting orders are for the reference."""
    equity, held_initial, held, notional = collateral_risk(book, row)
    initial, maintenance = wide(0), wide(0)
    cap_q, legs, profits_q = book.terms[at.PROFIT_CAP_Q], book.legs, wide(0)
    first = book.rows[row, at.LEG_FIRST]
    for leg in range(first, first + book.rows[row, at.LEG_COUNT]):
        own = market_risk(book, row, leg)
        equity += own[0]
        initial += own[1]
        maintenance += own[2]
        notional += own[3]
        if cap_q >= 0 and book.terms[at.CAP_OF_ACCOUNT]:
            size_b = get(legs, leg, at.SIZE_B)
            profits_q += leg_worth(book, legs[leg, at.LEG_MARKET], size_b)[0] - get(legs, leg, at.COST_Q)
    if book.terms[at.SET_RULE]:
        initial, maintenance = asked(book, row, initial, maintenance, True)
    if cap_q >= 0 and book.terms[at.CAP_OF_ACCOUNT]:
        initial += uncounted_profit_q(profits_q, cap_q)
    initial, maintenance = initial + held_initial, maintenance + held
    if book.terms[at.SET_RULE]:
        maintenance = max(maintenance, _least(book, row))
        initial = max(initial, maintenance)
    return equity, initial, maintenance, notional


@far(types.UniTuple(WIDE, 3), INT)
def trigger_of(book: Book, row: int) -> tuple[Wide, Wide, Wide]:
    """Equity, maintenance margin and notional: what a liquidation asks for."""
    equity, _, held, notional = collateral_risk(book, row)
    maintenance = wide(0)
    first, legs = book.rows[row, at.LEG_FIRST], book.legs
    for leg in range(first, first + book.rows[row, at.LEG_COUNT]):
        market, size_b = legs[leg, at.LEG_MARKET], get(legs, leg, at.SIZE_B)
        worth, own_q = leg_worth(book, market, size_b)
        equity += _counted_q(book, row, leg, worth)
        maintenance += maintenance_of(book, market, size_b, own_q, get(legs, leg, at.COST_Q))
        notional += own_q
    if book.terms[at.SET_RULE]:
        _, maintenance = asked(book, row, wide(0), maintenance, False)
        return equity, max(maintenance + held, _least(book, row)), notional
    return equity, maintenance + held, notional


@far(WIDE, INT)
def equity_of(book: Book, row: int) -> Wide:
    """Equity alone."""
    equity, _, _, _ = collateral_risk(book, row)
    first, legs = book.rows[row, at.LEG_FIRST], book.legs
    for leg in range(first, first + book.rows[row, at.LEG_COUNT]):
        worth, _ = leg_worth(book, legs[leg, at.LEG_MARKET], get(legs, leg, at.SIZE_B))
        equity += _counted_q(book, row, leg, worth)
    return equity


@jit
def is_triggered(book: Book, equity_q: Wide, maintenance_q: Wide) -> bool:
    """Below maintenance margin, or at it where the rulebook says so; never without a requirement."""
    if maintenance_q <= 0:
        return False
    return equity_q < maintenance_q or (equity_q == maintenance_q and book.terms[at.AT_EQUALITY] != 0)


@jit
def is_exposed(book: Book, row: int) -> bool:
    """Whether a subaccount has positions or owes something."""
    if book.rows[row, at.LEG_COUNT] > 0:
        return True
    for asset in range(len(book.assets)):  # noqa: SIM110 - compiled
        if balance(book, row, asset) < 0:
            return True
    return False


@jit
def may_act(before: Risk, after: Risk) -> bool:
    """May a change stand: is initial margin covered, or is the subaccount no riskier?"""
    if after[0] >= after[1]:
        return True
    if after[2] > before[2]:
        return False
    if after[2] == 0 or before[2] == 0:
        return after[2] == 0 and before[2] == 0 and after[0] > before[0]
    return after[0] * before[2] >= before[0] * after[2]


@jit
def _try_left(book: Book, leg: int, left_b: Wide) -> None:
    """Let a position be of `left_b` lots until `end_trial`, its cost changed in proportion."""
    held_b, held_q = get(book.legs, leg, at.SIZE_B), get(book.legs, leg, at.COST_Q)
    try_position(book, leg, left_b, mul_div_down(held_q, abs_(left_b), abs_(held_b)))


@far(RISK, INT, INT, WIDE)
def risk_with(book: Book, row: int, leg: int, left_b: Wide) -> Risk:
    """Risk with `left_b` lots of a position left."""
    _try_left(book, leg, left_b)
    found = risk_of(book, row)
    end_trial(book)
    return found


@far(types.UniTuple(WIDE, 2), INT, INT, WIDE)
def _freed_of_set(book: Book, row: int, leg: int, size_b: Wide) -> tuple[Wide, Wide]:
    """`freed_by` under a rule over sets: what the whole set asks before, less what it asks after."""
    market, held_b = book.legs[leg, at.LEG_MARKET], get(book.legs, leg, at.SIZE_B)
    closed_q = leg_worth(book, market, held_b)[0] - leg_worth(book, market, held_b - size_b)[0]
    now_q = trigger_of(book, row)[1]
    _try_left(book, leg, held_b - size_b)
    then_q = trigger_of(book, row)[1]
    end_trial(book)
    return closed_q, max(now_q - then_q, 0)


@far(RISK, INT, INT)
def stake_of(book: Book, row: int, leg: int) -> Stake:
    """Equity and maintenance margin of a subaccount, and worth and maintenance margin of one of its positions."""
    equity, _, held, _ = collateral_risk(book, row)
    maintenance, own_worth, own_q = wide(0), wide(0), wide(0)
    first, legs = book.rows[row, at.LEG_FIRST], book.legs
    for other in range(first, first + book.rows[row, at.LEG_COUNT]):
        market, size_b = legs[other, at.LEG_MARKET], get(legs, other, at.SIZE_B)
        worth, notional = leg_worth(book, market, size_b)
        asked_q = maintenance_of(book, market, size_b, notional, get(legs, other, at.COST_Q))
        equity += _counted_q(book, row, other, worth)
        maintenance += asked_q
        if other == leg:
            own_worth, own_q = worth, asked_q
    if book.terms[at.SET_RULE]:
        _, maintenance = asked(book, row, wide(0), maintenance, False)
        return equity, max(maintenance + held, _least(book, row)), own_worth, own_q
    return equity, maintenance + held, own_worth, own_q


@jit
def _freed(book: Book, row: int, leg: int, size_b: Wide, worth: Wide, asked_q: Wide) -> tuple[Wide, Wide]:
    """`freed_by` of a position with this worth and maintenance margin."""
    if book.terms[at.SET_RULE]:
        return _freed_of_set(book, row, leg, size_b)
    held_b, held_q = get(book.legs, leg, at.SIZE_B), get(book.legs, leg, at.COST_Q)
    market, left_b = book.legs[leg, at.LEG_MARKET], held_b - size_b
    if left_b == 0:
        return worth, max(asked_q, 0)
    left_q = held_q - released_cost_q(held_q, held_b, abs_(size_b))
    rest, notional = leg_worth(book, market, left_b)
    return worth - rest, max(asked_q - maintenance_of(book, market, left_b, notional, left_q), 0)


@far(types.UniTuple(WIDE, 2), INT, INT, WIDE)
def freed_by(book: Book, row: int, leg: int, size_b: Wide) -> tuple[Wide, Wide]:
    """Worth that leaves and maintenance margin that is freed when signed lots of a position are closed."""
    market, held_b = book.legs[leg, at.LEG_MARKET], get(book.legs, leg, at.SIZE_B)
    worth, notional = leg_worth(book, market, held_b)
    asked_q = maintenance_of(book, market, held_b, notional, get(book.legs, leg, at.COST_Q))
    return _freed(book, row, leg, size_b, worth, asked_q)


@far(YES_NO, INT, WIDE, WIDE)
def frees_its_cost(book: Book, leg: int, left_b: Wide, received_q: Wide) -> bool:
    """Whether leaving `left_b` lots of a position, for so much received, frees at least the margin that it costs."""
    market, legs = book.legs[leg, at.LEG_MARKET], book.legs
    held_b, held_q = get(legs, leg, at.SIZE_B), get(legs, leg, at.COST_Q)
    left_q = held_q - released_cost_q(held_q, held_b, abs_(held_b - left_b))
    worth, notional = leg_worth(book, market, held_b)
    rest_worth, rest_notional = leg_worth(book, market, left_b)
    rest_q = maintenance_of(book, market, left_b, rest_notional, left_q)
    freed_q = maintenance_of(book, market, held_b, notional, held_q) - rest_q
    return worth - rest_worth - received_q <= freed_q


@jit
def _bankruptcy_q(closed_q: Wide, equity_q: Wide, freed_q: Wide, maintenance_q: Wide) -> Wide:
    """`bankruptcy_quote_q`; all of the margin is the share of all of the equity, which takes no division."""
    if freed_q == maintenance_q and maintenance_q != 0:
        return closed_q - equity_q
    return bankruptcy_quote_q(closed_q, equity_q, freed_q, maintenance_q)


@jit
def bankruptcy_of(book: Book, row: int, leg: int, size_b: Wide, equity_q: Wide, maintenance_q: Wide) -> Wide:
    """Quote that closing signed lots must bring to use up their share of the subaccount's equity."""
    closed_q, freed_q = freed_by(book, row, leg, size_b)
    return _bankruptcy_q(closed_q, equity_q, freed_q, maintenance_q)


@far(WIDE, INT, INT, WIDE, RISK)
def bankruptcy_at(book: Book, row: int, leg: int, size_b: Wide, stake: Stake) -> Wide:
    """`bankruptcy_of` for the stake of the position's owner in it."""
    closed_q, freed_q = _freed(book, row, leg, size_b, stake[2], stake[3])
    return _bankruptcy_q(closed_q, stake[0], freed_q, stake[1])
