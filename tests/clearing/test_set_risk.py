"""Rules that judge positions together, against the naive implementation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import naive
from clearing.dice import SetDice
from ringfence.clearing.model import QUOTE
from ringfence.clearing.portfolio import valid
from ringfence.clearing.risk import is_liquidatable, subaccount_risk


def venues():
    return st.integers(0, 2**64 - 1).map(lambda seed: SetDice(seed).set_venue())


@pytest.mark.fuzz
@given(venues())
def test_the_risk_of_anything_agrees_with_naive(venue):
    assert valid(venue.policy.set_rule)
    held = venue.subaccounts["trader"]
    found, expected = subaccount_risk(venue, held), naive.risk(venue, held)
    assert (found.equity_q, found.initial_q, found.maintenance_q, found.notional_q) == expected
    assert found.initial_q >= found.maintenance_q


@pytest.mark.fuzz
@given(venues(), st.integers(-1, 1))
def test_the_trigger_agrees_with_naive_down_to_the_atom(venue, off):
    """Cash is chosen so that equity stands at maintenance margin, an atom below or an atom above."""
    held = venue.subaccounts["trader"]
    risk = naive.risk(venue, held)
    held.balances[QUOTE] = held.balances.get(QUOTE, 0) + risk.maintenance - risk.equity + off
    assert is_liquidatable(venue, held) == naive.is_liquidatable(venue, held)
    if held.positions:
        at_equality = venue.policy.trigger_at_equality
        assert is_liquidatable(venue, held) == (off < 0 or (off == 0 and at_equality))
