"""Commands of auctions: subaccounts are sold for 95 % of their worth at first, for nothing after 100 seconds."""

from msgspec.structs import replace

from clearing.refusals.case import (
    HEALTHY,
    NOBODY,
    SYSTEM,
    TOO_MUCH,
    Case,
    Violation,
    change_liquidation,
    change_policy,
    move,
    under_auction,
)
from clearing.refusals.losses import sick_market
from clearing.world import liquidation
from ringfence.clearing import command as cmd
from ringfence.clearing.model import LiveAuction
from ringfence.clearing.policy import Auction
from ringfence.clearing.verdict import Reason

TENTH_WAD = 10**17


def sick_auction_market():
    world = sick_market()
    terms = Auction(950_000, 950_000, 0, 100_000, 100_000)
    world.venue.policy = replace(world.venue.policy, waterfall=("insurance",))
    world.venue.policy = liquidation(world.venue.policy, auction=terms, backstop_num=0)
    return world


def auctioned_market():
    world = sick_auction_market()
    world.ok(cmd.StartAuction("victim"))
    return world


def wait_out(world):
    world.price(blocks=100)


def unwanted_market():
    world = auctioned_market()
    wait_out(world)
    return world


def recovered_market():
    world = auctioned_market()
    world.price(ETH=97)
    return world


def unpayable(world):
    world.price(ETH=80)
    world.ok(cmd.ConvertAuction("victim"))


def begin_again(world):
    world.venue.subaccounts["victim"].auction = LiveAuction(world.venue.time_ms, False)


NO_AUCTIONS = Violation(Reason.NOT_OFFERED, {}, change_liquidation(auction=None), frozenset({"policy"}))
NOT_AUCTIONED = Violation(Reason.NOT_UNDER_AUCTION, {"subaccount": "maker"})

CASES = [
    Case(
        sick_auction_market,
        cmd.StartAuction("victim"),
        [
            *(NOBODY, SYSTEM, HEALTHY, NO_AUCTIONS),
            Violation(
                Reason.UNDER_AUCTION,
                {},
                lambda world: world.ok(cmd.StartAuction("victim")),
                frozenset({"price of ETH", "policy", "subaccount"}),
            ),
        ],
    ),
    Case(
        auctioned_market,
        cmd.Bid("victim", "liquidator", TENTH_WAD),
        [
            *(NOBODY, SYSTEM, HEALTHY, NO_AUCTIONS, NOT_AUCTIONED),
            Violation(Reason.AMOUNT_NOT_POSITIVE, {"share_wad": 0}),
            Violation(Reason.AMOUNT_TOO_LARGE, {"share_wad": TOO_MUCH}),
            Violation(Reason.SUBACCOUNT_UNKNOWN, {"bidder": "nobody"}),
            Violation(Reason.SUBACCOUNTS_MUST_DIFFER, {"subaccount": "victim", "bidder": "victim"}),
            Violation(Reason.POOLS_MIXED, {}, change_policy(exclusive_pools=True), frozenset({"bidder"})),
            Violation(Reason.UNDER_AUCTION, {}, under_auction("liquidator"), frozenset({"bidder"})),
            Violation(Reason.AUCTION_OVER, {}, wait_out, frozenset({"price of ETH"})),
            Violation(Reason.BACKSTOP_CAPACITY, {"bidder": "poor"}),
            Violation(Reason.INSURANCE_TOO_SMALL, {}, unpayable, frozenset({"price of ETH", "policy"})),
        ],
    ),
    Case(
        unwanted_market,
        cmd.ConvertAuction("victim"),
        [
            *(NOBODY, SYSTEM, HEALTHY, NO_AUCTIONS, NOT_AUCTIONED),
            Violation(Reason.AUCTION_RUNNING, {}, begin_again, frozenset({"subaccount", "price of ETH"})),
        ],
    ),
    Case(
        recovered_market,
        cmd.EndAuction("victim"),
        [
            *(NOBODY, SYSTEM, NO_AUCTIONS, NOT_AUCTIONED),
            Violation(Reason.AUCTION_RUNNING, {}, move(ETH=94), frozenset({"price of ETH"})),
        ],
    ),
]
