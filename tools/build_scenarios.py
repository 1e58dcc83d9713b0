"""Build the price scenarios of `ringfence.sim` from a folder of recorded Binance candles.

    python tools/build_scenarios.py DATA_FOLDER [OUT_FOLDER]

writes one small CSV per scenario (market,ts,low,high,close: cited hourly figures as decimal strings, ``ts`` the open
time in UTC, open = previous close) and ``scenarios.toml``, the index that says what each is and where it is from.
The folder holds ``facts_hourly_crash.csv`` and two Parquet files of finer candles; it is not part of the project.
The same folder gives the same bytes.
"""

import argparse
import csv
import json
import statistics
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import duckdb

OUT = Path(__file__).parents[1] / "src" / "ringfence" / "sim" / "data"
FACTS = "facts_hourly_crash.csv"
LAST_TRADED = "Figures are last-traded prices in USDT, not mark prices."
FACTS_SOURCE = "Binance hourly candles, spot or USD-M perpetual per market; the hour is that of each row."


class Row(NamedTuple):
    """One market's hour, as written in a table."""

    market: str
    ts: str
    low: str
    high: str
    close: str


@dataclass(frozen=True)
class Recording:
    """A Parquet file of finer candles: `minutes` is the length of each, `days` what the file covers."""

    file: str
    minutes: int
    days: str

    @property
    def source(self) -> str:
        """Where the figures are from, as the index cites them."""
        return (
            f"Binance USD-M perpetual candles of {self.minutes} min, as recorded in typhonun/DcaTpStrategy@057525d1 "
            f"(MIT, (c) 2025 typhonun), {self.days}; whole hours aggregated from them."
        )


APRIL = Recording("binance_perp_3m_2025-04-crash.parquet", 3, "2025-03-28 to 2025-04-12")
MAY = Recording("binance_perp_1m_2025-05.parquet", 1, "2025-05-04 to 2025-06-03")


@dataclass(frozen=True)
class OddPrint:
    """A recorded extreme that no scenario should replay: `used` stands in the table in place of `printed`."""

    market: str
    ts: str
    field: str
    printed: str
    reason: str
    used: str = ""


@dataclass(frozen=True)
class Crash:
    """A window of the hourly facts, there under the name `event`."""

    event: str
    title: str
    description: str
    notes: tuple[str, ...] = ()
    odd_prints: tuple[OddPrint, ...] = ()


@dataclass(frozen=True)
class Window:
    """Hours `first` to `last` (both included; `first` gives only its close) of some markets of a recording."""

    name: str
    title: str
    kind: str
    description: str
    recording: Recording
    first: str
    last: str
    markets: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """One scenario of the index, in the order in which its keys are written."""

    name: str
    title: str
    kind: str
    description: str
    exchange: str
    source: str
    frequency: str
    notes: list[str]
    instruments: dict[str, str]
    odd_prints: list[OddPrint] = field(default_factory=list)


CRASHES = (
    Crash(
        "2020-03-12",
        "Pandemic sell-off",
        "Two days around the fall of 12 March 2020.",
        odd_prints=(
            OddPrint(
                "ETH",
                "2020-03-13T02:00Z",
                "high",
                "323",
                "A lone print of the perpetual: the hour opened at 95.73 and closed at 110.8, and spot never traded "
                "above 195.55 in these two days. The high of the hour is unknown; its close is used.",
            ),
            OddPrint(
                "LINK",
                "2020-03-12T10:00Z",
                "low",
                "0.0001",
                "A print in an emptied spot order book: the hour opened at 3.0647 and closed at 2.4693. The low "
                "of the hour without it is unknown; its close is used.",
            ),
        ),
    ),
    Crash(
        "2021-05-19",
        "Fall of 19 May 2021",
        "Two days around the fall of 19 May 2021.",
        notes=(
            "ETH last traded 20.6 % below the lowest mark price of its hour; a mark-price trigger saw less.",
        ),
    ),
    Crash("2021-09-07", "Fall of 7 September 2021", "Two days around the fall of 7 September 2021."),
    Crash("2022-05-LUNA", "Terra collapse", "11 and 12 May 2022, during the collapse of Terra."),
    Crash(
        "2022-06-3AC",
        "Lenders' crisis of June 2022",
        "13 and 14 June 2022, before Three Arrows Capital failed.",
    ),
    Crash("2022-06-18", "Low of June 2022", "18 and 19 June 2022."),
    Crash("2022-11-FTX", "FTX collapse", "8 to 10 November 2022, during the collapse of FTX."),
    Crash("2024-08-05", "Fall of 5 August 2024", "4 August 2024, noon, to the end of 5 August."),
    Crash("2025-04-07", "Tariff crash", "6 and 7 April 2025."),
    Crash(
        "2025-10-10",
        "Cascade of 10 October 2025",
        "10 and 11 October 2025.",
        notes=(
            "Deep lows are kept as printed: the mark prices of ADA, AVAX, LINK and LTC fell with the last price.",
            "How far the mark prices of the other markets followed is unknown.",
        ),
    ),
    Crash("2026-02-05", "Fall of 5 February 2026", "5 and 6 February 2026."),
)

