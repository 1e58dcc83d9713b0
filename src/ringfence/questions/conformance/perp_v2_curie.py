"""Perpetual Protocol v2's unit-test numbers asked of our rules: mark, free collateral, takeovers, collateral sales.

Amounts are wei (10^-18) inside; what the venue's tokens cut is cut. Where a test's input is printed among its expected
values and nowhere else (the debt whose repayment limit is asked, the settlement amount that buys collateral) it is read
from there.

Source: `perp-curie-contract@d520bd8e`: `test/vault/Vault.liquidationGetter.test.ts`, `Vault.freeCollateral.test.ts`,
`test/clearingHouse/ClearingHouse.takeOver.test.ts`, `test/foundry/accountBalance/AccountBalance.t.sol`.
"""

from fractions import Fraction

from ...clearing.model import QUOTE
from ...errors import InputError
from ...rules import ratio as rule
from ...rules import repay
from ...rules.words import PPM, WAD, mul_div_down, power_of_ten
from .named import NamedKinds, where_stated
from .perp_v2_account import (
    DEBTS,
    Held,
    Terms,
    Token,
    held_of,
    role_of,
    standing_of,
    takers,
    terms_of,
    tokens,
    worth_wad,
)
from .vectors import Case, Field, NotStatedError, Ours, Range, RefusedError, UnsupportedError
from .wad import amount_wad, find, positive_wad, wad, whole

ENOUGH = "CH_EAV"
WRONG_SIDE = "CH_WLD"
NEGATIVE = "0 (negative)"
"""How a test writes the margin ratio of an account in the red."""
ALLOWED = Fraction(10**9)
PRINTED_WEI = 100
"""Most that a debt printed by a test leaves out: the worth of its position at the mark of 1 wei that the test sets."""


# -- mark price --------------------------------------------------------------------------------------------------------


@where_stated
def mark(case: Case) -> Ours:
    """Mark price. The test allows a tolerance for ticks; every tolerance from our deviation on agrees with it."""
    stated, expected = case.body["positions"].only(), case.body["expected"]
    now, mean, index, premium, index_mean = (
        positive_wad(stated[name])
        for name in ("market_twap_15s", "market_twap_30m", "index", "market_twap_15m", "index_twap_15m")
    )
    ours = whole(rule.median(now, mean, index + premium - index_mean))
    slack, theirs = expected.get("tolerance"), expected.get("mark")
    bound = Fraction(0) if slack is None else slack.fraction()
    deviation = Fraction(0) if theirs is None else abs(ours - theirs.fraction())
    return {"mark": Range(ours - bound, ours + bound), "tolerance": Range(deviation, ALLOWED)}


# -- free collateral ---------------------------------------------------------------------------------------------------


@where_stated
def free_collateral(case: Case) -> Ours:
    """What an account may take out, in the settlement token and in each collateral."""
    found, terms = standing_of(case), terms_of(case)
    debt = rule.debt_value(found.base_debt_value, found.net_quote)
    free = max(rule.free_collateral(found.collateral, found.equity, debt, terms.initial_ppm), 0)
    settled = found.cash + found.profit >= 0
    cash = min(free, max(found.cash, 0)) if settled else 0
    all_free = {
        f"free_collateral_{token.name.lower()}": _token(_withdrawable(token, free) if settled else 0, token)
        for token in tokens(case)
        if token.price is not None and token.amount is not None
    }
    return {
        "total_debt_value": whole(debt),
        "unrealized_pnl": whole(found.profit),
        "account_value": whole(found.equity),
        "total_collateral_value": whole(found.collateral),
        "free_collateral": _settlement(free, terms),
        "free_collateral_usdc": _settlement(cash, terms),
        **all_free,
    }


def _withdrawable(token: Token, free: int) -> int:
    """Token atoms that free collateral releases: rounded up at the price, then cut by the weight."""
    if not token.price or token.amount is None:
        return 0
    worth = _cut(repay.collateral_for(free, token.price, token.unit), token)
    return min(mul_div_down(worth, PPM, token.weight_ppm), token.amount)


def _cut(amount_wad: int, token: Token) -> int:
    return mul_div_down(amount_wad, power_of_ten(token.decimals), WAD)


def _token(atoms: int, token: Token) -> Fraction:
    return Fraction(atoms, power_of_ten(token.decimals))


def _settlement(amount_wad: int, terms: Terms) -> Fraction:
    unit = power_of_ten(terms.decimals)
    return Fraction(mul_div_down(amount_wad, unit, WAD), unit)


# -- collateral sold to repay a debt -----------------------------------------------------------------------------------


