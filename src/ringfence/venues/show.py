"""Rulebooks for people and programs to read: plain rows under column names, and structures that JSON holds."""

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import msgspec

from ..clearing.policy import (
    CostShare,
    OpenInterestScaled,
    Requirement,
    RootScaled,
    SkewScaled,
    Step,
    Stepped,
    Tiered,
)
from ..clearing.shapes import lowest_initial
from ..errors import UnknownValueError
from ..units import QUOTE_DECIMALS, format_atoms, format_fraction
from .document import Source, Value
from .model import Mode, Rulebook
from .rulebook import RulebookInfo

Row = tuple[str, ...]

RULEBOOKS: Row = ("venue", "version", "since", "until", "checked", "markets", "title")
MODES: Row = ("mode", "positions are judged", "margin can leave", "meaning")
MARKETS: Row = (
    "market",
    "maximum leverage",
    "pool",
    "modes",
    "size decimals",
    "price decimals",
    "confidence",
)
VALUES: Row = ("path", "value", "unit", "since", "confidence", "source", "note")
SOURCES: Row = ("source", "date", "title")

UNKNOWN = "unknown"


def rulebook_rows(infos: Iterable[RulebookInfo]) -> list[Row]:
    """One row per rulebook of the library."""
    return [(i.venue, i.version, i.since, i.until or "", i.checked, str(i.markets), i.title) for i in infos]


def mode_rows(rulebook: Rulebook) -> list[Row]:
    """What the venue's words for margin modes mean."""
    return [_mode_row(mode) for mode in rulebook.modes().values()]


def _mode_row(mode: Mode) -> Row:
    name = f"{mode.name} (default)" if mode.default else mode.name
    return (name, "together" if mode.shared else "alone", "yes" if mode.removable else "no", mode.meaning)


def market_rows(rulebook: Rulebook) -> list[Row]:
    """One row per market, the one that stands for all others last."""
    return [_market_row(rulebook, row) for row in rulebook.names("markets")]


def _market_row(rulebook: Rulebook, row: str) -> Row:
    margin = rulebook.value(f"markets.{row}.margin")
    try:
        leverage = leverage_text(rulebook.margin_table(rulebook.ask(margin.path)))
    except UnknownValueError:
        leverage = UNKNOWN
    cells = (
        _cell(rulebook.value(f"markets.{row}.{name}")) for name in ("pool", "base_decimals", "price_decimals")
    )
    pool, sizes, prices = cells
    return (row, leverage, pool, ", ".join(rulebook.row_modes(row)), sizes, prices, margin.confidence)


def leverage_text(shape: Requirement) -> str:
    """Maximum leverage by notional: `40x, 20x from 150000000`."""
    if isinstance(shape, Tiered):
        return ", ".join(_times(t.initial_num, shape.den, _usd(t.lower_q)) for t in shape.tiers)
    if isinstance(shape, Stepped):
        by_size = shape.by == "size"
        return ", ".join(
            _times(s.initial_num, shape.den, "" if by_size else _usd(s.lower)) for s in _ends(shape, by_size)
        )
    first = lowest_initial(shape)
    text = _times(first.numerator, first.denominator)
    if isinstance(shape, OpenInterestScaled) and shape.upper_q:
        return f"{text}, falling to 1x as open interest grows from {_usd(shape.lower_q)} to {_usd(shape.upper_q)}"
    if isinstance(shape, SkewScaled | RootScaled):
        return f"{text}, falling with size"
    return f"{text} of the cost" if isinstance(shape, CostShare) else text


def _ends(shape: Stepped, by_size: bool) -> tuple[Step, ...]:
    """All steps by notional; of those by size, which mean nothing without the market, the first and the last."""
    return (shape.steps[0], shape.steps[-1]) if by_size and len(shape.steps) > 1 else shape.steps


def _usd(amount_q: int) -> str:
    return format_atoms(amount_q, QUOTE_DECIMALS) if amount_q else ""


def _times(num: int, den: int, since: str = "") -> str:
    leverage = f"{format_fraction(Fraction(den, num), 2)}x" if num else "unlimited"
    return f"{leverage} from {since}" if since else leverage


def value_rows(rulebook: Rulebook, under: str = "") -> list[Row]:
    """One row per value, or per value below a path such as `policy`."""
    return [
        (path, _cell(value), value.unit, value.since, value.confidence, value.source, value.note)
        for path, value in rulebook.values(under)
    ]


def source_rows(rulebook: Rulebook) -> list[Row]:
    """The sources that the values name."""
    return [(source.key, source.date, source.title) for source in rulebook.document.sources.values()]


def _cell(value: Value) -> str:
    return UNKNOWN if value.unknown else _text(value.value)


def _text(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_text, value)) if value else "none"
    if isinstance(value, dict):
        return "(" + " ".join(f"{name} {_text(item)}" for name, item in value.items()) + ")"
    return str(value)


def rulebooks_as_json(infos: Iterable[RulebookInfo]) -> list[dict[str, Any]]:
    """The library as JSON can hold it."""
    return [msgspec.to_builtins(info) for info in infos]


def rulebook_as_json(rulebook: Rulebook, warnings: Iterable[str] = ()) -> dict[str, Any]:
    """A rulebook as JSON can hold it: head, warnings, sources and all values, each with its source and date."""
    sources: Iterable[Source] = rulebook.document.sources.values()
    return {
        **msgspec.to_builtins(rulebook.head),
        "warnings": list(warnings),
        "sources": {source.key: {"title": source.title, "date": source.date} for source in sources},
        "values": [msgspec.to_builtins(value) for _, value in rulebook.values()],
    }
