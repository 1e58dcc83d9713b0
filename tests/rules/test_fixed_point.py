"""StarkEx's grid: what rounds, in whose favour, and what the program cannot hold; the engine is exact on it."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.clearing.model import QUOTE, Market, Position, Scale, Subaccount, Venue
from ringfence.clearing.policy import Policy, Step, Stepped
from ringfence.clearing.risk import subaccount_risk
from ringfence.rules import fixed_point as fxp
from rules.edges import positive, signed

pytestmark = pytest.mark.fuzz


@pytest.mark.parametrize(
    ("rate", "factor"),
    [
        # 0.03 * 2^32 = 128,849,018.88 and 0.05 * 2^32 = 214,748,364.8: cut, so that an exact share is safe
        (Fraction(3, 100), 128_849_018),
        (Fraction(5, 100), 214_748_364),
        (Fraction(1, 2), 2_147_483_648),
    ],
)
def test_a_factor_is_cut(rate, factor):
    assert fxp.risk_factor_fxp32(rate.numerator, rate.denominator) == factor


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_a_factor_never_exceeds_its_rate(num, den):
    exact = Fraction(num, den) * fxp.FXP_32
    assert exact - 1 < fxp.risk_factor_fxp32(num, den) <= exact


def test_an_account_at_exactly_three_percent_is_safe():
    # 1 BTC at 50,000 with 48,500 owed: value 1,500 USDC, risk 50,000 * 128,849,018 / 2^32 = 1,499.99998...
    value = fxp.collateral_fxp64(1_500_000_000)
    risk = 50_000_000_000 * fxp.FXP_32 * fxp.risk_factor_fxp32(3, 100)
    assert fxp.is_well_leveraged(value, risk)
    assert not fxp.is_well_leveraged(value - fxp.collateral_fxp64(100), risk)


@given(signed(128))
def test_equality_is_well_leveraged(value):
    assert fxp.is_well_leveraged(value, value)
    assert not fxp.is_well_leveraged(value - 1, value)


def test_bounds():
    atoms = 2**63
    inside = (-fxp.collateral_fxp64(atoms), fxp.collateral_fxp64(atoms) - 1)
    assert all(fxp.is_value_in_range(value) for value in inside)
    assert not fxp.is_value_in_range(inside[0] - 1)
    assert not fxp.is_value_in_range(inside[1] + 1)
    assert fxp.is_risk_in_range(2**128 - 1)
    assert not fxp.is_risk_in_range(2**128)


@given(
    st.lists(st.tuples(signed(63), positive(63), st.integers(1, fxp.FXP_32 - 1)), min_size=1, max_size=4),
    signed(63),
)
def test_the_engine_is_exact_on_this_grid(holdings, collateral):
    """Sum of balance times price, and of its magnitude times factor: the program's own two sums, without a rounding."""
    markets = {
        str(at): Market(
            str(at), Scale(fxp.FXP_32, 1), Stepped((Step(0, factor, factor),), fxp.FXP_32), "pool", mark=price
        )
        for at, (_, price, factor) in enumerate(holdings)
    }
    held = {str(at): Position(size, 0, 0) for at, (size, _, _) in enumerate(holdings) if size}
    account = Subaccount("a", "a", balances={QUOTE: fxp.collateral_fxp64(collateral)}, positions=held)
    risk = subaccount_risk(Venue(Policy(), markets), account)
    value_fxp32 = collateral * 2**32 + sum(size * price for size, price, _ in holdings)
    assert risk.equity_q == value_fxp32 * 2**32
    assert risk.maintenance_q == sum(abs(size * price) * factor for size, price, factor in holdings)
