"""Liquidation by flag and windows: everything is seized at once, positions are closed at the pace of their market."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from clearing.world import PPM, World, found, liquidation, moved
from ringfence.clearing import command as cmd
from ringfence.clearing import event as ev
from ringfence.clearing.decide import valid_policy
from ringfence.clearing.model import QUOTE
from ringfence.clearing.policy import Policy, Tier, Tiered, Window
from ringfence.clearing.risk import is_liquidatable
from ringfence.clearing.solve import liquidation_price
from ringfence.clearing.verdict import Accepted, Reason
from ringfence.clearing.windows import capacity_b, skew_b

BY_WINDOW = liquidation(Policy(waterfall=("counterparty",)), size="window")
FEES = 10_000
"""Of the venue's tests: 0.7 % and 0.3 %, so that a skew scale of 1,000 lets 10 lots go in a second."""
EVERYTHING = Tiered((Tier(0, 100, 100, 0),), 100)
"""Asks for all of a position's worth."""


def holding(*sizes, window, policy=BY_WINDOW):
    """`trader0`, `trader1` ... hold so many ETH, bought from the counterparty, and are all liquidatable."""
    world = World(policy, window=window)
    for at, size in enumerate(sizes):
        world.open(f"trader{at}", 2_000)
        world.trade("ETH", size, f"trader{at}", "market/ETH")
    world.ok(cmd.ChangeRequirement("ETH", EVERYTHING))
    return world


def wait_until(world, second):
    """The clock of the world is a block and a second ahead of that of the venue's test."""
    world.price(blocks=second + 2 - world.block)


def called(world, name, endorsed=False):
    """Lots that a keeper's call closes."""
    before = abs(world.lots(name))
    verdict = world.house.submit(cmd.Liquidate(name, "ETH", endorsed=endorsed))
    assert isinstance(verdict, Accepted) or verdict.reason == Reason.BLOCK_LIMIT
    return before - abs(world.lots(name))


