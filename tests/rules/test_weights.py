"""Weighted collateral: products towards zero, spreads, weights that move with size, orders at their worst."""

from fractions import Fraction
from math import sqrt

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ringfence.rules import weights as rule
from ringfence.rules.requirement import root_rate_num
from ringfence.rules.words import WAD
from rules.edges import natural, positive, signed

pytestmark = pytest.mark.fuzz

MILLION, MYRIAD = 10**6, 10**4


def wads(least=0, most=10):
    """Numbers of 18 decimals."""
    return st.integers(least * WAD, most * WAD)


@pytest.mark.parametrize(
    ("amount", "asset", "debt", "weight"),
    [(1, 8, 12, 8), (0, 8, 12, 8), (-1, 8, 12, 12)],  # nothing held is an asset
)
def test_weight_of(amount, asset, debt, weight):
    assert rule.weight_of(amount, asset, debt) == weight


@pytest.mark.parametrize(
    ("amount", "weight", "price", "value"),
    [
        (WAD, 95 * WAD // 100, 100 * WAD, 95 * WAD),
        (-WAD, 105 * WAD // 100, 100 * WAD, -105 * WAD),
        (1, WAD // 2, 100 * WAD, 0),  # 0.5 atoms are cut off before the price
        (-1, WAD // 2, 100 * WAD, 0),  # ... towards zero, so a debt loses them too
        (3, WAD // 2, 100 * WAD, 100),
        (-3, WAD // 2, 100 * WAD, -100),
    ],
)
def test_weighted_value(amount, weight, price, value):
    assert rule.weighted_value(amount, weight, price, WAD) == value


@given(signed(), wads(most=2), wads())
def test_weighted_value_is_odd_and_loses_less_than_an_atom_of_worth_and_one_of_amount(amount, weight, price):
    value = rule.weighted_value(amount, weight, price, WAD)
    assert rule.weighted_value(-amount, weight, price, WAD) == -value
    exact = Fraction(abs(amount) * weight * price, WAD * WAD)
    assert exact - Fraction(price, WAD) - 1 < abs(value) <= exact


@pytest.mark.parametrize(
    ("spot", "perp", "basis"),
    [
        (5, -3, 3),
        (5, -8, 5),
        (-5, 3, 3),
        (-5, 8, 5),
        (5, 3, 0),
        (-5, -3, 0),
        (0, -3, 0),
        (5, 0, 0),
        (0, 0, 0),
    ],
)
def test_spread_basis(spot, perp, basis):
    assert rule.spread_basis(spot, perp) == basis


def test_a_hedged_pair_is_charged_a_fifth_of_one_leg():
    # spot weight 0.9, perp weight 0.95, both at 100: charged 10 + 5, kept (1 - 0.95) / 5 = 1 % of 200
    basis, prices = WAD, 200 * WAD
    spot, perp = 90 * WAD // 100, 95 * WAD // 100
    assert rule.spread_credit(basis, prices, spot, perp, perp, WAD) == 13 * WAD


@given(wads(), wads(), wads(most=1), wads(most=1), st.booleans())
def test_a_credit_never_exceeds_what_the_legs_were_charged(basis, prices, spot, perp, owned):
    credit = rule.spread_credit(basis, prices, spot, perp, perp if owned else spot, WAD)
    charged = Fraction(basis * prices, WAD) * (2 * WAD - spot - perp) / (2 * WAD)
    assert credit <= charged + 10  # what is cut off of the weights, on a worth of at most 100


@given(natural(), *(st.integers(0, 1_000),) * 3)
def test_relief_in_rates_is_the_credit_in_weights(worth, asset, perp, hedge):
    relief = rule.spread_relief_q(worth, asset, 1_000, perp, 1_000, hedge, 5_000)
    exact = worth * (Fraction(asset + perp, 2_000) - Fraction(hedge, 5_000))
    assert relief == exact.__floor__()


@pytest.mark.parametrize(
    ("weight", "parts", "price"),
    [
        (97, 5, 99_400),  # 3 % / 5 below
        (103, 5, 100_600),
        (97, 25, 99_880),
        (100, 5, 100_000),
    ],
)
def test_discounted_price(weight, parts, price):
    assert rule.discounted_price(100_000, weight * WAD // 100, parts, WAD) == price


@given(positive(), wads(1, 2), st.integers(1, 25))
def test_a_liquidator_never_pays_more_for_an_asset_nor_gets_less_for_a_debt(price, weight, parts):
    above = rule.discounted_price(price, weight, parts, WAD)
    below = rule.discounted_price(price, 2 * WAD - weight, parts, WAD)
    assert below <= price <= above
    assert price - below <= above - price + 1


@pytest.mark.parametrize(("amount", "share"), [(WAD, 300), (-WAD, -300), (WAD // 2, 150)])
def test_the_fund_gets_half_of_the_discount(amount, share):
    assert rule.discount_share(100_000, 99_400, amount, 1, 2, WAD) == share


@pytest.mark.parametrize(
    ("total", "asset", "debt"),
    [(0, 9_000, 11_000), (500, 9_000, 11_000), (1_000, 4_500, 22_000), (1_500, 3_000, 33_000)],
)
def test_weights_that_scale_with_what_the_venue_holds(total, asset, debt):
    assert rule.scaled_asset_weight(9_000, 500, total) == asset
    assert rule.scaled_liability_weight(11_000, 500, total) == debt


def test_a_start_of_zero_switches_scaling_off():
    assert rule.scaled_asset_weight(9_000, 0, 10**9) == 9_000
    assert rule.scaled_liability_weight(11_000, 0, 10**9) == 11_000


@given(st.integers(1, MYRIAD), positive(), positive())
def test_scaled_weights_keep_weight_times_total(weight, start, total):
    assume(total > start)
    scaled = rule.scaled_asset_weight(weight, start, total)
    assert scaled * total <= weight * start < (scaled + 1) * total
    grown = rule.scaled_liability_weight(weight, start, total)
    assert grown * start <= weight * total < (grown + 1) * start


@given(st.integers(0, 10**18), st.integers(0, 10**5), st.integers(1, 2 * MYRIAD))
def test_size_makes_debts_weigh_more_and_assets_less(size, factor, weight):
    premium = root_rate_num(size, 10**9, weight, MYRIAD, factor, MILLION)
    discount = rule.discounted_weight(size, factor, weight, MILLION, MYRIAD)
    assert discount <= weight <= premium
    root = sqrt(size / 10**9) * factor / MILLION
    assert premium == pytest.approx(max(weight, 0.8 * weight + root * MYRIAD), rel=1e-3, abs=3)
    if factor:
        assert discount == pytest.approx(min(weight, 11_000 / (1 + root)), rel=1e-3, abs=3)


@pytest.mark.parametrize(
    ("held", "ordered", "value"),
    [
        (3 * WAD, 7 * WAD, 10 * 4 - 7 * 5),  # bids: 10 at 4, paid 7 at 5
        (3 * WAD, -11 * WAD, -8 * 6 + 11 * 5),  # asks: owes 8 at 6, got 11 at 5
        (3 * WAD, 0, 12),
    ],
)
def test_executed_value(held, ordered, value):
    assert rule.executed_value(held, ordered, 4 * WAD, 6 * WAD, 5 * WAD, WAD) == value * WAD


@pytest.mark.parametrize(
    ("balance", "reserved", "value"),
    [
        (10, 4, 4 * 8),  # owned already: all of it counts as an asset
        (4, 4, 4 * 8),
        (1, 4, 1 * 8 + 3 * 12),  # three of the four fill a debt
        (-5, 4, 4 * 12),
    ],
)
def test_reserved_value(balance, reserved, value):
    assert rule.reserved_value(balance, reserved, 8, 12, 1) == value


@given(signed(), natural(), natural(), natural())
def test_reserved_value_is_the_difference_it_makes(balance, reserved, asset, extra):
    debt = asset + extra

    def weighted(amount):
        return amount * (asset if amount >= 0 else debt)

    assert rule.reserved_value(balance, reserved, asset, debt, 1) == weighted(balance) - weighted(
        balance - reserved
    )


@pytest.mark.parametrize(("limit", "amount"), [(0, 50), (40, 40), (60, 50)])
def test_converted(limit, amount):
    assert rule.converted(10, 5, 1, limit) == amount
