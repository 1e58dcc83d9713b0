"""The loss waterfall below liquidation: insurance fund, deleveraging, socialized loss.

A loss belongs to the collateral pool of the market that made it. Each step is a command of its own, takes as much as it
can and leaves the rest, explicitly, to the next.
"""

from ..rules.words import abs_, max_, min_
from . import command as cmd
from . import event as ev
from .adl import Claim, claims_against, overlaps, plan, queue, split, transfer_quote_q
from .draft import Draft, Refusal
from .liquidation import insolvent
from .model import Venue, market_subaccount
from .risk import bankruptcy_q, leg_risk, risk_price, subaccount_risk
from .verdict import Reason


def _step(venue: Venue, step: str) -> None:
    if step not in venue.policy.waterfall:
        raise Refusal(Reason.NOT_OFFERED, step)


def shortfall_q(venue: Venue, name: str, market_id: str) -> int:
    """What closing a position at the present price would leave unpaid: its share of the negative equity."""
    subaccount, market = venue.subaccounts[name], venue.markets[market_id]
    held = subaccount.positions[market_id]
    worth_q = leg_risk(market, held.size_b, risk_price(venue, market), venue.policy.rounding).equity_q
    return max_(0, bankruptcy_q(venue, subaccount, market_id, held.size_b) - worth_q)


def draw_insurance(draft: Draft, c: cmd.DrawInsurance) -> None:
    """The fund pays, as far as it reaches, a position's shortfall or the pool's bad debt."""
    venue = draft.venue
    if c.subaccount and c.market not in venue.markets:
        raise Refusal(Reason.MARKET_UNKNOWN, c.market)
    if c.pool not in venue.pools or (c.subaccount and venue.markets[c.market].pool != c.pool):
        raise Refusal(Reason.POOL_UNKNOWN, c.pool)
    _step(venue, "insurance")
    debtor, need_q = f"debt/{c.pool}", venue.debt_q(c.pool)
    if c.subaccount:
        insolvent(draft, c.subaccount, c.market)
        debtor, need_q = f"sub/{c.subaccount}", shortfall_q(venue, c.subaccount, c.market)
    fund_q = venue.fund_q(c.pool)
    whole = c.subaccount and venue.policy.insurance == "all_or_nothing"
    if fund_q <= 0 or (whole and fund_q < need_q):
        raise Refusal(Reason.INSURANCE_TOO_SMALL, f"{c.pool} holds {fund_q}")
    if need_q <= 0:
        raise Refusal(Reason.NOTHING_OWED, c.pool)
    draft.move(f"fund/{c.pool}", debtor, min_(need_q, fund_q), "insurance")


def deleverage(draft: Draft, c: cmd.Deleverage) -> None:
    """Close a losing position against winners, or let winners' profits pay for it, as the policy says."""
    venue, policy = draft.venue, draft.venue.policy
    if c.market not in venue.markets:
        raise Refusal(Reason.MARKET_UNKNOWN, c.market)
    _step(venue, "deleverage")
    shared = policy.deleveraging.policy == "pro_rata"
    insolvent(draft, c.subaccount, c.market, market_subaccount(c.market) if shared else None)
    limit = policy.liquidation.block_deleveragings
    if limit and venue.block_deleveragings >= limit:
        raise Refusal(Reason.BLOCK_LIMIT, f"{limit} deleveragings")
    claims = claims_against(draft.base, c.subaccount, c.market)
    act = _take_profits if shared else _close_against
    closed_b, loss_q, hit = act(draft, c, claims)
    gate = policy.withdrawal_gate_blocks
    if not hit and not gate:
        raise Refusal(Reason.NO_COUNTERPARTY, c.market)
    if gate:
        draft.emit(ev.InsolvencySeen(venue.markets[c.market].pool, venue.block + gate))
    draft.emit(ev.Deleveraged(c.subaccount, c.market, closed_b, loss_q, hit))
    draft.sweep(c.subaccount)


