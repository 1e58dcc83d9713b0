"""Three commands checked a later reason before an earlier one."""

from clearing.world import World, liquidation
from ringfence.clearing import command as cmd
from ringfence.clearing.verdict import Reason


def test_an_unknown_order_of_the_maker_before_a_mismatch_of_the_taker():
    world = World()
    world.open("taker", 1_000)
    world.open("maker", 1_000)
    world.ok(cmd.Reserve("taker", "bid", "ETH", 5))
    world.no(cmd.Trade("ETH", 6, 100, "taker", "maker", "bid", "none"), Reason.ORDER_UNKNOWN)


def test_an_impossible_rate_before_an_unknown_market():
    World().no(cmd.AccrueFunding("NONE", 10**7), Reason.AMOUNT_TOO_LARGE)


def test_the_insurance_limit_of_a_block_before_the_price_limit():
    world = World(liquidation(limit="fillable", block_insurance_q=1))
    world.open("trader", 1_000)
    world.open("maker", 100_000)
    world.trade("ETH", 100, "trader", "maker")
    world.price(ETH=94)
    world.no(cmd.Liquidate("trader", "ETH", 0, 50), Reason.BLOCK_LIMIT)
