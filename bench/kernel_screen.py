"""Who of a million cross subaccounts is liquidatable: the screen against brute force, NumPy, DuckDB and Python.

    python bench/kernel_screen.py [SUBACCOUNTS]

8 legs each over 64 markets with three maintenance tiers, one thread, a quiet book and one in which some are due. Every
way must name the same rows (floats may not, and their errors are counted). Prints a table and writes
`bench/results/kernel_screen.json`: median milliseconds per whole-book decision, and ratios within this run.

The *division-free* form leaves the venue's roundings out: a surplus in units of 1/(scale x rate denominator) atoms, in
which every product is an integer. It is the yardstick for what 128 bits cost against floats doing the same.
"""

import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from engine import processor
from population import RATE_DEN, SCALE, cross, ticks
from ringfence.kernel import screen as kernel
from ringfence.kernel.columns import Block
from ringfence.kernel.jit import jit, screen_jit
from ringfence.kernel.plan import Plan
from ringfence.kernel.table import Table
from ringfence.kernel.wide import join, joined, wide

RUNS = 7
LEGS = 8
SEED = 2
SUBACCOUNTS = 1_000_000
PYTHON_ROWS = 2_000
BLOCKED_ROWS = 8_192
RESULT = Path(__file__).parent / "results" / "kernel_screen.json"
SCALE_DEN = SCALE.den
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Tiers(NamedTuple):
    """Three tiers per market, in the units of the division-free form."""

    price: Ints
    """(markets,)"""
    rate: Ints
    """(markets, 3) over the rate denominator"""
    deduction_hi: Ints
    """(markets, 3) halves of the deduction times the scale's denominator"""
    deduction_lo: Ints
    above: Ints
    """(markets, 2) the largest size of the tier below, at the price: where one line meets the next"""
    den: int
    """rate denominator; sizes below 2^63 / den keep a product with it in 64 bits, which `measure` checks"""


class FloatTiers(NamedTuple):
    """The same in floats."""

    price: Floats
    rate: Floats
    deduction: Floats
    den: float


def tiers_of(table: Table) -> tuple[Tiers, FloatTiers]:
    """The tables of all markets."""
    rows = table.rows.reshape(-1, 3)
    exact = np.array(
        [[joined(*row[["deduction_hi", "deduction_lo"]]) for row in each] for each in rows], object
    )
    scaled = exact * SCALE.den
    hi, lo = scaled >> 64, scaled & (2**64 - 1)
    low = np.array([int(x) - (1 << 64) if int(x) >> 63 else int(x) for x in lo.ravel()], np.int64)
    den = int(table.markets["rate_den"][0])
    price, rate = table.markets["price"].copy(), rows["maintenance_num"].copy()
    steps = np.diff(scaled, axis=1) // (np.diff(rate.astype(object), axis=1) * price.astype(object)[:, None])
    wide_ones = Tiers(price, rate, hi.astype(np.int64), low.reshape(lo.shape), steps.astype(np.int64), den)
    return wide_ones, FloatTiers(price.astype(float), rate.astype(float), scaled.astype(float), float(den))


@jit
def exact_division_free(block: Block, tiers: Tiers, found: Ints) -> int:
    """Exact: the tier by a threshold of size, then one product of two 64-bit integers in 128 bits per leg."""
    count, cash_unit = 0, wide(tiers.den) * SCALE_DEN
    for row in range(block.cash.size):
        surplus = cash_unit * block.cash[row]
        for leg in range(LEGS):
            market, size = block.market[row, leg], block.size[row, leg]
            magnitude = abs(size)
            tier = (magnitude > tiers.above[market, 0]) + (magnitude > tiers.above[market, 1])
            weight = size * tiers.den - magnitude * tiers.rate[market, tier]
            deduction = join(tiers.deduction_hi[market, tier], tiers.deduction_lo[market, tier])
            surplus = surplus + wide(weight) * tiers.price[market] + deduction
        found[count] = row
        count += surplus < 0
    return count


@screen_jit
def float_division_free(block: Block, tiers: FloatTiers, found: Ints) -> int:
    """The same in floats: fast, and wrong where it is close."""
    count, cash_unit = 0, tiers.den * SCALE_DEN
    for row in range(block.cash.size):
        surplus = block.cash[row] * cash_unit
        for leg in range(LEGS):
            market = block.market[row, leg]
            worth = block.size[row, leg] * tiers.price[market]
            notional = abs(worth)
            second = notional * tiers.rate[market, 1] - tiers.deduction[market, 1]
            third = notional * tiers.rate[market, 2] - tiers.deduction[market, 2]
            surplus += worth * tiers.den - max(notional * tiers.rate[market, 0], second, third)
        found[count] = row
        count += surplus < 0.0
    return count