@where_stated
def collateral_sale(case: Case) -> Ours:
    """Settlement for an amount of collateral, or collateral for an amount of settlement where no amount is stated.

    From an account, which has a debt, a position or a settlement balance, no more than what may be repaid at once.
    """
    terms, held = terms_of(case), tokens(case)
    if len(held) < len(case.body.items("collateral")) or case.body.items("positions") or stated_debt(case):
        return repayment(case)
    if len(held) != 1 or held[0].price is None:
        raise InputError(f"{case.place}: collateral: expected one token with a price beside {QUOTE}")
    token, name = held[0], f"collateral_{held[0].name.lower()}"
    price = _discounted(case, token)
    if token.amount is not None:
        paid = repay.settlement_for(_as_wad(token), price, token.unit)
        return {"settlement_usdc": _settlement(paid, terms), name: _token(token.amount, token)}
    asked = find([case.body.get("action"), case.body["expected"]], "settlement_usdc", "settlement")
    if asked is None:
        raise NotStatedError("amount")
    bought = _cut(repay.collateral_for(positive_wad(asked), price, token.unit), token)
    return {"settlement_usdc": asked.fraction(), name: _token(bought, token)}


def _discounted(case: Case, token: Token) -> int:
    price = repay.discounted(token.price or 0, token.discount_ppm)
    if price == 0:
        raise InputError(f"{case.place}: collateral: {token.name} has a price of 0 after the discount")
    return price


def _as_wad(token: Token) -> int:
    return (token.amount or 0) * mul_div_down(WAD, 1, power_of_ten(token.decimals))


@where_stated
def repayment(case: Case) -> Ours:
    """Most that liquidators may repay at once, and of which collateral that buys how much."""
    terms, found = terms_of(case), standing_of(case)
    debt = max(-(found.cash + found.profit), 0)
    requirement = mul_div_down(
        rule.debt_value(found.base_debt_value, found.net_quote), terms.initial_ppm, PPM
    )
    stated = stated_debt(case)
    alone = stated is None and not case.body.items("positions")
    printed = case.body["expected"].get("max_debt_usd") if alone else None
    if alone and printed is None and not debt:
        raise NotStatedError("debt")
    debt = max([debt, *(amount_wad(field) for field in (stated, printed) if field is not None)])
    shares = (terms.dust, terms.portion_ppm, terms.fund_fee_ppm)
    most = repay.max_repaid(debt, requirement, *shares)
    least = repay.max_repaid(max(debt - PRINTED_WEI, 0), requirement, *shares) if printed else most
    return {
        "max_debt_usd": whole(max(debt, requirement)),
        "max_repaid_wei": Range(Fraction(least), Fraction(most)),
        **{name: value for token in _asked_last(case) for name, value in _limits(case, token, most).items()},
    }


def stated_debt(case: Case) -> Field | None:
    """A debt that is stated as such."""
    return find([case.body.get("action"), *case.body.items("positions"), case.body["rule"]], *DEBTS)


def _asked_last(case: Case) -> list[Token]:
    """The tokens of a case, with those last that its action or the names of its answers ask about."""
    named = find([case.body.get("action")], "collateral", "token", "asset")
    names = (
        [named.text().lower()] if named else [name.split("_")[-1] for name in case.body["expected"].entries()]
    )
    return sorted(tokens(case), key=lambda token: token.name.lower() in names)


def _limits(case: Case, token: Token, most: int) -> Ours:
    """Limits for one collateral: what the repayment buys, or all of it and what that costs."""
    if token.price is None or token.amount is None:
        return {}
    terms = terms_of(case)
    price = _discounted(case, token)
    bought = _cut(repay.collateral_for(most, price, token.unit), token)
    if bought > token.amount:
        bought, most = token.amount, repay.settlement_for(_as_wad(token), price, token.unit)
    paid = _settlement(most, terms)
    return {
        "max_repaid_usdc": paid,
        "max_repaid_settlement": paid,
        "settlement_usdc": paid,
        f"collateral_{token.name.lower()}": _token(bought, token),
        "max_liquidatable_collateral": _token(bought, token),
        f"max_liquidatable_{token.name.lower()}": _token(bought, token),
        "insurance_fee_usdc": _settlement(repay.insurance_fee(most, terms.fund_fee_ppm), terms),
    }


# -- takeover of a position --------------------------------------------------------------------------------------------


@where_stated
def takeover(case: Case) -> Ours:
    """A liquidator takes a position over at the index price; what he leaves out, the trader and the fund get."""
    found, terms, held = standing_of(case), terms_of(case), liquidated(case)
    total, own = found.risk.notional_q, worth_wad(held.size, held.mark)
    maintenance = mul_div_down(total, terms.maintenance_ppm, PPM)
    if found.equity >= maintenance:
        raise RefusedError(ENOUGH)
    share_ppm = rule.taken_share_ppm(found.equity, maintenance, own, total, terms.minimum)
    sign = 1 if held.size > 0 else -1
    most = sign * mul_div_down(abs(held.size), share_ppm, PPM)
    taken = _wanted(case, held, most)
    notional = worth_wad(taken, held.index_price)
    charged = rule.penalty(notional, terms.penalty_ppm)
    to_liquidator = rule.liquidator_penalty(charged, found.equity)
    realized = rule.realized(held.quote, held.size, -taken, sign * notional)
    quote = -sign * notional + to_liquidator
    return {
        **standing(case),
        **_liquidator(case, held, taken, quote),
        "max_liquidatable_size_wei": abs(most),
        "liquidated_size_wei": abs(taken),
        "liquidated_notional_wei": notional,
        "realized_pnl_wei": realized,
        "penalty_wei": charged,
        "to_insurance_fund_wei": charged - to_liquidator,
        "to_liquidator_wei": to_liquidator,
        "to_liquidator": f"{_percent(to_liquidator, charged)}% of penalty",
        "trader_position_after": held.size - taken,
        "trader_position_after_wei": held.size - taken,
        "trader_open_notional_after_wei": held.quote + sign * notional - realized,
    }


