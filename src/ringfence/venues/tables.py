"""Margin tables and haircuts: rows of tiers as people write them, turned into the engine's exact integers."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from math import lcm
from typing import Any, Literal, NamedTuple, TypeVar

from ..clearing import shapes
from ..clearing.policy import (
    CloseCost,
    CostShare,
    OpenInterestScaled,
    Requirement,
    RootScaled,
    Sided,
    SkewScaled,
    Solvency,
    Step,
    Stepped,
    Tier,
    Tiered,
    Window,
)
from ..errors import InputError
from ..rules.requirement import tier_deduction
from ..rules.words import PPM, WAD
from ..units import QUOTE_DECIMALS, parse_decimal, to_atoms
from .fields import Field, choice, rate, rate_field, share, usd, usd_atoms

T = TypeVar("T", bound=Requirement)

TIERS = "tiers"
"""Unit of a margin table's rows, and of a haircut's."""
STEPS = "steps"
STEPS_MAX = 10_000
ROOT_RATE_DEN = 10_000
"""Drift's margin precision."""
FINEST = 36
"""Decimals of a size by which a table is checked that no market uses yet."""


class Shape(NamedTuple):
    """One shape of a margin table: its fields, and how the engine's requirement is made of them."""

    fields: Mapping[str, Field]
    build: "Callable[[dict[str, Any], int, str], Requirement]"


def tiered(rows: Sequence[tuple[int, Fraction, Fraction]]) -> Tiered:
    """Margin table of rows (lower bound in quote atoms, initial rate, maintenance rate).

    All rates share one denominator and each tier carries the deduction that makes maintenance margin continuous.
    """
    den = lcm(*(exact.denominator for row in rows for exact in row[1:]))
    tiers: list[Tier] = []
    deduction = below = 0
    for lower_q, initial, maintenance in rows:
        initial_num, maintenance_num = int(initial * den), int(maintenance * den)
        deduction = tier_deduction(deduction, lower_q, maintenance_num, below) if tiers else 0
        tiers.append(Tier(lower_q, initial_num, maintenance_num, deduction))
        below = maintenance_num
    return Tiered(tuple(tiers), den)


def stepped(rows: Sequence[tuple[int, Fraction, Fraction]], by: Literal["notional", "size"]) -> Stepped:
    """Margin table of rows (lower bound in quote atoms of notional or base atoms of size, initial rate, maintenance).

    The rates of a row count for the whole position, so margin jumps where a row begins.
    """
    den = lcm(*(exact.denominator for row in rows for exact in row[1:]))
    steps = (Step(lower, int(initial * den), int(least * den)) for lower, initial, least in rows)
    return Stepped(tuple(steps), den, by)


def leverage_table(rows: Iterable[tuple[int, int]]) -> Tiered:
    """Hyperliquid's form of a margin table: rows (lower bound in quote atoms, maximum leverage).

    Initial margin is one over the leverage and maintenance margin half of it.
    Source: hyperliquid.gitbook.io/hyperliquid-docs/trading/margin-tiers.
    """
    return tiered([(lower_q, Fraction(1, leverage), Fraction(1, 2 * leverage)) for lower_q, leverage in rows])


def read_margin(written: Mapping[str, Any], base_decimals: int, where: str) -> Requirement:
    """The requirement of a margin table from its fields as written; sizes become atoms of a market's base."""
    shape = shape_of(written, where)
    read: dict[str, Any] = {}
    for name, raw in written.items():
        read |= shape.fields[name].read(raw, f"{where}.{name}")
    rows = next((f".{name}" for name in (TIERS, STEPS) if name in written), "")
    return _valid(shape.build(read, base_decimals, where), f"{where}{rows}")


def shape_of(names: Iterable[str], where: str) -> Shape:
    """The shape that a margin table has: the one whose own field it states."""
    found = set(names)
    for marker, shape in SHAPES.items():
        if marker in found:
            return shape
    if {"initial", "maintenance"} <= found:
        return FLAT
    raise InputError(
        f"{where}: expected a margin table with one of {', '.join(SHAPES)}, or initial and maintenance"
    )


