"""Numbers of many digits, as whoever multiplies floats has them, go into columns and mean what the reader says."""

import math
from decimal import Decimal
from random import Random

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from questions.both_ways import answers, same_answers
from questions.both_ways import scans_all as _scans_all  # noqa: F401 - a fixture
from ringfence.questions.spread import silent
from ringfence.questions.stress.columns import Columned
from ringfence.questions.stress.load import load as into_columns
from ringfence.questions.stress.load import usual_places
from ringfence.questions.stress.reference import Bench
from ringfence.questions.stress.scan import COLLATERAL, plain_table
from ringfence.questions.stress.shocks import map_shocks, shocks, wanted
from ringfence.venues.rulebook import load

NUMBERS = (COLLATERAL, "contracts", "entryPrice", "markPrice", "leverage", "collateral")
TEXTS = ("account", "symbol", "side", "marginMode")
MARKS = {"BTC": 61000.5, "ETH": 2950.1 + 0.2, "SOL": 148.0}
VENUES = ("hyperliquid", "gmx-v1", "perp-v1", "gmx-v2", "perp-v2", "vertex", "aevo", "derive")
"""A venue with atoms of its own, one of 30 and one of 18 decimals; one that caps profits; those that margin positions
together."""

FUNDED = shocks(wanted(["-7.77%"], funding=["0.12345678%"]))
EFFORT = settings.default.max_examples // 100


def write(folder, listed, kind="DOUBLE"):
    """The rows as Parquet, all numbers of one type."""
    path = folder / "book.parquet"
    kinds = {**dict.fromkeys(NUMBERS, kind), **dict.fromkeys(TEXTS, "VARCHAR")}
    columns = ", ".join(f'"{name}" {kind}' for name, kind in kinds.items())
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE book ({columns})")
        marks = ", ".join("?" * len(kinds))
        rows = [[row.get(name) for name in kinds] for row in listed]
        connection.executemany(f"INSERT INTO book VALUES ({marks})", rows)
        connection.execute(f"COPY book TO '{path}' (FORMAT parquet)")
    return path


def leg(account="a", symbol="BTC", contracts=1.0, **more):
    mark = MARKS[symbol]
    row = {"account": account, COLLATERAL: 3000.0, "symbol": symbol, "side": "long", "contracts": contracts}
    return row | {"entryPrice": mark, "markPrice": mark, "marginMode": "cross"} | more


def isolated(*given, **more):
    return leg(*given, marginMode="isolated", collateral=100.1 * 7, **more)


def drawn(seed, accounts, symbols, decades=(-5, 4)):
    """Accounts whose sizes, prices and balances are products of floats, over many orders of magnitude."""
    dice, listed = Random(seed), []
    for owner in range(accounts):
        cash = 10 ** dice.uniform(0, 5)
        for symbol in dice.sample(symbols, dice.randint(1, len(symbols))):
            contracts, side = 10 ** dice.uniform(*decades), dice.choice(("long", "short"))
            make = dice.choice((leg, isolated))
            entry = MARKS[symbol] * dice.uniform(0.9, 1.1)
            held = {"side": side, "entryPrice": entry, COLLATERAL: cash}
            listed.append(make(f"a{owner}", symbol, contracts, **held))
    return listed


def scanned_of(path, venue="hyperliquid"):
    scan = plain_table(path).scan()
    book, odd = into_columns(Bench({venue: load(venue)}, venue), scan)
    return book, [name for name, left in zip(scan.names, odd, strict=True) if left]


@pytest.mark.parametrize("kind", ["DOUBLE", "VARCHAR", "DECIMAL(38, 12)", "FLOAT"])
def test_computed_numbers_go_into_columns(tmp_path, kind):
    path = write(tmp_path, drawn(1, 40, sorted(MARKS), decades=(-4, 1)), kind)
    assert scanned_of(path)[1] == []
    same_answers(*answers(path, "hyperliquid"))


@pytest.mark.parametrize("venue", VENUES)
def test_computed_numbers_are_what_the_reader_says(tmp_path, venue):
    symbols = [name for name in MARKS if name in load(venue).symbols]
    path = write(tmp_path, drawn(venue, 60, symbols))
    reference, scanned = answers(path, venue)
    same_answers(reference, scanned)
    points = [surface.survey([*FUNDED], silent).points for surface in (scanned, reference)]
    assert points[0] == points[1]