@where_stated
def standing(case: Case) -> Ours:
    """Account value and margin ratio. An approximate ratio is cut or rounded by hand: good to two units of its end."""
    found, terms = standing_of(case), terms_of(case)
    total = found.risk.notional_q
    if not total:
        raise UnsupportedError("the account has no position")
    exact = Fraction(found.equity, total)
    printed = case.body["expected"].get("margin_ratio_approx")
    slack = Fraction(0) if printed is None else 2 * printed.last_digit()
    return {
        "account_value_wei": found.equity,
        "margin_requirement_wei": mul_div_down(total, terms.maintenance_ppm, PPM),
        "liquidatable": found.equity < mul_div_down(total, terms.maintenance_ppm, PPM),
        "margin_ratio": NEGATIVE if found.equity < 0 else exact,
        "margin_ratio_approx": Range(exact - slack, exact + slack),
    }


def liquidated(case: Case) -> Held:
    """The position that is taken over: the one that the case names, else its first."""
    held = takers(case)
    if not held:
        raise InputError(f"{case.place}: positions: expected at least one of the trader's")
    named = find([case.body.get("action"), case.body["rule"]], "market", "liquidated_market")
    if named is None:
        return held[0]
    for each in held:
        if each.market == named.text():
            return each
    raise InputError(f"{named.where}: the account has no position in {named.text()}")


def _wanted(case: Case, held: Held, most: int) -> int:
    """What the liquidator asks for, at most what he may have; nothing stated or zero stands for all of that."""
    stated = find([case.body.get("action")], "size_wei", "size")
    if stated is None:
        return most
    asked = stated.integer() if stated.where.endswith("_wei") else wad(stated)
    if asked * held.size < 0:
        raise RefusedError(WRONG_SIDE)
    return asked if 0 < abs(asked) < abs(most) else most


def _liquidator(case: Case, held: Held, taken: int, quote: int) -> Ours:
    """The liquidator after the takeover: he pays or receives `quote`, and realizes what it closes of his own."""
    before = next((own for own in _liquidators(case) if own.market == held.market), None)
    size, open_quote = (before.size, before.quote) if before else (0, 0)
    realized = rule.realized(open_quote, size, taken, quote)
    return {
        "liquidator_notional_wei": quote,
        "liquidator_realized_pnl_wei": realized,
        "liquidator_position_after_wei": size + taken,
        "liquidator_open_notional_after_wei": open_quote + quote - realized,
    }


def _liquidators(case: Case) -> list[Held]:
    found: list[Field] = [item for item in case.body.items("positions") if role_of(item) == "liquidator"]
    return [held_of(item) for item in found]


def _percent(part: int, whole_amount: int) -> int:
    return (200 * part + whole_amount) // (2 * whole_amount) if whole_amount else 0


STANDING = (
    "account_value_wei",
    "margin_requirement_wei",
    "liquidatable",
    "margin_ratio",
    "margin_ratio_approx",
)
TAKEOVER = (
    *("max_liquidatable_size_wei", "liquidated_size_wei", "liquidated_notional_wei", "realized_pnl_wei"),
    *("penalty_wei", "to_insurance_fund_wei", "to_liquidator_wei", "to_liquidator", "trader_position_after"),
    *("trader_position_after_wei", "trader_open_notional_after_wei", "liquidator_notional_wei"),
    *("liquidator_realized_pnl_wei", "liquidator_position_after_wei", "liquidator_open_notional_after_wei"),
    *("error", "no_error"),
)
KINDS = NamedKinds(
    {
        mark: ("mark", "tolerance"),
        collateral_sale: ("settlement_usdc", "collateral_*"),
        repayment: (
            *("max_debt_usd", "max_repaid_wei", "max_repaid_usdc", "max_repaid_settlement"),
            *("max_liquidatable_*", "insurance_fee_usdc"),
        ),
        free_collateral: (
            *("free_collateral", "free_collateral_*", "total_debt_value", "unrealized_pnl"),
            *("account_value", "total_collateral_value"),
        ),
        standing: STANDING,
        takeover: STANDING + TAKEOVER,
    }
)
