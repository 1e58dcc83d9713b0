"""A table of positions as arrays: what CSV and Parquet books say, to the last digit and without an object per row.

Only plain books are scanned: an account, a position in a perpetual per row, and collateral in the quote asset. What is
not plain is left to `books`: a file with other columns as a whole, single accounts by the rows that they stand in.
"""
# ruff: noqa: S608 - all that is put into a query are names of columns, each of which is known

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import duckdb
import numpy as np
from numpy.typing import NDArray

from ..books import Account, table
from ..books.account import checked
from ..books.arrow import NATIVE_DECIMALS, Batch, Integers, Texts, batches
from ..books.files import PARQUET_MAGIC
from ..books.record import shown
from ..clearing.model import QUOTE
from ..database import connect
from ..errors import InputError
from . import stress_cells as cells
from .stress_cells import Codes, Ints
from .stress_fill import Flags, Kinds, Legs, Numbers, find_wrong, own_collateral

COMMON = ("symbol", "side", "marginMode", "leverage", "markPrice")
"""What many positions have in common."""

MARGIN, COLLATERAL = "collateral", f"collateral.{QUOTE}"
NUMBERS = ("contracts", "entryPrice", MARGIN, COLLATERAL)
NEEDED = frozenset({"account", *COMMON, *NUMBERS}) - {"leverage", MARGIN}
WHOLE_KINDS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"})
CHUNK = 10_000


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

    names: list[str]
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
        rows = _Rows([_scale(self.columns.get(name)) for name in NUMBERS])
        with _failing(self.path), connect() as connection:
            connection.execute(NATIVE_DECIMALS)
            query = f"SELECT {', '.join(self._cells())} FROM {self.source}"
            for batch in batches(connection.sql(query, params=[str(self.path)])):
                rows.add(batch)
                told(rows.count)
        return rows.scan()

    def _cells(self) -> Iterator[str]:
        """The columns as texts, numbers as they are where 64 bits hold them; NULL where the table has none."""
        for name in ("account", *COMMON, *NUMBERS):
            kind = self.columns.get(name, "")
            scale = _scale(kind) if name in NUMBERS else None
            if not kind:
                yield "NULL::VARCHAR"
            elif scale is None:
                yield f'"{name}"::VARCHAR'
            else:
                yield f'"{name}"::DECIMAL(18, {scale})' if kind.startswith("DECIMAL") else f'"{name}"::BIGINT'

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
    if others := sorted(columns.keys() - {"account", *COMMON, *NUMBERS}):
        return f"a plain table has no column {shown(others[0])}"
    return Table(path, source, columns)


def _scale(kind: str | None) -> int | None:
    """Decimal places of a type whose numbers 64 bits hold; nothing for any other, which is read as text."""
    if kind in WHOLE_KINDS:
        return 0
    if kind is None or not kind.startswith("DECIMAL"):
        return None
    width, scale = map(int, kind.removeprefix("DECIMAL(").removesuffix(")").split(","))
    return scale if width <= cells.PLACES_MAX else None


