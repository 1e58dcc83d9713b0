"""What closing some lots would leave was reckoned with a fee beyond what bankruptcy leaves, which is never charged.

So one lot too many was closed: here 99 of 100 are enough, and leave nothing to spare.
"""

from clearing.world import World, liquidation
from ringfence.clearing import command as cmd
from ringfence.clearing.liquidation import liquidation_size_b
from ringfence.clearing.policy import Sided

SHARES = Sided(5, 3, 6, 4, 100)
"""Longs are asked 5 % and 3 %."""


def test_no_more_is_closed_than_the_fee_charged_asks():
    world = World(liquidation(size="target", fee_ppm=20_000, fee_of="cost"), SHARES)
    world.open("trader", 600)
    world.open("maker", 100_000)
    world.trade("ETH", 100, "trader", "maker")
    world.price(ETH=96)  # equity 200, asked 288; the fee is 2 a lot
    trader = world.venue.subaccounts["trader"]
    assert liquidation_size_b(world.venue, trader, "ETH", 96) == 99
    world.ok(cmd.Liquidate("trader", "ETH"))
    # 99 lots free 285 of 288, so at most 285 / 288 of 200, which is 197 and not 198, may go for the fee.
    assert world.lots("trader") == 1
    risk = world.risk("trader")
    assert (risk.equity_q, risk.maintenance_q) == (3, 3)
