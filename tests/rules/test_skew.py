"""Fill price, premium, funding and margin rates of a market with a skew scale, to the wei."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ringfence.rules import skew as rule
from ringfence.rules.words import WAD
from rules.edges import natural, positive, signed, wad

pytestmark = pytest.mark.fuzz


@pytest.mark.parametrize(
    ("price", "skew", "size", "scale", "fill"),
    [
        ("1200", "0", "100", "1000000", "1200.06"),  # mean of 1200 and 1200 x 1.0001
        ("1200", "100", "-100", "1000000", "1200.06"),  # back again: the same price
        ("250", "60", "-20", "100000", "250.125"),  # mean of 250 x 1.0006 and 250 x 1.0004
        ("30000", "0", "-2", "100", "29700"),  # a short in an even market: mean of 30,000 and 30,000 x 0.98
        ("5", "0", "7", "0", "5"),  # no scale, no premium
        ("0.000000000000000003", "0", "1", "2", "0.000000000000000003"),  # 1.5 wei of premium, cut off twice
    ],
)
def test_fill_price(price, skew, size, scale, fill):
    assert rule.fill_price_wad(*map(wad, (price, skew, size, scale))) == wad(fill)


@given(positive(), signed(), signed(), positive())
def test_fill_price_lies_between_the_prices_before_and_after(price, skew, size, scale):
    ends = [rule.skewed_price_wad(price, at, scale) for at in (skew, skew + size)]
    assert min(ends) <= rule.fill_price_wad(price, skew, size, scale) <= max(ends)


@given(positive(64), signed(64), signed(64), positive(64))
def test_a_round_trip_costs_nothing_but_fees(price, skew, size, scale):
    there = rule.fill_price_wad(price, skew, size, scale)
    assert rule.fill_price_wad(price, skew + size, -size, scale) == there


@pytest.mark.parametrize(
    ("size", "skew", "fee"),
    [
        ("10", "0", "3"),  # an even market: taker, 10 x 100 x 0.003
        ("10", "5", "3"),  # adds to the skew: taker
        ("-10", "25", "1"),  # takes from it: maker, 0.001
        ("-10", "10", "1"),  # to exactly even: maker
        ("-10", "4", "2.2"),  # 4 make (0.4), 6 take (1.8)
        ("10", "-4", "2.2"),
    ],
)
def test_order_fee(size, skew, fee):
    assert rule.order_fee_wad(*map(wad, (size, "100", skew, "0.001", "0.003"))) == wad(fee)


@given(signed(), positive(), signed(), positive(60))
def test_order_fee_lies_between_the_two_rates(size, price, skew, rate):
    assume(size and rate < WAD)
    worth = rule.notional_wad(size, price)
    fee = rule.order_fee_wad(size, price, skew, 0, rate)
    assert 0 <= fee <= worth * rate // WAD
    assert rule.order_fee_wad(size, price, skew, rate, rate) >= fee


@pytest.mark.parametrize(
    ("size", "price", "scale", "multiplier", "premium"),
    [
        ("-100", "1200", "1000000", "1", "12"),  # 0.0001 x 120,000
        ("100", "1200", "1000000", "1.5625", "18.75"),
        ("20", "250", "100000", "1", "1"),
        ("20", "250", "0", "1", "0"),
    ],
)
def test_premium(size, price, scale, multiplier, premium):
    assert rule.premium_wad(*map(wad, (size, price, scale, multiplier))) == wad(premium)


def test_funding_rate_of_the_contracts_own_example():
    # 0.0025 x 29,000 / 86,400, each quotient cut off at 18 places
    days = rule.elapsed_wad(29_000)
    assert days == 335_648_148_148_148_148
    assert rule.funding_rate_wad(0, wad("0.0025"), days) == 839_120_370_370_370


@pytest.mark.parametrize(
    ("skew", "velocity"),
    [("300", "0.00075"), ("-300", "-0.00075"), ("10000", "0.025"), ("90000", "0.025"), ("-90000", "-0.025")],
)
def test_velocity_stops_at_the_scale(skew, velocity):
    assert rule.funding_velocity_wad(wad(skew), wad(10_000), wad("0.025")) == wad(velocity)


def test_funding_is_paid_by_the_side_that_prevails():
    # a long of 20 for a day at rates from 0 to 0.006 and a price of 2,000: 20 x 0.003 x 2,000 = 120
    per_unit = rule.funding_per_unit_wad(0, wad("0.006"), rule.elapsed_wad(86_400), wad(2000))
    assert rule.accrued_funding_wad(wad(20), per_unit) == wad(-120)
    assert rule.accrued_funding_wad(wad(-20), per_unit) == wad(120)


@given(signed(), natural(), natural(), signed(60), signed(60))
def test_funding_of_both_sides_adds_up_to_nothing(size, days, price, before, after):
    per_unit = rule.funding_per_unit_wad(before, after, days, price)
    assert rule.accrued_funding_wad(size, per_unit) + rule.accrued_funding_wad(-size, per_unit) == 0


@pytest.mark.parametrize(
    ("size", "scale", "slope", "least", "most", "ratio"),
    [
        ("-2", "100", "2", "0.01", "0", "0.05"),  # 0.02 x 2 + 0.01
        ("100", "12500", "1.54", "0.02", "0", "0.03232"),
        ("0", "12500", "1.54", "0.02", "0", "0.02"),
        ("90", "100", "2", "0.01", "0.6", "0.6"),  # 1.81 without the cap
        ("5", "0", "2", "0.01", "0", "0.01"),
    ],
)
def test_initial_ratio(size, scale, slope, least, most, ratio):
    assert rule.initial_ratio_wad(*map(wad, (size, scale, slope, least, most))) == wad(ratio)


def test_maintenance_margin_of_100_btc():
    # (100 / 12,500 x 1.54 + 0.02) x 0.28 = 0.0090496 of 6,000,000, and 15
    ratio = rule.maintenance_ratio_wad(wad("0.03232"), wad("0.28"))
    assert ratio == wad("0.0090496")
    assert rule.margin_wad(wad(6_000_000), ratio, wad(15)) == wad("54312.6")


@pytest.mark.parametrize(
    ("worth", "leverage", "least", "kept"),
    [
        ("9999", "10", "100", "1000.001"),  # 9,999 / 9.999 and a thousandth
        ("99.99", "10", "100", "100.001"),  # the least margin of an open position
        ("0", "10", "100", "0"),  # nothing open, nothing kept
    ],
)
def test_inaccessible_margin(worth, leverage, least, kept):
    assert rule.inaccessible_wad(*map(wad, (worth, leverage, least))) == wad(kept)


@pytest.mark.parametrize(
    ("size", "entry", "left", "maintenance", "per_unit", "shown"),
    [
        # PerpsV2Market.js:5740: margin 994.9975 less a premium of 1; 20 + 12.5 to keep; 48.074875 up
        ("-20", "250.125", "993.9975", "32.5", "0", "298.199875"),
        # PerpsV2Market.js:5600: margin 969.994 less a premium of 4; 35 + 25 to keep; seconds of funding paid
        ("40", "250.05", "965.994", "60", "-0.000000000003014", "227.400150000003014"),
        ("1", "100", "500", "1", "0", "0"),  # less than 1x: never
    ],
)
def test_the_liquidation_price_that_is_shown(size, entry, left, maintenance, per_unit, shown):
    found = rule.approximate_liquidation_price_wad(*map(wad, (size, entry, left, maintenance, per_unit)))
    assert found == wad(shown)


@pytest.mark.parametrize(
    ("amount", "scale", "scalar", "share"),
    [
        ("100", "35000", "1", "0.01"),  # 0.29 %: the lower bound
        ("1750", "35000", "1", "0.05"),
        ("1750", "35000", "0.5", "0.025"),
        ("9000", "35000", "1", "0.075"),  # 25.7 %: the upper bound
        ("9000", "0", "1", "0"),
    ],
)
def test_discount_grows_with_the_amount_between_two_bounds(amount, scale, scalar, share):
    assert rule.discount_wad(*map(wad, (amount, scale, scalar, "0.01", "0.075"))) == wad(share)


@given(natural(), natural(), st.integers(0, WAD))
def test_collateral_after_its_haircut_never_gains(amount, worth, share):
    assert 0 <= rule.discounted_wad(worth, share) <= worth
    assert rule.discounted_wad(worth, 0) == worth
