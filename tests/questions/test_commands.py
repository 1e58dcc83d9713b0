"""`ringfence margin` and `ringfence diff`: what they print, write and exit with."""

import csv
import json
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner

from ringfence.books import live
from ringfence.cli import main
from ringfence.venues.rulebook import list_rulebooks

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
DESK, ACCOUNTS, WITH_ETH = (
    EXAMPLES / "desk.json",
    EXAMPLES / "accounts.json",
    EXAMPLES / "eth-collateral.json",
)
ADDRESS = "0x" + "0123456789abcdefABCD" * 2
CHANGE = ("--from", "hyperliquid", "--to", "hyperliquid{BTC.maxLeverage=4}")
STATE = {
    "crossMarginSummary": {"accountValue": "12000.0", "totalNtlPos": "30500.0"},
    "crossMaintenanceMarginUsed": "381.25",
    "time": 1764350959056,
    "assetPositions": [
        {
            "position": {
                "coin": "BTC",
                "szi": "0.5",
                "leverage": {"type": "cross", "value": 10},
                "entryPx": "60000.0",
                "positionValue": "30500.0",
                "liquidationPx": None,
                "maxLeverage": 40,
            }
        }
    ],
}


def run(*arguments):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def refused(*arguments):
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = [line for line in result.stderr.splitlines() if not line.startswith("Warning: ")]
    assert line.startswith("Error: ")
    return line


# -- margin at every venue ------------------------------------------------------------------------------------------


def test_a_row_per_venue_and_mode():
    result = run("margin", DESK, "--venue", "all")
    assert result.exit_code == 0
    assert result.stdout.startswith("desk-1: every venue and mode (USDC) ")
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["hyperliquid", "cross", "12,200", "3,790", "751.25", "30.1x", "-76.6%"] in [
        row[:7] for row in rows
    ]
    assert "Liquidated first: " in result.stdout
    assert "what backs cross positions is split over them in proportion to notional" in result.stdout
    table = result.stdout.partition("Liquidated first")[0]
    assert max(len(line.rstrip()) for line in table.splitlines()) <= 100


def test_a_venue_that_cannot_hold_the_book_says_why_and_others_go_on():
    result = run("margin", WITH_ETH, "--venue", "all", "--price", "ETH=3000")
    assert result.exit_code == 0
    assert "\nhyperliquid cannot hold this: collateral not accepted: ETH\n" in result.stdout
    assert "generic" in result.stdout
    assert "collateral.ETH: not collateral on hyperliquid" in refused(
        "margin", WITH_ETH, "--venue", "hyperliquid"
    )


def test_every_venue_as_json():
    results = json.loads(run("margin", ACCOUNTS, "--venue", "all", "--json").stdout)["results"]
    assert {answer["venue"] for answer in results} == {info.venue for info in list_rulebooks()}
    (cross,) = (each for each in results if (each["venue"], each["mode"]) == ("hyperliquid", "cross"))
    assert [account["account"] for account in cross["accounts"]] == ["hedged", "one-sided"]
    assert cross["accounts"][0]["liquidationPrices"].keys() == {"BTC", "ETH"}
    assert cross["accounts"][0]["subaccounts"][0]["maintenanceMargin"] == "1930"
    assert cross["then"].startswith("whole up to 100,000 USD")
    assert cross["refused"] == []


def test_several_accounts_have_a_table_each():
    shown = run("margin", ACCOUNTS, "--venue", "all").stdout
    assert "hedged: every venue and mode (USDC)" in shown
    assert "one-sided: every venue and mode (USDC)" in shown


def test_a_large_book_is_summed_up_by_venue_and_mode(tmp_path):
    path = tmp_path / "book.csv"
    rows = [f"a{at},1000,BTC,long,0.1,60000,60000,cross" for at in range(160)]
    head = "account,collateral.USDC,symbol,side,contracts,entryPrice,markPrice,marginMode"
    path.write_text("\n".join([head, *rows, "odd,1,NOSUCHCOIN,long,1,1,1,cross"]) + "\n")
    shown = run("margin", path, "--venue", "all").stdout
    assert shown.startswith("Every venue and mode, all accounts (USDC) ")
    assert ["hyperliquid", "cross", "160", "160,000", "24,000", "12,000", "0"] in [
        line.split()[:7] for line in shown.splitlines()
    ]
    assert "hyperliquid cannot hold odd: market not listed: NOSUCHCOIN" in shown


