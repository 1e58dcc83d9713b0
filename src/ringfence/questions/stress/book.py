"""Which way a book is judged: a small one account by account, a large one by columns as far as they hold it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from msgspec import Struct

from ...books.account import Account
from ...books.files import FILE_BYTES_MAX
from ...errors import InputError
from ...progress import Report
from ...venues.overrides import load_spec
from ..arrange import Arrangement
from ..given import BAR_AFTER_S, read_book
from ..margin import DEFAULT_VENUE, check_prices
from .reference import Bench, Reference, foremost
from .shocks import Shock
from .surface import Ladder, Rung, Sums, Surface, Tally, Toll

COLUMNS_FROM = 2000
"""Accounts from which columns are worth loading a compiler for."""

SCANNED_FROM = 1 << 17
"""Bytes of a table from which it is looked at as a whole: fewer do not hold so many accounts."""


class Setting(Struct, frozen=True):
    """How a book is held: the rulebook of all accounts (`None`: each one's own), marks in place of the file's, mode."""

    venue: str | None
    prices: Mapping[str, Decimal]
    wanted: Arrangement | None
    workers: int = 0


def open_book(name: str, collateral: Sequence[str], setting: Setting) -> tuple[Surface, list[str], list[str]]:
    """The surface of a book, warnings of its rulebooks, and notes on where it is from."""
    from ...terminal import progress

    found = _scanned(name, collateral, setting)
    if not isinstance(found, str):
        return found
    _can_be_read_singly(Path(name), found)
    accounts, notes = read_book(name, collateral)
    check_prices(setting.prices, accounts)
    bench = _bench({setting.venue or account.venue or DEFAULT_VENUE for account in accounts}, setting)
    if len(accounts) < COLUMNS_FROM:
        return Reference(accounts, bench, setting.workers), _warnings(bench), notes
    with progress("columns", BAR_AFTER_S) as report:
        return by_columns(bench, accounts, setting.workers, report), _warnings(bench), notes


def _bench(names: Iterable[str], setting: Setting) -> Bench:
    rulebooks = {each: load_spec(each) for each in sorted(names)}
    return Bench(rulebooks, setting.venue, setting.prices, setting.wanted)


def _warnings(bench: Bench) -> list[str]:
    return [warning for rulebook in bench.rulebooks.values() for warning in rulebook.warnings()]


def _scanned(
    name: str, collateral: Sequence[str], setting: Setting
) -> tuple[Surface, list[str], list[str]] | str:
    """A large plain table as columns without an object per account; of any other book, why it is none."""
    path = Path(name)
    if not _is_large(path):
        return "it is small"
    if collateral or setting.wanted is not None:
        return "--collateral and --mode change accounts one by one"
    from ...terminal import progress
    from .columns import Columned
    from .load import load, samples
    from .scan import plain_table

    with progress("scanning", BAR_AFTER_S) as report:
        report(0, None, "scanning the table")
        table = plain_table(path)
        if isinstance(table, str):
            return table
        scan = table.scan(lambda rows: report(rows, None, "reading rows"))
        if scan is None or len(scan.names) < COLUMNS_FROM:
            return f"it has no account in every row, no positions, or fewer than {COLUMNS_FROM} accounts"
        bench = _bench([setting.venue or DEFAULT_VENUE], setting)
        check_prices(setting.prices, samples(scan))
        report(len(scan.names), None, "accounts into columns")
        book, odd = load(bench, scan)
        if book is None:
            return f"columns hold none of its accounts under {next(iter(bench.rulebooks))}"
        surfaces: list[Surface] = [Columned(book, setting.workers)]
        if odd.any():
            report(int(odd.sum()), None, "accounts one by one")
            apart = table.accounts(scan.rows(odd))
            surfaces.append(Reference(apart, bench, setting.workers))
    return _as_one(surfaces), _warnings(bench), []


def _can_be_read_singly(path: Path, why: str) -> None:
    """Refuse a file that is too large for the reader of single accounts, with the reason why it would have to be."""
    if _is_large(path) and (size := path.stat().st_size) > FILE_BYTES_MAX:
        most = f"{size} bytes, expected at most {FILE_BYTES_MAX}"
        raise InputError(f"{path}: {most} for a book whose accounts are read one by one: {why}")


def _is_large(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size >= SCANNED_FROM
    except (OSError, ValueError):
        return False


def _as_one(surfaces: Sequence[Surface]) -> Surface:
    return surfaces[0] if len(surfaces) == 1 else Together(surfaces)


def by_columns(bench: Bench, accounts: Sequence[Account], workers: int, report: Report) -> Surface:
    """Columns of what the kernel decides, and the reference for the others."""
    from .columns import Columned
    from .merge import merge

    told: Callable[[int], None] = lambda done: report(done, len(accounts), "columns")  # noqa: E731
    books, apart = merge(bench, accounts, told)
    surfaces: list[Surface] = [Columned(book, workers) for book in books]
    if apart:
        surfaces.append(Reference(apart, bench, workers))
    return _as_one(surfaces)


class Together:
    """Several surfaces as one."""

    def __init__(self, surfaces: Sequence[Surface]) -> None:
        self.surfaces = surfaces

    @property
    def size(self) -> int:
        """Accounts in the book."""
        return sum(surface.size for surface in self.surfaces)

    @property
    def markets(self) -> list[str]:
        """Markets that the book has positions in, those of the first surface first."""
        return list(dict.fromkeys(name for surface in self.surfaces for name in surface.markets))

    @property
    def assets(self) -> list[str]:
        """Collateral assets other than the quote asset."""
        return list(dict.fromkeys(name for surface in self.surfaces for name in surface.assets))

    def survey(self, shocks: Sequence[Shock], report: Report) -> Sums:
        """Sums over the liquidatable at every shock."""
        found = Sums([Tally() for _ in shocks])
        for surface in self.surfaces:
            found.add(surface.survey(shocks, report))
        return found

    def tolls(self, shock: Shock, most: int | None, report: Report) -> list[Toll]:
        """Accounts with liquidatable subaccounts at a shock, those that matter most first."""
        return foremost((toll for each in self.surfaces for toll in each.tolls(shock, most, report)), most)

    def ladder(
        self, market: str, shocks: Sequence[Shock], moves: Sequence[Fraction], report: Report
    ) -> Ladder:
        """The liquidation map of a market."""
        found = Ladder(market, None, list(moves), [Rung() for _ in moves], Rung())
        for surface in self.surfaces:
            part = surface.ladder(market, shocks, moves, report)
            found.add(part)
        return found
