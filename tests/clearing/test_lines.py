"""Straight lines through two amounts, and where one takes over from another."""

from fractions import Fraction

from hypothesis import assume, given
from hypothesis import strategies as st

from ringfence.clearing.lines import crossing, line, upper

amounts = st.integers(-(10**6), 10**6)
prices = st.integers(1, 10**4)


def at(one, price):
    return one[0] * price + one[1]


@given(amounts, amounts, prices, prices)
def test_a_line_goes_through_both_amounts(near, far, first, second):
    assume(first != second)
    found, distance = line(near, far, (first, second)), second - first
    assert at(found, first) == near * distance
    assert at(found, second) == far * distance


@given(amounts, amounts, amounts, amounts)
def test_lines_cross_between_the_two_numbers(slope, offset, other_slope, other_offset):
    assume(slope != other_slope)
    low, high = crossing((slope, offset), (other_slope, other_offset))
    assert high == low + 1
    assert low <= Fraction(other_offset - offset, slope - other_slope) < high


def test_parallel_lines_do_not_cross():
    assert crossing((3, 1), (3, 2)) == ()


@given(st.lists(st.tuples(amounts, amounts), min_size=1, max_size=8), amounts)
def test_the_upper_lines_are_as_high_as_all(lines, price):
    hull = upper(lines)
    assert max(at(each, price) for each in hull) == max(at(each, price) for each in lines)
    assert hull == sorted(hull)
