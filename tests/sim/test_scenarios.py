import csv
from decimal import Decimal
from importlib.resources import files

import numpy as np
import pytest

import build_scenarios
from ringfence.errors import InputError
from ringfence.sim.prices import ORDERS, count_steps, walk
from ringfence.sim.scenarios import list_scenarios, load_scenario

DATA = files("ringfence.sim") / "data"
INFOS = list_scenarios()
CRASHES = {
    *("2020-03-12", "2021-05-19", "2021-09-07", "2022-05-luna", "2022-06-3ac", "2022-06-18", "2022-11-ftx"),
    *("2024-08-05", "2025-04-07", "2025-10-10", "2026-02-05"),
}

every_scenario = pytest.mark.parametrize("info", INFOS, ids=[info.name for info in INFOS])


def rows(name):
    with (DATA / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def cell(name, market, ts):
    return next(row for row in rows(name) if (row["market"], row["ts"]) == (market, ts))


@every_scenario
def test_every_scenario_loads_on_one_hourly_clock(info):
    candles = load_scenario(info.name)
    assert candles.markets == info.markets == tuple(info.instruments)
    assert set(np.diff(candles.ts_ms)) == {3_600_000}
    assert len(candles) == info.hours
    assert not candles.jumps
    assert not candles.gaps


@every_scenario
def test_every_table_is_small_and_every_figure_a_plain_decimal(info):
    assert len((DATA / f"{info.name}.csv").read_bytes()) <= 200_000
    for row in rows(info.name):
        low, high, close = (Decimal(row[column]) for column in ("low", "high", "close"))
        assert 0 < low <= close <= high
        assert not any("e" in row[column].lower() for column in ("low", "high", "close"))


@every_scenario
def test_every_scenario_says_what_it_is_and_where_it_is_from(info):
    assert "Binance" in info.source
    assert info.exchange == "Binance"
    assert set(info.instruments.values()) <= {"spot", "perp"}
    assert info.kind in {"crash", "calm", "squeeze", "collapse"}
    assert info.frequency.startswith("unknown")  # nothing at hand counts such days completely
    assert any("not mark prices" in note for note in info.notes)
    assert all(text == text.strip() and text for text in (info.title, info.description, *info.notes))


@every_scenario
def test_a_loaded_scenario_cannot_be_written_to(info):
    candles = load_scenario(info.name)
    with pytest.raises(ValueError, match="read-only"):
        candles.close[0, 0] = 1
    with pytest.raises(TypeError):
        info.largest_fall["BTC"] = 0


@pytest.mark.parametrize("order", ORDERS)
@every_scenario
def test_every_scenario_can_be_walked(info, order):
    candles = load_scenario(info.name)
    last = list(walk(candles, order=order, max_step_ppm=20_000))[-1]
    assert last.ts_ms == candles.end_ms
    assert (last.prices == candles.close[-1]).all()
    assert count_steps(candles, order=order) < 50_000


def test_all_kinds_are_there():
    names = {
        kind: {info.name for info in INFOS if info.kind == kind}
        for kind in ("crash", "calm", "squeeze", "collapse")
    }
    assert names["crash"] == CRASHES
    assert all(names.values())
    assert len(INFOS) == sum(map(len, names.values()))


def test_each_kind_moves_as_its_name_says():
    for info in INFOS:
        falls, rises = info.largest_fall, info.largest_rise
        match info.kind:
            case "crash":
                assert falls["BTC"] > 0.1
            case "squeeze":
                assert rises["ETH"] > 0.2 > falls["ETH"]
            case "calm":
                assert falls["BTC"] < 0.1
            case "collapse":
                deepest = max(falls, key=falls.get)
                assert falls[deepest] > 0.5
                assert max(fall for market, fall in falls.items() if market != deepest) < 0.1


def test_known_figures_of_the_tables():
    assert cell("2025-10-10", "BTC", "2025-10-10T21:00Z")["low"] == "101516.5"
    assert cell("2025-10-10", "ADA", "2025-10-10T21:00Z")["low"] == "0.2743"
    assert cell("2021-05-19", "ETH", "2021-05-19T13:00Z")["low"] == "1400.73"
    assert Decimal(min(row["low"] for row in rows("2025-04-07") if row["market"] == "BTC")) == 74457
    info = next(info for info in INFOS if info.name == "2025-10-10")
    assert (info.from_ts, info.to_ts, info.hours) == ("2025-10-10T01:00Z", "2025-10-12T00:00Z", 47)


def test_odd_prints_are_left_out_and_said():
    info = next(info for info in INFOS if info.name == "2020-03-12")
    said = {(odd.market, odd.field): (odd.ts, odd.printed, odd.used) for odd in info.odd_prints}
    assert said == {
        ("ETH", "high"): ("2020-03-13T02:00Z", "323", "110.8"),
        ("LINK", "low"): ("2020-03-12T10:00Z", "0.0001", "2.4693"),
    }
    assert all(odd.reason for odd in info.odd_prints)
    assert cell("2020-03-12", "ETH", "2020-03-13T02:00Z")["high"] == "110.8"
    assert cell("2020-03-12", "LINK", "2020-03-12T10:00Z")["low"] == "2.4693"
    assert not any(other.odd_prints for other in INFOS if other is not info)


def test_the_first_row_is_used_for_its_close_alone():
    first = rows("2024-08-05")[0]
    candles = load_scenario("2024-08-05")
    assert first["market"] == candles.markets[0]
    assert candles.open[0, 0] == float(first["close"])
    assert len(candles) == sum(row["market"] == "BTC" for row in rows("2024-08-05")) - 1


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("2025-10-11", "did you mean 2025-10-10"),
        ("LUNA", "did you mean 2022-05-luna"),
        ("zebra", "there are 2020-03-12, 2021-05-19"),
        ("../prices", "there are 2020-03-12"),
    ],
)
def test_an_unknown_name_is_answered_with_known_ones(name, hint):
    with pytest.raises(InputError, match=f"^no scenario named '{name}'; {hint}"):
        load_scenario(name)


