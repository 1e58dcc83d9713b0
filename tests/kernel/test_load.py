"""A book in atoms goes through a file and comes back the same; what cannot be used is named."""

import duckdb
import numpy as np
import pytest

from kernel.books import BOOKS, book, shaped
from ringfence.clearing.model import QUOTE, Position
from ringfence.errors import InputError
from ringfence.kernel.columns import from_venue, to_subaccount
from ringfence.kernel.load import load
from ringfence.kernel.plan import plan
from ringfence.kernel.screen import assess

HEADER = "subaccount,market,size_b,cost_q,funding_index,asset,amount"


@pytest.fixture(scope="module")
def compiled():
    return plan(shaped("tiered", "free", 1, 0))


def written(tmp_path, *rows, header=HEADER):
    path = tmp_path / "book.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_positions_and_balances(tmp_path, compiled):
    path = written(tmp_path, "ann,M1,-5,-70,3,,", "bob,M0,4,30,,,", "ann,,,,,USDC,-12", "ann,M0,7,90,,,")
    columns = load(path, compiled)
    found = {name: to_subaccount(columns, compiled, number) for name, number in columns.numbers().items()}
    now = compiled.funding_index(int(compiled.table.markets[0]["epoch"]))
    assert found["ann"].positions == {"M0": Position(7, 90, now), "M1": Position(-5, -70, 3)}
    assert found["ann"].balances == {QUOTE: -12}
    assert found["bob"].positions == {"M0": Position(4, 30, now)}
    assert found["bob"].quote_q == 0


def write(path, venue, names):
    """The subaccounts of a venue as the format has them."""
    rows = []
    for name in names:
        subaccount = venue.subaccounts[name]
        for market, held in subaccount.positions.items():
            rows.append((name, market, held.size_b, held.cost_q, held.funding_index, None, None))
        for asset, amount in subaccount.balances.items():
            rows.append((name, None, None, None, None, asset, amount))
    with duckdb.connect() as database:
        types = "subaccount varchar, market varchar, size_b decimal(38, 0), cost_q bigint, "
        types += "funding_index decimal(38, 0), asset varchar, amount decimal(38, 0)"
        database.execute(f"create table book ({types})")
        database.executemany("insert into book values (?, ?, ?, ?, ?, ?, ?)", rows)
        form = "parquet" if path.suffix == ".parquet" else "csv, header"
        database.execute(f"copy book to '{path}' (format {form})")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize(
    "rulebook",
    [each for each in BOOKS if each.name.split()[0] in {"mango-v4", "gmx-v1", "dydx-v4", "synthetix-v3"}],
    ids=lambda each: each.name,
)
def test_what_is_written_is_loaded(tmp_path, rulebook, suffix):
    venue = book(rulebook, 41, 40)
    found = plan(venue)
    columns = from_venue(venue, found)
    path = tmp_path / f"book.{suffix}"
    write(path, venue, columns.numbers())
    again = load(path, found)
    assert again.numbers().keys() == columns.numbers().keys()
    numbers = again.numbers()
    for name, number in columns.numbers().items():
        want, got = to_subaccount(columns, found, number), to_subaccount(again, found, numbers[name])
        assert got.positions == want.positions
        assert {k: v for k, v in got.balances.items() if v} == {k: v for k, v in want.balances.items() if v}
    order = [numbers[columns.name(number)] for number in range(len(columns))]
    assert np.array_equal(assess(found, again).surplus[order], assess(found, columns).surplus)


def test_parquet_of_integers(tmp_path, compiled):
    path = tmp_path / "book.parquet"
    duckdb.sql(
        "select 's' || (range // 4) as subaccount, 'M' || (range % 4) as market, range + 1 as size_b, 5 as cost_q "
        "from range(4000)"
    ).write_parquet(str(path))
    columns = load(path, compiled)
    (block,) = columns.blocks
    assert block.size.shape == (1000, 4)
    assert np.sort(block.size.ravel()).tolist() == [*range(1, 4001)]
    assert (block.market == np.arange(4)).all()


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (",M0,1,1,,,", "row 2 subaccount: expected a name"),
        ("b,,,,,,", "row 2 market: expected a market or an asset, one of them"),
        ("b,M0,1,1,,USDC,5", "row 2 market: expected a market or an asset, one of them"),
        ("b,M9,1,1,,,", "row 2 market: expected a market that the plan decides"),
        ("b,M0,0,1,,,", "row 2 size_b: expected a whole number of base atoms, not 0"),
        ("b,M0,x,1,,,", "row 2 size_b: expected a whole number of base atoms, not 0"),
        ("b,M0,99999999999999999999999999,1,,,", "row 2 size_b: expected a size on the grid"),
        ("b,M0,1,,,,", "row 2 cost_q: expected a whole number of quote atoms"),
        ("b,M0,1,9999999999999999999,,,", "row 2 cost_q: expected a whole number of quote atoms"),
        ("b,M0,1,1,soon,,", "row 2 funding_index: expected a whole number"),
        ("b,,,,,GOLD,5", "row 2 asset: expected an asset that the plan knows"),
        ("b,,,,,USDC,much", "row 2 amount: expected a whole number of atoms"),
        ("a,M0,1,1,,,", "row 2 market: expected each market and each asset once"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path, compiled, row, sentence):
    path = written(tmp_path, "a,M0,1,1,,,", row)
    with pytest.raises(InputError, match=r"book\.csv") as refused:
        load(path, compiled)
    assert sentence in str(refused.value)


def test_a_missing_or_unknown_column_is_named(tmp_path, compiled):
    with pytest.raises(InputError, match="the column cost_q is missing"):
        load(written(tmp_path, "a,M0,1", header="subaccount,market,size_b"), compiled)
    with pytest.raises(InputError, match="the column shoe is unknown"):
        load(written(tmp_path, "a,M0,1,1,,,,9", header=f"{HEADER},shoe"), compiled)


def test_floats_are_refused(tmp_path, compiled):
    path = tmp_path / "book.parquet"
    duckdb.sql("select 'a' as subaccount, 'M0' as market, 1.5::double as size_b, 1 as cost_q").write_parquet(
        str(path)
    )
    with pytest.raises(InputError, match="the column size_b holds floats"):
        load(path, compiled)


def test_a_file_that_is_none(tmp_path, compiled):
    with pytest.raises(InputError, match="there is no such file"):
        load(tmp_path / "none.csv", compiled)
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 nothing")
    with pytest.raises(InputError, match="cannot be read as a table"):
        load(broken, compiled)


def test_a_table_without_rows(tmp_path, compiled):
    with pytest.raises(InputError, match="the table has no rows"):
        load(written(tmp_path), compiled)


def test_too_many_positions(tmp_path):
    venue = shaped("tiered", "free", 1, 0)
    for number in range(70):
        venue.markets[f"N{number}"] = venue.markets["M0"]
    found = plan(venue)
    found.market_numbers |= {f"N{number}": number % 4 for number in range(70)}
    path = written(tmp_path, *(f"a,N{number},1,1,,," for number in range(70)))
    with pytest.raises(InputError, match="row 1 market: expected at most 64 positions"):
        load(path, found)
