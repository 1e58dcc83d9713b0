"""`ringfence bench`: the measurements of a source checkout, run one after the other and printed."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from .errors import InputError

FOLDER = Path(__file__).resolve().parents[2] / "bench"
SHARED = {"population", "record"}
"""Scripts that others import and nobody runs."""
WORDS_WIDTH = 80
APART = {"peers", "soak"}
"""Run only by name: other tools, which `make bench-peers` installs, and the long search for a wrong decision."""


def scripts(folder: Path = FOLDER) -> dict[str, Path]:
    """Measurements by name. `InputError` where there is no checkout, as in an installed package."""
    found = {path.stem: path for path in sorted(folder.glob("*.py")) if path.stem not in SHARED}
    if not found:
        raise InputError("measurements are part of a source checkout: clone it, then `make bench`")
    return found


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--list", "only_list", is_flag=True, help="Print the names and what each measures.")
def bench(names: Sequence[str], *, only_list: bool) -> None:
    """Measure NAME (all, where none is given) and write bench/results.

    Each prints ratios between ways to do the same work, taken side by side in one run. Let nothing else run meanwhile.
    """
    known = scripts()
    if unknown := [name for name in names if name not in known]:
        raise InputError(f"{unknown[0]}: no such measurement; expected some of {', '.join(known)}")
    if only_list:
        from .terminal import print_table

        rows = [(name, _purpose(path)) for name, path in known.items()]
        print_table("Measurements", ("name", "what it measures"), rows, words_width=WORDS_WIDTH)
        return
    for name in names or [name for name in known if name not in APART]:
        click.echo(f"{name}: {_purpose(known[name])}")
        done = subprocess.run([sys.executable, str(known[name])], check=False)  # noqa: S603 - our own scripts
        if done.returncode:
            raise InputError(f"{name}: the measurement ended with status {done.returncode}")


def _purpose(path: Path) -> str:
    """First sentence of a script's docstring."""
    return path.read_text(encoding="utf-8").removeprefix('"""').partition("\n")[0].removesuffix('"""')
