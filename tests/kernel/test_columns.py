"""Columns hold a book exactly, both ways, and what they cannot hold is named."""

import numpy as np
import pytest
from msgspec.structs import replace

from kernel.books import BOOKS, book, shaped
from kernel.netted_books import SCREENED, netted
from population import cross
from ringfence.clearing.model import QUOTE, Leverage, Option, Order, Position, Subaccount, Venue
from ringfence.clearing.policy import Solvency, Tier, Tiered
from ringfence.clearing.risk import subaccount_risk
from ringfence.clearing.set_rules import DebtMargin
from ringfence.errors import InputError
from ringfence.kernel.bands import Bands
from ringfence.kernel.columns import (
    WIDTHS,
    bytes_per_leg,
    bytes_per_subaccount,
    empty,
    from_venue,
    to_subaccount,
    width_of,
)
from ringfence.kernel.limits import SIZE_MAX
from ringfence.kernel.plan import grid, plan
from ringfence.kernel.screen import Screen, assess


def any_book(rulebook, seed, count):
    """A random book; where rows are more than the sum of their legs, one that few are left out of."""
    return (netted if rulebook in SCREENED else book)(rulebook, seed, count)


@pytest.mark.parametrize("rulebook", BOOKS, ids=lambda rulebook: rulebook.name)
def test_what_goes_in_comes_out(rulebook):
    venue = any_book(rulebook, 21, 20)
    found = plan(venue)
    columns = from_venue(venue, found, netted=True)
    assert len(columns) + len(columns.apart) == len(venue.subaccounts)
    for name, number in columns.numbers().items():
        assert to_subaccount(columns, found, number) == venue.subaccounts[name]


@pytest.mark.parametrize("rulebook", BOOKS, ids=lambda rulebook: rulebook.name)
def test_the_kernel_decides_all_but_what_the_plan_says(rulebook):
    venue = any_book(rulebook, 22, 20)
    found = plan(venue)
    columns = from_venue(venue, found, netted=True)
    if not found.outside:
        assert len(columns.apart) <= 4
    for sentence in found.reference:
        assert sentence.startswith(("The reference decides ", "The screen of sets or the reference decides "))
        assert sentence.endswith(".")


def test_a_book_without_templates_is_rebuilt_from_the_columns_alone():
    venue = shaped("tiered", "free", 7, 10)
    found = plan(venue)
    columns = from_venue(venue, found)
    columns.templates = {}
    for name, number in columns.numbers().items():
        got, want = to_subaccount(columns, found, number), venue.subaccounts[name]
        assert got.positions == want.positions
        assert got.balances == want.balances
        held = {market: chosen for market, chosen in want.leverages.items() if chosen.num}
        assert got.leverages == held


@pytest.mark.parametrize(
    ("legs", "width"), [(0, 1), (1, 1), (2, 2), (3, 4), (8, 8), (9, 16), (33, 64), (64, 64)]
)
def test_the_narrowest_class_that_holds_all_legs(legs, width):
    assert width_of(legs) == width


def test_no_class_is_wider_than_the_widest():
    with pytest.raises(ValueError, match="65 positions"):
        width_of(WIDTHS[-1] + 1)


def test_bytes_are_those_of_the_arrays():
    block = empty(1000, 8, 2)
    assert sum(column.nbytes for column in block) == 1000 * bytes_per_subaccount(8, 2)
    assert bytes_per_subaccount(8) == 8 * bytes_per_leg() + 9
    assert 10_000_000 * bytes_per_subaccount(8) < 8 << 30


def test_ten_million_subaccounts_of_eight_legs_fit_in_8_gib_with_screen_and_index():
    found, columns = cross(20_000)
    screen, index = Screen(found, columns), Bands(found, columns)
    arrays = [*(column for lines in screen.lines for column in lines), *screen._found, *screen._kept]
    held = columns.nbytes + index.nbytes + sum(array.nbytes for array in arrays)
    assert columns.nbytes == len(columns) * bytes_per_subaccount(8)
    assert len(columns) * (201 + 72 + 16 + 128) < held
    assert 10_000_000 // len(columns) * held < 8 << 30


def test_resting_orders_and_leverage_raise_initial_margin_as_the_reference_says():
    venue = shaped("tiered", "keeper", 8, 6)
    for number, found in enumerate(venue.subaccounts.values()):
        found.leverages = {"M0": Leverage(3, 2), "M1": Leverage(0, 1)}
        for market in ("M0", "M1"):
            held = found.positions.get(market, Position(5000, 0, 0)).size_b
            found.orders[market] = Order(market, held * (3 if number % 2 else -3))
    compiled = plan(venue)
    columns = from_venue(venue, compiled)
    got = assess(compiled, columns)
    for name, number in columns.numbers().items():
        want = subaccount_risk(venue, venue.subaccounts[name])
        assert (got.initial[number], got.maintenance[number]) == (want.initial_q, want.maintenance_q)
        assert to_subaccount(columns, compiled, number) == venue.subaccounts[name]