def _close_against(draft: Draft, c: cmd.Deleverage, claims: list[Claim]) -> tuple[int, int, int]:
    """Fill the loser against winners in turn; one whose own bankruptcy price does not overlap is passed over.

    Where the transfer price leaves less than the loser's bankruptcy price, the rest is bad debt of the market's pool.
    """
    market, rounds, loser = (
        draft.market(c.market),
        draft.venue.policy.rounding,
        draft.subaccount(c.subaccount),
    )
    held_b = loser.positions[c.market].size_b
    remaining_b, loss_q, hit = abs_(held_b), 0, 0
    for claim in queue(draft.venue.policy.deleveraging, claims, c.draw):
        if remaining_b == 0:
            break
        closed_b = min_(remaining_b, claim.lots_b)
        lots_b = closed_b if held_b > 0 else -closed_b
        got_q = transfer_quote_q(draft.venue, c.subaccount, c.market, lots_b)
        if not overlaps(draft.venue, claim, c.market, lots_b, got_q):
            continue
        unpaid_q = max_(0, bankruptcy_q(draft.venue, loser, c.market, lots_b) - got_q)
        here_q = leg_risk(market, lots_b, risk_price(draft.venue, market), rounds).equity_q
        draft.settle_all_funding(claim.subaccount)
        draft.fill(c.market, c.subaccount, claim.subaccount, -lots_b, got_q, "deleveraging")
        draft.move(f"debt/{market.pool}", f"sub/{c.subaccount}", unpaid_q, "bad_debt")
        draft.sweep(claim.subaccount)
        remaining_b, loss_q, hit = remaining_b - closed_b, loss_q + got_q - here_q, hit + 1
    return abs_(held_b) - remaining_b, loss_q, hit


def _take_profits(draft: Draft, c: cmd.Deleverage, claims: list[Claim]) -> tuple[int, int, int]:
    """Winners' profits pay the shortfall and the market takes the position at the present price."""
    venue, market = draft.venue, draft.market(c.market)
    held_b = draft.subaccount(c.subaccount).positions[c.market].size_b
    need_q = shortfall_q(venue, c.subaccount, c.market)
    allocations = plan(venue.policy.deleveraging, 0, need_q, claims)
    if not allocations:
        return 0, 0, 0
    raised_q = 0
    for allocation in allocations:
        draft.settle_all_funding(allocation.subaccount)
        draft.move(
            f"sub/{allocation.subaccount}", f"sub/{c.subaccount}", allocation.amount_q, "profit_haircut"
        )
        # What was given up counts as paid for the lots, so that the same profit is not taken twice.
        draft.emit(ev.PositionChanged(allocation.subaccount, c.market, 0, allocation.amount_q))
        raised_q += allocation.amount_q
    here_q = leg_risk(market, held_b, risk_price(venue, market), venue.policy.rounding).equity_q
    draft.fill(c.market, c.subaccount, market_subaccount(c.market), -held_b, here_q, "deleveraging")
    draft.move(f"debt/{market.pool}", f"sub/{c.subaccount}", need_q - raised_q, "bad_debt")
    return abs_(held_b), raised_q, len(allocations)


def socialize(draft: Draft, c: cmd.Socialize) -> None:
    """The pool's bad debt is paid by solvent subaccounts with positions in its markets, in proportion to equity."""
    venue = draft.venue
    if c.pool not in venue.pools:
        raise Refusal(Reason.POOL_UNKNOWN, c.pool)
    _step(venue, "socialize")
    payers, weights = [], []
    for name in sorted(draft.base.subaccounts):
        subaccount = draft.base.subaccounts[name]
        exposed = not subaccount.system and any(
            draft.base.markets[m].pool == c.pool for m in subaccount.positions
        )
        equity_q = subaccount_risk(draft.base, subaccount).equity_q if exposed else 0
        if equity_q > 0:
            payers.append(name)
            weights.append(equity_q)
    if not payers:
        raise Refusal(Reason.NO_COUNTERPARTY, c.pool)
    debt_q = min_(venue.debt_q(c.pool), sum(weights))
    if debt_q <= 0:
        raise Refusal(Reason.NOTHING_OWED, c.pool)
    for name, share_q in zip(payers, split(debt_q, weights), strict=True):
        draft.move(f"sub/{name}", f"debt/{c.pool}", share_q, "socialized_loss")
    draft.emit(ev.LossSocialized(c.pool, debt_q))
