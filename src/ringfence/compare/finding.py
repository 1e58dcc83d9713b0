"""What a measurement says of a claim, and the words that all measurements share.

A measurement is a function from the result document of a comparison, or `None` where there is none, to a `Finding`.
Importing its module enters it into `MEASUREMENTS` under its name, by which `claims.toml` refers to it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, get_args

from ..units import QUOTE_DECIMALS, format_fraction
from .measures import DEFINITIONS
from .reading import Document, Pair, modes, pairs, runs, values

Status = Literal["confirmed", "refuted", "depends", "undetermined", "not testable", "open"]
STATUSES: tuple[Status, ...] = get_args(Status)
Origin = Literal["engine", "rulebooks", "contracts", "comparison"]
Figures = Mapping[str, str]


@dataclass(frozen=True)
class Finding:
    """What a measurement says: a status, one sentence or two, and the figures they rest on."""

    status: Status
    verdict: str
    figures: Figures = field(default_factory=dict)
    depends_on: str = ""
    cells: Mapping[str, str] = field(default_factory=dict)
    """For a row of the feature matrix: what is measured for `isolated` and for `cross`."""


Measurement = Callable[[Document | None], Finding]


@dataclass(frozen=True)
class Measured:
    """A measurement and where its figures are from."""

    measure: Measurement
    origins: tuple[Origin, ...]


MEASUREMENTS: dict[str, Measured] = {}


def measurement(*origins: Origin) -> Callable[[Measurement], Measurement]:
    """Enter a function into the registry of measurements under its name."""

    def enter(function: Measurement) -> Measurement:
        MEASUREMENTS[function.__name__] = Measured(function, origins)
        return function

    return enter


def on_this_path(
    status: Status, verdict: str, figures: Figures, depends_on: str = "", *, by_construction: str = ""
) -> Finding:
    """A finding that rests on a comparison alone.

    One path confirms and refutes no general claim: such a status becomes *depends*. It stands only where the result
    holds `by_construction`, whose words say why it could not come out otherwise on any path.
    """
    words = f"On this path: {verdict}"
    if by_construction:
        return Finding(status, f"{words} By construction: {by_construction}", figures, depends_on)
    if status not in ("confirmed", "refuted"):
        return Finding(status, words, figures, depends_on)
    return Finding("depends", words, figures, depends_on or "the path, its population and seed")


NEEDS_RUNS = Finding("open", "Settled by a comparison that runs both isolated and cross margin in one frame.")


def number(value: Fraction, decimals: int = 2) -> str:
    """A number with thousands separated."""
    text = format_fraction(value, decimals)
    whole, point, rest = text.lstrip("-").partition(".")
    return f"{'-' if text.startswith('-') else ''}{int(whole):,}{point}{rest}"


def usd(amount_q: int) -> str:
    """Quote atoms as text with the unit."""
    return f"{number(Fraction(amount_q, 10**QUOTE_DECIMALS))} USD"


def span(found: Sequence[Fraction], unit: str) -> str:
    """A figure over all arms and layers in its unit: one value only where they agree."""
    if not found:
        return "not measured"
    times, shown = (100, "%") if unit == "share" else (1, "" if unit == "count" else unit)
    ends = dict.fromkeys(number(end * times) for end in (min(found), max(found)))
    return f"{' to '.join(ends)} {shown}".rstrip()


def by_mode(document: Document | None, *measures: str) -> dict[str, str]:
    """Measures of the comparison over arms and layers, one figure per measure and mode."""
    if document is None:
        return {}
    found, figures = runs(document), {}
    for measure in measures:
        what = DEFINITIONS[measure]
        for mode in modes(found):
            figures[f"{what.title}, {mode}"] = span(values(found, measure, mode), what.unit)
    return figures


def has_both(document: Document | None) -> bool:
    """Whether the comparison ran both modes that most claims are about."""
    return document is not None and {"isolated", "cross"} <= set(modes(runs(document)))


def isolated_and_cross(document: Document, measure: str) -> list[Pair]:
    """A measure of isolated (first) and cross (second), by arm and layer."""
    return pairs(document, measure, "isolated", "cross")


LONE = "no account has two positions here"
"""Why a comparison cannot tell the modes apart: they differ in what positions share."""


def no_two_positions(document: Document) -> bool:
    """Whether every account of the flow has one position, so that there is nothing to share."""
    return bool(document["flow"]["positions"] <= document["flow"]["accounts"])


def where_it_stands(
    measure: str, found: Sequence[Pair], lower: str = "isolated lower", higher: str = "isolated higher"
) -> str:
    """The map of where isolated is below, at and above cross, as text; `lower` and `higher` are its words."""
    sides = {lower: -1, "equal": 0, higher: 1}
    at = {side: where for side, sign in sides.items() if (where := choices_at(found, sign))}
    shown = (f"{side} {'everywhere' if len(at) == 1 else f'in {where}'}" for side, where in at.items())
    return f"{DEFINITIONS[measure].title}: {'; '.join(shown) or 'not measured'}."


def choices_at(found: Iterable[Pair], sign: int) -> str:
    """Choices at which a pair has this sign; the layer is named only where it matters."""
    by_choice: dict[str, dict[str, int]] = {}
    for pair in found:
        by_choice.setdefault(pair.choice, {})[pair.layer] = pair.sign
    names = []
    for choice, layers in by_choice.items():
        at = [layer for layer, own in layers.items() if own == sign]
        if at:
            names.append(choice if len(at) == len(layers) else f"{choice} ({', '.join(at)})")
    return ", ".join(names)
