"""A pool as the counterparty: what it owes, lets out, and when it closes winners."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.rules import pool as rule
from ringfence.rules.pool import E30
from rules.edges import e30

AMOUNT = st.integers(0, 10**30)
SHARE = st.integers(0, E30)


def test_each_side_is_measured_at_the_price_that_is_worse_for_it():
    assert (rule.pnl_price(90, 110, True), rule.pnl_price(90, 110, False)) == (90, 110)


@pytest.mark.parametrize(("price", "is_long", "gain"), [(12, True, 20), (12, False, -20), (9, False, 10)])
def test_pnl(price, is_long, gain):
    assert rule.pnl(10, 100, price, is_long) == gain


@pytest.mark.parametrize(
    ("profit", "side", "cap", "paid"),
    [
        # testPositionUtils.ts:60-121: 450,000 of profit, of which a pool of 100,000 pays half of itself
        (450_000, 450_000, 50_000, 50_000),
        (50_000, 50_000, 50_000, 50_000),  # at the cap nothing is cut
        (100, 300, 200, 66),  # two thirds each, rounded down
        (200, 300, 200, 133),
        (-100, 300, 200, -100),  # who loses pays all of it
        (100, -50, 0, 100),  # a side that loses as a whole is owed nothing: its winner is paid in full
        (100, 100, 0, 0),
    ],
)
def test_capped_profit(profit, side, cap, paid):
    assert rule.capped_profit(profit, side, cap) == paid


@given(st.lists(AMOUNT, min_size=1, max_size=5), AMOUNT)
def test_winners_together_never_get_more_than_the_cap(profits, cap):
    paid = [rule.capped_profit(profit, sum(profits), cap) for profit in profits]
    assert sum(paid) <= max(cap, 0) or sum(profits) <= cap
    assert all(0 <= got <= profit for got, profit in zip(paid, profits, strict=True))


def test_the_share_of_a_side_goes_towards_zero():
    assert rule.pnl_factor_e30(1, 3) == 333333333333333333333333333333
    assert rule.pnl_factor_e30(-1, 3) == -333333333333333333333333333333
    assert rule.pnl_factor_e30(5, 0) == 0


@pytest.mark.parametrize(
    ("profit", "due"),
    # AdlOrder.ts:30-78: 2 of 10 million is more than a tenth; exactly a tenth is not
    [(2_000_000, True), (1_000_000, False), (1_000_001, True), (-5, False)],
)
def test_deleveraging_is_due_above_the_trigger(profit, due):
    assert rule.deleveraging_due(profit, 10_000_000, e30("0.1")) is due


@pytest.mark.parametrize(
    ("paid", "stands"),
    [
        (100_000, True),
        (0, False),  # what closes nothing lowers nothing
        # (2,000,000 - x) / (10,000,000 - x) = 0.02 at x = 1,800,000 / 0.98 = 1,836,734.69
        (1_836_734, True),
        (1_836_735, False),
    ],
)
def test_a_step_lowers_what_is_owed_and_stops_at_the_floor(paid, stands):
    before, reserve = 2_000_000, 10_000_000
    assert rule.deleveraging_stands(before, reserve, before - paid, reserve - paid, e30("0.02")) is stands


@given(AMOUNT, SHARE)
def test_a_cap_is_at_most_the_reserve(reserve, share):
    assert 0 <= rule.share_of_reserve(reserve, share) <= reserve
