"""Hyperliquid's numbers asked of our rules: margin tiers, account margin, transfers and liquidation prices.

Every function reads a case, builds the account that it describes and asks the engine; there is no formula here. What
collateral means differs per case (`rawUsd`, value at the mark, margin at entry), and the case says which it is.

Sources: Hyperliquid docs (margining, margin tiers, liquidations); the cases name their own.
"""

import re
from collections.abc import Callable
from fractions import Fraction
from functools import cache

from ...clearing.model import Policy, Tiered
from ...clearing.risk import subaccount_risk
from ...clearing.shapes import tier_of
from ...clearing.solve import max_withdrawal
from ...rules.requirement import withdrawal_q
from ...venues.rulebook import load
from .exact import ACCOUNT, ExactAccount, Leg, Rate, build
from .vectors import Case, Field, Range, UnsupportedError, Value

Ours = dict[str, Value]

UNSUPPORTED = {
    "portfolio_margin_borrow": "portfolio margin is not modelled: borrowing against HYPE and BTC",
    "unified_ratio": "the unified account is not modelled: one collateral behind several DEXs",
}
VALUED = (("at entry", "entry"), ("account value", "mark"), ("mark", "mark"), ("rawusd", None))
"""Words of a collateral's meaning, and the price at which it counts positions (`None`: it is cash alone)."""
LEVERAGE_IN_NAME = re.compile(r"\b(\d+)x\b")
OTHERS = "other positions"


@cache
def rulebook_policy() -> Policy:
    """Everything about the venue that is not a market."""
    return load("hyperliquid", "2026-07").policy()


def rates(tiers: Field) -> tuple[Rate, ...]:
    """Margin rates of a table of tiers: maintenance is half of 1 / maximum leverage.

    Leverage is checked against the tier only when a position is opened. The initial rate of every tier is therefore
    that of the highest leverage, and the leverage chosen raises it.
    """
    table = sorted((tier["lower"].fraction(), tier["max_leverage"].positive()) for tier in tiers)
    if not table:
        raise UnsupportedError("the case has no margin tiers")
    highest = max(leverage for _, leverage in table)
    return tuple(Rate(lower, 1 / highest, 1 / (2 * leverage)) for lower, leverage in table)


def flat(leverage: Fraction) -> tuple[Rate, ...]:
    """Margin rates of a market with one tier."""
    return (Rate(Fraction(0), 1 / leverage, 1 / (2 * leverage)),)


def cash(collateral: Field, positions: list[Field]) -> Fraction:
    """Cash in USD after paying for the positions, out of what the case says its collateral means."""
    amount = collateral["amount"].fraction()
    meaning = (collateral.get("meaning") or collateral["asset"]).text()
    for words, price in VALUED:
        if words in meaning.lower():
            return amount - sum(_worth(held, price) for held in positions) if price else amount
    raise UnsupportedError(f"collateral of unknown meaning: {meaning}")


def _worth(position: Field, price: str) -> Fraction:
    return position["size"].fraction() * position[price].fraction()


def account(case: Case, table: tuple[Rate, ...] | None = None) -> ExactAccount:
    """The subaccount that a case asks about: the cross one, or the isolated position where there is nothing else."""
    rule, positions = case.body["rule"], [*case.body["positions"]]
    known = rates(rule["tiers"]) if table is None else table
    judged = [held for held in positions if not _is_isolated(held)]
    if judged or not positions:
        total = sum((cash(held, judged) for held in case.body.items("collateral")), Fraction(0))
    else:
        judged = positions[:1]
        total = judged[0]["isolated_margin"].fraction() - _worth(judged[0], "mark")
    legs = [leg(held, known) for held in judged]
    others = rule.get("other_mm")
    if others is not None and others.fraction():
        legs.append(constant(others.positive()))
        total -= others.positive()
    return build(total, legs, rulebook_policy(), case.place)


def alone(case: Case, held: Leg) -> ExactAccount:
    """One position without cash, for what does not depend on it."""
    return build(Fraction(0), [held], rulebook_policy(), case.place)


def _is_isolated(position: Field) -> bool:
    mode = position.get("mode")
    words = "cross" if mode is None else mode.text()
    if "strict" in words:
        raise UnsupportedError("strict isolated margin is not modelled: margin that cannot be taken out")
    return words == "isolated"


def leg(position: Field, table: tuple[Rate, ...]) -> Leg:
    """A position at its mark, with the leverage chosen for it where the case says so."""
    chosen = position.get("leverage")
    leverage = None if chosen is None else chosen.positive()
    return Leg(
        position["market"].text(), position["size"].fraction(), position["mark"].positive(), table, leverage
    )


def constant(maintenance: Fraction) -> Leg:
    """Other positions at constant prices, as one that asks their maintenance margin; its worth is taken off cash."""
    return Leg(OTHERS, maintenance, Fraction(1), (Rate(Fraction(0), Fraction(1), Fraction(1)),))


