"""Vertex: the executed cases, and the engine's own risk of the same accounts to the atom of USDC."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.clearing.model import QUOTE, Position, Subaccount, Venue
from ringfence.clearing.risk import is_liquidatable, subaccount_risk
from ringfence.errors import InputError
from ringfence.questions.conformance.vectors import Case, Field, RefusedError
from ringfence.questions.conformance.vertex import KINDS
from ringfence.questions.conformance.vertex_book import Holder, Listing, Perp, Product, healths, read_book
from ringfence.questions.verify import judge, run
from ringfence.venues.rulebook import load

WAD = 10**18
USDC = 10**12
"""Decimals of the venue beyond those of the engine's quote."""
SPOT, PERP = 1, 2
PRICES = {SPOT: 100_000 * WAD, PERP: 100_000_370 * 10**15}
LISTING = Listing(
    {SPOT: Product(PRICES[SPOT], (WAD * 9 // 10, WAD * 11 // 10), (WAD * 95 // 100, WAD * 105 // 100))},
    {PERP: Product(PRICES[PERP], (WAD * 95 // 100, WAD * 105 // 100), (WAD * 97 // 100, WAD * 103 // 100))},
    [(SPOT, PERP)],
)


def test_the_reference_folder(shared):
    report = run([shared / "vectors" / "vertex.json"])
    assert (report.failed, report.unsupported) == (0, 0)
    assert report.headline.passed >= 26


def held_by_the_engine(quote, spot, perp, paid):
    """The same account under the rulebook, whose BTC market and collateral are the venue's products."""
    rulebook = load("vertex")
    market, asset = rulebook.market("BTC"), rulebook.assets()["BTC"]
    market.mark = market.index = PRICES[PERP]
    asset.price = PRICES[SPOT]
    subaccount = Subaccount("a", "a", balances={QUOTE: quote - paid, "BTC": spot})
    if perp:
        subaccount.positions["BTC"] = Position(perp, paid, 0)
    return Venue(rulebook.margin_policy(), {"BTC": market}, {"BTC": asset}, subaccounts={"a": subaccount})


def healths_of_the_engine(venue):
    risk = subaccount_risk(venue, venue.subaccounts["a"])
    return {
        "initial_health": risk.free_q,
        "maintenance_health": risk.surplus_q,
        "equity": risk.equity_q,
    }, is_liquidatable(venue, venue.subaccounts["a"])


@pytest.mark.fuzz
@given(
    st.integers(-200_000 * 10**6, 200_000 * 10**6),
    st.integers(-2 * WAD, 2 * WAD),
    st.integers(-2 * WAD, 2 * WAD),
    st.integers(-200_000 * 10**6, 200_000 * 10**6),
)
def test_the_engine_agrees_with_the_rule(quote, spot, perp, paid):
    paid = paid if perp else 0
    venue = held_by_the_engine(quote, spot, perp, paid)
    account = Holder({0: quote * USDC, SPOT: spot}, {PERP: Perp(perp, -paid * USDC)})
    ours, liquidatable = healths_of_the_engine(venue)
    for name, theirs in healths(LISTING, account).items():
        if name in ours:
            assert abs(ours[name] - theirs / USDC) < 6, name  # one atom for each division
    # What asks for no margin is not liquidated here, and at zero the two may be six atoms apart.
    maintenance = healths(LISTING, account)["maintenance_health"]
    if abs(perp) + abs(spot) > WAD // 1_000 and abs(maintenance) > 6 * USDC:
        assert liquidatable == (maintenance < 0)


@pytest.mark.parametrize(
    ("spot", "perp", "initial", "maintenance"),
    [
        (WAD, -WAD, "97999.63555", "98799.63148"),  # executed: a coin held against its perp
        (-WAD, WAD, "-103999.62815", "-101999.63"),  # ... and owed against it
    ],
)
def test_a_hedged_pair_is_charged_alike(spot, perp, initial, maintenance):
    paid = 100_000 * 10**6 * (1 if perp > 0 else -1)
    found, _ = healths_of_the_engine(held_by_the_engine(0, spot, perp, paid))
    assert found["initial_health"] == int(Decimal(initial) * 10**6)
    assert found["maintenance_health"] == int(Decimal(maintenance) * 10**6)


def short_that_went_bankrupt(insurance):
    """The mirror image of the executed case: short one coin from 96,000, closed above that."""
    rule = {
        "spot_products": [],
        "perp_products": [
            {
                "product_id": Decimal(2),
                "price_x18": str(100_000 * WAD),
                "long_weight_initial": Decimal(950_000_000),
                "short_weight_initial": Decimal(1_050_000_000),
                "long_weight_maintenance": Decimal(970_000_000),
                "short_weight_maintenance": Decimal(1_030_000_000),
            }
        ],
    }
    body = {
        "rule": rule,
        "positions": [{"product_id": Decimal(2), "amount": str(-WAD), "v_quote": str(96_000 * WAD)}],
        "action": {
            "insurance_before": str(insurance * WAD),
            "steps": ["liquidate perp 2 amount -1e18", "finalize"],
            "other_accounts": {"long": str(10 * WAD), "short": str(-9 * WAD)},
        },
        # bought back at 100,600: 4,600 are missing, of which the fund pays what it held before its own fee
        "expected": {
            "v_quote_deficit_after_close": str(-4_600 * WAD),
            "liquidation_fee_to_insurance": str(300 * WAD),
            "insurance_used": str(min(insurance, 4_600) * WAD),
            "open_interest": str(10 * WAD),
            "cum_funding_long_delta": str(max(0, 4_600 - insurance) * WAD // 20),
            "deficit_after": "0",
        },
    }
    return Case("vertex", "bankruptcy_socialisation", "mirrored", "", "derived", Field(body, "mirrored: "))


@pytest.mark.parametrize("insurance", [0, 1_000, 4_600, 10_000])
def test_a_short_is_closed_and_insured_like_a_long(insurance):
    result = judge(short_that_went_bankrupt(insurance))
    assert (result.status, [str(mismatch) for mismatch in result.mismatches]) == ("passed", [])


def test_a_subaccount_that_stands_is_not_closed():
    asked = short_that_went_bankrupt(0)
    asked.body.raw["collateral"] = [{"product_id": Decimal(0), "amount": str(10_000 * WAD)}]
    asked.body.raw["action"]["steps"] = ["finalize"]
    with pytest.raises(RefusedError, match="NL"):
        KINDS["bankruptcy_socialisation"](asked)


@pytest.mark.parametrize(
    ("positions", "sentence"),
    [
        ([{"product_id": Decimal(4), "amount": "1", "v_quote": "0"}], "product 4 is not listed"),
        ([{"product_id": Decimal(2), "amount": "1", "v_quote": "0"}] * 2, "product 2 stands twice"),
    ],
)
def test_positions_are_in_listed_products_and_one_in_each(positions, sentence):
    asked = short_that_went_bankrupt(0)
    asked.body.raw["positions"] = positions
    with pytest.raises(InputError, match=sentence):
        read_book(asked.body)
