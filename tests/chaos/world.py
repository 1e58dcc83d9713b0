"""A random venue, random traders and a random crash; one seed is one world, and every command goes past the auditor.

    PYTHONPATH=src:tests python -m chaos.world SEED      # run one crash again and tell it line by line

Markets, requirements, pools, policies and partitions are drawn at random. Four roles act: traders open and close,
makers take the other side with resting orders, liquidators take lots of sick subaccounts, and attackers ask for what
should be refused. Prices wander and jump; after every price all that is due is done.
"""

import sys
from random import Random

from chaos.auditor import Auditor
from chaos.nature import Nature
from ringfence.clearing import command as cmd
from ringfence.clearing import ledger
from ringfence.clearing.log import Clearinghouse, replay, restore, snapshot, state_hash
from ringfence.clearing.model import QUOTE
from ringfence.clearing.resolve import BACKSTOP, BIDDER, Fills, resolve
from ringfence.clearing.verdict import Accepted

STEPS = 40
PASSES = 9
"""What is done for one subaccount may hurt another that was looked at before."""


class AuditedHouse(Clearinghouse):
    """A clearinghouse with an auditor at the door."""

    def __init__(self, venue):
        super().__init__(venue)
        self.auditor = Auditor(venue)
        self.refusals = {}

    def submit(self, command):
        verdict = super().submit(command)
        accepted = isinstance(verdict, Accepted)
        self.auditor.check(command, verdict.events if accepted else verdict.reason.name, self.venue)
        if not accepted:
            self.refusals[verdict.reason] = self.refusals.get(verdict.reason, 0) + 1
        return verdict


