"""Every command of traders and operators, accepted: what it does, with the numbers derived."""

import pytest

from clearing.world import ONE, PPM, TEN_FIVE, World, found, haircut, liquidation, moved
from ringfence.clearing import command as cmd
from ringfence.clearing import event as ev
from ringfence.clearing.decide import valid_policy
from ringfence.clearing.model import QUOTE, Asset, Leverage
from ringfence.clearing.policy import OpenInterestScaled, Policy, Rounding, Tier, Tiered
from ringfence.clearing.shapes import valid as valid_requirement
from ringfence.clearing.verdict import Reason


@pytest.fixture
def world():
    made = World()
    made.open("trader", 1_000)
    made.open("maker", 100_000)
    return made


def test_open_subaccount(world):
    world.ok(cmd.OpenSubaccount("trader.eth", "trader", "trader"))
    child = world.venue.subaccounts["trader.eth"]
    assert (child.account, child.parent, child.system, child.balances) == ("trader", "trader", False, {})


def test_deposit_and_withdraw_are_mirrored_outside(world):
    world.ok(cmd.Deposit("trader", QUOTE, 50))
    world.ok(cmd.Withdraw("trader", QUOTE, 20))
    assert world.quote("trader") == 1_030
    assert world.venue.ledger["outside"] == {QUOTE: -101_030}


def test_collateral_is_deposited_and_withdrawn_in_its_own_atoms(world):
    world.ok(cmd.Deposit("trader", "BTC", 3))
    assert world.equity("trader") == 1_000 + 3 * 900  # 1,000 each less 10 %
    world.ok(cmd.Withdraw("trader", "BTC", 3))
    assert "BTC" not in world.venue.subaccounts["trader"].balances


def test_fund_insurance(world):
    world.fund(700, "alt")
    assert (world.venue.fund_q("alt"), world.venue.fund_q("main")) == (700, 0)


def test_trade_moves_lots_and_quote_and_nothing_else(world):
    world.trade("ETH", 30, "trader", "maker")
    assert world.lots("trader") == 30 == -world.lots("maker")
    assert world.quote("trader") == 1_000 - 3_000  # cash less cost of the lots
    assert world.equity("trader") == 1_000
    assert world.venue.markets["ETH"].open_interest_b == 30
    risk = world.risk("trader")
    assert (risk.notional_q, risk.initial_q, risk.maintenance_q) == (3_000, 300, 150)


def test_trade_off_the_mark_books_the_difference_at_once(world):
    world.trade("ETH", 30, "trader", "maker", price=103)
    assert world.equity("trader") == 1_000 - 90
    assert world.equity("maker") == 100_000 + 90


@pytest.mark.parametrize(
    ("sizes", "lots", "cost"),
    [
        ((10, 5), 15, 1_500 + 25),  # the second fill is at 105: cost 1,000 + 525
        ((10, -4), 6, 600),  # the entry price of what stays is kept
        ((10, -10), 0, None),
        ((10, -14), -4, -420),  # flipped: the new short was opened at 105
        ((-10, 14), 4, 420),
    ],
)
def test_cost_of_a_position(world, sizes, lots, cost):
    first, second = sizes
    world.trade("ETH", first, "trader", "maker", price=100)
    world.trade("ETH", second, "trader", "maker", price=105)
    assert world.lots("trader") == lots
    if cost is not None:
        assert world.venue.subaccounts["trader"].positions["ETH"].cost_q == cost


def test_fees_and_rebates():
    world = World(Policy(taker_fee_ppm=500, maker_fee_ppm=-200))
    world.open("trader", 1_000)
    world.open("maker", 1_000)
    events = world.trade("ETH", 25, "trader", "maker")
    # 2,500 x 0.05 % = 1.25 rounds up to 2 for the taker; the rebate 0.5 rounds up (towards zero) to none
    assert moved(events, "trading_fee") == [("sub/trader", "fees", 2)]
    events = world.trade("ETH", -100, "trader", "maker")
    assert moved(events, "trading_fee") == [("sub/trader", "fees", 5), ("fees", "sub/maker", 2)]
    assert world.venue.balance_q("fees") == 5


def test_open_interest_counts_longs_only_once(world):
    world.open("other", 1_000)
    world.trade("ETH", 30, "trader", "maker")
    world.trade("ETH", 10, "trader", "other")
    assert world.venue.markets["ETH"].open_interest_b == 40
    world.trade("ETH", -40, "trader", "maker")  # the maker flips from -30 to +10
    assert (world.lots("maker"), world.venue.markets["ETH"].open_interest_b) == (10, 10)


