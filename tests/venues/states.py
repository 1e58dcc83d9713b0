"""Random accounts on the real rulebooks, straight in the engine: many, fast, and mostly near liquidation.

One seed is one state. It holds what a file of positions cannot say too: collateral behind isolated positions,
collateral that is owed, resting orders, unsettled funding, index prices beside the mark, a pool that caps profits.
"""

from copy import copy
from random import Random

from msgspec.structs import replace

from ringfence.clearing.model import (
    QUOTE,
    CollateralPool,
    Grid,
    Leverage,
    Option,
    Order,
    Position,
    Subaccount,
    Term,
    Venue,
    market_subaccount,
)
from ringfence.clearing.policy import Stepped, Tier, Tiered
from ringfence.clearing.risk import asset_price, risk_price, subaccount_risk
from ringfence.clearing.set_rules import ScenarioMargin, StandardMargin
from ringfence.errors import UnknownValueError
from ringfence.questions.listings import listings
from ringfence.venues.rulebook import list_rulebooks, load

LIBRARY = [load(info.venue, info.version) for info in list_rulebooks()]
USD = 10**6
NOTHING = Tiered((Tier(0, 0, 0, 0),), 1)


def known_symbols(rulebook):
    """The markets of which all that margin needs is known; a made-up one where the rulebook lists any."""
    found = []
    for symbol in (*rulebook.symbols, *(("ANYTHING",) if rulebook.lists_any else ())):
        try:
            rulebook.market(symbol)
        except UnknownValueError:
            continue
        found.append(symbol)
    return tuple(found)


SYMBOLS = {rulebook.name: known_symbols(rulebook) for rulebook in LIBRARY}
RULEBOOKS = [rulebook for rulebook in LIBRARY if SYMBOLS[rulebook.name]]


