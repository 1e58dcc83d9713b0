"""dYdX v4's unit-test numbers that need a change of state: updates, liquidation fills, deleveraging, insurance.

Wherever the engine has a command for what the venue does, the command is decided and its events are read. Sources, at
`dydxprotocol/v4-chain@84d4664b`: `protocol/x/subaccounts/keeper/subaccount.go` (updates), `protocol/x/clob/keeper/
deleveraging.go` and `protocol/x/clob/keeper/liquidations.go`.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from ...clearing import command as cmd
from ...clearing import event as ev
from ...clearing.adl import transfer_price
from ...clearing.decide import decide
from ...clearing.draft import Draft
from ...clearing.model import (
    QUOTE,
    CollateralPool,
    Market,
    Position,
    Scale,
    Subaccount,
    Venue,
    market_subaccount,
)
from ...clearing.policy import Liquidation, OpenInterestScaled
from ...clearing.risk import bankruptcy_q, leg_risk, may_act, subaccount_risk
from ...clearing.verdict import Accepted, Reason, Rejected, Verdict
from ...rules.close import liquidation_fee_q
from ...rules.value import value_q
from ...rules.words import PPM
from .dydx_v4_margin import (
    CROSS,
    INDEX_SCALE,
    MAIN,
    changes,
    exponent,
    known,
    liquidations_of,
    must_reduce,
    power_of_ten,
    resized,
    rulebook_policy,
    settled,
    subaccount_of,
    updated,
    venue_of,
    worth_exponent,
)
from .vectors import Case, Field, Ours, RefusedError, Rule, UnsupportedError

OFFSETTING = "offsetting"
UPDATE_TYPES = frozenset({"default", "CollatCheck", "Match", "Deposit", "Withdrawal", "Transfer"})
SUCCESS = "Success"
MIXED = "ViolatesIsolatedSubaccountConstraints"
NOT_UPDATED = "ErrFailedToUpdateSubaccounts"
NO_SIZE = "ErrInvalidQuantumsForInsuranceFundDeltaCalculation"
ERRORS = {
    Reason.MARKET_UNKNOWN: "ErrPerpetualDoesNotExist",
    Reason.PRICE_NOT_SET: "ErrProductPositionNotUpdatable",
    Reason.NO_COUNTERPARTY: NOT_UPDATED,
}
ENDLESS_Q = 10**60
"""Insurance fund of a case that does not ask whether the fund suffices."""


def with_subaccounts(venue: Venue, found: Iterable[Subaccount]) -> Venue:
    """The venue with some subaccounts added or exchanged."""
    return replace(
        venue, subaccounts={**venue.subaccounts, **{subaccount.id: subaccount for subaccount in found}}
    )


def refused(verdict: Verdict) -> RefusedError | None:
    """A rejection under the venue's name for it, where it has one."""
    if isinstance(verdict, Rejected) and verdict.reason in ERRORS:
        return RefusedError(ERRORS[verdict.reason])
    return None


def can_update(case: Case) -> Ours:
    """Which of several updates may stand, each judged alone, on the same state."""
    rule, venue = case.body["rule"], venue_of(case)
    update_type = rule["update_type"].text()
    if update_type not in UPDATE_TYPES:
        raise UnsupportedError(f"updates of type {update_type} are not modelled")
    others = case.body.get("other_subaccounts")
    venue = with_subaccounts(
        venue,
        (
            subaccount_of(name, other["usdc"].integer(), other.items("positions"), venue.markets)
            for name, other in (others.entries() if others else {}).items()
        ),
    )
    updates = [
        (settled(venue, update["subaccount"].text()), update) for update in case.body["action"]["updates"]
    ]
    results = [pools_allow(venue, before, update) for before, update in updates]
    if set(results) <= {SUCCESS}:
        pairs = [(before, updated(venue, before, update)) for before, update in updates]
        judge = after_match(venue, pairs) if update_type == "Match" else venue
        results = [margin_allows(judge, before, after) for before, after in pairs]
    return {"success": set(results) <= {SUCCESS}, "per_update": [*results]}


def pools_allow(venue: Venue, before: Subaccount, update: Field) -> str:
    """Whether the positions that an update touches share one collateral pool, asked of the engine as orders."""
    for market, delta_b in changes(venue, update):
        if delta_b == 0:
            continue
        verdict = decide(with_subaccounts(venue, [before]), cmd.Reserve(before.id, "update", market, delta_b))
        if error := refused(verdict):
            raise error
        if isinstance(verdict, Rejected) and verdict.reason is Reason.POOLS_MIXED:
            return MIXED
        before = resized(venue, before, market, delta_b)
    return SUCCESS


