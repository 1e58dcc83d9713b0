"""`ringfence chain replay`: a crash, or any log of the engine, replayed on the clearinghouse."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ringfence.errors import InputError
from ringfence.questions.chain_command import chain

if TYPE_CHECKING:
    from ringfence.chain.replay import Replayed
    from ringfence.clearing.log import Entry
    from ringfence.clearing.model import Venue

CHECK_FAILED = 1
MODES = ("isolated", "cross", "hybrid")
OF_A_SIMULATION = ("scenario", "modes", "traders", "move", "socialize", "out")
STATE, LOG = "{mode}.state.json", "{mode}.log.jsonl"


@chain.command()
@click.argument("log", required=False, type=click.Path(path_type=Path))
@click.option(
    "--state", type=click.Path(path_type=Path), metavar="FILE", help="Snapshot that LOG starts from."
)
@click.option("--scenario", "-s", default="2025-10-10", show_default=True, help="Crash to simulate.")
@click.option(
    "--mode", "modes", multiple=True, type=click.Choice(MODES), help="Only this mode; may be repeated."
)
@click.option(
    "--traders", default=20, show_default=True, type=click.IntRange(1, 10_000), help="Drawn for it."
)
@click.option(
    "--move",
    default=10.0,
    show_default=True,
    type=click.FloatRange(0.1, 50),
    metavar="PERCENT",
    help="Most that prices move at once.",
)
@click.option("--socialize", is_flag=True, help="Let traders share what a fund cannot pay.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Write the logs and their first states."
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON to standard output.")
def replay(**options: Any) -> None:  # noqa: ANN401 - click's options
    """Replay a crash on the contract and compare every balance.

    Without LOG a crash is simulated first, under each margin mode. Exit status 1 where engine and contract differ.
    """
    from ringfence import terminal
    from ringfence.chain.evm import Evm
    from ringfence.chain.replay import replay as replay_log

    found: dict[str, Replayed] = {}
    with terminal.progress("simulating") as report:
        for name, venue, entries in _logs(options):
            with _naming(name):
                found[name] = replay_log(venue, entries, Evm(signed=False), report)
    if options["as_json"]:
        terminal.print_json({name: _document(each) for name, each in found.items()})
    else:
        _print(found)
    if any(each.differences for each in found.values()):
        sys.exit(CHECK_FAILED)


@contextmanager
def _naming(what: object) -> Iterator[None]:
    """Say of an `InputError` what it is about."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{what}: {error}") from None


def _logs(options: dict[str, Any]) -> "Iterable[tuple[str, Venue, Iterable[Entry]]]":
    """Name, first state and entries of every log to replay."""
    from ringfence.terminal import typed

    if options["log"] is not None:
        if given := typed(OF_A_SIMULATION):
            raise InputError(f"{given[0]}: is about a crash to simulate; leave it out with a LOG")
        return [_from_files(options["log"], options["state"])]
    if options["state"] is not None:
        raise InputError("--state: belongs to a LOG")
    return _simulated(options)


def _from_files(log: Path, state: Path | None) -> "tuple[str, Venue, Iterable[Entry]]":
    from ringfence.clearing.log import read, restore

    if state is None:
        raise InputError(f"{log}: --state names the snapshot that it starts from")
    with _naming(state):
        venue = restore(_bytes(state))
    with _naming(log):
        entries = list(read(_bytes(log).splitlines()))
        if not entries:
            raise InputError("has no entries, so there is nothing to compare")
    return log.name, venue, entries


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})") from None


def _simulated(options: dict[str, Any]) -> "Iterable[tuple[str, Venue, Iterable[Entry]]]":
    from ringfence.clearing.log import restore
    from ringfence.compare.crash_log import crash_logs

    modes, move_ppm = options["modes"] or MODES, round(options["move"] * 10_000)
    runs = crash_logs(
        options["scenario"],
        traders=options["traders"],
        move_ppm=move_ppm,
        modes=modes,
        socializes=options["socialize"],
    )
    for run in runs:
        if options["out"]:
            _write(options["out"], run.mode, run.state, run.entries)
        yield run.mode, restore(run.state), run.entries


def _write(directory: Path, mode: str, state: bytes, entries: "Iterable[Entry]") -> None:
    from ringfence.clearing.log import write

    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / STATE.format(mode=mode)).write_bytes(state)
        with (directory / LOG.format(mode=mode)).open("wb") as file:
            write(entries, file)
    except OSError as error:
        raise InputError(f"{directory}: cannot be written: {error.strerror or error}") from None


def _document(found: "Replayed") -> dict[str, Any]:
    return found._asdict() | {"gas": {name: _measured(used) for name, used in found.gas.items()}}


def _measured(used: list[int]) -> dict[str, int]:
    return {"transactions": len(used), "mean": sum(used) // len(used), "most": max(used), "total": sum(used)}


def _print(found: "dict[str, Replayed]") -> None:
    from ringfence.terminal import print_table

    rows = [
        (mode, function, *(f"{value:,}" for value in _measured(used).values()))
        for mode, each in found.items()
        for function, used in each.gas.items()
    ]
    columns = ("log", "call", "transactions", "mean gas", "most gas", "all gas")
    print_table("Transactions of the replay", columns, rows, text_columns=2)
    for mode, each in found.items():
        click.echo(
            f"{mode}: {each.commands} commands, {each.blocks} blocks with changes, {each.liquidations} liquidations "
            f"({each.losses} with a loss): {'they differ' if each.differences else 'no difference'}"
        )
        for difference in each.differences:
            click.echo(f"  {difference}")


__all__ = ["chain"]
