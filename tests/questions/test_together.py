"""Margin of positions that are judged together explains itself: its parts add up, and say which scenario was worst."""

from decimal import Decimal

import pytest

from ringfence.books import Account, BookPosition
from ringfence.questions.margin import margin
from ringfence.venues.rulebook import load

D = Decimal
ETH = BookPosition("ETH", D(-3), D(2000), D(2000), "cross")
BTC = BookPosition("BTC", D("0.1"), D(60000), D(60000), "cross")


def figures(venue, *positions, **collateral):
    desk = Account("desk", {name: D(amount) for name, amount in collateral.items()}, positions)
    (result,) = margin([desk], load(venue))
    return result.subaccounts[0]


def numbers(explanation):
    return {part.name: D(part.value) for part in explanation.inputs}


@pytest.mark.parametrize("venue", ["derive-pm", "derive-pm2"])
@pytest.mark.parametrize("name", ["initialMargin", "maintenanceMargin"])
@pytest.mark.parametrize("held", ["0", "2", "3"])
def test_underlyings_and_collateral_add_up(venue, name, held):
    figure = figures(venue, ETH, BTC, USDC="8000", ETH=held)[name]
    why = figure.explain()
    parts = numbers(why)
    assert sum(parts.values()) == D(figure.value) == D(why.value)
    assert {"ETH", "BTC"} <= parts.keys() <= {"ETH", "BTC", "other collateral"}
    assert "portfolio.scenarios" in why.source


@pytest.mark.parametrize("name", ["initialMargin", "maintenanceMargin"])
def test_an_underlying_is_taken_apart(name):
    """Three ETH sold at 2,000 rise by 20 %: 1,200, and a charge of 3 %, 180; x 1.25 for initial margin."""
    (eth,) = figures("derive-pm", ETH, USDC="8000")[name].explain().inputs
    parts = numbers(eth)
    assert parts == {
        "loss": 1200,
        "charge on perps": 180,
        "factor": D("1.25") if name == "initialMargin" else 1,
    }
    assert D(eth.value) == (parts["loss"] + parts["charge on perps"]) * parts["factor"]
    assert eth.inputs[0].formula == "worst scenario: price x 1.2, volatility up"


def test_charges_beside_the_loss_are_not_multiplied():
    """The second manager: 18 % of 6,000 x 0.8 and 3 % of it."""
    (eth,) = figures("derive-pm2", ETH, USDC="8000")["maintenanceMargin"].explain().inputs
    assert eth.formula == "loss x factor + charges"
    assert numbers(eth) == {"loss": 1080, "charge on perps": 180, "factor": D("0.8")}
    assert D(eth.value) == D("1044")


def test_what_is_hedged_loses_nothing():
    (eth,) = figures("derive-pm", ETH, USDC="8000", ETH="3")["initialMargin"].explain().inputs
    assert eth.inputs[0].value == "0"
    assert eth.inputs[0].formula == "no scenario loses anything"


@pytest.mark.parametrize(("venue", "alone"), [("derive-pm", True), ("hyperliquid", False)])
def test_a_position_says_that_its_margin_is_its_own(venue, alone):
    (result,) = margin([Account("desk", {"USDC": D(8000)}, (ETH,))], load(venue))
    for name in ("initialMargin", "maintenanceMargin"):
        assert result.positions[0][name].explain().formula.startswith("alone: ") is alone


@pytest.mark.parametrize(
    ("venue", "path"), [("vertex", "policy.spread_credit"), ("derive", "standard.netting")]
)
def test_other_rules_over_a_set_say_what_each_asks_alone(venue, path):
    why = figures(venue, BTC, USDC="8000")["initialMargin"].explain()
    assert [part.name for part in why.inputs] == ["BTC"]
    assert path in why.source
