"""`ringfence compare` as it is typed."""

import json
import os
import re
import shlex
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ringfence.cli import main
from ringfence.compare.lab import refuse
from ringfence.errors import InputError
from ringfence.venues.rulebook import list_rulebooks, load

SMALL = ["compare", "--traders", "60", "--no-sensitivity", "--workers", "1", "--seed", "3"]


def run(*options: str) -> Result:
    return CliRunner().invoke(main, [*SMALL, *options])


def test_json_on_standard_output_is_json_alone_and_the_same_twice() -> None:
    first, second = (run("--json", "-", "--no-html") for _ in range(2))
    assert first.exit_code == 0, first.output
    documents = [json.loads(result.stdout) for result in (first, second)]
    for document in documents:
        del document["timing"]
    assert documents[0] == documents[1]
    without_time = [result.stdout.split('"timing"')[0] for result in (first, second)]
    assert without_time[0] == without_time[1], "byte for byte, times apart"


@pytest.mark.slow
def test_both_engines_print_the_same_figures() -> None:
    found = []
    for engine in ("reference", "columns"):
        result = run("--engine", engine, "--arms", "c", "--venue-frame", "none", "--json", "-", "--no-html")
        assert result.exit_code == 0, result.output
        found.append(json.loads(result.stdout))
        del found[-1]["timing"]
    assert found[0] == found[1]


def test_columns_are_refused_where_they_do_not_hold_the_rules() -> None:
    result = run("--venue", "gmx-v2", "--engine", "columns", "--venue-frame", "none", "--no-html")
    assert result.exit_code != 0
    assert "--engine: columns do not hold all rules of gmx-v2" in result.output


def test_the_result_names_the_command_that_gives_it_again() -> None:
    result = run("--venue-frame", "none", "--arms", "c", "--json", "-", "--no-html")
    command = json.loads(result.stdout)["command"]
    assert command == "ringfence compare --venue-frame none --traders 60 --seed 3 --arms c --no-sensitivity"


def test_the_table_names_every_mode_and_group(tmp_path: Path) -> None:
    result = run("--html", str(tmp_path / "deep" / "report.html"))
    assert result.exit_code == 0, result.output
    for words in ("isolated", "cross", "hybrid", "capital", "venue risk", "Bad debt", "Who gained what"):
        assert words in result.stdout
    assert (tmp_path / "deep" / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_prices_of_your_own(tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    rows = ["market,ts,open,high,low,close"]
    for hour, (low, close) in enumerate(((99, 100), (80, 82), (75, 90), (88, 95))):
        for market, scale in (("BTC", 500), ("ETH", 20)):
            rows.append(
                f"{market},2026-01-01T0{hour}:00:00Z,{close * scale},{101 * scale},{low * scale},{close * scale}"
            )
    file.write_text("\n".join(rows) + "\n")
    result = run(
        "--prices", str(file), "--modes", "cross,isolated", "--arms", "c", "--json", "-", "--no-html"
    )
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["scenario"]["markets"] == ["BTC", "ETH"]


def test_a_partition_of_your_own(tmp_path: Path) -> None:
    file = tmp_path / "majors.json"
    file.write_text(json.dumps({"name": "majors", "groups": [["BTC", "ETH", "SOL"]], "rest": "apart"}))
    result = run("--partition", str(file), "--arms", "c", "--json", "-", "--no-html")
    assert result.exit_code == 0, result.output
    assert {row["mode"] for row in json.loads(result.stdout)["runs"]} == {
        "isolated",
        "cross",
        "hybrid",
        "majors",
    }


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--scenario", "2025-10-11"], "2025-10-10"),
        (["--venue", "mtgox"], "mtgox"),
        (["--modes", "isolated,half"], "--modes"),
        (["--arms", "z"], "--arms"),
        (["--order", "sideways"], "--order"),
        (["--venue-frame", "cross"], "--venue-frame"),
        (["--scenario", "2025-10-10", "--prices", "x.csv"], "exclude each other"),
        (["--prices", "missing.csv"], "missing.csv"),
        (["--partition", "missing.toml"], "missing.toml"),
        (["--population", "missing.toml"], "missing.toml"),
        (["--slippage-ppm", "-5"], "--slippage-ppm"),
        (["--step-ppm", "0"], "--step-ppm: expected 1 to 500000, got 0"),
        (["--traders", "0"], "--traders"),
        (["--venue-frame", "cross=gmx-v2"], "offers no cross margin, it judges positions only one by one"),
        (
            ["--venue-frame", "isolated=dydx-v3"],
            "offers no isolated margin, it judges positions only together",
        ),
        (["--venue-frame", "hybrid=gmx-v2{policy.trigger_at_equality=true}"], "offers no hybrid margin"),
        (["--venue-frame", "isolated=aave-v3"], "has nothing to replay: it lends tokens"),
        (["--venue", "aave-v3"], "has nothing to replay: it lends tokens"),
        (["--venue", "generic{BTC.maxLeverage=}"], "expected PATH=VALUE"),
    ],
)
def test_bad_options_are_one_line_and_status_2(options: list[str], words: str) -> None:
    result = run(*options)
    assert result.exit_code == 2
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_the_order_of_hashes_does_not_reach_the_result(tmp_path: Path) -> None:
    """Siblings compete for idle money: who comes first must not depend on the interpreter's hash seed."""
    code = "import sys; from ringfence.cli import main; main(sys.argv[1:])"
    options = [
        *SMALL,
        "--arms",
        "e",
        "--modes",
        "isolated",
        "--step-ppm",
        "20000",
        "--no-html",
        "--json",
        "-",
    ]
    options[options.index("60")] = "300"
    printed = set()
    for seed in ("0", "3"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", code, *options], capture_output=True, env=environment, check=True
        )
        printed.add(done.stdout.split(b'"timing"')[0])
    assert len(printed) == 1


