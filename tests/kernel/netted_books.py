"""Random books of subaccounts that are more than the sum of their legs, most of them within atoms of the trigger."""

from random import Random

from msgspec.structs import replace

from clearing.option_world import EXPIRIES, OPTIONS, OptionWorld
from kernel.books import DIGITS, Book
from ringfence.clearing.liquidity import withheld_q
from ringfence.clearing.model import (
    QUOTE,
    Grid,
    Leverage,
    Order,
    Position,
    Side,
    Subaccount,
    Term,
    market_subaccount,
)
from ringfence.clearing.risk import exposures, subaccount_risk
from ringfence.questions.listings import listings
from ringfence.rules.words import PPM, WAD
from venues.states import RULEBOOKS, SYMBOLS

NETTED = [rulebook for rulebook in RULEBOOKS if listings(rulebook).policy.set_rule is not None]
CAPPED = [
    rulebook
    for rulebook in RULEBOOKS
    if any(rulebook.market(symbol).solvency is not None for symbol in SYMBOLS[rulebook.name])
]
SCREENED = [*NETTED, *CAPPED]
"""All that only the screen of sets decides."""


class Netted(Book):
    """A venue of one such rulebook, with doubtful prices and a quote asset that may be off its peg."""

    def list_markets(self):
        """Markets, some of whose prices are not sure."""
        super().list_markets()
        for market in self.venue.markets.values():
            market.confidence_ppm, market.index_confidence_ppm = self.sure(), self.sure()
        self.venue.quote_wad = WAD if self.chance(0.6) else WAD * self.random.randint(900, 1000) // 1000

    def price_assets(self):
        """Collateral on grids that 64 bits hold."""
        super().price_assets()
        for asset in self.venue.assets.values():
            unit = 10 ** max(asset.price_decimals - DIGITS, 0)
            asset.price = max(asset.price // unit, 1) * unit
            asset.confidence_ppm = self.sure()

    def sure(self):
        return PPM if self.chance(0.5) else self.random.randint(0, 100) * PPM // 100

    def subaccount(self, name, markets):
        """A holder whose collateral is on such a grid, and who has hedged some of it."""
        found = super().subaccount(name, markets)
        for asset_id, amount in list(found.balances.items()):
            asset = self.venue.assets[asset_id]
            unit = 10 ** max(asset.decimals - DIGITS, 0)
            found.balances[asset_id] = -(-amount // unit) * unit or unit
            held = found.positions.get(asset.market)
            if held is not None and self.chance(0.5):
                self.hedge(found, asset, held)
        return found

    def hedge(self, subaccount, asset, held):
        """Collateral about as large as the position that it offsets."""
        finer = self.venue.markets[asset.market].base_decimals - asset.decimals
        size = held.size_b // 10 ** max(finer, 0) * 10 ** max(-finer, 0)
        amount = size * self.random.choice((900, 1000, 1000, 1100)) // 1000
        unit = 10 ** max(asset.decimals - DIGITS, 0)
        amount = amount // unit * unit
        if amount and (amount < 0 or asset.may_be_owed):
            subaccount.balances[asset.id] = -amount

    def fund(self, subaccount):
        """Quote that leaves a surplus of a few atoms, mostly."""
        super().fund(subaccount)
        if self.chance(0.6):
            short_q = subaccount_risk(self.venue, subaccount).surplus_q
            subaccount.balances[QUOTE] += self.random.randint(-10, 10) - short_q


class Capped(Netted):
    """A venue whose liquidity caps profits: few of its sides are paid in full."""

    def holders(self, count):
        """Holders by the pools and sides that they have in the end, most of them within atoms of the trigger."""
        venue = super().holders(count)
        traders = [each for each in venue.subaccounts.values() if not each.system]
        for market in venue.markets.values():
            market.longs = market.shorts = Side()
        self.limit_profits(traders)
        for market in venue.markets.values():
            self.round_pool(market)
        for each in traders:
            self.fund(each)
        return venue

    def round_pool(self, market):
        """A pool on grids that 64 bits hold; half of them so poor that no side that is owed much is paid it all."""
        pool = self.venue.subaccounts[market_subaccount(market.id)]
        for name in pool.balances:
            unit = 1 if name == QUOTE else 10 ** max(self.venue.assets[name].decimals - DIGITS, 0)
            poor = 1_000 if self.chance(0.5) else 1
            pool.balances[name] = -(-pool.balances[name] // (poor * unit)) * unit
        size_b, cost_q = (
            market.longs.size_b + market.shorts.size_b,
            market.longs.cost_q + market.shorts.cost_q,
        )
        if size_b:  # the other side of all traders, which costs nothing of what the pool holds
            pool.positions[market.id] = Position(-size_b, -cost_q, 0)
            pool.balances[QUOTE] += cost_q


def netted(rulebook, seed, count):
    return (Capped if rulebook in CAPPED else Netted)(rulebook, seed).holders(count)


def is_capped(venue, subaccount):
    """Whether somebody has a profit that is not paid in full."""
    return any(withheld_at(venue, subaccount, each) for each in exposures(venue, subaccount, None))


def withheld_at(venue, subaccount, exposure):
    market, is_long = exposure.market, exposure.size_b > 0
    if market.solvency is None or subaccount.system:
        return 0
    profit_q = exposure.worth_q - exposure.cost_q
    return withheld_q(venue, market, profit_q, exposure.price, is_long=is_long)


def option_book(rule, seed, count, eth=10_000, **policy):
    """The small venue with options, priced, and subaccounts that hold a few of them within atoms of the trigger.

    Whatever a rule's moves shift, prices are those of `option_world.RULE`, as many as the rule's grids have.
    """
    world, random = OptionWorld(**policy), Random(seed)
    world.price(eth)
    venue, length = world.venue, rule.grid_length
    venue.policy = replace(venue.policy, set_rule=rule)
    for name in OPTIONS:
        grid = venue.markets[name].grid
        venue.markets[name].grid = Grid(grid.low[:length], grid.high[:length])
    terms = tuple(Term(at, 900_000, 1_000_000, random.choice((0, eth + 100))) for at in EXPIRIES)
    venue.markets["ETH"].terms = terms
    venue.subaccounts = {}
    for number in range(count):
        found = Subaccount(f"s{number:04}", "desk")
        names = random.sample(sorted(OPTIONS), random.randint(0, 6))
        names += [name for name in ("ETH", "SOL") if random.random() < 0.6]
        for name in names or ["ETH"]:
            size_b = random.choice((1, -1)) * random.choice((1, 7, random.randint(1, 10**6)))
            cost_q = size_b * venue.markets[name].mark * random.randint(50, 150) // 100
            found.positions[name] = Position(size_b, cost_q, random.choice((0, 10**15)))
            if random.random() < 0.2:
                found.leverages[name] = Leverage(random.randint(1, 50), 1)
            if random.random() < 0.1:
                found.orders[name] = Order(name, size_b * random.choice((1, -3)))
        if random.random() < 0.5:
            found.balances["WETH"] = random.choice((1, -1)) * random.randint(1, 10**6)
        found.balances[QUOTE] = 0
        found.balances[QUOTE] = random.randint(-10, 10) - subaccount_risk(venue, found).surplus_q
        venue.subaccounts[found.id] = found
    return venue
