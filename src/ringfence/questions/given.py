"""What a command line gives: a book (a file, or an address that is read live), prices and collateral."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import cast

from ..books import Account, read_accounts
from ..books.live import endpoint, is_address, read_live
from ..books.record import Place, Record
from ..errors import InputError
from .arrange import Arrangement

BAR_AFTER_S = 2.0
"""Work that takes longer shows how far it is."""

WORKERS_MAX = 64


def read_book(name: str, collateral: Sequence[str] = ()) -> tuple[list[Account], list[str]]:
    """The accounts of a file, or the one of an address, and what a reader should know of where they are from."""
    from ..terminal import progress

    given = amounts(collateral, "--collateral")
    if is_address(name):
        account = read_live(name)
        return backed([account], given), [_live_note(account)]
    with progress("reading", BAR_AFTER_S) as report:
        accounts = read_accounts(name, lambda rows: report(rows, None, "reading rows"))
    return backed(accounts, given), []


def _live_note(account: Account) -> str:
    when = ""
    if account.time_ms is not None:
        try:
            moment = datetime.fromtimestamp(account.time_ms / 1000, tz=UTC)
        except (OverflowError, OSError, ValueError):
            raise InputError(f"{account.name}: time: {account.time_ms} is no time in milliseconds") from None
        when = f", as of {moment:%Y-%m-%d %H:%M:%S} UTC"
    held = f"{len(account.positions)} positions" if len(account.positions) != 1 else "1 position"
    return f"{account.name} read from {endpoint()}{when}: {held}"


def amounts(written: Sequence[str], option: str) -> dict[str, Decimal]:
    """Numbers given as NAME=NUMBER."""
    found: dict[str, Decimal] = {}
    for text in written:
        name, equals, number = text.rpartition("=")
        if not equals or not name:
            raise InputError(f"{option} {text}: expected NAME=NUMBER, such as BTC=61000")
        if name in found:
            raise InputError(f"{option} {name}: given twice")
        found[name] = Record({name: number}, Place("", option, " ")).positive(name)
    return found


def backed(accounts: list[Account], collateral: dict[str, Decimal]) -> list[Account]:
    """Give the collateral of the command line to the account whose file does not say what it holds."""
    if not collateral:
        return accounts
    bare = [account for account in accounts if account.collateral is None]
    if len(bare) != 1:
        raise InputError(
            f"--collateral: expected one account without collateral in the file, found {len(bare)}"
        )
    return [replace(each, collateral=collateral) if each is bare[0] else each for each in accounts]


def arrangement(mode: str | None) -> Arrangement | None:
    """The arrangement that `--mode` names."""
    if mode in (None, "cross", "isolated"):
        return cast("Arrangement | None", mode)
    raise InputError(f"--mode {mode}: expected cross or isolated")


def worker_count(workers: int) -> int:
    """A number of processes, 0 for one per core."""
    if 0 <= workers <= WORKERS_MAX:
        return workers
    raise InputError(f"--workers {workers}: expected a number from 0 to {WORKERS_MAX}")
