"""`ringfence stress`: what it prints, writes and exits with."""

import csv
import json
import subprocess
import sys
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import duckdb
import pytest
from click.testing import CliRunner

from ringfence.cli import main
from ringfence.compare.stress_command import scenario_points
from ringfence.questions.stress import chart, tables
from ringfence.questions.stress.tables import BAR_WIDTH, COLUMNS

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
BOOK = EXAMPLES / "perps.csv"
HEADER = "account,collateral.USDC,symbol,side,contracts,entryPrice,markPrice,marginMode,collateral\n"
ROWS = "goes,3000,BTC,long,1,60000,60000,cross,\nstays,30000,BTC,long,1,60000,60000,cross,\n"


@pytest.fixture
def two(tmp_path):
    """Two accounts, each long 1 BTC at 60000; on Hyperliquid the first has 3000 USD owed and unpaid at -10 %."""
    path = tmp_path / "two.csv"
    path.write_text(HEADER + ROWS)
    return path


def run(*arguments):
    result = CliRunner().invoke(main, ["stress", *(str(argument) for argument in arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def document(*arguments):
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refused(*arguments):
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = [line for line in result.stderr.splitlines() if not line.startswith("Warning: ")]
    return line


def test_one_point_as_json(two):
    found = document(two, "--venue", "hyperliquid", "--move", "-10%")
    assert (found["accounts"], found["worst"], found["measures"]["badDebt"]) == (2, "all -10%", "3000")
    (point,) = found["points"]
    assert (point["marginDeficit"], point["badDebtByPool"]) == ("3675", {"main": "3000"})
    assert point["markets"] == {"BTC": {"positions": 1, "contracts": "1", "notional": "54000"}}
    (top,) = found["top"]
    assert (top["account"], top["equity"], top["maintenanceMargin"]) == ("goes", "-3000", "675")
    assert found["markets"]["BTC"] == {"positions": 2, "notional": "120000", "markPrice": "60000"}
    assert found["now"]["accounts"] == 0


def test_without_a_shock_it_is_a_grid_of_all_markets():
    found = document(BOOK)
    assert [point["point"] for point in found["points"]][::5] == ["-50%", "0%", "+50%"]
    assert found["points"][5] | {"point": "as it is"} == found["now"]


def test_what_a_person_reads(two):
    text = run(two, "--venue", "hyperliquid", "--grid", "-10%:10%:10%", "--map", "BTC").stdout
    assert "hyperliquid 2026-07: 2 accounts, 2 subaccounts, 2 positions, notional 120,000.00 USD" in text
    (row,) = [line.split() for line in text.splitlines() if line.startswith("-10%  ")][:1]
    assert row == ["-10%", "1", "1", "54,000.00", "3,675.00", "3,000.00"]
    assert "Liquidatable at one of the points at least: 1 account." in text
    assert "The worst point is -10%" in text
    assert "Liquidation map of BTC" in text
    assert "█" * BAR_WIDTH in text


def test_many_points_print_those_that_tell_something():
    text = run(BOOK, "--venue", "hyperliquid", "--scenario", "2025-10-10").stdout
    assert "Of 141 points those worse than all before them, and the last; --json has all." in text
    rows = [line for line in text.splitlines() if line.startswith("2025-10-1")]
    assert 2 < len(rows) <= tables.POINTS_SHOWN
    assert any("2025-10-10T21:00Z low" in row for row in rows)


def test_where_nobody_is_liquidatable_no_point_is_the_worst():
    text = run(EXAMPLES / "book.csv", "--grid", "-2%:2%:2%").stdout
    assert "Liquidatable at one of the points at least: 0 accounts." in text
    assert "The worst point" not in text


def test_files(two, tmp_path):
    table, rows, page = (tmp_path / name for name in ("out.parquet", "out.csv", "out.html"))
    result = run(
        two,
        "--move",
        "-10%",
        "--venue",
        "hyperliquid",
        "--top",
        "0",
        "--out",
        table,
        "--out",
        rows,
        "--out",
        page,
    )
    assert result.exit_code == 0
    assert "Liquidation map" not in result.stdout  # nobody asked for one here; the report has its own
    (read,) = csv.DictReader(rows.read_text().splitlines())
    assert list(read) == list(COLUMNS)
    assert (read["account"], read["point"], read["badDebt"], read["largestPosition"]) == (
        "goes",
        "all -10%",
        "3000",
        "BTC long",
    )
    with duckdb.connect() as connection:
        (row,) = connection.execute(f"SELECT * FROM '{table}'").fetchall()
    assert dict(zip(COLUMNS, row, strict=True))["marginDeficit"] == Decimal(3675)
    assert page.read_text().startswith("<!doctype html>")


def test_conditions(two):
    asked = (two, "--venue", "hyperliquid", "--move", "-10%")
    failed = run(*asked, "--fail-if", "badDebt>2999", "--fail-if", "liquidatable>1")
    assert failed.exit_code == 1
    assert failed.stderr.splitlines()[-1] == (
        "Failed: --fail-if badDebt>2999: badDebt is 3000 (USD owed by the liquidatable once all they have is sold at "
        "the shocked prices)"
    )
    assert run(*asked, "--fail-if", "badDebt>3000").exit_code == 0
    assert "did you mean badDebt?" in refused(*asked, "--fail-if", "baddebt>0")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--move", "BTC=-20"), "expected a percentage with its sign, such as -20%"),
        (("--move", "XYZ=-20%"), "no account has a position in XYZ; there are SOL, ETH, BTC"),
        (("--map", "XYZ"), "--map XYZ: no account has a position in XYZ"),
        (("--depeg", "USDT=-5%"), "no account has collateral in USDT; there is none"),
        (("--grid", "-5%"), "expected FROM:TO:STEP"),
        (("--scenario", "2025-10-11"), "no scenario named '2025-10-11'; did you mean 2025-10-10"),
        (("--scenario", "2025-10-10", "--move", "-5%"), "--scenario moves prices itself"),
        (("--venue", "hyperliqid"), "hyperliqid"),
        (("--out", "x.txt"), "expected a name that ends in .html, .csv"),
    ],
)
def test_what_cannot_be_asked(options, sentence):
    assert sentence in refused(BOOK, *options)


# -- scenarios ---------------------------------------------------------------------------------------------------------


def test_a_scenario_begins_at_its_first_price_and_has_three_points_an_hour():
    markets, points = scenario_points("2025-10-10")
    assert {"BTC", "ETH"} <= set(markets)
    assert [label for label, _ in points[:3]] == [
        "2025-10-10T01:00Z low",
        "2025-10-10T01:00Z high",
        "2025-10-10T01:00Z close",
    ]
    # The first close is 121682.2, the second hour's low 121425.3.
    assert points[0][1]["BTC"].limit_denominator(10**9) * 1216822 == 1214253
    for at in range(0, len(points), 3):
        low, high, close = (shares for _, shares in points[at : at + 3])
        assert all(low[name] <= close[name] <= high[name] for name in markets)


def test_markets_that_a_scenario_lacks_stand_still_or_follow(tmp_path):
    path = tmp_path / "odd.csv"
    path.write_text(HEADER + ROWS + "odd,10,ZEC,long,1,100,100,cross,\n")
    asked = (path, "--scenario", "2025-10-10", "--venue", "hyperliquid")
    still = run(*asked, "--json")
    assert "scenario 2025-10-10 has no ZEC: they stand still" in still.stderr
    assert "ZEC" not in json.loads(still.stdout)["points"][60]["markets"]
    follows = run(*asked, "--beta", "3", "--json")
    assert "Warning: scenario" not in follows.stderr
    worst = max(json.loads(follows.stdout)["points"], key=lambda point: len(point["markets"]))
    assert "ZEC" in worst["markets"]


# -- the report --------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Tags of a page, and what it would load."""

    def __init__(self):
        super().__init__()
        self.opened, self.loaded = [], []

    def handle_starttag(self, tag, attrs):
        self.opened.append(tag)
        self.loaded += [
            value for name, value in attrs if name in {"src", "href"} and not value.startswith(("#", "data:"))
        ]


def report(tmp_path, *arguments):
    path = tmp_path / "page.html"
    assert run(*arguments, "--out", path).exit_code == 0
    return path.read_text()


def test_the_report_stands_alone_and_is_the_same_every_time(tmp_path):
    text = report(tmp_path, BOOK, "--grid", "-20%:20%:5%")
    page = Page()
    page.feed(text)
    assert page.loaded == []
    assert "script" not in page.opened
    assert page.opened.count("svg") == 1 + 3  # the points, and the maps of the three largest markets
    assert text == report(tmp_path, BOOK, "--grid", "-20%:20%:5%")
    assert "ringfence stress" in text
    assert "--grid -20%:20%:5%" in text


def test_names_from_a_file_stay_names_in_the_report(tmp_path):
    path = tmp_path / "odd.csv"
    path.write_text(HEADER + ROWS.replace("goes", "<b>x"))
    text = report(tmp_path, path, "--move", "-10%", "--venue", "hyperliquid")
    assert "<b>x" not in text
    assert "&lt;b&gt;x" in text


def test_charts_are_well_formed_and_stay_in_their_frame(tmp_path):
    text = report(tmp_path, BOOK, "--map", "BTC")
    drawings = [part.split("</svg>")[0] + "</svg>" for part in text.split("<figure")[1:]]
    assert len(drawings) == 2
    for drawing in drawings:
        svg = ET.fromstring("<svg" + drawing.split("<svg", 1)[1])
        _, _, width, height = map(float, svg.attrib["viewBox"].split())
        bars = svg.findall("rect")
        assert bars
        for bar in bars:
            x, y, wide, high = (float(bar.attrib[name]) for name in ("x", "y", "width", "height"))
            assert 0 <= x <= x + wide <= width
            assert 0 <= y <= y + high <= height
            assert bar.find("title").text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "0"),
        ("7", "7"),
        ("999", "999"),
        ("1250", "1.25k"),
        ("400000", "400k"),
        ("1000000", "1M"),
        ("-2.5e9", "-2.5B"),
    ],
)
def test_amounts_in_charts_are_brief(amount, text):
    assert chart.brief(Decimal(amount)) == text


@pytest.mark.parametrize(("most", "last"), [("0", "0"), ("7", "6"), ("100", "100"), ("355035", "300000")])
def test_ticks_are_round_and_end_below_the_most(most, last):
    found = chart.ticks(Decimal(most))
    assert found[0] == 0
    assert found[-1] == Decimal(last)
    assert len(found) <= 6


@pytest.mark.parametrize(("share", "text"), [(0, ""), (1, "▏"), (32, "████"), (16, "██"), (9, "█▏")])
def test_bars_are_drawn_in_eighths(share, text):
    assert tables.bar(share, 32, 4) == text


# -- what it takes -----------------------------------------------------------------------------------------------------


def test_a_small_book_loads_no_compiler(two):
    """A process of its own, as others of this one may have loaded it."""
    script = (
        "import sys; from ringfence.cli import main; "
        f"main(['stress', {str(two)!r}, '--move', '-10%'], standalone_mode=False); "
        "sys.exit('numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr
