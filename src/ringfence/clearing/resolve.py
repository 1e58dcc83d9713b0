"""What is due: the next liquidation or waterfall step, one command at a time.

`resolve` is what a venue's keeper does after prices or funding moved. It decides nothing about money: it only proposes
commands in the order of the rulebook and lets `decide` judge each. A subaccount for which nothing is accepted (a block
limit, a cooldown, nobody to deleverage against) is left for the next call.
"""

from collections.abc import Iterable, Iterator

from ..rules.close import slipped_price
from ..rules.words import PPM, WAD
from . import command as cmd
from . import event as ev
from .auction import discount_wad
from .loans import is_loan, overdrawn_q, owed_q
from .log import Clearinghouse
from .model import QUOTE, Subaccount, Venue
from .risk import freed_maintenance_q, is_liquidatable, subaccount_risk
from .solvency import pool_relief_due
from .verdict import Accepted, Reason, Rejected, Verdict

Step = tuple[cmd.AnyCommand, Accepted]

BACKSTOP = "backstop"
"""Id of the system subaccount that takes over where the rulebook has a backstop."""
BIDDER = "bidder"
"""Id of the system subaccount that bids where the rulebook has auctions."""


class Fills:
    """What liquidation orders find in the market: the mark, or a price worse by a stated slippage."""

    def __init__(self, slippage_ppm: int = 0, draw: int = 0, bid_ppm: int = PPM) -> None:
        self.slippage_ppm, self.draw, self.bid_ppm = slippage_ppm, draw, bid_ppm

    def price(self, venue: Venue, subaccount: Subaccount, market_id: str) -> int:
        """Price quanta at which a position's liquidation fills; 0 stands for the mark."""
        if not self.slippage_ppm:
            return 0
        sells = subaccount.positions[market_id].size_b > 0
        return slipped_price(venue.markets[market_id].mark, self.slippage_ppm, sells)

    def buys(self, venue: Venue, subaccount: Subaccount, asset: str) -> bool:  # noqa: ARG002 - a pool may refuse
        """Whether anyone buys this collateral at the price at which the venue sells it."""
        return True

    def bids(self, venue: Venue, subaccount: Subaccount) -> bool:
        """Whether anyone bids for a subaccount under auction: once a slice costs `bid_ppm` of its worth or less."""
        terms, live = venue.policy.liquidation.auction, subaccount.auction
        if terms is None or live is None:
            return False
        return live.insolvent or discount_wad(venue, terms, live) * PPM <= self.bid_ppm * WAD

    def filled(self, command: cmd.AnyCommand, verdict: Accepted) -> None:
        """What an accepted step traded; a market that remembers moves by it."""


def order_of_markets(venue: Venue, subaccount: Subaccount) -> list[str]:
    """Markets of a subaccount in the order of liquidation: who frees most maintenance margin first, then by name."""
    freed = {market: freed_maintenance_q(venue, subaccount, market) for market in subaccount.positions}
    return sorted(freed, key=lambda market: (-freed[market], market))


def proposals(venue: Venue, subaccount: Subaccount, fills: Fills) -> Iterator[cmd.AnyCommand]:
    """Commands to try for one subaccount, in order; the caller stops at the first that is accepted."""
    auctioned = venue.policy.liquidation.auction is not None
    return (_by_auction if auctioned else _by_order)(venue, subaccount, fills)


def _by_order(venue: Venue, subaccount: Subaccount, fills: Fills) -> Iterator[cmd.AnyCommand]:
    if not subaccount.positions:
        if subaccount.quote_q < 0:
            yield from _sales(venue, subaccount, fills)
        return
    if subaccount.flagged:
        yield from _windows(venue, subaccount)
        return
    yield from _whatever_the_margin(venue, subaccount, fills)
    if not is_liquidatable(venue, subaccount):
        return
    name, close = subaccount.id, venue.policy.liquidation
    if close.size == "window":
        yield from _windows(venue, subaccount)
        return
    risk = subaccount_risk(venue, subaccount)
    if close.backstop_num and risk.equity_q * close.backstop_den < risk.maintenance_q * close.backstop_num:
        yield cmd.TakeOver(name, BACKSTOP)
    if owed_q(venue, subaccount) > 0:
        yield from _sales(venue, subaccount, fills)
    for order in sorted(subaccount.orders):
        yield cmd.Release(name, order)
    for market_id in order_of_markets(venue, subaccount):
        price = fills.price(venue, subaccount, market_id)
        yield cmd.Liquidate(name, market_id, 0, price)
        if risk.equity_q <= 0:
            if venue.policy.insurance == "continuous":
                yield cmd.DrawInsurance(venue.markets[market_id].pool, name, market_id)
            yield cmd.Deleverage(name, market_id, fills.draw)
            yield cmd.Liquidate(name, market_id, 0, price)


