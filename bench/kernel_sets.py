"""Who of many subaccounts is liquidatable where these are more than sums of legs: the screen against the reference.

    python bench/kernel_sets.py [SUBACCOUNTS]

One book for each rulebook with such a rule: up to two perpetuals and one other asset a subaccount, nearly all of them
safe, one in fifty near the trigger; pools that cap profits pay half of them. Times the float screen with 128 bits for
whoever is within its radius, 128 bits for everybody, and Python's reference on a sample of the same subaccounts; all
must name the same rows. Prints a table and writes `bench/results/kernel_sets.json`: median microseconds per subaccount,
one thread, and ratios within this run.
"""

import platform
import statistics
import sys
import time
from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

import numba
import numpy as np

import record
from ringfence.clearing.liquidity import owed_to_side_q
from ringfence.clearing.model import (
    QUOTE,
    CollateralPool,
    Position,
    Subaccount,
    Venue,
    market_subaccount,
)
from ringfence.clearing.risk import is_liquidatable, subaccount_risk
from ringfence.errors import UnknownValueError
from ringfence.kernel import sets as kernel
from ringfence.kernel.columns import Columns, from_venue
from ringfence.kernel.plan import Plan, plan
from ringfence.kernel.sets_table import Sets, sets_of
from ringfence.questions.listings import listings
from ringfence.venues.rulebook import load

SUBACCOUNTS, DRAWN, RUNS, SEED = 200_000, 2_000, 5, 3
VENUES = ("vertex", "perp-v2", "derive", "derive-pm", "derive-pm2", "gmx-v2")
MARKS = {"BTC": 60_000, "ETH": 3_000}
CLOSE_TO_IT = 50
"""One subaccount in so many has a surplus of at most a thousandth of its notional."""


class Compiled(NamedTuple):
    """A book in columns, and the subaccounts that it repeats."""

    plan: Plan
    sets: Sets
    columns: Columns
    venue: Venue


def drawn(name: str) -> Venue:
    """A venue of a rulebook with subaccounts, the same for the same seed."""
    rules, random = listings(load(name)), Random(SEED)
    venue = Venue(policy=rules.policy)
    for symbol, price in MARKS.items():
        try:
            market = rules.market(symbol)
        except UnknownValueError:  # the rulebook lists it, and does not know all that it asks for
            continue
        market.mark = market.index = price * 10**market.price_decimals
        venue.markets[symbol] = market
        venue.pools.setdefault(market.pool, CollateralPool(market.pool))
    for asset in rules.assets.values():
        if asset.market in venue.markets:
            asset.price = MARKS[asset.market] * 10**asset.price_decimals
            venue.assets[asset.id] = asset
    for number in range(DRAWN):
        found = Subaccount(f"s{number:06}", "desk")
        for market in random.sample(list(venue.markets.values()), random.randint(1, len(venue.markets))):
            worth = 10 ** random.uniform(2, 5) * random.choice((1, -1))
            size_b = int(worth / MARKS[market.id] * 10**4) * 10 ** (market.base_decimals - 4)
            cost_q = int(worth * 10**6 * random.uniform(0.9, 1.1))
            found.positions[market.id] = Position(size_b or 10 ** (market.base_decimals - 4), cost_q, 0)
        if random.random() < 0.5:
            asset = random.choice(list(venue.assets.values()))
            found.balances[asset.id] = random.randint(1, 10**4) * 10 ** (asset.decimals - 4)
        venue.subaccounts[found.id] = found
    traders = list(venue.subaccounts.values())
    add_pools(venue)
    for number, found in enumerate(traders):
        risk = subaccount_risk(venue, found)
        spare = random.uniform(-0.001, 0.001) if number % CLOSE_TO_IT == 0 else random.uniform(0.05, 0.5)
        found.balances[QUOTE] = int(risk.notional_q * spare) - risk.surplus_q
    return venue


