"""Positions with an average price: PnL, and the average after they grow."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ringfence.rules import average as rule

E30 = 10**30
SIZE = st.integers(1, 10**36)
PRICE = st.integers(10**28, 10**36)


@pytest.mark.parametrize(
    ("price", "is_long", "pnl"),
    [
        # 90 USD from 41,000: liquidateLongPosition.js:112-133
        (43_500, True, 5_487804878048780487804878048780),
        (38_700, True, -5_048780487804878048780487804878),
        (43_500, False, -5_487804878048780487804878048780),
        (38_700, False, 5_048780487804878048780487804878),
        (41_000, True, 0),
        (41_000, False, 0),
    ],
)
def test_pnl(price, is_long, pnl):
    assert rule.pnl_e30(90 * E30, 41_000 * E30, price * E30, is_long) == pnl


def test_a_profit_is_a_matter_of_the_price_alone():
    assert rule.in_profit(100, 101, True)
    assert rule.in_profit(100, 99, False)
    assert not rule.in_profit(100, 100, True)
    assert not rule.in_profit(100, 100, False)


@pytest.mark.parametrize(("price", "pnl"), [(10_075, 0), (10_076, 76), (9_925, -75)])
def test_a_small_profit_counts_as_none_and_a_small_loss_counts(price, pnl):
    assert rule.pnl_e30(10_000, 10_000, price, True, 75) == pnl


@pytest.mark.parametrize(
    ("pnl", "price", "is_long", "average"),
    [
        # averagePrice.js: 10 USD on 90; the same for a long that gained and a short that lost as much
        (9 * E30, 45_100, True, 41_376_146788990825688073394495412844),
        (9 * E30, 47_100, True, 43_211_009174311926605504587155963302),
        (-(225 * E30) // 10, 50_000, False, 40_816_326530612244897959183673469387),
        ((225 * E30) // 10, 30_000, False, 38_709_677419354838709677419354838709),
    ],
)
def test_average_after_growing(pnl, price, is_long, average):
    assert rule.next_average_e30(90 * E30, 10 * E30, pnl, price * E30, is_long) == average


@given(SIZE, SIZE, PRICE, PRICE, st.booleans())
def test_growing_at_the_price_of_measurement_keeps_pnl(size, added, average, price, is_long):
    assume(average <= 10 * price and price <= 10 * average)
    carried = rule.pnl_e30(size, average, price, is_long)
    grown = rule.next_average_e30(size, added, carried, price, is_long)
    # the average is known to one unit of its last place, which moves PnL by up to size * price / average ** 2
    slack = 2 + (size + added) * (price + 1) // (grown * grown) + (size + added) // grown
    assert abs(rule.pnl_e30(size + added, grown, price, is_long) - carried) <= slack


def test_leverage_is_cut_off():
    assert rule.leverage_bps(90_00, 9_91) == 90_817