APRIL_MARKETS = ("BTC", "ETH", "ADA", "ALGO", "BCH", "BNB", "BSV", "ETC", "LINK", "LTC", "SUI", "XMR")
MAY_MARKETS = (
    "BTC",
    "ETH",
    "AVAX",
    "BCH",
    "BNB",
    "ENA",
    "ETC",
    "LINK",
    "LTC",
    "SOL",
    "SUI",
    "XLM",
    "XMR",
    "XRP",
)
SQUEEZE = "A market-wide rise that hurts shorts; the data do not say how many were closed by force."
WINDOWS = (
    Window(
        "2025-04-09-squeeze",
        "Rebound of 9 April 2025",
        "squeeze",
        f"{SQUEEZE} Two days.",
        APRIL,
        "2025-04-08T23:00Z",
        "2025-04-10T23:00Z",
        APRIL_MARKETS,
    ),
    Window(
        "2025-05-08-squeeze",
        "Rally of 8 and 9 May 2025",
        "squeeze",
        f"{SQUEEZE} Two days.",
        MAY,
        "2025-05-07T23:00Z",
        "2025-05-09T23:00Z",
        MAY_MARKETS,
    ),
    Window(
        "2025-05-layer",
        "Collapse of LAYER",
        "collapse",
        "One market falls by two thirds within four days while BTC rises.",
        MAY,
        "2025-05-04T16:00Z",
        "2025-05-08T23:00Z",
        ("BTC", "ETH", "LAYER", "SOL", "XRP"),
    ),
    Window(
        "2025-05-calm",
        "Ordinary month",
        "calm",
        "Thirty days without a market-wide crash; the rally of 8 and 9 May is in them.",
        MAY,
        "2025-05-04T16:00Z",
        "2025-06-03T14:00Z",
        ("BTC", "ETH", "AVAX", "SOL", "XRP"),
    ),
)


class DataError(Exception):
    """The data folder is not what the scenarios were written against."""


def build(data: Path, out: Path) -> list[Path]:
    """Write all tables and the index into `out`; return the files written."""
    out.mkdir(parents=True, exist_ok=True)
    entries: list[Entry] = []
    written: list[Path] = []
    for entry, rows in (*_crashes(data), *_windows(data)):
        check_clock(entry.name, rows)
        path = out / f"{entry.name}.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([Row._fields, *rows])
        entries.append(entry)
        written.append(path)
    index = out / "scenarios.toml"
    index.write_text(index_text(entries), encoding="utf-8")
    return [*written, index]


def check_clock(name: str, rows: list[Row]) -> None:
    """Refuse a table whose markets do not share their hours."""
    clocks = {market: [row.ts for row in rows if row.market == market] for market in markets_of(rows)}
    first = next(iter(clocks.values()))
    for market, clock in clocks.items():
        if clock != first or len(set(clock)) != len(clock):
            raise DataError(f"{name}: the hours of {market} are not those of {next(iter(clocks))}")


def markets_of(rows: Iterable[Row]) -> list[str]:
    """Markets in the order of their first row."""
    return list(dict.fromkeys(row.market for row in rows))


# crash windows


