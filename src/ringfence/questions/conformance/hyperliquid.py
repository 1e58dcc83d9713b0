"""Hyperliquid's numbers asked of our rules: margin tiers, account margin, transfers and liquidation prices.

Every function reads a case, builds the account that it describes and asks the engine; there is no formula here. What
collateral means differs per case (`rawUsd`, value at the mark, margin at entry), and the case says which it is.

Sources: Hyperliquid docs (margining, margin tiers, liquidations); the cases name their own.
"""

import re
from fractions import Fraction
from functools import cache

from ...clearing.policy import Policy, Tiered
from ...clearing.risk import subaccount_risk
from ...clearing.shapes import tier_of
from ...clearing.solve import max_withdrawal
from ...errors import InputError
from ...rules import loan
from ...rules.requirement import withdrawal_q
from ...units import QUOTE_DECIMALS, to_fraction
from ...venues.rulebook import load
from .exact import ACCOUNT, DIGITS, ExactAccount, Leg, Rate, build
from .vectors import Case, Field, Ours, Range, Rule, UnsupportedError, Value

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


@cache
def portfolio_facts() -> tuple[Fraction, Fraction, Fraction]:
    """Of portfolio margin: what is asked of every account, in USD, the ratio that calls it, and the cap on loans."""
    rulebook = load("hyperliquid-portfolio")
    offset, called, cap = (
        to_fraction(rulebook.ask(f"facts.{name}"), name)
        for name in ("borrow_offset", "called_above", "borrow_cap")
    )
    return offset, called, cap


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
    asked = build(total, legs, rulebook_policy(), case.place)
    for held in judged:
        if _is_strict(held):
            asked.venue.markets[held["market"].text()].margin_locked = True
    return asked


def alone(case: Case, held: Leg) -> ExactAccount:
    """One position without cash, for what does not depend on it."""
    return build(Fraction(0), [held], rulebook_policy(), case.place)


def _is_isolated(position: Field) -> bool:
    return "isolated" in _mode(position)


def _is_strict(position: Field) -> bool:
    return "strict" in _mode(position)


def _mode(position: Field) -> str:
    mode = position.get("mode")
    return "cross" if mode is None else mode.text()


def leg(position: Field, table: tuple[Rate, ...]) -> Leg:
    """A position at its mark, with the leverage chosen for it where the case says so."""
    chosen = position.get("leverage")
    leverage = None if chosen is None else chosen.positive()
    return Leg(
        position["market"].text(), position["size"].fraction(), position["mark"].positive(), table, leverage
    )


def constant(maintenance: Fraction, name: str = OTHERS) -> Leg:
    """Other positions at constant prices, as one that asks their maintenance margin; its worth is taken off cash."""
    return Leg(name, maintenance, Fraction(1), (Rate(Fraction(0), Fraction(1), Fraction(1)),))


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


def unified_ratio(case: Case) -> Ours:
    """Maintenance margin of the cross positions of all dexes over the balance that backs them.

    One balance per asset stands behind the dexes that settle in it; what isolated positions use is not there. The ratio
    is that of the asset that is worst off, and there is none without a balance.
    """
    dexes = [*case.body["action"]["dexes"]]
    held = {each["asset"].text(): each["amount"].fraction() for each in case.body["collateral"]}
    if not held:
        raise InputError(f"{case.place}: collateral: expected at least one balance")
    behind: dict[str, list[Field]] = {asset: [] for asset in held}
    for dex in dexes:
        behind[_settlement(dex, held)].append(dex)
    found = {asset: _unified(case, held[asset], backed) for asset, backed in behind.items()}
    ratios = [ratio for _, ratio in found.values()]
    known = [ratio for ratio in ratios if ratio is not None]
    available: dict[str, Value] = {asset: balance for asset, (balance, _) in found.items()}
    return {
        "available": available if len(available) > 1 else next(iter(available.values())),
        "ratio": max(known) if len(known) == len(ratios) else None,
    }


def _settlement(dex: Field, held: dict[str, Fraction]) -> str:
    """The asset that a dex settles in: the account's only one where the case does not say."""
    stated = dex.get("collateral") or dex.get("asset")
    if stated is None and len(held) > 1:
        raise UnsupportedError("the case does not say which asset each dex settles in")
    asset = next(iter(held)) if stated is None else stated.text()
    if asset not in held:
        raise InputError(f"{dex.where}: no balance in {asset}")
    return asset


def _unified(case: Case, total: Fraction, dexes: list[Field]) -> tuple[Range, Range | None]:
    """Balance behind the cross positions, and their maintenance margin over it."""
    asked = [dex["cross_mm"].fraction() for dex in dexes]
    legs = [constant(mm, f"dex {at}") for at, mm in enumerate(asked) if mm]
    cash = total - sum(asked) - sum(dex["isolated_used"].fraction() for dex in dexes)
    found = build(cash, legs, rulebook_policy(), case.place).amounts()
    if not legs:
        return found.equity, Range(Fraction(0), Fraction(0))
    if found.equity.low <= 0:
        return found.equity, None
    mm = found.maintenance
    return found.equity, Range(mm.low / found.equity.high, mm.high / found.equity.low)


def portfolio_borrow(case: Case) -> Ours:
    """What collateral lets an account borrow, and what it is worth when the account is judged."""
    offset, called, cap = portfolio_facts()
    unit = 10 ** (QUOTE_DECIMALS + DIGITS)
    lent = valued = Fraction(0)
    for held in case.body["collateral"]:
        worth = held["amount"].fraction() * held["price"].positive() * unit
        stated = case.body["rule"]["ltv"]
        ltv = (stated[held["asset"].text()] if isinstance(stated.raw, dict) else stated).fraction()
        terms = (int(worth), ltv.numerator, ltv.denominator)
        lent += loan.borrowable_q(*terms)
        valued += loan.support_q(*terms, int(cap * unit))
    near, asked = 2 * len([*case.body["collateral"]]), loan.required_q(int(offset * unit), 0, 0)
    return {
        "borrowable_usdc": Range(lent / unit, (lent + near) / unit),
        "liquidation_value": Range(valued / unit, (valued + near) / unit),
        "liquidatable": loan.is_called(asked, int(valued), called.numerator, called.denominator),
    }


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


KINDS: dict[str, Rule] = {
    "account_margin": margin,
    "account_mm_identity": margin_identity,
    "account_snapshot": liquidation_price,
    "initial_margin": margin,
    "liq_price_exact": liquidation_price,
    "liq_price_isolated": liquidation_price,
    "liq_price_preview": liquidation_preview,
    "maintenance_margin": margin,
    "portfolio_margin_borrow": portfolio_borrow,
    "position_margin_used": margin_used,
    "tier_mm_derived": tier_margin,
    "unified_ratio": unified_ratio,
}
