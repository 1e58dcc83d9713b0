"""A small venue with options: ETH at 100.00, calls and puts on it, one account rule that nets them.

Prices have two decimal places and one lot at one quantum is worth one quote atom, so a lot of ETH is worth 10,000
atoms. The rule moves ETH by up to 20 % with volatility up and down, counts an extra 50 % move at a tenth, and charges a
percent of what is sold without cover. Options are priced by `ringfence.pricing` at a volatility of 80 %.
"""

from fractions import Fraction

from clearing.world import ONE, Audited, haircut
from ringfence.clearing import command as cmd
from ringfence.clearing.model import QUOTE, Asset, CollateralPool, Market, Option, Venue
from ringfence.clearing.policy import Policy, Sided, Tier, Tiered
from ringfence.clearing.set_rules import Scenario, ScenarioMargin
from ringfence.pricing.black76 import YEAR_SECONDS, Terms, price
from ringfence.pricing.scenarios import Discount, Quote, Shocks, VolShock, revaluation

DAY_MS = 86_400_000
NOTHING = Tiered((Tier(0, 0, 0, 0),), 1)
MOVES = [
    (move, vol) for move in (800_000, 900_000, 1_000_000, 1_100_000, 1_200_000) for vol in ("up", "down")
]
RULE = ScenarioMargin(
    scenarios=(
        *(Scenario(move, vol, 1_000_000) for move, vol in MOVES),
        Scenario(500_000, "up", 100_000),
        Scenario(1_500_000, "up", 100_000),
    ),
    den=1_000_000,
    initial_num=1_250_000,
    maintenance_num=1_000_000,
    perp_initial_num=20_000,
    perp_maintenance_num=10_000,
    option_initial_num=20_000,
    option_maintenance_num=10_000,
    basis_up_num=1_050_000,
    basis_down_num=950_000,
    basis_add_num=100_000,
    basis_yearly_num=500_000,
    assets=("WETH",),
)
SHOCKS = Shocks(VolShock(0.5, 0.3, 0.3, 0.13), Discount(0.95, 0.0, 0.1, 1.0, 0.0, 0.0))
VOL = 0.8
STRIKES = (9_000, 10_000, 11_000)
EXPIRIES = (30 * DAY_MS, 90 * DAY_MS)


def option_name(strike, *, call, expiry_ms):
    return f"ETH-{expiry_ms // DAY_MS}-{strike}-{'C' if call else 'P'}"


OPTIONS = {
    option_name(strike, call=call, expiry_ms=expiry_ms): Option("ETH", strike, call, expiry_ms)
    for strike in STRIKES
    for call in (True, False)
    for expiry_ms in EXPIRIES
}
CALL, PUT = (option_name(10_000, call=call, expiry_ms=EXPIRIES[0]) for call in (True, False))
FAR_CALL = option_name(11_000, call=True, expiry_ms=EXPIRIES[0])


def empty_venue(rule=RULE, **policy):
    """Two perps, twelve options on one of them, and ETH itself as collateral."""
    markets = {name: Market(name, ONE, NOTHING, "main", price_decimals=2) for name in ("ETH", "SOL")}
    for name, option in OPTIONS.items():
        markets[name] = Market(name, ONE, NOTHING, "main", price_decimals=2, option=option)
    weights = Sided(30_000, 20_000, 0, 0, 1_000_000)
    weth = Asset("WETH", ONE, haircut(0), weights=weights, market="ETH", price_decimals=2)
    pools = {"main": CollateralPool("main")}
    return Venue(Policy(set_rule=rule, **policy), markets, {"WETH": weth}, pools)


def marks_at(venue, eth):
    """Marks (quanta) of all options at a price of ETH."""
    found = {}
    for name, option in OPTIONS.items():
        years = max(0, option.expiry_ms - venue.time_ms) / 1_000 / YEAR_SECONDS
        terms = Terms(eth / 100, option.strike / 100, years, option.call)
        found[name] = max(1, round(price(terms, VOL) * 100))
    return found


class OptionWorld(Audited):
    """A house whose options are repriced whenever ETH moves."""

    def __init__(self, rule=RULE, **policy):
        super().__init__(empty_venue(rule, **policy))
        for name in ("market/ETH", "market/SOL", "market/WETH", *(f"market/{name}" for name in OPTIONS)):
            self.ok(cmd.OpenSubaccount(name, "venue", system=True))
        self.price(10_000, sol=1_000)

    def price(self, eth, *, sol=None, days=0):
        """Move the clock by whole days (a block at least), then ETH and with it its options and WETH."""
        self.block += 1
        time_ms = self.venue.time_ms + days * DAY_MS
        markets = {"ETH": eth} if sol is None else {"ETH": eth, "SOL": sol}
        self.ok(cmd.SetPrices(time_ms, self.block, markets, {}, {"WETH": eth}))
        self.ok(cmd.SetPrices(time_ms, self.block, marks_at(self.venue, eth)))
        self.ok(self.grids(eth))

    def grids(self, eth):
        quotes = {name: Quote(eth / 100, VOL) for name in OPTIONS}
        return revaluation(self.venue, "ETH", SHOCKS, quotes)

    def open(self, name, amount=0, weth=0):
        self.ok(cmd.OpenSubaccount(name, name))
        for asset, held in ((QUOTE, amount), ("WETH", weth)):
            if held:
                self.ok(cmd.Deposit(name, asset, held))
        return name

    def sub(self, name):
        return self.venue.subaccounts[name]


def payoff(option, settled):
    """What one lot pays, in quote atoms."""
    return max(0, settled - option.strike if option.call else option.strike - settled)


def share(num):
    """A rate of the rule."""
    return Fraction(num, RULE.den)
