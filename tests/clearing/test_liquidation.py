"""Liquidation: trigger, size, price limit, fee, block limits, cooldown, backstop, collateral sale."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from clearing.world import PPM, World, found, liquidation, moved
from ringfence.clearing import command as cmd
from ringfence.clearing import event as ev
from ringfence.clearing.liquidation import fillable_price, liquidation_size_b
from ringfence.clearing.model import QUOTE
from ringfence.clearing.policy import Policy, Tier, Tiered
from ringfence.clearing.risk import bankruptcy_q
from ringfence.clearing.verdict import Reason


def leveraged(policy=None, *, size=100, cash=1_000, fund=0, **market):
    """`trader` is long 100 ETH from 100 with 1,000: equity 10 per quantum, maintenance margin 5 % of the worth."""
    world = World(policy, **market)
    world.open("trader", cash)
    world.open("maker", 1_000_000)
    if fund:
        world.fund(fund)
    world.trade("ETH", size, "trader", "maker")
    return world


def liquidate(world, size=0, price=0, counterparty=""):
    return world.ok(cmd.Liquidate("trader", "ETH", size, price, counterparty))


def result(events):
    (only,) = found(events, ev.Liquidated)
    return only


# --- trigger ----------------------------------------------------------------------------------------------------------


def test_below_maintenance_margin_and_not_at_it():
    world = leveraged(cash=1_475)
    world.price(ETH=90)  # equity 475, maintenance margin 450
    world.no(cmd.Liquidate("trader", "ETH"), Reason.NOT_LIQUIDATABLE)
    world = leveraged(cash=1_450)
    world.price(ETH=90)  # at it
    world.no(cmd.Liquidate("trader", "ETH"), Reason.NOT_LIQUIDATABLE)
    world = leveraged(cash=1_449)
    world.price(ETH=90)
    liquidate(world)


def test_at_maintenance_margin_where_the_rulebook_says_so():
    world = leveraged(Policy(trigger_at_equality=True), cash=1_450)
    world.price(ETH=90)
    liquidate(world)


def test_a_short_is_liquidated_above():
    world = leveraged(size=-100)
    world.price(ETH=105)  # equity 500, maintenance margin 525
    assert result(liquidate(world)).size_b == 100


def test_unsettled_funding_counts_towards_the_trigger():
    world = leveraged(cash=1_000)
    world.price(ETH=95)  # equity 500, maintenance margin 475
    world.ok(cmd.AccrueFunding("ETH", 3_000))  # 0.285 per lot: 28.5
    events = liquidate(world)
    assert moved(events, "funding")[0] == ("sub/trader", "funding/ETH", 29)


# --- what happens to the money ----------------------------------------------------------------------------------------


def test_a_full_liquidation_at_the_mark_leaves_the_trader_its_equity():
    world = leveraged()
    world.price(ETH=94)
    done = result(liquidate(world))
    assert (done.size_b, done.price, done.notional_q, done.fee_q, done.loss_q) == (-100, 94, 9_400, 0, 0)
    assert (world.equity("trader"), world.lots("market/ETH")) == (400, 100)


@pytest.mark.parametrize(
    ("price", "fee", "left"),
    [
        (94, 188, 212),  # 2 % of 9,400
        (92, 184, 16),  # the fill at 92 leaves 200 of equity
        (91, 100, 0),  # 2 % would be 182, but only 100 are left
        (90, 0, 0),
    ],
)
def test_the_fee_is_charged_as_far_as_the_fill_leaves_something(price, fee, left):
    world = leveraged(liquidation(fee_ppm=20_000))
    world.price(ETH=94)
    done = result(liquidate(world, price=price))
    assert (done.fee_q, world.equity("trader")) == (fee, left)


def test_the_fee_is_split_between_fund_and_venue():
    world = leveraged(liquidation(fee_ppm=20_000, fee_to_fund_ppm=333_333))
    world.price(ETH=94)
    liquidate(world)
    assert (world.venue.fund_q("main"), world.venue.balance_q("fees")) == (62, 126)  # 188 x 1/3 rounds down


def test_a_loss_is_paid_by_the_fund_to_the_atom():
    world = leveraged(fund=1_000)
    world.price(ETH=85)  # equity -500
    done = result(liquidate(world))
    assert (done.loss_q, world.equity("trader"), world.venue.fund_q("main")) == (500, 0, 500)


def test_a_fill_below_bankruptcy_is_a_loss_though_the_mark_is_not():
    world = leveraged(fund=1_000)
    world.price(ETH=94)
    done = result(liquidate(world, price=87))  # 9,400 - 400 = 9,000 would use up the equity; 8,700 came in
    assert (done.loss_q, world.venue.fund_q("main"), world.equity("trader")) == (300, 700, 0)


def test_closing_one_of_two_positions_uses_up_its_share_of_the_equity():
    world = leveraged(cash=2_000)
    world.trade("SOL", 50, "trader", "maker")
    world.price(ETH=88, SOL=88)
    # equity 200; maintenance margins 440 and 220: ETH's share is two thirds, 133.3; bankruptcy rounds up
    held = world.venue.subaccounts["trader"]
    assert bankruptcy_q(world.venue, held, "ETH", 100) == 8_800 - 133
    assert bankruptcy_q(world.venue, held, "SOL", 50) == 4_400 - 66
    assert bankruptcy_q(world.venue, held, "ETH", 50) == 4_400 - 66


def test_a_named_counterparty_receives_the_lots_and_needs_margin_for_them():
    world = leveraged()
    world.open("liquidator", 500)
    world.price(ETH=94)
    world.no(cmd.Liquidate("trader", "ETH", 0, 0, "liquidator"), Reason.BACKSTOP_CAPACITY)  # needs 940
    liquidate(world, size=50, counterparty="liquidator")
    assert (world.lots("liquidator"), world.equity("liquidator")) == (50, 500)


def test_a_liquidated_child_hands_back_what_is_left():
    world = World()
    world.open("trader", 1_000)
    world.open("maker", 100_000)
    world.open("trader.eth", parent="trader")
    world.trade("ETH", 50, "trader.eth", "maker")
    world.price(ETH=94)
    events = world.ok(cmd.Liquidate("trader.eth", "ETH"))
    assert moved(events, "margin_returned") == [("sub/trader.eth", "sub/trader", 200)]


# --- how much ---------------------------------------------------------------------------------------------------------


def allowed(world):
    venue = world.venue
    return liquidation_size_b(venue, venue.subaccounts["trader"], "ETH", venue.markets["ETH"].mark)


@pytest.mark.parametrize(
    ("changes", "lots"),
    [
        ({}, 100),
        ({"size": "portion", "portion_ppm": 200_000}, 20),
        ({"size": "portion", "portion_ppm": 204_999}, 21),  # 20.4999 rounds up
        (
            {"size": "portion", "portion_ppm": 200_000, "portion_above_q": 9_400},
            100,
        ),  # small enough to go whole
        ({"size": "portion", "portion_ppm": 200_000, "portion_above_q": 9_399}, 20),
        ({"size": "portion", "portion_ppm": 200_000, "minimum_q": 2_350}, 25),  # 2,350 / 94
        ({"size": "portion", "portion_ppm": 200_000, "minimum_q": 2_351}, 26),
        ({"size": "portion", "portion_ppm": 200_000, "minimum_q": 10**9}, 100),
        ({"block_subaccount_q": 940}, 10),
        ({"block_subaccount_q": 1_000}, 10),  # 10.6 lots, rounded down
        ({"block_subaccount_q": 9_400}, 100),
    ],
)
def test_how_many_lots_one_liquidation_may_close(changes, lots):
    world = leveraged(liquidation(**changes))
    world.price(ETH=94)
    assert allowed(world) == lots


def test_a_portion_is_a_whole_number_of_steps():
    world = leveraged(liquidation(size="portion", portion_ppm=210_000), step_b=10)
    world.price(ETH=94)
    assert allowed(world) == 30


def test_the_target_is_the_fewest_lots_that_restore_the_liquidation_end_margin():
    world = leveraged(liquidation(size="target"))
    world.price(ETH=94)  # equity 400 covers 5 % of 8,000: 85 lots may stay (7,990 asks 400)
    assert allowed(world) == 15
    world = leveraged(liquidation(size="target", target_ppm=1_250_000))
    world.price(ETH=94)  # ... and 1.25 x 5 % of 6,400: 68 lots (6,392 asks 320 x 1.25 = 400)
    assert allowed(world) == 32


def test_the_target_counts_the_fee_of_the_close_itself():
    world = leveraged(liquidation(size="target", fee_ppm=20_000))
    world.price(ETH=94)
    lots = allowed(world)
    done = result(liquidate(world))
    assert lots == -done.size_b > 15
    assert world.risk("trader").surplus_q >= 0


def test_a_target_that_nothing_reaches_closes_everything():
    world = leveraged(liquidation(size="target"), fund=10_000)
    world.price(ETH=85)
    assert allowed(world) == 100


@pytest.mark.fuzz
@given(st.integers(86, 95), st.integers(1, 30), st.integers(0, 30_000), st.integers(PPM, 2 * PPM))
def test_the_target_restores_the_margin_with_not_one_step_to_spare(price, step, fee_ppm, target_ppm):
    policy = liquidation(size="target", fee_ppm=fee_ppm, target_ppm=target_ppm)
    world = leveraged(policy, size=100 * step, cash=1_000 * step, fund=10**9, step_b=step)
    world.price(ETH=price)
    if not world.risk("trader").liquidatable(at_equality=False):
        return
    lots = allowed(world)
    fewer = lots - step
    if fewer:
        twin = leveraged(policy, size=100 * step, cash=1_000 * step, fund=10**9, step_b=step)
        twin.price(ETH=price)
        liquidate(twin, size=fewer)
        risk = twin.risk("trader")
        assert risk.equity_q * PPM < risk.maintenance_q * target_ppm
    liquidate(world)
    risk = world.risk("trader")
    assert world.lots("trader") == 0 or risk.equity_q * PPM >= risk.maintenance_q * target_ppm


def test_less_than_allowed_may_be_asked_and_more_is_cut():
    world = leveraged(liquidation(size="portion", portion_ppm=200_000))
    world.price(ETH=94)
    assert result(liquidate(world, size=7)).size_b == -7
    assert result(liquidate(world, size=99)).size_b == -19  # a fifth of 93, rounded up


# --- block limits and cooldown ----------------------------------------------------------------------------------------


def test_a_subaccount_is_liquidated_only_so_far_in_one_block():
    world = leveraged(liquidation(block_subaccount_q=940))
    world.price(ETH=94)
    assert result(liquidate(world)).size_b == -10
    world.no(cmd.Liquidate("trader", "ETH"), Reason.BLOCK_LIMIT)
    world.price()  # the next block
    assert result(liquidate(world)).size_b == -10


def test_only_so_many_liquidations_in_one_block():
    world = leveraged(liquidation(size="portion", portion_ppm=100_000, block_liquidations=2))
    world.price(ETH=90)
    liquidate(world)
    liquidate(world)
    world.no(cmd.Liquidate("trader", "ETH"), Reason.BLOCK_LIMIT)
    world.price(blocks=0)  # prices move within the block: the count stays
    world.no(cmd.Liquidate("trader", "ETH"), Reason.BLOCK_LIMIT)
    world.price()
    liquidate(world)


def test_insurance_pays_only_so_much_for_a_subaccount_in_one_block():
    world = leveraged(liquidation(block_insurance_q=101), fund=1_000)
    world.price(ETH=85)
    # equity -500 of 425: ten lots free 42, so 49.4 rounded up; then -450 of 383: they free 43, so 50.5
    assert [result(liquidate(world, size=10)).loss_q for _ in range(2)] == [50, 51]
    world.no(cmd.Liquidate("trader", "ETH", 10), Reason.BLOCK_LIMIT)
    world.price()
    assert result(liquidate(world, size=10)).loss_q == 50


def test_a_portion_starts_a_cooldown():
    world = leveraged(liquidation(size="portion", portion_ppm=100_000, cooldown_ms=3_000))
    world.price(ETH=94)
    liquidate(world)
    world.price(blocks=2)
    world.no(cmd.Liquidate("trader", "ETH"), Reason.COOLDOWN)
    world.price()
    liquidate(world)


def test_during_the_cooldown_of_a_first_portion_everything_goes():
    changes = {"size": "portion", "portion_ppm": 200_000, "portion_once": True, "cooldown_ms": 30_000}
    world = leveraged(liquidation(**changes))
    world.price(ETH=94)
    assert result(liquidate(world)).size_b == -20
    world.price(ETH=93)
    assert result(liquidate(world)).size_b == -80


def test_when_the_cooldown_is_over_the_next_portion_is_a_portion_again():
    changes = {"size": "portion", "portion_ppm": 200_000, "portion_once": True, "cooldown_ms": 3_000}
    world = leveraged(liquidation(**changes))
    world.price(ETH=94)
    liquidate(world)
    world.price(ETH=92, blocks=3)  # to the millisecond
    assert result(liquidate(world)).size_b == -16


def test_a_whole_close_starts_no_cooldown():
    world = leveraged(liquidation(cooldown_ms=3_000))
    world.price(ETH=94)
    assert result(liquidate(world)).cooldown_until_ms == 0


# --- fillable price ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "mark", "limit"),
    [
        # equity 400 of 470: 14.9 % of the spread of 10 % of 470 = 7 over 100 lots: 93.93, a sale rounds up
        (100, 94, 94),
        # equity 0 of 450: the whole spread of 45: 89.55
        (100, 90, 90),
        # a short, equity 400 of 530: 24.5 % of 53 = 13 over 100 lots: 106.13, a purchase rounds down
        (-100, 106, 106),
    ],
)
def test_the_fillable_price_rounds_against_the_liquidator(size, mark, limit):
    world = leveraged(liquidation(limit="fillable", spread_ppm=100_000), size=size, fund=10_000)
    world.price(ETH=mark)
    assert fillable_price(world.venue, world.venue.subaccounts["trader"], "ETH") == limit
    worse = limit - 1 if size > 0 else limit + 1
    world.no(cmd.Liquidate("trader", "ETH", 0, worse), Reason.PRICE_BEYOND_LIMIT)
    liquidate(world, price=limit)


def test_a_wide_spread_lets_a_liquidator_earn():
    world = leveraged(liquidation(limit="fillable", spread_ppm=PPM), fund=10_000)
    world.price(ETH=90)  # equity 0: spread 100 % of the maintenance margin, 450 over 100 lots: 85.5
    world.no(cmd.Liquidate("trader", "ETH", 0, 85), Reason.PRICE_BEYOND_LIMIT)
    liquidate(world, price=86)


# --- backstop ---------------------------------------------------------------------------------------------------------


def backstopped():
    """A backstop with 10,000 takes what has less than two thirds of its maintenance margin."""
    world = leveraged(liquidation(backstop_num=2, backstop_den=3), cash=1_020)
    world.ok(cmd.Deposit("backstop", QUOTE, 10_000))
    return world


def test_a_backstop_takes_positions_and_collateral_and_returns_nothing():
    world = backstopped()
    world.trade("SOL", -2, "trader", "maker")
    world.ok(cmd.Reserve("trader", "exit", "ETH", -100))
    world.price(ETH=92)  # equity 220, maintenance margin 470: less than two thirds
    (taken,) = found(world.ok(cmd.TakeOver("trader", "backstop")), ev.TakenOver)
    assert taken.equity_q == 220
    trader = world.venue.subaccounts["trader"]
    assert (trader.positions, trader.balances, trader.orders) == ({}, {}, {})
    assert (world.lots("backstop", "ETH"), world.lots("backstop", "SOL")) == (100, -2)
    assert world.equity("backstop") == 10_000 + 220


def test_a_backstop_takes_other_collateral_too():
    world = World(liquidation(backstop_num=1))
    world.open("trader", btc=1)
    world.open("maker", 100_000)
    world.ok(cmd.Deposit("backstop", QUOTE, 10_000))
    world.trade("ETH", 90, "trader", "maker")
    world.price(ETH=94)  # 900 - 540 = 360 against 423
    world.ok(cmd.TakeOver("trader", "backstop"))
    assert world.venue.subaccounts["trader"].balances == {}
    assert world.venue.subaccounts["backstop"].balances["BTC"] == 1


def test_a_backstop_waits_for_its_threshold_and_leaves_losses_to_the_waterfall():
    world = backstopped()
    world.price(ETH=94)  # 420 of 470: above two thirds
    world.no(cmd.TakeOver("trader", "backstop"), Reason.NOT_LIQUIDATABLE)
    world.price(ETH=85)
    world.no(cmd.TakeOver("trader", "backstop"), Reason.BACKSTOP_CAPACITY)


def test_at_the_threshold_itself_the_backstop_still_waits():
    world = leveraged(liquidation(backstop_num=2, backstop_den=3), cash=1_010)
    world.ok(cmd.Deposit("backstop", QUOTE, 10_000))
    world.price(ETH=93)  # 310 is two thirds of 465
    world.no(cmd.TakeOver("trader", "backstop"), Reason.NOT_LIQUIDATABLE)


def test_a_backstop_takes_even_what_is_worth_nothing():
    world = backstopped()
    world.ok(cmd.Withdraw("trader", QUOTE, 20))
    world.price(ETH=90)
    (taken,) = found(world.ok(cmd.TakeOver("trader", "backstop")), ev.TakenOver)
    assert taken.equity_q == 0


def test_a_backstop_in_debt_takes_nothing():
    world = leveraged(liquidation(backstop_num=1))
    world.ok(cmd.Deposit("backstop", QUOTE, 100))
    world.trade("SOL", 50, "backstop", "maker")
    world.price(ETH=93, SOL=90)  # the backstop has -400, the trader brings 300
    world.no(cmd.TakeOver("trader", "backstop"), Reason.BACKSTOP_CAPACITY)


# --- collateral -------------------------------------------------------------------------------------------------------


def pledged(btc, mark):
    """`trader` has only BTC and is long ETH from 100: what is lost is owed in quote."""
    world = World()
    world.open("trader", btc=btc)
    world.open("maker", 1_000_000)
    world.fund(100_000)
    world.trade("ETH", 200, "trader", "maker")
    world.price(ETH=mark)
    return world


def test_collateral_is_sold_at_the_discount_as_far_as_the_debt_needs():
    world = pledged(btc=4, mark=86)  # 3,600 - 2,800 = 800 against 860; owes 2,800
    events = world.ok(cmd.SellCollateral("trader", "BTC"))
    # 1,000 less 5 %: three BTC bring 2,850
    assert moved(events, "collateral_sale") == [
        ("sub/trader", "sub/market/BTC", 3),
        ("sub/market/BTC", "sub/trader", 2_850),
    ]
    assert world.equity("trader") == 50 + 900


def test_all_collateral_is_sold_where_it_does_not_cover_the_debt():
    world = pledged(btc=3, mark=80)  # 2,700 - 4,000
    world.ok(cmd.SellCollateral("trader", "BTC"))
    assert world.venue.subaccounts["trader"].balances.get("BTC") is None
    assert world.equity("trader") == 2_850 - 4_000
    assert world.resolve() == ["Liquidate"]
    assert (world.equity("trader"), world.venue.fund_q("main")) == (0, 100_000 - 1_150)


def test_healthy_traders_keep_their_collateral():
    world = pledged(btc=4, mark=95)
    world.no(cmd.SellCollateral("trader", "BTC"), Reason.NOT_LIQUIDATABLE)


def test_a_depeg_of_the_collateral_liquidates():
    world = pledged(btc=4, mark=100)
    world.no(cmd.Liquidate("trader", "ETH"), Reason.NOT_LIQUIDATABLE)
    world.price(BTC=270)  # 4 x 243 = 972 against 1,000
    liquidate(world)
    assert world.equity("trader") == 972


def test_positions_of_a_single_lot():
    for size, mark, worse in ((1, 90, 89), (-1, 110, 111)):
        world = leveraged(liquidation(limit="fillable"), size=size, cash=13)
        world.price(ETH=mark)  # equity 3 of 5 or 6
        world.no(cmd.Liquidate("trader", "ETH", 0, worse), Reason.PRICE_BEYOND_LIMIT)
        assert result(liquidate(world)).size_b == -size


def test_policy_numbers_of_a_venue_are_data():
    world = leveraged()
    world.ok(cmd.ChangePolicy(replace(liquidation(fee_ppm=10_000), taker_fee_ppm=100)))
    world.ok(cmd.ChangeRequirement("ETH", Tiered((Tier(0, 200, 150, 0),), 1_000)))
    assert (
        result(liquidate(world)).fee_q == 100
    )  # 1,000 of equity against 1,500: liquidatable by the change alone
