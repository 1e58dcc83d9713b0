"""Both ring fences: what a trader's subaccount loses stays in it, and what a pool loses stays in that pool."""

import pytest

from clearing.world import World, moved
from ringfence.clearing import command as cmd
from ringfence.clearing.model import QUOTE
from ringfence.clearing.policy import Policy
from ringfence.clearing.verdict import Reason


@pytest.fixture
def world():
    """`trader` has 1,000 and two empty children."""
    made = World()
    made.open("trader", 1_000)
    made.open("maker", 100_000)
    made.open("trader.eth", parent="trader")
    made.open("trader.arb", parent="trader")
    return made


def test_a_child_draws_initial_margin_for_what_it_opens(world):
    events = world.trade("ETH", 30, "trader.eth", "maker")
    assert moved(events, "margin_posted") == [("sub/trader", "sub/trader.eth", 300)]
    assert (world.equity("trader"), world.equity("trader.eth")) == (700, 300)
    world.trade("ETH", 10, "trader.eth", "maker")
    assert (world.equity("trader"), world.equity("trader.eth")) == (600, 400)


def test_a_child_draws_at_the_leverage_chosen_for_it(world):
    world.ok(cmd.SetLeverage("trader.eth", "ETH", 5))
    world.trade("ETH", 30, "trader.eth", "maker")
    assert world.equity("trader.eth") == 600


def test_three_positions_without_leverage_lock_their_worth(world):
    for child, market in (("trader.eth", "ETH"), ("trader.arb", "ARB")):
        world.ok(cmd.SetLeverage(child, market, 1))
        world.trade(market, 4, child, "maker")
    assert (world.equity("trader"), world.equity("trader.eth"), world.equity("trader.arb")) == (200, 400, 400)
    world.open("trader.sol", parent="trader")
    world.ok(cmd.SetLeverage("trader.sol", "SOL", 1))
    world.no(cmd.Trade("SOL", 3, 100, "trader.sol", "maker"), Reason.PARENT_MARGIN)


def test_a_child_draws_fee_and_open_loss_too():
    world = World(Policy(taker_fee_ppm=10_000))
    world.open("trader", 1_000)
    world.open("maker", 100_000)
    world.open("trader.eth", parent="trader")
    events = world.trade("ETH", 30, "trader.eth", "maker", price=102)
    # margin 10 % of 3,000, fee 1 % of 3,060 rounded up, and 2 per lot lost against the mark
    assert moved(events, "margin_posted") == [("sub/trader", "sub/trader.eth", 300 + 31 + 60)]
    assert world.risk("trader.eth").free_q == 0


def test_margin_already_held_for_an_order_is_not_drawn_again(world):
    world.ok(cmd.TransferMargin("trader", "trader.eth", QUOTE, 300))
    world.ok(cmd.Reserve("trader.eth", "bid", "ETH", 30))
    events = world.ok(cmd.Trade("ETH", 30, 100, "trader.eth", "maker", taker_order="bid"))
    assert moved(events, "margin_posted") == []
    assert (world.equity("trader"), world.equity("trader.eth")) == (700, 300)


def test_a_child_hands_back_what_is_left_when_it_is_flat(world):
    world.trade("ETH", 30, "trader.eth", "maker")
    world.price(ETH=104)
    world.trade("ETH", -10, "trader.eth", "maker")
    assert world.equity("trader") == 700  # still open: nothing comes back
    events = world.trade("ETH", -20, "trader.eth", "maker")
    assert moved(events, "margin_returned") == [("sub/trader.eth", "sub/trader", 420)]
    assert (world.equity("trader"), world.venue.subaccounts["trader.eth"].balances) == (1_120, {})


def test_a_child_with_a_resting_order_keeps_its_margin(world):
    world.ok(cmd.TransferMargin("trader", "trader.eth", QUOTE, 300))
    world.ok(cmd.Reserve("trader.eth", "bid", "ETH", 30))
    world.trade("ETH", 10, "trader.eth", "maker")
    world.trade("ETH", -10, "trader.eth", "maker")
    assert world.equity("trader.eth") == 300 + 100
    events = world.ok(cmd.Release("trader.eth", "bid"))
    assert moved(events, "margin_returned") == [("sub/trader.eth", "sub/trader", 400)]


def test_collateral_posted_to_a_child_returns_as_it_is(world):
    world.ok(cmd.Deposit("trader", "BTC", 2))
    world.ok(cmd.TransferMargin("trader", "trader.eth", "BTC", 1))
    world.trade("ETH", 30, "trader.eth", "maker")
    world.trade("ETH", -30, "trader.eth", "maker")
    assert world.venue.subaccounts["trader"].balances == {QUOTE: 1_000, "BTC": 2}


def test_a_loss_never_exceeds_what_the_child_holds(world):
    world.fund(10_000)
    world.trade("ETH", 30, "trader.eth", "maker")
    world.trade("ARB", 30, "trader.arb", "maker")
    before = world.equity("trader"), world.equity("trader.arb")
    world.price(ETH=50)  # the child lost 1,500 with 300
    assert world.equity("trader.eth") == -1_200
    assert world.resolve() == ["Liquidate"]
    assert (world.equity("trader"), world.equity("trader.arb")) == before
    assert world.equity("trader.eth") == 0
    assert world.venue.fund_q("main") == 10_000 - 1_200


def test_the_same_position_in_the_parent_costs_the_whole_account(world):
    world.fund(10_000)
    world.trade("ETH", 30, "trader", "maker")
    world.price(ETH=50)
    world.resolve()
    assert world.equity("trader") == 0


