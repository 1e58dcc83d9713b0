"""The command line. A command imports what it needs when it runs, so that `ringfence --help` answers at once.

Exit status: 0 done, 1 a check failed, 2 the input cannot be used (one line on standard error says why), 130 stopped by
Ctrl-C.
"""

import errno
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

import click

from . import __version__
from .errors import InputError

if TYPE_CHECKING:
    from datetime import date

    from .questions.exports import ExportReport
    from .questions.verify import Report
    from .sim.scenarios import ScenarioInfo

BAD_INPUT = 2
CHECK_FAILED = 1
INTERRUPTED = 130
"""What a shell says of a program that Ctrl-C ended."""

UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
"""What the system answers when standard output takes nothing; a reader that has gone is click's own affair."""

QUOTES = ("USDT", "USDC", "FDUSD", "BUSD")
"""Quote assets of Binance's pairs."""

LAZY = {
    "compare": (
        "ringfence.compare.command:compare",
        "The same traders through a crash under every margin mode.",
    ),
    "margin": (
        "ringfence.questions.margin_command:margin",
        "Margin, liquidation price and free collateral of every account.",
    ),
    "diff": (
        "ringfence.questions.diff_command:diff",
        "What a changed rule, another version or another venue means for a book.",
    ),
    "stress": (
        "ringfence.compare.stress_command:stress",
        "Who is liquidatable where prices, funding or pegs are elsewhere.",
    ),
    "fees": (
        "ringfence.questions.fees_command:fees",
        "What a transaction costs on Ethereum and five rollups.",
    ),
    "gas": (
        "ringfence.compare.gas_command:gas",
        "Gas and fees of both margin modes as contracts, and what a crash asks of a chain.",
    ),
    "chain": (
        "ringfence.compare.replay_command:chain",
        "The contracts: their sizes, onto a chain of your own, and a crash replayed on them.",
    ),
    "claims": (
        "ringfence.compare.claims_command:claims",
        "Statements about isolated and cross margin, measured.",
    ),
    "bench": (
        "ringfence.bench_command:bench",
        "How fast the engines are, each against others in one run (source checkout).",
    ),
}
"""Commands that live elsewhere: where, and what the help says of them before they are loaded."""


class BadInputError(click.ClickException):
    """One line on standard error and exit status 2."""

    exit_code = BAD_INPUT


