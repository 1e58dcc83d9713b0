"""How fast the exact engine is in pure Python: commands by kind, and exact margin checks.

    python bench/engine.py

Prints a table and writes `bench/results/engine.json`. Every figure is the median of several runs over the same
commands, per second of processor time of one thread; the time of a command includes deciding, applying, checking the
transition and hashing it into the log.
"""

import platform
import statistics
import time
from collections.abc import Callable, Iterator
from random import Random

import record
from ringfence.clearing import command as cmd
from ringfence.clearing.log import Clearinghouse, replay, restore, snapshot
from ringfence.clearing.model import QUOTE, Asset, CollateralPool, Market, Scale, Venue
from ringfence.clearing.policy import Tier, Tiered
from ringfence.clearing.resolve import resolve
from ringfence.clearing.risk import subaccount_risk
from ringfence.clearing.verdict import Accepted

SEED = 20251010
RUNS = 5
TRADERS = 200
MARKETS = 16
TIERS = Tiered((Tier(0, 50, 25, 0), Tier(10**11, 100, 50, 25 * 10**11)), 1_000)


def opened(positions: int) -> Clearinghouse:
    """A venue in which every trader holds `positions` markets against a maker."""
    random = Random(SEED)
    names = [f"M{number}" for number in range(MARKETS)]
    haircut = Tiered((Tier(0, 100, 100, 0),), 1_000)
    venue = Venue(
        markets={name: Market(name, Scale(10, 1), TIERS, "main") for name in names},
        assets={"BTC": Asset("BTC", Scale(10, 1), haircut)},
        pools={"main": CollateralPool("main")},
    )
    house = Clearinghouse(venue)
    for name in names:
        house.require(cmd.OpenSubaccount(f"market/{name}", "venue", None, system=True))
    for name in ("maker", *traders()):
        house.require(cmd.OpenSubaccount(name, name))
        house.require(cmd.Deposit(name, QUOTE, 10**16 if name == "maker" else 10**11))
    house.require(cmd.SetPrices(1, 1, dict.fromkeys(names, 200_000), {}, {"BTC": 10**6}))
    for name in traders():
        for market in random.sample(names, positions):
            size_b = random.choice((-1, 1)) * random.randint(1, 1_000)
            house.require(cmd.Trade(market, size_b, 200_000, name, "maker"))
    return house


def traders() -> list[str]:
    """Names of the traders."""
    return [f"trader{number}" for number in range(TRADERS)]


def rate(work: Callable[[], int]) -> float:
    """Median over the runs of how many units of work are done in a second."""
    found = []
    for _ in range(RUNS):
        begun = time.process_time()
        done = work()
        found.append(done / (time.process_time() - begun))
    return statistics.median(found)


def submitted(positions: int, commands: Callable[[], Iterator[cmd.AnyCommand]], count: int) -> float:
    """Commands per second of one kind, on a fresh copy of the same venue in every run."""
    start = snapshot(opened(positions).venue)
    prepared = [command for command, _ in zip(commands(), range(count), strict=False)]
    houses = [Clearinghouse(restore(start)) for _ in range(RUNS)]

    def work() -> int:
        house = houses.pop()
        accepted = sum(isinstance(house.submit(command), Accepted) for command in prepared)
        if accepted != len(prepared):
            raise SystemExit(f"{len(prepared) - accepted} of {type(prepared[0]).__name__} were refused")
        return len(prepared)

    return rate(work)


def deposits() -> Iterator[cmd.AnyCommand]:
    """A deposit by each trader in turn."""
    while True:
        for name in traders():
            yield cmd.Deposit(name, QUOTE, 1_000_000)


def withdrawals() -> Iterator[cmd.AnyCommand]:
    """A withdrawal, which asks for the margin of everything held."""
    while True:
        for name in traders():
            yield cmd.Withdraw(name, QUOTE, 1_000)


def trades() -> Iterator[cmd.AnyCommand]:
    """A trade of one lot against the maker, there and back."""
    while True:
        for size_b in (1, -1):
            for name in traders():
                yield cmd.Trade("M0", size_b, 200_000, name, "maker")


def orders() -> Iterator[cmd.AnyCommand]:
    """A resting order held and let go."""
    while True:
        for name in traders():
            yield cmd.Reserve(name, "order", "M1", 1)
        for name in traders():
            yield cmd.Release(name, "order")


def prices() -> Iterator[cmd.AnyCommand]:
    """A price for every market."""
    for number in range(10**9):
        yield cmd.SetPrices(number + 2, number + 2, {f"M{at}": 200_000 + number % 7 for at in range(MARKETS)})


def funding() -> Iterator[cmd.AnyCommand]:
    """A funding interval of one market."""
    while True:
        for number in range(MARKETS):
            yield cmd.AccrueFunding(f"M{number}", 10)


def checks(positions: int) -> float:
    """Exact margin checks per second: equity, initial and maintenance margin of one subaccount."""
    venue = opened(positions).venue
    held = [venue.subaccounts[name] for name in traders()] * 5

    def work() -> int:
        for subaccount in held:
            subaccount_risk(venue, subaccount)
        return len(held)

    return rate(work)


def liquidations() -> float:
    """Liquidations per second in a fall of a quarter, with all that they bring about."""
    house = opened(1)
    longs = [
        name
        for name in traders()
        if any(p.size_b > 0 for p in house.venue.subaccounts[name].positions.values())
    ]
    for name in longs:
        free_q = subaccount_risk(house.venue, house.venue.subaccounts[name]).free_q
        house.require(cmd.Withdraw(name, QUOTE, free_q))
    house.require(cmd.FundInsurance("main", 10**15))
    house.require(cmd.SetPrices(2, 2, {f"M{at}": 150_000 for at in range(MARKETS)}))
    start = snapshot(house.venue)
    houses = [Clearinghouse(restore(start)) for _ in range(RUNS)]
    return rate(lambda: len(resolve(houses.pop(), longs)))


def replays() -> float:
    """Log entries per second when a log is replayed and its hash chain checked."""
    start = restore(snapshot(opened(4).venue))
    house = Clearinghouse(restore(snapshot(start)))
    for command, _ in zip(trades(), range(1_000), strict=False):
        house.require(command)
    fresh = snapshot(start)
    return rate(lambda: len(replay(restore(fresh), house.entries).entries))


def measure() -> dict[str, float]:
    """Every figure, per second."""
    found = {
        "Deposit": submitted(4, deposits, 4_000),
        "Withdraw, 4 positions": submitted(4, withdrawals, 2_000),
        "Trade, 4 positions against 16": submitted(4, trades, 2_000),
        "Reserve and Release, 4 positions": submitted(4, orders, 2_000),
        "SetPrices, 16 markets": submitted(4, prices, 2_000),
        "AccrueFunding": submitted(4, funding, 4_000),
        "Liquidate and what follows": liquidations(),
        "replayed trades": replays(),
    }
    for positions in (1, 4, 16):
        found[f"margin check, {positions} position{'s' if positions > 1 else ''}"] = checks(positions)
    return found


def main() -> None:
    """Measure, print, write."""
    found, machine = {kind: round(value) for kind, value in measure().items()}, record.machine()
    result = {
        "what": "commands and margin checks of the exact engine per second of processor time, median of runs",
        "machine": machine,
        "python": platform.python_version(),
        "seed": SEED,
        "runs": RUNS,
        "per_second": found,
    }
    record.write("engine", result)
    print(f"{machine['processor']}, Python {platform.python_version()}, seed {SEED}, median of {RUNS}")
    for kind, value in found.items():
        print(f"{kind:<36}{value:>12,} /s")


if __name__ == "__main__":
    main()
