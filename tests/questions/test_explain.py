"""Every figure explains itself, and the inputs shown are those that the rules were called with."""

from dataclasses import replace
from decimal import Decimal

import pytest

from ringfence.books import Account, BookPosition
from ringfence.clearing import shapes
from ringfence.errors import InputError
from ringfence.questions.everywhere import arrangements, held
from ringfence.questions.explain import Explanation, described, watch, written
from ringfence.questions.margin import answer, margin
from ringfence.rules import requirement
from ringfence.venues.rulebook import list_rulebooks, load

D = Decimal
POSITIONS = (
    BookPosition("BTC", D("0.5"), D(60000), D(61000), "cross", leverage=D(10)),
    BookPosition("ETH", D(-4), D(3000), D(2900), "cross"),
)
RULEBOOKS = [load(info.venue, info.version) for info in list_rulebooks()]
NO_PERPETUALS = {"aave-v3"}


def walk(explanation):
    yield explanation
    for part in explanation.inputs:
        yield from walk(part)


def all_figures(result):
    for part in result.subaccounts:
        yield from part.figures.values()
        for position in part.positions:
            yield from position.figures.values()


def known(rulebook, symbol):
    """Whether the rulebook lists a market and says all that margin needs."""
    try:
        rulebook.market(symbol)
    except InputError:
        return False
    return True


def held_there(rulebook):
    """Our positions in the markets that a venue lists; where it lists neither, one of them in a market of its own."""
    found = tuple(position for position in POSITIONS if known(rulebook, position.symbol))
    own = [symbol for symbol in rulebook.symbols if known(rulebook, symbol)]
    return found or tuple(replace(POSITIONS[0], symbol=symbol) for symbol in own[:1])


@pytest.mark.parametrize("rulebook", RULEBOOKS, ids=lambda rulebook: rulebook.name)
@pytest.mark.parametrize("usdc", ["0", "20000", "1000000"])
def test_every_figure_explains_itself_in_every_mode(rulebook, usdc):
    positions = held_there(rulebook)
    assert positions or rulebook.head.venue in NO_PERPETUALS
    desk = Account("desk", {"USDC": D(usdc)}, positions)
    built, refused = held(desk, rulebook, {}, arrangements(desk))
    assert built
    assert not refused
    for _, each in built:
        for figure in all_figures(answer(each)):
            explanation = figure.explain()
            assert explanation.name == figure.name
            assert explanation.value == written(figure.value)
            assert explanation.formula


def test_collateral_in_other_assets_is_explained():
    desk = Account("desk", {"USDC": D(100), "ETH": D(2)}, (), prices={"ETH": D(3000)})
    (result,) = margin([desk], load("generic"))
    (call,) = [
        part for part in walk(result.subaccounts[0]["equity"].explain()) if part.name == "collateral_value_q"
    ]
    given = {part.name: part.value for part in call.inputs}
    assert given["raw_q"] == "6000"
    assert call.value == "5400"


def test_the_inputs_are_what_the_rule_was_called_with():
    (result,) = margin([Account("desk", {"USDC": D(10000)}, POSITIONS)], load("hyperliquid"))
    (call,) = [
        part for part in walk(result.positions[0]["maintenanceMargin"].explain()) if part.name == "tiered_q"
    ]
    given = {part.name: part.value for part in call.inputs}
    assert given == {
        "notional_q": "30500",
        "rate_num": "1",
        "deduction": "0",
        "rate_den": "80",
        "rounding": "floor",
    }
    assert requirement.tiered_q(30_500_000_000, 1, 0, 80, 0) == int(D(call.value).scaleb(6))


def test_sources_name_the_rulebook_and_its_source():
    (result,) = margin([Account("desk", {"USDC": D(10000)}, POSITIONS)], load("hyperliquid@2026"))
    source = result.positions[0]["maintenanceMargin"].explain().source
    assert source.startswith("hyperliquid 2026-07, margin.")
    assert source.endswith(")")
    assert "policy.trigger_at_equality" in result.subaccounts[0]["liquidatable"].explain().source


