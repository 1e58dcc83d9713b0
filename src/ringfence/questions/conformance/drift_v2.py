"""Drift v2's own unit-test numbers asked of our rules: liquidation amounts and fees, weights by size and by time.

Amounts have the venue's own scales, which stand in the names of its fields: prices, fees and USD in millionths, base in
billionths, ratios and weights in ten-thousandths. What asks for whole accounts is in `drift_v2_account`.
"""

import re
from fractions import Fraction

from ...errors import InputError
from ...rules.requirement import root_rate_num
from ...rules.shortage import (
    MYRIAD,
    asset_for_liability,
    base_to_cover_b,
    grown_fee,
    liability_for_asset,
    liability_to_cover,
    perp_fund_fee,
    share_by_time,
    spot_fund_fee,
)
from ...rules.weights import discounted_weight, scaled_asset_weight
from ...rules.words import mul_div_down, power_of_ten
from ...units import QUOTE_DECIMALS, format_fraction, to_fraction
from .drift_v2_account import ALLOWED, MARGINS, allowed, margins
from .named import NamedKinds
from .vectors import Case, Field, Ours, Rule, UnsupportedError

FACTOR_PRECISION = 1_000_000
SIZE_DECIMALS = 9
DECIMALS_MAX = 36
PERCENT = re.compile(r"(?P<number>[\d.]+)\s*%?")
DECIMALS = re.compile(r"(?P<decimals>\d{1,2}) ?dec")
SIDE = re.compile(r"(?<![a-z])(?P<side>aw|lw)_")
FACTOR = re.compile(r"_imf(?P<factor>\d+(?:e\d+)?)")
MARGIN = re.compile(r"_(?P<margin>init|fill|maint)")
"""These cases state in their names alone which weight is meant, the factor of its premium, and which margin asks."""


def number(row: Field, name: str, default: int | None = None, *, least: int = 0) -> int:
    """A whole number of a field of one of the venue's own arguments; `default` where a case leaves it out."""
    found = row.get(name)
    if found is None:
        if default is None:
            raise UnsupportedError(f"the case does not state {name}")
        return default
    return found.integer(least)


def divisor(row: Field, name: str) -> int:
    """An argument that something is divided by."""
    return number(row, name, least=1)


def decimals(row: Field, name: str) -> int:
    """Decimal places of an asset."""
    number(row, name)
    return row[name].integer(0, DECIMALS_MAX)


def base_to_cover(case: Case) -> Ours:
    """Base whose closing covers a margin shortage."""
    row = case.body["positions"].only()
    return {
        "base_asset_amount_1e9": base_to_cover_b(
            number(row, "margin_shortage_1e6"),
            number(row, "margin_ratio_1e4"),
            number(row, "liquidator_fee_1e6"),
            number(row, "if_fee_1e6"),
            number(row, "oracle_1e6"),
            number(row, "quote_oracle_1e6", FACTOR_PRECISION),
        )
    }


def liability_transfer(case: Case) -> Ours:
    """A debt settled with an asset: what covers a shortage, or what a given amount of the asset pays for."""
    row = case.body["positions"].only()
    debt = (divisor(row, "liability_liq_mult_1e6"), decimals(row, "liability_decimals"))
    price = divisor(row, "liability_price_1e6")
    if row.get("asset_amount") is not None:
        asset = _asset(row)
        return {"liability_transfer": liability_for_asset(number(row, "asset_amount"), *asset, *debt, price)}
    return {
        "liability_transfer": liability_to_cover(
            number(row, "margin_shortage_1e6"),
            number(row, "asset_weight_1e4"),
            number(row, "asset_liq_mult_1e6"),
            number(row, "liability_weight_1e4"),
            *debt,
            price,
            number(row, "if_fee_1e6"),
        )
    }


def _asset(row: Field) -> tuple[int, int, int]:
    """Liquidation multiplier, decimals and price of the asset that pays."""
    return (
        divisor(row, "asset_liq_mult_1e6"),
        decimals(row, "asset_decimals"),
        divisor(row, "asset_price_1e6"),
    )


def asset_transfer(case: Case) -> Ours:
    """The asset that pays for a settled debt."""
    row = case.body["positions"].only()
    return {
        "asset_transfer": asset_for_liability(
            number(row, "asset_amount"),
            *_asset(row),
            number(row, "liability_amount"),
            divisor(row, "liability_liq_mult_1e6"),
            decimals(row, "liability_decimals"),
            number(row, "liability_price_1e6"),
        )
    }


def fund_fee(case: Case) -> Ours:
    """The insurance fund's fee on a position, or on a settled debt."""
    row = case.body["positions"].only()
    shortage, most = number(row, "margin_shortage_1e6"), number(row, "max_if_fee_1e6")
    if row.get("liability_weight_1e4") is not None:
        return {
            "if_fee_1e6": spot_fund_fee(
                shortage,
                number(row, "token_amount"),
                number(row, "asset_weight_1e4"),
                number(row, "asset_liq_mult_1e6"),
                number(row, "liability_weight_1e4"),
                number(row, "liability_liq_mult_1e6"),
                decimals(row, "liability_decimals"),
                number(row, "liability_price_1e6"),
                most,
            )
        }
    return {
        "if_fee_1e6": perp_fund_fee(
            shortage,
            abs(row["base_1e9"].integer()),
            number(row, "margin_ratio_1e4"),
            number(row, "liquidator_fee_1e6"),
            number(row, "oracle_1e6"),
            number(row, "quote_1e6", FACTOR_PRECISION),
            most,
        )
    }


