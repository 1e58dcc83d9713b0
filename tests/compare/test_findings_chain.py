"""Claims that contracts settle: another snapshot gives another verdict."""

import subprocess
import sys

import pytest
from msgspec.structs import replace

from ringfence.chain.gas import read
from ringfence.compare import findings_chain

SNAPSHOT = read()


@pytest.fixture
def changed(monkeypatch):
    """Let the findings read a snapshot with some figures or designs changed."""

    def change(gas=lambda figure: figure.gas, design=lambda each: each):
        figures = tuple(replace(each, gas=gas(each)) for each in SNAPSHOT.figures)
        complexity = tuple(design(each) for each in SNAPSHOT.complexity)
        monkeypatch.setattr(
            findings_chain, "read", lambda: replace(SNAPSHOT, figures=figures, complexity=complexity)
        )

    return change


def test_neither_design_is_cheaper_everywhere():
    found = findings_chain.gas_differs(None)
    assert found.status == "depends"
    for operation, count in (("open", 1), ("open", 16), ("liquidate_all", 16)):
        alone, together = (SNAPSHOT.gas(design, operation, count) for design in ("IsolatedOnly", "CrossOnly"))
        cheaper = "isolated" if alone < together else "cross"
        assert f"{operation}, {count}: {cheaper}" in found.verdict
    isolated, cross = found.figures["open, 16 positions: isolated, cross"].split(", ")
    assert int(isolated.replace(",", "")) == SNAPSHOT.gas("IsolatedOnly", "open", 16)
    assert int(cross.replace(",", "")) == SNAPSHOT.gas("CrossOnly", "open", 16)


def test_a_design_that_is_always_cheaper_confirms(changed):
    changed(gas=lambda figure: 1 if figure.design == "CrossOnly" else figure.gas)
    found = findings_chain.gas_differs(None)
    assert (found.status, found.verdict) == ("confirmed", "cross margin is cheaper everywhere.")


def test_the_slope_is_per_position():
    # (gas at 16 - gas at 8) / 8; an isolated position does not look at the others
    assert findings_chain.slope(SNAPSHOT, "IsolatedOnly", "withdraw") == 0
    by_hand = SNAPSHOT.gas("CrossOnly", "withdraw", 16) - SNAPSHOT.gas("CrossOnly", "withdraw", 8)
    assert findings_chain.slope(SNAPSHOT, "CrossOnly", "withdraw") * 8 == by_hand


def test_positions_per_second_are_capacity_over_gas():
    found = findings_chain.scalability_differs(None)
    gas = SNAPSHOT.gas("CrossOnly", "liquidate_all", 16)
    shown = found.figures["positions per second, base, ceiling: isolated, cross (accounts of 16)"]
    # 400M gas in 2 s, 16 positions in one transaction
    assert shown.split(", ")[1].replace(",", "") == f"{200_000_000 * 16 / gas:.0f}"
    assert "towards cross" in found.verdict


def test_where_one_transaction_saves_nothing_it_goes_either_way(changed):
    changed(gas=lambda figure: 10**9 if figure.design == "CrossOnly" else figure.gas)
    assert "towards cross" not in findings_chain.scalability_differs(None).verdict


def test_code_that_is_half_as_long_is_called_shorter(changed):
    assert "hardly" in findings_chain.simpler_contracts(None).verdict
    changed(
        design=lambda each: (
            replace(each, code_bytes=each.code_bytes // 2, branches=each.branches // 2)
            if each.design == "IsolatedOnly"
            else each
        )
    )
    assert "fewer" in findings_chain.simpler_contracts(None).verdict


def test_a_cross_account_that_touched_no_more_would_refute(changed):
    assert findings_chain.simpler_model(None).status == "confirmed"
    slots = {"liquidate_one": {1: 9, 16: 9}, "add": {}, "deposit": {}, "withdraw": {}}
    changed(design=lambda each: replace(each, slots=slots))
    assert findings_chain.simpler_model(None).status == "refuted"


def test_nothing_but_the_base_is_needed():
    """The claims are printed where neither a compiler nor an EVM is installed."""
    blocked = ("vyper", "eth", "eth_abi", "eth_account", "eth_keys", "eth_utils", "rlp")
    code = f"import sys; sys.modules.update(dict.fromkeys({blocked}))\n"
    code += "from ringfence.cli import main\nmain(['claims', 'O5'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Cheaper by operation" in " ".join(done.stdout.split())
