"""Price files of the user's own: Parquet, CSV, and the kline archives of Binance's public data.

**Columns** (names in any case, further columns ignored):

| field | names | |
|---|---|---|
| market | ``market``, ``symbol``, ``coin`` | may be absent: the file then holds the one market of its name |
| time | ``ts``, ``time``, ``timestamp``, ``open_time`` | when the candle opens |
| open | ``open`` | may be absent: candles then open at the previous close, and the first row is used for that alone |
| high, low, close | ``high``, ``low``, ``close`` | |

**Time** is a timestamp (UTC where it names no zone), ISO text, or a whole number since 1970: of seconds (10 digits),
milliseconds (13), microseconds (16) or nanoseconds (19). Binance's spot files count microseconds from 2025 on, all
its other files milliseconds (github.com/binance/binance-public-data, README).

**Markets** are base names: ``BTCUSDT``, ``BTC-PERP`` and ``BTC/USDT:USDT`` are ``BTC``. A file without a market column
is named for its symbol, up to the first hyphen or dot: ``BTCUSDT-1m-2025-10-10.csv``, ``ETH.parquet``.

**Kline archives** (``BTCUSDT-1m-2025-10-10.zip``) hold one CSV, with or without a header row.

**One clock.** Several files are merged, by market and then onto the stamps that every market has. What the markets
do not share at either end is dropped and said in `Candles.notes`. A stamp missing in between is an error, unless
`allow_gaps` is given; nothing is ever filled in.
"""

import csv
import lzma
import os
import re
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial, reduce
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import duckdb
import numpy as np

from ringfence.database import connect
from ringfence.errors import InputError
from ringfence.sim.prices import Candles, FloatArray, IntArray, utc

MAX_FILE_BYTES = 1 << 30
MAX_ROWS = 20_000_000
MAX_MARKETS = 1_000

