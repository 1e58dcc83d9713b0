"""A worked example in the exact engine: a perpetual and an option behind one deposit, under portfolio margin.

Ten ETH long as a perpetual and ten calls sold on them, at 3,000 USD with 30 days to go and a volatility of 60 %: a
covered call. Prices, sizes and volatility are chosen, not recorded; margins are those of the rulebook `RULEBOOK`.
"""

from dataclasses import dataclass

from ..clearing import command as cmd
from ..clearing.log import Clearinghouse
from ..clearing.model import QUOTE, CollateralPool, Market, Option, Venue
from ..clearing.policy import Tier, Tiered
from ..clearing.risk import Risk, subaccount_risk
from ..pricing.black76 import YEAR_SECONDS, Terms, price
from ..pricing.scenarios import Quote, revaluation, shocks_of
from ..units import QUOTE_DECIMALS
from ..venues.rulebook import build_venue, load

RULEBOOK = "derive-pm"
USD = 10**QUOTE_DECIMALS
SPOT_USD, STRIKE_USD, VOL = 3_000, 3_000, 0.6
EXPIRY_MS = 30 * 86_400_000
LOTS = 10
DEPOSIT_USD = 100_000
CALL = "ETH-CALL"
MAKER = "maker"


@dataclass(frozen=True)
class Together:
    """Initial margin of the perpetual and the option in one subaccount, and of each in one of its own, quote atoms."""

    together_q: int
    perpetual_q: int
    option_q: int
    free_q: int
    """What one deposit behind both leaves free."""


def perpetual_and_option() -> Together:
    """One deposit behind both, and two deposits, one behind each."""
    house = Clearinghouse(_venue())
    eth = house.venue.markets["ETH"]
    sizes = {"ETH": LOTS * 10**eth.base_decimals, CALL: -LOTS * 10**eth.base_decimals}
    house.require(cmd.OpenSubaccount(MAKER, MAKER, system=True))
    found: list[Risk] = []
    for name, held in (("both", ("ETH", CALL)), ("perpetual", ("ETH",)), ("option", (CALL,))):
        house.require(cmd.OpenSubaccount(name, name))
        house.require(cmd.Deposit(name, QUOTE, DEPOSIT_USD * USD))
        for market in held:
            mark = house.venue.markets[market].mark
            house.require(cmd.Trade(market, sizes[market], mark, name, MAKER))
        found.append(subaccount_risk(house.venue, house.venue.subaccounts[name]))
    both, perpetual, option = found
    return Together(both.initial_q, perpetual.initial_q, option.initial_q, both.free_q)


def _venue() -> Venue:
    """The rulebook's ETH market and a call on it, priced and revalued in every scenario."""
    rulebook = load(RULEBOOK)
    venue = build_venue(rulebook, ["ETH"], procedures=False)
    eth = venue.markets["ETH"]
    unit = 10**eth.price_decimals
    nothing = Tiered((Tier(0, 0, 0, 0),), 1)
    option = Option("ETH", STRIKE_USD * unit, call=True, expiry_ms=EXPIRY_MS)
    venue.markets[CALL] = Market(
        CALL,
        eth.scale,
        nothing,
        eth.pool,
        base_decimals=eth.base_decimals,
        price_decimals=eth.price_decimals,
        option=option,
    )
    venue.pools.setdefault(eth.pool, CollateralPool(eth.pool))
    terms = Terms(SPOT_USD, STRIKE_USD, EXPIRY_MS / 1000 / YEAR_SECONDS, call=True)
    mark = round(price(terms, VOL) * unit)
    house = Clearinghouse(venue)
    house.require(cmd.SetPrices(0, 0, marks={"ETH": SPOT_USD * unit, CALL: mark}))
    shocks = shocks_of(rulebook.portfolio_shocks())
    house.require(revaluation(house.venue, "ETH", shocks, {CALL: Quote(SPOT_USD, VOL)}))
    return house.venue
