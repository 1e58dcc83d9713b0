"""Fills that cannot make a subaccount worse, and so are judged by the position that they shrink and by nothing else.

Where a policy's `under_margin` is `free_reduce`, lots may always be closed against the liquidity of their market when
that frees at least as much maintenance margin as it costs. Equity and maintenance margin are sums over positions, so
the surplus of the subaccount then does not fall, whatever else it holds. Two limits keep the loss of a subaccount that
is insolvent where it belongs: a position must be left that can be liquidated, and all of them must share a pool.
Funding of the other positions stays due. Source: Derive `v2-core src/risk-managers/StandardManager.sol`
`handleAdjustment`, which asks nothing at all of who only closes perpetuals.
"""

from ..rules.transition import is_smaller
from .model import Market, Subaccount, Venue
from .risk import closing_risks


def is_free(
    venue: Venue, who: Subaccount, other: Subaccount, market: Market, size_b: int, received_q: int
) -> bool:
    """Whether a fill of `who` with `other`, signed lots for quote received less the fee, is judged by itself.

    Never where margin is asked of positions or subaccounts together, or the market's liquidity caps its profits, which
    the fill may pay from. Caps of other markets stay as they are: each is taken from its own market's liquidity.
    """
    policy, held = venue.policy, who.positions.get(market.id)
    by_position = policy.set_rule is None and policy.account_gating == "none" and market.solvency is None
    if policy.under_margin != "free_reduce" or not by_position:
        return False
    if held is None or who.system or not other.system:
        return False
    left_b = held.size_b + size_b
    leaves_one = left_b != 0 or len(who.positions) > 1
    if not (leaves_one and is_smaller(held.size_b, left_b)):
        return False
    if any(venue.markets[name].pool != market.pool for name in who.positions):
        return False
    whole, rest = closing_risks(venue, who, market.id, left_b)
    cost_q = whole.equity_q - rest.equity_q - received_q
    return cost_q <= whole.maintenance_q - rest.maintenance_q
