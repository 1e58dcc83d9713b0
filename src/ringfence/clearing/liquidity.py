"""The liquidity behind a market that is every trader's counterparty: what it holds, owes and lets out (GMX v2).

It is the market's own system subaccount. Each side of the market is paid out of half of its worth, as where one token
pays both sides, or two tokens of equal worth do. Profit beyond the cap counts for nothing, in equity as in payment.
"""

from collections.abc import Callable
from operator import attrgetter

from ..rules.pool import capped_profit
from ..rules.value import released_cost_q, value_q
from ..rules.words import FLOOR, PPM, abs_, max_, min_, mul_div_down
from .model import QUOTE, Asset, Market, Position, Side, Venue, market_subaccount

PriceOf = Callable[[Asset], int]
"""Price of a collateral asset; questions about another price of a market move those that follow it."""
PRESENT: PriceOf = attrgetter("price")


def reserve_q(venue: Venue, market: Market, price_of: PriceOf = PRESENT) -> int:
    """What stands for one side: half of the pool's cash and collateral, without its PnL; rounded down, not negative."""
    name = market_subaccount(market.id)
    if name not in venue.subaccounts:
        return 0
    pool = venue.subaccounts[name]
    held = pool.positions.get(market.id)
    total_q = pool.quote_q + (held.cost_q if held is not None else 0)
    for asset_id, amount in pool.balances.items():
        if asset_id != QUOTE:
            asset = venue.assets[asset_id]
            total_q += value_q(amount, price_of(asset), asset.scale.num, asset.scale.den, FLOOR)
    return max_(0, mul_div_down(total_q, 1, 2))


def owed_to_side_q(venue: Venue, market: Market, price: int, *, is_long: bool) -> int:
    """PnL of all traders of one side at a price; losses of some offset profits of others."""
    side: Side = market.longs if is_long else market.shorts
    scale = market.scale
    return value_q(side.size_b, price, scale.num, scale.den, venue.policy.rounding.value) - side.cost_q


def most_q(venue: Venue, market: Market, price_of: PriceOf = PRESENT) -> int:
    """Most that one side is paid of its profit."""
    assert market.solvency is not None
    return mul_div_down(reserve_q(venue, market, price_of), market.solvency.cap_ppm, PPM)


def headroom_q(venue: Venue, market: Market, price: int, price_of: PriceOf, *, is_long: bool) -> int:
    """What a side may still earn before its profits are capped; negative where they are."""
    return most_q(venue, market, price_of) - owed_to_side_q(venue, market, price, is_long=is_long)


def withheld_q(
    venue: Venue,
    market: Market,
    profit_q: int,
    price: int,
    price_of: PriceOf = PRESENT,
    *,
    is_long: bool,
) -> int:
    """The part of a trader's profit that the pool would not pay, with the market at a price."""
    if market.solvency is None or profit_q <= 0:
        return 0
    owed_q = owed_to_side_q(venue, market, price, is_long=is_long)
    return profit_q - capped_profit(profit_q, owed_q, most_q(venue, market, price_of))


def withheld_of_fill_q(
    venue: Venue, market: Market, held: Position | None, size_b: int, received_q: int, price: int
) -> int:
    """The part of the profit realized by a fill of `size_b` lots for `received_q` that the pool does not pay."""
    if market.solvency is None or held is None or (held.size_b > 0) == (size_b > 0):
        return 0
    closed_b = min_(abs_(size_b), abs_(held.size_b))
    got_q = mul_div_down(received_q, closed_b, abs_(size_b))
    profit_q = got_q - released_cost_q(held.cost_q, held.size_b, closed_b)
    return withheld_q(venue, market, profit_q, price, is_long=held.size_b > 0)
