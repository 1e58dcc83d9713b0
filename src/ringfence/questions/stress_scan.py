"""A table of positions as arrays: what CSV and Parquet books say, to the last digit and without an object per row.

Only plain books are scanned: an account, a position in a perpetual per row, and collateral in the quote asset. What is
not plain is left to `books.read_accounts`: a file with other columns as a whole, single accounts by name.
"""
# ruff: noqa: S608 - all that is put into a query are names of columns, each of which is known

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import duckdb
import numpy as np
from numpy.typing import NDArray

from ..books import Account, read_accounts
from ..books.files import PARQUET_MAGIC
from ..clearing.model import QUOTE
from ..errors import InputError

PLAIN = frozenset(
    {"account", "symbol", "side", "contracts", "entryPrice", "markPrice", "marginMode", "leverage"}
)
MARGIN, COLLATERAL = "collateral", f"collateral.{QUOTE}"
NUMBERS = ("contracts", "entryPrice", MARGIN, COLLATERAL)
WHOLE_KINDS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"})
DIGITS = 18
"""Digits of a number that is scanned; an account with a number that needs more is left to the reader."""

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Numbers(NamedTuple):
    """Decimal numbers: `atoms / 10**places`; `known` where one is stated."""

    atoms: Ints
    places: int
    known: Flags


class Kind(NamedTuple):
    """What a row's position has in common with others, as texts; empty where nothing is stated."""

    symbol: str
    mode: str
    leverage: str
    mark: str


class Scan(NamedTuple):
    """The rows of a book and its accounts, both in order of appearance.

    `account` and `kind` are places in `names` and `kinds`. `odd` are the accounts that are left to the reader.
    """

    names: list[str]
    kinds: list[Kind]
    account: Ints
    kind: Ints
    is_long: Flags
    contracts: Numbers
    entry: Numbers
    margin: Numbers
    collateral: Numbers
    """By account."""
    odd: Flags
    """By account."""


