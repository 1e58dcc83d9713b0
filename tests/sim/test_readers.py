import io
import zipfile

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.errors import InputError
from ringfence.sim import readers
from ringfence.sim.readers import base_name, read_prices

START_S = 1_760_054_400  # 2025-10-10T00:00Z
HEADER = "market,ts,open,high,low,close\n"
KLINE_HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
    "taker_buy_volume,taker_buy_quote_volume,ignore\n"
)


def line(market, minute, prices="100,101,99,100"):
    return f"{market},{(START_S + 60 * minute) * 1000},{prices}\n"


def two_markets():
    return HEADER + "".join(line(market, i) for i in range(3) for market in ("BTC", "ETH"))


def klines(scale=1000, minutes=3, header=""):
    rows = (f"{(START_S + 60 * i) * scale},100,101,99,100.5,7,0,700,3,1,1,0\n" for i in range(minutes))
    return header + "".join(rows)


@pytest.fixture
def write(tmp_path):
    def to(name, text):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return to


def zipped(*members, method=zipfile.ZIP_DEFLATED):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, text in members:
            archive.writestr(name, text)
    return packed.getvalue()


def parquet(path, select):
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
    return path


def test_a_long_csv_gives_its_markets_on_one_clock(write):
    candles = read_prices(write("prices.csv", two_markets()))
    assert candles.markets == ("BTC", "ETH")
    assert candles.ts_ms.tolist() == [(START_S + 60 * i) * 1000 for i in range(3)]
    assert candles.interval_ms == 60_000
    assert (candles.open[0, 0], candles.high[0, 0], candles.low[0, 0], candles.close[0, 0]) == (
        100,
        101,
        99,
        100,
    )
    assert candles.notes == ()


def test_a_file_sorted_by_market_reads_the_same_as_one_sorted_by_time(write):
    by_market = HEADER + "".join(line(market, i) for market in ("BTC", "ETH") for i in range(3))
    one, other = read_prices(write("a.csv", by_market)), read_prices(write("b.csv", two_markets()))
    assert (one.markets, one.ts_ms.tolist()) == (other.markets, other.ts_ms.tolist())


@pytest.mark.parametrize(
    ("market", "time"), [("market", "ts"), ("Symbol", "TIME"), ("coin", "timestamp"), ("SYMBOL", "open_time")]
)
def test_column_names_are_those_documented_in_any_case_and_order(write, market, time):
    text = f"volume,close,{time},low,high,{market}\n" + "".join(
        f"9,100,{START_S + 60 * i},99,101,BTCUSDT\n" for i in range(3)
    )
    candles = read_prices(write("prices.csv", text))
    assert candles.markets == ("BTC",)
    assert len(candles) == 2  # without opens, the first row gives only its close


def test_without_an_open_column_candles_open_at_the_close_before(write):
    rows = ["BTC,2025-10-10T00:00Z,90,101,95", "BTC,2025-10-10T01:00Z,96,99,97"]
    candles = read_prices(write("prices.csv", "market,ts,low,high,close\n" + "\n".join(rows)))
    assert (candles.open, candles.low, candles.high, candles.close) == (95, 95, 99, 97)
    assert candles.interval_ms == 3_600_000


@pytest.mark.parametrize(
    "stamps",
    [
        [str(START_S), str(START_S + 60)],
        [str(START_S * 1000), str((START_S + 60) * 1000)],
        [str(START_S * 1_000_000), str((START_S + 60) * 1_000_000)],
        [str(START_S * 1_000_000_000), str((START_S + 60) * 1_000_000_000)],
        ["2025-10-10T00:00Z", "2025-10-10T00:01Z"],
        ["2025-10-10 00:00:00", "2025-10-10 00:01:00"],
        ["2025-10-10T02:00:00+02:00", "2025-10-10T02:01:00+02:00"],
    ],
    ids=["s", "ms", "us", "ns", "iso", "no-zone", "offset"],
)
def test_the_time_may_be_written_in_many_ways(write, stamps):
    text = HEADER + "".join(f"BTC,{stamp},100,101,99,100\n" for stamp in stamps)
    assert read_prices(write("prices.csv", text)).ts_ms.tolist() == [START_S * 1000, (START_S + 60) * 1000]


