"""Liquidation by flag and windows: a subaccount loses everything at once and is closed at the pace of its markets.

Flagging releases the orders of a subaccount and hands its collateral, and whatever it owed, to the counterparty of the
market that was called on. What stays are lots at what they cost. From then on profit and loss are the counterparty's,
so each window hands lots over at that cost, and when the last one is gone nothing is left: no equity and no debt. What
is deposited meanwhile stays with its owner. A recovery of the price does not unflag.

Source: Synthetix v3 `synthetix-v3@23585f73 markets/perps-market/contracts/storage/PerpsAccount.sol`
(`flagForLiquidation`, `liquidatePosition`) and `PerpsMarket.sol:117-222`; arithmetic in `rules.keeper`.
"""

from ..rules import keeper as rule
from ..rules.value import notional_q, released_cost_q
from ..rules.words import PPM, WAD, abs_, min_, mul_div_down
from . import command as cmd
from . import event as ev
from .draft import Draft, Refusal
from .model import QUOTE, Closing, Market, Subaccount, Venue, market_subaccount
from .policy import Window
from .risk import subaccount_risk
from .verdict import Reason


def refuse_flagged(*subaccounts: Subaccount) -> None:
    """Refuse what may not be done to or with a flagged subaccount."""
    for subaccount in subaccounts:
        if subaccount.flagged:
            raise Refusal(Reason.FLAGGED, subaccount.id)


def capacity_b(window: Window) -> int:
    """Most lots that may be closed within one window; 0 is no limit."""
    fees_wad, multiplier_wad = (
        mul_div_down(ppm, WAD, PPM) for ppm in (window.fees_ppm, window.multiplier_ppm)
    )
    depth_wad = window.depth_b * WAD
    thousandfold_wad = rule.window_capacity_wad(0, fees_wad, depth_wad, multiplier_wad, window.length_ms)
    return mul_div_down(thousandfold_wad, 1, 1_000 * WAD)


def closable_b(venue: Venue, market: Market, size_b: int) -> int:
    """Lots (unsigned) of a position that its market's window lets go now."""
    window = market.window
    if window is None:
        return abs_(size_b)
    inside = [closing for closing in market.closings if _counts(closing, venue.time_ms, window.length_ms)]
    fresh = all(closing.block != venue.block for closing in inside)
    premium_wad = mul_div_down(window.premium_ppm, WAD, PPM)
    even = rule.reopens(skew_b(venue, market), window.depth_b, premium_wad)
    used_b = sum(closing.size_b for closing in inside)
    return rule.window_size_wad(size_b, capacity_b(window), used_b, fresh and even)


def _counts(closing: Closing, now_ms: int, length_ms: int) -> bool:
    return rule.in_window(closing.time_ms, now_ms, length_ms)


def skew_b(venue: Venue, market: Market) -> int:
    """Lots that traders hold net, signed: the other side of what the market's counterparty holds."""
    counterparty = venue.subaccounts[market_subaccount(market.id)]
    held = counterparty.positions.get(market.id)
    return 0 if held is None else -held.size_b


def flag(draft: Draft, name: str, market_id: str) -> None:
    """Release the orders of a subaccount and seize all it has, for the counterparty of a market."""
    subaccount, taker = draft.subaccount(name), f"sub/{market_subaccount(market_id)}"
    equity_q = subaccount_risk(draft.venue, subaccount).equity_q
    for order, resting in sorted(subaccount.orders.items()):
        draft.emit(ev.OrderReleased(name, order, resting.size_b))
    for asset, amount in sorted(subaccount.balances.items()):
        if asset != QUOTE:
            draft.move(f"sub/{name}", taker, amount, "seizure", asset)
    cost_q = sum(held.cost_q for held in subaccount.positions.values())
    draft.move(f"sub/{name}", taker, subaccount.quote_q + cost_q, "seizure")
    draft.emit(ev.Flagged(name, equity_q))


def close_flagged(draft: Draft, c: cmd.Liquidate) -> None:
    """Hand as many lots as the window lets go to the market's counterparty, at cost; none when it was flagged just now.

    Funding since the last window is the counterparty's too.
    """
    venue, market, subaccount = draft.venue, draft.market(c.market), draft.subaccount(c.subaccount)
    held, counterparty = subaccount.positions[c.market], market_subaccount(c.market)
    size_b = abs_(held.size_b) if c.endorsed else closable_b(venue, market, held.size_b)
    size_b = min_(c.size_b, size_b) if c.size_b else size_b
    if size_b < abs_(held.size_b):
        size_b = mul_div_down(size_b, 1, market.step_b) * market.step_b
    if size_b == 0:
        if draft.base.subaccounts[c.subaccount].flagged:
            raise Refusal(Reason.BLOCK_LIMIT, f"the window of {c.market} is used up")
        return
    before_q = subaccount.quote_q
    draft.settle_funding(c.subaccount, c.market)
    draft.move(f"sub/{c.subaccount}", f"sub/{counterparty}", subaccount.quote_q - before_q, "seizure")
    signed_b = size_b if held.size_b > 0 else -size_b
    released_q = released_cost_q(held.cost_q, held.size_b, size_b)
    draft.fill(c.market, c.subaccount, counterparty, -signed_b, released_q, "liquidation")
    worth_q = notional_q(
        size_b, market.mark, market.scale.num, market.scale.den, venue.policy.rounding.notional
    )
    draft.emit(
        ev.Liquidated(
            c.subaccount, c.market, -signed_b, market.mark, worth_q, 0, 0, subaccount.cooldown_until_ms
        )
    )
    draft.sweep(c.subaccount)
