"""Files of rows: CSV or Parquet. Numbers are exact: decimal texts in CSV, decimals in Parquet, never floats."""

import csv
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from ..errors import InputError

SCALES = {"amount": 6, "ratio": 12, "price": 18}
"""Decimal places in Parquet of the kinds of number: amounts of quote, ratios and percentages, prices and sizes."""

DIGITS_MAX = 38
"""Most digits of a decimal in Parquet."""

TABLES = (".csv", ".parquet", ".pq")

Cell = str | bool | int | None
Columns = Mapping[str, str]
"""Names of columns and what each holds: `text`, `flag`, `count` or a kind of number."""


def target(path: Path, suffixes: Sequence[str]) -> Path:
    """The path of a file for `--out`; raises `InputError` before any work is done where it could not be written."""
    if path.suffix.lower() not in suffixes:
        raise InputError(f"--out {path}: expected a name that ends in {', '.join(suffixes)}")
    return writable(path, f"--out {path}")


def writable(path: Path, where: str) -> Path:
    """A path whose folder is there and takes a file; raises `InputError` that begins with `where` for any other."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{where}: its folder cannot be made: {error.strerror}") from None
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InputError(f"{where}: cannot be written; name a file in a folder that can")
    return path


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """A path to write to that becomes `path` when all is written; on a failure nothing is left."""
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        part.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with written(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def write_table(path: Path, columns: Columns, rows: Iterable[Sequence[Cell]]) -> None:
    """Write rows under named columns as CSV or, by the path's suffix, as Parquet."""
    with written(path) as part:
        if path.suffix.lower() == ".csv":
            _write_csv(part, columns, rows)
            return
        with TemporaryDirectory(prefix="ringfence-") as folder:
            plain = Path(folder) / "rows.csv"
            _write_csv(plain, columns, (_fitting(path, columns, row) for row in rows))
            _write_parquet(plain, part, columns)


def _write_csv(path: Path, columns: Columns, rows: Iterable[Sequence[Cell]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_text(cell) for cell in row] for row in rows)


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    return str(cell).lower() if isinstance(cell, bool) else str(cell)


def _fitting(path: Path, columns: Columns, row: Sequence[Cell]) -> Sequence[Cell]:
    """The row itself; raises `InputError` where a number has more digits than its column in Parquet."""
    for (name, kind), cell in zip(columns.items(), row, strict=True):
        if kind not in SCALES or cell is None:
            continue
        number = Decimal(str(cell))
        exponent = number.as_tuple().exponent
        assert isinstance(exponent, int)
        if -exponent > SCALES[kind] or number.adjusted() >= DIGITS_MAX - SCALES[kind]:
            raise InputError(
                f"{path}: {name} of {number} has more digits than Parquet holds; write a .csv file"
            )
    return row


def _write_parquet(plain: Path, path: Path, columns: Columns) -> None:
    """Turn a CSV file with these columns into Parquet."""
    import duckdb

    from ..database import connect

    types = {name: _type(kind) for name, kind in columns.items()}
    try:
        with connect() as connection:
            rows = connection.read_csv(
                str(plain),
                header=True,
                columns=types,
                sep=",",
                quotechar='"',
                escapechar='"',
                auto_detect=False,
            )
            rows.write_parquet(str(path))
    except duckdb.Error as error:
        raise OSError(str(error).partition("\n")[0]) from error


def _type(kind: str) -> str:
    if kind in SCALES:
        return f"DECIMAL({DIGITS_MAX}, {SCALES[kind]})"
    return {"flag": "BOOLEAN", "count": "BIGINT"}.get(kind, "VARCHAR")
