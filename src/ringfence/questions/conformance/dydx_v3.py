"""dYdX v3's interface asked of our engine: the price at which a liquidated position is closed, and margin by size.

The close price is the bankruptcy price of one position: with all closed at theirs, nothing is left. Prices and sizes
are the case's, directions and triggers those of the rulebook.

Sources: dYdX v3 API documentation, "Liquidations" (close price); help.dydx.exchange, article 5232637 (margin by size).
"""

from fractions import Fraction
from functools import cache

from ...clearing.draft import Draft
from ...clearing.model import Market, Scale, Subaccount, market_subaccount
from ...clearing.policy import Policy, Requirement
from ...clearing.risk import bankruptcy_q, is_liquidatable, leg_risk, subaccount_risk
from ...clearing.shapes import Leg as Held
from ...clearing.shapes import initial_rate
from ...venues.rulebook import load
from ...venues.tables import read_margin
from .dydx_v4_state import with_subaccounts
from .exact import ACCOUNT, DIGITS, POOL, ExactAccount, Leg, Rate, build, decimals
from .vectors import Case, Field, Ours, Range, Rule, UnsupportedError

BETWEEN = "whether margin steps or rises linearly between two increments is not known"
SCHEDULE = {
    "initial": "base_imf",
    "initial_increment": "incremental_imf",
    "baseline": "baseline_size",
    "increment": "incremental_size",
    "largest": "max_size",
}
"""Fields of a margin table, and what the venue calls them."""


@cache
def rulebook_policy() -> Policy:
    """Everything about the venue that is not a market."""
    return load("dydx-v3").margin_policy()


def account(case: Case) -> ExactAccount:
    """The account of a case; its USDC is what is left after paying for the positions."""
    rates, legs = case.body["rule"]["mmf"], []
    for held in case.body.items("positions"):
        name = held["market"].text()
        rate = (rates[name] if isinstance(rates.raw, dict) else rates).positive()
        legs.append(
            Leg(name, held["size"].fraction(), held["mark"].positive(), (Rate(Fraction(0), rate, rate),))
        )
    cash = sum((held["amount"].fraction() for held in case.body.items("collateral")), Fraction(0))
    return build(cash, legs, rulebook_policy(), case.place)


def close_price(case: Case) -> Ours:
    """Where each position closes in a liquidation, and what closing all of them there leaves."""
    asked = account(case)
    found = asked.amounts()
    return {
        "equity": found.equity,
        "mm": found.maintenance,
        "liquidatable": is_liquidatable(asked.venue, asked.subaccount),
        "close_price": {name: price_of(asked, name) for name in asked.subaccount.positions},
        "equity_if_all_closed_at_close_price": left_over(asked),
    }


def price_of(asked: ExactAccount, market: str) -> Range:
    """Close price of a position in USD, to one atom of the fine grid."""
    fine, twin = asked.refined()
    size_b = twin.positions[market].size_b
    quote_q = bankruptcy_q(fine, twin, market, size_b)
    size = Fraction(size_b, 10 ** asked.venue.markets[market].base_decimals)
    ends = [asked.usd(quote_q + atom, DIGITS) / size for atom in (-1, 1)]
    return Range(min(ends), max(ends))


def left_over(asked: ExactAccount) -> Range:
    """Equity after every position was closed at the price that the account as it is now gives it."""
    fine, twin = asked.refined()
    quotes_q = {name: bankruptcy_q(fine, twin, name, held.size_b) for name, held in twin.positions.items()}
    takers = [Subaccount(market_subaccount(name), "market", system=True) for name in twin.positions]
    draft = Draft(with_subaccounts(fine, [twin, *takers]))
    for name, held in sorted(twin.positions.items()):
        draft.fill(name, ACCOUNT, market_subaccount(name), -held.size_b, quotes_q[name], "close")
    left_q = subaccount_risk(draft.venue, draft.subaccount(ACCOUNT)).equity_q
    atoms = len(quotes_q)
    return Range(asked.usd(left_q - atoms, DIGITS), asked.usd(left_q + atoms, DIGITS))


def schedule(rule: Field, base_decimals: int, where: str) -> Requirement:
    """The margin table of a case, read as one of a rulebook; the case states no maintenance margin."""
    fields = {name: rule[theirs].text() for name, theirs in SCHEDULE.items()}
    return read_margin({**fields, "maintenance": "0"}, base_decimals, f"{where}: rule")


def initial_fraction(case: Case) -> Ours:
    """Initial margin fraction of a position's size, and what one dollar of it asks."""
    rule, size = case.body["rule"], case.body["positions"].only()["size"].nonzero()
    above = (abs(size) - rule["baseline_size"].positive()) / rule["incremental_size"].positive()
    if above > 0 and above.denominator != 1:
        raise UnsupportedError(BETWEEN)
    sizes = (size, *(rule[SCHEDULE[name]].positive() for name in ("baseline", "increment", "largest")))
    base = max(decimals(each, case.place) for each in sizes)
    shape, lots, rounding = schedule(rule, base, case.place), int(size * 10**base), rulebook_policy().rounding
    num, den = initial_rate(shape, Held(lots, 0, 0), rounding.requirement)
    # One lot is worth so many quote atoms that its margin is a whole number of them.
    risk = leg_risk(Market("market", Scale(den, 1), shape, POOL), lots, 1, rounding)
    return {
        "imf": Fraction(num, den),
        "im_per_unit_notional": Fraction(risk.initial_q, risk.notional_q),
    }


KINDS: dict[str, Rule] = {"close_price": close_price, "imf_schedule": initial_fraction}
