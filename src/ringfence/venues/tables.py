"""Margin tables and haircuts: rows of tiers as people write them, turned into the engine's exact integers."""

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from math import lcm
from typing import Any, TypeVar

from ..clearing.decide import valid_requirement
from ..clearing.model import OpenInterestScaled, Tier, Tiered
from ..errors import InputError
from ..rules.requirement import tier_deduction
from .fields import rate, share, usd, usd_atoms

T = TypeVar("T", Tiered, OpenInterestScaled)

OPEN_INTEREST = {
    "initial": share("initial_ppm", required=True),
    "maintenance_fraction": share("maintenance_fraction_ppm", required=True),
    "open_interest_lower": usd("lower_q", required=True),
    "open_interest_upper": usd("upper_q", required=True),
}
"""dYdX v4's liquidity tier; an upper bound of zero switches the scaling off."""


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


def leverage_table(rows: Iterable[tuple[int, int]]) -> Tiered:
    """Hyperliquid's form of a margin table: rows (lower bound in quote atoms, maximum leverage).

    Initial margin is one over the leverage and maintenance margin half of it.
    Source: hyperliquid.gitbook.io/hyperliquid-docs/trading/margin-tiers.
    """
    return tiered([(lower_q, Fraction(1, leverage), Fraction(1, 2 * leverage)) for lower_q, leverage in rows])


def read_tiers(rows: Any, where: str) -> Tiered:  # noqa: ANN401
    """The value of `margin.NAME.tiers`: a list of `{ lower, initial, maintenance }`."""
    tiers = []
    for here, row in _rows(rows, ("lower", "initial", "maintenance"), where):
        initial, maintenance = (rate(row[name], f"{here}.{name}") for name in ("initial", "maintenance"))
        tiers.append((usd_atoms(row["lower"], f"{here}.lower"), initial, maintenance))
    return _valid(tiered(tiers), where)


def read_haircut(rows: Any, where: str) -> Tiered:  # noqa: ANN401
    """The value of `assets.NAME.haircut`: a list of `{ lower, haircut }`; the engine reads it as maintenance."""
    tiers = []
    for here, row in _rows(rows, ("lower", "haircut"), where):
        haircut = rate(row["haircut"], f"{here}.haircut")
        tiers.append((usd_atoms(row["lower"], f"{here}.lower"), haircut, haircut))
    return _valid(tiered(tiers), where)


def read_open_interest(written: dict[str, Any], where: str) -> OpenInterestScaled:
    """A liquidity tier from its read fields."""
    return _valid(OpenInterestScaled(**written), where)


def _rows(rows: Any, names: tuple[str, ...], where: str) -> Iterator[tuple[str, dict[str, Any]]]:  # noqa: ANN401
    if not isinstance(rows, list) or not rows:
        raise InputError(f"{where}: expected a list of tiers, got {rows!r}")
    for at, row in enumerate(rows):
        if not isinstance(row, dict) or row.keys() != set(names):
            raise InputError(f"{where}[{at}]: expected {{ {', '.join(names)} }}, got {row!r}")
        yield f"{where}[{at}]", row


def _valid(table: T, where: str) -> T:
    if not valid_requirement(table):
        raise InputError(
            f"{where}: expected tiers that start at 0 and rise, with rates that rise and initial at least maintenance"
        )
    return table
