"""Do the contracts' tests notice a wrong line? Each mutant has one: a comparison turned, a sign, an assert gone.

    python tools/mutate_contracts.py [--sample 30] [--seed 1] [--tests NAME,...] [FILE...]

Plants mutants one by one in a copy of the sources, runs the contracts' tests on each until the first failure, and says
which survive. Files are names in `src/ringfence/chain/contracts`; without any, those of the clearinghouse that hold
money. Exits with status 1 if a mutant survives. A mutant that does not compile counts as noticed.
"""

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
CONTRACTS = Path("src/ringfence/chain/contracts")
FILES = (
    *("ledger.vy", "trading.vy", "liquidation.vy", "deleveraging.vy", "socialization.vy"),
    *("orders.vy", "vault.vy", "custody.vy", "pools.vy", "markets.vy", "access.vy", "layout.vy"),
)
TESTS = (
    *("clearinghouse", "clearinghouse_stateful", "clearinghouse_socialized", "clearinghouse_refusals"),
    *("clearinghouse_orders", "clearinghouse_threats", "clearinghouse_pool"),
)
"""The quickest to notice come first."""

TIMEOUT_S = 600

SWAPS = {
    " < ": " <= ",
    " <= ": " < ",
    " > ": " >= ",
    " >= ": " > ",
    " == ": " != ",
    " != ": " == ",
    " + ": " - ",
    " - ": " + ",
    " += ": " -= ",
    " -= ": " += ",
    " and ": " or ",
    " or ": " and ",
    "min(": "max(",
    "max(": "min(",
    "_up": "_down",
    "_down": "_up",
    " else 0": " else 1",
    "= -": "= ",
}
"""What is exchanged for what, one at a time."""


class Mutant(NamedTuple):
    """One line of a file, and what stands there instead."""

    file: str
    line: int
    was: str
    now: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.was.strip()}  ->  {self.now.strip()}"


def mutants(file: str, text: str) -> Iterator[Mutant]:
    """All mutants of a source, in the order of its lines."""
    for number, line in code(text):
        for now in changed(line):
            yield Mutant(file, number, line, now)


def code(text: str) -> Iterator[tuple[int, str]]:
    """Lines that do something, with their numbers: no comments, texts, declarations or decorators."""
    in_text, in_function = False, False
    for number, line in enumerate(text.splitlines(), 1):
        if line and not line.startswith(" "):
            in_function = line.startswith(("def ", ")")) and not line.startswith("def __init__")
        ends = line.count('"""')
        if ends or in_text:
            in_text = in_text != (ends % 2 == 1)
            continue
        if in_function and line.startswith("    ") and not line.lstrip().startswith(("#", "log ")):
            yield number, line


def changed(line: str) -> Iterator[str]:
    """The line with one thing wrong, for each thing that may be."""
    head, mark, comment = line.partition("  # ")
    if head.lstrip().startswith("assert ") and head.count("(") == head.count(")"):
        yield f"{head[: len(head) - len(head.lstrip())]}pass"
    reason = head.rfind(', "')
    body, rest = (head, "") if reason < 0 else (head[:reason], head[reason:])
    for was, now in SWAPS.items():
        for found in re.finditer(re.escape(was), body):
            yield body[: found.start()] + now + body[found.end() :] + rest + mark + comment


class Nursery:
    """A copy of the sources in which one mutant lives at a time."""

    def __init__(self, home: Path, tests: Sequence[str]) -> None:
        self._home, self._tests = home, tests
        shutil.copytree(ROOT / "src", home / "src", ignore=shutil.ignore_patterns("__pycache__"))

    def survives(self, mutant: Mutant) -> bool:
        """Whether all tests hold with the mutant in place."""
        path = self._home / CONTRACTS / mutant.file
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines()
        lines[mutant.line - 1] = mutant.now
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        try:
            return self.holds()
        finally:
            path.write_text(text, encoding="utf-8")

    def holds(self) -> bool:
        """Whether all tests hold on the copy as it is."""
        tests = [f"tests/chain/test_{name}.py" for name in self._tests]
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
        surroundings = os.environ | {
            "PYTHONPATH": str(self._home / "src"),
            "RINGFENCE_CACHE": str(self._home / "cache"),
        }
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=surroundings, capture_output=True, timeout=TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0


def main(arguments: list[str]) -> int:
    """Run the mutants of a sample; the number that survived decides the status."""
    parser = argparse.ArgumentParser(
        description="Mutants of the contracts, and which of them no test notices."
    )
    parser.add_argument("files", nargs="*", default=FILES)
    parser.add_argument("--sample", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tests", type=lambda names: names.split(","), default=TESTS)
    options = parser.parse_args(arguments)
    texts = {file: (ROOT / CONTRACTS / file).read_text(encoding="utf-8") for file in options.files}
    found = [mutant for file, text in texts.items() for mutant in mutants(file, text)]
    chosen = random.Random(options.seed).sample(found, min(options.sample, len(found)))  # noqa: S311 - a sample
    survivors = 0
    with TemporaryDirectory() as home:
        nursery = Nursery(Path(home), options.tests)
        for at, mutant in enumerate(chosen, 1):
            lives = nursery.survives(mutant)
            survivors += lives
            print(f"{at}/{len(chosen)} {'SURVIVES' if lives else 'noticed'} {mutant}", flush=True)
    print(f"{survivors} of {len(chosen)} mutants survive ({len(found)} in all)")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
