"""Revaluation: shifted volatilities and discounts as the venue has them, grids that enclose, and the command.

Numbers of the venue are from the portfolio cases of derivexyz/v2-core@7736900d, named beside them.
"""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.option_world import CALL, EXPIRIES, OPTIONS, RULE, SHOCKS, VOL, empty_venue
from pricing.exact import price as exact_price
from ringfence.clearing.model import Grid
from ringfence.clearing.set_rules import Scenario, ScenarioMargin
from ringfence.errors import InputError
from ringfence.pricing.scenarios import (
    TENOR_SECONDS,
    Contract,
    Discount,
    Expiry,
    Quote,
    Shocks,
    SkewShock,
    VolShock,
    discounts,
    grid,
    revaluation,
    shifted_vol,
    skew_multiplier,
    term,
    terms_of,
    vol_multipliers,
)

FIRST = VolShock(0.45, 0.3, 0.3, 0.13)
SECOND = VolShock(0.5, 0.275, 0.3, 0.13, least_up=0.45)
SKEW = SkewShock(0.15, -0.05, 0.15, -0.05, 0.01, 4.0, 0.6, -0.1)
TURNED = SkewShock(9.5, -0.05, 0.15, -0.05, 0.01, 5.0, 4.5, 4.9)
COUNTED = Discount(0.95, 1.0, 0.08, 1.04, 0.5, 0.08)
PM2 = Shocks(SECOND, COUNTED, SKEW, present_value=True)
WEEK = Expiry(794_852, 95_776.67392708939, rate=0.15)
AUTUMN = Expiry(18_938_852, 100_374.61000117072, rate=0.2)
DAYS = st.integers(0, 900 * 86_400)


# -- volatility --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shock", "seconds", "up", "down"),
    [
        (FIRST, 500_400, 1.7370684514926746, 0.508621032338217),  # PMRM scenario Test1
        (SECOND, 794_852, 1.712811375927374, 0.6079537432399443),  # PMRM_2 test_13
        (SECOND, 18_938_852, 1.3860882452894718, 0.7876514650907905),  # PMRM_2 test_54, beyond thirty days
    ],
)
def test_volatility_moves_as_far_as_the_venue_says(shock, seconds, up, down):
    assert vol_multipliers(shock, seconds) == pytest.approx((up, down), rel=1e-12)


def test_a_time_below_the_floor_counts_as_the_floor_and_volatility_never_falls_below_zero():
    steep = VolShock(0.5, 0.9, 0.3, 0.13)
    assert vol_multipliers(steep, 0) == vol_multipliers(steep, 86_400)
    assert vol_multipliers(steep, 86_400)[1] == 0  # 0.9 x 30 ^ 0.3 = 2.5


def test_a_shock_at_expiry_needs_a_floor():
    with pytest.raises(InputError, match="needs a floor"):
        vol_multipliers(VolShock(0.45, 0.3, 0.3, 0.13, floor_seconds=0), 0)


@given(DAYS, DAYS)
def test_nearer_expiries_move_further(one, other):
    (up, down), (far_up, far_down) = (vol_multipliers(SECOND, seconds) for seconds in sorted((one, other)))
    assert up >= far_up >= 1 >= far_down >= down
    assert vol_multipliers(SECOND, TENOR_SECONDS) == (1.5, 0.725)


def test_a_volatility_that_goes_up_ends_at_no_less_than_the_least():
    calm = Contract(100_000, call=True, vol=0.1)
    assert shifted_vol(PM2, "up", WEEK, calm) == 0.45
    assert shifted_vol(PM2, "down", WEEK, calm) == pytest.approx(0.06079537432399443)
    assert shifted_vol(PM2, "none", WEEK, calm) == 0.1


@pytest.mark.parametrize(
    ("shock", "expiry", "strike", "linear", "absolute"),
    [
        (SKEW, WEEK, 100_000, 1.01652586234559, 1.01652586234559),  # test_13
        (SKEW, AUTUMN, 100_000, 0.9997431656976679, 1.0002568343023321),  # test_54: below the forward
        (SKEW, AUTUMN, 110_000, 1.0062899063434898, 1.0062899063434898),  # test_54
        (
            TURNED,
            Expiry(3_214_052, 2695.7814942763334),
            5_500,
            1.6986275433761215,
            1.009873694171683,
        ),  # test_41
    ],
)
def test_the_smile_turns_as_far_as_the_venue_says(shock, expiry, strike, linear, absolute):
    assert skew_multiplier(shock, "linear", expiry, strike) == pytest.approx(linear, rel=1e-12)
    assert skew_multiplier(shock, "abs", expiry, strike) == pytest.approx(absolute, rel=1e-12)


def test_far_strikes_stop_at_the_cap():
    root = (WEEK.seconds / 31_536_000) ** 0.5
    for kind, side in (("linear", -1), ("abs", 1)):
        assert skew_multiplier(SKEW, kind, WEEK, 1) == pytest.approx(1 + side * (0.15 - 0.05 * root))
    assert skew_multiplier(SKEW, "linear", WEEK, 10**9) == pytest.approx(1.15 - 0.05 * root)


def test_a_smile_that_nobody_described_does_not_turn():
    with pytest.raises(InputError, match="shifts the smile"):
        shifted_vol(SHOCKS, "linear", WEEK, Contract(100.0, call=True, vol=0.5))


# -- discounts ---------------------------------------------------------------------------------------------------------


