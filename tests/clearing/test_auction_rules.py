"""Auctions as a whole: the venue's own sequences, what a keeper does, and what always holds."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from clearing.auction_world import BY_AUCTION, HOUR, TERMS, House, auctions
from clearing.world import World, found, liquidation
from ringfence.clearing import command as cmd
from ringfence.clearing import event as ev
from ringfence.clearing.auction import buffer_q, valid_auction
from ringfence.clearing.policy import Auction, Tier, Tiered
from ringfence.clearing.resolve import BIDDER, Fills, resolve
from ringfence.clearing.verdict import Accepted, Reason
from ringfence.rules.words import WAD
from rules.edges import wad

# -- published sequences -----------------------------------------------------------------------------------------------


def test_the_venues_own_sequence():
    """Derive SRM_liquidation.t.sol, test_BMAfterLiquidation: a perpetual short, margins of 6.5 and 5 %, in 1e-3 USD.

    Equity 30, net maintenance margin -21.75, buffer margin -24.33; at 80 % of its worth 50.34 % may be sold. One bidder
    takes 10 %; the next asks for everything and gets 44.83 % of what is left; the buffer margin is then zero.
    """
    policy = auctions(start_ppm=800_000, cutoff_ppm=800_000, buffer_ppm=50_000)
    requirement = Tiered((Tier(0, 65, 50, 0),), 1_000)
    world = House(policy, 1_035, requirement=requirement, price=1_000, bought=-1_000, quote=65_000)
    assert (world.equity("victim"), world.surplus) == (30_000, -21_750)
    world.start()
    assert found(world.bid("1/10"), ev.SliceSold)[0].share_wad == wad("1/10")
    sold = found(world.bid("1", "maker"), ev.SliceSold)[0]
    assert sold.share_wad * 10_000 // WAD == 4_483
    assert (
        0 <= buffer_q(policy.liquidation.auction, world.risk("victim"), at_equality=False) < 60
    )  # a lot frees 54 of it
    assert world.live is None


SEQUENCE = (
    # derive_auction/Test6 (liquidationTests.json:561 at v2-core@7736900d), in 1e-6 USD: second, equity, net maintenance
    # margin; share asked, share received, price; equity and net maintenance margin afterwards
    (30, 103_116_914, -129_478_718, "0.1", "0.1", 9_548_626, 102_353_849, -106_982_220),
    (600, 141_241_829, -38_371_725, "0.222222222222222222", "2/9", 22_599_204, 134_575_877, -5_123_554),
    (9_000, 107_989_713, -52_917_319, "0.428571428571428608", "3/7", 9_931_675, 85_417_724, -6_529_151),
)


def test_a_published_sequence_of_bids():
    """The market asks all that a position is worth, so that one position stands for any portfolio."""
    terms = Auction(980_000, 800_000, 100_000, 14_400_000, 100_000, buffer_ppm=200_000)
    everything = Tiered((Tier(0, 1_000, 1_000, 0),), 1_000)
    policy = liquidation(BY_AUCTION, auction=terms)
    world = House(policy, 1_000, requirement=everything, price=1, bought=10_000, quote=10**9)
    world.put(*SEQUENCE[0][1:3])
    world.start()
    for second, equity, margin, asked, received, price, equity_after, margin_after in SEQUENCE:
        world.put(equity, margin)
        world.wait(second * 1_000 - (world.venue.time_ms - world.live.started_ms))
        sold = found(world.bid(asked), ev.SliceSold)[0]
        assert abs(sold.share_wad - Fraction(received) * WAD) < WAD // 10**9
        assert abs(sold.price_q - price) <= 100
        assert abs(world.equity("victim") - equity_after) <= 100
        assert abs(world.surplus - margin_after) <= 40_000  # lots and price quanta are whole


# -- what is due -------------------------------------------------------------------------------------------------------


def settle(world, **fills):
    return [type(command).__name__ for command, _ in resolve(world.house, ["victim"], Fills(**fills))]


def test_a_keeper_starts_and_a_bidder_comes_when_it_is_cheap_enough():
    world = House()
    world.ok(cmd.OpenSubaccount(BIDDER, "venue", system=True))
    assert settle(world, bid_ppm=700_000) == ["StartAuction"]
    assert settle(world, bid_ppm=700_000) == []
    world.wait(900_000)
    assert settle(world, bid_ppm=700_000) == ["Bid"]
    assert settle(world) == []


def test_a_keeper_converts_and_ends():
    world = House()
    world.ok(cmd.OpenSubaccount(BIDDER, "venue", system=True))
    world.fund(1_000)
    assert settle(world, bid_ppm=0) == ["StartAuction"]
    world.price(ETH=100)
    assert settle(world) == ["EndAuction"]
    world.price(ETH=94)
    assert settle(world, bid_ppm=0) == ["StartAuction"]
    world.price(ETH=85)
    assert settle(world) == ["ConvertAuction", "Bid"]
    assert world.equity("victim") == 0


def test_without_a_bidder_the_auction_waits():
    world = House()
    assert settle(world) == ["StartAuction"]
    assert settle(world) == []


# -- what always holds -------------------------------------------------------------------------------------------------

times = st.integers(0, 14 * HOUR)
shares = st.sampled_from((1, WAD // 1_000, WAD // 3, WAD)) | st.integers(1, WAD)


@given(
    marks=st.tuples(st.integers(60, 140), st.integers(60, 140)),
    held=st.tuples(st.integers(-90, 90), st.integers(-90, 90)),
    btc=st.integers(0, 3),
    steps=st.lists(st.tuples(times, shares, st.integers(-3, 3)), max_size=5),
    buffer=st.sampled_from((0, 150_000, 1_000_000)),
)
def test_no_bid_leaves_a_subaccount_worse_off(marks, held, btc, steps, buffer):
    """Worse: less equity for each unit of maintenance margin, or a larger shortfall. Every command is audited."""
    world = World(auctions(buffer_ppm=buffer))
    world.open("victim", 2_000, btc=btc)
    for name in ("maker", "buyer"):
        world.open(name, 10**9)
    for market, lots in zip(("ETH", "SOL"), held, strict=True):
        if lots:
            world.house.submit(cmd.Trade(market, lots, 100, "victim", "maker"))
    world.price(ETH=marks[0], SOL=marks[1])
    world.house.submit(cmd.StartAuction("victim"))
    for milliseconds, share, drift in steps:
        world.block += 1
        mark = world.venue.markets["ETH"].mark + drift
        world.ok(cmd.SetPrices(world.venue.time_ms + milliseconds, world.block, {"ETH": mark}))
        world.house.submit(cmd.ConvertAuction("victim"))
        live, before, money = (
            world.venue.subaccounts["victim"].auction,
            world.risk("victim"),
            world.equity("buyer"),
        )
        verdict = world.house.submit(cmd.Bid("victim", "buyer", share))
        if not isinstance(verdict, Accepted):
            continue
        after = world.risk("victim")
        assert after.maintenance_q <= before.maintenance_q
        if before.equity_q > 0:
            assert (after.equity_q + 1) * before.maintenance_q >= before.equity_q * after.maintenance_q
        if before.surplus_q < 0:
            assert after.surplus_q >= before.surplus_q
        assert world.equity("buyer") >= money - 3  # the atoms that rounding leaves with the victim
        assert not live.insolvent or after.equity_q <= 0 or before.equity_q >= after.equity_q


@pytest.mark.parametrize(
    "changes",
    [
        {"start_ppm": 1_000_001},
        {"cutoff_ppm": 950_001},
        {"cutoff_ppm": -1},
        {"buffer_ppm": -1},
        {"fee_ppm": 1_000_001},
        {"slow_ms": -1},
    ],
)
def test_invalid_terms(changes):
    assert not valid_auction(replace(TERMS, **changes))
    world = World(auctions())
    world.no(cmd.ChangePolicy(auctions(**changes)), Reason.PARAMETER_INVALID)


def test_valid_terms():
    assert valid_auction(None)
    assert valid_auction(TERMS)
    assert valid_auction(Auction(0, 0, 0, 0, 0))
