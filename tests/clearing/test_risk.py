"""`Risk` against the naive implementation, its order, and the rule for who may act."""

from copy import deepcopy
from fractions import Fraction
from itertools import product
from math import floor, trunc
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

import naive
from clearing.world import ONE, haircut
from ringfence.clearing.model import (
    QUOTE,
    Asset,
    CloseCost,
    CollateralPool,
    CostShare,
    Leverage,
    Market,
    OpenInterestScaled,
    Order,
    Policy,
    Position,
    RootScaled,
    Rounding,
    Scale,
    Sided,
    SkewScaled,
    Step,
    Stepped,
    Subaccount,
    Tier,
    Tiered,
    Venue,
)
from ringfence.clearing.risk import (
    Risk,
    bankruptcy_q,
    is_liquidatable,
    may_act,
    reach_b,
    riskier,
    subaccount_risk,
)
from ringfence.clearing.shapes import tier_of
from ringfence.clearing.shapes import valid as valid_requirement
from ringfence.clearing.sides import Solvency
from rules.edges import natural

MARKETS = ("A", "B", "C")


class Dice:
    """Random parts of a venue, mostly at the edges; one seed is one venue, because many draws are slow to make."""

    def __init__(self, seed):
        self.random = Random(seed)

    def natural(self, bits):
        edge = (1 << self.random.randrange(bits + 1)) + self.random.randint(-2, 2)
        return self.random.choice((0, 1, 7, edge, edge, self.random.randrange(1 << bits))) % (1 << bits)

    def positive(self, bits):
        return self.natural(bits) or 1

    def signed(self, bits):
        return self.natural(bits) * self.random.choice((1, -1))

    def scale(self):
        return Scale(self.positive(20), self.positive(20))

    def some(self, names):
        return [name for name in names if self.random.random() < 0.5]

    def tiered(self):
        count, den = self.random.randint(1, 4), self.random.choice((100, 1_000, 1_000_000))
        lowers = [0, *sorted({self.positive(60) for _ in range(count - 1)})]
        initial = sorted(self.random.randint(1, den) for _ in lowers)
        maintenance = sorted(self.random.randint(0, rate) for rate in initial)
        tiers, deduction = [], 0
        for at, lower in enumerate(lowers):
            deduction += lower * (maintenance[at] - maintenance[max(at - 1, 0)])
            tiers.append(Tier(lower, max(initial[at], maintenance[at]), maintenance[at], deduction))
        return Tiered(tuple(tiers), den)

    def scaled(self):
        lower, upper = sorted((self.natural(60), self.natural(60)))
        return OpenInterestScaled(self.random.randint(0, 10**6), self.random.randint(0, 10**6), lower, upper)

    def rates(self, den):
        """Initial and maintenance rate."""
        return sorted((self.random.randint(0, den), self.random.randint(0, den)), reverse=True)

    def stepped(self):
        table, by = self.tiered(), self.random.choice(("notional", "size"))
        steps = (Step(tier.lower_q, tier.initial_num, tier.maintenance_num) for tier in table.tiers)
        return Stepped(tuple(steps), table.den, by)

    def skewed(self):
        den = 10**18
        slopes = sorted((self.natural(64), self.natural(64)), reverse=True)
        caps = (self.random.choice((0, self.random.randint(1, den))) for _ in range(2))
        (initial, maintenance), (steep, flat) = self.rates(den), slopes
        return SkewScaled(self.positive(50), initial, steep, maintenance, flat, den, *caps)

    def sided(self):
        return Sided(*self.rates(1000), *self.rates(5000), 1000)

    def rooted(self):
        return RootScaled(*self.rates(10_000), self.natural(14), 10_000, self.positive(40))

    def of_cost(self):
        grows = (self.natural(20), self.positive(60)) if self.random.random() < 0.5 else (0, 1)
        return CostShare(*self.rates(10_000), 10_000, *grows)

    def close_cost(self):
        lower, upper = sorted((self.natural(40), self.natural(40)))
        of, in_initial = self.random.choice(("notional", "cost")), self.random.random() < 0.5
        return CloseCost(self.natural(10), 10_000, lower, self.random.choice((0, upper)), of, in_initial)

    def market(self, name):
        prices = {"mark": self.positive(40), "index": self.positive(40), "funding_index": self.signed(70)}
        shapes = (self.tiered, self.scaled, self.stepped, self.skewed, self.sided, self.rooted, self.of_cost)
        shape = self.random.choice(shapes)()
        minimum_q = self.random.choice((0, self.natural(30)))
        held = {"minimum_margin_q": minimum_q, "open_interest_b": self.natural(40)}
        held["close_cost"] = self.random.choice((None, self.close_cost()))
        held["minimum_margin_as"] = self.random.choice(("added", "floor", "floor_with_fees"))
        held["leverage_checked"] = self.random.choice(("always", "opening"))
        return Market(name, self.scale(), shape, "P", **prices, **held)

    def venue(self):
        """A venue with a subaccount that holds, rests and owes all sorts of things."""
        rounds = Rounding(*(self.random.randrange(3) for _ in range(4)))
        cap_q = self.random.choice((None, 0, self.natural(40)))
        price = self.random.choice(("mark", "index"))
        cap_of = self.random.choice(("position", "account"))
        policy = Policy(
            rounding=rounds, risk_price=price, initial_profit_cap_q=cap_q, initial_profit_cap_of=cap_of
        )
        weights = self.random.choice((None, self.sided()))
        asset = Asset("BTC", self.scale(), self.tiered(), price=self.natural(40), weights=weights)
        markets = {name: self.market(name) for name in MARKETS}
        held = Subaccount("trader", "trader")
        lots = {
            name: Position(self.signed(40) or 1, self.signed(60), self.signed(70))
            for name in self.some(MARKETS)
        }
        orders = [
            Order(self.random.choice(MARKETS), self.signed(40) or 1) for _ in range(self.random.randrange(4))
        ]
        held.positions, held.orders = lots, {str(number): order for number, order in enumerate(orders)}
        held.leverages = {name: Leverage(self.positive(10), self.positive(10)) for name in self.some(MARKETS)}
        held.balances = {name: self.signed(60) for name in self.some((QUOTE, "BTC"))}
        subaccounts = {"trader": held, **self.others()}
        if self.random.random() < 0.5:
            limit_profits(markets, subaccounts, self.random.randint(0, 10**6))
        return Venue(policy, markets, {"BTC": asset}, {"P": CollateralPool("P")}, subaccounts)

    def others(self):
        """Other traders, and pools behind some of the markets."""
        made = [Subaccount(f"other{number}", "other") for number in range(2)]
        made += [Subaccount(f"market/{name}", "venue", system=True) for name in self.some(MARKETS)]
        for sub in made:
            sub.positions = {
                name: Position(self.signed(40) or 1, self.signed(60), 0) for name in self.some(MARKETS)
            }
            sub.balances = {name: self.signed(60) for name in self.some((QUOTE, "BTC"))}
        return {sub.id: sub for sub in made}


