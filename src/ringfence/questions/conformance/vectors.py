"""Conformance vectors: cases with inputs and the numbers that a venue published, executed or showed.

A file is a JSON array of cases. Every value knows its place, so bad input is named by file, case and field, and every
number is read and compared exactly: as the range of values that its printed digits and its tolerance allow.
"""

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import Literal, NamedTuple

from msgspec import Struct

from ...books.files import read_json
from ...books.record import kind, shown
from ...errors import InputError
from ...units import DIGITS_MAX, format_fraction, to_fraction

Provenance = Literal["published", "executed", "live", "measured", "derived", "unstated"]

_PROVENANCES: tuple[tuple[str, Provenance], ...] = (
    (r"derived", "derived"),
    (r"executed", "executed"),
    (r"server-captured|\blive\b", "live"),
    (r"measured", "measured"),
    (r"published|upstream|official|third-party", "published"),
)
"""Words of a case's `provenance` (or `origin`) and the class they mean; the first that is found counts."""

DIGITS_ROUNDED = 12
"""Significant digits from which on a printed number is taken for a rounded one; a shorter one is exact."""
DIGITS_DOUBLE = range(16, 18)
"""Significant digits of a printed binary double."""
DOUBLE_STEP = Fraction(1, 2**52)
"""Relative distance of two neighbouring doubles: what the venue's own arithmetic may be off by."""
DIGITS_SHOWN = 24
VANISHING = -400
"""Exponent below which not even a double reaches."""

ALONE = "value"
"""Name of an expected value that stands by itself, not in an object."""

_SIDES = {"long": True, "buy": True, "short": False, "sell": False}


class Range(NamedTuple):
    """A number known up to a bound: it lies somewhere in `low` .. `high`."""

    low: Fraction
    high: Fraction


Value = bool | int | Fraction | Range | str | list["Value"] | dict[str, "Value"] | None
"""A value that a rule answers or a case expects."""
Ours = dict[str, Value]
"""What a rule answers to a case; each value is compared with what the case expects under the same name."""


class NotStatedError(InputError):
    """A case leaves out what is needed; `field` is where it would stand in the case."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path}: missing")
        self.field = path.rpartition(": ")[2]


class RefusedError(Exception):
    """The venue refuses what a case asks; carries the venue's own name for the error."""


class UnsupportedError(Exception):
    """A case needs something that is not modelled; carries the reason."""


class Tolerance(NamedTuple):
    """Difference that a case allows: absolute, and relative to the expected number."""

    absolute: Fraction = Fraction(0)
    relative: Fraction = Fraction(0)

    def __str__(self) -> str:
        absolute = [f"{float(self.absolute):g}"] if self.absolute else []
        relative = [f"{float(self.relative):g} of it"] if self.relative else []
        return f"within {' + '.join(absolute + relative)}" if absolute or relative else "to the last digit"


class Mismatch(Struct, frozen=True):
    """One value that differs from the expected one."""

    field: str
    ours: str
    expected: str
    tolerance: str

    def __str__(self) -> str:
        return f"{self.field}: ours {self.ours}, expected {self.expected} ({self.tolerance})"


