"""What the fields of a rulebook mean: the unit each is written in and the engine's parameter that it becomes.

A reader takes what the file says and where it says it, and returns the engine's keyword arguments. Amounts are written
in USD, shares as `0.2` or `1/3`, times in seconds; the engine counts quote atoms, parts per million and milliseconds.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from ..clearing.set_rules import DebtMargin, SpreadCredit
from ..errors import InputError
from ..rules.words import CEIL, FLOOR, PPM, TRUNC
from ..units import QUOTE_DECIMALS, parse_decimal, to_atoms, to_fraction

Reader = Callable[[Any, str], dict[str, Any]]


class Field(NamedTuple):
    """One field: the unit it must be written in, and how it is read."""

    unit: str
    read: Reader
    required: bool = False


def choice(name: str, *words: str, required: bool = False, hint: str = "") -> Field:
    """One of a few words; a refusal ends with the hint."""

    def read(raw: Any, where: str) -> dict[str, Any]:  # noqa: ANN401
        if raw not in words:
            raise InputError(f"{where}: expected {' or '.join(words)}, got {raw!r}{hint}")
        return {name: raw}

    return Field("choice", read, required)


def steps(name: str, *words: str, required: bool = False) -> Field:
    """Some of a few words, in order, each at most once."""

    def read(raw: Any, where: str) -> dict[str, Any]:  # noqa: ANN401
        if not isinstance(raw, list) or any(word not in words for word in raw) or len(set(raw)) != len(raw):
            raise InputError(
                f"{where}: expected a list of {', '.join(words)}, each at most once, got {raw!r}"
            )
        return {name: tuple(raw)}

    return Field("list", read, required)


def names(name: str) -> Field:
    """A list of names."""

    def read(raw: Any, where: str) -> dict[str, Any]:  # noqa: ANN401
        if not isinstance(raw, list) or not all(isinstance(word, str) for word in raw):
            raise InputError(f"{where}: expected a list of names, got {raw!r}")
        return {name: tuple(raw)}

    return Field("list", read)


def text(name: str, *, unit: str = "name", required: bool = False) -> Field:
    """A name or a sentence."""

    def read(raw: Any, where: str) -> dict[str, Any]:  # noqa: ANN401
        if not isinstance(raw, str) or not raw:
            raise InputError(f"{where}: expected text, got {raw!r}")
        return {name: raw}

    return Field(unit, read, required)


def flag(name: str, *, required: bool = False) -> Field:
    """True or false."""

    def read(raw: Any, where: str) -> dict[str, Any]:  # noqa: ANN401
        if not isinstance(raw, bool):
            raise InputError(f"{where}: expected true or false, got {raw!r}")
        return {name: raw}

    return Field("flag", read, required)


def direction(name: str) -> Field:
    """A rounding direction."""
    words = {"floor": FLOOR, "ceil": CEIL, "trunc": TRUNC}

    def read(raw: Any, where: str) -> dict[str, Any]:  # noqa: ANN401
        if not isinstance(raw, str) or raw not in words:
            raise InputError(f"{where}: expected floor, ceil or trunc, got {raw!r}")
        return {name: words[raw]}

    return Field("direction", read, required=True)


def share(name: str, *, least: int = 0, most: int | None = 1, required: bool = False) -> Field:
    """A share of something, in whole parts per million."""

    def read(raw: Any, where: str) -> dict[str, Any]:  # noqa: ANN401
        ppm = to_fraction(raw, where) * PPM
        if ppm.denominator != 1:
            raise InputError(f"{where}: {raw} is not a whole number of parts per million")
        if ppm < least * PPM or (most is not None and ppm > most * PPM):
            raise InputError(f"{where}: expected a share from {least} to {most}, got {raw}")
        return {name: int(ppm)}

    return Field("share", read, required)


def quotient(numerator: str, denominator: str) -> Field:
    """A share that parts per million cannot hold, such as `2/3`."""

    def read(raw: Any, where: str) -> dict[str, Any]:  # noqa: ANN401
        exact = to_fraction(raw, where)
        if not 0 <= exact <= 1:
            raise InputError(f"{where}: expected a share from 0 to 1, got {raw}")
        return {numerator: exact.numerator, denominator: exact.denominator}

    return Field("share", read)


def rate_field(name: str, *, most: int | None = 1, required: bool = False) -> Field:
    """A margin rate, exactly as written."""

    def read(raw: Any, where: str) -> dict[str, Any]:  # noqa: ANN401
        exact = to_fraction(raw, where)
        if exact < 0 or (most is not None and exact > most):
            bounds = "from 0 on" if most is None else f"from 0 to {most}"
            raise InputError(f"{where}: expected a rate {bounds}, got {raw}")
        return {name: exact}

    return Field("share", read, required)


def spread_credit() -> Field:
    """The share of one leg's rate that a hedged pair of collateral and perp is still asked for."""

    def read(raw: Any, where: str) -> dict[str, Any]:  # noqa: ANN401
        kept = rate(raw, where)
        return {"set_rule": SpreadCredit(kept.numerator, kept.denominator)}

    return Field("share", read)


