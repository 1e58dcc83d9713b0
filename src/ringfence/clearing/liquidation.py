"""Liquidation as a procedure made of data: how much, at which price, with which fee, and who may take it.

All amounts come from `rules.close`; the policy's `Liquidation` says which limits apply. A fill that leaves less than
the bankruptcy price makes a loss, charged to the insurance fund of the market's pool; what the fund cannot pay becomes
bad debt of that pool only when no winner can be closed against the position.
"""

from ..rules.close import (
    accept_price,
    bankruptcy_quote_q,
    close_portion_b,
    fee_share_q,
    fillable_spread_num,
    liquidation_fee_q,
)
from ..rules.value import released_cost_q, value_q
from ..rules.words import CEIL, FLOOR, PPM, abs_, max_, min_, mul_div_down, mul_div_up
from . import command as cmd
from . import event as ev
from .adl import has_counterparty
from .draft import Draft, Refusal
from .loans import bonus_fee, collateral_buyer, collateral_sale, is_loan, overdrawn_q
from .model import QUOTE, Market, Subaccount, Venue, market_subaccount
from .policy import Liquidation
from .risk import (
    Risk,
    bankruptcy_q,
    closing_risks,
    freed_maintenance_q,
    leg_risk,
    market_risk,
    may_act,
    owes,
    risk_price,
    subaccount_risk,
)
from .verdict import Reason
from .windows import close_flagged, flag, refuse_flagged


def victim(draft: Draft, name: str, taker: str | None = None) -> Subaccount:
    """The trader's subaccount that a step acts on; `taker` is the subaccount that takes what it loses."""
    for who in (name, taker):
        if who is not None and who not in draft.venue.subaccounts:
            raise Refusal(Reason.SUBACCOUNT_UNKNOWN, who)
    if name == taker:
        raise Refusal(Reason.SUBACCOUNTS_MUST_DIFFER)
    if draft.subaccount(name).system:
        raise Refusal(Reason.SYSTEM_SUBACCOUNT, name)
    return draft.subaccount(name)


def must_be_liquidatable(venue: Venue, subaccount: Subaccount) -> Risk:
    """Refuse to touch the positions of a subaccount that has its maintenance margin; its risk otherwise."""
    risk, exposes = subaccount_risk(venue, subaccount), subaccount.positions or owes(subaccount)
    if not exposes or not risk.liquidatable(at_equality=venue.policy.trigger_at_equality):
        raise Refusal(
            Reason.NOT_LIQUIDATABLE, f"equity {risk.equity_q}, maintenance margin {risk.maintenance_q}"
        )
    return risk


def refuse_auctioned(venue: Venue) -> None:
    """Refuse what a venue that sells whole subaccounts by auction does not do to one of their positions or assets."""
    if venue.policy.liquidation.auction is not None:
        raise Refusal(Reason.NOT_OFFERED, "subaccounts are sold by auction")


def exposed(draft: Draft, name: str, market_id: str, taker: str | None) -> Subaccount:
    """A trader's subaccount with a position in the market, its funding booked."""
    if market_id not in draft.venue.markets:
        raise Refusal(Reason.MARKET_UNKNOWN, market_id)
    subaccount = victim(draft, name, taker)
    if market_id not in subaccount.positions:
        raise Refusal(Reason.POSITION_UNKNOWN, market_id)
    refuse_flagged(subaccount)
    draft.settle_all_funding(name)
    return subaccount


def insolvent(draft: Draft, name: str, market_id: str, taker: str | None = None) -> Subaccount:
    """A subaccount that the loss waterfall may act on: a position in the market and negative equity.

    Where the fund pays as far as it reaches, equity of exactly zero counts too: that is where it leaves a subaccount
    whose loss it paid.
    """
    subaccount = exposed(draft, name, market_id, taker)
    equity_q = subaccount_risk(draft.venue, subaccount).equity_q
    if equity_q > 0 or (equity_q == 0 and draft.venue.policy.insurance == "all_or_nothing"):
        raise Refusal(Reason.NOT_INSOLVENT, name)
    return subaccount