def after_match(venue: Venue, pairs: Iterable[tuple[Subaccount, Subaccount]]) -> Venue:
    """The venue with the open interest that a match leads to: initial margin is measured at that."""
    pairs = [*pairs]
    draft = Draft(with_subaccounts(venue, (before for before, _ in pairs)))
    for before, after in pairs:
        for market in before.positions.keys() | after.positions.keys():
            sizes_b = [
                held.positions[market].size_b if market in held.positions else 0 for held in (before, after)
            ]
            if sizes_b[0] != sizes_b[1]:
                draft.emit(ev.PositionChanged(before.id, market, sizes_b[1] - sizes_b[0], 0))
    return replace(venue, markets={name: draft.market(name) for name in venue.markets})


def margin_allows(venue: Venue, before: Subaccount, after: Subaccount) -> str:
    """Whether margin allows a change, under the venue's names for what is wrong."""
    now, then = subaccount_risk(venue, before), subaccount_risk(venue, after)
    if may_act(now, then):
        return SUCCESS
    return "NewlyUndercollateralized" if now.free_q >= 0 else "StillUndercollateralized"


def can_deleverage(case: Case) -> Ours:
    """At which price a position may be deleveraged now, if at any.

    The one oracle price of a market stands in the engine's mark.
    """
    venue = venue_of(case)
    market = known(case.body["positions"].only()["market"].text(), venue.markets)
    venue.markets[market].settling = case.body["rule"]["final_settlement"].flag()
    verdict = decide(venue, cmd.Deleverage(MAIN, market))
    allowed = not (isinstance(verdict, Rejected) and verdict.reason is Reason.NOT_INSOLVENT)
    price = transfer_price(venue, MAIN, market)
    return {
        "at_bankruptcy_price": allowed and price == "bankruptcy",
        "at_oracle_price": allowed and price == "mark",
    }


def deleverage(case: Case) -> Ours:
    """Offset two subaccounts at the bankruptcy price of the first."""
    venue, market, delta_b = offsetting(case)
    main = venue.subaccounts[MAIN]
    if subaccount_risk(venue, main).equity_q < 0 and delta_b == -main.positions[market].size_b:
        return offset(case, venue, deleveraged(venue, market))
    return offset(case, venue, filled(venue, market, delta_b, bankruptcy_q(venue, main, market, -delta_b)))


def final_settlement(case: Case) -> Ours:
    """Offset two subaccounts at the oracle price."""
    venue, name, delta_b = offsetting(case)
    market = venue.markets[name]
    quote_q = leg_risk(market, -delta_b, market.mark, venue.policy.rounding).equity_q
    return offset(case, venue, filled(venue, name, delta_b, quote_q))


def offsetting(case: Case) -> tuple[Venue, str, int]:
    """The venue with both subaccounts, the market, and the signed lots by which the first changes."""
    venue, other, action = venue_of(case), case.body["offsetting"], case.body["action"]
    against = subaccount_of(OFFSETTING, other["usdc"].integer(), other.items("positions"), venue.markets)
    market, delta_b = known(action["market"].text(), venue.markets), action["delta_quantums"].integer()
    must_reduce(venue.subaccounts[MAIN], market, delta_b)
    must_reduce(against, market, -delta_b)
    return with_subaccounts(venue, [against]), market, delta_b


def deleveraged(venue: Venue, market: str) -> Draft:
    """What the engine's own command does to an insolvent subaccount, if it can close the whole position."""
    verdict = decide(venue, cmd.Deleverage(MAIN, market))
    if not isinstance(verdict, Accepted):
        raise refused(verdict) or RefusedError(verdict.reason.name)
    draft = Draft(venue)
    for event in verdict.events:
        draft.emit(event)
    if market in draft.subaccount(MAIN).positions:
        raise RefusedError(NOT_UPDATED)
    return draft


def filled(venue: Venue, market: str, delta_b: int, quote_q: int) -> Draft:
    """Fill one subaccount against the other; margin must allow it on both sides."""
    draft = Draft(venue)
    draft.fill(market, MAIN, OFFSETTING, delta_b, quote_q, "deleveraging")
    for name in (MAIN, OFFSETTING):
        then = subaccount_risk(draft.venue, draft.subaccount(name))
        if not may_act(subaccount_risk(venue, venue.subaccounts[name]), then):
            raise RefusedError(NOT_UPDATED)
    return draft


def offset(case: Case, venue: Venue, draft: Draft) -> Ours:
    """Both subaccounts afterwards, and the quote that the first received."""
    tickers = {market["perp_id"].text(): market["ticker"].text() for market in case.body["rule"]["markets"]}
    received_q = draft.subaccount(MAIN).quote_q - settled(venue, MAIN).quote_q
    return {
        "delta_quote_quantums": received_q,
        "liquidated": stored(draft.subaccount(MAIN), tickers),
        "offsetting": stored(draft.subaccount(OFFSETTING), tickers),
    }


