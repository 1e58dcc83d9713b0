"""The float readings, leg by leg and by lines, are never further from the exact one than their radius."""

from math import inf

import numpy as np
import pytest

from kernel.books import BOOKS, COSTS, TABLES, book, shaped
from ringfence.clearing.model import CollateralPool, Market, Position, Scale, Subaccount, Venue
from ringfence.clearing.policy import Policy, Tier, Tiered
from ringfence.kernel import legs, legs_f64
from ringfence.kernel.columns import from_venue
from ringfence.kernel.jit import jit
from ringfence.kernel.lots_f64 import NONE, Legs, lines_at, row_by_lines
from ringfence.kernel.plan import plan
from ringfence.kernel.wide import hi64, joined, lo64


@jit
def _read(table, lines, block, row, halves, floats):
    equity, maintenance = legs.row_equity_and_maintenance(table, block, row)
    halves[0], halves[1] = hi64(equity - maintenance), lo64(equity - maintenance)
    floats[0], floats[1] = legs_f64.row_surplus_f64(table, block, row)
    floats[2], floats[3] = row_by_lines(
        lines, Legs(block.market, block.size, block.epoch), block.cash[row], row
    )


def read(venue):
    """Exact surplus of every row, and surplus and radius of each reading that it has."""
    found = plan(venue)
    columns = from_venue(venue, found)
    lines, halves, floats = lines_at(found.table), np.zeros(2, np.int64), np.zeros(4)
    for number in range(len(columns)):
        block, row = columns.place(number)
        _read(found.table, lines, block, row, halves, floats)
        by_legs, by_lines = tuple(floats[:2].tolist()), tuple(floats[2:].tolist())
        has_lines = by_lines[1] != NONE and not block.asset.shape[1] and block.size[row].any()
        yield joined(*halves), by_legs, *([by_lines] if has_lines else [])


@pytest.mark.parametrize("rulebook", BOOKS, ids=lambda rulebook: rulebook.name)
def test_on_every_rulebook(rulebook):
    for seed in (31, 32):
        for exact, *readings in read(book(rulebook, seed, 25)):
            for surplus, radius in readings:
                assert abs(exact - int(surplus)) <= radius + 1 < inf


@pytest.mark.parametrize("costs", COSTS)
@pytest.mark.parametrize("shape", TABLES)
def test_on_every_shape(shape, costs):
    radii = []
    for exact, *readings in read(shaped(shape, costs, 33, 60)):
        for surplus, radius in readings:
            assert abs(exact - int(surplus)) <= radius + 1
            radii.append(radius)
    assert np.median(radii) < 10**6  # under a dollar


def test_no_radius_where_a_step_cannot_be_told():
    venue = shaped("stepped by notional", "free", 34, 1)
    venue.markets["M0"].mark = 10**6
    venue.subaccounts["s0000"].positions = {
        "M0": Position(10**10, 0, 0)
    }  # worth 10^10 atoms, a step of the table
    ((_, (_, radius)),) = read(venue)
    assert radius >= legs_f64.UNSURE


@pytest.mark.parametrize("mark", [60_000_000, 93_457_943])
def test_a_tier_that_begins_within_a_lot(mark):
    """Of 10 to 17 lots, worth 1,000 USD, where the second tier begins."""
    tiers = Tiered((Tier(0, 2, 1, 0), Tier(10**9, 4, 2, 10**9)), 100)
    market = Market("M", Scale(1, 1), tiers, "main", mark=mark, index=mark)
    venue = Venue(Policy(), {"M": market}, pools={"main": CollateralPool("main")})
    for lots in range(1, 30):
        held = Subaccount(f"s{lots:02}", "desk", positions={"M": Position(lots, 0, 0)})
        venue.subaccounts[held.id] = held
    for exact, *readings in read(venue):
        assert len(readings) == 2
        for surplus, radius in readings:
            assert abs(exact - int(surplus)) <= radius + 1


@pytest.mark.parametrize("shape", TABLES)
def test_which_shapes_have_lines(shape):
    lined = any(len(readings) > 1 for _, *readings in read(shaped(shape, "free", 35, 60)))
    assert lined == (shape not in {"skew", "root", "cost"})
