"""Files of rows: exact in both formats, whole or not there."""

import csv
from decimal import Decimal

import duckdb
import pytest

from ringfence.errors import InputError
from ringfence.questions.tabular import TABLES, target, write_table, write_text

COLUMNS = {"who": "text", "usd": "amount", "at": "price", "share": "ratio", "bad": "flag", "n": "count"}
ROWS = [
    ('a, "b"\'s', "-0.000001", "79228162514264337593.543950335", "0.123456789012", True, 3),
    ("NULL", None, None, None, False, None),
    ("Ünï", "123456789012345678901234567890", "0.5", "-1", None, 0),
]


def test_csv_holds_the_texts(tmp_path):
    path = tmp_path / "rows.csv"
    write_table(path, COLUMNS, ROWS)
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == list(COLUMNS)
    assert rows[0] == [*ROWS[0][:4], "true", "3"]
    assert rows[1] == ["NULL", "", "", "", "false", ""]


def test_parquet_holds_exact_decimals(tmp_path):
    path = tmp_path / "odd *[name].parquet"
    write_table(path, COLUMNS, ROWS)
    plain = tmp_path / "plain.parquet"
    path.rename(plain)
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT * FROM '{plain}'").fetchall()
        types = [row[1] for row in connection.execute(f"DESCRIBE SELECT * FROM '{plain}'").fetchall()]
    assert types == ["VARCHAR", "DECIMAL(38,6)", "DECIMAL(38,18)", "DECIMAL(38,12)", "BOOLEAN", "BIGINT"]
    first, second, third = found
    assert first == (
        'a, "b"\'s',
        Decimal("-0.000001"),
        Decimal("79228162514264337593.543950335"),
        Decimal("0.123456789012"),
        True,
        3,
    )
    assert second == ("NULL", None, None, None, False, None)
    assert third[1] == Decimal(123456789012345678901234567890)
    assert [each.name for each in tmp_path.iterdir()] == ["plain.parquet"]


@pytest.mark.parametrize(("cell", "kind"), [("0.1234567", "usd"), ("1" * 33, "usd"), ("0." + "1" * 19, "at")])
def test_what_parquet_cannot_hold_is_refused_and_csv_can(tmp_path, cell, kind):
    row = dict.fromkeys(COLUMNS) | {"who": "x", kind: cell}
    with pytest.raises(InputError, match=r"has more digits than Parquet holds; write a \.csv file"):
        write_table(tmp_path / "rows.parquet", COLUMNS, [tuple(row.values())])
    assert list(tmp_path.iterdir()) == []
    write_table(tmp_path / "rows.csv", COLUMNS, [tuple(row.values())])
    assert cell in (tmp_path / "rows.csv").read_text()


def test_an_old_file_stays_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("old")

    def rows():
        yield ROWS[0]
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        write_table(path, COLUMNS, rows())
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["rows.csv"]
    write_text(path, "new\n")
    assert path.read_bytes() == b"new\n"


def test_a_target_is_checked_before_any_work(tmp_path):
    assert target(tmp_path / "new" / "rows.CSV", TABLES) == tmp_path / "new" / "rows.CSV"
    with pytest.raises(
        InputError, match=r"--out .*rows\.txt: expected a name that ends in \.csv, \.parquet, \.pq"
    ):
        target(tmp_path / "rows.txt", TABLES)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match="cannot be written; name a file in a folder that can"):
        target(tmp_path / "folder.csv", TABLES)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="its folder cannot be made"):
        target(tmp_path / "file" / "rows.csv", TABLES)


def test_a_disk_that_is_full_is_one_line(tmp_path, monkeypatch):
    from ringfence.questions import tabular

    def full(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tabular, "_write_csv", full)
    with pytest.raises(InputError, match="cannot be written: No space left on device"):
        write_table(tmp_path / "rows.csv", COLUMNS, ROWS)
