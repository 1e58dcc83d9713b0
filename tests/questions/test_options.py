"""Options in a book: marks, volatilities and margin at the venues that have options, and who has none."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from ringfence.books import Account, BookPosition, read_accounts
from ringfence.books.options import OptionTerms
from ringfence.clearing.risk import subaccount_risk
from ringfence.errors import InputError
from ringfence.pricing.black76 import YEAR_SECONDS, Terms, price
from ringfence.questions.build import build
from ringfence.questions.diff import NETTING, diff
from ringfence.questions.everywhere import survey
from ringfence.questions.listings import OPTIONS, CannotHoldError
from ringfence.questions.margin import answer, margin
from ringfence.questions.repriced import moved, uniform_move_ppm
from ringfence.questions.summary import summarize
from ringfence.venues.rulebook import load

D = Decimal
NOW_MS = int(datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp() * 1000)
EXPIRY_MS = int(datetime(2027, 3, 26, 8, tzinfo=UTC).timestamp() * 1000)
YEARS = (EXPIRY_MS - NOW_MS) / 1000 / YEAR_SECONDS
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "options.json"


def perp(size, mark="3000"):
    return BookPosition("ETH", D(size), D(mark), D(mark), "cross")


def option(kind, strike, size, mark=None, vol="0.6", spot=None, **more):
    terms = OptionTerms(
        "ETH", kind, D(strike), EXPIRY_MS, None if vol is None else D(vol), None if spot is None else D(spot)
    )
    price_of = None if mark is None else D(mark)
    return BookPosition("ETH", D(size), D(100), price_of, "cross", option=replace(terms, **more))


def account(*positions, usdc="20000", time_ms=NOW_MS, **more):
    return Account("desk", {"USDC": D(usdc)}, positions, time_ms=time_ms, **more)


def theoretical(kind, strike, vol=0.6, spot=3000.0):
    return price(Terms(spot, float(strike), YEARS, kind == "call"), vol)


@pytest.fixture(scope="module")
def derive():
    """Standard margin: each option by itself, netted per expiry."""
    return load("derive")


@pytest.fixture(scope="module")
def portfolio():
    """Portfolio margin: the worst of a grid of scenarios."""
    return load("derive-pm")


def test_a_mark_follows_from_the_volatility(derive):
    (result,) = margin([account(perp("1"), option("call", 3200, "-1"))], derive)
    _, call = result.positions
    assert call.symbol == "ETH-20270326-3200-C"
    assert abs(float(call.stated["markPrice"]) - theoretical("call", 3200)) < 1e-7
    assert call.stated["optionType"] == "call"
    assert call.stated["impliedVolatility"] == "0.6"


def test_a_short_call_alone_by_the_standard_rule(derive):
    """Derive's manager: initial max(15 % - out of the money, 13 %) of spot, maintenance 9 %, both and the mark."""
    (result,) = margin([account(option("call", 3600, "-2", mark="200", spot="3000"))], derive)
    part = result.subaccounts[0]
    # Out of the money by 20 %: 13 % of 3000 and the mark of 200, twice; 9 % for maintenance. Equity has the mark off.
    assert D(part["initialMargin"].value) + D(2 * 200) == D(2) * (D(3000) * D("0.13") + 200) + 400 - 400
    assert D(part["maintenanceMargin"].value) == D(2) * D(3000) * D("0.09")
    assert D(part["equity"].value) == 20000 + 2 * 100 - 2 * 200


def test_the_volatility_follows_from_the_mark(portfolio):
    mark = D(repr(round(theoretical("call", 3200, 0.75), 6)))
    stated = build(account(option("call", 3200, "-1", mark=mark, vol="0.75", spot="3000")), portfolio, {})
    implied = build(account(option("call", 3200, "-1", mark=mark, vol=None, spot="3000")), portfolio, {})
    (vols,) = [(a.vol, b.vol) for a, b in zip(stated.quotes.values(), implied.quotes.values(), strict=True)]
    assert math.isclose(*vols, rel_tol=1e-6)
    risks = [subaccount_risk(built.venue, built.venue.subaccounts["desk"]) for built in (stated, implied)]
    assert abs(risks[0].maintenance_q - risks[1].maintenance_q) < 10_000