def fillable_price(
    venue: Venue, subaccount: Subaccount, market_id: str, *, rounding: int | None = None
) -> int:
    """Worst price, in quanta, at which a liquidation order may fill: a sale rounds up, a purchase down.

    Source: dYdX v4 `x/clob/keeper/liquidations.go:500` and `:1012`.
    """
    market, held = venue.markets[market_id], subaccount.positions[market_id]
    num, den = fillable_fraction(venue, subaccount, market_id)
    direction = (CEIL if held.size_b > 0 else FLOOR) if rounding is None else rounding
    return accept_price(market.mark, num, den, direction)


def fillable_fraction(venue: Venue, subaccount: Subaccount, market_id: str) -> tuple[int, int]:
    """The fillable price as an exact fraction of price quanta."""
    market, held, close = venue.markets[market_id], subaccount.positions[market_id], venue.policy.liquidation
    risk = subaccount_risk(venue, subaccount)
    own_q = freed_maintenance_q(venue, subaccount, market_id)
    spread = fillable_spread_num(
        risk.equity_q, risk.maintenance_q, close.adjustment_ppm, close.spread_ppm, own_q
    )
    den = risk.maintenance_q * PPM * PPM
    worth_q = value_q(held.size_b, risk_price(venue, market), market.scale.num, market.scale.den, 2)
    num = (worth_q * den - spread) * market.scale.den
    sign = 1 if held.size_b > 0 else -1
    return sign * num, abs_(held.size_b) * den * market.scale.num


def liquidation_size_b(venue: Venue, subaccount: Subaccount, market_id: str, price: int) -> int:
    """Lots (unsigned) that the rulebook lets one liquidation of this position close."""
    market, held, close = venue.markets[market_id], subaccount.positions[market_id], venue.policy.liquidation
    notional = market_risk(venue, subaccount, market_id).notional_q
    size_b = abs_(held.size_b)
    slice_over = close.portion_once and venue.time_ms < subaccount.cooldown_until_ms
    if (
        close.size == "portion"
        and notional > close.portion_above_q
        and not (slice_over or _whole(venue, subaccount))
    ):
        share_ppm = close.portion_ppm
        if close.portion_of == "account":
            total = subaccount_risk(venue, subaccount).notional_q
            share_ppm = min_(PPM, mul_div_down(total, share_ppm, notional))
        size_b = close_portion_b(held.size_b, share_ppm, market.step_b)
        minimum_b = _lots_worth(market, risk_price(venue, market), close.minimum_q)
        size_b = min_(max_(size_b, minimum_b), abs_(held.size_b))
    elif close.size == "target":
        size_b = _size_to_target(venue, subaccount, market_id, price)
    if close.block_subaccount_q:
        used_q = subaccount.block_liquidated_q if subaccount.block == venue.block else 0
        room_q = max_(0, close.block_subaccount_q - used_q)
        if notional > room_q:
            size_b = min_(size_b, mul_div_down(abs_(held.size_b), room_q, notional))
    return mul_div_down(size_b, 1, market.step_b) * market.step_b if size_b != abs_(held.size_b) else size_b


def _whole(venue: Venue, subaccount: Subaccount) -> bool:
    """Whether equity is so low that a position is closed whole instead of by the portion."""
    floor_ppm = venue.policy.liquidation.portion_floor_ppm
    if not floor_ppm:
        return False
    risk = subaccount_risk(venue, subaccount)
    return risk.equity_q * PPM < risk.maintenance_q * floor_ppm


def _lots_worth(market: Market, price: int, amount_q: int) -> int:
    per_step_num = market.scale.num * price * market.step_b
    return mul_div_up(amount_q, market.scale.den, per_step_num) * market.step_b if amount_q else 0


