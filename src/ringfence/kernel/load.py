"""A book in atoms, as a venue's own database would give it, from Parquet or CSV straight into columns.

One row per position or per balance, integers only, so that nothing is converted but the names:

| column | |
|---|---|
| `subaccount` | its name |
| `market`, `size_b`, `cost_q` | a position: signed lots in base atoms, signed cost in quote atoms |
| `funding_index` | the index that the position is settled to; the market's present one where it is missing |
| `asset`, `amount` | instead of a position: a balance in atoms, `USDC` for the quote balance |

Quote balances are `cash - side * basis`, as everywhere in the engine. DuckDB reads and sorts. What cannot be used is
refused with the row and the field; so is a column of floats, which may have lost digits before it came here.
"""
# ruff: noqa: S608 - the queries are made of this module's own words and of a quoted path

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from ..clearing.model import QUOTE
from ..errors import InputError
from .columns import AMOUNT_MAX, WIDTHS, Block, Columns, empty
from .plan import Plan

NEEDED = ("subaccount", "market", "size_b", "cost_q")
OPTIONAL = ("funding_index", "asset", "amount")
PARQUET = {".parquet", ".pq"}
Arrays = Mapping[str, NDArray[Any]]


def load(path: Path, plan: Plan) -> Columns:
    """Read a book; funding indices that the plan's table does not have yet are added to it.

    `InputError` names file, row (from 1, below the header) and field of the first thing that cannot be used.
    """
    if plan.whole:
        raise InputError(f"{path}: cannot be put into columns: {plan.whole}")
    with duckdb.connect() as database:
        reader = _Reader(database, path, plan)
        reader.read()
        return reader.columns()


class _Reader:
    """One file on its way through DuckDB."""

    def __init__(self, database: duckdb.DuckDBPyConnection, path: Path, plan: Plan) -> None:
        self.database, self.path, self.plan = database, path, plan

    def read(self) -> None:
        """Fill the tables `legs`, `balances` and `heads`."""
        self._open()
        self._list_names()
        self.database.execute(_RAW)
        self._check_rows()
        self.database.execute(_HEADS)
        self._refuse(f"legs > {WIDTHS[-1]}", "market", f"at most {WIDTHS[-1]} positions", "heads")

    def _open(self) -> None:
        """The file as a view `given` in which every column is there."""
        if not self.path.is_file():
            raise InputError(f"{self.path}: there is no such file")
        name = str(self.path).replace("'", "''")
        is_parquet = self.path.suffix in PARQUET
        source = (
            f"read_parquet('{name}')"
            if is_parquet
            else f"read_csv('{name}', header = true, all_varchar = true)"
        )
        try:
            self.database.execute(f"create view file as from {source}")
        except duckdb.Error as error:
            reason = str(error).partition("\n")[0]
            raise InputError(f"{self.path}: cannot be read as a table: {reason}") from error
        types = {str(name): str(kind) for name, kind, *_ in self.database.execute("describe file").fetchall()}
        names = types.keys()
        for name in NEEDED:
            if name not in names:
                raise InputError(f"{self.path}: the column {name} is missing")
        for name in sorted(names - {*NEEDED, *OPTIONAL}):
            raise InputError(f"{self.path}: the column {name} is unknown")
        for name in (*NEEDED[2:], *OPTIONAL):
            if types.get(name) in {"FLOAT", "DOUBLE"}:
                raise InputError(f"{self.path}: the column {name} holds floats; whole numbers are needed")
        absent = "".join(f", null as {name}" for name in OPTIONAL if name not in names)
        self.database.execute(f"create view given as select *{absent} from file")

    def _list_names(self) -> None:
        """Numbers, grids and limits of the plan's markets and assets."""
        self.database.execute(
            "create table markets (market varchar, number int, unit bigint, most bigint, now hugeint)"
        )
        self.database.execute("create table assets (asset varchar, place int, grid bigint)")
        for name, number in self.plan.market_numbers.items():
            record = self.plan.table.markets[number]
            row = (name, number, int(record["size_unit"]), self.plan.limits[number].size_max)
            index = self.plan.funding_index(int(record["epoch"]))
            self.database.execute("insert into markets values (?, ?, ?, ?, ?)", (*row, index))
        self.database.execute("insert into assets values (?, -1, 1)", (QUOTE,))
        for name, number in self.plan.asset_numbers.items():
            unit = int(self.plan.table.assets[number]["amount_unit"])
            self.database.execute("insert into assets values (?, ?, ?)", (name, number, unit))

    def _refuse(self, condition: str, field: str, expected: str, table: str = "raw") -> None:
        """Raise for the first row of a table that meets a condition."""
        query = f"select line from {table} where {condition} order by line limit 1"
        found = self.database.execute(query).fetchone()
        if found is not None:
            raise InputError(f"{self.path}: row {found[0]} {field}: expected {expected}")

    def _check_rows(self) -> None:
        held, owned = "market is not null", "asset is not null"
        self._refuse("subaccount is null or subaccount = ''", "subaccount", "a name")
        self._refuse(f"({held}) = ({owned})", "market", "a market or an asset, one of them")
        self._refuse(f"{held} and number is null", "market", "a market that the plan decides")
        self._refuse(f"{held} and coalesce(size_b, 0) = 0", "size_b", "a whole number of base atoms, not 0")
        off_grid = f"{held} and (size_b % unit <> 0 or abs(size_b // unit) > most)"
        self._refuse(off_grid, "size_b", "a size on the grid and within the limit of its market")
        whole = "a whole number of quote atoms below 2^62"
        self._refuse(f"{held} and coalesce(abs(cost_q) > {AMOUNT_MAX}, true)", "cost_q", whole)
        self._refuse("index_given is not null and funding_index is null", "funding_index", "a whole number")
        self._refuse(f"{owned} and place is null", "asset", "an asset that the plan knows")
        outside = f"coalesce(amount % grid <> 0 or abs(amount // grid) > {AMOUNT_MAX}, true)"
        self._refuse(
            f"{owned} and {outside}", "amount", "a whole number of atoms below 2^62 on the asset's grid"
        )

    def columns(self) -> Columns:
        """What was read, as columns in order of width and then of name."""
        heads = self._arrays("select subaccount, legs, cash from heads order by head")
        if not len(heads["legs"]):
            raise InputError(f"{self.path}: the table has no rows")
        self._place_epochs()
        legs, pledges = (self._sorted(query) for query in (_LEGS, _PLEDGES))
        owned = pledges["number"] >= 0
        pledges = {name: column[owned] for name, column in pledges.items()}
        widths = np.array(WIDTHS)[np.searchsorted(WIDTHS, heads["legs"])]
        blocks, ids = list[Block](), list[NDArray[np.object_]]()
        for width, begin, end in _runs(widths):
            head = {name: column[begin:end] for name, column in heads.items()}
            blocks.append(_block(width, begin, head, _within(legs, begin, end), _within(pledges, begin, end)))
            ids.append(np.asarray(head["subaccount"], dtype=object))
        return Columns(blocks, ids)

    def _sorted(self, query: str) -> Arrays:
        """Rows in order of head and number, none of them twice."""
        found = self._arrays(query)
        same = (np.diff(found["head"]) == 0) & (np.diff(found["number"]) == 0)
        if same.any():
            at = int(np.argmax(same))
            line = int(max(found["line"][at : at + 2]))
            sentence = "expected each market and each asset once in a subaccount"
            raise InputError(f"{self.path}: row {line} market: {sentence}")
        return found

    def _place_epochs(self) -> None:
        """Places in the plan's table of all funding indices that the file mentions."""
        self.database.execute("create table epochs (number int, funding_index hugeint, epoch int)")
        query = "select distinct number, funding_index from raw where market is not null order by all"
        for number, index in self.database.execute(query).fetchall():
            now = int(self.plan.table.markets[number]["epoch"])
            place = now if self.plan.funding_index(now) == index else self.plan.epoch(index)
            self.database.execute("insert into epochs values (?, ?, ?)", (number, index, place))

    def _arrays(self, query: str) -> Arrays:
        found = self.database.execute(query).fetchnumpy()
        return {name: np.ma.getdata(column) for name, column in found.items()}