def margin(case: Case) -> Ours:
    """Account value, what is asked of it and what that leaves."""
    asked = account(case)
    found = asked.amounts()
    return {
        "equity": found.equity,
        "notional": found.notional,
        "im": found.initial,
        "mm": found.maintenance,
        "mm_available": found.surplus,
        "im_available": found.free,
        "backstop_threshold": asked.at_backstop().amounts().maintenance,
        "transfer_requirement": transfer_requirement(asked),
        "max_removable": max_removable(asked),
        **tier(asked),
    }


def transfer_requirement(asked: ExactAccount) -> Range:
    """What must stay behind when collateral leaves."""
    policy, risk = asked.venue.policy, subaccount_risk(asked.venue, asked.subaccount)
    keep_q = withdrawal_q(
        risk.initial_q, risk.notional_q, policy.withdrawal_floor_ppm, policy.rounding.requirement
    )
    return Range(asked.usd(keep_q - 1), asked.usd(keep_q))


def max_removable(asked: ExactAccount) -> Range:
    """Most that the engine lets out, to the atom."""
    most_q = max_withdrawal(asked.venue, ACCOUNT)
    return Range(asked.usd(most_q), asked.usd(most_q + 1))


def tier(asked: ExactAccount) -> Ours:
    """Maintenance rate and deduction of the tier that an only position falls into."""
    shapes = [market.requirement for market in asked.venue.markets.values()]
    if len(shapes) != 1 or not isinstance(shapes[0], Tiered):
        return {}
    found = tier_of(shapes[0], subaccount_risk(asked.venue, asked.subaccount).notional_q)
    deduction = Fraction(found.deduction, shapes[0].den) * asked.usd(1)
    return {"rate": Fraction(found.maintenance_num, shapes[0].den), "deduction": deduction}


def liquidation_price(case: Case) -> Ours:
    """Where the first position liquidates the account, and where the backstop takes it over."""
    asked = account(case)
    return {**_roots(asked, case.body["positions"].first()["market"].text()), **margin(case)}


def _roots(asked: ExactAccount, market: str) -> Ours:
    root = asked.liquidation_price(market)
    return {
        "liq_price": root,
        "backstop_price": asked.at_backstop().liquidation_price(market),
        "liq_notional": root
        and Range(asked.leg(market, root.low).notional.low, asked.leg(market, root.high).notional.high),
    }


def liquidation_preview(case: Case) -> Ours:
    """Liquidation price of one position in a market with a stated maintenance rate."""
    rate = case.body["rule"]["mmr"].positive()
    asked = account(case, (Rate(Fraction(0), rate, rate),))
    return _roots(asked, case.body["positions"].first()["market"].text())


def margin_identity(case: Case) -> Ours:
    """Maintenance margin of a total notional where every market has the one leverage that the case's name states."""
    stated = LEVERAGE_IN_NAME.search(case.body["name"].text())
    if stated is None:
        raise UnsupportedError("the case does not say which leverage every market has")
    total = case.body["expected"]["total_notional"].positive()
    asked = build(
        Fraction(0),
        [Leg("all", total, Fraction(1), flat(Fraction(stated[1])))],
        rulebook_policy(),
        case.place,
    )
    found = asked.amounts()
    return {"mm": found.maintenance, "total_notional": found.notional}


def tier_margin(case: Case) -> Ours:
    """Maintenance margin of a notional."""
    position = case.body["positions"].only()
    notional = Leg(
        position["market"].text(),
        position["notional"].positive(),
        Fraction(1),
        rates(case.body["rule"]["tiers"]),
    )
    asked = alone(case, notional)
    mm = asked.amounts().maintenance
    return {"mm": mm, "mm_decimal": mm, **tier(asked)}


def margin_used(case: Case) -> Ours:
    """Initial margin and unrealized PnL of one position.

    The entry price is cut off for display, so the PnL is known only between its value at the shown price and at one
    unit of its last digit above.
    """
    position = case.body["positions"].only()
    leverage = case.body["rule"]["leverage"].positive()
    size = position["size"].nonzero()
    held = leg(position, flat(leverage))._replace(size=size, leverage=leverage)
    asked = alone(case, held)
    shown, worth = position["entry"].positive(), asked.leg(held.market, held.mark).equity
    ends = [asked.leg(held.market, entry).equity for entry in (shown, shown + position["entry"].last_digit())]
    pnl = [end for cost in ends for end in (worth.low - cost.high, worth.high - cost.low)]
    return {"im": asked.amounts().initial, "unrealized_pnl": Range(min(pnl), max(pnl))}


KINDS: dict[str, Callable[[Case], Ours]] = {
    "account_margin": margin,
    "account_mm_identity": margin_identity,
    "account_snapshot": liquidation_price,
    "initial_margin": margin,
    "liq_price_exact": liquidation_price,
    "liq_price_isolated": liquidation_price,
    "liq_price_preview": liquidation_preview,
    "maintenance_margin": margin,
    "position_margin_used": margin_used,
    "tier_mm_derived": tier_margin,
}
