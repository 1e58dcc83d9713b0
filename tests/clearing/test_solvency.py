"""A pool of liquidity as every trader's counterparty: capped profit, and winners closed for the pool's sake."""

from hypothesis import given
from hypothesis import strategies as st

from clearing.world import World, found, moved
from ringfence.clearing import command as cmd
from ringfence.clearing import event as ev
from ringfence.clearing import ledger
from ringfence.clearing.liquidity import owed_to_side_q, reserve_q
from ringfence.clearing.model import QUOTE, Side
from ringfence.clearing.policy import Policy, Solvency
from ringfence.clearing.risk import is_liquidatable
from ringfence.clearing.solve import liquidation_price
from ringfence.clearing.verdict import Reason

LIMITS = Solvency(cap_ppm=900_000, trigger_ppm=600_000, floor_ppm=500_000)
POOL = "market/ETH"


def pooled(limits=LIMITS, liquidity=20_000, policy=None):
    """A world in which the pool of ETH holds 20,000: 10,000 stand for each side."""
    world = World(policy or Policy(waterfall=("counterparty",)), solvency=limits)
    world.ok(cmd.Deposit(POOL, QUOTE, liquidity))
    return world


def long_of(world, name, lots, margin=10_000):
    world.open(name, margin)
    world.trade("ETH", lots, name, POOL)
    return name


def owed(world, *, is_long=True):
    market = world.venue.markets["ETH"]
    return owed_to_side_q(world.venue, market, market.mark, is_long=is_long)


# --- what the pool holds and owes -------------------------------------------------------------------------------------


def test_half_of_the_pool_stands_for_each_side_whatever_its_pnl():
    world = pooled()
    world.ok(cmd.Deposit(POOL, "BTC", 2))  # at 1,000 each, without a haircut
    market = world.venue.markets["ETH"]
    assert reserve_q(world.venue, market) == (20_000 + 2_000) // 2
    long_of(world, "a", 50)
    world.price(ETH=150)
    assert reserve_q(world.venue, market) == 11_000
    world.trade("ETH", -50, "a", POOL)
    assert reserve_q(world.venue, market) == 11_000 - 2_500 // 2


def test_sides_count_traders_and_not_the_pool():
    world = pooled()
    long_of(world, "a", 50)
    long_of(world, "b", 30)
    world.open("c", 10_000)
    world.trade("ETH", -20, "c", POOL)
    market = world.venue.markets["ETH"]
    assert (market.longs, market.shorts) == (Side(80, 8_000), Side(-20, -2_000))
    world.price(ETH=110)
    assert (owed(world), owed(world, is_long=False)) == (800, -200)
    world.trade("ETH", -60, "a", POOL)  # 50 closed, 10 short
    assert (market.longs, market.shorts) == (Side(30, 3_000), Side(-30, -3_100))


def test_a_market_without_limits_counts_no_sides():
    world = pooled(limits=None)
    long_of(world, "a", 50)
    world.price(ETH=1_000)
    assert world.venue.markets["ETH"].longs == Side()
    assert world.equity("a") == 10_000 + 45_000
    world.no(cmd.RelievePool("ETH", is_long=True), Reason.NOT_OFFERED)


# --- the cap ----------------------------------------------------------------------------------------------------------


def test_profit_beyond_the_cap_counts_for_nothing_and_is_not_paid():
    world = pooled()
    long_of(world, "a", 100)
    world.price(ETH=190)
    assert world.equity("a") == 10_000 + 9_000  # exactly 90 % of 10,000
    world.price(ETH=300)
    assert world.equity("a") == 19_000  # not 30,000
    events = world.trade("ETH", -100, "a", POOL)
    assert moved(events, "profit_cap") == [("sub/a", f"sub/{POOL}", 11_000)]
    assert (world.quote("a"), world.quote(POOL)) == (19_000, 11_000)


def test_winners_share_the_cap_in_proportion_to_profit_and_losers_pay_in_full():
    world = pooled()
    long_of(world, "a", 100)
    world.price(ETH=150)
    long_of(world, "b", 100)
    world.price(ETH=170)  # 7,000 and 2,000: together the cap
    assert (world.equity("a"), world.equity("b")) == (17_000, 12_000)
    world.price(ETH=240)  # 14,000 and 9,000 of 23,000
    assert world.equity("a") == 10_000 + 14_000 * 9_000 // 23_000
    assert world.equity("b") == 10_000 + 9_000 * 9_000 // 23_000
    world.price(ETH=140)  # b loses 1,000, which is not touched
    assert (world.equity("a"), world.equity("b")) == (14_000, 9_000)


def test_a_part_is_paid_at_the_same_share():
    world = pooled()
    long_of(world, "a", 100)
    world.price(ETH=280)  # 18,000 of profit, 9,000 of it counts
    before = world.equity("a")
    world.trade("ETH", -50, "a", POOL)
    assert world.quote("a") == 10_000 - 10_000 + 14_000 - 4_500
    assert world.equity("a") >= before  # what is left is capped less: the pool paid 4,500 and owes 9,000 less
    ledger.audit(world.venue)


