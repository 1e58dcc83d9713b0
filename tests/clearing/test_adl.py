"""Deleveraging policies against an independently computed loss event, and what every policy must hold to.

The event: one market at 80 (86 before), three losers with a deficit of 3,000, ten winners, one bystander. Expected
numbers are exact rationals; here one unit of them is a thousand quote atoms.
"""

import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

import naive
from clearing.world import deleveraging
from ringfence.clearing import command as cmd
from ringfence.clearing import ledger
from ringfence.clearing.adl import (
    SCORE_UNIT,
    Claim,
    claims_against,
    plan,
    queue,
    score_profit_margin,
    split,
)
from ringfence.clearing.log import Clearinghouse
from ringfence.clearing.model import QUOTE, CollateralPool, Market, Position, Scale, Subaccount, Venue
from ringfence.clearing.policy import Deleveraging, Policy, Tier, Tiered
from ringfence.clearing.risk import subaccount_risk
from rules.edges import natural

UNIT = 1_000
POLICIES = [
    Deleveraging(),
    Deleveraging(score="index"),
    Deleveraging(score="index_literal"),
    Deleveraging(score="profit_margin"),
    Deleveraging(policy="cyclic"),
    Deleveraging(policy="pro_rata"),
]


@pytest.fixture(scope="session")
def event(shared):
    return json.loads((shared / "vectors" / "adl.json").read_text())


def padded(name):
    """W1 -> W01, so that ties break by number."""
    return f"{name[0]}{name[1:]:0>2}"


def holder(entry, side):
    size, cost = side * abs(entry["qty"]), side * entry["basis"] * UNIT
    cash = {QUOTE: entry["cash"] * UNIT - cost}
    return Subaccount(
        padded(entry["id"]), entry["id"], balances=cash, positions={"X": Position(size, cost, 0)}
    )


def house_of(event, policy):
    """The state just after the price fell."""
    given_ = event["inputs"]
    table = Tiered((Tier(0, 200, 50, 0),), 1_000)
    market = Market("X", Scale(1, 1), table, "P", mark=80 * UNIT, index=80 * UNIT, previous_mark=86 * UNIT)
    held = [holder(entry, -1) for entry in given_["winners"]]
    held += [holder(entry, 1) for entry in (*given_["losers"], given_["bystander"])]
    market.open_interest_b = sum(max(one.positions["X"].size_b, 0) for one in held)
    venue = Venue(policy, {"X": market}, {}, {"P": CollateralPool("P")}, {one.id: one for one in held})
    venue.subaccounts["market/X"] = Subaccount("market/X", "venue", system=True)
    venue.ledger["outside"] = {QUOTE: -sum(one.quote_q for one in held)}
    ledger.audit(venue)
    return Clearinghouse(venue)


def equities(house, letter):
    named = {name: one for name, one in house.venue.subaccounts.items() if name.startswith(letter)}
    return {name: Fraction(subaccount_risk(house.venue, one).equity_q, UNIT) for name, one in named.items()}


def given_up(house, draws=(0, 0, 0)):
    """What each winner lost to the deleveraging of the three losers, in turn."""
    before = equities(house, "W")
    for loser, draw in zip(("L01", "L02", "L03"), draws, strict=True):
        house.require(cmd.Deleverage(loser, "X", draw))
        ledger.audit(house.venue)
    after = equities(house, "W")
    return {name: before[name] - after[name] for name in before}


def expected(event, case, field="x"):
    return {padded(name): Fraction(value) for name, value in event["expected"][case][field].items()}


@pytest.mark.parametrize(
    ("case", "policy"),
    [
        ("queue_bitmex@bankruptcy", deleveraging()),
        ("queue_hl_side_adjusted@bankruptcy", deleveraging(score="index")),
        ("queue_hl_side_adjusted@prev_mark", deleveraging(score="index", price="previous_mark")),
        ("queue_hl_literal@prev_mark", deleveraging(score="index_literal", price="previous_mark")),
    ],
)
def test_ranked_policies(event, case, policy):
    """The queue, what it closes against the first loser, and what it takes if it is ranked once for all three."""
    house, wanted = house_of(event, policy), event["expected"][case]
    claims = claims_against(house.venue, "L01", "X")
    order = [claim.subaccount for claim in queue(policy.deleveraging, claims)]
    assert order == [padded(name) for name in wanted["order"]]
    fills = [
        (padded(winner), lots, Fraction(price))
        for loser, winner, lots, price in wanted["fills"]
        if loser == "L1"
    ]
    events = house.require(cmd.Deleverage("L01", "X")).events
    paid = {e.debit: Fraction(e.amount, UNIT) for e in events if getattr(e, "why", "") == "deleveraging"}
    assert paid == {f"sub/{winner}": lots * price for winner, lots, price in fills}
    assert ranked_once(event, policy, claims) == expected(event, case)


