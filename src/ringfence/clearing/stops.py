"""Where a subaccount's surplus may bend or jump as one price moves: between two such prices it has at most one root.

`shapes.bends` and `portfolio.bends` know the margin rules; here stands what else depends on a price: floors, collateral
that follows the market, profits that are capped, and rounding.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from itertools import pairwise

from ..rules.value import notional_q
from ..rules.words import mul_div_down, mul_div_up
from .liquidity import headroom_q
from .model import QUOTE, Market, Subaccount, Venue
from .portfolio import bends as set_bends
from .risk import Risk, asset_price, holding, risk_price, summed_risk, with_least, worth_q
from .search import frontier
from .shapes import Leg, bends, over_floor_q


class Moved:
    """A subaccount's risk as a function of the price of one market, with all that it does not move summed once.

    No margin rule nets across two underlyings, so what moves is what belongs to the market's own, and the collateral
    that follows it. Options keep their marks and grids: what they are worth at another price of their underlying is for
    pricing to say.
    """

    def __init__(self, venue: Venue, subaccount: Subaccount, market: Market) -> None:
        self.venue, self.subaccount, self.market = venue, subaccount, market
        self.size_b = subaccount.positions[market.id].size_b
        self.part = _moving_part(venue, subaccount, market)
        whole, part = summed_risk(venue, subaccount), summed_risk(venue, self.part)
        self._rest = Risk(whole.equity_q - part.equity_q, 0, whole.maintenance_q - part.maintenance_q)
        self._known: dict[int, Risk] = {}

    @property
    def now(self) -> int:
        """The price that the market has."""
        return risk_price(self.venue, self.market)

    def _risk(self, price: int) -> Risk:
        if price not in self._known:
            self._known[price] = self._rest + summed_risk(self.venue, self.part, {self.market.id: price})
        return self._known[price]

    def asked_q(self, price: int) -> int:
        """Maintenance margin; nothing and less where positions and collateral give each other credit."""
        return self._risk(price).maintenance_q

    def above_trigger_q(self, price: int) -> int:
        """`Risk.above_trigger_q` of the subaccount."""
        risk = with_least(self.venue, self.subaccount, self._risk(price))
        return risk.above_trigger_q(at_equality=self.venue.policy.trigger_at_equality)


def _moving_part(venue: Venue, subaccount: Subaccount, market: Market) -> Subaccount:
    underlying, twin = _underlying(market), copy(subaccount)
    names = [name for name in subaccount.positions if _underlying(venue.markets[name]) == underlying]
    twin.positions, twin.orders = {name: subaccount.positions[name] for name in names}, {}
    twin.balances = {
        name: amount
        for name, amount in subaccount.balances.items()
        if name != QUOTE and venue.assets[name].market == underlying
    }
    return twin


def _underlying(market: Market) -> str:
    return market.id if market.option is None else market.option.underlying


def stops(moved: Moved, most: int) -> list[int]:
    """Prices up to `most` between which the surplus changes sides of zero at most once."""
    found = {
        *bends(moved.market, moved.size_b, most),
        *_floor_bends(moved, most),
        *_haircut_bends(moved),
        *_set_bends(moved, most),
        *_cap_bends(moved, most),
    }
    edges = sorted({1, *(price for price in found if 0 < price < most), most})
    return sorted({*edges[1:-1], *_vanishing(moved, edges)})


def _vanishing(moved: Moved, edges: Sequence[int]) -> Iterator[int]:
    """Where margin begins or ceases to be asked, both sides of each: without any nothing is liquidatable.

    Without a rule that nets, what is asked never falls as a price rises; it rounds to nothing below some price.
    """
    if moved.venue.policy.set_rule is None:
        edges = edges[:: len(edges) - 1]
    for low, high in pairwise(edges):
        at = frontier(lambda price: moved.asked_q(price) - 1, low, [high])
        yield from (price for price in (at - 1, at, at + 1) if low < price < high) if at is not None else ()


def _set_bends(moved: Moved, most: int) -> Iterable[int]:
    """Where a rule that looks at positions together may bend.

    Such a rule rounds several amounts, each by less than an atom, which is more than one price quantum may change. So a
    price nearer to the mark than the root can be short of maintenance margin, by less than an atom for each of them.
    """
    venue, market = moved.venue, moved.market
    if venue.policy.set_rule is None:
        return ()
    return set_bends(venue, lambda price: holding(venue, moved.part, {market.id: price}), market, most)


def _floor_bends(moved: Moved, most: int) -> Iterator[int]:
    """Where a market's smallest margin gives way to the share that its requirement asks."""
    market, size_b, rounds = moved.market, moved.size_b, moved.venue.policy.rounding
    if market.minimum_margin_as == "added":
        return

    def over_q(price: int) -> int:
        worth_q = notional_q(size_b, price, market.scale.num, market.scale.den, rounds.notional)
        return over_floor_q(market, Leg(size_b, worth_q, worth_q), rounds.requirement)

    for low, high in pairwise((1, *bends(market, size_b, most), most)):
        at = frontier(over_q, low, [high])
        yield from (at - 1, at, at + 1) if at is not None else ()


def _haircut_bends(moved: Moved) -> Iterator[int]:
    """Where collateral that follows the market falls into another haircut tier."""
    for name, amount in moved.part.balances.items():
        asset = moved.venue.assets[name]
        raw_num = amount * asset.price * asset.scale.num
        for tier in asset.haircut.tiers[1:] if raw_num > 0 else ():
            at = mul_div_up(tier.lower_q * asset.scale.den, moved.now, raw_num)
            # The asset's own price is rounded to its quanta, so the change may come a little later.
            step = mul_div_up(moved.now, 1, asset.price)
            yield from (at - step - 1, at - 1, at, at + step + 1)


def _cap_bends(moved: Moved, most: int) -> Iterator[int]:
    """Where a profit begins, where the liquidity behind the market caps it, and where the surplus turns beyond.

    A capped profit is a share of what the pool pays, which changes with the price too, so it is no straight line; but
    it bends to one side only, and turns at most once.
    """
    venue, market, held = moved.venue, moved.market, moved.subaccount.positions[moved.market.id]
    is_long = held.size_b > 0
    if market.solvency is None or (market.longs if is_long else market.shorts).size_b == 0:
        return

    def profit_q(price: int) -> int:
        return worth_q(market, held.size_b, price, venue.policy.rounding) - held.cost_q

    def room_q(price: int) -> int:
        at = {market.id: price}
        return headroom_q(venue, market, price, lambda asset: asset_price(venue, asset, at), is_long=is_long)

    changes = (frontier(amount, 1, [most]) for amount in (profit_q, room_q))
    edges = [1, *sorted(at for at in changes if at is not None), most]
    for low, high in pairwise(edges):
        yield from (low - 1, low, low + 1)
        if high - low > 1 and room_q(low + 1) < 0:
            yield _turn(moved.above_trigger_q, low, high)


def _turn(surplus: Callable[[int], int], low: int, high: int) -> int:
    """Price of the lowest or highest surplus where it bends to one side only; next to an end where it never turns."""
    third = mul_div_down(high - low, 1, 3)
    sign = 1 if 3 * surplus(low + third) >= 2 * surplus(low) + surplus(high) else -1
    while third > 0:
        left, right = low + third, high - third
        low, high = (left, high) if sign * surplus(left) < sign * surplus(right) else (low, right)
        third = mul_div_down(high - low, 1, 3)
    return low + 1
