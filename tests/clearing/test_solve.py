"""Inverse questions: the answer is tested by asking the rule at it and one unit beside it."""

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ringfence.clearing import command as do
from ringfence.clearing.model import QUOTE, CollateralPool, Market, Position, Scale, Subaccount, Venue
from ringfence.clearing.policy import OpenInterestScaled, Policy, Rounding, Tier, Tiered
from ringfence.clearing.risk import is_liquidatable, subaccount_risk
from ringfence.clearing.search import frontier
from ringfence.clearing.solve import (
    displayed_price,
    liquidation_price,
    max_trade_b,
    max_withdrawal,
    removable_margin_q,
    uniform_move_ppm,
    what_if,
)
from ringfence.clearing.verdict import Accepted, Rejected
from ringfence.rules.words import PPM
from ringfence.units import format_fraction

USD = 1_000_000
FLAT = Tiered((Tier(0, 100_000, 50_000, 0),), PPM)
TWO = Tiered((Tier(0, 20_000, 10_000, 0), Tier(50_000 * USD, 100_000, 50_000, 50_000 * USD * 40_000)), PPM)
OIMF = OpenInterestScaled(50_000, 600_000, 10**12, 10**13)
SHAPES = st.sampled_from([FLAT, TWO, OIMF])
ROUNDINGS = st.builds(Rounding, *(st.sampled_from([0, 1, 2]) for _ in range(4)))


def venue(
    *shapes: Tiered | OpenInterestScaled, marks: tuple[int, ...] = (10_000, 5_000), **policy: object
) -> Venue:
    """Markets M0, M1, ... in lots of 0.01 and prices in cents: a lot at a cent is 100 quote atoms."""
    found = Venue(Policy(**policy), pools={"main": CollateralPool("main")})
    for number, (shape, mark) in enumerate(zip(shapes, marks, strict=False)):
        name = f"M{number}"
        found.markets[name] = Market(name, Scale(100, 1), shape, "main", mark=mark, index=mark)
    return found


def hold(found: Venue, quote_q: int, *sizes: int) -> Subaccount:
    """A subaccount with these lots and an equity of `quote_q` at the present marks."""
    worth_q = sum(size * found.markets[f"M{n}"].mark * 100 for n, size in enumerate(sizes))
    positions = {f"M{n}": Position(size, 0, 0) for n, size in enumerate(sizes) if size}
    found.subaccounts["a"] = Subaccount("a", "a", balances={QUOTE: quote_q - worth_q}, positions=positions)
    return found.subaccounts["a"]


def test_long_and_short_by_hand() -> None:
    # 100 lots of 0.01 at 100 USD, 20 USD of equity: 20 + 1 (p - 100) < 0.05 p  <=>  p < 80 / 0.95 = 84.2105...
    found = venue(FLAT)
    assert liquidation_price(found, hold(found, 20 * USD, 100), "M0") == 8_421
    # short: 20 - (p - 100) < 0.05 p  <=>  p > 120 / 1.05 = 114.2857...
    assert liquidation_price(found, hold(found, 20 * USD, -100), "M0") == 11_429
    assert liquidation_price(found, hold(found, 100 * USD, 100), "M0") is None, "1x: no price liquidates it"


def test_the_displayed_price_has_no_rounding() -> None:
    found = venue(FLAT)
    long = displayed_price(found, hold(found, 20 * USD, 100), "M0")
    assert abs(long - Fraction(8_000 * 100, 95)) < Fraction(1, 10**20)
    assert format_fraction(long / 100, 12) == "84.210526315789"


def test_other_positions_are_held() -> None:
    # M1: 200 lots at 50 USD need 5 USD maintenance and move nothing: 20 + (p - 100) - 5 < 0.05 p  <=>  p < 85 / 0.95.
    found = venue(FLAT, FLAT)
    assert liquidation_price(found, hold(found, 20 * USD, 100, 200), "M0") == 8_947


def test_one_that_is_liquidatable_now_shows_where_it_became_so() -> None:
    found = venue(FLAT)
    subaccount = hold(found, 2 * USD, 100)
    price = liquidation_price(found, subaccount, "M0")
    assert price > found.markets["M0"].mark
    assert is_liquidatable(found, subaccount, {"M0": price})
    assert not is_liquidatable(found, subaccount, {"M0": price + 1})


