"""Collateral that is converted because quote ran out, although the margin suffices."""

import pytest

from clearing.option_world import CALL, OptionWorld
from ringfence.clearing import command as cmd
from ringfence.clearing.decide import valid_policy
from ringfence.clearing.loans import overdrawn_q
from ringfence.clearing.model import QUOTE
from ringfence.clearing.policy import Policy
from ringfence.clearing.resolve import Fills, resolve
from ringfence.clearing.verdict import Reason


def buyer(overdraft_q=100):
    """Two WETH worth 20,000, and a call bought for its mark; ETH is at 10,000."""
    world = OptionWorld(overdraft_q=overdraft_q)
    world.open("buyer", weth=2)
    world.open("maker", 10**9)
    return world


def settle(world):
    return [type(command).__name__ for command, _ in resolve(world.house, ["buyer"], Fills())]


def test_a_premium_beyond_the_overdraft_is_paid_with_collateral():
    world = buyer()
    world.trade(CALL, 1, "buyer", "maker")
    premium = world.venue.markets[CALL].mark
    assert overdrawn_q(world.venue, world.sub("buyer")) == premium
    assert settle(world) == ["SellCollateral"]
    assert world.sub("buyer").balances == {
        QUOTE: 10_000 - premium,
        "WETH": 1,
    }  # the smallest lot that pays it
    assert settle(world) == []


def test_within_the_overdraft_nothing_is_converted():
    world = buyer(overdraft_q=10_000)
    world.trade(CALL, 1, "buyer", "maker")
    assert settle(world) == []
    assert world.refused(cmd.SellCollateral("buyer", "WETH")) == Reason.NOT_LIQUIDATABLE


@pytest.mark.parametrize("size", [1, -1])
def test_what_a_perpetual_costs_is_not_owed(size):
    world = buyer(overdraft_q=0)
    world.trade("ETH", size, "buyer", "maker")
    assert overdrawn_q(world.venue, world.sub("buyer")) == 0
    assert settle(world) == []


def test_where_none_is_limited_only_the_sick_convert():
    world = buyer(overdraft_q=None)
    world.trade(CALL, 1, "buyer", "maker")
    assert world.refused(cmd.SellCollateral("buyer", "WETH")) == Reason.NOT_LIQUIDATABLE


def test_an_overdraft_is_not_negative():
    assert valid_policy(Policy(overdraft_q=0))
    assert not valid_policy(Policy(overdraft_q=-1))
