"""Where a liquidation stops: at another margin than maintenance, with a buffer, with a fee of another base."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.world import World, liquidation
from ringfence.clearing import command as cmd
from ringfence.clearing.liquidation import liquidation_size_b
from ringfence.clearing.policy import Sided
from ringfence.rules.words import PPM

SIDED = Sided(5, 3, 6, 4, 100)
"""Longs are asked 5 % and 3 %, shorts 6 % and 4 %."""


def holding(policy, *, size=100, cash=600, requirement=SIDED):
    """`trader` holds `size` lots at 100 with `cash`."""
    world = World(policy, requirement)
    world.open("trader", cash)
    world.open("maker", 100_000)
    world.trade("ETH", size, "trader", "maker")
    return world


def allowed(world):
    venue = world.venue
    return liquidation_size_b(venue, venue.subaccounts["trader"], "ETH", venue.markets["ETH"].mark)


@pytest.mark.parametrize(
    ("size", "mark", "lots"),
    [
        (100, 96, 59),  # equity 200 covers 5 % of 41 lots (196.8), not of 42 (201.6)
        (-100, 102, 35),  # a short: 400 covers 6 % of 65 lots (397.8), not of 66 (403.9)
    ],
)
def test_initial_margin_may_be_what_is_restored(size, mark, lots):
    world = holding(liquidation(size="target", target_of="initial"), size=size)
    world.price(ETH=mark)
    assert allowed(world) == lots


def test_a_buffer_is_a_share_of_the_notional():
    world = holding(liquidation(size="target", buffer_ppm=20_000))
    world.price(ETH=96)  # equity 200 covers 3 % + 2 % of 41 lots, as above
    assert allowed(world) == 59


@pytest.mark.parametrize(
    ("of", "fee_ppm", "fee"), [("notional", 10_000, 96), ("cost", 10_000, 100), ("maintenance", 100_000, 28)]
)
def test_a_fee_is_a_share_of_what_it_says(of, fee_ppm, fee):
    world = holding(liquidation(fee_ppm=fee_ppm, fee_of=of))
    world.price(ETH=96)  # 100 lots are worth 9,600, cost 10,000 and free a maintenance margin of 288
    world.ok(cmd.Liquidate("trader", "ETH"))
    assert world.venue.fund_q("main") == fee


@pytest.mark.fuzz
@given(
    st.integers(90, 99),
    st.sampled_from(["maintenance", "initial"]),
    st.integers(0, 30_000),
    st.integers(0, 100_000),
    st.sampled_from(["notional", "cost", "maintenance"]),
)
def test_the_end_margin_is_restored_with_not_one_lot_to_spare(price, of, buffer_ppm, fee_ppm, fee_of):
    policy = liquidation(size="target", target_of=of, buffer_ppm=buffer_ppm, fee_ppm=fee_ppm, fee_of=fee_of)

    def lacks(world):
        risk = world.risk("trader")
        margin_q = risk.initial_q if of == "initial" else risk.maintenance_q
        return margin_q * PPM + risk.notional_q * buffer_ppm - risk.equity_q * PPM

    world, twin = holding(policy), holding(policy)
    for each in (world, twin):
        each.fund(10**6)
        each.price(ETH=price)
    if not world.risk("trader").liquidatable(at_equality=False):
        return
    lots = allowed(world)
    if lots > 1:
        twin.ok(cmd.Liquidate("trader", "ETH", lots - 1))
        assert lacks(twin) > 0
    world.ok(cmd.Liquidate("trader", "ETH"))
    assert world.lots("trader") == 0 or lacks(world) <= 0
