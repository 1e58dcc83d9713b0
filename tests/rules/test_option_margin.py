"""Options margined by themselves and netted per expiry."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.rules import option_margin as rule
from ringfence.rules.words import CEIL, FLOOR
from rules.edges import natural, roundings, signed

pytestmark = pytest.mark.fuzz
rates = st.integers(0, 1_500)
"""Over a denominator of 1,000."""


@pytest.mark.parametrize(
    ("strike", "price", "is_call", "inside", "outside"),
    [
        (1_400, 1_500, True, 100, 0),
        (1_400, 1_500, False, 0, 100),
        (1_500, 1_400, True, 0, 100),
        (1_500, 1_400, False, 100, 0),
        (1_400, 1_400, True, 0, 0),
        (0, 1_400, False, 0, 1_400),  # a put with a strike of zero never pays
    ],
)
def test_moneyness(strike, price, is_call, inside, outside):
    assert rule.in_the_money(strike, price, is_call) == inside
    assert rule.out_of_the_money(strike, price, is_call) == outside


@given(natural(), natural(), st.booleans())
def test_an_option_is_never_both_in_and_out_of_the_money(strike, price, is_call):
    inside = rule.in_the_money(strike, price, is_call)
    outside = rule.out_of_the_money(strike, price, is_call)
    assert min(inside, outside) == 0
    assert max(inside, outside) == abs(strike - price)


@pytest.mark.parametrize(
    ("mark", "out", "initial", "maintenance"),
    [
        # Aevo: 2 calls short, spot 1,400; initial max(15 % - OTM / spot, 10 %) x 2,800, maintenance 10 % x 2,800
        (200, 0, 620, 480),  # at the money: 15 % x 2,800 + 200
        (140, 100, 460, 420),  # 100 out: 420 - 100 = 320 above the floor of 280, + 140
        (4, 1_200, 284, 284),  # far out: the floor of 10 %
    ],
)
def test_short_call(mark, out, initial, maintenance):
    assert rule.short_initial_q(mark, 2_800, out, 15, 10, 100, CEIL) == initial
    assert rule.short_maintenance_q(mark, 2_800, 10, 0, 100, CEIL) == maintenance


def test_short_put_deep_in_the_money_asks_a_share_of_its_mark():
    # Derive's published case: put struck at 7,400, spot 2,000, mark 5,399.0865: 7.5 % of the mark beats 7.5 % of spot,
    # 5,399.0865 x 1.075 = 5,804.0180 ("mm": -5804, test-cases-portfolio.json at v2-core@7736900d)
    assert rule.short_maintenance_q(53_990_865, 20_000_000, 75, 75, 1_000, FLOOR) == 58_040_179


@given(natural(), natural(), natural(), rates, rates, roundings)
def test_margin_of_a_short_option_is_its_formula(mark, underlying, out, high, low, rounding):
    exact = mark + max(underlying * Fraction(high, 1_000) - out, underlying * Fraction(low, 1_000))
    found = rule.short_initial_q(mark, underlying, out, high, low, 1_000, rounding)
    assert abs(found - exact) < 1
    assert found >= mark
    flat = mark + max(underlying * Fraction(high, 1_000), mark * Fraction(low, 1_000))
    assert abs(rule.short_maintenance_q(mark, underlying, high, low, 1_000, rounding) - flat) < 1


@given(natural(), natural(), natural(), natural(), rates)
def test_the_further_out_of_the_money_the_less_is_asked(mark, underlying, out, further, low):
    near = rule.short_initial_q(mark, underlying, out, 1_500, low, 1_000, CEIL)
    assert rule.short_initial_q(mark, underlying, out + further, 1_500, low, 1_000, CEIL) <= near


@pytest.mark.parametrize(
    ("isolated", "worst", "unpaired", "asked"),
    [
        (627, -200, 0, 200),  # a call spread of 200 can lose no more than that
        (173, -200, 0, 173),  # ... and may ask less where the short call alone does
        (514, 100, 0, 0),  # a spread that always pays asks nothing
        (574, -200, 165, 365),  # one tenth of a call more sold than bought, at 110 % of a forward of 1,500
    ],
)
def test_expiry(isolated, worst, unpaired, asked):
    assert rule.expiry_q(isolated, worst, unpaired) == asked


@given(natural(), signed(), natural())
def test_an_expiry_never_asks_more_than_its_shorts_alone(isolated, worst, unpaired):
    assert 0 <= rule.expiry_q(isolated, worst, unpaired) <= isolated
