"""Apply an event to the state: the only code that changes it, and it decides nothing."""

from collections.abc import Callable
from typing import Any

from . import event as ev
from .model import Closing, Leverage, LiveAuction, Market, Order, Position, Subaccount, Venue

SUBACCOUNT = "sub/"


def apply(venue: Venue, event: ev.AnyEvent) -> None:
    """Change `venue` as `event` says."""
    _APPLY[type(event)](venue, event)


def _post(venue: Venue, account: str, asset: str, amount: int) -> None:
    if account.startswith(SUBACCOUNT):
        balances = venue.subaccounts[account[4:]].balances
    else:
        balances = venue.ledger[account] if account in venue.ledger else venue.ledger.setdefault(account, {})
    left = balances.get(asset, 0) + amount
    if left:
        balances[asset] = left
    else:
        balances.pop(asset, None)


def _transfer(venue: Venue, event: ev.Transfer) -> None:
    _post(venue, event.debit, event.asset, -event.amount)
    _post(venue, event.credit, event.asset, event.amount)


def _opened(venue: Venue, event: ev.SubaccountOpened) -> None:
    venue.subaccounts[event.subaccount] = Subaccount(
        event.subaccount, event.account, event.parent, event.system
    )


def _position(venue: Venue, event: ev.PositionChanged) -> None:
    subaccount, market = venue.subaccounts[event.subaccount], venue.markets[event.market]
    held = subaccount.positions.get(event.market)
    size_b, cost_q = event.size_delta_b, event.cost_delta_q
    if held is not None:
        market.open_interest_b -= max(held.size_b, 0)
        size_b, cost_q = held.size_b + size_b, held.cost_q + cost_q
    market.open_interest_b += max(size_b, 0)
    if market.solvency is not None and not subaccount.system:
        _count_side(market, held, -1)
        _count_side(market, Position(size_b, cost_q, 0), 1)
    if size_b:
        index = held.funding_index if held else market.funding_index
        subaccount.positions[event.market] = Position(size_b, cost_q, index)
    else:
        del subaccount.positions[event.market]
        subaccount.flagged = subaccount.flagged and bool(subaccount.positions)


def _count_side(market: Market, held: Position | None, sign: int) -> None:
    """Add a trader's position to its side of the market, or take it off."""
    if held is not None and held.size_b > 0:
        market.longs = market.longs.changed(sign * held.size_b, sign * held.cost_q)
    elif held is not None and held.size_b < 0:
        market.shorts = market.shorts.changed(sign * held.size_b, sign * held.cost_q)


def _funding_settled(venue: Venue, event: ev.FundingSettled) -> None:
    positions = venue.subaccounts[event.subaccount].positions
    held = positions[event.market]
    positions[event.market] = Position(held.size_b, held.cost_q, event.index)


def _funding_accrued(venue: Venue, event: ev.FundingAccrued) -> None:
    venue.markets[event.market].funding_index = event.index


def _order_reserved(venue: Venue, event: ev.OrderReserved) -> None:
    venue.subaccounts[event.subaccount].orders[event.order] = Order(event.market, event.size_b)


def _order_released(venue: Venue, event: ev.OrderReleased) -> None:
    orders = venue.subaccounts[event.subaccount].orders
    order = orders[event.order]
    if order.size_b == event.size_b:
        del orders[event.order]
    else:
        orders[event.order] = Order(order.market, order.size_b - event.size_b)


def _leverage(venue: Venue, event: ev.LeverageSet) -> None:
    venue.subaccounts[event.subaccount].leverages[event.market] = Leverage(event.num, event.den)


def _prices(venue: Venue, event: ev.PricesSet) -> None:
    prices = event.prices
    if prices.block != venue.block:
        venue.block_liquidations = venue.block_deleveragings = 0
    venue.time_ms, venue.block = prices.time_ms, prices.block
    for market_id, mark in prices.marks.items():
        market = venue.markets[market_id]
        market.previous_mark = market.mark or mark
        market.mark = market.index = mark
    for market_id, index in prices.indexes.items():
        venue.markets[market_id].index = index
    for asset_id, price in prices.assets.items():
        venue.assets[asset_id].price = price
    for market_id, confidence in prices.confidences.items():
        venue.markets[market_id].confidence_ppm = confidence
    for market_id, confidence in prices.index_confidences.items():
        venue.markets[market_id].index_confidence_ppm = confidence
    for asset_id, confidence in prices.asset_confidences.items():
        venue.assets[asset_id].confidence_ppm = confidence
    venue.quote_wad = prices.quote_wad or venue.quote_wad


