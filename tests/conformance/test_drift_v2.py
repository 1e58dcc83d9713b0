"""Drift v2: the published cases, and the engine's decisions on the orders of its behaviour table."""

import pytest

from ringfence.clearing import command as cmd
from ringfence.clearing.decide import decide
from ringfence.clearing.model import QUOTE, Position, Subaccount
from ringfence.clearing.verdict import Accepted, Reason, Rejected
from ringfence.questions.verify import run
from ringfence.venues.rulebook import build_venue, load

USD = 10**6


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
