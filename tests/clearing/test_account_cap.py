"""Profits that count for the account, margin on what is owed, and takeovers by the account: Perp v2 in the engine.

Amounts of the published cases are wei; the engine's quote atoms are 1e-18 USD there.
"""

from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

import naive
from clearing.world import World, found, haircut, liquidation, moved
from ringfence.clearing import command as cmd
from ringfence.clearing import event as ev
from ringfence.clearing import ledger
from ringfence.clearing.decide import valid_policy
from ringfence.clearing.log import Clearinghouse
from ringfence.clearing.model import QUOTE, Asset, CollateralPool, Market, Position, Scale, Subaccount, Venue
from ringfence.clearing.policy import Policy, Tier, Tiered
from ringfence.clearing.risk import subaccount_risk
from ringfence.clearing.set_rules import DebtMargin
from ringfence.clearing.solve import max_withdrawal
from ringfence.clearing.verdict import Accepted, Reason
from ringfence.rules import ratio
from ringfence.rules.words import WAD
from ringfence.venues.rulebook import load

ON_DEBT = Policy(initial_profit_cap_q=0, initial_profit_cap_of="account", set_rule=DebtMargin(1, 10))


def holding(policy=ON_DEBT, cash=1_000, **sizes):
    """`trader` bought (or sold) so many lots at 100."""
    world = World(policy)
    world.open("trader", cash)
    world.open("maker", 1_000_000)
    for market, size in sizes.items():
        world.trade(market, size, "trader", "maker")
    return world


# -- profits of the account ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("of", "eth", "sol", "counted"),
    [
        ("account", 110, 97, 0),  # 100 won, 30 lost: 70 do not count
        ("account", 103, 90, -70),  # 30 won, 100 lost
        ("position", 110, 97, -30),  # 100 do not count and 30 are lost
        ("position", 103, 90, -100),
    ],
)
def test_profits_are_netted_before_they_are_left_out(of, eth, sol, counted):
    policy = Policy(initial_profit_cap_q=0, initial_profit_cap_of=of)
    world = holding(policy, ETH=10, SOL=10)
    world.price(ETH=eth, SOL=sol)
    risk, asked = world.risk("trader"), (eth + sol) * 10 // 10
    assert risk.free_q == 1_000 + counted - asked


def test_funding_is_paid_and_no_profit():
    """What is due lowers collateral and account value alike, so it is not netted against a profit on price."""
    world = holding(ETH=10)
    world.price(ETH=110)
    before = world.risk("trader").free_q
    world.ok(cmd.AccrueFunding("ETH", 50_000))  # 5 % of 1,100
    assert world.risk("trader").free_q == before - 55


# -- margin on what is owed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "prices", "debt"),
    [
        ({"ETH": 10}, {"ETH": 150}, 1_000),  # what it cost, whatever it is worth
        ({"ETH": -10}, {"ETH": 150}, 1_500),  # what buying back costs
        ({"ETH": 10, "SOL": -4}, {}, 600 + 400),  # what the short brought pays for a part of the long
        ({"ETH": 4, "SOL": -10}, {}, 1_000),
        ({"ETH": -4, "SOL": -10}, {"SOL": 90}, 1_300),
    ],
)
def test_initial_margin_is_a_share_of_what_is_owed(sizes, prices, debt):
    world = holding(replace(ON_DEBT, initial_profit_cap_q=None), **sizes)
    if prices:
        world.price(**prices)
    assert world.risk("trader").initial_q == debt // 10


def test_initial_margin_never_falls_below_maintenance_margin():
    """A long and a short that cost the same owe what the short is worth: 100 of 1,000, but 2,000 are held."""
    world = holding(replace(ON_DEBT, set_rule=DebtMargin(4, 100)), ETH=10, SOL=-10)
    assert world.risk("trader").maintenance_q == 100
    assert world.risk("trader").initial_q == 100


def test_resting_orders_owe_what_they_would():
    world = holding(ETH=10)
    world.ok(cmd.Reserve("trader", "bid", "SOL", 20))
    assert world.risk("trader").initial_q == 300
    world.ok(cmd.Reserve("trader", "ask", "ARB", -40))
    assert (
        world.risk("trader").initial_q == 400
    )  # all sells: 4,000 to be bought back, and 1,000 less than they bring


def test_a_trade_is_refused_for_want_of_collateral_not_of_equity():
    world = holding(cash=200, ETH=10)
    world.price(ETH=200)  # won 1,000; 100 of 200 is free
    world.no(cmd.Trade("ETH", 6, 200, "trader", "maker"), Reason.INITIAL_MARGIN)
    world.ok(cmd.Trade("ETH", 5, 200, "trader", "maker"))
    world.no(cmd.Withdraw("trader", QUOTE, 1), Reason.INITIAL_MARGIN)


@pytest.mark.parametrize(
    ("rule", "fit"), [((1, 10), True), ((11, 10), False), ((-1, 10), False), ((0, 0), False)]
)
def test_a_rate_is_a_share(rule, fit):
    assert valid_policy(Policy(set_rule=DebtMargin(*rule))) is fit


