"""Decide a command: a verdict with events, and nothing changed.

One function per command, each in the same order: check in precedence of `verdict.Reason`, compute on a draft, return
the draft's events. Liquidation and the loss waterfall stand in modules of their own.
"""

from collections.abc import Callable, Sequence
from typing import Any

from ..rules.requirement import withdrawal_q
from ..rules.value import funding_index_delta, notional_q, value_q
from ..rules.words import FLOOR, PPM, TRUNC, WAD, abs_, max_, min_, mul_div_down, mul_div_up
from . import command as cmd
from . import event as ev
from .auction import bid, convert_auction, end_all, end_auction, refuse_frozen, start_auction, valid_auction
from .draft import Draft, Refusal
from .gating import Action, must_meet, others_must_meet
from .liquidation import liquidate, sell_collateral, take_over
from .loans import valid_portion
from .model import QUOTE, Market, Order, Subaccount, Venue
from .options import expire, must_be_alive, set_grids
from .policy import Policy
from .portfolio import priced
from .portfolio import valid as valid_set_rule
from .reducing import is_free
from .risk import Risk, may_act, subaccount_risk
from .shapes import Leg, initial_rate, valid
from .solvency import relieve_pool
from .verdict import Accepted, Reason, Rejected, Verdict
from .waterfall import deleverage, draw_insurance, socialize

LIMIT = 1 << 96
"""Amounts, sizes and prices are below this, so that products stay within what every reading of the rules can hold."""


def decide(venue: Venue, command: cmd.AnyCommand) -> Verdict:
    """Accept `command` with the events that it causes, or reject it with the first reason that applies."""
    draft = Draft(venue)
    try:
        _DECIDE[type(command)](draft, command)
    except Refusal as refusal:
        return Rejected(refusal.reason, refusal.detail)
    return Accepted(tuple(draft.events))


def refuse_if(condition: bool, reason: Reason, detail: str = "") -> None:
    """Leave the decision with `reason` when `condition` holds."""
    if condition:
        raise Refusal(reason, detail)


def _amount(amount: int) -> None:
    refuse_if(amount <= 0, Reason.AMOUNT_NOT_POSITIVE, f"got {amount}")
    refuse_if(amount >= LIMIT, Reason.AMOUNT_TOO_LARGE)


def _asset(venue: Venue, asset: str) -> None:
    refuse_if(asset != QUOTE and asset not in venue.assets, Reason.ASSET_UNKNOWN, asset)


def _subaccount(venue: Venue, name: str) -> Subaccount:
    refuse_if(name not in venue.subaccounts, Reason.SUBACCOUNT_UNKNOWN, name)
    return venue.subaccounts[name]


def _market(venue: Venue, name: str) -> Market:
    refuse_if(name not in venue.markets, Reason.MARKET_UNKNOWN, name)
    return venue.markets[name]


def _open(draft: Draft, c: cmd.OpenSubaccount) -> None:
    refuse_if(c.subaccount in draft.venue.subaccounts, Reason.SUBACCOUNT_EXISTS, c.subaccount)
    if c.parent is not None:
        known = c.parent in draft.venue.subaccounts
        parent = draft.subaccount(c.parent) if known else None
        fits = parent is not None and parent.parent is None and parent.account == c.account
        refuse_if(not fits, Reason.PARENT_INVALID, c.parent)
    draft.emit(ev.SubaccountOpened(c.subaccount, c.account, c.parent, c.system))


def _deposit(draft: Draft, c: cmd.Deposit) -> None:
    _amount(c.amount)
    _asset(draft.venue, c.asset)
    _subaccount(draft.venue, c.subaccount)
    draft.move("outside", f"sub/{c.subaccount}", c.amount, "deposit", c.asset)


def _fund_insurance(draft: Draft, c: cmd.FundInsurance) -> None:
    _amount(c.amount)
    refuse_if(c.pool not in draft.venue.pools, Reason.POOL_UNKNOWN, c.pool)
    draft.move("outside", f"fund/{c.pool}", c.amount, "insurance_deposit")


def _withdraw(draft: Draft, c: cmd.Withdraw) -> None:
    _amount(c.amount)
    _asset(draft.venue, c.asset)
    _subaccount(draft.venue, c.subaccount)
    _take_out(draft, c.subaccount, "outside", c.asset, c.amount, "withdrawal")


