"""How fast the batch engine is: against the Python reference, against C with `__int128`, and in a crash.

    python bench/kernel_engine.py

Prints a table and writes `bench/results/kernel_engine.json`. Deposits, fills and withdrawals come 20 : 60 : 20 at
random from 20,000 traders with eight positions each. The engine, the reference and C run the same commands from the
same state and must end in the same one. The C program (bench/kernel_engine.c) is built by gcc where there is one. The
crashes are all that is due of every account after a fall, deleveraging included, with an insurance fund that does not
reach: a crowd on four markets, and the single positions that bench/peers.py gives to lrvx. Every figure is the best of
several runs, that of a crash of one run, in seconds of processor time of one thread.
"""

import ctypes
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np

import peers
import record

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from kernel.engine.crowds import MARK, TIERS, crowd, crowd_venue, fallen
from ringfence.clearing import command as cmd
from ringfence.clearing.log import Clearinghouse
from ringfence.clearing.model import CollateralPool, Market, Scale, Venue
from ringfence.clearing.policy import Policy
from ringfence.clearing.verdict import Accepted
from ringfence.kernel.engine import layout as at
from ringfence.kernel.engine.columns import Columns
from ringfence.kernel.engine.encode import records_of
from ringfence.kernel.engine.engine import Engine
from ringfence.kernel.engine.far import directory_of
from ringfence.kernel.engine.memory import Book, Words
from ringfence.kernel.engine.run import run

SEED = 20251010
RUNS = 5
TRADERS, LEGS, MARKETS = 20_000, 8, 64
COMMANDS, SAMPLE = 200_000, 4_000
CROWDS = (125_000, 250_000, 500_000, 1_000_000)
SOURCE = Path(__file__).parent / "kernel_engine.c"


