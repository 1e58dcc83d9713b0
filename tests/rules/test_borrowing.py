"""Fees for what the pool keeps reserved."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.rules import borrowing as rule
from ringfence.rules.borrowing import E30

DAYS_14 = 14 * 24 * 60 * 60
SHARE = st.integers(0, E30)


def test_a_rate_in_proportion_to_the_reserve():
    # BorrowingFees.ts: 200,000 of 5,000,000 USD reserved at 1e-7 a second; 967.68 USD on 200,000 after 14 days
    rate = rule.utilized_rate_e30(200_000 * E30, 5_000_000 * E30, E30 // 10**7)
    assert rate == 4 * E30 // 10**9
    assert rule.accrued_fee_e30(200_000 * E30, rate, DAYS_14) == 967_68 * E30 // 100
    # 150,000 of 1,000,000 at 2e-7 a second; 5,443.2 USD on 150,000
    rate = rule.utilized_rate_e30(150_000 * E30, 1_000_000 * E30, 2 * E30 // 10**7)
    assert rule.accrued_fee_e30(150_000 * E30, rate, DAYS_14) == 54_432 * E30 // 10


@pytest.mark.parametrize(
    ("used", "rate"),
    [(0, 0), (50, 30), (75, 45), (80, 48 + 12), (100, 60 + 60)],  # 60 % base, 120 % at full use, 75 % optimal
)
def test_a_rate_with_a_kink(used, rate):
    percent = E30 // 100
    assert rule.kinked_rate_e30(used * percent, 75 * percent, 60 * percent, 120 * percent) == rate * percent


@given(SHARE, SHARE)
def test_more_use_never_costs_less(one, other):
    low, high = sorted((one, other))
    terms = (E30 * 3 // 4, E30 // 2, E30)
    assert rule.kinked_rate_e30(low, *terms) <= rule.kinked_rate_e30(high, *terms)


def test_without_a_steeper_part_the_rate_is_straight():
    assert rule.kinked_rate_e30(E30, E30 // 2, E30 // 2, E30 // 2) == E30 // 2
    assert rule.kinked_rate_e30(E30, E30, E30 // 2, E30) == E30 // 2


def test_usage_is_the_larger_of_reserve_and_open_interest():
    assert rule.usage_e30(1, 4) == E30 // 4
    assert rule.usage_e30(1, 4, 3, 4) == 3 * E30 // 4
    assert rule.usage_e30(3, 4, 1, 4) == 3 * E30 // 4


def test_a_rate_by_the_interval():
    # liquidateLongPosition.js:194-250: 600 intervals, factor 600, 90,000 of 109,610 sats reserved: 0.295593 of 90 USD
    risen = rule.interval_rate_ppm(600, 90_000, 109_610, 600)
    assert risen == 295_593
    assert rule.interval_fee_e30(90 * E30, risen) == 26_60337 * E30 // 10**5
    assert rule.interval_rate_ppm(600, 5, 0, 600) == 0
