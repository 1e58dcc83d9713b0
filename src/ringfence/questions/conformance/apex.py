"""ApeX's numbers asked of our engine: account value and margin, and the rows of its risk limits.

The documents measure initial margin at the oracle price, the venue's own script at the entry price; a case states both.
Whether the rates of a row count for the whole position or for what lies above its bound is not known: a row is read,
not applied.

Sources: `ApeX-Protocol/apexpro-openapi@662417e4 tests/account_value.py`; ApeX Omni API documents, `GET /v3/symbols`.
"""

from collections.abc import Callable
from fractions import Fraction
from functools import cache

from ...clearing.model import Policy
from ...clearing.risk import is_liquidatable
from ...clearing.shapes import Leg as Held
from ...clearing.shapes import step_of
from ...errors import InputError
from ...rules.order import order_margin_q
from ...units import QUOTE_DECIMALS
from ...venues.rulebook import load
from ...venues.tables import stepped
from .exact import DIGITS, ExactAccount, Leg, Rate, build, decimals
from .vectors import Case, Field, Range, UnsupportedError, Value

Ours = dict[str, Value]

QUOTES = ("USDT", "USDC")


@cache
def rulebook_policy() -> Policy:
    """What margin depends on and is not a market."""
    return load("apex-omni").margin_policy()


def account(case: Case) -> ExactAccount:
    """The account of a case; its balance is what is left after paying for the positions."""
    rule = case.body["rule"]
    rates = (Rate(Fraction(0), rule["imr"].positive(), rule["mmr"].positive()),)
    legs = [
        Leg(held["market"].text(), held["size"].nonzero(), held["mark"].positive(), rates)
        for held in case.body["positions"]
    ]
    cash = Fraction(0)
    for held in case.body.items("collateral"):
        if held["asset"].text() not in QUOTES:
            raise UnsupportedError(f"the haircut of {held['asset'].text()} is not known")
        cash += held["amount"].fraction()
    return build(cash, legs, rulebook_policy(), case.place)


def account_value(case: Case) -> Ours:
    """Equity and what is asked of it, initial margin at both prices."""
    asked = account(case)
    found, entered, ordered = asked.amounts(), at_entry(asked, case), order_margin(case)
    free = Range(
        found.equity.low - entered.high - ordered.high, found.equity.high - entered.low - ordered.low
    )
    return {
        "equity": found.equity,
        "im_sdk_entry_based": entered,
        "im_docs_oracle_based": found.initial,
        "order_im": ordered,
        "free_collateral_sdk": free,
        "mm": found.maintenance,
        "liquidatable": is_liquidatable(asked.venue, asked.subaccount),
    }


def at_entry(asked: ExactAccount, case: Case) -> Range:
    """Initial margin of the positions at the prices they were entered at."""
    prices = {held["market"].text(): held["entry"].positive() for held in case.body["positions"]}
    legs = [asked.leg(market, price).initial for market, price in prices.items()]
    return Range(sum((leg.low for leg in legs), Fraction(0)), sum((leg.high for leg in legs), Fraction(0)))


def order_margin(case: Case) -> Range:
    """Initial margin and taker fee of the open orders, each at its own price."""
    rule, unit = case.body["rule"], 10 ** (QUOTE_DECIMALS + DIGITS)
    rate, fee = rule["imr"].positive(), rule["taker_fee"].fraction()
    low = high = Fraction(0)
    for order in case.body["action"].items("open_orders"):
        notional = order["price"].positive() * abs(order["size"].nonzero()) * unit
        terms = (rate.numerator, rate.denominator, fee.numerator, fee.denominator, 0)
        asked_q = order_margin_q(int(notional), *terms)
        low, high = low + asked_q, high + asked_q + (2 if notional.denominator > 1 else 1)
    return Range(low / unit, high / unit)


def risk_limit(case: Case) -> Ours:
    """Rates of the row that a position's value falls into."""
    rule, value = case.body["rule"], case.body["positions"].only()["value"].positive()
    rows = rows_of(rule)
    digits = max(decimals(each, case.place) for each in (value, *(lower for lower, _, _ in rows)))
    unit = 10**digits
    table = stepped([(int(lower * unit), initial, least) for lower, initial, least in rows], "notional")
    row = step_of(table, Held(1, int(value * unit), 0))
    return {"imr": Fraction(row.initial_num, table.den), "mmr": Fraction(row.maintenance_num, table.den)}


def rows_of(rule: Field) -> list[tuple[Fraction, Fraction, Fraction]]:
    """Risk limits as rows (lower bound, initial rate, maintenance rate)."""
    lowers, initials, leasts = (
        [cell.fraction() for cell in rule[name]] for name in ("positionSteps", "imrSteps", "mmrSteps")
    )
    if not len(lowers) == len(initials) == len(leasts) > 0:
        raise InputError(f"{rule.where}: positionSteps, imrSteps and mmrSteps differ in length or are empty")
    return [*zip(lowers, initials, leasts, strict=True)]


KINDS: dict[str, Callable[[Case], Ours]] = {"account": account_value, "risk_limit_row": risk_limit}