def read_haircut(rows: Any, where: str) -> Tiered:  # noqa: ANN401
    """The value of `assets.NAME.haircut`: a list of `{ lower, haircut }`; the engine reads it as maintenance."""
    tiers = []
    for here, row in _rows(rows, ("lower", "haircut"), where):
        haircut = rate(row["haircut"], f"{here}.haircut")
        tiers.append((usd_atoms(row["lower"], f"{here}.lower"), haircut, haircut))
    return _valid(tiered(tiers), where)


def read_weights(read: Mapping[str, Fraction], where: str) -> Sided | None:
    """Weights of a collateral asset from its rates; `None` where it states none of them.

    Without those of the short side the asset cannot be owed, so they are never asked.
    """
    given = {name: read[name] for name in SIDED if name in read}
    if not given:
        return None
    if not is_lent(read):
        given |= {"short_initial": Fraction(0), "short_maintenance": Fraction(0)}
    for name in SIDED:
        if name not in given:
            raise InputError(f"{where}: {name} is missing")
    return _valid(_sided(dict(given), 0, where), where)


def is_lent(read: Mapping[str, Any]) -> bool:
    """Whether an asset states what is asked of who owes it."""
    return "short_initial" in read or "short_maintenance" in read


def read_close_cost(read: Mapping[str, Any]) -> CloseCost | None:
    """The estimated cost of closing from a market's `fee_margin` fields; `None` where it states none."""
    if "fee_margin" not in read and "fee_margin_min" not in read:
        return None
    exact = read.get("fee_margin", Fraction(0))
    return CloseCost(
        exact.numerator,
        exact.denominator,
        read.get("fee_margin_min", 0),
        read.get("fee_margin_max", 0),
        read.get("fee_margin_of", "notional"),
        read.get("fee_margin_initial", True),
    )


def read_window(read: Mapping[str, Any], fees_ppm: int, shape: Requirement, where: str) -> Window | None:
    """How fast flagged positions may be closed, from a market's `window` fields; `None` where it states none."""
    if "window_ms" not in read:
        return None
    if not isinstance(shape, SkewScaled):
        raise InputError(f"{where}.window: its margin table has no skew_scale to count it of")
    multiplier_ppm = read.get("window_multiplier_ppm", PPM)
    return Window(
        shape.scale_b, fees_ppm, multiplier_ppm, read["window_ms"], read.get("window_premium_ppm", 0)
    )


def read_solvency(read: Mapping[str, Any], where: str) -> Solvency | None:
    """What the liquidity behind a market may owe a side, from its three shares; `None` where it states none of them."""
    names = ("profit_cap", "profit_trigger", "profit_floor")
    given = [read[name] for name in names if name in read]
    if not given:
        return None
    if len(given) < len(names):
        raise InputError(f"{where}: expected {', '.join(names)} together")
    cap_ppm, trigger_ppm, floor_ppm = given
    if floor_ppm > trigger_ppm:
        raise InputError(f"{where}: profit_floor is above profit_trigger")
    return Solvency(cap_ppm, trigger_ppm, floor_ppm)


# -- the shapes --------------------------------------------------------------------------------------------------------


def _tier_rows(name: str) -> Field:
    def read(rows: Any, where: str) -> dict[str, Any]:  # noqa: ANN401
        return {name: [*_rows(rows, ("lower", "initial", "maintenance"), where)]}

    return Field(TIERS, read, required=True)


def _base_units(name: str) -> Field:
    def read(raw: Any, where: str) -> dict[str, Any]:  # noqa: ANN401
        amount = parse_decimal(raw, where)
        if amount <= 0:
            raise InputError(f"{where}: expected a size above 0, got {raw}")
        return {name: amount}

    return Field("base", read, required=True)


