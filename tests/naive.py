"""The obvious implementation of the rules: exact fractions, loops, nothing clever. Slow, and easy to believe.

It shares no code with the package: no words, no deductions, no signs folded into one formula. State is read by name
(`venue.markets[...].scale.num`), so anything shaped like the model will do. Every rate is a `Fraction`; an amount is
rounded once, at the place where the rulebook rounds.
"""

from fractions import Fraction
from itertools import chain, combinations, pairwise
from math import ceil, floor, isqrt, trunc
from typing import NamedTuple

ROUNDINGS = (floor, ceil, trunc)
MILLION = 1_000_000
INDEX_SCALE = 10**18


class Risk(NamedTuple):
    equity: int
    initial: int
    maintenance: int
    notional: int


def value(size, price, scale, rounding):
    """Worth of a position: lots times price times quote atoms per lot and quantum."""
    return ROUNDINGS[rounding](size * price * Fraction(*scale))


def notional(size, price, scale, rounding):
    return ROUNDINGS[rounding](abs(size) * price * Fraction(*scale))


def marginal(amount, lowers, rates):
    """Each slice of `amount` at the rate of its own tier."""
    total = Fraction(0)
    for (lower, upper), rate in zip(pairwise([*lowers, None]), rates, strict=True):
        slice_end = amount if upper is None else min(amount, upper)
        total += max(0, slice_end - lower) * rate
    return total


def tier_number(amount, lowers):
    return max(number for number, lower in enumerate(lowers) if amount >= lower)


def whole_at_tier(amount, lowers, rates):
    """All of `amount` at the rate of the tier that it reaches."""
    return amount * rates[tier_number(amount, lowers)]


def open_interest_fraction(initial, open_notional, lower, upper):
    """Initial margin fraction, in millionths, on a straight line from `initial` at `lower` to 100 % at `upper`."""
    if upper == 0 or open_notional <= lower:
        return initial
    if open_notional >= upper:
        return MILLION
    way = Fraction(open_notional - lower, upper - lower)
    return floor(initial + (MILLION - initial) * way)


def funding(size, index_before, index_now, rounding=0):
    """What a position receives: a long pays the rise of the index, a short earns it."""
    return ROUNDINGS[rounding](-size * Fraction(index_now - index_before, INDEX_SCALE))


def haircut_value(raw, lowers, rates):
    """Collateral less its haircut, slice by slice; a debt counts in full."""
    return raw if raw <= 0 else raw - ceil(marginal(raw, lowers, rates))


def bankruptcy(value_closed, equity, maintenance_closed, maintenance):
    """Quote that must come in so that the part closed takes exactly its share of the equity with it."""
    share = Fraction(maintenance_closed, maintenance) if maintenance else Fraction(0)
    return ceil(value_closed - equity * share)


def step_rates(shape, size, amount):
    """Rates of the step that a position reaches, counted in its notional or in its lots."""
    reached = amount if shape.by == "notional" else abs(size)
    step = max((step for step in shape.steps if reached >= step.lower), key=lambda step: step.lower)
    return Fraction(step.initial_num, shape.den), Fraction(step.maintenance_num, shape.den)


def skew_rates(shape, size, rounding):
    """Both rates grow with the position's share of the market's depth; the venue rounds what is added."""
    rates = []
    for rate, slope, cap in (
        (shape.initial_num, shape.initial_slope_num, shape.initial_cap_num),
        (shape.maintenance_num, shape.maintenance_slope_num, shape.maintenance_cap_num),
    ):
        grown = rate + ROUNDINGS[rounding](Fraction(abs(size), shape.scale_b) * slope)
        rates.append(Fraction(min(grown, cap) if cap else grown, shape.den))
    return rates