def test_portfolio_margin_nets_what_standard_margin_adds(derive, portfolio):
    """Calls sold over the perp that covers them: less together than the two alone, where positions are netted."""

    def asked(rulebook, *positions):
        (result,) = margin([account(*positions)], rulebook)
        return D(result.subaccounts[0]["maintenanceMargin"].value)

    calls, covers = option("call", 3000, "-10", spot="3000"), perp("10")
    for rulebook, nets in ((portfolio, True), (derive, False)):
        together = asked(rulebook, calls, covers)
        alone = asked(rulebook, calls) + asked(rulebook, covers)
        assert (together < alone / 2) == nets
        assert (together == alone) == (not nets)


def test_the_price_of_the_underlying_comes_from_where_it_is_said(derive):
    alone = account(option("call", 3200, "-1"))
    with pytest.raises(
        InputError, match=r"underlyingPrice: missing; state it in the file or give --price ETH=\.\.\."
    ):
        margin([alone], derive)
    found = {
        "stated": build(account(option("call", 3200, "-1", spot="3000")), derive, {}),
        "given": build(alone, derive, {"ETH": D(3000)}),
        "held": build(account(perp("1"), option("call", 3200, "-1")), derive, {}),
        "of the account": build(account(option("call", 3200, "-1"), prices={"ETH": D(3000)}), derive, {}),
    }
    assert {built.venue.markets["ETH-20270326-3200-C"].mark for built in found.values()} == {
        found["stated"].venue.markets["ETH-20270326-3200-C"].mark
    }
    both = account(option("call", 3200, "-1", spot="3000"), option("put", 3200, "-1", spot="3001"))
    with pytest.raises(InputError, match=r"ETH has two prices in one account; give --price ETH=\.\.\."):
        margin([both], derive)
    assert build(both, derive, {"ETH": D(2900)}).venue.markets["ETH"].index == 2900 * 10**8


def test_a_given_price_moves_spot_and_what_depends_on_it(portfolio):
    held = account(perp("5"), option("put", 2600, "5", vol="0.7"))
    at = {
        spot: margin([held], portfolio, {"ETH": D(spot)})[0].subaccounts[0]["equity"].value
        for spot in (2000, 3000)
    }
    gained = theoretical("put", 2600, 0.7, 2000.0) - theoretical("put", 2600, 0.7, 3000.0)
    assert abs(float(D(at[2000]) - D(at[3000])) - (5 * gained - 5000)) < 0.001


def test_an_option_of_another_day_is_another_market(derive):
    later = option("call", 3200, "-1", expiry_ms=EXPIRY_MS + 7 * 86_400_000)
    built = build(account(perp("1"), option("call", 3200, "-1"), later), derive, {})
    assert set(built.venue.markets) == {"ETH", "ETH-20270326-3200-C", "ETH-20270402-3200-C"}


def test_strikes_and_marks_finer_than_the_venues_grid(derive):
    fine = option("call", "3200.0000000001", "-1.00000000001", mark="100.000000000001", spot="3000")
    (result,) = margin([account(fine)], derive)
    (position,) = result.positions
    assert (position.stated["contracts"], position.stated["markPrice"]) == (
        "1.00000000001",
        "100.000000000001",
    )


def test_who_has_no_options_says_so():
    with pytest.raises(CannotHoldError, match="generic 2026-11 has no options") as caught:
        margin([account(perp("1"), option("call", 3200, "-1"))], load("generic"))
    assert (caught.value.kind, caught.value.subjects) == (OPTIONS, ("ETH",))
    answers = {each.venue: each for each in survey(read_accounts(EXAMPLE), {}, search=False)}
    assert answers["hyperliquid"].refused[0].short == "options not offered: ETH/USDC:USDC-270326-3200-C"
    assert {venue for venue, each in answers.items() if each.rows} == {
        "aevo",
        "derive",
        "derive-pm",
        "derive-pm2",
    }


