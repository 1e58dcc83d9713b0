"""Books on made-up markets of every shape, and bands beside an exact look at everybody."""

import numpy as np

from ringfence.clearing.model import CollateralPool, Market, Position, Scale, Subaccount, Venue
from ringfence.clearing.policy import (
    CloseCost,
    CostShare,
    OpenInterestScaled,
    Policy,
    RootScaled,
    Sided,
    SkewScaled,
    Step,
    Stepped,
    Tier,
    Tiered,
)
from ringfence.clearing.risk import subaccount_risk
from ringfence.kernel.bands import Bands
from ringfence.kernel.bands_record import ANCHORED
from ringfence.kernel.bands_touch import decided
from ringfence.kernel.columns import from_venue
from ringfence.kernel.plan import plan

USD = 10**6
TIERS = Tiered((Tier(0, 40, 20, 0), Tier(10_000 * USD, 100, 50, 300_000 * USD)), 1_000)
SHAPES = {
    "tiered": Market("M", Scale(1, 100), TIERS, "main"),
    "tiered with a floor": Market(
        "M", Scale(1, 100), TIERS, "main", minimum_margin_q=300 * USD, minimum_margin_as="floor"
    ),
    "tiered with an amount added": Market("M", Scale(3, 700), TIERS, "main", minimum_margin_q=20 * USD),
    "tiered with fees over a floor": Market(
        "M",
        Scale(1, 100),
        TIERS,
        "main",
        minimum_margin_q=100 * USD,
        minimum_margin_as="floor_with_fees",
        close_cost=CloseCost(3, 1_000, 5 * USD),
    ),
    "tiered with a bounded close cost": Market(
        "M", Scale(1, 100), TIERS, "main", close_cost=CloseCost(3, 1_000, 5 * USD, 40 * USD)
    ),
    "open interest": Market("M", Scale(1, 100), OpenInterestScaled(50_000, 600_000, 10**12, 10**13), "main"),
    "sided": Market("M", Scale(1, 100), Sided(100, 50, 120, 60, 1_000), "main"),
    "sided, shorts above one": Market("M", Scale(1, 100), Sided(100, 50, 1_500, 1_200, 1_000), "main"),
    "stepped by notional": Market(
        "M",
        Scale(1, 100),
        Stepped((Step(0, 40, 20), Step(5_000 * USD, 60, 40), Step(20_000 * USD, 150, 100)), 1_000),
        "main",
    ),
    "stepped by size": Market(
        "M", Scale(1, 100), Stepped((Step(0, 40, 20), Step(10_000, 90, 60)), 1_000, "size"), "main"
    ),
    "skew": Market(
        "M",
        Scale(1, 100),
        SkewScaled(10**6, 20, 400, 10, 300, 1_000),
        "main",
        minimum_margin_q=7 * USD,
        close_cost=CloseCost(2, 1_000, 3 * USD, 60 * USD),
    ),
    "root": Market("M", Scale(1, 100), RootScaled(100, 50, 700, 1_000, 1_000), "main"),
    "cost share": Market(
        "M",
        Scale(1, 100),
        CostShare(20, 10, 1_000),
        "main",
        minimum_margin_q=30 * USD,
        minimum_margin_as="floor",
        close_cost=CloseCost(1, 1_000, of="cost"),
    ),
    "a rate of one": Market("M", Scale(1, 100), Sided(1_000, 1_000, 1_000, 1_000, 1_000), "main"),
}
"""A market of every shape, and of every way to add to one."""


def shaped_venue(shape, random, count, legs=3):
    """`count` subaccounts over three markets of a shape, funded near maintenance margin."""
    venue = Venue(
        policy=Policy(trigger_at_equality=random.random() < 0.5), pools={"main": CollateralPool("main")}
    )
    for number in range(3):
        template = SHAPES[shape]
        price = random.randint(1_000, 200_000)
        venue.markets[f"M{number}"] = Market(
            **{name: getattr(template, name) for name in template.__struct_fields__}
            | {"id": f"M{number}", "mark": price, "index": price}
        )
    for number in range(count):
        found = Subaccount(f"s{number:05}", "desk")
        for market in random.sample(sorted(venue.markets), random.randint(1, legs)):
            size_b = random.choice((1, -1)) * int(10 ** random.uniform(0, 5))
            price = venue.markets[market].mark * random.randint(500, 2_000) // 1_000
            found.positions[market] = Position(size_b, size_b * price // 100, 0)
        near = random.choice((0.0, 0.0, 0.01, 0.2)) * random.random()
        risk = subaccount_risk(venue, found)
        found.balances["USDC"] = random.randint(-10, 10) + int(near * risk.notional_q) - risk.surplus_q
        venue.subaccounts[found.id] = found
    return venue


class Watched:
    """Bands over a venue, beside an exact look at everybody."""

    def __init__(self, found, columns, **options):
        self.plan, self.columns = found, columns
        self.bands = Bands(self.plan, self.columns, **options)
        self.reported = set()
        self.judge(self.bands.due)

    @classmethod
    def of(cls, venue, **options):
        found = plan(venue)
        return cls(found, from_venue(venue, found), **options)

    def liquidatable(self):
        """Rows that are liquidatable now, each decided in 128 bits."""
        rows = set()
        for block, start in zip(self.columns.blocks, self.columns.starts, strict=False):
            found = np.zeros(len(block.cash), np.bool_)
            decided(self.plan.table, block, np.arange(len(found), dtype=np.int32), found)
            rows |= {start + int(row) for row in np.flatnonzero(found)}
        return rows

    def judge(self, found):
        """What the bands report must be what a look at everybody finds, and each only once."""
        rows = [int(row) for row in found]
        assert len(rows) == len(set(rows))
        assert set(rows) == self.liquidatable() - self.reported
        self.reported |= set(rows)
        return len(rows)

    def update(self, number):
        """Watch a row again; what the bands say of it must be what 128 bits say."""
        is_due = self.bands.update(number)
        assert is_due == (number in self.liquidatable())
        self.reported.discard(number)
        if is_due:
            self.reported.add(number)

    def prices(self):
        """Prices of all factors."""
        table = self.plan.table
        return np.concatenate([table.markets["price"], table.assets["price"]])

    def tempting_price(self, random):
        """A factor, and a price for it that matters: at a trigger, at a quantum beside one, or anywhere near."""
        factor = random.randrange(self.bands.factors)
        now = int(self.prices()[factor])
        price = now * random.randint(970, 1_030) // 1_000 + random.randint(-3, 3)
        if len(self.columns) and random.random() < 0.7:
            for trigger in self.bands.triggers(random.randrange(len(self.columns))):
                edge = trigger.lower if random.random() < 0.5 else trigger.upper
                if 0 < edge < 2 * now:
                    factor = trigger.factor
                    price = int(edge) + random.randint(-2, 2)
        return factor, min(max(price, 0), int(self.bands.price_max[factor]))


def unanchored(watched):
    """How many rows have no bands that hold, so that every tick decides them."""
    indices = watched.bands.indices
    return sum(len(index.watched) - int(index.state[ANCHORED]) for index in indices)
