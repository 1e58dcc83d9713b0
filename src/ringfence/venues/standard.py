"""The table `[standard]` of a rulebook: margin of options by themselves, and what weighs on doubtful prices."""

from collections.abc import Mapping
from fractions import Fraction
from math import lcm
from typing import Any

from ..clearing.set_rules import StandardMargin, StandardTerms
from .fields import choice, flag, rate_field

STANDARD = {
    "initial_at_the_money": rate_field("highest", most=None, required=True),
    "initial_least": rate_field("lowest", most=None, required=True),
    "call_maintenance": rate_field("call", required=True),
    "put_maintenance": rate_field("put", required=True),
    "put_maintenance_of_mark": rate_field("put_mark"),
    "put_initial_of_maintenance": rate_field("put_floor", most=None),
    "longs_count": flag("longs_count", required=True),
    "netting": choice("netting", "none", "expiry", required=True),
    "unpaired_initial": rate_field("unpaired_initial", most=None),
    "unpaired_maintenance": rate_field("unpaired_maintenance", most=None),
    "doubt": rate_field("doubt"),
    "perp_confidence": rate_field("perp_confidence"),
    "option_confidence": rate_field("option_confidence"),
    "asset_confidence": rate_field("asset_confidence"),
    "peg": rate_field("peg"),
    "peg_factor": rate_field("peg_factor", most=None),
}
"""Fields of the table; see `clearing.standard`."""


def standard_margin(read: Mapping[str, Any]) -> StandardMargin:
    """The rule that the table states; what it leaves out asks nothing."""
    rates = {name: value for name, value in read.items() if isinstance(value, Fraction)}
    den = lcm(*(rate.denominator for rate in rates.values()))

    def num(name: str) -> int:
        return int(rates.get(name, Fraction(0)) * den)

    terms = StandardTerms(
        highest_num=num("highest"),
        lowest_num=num("lowest"),
        call_num=num("call"),
        put_num=num("put"),
        put_mark_num=num("put_mark"),
        put_floor_num=num("put_floor"),
        den=den,
        longs_count=read["longs_count"],
        netted=read["netting"] == "expiry",
        unpaired_initial_num=num("unpaired_initial"),
        unpaired_maintenance_num=num("unpaired_maintenance"),
    )
    return StandardMargin(
        terms,
        doubt_num=num("doubt"),
        perp_doubt_below_num=num("perp_confidence"),
        option_doubt_below_num=num("option_confidence"),
        asset_doubt_below_num=num("asset_confidence"),
        peg_below_num=num("peg"),
        peg_num=num("peg_factor"),
    )