def numpy_blocked(block: Block, tiers: FloatTiers) -> Ints:
    """Tuned NumPy: blocks that stay in the cache, gathers with `take`, no temporaries beyond a block."""
    found = []
    for start in range(0, len(block.cash), BLOCKED_ROWS):
        part = slice(start, start + BLOCKED_ROWS)
        market = block.market[part]
        worth = block.size[part] * tiers.price.take(market)
        notional = np.abs(worth)
        asked = notional * tiers.rate[:, 0].take(market)
        for tier in (1, 2):
            other = notional * tiers.rate[:, tier].take(market)
            other -= tiers.deduction[:, tier].take(market)
            np.maximum(asked, other, out=asked)
        worth *= tiers.den
        worth -= asked
        surplus = worth.sum(1)
        surplus += block.cash[part] * (tiers.den * SCALE_DEN)
        found.append(np.flatnonzero(surplus < 0) + start)
    return np.concatenate(found)


def duckdb_query(block: Block, tiers: FloatTiers) -> Callable[[], Ints]:
    """One SQL query over a table of legs, on one thread."""
    import duckdb

    database = duckdb.connect(config={"threads": 1})
    rows, width = block.size.shape
    legs = {"row": np.repeat(np.arange(rows, dtype=np.int32), width), "market": block.market.ravel()}
    legs["size"] = block.size.ravel().astype(float)
    market = {"market": np.arange(len(tiers.price), dtype=np.uint16), "price": tiers.price}
    for tier in range(3):
        market |= {f"r{tier}": tiers.rate[:, tier].copy(), f"d{tier}": tiers.deduction[:, tier].copy()}
    cash = {"row": np.arange(rows, dtype=np.int32), "cash": block.cash * (tiers.den * SCALE_DEN)}
    for name, columns in (("legs", legs), ("markets", market), ("cash", cash)):
        database.register("given", columns)
        database.execute(f"create table {name} as select * from given")  # noqa: S608 - names of our own
    query = (
        "select row from (select row, sum(size * price * $den - greatest(abs(size) * price * r0, "
        "abs(size) * price * r1 - d1, abs(size) * price * r2 - d2)) as gained from legs join markets using (market) "
        "group by row) join cash using (row) where gained + cash < 0 order by row"
    )
    return lambda: database.execute(query, {"den": tiers.den}).fetchnumpy()["row"].astype(np.int64)


def python_integers(block: Block, tiers: Tiers, rows: int) -> Ints:
    """Python's integers, the division-free form inlined: what exactness costs without a compiler."""
    price, rate = tiers.price.tolist(), tiers.rate.tolist()
    pairs = zip(tiers.deduction_hi.tolist(), tiers.deduction_lo.tolist(), strict=True)
    deduction = [[joined(hi, lo) for hi, lo in zip(*each, strict=True)] for each in pairs]
    markets, sizes, cash = (
        block.market[:rows].tolist(),
        block.size[:rows].tolist(),
        block.cash[:rows].tolist(),
    )
    found, unit = [], tiers.den * SCALE_DEN
    for row in range(rows):
        surplus = cash[row] * unit
        for market, size in zip(markets[row], sizes[row], strict=True):
            worth = size * price[market]
            notional = abs(worth)
            (r0, r1, r2), (_, d1, d2) = rate[market], deduction[market]
            surplus += worth * tiers.den - max(notional * r0, notional * r1 - d1, notional * r2 - d2)
        if surplus < 0:
            found.append(row)
    return np.array(found, np.int64)