def _transfer_margin(draft: Draft, c: cmd.TransferMargin) -> None:
    _amount(c.amount)
    _asset(draft.venue, c.asset)
    source, target = _subaccount(draft.venue, c.source), _subaccount(draft.venue, c.target)
    refuse_if(c.source == c.target, Reason.SUBACCOUNTS_MUST_DIFFER)
    refuse_if(source.account != target.account, Reason.ACCOUNTS_DIFFER)
    before = subaccount_risk(draft.venue, target)
    _take_out(draft, c.source, f"sub/{c.target}", c.asset, c.amount, "margin_transfer")
    after = subaccount_risk(draft.venue, target)
    stands = may_act(before, after) and draft.reduces(c.target, after)
    refuse_if(not stands, Reason.INITIAL_MARGIN_COUNTERPARTY, c.target)


def _take_out(draft: Draft, name: str, credit: str, asset: str, amount: int, why: str) -> None:
    """Collateral leaves `name`, which must keep what the venue asks of a withdrawal."""
    venue, subaccount = draft.venue, draft.subaccount(name)
    draft.settle_all_funding(name)
    for market_id in subaccount.positions:
        refuse_if(draft.market(market_id).margin_locked, Reason.MARGIN_LOCKED, market_id)
    refuse_frozen(subaccount)
    held = subaccount.balances.get(asset, 0)
    borrowable = asset == QUOTE or venue.assets[asset].may_be_owed
    refuse_if(not borrowable and held < amount, Reason.BALANCE_TOO_SMALL, f"{name} holds {held} {asset}")
    refuse_if(venue.block < venue.gated_until_block, Reason.WITHDRAWALS_GATED, "all pools")
    for market_id in subaccount.positions:
        pool = venue.pools[draft.market(market_id).pool]
        refuse_if(venue.block < pool.gated_until_block, Reason.WITHDRAWALS_GATED, pool.id)
    draft.move(f"sub/{name}", credit, amount, why, asset)
    risk = subaccount_risk(venue, subaccount)
    rounds = venue.policy.rounding.requirement
    keep_q = withdrawal_q(risk.initial_q, risk.notional_q, venue.policy.withdrawal_floor_ppm, rounds)
    refuse_if(
        risk.equity_q < keep_q or risk.liquidatable(at_equality=venue.policy.trigger_at_equality),
        Reason.INITIAL_MARGIN,
        f"{name} must keep {keep_q}, would have {risk.equity_q}",
    )


def _reserve(draft: Draft, c: cmd.Reserve) -> None:
    market = _sized_market(draft.venue, c.market, c.size_b, price=1)
    subaccount = _subaccount(draft.venue, c.subaccount)
    refuse_if(c.order in subaccount.orders, Reason.ORDER_EXISTS, c.order)
    draft.keep_to_one_pool(subaccount, market.pool)
    _refuse_leverage(draft, subaccount, market, c.size_b)
    draft.refuse_settling(market)
    refuse_frozen(subaccount)
    before = subaccount_risk(draft.venue, subaccount)
    draft.emit(ev.OrderReserved(c.subaccount, c.order, c.market, c.size_b))
    if draft.venue.policy.account_gating != "none":
        must_meet(draft, subaccount, before, "place", Reason.INITIAL_MARGIN)
        others_must_meet(draft, subaccount)
        return
    after = subaccount_risk(draft.venue, subaccount)
    grows = after.initial_q > before.initial_q
    refuse_if(grows and after.free_q < 0, Reason.INITIAL_MARGIN, f"{c.subaccount} lacks {-after.free_q}")


def _release(draft: Draft, c: cmd.Release) -> None:
    subaccount = _subaccount(draft.venue, c.subaccount)
    refuse_if(c.order not in subaccount.orders, Reason.ORDER_UNKNOWN, c.order)
    draft.emit(ev.OrderReleased(c.subaccount, c.order, subaccount.orders[c.order].size_b))
    draft.sweep(c.subaccount)


