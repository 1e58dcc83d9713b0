"""Whoever was named as the counterparty of a liquidation got the lots, with or without the margin for them."""

from msgspec.structs import replace

from clearing.world import World, liquidation
from ringfence.clearing import command as cmd
from ringfence.clearing.verdict import Reason


def sick(policy):
    world = World(policy)
    world.open("trader", 1_000)
    world.open("maker", 100_000)
    world.open("penniless", 1)
    world.trade("ETH", 100, "trader", "maker")
    world.price(ETH=94)
    return world


def test_a_liquidator_must_carry_what_it_takes():
    sick(None).no(cmd.Liquidate("trader", "ETH", 0, 0, "penniless"), Reason.BACKSTOP_CAPACITY)


def test_a_trader_who_takes_a_subaccount_over_must_carry_it():
    world = sick(liquidation(backstop_num=1))
    world.no(cmd.TakeOver("trader", "penniless"), Reason.BACKSTOP_CAPACITY)


def test_nor_may_a_liquidator_mix_pools_where_the_venue_forbids_it():
    world = sick(None)
    world.trade("ARB", 10, "maker", "market/ARB")
    world.venue.policy = replace(world.venue.policy, exclusive_pools=True)
    world.no(cmd.Liquidate("trader", "ETH", 0, 0, "maker"), Reason.POOLS_MIXED)
