"""Pro rata hands the position to the market's own subaccount; where there was none, `decide` broke off."""

from clearing.world import World, deleveraging
from ringfence.clearing import command as cmd
from ringfence.clearing.verdict import Reason


def test_without_a_market_subaccount_it_is_refused():
    world = World(deleveraging(policy="pro_rata"))
    world.open("loser", 1_000)
    world.open("winner", 1_000)
    world.trade("ETH", 100, "loser", "winner")
    world.price(ETH=85)
    del world.venue.subaccounts["market/ETH"]
    world.no(cmd.Deleverage("loser", "ETH"), Reason.SUBACCOUNT_UNKNOWN)