@pytest.mark.parametrize("kind", ["TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMP_NS", "TIMESTAMP_MS", "TIMESTAMP_S"])
def test_parquet_timestamps_of_every_kind_are_utc(tmp_path, kind):
    select = (
        f"SELECT 'ETHUSDT' AS symbol, (TIMESTAMP '2025-10-10 00:00:00' + i * INTERVAL 1 MINUTE)::{kind} AS ts,"
        " 100::FLOAT AS open, 101::DECIMAL(18, 4) AS high, 99 AS low, 100.0 AS close FROM range(3) r(i)"
    )
    candles = read_prices(parquet(tmp_path / "prices.parquet", select))
    assert candles.markets == ("ETH",)
    assert candles.ts_ms.tolist() == [(START_S + 60 * i) * 1000 for i in range(3)]


@pytest.mark.parametrize("header", ["", KLINE_HEADER], ids=["bare", "header"])
@pytest.mark.parametrize("scale", [1_000, 1_000_000], ids=["ms", "us"])
@pytest.mark.parametrize("suffix", ["csv", "zip"])
def test_klines_are_read_with_or_without_header_in_milli_or_microseconds(write, header, scale, suffix):
    text = klines(scale, header=header)
    name = "BTCUSDT-1m-2025-10-10"
    content = text if suffix == "csv" else zipped((f"{name}.csv", text))
    candles = read_prices(write(f"{name}.{suffix}", content))
    assert candles.markets == ("BTC",)
    assert candles.ts_ms.tolist() == [(START_S + 60 * i) * 1000 for i in range(3)]
    assert candles.close.tolist() == [[100.5]] * 3


def test_several_files_are_merged_on_the_stamps_all_markets_have(write):
    btc = write("BTCUSDT-1m-a.csv", klines(minutes=4))
    eth = write("ETHUSDT-1m-a.csv", "".join(klines(minutes=6).splitlines(keepends=True)[1:]))
    candles = read_prices([btc, eth])
    assert candles.markets == ("BTC", "ETH")
    assert candles.ts_ms.tolist() == [(START_S + 60 * i) * 1000 for i in (1, 2, 3)]
    assert candles.notes == ("candles dropped where another market has none: BTC 1 of 4, ETH 2 of 5",)


def test_days_of_one_market_follow_one_another(write):
    rows = klines(minutes=6).splitlines(keepends=True)
    later, earlier = write("BTCUSDT-b.csv", "".join(rows[3:])), write("BTCUSDT-a.csv", "".join(rows[:3]))
    assert len(read_prices([later, earlier])) == 6
    overlap = write("BTCUSDT-c.csv", "".join(rows[2:4]))
    with pytest.raises(
        InputError, match=r"BTCUSDT-c.csv: BTC at 2025-10-10T00:02Z is in .*BTCUSDT-a.csv too"
    ):
        read_prices([earlier, overlap])


def test_a_gap_is_an_error_unless_allowed(write):
    text = HEADER + "".join(
        line(market, i) for i in range(6) for market in ("BTC", "ETH") if (market, i) != ("ETH", 2)
    )
    path = write("prices.csv", text)
    expected = r"1 candle\(s\) missing between the ends of the clock, the first at 2025-10-10T00:02Z \(ETH\)"
    with pytest.raises(InputError, match=rf"prices.csv: {expected}; allow gaps to jump over them$"):
        read_prices(path)
    candles = read_prices(path, allow_gaps=True)
    assert len(candles) == 5
    assert candles.gaps
    assert "the first at 2025-10-10T00:02Z (ETH)" in candles.notes[-1]
    assert not read_prices(path, ["BTC"]).gaps


def test_markets_are_selected_and_ordered(write):
    path = write("prices.csv", two_markets())
    assert read_prices(path, ["ETH", "BTC"]).markets == ("ETH", "BTC")
    assert read_prices(path, ["ETH"]).markets == ("ETH",)
    with pytest.raises(InputError, match=r"prices.csv: no prices for market SOL; there are BTC, ETH"):
        read_prices(path, ["SOL"])
    with pytest.raises(InputError, match="no market asked for"):
        read_prices(path, [])


