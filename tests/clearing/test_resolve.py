"""What is due: the order of steps, and that nothing due is left when nothing forbids it."""

import pytest

from clearing.world import World, liquidation
from ringfence.clearing import command as cmd
from ringfence.clearing.model import QUOTE
from ringfence.clearing.policy import Policy
from ringfence.clearing.resolve import Fills, order_of_markets, proposals, resolve
from ringfence.clearing.risk import is_liquidatable


def long_world(policy=None, *, fund=0, **positions):
    world = World(policy)
    world.open("trader", 1_000)
    world.open("maker", 1_000_000)
    if fund:
        world.fund(fund)
    for market, lots in positions.items():
        world.trade(market, lots, "trader", "maker")
    return world


def test_a_healthy_venue_has_nothing_due():
    world = long_world(ETH=90)
    assert world.resolve() == []
    assert list(proposals(world.venue, world.venue.subaccounts["trader"], Fills())) == []


def test_a_system_subaccount_is_never_due():
    world = long_world(ETH=100)
    world.trade("ETH", 100, "market/ETH", "maker")
    world.price(ETH=50)
    assert world.equity("market/ETH") < 0
    assert not is_liquidatable(world.venue, world.venue.subaccounts["market/ETH"])
    assert list(proposals(world.venue, world.venue.subaccounts["market/ETH"], Fills())) == []


def test_the_largest_maintenance_margin_goes_first():
    world = long_world(ETH=20, SOL=60, ARB=20)
    world.price(ETH=88, SOL=88, ARB=88)
    assert order_of_markets(world.venue, world.venue.subaccounts["trader"]) == ["SOL", "ARB", "ETH"]


def test_it_stops_as_soon_as_the_rest_is_safe():
    world = long_world(ETH=60, SOL=30)
    world.price(ETH=93, SOL=93)  # equity 370 of 419; without ETH 370 of 140
    assert world.resolve() == ["Liquidate"]
    assert (world.lots("trader", "ETH"), world.lots("trader", "SOL")) == (0, 30)


def test_resting_orders_go_before_positions():
    world = long_world(ETH=80)
    world.ok(cmd.Reserve("trader", "bid", "ETH", 10))
    world.price(ETH=91)
    assert world.resolve() == ["Release", "Liquidate"]


def test_collateral_is_sold_before_positions_are_closed():
    world = World()
    world.open("trader", btc=2)
    world.open("maker", 100_000)
    world.trade("ETH", 100, "trader", "maker")
    world.price(ETH=86)  # 1,800 - 1,400 = 400 of 430; two BTC at 950 bring 1,900: 500 of 430
    assert world.resolve() == ["SellCollateral"]
    assert world.lots("trader") == 100


def test_a_flat_debtor_s_collateral_is_sold():
    world = World()
    world.open("trader", btc=2)
    world.open("maker", 100_000)
    world.trade("ETH", 100, "trader", "maker")
    world.price(ETH=90)
    world.trade("ETH", -100, "trader", "maker")
    assert world.quote("trader") == -1_000
    assert world.resolve() == ["SellCollateral"]
    assert world.quote("trader") == 900


def test_the_backstop_comes_before_the_market():
    world = long_world(liquidation(backstop_num=2, backstop_den=3), ETH=100)
    world.ok(cmd.Deposit("backstop", QUOTE, 5_000))
    world.price(ETH=92)  # 200 of 460
    assert world.resolve() == ["TakeOver"]


def test_portions_go_on_until_safe():
    world = long_world(liquidation(size="portion", portion_ppm=250_000), ETH=100)
    world.price(ETH=94)  # 400 of 470; 75 lots ask 353
    assert world.resolve() == ["Liquidate"]
    assert world.lots("trader") == 75


def test_a_cooldown_leaves_the_rest_for_later():
    world = long_world(liquidation(size="portion", portion_ppm=100_000, cooldown_ms=2_000), ETH=100)
    world.price(ETH=92)
    assert world.resolve() == ["Liquidate"]
    assert world.resolve() == []
    world.price()
    assert world.resolve() == []
    world.price()
    assert world.resolve() == ["Liquidate"]


def test_a_block_limit_leaves_the_rest_for_the_next_block():
    world = long_world(liquidation(block_subaccount_q=3_000), ETH=100)
    world.price(ETH=91)
    assert world.resolve() == ["Liquidate"]
    assert world.lots("trader") == 100 - 32
    world.price()
    world.resolve()
    assert world.lots("trader") == 68 - 32


def test_slippage_is_paid_by_the_trader_first_and_then_by_the_fund():
    world = long_world(ETH=100, fund=1_000)
    world.price(ETH=94)
    world.resolve(slippage_ppm=100_000)  # fills at 84 (84.6 rounds down): 8,400 against 9,000 needed
    assert (world.equity("trader"), world.venue.fund_q("main")) == (0, 400)


def test_a_loss_that_the_fund_covers_only_at_the_mark_still_comes_to_an_end():
    # equity -100 at the mark; a fill 2 % below it would lose 278, the fund has 150: it pays the 100, and with equity
    # zero the position goes to the winner at the mark instead of staying open on the fund's money
    world = long_world(ETH=100, fund=150)
    world.price(ETH=89)
    assert world.resolve(slippage_ppm=20_000) == ["DrawInsurance", "Deleverage"]
    assert (world.lots("trader"), world.equity("trader"), world.venue.fund_q("main")) == (0, 0, 50)


def test_bad_debt_is_drawn_and_socialized_at_the_end():
    world = long_world(Policy(waterfall=("insurance", "socialize")), ETH=100)
    world.price(ETH=85)
    assert world.resolve() == ["Liquidate", "Socialize"]


def test_only_those_named_are_settled():
    world = long_world(ETH=100, fund=10_000)
    world.open("other", 1_000)
    world.trade("ETH", 100, "other", "maker")
    world.price(ETH=92)
    assert [type(c).__name__ for c, _ in resolve(world.house, ["other"])] == ["Liquidate"]
    assert is_liquidatable(world.venue, world.venue.subaccounts["trader"])


@pytest.mark.parametrize("mark", range(60, 141, 4))
@pytest.mark.parametrize("slippage", [0, 30_000])
def test_nothing_insolvent_is_left(mark, slippage):
    world = long_world(ETH=60, SOL=-30, fund=200)
    world.open("second", 500)
    world.trade("ETH", -45, "second", "maker")
    world.price(ETH=mark, SOL=160 - mark // 2)
    world.resolve(slippage)
    world.resolve(slippage)
    for name, subaccount in world.venue.subaccounts.items():
        assert subaccount.system or world.equity(name) >= 0, name
