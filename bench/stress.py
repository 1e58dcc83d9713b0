"""How long `ringfence stress` takes for a book of many accounts, from the file to the printed answer.

    python bench/stress.py [ACCOUNTS]

Draws a book of 8 cross positions an account over 64 markets (a million accounts where nothing is said), puts it through
a grid of eleven points and a liquidation map as a user would, and then, in one process, times loading, one point, and
the reference on a sample of the same accounts. The book is loaded once more with sizes, prices and balances that were
computed in floats, of 16 and 17 digits. Prints a table and writes `bench/results/stress.json`.
"""

import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

import record
from ringfence.books import read_accounts
from ringfence.progress import silent
from ringfence.questions.stress.book import Setting, open_book
from ringfence.questions.stress.reference import Bench, Reference
from ringfence.questions.stress.shocks import NOW, shocks, wanted
from ringfence.questions.stress.surface import Surface
from ringfence.venues.rulebook import load

VENUE, MARKETS, LEGS, SAMPLE = "hyperliquid", 64, 8, 1000

BOOK = """
    COPY (
        WITH drawn AS (
            SELECT a, leg, (hash(a * 8 + leg) % 1000003) / 1000003 AS u,
                (hash(a * 8 + leg, 1) % 1000003) / 1000003 AS v, (hash(a, 2) % 1000003) / 1000003 AS w,
                (hash(a, 3) % {markets}) AS first
            FROM range({accounts}) AS accounts(a), range({legs}) AS legs(leg)
        ), placed AS (
            SELECT *, ((first + leg * 5) % {markets})::INTEGER AS market, 10 ** (2 + 2 * u) AS worth FROM drawn
        )
        SELECT printf('acc-%07d', a) AS account,
            (sum(worth) OVER (PARTITION BY a) / (1 + 4 * w))::DECIMAL(18, 2) AS "collateral.USDC",
            symbols.symbol, CASE WHEN v < 0.6 THEN 'long' ELSE 'short' END AS side,
            (worth / symbols.mark)::DECIMAL(18, 4) + 0.0001 AS contracts,
            (symbols.mark * (0.98 + 0.04 * v))::DECIMAL(18, 4) AS "entryPrice",
            symbols.mark::DECIMAL(18, 4) AS "markPrice", 'cross' AS "marginMode"
        FROM placed JOIN symbols USING (market) ORDER BY a, leg
    ) TO '{path}' (FORMAT parquet)"""

COMPUTED = """
    COPY (
        SELECT * REPLACE (
            "collateral.USDC" / 3::DOUBLE AS "collateral.USDC", contracts * 1.1::DOUBLE AS contracts,
            "entryPrice" * 0.9::DOUBLE AS "entryPrice")
        FROM '{path}'
    ) TO '{computed}' (FORMAT parquet)"""


def write_book(path: Path, accounts: int) -> None:
    """A book of so many accounts; the same number gives the same rows."""
    symbols = sorted(load(VENUE).symbols, key=lambda name: (name not in {"BTC", "ETH", "SOL"}, name))[
        :MARKETS
    ]
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE symbols (market INTEGER, symbol VARCHAR, mark DOUBLE)")
        rows = [(at, name, round(60000 / (1 + at) ** 1.5, 4)) for at, name in enumerate(symbols)]
        connection.executemany("INSERT INTO symbols VALUES (?, ?, ?)", rows)
        values = {"markets": MARKETS, "legs": LEGS, "accounts": accounts, "path": path}
        connection.execute(BOOK.format(**values))


def timed_command(path: Path) -> float:
    """Seconds of the whole command."""
    program = str(Path(sys.executable).with_name("ringfence"))
    began = time.perf_counter()
    words = [program, "stress", str(path), "--venue", VENUE, "--map", "BTC", "--json"]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - ours
    return time.perf_counter() - began


def timed_load(path: Path) -> tuple[float, Surface]:
    """Seconds of loading, and what is loaded."""
    setting = Setting(VENUE, {}, None)
    open_book(str(path), (), setting)  # compiled code comes from the disk once
    began = time.perf_counter()
    surface, _, _ = open_book(str(path), (), setting)
    return time.perf_counter() - began, surface


def timed_parts(path: Path, folder: Path) -> dict[str, float]:
    """Seconds of loading, of a point of the whole book, and of a point per account by the reference."""
    computed = folder / "computed.parquet"
    with duckdb.connect() as connection:
        connection.execute(COMPUTED.format(path=path, computed=computed))
    of_floats, _ = timed_load(computed)
    loaded, surface = timed_load(path)
    points = [NOW, *shocks(wanted())]
    surface.survey(points, silent)
    began = time.perf_counter()
    found = surface.survey(points, silent)
    each = (time.perf_counter() - began) / len(points)
    sample = folder / "sample.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"COPY (FROM '{path}' LIMIT {SAMPLE * LEGS}) TO '{sample}'")
    reference = Reference(read_accounts(sample), Bench({VENUE: load(VENUE)}, VENUE))
    began = time.perf_counter()
    reference.survey(points, silent)
    singly = (time.perf_counter() - began) / len(points) / reference.size
    liquidated = max(tally.accounts for tally in found.points)
    return {
        "load_seconds": round(loaded, 3),
        "computed_floats_over_load": round(of_floats / loaded, 2),
        "point_seconds": round(each, 4),
        "reference_point_seconds_per_account": round(singly, 7),
        "liquidatable_at_most": liquidated,
        "reference_over_columns": round(singly * found.accounts / each, 1),
    }


def main() -> None:
    """Measure, print, write."""
    accounts = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "book.parquet"
        write_book(path, accounts)
        timed_command(path)  # compiles, where nobody has before
        found = {"command_seconds": round(timed_command(path), 2), **timed_parts(path, Path(name))}
    print(f"{accounts:,} accounts x {LEGS} positions")
    for what, value in found.items():
        print(f"{what:40} {value:>14,}")
    document = {
        "what": "a grid of eleven points and a liquidation map of a book, reading the file included; compiled before",
        "accounts": accounts,
        "positions": accounts * LEGS,
        "machine": record.machine(),
        "python": platform.python_version(),
        **found,
    }
    record.write("stress", document)


if __name__ == "__main__":
    main()
