"""The page of the chains' parameters is what the data say."""

import re
import sys

import pytest

import build_chain_page
from ringfence.chain.fees.arbitrum import BIPS, EXPONENT_MAX_BIPS, approx_exp_bips
from ringfence.chain.fees.parameters import CHAINS, LIMITED, chain_data


def test_the_page_is_not_stale():
    assert build_chain_page.PAGE.read_text(encoding="utf-8") == build_chain_page.page(), (
        "run python tools/build_chain_page.py"
    )


def test_every_parameter_and_every_capacity_is_on_it():
    page = build_chain_page.page()
    for chain in map(chain_data, LIMITED):
        assert all(row.source in page for row in chain.capacity)
        assert f"### {chain.title}" in page
    for name in CHAINS:
        assert all(f"| `{row.path}` |" in page for row in chain_data(name).parameter)


def test_a_stale_page_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(build_chain_page, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(sys, "argv", ["build_chain_page.py", "--check"])
    assert build_chain_page.main() == 1
    assert "page.md is stale" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["build_chain_page.py"])
    assert build_chain_page.main() == 0
    monkeypatch.setattr(sys, "argv", ["build_chain_page.py", "--check"])
    assert build_chain_page.main() == 0


@pytest.mark.parametrize("name", LIMITED)
def test_cells_hold_no_bars(name):
    texts = [row.source for row in chain_data(name).capacity]
    texts += [row.about + row.unit for row in chain_data(name).parameter]
    assert all("|" not in text for text in texts)


def test_the_example_of_the_explanation_runs():
    text = (build_chain_page.PAGE.parents[1] / "explain" / "fees.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names = {}
    exec(example, names)
    found = names["clearing_time"]([5_303] * 12, 118_846, "arbitrum", names["date"](2025, 10, 10), share=0.5)
    assert found.minutes_of_backlog == 0
    assert f"{approx_exp_bips(EXPONENT_MAX_BIPS) / BIPS:.2f} times the minimum" in " ".join(text.split())
