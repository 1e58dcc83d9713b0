"""Perpetual Protocol v2: what no single transcribed case shows. The cases stand in `cases/perp_v2_curie.json`."""

import pytest

from ringfence.clearing.risk import is_liquidatable, subaccount_risk
from ringfence.questions.conformance.perp_v2_account import ACCOUNT, standing_of, takers, venue_of
from ringfence.questions.conformance.perp_v2_curie import KINDS
from ringfence.questions.conformance.perp_v2_pool import root_at, taker_size
from ringfence.questions.conformance.vectors import Case, Field, UnsupportedError
from ringfence.questions.verify import run
from ringfence.rules.amm import Q96

WEI = 10**18
LONG = {"market": "ETH", "size": "1", "open_notional": "-1000"}


def case(collateral, *positions, rule=None, **action):
    body = {
        "rule": rule or {},
        "collateral": [{"asset": asset, **held} for asset, held in collateral.items()],
        "positions": list(positions),
        "action": action,
        "expected": {},
    }
    return Case("perp_v2_curie", "", "perp_v2_curie/here", "", "published", Field(body, "here: "))


def usdc(amount):
    return {"USDC": {"amount": amount}}


def test_the_published_file_agrees(shared):
    report = run([shared / "vectors" / "perp_v2_curie.json"])
    assert (report.failed, report.unsupported) == (0, 0)
    assert report.headline.passed == len(report.results)


def test_the_pool_of_the_tests_gives_the_sizes_that_they_print():
    # Vault.freeCollateral.test.ts: "0.065379992856491801 ETH for 10 USD", "position size: 0.651895044478514505"
    assert taker_size(10 * WEI) == 65379992856491801
    assert taker_size(100 * WEI) == 651895044478514505


def test_roots_of_ticks():
    assert root_at(0) == Q96
    # 1.0001 ** 45541 is just below 95: AccountBalance.t.sol mocks a mean price of 95 with it.
    assert 0 < 95 - (root_at(45541) / Q96) ** 2 < 0.001


@pytest.mark.parametrize(("mark", "liquidatable"), [("906", True), ("907", False)])
def test_the_engine_and_the_takeover_have_the_same_trigger(mark, liquidatable):
    """150 + mark - 1,000 against 6.25 % of the mark: 850 / 0.9375 = 906.67."""
    asked = case(usdc("150"), {**LONG, "mark": mark})
    venue = venue_of(asked, takers(asked), 150 * WEI)
    assert is_liquidatable(venue, venue.subaccounts[ACCOUNT]) is liquidatable
    assert KINDS["liquidatable"](asked)["liquidatable"] is liquidatable


def test_account_value_is_the_engines_equity():
    asked = case(
        {"USDC": {"amount": "500"}, "WETH": {"amount": "1", "price": "3000"}}, {**LONG, "mark": "1100.5"}
    )
    venue = venue_of(asked, takers(asked), 500 * WEI)
    found = standing_of(asked)
    assert found.equity == subaccount_risk(venue, venue.subaccounts[ACCOUNT]).equity_q
    assert found.equity == (500 + 2_100) * WEI + WEI * 201 // 2  # 70 % of 3,000 and a profit of 100.50


def test_a_liquidator_of_the_same_side_realizes_nothing():
    own = {"role": "liquidator", "market": "ETH", "size": "2", "open_notional": "-2100", "mark": "900"}
    answer = KINDS["penalty_wei"](case(usdc("150"), {**LONG, "mark": "900"}, own))
    assert answer["liquidator_realized_pnl_wei"] == 0
    assert answer["liquidator_position_after_wei"] == 5 * WEI // 2


def test_every_wei_of_a_penalty_is_somebodys():
    answer = KINDS["penalty_wei"](case(usdc("150"), {**LONG, "mark": "899.999999999999999999"}))
    assert answer["to_liquidator_wei"] + answer["to_insurance_fund_wei"] == answer["penalty_wei"]
    assert answer["penalty_wei"] == answer["liquidated_notional_wei"] * 25 // 1_000


def test_the_index_is_what_a_position_is_taken_over_at():
    answer = KINDS["penalty_wei"](case(usdc("150"), {**LONG, "mark": "900", "index": "880"}))
    assert answer["liquidated_notional_wei"] == 440 * WEI


@pytest.mark.parametrize(
    ("kind", "held", "position", "missing"),
    [
        ("max_repaid_wei", {"USDC": {"amount": "1000"}}, None, "debt"),
        ("collateral_weth", {"WETH": {"price": "3000"}}, None, "amount"),
        ("penalty_wei", {"USDC": {"amount": "150"}}, {"size": "1", "open_notional": "-1000"}, "mark"),
        ("penalty_wei", {"USDC": {"amount": "150"}}, {"size": "1", "mark": "900"}, "open_notional"),
    ],
)
def test_a_case_that_does_not_state_what_is_needed_is_unsupported(kind, held, position, missing):
    with pytest.raises(UnsupportedError, match=rf"{missing} is not stated"):
        KINDS[kind](case(held, *([] if position is None else [position])))


def test_collateral_without_a_price_is_not_asked_about():
    answer = KINDS["free_collateral_usdc"](case({"USDC": {"amount": "100"}, "WETH": {"amount": "1"}}))
    assert answer["free_collateral_usdc"] == 100
    assert "free_collateral_weth" not in answer