class Table:
    """A table in a file that can be scanned, and whose odd accounts can be read."""

    def __init__(self, path: Path, source: str, columns: dict[str, str]) -> None:
        self.path, self.source, self.columns = path, source, columns
        self.text = {name: f"trim(nullif(\"{name}\"::VARCHAR, ''))" for name in columns}
        for name in (*PLAIN, *NUMBERS):
            self.text.setdefault(name, "NULL::VARCHAR")

    def scan(self) -> Scan | None:
        """The whole table as arrays; nothing where a row has no account or no row has a position."""
        with _failing(self.path), duckdb.connect() as connection:
            places = {name: self._places(connection, name) for name in NUMBERS}
            connection.execute(f"CREATE TABLE leg AS {self._legs(places)}", [str(self.path)])
            if connection.execute(_UNFIT).fetchone() != (0, True):
                return None
            connection.execute(_TYPES)
            names, kinds = ([name for (name,) in connection.execute(query).fetchall()] for query in _LISTS)
            split = {name: _split(name, at) for name, at in places.items()}
            owners = connection.execute(_OWNERS.format(split.pop(COLLATERAL))).fetchnumpy()
            rows = connection.execute(_ROWS.format(", ".join(split.values()))).fetchnumpy()
        kept = ~_plain(rows["bare"]).astype(np.bool_)
        return Scan(
            names,
            [Kind(*kind.split(_STROKE)) for kind in kinds],
            _plain(rows["account_at"])[kept].astype(np.int64),
            _plain(rows["kind_at"])[kept].astype(np.int64),
            _plain(rows["is_long"])[kept].astype(np.bool_),
            _numbers(rows, "contracts", places["contracts"], kept),
            _numbers(rows, "entryPrice", places["entryPrice"], kept),
            _numbers(rows, MARGIN, places[MARGIN], kept),
            _numbers(owners, COLLATERAL, places[COLLATERAL], slice(None)),
            _plain(owners["odd"]).astype(np.bool_),
        )

    def _places(self, connection: duckdb.DuckDBPyConnection, name: str) -> int:
        """Decimal places that a column of numbers is scanned with."""
        kind, text = self.columns.get(name, ""), self.text[name]
        if kind in WHOLE_KINDS or not kind:
            return 0
        if kind.startswith("DECIMAL"):
            width, scale = _width_and_scale(kind)
            if width <= DIGITS:
                return scale
            text = f"rtrim({text}, '0')"
        before, behind = (f"max(length(split_part({text}, '.', {at})))" for at in (1, 2))
        query = f"SELECT {behind}, {before} FROM {self.source}"
        found = connection.execute(query, [str(self.path)]).fetchone()
        after, before = found or (0, 0)
        return min(after or 0, max(0, DIGITS - (before or 0)))

    def _legs(self, places: dict[str, int]) -> str:
        """Rows with checked numbers; `odd` marks what is for the reader to complain about, or to understand."""
        text, exact = self.text, {name: self._exact(name, places[name]) for name in NUMBERS}
        fits = " AND ".join(f"({text[name]} IS NULL OR {exact[name]} IS NOT NULL)" for name in NUMBERS)
        others = ", ".join(text[name] for name in (*sorted(PLAIN - {"account", "symbol"}), MARGIN))
        mode = f"lower({text['marginMode']})"
        return f"""
            SELECT {text["account"]} AS account, {text["symbol"]} AS symbol,
                concat_ws(chr(31), {text["symbol"]}, coalesce({mode}, ''), coalesce({text["leverage"]}, ''),
                    coalesce({text["markPrice"]}, '')) AS kind,
                lower({text["side"]}) = 'long' AS is_long,
                {", ".join(f'{number} AS "{name}"' for name, number in exact.items())},
                coalesce(NOT (({fits}) AND CASE WHEN {text["symbol"]} IS NULL THEN coalesce({others}) IS NULL
                    ELSE lower({text["side"]}) IN ('long', 'short') AND {exact["contracts"]} > 0
                        AND {exact["entryPrice"]} > 0
                        AND {mode} IN ('cross', 'isolated')
                        AND ({mode} = 'isolated') = ({text[MARGIN]} IS NOT NULL) END), true) AS odd
            FROM {self.source}"""

    def _exact(self, name: str, places: int) -> str:
        """A number as a decimal of 18 digits; NULL where it has more, or is none."""
        kind, decimal = self.columns.get(name, ""), f"DECIMAL({DIGITS}, {places})"
        if kind in WHOLE_KINDS or kind.startswith("DECIMAL"):
            cast = f'TRY_CAST("{name}" AS {decimal})'
            return f'CASE WHEN {cast} = "{name}" THEN {cast} END'
        usual = rf"'^[+-]?(\d{{1,{DIGITS - places}}}(\.\d{{0,{places}}})?|\.\d{{1,{max(1, places)}}})$'"
        text = self.text[name]
        return f"CASE WHEN regexp_full_match({text}, {usual}) THEN TRY_CAST({text} AS {decimal}) END"

    def accounts(self, names: Sequence[str]) -> list[Account]:
        """Some accounts, read one by one."""
        with TemporaryDirectory(prefix="ringfence-") as folder:
            part = Path(folder) / "rows.csv"
            with _failing(self.path), duckdb.connect() as connection:
                connection.execute("CREATE TABLE wanted (account VARCHAR)")
                for start in range(0, len(names), 1000):
                    some = list(names[start : start + 1000])
                    connection.execute("INSERT INTO wanted SELECT unnest(?)", [some])
                cells = ", ".join(f'"{name}"::VARCHAR AS "{name}"' for name in self.columns)
                rows = f"SELECT {cells} FROM {self.source} WHERE account::VARCHAR IN (SELECT account FROM wanted)"
                connection.execute(f"CREATE TABLE part AS {rows}", [str(self.path)])
                connection.execute(f"COPY part TO '{part}' (HEADER)")
            try:
                return read_accounts(part)
            except InputError as error:
                told = str(error).replace(str(part), f"{self.path}, of the accounts that are read one by one")
                raise InputError(told) from None


