"""`ringfence compare`: options in, table, JSON and report out."""

import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ringfence.errors import InputError

if TYPE_CHECKING:
    from ringfence.compare.lab import Lab, Setup
    from ringfence.sim.prices import Candles

DEFAULT_SCENARIO = "2025-10-10"
DEFAULT_FRAME = {"isolated": "hyperliquid", "cross": "dydx-v4", "hybrid": "hyperliquid"}
REPORT = Path("out") / "compare.html"
_OUTPUT = {"json_file", "html", "no_html", "workers", "engine"}
"""Options that leave the result as it is."""

_RANGES = (("insurance_ppm", 0, 1_000_000), ("slippage_ppm", 0, 500_000), ("step_ppm", 1, 500_000))
"""Options with the least and the most that they may be."""


@click.command()
@click.option(
    "--scenario", "-s", help=f"Built-in scenario (`ringfence scenarios` lists them) [{DEFAULT_SCENARIO}]."
)
@click.option(
    "--prices",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Price files instead: CSV, Parquet, Binance zip.",
)
@click.option(
    "--venue",
    default="generic",
    show_default=True,
    help="Rulebook of the identical frame; changes may stand in braces.",
)
@click.option(
    "--venue-frame",
    multiple=True,
    metavar="MODE=VENUE",
    help="Rulebook of a mode in the venue frame; 'none' for none.",
)
@click.option(
    "--traders", default=2000, show_default=True, type=click.IntRange(1, 200_000), help="Accounts drawn."
)
@click.option(
    "--population", default="default", show_default=True, help="Built-in population or a TOML file."
)
@click.option(
    "--seed", default=1, show_default=True, type=click.IntRange(0, 2**63 - 1), help="Seed of all draws."
)
@click.option(
    "--modes", default="isolated,cross,hybrid", show_default=True, help="Margin modes, comma separated."
)
@click.option("--arms", default="a,b,c,d,e", show_default=True, help="Arms of isolation, comma separated.")
@click.option(
    "--partition", type=click.Path(path_type=Path), multiple=True, help="Another hybrid: a TOML/JSON file."
)
@click.option("--order", default="low_first", show_default=True, help="Order of extremes inside a candle.")
@click.option(
    "--step-ppm", default=1000, show_default=True, help="Largest price move in one step of the path."
)
@click.option(
    "--insurance-ppm", default=1000, show_default=True, help="Insurance over open interest at entry."
)
@click.option("--slippage-ppm", default=0, show_default=True, help="Slippage of liquidation orders.")
@click.option(
    "--sensitivity/--no-sensitivity", default=True, show_default=True, help="Vary slippage and order."
)
@click.option(
    "--allow-gaps", is_flag=True, help="Let --prices have missing candles; the path walks across them."
)
@click.option(
    "--engine",
    default="auto",
    show_default=True,
    type=click.Choice(("auto", "columns", "reference")),
    help="What replays; the result is the same.",
)
@click.option("--workers", default=0, type=click.IntRange(0, 64), help="Processes; 0 takes one per core.")
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path), help="Write the result as JSON ('-': stdout)."
)
@click.option(
    "--html", type=click.Path(path_type=Path), default=REPORT, show_default=True, help="Report to write."
)
@click.option("--no-html", is_flag=True, help="Write no report.")
def compare(**options: Any) -> None:  # noqa: ANN401
    """Send the same traders through a real crash under isolated, cross and hybrid margin."""
    import time

    from ringfence import terminal
    from ringfence.compare.claims import add_claims
    from ringfence.compare.lab import Lab
    from ringfence.compare.result import document

    targets = _targets(options)
    began = time.perf_counter()
    lab = Lab(_setup(options))
    with terminal.progress("admitting traders"):
        lab.compile()
    if not len(lab.flow):
        raise InputError("no account may enter every mode; try another venue, population or seed")
    terminal.warn(lab.warnings())
    results = _run(lab, options["workers"])
    found = document(lab, results)
    add_claims(found)
    found["command"] = terminal.command_again(_OUTPUT)
    found["timing"] = {"seconds": round(time.perf_counter() - began, 2)}
    _write(found, targets)