def _size_to_target(venue: Venue, subaccount: Subaccount, market_id: str, price: int) -> int:
    """Fewest lots whose closing at `price` lifts equity to the liquidation-end margin; all of them when none does."""
    market, held, policy = venue.markets[market_id], subaccount.positions[market_id], venue.policy
    close = policy.liquidation
    total, own = subaccount_risk(venue, subaccount), market_risk(venue, subaccount, market_id)
    steps = mul_div_up(abs_(held.size_b), 1, market.step_b)
    sign = 1 if held.size_b > 0 else -1

    def stands(count: int) -> bool:
        closed_b = min_(count * market.step_b, abs_(held.size_b))
        got_q = value_q(sign * closed_b, price, market.scale.num, market.scale.den, policy.rounding.value)
        left_q = held.cost_q - released_cost_q(held.cost_q, held.size_b, closed_b)
        at, left_b = risk_price(venue, market), held.size_b - sign * closed_b
        whole, rest = own, leg_risk(market, left_b, at, policy.rounding, cost_q=left_q)
        if policy.set_rule is not None:
            whole, rest = closing_risks(venue, subaccount, market_id, left_b)
        base_q = _fee_base_q(venue, subaccount, market_id, sign * closed_b, got_q)
        freed_q, worth_q = max_(0, whole.maintenance_q - rest.maintenance_q), whole.equity_q - rest.equity_q
        bankrupt_q = bankruptcy_quote_q(worth_q, total.equity_q, freed_q, total.maintenance_q)
        fee_q, _, loss_q = _charged(venue, subaccount, base_q, got_q - bankrupt_q, whole=left_b == 0)
        equity_q = total.equity_q - worth_q + got_q - fee_q + loss_q
        return equity_q * PPM >= _end_margin_ppm_q(close, total, whole, rest)

    low, high = 0, steps
    while high - low > 1:
        middle = mul_div_down(low + high, 1, 2)
        low, high = (low, middle) if stands(middle) else (middle, high)
    return min_(high * market.step_b, abs_(held.size_b))


def _end_margin_ppm_q(close: Liquidation, total: Risk, own: Risk, rest: Risk) -> int:
    """The liquidation-end margin, in millionths of quote atoms, where `rest` has taken the place of `own`."""
    asked_q = total.maintenance_q - own.maintenance_q + rest.maintenance_q
    if close.target_of == "initial":
        asked_q = total.initial_q - own.initial_q + rest.initial_q
    notional = total.notional_q - own.notional_q + rest.notional_q
    return asked_q * close.target_ppm + notional * close.buffer_ppm


def _check_limits(venue: Venue, subaccount: Subaccount) -> None:
    close = venue.policy.liquidation
    if not close.portion_once and venue.time_ms < subaccount.cooldown_until_ms:
        raise Refusal(Reason.COOLDOWN, f"until {subaccount.cooldown_until_ms} ms")
    if close.block_liquidations and venue.block_liquidations >= close.block_liquidations:
        raise Refusal(Reason.BLOCK_LIMIT, f"{close.block_liquidations} liquidations")


def liquidate(draft: Draft, c: cmd.Liquidate) -> None:
    """Close (part of) a liquidatable subaccount's position at the stated price."""
    venue = draft.venue
    if c.market not in venue.markets:
        raise Refusal(Reason.MARKET_UNKNOWN, c.market)
    if c.size_b % venue.markets[c.market].step_b != 0:
        raise Refusal(Reason.SIZE_NOT_A_MULTIPLE, f"step {venue.markets[c.market].step_b}")
    refuse_auctioned(venue)
    by_window = venue.policy.liquidation.size == "window"
    if (c.counterparty and by_window) or (c.endorsed and not by_window):
        raise Refusal(Reason.NOT_OFFERED, "a window hands positions to the market's counterparty")
    counterparty = c.counterparty or market_subaccount(c.market)
    subaccount = victim(draft, c.subaccount, counterparty)
    if c.market not in subaccount.positions:
        raise Refusal(Reason.POSITION_UNKNOWN, c.market)
    draft.keep_to_one_pool(draft.subaccount(counterparty), venue.markets[c.market].pool)
    if subaccount.flagged:
        close_flagged(draft, c)
        return
    draft.refuse_settling(venue.markets[c.market])
    refuse_flagged(draft.subaccount(counterparty))
    draft.settle_all_funding(c.subaccount)
    must_be_liquidatable(venue, subaccount)
    _check_limits(venue, subaccount)
    if by_window:
        flag(draft, c.subaccount, c.market)
        close_flagged(draft, c)
        return
    held = subaccount.positions[c.market]
    price = c.price or venue.markets[c.market].mark
    allowed_b = liquidation_size_b(venue, subaccount, c.market, price)
    size_b = min_(c.size_b, allowed_b) if c.size_b else allowed_b
    if size_b == 0:
        raise Refusal(Reason.BLOCK_LIMIT, f"{c.subaccount} was liquidated enough in this block")
    _close(draft, c, counterparty, size_b if held.size_b > 0 else -size_b, price)