def _runs(widths: NDArray[np.int64]) -> Iterator[tuple[int, int, int]]:
    """Width, first row and end of each run of equal widths."""
    begin = 0
    for width, count in zip(*np.unique(widths, return_counts=True), strict=True):
        yield int(width), begin, begin + int(count)
        begin += int(count)


def _within(found: Arrays, begin: int, end: int) -> Arrays:
    """The part of arrays sorted by `head` that belongs to heads from `begin` to `end`."""
    part = slice(*np.searchsorted(found["head"], (begin, end)))
    return {name: column[part] for name, column in found.items()}


def _place(heads: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many rows of the same head stand before each, in a sorted array."""
    return np.arange(len(heads)) - np.searchsorted(heads, heads)


def _block(width: int, begin: int, heads: Arrays, legs: Arrays, pledges: Arrays) -> Block:
    """One width class: what belongs to a subaccount stands side by side in its row."""
    place = _place(pledges["head"])
    block = empty(len(heads["cash"]), width, int(place.max(initial=-1)) + 1)
    block.cash[:] = heads["cash"]
    at = legs["head"] - begin, _place(legs["head"])
    block.market[at], block.size[at], block.cost[at] = legs["number"], legs["size"], legs["cost"]
    block.epoch[at] = legs["epoch"]
    at = pledges["head"] - begin, place
    block.asset[at], block.amount[at] = pledges["number"], pledges["amount"]
    return block


_RAW = """
create table raw as
select line, subaccount, market, number, unit, most, try_cast(size_b as hugeint) as size_b,
       try_cast(cost_q as hugeint) as cost_q, funding_index as index_given,
       case when funding_index is null then now else try_cast(funding_index as hugeint) end as funding_index,
       asset, place, grid, try_cast(amount as hugeint) as amount
from (select row_number() over () as line, * from given)
left join markets using (market) left join assets using (asset);
"""
_HEADS = f"""
create table heads as
select *, row_number() over (order by width, subaccount) - 1 as head
from (select *, case {" ".join(f"when legs <= {width} then {width}" for width in WIDTHS)} end as width
      from (select subaccount, min(line) as line, count(market) as legs,
                   coalesce(sum(amount) filter (place = -1), 0)::bigint as cash
            from raw group by subaccount));
"""
_LEGS = """
select head, number, (size_b // unit)::bigint as size, cost_q::bigint as cost, epoch, raw.line as line
from raw join heads using (subaccount) join epochs using (number, funding_index) order by head, number
"""
_PLEDGES = """
select head, place as number, (amount // grid)::bigint as amount, raw.line as line
from raw join heads using (subaccount) where place is not null order by head, number
"""