def misfit(change, *, expects):
    venue = shaped("tiered", "free", 9, 3)
    change(venue)
    compiled = plan(venue)
    columns = from_venue(venue, compiled)
    assert expects in columns.apart["s0000"]


def test_too_many_markets():
    def many(venue):
        for number in range(70):
            venue.markets[f"N{number}"] = replace(venue.markets["M0"], id=f"N{number}")
            venue.subaccounts["s0000"].positions[f"N{number}"] = Position(1, 1, 0)

    misfit(many, expects="more than the 64 legs")


def test_cash_beyond_64_bits():
    def rich(venue):
        venue.subaccounts["s0000"].balances[QUOTE] = 1 << 63

    misfit(rich, expects="its quote balance of 9223372036854775808 is beyond")


def test_a_size_beyond_the_limit_of_its_market():
    def large(venue):
        venue.subaccounts["s0000"].positions["M0"] = Position((1 << 80) + 1, 0, 0)

    misfit(large, expects="its size in M0 of")


def test_a_market_that_pays_by_what_is_there():
    def capped(venue):
        venue.markets["M0"].solvency = Solvency(1, 1, 1)
        venue.subaccounts["s0000"].positions["M0"] = Position(1, 1, 0)

    misfit(capped, expects="depends on everybody")


def test_an_option():
    def listed(venue):
        venue.markets["M0"].option = Option("M1", 1, call=True, expiry_ms=1)
        venue.subaccounts["s0000"].positions["M0"] = Position(1, 1, 0)

    misfit(listed, expects="it is an option")


def test_a_rule_over_sets():
    def together(venue):
        venue.policy = replace(venue.policy, set_rule=DebtMargin(1, 10))

    misfit(together, expects="looks at positions together (DebtMargin)")


def test_a_price_of_more_digits_than_64_bits():
    def fine(venue):
        venue.markets["M0"].mark = 10**21 + 1
        venue.subaccounts["s0000"].positions["M0"] = Position(1, 1, 0)

    misfit(fine, expects="more digits than 64 bits hold")


def test_a_table_that_does_not_rise():
    def falling(venue):
        venue.markets["M0"].requirement = Tiered((Tier(0, 10, 5, 0), Tier(5, 4, 2, 0)), 100)
        venue.subaccounts["s0000"].positions["M0"] = Position(1, 1, 0)

    misfit(falling, expects="not one that rises")


def test_eighteen_decimals_are_counted_on_a_coarser_grid():
    assert grid({10**18: 3, 25 * 10**17: 1}) == 1
    assert grid({10**24: 3, 25 * 10**23: 1, 7: 1}) == 10**6
    assert grid({}) == 1


def test_prices_off_the_grid_or_beyond_the_limit_are_refused():
    venue = shaped("tiered", "free", 10, 1)
    venue.markets["M0"].mark = venue.markets["M0"].index = 10**21
    found = plan(venue)
    found.set_price("M0", 11 * 10**20)
    with pytest.raises(InputError, match="M0: a price of 1 does not fit: a multiple of 10000 up to"):
        found.set_price("M0", 1)
    with pytest.raises(InputError, match="M1: a price of"):
        found.set_price("M1", SIZE_MAX + 1)


def test_refresh_takes_over_prices_and_funding():
    venue = shaped("open interest", "free", 11, 30)
    found = plan(venue)
    columns = from_venue(venue, found)
    for market in venue.markets.values():
        market.mark = market.index = market.mark * 11 // 10
        market.open_interest_b += 10**11
    venue.markets["M2"].funding_index += 10**12
    found.refresh(venue)
    got = assess(found, columns)
    for name, number in columns.numbers().items():
        want = subaccount_risk(venue, venue.subaccounts[name])
        assert (got.equity[number], got.initial[number]) == (want.equity_q, want.initial_q)


def test_funding_grows_the_table():
    venue = shaped("tiered", "free", 12, 1)
    found = plan(venue)
    places = [found.epoch(index) for index in range(-1500, 1500)]
    assert [found.funding_index(place) for place in places] == [*range(-1500, 1500)]


def test_rows_have_names_and_places():
    venue = shaped("tiered", "free", 13, 12)
    venue.subaccounts["lone"] = Subaccount("lone", "desk", balances={QUOTE: 5})
    columns = from_venue(venue, plan(venue))
    for name, number in columns.numbers().items():
        block, row = columns.place(number)
        assert columns.name(number) == name
        assert np.count_nonzero(block.size[row]) == len(venue.subaccounts[name].positions)
    with pytest.raises(IndexError, match="no row 13 among 13"):
        columns.place(13)


def test_where_no_market_is_compiled_everybody_is_left_to_the_reference():
    """Empty legs name the first market; without one they named what is not there."""
    venue = Venue()
    venue.subaccounts["a"] = Subaccount("a", "a", balances={QUOTE: 10})
    columns = from_venue(venue, plan(venue))
    assert len(columns) == 0
    assert columns.apart == {"a": "none of the venue's markets is compiled"}
