"""The `[portfolio]` table: a margin rule over a set of positions, and the shifts of volatility that it needs.

The engine's half is a `ScenarioMargin`, exact over one denominator. The other half is for pricing: numbers of the
sections `vol`, `skew` and `discount`, by name, as `pricing.scenarios.shocks_of` reads them.
"""

from collections.abc import Mapping
from fractions import Fraction
from math import lcm
from typing import Any

from ..clearing.set_rules import Scenario, ScenarioMargin
from ..errors import InputError
from ..units import to_fraction
from .fields import Field, choice, flag, names

SCENARIOS = "scenarios"
"""Unit of the rows of scenarios."""
VOLS = ("none", "up", "down", "linear", "abs")
SCENARIOS_MAX = 100
FINENESS = 10**12
"""Least denominator of a rule: discounts of expiries are rounded to it."""


def number(name: str, *, least: int | None = 0, required: bool = False) -> Field:
    """A number, exactly as written."""

    def read(raw: Any, where: str) -> dict[str, Any]:  # noqa: ANN401
        exact = to_fraction(raw, where)
        if least is not None and exact < least:
            raise InputError(f"{where}: expected a number from {least} on, got {raw}")
        return {name: exact}

    return Field("number", read, required)


def _read_scenarios(raw: Any, where: str) -> dict[str, Any]:  # noqa: ANN401
    if not isinstance(raw, list) or not 0 < len(raw) <= SCENARIOS_MAX:
        raise InputError(f"{where}: expected 1 to {SCENARIOS_MAX} rows of price, vol and weight")
    rows = []
    for index, row in enumerate(raw):
        here = f"{where}[{index}]"
        if not isinstance(row, dict) or not {"price", "vol"} <= row.keys() <= {"price", "vol", "weight"}:
            raise InputError(f"{here}: expected a row of price, vol and, if not 1, weight")
        if row["vol"] not in VOLS:
            raise InputError(f"{here}.vol: expected {' or '.join(VOLS)}, got {row['vol']!r}")
        price, weight = (to_fraction(row.get(key, "1"), f"{here}.{key}") for key in ("price", "weight"))
        if price < 0 or weight < 0:
            raise InputError(f"{here}: expected numbers from 0 on")
        rows.append((price, row["vol"], weight))
    return {"scenarios": tuple(rows)}


RATES = {
    "initial_factor": "initial_num",
    "maintenance_factor": "maintenance_num",
    "perp_initial": "perp_initial_num",
    "perp_maintenance": "perp_maintenance_num",
    "option_initial": "option_initial_num",
    "option_maintenance": "option_maintenance_num",
    "asset_initial": "asset_initial_num",
    "asset_maintenance": "asset_maintenance_num",
    "basis_up": "basis_up_num",
    "basis_down": "basis_down_num",
    "basis_add": "basis_add_num",
    "basis_yearly": "basis_yearly_num",
    "peg_below": "peg_below_num",
    "peg": "peg_num",
    "doubt_below": "doubt_below_num",
    "doubt": "doubt_num",
}
"""Fields that are numbers over the rule's denominator, and the engine's name of each."""
OWN: dict[str, Field] = {
    "scenarios": Field(SCENARIOS, _read_scenarios, required=True),
    **{name: number(name, required=name.endswith("_factor")) for name in RATES},
    "charges": choice("charges", "added", "scaled"),
    "assets": names("assets"),
}
VOL = {
    "up": number("up", required=True),
    "down": number("down", required=True),
    "short_power": number("short_power", required=True),
    "long_power": number("long_power", required=True),
    "floor": number("floor", required=True),
    "least_up": number("least_up"),
}
SKEW = {
    **{f"{kind}_cap": number(f"{kind}_cap", required=True) for kind in ("linear", "abs")},
    **{f"{kind}_slope": number(f"{kind}_slope", least=None, required=True) for kind in ("linear", "abs")},
    "least_width": number("least_width", required=True),
    "width": number("width", required=True),
    "vol": number("vol", required=True),
    "vol_slope": number("vol_slope", least=None, required=True),
}
DISCOUNT = {
    **{name: number(name, required=True) for name in ("gain", "gain_times", "gain_plus")},
    **{name: number(name) for name in ("debt", "debt_times", "debt_plus")},
    "present_value": flag("present_value"),
}
SECTIONS = {"vol": VOL, "skew": SKEW, "discount": DISCOUNT}


def scenario_margin(read: Mapping[str, Any]) -> ScenarioMargin:
    """The engine's rule from the table's own fields as read; all rates share one denominator."""
    rates: dict[str, Fraction] = {name: read[name] for name in RATES if name in read}
    rows: tuple[tuple[Fraction, Any, Fraction], ...] = read["scenarios"]
    exact = (*rates.values(), *(each for price, _, weight in rows for each in (price, weight)))
    den = lcm(FINENESS, *(each.denominator for each in exact))
    return ScenarioMargin(
        scenarios=tuple(Scenario(int(price * den), vol, int(weight * den)) for price, vol, weight in rows),
        den=den,
        scales_charges=read.get("charges") == "scaled",
        assets=read.get("assets", ()),
        **{RATES[name]: int(rate * den) for name, rate in rates.items()},
    )
