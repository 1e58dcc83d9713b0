"""Initial and maintenance margin: flat, tiered, open-interest scaled, with leverage; against naive slices."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

import naive
from ringfence.rules import requirement as rule
from ringfence.rules.words import CEIL, FLOOR, PPM
from rules.edges import natural, positive, ppm, roundings

pytestmark = pytest.mark.fuzz


@st.composite
def tables(draw):
    """Rising lower bounds from zero with rising rates, and the deductions that the rule derives for them."""
    count = draw(st.integers(1, 5))
    lowers = [0, *sorted(draw(st.sets(positive(80), min_size=count - 1, max_size=count - 1)))]
    den = draw(positive(30))
    rates = sorted(draw(st.lists(st.integers(0, den), min_size=count, max_size=count)))
    taken, deductions = 0, []
    for lower, rate, below in zip(lowers, rates, [rates[0], *rates], strict=False):
        taken = rule.tier_deduction(taken, lower, rate, below)
        deductions.append(taken)
    return lowers, rates, deductions, den


def tiered(notional, table, rounding):
    lowers, rates, deductions, den = table
    at = naive.tier_number(notional, lowers)
    return rule.tiered_q(notional, rates[at], deductions[at], den, rounding)


@given(natural(), natural(40), positive(40), roundings)
def test_flat_fraction(notional, num, den, rounding):
    assert rule.fraction_q(notional, num, den, rounding) == naive.ROUNDINGS[rounding](
        notional * Fraction(num, den)
    )


def test_tiers_by_hand():
    # 2 % up to 1,000, 5 % up to 4,000, 10 % above: 5,000 asks 20 + 150 + 100
    table = ([0, 1_000, 4_000], [2, 5, 10], [0, 3_000, 23_000], 100)
    assert rule.tier_deduction(3_000, 4_000, 10, 5) == 23_000
    assert [tiered(n, table, CEIL) for n in (0, 999, 1_000, 4_000, 5_000)] == [0, 20, 20, 170, 270]


@given(tables(), natural(), roundings)
def test_deductions_equal_the_sum_of_marginal_slices(table, notional, rounding):
    lowers, rates, _, den = table
    slices = naive.marginal(notional, lowers, [Fraction(rate, den) for rate in rates])
    assert tiered(notional, table, rounding) == naive.ROUNDINGS[rounding](slices)


@given(tables(), st.data())
def test_tiers_are_continuous_where_they_meet(table, data):
    lowers, rates, deductions, den = table
    at = data.draw(st.integers(0, len(lowers) - 1))
    below, here = max(at - 1, 0), at
    boundary = lowers[at]
    assert boundary * rates[below] - deductions[below] == boundary * rates[here] - deductions[here]
    assert abs(tiered(boundary, table, CEIL) - tiered(max(boundary - 1, 0), table, CEIL)) <= 1 or den == 1


@given(tables(), natural(), natural())
def test_more_notional_never_asks_less(table, first, second):
    low, high = sorted((first, second))
    assert tiered(low, table, CEIL) <= tiered(high, table, CEIL)


@given(tables(), natural())
def test_requirements_round_against_the_trader(table, notional):
    assert 0 <= tiered(notional, table, CEIL) - tiered(notional, table, FLOOR) <= 1


@pytest.mark.parametrize(
    ("open_notional", "fraction"),
    [
        (0, 50_000),
        (20, 50_000),  # at the lower cap: the base fraction
        (21, 50_000 + 950_000 // 30),  # one thirtieth of the way to 100 %
        (35, 525_000),  # half way
        (49, 50_000 + 950_000 * 29 // 30),
        (50, PPM),
        (51, PPM),
    ],
)
def test_open_interest_scaled_fraction(open_notional, fraction):
    assert rule.open_interest_fraction_ppm(50_000, open_notional, 20, 50) == fraction


def test_an_upper_cap_of_zero_switches_open_interest_scaling_off():
    assert rule.open_interest_fraction_ppm(50_000, 10**30, 0, 0) == 50_000


@given(ppm, natural(), natural(), natural())
def test_open_interest_fraction_agrees_with_naive(initial, open_notional, lower, upper):
    found = rule.open_interest_fraction_ppm(initial, open_notional, lower, upper)
    assert found == naive.open_interest_fraction(initial, open_notional, lower, upper)
    assert initial <= found <= PPM


@given(natural(), ppm, ppm)
def test_maintenance_of_initial_rounds_up_twice(notional, initial, share):
    exact = notional * Fraction(initial, PPM) * Fraction(share, PPM)
    assert 0 <= rule.maintenance_of_initial_q(notional, initial, share, CEIL) - exact < 2


@pytest.mark.parametrize(
    ("leverage", "asked"),
    [
        ((0, 1), 200),  # none chosen: the rule's 20 %
        ((5, 1), 200),
        ((2, 1), 500),
        ((5, 2), 400),
        ((3, 1), 334),  # 333.3 rounds up
        ((50, 1), 200),  # a higher leverage than the rule allows changes nothing
    ],
)
def test_a_chosen_leverage_raises_the_initial_margin_of_1000(leverage, asked):
    assert rule.with_leverage_q(200, 1_000, *leverage, CEIL) == asked


@given(natural(), natural(), positive(40), positive(40))
def test_leverage_never_lowers_the_requirement(required, notional, num, den):
    asked = rule.with_leverage_q(required, notional, num, den, CEIL)
    assert asked == max(required, naive.ceil(Fraction(notional * den, num)))


@given(natural(), natural(), ppm)
def test_withdrawals_keep_the_larger_of_initial_margin_and_the_floor(initial, notional, floor_ppm):
    kept = rule.withdrawal_q(initial, notional, floor_ppm, CEIL)
    assert kept == max(initial, naive.ceil(notional * Fraction(floor_ppm, PPM)))


@pytest.mark.parametrize(
    ("size", "cap", "rate"),
    [
        (0, 0, 20_000),  # 2 %
        (100, 0, 20_000 + 12_320),  # 100 / 12,500 x 154 %: BTC on Base, Synthetix v3
        (100, 30_000, 30_000),
    ],
)
def test_a_rate_grows_with_the_share_of_depth(size, cap, rate):
    assert rule.skew_rate_num(size, 12_500, 20_000, 1_540_000, cap, 0) == rate


@pytest.mark.parametrize(
    ("units", "factor", "rate"),
    [
        (20, 5_000, 623),  # 0.8 x 5 % + 0.005 x 4.47213 = 6.236 %, cut off at hundredths of a percent
        (1, 5_000, 500),  # 4 % + 0.5 % is less than 5 %
        (20, 0, 500),
    ],
)
def test_a_rate_grows_with_the_square_root_of_size(units, factor, rate):
    assert rule.root_rate_num(units * 10**9, 10**9, 500, 10_000, factor, 10**6) == rate


@pytest.mark.parametrize(
    ("notional", "upper", "cost"),
    [(300_000, 2_000, 1_050), (1_000, 2_000, 20), (1_000_000, 2_000, 2_000), (1_000_000, 0, 3_500)],
)
def test_the_cost_of_closing_stays_within_its_bounds(notional, upper, cost):
    """0.35 % of the notional, at least 20: the fee table of Synthetix v2, PerpsV2Market.js:6103."""
    assert rule.close_cost_q(notional, 35, 10_000, 20, upper, 0) == cost


@pytest.mark.parametrize(
    ("profit", "cap", "uncounted"), [(150, 100, 50), (100, 100, 0), (-7, 100, 0), (5, 0, 5)]
)
def test_profit_beyond_the_cap_does_not_count(profit, cap, uncounted):
    assert rule.uncounted_profit_q(profit, cap) == uncounted
