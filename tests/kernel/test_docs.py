"""What docs/reference/columns.md says of the columns is what they are."""

import re
from pathlib import Path

import numpy as np
import pytest

from ringfence.kernel import sets_table, table
from ringfence.kernel.columns import Block, bytes_per_leg, bytes_per_subaccount, empty
from ringfence.kernel.legs_f64 import share_of

PAGE = (Path(__file__).resolve().parents[2] / "docs/reference/columns.md").read_text()
EXACTNESS = (Path(__file__).resolve().parents[2] / "docs/explain/exactness.md").read_text()
U = 2.0**-53


def section(title):
    return PAGE.split(f"{title}\n", 1)[1].split("\n#", 1)[0]


def named(text):
    cells = re.findall(r"^\| (`[^|]*)\|", text, re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]


def test_every_column_with_its_type_and_shape():
    block = empty(3, 2, 1, orders=True)
    rows = re.findall(
        r"^\| `(\w+)` \| (\w+) \| \(n, w\)|^\| `(\w+)` \| (\w+) \| \((n,|n, k)\)",
        section("## Block"),
        re.MULTILINE,
    )
    documented = {first or second: dtype or other for first, dtype, second, other, _ in rows}
    assert list(documented) == list(Block._fields)
    for name, column in zip(Block._fields, block, strict=True):
        assert np.dtype(documented[name]) == column.dtype


@pytest.mark.parametrize(
    ("title", "dtypes"),
    [
        ("### MARKET", [table.MARKET]),
        ("### ROW", [table.ROW]),
        ("### ASSET", [table.ASSET]),
        ("### TERMS, PAIR, FRACTION", [table.TERMS, table.PAIR, table.FRACTION]),
        ("### SPREAD_RULE, DEBT_RULE", [sets_table.SPREAD_RULE, sets_table.DEBT_RULE]),
        ("### SCENARIO_RULE", [sets_table.SCENARIO_RULE]),
        ("### STANDARD_RULE", [sets_table.STANDARD_RULE]),
        ("### SET_MARKET, SET_ASSET", [sets_table.SET_MARKET, sets_table.SET_ASSET]),
        ("### EXPIRY, SCENARIO", [sets_table.EXPIRY, sets_table.SCENARIO]),
        ("### CAP", [sets_table.CAP]),
    ],
)
def test_every_field(title, dtypes):
    fields = {name for dtype in dtypes for name in dtype.names}
    assert sorted(named(section(title))) == sorted(fields)


def test_every_array_of_the_table():
    assert named(section("## Table")) == list(table.Table._fields)


def test_bytes():
    assert f"A leg takes {bytes_per_leg()} bytes" in PAGE
    assert bytes_per_subaccount(0) == 9
    assert f"{bytes_per_subaccount(8)} bytes" in PAGE


def test_floats_are_three():
    floats = {
        name for dtype in (table.MARKET, table.ASSET) for name in dtype.names if dtype[name] == np.float64
    }
    assert floats == {"worth", "rate_most", "close_rate"}


@pytest.mark.parametrize("legs", [1, 8, 64])
@pytest.mark.parametrize("assets", [0, 8, 64])
def test_the_share_is_more_than_the_proof_needs(legs, assets):
    assert "g(2w + k + 22)" in EXACTNESS
    assert "g(4w + 2k + 40)" in EXACTNESS
    for operations, share in (
        (2 * legs + assets + 22, share_of(legs + assets)),
        (4 * legs + 2 * assets + 40, share_of(4 * legs + 2 * assets)),
    ):
        least = operations * U / (1 - operations * U)
        assert share > least * (1 + least)