def debt_margin() -> Field:
    """The share of what positions owe that initial margin asks."""

    def read(raw: Any, where: str) -> dict[str, Any]:  # noqa: ANN401
        asked = rate(raw, where)
        return {"set_rule": DebtMargin(asked.numerator, asked.denominator)}

    return Field("share", read)


def usd(name: str, *, required: bool = False) -> Field:
    """An amount in USD."""

    def read(raw: Any, where: str) -> dict[str, Any]:  # noqa: ANN401
        return {name: usd_atoms(raw, where)}

    return Field("USD", read, required)


def count(name: str, unit: str, *, least: int = 0, most: int = 10**9, required: bool = False) -> Field:
    """A whole number of `unit`."""

    def read(raw: Any, where: str) -> dict[str, Any]:  # noqa: ANN401
        if isinstance(raw, bool) or not isinstance(raw, int) or not least <= raw <= most:
            raise InputError(f"{where}: expected a whole number from {least} to {most}, got {raw!r}")
        return {name: raw}

    return Field(unit, read, required)


def seconds(name: str, *, required: bool = False) -> Field:
    """A duration in seconds; the engine counts milliseconds."""

    def read(raw: Any, where: str) -> dict[str, Any]:  # noqa: ANN401
        return {name: to_atoms(_not_negative(raw, where), 3, where)}

    return Field("s", read, required)


def usd_atoms(raw: Any, where: str) -> int:  # noqa: ANN401
    """Quote atoms of an amount in USD."""
    return to_atoms(_not_negative(raw, where), QUOTE_DECIMALS, where)


def rate(raw: Any, where: str) -> Fraction:  # noqa: ANN401
    """A margin rate or haircut, exactly as written."""
    exact = to_fraction(raw, where)
    if not 0 <= exact <= 1:
        raise InputError(f"{where}: expected a rate from 0 to 1, got {raw}")
    return exact


def _not_negative(raw: Any, where: str) -> Any:  # noqa: ANN401
    number = parse_decimal(raw, where)
    if number < 0:
        raise InputError(f"{where}: expected a number from 0 on, got {raw}")
    return number


