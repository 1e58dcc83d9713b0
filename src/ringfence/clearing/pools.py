"""Pools that liquidations sell into: an execution model, not a part of the venue's state.

A liquidation order that trades with a pool moves it, so the next one finds a worse price; a liquidator who buys
collateral from a subaccount in debt sells it on into a pool, and buys only what pays. Pools are values: a trade returns
what it brought and the pool as it is afterwards.

`base` atoms are those of the market or asset, `quote` atoms the engine's (1e-6 USD), `root` is the square root of quote
atoms per base atom times 2^96; see `rules.amm`.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from ..errors import InputError
from ..rules import amm
from ..rules.words import CEIL, FLOOR, Int, max_, min_, mul_div_down, mul_div_up
from . import command as cmd
from . import event as ev
from .liquidation import liquidation_size_b
from .loans import bonus_fee, collateral_buyer, collateral_sale
from .model import Market, Subaccount, Venue
from .resolve import Fills
from .verdict import Accepted


class Trade(NamedTuple):
    """Quote that a trade moved (received by a seller, paid by a buyer), base that found no other side, and the pool."""

    quote_q: int
    unfilled: int
    after: "Pool"


class ConstantProduct(Struct, frozen=True):
    """Uniswap v2: one product of two reserves at every price."""

    base: int
    quote_q: int
    fee_ppm: int = 0

    def sold(self, amount: int) -> Trade:
        """Sell base to the pool."""
        paid_q = amm.paid_out(amount, self.base, self.quote_q, self.fee_ppm)
        return Trade(paid_q, 0, replace(self, base=self.base + amount, quote_q=self.quote_q - paid_q))

    def bought(self, amount: int) -> Trade:
        """Buy base from the pool, at most all but one atom of it."""
        filled = min_(amount, max_(self.base - 1, 0))
        if filled == 0:
            return Trade(0, amount, self)
        paid_q = amm.paid_in(filled, self.quote_q, self.base, self.fee_ppm)
        after = replace(self, base=self.base - filled, quote_q=self.quote_q + paid_q)
        return Trade(paid_q, amount - filled, after)

    def spot(self) -> tuple[int, int]:
        """Quote atoms per base atom, as a fraction."""
        return self.quote_q, self.base


class Span(Struct, frozen=True, array_like=True):
    """Liquidity between two roots."""

    low: int
    high: int
    liquidity: int


class Concentrated(Struct, frozen=True):
    """Uniswap v3: liquidity of its own in each span of prices. Spans stand in ascending order and do not overlap."""

    root: int
    spans: tuple[Span, ...]
    fee_ppm: int = 0

    def __post_init__(self) -> None:
        """Refuse spans that are out of order or overlap."""
        ends = [end for span in self.spans for end in (span.low, span.high)]
        if any(later < earlier for earlier, later in pairwise(ends)):
            raise InputError("a pool's spans must ascend and not overlap")

    def sold(self, amount: int) -> Trade:
        """Sell base to the pool, span by span downwards; what no span takes finds no other side."""
        left, got_q, root = amount, 0, self.root
        for span in reversed(self.spans):
            start = min_(root, span.high)
            if start <= span.low or left == 0:
                continue
            whole = amm.base_between(span.liquidity, span.low, start, CEIL)
            asked = whole + amm.fee_on_top(whole, self.fee_ppm)
            if asked <= left:
                left, root = left - asked, span.low
            else:
                moving = amm.without_fee(left, self.fee_ppm)
                left, root = 0, max_(amm.root_after_sale(start, span.liquidity, moving), span.low)
            got_q += amm.sold_within(span.liquidity, start, root)
        return Trade(got_q, left, replace(self, root=root))

    def bought(self, amount: int) -> Trade:
        """Buy base from the pool, span by span upwards."""
        left, paid_q, root = amount, 0, self.root
        for span in self.spans:
            start = max_(root, span.low)
            if start >= span.high or left == 0:
                continue
            held = amm.base_between(span.liquidity, start, span.high, FLOOR)
            if held <= left:
                left, root = left - held, span.high
            else:
                left, root = 0, min_(amm.root_after_purchase(start, span.liquidity, left), span.high)
            cost_q = amm.bought_within(span.liquidity, start, root)
            paid_q += cost_q + amm.fee_on_top(cost_q, self.fee_ppm)
        return Trade(paid_q, left, replace(self, root=root))

    def spot(self) -> tuple[int, int]:
        """Quote atoms per base atom, as a fraction."""
        return self.root * self.root, amm.Q96 * amm.Q96


Pool = ConstantProduct | Concentrated


def traded(pool: Pool, size: Int) -> Trade:
    """Sell a positive amount of base to a pool, or buy a negative one from it."""
    return pool.sold(size) if size > 0 else pool.bought(-size)


class PoolFills(Fills):
    """Fills that trade with one pool per market, and liquidators who sell into one pool per asset.

    Markets and assets without a pool fill at the mark, and their collateral always finds a buyer.
    """

    def __init__(self, pools: Mapping[str, Pool], draw: int = 0) -> None:
        super().__init__(0, draw)
        self.pools = dict(pools)

    def price(self, venue: Venue, subaccount: Subaccount, market_id: str) -> int:
        """Mean price of the trade that one liquidation of this position makes with its pool, against its owner.

        What the pool cannot take sells for nothing; a purchase that it cannot fill is left at the mark.
        """
        pool, market = self.pools.get(market_id), venue.markets[market_id]
        if pool is None:
            return 0
        size_b = liquidation_size_b(venue, subaccount, market_id, market.mark)
        sells = subaccount.positions[market_id].size_b > 0
        trade = traded(pool, size_b if sells else -size_b)
        if size_b == 0 or (trade.unfilled and not sells):
            return 0
        mean = mul_div_down if sells else mul_div_up
        return max_(1, mean(trade.quote_q, market.scale.den, size_b * market.scale.num))

    def buys(self, venue: Venue, subaccount: Subaccount, asset: str) -> bool:
        """Does the pool bring a liquidator at least what the venue lets him buy this collateral for?"""
        pool = self.pools.get(asset)
        if pool is None:
            return True
        amount, paid_q = collateral_sale(venue, subaccount, asset)
        got = amount - bonus_fee(venue.assets[asset], amount)
        return amount > 0 and pool.sold(got).quote_q >= paid_q

    def filled(self, command: cmd.AnyCommand, verdict: Accepted) -> None:
        """Move the pools by what was traded."""
        sale = isinstance(command, cmd.SellCollateral)
        for event in verdict.events:
            if isinstance(event, ev.Liquidated):
                self._move(event.market, -event.size_b)
            elif sale and isinstance(event, ev.Transfer) and event.credit == _buyer(event.asset):
                self._move(event.asset, event.amount)

    def _move(self, name: str, size: int) -> None:
        if name in self.pools:
            self.pools[name] = traded(self.pools[name], size).after

    def mark(self, market: Market) -> int:
        """Price quanta at which the market's pool stands now, rounded down and at least 1."""
        num, den = self.pools[market.id].spot()
        return max_(1, mul_div_down(num, market.scale.den, den * market.scale.num))


def _buyer(asset: str) -> str:
    return f"sub/{collateral_buyer(asset)}"