def ranked_once(event, policy, claims):
    """Lots of a plan for all losers' lots, at each loser's transfer price, as what the winners lose."""
    losers, prices = event["inputs"]["losers"], event["inputs"]["derived"]["bankruptcy_price"]
    previous = policy.deleveraging.price == "previous_mark"
    lots = [(loser["qty"], Fraction(86 if previous else prices[loser["id"]])) for loser in losers]
    each_price = [price for count, price in lots for _ in range(count)]
    lost, at = dict.fromkeys((claim.subaccount for claim in claims), Fraction(0)), 0
    for one in plan(policy.deleveraging, len(each_price), 0, claims):
        lost[one.subaccount] = sum(each_price[at : at + one.lots_b]) - 80 * one.lots_b
        at += one.lots_b
    return lost


def test_overshoot_is_exactly_what_the_losers_keep(event):
    house = house_of(event, deleveraging(score="index", price="previous_mark"))
    taken = sum(given_up(house).values())
    deficit = event["inputs"]["derived"]["deficit"]
    assert taken - deficit == sum(equities(house, "L").values()) == 3_000


def test_at_the_mark_winners_lose_nothing_and_the_pool_owes_the_deficit(event):
    house = house_of(event, deleveraging(price="mark"))
    assert set(given_up(house).values()) == {0}
    assert house.venue.debt_q("P") == event["inputs"]["derived"]["deficit"] * UNIT


def test_insurance_first_and_the_queue_at_the_improved_price(event):
    house = house_of(event, Policy())
    house.require(cmd.FundInsurance("P", 600 * UNIT))
    house.require(cmd.DrawInsurance("P", "L01", "X"))
    # 600 of the first loser's 1,000: its 500 lots go for 80.8 instead of 82
    before = equities(house, "W")
    house.require(cmd.Deleverage("L01", "X"))
    after = equities(house, "W")
    wanted = event["expected"]["waterfall_insurance600_then_queue_bitmex@improved_price"]
    fills = {padded(winner): lots for loser, winner, lots, _ in wanted["fills"] if loser == "L1"}
    assert {name: before[name] - after[name] for name in fills} == {
        n: lots * Fraction(4, 5) for n, lots in fills.items()
    }
    assert sum(before.values()) - sum(after.values()) == 400


def test_cyclic_from_the_fourth(event):
    house = house_of(event, deleveraging(policy="cyclic"))
    # each scan goes on where the last one stopped: at W4; then at W7, the fourth of those left; then at W1
    assert given_up(house, draws=(3, 3, 0)) == expected(event, "dydx_v4_cyclic_offset3@bankruptcy")


@pytest.mark.parametrize(
    ("case", "need"),
    [
        ("wealth_pro_rata_cap_eff", 3_000),
        ("waterfall_insurance600_then_pro_rata", 2_400),
        ("infeasible_budget_40000_pro_rata", 40_000),
    ],
)
def test_pro_rata_in_whole_units(event, case, need):
    claims = [
        Claim(padded(w["id"]), -w["qty"], -w["basis"], w["qty"] * 80, w["cash"] + w["basis"] + w["qty"] * 80)
        for w in event["inputs"]["winners"]
    ]
    taken = {one.subaccount: one.amount_q for one in plan(Deleveraging(policy="pro_rata"), 0, need, claims)}
    assert taken == expected(event, case, "x_int")


def test_pro_rata_on_the_whole_event_takes_the_deficit_and_no_more(event):
    house = house_of(event, deleveraging(policy="pro_rata"))
    taken, exact = given_up(house), expected(event, "wealth_pro_rata_cap_eff")
    assert sum(taken.values()) == 3_000
    # three splits one after the other, each to the atom, stray from one exact split by a few atoms
    assert all(abs(taken[name] - exact[name]) < Fraction(10, UNIT) for name in exact)


def test_the_worked_example_of_pro_rata():
    # arXiv 2512.01112: endowments 8, 4 and 0.5 pay 7.5 as 4.8, 2.4 and 0.3
    assert split(75, [80, 40, 5]) == [48, 24, 3]


# --- what every policy holds to ---------------------------------------------------------------------------------------


@st.composite
def claim_lists(draw):
    count = draw(st.integers(0, 6))
    sides = draw(st.sampled_from((1, -1)))
    return [
        Claim(
            f"W{number}",
            draw(st.integers(1, 2**40)),
            draw(st.integers(-(2**60), 2**60)),
            sides * draw(st.integers(1, 2**60)),
            draw(st.integers(-(2**60), 2**60)),
        )
        for number in range(count)
    ]


