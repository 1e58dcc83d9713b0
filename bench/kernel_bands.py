"""What a price tick costs with bands, against an exact look at everybody: cross and isolated books, one thread.

    python bench/kernel_bands.py [SUBACCOUNTS] [--memory]

Single ticks move one market each, in shuffled order; whole-book ticks move all 64 at once. A book is quiet, or falls
until one in twenty is liquidatable, or all prices gap down at once and then come back a little: the worst there is, in
which bands give way to a sweep of the book. After every run brute force must find nobody whom bands have not reported.
Latency is that of one tick inside compiled code, from the new price to the decision, in ticks of the processor's
constant clock. Brute force is measured twice at the run's last prices: with the venue's roundings (what the bands
decide by), and in the division-free form of `kernel_screen`, which leaves them out and is as fast as exact can be.
Prints a table and writes `bench/results/kernel_bands.json`. With `--memory` it measures one thing instead: what a cross
book takes in memory with its index (ten million subaccounts, where no number is given), and its quiet single ticks.
"""

import argparse
import json
import platform
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

import record
from kernel_screen import exact_division_free, lines_of
from population import cross, isolated, ticks
from ringfence.kernel import bands_tick as core
from ringfence.kernel.bands import Bands
from ringfence.kernel.bands_record import DOUBTS, Index
from ringfence.kernel.bands_touch import decided, resolve
from ringfence.kernel.columns import Columns
from ringfence.kernel.jit import jit
from ringfence.kernel.plan import Plan
from ringfence.kernel.screen import brute
from ringfence.kernel.table import Table

SUBACCOUNTS, MOST_SUBACCOUNTS = 1_000_000, 10_000_000
LEGS = 8
SHARE_DUE = 0.05
RUNS = 5
UPDATES = 100_000
WHOLE_TICKS = {"quiet": 240, "crash": 480}
GAPS = (0.9, 0.91, 0.8, 0.81, 0.82, 0.7, 0.72, 0.74, 0.76)
"""Prices after each whole-book tick of a gap, as a share of those before."""
SEED = 4
RESULT = Path(__file__).parent / "results" / "kernel_bands.json"
Ints = NDArray[np.int64]


@intrinsic
def clock(typingctx):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, ARG001
    """The processor's clock."""

    def codegen(_context, builder, _signature, _args):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        kind = ir.FunctionType(ir.IntType(64), [])
        return builder.call(builder.module.declare_intrinsic("llvm.readcyclecounter", fnty=kind), [])

    return types.int64(), codegen


@jit
def now() -> int:
    """The processor's clock, for Python."""
    return clock()


@jit
def timed_ticks(
    index: Index,
    table: Table,
    factors: Ints,
    prices: Ints,
    starts: Ints,
    out: NDArray[np.int32],
    cycles: Ints,
    most: int,
) -> tuple[int, int]:
    """Ticks until `most` are due: how many there were, and how many are due. Each tick's time goes to `cycles`."""
    count = 0
    for number in range(len(cycles)):
        begun = clock()
        count = core.tick(index, table, factors, prices, starts[number], starts[number + 1], out, count)
        cycles[number] = clock() - begun
        if index.state[DOUBTS] or count >= most:
            return number + 1, count
    return len(cycles), count


class Run(NamedTuple):
    """What a path of prices did."""

    seconds: NDArray[np.float64]
    """Of every tick, resolving doubts in 128 bits included."""
    due: int


def run(bands: Bands, factors: Ints, prices: Ints, starts: Ints, most: int) -> Run:
    """Feed ticks to bands of one block; check afterwards that nobody was missed."""
    index, table, block = bands.indices[0], bands.plan.table, bands.columns.blocks[0]
    out, hertz = np.empty(len(block.cash), np.int32), clock_hertz()
    cycles, done, count = np.zeros(len(starts) - 1, np.int64), 0, 0
    reported = set(bands.due.tolist())
    while done < len(cycles) and count < most:
        made, found = timed_ticks(
            index, table, factors, prices, starts[done:], out, cycles[done:], most - count
        )
        done += made
        begun = now()
        found = bands._resolved(index, block, out, found)  # noqa: SLF001 - what `Bands.ticks` does between ticks
        cycles[done - 1] += now() - begun
        reported.update(out[:found].tolist())
        count += found
    bands._quote(index)  # noqa: SLF001 - as above
    if set(brute(bands.plan, bands.columns).tolist()) - reported:
        raise SystemExit("brute force finds somebody whom the bands have not reported")
    return Run(cycles[:done] / hertz, count)


