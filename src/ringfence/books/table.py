"""Accounts from CSV and Parquet tables: one row per position, the account's collateral in columns of its own.

| column | |
|---|---|
| `account` | names the account; absent: the whole table is one account |
| `collateral.USDC`, `collateral.ETH`, ... | what the account holds; the same on every row that states it |
| all others | the position fields of our JSON format, under the same names |

A row without a symbol states collateral alone and has no position fields. Rows are counted from 1 below the header.
"""

import csv
import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import duckdb

from ..database import connect
from ..errors import InputError
from . import native
from .account import Account, BookPosition
from .record import Place, Record, name, shown

COLLATERAL = "collateral."
ROWS_MAX = 5_000_000
BATCH_ROWS = 10_000

Cells = Sequence[str | None]
"""A row as texts."""

_PARQUET = "read_parquet(?, hive_partitioning = false)"
_POSITION_COLUMNS = native.POSITION_FIELDS - {"symbol", "timestamp"}
_COLUMNS = native.POSITION_FIELDS | {"account", "venue"}


@dataclass
class _Gathered:
    """What the rows of one account have said so far."""

    place: Place
    venue: str | None = None
    time_ms: int | None = None
    collateral: dict[str, Decimal] = field(default_factory=dict)
    positions: list[BookPosition] = field(default_factory=list)


def read(path: Path, *, parquet: bool, told: Callable[[int], None] = lambda _rows: None) -> list[Account]:
    """Read all accounts of a table, in the order in which they first appear; `told` how many rows now and then."""
    if parquet and any(mark in str(path) for mark in "*?["):
        raise InputError(f"{path}: a Parquet file's path may not contain * ? or [; rename the file")
    cells = _parquet_cells(path) if parquet else _csv_cells(path)
    try:
        columns = [str(column).strip() for column in next(cells, ())]
        return gathered(path, columns, _counted(path, cells, told))
    except (csv.Error, UnicodeDecodeError, duckdb.Error) as error:
        said = str(error).strip().splitlines()[0][:200]
        raise InputError(
            f"{path}: not a readable {'Parquet' if parquet else 'CSV'} table ({said})"
        ) from error


def gathered(
    path: Path, columns: Sequence[str], rows: Iterable[tuple[int, Cells]], *, states_collateral: bool = False
) -> list[Account]:
    """The accounts of some rows of a table, which come with their numbers.

    Where none of these rows states collateral, `states_collateral` tells whether another row of the table does.
    """
    _check_columns(columns, path)
    accounts: dict[str, _Gathered] = {}
    for number, cells in rows:
        row = _record(Place(str(path), f"row {number}", " "), columns, cells)
        owner = row.name("account") if "account" in columns else path.stem
        _gather(row, accounts.setdefault(owner, _Gathered(row.place)))
    if not accounts:
        raise InputError(f"{path}: the table has no rows")
    states_collateral = states_collateral or any(gathered.collateral for gathered in accounts.values())
    return [
        Account(
            name=owner,
            collateral=gathered.collateral if states_collateral else None,
            positions=tuple(gathered.positions),
            venue=gathered.venue,
            time_ms=gathered.time_ms,
            place=gathered.place,
        )
        for owner, gathered in accounts.items()
    ]


def _counted(path: Path, table: Iterable[Cells], told: Callable[[int], None]) -> Iterator[tuple[int, Cells]]:
    """The rows with their numbers."""
    for number, cells in enumerate(table, 1):
        if number % BATCH_ROWS == 1:
            told(number - 1)
        if number > ROWS_MAX:
            raise InputError(f"{path}: the table has more than {ROWS_MAX} rows; split it")
        yield number, cells


def _record(place: Place, columns: Sequence[str], cells: Cells) -> Record:
    """A row as a record of texts; empty cells are left out."""
    if len(cells) != len(columns):
        raise InputError(f"{place}: {len(cells)} cells, expected {len(columns)} as in the header")
    return Record({column: cell.strip() for column, cell in zip(columns, cells, strict=True) if cell}, place)


def _csv_cells(path: Path) -> Iterator[Cells]:
    """The header and the rows of a CSV file; blank lines are left out."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from filter(None, csv.reader(file, strict=True))


def _parquet_cells(path: Path) -> Iterator[Cells]:
    """The header and the rows of a Parquet file, all as text."""
    with connect() as connection:
        found = connection.execute(f"SELECT COLUMNS(*)::VARCHAR FROM {_PARQUET}", [str(path)])  # noqa: S608
        yield [column[0] for column in connection.description or ()]
        while batch := found.fetchmany(BATCH_ROWS):
            yield from batch


def _check_columns(columns: Sequence[str], path: Path) -> None:
    for column in columns:
        if column not in _COLUMNS and not column.startswith(COLLATERAL):
            raise InputError(f"{path}: unknown column {shown(column)}{_hint(column)}")
        if columns.count(column) > 1:
            raise InputError(f"{path}: column {column} stands twice")
    if "symbol" not in columns:
        raise InputError(f"{path}: no column named symbol")


def _hint(column: str) -> str:
    """What was meant by the name of a column, where that can be guessed."""
    if ";" in column or "\t" in column:
        return "; expected commas between the cells"
    known = {each.casefold(): each for each in _COLUMNS}
    near = difflib.get_close_matches(column.casefold(), known, n=1)
    return f"; did you mean {known[near[0]]}?" if near else ""


def _gather(row: Record, account: _Gathered) -> None:
    """Add what a row says to its account."""
    for column in row.values:
        if column.startswith(COLLATERAL):
            asset = name(column.removeprefix(COLLATERAL), row.place.field(column))
            held = native.amount(row, column, asset)
            if account.collateral.setdefault(asset, held) != held:
                raise row.error(
                    column, f"{held} here, {account.collateral[asset]} in an earlier row of this account"
                )
    if "venue" in row:
        venue = row.name("venue")
        if (account.venue or venue) != venue:
            raise row.error("venue", f"{venue!r} here, {account.venue!r} in an earlier row of this account")
        account.venue = venue
    if "timestamp" in row:
        account.time_ms = max(account.time_ms or 0, int(row.positive("timestamp")))
    if "symbol" in row:
        fields = native.POSITION_FIELDS & row.values.keys()
        account.positions.append(
            native.read_position(Record({key: row.values[key] for key in fields}, row.place))
        )
    elif stated := _POSITION_COLUMNS & row.values.keys():
        raise row.error("symbol", f"missing; the row has {', '.join(sorted(stated))}")
