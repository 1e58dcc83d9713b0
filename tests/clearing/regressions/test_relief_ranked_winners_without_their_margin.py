"""Where winners rank by profit and margin ratio, relief of a pool saw no margin: names alone decided."""

from clearing.world import World, deleveraging, found
from ringfence.clearing import command as cmd
from ringfence.clearing import event as ev
from ringfence.clearing.model import QUOTE
from ringfence.clearing.policy import Policy, Solvency


def test_the_winner_with_less_behind_the_position_is_closed_first():
    policy = deleveraging(Policy(waterfall=("counterparty",)), score="profit_margin")
    world = World(policy, solvency=Solvency(900_000, 600_000, 500_000))
    world.ok(cmd.Deposit("market/ETH", QUOTE, 20_000))
    for name, cash in (("first", 2_000_000), ("second", 1_100_000)):
        world.open(name, cash)
        world.trade("ETH", 50, name, "market/ETH")
    world.price(ETH=240)
    # Both won 7,000 of 10,000 and hold the same lots, so the same margin; who has less equity ranks higher.
    events = world.ok(cmd.RelievePool("ETH", is_long=True))
    closed = [event.subaccount for event in found(events, ev.PositionChanged) if event.size_delta_b < 0]
    assert closed[0] == "second"
