"""Within the limits of a plan nothing leaves 128 bits, and what is found there is still the reference's answer."""

import numpy as np
import pytest
from msgspec.structs import replace

from kernel.books import BOOKS, COSTS, TABLES, Book, shaped
from ringfence.clearing.model import Position, Subaccount
from ringfence.clearing.risk import subaccount_risk
from ringfence.kernel import legs
from ringfence.kernel.columns import AMOUNT_MAX, from_venue
from ringfence.kernel.jit import jit
from ringfence.kernel.plan import plan
from ringfence.kernel.wide import hi64, joined, lo64


@jit
def _read(table, block, row, out):
    found = legs.row_equity_and_maintenance(table, block, row)
    out[0], out[1], out[2], out[3] = hi64(found[0]), lo64(found[0]), hi64(found[1]), lo64(found[1])


def at_the_limits(venue, side):
    """One subaccount with the largest position in every market, at sixteen times today's price."""
    found = plan(venue)
    held = Subaccount("largest", "desk")
    for name, number in found.market_numbers.items():
        limit, record = found.limits[number], found.table.markets[number]
        price = limit.price_max * int(record["price_unit"])
        market = replace(venue.markets[name], mark=price, index=price)
        venue.markets[name] = market
        found.set_price(name, price)
        size_b = side * limit.size_max * int(record["size_unit"])
        held.positions[name] = Position(size_b, side * AMOUNT_MAX, market.funding_index)
    venue.subaccounts = {held.id: held}
    return found, held


def check(venue, side):
    found, held = at_the_limits(venue, side)
    columns = from_venue(venue, found)
    if not len(columns):
        assert found.reference
        return
    block, row = columns.place(0)
    out = np.zeros(4, np.int64)
    _read(found.table, block, row, out)
    risk = subaccount_risk(venue, held)
    assert (joined(*out[:2]), joined(*out[2:])) == (risk.equity_q, risk.maintenance_q)


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("costs", COSTS)
@pytest.mark.parametrize("shape", TABLES)
def test_every_shape(shape, costs, side):
    check(shaped(shape, costs, 51, 0), side)


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("rulebook", BOOKS, ids=lambda rulebook: rulebook.name)
def test_every_rulebook(rulebook, side):
    check(Book(rulebook, 52).holders(0), side)
