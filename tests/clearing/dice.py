"""Random venues, mostly at the edges of what their numbers may be."""

from random import Random

from msgspec.structs import replace

from ringfence.clearing.model import (
    QUOTE,
    Asset,
    CollateralPool,
    Grid,
    Leverage,
    Market,
    Option,
    Order,
    Position,
    Scale,
    Subaccount,
    Term,
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
    Solvency,
    Step,
    Stepped,
    Tier,
    Tiered,
)
from ringfence.clearing.set_rules import (
    DebtMargin,
    Scenario,
    ScenarioMargin,
    SpreadCredit,
    StandardMargin,
    StandardTerms,
)

MARKETS = ("A", "B", "C")
DEN = 1_000


class Dice:
    """Random parts of a venue, mostly at the edges; one seed is one venue, because many draws are slow to make."""

    def __init__(self, seed):
        self.random = Random(seed)

    def natural(self, bits):
        edge = (1 << self.random.randrange(bits + 1)) + self.random.randint(-2, 2)
        return self.random.choice((0, 1, 7, edge, edge, self.random.randrange(1 << bits))) % (1 << bits)

    def positive(self, bits):
        return self.natural(bits) or 1

    def signed(self, bits):
        return self.natural(bits) * self.random.choice((1, -1))

    def scale(self):
        return Scale(self.positive(20), self.positive(20))

    def some(self, names):
        return [name for name in names if self.random.random() < 0.5]

    def tiered(self):
        count, den = self.random.randint(1, 4), self.random.choice((100, 1_000, 1_000_000))
        lowers = [0, *sorted({self.positive(60) for _ in range(count - 1)})]
        initial = sorted(self.random.randint(1, den) for _ in lowers)
        maintenance = sorted(self.random.randint(0, rate) for rate in initial)
        tiers, deduction = [], 0
        for at, lower in enumerate(lowers):
            deduction += lower * (maintenance[at] - maintenance[max(at - 1, 0)])
            tiers.append(Tier(lower, max(initial[at], maintenance[at]), maintenance[at], deduction))
        return Tiered(tuple(tiers), den)

    def scaled(self):
        lower, upper = sorted((self.natural(60), self.natural(60)))
        return OpenInterestScaled(self.random.randint(0, 10**6), self.random.randint(0, 10**6), lower, upper)

    def rates(self, den):
        """Initial and maintenance rate."""
        return sorted((self.random.randint(0, den), self.random.randint(0, den)), reverse=True)

    def stepped(self):
        table, by = self.tiered(), self.random.choice(("notional", "size"))
        steps = (Step(tier.lower_q, tier.initial_num, tier.maintenance_num) for tier in table.tiers)
        return Stepped(tuple(steps), table.den, by)

    def skewed(self):
        den = 10**18
        slopes = sorted((self.natural(64), self.natural(64)), reverse=True)
        caps = (self.random.choice((0, self.random.randint(1, den))) for _ in range(2))
        (initial, maintenance), (steep, flat) = self.rates(den), slopes
        return SkewScaled(self.positive(50), initial, steep, maintenance, flat, den, *caps)

    def sided(self):
        return Sided(*self.rates(1000), *self.rates(5000), 1000)

    def rooted(self):
        return RootScaled(*self.rates(10_000), self.natural(14), 10_000, self.positive(40))

    def of_cost(self):
        grows = (self.natural(20), self.positive(60)) if self.random.random() < 0.5 else (0, 1)
        return CostShare(*self.rates(10_000), 10_000, *grows)

    def close_cost(self):
        lower, upper = sorted((self.natural(40), self.natural(40)))
        of, in_initial = self.random.choice(("notional", "cost")), self.random.random() < 0.5
        return CloseCost(self.natural(10), 10_000, lower, self.random.choice((0, upper)), of, in_initial)

    def market(self, name):
        prices = {"mark": self.positive(40), "index": self.positive(40), "funding_index": self.signed(70)}
        shapes = (self.tiered, self.scaled, self.stepped, self.skewed, self.sided, self.rooted, self.of_cost)
        shape = self.random.choice(shapes)()
        minimum_q = self.random.choice((0, self.natural(30)))
        held = {"minimum_margin_q": minimum_q, "open_interest_b": self.natural(40)}
        held["close_cost"] = self.random.choice((None, self.close_cost()))
        held["minimum_margin_as"] = self.random.choice(("added", "floor", "floor_with_fees"))
        held["leverage_checked"] = self.random.choice(("always", "opening"))
        return Market(name, self.scale(), shape, "P", **prices, **held)

    def venue(self):
        """A venue with a subaccount that holds, rests and owes all sorts of things."""
        rounds = Rounding(*(self.random.randrange(3) for _ in range(4)))
        cap_q = self.random.choice((None, 0, self.natural(40)))
        price = self.random.choice(("mark", "index"))
        cap_of = self.random.choice(("position", "account"))
        policy = Policy(
            rounding=rounds, risk_price=price, initial_profit_cap_q=cap_q, initial_profit_cap_of=cap_of
        )
        weights = self.random.choice((None, self.sided()))
        asset = Asset("BTC", self.scale(), self.tiered(), price=self.natural(40), weights=weights)
        markets = {name: self.market(name) for name in MARKETS}
        held = Subaccount("trader", "trader")
        lots = {
            name: Position(self.signed(40) or 1, self.signed(60), self.signed(70))
            for name in self.some(MARKETS)
        }
        orders = [
            Order(self.random.choice(MARKETS), self.signed(40) or 1) for _ in range(self.random.randrange(4))
        ]
        held.positions, held.orders = lots, {str(number): order for number, order in enumerate(orders)}
        held.leverages = {name: Leverage(self.positive(10), self.positive(10)) for name in self.some(MARKETS)}
        held.balances = {name: self.signed(60) for name in self.some((QUOTE, "BTC"))}
        subaccounts = {"trader": held, **self.others()}
        if self.random.random() < 0.5:
            limit_profits(markets, subaccounts, self.random.randint(0, 10**6))
        return Venue(policy, markets, {"BTC": asset}, {"P": CollateralPool("P")}, subaccounts)

    def others(self):
        """Other traders, and pools behind some of the markets."""
        made = [Subaccount(f"other{number}", "other") for number in range(2)]
        made += [Subaccount(f"market/{name}", "venue", system=True) for name in self.some(MARKETS)]
        for sub in made:
            sub.positions = {
                name: Position(self.signed(40) or 1, self.signed(60), 0) for name in self.some(MARKETS)
            }
            sub.balances = {name: self.signed(60) for name in self.some((QUOTE, "BTC"))}
        return {sub.id: sub for sub in made}


