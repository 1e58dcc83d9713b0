"""Portfolio margin: what nets, what does not, and that every question about an account still has one answer."""

from copy import copy
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from clearing.option_world import (
    CALL,
    EXPIRIES,
    FAR_CALL,
    OPTIONS,
    PUT,
    RULE,
    OptionWorld,
    option_name,
    share,
)
from ringfence.clearing import command as cmd
from ringfence.clearing.model import QUOTE, Subaccount
from ringfence.clearing.portfolio import valid
from ringfence.clearing.risk import (
    bankruptcy_q,
    freed_maintenance_q,
    is_liquidatable,
    subaccount_risk,
    with_sizes,
)
from ringfence.clearing.set_rules import Scenario
from ringfence.clearing.solve import displayed_price, liquidation_price, max_trade_b, uniform_move_ppm

WORLD = OptionWorld()
NAMES = ("ETH", *sorted(OPTIONS))
lots = st.dictionaries(st.sampled_from(NAMES), st.integers(-9, 9).filter(bool), min_size=1, max_size=5)
cash = st.integers(-50_000, 200_000)


def account(sizes, quote=0, weth=0, world=WORLD):
    """A subaccount that holds what is said, bought for nothing."""
    found = Subaccount("who", "who", balances={QUOTE: quote, "WETH": weth})
    sizes = {name: size for name, size in sizes.items() if size}
    return with_sizes(found, sizes) if sizes else found


def maintenance(sizes, **held):
    return subaccount_risk(WORLD.venue, account(sizes, **held)).maintenance_q


def test_a_perp_alone_asks_its_worst_move_and_its_charge():
    # 10,000 falls by 20 %: 2,000; the tail of 50 % counts a tenth: 500. Maintenance 2,000 + 1 %; initial margin asks
    # 125 % of the loss and 2 %: 2,500 + 200.
    risk = subaccount_risk(WORLD.venue, account({"ETH": 1}))
    assert (risk.maintenance_q, risk.initial_q) == (2_100, 2_700)
    assert maintenance({"ETH": -1}) == 2_100


def test_a_tail_counts_in_part():
    tail = replace(RULE, scenarios=(*RULE.scenarios, Scenario(6_000_000, "up", 50_000)))
    venue = OptionWorld(tail).venue
    # Six times the price is a loss of 50,000 for a short, of which a twentieth counts: 2,500 + 1 %.
    assert subaccount_risk(venue, account({"ETH": -1})).maintenance_q == 2_600


def test_a_hedge_asks_less_than_its_legs():
    apart = maintenance({"ETH": 1}) + maintenance({PUT: 1})
    assert maintenance({"ETH": 1, PUT: 1}) < apart
    assert maintenance({CALL: -1, FAR_CALL: 1}) < maintenance({CALL: -1})


def test_collateral_that_moves_with_the_market_covers_a_call():
    naked = maintenance({CALL: -1})
    covered = maintenance({CALL: -1}, weth=1)
    # What is asked for the collateral alone: the worst move of it, 2,000, and the 2 % of its weight.
    assert maintenance({}, weth=1) == 2_000 + 200
    assert covered < naked + maintenance({}, weth=1)


def test_nothing_offsets_across_underlyings():
    WORLD.venue.markets["SOL"].index = WORLD.venue.markets["SOL"].mark
    for size in (-5, 5):
        both = maintenance({"ETH": 1, "SOL": size})
        assert both == maintenance({"ETH": 1}) + maintenance({"SOL": size})


def test_who_owes_and_holds_what_cannot_move_is_liquidatable():
    """A sold box pays the same in every scenario: it asks for nothing, and still it must be paid for."""
    low_call, low_put = (option_name(9_000, call=call, expiry_ms=EXPIRIES[0]) for call in (True, False))
    sold = account({CALL: 1, PUT: -1, low_call: -1, low_put: 1}, quote=500)
    assert subaccount_risk(WORLD.venue, sold).equity_q == 500 - 1_000
    assert is_liquidatable(WORLD.venue, sold)


