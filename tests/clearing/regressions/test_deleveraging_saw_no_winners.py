"""Deleveraging and socializing walked over a draft, which held only the subaccounts it had already looked up: nobody.

Every insolvent position whose loss the fund could not pay stayed open for ever.
"""

from clearing.world import World, found
from ringfence.clearing import command as cmd
from ringfence.clearing.event import Deleveraged, LossSocialized
from ringfence.clearing.policy import Policy
from ringfence.clearing.solve import what_if


def insolvent(policy=None):
    world = World(policy)
    world.open("loser", 1_000)
    world.open("winner", 1_000)
    world.trade("ETH", 100, "loser", "winner")
    world.price(ETH=85)
    return world


def test_deleveraging_finds_the_winner():
    assert found(insolvent().ok(cmd.Deleverage("loser", "ETH")), Deleveraged)[0].winners == 1


def test_socializing_finds_those_exposed():
    world = insolvent(Policy(waterfall=("socialize",)))
    world.ok(cmd.Liquidate("loser", "ETH"))
    assert found(world.ok(cmd.Socialize("main")), LossSocialized)[0].amount_q == 500


def test_a_hypothetical_deleveraging_finds_the_winner_too():
    """A what-if decides on a draft of a draft."""
    world = insolvent()
    answer = what_if(world.venue, "winner", [cmd.Deleverage("loser", "ETH")])
    assert (answer.before.equity_q, answer.after.equity_q) == (2_500, 2_000)
