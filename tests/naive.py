"""The obvious implementation of the rules: exact fractions, loops, nothing clever. Slow, and easy to believe.

It shares no code with the package: no words, no deductions, no signs folded into one formula. State is read by name
(`venue.markets[...].scale.num`), so anything shaped like the model will do. Every rate is a `Fraction`; an amount is
rounded once, at the place where the rulebook rounds.
"""

from copy import copy
from fractions import Fraction
from itertools import chain, combinations, pairwise
from math import ceil, floor, isqrt, trunc
from typing import NamedTuple

import naive_sets

ROUNDINGS = (floor, ceil, trunc)
MILLION = 1_000_000
INDEX_SCALE = 10**18
QUOTE = "USDC"


class Held(NamedTuple):
    size_b: int
    cost_q: int
    funding_index: int


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
    billionths = floor(Fraction(abs(size), shape.unit_b) * 10**9)
    root = Fraction(isqrt(10 * billionths + 1), 10**5)
    premium = floor(root * Fraction(shape.factor_num, shape.factor_den) * shape.den)
    rates = (shape.initial_num, shape.maintenance_num)
    if not shape.factor_num:
        return [Fraction(rate, shape.den) for rate in rates]
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


def kind(thing):
    """Name of a record's type, of the model's own or of plain data that carries it."""
    return getattr(thing, "type", type(thing).__name__)


def is_of_cost(shape):
    return kind(shape) == "CostShare"


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
        required = base * grown_with_open_interest(
            market, rates_of(shape, size, amount, rounds.requirement)[0], rounds
        )
    rounding = ROUNDINGS[rounds.requirement]
    if leverage is None:
        return rounding(required)
    chosen = rounding(base / Fraction(leverage.num, leverage.den))
    return chosen if market.leverage_checked == "opening" else max(rounding(required), chosen)


def grown_with_open_interest(market, rate, rounds):
    """The rate, and where the shape has one no less than its rate per quote atom of open interest."""
    shape = market.requirement
    if not is_of_cost(shape):
        return rate
    open_amount = notional(
        market.open_interest_b, market.mark, (market.scale.num, market.scale.den), rounds.notional
    )
    numerator = floor(Fraction(open_amount * shape.open_num * shape.den, shape.open_den))
    return max(rate, Fraction(numerator, shape.den))


def with_fixed_amounts(market, required, closing):
    """A requirement with the market's minimum and the cost of closing: added, or a floor of either kind."""
    minimum = market.minimum_margin_q
    if market.minimum_margin_as == "added":
        return required + minimum + closing
    if market.minimum_margin_as == "floor":
        return max(required, minimum) + closing
    return max(required, minimum + closing)


def opening_rate(market, size, amount, rounding):
    """Initial margin rate of a position, whatever open interest adds."""
    shape = market.requirement
    if hasattr(shape, "initial_ppm"):
        return Fraction(shape.initial_ppm, MILLION)
    if hasattr(shape, "tiers"):
        lowers, rates = tier_columns(shape, "initial_num")
        return rates[tier_number(amount, lowers)]
    return rates_of(shape, size, amount, rounding)[0]


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


def price_of(venue, name):
    market = venue.markets[name]
    return market.index if venue.policy.risk_price == "index" else market.mark


def leg(venue, subaccount, name):
    """One market's worth, requirements and funding, asked at the worst position that orders can lead to."""
    market, rounds = venue.markets[name], venue.policy.rounding
    scale, price = (market.scale.num, market.scale.den), price_of(venue, name)
    position = subaccount.positions.get(name)
    held = position.size_b if position else 0
    orders = [order.size_b for order in subaccount.orders.values() if order.market == name]
    equity = value(held, price, scale, rounds.value)
    if position:
        equity += funding(held, position.funding_index, market.funding_index, rounds.funding)
        equity -= withheld(venue, subaccount, name)
    amount = notional(held, price, scale, rounds.notional)
    asked = [required(venue, subaccount, name, size) for size in reachable(held, orders)]
    maintenance = maintained(venue, market, held, amount, position.cost_q) if held else 0
    initial = max(*asked, maintenance, 0) if held or orders else 0
    cap = venue.policy.initial_profit_cap_q
    if position and cap is not None and venue.policy.initial_profit_cap_of == "position":
        initial += max(0, equity - position.cost_q - cap)
    return Risk(equity, initial, maintenance, amount)


