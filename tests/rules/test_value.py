"""What positions and collateral are worth, against the naive fractions."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import naive
from ringfence.rules import value as rule
from ringfence.rules.words import CEIL, FLOOR, WAD
from rules.edges import natural, positive, roundings, signed

pytestmark = pytest.mark.fuzz
scales = st.tuples(positive(40), positive(40))


@pytest.mark.parametrize(
    ("size", "price", "scale", "rounding", "worth"),
    [
        (3, 5, (1, 1), FLOOR, 15),
        (-3, 5, (1, 1), FLOOR, -15),
        (1, 7, (1, 2), FLOOR, 3),  # 3.5
        (-1, 7, (1, 2), FLOOR, -4),  # -3.5: the short owes more
        (-1, 7, (1, 2), CEIL, -3),
        (
            10**8,
            20_000_00,
            (1, 10**4),
            FLOOR,
            20_000_000_000,
        ),  # 1 BTC in satoshi at 20,000.00 USD is 20,000e6 atoms
    ],
)
def test_value_of_a_position(size, price, scale, rounding, worth):
    assert rule.value_q(size, price, *scale, rounding) == worth


@given(signed(), natural(), scales, roundings)
def test_value_and_notional_agree_with_naive(size, price, scale, rounding):
    assert rule.value_q(size, price, *scale, rounding) == naive.value(size, price, scale, rounding)
    assert rule.notional_q(size, price, *scale, rounding) == naive.notional(size, price, scale, rounding)


@given(signed(), natural(), scales)
def test_value_rounds_down_against_the_trader_and_notional_up(size, price, scale):
    worth = rule.value_q(size, price, *scale, FLOOR)
    notional = rule.notional_q(size, price, *scale, CEIL)
    assert worth * scale[1] <= size * price * scale[0]
    assert notional * scale[1] >= abs(size) * price * scale[0]


@given(signed(), natural(), scales)
def test_a_long_and_a_short_of_one_size_lose_at_most_an_atom_together(size, price, scale):
    both = rule.value_q(size, price, *scale, FLOOR) + rule.value_q(-size, price, *scale, FLOOR)
    assert -1 <= both <= 0


@pytest.mark.parametrize(
    ("size", "moved", "received"),
    [
        (10, 3 * WAD, -30),  # longs pay when the index rises
        (-10, 3 * WAD, 30),
        (10, -3 * WAD, 30),
        (1, WAD // 2, -1),  # pays 0.5, rounded against the payer
        (-1, WAD // 2, 0),  # receives 0.5, rounded against the receiver
        (0, WAD, 0),
    ],
)
def test_funding_payment(size, moved, received):
    assert rule.funding_payment_q(size, moved, WAD, FLOOR) == received


@given(signed(), signed(), signed(), roundings)
def test_funding_payment_agrees_with_naive(size, before, now, rounding):
    expected = naive.funding(size, before, now, rounding)
    assert rule.funding_payment_q(size, now - before, WAD, rounding) == expected


@given(signed(), signed())
def test_a_long_and_a_short_never_receive_funding_that_nobody_paid(size, moved):
    longs, shorts = (rule.funding_payment_q(lots, moved, WAD, FLOOR) for lots in (size, -size))
    assert -1 <= longs + shorts <= 0


def test_funding_index_rises_by_the_rate_on_the_worth_of_one_lot():
    # one lot at 2,000 quanta of 1/4 quote atom is worth 500; 100 ppm of it are 0.05 atoms
    assert rule.funding_index_delta(2_000, 100, 10**6, 1, 4, WAD) == WAD // 20
    assert rule.funding_index_delta(2_000, -100, 10**6, 1, 4, WAD) == -WAD // 20


@given(signed(60).filter(bool), signed(60), positive(60))
def test_released_cost_keeps_the_entry_price(size, cost, closed):
    assume(closed <= abs(size))
    released = rule.released_cost_q(cost, size, closed)
    assert abs(released * abs(size) - cost * closed) < abs(size)  # within one atom of the exact share
    assert released * cost >= 0  # towards zero, never across it
    assert abs(released) <= abs(cost)


def test_closing_everything_releases_the_whole_cost():
    assert rule.released_cost_q(12_345, 7, 7) == 12_345
    assert rule.released_cost_q(-12_345, -7, 7) == -12_345


HAIRCUTS = ((0, 100_000), (1_000, 200_000), (5_000, 500_000))
"""10 % of the first 1,000, 20 % up to 5,000, half of what is above."""


def deductions(tiers):
    found, total = [], 0
    for number, (lower, rate) in enumerate(tiers):
        total += lower * (rate - tiers[number - 1][1]) if number else 0
        found.append((lower, rate, total))
    return found


def tiered_collateral(raw):
    rate, deduction = max(t for t in deductions(HAIRCUTS) if t[0] <= max(raw, 0))[1:]
    return rule.collateral_value_q(raw, rate, deduction, 10**6)


@pytest.mark.parametrize(
    ("raw", "worth"),
    [
        (0, 0),
        (1_000, 900),
        (1_001, 900),  # 1,001 - 100.2: the haircut rounds up to 101
        (5_000, 4_100),  # 5,000 - 100 - 800
        (6_000, 4_600),  # ... - 500
        (-70, -70),  # a debt counts in full
    ],
)
def test_collateral_after_a_growing_haircut(raw, worth):
    assert tiered_collateral(raw) == worth


@given(signed())
def test_collateral_agrees_with_naive_slices(raw):
    lowers, rates = zip(*HAIRCUTS, strict=True)
    exact = [naive.Fraction(rate, 10**6) for rate in rates]
    assert tiered_collateral(raw) == naive.haircut_value(raw, lowers, exact)