@pytest.mark.fuzz
@given(st.sampled_from(POLICIES), natural(40), natural(70), claim_lists(), st.integers(0, 20), st.randoms())
def test_a_plan_stays_within_its_bounds_and_ignores_the_order_of_claims(
    policy, lots, need, claims, draw, random
):
    made = plan(policy, lots, need, claims, draw)
    by_name = {claim.subaccount: claim for claim in claims}
    assert sum(one.lots_b for one in made) <= lots
    assert sum(one.amount_q for one in made) <= need
    assert len({one.subaccount for one in made}) == len(made)
    for one in made:
        claim = by_name[one.subaccount]
        assert 0 <= one.lots_b <= claim.lots_b
        assert 0 <= one.amount_q <= claim.cap_q
        assert one.lots_b or one.amount_q
    shuffled = list(claims)
    random.shuffle(shuffled)
    assert plan(policy, lots, need, shuffled, draw) == made


@pytest.mark.fuzz
@given(st.sampled_from(POLICIES), claim_lists())
def test_nothing_needed_nothing_taken_and_everything_needed_exhausts(policy, claims):
    assert plan(policy, 0, 0, claims) == []
    made = plan(policy, 2**80, 2**80, claims)
    touched = queue(policy, claims)
    if policy.policy == "pro_rata":
        assert sum(one.amount_q for one in made) == sum(claim.cap_q for claim in touched)
    else:
        assert sum(one.lots_b for one in made) == sum(claim.lots_b for claim in touched)


@pytest.mark.fuzz
@given(claim_lists(), natural(60), natural(60))
def test_pro_rata_takes_no_less_when_more_is_needed(claims, first, second):
    policy = Deleveraging(policy="pro_rata")
    low, high = (
        sum(one.amount_q for one in plan(policy, 0, need, claims)) for need in sorted((first, second))
    )
    assert low <= high


@pytest.mark.fuzz
@given(natural(70), st.lists(natural(60), max_size=8))
def test_split_is_the_largest_remainder(amount, weights):
    shares = split(amount, weights)
    if not any(weights):
        assert shares == [0] * len(weights)
        return
    assert shares == naive.largest_remainder(amount, weights)
    assert sum(shares) == amount
    assert all(weight or not share for weight, share in zip(weights, shares, strict=True))


def test_cyclic_visits_everyone_once_from_any_start():
    claims = [Claim(f"W{number}", 1, 0, -1, 1) for number in range(5)]
    for draw in range(12):
        order = [claim.subaccount for claim in queue(Deleveraging(policy="cyclic"), claims, draw)]
        assert order[0] == f"W{draw % 5}"
        assert sorted(order) == [f"W{number}" for number in range(5)]


USD = 10**6


@pytest.mark.parametrize(
    ("profit", "balance", "maintenance", "score"),
    [
        (2_000, 500, 250, Fraction(2, 5)),  # 2,000 / 500 x 250 / 2,500
        (5, 0, 50, 50),  # without a balance the return is on 1 USD
        (5, Fraction(1, 2), 11, 10),  # ... and on less than that
    ],
)
def test_return_on_balance_times_margin_ratio(profit, balance, maintenance, score):
    claim = Claim("w", 1, 0, profit * USD, int((balance + profit) * USD), maintenance * USD)
    assert abs(Fraction(score_profit_margin(claim), SCORE_UNIT) - score) < Fraction(1, 2**60)


def test_the_engine_ranks_by_margin_ratio_where_the_policy_says_so():
    """Same position and profit; who holds less besides gives way first."""
    policy = deleveraging(score="profit_margin")
    table = Tiered((Tier(0, 100, 50, 0),), 1_000)
    market = Market("X", Scale(USD, 1), table, "P", mark=80, index=80)
    held = {
        name: Subaccount(
            name,
            name,
            balances={QUOTE: cash * USD - cost * USD},
            positions={"X": Position(size, cost * USD, 0)},
        )
        for name, cash, size, cost in (("loser", 10, 2, 200), ("poor", 20, -1, -100), ("rich", 90, -1, -100))
    }
    held["other"] = Subaccount("other", "other")
    market.open_interest_b = 2
    venue = Venue(policy, {"X": market}, {}, {"P": CollateralPool("P")}, held)
    claims = claims_against(venue, "loser", "X")
    assert [claim.maintenance_q for claim in claims] == [4 * USD, 4 * USD]
    assert [claim.subaccount for claim in queue(policy.deleveraging, claims)] == ["poor", "rich"]
