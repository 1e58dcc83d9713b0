"""Accounts from CSV and Parquet tables: one row per position, the account's collateral in columns of its own.

| column | |
|---|---|
| `account` | names the account; absent: the whole table is one account |
| `collateral.USDC`, `collateral.ETH`, ... | what the account holds; the same on every row that states it |
| all others | the position fields of our JSON format, under the same names |

A row without a symbol states collateral alone. Rows are counted from 1 below the header.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import duckdb

from ..errors import InputError
from . import native
from .account import Account, BookPosition
from .record import Place, Record, name

COLLATERAL = "collateral."
ROWS_MAX = 5_000_000
BATCH_ROWS = 10_000

_CSV = "read_csv(?, header = true, all_varchar = true, delim = ',', quote = '\"', hive_partitioning = false)"
_PARQUET = "read_parquet(?, hive_partitioning = false)"
_COLUMNS = native.POSITION_FIELDS | {"account", "venue"}


@dataclass
class _Gathered:
    """What the rows of one account have said so far."""

    place: Place
    venue: str | None = None
    collateral: dict[str, Decimal] = field(default_factory=dict)
    positions: list[BookPosition] = field(default_factory=list)


def read(path: Path, *, parquet: bool) -> list[Account]:
    """Read all accounts of a table, in the order in which they first appear."""
    if any(mark in str(path) for mark in "*?["):
        raise InputError(f"{path}: a table's path may not contain * ? or [; rename the file")
    accounts: dict[str, _Gathered] = {}
    for row in _rows(path, parquet=parquet):
        owner = row.name("account") if "account" in row else path.stem
        _gather(row, accounts.setdefault(owner, _Gathered(row.place)))
    if not accounts:
        raise InputError(f"{path}: the table has no rows")
    states_collateral = any(gathered.collateral for gathered in accounts.values())
    return [
        Account(
            name=owner,
            collateral=gathered.collateral if states_collateral else None,
            positions=tuple(gathered.positions),
            venue=gathered.venue,
            place=gathered.place,
        )
        for owner, gathered in accounts.items()
    ]


def _rows(path: Path, *, parquet: bool) -> Iterator[Record]:
    """The rows as records of texts; empty cells are left out."""
    query = f"SELECT COLUMNS(*)::VARCHAR FROM {_PARQUET if parquet else _CSV} LIMIT {ROWS_MAX + 1}"  # noqa: S608
    number = 0
    with duckdb.connect() as connection:
        try:
            found = connection.execute(query, [str(path)])
            columns = [column[0] for column in connection.description or ()]
            _check_columns(columns, path)
            while batch := found.fetchmany(BATCH_ROWS):
                for cells in batch:
                    number += 1
                    filled = {
                        column: cell.strip() for column, cell in zip(columns, cells, strict=True) if cell
                    }
                    yield Record(filled, Place(str(path), f"row {number}", " "))
        except (duckdb.Error, UnicodeDecodeError) as error:
            said = str(error).strip().splitlines()[0][:200]
            raise InputError(
                f"{path}: not a readable {'Parquet' if parquet else 'CSV'} table ({said})"
            ) from error
    if number > ROWS_MAX:
        raise InputError(f"{path}: the table has more than {ROWS_MAX} rows; split it")


def _check_columns(columns: list[str], path: Path) -> None:
    for column in columns:
        if column not in _COLUMNS and not column.startswith(COLLATERAL):
            raise InputError(f"{path}: unknown column {column!r}")
    if "symbol" not in columns:
        raise InputError(f"{path}: no column named symbol")


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
    if "symbol" in row:
        fields = native.POSITION_FIELDS & row.values.keys()
        account.positions.append(
            native.read_position(Record({key: row.values[key] for key in fields}, row.place))
        )