def test_a_liquidation_price_shows_both_sides_of_the_trigger():
    (result,) = margin([Account("desk", {"USDC": D(10000)}, POSITIONS)], load("generic"))
    figure = result.positions[0]["liquidationPrice"]
    verdicts = {D(part.name.removeprefix("at ")): part.value for part in figure.explain().inputs}
    price, quantum = D(figure.value), D(result.positions[0].stated["priceQuantum"])
    assert verdicts == {price - quantum: "liquidatable", price: "liquidatable", price + quantum: "safe"}


def test_a_given_price_is_not_said_to_be_the_files():
    desk = Account("desk", {"USDC": D(10000)}, POSITIONS)
    (result,) = margin([desk], load("generic"), {"BTC": D(62000)})
    marks = [part for part in walk(result.positions[0]["notional"].explain()) if part.name == "markPrice"]
    assert [(mark.value, mark.source) for mark in marks] == [("62000", "given with the question")]


def test_watching_records_nested_calls_and_stops():
    shape = load("hyperliquid").market("BTC")
    answer, root = watch(lambda: shapes.maintenance_q(shape, shapes.Leg(1, 10**9, 0), 0))
    assert answer == 12_500_000
    (outer,) = root.calls
    assert (outer.name, [inner.name for inner in outer.calls]) == ("maintenance_q", ["tier_of", "tiered_q"])
    assert outer.result == outer.calls[1].result == answer
    shapes.maintenance_q(shape, shapes.Leg(1, 10**9, 0), 0)
    assert len(root.calls) == 1


@pytest.mark.parametrize("venue", ["hyperliquid", "dydx-v4", "generic", "perp-v2", "synthetix-v3"])
def test_every_value_is_in_a_readers_units(venue):
    """No helper of a rule by its private name, no row of a table and no group of numbers as Python writes them."""
    desk = Account("desk", {"USDC": D(200_000_000)}, (replace(POSITIONS[0], size=D(3000)),))
    (result,) = margin([desk], load(venue))
    whole = [part for figure in all_figures(result) for part in walk(figure.explain())]
    assert not [
        part
        for part in whole
        if part.name.startswith("_") or part.value.startswith("(") or "lower_q=" in part.value
    ]


def test_a_tier_is_shown_by_its_fields():
    """3,000 BTC at 61,000 are 183 M USD: the second of Hyperliquid's tiers, from 150 M on, 20x."""
    desk = Account("desk", {"USDC": D(200_000_000)}, (replace(POSITIONS[0], size=D(3000)),))
    (result,) = margin([desk], load("hyperliquid"))
    parts = walk(result.positions[0]["maintenanceMargin"].explain())
    tiers = {part.value for part in parts if part.name == "tier_of"}
    assert {tier.partition(", deduction")[0] for tier in tiers} == {
        "lower_q 150000000, initial_num 4, maintenance_num 2"
    }


def test_watching_survives_an_error():
    with pytest.raises(ZeroDivisionError):
        watch(lambda: requirement.fraction_q(1, 1, 0, 0))
    _, root = watch(lambda: requirement.fraction_q(1, 1, 2, 0))
    assert [call.name for call in root.calls] == ["fraction_q"]


def test_a_rule_describes_itself():
    summary, formula, source = described("ringfence.rules.requirement", "tiered_q")
    assert summary.startswith("`(notional * rate - deduction) / den`")
    assert formula == "mul_div(notional_q * rate_num - deduction, 1, rate_den, rounding)"
    assert source == ""
    assert described("ringfence.rules.requirement", "withdrawal_q")[2].startswith("Hyperliquid docs")


def test_an_explanation_as_text_and_as_json():
    whole = Explanation(
        "a", "3", "b + c", (Explanation("b", "1", source="file"), Explanation("c", "2")), "rule"
    )
    assert str(whole) == "a: 3 = b + c  [rule]\n  b: 1  [file]\n  c: 2"
    assert whole.to_json() == {
        "name": "a",
        "value": "3",
        "formula": "b + c",
        "inputs": [{"name": "b", "value": "1", "source": "file"}, {"name": "c", "value": "2"}],
        "source": "rule",
    }
