"""Perpetual Protocol v1's integration-test numbers asked of our rules: margin ratio and liquidation on a virtual pool.

A case states the pool's reserves at the start, the position with the notional that opened it, and the trades that
followed; the pool is taken through all of them and the liquidation is the next trade. Everything is counted in wei and
comes out to the wei; the insurance fund's token has 6 decimals and is cut.

Source: `perpetual-protocol@bf5adf65 tests/integration/clearingHouse/ClearingHouseTest.ts:816-1169`.
"""

import re
from fractions import Fraction
from typing import NamedTuple

from ...errors import InputError
from ...rules import ratio as rule
from ...rules.amm import virtual_trade
from ...rules.close import fee_share_q
from ...rules.words import PPM, TRUNC, WAD, mul_div, mul_div_down, power_of_ten
from ...units import QUOTE_DECIMALS
from ...venues.rulebook import load
from .named import NamedKinds, where_stated
from .vectors import Case, Field, Ours, RefusedError
from .wad import find, positive_wad, wad

NUMBER = r"\d{1,30}(?:\.\d{0,18})?(?![\d.])"
RESERVES = re.compile(rf"({NUMBER})\s*quote\s*:\s*({NUMBER})\s*base")
TRADE = re.compile(rf"\b(buy|sell)\s+({NUMBER})")
LEADING = re.compile(rf"\s*({NUMBER})")
TEST_FUND_WAD = 5_000 * WAD
"""What the tests put into the insurance fund where a case states nothing else: ClearingHouseTest.ts, `beforeEach`."""
TOKEN_WAD = WAD // power_of_ten(QUOTE_DECIMALS)
NOT_MET = "Margin ratio not meet criteria"
EMPTIED = "asset after is 0"


class Pool(NamedTuple):
    """Reserves of a virtual pool."""

    quote: int
    base: int

    def bought(self, quote: int) -> int:
        """Base that adding `quote` takes out (`quote` below zero: base that taking quote out adds, negative)."""
        moved = _traded(abs(quote), self.quote, self.base, adds=quote > 0)
        return moved if quote > 0 else -moved

    def notional(self, size: int) -> int:
        """Quote for closing a position of `size`: received for a long, paid for a short."""
        return _traded(abs(size), self.base, self.quote, adds=size > 0)

    def after(self, quote: int, base: int) -> "Pool":
        """The pool after a trader paid `quote` and took `base` (below zero: the other way round)."""
        return Pool(self.quote + quote, self.base - base)


def _traded(amount: int, reserve: int, other: int, *, adds: bool) -> int:
    if not adds and amount >= reserve:
        raise RefusedError(EMPTIED)
    return virtual_trade(amount, reserve, other, adds, WAD)


class Position(NamedTuple):
    """A signed size with what it was opened for (positive) and its margin after funding."""

    size: int
    open_notional: int
    margin: int

    def pnl(self, notional: int) -> int:
        """Profit when the position closes for `notional`."""
        return notional - self.open_notional if self.size > 0 else self.open_notional - notional

    def ratio_wad(self, notional: int) -> int:
        """Margin ratio when the position closes for `notional`."""
        return rule.margin_ratio_wad(self.margin + self.pnl(notional), notional)


class Terms(NamedTuple):
    """Parameters of the clearing house; those that a case does not state are the rulebook's."""

    maintenance_wad: int
    portion_ppm: int
    fee_wad: int
    liquidator_ppm: int


def terms_of(case: Case) -> Terms:
    """The clearing house of a case. Ratios may carry a remark behind the number."""
    stated, book = case.body["rule"], load("perp-v1")
    policy = book.policy().liquidation
    maintenance = Fraction(str(book.ask("margin.all.maintenance")))
    return Terms(
        _ratio(stated, "maintenance_margin_ratio", maintenance, WAD),
        _ratio(stated, "partial_liquidation_ratio", Fraction(policy.portion_ppm, PPM), PPM),
        _ratio(stated, "liquidation_fee_ratio", Fraction(policy.fee_ppm, PPM), WAD),
        _ratio(stated, "liquidator_share", Fraction(PPM - policy.fee_to_fund_ppm, PPM), PPM),
    )


