"""A table of positions as arrays: what CSV and Parquet books say, to the last digit and without an object per row.

Only plain books are scanned: an account, a position in a perpetual per row, and collateral in the quote asset. What is
not plain is left to `books`: a file with other columns as a whole, single accounts by the rows that they stand in.
"""
# ruff: noqa: S608 - all that is put into a query are names of columns, each of which is known

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import duckdb
import numpy as np
from numpy.typing import NDArray

from ...books import Account, table
from ...books.account import checked
from ...books.arrow import NATIVE_DECIMALS, Batch, Column, Floats, Integers, Texts, batches
from ...books.files import PARQUET_MAGIC
from ...books.record import EXACT, shown
from ...clearing.model import QUOTE
from ...database import connect
from ...errors import InputError
from . import cells
from .cells import Codes, Ints
from .fill import Flags, Kinds, Legs, Numbers, find_wrong, own_collateral
from .names import Numbering, longer

COMMON = ("symbol", "side", "marginMode", "leverage", "markPrice")
"""What many positions have in common."""

MARGIN, COLLATERAL = "collateral", f"collateral.{QUOTE}"
NUMBERS = ("contracts", "entryPrice", MARGIN, COLLATERAL)
COLUMNS = ("account", *COMMON, *NUMBERS)
NEEDED = frozenset(COLUMNS) - {"leverage", MARGIN}
NUMERIC = frozenset({"leverage", "markPrice", *NUMBERS})
"""What may come as a number; the others are texts whatever type they have."""
WHOLE_KINDS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"})
FLOATS = -1
"""In place of a column's decimal places: it has floats."""

CHUNK = 10_000
ROWS_MAX = np.iinfo(np.int32).max
"""Rows are numbered in 32 bits."""
ROOM = 1 << 16
"""Rows that arrays begin with where nobody says how many there will be."""

NOTHING = np.empty(0, np.uint8)
T = TypeVar("T")


class Kind(NamedTuple):
    """What a row's position has in common with others, as texts; empty where nothing is stated."""

    symbol: str
    side: str
    mode: str
    leverage: str
    mark: str

    @property
    def is_bare(self) -> bool:
        """A row without a position."""
        return not any(self)

    @property
    def is_position(self) -> bool:
        """A row that may be a position."""
        return bool(self.symbol) and self.side in {"long", "short"} and self.mode in {"cross", "isolated"}


class Scan(NamedTuple):
    """The rows of a table, and its accounts in order of appearance.

    `legs.account` and `legs.kind` are places in `names` and `kinds`. `odd` are the accounts that are left to the
    reader.
    """

    names: Sequence[str]
    kinds: list[Kind]
    flags: Kinds
    """What `kinds` are, their markets not known yet."""
    legs: Legs
    collateral: Numbers
    """By account."""
    odd: Flags
    """By account."""

    def rows(self, accounts: Flags) -> Ints:
        """The rows of some accounts, from 0."""
        found: Ints = np.flatnonzero(accounts[self.legs.account])
        return found


class Table:
    """A table in a file that can be scanned, and whose odd accounts can be read."""

    def __init__(self, path: Path, source: str, columns: dict[str, str]) -> None:
        self.path, self.source, self.columns = path, source, columns

    def scan(self, told: Callable[[int], None] = lambda _rows: None) -> Scan | None:
        """The whole table as arrays; nothing where a row has no account or no row has a position."""
        with _failing(self.path), connect() as connection:
            connection.execute(NATIVE_DECIMALS)
            rows = _Rows(self.columns, self._room(connection))
            query = f"SELECT {', '.join(self._cells())} FROM {self.source}"
            for batch in batches(connection.sql(query, params=[str(self.path)])):
                self._must_fit(rows.count + batch.rows)
                rows.add(batch)
                told(rows.count)
        return rows.scan()

    def _must_fit(self, rows: int) -> None:
        """`InputError` where there are more rows than are numbered."""
        if rows > ROWS_MAX:
            raise InputError(f"{self.path}: more than {ROWS_MAX:,} rows; split the book into several files")

    def _room(self, connection: duckdb.DuckDBPyConnection) -> int:
        """How many rows there are, where the file says so in one place."""
        if not self.source.startswith("read_parquet"):
            return ROOM
        (found,) = connection.execute(f"SELECT count(*) FROM {self.source}", [str(self.path)]).fetchall()
        self._must_fit(int(found[0]))
        return int(found[0])

    def _cells(self) -> Iterator[str]:
        """The columns that the table has, in order: numbers as they are where integers hold them, others as texts."""
        for name in COLUMNS:
            kind = self.columns.get(name)
            if kind is not None:
                yield f'"{name}"::{_handed_over(name, kind)}'

    def accounts(self, rows: Ints) -> list[Account]:
        """The accounts that stand in some rows (from 0), read one by one; complaints name the rows of this table."""
        names = list(self.columns)
        texts = ", ".join(f'"{name}"::VARCHAR AS "{name}"' for name in names)
        numbered = f"SELECT row_number() OVER () AS row_number, {texts} FROM {self.source}"
        with _failing(self.path), connect() as connection:
            connection.execute("CREATE TABLE wanted (row_number BIGINT)")
            for start in range(0, len(rows), CHUNK):
                some = (rows[start : start + CHUNK] + 1).tolist()
                connection.execute("INSERT INTO wanted SELECT unnest(?::BIGINT[])", [some])
            query = f"SELECT * FROM ({numbered}) SEMI JOIN wanted USING (row_number) ORDER BY row_number"
            found = connection.execute(query, [str(self.path)])
            return checked(table.gathered(self.path, names, _rows(found), states_collateral=True))


