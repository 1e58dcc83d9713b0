"""Aave v3: what no single transcribed case shows. The cases themselves stand in `cases/aave_v3.json`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.questions.conformance.aave_v3 import KINDS, account_of, engine_liquidates
from ringfence.questions.conformance.vectors import Case, Field, RefusedError
from ringfence.questions.verify import run

WAD = 10**18


def case(collateral, debts, rule=None, **action):
    body = {
        "rule": rule or {},
        "collateral": [{"asset": asset, "amount": amount} for asset, amount in collateral.items()],
        "positions": [{"asset": asset, "amount": amount} for asset, amount in debts.items()],
        "action": action,
        "expected": {},
    }
    return Case("aave_v3", "", "aave_v3/here", "", "published", Field(body, "here: "))


def test_the_published_file_agrees(shared):
    report = run([shared / "vectors" / "aave_v3.json"])
    assert (report.failed, report.unsupported) == (0, 0)
    assert report.headline.passed == len(report.results)


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.integers(1, 2 * 10**9), st.integers(0, 10**6))
def test_the_engine_liquidates_where_the_health_factor_is_below_one(milli_eth, milli_btc, usdx, milli_owed):
    held = {"WETH": f"{milli_eth / 1000}", "WBTC": f"{milli_btc / 1000}"}
    account = account_of(case(held, {"USDX": str(usdx), "WETH": f"{milli_owed / 1000}"}))
    exact = account.weighted - account.owed * 10_000
    if abs(exact) > 10 * 10_000:  # the engine rounds each requirement up, by 1e-8 USD
        assert engine_liquidates(account) is (account.health_wad < WAD) is (exact < 0)


def test_debt_and_collateral_in_one_token_do_not_net():
    account = account_of(case({"USDX": "1000"}, {"USDX": "900"}))
    assert account.health_wad == WAD * 860 // 900
    assert engine_liquidates(account)


def test_a_healthy_account_is_not_liquidated():
    with pytest.raises(RefusedError, match="HEALTH_FACTOR"):
        KINDS["close_factor"](case({"WETH": "1"}, {"USDX": "1500"}))


def test_a_liquidation_repays_at_most_what_is_offered():
    answer = KINDS["debt_repaid"](case({"WETH": "10"}, {"USDX": "16000"}, debt_to_cover="2500"))
    assert answer["debt_repaid"] == 2_500
    assert answer["max_liquidatable_debt"] == 8_000
    assert answer["leaves_dust"] is False


def test_a_liquidation_may_not_leave_dust():
    answer = KINDS["leaves_dust"](case({"WETH": "1"}, {"USDX": "1700"}, debt_to_cover="1000"))
    assert answer["close_factor"] == 1  # 1,800 USD of collateral: less than 2,000
    assert answer["leaves_dust"] is True  # 700 of debt and 750 of collateral would stay


def test_seizing_all_collateral_repays_what_it_is_worth_less_the_bonus():
    answer = KINDS["debt_repaid"](case({"WETH": "1"}, {"USDX": "5000"}))
    assert answer["collateral_seized"] == 1
    assert answer["debt_repaid"] == pytest.approx(1_800 / 1.05, abs=1e-6)


def test_an_isolated_collateral_keeps_its_terms_outside_the_category():
    emode = {"emode": {"lt": "0.93", "ltv": "0.9", "collateral": ["WETH"]}}
    account = account_of(case({"WETH": "1", "WBTC": "0.1"}, {"USDX": "1"}, emode))
    assert [each.lt_bps for each in account.collateral] == [9_300, 8_600]