def _ratio(stated: Field, name: str, otherwise: Fraction, scale: int) -> int:
    found = stated.get(name)
    exact = otherwise if found is None else Fraction(_leading(found))
    return int(exact * scale)


def _leading(field: Field) -> str:
    found = LEADING.match(field.text())
    if found is None:
        raise InputError(f"{field.where}: expected a number first, got {field.text()!r}")
    return found[1]


def state_of(case: Case) -> tuple[Pool, Position]:
    """Pool and position after the trades of a case."""
    stated, held = case.body["rule"]["amm"], case.body["positions"].only()
    found = RESERVES.search(stated.text())
    if found is None:
        raise InputError(f"{stated.where}: expected reserves such as '1000 quote : 100 base'")
    pool = Pool(*(int(Fraction(text) * WAD) for text in found.groups()))
    if not pool.quote or not pool.base:
        raise InputError(f"{stated.where}: expected reserves above 0, got {stated.text()!r}")
    notional, sign = positive_wad(held["open_notional"]), _sign(held["side"])
    size = pool.bought(sign * notional)
    pool = pool.after(sign * notional, size)
    trades = held.get("counter_trade")
    for side, amount in TRADE.findall(trades.text()) if trades else ():
        quote = int(Fraction(amount) * WAD) * (1 if side == "buy" else -1)
        pool = pool.after(quote, pool.bought(quote))
    funding = held.get("funding_payment")
    margin = sum(wad(held["amount"]) for held in case.body["collateral"]) - (wad(funding) if funding else 0)
    return pool, Position(size, notional, margin)


def _sign(side: Field) -> int:
    if side.text() not in ("long", "short"):
        raise InputError(f"{side.where}: expected long or short, got {side.text()!r}")
    return 1 if side.text() == "long" else -1


def judged_wad(case: Case, pool: Pool, held: Position) -> int:
    """The margin ratio that decides: the better of spot and mean price, and the oracle's where the market left it."""
    stated = case.body["positions"].only()
    spot = pool.notional(held.size)
    mean = find([stated], "twap_notional")
    notional = spot if mean is None or held.pnl(spot) > held.pnl(wad(mean)) else positive_wad(mean)
    ratio_wad, oracle = held.ratio_wad(notional), find([stated, case.body["rule"]], "oracle_price")
    if oracle is None:
        return ratio_wad
    price, limit = mul_div_down(pool.quote, WAD, pool.base), load("perp-v1").ask("facts.oracle_spread")
    by_oracle = held.ratio_wad(mul_div_down(abs(held.size), positive_wad(oracle), WAD))
    gap_wad = rule.price_gap_wad(price, positive_wad(oracle))
    return rule.judged_ratio_wad(ratio_wad, by_oracle, gap_wad, int(Fraction(str(limit)) * WAD))


@where_stated
def margin(case: Case) -> Ours:
    """What a position is worth and whether it may be liquidated."""
    pool, held = state_of(case)
    notional, ratio_wad = pool.notional(held.size), judged_wad(case, pool, held)
    return {
        "margin_ratio": Fraction(ratio_wad, WAD),
        "margin_ratio_wei": ratio_wad,
        "position_notional_wei": notional,
        "unrealized_pnl_wei": held.pnl(notional),
        "size_wei": held.size,
        "liquidatable": ratio_wad < terms_of(case).maintenance_wad,
    }


@where_stated
def liquidation(case: Case) -> Ours:
    """What one liquidation closes, charges and leaves. A position that meets its requirement is refused."""
    pool, held = state_of(case)
    terms = terms_of(case)
    if judged_wad(case, pool, held) >= terms.maintenance_wad:
        raise RefusedError(NOT_MET)
    spot = held.ratio_wad(pool.notional(held.size))
    share_ppm = rule.closed_share_ppm(spot, terms.fee_wad, terms.portion_ppm)
    stated = case.body["rule"].get("insurance_fund")
    fund = wad(stated) if stated else TEST_FUND_WAD
    closing = _whole if share_ppm == PPM else _portion
    return {**margin(case), **closing(pool, held, terms, fund)}


