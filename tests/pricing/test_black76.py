"""Black-76: known prices, the bound of its error, parity, sensitivities, implied volatility, rounding."""

import math
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pricing.exact import price as exact_price
from ringfence.errors import InputError
from ringfence.pricing.black76 import YEAR_SECONDS, Greeks, Terms, bounds, error, greeks, implied_vol, price

moneyness = st.floats(-2, 2).map(math.exp)
forwards = st.floats(1e-4, 1e6)
spans = st.floats(1e-6, 5)
vols = st.floats(0.01, 5)
shares = st.floats(0.5, 1)


@st.composite
def options(draw: st.DrawFn) -> Terms:
    """An option that may be worth something."""
    forward = draw(forwards)
    return Terms(forward, forward * draw(moneyness), draw(spans), draw(st.booleans()), draw(shares))


def test_a_published_price() -> None:
    # derivexyz/v2-core@7736900d testAndVerifyScenarios.json, Test10 (18 decimals): forward 1500.8332793109938, strike
    # 1500, volatility 1.0478844940849862, 500,400 s: 79.371585189059936256.
    terms = Terms(1500.8332793109938, 1500.0, 500_400 / YEAR_SECONDS, call=True)
    assert price(terms, 1.0478844940849862) == pytest.approx(79.371585189059936256, abs=1e-10)


def test_a_textbook_price() -> None:
    # Forward = strike = 100, volatility 20 %, one year: 100 x (2 N(0.1) - 1) = 7.9655674554...
    assert price(Terms(100, 100, 1, call=True), 0.2) == pytest.approx(7.965567455405804, abs=1e-12)
    assert price(Terms(100, 100, 1, call=False), 0.2) == pytest.approx(7.965567455405804, abs=1e-12)


@pytest.mark.parametrize("call", [True, False])
def test_without_time_or_volatility_an_option_is_worth_its_exercise(call: bool) -> None:
    for years, vol in ((0.0, 0.5), (1.0, 0.0)):
        for strike in (90.0, 110.0):
            pays = max(0.0, 100 - strike if call else strike - 100)
            assert price(Terms(100, strike, years, call), vol) == pays


def test_without_a_strike_or_a_forward() -> None:
    assert price(Terms(100, 0, 1, call=True, discount=0.9), 0.5) == 90
    assert price(Terms(100, 0, 1, call=False), 0.5) == 0
    assert price(Terms(0, 100, 1, call=True), 0.5) == 0
    assert price(Terms(0, 100, 1, call=False, discount=0.9), 0.5) == 90


def test_volatility_without_bound() -> None:
    assert price(Terms(100, 150, 1, call=True, discount=0.9), 500) == 90
    assert price(Terms(100, 150, 1, call=False, discount=0.9), 500) == 135


@given(options(), vols)
@settings(max_examples=60)
def test_the_error_stays_within_its_bound(terms: Terms, vol: float) -> None:
    assert abs(Fraction(price(terms, vol)) - Fraction(exact_price(terms, vol))) <= Fraction(error(terms))


@given(options(), vols)
def test_put_call_parity(terms: Terms, vol: float) -> None:
    call, put = price(terms._replace(call=True), vol), price(terms._replace(call=False), vol)
    assert call - put == pytest.approx(
        terms.discount * (terms.forward - terms.strike), abs=2 * error(terms) + 1e-300
    )


@given(options(), vols, st.floats(1.0, 2.0))
def test_more_volatility_is_never_worth_less(terms: Terms, vol: float, times: float) -> None:
    assert price(terms, vol * times) >= price(terms, vol) - 2 * error(terms)


@given(options(), vols, st.floats(1.0, 2.0))
def test_a_call_rises_with_the_forward_and_a_put_falls(terms: Terms, vol: float, times: float) -> None:
    higher = terms._replace(forward=terms.forward * times)
    change = price(higher, vol) - price(terms, vol)
    slack = error(terms) + error(higher)
    assert change >= -slack if terms.call else change <= slack


