"""How large a leg may be: the sizes and prices of a market within which nothing that its rules make leaves 127 bits."""
# mypy: no-warn-return-any

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ..clearing.model import Market
from ..clearing.policy import CostShare, RootScaled, SkewScaled
from ..rules.requirement import root_rate_num, skew_rate_num
from ..rules.words import CEIL
from .wide import joined

INT64_MAX = (1 << 63) - 1
SIZE_MAX = 1 << 62
"""No size, amount or price is larger, so that sums of two fit."""
PRODUCT_MAX = 1 << 120
"""No product of a leg is larger, so that the sum of 64 legs fits in 127 bits."""
RowValues = tuple[int, int, int, int]
"""A row of a margin table: where it begins, initial and maintenance rate, deduction."""


class UnfitError(Exception):
    """Why the reference decides instead, as the end of a sentence."""


class Limit(NamedTuple):
    """Largest magnitudes, in the market's own units, within which nothing overflows."""

    size_max: int
    price_max: int


def size_usual(price_most: int) -> int:
    """The largest size of which worth alone, at a price sixteen times this one, leaves no product too large."""
    return min(SIZE_MAX, PRODUCT_MAX // _far(price_most) // 2)


def _far(price_most: int) -> int:
    return min(SIZE_MAX, 16 * max(price_most, 1 << 20))


def limit_of(
    market: Market, fields: Mapping[str, Any], rows: Iterable[RowValues], price_most: int, worth_most_q: int
) -> Limit:
    """The largest power of two of size at which no product leaves `PRODUCT_MAX`, at a price sixteen times today's.

    Nor does worth leave what the venue's set rule takes.
    """
    price = _far(price_most)
    rates = max(max(row[1], row[2]) for row in rows)
    size, worth_limit = SIZE_MAX, worth_most_q * joined(fields["worth_den_hi"], fields["worth_den_lo"])
    while size and (
        _peak(market, fields, rates, size, price) >= PRODUCT_MAX
        or size * price * fields["worth_num"] > worth_limit
    ):
        size >>= 1
    if size == 0:
        raise UnfitError("its rates and prices leave 128 bits for any size")
    return Limit(size, price)


def _peak(market: Market, fields: Mapping[str, Any], rate: int, size: int, price: int) -> int:
    """The largest product that the rules of a market make of a leg; every rule rises with size, price and rate."""
    shape, size_b = market.requirement, size * fields["size_unit"]
    worth = size * price * fields["worth_num"]
    base_q = worth // joined(fields["worth_den_hi"], fields["worth_den_lo"]) + 1
    closing_base_q = INT64_MAX if fields.get("close_of_cost") else base_q
    products = [worth, closing_base_q * fields.get("close_num", 0)]
    if isinstance(shape, CostShare):
        products.append(base_q * fields["open_num"] * fields["rate_den"])
        base_q = INT64_MAX
    if isinstance(shape, SkewScaled):
        slope = max(shape.initial_slope_num, shape.maintenance_slope_num)
        products.append(size_b * slope)
        rate = skew_rate_num(size_b, shape.scale_b, rate, slope, 0, CEIL)
    elif isinstance(shape, RootScaled):
        factor = shape.factor_num, shape.factor_den
        rate = root_rate_num(size_b, shape.unit_b, rate, shape.den, *factor)
        products += [size_b * 10**10, rate * 100_000 * shape.factor_den * 2]
    return max(*products, base_q * max(rate, fields["rate_den"]))