def _close(draft: Draft, c: cmd.Liquidate, counterparty: str, signed_b: int, price: int) -> None:
    """Fill signed lots of the position, then charge the fee to the subaccount or the loss to the pool."""
    venue, market, subaccount = draft.venue, draft.market(c.market), draft.subaccount(c.subaccount)
    close, scale = venue.policy.liquidation, market.scale
    got_q = value_q(signed_b, price, scale.num, scale.den, venue.policy.rounding.value)
    left_q = got_q - bankruptcy_q(venue, subaccount, c.market, signed_b)
    whole = abs_(signed_b) == abs_(subaccount.positions[c.market].size_b)
    base_q = _fee_base_q(venue, subaccount, c.market, signed_b, got_q)
    fee_q, fund_ppm, loss_q = _charged(venue, subaccount, base_q, left_q, whole=whole)
    _check_fill(venue, subaccount, c.market, price, loss_q)
    if loss_q:
        _loss_may_stand(draft, subaccount, c.market, loss_q)
    before = subaccount_risk(venue, draft.subaccount(counterparty))
    cooldown_ms = subaccount.cooldown_until_ms if whole else venue.time_ms + close.cooldown_ms
    draft.fill(c.market, c.subaccount, counterparty, -signed_b, got_q, "liquidation")
    share_q = fee_share_q(fee_q, fund_ppm)
    draft.move(f"sub/{c.subaccount}", f"fund/{market.pool}", share_q, "liquidation_fee")
    draft.move(f"sub/{c.subaccount}", "fees", fee_q - share_q, "liquidation_fee")
    paid_q = min_(loss_q, venue.fund_q(market.pool)) if "insurance" in venue.policy.waterfall else 0
    draft.move(f"fund/{market.pool}", f"sub/{c.subaccount}", paid_q, "insurance")
    _leave_unpaid(draft, market, f"sub/{c.subaccount}", loss_q - paid_q)
    draft.emit(
        ev.Liquidated(c.subaccount, c.market, -signed_b, price, abs_(got_q), fee_q, loss_q, cooldown_ms)
    )
    if not subaccount.positions and subaccount_risk(venue, subaccount).equity_q < close.remainder_least_q:
        _hand_over(draft, c.subaccount, market)
    elif not subaccount.positions and close.remainder != "subaccount":
        _seize(draft, c.subaccount, "fees" if close.remainder == "fees" else f"fund/{market.pool}")
    draft.sweep(c.subaccount)
    must_carry(draft, counterparty, before)


def _charged(
    venue: Venue, subaccount: Subaccount, base_q: int, left_q: int, *, whole: bool
) -> tuple[int, int, int]:
    """Fee on a fill that leaves `left_q` above bankruptcy, the fund's share of it (ppm), and the loss.

    A fee in full is paid out of what other positions leave, so it makes a loss only with the last one; the fund gets
    nothing of it from a subaccount in the red.
    Source: Perp v2 `perp-curie-contract@d520bd8e contracts/ClearingHouse.sol` (`_liquidate`).
    """
    close, loss_q = venue.policy.liquidation, max_(0, -left_q)
    if not close.fee_in_full:
        return liquidation_fee_q(base_q, close.fee_ppm, left_q), close.fee_to_fund_ppm, loss_q
    fee_q = mul_div_down(base_q, close.fee_ppm, PPM)
    if whole and len(subaccount.positions) == 1:
        loss_q = max_(0, fee_q - left_q)
    in_the_red = subaccount_risk(venue, subaccount).equity_q < 0
    return fee_q, 0 if in_the_red else close.fee_to_fund_ppm, loss_q