@pytest.mark.parametrize(
    ("symbol", "base"),
    [
        *[
            ("BTCUSDT", "BTC"),
            ("BTCUSDC", "BTC"),
            ("BTC-USD", "BTC"),
            ("BTC-PERP", "BTC"),
            ("BTC/USDT:USDT", "BTC"),
        ],
        *[
            ("BTC_USDT", "BTC"),
            ("BTCUSD_PERP", "BTC"),
            ("BTC-USDT-SWAP", "BTC"),
            ("ETH", "ETH"),
            ("ethusdt", "ETH"),
        ],
        *[
            ("1000PEPEUSDT", "1000PEPE"),
            ("kPEPE", "kPEPE"),
            ("USDT", "USDT"),
            ("BTCUSDT_250328", "BTCUSDT_250328"),
        ],
    ],
)
def test_symbols_become_base_names(symbol, base):
    assert base_name(symbol) == base


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (line("BTC", 1, "100,101,nan,100"), "row 2: low is 'nan', expected a price above 0"),
        (line("BTC", 1, "100,101,-9,100"), "row 2: low is '-9', expected a price above 0"),
        (line("BTC", 1, "100,101,0,100"), "row 2: low is '0', expected a price above 0"),
        (line("BTC", 1, "100,inf,99,100"), "row 2: high is 'inf', expected a price above 0"),
        (line("BTC", 1, "100,101,99,"), "row 2: close is nothing, expected a price above 0"),
        (line("BTC", 1, "one,101,99,100"), "row 2: open is 'one', expected a price above 0"),
        (line("", 1), "row 2: market is nothing, expected a symbol"),
        ("BTC,12345,100,101,99,100\n", "row 2: ts is '12345', expected a time from 1970 to 2100"),
        ("BTC,1760054400000.5,100,101,99,100\n", "row 2: ts is '1760054400000.5', expected a time"),
        ("BTC,noon,100,101,99,100\n", "row 2: ts is 'noon', expected a time"),
        ("BTC,infinity,100,101,99,100\n", "row 2: ts is 'infinity', expected a time"),
        ("BTC,2200-01-01,100,101,99,100\n", "row 2: ts is '2200-01-01', expected a time"),
        (
            line("BTC", 1, "100,101,100.5,100"),
            "row 2: low and high do not hold the other prices (open 100.0, high 101",
        ),
        (line("BTC", 1, "100,99,98,98.5"), "row 2: low and high do not hold the other prices"),
        (
            line("BTC", 0),
            "row 2: ts of BTC is 2025-10-10T00:00Z after 2025-10-10T00:00Z; expected rising times",
        ),
        (
            line("BTC", -1),
            "row 2: ts of BTC is 2025-10-09T23:59Z after 2025-10-10T00:00Z; expected rising times",
        ),
        (line("BTCUSDT", 1), "BTC and BTCUSDT are both BTC; keep one"),
        ("BTC,1,2\n", "CSV Error on Line: 3"),
        ("BTC,1,2,3,4,5,6,7\n", "CSV Error on Line: 3"),
        ('"BTC,1,2,3,4,5\n', "CSV Error on Line: 3"),
    ],
)
def test_a_bad_row_is_named_in_one_line(write, row, message):
    path = write("prices.csv", HEADER + line("BTC", 0) + row + line("BTC", 2))
    with pytest.raises(InputError) as refused:
        read_prices(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "is empty (0 bytes)"),
        ("a.csv", HEADER, "holds no rows"),
        ("a.csv", "\n\n", "no column for time (named ts or time or timestamp or open_time)"),
        (
            "a.csv",
            "market,ts,open,high,low\n",
            "no column for close (named close); there are: market, ts, open, high",
        ),
        (
            "a.csv",
            "coin,symbol,ts,high,low,close\n",
            "columns coin and symbol both give the market; keep one",
        ),
        ("a.csv", "1,2,3\n", "row 1 holds 3 figures and no column names"),
        ("a.csv", b"\xff\xfe\x00", "not a CSV file in UTF-8"),
        ("a.csv", HEADER.encode() + b"\xff\xfe\n", "not a CSV file in UTF-8"),
        ("a.csv", (HEADER + line("BTC", 0) * 999).encode() + b"\xff,1\n", "CSV Error on Line: 1001"),
        ("a.parquet", "not parquet at all", "not a readable Parquet file"),
        ("a.zip", "not a zip at all", "not a readable zip archive"),
        ("a.zip", zipped(), "holds 0 file(s), expected a single .csv"),
        ("a.zip", zipped(("a.csv", "x"), ("b.csv", "x")), "holds 2 file(s), expected a single .csv"),
        ("a.zip", zipped(("a.exe", "x")), "holds 1 file(s), expected a single .csv"),
        ("a.zip", zipped(("a.csv", "")), "a.csv in it is empty (0 bytes)"),
        ("a.txt", "hello", "expected a file named .parquet, .csv or .zip"),
        ("a[1].csv", "hello", "a path with any of * ? [ ] cannot be read; rename it"),
        ("a.csv", HEADER + line("BTC", 0), "BTC has one candle, expected at least 2"),
    ],
)
def test_a_bad_file_is_named_in_one_line(write, name, content, message):
    path = write(name, content)
    with pytest.raises(InputError) as refused:
        read_prices(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_damaged_archive_is_named(write):
    content = bytearray(zipped(("BTCUSDT-1m.csv", klines())))
    content[60] ^= 0xFF
    with pytest.raises(InputError, match="not a readable zip archive"):
        read_prices(write("BTCUSDT-1m.zip", bytes(content)))


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_stream_is_named_however_it_is_packed(write, method):
    content = bytearray(zipped(("BTC.csv", klines()), method=method))
    start = 30 + len("BTC.csv")  # the stream follows its local header and name
    content[start : start + 40] = b"\xff" * 40
    path = write("BTC.zip", bytes(content))
    with pytest.raises(InputError) as refused:
        read_prices(path)
    assert str(refused.value).startswith(f"{path}: not a readable zip archive (")


def test_what_is_not_a_file_is_named(tmp_path):
    with pytest.raises(InputError, match="no such file; expected a price file"):
        read_prices(tmp_path / "absent.csv")
    with pytest.raises(InputError, match="is a folder; expected a price file"):
        read_prices(tmp_path)
    with pytest.raises(InputError, match="no price file given"):
        read_prices([])


def test_sizes_are_limited(write, monkeypatch):
    path = write("prices.csv", two_markets())
    monkeypatch.setattr(readers, "MAX_ROWS", 5)
    with pytest.raises(InputError, match="holds more than 5 rows; split it"):
        read_prices(path)
    monkeypatch.setattr(readers, "MAX_ROWS", 6)
    assert len(read_prices(path)) == 3
    monkeypatch.setattr(readers, "MAX_MARKETS", 1)
    with pytest.raises(InputError, match="holds more than 1 markets"):
        read_prices(path)
    monkeypatch.setattr(readers, "MAX_FILE_BYTES", 100)
    with pytest.raises(InputError, match=r"is larger than 100 bytes \(\d+\); split it"):
        read_prices(path)


def test_an_archive_that_unpacks_to_too_much_is_refused(write, monkeypatch):
    path = write("BTCUSDT.zip", zipped(("BTCUSDT.csv", "0" * 100_000)))
    monkeypatch.setattr(readers, "MAX_FILE_BYTES", 10_000)
    with pytest.raises(InputError, match="unpacks to more than 10000 bytes"):
        read_prices(path)


def test_markets_without_a_common_clock_are_refused(write):
    apart = (
        HEADER + "".join(line("BTC", i) for i in range(3)) + "".join(line("ETH", i) for i in range(10, 13))
    )
    with pytest.raises(
        InputError, match=r"the markets share no time \(BTC 2025-10-10T00:00Z to 2025-10-10T00:02Z; ETH"
    ):
        read_prices(write("apart.csv", apart))
    mixed = HEADER + "".join(line("BTC", i) for i in range(6)) + "".join(line("ETH", i) for i in (0, 5))
    with pytest.raises(
        InputError, match="BTC has candles of 60000 ms, ETH of 300000 ms; expected one length"
    ):
        read_prices(write("mixed.csv", mixed))
    askew = HEADER + "".join(line("BTC", i) for i in (0, 2, 5))
    with pytest.raises(InputError, match="BTC at 2025-10-10T00:05Z is off the grid of 120000 ms"):
        read_prices(write("askew.csv", askew))


@settings(max_examples=20)
@given(
    rows=st.lists(
        st.tuples(*[st.floats(1e-6, 1e6)] * 4).map(lambda p: (p[0], max(p), min(p), p[3])),
        min_size=2,
        max_size=20,
    )
)
def test_what_is_written_is_read_back_exactly(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("prices") / "BTC.csv"
    body = "".join(
        f"{START_S + 60 * i},{opening!r},{high!r},{low!r},{close!r}\n"
        for i, (opening, high, low, close) in enumerate(rows)
    )
    path.write_text("ts,open,high,low,close\n" + body)
    candles = read_prices(path)
    read = np.column_stack([candles.open, candles.high, candles.low, candles.close])
    assert read.tolist() == [list(row) for row in rows]


def test_recorded_candles_of_a_month_are_read(shared):
    path = shared / "data" / "binance_perp_1m_2025-05.parquet"
    candles = read_prices(path, ["BTC", "LAYER"])
    assert candles.markets == ("BTC", "LAYER")
    assert candles.interval_ms == 60_000
    assert candles.low.min(axis=0).tolist() == [93_327.0, 0.7574]
    assert len(candles) == 43_195
    with duckdb.connect() as con:
        (count,) = con.execute(
            "SELECT count(*) FROM (SELECT ts FROM read_parquet(?) WHERE coin IN ('BTC', 'LAYER')"
            " GROUP BY ts HAVING count(*) = 2)",
            [str(path)],
        ).fetchone()
    assert len(candles) == count


def test_a_path_may_be_text(write):
    assert len(read_prices(str(write("prices.csv", two_markets())))) == 3
