"""The loss waterfall below liquidation: insurance fund, deleveraging, socialized loss.

A loss belongs to the collateral pool of the market that made it. Each step is a command of its own, takes as much as it
can and leaves the rest, explicitly, to the next.
"""

from ..rules.words import abs_, max_, min_
from . import command as cmd
from . import event as ev
from .adl import (
    Claim,
    claims_against,
    deleveraging_of,
    overlaps,
    plan,
    queue,
    split,
    transfer_price,
    transfer_quote_q,
)
from .draft import Draft, Refusal
from .liquidation import exposed, insolvent, refuse_auctioned
from .model import Venue, market_subaccount
from .risk import bankruptcy_q, equity_q, leg_risk, risk_price, subaccount_risk, worth_q
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
        refuse_auctioned(venue)
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
    """Close a losing position against winners, or let winners' profits pay for it, as the policy says.

    In final settlement any position is closed, whoever holds it.
    """
    venue, policy = draft.venue, draft.venue.policy
    if c.market not in venue.markets:
        raise Refusal(Reason.MARKET_UNKNOWN, c.market)
    _step(venue, "deleverage")
    settling = venue.markets[c.market].settling
    shared = policy.deleveraging.policy == "pro_rata" and not settling
    (exposed if settling else insolvent)(
        draft, c.subaccount, c.market, market_subaccount(c.market) if shared else None
    )
    limit = policy.liquidation.block_deleveragings
    if limit and venue.block_deleveragings >= limit:
        raise Refusal(Reason.BLOCK_LIMIT, f"{limit} deleveragings")
    claims = claims_against(draft.base, c.subaccount, c.market)
    act = _take_profits if shared else _close_against
    closed_b, loss_q, hit = act(draft, c, claims)
    negative = equity_q(draft.base, draft.base.subaccounts[c.subaccount]) < 0
    gate = policy.withdrawal_gate_blocks if negative or not settling else 0
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
    held_b, price = loser.positions[c.market].size_b, transfer_price(draft.venue, c.subaccount, c.market)
    remaining_b, loss_q, hit = abs_(held_b), 0, 0
    for claim in queue(deleveraging_of(draft.venue, c.market), claims, c.draw):
        if remaining_b == 0:
            break
        closed_b = min_(remaining_b, claim.lots_b)
        lots_b = closed_b if held_b > 0 else -closed_b
        got_q = transfer_quote_q(draft.venue, c.subaccount, c.market, lots_b, price)
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
    """The pool's bad debt is paid by those with positions in its markets, in proportion to what the policy says.

    By equity, everybody who is solvent pays and keeps at least nothing. By open interest, every open lot pays, whether
    its owner is solvent or not, as when a loss goes through cumulative funding (`rules.socialize`); lots of several
    markets compare by what they are worth.
    """
    venue = draft.venue
    if c.pool not in venue.pools:
        raise Refusal(Reason.POOL_UNKNOWN, c.pool)
    _step(venue, "socialize")
    by_equity = venue.policy.socialize_by == "equity"
    weights = _equities(draft.base, c.pool) if by_equity else _open_worths(draft.base, c.pool)
    if not weights:
        raise Refusal(Reason.NO_COUNTERPARTY, c.pool)
    debt_q = venue.debt_q(c.pool)
    if by_equity:
        debt_q = min_(debt_q, sum(weights.values()))
    if debt_q <= 0:
        raise Refusal(Reason.NOTHING_OWED, c.pool)
    for name, share_q in zip(weights, split(debt_q, list(weights.values())), strict=True):
        draft.move(f"sub/{name}", f"debt/{c.pool}", share_q, "socialized_loss")
    draft.emit(ev.LossSocialized(c.pool, debt_q))


def _equities(venue: Venue, pool: str) -> dict[str, int]:
    """Positive equities of the traders with positions in the pool's markets."""
    equities = {
        name: subaccount_risk(venue, venue.subaccounts[name]).equity_q for name in _exposed(venue, pool)
    }
    return {name: equity_q for name, equity_q in equities.items() if equity_q > 0}


def _open_worths(venue: Venue, pool: str) -> dict[str, int]:
    """Worth of the traders' open lots, long and short alike, in the pool's markets."""
    worths = {}
    for name in _exposed(venue, pool):
        held = venue.subaccounts[name].positions
        markets = (venue.markets[market] for market in held if venue.markets[market].pool == pool)
        worths[name] = sum(
            abs_(worth_q(market, held[market.id].size_b, risk_price(venue, market), venue.policy.rounding))
            for market in markets
        )
    return {name: worth for name, worth in worths.items() if worth > 0}


def _exposed(venue: Venue, pool: str) -> list[str]:
    """Traders' subaccounts with positions in a pool's markets, in a stable order."""
    return [
        name
        for name in sorted(venue.subaccounts)
        if not (venue.subaccounts[name].system or venue.subaccounts[name].flagged)
        and any(venue.markets[market].pool == pool for market in venue.subaccounts[name].positions)
    ]