def test_a_csv_of_computed_numbers_goes_into_columns(tmp_path):
    listed = drawn(5, 40, sorted(MARKS), decades=(-5, 1))
    parquet, path = write(tmp_path, listed), tmp_path / "book.csv"
    duckdb.sql(f"COPY '{parquet}' TO '{path}' (HEADER)")
    assert "e-05," in path.read_text()
    assert scanned_of(path)[1] == []
    same_answers(*answers(path, "hyperliquid"))


def test_sizes_of_any_magnitude_stand_in_one_account(tmp_path):
    sizes = (0.1 + 0.2, 1 / 3000, 12345.678901234567, 7.0)
    listed = [leg(f"a{at}", "ETH", size) for at, size in enumerate(sizes)]
    listed += [leg(f"a{at}", "SOL", size * math.pi) for at, size in enumerate(sizes)]
    path = write(tmp_path, listed)
    book, left = scanned_of(path)
    assert left == []
    held = {}
    for block in book.columns.blocks:
        for name, units in zip(
            np.array(book.plan.markets)[block.market].ravel(), block.size.ravel(), strict=True
        ):
            unit = int(book.plan.table.markets[book.plan.market_numbers[name]]["size_unit"])
            decimals = book.venue.markets[name].base_decimals
            held.setdefault(book.twins.get(name, name), set()).add(
                Decimal(int(units) * unit).scaleb(-decimals)
            )
    assert held["ETH"] == {Decimal(repr(size)) for size in sizes}
    assert held["SOL"] == {Decimal(repr(size * math.pi)) for size in sizes}


def test_a_market_on_several_grids_is_one_market(tmp_path):
    path = write(tmp_path, drawn(3, 150, ["BTC", "ETH"], decades=(-3, 2)))
    reference, scanned = answers(path, "hyperliquid")
    assert isinstance(scanned, Columned)
    assert len(scanned.book.twins) > 4
    assert scanned.markets == reference.markets
    for name in ("BTC", "ETH"):
        asked = wanted(grid="-40%:40%:10%")
        points = map_shocks(asked, name)
        moves = [shock.factor(name) - 1 for shock in points]
        assert scanned.ladder(name, points, moves, silent) == reference.ladder(name, points, moves, silent)


def test_a_market_held_in_both_modes_is_on_one_grid(tmp_path):
    # `build` has one grid for the two, the finer one; what an index of funding is rounded to depends on it.
    both = [leg("both", "ETH", 0.1 + 0.2), isolated("both", "ETH", 1 / 3)]
    one = [leg("one", "ETH", 1 / 3), isolated("one", "ETH", 2 / 3), isolated("one", "SOL", 0.1 + 0.2)]
    path = write(tmp_path, [*both, *one])
    book, left = scanned_of(path)
    assert (list(book.names), left) == (["one"], ["both"])
    same_answers(*answers(path, "hyperliquid"))


def test_the_usual_grid_is_the_one_for_most():
    market = load("hyperliquid").market("BTC")
    assert usual_places(market, {(2, 3): 5}) == market.base_decimals
    assert usual_places(market, {(2, 3): 5, (8, 9): 1}) == 8
    assert usual_places(market, {(2, 15): 5, (12, 13): 1}) == market.base_decimals
    assert usual_places(market, {(17, 17): 5}) == market.base_decimals  # finer than funding is exact on


@pytest.mark.parametrize("contracts", [2.0**53, 1e300, 5e-324, -0.0, -1.5, math.inf, math.nan, 1e-7 / 3])
def test_floats_that_are_no_sizes_are_refused_as_ever(tmp_path, contracts):
    same_answers(*answers(write(tmp_path, [leg(), leg("b", contracts=contracts)]), "hyperliquid"))


@settings(max_examples=20 * EFFORT, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.fuzz
@given(
    st.lists(
        st.tuples(
            st.integers(0, 4),
            st.sampled_from(sorted(MARKS)),
            st.floats(1e-7, 1e7),
            st.floats(),
            st.booleans(),
        ),
        min_size=1,
        max_size=8,
        unique_by=lambda each: each[:2],
    ),
    st.sampled_from(VENUES),
    st.integers(0, 9),
)
def test_any_floats_mean_what_the_reader_says(tmp_path, held, venue, wild):
    symbols = load(venue).symbols
    listed = [
        (isolated if alone else leg)(f"a{owner}", symbol, any_float if at == wild else contracts)
        for at, (owner, symbol, contracts, any_float, alone) in enumerate(held)
        if symbol in symbols
    ]
    same_answers(*answers(write(tmp_path, listed or [leg()]), venue))
