"""Any order of commands by traders, makers, liquidators, attackers and the operator; every rule checked after each.

The auditor of the chaos tests stands at the door, and after every step who is liquidatable is asked of the naive
implementation too. `make fuzz` takes 50,000 steps.
"""

import os
from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import naive
from chaos.nature import Nature
from chaos.world import AuditedHouse
from clearing.world import ONE, POOLS, TEN_FIVE, empty_venue, haircut
from ringfence.clearing import command as cmd
from ringfence.clearing import ledger
from ringfence.clearing.log import replay, restore, snapshot, state_hash
from ringfence.clearing.model import QUOTE, Asset, Market, Option
from ringfence.clearing.policy import Sided, Solvency
from ringfence.clearing.resolve import BACKSTOP, BIDDER, Fills, resolve
from ringfence.clearing.risk import is_liquidatable, subaccount_risk
from ringfence.clearing.verdict import Accepted

FUZZ = os.environ.get("RINGFENCE_FUZZ") == "1"
CALL = "ETH-CALL"
STRIKE, EXPIRY_MS = 105, 20_000
MARKETS = (*POOLS, CALL)
markets = st.sampled_from(sorted(MARKETS))
perps = st.sampled_from(sorted(POOLS))
pools = st.sampled_from(sorted(set(POOLS.values())))
assets = st.sampled_from((QUOTE, QUOTE, "BTC", "WETH"))
lots = st.sampled_from((-60, -25, -10, -5, -1, 1, 5, 10, 25, 60)) | st.integers(-99, 99) | st.just(2**96)
amounts = st.sampled_from((1, 50, 300, 900)) | st.integers(1, 5_000) | st.sampled_from((-1, 0, 2**96))
prices = st.sampled_from((40, 70, 85, 93, 97, 100, 103, 108, 120, 160)) | st.integers(1, 300)


def stateful_venue(nature):
    """The small venue with requirements of all shapes, an option on ETH, and WETH, which follows ETH.

    Now and then the other side of ETH is a pool of liquidity that pays profits only up to a share of what it holds.
    """
    venue = empty_venue(nature.policy())
    for market in venue.markets.values():
        market.requirement = nature.maybe(nature.requirement(), TEN_FIVE)
        market.close_cost = nature.maybe(nature.close_cost(), None)
        market.minimum_margin_q = nature.maybe(7)
        market.minimum_margin_as = nature.maybe("floor_with_fees", "added")
        market.leverage_checked = nature.maybe("opening", "always")
        market.margin_locked = nature.maybe(value=True, otherwise=False)
    venue.markets["ETH"].solvency = nature.maybe(Solvency(400_000, 300_000, 100_000), None)
    option = Option("ETH", STRIKE, call=True, expiry_ms=EXPIRY_MS)
    venue.markets[CALL] = Market(CALL, ONE, TEN_FIVE, POOLS["ETH"], option=option)
    weights = Sided(100, 50, 150, 75, 1_000)
    venue.assets["WETH"] = Asset("WETH", ONE, haircut(0), weights=weights, market="ETH")
    return venue


