"""A Synthetix account in the engine, on grids of 18 decimal places: what v2 and v3 cases have in common."""

from collections.abc import Iterable
from typing import NamedTuple

from ...clearing.model import QUOTE, CollateralPool, Market, Position, Scale, Subaccount, Venue
from ...clearing.policy import CloseCost, Policy, SkewScaled
from ...rules.words import WAD

ACCOUNT = "account"
POOL = "pool"


class Leg(NamedTuple):
    """One position, its market's mark and what it must be backed by, in 1e18 fixed point."""

    market: str
    size_wad: int
    mark_wad: int
    requirement: SkewScaled
    minimum_wad: int = 0
    close_cost: CloseCost | None = None


def account(policy: Policy, cash_wad: int, legs: Iterable[Leg]) -> tuple[Venue, Subaccount]:
    """A venue with one subaccount that has `cash_wad` of quote after paying for its positions."""
    held = [leg for leg in legs if leg.size_wad]
    subaccount = Subaccount(ACCOUNT, ACCOUNT, balances={QUOTE: cash_wad})
    subaccount.positions = {leg.market: Position(leg.size_wad, 0, 0) for leg in held}
    markets = {leg.market: _market(leg) for leg in held}
    return Venue(policy, markets, {}, {POOL: CollateralPool(POOL)}, {ACCOUNT: subaccount}), subaccount


def _market(leg: Leg) -> Market:
    """A market whose atoms are wei: of the base, of the price and of the quote."""
    return Market(
        leg.market,
        Scale(1, WAD),
        leg.requirement,
        POOL,
        base_decimals=18,
        price_decimals=18,
        minimum_margin_q=leg.minimum_wad,
        close_cost=leg.close_cost,
        mark=leg.mark_wad,
        index=leg.mark_wad,
    )
