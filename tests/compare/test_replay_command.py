"""`ringfence chain replay`, as a person calls it."""

import json

import pytest
from click.testing import CliRunner

from ringfence.cli import main

ENTRY = '{"command":{"type":"Deposit","subaccount":"desk","asset":"USDC","amount":1},"hash":""}'
FEW = ("--traders", "4", "--move", "20")


def run(*arguments, status=0):
    result = CliRunner().invoke(main, ["chain", "replay", *arguments])
    assert result.exit_code == status, result.output
    return result


def test_a_crash_is_simulated_replayed_and_written_to_be_replayed_again(tmp_path):
    [simulated] = json.loads(run("--mode", "cross", *FEW, "--out", str(tmp_path), "--json").stdout).values()
    assert simulated["differences"] == []
    assert simulated["liquidations"] > 0
    assert simulated["gas"]["trade"]["transactions"] > 3
    log, state = tmp_path / "cross.log.jsonl", tmp_path / "cross.state.json"
    [read] = json.loads(run(str(log), "--state", str(state), "--json").stdout).values()
    assert read == simulated
    text = run(str(log), "--state", str(state)).stdout
    assert "cross.log.jsonl  liquidate" in text
    assert "no difference" in text


def test_traders_may_share_the_losses_of_a_simulated_crash():
    few = ("--mode", "cross", "--traders", "8", "--move", "20")
    [simulated] = json.loads(run(*few, "--socialize", "--json").stdout).values()
    assert simulated["differences"] == []
    assert "socialize" in simulated["gas"]


def test_a_difference_is_told_and_is_a_failed_check(monkeypatch):
    from ringfence.chain import twin
    from ringfence.chain.terms import terms_of

    def cheaper(policy):
        return terms_of(policy)._replace(liquidation_fee_ppm=4_999)

    monkeypatch.setattr(twin, "terms_of", cheaper)
    text = run("--mode", "cross", *FEW, status=1).stdout
    assert "they differ" in text
    assert "liquidation of t" in text


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("absent.jsonl",), "absent.jsonl: --state names the snapshot that it starts from"),
        (
            ("absent.jsonl", "--state", "absent.json"),
            "absent.json: cannot be read (No such file or directory)",
        ),
        (("--state", "absent.json"), "--state: belongs to a LOG"),
        (
            ("absent.jsonl", "--state", "absent.json", "--traders", "7"),
            "--traders: is about a crash to simulate",
        ),
        (
            ("absent.jsonl", "--state", "absent.json", "--mode", "cross"),
            "--mode: is about a crash to simulate",
        ),
        (("--scenario", "1999-01-01"), "no scenario named '1999-01-01'"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(arguments, sentence):
    result = run(*arguments, status=2)
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("log", "state", "sentence"),
    [
        ("no json", "{}", "log: log line 1: "),
        ("", "{}", "log: has no entries"),
        ("", "no json", "state: snapshot: "),
        (ENTRY, "{}", "log: policy.liquidation.size is full; the contracts know target"),
    ],
)
def test_a_file_that_cannot_be_replayed_is_refused(tmp_path, log, state, sentence):
    (tmp_path / "log").write_text(log)
    (tmp_path / "state").write_text(state)
    result = run(str(tmp_path / "log"), "--state", str(tmp_path / "state"), status=2)
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1