# Synthetix v3 markets/perps-market/test/integration/Liquidation/Liquidation.maxLiquidationAmount*.test.ts: positions,
# multiplier of the window and its largest premium, then calls as (second, position, lots closed).
PUBLISHED = {
    "100 in any ten seconds, two accounts": (
        (150, 150),
        (1_000_000, 0),
        [(0, 0, 100), (1, 0, 0), (6, 0, 0), (11, 0, 50), (12, 1, 50), (23, 1, 100)],
    ),
    "without a premium a window stays shut": ((90,), (250_000, 0), [(0, 0, 25), (1, 0, 0)]),
    "in an even market it opens once per block": (
        (65, -25),
        (250_000, 60_000),
        [(20, 0, 25), (21, 0, 25), (21, 0, 0), (21, 0, 0), (22, 0, 15), (23, 1, 25)],
    ),
    "not in an uneven one": ((90,), (250_000, 60_000), [(0, 0, 25), (1, 0, 0), (10, 0, 25), (11, 0, 25)]),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_venues_own_windows(name):
    sizes, (multiplier_ppm, premium_ppm), calls = PUBLISHED[name]
    world = holding(*sizes, window=Window(1_000, FEES, multiplier_ppm, 10_000, premium_ppm))
    assert capacity_b(world.venue.markets["ETH"].window) == 100 * multiplier_ppm // PPM
    for second, trader, closed in calls:
        wait_until(world, second)
        assert called(world, f"trader{trader}") == closed


def test_the_first_account_goes_from_150_over_50_to_nothing():
    """The published row, done by the keeper: 150, 50, 50, 0."""
    world = holding(150, window=Window(1_000, FEES, PPM, 10_000))
    sizes = [world.lots("trader0")]
    for second in (0, 1, 11):
        wait_until(world, second)
        world.resolve()
        sizes.append(world.lots("trader0"))
    assert sizes == [150, 50, 50, 0]


def test_an_endorsed_liquidator_needs_no_window():
    world = holding(90, 40, window=Window(1_000, FEES, 250_000, 10_000, 60_000))
    assert called(world, "trader0", endorsed=True) == 90
    assert called(world, "trader1") == 0  # what he closed counts
    assert world.venue.subaccounts["trader1"].flagged


def test_a_market_without_a_window_closes_at_once():
    world = holding(150, window=None)
    assert called(world, "trader0") == 150


# -- what is seized -----------------------------------------------------------------------------------------------


def sick():
    """`victim`, short of 300, holds 100 ETH and is short 30 SOL at 100, with 2 BTC and an order: 520 of equity.

    ETH went to 91 and SOL to 102; the window lets 60 ETH go in six seconds.
    """
    world = World(BY_WINDOW, window=Window(1_000, FEES, PPM, 6_000))
    world.open("victim", 400, btc=2)
    world.open("victim.child", 50, parent="victim")
    world.trade("ETH", 100, "victim", "market/ETH")
    world.trade("SOL", -30, "victim", "market/SOL")
    world.ok(cmd.Withdraw("victim", QUOTE, 700))
    world.ok(cmd.Reserve("victim", "ask", "ETH", -10))
    world.price(ETH=91, SOL=102)
    return world


def flagged():
    world = sick()
    world.ok(cmd.Liquidate("victim", "ETH"))
    return world


def cost(world, name):
    return sum(held.cost_q for held in world.venue.subaccounts[name].positions.values())


def test_flagging_seizes_everything_but_lots_at_cost():
    world = sick()
    equity, pool = world.equity("victim"), world.equity("market/ETH")
    events = world.ok(cmd.Liquidate("victim", "ETH"))
    victim = world.venue.subaccounts["victim"]
    assert [event.equity_q for event in found(events, ev.Flagged)] == [equity] == [540]
    # the pool takes 2 BTC and pays the debt of 300, and takes 60 lots over at 100
    assert moved(events, "seizure") == [
        ("sub/victim", "sub/market/ETH", 2),
        ("sub/market/ETH", "sub/victim", 300),
    ]
    assert moved(events, "liquidation") == [("sub/market/ETH", "sub/victim", 6_000)]
    assert (world.lots("victim"), world.lots("victim", "SOL")) == (40, -30)
    assert (victim.flagged, victim.orders) == (True, {})
    assert victim.balances == {QUOTE: -(4_000 - 3_000)}
    # what it still seems to have is what its open positions have lost, and that is the pool's as well
    assert world.equity("victim") == -40 * 9 - 30 * 2
    assert world.equity("market/ETH") - pool == equity - world.equity("victim")


def test_a_recovery_does_not_unflag():
    world = flagged()
    world.price(ETH=140, SOL=100)
    assert world.equity("victim") == 40 * 40
    assert is_liquidatable(world.venue, world.venue.subaccounts["victim"])
    assert liquidation_price(world.venue, world.venue.subaccounts["victim"], "ETH") is None
    world.price(blocks=6)
    assert world.resolve() == ["Liquidate", "Liquidate"]
    assert world.venue.subaccounts["victim"].positions == world.venue.subaccounts["victim"].balances == {}
    assert not world.venue.subaccounts["victim"].flagged


@pytest.mark.parametrize(
    "command",
    [
        cmd.Withdraw("victim", QUOTE, 1),
        cmd.TransferMargin("victim", "victim.child", QUOTE, 1),
        cmd.Reserve("victim", "bid", "ETH", 1),
        cmd.Trade("ETH", -1, 91, "victim", "market/ETH"),
        cmd.Trade("ETH", 1, 91, "market/ETH", "victim"),
        cmd.TakeOver("victim", "backstop"),
        cmd.SellCollateral("victim", "BTC"),
        cmd.Deleverage("victim", "ETH"),
    ],
    ids=repr,
)
def test_nothing_else_may_be_done_with_it(command):
    world = flagged()
    world.venue.policy = liquidation(Policy(), backstop_num=1)  # even where the venue offers it
    world.ok(cmd.Deposit("victim", "BTC", 1))
    world.no(command, Reason.FLAGGED)


def test_a_child_does_not_draw_on_it():
    world = flagged()
    world.no(cmd.Trade("ETH", 10, 91, "victim.child", "market/ETH"), Reason.FLAGGED)


def test_what_is_deposited_later_stays_with_its_owner():
    world = flagged()
    world.ok(cmd.Deposit("victim", QUOTE, 77))
    world.price(ETH=60, blocks=6)
    world.resolve()
    assert world.venue.subaccounts["victim"].balances == {QUOTE: 77}
    world.ok(cmd.Withdraw("victim", QUOTE, 77))


def test_funding_after_the_flag_is_the_counterpartys():
    world = flagged()
    world.ok(cmd.AccrueFunding("ETH", 10_000))  # 0.91 for each of 40 lots
    world.price(blocks=6)
    events = world.ok(cmd.Liquidate("victim", "ETH"))
    assert moved(events, "seizure") == [("sub/market/ETH", "sub/victim", 37)]  # rounded against the position
    assert world.quote("victim") == -cost(world, "victim") == 3_000


def test_a_used_window_flags_all_the_same():
    """Otherwise whoever is behind another account in the queue could still get away."""
    world = flagged()
    world.open("other", 60)
    world.trade("ETH", 4, "other", "market/ETH")
    world.price(ETH=78, blocks=1)
    events = world.ok(cmd.Liquidate("other", "ETH"))
    assert found(events, ev.Flagged)
    assert not found(events, ev.Liquidated)
    assert (world.lots("other"), world.quote("other")) == (4, -364)
    world.no(cmd.Liquidate("other", "ETH"), Reason.BLOCK_LIMIT)


def test_collateral_is_not_sold_to_save_an_account_from_the_flag():
    world = sick()
    assert world.resolve() == ["Liquidate", "Liquidate"]
    assert world.venue.subaccounts["market/ETH"].balances["BTC"] == 2


def test_a_backstop_comes_before_the_sale_of_collateral():
    """Selling 2 BTC for 1,900 would lift equity above the threshold, at the price of the haircut."""
    world = World(liquidation(backstop_num=9, backstop_den=10))
    world.open("victim", btc=2)
    world.open("maker", 100_000)
    world.ok(cmd.Deposit("backstop", QUOTE, 10_000))
    world.trade("ETH", 150, "victim", "maker")
    world.price(ETH=92)
    assert world.risk("victim").equity_q < world.risk("victim").maintenance_q * 9 // 10
    assert world.resolve() == ["TakeOver"]


def test_the_market_s_counterparty_is_the_only_one_that_takes_lots():
    world = sick()
    world.open("liquidator", 10_000)
    world.no(cmd.Liquidate("victim", "ETH", counterparty="liquidator"), Reason.NOT_OFFERED)
    world.no(cmd.Liquidate("victim.child", "ETH"), Reason.POSITION_UNKNOWN)


def test_the_healthy_are_not_flagged():
    world = sick()
    world.price(ETH=100)
    world.no(cmd.Liquidate("victim", "ETH"), Reason.NOT_LIQUIDATABLE)


def test_windows_need_a_counterparty_that_bears_the_loss():
    assert valid_policy(BY_WINDOW)
    assert not valid_policy(liquidation(Policy(), size="window"))


def test_a_policy_without_windows_still_closes_whom_it_finds_flagged():
    world = flagged()
    world.ok(cmd.ChangePolicy(Policy()))
    world.price(ETH=90, blocks=6)
    assert world.resolve() == ["Liquidate", "Liquidate"]
    assert world.venue.subaccounts["victim"].balances == {}


# -- any order of anything ----------------------------------------------------------------------------------------

TRADERS = ("first", "second", "third")
who, market, amount = st.sampled_from(TRADERS), st.sampled_from(("ETH", "SOL")), st.integers(1, 60)


class Windows(RuleBasedStateMachine):
    """Three traders against the pool; each command is audited, and what a flag promises holds after it."""

    @initialize(seconds=st.integers(1, 5), premium_ppm=st.sampled_from((0, 20_000)))
    def open_the_house(self, seconds, premium_ppm):
        self.world = World(BY_WINDOW, window=Window(300, FEES, PPM, 1_000 * seconds, premium_ppm))
        self.seconds, self.premium_ppm, self.closed = seconds, premium_ppm, []
        self.deposited = dict.fromkeys(TRADERS, 0)
        for name in TRADERS:
            self.world.open(name, 500)

    def flagged(self, name):
        return self.world.venue.subaccounts[name].flagged

    @rule(name=who, market=market, size=amount, side=st.sampled_from((1, -1)))
    def trade(self, name, market, size, side):
        command = cmd.Trade(market, side * size, 100, name, f"market/{market}")
        accepted = isinstance(self.world.house.submit(command), Accepted)
        assert not (accepted and self.flagged(name))

    @rule(market=market, price=st.integers(40, 160), blocks=st.integers(1, 3))
    def move_the_price(self, market, price, blocks):
        self.world.price(blocks=blocks, **{market: price})

    @rule(market=market, rate=st.integers(-50_000, 50_000))
    def accrue_funding(self, market, rate):
        self.world.ok(cmd.AccrueFunding(market, rate))

    @rule(name=who, size=amount)
    def deposit(self, name, size):
        self.deposited[name] += size if self.flagged(name) else 0
        self.world.ok(cmd.Deposit(name, QUOTE, size))

    @rule(name=who, market=market)
    def call(self, name, market):
        before, deposited = self.flagged(name), self.deposited[name]
        verdict = self.world.house.submit(cmd.Liquidate(name, market))
        events = verdict.events if isinstance(verdict, Accepted) else ()
        self.closed += [(self.world.block, market, abs(e.size_b)) for e in found(events, ev.Liquidated)]
        if events and not self.flagged(name):
            assert self.world.quote(name) == deposited * before
            self.deposited[name] = 0

    @invariant()
    def a_flagged_account_holds_lots_at_cost_and_what_came_later(self):
        for name in TRADERS if hasattr(self, "world") else ():
            if self.flagged(name):
                assert self.world.venue.subaccounts[name].positions
                assert self.world.quote(name) == self.deposited[name] - cost(self.world, name)

    @invariant()
    def no_window_lets_more_go_than_its_capacity(self):
        if not hasattr(self, "world") or self.premium_ppm:
            return
        for name in ("ETH", "SOL"):
            since = self.world.block - self.seconds
            inside = sum(lots for block, market, lots in self.closed if market == name and block > since)
            assert inside <= capacity_b(self.world.venue.markets[name].window) == 3 * self.seconds

    @invariant()
    def skew_is_what_traders_hold(self):
        for name in ("ETH", "SOL") if hasattr(self, "world") else ():
            held = sum(self.world.lots(trader, name) for trader in TRADERS)
            assert skew_b(self.world.venue, self.world.venue.markets[name]) == held


TestWindows = pytest.mark.fuzz(Windows.TestCase)
