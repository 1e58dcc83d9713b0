"""Aevo's documented margin: options and perpetuals by themselves, conversion of collateral, ranking for deleveraging.

Rates, haircuts and procedures are the rulebook's; a case states what is held. Amounts are put on a grid of `DIGITS`
decimal places, so that nothing rounds within what is printed. Source: docs.aevo.xyz.
"""

from fractions import Fraction
from functools import cache

from msgspec.structs import replace

from ...clearing import command as cmd
from ...clearing.adl import SCORE_UNIT, Claim, eligible, score_profit_margin
from ...clearing.loans import collateral_buyer
from ...clearing.log import Clearinghouse
from ...clearing.model import QUOTE, Asset, CollateralPool, Market, Option, Scale, Subaccount, Venue
from ...clearing.policy import Deleveraging, Policy, Tier, Tiered
from ...clearing.risk import is_liquidatable, subaccount_risk
from ...clearing.set_rules import StandardMargin
from ...clearing.standard import Asked, OptionLeg, alone
from ...clearing.verdict import Rejected
from ...errors import InputError
from ...rules.scenario import moved_q
from ...rules.words import abs_
from ...venues.rulebook import load
from .exact import Leg, Rate, build, decimals
from .vectors import Case, Field, Ours, Range, RefusedError, Rule, UnsupportedError

DIGITS = 12
ONE = 10**DIGITS
GRID = Scale(1, ONE)
"""Sizes, prices and amounts alike."""
NOTHING = Tiered((Tier(0, 0, 0, 0),), 1)
IGNORED = "ignores haircut and fee"
"""Words of a rule's note that say that its example leaves both out."""
BUYER, SELLER, POOL = "buyer", "seller", "aevo"
KINDS_OF_OPTION = {"C": True, "P": False}


@cache
def policy() -> Policy:
    """What the rulebook says about margin."""
    return load("aevo").margin_policy()


def grid(field: Field) -> int:
    """A number on the grid; raises `InputError` where it does not fit."""
    exact = field.fraction()
    if decimals(exact, field.where) > DIGITS:
        raise InputError(f"{field.where}: expected at most {DIGITS} decimal places, got {field.raw}")
    return int(exact * ONE)


def _usd(amount: int, slack: int = 0) -> Range:
    return Range(Fraction(amount - slack, ONE), Fraction(amount + slack, ONE))


def options(case: Case) -> Ours:
    """Initial and maintenance margin of options, each by itself."""
    rule = policy().set_rule
    if not isinstance(rule, StandardMargin):
        raise UnsupportedError("the rulebook has no standard margin of options")
    total, positions = Asked(), [*case.body["positions"]]
    for position in positions:
        total += alone(_leg(position), grid(position["underlying"]), GRID, rule.options)
    # Every rate rounds up once, in units of the grid.
    slack = 2 * len(positions)
    return {"im": _usd(total.initial_q, slack), "mm": _usd(total.maintenance_q, slack)}