def _windows(venue: Venue, subaccount: Subaccount) -> Iterator[cmd.AnyCommand]:
    """Each market in turn, the first of which flags the subaccount; `decide` says what its window lets go."""
    yield from (cmd.Liquidate(subaccount.id, market_id) for market_id in order_of_markets(venue, subaccount))


def _whatever_the_margin(venue: Venue, subaccount: Subaccount, fills: Fills) -> Iterator[cmd.AnyCommand]:
    """What is due of a healthy subaccount too: final settlement, and the conversion of an overdraft."""
    for market_id in sorted(subaccount.positions):
        if venue.markets[market_id].settling:
            yield cmd.Deleverage(subaccount.id, market_id, fills.draw)
    if overdrawn_q(venue, subaccount):
        yield from _sales(venue, subaccount, fills)


def _by_auction(venue: Venue, subaccount: Subaccount, fills: Fills) -> Iterator[cmd.AnyCommand]:
    if subaccount.auction is None:
        if is_liquidatable(venue, subaccount):
            yield cmd.StartAuction(subaccount.id)
        return
    yield cmd.EndAuction(subaccount.id)
    yield cmd.ConvertAuction(subaccount.id)
    if fills.bids(venue, subaccount):
        yield cmd.Bid(subaccount.id, BIDDER, WAD)


def _sales(venue: Venue, subaccount: Subaccount, fills: Fills) -> Iterator[cmd.AnyCommand]:
    """Collateral that a debt may be covered with; that of a healthy loan is not for sale."""
    due = bool(overdrawn_q(venue, subaccount)) or is_liquidatable(venue, subaccount)
    for asset in sorted(subaccount.balances.keys() - {QUOTE}):
        for_sale = due or not is_loan(subaccount, venue.assets[asset])
        if subaccount.balances[asset] > 0 and for_sale and fills.buys(venue, subaccount, asset):
            yield cmd.SellCollateral(subaccount.id, asset)


def resolve(house: Clearinghouse, names: Iterable[str], fills: Fills | None = None) -> list[Step]:
    """Settle every named subaccount that is due, then pools that owe or are owed; returns what was accepted."""
    found = fills or Fills()
    done: list[Step] = []
    for name in names:
        while (step := _next(house, name, found)) is not None:
            done.append(step)
    for command in _for_pools(house.venue):
        verdict = house.submit(command)
        if isinstance(verdict, Accepted):
            done.append((command, verdict))
    return done


def _for_pools(venue: Venue) -> Iterator[cmd.AnyCommand]:
    """What is due of pools: bad debt to be paid, and liquidity that owes one side too much to be relieved."""
    for pool in sorted(venue.pools):
        if venue.debt_q(pool) > 0:
            yield from (cmd.DrawInsurance(pool), cmd.Socialize(pool))
    for market_id, market in sorted(venue.markets.items()):
        for is_long in (True, False):
            if pool_relief_due(venue, market, is_long=is_long):
                yield cmd.RelievePool(market_id, is_long)


def _next(house: Clearinghouse, name: str, fills: Fills) -> Step | None:
    """Submit proposals until one is accepted and changed something; `None` when nothing is left to do."""
    for command in proposals(house.venue, house.venue.subaccounts[name], fills):
        verdict = house.submit(command)
        if isinstance(verdict, Accepted) and _progress(verdict):
            fills.filled(command, verdict)
            return command, verdict
        if _over(verdict):
            return None
    return None


def _progress(verdict: Accepted) -> bool:
    """Whether anything moved: a deleveraging may only close withdrawals, and a bid may get less than an atom."""
    told = (ev.SliceSold, ev.InsolvencySeen, ev.Deleveraged)
    return any(not isinstance(event, told) for event in verdict.events)


def _over(verdict: Verdict) -> bool:
    """Nothing more can be done in this block or before the cooldown ends."""
    return isinstance(verdict, Rejected) and verdict.reason is Reason.COOLDOWN
