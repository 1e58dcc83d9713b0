"""What a subaccount short of initial margin may still do where positions may only shrink, and when leverage binds."""

import pytest

from clearing.world import World
from ringfence.clearing import command as cmd
from ringfence.clearing.model import QUOTE
from ringfence.clearing.policy import Policy, Tier, Tiered
from ringfence.clearing.verdict import Reason

STRICT = Policy(under_margin="strict_reduce")


def short_of_margin(policy):
    """`trader` is long 60 ETH and short 30 SOL from 100 with 1,000, and ETH fell to 90: equity 400, which asks 840."""
    world = World(policy)
    world.open("trader", 1_000)
    world.open("maker", 100_000)
    world.trade("ETH", 60, "trader", "maker")
    world.trade("SOL", -30, "trader", "maker")
    world.price(ETH=90)
    return world


@pytest.mark.parametrize("policy", [Policy(), STRICT])
def test_a_position_may_shrink_at_the_mark(policy):
    world = short_of_margin(policy)
    world.trade("ETH", -20, "trader", "maker")
    world.trade("SOL", 30, "trader", "maker")


@pytest.mark.parametrize("policy", [Policy(), STRICT])
def test_not_at_a_price_that_makes_it_riskier(policy):
    # 400 over 420 of maintenance margin; a sale of 1 lot at 80 leaves 390 over 415.5
    short_of_margin(policy).no(cmd.Trade("ETH", -1, 80, "trader", "maker"), Reason.INITIAL_MARGIN)


def test_a_position_may_turn_where_only_the_ratio_counts():
    # from 60 long to 50 short: maintenance margin falls from 270 to 225
    short_of_margin(Policy()).trade("ETH", -110, "trader", "maker")


def test_not_where_it_may_only_shrink():
    world = short_of_margin(STRICT)
    world.no(cmd.Trade("ETH", -110, 90, "trader", "maker"), Reason.INITIAL_MARGIN)
    world.trade("ETH", -60, "trader", "maker")


def test_it_may_turn_if_it_ends_with_enough():
    # 5 lots short ask 45 beside the 300 of SOL: 400 is enough, whatever was held before
    short_of_margin(STRICT).trade("ETH", -65, "trader", "maker")


def test_a_new_market_is_no_shrinking():
    world = short_of_margin(STRICT)
    world.ok(cmd.Reserve("trader", "close", "ETH", -60))
    world.no(cmd.Trade("ARB", 1, 100, "trader", "maker"), Reason.INITIAL_MARGIN)


def taking_over(policy):
    """At 95, `trader` is worth 700 and asks 870; `victim`, short 110 from 90 with 990, is worth 440 and asks 522.5."""
    world = short_of_margin(policy)
    world.open("victim", 990)
    world.trade("ETH", -110, "victim", "maker")
    world.price(ETH=95)
    return world, cmd.Liquidate("victim", "ETH", 110, 95, "trader")


def test_who_takes_a_position_over_may_turn_where_only_the_ratio_counts():
    # 50 lots short ask 237.5 to maintain beside the 150 of SOL, where 60 long asked 285
    world, command = taking_over(Policy())
    world.ok(command)
    assert world.venue.subaccounts["trader"].positions["ETH"].size_b == -50


def test_who_takes_a_position_over_must_shrink_as_well():
    # 50 lots short ask 475 + 300 initial margin: more than 700
    world, command = taking_over(STRICT)
    world.no(command, Reason.BACKSTOP_CAPACITY)


def test_a_transfer_may_help_a_subaccount_that_stays_short():
    world = short_of_margin(STRICT)
    world.open("trader.rich", 1_000, account="trader")
    world.ok(cmd.TransferMargin("trader.rich", "trader", QUOTE, 10))
    assert world.equity("trader") == 410


# --- when a chosen leverage binds -------------------------------------------------------------------------------------

TWO_TIERS = Tiered((Tier(0, 50, 25, 0), Tier(5_000, 100, 50, 125_000)), 1_000)
"""20x below 5,000, 10x from there on; half of it to maintain."""


def geared(checked):
    """`trader` chose 20x and is long 49 ETH at 100, just below the tier of 10x."""
    world = World(requirement=TWO_TIERS, leverage_checked=checked)
    world.open("trader", 1_000)
    world.open("maker", 100_000)
    world.ok(cmd.SetLeverage("trader", "ETH", 20))
    world.trade("ETH", 49, "trader", "maker")
    return world


@pytest.mark.parametrize(("checked", "initial"), [("always", 588), ("opening", 294)])
def test_a_position_that_grew_into_a_tier_by_price(checked, initial):
    world = geared(checked)
    world.price(ETH=120)
    # 5,880: at 10x or, where leverage is checked on opening, at the 20x that was chosen
    assert world.risk("trader").initial_q == initial


def test_the_chosen_leverage_still_counts_far_into_a_tier():
    world = geared("opening")
    world.price(ETH=400)
    # 19,600 at 20x is 980, above the 855 (5 % less 125) of maintenance
    assert world.risk("trader").initial_q == 980


def test_the_tier_binds_when_the_position_grows():
    world = geared("opening")
    world.no(cmd.Trade("ETH", 1, 100, "trader", "maker"), Reason.LEVERAGE_TOO_HIGH)
    world.no(cmd.Reserve("trader", "bid", "ETH", 1), Reason.LEVERAGE_TOO_HIGH)
    world.price(ETH=120)
    world.trade("ETH", -9, "trader", "maker")
    world.no(cmd.Trade("ETH", -90, 120, "trader", "maker"), Reason.LEVERAGE_TOO_HIGH)
    world.ok(cmd.SetLeverage("trader", "ETH", 10))
    world.trade("ETH", 5, "trader", "maker")


def test_elsewhere_margin_simply_rises():
    geared("always").trade("ETH", 1, "trader", "maker")
