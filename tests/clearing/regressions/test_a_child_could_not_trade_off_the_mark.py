"""A child drew the margin of its fill but not what the fill itself cost, and so lacked it: refused.

A price one quantum worse than the mark, the next margin tier or growing open interest was enough.
"""

import pytest

from clearing.world import TEN_FIVE, World
from ringfence.clearing.policy import OpenInterestScaled, Tier, Tiered

STEEP = Tiered((Tier(0, 100, 50, 0), Tier(2_000, 200, 50, 0)), 1_000)
GROWING = OpenInterestScaled(100_000, 500_000, 1_000, 10_000)


def family(requirement):
    world = World(requirement=requirement)
    world.open("trader", 10_000)
    world.open("maker", 100_000)
    world.open("trader.eth", parent="trader")
    return world


@pytest.mark.parametrize(("size", "price"), [(10, 101), (-10, 99), (10, 150)])
def test_a_fill_worse_than_the_mark(size, price):
    world = family(TEN_FIVE)
    world.trade("ETH", size, "trader.eth", "maker", price)
    assert world.equity("trader.eth") == 100


@pytest.mark.parametrize(("requirement", "asked"), [(STEEP, 600), (GROWING, 900)])
def test_a_fill_that_makes_the_earlier_lots_dearer(requirement, asked):
    world = family(requirement)
    world.trade("ETH", 15, "trader.eth", "maker")
    world.trade("ETH", 15, "trader.eth", "maker")
    assert world.equity("trader.eth") == world.risk("trader.eth").initial_q == asked
