"""What commands write to a terminal: tables, progress, warnings, JSON.

Text from files is printed as it is, never read as markup; colour only where it is wanted (`NO_COLOR` is respected).
"""

import json
import os
import shlex
import sys
import time
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Context, Decimal
from typing import TextIO

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from ringfence import cache
from ringfence.progress import Report

WIDTH = 100
"""Columns where nobody says how wide the terminal is."""

CENT, ONE, MILLION = Decimal("0.01"), Decimal(1), Decimal(1_000_000)
NAME_MAX = 16
LIQUIDATABLE = "LIQUIDATABLE"
"""The word that no table may break, however narrow: people search for it."""

_WIDE = Context(prec=200)


def console(stream: TextIO | None = None) -> Console:
    """A console that writes text as it is."""
    file = stream or sys.stdout
    known = file.isatty() or "COLUMNS" in os.environ
    return Console(file=file, highlight=False, markup=False, emoji=False, width=None if known else WIDTH)


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    text_columns: int = 1,
    words_width: int = 0,
) -> None:
    """Print a table; its first `text_columns` columns are text, the others numbers.

    With a `words_width` the last column is text too, broken into lines of that width, and the first ones never break.
    """
    lines = [tuple(row) for row in rows]
    table = Table(title=Text(title), title_justify="left", title_style="bold", box=None, pad_edge=False)
    for index, column in enumerate(columns):
        is_whole = any(row[index] == LIQUIDATABLE for row in lines)
        is_words = words_width > 0 and index == len(columns) - 1
        is_text = index < text_columns or is_words
        table.add_column(
            Text(column),
            justify="left" if is_text else "right",
            overflow="fold",
            no_wrap=is_whole or (words_width > 0 and index < text_columns),
            min_width=len(LIQUIDATABLE) if is_whole else None,
            max_width=words_width if is_words else None,
        )
    for row in lines:
        table.add_row(*map(Text, row))
    out = console()
    out.print(table)
    out.print()


def print_markdown(text: str) -> None:
    """Print Markdown as it is meant to look."""
    from rich.markdown import Markdown

    console().print(Markdown(text))


def print_json(value: object) -> None:
    """Print a JSON document; letters are escaped where standard output cannot hold them all."""
    holds_all = (getattr(sys.stdout, "encoding", None) or "utf").lower().startswith("utf")
    click.echo(json.dumps(value, indent=2, ensure_ascii=not holds_all, allow_nan=False))


def warn(sentences: Iterable[str]) -> None:
    """Print warnings to standard error, each once."""
    for sentence in dict.fromkeys(sentences):
        click.echo(f"Warning: {sentence}", err=True)


@contextmanager
def progress(what: str, after_s: float = 0.0) -> Iterator[Report]:
    """Show a bar on standard error; yields a function that is told how many are done, of how many, and what.

    With `after_s` the bar appears only for work that takes longer. What is made once and then kept, such as compiled
    code, is shown at once.
    """
    begun = time.monotonic()
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console(sys.stderr),
        transient=True,
        disable=sys.stderr is None or not sys.stderr.isatty(),
    )
    task = bar.add_task(what, total=None)

    def report(done: int, total: int | None, name: str) -> None:
        if not bar.live.is_started and time.monotonic() - begun >= after_s:
            bar.start()
        bar.update(task, completed=done, total=total, description=name)

    def making(name: str) -> None:
        bar.update(task, description=name)
        bar.start()

    cache.WATCHERS.append(making)
    try:
        if not after_s:
            bar.start()
        yield report
    finally:
        cache.WATCHERS.remove(making)
        bar.stop()


def typed(names: Iterable[str]) -> list[str]:
    """Which of the running command's options were given on the command line, as they are written there."""
    source = click.get_current_context().get_parameter_source
    options = {each.name: each.opts[0] for each in click.get_current_context().command.params}
    return [options[name] for name in names if source(name) is click.core.ParameterSource.COMMANDLINE]


def command_again(leave_out: Container[str]) -> str:
    """The running command, as it was typed, without the parameters that are left out."""
    context = click.get_current_context()
    words = ["ringfence", context.command.name or ""]
    for parameter in context.command.params:
        name = parameter.name or ""
        if (
            name in leave_out
            or context.get_parameter_source(name) is not click.core.ParameterSource.COMMANDLINE
        ):
            continue
        value = context.params[name]
        word = parameter.secondary_opts[0] if value is False else parameter.opts[0]
        for each in value if isinstance(value, tuple) else (value,):
            words += [] if isinstance(parameter, click.Argument) else [word]
            words += [] if isinstance(each, bool) else [str(each)]
    return shlex.join(words)


def money(text: object) -> str:
    """An amount as people read it: thousands apart, with cents below a million."""
    if text is None:
        return "-"
    amount = Decimal(str(text))
    return f"{amount.quantize(CENT if abs(amount) < MILLION else ONE, context=_WIDE):,}"


def short(name: str) -> str:
    """A name that fits into a column: the middle of a long one, such as an address, is left out."""
    return name if len(name) <= NAME_MAX else f"{name[:6]}…{name[7 - NAME_MAX :]}"


def percent(share: object) -> str:
    """A share as percent."""
    return "-" if share is None else f"{Decimal(str(share)).scaleb(2, _WIDE).quantize(CENT, context=_WIDE)}%"


def plain(text: object) -> str:
    """A text as it is."""
    return "-" if text is None else str(text)
