"""More than sums of legs: 128 bits say what the reference says, the screen what they say, near the trigger."""

from random import Random
from types import NoneType
from typing import get_args

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import astuple, replace

from clearing.option_world import CALL, RULE
from kernel.netted_books import CAPPED, NETTED, SCREENED, is_capped, netted, option_book
from ringfence.clearing.liquidity import most_q, owed_to_side_q
from ringfence.clearing.model import QUOTE, Position, Side, Subaccount, market_subaccount
from ringfence.clearing.risk import collateral_q, is_liquidatable, subaccount_risk
from ringfence.clearing.set_rules import SetRule
from ringfence.errors import InputError
from ringfence.kernel import sets as kernel
from ringfence.kernel.bands import SCREEN_ONLY, Bands, bound_of
from ringfence.kernel.columns import AMOUNT_MAX, from_venue
from ringfence.kernel.jit import jit
from ringfence.kernel.limits import UnfitError
from ringfence.kernel.plan import plan
from ringfence.kernel.screen import Screen
from ringfence.kernel.sets_f64 import row_surplus_f64
from ringfence.kernel.sets_table import sets_of
from venues.states import at_price

ROWS = 20
(GMX,) = CAPPED
TURNED = replace(
    RULE,
    scenarios=tuple(
        replace(each, vol=vol)
        for each, vol in zip(RULE.scenarios, ("none", "linear", "abs", "down") * 3, strict=True)
    ),
    scales_charges=True,
    asset_initial_num=30_000,
    asset_maintenance_num=20_000,
    peg_below_num=990_000,
    peg_num=3_000_000,
    doubt_below_num=600_000,
    doubt_num=400_000,
)
RULES = {"plain": RULE, "turned": TURNED, "without basis": replace(RULE, basis_up_num=0, basis_down_num=0)}
"""Rules of the small venue with options, whose grids have as many prices as each asks for."""


def compiled(venue):
    found = plan(venue)
    return found, sets_of(venue, found), from_venue(venue, found, netted=True)


def check(venue):
    """Whoever fits: risk, brute force and screen against the reference; how many fit."""
    found, sets, columns = compiled(venue)
    got, want = kernel.assess(found, sets, columns), []
    for name, number in columns.numbers().items():
        subaccount = venue.subaccounts[name]
        risk = subaccount_risk(venue, subaccount)
        expected = (risk.equity_q, risk.initial_q, risk.maintenance_q, risk.notional_q)
        assert tuple(int(column[number]) for column in got) == expected, name
        want += [number] if is_liquidatable(venue, subaccount) else []
    assert kernel.brute(found, sets, columns).tolist() == sorted(want)
    screened = kernel.liquidatable(found, sets, columns)
    assert screened.rows.tolist() == sorted(want)
    return len(columns)


def doubtful(venue, seed):
    """A venue whose prices are not sure and whose quote asset is off its peg."""
    for at, market in enumerate(venue.markets.values()):
        market.confidence_ppm, market.index_confidence_ppm = 150_000 * (at % 6), 130_000 * ((at + seed) % 7)
    venue.assets["WETH"].confidence_ppm = 300_000
    venue.quote_wad = 97 * 10**16
    return venue


@pytest.mark.parametrize("rulebook", SCREENED, ids=lambda rulebook: rulebook.name)
def test_every_rulebook(rulebook):
    fitting = sum(check(netted(rulebook, seed, ROWS)) for seed in range(4))
    assert fitting > ROWS


@pytest.mark.parametrize("name", RULES)
def test_options_under_scenarios(name):
    for seed in (1, 2):
        venue = option_book(RULES[name], seed, ROWS, trigger_at_equality=seed == 1)
        if seed == 2:
            doubtful(venue, seed)
        assert check(venue) == ROWS


@jit
def _read(table, sets, block, out):
    for row in range(block.cash.size):
        out[row, 0], out[row, 1] = row_surplus_f64(table, sets, block, row)


def check_radius(venue):
    found, sets, columns = compiled(venue)
    exact = kernel.assess(found, sets, columns)
    out = np.zeros((len(columns), 2))
    for start, block in zip(columns.starts, columns.blocks, strict=False):
        _read(found.table, sets, block, out[start : start + len(block.cash)])
    for row, (surplus, radius) in enumerate(out.tolist()):
        assert abs(int(exact.surplus[row]) - surplus) <= radius
        held = venue.subaccounts[columns.name(row)]
        worths = [collateral_q(venue.assets[name], n) for name, n in held.balances.items() if name != QUOTE]
        gross = int(exact.notional[row]) + sum(map(abs, worths)) + abs(held.quote_q)
        assert radius < 2_000 + gross / 10**9