def _fee_base_q(venue: Venue, subaccount: Subaccount, market_id: str, signed_b: int, got_q: int) -> int:
    """What the fee on closing signed lots of a position for `got_q` is a share of."""
    held, of = subaccount.positions[market_id], venue.policy.liquidation.fee_of
    if of == "notional":
        return abs_(got_q)
    released_q = released_cost_q(held.cost_q, held.size_b, abs_(signed_b))
    if of == "cost":
        return abs_(released_q)
    whole, rest = closing_risks(venue, subaccount, market_id, held.size_b - signed_b)
    return max_(whole.maintenance_q - rest.maintenance_q, 0)


def _leave_unpaid(draft: Draft, market: Market, account: str, amount_q: int) -> None:
    """The liquidity behind the market goes without what a liquidation leaves unpaid, or it is bad debt of the pool."""
    if "counterparty" in draft.venue.policy.waterfall:
        draft.move(_counterparty(draft, market), account, amount_q, "forgone")
    else:
        draft.move(f"debt/{market.pool}", account, amount_q, "bad_debt")


def _counterparty(draft: Draft, market: Market) -> str:
    name = market_subaccount(market.id)
    if name not in draft.venue.subaccounts:
        raise Refusal(Reason.SUBACCOUNT_UNKNOWN, name)
    return f"sub/{name}"


def _hand_over(draft: Draft, name: str, market: Market) -> None:
    """The market's counterparty keeps a remainder that is too small to return, and owes what the subaccount owed."""
    for asset, amount in sorted(draft.subaccount(name).balances.items()):
        draft.move(f"sub/{name}", _counterparty(draft, market), amount, "remainder", asset)


def _seize(draft: Draft, name: str, account: str) -> None:
    """What is left after the last position was closed goes to the venue."""
    for asset, amount in sorted(draft.subaccount(name).balances.items()):
        if amount > 0:
            draft.move(f"sub/{name}", account, amount, "remainder", asset)


def must_carry(draft: Draft, name: str, before: Risk) -> None:
    """A trader who takes positions over needs the margin for them, as in any trade."""
    taker = draft.subaccount(name)
    after = subaccount_risk(draft.venue, taker)
    if not taker.system and not (may_act(before, after) and draft.reduces(name, after)):
        raise Refusal(Reason.BACKSTOP_CAPACITY, taker.id)


def _check_fill(venue: Venue, subaccount: Subaccount, market_id: str, price: int, loss_q: int) -> None:
    """The limits on a fill: insurance drawn for the subaccount in this block, and the fillable price."""
    close = venue.policy.liquidation
    used_q = subaccount.block_insured_q if subaccount.block == venue.block else 0
    if loss_q and close.block_insurance_q and used_q + loss_q > close.block_insurance_q:
        raise Refusal(
            Reason.BLOCK_LIMIT, f"insurance loss of this block is limited to {close.block_insurance_q}"
        )
    if close.limit == "fillable":
        worst = fillable_price(venue, subaccount, market_id)
        if (price < worst) if subaccount.positions[market_id].size_b > 0 else (price > worst):
            raise Refusal(Reason.PRICE_BEYOND_LIMIT, f"fillable price {worst}")


