"""`ringfence gas`: what operations cost by number of positions, in gas and in dollars; what a crash asks of a chain."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ringfence.errors import InputError

if TYPE_CHECKING:
    from ringfence.chain.fees import Parameters
    from ringfence.chain.gas import Snapshot

POSITIONS = 8
CRASH_FEES = ("mid", "live")
"""Fees that a crash is taken at: the usual ones, or those that a node states."""
OF_A_CRASH = ("scenario", "traders", "accounts", "as_of")
"""Options that mean something only for a crash."""


@click.command()
@click.option("--measure", is_flag=True, help="Measure afresh instead of reading the committed snapshot.")
@click.option("--design", "designs", multiple=True, metavar="NAME", help="Only this design; may be repeated.")
@click.option(
    "--positions",
    default=POSITIONS,
    show_default=True,
    type=click.IntRange(1, 64),
    help="Positions held where fees are shown: 1, 2, 4, 8, 16, 32 or 64.",
)
@click.option("--fees", "with_fees", is_flag=True, help="Fees on every chain, in three scenarios.")
@click.option("--chain", "chains", multiple=True, metavar="NAME", help="Fees on this chain; may be repeated.")
@click.option(
    "--set", "settings", multiple=True, metavar="PATH=VALUE", help="A parameter, e.g. l2.baseFee=0.02gwei."
)
@click.option("--rpc", metavar="URL", help="Read the parameters of the one --chain from a node of it.")
@click.option("--crash", is_flag=True, help="What the liquidations of a crash ask of each chain.")
@click.option("--scenario", "-s", default="2025-10-10", show_default=True, help="Crash to replay.")
@click.option(
    "--traders", default=500, show_default=True, type=click.IntRange(1, 200_000), help="Drawn for it."
)
@click.option(
    "--accounts",
    default=200_000,
    show_default=True,
    type=click.IntRange(1, 10**9),
    help="Accounts that the drawn ones stand for.",
)
@click.option(
    "--as-of",
    type=click.DateTime(("%Y-%m-%d",)),
    metavar="YYYY-MM-DD",
    help="Capacities of that day; the newest otherwise.",
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON to standard output.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write a report: one HTML file.")
def gas(**options: Any) -> None:  # noqa: ANN401 - click's options
    """Gas of isolated and cross margin as contracts, by number of positions.

    Figures come from receipts of signed transactions with cold storage. Without an option the committed snapshot is
    shown beside the cheapest real venue of each operation.
    """
    from ringfence import terminal
    from ringfence.compare.gas_tables import document
    from ringfence.questions.tabular import target

    if options["out"]:
        target(options["out"], (".html",))
    _refuse_what_would_be_ignored(options)
    snapshot = _snapshot(options)
    given = _parameters(options)
    fees = _fees(snapshot, given if _asks_for_fees(options) else (), options["positions"])
    found = document(snapshot, fees)
    if options["crash"]:
        found["crash"] = _crash(snapshot, given, options)
    if options["out"]:
        from ringfence.compare.gas_report import write_report

        write_report(snapshot, found, options["out"])
    if options["as_json"]:
        terminal.print_json(found)
    else:
        _print(snapshot, found, fees)
        if options["out"]:
            click.echo(f"report: {options['out']}")


def _refuse_what_would_be_ignored(options: dict[str, Any]) -> None:
    """Raise `InputError` for an option that nothing else makes use of."""
    from ringfence.chain.fees.parameters import chain_data
    from ringfence.compare.onchain import OTHER_MACHINES
    from ringfence.terminal import typed

    given = typed(OF_A_CRASH)
    if given and not options["crash"]:
        raise InputError(f"{given[0]}: says something of a crash; give --crash with it")

    chains = options["chains"]
    if options["crash"] and chains and all(chain_data(each).rule in OTHER_MACHINES for each in chains):
        raise InputError(f"--chain {chains[0]}: runs no EVM, and what liquidations ask of it is not known")


def _snapshot(options: dict[str, Any]) -> "Snapshot":
    """The figures to show: measured now, or the committed ones, of the designs that were asked for."""
    import msgspec

    from ringfence import terminal
    from ringfence.chain.gas import measure, read

    wanted = options["designs"]
    if options["measure"]:
        with terminal.progress("measuring") as report:
            return measure(designs=wanted or None, report=report)
    snapshot = read()
    for name in wanted:
        if name not in snapshot.designs:
            names = ", ".join(map(repr, snapshot.designs))
            raise InputError(f"--design {name}: expected one of {names}")
    if not wanted:
        return snapshot
    figures = tuple(each for each in snapshot.figures if each.design in wanted)
    complexity = tuple(each for each in snapshot.complexity if each.design in wanted)
    return msgspec.structs.replace(snapshot, figures=figures, complexity=complexity)


def _parameters(options: dict[str, Any]) -> "list[Parameters]":
    """Parameters of the chains that were asked for (all, where none was) in their scenarios, as they were set."""
    from ringfence.chain.fees import CHAINS
    from ringfence.questions import fees_command

    chains = list(dict.fromkeys(options["chains"])) or [*CHAINS]
    return fees_command.overridden(
        fees_command.scenario_parameters(chains, options["rpc"]), options["settings"]
    )


def _asks_for_fees(options: dict[str, Any]) -> bool:
    return any(options[name] for name in ("with_fees", "chains", "rpc", "settings", "out"))


def _fees(snapshot: "Snapshot", given: "Sequence[Parameters]", positions: int) -> list[Any]:
    from ringfence.chain.gas import POSITIONS as MEASURED
    from ringfence.compare.gas_fees import operation_fees

    if positions not in MEASURED:
        raise InputError(f"--positions {positions}: expected one of {', '.join(map(str, MEASURED))}")
    return operation_fees(snapshot, given, positions)


def _crash(
    snapshot: "Snapshot", given: "Sequence[Parameters]", options: dict[str, Any]
) -> list[dict[str, Any]]:
    from ringfence import terminal
    from ringfence.compare.gas_crash import crash

    with terminal.progress("crash", after_s=1.0) as report:
        return crash(
            snapshot,
            [each for each in given if each.scenario in CRASH_FEES],
            scenario=options["scenario"],
            traders=options["traders"],
            accounts=options["accounts"],
            as_of=options["as_of"].date() if options["as_of"] else None,
            report=report,
        )


def _print(snapshot: "Snapshot", found: dict[str, Any], fees: list[Any]) -> None:
    from ringfence.chain.gas import POSITIONS as COUNTS
    from ringfence.compare import gas_tables as tables
    from ringfence.terminal import print_table

    for design in snapshot.designs:
        columns = ("operation", *(f"N={count}" for count in COUNTS), "tx", "calldata")
        print_table(f"Gas of {design} with N positions", columns, tables.gas_rows(snapshot, design, COUNTS))
    columns = ("isolated", "shared", "operation", "positions")
    if rows := tables.crossover_rows(snapshot):
        print_table(
            "Where sharing collateral costs less gas (of 1 to 64 positions)", columns, rows, text_columns=4
        )
    columns = ("design", "operation", "N", "gas", "venue's", "ratio", "cheapest venue")
    venues = tables.venue_rows(snapshot)
    print_table("Against the cheapest real venue", columns, venues, text_columns=2, words_width=36)
    columns = ("design", "bytes of code", "branches", "calls", "invariants", *tables.slot_columns())
    rows = tables.complexity_rows(snapshot.complexity)
    print_table("Complexity (slots at 1 and 16 positions)", columns, rows)
    chains = dict.fromkeys(each.chain for each in fees)
    for design in dict.fromkeys(each.design for each in fees):
        of_design = tables.fee_rows(each for each in fees if each.design == design)
        columns = ("operation", "N", "fees", *chains)
        print_table(f"Fees of {design}, USD", columns, [each[1:] for each in of_design], text_columns=3)
    if "crash" in found:
        from ringfence.compare.gas_crash import crash_tables

        for title, heads, crash_rows, texts in crash_tables(found["crash"]):
            print_table(title, heads, crash_rows, text_columns=texts)
    click.echo(f"{snapshot.compiler}, {snapshot.evm}, measured {snapshot.measured}")