def warm(bands: Bands) -> None:
    """Compile what a run calls."""
    index, table, block = bands.indices[0], bands.plan.table, bands.columns.blocks[0]
    rows, nothing = np.zeros(1, np.int32), np.zeros(0, np.int64)
    decided(table, block, rows, np.zeros(1, np.bool_))
    resolve(index, np.zeros(0, np.bool_), rows, 0)
    timed_ticks(index, table, nothing, nothing, np.zeros(1, np.int64), rows, nothing, 1)


def clock_hertz() -> float:
    """Ticks of the clock per second."""
    begun, since = now(), time.perf_counter()
    time.sleep(0.05)
    return (now() - begun) / (time.perf_counter() - since)


def median_seconds(work: Callable[[], object]) -> float:
    """Of several runs, after one that warms up."""
    work()
    seconds = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds)


def brute_seconds(plan: Plan, columns: Columns) -> dict[str, float]:
    """An exact look at everybody at the plan's prices, in both forms; only the first for books of single legs."""
    found = {"with_roundings": median_seconds(lambda: brute(plan, columns))}
    block = columns.blocks[0]
    if block.size.shape[1] == LEGS:
        lines = lines_of(plan.table)
        out = np.empty(len(columns) + 1, np.int64)
        found["division_free"] = median_seconds(lambda: exact_division_free(block, lines, out))
    return found


def path(plan: Plan, kind: str, *, whole: bool) -> tuple[Ints, Ints, Ints]:
    """Factors, prices and starts of ticks: whole-book ones, or each of their prices as a tick of its own."""
    if kind == "gap":
        rows = np.rint(np.outer(GAPS, plan.table.markets["price"])).astype(np.int64)
    else:
        rows = ticks(plan, WHOLE_TICKS[kind], kind, SEED)
    count, markets = rows.shape
    if whole:
        return np.tile(np.arange(markets), count), rows.ravel(), np.arange(count + 1) * markets
    random = np.random.default_rng(SEED)
    factors = np.concatenate([random.permutation(markets) for _ in range(count)])
    return factors, rows[np.repeat(np.arange(count), markets), factors], np.arange(count * markets + 1)


def measured(make: Callable[[], tuple[Plan, Columns]], kind: str, *, whole: bool) -> dict[str, Any]:
    """One book under one path of prices."""
    plan, columns = make()
    bands = Bands(plan, columns)
    most = int(len(columns) * SHARE_DUE) if kind == "crash" else len(columns)
    warm(bands)
    found = run(bands, *path(plan, kind, whole=whole), most)
    looks = brute_seconds(plan, columns)
    seconds = found.seconds
    names = {"p50": np.median(seconds), "p99": np.quantile(seconds, 0.99), "max": seconds.max()}
    ratios = {
        f"brute_{form}_vs_{name}": round(look / value, 2)
        for form, look in looks.items()
        for name, value in (("mean", seconds.mean()), ("p50", names["p50"]), ("worst", seconds.max()))
    }
    return {
        "ticks": len(seconds),
        "due": found.due,
        "microseconds": {name: round(float(value) * 1e6, 3) for name, value in names.items()}
        | {"mean": round(float(seconds.mean()) * 1e6, 3)},
        "brute_milliseconds": {form: round(look * 1e3, 3) for form, look in looks.items()},
        "ratios": ratios,
    }


