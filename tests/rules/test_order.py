"""What a resting order holds back: initial margin at its own price and the fee it would pay."""

from fractions import Fraction

import pytest
from hypothesis import given

import naive
from ringfence.rules.order import order_margin_q
from rules.edges import natural, positive, ppm, roundings

pytestmark = pytest.mark.fuzz


def test_by_hand():
    # 0.1 BTC at 59,000 with 1 % and a taker fee of 0.05 %: 59 + 2.95
    assert order_margin_q(5_900_000_000, 1, 100, 5, 10_000, 0) == 61_950_000


@given(natural(), natural(30), positive(30), ppm, roundings)
def test_margin_and_fee_are_rounded_once(notional, num, den, fee, rounding):
    exact = notional * (Fraction(num, den) + Fraction(fee, 1_000_000))
    assert order_margin_q(notional, num, den, fee, 1_000_000, rounding) == naive.ROUNDINGS[rounding](exact)
