"""Pools as what liquidations sell into: trades, fills that move one, liquidators who do not pay more than it does.

The cascade is the shape of what ended Perpetual Protocol v1: on 2022-05-15 the liquidation of one large CREAM position
moved its virtual pool, left bad debt and emptied the insurance fund that all pools share (gov.perp.fi/t/
sunsetting-perp-v1/698). Sizes and reserves are chosen; the rules are the rulebook's.
"""

from fractions import Fraction
from math import isqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.world import Audited, World, liquidation
from ringfence.clearing import command as cmd
from ringfence.clearing import ledger
from ringfence.clearing.model import QUOTE, market_subaccount
from ringfence.clearing.pools import Concentrated, ConstantProduct, PoolFills, Span, traded
from ringfence.clearing.resolve import proposals, resolve
from ringfence.clearing.risk import equity_q, is_liquidatable
from ringfence.clearing.verdict import Accepted
from ringfence.rules.amm import Q96
from ringfence.venues.rulebook import build_venue, load

USD = 10**6
WIDE = 2**40
"""A span so wide that its ends are never reached."""


def root_of(price):
    return isqrt(Fraction(price * Q96 * Q96).__floor__())


def concentrated(price, *spans, fee=0):
    """A pool at a price with spans (low price, high price, liquidity)."""
    return Concentrated(
        root_of(price), tuple(Span(root_of(low), root_of(high), depth) for low, high, depth in spans), fee
    )


sizes = st.integers(1, 10**9)
pools = st.sampled_from(
    (
        ConstantProduct(10**9, 10**12),
        ConstantProduct(10**6, 10**9, 3_000),
        concentrated(1_000, (Fraction(1, WIDE), WIDE, 10**11)),
        concentrated(1_000, (900, 1_000, 10**12), (1_000, 1_100, 10**10), fee=500),
        concentrated(1_000, (800, 900, 10**12), (950, 1_050, 10**10), (1_050, 2_000, 10**12), fee=500),
    )
)


def test_a_sale_to_a_constant_product():
    # 100 into 1,000 against 10,000: 10,000 - 10^7 / 1,100 = 909.09
    trade = ConstantProduct(1_000, 10_000).sold(100)
    assert (trade.quote_q, trade.unfilled) == (909, 0)
    assert trade.after == ConstantProduct(1_100, 9_091)
    assert trade.after.spot() == (9_091, 1_100)


def test_the_last_atom_cannot_be_bought():
    trade = ConstantProduct(1_000, 10_000).bought(1_500)
    assert (trade.unfilled, trade.after.base) == (501, 1)


def test_one_wide_span_is_a_constant_product():
    """Liquidity sqrt(base * quote): 10^6 base at 1,000 USD atoms each."""
    wide = concentrated(1_000, (Fraction(1, WIDE), WIDE, isqrt(10**6 * 10**9)))
    plain = ConstantProduct(10**6, 10**9)
    for size in (1, 1_000, 300_000, -1, -1_000, -300_000):
        assert traded(wide, size).quote_q == pytest.approx(traded(plain, size).quote_q, rel=1e-4, abs=1_001)


def test_a_sale_crosses_spans_and_ends_where_liquidity_ends():
    pool = concentrated(1_000, (400, 900, 10**11), (900, 1_000, 10**12))
    inside = 10**12 * (
        1 / 900**0.5 - 1 / 1_000**0.5
    )  # what the first span takes: L (1/sqrt(low) - 1/sqrt(high))
    below = 10**11 * (1 / 400**0.5 - 1 / 900**0.5)
    trade = pool.sold(int(inside + below) + 1_000)
    assert trade.unfilled == pytest.approx(1_000, abs=10)
    assert trade.after.root == root_of(400)
    brought = 10**12 * (1_000**0.5 - 900**0.5) + 10**11 * (900**0.5 - 400**0.5)
    assert trade.quote_q == pytest.approx(brought, rel=1e-9)
    assert trade.after.sold(1) == (0, 1, trade.after)


@given(pools, sizes, st.booleans())
def test_a_round_trip_never_pays(pool, size, sells):
    there = traded(pool, size if sells else -size)
    filled = size - there.unfilled
    if filled:
        back = traded(there.after, -filled if sells else filled)
        received, paid = (there.quote_q, back.quote_q) if sells else (back.quote_q, there.quote_q)
        assert received <= paid or back.unfilled


@given(pools, sizes, sizes)
def test_two_sales_bring_no_more_than_one(pool, first, second):
    once = pool.sold(first + second)
    one = pool.sold(first)
    assert one.quote_q + one.after.sold(second).quote_q <= once.quote_q + 2


@given(pools, sizes, sizes)
def test_a_larger_sale_has_no_better_price(pool, size, more):
    small, large = pool.sold(size), pool.sold(size + more)
    assert large.quote_q >= small.quote_q
    atom_q = Fraction(*pool.spot()) + 1  # whole atoms: a fee of less than one takes one
    assert large.quote_q * size <= (small.quote_q + atom_q) * (size + more)


# -- in the clearinghouse ----------------------------------------------------------------------------------------------


def two_longs():
    world = World(liquidation(size="full"))
    world.open("maker", 1_000_000)
    world.fund(100_000)
    for name in ("first", "second"):
        world.open(name, 1_100)
        world.trade("ETH", 100, name, "maker")
    world.price(ETH=93)
    return world


def test_liquidations_find_the_price_that_the_one_before_left():
    world = two_longs()
    fills = PoolFills({"ETH": ConstantProduct(10_000, 930_000)})
    prices = [command.price for command, _ in resolve(world.house, ["first", "second"], fills)]
    # 100 into 10,000 at 93: 92.07; then 100 into 10,100 at 91.17: 90.27. Cut to whole quanta.
    assert prices == [92, 90]
    assert fills.pools["ETH"].base == 10_200
    assert fills.mark(world.venue.markets["ETH"]) == 930_000 * 10_000 // 10_200**2
    ledger.audit(world.venue)