class Venue(RuleBasedStateMachine):
    """Three people with a cross subaccount and a child each, a liquidator, an attacker, and a backstop."""

    who = st.integers(0, 20)
    """Somebody, counted through in the order of names."""

    @initialize(seed=st.integers(0, 2**32 - 1))
    def open_the_house(self, seed):
        """A random policy; everybody is there from the start."""
        self.nature = Nature(Random(seed))
        venue = stateful_venue(self.nature)
        self.start, self.house = snapshot(venue), AuditedHouse(venue)
        self.time = self.block = 0
        for name in (*(f"market/{name}" for name in (*MARKETS, "BTC", "WETH")), BACKSTOP, BIDDER):
            self.house.require(cmd.OpenSubaccount(name, "venue", None, True))
        self.house.require(cmd.Deposit("market/ETH", QUOTE, 5_000))
        self.set_prices(dict.fromkeys(POOLS, 100), 1_000, 1, 4)
        for person, cash in (
            ("trader", 3_000),
            ("maker", 20_000),
            ("liquidator", 5_000),
            ("attacker", 1_000),
        ):
            child = f"{person}.child"
            self.house.require(cmd.OpenSubaccount(person, person))
            self.house.require(cmd.OpenSubaccount(child, person, person))
            self.house.require(cmd.Deposit(person, QUOTE, cash))
        for taker, market, size in (
            ("trader", "ETH", 90),
            ("trader.child", "SOL", -80),
            ("attacker.child", "ARB", 60),
        ):
            self.house.submit(cmd.Trade(market, size, 100, taker, "maker"))

    def anyone(self, number):
        names = sorted(self.house.venue.subaccounts)
        return names[number % len(names)]

    def trader(self, number):
        names = [name for name, sub in sorted(self.house.venue.subaccounts.items()) if not sub.system]
        return names[number % len(names)]

    def holder(self, number):
        """Somebody who holds a position, and its market."""
        held = [
            (name, m)
            for name, sub in sorted(self.house.venue.subaccounts.items())
            for m in sorted(sub.positions)
        ]
        return held[number % len(held)] if held else ("trader", "ETH")

    def resting(self, number):
        """Somebody's resting order."""
        subs = sorted(self.house.venue.subaccounts.items())
        orders = [(name, order) for name, sub in subs for order in sorted(sub.orders)]
        return orders[number % len(orders)] if orders else ("trader", "none")

    def auctioned(self, number):
        """Somebody under auction, or anybody."""
        subs = sorted(self.house.venue.subaccounts.items())
        names = [name for name, sub in subs if sub.auction is not None]
        return names[number % len(names)] if names else self.trader(number)

    def about(self, name, percent, off):
        """An amount near a share of what is free, down to the atom."""
        free_q = max(0, subaccount_risk(self.house.venue, self.house.venue.subaccounts[name]).free_q)
        return free_q * percent // 100 + off

    # --- traders and makers -------------------------------------------------------------------------------------------

    @rule(taker=who, maker=who, market=markets, size=lots, off=st.integers(-3, 3))
    def trade(self, taker, maker, market, size, off):
        price = max(1, self.house.venue.markets[market].mark + off)
        self.house.submit(cmd.Trade(market, size, price, self.trader(taker), self.trader(maker)))

    @rule(taker=who, maker=who, percent=st.sampled_from((-200, -100, -50, 50)))
    def trade_what_is_held(self, taker, maker, percent):
        """Close, halve, flip or add to a position."""
        name, market = self.holder(taker)
        held = self.house.venue.subaccounts[name].positions.get(market)
        size = held.size_b * percent // 100 if held else 1
        self.house.submit(
            cmd.Trade(market, size, self.house.venue.markets[market].mark, name, self.trader(maker))
        )

    @rule(name=who, order=st.sampled_from("abc"), market=markets, size=lots)
    def reserve(self, name, order, market, size):
        self.house.submit(cmd.Reserve(self.trader(name), order, market, size))

    @rule(taker=who, number=who, share=st.integers(1, 4))
    def fill_an_order(self, taker, number, share):
        maker, order = self.resting(number)
        held = self.house.venue.subaccounts[maker].orders.get(order)
        market, size = (held.market, -(held.size_b // share)) if held else ("ETH", 1)
        price = self.house.venue.markets[market].mark
        self.house.submit(cmd.Trade(market, size, price, self.trader(taker), maker, None, order))

    @rule(number=who)
    def release(self, number):
        self.house.submit(cmd.Release(*self.resting(number)))

    @rule(name=who, market=markets, num=st.integers(-1, 30), den=st.integers(0, 3))
    def set_leverage(self, name, market, num, den):
        self.house.submit(cmd.SetLeverage(self.trader(name), market, num, den))

    @rule(name=who, asset=assets, amount=amounts)
    def deposit(self, name, asset, amount):
        self.house.submit(cmd.Deposit(self.trader(name), asset, amount if asset == QUOTE else amount % 9))

    @rule(name=who, asset=assets, percent=st.sampled_from((10, 50, 100)), off=st.integers(-1, 1))
    def withdraw(self, name, asset, percent, off):
        who = self.trader(name)
        amount = self.about(who, percent, off) if asset == QUOTE else 1
        self.house.submit(cmd.Withdraw(who, asset, amount))

    @rule(
        name=who,
        out=st.booleans(),
        asset=assets,
        percent=st.sampled_from((10, 50, 100)),
        off=st.integers(-1, 1),
    )
    def transfer(self, name, out, asset, percent, off):
        """Between a person and the child; or to anybody, which is refused."""
        giver = self.trader(name)
        child = f"{giver.partition('.')[0]}.child"
        taker = child if giver != child and out else giver.partition(".")[0]
        amount = self.about(giver, percent, off) if asset == QUOTE else 1
        self.house.submit(cmd.TransferMargin(giver, taker, asset, amount))

    # --- liquidators and attackers: at anybody, with anything ---------------------------------------------------------

    @rule(victim=who, taker=who, size=st.integers(0, 60), price=st.just(0) | prices, own=st.booleans())
    def liquidate(self, victim, taker, size, price, own):
        name, market = self.holder(victim)
        self.house.submit(cmd.Liquidate(name, market, size, price, "" if own else self.trader(taker)))

    @rule(victim=who, taker=who, own=st.booleans())
    def take_over(self, victim, taker, own):
        self.house.submit(cmd.TakeOver(self.holder(victim)[0], BACKSTOP if own else self.anyone(taker)))

    @rule(victim=who)
    def start_auction(self, victim):
        self.house.submit(cmd.StartAuction(self.holder(victim)[0]))

    @rule(victim=who, taker=who, share=st.sampled_from((10**17, 10**18 // 3, 10**18)))
    def bid(self, victim, taker, share):
        self.house.submit(cmd.Bid(self.auctioned(victim), self.anyone(taker), share))

    @rule(victim=who, end=st.booleans())
    def convert_or_end_an_auction(self, victim, end):
        self.house.submit((cmd.EndAuction if end else cmd.ConvertAuction)(self.auctioned(victim)))

    @rule(victim=who, asset=st.sampled_from(("BTC", "WETH")))
    def sell_collateral(self, victim, asset):
        self.house.submit(cmd.SellCollateral(self.anyone(victim), asset))

    @rule(taker=who, size=lots)
    def trade_with_the_pool(self, taker, size):
        price = self.house.venue.markets["ETH"].mark
        self.house.submit(cmd.Trade("ETH", size, price, self.trader(taker), "market/ETH"))

    @rule(market=markets, is_long=st.booleans())
    def relieve_a_pool(self, market, is_long):
        self.house.submit(cmd.RelievePool(market, is_long))

    @rule(victim=who, old=st.booleans())
    def draw_insurance(self, victim, old):
        name, market = self.holder(victim)
        pool = self.house.venue.markets[market].pool
        self.house.submit(cmd.DrawInsurance(pool) if old else cmd.DrawInsurance(pool, name, market))

    @rule(victim=who, draw=st.integers(0, 9))
    def deleverage(self, victim, draw):
        self.house.submit(cmd.Deleverage(*self.holder(victim), draw))

    @rule(pool=pools)
    def socialize(self, pool):
        self.house.submit(cmd.Socialize(pool))

    @rule(parent=who, new=st.integers(0, 3))
    def open_subaccount(self, parent, new):
        name = self.trader(parent)
        account = self.house.venue.subaccounts[name].account
        self.house.submit(cmd.OpenSubaccount(f"{account}.{new}", account, name))

    # --- the operator -------------------------------------------------------------------------------------------------

    @rule(
        marks=st.dictionaries(perps, prices, min_size=1),
        btc=st.integers(100, 2_000),
        blocks=st.integers(0, 2),
        over=st.integers(1, 9),
    )
    def set_prices(self, marks, btc, blocks, over):
        """WETH and the option follow ETH: the option is worth what it would pay now, and something over it."""
        self.time, self.block = self.time + 700, self.block + blocks
        eth = marks.get("ETH", self.house.venue.markets["ETH"].mark)
        told = marks | {CALL: max(0, eth - STRIKE) + over}
        self.house.submit(cmd.SetPrices(self.time, self.block, told, {}, {"BTC": btc, "WETH": eth}))

    @rule(price=prices)
    def expire(self, price):
        self.house.submit(cmd.Expire(CALL, price))

    @rule(hours=st.integers(1, 6), market=markets)
    def wait_or_settle(self, hours, market):
        """Time passes without a block, or (rarely) a market is settled for good."""
        if hours < 6:
            self.time += hours * 1_000
            self.house.submit(cmd.SetPrices(self.time, self.block, {}))
        else:
            self.house.submit(cmd.SettleMarket(market))

    @rule(market=perps, rate=st.integers(-100_000, 100_000))
    def accrue_funding(self, market, rate):
        self.house.submit(cmd.AccrueFunding(market, rate))

    @rule(pool=pools, amount=amounts)
    def fund_insurance(self, pool, amount):
        self.house.submit(cmd.FundInsurance(pool, amount))

    @rule(market=markets, seed=st.integers(0, 2**16), minimum=st.integers(-1, 20))
    def change_requirement(self, market, seed, minimum):
        shape = Nature(Random(seed)).requirement() if seed % 3 else TEN_FIVE
        self.house.submit(cmd.ChangeRequirement(market, shape, minimum))

    @rule(seed=st.integers(0, 2**16))
    def change_policy(self, seed):
        self.house.submit(cmd.ChangePolicy(Nature(Random(seed)).policy()))

    @rule(slippage=st.sampled_from((0, 0, 20_000)), draw=st.integers(0, 9), bid=st.sampled_from((0, 10**6)))
    def resolve(self, slippage, draw, bid):
        fills = Fills(slippage, draw, bid)
        for command, verdict in resolve(self.house, list(self.house.venue.subaccounts), fills):
            assert isinstance(verdict, Accepted), command

    # --- always -------------------------------------------------------------------------------------------------------

    @invariant()
    def the_books_balance(self):
        if hasattr(self, "house"):
            ledger.audit(self.house.venue)

    @invariant()
    def who_is_liquidatable_is_what_naive_says(self):
        if hasattr(self, "house"):
            venue = self.house.venue
            for name, sub in venue.subaccounts.items():
                assert is_liquidatable(venue, sub) == naive.is_liquidatable(venue, sub), name

    def teardown(self):
        if hasattr(self, "house"):
            again = replay(restore(self.start), self.house.entries)
            assert again.head == self.house.head
            assert state_hash(again.venue) == state_hash(self.house.venue)


TestVenue = pytest.mark.fuzz(Venue.TestCase)
TestVenue.settings = settings(
    max_examples=1_000 if FUZZ else 30,
    stateful_step_count=50 if FUZZ else 40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
