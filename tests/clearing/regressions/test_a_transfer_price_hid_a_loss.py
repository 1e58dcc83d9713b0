"""Deleveraging at the mark left the loser flat with negative equity, owed by nobody: no pool was charged."""

from clearing.world import World, deleveraging
from ringfence.clearing import command as cmd


def test_what_the_transfer_price_leaves_unpaid_is_bad_debt_of_the_pool():
    world = World(deleveraging(price="mark"))
    world.open("loser", 1_000)
    world.open("winner", 1_000)
    world.trade("ETH", 100, "loser", "winner")
    world.price(ETH=85)
    world.ok(cmd.Deleverage("loser", "ETH"))
    assert (world.equity("loser"), world.venue.debt_q("main")) == (0, 500)
