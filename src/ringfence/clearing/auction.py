"""Liquidation by auction: a subaccount is sold whole, slice by slice, to whoever bids first.

A slice is the same share of every position and every balance. While the subaccount is worth something, bidders pay a
share of that worth that falls with time, and no more is sold than lifts the rest to its buffer margin; what they paid
is not for sale again. When nobody wants it for nothing, or when it is worth less than nothing, bidders are paid, from
the insurance fund and then by the pools, whose bad debt it becomes. Time is the venue's, set with the prices.

Source: Derive, `derivexyz/v2-core@7736900d src/liquidation/DutchAuction.sol:596-760`; formulas in `rules.auction`.
"""

from typing import NamedTuple

from msgspec.structs import replace

from ..rules import auction as rule
from ..rules.words import PPM, WAD, abs_, max_, min_, mul_div_down
from . import command as cmd
from . import event as ev
from .adl import split
from .draft import Draft, Refusal
from .liquidation import must_carry, victim
from .model import LiveAuction, Subaccount, Venue
from .policy import Auction
from .risk import Risk, is_liquidatable, market_risk, risk_price, subaccount_risk, worth_q
from .verdict import Reason
from .windows import refuse_flagged


class Slice(NamedTuple):
    """What a bid gets: a share of what is left, its worth, and its price (negative: the bidder is paid)."""

    share_wad: int
    worth_q: int
    price_q: int


def valid_auction(terms: Auction | None) -> bool:
    """Are shares within 0..100 %, does the price fall, and is no time negative?"""
    if terms is None:
        return True
    falls = 0 <= terms.cutoff_ppm <= terms.start_ppm <= PPM
    shares = 0 <= terms.buffer_ppm <= PPM and 0 <= terms.fee_ppm <= PPM
    return falls and shares and min(terms.fast_ms, terms.slow_ms, terms.insolvent_ms) >= 0


def refuse_frozen(who: Subaccount, market_id: str = "", size_b: int = 0) -> None:
    """Refuse what a subaccount may not do while it is liquidated: under auction all but shrink, flagged anything."""
    held = who.positions.get(market_id)
    shrinks = held is not None and held.size_b * size_b < 0 and abs_(size_b) <= abs_(held.size_b)
    if who.auction is not None and not shrinks:
        raise Refusal(Reason.UNDER_AUCTION, who.id)
    refuse_flagged(who)


def buffer_q(terms: Auction, risk: Risk, *, at_equality: bool) -> int:
    """Equity above maintenance margin and the buffer on it; an atom less where equality is liquidatable."""
    found_q = rule.buffer_margin_q(risk.equity_q, risk.maintenance_q, terms.buffer_ppm, PPM)
    return found_q - 1 if at_equality and risk.maintenance_q > 0 else found_q


def is_lifted(terms: Auction, live: LiveAuction, risk: Risk, *, at_equality: bool) -> bool:
    """Whether an auction may end: at the buffer margin, or at maintenance margin where bidders are paid."""
    ends_at = replace(terms, buffer_ppm=0) if live.insolvent else terms
    return buffer_q(ends_at, risk, at_equality=at_equality) >= 0


def discount_wad(venue: Venue, terms: Auction, live: LiveAuction) -> int:
    """Share of its worth that a slice of a solvent auction costs now."""
    elapsed_ms = venue.time_ms - live.started_ms
    start_wad, cutoff_wad = (mul_div_down(ppm, WAD, PPM) for ppm in (terms.start_ppm, terms.cutoff_ppm))
    return rule.discount_wad(elapsed_ms, terms.fast_ms, terms.slow_ms, start_wad, cutoff_wad)


def is_over(venue: Venue, terms: Auction, live: LiveAuction, risk: Risk) -> bool:
    """Whether a solvent auction has nothing more to sell: it is free, or worth no more than bidders already paid."""
    return risk.equity_q <= live.reserved_q or discount_wad(venue, terms, live) == 0


def slice_of(venue: Venue, terms: Auction, live: LiveAuction, risk: Risk, share_wad: int) -> Slice:
    """What a bid for `share_wad` gets now."""
    if live.insolvent:
        share = min_(share_wad, WAD)
        owed_q, short_q = max_(0, -risk.equity_q), -risk.surplus_q
        elapsed_ms = venue.time_ms - live.started_ms
        paid_q = rule.payout_q(owed_q, short_q, elapsed_ms, terms.insolvent_ms, share)
        return Slice(share, rule.slice_q(risk.equity_q, 0, share), -paid_q)
    discount = discount_wad(venue, terms, live)
    short_q = buffer_q(terms, risk, at_equality=venue.policy.trigger_at_equality)
    most = rule.largest_slice_wad(short_q, risk.equity_q, live.reserved_q, discount)
    share = min_(share_wad, most)
    worth = rule.slice_q(risk.equity_q, live.reserved_q, share)
    return Slice(share, worth, rule.slice_price_q(worth, discount))


