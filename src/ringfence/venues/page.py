"""A rulebook as a page to be read: what its words mean, what it asks, what nobody knows, and where it is from.

The page is Markdown whose lines have at most 80 characters, but for words that are longer.
"""

import re
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

from ..errors import InputError, UnknownValueError
from ..units import format_fraction, parse_decimal, to_fraction
from .document import Value
from .leverage import leverage_text
from .model import Mode, Rulebook
from .portfolio import SCENARIOS
from .symbols import ANY

WIDTH = 80
UNKNOWN = "unknown"

PERCENT_DECIMALS = 6
PER_CENT = 100
"""Shares that need more digits as a percentage are written as they stand, with the percentage behind."""

SHOWN_DECIMALS = 2

GRIDS = frozenset({"margin", "base_decimals", "price_decimals", "step"})
"""Fields of markets that have a line of their own, or say no more than how fine sizes and prices are."""

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#])")
_LIST_MARK = re.compile(r"^(\s*)([-+>#]|\d+[.)])(\s|$)")


def page(rulebook: Rulebook, warnings: Iterable[str] = ()) -> str:
    """The whole page as Markdown."""
    blocks = [
        *_head(rulebook, warnings),
        *_section("Margin modes", _modes(rulebook)),
        *_section("Markets and what they ask", _markets(rulebook)),
        *_section("Collateral beside USDC", _assets(rulebook)),
        *_section("Margin of a whole portfolio", _values(rulebook, "portfolio")),
        *_section("Margin of options by themselves", _values(rulebook, "standard")),
        *_section("Policy", _values(rulebook, "policy")),
        *_section("The liquidation price it shows", _values(rulebook, "display")),
        *_section("Facts that the engine does not read", _values(rulebook, "facts")),
        *_section("Not known", _unknown(rulebook)),
        *_section("Sources", _sources(rulebook)),
    ]
    return "\n\n".join(blocks) + "\n"


def _head(rulebook: Rulebook, warnings: Iterable[str]) -> Iterator[str]:
    head = rulebook.head
    yield _paragraph(f"# {escaped(head.title)}")
    until = f" until {head.until}" if head.until else ""
    yield _paragraph(
        f"`{head.venue}@{head.version}`, in force since {head.since}{until}, compared with its sources on "
        f"{head.checked}."
    )
    yield _paragraph(
        "Words in brackets name a source below. A value without a remark was read in the venue's code, documents or "
        "answers; *executed*: its own code was run; *unconfirmed*: said somewhere, or inferred; *assumed*: chosen here."
    )
    for warning in warnings:
        yield _paragraph(f"**{escaped(warning)}.**")


def _section(title: str, items: Iterable[str]) -> Iterator[str]:
    """A section with its items as one list; nothing without items."""
    found = list(items)
    if found:
        yield f"## {title}"
        yield "\n".join(map(_item, found))


def _modes(rulebook: Rulebook) -> Iterator[str]:
    for mode in rulebook.modes().values():
        default = ", what a trader gets who does not choose" if mode.default else ""
        meaning = rulebook.value(f"modes.{mode.name}.meaning")
        yield f"**{escaped(mode.name)}**{default}: {escaped(mode.meaning)}. {_mode_words(mode)} {_origin(meaning)}"


def _mode_words(mode: Mode) -> str:
    judged = "Positions are judged together" if mode.shared else "Each position is judged alone"
    leaves = "margin can leave while it is open" if mode.removable else "no margin leaves while it is open"
    return f"{judged}; {leaves}."


def _markets(rulebook: Rulebook) -> Iterator[str]:
    """One item per margin table with the markets that have it."""
    groups: dict[str, list[str]] = {}
    for row in rulebook.names("markets"):
        value = rulebook.value(f"markets.{row}.margin")
        groups.setdefault(UNKNOWN if value.unknown else str(value.value), []).append(row)
    for table, rows in groups.items():
        names = ", ".join("every other market" if row == ANY else escaped(row) for row in rows)
        if table == UNKNOWN:
            yield f"**{names}**: margin {UNKNOWN}"
            continue
        margin = "; ".join(
            f"{path.rpartition('.')[2].replace('_', ' ')} {escaped(words(value))}"
            for path, value in rulebook.values(f"margin.{table}")
        )
        origin = _origin(next(value for _, value in rulebook.values(f"margin.{table}")))
        yield f"{names}: {_leverage(rulebook, rows[0])}; {margin} {origin}"
    yield from _market_details(rulebook)


def _leverage(rulebook: Rulebook, row: str) -> str:
    """The largest leverage by size."""
    try:
        shape = rulebook.market_of_row(row, row).requirement
    except UnknownValueError:
        return "largest leverage unknown"
    text = re.sub(r"\d{4,}", lambda found: f"{int(found[0]):,}", leverage_text(shape))
    return f"**{escaped(text)}**"


def _market_details(rulebook: Rulebook) -> Iterator[str]:
    """What else is said of markets, without grids: one item per field and value, the most common one last."""
    groups: dict[str, dict[str, list[Value]]] = {}
    for path, value in rulebook.values("markets"):
        name = path.rpartition(".")[2]
        if name not in GRIDS:
            groups.setdefault(name, {}).setdefault(escaped(words(value)), []).append(value)
    total = len(rulebook.names("markets"))
    for name, by_text in groups.items():
        for text, values in sorted(by_text.items(), key=lambda item: len(item[1])):
            origins = dict.fromkeys(_origin(value) for value in values)
            if len(values) == total:
                who = "all markets"
            elif len(values) > total // 2:
                who = "all others"
            else:
                who = ", ".join(escaped(value.path.split(".")[1]) for value in values)
            yield f"`{name}` {text} for {who} {' '.join(origins)}"


