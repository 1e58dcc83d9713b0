"""Rulebooks whose margin rises in steps, where the rate of a step counts for the whole position."""

from decimal import Decimal
from fractions import Fraction

import pytest

from ringfence.clearing.policy import Rounding, Step, Stepped
from ringfence.clearing.shapes import Leg, initial_q, maintenance_q
from ringfence.errors import InputError, UnknownValueError
from ringfence.units import to_atoms
from ringfence.venues.rulebook import load
from ringfence.venues.tables import read_margin

USD = 10**6
SCHEDULE = {
    "initial": "0.1",
    "initial_increment": "0.02",
    "maintenance": "0.05",
    "baseline": "50",
    "increment": "10",
    "largest": "75",
}


def rates(name, symbol, size, usd):
    """Initial and maintenance rate of a position of `size` base units that is worth `usd`, in 1/1000."""
    rulebook = load(name)
    market, rounds = rulebook.market(symbol), Rounding()
    size_b = to_atoms(Decimal(size), rulebook.ask(f"markets.{symbol}.base_decimals"), "size")
    leg = Leg(size_b, usd * USD, 0)
    asked = initial_q(market, leg, None, rounds), maintenance_q(market, leg, rounds.requirement)
    return tuple(Fraction(1_000 * one_q, usd * USD) for one_q in asked)


def test_each_increment_above_the_baseline_adds_one_step():
    # in hundredths of a base unit and over 50: 10 %, from 60 on 12 %, from 70 on 14 %; 80 is above the largest
    steps = (Step(0, 10, 5), Step(6_000, 12, 5), Step(7_000, 14, 5))
    assert read_margin(SCHEDULE, 2, "margin.X") == Stepped(steps, 100, "size")


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("increment", "0", "margin.X.increment: expected a size above 0, got 0"),
        ("baseline", "-1", "margin.X.baseline: expected a size above 0, got -1"),
        ("increment", "0.001", "margin.X: more than 10000 increments up to the largest position"),
    ],
)
def test_a_schedule_that_cannot_be(field, value, sentence):
    with pytest.raises(InputError) as error:
        read_margin(SCHEDULE | {field: value}, 3, "margin.X")
    assert str(error.value) == sentence


@pytest.mark.parametrize(
    ("symbol", "size", "usd", "initial", "maintenance"),
    [
        # 5 % up to 9 BTC, 1 % more for each 1.5 above
        ("BTC", "9", 360_000, 50, 30),
        ("BTC", "10.4999", 420_000, 50, 30),
        ("BTC", "10.5", 420_000, 60, 30),
        ("BTC", "-10.5", 420_000, 60, 30),
        # (16.5 - 9) / 1.5 = 5 increments
        ("BTC", "16.5", 660_000, 100, 30),
        # 95 increments of 1.5 lie above 9 BTC at 151.5: 5 % + 95 % = 100 %, and no more than that
        ("BTC", "170", 6_800_000, 1_000, 30),
        # 140 ETH, 1 % for each 28
        ("ETH", "168", 420_000, 60, 30),
        # 3,400 SOL, 2 % for each 700
        ("SOL", "4099.9", 410_000, 100, 50),
        ("SOL", "4100", 410_000, 120, 50),
    ],
)
def test_dydx_v3_by_size(symbol, size, usd, initial, maintenance):
    assert rates("dydx-v3", symbol, size, usd) == (initial, maintenance)


@pytest.mark.parametrize(
    ("usd", "initial", "maintenance"),
    [
        (49_999, 10, 5),
        (50_000, Fraction("13.33"), Fraction("6.5")),
        (100_000, 20, 10),
        (999_999, 100, 50),
        (1_000_000, 200, 100),
        (5_000_000, 1_000, 500),
    ],
)
def test_apex_omni_by_notional(usd, initial, maintenance):
    assert rates("apex-omni", "BTC", "1", usd) == (initial, maintenance)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("dydx-v3", "policy.taker_fee"),
        ("apex-omni", "policy.liquidation.size"),
        ("apex-pro", "policy.liquidation.size"),
    ],
)
def test_what_is_not_published_is_asked_for_by_name(name, sentence):
    rulebook = load(name)
    assert rulebook.margin_policy()
    with pytest.raises(UnknownValueError) as error:
        rulebook.policy()
    assert sentence in str(error.value)