def _loss_may_stand(draft: Draft, subaccount: Subaccount, market_id: str, loss_q: int) -> None:
    """A loss is for the fund; beyond it for a counterparty that bears it, or for winners, or bad debt where it may."""
    venue, policy = draft.venue, draft.venue.policy
    pool = venue.markets[market_id].pool
    if "counterparty" in policy.waterfall:
        return
    if "insurance" in policy.waterfall and loss_q <= venue.fund_q(pool):
        return
    if "deleverage" in policy.waterfall and has_counterparty(draft.base, subaccount.id, market_id):
        raise Refusal(Reason.INSURANCE_TOO_SMALL, f"{pool} holds {venue.fund_q(pool)}, needs {loss_q}")
    if "socialize" not in policy.waterfall or policy.insurance == "all_or_nothing":
        raise Refusal(Reason.INSURANCE_TOO_SMALL, f"{pool} holds {venue.fund_q(pool)}, needs {loss_q}")


def take_over(draft: Draft, c: cmd.TakeOver) -> None:
    """A backstop takes a subaccount's positions and collateral; nothing is returned."""
    venue, close = draft.venue, draft.venue.policy.liquidation
    if close.backstop_num == 0:
        raise Refusal(Reason.NOT_OFFERED, "backstop")
    subaccount, taker = victim(draft, c.subaccount, c.backstop), draft.subaccount(c.backstop)
    for market_id in subaccount.positions:
        draft.keep_to_one_pool(taker, venue.markets[market_id].pool)
    refuse_flagged(subaccount, taker)
    draft.settle_all_funding(c.subaccount)
    risk = must_be_liquidatable(venue, subaccount)
    if risk.equity_q * close.backstop_den >= risk.maintenance_q * close.backstop_num:
        raise Refusal(Reason.NOT_LIQUIDATABLE, "above the backstop threshold")
    before = subaccount_risk(venue, taker)
    for market_id, held in sorted(subaccount.positions.items()):
        draft.fill(market_id, c.subaccount, c.backstop, -held.size_b, held.cost_q, "backstop")
    for asset, amount in sorted(subaccount.balances.items()):
        draft.move(f"sub/{c.subaccount}", f"sub/{c.backstop}", amount, "backstop", asset)
    for order, resting in sorted(subaccount.orders.items()):
        draft.emit(ev.OrderReleased(c.subaccount, order, resting.size_b))
    if risk.equity_q < 0 or subaccount_risk(venue, taker).equity_q < 0:
        raise Refusal(Reason.BACKSTOP_CAPACITY, c.backstop)
    must_carry(draft, c.backstop, before)
    draft.emit(ev.TakenOver(c.subaccount, c.backstop, risk.equity_q))


def sell_collateral(draft: Draft, c: cmd.SellCollateral) -> None:
    """A subaccount that owes quote sells collateral at the discounted price, as much as the debt needs.

    One with positions, or with collateral that has weights, does so when it is liquidatable, or overdrawn where the
    venue limits that.
    """
    venue, buyer = draft.venue, f"sub/{collateral_buyer(c.asset)}"
    if c.asset not in venue.assets:
        raise Refusal(Reason.ASSET_UNKNOWN, c.asset)
    if venue.assets[c.asset].price == 0:
        raise Refusal(Reason.PRICE_NOT_SET, c.asset)
    refuse_auctioned(venue)
    subaccount, asset = victim(draft, c.subaccount, collateral_buyer(c.asset)), venue.assets[c.asset]
    refuse_flagged(subaccount)
    held = subaccount.balances.get(c.asset, 0)
    if held <= 0:
        raise Refusal(Reason.BALANCE_TOO_SMALL, f"holds {held} {c.asset}")
    if is_loan(subaccount, asset) and not overdrawn_q(venue, subaccount):
        must_be_liquidatable(venue, subaccount)
    amount, paid_q = collateral_sale(venue, subaccount, c.asset)
    if amount == 0:
        raise Refusal(Reason.NOTHING_OWED, c.subaccount)
    fee = bonus_fee(asset, amount)
    draft.move(f"sub/{c.subaccount}", buyer, amount - fee, "collateral_sale", c.asset)
    draft.move(f"sub/{c.subaccount}", "fees", fee, "collateral_sale", c.asset)
    draft.move(buyer, f"sub/{c.subaccount}", paid_q, "collateral_sale", QUOTE)
    draft.sweep(c.subaccount)
