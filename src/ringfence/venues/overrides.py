"""A rulebook with a few values changed: `hyperliquid{BTC.maxLeverage=20, policy.liquidation.portion=0.5}`.

What would be, if a venue decided otherwise. A change names a value by its path in the rulebook, a market's value by the
market alone (`BTC.margin=3`), or a market's largest leverage (`BTC.maxLeverage=20`), which gives that market a margin
table of its own. The result is checked like any rulebook and says in its name what was changed.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from msgspec.structs import replace

from ..errors import InputError
from ..units import to_fraction
from .check import checked_rulebook, fields_of
from .document import GROUPS, Document, Source, Value
from .model import Rulebook
from .rulebook import load
from .symbols import ANY
from .tables import STEPS, TIERS

CHANGED = "changed"
"""Key of the source of every value that was changed."""

MAX_LEVERAGE = "maxLeverage"
TEXT_UNITS = frozenset({"name", "text", "choice", "direction", "base"})
"""Units whose values stay text even where they look like numbers."""

RATE_PAIRS = (
    ("initial", "maintenance"),
    ("long_initial", "long_maintenance"),
    ("short_initial", "short_maintenance"),
    ("cost_initial", "cost_maintenance"),
)
"""Initial margin rates and what goes with each, in the shapes that have no rows."""

_SPEC = re.compile(r"(?P<name>[^{}]*)(?:\{(?P<changes>[^{}]*)\})?")
_SEPARATOR = re.compile(r",(?![^\[]*\])")
_LIST = re.compile(r"\[[^\[\]]*\]")
_ROW = re.compile(r"(?P<path>.+)\[(?P<at>\d{1,3})\]\.(?P<name>\w+)")


def load_spec(spec: str) -> Rulebook:
    """A rulebook by name or path, with the changes that stand in braces behind it.

    Raises `InputError` for a name or path that is not there, with the nearest one, and for a change after which the
    rulebook would not be valid.
    """
    name, changes = split(spec)
    rulebook = load(name)
    return changed(rulebook, changes) if changes else rulebook


def split(spec: str) -> tuple[str, tuple[str, ...]]:
    """The name of a rulebook and the changes behind it, each `PATH=VALUE`."""
    match = _SPEC.fullmatch(spec.strip())
    changes = match and match["changes"]
    if match is None or changes == "":
        raise InputError(f"{spec}: expected NAME, or NAME{{PATH=VALUE, ...}} with at least one change")
    return match["name"].strip(), tuple(part.strip() for part in _SEPARATOR.split(changes or "") if changes)


def changed(rulebook: Rulebook, changes: Iterable[str]) -> Rulebook:
    """The rulebook after all `changes` (`PATH=VALUE`), made one after the other."""
    written = tuple(changes)
    label = ", ".join(written)
    paths: set[str] = set()
    for change in written:
        path, equals, text = (part.strip() for part in change.partition("="))
        if not (equals and path and text):
            example = f"BTC.{MAX_LEVERAGE}=20"
            raise InputError(f"{rulebook.name}: {change!r}: expected PATH=VALUE, such as {example}")
        if set("[]") & set(_LIST.sub("", text)):
            raise InputError(f"{rulebook.name}: {change!r}: a list stands between [ and ]")
        path = _full_path(rulebook, path)
        if path in paths:
            raise InputError(f"{rulebook.name}: {path}: changed twice")
        paths.add(path)
        rulebook = _with(rulebook, _changed_values(rulebook, path, text))
    head, document = rulebook.head, rulebook.document
    head = replace(head, version=f"{head.version}{{{label}}}")
    sources = {
        **document.sources,
        CHANGED: Source(CHANGED, f"changed for the question: {label}", head.checked),
    }
    return checked_rulebook(Document(f"{document.file}{{{label}}}", head, sources, document.values))


def is_changed(rulebook: Rulebook, market: str) -> bool:
    """Whether the margin rule of a market is not that of the rulebook's file."""
    row = market if market in rulebook.names("markets") else ANY
    path = f"markets.{row}.margin"
    if CHANGED not in rulebook.document.sources or path not in rulebook.document.values:
        return False
    table = (value for _, value in rulebook.values(f"margin.{rulebook.value(path).value}"))
    return any(value.source == CHANGED for value in (rulebook.value(path), *table))


def _with(rulebook: Rulebook, values: Mapping[str, Value]) -> Rulebook:
    document = rulebook.document
    return Rulebook(replace(document, values={**document.values, **values}))


def _changed_values(rulebook: Rulebook, path: str, text: str) -> dict[str, Value]:
    """What one change puts in the place of values, or adds."""
    group, _, rest = path.partition(".")
    if group == "facts":
        raise InputError(f"{rulebook.name}: {path}: a fact for readers; nothing would be different")
    market, _, name = rest.rpartition(".")
    if group == "markets" and name == MAX_LEVERAGE:
        return _max_leverage(rulebook, market, text)
    if row := _ROW.fullmatch(path):
        return _changed_row(rulebook, row["path"], int(row["at"]), row["name"], text)
    old = _value_at(rulebook, path)
    return {path: _to(old, _written(text, old.unit))}


def _full_path(rulebook: Rulebook, path: str) -> str:
    """The path with the group in front that a market's own name leaves out."""
    first, _, rest = path.partition(".")
    if first in GROUPS or not rest:
        return path
    try:
        market = rulebook.symbol(first)
    except InputError:
        raise _no_such(rulebook, path) from None
    return f"markets.{market}.{rest}"


