"""What DuckDB hands over is what it was asked for, value by value."""

from decimal import Decimal

import duckdb
import numpy as np
import pytest

from ringfence.books.arrow import NATIVE_DECIMALS, Integers, Texts, batches
from ringfence.books.record import EXACT
from ringfence.database import connect

ROWS = 130_000
"""More than one batch."""


def test_texts_integers_and_decimals_with_their_gaps():
    query = (
        f"SELECT CASE WHEN i % 3 > 0 THEN 'é' || i END, CASE WHEN i % 5 > 0 THEN i - 7 END, "
        f"(i / 4)::DECIMAL(18, 2), ((i - 99) * 1e20)::DECIMAL(38, 3), NULL::VARCHAR, "
        f"CASE WHEN i % 7 > 0 THEN i / 8 END FROM range({ROWS}) AS rows(i)"
    )
    with connect() as connection:
        connection.execute(NATIVE_DECIMALS)
        wanted = connection.execute(query).fetchall()
        found = [row for batch in batches(connection.sql(query)) for row in decoded(batch)]
    assert found == wanted


def decoded(batch):
    """The rows of a batch as Python has them."""
    texts, integers, decimals, wide_ones, nothing, floats = batch.columns
    assert isinstance(texts, Texts)
    assert isinstance(integers, Integers)
    yield from zip(
        texts_of(texts, batch.rows),
        integers_of(integers, batch.rows),
        [Decimal(value).scaleb(-2) for value in integers_of(decimals, batch.rows)],
        [EXACT.scaleb(Decimal(value), -3) for value in integers_of(wide_ones, batch.rows)],
        texts_of(nothing, batch.rows),
        [
            value if known else None
            for value, known in zip(floats.values.tolist(), stated(floats, batch.rows), strict=True)
        ],
        strict=True,
    )


def stated(column, rows):
    bits = np.unpackbits(column.stated, bitorder="little")[:rows]
    return bits.tolist() if len(bits) else [1] * rows


def texts_of(column, rows):
    data, ends = column.data.tobytes(), column.offsets.tolist()
    return [
        data[ends[at] : ends[at + 1]].decode() if known else None
        for at, known in enumerate(stated(column, rows))
    ]


def integers_of(column, rows):
    numbers = [int.from_bytes(words.tobytes(), "little", signed=True) for words in column.values]
    return [value if known else None for value, known in zip(numbers, stated(column, rows), strict=True)]


@pytest.mark.parametrize("value", ["1.5::FLOAT", "1::INTEGER", "[1]", "true"])
def test_other_types_are_refused(value):
    with connect() as connection:
        connection.execute(NATIVE_DECIMALS)
        with pytest.raises(TypeError, match="expected texts, 64-bit numbers or decimals"):
            list(batches(connection.sql(f"SELECT {value}")))


def test_no_rows():
    with connect() as connection:
        assert sum(batch.rows for batch in batches(connection.sql("SELECT 'a' WHERE false"))) == 0


def test_a_query_that_fails_on_the_way():
    with connect() as connection:
        rows = connection.sql(
            f"SELECT CASE WHEN i = {ROWS - 1} THEN error('no such row') ELSE 'a' END FROM range({ROWS}) AS r(i)"
        )
        with pytest.raises(duckdb.Error, match="no such row"):
            list(batches(rows))
