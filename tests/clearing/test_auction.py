"""Liquidation by auction: what a slice is, what it costs, what stays, and who pays when nobody wants it."""

from fractions import Fraction

import pytest
from msgspec.structs import replace

from clearing.auction_world import HOUR, TERMS, House, auctions
from clearing.world import World, found, moved
from ringfence.clearing import command as cmd
from ringfence.clearing import event as ev
from ringfence.clearing.auction import buffer_q
from ringfence.clearing.log import restore, snapshot, state_hash
from ringfence.clearing.model import QUOTE
from ringfence.clearing.policy import Sided, Tier, Tiered
from ringfence.clearing.verdict import Reason
from ringfence.rules.words import WAD
from rules.edges import wad

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
    assert buffer_q(TERMS, world.risk("victim"), at_equality=False) >= 0


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


def test_where_equality_is_liquidatable_an_auction_goes_on_at_it():
    policy = replace(auctions(buffer_ppm=0), trigger_at_equality=True)
    world = House(policy, 94, quote=1_070)  # equity 470, maintenance margin 470
    world.start()
    world.no(cmd.EndAuction("victim"), Reason.AUCTION_RUNNING)
    world.bid("1")
    assert (world.lots("victim"), world.live) == (99, None)
    world.no(cmd.StartAuction("victim"), Reason.NOT_LIQUIDATABLE)


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