def _terms(venue: Venue) -> Auction:
    terms = venue.policy.liquidation.auction
    if terms is None:
        raise Refusal(Reason.NOT_OFFERED, "auction")
    return terms


def _live(draft: Draft, name: str, bidder: str | None = None) -> tuple[Subaccount, LiveAuction]:
    """A subaccount under auction, its funding booked."""
    subaccount = victim(draft, name, bidder)
    if bidder is not None:
        taker = draft.subaccount(bidder)
        for market_id in subaccount.positions:
            draft.keep_to_one_pool(taker, draft.market(market_id).pool)
        if taker.auction is not None:
            raise Refusal(Reason.UNDER_AUCTION, bidder)
        draft.settle_all_funding(bidder)
    if subaccount.auction is None:
        raise Refusal(Reason.NOT_UNDER_AUCTION, name)
    draft.settle_all_funding(name)
    return subaccount, subaccount.auction


def _must_be_short(venue: Venue, live: LiveAuction, risk: Risk) -> None:
    if is_lifted(_terms(venue), live, risk, at_equality=venue.policy.trigger_at_equality):
        raise _not_liquidatable(risk)


def _not_liquidatable(risk: Risk) -> Refusal:
    return Refusal(
        Reason.NOT_LIQUIDATABLE, f"equity {risk.equity_q}, maintenance margin {risk.maintenance_q}"
    )


def start_auction(draft: Draft, c: cmd.StartAuction) -> None:
    """Put a liquidatable subaccount up for auction; one with equity left pays the fee."""
    venue, terms = draft.venue, _terms(draft.venue)
    subaccount = victim(draft, c.subaccount)
    if subaccount.auction is not None:
        raise Refusal(Reason.UNDER_AUCTION, c.subaccount)
    refuse_flagged(subaccount)
    draft.settle_all_funding(c.subaccount)
    for order, resting in sorted(subaccount.orders.items()):
        draft.emit(ev.OrderReleased(c.subaccount, order, resting.size_b))
    risk = subaccount_risk(venue, subaccount)
    if not is_liquidatable(venue, subaccount):
        raise _not_liquidatable(risk)
    insolvent = risk.equity_q <= 0
    if not insolvent:
        short_q = buffer_q(terms, risk, at_equality=venue.policy.trigger_at_equality)
        most = rule.largest_slice_wad(short_q, risk.equity_q, 0, WAD)
        fee_q = rule.start_fee_q(risk.equity_q, most, terms.fee_ppm, PPM)
        for pool, part_q in _by_pool(venue, subaccount, fee_q).items():
            draft.move(f"sub/{c.subaccount}", f"fund/{pool}", part_q, "auction_fee")
    draft.emit(ev.AuctionStarted(c.subaccount, venue.time_ms, insolvent))


def convert_auction(draft: Draft, c: cmd.ConvertAuction) -> None:
    """From a solvent auction that found no bidder to one in which bidders are paid."""
    venue, terms = draft.venue, _terms(draft.venue)
    subaccount, live = _live(draft, c.subaccount)
    if live.insolvent:
        raise Refusal(Reason.NOT_UNDER_AUCTION, f"that of {c.subaccount} is an insolvent one")
    risk = subaccount_risk(venue, subaccount)
    _must_be_short(venue, LiveAuction(live.started_ms, insolvent=True), risk)
    if not is_over(venue, terms, live, risk):
        raise Refusal(Reason.AUCTION_RUNNING, f"equity {risk.equity_q}")
    draft.emit(ev.AuctionStarted(c.subaccount, venue.time_ms, insolvent=True))


def end_auction(draft: Draft, c: cmd.EndAuction) -> None:
    """End an auction whose subaccount has its margin again."""
    venue, terms = draft.venue, _terms(draft.venue)
    subaccount, live = _live(draft, c.subaccount)
    risk = subaccount_risk(venue, subaccount)
    if not is_lifted(terms, live, risk, at_equality=venue.policy.trigger_at_equality):
        raise Refusal(Reason.AUCTION_RUNNING, f"lacks {-risk.surplus_q} of maintenance margin")
    _end(draft, c.subaccount)


