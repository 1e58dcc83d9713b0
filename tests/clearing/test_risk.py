"""`Risk` against the naive implementation, its order, and the rule for who may act."""

from copy import deepcopy
from fractions import Fraction
from itertools import product
from math import floor, trunc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

import naive
from clearing.dice import MARKETS, Dice
from clearing.world import ONE, haircut
from ringfence.clearing.model import Asset, Position, Subaccount, Venue
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
from rules.edges import natural


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
