"""ApeX's numbers asked of our engine: account value and margin, and the rows of its risk limits.

The documents measure initial margin at the oracle price, the venue's own script at the entry price; a case states both.
Whether the rates of a row count for the whole position or for what lies above its bound is not known: a row is read,
not applied.

Sources: `ApeX-Protocol/apexpro-openapi@662417e4 tests/account_value.py`; ApeX Omni API documents, `GET /v3/symbols`.
"""

from fractions import Fraction
from functools import cache

from ...clearing.policy import Policy
from ...clearing.risk import is_liquidatable
from ...clearing.shapes import Leg as Held
from ...clearing.shapes import step_of
from ...errors import InputError
from ...rules.order import order_margin_q
from ...units import QUOTE_DECIMALS
from ...venues.rulebook import load
from ...venues.tables import stepped
from .exact import DIGITS, ExactAccount, Leg, Rate, build, decimals
from .vectors import Case, Field, Ours, Range, Rule, UnsupportedError

QUOTES = ("USDT", "USDC")


@cache
def rulebook_policy() -> Policy:
    """What margin depends on and is not a market."""
    return load("apex-omni").margin_policy()


def account(case: Case) -> ExactAccount:
    """The account of a case; its balance is what is left after paying for the positions."""
    legs = [leg_of(case.body["rule"], held) for held in case.body.items("positions")]
    cash = Fraction(0)
    for held in case.body.items("collateral"):
        if held["asset"].text() not in QUOTES:
            raise UnsupportedError(f"the haircut of {held['asset'].text()} is not known")
        cash += held["amount"].fraction()
    return build(cash, legs, rulebook_policy(), case.place)


def leg_of(rule: Field, held: Field) -> Leg:
    """A position at its oracle price, with the rates of its market or those of all markets."""
    name = held["market"].text()
    rates = (Rate(Fraction(0), rate_of(rule["imr"], name), rate_of(rule["mmr"], name)),)
    return Leg(name, held["size"].fraction(), held["mark"].positive(), rates)


def rate_of(stated: Field, market: str) -> Fraction:
    """A rate that holds for all markets, or one market's in an object of rates."""
    return (stated[market] if isinstance(stated.raw, dict) else stated).positive()


def account_value(case: Case) -> Ours:
    """Equity and what is asked of it, initial margin at both prices; at entry only where all entries are stated."""
    asked = account(case)
    found, ordered = asked.amounts(), order_margin(case)
    ours: Ours = {
        "equity": found.equity,
        "im_docs_oracle_based": found.initial,
        "order_im": ordered,
        "mm": found.maintenance,
        "liquidatable": is_liquidatable(asked.venue, asked.subaccount),
    }
    if any(held.get("entry") is None for held in case.body.items("positions")):
        return ours
    entered = at_entry(asked, case)
    low, high = entered.low + ordered.low, entered.high + ordered.high
    free = Range(found.equity.low - high, found.equity.high - low)
    return {**ours, "im_sdk_entry_based": entered, "free_collateral_sdk": free}


def at_entry(asked: ExactAccount, case: Case) -> Range:
    """Initial margin of the positions at the prices they were entered at."""
    prices = {held["market"].text(): held["entry"].positive() for held in case.body.items("positions")}
    legs = [asked.leg(market, prices[market]).initial for market in asked.subaccount.positions]
    return Range(sum((leg.low for leg in legs), Fraction(0)), sum((leg.high for leg in legs), Fraction(0)))


def order_margin(case: Case) -> Range:
    """Initial margin and taker fee of the open orders, each at its own price."""
    rule, unit = case.body["rule"], 10 ** (QUOTE_DECIMALS + DIGITS)
    action, low, high = case.body.get("action"), Fraction(0), Fraction(0)
    for order in [] if action is None else action.items("open_orders"):
        market, fee = order.get("market"), rule["taker_fee"].fraction()
        rate = rate_of(rule["imr"], market.text() if market else "")
        notional = order["price"].positive() * abs(order["size"].nonzero()) * unit
        terms = (rate.numerator, rate.denominator, fee.numerator, fee.denominator, 0)
        asked_q = order_margin_q(int(notional), *terms)
        low, high = low + asked_q, high + asked_q + (2 if notional.denominator > 1 else 1)
    return Range(low / unit, high / unit)


def risk_limit(case: Case) -> Ours:
    """Rates of the row that a position's value falls into."""
    rows, value = rows_of(case.body["rule"]), value_of(case.body["positions"].only())
    digits = max(decimals(each, case.place) for each in (value, *(lower for lower, _, _ in rows)))
    unit = 10**digits
    table = stepped([(int(lower * unit), initial, least) for lower, initial, least in rows], "notional")
    row = step_of(table, Held(1, int(value * unit), 0))
    return {"imr": Fraction(row.initial_num, table.den), "mmr": Fraction(row.maintenance_num, table.den)}


def value_of(held: Field) -> Fraction:
    """What a position is worth, whichever side it is on: stated, or its size at the oracle price."""
    stated = held.get("value")
    return abs(held["size"].fraction() * held["mark"].positive() if stated is None else stated.fraction())


def rows_of(rule: Field) -> list[tuple[Fraction, Fraction, Fraction]]:
    """Risk limits as rows (lower bound, initial rate, maintenance rate)."""
    lowers, initials, leasts = (
        [cell.fraction() for cell in rule[name]] for name in ("positionSteps", "imrSteps", "mmrSteps")
    )
    if not len(lowers) == len(initials) == len(leasts) > 0:
        raise InputError(f"{rule.where}: positionSteps, imrSteps and mmrSteps differ in length or are empty")
    return [*zip(lowers, initials, leasts, strict=True)]


KINDS: dict[str, Rule] = {"account": account_value, "risk_limit_row": risk_limit}
