"""The command line: what it prints, where, and with which exit status."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from ringfence import __version__
from ringfence.cli import main

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
DESK = EXAMPLES / "desk.json"
WITH_ETH = EXAMPLES / "eth-collateral.json"


def run(*arguments, **more):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], **more)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def run_process(*arguments, **more):
    command = [sys.executable, "-m", "ringfence.cli", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, **more)


def refused(*arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    return line


# -- the program itself


def test_help_lists_every_command_without_loading_any():
    code = (
        "import sys; from click.testing import CliRunner; from ringfence.cli import main; "
        "print(CliRunner().invoke(main, ['--help']).output); "
        "print('loaded:', *sorted({'numpy', 'rich', 'duckdb', 'plotly', 'msgspec', 'decimal'} & sys.modules.keys()))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    for command in ("compare", "margin", "diff", "verify", "venues", "scenarios", "data"):
        assert f"\n  {command} " in done.stdout
    assert done.stdout.splitlines()[-1] == "loaded:"


def test_version():
    assert run("--version").stdout == f"ringfence {__version__}\n"


def test_the_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "ringfence", "margin", "absent.json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Error: absent.json: cannot be read (No such file or directory)\n"


def test_an_unknown_command():
    result = run("margins")
    assert result.exit_code == 2
    assert "No such command 'margins'" in result.stderr


@pytest.mark.parametrize(("typed", "meant"), [("strss", "stress"), ("margn", "margin"), ("venus", "venues")])
def test_a_misspelt_command_names_the_one_that_was_meant(typed, meant):
    result = run(typed, "book.csv")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == f"Error: No such command '{typed}'. Did you mean '{meant}'?"


def test_ctrl_c_is_neither_a_failed_check_nor_bad_input(monkeypatch):
    def stop(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(main.commands["venues"], "callback", stop)
    result = run("venues")
    assert (result.exit_code, result.stdout, result.stderr) == (130, "", "\nInterrupted\n")


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1", "cp1252"])
def test_an_output_that_lacks_letters_gets_the_others(encoding, tmp_path):
    """A liquidation map has bars that these encodings lack; a name that they lack survives in JSON."""
    book = tmp_path / "book.csv"
    book.write_text((ROOT / "examples/perps.csv").read_text().replace("trader-12,", "\u4ea4\u6613,"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONIOENCODING": encoding}
    command = [sys.executable, "-m", "ringfence", "stress", str(book), "--move=-20%", "--map=BTC"]
    shown, given = (
        subprocess.run([*command, *more], capture_output=True, env=environment, check=True).stdout.decode(
            encoding
        )
        for more in ([], ["--json"])
    )
    assert "Liquidation map of BTC" in shown
    assert "\n??  " in shown
    assert json.loads(given)["top"][0]["account"] == "\u4ea4\u6613"


def test_a_broken_pipe_is_quiet():
    reader, writer = os.pipe()
    os.close(reader)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "ringfence.cli", "margin", str(DESK), "--json", "--explain"]
    done = subprocess.run(
        command, stdout=writer, stderr=subprocess.PIPE, text=True, env=environment, check=False
    )
    os.close(writer)
    assert "Traceback" not in done.stderr
    assert "rror" not in done.stderr


@pytest.mark.parametrize(
    "command",
    [["--help"], ["--version"], ["venues"], ["margin", DESK], ["margin", DESK, "--json", "--explain"]],
)
@pytest.mark.parametrize(
    ("redirected", "reason"), [(">/dev/full", "No space left on device"), (">&-", "it is closed")]
)
def test_output_that_cannot_be_written_is_one_line(command, redirected, reason):
    shell = [
        "sh",
        "-c",
        f'"$@" {redirected}',
        "sh",
        sys.executable,
        "-m",
        "ringfence.cli",
        *map(str, command),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(shell, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"Error: cannot write to standard output: {reason}\n"


def test_errors_need_no_standard_error():
    shell = ["sh", "-c", '"$@" 2>&-', "sh", sys.executable, "-m", "ringfence.cli", "margin", str(DESK)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(shell, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0
    assert "positions" in done.stdout


# -- margin


def test_margin_prints_tables():
    result = run("margin", DESK)
    assert result.exit_code == 0
    assert result.stderr == ""
    assert "desk-1/SOL  isolated  safe     1,700.00" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100
    assert "\x1b" not in result.stdout


def test_margin_as_json_is_json_alone():
    result = run("margin", WITH_ETH, "--json")
    (answer,) = json.loads(result.stdout)["results"]
    assert (answer["venue"], answer["refused"]) == ("generic", [])
    shared, sol = answer["accounts"][0]["subaccounts"]
    assert (shared["subaccount"], shared["equity"], shared["liquidatable"]) == ("desk-1", "10500", False)
    assert (sol["subaccount"], sol["marginMode"], sol["equity"]) == ("desk-1/SOL", "isolated", "1700")
    assert "explanations" not in shared
    assert (
        result.stderr
        == "Warning: desk-1: ETH: no price is given, so it counts for nothing; give --price ETH=...\n"
    )


def test_margin_explains():
    result = run("margin", DESK, "--explain")
    assert "  maintenanceMargin: 305 = sum of the maintenanceMargin of all positions" in result.stdout
    assert (
        "tiered_q: 305 = mul_div(notional_q * rate_num - deduction, 1, rate_den, rounding)" in result.stdout
    )
    explained = json.loads(run("margin", DESK, "--explain", "--json").stdout)["results"][0]["accounts"][0][
        "subaccounts"
    ]
    assert explained[0]["explanations"]["equity"]["value"] == explained[0]["equity"]


def test_a_market_that_only_the_catch_all_covers_is_said(tmp_path):
    path = tmp_path / "typo.json"
    path.write_text(DESK.read_text().replace('"BTC"', '"BCT"'))
    told = run("margin", path, "--venue", "generic")
    warning = "Warning: desk-1: BCT is not listed by generic 2026-11: its catch-all market is used\n"
    assert (told.exit_code, told.stderr) == (0, warning)
    assert run("margin", DESK, "--venue", "generic").stderr == ""


@pytest.mark.parametrize(
    ("prices", "said"),
    [
        (["BTC=1", "BTC-USD=2"], "--price BTC-USD: the same market as --price BTC; give one of the two"),
        (["BTCUSDT=1", "btc=1"], "--price btc: the same market as --price BTCUSDT; give one of the two"),
        (["USDC=0.5"], "--price USDC: USDC is what prices are in; its own is always 1"),
    ],
)
def test_a_price_that_would_be_ignored_is_refused(prices, said):
    options = [word for price in prices for word in ("--price", price)]
    assert refused("margin", DESK, *options) == f"Error: {said}"


def test_a_liquidation_price_holds_collateral_of_the_same_coin_and_price_moves_both(tmp_path):
    path = tmp_path / "eth.json"
    position = {
        "symbol": "ETH",
        "side": "long",
        "contracts": "20",
        "entryPrice": "3000",
        "markPrice": "3000",
        "marginMode": "cross",
    }
    path.write_text(json.dumps({"account": "desk", "collateral": {"ETH": "10"}, "positions": [position]}))
    now = run("margin", path)
    # 20 x (p - 3000) + 90 % x 10 x 3000 = 1 % x 20 x p
    assert " 1666.66666" in now.stdout
    assert (
        "its liquidation price holds the price of the ETH in the collateral; --price ETH=... moves both"
        in now.stderr
    )
    # 20 x (p - 3000) + 90 % x 10 x p = 1 % x 20 x p: at 2083.33
    assert " safe " in run("margin", path, "--price", "ETH=2084").stdout
    assert " LIQUIDATABLE " in run("margin", path, "--price", "ETH=2083").stdout


def test_a_debt_without_a_position_is_not_called_safe(tmp_path):
    path = tmp_path / "debt.json"
    for held, status in (
        ({"USDC": "-5"}, "in debt"),
        ({"USDC": "0"}, "safe"),
        ({"USDC": "-5", "ETH": "1"}, "safe"),
    ):
        book = {"account": "desk", "collateral": held, "prices": {"ETH": "3000"}, "positions": []}
        path.write_text(json.dumps(book))
        assert f"desk        cross  {status} " in run("margin", path).stdout


def test_collateral_from_the_command_line(tmp_path):
    path = tmp_path / "positions.json"
    position = {
        "symbol": "BTC/USDC:USDC",
        "contracts": 1,
        "side": "long",
        "entryPrice": 100,
        "markPrice": 100,
    }
    path.write_text(json.dumps([position]))
    bare = run("margin", path, "--json")
    assert json.loads(bare.stdout)["results"][0]["accounts"][0]["subaccounts"][0]["equity"] is None
    assert "does not say what backs the cross positions; give --collateral USDC=..." in bare.stderr
    backed = run("margin", path, "--json", "--collateral", "USDC=50").stdout
    assert json.loads(backed)["results"][0]["accounts"][0]["subaccounts"][0]["equity"] == "50"
    assert "expected one account without collateral in the file, found 0" in refused(
        "margin", DESK, "--collateral", "USDC=1"
    )


def test_text_from_a_file_is_not_markup(tmp_path):
    path = tmp_path / "book.json"
    path.write_text(json.dumps({"account": "[bold]a:smile:", "collateral": {"USDC": "1"}, "positions": []}))
    assert "[bold]a:smile:" in run("margin", path).stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["margin", "none.json"], "none.json: cannot be read (No such file or directory)"),
        (["margin", DESK, "--venue", "nowhere"], "nowhere"),
        (["margin", DESK, "--price", "BTC"], "--price BTC: expected NAME=NUMBER"),
        (["margin", DESK, "--price", "BTC=0"], "--price BTC: expected a number above 0"),
        (["margin", DESK, "--price", "BTC=nan"], "--price BTC: expected a decimal number"),
        (["margin", DESK, "--price", "BTC=1", "--price", "BTC=2"], "--price BTC: given twice"),
        (["margin", DESK, "--price", "BCT=1"], "--price BCT: no account holds BCT"),
        (["verify", "none.json"], "none.json"),
        (["venues", "nowhere"], "nowhere"),
        (["scenarios", "2025-10-11"], "no scenario named '2025-10-11'"),
        (
            ["data", "get", "BTCUSDT", "--from", "yesterday", "--to", "2025-10-10"],
            "--from yesterday: expected a day",
        ),
        (["data", "get", "BTCUSDT", "--from", "2025-10-10", "--to", "2025-10-09"], "lies before start date"),
        (["data", "get", "b/c", "--from", "2025-10-10", "--to", "2025-10-10"], "symbol is 'B/CUSDT'"),
        (
            ["data", "get", "BTCUSDT", "--from", "2025-10-10", "--to", "2025-10-10", "--market", "x"],
            "expected um or spot",
        ),
    ],
)
def test_bad_input_is_one_line_and_status_2(arguments, said):
    assert said in refused(*arguments)


def test_a_real_process_refuses_in_one_line():
    done = run_process("margin", "none.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Error: none.json: cannot be read (No such file or directory)\n"


def test_the_guide_shows_what_is_printed():
    guide = (ROOT / "docs/guides/margin.md").read_text()
    shown = guide.partition("$ ringfence margin examples/desk.json --venue hyperliquid\n")[2].partition(
        "```"
    )[0]
    printed = run("margin", DESK, "--venue", "hyperliquid").stdout
    assert [line.rstrip() for line in printed.splitlines() if line.strip()] == [
        line for line in shown.splitlines() if line
    ]


def test_the_guides_python_runs(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    guide = (ROOT / "docs/guides/margin.md").read_text()
    exec(guide.partition("```python\n")[2].partition("```")[0], {})
    assert (
        "desk-1 BTC 40506.3\nliquidationPrice: 40506.3 = price nearest to the mark" in capsys.readouterr().out
    )


# -- verify


def test_verify_real_accounts(shared):
    result = run("verify", shared / "data/hyperliquid_liq_vectors.json", "--json")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert (report["exports"]["passed"], report["exports"]["failed"]) == (9, 0)


def test_verify_cases_and_accounts_together(shared):
    files = (shared / "vectors/hyperliquid.json", shared / "data/ccxt_positions.json")
    result = run("verify", *files)
    assert result.exit_code == 0
    assert "Against the venues' own numbers:" in result.stdout
    assert "6 agree to the digits that the venue shows, 0 do not." in result.stdout


def test_verify_fails_with_status_1(tmp_path):
    position = {
        "symbol": "BTC",
        "side": "long",
        "contracts": "1",
        "entryPrice": "60000",
        "markPrice": "60000",
        "marginMode": "isolated",
        "collateral": "6000",
        "liquidationPrice": "54545.46",
    }
    path = tmp_path / "export.json"
    path.write_text(json.dumps({"account": "a", "collateral": {}, "positions": [position]}))
    result = run("verify", path, "--venue", "generic")
    assert result.exit_code == 1
    assert "54545.45" in result.stdout
    assert "0 agree to the digits that the venue shows, 1 do not." in result.stdout


def test_verify_needs_to_know_the_venue(tmp_path):
    path = tmp_path / "export.json"
    path.write_text(DESK.read_text().replace('"leverage": "10"', '"liquidationPrice": "5"'))
    assert "does not say which venue it is from; give --venue NAME" in refused("verify", path)
    assert "nothing to compare" in run("verify", DESK).stdout


# -- what is known


def test_venues():
    listed = {f"{each['venue']}@{each['version']}" for each in json.loads(run("venues", "--json").stdout)}
    assert {"generic@2026-11", "hyperliquid@2023-06"} <= listed
    assert "hyperliquid@2023-06" in run("venues").stdout
    shown = run("venues", "hyperliquid@2023").stdout
    assert "maintenance at current mark" in shown
    assert "recorded-account" in shown
    assert "\n## Policy\n" in run("venues", "hyperliquid@2023", "--markdown").stdout
    assert "20x, 20x from 150,000,000" in run("venues", "hyperliquid{BTC.maxLeverage=20}").stdout
    assert json.loads(run("venues", "dydx-v4", "--json").stdout)["head"]["venue"] == "dydx-v4"


def test_scenarios():
    assert "2025-10-10" in run("scenarios").stdout
    (scenario,) = json.loads(run("scenarios", "2025-10-10", "--json").stdout)
    assert scenario["kind"] == "crash"
    assert "source: Binance" in run("scenarios", "2025-10-10").stdout


def test_tables_are_readable_at_100_columns():
    for arguments in (["venues"], ["venues", "hyperliquid"], ["scenarios"], ["margin", DESK]):
        assert max(map(len, run(*arguments).stdout.splitlines())) <= 100


def test_data_get_says_what_it_fetched(monkeypatch, tmp_path):
    from ringfence.sim import download

    asked = []

    def fetch(symbol, interval, start, end, *, kind, progress):
        asked.append((symbol, interval, str(start), str(end), kind))
        progress(1, 1, "a.zip")
        return [tmp_path / "a.zip"]

    monkeypatch.setattr(download, "download", fetch)
    result = run(
        "data", "get", "BTC", "ETHUSDC", "--from", "2025-10-10", "--to", "2025-10-11", "--market", "spot"
    )
    assert result.stdout == f"{tmp_path / 'a.zip'}\n" * 2
    assert asked == [
        ("BTCUSDT", "1m", "2025-10-10", "2025-10-11", "spot"),
        ("ETHUSDC", "1m", "2025-10-10", "2025-10-11", "spot"),
    ]
