"""A rulebook file as written: its head, its sources, and every value with unit, date, source and confidence.

A value is a bare scalar or array, or a table with `value = ...` (or `unknown = true`) and whatever differs from the
`defaults` of the tables around it. Nothing here knows what a value is for; `fields` gives it a meaning.
"""

import re
import tomllib
from collections.abc import Iterator
from datetime import date
from typing import Any, Literal, TypeVar, get_args

import msgspec
from msgspec import Struct

from ..errors import InputError

Confidence = Literal["confirmed", "executed", "unconfirmed", "assumed"]
"""confirmed: read in the venue's code, documents or answers; executed: its unmodified code was run; unconfirmed: said
somewhere or inferred; assumed: chosen here, no fact about any venue."""

CONFIDENCES: tuple[str, ...] = get_args(Confidence)

GROUPS = ("modes", "display", "policy", "portfolio", "standard", "margin", "markets", "assets", "facts")
"""The tables of a rulebook that hold values."""


T = TypeVar("T")

_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?")


class Source(Struct, frozen=True):
    """Where a value comes from: what it is, and the date on which it said so (as exact as is known)."""

    key: str
    title: str
    date: str


class Value(Struct, frozen=True):
    """One value of a rulebook; `None` where it is unknown. `since` is the earliest date for which `source` shows it."""

    path: str
    value: Any
    unknown: bool
    unit: str
    since: str
    source: str
    confidence: str
    note: str


class Head(Struct, frozen=True, forbid_unknown_fields=True):
    """What a rulebook says about itself. `checked` is the last day on which somebody compared it with its sources.

    `extends` names a rulebook of the library whose values hold where this one states none.
    """

    schema: Literal[1]
    venue: str
    version: str
    title: str
    since: str
    checked: str
    until: str | None = None
    extends: str | None = None


class Document(Struct, frozen=True):
    """A rulebook file, read."""

    file: str
    head: Head
    sources: dict[str, Source]
    values: dict[str, Value]


class _Defaults(Struct, frozen=True, forbid_unknown_fields=True):
    unit: str = ""
    units: dict[str, str] = {}
    since: str = ""
    source: str = ""
    confidence: str = ""

    def below(self, inner: "_Defaults") -> "_Defaults":
        """What holds inside a table that has defaults of its own."""
        return _Defaults(
            inner.unit or self.unit,
            {**self.units, **inner.units},
            inner.since or self.since,
            inner.source or self.source,
            inner.confidence or self.confidence,
        )


class _Written(Struct, frozen=True, forbid_unknown_fields=True):
    value: Any = None
    unknown: bool = False
    unit: str = ""
    since: str = ""
    source: str = ""
    confidence: str = ""
    note: str = ""


VALUE_KEYS = _Written.__struct_fields__
"""What the table of one value may hold."""


class _WrittenSource(Struct, frozen=True, forbid_unknown_fields=True):
    title: str
    date: str


def read_document(text: str, file: str) -> Document:
    """Read the text of a rulebook; raises `InputError` naming `file` and path. Values may still have `gaps`."""
    try:
        tables = tomllib.loads(text, parse_float=str)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{file}: not a TOML file: {error}") from None
    sources = _read_sources(tables.pop("sources", {}), file)
    groups = {name: tables.pop(name) for name in GROUPS if name in tables}
    outer = _convert(tables.pop("defaults", {}), _Defaults, file, "defaults")
    head = _convert(tables, Head, file, "head")
    values: dict[str, Value] = {}
    for name, group in groups.items():
        values.update((value.path, value) for value in _walk(group, name, outer, file))
    return Document(file, head, sources, values)


def _read_sources(table: Any, file: str) -> dict[str, Source]:  # noqa: ANN401
    if not isinstance(table, dict):
        raise InputError(f"{file}: sources: expected a table of sources, got {table!r}")
    written = {key: _convert(raw, _WrittenSource, file, f"sources.{key}") for key, raw in table.items()}
    return {key: Source(key, source.title, source.date) for key, source in written.items()}


def _walk(table: Any, path: str, outer: _Defaults, file: str) -> Iterator[Value]:  # noqa: ANN401
    if not isinstance(table, dict):
        raise InputError(f"{file}: {path}: expected a table, got {table!r}")
    here = outer.below(_convert(table.get("defaults", {}), _Defaults, file, f"{path}.defaults"))
    for key, item in table.items():
        if key == "defaults":
            continue
        if "." in key:
            raise InputError(f"{file}: {path}.{key}: a name cannot hold a full stop")
        if isinstance(item, dict) and not {"value", "unknown"} & item.keys():
            yield from _walk(item, f"{path}.{key}", here, file)
        else:
            yield _value(item, f"{path}.{key}", here, file)


def _value(item: Any, path: str, defaults: _Defaults, file: str) -> Value:  # noqa: ANN401
    raw = _convert(item if isinstance(item, dict) else {"value": item}, _Written, file, path)
    if raw.unknown == (raw.value is not None):
        raise InputError(f"{file}: {path}: expected either a value or `unknown = true`")
    if raw.unknown and not raw.note:
        raise InputError(f"{file}: {path}: an unknown value needs a note that says what is known")
    return Value(
        path=path,
        value=raw.value,
        unknown=raw.unknown,
        unit=raw.unit or defaults.units.get(path.rpartition(".")[2], defaults.unit),
        since=raw.since or defaults.since,
        source=raw.source or defaults.source,
        confidence=raw.confidence or defaults.confidence,
        note=raw.note,
    )


def _convert(table: Any, kind: type[T], file: str, path: str) -> T:  # noqa: ANN401
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise InputError(f"{file}: {path}: {error}") from None


def gaps(value: Value, sources: dict[str, Source]) -> list[str]:
    """What a value lacks: its unit, date, source, confidence, or the source that it names."""
    needed = ("unit", "since", "source", "confidence")
    found = [f"has no {name}" for name in needed if not getattr(value, name)]
    if value.source and value.source not in sources:
        found.append(f"names the source {value.source!r}, which is not among the sources")
    if value.confidence and value.confidence not in CONFIDENCES:
        found.append(f"has the confidence {value.confidence!r}; expected {' or '.join(CONFIDENCES)}")
    if value.since and first_day(value.since) is None:
        found.append(f"has the date {value.since!r}; expected YYYY, YYYY-MM or YYYY-MM-DD")
    return found


def wrong_dates(document: Document, today: date) -> Iterator[str]:
    """Say which dates of a document are none, or lie after `today`, as sentences that start with a path."""
    head = document.head
    dates = [("since", head.since), ("checked", head.checked)]
    dates += [(f"sources.{s.key}", s.date.removeprefix("before ")) for s in document.sources.values()]
    dates += [(value.path, value.since) for value in document.values.values() if value.since]
    for path, written in dates:
        day = first_day(written)
        if day is None:
            yield f"{path}: has the date {written!r}; expected YYYY, YYYY-MM or YYYY-MM-DD"
        elif day > today:
            yield f"{path}: has the date {written}, which lies in the future"


def first_day(text: str) -> date | None:
    """The first day of a date written as YYYY, YYYY-MM or YYYY-MM-DD; `None` for anything else."""
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    year, month, day = (int(part or 1) for part in match.groups())
    try:
        return date(year, month, day)
    except ValueError:
        return None
