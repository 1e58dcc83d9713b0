"""`ringfence diff`: what a changed rule, another version or another venue means for a book."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from ringfence import __version__

CHECK_FAILED = 1
REPORT = ".html"

NOT_ABOUT_FIGURES = frozenset({"fail_if", "out", "as_json", "workers"})
"""Parameters that change no figure."""


@click.command()
@click.argument("book")
@click.option("--from", "before", metavar="NAME", required=True, help="Rulebook of before, as in --to.")
@click.option(
    "--to",
    "after",
    metavar="NAME",
    required=True,
    help="Rulebook of after: a venue, a version, a file, or any of them with changes: "
    "'hyperliquid{BTC.maxLeverage=20}'.",
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
@click.option(
    "--fail-if",
    multiple=True,
    metavar="CONDITION",
    help="Exit with status 1 where it holds: 'liquidatable>0'.",
)
@click.option(
    "--out",
    multiple=True,
    metavar="FILE",
    help="Write a note as .html, or the affected subaccounts as .csv or .parquet.",
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON to standard output.")
@click.option("--workers", default=0, metavar="N", help="Processes; 0 takes one per core for large books.")
def diff(
    book: str,
    before: str,
    after: str,
    mode: str | None,
    prices: Sequence[str],
    collateral: Sequence[str],
    fail_if: Sequence[str],
    out: Sequence[str],
    as_json: bool,
    workers: int,
) -> None:
    """What a changed rule, another version or another venue means for a book.

    BOOK is a file of accounts or an address at Hyperliquid, as for `margin`.
    """
    from ringfence import terminal
    from ringfence.questions import diff_tables
    from ringfence.questions.diff import diff as compare
    from ringfence.questions.diff_note import note
    from ringfence.questions.given import BAR_AFTER_S, amounts, arrangement, read_book, worker_count
    from ringfence.questions.measures import condition, measures
    from ringfence.questions.rule_changes import rule_changes
    from ringfence.questions.tabular import TABLES, target, write_table, write_text
    from ringfence.venues.overrides import load_spec

    conditions = [condition(text) for text in fail_if]
    targets = [target(Path(name), (REPORT, *TABLES)) for name in out]
    marks, wanted, count = amounts(prices, "--price"), arrangement(mode), worker_count(workers)
    rulebooks = load_spec(before), load_spec(after)
    terminal.warn(warning for rulebook in rulebooks for warning in rulebook.warnings())
    accounts, notes = read_book(book, collateral)
    for told in notes:
        click.echo(f"Note: {told}", err=True)
    with terminal.progress("comparing", BAR_AFTER_S) as report:
        found = compare(accounts, *rulebooks, marks, wanted, workers=count, report=report)
    values, rules = measures(found), rule_changes(*rulebooks, found.markets)
    if as_json:
        document = diff_tables.to_json(found, values, rules)
        terminal.print_json({"ringfence": __version__, **document})
    else:
        diff_tables.show(found, values, rules)
    for path in targets:
        if path.suffix.lower() == REPORT:
            command = terminal.command_again(NOT_ABOUT_FIGURES)
            write_text(path, note(found, values, rules, book=book, command=command))
        else:
            write_table(path, diff_tables.COLUMNS, diff_tables.table_rows(found))
        click.echo(f"Written: {path}", err=True)
    failed = [each.sentence(values) for each in conditions if each.holds(values)]
    for sentence in failed:
        click.echo(f"Failed: {sentence}", err=True)
    if failed:
        sys.exit(CHECK_FAILED)