def _crashes(data: Path) -> Iterator[tuple[Entry, list[Row]]]:
    with (data / FACTS).open(newline="", encoding="utf-8") as file:
        facts = list(csv.DictReader(file))
    tables = {crash.event: [fact for fact in facts if fact["event"] == crash.event] for crash in CRASHES}
    left_over = {fact["event"] for fact in facts} - set(tables)
    if left_over:
        raise DataError(f"{FACTS}: no scenario for the event(s) {', '.join(sorted(left_over))}")
    rows = {event: [_row(fact) for fact in table] for event, table in tables.items()}
    period = f"{min(fact['ts'] for fact in facts)[:10]} to {max(fact['ts'] for fact in facts)[:10]}"
    falls = {event: fall(table, "BTC") for event, table in rows.items()}
    for crash in CRASHES:
        table = sorted(rows[crash.event], key=lambda row: (_rank(row.market), row.ts))
        cleaned, odd_prints = _without_odd_prints(crash, table)
        instruments = {fact["coin"]: fact["kind"] for fact in tables[crash.event]}
        entry = Entry(
            name=crash.event.lower(),
            title=crash.title,
            kind="crash",
            description=crash.description,
            exchange="Binance",
            source=FACTS_SOURCE,
            frequency=_lower_bound(falls, crash.event, period),
            notes=[LAST_TRADED, *crash.notes],
            instruments={market: instruments[market] for market in markets_of(cleaned)},
            odd_prints=odd_prints,
        )
        yield entry, cleaned


def _row(fact: dict[str, str]) -> Row:
    return Row(fact["coin"], fact["ts"], fact["low"], fact["high"], fact["close"])


def _rank(market: str) -> tuple[int, str]:
    """BTC, ETH, then by the alphabet."""
    leaders = ("BTC", "ETH")
    return (leaders.index(market) if market in leaders else len(leaders), market)


def _without_odd_prints(crash: Crash, rows: list[Row]) -> tuple[list[Row], list[OddPrint]]:
    """Put the hour's own close or open in place of each odd print, whichever lies further out."""
    rows, done = list(rows), []
    for odd in crash.odd_prints:
        at = next(i for i, row in enumerate(rows) if (row.market, row.ts) == (odd.market, odd.ts))
        row = rows[at]
        if Decimal(getattr(row, odd.field)) != Decimal(odd.printed):
            raise DataError(f"{FACTS}: {odd.market} {odd.ts} {odd.field} is not {odd.printed}")
        ends = (rows[at - 1].close, row.close)
        used = max(ends, key=Decimal) if odd.field == "high" else min(ends, key=Decimal)
        rows[at] = row._replace(**{odd.field: used})
        done.append(OddPrint(odd.market, odd.ts, odd.field, odd.printed, odd.reason, used))
    return rows, done


def fall(rows: list[Row], market: str) -> Decimal:
    """Deepest proved fall of `market`, as `ringfence.sim.prices.largest_fall` has it; the first row is its close."""
    mine = [row for row in rows if row.market == market]
    peak, deepest = Decimal(mine[0].close), Decimal(0)
    for before, row in pairwise(mine):
        peak = max(peak, Decimal(before.close))
        deepest = max(deepest, 1 - Decimal(row.low) / peak)
        peak = max(peak, Decimal(row.high))
        deepest = max(deepest, 1 - Decimal(row.close) / peak)
    return deepest


def _lower_bound(falls: dict[str, Decimal], event: str, period: str) -> str:
    as_deep = sum(depth >= falls[event] for depth in falls.values())
    return (
        f"unknown; a lower bound for {period}: in {as_deep} of the {len(falls)} crash windows here, of 36 to 72 "
        f"hours each, BTC falls by {falls[event]:.1%} or more"
    )


# windows of the recordings


def _windows(data: Path) -> Iterator[tuple[Entry, list[Row]]]:
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    hours = {recording: list(_hours(con, data, recording)) for recording in (APRIL, MAY)}
    remarks = _remarks(hours)
    for window in WINDOWS:
        kept = (row for row in hours[window.recording] if window.first <= row.ts <= window.last)
        rows = sorted(
            (row for row in kept if row.market in window.markets), key=lambda row: (_rank(row.market), row.ts)
        )
        if markets_of(rows) != list(window.markets):
            raise DataError(f"{window.name}: the recording has {', '.join(markets_of(rows))}")
        frequency, notes = remarks[window.name]
        entry = Entry(
            name=window.name,
            title=window.title,
            kind=window.kind,
            description=window.description,
            exchange="Binance",
            source=window.recording.source,
            frequency=frequency,
            notes=[LAST_TRADED, *notes],
            instruments=dict.fromkeys(window.markets, "perp"),
        )
        yield entry, rows


