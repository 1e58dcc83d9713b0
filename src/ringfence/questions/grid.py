"""Grids: how fine sizes and prices are counted. A file with more decimals than the rulebook makes a grid finer."""

from decimal import Decimal

from msgspec.structs import replace

from ..books.record import EXACT, Place
from ..clearing.decide import LIMIT
from ..clearing.model import Asset, Market
from ..clearing.shapes import on_grid
from ..errors import InputError
from ..units import to_atoms
from ..venues.model import scale_of

DECIMALS_MAX = 30


def places(number: Decimal, where: Place) -> int:
    """Decimal places that a number needs; raises `InputError` beyond `DECIMALS_MAX`."""
    exponent = EXACT.normalize(number).as_tuple().exponent
    assert isinstance(exponent, int)
    if -exponent > DECIMALS_MAX:
        raise InputError(f"{where}: {number} has more than {DECIMALS_MAX} decimal places")
    return -exponent


def market_on_grid(market: Market, base_decimals: int, price_decimals: int) -> Market:
    """The market with at least these decimals of size and price; one atom of a finer grid is worth less."""
    base, price = max(base_decimals, market.base_decimals), max(price_decimals, market.price_decimals)
    return replace(
        on_grid(market, base=10 ** (base - market.base_decimals)),
        scale=scale_of(base, price),
        base_decimals=base,
        price_decimals=price,
        step_b=market.step_b * 10 ** (base - market.base_decimals),
    )


def asset_on_grid(asset: Asset, price_decimals: int) -> Asset:
    """The collateral asset with at least these decimals of price."""
    price = max(price_decimals, asset.price_decimals)
    return replace(asset, scale=scale_of(asset.decimals, price), price_decimals=price)


def atoms(number: Decimal, decimals: int, where: Place) -> int:
    """Exact atoms of a number; raises `InputError` when they are more than the engine holds."""
    counted = to_atoms(number, decimals, str(where))
    if abs(counted) >= LIMIT:
        raise InputError(f"{where}: {number} is more than the engine holds (2^96 atoms of 1e-{decimals})")
    return counted
