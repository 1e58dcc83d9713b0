"""Numbers as people read them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.units import significant


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("0.00000818112", "0.00000818"),
        ("0.174123", "0.174"),
        ("0.5", "0.5"),
        ("9.9999", "10"),
        ("15274.4", "15,274"),
        ("1200", "1,200"),
        ("0", "0"),
        ("0.000000", "0"),
        ("-0.00012345", "-0.000123"),
        ("1e-7", "0.0000001"),
    ],
)
def test_three_digits_of_any_size(text, shown):
    assert significant(text) == shown


@given(st.decimals(min_value=Decimal("1e-18"), max_value=Decimal("1e18"), allow_nan=False), st.integers(1, 9))
def test_what_is_shown_is_near_and_never_an_exponent(number, digits):
    """Within half of its last digit: the last significant one, or the unit where that is finer."""
    shown = significant(str(number), digits)
    assert set(shown) <= set("0123456789.,")
    read = Decimal(shown.replace(",", ""))
    assert abs(read - number) <= min(Decimal(1), Decimal(10) ** (number.adjusted() + 1 - digits)) / 2
    assert read > 0