def test_a_short_buys_from_the_pool():
    world = World(liquidation(size="full"))
    world.open("maker", 1_000_000)
    world.open("trader", 1_100)
    world.trade("ETH", -100, "trader", "maker")
    world.price(ETH=107)
    fills = PoolFills({"ETH": ConstantProduct(10_000, 1_070_000)})
    ((command, _),) = resolve(world.house, ["trader"], fills)
    assert command.price == 109  # 1,070,000 * 100 / 9,900 = 108.08 each, rounded up against the trader
    assert fills.pools["ETH"].base == 9_900


def test_a_market_without_a_pool_fills_at_the_mark():
    world = two_longs()
    assert [command.price for command, _ in resolve(world.house, ["first"], PoolFills({}))] == [0]


@pytest.mark.parametrize(
    ("price", "steps"),
    [
        (960, ["SellCollateral"]),  # the pool pays 960 less slippage for what costs 950
        (940, []),
    ],
)
def test_collateral_finds_a_buyer_only_where_the_pool_pays_more(price, steps):
    """A debt of 500 against 2 BTC at 1,000, which the venue sells at a discount of 5 %."""
    world = World()
    world.open("maker", 1_000_000)
    world.open("trader", btc=2)
    world.trade("ETH", 10, "trader", "maker")
    world.price(ETH=50)
    world.trade("ETH", -10, "trader", "maker")
    assert world.quote("trader") == -500
    fills = PoolFills({"BTC": ConstantProduct(1_000, 1_000 * price)})
    assert [type(command).__name__ for command, _ in resolve(world.house, ["trader"], fills)] == steps
    assert fills.pools["BTC"].base == 1_000 + len(steps)


# -- the cascade -------------------------------------------------------------------------------------------------------

LOT = 10**18
TRADERS = {"whale": (1_000, 10_400), "middle": (400, 4_500), "small": (100, 1_200), "careful": (100, 6_000)}
"""CREAM held long at 100 USD, and the isolated margin of each."""
FUND = 5_000 * USD


class Cascade(Audited):
    """One virtual pool, isolated margins, one insurance fund for all pools: the rulebook perp-v1."""

    def __init__(self, depth):
        super().__init__(build_venue(load("perp-v1"), ["CREAM", "BTC"]))
        self.fills = PoolFills({"CREAM": ConstantProduct(depth * LOT, depth * 95 * USD)})
        for market in ("CREAM", "BTC"):
            self.ok(cmd.OpenSubaccount(market_subaccount(market), "pool", system=True))
        self.price(CREAM=100 * LOT, BTC=30_000 * LOT)
        self.ok(cmd.FundInsurance("fund", FUND))
        for name, (lots, margin) in TRADERS.items():
            self.open(name, "CREAM", lots * LOT, margin)
        self.open("elsewhere", "BTC", LOT, 3_100)

    def open(self, name, market, size_b, margin):
        self.ok(cmd.OpenSubaccount(name, name))
        self.ok(cmd.Deposit(name, QUOTE, margin * USD))
        self.trade(market, size_b, name, market_subaccount(market))

    def price(self, **marks):
        self.block += 1
        self.ok(cmd.SetPrices(self.block * 15_000, self.block, marks))

    def run(self):
        """Liquidate one position at a time; each sale moves the pool, and the pool's price is the mark. Who was hit."""
        self.price(CREAM=95 * LOT)
        hit = []
        while (name := self.step()) is not None:
            hit.append(name)
            self.price(CREAM=self.fills.mark(self.venue.markets["CREAM"]))
        return hit

    def step(self):
        """The first liquidation that the house accepts."""
        for name in (*TRADERS, "elsewhere"):
            for command in proposals(self.venue, self.venue.subaccounts[name], self.fills):
                verdict = self.house.submit(command)
                if isinstance(verdict, Accepted) and isinstance(command, cmd.Liquidate):
                    self.fills.filled(command, verdict)
                    return name
        return None

    def lots(self, name):
        held = self.venue.subaccounts[name].positions
        return held["CREAM"].size_b if "CREAM" in held else 0


def test_a_deep_pool_takes_one_liquidation_and_nothing_follows():
    """At 95 the whale has 5,300 of 95,000: less than 6.25 %. A quarter sold near 95 lifts it above."""
    world = Cascade(depth=10_000_000)
    assert world.run() == ["whale"]
    assert [world.lots(name) // LOT for name in TRADERS] == [750, 400, 100, 100]
    assert world.house.venue.fund_q("fund") > FUND  # half of the penalty


def test_isolated_margins_do_not_keep_a_shallow_pool_from_a_cascade():
    """A quarter of the whale into 8,000 CREAM moves the price by 6 %, and that takes the others down."""
    world = Cascade(depth=8_000)
    assert world.run() == ["whale", "middle", "small"]
    venue = world.house.venue
    assert world.fills.mark(venue.markets["CREAM"]) < 80 * LOT
    assert [world.lots(name) // LOT for name in TRADERS] == [750, 0, 0, 100]
    assert venue.fund_q("fund") < FUND  # it paid for a loss in one pool and stands behind all of them
    whale = venue.subaccounts["whale"]
    assert is_liquidatable(venue, whale)
    assert equity_q(venue, whale) < -venue.fund_q("fund")  # more than the fund holds, so the closing reverts
    assert equity_q(venue, venue.subaccounts["careful"]) > 0
    assert equity_q(venue, venue.subaccounts["elsewhere"]) == 3_070 * USD  # 3,100 less the fee: never touched