@given(lots, cash)
def test_the_requirement_is_never_below_any_single_scenario(sizes, quote):
    """The worth of everything in a scenario, leg by leg in exact fractions, against what the engine asks."""
    venue = WORLD.venue
    who = account(sizes, quote=quote)
    asked = subaccount_risk(venue, who).maintenance_q
    for at, scenario in enumerate(RULE.scenarios):
        total = Fraction(0)
        by_expiry = {}
        for name, size in sizes.items():
            market = venue.markets[name]
            if market.option is None:
                move = share(scenario.price_num) - 1
                total += size * market.mark * move * share(scenario.weight_num)
            else:
                price = (market.grid.low if size > 0 else market.grid.high)[at]
                worth, mark = by_expiry.get(market.option.expiry_ms, (0, 0))
                by_expiry[market.option.expiry_ms] = (worth + size * price, mark + size * market.mark)
        terms = {term.expiry_ms: term for term in venue.markets["ETH"].terms}
        for expiry_ms, (worth, mark) in by_expiry.items():
            counted = worth * share(terms[expiry_ms].gain_num if worth >= 0 else terms[expiry_ms].debt_num)
            total += (counted - mark) * share(scenario.weight_num)
        assert asked >= -total


@given(lots, lots)
def test_two_holdings_together_never_ask_more_than_apart(first, second):
    union = {name: first.get(name, 0) + second.get(name, 0) for name in {*first, *second}}
    roundings = 2 * (len(first) + len(second)) + 4
    assert maintenance(union) <= maintenance(first) + maintenance(second) + roundings


@given(st.dictionaries(st.sampled_from(sorted(OPTIONS)), st.integers(1, 9), min_size=1, max_size=5))
def test_options_that_are_paid_for_are_never_liquidated(sizes):
    risk = subaccount_risk(WORLD.venue, account(sizes))
    assert risk.maintenance_q <= risk.equity_q
    assert not is_liquidatable(WORLD.venue, account(sizes))


moves = st.lists(
    st.builds(
        Scenario, st.integers(0, 3_000_000), st.sampled_from(["none", "up"]), st.integers(0, 2_000_000)
    ),
    min_size=1,
    max_size=5,
)


@given(moves, moves, st.integers(-9, 9).filter(bool), st.integers(0, 5))
def test_more_scenarios_never_ask_less(some, more, size, weth):
    def asked(scenarios):
        venue = copy(WORLD.venue)
        venue.policy = replace(venue.policy, set_rule=replace(RULE, scenarios=tuple(scenarios)))
        return subaccount_risk(venue, account({"ETH": size}, weth=weth))

    few, many = asked(some), asked([*some, *more])
    assert many.maintenance_q >= few.maintenance_q
    assert many.initial_q >= few.initial_q >= few.maintenance_q


