"""Random books on the real rulebooks: many subaccounts of one venue, most of them within atoms of the trigger."""

from random import Random

from ringfence.clearing.model import (
    QUOTE,
    CollateralPool,
    Leverage,
    Market,
    Position,
    Scale,
    Subaccount,
    Venue,
)
from ringfence.clearing.policy import (
    CloseCost,
    CostShare,
    OpenInterestScaled,
    Policy,
    RootScaled,
    Rounding,
    Sided,
    SkewScaled,
    Step,
    Stepped,
    Tier,
    Tiered,
)
from ringfence.clearing.risk import subaccount_risk
from venues.states import RULEBOOKS, States

DIGITS = 8
"""Decimal places that sizes and prices keep on venues that count 18, so that 64 bits hold them."""


class Book(States):
    """A venue of one rulebook with many subaccounts."""

    def lots(self, market, price):
        """A size on a grid of at most `DIGITS` decimal places."""
        found, unit = super().lots(market, price), 10 ** max(market.base_decimals - DIGITS, 0)
        return max(found // unit, 1) * unit

    def add_market(self, market):
        """A price on such a grid, if the venue counts more digits than 64 bits hold."""
        super().add_market(market)
        unit = 10 ** (market.price_decimals - DIGITS) if market.price_decimals > 12 else 1
        market.mark = max(market.mark // unit, 1) * unit
        market.index = max(market.index // unit, 1) * unit

    def holders(self, count):
        """The venue with `count` subaccounts, each funded near its trigger."""
        self.list_markets()
        self.price_assets()
        markets = list(self.venue.markets.values())
        for number in range(count):
            chosen = [market for market in markets if self.chance(0.8)] or markets[:1]
            if self.venue.policy.exclusive_pools:
                chosen = [market for market in chosen if market.pool == chosen[0].pool]
            found = self.subaccount(f"s{number:04}", chosen)
            self.limit_profits([found])
            self.fund(found)
            found.flagged = self.chance(0.02)
            self.venue.subaccounts[found.id] = found
        return self.venue


def book(rulebook, seed, count):
    return Book(rulebook, seed).holders(count)


BOOKS = [rulebook for rulebook in RULEBOOKS if rulebook.name != "aevo"]

TABLES = {
    "tiered": Tiered(
        (Tier(0, 200, 100, 0), Tier(10**10, 400, 200, 10**12), Tier(10**12, 1000, 500, 301 * 10**12)), 10_000
    ),
    "open interest": OpenInterestScaled(50_000, 600_000, 10**12, 10**13),
    "stepped by notional": Stepped(
        (Step(0, 200, 100), Step(10**10, 300, 200), Step(10**12, 900, 800)), 10_000
    ),
    "stepped by size": Stepped((Step(0, 200, 100), Step(10**9, 300, 200)), 10_000, "size"),
    "skew": SkewScaled(10**15, 10**16, 10**17, 5 * 10**15, 6 * 10**16, 10**18, maintenance_cap_num=10**17),
    "sided": Sided(200, 100, 300, 150, 10_000),
    "root": RootScaled(1000, 500, 20, 10_000, 10**8),
    "cost": CostShare(200, 100, 10_000, 1, 10**13),
}
COSTS = {
    "free": (0, "added", None),
    "keeper": (2_000_000, "added", CloseCost(7, 2000, 10**6, 10**9)),
    "floor": (10**8, "floor", CloseCost(3, 5000, of="cost", in_initial=False)),
    "floor with fees": (10**8, "floor_with_fees", CloseCost(1, 1000, 10**7)),
}


def shaped(shape, costs, seed, count, *, equality=False, off=10):
    """A made-up venue of four markets with one shape, whose subaccounts lie within `off` atoms of the trigger."""
    random = Random(seed)
    minimum_q, minimum_as, cost = COSTS[costs]
    policy = Policy(
        rounding=Rounding(*(random.randint(0, 2) for _ in range(4))), trigger_at_equality=equality
    )
    venue = Venue(policy=policy, pools={"main": CollateralPool("main")})
    for number in range(4):
        mark = int(10 ** random.uniform(3, 9))
        venue.markets[f"M{number}"] = Market(
            f"M{number}",
            Scale(1, 10**6),
            TABLES[shape],
            "main",
            minimum_margin_q=minimum_q,
            minimum_margin_as=minimum_as,
            close_cost=cost,
            mark=mark,
            index=mark,
            open_interest_b=random.randint(0, 10**12),
            funding_index=random.choice((0, 10**14)),
        )
    for number in range(count):
        found = Subaccount(f"s{number:04}", "desk")
        for name, market in venue.markets.items():
            if random.random() < 0.7:
                worth_q = int(10 ** random.uniform(7, 13))
                size_b = max(1, worth_q * 10**6 // market.mark) * random.choice((1, -1))
                cost_q = size_b * market.mark // 10**6 * random.randint(50, 150) // 100
                found.positions[name] = Position(size_b, cost_q, random.choice((0, market.funding_index)))
                if random.random() < 0.2:
                    found.leverages[name] = Leverage(random.randint(1, 50), random.randint(1, 3))
        found.balances[QUOTE] = 0
        risk = subaccount_risk(venue, found)
        found.balances[QUOTE] = random.randint(-off, off) - risk.surplus_q
        venue.subaccounts[found.id] = found
    return venue
