"""Words of the report: modes and measures with their marks, and figures short enough for a page."""

from collections.abc import Mapping, Sequence
from math import floor, log10
from typing import Any

from ..html import Html, join, tag

DASH = "–"
MINUS = "−"
NOTHING = "not measured"
_SIZES = ((1e9, "B"), (1e6, "M"), (1e3, "k"))
GLYPHS = ("●", "■", "◆", "▲", "▼", "★")
"""A shape beside every color, by the order of modes."""

Definitions = Mapping[str, Mapping[str, str]]


def mode_name(mode: str, modes: Sequence[str]) -> Html:
    """A mode with its shape in its color."""
    at = modes.index(mode)
    mark = tag("span", GLYPHS[at % len(GLYPHS)], class_=f"glyph mode-{at % len(GLYPHS)}", aria_hidden="true")
    return join((mark, " ", mode))


def term(name: str, definitions: Definitions) -> Html:
    """Title of a measure; pointing at it or tapping it shows its definition, which stands in the glossary."""
    return tag(
        "button", definitions[name]["title"], type="button", class_="term", aria_describedby=f"def-{name}"
    )


# -- figures --------------------------------------------------------------------------------------------------------


def short(text: str, unit: str, digits: int = 3) -> str:
    """A figure to `digits` significant digits, in its unit's usual form; the JSON has all digits."""
    value = float(text)
    if unit == "count":
        return _plain(value, 0)
    size, suffix = (0.01, "%") if unit == "share" else _size(value)
    shown = value / size
    places = digits - 1 - floor(log10(abs(shown))) if shown else 0
    return f"{_plain(shown, min(max(places, 0), 6))} {suffix}".rstrip()


def _size(value: float) -> tuple[float, str]:
    """The power of ten that an amount is written in."""
    return next((each for each in _SIZES if abs(value) >= each[0]), (1.0, ""))


def _plain(value: float, places: int) -> str:
    """A number with so many decimal places, thousands separated, without trailing zeros."""
    text = f"{abs(value):,.{places}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    if text == "0" and value:
        text = "<0.000001"
    return f"{MINUS if value < 0 else ''}{text}"


def span(texts: Sequence[str], unit: str) -> str:
    """One figure where all choices agree, else the range, with as many digits as tell its ends apart."""
    ends = list(dict.fromkeys(texts))
    if not ends:
        return NOTHING
    if len(ends) == 1:
        return short(ends[0], unit)
    for digits in range(3, 10):
        first, last = short(ends[0], unit, digits), short(ends[-1], unit, digits)
        if first != last:
            return _range(first, last)
    return short(ends[0], unit)


def _range(first: str, last: str) -> str:
    """A range that states a common suffix once."""
    left, _, suffix = first.rpartition(" ")
    if left and last.endswith(f" {suffix}"):
        first = left
    return f"{first} {DASH} {last}"


def unit_note(unit: str) -> str:
    """The unit as it is written beside a title; shares carry their sign with them."""
    return "" if unit in ("share", "count") else unit


def headline(document: Mapping[str, Any], frame: str, mode: str, measure: str) -> list[str]:
    """Least and most over arms and layers, or the one value."""
    found: list[str] = document["headline"].get(frame, {}).get(mode, {}).get(measure, [])
    return found