_NAMES = {
    "market": ("market", "symbol", "coin"),
    "time": ("ts", "time", "timestamp", "open_time"),
    "open": ("open",),
    "high": ("high",),
    "low": ("low",),
    "close": ("close",),
}
_OPTIONAL = ("market", "open")
_KLINE = ("open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "count")
_KLINE_COLUMNS = 12  # the three after `count` are not prices either
_SYMBOL = re.compile(
    r"(?P<base>[A-Z0-9]+?)(?:[-_/]?(?:USDT|USDC|FDUSD|BUSD|USD))?(?:[-_](?:PERP|SWAP))?(?::[A-Z]+)?",
    re.IGNORECASE,
)
_EXPECTED = {
    "market": "a symbol",
    "time": "a time from 1970 to 2100 (ISO text, or 10, 13, 16 or 19 digits)",
    **dict.fromkeys(("open", "high", "low", "close"), "a price above 0"),
}


def read_prices(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    markets: Sequence[str] | None = None,
    *,
    allow_gaps: bool = False,
) -> Candles:
    """Read candles from one or several files and merge them on one clock.

    `markets` selects and orders the base names to keep; by default all, as they first appear. `allow_gaps` lets the
    clock miss stamps between its ends; a path then jumps from the last close before to the first open after.

    Raises `InputError` (one line naming file, row and field) for a file that is missing, empty, over `MAX_FILE_BYTES`
    or `MAX_ROWS`, or not of a known form; for a price that is no positive number, a low or high that does not hold
    its candle; for times that repeat or go back; and for markets that share no clock. Rows are counted from 1 after
    the header; the limits hold for each file.
    """
    several = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    files = [Path(path) for path in several]
    if not files:
        raise InputError("no price file given")
    with ExitStack() as stack:
        con = stack.enter_context(connect())
        con.execute("SET TimeZone = 'UTC'")
        con.execute("SET enable_progress_bar = false")  # it would go to standard output
        con.execute(
            "CREATE TABLE candles (file INTEGER, row_no BIGINT, market VARCHAR, ts_ms BIGINT,"
            " open DOUBLE, high DOUBLE, low DOUBLE, close DOUBLE)"
        )
        with_open = True
        for number, path in enumerate(files):
            source = _open(con, path, stack)
            _load(con, number, source)
            with_open = with_open and "open" in source.columns
        _refuse_overlap(con, files)
        return _merge(con, ", ".join(map(str, files)), markets, with_open=with_open, allow_gaps=allow_gaps)


def base_name(symbol: str) -> str:
    """Name the base of a venue's symbol (``BTCUSDT`` -> ``BTC``); a symbol of another form stays as it is."""
    match = _SYMBOL.fullmatch(symbol.strip())
    base = match["base"] if match else symbol.strip()
    return base.upper() if base.islower() else base


# one file


class _Column(NamedTuple):
    """A column as the file names it, as SQL names it, and its SQL type."""

    name: str
    sql: str
    type: str


@dataclass(frozen=True)
class _Source:
    """A file opened for DuckDB: the user's `path`, the table function over `staged`, and a column per field."""

    path: Path
    staged: Path
    table: str
    columns: Mapping[str, _Column]
    symbol: str


def _open(con: duckdb.DuckDBPyConnection, path: Path, stack: ExitStack) -> _Source:
    """Find out what a file is; temporary files live as long as `stack`."""
    if not path.is_file():
        raise InputError(
            f"{path}: {'is a folder' if path.is_dir() else 'no such file'}; expected a price file"
        )
    if re.search(r"[*?\[\]]", str(path)):
        raise InputError(f"{path}: a path with any of * ? [ ] cannot be read; rename it")
    size = path.stat().st_size
    if size == 0:
        raise InputError(f"{path}: is empty (0 bytes)")
    if size > MAX_FILE_BYTES:
        raise InputError(f"{path}: is larger than {MAX_FILE_BYTES} bytes ({size}); split it")
    match path.suffix.lower():
        case ".parquet":
            return _open_parquet(con, path)
        case ".csv":
            return _open_csv(path, path)
        case ".zip":
            return _open_csv(path, _unpack(path, stack))
    raise InputError(f"{path}: expected a file named .parquet, .csv or .zip")


def _unpack(path: Path, stack: ExitStack) -> Path:
    """Unpack the one CSV of a kline archive into a temporary folder."""
    try:
        archive = stack.enter_context(zipfile.ZipFile(path))
        members = archive.infolist()
        if len(members) != 1 or not members[0].filename.lower().endswith(".csv"):
            raise InputError(f"{path}: holds {len(members)} file(s), expected a single .csv")
        if members[0].file_size > MAX_FILE_BYTES:
            raise InputError(f"{path}: unpacks to more than {MAX_FILE_BYTES} bytes")
        folder = stack.enter_context(TemporaryDirectory(prefix="ringfence-"))
        staged = Path(folder) / re.sub(r"[^\w.-]", "_", Path(members[0].filename).name)
        with archive.open(members[0]) as packed, staged.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, RuntimeError, EOFError) as error:
        raise InputError(f"{path}: not a readable zip archive ({error})") from error
    if staged.stat().st_size == 0:
        raise InputError(f"{path}: {members[0].filename} in it is empty (0 bytes)")
    return staged


def _open_parquet(con: duckdb.DuckDBPyConnection, path: Path) -> _Source:
    table = "read_parquet(?, hive_partitioning = false)"
    try:
        described = con.execute(f"DESCRIBE SELECT * FROM {table}", [str(path)]).fetchall()  # noqa: S608
    except duckdb.Error as error:
        raise InputError(f"{path}: not a readable Parquet file ({_first_line(error)})") from error
    columns = [_Column(name, _quoted(name), kind) for name, kind, *_ in described]
    return _source(path, path, table, columns)


