"""Who of a million cross subaccounts is liquidatable: the screen against brute force, NumPy, DuckDB and Python.

    python bench/kernel_screen.py [SUBACCOUNTS]

8 legs each over 64 markets with three maintenance tiers, one thread, a quiet book and one in which some are due. Every
way must name the same rows (floats may not, and their errors are counted). Prints a table and writes
`bench/results/kernel_screen.json`: median milliseconds per whole-book decision, and ratios within this run.

The *division-free* form leaves the venue's roundings out: a surplus in units of 1/(scale x rate denominator) atoms, in
which every product is an integer. It is the yardstick for what 128 bits cost against floats doing the same.
"""

import platform
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

import record
from population import RATE_DEN, SCALE, cross, ticks
from ringfence.kernel import screen as kernel
from ringfence.kernel.columns import Block
from ringfence.kernel.jit import jit, screen_jit
from ringfence.kernel.plan import SIZE_MAX, Plan
from ringfence.kernel.table import Records, Table
from ringfence.kernel.wide import join, joined, split, wide

RUNS = 7
LEGS = 8
SEED = 2
SUBACCOUNTS = 1_000_000
PYTHON_ROWS = 2_000
BLOCKED_ROWS = 8_192
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


LINE = np.dtype([("num", np.int64), ("offset_hi", np.int64), ("offset_lo", np.int64), ("above", np.int64)])
"""A tier at the present price: up to `above` size units a leg adds `size * num + offset` to the surplus."""
LINES = 4
"""Records of a market's side: its three tiers and one to spare, so that a place is made of bits."""
CASH_UNIT = RATE_DEN * SCALE.den


class FloatTiers(NamedTuple):
    """The same in floats, by market: a size unit adds `gain`, and asks the largest of `rate - deduction`."""

    gain: Floats
    """(markets,)"""
    rate: Floats
    """(markets, 3)"""
    deduction: Floats
    """(markets, 3)"""


def lines_of(table: Table) -> Records:
    """(markets * 2 * LINES,) `LINE`: the tiers of every market, of its longs and then of its shorts."""
    found = np.zeros((len(table.markets), 2, LINES), LINE)
    for market, sides in zip(table.markets, found, strict=True):
        price = int(market["price"])
        rows = table.rows[market["rows_at"] : market["rows_end"]]
        rates = [int(row["maintenance_num"]) for row in rows]
        offsets = [joined(row["deduction_hi"], row["deduction_lo"]) * SCALE.den for row in rows]
        for tier, (rate, offset) in enumerate(zip(rates, offsets, strict=True)):
            last = tier == len(rows) - 1
            above = SIZE_MAX if last else (offsets[tier + 1] - offset) // ((rates[tier + 1] - rate) * price)
            for line, sign in zip(sides[:, tier], (1, -1), strict=True):
                line["num"], line["above"] = price * (RATE_DEN - sign * rate), above
                line["offset_hi"], line["offset_lo"] = split(offset)
    return found.ravel()


def float_tiers_of(table: Table) -> FloatTiers:
    """The tables of all markets in floats."""
    rows = table.rows.reshape(-1, 3)
    deduction = [[float(joined(*row[["deduction_hi", "deduction_lo"]])) for row in each] for each in rows]
    price = table.markets["price"].astype(float)
    rate = rows["maintenance_num"] * price[:, None]
    return FloatTiers(price * RATE_DEN, rate, np.array(deduction) * SCALE.den)


@jit
def exact_division_free(block: Block, lines: Records, found: Ints) -> int:
    """Exact: one product of two 64-bit integers per leg, summed in 128 bits that raise where they would wrap.

    Most legs lie in the first tier, whose offset is none: a branch says so, and places are unsigned, so that nothing
    asks whether they count from the end.
    """
    count = 0
    for row in range(block.cash.size):
        surplus = wide(CASH_UNIT) * block.cash[row]
        for leg in range(LEGS):
            size = block.size[row, leg]
            side = np.uint64(size) >> np.uint64(63)
            at = (np.uint64(block.market[row, leg]) * np.uint64(2) + side) * np.uint64(LINES)
            if abs(size) > lines[at].above:
                at += np.uint64(1) + np.uint64(abs(size) > lines[at + np.uint64(1)].above)
                surplus += join(lines[at].offset_hi, lines[at].offset_lo)
            surplus += wide(size) * lines[at].num
        found[count] = row
        count += surplus < 0
    return count