def _sized_market(venue: Venue, name: str, size_b: int, price: int) -> Market:
    """The market of an order or fill whose size and price are fit for it."""
    refuse_if(size_b == 0, Reason.AMOUNT_NOT_POSITIVE, "size 0")
    refuse_if(abs_(size_b) >= LIMIT or abs_(price) >= LIMIT, Reason.AMOUNT_TOO_LARGE)
    market = _market(venue, name)
    refuse_if(price <= 0, Reason.PRICE_NOT_POSITIVE, f"got {price}")
    refuse_if(market.mark == 0 or not priced(venue.policy, market), Reason.PRICE_NOT_SET, name)
    refuse_if(size_b % market.step_b != 0, Reason.SIZE_NOT_A_MULTIPLE, f"step {market.step_b}")
    must_be_alive(venue, market)
    return market


def _trade(draft: Draft, c: cmd.Trade) -> None:
    market = _sized_market(draft.venue, c.market, c.size_b, c.price)
    taker, maker = _subaccount(draft.venue, c.taker), _subaccount(draft.venue, c.maker)
    refuse_if(c.taker == c.maker, Reason.SUBACCOUNTS_MUST_DIFFER)
    sides = ((taker, c.size_b, c.taker_order), (maker, -c.size_b, c.maker_order))
    _may_fill(draft, market, sides)
    policy, scale = draft.venue.policy, market.scale
    worth_q = value_q(c.size_b, c.price, scale.num, scale.den, policy.rounding.value)
    fees_q = [mul_div_up(abs_(worth_q), ppm, PPM) for ppm in (policy.taker_fee_ppm, policy.maker_fee_ppm)]
    free = (
        is_free(draft.venue, taker, maker, market, c.size_b, -worth_q - fees_q[0]),
        is_free(draft.venue, maker, taker, market, -c.size_b, worth_q - fees_q[1]),
    )
    before = {}
    for (who, size_b, order), is_judged_alone in zip(sides, free, strict=True):
        if not is_judged_alone:
            draft.settle_all_funding(who.id)
        before[who.id] = subaccount_risk(draft.venue, who)
        if order is not None:
            draft.emit(ev.OrderReleased(who.id, order, size_b))
    draft.fill(c.market, c.taker, c.maker, c.size_b, -worth_q, "trade")
    for (who, _, _), fee_q in zip(sides, fees_q, strict=True):
        draft.move(f"sub/{who.id}", "fees", fee_q, "trading_fee")
    for who, size_b, _ in sides:
        _fund_opening(draft, who, c.market, size_b, before[who.id])
    reasons = (Reason.INITIAL_MARGIN, Reason.INITIAL_MARGIN_COUNTERPARTY)
    for (who, _, order), reason, is_judged_alone in zip(sides, reasons, free, strict=True):
        if not is_judged_alone:
            _must_stand(draft, who, before[who.id], "place" if order is None else "fill", reason)
    for who, _, _ in sides:
        if policy.account_gating != "none" and not who.system:
            others_must_meet(draft, who)
    for who, _, _ in sides:
        _return_margin(draft, who, c.market)
        draft.sweep(who.id)


def _may_fill(draft: Draft, market: Market, sides: Sequence[tuple[Subaccount, int, str | None]]) -> None:
    """What may be wrong with a fill before anything is booked: orders, pools, leverage, the market's end."""
    for who, _, order in sides:
        refuse_if(order is not None and order not in who.orders, Reason.ORDER_UNKNOWN, f"{order}")
    for who, size_b, order in sides:
        fits = order is None or _order_fits(who.orders[order], market.id, size_b)
        refuse_if(not fits, Reason.ORDER_MISMATCH, f"{order}")
    for who, _, _ in sides:
        draft.keep_to_one_pool(who, market.pool)
    for who, size_b, _ in sides:
        _refuse_leverage(draft, who, market, size_b)
    draft.refuse_settling(market)
    for who, size_b, _ in sides:
        refuse_frozen(who, market.id, size_b)


