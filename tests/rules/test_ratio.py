"""Margin ratios and what a liquidation by one closes, charges and returns: the venues' published numbers."""

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ringfence.rules import ratio as rule
from ringfence.rules.words import PPM, WAD
from rules.edges import natural, positive, ppm, signed

pytestmark = pytest.mark.fuzz
LOT = 989984344318166945
"""Wei of ETH that 1,000 USD bought in perp-curie-contract test/clearingHouse/ClearingHouse.takeOver.test.ts."""


@pytest.mark.parametrize(
    ("equity", "notional", "ratio"),
    [
        (25, 250, WAD // 10),
        (-1, 3, -333333333333333333),  # towards zero
        (1, 3, 333333333333333333),
    ],
)
def test_margin_ratio_is_cut_towards_zero(equity, notional, ratio):
    assert rule.margin_ratio_wad(equity, notional) == ratio


@pytest.mark.parametrize(("pool", "ratio"), [(110, 7), (109, 5), (90, 7), (91, 5)])
def test_the_oracle_counts_where_the_pool_left_it_by_a_tenth(pool, ratio):
    gap = rule.price_gap_wad(pool, 100)
    assert rule.judged_ratio_wad(5, 7, gap, WAD // 10) == ratio
    assert rule.judged_ratio_wad(5, 3, gap, WAD // 10) == 5  # only where it is better


@pytest.mark.parametrize(
    ("ratio", "portion", "closed"),
    [
        (Fraction(2, 100), 250_000, 250_000),
        (Fraction(125, 10_000), 250_000, PPM),  # at the fee: all of it
        (Fraction(-1, 10), 250_000, PPM),
        (Fraction(2, 100), 0, PPM),  # no portion set
    ],
)
def test_a_portion_is_closed_while_the_spot_ratio_exceeds_the_fee(ratio, portion, closed):
    assert rule.closed_share_ppm(int(ratio * WAD), int(Fraction(125, 10_000) * WAD), portion) == closed


@pytest.mark.parametrize(
    ("equity", "notional", "total", "taken"),
    [
        (63, 1_000, 1_000, 0),  # maintenance margin is 62
        (62, 1_000, 1_000, 0),  # at it
        (61, 1_000, 1_000, 500_000),
        (31, 1_000, 1_000, 500_000),  # half of maintenance margin is still enough
        (30, 1_000, 1_000, PPM),
        (61, 900, 1_000, 555_555),  # half of 1,000 out of 900, cut
        (61, 400, 1_000, PPM),
        (61, 100, 1_000, PPM),  # worth 100 or less: whole
        (-5, 1_000, 1_000, PPM),
    ],
)
def test_half_of_the_account_may_be_taken_over(equity, notional, total, taken):
    assert rule.taken_share_ppm(equity, 62, notional, total, 100) == taken


@given(signed(), natural(), natural(), natural(), natural())
def test_a_taken_share_is_a_share_and_never_less_for_a_poorer_account(
    equity, maintenance, notional, others, minimum
):
    share = rule.taken_share_ppm(equity, maintenance, notional, notional + others, minimum)
    assert 0 <= share <= PPM
    assert rule.taken_share_ppm(equity - 1, maintenance, notional, notional + others, minimum) >= share


def test_penalty_of_a_takeover_and_its_halves():
    charged = rule.penalty(95454684070437707400, 25_000)  # the short of 95.45 USD in the takeover tests
    assert charged == 2386367101760942685
    assert rule.liquidator_penalty(charged, 1) == 1193183550880471342  # the odd wei is the fund's
    assert rule.liquidator_penalty(charged, 0) == 1193183550880471342
    assert rule.liquidator_penalty(charged, -1) == charged


@pytest.mark.parametrize(
    ("open_quote", "size", "traded", "quote", "profit"),
    [
        # Half of the long of 1,000 USD sold at 900: the closed share is cut at 18 decimals first.
        (-1_000 * WAD, LOT, -494992172159083472, 445492954943175124800, -54507045056824874200),
        (-1_000 * WAD, LOT, -LOT, 871186222999986911600, -128813777000013088400),
        # A short of 1 at 990.015 takes over 0.49499 lots at the discounted price.
        (990015497538652489601, -WAD, 494992172159083472, -439924293006385435740, 50125628591427916723),
        (-100, 10, 5, -60, 0),  # adding realizes nothing
        (0, 0, 5, -60, 0),
        (-100, 10, -20, 240, 20),  # closes 10 at 12 and turns around
    ],
)
def test_realized_profit(open_quote, size, traded, quote, profit):
    assert rule.realized(open_quote, size, traded, quote) == profit


@given(signed(), signed(80), st.integers(0, PPM), signed())
def test_closing_everything_realizes_everything(open_quote, size, share, quote):
    assume(size)
    assert rule.realized(open_quote, size, -size, quote) == open_quote + quote
    closed = abs(size) * share // PPM
    assert abs(rule.released_quote(open_quote, closed, abs(size))) <= abs(open_quote)


@given(signed(), signed(), signed())
def test_the_median_is_the_middle_one(first, second, third):
    assert rule.median(first, second, third) == sorted((first, second, third))[1]


def test_published_mark_price():
    # perp-curie-contract test/foundry/accountBalance/AccountBalance.t.sol: 100, 95 and 100 + (95 - 98).
    assert rule.median(100, 95, 100 + (95 - 98)) == 97


@pytest.mark.parametrize(
    ("collateral", "equity", "net_quote", "free"),
    [
        (1_000, 1_200, -2_000, 800),  # profits do not count
        (1_000, 900, -2_000, 700),  # losses do
        (1_000, 1_000, 2_000, 1_000),  # nothing is owed
        (100, 100, -2_000, -100),
    ],
)
def test_free_collateral(collateral, equity, net_quote, free):
    assert rule.free_collateral(collateral, equity, rule.debt_value(0, net_quote), 100_000) == free


@given(signed(), signed(), natural(), ppm, positive())
def test_more_debt_is_never_freer(collateral, equity, debt, rate, more):
    assert rule.free_collateral(collateral, equity, debt + more, rate) <= rule.free_collateral(
        collateral, equity, debt, rate
    )
