"""Pro rata took a profit and left the entry price as it was: the next loser took the same profit again."""

from clearing.world import World, deleveraging, moved
from ringfence.clearing import command as cmd
from ringfence.clearing.model import QUOTE


def test_a_profit_given_up_is_gone():
    world = World(deleveraging(policy="pro_rata"))
    for name in ("first", "second", "winner"):
        world.open(name, 1_000)
    world.trade("ETH", 100, "first", "winner")
    world.trade("ETH", 100, "second", "market/ETH")
    world.ok(cmd.Deposit("winner", QUOTE, 10_000))
    world.price(ETH=82)  # the winner has a profit of 1,800; each loser needs 800
    taken = [moved(world.ok(cmd.Deleverage(name, "ETH")), "profit_haircut") for name in ("first", "second")]
    assert taken == [[("sub/winner", "sub/first", 800)], [("sub/winner", "sub/second", 800)]]
    held = world.venue.subaccounts["winner"].positions["ETH"]
    assert held.cost_q == -10_000 + 1_600  # 200 of the profit are left
