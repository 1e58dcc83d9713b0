"""Numbers of a venue that counts in 18 decimal places: read to the wei, and given back exactly."""

from collections.abc import Iterable
from fractions import Fraction

from ...errors import InputError
from ...rules.words import WAD
from ...units import to_fraction
from .vectors import Case, Field, Range


def wad(field: Field) -> int:
    """A number in wei; raises `InputError` where it has more than 18 decimal places."""
    exact = field.fraction() * WAD
    if exact.denominator != 1:
        raise InputError(f"{field.where}: expected at most 18 decimal places, got {field.raw}")
    return int(exact)


def amount_wad(field: Field) -> int:
    """A number of wei that is not negative."""
    found = wad(field)
    if found < 0:
        raise InputError(f"{field.where}: expected a number from 0 on, got {field.raw}")
    return found


def positive_wad(field: Field) -> int:
    """A number of wei above zero."""
    field.positive()
    return wad(field)


def count(field: Field, least: int = 0) -> int:
    """A whole number of seconds or wei, from `least` on."""
    found = field.integer()
    if found < least:
        raise InputError(f"{field.where}: expected a whole number from {least} on, got {field.raw}")
    return found


def whole(number_wad: int) -> Fraction:
    """Wei as a number."""
    return Fraction(number_wad, WAD)


def find(places: Iterable[Field | None], *names: str) -> Field | None:
    """The first field, of several objects and under several names, that is there."""
    objects = [place for place in places if place is not None and isinstance(place.raw, dict)]
    found = (place.get(name) for place in objects for name in names)
    return next((field for field in found if field is not None), None)


def need(places: Iterable[Field | None], *names: str) -> Field:
    """Such a field; raises `NotStatedError` with the first object and name where there is none."""
    objects = [place for place in places if place is not None]
    found = find(objects, *names)
    return objects[0][names[0]] if found is None else found


def to_precision(number: Fraction, case: Case) -> Range:
    """A number as precise as the case says that its own is: `precision` may be a number, and then bounds both sides."""
    stated, slack = case.body.get("precision"), Fraction(0)
    if stated is not None:
        try:
            slack = to_fraction(stated.text(), stated.where)
        except InputError:
            slack = Fraction(0)  # words: the tolerance says it all
    return Range(number - slack, number + slack)
