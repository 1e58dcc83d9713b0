"""A funding rate that drifts while open interest is uneven; numbers of AdaptiveFunding.ts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.rules import adaptive as rule
from ringfence.rules.adaptive import E30
from rules.edges import e30

SHARE = st.integers(-E30, E30)
OPEN = st.integers(0, 10**40)


RISE, FALL, STEADY, LOW = e30("0.000001"), e30("0.00000002"), e30("0.05"), e30("0.03")


def drifted(rate, long, short, seconds=600, most=E30):
    return rule.drifted_e30(rate, long * E30, short * E30, seconds, RISE, FALL, STEADY, LOW, most)


@pytest.mark.parametrize(
    ("rate", "long", "short", "after"),
    [
        # 12,000 of 200,000 is 6 %: 6 % * 0.0001 % * 600 s, from nothing and again
        ("0", 106_000, 94_000, "0.000036"),
        ("0.000036", 106_000, 94_000, "0.000072"),
        # 4 % lies between the thresholds: the rate rests
        ("0.000072", 104_000, 96_000, "0.000072"),
        # 2 % lies below: it falls by 0.000002 % a second
        ("0.000072", 102_000, 98_000, "0.00006"),
        # the skew turned: it moves the other way, and through zero
        ("0.00006", 94_000, 106_000, "0.000024"),
        ("0.000024", 94_000, 106_000, "-0.000012"),
        ("-0.000012", 94_000, 106_000, "-0.000048"),
        # even: nobody is charged more
        ("0.00001", 100_000, 100_000, "0.00001"),
        ("0", 0, 0, "0"),
    ],
)
def test_drift(rate, long, short, after):
    assert drifted(e30(rate), long, short) == e30(after)


@pytest.mark.parametrize(("sign", "long", "short"), [(1, 101, 99), (-1, 99, 101)])
def test_a_fall_ends_at_one_unit_of_the_side_that_paid(sign, long, short):
    assert drifted(sign * FALL * 600, long, short) == sign
    assert drifted(sign * (FALL * 600 + 5), long, short) == sign * 5


def test_the_rate_stays_within_its_bound():
    assert drifted(e30("0.00003"), 106_000, 94_000, most=e30("0.00004")) == e30("0.00004")
    assert drifted(-e30("0.00003"), 94_000, 106_000, most=e30("0.00004")) == -e30("0.00004")


@given(SHARE, OPEN, OPEN, st.integers(0, 10**6))
def test_the_two_sides_mirror_each_other(rate, long, short, seconds):
    one = rule.drifted_e30(rate, long, short, seconds, RISE, FALL, STEADY, LOW, E30)
    other = rule.drifted_e30(-rate, short, long, seconds, RISE, FALL, STEADY, LOW, E30)
    assert one == -other


@pytest.mark.parametrize(("rate", "charged"), [(5, 10), (20, 20), (-5, -10), (-20, -20), (0, 10)])
def test_the_least_rate_falls_on_the_side_that_pays(rate, charged):
    assert rule.charged_e30(rate, 10) == charged
