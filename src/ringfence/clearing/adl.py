"""Auto-deleveraging: which winners give way to a loss, and how much each gives. Pure; changes nothing.

All policies answer one question behind one interface: given what a loser leaves behind (`lots_b` to be closed, `need_q`
to be raised) and the claims of the winners, who closes how many lots or gives up how much profit.

* `ranked` - a queue by profit x leverage; lots (BitMEX and Binance; Hyperliquid's index is one of its scores).
* `cyclic` - every opposite position in turn from a drawn start; lots (dYdX v4).
* `pro_rata` - winners keep their lots and give up profit in proportion to it; quote.

Sources: Hyperliquid docs (auto-deleveraging), dYdX v4 `x/clob/keeper/deleveraging.go`, arXiv 2512.01112.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from ..rules.value import value_q
from ..rules.words import abs_, max_, min_, mul_div_down
from .model import Venue
from .policy import Deleveraging
from .risk import bankruptcy_q, equity_q, risk_price, subaccount_risk, worth_q

TransferPrice = Literal["bankruptcy", "mark", "previous_mark"]

QUOTE_UNIT = 1_000_000
"""One USD in quote atoms."""
SCORE_UNIT = 1 << 64
"""Scores are compared in whole parts of this unit."""


class Claim(Struct, frozen=True):
    """One winner's stake in a market: lots on the other side, profit, worth and the equity behind them."""

    subaccount: str
    lots_b: int
    cost_q: int
    worth_q: int
    equity_q: int
    maintenance_q: int = 0
    """Maintenance margin of the whole subaccount, where the policy's score looks at it."""

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
    return sorted(_claims(venue, loser, market_id), key=lambda claim: claim.subaccount)


def _claims(venue: Venue, loser: str, market_id: str) -> Iterator[Claim]:
    losing_b = venue.subaccounts[loser].positions[market_id].size_b
    return claims_of(venue, market_id, is_long=losing_b < 0)


def claims_of(venue: Venue, market_id: str, *, is_long: bool) -> Iterator[Claim]:
    """What all traders hold on one side of a market."""
    market = venue.markets[market_id]
    price, rounds = risk_price(venue, market), venue.policy.rounding
    for name in venue.subaccounts:
        subaccount = venue.subaccounts[name]
        held = subaccount.positions.get(market_id)
        if held is None or subaccount.system or subaccount.flagged or (held.size_b > 0) != is_long:
            continue
        worth = worth_q(market, held.size_b, price, rounds)
        equity, maintenance = equity_q(venue, subaccount), 0
        if venue.policy.deleveraging.score == "profit_margin":
            maintenance = subaccount_risk(venue, subaccount).maintenance_q
        yield Claim(name, abs_(held.size_b), held.cost_q, worth, equity, maintenance)


def score_profit_leverage(claim: Claim) -> int:
    """Return on cost times notional over equity. Source: BitMEX (`PnL % x effective leverage`)."""
    return _score(claim.profit_q * abs_(claim.worth_q), abs_(claim.cost_q), claim.equity_q)


def score_index(claim: Claim) -> int:
    """Hyperliquid's index `(mark / entry) x (notional / account value)`, inverted for shorts so that profit ranks.

    Taken literally the documented formula ranks the least profitable shorts first; that reading is `score_literal`.
    """
    if claim.worth_q < 0:
        return _score(abs_(claim.cost_q), 1, claim.equity_q)
    return score_literal(claim)


def score_literal(claim: Claim) -> int:
    """Hyperliquid's index exactly as printed."""
    return _score(claim.worth_q * claim.worth_q, abs_(claim.cost_q), claim.equity_q)


def score_profit_margin(claim: Claim, least_q: int = QUOTE_UNIT) -> int:
    """Return on what the subaccount holds without the profit, at least `least_q`, times its margin ratio.

    `profit / max(1 USD, balance) x maintenance margin / (balance + profit)`. Source: Aevo, docs.aevo.xyz (ADL).
    """
    balance_q = max_(claim.equity_q - claim.profit_q, least_q)
    return _score(claim.profit_q * claim.maintenance_q, balance_q, claim.equity_q)


def _score(numerator: int, cost_q: int, equity_q: int) -> int:
    """`numerator / (cost * equity)` in units of 2^-64, rounded down; what ties there is ordered by id."""
    return mul_div_down(numerator, SCORE_UNIT, max_(1, cost_q) * max_(1, equity_q))


SCORES: dict[str, Callable[[Claim], int]] = {
    "profit_leverage": score_profit_leverage,
    "index": score_index,
    "index_literal": score_literal,
    "profit_margin": score_profit_margin,
}


def eligible(policy: Deleveraging, claims: Iterable[Claim]) -> Iterator[Claim]:
    """Claims that the policy may touch: cyclic takes any opposite position, the others only those in profit."""
    return (
        claim for claim in claims if policy.policy == "cyclic" or (claim.profit_q > 0 and claim.equity_q > 0)
    )


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


def plan(
    policy: Deleveraging, lots_b: int, need_q: int, claims: Sequence[Claim], draw: int = 0
) -> list[Allocation]:
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


def deleveraging_of(venue: Venue, market_id: str) -> Deleveraging:
    """How counterparties are chosen in a market: by the policy, and every one in turn in final settlement."""
    policy = venue.policy.deleveraging
    return replace(policy, policy="cyclic") if venue.markets[market_id].settling else policy


def transfer_price(venue: Venue, loser: str, market_id: str) -> TransferPrice:
    """Price at which a position is closed: the policy's, and in final settlement the mark as long as equity is left.

    Source: dYdX v4 `x/clob/keeper/deleveraging.go:430-452`.
    """
    if not venue.markets[market_id].settling:
        return venue.policy.deleveraging.price
    return "mark" if equity_q(venue, venue.subaccounts[loser]) >= 0 else "bankruptcy"


def transfer_quote_q(venue: Venue, loser: str, market_id: str, lots_b: int, price_rule: TransferPrice) -> int:
    """Quote that the loser receives for signed lots at the transfer price."""
    market = venue.markets[market_id]
    if price_rule == "bankruptcy":
        return bankruptcy_q(venue, venue.subaccounts[loser], market_id, lots_b)
    price = market.mark if price_rule == "mark" else market.previous_mark
    return value_q(lots_b, price, market.scale.num, market.scale.den, venue.policy.rounding.value)


def overlaps(venue: Venue, claim: Claim, market_id: str, lots_b: int, paid_q: int) -> bool:
    """May the winner close against signed lots of the loser, paying `paid_q`, within its own bankruptcy price?"""
    return -paid_q >= bankruptcy_q(venue, venue.subaccounts[claim.subaccount], market_id, -lots_b)


def has_counterparty(venue: Venue, loser: str, market_id: str) -> bool:
    """Could deleveraging close anything against this position?"""
    policy, held_b = deleveraging_of(venue, market_id), venue.subaccounts[loser].positions[market_id].size_b
    price = transfer_price(venue, loser, market_id)
    for claim in eligible(policy, _claims(venue, loser, market_id)):
        closed_b = min_(claim.lots_b, abs_(held_b))
        lots_b = closed_b if held_b > 0 else -closed_b
        paid_q = transfer_quote_q(venue, loser, market_id, lots_b, price)
        if policy.policy == "pro_rata" or overlaps(venue, claim, market_id, lots_b, paid_q):
            return True
    return False
