"""The closed vocabulary: what each word does, above all to negative numbers."""

from fractions import Fraction
from math import ceil, floor, trunc

import pytest
from hypothesis import given

from ringfence.rules.words import CEIL, FLOOR, TRUNC, abs_, max_, min_, mul_div, mul_div_down, mul_div_up
from rules.edges import positive, roundings, signed

pytestmark = pytest.mark.fuzz


@pytest.mark.parametrize(
    ("a", "b", "d", "down", "up", "towards_zero"),
    [
        (7, 1, 2, 3, 4, 3),
        (-7, 1, 2, -4, -3, -3),  # -3.5: the floor is -4, the ceiling and the truncation -3
        (7, -1, 2, -4, -3, -3),
        (-7, -1, 2, 3, 4, 3),
        (6, 1, 2, 3, 3, 3),  # exact: all agree
        (-6, 1, 2, -3, -3, -3),
        (0, 5, 3, 0, 0, 0),
        (1, 1, 2**200, 0, 1, 0),
        (-1, 1, 2**200, -1, 0, 0),
        (2**96 - 1, 2**96 - 1, 1, (2**96 - 1) ** 2, (2**96 - 1) ** 2, (2**96 - 1) ** 2),
    ],
)
def test_the_three_roundings_of_a_quotient(a, b, d, down, up, towards_zero):
    assert mul_div_down(a, b, d) == mul_div(a, b, d, FLOOR) == down
    assert mul_div_up(a, b, d) == mul_div(a, b, d, CEIL) == up
    assert mul_div(a, b, d, TRUNC) == towards_zero


@given(signed(), signed(), positive(), roundings)
def test_mul_div_is_the_exact_quotient_rounded_once(a, b, d, rounding):
    exact = Fraction(a) * b / d
    assert mul_div(a, b, d, rounding) == (floor, ceil, trunc)[rounding](exact)


@given(signed(), signed(), positive())
def test_down_and_up_are_mirror_images(a, b, d):
    assert mul_div_up(a, b, d) == -mul_div_down(-a, b, d)
    assert 0 <= mul_div_up(a, b, d) - mul_div_down(a, b, d) <= 1


@given(signed(), signed())
def test_choices_pick_one_of_their_arguments(a, b):
    assert {min_(a, b), max_(a, b)} == {a, b}
    assert min_(a, b) <= max_(a, b)
    assert abs_(a) == abs(a) == max_(a, -a)
