"""Built-in price scenarios: small tables of cited hourly figures, crashes and ordinary days alike.

The tables and their index (``data/``) are written by ``tools/build_scenarios.py``. A table holds the low, high and
close of every market at every hour; each candle opens at the previous close, so the first hour gives only its close.
"""

import csv
import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import numpy as np

from ringfence.errors import InputError, check
from ringfence.sim.prices import Candles, largest_fall, largest_rise, utc

Kind: TypeAlias = Literal["crash", "calm", "squeeze", "collapse"]
Instrument: TypeAlias = Literal["spot", "perp"]

_HOUR_MS = 3_600_000
_COLUMNS = ["market", "ts", "low", "high", "close"]


@dataclass(frozen=True)
class OddPrint:
    """A recorded extreme left out of a table: `used` stands there instead of `printed`, for the stated `reason`."""

    market: str
    ts: str
    field: str
    printed: str
    used: str
    reason: str


@dataclass(frozen=True)
class ScenarioInfo:
    """What a scenario is, where its figures are from, and how far its prices go.

    `frequency` says how often such days occur, as far as the data at hand can tell. `from_ts` and `to_ts` bound the
    path, in UTC. `largest_fall` and `largest_rise` are shares of an earlier price of the same market.
    """

    name: str
    title: str
    kind: Kind
    description: str
    exchange: str
    source: str
    frequency: str
    notes: tuple[str, ...]
    odd_prints: tuple[OddPrint, ...]
    instruments: Mapping[str, Instrument]
    markets: tuple[str, ...]
    hours: int
    from_ts: str
    to_ts: str
    largest_fall: Mapping[str, float]
    largest_rise: Mapping[str, float]


def list_scenarios() -> list[ScenarioInfo]:
    """Describe all built-in scenarios, in the order of the index."""
    return [_info(name, entry) for name, entry in _index().items()]


def load_scenario(name: str) -> Candles:
    """Read the hourly candles of a built-in scenario.

    Raises `InputError` for an unknown name, with the closest known ones (or, where none is close, all).
    """
    index = _index()
    if name not in index:
        close = difflib.get_close_matches(name.lower(), index, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(index)}"
        raise InputError(f"no scenario named {name!r}; {hint}")
    return _table(name)


def _info(name: str, entry: dict[str, Any]) -> ScenarioInfo:
    candles = _table(name)
    falls, rises = (largest(candles).tolist() for largest in (largest_fall, largest_rise))
    return ScenarioInfo(
        name=name,
        title=entry["title"],
        kind=entry["kind"],
        description=entry["description"],
        exchange=entry["exchange"],
        source=entry["source"],
        frequency=entry["frequency"],
        notes=tuple(entry["notes"]),
        odd_prints=tuple(OddPrint(**odd) for odd in entry.get("odd_prints", ())),
        instruments=MappingProxyType(entry["instruments"]),
        markets=candles.markets,
        hours=len(candles),
        from_ts=utc(int(candles.ts_ms[0])),
        to_ts=utc(candles.end_ms),
        largest_fall=MappingProxyType(dict(zip(candles.markets, falls, strict=True))),
        largest_rise=MappingProxyType(dict(zip(candles.markets, rises, strict=True))),
    )


@cache
def _index() -> dict[str, dict[str, Any]]:
    text = (files("ringfence.sim") / "data" / "scenarios.toml").read_text(encoding="utf-8")
    return {entry["name"]: entry for entry in tomllib.loads(text)["scenario"]}


@cache
def _table(name: str) -> Candles:
    """Read a table of the package; its form is the builder's, so a flaw in it is a bug and not bad input."""
    lines = (files("ringfence.sim") / "data" / f"{name}.csv").read_text(encoding="utf-8").splitlines()
    header, *rows = csv.reader(lines)
    check(header == _COLUMNS, f"scenario {name} has the columns {header}")
    markets = list(dict.fromkeys(row[0] for row in rows))
    hours = len(rows) // len(markets)
    clock = [row[1] for row in rows[:hours]]
    expected = [(market, ts) for market in markets for ts in clock]
    check(
        [(row[0], row[1]) for row in rows] == expected, f"the markets of scenario {name} are not on one clock"
    )
    low, high, close = np.array([row[2:] for row in rows], dtype=np.float64).reshape(len(markets), hours, 3).T
    ts_ms = np.array([text.rstrip("Z") for text in clock], dtype="datetime64[ms]").astype(np.int64)
    candles = Candles.from_closes(markets, ts_ms, low, high, close, _HOUR_MS)
    for shared in (candles.ts_ms, candles.open, candles.high, candles.low, candles.close):
        shared.setflags(write=False)
    return candles
