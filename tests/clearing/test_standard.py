"""The standard rule in the engine: options alone and netted, next to perpetuals and collateral, and their penalties.

Spot is 2,000.00 in cents, one lot at one cent is worth one quote atom. Parameters are those of Derive's test set-up
(`derivexyz/v2-core@7736900d test/config-test.sol`): 15 % at the money, 10 % far out, maintenance 7.5 %.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from clearing.world import ONE
from ringfence.clearing import command as cmd
from ringfence.clearing.decide import decide, valid_policy
from ringfence.clearing.draft import Draft
from ringfence.clearing.model import (
    QUOTE,
    Asset,
    CollateralPool,
    Grid,
    Market,
    Option,
    Subaccount,
    Term,
    Venue,
)
from ringfence.clearing.policy import Policy, Sided, Tier, Tiered
from ringfence.clearing.risk import is_liquidatable, subaccount_risk, with_sizes
from ringfence.clearing.set_rules import StandardMargin, StandardTerms
from ringfence.clearing.solve import displayed_price, liquidation_price
from ringfence.clearing.verdict import Accepted, Reason, Rejected

NOTHING = Tiered((Tier(0, 0, 0, 0),), 1)
TERMS = StandardTerms(
    highest_num=1_500,
    lowest_num=1_000,
    call_num=750,
    put_num=750,
    put_mark_num=750,
    put_floor_num=10_500,
    den=10_000,
    netted=True,
    unpaired_initial_num=12_000,
    unpaired_maintenance_num=11_000,
)
RULE = StandardMargin(TERMS)
SPOT = 200_000
SOON, LATE = 1_000_000, 2_000_000
OPTIONS = {
    f"{'C' if call else 'P'}{strike}{'' if expiry_ms == SOON else '-late'}": Option(
        "ETH", strike * 100, call, expiry_ms
    )
    for strike in (1_500, 1_800, 2_000, 2_500, 3_000)
    for call in (True, False)
    for expiry_ms in (SOON, LATE)
}
MARKS = {1_500: (50_100, 100), 1_800: (21_000, 1_000), 2_000: (8_000, 7_900), 2_500: (200, 50_100)}
"""Of calls and puts by strike, in cents."""


def empty_venue(rule=RULE):
    perp = Tiered((Tier(0, 65, 50, 0),), 1_000)
    markets = {"ETH": Market("ETH", ONE, perp, "main", mark=SPOT + 100, index=SPOT, price_decimals=2)}
    for name, option in OPTIONS.items():
        mark = MARKS.get(option.strike // 100, (50, 100_050))[0 if option.call else 1]
        markets[name] = Market(name, ONE, NOTHING, "main", mark=mark, index=mark, option=option)
    weights = Sided(200, 200, 0, 0, 1_000)
    weth = Asset("WETH", ONE, NOTHING, weights=weights, market="ETH", price_decimals=2, price=SPOT)
    pools = {"main": CollateralPool("main")}
    return Venue(Policy(set_rule=rule), markets, {"WETH": weth}, pools)


def account(sizes, quote=0, weth=0):
    held = Subaccount("who", "who", balances={QUOTE: quote, "WETH": weth})
    sizes = {name: size for name, size in sizes.items() if size}
    return with_sizes(held, sizes) if sizes else held


def net(sizes, rule=RULE, venue=None, **held):
    """Initial and maintenance margin as the venue states them: what is left of equity, in cents."""
    risk = subaccount_risk(venue or empty_venue(rule), account(sizes, **held))
    return risk.free_q, risk.surplus_q


@pytest.mark.parametrize(
    ("sizes", "initial", "maintenance"),
    [
        ({"C2000": 1}, 0, 0),  # a long option is no collateral
        ({"C2000": -1}, -(8_000 + 30_000), -(8_000 + 15_000)),
        ({"C2500": -1}, -(200 + 20_000), -(200 + 15_000)),  # 25 % out of the money: the floor of 10 %
        # Put struck at 2,500: 7.5 % of spot beats 7.5 % of its mark; initial 15 %, not 105 % of maintenance
        ({"P2500": -1}, -(50_100 + 30_000), -(50_100 + 15_000)),
        # A put of 1,000.50: 5 % more than 115,050 of maintenance is less than 15 % of spot
        ({"P3000": -1}, -(100_050 + 30_000), -(100_050 + 15_000)),
        ({"C1800": -1, "C2000": 1}, -20_000, -20_000),  # can lose 200 and no more
        ({"C2000": -1, "C2500": 1}, -38_000, -23_000),  # ... but alone asks less than 500
        ({"C1800": 1, "C2000": -1}, 0, 0),  # cannot lose
        ({"P1500": -1, "P1800": -1, "P2000": 2}, 0, 0),
        ({"C1800": -1, "C2000": 1, "C1800-late": -1, "C2000-late": 1}, -40_000, -40_000),  # by expiry
        ({"C1800": -1, "C2000-late": 1}, -(21_000 + 30_000), -(21_000 + 15_000)),  # never across expiries
        ({"ETH": 1}, -13_007, -10_005),  # 6.5 and 5 % of the perpetual's own price, rounded up
        ({"ETH": -2, "C2000": -1}, -26_013 - 38_000, -20_010 - 23_000),
    ],
)
def test_what_is_asked_against_cash(sizes, initial, maintenance):
    worth = {"ETH": SPOT + 100}
    cost = sum(size * worth.get(name, 0) for name, size in sizes.items())  # perpetuals bought at their mark
    assert net(sizes, quote=-cost) == (initial, maintenance)


def test_more_calls_sold_than_bought_ask_for_a_stressed_forward():
    """110 calls struck at 1,500 sold, 100 at 1,800 bought: 30,000 at 1,800 and above, and 10 calls at the forward."""
    few = {"C1500": -110, "C1800": 100}
    worst = -110 * 30_000
    assert net(few) == (worst - 10 * 240_000, worst - 10 * 220_000)
    venue = empty_venue()
    verdict = decide(venue, cmd.SetGrids("ETH", {}, (Term(SOON, 1, 1, 210_000),)))
    assert isinstance(verdict, Accepted)
    told = Draft(venue)
    for event in verdict.events:
        told.emit(event)
    assert net(few, venue=told.venue) == (worst - 10 * 252_000, worst - 10 * 231_000)


def test_terms_hold_forwards_and_nothing_about_scenarios():
    venue = empty_venue()
    verdict = decide(venue, cmd.SetGrids("ETH", {}, (Term(SOON, 1, 1, -1),)))
    assert isinstance(verdict, Rejected)
    assert verdict.reason == Reason.PARAMETER_INVALID
    verdict = decide(venue, cmd.SetGrids("ETH", {"C2000": Grid((1,), (1,))}))
    assert isinstance(verdict, Rejected)
    assert verdict.reason == Reason.NOT_OFFERED


def test_options_bought_may_count_where_the_venue_lets_them():
    generous = replace(RULE, options=replace(TERMS, longs_count=True, netted=False))
    assert net({"C2000": 3}, generous) == (23_999, 23_999)  # who holds a position is asked for an atom
    assert net({"C2000": 3, "P1500": -1}, generous) == (24_000 - 20_100, 24_000 - 15_100)


DOUBTING = replace(
    RULE,
    doubt_num=4_000,
    perp_doubt_below_num=4_000,
    option_doubt_below_num=4_000,
    asset_doubt_below_num=4_000,
    peg_below_num=9_800,
    peg_num=12_000,
)


@pytest.mark.parametrize(
    ("sizes", "weth", "change", "asked"),
    [
        ({"ETH": 1}, 0, {"confidences": {"ETH": 100_000}}, 72_000),  # 0.9 x 0.4 x 2,000, as published
        ({"ETH": -1}, 0, {"index_confidences": {"ETH": 100_000}}, 72_000),
        ({"C2000": -1}, 0, {"confidences": {"C2000": 100_000}}, 72_000),
        ({"C2000": -1}, 0, {"confidences": {"C2000": 400_000}}, 0),  # at the threshold
        ({"C2000": 1}, 0, {"confidences": {"C2000": 100_000}}, 0),
        ({"C1800": -1, "C2000": 1}, 0, {"confidences": {"C2000": 100_000}}, 72_000),  # the least of an expiry
        ({"C1800": -1, "C2000-late": -1}, 0, {"confidences": {"C2000-late": 100_000}}, 72_000),
        ({}, 1, {"index_confidences": {"ETH": 100_000}}, 72_000),
        ({}, 1, {"asset_confidences": {"WETH": 100_000}}, 72_000),
        ({"P2000": -1}, 0, {"quote_wad": 10**17}, 211_200),  # (0.98 - 0.1) x 1.2 x 2,000, as published
        ({"ETH": -1, "C2000": -1, "P2000": 1}, 0, {"quote_wad": 10**17}, 422_400),
        ({}, 1, {"quote_wad": 10**17}, 0),
    ],
)
def test_penalties_ask_initial_margin_alone(sizes, weth, change, asked):
    venue = empty_venue(DOUBTING)
    before = net(sizes, venue=venue, weth=weth)
    draft = Draft(venue)
    for event in decide(venue, cmd.SetPrices(1, 1, **change)).events:
        draft.emit(event)
    after = net(sizes, venue=draft.venue, weth=weth)
    assert (before[0] - after[0], before[1] - after[1]) == (asked, 0)


def test_collateral_of_another_kind_is_doubted_by_its_own_price():
    venue = empty_venue(DOUBTING)
    usdt = Asset("USDT", ONE, NOTHING, price=1, confidence_ppm=100_000)
    venue.assets["USDT"] = usdt
    who = Subaccount("who", "who", balances={"USDT": 1_000})
    assert subaccount_risk(venue, who).free_q == 1_000 - 360


names = st.sampled_from(("ETH", *sorted(OPTIONS)))
lots = st.dictionaries(names, st.integers(-9, 9).filter(bool), min_size=1, max_size=6)


@given(lots, st.integers(-500_000, 3_000_000), st.integers(0, 3))
def test_netting_only_helps_and_initial_margin_covers_maintenance(sizes, quote, weth):
    alone = replace(RULE, options=replace(TERMS, netted=False))
    initial, maintenance = net(sizes, quote=quote, weth=weth)
    assert initial <= maintenance
    for netted, by_itself in zip(
        (initial, maintenance), net(sizes, alone, quote=quote, weth=weth), strict=True
    ):
        assert netted >= by_itself


@given(lots, lots, st.integers(-500_000, 3_000_000))
def test_two_expiries_never_help_each_other(first, second, quote):
    """Options of one expiry beside those of the other ask what both ask alone."""
    soon = {name: size for name, size in first.items() if name in OPTIONS and not name.endswith("late")}
    late = {name: size for name, size in second.items() if name.endswith("late")}
    together, apart = net({**soon, **late}, quote=quote), (net(soon), net(late, quote=quote))
    for whole, one, other in zip(together, *apart, strict=True):
        # One atom: whoever holds a position is asked for something.
        assert abs(whole - one - other) <= 1


@given(lots, st.integers(-500_000, 3_000_000), st.sampled_from(("ETH", "P2000", "P2500", "C1800")))
@settings(max_examples=150)
def test_the_liquidation_price_is_the_trigger(sizes, quote, market):
    venue, who = empty_venue(), account({**sizes, market: sizes.get(market, -2)}, quote=quote)
    found, mark = liquidation_price(venue, who, market), venue.markets[market].mark
    begun = is_liquidatable(venue, who)

    def bad(price):
        return is_liquidatable(venue, who, {market: price})

    if found is None:
        tried = (1, mark // 4, mark // 2, mark - mark // 50, mark, mark + mark // 50, 2 * mark, 10 * mark)
        assert all(bad(price) == begun for price in tried if price > 0)
        return
    assert bad(found)
    toward = 1 if found < mark else -1
    if not begun:
        assert not bad(found + toward)
        near = [found + toward * step for step in range(2, min(abs(found - mark), 60))]
        far = range(mark, found, max(1, abs(found - mark) // 40) * (1 if found > mark else -1))
        # Each leg's requirement is rounded by less than an atom, which is more than one quantum changes.
        for price in (*near, *far):
            risk = subaccount_risk(venue, who, {market: price})
            assert risk.above_trigger_q(at_equality=False) >= -len(who.positions)


def test_a_displayed_price_moves_forwards_with_the_grid():
    venue, who = empty_venue(), account({"C1500": -110, "C1800": 100, "ETH": 5}, quote=10_000_000)
    exact = displayed_price(venue, who, "ETH", digits=9)
    found = liquidation_price(venue, who, "ETH")
    assert (exact is None) == (found is None)
    assert exact is None or abs(exact - found) <= 2


@pytest.mark.parametrize(
    "change",
    [
        {"den": 0},
        {"call_num": -1},
        {"lowest_num": 1_501},
        {"unpaired_maintenance_num": 12_001},
        {"put_floor_num": -1},
    ],
)
def test_invalid_terms(change):
    rule = StandardMargin(replace(TERMS, **change))
    assert not valid_policy(Policy(set_rule=rule))


def test_invalid_penalties():
    for change in ({"doubt_num": -1}, {"option_doubt_below_num": 10_001}, {"peg_below_num": -1}):
        assert not valid_policy(Policy(set_rule=replace(RULE, **change)))
    assert valid_policy(Policy(set_rule=DOUBTING))
