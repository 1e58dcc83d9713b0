"""Powers bit for bit as the contract computes them, and the price impact that they make."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.rules import impact as rule
from ringfence.rules.impact import E30
from ringfence.rules.words import WAD
from rules.edges import e30

USD = st.integers(E30, 10**12 * E30)
EXPONENT = st.integers(E30, 3 * E30)


def test_the_roots_of_two_are_the_nearest_to_the_exact_ones():
    for place in (1, 2, 3, 63, 64):
        root = rule.ROOTS[place - 1]
        # (2 root - 1) / 2^65 < 2 ** (2 ** -place) < (2 root + 1) / 2^65, raised to the power 2 ** place
        if place < 4:
            assert (2 * root - 1) ** 2**place < 2 ** (65 * 2**place + 1) < (2 * root + 1) ** 2**place
        else:
            # 2^64 * (1 + ln 2 / 2^place), whose fraction is 1.386 for 63 and 0.693 for 64
            assert root == 2**64 + 1


@pytest.mark.parametrize(
    ("x", "log"),
    [
        (1, 0),
        (2, WAD),
        (1_024, 10 * WAD),
        # log2(10) = 3.321928094887362347870..., cut off place by place
        (10, 3_321928094887362334),
        # log2(1.5) = 0.584962500721156181453...
        (Fraction(3, 2), 584962500721156166),
    ],
)
def test_logarithm(x, log):
    assert rule.log2_wad(int(x * WAD)) == log


def test_powers_of_two_are_exact():
    assert [rule.exp2_wad(n * WAD) for n in (0, 1, 10, 100)] == [2**n * WAD for n in (0, 1, 10, 100)]


def test_a_square_is_off_where_the_contract_is():
    # PricingUtils.ts: 10,000 ** 2 * 1e-8 = 0.99999999999999998123521649
    assert rule.power_wad(10_000 * WAD, 2 * WAD) == 99_999_999_999999998123521649


def test_the_product_of_exponent_and_logarithm_rounds_half_up():
    # log2(2) * 0.5e-18 in wads is half a unit: up to 1, and 2 ** 1e-18 is 1 in 18 decimal places
    assert rule.power_wad(2 * WAD, 1) == WAD


def test_below_one_dollar_there_is_no_power_and_an_exponent_of_one_changes_nothing():
    assert rule.powered_e30(E30 - 1, 2 * E30) == 0
    assert rule.powered_e30(E30 + 1, E30) == E30 + 1
    assert rule.powered_e30(E30, 3 * E30) == E30


@given(USD, USD, EXPONENT)
def test_powers_grow_with_the_amount_up_to_the_last_digits(one, other, exponent):
    low, high = sorted((one, other))
    less, more = rule.powered_e30(low, exponent), rule.powered_e30(high, exponent)
    assert less <= more + more // 10**14


@given(USD, st.sampled_from([2, 3]))
def test_powers_are_close_to_the_exact_ones(amount, exponent):
    exact = Fraction(amount, E30) ** exponent
    found = Fraction(rule.powered_e30(amount, exponent * E30), E30)
    assert abs(found - exact) <= exact / 10**13


def test_powers_beyond_the_contract_are_named():
    assert rule.has_power(e30(10**19), e30(3))
    assert not rule.has_power(e30(10**20), e30(3))  # 3 * log2(1e20) = 199.3
    assert rule.has_power(e30(10**40), E30)
    assert rule.has_power(E30 - 1, e30(10**9))


REWARD, COST = e30("0.00000000003"), e30("0.00000000009")
"""BTC/USD on Arbitrum: config/markets.ts:477."""


def impact(before, after, reward=REWARD, cost=COST):
    return rule.price_impact_e30(e30(before), e30(after), reward, cost, 2 * E30, 2 * E30)


@pytest.mark.parametrize(
    ("before", "after", "usd"),
    [
        # 1,000,000 ** 2 * 9e-11 = 90 to be paid for opening an imbalance, whichever side
        (0, 1_000_000, -90),
        (0, -1_000_000, -90),
        # 30 back for closing it: the reward is a third of the cost
        (1_000_000, 0, 30),
        (-1_000_000, 0, 30),
        # from 2 to 1 million: (4 - 1) * 1e12 * 3e-11
        (2_000_000, 1_000_000, 90),
        (1_000_000, 2_000_000, -270),
        # across balance: 30 earned, 90 paid
        (1_000_000, -1_000_000, -60),
        (-1_000_000, 1_000_000, -60),
        (2_000_000, -1_000_000, 30),
    ],
)
def test_impact_of_a_trade(before, after, usd):
    assert abs(impact(before, after) - usd * E30) <= abs(usd) * E30 // 10**13


@given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9))
def test_going_there_and_back_never_pays(before, after):
    slack = 10**18 * E30 // 10**13  # the power's own last digits, on at most (1e9) ** 2
    assert impact(before, after) + impact(after, before) <= slack * COST // E30


def test_a_reward_factor_above_the_cost_counts_as_the_cost():
    assert impact(1_000_000, 0, reward=5 * COST) == impact(1_000_000, 0, reward=COST)


@pytest.mark.parametrize(("impact_usd", "counted"), [(5, 0), (0, 0), (-3, -3), (-50, -10)])
def test_a_liquidation_counts_no_reward_and_little_cost(impact_usd, counted):
    # at most 1 % of a size of 1,000
    found = rule.impact_in_trigger_e30(impact_usd * E30, 1_000 * E30, E30 // 100)
    assert found == counted * E30
