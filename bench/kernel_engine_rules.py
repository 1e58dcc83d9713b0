"""How fast the batch engine is where subaccounts are judged by more than their own positions; against the reference.

    python bench/kernel_engine_rules.py

Prints a table and writes `bench/results/kernel_engine_rules.json`. For each rulebook with a rule over sets or with
fills that judge whole accounts: a thousand traders, two in three of them with another subaccount of the same account,
hold some twelve positions each in its markets and in options on them. Where the liquidity behind a market caps profits,
they trade with that, each subaccount in one market, and prices rise by a fifth before the commands. Deposits, fills and
withdrawals come 20 : 60 : 20 at random. Both sides run the same commands, as objects, from the same state, must answer
alike and must end in the same state. Seconds of processor time of one thread; the best of several runs of the engine,
one of the reference.
"""

import platform
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import record
from kernel.engine.logs import Log
from ringfence.clearing import command as cmd
from ringfence.clearing.log import Clearinghouse, state_hash
from ringfence.clearing.model import QUOTE, Subaccount, market_subaccount
from ringfence.kernel.engine.engine import Engine
from venues.states import RULEBOOKS

SEED = 20261122
RUNS = 5
TRADERS, FILLS, COMMANDS = 1_000, 12_000, 2_000
SAMPLE = 25
"""Seeds that are tried for a venue with many markets."""
CASH_Q = 10**13
POOL_Q = 10**11
"""Cash behind each market that caps profits: less than its winners are owed."""


class Market(Log):
    """A venue of a rulebook with its traders, and what they ask for."""

    def __init__(self, rulebook: object, seed: int) -> None:
        """Markets and traders with quote alone."""
        super().__init__(rulebook, seed, drawn=False)
        for number in range(TRADERS):
            for name in (f"t{number}", f"t{number}-2")[: 1 + (number % 3 > 0)]:
                self.venue.subaccounts[name] = Subaccount(name, f"t{number}", balances={QUOTE: CASH_Q})
        outside_q = -CASH_Q * len(self.venue.subaccounts)
        self.venue.ledger["outside"] = {QUOTE: outside_q}
        self.names = [*self.venue.subaccounts]

    def parties(self) -> tuple[str, str, str]:
        """Market, taker and maker of a fill."""
        taker, maker = self.random.sample(self.names, 2)
        return self.random.choice(sorted(self.venue.markets)), taker, maker

    def fill(self) -> cmd.Trade:
        """A fill for 100 to 10,000 USD, near the mark."""
        name, taker, maker = self.parties()
        market = self.venue.markets[name]
        price = self.tick(market, market.mark * self.random.randint(995, 1005) // 1000)
        worth_q = self.amount(8, 10)
        lots = worth_q * market.scale.den // (market.scale.num * price * market.step_b) or 1
        size_b = lots * market.step_b * self.random.choice((1, -1))
        return cmd.Trade(name, size_b, price, taker, maker)

    def mix(self) -> list[cmd.AnyCommand]:
        """Deposits, fills and withdrawals."""
        found: list[cmd.AnyCommand] = []
        for kind in self.random.choices((0, 1, 2), (20, 60, 20), k=COMMANDS):
            name, amount = self.random.choice(self.names), self.random.randint(10**6, 10**9)
            asked = cmd.Withdraw if kind else cmd.Deposit
            found.append(self.fill() if kind == 1 else asked(name, QUOTE, amount))
        return found


class Pools(Market):
    """A venue where the liquidity behind each market takes the other side of every fill and caps what it pays."""

    def __init__(self, rulebook: object, seed: int) -> None:
        """As above, with a pool for each market."""
        super().__init__(rulebook, seed)
        for name in map(market_subaccount, self.venue.markets):
            self.venue.subaccounts[name] = Subaccount(name, "venue", None, True, {QUOTE: POOL_Q})
        self.venue.ledger["outside"][QUOTE] -= POOL_Q * len(self.venue.markets)

    def parties(self) -> tuple[str, str, str]:
        """A subaccount trades in one market, with the pool behind it."""
        place, markets = self.random.randrange(len(self.names)), sorted(self.venue.markets)
        market = markets[place % len(markets)]
        return market, self.names[place], market_subaccount(market)

    def rise(self) -> cmd.SetPrices:
        """Every price a fifth higher."""
        for market in self.venue.markets.values():
            market.mark = self.tick(market, market.mark * 6 // 5)
        marks = {name: market.mark for name, market in self.venue.markets.items()}
        return cmd.SetPrices(self.venue.time_ms + 1, self.venue.block + 1, marks)


def caps_profits(rulebook: object) -> bool:
    """Whether the liquidity behind markets of a rulebook caps what traders are paid."""
    markets = Log(rulebook, SEED, drawn=False).venue.markets.values()
    return any(market.solvency is not None for market in markets)


def largest(rulebook: object) -> Market:
    """Of some venues of a rulebook the one with the most markets, options included, that have not expired."""

    def count(seed: int) -> int:
        markets = Log(rulebook, seed, drawn=False).venue.markets.values()
        return sum(each.option is None or each.option.expiry_ms > 10**6 for each in markets)

    kind = Pools if caps_profits(rulebook) else Market
    return kind(rulebook, max(range(SEED, SEED + SAMPLE), key=count))


def measure(rulebook: object) -> dict[str, object]:
    """Commands a second and how many times the reference that is."""
    market = largest(rulebook)
    started = Engine.from_venue(market.venue)
    started.submit([market.fill() for _ in range(FILLS)])
    if isinstance(market, Pools):
        started.submit([market.rise()])
    start, commands = started.to_venue(), market.mix()
    house = Clearinghouse(started.to_venue(), keep_log=False)
    begun = time.process_time()
    wanted = [house.submit(command) for command in commands]
    by_reference, by_engine = time.process_time() - begun, float("inf")
    for _ in range(RUNS):
        engine = Engine.from_venue(start)
        begun = time.process_time()
        verdicts = engine.submit(commands)
        by_engine = min(by_engine, time.process_time() - begun)
    if list(verdicts) != wanted or engine.state_hash() != state_hash(house.venue):
        raise SystemExit(f"{rulebook}: the engine and the reference do not end in the same state")
    return {
        "markets": len(start.markets),
        "options": sum(each.option is not None for each in start.markets.values()),
        "positions": sum(len(each.positions) for each in start.subaccounts.values()),
        "accepted_share": round(sum(hasattr(each, "events") for each in wanted) / COMMANDS, 3),
        "left_to_the_reference": engine.by_reference,
        "commands_per_second": round(COMMANDS / by_engine),
        "times_the_reference": round(by_reference / by_engine, 1),
    }


def main() -> None:
    """Measure, print, write."""
    found = {}
    for rulebook in RULEBOOKS:
        policy = Log(rulebook, SEED, drawn=False).venue.policy
        if policy.set_rule is not None or policy.account_gating != "none" or caps_profits(rulebook):
            found[rulebook.name] = measure(rulebook)
            print(f"{rulebook.name:20}", found[rulebook.name], flush=True)
    what = "the batch engine under rules over sets, accounts and pools, commands as objects, one thread, processor time"
    versions = {"python": platform.python_version(), "seed": SEED, "runs": RUNS}
    record.write("kernel_engine_rules", {"what": what, "machine": record.machine(), **versions, **found})


if __name__ == "__main__":
    main()