class Field:
    """A value inside a case that knows where it stands. Readers raise `InputError` naming file, case and field."""

    __slots__ = ("raw", "where")

    def __init__(self, raw: object, where: str) -> None:
        self.raw, self.where = raw, where

    def __getitem__(self, name: str) -> "Field":
        found = self.get(name)
        if found is None:
            raise NotStatedError(self._path(name))
        return found

    def __iter__(self) -> Iterator["Field"]:
        if not isinstance(self.raw, list):
            raise InputError(f"{self.where}: expected a list, got {kind(self.raw)}")
        return (Field(item, f"{self.where}[{index}]") for index, item in enumerate(self.raw))

    def entries(self) -> "dict[str, Field]":
        """The fields of an object, null ones included."""
        if not isinstance(self.raw, dict):
            raise InputError(f"{self.where}: expected an object, got {kind(self.raw)}")
        return {name: Field(value, self._path(name)) for name, value in self.raw.items()}

    def get(self, name: str) -> "Field | None":
        """A field that may be absent or null."""
        found = self.entries().get(name)
        return None if found is None or found.raw is None else found

    def whole(self, name: str, default: int = 0) -> int:
        """A whole number from 0 on that may be left out."""
        found = self.get(name)
        return default if found is None else found.integer(least=0)

    def items(self, name: str) -> "list[Field]":
        """The items of a list that may be absent."""
        found = self.get(name)
        return [] if found is None else [*found]

    def first(self) -> "Field":
        """The first item of a list that has one."""
        return self._some(at_most=None)[0]

    def only(self) -> "Field":
        """The item of a list that has exactly one."""
        return self._some(at_most=1)[0]

    def _some(self, at_most: int | None) -> "list[Field]":
        items = [*self]
        if not items or (at_most is not None and len(items) > at_most):
            count = "one item" if at_most else "at least one item"
            raise InputError(f"{self.where}: expected {count}, got {len(items)}")
        return items

    def fraction(self) -> Fraction:
        """An exact number: a JSON number, decimal text, or a fraction such as `90000/97`."""
        if not isinstance(self.raw, str | Decimal):
            raise InputError(f"{self.where}: expected a number, got {kind(self.raw)}")
        if isinstance(self.raw, Decimal) and VANISHING < self.raw.adjusted() < -DIGITS_MAX:
            return Fraction(self.raw)
        return to_fraction(self.raw, self.where)

    def integer(self, least: int | None = None, most: int | None = None) -> int:
        """A whole number."""
        number = self.fraction()
        if number.denominator != 1:
            raise InputError(f"{self.where}: expected a whole number, got {shown(self.raw)}")
        if (least is not None and number < least) or (most is not None and number > most):
            allowed = f"from {least} on" if most is None else f"from {least} to {most}"
            raise InputError(f"{self.where}: expected a number {allowed}, got {shown(self.raw)}")
        return int(number)

    def positive(self) -> Fraction:
        """A number above zero."""
        number = self.fraction()
        if number <= 0:
            raise InputError(f"{self.where}: expected a number above 0, got {shown(self.raw)}")
        return number

    def nonzero(self) -> Fraction:
        """A number other than zero."""
        number = self.fraction()
        if number == 0:
            raise InputError(f"{self.where}: expected a number other than 0")
        return number

    def last_digit(self) -> Fraction:
        """One unit of the last decimal place of a printed number; 1 for a whole one."""
        self.fraction()
        written = str(self.raw).strip()
        exponent = 0 if "/" in written else Decimal(written).as_tuple().exponent
        return Fraction(1, 10 ** max(0, -exponent)) if isinstance(exponent, int) else Fraction(1)

    def text(self) -> str:
        """Text, or a number as it is written."""
        if not isinstance(self.raw, str | Decimal):
            raise InputError(f"{self.where}: expected text, got {kind(self.raw)}")
        return str(self.raw)

    def flag(self) -> bool:
        """True or false."""
        if not isinstance(self.raw, bool):
            raise InputError(f"{self.where}: expected true or false, got {kind(self.raw)}")
        return self.raw

    def is_long(self) -> bool:
        """The side of a position: long or bought, short or sold."""
        found = _SIDES.get(self.text().strip().lower())
        if found is None:
            raise InputError(f"{self.where}: expected long or short, got {shown(self.raw)}")
        return found

    def _path(self, name: str) -> str:
        return f"{self.where}{name}" if self.where.endswith(": ") else f"{self.where}.{name}"


class Case(NamedTuple):
    """One case: what it is, where its numbers come from, and its fields."""

    venue: str
    kind: str
    id: str
    source: str
    provenance: Provenance
    body: Field

    @property
    def place(self) -> str:
        """File and case, as they stand in a message."""
        return self.body.where.removesuffix(": ")

    @property
    def tolerance(self) -> Tolerance:
        """The difference that the case allows."""
        fields = (self.body.get("tol_abs"), self.body.get("tol_rel"))
        return Tolerance(*(Fraction(0) if field is None else field.fraction() for field in fields))


Rule = Callable[[Case], Ours]
"""Our answer to one kind of case."""


def provenance_of(stated: str) -> Provenance:
    """The class of a stated provenance; `unstated` where the words say nothing that is known."""
    words = stated.lower()
    return next((found for pattern, found in _PROVENANCES if re.search(pattern, words)), "unstated")