def end_all(draft: Draft) -> None:
    """End every auction, where the venue no longer holds any."""
    for name in sorted(draft.base.subaccounts):
        if draft.base.subaccounts[name].auction is not None:
            _end(draft, name)


def _end(draft: Draft, name: str) -> None:
    draft.emit(ev.AuctionEnded(name))
    draft.sweep(name)


def bid(draft: Draft, c: cmd.Bid) -> None:
    """Sell a slice to a bidder, who must carry it, or pay the bidder for taking it."""
    venue, terms = draft.venue, _terms(draft.venue)
    subaccount, live = _live(draft, c.subaccount, c.bidder)
    risk = subaccount_risk(venue, subaccount)
    if not live.insolvent and is_over(venue, terms, live, risk):
        raise Refusal(Reason.AUCTION_OVER, c.subaccount)
    _must_be_short(venue, live, risk)
    found = slice_of(venue, terms, live, risk, c.share_wad)
    before = subaccount_risk(venue, draft.subaccount(c.bidder))
    pools = _by_pool(venue, subaccount, max_(0, -found.price_q))
    _hand_over(draft, c, found)
    draft.move(f"sub/{c.bidder}", f"sub/{c.subaccount}", max_(0, found.price_q), "auction")
    for pool, part_q in pools.items():
        _pay(draft, pool, c.bidder, part_q)
    draft.emit(ev.SliceSold(c.subaccount, c.bidder, found.share_wad, found.worth_q, found.price_q))
    must_carry(draft, c.bidder, before)
    after = subaccount_risk(venue, subaccount)
    if is_lifted(terms, live, after, at_equality=venue.policy.trigger_at_equality):
        _end(draft, c.subaccount)


def _hand_over(draft: Draft, c: cmd.Bid, found: Slice) -> None:
    """Positions at the price of risk, collateral, and as much quote as makes the slice worth what it should be."""
    venue, subaccount = draft.venue, draft.subaccount(c.subaccount)
    left_q = subaccount_risk(venue, subaccount).equity_q - found.worth_q
    for market_id, held in sorted(subaccount.positions.items()):
        market = draft.market(market_id)
        lots_b = rule.slice_b(abs_(held.size_b), found.share_wad, market.step_b)
        signed_b = lots_b if held.size_b > 0 else -lots_b
        if signed_b:
            here_q = worth_q(market, signed_b, risk_price(venue, market), venue.policy.rounding)
            draft.fill(market_id, c.subaccount, c.bidder, -signed_b, here_q, "auction")
    for asset, amount in sorted(subaccount.balances.items()):
        if asset in venue.assets:
            part = mul_div_down(amount, found.share_wad, WAD)
            draft.move(f"sub/{c.subaccount}", f"sub/{c.bidder}", part, "auction", asset)
    over_q = subaccount_risk(venue, subaccount).equity_q - left_q
    draft.move(f"sub/{c.subaccount}", f"sub/{c.bidder}", over_q, "auction")


def _pay(draft: Draft, pool: str, bidder: str, amount_q: int) -> None:
    """A bidder is paid by the pool's insurance fund as far as it reaches; the rest is bad debt of the pool."""
    steps = draft.venue.policy.waterfall
    paid_q = min_(amount_q, draft.venue.fund_q(pool)) if "insurance" in steps else 0
    if paid_q < amount_q and "socialize" not in steps:
        raise Refusal(Reason.INSURANCE_TOO_SMALL, f"{pool} holds {paid_q}, needs {amount_q}")
    draft.move(f"fund/{pool}", f"sub/{bidder}", paid_q, "insurance")
    draft.move(f"debt/{pool}", f"sub/{bidder}", amount_q - paid_q, "bad_debt")


def _by_pool(venue: Venue, subaccount: Subaccount, amount_q: int) -> dict[str, int]:
    """An amount split over the pools of a subaccount's markets, in proportion to what it holds in them."""
    weights: dict[str, int] = {}
    for market_id in sorted(subaccount.positions):
        pool = venue.markets[market_id].pool
        weights[pool] = weights.get(pool, 0) + max_(1, market_risk(venue, subaccount, market_id).notional_q)
    pools = weights or dict.fromkeys(sorted(venue.pools)[:1], 1)
    return dict(zip(pools, split(amount_q, list(pools.values())), strict=True))