@given(
    st.dictionaries(st.sampled_from(("ETH", "SOL", "ARB")), st.integers(-30, 30).filter(bool)),
    st.dictionaries(st.sampled_from(("ETH", "SOL", "ARB")), st.integers(50, 160), min_size=1),
    st.sampled_from((None, 0, 70)),
    st.sampled_from(("position", "account")),
)
def test_free_collateral_is_what_the_venue_says(sizes, prices, cap_q, of):
    """`min(collateral, account value) - share of debt`, except where maintenance margin is more than that."""
    policy = replace(ON_DEBT, initial_profit_cap_q=cap_q, initial_profit_cap_of=of)
    world = holding(policy, cash=5_000, **sizes)
    world.price(**prices)
    found = world.risk("trader")
    assert tuple(naive.risk(world.venue, world.venue.subaccounts["trader"])) == (
        *(found.equity_q, found.initial_q, found.maintenance_q, found.notional_q),
    )
    if cap_q == 0 and of == "account" and found.initial_q > found.maintenance_q:
        marks = world.venue.markets
        short = sum(-size * marks[name].mark for name, size in sizes.items() if size < 0)
        debt = ratio.debt_value(short, -100 * sum(sizes.values()))
        margin = -(-debt // 10)  # the world's rulebook rounds a requirement up
        assert found.free_q == min(5_000, found.equity_q) - margin


# -- the venue's own numbers --------------------------------------------------------------------------------------

FUND = 10_000 * WAD
POOL_SIZE = 651895044478514505
"""What the pool of the venue's tests gives for 100 USD: `test/vault/Vault.freeCollateral.test.ts:204-219`."""
TAKEN = 989984344318166945
"""What 1,000 USD buy in those of takeovers: `test/clearingHouse/ClearingHouse.takeOver.test.ts`."""


def curie(mark, *, cash=0, weth=0, longs):
    """`alice` under the rulebook perp-v2, in wei: longs are (market, size, cost), all at `mark`."""
    price, table = mark * WAD, Tiered((Tier(0, 100_000, 62_500, 0),), 1_000_000)
    markets = {
        name: Market(name, Scale(1, WAD), table, "fund", 18, 18, mark=price, index=price)
        for name, _, _ in longs
    }
    alice, others = Subaccount("alice", "alice"), {}
    alice.balances = {QUOTE: cash - sum(cost for _, _, cost in longs)} | ({"WETH": weth} if weth else {})
    for name, size, cost in longs:
        alice.positions[name] = Position(size, cost, 0)
        others[f"market/{name}"] = Subaccount(f"market/{name}", "pool", system=True, balances={QUOTE: cost})
        others[f"market/{name}"].positions[name] = Position(-size, -cost, 0)
        markets[name].open_interest_b = size
    venue = Venue(
        load("perp-v2").policy(),
        markets,
        {"WETH": Asset("WETH", Scale(1, 10**8), haircut(300), 18, 8, price=3_000 * 10**8)},
        {"fund": CollateralPool("fund")},
        {"alice": alice, **others},
        {"outside": {QUOTE: -cash - FUND, "WETH": -weth}, "fund/fund": {QUOTE: FUND}},
    )
    ledger.audit(venue)
    return Clearinghouse(venue)


def standing(house):
    return subaccount_risk(house.venue, house.venue.subaccounts["alice"])


def taken_over(house, market="ETH"):
    """Events of a takeover; what they leave must balance."""
    verdict = house.submit(cmd.Liquidate("alice", market))
    assert isinstance(verdict, Accepted), verdict.sentence
    ledger.audit(house.venue)
    (event,) = found(verdict.events, ev.Liquidated)
    return event, moved(verdict.events, "liquidation_fee")


def test_free_collateral_in_weth():
    """10 WETH at 3,000 count at 70 %; a long of 100 USD that won leaves 21,000 - 10: `Vault.freeCollateral:236-241`."""
    house = curie(200, weth=10 * WAD, longs=[("ETH", POOL_SIZE, 100 * WAD)])
    assert standing(house).equity_q > 21_000 * WAD
    assert standing(house).free_q == 20_990 * WAD
    assert max_withdrawal(house.venue, "alice", "WETH") == 9_995238095238095238


@pytest.mark.parametrize(("mark", "free"), [(200, "90"), (80, "42.1516035582811604")])
def test_free_collateral_in_usdc(mark, free):
    """A profit does not count and a loss does: 100 less 10, and what 0.6519 ETH lost from 100 USD."""
    house = curie(mark, cash=100 * WAD, longs=[("ETH", POOL_SIZE, 100 * WAD)])
    assert Fraction(standing(house).free_q, WAD) == Fraction(free)
    assert max_withdrawal(house.venue, "alice") == Fraction(free) * WAD


def test_a_takeover_charges_more_than_is_left():
    """`:567-630`: 21.19 of equity is less than half of maintenance margin, and than the penalty of 21.78."""
    house = curie(880, cash=150 * WAD, longs=[("ETH", TAKEN, 1_000 * WAD)])
    equity = standing(house).equity_q
    event, paid = taken_over(house)
    assert event.size_b == -TAKEN
    assert (event.notional_q, event.fee_q) == (871186222999986911600, 21779655574999672790)
    assert paid == [
        ("sub/alice", "fund/fund", 10889827787499836395),
        ("sub/alice", "fees", 21779655574999672790 - 10889827787499836395),
    ]
    assert event.loss_q == 21779655574999672790 - equity > 0
    assert house.venue.subaccounts["alice"].balances == {}
    assert house.venue.fund_q("fund") == FUND + 10889827787499836395 - event.loss_q


def test_a_takeover_of_an_account_in_the_red_pays_the_liquidator_alone():
    """`:737-775`: worth 99 of a debt of 850."""
    house = curie(100, cash=150 * WAD, longs=[("ETH", TAKEN, 1_000 * WAD)])
    event, paid = taken_over(house)
    assert (event.notional_q, event.fee_q) == (98998434431816694500, 2474960860795417362)
    assert paid == [("sub/alice", "fees", 2474960860795417362)]
    assert house.venue.subaccounts["alice"].balances == {}


def test_a_takeover_that_the_fund_cannot_pay_is_refused():
    house = curie(100, cash=150 * WAD, longs=[("ETH", TAKEN, 1_000 * WAD)])
    house.venue.ledger["fund/fund"][QUOTE] -= FUND - WAD
    verdict = house.submit(cmd.Liquidate("alice", "ETH"))
    assert verdict.reason == Reason.INSURANCE_TOO_SMALL


@pytest.mark.parametrize(
    ("market", "size", "cash"),
    [("ETH", 6, 50), ("BTC", 4, 50), ("ETH", 6, 31), ("SOL", 1, 50)],
)
def test_half_of_the_account_is_taken_out_of_one_market(market, size, cash):
    """Worth 600, 400 and 100; half of 1,100 is 11/12 of ETH, all of BTC; SOL is small, and 31 are below half."""
    sizes = {"ETH": 6, "BTC": 4, "SOL": 1}
    longs = [(name, lots * WAD, lots * 100 * WAD) for name, lots in sizes.items()]
    house = curie(100, cash=cash * WAD, longs=longs)
    event, _ = taken_over(house, market)
    margin = 1_100 * 625 * WAD // 10_000
    share = ratio.taken_share_ppm(cash * WAD, margin, size * 100 * WAD, 1_100 * WAD, 100 * WAD)
    assert -event.size_b == size * WAD * share // 10**6
    assert share == 10**6 or (market, share) == ("ETH", 916_666)


def test_a_penalty_is_paid_out_of_what_other_positions_leave():
    """With 20 of equity the first of two takeovers may cost 15: no loss yet; the second makes it."""
    house = curie(100, cash=20 * WAD, longs=[("ETH", 6 * WAD, 600 * WAD), ("BTC", 4 * WAD, 400 * WAD)])
    first, _ = taken_over(house, "ETH")
    assert (first.fee_q, first.loss_q) == (15 * WAD, 0)
    assert standing(house).equity_q == 5 * WAD
    second, _ = taken_over(house, "BTC")
    assert (second.fee_q, second.loss_q) == (10 * WAD, 5 * WAD)
    assert house.venue.subaccounts["alice"].balances == {}


# -- takeovers in general -----------------------------------------------------------------------------------------


@given(
    st.integers(1, 40),
    st.integers(-40, -1),
    st.integers(60, 140),
    st.integers(60, 140),
    st.integers(0, 200_000),
    st.booleans(),
)
def test_a_fee_in_full_is_always_the_fee(long, short, eth, sol, fee_ppm, first):
    policy = liquidation(
        fee_ppm=fee_ppm, fee_in_full=True, portion_of="account", size="portion", portion_ppm=500_000
    )
    world = holding(policy, cash=800, ETH=long, SOL=short)
    world.fund(10**6)
    world.price(ETH=eth, SOL=sol)
    market, mark, size = ("ETH", eth, long) if first else ("SOL", sol, -short)
    if not world.risk("trader").liquidatable(at_equality=False):
        return
    before, fund = world.risk("trader"), world.venue.fund_q("main")
    (event,) = found(world.ok(cmd.Liquidate("trader", market)), ev.Liquidated)
    share = min(Fraction(1), Fraction(500_000 * before.notional_q // (size * mark), 10**6))
    assert abs(event.size_b) == ceil(size * share)
    assert event.fee_q == event.notional_q * fee_ppm // 10**6
    assert world.equity("trader") == before.equity_q - event.fee_q + event.loss_q
    to_fund = 0 if before.equity_q < 0 else event.fee_q
    assert world.venue.fund_q("main") == fund + to_fund - event.loss_q
