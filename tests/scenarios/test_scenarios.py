"""Runs every scenario of this folder, and makes sure that a wrong one would fail."""

from pathlib import Path

import pytest

from scenarios.table import Table

FILES = sorted(Path(__file__).parent.glob("*.txt"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_scenario(path):
    Table().run(path.read_text(encoding="utf-8"))


START = "market ETH-PERP initial 10% maintenance 5%\nprice ETH-PERP 100\ndeposit trader 10 USD\n"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("withdraw trader 11 USD", "line 4: 'withdraw trader 11 USD': got 'rejected initial_margin'"),
        ("withdraw trader 9 USD -> rejected initial_margin", "got 'accepted'"),
        ("withdraw trader 11 USD -> rejected balance_too_small", "got 'rejected initial_margin'"),
        ("risk trader equity -> equity 11 safe", "got 'equity 10 safe'"),
        ("balance fees -> 1 USD", "got '0 USD'"),
        ("resolve -> liquidate", "got 'nothing'"),
        ("steal trader 1 USD", "has no attribute 'do_steal'"),
        ("deposit trader ten USD", "expected a decimal number"),
        ("deposit trader 0.0000001 USD", "more than 6 decimal places"),
    ],
)
def test_a_line_that_does_not_hold_is_named(line, complaint):
    with pytest.raises(AssertionError) as caught:
        Table().run(START + line)
    assert complaint in str(caught.value)