@screen_jit
def read_all(values: Floats) -> float:
    """One pass over memory."""
    total = 0.0
    for place in range(values.size):
        total += values[place]
    return total


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Median seconds of several runs, and what the last one found."""
    seconds, found = [], work()
    for _ in range(RUNS):
        begun = time.perf_counter()
        found = work()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds), found


def listed(kernel_: Callable[..., int], block: Block, tiers: Tiers | FloatTiers) -> Callable[[], Ints]:
    """A kernel that writes the rows it finds, as one that returns them."""
    found = np.empty(len(block.cash) + 1, np.int64)

    def way() -> Ints:
        return found[: kernel_(block, tiers, found)].copy()

    return way


def measure(plan: Plan, columns: kernel.Columns) -> tuple[dict[str, float], dict[str, int]]:
    """Seconds of every way at the plan's present prices, and how many rows each names."""
    block = columns.blocks[0]
    if int(np.abs(block.size).max()) >= 2**62 // RATE_DEN:
        raise SystemExit("a size is too large for the division-free form")
    exact, floats = tiers_of(plan.table)
    screen = kernel.Screen(plan, columns)
    rows = min(PYTHON_ROWS, len(columns))
    ways: dict[str, Callable[[], Ints]] = {
        "screen": screen.liquidatable,
        "brute force, 128 bits, the venue's roundings": lambda: kernel.brute(plan, columns),
        "brute force, 128 bits, division-free": listed(exact_division_free, block, exact),
        "float64, division-free": listed(float_division_free, block, floats),
        "NumPy, blocked": lambda: numpy_blocked(block, floats),
        "DuckDB": duckdb_query(block, floats),
    }
    seconds, due = {}, {}
    for name, way in ways.items():
        seconds[name], found = timed(way)
        due[name] = len(found)
    begun = time.perf_counter()
    python_integers(block, exact, rows)
    seconds["Python integers, division-free"] = (time.perf_counter() - begun) / rows * len(columns)
    seconds["lines built anew"], _ = timed(screen.build)
    if due["screen"] != due["brute force, 128 bits, the venue's roundings"]:
        raise SystemExit("the screen and brute force disagree")
    return seconds, due | {"not cleared by the filter": screen.unclear, "decided in 128 bits": screen.exact}


def bandwidth() -> float:
    """Bytes per second that one thread reads."""
    values = np.ones(20_000_000)
    return values.nbytes / timed(lambda: read_all(values))[0]


def ratios(seconds: dict[str, float]) -> dict[str, float]:
    """What the ways say of each other."""
    screen, free = seconds["screen"], seconds["brute force, 128 bits, division-free"]
    rounded, floats = (
        seconds["brute force, 128 bits, the venue's roundings"],
        seconds["float64, division-free"],
    )
    return {
        "screen vs NumPy": seconds["NumPy, blocked"] / screen,
        "screen vs DuckDB": seconds["DuckDB"] / screen,
        "screen vs brute force with roundings": rounded / screen,
        "screen vs brute force division-free": free / screen,
        "128 bits division-free, time vs float64": free / floats,
        "128 bits with roundings, time vs float64": rounded / floats,
        "128 bits division-free vs Python integers": seconds["Python integers, division-free"] / free,
        "lines built anew, time vs brute force with roundings": seconds["lines built anew"] / rounded,
    }


def main() -> None:
    """Measure, print, write."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else SUBACCOUNTS
    plan, columns = cross(count, LEGS, SEED)
    start = plan.table.markets["price"].copy()
    read = bandwidth()
    touched = sum(lines.slope.nbytes + lines.base.nbytes for lines in kernel.Screen(plan, columns).lines)
    touched += columns.blocks[0].market.nbytes
    result: dict[str, Any] = {
        "what": "milliseconds of one decision over a whole book, median of runs, one thread",
        "machine": {"processor": processor(), "system": platform.platform()},
        "versions": {
            "python": platform.python_version(),
            "numba": numba.__version__,
            "numpy": np.__version__,
        },
        "subaccounts": count,
        "legs": columns.blocks[0].size.shape[1],
        "bytes_per_subaccount": round(columns.nbytes / count, 1),
        "seed": SEED,
        "runs": RUNS,
        "read_bandwidth_gb_s": round(read / 1e9, 1),
        "books": {},
    }
    for kind, tick in (("quiet", 0), ("fallen", -1)):
        path = ticks(plan, 240, "quiet" if kind == "quiet" else "crash")
        plan.table.markets["price"][:] = plan.table.markets["mark"][:] = path[tick]
        seconds, due = measure(plan, columns)
        result["books"][kind] = {
            "milliseconds": {name: round(value * 1e3, 3) for name, value in seconds.items()},
            "rows_named": due,
            "ratios": {name: round(value, 2) for name, value in ratios(seconds).items()},
            "screen_share_of_read_bandwidth": round(touched / seconds["screen"] / read, 3),
        }
        plan.table.markets["price"][:] = plan.table.markets["mark"][:] = start
        report(kind, result["books"][kind])
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def report(kind: str, book: dict[str, Any]) -> None:
    """Print one book's figures."""
    print(f"{kind}: {book['rows_named']['screen']:,} due")
    for name, value in book["milliseconds"].items():
        print(f"  {name:<52}{value:>12,.3f} ms")
    for name, value in book["ratios"].items():
        print(f"  {name:<52}{value:>12,.2f} x")
    print(f"  share of read bandwidth{book['screen_share_of_read_bandwidth']:>41.2f}")


if __name__ == "__main__":
    main()