def upkeep(make: Callable[[], tuple[Plan, Columns]]) -> dict[str, Any]:
    """What building and updating the index cost, and what it weighs."""
    plan, columns = make()
    bands = Bands(plan, columns)
    build = median_seconds(bands.rebuild)
    rows = np.random.default_rng(SEED).integers(0, len(columns), UPDATES).astype(np.int32)
    out, all_watched = np.empty(UPDATES, np.int32), np.ones(UPDATES, np.bool_)
    index, block = bands.indices[0], columns.blocks[0]
    update = median_seconds(lambda: core.enter(index, plan.table, block, rows, all_watched, out))
    return {
        "build_seconds": round(build, 3),
        "updates_per_second": round(UPDATES / update),
        "bytes_per_subaccount": {
            "index": round(bands.nbytes / len(columns), 1),
            "columns": round(columns.nbytes / len(columns), 1),
        },
    }


def resident_gib(*, most: bool = False) -> float:
    """Memory of this process, now or at most since it began."""
    if most:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**30


def memory(count: int) -> dict[str, Any]:
    """What a cross book of so many subaccounts takes with its index, and how long its quiet single ticks do."""
    plan, columns = cross(count, LEGS)
    drawn = resident_gib(), resident_gib(most=True)
    bands = Bands(plan, columns)
    built = resident_gib(), resident_gib(most=True)
    warm(bands)
    seconds = run(bands, *path(plan, "quiet", whole=False), count).seconds
    quantiles = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {
        "subaccounts": count,
        "legs": LEGS,
        "gib": {"columns": round(columns.nbytes / 2**30, 2), "index": round(bands.nbytes / 2**30, 2)},
        "resident_gib": {
            "drawn": round(drawn[0], 2),
            "drawn, at most": round(drawn[1], 2),
            "indexed": round(built[0], 2),
            "indexed, at most": round(built[1], 2),
        },
        "quiet, single ticks, microseconds": {
            name: round(float(np.quantile(seconds, share)) * 1e6, 3) for name, share in quantiles.items()
        },
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="What a price tick costs with bands.")
    parser.add_argument("subaccounts", nargs="?", type=int)
    parser.add_argument("--memory", action="store_true", help="the memory of a large book, and nothing else")
    asked = parser.parse_args()
    before = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    if asked.memory:
        result = before | {"memory": memory(asked.subaccounts or MOST_SUBACCOUNTS)}
        print(result["memory"])
    else:
        kept = {"memory": before["memory"]} if "memory" in before else {}
        result = measure(asked.subaccounts or SUBACCOUNTS) | kept
    record.write("kernel_bands", result)


def measure(count: int) -> dict[str, Any]:
    """All books under all paths of prices."""
    books: dict[str, Callable[[], tuple[Plan, Columns]]] = {
        "cross": lambda: cross(count, LEGS),
        "isolated": lambda: isolated(count),
    }
    result: dict[str, Any] = {
        "what": "one price tick with bands against an exact look at everybody, one thread",
        "machine": record.machine(),
        "versions": {"python": platform.python_version(), "numba": numba.__version__},
        "subaccounts": count,
        "legs": LEGS,
        "books": {},
    }
    for name, make in books.items():
        found: dict[str, Any] = {"upkeep": upkeep(make)}
        print(f"{name}: {found['upkeep']}")
        for kind in (*WHOLE_TICKS, "gap"):
            for whole in (False, True):
                label = f"{kind}, {'whole-book' if whole else 'single'} ticks"
                found[label] = measured(make, kind, whole=whole)
                report(name, label, found[label])
        result["books"][name] = found
    return result


def report(name: str, label: str, found: dict[str, Any]) -> None:
    """Print one run's figures."""
    print(f"{name}, {label}: {found['ticks']:,} ticks, {found['due']:,} due")
    print(f"  microseconds  {found['microseconds']}")
    print(f"  brute force   {found['brute_milliseconds']} milliseconds")
    for ratio, value in found["ratios"].items():
        print(f"  {ratio:<36}{value:>14,.2f} x")


if __name__ == "__main__":
    main()
