"""The example of the reference page runs, and its words are those of the contracts."""

import re
from pathlib import Path

from ringfence.chain.compile import CONTRACTS, compile_contract
from ringfence.clearing.verdict import Reason

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "contracts.md"
CHAIN_ONLY = {"PAUSED", "NOT_OWNER", "NOT_FEED", "PRICE_STALE", "TRANSFER_FAILED"}
ADAPTERS_ONLY = {"SEQUENCER_DOWN", "GRACE_PERIOD", "SIGNATURE_INVALID"}


def reasons(*names):
    """What the sources of these contracts revert with."""
    texts = [(CONTRACTS / f"{name}.vy").read_text() for name in names]
    return {
        reason for text in texts for reason in re.findall(r'^\s+assert .*"([A-Z_]+)"$', text, re.MULTILINE)
    }


def test_the_example_runs(capsys):
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    exec(compile(example, str(PAGE), "exec"), {})  # the page is ours
    assert "Trade" in capsys.readouterr().out


def test_every_reason_is_the_engines_or_named_on_the_page():
    engine = {reason.name for reason in Reason}
    assert reasons("baseline", "owned", "IsolatedOnly", "CrossOnly") <= engine | CHAIN_ONLY
    assert reasons("PushOracle", "PullOracle") <= engine | CHAIN_ONLY | ADAPTERS_ONLY
    for name in CHAIN_ONLY | ADAPTERS_ONLY - {"SIGNATURE_INVALID"}:
        assert f"`{name}`" in PAGE.read_text()


def test_every_function_that_the_page_names_is_there():
    text = PAGE.read_text()
    named = set(re.findall(r"`(\w+)\(", text.split("## Price adapters", maxsplit=1)[0]))
    names = {
        entry.get("name")
        for design in ("IsolatedOnly", "CrossOnly")
        for entry in compile_contract(design).abi
    }
    assert {"deposit", "withdraw", "trade", "liquidate", "settle_funding"} <= named
    assert named <= names