def _open_csv(path: Path, staged: Path) -> _Source:
    try:
        with staged.open(encoding="utf-8-sig", newline="") as file:
            first = next(csv.reader([file.readline(1 << 16)]), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a CSV file in UTF-8 ({error})") from error
    with_header = not first or not first[0].strip().isdigit()
    if not with_header and len(first) != _KLINE_COLUMNS:
        raise InputError(
            f"{path}: row 1 holds {len(first)} figures and no column names; "
            f"only klines ({_KLINE_COLUMNS} columns) may come without them"
        )
    names = (
        first if with_header else [*_KLINE, *(f"column {i}" for i in range(len(_KLINE) + 1, len(first) + 1))]
    )
    columns = [_Column(name.strip(), f"c{i}", "VARCHAR") for i, name in enumerate(names)]
    types = ", ".join(f"{column.sql}: 'VARCHAR'" for column in columns)
    table = (
        f"read_csv(?, auto_detect = false, header = false, skip = {int(with_header)}, delim = ',', quote = '\"', "
        f"hive_partitioning = false, columns = {{{types}}})"
    )
    return _source(path, staged, table, columns)


def _source(path: Path, staged: Path, table: str, columns: list[_Column]) -> _Source:
    """Match columns with fields."""
    found: dict[str, _Column] = {}
    for field, names in _NAMES.items():
        matching = [column for column in columns if column.name.lower() in names]
        if len(matching) > 1:
            twice = " and ".join(column.name for column in matching)
            raise InputError(f"{path}: columns {twice} both give the {field}; keep one")
        if matching:
            found[field] = matching[0]
        elif field not in _OPTIONAL:
            there = ", ".join(column.name for column in columns)[:200]
            raise InputError(
                f"{path}: no column for {field} (named {' or '.join(names)}); there are: {there}"
            )
    symbol = re.split(r"[-.]", staged.name, maxsplit=1)[0]
    return _Source(path, staged, table, found, symbol)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _load(con: duckdb.DuckDBPyConnection, number: int, source: _Source) -> None:
    """Append the rows of one file to the table of candles, checked row by row."""
    values = [_value(source, field) for field in _NAMES]
    query = f"INSERT INTO candles SELECT {number}, {', '.join(['row_no', *values])} FROM {_rows(source)}"  # noqa: S608
    try:
        con.execute(query, [str(source.staged)])
    except duckdb.Error as error:
        raise InputError(f"{source.path}: cannot be read ({_first_line(error)})") from error
    count, last = _one(con, "SELECT count(*), max(row_no) FROM candles WHERE file = ?", [number])
    if count == 0:
        raise InputError(f"{source.path}: holds no rows")
    if last > MAX_ROWS:
        raise InputError(f"{source.path}: holds more than {MAX_ROWS} rows; split it")
    _refuse_unreadable(con, number, source)
    _refuse_inconsistent(con, number, source)
    _use_base_names(con, number, source)


def _rows(source: _Source) -> str:
    """SQL for the file's rows, numbered from 1; one more than allowed is enough to see that there are too many."""
    return f"(SELECT row_number() OVER () AS row_no, * FROM {source.table} LIMIT {MAX_ROWS + 1})"  # noqa: S608


def _value(source: _Source, field: str) -> str:
    """SQL for a field of the file; NULL where it cannot be understood."""
    column = source.columns.get(field)
    if field == "market":
        return f"trim({column.sql}::VARCHAR)" if column else "'" + source.symbol.replace("'", "''") + "'"
    if column is None:
        return "NULL"
    if field == "time":
        return _time(column)
    return f"try_cast({column.sql} AS DOUBLE)"


def _time(column: _Column) -> str:
    """SQL for milliseconds since 1970; how many digits a whole number has says what it counts."""
    if column.type.startswith(("TIMESTAMP", "DATE")):
        moment = f"{column.sql}::TIMESTAMPTZ"
        return f"CASE WHEN isfinite({moment}) THEN epoch_ms({moment}) END"
    text = f"trim({column.sql}::VARCHAR)"
    moment = f"try_cast({text} AS TIMESTAMPTZ)"
    counts = {10: "* 1000", 13: "", 16: "// 1000", 19: "// 1000000"}
    whole = " ".join(
        f"WHEN regexp_full_match({text}, '[0-9]{{{digits}}}') THEN try_cast({text} AS BIGINT) {scale}"
        for digits, scale in counts.items()
    )
    return f"CASE {whole} WHEN isfinite({moment}) THEN epoch_ms({moment}) END"


def _refuse_unreadable(con: duckdb.DuckDBPyConnection, number: int, source: _Source) -> None:
    """Name the first row with a value that is missing or makes no sense by itself."""
    sound = {
        "market": "coalesce(market <> '', false)",
        "time": "coalesce(ts_ms BETWEEN 0 AND 4102444800000, false)",
        **{
            price: f"coalesce({price} BETWEEN 1e-15 AND 1e15, false)"
            for price in ("open", "high", "low", "close")
        },
    }
    tests = {field: test for field, test in sound.items() if field in source.columns}
    fields = " ".join(f"WHEN NOT {test} THEN '{field}'" for field, test in tests.items())
    wrong = _one_or_none(
        con,
        f"SELECT row_no, CASE {fields} END AS field FROM candles"  # noqa: S608
        " WHERE file = ? AND field IS NOT NULL ORDER BY row_no LIMIT 1",
        [number],
    )
    if wrong:
        row, field = wrong
        column = source.columns[field]
        query = f"SELECT {column.sql}::VARCHAR FROM {_rows(source)} WHERE row_no = ?"  # noqa: S608
        (text,) = _one(con, query, [str(source.staged), row])
        shown = "nothing" if text is None else repr(text[:60])
        raise InputError(f"{source.path}: row {row}: {column.name} is {shown}, expected {_EXPECTED[field]}")


def _refuse_inconsistent(con: duckdb.DuckDBPyConnection, number: int, source: _Source) -> None:
    """Name the first row whose prices contradict one another, or whose time does not follow the one before it."""
    wrong = _one_or_none(
        con,
        "SELECT row_no, open, high, low, close FROM candles WHERE file = ?"
        " AND (low > least(coalesce(open, close), close) OR high < greatest(coalesce(open, close), close))"
        " ORDER BY row_no LIMIT 1",
        [number],
    )
    if wrong:
        row, *prices = wrong
        figures = ", ".join(
            f"{name} {price}"
            for name, price in zip(("open", "high", "low", "close"), prices, strict=True)
            if price
        )
        raise InputError(f"{source.path}: row {row}: low and high do not hold the other prices ({figures})")
    late = _one_or_none(
        con,
        "SELECT row_no, market, ts_ms, before FROM (SELECT *, lag(ts_ms) OVER (PARTITION BY market ORDER BY row_no)"
        " AS before FROM candles WHERE file = ?) WHERE ts_ms <= before ORDER BY row_no LIMIT 1",
        [number],
    )
    if late:
        row, market, ts_ms, before = late
        name = source.columns["time"].name
        raise InputError(
            f"{source.path}: row {row}: {name} of {market} is {utc(ts_ms)} after {utc(before)}; "
            "expected rising times without repeats"
        )


def _use_base_names(con: duckdb.DuckDBPyConnection, number: int, source: _Source) -> None:
    symbols = con.execute(
        "SELECT DISTINCT market FROM candles WHERE file = ? LIMIT ?", [number, MAX_MARKETS + 1]
    ).fetchall()
    if len(symbols) > MAX_MARKETS:
        raise InputError(f"{source.path}: holds more than {MAX_MARKETS} markets")
    taken: dict[str, str] = {}
    for (symbol,) in sorted(symbols):
        base = base_name(symbol)
        if base in taken:
            raise InputError(f"{source.path}: {taken[base]} and {symbol} are both {base}; keep one")
        taken[base] = symbol
        if base != symbol:
            con.execute("UPDATE candles SET market = ? WHERE file = ? AND market = ?", [base, number, symbol])


# all files together


def _refuse_overlap(con: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> None:
    twice = _one_or_none(
        con,
        "SELECT market, ts_ms, min(file), max(file) FROM candles GROUP BY market, ts_ms HAVING count(*) > 1"
        " ORDER BY ts_ms, market LIMIT 1",
        [],
    )
    if twice:
        market, ts_ms, first, second = twice
        raise InputError(f"{files[second]}: {market} at {utc(ts_ms)} is in {files[first]} too; give it once")


class _Series(NamedTuple):
    """One market's candles in the order of time; `prices` are open, high, low, close in columns."""

    ts_ms: IntArray
    prices: FloatArray


def _merge(
    con: duckdb.DuckDBPyConnection,
    origin: str,
    markets: Sequence[str] | None,
    *,
    with_open: bool,
    allow_gaps: bool,
) -> Candles:
    series = {market: _series(con, market) for market in _selected(con, origin, markets)}
    interval_ms = _interval(series, origin)
    clock: IntArray = reduce(
        partial(np.intersect1d, assume_unique=True), (one.ts_ms for one in series.values())
    )
    if len(clock) == 0:
        ranges = "; ".join(
            f"{name} {utc(int(s.ts_ms[0]))} to {utc(int(s.ts_ms[-1]))}" for name, s in series.items()
        )
        raise InputError(f"{origin}: the markets share no time ({ranges})")
    notes = [*_dropped(series, clock), *_missing(series, clock, interval_ms, origin, allow_gaps=allow_gaps)]
    kept = [one.prices[np.searchsorted(one.ts_ms, clock)] for one in series.values()]
    opening, high, low, close = (np.column_stack([prices[:, i] for prices in kept]) for i in range(4))
    names, gaps = tuple(series), allow_gaps
    try:
        if with_open:
            return Candles(
                names, clock, opening, high, low, close, interval_ms, gaps=gaps, notes=tuple(notes)
            )
        return Candles.from_closes(names, clock, low, high, close, interval_ms, gaps=gaps, notes=tuple(notes))
    except InputError as error:
        raise InputError(f"{origin}: {error}") from error


def _selected(con: duckdb.DuckDBPyConnection, origin: str, markets: Sequence[str] | None) -> list[str]:
    rows = con.execute("SELECT market FROM candles GROUP BY market ORDER BY min((file, row_no))").fetchall()
    there = [market for (market,) in rows]
    wanted = list(dict.fromkeys(there if markets is None else markets))
    for market in wanted:
        if market not in there:
            raise InputError(f"{origin}: no prices for market {market}; there are {', '.join(there[:50])}")
    if not wanted:
        raise InputError(f"{origin}: no market asked for")
    return wanted


def _series(con: duckdb.DuckDBPyConnection, market: str) -> _Series:
    columns = con.execute(
        "SELECT ts_ms, open, high, low, close FROM candles WHERE market = ? ORDER BY ts_ms", [market]
    ).fetchnumpy()
    prices = [np.ma.filled(columns[name], np.nan) for name in ("open", "high", "low", "close")]
    return _Series(np.asarray(columns["ts_ms"], dtype=np.int64), np.column_stack(prices).astype(np.float64))


def _interval(series: Mapping[str, _Series], origin: str) -> int:
    """Length of the candles: the smallest distance of two stamps, the same for all markets."""
    found: dict[str, int] = {}
    for market, one in series.items():
        paces = np.diff(one.ts_ms)
        if len(paces) == 0:
            raise InputError(f"{origin}: {market} has one candle, expected at least 2")
        found[market] = int(paces.min())
        for row in np.flatnonzero(paces % found[market])[:1]:
            raise InputError(
                f"{origin}: {market} at {utc(int(one.ts_ms[row + 1]))} is off the grid of {found[market]} ms"
            )
    shortest, longest = min(found, key=found.__getitem__), max(found, key=found.__getitem__)
    if found[shortest] != found[longest]:
        raise InputError(
            f"{origin}: {shortest} has candles of {found[shortest]} ms, {longest} of {found[longest]} ms; "
            "expected one length"
        )
    return found[shortest]


def _dropped(series: Mapping[str, _Series], clock: IntArray) -> Iterator[str]:
    cut = {market: len(one.ts_ms) for market, one in series.items() if len(one.ts_ms) > len(clock)}
    if cut:
        counts = ", ".join(f"{market} {rows - len(clock)} of {rows}" for market, rows in cut.items())
        yield f"candles dropped where another market has none: {counts}"


def _missing(
    series: Mapping[str, _Series], clock: IntArray, interval_ms: int, origin: str, *, allow_gaps: bool
) -> Iterator[str]:
    """Say which stamps between the ends of the clock are missing, or refuse them."""
    paces = np.diff(clock) // interval_ms
    count = int(paces.sum()) - len(paces)
    if count == 0:
        return
    first = int(clock[np.argmax(paces > 1)]) + interval_ms
    lacking = ", ".join(market for market, one in series.items() if first not in one.ts_ms)
    sentence = (
        f"{count} candle(s) missing between the ends of the clock, the first at {utc(first)} ({lacking})"
    )
    if not allow_gaps:
        raise InputError(f"{origin}: {sentence}; allow gaps to jump over them")
    yield sentence


def _one(con: duckdb.DuckDBPyConnection, query: str, values: list[object]) -> tuple[Any, ...]:
    row = _one_or_none(con, query, values)
    assert row is not None  # the query aggregates, or asks for a row seen before
    return row


def _one_or_none(con: duckdb.DuckDBPyConnection, query: str, values: list[object]) -> tuple[Any, ...] | None:
    row: tuple[Any, ...] | None = con.execute(query, values).fetchone()
    return row
