"""Derive's portfolio managers: the whole reference, and what a case that is not of its form is told."""

import json
from pathlib import Path

import pytest

from ringfence.errors import InputError
from ringfence.questions.conformance.vectors import read_cases
from ringfence.questions.verify import judge, run

CASES = Path(__file__).parent / "cases"


@pytest.mark.parametrize(("name", "count"), [("derive_pmrm", 44), ("derive_pmrm2", 48)])
def test_the_reference_folder(shared, name, count):
    report = run([shared / "vectors" / f"{name}.json"])
    assert (report.failed, report.unsupported, report.headline.passed) == (0, 0, count)


def transcribed(name, index, change, tmp_path):
    """A transcribed case with something changed."""
    case = json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))[index]
    change(case)
    case["kind"] = "+".join(sorted(case["expected"]))
    file = tmp_path / f"{name}.json"
    file.write_text(json.dumps([case]), encoding="utf-8")
    return judge(read_cases(file)[0])


def test_any_of_the_answers_may_be_asked_alone(tmp_path):
    def only_maintenance(case):
        case["expected"] = {"MM": case["expected"]["MM"]}

    assert transcribed("derive_pmrm2", 0, only_maintenance, tmp_path).status == "passed"


def test_a_wrong_number_fails(tmp_path):
    def a_dollar_more(case):
        case["expected"] = {"MM": case["expected"]["MM"] + 50}

    assert transcribed("derive_pmrm2", 0, a_dollar_more, tmp_path).status == "failed"


def test_a_skew_that_moves_the_price_is_unsupported(tmp_path):
    def move(case):
        case["rule"]["params"]["Scenarios"][-1]["SpotShock"] = 0.9

    result = transcribed("derive_pmrm2", 0, move, tmp_path)
    assert (result.status, result.reason) == (
        "unsupported",
        "a skew that also moves the price: the venue's setScenarios refuses it",
    )


def test_initial_margin_may_be_less_than_maintenance_margin(tmp_path):
    """Where a manager asks less of the loss for initial margin, the venue states the difference, and so do we."""

    def ask_less(case):
        shares, expected = case["rule"]["params"]["Margin"], case["expected"]
        saved = (shares["IM_LOSS_FACTOR"] - 0.1) * -expected["worst_reg_loss"]
        shares["IM_LOSS_FACTOR"] = 0.1
        case["expected"] = {"IM": expected["IM"] + saved, "MM": expected["MM"]}
        assert case["expected"]["IM"] > case["expected"]["MM"]

    assert transcribed("derive_pmrm2", 0, ask_less, tmp_path).status == "passed"


@pytest.mark.parametrize(
    ("name", "index", "part"),
    [("derive_pmrm2", 0, "rule"), ("derive_pmrm2", 0, "positions"), ("derive_pmrm", 8, "positions")],
)
def test_what_stays_in_the_source_is_unsupported(tmp_path, name, index, part):
    def leave_out(case):
        case[part] = {"manager": "PMRM_2", "params": "in the source"} if part == "rule" else []

    result = transcribed(name, index, leave_out, tmp_path)
    assert result.status == "unsupported"
    assert "in the file that it names" in result.reason


def test_another_underlying_has_a_manager_of_its_own(tmp_path):
    def name_bitcoin(case):
        case["positions"][0]["underlying"] = "btc"

    assert "takes eth, not btc" in transcribed("derive_pmrm", 0, name_bitcoin, tmp_path).reason


def drop_the_feeds(case):
    case["positions"][0]["OptionFeeds"] = []


def price_another_expiry(case):
    case["positions"][0]["OptionExpiries"] = [900]


def move_to_nothing(case):
    case["rule"]["params"]["Scenarios"][0]["SpotShock"] = 0


def ask_no_scenario(case):
    case["rule"]["params"]["Scenarios"] = []


def sell_below_nothing(case):
    case["positions"][0]["OptionStrikes"] = ["-1"]


def grow_beyond_all_bounds(case):
    case["rule"]["vol"]["shortPow"] = "11"


def leave_collateral_without_a_name(case):
    case["collateral"] = [{"amount": 1}]


def drop_a_forward(case):
    case["positions"][0]["ForwardsVariable"] = []


def state_hours(case):
    case["rule"]["vol"]["floor"] = "24h"


def name_no_date(case):
    case["positions"][0]["expiry"] = "20300101"


def name_no_kind(case):
    case["positions"][0]["type"] = "straddle"


def name_no_shift(case):
    case["rule"]["params"]["Scenarios"][0]["VolShockDirection"] = "Sideways"


def price_at_nothing(case):
    case["positions"][0]["SpotPrice"] = 0


@pytest.mark.parametrize(
    ("name", "index", "change", "words"),
    [
        ("derive_pmrm", 8, drop_a_forward, "of one length"),
        ("derive_pmrm", 8, state_hours, "vol.floor: expected days such as 1d, got 24h"),
        ("derive_pmrm", 0, name_no_date, "expiry: expected one of"),
        ("derive_pmrm", 0, name_no_kind, "type: expected call or put, got straddle"),
        ("derive_pmrm2", 0, name_no_shift, "VolShockDirection: expected one of"),
        ("derive_pmrm2", 0, price_at_nothing, "SpotPrice: expected"),
        ("derive_pmrm2", 0, drop_the_feeds, "Options[0].Expiry: no feed of this expiry"),
        ("derive_pmrm2", 0, move_to_nothing, "Scenarios[0].SpotShock: expected a number above 0"),
        ("derive_pmrm2", 0, ask_no_scenario, "Scenarios: expected at least one"),
        ("derive_pmrm2", 0, leave_collateral_without_a_name, "collateral[0].Name: missing"),
        ("derive_pmrm", 8, price_another_expiry, "OptionExpiries: no feed of 900"),
        ("derive_pmrm", 8, sell_below_nothing, "expected strikes above 0"),
        ("derive_pmrm", 8, grow_beyond_all_bounds, "expected powers of at most 10"),
        ("derive_pmrm", 0, leave_collateral_without_a_name, "collateral[0].asset: missing"),
    ],
)
def test_a_mistake_is_named_with_its_file_case_and_field(tmp_path, name, index, change, words):
    with pytest.raises(InputError) as refused:
        transcribed(name, index, change, tmp_path)
    message = str(refused.value)
    assert words in message
    assert message.startswith(f"{name}.json: derive_")
    assert "\n" not in message
