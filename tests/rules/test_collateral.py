"""Collateral in tokens of the pool: conversion, costs in turn, and how a position ends in v1."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.rules import collateral as rule
from rules.edges import e30

E30 = 10**30
SATS = 10**8
COSTS = st.lists(st.integers(0, 10**9), max_size=4).map(tuple)


def test_tokens_round_against_their_owner():
    assert (rule.tokens_down(10, 3), rule.tokens_up(10, 3), rule.worth_e30(7, 3, 2)) == (3, 4, 10)


def test_a_fee_rounds_up():
    # 10 basis points of 90 USD; of 1,001 atoms one and a bit
    assert rule.trading_fee_e30(e30(90), 10) == e30("0.09")
    assert rule.trading_fee_e30(1_001, 10) == 2


@pytest.mark.parametrize(
    ("available", "cost", "paid", "unpaid"),
    [
        (10, 7, 3, 0),  # at 3 a token: 2.33 tokens, so 3
        (3, 9, 3, 0),
        (3, 10, 3, 1),
        (0, 5, 0, 5),
        (5, 0, 0, 0),
    ],
)
def test_a_cost_is_taken_in_whole_tokens(available, cost, paid, unpaid):
    assert rule.pay_cost(available, cost, 3) == (paid, unpaid)


def test_costs_are_paid_in_turn_until_nothing_is_left():
    # 100 tokens at 2: 30 for the first cost, 70 of 80 for the second, none for the third
    assert rule.payout(100, 0, (60, 160, 8), 2) == (0, (30, 70, 0), 20 + 8)
    # 15 tokens of profit stand for costs as well
    assert rule.payout(100, 15, (60, 160), 2) == (5, (30, 80), 0)


@given(st.integers(0, 10**9), st.integers(0, 10**9), COSTS, st.integers(1, 10**6))
def test_a_payout_conserves_tokens_and_value(collateral, profit, costs, price):
    left, taken, unpaid = rule.payout(collateral, profit, costs, price)
    assert left + sum(taken) == collateral + profit
    assert sum(costs) <= sum(taken) * price + unpaid < sum(costs) + price * (len(costs) + 1)
    assert unpaid == 0 or left == 0


@pytest.mark.parametrize(
    ("collateral", "pnl", "size", "state"),
    [
        # liquidateLongPosition.js: 90 USD at 50x, fees 0.09 and 5; 9.91 less 4.82 is the last that stands
        ("9.91", "-4.82", 90, 0),
        ("9.91", "-4.820001", 90, 1),
        ("9.91", "-10", 90, 1),
        # 1,000 USD: 20 USD are 50x, and the smaller remainder of 6 is still more than the fees
        ("99", "-79", 1_000, 0),
        ("99", "-79.000001", 1_000, 2),
        ("99", "-93", 1_000, 2),
        ("99", "-93.000001", 1_000, 1),
        # profit counts
        ("2", "10", 90, 0),
    ],
)
def test_liquidation_state(collateral, pnl, size, state):
    fees = rule.trading_fee_e30(e30(size), 10)
    found = rule.liquidation_state(e30(collateral), e30(pnl), fees, e30(5), e30(size), 500_000)
    assert found == state


def test_a_seized_long_leaves_its_collateral_in_the_pool_that_holds_it():
    # liquidateLongPosition.js:142-181: fee 0.09 and reward 5 USD at 43,500
    assert rule.seized(e30("9.91"), e30("0.09"), e30(5), e30(43_500), SATS, True) == (
        206,
        -206 - 11_494,
        11_494,
    )


def test_a_seized_short_brings_its_collateral_into_the_pool():
    # liquidateShortPosition.js: 9.82 come in, 5 go to the liquidator
    fees, gained, reward = rule.seized(e30("9.91"), e30("0.09"), e30(5), E30, 10**18, False)
    assert (fees, gained, reward) == (9 * 10**16, 482 * 10**16, 5 * 10**18)


def test_a_short_without_collateral_beyond_its_fees_brings_nothing():
    assert rule.seized(1, 2, 0, 1, 1, False) == (2, 0, 0)


def test_a_closed_long_is_paid_out_of_the_pool():
    # liquidateLongPosition.js, automatic stop-loss: 99 less 79.0243902439 at 37,760; 2,648 sats are the fee
    loss = 79_024390243902439024390243902439
    assert rule.closed(e30(99), -loss, E30, e30(37_760), SATS, True) == (2_648, -52_901, 50_253)


@pytest.mark.parametrize(("pnl", "gained"), [(-90, 90), (40, -40)])
def test_a_closed_short_moves_its_pnl_into_or_out_of_the_pool(pnl, gained):
    fees, moved, paid = rule.closed(e30(99), e30(pnl), E30, E30, 1, False)
    assert (fees, moved, paid) == (1, gained, 99 + pnl - 1)