def _assets(rulebook: Rulebook) -> Iterator[str]:
    for asset in rulebook.names("assets"):
        fields = "; ".join(
            f"{path.rpartition('.')[2].replace('_', ' ')} {escaped(words(value))}"
            for path, value in rulebook.values(f"assets.{asset}")
            if not path.endswith("decimals")
        )
        origin = _origin(next(value for _, value in rulebook.values(f"assets.{asset}")))
        yield f"**{escaped(asset)}**: {fields} {origin}"


def _values(rulebook: Rulebook, group: str) -> Iterator[str]:
    for path, value in rulebook.values(group):
        if not value.unknown:
            name = path.removeprefix(f"{group}.")
            note = f": {escaped(value.note)}" if value.note else ""
            yield f"`{name}` {escaped(words(value))}{note} {_origin(value)}"


def _unknown(rulebook: Rulebook) -> Iterator[str]:
    for path, value in rulebook.values():
        if value.unknown:
            yield f"`{path}`: {escaped(value.note)} {_origin(value)}"


def _sources(rulebook: Rulebook) -> Iterator[str]:
    for source in rulebook.document.sources.values():
        yield f"**{escaped(source.key)}**, {source.date}: {escaped(source.title)}"


def _origin(value: Value) -> str:
    """Source and confidence of a value, in brackets."""
    sure = "" if value.confidence == "confirmed" else f", *{value.confidence}*"
    return f"({escaped(value.source)}{sure})"


# -- words ---------------------------------------------------------------------------------------------------------


def words(value: Value) -> str:
    """What a value holds, as people write it: percentages, amounts with their unit, yes and no."""
    return UNKNOWN if value.unknown else _written(value.value, value.unit)


def _written(raw: Any, unit: str) -> str:  # noqa: ANN401 - as the file has it
    match raw:
        case bool():
            return "yes" if raw else "no"
        case list() if unit == SCENARIOS:
            return _moves(raw)
        case list():
            return _rows(raw, unit) if any(isinstance(row, dict) for row in raw) else _listed(raw)
        case dict():
            return ", ".join(f"{name} {_written(item, '')}" for name, item in raw.items())
    if unit == "share":
        return percent(raw)
    if unit in {"choice", "direction"}:
        return str(raw).replace("_", " ")
    if unit in {"name", "text", "decimals", ""}:
        return str(raw)
    return _number(raw) if unit == "number" else f"{_number(raw)} {unit}"


def _listed(raw: list[Any]) -> str:
    return ", ".join(str(item).replace("_", " ") for item in raw) if raw else "none"


def _moves(rows: list[dict[str, Any]]) -> str:
    """Scenarios by price: `price x 1.1 with volatility up, none; price x 2 with volatility up, of which 1 % counts`."""
    found: dict[tuple[Any, Any], list[str]] = {}
    for row in rows:
        found.setdefault((row["price"], row.get("weight", 1)), []).append(row["vol"])
    told = []
    for (price, weight), vols in found.items():
        counted = "" if to_fraction(weight, "") == 1 else f", of which {percent(weight)} counts"
        told.append(f"price x {price} with volatility {', '.join(vols)}{counted}")
    return "; ".join(told)


def _rows(rows: list[dict[str, Any]], unit: str) -> str:
    """Rows of a table: `from 0: initial 2.5 %, maintenance 1.25 %`."""
    bound = " USD" if unit == "tiers" else ""
    told = []
    for row in rows:
        rates = {name: percent(rate) for name, rate in row.items() if name != "lower"}
        named = (
            list(rates.values()) if len(rates) == 1 else [f"{name} {rate}" for name, rate in rates.items()]
        )
        lower = _number(row.get("lower", "0"))
        text = ", ".join(named)
        told.append(text if len(rows) == 1 and lower == "0" else f"from {lower}{bound} {text}")
    return "; ".join(told)


def percent(raw: object) -> str:
    """A share as a percentage; as it is written where that would not be exact, with the rounded one behind it."""
    try:
        exact = to_fraction(raw, "")
    except InputError:
        return str(raw)
    scaled = exact * PER_CENT
    if (scaled * 10**PERCENT_DECIMALS).denominator == 1:
        return f"{format_fraction(scaled, PERCENT_DECIMALS)} %"
    rounded = format_fraction(scaled, SHOWN_DECIMALS)
    return str(raw) if rounded == "0" else f"{raw} ({rounded} %)"


def _number(raw: object) -> str:
    """A number with its thousands apart; anything else as it is."""
    try:
        return f"{parse_decimal(raw, ''):,f}"
    except InputError:
        return str(raw)


# -- Markdown ------------------------------------------------------------------------------------------------------


def escaped(text: str) -> str:
    """Text in which nothing is markup."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _paragraph(text: str) -> str:
    return _wrapped(text, "", "")


def _item(text: str) -> str:
    return _wrapped(text, "- ", "  ")


def _wrapped(text: str, first: str, other: str) -> str:
    """Text in lines of at most `WIDTH` characters, none of which begins like an item of a list."""
    lines = textwrap.wrap(
        text.rstrip(),
        WIDTH,
        initial_indent=first,
        subsequent_indent=other,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join([*lines[:1], *(_LIST_MARK.sub(r"\1\\\2\3", line) for line in lines[1:])])
