"""Which rules differ between two rulebooks, as far as they matter to a book's markets."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from ..errors import InputError
from ..venues.document import Value
from ..venues.model import Rulebook
from ..venues.page import UNKNOWN, words
from ..venues.symbols import ANY

UNSTATED = "not stated"

GROUPS = ("policy", "portfolio", "standard")
"""Tables of a rulebook that hold for all markets."""

NOT_RULES = frozenset({"margin", "base_decimals", "price_decimals", "step"})
"""Fields that name a table, or say how fine sizes and prices are."""

OWN_NAMES = frozenset({"pool", "modes"})
"""Fields whose words mean something on one venue alone."""


class RuleChange(Struct, frozen=True):
    """One rule before and after, in words, each with the source that its rulebook gives."""

    what: str
    before: str
    after: str
    source_before: str
    source_after: str


def rule_changes(before: Rulebook, after: Rulebook, markets: Iterable[str]) -> list[RuleChange]:
    """The rules of these markets, of the policy and over all positions that are not the same."""
    found = [change for market in markets for change in _market(before, after, market)]
    paths = dict.fromkeys(
        path for group in GROUPS for rulebook in (before, after) for path, _ in rulebook.values(group)
    )
    found += [change for path in paths if (change := _change(path, before, after, path, path)) is not None]
    return found


def _market(before: Rulebook, after: Rulebook, market: str) -> Iterator[RuleChange]:
    """Margin table and other fields of one market; grids and names of tables are no rules."""
    names = NOT_RULES if before.head.venue == after.head.venue else NOT_RULES | OWN_NAMES
    rows = [_fields(rulebook, market, names) for rulebook in (before, after)]
    for name in dict.fromkeys((*rows[0], *rows[1])):
        left, right = rows[0].get(name), rows[1].get(name)
        change = _change(f"{market}: {name}", before, after, left, right)
        if change is not None:
            yield change


def _fields(rulebook: Rulebook, market: str, but: frozenset[str]) -> dict[str, str]:
    """What a rulebook says about a market: the field, and the path of its value."""
    try:
        row = rulebook.symbol(market)
    except InputError:
        return {}
    row = row if row in rulebook.names("markets") else ANY
    table = rulebook.value(f"markets.{row}.margin")
    fields = {name: f"markets.{row}.{name}" for name in rulebook.names(f"markets.{row}")}
    fields = {name: path for name, path in fields.items() if name not in but}
    if not table.unknown:
        fields |= {name: f"margin.{table.value}.{name}" for name in rulebook.names(f"margin.{table.value}")}
    return fields


def _change(
    what: str, before: Rulebook, after: Rulebook, old: str | None, new: str | None
) -> RuleChange | None:
    """The change of one value, if its words differ."""
    left, right = _value(before, old), _value(after, new)
    was, becomes = (UNSTATED if value is None else words(value) for value in (left, right))
    if was == becomes:
        return None
    return RuleChange(what, was, becomes, _source(before, left), _source(after, right))


def _value(rulebook: Rulebook, path: str | None) -> Value | None:
    return None if path is None else rulebook.document.values.get(path)


def _source(rulebook: Rulebook, value: Value | None) -> str:
    if value is None or value.source not in rulebook.document.sources:
        return ""
    source = rulebook.document.sources[value.source]
    note = f"; {UNKNOWN}: {value.note}" if value.unknown else ""
    return f"{source.title} ({source.date}){note}"
