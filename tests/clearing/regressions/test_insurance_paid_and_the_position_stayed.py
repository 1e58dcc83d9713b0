"""The fund paid a shortfall at the mark, the fill would have cost more than was left, and the trader kept the position.

With equity of exactly zero it was neither insolvent enough to deleverage nor cheap enough to liquidate.
"""

from clearing.world import World


def test_with_equity_zero_the_position_goes_to_the_winners():
    world = World()
    world.open("trader", 1_000)
    world.open("maker", 100_000)
    world.fund(150)
    world.trade("ETH", 100, "trader", "maker")
    world.price(ETH=89)
    assert world.resolve(slippage_ppm=20_000) == ["DrawInsurance", "Deleverage"]
    assert world.lots("trader") == 0