@pytest.mark.parametrize(
    ("book", "said"),
    [
        (
            account(option("call", 3200, "-1", spot="3000"), time_ms=None),
            "timestamp: missing; what an option is worth",
        ),
        (
            account(option("call", 3200, "-1", spot="3000"), time_ms=EXPIRY_MS),
            "the option has expired",
        ),
        (
            account(option("call", 3200, "-1", vol=None, spot="3000")),
            "markPrice: missing; state it, or impliedVolatility",
        ),
        (
            account(option("call", 3200, "-1", mark="5000", vol=None, spot="3000")),
            "markPrice: 5000 implies no volatility",
        ),
        (account(option("call", "1e29", "-1", mark="1", spot="3000")), "more than the engine holds"),
    ],
)
def test_what_an_option_lacks_is_one_line(derive, book, said):
    with pytest.raises(InputError) as caught:
        margin([book], derive)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_figure_of_a_book_with_options_explains_itself():
    (desk,) = read_accounts(EXAMPLE)
    for name in ("aevo", "derive", "derive-pm", "derive-pm2"):
        result = answer(build(desk, load(name), {}))
        json.dumps(result.to_json(explain=True))
        for position in result.positions:
            none = position["liquidationPrice"].value is None
            assert none or position.symbol == "ETH"


# -- the move that liquidates it --------------------------------------------------------------------------------------


def test_options_are_priced_anew_where_all_marks_move(portfolio):
    built = build(account(perp("1"), option("call", 3200, "-1")), portfolio, {})
    venue = moved(built, 100_000)
    name = "ETH-20270326-3200-C"
    assert venue.markets["ETH"].mark == built.venue.markets["ETH"].mark * 11 // 10
    shown = venue.markets[name].mark / 10 ** venue.markets[name].price_decimals
    assert abs(shown - theoretical("call", 3200, 0.6, 3300.0)) < 1e-6
    assert venue.markets[name].grid != built.venue.markets[name].grid
    assert built.venue.markets["ETH"].mark == 3000 * 10 ** built.venue.markets["ETH"].price_decimals


@pytest.mark.parametrize("venue", ["derive", "derive-pm"])
@pytest.mark.parametrize("kind", ["call", "put"])
def test_the_move_is_where_liquidation_begins(venue, kind):
    naked = account(option(kind, 3000, "-5", spot="3000"), usdc="9000")
    built = build(naked, load(venue), {})
    move_ppm = uniform_move_ppm(built, built.venue.subaccounts["desk"])
    assert (move_ppm > 0) == (kind == "call")

    def liquidatable(at_ppm):
        there = moved(built, at_ppm)
        return subaccount_risk(there, there.subaccounts["desk"]).liquidatable(at_equality=False)

    assert liquidatable(move_ppm)
    assert not liquidatable(move_ppm - 200 if move_ppm > 0 else move_ppm + 200)
    price_there = D(3000) * (1_000_000 + move_ppm) / 1_000_000
    (result,) = margin([naked], load(venue), {"ETH": price_there})
    assert result.subaccounts[0]["liquidatable"].value is True


def test_no_move_liquidates_who_holds_options_alone(portfolio):
    built = build(account(option("call", 3000, "5", spot="3000")), portfolio, {})
    assert uniform_move_ppm(built, built.venue.subaccounts["desk"]) is None
    assert summarize(built).move_ppm is None
    assert summarize(built).prices[0].price is None


def test_a_book_without_options_is_asked_of_the_engine(derive):
    built = build(account(perp("10"), usdc="4000"), derive, {})
    # 4000 + 30000 x = 6.5 % x 30000 x (1 + x)
    assert uniform_move_ppm(built, built.venue.subaccounts["desk"]) == -73_084


def test_a_diff_between_managers(derive, portfolio):
    found = diff(read_accounts(EXAMPLE), derive, portfolio, {})
    assert found.markets[NETTING].maintenance_after_q < found.markets[NETTING].maintenance_before_q
    for name, rulebook in (("maintenance_before_q", derive), ("maintenance_after_q", portfolio)):
        (result,) = margin(read_accounts(EXAMPLE), rulebook)
        assert getattr(found.total, name) == int(D(result.subaccounts[0]["maintenanceMargin"].value) * 10**6)