def test_the_committed_tables_are_what_the_builder_writes(shared, tmp_path):
    written = build_scenarios.build(shared / "data", tmp_path)
    assert [path.name for path in written] == [*(f"{info.name}.csv" for info in INFOS), "scenarios.toml"]
    for path in written:
        assert path.read_bytes() == (DATA / path.name).read_bytes(), path.name


def test_the_builder_refuses_markets_on_different_clocks():
    row = build_scenarios.Row("BTC", "2025-10-10T00:00Z", "1", "1", "1")
    later = row._replace(market="ETH", ts="2025-10-10T01:00Z")
    with pytest.raises(build_scenarios.DataError, match="the hours of ETH are not those of BTC"):
        build_scenarios.check_clock("test", [row, later])
    with pytest.raises(build_scenarios.DataError, match="the hours of BTC"):
        build_scenarios.check_clock("test", [row, row])


def test_the_builder_writes_floats_as_they_were_quoted():
    assert [build_scenarios.decimal(price) for price in (95250.0, 0.17404, 1e-05)] == [
        "95250.0",
        "0.17404",
        "0.00001",
    ]


def test_the_builder_measures_falls_and_rises():
    prices = [("1", "10"), ("9", "12"), ("6", "8"), ("8", "16")]
    table = [
        build_scenarios.Row("BTC", f"2025-10-10T0{hour}:00Z", low, high, high)
        for hour, (low, high) in enumerate(prices)
    ]
    assert build_scenarios.fall(table, "BTC") == Decimal(
        "0.5"
    )  # 6 after 12; the low of the first row is not used
    assert build_scenarios.steepest(table, 1, ["BTC"]) == (Decimal(1), "2025-10-10T04:00Z")
