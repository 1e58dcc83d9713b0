"""GMX v2's published numbers asked of our rules and our engine: impact, capped profit, liquidation, deleveraging.

A position is put into the engine on the contract's own grids (USD with 30 decimal places), with its collateral as an
asset; equity, requirement and trigger are the engine's. What is paid back is counted in whole atoms of the token. The
tests share small pools, which a case leaves out; they are stated below, with their source.

Sources: gmx-io/gmx-synthetics@a5c0c883 test/**; the cases name their own.
"""

import re
from fractions import Fraction
from functools import cache
from math import ceil
from typing import NamedTuple

from ...clearing.model import QUOTE, Asset, CollateralPool, Market, Position, Scale, Subaccount, Venue
from ...clearing.policy import CloseCost, CostShare, Policy
from ...clearing.risk import is_liquidatable, subaccount_risk
from ...clearing.shapes import Leg, maintenance_q
from ...errors import InputError
from ...rules import collateral as token
from ...rules.impact import has_power, imbalance_cost_e30
from ...rules.pool import (
    capped_profit,
    deleveraging_due,
    deleveraging_stands,
    pnl,
    pnl_factor_e30,
    pnl_price,
    share_of_reserve,
)
from ...rules.words import CEIL, FLOOR, mul_div
from ...venues.rulebook import load
from ...venues.tables import read_haircut
from .named import NamedKinds
from .vectors import Case, Field, Ours, Range, RefusedError, UnsupportedError, printed_range

E30 = 10**30
INDEX_DECIMALS = 18
"""Of every index token in the tests."""
TOKEN_DECIMALS = {"USDC": 6, "USDT": 6, "WBTC": 8, "WETH": 18}
ACCOUNT, TOKEN, POOL = "account", "token", "pool"
NO_HAIRCUT = [{"lower": "0", "haircut": "0"}]

RESERVE_USD = Fraction(100_000)
"""What each side of a pool holds where profits are capped: testPositionUtils.ts:26-58."""
RESERVE_TOKENS = 1_000
"""What the pool that deleverages holds of the token that pays longs, WETH: AdlOrder.ts:19-26, testAdl.ts:27-47."""
DELEVERAGING_ORDER = 1
"""The contract's number for a secondary order that deleverages; 0 is none."""
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


class Stake(NamedTuple):
    """The position of a case in the contract's units: USD with 30 decimal places, tokens in atoms.

    Prices are of one atom. `token_low` values the collateral, `token_high` is what profit is paid at. `size_slack` is
    how far the size may be off: none where the case states it exactly.
    """

    market: str
    is_long: bool
    size: int
    size_slack: int
    cost: int
    mark: int
    asset: str
    collateral: int
    token_low: int
    token_high: int
    decimals: int

    @property
    def pnl(self) -> int:
        """PnL at the present price, before any cap."""
        return pnl(self.size, self.cost, self.mark, self.is_long)

    @property
    def signed_size(self) -> int:
        """Index tokens held, negative for a short."""
        return self.size if self.is_long else -self.size

    def around(self, amount: int) -> Range:
        """A USD amount that moves with the size, as far as the size is known."""
        slack = self.size_slack * self.mark
        return Range(Fraction(amount - slack, E30), Fraction(amount + slack, E30))

    def tokens(self, atoms: int) -> Ours:
        """Atoms of the collateral token as the cases write them."""
        return {self.asset: Fraction(atoms, 10**self.decimals)}


@cache
def rulebook_policy() -> Policy:
    """Everything about the venue that is not a market."""
    return load("gmx-v2").policy()


def e30(number: Fraction) -> int:
    """A USD amount or factor with 30 decimal places."""
    return int(number * E30)


def stated(rule: Field, name: str) -> Fraction:
    """A parameter whose number may be followed by words; zero where it is not stated."""
    found = rule.get(name)
    number = None if found is None else NUMBER.match(found.text())
    return Fraction(0) if number is None else Fraction(number[0])


def stake(case: Case) -> Stake:
    """The position, at the price that is worse for its owner where the case shows two."""
    held, kept = case.body["positions"].only(), case.body["collateral"].only()
    is_long, asset = held["side"].is_long(), kept["asset"].text()
    places = TOKEN_DECIMALS.get(asset, INDEX_DECIMALS)
    low, high = shown(kept, "price", 30 - places)
    mark = shown(held, "mark", 30 - INDEX_DECIMALS)
    amount = kept["amount"].fraction()
    if amount < 0:
        raise InputError(f"{kept.where}.amount: expected no number below 0")
    return Stake(
        held["market"].text(),
        is_long,
        *size_atoms(held, is_long=is_long),
        e30(held["size_usd"].positive()),
        pnl_price(*mark, is_long),
        asset,
        int(amount * 10**places),
        low,
        high,
        places,
    )