def _setup(options: dict[str, Any]) -> "Setup":
    """Turn options into a setup; every bad one is an `InputError` that names it."""
    from ringfence.compare.lab import MODES, Setup
    from ringfence.sim.partition import ARMS, read_partition
    from ringfence.sim.prices import ORDERS

    names = _listed("--modes", options["modes"], tuple(MODES))
    modes = [MODES[name] for name in names] + [read_partition(path) for path in options["partition"]]
    if len({mode.name for mode in modes}) != len(modes):
        raise InputError(
            "--partition: two margin modes have the same name; give the file a `name` of its own"
        )
    arms = _listed("--arms", options["arms"], tuple(ARMS))
    _listed("--order", options["order"], ORDERS)
    for name, least, most in _RANGES:
        if not least <= options[name] <= most:
            raise InputError(f"--{name.replace('_', '-')}: expected {least} to {most}, got {options[name]}")
    candles, scenario = _candles(options)
    return Setup(
        candles,
        scenario,
        venue=options["venue"],
        venue_frame=_frame(options["venue_frame"], [mode.name for mode in modes]),
        traders=options["traders"],
        population=options["population"],
        seed=options["seed"],
        modes=tuple(modes),
        arms=tuple(arms),
        order=options["order"],
        max_step_ppm=options["step_ppm"],
        insurance_ppm=options["insurance_ppm"],
        slippage_ppm=options["slippage_ppm"],
        sensitivity=options["sensitivity"],
        engine=options["engine"],
    )


def _listed(option: str, text: str, allowed: tuple[str, ...]) -> list[Any]:
    found = [part.strip() for part in text.split(",") if part.strip()]
    for name in found:
        if name not in allowed:
            raise InputError(f"{option}: {name!r} is not one of {', '.join(allowed)}")
    if not found or len(set(found)) != len(found):
        raise InputError(f"{option}: expected each of {', '.join(allowed)} at most once, and at least one")
    return found


def _candles(options: dict[str, Any]) -> tuple["Candles", str]:
    from ringfence.sim.readers import read_prices
    from ringfence.sim.scenarios import load_scenario

    if options["prices"] and options["scenario"]:
        raise InputError("--scenario and --prices exclude each other; give one of them")
    if options["prices"]:
        name = "+".join(path.name for path in options["prices"])
        return read_prices(options["prices"], allow_gaps=options["allow_gaps"]), name
    name = options["scenario"] or DEFAULT_SCENARIO
    return load_scenario(name), name


def _frame(given: tuple[str, ...], modes: list[str]) -> dict[str, str]:
    """The venue frame: `mode=venue` pairs, the default where none is given, none at all on request."""
    if given == ("none",):
        return {}
    if not given:
        return {mode: venue for mode, venue in DEFAULT_FRAME.items() if mode in modes}
    found = {}
    for pair in given:
        mode, _, venue = pair.partition("=")
        if mode not in modes or not venue or mode in found:
            raise InputError(
                f"--venue-frame: expected MODE=VENUE once for each of {', '.join(modes)}, got {pair!r}"
            )
        found[mode] = venue
    return found


def _run(lab: "Lab", workers: int) -> list[dict[str, Any]]:
    """Run the lab behind a progress bar on standard error."""
    from ringfence import terminal
    from ringfence.compare.lab import run_all

    what, done = "comparing modes", itertools.count(1)
    with terminal.progress(what) as report:
        report(0, len(lab.jobs), what)
        return run_all(lab, workers=workers, progress=lambda: report(next(done), len(lab.jobs), what))


def _targets(options: dict[str, Any]) -> dict[str, Path]:
    """Where JSON and report go; refused before anything is run when they cannot be written."""
    from ringfence.questions.tabular import writable

    wanted = {"json": options["json_file"], "html": None if options["no_html"] else options["html"]}
    found = {kind: path for kind, path in wanted.items() if path is not None}
    for path in found.values():
        if str(path) != "-":
            writable(path, str(path))
    return found


def _write(found: dict[str, Any], targets: dict[str, Path]) -> None:
    import msgspec

    from ringfence import terminal
    from ringfence.compare.report import render
    from ringfence.compare.table import show
    from ringfence.questions.tabular import write_text

    data = msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n"
    if "html" in targets:
        write_text(targets["html"], render(found))
    if str(targets.get("json")) == "-":
        sys.stdout.buffer.write(data)
    else:
        if "json" in targets:
            write_text(targets["json"], data.decode())
        show(found, terminal.console())
    if "html" in targets:
        click.echo(f"Report: {targets['html']}", err=True)