def add_pools(venue: Venue) -> None:
    """Liquidity behind the markets that cap profits: as much as pays half of what the side that is ahead is owed."""
    for market in venue.markets.values():
        if market.solvency is None:
            continue
        for held in venue.subaccounts.values():
            position = held.positions.get(market.id)
            if position is not None and position.size_b > 0:
                market.longs = market.longs.changed(position.size_b, position.cost_q)
            elif position is not None:
                market.shorts = market.shorts.changed(position.size_b, position.cost_q)
        owed_q = max(owed_to_side_q(venue, market, market.mark, is_long=is_long) for is_long in (True, False))
        cash_q = owed_q * 1_000_000 // market.solvency.cap_ppm
        pool = Subaccount(market_subaccount(market.id), "pool", system=True, balances={QUOTE: cash_q})
        venue.subaccounts[pool.id] = pool


def repeated(venue: Venue, count: int) -> Compiled:
    """Its subaccounts as often as it takes for `count` rows."""
    found = plan(venue)
    sets, columns = sets_of(venue, found), from_venue(venue, found, netted=True)
    if columns.apart:
        raise SystemExit(f"left out of the columns: {next(iter(columns.apart.values()))}")
    times = -(-count // len(columns))
    blocks = [
        type(block)(*(np.concatenate([column] * times) for column in block)) for block in columns.blocks
    ]
    return Compiled(found, sets, Columns(blocks), venue)


def timed(ask: Callable[[], Any]) -> float:
    """Median seconds."""
    seconds = []
    for _ in range(RUNS):
        began = time.perf_counter()
        ask()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def measure(name: str, count: int) -> dict[str, Any]:
    """Figures of one rulebook."""
    book = repeated(drawn(name), count)
    rows, venue = len(book.columns), book.venue
    screened = kernel.liquidatable(book.plan, book.sets, book.columns)
    exact = kernel.brute(book.plan, book.sets, book.columns)
    due = [each.id for each in venue.subaccounts.values() if is_liquidatable(venue, each)]
    if screened.rows.tolist() != exact.tolist() or len(exact) * len(venue.subaccounts) != len(due) * rows:
        raise SystemExit(f"{name}: the ways do not name the same rows")
    seconds = {
        "screen": timed(lambda: kernel.liquidatable(book.plan, book.sets, book.columns)) / rows,
        "128 bits for everybody": timed(lambda: kernel.brute(book.plan, book.sets, book.columns)) / rows,
        "reference in Python": timed(
            lambda: [is_liquidatable(venue, each) for each in venue.subaccounts.values()]
        )
        / len(venue.subaccounts),
    }
    return {
        "rule": type(book.sets).__name__,
        "subaccounts": rows,
        "liquidatable": len(exact),
        "decided_in_128_bits": screened.exact,
        "microseconds": {way: round(value * 1e6, 4) for way, value in seconds.items()},
        "ratios": {
            "reference / screen": round(seconds["reference in Python"] / seconds["screen"], 1),
            "reference / 128 bits": round(
                seconds["reference in Python"] / seconds["128 bits for everybody"], 1
            ),
            "128 bits / screen": round(seconds["128 bits for everybody"] / seconds["screen"], 2),
        },
    }


def main() -> None:
    """Measure, print, write."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else SUBACCOUNTS
    result: dict[str, Any] = {
        "what": "microseconds per subaccount of deciding a whole book, median of runs, one thread",
        "machine": record.machine(),
        "versions": {"python": platform.python_version(), "numba": numba.__version__},
        "seed": SEED,
        "runs": RUNS,
        "rulebooks": {},
    }
    for name in VENUES:
        result["rulebooks"][name] = found = measure(name, count)
        print(f"{name} ({found['rule']}): {found['liquidatable']:,} of {found['subaccounts']:,} due")
        for way, value in found["microseconds"].items():
            print(f"  {way:<40}{value:>12,.3f} us")
        for way, value in found["ratios"].items():
            print(f"  {way:<40}{value:>12,.1f} x")
    record.write("kernel_sets", result)


if __name__ == "__main__":
    main()
