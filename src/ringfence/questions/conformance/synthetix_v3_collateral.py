"""Collateral of a Synthetix v3 account: several assets, each with a haircut that grows with its amount."""

from typing import NamedTuple

from ...rules import skew
from ...rules.words import WAD
from .vectors import Case, Field, Value
from .wad import amount_wad, find, positive_wad, whole

UNIT = "snxUSD"


class Collateral(NamedTuple):
    """Collateral before and after its haircuts, in 1e18 fixed point, and the haircut of each asset."""

    value: int
    discounted: int
    discounts: dict[str, Value]


def collateral(case: Case) -> Collateral:
    """Collateral of a case: the unit of account in full, other assets at their price less their haircut."""
    value, discounted, discounts = 0, 0, dict[str, Value]()
    for item in case.body.items("collateral"):
        name, amount = item["asset"].text(), amount_wad(item["amount"])
        worth, share = amount, 0
        if name != UNIT:
            worth, share = skew.notional_wad(amount, positive_wad(item["price"])), discount(item, amount)
        value, discounted = value + worth, discounted + skew.discounted_wad(worth, share)
        discounts[name] = whole(share)
    return Collateral(value, discounted, discounts)


def discount(item: Field, amount: int) -> int:
    """Haircut of an asset, under its parameters' short names or spelled out; none without a skew scale."""
    return skew.discount_wad(
        amount,
        _of(item, 0, "spot_skew_scale", "skew_scale"),
        _of(item, WAD, "discount_scalar", "scalar"),
        _of(item, 0, "lower_limit_discount", "lower_discount", "lower"),
        _of(item, WAD, "upper_limit_discount", "upper_discount", "upper"),
    )


def _of(item: Field, otherwise: int, *names: str) -> int:
    stated = find([item], *names)
    return otherwise if stated is None else amount_wad(stated)
