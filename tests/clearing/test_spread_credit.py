"""Collateral and the perp on it that cancel: what the pair is still asked for, and where it is liquidated."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from clearing.world import ONE, haircut
from ringfence.clearing.decide import valid_policy
from ringfence.clearing.model import QUOTE, Asset, CollateralPool, Market, Order, Position, Subaccount, Venue
from ringfence.clearing.policy import Policy, Rounding, Sided
from ringfence.clearing.risk import is_liquidatable, subaccount_risk
from ringfence.clearing.set_rules import SpreadCredit
from ringfence.clearing.solve import liquidation_price

FIFTH = SpreadCredit(1, 5)
PERP, COIN = Sided(5, 3, 5, 3, 100), Sided(10, 5, 10, 5, 100)
TOWARDS_ZERO = Rounding(2, 2, 2, 2)


def venue(quote, coins, lots, *, price=1_000, rule=FIFTH, asset_decimals=0, orders=()):
    """One subaccount with quote, coins that follow ETH at `price`, and lots of ETH bought at `price`."""
    market = Market("ETH", ONE, PERP, "main", mark=price, index=price)
    unit = 10**asset_decimals
    asset = Asset(
        "WETH", replace(ONE, den=unit), haircut(0), asset_decimals, price=price, weights=COIN, market="ETH"
    )
    subaccount = Subaccount("a", "a", balances={QUOTE: quote - lots * price, "WETH": coins * unit})
    if lots:
        subaccount.positions["ETH"] = Position(lots, lots * price, 0)
    subaccount.orders = {f"order {at}": Order("ETH", size) for at, size in enumerate(orders)}
    policy = Policy(rounding=TOWARDS_ZERO, set_rule=rule)
    return Venue(
        policy, {"ETH": market}, {"WETH": asset}, {"main": CollateralPool("main")}, {"a": subaccount}
    )


def asked(found):
    risk = subaccount_risk(found, found.subaccounts["a"])
    return risk.initial_q, risk.maintenance_q


@pytest.mark.parametrize(
    ("coins", "lots", "initial", "maintenance"),
    [
        (10, 0, 1_000, 500),
        (0, -10, 500, 300),
        (10, 10, 1_500, 800),  # the same side: nothing cancels
        (10, -10, 200, 120),  # 1 % and 0.6 % of both legs, 20,000
        (-10, 10, 400, 200),  # owed and bought back: a fifth of the coin's rates
        (10, -4, 680, 348),  # 4 pairs (80 and 48) and 6 coins (600 and 300)
        (4, -10, 380, 228),  # 4 pairs and 6 lots (300 and 180)
    ],
)
def test_a_pair_is_asked_a_fifth_of_one_leg(coins, lots, initial, maintenance):
    assert asked(venue(0, coins, lots)) == (initial, maintenance)
    assert asked(venue(0, coins, lots, asset_decimals=6)) == (initial, maintenance)


def test_without_the_rule_both_legs_are_asked_in_full():
    assert asked(venue(0, 10, -10, rule=None)) == (1_500, 800)


def test_collateral_that_follows_another_market_cancels_nothing():
    found = venue(0, 10, -10)
    found.assets["WETH"].market = "SOL"
    assert asked(found) == (1_500, 800)


def test_orders_count_at_their_worst_and_may_undo_a_pair():
    assert asked(venue(0, 10, -10, orders=[10]))[0] == 1_000  # bought back: 10 coins alone
    assert asked(venue(0, 10, -10, orders=[-10]))[0] == 700  # 10 pairs and 10 lots more


@given(st.integers(-1_000, 1_000), st.integers(-1_000, 1_000), st.integers(1, 10_000), st.integers(0, 1))
def test_a_credit_never_makes_margin_negative_nor_larger(coins, lots, price, kept):
    rule = SpreadCredit(kept, 5)
    plain, credited = (asked(venue(0, coins, lots, price=price, rule=each)) for each in (None, rule))
    # Whoever holds a position is asked for an atom at least.
    assert all(0 <= less <= max(full, 1) for less, full in zip(credited, plain, strict=True))
    pairs = 0 if coins * lots >= 0 else min(abs(coins), abs(lots))
    rest = asked(
        venue(
            0, coins + (pairs if coins < 0 else -pairs), lots + (pairs if lots < 0 else -pairs), price=price
        )
    )
    hedge = Fraction(5 if coins > 0 else 10, 100)
    exact = 2 * pairs * price * hedge * kept / 5 + rest[0]
    assert abs(credited[0] - exact) <= 6  # one atom for each of the roundings


@given(st.integers(-50_000, 50_000), st.integers(-40, 40), st.integers(-40, 40), st.sampled_from([0, 1, 5]))
def test_the_liquidation_price_is_the_trigger(quote, coins, lots, kept):
    if lots == 0:
        return
    found = venue(quote, coins, lots, rule=SpreadCredit(kept, 5))
    account, mark = found.subaccounts["a"], found.markets["ETH"].mark
    root = liquidation_price(found, account, "ETH")
    if root is None or is_liquidatable(found, account):
        return
    assert is_liquidatable(found, account, {"ETH": root})
    assert not is_liquidatable(found, account, {"ETH": root + (1 if root < mark else -1)})


@pytest.mark.parametrize("rule", [SpreadCredit(6, 5), SpreadCredit(-1, 5), SpreadCredit(0, 0)])
def test_a_credit_is_a_share(rule):
    assert valid_policy(Policy(set_rule=FIFTH))
    assert not valid_policy(Policy(set_rule=rule))