def _return_margin(draft: Draft, who: Subaccount, market_id: str) -> None:
    """Where margin is locked, a position that shrank hands that share of the equity to the parent, as far as it can.

    Source: Hyperliquid docs, margining (strict isolated: margin is removed in proportion as the position is closed).
    """
    held, now = draft.base.subaccounts[who.id].positions.get(market_id), who.positions.get(market_id)
    if not draft.market(market_id).margin_locked or who.parent is None or held is None or now is None:
        return
    closed_b = abs_(held.size_b) - abs_(now.size_b)
    if closed_b <= 0 or (held.size_b > 0) != (now.size_b > 0):
        return
    risk = subaccount_risk(draft.venue, who)
    share_q = mul_div_down(max_(risk.equity_q, 0), closed_b, abs_(held.size_b))
    draft.move(f"sub/{who.id}", f"sub/{who.parent}", min_(share_q, max_(risk.free_q, 0)), "margin_returned")


def _refuse_leverage(draft: Draft, who: Subaccount, market: Market, size_b: int) -> None:
    """Where leverage is checked on opening: a position that grows must allow the leverage that was chosen for it."""
    chosen, held = who.leverages.get(market.id), who.positions.get(market.id)
    if market.leverage_checked == "always" or chosen is None or who.system:
        return
    reached_b, held_b = (held.size_b if held else 0) + size_b, held.size_b if held else 0
    if abs_(reached_b) <= abs_(held_b) and reached_b * held_b >= 0:
        return
    scale, rounds = market.scale, draft.venue.policy.rounding
    worth_q = notional_q(reached_b, market.mark, scale.num, scale.den, rounds.notional)
    num, den = initial_rate(market.requirement, Leg(reached_b, worth_q, worth_q), rounds.requirement)
    too_high = chosen.num * num > chosen.den * den
    refuse_if(too_high, Reason.LEVERAGE_TOO_HIGH, f"{chosen.num}/{chosen.den} in {market.id}")


def _order_fits(order: Order, market: str, size_b: int) -> bool:
    same_side = (order.size_b > 0) == (size_b > 0)
    return order.market == market and same_side and abs_(size_b) <= abs_(order.size_b)


def _must_stand(draft: Draft, who: Subaccount, before: Risk, action: Action, reason: Reason) -> None:
    if who.system:
        return
    if draft.venue.policy.account_gating != "none":
        must_meet(draft, who, before, action, reason)
        return
    after = subaccount_risk(draft.venue, who)
    stands = may_act(before, after) and draft.reduces(who.id, after)
    refuse_if(not stands, reason, f"{who.id} lacks {-after.free_q}")


def _fund_opening(draft: Draft, who: Subaccount, market_id: str, size_b: int, before: Risk) -> None:
    """A subaccount with a parent draws from it what opening lots took of its free collateral: margin, fee, open loss.

    The parent answers for the new lots alone: what the subaccount lacked before, it still lacks.
    """
    held = who.positions.get(market_id)
    if who.parent is None or held is None or (held.size_b > 0) != (size_b > 0):
        return
    taken_q = before.free_q - subaccount_risk(draft.venue, who).free_q
    if taken_q <= 0:
        return
    refuse_frozen(draft.subaccount(who.parent))
    draft.settle_all_funding(who.parent)
    draft.move(f"sub/{who.parent}", f"sub/{who.id}", taken_q, "margin_posted")
    spare_q = subaccount_risk(draft.venue, draft.subaccount(who.parent)).free_q
    refuse_if(spare_q < 0, Reason.PARENT_MARGIN, f"{who.parent} lacks {-spare_q}")


def _set_leverage(draft: Draft, c: cmd.SetLeverage) -> None:
    market = _market(draft.venue, c.market)
    subaccount = _subaccount(draft.venue, c.subaccount)
    allowed = c.num > 0 and c.den > 0 and c.num < LIMIT and c.den < LIMIT
    num, den = initial_rate(
        market.requirement,
        _held_leg(draft.venue, market, subaccount),
        draft.venue.policy.rounding.requirement,
    )
    allowed = allowed and c.num * num <= c.den * den
    refuse_if(not allowed, Reason.LEVERAGE_TOO_HIGH, f"{c.num}/{c.den} in {c.market}")
    before = subaccount_risk(draft.venue, subaccount)
    draft.emit(ev.LeverageSet(c.subaccount, c.market, c.num, c.den))
    after = subaccount_risk(draft.venue, subaccount)
    grows = after.initial_q > before.initial_q
    refuse_if(grows and after.free_q < 0, Reason.INITIAL_MARGIN, f"{c.subaccount} lacks {-after.free_q}")


