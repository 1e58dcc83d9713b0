"""Synthetix' cases: other numbers and other selections of answers than those that are on file."""

import json
from copy import deepcopy
from pathlib import Path

import pytest

from ringfence.questions.conformance.vectors import read_cases
from ringfence.questions.verify import judge, kinds, run

CASES = Path(__file__).parent / "cases"
VENUES = ("synthetix_perps_v2", "synthetix_perps_v3")


def on_file(venue, name):
    (found,) = (
        case
        for case in json.loads((CASES / f"{venue}.json").read_text())
        if case["case_id"] == f"{venue}/{name}"
    )
    return deepcopy(found)


def judged(tmp_path, case):
    """The result of a case, under the kind that its expected values name."""
    file = tmp_path / "cases.json"
    file.write_text(json.dumps([case | {"kind": "+".join(sorted(case["expected"]))}]))
    (read,) = read_cases(file)
    result = judge(read)
    return result.status, [str(mismatch) for mismatch in result.mismatches]


@pytest.mark.parametrize("venue", VENUES)
def test_all_of_the_venues_own_numbers_agree(shared, venue):
    report = run([shared / "vectors" / f"{venue}.json"])
    assert (report.failed, report.unsupported) == (0, 0)
    assert report.headline.passed == 14


@pytest.mark.parametrize(
    ("venue", "name", "expected"),
    [
        ("synthetix_perps_v2", "fee/02", {"liquidation_margin": "6", "flagger_fee": "3.5"}),
        ("synthetix_perps_v2", "fee/03", {"liquidation_fee": "10.5", "liquidation_premium": "0"}),
        ("synthetix_perps_v2", "premium/01", {"fill_price": "1199.94", "premium": "12"}),
        (
            "synthetix_perps_v2",
            "price/01",
            {"margin": "994.9975", "premium": "1", "liquidation_margin": "32.5"},
        ),
        ("synthetix_perps_v2", "price/01", {"remaining_margin": "997.4975", "fee_pool": "0"}),
        ("synthetix_perps_v2", "price/02", {"fill_price": "250.125", "order_fee": "5.0025"}),
        # 5,000 / 9.999 = 500.050005..., and a thousandth, of 997.4975
        ("synthetix_perps_v2", "price/01", {"accessible_margin": "497.446494999499949995"}),
        ("synthetix_perps_v3", "account/01", {"im_excl_reward": "5600", "mm_excl_reward": "2800"}),
        ("synthetix_perps_v3", "account/01", {"notional": "100000", "withdrawable": "13250"}),
        ("synthetix_perps_v3", "account/07", {"pnl": {"BTC": "-600", "ETH": "-400"}, "can_liquidate": False}),
        ("synthetix_perps_v3", "keeper/04", {"flag_reward": "5", "next_reward": "0.000000000000005582"}),
        ("synthetix_perps_v3", "funding/01", {"accrued_funding": "-120", "velocity_before": "0.006"}),
    ],
)
def test_any_selection_of_answers_is_a_kind(tmp_path, venue, name, expected):
    assert judged(tmp_path, on_file(venue, name) | {"expected": expected}) == ("passed", [])


def test_a_selection_over_two_rules_is_no_kind():
    rules = kinds("synthetix_perps_v2")
    assert "fill_price+premium" in rules
    assert "fill_price+funding_rate" not in rules
    assert "fill_price+luck" not in rules
    with pytest.raises(KeyError):
        rules["fill_price+luck"]


def test_the_table_of_funding_is_walked_row_by_row(tmp_path):
    """The last row again, from the first: its own steps in turn instead of the table that it belongs to."""
    case = on_file("synthetix_perps_v3", "funding/09")
    rows = [on_file("synthetix_perps_v3", f"funding/0{row}")["positions"][0] for row in range(1, 10)]
    assert judged(tmp_path, case | {"positions": rows}) == ("passed", [])


def test_a_row_may_say_where_the_one_before_it_ended(tmp_path):
    case = on_file("synthetix_perps_v3", "funding/02")
    case["positions"][0] |= {"skew_before": "-40", "prev_rate": "0.006", "accrued_before": "120"}
    assert judged(tmp_path, case) == ("passed", [])
    case["positions"][0] |= {"skew_before": "40"}  # the rate rises from 0.006 to 0.018: 480 for the day
    case["expected"] = {"funding_rate": "0.018", "cumulative_accrued_funding_cost": "600"}
    assert judged(tmp_path, case) == ("passed", [])


def test_a_row_that_is_not_of_the_table_begins_with_the_trader_alone(tmp_path):
    case = on_file("synthetix_perps_v3", "funding/01")
    case["positions"][0] |= {"days_since_prev": "2", "skew_after": "20"}
    case["expected"] = {"funding_rate": "0.012", "cumulative_accrued_funding_cost": "480"}
    assert judged(tmp_path, case) == ("passed", [])


def test_the_other_side_of_every_margin_is_the_same(tmp_path):
    for name in ("fee/02", "margin/03", "margin/06"):
        case = on_file("synthetix_perps_v2", name)
        case["positions"][0]["size"] = f"-{case['positions'][0]['size']}"
        assert judged(tmp_path, case) == ("passed", [])