@given(
    SHAPES,
    SHAPES,
    ROUNDINGS,
    st.booleans(),
    st.integers(-2_000, 2_000),
    st.integers(-2_000, 2_000),
    st.data(),
)
def test_the_liquidation_price_is_the_trigger(first, second, rounds, at_equality, one, two, data) -> None:
    found = venue(first, second, rounding=rounds, trigger_at_equality=at_equality)
    subaccount = hold(found, data.draw(st.integers(0, 3_000)) * USD // 10, one, two)
    assume(subaccount.positions and not is_liquidatable(found, subaccount))
    for name in subaccount.positions:
        mark, price = found.markets[name].mark, liquidation_price(found, subaccount, name)
        if price is None:
            for elsewhere in (1, mark // 2 or 1, mark, mark * 2, mark * 1_000):
                bad = is_liquidatable(found, subaccount, {name: elsewhere})
                assert not bad or subaccount_risk(found, subaccount, {name: elsewhere}).maintenance_q == 0
            continue
        before = price + (1 if price < mark else -1)
        assert is_liquidatable(found, subaccount, {name: price})
        assert not is_liquidatable(found, subaccount, {name: before})


@given(SHAPES, SHAPES, st.integers(-2_000, 2_000), st.integers(-2_000, 2_000), st.integers(1, 300))
def test_the_uniform_move_is_the_first_that_liquidates(first, second, one, two, equity_usd) -> None:
    found = venue(first, second)
    subaccount = hold(found, equity_usd * USD, one, two)
    assume(subaccount.positions)

    def bad(move_ppm: int) -> bool:
        moved = {name: max(1, m.mark * (PPM + move_ppm) // PPM) for name, m in found.markets.items()}
        return is_liquidatable(found, subaccount, moved)

    move = uniform_move_ppm(found, subaccount)
    if move == 0:
        assert bad(0)
    elif move is not None:
        assert bad(move)
        assert not bad(move + (1 if move < 0 else -1))


def ready(equity_usd: int, *sizes: int) -> Venue:
    found = venue(FLAT, TWO, taker_fee_ppm=500)
    hold(found, equity_usd * USD, *sizes)
    return found


@given(st.integers(1, 2_000), st.integers(-300, 300), st.booleans())
def test_the_largest_trade_is_accepted_and_one_step_more_is_not(equity_usd, held, buy) -> None:
    found = ready(equity_usd, held)
    assume(subaccount_risk(found, found.subaccounts["a"]).free_q >= 0)
    found.subaccounts["maker"] = Subaccount("maker", "maker", system=True)
    lots, sign = max_trade_b(found, "a", "M0", buy=buy), 1 if buy else -1
    trade = [
        what_if(found, "a", [do.Trade("M0", sign * size, 10_000, "a", "maker")]).verdicts
        for size in (lots, lots + 1)
    ]
    assert lots == 0 or isinstance(trade[0][0], Accepted)
    assert isinstance(trade[1][0], Rejected)


@given(st.integers(0, 2_000), st.integers(-300, 300))
def test_the_largest_withdrawal_is_accepted_and_one_atom_more_is_not(equity_usd, held) -> None:
    found = ready(equity_usd, held)
    most = max_withdrawal(found, "a")
    free_q = subaccount_risk(found, found.subaccounts["a"]).free_q
    assert most == max(0, free_q)


def test_removable_margin_is_what_the_child_can_spare() -> None:
    found = ready(100, 50)
    found.subaccounts["a/x"] = Subaccount("a/x", "a", parent="a", balances={QUOTE: 7 * USD})
    assert removable_margin_q(found, "a/x", "a") == 7 * USD
    # 50 lots at 100 USD ask 5 USD of initial margin at 10 %: 95 of 100 may go.
    assert removable_margin_q(found, "a", "a/x") == 95 * USD


def test_what_if_changes_nothing() -> None:
    found = ready(100, 50)
    found.subaccounts["maker"] = Subaccount("maker", "maker", system=True)
    before = subaccount_risk(found, found.subaccounts["a"])
    asked = what_if(found, "a", [do.SetPrices(0, 0, {"M0": 9_000}), do.Trade("M0", -50, 9_000, "a", "maker")])
    assert (asked.before, asked.after.maintenance_q) == (before, 0)
    # 50 lots of 0.01 lose 10 USD each whole unit: 5 USD, and the fee is 0.05 % of 45 USD.
    assert asked.after.equity_q == 95 * USD - 22_500
    assert subaccount_risk(found, found.subaccounts["a"]) == before


@pytest.mark.parametrize(("level", "expected"), [(30, 30), (0, 0), (-1, None)])
def test_frontier_finds_the_first_change(level: int, expected: int | None) -> None:
    assert frontier(lambda price: price - level - 1, 100, [70, 20, 0]) == expected
