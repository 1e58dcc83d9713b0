"""The screen says what brute force says, and brute force what the reference says, wherever the boundary lies."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.books import BOOKS, COSTS, TABLES, book, shaped
from ringfence.clearing.risk import is_liquidatable, subaccount_risk
from ringfence.kernel.columns import from_venue
from ringfence.kernel.plan import plan
from ringfence.kernel.screen import Screen, assess, brute
from venues.states import at_price


def reference(venue, columns):
    numbers = columns.numbers()
    return sorted(
        number for name, number in numbers.items() if is_liquidatable(venue, venue.subaccounts[name])
    )


def compiled(venue):
    found = plan(venue)
    return found, from_venue(venue, found)


@pytest.mark.parametrize("costs", COSTS)
@pytest.mark.parametrize("shape", TABLES)
def test_every_shape_at_the_boundary(shape, costs):
    venue = shaped(shape, costs, 1, 150, equality=costs == "keeper")
    found, columns = compiled(venue)
    assert not columns.apart
    screen, want = Screen(found, columns), reference(venue, columns)
    assert want
    assert len(want) < 150
    assert brute(found, columns).tolist() == want
    assert screen.liquidatable().tolist() == want


@pytest.mark.parametrize("shape", TABLES)
def test_prices_that_move_within_and_out_of_the_window(shape):
    venue, random = shaped(shape, "keeper", 2, 60, off=10**9), Random(2)
    found, columns = compiled(venue)
    screen = Screen(found, columns)
    for _ in range(12):
        name = random.choice(list(venue.markets))
        price = max(1, venue.markets[name].mark * random.randint(940, 1055) // 1000)
        venue = at_price(venue, name, price)
        found.set_price(name, price)
        want = reference(venue, columns)
        assert screen.liquidatable().tolist() == want
        assert brute(found, columns).tolist() == want


@pytest.mark.parametrize("costs", COSTS)
@pytest.mark.parametrize("shape", TABLES)
def test_the_surplus_lies_between_the_bound_and_its_slack_in_all_of_the_window(shape, costs):
    venue = shaped(shape, costs, 7, 60)
    found, columns = compiled(venue)
    screen, random = Screen(found, columns), np.random.default_rng(7)
    start, spread = found.table.markets["price"].copy(), []
    ways = [np.full(len(start), way) for way in (0.9, 1.0, 1.1)]
    for way in ways + [random.uniform(0.9, 1.1, len(start)) for _ in range(20)]:
        prices = np.clip((start * way).astype(np.int64), screen._low, screen._high)
        found.table.markets["price"] = prices
        surplus = assess(found, columns).surplus
        for at, (begin, block) in enumerate(zip(columns.starts, columns.blocks, strict=False)):
            lines = screen.lines[at]
            bound = lines.base + (lines.slope * prices[block.market]).sum(1)
            due = surplus[begin : begin + len(bound)]
            assert np.all(bound <= due)
            assert np.all(due <= bound + lines.slack)
            spread.extend(lines.slack / (abs(block.size) * prices[block.market] / 10**6).sum(1))
    # In a window of a fifth of the price, what is asked changes by no more than the rates and what closing costs.
    assert np.median(spread) < 0.1


def test_who_is_asked_for_nothing_is_not_short():
    """A debt of quote alone is not liquidatable: the policy asks that a position be margined."""
    venue = shaped("tiered", "free", 8, 4)
    for subaccount in venue.subaccounts.values():
        subaccount.positions, subaccount.balances["USDC"] = {}, -(10**12)
    found, columns = compiled(venue)
    assert reference(venue, columns) == Screen(found, columns).liquidatable().tolist() == []


@pytest.mark.parametrize("shape", TABLES)
def test_of_a_fallen_book_few_are_left_to_128_bits(shape):
    venue = shaped(shape, "keeper", 9, 200, off=10**12)
    found, columns = compiled(venue)
    screen = Screen(found, columns)
    assert screen.liquidatable().tolist() == reference(venue, columns)
    assert 50 < screen.unclear < 150
    assert screen.exact < 20


@pytest.mark.parametrize("rulebook", BOOKS, ids=lambda rulebook: rulebook.name)
def test_every_rulebook(rulebook):
    for seed in range(3):
        venue = book(rulebook, seed, 25)
        found, columns = compiled(venue)
        want = reference(venue, columns)
        assert brute(found, columns).tolist() == want
        assert Screen(found, columns).liquidatable().tolist() == want


@pytest.mark.parametrize("rulebook", BOOKS, ids=lambda rulebook: rulebook.name)
def test_the_risk_of_everybody_is_the_references(rulebook):
    venue = book(rulebook, 11, 25)
    found, columns = compiled(venue)
    got = assess(found, columns)
    for name, number in columns.numbers().items():
        risk = subaccount_risk(venue, venue.subaccounts[name])
        want = (risk.equity_q, risk.initial_q, risk.maintenance_q, risk.notional_q)
        assert tuple(int(column[number]) for column in got) == want
        assert got.surplus[number] == risk.surplus_q


def test_funding_makes_the_lines_stale():
    venue = shaped("tiered", "free", 3, 80)
    found, columns = compiled(venue)
    screen = Screen(found, columns)
    screen.liquidatable()
    venue.markets["M0"].funding_index += 10**13
    found.set_funding("M0", venue.markets["M0"].funding_index)
    assert screen.liquidatable().tolist() == reference(venue, columns)
    assert screen.builds == 2


def test_most_of_a_calm_book_is_cleared_by_the_filter():
    venue = shaped("tiered", "free", 4, 100)
    found, columns = compiled(venue)
    for block in columns.blocks:
        np.add(block.cash, 10**13, out=block.cash)
    screen = Screen(found, columns)
    assert len(screen.liquidatable()) == 0
    assert screen.unclear == 0


def test_who_is_flagged_is_due_and_who_belongs_to_the_system_never():
    venue = shaped("tiered", "free", 5, 20)
    for number, subaccount in enumerate(venue.subaccounts.values()):
        subaccount.flagged, subaccount.system = number % 3 == 0, number % 4 == 0
        subaccount.balances["USDC"] += (-1) ** number * 10**12
    found, columns = compiled(venue)
    want = reference(venue, columns)
    assert brute(found, columns).tolist() == want
    assert Screen(found, columns).liquidatable().tolist() == want


def test_an_empty_book():
    venue = shaped("tiered", "free", 6, 0)
    found, columns = compiled(venue)
    assert len(Screen(found, columns).liquidatable()) == len(brute(found, columns)) == 0
    assert assess(found, columns).surplus.dtype == np.int64


@pytest.mark.fuzz
@given(st.sampled_from(sorted(TABLES)), st.sampled_from(sorted(COSTS)), st.integers(0, 2**32), st.booleans())
def test_any_book_at_the_boundary(shape, costs, seed, equality):
    venue = shaped(shape, costs, seed, 20, equality=equality)
    found, columns = compiled(venue)
    want = reference(venue, columns)
    assert brute(found, columns).tolist() == want
    assert Screen(found, columns).liquidatable().tolist() == want
