"""A liquidation of any size was accepted: what stayed was no multiple of the step, and no trade could ever close it.

Its price, alone of all prices, had no upper limit.
"""

from clearing.world import World
from ringfence.clearing import command as cmd
from ringfence.clearing.verdict import Reason


def test_size_and_price_are_checked_like_those_of_a_trade():
    world = World(step_b=10)
    world.open("trader", 1_000)
    world.open("maker", 100_000)
    world.trade("ETH", 100, "trader", "maker")
    world.price(ETH=94)
    world.no(cmd.Liquidate("trader", "ETH", 7), Reason.SIZE_NOT_A_MULTIPLE)
    world.no(cmd.Liquidate("trader", "ETH", 10, 2**96), Reason.AMOUNT_TOO_LARGE)
    world.ok(cmd.Liquidate("trader", "ETH", 10))
