"""Accounts in decimals against the algebra of flat margin: what the engine finds by search is the root itself."""

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ringfence.clearing.policy import Liquidation, Policy
from ringfence.errors import InputError
from ringfence.questions.conformance.exact import Leg, Rate, build

POLICY = Policy(liquidation=Liquidation(backstop_num=2, backstop_den=3))
CENTS = st.integers(min_value=1, max_value=10**8).map(lambda cents: Fraction(cents, 100))


def flat(leverage):
    return (Rate(Fraction(0), Fraction(1, leverage), Fraction(1, 2 * leverage)),)


def holds(found, exact):
    return found.low <= exact <= found.high


@given(CENTS, CENTS, CENTS, st.sampled_from((-1, 1)), st.integers(min_value=1, max_value=50))
def test_the_liquidation_price_is_the_root(equity, size, mark, side, leverage):
    """equity + size x (p - mark) = |size| x p / (2 x leverage), solved for p."""
    signed, rate = side * size, Fraction(1, 2 * leverage)
    assume(equity > rate * size * mark)
    account = build(equity - signed * mark, [Leg("X", signed, mark, flat(leverage))], POLICY, "test")
    amounts = account.amounts()
    assert holds(amounts.equity, equity)
    assert holds(amounts.maintenance, rate * size * mark)
    assert holds(amounts.surplus, equity - rate * size * mark)
    root = (signed * mark - equity) / (signed - rate * size)
    found = account.liquidation_price("X")
    assert (found is None) == (root <= 0)
    assert found is None or holds(found, root)
    threshold = account.at_backstop().amounts().maintenance
    assert holds(threshold, rate * size * mark * Fraction(2, 3))


def test_two_tiers_meet_at_their_boundary():
    """10x below 1000 USD of notional, 5x from there on: 999.9 asks 49.995, 1000 asks 50."""
    rates = tuple(
        Rate(Fraction(lower), Fraction(1, leverage), Fraction(1, 2 * leverage))
        for lower, leverage in ((0, 10), (1000, 5))
    )
    for size, asked in (("9.999", "49.995"), ("10", "50"), ("20", "150")):
        leg = Leg("X", Fraction(size), Fraction(100), rates)
        assert holds(build(Fraction(0), [leg], POLICY, "test").amounts().maintenance, Fraction(asked))


def test_what_no_grid_can_hold_is_refused():
    third = Leg("X", Fraction(1, 3), Fraction(100), flat(10))
    with pytest.raises(InputError, match=r"^file: 1/3 has more than 30 decimal places$"):
        build(Fraction(0), [third], POLICY, "file")
    twice = [Leg("X", Fraction(1), Fraction(100), flat(10))] * 2
    with pytest.raises(InputError, match="X stands twice"):
        build(Fraction(0), twice, POLICY, "file")