@pytest.mark.parametrize("rulebook", SCREENED, ids=lambda rulebook: rulebook.name)
def test_the_exact_surplus_lies_within_a_small_radius(rulebook):
    check_radius(netted(rulebook, 7, ROWS))


def test_the_radius_of_options():
    check_radius(doubtful(option_book(TURNED, 8, ROWS), 8))


def test_floats_decide_whoever_is_far_from_the_trigger():
    venue = option_book(RULE, 3, ROWS)
    for number, subaccount in enumerate(venue.subaccounts.values()):
        subaccount.balances[QUOTE] += (-1) ** number * 10**12
    found, sets, columns = compiled(venue)
    screened = kernel.liquidatable(found, sets, columns)
    assert screened.exact == 0
    assert len(screened.rows) == ROWS // 2


def test_who_is_flagged_is_due_and_who_belongs_to_the_system_never():
    venue = option_book(RULE, 4, ROWS)
    for number, subaccount in enumerate(venue.subaccounts.values()):
        subaccount.flagged, subaccount.system = number % 3 == 0, number % 4 == 0
        subaccount.balances[QUOTE] += (-1) ** number * 10**12
    check(venue)


def test_a_debt_without_a_position_asks_for_nothing():
    venue = option_book(RULE, 5, 1)
    for name, balances in {
        "owing": {QUOTE: -5},
        "empty": {QUOTE: 0},
        "short": {QUOTE: 5, "WETH": -1},
    }.items():
        venue.subaccounts[name] = Subaccount(name, name, balances=balances)
    check(venue)


def test_more_credit_than_margin_is_no_surplus():
    """A hedged pair was given back more than both legs ask: floats took that for equity, and cleared who was short."""
    (rulebook,) = (each for each in NETTED if each.name.startswith("vertex"))
    check(netted(rulebook, 3_015_407_173, 15))


