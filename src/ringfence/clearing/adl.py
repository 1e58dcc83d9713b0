"""Auto-deleveraging: which winners give way to a loss, and how much each gives. Pure; changes nothing.

All policies answer one question behind one interface: given what a loser leaves behind (`lots_b` to be closed, `need_q`
to be raised) and the claims of the winners, who closes how many lots or gives up how much profit.

* `ranked` - a queue by profit x leverage; lots (BitMEX and Binance; Hyperliquid's index is one of its scores).
* `cyclic` - every opposite position in turn from a drawn start; lots (dYdX v4).
* `pro_rata` - winners keep their lots and give up profit in proportion to it; quote.

Sources: Hyperliquid docs (auto-deleveraging), dYdX v4 `x/clob/keeper/deleveraging.go`, arXiv 2512.01112.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction

from msgspec import Struct

from ..rules.words import abs_, max_, min_, mul_div_down
from .model import Deleveraging, Venue
from .risk import leg_risk, risk_price, subaccount_risk


class Claim(Struct, frozen=True):
    """One winner's stake in a market: lots on the other side, profit, worth and the equity behind them."""

    subaccount: str
    lots_b: int
    cost_q: int
    worth_q: int
    equity_q: int

    @property
    def profit_q(self) -> int:
        """Unrealized PnL of the position."""
        return self.worth_q - self.cost_q

    @property
    def cap_q(self) -> int:
        """Most that can be taken from it without touching principal: profit, as far as equity backs it."""
        return max_(0, min_(self.profit_q, self.equity_q))


class Allocation(Struct, frozen=True):
    """What one winner gives: lots to close against the loser, or quote out of its profit."""

    subaccount: str
    lots_b: int
    amount_q: int


def claims_against(venue: Venue, loser: str, market_id: str) -> list[Claim]:
    """Opposite positions of all traders in a market, in the order of their ids."""
    market = venue.markets[market_id]
    price, rounds = risk_price(venue, market), venue.policy.rounding
    losing_b = venue.subaccounts[loser].positions[market_id].size_b
    claims = []
    for name in sorted(venue.subaccounts):
        subaccount = venue.subaccounts[name]
        held = subaccount.positions.get(market_id)
        if held is None or subaccount.system or (held.size_b > 0) == (losing_b > 0):
            continue
        worth_q = leg_risk(market, held.size_b, price, rounds).equity_q
        equity_q = subaccount_risk(venue, subaccount).equity_q
        claims.append(Claim(name, abs_(held.size_b), held.cost_q, worth_q, equity_q))
    return claims


def score_profit_leverage(claim: Claim) -> Fraction:
    """Return on cost times notional over equity. Source: BitMEX (`PnL % x effective leverage`)."""
    return Fraction(claim.profit_q * abs_(claim.worth_q), max_(1, abs_(claim.cost_q)) * max_(1, claim.equity_q))


def score_index(claim: Claim) -> Fraction:
    """Hyperliquid's index `(mark / entry) x (notional / account value)`, inverted for shorts so that profit ranks.

    Taken literally the documented formula ranks the least profitable shorts first; that reading is `score_literal`.
    """
    price_ratio = Fraction(abs_(claim.worth_q), max_(1, abs_(claim.cost_q)))
    if claim.worth_q < 0:
        price_ratio = Fraction(abs_(claim.cost_q), max_(1, abs_(claim.worth_q)))
    return price_ratio * Fraction(abs_(claim.worth_q), max_(1, claim.equity_q))


def score_literal(claim: Claim) -> Fraction:
    """Hyperliquid's index exactly as printed."""
    return Fraction(abs_(claim.worth_q), max_(1, abs_(claim.cost_q))) * Fraction(
        abs_(claim.worth_q), max_(1, claim.equity_q)
    )


SCORES: dict[str, Callable[[Claim], Fraction]] = {
    "profit_leverage": score_profit_leverage,
    "index": score_index,
    "index_literal": score_literal,
}


def eligible(policy: Deleveraging, claims: Sequence[Claim]) -> list[Claim]:
    """Claims that the policy may touch: cyclic takes any opposite position, the others only those in profit."""
    if policy.policy == "cyclic":
        return list(claims)
    return [claim for claim in claims if claim.profit_q > 0 and claim.equity_q > 0]


def queue(policy: Deleveraging, claims: Sequence[Claim], draw: int = 0) -> list[Claim]:
    """The claims that may be touched, in the order in which they are; independent of the order of `claims`."""
    ordered = sorted(eligible(policy, claims), key=lambda claim: claim.subaccount)
    if policy.policy == "ranked":
        ordered.sort(key=SCORES[policy.score], reverse=True)
    elif policy.policy == "cyclic" and ordered:
        start = draw % len(ordered)
        ordered = ordered[start:] + ordered[:start]
        ordered = ordered[: policy.scan_max] if policy.scan_max else ordered
    return ordered


def plan(policy: Deleveraging, lots_b: int, need_q: int, claims: Sequence[Claim], draw: int = 0) -> list[Allocation]:
    """Who gives what, in the order in which it is taken, if nobody is passed over.

    Lots never exceed `lots_b` nor a winner's own; amounts never exceed `need_q` nor a winner's cap.
    """
    ordered = queue(policy, claims, draw)
    if policy.policy == "pro_rata":
        return _pro_rata(need_q, ordered)
    taken = []
    for claim in ordered:
        closed_b = min_(lots_b, claim.lots_b)
        if closed_b:
            taken.append(Allocation(claim.subaccount, closed_b, 0))
        lots_b -= closed_b
    return taken


def _pro_rata(need_q: int, claims: Sequence[Claim]) -> list[Allocation]:
    caps = [claim.cap_q for claim in claims]
    shares = split(min_(need_q, sum(caps)), caps)
    return [Allocation(claim.subaccount, 0, x) for claim, x in zip(claims, shares, strict=True) if x]


def split(amount: int, weights: Sequence[int]) -> list[int]:
    """Split `amount` in proportion to `weights` by largest remainder (ties to the first); the sum is exact."""
    total = sum(weights)
    if total == 0:
        return [0] * len(weights)
    shares = [mul_div_down(amount, weight, total) for weight in weights]
    rest = amount - sum(shares)
    remainders = [amount * weight - share * total for weight, share in zip(weights, shares, strict=True)]
    for at in sorted(range(len(weights)), key=lambda i: (-remainders[i], i))[:rest]:
        shares[at] += 1
    return shares


def has_counterparty(venue: Venue, loser: str, market_id: str) -> bool:
    """Could deleveraging close anything against this position?"""
    return bool(eligible(venue.policy.deleveraging, claims_against(venue, loser, market_id)))
