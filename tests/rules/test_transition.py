"""Which changes are legal short of margin: holdings, ratios, and the one fair price of a deleveraging."""

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ringfence.rules import transition as rule
from rules.edges import natural, positive, signed

pytestmark = pytest.mark.fuzz


@pytest.mark.parametrize(
    ("before", "after", "smaller"),
    [
        (10, 10, True),
        (10, 9, True),
        (10, 11, False),
        (10, 0, True),
        (10, -1, False),
        (-10, -9, True),
        (-10, -11, False),
        (0, 1, False),
        (0, -1, False),
        (0, 0, True),
    ],
)
def test_smaller_holdings(before, after, smaller):
    assert rule.is_smaller(before, after) is smaller


@given(signed(63), signed(63), signed(63))
def test_smaller_is_transitive(first, second, third):
    if rule.is_smaller(first, second) and rule.is_smaller(second, third):
        assert rule.is_smaller(first, third)


@given(signed(), positive(), signed(), positive())
def test_ratios_are_compared_exactly(value0, risk0, value1, risk1):
    assert rule.keeps_ratio(value0, risk0, value1, risk1) is (
        Fraction(value1, risk1) >= Fraction(value0, risk0)
    )


def test_without_risk_value_may_not_fall():
    # no ratio: 0 / 0 holds every comparison, so value itself is compared
    assert rule.keeps_ratio(-10, 0, -11, 0)
    assert not rule.keeps_value(-10, 0, -11)
    assert rule.keeps_value(-10, 0, -10)
    assert rule.keeps_value(-10, 1, -11)


def test_the_fair_price_by_hand():
    # value -500 over risk 1,500; half of the position leaves risk 750, and -250 keeps the ratio.
    # One atom more than that leaves room for one less, so it is not the least.
    assert rule.keeps_ratio(-500, 1_500, -250, 750)
    assert rule.is_fair(-500, 1_500, -250, 750, 1)
    assert not rule.is_fair(-500, 1_500, -249, 750, 1)
    assert not rule.keeps_ratio(-500, 1_500, -251, 750)


@given(st.integers(-(2**63), -1), positive(63), natural(63), positive(20))
def test_exactly_one_amount_is_legal_and_fair(value, risk, left, unit):
    """Of all amounts that differ by one unit, one keeps the ratio and is fair."""
    assume(left <= risk)
    least = -(-value * left // risk)  # value0 * risk1 / risk0, rounded up
    for value_after in (least - unit, least, least + unit):
        legal = rule.keeps_ratio(value, risk, value_after, left)
        fair = rule.is_fair(value, risk, value_after, left, unit)
        assert (legal and fair) is (value_after == least)