def _leg(position: Field) -> OptionLeg:
    """An option by its name: underlying, C or P, strike."""
    market = position["market"]
    parts = market.text().split("-")
    if len(parts) != len(("underlying", "kind", "strike")) or parts[1] not in KINDS_OF_OPTION:
        raise InputError(f"{market.where}: expected a name such as ETH-C-1400, got {market.text()}")
    size, mark = grid(position["size"]), grid(position["mark"])
    strike = grid(Field(parts[2], market.where))
    return OptionLeg(size, strike, KINDS_OF_OPTION[parts[1]], -(-abs_(size) * mark // ONE))


def perpetuals(case: Case) -> Ours:
    """An account with perpetuals of one rate each."""
    rule = case.body["rule"]
    rate = Rate(Fraction(0), rule["imf"].positive(), rule["mmf"].positive())
    cash, legs = _collateral(case), []
    for position in case.body["positions"]:
        size, mark, entry = position["size"].nonzero(), position["mark"].positive(), position.get("entry")
        cash -= size * (entry.fraction() if entry else mark)
        legs.append(Leg(position["market"].text(), size, mark, (rate,)))
    asked = build(cash, legs, policy(), case.place)
    found = asked.amounts()
    only = legs[0].market if len(legs) == 1 else None
    return {
        "equity": found.equity,
        "im": found.initial,
        "mm": found.maintenance,
        "free_collateral": found.free,
        "liq_price": asked.liquidation_price(only) if only else None,
        "liquidatable": is_liquidatable(asked.venue, asked.subaccount),
    }


def _collateral(case: Case) -> Fraction:
    """Worth of collateral after the rulebook's haircuts."""
    total = Fraction(0)
    for item in case.body.items("collateral"):
        asset, amount = item["asset"].text(), item["amount"].fraction()
        if asset == QUOTE:
            total += amount
        else:
            total += amount * item["price"].positive() * (1 - _haircut(asset, item))
    return total


def _haircut(asset: str, item: Field) -> Fraction:
    rulebook = load("aevo")
    if asset not in rulebook.names("assets"):
        raise InputError(f"{item['asset'].where}: {asset} is no collateral here")
    table = rulebook.asset(asset).haircut
    return Fraction(table.tiers[0].maintenance_num, table.den)


def conversion(case: Case) -> Ours:
    """An option bought with other collateral: the premium is owed until as much of it is converted."""
    held, rule = case.body["collateral"].only(), case.body["rule"]
    note = rule.get("note")
    free = note is not None and IGNORED in note.text()
    house = Clearinghouse(_shop(case, held, free=free), keep_log=False)
    asset = held["asset"].text()
    before = subaccount_risk(house.venue, house.venue.subaccounts[BUYER]).equity_q
    premium = case.body["action"]["buy_options_premium"]
    for command in (cmd.Trade("option", ONE, grid(premium), BUYER, SELLER), cmd.SellCollateral(BUYER, asset)):
        verdict = house.submit(command)
        if isinstance(verdict, Rejected):
            raise RefusedError(verdict.reason.name)
    buyer = house.venue.subaccounts[BUYER]
    return {
        "equity_before": _usd(before),
        f"{asset.lower()}_after": _usd(buyer.balances.get(asset, 0)),
        "equity_after": _usd(subaccount_risk(house.venue, buyer).equity_q),
    }


def _shop(case: Case, held: Field, *, free: bool) -> Venue:
    """An account with collateral, and an option that costs the premium of the case."""
    name, price = held["asset"].text(), grid(held["price"])
    asset = load("aevo").asset(name) if name in load("aevo").names("assets") else None
    if asset is None or price <= 0:
        raise InputError(
            f"{held['asset'].where}: expected collateral of the rulebook with a price, got {name}"
        )
    asset = Asset(
        name,
        GRID,
        NOTHING if free else asset.haircut,
        price=price,
        conversion_discount_ppm=0 if free else asset.conversion_discount_ppm,
    )
    premium = grid(case.body["action"]["buy_options_premium"])
    spot = Market(name, GRID, NOTHING, POOL, mark=price, index=price)
    option = Market(
        "option", GRID, NOTHING, POOL, mark=premium, index=premium, option=Option(name, price, True, 1)
    )
    people = (
        Subaccount(BUYER, BUYER, balances={name: grid(held["amount"])}),
        *(Subaccount(who, who, system=True) for who in (SELLER, collateral_buyer(name))),
    )
    return Venue(
        replace(policy(), overdraft_q=0),
        {name: spot, "option": option},
        {name: asset},
        {POOL: CollateralPool(POOL)},
        {who.id: who for who in people},
        {"outside": {name: -grid(held["amount"])}},
    )


def score(case: Case) -> Ours:
    """Rank of an account for deleveraging; nothing without a profit."""
    action = case.body["action"]
    profit, maintenance = grid(action["upnl"]), grid(action["mm"])
    balance = sum(grid(item["amount"]) for item in case.body.items("collateral"))
    claim = Claim(BUYER, 1, 0, profit, balance + profit, maintenance)
    if not [*eligible(Deleveraging(score="profit_margin"), [claim])]:
        return {"adl_score": 0}
    found = score_profit_margin(claim, ONE)
    return {"adl_score": Range(Fraction(found, SCORE_UNIT), Fraction(found + 1, SCORE_UNIT))}


def moves(case: Case) -> Ours:
    """Prices of the outer scenarios of portfolio margin."""
    mark, shock = grid(case.body["positions"].only()["mark"]), grid(case.body["rule"]["spot_shock"])
    up, down = (mark + moved_q(mark, ONE + sign * shock, ONE, ONE) for sign in (1, -1))
    return {"spot_up": _usd(up, 1), "spot_down": _usd(down, 1)}


KINDS: dict[str, Rule] = {
    "adl_score": score,
    "collateral_convert": conversion,
    "scenario_spot": moves,
    "standard_perp": perpetuals,
    "standard_short_call": options,
    "standard_short_put": options,
}