def limit_profits(markets, subaccounts, cap_ppm):
    """The liquidity behind every market pays profits up to a share of what it holds; sides are counted."""
    for name, market in markets.items():
        market.solvency = Solvency(cap_ppm, 0, 0)
        for sub in subaccounts.values():
            held = sub.positions.get(name)
            if held is not None and not sub.system:
                side = "longs" if held.size_b > 0 else "shorts"
                setattr(market, side, getattr(market, side).changed(held.size_b, held.cost_q))


def venues():
    return st.integers(0, 2**64 - 1).map(lambda seed: Dice(seed).venue())


def tables():
    return st.integers(0, 2**64 - 1).map(lambda seed: Dice(seed).tiered())


@pytest.mark.fuzz
@given(venues())
def test_the_risk_of_anything_agrees_with_naive(venue):
    held = venue.subaccounts["trader"]
    found, expected = subaccount_risk(venue, held), naive.risk(venue, held)
    assert (found.equity_q, found.initial_q, found.maintenance_q, found.notional_q) == expected
    assert found.initial_q >= found.maintenance_q
    for market in venue.markets.values():
        assert valid_requirement(market.requirement)


def moved(venue, prices):
    """The venue where markets are judged at other prices, and with them what follows them."""
    made = deepcopy(venue)
    made.policy = replace(venue.policy, risk_price="index")
    for name, market in made.markets.items():
        market.index = prices.get(name, naive.price_of(venue, name))
    for asset in made.assets.values():
        if asset.market in prices:
            now = naive.price_of(venue, asset.market)
            asset.price = floor(Fraction(asset.price * prices[asset.market], now)) if now else asset.price
    return made


@pytest.mark.fuzz
@given(venues(), st.sampled_from(("", *MARKETS)), st.dictionaries(st.sampled_from(MARKETS), natural(40)))
def test_the_risk_at_other_prices_agrees_with_naive(venue, follows, prices):
    """Collateral that follows a market moves with it."""
    venue.assets["BTC"].market = follows
    for market in venue.markets.values():
        market.solvency = None
    held = venue.subaccounts["trader"]
    found, expected = subaccount_risk(venue, held, prices), naive.risk(moved(venue, prices), held)
    assert (found.equity_q, found.initial_q, found.maintenance_q, found.notional_q) == expected
    assert is_liquidatable(venue, held, prices) == naive.is_liquidatable(moved(venue, prices), held)


@pytest.mark.fuzz
@given(venues(), st.data())
def test_the_bankruptcy_quote_agrees_with_naive(venue, data):
    held = venue.subaccounts["trader"]
    if not held.positions:
        return
    name = data.draw(st.sampled_from(sorted(held.positions)))
    size = held.positions[name].size_b
    closed = data.draw(st.integers(1, abs(size))) * (1 if size > 0 else -1)
    before, whole, position = naive.risk(venue, held), leg_of(venue, held, name), held.positions[name]
    left = position.cost_q - trunc(Fraction(position.cost_q * closed, size))
    held.positions[name] = Position(size - closed, left, position.funding_index)
    rest = leg_of(venue, held, name)
    held.positions[name] = position
    value = whole[0] - rest[0]
    expected = naive.bankruptcy(value, before.equity, whole[1] - rest[1], before.maintenance)
    assert bankruptcy_q(venue, held, name, closed) == expected


