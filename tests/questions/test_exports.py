"""Real accounts reproduce the liquidation prices that their venue showed, to its last digit."""

import json
from decimal import Decimal

import pytest

from ringfence.books import Account, BookPosition, account_to_json
from ringfence.errors import InputError
from ringfence.questions.exports import compare, is_export, run

D = Decimal

NINE = {
    "ccxt0:flx:CRCL": "hyperliquid 2026-07",
    "ccxt2:SOL": "hyperliquid 2024-10",
    "ccxt3:HYPE": "hyperliquid 2026-07",
    "sdk2023:BTC": "hyperliquid 2023-06",
    "sdk2023:ATOM": "hyperliquid 2023-06",
    "sdk2023:DYDX": "hyperliquid 2023-06",
    "sdk2023:APE": "hyperliquid 2023-06",
    "sdk2023:OP": "hyperliquid 2023-06",
    "hlp2026:DYDX": "hyperliquid 2026-07",
}


def test_the_nine_real_positions(shared):
    file = shared / "data/hyperliquid_liq_vectors.json"
    expected = {
        case["name"]: case["expected_liquidationPx"] for case in json.loads(file.read_text())["vectors"]
    }
    report = run([file])
    assert {each.account: each.ours for each in report.compared} == expected
    assert {each.account: each.rulebook for each in report.compared} == NINE
    assert (report.passed, report.failed, report.skipped) == (9, 0, ())


def test_the_account_of_2023_under_its_own_rules(shared):
    (account_file,) = [shared / "data/hyperliquid_sdk_cassettes.json"]
    report = run([account_file])
    assert {each.rulebook for each in report.compared} == {"hyperliquid 2023-06"}
    assert {each.symbol: each.ours for each in report.compared if each.ours} == {
        "BTC": "173198.69592357",
        "ATOM": "2561.83187333",
        "DYDX": "11.841653",
        "APE": "12.57589638",
        "OP": "17.0707113",
    }
    assert (report.passed, report.failed) == (12, 0)
    assert all(abs(float(each.relative)) < 1e-9 for each in report.compared if each.relative)


@pytest.mark.parametrize(
    ("file", "positions"),
    [("ccxt_positions.json", 6), ("hyperliquid-math/fixtures/live/2026-07-19-mainnet-m3.json", 3)],
)
def test_recorded_accounts(shared, file, positions):
    report = run([shared / "data" / file])
    assert (report.passed, report.failed) == (positions, 0)


def test_the_documents_own_example():
    """An isolated ETH position of the venue's API documents, written before it showed ten decimals."""
    position = BookPosition(
        "ETH",
        D("0.0335"),
        D("2986.3"),
        D("100.02765") / D("0.0335"),
        "isolated",
        collateral=D("-95.059824") + D("0.0335") * D("2986.3"),
        venue_max_leverage=D(50),
        venue_liquidation_price=D("2866.26936529"),
        states_liquidation_price=True,
    )
    (found,) = compare(Account("docs", {"USDC": D(0)}, (position,), venue="hyperliquid"))
    assert abs(float(found.relative)) < 1e-8


def holding(shown, **more):
    position = BookPosition(
        "BTC",
        D(1),
        D(60000),
        D(60000),
        "isolated",
        collateral=D(6000),
        venue_liquidation_price=None if shown is None else D(shown),
        states_liquidation_price=True,
    )
    return Account("a", {}, (position,), **more)


def test_a_difference_is_a_failure():
    (right,) = compare(holding("54683.5443037975", venue="hyperliquid"))
    assert right.agrees
    (wrong,) = compare(holding("54683.5443037976", venue="hyperliquid"))
    assert not wrong.agrees
    assert wrong.ours == "54683.5443037975"
    (missing,) = compare(holding(None, venue="hyperliquid"))
    assert not missing.agrees


def test_a_venue_may_be_named():
    (found,) = compare(holding("54545.45"), "generic")
    assert (found.rulebook, found.ours, found.agrees) == ("generic 2026-11", "54545.45", True)


def test_a_version_may_be_named():
    position = holding("1").positions[0]
    skipped = compare(Account("a", {}, (position,)), "hyperliquid@2023")
    assert "cannot be held isolated on hyperliquid 2023-06" in skipped.reason


def test_an_account_of_no_venue():
    with pytest.raises(InputError, match="does not say which venue it is from; give --venue NAME"):
        compare(holding("1"))


def test_nothing_to_compare():
    assert "states no liquidation price" in compare(Account("a", {}, ())).reason
    cross = BookPosition(
        "BTC", D(1), D(1), D(1), "cross", venue_liquidation_price=D(1), states_liquidation_price=True
    )
    assert "does not say what backs" in compare(Account("a", None, (cross,), venue="hyperliquid")).reason


def test_what_is_an_export(tmp_path):
    accounts, cases, table = tmp_path / "a.json", tmp_path / "b.json", tmp_path / "c.csv"
    accounts.write_text(json.dumps(account_to_json(holding("1"))))
    cases.write_text('[{"venue": "x", "expected": {}, "collateral": [], "positions": []}]')
    assert [is_export(path) for path in (accounts, cases, table)] == [True, False, True]