def limit_profits(markets, subaccounts, cap_ppm):
    """The liquidity behind every market pays profits up to a share of what it holds; sides are counted."""
    for name, market in markets.items():
        market.solvency = Solvency(cap_ppm, 0, 0)
        for sub in subaccounts.values():
            held = sub.positions.get(name)
            if held is not None and not sub.system:
                side = "longs" if held.size_b > 0 else "shorts"
                setattr(market, side, getattr(market, side).changed(held.size_b, held.cost_q))


class SetDice(Dice):
    """Venues with options on two of the markets, and a rule that judges positions together."""

    def share(self):
        return self.random.choice((0, 1, DEN // 2, DEN, self.random.randint(0, DEN)))

    def rising(self):
        """A rate of maintenance margin and one of initial margin that covers it."""
        low, high = sorted((self.share(), self.share()))
        return high, low

    def confidence(self):
        return self.random.choice((0, 10**6, self.random.randint(0, 10**6)))

    def scenario_rule(self):
        moves = [self.random.choice((0, DEN // 2, DEN, 2 * DEN)) for _ in range(self.random.randint(1, 5))]
        vols = ("none", "up", "down", "linear", "abs")
        scenarios = tuple(Scenario(move, self.random.choice(vols), self.share()) for move in moves)
        charges = [rate for _ in range(3) for rate in self.rising()]
        basis = self.random.choice(
            ((0, 0, 0, 0), (DEN + self.share(), self.share(), self.share(), self.share()))
        )
        odds = [self.share() for _ in range(4)]
        scaled, assets = self.random.choice((True, False)), tuple(self.some(("BTC", "WETH")))
        return ScenarioMargin(scenarios, DEN, *self.rising(), *charges, scaled, *basis, *odds, assets)

    def standard_rule(self):
        lowest, highest = sorted((self.share(), self.share()))
        rates = [self.share() for _ in range(3)]
        flags = [self.random.choice((True, False)) for _ in range(2)]
        terms = StandardTerms(highest, lowest, *rates, self.share(), DEN, *flags, *self.rising())
        return StandardMargin(terms, *(self.share() for _ in range(6)))

    def spread_rule(self):
        return SpreadCredit(self.random.randint(0, 5), 5)

    def debt_rule(self):
        return DebtMargin(self.random.randint(0, 7), 7)

    def option(self, name, underlying, rule):
        lots = self.random.choice((True, False))
        kind = Option(
            underlying.id, self.positive(30), call=lots, expiry_ms=self.random.choice((1_000, 10**12))
        )
        low = [self.natural(30) for _ in range(getattr(rule, "grid_length", 0))]
        grid = Grid(tuple(low), tuple(price + self.natural(20) for price in low))
        return replace(
            self.market(name),
            scale=underlying.scale,
            option=kind,
            grid=grid,
            confidence_ppm=self.confidence(),
        )

    def terms(self):
        expiries = [at for at in (1_000, 10**12) if self.random.random() < 0.5]
        return tuple(
            Term(at, self.share(), self.share(), self.random.choice((0, self.natural(30)))) for at in expiries
        )

    def set_venue(self):
        """A venue in which `trader` holds perps, options and collateral that follows them."""
        rules = (self.scenario_rule, self.standard_rule, self.spread_rule, self.debt_rule)
        rule = self.random.choice(rules)()
        venue = self.venue()
        for name, market in venue.markets.items():
            market.solvency, market.terms = None, self.terms()
            market.confidence_ppm, market.index_confidence_ppm = self.confidence(), self.confidence()
            market.requirement = self.random.choice((market.requirement, self.sided()))
            market.base_decimals = self.random.randrange(3)
            assert name in MARKETS
        for number in range(self.random.randrange(6)):
            underlying = venue.markets[self.random.choice(MARKETS[:2])]
            venue.markets[f"O{number}"] = self.option(f"O{number}", underlying, rule)
        btc = venue.assets["BTC"]
        btc.market = self.random.choice(("", "A"))
        venue.assets["WETH"] = replace(
            btc,
            id="WETH",
            market="B",
            weights=self.random.choice((None, self.sided())),
            price=self.natural(40),
        )
        for asset in venue.assets.values():
            asset.confidence_ppm, asset.decimals = self.confidence(), self.random.randrange(3)
        venue.policy = replace(venue.policy, set_rule=rule)
        venue.quote_wad, venue.time_ms = self.random.choice((10**18, 9 * 10**17, 11 * 10**17)), 500
        held = venue.subaccounts["trader"]
        held.balances["WETH"] = self.signed(40)
        for name in self.some([name for name in venue.markets if name not in MARKETS]):
            held.positions[name] = Position(
                self.signed(30) or 1, self.signed(40), venue.markets[name].funding_index
            )
        return venue
