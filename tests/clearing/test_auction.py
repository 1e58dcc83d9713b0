"""Liquidation by auction: what a slice is, what it costs, what stays, and who pays when nobody wants it."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from clearing.world import World, found, liquidation, moved
from ringfence.clearing import command as cmd
from ringfence.clearing import event as ev
from ringfence.clearing.auction import buffer_q, valid_auction
from ringfence.clearing.log import restore, snapshot, state_hash
from ringfence.clearing.model import QUOTE, Auction, Policy, Sided, Tier, Tiered
from ringfence.clearing.resolve import BIDDER, Fills, resolve
from ringfence.clearing.verdict import Accepted, Reason
from ringfence.rules.words import WAD

HOUR = 3_600_000
TERMS = Auction(950_000, 700_000, 900_000, 12 * HOUR, HOUR, buffer_ppm=150_000)
"""Derive's schedule on mainnet, without its fee."""
BY_AUCTION = Policy(waterfall=("insurance", "socialize"))


def auctions(**changes):
    return liquidation(BY_AUCTION, auction=replace(TERMS, **changes))


def wad(text):
    return int(Fraction(text) * WAD)


class House(World):
    """`victim` buys 100 ETH at 100 with 1,000 and perhaps BTC; then ETH falls to `mark`."""

    def __init__(self, policy=None, mark=94, *, quote=1_000, btc=0, bought=100, price=100, **world):
        super().__init__(policy or auctions(), **world)
        self.open("victim", quote, btc=btc)
        for name in ("maker", "buyer"):
            self.open(name, 10**12)
        self.price(ETH=price)
        self.trade("ETH", bought, "victim", "maker")
        self.price(ETH=mark)

    def start(self):
        return self.ok(cmd.StartAuction("victim"))

    def wait(self, milliseconds, **marks):
        self.block += 1
        return self.ok(cmd.SetPrices(self.venue.time_ms + milliseconds, self.block, marks))

    def bid(self, share, bidder="buyer"):
        return self.ok(cmd.Bid("victim", bidder, wad(share)))

    def put(self, equity, margin):
        """Move the price until the position asks what it should, and the cash until equity is right."""
        self.block += 1
        lots = abs(self.lots("victim"))
        self.ok(cmd.SetPrices(self.venue.time_ms, self.block, {"ETH": -(-(equity - margin) // lots)}))
        short = equity - self.equity("victim")
        self.venue.subaccounts["victim"].balances[QUOTE] = self.quote("victim") + short
        self.venue.ledger["outside"][QUOTE] -= short

    @property
    def live(self):
        return self.venue.subaccounts["victim"].auction

    @property
    def surplus(self):
        return self.surplus_of("victim")

    def surplus_of(self, name):
        return self.risk(name).surplus_q


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
    assert 0 <= buffer_q(policy.liquidation.auction, world.risk("victim")) < 60  # a lot frees 54 of it
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


# -- start -------------------------------------------------------------------------------------------------------------


def test_a_healthy_subaccount_is_not_put_up():
    world = House(mark=100)
    world.no(cmd.StartAuction("victim"), Reason.NOT_LIQUIDATABLE)


def test_starting_cancels_orders_and_costs_the_fee():
    """Equity 400, maintenance margin 470, buffer margin -70 - 71 = -141: 141 / 541 of 400 may be sold, 10 % of that."""
    world = House(auctions(fee_ppm=100_000))
    world.ok(cmd.Reserve("victim", "ask", "ETH", -10))
    events = world.start()
    assert moved(events, "auction_fee") == [("sub/victim", "fund/main", 10)]
    assert (world.equity("victim"), world.venue.fund_q("main")) == (390, 10)
    assert not world.venue.subaccounts["victim"].orders
    assert (world.live.insolvent, world.live.started_ms) == (False, world.venue.time_ms)


def test_the_fee_goes_to_the_pools_of_what_is_held():
    """Equity 400, maintenance margin 570, buffer margin -256: 256 / 656 of 400, by 8,400 and 3,000 of notional."""
    world = House(auctions(fee_ppm=1_000_000), 100, quote=2_000)
    world.trade("ARB", 30, "victim", "maker")
    world.price(ETH=84)
    events = world.start()
    parts = {credit: amount for _, credit, amount in moved(events, "auction_fee")}
    assert parts == {"fund/alt": 41, "fund/main": 115}


def test_nothing_left_is_an_insolvent_auction_and_costs_nothing():
    world = House(auctions(fee_ppm=1_000_000), 90)
    events = world.start()
    assert world.live.insolvent
    assert moved(events, "auction_fee") == []


def test_collateral_against_a_debt_is_auctioned_without_a_position():
    policy = auctions()
    world = House(policy, quote=100_000)
    asset = world.venue.assets["BTC"]
    free = Tiered((Tier(0, 0, 0, 0),), 1)
    world.venue.assets["BTC"] = replace(asset, haircut=free, weights=Sided(250, 200, 0, 0, 1_000))
    world.open("borrower", btc=10)
    world.ok(cmd.Withdraw("borrower", QUOTE, 7_500))
    world.price(BTC=930)  # 9,300 less 20 % is 7,440
    world.ok(cmd.StartAuction("borrower"))
    before = world.surplus_of("borrower")
    events = world.ok(cmd.Bid("borrower", "buyer", WAD))
    assert moved(events, "auction")[0] == ("sub/borrower", "sub/buyer", 1)  # 339 / 2,049 of ten
    assert before < 0 <= world.surplus_of("borrower")


# -- bids --------------------------------------------------------------------------------------------------------------


def test_a_slice_is_a_share_of_everything():
    world = House(quote=2_000, mark=77, btc=1)  # equity 600, maintenance margin 385
    world.price(ETH=74)  # equity 300, maintenance margin 370
    world.start()
    world.bid("1/10")
    assert world.lots("victim") == 90
    assert world.lots("buyer") == 10
    assert world.equity("victim") == 300 - 30 + 29  # the price: 95 % of 30, rounded up
    assert world.live.reserved_q == 29


def test_collateral_is_sliced_too():
    world = House(quote=0, mark=94, btc=10)  # equity 9,000 - 600
    world.price(ETH=94, BTC=110)  # 990 - 600, against 470
    world.start()
    events = world.bid("1/2")
    share = found(events, ev.SliceSold)[0].share_wad
    assert world.venue.subaccounts["buyer"].balances["BTC"] == 10 * share // WAD
    assert found(events, ev.SliceSold)[0].worth_q == 390 * share // WAD


@pytest.mark.parametrize(("minutes", "price"), [(0, "19/20"), (15, "7/10"), (15 + 360, "7/20")])
def test_the_price_falls_with_time(minutes, price):
    world = House()
    world.start()
    world.wait(minutes * 60_000)
    sold = found(world.bid("1/10"), ev.SliceSold)[0]
    assert (sold.worth_q, sold.price_q) == (40, -(-40 * Fraction(price) // 1))


def test_no_more_is_sold_than_lifts_the_rest_to_its_buffer_margin():
    """Buffer margin -141, at 95 % of 400: 141 / 521, which is 27.1 lots; 28 are sold."""
    world = House()
    world.start()
    events = world.bid("1")
    assert found(events, ev.SliceSold)[0].share_wad == -(-141 * WAD // 521)
    assert world.lots("victim") == 72
    assert found(events, ev.AuctionEnded)
    assert buffer_q(TERMS, world.risk("victim")) >= 0


def test_what_bidders_paid_is_not_for_sale():
    """Each slice is a share of what is left, but the cash of those before stays."""
    world = House()
    world.start()
    world.bid("1/10")  # 40 for 38
    first = world.equity("buyer")
    world.bid("1/8")  # of 398 - 38 = 360: 45 for 43
    assert world.live.reserved_q == 81
    assert world.equity("buyer") - first == first - 10**12 == 2


def test_lots_come_in_steps():
    world = House(step_b=5)
    world.start()
    world.bid("1/10")
    world.bid("1/100")
    assert (world.lots("victim"), world.lots("buyer")) == (85, 15)


def test_a_bidder_must_carry_what_it_takes():
    world = House()
    world.open("poor", 90)
    world.start()
    world.no(cmd.Bid("victim", "poor", wad("1/10")), Reason.BACKSTOP_CAPACITY)
    world.ok(cmd.Deposit("poor", QUOTE, 10))
    world.bid("1/10", "poor")  # initial margin 94, equity 100 + 40 - 38


# -- insolvent ---------------------------------------------------------------------------------------------------------


def insolvent(mark=85, **changes):
    """Equity -500, maintenance margin 425."""
    world = House(auctions(**changes), mark)
    world.fund(600)
    world.start()
    return world


@pytest.mark.parametrize(("minutes", "paid"), [(0, 50), (30, 71), (60, 92), (600, 92)])
def test_bidders_are_paid_more_and_more(minutes, paid):
    """A tenth: from a tenth of 500 to a tenth of 925, rounded down."""
    world = insolvent()
    world.wait(minutes * 60_000)
    assert found(world.bid("1/10"), ev.SliceSold)[0].price_q == -paid
    assert world.venue.fund_q("main") == 600 - paid
    assert (world.equity("victim"), world.lots("victim")) == (-450, 90)
    assert world.equity("buyer") == 10**12 - 50 + paid


def test_what_the_fund_cannot_pay_is_bad_debt_of_the_pool_and_then_everybodys():
    world = insolvent()
    world.wait(HOUR)
    events = world.bid("1")
    assert moved(events, "insurance") == [("fund/main", "sub/buyer", 600)]
    assert moved(events, "bad_debt") == [("debt/main", "sub/buyer", 325)]
    assert (world.equity("victim"), world.live) == (0, None)
    assert world.resolve() == ["Socialize"]
    assert world.venue.debt_q("main") == 0


def test_a_venue_that_does_not_socialize_stops_at_its_fund():
    world = insolvent()
    world.venue.policy = replace(world.venue.policy, waterfall=("insurance",))
    world.wait(HOUR)
    world.no(cmd.Bid("victim", "buyer", WAD), Reason.INSURANCE_TOO_SMALL)
    world.bid("1/2")


def test_an_insolvent_auction_ends_at_maintenance_margin():
    world = insolvent()
    world.ok(cmd.Deposit("victim", QUOTE, 924))
    world.no(cmd.EndAuction("victim"), Reason.AUCTION_RUNNING)
    world.ok(cmd.Deposit("victim", QUOTE, 1))
    world.no(cmd.Bid("victim", "buyer", WAD), Reason.NOT_LIQUIDATABLE)
    world.ok(cmd.EndAuction("victim"))


# -- from one to the other, and the end --------------------------------------------------------------------------------


def test_a_solvent_auction_that_nobody_wanted_is_converted():
    world = House()
    world.start()
    world.no(cmd.ConvertAuction("victim"), Reason.AUCTION_RUNNING)
    world.wait(900_000 + 12 * HOUR)
    world.no(cmd.Bid("victim", "buyer", WAD), Reason.AUCTION_OVER)
    world.ok(cmd.ConvertAuction("victim"))
    assert (world.live.insolvent, world.live.started_ms) == (True, world.venue.time_ms)
    world.no(cmd.ConvertAuction("victim"), Reason.NOT_UNDER_AUCTION)
    world.fund(100)
    sold = found(world.bid("1/2"), ev.SliceSold)[0]
    assert (sold.worth_q, sold.price_q) == (200, 0)  # half of 400, for nothing as yet


def test_a_solvent_auction_that_becomes_insolvent_is_converted_at_once():
    world = House()
    world.start()
    world.price(ETH=89)
    world.no(cmd.Bid("victim", "buyer", WAD), Reason.AUCTION_OVER)
    world.ok(cmd.ConvertAuction("victim"))


def test_a_recovered_subaccount_is_neither_sold_nor_converted():
    world = House()
    world.start()
    world.wait(900_000, ETH=97)  # equity 700, maintenance margin 485, with its buffer 558
    world.no(cmd.Bid("victim", "buyer", WAD), Reason.NOT_LIQUIDATABLE)
    world.no(cmd.ConvertAuction("victim"), Reason.NOT_LIQUIDATABLE)
    world.ok(cmd.EndAuction("victim"))
    assert world.live is None


def test_a_solvent_auction_goes_on_below_the_buffer_margin():
    world = House()
    world.start()
    world.price(ETH=95)  # equity 500, maintenance margin 475, with its buffer 547
    world.no(cmd.StartAuction("victim"), Reason.UNDER_AUCTION)
    world.no(cmd.EndAuction("victim"), Reason.AUCTION_RUNNING)
    world.bid("1")
    assert world.live is None


def test_what_is_left_of_a_child_goes_home():
    world = World(auctions())
    for who in ("trader", "maker", "buyer"):
        world.open(who, 10_000)
    world.open("trader.eth", parent="trader")
    world.trade("ETH", 100, "trader.eth", "maker")
    world.price(ETH=94)
    world.ok(cmd.StartAuction("trader.eth"))
    world.trade("ETH", -100, "trader.eth", "maker")
    world.ok(cmd.EndAuction("trader.eth"))
    assert world.quote("trader.eth") == 0
    assert world.quote("trader") == 9_400


# -- meanwhile ---------------------------------------------------------------------------------------------------------


def test_under_auction_positions_only_shrink_and_nothing_leaves():
    world = House()
    world.ok(cmd.OpenSubaccount("victim.eth", "victim", "victim"))
    world.start()
    frozen = Reason.UNDER_AUCTION
    world.no(cmd.Withdraw("victim", QUOTE, 1), frozen)
    world.no(cmd.TransferMargin("victim", "victim.eth", QUOTE, 1), frozen)
    world.no(cmd.Reserve("victim", "ask", "ETH", -1), frozen)
    world.no(cmd.Trade("ETH", 1, 94, "victim", "maker"), frozen)
    world.no(cmd.Trade("ETH", -101, 94, "victim", "maker"), frozen)
    world.no(cmd.Trade("SOL", -1, 100, "victim", "maker"), frozen)
    world.no(cmd.Trade("SOL", -1, 100, "maker", "victim"), frozen)
    world.no(cmd.Trade("ETH", 1, 94, "victim.eth", "maker"), frozen)  # its margin would come from the victim
    world.trade("ETH", -40, "victim", "maker")
    world.ok(cmd.Deposit("victim", QUOTE, 1))


def test_somebody_under_auction_does_not_bid():
    world = House()
    world.start()
    world.open("other", 500)
    world.trade("SOL", 50, "other", "maker")
    world.price(ETH=94, SOL=93)
    world.ok(cmd.StartAuction("other"))
    world.no(cmd.Bid("victim", "other", 1), Reason.UNDER_AUCTION)


def test_positions_are_not_closed_one_by_one():
    world = House(mark=85, btc=0)
    world.fund(100)
    world.no(cmd.Liquidate("victim", "ETH"), Reason.NOT_OFFERED)
    world.no(cmd.SellCollateral("victim", "BTC"), Reason.NOT_OFFERED)
    world.no(cmd.DrawInsurance("main", "victim", "ETH"), Reason.NOT_OFFERED)


def test_a_snapshot_holds_a_live_auction():
    world = House()
    world.start()
    world.bid("1/10")
    assert state_hash(restore(snapshot(world.venue))) == state_hash(world.venue)


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