def test_a_resting_order_holds_margin_for_the_worse_side(world):
    world.ok(cmd.Reserve("trader", "bid", "ETH", 40))
    assert world.risk("trader").initial_q == 400
    world.ok(cmd.Reserve("trader", "ask", "ETH", -30))
    assert world.risk("trader").initial_q == 400  # only one of the two sides can be filled to the end
    world.trade("ETH", -20, "trader", "maker")  # bids now lead to +20, asks to -50
    assert world.risk("trader").initial_q == 500
    assert world.risk("trader").maintenance_q == 100  # orders ask no maintenance margin


def test_release_lets_go(world):
    world.ok(cmd.Reserve("trader", "bid", "ETH", 40))
    assert found(world.ok(cmd.Release("trader", "bid")), ev.OrderReleased)[0].size_b == 40
    assert world.risk("trader").initial_q == 0


def test_fills_use_up_resting_orders(world):
    world.ok(cmd.Reserve("maker", "ask", "ETH", -40))
    world.ok(cmd.Trade("ETH", 30, 100, "trader", "maker", maker_order="ask"))
    assert world.venue.subaccounts["maker"].orders["ask"].size_b == -10
    world.ok(cmd.Trade("ETH", 10, 100, "trader", "maker", maker_order="ask"))
    assert world.venue.subaccounts["maker"].orders == {}


def test_an_order_that_only_reduces_needs_no_margin(world):
    world.trade("ETH", 90, "trader", "maker")
    world.price(ETH=95)  # equity 550 against 855: no free collateral
    world.ok(cmd.Reserve("trader", "exit", "ETH", -90))
    world.no(cmd.Reserve("trader", "more", "ETH", 1), Reason.INITIAL_MARGIN)


def test_leverage_raises_initial_margin_and_is_kept(world):
    world.trade("ETH", 30, "trader", "maker")
    world.ok(cmd.SetLeverage("trader", "ETH", 5))
    assert world.risk("trader").initial_q == 600
    assert world.risk("trader").maintenance_q == 150
    world.ok(cmd.SetLeverage("trader", "ETH", 10, 3))  # 3.33 times
    assert world.risk("trader").initial_q == 900
    world.ok(cmd.SetLeverage("trader", "ETH", 10))
    assert world.venue.subaccounts["trader"].leverages["ETH"] == Leverage(10, 1)
    world.ok(cmd.SetLeverage("trader", "ETH", 3))  # 1,000: all that there is
    assert world.risk("trader").free_q == 0


def test_prices_set_index_to_mark_unless_named(world):
    world.ok(cmd.SetPrices(5_000, 7, {"ETH": 90}, {"SOL": 80}))
    eth, sol = world.venue.markets["ETH"], world.venue.markets["SOL"]
    assert (eth.mark, eth.index, eth.previous_mark) == (90, 90, 100)
    assert (sol.mark, sol.index, sol.previous_mark) == (100, 80, 100)
    assert (world.venue.time_ms, world.venue.block) == (5_000, 7)


def test_the_smallest_price_is_one_quantum(world):
    world.ok(cmd.SetPrices(5_000, 7, {"ETH": 1}, {"SOL": 1}, {"BTC": 1}))


def test_an_order_of_a_single_lot_is_filled_on_its_side(world):
    for name, size in (("ask", -1), ("bid", 1)):
        world.ok(cmd.Reserve("maker", name, "ETH", size))
        world.no(cmd.Trade("ETH", size, 100, "trader", "maker", maker_order=name), Reason.ORDER_MISMATCH)
        world.ok(cmd.Trade("ETH", -size, 100, "trader", "maker", maker_order=name))


def test_margin_may_be_measured_at_the_index():
    world = World(Policy(risk_price="index"))
    world.open("trader", 1_000)
    world.open("maker", 1_000)
    world.trade("ETH", 50, "trader", "maker")
    world.ok(cmd.SetPrices(5_000, 7, {"ETH": 100}, {"ETH": 90}))
    assert world.equity("trader") == 500
    assert world.risk("trader").notional_q == 4_500


def test_transfer_margin(world):
    world.open("trader.eth", parent="trader")
    world.ok(cmd.TransferMargin("trader", "trader.eth", QUOTE, 400))
    assert (world.quote("trader"), world.quote("trader.eth")) == (600, 400)