def _held_leg(venue: Venue, market: Market, subaccount: Subaccount) -> Leg:
    held = subaccount.positions.get(market.id)
    if held is None:
        return Leg(0, 0, 0)
    scale, rounds = market.scale, venue.policy.rounding
    worth_q = notional_q(held.size_b, market.mark, scale.num, scale.den, rounds.notional)
    return Leg(held.size_b, worth_q, held.cost_q)


def _set_prices(draft: Draft, c: cmd.SetPrices) -> None:
    venue = draft.venue
    prices = (*c.marks.values(), *c.indexes.values(), *c.assets.values())
    refuse_if(any(price >= LIMIT for price in (*prices, c.quote_wad)), Reason.AMOUNT_TOO_LARGE)
    for market_id in (*c.marks, *c.indexes, *c.confidences, *c.index_confidences):
        refuse_if(market_id not in venue.markets, Reason.MARKET_UNKNOWN, market_id)
    for asset in (*c.assets, *c.asset_confidences):
        refuse_if(asset not in venue.assets, Reason.ASSET_UNKNOWN, asset)
    refuse_if(any(price <= 0 for price in prices) or c.quote_wad < 0, Reason.PRICE_NOT_POSITIVE)
    refuse_if(c.time_ms < venue.time_ms or c.block < venue.block, Reason.TIME_RUNS_BACKWARDS)
    shares = (*c.confidences.values(), *c.index_confidences.values(), *c.asset_confidences.values())
    refuse_if(any(not 0 <= share <= PPM for share in shares), Reason.PARAMETER_INVALID, "confidence")
    policy = venue.policy
    outage = policy.outage_ms > 0 and venue.time_ms > 0 and c.time_ms - venue.time_ms >= policy.outage_ms
    draft.emit(ev.PricesSet(c))
    if outage:
        draft.emit(ev.OutageSeen(c.block + policy.withdrawal_gate_blocks))


def _accrue_funding(draft: Draft, c: cmd.AccrueFunding) -> None:
    refuse_if(abs_(c.rate_ppm) > PPM, Reason.AMOUNT_TOO_LARGE, f"{c.rate_ppm} ppm")
    market = _market(draft.venue, c.market)
    refuse_if(market.index == 0, Reason.PRICE_NOT_SET, c.market)
    refuse_if(market.option is not None, Reason.WRONG_INSTRUMENT, c.market)
    scale = market.scale
    delta = funding_index_delta(market.index, c.rate_ppm, PPM, scale.num, scale.den, WAD)
    draft.emit(ev.FundingAccrued(c.market, market.funding_index + delta))


def _bid(draft: Draft, c: cmd.Bid) -> None:
    _amount(c.share_wad)
    bid(draft, c)


def _liquidate(draft: Draft, c: cmd.Liquidate) -> None:
    refuse_if(c.size_b < 0 or c.price < 0, Reason.AMOUNT_NOT_POSITIVE, f"size {c.size_b}, price {c.price}")
    refuse_if(c.size_b >= LIMIT or c.price >= LIMIT, Reason.AMOUNT_TOO_LARGE)
    liquidate(draft, c)


def _set_grids(draft: Draft, c: cmd.SetGrids) -> None:
    prices = (price for grid in c.grids.values() for price in grid.high)
    terms = (number for term in c.terms for number in (term.gain_num, term.debt_num, term.forward))
    refuse_if(any(number >= LIMIT for number in (*prices, *terms)), Reason.AMOUNT_TOO_LARGE)
    set_grids(draft, c)


def _expire(draft: Draft, c: cmd.Expire) -> None:
    refuse_if(c.price >= LIMIT, Reason.AMOUNT_TOO_LARGE)
    expire(draft, c)


def _settle_market(draft: Draft, c: cmd.SettleMarket) -> None:
    market = _market(draft.venue, c.market)
    refuse_if(market.mark == 0, Reason.PRICE_NOT_SET, c.market)
    draft.refuse_settling(market)
    draft.emit(ev.MarketSettling(c.market))
    for name in sorted(draft.base.subaccounts):
        for order, resting in sorted(draft.base.subaccounts[name].orders.items()):
            if resting.market == c.market:
                draft.emit(ev.OrderReleased(name, order, resting.size_b))
                draft.sweep(name)


