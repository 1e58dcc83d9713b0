"""Accounts of Vertex's executed cases: balances in the venue's 18-decimal integers, and health by `rules.weights`.

Weights stand in a case as the venue stores them, in billionths. Product 0 is the quote asset; a perpetual holds lots
and a quote balance of its own.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from msgspec import Struct

from ...errors import InputError
from ...rules.weights import spread_basis, spread_credit, weight_of, weighted_value
from ...rules.words import WAD
from .vectors import Field, Ours

Requirement = Literal["initial", "maintenance", "pnl"]
Weights = tuple[int, int]
"""Of an asset and of a debt."""

QUOTE_ID = 0
WEIGHT_UNIT = 10**9
"""A stored weight of 1 is 1e9; in 18 decimals it is this many times as much."""


class Product(NamedTuple):
    """A spot asset or a perpetual: its oracle price and its weights."""

    price: int
    initial: Weights
    maintenance: Weights

    def weights(self, asked: Requirement) -> Weights:
        """Asset and liability weight; for profit and loss nothing is weighted."""
        if asked == "pnl":
            return WAD, WAD
        return self.initial if asked == "initial" else self.maintenance


class Perp(Struct):
    """Lots and quote balance of a perpetual."""

    amount: int = 0
    v_quote: int = 0


class Holder(Struct):
    """What one subaccount holds; what it does not name is nothing."""

    spots: dict[int, int]
    perps: dict[int, Perp]

    @property
    def quote(self) -> int:
        """The quote balance."""
        return self.spots.get(QUOTE_ID, 0)

    def spot(self, product: int) -> int:
        """Amount of a spot asset."""
        return self.spots.get(product, 0)

    def perp(self, product: int) -> Perp:
        """Balance of a perpetual."""
        return self.perps.setdefault(product, Perp())

    def add_spot(self, product: int, amount: int) -> None:
        """Change the balance of a spot asset."""
        self.spots[product] = self.spot(product) + amount

    def add_perp(self, product: int, amount: int, quote: int) -> None:
        """Change lots and quote balance of a perpetual."""
        held = self.perp(product)
        held.amount += amount
        held.v_quote += quote


class Listing(NamedTuple):
    """Products by id, and the pairs (spot, perp) that are netted as spreads."""

    spots: dict[int, Product]
    perps: dict[int, Product]
    spreads: list[tuple[int, int]]

    def spread_of(self, product: int) -> tuple[int, int] | None:
        """The spread that a product is a leg of."""
        return next((pair for pair in self.spreads if product in pair), None)


def read_listing(rule: Field) -> Listing:
    """The products and spreads of a case."""
    spots, perps = _products(rule.items("spot_products")), _products(rule.items("perp_products"))
    pairs = [_pair(row) for row in rule.items("spreads")]
    return Listing(spots, perps, [pair for pair in pairs if pair[0] in spots and pair[1] in perps])


def _pair(row: Field) -> tuple[int, int]:
    legs = [leg.integer() for leg in row]
    if len(legs) != 2:  # noqa: PLR2004 - a spot asset and a perpetual
        raise InputError(f"{row.where}: expected a spot asset and a perpetual, got {len(legs)} products")
    return legs[0], legs[1]


def _products(rows: Iterable[Field]) -> dict[int, Product]:
    return {
        row["product_id"].integer(least=1): Product(
            row["price_x18"].integer(least=1),
            _weights(row, "initial"),
            _weights(row, "maintenance"),
        )
        for row in rows
    }


def _weights(row: Field, asked: str) -> Weights:
    asset, debt = (row[f"{side}_weight_{asked}"].integer(least=0) for side in ("long", "short"))
    return asset * WEIGHT_UNIT, debt * WEIGHT_UNIT


def read_book(body: Field) -> tuple[Listing, Holder]:
    """The products of a case and the subaccount that it is about, which holds none but them."""
    listing, holder = read_listing(body["rule"]), Holder({}, {})
    for row in body.items("collateral"):
        holder.add_spot(_product_of(row, {QUOTE_ID, *listing.spots}), row["amount"].integer())
    for row in body.items("positions"):
        product = _product_of(row, {*listing.perps})
        if product in holder.perps:
            raise InputError(f"{row.where}: product {product} stands twice")
        holder.add_perp(product, row["amount"].integer(), row["v_quote"].integer())
    return listing, holder


def _product_of(row: Field, listed: set[int]) -> int:
    product = row["product_id"].integer(least=0)
    if product not in listed:
        raise InputError(f"{row.where}: product {product} is not listed")
    return product


def health(listing: Listing, holder: Holder, asked: Requirement) -> int:
    """Sum of weighted worths, with what spreads give back."""
    total = holder.quote + sum(perp.v_quote for perp in holder.perps.values())
    for product, risk in listing.spots.items():
        total += _worth(holder.spot(product), risk, asked)
    for product, risk in listing.perps.items():
        total += _worth(holder.perp(product).amount, risk, asked)
    return total + sum(_credit(listing, holder, spot, perp, asked) for spot, perp in listing.spreads)


def _worth(amount: int, risk: Product, asked: Requirement) -> int:
    return weighted_value(amount, weight_of(amount, *risk.weights(asked)), risk.price, WAD)


def _credit(listing: Listing, holder: Holder, spot: int, perp: int, asked: Requirement) -> int:
    owned = holder.spot(spot)
    basis = spread_basis(owned, holder.perp(perp).amount)
    spot_weight, perp_weight = (risk.weights(asked)[0] for risk in (listing.spots[spot], listing.perps[perp]))
    prices = listing.spots[spot].price + listing.perps[perp].price
    hedge = perp_weight if owned > 0 else spot_weight
    return spread_credit(basis, prices, spot_weight, perp_weight, hedge, WAD)


def healths(listing: Listing, holder: Holder) -> Ours:
    """All three healths, and what follows from them."""
    initial, maintenance, equity = (
        health(listing, holder, asked) for asked in ("initial", "maintenance", "pnl")
    )
    return {
        "initial_health": initial,
        "maintenance_health": maintenance,
        "pnl_health": equity,
        "equity": equity,
        "im": equity - initial,
        "mm": equity - maintenance,
        "liquidatable": maintenance < 0,
    }