def plain_table(path: Path) -> Table | None:
    """The table in a file; nothing where it is not a plain one."""
    try:
        with path.open("rb") as file:
            is_parquet = file.read(len(PARQUET_MAGIC)) == PARQUET_MAGIC
    except (OSError, ValueError):
        return None
    if not (is_parquet or path.suffix.lower() == ".csv") or any(mark in str(path) for mark in "*?["):
        return None
    source = "read_parquet(?, hive_partitioning = false)"
    if not is_parquet:
        source = "read_csv(?, all_varchar = true, header = true, delim = ',', quote = '\"', escape = '\"')"
    try:
        with duckdb.connect() as connection:
            found = connection.execute(f"DESCRIBE SELECT * FROM {source}", [str(path)]).fetchall()
    except duckdb.Error:
        return None
    columns = {str(name): str(kind) for name, kind, *_ in found}
    needed = {"account", "symbol", "side", "contracts", "entryPrice", "markPrice", "marginMode", COLLATERAL}
    if not needed <= columns.keys() <= PLAIN | {MARGIN, COLLATERAL}:
        return None
    return Table(path, source, columns)


_STROKE = chr(31)
_NAME = r"'^[!-.0-~]{{1,120}}$'"
"""Names that need no closer look: printable, and without what subaccounts are named with."""

_UNFIT = """
    SELECT count(*) FILTER (WHERE account IS NULL OR contains(account, chr(31)) OR contains(symbol, chr(31))),
        count(symbol) > 0 FROM leg"""

_TYPES = """
    CREATE TYPE owner_name AS ENUM (SELECT account FROM leg GROUP BY account ORDER BY min(rowid));
    CREATE TYPE kind_name AS ENUM (SELECT kind FROM leg WHERE symbol IS NOT NULL GROUP BY kind ORDER BY min(rowid))"""

_LISTS = ("SELECT unnest(enum_range(NULL::owner_name))", "SELECT unnest(enum_range(NULL::kind_name))")


def _width_and_scale(kind: str) -> tuple[int, int]:
    """Digits of a decimal type, and how many of them stand behind the point."""
    width, scale = kind.removeprefix("DECIMAL(").removesuffix(")").split(",")
    return int(width), int(scale)


def _split(name: str, places: int) -> str:
    """A decimal as two whole numbers, before and behind the point: NumPy knows no decimals."""
    behind = f'("{name}" - floor("{name}"))::DECIMAL({DIGITS}, {places}) * {10**places}'
    return f'floor("{name}")::BIGINT AS "{name} whole", ({behind})::BIGINT AS "{name} part"'


_OWNERS = f"""
    SELECT odd, {{0}} FROM (
        SELECT account, min("{COLLATERAL}") AS "{COLLATERAL}", bool_or(odd) OR NOT regexp_full_match(account, {_NAME})
            OR min("{COLLATERAL}") IS DISTINCT FROM max("{COLLATERAL}") AS odd
        FROM leg GROUP BY account)
    ORDER BY enum_code(account::owner_name)"""

_ROWS = """
    SELECT enum_code(account::owner_name) AS account_at, symbol IS NULL AS bare, is_long,
        CASE WHEN symbol IS NULL THEN 0 ELSE enum_code(kind::kind_name) END AS kind_at,
        {0} FROM leg"""


def _plain(column: Any) -> NDArray[Any]:  # noqa: ANN401 - an array, masked or not
    """A column without its mask; what was masked is nothing."""
    found: NDArray[Any] = np.ma.filled(column, 0)
    return found


def _numbers(columns: dict[str, Any], name: str, places: int, kept: "Flags | slice") -> Numbers:
    whole, part = columns[f"{name} whole"], columns[f"{name} part"]
    atoms = _plain(whole).astype(np.int64) * 10**places + _plain(part).astype(np.int64)
    return Numbers(atoms[kept], places, ~np.ma.getmaskarray(whole)[kept])


@contextmanager
def _failing(path: Path) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        said = str(error).strip().splitlines()[0][:200]
        raise InputError(f"{path}: not a readable table ({said})") from error