def traders() -> Engine:
    """Pairs of traders with opposite positions in eight markets each."""
    markets = {
        f"M{n}": Market(f"M{n}", Scale(1, 3), TIERS, "main", mark=MARK, index=MARK) for n in range(MARKETS)
    }
    policy = Policy(taker_fee_ppm=450)
    venue = Venue(policy, markets, {}, {"main": CollateralPool("main")}, time_ms=1, block=1)
    random, pairs = np.random.default_rng(SEED), TRADERS // 2
    market = np.stack([random.permutation(MARKETS)[:LEGS] for _ in range(pairs)])
    lots = random.integers(1_000, 100_000, (pairs, LEGS)) * random.choice((1, -1), (pairs, LEGS))
    size_b = np.concatenate([lots, -lots])
    cost_q = -(-size_b * MARK // 3)
    quote_q = np.abs(size_b).sum(1) * MARK // 15 - cost_q.sum(1)
    return Engine.from_columns(
        venue,
        Columns(
            [f"t{n:06d}" for n in range(2 * pairs)],
            quote_q,
            np.full(2 * pairs, LEGS),
            np.concatenate([market, market]).ravel(),
            size_b.ravel(),
            cost_q.ravel(),
        ),
    )


def mix(engine: Engine, count: int) -> list[cmd.AnyCommand]:
    """Deposits, fills in a market that the taker holds, and withdrawals."""
    random, found, book = Random(SEED), list[cmd.AnyCommand](), engine.book
    for kind in random.choices((0, 1, 2), (20, 60, 20), k=count):
        row = random.randrange(TRADERS)
        name, amount = f"t{row:06d}", random.randint(10**6, 10**9)
        if kind == 1:
            leg = book.rows[row, at.LEG_FIRST] + random.randrange(LEGS)
            market = engine.names.markets[book.legs[leg, at.LEG_MARKET]]
            size_b = random.choice((1, -1)) * random.randint(1, 20_000)
            maker = f"t{(row + random.randrange(1, TRADERS)) % TRADERS:06d}"
            found.append(cmd.Trade(market, size_b, MARK + random.randint(-50, 50), name, maker))
        else:
            found.append((cmd.Withdraw if kind else cmd.Deposit)(name, "USDC", amount))
    return found


def fresh(book: Book, room: int) -> Book:
    """The same state in arrays of its own, with room on the tape for every event and for a new position each."""
    twin = Book(*(array.copy() for array in book))
    return twin._replace(tape=np.zeros((room, at.TAPE_WORDS), np.int64))


def roomy(book: Book) -> Book:
    """Positions with room for all markets, so that nobody has to move them."""
    rows, legs = book.rows.copy(), np.zeros((TRADERS * MARKETS, at.LEG_WORDS), np.int64)
    for row in range(TRADERS):
        first = rows[row, at.LEG_FIRST]
        legs[row * MARKETS : row * MARKETS + LEGS] = book.legs[first : first + LEGS]
        rows[row, at.LEG_FIRST], rows[row, at.LEG_ROOM] = row * MARKETS, MARKETS
    book.clock[at.LEG_TOP] = len(legs)
    return book._replace(rows=rows, legs=legs)


def best(work: Callable[[], float]) -> float:
    """The shortest of several runs, in seconds."""
    return min(work() for _ in range(RUNS))


class Ended:
    """How a run ended: rows, positions, ledger and reasons, to be compared."""

    def __init__(self, book: Book, reasons: Words) -> None:
        """Keep copies."""
        self.rows, self.ledger, self.reasons = book.rows.copy(), book.ledger.copy(), reasons.copy()
        self.held = np.concatenate(
            [
                book.legs[first : first + count].ravel()
                for first, count in zip(
                    book.rows[:, at.LEG_FIRST].tolist(), book.rows[:, at.LEG_COUNT].tolist(), strict=True
                )
            ]
        )

    def must_equal(self, other: "Ended", who: str) -> None:
        """Stop where two runs of the same commands ended differently."""
        pairs = ((self.rows, other.rows), (self.ledger, other.ledger), (self.held, other.held))
        if not all(np.array_equal(*pair) for pair in (*pairs, (self.reasons, other.reasons))):
            raise SystemExit(f"the engine and {who} do not end in the same state")


def by_engine(start: Book, records: Words) -> tuple[float, Ended]:
    """Seconds of the engine's compiled loop."""
    ended: list[Ended] = []

    def work() -> float:
        book, verdicts = fresh(start, 8 * len(records)), np.zeros((len(records), at.VERDICT_WORDS), np.int64)
        begun = time.process_time()
        if run(directory_of(book), records, verdicts, 0) != len(records):
            raise SystemExit("the engine stopped before the end")
        spent = time.process_time() - begun
        ended.append(Ended(book, verdicts[:, at.REASON]))
        return spent

    return best(work), ended[-1]


class CBook(ctypes.Structure):
    """`Book` of kernel_engine.c."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("rows", "legs", "markets", "margins", "ledger", "tape")),
        *((name, ctypes.c_int64) for name in ("width", "events", "taker_ppm")),
    )


def by_c(start: Book, records: Words) -> tuple[float, Ended] | None:
    """Seconds of the same loop in C; nothing where there is no gcc."""
    compiler = shutil.which("gcc")
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "kernel_engine.so"
        options = ["-O3", "-march=native", "-shared", "-fPIC"]
        build = [compiler, *options, str(SOURCE), "-o", str(library)]
        subprocess.run(build, check=True)  # noqa: S603 - a fixed command
        program = ctypes.CDLL(str(library)).run
    ended: list[Ended] = []

    def work() -> float:
        book, reasons = fresh(start, 8 * len(records)), np.zeros(len(records), np.int64)
        arrays = (book.rows, book.legs, book.markets, book.margins, book.ledger, book.tape)
        taker_ppm = int(book.terms[at.TAKER_FEE_PPM])
        held = CBook(*(array.ctypes.data for array in arrays), book.rows.shape[1], 0, taker_ppm)
        addresses = (ctypes.c_void_p(records.ctypes.data), ctypes.c_void_p(reasons.ctypes.data))
        begun = time.process_time()
        program(ctypes.byref(held), ctypes.c_int64(len(records)), *addresses)
        spent = time.process_time() - begun
        ended.append(Ended(book, reasons))
        return spent

    return best(work), ended[-1]


def by_reference(engine: Engine, commands: list[cmd.AnyCommand], ended: Ended) -> float:
    """Seconds of the Python reference, without a log; its answers must be those of the engine."""
    house = Clearinghouse(engine.to_venue(), keep_log=False)
    begun = time.process_time()
    verdicts = [house.submit(command) for command in commands]
    spent = time.process_time() - begun
    reasons = [0 if isinstance(verdict, Accepted) else int(verdict.reason) for verdict in verdicts]
    if reasons != ended.reasons[: len(reasons)].tolist():
        raise SystemExit("the engine and the reference do not answer alike")
    return spent


def objects(engine: Engine, commands: list[cmd.AnyCommand], ended: Ended, *, decoded: bool) -> float:
    """Seconds of the engine for commands as Python objects and, if `decoded`, every event as one too."""

    def work() -> float:
        twin = Engine.from_venue(engine.to_venue())
        begun = time.process_time()
        verdicts = twin.submit(commands)
        if decoded and len(list(verdicts)) != len(commands):
            raise SystemExit("a command went without a verdict")
        spent = time.process_time() - begun
        if not np.array_equal(verdicts.reasons, ended.reasons[: len(commands)]):
            raise SystemExit("the engine does not answer objects as it answers records")
        return spent

    return best(work)


def of_crowd(count: int) -> Engine:
    """A crowd on four markets after a fall of 14 %, with a fund that pays for few."""
    engine = Engine.from_columns(crowd_venue(count * 10**6 // 2), crowd(count, SEED))
    engine.submit([cmd.SetPrices(2, 2, fallen())])
    return engine


def of_singles(count: int) -> Engine:
    """The book that bench/peers.py crashes: 39 % of it are liquidated, and the fund pays half of what they lack."""
    return peers.fallen(peers.crash_of(peers.book(count)))


def crashes(made: Callable[[int], Engine]) -> dict[str, object]:
    """Seconds of the crash of a book of every size, what was done, and how the largest compares with the least."""
    peers.settled(made(2_000))
    found = []
    for count in CROWDS:
        seconds, steps = peers.settled(made(count), time.process_time)
        found.append({"accounts": count, "seconds": round(seconds, 3), **steps})
    return {"largest_to_least": round(found[-1]["seconds"] / found[0]["seconds"], 2), "sizes": found}


def measure() -> dict[str, object]:
    """Every figure."""
    engine = traders()
    commands = mix(engine, COMMANDS)
    start, records = roomy(engine.book), records_of(commands, engine.names)
    spent, ended = by_engine(start, records)
    found: dict[str, object] = {
        "commands_per_second": round(len(records) / spent),
        "accepted_share": round(float(np.mean(ended.reasons == 0)), 3),
    }
    reference = by_reference(engine, commands[:SAMPLE], ended)
    found["times_the_reference"] = round(reference / SAMPLE / (spent / len(records)), 1)
    for what, decoded in (("objects", False), ("objects_and_events", True)):
        by_objects = objects(engine, commands[:SAMPLE], ended, decoded=decoded)
        found[f"times_the_reference_with_{what}"] = round(reference / by_objects, 1)
    in_c = by_c(start, records)
    if in_c is None:
        found["times_c"] = "gcc is not installed, so C was not measured"
    else:
        ended.must_equal(in_c[1], "C")
        found["times_c"] = round(in_c[0] / spent, 2)
    return found | {"crash_of_a_crowd": crashes(of_crowd), "crash_of_single_positions": crashes(of_singles)}


def main() -> None:
    """Measure, print, write."""
    found = measure()
    versions = {"python": platform.python_version(), "seed": SEED, "runs": RUNS}
    what = "the batch engine, one thread, processor time, best of several runs; ratios of speed in one run"
    record.write("kernel_engine", {"what": what, "machine": record.machine(), **versions, **found})
    for name, value in found.items():
        if isinstance(value, dict):
            ratio = f"{CROWDS[-1]:,} accounts take {value['largest_to_least']} times as long as {CROWDS[0]:,}"
            print(f"{name:36} {ratio}", *value["sizes"], sep="\n    ")
        else:
            print(f"{name:36} {value}")


if __name__ == "__main__":
    main()
