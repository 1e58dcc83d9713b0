"""A JSON object or table row that knows where it stands, so that every complaint names file, place and field."""

import decimal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from ..errors import InputError
from ..units import parse_decimal

EXACT = decimal.Context(prec=400)
"""Holds every product and sum of numbers that `units.parse_decimal` accepts, to the last digit."""

MAGNITUDE_MAX = 30
"""Numbers lie between 1e-30 and 1e30: beyond what any venue counts in, short of what would be slow."""

NAME_LENGTH_MAX = 120
SHOWN_MAX = 60


@dataclass(frozen=True)
class Place:
    """Where a value stands: the file and the path inside it."""

    file: str
    path: str = ""
    joint: str = "."

    def field(self, name: str) -> "Place":
        """The place of one field of what stands here."""
        return Place(self.file, f"{self.path}{self.joint}{name}" if self.path else name)

    def item(self, index: int) -> "Place":
        """The place of one item of the list that stands here."""
        return Place(self.file, f"{self.path}[{index}]")

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.file, self.path)))


class Record:
    """Read the fields of one object. Every reader raises `InputError` with place, field and what was expected."""

    def __init__(self, values: object, place: Place) -> None:
        if not isinstance(values, dict):
            raise InputError(f"{place}: expected an object, got {kind(values)}")
        self.values: Mapping[str, object] = values
        self.place = place

    def __contains__(self, field: str) -> bool:
        return self.values.get(field) is not None

    def error(self, field: str, sentence: str) -> InputError:
        """Complain about a field."""
        return InputError(f"{self.place.field(field)}: {sentence}")

    def only(self, allowed: frozenset[str]) -> None:
        """Refuse fields that mean nothing here: most likely a misspelt one."""
        for field in self.values:
            if field not in allowed:
                raise InputError(f"{self.place}: unknown field {shown(field)}")

    def number(self, field: str) -> Decimal:
        """A decimal number."""
        written = self.values.get(field)
        if written is None:
            raise self.error(field, "missing; expected a decimal number")
        known = plain_number(written) if type(written) is str else None
        if known is not None:
            return known
        text = str(written) if isinstance(written, Decimal) else written
        value = parse_decimal(text, str(self.place.field(field)))
        if value and abs(value.adjusted()) > MAGNITUDE_MAX:
            raise self.error(
                field, f"expected a number between 1e-{MAGNITUDE_MAX} and 1e{MAGNITUDE_MAX}, got {value}"
            )
        return value

    def number_or_none(self, field: str) -> Decimal | None:
        """A decimal number that may be absent or null."""
        return self.number(field) if field in self else None

    def positive(self, field: str) -> Decimal:
        """A decimal number above zero."""
        value = self.number(field)
        if value <= 0:
            raise self.error(field, f"expected a number above 0, got {value}")
        return value

    def positive_or_none(self, field: str) -> Decimal | None:
        """A decimal number above zero that may be absent or null."""
        return self.positive(field) if field in self else None

    def name(self, field: str) -> str:
        """A printable text that can stand in a table, in a message and in a subaccount's name."""
        return name(self.values.get(field), self.place.field(field))

    def choice(self, field: str, *known: str) -> str:
        """One of the `known` words, in any case."""
        value = self.values.get(field)
        if isinstance(value, str) and value.lower() in known:
            return value.lower()
        raise self.error(field, f"expected {' or '.join(known)}, got {shown(value)}")

    def record(self, field: str) -> "Record":
        """An object inside this one."""
        return Record(self.values.get(field), self.place.field(field))

    def records(self, field: str) -> Iterator["Record"]:
        """The objects of a list inside this one."""
        return records(self.values.get(field), self.place.field(field))


@lru_cache(maxsize=1 << 16)
def plain_number(text: str) -> Decimal | None:
    """A number of the usual form, read without saying where it stands; `None` for what needs a closer look.

    Books repeat themselves: prices, leverages and round sizes are read once.
    """
    try:
        value = parse_decimal(text, "")
    except InputError:
        return None
    return value if not value or abs(value.adjusted()) <= MAGNITUDE_MAX else None


def records(values: object, place: Place) -> Iterator[Record]:
    """The objects of a list."""
    if not isinstance(values, list):
        raise InputError(f"{place}: expected a list, got {kind(values)}")
    return (Record(value, place.item(index)) for index, value in enumerate(values))


def name(value: object, place: Place) -> str:
    """Check a text that names an account, a symbol or an asset."""
    if not isinstance(value, str):
        raise InputError(f"{place}: expected a text, got {kind(value)}")
    if not value.strip() or value != value.strip() or len(value) > NAME_LENGTH_MAX or not value.isprintable():
        raise InputError(f"{place}: expected 1 to {NAME_LENGTH_MAX} printable characters, got {shown(value)}")
    return value


def kind(value: object) -> str:
    """What a JSON value is, in words."""
    match value:
        case None:
            return "nothing"
        case dict():
            return "an object"
        case list():
            return "a list"
        case bool() | str() | int() | float() | Decimal():
            return shown(value)
    return type(value).__name__


def shown(value: object) -> str:
    """A value as it may stand in a one-line message."""
    if value is None:
        return "nothing"
    text = str(value) if isinstance(value, Decimal | bool) else repr(value)
    return text if len(text) <= SHOWN_MAX else text[: SHOWN_MAX - 3] + "..."
