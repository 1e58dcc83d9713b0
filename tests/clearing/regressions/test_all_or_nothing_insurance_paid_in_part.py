"""`DrawInsurance` paid as far as the fund reached also where the rulebook says all or nothing."""

from clearing.world import World
from ringfence.clearing import command as cmd
from ringfence.clearing.policy import Policy
from ringfence.clearing.verdict import Reason


def test_a_fund_that_cannot_pay_all_pays_nothing():
    world = World(Policy(insurance="all_or_nothing"))
    world.open("loser", 1_000)
    world.open("winner", 1_000)
    world.trade("ETH", 100, "loser", "winner")
    world.price(ETH=85)
    world.fund(499)
    world.no(cmd.DrawInsurance("main", "loser", "ETH"), Reason.INSURANCE_TOO_SMALL)
    world.fund(1)
    world.ok(cmd.DrawInsurance("main", "loser", "ETH"))
