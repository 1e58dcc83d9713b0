"""`ringfence claims`: the registry on the terminal and as JSON."""

import json

import pytest
from click.testing import CliRunner

from ringfence.cli import main
from ringfence.compare.claims import STATUSES, registry


def run(*arguments):
    return CliRunner().invoke(main, ["claims", *arguments])


def test_every_claim_has_a_row():
    result = run("--json")
    claims = json.loads(result.stdout)
    assert result.exit_code == 0
    assert [claim["id"] for claim in claims] == list(registry()["claims"])
    assert {claim["status"] for claim in claims} <= set(STATUSES)
    assert all(claim["verdict"] for claim in claims)


def test_the_table_counts_what_it_shows():
    result = run()
    claims = json.loads(run("--json").stdout)
    refuted = sum(claim["status"] == "refuted" for claim in claims)
    assert result.exit_code == 0
    assert f"{refuted} refuted" in result.stdout


@pytest.mark.parametrize("name", ["M6", "m6"])
def test_one_claim_comes_with_its_figures_and_source(name):
    result = run(name)
    assert result.exit_code == 0
    assert "median market" in result.stdout
    assert "source: rulebooks of" in result.stdout


def test_a_section_is_all_claims_that_begin_with_it():
    claims = json.loads(run("V", "--json").stdout)
    assert [claim["id"] for claim in claims] == [name for name in registry()["claims"] if name[0] == "V"]


def test_a_status_selects():
    claims = json.loads(run("--status", "refuted", "--json").stdout)
    assert claims
    assert {claim["status"] for claim in claims} == {"refuted"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["Z9"], "no claim Z9; there are M1 to D3, in M, R, C, O, V, D"),
        (["--status", "true"], "--status true: expected one of confirmed"),
        (["--comparison", "nowhere.json"], "nowhere.json: No such file"),
    ],
)
def test_bad_input_is_one_line(arguments, said):
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"scenario": 1, "setup": 2, "flow": 3, "runs": [4]}'])
def test_a_file_that_is_no_comparison_is_refused(tmp_path, text):
    path = tmp_path / "result.json"
    path.write_text(text)
    result = run("--comparison", str(path))
    assert result.exit_code == 2
    assert str(path) in result.stderr.replace("\n", "")
