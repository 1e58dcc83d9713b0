"""Perpetual Protocol v1: what no single transcribed case shows. The cases themselves stand in `cases/perp_v1.json`."""

from fractions import Fraction

import pytest

from ringfence.questions.conformance.perp_v1 import KINDS
from ringfence.questions.conformance.vectors import Case, Field, RefusedError
from ringfence.questions.verify import run

WEI = 10**18
RULE = {"amm": "1000 quote : 100 base", "maintenance_margin_ratio": "0.1 (set by test)"}


def case(margin, side, notional, trades, rule=RULE, **position):
    position |= {"side": side, "open_notional": notional, "counter_trade": trades}
    body = {
        "rule": rule,
        "collateral": [{"asset": "USDC", "amount": margin}],
        "positions": [position],
        "action": {},
        "expected": {},
    }
    return Case("perp_v1", "", "perp_v1/here", "", "published", Field(body, "here: "))


def test_the_published_file_agrees(shared):
    report = run([shared / "vectors" / "perp_v1.json"])
    assert (report.failed, report.unsupported) == (0, 0)
    assert report.headline.passed == len(report.results)


def test_a_case_that_states_no_parameters_has_those_of_the_deployment():
    """25 % and 1.25 % with half to the liquidator: 6.25 % of 198 USD was not met, 1.25 % neither."""
    answer = KINDS["penalty_wei"](case("51", "long", "250", "sell 150", {"amm": RULE["amm"]}))
    assert answer["liquidatable"] is True
    assert answer["liquidated_size"] == 20  # margin ratio -0.3 %: all of it
    assert answer["liquidator_fee_wei"] == answer["liquidated_notional_wei"] * 125 // 10_000 // 2


@pytest.mark.parametrize(
    ("oracle", "liquidatable"),
    [
        ("12", True),  # the pool stands at 1,100 / 90.9 = 12.1, less than 10 % away
        ("13.3", True),  # 9.02 %
        ("13.5", False),  # 10.4 %: worth 270 by the oracle, a ratio of 16.7 %
        ("10", True),  # 21 %, but the oracle's ratio is worse
    ],
)
def test_the_oracle_counts_only_far_away_and_only_where_it_helps(oracle, liquidatable):
    asked = case("25", "long", "250", "sell 150", oracle_price=oracle)
    assert KINDS["liquidatable"](asked)["liquidatable"] is liquidatable


def test_what_a_portion_pays_leaves_the_margin_and_nothing_else():
    answer = KINDS["penalty_wei"](case("25", "long", "250", "sell 45.18072289"))
    assert answer["margin_after_wei"] == 25 * WEI + answer["realized_pnl_wei"] - answer["penalty_wei"]
    fund = answer["insurance_fund_after"] - 5_000
    assert fund == Fraction((answer["penalty_wei"] - answer["liquidator_fee_wei"]) // 10**12, 10**6)


def test_a_pool_cannot_be_emptied():
    with pytest.raises(RefusedError, match="is 0"):
        KINDS["margin_ratio_wei"](case("25", "short", "1000", "buy 1"))
