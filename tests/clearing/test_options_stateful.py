"""Any order of trades, price moves, days, expiries and liquidations of options and perps: money and lots stay."""

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import naive
from clearing.option_world import OPTIONS, OptionWorld, empty_venue, payoff
from ringfence.clearing import command as cmd
from ringfence.clearing import ledger
from ringfence.clearing.log import replay, restore, snapshot, state_hash
from ringfence.clearing.model import QUOTE
from ringfence.clearing.resolve import Fills, resolve
from ringfence.clearing.risk import is_liquidatable, subaccount_risk
from ringfence.clearing.verdict import Accepted

FUZZ = os.environ.get("RINGFENCE_FUZZ") == "1"
people = st.sampled_from(("alice", "bob", "carol", "maker"))
markets = st.sampled_from(("ETH", "SOL", *sorted(OPTIONS)))
options = st.sampled_from(sorted(OPTIONS))
lots = st.integers(-20, 20)
prices = st.sampled_from((4_000, 8_000, 9_500, 10_000, 10_300, 12_000, 20_000)) | st.integers(1, 40_000)


class Venue(RuleBasedStateMachine):
    """Three traders and a maker under a rule that nets per underlying."""

    @initialize()
    def open_the_house(self):
        self.world = OptionWorld()
        for name, amount, weth in (("alice", 60_000, 0), ("bob", 20_000, 3), ("carol", 5_000, 0)):
            self.world.open(name, amount, weth)
        self.world.open("maker", 2_000_000)

    def submit(self, command):
        return self.world.house.submit(command)

    @rule(taker=people, maker=people, market=markets, size=lots, off=st.integers(-30, 30))
    def trade(self, taker, maker, market, size, off):
        mark = self.world.venue.markets[market].mark
        self.submit(cmd.Trade(market, size, max(1, mark + off), taker, maker))

    @rule(who=people, market=markets, size=lots, order=st.sampled_from("ab"))
    def reserve(self, who, market, size, order):
        self.submit(cmd.Reserve(who, order, market, size))

    @rule(who=people, order=st.sampled_from("ab"))
    def release(self, who, order):
        self.submit(cmd.Release(who, order))

    @rule(who=people, percent=st.sampled_from((50, 100)), off=st.integers(-1, 1))
    def withdraw(self, who, percent, off):
        free_q = max(0, self.world.risk(who).free_q)
        verdict = self.submit(cmd.Withdraw(who, QUOTE, free_q * percent // 100 + off))
        if isinstance(verdict, Accepted):
            assert self.world.risk(who).free_q >= 0

    @rule(price=prices, days=st.sampled_from((0, 0, 0, 1, 20)))
    def move(self, price, days):
        self.world.price(price, days=days)

    @rule(market=options, price=prices)
    def expire(self, market, price):
        """What is settled is paid to the atom, by those who owe it or by the pool."""
        before = {name: self.world.sub(name).quote_q for name in ("alice", "bob", "carol", "maker")}
        held = {name: self.world.sub(name).positions.get(market) for name in before}
        debt, fund = self.world.venue.debt_q("main"), self.world.venue.fund_q("main")
        verdict = self.submit(cmd.Expire(market, price))
        due = OPTIONS[market].expiry_ms <= self.world.venue.time_ms
        assert isinstance(verdict, Accepted) == due
        if not due:
            return
        for name, position in held.items():
            paid = position.size_b * payoff(OPTIONS[market], price) if position else 0
            covered = self.world.sub(name).quote_q - before[name] - paid
            assert covered >= 0
            if self.world.sub(name).positions:
                assert covered == 0
        assert self.world.venue.debt_q("main") >= debt
        assert self.world.venue.fund_q("main") <= fund

    @rule(amount=st.integers(1, 50_000))
    def fund_insurance(self, amount):
        self.submit(cmd.FundInsurance("main", amount))

    @rule(victim=people, market=markets, size=st.integers(0, 10))
    def liquidate(self, victim, market, size):
        due = is_liquidatable(self.world.venue, self.world.sub(victim))
        verdict = self.submit(cmd.Liquidate(victim, market, size))
        assert due or not isinstance(verdict, Accepted)

    @rule(slippage=st.sampled_from((0, 20_000)))
    def resolve(self, slippage):
        names = ("alice", "bob", "carol", "maker")
        for command, verdict in resolve(self.world.house, names, Fills(slippage)):
            assert isinstance(verdict, Accepted), command

    @invariant()
    def the_books_balance(self):
        if hasattr(self, "world"):
            ledger.audit(self.world.venue)
            for name in OPTIONS:
                assert self.world.venue.balance_q(f"settlement/{name}") == 0
            assert self.world.venue.balance_q("rounding") >= 0

    @invariant()
    def everybody_is_asked_what_naive_says(self):
        if hasattr(self, "world"):
            venue = self.world.venue
            for sub in venue.subaccounts.values():
                found = subaccount_risk(venue, sub)
                risk = (found.equity_q, found.initial_q, found.maintenance_q, found.notional_q)
                assert risk == naive.risk(venue, sub), sub.id
                assert is_liquidatable(venue, sub) == naive.is_liquidatable(venue, sub), sub.id

    def teardown(self):
        if hasattr(self, "world"):
            again = replay(restore(snapshot(empty_venue())), self.world.house.entries)
            assert again.head == self.world.house.head
            assert state_hash(again.venue) == state_hash(self.world.venue)


TestOptions = pytest.mark.fuzz(Venue.TestCase)
TestOptions.settings = settings(
    max_examples=300 if FUZZ else 15,
    stateful_step_count=50 if FUZZ else 30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
