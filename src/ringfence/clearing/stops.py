"""Where a subaccount's surplus may bend or jump as one price moves: between two such prices it has at most one root.

`shapes.bends` and `portfolio.bends` know the margin rules; here stands what else depends on a price: floors, collateral
that follows the market, profits that are capped, and rounding.
"""

from collections.abc import Callable, Iterable, Iterator
from copy import copy
from itertools import pairwise

from ..rules.value import notional_q
from ..rules.words import mul_div_down, mul_div_up
from .liquidity import headroom_q
from .model import QUOTE, Market, Subaccount, Venue
from .portfolio import bends as set_bends
from .risk import asset_price, collateral_risk, holding, leg_risk, risk_price, worth_q
from .search import frontier
from .shapes import Leg, bends, over_floor_q


def moving_part(venue: Venue, subaccount: Subaccount, market: Market) -> Subaccount:
    """What the price of a market has to do with: it, all that nets with it, and the collateral that follows it.

    No margin rule nets across two underlyings, so the rest of a subaccount adds the same at every price.
    """
    underlying, twin = _underlying(market), copy(subaccount)
    names = [name for name in subaccount.positions if _underlying(venue.markets[name]) == underlying]
    followed = {market.id, underlying}
    twin.positions, twin.orders = {name: subaccount.positions[name] for name in names}, {}
    twin.balances = {
        name: amount
        for name, amount in subaccount.balances.items()
        if name != QUOTE and venue.assets[name].market in followed
    }
    return twin


def _underlying(market: Market) -> str:
    return market.id if market.option is None else market.option.underlying


def stops(
    venue: Venue, moving: Subaccount, market: Market, surplus: Callable[[int], int], most: int
) -> list[int]:
    """Prices up to `most` between which the `surplus` changes sides of zero at most once."""
    size_b = moving.positions[market.id].size_b
    found = {
        *bends(market, size_b, most),
        *_vanishing(venue, moving, market, most),
        *_floor_bends(venue, market, size_b, most),
        *_haircut_bends(venue, moving, market),
        *_set_bends(venue, moving, market, most),
        *_cap_bends(venue, moving, market, surplus, most),
    }
    return sorted(price for price in found if 0 < price < most)


def _vanishing(venue: Venue, moving: Subaccount, market: Market, most: int) -> Iterator[int]:
    """Below which prices rounding leaves no requirement: without any nothing is liquidatable."""
    size_b, rounds = moving.positions[market.id].size_b, venue.policy.rounding

    def of_leg_q(price: int) -> int:
        return leg_risk(market, size_b, price, rounds).maintenance_q - 1

    def of_collateral_q(price: int) -> int:
        return collateral_risk(venue, moving, {market.id: price}).maintenance_q - 1

    for asked in (of_leg_q, of_collateral_q) if moving.balances else (of_leg_q,):
        without = frontier(asked, 1, [most])
        yield from () if without is None else (without, without + 1)


def _set_bends(venue: Venue, moving: Subaccount, market: Market, most: int) -> Iterable[int]:
    """Where a rule that looks at positions together may bend.

    Such a rule rounds several amounts, each by less than an atom, which is more than one price quantum may change. So a
    price nearer to the mark than the root can be short of maintenance margin, by less than an atom for each of them.
    """
    if venue.policy.set_rule is None:
        return ()
    return set_bends(venue, lambda price: holding(venue, moving, {market.id: price}), market, most)


def _floor_bends(venue: Venue, market: Market, size_b: int, most: int) -> Iterator[int]:
    """Where a market's smallest margin gives way to the share that its requirement asks."""
    if market.minimum_margin_as == "added":
        return
    scale, rounds, mark = market.scale, venue.policy.rounding, risk_price(venue, market)

    def over_q(price: int) -> int:
        worth_q = notional_q(size_b, price, scale.num, scale.den, rounds.notional)
        return over_floor_q(market, Leg(size_b, worth_q, worth_q), rounds.requirement)

    edges = bends(market, size_b, most)
    for ends in (
        [*(at for at in reversed(edges) if at < mark), 1],
        [*(at for at in edges if at > mark), most],
    ):
        at = frontier(over_q, mark, ends)
        yield from (at - 1, at, at + 1) if at is not None else ()


def _haircut_bends(venue: Venue, moving: Subaccount, market: Market) -> Iterator[int]:
    """Where collateral that follows the market falls into another haircut tier."""
    now = risk_price(venue, market)
    for name, amount in moving.balances.items():
        asset = venue.assets[name]
        raw_num = amount * asset.price * asset.scale.num
        for tier in asset.haircut.tiers[1:] if raw_num > 0 else ():
            at = mul_div_up(tier.lower_q * asset.scale.den, now, raw_num)
            # The asset's own price is rounded to its quanta, so the change may come a little later.
            step = mul_div_up(now, 1, asset.price)
            yield from (at - step - 1, at - 1, at, at + step + 1)


def _cap_bends(
    venue: Venue, moving: Subaccount, market: Market, surplus: Callable[[int], int], most: int
) -> Iterator[int]:
    """Where a profit begins, where the liquidity behind the market caps it, and where the surplus turns beyond.

    A capped profit is a share of what the pool pays, which changes with the price too, so it is no straight line; but
    it bends to one side only, and turns at most once.
    """
    mark, held = risk_price(venue, market), moving.positions[market.id]
    side = market.longs if held.size_b > 0 else market.shorts
    if market.solvency is None or side.size_b == 0:
        return

    def profit_q(price: int) -> int:
        return worth_q(market, held.size_b, price, venue.policy.rounding) - held.cost_q

    def room_q(price: int) -> int:
        moved = {market.id: price}
        return headroom_q(
            venue, market, price, lambda asset: asset_price(venue, asset, moved), is_long=held.size_b > 0
        )

    changes = (frontier(amount, mark, [far]) for amount in (profit_q, room_q) for far in (1, most))
    edges = [1, *sorted(at for at in changes if at is not None), most]
    for near, far in pairwise(edges):
        yield from (near - 1, near, near + 1)
        if far - near > 1 and room_q(near + 1) < 0:
            yield _turn(surplus, near, far)


def _turn(surplus: Callable[[int], int], low: int, high: int) -> int:
    """Price of the lowest or highest surplus where it bends to one side only; next to an end where it never turns."""
    third = mul_div_down(high - low, 1, 3)
    sign = 1 if 3 * surplus(low + third) >= 2 * surplus(low) + surplus(high) else -1
    while third > 0:
        left, right = low + third, high - third
        low, high = (left, high) if sign * surplus(left) < sign * surplus(right) else (low, right)
        third = mul_div_down(high - low, 1, 3)
    return low + 1
