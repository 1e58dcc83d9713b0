"""`ringfence stress`: who is liquidatable where prices, funding or pegs are elsewhere, and what is left unpaid."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ringfence import __version__
from ringfence.errors import InputError

if TYPE_CHECKING:
    from ringfence.progress import Report
    from ringfence.questions.stress.shocks import Shock, Wanted
    from ringfence.questions.stress.surface import Stress, Surface
    from ringfence.questions.tabular import Cell

    Row = tuple[Cell, ...]

CHECK_FAILED = 1
REPORT = ".html"
REPORT_MAPS = 3
"""Markets with the largest notional whose liquidation maps a report shows where none is asked for."""

ROWS_TOLD = 1000
"""Rows of a file after which progress is told."""

LEAD = "BTC"
"""The market that others follow in a scenario."""

NOT_ABOUT_FIGURES = frozenset({"fail_if", "out", "as_json", "workers"})
"""Parameters that change no figure."""


@click.command()
@click.argument("book")
@click.option(
    "--venue", metavar="NAME", help="Rulebook of all accounts; else each account's own, or generic."
)
@click.option(
    "--move", "moves", multiple=True, metavar="[BTC=]-20%", help="Move of one market, or of all others."
)
@click.option("--grid", metavar="[BTC=]FROM:TO:STEP", help="Moves from, to and by: -50%:50%:5%.")
@click.option("--beta", "betas", multiple=True, metavar="[ETH=]1.3", help="Moves so many times its lead.")
@click.option("--lead", metavar="BTC", help="The market that betas follow [the one that is moved].")
@click.option("--scenario", metavar="NAME", help="Every hour of a built-in scenario, such as 2025-10-10.")
@click.option(
    "--funding", multiple=True, metavar="[BTC=]0.5%", help="Funding that longs pay, as a share of notional."
)
@click.option(
    "--depeg", "depegs", multiple=True, metavar="USDT=-5%", help="Move of a collateral asset alone."
)
@click.option("--map", "maps", multiple=True, metavar="BTC", help="Liquidation map of a market.")
@click.option("--top", default=10, show_default=True, type=click.IntRange(0, 1000), help="Accounts to list.")
@click.option(
    "--mode", metavar="MODE", help="Hold all positions `cross` or `isolated`, not as the file says."
)
@click.option("--price", "prices", multiple=True, metavar="BTC=61000", help="Mark instead of the file's.")
@click.option(
    "--collateral", multiple=True, metavar="USDC=1000", help="What backs cross positions that are alone."
)
@click.option(
    "--fail-if", multiple=True, metavar="CONDITION", help="Exit with 1 where it holds: 'badDebt>0'."
)
@click.option(
    "--out",
    multiple=True,
    metavar="FILE",
    help="Write a report as .html, or the liquidatable at the worst point as .csv or .parquet.",
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON to standard output.")
@click.option("--workers", default=0, metavar="N", help="Processes; 0 takes one per core for large books.")
def stress(book: str, **options: object) -> None:
    """Who is liquidatable where prices, funding or pegs are elsewhere, and what would be left unpaid.

    BOOK is a file of accounts or an address at Hyperliquid, as for `margin`. Without a shock, all markets move together
    from -50% to +50%.
    """
    _Run(book, options).run()


class _Run:
    """One command: what is asked, the answer, and where it goes."""

    def __init__(self, book: str, options: Mapping[str, object]) -> None:
        from ringfence.questions.measures import condition
        from ringfence.questions.stress.measures import STRESS_MEASURES
        from ringfence.questions.tabular import TABLES, target

        self.book, self.options = book, options
        self.conditions = [condition(text, STRESS_MEASURES) for text in self._texts("fail_if")]
        self.targets = [target(Path(name), (REPORT, *TABLES)) for name in self._texts("out")]
        self.asked = self._asked()
        self.top = int(str(options["top"]))

    def _texts(self, name: str) -> tuple[str, ...]:
        given = self.options[name]
        return tuple(map(str, given)) if isinstance(given, tuple) else ()

    def _text(self, name: str) -> str | None:
        given = self.options[name]
        return None if given is None else str(given)

    def _asked(self) -> "Wanted":
        from ringfence.questions.stress.shocks import wanted

        asked = wanted(
            self._texts("moves"),
            self._text("grid"),
            self._texts("betas"),
            self._text("lead"),
            self._texts("funding"),
            self._texts("depegs"),
        )
        if self._text("scenario") is not None and asked.moves_prices:
            raise InputError("--scenario moves prices itself; leave out --move and --grid")
        return asked

    def run(self) -> None:
        """Ask, print, write, and check conditions."""
        from ringfence import terminal
        from ringfence.questions.given import BAR_AFTER_S
        from ringfence.questions.stress import tables
        from ringfence.questions.stress.measures import stress_measures
        from ringfence.questions.stress.surface import stress as ask

        surface = self._surface()
        points, maps = self._points(surface), list(self._maps(surface))
        rows = any(path.suffix.lower() != REPORT for path in self.targets)
        with terminal.progress("judging", BAR_AFTER_S) as report:
            found = ask(surface, points, most=None if rows else self.top, maps=maps, report=report)
        values = stress_measures(found)
        if bool(self.options["as_json"]):
            document = tables.to_json(found, values, self.top)
            terminal.print_json({"ringfence": __version__, **document})
        else:
            tables.show(found, self.top, maps=bool(self._texts("maps")))
        self._write(found, values)
        self._check(values)

    def _surface(self) -> "Surface":
        """The book behind the question, and warnings of its rulebooks."""
        from ringfence import terminal
        from ringfence.questions.given import amounts, arrangement, worker_count
        from ringfence.questions.stress.book import Setting, open_book

        setting = Setting(
            self._text("venue"),
            amounts(self._texts("prices"), "--price"),
            arrangement(self._text("mode")),
            worker_count(int(str(self.options["workers"]))),
        )
        surface, warnings, notes = open_book(self.book, self._texts("collateral"), setting)
        terminal.warn(warnings)
        for note in notes:
            click.echo(f"Note: {note}", err=True)
        return surface

    def _points(self, surface: "Surface") -> "list[Shock]":
        from ringfence.questions.stress import shocks

        shocks.check_names(self.asked, surface.markets, surface.assets)
        name = self._text("scenario")
        if name is None:
            return shocks.shocks(self.asked)
        markets, points = scenario_points(name)
        unmoved = [each for each in surface.markets if not _is_among(each, markets)]
        if unmoved and None not in self.asked.betas:
            named = [
                each for each in unmoved if not _is_among(each, [name for name in self.asked.betas if name])
            ]
            if named:
                click.echo(
                    f"Warning: scenario {name} has no {', '.join(named[:5])}{'...' if len(named) > 5 else ''}: "  # noqa: PLR2004
                    f"they stand still; --beta 1 lets them follow {self.asked.lead or LEAD}",
                    err=True,
                )
        return shocks.path(self.asked, points, LEAD)

    def _maps(self, surface: "Surface") -> "Iterator[tuple[str, list[Shock]]]":
        """Markets with the points of their maps; the report's own where none is named."""
        from ringfence.questions.stress.shocks import check_market, map_shocks

        names = [check_market("--map", name, surface.markets) for name in self._texts("maps")]
        if not names and any(path.suffix.lower() == REPORT for path in self.targets):
            names = list(surface.markets[:REPORT_MAPS])
        for name in dict.fromkeys(names):
            yield name, map_shocks(self.asked, name)

    def _write(self, found: "Stress", values: Mapping[str, Decimal]) -> None:
        from ringfence.questions.given import BAR_AFTER_S
        from ringfence.questions.stress import tables
        from ringfence.questions.stress.report import report
        from ringfence.questions.tabular import write_table, write_text
        from ringfence.terminal import command_again, progress

        for path in self.targets:
            if path.suffix.lower() == REPORT:
                again = command_again(NOT_ABOUT_FIGURES)
                write_text(path, report(found, values, book=self.book, command=again, top=self.top))
            else:
                with progress("writing", BAR_AFTER_S) as told:
                    rows = _counted(tables.table_rows(found), found.worst_tally.subaccounts, told)
                    write_table(path, tables.COLUMNS, rows)
            click.echo(f"Written: {path}", err=True)

    def _check(self, values: Mapping[str, Decimal]) -> None:
        failed = [each.sentence(values) for each in self.conditions if each.holds(values)]
        for sentence in failed:
            click.echo(f"Failed: {sentence}", err=True)
        if failed:
            sys.exit(CHECK_FAILED)


