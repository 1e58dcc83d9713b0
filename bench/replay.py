"""How long a comparison of margin modes takes: on columns, and in the reference engine, account by account.

    python bench/replay.py [ACCOUNTS]

Runs the default comparison (every arm, both layers, all variations of slippage and order) for a small population both
ways and checks that the two results are the same, then for ACCOUNTS (100,000 where none are given) on columns alone,
with one process per core. Compiled code is loaded before the clock starts. Writes `bench/results/replay.json`.
"""

import os
import platform
import sys
import time

import record
from ringfence.compare.command import DEFAULT_FRAME, DEFAULT_SCENARIO
from ringfence.compare.lab import EngineName, Lab, Results, Setup, run_all
from ringfence.sim.scenarios import load_scenario

SMALL = 500
LARGE = 100_000
SEED = 1


def compare(accounts: int, *, engine: EngineName, workers: int) -> tuple[float, Results]:
    """Seconds that drawing, admitting, entering and replaying take, and the result."""
    begun = time.perf_counter()
    candles = load_scenario(DEFAULT_SCENARIO)
    frame = dict(DEFAULT_FRAME)
    lab = Lab(
        Setup(
            candles,
            DEFAULT_SCENARIO,
            traders=accounts,
            seed=SEED,
            venue_frame=frame,
            engine=engine,
        )
    )
    results = run_all(lab, workers=workers)
    return time.perf_counter() - begun, results


def measure(accounts: int) -> dict[str, float | int]:
    """Seconds of each run and their ratio."""
    compare(SMALL, engine="columns", workers=1)
    columns, fast = compare(SMALL, engine="columns", workers=1)
    reference, slow = compare(SMALL, engine="reference", workers=1)
    if fast != slow:
        raise SystemExit("columns and the reference engine disagree")
    cores = os.cpu_count() or 1
    large, _ = compare(accounts, engine="columns", workers=cores)
    return {
        f"columns, {SMALL} accounts, one process (s)": round(columns, 2),
        f"reference, {SMALL} accounts, one process (s)": round(reference, 2),
        "reference / columns": round(reference / columns, 1),
        f"columns, {accounts} accounts, {cores} processes (s)": round(large, 2),
    }


def main() -> None:
    """Measure, print, write."""
    accounts = int(sys.argv[1]) if len(sys.argv) > 1 else LARGE
    found = measure(accounts)
    result = {
        "what": "the default comparison of margin modes, compiled code already in the cache",
        "machine": record.machine(),
        "python": platform.python_version(),
        "seed": SEED,
        "seconds": found,
    }
    record.write("replay", result)
    for what, value in found.items():
        print(f"{what:<56}{value:>10,}")


if __name__ == "__main__":
    main()