def _rows(found: duckdb.DuckDBPyConnection) -> Iterator[tuple[int, tuple[str | None, ...]]]:
    """The rows of a query, whose first column is their number."""
    while listed := found.fetchmany(CHUNK):
        for number, *texts in listed:
            yield number, tuple(texts)


def plain_table(path: Path) -> Table | str:
    """The table in a file; a sentence that says why it is not a plain one."""
    try:
        with path.open("rb") as file:
            begins = file.read(len(PARQUET_MAGIC))
    except (OSError, ValueError):
        return "it cannot be read"
    is_parquet = begins == PARQUET_MAGIC
    if not (is_parquet or path.suffix.lower() == ".csv") or any(mark in str(path) for mark in "*?["):
        return "it is neither Parquet nor a .csv file"
    if begins[:1] in {b"\r", b"\n"}:
        return "its first line is blank"
    source = "read_parquet(?, hive_partitioning = false)"
    if not is_parquet:
        # All is said, so that nothing is guessed: DuckDB would take "#7,BTC,..." for a comment, and leave that row out.
        dialect = "header = true, delim = ',', quote = '\"', escape = '\"', comment = '', skip = 0"
        source = f"read_csv(?, all_varchar = true, {dialect})"
    try:
        with connect() as connection:
            found = connection.execute(f"DESCRIBE SELECT * FROM {source}", [str(path)]).fetchall()
    except duckdb.Error:
        return "its columns cannot be told"
    columns = {str(name): str(kind) for name, kind, *_ in found}
    if lacking := sorted(NEEDED - columns.keys()):
        return f"a plain table has the column {lacking[0]}"
    if others := sorted(columns.keys() - {*COLUMNS}):
        return f"a plain table has no column {shown(others[0])}"
    return Table(path, source, columns)


def _scale(name: str, kind: str) -> int | None:
    """Decimal places of a column whose numbers integers hold, or `FLOATS`; nothing for what is read as text."""
    if name in NUMERIC and kind in WHOLE_KINDS:
        return 0
    if name in NUMERIC and kind == "DOUBLE":
        return FLOATS
    return _digits(kind)[1] if name in NUMERIC and kind.startswith("DECIMAL") else None


def _digits(kind: str) -> tuple[int, int]:
    """Digits of a type of decimals, and how many of them stand behind the point."""
    width, scale = map(int, kind.removeprefix("DECIMAL(").removesuffix(")").split(","))
    return width, scale


def _handed_over(name: str, kind: str) -> str:
    """The type that a column is asked for in: integers of 64 bits, or of 128 for decimals of more than 18 digits."""
    scale = _scale(name, kind)
    if scale is None or scale == FLOATS:
        return "VARCHAR" if scale is None else kind
    return "BIGINT" if kind in WHOLE_KINDS else f"DECIMAL({max(_digits(kind)[0], cells.DIGITS_MAX)}, {scale})"