def _hours(con: duckdb.DuckDBPyConnection, data: Path, recording: Recording) -> Iterator[Row]:
    """Aggregate a recording to whole hours, by market and time; an hour with a missing candle is left out."""
    rows = con.execute(
        """
        SELECT coin, strftime(date_trunc('hour', ts::TIMESTAMPTZ), '%Y-%m-%dT%H:%MZ') AS hour,
               min(low), max(high), arg_max(close, ts)
        FROM read_parquet(?) GROUP BY ALL HAVING count(*) = 60 // ? ORDER BY ALL
        """,
        [str(data / recording.file), recording.minutes],
    ).fetchall()
    for market, hour, low, high, close in rows:
        yield Row(market, hour, decimal(low), decimal(high), decimal(close))


def decimal(price: float) -> str:
    """Shortest decimal that reads back as the same float, without an exponent."""
    return format(Decimal(repr(price)), "f")


def _remarks(hours: dict[Recording, list[Row]]) -> dict[str, tuple[str, list[str]]]:
    """Frequency and notes of each window, computed from all that was recorded."""
    days = " and ".join(recording.days for recording in hours)
    median, median_until = max(steepest(rows, 6, markets_of(rows)) for rows in hours.values())
    eth, eth_until = max(steepest(rows, 24, ["ETH"]) for rows in hours.values())
    perps = markets_of(hours[MAY])
    halved = [perp for perp in perps if fall(hours[MAY], perp) > Decimal("0.5")]
    collapses = f"{len(halved)} of {len(perps)} recorded perpetuals ({', '.join(halved)})"
    return {
        "2025-04-09-squeeze": (
            "unknown",
            [f"Steepest six-hour rise of the median perpetual in {days}: {median:.1%} until {median_until}."],
        ),
        "2025-05-08-squeeze": (
            "unknown",
            [f"Steepest 24-hour rise of ETH in {days}: {eth:.1%} until {eth_until}."],
        ),
        "2025-05-layer": (f"unknown; {collapses} fell by more than half in {MAY.days}", []),
        "2025-05-calm": ("unknown", []),
    }


def steepest(rows: list[Row], span: int, markets: list[str]) -> tuple[Decimal, str]:
    """Steepest median rise of `markets` over `span` hours, close to close, and the time at which it ended."""
    closes = {(row.market, datetime.fromisoformat(row.ts)): Decimal(row.close) for row in rows}
    rises: dict[datetime, list[Decimal]] = {}
    for (market, hour), close in closes.items():
        before = closes.get((market, hour - timedelta(hours=span)))
        if market in markets and before is not None:
            rises.setdefault(hour, []).append(close / before - 1)
    rise, hour = max((statistics.median(several), hour) for hour, several in rises.items())
    return rise, (hour + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%MZ")


# the index


def index_text(entries: list[Entry]) -> str:
    """Write the index as TOML. JSON strings and lists of them are TOML too."""
    blocks = ["# Written by tools/build_scenarios.py from recorded candles; edit the tool, not this file."]
    for entry in entries:
        values = asdict(entry)
        odd_prints = values.pop("odd_prints")
        instruments = ", ".join(
            f"{market} = {_toml(kind)}" for market, kind in values.pop("instruments").items()
        )
        lines = ["[[scenario]]", *(f"{key} = {_toml(value)}" for key, value in values.items())]
        blocks.append("\n".join([*lines, f"instruments = {{ {instruments} }}"]))
        for odd in odd_prints:
            lines = ["[[scenario.odd_prints]]", *(f"{key} = {_toml(value)}" for key, value in odd.items())]
            blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def _toml(value: str | list[str]) -> str:
    return json.dumps(value, ensure_ascii=False)


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="folder of the recorded candles")
    parser.add_argument(
        "out", type=Path, nargs="?", default=OUT, help="where to write (default: the package)"
    )
    arguments = parser.parse_args()
    try:
        for path in build(arguments.data, arguments.out):
            print(f"{path.name}: {path.stat().st_size:,} bytes")
    except (DataError, OSError, duckdb.Error) as error:
        print(f"build_scenarios: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