def profit_beyond_the_cap(venue, subaccount):
    """What initial margin does not let count of what all positions have won together, without funding."""
    cap = venue.policy.initial_profit_cap_q
    if cap is None or venue.policy.initial_profit_cap_of == "position":
        return 0
    profit = 0
    for name, held in subaccount.positions.items():
        scale = venue.markets[name].scale
        worth = value(held.size_b, price_of(venue, name), (scale.num, scale.den), venue.policy.rounding.value)
        profit += worth - held.cost_q
    return max(0, profit - cap)


def maintained(venue, market, held, amount, cost):
    """Maintenance margin of a position, with what the market adds to it."""
    rounding = venue.policy.rounding.requirement
    margin = maintenance_margin(market, held, amount, cost, rounding)
    return with_fixed_amounts(market, margin, closing_cost(market, amount, cost, rounding))


def withheld(venue, subaccount, name):
    """Profit of a position that the liquidity behind its market would not pay."""
    market, held = venue.markets[name], subaccount.positions[name]
    scale, rounding = (market.scale.num, market.scale.den), venue.policy.rounding.value
    profit = value(held.size_b, price_of(venue, name), scale, rounding) - held.cost_q
    return 0 if subaccount.system else unpaid(venue, name, profit, 1 if held.size_b > 0 else -1)


def unpaid(venue, name, profit, sign):
    """The part of a profit beyond the cap on its side of the market: every winner of that side loses the same share."""
    solvency = venue.markets[name].solvency
    if solvency is None or profit <= 0:
        return 0
    owed, most = (
        owed_to_side(venue, name, sign),
        floor(Fraction(reserve(venue, name) * solvency.cap_ppm, MILLION)),
    )
    return profit - floor(Fraction(profit * most, owed)) if owed > most else 0


def owed_to_side(venue, name, sign):
    """What all traders of one side of a market have won, less what others of them have lost."""
    market = venue.markets[name]
    held = [
        sub.positions[name] for sub in venue.subaccounts.values() if name in sub.positions and not sub.system
    ]
    side = [position for position in held if position.size_b * sign > 0]
    lots, cost = sum(position.size_b for position in side), sum(position.cost_q for position in side)
    worth = value(
        lots, price_of(venue, name), (market.scale.num, market.scale.den), venue.policy.rounding.value
    )
    return worth - cost


def reserve(venue, name):
    """Half of what the pool of a market holds, its own position at what it cost."""
    pool = venue.subaccounts.get(f"market/{name}")
    if pool is None:
        return 0
    held = pool.positions.get(name)
    total = pool.balances.get(QUOTE, 0) + (held.cost_q if held else 0)
    for asset, amount in pool.balances.items():
        if asset != QUOTE:
            rule = venue.assets[asset]
            total += value(amount, rule.price, (rule.scale.num, rule.scale.den), 0)
    return max(0, floor(Fraction(total, 2)))


def required(venue, subaccount, name, size):
    """Initial margin of a position that orders can lead to, bought at the present price as far as it grows."""
    market, rounds = venue.markets[name], venue.policy.rounding
    scale, price = (market.scale.num, market.scale.den), price_of(venue, name)
    position = subaccount.positions.get(name)
    held = position.size_b if position else 0
    if size == 0 or (held * size > 0 and abs(size) < abs(held)):
        return 0
    cost = value(size, price, scale, rounds.value)
    if held * size > 0:
        cost += position.cost_q - value(held, price, scale, rounds.value)
    amount = notional(size, price, scale, rounds.notional)
    margin = initial_margin(market, size, amount, cost, subaccount.leverages.get(name), rounds)
    counts = market.close_cost and market.close_cost.in_initial
    closing = closing_cost(market, amount, cost, rounds.requirement) if counts else 0
    return with_fixed_amounts(market, margin, closing)


def worth_of_asset(venue, name, amount):
    asset = venue.assets[name]
    raw = value(amount, asset.price, (asset.scale.num, asset.scale.den), 0)
    return haircut_value(raw, *tier_columns(asset.haircut, "maintenance_num"))