def test_one_mode_alone():
    shown = run("margin", DESK, "--venue", "all", "--mode", "isolated").stdout
    assert "isolated" in shown
    assert not [line for line in shown.splitlines() if "  cross  " in line]
    assert (
        "desk-1      cross  safe    12,200.00"
        in run("margin", DESK, "--venue", "hyperliquid", "--mode", "cross").stdout
    )
    assert (
        refused("margin", DESK, "--mode", "portfolio")
        == "Error: --mode portfolio: expected cross or isolated"
    )


def test_margin_under_changed_rules():
    shown = run("margin", DESK, "--venue", "hyperliquid{BTC.maxLeverage=20}").stdout
    assert "hyperliquid 2026-07{BTC.maxLeverage=20}: subaccounts (USDC)" in shown
    assert "762.50" in shown


def test_rows_in_a_file(tmp_path):
    path = tmp_path / "new" / "rows.csv"
    result = run("margin", DESK, "--venue", "all", "--out", path, "--out", tmp_path / "rows.parquet")
    assert f"Table: {path}\n" in result.stderr
    rows = list(csv.DictReader(path.read_text().splitlines()))
    (row,) = (row for row in rows if (row["venue"], row["mode"]) == ("hyperliquid", "cross"))
    assert (row["equity"], row["liquidationPrices"]) == ("12200", "BTC 37812.6, SOL 259.6952")
    assert (tmp_path / "rows.parquet").read_bytes().startswith(b"PAR1")
    run("margin", DESK, "--venue", "hyperliquid", "--out", path)
    (row,) = csv.DictReader(path.read_text().splitlines())
    assert (row["mode"], row["maintenanceMargin"]) == ("as held", "751.25")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--out", "rows.xlsx"), "--out rows.xlsx: expected a name that ends in .csv, .parquet, .pq"),
        (("--workers", "-1"), "--workers -1: expected a number from 0 to 64"),
        (("--venue", "all", "--explain"), "--explain: name one venue, or add --json"),
        (("--venue", "hyperliquid{}"), "expected NAME, or NAME{PATH=VALUE, ...}"),
        (("--venue", "hyperliquid{policy.x=1}"), "policy.x: there is no such value"),
    ],
)
def test_bad_options_of_margin(arguments, said):
    assert said in refused("margin", DESK, *arguments)


# -- a live account -------------------------------------------------------------------------------------------------


@pytest.fixture
def server(monkeypatch):
    """A venue that answers with a recorded state, and what it was asked."""
    asked = []

    def answer(url, question, shown, **limits):
        asked.append((url, question))
        return json.dumps(STATE).encode()

    monkeypatch.setattr(live, "post_json", answer)
    return asked


def test_an_address_is_read_live(server):
    result = run("margin", ADDRESS, "--venue", "hyperliquid")
    assert result.exit_code == 0
    assert server == [(live.URL, {"type": "clearinghouseState", "user": ADDRESS.lower()})]
    assert result.stderr == (
        f"Note: {ADDRESS} read from https://api.hyperliquid.xyz/info, as of 2025-11-28 17:29:19 UTC: 1 position\n"
    )
    assert "0x0123…6789abcdef" in result.stdout or "0x0123" in result.stdout
    assert "12,000.00  3,050.00       381.25" in result.stdout


def test_an_address_at_every_venue_and_under_changed_rules(server):
    results = json.loads(run("margin", ADDRESS, "--venue", "all", "--json").stdout)["results"]
    assert {each["accounts"][0]["account"] for each in results if each["accounts"]} == {ADDRESS}
    shown = json.loads(run("diff", ADDRESS, *CHANGE, "--json").stdout)
    assert shown["markets"]["BTC"]["maintenanceMarginAfter"] == "3812.5"


