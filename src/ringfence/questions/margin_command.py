"""`ringfence margin`: what every account is asked for, here or at every venue."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ringfence import __version__
from ringfence.errors import InputError

if TYPE_CHECKING:
    from decimal import Decimal

    from ringfence.books import Account
    from ringfence.questions.arrange import Arrangement
    from ringfence.questions.everywhere import VenueAnswer
    from ringfence.questions.margin import Answer

ALL = "all"
"""Stands for the newest rulebook of every venue."""

SEARCHED_MAX = 150
"""Accounts in a terminal's table from which on moves and prices would not be shown."""


@click.command()
@click.argument("book")
@click.option(
    "--venue",
    metavar="NAME|all",
    help="Rulebook: hyperliquid, hyperliquid@2023, a file of yours, any of them with changes in braces, or all.",
)
@click.option(
    "--mode", metavar="MODE", help="Hold all positions `cross` or `isolated`, not as the file says."
)
@click.option(
    "--price", "prices", multiple=True, metavar="BTC=61000", help="Mark price instead of the file's."
)
@click.option(
    "--collateral", multiple=True, metavar="USDC=1000", help="What backs cross positions that are alone."
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON to standard output.")
@click.option("--explain", is_flag=True, help="Say how every figure came about.")
@click.option(
    "--out",
    multiple=True,
    metavar="FILE",
    help="Write a row per account, venue and mode as .csv or .parquet.",
)
@click.option("--workers", default=0, metavar="N", help="Processes for --venue all; 0 takes one per core.")
def margin(
    book: str,
    venue: str | None,
    mode: str | None,
    prices: Sequence[str],
    collateral: Sequence[str],
    as_json: bool,
    explain: bool,
    out: Sequence[str],
    workers: int,
) -> None:
    """Margin, liquidation price and free collateral of every account.

    BOOK is a file of accounts as JSON, CSV or Parquet, positions as ccxt returns them, or Hyperliquid's
    clearinghouseState; or the address of an account at Hyperliquid, which is read live.
    """
    from ringfence.questions.given import amounts, arrangement, read_book, worker_count
    from ringfence.questions.tabular import TABLES, target, write_table

    targets = [target(Path(name), TABLES) for name in out]
    marks, wanted, count = amounts(prices, "--price"), arrangement(mode), worker_count(workers)
    if venue == ALL and explain and not as_json:
        raise InputError("--explain: name one venue, or add --json")
    accounts, notes = read_book(book, collateral)
    for note in notes:
        click.echo(f"Note: {note}", err=True)
    if venue == ALL:
        # A large book is summed up on the terminal, where no row shows a price.
        search = as_json or bool(targets) or len(accounts) <= SEARCHED_MAX
        options = {"detail": as_json, "explain": explain, "search": search}
        found = _everywhere(accounts, marks, wanted, count, options)
        _show_everywhere(found, accounts, as_json=as_json)
    else:
        found = _at_one(accounts, venue, marks, wanted, as_json=as_json, explain=explain, rows=bool(targets))
    if targets:
        from ringfence.questions.everywhere import COLUMNS, table_rows

        for path in targets:
            write_table(path, COLUMNS, table_rows(found))
            click.echo(f"Table: {path}", err=True)


def _at_one(
    accounts: "list[Account]",
    venue: str | None,
    marks: "dict[str, Decimal]",
    wanted: "Arrangement | None",
    *,
    as_json: bool,
    explain: bool,
    rows: bool,
) -> "list[VenueAnswer]":
    """Print what one venue answers (or each account's own); the rows of an exported table where they are wanted."""
    from ringfence import terminal
    from ringfence.questions.margin import ask
    from ringfence.questions.margin_tables import show_answer, show_explanations

    answers = ask(accounts, venue, marks, wanted)
    terminal.warn(warning for answer in answers for warning in answer.warnings)
    _work_out(answers)
    if as_json:
        results = [answer.to_json(explain=explain) for answer in answers]
        terminal.print_json({"ringfence": __version__, "results": results})
    else:
        for answer in answers:
            show_answer(answer)
            if explain:
                show_explanations(answer)
    if not rows:
        return []
    from ringfence.questions.everywhere import standing

    by_name = {account.name: account for account in accounts}
    return [
        standing([by_name[each.account] for each in answer.accounts], answer.rulebook, marks, wanted)
        for answer in answers
    ]


def _work_out(answers: "Sequence[Answer]") -> None:
    """Read every figure once, under a bar; each keeps its value."""
    from ringfence.questions.given import BAR_AFTER_S
    from ringfence.terminal import progress

    accounts = [account for answer in answers for account in answer.accounts]
    with progress("working out", BAR_AFTER_S) as report:
        for done, account in enumerate(accounts, 1):
            account.to_json()
            report(done, len(accounts), account.account)


def _everywhere(
    accounts: "list[Account]",
    marks: "dict[str, Decimal]",
    wanted: "Arrangement | None",
    workers: int,
    options: dict[str, bool],
) -> "list[VenueAnswer]":
    """Ask every venue, under a bar."""
    from ringfence.questions.everywhere import survey
    from ringfence.questions.given import BAR_AFTER_S
    from ringfence.terminal import progress

    with progress("asking every venue", BAR_AFTER_S) as report:
        return survey(accounts, marks, wanted, **options, workers=workers, report=report)


def _show_everywhere(found: "list[VenueAnswer]", accounts: "list[Account]", *, as_json: bool) -> None:
    from ringfence import terminal
    from ringfence.questions.everywhere_tables import show

    terminal.warn(warning for answer in found for warning in answer.warnings)
    if as_json:
        results = [result for answer in found for result in answer.to_json()]
        terminal.print_json({"ringfence": __version__, "results": results})
    else:
        show(found, accounts)