class States:
    """Random states of one rulebook."""

    def __init__(self, rulebook, seed):
        self.random, self.rulebook, self.rules = Random(seed), rulebook, listings(rulebook)
        self.venue = Venue(policy=self.rules.policy, time_ms=500)

    def chance(self, share):
        return self.random.random() < share

    def amount(self, low, high):
        """A number of any size between two powers of ten."""
        return int(10 ** self.random.uniform(low, high)) or 1

    # -- markets and assets -----------------------------------------------------------------------------------------

    def list_markets(self):
        """One to four markets with prices; on venues that nets options, some on the first of them."""
        symbols = SYMBOLS[self.rulebook.name]
        followed = {asset.market for asset in self.rules.assets.values()} & {*symbols}
        chosen = {self.random.choice(symbols) for _ in range(self.random.randint(1, 4))}
        if self.venue.policy.set_rule is not None:
            chosen |= followed
        elif followed and self.chance(0.6):
            chosen.add(self.random.choice(sorted(followed)))
        for symbol in sorted(chosen):
            self.add_market(replace(self.rules.market(symbol)))
        if isinstance(self.venue.policy.set_rule, ScenarioMargin | StandardMargin) and self.chance(0.6):
            underlying = self.venue.markets[self.random.choice(sorted(self.venue.markets))]
            for number in range(self.random.randint(1, 4)):
                self.add_option(underlying, f"{underlying.id}-{number}")

    def add_market(self, market):
        """A market between a thousandth and a hundred thousand USD, or at a handful of quanta."""
        decimals = max(market.price_decimals, 0)
        market.mark = self.amount(0, 2) if self.chance(0.05) else self.amount(decimals - 3, decimals + 5)
        market.index = market.previous_mark = market.mark
        if self.chance(0.2):
            market.index = market.mark * self.random.randint(900, 1100) // 1000 or 1
        self.venue.markets[market.id] = market
        self.venue.pools.setdefault(market.pool, CollateralPool(market.pool))

    def add_option(self, underlying, name):
        """An option near the money, whose prices in scenarios lie about its mark."""
        rule, strike = self.venue.policy.set_rule, underlying.index * self.random.randint(50, 150) // 100 or 1
        mark = underlying.index * self.random.randint(0, 40) // 100
        expiry_ms = self.random.choice((1_000, 10**10))
        low = [
            underlying.index * self.random.randint(0, 60) // 100
            for _ in range(getattr(rule, "grid_length", 0))
        ]
        self.venue.markets[name] = replace(
            underlying,
            id=name,
            requirement=NOTHING,
            close_cost=None,
            minimum_margin_q=0,
            option=Option(underlying.id, strike, call=self.chance(0.5), expiry_ms=expiry_ms),
            grid=Grid(tuple(low), tuple(price + underlying.index // 100 for price in low)) if low else None,
            mark=mark,
            index=mark,
        )
        if self.chance(0.5):
            den = getattr(rule, "den", None) or rule.options.den
            term = Term(expiry_ms, self.random.randint(den // 2, den), den, self.random.choice((0, strike)))
            underlying.terms = (*(each for each in underlying.terms if each.expiry_ms != expiry_ms), term)

    def price_assets(self):
        """Collateral priced at its market's mark (or near it), or by itself."""
        for name, asset in self.rules.assets.items():
            if self.venue.policy.set_rule is not None and asset.market not in {"", *self.venue.markets}:
                continue
            found = replace(asset)
            if not found.market and name in self.venue.markets and self.chance(0.5):
                found.market = name
            market = self.venue.markets.get(found.market)
            decimals = found.price_decimals
            found.price = self.amount(decimals - 3, decimals + 5)
            if market is not None and self.chance(0.8):
                near = self.random.choice((1000, 1000, self.random.randint(900, 1200)))
                shift = decimals - market.price_decimals
                found.price = (
                    int(market.mark * near * 10 ** max(shift, 0) // (1000 * 10 ** max(-shift, 0))) or 1
                )
            self.venue.assets[name] = found

    # -- holdings ---------------------------------------------------------------------------------------------------

    def lots(self, market, price):
        """A size of any worth, or one at a step of the market's table."""
        shape, at = market.requirement, market.scale.num * price
        worth_q = self.amount(0, 8) if self.chance(0.1) else self.amount(7, 15)
        if isinstance(shape, Stepped | Tiered) and self.chance(0.4):
            rows = shape.steps if isinstance(shape, Stepped) else shape.tiers
            bound = self.random.choice(
                [getattr(row, "lower_q", None) or getattr(row, "lower", 0) for row in rows]
            )
            if getattr(shape, "by", "notional") == "size" and bound:
                return max(1, bound + self.random.randint(-2, 2))
            worth_q = max(1, bound * self.random.randint(500, 1500) // 1000) if bound else worth_q
        lots = max(1, worth_q * market.scale.den // at)
        return lots if self.chance(0.3) else max(1, lots // market.step_b) * market.step_b

    def subaccount(self, name, markets):
        """A holder of positions in `markets`, of collateral, and of resting orders; without quote yet."""
        found = Subaccount(name, "desk")
        for market in markets:
            price = risk_price(self.venue, market) or 1
            size_b = min(self.lots(market, price), 2**90) * self.random.choice((1, -1))
            entry = price * self.random.randint(500, 2000) // 1000
            cost_q = size_b * entry * market.scale.num // market.scale.den
            found.positions[market.id] = Position(
                size_b, cost_q, self.random.choice((0, 0, 10**12, -(10**12)))
            )
            if self.chance(0.3):
                found.leverages[market.id] = Leverage(self.random.randint(1, 60), 1)
            if self.chance(0.1):
                found.orders[market.id] = Order(market.id, size_b * self.random.choice((1, -3)))
        for asset in self.venue.assets.values():
            if self.chance(0.5):
                worth_q = self.amount(4, 13)
                atoms = worth_q * asset.scale.den // (asset.scale.num * (asset.price or 1)) or 1
                owed = asset.may_be_owed and self.chance(0.3)
                found.balances[asset.id] = -atoms if owed else atoms
        return found

    def fund(self, subaccount):
        """Quote that brings equity near to (or exactly to) maintenance margin, now or at another price of a market."""
        subaccount.balances[QUOTE] = 0
        prices = {}
        if self.chance(0.5):
            market = self.venue.markets[self.random.choice(sorted(subaccount.positions))]
            now, turns = risk_price(self.venue, market), turning_prices(market, subaccount)
            near = int(now * 10 ** self.random.uniform(-1, 1)) or 1
            prices[market.id] = self.random.choice(turns) if turns and self.chance(0.7) else near
        risk = subaccount_risk(self.venue, subaccount, prices)
        off_q = self.random.choice((0, -1, 1, self.random.randint(-5, 5)))
        if self.chance(0.85):
            share = self.random.choice((0.001, 0.01, 0.1, 1)) * self.random.uniform(-0.5, 1)
            off_q = int((risk.notional_q or USD) * share)
        subaccount.balances[QUOTE] = off_q - risk.surplus_q

    def limit_profits(self, subaccounts):
        """Pools behind the markets that cap profits, and other traders beside those given."""
        for market in self.venue.markets.values():
            if market.solvency is None:
                continue
            pool = Subaccount(market_subaccount(market.id), "venue", system=True)
            pool.balances = {QUOTE: self.amount(8, 14)}
            for asset in self.venue.assets.values():
                if asset.market == market.id and self.chance(0.7):
                    pool.balances[asset.id] = (
                        self.amount(6, 14) * asset.scale.den // (asset.scale.num * asset.price)
                    )
            self.venue.subaccounts[pool.id] = pool
            for subaccount in subaccounts:
                held = subaccount.positions.get(market.id)
                if held is None:
                    continue
                side = "longs" if held.size_b > 0 else "shorts"
                others = self.random.choice((0, self.random.randint(0, 50)))
                price = market.mark * self.random.randint(500, 1500) // 1000
                cost_q = held.size_b * others * price * market.scale.num // market.scale.den
                total = getattr(market, side).changed(held.size_b * (1 + others), held.cost_q + cost_q)
                setattr(market, side, total)

    def account(self):
        """A venue and a subaccount with positions in it."""
        self.list_markets()
        self.price_assets()
        perps = [market for market in self.venue.markets.values() if market.option is None]
        options = [market for market in self.venue.markets.values() if market.option is not None]
        chosen = [market for market in perps if self.chance(0.8)] or perps[:1]
        if self.venue.policy.exclusive_pools:
            chosen = [market for market in chosen if market.pool == chosen[0].pool]
        trader = self.subaccount("trader", [*chosen, *(market for market in options if self.chance(0.8))])
        self.limit_profits([trader])
        self.fund(trader)
        self.venue.subaccounts["trader"] = trader
        return self.venue, trader


def at_price(venue, market_id, price):
    """The venue after one market has moved, and with it the collateral that follows it; options keep their marks."""
    moved, market = copy(venue), venue.markets[market_id]
    now = risk_price(venue, market)
    index = -(-market.index * price // now)
    if venue.policy.risk_price == "index":
        index = price
    moved.markets = {**venue.markets, market_id: replace(market, mark=price, index=index)}
    moved.assets = {
        name: replace(asset, price=asset_price(venue, asset, {market_id: price}))
        for name, asset in venue.assets.items()
    }
    return moved


def turning_prices(market, subaccount):
    """Prices at which the worth of a position reaches a row of its market's table."""
    shape, scale = market.requirement, market.scale
    rows = getattr(shape, "tiers", None) or (
        getattr(shape, "steps", ()) if getattr(shape, "by", "") == "notional" else ()
    )
    size_b = abs(subaccount.positions[market.id].size_b)
    bounds = [getattr(row, "lower_q", 0) or getattr(row, "lower", 0) for row in rows]
    return [-(-bound * scale.den // (size_b * scale.num)) for bound in bounds if bound]