def cash(venue, subaccount):
    others = (name for name in subaccount.balances if name != QUOTE)
    worths = (worth_of_asset(venue, name, subaccount.balances[name]) for name in others)
    return subaccount.balances.get(QUOTE, 0) + sum(worths)


def weighed(venue, subaccount):
    """What the weights of collateral ask for, as initial and as maintenance margin."""
    asked = [0, 0]
    for name, amount in subaccount.balances.items():
        weights = None if name == QUOTE else venue.assets[name].weights
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
    equity, initial, maintenance, amount = [sum(column) for column in zip(*legs, strict=True)] or [0, 0, 0, 0]
    held, beyond = weighed(venue, subaccount), profit_beyond_the_cap(venue, subaccount)
    if venue.policy.set_rule is not None:
        initial, maintenance = together(venue, subaccount, (initial, maintenance), held, beyond)
        beyond = 0
    equity += cash(venue, subaccount)
    return Risk(equity, initial + held[0] + beyond, maintenance + held[1], amount)


def together(venue, subaccount, legs, held, beyond):
    """What the rule over sets asks beside weights: an atom at least of who has positions, orders at the worse side."""
    initial, maintenance = naive_sets.asked(venue, subaccount, legs)
    maintenance = max(maintenance, (1 if subaccount.positions else 0) - held[1])
    initial = max(initial + beyond, held[1] + maintenance - held[0])
    if subaccount.orders:
        sides = (all_filled(venue, subaccount, sign) for sign in (1, -1))
        initial = max(initial, *(risk(venue, filled).initial - held[0] for filled in sides))
    return initial, maintenance


def all_filled(venue, subaccount, sign):
    """A subaccount after all its buys or all its sells; lots that are added cost what they are worth."""
    filled = copy(subaccount)
    filled.orders, filled.positions = {}, {}
    names = {*subaccount.positions, *(order.market for order in subaccount.orders.values())}
    for name in names:
        held = subaccount.positions.get(name)
        before = held.size_b if held else 0
        orders = (order for order in subaccount.orders.values() if order.market == name)
        size = before + sum(order.size_b for order in orders if order.size_b * sign > 0)
        if size:
            filled.positions[name] = bought_at_worth(venue, name, held, before, size)
    return filled


def bought_at_worth(venue, name, held, before, size):
    market = venue.markets[name]
    scale, rounding, price = market.scale, venue.policy.rounding.value, price_of(venue, name)
    worths = [value(lots, price, (scale.num, scale.den), rounding) for lots in (size, before)]
    index = held.funding_index if held else market.funding_index
    if before * size <= 0:
        return Held(size, worths[0], index)
    if abs(size) > abs(before):
        return Held(size, held.cost_q + worths[0] - worths[1], index)
    return Held(size, floor(Fraction(held.cost_q * size, before)), index)


def is_liquidatable(venue, subaccount):
    """The trigger: something at stake, something asked for, and not enough to meet it."""
    at_stake = subaccount.positions or any(amount < 0 for amount in subaccount.balances.values())
    if subaccount.system or not at_stake:
        return False
    found = risk(venue, subaccount)
    below = found.equity < found.maintenance
    below |= venue.policy.trigger_at_equality and found.equity == found.maintenance
    return subaccount.flagged or (found.maintenance > 0 and below)


def largest_remainder(amount, weights):
    """Shares of `amount` in proportion to `weights`: floors first, then one each by the largest fraction lost."""
    total = sum(weights)
    exact = [Fraction(amount * weight, total) for weight in weights]
    shares = [floor(share) for share in exact]
    order = sorted(range(len(weights)), key=lambda at: (shares[at] - exact[at], at))
    for at in order[: amount - sum(shares)]:
        shares[at] += 1
    return shares


def health_factor(venue, subaccount, quote="USDC"):
    """What is left for debts of everything at its weights, over all debts; only for subaccounts without positions."""
    debts = sum(
        max(0, -(amount if name == quote else worth_of_asset(venue, name, amount)))
        for name, amount in subaccount.balances.items()
    )
    found = risk(venue, subaccount)
    return Fraction(found.equity + debts - found.maintenance, debts)
