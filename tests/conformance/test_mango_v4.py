"""Mango v4: the published health cases, and accounts beyond them."""

import json
from copy import deepcopy
from pathlib import Path

import pytest

from ringfence.errors import InputError
from ringfence.questions.conformance.vectors import read_cases
from ringfence.questions.verify import judge, run

CASES = json.loads((Path(__file__).parent / "cases" / "mango_v4.json").read_text())


def changed(tmp_path, case_id, rule=(), held=(), expected=()):
    """The verdict on a transcribed case with fields of its rule and of its holdings exchanged or added."""
    case = deepcopy(next(case for case in CASES if case["case_id"] == case_id))
    for token, fields in dict(rule).items():
        case["rule"][token] = case["rule"].get(token, {}) | fields
    case["collateral"][0] |= dict(held)
    case["expected"] = dict(expected) or case["expected"]
    case["kind"] = "+".join(sorted(case["expected"]))
    file = tmp_path / "mango_v4.json"
    file.write_text(json.dumps([case]))
    return judge(read_cases(file)[0])


def test_the_reference_folder(shared):
    report = run([shared / "vectors" / "mango_v4.json"])
    assert (report.failed, report.unsupported) == (0, 0)
    assert report.headline.passed >= 12


WORSE = [
    # 30 lots of 10 bought for 100, at 5 (836) or at a slow 4: 0.8 x 0.95 x (0.8 x 30 x 10 x 4 - 100)
    ({"perp1": {"stable_price": 4}}, {}, "653.6"),
    ({"perp1": {"stable_price": 6}}, {}, "836"),
    # a debt of 3 at a slow 12 instead of 10: 1.5 x 3 x 12 less
    ({"token3": {"stable_price": 12}}, {"token3": -3}, "782"),
    ({"token3": {"stable_price": 8}}, {"token3": -3}, "791"),
    # deposits of 100 at the slow 20 are twice what the weight stands for: 0.5 x 0.5 x 5 x 2 more
    (
        {"token2": {"stable_price": 20}},
        {"token2": 2, "bank_deposits": [0, 100], "deposit_weight_scale_start_quote": ["max", 1000]},
        "838.5",
    ),
]


@pytest.mark.parametrize(("rule", "held", "health"), WORSE)
def test_initial_health_takes_the_worse_of_the_oracle_and_the_slow_price(tmp_path, rule, held, health):
    result = changed(tmp_path, "a large base", rule, held, {"init_health": health})
    assert (result.status, [str(mismatch) for mismatch in result.mismatches]) == ("passed", [])


def test_liquidation_ends_by_the_oracle_and_by_weights_that_do_not_shrink(tmp_path):
    held = {"token2": 2, "bank_deposits": [0, 100], "deposit_weight_scale_start_quote": [None, 1000]}
    rule = {"token2": {"stable_price": 20}}
    # 836 for the perpetual and 0.5 x 5 x 2
    result = changed(tmp_path, "a large base", rule, held, {"liquidation_end_health": "841"})
    assert result.status == "passed"


def test_holdings_that_are_not_known_are_not_passed_over(tmp_path):
    result = changed(tmp_path, "a large base", held={"nft": 1})
    assert (result.status, result.reason) == ("unsupported", "holdings of an unknown kind: nft")


def test_holdings_need_a_price(tmp_path):
    with pytest.raises(InputError, match="there is no token9 in the rule"):
        changed(tmp_path, "a large base", held={"token9": 1})