def _build_tiers(read: dict[str, Any], _base_decimals: int, _where: str) -> Requirement:
    rows = [(usd_atoms(row["lower"], f"{here}.lower"), *_both(row, here)) for here, row in read[TIERS]]
    return tiered(rows)


def _build_steps(read: dict[str, Any], base_decimals: int, _where: str) -> Requirement:
    by_size = read["by"] == "size"
    rows = [
        (
            to_atoms(parse_decimal(row["lower"], here), base_decimals, here)
            if by_size
            else usd_atoms(row["lower"], f"{here}.lower"),
            *_both(row, here),
        )
        for here, row in read[STEPS]
    ]
    return stepped(rows, read["by"])


def _build_schedule(read: dict[str, Any], base_decimals: int, where: str) -> Requirement:
    """One step for each increment above the baseline, up to the largest position; no rate above 100 %."""
    baseline, width, most = (
        to_atoms(read[name], base_decimals, where) for name in ("baseline", "increment", "largest")
    )
    if (most - baseline) // width >= STEPS_MAX:
        raise InputError(f"{where}: more than {STEPS_MAX} increments up to the largest position")
    lowers = [0, *range(baseline + width, most + 1, width)]
    rates = (min(read["initial"] + at * read["initial_increment"], Fraction(1)) for at in range(len(lowers)))
    least = read["maintenance"]
    return stepped(
        [(lower, max(initial, least), least) for lower, initial in zip(lowers, rates, strict=True)], "size"
    )


def _both(row: dict[str, Any], here: str) -> tuple[Fraction, Fraction]:
    return rate(row["initial"], f"{here}.initial"), rate(row["maintenance"], f"{here}.maintenance")


def _build_open_interest(read: dict[str, Any], _base_decimals: int, _where: str) -> Requirement:
    return OpenInterestScaled(**read)


def _build_skew(read: dict[str, Any], base_decimals: int, where: str) -> Requirement:
    """The venue counts in 18 decimals and cuts off the rest, so the denominator is fixed."""
    scale_b = to_atoms(read.pop("skew_scale"), base_decimals, where)
    names = {
        "initial": "initial_num",
        "initial_slope": "initial_slope_num",
        "maintenance": "maintenance_num",
        "maintenance_slope": "maintenance_slope_num",
        "initial_cap": "initial_cap_num",
        "maintenance_cap": "maintenance_cap_num",
    }
    return SkewScaled(
        scale_b, den=WAD, **{names[name]: _over(exact, WAD, where) for name, exact in read.items()}
    )


def _build_sided(read: dict[str, Any], base_decimals: int, where: str) -> Requirement:
    return _sided(read, base_decimals, where)


def _sided(read: dict[str, Any], _base_decimals: int, where: str) -> Sided:
    den = lcm(*(exact.denominator for exact in read.values()))
    return Sided(**{f"{name}_num": _over(exact, den, where) for name, exact in read.items()}, den=den)


def _build_root(read: dict[str, Any], base_decimals: int, where: str) -> Requirement:
    """The venue counts rates in hundredths of a percent and cuts the premium off there."""
    initial, maintenance, factor = read["initial"], read["maintenance"], read["size_factor"]
    den = lcm(initial.denominator, maintenance.denominator, ROOT_RATE_DEN)
    unit_b = to_atoms(parse_decimal("1", where), base_decimals, where)
    rates = (_over(initial, den, where), _over(maintenance, den, where))
    return RootScaled(*rates, factor.numerator, den, unit_b, factor.denominator)


def _build_cost(read: dict[str, Any], _base_decimals: int, where: str) -> Requirement:
    per_usd = read.pop("open_interest_initial", Fraction(0)) / 10**QUOTE_DECIMALS
    den = lcm(*(exact.denominator for exact in read.values()))
    initial, maintenance = (_over(read[name], den, where) for name in ("cost_initial", "cost_maintenance"))
    return CostShare(initial, maintenance, den, per_usd.numerator, per_usd.denominator)


