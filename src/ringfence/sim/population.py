"""The parameters of a population of traders, each with what it rests on.

The built-in populations are the tables of `data/population.toml`. A user's own file has the same form, names one of
them as its `base` and gives only what differs.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import pairwise
from math import isclose, log
from pathlib import Path
from statistics import NormalDist
from typing import Annotated, Any, Literal, Self

import msgspec
from msgspec import Meta, Struct

from ringfence.errors import InputError

TOPUPS_MAX = 4
"""Highest `topup_max`."""

_FILE_BYTES_MAX = 1 << 20

Usd = Annotated[float, Meta(ge=0.01, le=1e12)]
Positive = Annotated[float, Meta(gt=0, le=1000)]
Sigma = Annotated[float, Meta(ge=0, le=10)]
Coefficient = Annotated[float, Meta(ge=-10, le=10)]
AtLeastOne = Annotated[float, Meta(ge=1, le=1000)]
Share = Annotated[float, Meta(ge=0, le=1)]
InnerShare = Annotated[float, Meta(gt=0, lt=1)]
Count = Annotated[int, Meta(ge=1, le=1000)]
Seven = Meta(min_length=7, max_length=7)


class Figure(Struct, frozen=True, forbid_unknown_fields=True):
    """A parameter's value and what it rests on; `source` is a key of the file's sources."""

    value: Any
    basis: Literal["measured", "published", "fitted", "assumed"]
    source: str
    range: tuple[float, float] | str | None = None

    def __post_init__(self) -> None:
        """Refuse an assumption that does not say how far it may be off."""
        if self.basis == "assumed" and self.range is None:
            raise ValueError('an assumed figure needs a range: [low, high], or "unknown"')


class Population(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parameters of a population; unit and meaning of each stand in `data/population.toml`."""

    name: str
    figures: dict[str, Figure]
    equity_median_usd: Usd
    equity_sigma_below: Sigma
    equity_sigma_above: Sigma
    equity_min_usd: Usd
    equity_max_usd: Usd
    leverage_median: Positive
    leverage_slope: Coefficient
    leverage_sigma: Sigma
    leverage_max: Positive
    positions_p: Annotated[tuple[InnerShare, ...], Seven]
    positions_max: Count
    market_maker_share: Annotated[tuple[Share, ...], Seven]
    market_maker_positions_mean: AtLeastOne
    market_maker_positions_min: Count
    market_maker_leverage_median: Positive
    market_maker_leverage_sigma: Sigma
    split_exponent: Sigma
    market_mix: dict[str, InnerShare]
    long_share_small: Share
    long_share_large: Share
    large_equity_usd: Usd
    copy_probability: Share
    crowding_sd: Share
    isolated_intercept: Coefficient
    isolated_slope: Coefficient
    leverage_settings: Annotated[tuple[tuple[AtLeastOne, Share], ...], Meta(min_length=1)]
    committed_mean: InnerShare
    committed_concentration: Annotated[float, Meta(ge=0.1, le=1000)]
    topup_probability: Share
    topup_trigger: Share
    topup_max: Annotated[int, Meta(ge=0, le=TOPUPS_MAX)]
    closing_probability: Share
    closing_margin_multiple: AtLeastOne
    closing_fraction: Share
    balance_scale_max: AtLeastOne
    novice_equity_usd: Usd
    institution_equity_usd: Usd
    hedged_net_share: Share
    major_markets: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse, in one sentence, parameters that cannot hold together."""
        if not self.equity_min_usd < self.equity_median_usd < self.equity_max_usd:
            raise ValueError("expected equity_min_usd < equity_median_usd < equity_max_usd")
        if _truncated_share(self) > 1 / 2:
            raise ValueError("equity_min_usd and equity_max_usd cut off more than half of all accounts")
        if "others" not in self.market_mix or not isclose(sum(self.market_mix.values()), 1, abs_tol=1e-6):
            raise ValueError("market_mix: expected shares that sum to 1, one of them named others")
        if not isclose(sum(share for _, share in self.leverage_settings), 1, abs_tol=1e-6):
            raise ValueError("leverage_settings: expected shares that sum to 1")
        settings = [setting for setting, _ in self.leverage_settings]
        if any(low >= high for low, high in pairwise(settings)) or settings[-1] < self.leverage_max:
            raise ValueError("leverage_settings: expected ascending settings that reach leverage_max")

    def varied(self, **values: object) -> Self:
        """Return this population with other values, marked as assumed by the caller; `InputError` as in `of`."""
        changed = {name: Figure(value, "assumed", "caller", "unknown") for name, value in values.items()}
        return self.of(self.name, {**self.figures, **changed})

    @classmethod
    def of(cls, name: str, figures: Mapping[str, Figure]) -> Self:
        """Build a population from its figures, or raise `InputError` naming what is missing, unknown or impossible."""
        values = {key: figure.value for key, figure in figures.items()}
        if not values.keys().isdisjoint(("name", "figures")):
            raise InputError(f"population {name}: name and figures are not parameters")
        try:
            return msgspec.convert({**values, "name": name, "figures": dict(figures)}, cls)
        except msgspec.ValidationError as error:
            raise InputError(f"population {name}: {error}") from None

    def assumed(self) -> tuple[str, ...]:
        """Names of the parameters that rest on no data: every result that depends on them says so."""
        return tuple(name for name, figure in self.figures.items() if figure.basis == "assumed")


def _truncated_share(population: Population) -> float:
    """Share of the untruncated two-piece lognormal that lies outside the truncation."""
    below = log(population.equity_median_usd / population.equity_min_usd)
    above = log(population.equity_max_usd / population.equity_median_usd)
    below_sigma, above_sigma = (
        max(population.equity_sigma_below, 1e-9),
        max(population.equity_sigma_above, 1e-9),
    )
    return NormalDist().cdf(-below / below_sigma) + NormalDist().cdf(-above / above_sigma)


class _Source(Struct, frozen=True, forbid_unknown_fields=True):
    title: str
    date: Annotated[str, Meta(pattern=r"^\d{4}(-\d{2}(-\d{2})?)?$")]


class _Definition(Struct, frozen=True, forbid_unknown_fields=True):
    unit: str
    meaning: str


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    population: dict[str, dict[str, Any]]
    source: dict[str, _Source] = {}
    parameter: dict[str, _Definition] = {}


def load_population(name: str) -> Population:
    """Return a built-in population, or the only one of the TOML file at the path `name`.

    Raises `InputError` naming file, population and parameter where something is missing, unknown or impossible.
    """
    builtin = _builtin()
    if name in builtin.population:
        return Population.of(name, _figures(name, builtin.population, builtin.source))
    if not name.endswith(".toml"):
        known = ", ".join(builtin.population)
        raise InputError(f"population {name!r}: expected {known}, or a path ending in .toml")
    own = _read(Path(name))
    if len(own.population) != 1:
        raise InputError(f"{name}: expected one population, found {len(own.population)}")
    (key,) = own.population
    try:
        return Population.of(key, _figures(key, own.population, builtin.source | own.source))
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


@cache
def _builtin() -> _File:
    return _read(files("ringfence.sim") / "data" / "population.toml")


def _read(path: Traversable) -> _File:
    try:
        with path.open("rb") as stream:
            content = stream.read(_FILE_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    if len(content) > _FILE_BYTES_MAX:
        raise InputError(f"{path}: expected a parameter file of at most {_FILE_BYTES_MAX} bytes")
    try:
        return msgspec.toml.decode(content, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: {error}") from None


def _figures(
    name: str, populations: Mapping[str, Mapping[str, Any]], sources: Mapping[str, object]
) -> dict[str, Figure]:
    """Figures of `populations[name]` on top of those of its built-in base."""
    own = dict(populations[name])
    base = own.pop("base", None)
    if base is None:
        figures = {}
    elif isinstance(base, str) and base in _builtin().population:
        figures = _figures(base, _builtin().population, sources)
    else:
        raise InputError(f"population {name}: base: expected a built-in population, got {base!r}")
    for key, value in own.items():
        try:
            figures[key] = msgspec.convert(value, Figure)
        except msgspec.ValidationError as error:
            raise InputError(f"population {name}: {key}: {error}") from None
        if figures[key].source not in sources:
            raise InputError(f"population {name}: {key}: no [source.{figures[key].source}] in the file")
    return figures