def _grids(venue: Venue, event: ev.GridsSet) -> None:
    told = event.grids
    for market_id, grid in told.grids.items():
        venue.markets[market_id].grid = grid
    underlying = venue.markets[told.underlying]
    terms = {term.expiry_ms: term for term in (*underlying.terms, *told.terms)}
    underlying.terms = tuple(terms[at] for at in sorted(terms) if at > venue.time_ms)


def _liquidated(venue: Venue, event: ev.Liquidated) -> None:
    subaccount = venue.subaccounts[event.subaccount]
    if subaccount.block != venue.block:
        subaccount.block, subaccount.block_liquidated_q, subaccount.block_insured_q = venue.block, 0, 0
    subaccount.block_liquidated_q += event.notional_q
    subaccount.block_insured_q += event.loss_q
    subaccount.cooldown_until_ms = event.cooldown_until_ms
    venue.block_liquidations += 1
    market = venue.markets[event.market]
    if market.window is not None:
        since_ms = venue.time_ms - market.window.length_ms
        inside = [closing for closing in market.closings if closing.time_ms > since_ms]
        market.closings = (*inside, Closing(venue.time_ms, venue.block, abs(event.size_b)))


def _flagged(venue: Venue, event: ev.Flagged) -> None:
    venue.subaccounts[event.subaccount].flagged = True


def _auction_started(venue: Venue, event: ev.AuctionStarted) -> None:
    venue.subaccounts[event.subaccount].auction = LiveAuction(event.started_ms, event.insolvent)


def _slice_sold(venue: Venue, event: ev.SliceSold) -> None:
    subaccount = venue.subaccounts[event.subaccount]
    live = subaccount.auction
    if live is not None and not live.insolvent:
        subaccount.auction = LiveAuction(live.started_ms, live.insolvent, live.reserved_q + event.price_q)


def _auction_ended(venue: Venue, event: ev.AuctionEnded) -> None:
    venue.subaccounts[event.subaccount].auction = None


def _deleveraged(venue: Venue, _event: ev.Deleveraged) -> None:
    venue.block_deleveragings += 1


def _insolvency(venue: Venue, event: ev.InsolvencySeen) -> None:
    venue.pools[event.pool].gated_until_block = event.gated_until_block


def _outage(venue: Venue, event: ev.OutageSeen) -> None:
    venue.gated_until_block = event.gated_until_block


def _settling(venue: Venue, event: ev.MarketSettling) -> None:
    venue.markets[event.market].settling = True


def _requirement(venue: Venue, event: ev.RequirementChanged) -> None:
    market = venue.markets[event.market]
    market.requirement, market.minimum_margin_q = event.requirement, event.minimum_margin_q


def _policy(venue: Venue, event: ev.PolicyChanged) -> None:
    venue.policy = event.policy


def _record(_venue: Venue, _event: object) -> None:
    """Events that only state why money moved."""


_APPLY: dict[type, Callable[[Venue, Any], None]] = {
    ev.Transfer: _transfer,
    ev.SubaccountOpened: _opened,
    ev.PositionChanged: _position,
    ev.FundingSettled: _funding_settled,
    ev.FundingAccrued: _funding_accrued,
    ev.OrderReserved: _order_reserved,
    ev.OrderReleased: _order_released,
    ev.LeverageSet: _leverage,
    ev.PricesSet: _prices,
    ev.GridsSet: _grids,
    ev.Expired: _record,
    ev.Liquidated: _liquidated,
    ev.Flagged: _flagged,
    ev.AuctionStarted: _auction_started,
    ev.SliceSold: _slice_sold,
    ev.AuctionEnded: _auction_ended,
    ev.TakenOver: _record,
    ev.Deleveraged: _deleveraged,
    ev.PoolRelieved: _record,
    ev.LossSocialized: _record,
    ev.InsolvencySeen: _insolvency,
    ev.OutageSeen: _outage,
    ev.MarketSettling: _settling,
    ev.RequirementChanged: _requirement,
    ev.PolicyChanged: _policy,
}