@pytest.mark.parametrize(
    ("mark", "expected"),
    [
        # lost 40 x 22.55 of 969.994: 67.994 against 57.3 + 3.64 of premium
        ("227.5", {"can_liquidate": False, "remaining_margin": "67.994", "fee_pool": "0"}),
        # 40 x 22.85: 55.994 against 54.528 + 3.6352; 31.808 for the flagger, the rest to the pool
        ("227.2", {"can_liquidate": True, "remaining_margin": "55.994", "fee_pool": "24.186"}),
        ("220", {"can_liquidate": True, "remaining_margin": "0", "fee_pool": "0"}),
    ],
)
def test_what_is_left_of_a_margin(tmp_path, mark, expected):
    case = on_file("synthetix_perps_v2", "price/03")
    case["positions"] = [{"market": "sBTC", "size": "40", "entry_fill": "250.05", "mark": mark}]
    assert judged(tmp_path, case | {"expected": expected}) == ("passed", [])


@pytest.mark.parametrize(
    ("withdraw", "error"),
    [
        ("87500", None),
        ("87500.000000000000000001", "InsufficientCollateralAvailableForWithdraw"),
    ],
)
def test_withdrawals_up_to_what_is_withdrawable(tmp_path, withdraw, error):
    case = on_file("synthetix_perps_v3", "account/07") | {"action": {"withdraw": withdraw}}
    expected = {"error": error} if error else {"no_error": True}
    assert judged(tmp_path, case | {"expected": expected}) == ("passed", [])


def test_debt_keeps_everything_in_the_account(tmp_path):
    case = on_file("synthetix_perps_v3", "account/08")
    case["rule"]["debt"] = "40"
    case["expected"] = {"available_margin": "99960", "withdrawable": "0", "can_liquidate_margin_only": False}
    assert judged(tmp_path, case) == ("passed", [])
    case["rule"]["debt"] = "100001"
    case["expected"] = {"available_margin": "-1", "can_liquidate": False, "can_liquidate_margin_only": True}
    assert judged(tmp_path, case) == ("passed", [])


def test_collateral_loses_more_the_more_there_is_of_it(tmp_path):
    case = on_file("synthetix_perps_v3", "account/08")
    case["collateral"] = [
        {"asset": "snxUSD", "amount": "1000"},
        {
            "asset": "snxBTC",
            "amount": "20",
            "price": "30000",
            "spot_skew_scale": "1000",
            "discount_scalar": "2",
            "lower_limit_discount": "0.01",
            "upper_limit_discount": "0.1",
        },
    ]
    # 20 / 1,000 x 2 = 4 % of 600,000; what can leave counts it whole
    case["expected"] = {
        "collateral_value": "601000",
        "collateral_discounted": "577000",
        "discounts": {"snxUSD": "0", "snxBTC": "0.04"},
        "available_margin": "577000",
        "withdrawable": "601000",
    }
    assert judged(tmp_path, case) == ("passed", [])


def test_every_window_adds_to_what_liquidation_may_cost(tmp_path):
    """synthetix-v3#2330: the cost of the first window is part of the first reward, that of each other one follows."""
    case = on_file("synthetix_perps_v3", "account/07")
    case["rule"]["keeper_guards"] |= {"flag_cost": "3", "liquidate_cost": "2", "min_reward": "1"}
    case["expected"] = {"max_liquidation_reward": "5005", "withdrawable": "87495"}
    assert judged(tmp_path, case) == ("passed", [])
    # (0.004 + 0.001) x 1,000 x 1 s = 5 of the 20 ETH at a time: three windows more at 2 + 1
    case["rule"]["markets"]["ETH"] |= {"maker_fee": "0.001", "taker_fee": "0.004", "window_s": 1}
    case["expected"] = {"max_liquidation_reward": "5014", "withdrawable": "87486"}
    assert judged(tmp_path, case) == ("passed", [])


def test_the_endorsed_keeper_is_paid_for_gas_alone(tmp_path):
    case = on_file("synthetix_perps_v3", "keeper/04") | {"action": {"endorsed": True}}
    assert judged(tmp_path, case | {"expected": {"account_liquidation_reward_wei": "8932"}}) == ("passed", [])


@pytest.mark.parametrize(("size", "anyone"), [("79", True), ("-80", False)])
def test_who_may_close_a_flagged_position(tmp_path, size, anyone):
    case = on_file("synthetix_perps_v2", "fill/01")
    case["rule"] = {"skew_scale": "100000", "max_liquidation_delta": "0.0008", "max_pd": "0.0016"}
    case["positions"] = [{"size": size, "skew": "159"}]
    case["expected"] = {"liquidatable_by_anyone": anyone, "needs_endorsed_liquidator": not anyone}
    assert judged(tmp_path, case) == ("passed", [])


def test_a_tolerance_holds_only_when_the_two_are_that_close(tmp_path):
    case = on_file("synthetix_perps_v2", "price/01")
    for stated, tolerance, status in (("298.25", "0.1", "passed"), ("298.25", "0.05", "failed")):
        case["expected"] = {"liquidation_price_approx": stated, "tolerance": tolerance}
        assert judged(tmp_path, case)[0] == status