class _Rows:
    """Rows on their way into arrays."""

    def __init__(self, scales: list[int | None]) -> None:
        self.scales, self.count = scales, 0
        self.names: dict[str, int] = {}
        self.kinds: dict[Kind, int] = {}
        self.unplain: set[int] = set()
        self.parts: list[tuple[NDArray[Any], ...]] = []
        """Accounts, kinds, and atoms and places of each number, batch by batch."""

    def add(self, batch: Batch) -> None:
        """Take over what a batch says."""
        owner, *others = batch.columns
        common = cast("list[Texts]", others[: len(COMMON)])
        read = [_read(*each) for each in zip(others[len(COMMON) :], self.scales, strict=True)]
        account, firsts = _numbered([cast("Texts", owner)], batch.rows)
        kind, samples = _numbered(common, batch.rows)
        owners = np.array(self._owners(cast("Texts", owner), firsts), np.int32)
        kinds = np.array([self._kind(common, row) for row in samples.tolist()], np.int32)
        self.parts.append((owners[account], kinds[kind], *(column for numbers in read for column in numbers)))
        self.count += batch.rows

    def _owners(self, column: Texts, rows: Codes) -> list[int]:
        """Places of the accounts that are named in some rows."""
        begins, ends = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
        plain = np.empty(len(rows), np.bool_)
        cells.find_plain(column, rows, begins, ends, plain)
        letters = column.data.tobytes().decode(
            "latin-1"
        )  # a letter per byte, to be cut faster than bytes are
        texts = [letters[begin:end] for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]
        unplain = np.flatnonzero(~plain).tolist()
        for at in unplain:
            texts[at] = texts[at].encode("latin-1").decode().strip()
        found = [self.names.setdefault(text, len(self.names)) for text in texts]
        self.unplain.update(found[at] for at in unplain)
        return found

    def _kind(self, columns: Iterable[Texts], row: int) -> int:
        """Place of a row's kind."""
        symbol, side, mode, leverage, mark = (_text(column, row) for column in columns)
        return self.kinds.setdefault(
            Kind(symbol, side.lower(), mode.lower(), leverage, mark), len(self.kinds)
        )

    def scan(self) -> Scan | None:
        """All rows; nothing where one has no account or none has a position."""
        if "" in self.names or not any(kind.symbol for kind in self.kinds):
            return None
        account, kind, *columns = self._joined()
        contracts, entry, margin, held = map(Numbers, columns[::2], columns[1::2])
        legs = Legs(account, kind, contracts, entry, margin)
        flags = _flags(self.kinds)
        odd = np.zeros(len(self.names), np.bool_)
        odd[list(self.unplain)] = True
        find_wrong(legs, flags, odd)
        owned = Numbers(np.zeros(len(odd), np.int64), np.full(len(odd), cells.UNSTATED, np.int8))
        own_collateral(account, held, owned, odd)
        return Scan(list(self.names), list(self.kinds), flags, legs, owned, odd)

    def _joined(self) -> list[NDArray[Any]]:
        """The batches as whole columns; what they were is let go column by column."""
        columns = [list(parts) for parts in zip(*self.parts, strict=True)]
        self.parts.clear()
        found = []
        while columns:
            found.append(np.concatenate(columns.pop(0)))
        return found


def _flags(kinds: Iterable[Kind]) -> Kinds:
    listed = list(kinds)
    return Kinds(
        is_bare=np.array([kind.is_bare for kind in listed], np.bool_),
        is_position=np.array([kind.is_position for kind in listed], np.bool_),
        is_long=np.array([kind.side == "long" for kind in listed], np.bool_),
        is_isolated=np.array([kind.mode == "isolated" for kind in listed], np.bool_),
        market=np.zeros(len(listed), np.int64),
    )


def _read(column: Texts | Integers, scale: int | None) -> Numbers:
    """The numbers of a column; `scale` where it has integers."""
    rows = len(column.offsets) - 1 if isinstance(column, Texts) else len(column.values)
    found = Numbers(np.zeros(rows, np.int64), np.full(rows, cells.UNSTATED, np.int8))
    if isinstance(column, Integers):
        cells.read_integers(column, scale or 0, *found)
    elif len(column.data):
        cells.read_texts(column, *found)
    return found


def _numbered(columns: Iterable[Texts], rows: int) -> tuple[Codes, Codes]:
    """Rows numbered by their texts in all columns, and the first row of each number."""
    codes, firsts = np.zeros(rows, np.int32), np.zeros(min(rows, 1), np.int32)
    for column in columns:
        if not len(column.data):  # nowhere stated: it tells no rows apart
            continue
        slots = np.full(1 << (2 * rows).bit_length(), -1, np.int32)
        before, codes, firsts = codes, np.empty(rows, np.int32), np.empty(rows, np.int32)
        firsts = firsts[: cells.number_texts(column, before, slots, codes, firsts)]
    return codes, firsts


def _text(column: Texts, row: int) -> str:
    """What a row states, without spaces around it; spaces alone are something that is stated."""
    begin, end = cells.span(column, row)
    text = column.data[begin:end].tobytes().decode()
    return text.strip() or text


@contextmanager
def _failing(path: Path) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        said = str(error).strip().splitlines()[0][:200]
        raise InputError(f"{path}: not a readable table ({said})") from error
