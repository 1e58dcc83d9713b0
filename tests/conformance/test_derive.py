"""Derive's standard manager and auctions: the reference folder, and cases that cannot be read."""

import json
from pathlib import Path

import pytest

from ringfence.errors import InputError
from ringfence.questions.conformance.vectors import read_cases
from ringfence.questions.verify import judge, run


@pytest.mark.parametrize(("name", "passed"), [("derive_srm", 45), ("derive_auction", 6), ("aevo", 2)])
def test_the_reference_folder(shared, name, passed):
    report = run([shared / "vectors" / f"{name}.json"])
    assert (report.failed, report.unsupported) == (0, 0)
    assert report.headline.passed >= passed


def option(**changes):
    return {
        "amount": -100_000_000,
        "expiry": "20230118",
        "strike": 2000,
        "type": "put",
        "underlying": "eth",
        **changes,
    }


def portfolio(**changes):
    return {
        "venue": "derive_srm",
        "case_id": "derive_srm/test_made_up",
        "kind": "im+mm",
        "rule": {},
        "collateral": [{"asset": "cash", "amount": "0"}],
        "positions": [option()],
        "expected": {"im": -384, "mm": -234},
        "tol_abs": 1,
        **changes,
    }


def judged(tmp_path, case, name="derive_srm"):
    file = tmp_path / f"{name}.json"
    file.write_text(json.dumps([case]), encoding="utf-8")
    return judge(read_cases(file)[0])


def test_a_portfolio_that_is_not_in_the_folder(tmp_path):
    # One put struck at 2,000 alone: mark 84.64 with volatility 50 %, forward 2,004.75; 15 and 7.5 % of 2,000 on top.
    assert judged(tmp_path, portfolio()).status == "passed"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"positions": [option(expiry="20240118")]}, "positions[0].expiry: expected one of 20230104"),
        ({"positions": [option(type="straddle")]}, "positions[0].type: expected call or put, got straddle"),
        (
            {"positions": [option(underlying="sol")]},
            "positions[0].underlying: expected one of eth, btc, got sol",
        ),
        ({"positions": [{"amount": 1, "underlying": "eth"}]}, "positions[0].entryPrice: missing"),
    ],
)
def test_a_portfolio_that_cannot_be_read(tmp_path, change, sentence):
    with pytest.raises(InputError) as caught:
        judged(tmp_path, portfolio(**change))
    assert str(caught.value).startswith("derive_srm.json: derive_srm/test_made_up: ")
    assert sentence in str(caught.value)


def transcribed(name, case_id):
    cases = json.loads((Path(__file__).parent / "cases" / f"{name}.json").read_text(encoding="utf-8"))
    return next(case for case in cases if case["case_id"].endswith(case_id))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"OptionStrikes": []}, "OptionStrikes: expected 1 items, got 0"),
        ({"FeedExpiries": [900]}, "the forward of this option is that of another expiry"),
        ({"SpotPerpConfidences": [["1"]]}, "SpotPerpConfidences: expected 2 items, got 1"),
        ({"USDCValue": 0}, "USDCValue: expected a number from 1"),
    ],
)
def test_a_scenario_that_cannot_be_read(tmp_path, change, sentence):
    case = transcribed("derive_srm", "/cases_Test3")
    case["positions"][0] |= change
    with pytest.raises(InputError) as caught:
        judged(tmp_path, case)
    assert sentence in str(caught.value)


def test_an_auction_that_is_over_sells_nothing(tmp_path):
    case = transcribed("derive_auction", "/Test1")
    case["expected"]["actions"][0]["time"] = 15_000
    result = judged(tmp_path, case, "derive_auction")
    assert result.status == "failed"
    assert "AUCTION_OVER" in str(result.mismatches[0])


def test_an_auction_needs_a_requirement(tmp_path):
    case = transcribed("derive_auction", "/Test1")
    case["expected"]["actions"][0]["results"]["PreMM"] = "119306330180774723584"
    with pytest.raises(InputError, match="PreMM: expected less than PreMtM"):
        judged(tmp_path, case, "derive_auction")


def test_a_slice_is_the_same_whatever_the_schedule_left_open(tmp_path):
    """Twice as much worth and margin: the same share at twice the price."""
    case = transcribed("derive_auction", "/Test6")
    numbers = ("PreMtM", "PreMM", "PreBM", "ExpectedBidPrice", "PostMtM", "PostMM", "PostBM")
    for action in case["expected"]["actions"]:
        action["results"] |= {name: str(2 * int(action["results"][name])) for name in numbers}
    assert judged(tmp_path, case, "derive_auction").status == "passed"


def test_a_bid_at_the_start_finds_what_the_portfolio_is_worth(tmp_path):
    case = transcribed("derive_auction", "/Test1")
    for name in ("PreMtM", "PreMM"):
        del case["expected"]["actions"][0]["results"][name]
    assert judged(tmp_path, case, "derive_auction").status == "passed"


def test_a_worth_at_the_start_that_is_not_the_portfolios_fails(tmp_path):
    case = transcribed("derive_auction", "/Test1")
    results = case["expected"]["actions"][0]["results"]
    results["PreMtM"] = str(int(results["PreMtM"]) + 10**15)
    mismatches = judged(tmp_path, case, "derive_auction").mismatches
    assert "actions[0].results.PreMtM" in {mismatch.field for mismatch in mismatches}


def test_a_second_bid_at_the_same_time_finds_what_the_first_left(tmp_path):
    case = transcribed("derive_auction", "/Test1")
    first = case["expected"]["actions"][0]
    first["liquidator"]["PercentWant"] = "100000000000000000"
    first["results"] = {name: first["results"][name] for name in ("PreMtM", "PreMM", "PreBM", "PreFMax")}
    second = {"time": first["time"], "liquidator": first["liquidator"], "results": {"SMPayout": 0}}
    case["expected"]["actions"].append(second)
    assert judged(tmp_path, case, "derive_auction").status == "passed"


def test_a_later_bid_needs_the_worth_that_its_feeds_make(tmp_path):
    case = transcribed("derive_auction", "/Test6")
    del case["expected"]["actions"][1]["results"]["PreMtM"]
    result = judged(tmp_path, case, "derive_auction")
    assert (result.status, result.reason) == (
        "unsupported",
        "the case does not state what the subaccount is worth before a bid",
    )


def test_nobody_may_bid_for_more_than_everything(tmp_path):
    case = transcribed("derive_auction", "/Test1")
    case["expected"]["actions"][0]["liquidator"]["PercentWant"] = "1000000000000000001"
    assert "DA_InvalidPercentage" in str(judged(tmp_path, case, "derive_auction").mismatches[0])