def liquidator_fee(case: Case) -> Ours:
    """The liquidator's fee after some slots."""
    rule, row = case.body["rule"], case.body["positions"].only()
    return {
        "liquidation_fee_1e6": grown_fee(
            number(rule, "base_fee_1e6"),
            number(rule, "max_fee_1e6"),
            number(rule, "grace_slots"),
            number(rule, "increase_per_slot_1e6"),
            number(row, "slots_elapsed"),
        )
    }


def liquidation_share(case: Case) -> Ours:
    """How much of a shortage may be liquidated by now, in per cent."""
    row = case.body["positions"].only()
    stated = PERCENT.fullmatch(row["initial_pct"].text())
    if stated is None:
        raise InputError(f"{row.where}.initial_pct: expected per cent, got {row['initial_pct'].text()}")
    initial = to_fraction(stated["number"], row.where) * MYRIAD / 100
    share = share_by_time(
        number(row, "margin_shortage_1e6"),
        number(row, "margin_freed_1e6", 0),
        _atoms(case.body["rule"]["threshold_usd"], QUOTE_DECIMALS),
        int(initial),
        _slots(row),
        number(row, "duration"),
    )
    return {"pct": f"{format_fraction(Fraction(share * 100, MYRIAD), 2)}%"}


def _slots(row: Field) -> int:
    """Slots since the account was last active."""
    elapsed = row.get("slots_elapsed")
    if elapsed is not None:
        return elapsed.integer(least=0)
    return max(0, number(row, "slot") - number(row, "last_active_slot", 0))


def weight(case: Case) -> Ours:
    """A weight that falls with what the venue holds, or with the size of a balance."""
    rule, held = case.body["rule"], case.body["collateral"].only()
    if rule.get("scale_start_usd") is not None:
        tokens = held["total_deposits"].fraction()
        worth = tokens * rule["price"].positive() * power_of_ten(QUOTE_DECIMALS)
        start = _atoms(rule["scale_start_usd"], QUOTE_DECIMALS)
        return {"weight_1e4": scaled_asset_weight(number(rule, "initial_asset_weight"), start, int(worth))}
    places, side = DECIMALS.search(held["asset"].text()), SIDE.search(case.id)
    if side is None or places is None:
        raise UnsupportedError("the case does not state whose weight it is, or of how many decimals")
    size = mul_div_down(
        number(held, "amount_raw"), power_of_ten(SIZE_DECIMALS), power_of_ten(int(places["decimals"]))
    )
    factor = _size_factor(case)
    if side["side"] == "aw":
        given = _weight_of_margin(case, "asset")
        return {"weight_1e4": discounted_weight(size, factor, given, FACTOR_PRECISION, MYRIAD)}
    given = _weight_of_margin(case, "liability")
    return {
        "weight_1e4": root_rate_num(
            size, power_of_ten(SIZE_DECIMALS), given, MYRIAD, factor, FACTOR_PRECISION
        )
    }


def _size_factor(case: Case) -> int:
    """Factor of the weight's premium for size, in millionths."""
    rule = case.body["rule"]
    stated = rule.get("imf_factor") or rule.get("imf_factor_1e6")
    if stated is not None:
        return stated.integer(least=0)
    named = FACTOR.search(case.id)
    if named is None:
        raise UnsupportedError("the case does not state the size factor of the weight")
    return int(to_fraction(named["factor"], case.place))


def _weight_of_margin(case: Case, side: str) -> int:
    """A weight before its size counts: initial, maintenance, or half way between for a fill.

    The test that the cases come from leaves the maintenance weight of debts at zero.
    """
    rule, named = case.body["rule"], MARGIN.search(case.id)
    margin = "init" if named is None else named["margin"]
    if margin == "init":
        return number(rule, f"initial_{side}_weight")
    maintenance = number(rule, f"maintenance_{side}_weight", 0 if side == "liability" else None)
    if margin == "maint":
        return maintenance
    return mul_div_down(number(rule, f"initial_{side}_weight") + maintenance, 1, 2)


def _atoms(field: Field, decimals: int) -> int:
    return int(field.fraction() * power_of_ten(decimals))


ANSWERS: dict[Rule, tuple[str, ...]] = {
    allowed: ALLOWED,
    asset_transfer: ("asset_transfer",),
    base_to_cover: ("base_asset_amount_1e9",),
    fund_fee: ("if_fee_1e6",),
    liability_transfer: ("liability_transfer",),
    liquidation_share: ("pct",),
    liquidator_fee: ("liquidation_fee_1e6",),
    margins: MARGINS,
    weight: ("weight_1e4",),
}
KINDS = NamedKinds(ANSWERS)