def root_rates(shape, size):
    """A fifth less than the rate, plus a premium for the square root of the size in base units."""
    root = isqrt(floor(Fraction(abs(size), shape.unit_b) * 10**18))
    premium = floor(Fraction(shape.factor_num * root, 10**9))
    rates = (shape.initial_num, shape.maintenance_num)
    return [Fraction(max(rate, rate - rate // 5 + premium), shape.den) for rate in rates]


def rates_of(shape, size, amount, rounding):
    """Initial and maintenance rate of a position under the shapes that have one rate for all of it."""
    if hasattr(shape, "steps"):
        return step_rates(shape, size, amount)
    if hasattr(shape, "scale_b"):
        return skew_rates(shape, size, rounding)
    if hasattr(shape, "unit_b"):
        return root_rates(shape, size)
    if hasattr(shape, "long_initial_num"):
        side = "long" if size >= 0 else "short"
        rates = (getattr(shape, f"{side}_initial_num"), getattr(shape, f"{side}_maintenance_num"))
    else:
        rates = (shape.initial_num, shape.maintenance_num)
    return [Fraction(rate, shape.den) for rate in rates]


def is_of_cost(shape):
    return type(shape).__name__ == "CostShare"


def maintenance_margin(market, size, amount, cost, rounding):
    shape = market.requirement
    if hasattr(shape, "tiers"):
        lowers, rates = tier_columns(shape, "maintenance_num")
        return ROUNDINGS[rounding](marginal(amount, lowers, rates))
    if hasattr(shape, "initial_ppm"):
        base = ROUNDINGS[rounding](amount * Fraction(shape.initial_ppm, MILLION))
        return ROUNDINGS[rounding](base * Fraction(shape.maintenance_fraction_ppm, MILLION))
    _, rate = rates_of(shape, size, amount, rounding)
    return ROUNDINGS[rounding]((abs(cost) if is_of_cost(shape) else amount) * rate)


def initial_margin(market, size, amount, cost, leverage, rounds):
    shape, base = market.requirement, amount
    if hasattr(shape, "tiers"):
        required = whole_at_tier(amount, *tier_columns(shape, "initial_num"))
    elif hasattr(shape, "initial_ppm"):
        scale = (market.scale.num, market.scale.den)
        open_amount = notional(market.open_interest_b, market.mark, scale, rounds.notional)
        millionths = open_interest_fraction(shape.initial_ppm, open_amount, shape.lower_q, shape.upper_q)
        required = amount * Fraction(millionths, MILLION)
    else:
        base = abs(cost) if is_of_cost(shape) else amount
        required = base * rates_of(shape, size, amount, rounds.requirement)[0]
    chosen = base / Fraction(leverage.num, leverage.den) if leverage else Fraction(0)
    return max(ROUNDINGS[rounds.requirement](required), ROUNDINGS[rounds.requirement](chosen))


def closing_cost(market, amount, cost, rounding):
    """What closing is expected to cost, within its bounds."""
    rule = market.close_cost
    if rule is None:
        return 0
    share = ROUNDINGS[rounding]((abs(cost) if rule.of == "cost" else amount) * Fraction(rule.num, rule.den))
    share = max(share, rule.lower_q)
    return min(share, rule.upper_q) if rule.upper_q else share


def tier_columns(table, column):
    lowers = [tier.lower_q for tier in table.tiers]
    return lowers, [Fraction(getattr(tier, column), table.den) for tier in table.tiers]


def reachable(held, orders):
    """Every position that some set of fills of the resting orders leads to."""
    every_set = chain.from_iterable(combinations(orders, count) for count in range(len(orders) + 1))
    return {held + sum(filled) for filled in every_set}


def leg(venue, subaccount, name):
    """One market's worth, requirements and funding, asked at the worst position that orders can lead to."""
    market, rounds = venue.markets[name], venue.policy.rounding
    scale = (market.scale.num, market.scale.den)
    price = market.index if venue.policy.risk_price == "index" else market.mark
    position = subaccount.positions.get(name)
    held = position.size_b if position else 0
    orders = [order.size_b for order in subaccount.orders.values() if order.market == name]
    equity = value(held, price, scale, rounds.value)
    if position:
        equity += funding(held, position.funding_index, market.funding_index, rounds.funding)
    amount = notional(held, price, scale, rounds.notional)
    asked = [required(venue, subaccount, name, size) for size in reachable(held, orders)]
    maintenance = 0
    if held:
        maintenance = maintenance_margin(market, held, amount, position.cost_q, rounds.requirement)
        maintenance += market.minimum_margin_q
        maintenance += closing_cost(market, amount, position.cost_q, rounds.requirement)
    initial = max(*asked, maintenance, 0) if held or orders else 0
    cap = venue.policy.initial_profit_cap_q
    if position and cap is not None:
        initial += max(0, equity - position.cost_q - cap)
    return Risk(equity, initial, maintenance, amount)


def required(venue, subaccount, name, size):
    """Initial margin of a position that orders can lead to, bought at the present price as far as it grows."""
    market, rounds = venue.markets[name], venue.policy.rounding
    price = market.index if venue.policy.risk_price == "index" else market.mark
    scale = (market.scale.num, market.scale.den)
    position = subaccount.positions.get(name)
    held = position.size_b if position else 0
    if size == 0 or (held * size > 0 and abs(size) < abs(held)):
        return 0
    cost = value(size, price, scale, rounds.value)
    if held * size > 0:
        cost += position.cost_q - value(held, price, scale, rounds.value)
    amount = notional(size, price, scale, rounds.notional)
    margin = initial_margin(market, size, amount, cost, subaccount.leverages.get(name), rounds)
    if market.close_cost and market.close_cost.in_initial:
        margin += closing_cost(market, amount, cost, rounds.requirement)
    return margin + market.minimum_margin_q


def worth_of_asset(venue, name, amount):
    asset = venue.assets[name]
    raw = value(amount, asset.price, (asset.scale.num, asset.scale.den), 0)
    return haircut_value(raw, *tier_columns(asset.haircut, "maintenance_num"))


def cash(venue, subaccount, quote="USDC"):
    others = (name for name in subaccount.balances if name != quote)
    worths = (worth_of_asset(venue, name, subaccount.balances[name]) for name in others)
    return subaccount.balances.get(quote, 0) + sum(worths)


def weighed(venue, subaccount, quote="USDC"):
    """What the weights of collateral ask for, as initial and as maintenance margin."""
    asked = [0, 0]
    for name, amount in subaccount.balances.items():
        weights = None if name == quote else venue.assets[name].weights
        if weights is not None:
            worth = abs(worth_of_asset(venue, name, amount))
            rates = rates_of(weights, 1 if amount >= 0 else -1, worth, 0)
            rounding = ROUNDINGS[venue.policy.rounding.requirement]
            asked = [total + rounding(worth * rate) for total, rate in zip(asked, rates, strict=True)]
    return max(asked), asked[1]


def risk(venue, subaccount):
    """Equity, initial margin, maintenance margin and notional of everything that a subaccount holds."""
    markets = {*subaccount.positions, *(order.market for order in subaccount.orders.values())}
    legs = [leg(venue, subaccount, name) for name in sorted(markets)]
    sums = [sum(column) for column in zip(*legs, strict=True)] or [0, 0, 0, 0]
    initial, maintenance = weighed(venue, subaccount)
    return Risk(cash(venue, subaccount) + sums[0], sums[1] + initial, sums[2] + maintenance, sums[3])


def largest_remainder(amount, weights):
    """Shares of `amount` in proportion to `weights`: floors first, then one each by the largest fraction lost."""
    total = sum(weights)
    exact = [Fraction(amount * weight, total) for weight in weights]
    shares = [floor(share) for share in exact]
    order = sorted(range(len(weights)), key=lambda at: (shares[at] - exact[at], at))
    for at in order[: amount - sum(shares)]:
        shares[at] += 1
    return shares