class _Rows:
    """Rows on their way into arrays."""

    def __init__(self, columns: Mapping[str, str], room: int) -> None:
        self.scales = {name: _scale(name, columns[name]) for name in COLUMNS if name in columns}
        self.count = 0
        self.names, self.kinds = Numbering(1), Numbering(len(COMMON))
        self.account, self.kind = _Growing(np.int32, room), _Growing(np.int32, room)
        self.numbers = {
            name: (_Growing(np.int64, room), _Growing(np.int8, room)) for name in NUMBERS if name in columns
        }

    def add(self, batch: Batch) -> None:
        """Take over what a batch says."""
        columns = dict(zip(self.scales, batch.columns, strict=True))
        common = [_as_texts(columns.get(name), batch.rows) for name in COMMON]
        self.names.number([_as_texts(columns["account"], batch.rows)], self.account.more(batch.rows))
        self.kinds.number(common, self.kind.more(batch.rows))
        for name, (atoms, places) in self.numbers.items():
            _read(columns[name], self.scales[name], Numbers(atoms.more(batch.rows), places.more(batch.rows)))
        self.count += batch.rows

    def scan(self) -> Scan | None:
        """All rows; nothing where one has no account or none has a position."""
        account, names, odd = self._accounts()
        kind, kinds = _renumbered(self.kind.filled, list(self._kinds()))
        if (odd.any() and "" in names) or not any(each.symbol for each in kinds):
            return None
        contracts, entry, margin, held = map(self._numbers, NUMBERS)
        legs, flags = Legs(account, kind, contracts, entry, margin), _flags(kinds)
        find_wrong(legs, flags, odd)
        owned = Numbers(np.zeros(len(odd), np.int64), np.full(len(odd), cells.UNSTATED, np.int8))
        own_collateral(account, held, owned, odd)
        return Scan(names, kinds, flags, legs, owned, odd)

    def _accounts(self) -> tuple[Codes, Sequence[str], Flags]:
        """The account of each row, their names, and which of them need a closer look."""
        account, texts, plain = self.account.filled, self.names.texts(), self.names.plain()
        if plain.all():
            return account, texts, ~plain
        stripped = [text.strip() for text in texts]
        account, names = _renumbered(account, stripped)
        unplain = {name for name, is_plain in zip(stripped, plain.tolist(), strict=True) if not is_plain}
        return account, names, np.array([name in unplain for name in names], np.bool_)

    def _kinds(self) -> Iterator[Kind]:
        """What the rows of each number have in common."""
        texts, scales = self.kinds.texts(), [self.scales.get(name) for name in COMMON]
        for at in range(0, len(texts), len(COMMON)):
            stated = (_shown(texts.raw(at + place), scale) for place, scale in enumerate(scales))
            symbol, side, mode, leverage, mark = stated
            yield Kind(symbol, side.lower(), mode.lower(), leverage, mark)

    def _numbers(self, name: str) -> Numbers:
        """A column of numbers; nothing stated where the table has none of that name."""
        if name not in self.numbers:
            return Numbers(np.zeros(self.count, np.int64), np.full(self.count, cells.UNSTATED, np.int8))
        atoms, places = self.numbers[name]
        return Numbers(atoms.filled, places.filled)


class _Growing:
    """An array that is filled from its beginning and grows where it is full."""

    def __init__(self, dtype: type, room: int) -> None:
        self.array: NDArray[Any] = np.empty(max(room, 1), dtype)
        self.count = 0

    def more(self, rows: int) -> NDArray[Any]:
        """The next so many places, to be filled in before more are asked for."""
        start, self.count = self.count, self.count + rows
        if self.count > len(self.array):
            self.array = longer(self.array[:start], max(self.count, 2 * start))
        return self.array[start : self.count]

    @property
    def filled(self) -> NDArray[Any]:
        """Everything that was asked for."""
        return self.array[: self.count]


def _renumbered(codes: Codes, what: Sequence[T]) -> tuple[Codes, list[T]]:
    """Codes for what they stand for, of which several may be the same, with one code for each that is different."""
    numbers: dict[T, int] = {}
    places = [numbers.setdefault(each, len(numbers)) for each in what]
    return codes if len(numbers) == len(what) else np.array(places, np.int32)[codes], list(numbers)


def _flags(kinds: Iterable[Kind]) -> Kinds:
    listed = list(kinds)
    return Kinds(
        is_bare=np.array([kind.is_bare for kind in listed], np.bool_),
        is_position=np.array([kind.is_position for kind in listed], np.bool_),
        is_long=np.array([kind.side == "long" for kind in listed], np.bool_),
        is_isolated=np.array([kind.mode == "isolated" for kind in listed], np.bool_),
        market=np.zeros(len(listed), np.int64),
    )


def _read(column: Column, scale: int | None, found: Numbers) -> None:
    """Fill in the numbers of a column; `scale` where it has integers."""
    if isinstance(column, Floats):
        cells.read_floats(column, *found)
    elif isinstance(column, Integers):
        cells.read_integers(column, scale or 0, *found)
    else:
        cells.read_texts(column, *found)


def _as_texts(column: Column | None, rows: int) -> Texts:
    """A column as texts: of numbers, the bytes of each; of none, nothing stated."""
    if isinstance(column, Texts):
        return column
    if column is None:
        return Texts(NOTHING, np.zeros(rows + 1, np.int32), NOTHING)
    stated = np.ones(rows, np.uint8)
    if len(column.stated):
        stated = np.unpackbits(column.stated, bitorder="little")[:rows]
    values = column.values[stated.astype(np.bool_)]
    offsets = np.append(0, np.cumsum(stated, dtype=np.int32)) * column.values[:1].nbytes
    return Texts(column.stated, offsets.astype(np.int32), values.view(np.uint8).ravel())


def _shown(raw: bytes, scale: int | None) -> str:
    """What a row states, without spaces around it; spaces alone are something that is stated."""
    if scale is None:
        text = raw.decode()
        return text.strip() or text
    if scale == FLOATS:
        return repr(struct.unpack("=d", raw)[0]) if raw else ""
    number = Decimal(int.from_bytes(raw, "little", signed=True))
    return format(EXACT.scaleb(number, -scale), "f") if raw else ""


@contextmanager
def _failing(path: Path) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        said = str(error).strip().splitlines()[0][:200]
        raise InputError(f"{path}: not a readable table ({said})") from error