def _portion(pool: Pool, held: Position, terms: Terms, fund: int) -> Ours:
    """Part of a position, traded as the quote that this part would close for; fees come out of the margin."""
    sign = 1 if held.size > 0 else -1
    notional = pool.notional(sign * mul_div_down(abs(held.size), terms.portion_ppm, PPM))
    closed = pool.bought(-sign * notional)
    whole, pnl = pool.notional(held.size), held.pnl(pool.notional(held.size))
    realized = mul_div(mul_div(pnl, abs(closed), WAD, TRUNC), WAD, abs(held.size), TRUNC)
    penalty = mul_div_down(notional, terms.fee_wad, WAD)
    to_liquidator = fee_share_q(penalty, terms.liquidator_ppm)
    left = Position(
        held.size + closed,
        whole - notional - sign * (pnl - realized),
        held.margin + realized - penalty,
    )
    after = pool.after(-sign * notional, closed)
    return {
        **_closed(notional, closed, to_liquidator, penalty, fund + _cut(penalty - to_liquidator)),
        "margin_after_wei": left.margin,
        "realized_pnl_wei": realized,
        "unrealized_after_wei": pnl - realized,
        "margin_ratio_after_wei": left.ratio_wad(after.notional(left.size)),
        "position_size_after": Fraction(left.size, WAD),
        "position_bad_debt_wei": 0,
        "liquidation_bad_debt_wei": 0,
        "requires_backstop_lp": False,
    }


def _whole(pool: Pool, held: Position, terms: Terms, fund: int) -> Ours:
    """All of a position: its margin is gone, and what it cannot pay is bad debt of the insurance fund."""
    notional = pool.notional(held.size)
    left = held.margin + held.pnl(notional)
    remains, bad_debt = max(left, 0), max(-left, 0)
    to_liquidator = fee_share_q(mul_div_down(notional, terms.fee_wad, WAD), terms.liquidator_ppm)
    missing = max(to_liquidator - remains, 0)
    received = _cut(max(remains - to_liquidator, 0)) - _cut(bad_debt + missing)
    return {
        **_closed(notional, held.size, to_liquidator, held.margin, fund + received),
        "margin_after_wei": 0,
        "realized_pnl_wei": held.pnl(notional),
        "unrealized_after_wei": 0,
        "position_size_after": Fraction(0),
        "position_bad_debt_wei": bad_debt,
        "liquidation_bad_debt_wei": missing,
        "requires_backstop_lp": bad_debt + missing > 0,
    }


def _closed(notional: int, size: int, to_liquidator: int, penalty: int, fund: int) -> Ours:
    return {
        "liquidated_notional_wei": notional,
        "liquidated_size": Fraction(abs(size), WAD),
        "liquidator_fee_wei": to_liquidator,
        "liquidation_fee_wei": to_liquidator,
        "penalty_wei": penalty,
        "insurance_fund_after": Fraction(fund, WAD),
    }


def _cut(amount_wad: int) -> int:
    """What of an amount the token can move."""
    return amount_wad - amount_wad % TOKEN_WAD


MARGIN = (
    "margin_ratio",
    "margin_ratio_wei",
    "position_notional_wei",
    "unrealized_pnl_wei",
    "size_wei",
    "liquidatable",
)
LIQUIDATION = (
    *(
        "liquidated_notional_wei",
        "liquidated_size",
        "liquidator_fee_wei",
        "liquidation_fee_wei",
        "penalty_wei",
    ),
    *("insurance_fund_after", "margin_after_wei", "realized_pnl_wei", "unrealized_after_wei"),
    *("margin_ratio_after_wei", "position_size_after", "position_bad_debt_wei", "liquidation_bad_debt_wei"),
    *("requires_backstop_lp", "error", "no_error"),
)
KINDS = NamedKinds({margin: MARGIN, liquidation: MARGIN + LIQUIDATION})