@given(lots, cash)
@settings(max_examples=60)
def test_the_liquidation_price_of_the_perp_is_the_trigger(sizes, quote):
    who = account({**sizes, "ETH": sizes.get("ETH", 3)}, quote=quote)
    venue = WORLD.venue
    found, mark = liquidation_price(venue, who, "ETH"), venue.markets["ETH"].mark
    begun = is_liquidatable(venue, who)

    def bad(price):
        return is_liquidatable(venue, who, {"ETH": price})

    if found is None:
        assert all(bad(price) == begun for price in (1, mark // 2, mark, 2 * mark, 10 * mark))
        return
    assert bad(found)
    toward = 1 if found < mark else -1
    if not begun:
        assert not bad(found + toward)
        # Six amounts are rounded on the way (the perp's loss, two charges and what they are of, the whole), each by
        # less than an atom; so far may a price nearer to the mark fall short of the margin as well.
        nearer = (found + toward * step for step in range(1, min(abs(found - mark), 50)))
        assert all(subaccount_risk(venue, who, {"ETH": price}).surplus_q > -6 for price in nearer)


def test_a_displayed_price_is_the_root_without_rounding():
    # 3 ETH bought at 100.00 with 9,000 of cash: equity 9,000 + 3 (p - 10,000) meets 3 x 0.21 p at p = 21,000 / 2.37.
    who = account({"ETH": 3}, quote=9_000 - 30_000)
    assert displayed_price(WORLD.venue, who, "ETH", digits=12) == pytest.approx(21_000 / 2.37)
    assert liquidation_price(WORLD.venue, who, "ETH") == 8_860


def test_a_common_move_leaves_options_at_their_marks():
    assert uniform_move_ppm(WORLD.venue, account({CALL: 1})) is None
    # The first fall whose price, rounded down, is the liquidation price of 8,860.
    assert uniform_move_ppm(WORLD.venue, account({"ETH": 3}, quote=9_000 - 30_000)) == -113_901


def test_a_resting_order_asks_for_what_it_may_become():
    world = OptionWorld()
    world.open("trader", 100_000)
    before = world.risk("trader")
    world.ok(cmd.Reserve("trader", "offer", CALL, -3))
    after = world.risk("trader")
    filled = subaccount_risk(world.venue, with_sizes(world.sub("trader"), {CALL: -3}))
    assert after.initial_q == filled.initial_q > before.initial_q
    assert after.maintenance_q == before.maintenance_q


def test_what_may_be_traded_is_what_the_set_rule_allows():
    world = OptionWorld()
    world.open("trader", 27_000)
    # Ten lots ask 27,000 of initial margin.
    assert max_trade_b(world.venue, "trader", "ETH", buy=True) == 10


def test_a_hedge_is_closed_at_what_it_is_worth_and_the_rest_answers_for_the_debt():
    venue, who = WORLD.venue, account({CALL: -4, FAR_CALL: 4}, quote=-500)
    equity = subaccount_risk(venue, who).equity_q
    assert equity < 0
    assert freed_maintenance_q(venue, who, FAR_CALL) == 0
    mark = {name: venue.markets[name].mark for name in (CALL, FAR_CALL)}
    assert bankruptcy_q(venue, who, FAR_CALL, 4) == 4 * mark[FAR_CALL]
    rest = with_sizes(who, {FAR_CALL: 0})
    rest.balances[QUOTE] += 4 * mark[FAR_CALL]
    assert bankruptcy_q(venue, rest, CALL, -4) == -4 * mark[CALL] - equity


def test_doubt_about_prices_is_charged_in_initial_margin():
    rule = replace(RULE, doubt_below_num=600_000, doubt_num=400_000)
    world = OptionWorld(rule)
    who = account({"ETH": 1, CALL: -2})
    sure = subaccount_risk(world.venue, who)
    world.ok(cmd.SetPrices(0, 2, confidences={CALL: 500_000}))
    doubted = subaccount_risk(world.venue, who)
    # Half of it is doubted, at 40 %, on two lots at 10,000.
    assert doubted.initial_q - sure.initial_q == 4_000
    assert doubted.maintenance_q == sure.maintenance_q
    world.ok(cmd.SetPrices(0, 2, index_confidences={"ETH": 100_000}))
    assert subaccount_risk(world.venue, who).initial_q - sure.initial_q == 3 * 3_600


def test_a_lost_peg_grows_the_share_of_the_loss():
    world = OptionWorld(replace(RULE, peg_below_num=980_000, peg_num=2_000_000))
    world.ok(cmd.SetPrices(0, 2, quote_wad=9 * 10**17))
    risk = subaccount_risk(world.venue, account({"ETH": 1}))
    # 2,000 x (1.25 + 2 x 0.08) + 2 % of 10,000.
    assert (risk.initial_q, risk.maintenance_q) == (3_020, 2_100)


def test_charges_may_be_part_of_the_loss():
    world = OptionWorld(replace(RULE, scales_charges=True))
    # 125 % of (2,000 + 2 % of 10,000).
    assert subaccount_risk(world.venue, account({"ETH": 1})).initial_q == 2_750


@pytest.mark.parametrize(
    "change",
    [
        {"den": 0},
        {"scenarios": ()},
        {"initial_num": 999_999},
        {"option_initial_num": 9_999},
        {"basis_up_num": 999_999},
        {"doubt_below_num": 1_000_001},
        {"peg_num": -1},
    ],
)
def test_rules_that_make_no_sense_are_refused(change):
    assert valid(RULE)
    assert not valid(replace(RULE, **change))