class Commands(click.Group):
    """The group whose `LAZY` commands are imported when they run, and which turns an `InputError` into one line."""

    def main(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as click has it
        """Run the program; what it cannot write is said in one line, also where the help is all it writes."""
        if sys.stdout is None:
            _cannot_write("it is closed")
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(
                errors="replace"
            )  # a bar or a name that the terminal's encoding lacks is a `?`
        try:
            return super().main(*arguments, **options)
        except OSError as error:
            if error.errno not in UNWRITABLE or error.filename is not None:
                raise
            # What is still buffered goes nowhere, or the flush at exit would fail again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            _cannot_write(os.strerror(error.errno))

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click asks
        """Names in the order of the help."""
        return [*LAZY, *self.commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command itself, loaded if need be."""
        if cmd_name not in LAZY:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = LAZY[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it; what a misspelt name may have meant is looked for among all commands."""
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            raise click.exceptions.NoSuchCommand(
                error.command_name, possibilities=self.list_commands(ctx), ctx=ctx
            ) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Names and what they do, without loading anything."""
        own = {name: command.get_short_help_str(80) for name, command in self.commands.items()}
        rows = [(name, help_text) for name, (_, help_text) in LAZY.items()]
        with formatter.section("Commands"):
            formatter.write_dl([*rows, *own.items()])

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - whatever a command returns
        """Run the command."""
        try:
            return super().invoke(ctx)
        except InputError as error:
            raise BadInputError(" ".join(str(error).split())) from error
        except KeyboardInterrupt:
            click.echo("\nInterrupted", err=True)
            ctx.exit(INTERRUPTED)


def _cannot_write(reason: str) -> NoReturn:
    click.echo(f"Error: cannot write to standard output: {reason}", err=True)
    sys.exit(BAD_INPUT)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="ringfence", message="%(prog)s %(version)s")
def main() -> None:
    """Margin of perpetual futures, exactly, under the rules of real venues."""


# -- verify -------------------------------------------------------------------------------------------------------


@main.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--venue", metavar="NAME", help="Rulebook for accounts that do not say which venue they are from."
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON to standard output.")
def verify(files: Sequence[str], venue: str | None, as_json: bool) -> None:
    """Our numbers against the venues' own.

    FILE holds conformance cases, or accounts that carry the liquidation prices of their venue. Exit status 0 when
    nothing failed, 1 when something did, 2 when a case could not be read.
    """
    from . import terminal
    from .questions import exports
    from .questions import verify as cases

    paths = cases.files(files)
    accounts = [path for path in paths if exports.is_export(path)]
    report = cases.run([path for path in paths if path not in accounts])
    compared = exports.run(accounts, venue)
    if as_json:
        terminal.print_json({**report.to_json(), "exports": compared.to_json()})
    else:
        _show_cases(report)
        _show_exports(compared)
    for result in report.results:
        if result.status == "unreadable":
            click.echo(f"Error: {result.reason}", err=True)
    if report.failed or compared.failed:
        sys.exit(CHECK_FAILED)
    if report.unreadable:
        sys.exit(BAD_INPUT)


def _show_cases(report: "Report") -> None:
    from .terminal import print_table

    if not report.results:
        return
    rows = [
        (venue, provenance, str(counts.passed), str(counts.failed), str(counts.unsupported))
        for venue, provenance, counts in report.table()
    ]
    print_table("Cases", ("venue", "provenance", "passed", "failed", "unsupported"), rows, text_columns=2)
    for result in report.results:
        if result.status == "failed":
            click.echo(f"failed: {result.case}: {result.reason or '; '.join(map(str, result.mismatches))}")
    reasons = [result.reason for result in report.results if result.status == "unsupported"]
    for reason in dict.fromkeys(reasons):
        click.echo(f"unsupported ({reasons.count(reason)}): {reason}")
    head = report.headline
    click.echo(
        f"\nAgainst the venues' own numbers: {head.passed} passed, {head.failed} failed, {head.unsupported} "
        "unsupported. Derived numbers are cross-checks and not counted here.\n"
    )


def _show_exports(report: "ExportReport") -> None:
    from .terminal import plain, print_table, short

    rows = [
        (short(each.account), each.symbol, each.rulebook, *map(plain, (each.shown, each.ours, each.relative)))
        for each in report.compared
    ]
    columns = ("account", "symbol", "rulebook", "venue shows", "ours", "relative difference")
    if rows:
        print_table("Liquidation prices of real accounts", columns, rows, text_columns=3)
        click.echo(f"{report.passed} agree to the digits that the venue shows, {report.failed} do not.\n")
    for skipped in report.skipped:
        click.echo(f"{skipped.account}: nothing to compare: {skipped.reason}")


# -- what is known ------------------------------------------------------------------------------------------------


@main.command()
@click.argument("name", required=False)
@click.option("--markdown", is_flag=True, help="Print the page as Markdown.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON to standard output.")
def venues(name: str | None, markdown: bool, as_json: bool) -> None:
    """Rulebooks of the venues, or one as a page to be read, with its sources."""
    import msgspec

    from . import terminal
    from .venues.overrides import load_spec
    from .venues.page import page
    from .venues.rulebook import list_rulebooks

    if name is None:
        listed = list_rulebooks()
        if as_json:
            terminal.print_json(msgspec.to_builtins(listed))
            return
        rows = [(f"{i.venue}@{i.version}", i.title, i.since, i.checked, str(i.markets)) for i in listed]
        terminal.print_table(
            "Rulebooks", ("name", "what", "since", "checked", "markets"), rows, text_columns=4
        )
        return
    rulebook = load_spec(name)
    if as_json:
        terminal.warn(rulebook.warnings())
        terminal.print_json(msgspec.to_builtins(rulebook.document))
    elif markdown:
        click.echo(page(rulebook, rulebook.warnings()), nl=False)
    else:
        terminal.print_markdown(page(rulebook, rulebook.warnings()))


@main.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Write JSON to standard output.")
def scenarios(name: str | None, as_json: bool) -> None:
    """Built-in price scenarios, or one of them with its source."""
    import msgspec

    from . import terminal
    from .sim.scenarios import list_scenarios, load_scenario

    listed = list_scenarios()
    if name is not None:
        load_scenario(name)
        listed = [info for info in listed if info.name == name]
    if as_json:
        terminal.print_json([msgspec.to_builtins(info, enc_hook=dict) for info in listed])
    elif name is None:
        rows = [(i.name, i.kind, f"{i.hours} h", " ".join(i.markets), _worst(i)) for i in listed]
        columns = ("name", "kind", "length", "markets", "largest fall, rise")
        terminal.print_table("Scenarios", columns, rows, text_columns=4)
    else:
        _show_scenario(listed[0])


def _worst(info: "ScenarioInfo") -> str:
    return f"{-max(info.largest_fall.values()):.0%}, {max(info.largest_rise.values()):+.0%}"


def _show_scenario(info: "ScenarioInfo") -> None:
    from .terminal import print_table

    click.echo(f"{info.name}: {info.title}\n{info.description}\n")
    click.echo(f"from {info.from_ts} to {info.to_ts}, {info.hours} hours\nhow often: {info.frequency}")
    click.echo(f"source: {info.exchange}; {info.source}\n")
    rows = [
        (
            name,
            info.instruments.get(name, ""),
            f"{-info.largest_fall[name]:.1%}",
            f"{info.largest_rise[name]:+.1%}",
        )
        for name in info.markets
    ]
    print_table("Markets", ("market", "instrument", "largest fall", "largest rise"), rows, text_columns=2)
    for note in info.notes:
        click.echo(f"note: {note}")
    for odd in info.odd_prints:
        click.echo(
            f"left out: {odd.market} {odd.ts} {odd.field} {odd.printed}, {odd.used} instead: {odd.reason}"
        )


@main.group()
def data() -> None:
    """Market data of your own."""


@data.command()
@click.argument("symbols", nargs=-1, required=True, metavar="SYMBOL...")
@click.option("--from", "start", required=True, metavar="YYYY-MM-DD", help="First day (UTC).")
@click.option("--to", "end", required=True, metavar="YYYY-MM-DD", help="Last day (UTC), included.")
@click.option("--interval", default="1m", show_default=True, help="Length of a candle.")
@click.option(
    "--market", default="um", show_default=True, metavar="um|spot", help="USD-M perpetuals or spot."
)
def get(symbols: Sequence[str], start: str, end: str, interval: str, market: str) -> None:
    """Fetch candles from Binance's public data, checked and cached; prints the files' paths.

    SYMBOL is one of Binance's, such as BTCUSDT, or a base name, which is then taken against USDT.
    """
    from . import terminal
    from .sim.download import download

    days = (_day(start, "--from"), _day(end, "--to"))
    if market not in {"um", "spot"}:
        raise InputError(f"--market {market}: expected um or spot")
    for symbol in map(_binance_symbol, symbols):
        with terminal.progress(symbol) as report:
            paths = download(
                symbol, interval, *days, kind="spot" if market == "spot" else "um", progress=report
            )
        for path in paths:
            click.echo(path)


def _binance_symbol(text: str) -> str:
    """The pair itself, or the one of a base name against USDT."""
    symbol = text.upper()
    is_pair = any(symbol.endswith(quote) and symbol != quote for quote in QUOTES)
    return symbol if is_pair else f"{symbol}USDT"


def _day(text: str, option: str) -> "date":
    from datetime import date

    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(f"{option} {text}: expected a day such as 2025-10-10") from None


if __name__ == "__main__":
    main()
