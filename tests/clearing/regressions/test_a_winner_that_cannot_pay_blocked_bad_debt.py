"""A winner who is in profit, but whose own bankruptcy price does not overlap, blocked everything.

Deleveraging passed it over, and liquidation was refused because there seemed to be somebody to deleverage.
"""

from clearing.world import World
from ringfence.clearing import command as cmd
from ringfence.clearing.verdict import Reason


def test_bad_debt_may_stand_when_nobody_overlaps():
    world = World()
    world.open("loser", 100)
    world.open("winner", 190)
    world.trade("ETH", 10, "loser", "winner")
    world.trade("SOL", -9, "winner", "market/SOL")
    world.price(ETH=60, SOL=163)
    # the loser owes 300, 30 a lot; the winner gained 400 and lost 567: equity 23, of which 7 may be lost in ETH
    assert (world.equity("loser"), world.equity("winner")) == (-300, 23)
    world.no(cmd.Deleverage("loser", "ETH"), Reason.NO_COUNTERPARTY)
    world.ok(cmd.Liquidate("loser", "ETH"))
    assert world.venue.debt_q("main") == 300
