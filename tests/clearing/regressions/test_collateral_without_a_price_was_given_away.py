"""An asset whose price was never set was sold for nothing, all of it."""

from clearing.world import World
from ringfence.clearing import command as cmd
from ringfence.clearing.verdict import Reason


def test_it_is_kept_until_it_has_a_price():
    world = World()
    world.open("trader", 1_000, btc=3)
    world.open("maker", 100_000)
    world.trade("ETH", 100, "trader", "maker")
    world.venue.assets["BTC"].price = 0
    world.price(ETH=85)
    world.no(cmd.SellCollateral("trader", "BTC"), Reason.PRICE_NOT_SET)
    assert "SellCollateral" not in world.resolve()