def test_withdrawal_leaves_initial_margin_and_the_floor():
    world = World(Policy(withdrawal_floor_ppm=200_000))
    world.open("trader", 1_000)
    world.open("maker", 1_000)
    world.trade("ETH", 30, "trader", "maker")
    # initial margin 300, floor 20 % of 3,000 = 600: 400 may leave
    world.no(cmd.Withdraw("trader", QUOTE, 401), Reason.INITIAL_MARGIN)
    world.ok(cmd.Withdraw("trader", QUOTE, 400))


def test_funding_settles_to_the_atom_and_rounds_against_the_trader(world):
    world.open("other", 1_000)
    world.trade("ETH", 30, "trader", "maker")
    world.trade("ETH", 3, "other", "maker")
    world.ok(cmd.AccrueFunding("ETH", 150))  # 0.015 atoms per lot
    # owed, not yet booked: 30 lots pay 0.45, so 1; 3 lots pay 0.045, so 1; 33 short lots receive 0.495, so nothing
    assert [world.equity(name) for name in ("trader", "other", "maker")] == [999, 999, 100_000]
    events = world.trade("ETH", -30, "trader", "maker")
    assert moved(events, "funding") == [("sub/trader", "funding/ETH", 1)]
    world.trade("ETH", -3, "other", "maker")
    assert world.venue.balance_q("funding/ETH") == 2  # what rounding left stays on a named account
    assert [world.quote(name) for name in ("trader", "other", "maker")] == [999, 999, 100_000]


def test_negative_funding_pays_longs(world):
    world.trade("ETH", 30, "trader", "maker")
    world.ok(cmd.AccrueFunding("ETH", -10_000))  # 1 % of 100: 1 atom per lot
    world.ok(cmd.AccrueFunding("ETH", 2_000))  # back by a fifth of it
    assert world.equity("trader") == 1_000 + 24
    assert world.equity("maker") == 100_000 - 24


def test_a_new_position_owes_no_funding_of_the_past(world):
    world.trade("ETH", 1, "maker", "trader")
    world.ok(cmd.AccrueFunding("ETH", 500_000))
    world.open("late", 1_000)
    world.trade("ETH", 10, "late", "maker")
    assert world.equity("late") == 1_000


def test_requirement_change_holds_from_then_on(world):
    world.trade("ETH", 30, "trader", "maker")
    tight = Tiered((Tier(0, 400, 200, 0),), 1_000)
    world.ok(cmd.ChangeRequirement("ETH", tight, 7))
    risk = world.risk("trader")
    assert (risk.initial_q, risk.maintenance_q) == (1_207, 607)
    world.no(cmd.Trade("ETH", 1, 100, "trader", "maker"), Reason.INITIAL_MARGIN)
    world.trade("ETH", -1, "trader", "maker")  # reducing is always allowed


def test_policy_change_holds_from_then_on(world):
    world.ok(cmd.ChangePolicy(Policy(taker_fee_ppm=10_000)))
    assert moved(world.trade("ETH", 10, "trader", "maker"), "trading_fee") == [("sub/trader", "fees", 10)]


def test_open_interest_scaled_margin_grows_with_the_market():
    world = World(requirement=OpenInterestScaled(100_000, 500_000, 2_000, 6_000))
    for name in ("trader", "maker"):
        world.open(name, 10_000)
    world.trade("ETH", 20, "trader", "maker")  # open interest 2,000: the base 10 %
    assert world.risk("trader").initial_q == 200
    world.trade("ETH", 20, "trader", "maker")  # 4,000, half way: 55 %
    assert world.risk("trader").initial_q == 2_200
    assert world.risk("trader").maintenance_q == 200  # half of the base initial margin, unscaled


def test_tiers_apply_to_the_whole_position():
    table = Tiered((Tier(0, 100, 50, 0), Tier(2_000, 200, 100, 100_000)), 1_000)
    world = World(requirement=table)
    for name in ("trader", "maker"):
        world.open(name, 10_000)
    world.trade("ETH", 30, "trader", "maker")
    # initial 20 % of 3,000; maintenance 5 % of 2,000 + 10 % of 1,000
    assert (world.risk("trader").initial_q, world.risk("trader").maintenance_q) == (600, 200)


