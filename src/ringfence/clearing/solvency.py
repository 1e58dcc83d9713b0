"""Deleveraging for the pool's sake: winners are closed when the liquidity behind a market owes their side too much.

Not the loss waterfall: nobody is bankrupt. A side is owed more than the trigger of what stands for it; winners are
closed at the present price, in the policy's order, until another lot would leave the side owed less than the floor.
"""

from collections.abc import Iterator

from ..rules.pool import deleveraging_due, deleveraging_stands
from ..rules.value import released_cost_q
from ..rules.words import abs_, mul_div_down, mul_div_up, power_of_ten
from . import command as cmd
from . import event as ev
from .adl import Claim, claims_of, queue
from .draft import Draft, Refusal
from .liquidity import owed_to_side_q, reserve_q, withheld_q
from .model import Market, Venue, market_subaccount
from .risk import risk_price, worth_q
from .verdict import Reason

PPM_E30 = power_of_ten(24)
"""One part per million as a factor with 30 decimal places."""


def pool_relief_due(venue: Venue, market: Market, *, is_long: bool) -> bool:
    """Whether a side is owed more than the trigger of what stands for it."""
    if market.solvency is None:
        return False
    owed_q = owed_to_side_q(venue, market, risk_price(venue, market), is_long=is_long)
    return deleveraging_due(owed_q, reserve_q(venue, market), market.solvency.trigger_ppm * PPM_E30)


def relieve_pool(draft: Draft, c: cmd.RelievePool) -> None:
    """Close winners of a side, whole ones first and the last as far as the floor allows."""
    if c.market not in draft.venue.markets:
        raise Refusal(Reason.MARKET_UNKNOWN, c.market)
    market = draft.market(c.market)
    if market.solvency is None:
        raise Refusal(Reason.NOT_OFFERED, "solvency")
    pool = market_subaccount(c.market)
    if pool not in draft.venue.subaccounts:
        raise Refusal(Reason.SUBACCOUNT_UNKNOWN, pool)
    draft.refuse_settling(market)
    if not pool_relief_due(draft.venue, market, is_long=c.is_long):
        raise Refusal(Reason.NOTHING_OWED, f"{c.market}: the pool does not owe this side too much")
    closed_b, paid_q, winners = 0, 0, 0
    for claim in queue(draft.venue.policy.deleveraging, [*_winners(draft.base, c)]):
        lots_b = _lots(draft.venue, market, claim, c.is_long)
        if lots_b == 0:
            break
        paid_q += _close(draft, market, claim.subaccount, lots_b if c.is_long else -lots_b)
        closed_b, winners = closed_b + lots_b, winners + 1
    if not winners:
        raise Refusal(Reason.NO_COUNTERPARTY, c.market)
    draft.emit(ev.PoolRelieved(c.market, c.is_long, closed_b, paid_q, winners))


def _close(draft: Draft, market: Market, name: str, signed_b: int) -> int:
    """Close signed lots of a winner at the present price; returns the profit that it was paid."""
    draft.settle_all_funding(name)
    winner = draft.subaccount(name)
    held, before_q = winner.positions[market.id], winner.quote_q
    got_q = worth_q(market, signed_b, risk_price(draft.venue, market), draft.venue.policy.rounding)
    draft.fill(market.id, name, market_subaccount(market.id), -signed_b, got_q, "deleveraging")
    paid_q = winner.quote_q - before_q - released_cost_q(held.cost_q, held.size_b, abs_(signed_b))
    draft.sweep(name)
    return paid_q


def _winners(venue: Venue, c: cmd.RelievePool) -> Iterator[Claim]:
    return (claim for claim in claims_of(venue, c.market, is_long=c.is_long) if claim.profit_q > 0)


def _lots(venue: Venue, market: Market, claim: Claim, is_long: bool) -> int:
    """Most lots of a winner, in whole steps, whose closing leaves the side owed no less than the floor."""
    price, limits = risk_price(venue, market), market.solvency
    owed_q, reserved_q = owed_to_side_q(venue, market, price, is_long=is_long), reserve_q(venue, market)
    kept_q = withheld_q(venue, market, claim.profit_q, price, is_long=is_long)
    floor_e30 = limits.floor_ppm * PPM_E30 if limits is not None else 0

    def stands(lots_b: int) -> bool:
        gone_q = mul_div_up(claim.profit_q, lots_b, claim.lots_b)
        paid_q = mul_div_down(claim.profit_q - kept_q, lots_b, claim.lots_b)
        left_q = reserved_q - mul_div_down(paid_q, 1, 2)
        return gone_q == 0 or deleveraging_stands(owed_q, reserved_q, owed_q - gone_q, left_q, floor_e30)

    if stands(claim.lots_b):
        return claim.lots_b
    low, high = 0, mul_div_down(claim.lots_b, 1, market.step_b) + 1
    while high - low > 1:
        middle = mul_div_down(low + high, 1, 2)
        low, high = (middle, high) if stands(middle * market.step_b) else (low, middle)
    return low * market.step_b