def shown(priced: Field, name: str, decimals: int) -> tuple[int, int]:
    """Lowest and highest price of an atom: the same one where the case states one."""
    low, high = (priced.get(f"{name}_{end}") or priced[name] for end in ("min", "max"))
    return int(low.positive() * 10**decimals), int(high.positive() * 10**decimals)


def size_atoms(held: Field, *, is_long: bool) -> tuple[int, int]:
    """Index tokens in atoms, and how many they may be off; bought at the entry price they round against the trader."""
    unit, tokens = 10**INDEX_DECIMALS, held.get("size_tokens")
    if tokens is not None:
        low, high = (number * unit for number in printed_range(tokens))
        return int(tokens.positive() * unit), ceil((high - low) / 2)
    bought = held["size_usd"].positive() / held["entry"].positive() * unit
    atoms = mul_div(bought.numerator, 1, bought.denominator, FLOOR if is_long else CEIL)
    return atoms, 0 if atoms == bought else 1


def venue_of(case: Case, held: Stake) -> Venue:
    """A venue with the position's market and collateral, and the position as a subaccount of its own."""
    rule = case.body["rule"]
    factor = (rule.get("min_collateral_factor_for_liquidation") or rule["min_collateral_factor"]).fraction()
    market = Market(
        held.market,
        Scale(1, 1),
        CostShare(factor.numerator, factor.numerator, factor.denominator),
        POOL,
        base_decimals=INDEX_DECIMALS,
        price_decimals=30 - INDEX_DECIMALS,
        minimum_margin_q=e30(stated(rule, "min_collateral_usd")),
        minimum_margin_as="floor",
        close_cost=CloseCost(e30(stated(rule, "position_fee")), E30, of="cost"),
        mark=held.mark,
        index=held.mark,
    )
    asset = Asset(TOKEN, Scale(1, 1), read_haircut(NO_HAIRCUT, TOKEN), price=held.token_low)
    cost_q = held.cost if held.is_long else -held.cost
    account = Subaccount(ACCOUNT, ACCOUNT, balances={QUOTE: -cost_q, TOKEN: held.collateral})
    account.positions[held.market] = Position(held.signed_size, cost_q, 0)
    return Venue(
        rulebook_policy(),
        {held.market: market},
        {TOKEN: asset},
        {POOL: CollateralPool(POOL)},
        {ACCOUNT: account},
    )


def liquidation(case: Case) -> Ours:
    """May the position be liquidated, and what does everybody get if it is?"""
    for name in ("borrowing", "funding"):
        if stated(case.body["rule"], name):
            raise UnsupportedError(f"the case does not say for how long {name} has been owed")
    held = stake(case)
    venue = venue_of(case, held)
    account, market = venue.subaccounts[ACCOUNT], venue.markets[held.market]
    equity = subaccount_risk(venue, account).equity_q
    leg = Leg(held.signed_size, held.size * held.mark, account.positions[held.market].cost_q)
    ours: Ours = {
        "liquidatable": is_liquidatable(venue, account),
        "pnl_usd": held.around(held.pnl),
        "remaining_collateral_usd_before_fees": held.around(equity),
        "min_collateral_usd_for_leverage": Fraction(
            maintenance_q(market, leg, venue.policy.rounding.requirement), E30
        ),
    }
    return {**ours, **settled(case, held)} if ours["liquidatable"] else ours


def settled(case: Case, held: Stake) -> Ours:
    """What closing pays back and what the pool pays or gains, in the collateral token."""
    fees = held.cost * (
        stated(case.body["rule"], "position_fee") + stated(case.body["rule"], "liquidation_fee_factor")
    )
    profit = token.tokens_down(max(held.pnl, 0), held.token_high)
    costs = (max(-held.pnl, 0), int(fees))
    left, taken, unpaid = token.payout(held.collateral, profit, costs, held.token_low)
    ours: Ours = {
        "payout": held.tokens(left),
        "pool_pays": held.tokens(profit),
        "pool_gain": held.tokens(taken[0]),
        "uncollectable_usd": Fraction(unpaid, E30),
    }
    return ours | noted(case, held, unpaid)


def noted(case: Case, held: Stake, unpaid: int) -> Ours:
    """A sentence among the expected values: it holds when every amount in it is one of ours."""
    sentence = case.body["expected"].get("note")
    if sentence is None:
        return {}
    ours = {abs(held.pnl), held.collateral * held.token_low, unpaid}
    found = {e30(Fraction(number)) for number in NUMBER.findall(sentence.text())}
    insured = "insurance" in rulebook_policy().waterfall
    holds = found <= ours and not ("no insurance fund" in sentence.text() and insured)
    return {"note": sentence.text() if holds else f"ours are {sorted(Fraction(n, E30) for n in ours)} USD"}


