"""Words of the report: HTML that escapes by construction, and figures short enough for a page.

Whatever is not `Html` already is escaped when it enters an element, so that a name from a user's file stays a name.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from math import floor, log10
from typing import Any

DASH = "–"
MINUS = "−"
NOTHING = "not measured"
_SIZES = ((1e9, "B"), (1e6, "M"), (1e3, "k"))
_VOID = frozenset({"input"})
GLYPHS = ("●", "■", "◆", "▲", "▼", "★")
"""A shape beside every color, by the order of modes."""

Definitions = Mapping[str, Mapping[str, str]]


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def markup(child: str) -> Html:
    """A child of an element: `Html` as it is, all other text escaped."""
    return child if isinstance(child, Html) else Html(escape(child))


def join(children: Iterable[str]) -> Html:
    """Children one after the other."""
    return Html("".join(map(markup, children)))


def tag(name: str, *children: str, **attributes: str) -> Html:
    """An element. `class_` stands for `class`, `data_x` for `data-x`; an empty value leaves the attribute out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(text)}"' for key, text in attributes.items() if text
    )
    if name in _VOID:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{join(children)}</{name}>")


def coded(text: str) -> list[str]:
    """Text in which what stands between backticks is code."""
    return [tag("code", part) if at % 2 else part for at, part in enumerate(text.split("`"))]


def section(anchor: str, title: str, *children: str) -> Html:
    """A section that the list of contents can point to."""
    return tag(
        "section",
        tag("h2", title, id=f"{anchor}-title"),
        *children,
        id=anchor,
        aria_labelledby=f"{anchor}-title",
    )


def details(summary: str, *children: str) -> Html:
    """A part that opens on demand."""
    return tag("details", tag("summary", summary), *children)


def table(
    caption: str, head: Sequence[Html], body: Iterable[Html], foot: Sequence[Html] = (), class_: str = ""
) -> Html:
    """A table that scrolls inside its own frame where it is wider than the page."""
    parts = [tag("caption", caption), tag("thead", *head), tag("tbody", *body)]
    if foot:
        parts.append(tag("tfoot", *foot))
    return tag(
        "div",
        tag("table", *parts, class_=class_),
        class_="scroll",
        tabindex="0",
        role="region",
        aria_label=caption,
    )


def row(*cells: Html) -> Html:
    """A row of a table."""
    return tag("tr", *cells)


def column(*text: str, span: int = 1, class_: str = "") -> Html:
    """Head of a column, or of several."""
    return tag(
        "th",
        *text,
        scope="colgroup" if span > 1 else "col",
        colspan=str(span) if span > 1 else "",
        class_=class_,
    )


def label(*text: str, class_: str = "") -> Html:
    """Head of a row."""
    return tag("th", *text, scope="row", class_=class_)


def cell(*text: str, class_: str = "") -> Html:
    """A figure in a table."""
    return tag("td", *text, class_=class_)


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