def _value_at(rulebook: Rulebook, path: str) -> Value:
    """The value that a path names; a field that the file leaves out counts as unknown."""
    if path in rulebook.document.values:
        return rulebook.document.values[path]
    table, _, name = path.rpartition(".")
    field = fields_of(rulebook, table).get(name)
    if field is None:
        raise _no_such(rulebook, path)
    since = rulebook.head.since
    return Value(path, None, True, field.unit, since, CHANGED, "assumed", "")


def _no_such(rulebook: Rulebook, path: str) -> InputError:
    if names := rulebook.names(path):
        some = ", ".join(f"{path}.{name}" for name in names[:3])
        return InputError(f"{rulebook.name}: {path}: a table; name one of its values, such as {some}")
    table = path.rpartition(".")[0]
    short = [f"{table}.{MAX_LEVERAGE}"] if table.startswith("markets.") else []
    near = difflib.get_close_matches(path, [*rulebook.document.values, *short], n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"`ringfence venues {rulebook.head.venue}` lists them"
    return InputError(f"{rulebook.name}: {path}: there is no such value; {hint}")


def _to(old: Value, value: Any) -> Value:  # noqa: ANN401
    """The value in the place of another."""
    return replace(old, value=value, unknown=False, source=CHANGED, confidence="assumed", note="")


def _written(text: str, unit: str) -> Any:  # noqa: ANN401
    """What a file would hold for `text`: a flag, a list, a whole number, else the text, which the field then reads."""
    if unit == "flag":
        return {"true": True, "false": False}.get(text.lower(), text)
    if unit == "list":
        inner = text.removeprefix("[").removesuffix("]")
        return [word.strip() for word in inner.split(",") if word.strip()]
    if unit not in TEXT_UNITS and re.fullmatch(r"-?\d{1,18}", text):
        return int(text)
    return text


def _changed_row(rulebook: Rulebook, path: str, at: int, name: str, text: str) -> dict[str, Value]:
    """One field of one row of a table, such as `margin.56.tiers[0].initial`."""
    if path not in rulebook.document.values:
        raise _no_such(rulebook, path)
    old, rows = rulebook.value(path), rulebook.ask(path)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{rulebook.name}: {path}: has no rows")
    if at >= len(rows):
        raise InputError(f"{rulebook.name}: {path}[{at}]: there are {len(rows)} rows, the first is [0]")
    if name not in rows[at]:
        raise InputError(f"{rulebook.name}: {path}[{at}].{name}: a row has {', '.join(rows[at])}")
    return {path: _to(old, [{**row, name: text} if here == at else row for here, row in enumerate(rows)])}


# -- largest leverage -------------------------------------------------------------------------------------------------


def _max_leverage(rulebook: Rulebook, symbol: str, text: str) -> dict[str, Value]:
    """A margin table for one market alone in which no position may have more leverage.

    The first row gets exactly this leverage and further ones at most this; each keeps the ratio of its maintenance
    margin to its initial margin, so that where the one is half of the other it stays half.
    """
    market = rulebook.symbol(symbol)
    where = f"{rulebook.name}: {market}.{MAX_LEVERAGE}"
    leverage = to_fraction(text, where)
    if leverage < 1:
        raise InputError(f"{where}: expected a leverage of at least 1, got {text}")
    row = market if market in rulebook.names("markets") else ANY
    table = str(rulebook.ask(f"markets.{row}.margin"))
    own = f"{table} for {market}"
    values = {
        path.replace(f"margin.{table}.", f"margin.{own}.", 1): value
        for path, value in rulebook.values(f"margin.{table}")
    }
    values = {path: replace(value, path=path) for path, value in values.items()}
    values |= _at_leverage(values, f"margin.{own}", 1 / leverage, where)
    for path, value in list(rulebook.values(f"markets.{row}")):
        name = path.rpartition(".")[2]
        mine = replace(value, path=f"markets.{market}.{name}")
        values[mine.path] = _to(mine, own) if name == "margin" else mine
    return values


def _at_leverage(values: Mapping[str, Value], table: str, least: Fraction, where: str) -> dict[str, Value]:
    """The changed values of a margin table whose initial margin rate is `least`, or at least that in later rows."""
    found: dict[str, Value] = {}
    for name in (TIERS, STEPS):
        if (value := values.get(f"{table}.{name}")) is not None and not value.unknown:
            found[value.path] = _to(value, _rows_at_least(value.value, least, where))
    for initial, maintenance in RATE_PAIRS:
        if (value := values.get(f"{table}.{initial}")) is None or value.unknown:
            continue
        found[value.path] = _to(value, str(least))
        if (kept := values.get(f"{table}.{maintenance}")) is not None and not kept.unknown:
            found[kept.path] = _to(kept, str(least * _ratio(value.value, kept.value, where)))
    if not found:
        raise InputError(f"{where}: its initial margin rate is not known")
    return found


def _rows_at_least(rows: list[dict[str, Any]], least: Fraction, where: str) -> list[dict[str, Any]]:
    """Rows of a margin table with the least initial rate; rates keep rising."""
    found = []
    floor = Fraction(0)
    for at, row in enumerate(rows):
        rate = to_fraction(row["initial"], where)
        initial = max(rate, least) if at else least
        floor = max(floor, initial * _ratio(row["initial"], row["maintenance"], where))
        found.append({**row, "initial": str(initial), "maintenance": str(floor)})
    return found


def _ratio(initial: Any, maintenance: Any, where: str) -> Fraction:  # noqa: ANN401
    """Maintenance margin as a share of initial margin."""
    whole = to_fraction(initial, where)
    if whole == 0:
        raise InputError(f"{where}: there is no initial margin that could be scaled")
    return to_fraction(maintenance, where) / whole