def capped(case: Case) -> Ours:
    """Profit where a side may be owed at most a share of its reserve, and what closing then pays."""
    held = stake(case)
    reserve = e30(reserve_usd(case, RESERVE_USD))
    factor = e30(case.body["rule"]["max_pnl_factor_for_traders"].fraction())
    profit = capped_profit(held.pnl, held.pnl, share_of_reserve(reserve, factor))
    paid = token.tokens_down(max(profit, 0), held.token_high)
    left, _, _ = token.payout(held.collateral, paid, (max(-profit, 0),), held.token_low)
    return {
        "uncapped_pnl_usd": Fraction(held.pnl, E30),
        "pnl_usd": Fraction(held.pnl, E30),
        "capped_pnl_usd": Fraction(profit, E30),
        "pool_amount_usd": Fraction(reserve, E30),
        "payout": held.tokens(left),
    }


def reserve_usd(case: Case, in_the_test: Fraction | None) -> Fraction:
    """Worth of the tokens that pay a side, where the case states it; otherwise that of the test."""
    found = case.body["rule"].get("pool_amount_usd")
    if found is not None:
        return found.fraction()
    if in_the_test is None:
        raise UnsupportedError("the case does not say what the pool holds to pay this side")
    return in_the_test


def long_reserve_usd(held: Stake) -> Fraction | None:
    """Worth of what the pools that deleverage hold for longs, at the present price of the token: `None` if unknown."""
    if not held.is_long:
        return None
    if held.market.partition("-")[0] == "ETH":
        return Fraction(RESERVE_TOKENS * held.mark, 10 ** (30 - INDEX_DECIMALS))
    return (
        Fraction(RESERVE_TOKENS * held.token_low, 10 ** (30 - held.decimals))
        if held.asset == "WETH"
        else None
    )


def deleveraging(case: Case) -> Ours:
    """Is the side owed so much that winners may be closed, and does the keeper's order stand?"""
    held, rule = stake(case), case.body["rule"]
    reserve = e30(reserve_usd(case, long_reserve_usd(held)))
    trigger = e30(rule["max_pnl_factor_for_adl"].fraction())
    floor = e30(rule["min_pnl_factor_after_adl"].fraction())
    due = deleveraging_due(held.pnl, reserve, trigger)
    ours: Ours = {
        "adl_enabled": due,
        "pnl_to_pool_factor": Fraction(pnl_factor_e30(held.pnl, reserve), E30),
    }
    size = asked_size(case)
    if size is None:
        return ours
    paid = int(max(held.pnl, 0) * size / Fraction(held.cost, E30))
    fits = size * E30 <= held.cost
    stands = due and fits and deleveraging_stands(held.pnl, reserve, held.pnl - paid, reserve - paid, floor)
    return {
        **ours,
        "adl_size_delta_usd": size if stands else Fraction(0),
        "order_executed_secondary_type": DELEVERAGING_ORDER if stands else 0,
    }


def asked_size(case: Case) -> Fraction | None:
    """Size in USD that the keeper asks to close, if any; a case without an action names it among what came of it."""
    action = case.body.get("action")
    asked = None if action is None else action.get("size_delta_usd")
    asked = asked or case.body["expected"].get("adl_size_delta_usd")
    return None if asked is None else asked.fraction()


def impact(case: Case) -> Ours:
    """A power of an imbalance, times the impact factor."""
    asked = case.body["positions"].only()
    imbalance, exponent, factor = (
        e30(asked[name].fraction()) for name in ("diff_usd", "exponent", "impact_factor")
    )
    if min(imbalance, exponent, factor) < 0:
        raise RefusedError("no power of a negative number")
    if not has_power(imbalance, exponent):
        raise RefusedError("the power is too large")
    return {"result_1e30": imbalance_cost_e30(imbalance, factor, exponent)}


def position(case: Case) -> Ours:
    """A position where profit is capped, if the case states such a cap; otherwise whether it is liquidated."""
    cap = case.body["rule"].get("max_pnl_factor_for_traders")
    return liquidation(case) if cap is None else capped(case)


KINDS = NamedKinds(
    {
        impact: ("result_1e30",),
        deleveraging: ("adl_*", "order_executed_secondary_type", "pnl_to_pool_factor"),
        position: (
            "liquidatable",
            "pnl_usd",
            "remaining_collateral_usd_before_fees",
            "min_collateral_usd_for_leverage",
            "payout",
            "pool_pays",
            "pool_gain",
            "uncollectable_usd",
            "note",
        ),
        capped: ("uncapped_pnl_usd", "capped_pnl_usd", "pool_amount_usd", "pnl_usd", "payout"),
    }
)
