"""European options as an instrument: what they are worth in scenarios, and their settlement in cash at expiry.

An option is a market like any other: bought and sold by `Trade` (the premium is the price of the fill), marked by
`SetPrices`, closed by `Liquidate`. It differs in three things: pricing tells the engine what it is worth in the
scenarios of a portfolio margin rule (`SetGrids`), it pays no funding, and after its expiry `Expire` settles every
position at what it pays.
"""

from ..rules.option_margin import in_the_money
from ..rules.value import value_q
from ..rules.words import FLOOR, max_, min_
from . import command as cmd
from . import event as ev
from .draft import Draft, Refusal
from .model import Market, Option, Subaccount, Venue
from .risk import equity_q
from .set_rules import ScenarioMargin, StandardMargin
from .verdict import Reason


def option_of(market: Market) -> Option:
    """What makes a market an option; refuses one that is none."""
    if market.option is None:
        raise Refusal(Reason.WRONG_INSTRUMENT, market.id)
    return market.option


def must_be_alive(venue: Venue, market: Market) -> None:
    """Refuse to trade an option after its expiry."""
    if market.option is not None and venue.time_ms >= market.option.expiry_ms:
        raise Refusal(Reason.EXPIRED, market.id)


def set_grids(draft: Draft, c: cmd.SetGrids) -> None:
    """Take what pricing says: a price a scenario, twice, none below zero and none upside down."""
    venue, rule = draft.venue, draft.venue.policy.set_rule
    for name in (c.underlying, *c.grids):
        if name not in venue.markets:
            raise Refusal(Reason.MARKET_UNKNOWN, name)
    for name, grid in c.grids.items():
        length = rule.grid_length if isinstance(rule, ScenarioMargin) else len(grid.low)
        fits = len(grid.low) == len(grid.high) == length
        if not (fits and all(0 <= low <= high for low, high in zip(grid.low, grid.high, strict=True))):
            raise Refusal(Reason.PARAMETER_INVALID, name)
    for term in c.terms:
        if min(term.gain_num, term.debt_num, term.forward) < 0:
            raise Refusal(Reason.PARAMETER_INVALID, f"{c.underlying} at {term.expiry_ms}")
    if not isinstance(rule, ScenarioMargin) and (c.grids or not isinstance(rule, StandardMargin)):
        raise Refusal(Reason.NOT_OFFERED, "scenarios")
    for name in c.grids:
        if option_of(draft.market(name)).underlying != c.underlying:
            raise Refusal(Reason.WRONG_INSTRUMENT, f"{name} is no option on {c.underlying}")
    draft.emit(ev.GridsSet(c))


def expire(draft: Draft, c: cmd.Expire) -> None:
    """Settle every position of an option: sold lots pay what bought lots are paid, and nothing is left of either.

    Each payment rounds against who receives it; what that leaves goes to the `rounding` account. A trader left without
    positions who cannot pay is covered by the insurance fund of the market's pool, and beyond it makes bad debt.
    """
    venue = draft.venue
    if c.market not in venue.markets:
        raise Refusal(Reason.MARKET_UNKNOWN, c.market)
    if c.price < 0:
        raise Refusal(Reason.PRICE_NOT_POSITIVE, f"got {c.price}")
    market = draft.market(c.market)
    option = option_of(market)
    if venue.time_ms < option.expiry_ms:
        raise Refusal(Reason.NOT_EXPIRED, f"at {option.expiry_ms} ms")
    payoff, scale = in_the_money(option.strike, c.price, option.call), draft.market(option.underlying).scale
    pot, holders = f"settlement/{c.market}", sorted(_holders(venue, c.market))
    _release_orders(draft, c.market)
    for name in holders:
        held = draft.subaccount(name).positions[c.market]
        paid_q = value_q(held.size_b, payoff, scale.num, scale.den, FLOOR)
        draft.move(pot, f"sub/{name}", paid_q, "settlement")
        draft.emit(ev.PositionChanged(name, c.market, -held.size_b, -held.cost_q))
    draft.move(pot, "rounding", draft.venue.balance_q(pot), "settlement")
    draft.emit(ev.Expired(c.market, c.price, payoff, len(holders)))
    for name in holders:
        _cover(draft, draft.subaccount(name), market.pool)
        draft.sweep(name)


def _holders(venue: Venue, market_id: str) -> list[str]:
    return [name for name in venue.subaccounts if market_id in venue.subaccounts[name].positions]


def _release_orders(draft: Draft, market_id: str) -> None:
    for name in sorted(draft.base.subaccounts):
        for order, resting in sorted(draft.base.subaccounts[name].orders.items()):
            if resting.market == market_id:
                draft.emit(ev.OrderReleased(name, order, resting.size_b))


def _cover(draft: Draft, subaccount: Subaccount, pool: str) -> None:
    """A trader with nothing left but a debt: the fund pays as far as it may, the rest is bad debt of the pool."""
    venue = draft.venue
    if subaccount.system or subaccount.positions:
        return
    loss_q, fund_q = max_(0, -equity_q(venue, subaccount)), venue.fund_q(pool)
    pays = "insurance" in venue.policy.waterfall
    if venue.policy.insurance == "all_or_nothing" and fund_q < loss_q:
        pays = False
    paid_q = min_(loss_q, fund_q) if pays else 0
    draft.move(f"fund/{pool}", f"sub/{subaccount.id}", paid_q, "insurance")
    draft.move(f"debt/{pool}", f"sub/{subaccount.id}", loss_q - paid_q, "bad_debt")
