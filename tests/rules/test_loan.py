"""Borrowing against collateral: what it lends, what it counts for, and when the account is called."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.rules import loan
from rules.edges import natural, positive, signed

pytestmark = pytest.mark.fuzz

USD = 1_000_000
NO_CAP = 1 << 96
RATIOS = st.tuples(st.integers(0, 1_000), st.just(1_000))


def test_the_published_example():
    # 10,000 HYPE at 40 USD with a loan to value of one half lend 200,000 USDC
    assert loan.borrowable_q(10_000 * 40 * USD, 1, 2) == 200_000 * USD


def test_the_threshold_is_half_way_to_all():
    # 0.5 + 0.5 * 0.5 = 0.75: of 400,000 USD, 300,000 count when the account is judged
    assert Fraction(loan.threshold_num(1, 2), 2 * 2) == Fraction(3, 4)
    assert loan.support_q(400_000 * USD, 1, 2, NO_CAP) == 300_000 * USD
    assert loan.support_q(400_000 * USD, 1, 2, 1_000 * USD) == 1_000 * USD


def test_when_an_account_is_called():
    # 20 of offset, 400 of maintenance margin and 530 of debt against 1,000 are exactly 0.95: not above it
    asked = loan.required_q(20, 400, 530)
    assert not loan.is_called(asked, 1_000, 19, 20)
    assert loan.is_called(asked + 1, 1_000, 19, 20)
    assert loan.is_called(asked, 999, 19, 20)


@given(natural(), positive(), signed())
def test_without_worth_whatever_is_asked_is_called(asked, debt, value):
    assert loan.is_called(asked + debt, min(value, 0), 19, 20)
    assert not loan.is_called(0, value, 19, 20)


@given(natural(), RATIOS)
def test_a_loan_never_exceeds_what_counts_when_the_account_is_judged(worth, ratio):
    lent, counted = loan.borrowable_q(worth, *ratio), loan.support_q(worth, *ratio, NO_CAP << 8)
    assert lent <= counted <= worth
    assert worth * Fraction(*ratio) - 1 < lent <= worth * Fraction(*ratio)