def test_opening_more_never_makes_the_parent_pay_an_earlier_loss(world):
    world.trade("ETH", 30, "trader.eth", "maker")
    world.price(ETH=94)  # equity 120 against 282: short of 162
    world.no(cmd.Trade("ETH", 1, 94, "trader.eth", "maker"), Reason.INITIAL_MARGIN)
    world.ok(cmd.TransferMargin("trader", "trader.eth", QUOTE, 162))
    world.trade("ETH", 1, "trader.eth", "maker")


def test_margin_moves_only_while_the_source_stands(world):
    world.trade("ETH", 90, "trader", "maker")
    world.no(cmd.TransferMargin("trader", "trader.eth", QUOTE, 101), Reason.INITIAL_MARGIN)
    world.ok(cmd.TransferMargin("trader", "trader.eth", QUOTE, 100))


def test_a_sick_target_may_receive_and_a_sick_source_may_not_give(world):
    world.trade("ETH", 30, "trader.eth", "maker")
    world.price(ETH=94)
    world.no(cmd.TransferMargin("trader.eth", "trader", QUOTE, 1), Reason.INITIAL_MARGIN)
    world.ok(cmd.TransferMargin("trader", "trader.eth", QUOTE, 1))


def sick(world):
    """A child below initial margin; its parent and its sibling are well."""
    world.trade("ETH", 30, "trader.eth", "maker")
    world.trade("ARB", 10, "trader.arb", "maker")
    world.price(ETH=94)
    assert world.risk("trader.eth").free_q < 0


@pytest.mark.parametrize(
    "command",
    [
        cmd.Trade("ARB", 10, 100, "trader.arb", "maker"),
        cmd.Trade("SOL", 10, 100, "trader", "maker"),
        cmd.Withdraw("trader", QUOTE, 500),
        cmd.Reserve("trader", "bid", "SOL", 20),
        cmd.TransferMargin("trader", "trader.arb", QUOTE, 100),
        cmd.Trade("ETH", 10, 94, "maker", "trader"),  # against the healthy parent
    ],
)
def test_a_sick_subaccount_never_blocks_a_healthy_one(world, command):
    sick(world)
    world.ok(command)


@pytest.mark.parametrize(
    "command",
    [
        cmd.Trade("ETH", -10, 94, "trader.eth", "maker"),
        cmd.Trade("ETH", -30, 94, "trader.eth", "maker"),
        cmd.Trade("ETH", 10, 94, "maker", "trader.eth"),  # as maker
        cmd.Reserve("trader.eth", "exit", "ETH", -30),
        cmd.SetLeverage("trader.eth", "ETH", 10),
        cmd.Deposit("trader.eth", QUOTE, 1),
        cmd.TransferMargin("trader", "trader.eth", QUOTE, 1),
    ],
)
def test_a_sick_subaccount_may_do_whatever_reduces_its_risk(world, command):
    sick(world)
    world.ok(command)


def two_pools():
    """`left` loses in ETH (pool main), `right` is short ARB (pool alt); both pools are insured."""
    world = World()
    world.open("left", 1_000)
    world.open("right", 1_000)
    world.open("maker", 100_000)
    world.fund(300, "main")
    world.fund(300, "alt")
    world.trade("ETH", 90, "left", "maker")
    world.trade("ARB", -90, "right", "maker")
    return world


def pool_accounts(world, pool):
    return {name: dict(held) for name, held in world.venue.ledger.items() if name.endswith(f"/{pool}")}


@pytest.mark.parametrize("waterfall", [("insurance", "socialize"), ("insurance", "deleverage", "socialize")])
def test_a_loss_in_one_pool_never_touches_the_other(waterfall):
    world = two_pools()
    world.ok(cmd.ChangePolicy(Policy(waterfall=waterfall)))
    before = pool_accounts(world, "alt"), world.equity("right")
    world.price(ETH=80)  # left: 1,000 - 1,800
    world.resolve()
    assert world.lots("left") == 0
    assert (pool_accounts(world, "alt"), world.equity("right")) == before
    assert world.venue.fund_q("main") == 0


def test_one_subaccount_over_two_pools_charges_each_its_share():
    world = World(Policy(waterfall=("insurance", "socialize")))
    world.open("trader", 1_000)
    world.open("maker", 100_000)
    world.fund(1_000, "main")
    world.fund(1_000, "alt")
    world.trade("ETH", 40, "trader", "maker")
    world.trade("ARB", 20, "trader", "maker")
    world.price(ETH=70, ARB=70)
    # equity 1,000 - 1,800 = -800; maintenance margins 140 and 70: two thirds of the loss are ETH's
    world.resolve()
    assert world.venue.fund_q("main") == 1_000 - 534  # 533.3 rounds up
    assert world.venue.fund_q("alt") == 1_000 - 266
    assert world.equity("trader") == 0


def test_a_venue_may_forbid_one_subaccount_over_several_pools():
    world = World(Policy(exclusive_pools=True))
    world.open("trader", 1_000)
    world.open("maker", 100_000)
    world.trade("ETH", 10, "trader", "market/ETH")
    world.trade("SOL", 10, "trader", "market/SOL")  # shares the pool
    world.no(cmd.Trade("ARB", 10, 100, "trader", "maker"), Reason.POOLS_MIXED)
    world.open("trader.arb", parent="trader")
    world.trade("ARB", 10, "trader.arb", "maker")