def _change_requirement(draft: Draft, c: cmd.ChangeRequirement) -> None:
    _market(draft.venue, c.market)
    fit = valid(c.requirement) and 0 <= c.minimum_margin_q < LIMIT
    refuse_if(not fit, Reason.PARAMETER_INVALID, c.market)
    draft.emit(ev.RequirementChanged(c.market, c.requirement, c.minimum_margin_q))


def valid_policy(policy: Policy) -> bool:
    """Are shares within 0..100 %, limits not negative, and do maker rebates never exceed taker fees?"""
    close, rounds = policy.liquidation, policy.rounding
    limits = (
        close.portion_above_q,
        close.portion_floor_ppm,
        close.remainder_least_q,
        close.minimum_q,
        close.cooldown_ms,
        close.adjustment_ppm,
        close.spread_ppm,
    )
    blocks = (
        close.block_liquidations,
        close.block_deleveragings,
        close.block_subaccount_q,
        close.block_insurance_q,
    )
    profit_cap_q = policy.initial_profit_cap_q or 0
    others = (
        profit_cap_q,
        policy.overdraft_q or 0,
        close.backstop_num,
        policy.deleveraging.scan_max,
        policy.withdrawal_gate_blocks,
        policy.outage_ms,
    )
    if min((*limits, *blocks, *others)) < 0:
        return False
    directions = (rounds.value, rounds.notional, rounds.requirement, rounds.funding)
    if not all(FLOOR <= direction <= TRUNC for direction in directions):
        return False
    fees = (close.fee_ppm, close.fee_to_fund_ppm, policy.taker_fee_ppm)
    shares = (close.portion_ppm, close.buffer_ppm, policy.withdrawal_floor_ppm, *fees)
    in_range = all(0 <= share <= PPM for share in shares) and close.portion_ppm > 0
    if policy.set_rule is not None and not valid_set_rule(policy.set_rule):
        return False
    rebate_covered = policy.taker_fee_ppm + min_(policy.maker_fee_ppm, 0) >= 0 and policy.maker_fee_ppm <= PPM
    offered = close.backstop_den > 0 and close.target_ppm >= PPM and valid_auction(close.auction)
    handed_over = close.size != "window" or policy.waterfall == ("counterparty",)
    return in_range and rebate_covered and offered and handed_over and valid_portion(close)


def _change_policy(draft: Draft, c: cmd.ChangePolicy) -> None:
    for market in draft.base.markets.values():
        unpriced = market.open_interest_b > 0 and not priced(c.policy, market)
        refuse_if(unpriced, Reason.PRICE_NOT_SET, market.id)
    refuse_if(not valid_policy(c.policy), Reason.PARAMETER_INVALID)
    draft.emit(ev.PolicyChanged(c.policy))
    if c.policy.liquidation.auction is None:
        end_all(draft)


_DECIDE: dict[type, Callable[[Draft, Any], None]] = {
    cmd.OpenSubaccount: _open,
    cmd.Deposit: _deposit,
    cmd.FundInsurance: _fund_insurance,
    cmd.Withdraw: _withdraw,
    cmd.TransferMargin: _transfer_margin,
    cmd.Reserve: _reserve,
    cmd.Release: _release,
    cmd.Trade: _trade,
    cmd.SetLeverage: _set_leverage,
    cmd.SetPrices: _set_prices,
    cmd.SetGrids: _set_grids,
    cmd.Expire: _expire,
    cmd.AccrueFunding: _accrue_funding,
    cmd.Liquidate: _liquidate,
    cmd.TakeOver: take_over,
    cmd.StartAuction: start_auction,
    cmd.Bid: _bid,
    cmd.ConvertAuction: convert_auction,
    cmd.EndAuction: end_auction,
    cmd.SellCollateral: sell_collateral,
    cmd.DrawInsurance: draw_insurance,
    cmd.Deleverage: deleverage,
    cmd.RelievePool: relieve_pool,
    cmd.Socialize: socialize,
    cmd.SettleMarket: _settle_market,
    cmd.ChangeRequirement: _change_requirement,
    cmd.ChangePolicy: _change_policy,
}
