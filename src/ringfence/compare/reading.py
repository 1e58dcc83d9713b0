"""Reading the result document of a comparison: runs, measures, and two modes set side by side over every choice.

A mode without separate subaccounts has fewer arms than one with them, because some would be the same run. `pairs` puts
the run that stands for an arm beside it, so that what is compared always had the same flow, equity and choices.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from ..units import to_fraction

Document = dict[str, Any]
Run = Mapping[str, Any]

FRAME = "identical"
"""The frame in which modes differ in nothing but the partition; verdicts on modes are read from it alone."""
STAND_IN = "c"
"""The arm whose run stands for arms that a mode has no run of its own for."""
OUTSIDE = "b"
"""The arm in which idle equity is kept outside the venue."""
COUNTS_IDLE = frozenset({"extra_notional"})
"""Measures that count idle equity on the venue: the stand-in has it there, arm b would not."""

Order = Literal["lower", "higher", "equal", "flips"]


@dataclass(frozen=True)
class Pair:
    """One measure of two modes under the same choices: `choice` is `arm c` or what the sensitivity analysis varied."""

    choice: str
    layer: str
    first: Fraction
    second: Fraction

    @property
    def sign(self) -> int:
        """Of the first less the second."""
        return (self.first > self.second) - (self.first < self.second)


def runs(document: Document, frame: str = FRAME) -> list[Run]:
    """The base runs of a frame."""
    return [run for run in document.get("runs", ()) if run["frame"] == frame]


def frames(document: Document) -> list[str]:
    """Frames in the order of the runs."""
    return list(dict.fromkeys(run["frame"] for run in document.get("runs", ())))


def modes(found: Iterable[Run]) -> list[str]:
    """Modes in the order of the runs."""
    return list(dict.fromkeys(run["mode"] for run in found))


def layers(found: Iterable[Run]) -> list[str]:
    """Layers in the order of the runs."""
    return list(dict.fromkeys(run["layer"] for run in found))


def value(run: Run, measure: str) -> Fraction | None:
    """A figure of a run, `None` where the run does not have it."""
    text = run["measures"].get(measure)
    return None if text is None else to_fraction(text, measure)


def values(found: Iterable[Run], measure: str, mode: str) -> list[Fraction]:
    """A figure in every run of a mode."""
    return [at for run in found if run["mode"] == mode and (at := value(run, measure)) is not None]


def pairs(document: Document, measure: str, first: str, second: str, frame: str = FRAME) -> list[Pair]:
    """A measure of two modes beside each other, by arm and layer."""
    found = runs(document, frame)
    by_choice = {(run["mode"], run["arm"], run["layer"]): run for run in found}
    arms = sorted({run["arm"] for run in found if run["mode"] in (first, second)})

    def stands_for(mode: str, arm: str, layer: str) -> Run | None:
        if (mode, arm, layer) not in by_choice and arm == OUTSIDE and measure in COUNTS_IDLE:
            return None
        return by_choice.get((mode, arm, layer), by_choice.get((mode, STAND_IN, layer)))

    return list(
        _pairs(
            measure,
            (
                (f"arm {arm}", layer, stands_for(first, arm, layer), stands_for(second, arm, layer))
                for arm in arms
                for layer in layers(found)
            ),
        )
    )


def varied_pairs(document: Document, measure: str, first: str, second: str) -> list[Pair]:
    """The same for the sensitivity analysis: one thing changed at a time, named in `choice`."""
    rows = [row for row in document.get("sensitivity", ()) if row["frame"] == FRAME]
    by_choice = {(row["mode"], row["arm"], row["layer"], row["varied"]): row for row in rows}
    choices = dict.fromkeys((row["arm"], row["layer"], row["varied"]) for row in rows)
    return list(
        _pairs(
            measure,
            (
                (varied, layer, by_choice.get((first, *key)), by_choice.get((second, *key)))
                for key in choices
                for _, layer, varied in (key,)
            ),
        )
    )


def _pairs(measure: str, found: Iterable[tuple[str, str, Run | None, Run | None]]) -> Iterator[Pair]:
    for choice, layer, left, right in found:
        if left is None or right is None:
            continue
        first, second = value(left, measure), value(right, measure)
        if first is not None and second is not None:
            yield Pair(choice, layer, first, second)


def order(found: Sequence[Pair]) -> Order:
    """Where the first mode stands beside the second in all pairs; `flips` when it is now below, now above."""
    signs = {pair.sign for pair in found}
    if {-1, 1} <= signs:
        return "flips"
    if -1 in signs:
        return "lower"
    return "higher" if 1 in signs else "equal"
