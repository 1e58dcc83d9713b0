"""Losses spread by an index, and funding that follows a premium."""

import pytest
from hypothesis import given

from ringfence.rules import socialize as rule
from ringfence.rules.premium import premium_index_delta
from ringfence.rules.words import CEIL, FLOOR, WAD
from rules.edges import natural, positive, signed

pytestmark = pytest.mark.fuzz


@pytest.mark.parametrize(("rounding", "rise"), [(CEIL, 9_090_910), (FLOOR, 9_090_909)])
def test_each_lot_on_both_sides_bears_the_same(rounding, rise):
    # 100 USD over 7 lots long and 4 short: 9.0909 USD a lot
    assert rule.loss_per_lot(100 * 10**6, 11, 1, rounding) == rise


@given(natural(), positive())
def test_rounded_up_nothing_is_left_unpaid(loss, lots):
    rise = rule.loss_per_lot(loss, lots, WAD, CEIL)
    assert rise * lots >= loss * WAD > (rise - 1) * lots or loss == rise == 0


def test_half_is_borne_by_each_side():
    # 3,599.63222 of loss, 10 lots long and 10 short
    assert rule.half_loss_per_lot(3_599_632_220 * 10**12, 10 * WAD, WAD) == 179_981_611 * 10**12


@given(natural(), positive())
def test_halves_never_take_more_than_the_loss(loss, lots):
    assert 2 * rule.half_loss_per_lot(loss, lots, WAD) * lots <= loss * WAD


@pytest.mark.parametrize(
    ("index", "loss", "deposits", "left"),
    [
        (1_000, 11, 120, 908),  # 91.67 rounds up
        (1_000, 0, 120, 1_000),
        (1_000, 120, 120, 1),  # all is lost, and the index can still be divided by
        (1_000, 500, 120, 1),
        (1_000, 500, 0, 1_000),
    ],
)
def test_deposits_bear_a_loss_in_proportion(index, loss, deposits, left):
    assert rule.cut_deposit_index(index, loss, deposits) == left


@pytest.mark.parametrize(
    ("premium", "seconds", "delta"),
    [
        (24, 3_600, 1),
        (-24, 3_600, -1),
        (24, 7_199, 1),  # 1.9997, towards zero
        (-24, 7_199, -1),
        (10_000, 86_400, 2_000),  # capped at 2 % of 100,000 a day
        (-10_000, 86_400, -2_000),
    ],
)
def test_funding_is_a_days_share_of_the_capped_premium(premium, seconds, delta):
    assert premium_index_delta(premium, 100_000, 2, 100, seconds, 86_400) == delta


@given(signed(), natural())
def test_funding_is_the_same_for_both_signs_and_never_above_the_cap(premium, price):
    delta = premium_index_delta(premium, price, 2, 100, 3_600, 86_400)
    assert premium_index_delta(-premium, price, 2, 100, 3_600, 86_400) == -delta
    assert 100 * 24 * abs(delta) <= 2 * price
