"""A subaccount whose quote balance was exactly zero was valued without its other collateral."""

from clearing.world import World


def test_collateral_without_quote_is_equity():
    world = World()
    world.open("trader", btc=3)
    assert world.equity("trader") == 2_700
