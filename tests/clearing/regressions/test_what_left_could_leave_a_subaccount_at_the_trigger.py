"""Where equity that equals maintenance margin is liquidatable, margin could leave down to just that.

Initial margin was kept, and where it is no more than maintenance margin, so was nothing to spare.
"""

import pytest

from clearing.world import World
from ringfence.clearing import command as cmd
from ringfence.clearing.model import QUOTE
from ringfence.clearing.policy import Policy, Tier, Tiered
from ringfence.clearing.risk import is_liquidatable
from ringfence.clearing.verdict import Reason

FLAT = Tiered((Tier(0, 5, 5, 0),), 100)


@pytest.mark.parametrize("at_equality", [True, False])
def test_an_atom_stays(at_equality):
    world = World(Policy(trigger_at_equality=at_equality), FLAT)
    world.open("a", 1_000)
    world.open("a.b", account="a")
    world.open("maker", 10_000)
    world.trade("ETH", 100, "a", "maker")
    most = 499 if at_equality else 500  # 5 % of 10,000 stay
    for command in (cmd.Withdraw("a", QUOTE, most + 1), cmd.TransferMargin("a", "a.b", QUOTE, most + 1)):
        world.no(command, Reason.INITIAL_MARGIN)
    world.ok(cmd.TransferMargin("a", "a.b", QUOTE, most))
    assert not is_liquidatable(world.venue, world.venue.subaccounts["a"])
