"""A market that is wound down: nobody trades in it, and its positions are closed against each other at the mark."""

import pytest

from clearing.world import World, deleveraging, found
from ringfence.clearing import command as cmd
from ringfence.clearing import event as ev
from ringfence.clearing.adl import transfer_price
from ringfence.clearing.policy import Policy
from ringfence.clearing.verdict import Reason

CYCLIC = deleveraging(Policy(withdrawal_gate_blocks=50), policy="cyclic")


def settling(policy=None, *, mark=100, orders=False):
    """`long` holds 100 ETH from 100 with 1,000; `short.1` and `short.2` hold 60 and 40 against it, 1,000 each."""
    world = World(policy or CYCLIC)
    world.open("long", 1_000)
    for number, lots in enumerate((60, 40), 1):
        world.open(f"short.{number}", 1_000)
        world.trade("ETH", lots, "long", f"short.{number}")
    if orders:
        world.ok(cmd.Reserve("short.1", "bid", "ETH", 10))
        world.ok(cmd.Reserve("short.1", "other", "SOL", 1))
    world.price(ETH=mark)
    world.ok(cmd.SettleMarket("ETH"))
    return world


def test_orders_in_the_market_are_cancelled_and_others_stay():
    world = settling(orders=True)
    assert list(world.venue.subaccounts["short.1"].orders) == ["other"]


def test_nobody_trades_reserves_or_is_liquidated():
    world = settling(mark=94)
    for command in (
        cmd.Trade("ETH", 1, 94, "long", "short.1"),
        cmd.Trade("ETH", -1, 94, "long", "short.1"),
        cmd.Reserve("long", "ask", "ETH", -1),
        cmd.Liquidate("long", "ETH"),
        cmd.SettleMarket("ETH"),
    ):
        world.no(command, Reason.MARKET_SETTLING)
    world.ok(cmd.Trade("SOL", 1, 100, "short.1", "short.2"))


def test_a_solvent_position_closes_at_the_mark():
    world = settling(mark=97)
    # equity 700 of 1,000, above maintenance margin: elsewhere nobody could close it
    events = world.ok(cmd.Deleverage("long", "ETH"))
    assert (world.lots("long"), world.lots("short.1"), world.lots("short.2")) == (0, 0, 0)
    assert (world.equity("long"), world.equity("short.1"), world.equity("short.2")) == (700, 1_180, 1_120)
    assert found(events, ev.InsolvencySeen) == []


def test_a_winner_can_be_named_as_well():
    world = settling(mark=97)
    world.ok(cmd.Deleverage("short.1", "ETH"))
    assert (world.lots("long"), world.lots("short.1")) == (40, 0)


def test_an_insolvent_position_closes_at_its_bankruptcy_price():
    world = settling(mark=85)
    events = world.ok(cmd.Deleverage("long", "ETH"))
    # equity -500 over 100 lots: 90 a lot instead of 85
    assert (world.equity("long"), world.equity("short.1"), world.equity("short.2")) == (0, 1_600, 1_400)
    assert found(events, ev.InsolvencySeen) != []


def test_whoever_has_no_equity_is_no_counterparty_at_the_mark():
    world = settling(mark=130)
    # the shorts lost 30 a lot: 1,000 - 1,800 and 1,000 - 1,200
    world.no(cmd.Deleverage("long", "ETH"), Reason.NO_COUNTERPARTY)
    assert transfer_price(world.venue, "long", "ETH") == "mark"
    assert transfer_price(world.venue, "short.1", "ETH") == "bankruptcy"


def test_all_that_is_left_is_closed_in_the_end():
    world = settling(mark=115)
    # the longs gained 1,500; the shorts have 100 and 400 left
    assert world.resolve() == ["Deleverage"]
    assert [world.lots(name) for name in ("long", "short.1", "short.2")] == [0, 0, 0]
    assert (world.equity("long"), world.equity("short.1"), world.equity("short.2")) == (2_500, 100, 400)


def test_an_insolvent_side_is_closed_first_and_the_rest_at_the_mark():
    world = settling(mark=120)
    # short.1 has 1,000 - 1,200 = -200 and closes at 1,000 / 60 above 100, at 116.66: the long gets 7,000 for 60 lots
    world.resolve()
    assert [world.lots(name) for name in ("long", "short.1", "short.2")] == [0, 0, 0]
    assert (world.equity("short.1"), world.equity("short.2")) == (0, 200)
    assert world.equity("long") == 1_000 + 1_000 + 800


@pytest.mark.parametrize("policy", [deleveraging(policy="ranked"), deleveraging(policy="pro_rata")])
def test_in_final_settlement_every_policy_takes_anybody_in_turn(policy):
    world = settling(policy, mark=103)
    # the shorts are at a loss, so that neither ranking nor profit would name them
    world.ok(cmd.Deleverage("long", "ETH"))
    assert [world.lots(name) for name in ("long", "short.1", "short.2")] == [0, 0, 0]


def test_other_markets_go_on():
    world = settling()
    world.trade("SOL", 10, "short.1", "short.2")
    world.no(cmd.Deleverage("short.1", "SOL"), Reason.NOT_INSOLVENT)