def test_without_a_network_an_address_is_one_line(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv(live.URL_VARIABLE, "http://127.0.0.1:9/info")
    assert "cannot be reached" in refused("margin", ADDRESS, "--venue", "hyperliquid")


def test_a_time_that_is_none_is_one_line(server, monkeypatch):
    monkeypatch.setitem(STATE, "time", 10**20)
    assert "is no time in milliseconds" in refused("margin", ADDRESS)


# -- diff -----------------------------------------------------------------------------------------------------------


def test_diff_prints_rules_measures_markets_and_who_is_affected():
    result = run("diff", ACCOUNTS, *CHANGE)
    assert result.exit_code == 0
    assert result.stdout.startswith(
        "hyperliquid 2026-07 -> hyperliquid 2026-07{BTC.maxLeverage=4}: 2 accounts\n"
    )
    for words in ("BTC: tiers", "maintenanceMargin ", "Margin by market (USDC)", "hedged"):
        assert words in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100


def test_diff_as_json_is_json_alone():
    document = json.loads(run("diff", ACCOUNTS, *CHANGE, "--json").stdout)
    assert (document["from"], document["accounts"]) == ("hyperliquid 2026-07", 2)
    assert document["total"]["maintenanceMarginBefore"] == "2078"


@pytest.mark.parametrize(
    ("conditions", "status", "said"),
    [
        (["liquidatable>0"], 0, []),
        (["maintenanceMargin>0"], 1, ["--fail-if maintenanceMargin>0: maintenanceMargin is 6750 (USD"]),
        (
            ["short>5", "maintenanceMarginPercent>=300", "initialMargin>1"],
            1,
            ["Percent>=300", "initialMargin>1:"],
        ),
    ],
)
def test_fail_if_sets_the_exit_status(conditions, status, said):
    options = [word for each in conditions for word in ("--fail-if", each)]
    result = run("diff", ACCOUNTS, *CHANGE, *options)
    assert result.exit_code == status
    failed = [line for line in result.stderr.splitlines() if line.startswith("Failed: ")]
    assert len(failed) == len(said)
    for line, words in zip(failed, said, strict=True):
        assert words in line
    assert "Margin by market" in result.stdout


class Checked(HTMLParser):
    """Every element is closed, and nothing is fetched."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        assert "src" not in values
        assert values.get("href", "data:").startswith(("#", "data:"))
        if tag not in {"meta", "link", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_diff_writes_a_note_and_the_affected(tmp_path):
    note, rows = tmp_path / "note.html", tmp_path / "rows.csv"
    options = ("--out", note, "--out", rows, "--out", tmp_path / "rows.parquet", "--price", "BTC=50000")
    result = run("diff", ACCOUNTS, *CHANGE, *options, "--fail-if", "liquidatable>9")
    assert result.exit_code == 0
    assert f"Written: {note}\nWritten: {rows}\n" in result.stderr
    checked = Checked()
    checked.feed(note.read_text())
    assert checked.open == []
    command = (
        f"ringfence diff {ACCOUNTS} --from hyperliquid --to &#x27;hyperliquid{{BTC.maxLeverage=4}}&#x27;"
    )
    assert f"{command} --price BTC=50000</code>" in note.read_text()
    (row,) = csv.DictReader(rows.read_text().splitlines())
    assert (row["account"], Decimal(row["maintenanceMarginAfter"])) == ("hedged", 7430)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            (*CHANGE, "--fail-if", "liquidated>0"),
            "no measure is called 'liquidated'; did you mean liquidatable?",
        ),
        ((*CHANGE, "--fail-if", "liquidatable"), "expected a measure, one of"),
        ((*CHANGE, "--out", "note.pdf"), "expected a name that ends in .html, .csv, .parquet, .pq"),
        ((*CHANGE, "--mode", "x"), "--mode x: expected cross or isolated"),
        (("--from", "hyperliquid", "--to", "nowhere"), "no rulebook named 'nowhere'"),
        (
            ("--from", "hyperliquid", "--to", "hyperliquid{BTC.maxLevrage=4}"),
            "BTC.maxLevrage: there is no such",
        ),
        (("--from", "hyperliquid", "--to", "no/such.toml"), "no/such.toml: No such file or directory"),
    ],
)
def test_bad_options_of_diff(arguments, said):
    assert said in refused("diff", ACCOUNTS, *arguments)


def test_diff_needs_two_rulebooks():
    result = run("diff", ACCOUNTS, "--from", "hyperliquid")
    assert result.exit_code == 2
    assert "Missing option '--to'" in result.stderr


def test_a_book_that_neither_can_hold(tmp_path):
    path = tmp_path / "book.json"
    path.write_text(DESK.read_text().replace('"BTC"', '"NOSUCHCOIN"'))
    assert "no account can be compared: " in refused("diff", path, *CHANGE)