def test_discounts_are_those_of_the_venue():
    assert discounts(PM2, WEEK) == pytest.approx(
        (0.9445087287221925, 1.0037878445554764), rel=1e-12
    )  # test_13
    steep = Shocks(SECOND, Discount(0.95, 1.0, 0.08, 1.04, 10.0, 1.2), present_value=True)
    assert discounts(steep, AUTUMN) == pytest.approx((0.8029631388059034, 1.127620219411916), rel=1e-12)


def test_what_has_expired_counts_as_it_is_and_a_negative_rate_as_none():
    assert discounts(PM2, Expiry(0, 100.0, rate=0.2)) == (1.0, 1.0)
    assert discounts(PM2, WEEK._replace(rate=-0.5)) == discounts(PM2, WEEK._replace(rate=0.0))


@given(st.integers(1, 900 * 86_400), st.floats(-1, 3), st.integers(1, 10**24))
def test_a_term_is_rounded_against_whoever_holds(seconds, rate, den):
    expiry = Expiry(seconds, 100.0, rate=rate)
    gain, debt = map(Fraction, discounts(PM2, expiry))
    found = term(PM2, 5, expiry, den)
    assert 0 <= gain * den - found.gain_num < 1
    assert 0 <= found.debt_num - debt * den < 1


# -- grids -------------------------------------------------------------------------------------------------------------


def test_before_settlement_only_the_rest_of_the_forward_moves():
    half = Expiry(900, 50.0, fixed=50.0)
    contract = Contract(100.0, call=True, vol=0.5)
    assert terms_of(SHOCKS, half, contract, Fraction(6, 5)).forward == 110
    assert terms_of(SHOCKS, half, contract).forward == 100


@given(
    st.floats(50, 200),
    st.floats(0.05, 3),
    st.booleans(),
    st.integers(0, 400 * 86_400),
    st.sampled_from([1, 100, 10**6, 10**18]),
)
def test_a_grid_encloses_the_true_price_in_every_scenario(strike, vol, call, seconds, quanta):
    expiry, contract = Expiry(seconds, 100.0), Contract(strike, call, vol)
    found = grid(RULE, SHOCKS, expiry, contract, quanta)
    moves = [(scenario.vol, scenario.price_num) for scenario in RULE.scenarios]
    moves += [("none", RULE.basis_up_num), ("none", RULE.basis_down_num)]
    assert len(found.low) == len(found.high) == len(moves) == RULE.grid_length
    for (kind, num), low, high in zip(moves, found.low, found.high, strict=True):
        terms = terms_of(SHOCKS, expiry, contract, Fraction(num, RULE.den))
        true = exact_price(terms, shifted_vol(SHOCKS, kind, expiry, contract))
        assert low <= Fraction(true) * quanta <= high
        assert high - low <= 2 + quanta // 10**9  # one quantum on either side, and what doubles cannot tell


def test_without_a_basis_charge_a_grid_has_one_price_a_scenario():
    rule = ScenarioMargin((Scenario(9, "none", 10), Scenario(11, "none", 10)), 10, 10, 10)
    found = grid(rule, SHOCKS, Expiry(0, 100.0), Contract(95.0, call=True, vol=0.5), 1)
    assert found == Grid(
        (0, 14), (1, 16)
    )  # exercise at 90 and 110, and a quantum for what doubles cannot tell


# -- the command -------------------------------------------------------------------------------------------------------


def test_an_option_that_many_hold_is_priced_once():
    expiry, contract = Expiry(86_400, 100.0), Contract(95.0, call=True, vol=0.5)
    found = grid(RULE, SHOCKS, expiry, contract, 1000)
    assert grid(RULE, SHOCKS, Expiry(86_400, 100.0), Contract(95.0, call=True, vol=0.5), 1000) is found
    assert grid(RULE, SHOCKS, expiry, contract._replace(vol=0.6), 1000) != found


def test_revaluation_covers_every_option_and_expiry_it_is_told_of():
    venue = empty_venue()
    command = revaluation(venue, "ETH", SHOCKS, {name: Quote(100.0, VOL) for name in OPTIONS})
    assert command.underlying == "ETH"
    assert command.grids.keys() == OPTIONS.keys()
    assert [each.expiry_ms for each in command.terms] == sorted(EXPIRIES)
    assert all(len(each.low) == RULE.grid_length for each in command.grids.values())


def test_revaluation_takes_time_to_expiry_from_the_clock():
    venue = empty_venue()
    quotes = {CALL: Quote(100.0, VOL)}
    before = revaluation(venue, "ETH", SHOCKS, quotes).grids[CALL]
    venue.time_ms = EXPIRIES[0] + 1
    after = revaluation(venue, "ETH", SHOCKS, quotes).grids[CALL]
    assert all(late <= early for late, early in zip(after.high, before.low, strict=True))
    # Expired: worth what exercising at the moved forward brings; ETH at 120.00 against a strike of 100.00.
    assert (after.low[8:10], after.high[8:10]) == ((1_999, 1_999), (2_001, 2_001))


@pytest.mark.parametrize("name", ["SOL", "ETH", "none"])
def test_what_is_no_option_on_the_underlying_is_refused(name):
    with pytest.raises(InputError, match=f"{name} is no option on ETH"):
        revaluation(empty_venue(), "ETH", SHOCKS, {name: Quote(100.0, VOL)})


def test_a_policy_without_scenarios_is_refused():
    with pytest.raises(InputError, match="no scenarios"):
        revaluation(empty_venue(rule=None), "ETH", SHOCKS, {CALL: Quote(100.0, VOL)})
