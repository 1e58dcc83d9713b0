"""Runs conformance vectors: does Ringfence agree with what the venues published, executed and showed.

Every case ends as passed, failed (ours, expected and tolerance side by side), unsupported (with the reason) or, where
its fields are not what its kind needs, unreadable (naming file, case and field): no case stops the others. Counts are
kept per venue and per class of provenance, because only what a venue published, executed or showed is conformance: a
number that somebody derived from a formula is a cross-check and is counted apart.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import import_module
from os import PathLike
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, Literal

import msgspec
from msgspec import Struct

from ..errors import InputError
from . import conformance
from .conformance.vectors import (
    Case,
    Mismatch,
    Ours,
    Provenance,
    RefusedError,
    Rule,
    Tolerance,
    UnsupportedError,
    compare,
    read_cases,
)

Status = Literal["passed", "failed", "unsupported", "unreadable"]

HEADLINE: tuple[Provenance, ...] = ("published", "executed", "live", "measured")
"""Classes that count as conformance."""

WRONG_ON_PURPOSE = "negative vector"
"""Words of a case's note that say that its expected value is a known mistake, which must not be reproduced."""


class Result(Struct, frozen=True):
    """What became of one case."""

    venue: str
    kind: str
    case: str
    provenance: Provenance
    source: str
    status: Status
    reason: str = ""
    mismatches: tuple[Mismatch, ...] = ()


class Counts(Struct, frozen=True):
    """How many cases ended how."""

    passed: int = 0
    failed: int = 0
    unsupported: int = 0
    unreadable: int = 0


class Report(Struct, frozen=True):
    """The outcome of a run; `failed` is zero when nothing disagreed."""

    results: tuple[Result, ...]

    @property
    def passed(self) -> int:
        """Cases that agree."""
        return self.counts().passed

    @property
    def failed(self) -> int:
        """Cases that disagree, whatever their provenance."""
        return self.counts().failed

    @property
    def unsupported(self) -> int:
        """Cases that need something that is not modelled."""
        return self.counts().unsupported

    @property
    def unreadable(self) -> int:
        """Cases whose fields are not what their kind needs."""
        return self.counts().unreadable

    @property
    def headline(self) -> Counts:
        """Counts of what venues published, executed or showed."""
        return self.counts(provenances=HEADLINE)

    def counts(self, venue: str | None = None, provenances: Sequence[Provenance] | None = None) -> Counts:
        """Counts of one venue (or all) and of some classes of provenance (or all)."""
        found = [
            result.status
            for result in self.results
            if venue in (None, result.venue) and (provenances is None or result.provenance in provenances)
        ]
        statuses: tuple[Status, ...] = ("passed", "failed", "unsupported", "unreadable")
        return Counts(*map(found.count, statuses))

    def table(self) -> list[tuple[str, Provenance, Counts]]:
        """Counts per venue and class of provenance, in the order of their names."""
        rows = sorted({(result.venue, result.provenance) for result in self.results})
        return [(venue, provenance, self.counts(venue, [provenance])) for venue, provenance in rows]

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {
            "passed": self.passed,
            "failed": self.failed,
            "unsupported": self.unsupported,
            "unreadable": self.unreadable,
            "headline": msgspec.to_builtins(self.headline),
            "venues": [
                {"venue": venue, "provenance": provenance, **msgspec.to_builtins(counts)}
                for venue, provenance, counts in self.table()
            ],
            "results": msgspec.to_builtins(self.results),
        }


def run(paths: Iterable[str | PathLike[str]]) -> Report:
    """Run files of cases (or folders of such files); raises `InputError` for a file that holds no cases."""
    return Report(tuple(_judged(case) for file in files(paths) for case in read_cases(file)))


def _judged(case: Case) -> Result:
    """The outcome of a case, also where it cannot be read."""
    try:
        return judge(case)
    except InputError as error:
        return _result(case, "unreadable", str(error))


def files(paths: Iterable[str | PathLike[str]]) -> list[Path]:
    """The files that `paths` name; a folder stands for its JSON files."""
    found: list[Path] = []
    for path in map(Path, paths):
        inside = sorted(path.glob("*.json")) if path.is_dir() else [path]
        if not inside:
            raise InputError(f"{path}: holds no JSON files")
        found += inside
    return found


def judge(case: Case) -> Result:
    """Ask our rules what a case asks, and compare; raises `InputError` for a case that cannot be read."""
    rules = kinds(case.venue)
    if not rules:
        return _result(case, "unsupported", f"no rulebook for {case.venue}")
    if case.kind not in rules:
        reasons: dict[str, str] = getattr(_module(case.venue), "UNSUPPORTED", {})
        return _result(
            case, "unsupported", reasons.get(case.kind, f"no rule for {case.kind} of {case.venue}")
        )
    try:
        return _compared(case, _answer(case, rules[case.kind]))
    except UnsupportedError as missing:
        return _result(case, "unsupported", str(missing))


def _answer(case: Case, rule: Rule) -> Ours:
    """What our rules say, and the venue's name for the error where they refuse."""
    try:
        return {"error": None, "no_error": True, **rule(case)}
    except RefusedError as refusal:
        return {"error": str(refusal), "no_error": False}


def kinds(venue: str) -> Mapping[str, Rule]:
    """The kinds of cases of a venue that are modelled, each with the function that answers it."""
    found: Mapping[str, Rule] = getattr(_module(venue), "KINDS", {})
    return found


@cache
def _module(venue: str) -> ModuleType | None:
    """The module of `conformance` that answers for a venue."""
    if not any(found.name == venue for found in iter_modules(conformance.__path__)):
        return None
    module = import_module(f"{conformance.__name__}.{venue}")
    return module if hasattr(module, "KINDS") else None


def _compared(case: Case, ours: Ours) -> Result:
    expected, published = case.body["expected"], case.body.get("published_value")
    mismatches = compare(expected, {**ours}, case.tolerance, "")
    if published is not None:
        mismatches += compare(published, {**ours}, case.tolerance, "published", rounded=True)
    unknown = sorted(expected.entries().keys() - ours.keys())
    if ours["error"] is not None and "error" not in expected.entries():
        mismatches = [Mismatch("error", str(ours["error"]), "nothing", str(Tolerance()))]
    elif unknown and all(mismatch.field in unknown for mismatch in mismatches):
        return _result(case, "unsupported", f"no value for {', '.join(unknown)}")
    if WRONG_ON_PURPOSE in _note(case):
        return _must_differ(case, expected.entries().keys(), mismatches)
    return _result(case, "failed" if mismatches else "passed", "", mismatches)


def _must_differ(case: Case, names: Iterable[str], mismatches: Sequence[Mismatch]) -> Result:
    """A case that states a mistake passes when none of its values is ours."""
    same = sorted({*names} - {mismatch.field for mismatch in mismatches})
    if same:
        return _result(case, "failed", f"reproduces what the case calls wrong: {', '.join(same)}")
    return _result(case, "passed", f"differs, as it must: {'; '.join(map(str, mismatches))}")


def _note(case: Case) -> str:
    note = case.body.get("note")
    return "" if note is None else note.text()


def _result(case: Case, status: Status, reason: str, mismatches: Iterable[Mismatch] = ()) -> Result:
    return Result(
        case.venue, case.kind, case.id, case.provenance, case.source, status, reason, tuple(mismatches)
    )