@pytest.mark.parametrize("scenario", ["2025-04-09-squeeze", "2025-05-08-squeeze", "2025-05-layer"])
def test_markets_that_a_venue_lacks_are_left_out_of_its_frame(scenario: str) -> None:
    result = run("--scenario", scenario, "--arms", "c", "--json", "-", "--no-html")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["scenario"]["markets_unlisted"]["dydx-v4"]
    assert any("dydx-v4 does not list" in note for note in document["scenario"]["notes"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('groups = [["BTCC", "ETHH"]]', "unknown market 'BTCC'"),
        ('groups = [["btc"]]', "unknown market 'btc'"),
        ('groups = [["BTC"]]\nfoo = 1', "'foo'"),
        ('name = "a/b"\ngroups = [["BTC"]]', "name: expected"),
        ("groups = " + "[" * 5_000, "cannot be read"),
    ],
)
def test_a_partition_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    result = run("--partition", str(file), "--no-html")
    assert result.exit_code == 2
    assert words in result.stderr


def test_targets_that_cannot_be_written_are_refused_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    for option, path in (
        ("--html", tmp_path),
        ("--html", tmp_path / "file" / "x.html"),
        ("--json", tmp_path),
    ):
        result = run(option, str(path))
        assert (result.exit_code, result.stdout) == (2, "")
        assert str(path) in result.stderr
    assert (tmp_path / "file").read_text() == "kept"


def test_the_stakeholder_table_sums_to_zero_to_the_last_digit() -> None:
    document = json.loads(run("--arms", "c", "--json", "-", "--no-html").stdout)
    for row in document["runs"]:
        assert sum(Decimal(amount) for _, amount in row["stakeholders"]) == 0


@pytest.mark.parametrize(
    ("venue", "modes", "said"),
    [
        ("gmx-v2", "isolated,cross,hybrid", "judges positions only one by one; cross and hybrid margin"),
        ("synthetix-v3", "isolated,cross", "judges positions only together; isolated margin"),
        ("gmx-v2", "isolated", ""),
        ("generic", "isolated,cross,hybrid", ""),
    ],
)
def test_a_mode_that_the_venue_lacks_is_said_to_be_a_what_if(venue: str, modes: str, said: str) -> None:
    result = run("--venue", venue, "--modes", modes, "--venue-frame", "none", "--arms", "c", "--no-html")
    assert result.exit_code == 0, result.output
    warnings = [line for line in result.stderr.splitlines() if line.startswith("Warning: ")]
    assert len(warnings) == bool(said)
    assert all(said in line and line.endswith("is a what-if") for line in warnings)


def test_a_changed_rulebook_runs_in_either_frame() -> None:
    """At most 2x instead of 50x: whoever holds BTC posts at least half of it on entry."""
    options = ["--modes", "cross", "--arms", "c", "--workers", "2", "--json", "-", "--no-html"]
    changed = "hyperliquid{BTC.maxLeverage=2}"
    result = run("--venue", changed, "--venue-frame", f"cross={changed}", *options)
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert {row["rulebook"] for row in document["runs"]} == {changed}
    plain = json.loads(run("--venue", "hyperliquid", "--venue-frame", "none", *options).stdout)
    asked, before = (found["runs"][0]["measures"]["initial_margin"] for found in (document, plain))
    assert asked != before
    assert shlex.split(document["command"])[2:4] == ["--venue", changed]


def test_the_manual_lists_what_a_replay_refuses() -> None:
    """Rules over sets and venues without perpetuals in every frame, unknown procedures as `--venue` alone."""
    refused: dict[str, set[str]] = {"both": set(), "--venue": set()}
    for name in {info.venue for info in list_rulebooks()}:
        rulebook = load(name)
        try:
            refuse(rulebook)
        except InputError:
            refused["both"].add(name)
            continue
        try:
            rulebook.policy()
        except InputError:
            refused["--venue"].add(name)
    manual = (Path(__file__).parents[2] / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    section = manual.partition("**Refused rulebooks.**")[2].partition("###")[0]
    rows = [line.split("|") for line in section.splitlines() if line.startswith("| `")]
    written: dict[str, set[str]] = {"both": set(), "--venue": set()}
    for _, names, where, *_ in rows:
        written["--venue" if "--venue" in where else "both"] |= set(re.findall(r"`([^`]+)`", names))
    assert written == refused
