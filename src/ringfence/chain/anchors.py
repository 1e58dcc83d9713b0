"""What the contracts of real venues cost per operation: measured figures with their sources, for comparison only.

Scopes differ: some venues check both margins and a signature within a fill, some neither. The cheapest one is therefore
a bound that flatters the venues, and its scope is always shown beside it.
"""

import tomllib
from datetime import date
from functools import cache
from importlib.resources import files

import msgspec


class VenueFigure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Gas of one operation with so many positions held."""

    operation: str
    positions: int
    gas: int
    scope: str = ""


class VenueGas(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One venue: the code that was measured, and what it costs."""

    name: str
    source: str
    figures: tuple[VenueFigure, ...]


class Anchors(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All venues, when they were measured and on what."""

    measured: date
    node: str
    venue: tuple[VenueGas, ...]


class Cheapest(msgspec.Struct, frozen=True):
    """The venue that does an operation for the least gas."""

    venue: str
    gas: int
    scope: str
    source: str


@cache
def anchors() -> Anchors:
    """The file of figures."""
    text = (files("ringfence.chain") / "data" / "venue_gas.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), Anchors)


def cheapest(operation: str, positions: int) -> Cheapest | None:
    """The cheapest venue for an operation with exactly so many positions; None where none was measured."""
    found = [
        Cheapest(venue.name, figure.gas, figure.scope, venue.source)
        for venue in anchors().venue
        for figure in venue.figures
        if (figure.operation, figure.positions) == (operation, positions)
    ]
    return min(found, key=lambda each: each.gas, default=None)