def test_other_traders_pay_each_other_in_full():
    world = pooled()
    world.open("maker", 100_000)
    world.open("a", 10_000)
    world.trade("ETH", 100, "a", "maker")
    world.price(ETH=300)
    world.trade("ETH", -100, "a", "maker")
    assert world.quote("a") == 10_000 + 20_000


def test_the_cap_moves_the_liquidation_price():
    world = pooled()
    # bought at 100 with 1,000 of margin; maintenance margin is 5 % of the worth
    long_of(world, "a", 100, margin=1_000)
    # profit stops at 9,000 at a price of 190, the requirement does not: 1,000 + 9,000 = 5 % of 100 * 2,000
    assert liquidation_price(world.venue, world.venue.subaccounts["a"], "ETH") == 94
    world.price(ETH=1_900)
    assert liquidation_price(world.venue, world.venue.subaccounts["a"], "ETH") == 2_001
    world.price(ETH=2_001)
    assert is_liquidatable(world.venue, world.venue.subaccounts["a"])


# --- relief -----------------------------------------------------------------------------------------------------------


def test_winners_are_closed_until_the_side_is_owed_the_floor():
    world = pooled()
    long_of(world, "a", 100)
    world.price(ETH=160)
    world.no(
        cmd.RelievePool("ETH", is_long=True), Reason.NOTHING_OWED
    )  # 6,000 of 10,000 is not more than 60 %
    world.price(ETH=170)
    events = world.ok(cmd.RelievePool("ETH", is_long=True))
    # (7,000 - 70 n) / (10,000 - 35 n) >= 1/2 for n <= 38.09
    assert found(events, ev.PoolRelieved) == [ev.PoolRelieved("ETH", True, 38, 38 * 70, 1)]
    assert world.lots("a") == 62
    assert world.equity("a") == 17_000
    world.no(cmd.RelievePool("ETH", is_long=True), Reason.NOTHING_OWED)


def test_the_most_leveraged_profit_goes_first_and_what_is_enough_spares_the_rest():
    world = pooled()
    long_of(world, "calm", 50, margin=20_000)
    long_of(world, "bold", 50, margin=1_000)
    world.price(ETH=170)
    world.ok(cmd.RelievePool("ETH", is_long=True))
    assert (world.lots("bold"), world.lots("calm")) == (12, 50)


def test_several_winners_are_closed_when_one_is_not_enough():
    world = pooled()
    for name in ("a", "b", "c"):
        long_of(world, name, 40)
    world.price(ETH=180)  # 9,600 of 10,000: capped at 9,000
    events = world.ok(cmd.RelievePool("ETH", is_long=True))
    relieved = found(events, ev.PoolRelieved)[0]
    assert relieved.winners == 2
    assert (world.lots("a"), world.lots("c")) == (0, 40)
    market = world.venue.markets["ETH"]
    assert owed(world) * 2 >= reserve_q(world.venue, market)
    assert world.lots("a") + world.lots("b") + world.lots("c") == 120 - relieved.size_b


def test_shorts_are_relieved_as_longs_are():
    world = pooled()
    world.open("a", 10_000)
    world.trade("ETH", -100, "a", POOL)
    world.price(ETH=30)
    world.no(cmd.RelievePool("ETH", is_long=True), Reason.NOTHING_OWED)
    world.ok(cmd.RelievePool("ETH", is_long=False))
    assert world.lots("a") == -62


def test_resolve_relieves_what_is_due_and_nothing_else():
    world = pooled()
    long_of(world, "a", 100)
    assert world.resolve() == []
    world.price(ETH=170)
    assert world.resolve() == ["RelievePool"]
    assert world.resolve() == []


def test_unknown_markets_and_pools_are_refused():
    world = pooled()
    world.no(cmd.RelievePool("DOGE", is_long=True), Reason.MARKET_UNKNOWN)
    del world.venue.subaccounts[POOL]
    assert reserve_q(world.venue, world.venue.markets["ETH"]) == 0


trades = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(-60, 60).filter(bool), st.integers(40, 260)), max_size=12
)


@given(trades, st.integers(0, 60_000))
def test_whatever_is_traded_balances_and_nobody_is_paid_beyond_the_cap(steps, liquidity):
    world = pooled(liquidity=max(1, liquidity))
    for name in "abc":
        world.open(name, 20_000)
    for name, lots, price in steps:
        world.price(ETH=price)
        world.house.submit(cmd.Trade("ETH", lots, price, name, POOL))
        world.resolve()
        market = world.venue.markets["ETH"]
        for is_long in (True, False):
            counted = sum(
                world.equity(who) - world.quote(who) - held.cost_q
                for who in "abc"
                if (held := world.venue.subaccounts[who].positions.get("ETH"))
                and (held.size_b > 0) == is_long
            )
            profit = sum(
                max(0, held.size_b * price - held.cost_q)
                for who in "abc"
                if (held := world.venue.subaccounts[who].positions.get("ETH"))
                and (held.size_b > 0) == is_long
            )
            side = owed(world, is_long=is_long)
            cap = reserve_q(world.venue, market) * 9 // 10
            assert counted <= side if side <= cap else counted <= profit * cap // side + 3
    ledger.audit(world.venue)
