"""Prices, sizes and fees of a close against the owner's will."""

from fractions import Fraction

import pytest
from hypothesis import assume, given

import naive
from ringfence.rules import close as rule
from ringfence.rules.words import CEIL, FLOOR, PPM, TRUNC
from rules.edges import natural, positive, ppm, roundings, signed

pytestmark = pytest.mark.fuzz


@pytest.mark.parametrize(
    ("worth", "equity", "freed", "maintenance", "quote"),
    [
        (10_000, 600, 200, 200, 9_400),  # a long worth 10,000 with 600 of equity may be sold down to 9,400
        (10_000, -600, 200, 200, 10_600),  # insolvent: needs 600 more than it is worth
        (-10_000, 600, 200, 200, -10_600),  # a short may be bought back for 10,600
        (10_000, 600, 50, 200, 9_850),  # a quarter of the maintenance margin takes a quarter of the equity
        (10_000, 100, 1, 3, 9_967),  # 9,966.67 rounds up, in favour of the pool
        (10_000, 600, 0, 0, 10_000),  # nothing is required of it: no share of the equity
    ],
)
def test_bankruptcy_quote(worth, equity, freed, maintenance, quote):
    assert rule.bankruptcy_quote_q(worth, equity, freed, maintenance) == quote


@given(signed(), signed(), natural(), natural())
def test_bankruptcy_agrees_with_naive_and_never_favours_the_trader(worth, equity, freed, maintenance):
    assume(freed <= maintenance)
    quote = rule.bankruptcy_quote_q(worth, equity, freed, maintenance)
    assert quote == naive.bankruptcy(worth, equity, freed, maintenance)
    assert quote * maintenance >= worth * maintenance - equity * freed


def spread(equity, maintenance, adjustment, spread_ppm, own):
    """What a liquidator may earn, as a fraction of quote atoms."""
    num = rule.fillable_spread_num(equity, maintenance, adjustment, spread_ppm, own)
    return Fraction(num, maintenance * PPM * PPM)


@pytest.mark.parametrize(
    ("equity", "earned"),
    [
        (100, 0),  # equity at maintenance margin: no spread
        (150, 0),
        (50, 20),  # half way down: 1/2 x 10 % x 400
        (0, 40),
        (-1_000, 40),  # never more than the whole spread
    ],
)
def test_spread_grows_as_equity_falls_below_maintenance(equity, earned):
    assert spread(equity, 100, PPM, 100_000, 400) == earned


def test_adjustment_reaches_the_whole_spread_earlier():
    assert spread(50, 100, 2 * PPM, 100_000, 400) == 40


@given(signed(), positive(), natural(22), ppm, natural())
def test_spread_agrees_with_naive(equity, maintenance, adjustment, spread_ppm, own):
    depth = Fraction(adjustment, PPM) * (1 - Fraction(equity, maintenance))
    clamped = min(max(depth, Fraction(0)), Fraction(1))
    assert (
        spread(equity, maintenance, adjustment, spread_ppm, own) == clamped * Fraction(spread_ppm, PPM) * own
    )


@pytest.mark.parametrize(
    ("notional", "fee_ppm", "left", "fee"),
    [
        (1_000, 15_000, 100, 15),
        (1_000, 15_999, 100, 15),  # 15.999 rounds down: favours the trader
        (1_000, 15_000, 9, 9),  # never more than what the fill leaves
        (1_000, 15_000, 0, 0),
        (1_000, 15_000, -50, 0),  # a loss pays no fee
    ],
)
def test_liquidation_fee(notional, fee_ppm, left, fee):
    assert rule.liquidation_fee_q(notional, fee_ppm, left) == fee


@given(natural(), ppm, signed())
def test_liquidation_fee_is_bounded_by_rate_and_surplus(notional, fee_ppm, left):
    fee = rule.liquidation_fee_q(notional, fee_ppm, left)
    assert fee == max(0, min(naive.floor(notional * Fraction(fee_ppm, PPM)), left))


@given(natural(), ppm)
def test_fee_shares_sum_to_the_fee(fee, share):
    to_fund = rule.fee_share_q(fee, share)
    assert 0 <= to_fund <= fee
    assert to_fund == naive.floor(fee * Fraction(share, PPM))


@pytest.mark.parametrize(
    ("size", "portion", "step", "closed"),
    [
        (100, 200_000, 1, 20),
        (-100, 200_000, 1, 20),
        (101, 200_000, 1, 21),  # 20.2 rounds up
        (100, 200_000, 30, 30),  # ... to a whole step
        (100, 1_000_000, 1, 100),
        (100, 1, 1, 1),
        (7, 1_000_000, 5, 7),  # never more than the position
    ],
)
def test_portion_of_a_position(size, portion, step, closed):
    assert rule.close_portion_b(size, portion, step) == closed


@given(signed(), ppm, positive(40))
def test_a_portion_is_never_less_than_asked_nor_more_than_there_is(size, portion, step):
    closed = rule.close_portion_b(size, portion, step)
    assert Fraction(abs(size) * portion, PPM) <= closed <= abs(size)
    assert closed % step == 0 or closed == abs(size)


@pytest.mark.parametrize(
    ("price", "slippage", "sells", "got"),
    [
        (1_000, 20_000, True, 980),
        (1_000, 20_000, False, 1_020),
        (999, 1, True, 998),  # both directions round against the owner
        (999, 1, False, 1_000),
        (1_000, 0, True, 1_000),
        (1_000, 2_000_000, True, 1),  # a price stays positive
        (1, 999_999, True, 1),
    ],
)
def test_slipped_price(price, slippage, sells, got):
    assert rule.slipped_price(price, slippage, sells) == got


@given(positive(), natural(24))
def test_slippage_never_helps(price, slippage):
    assert (
        1 <= rule.slipped_price(price, slippage, True) <= price <= rule.slipped_price(price, slippage, False)
    )


@pytest.mark.parametrize(
    ("num", "den", "rounding", "price"),
    [
        (7, 2, CEIL, 4),
        (7, 2, FLOOR, 3),
        (7, 2, TRUNC, 3),
        (-7, 2, CEIL, 0),  # a bid of nothing accepts anything
        (7, 0, CEIL, 55),  # no requirement, no fillable price: the mark
    ],
)
def test_accept_price(num, den, rounding, price):
    assert rule.accept_price(55, num, den, rounding) == price


@given(signed(), positive(), roundings)
def test_accept_price_agrees_with_naive(num, den, rounding):
    assert rule.accept_price(1, num, den, rounding) == max(0, naive.ROUNDINGS[rounding](Fraction(num, den)))