def _build_flat(read: dict[str, Any], _base_decimals: int, _where: str) -> Requirement:
    return tiered([(0, read["initial"], read["maintenance"])])


def _over(exact: Fraction, den: int, where: str) -> int:
    num = exact * den
    if num.denominator != 1:
        raise InputError(f"{where}: {exact} has more digits than the table's denominator of {den} holds")
    return int(num)


SIDED = {
    "long_initial": rate_field("long_initial", required=True),
    "long_maintenance": rate_field("long_maintenance", required=True),
    "short_initial": rate_field("short_initial", most=None, required=True),
    "short_maintenance": rate_field("short_maintenance", most=None, required=True),
}
"""Rates by side: 1 less the asset weight for longs, the liability weight less 1 for shorts."""

SHAPES: dict[str, Shape] = {
    TIERS: Shape({TIERS: _tier_rows(TIERS)}, _build_tiers),
    STEPS: Shape(
        {STEPS: _tier_rows(STEPS), "by": choice("by", "notional", "size", required=True)}, _build_steps
    ),
    "maintenance_fraction": Shape(
        {
            "initial": share("initial_ppm", required=True),
            "maintenance_fraction": share("maintenance_fraction_ppm", required=True),
            "open_interest_lower": usd("lower_q", required=True),
            "open_interest_upper": usd("upper_q", required=True),
        },
        _build_open_interest,
    ),
    "skew_scale": Shape(
        {
            "skew_scale": _base_units("skew_scale"),
            "initial": rate_field("initial", required=True),
            "initial_slope": rate_field("initial_slope", most=None, required=True),
            "maintenance": rate_field("maintenance", required=True),
            "maintenance_slope": rate_field("maintenance_slope", most=None, required=True),
            "initial_cap": rate_field("initial_cap"),
            "maintenance_cap": rate_field("maintenance_cap"),
        },
        _build_skew,
    ),
    "long_initial": Shape(SIDED, _build_sided),
    "increment": Shape(
        {
            "initial": rate_field("initial", required=True),
            "initial_increment": rate_field("initial_increment", required=True),
            "maintenance": rate_field("maintenance", required=True),
            "baseline": _base_units("baseline"),
            "increment": _base_units("increment"),
            "largest": _base_units("largest"),
        },
        _build_schedule,
    ),
    "size_factor": Shape(
        {
            "initial": rate_field("initial", required=True),
            "maintenance": rate_field("maintenance", required=True),
            "size_factor": rate_field("size_factor", most=None, required=True),
        },
        _build_root,
    ),
    "cost_initial": Shape(
        {
            "cost_initial": rate_field("cost_initial", required=True),
            "cost_maintenance": rate_field("cost_maintenance", required=True),
            "open_interest_initial": rate_field("open_interest_initial"),
        },
        _build_cost,
    ),
}
"""The shapes by the field that only they have."""

FLAT = Shape(
    {
        "initial": rate_field("initial", required=True),
        "maintenance": rate_field("maintenance", required=True),
    },
    _build_flat,
)
"""One rate for each margin, whatever the size."""


def _rows(rows: Any, names: tuple[str, ...], where: str) -> Iterator[tuple[str, dict[str, Any]]]:  # noqa: ANN401
    if not isinstance(rows, list) or not rows:
        raise InputError(f"{where}: expected a list of tiers, got {rows!r}")
    for at, row in enumerate(rows):
        if not isinstance(row, dict) or row.keys() != set(names):
            raise InputError(f"{where}[{at}]: expected {{ {', '.join(names)} }}, got {row!r}")
        yield f"{where}[{at}]", row


def _valid(table: T, where: str) -> T:
    if shapes.valid(table):
        return table
    if isinstance(table, Tiered | Stepped):
        raise InputError(
            f"{where}: expected tiers that start at 0 and rise, with rates that rise and initial at least maintenance"
        )
    raise InputError(
        f"{where}: expected rates from 0 on, initial margin at least maintenance, and bounds in order"
    )
