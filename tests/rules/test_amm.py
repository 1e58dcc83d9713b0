"""Pools: the venues' own published trades, and what must hold for every one of them."""

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ringfence.rules import amm as rule
from ringfence.rules.amm import Q96
from ringfence.rules.words import CEIL, FLOOR, PPM, WAD
from rules.edges import natural, positive

pytestmark = pytest.mark.fuzz
fees = st.sampled_from((0, 100, 500, 3_000, 10_000))
liquidities = st.integers(10**6, 10**30)
roots = st.integers(Q96 >> 40, Q96 << 40)


@pytest.mark.parametrize(
    ("amount", "reserves", "paid"),
    [
        # Uniswap/v2-core test/UniswapV2Pair.spec.ts, swap test cases: amount, reserves (in units of 1e18), amount out.
        (1, (5, 10), 1_662497915624478906),
        (1, (10, 5), 453305446940074565),
        (2, (5, 10), 2_851015155847869602),
        (2, (10, 5), 831248957812239453),
        (1, (10, 10), 906610893880149131),
        (1, (100, 100), 987158034397061298),
        (1, (1_000, 1_000), 996006981039903216),
    ],
)
def test_published_sales_to_a_constant_product(amount, reserves, paid):
    before, other = (reserve * WAD for reserve in reserves)
    assert rule.paid_out(amount * WAD, before, other, 3_000) == paid
    # Asking for what was paid costs the amount again, one atom up (the quotient is rounded down and one is added).
    assert amount * WAD - 1 <= rule.paid_in(paid, before, other, 3_000) <= amount * WAD + 1


@given(positive(), positive(), positive(), fees)
def test_a_constant_product_never_loses(amount, reserve_in, reserve_out, fee):
    paid = rule.paid_out(amount, reserve_in, reserve_out, fee)
    assert 0 <= paid < reserve_out
    assert (reserve_in + amount) * (reserve_out - paid) >= reserve_in * reserve_out
    exact = Fraction(amount * (PPM - fee) * reserve_out, reserve_in * PPM + amount * (PPM - fee))
    assert paid <= exact < paid + 1


@given(positive(), positive(), positive(), fees)
def test_a_purchase_pays_at_least_what_the_curve_says(amount, reserve_in, reserve_out, fee):
    assume(amount < reserve_out)
    asked = rule.paid_in(amount, reserve_in, reserve_out, fee)
    exact = Fraction(reserve_in * amount * PPM, (reserve_out - amount) * (PPM - fee))
    assert exact < asked <= exact + 1
    assert rule.paid_out(asked, reserve_in, reserve_out, fee) >= amount


@pytest.mark.parametrize(
    ("amount", "reserve", "other", "adds", "given"),
    [
        (200, 1_000, 100, False, 25),  # taking 200 of 1,000 adds 25 to 100: 800 * 125
        (250, 1_000, 100, True, 20),  # 1,250 * 80
        (7, 30, 11, True, 2),  # 11 - 330 / 37 = 2.08
        (7, 30, 11, False, 4),  # 330 / 23 - 11 = 3.35, rounded up against the trader
    ],
)
def test_trades_with_a_virtual_pool(amount, reserve, other, adds, given):
    assert rule.virtual_trade(amount, reserve, other, adds, 1) == given


@given(positive(80), positive(80), positive(80), st.booleans(), st.sampled_from((1, 10**6, WAD)))
def test_a_virtual_pool_rounds_against_the_trader(amount, reserve, other, adds, unit):
    assume(adds or amount < reserve)
    product = Fraction(reserve * other // unit) * unit  # the venue keeps the product in fixed point, cut
    moved = rule.virtual_trade(amount, reserve, other, adds, unit)
    exact = other - product / (reserve + amount) if adds else product / (reserve - amount) - other
    assert (moved <= exact < moved + 1) if adds else (moved - 1 < exact <= moved)


ONE, TEN_PERCENT = Q96, Q96 * 11 // 10
"""Roots of prices 1 and 1.21."""


def test_published_amounts_between_two_roots():
    # Uniswap/v3-core test/SqrtPriceMath.spec.ts: 0.1 amount1 for price of 1 to 1.21, amount0 likewise; liquidity 1e18.
    assert rule.base_between(WAD, ONE, TEN_PERCENT, CEIL) == 90909090909090910
    assert rule.base_between(WAD, ONE, TEN_PERCENT, FLOOR) == 90909090909090909
    assert rule.quote_between(WAD, ONE, TEN_PERCENT, CEIL) == WAD // 10
    assert rule.quote_between(WAD, ONE, TEN_PERCENT, FLOOR) == WAD // 10 - 1


def test_published_roots_after_a_trade():
    # Uniswap/v3-core test/SqrtPriceMath.spec.ts: input of 0.1 token1, of 0.1 token0, output of 0.1 token0 at price 1.
    assert rule.root_after_quote(ONE, WAD, WAD // 10) == 87150978765690771352898345369
    assert rule.root_after_sale(ONE, WAD, WAD // 10) == 72025602285694852357767227579
    assert rule.root_after_purchase(ONE, WAD, WAD // 10) == 88031291682515930659493278152


@given(liquidities, roots, roots)
def test_amounts_round_by_at_most_one_step_for_the_pool(liquidity, first, second):
    low, high = sorted((first, second))
    base = Fraction(liquidity * Q96 * (high - low), low * high)
    quote = Fraction(liquidity * (high - low), Q96)
    assert (
        rule.base_between(liquidity, low, high, FLOOR)
        <= base
        <= rule.base_between(liquidity, low, high, CEIL)
    )
    assert (
        rule.quote_between(liquidity, low, high, FLOOR)
        <= quote
        <= rule.quote_between(liquidity, low, high, CEIL)
    )


@given(liquidities, roots, natural(80))
def test_a_sale_and_the_purchase_of_what_it_moved_never_pay_the_trader(liquidity, root, base):
    after = rule.root_after_sale(root, liquidity, base)
    assert after <= root
    assert rule.sold_within(liquidity, root, after) <= rule.bought_within(liquidity, after, root)
    assert rule.base_between(liquidity, after, root, FLOOR) <= base


@given(liquidities, roots, roots, natural(90))
def test_a_deposit_is_never_credited_with_more_than_it_brings(liquidity, first, second, amount):
    low, high = sorted((first, second))
    assume(high - low > high >> 20)
    assert rule.base_between(rule.liquidity_of_base(amount, low, high), low, high, FLOOR) <= amount
    assert rule.quote_between(rule.liquidity_of_quote(amount, low, high), low, high, FLOOR) <= amount


@given(natural(), fees)
def test_fees_are_taken_in_full(amount, fee):
    moving = rule.without_fee(amount, fee)
    assert moving + rule.fee_on_top(moving, fee) <= amount + 1
    assert (amount - moving) * PPM >= amount * fee
