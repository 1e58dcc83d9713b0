"""The market's counterparty as the last to bear a loss, and what it keeps of a small remainder; floors of margin."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from clearing.world import World, liquidation, moved
from ringfence.clearing import command as cmd
from ringfence.clearing.model import QUOTE
from ringfence.clearing.policy import CloseCost, CostShare, Policy, Tier, Tiered
from ringfence.clearing.risk import is_liquidatable
from ringfence.clearing.solve import liquidation_price
from ringfence.clearing.verdict import Reason

POOL = "market/ETH"
BORNE = Policy(waterfall=("counterparty",))
FIVE = CostShare(50, 50, 1_000)
"""5 % of what a position cost."""


def stood(policy=BORNE, requirement=FIVE, margin=1_000, btc=0, **market):
    """`a` is long 100 ETH from 100 against the pool, which holds 10,000."""
    world = World(policy, requirement, **market)
    world.ok(cmd.Deposit(POOL, QUOTE, 10_000))
    world.open("a", margin, btc=btc)
    world.trade("ETH", 100, "a", POOL)
    return world


# --- who bears a loss -------------------------------------------------------------------------------------------------


def test_the_pool_goes_without_what_a_position_cannot_pay():
    world = stood()
    world.price(ETH=70)
    assert world.resolve() == ["Liquidate"]
    assert (world.quote("a"), world.quote(POOL)) == (0, 11_000)  # 1,000 of the 3,000 lost
    assert world.venue.debt_q("main") == 0


def test_a_fund_pays_first_where_there_is_one():
    world = stood(Policy(waterfall=("insurance", "counterparty")))
    world.fund(500)
    world.price(ETH=70)
    world.resolve()
    assert (world.venue.fund_q("main"), world.quote(POOL)) == (0, 11_500)


def test_the_loss_falls_on_the_pool_of_the_market_and_on_no_other():
    world = stood()
    world.open("b", 1_000)
    world.trade("SOL", 100, "b", "market/SOL")
    world.price(ETH=50, SOL=100)
    world.resolve()
    assert (world.equity("b"), world.equity("market/SOL")) == (1_000, 0)


def test_a_liquidator_who_takes_the_position_is_not_asked_for_the_loss():
    world = stood()
    world.open("taker", 100_000)
    world.price(ETH=70)
    world.ok(cmd.Liquidate("a", "ETH", counterparty="taker"))
    assert (world.equity("taker"), world.quote("a")) == (100_000, 0)
    # the pool stays short from 100 and gains 3,000 on that, of which it gives 2,000
    assert world.equity(POOL) == 10_000 + 3_000 - 2_000


def test_without_a_pool_the_loss_cannot_be_borne():
    world = stood()
    world.open("taker", 100_000)
    world.price(ETH=70)
    del world.venue.subaccounts[POOL]
    verdict = world.house.submit(cmd.Liquidate("a", "ETH", counterparty="taker"))
    assert verdict.reason == Reason.SUBACCOUNT_UNKNOWN


# --- collateral in tokens ---------------------------------------------------------------------------------------------


def test_a_loss_is_paid_in_tokens_and_the_rest_comes_back():
    world = stood(margin=0, btc=2)  # counted at 1,800
    world.price(ETH=85)
    assert world.resolve() == ["SellCollateral", "Liquidate"]
    # 1,500 lost; a token brings 950, so both are sold and 400 are left
    assert (world.venue.subaccounts["a"].balances, world.lots("a")) == ({QUOTE: 400}, 0)


# --- remainders -------------------------------------------------------------------------------------------------------


def small(mark, **changes):
    world = stood(liquidation(BORNE, fee_ppm=10_000, fee_of="cost", remainder_least_q=200, **changes))
    world.price(ETH=mark)
    return world, world.ok(cmd.Liquidate("a", "ETH"))


def test_a_remainder_below_the_least_is_kept_by_the_pool():
    world, events = small(92)  # 200 left, of which 100 are the fee on a cost of 10,000
    assert moved(events, "liquidation_fee") == [("sub/a", "fund/main", 100)]
    assert moved(events, "remainder") == [("sub/a", f"sub/{POOL}", 100)]
    assert world.quote("a") == 0


def test_a_remainder_of_exactly_the_least_is_returned():
    world, events = small(93)  # 300 left, 100 fee
    assert moved(events, "remainder") == []
    assert world.quote("a") == 200


def test_the_pool_takes_tokens_and_debts_of_a_small_remainder():
    world = stood(liquidation(BORNE, remainder_least_q=2_000), margin=100, btc=1)
    world.price(ETH=94)  # 600 lost; 100 and a token worth 900 were there
    world.ok(cmd.Liquidate("a", "ETH"))
    assert world.venue.subaccounts["a"].balances == {}
    assert world.venue.subaccounts[POOL].balances == {QUOTE: 10_000 + 100, "BTC": 1}


# --- floors -----------------------------------------------------------------------------------------------------------

FEE = CloseCost(10, 1_000, of="cost")
"""1 % of the cost: 100 for 10,000."""


@pytest.mark.parametrize(
    ("kind", "least", "asked"),
    [
        ("added", 30, 500 + 30 + 100),
        ("floor", 30, 500 + 100),
        ("floor", 530, 530 + 100),
        ("floor_with_fees", 30, 500),
        ("floor_with_fees", 430, 530),
        ("floor_with_fees", 400, 500),
    ],
)
def test_how_a_fixed_amount_is_asked(kind, least, asked):
    world = stood(minimum_margin_q=least, minimum_margin_as=kind, close_cost=FEE)
    assert (world.risk("a").maintenance_q, world.risk("a").initial_q) == (asked, asked)


def test_initial_margin_may_leave_the_fee_out():
    world = stood(minimum_margin_as="floor", close_cost=replace(FEE, in_initial=False))
    assert (world.risk("a").maintenance_q, world.risk("a").initial_q) == (600, 600)  # never below maintenance
    world = stood(
        requirement=CostShare(80, 50, 1_000),
        minimum_margin_as="floor",
        close_cost=replace(FEE, in_initial=False),
    )
    assert (world.risk("a").maintenance_q, world.risk("a").initial_q) == (600, 800)


def test_no_position_no_floor():
    world = stood(minimum_margin_q=500, minimum_margin_as="floor")
    world.open("b", 1)
    assert world.risk("b").maintenance_q == 0


RATES = st.integers(1, 300)


@given(
    st.sampled_from(["floor", "floor_with_fees"]),
    st.integers(0, 5_000),
    RATES,
    st.integers(0, 100),
    st.integers(-9_000, 12_000),
    st.sampled_from([1, -1]),
    st.sampled_from(["cost", "notional"]),
)
def test_the_liquidation_price_is_the_trigger_on_both_sides_of_a_floor(
    kind, least, rate, fee, cash, side, of
):
    """A share of the worth that gives way to a floor bends the requirement: the search must not step over it."""
    shape = Tiered((Tier(0, rate, rate, 0),), 1_000)
    world = World(
        BORNE,
        shape,
        minimum_margin_q=least,
        minimum_margin_as=kind,
        close_cost=CloseCost(fee, 1_000, of=of),
    )
    world.open("a", 10**6)
    world.trade("ETH", 100 * side, "a", POOL)
    venue, a = world.venue, world.venue.subaccounts["a"]
    a.balances[QUOTE] += cash - 10**6

    def bad(price):
        return is_liquidatable(venue, a, {"ETH": price})

    found = liquidation_price(venue, a, "ETH")
    near = [price for price in range(1, 400) if bad(price) != bad(100)]
    if bad(100):
        near = [price + (1 if price < 100 else -1) for price in near]
    nearest = min(near, key=lambda price: (abs(price - 100), price), default=None)
    assert found == nearest or (nearest is None and (found is None or found >= 399))


# --- open interest ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("others", "initial"), [(0, 500), (400, 500), (500, 600), (900, 1_000)])
def test_initial_margin_grows_with_open_interest_and_maintenance_does_not(others, initial):
    # one part in a million per quote atom of open interest at a mark of 100: 5 % from 500 lots on
    world = stood(requirement=CostShare(50, 50, 1_000, 1, 1_000_000))
    world.open("b", 100_000)
    if others:
        world.trade("ETH", others, "b", POOL)
    assert (world.risk("a").initial_q, world.risk("a").maintenance_q) == (initial, 500)