def stored(subaccount: Subaccount, tickers: dict[str, str]) -> Ours:
    """A subaccount as the chain would store it."""
    return {
        "usdc": subaccount.quote_q,
        "positions": [
            {
                "market": int(market),
                "ticker": tickers[market],
                "size": held.size_b,
                "funding_index": held.funding_index // INDEX_SCALE,
                "quote_balance": 0,
            }
            for market, held in sorted(subaccount.positions.items())
        ],
    }


def insurance_delta(case: Case) -> Ours:
    """What a liquidation fill pays to the insurance fund (negative: takes from it), whatever the limits of a block."""
    rule, action = case.body["rule"], case.body["action"]
    size_b = action["fill_base_quantums"].integer(least=0)
    if size_b == 0:
        raise RefusedError(NO_SIZE)
    config = replace(liquidations_of(rule), size="full", block_subaccount_q=0, block_insurance_q=0)
    venue = venue_of(case, replace(rulebook_policy(), liquidation=config))
    name = known(action["market"].text(), venue.markets)
    must_reduce(venue.subaccounts[MAIN], name, size_b if action["is_buy"].flag() else -size_b)
    (stated,) = (market for market in rule["markets"] if market["perp_id"].text() == name)
    subtick = exponent(rule["quantum_conversion_exponent"])
    market, price = on_subticks(
        venue.markets[name], worth_exponent(stated), subtick, action["subticks"].integer()
    )
    counterparty = Subaccount(market_subaccount(name), "market", system=True)
    venue = replace(
        venue, markets={**venue.markets, name: market}, ledger={f"fund/{market.pool}": {QUOTE: ENDLESS_Q}}
    )
    verdict = decide(with_subaccounts(venue, [counterparty]), cmd.Liquidate(MAIN, name, size_b, price))
    if isinstance(verdict, Rejected) and verdict.reason is Reason.NOT_LIQUIDATABLE:
        return {"insurance_fund_delta": fund_change_q(venue, name, size_b, price)}
    if not isinstance(verdict, Accepted):
        raise refused(verdict) or RefusedError(verdict.reason.name)
    (fill,) = (event for event in verdict.events if isinstance(event, ev.Liquidated))
    return {"insurance_fund_delta": fill.fee_q - fill.loss_q}


def fund_change_q(venue: Venue, market: str, size_b: int, price: int) -> int:
    """What the same fill of a subaccount that is not liquidatable would pay: the venue's function does not ask."""
    main, scale = settled(venue, MAIN), venue.markets[market].scale
    signed_b = size_b if main.positions[market].size_b > 0 else -size_b
    got_q = value_q(signed_b, price, scale.num, scale.den, venue.policy.rounding.value)
    left_q = got_q - bankruptcy_q(venue, main, market, signed_b)
    return min(left_q, liquidation_fee_q(abs(got_q), venue.policy.liquidation.fee_ppm, left_q))


def on_subticks(market: Market, worth: int, subtick: int, price: int) -> tuple[Market, int]:
    """The market on a price grid that holds oracle prices and subticks, and a price in subticks on that grid."""
    grid = min(worth, subtick)
    mark = market.mark * 10 ** (worth - grid)
    return replace(market, scale=power_of_ten(grid), mark=mark, index=mark), price * 10 ** (subtick - grid)


def insurance_valid(case: Case) -> Ours:
    """Whether the insurance fund can take a change of `delta`.

    Asked as a liquidation that makes exactly this change: one lot, closed at the mark, of a subaccount whose equity is
    `delta`, all of which is the fee when it is positive and the fund's loss when it is negative.
    """
    action = case.body["action"]
    delta_q, balance_q = action["delta"].integer(), action["balance"].integer(least=0)
    mark = abs(delta_q) + 1
    market = Market("lot", Scale(1, 1), OpenInterestScaled(PPM, PPM, 0, 0), CROSS, mark=mark, index=mark)
    main = Subaccount(MAIN, MAIN, balances={QUOTE: delta_q - mark}, positions={"lot": Position(1, mark, 0)})
    venue = Venue(
        replace(rulebook_policy(), liquidation=Liquidation(fee_ppm=PPM)),
        {"lot": market},
        pools={CROSS: CollateralPool(CROSS)},
        subaccounts={MAIN: main},
        ledger={f"fund/{CROSS}": {QUOTE: balance_q}},
    )
    counterparty = Subaccount(market_subaccount("lot"), "market", system=True)
    verdict = decide(with_subaccounts(venue, [counterparty]), cmd.Liquidate(MAIN, "lot"))
    return {"valid": isinstance(verdict, Accepted)}


STATE_KINDS: dict[str, Rule] = {
    "can_deleverage": can_deleverage,
    "can_update": can_update,
    "deleverage": deleverage,
    "deleverage_final_settlement": final_settlement,
    "insurance_delta": insurance_delta,
    "insurance_valid": insurance_valid,
}