class Crash:
    """One world from its seed to its end."""

    def __init__(self, seed, tell=None):
        self.seed, self.random = seed, Random(seed)
        self.nature = Nature(self.random)
        self.house = AuditedHouse(self.nature.venue())
        self.start = snapshot(self.house.venue)
        self.tell = tell or (lambda _line: None)
        self.time, self.block = 0, 0
        self.prices, self.children = {}, {}

    @property
    def venue(self):
        return self.house.venue

    def submit(self, command):
        verdict = self.house.submit(command)
        accepted = isinstance(verdict, Accepted)
        self.tell(f"{command} -> {'accepted' if accepted else verdict.sentence}")
        return accepted

    def run(self):
        self.populate()
        actions = (self.trade, self.trade, self.order, self.money, self.attack, self.liquidator)
        for _ in range(STEPS):
            for action in self.random.sample(actions, 4):
                action()
            if self.random.random() < 0.5:
                self.move_prices()
                self.due()
            if self.random.random() < 0.15:
                self.operator()
        self.finish()
        return self

    # --- the beginning ------------------------------------------------------------------------------------------------

    def populate(self):
        for name in (*self.venue.markets, *self.venue.assets):
            self.submit(cmd.OpenSubaccount(f"market/{name}", "venue", None, True))
        self.submit(cmd.OpenSubaccount(BACKSTOP, "venue", None, True))
        self.submit(cmd.OpenSubaccount(BIDDER, "venue", None, True))
        self.submit(cmd.Deposit(BACKSTOP, QUOTE, 100_000))
        for pool in self.venue.pools:
            if self.random.random() < 0.7:
                self.submit(cmd.FundInsurance(pool, self.random.choice((1, 1_000, 100_000))))
        for name in self.pooled():
            self.submit(cmd.Deposit(f"market/{name}", QUOTE, self.random.choice((100_000, 1_000_000))))
            self.submit(cmd.Deposit(f"market/{name}", "WETH", self.random.randint(1, 100)))
        perps = [name for name, market in self.venue.markets.items() if market.option is None]
        self.prices = {name: self.random.randint(50, 2_000) for name in perps}
        self.prices["BTC"] = 10_000
        self.set_prices()
        for role, count, cash in (("trader", 5, 20_000), ("maker", 2, 400_000), ("liquidator", 1, 100_000)):
            for number in range(count):
                self.person(f"{role}{number}", cash)
        self.person("attacker", 10_000)

    def person(self, name, cash):
        """Cross: one subaccount. Isolated: an empty child per market. Hybrid: some children, the rest in the parent."""
        self.submit(cmd.OpenSubaccount(name, name))
        self.submit(cmd.Deposit(name, QUOTE, self.random.randint(cash // 4, cash)))
        for asset, most in (("BTC", 5), ("WETH", 30)):
            if self.random.random() < 0.3:
                self.submit(cmd.Deposit(name, asset, self.random.randint(1, most)))
        own = {"cross": 0.0, "isolated": 1.0, "hybrid": 0.5}[
            self.random.choice(("cross", "isolated", "hybrid"))
        ]
        for market in self.venue.markets:
            if self.random.random() < own:
                child = f"{name}.{market}"
                self.submit(cmd.OpenSubaccount(child, name, name))
                self.children[name, market] = child
                if self.random.random() < 0.5:
                    self.submit(cmd.SetLeverage(child, market, self.random.randint(1, 10)))

    # --- roles --------------------------------------------------------------------------------------------------------

    def pooled(self):
        """Markets in which a pool of liquidity is the counterparty."""
        return [name for name, market in self.venue.markets.items() if market.solvency is not None]

    def people(self, *roles):
        names = [n for n, sub in self.venue.subaccounts.items() if not sub.system and not sub.parent]
        return [name for name in names if name.startswith(roles)] if roles else names

    def seat(self, person, market):
        """The subaccount in which somebody trades a market."""
        return self.children.get((person, market), person)

    def size(self, market):
        step = self.venue.markets[market].step_b
        worth = (
            self.venue.markets[market].scale.num * self.prices[market] // self.venue.markets[market].scale.den
        )
        most = max(1, 60_000 // max(1, worth) // step)
        return self.random.randint(1, most) * step * self.random.choice((1, -1))

    def trade(self):
        market = self.random.choice(list(self.venue.markets))
        taker, maker = self.random.sample(self.people("trader", "maker", "attacker"), 2)
        size, seat = self.size(market), self.seat(taker, market)
        held = self.venue.subaccounts[seat].positions.get(market)
        if held and self.random.random() < 0.4:
            size = -held.size_b
        price = max(1, self.prices[market] * self.random.choice((99, 100, 100, 100, 101)) // 100)
        in_pool = market in self.pooled() and self.random.random() < 0.7
        other = f"market/{market}" if in_pool else self.seat(maker, market)
        orders = [
            key for key, order in self.venue.subaccounts[other].orders.items() if order.market == market
        ]
        order = self.random.choice(orders) if orders and self.random.random() < 0.5 else None
        self.submit(cmd.Trade(market, size, price, seat, other, None, order))

    def order(self):
        person, market = (
            self.random.choice(self.people("maker", "trader")),
            self.random.choice(list(self.venue.markets)),
        )
        seat = self.seat(person, market)
        orders = self.venue.subaccounts[seat].orders
        if orders and self.random.random() < 0.5:
            self.submit(cmd.Release(seat, self.random.choice(list(orders))))
        else:
            self.submit(cmd.Reserve(seat, str(self.random.randrange(10**6)), market, self.size(market)))

    def money(self):
        person, market = self.random.choice(self.people()), self.random.choice(list(self.venue.markets))
        seat, amount = self.seat(person, market), self.random.randint(1, 5_000)
        asset, amount = self.random.choice(((QUOTE, amount), (QUOTE, amount), ("BTC", 1), ("WETH", 2)))
        self.submit(
            self.random.choice(
                (
                    cmd.Deposit(person, asset, amount),
                    cmd.Withdraw(person, asset, amount),
                    cmd.TransferMargin(person, seat, asset, amount),
                    cmd.TransferMargin(seat, person, asset, amount),
                    cmd.SetLeverage(seat, market, self.random.randint(1, 20)),
                )
            )
        )

    def liquidator(self):
        """Takes lots of whoever has a position: accepted only of the sick."""
        victim = self.random.choice(list(self.venue.subaccounts))
        held = list(self.venue.subaccounts[victim].positions)
        if held:
            market = self.random.choice(held)
            taker = self.seat(self.random.choice(self.people("liquidator")), market)
            price = self.prices[market] * self.random.randint(90, 100) // 100
            self.submit(
                cmd.Liquidate(victim, market, abs(self.size(market)), price, self.random.choice((taker, "")))
            )

    def attack(self):
        """Anything: mostly nonsense, sometimes something that would pay if it were let through."""
        me, random = self.random.choice(self.people("attacker")), self.random
        anyone, market = random.choice(list(self.venue.subaccounts)), random.choice(list(self.venue.markets))
        pool, big = random.choice(list(self.venue.pools)), random.choice((-1, 0, 1, 7, 2**64, 2**95, 2**96))
        self.submit(
            random.choice(
                (
                    cmd.Withdraw(me, QUOTE, big),
                    cmd.Deposit(me, "NONE", 5),
                    cmd.TransferMargin(anyone, me, QUOTE, 100),
                    cmd.Trade(market, big, random.choice((1, big)), me, anyone),
                    cmd.Reserve(me, "x", market, big),
                    cmd.Liquidate(anyone, market, 0, 1, me),
                    cmd.TakeOver(anyone, me),
                    cmd.SellCollateral(anyone, random.choice(("BTC", "WETH"))),
                    cmd.StartAuction(anyone),
                    cmd.Bid(anyone, me, big),
                    cmd.Bid(anyone, me, 10**17),
                    cmd.ConvertAuction(anyone),
                    cmd.EndAuction(anyone),
                    cmd.DrawInsurance(pool, anyone, market),
                    cmd.DrawInsurance(pool),
                    cmd.Deleverage(anyone, market, random.randrange(10)),
                    cmd.Socialize(pool),
                    cmd.RelievePool(market, random.choice((True, False))),
                    cmd.Expire(market, big),
                    cmd.SetGrids(market, {}),
                    cmd.SetPrices(self.time - 1, 0, {market: big}),
                    cmd.AccrueFunding(market, big),
                    cmd.OpenSubaccount(anyone, "attacker", me),
                    cmd.SetLeverage(me, market, big, random.choice((1, big))),
                )
            )
        )

    # --- the world ----------------------------------------------------------------------------------------------------

    def set_prices(self):
        self.time += self.random.choice((500, 500, 500, 500, 500, 4_500))
        self.block += self.random.randint(0, 1)
        self.prices |= {name: self.worth_of(market) for name, market in self.options()}
        marks = {name: self.prices[name] for name in self.venue.markets}
        indexes = {name: max(1, mark * self.random.randint(97, 103) // 100) for name, mark in marks.items()}
        assets = {"BTC": self.prices["BTC"], "WETH": self.prices["ETH"]}
        self.submit(cmd.SetPrices(self.time, self.block, marks, self.nature.maybe(indexes, {}), assets))
        for name, market in self.options():
            if self.time >= market.option.expiry_ms and market.open_interest_b:
                self.submit(cmd.Expire(name, self.prices["ETH"]))

    def options(self):
        return [(name, market) for name, market in self.venue.markets.items() if market.option]

    def worth_of(self, market):
        """What it would pay now, and something for what may come."""
        now, option = self.prices[market.option.underlying], market.option
        return max(0, now - option.strike if option.call else option.strike - now) + now // 20 + 1

    def move_prices(self):
        """Mostly a few per cent; sometimes half of it is gone, or it doubles."""
        for name, price in self.prices.items():
            if name in self.venue.markets and self.venue.markets[name].option:
                continue
            step = self.random.choice((0.98, 0.99, 1.0, 1.01, 1.02, 0.93, 1.07, 0.5, 1.9))
            self.prices[name] = min(max(5, int(price * step)), 50_000)
        self.set_prices()

    def due(self):
        """Do what is due until nothing is, and look at who is left."""
        fills = Fills(self.random.choice((0, 0, 5_000, 50_000)), self.random.randrange(100))
        for _ in range(PASSES):
            done = resolve(self.house, list(self.venue.subaccounts), fills)
            for command, _ in done:
                self.tell(f"due: {command}")
            if not done:
                break
        self.house.auditor.settled(everybody=self.nothing_in_the_way())

    def nothing_in_the_way(self):
        """No limit, no cooldown, and a last step of the waterfall that always works: nobody may stay insolvent."""
        policy, close = self.venue.policy, self.venue.policy.liquidation
        limits = (
            close.block_liquidations,
            close.block_deleveragings,
            close.block_subaccount_q,
            close.block_insurance_q,
            close.cooldown_ms,
        )
        settling = any(market.settling for market in self.venue.markets.values())
        if any(limits) or close.limit != "none" or close.auction is not None or settling:
            return False
        shared = policy.insurance == "continuous" and "socialize" in policy.waterfall
        return shared or "counterparty" in policy.waterfall

    def operator(self):
        market, pool = (
            self.random.choice(list(self.venue.markets)),
            self.random.choice(list(self.venue.pools)),
        )
        self.submit(
            self.random.choice(
                (
                    cmd.AccrueFunding(market, self.random.randint(-2_000, 2_000)),
                    cmd.AccrueFunding(market, self.random.randint(-2_000, 2_000)),
                    cmd.ChangeRequirement(market, self.nature.requirement(), self.nature.maybe(50)),
                    cmd.ChangePolicy(self.nature.policy()),
                    self.nature.maybe(cmd.SettleMarket(market), cmd.AccrueFunding(market, 100)),
                    cmd.FundInsurance(pool, self.random.randint(1, 50_000)),
                )
            )
        )

    def finish(self):
        """The log replays to the same state, a snapshot restores it, and the books balance."""
        ledger.audit(self.venue)
        again = replay(restore(self.start), self.house.entries)
        assert again.head == self.house.head
        assert state_hash(again.venue) == state_hash(restore(snapshot(self.venue))) == state_hash(self.venue)


if __name__ == "__main__":
    Crash(int(sys.argv[1]), tell=print).run()
