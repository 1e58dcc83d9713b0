"""A long look for one wrong decision: screen and bands beside brute force on every tick, with the venue's roundings.

    python bench/soak.py [--subaccount-ticks 1e9] [--subaccounts 1000000]

Books of one and of eight positions per subaccount go through a quiet market, a bounce and a crash, and stand at the
boundary: everybody's cash is set to within ten atoms of the trigger, and set again every few ticks. At each tick the
screen must name those whom brute force names in 128 bits, and the bands those of them whom they have not named before.
Stops at the first difference with tick and rows; writes `bench/results/soak.json` when there was none.
"""

import argparse
import platform
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

import record
from population import cross, isolated, ticks
from ringfence.kernel.bands import Bands
from ringfence.kernel.columns import Columns
from ringfence.kernel.plan import Plan
from ringfence.kernel.screen import Screen, assess, brute
from ringfence.terminal import progress

LEGS = (1, 8)
KINDS = ("quiet", "bounce", "crash", "boundary")
WITHIN = 10
"""Atoms from the trigger, of a book at the boundary."""
PLACED_EVERY = 5
"""Ticks after which such a book is placed anew."""
SEED = 7
Ints = NDArray[np.int64]


class Soaked(NamedTuple):
    """What one book went through."""

    ticks: int
    named: int
    """How often brute force named somebody."""
    decided: int
    """How often the screen left somebody to 128 bits."""


class Book:
    """A book with screen and bands over it; `judge` compares them with brute force."""

    def __init__(self, plan: Plan, columns: Columns) -> None:
        self.plan, self.columns = plan, columns
        self.screen, self.bands = Screen(plan, columns), Bands(plan, columns)
        self.named = np.zeros(len(columns), np.bool_)
        self.judge(self.bands.due)

    def judge(self, reported: NDArray[np.int32]) -> tuple[int, int]:
        """How many are liquidatable, and how many the screen decided in 128 bits; exits where answers differ."""
        wanted = brute(self.plan, self.columns)
        self.must_equal("screen", self.screen.liquidatable(), wanted)
        self.must_equal("bands", np.sort(reported), wanted[~self.named[wanted]])
        self.named[reported] = True
        return len(wanted), self.screen.exact

    def must_equal(self, what: str, found: NDArray[Any], wanted: NDArray[Any]) -> None:
        """Exit with rows and prices where two answers differ."""
        if not np.array_equal(found, wanted):
            rows = np.setxor1d(found, wanted)[:10].tolist()
            prices = self.plan.table.markets["price"].tolist()
            raise SystemExit(f"{what} and brute force differ about rows {rows} at prices {prices}")

    def place(self, random: np.random.Generator) -> None:
        """Set everybody's cash to within a few atoms of the trigger at the present prices."""
        surplus = assess(self.plan, self.columns).surplus
        for start, block in zip(self.columns.starts, self.columns.blocks, strict=False):
            part = surplus[start : start + len(block.cash)]
            np.subtract(block.cash, part - random.integers(-WITHIN, WITHIN + 1, len(part)), out=block.cash)
        self.screen.build()
        self.named[:] = False
        self.judge(self.bands.rebuild())


def prices_of(plan: Plan, kind: str, most: int, random: np.random.Generator) -> Iterator[Ints]:
    """Prices of all markets, tick after tick: a path, or steps of a few quanta in one market each."""
    if kind != "boundary":
        yield from ticks(plan, most, kind, SEED)
        return
    for _ in range(most):
        moved = plan.table.markets["price"].copy()
        moved[random.integers(len(moved))] += random.integers(-3, 4)
        yield moved


def soak(
    legs: int, kind: str, subaccounts: int, most: int, told: Callable[[int, int | None, str], None]
) -> Soaked:
    """One book through one path; `told` hears how far it is."""
    random = np.random.default_rng(SEED)
    plan, columns = isolated(subaccounts) if legs == 1 else cross(subaccounts, legs)
    book, named, decided = Book(plan, columns), 0, 0
    for number, prices in enumerate(prices_of(plan, kind, most, random)):
        if kind == "boundary" and number % PLACED_EVERY == 0:
            book.place(random)
        due, unclear = book.judge(book.bands.batch(prices))
        named, decided = named + due, decided + unclear
        told(number + 1, most, f"{legs} legs, {kind}")
    return Soaked(most, named, decided)


def main() -> None:
    """Soak every book, print and write what it went through."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subaccount-ticks", type=float, default=1e9)
    parser.add_argument("--subaccounts", type=int, default=1_000_000)
    asked = parser.parse_args()
    each = -(-int(asked.subaccount_ticks) // (asked.subaccounts * len(LEGS) * len(KINDS)))
    began, rows = time.perf_counter(), list[dict[str, Any]]()
    for legs in LEGS:
        for kind in KINDS:
            with progress(f"{legs} legs, {kind}") as told:
                found = soak(legs, kind, asked.subaccounts, each, told)
            rows.append({"legs": legs, "kind": kind, **found._asdict()})
            print(rows[-1])
    total = sum(row["ticks"] for row in rows) * asked.subaccounts
    print(f"{total:,} subaccount-ticks, no difference")
    result = {
        "what": "screen and bands beside brute force in 128 bits on every tick; differences found: none",
        "machine": record.machine(),
        "versions": {"python": platform.python_version(), "numba": numba.__version__},
        "subaccounts": asked.subaccounts,
        "subaccount_ticks": total,
        "minutes": round((time.perf_counter() - began) / 60, 1),
        "books": rows,
    }
    record.write("soak", result)


if __name__ == "__main__":
    main()