ROUNDING = {
    "worth": direction("value"),
    "notional": direction("notional"),
    "requirement": direction("requirement"),
    "funding": direction("funding"),
}
LIQUIDATION = {
    "size": choice(
        "size", "full", "portion", "target", "window", hint="; a venue with policy.auction states no size"
    ),
    "portion": share("portion_ppm"),
    "portion_of": choice("portion_of", "position", "account", "debt"),
    "portion_above": usd("portion_above_q"),
    "portion_floor": share("portion_floor_ppm"),
    "portion_health": share("portion_health_ppm", most=None),
    "leftover": usd("leftover_q"),
    "portion_once": flag("portion_once"),
    "minimum": usd("minimum_q"),
    "target": share("target_ppm", least=1, most=None),
    "target_of": choice("target_of", "maintenance", "initial"),
    "buffer": share("buffer_ppm"),
    "cooldown": seconds("cooldown_ms"),
    "limit": choice("limit", "none", "fillable"),
    "adjustment": share("adjustment_ppm", most=None),
    "spread": share("spread_ppm", most=None),
    "fee": share("fee_ppm"),
    "fee_of": choice("fee_of", "notional", "cost", "maintenance"),
    "fee_to_fund": share("fee_to_fund_ppm"),
    "fee_in_full": flag("fee_in_full"),
    "block_liquidations": count("block_liquidations", "per block"),
    "block_deleveragings": count("block_deleveragings", "per block"),
    "block_subaccount": usd("block_subaccount_q"),
    "block_insurance": usd("block_insurance_q"),
    "remainder": choice("remainder", "subaccount", "fund", "fees"),
    "remainder_least": usd("remainder_least_q"),
    "backstop": quotient("backstop_num", "backstop_den"),
}
AUCTION = {
    "start": share("start_ppm", required=True),
    "cutoff": share("cutoff_ppm", required=True),
    "fast": seconds("fast_ms", required=True),
    "slow": seconds("slow_ms", required=True),
    "insolvent": seconds("insolvent_ms", required=True),
    "buffer": share("buffer_ppm"),
    "fee": share("fee_ppm"),
}
DELEVERAGING = {
    "policy": choice("policy", "ranked", "pro_rata", "cyclic"),
    "score": choice("score", "profit_leverage", "index", "index_literal", "profit_margin"),
    "price": choice("price", "bankruptcy", "mark", "previous_mark"),
    "scan_max": count("scan_max", "subaccounts"),
}
MARGIN_POLICY = {
    "risk_price": choice("risk_price", "mark", "index", required=True),
    "trigger_at_equality": flag("trigger_at_equality", required=True),
    "withdrawal_floor": share("withdrawal_floor_ppm"),
    "initial_profit_cap": usd("initial_profit_cap_q"),
    "initial_profit_cap_of": choice("initial_profit_cap_of", "position", "account"),
    "debt_margin": debt_margin(),
    "exclusive_pools": flag("exclusive_pools"),
    "account_gating": choice("account_gating", "none", "maintenance"),
    "spread_credit": spread_credit(),
}
PROCEDURE = {
    "overdraft": usd("overdraft_q"),
    "taker_fee": share("taker_fee_ppm"),
    "maker_fee": share("maker_fee_ppm", least=-1),
    "insurance": choice("insurance", "continuous", "all_or_nothing"),
    "waterfall": steps("waterfall", "insurance", "counterparty", "deleverage", "socialize", required=True),
    "socialize_by": choice("socialize_by", "equity", "open_interest"),
    "withdrawal_gate": count("withdrawal_gate_blocks", "blocks"),
    "outage_gate": seconds("outage_ms"),
    "under_margin": choice("under_margin", "ratio", "strict_reduce", "free_reduce"),
}
OF_ALL_MARKETS = {"leverage_checked": choice("leverage_checked", "always", "opening")}
"""Fields of the policy that the engine keeps with each market."""
MARKET = {
    "margin": text("margin", required=True),
    "pool": text("pool", required=True),
    "base_decimals": count("base_decimals", "decimals", least=-18, most=36, required=True),
    "price_decimals": count("price_decimals", "decimals", least=-18, most=36, required=True),
    "step": text("step", unit="base"),
    "minimum_margin": usd("minimum_margin_q"),
    "minimum_margin_as": choice("minimum_margin_as", "added", "floor", "floor_with_fees"),
    "fee_margin": rate_field("fee_margin"),
    "fee_margin_min": usd("fee_margin_min"),
    "fee_margin_max": usd("fee_margin_max"),
    "fee_margin_of": choice("fee_margin_of", "notional", "cost"),
    "fee_margin_initial": flag("fee_margin_initial"),
    "profit_cap": share("profit_cap", most=None),
    "profit_trigger": share("profit_trigger", most=None),
    "profit_floor": share("profit_floor"),
    "window": seconds("window_ms"),
    "window_multiplier": share("window_multiplier_ppm", most=None),
    "window_premium": share("window_premium_ppm"),
    "modes": names("modes"),
}
ASSET = {
    "decimals": count("decimals", "decimals", most=36, required=True),
    "price_decimals": count("price_decimals", "decimals", most=36, required=True),
    "conversion_discount": share("conversion_discount_ppm"),
    "bonus": share("bonus_ppm"),
    "bonus_fee": share("bonus_fee_ppm"),
    "market": text("market"),
    "long_initial": rate_field("long_initial"),
    "long_maintenance": rate_field("long_maintenance"),
    "short_initial": rate_field("short_initial", most=None),
    "short_maintenance": rate_field("short_maintenance", most=None),
}
MODE = {
    "meaning": text("meaning", unit="text", required=True),
    "shared": flag("shared", required=True),
    "removable": flag("removable", required=True),
    "default": flag("default"),
}
DISPLAY = {
    "maintenance": choice("maintenance", "at_liquidation_price", "at_current_mark", required=True),
    "rounds_maintenance_of": names("rounds_maintenance_of"),
    "decimals": count("decimals", "decimals", most=18),
}


def no_such_field(name: str, known: Iterable[str], where: str) -> InputError:
    """The refusal of a field that a table does not have, with the name it resembles."""
    known = tuple(known)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
    return InputError(f"{where}.{name}: no such field; {hint}")


def check_names(found: Iterable[str], fields: Mapping[str, Field], where: str) -> None:
    """Raise `InputError` when a required field is missing or one is not known, with the name it resembles."""
    found = set(found)
    for name in sorted(found - fields.keys()):
        raise no_such_field(name, fields, where)
    for name, field in fields.items():
        if field.required and name not in found:
            raise InputError(f"{where}: {name} is missing")