def test_haircut_tiers_count_large_collateral_for_less(world):
    tiers = Tiered((Tier(0, 100, 100, 0), Tier(10_000, 500, 500, 4_000_000)), 1_000)
    world.venue.assets["BTC"] = Asset("BTC", ONE, tiers, price=1_000)
    world.ok(cmd.Deposit("trader", "BTC", 30))
    # 30,000 less 10 % of 10,000 and 50 % of 20,000
    assert world.equity("trader") == 1_000 + 30_000 - 1_000 - 10_000


@pytest.mark.parametrize(
    ("requirement", "valid"),
    [
        (TEN_FIVE, True),
        (Tiered((), 1_000), False),
        (Tiered((Tier(0, 100, 50, 0),), 0), False),
        (Tiered((Tier(1, 100, 50, 0),), 1_000), False),  # does not start at zero
        (Tiered((Tier(0, 100, 50, 1),), 1_000), False),  # deducts from nothing
        (Tiered((Tier(0, 40, 50, 0),), 1_000), False),  # initial below maintenance
        (Tiered((Tier(0, 1_001, 50, 0),), 1_000), False),  # more than 100 %
        (Tiered((Tier(0, 100, -1, 0),), 1_000), False),
        (Tiered((Tier(0, 100, 50, 0), Tier(500, 200, 80, 15_000)), 1_000), True),
        (Tiered((Tier(0, 100, 50, 0), Tier(500, 200, 80, 14_999)), 1_000), False),  # jumps at the boundary
        (Tiered((Tier(0, 100, 50, 0), Tier(0, 200, 80, 0)), 1_000), False),  # does not rise
        (Tiered((Tier(0, 200, 50, 0), Tier(500, 100, 80, 15_000)), 1_000), False),  # initial rate falls
        (Tiered((Tier(0, 200, 80, 0), Tier(500, 200, 50, -15_000)), 1_000), False),  # maintenance rate falls
        (OpenInterestScaled(50_000, 600_000, 0, 0), True),
        (OpenInterestScaled(50_000, 600_000, 10, 20), True),
        (OpenInterestScaled(50_000, 600_000, 0, 20), True),
        (OpenInterestScaled(50_000, 600_000, 20, 20), True),
        (OpenInterestScaled(0, 0, 0, 0), True),
        (OpenInterestScaled(PPM, PPM, 0, 0), True),
        (OpenInterestScaled(50_000, 600_000, 20, 10), False),
        (OpenInterestScaled(50_000, 600_000, -5, 10), False),
        (OpenInterestScaled(PPM + 1, 600_000, 0, 0), False),
        (OpenInterestScaled(50_000, PPM + 1, 0, 0), False),
    ],
)
def test_which_requirements_are_valid(requirement, valid):
    assert valid_requirement(requirement) is valid


@pytest.mark.parametrize(
    ("policy", "valid"),
    [
        (Policy(), True),
        (Policy(taker_fee_ppm=-1), False),
        (Policy(taker_fee_ppm=PPM + 1), False),
        (Policy(taker_fee_ppm=200, maker_fee_ppm=-200), True),
        (Policy(taker_fee_ppm=200, maker_fee_ppm=-201), False),  # the venue would pay for trades
        (Policy(maker_fee_ppm=PPM), True),
        (Policy(maker_fee_ppm=PPM + 1), False),
        (Policy(withdrawal_floor_ppm=PPM + 1), False),
        (Policy(withdrawal_gate_blocks=-1), False),
        (Policy(rounding=Rounding(value=3)), False),
        (Policy(rounding=Rounding(requirement=-1)), False),
        (liquidation(portion_ppm=0), False),
        (liquidation(fee_ppm=PPM + 1), False),
        (liquidation(fee_to_fund_ppm=-1), False),
        (liquidation(backstop_den=0), False),
        (liquidation(backstop_num=-1), False),
        (liquidation(target_ppm=PPM - 1), False),
        (liquidation(block_insurance_q=-1), False),
        (liquidation(cooldown_ms=-1), False),
        (liquidation(spread_ppm=-1), False),
    ],
)
def test_which_policies_are_valid(policy, valid):
    assert valid_policy(policy) is valid


def test_a_collateral_without_value_counts_for_nothing(world):
    world.venue.assets["BTC"] = Asset("BTC", ONE, haircut(1_000), price=1_000)
    world.ok(cmd.Deposit("trader", "BTC", 30))
    assert world.equity("trader") == 1_000