def read_cases(path: str | PathLike[str]) -> list[Case]:
    """Read a file of cases; raises `InputError` naming file, case and field."""
    file = Path(path)
    document = read_json(file)
    if isinstance(document, dict) and {"inputs", "expected"} <= document.keys():
        return [
            Case(
                file.stem,
                "deleveraging_policies",
                file.stem,
                "",
                "unstated",
                Field(document, f"{file.name}: "),
            )
        ]
    if not isinstance(document, list):
        raise InputError(f"{file.name}: expected a JSON array of cases, got {kind(document)}")
    return [_case(raw, file, index) for index, raw in enumerate(document)]


def _case(raw: object, file: Path, index: int) -> Case:
    outer = Field(raw, f"{file.name}: [{index}]")
    name = outer["case_id"].text()
    expected = Field(raw, f"{file.name}: {name}: ")["expected"].raw
    named = expected if isinstance(expected, dict) else {ALONE: expected}
    fields = {field: value.raw for field, value in outer.entries().items()}
    body = Field({**fields, "expected": named}, f"{file.name}: {name}: ")
    stated, source = body.get("provenance") or body.get("origin"), body.get("source")
    venue = body.get("venue")
    return Case(
        venue.text() if venue else file.stem,
        body["kind"].text(),
        name,
        source.text() if source else "",
        provenance_of(stated.text()) if stated else "unstated",
        body,
    )


def compare(
    expected: Field, ours: Value, tolerance: Tolerance, name: str, *, rounded: bool = False
) -> list[Mismatch]:
    """Differences between what a rule answers and what a case expects, each with the name of the value.

    `rounded` says that a person shortened the expected number: its last digit is rounded, however few there are.
    """
    if isinstance(ours, dict) and isinstance(expected.raw, dict):
        dot = f"{name}." if name else ""
        pairs = [(f"{dot}{key}", inner, ours.get(key)) for key, inner in expected.entries().items()]
    elif isinstance(ours, list) and isinstance(expected.raw, list):
        items = [*expected]
        if len(items) != len(ours):
            return [Mismatch(f"{name} (length)", str(len(ours)), str(len(items)), str(Tolerance()))]
        pairs = [(f"{name}[{at}]", inner, ours[at]) for at, inner in enumerate(items)]
    elif _agree(expected, ours, tolerance, rounded=rounded):
        return []
    else:
        return [Mismatch(name, show(ours), shown(expected.raw), str(tolerance))]
    return [
        found for path, inner, own in pairs for found in compare(inner, own, tolerance, path, rounded=rounded)
    ]


def _agree(expected: Field, ours: Value, tolerance: Tolerance, *, rounded: bool) -> bool:
    if ours is None or isinstance(ours, bool | str | list | dict):
        return type(expected.raw) is type(ours) and expected.raw == ours
    if expected.raw is None or isinstance(expected.raw, bool | list):
        return False
    if isinstance(expected.raw, dict):
        expected = expected.get("fraction") or expected["decimal"]
    printed, exact = printed_range(expected, rounded=rounded), expected.fraction()
    slack = tolerance.absolute + tolerance.relative * abs(exact)
    low, high = ours if isinstance(ours, Range) else (Fraction(ours), Fraction(ours))
    return printed.low - slack <= high and low <= printed.high + slack


def printed_range(expected: Field, *, rounded: bool = False) -> Range:
    """Numbers that a printed number may stand for.

    Short ones are exact. From `DIGITS_ROUNDED` significant digits on (or when `rounded`) the last digit is rounded; a
    printed double stands for its neighbours as well.
    """
    number, unit = expected.fraction(), expected.last_digit()
    digits = len(str(int(abs(number) / unit)))
    if unit == 1 or not (rounded or digits >= DIGITS_ROUNDED):
        return Range(number, number)
    slack = unit / 2 + abs(number) * DOUBLE_STEP if digits in DIGITS_DOUBLE else unit / 2
    return Range(number - slack, number + slack)


def show(value: Value) -> str:
    """A value as it may stand in a one-line message."""
    if isinstance(value, Range):
        shortest = show(value.low)
        return shortest if shortest == show(value.high) else f"{shortest} .. {show(value.high)}"
    if isinstance(value, Fraction):
        return format_fraction(value, DIGITS_SHOWN)
    if isinstance(value, list):
        return "[" + ", ".join(map(show, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {show(inner)}" for name, inner in value.items()) + "}"
    return "nothing" if value is None else str(value)
