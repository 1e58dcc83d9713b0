"""What must hold of a stress on every rulebook: it agrees with `margin`, with a book at such marks, with its map."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from questions.holdings import JUDGED, books
from ringfence.clearing.shapes import Tiered
from ringfence.questions.build import build
from ringfence.questions.listings import listings
from ringfence.questions.margin import margin
from ringfence.questions.spread import silent
from ringfence.questions.stress.reference import Bench, Reference, contracts_of, market_of
from ringfence.questions.stress.shocks import NOW, Shock, folded, map_shocks, shocks, shown, wanted
from ringfence.questions.stress.surface import outward, stress

EFFORT = settings.default.max_examples // 100
"""How many times the usual examples the profile asks for."""

PLAIN = [
    rulebook
    for rulebook in JUDGED
    if listings(rulebook).policy.set_rule is None
    and all(isinstance(listings(rulebook).market(symbol).requirement, Tiered) for symbol in rulebook.symbols)
    and not rulebook.assets()
]
"""Rulebooks whose surplus is concave in prices, so that nobody who is liquidatable becomes safe further out."""


def surface(rulebook, *accounts):
    return Reference(accounts, Bench({"its own": rulebook}, "its own"))


def verdicts(rulebook, account, prices=None):
    (result,) = margin([account], rulebook, prices)
    return {part.subaccount for part in result.subaccounts if part["liquidatable"].value is True}


def fallen(rulebook, account, shock):
    tolls = surface(rulebook, account).tolls(shock, None, silent)
    return {each.subaccount for toll in tolls for each in toll.fallen}


def all_moved(move):
    (shock,) = shocks(wanted([shown(move)]))
    return shock


@pytest.mark.fuzz
@given(books())
def test_without_a_move_it_is_what_margin_says(book):
    rulebook, account = book
    assert fallen(rulebook, account, NOW) == fallen(rulebook, account, all_moved(Fraction(0)))
    assert fallen(rulebook, account, NOW) == verdicts(rulebook, account)
    tally = surface(rulebook, account).survey([NOW], silent).points[0]
    (result,) = margin([account], rulebook)
    bad = [part for part in result.subaccounts if part["liquidatable"].value is True]
    deficit = sum(Decimal(part["maintenanceMargin"].value) - Decimal(part["equity"].value) for part in bad)
    assert Decimal(tally.deficit_q).scaleb(-6) == deficit
    assert Decimal(tally.notional_q).scaleb(-6) == sum(Decimal(part["notional"].value) for part in bad)


@pytest.mark.fuzz
@given(books(), st.integers(-90, 200))
def test_moved_marks_judge_like_the_book_put_again_at_those_marks(book, percent):
    """Collateral stays: it is all quote here; marks whose move is no whole quantum are left out."""
    rulebook, account = book
    assume(set(account.collateral) == {"USDC"} and not any(each.option for each in account.positions))
    move = Fraction(percent, 100)
    prices = {}
    for position in account.positions:
        digits = max(
            -position.mark_price.as_tuple().exponent,
            listings(rulebook).market(listings(rulebook).symbol(position.symbol)).price_decimals,
        )
        quanta = Fraction(position.mark_price) * (1 + move) * 10**digits
        assume(quanta.denominator == 1 and quanta >= 1)
        prices[position.symbol] = Decimal(int(quanta)).scaleb(-digits)
    # A mark given anew has no more decimals than it needs, so the old grid may be finer; that changes no amount.
    assert fallen(rulebook, account, all_moved(move)) == verdicts(rulebook, account, prices)


@pytest.mark.fuzz
@given(books(PLAIN), st.integers(2, 20))
def test_a_map_says_what_a_stress_says_at_each_of_its_prices(book, step):
    """Where surplus is concave the sum from the mark to a price is what is liquidatable there and not at the mark."""
    rulebook, account = book
    name = account.positions[0].symbol
    points = map_shocks(wanted(grid=f"-40%:40%:{step}%"), name)
    moves = [shock.factor(name) - 1 for shock in points]
    ladder = surface(rulebook, account).ladder(name, points, moves, silent)
    now = holders(rulebook, account, name) & fallen(rulebook, account, NOW)
    assert ladder.now.subaccounts == len(now)
    for total, point in zip(ladder.cumulative(), points, strict=True):
        there = holders(rulebook, account, name) & fallen(rulebook, account, point)
        assert total.subaccounts == len(there - now)
        assert total.contracts == sum(
            (lots(rulebook, account, name)[each] for each in there - now), Decimal(0)
        )


def lots(rulebook, account, name):
    """What every subaccount holds of a market, without sign."""
    built = build(account, rulebook, {})
    market = built.venue.markets[market_of(built.venue, name)]
    held = {part.subaccount: built.venue.subaccounts[part.subaccount].positions for part in built.parts}
    return {
        each: contracts_of(market, positions[market.id].size_b)
        for each, positions in held.items()
        if market.id in positions
    }


def holders(rulebook, account, name):
    return set(lots(rulebook, account, name))


@pytest.mark.fuzz
@given(books(), st.lists(st.integers(-60, 60), min_size=1, max_size=8, unique=True))
def test_a_map_never_falls_on_the_way_from_the_mark(book, percents):
    rulebook, account = book
    name = account.positions[0].symbol
    assume(account.positions[0].option is None)
    moves = [Fraction(percent, 100) for percent in percents if percent]
    points = [Shock(shown(move), dict.fromkeys(folded(name), 1 + move)) for move in moves]
    ladder = surface(rulebook, account).ladder(name, points, moves, silent)
    totals = ladder.cumulative()
    for side in outward(moves):
        ordered = [totals[at] for at in side]
        assert ordered == sorted(
            ordered, key=lambda total: (total.subaccounts, total.contracts, total.notional_q)
        )


@settings(max_examples=50 * EFFORT)
@pytest.mark.fuzz
@given(books(), st.integers(0, 50))
def test_less_collateral_never_helps(book, percent):
    """With less behind them no fewer subaccounts are liquidatable, and what is lacking does not shrink."""
    rulebook, account = book
    poorer = replace(account, collateral={**account.collateral, "USDC": account.collateral["USDC"] - 1000})
    shock = all_moved(Fraction(-percent, 100))
    rich, poor = (surface(rulebook, each).survey([shock], silent).points[0] for each in (account, poorer))
    assert poor.subaccounts >= rich.subaccounts
    assert (poor.deficit_q, poor.debt_q) >= (rich.deficit_q, 0)
    assert poor.debt_q >= rich.debt_q


@settings(max_examples=50 * EFFORT)
@pytest.mark.fuzz
@given(books())
def test_the_answer_is_whole(book):
    """Sums of the listed accounts are the sums of the point; every pool's share is positive."""
    rulebook, account = book
    found = stress(surface(rulebook, account), shocks(wanted()), most=None)
    tally = found.worst_tally
    assert sum(toll.deficit_q for toll in found.tolls) == tally.deficit_q
    assert sum(toll.notional_q for toll in found.tolls) == tally.notional_q
    assert sum(len(toll.fallen) for toll in found.tolls) == tally.subaccounts
    assert all(debt_q > 0 for debt_q in tally.bad_debt_q.values())
    assert found.book.anywhere == any(each.accounts for each in found.tallies)
