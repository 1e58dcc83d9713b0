"""A lending market's rules: Aave's published percentages, close factors and what must hold for every account."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.rules import lending as rule
from ringfence.rules.lending import BPS, HALF_UP
from ringfence.rules.words import CEIL, FLOOR, WAD
from rules.edges import natural, positive

pytestmark = pytest.mark.fuzz
bps = st.integers(0, 3 * BPS)
USD = 10**8


@pytest.mark.parametrize(
    ("function", "value", "share", "rounding", "result"),
    [
        # aave-v3-origin tests/protocol/libraries/math/PercentageMath.t.sol
        (rule.percent_mul, 14_251500000000000000, 7_442, HALF_UP, 10_605966300000000000),
        (rule.percent_div, 14_251500000000000000, 7_442, HALF_UP, 19_150094060736361193),
        (rule.percent_div, 9_087_312 * 10**27, 1_333, HALF_UP, 68171882970742685671417854463615904),
        (rule.percent_mul, 1, 1, CEIL, 1),
        (rule.percent_mul, 1, 1, FLOOR, 0),
        (rule.percent_div, 5, 3, CEIL, 16_667),
        (rule.percent_mul, 5_000, 1, HALF_UP, 1),  # one half goes up
        (rule.percent_mul, 4_999, 1, HALF_UP, 0),
    ],
)
def test_published_percentages(function, value, share, rounding, result):
    assert function(value, share, rounding) == result


@given(natural(), bps, positive(40))
def test_half_up_is_the_nearest(value, factor, scale):
    exact = Fraction(value * factor, scale)
    assert abs(rule.fixed_mul(value, factor, scale, HALF_UP) - exact) <= Fraction(1, 2)
    # The venue adds half of the scale, cut, before it divides: PercentageMath.sol.
    assert rule.fixed_mul(value, factor, scale, HALF_UP) == (value * factor + scale // 2) // scale


def test_health_factor_of_an_account_borrowed_to_its_loan_to_value():
    # 1 WETH at 1,800 with a threshold of 86 %, 82.5 % of it borrowed: 0.86 / 0.825
    assert rule.health_factor_wad(1_800 * USD * 8_600, 1_485 * USD) == 1_042424242424242424


@given(natural(), positive())
def test_health_factor_rounds_by_less_than_two_steps(weighted, debt):
    exact = Fraction(weighted * WAD, debt * BPS)
    assert abs(rule.health_factor_wad(weighted, debt) - exact) < 2


@pytest.mark.parametrize(
    ("health", "collateral", "debt", "factor"),
    [
        (Fraction(97, 100), 180_000, 160_000, 5_000),
        (Fraction(95, 100), 180_000, 160_000, BPS),  # at the limit: all
        (Fraction(97, 100), 1_999, 160_000, BPS),
        (Fraction(97, 100), 180_000, 1_999, BPS),
        (Fraction(97, 100), 2_000, 2_000, 5_000),
    ],
)
def test_close_factor(health, collateral, debt, factor):
    limit = 95 * WAD // 100
    given = (int(health * WAD), limit, collateral * USD, debt * USD, 2_000 * USD, 5_000)
    assert rule.close_factor_bps(*given) == factor


@pytest.mark.parametrize(
    ("debt", "total", "factor", "most"),
    [
        (1_000, 1_000, 5_000, 500),
        (400, 1_000, 5_000, 400),  # half of all debts is more than this one
        (1_000, 1_000, BPS, 1_000),
    ],
)
def test_half_of_all_debts_may_come_out_of_one(debt, total, factor, most):
    unit = 10**6
    assert rule.liquidatable_debt(debt * unit, debt * USD, total * USD, factor, USD, unit) == most * unit


def test_seizing_pays_the_bonus_and_the_protocol_out_of_it():
    # 8,000 USDX at 1 for WETH at 1,800 with 5 %: 4.444 WETH and 0.2222 more, a tenth of that to the protocol.
    base = rule.collateral_for_debt(8_000 * 10**6, USD, 10**6, 1_800 * USD, WAD)
    taken = rule.seized(base, 10_500, FLOOR)
    assert (base, taken) == (4_444444444444444444, 4_666666666666666666)
    assert rule.protocol_fee(taken, 10_500, 1_000, FLOOR, CEIL) == 22222222222222223
    assert rule.protocol_fee(taken, 10_500, 1_000, HALF_UP, HALF_UP) == 22222222222222222


@given(positive(80), st.integers(BPS, 2 * BPS), st.integers(0, BPS))
def test_newer_rounding_never_favours_the_liquidator(base, bonus, fee):
    taken, before = rule.seized(base, bonus, FLOOR), rule.seized(base, bonus, HALF_UP)
    assert taken <= before <= taken + 1
    mine = taken - rule.protocol_fee(taken, bonus, fee, FLOOR, CEIL)
    assert mine <= taken - rule.protocol_fee(taken, bonus, fee, HALF_UP, HALF_UP)


@given(positive(80), positive(40), positive(40), st.integers(BPS, 2 * BPS))
def test_all_collateral_repays_what_it_would_be_seized_for(amount, price, debt_price, bonus):
    repaid = rule.debt_for_all(amount, price, WAD, debt_price, 10**6, bonus, CEIL)
    exact = Fraction(amount * price * 10**6 * BPS, WAD * debt_price * bonus)
    assert exact - 1 <= repaid <= exact + 1


@pytest.mark.parametrize(
    ("debt", "collateral", "dust"),
    [(999, 5_000, True), (5_000, 999, True), (0, 999, False), (1_000, 1_000, False)],
)
def test_dust_may_not_be_left(debt, collateral, dust):
    assert rule.leaves_dust(debt, collateral, 1_000) is dust


@pytest.mark.parametrize(("debt", "left"), [(1_400, 85), (1_485, 0), (1_600, 0)])
def test_available_borrows(debt, left):
    assert rule.available_borrows(1_800, 8_250, debt) == left


@pytest.mark.parametrize(
    ("amount", "allowed"), [(100_000_000, True), (100_010_000, False), (100_009_999, True)]
)
def test_the_debt_ceiling_counts_whole_cents(amount, allowed):
    # 900 USD of a ceiling of 1,000 are used; USDX has 6 decimals, so 100.009999 more is 100.00 when cut.
    assert rule.within_ceiling(90_000, amount, 10**6, 100_000) is allowed


@given(natural(), positive(), positive())
def test_collateral_is_worth_no_more_and_debt_no_less(amount, price, unit):
    assert rule.collateral_worth(amount, price, unit) * unit <= amount * price
    assert rule.debt_worth(amount, price, unit) * unit >= amount * price