def _differences(terms: Terms, vol: float) -> Greeks:
    """Sensitivities from prices of nearby options; the discount ages at its own rate."""
    bump, shift, wait = terms.forward * 1e-4, 1e-4, terms.years * 1e-4
    up, down = (terms._replace(forward=terms.forward + sign * bump) for sign in (1, -1))
    rate = -math.log(terms.discount) / terms.years
    later, sooner = (
        terms._replace(
            years=terms.years + sign * wait, discount=math.exp(-rate * (terms.years + sign * wait))
        )
        for sign in (-1, 1)
    )
    return Greeks(
        (price(up, vol) - price(down, vol)) / (2 * bump),
        (price(up, vol) - 2 * price(terms, vol) + price(down, vol)) / bump**2,
        (price(terms, vol + shift) - price(terms, vol - shift)) / (2 * shift),
        (price(later, vol) - price(sooner, vol)) / (2 * wait),
    )


@given(
    st.floats(-0.5, 0.5).map(math.exp),
    st.floats(0.05, 2),
    st.floats(0.2, 1.5),
    st.booleans(),
    st.floats(0.8, 1.0),
)
def test_greeks_are_the_slopes_of_the_price(
    ratio: float, years: float, vol: float, call: bool, discount: float
) -> None:
    terms = Terms(100.0, 100.0 * ratio, years, call, discount)
    ours, slopes = greeks(terms, vol), _differences(terms, vol)
    assert ours.delta == pytest.approx(slopes.delta, abs=1e-5)
    assert ours.gamma == pytest.approx(slopes.gamma, abs=1e-5)
    assert ours.vega == pytest.approx(slopes.vega, abs=1e-4)
    assert ours.theta == pytest.approx(slopes.theta, abs=1e-3)


def test_greeks_at_expiry_are_those_of_the_payoff() -> None:
    assert greeks(Terms(110, 100, 0, call=True), 0.5) == Greeks(1, 0, 0, 0)
    assert greeks(Terms(110, 100, 0, call=False), 0.5) == Greeks(0, 0, 0, 0)
    assert greeks(Terms(90, 100, 0, call=False), 0.5) == Greeks(-1, 0, 0, 0)
    assert greeks(Terms(100, 100, 1, call=False), 500) == Greeks(0, 0, 0, 0)


@given(options(), vols)
def test_implied_volatility_gives_the_price_back(terms: Terms, vol: float) -> None:
    paid = price(terms, vol)
    most = terms.discount * (terms.forward if terms.call else terms.strike)
    assume(price(terms, 0.0) + 10 * error(terms) < paid < most * (1 - 1e-9))
    assert price(terms, implied_vol(terms, paid)) == pytest.approx(paid, abs=4 * error(terms))


@pytest.mark.parametrize("paid", [9.0, 100.0, 150.0])
def test_a_price_that_no_volatility_gives_is_refused(paid: float) -> None:
    with pytest.raises(InputError, match="no volatility gives the price"):
        implied_vol(Terms(100, 90, 1, call=True), paid)


def test_the_value_at_exercise_needs_no_volatility() -> None:
    assert implied_vol(Terms(100, 90, 1, call=True), 10.0) == 0.0


@given(options(), vols, st.sampled_from([1, 10**6, 10**18]))
def test_whole_prices_enclose_the_true_one(terms: Terms, vol: float, quanta: int) -> None:
    found, true = bounds(terms, vol, quanta), Fraction(exact_price(terms, vol)) * quanta
    assert 0 <= found.low <= true <= found.high
    assert found.high - found.low <= 2 * Fraction(error(terms)) * quanta + 2


@pytest.mark.parametrize(
    "terms",
    [
        Terms(-1, 1, 1, call=True),
        Terms(1, math.nan, 1, call=True),
        Terms(1, 1, math.inf, call=True),
        Terms(1, 1, 1, call=True, discount=0),
    ],
)
def test_terms_that_are_none_are_refused(terms: Terms) -> None:
    with pytest.raises(InputError, match="an option needs"):
        price(terms, 0.5)
