"""Drift v2: the published cases, and the engine's decisions on the orders of its behaviour table."""

import json
from copy import deepcopy
from pathlib import Path

import pytest

from ringfence.clearing import command as cmd
from ringfence.clearing.decide import decide
from ringfence.clearing.model import QUOTE, Position, Subaccount
from ringfence.clearing.verdict import Accepted, Reason, Rejected
from ringfence.errors import InputError
from ringfence.questions.conformance.vectors import read_cases
from ringfence.questions.verify import judge, run
from ringfence.venues.rulebook import build_venue, load

USD = 10**6
CASES = {
    case["case_id"]: case
    for case in json.loads((Path(__file__).parent / "cases" / "drift_v2.json").read_text())
}


def changed(tmp_path, case_id, position, expected=None):
    """The verdict on a transcribed case with fields of its first position exchanged."""
    case = deepcopy(CASES[case_id])
    case["positions"][0] |= position
    case["expected"] = expected or case["expected"]
    file = tmp_path / "drift_v2.json"
    file.write_text(json.dumps([case]))
    return judge(read_cases(file)[0])


def test_the_reference_folder(shared):
    report = run([shared / "vectors" / "drift_v2.json"])
    assert (report.failed, report.unsupported) == (0, 0)
    assert report.headline.passed >= 47


def account(cash, isolated):
    """`cross` is long 10 SOL at 100, `isolated` long 1 ETH at 1,000; each bought at its mark with so much USD."""
    venue = build_venue(load("drift-v2"), ["SOL", "ETH"], procedures=False)
    for name, market, size, price, equity in (
        ("cross", "SOL", 10, 100, cash),
        ("isolated", "ETH", 1, 1_000, isolated),
    ):
        venue.markets[market].mark = venue.markets[market].index = price * USD
        held = {market: Position(size * 10**9, 1_000 * USD, 0)}
        balances = {QUOTE: (equity - 1_000) * USD}
        venue.subaccounts[name] = Subaccount(name, "trader", balances=balances, positions=held)
    return venue


@pytest.mark.parametrize(
    ("cash", "isolated", "size", "reason"),
    [
        (1_000, 70, 1, None),  # the isolated position between its margins: tests.rs:5303-5426
        (70, 1_000, 1, Reason.INITIAL_MARGIN),  # the cross pool between its margins: 5620-5718
        (70, 70, -1, None),  # all at maintenance margin may reduce: 5817-5915
        (1_000, 40, 1, Reason.ACCOUNT_MARGIN),
        (1_000, 40, -1, Reason.ACCOUNT_MARGIN),  # a sick isolated position stops a reduction: 5916-6014
        (40, 1_000, -1, Reason.INITIAL_MARGIN),  # 6015-6111
    ],
)
def test_the_engine_decides_orders_like_the_venue(cash, isolated, size, reason):
    verdict = decide(account(cash, isolated), cmd.Reserve("cross", "order", "SOL", size * 10**9))
    if reason is None:
        assert isinstance(verdict, Accepted)
    else:
        assert isinstance(verdict, Rejected)
        assert verdict.reason is reason


@pytest.mark.parametrize(
    ("position", "share"),
    [
        ({"margin_shortage_1e6": 50_000_000}, "20%"),  # 10 % at once and 1 of 10 slots
        ({"margin_shortage_1e6": 50_000_000, "initial_pct": 10}, "20%"),
        ({"margin_shortage_1e6": 50_000_000, "slots_elapsed": 4}, "50%"),
        ({"margin_shortage_1e6": 50_000_000, "duration": 0}, "100%"),
        # of 100 USD with the 50 that are freed already, 20 % may be freed: nothing is left to do
        ({"margin_shortage_1e6": 50_000_000, "margin_freed_1e6": 50_000_000}, "0%"),
    ],
)
def test_a_liquidation_grows_with_the_slots(tmp_path, position, share):
    assert changed(tmp_path, "all of a small shortage at once", position, {"pct": share}).status == "passed"


def test_a_fee_of_the_fund_is_the_same_for_a_short(tmp_path):
    assert (
        changed(tmp_path, "fee of the fund with a shortage of 20", {"base_1e9": -10 * 10**9}).status
        == "passed"
    )


def test_one_market_has_one_mark(tmp_path):
    name = "a third pool that is sick stops the second"
    with pytest.raises(InputError, match="ETH-PERP has two marks"):
        changed(tmp_path, name, {"market": "ETH-PERP", "mark": "100"})