@screen_jit
def float_division_free(block: Block, tiers: FloatTiers, found: Ints) -> int:
    """The same in floats: fast, and wrong where it is close. The largest of three lines: vectors have no branch."""
    count = 0
    for row in range(block.cash.size):
        surplus = block.cash[row] * float(CASH_UNIT)
        for leg in range(LEGS):
            market, size = block.market[row, leg], float(block.size[row, leg])
            magnitude = abs(size)
            second = magnitude * tiers.rate[market, 1] - tiers.deduction[market, 1]
            third = magnitude * tiers.rate[market, 2] - tiers.deduction[market, 2]
            surplus += size * tiers.gain[market] - max(magnitude * tiers.rate[market, 0], second, third)
        found[count] = row
        count += surplus < 0.0
    return count


def numpy_blocked(block: Block, tiers: FloatTiers) -> Ints:
    """Tuned NumPy: blocks that stay in the cache, gathers with `take`, no temporaries beyond a block."""
    found = []
    for start in range(0, len(block.cash), BLOCKED_ROWS):
        part = slice(start, start + BLOCKED_ROWS)
        market = block.market[part]
        size = block.size[part].astype(float)
        magnitude = np.abs(size)
        asked = magnitude * tiers.rate[:, 0].take(market)
        for tier in (1, 2):
            other = magnitude * tiers.rate[:, tier].take(market)
            other -= tiers.deduction[:, tier].take(market)
            np.maximum(asked, other, out=asked)
        size *= tiers.gain.take(market)
        size -= asked
        surplus = size.sum(1)
        surplus += block.cash[part] * float(CASH_UNIT)
        found.append(np.flatnonzero(surplus < 0) + start)
    return np.concatenate(found)


def duckdb_query(block: Block, tiers: FloatTiers) -> Callable[[], Ints]:
    """One SQL query over a table of legs, on one thread."""
    import duckdb

    database = duckdb.connect(config={"threads": 1})
    rows, width = block.size.shape
    legs = {"row": np.repeat(np.arange(rows, dtype=np.int32), width), "market": block.market.ravel()}
    legs["size"] = block.size.ravel().astype(float)
    market = {"market": np.arange(len(tiers.gain), dtype=np.uint16), "gain": tiers.gain}
    for tier in range(3):
        market |= {f"r{tier}": tiers.rate[:, tier].copy(), f"d{tier}": tiers.deduction[:, tier].copy()}
    cash = {"row": np.arange(rows, dtype=np.int32), "cash": block.cash * float(CASH_UNIT)}
    for name, columns in (("legs", legs), ("markets", market), ("cash", cash)):
        database.register("given", columns)
        database.execute(f"create table {name} as select * from given")  # noqa: S608 - names of our own
    query = (
        "select row from (select row, sum(size * gain - greatest(abs(size) * r0, abs(size) * r1 - d1, "
        "abs(size) * r2 - d2)) as gained from legs join markets using (market) "
        "group by row) join cash using (row) where gained + cash < 0 order by row"
    )
    return lambda: database.execute(query).fetchnumpy()["row"].astype(np.int64)


def python_integers(block: Block, lines: Records, rows: int) -> Ints:
    """Python's integers, the division-free form inlined: what exactness costs without a compiler."""
    num, above = lines["num"].tolist(), lines["above"].tolist()
    offset = [joined(hi, lo) for hi, lo in lines[["offset_hi", "offset_lo"]].tolist()]
    cash, found = block.cash[:rows].tolist(), []
    markets, sizes = block.market[:rows].tolist(), block.size[:rows].tolist()
    for row in range(rows):
        surplus = cash[row] * CASH_UNIT
        for market, size in zip(markets[row], sizes[row], strict=True):
            at = (2 * market + (size < 0)) * LINES
            if abs(size) > above[at]:
                at += 1 + (abs(size) > above[at + 1])
            surplus += size * num[at] + offset[at]
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


def listed(kernel_: Callable[..., int], block: Block, tiers: Records | FloatTiers) -> Callable[[], Ints]:
    """A kernel that writes the rows it finds, as one that returns them."""
    found = np.empty(len(block.cash) + 1, np.int64)

    def way() -> Ints:
        return found[: kernel_(block, tiers, found)].copy()

    return way


def measure(plan: Plan, columns: kernel.Columns) -> tuple[dict[str, float], dict[str, int]]:
    """Seconds of every way at the plan's present prices, and how many rows each names."""
    block = columns.blocks[0]
    exact, floats = lines_of(plan.table), float_tiers_of(plan.table)
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
        "machine": record.machine(),
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
    record.write("kernel_screen", result)


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