def leg_of(venue, held, name):
    """Worth and maintenance margin of one position, without funding."""
    market, rounds = venue.markets[name], venue.policy.rounding
    price = market.index if venue.policy.risk_price == "index" else market.mark
    scale, size = (market.scale.num, market.scale.den), held.positions[name].size_b
    if size == 0:
        return 0, 0
    amount = naive.notional(size, price, scale, rounds.notional)
    cost = held.positions[name].cost_q
    return naive.value(size, price, scale, rounds.value), naive.maintained(venue, market, size, amount, cost)


@pytest.mark.fuzz
@given(venues())
def test_orders_reach_what_filling_all_of_a_side_leads_to(venue):
    held = venue.subaccounts["trader"]
    for name in MARKETS:
        size = held.positions[name].size_b if name in held.positions else 0
        orders = [order.size_b for order in held.orders.values() if order.market == name]
        reachable = naive.reachable(size, orders)
        assert reach_b(held, name) == (max(reachable), min(reachable))


@pytest.mark.fuzz
@given(tables(), natural(70))
def test_a_boundary_belongs_to_the_upper_tier(table, notional):
    assert tier_of(table, notional) == [tier for tier in table.tiers if tier.lower_q <= notional][-1]
    assert all(tier_of(table, tier.lower_q) == tier for tier in table.tiers)


amounts = st.integers(-50, 50)
risks = st.builds(
    lambda equity, asked: Risk(equity, 2 * asked, asked, 10 * asked), amounts, st.integers(0, 20)
)


@pytest.mark.parametrize(
    ("first", "second", "order"),
    [
        ((10, 5), (10, 5), 0),
        ((10, 5), (12, 5), 1),
        ((10, 5), (20, 10), -1),  # one ratio: the larger requirement is riskier
        ((-10, 5), (-5, 5), 1),
        ((10, 0), (10, 5), -1),  # nothing required and something owned: safer than any ratio
        ((-1, 0), (-99, 5), 1),  # nothing required and something owed: riskier than any ratio
        ((3, 0), (5, 0), 1),
    ],
)
def test_which_of_two_is_riskier(first, second, order):
    made = [Risk(equity, maintenance_q=asked) for equity, asked in (first, second)]
    assert riskier(*made) == order
    assert riskier(*reversed(made)) == -order


@pytest.mark.fuzz
@given(risks, risks)
def test_riskier_follows_the_ratio(first, second):
    if first.maintenance_q and second.maintenance_q:
        ratios = [naive.Fraction(one.equity_q, one.maintenance_q) for one in (first, second)]
        if ratios[0] != ratios[1]:
            assert riskier(first, second) == (1 if ratios[0] < ratios[1] else -1)


@pytest.mark.parametrize(
    ("before", "after", "allowed"),
    [
        ((0, 0, 0), (100, 100, 50), True),  # initial margin covered
        ((0, 0, 0), (99, 100, 50), False),
        ((40, 100, 50), (40, 90, 45), True),  # below initial margin, but less is at risk
        ((40, 100, 50), (36, 90, 45), True),  # ... at the same ratio
        ((40, 100, 50), (35, 90, 45), False),  # ... paid for with too much equity
        ((40, 100, 50), (60, 110, 55), False),  # more is at risk
        ((40, 100, 50), (41, 100, 50), True),
        ((40, 100, 50), (39, 100, 50), False),
        ((-5, 0, 0), (-4, 0, 0), True),  # a debt grows smaller
        ((-5, 0, 0), (-6, 0, 0), False),
        ((-5, 100, 50), (-5, 0, 0), False),  # walking away from a loss
    ],
)
def test_who_may_act(before, after, allowed):
    assert may_act(Risk(*before), Risk(*after)) is allowed


@pytest.mark.fuzz
@given(risks, risks, risks)
def test_acting_in_two_steps_is_never_more_than_acting_in_one(before, middle, after):
    if may_act(before, middle) and may_act(middle, after):
        assert may_act(before, after) or middle.free_q >= 0


@pytest.mark.fuzz
@given(risks, risks)
def test_risks_add(first, second):
    both = first + second
    assert both.surplus_q == first.surplus_q + second.surplus_q
    assert both.free_q == first.free_q + second.free_q


def test_the_trigger():
    for equity, at_equality in product((49, 50, 51), (False, True)):
        expected = equity < 50 or (at_equality and equity == 50)
        assert Risk(equity, 100, 50).liquidatable(at_equality=at_equality) is expected
    assert not Risk(-1, 0, 0).liquidatable(at_equality=True)  # nothing is required


def test_collateral_counts_also_when_there_is_no_quote_at_all():
    venue = Venue(assets={"BTC": Asset("BTC", ONE, haircut(100), price=1_000)})
    assert subaccount_risk(venue, Subaccount("a", "a", balances={"BTC": 3})).equity_q == 2_700
