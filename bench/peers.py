"""The same work done by other tools and by ours, in one run: `make bench-peers` sets up what it needs.

    python bench/peers.py [--accounts 100000] [--crash 250000 1000000] [--patience 900] [--environments .venv-peers]

Each tool runs in an environment of its own (`.venv-peers/NAME`, from `bench/peers/NAME.lock`) on a book that is drawn
from a fixed seed; what both compute is checked to be equal. Figures are the least of several runs, as time per
subaccount, and the ratio of theirs to ours. A crash is one run of each side: a fall of 24 % that liquidates 39 % of so
many accounts, with a fund that pays half of what they lack and winners who pay the rest. What lrvx takes grows with the
square of the accounts or faster; where it has not ended after so many seconds (`--patience`) it is stopped, and the
ratio is what it is at least. Writes `bench/results/peers.json`. driftpy answers
for one account at a time and asks a client for markets and prices, which is held in memory here; it is asked about a
sample. hftbacktest has neither margin nor liquidation and is not measured.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import record
from ringfence.clearing import command as cmd
from ringfence.clearing.model import QUOTE, CollateralPool, Market, Scale, Subaccount, Venue
from ringfence.clearing.policy import Deleveraging, Liquidation, Policy, Tier, Tiered
from ringfence.kernel.bands import Bands
from ringfence.kernel.columns import Columns, empty
from ringfence.kernel.engine.columns import Columns as Traders
from ringfence.kernel.engine.engine import Engine
from ringfence.kernel.plan import Plan, plan
from ringfence.kernel.screen import Screen, assess

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parent / ".venv-peers"
"""Where `make bench-peers` puts the environments; `--environments` names another folder."""
PEERS = ("lrvx", "freqtrade", "nautilus", "driftpy")
MARKETS, LEGS, SEED = 10, 5, 7
LOTS, QUANTA, USD = 10**8, 10**6, 10**6
EQUAL = 1e-6
"""Relative difference of two sums, one of them of floats, that are the same."""
RATE = Tiered((Tier(0, 20, 5, 0),), 1_000)
"""One rate of 0.5 % everywhere: lrvx has one ladder for all markets, and no maintenance amount."""
PRICE, CRASH_PRICE = 60_000, 45_600
HOUSE = 10**12 * USD
"""Cash of whoever is on the other side of all traders together."""
Floats = NDArray[np.float64]


class Book(NamedTuple):
    """What all tools are given: (a) one BTC position per account, isolated; (b) five of ten markets, cross. In USD."""

    a_size: Floats
    a_entry: Floats
    a_equity: Floats
    a_price: Floats
    b_market: NDArray[np.int64]
    b_size: Floats
    b_entry: Floats
    b_cash: Floats
    b_price: Floats


def book(count: int) -> Book:
    """Lognormal positions and leverages; sizes and prices lie on the grid of our markets, so that all see the same."""
    draw = np.random.default_rng(SEED)
    price = np.round(10 ** draw.uniform(-1, 4, MARKETS) * QUANTA) / QUANTA
    market = np.argsort(draw.random((count, MARKETS)), axis=1)[:, :LEGS]
    notional = np.exp(draw.normal(np.log(1500), 1.5, (count, 1 + LEGS)))
    sign = np.where(draw.random((count, 1 + LEGS)) < 0.5, -1.0, 1.0)
    prices = np.concatenate([np.full((count, 1), float(PRICE)), price[market]], axis=1)
    size = np.round(sign * np.maximum(notional / prices, 0.01) * LOTS) / LOTS
    isolated = np.clip(np.exp(draw.normal(np.log(8), 0.8, count)), 1, 50)
    cross = np.clip(np.exp(draw.normal(np.log(3), 0.6, count)), 1, 20)
    worth = np.abs(size) * prices
    return Book(
        size[:, 0],
        prices[:, 0],
        np.round(worth[:, 0] / isolated * USD) / USD,
        np.array(float(PRICE)),
        market,
        size[:, 1:],
        prices[:, 1:],
        np.round(worth[:, 1:].sum(1) / cross * USD) / USD,
        price,
    )


def ours(prices: Floats, market: NDArray[np.int64], size: Floats, collateral: Floats) -> tuple[Plan, Columns]:
    """The same positions as columns; what they cost is their worth at the prices, owed in quote."""
    scale = Scale(USD, LOTS * QUANTA)
    listed = {}
    for number, price in enumerate(prices):
        quanta = round(float(price) * QUANTA)
        listed[f"M{number}"] = Market(f"M{number}", scale, RATE, "main", mark=quanta, index=quanta)
    found = plan(Venue(markets=listed, pools={"main": CollateralPool("main")}))
    rows, width = market.shape
    block = empty(rows, 8 if width > 1 else 1)
    block.market[:, :width] = market
    block.size[:, :width] = np.round(size * LOTS)
    block.cost[:, :width] = np.round(size * prices[market] * USD)
    block.cash[:] = np.round(collateral * USD).astype(np.int64) - block.cost.sum(1)
    return found, Columns([block])


def least(call: Callable[[], object], times: int = 5) -> float:
    """Least seconds of several runs, after one that compiles."""
    call()
    best = float("inf")
    for _ in range(times):
        began = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - began)
    return best


def our_jobs(given: Book) -> dict[str, float]:
    """Seconds of our side of every job."""
    one = ours(
        given.a_price[None], np.zeros((len(given.a_size), 1), np.int64), given.a_size[:, None], given.a_equity
    )
    many = ours(given.b_price, given.b_market, given.b_size, given.b_cash)
    isolated, cross, bands = Screen(*one), Screen(*many), Bands(*one)
    quanta = int(one[0].table.markets["price"][0])
    fall = np.arange(64)
    ticks = least(lambda: bands.ticks(np.zeros(64, np.int64), quanta - fall)) / 64
    return {
        "isolated tick, all decided": least(isolated.liquidatable),
        "isolated tick, by trigger": ticks,
        "cross tick, all markets": least(cross.liquidatable),
        "exact liquidation price, indexed": least(bands.rebuild),
        "margin of all": least(lambda: assess(*one)),
        "equity and margin of all, cross": least(lambda: assess(*many)),
    }


# -- the crash ---------------------------------------------------------------------------------------------------------


class Crash(NamedTuple):
    """What a crash does to the single positions of a book, added up from them in whole numbers."""

    size_b: NDArray[np.int64]
    cost_q: NDArray[np.int64]
    cash_q: NDArray[np.int64]
    liquidated: int
    deficit_q: int
    fund_q: int
    """What is in the fund: half of what is lacking."""


def crash_of(given: Book) -> Crash:
    """Who is below 0.5 % of notional at the price of the crash, and what those below nothing lack."""
    size_b = np.round(given.a_size * LOTS).astype(np.int64)
    cost_q, worth_q = (-(-size_b * price // (LOTS // USD)) for price in (PRICE, CRASH_PRICE))
    cash_q = np.round(given.a_equity * USD).astype(np.int64) - cost_q
    equity_q, margin_q = cash_q + worth_q, -(-np.abs(worth_q) // 200)
    lacking_q = int(-equity_q[equity_q < 0].sum())
    return Crash(size_b, cost_q, cash_q, int((equity_q < margin_q).sum()), lacking_q, lacking_q // 2)


def fallen(crash: Crash) -> Engine:
    """The book after the fall, with nothing done yet of what is due; one more account is opposite to all traders."""
    count, house_b = len(crash.size_b), -int(crash.size_b.sum())
    quanta, scale = PRICE * QUANTA, Scale(USD, LOTS * QUANTA)
    venue = Venue(
        policy=Policy(liquidation=Liquidation(), deleveraging=Deleveraging()),
        markets={"BTC": Market("BTC", scale, RATE, "main", mark=quanta, index=quanta, previous_mark=quanta)},
        pools={"main": CollateralPool("main")},
        subaccounts={"market/BTC": Subaccount("market/BTC", "venue", None, system=True)},
        time_ms=1,
        block=1,
    )
    venue.ledger |= {"fund/main": {QUOTE: crash.fund_q}, "outside": {QUOTE: -crash.fund_q}}
    traders = Traders(
        [*(f"t{number:07d}" for number in range(count)), "house"],
        np.append(crash.cash_q, HOUSE - int(crash.cost_q.sum())),
        np.ones(count + 1, np.int64),
        np.zeros(count + 1, np.int64),
        np.append(crash.size_b, house_b),
        np.append(crash.cost_q, -int(crash.cost_q.sum())),
    )
    engine = Engine.from_columns(venue, traders)
    engine.submit([cmd.SetPrices(2, 2, {"BTC": CRASH_PRICE * QUANTA})])
    return engine


def settled(engine: Engine, clock: Callable[[], float] = time.perf_counter) -> tuple[float, dict[str, int]]:
    """Seconds until nothing is due of anybody after a fall, and how often each step was taken."""
    began = clock()
    steps = engine.resolve()
    spent = clock() - began
    if engine.by_reference or engine.debt_q("main"):
        raise SystemExit("the reference was asked, or somebody still lacks something after the crash")
    kinds = (cmd.Liquidate, cmd.DrawInsurance, cmd.Deleverage)
    return spent, {kind.__name__: steps.count(kind) for kind in kinds}


def crashed(environments: Path, count: int, folder: Path, patience: int) -> dict[str, object] | None:
    """A crash on both sides; both must liquidate the same number of accounts, and lrvx pay what is lacking."""
    given = book(count)
    crash = crash_of(given)
    file = folder / "crash.npz"
    fund = {"fund": np.array(crash.fund_q / USD), "crash_price": np.array(float(CRASH_PRICE))}
    np.savez(file, **given._asdict(), **fund)
    print(f"lrvx: a crash of {count:,} accounts; up to {patience} s", file=sys.stderr)
    try:
        found = their_jobs(environments, "lrvx", file, file, patience=patience)
    except subprocess.TimeoutExpired:
        found = {}
    if found is None:
        return None
    settled(fallen(crash_of(book(2_000))))  # compiles
    seconds, steps = settled(fallen(crash))
    shared = {
        "accounts": count,
        "liquidated": crash.liquidated,
        "ours_seconds": round(seconds, 3),
        "our_steps": steps,
    }
    if not found:
        return shared | {
            "theirs_seconds_more_than": patience,
            "ratio_more_than": round(patience / seconds, 1),
        }
    theirs = found["isolated crash"]
    paid = theirs["fund_paid"] + theirs["winners_paid"]
    return shared | {
        "theirs_seconds": round(theirs["seconds"], 3),
        "ratio": round(theirs["seconds"] / seconds, 1),
        "same_number_liquidated": theirs["liquidated"] == crash.liquidated,
        "same_deficit": abs(paid * USD / crash.deficit_q - 1) < EQUAL,
    }


# -- the other side ----------------------------------------------------------------------------------------------------


def their_jobs(
    environments: Path, name: str, *files: Path, patience: int | None = None
) -> dict[str, dict[str, float]] | None:
    """What a tool measured of itself; none where it is not installed. `TimeoutExpired` after `patience` seconds."""
    python = environments / name / "bin" / "python"
    if not python.exists():
        print(f"{name}: not installed; `make bench-peers` installs it", file=sys.stderr)
        return None
    command = [str(python), str(HERE / "peers" / f"{name}_jobs.py"), *map(str, files)]
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=patience)  # noqa: S603 - our own
    found: dict[str, dict[str, float]] = json.loads(ran.stdout.strip().splitlines()[-1])
    return found


PAIRS = (
    ("lrvx", "isolated tick", "isolated tick, all decided"),
    ("lrvx", "isolated tick", "isolated tick, by trigger"),
    ("lrvx", "cross tick", "cross tick, all markets"),
    ("freqtrade", "liquidation price", "exact liquidation price, indexed"),
    ("nautilus", "maintenance margin", "margin of all"),
    ("driftpy", "cross health", "equity and margin of all, cross"),
)


def check(given: Book, theirs: dict[str, Any]) -> dict[str, bool]:
    """Whether the sums that both sides can state are equal to a thousandth: nautilus rounds sizes and amounts."""
    sums = {
        "freqtrade": ("liquidation price", liquidation_prices(given).sum()),
        "nautilus": (
            "maintenance margin",
            (np.maximum(np.abs(given.a_size), 0.001) * given.a_price * 0.025).sum(),
        ),
        "driftpy": ("cross health", surpluses(given)[: sampled(theirs, "driftpy", "cross health")].sum()),
    }
    return {
        name: abs(theirs[name][job]["sum"] / float(total) - 1) < 1e-3
        for name, (job, total) in sums.items()
        if name in theirs
    }


def sampled(theirs: dict[str, Any], name: str, job: str) -> int:
    """How many subaccounts a tool was asked about."""
    return int(theirs[name][job]["subaccounts"]) if name in theirs else 0


def surpluses(given: Book) -> Floats:
    """Equity of the cross accounts less 0.5 % of their notional."""
    asked: Floats = 0.005 * np.abs(given.b_size * given.b_price[given.b_market]).sum(1)
    return given.b_cash - asked


def liquidation_prices(given: Book) -> Floats:
    """Where equity is 0.5 % of notional: `(entry * size - collateral) / (size - 0.005 |size|)`."""
    return (given.a_entry * given.a_size - given.a_equity) / (given.a_size - 0.005 * np.abs(given.a_size))


def main() -> None:
    """Measure, print a table, write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument(
        "--crash", type=int, nargs="*", default=[250_000, 1_000_000], help="accounts of each crash"
    )
    parser.add_argument("--patience", type=int, default=900, help="seconds after which lrvx is stopped")
    parser.add_argument(
        "--environments", type=Path, default=ENVIRONMENTS, help="where the tools are installed"
    )
    asked = parser.parse_args()
    count, given = asked.accounts, book(asked.accounts)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "book.npz"
        np.savez(file, **given._asdict())
        found = {name: their_jobs(asked.environments, name, file) for name in PEERS}
        crashes = [crashed(asked.environments, size, Path(folder), asked.patience) for size in asked.crash]
    theirs = {name: jobs for name, jobs in found.items() if jobs is not None}
    mine, rows = our_jobs(given), []
    for peer, job, own in PAIRS:
        if peer in theirs:
            each_ns = theirs[peer][job]["seconds"] / theirs[peer][job]["subaccounts"] * 1e9
            row = {"peer": peer, "job": job, "ours": own, "theirs_ns": each_ns}
            own_ns = mine[own] / count * 1e9
            rows.append({**row, "ours_ns": own_ns, "ratio": round(each_ns / own_ns, 2)})
    for row in rows:
        print(
            "{peer:10} {job:20} {theirs_ns:10.2f} ns | {ours:34} {ours_ns:8.2f} ns | {ratio:10.1f}x".format(
                **row
            )
        )
    equal = check(given, theirs)
    print(
        "equal sums:",
        ", ".join(f"{name} {'yes' if same else 'NO'}" for name, same in equal.items()) or "none",
    )
    crashes = [crash for crash in crashes if crash is not None]
    for crash in crashes:
        print("lrvx crash:", ", ".join(f"{what} {value}" for what, value in crash.items()))
    result = {
        "python": platform.python_version(),
        "accounts": count,
        "equal": equal,
        "rows": rows,
        "crashes": crashes,
    }
    record.write("peers", result)


if __name__ == "__main__":
    main()