def test_nothing_overflows_at_the_limits():
    for rulebook in SCREENED:
        venue = netted(rulebook, 52, 0)
        found, held = plan(venue), Subaccount("largest", "desk", balances={QUOTE: AMOUNT_MAX})
        for side, (name, number) in enumerate(found.market_numbers.items()):
            record, limit = found.table.markets[number], found.limits[number]
            size_b = (-1) ** side * limit.size_max * int(record["size_unit"])
            held.positions[name] = Position(size_b, size_b // abs(size_b) * AMOUNT_MAX, 0)
            if venue.markets[name].option is None:
                price = limit.price_max * int(record["price_unit"])
                venue.markets[name] = replace(venue.markets[name], mark=price, index=price)
        venue.subaccounts = {held.id: held, **large_pools(venue, held)}
        found.refresh(replace_unfit(venue, found))
        columns = from_venue(venue, found, {held.id}, netted=True)
        assert len(columns) == 1
        risk = subaccount_risk(venue, held)
        due = kernel.brute(found, sets_of(venue, found), columns)
        assert bool(len(due)) == risk.liquidatable(at_equality=venue.policy.trigger_at_equality)


def large_pools(venue, held):
    """Pools that owe the largest holder more than 64 bits, and pay him part of it."""
    pools = {}
    for name, market in venue.markets.items():
        if market.solvency is not None:
            position = held.positions[name]
            side = "longs" if position.size_b > 0 else "shorts"
            setattr(market, side, Side(position.size_b, position.cost_q))
            pool = Subaccount(market_subaccount(name), "venue", system=True, balances={QUOTE: 2**80})
            pools[pool.id] = pool
    return pools


def replace_unfit(venue, found):
    """The venue with open interest on the plan's grid."""
    for market in venue.markets.values():
        market.open_interest_b = 0
    assert not found.outside
    return venue


# -- caps on profits ---------------------------------------------------------------------------------------------------


def capped_in(venue, columns):
    """How many in the columns have a profit that is not paid in full."""
    return sum(is_capped(venue, venue.subaccounts[name]) for name in columns.numbers())


def test_profits_are_capped_within_atoms_of_the_trigger():
    capped, near, due = 0, 0, 0
    for seed in range(12):
        venue = netted(GMX, seed, ROWS)
        check(venue)
        _, _, columns = compiled(venue)
        for name in columns.numbers():
            held = venue.subaccounts[name]
            if is_capped(venue, held):
                capped += 1
                near += abs(subaccount_risk(venue, held).surplus_q) <= 10
                due += is_liquidatable(venue, held)
    assert capped > 60
    assert near > 30
    assert 10 < due < capped - 10


def test_pools_are_paid_what_their_own_positions_have_gained():
    """A pool is on both sides: it owes traders, and is ahead where they are behind. Nobody withholds from it."""
    ahead = 0
    for seed in range(60):
        venue = netted(GMX, seed, 4)
        pools = [held for held in venue.subaccounts.values() if held.system]
        if any(is_capped(venue, replace(pool, system=False)) for pool in pools):
            ahead += check(venue) > 0
    assert ahead > 5


def test_caps_bite_and_let_go_on_a_walk_of_ticks():
    """The table is another one at every price; a pool's own collateral moves along with its market."""
    random, capped, due = Random(11), [], []
    for seed in (2, 9, 14):
        venue = netted(GMX, seed, ROWS)
        for _ in range(15):
            name = random.choice(sorted(venue.markets))
            price = max(1, venue.markets[name].mark * random.randint(700, 1400) // 1000)
            unit = int(plan(venue).table.markets[plan(venue).market_numbers[name]]["price_unit"])
            venue = at_price(venue, name, max(1, price // unit) * unit)
            check(venue)
            found, sets, columns = compiled(venue)
            capped.append(capped_in(venue, columns))
            due.append(len(kernel.brute(found, sets, columns)))
    assert min(capped) < ROWS // 4 < max(capped)
    assert len(set(due)) > 10


@pytest.mark.parametrize(("cap_q", "of"), [(None, "position"), (10**9, "position"), (0, "account")])
def test_what_initial_margin_leaves_out_of_profits_beside_their_caps(cap_q, of):
    """Profit that is not paid is left out once: by position, equity lacks it already."""
    capped = 0
    for seed in (2, 9, 14):
        venue = netted(GMX, seed, ROWS)
        venue.policy = replace(venue.policy, initial_profit_cap_q=cap_q, initial_profit_cap_of=of)
        check(venue)
        capped += capped_in(venue, compiled(venue)[2])
    assert capped > ROWS


def test_floats_decide_whoever_is_far_from_the_trigger_under_caps():
    """All but the pools, which are in the columns and never judged."""
    venue = netted(GMX, 2, ROWS)
    traders = [held for held in venue.subaccounts.values() if not held.system]
    for number, held in enumerate(traders):
        held.flagged = False
        held.balances[QUOTE] += (-1) ** number * 10**17
    found, sets, columns = compiled(venue)
    screened = kernel.liquidatable(found, sets, columns)
    assert screened.exact == len(columns) - len(traders) > 0
    assert len(screened.rows) == ROWS // 2
    assert capped_in(venue, columns) > 10


def test_who_is_asked_for_nothing_is_not_short_under_caps():
    """No least atom, as under a rule over positions: a position that cost nothing is asked for a share of that."""
    venue = netted(GMX, 2, ROWS)
    for market in venue.markets.values():
        market.minimum_margin_q = 0
    for held in venue.subaccounts.values():
        held.flagged, held.orders = False, {}
        held.balances[QUOTE] -= 10**17
        held.positions = {name: replace(each, cost_q=0) for name, each in held.positions.items()}
    check(venue)
    found, sets, columns = compiled(venue)
    assert not len(kernel.brute(found, sets, columns))
    for held in venue.subaccounts.values():
        held.positions = {name: replace(each, cost_q=10**9) for name, each in held.positions.items()}
    check(venue)
    found, sets, columns = compiled(venue)
    assert len(kernel.brute(found, sets, columns)) == ROWS


def test_a_cap_by_hand():
    """10 lots bought at 100 are worth 200 each, a profit of 1,000.

    The side is owed 5,000 and paid 900, nine tenths of half a pool of 2,000: 180 of every 1,000.
    """
    venue = netted(GMX, 1, 0)
    (name, market), *_ = venue.markets.items()
    market.scale, market.mark, market.index = replace(market.scale, num=1, den=1), 200, 200
    market.solvency = replace(market.solvency, cap_ppm=900_000)
    market.longs = Side(50, 5_000)
    pool = Subaccount(market_subaccount(name), "venue", system=True, balances={QUOTE: 2_000})
    held = Subaccount("a", "a", balances={QUOTE: 0}, positions={name: Position(10, 1_000, 0)})
    short = Subaccount("b", "b", balances={QUOTE: 0}, positions={name: Position(-10, -1_000, 0)})
    venue.subaccounts = {each.id: each for each in (pool, held, short)}
    assert (owed_to_side_q(venue, market, 200, is_long=True), most_q(venue, market)) == (5_000, 900)
    found, sets, columns = compiled(venue)
    numbers, equity = columns.numbers(), kernel.assess(found, sets, columns).equity
    assert equity[numbers["a"]] == 10 * 200 - 1_000 + 180
    assert equity[numbers["b"]] == -10 * 200
    assert equity[numbers[pool.id]] == 2_000
    check(venue)


def test_a_venue_of_sums_holds_caps_that_take_nothing():
    venue = netted(GMX, 2, ROWS)
    for market in venue.markets.values():
        market.solvency = None
    found = plan(venue)
    assert not found.whole
    assert not sets_of(venue, found).sides["withheld"].any()
    check(venue)


def test_the_plan_says_that_the_screen_decides_where_profits_are_capped():
    found = plan(netted(GMX, 1, 3))
    why = "what liquidity pays of a profit depends on everybody in its market"
    assert (found.whole, found.outside) == (why, {})
    assert found.reference == [f"The screen of sets or the reference decides every subaccount: {why}."]


def test_what_128_bits_do_not_hold_of_a_cap_is_left_to_the_reference():
    venue = netted(GMX, 1, 0)
    (market, *_) = venue.markets.values()
    market.mark, market.index, market.longs = 10**6, 10**6, Side(2**200, 0)
    with pytest.raises(UnfitError, match="is owed leaves 128 bits"):
        sets_of(venue, plan(venue))


# -- what only the screen decides --------------------------------------------------------------------------------------


def test_every_rule_is_tested_here_and_for_the_screen_alone():
    venues = [netted(rulebook, 1, 0) for rulebook in SCREENED]
    assert {type(venue.policy.set_rule) for venue in venues} == {*get_args(SetRule), NoneType}
    for venue in venues:
        assert {bound_of(market, venue.policy) for market in venue.markets.values()} == {SCREEN_ONLY}


@pytest.mark.parametrize("venue", [option_book(RULE, 6, 3), netted(GMX, 6, 3)], ids=["options", "capped"])
def test_bands_and_lines_refuse_what_is_more_than_its_legs(venue):
    found, _, columns = compiled(venue)
    for index in (lambda: Bands(found, columns), lambda: Screen(found, columns)):
        with pytest.raises(InputError, match="more than the sum of their legs"):
            index()


def test_an_option_without_prices_in_scenarios_is_left_to_the_reference():
    venue = option_book(RULE, 7, 3)
    venue.markets[CALL].grid = None
    found = plan(venue)
    assert found.outside == {CALL: "it has no prices in scenarios"}
    venue.markets["ETH"].requirement = replace(venue.markets["ETH"].requirement, den=0)
    assert found.outside.keys() < plan(venue).outside.keys()


def test_caps_beside_a_rule_over_positions_are_left_to_the_reference():
    venue = option_book(RULE, 7, 3)
    venue.markets["ETH"].solvency = netted(GMX, 1, 0).markets.popitem()[1].solvency
    found = plan(venue)
    assert found.outside["ETH"] == "it caps profits, beside a rule that looks at positions together"
    assert "SOL" in found.markets


def test_a_price_off_the_grid_is_refused_in_words():
    venue = option_book(RULE, 8, 3)
    found = plan(venue)
    venue.markets["ETH"].index = found.limits[0].price_max + 1
    with pytest.raises(InputError, match=r"ETH: a price of .* does not fit"):
        sets_of(venue, found)


# -- longer searches ---------------------------------------------------------------------------------------------------


@pytest.mark.fuzz
@given(st.sampled_from(SCREENED), st.integers(0, 2**32))
def test_any_book_at_the_boundary(rulebook, seed):
    venue = netted(rulebook, seed, 8)
    risks = [subaccount_risk(venue, each) for each in venue.subaccounts.values()]
    # `assess` writes 64 bits, and says so of whatever does not fit; orders that fill make positions twice as large.
    assume(all(abs(amount) < 2**60 for risk in risks for amount in astuple(risk)))
    if plan(venue).markets:
        check(venue)
        check_radius(venue)


@pytest.mark.fuzz
@given(st.sampled_from(sorted(RULES)), st.integers(0, 2**32), st.booleans(), st.integers(2_000, 40_000))
def test_any_options_at_the_boundary(name, seed, is_doubtful, eth):
    venue = option_book(RULES[name], seed, 8, eth)
    venue = doubtful(venue, seed) if is_doubtful else venue
    check(venue)
    check_radius(venue)