def _counted(rows: "Iterable[Row]", total: int, report: "Report") -> "Iterator[Row]":
    """The rows themselves, while it is told how many have passed."""
    for done, row in enumerate(rows):
        if done % ROWS_TOLD == 0:
            report(done, total, "writing rows")
        yield row


def _is_among(name: str, others: Sequence[str]) -> bool:
    from ringfence.questions.stress.shocks import folded

    names = set(folded(name))
    return any(names.intersection(folded(other)) for other in others)


def scenario_points(name: str) -> tuple[tuple[str, ...], list[tuple[str, dict[str, Fraction]]]]:
    """Markets of a scenario, and every hour's lows, highs and closes as shares of the prices that it begins with.

    All lows of an hour are taken at once, and all highs: nobody knows when within the hour they were.
    """
    from ringfence.sim.prices import utc
    from ringfence.sim.scenarios import load_scenario

    candles = load_scenario(name)
    start = [_exact(price) for price in candles.open[0]]
    points = []
    for row, ts_ms in enumerate(candles.ts_ms.tolist()):
        for word, prices in (("low", candles.low), ("high", candles.high), ("close", candles.close)):
            shares = (_exact(price) / first for price, first in zip(prices[row], start, strict=True))
            points.append((f"{utc(ts_ms)} {word}", dict(zip(candles.markets, shares, strict=True))))
    return candles.markets, points


def _exact(price: float) -> Fraction:
    """The decimal number that a table states."""
    return Fraction(Decimal(repr(float(price))))
