"""The obvious implementation of the rules: exact fractions, loops, nothing clever. Slow, and easy to believe.

It shares no code with the package: no words, no deductions, no signs folded into one formula. State is read by name
(`venue.markets[...].scale.num`), so anything shaped like the model will do. Every rate is a `Fraction`; an amount is
rounded once, at the place where the rulebook rounds.
"""

from fractions import Fraction
from itertools import chain, combinations, pairwise
from math import ceil, floor, trunc
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


def maintenance_margin(market, amount, rounding):
    shape = market.requirement
    if hasattr(shape, "tiers"):
        lowers, rates = tier_columns(shape, "maintenance_num")
        return ROUNDINGS[rounding](marginal(amount, lowers, rates))
    base = ROUNDINGS[rounding](amount * Fraction(shape.initial_ppm, MILLION))
    return ROUNDINGS[rounding](base * Fraction(shape.maintenance_fraction_ppm, MILLION))


def initial_margin(market, amount, leverage, rounds):
    shape = market.requirement
    if hasattr(shape, "tiers"):
        required = whole_at_tier(amount, *tier_columns(shape, "initial_num"))
    else:
        scale = (market.scale.num, market.scale.den)
        open_amount = notional(market.open_interest_b, market.mark, scale, rounds.notional)
        millionths = open_interest_fraction(shape.initial_ppm, open_amount, shape.lower_q, shape.upper_q)
        required = amount * Fraction(millionths, MILLION)
    chosen = amount / Fraction(leverage.num, leverage.den) if leverage else Fraction(0)
    return max(ROUNDINGS[rounds.requirement](required), ROUNDINGS[rounds.requirement](chosen))


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
    maintenance = (
        maintenance_margin(market, amount, rounds.requirement) + market.minimum_margin_q if held else 0
    )
    return Risk(equity, max(*asked, maintenance, 0) if held or orders else 0, maintenance, amount)


def required(venue, subaccount, name, size):
    market, rounds = venue.markets[name], venue.policy.rounding
    price = market.index if venue.policy.risk_price == "index" else market.mark
    amount = notional(size, price, (market.scale.num, market.scale.den), rounds.notional)
    margin = initial_margin(market, amount, subaccount.leverages.get(name), rounds)
    return margin + market.minimum_margin_q if size else 0


def cash(venue, subaccount, quote="USDC"):
    total = subaccount.balances.get(quote, 0)
    for name, amount in subaccount.balances.items():
        if name != quote:
            asset = venue.assets[name]
            raw = value(amount, asset.price, (asset.scale.num, asset.scale.den), 0)
            total += haircut_value(raw, *tier_columns(asset.haircut, "maintenance_num"))
    return total


def risk(venue, subaccount):
    """Equity, initial margin, maintenance margin and notional of everything that a subaccount holds."""
    markets = {*subaccount.positions, *(order.market for order in subaccount.orders.values())}
    legs = [leg(venue, subaccount, name) for name in sorted(markets)]
    sums = [sum(column) for column in zip(*legs, strict=True)] or [0, 0, 0, 0]
    return Risk(cash(venue, subaccount) + sums[0], *sums[1:])


def largest_remainder(amount, weights):
    """Shares of `amount` in proportion to `weights`: floors first, then one each by the largest fraction lost."""
    total = sum(weights)
    exact = [Fraction(amount * weight, total) for weight in weights]
    shares = [floor(share) for share in exact]
    order = sorted(range(len(weights)), key=lambda at: (shares[at] - exact[at], at))
    for at in order[: amount - sum(shares)]:
        shares[at] += 1
    return shares
