"""A shift of volatility that may go either way asks for the distance between two worths of an option: a kink.

The lines of the scenarios were drawn through two prices of the option, as if the kink were not there.
"""

from msgspec.structs import replace

from clearing.world import empty_venue
from ringfence.clearing.model import QUOTE, Grid, Option, Position, Subaccount
from ringfence.clearing.policy import Policy, Tier, Tiered
from ringfence.clearing.risk import is_liquidatable
from ringfence.clearing.set_rules import Scenario, ScenarioMargin
from ringfence.clearing.solve import liquidation_price

NOTHING = Tiered((Tier(0, 0, 0, 0),), 1)
RULE = ScenarioMargin((Scenario(1_100, "abs", 2_000),), 1_000, initial_num=1_000, maintenance_num=1_000)
"""Twice what a rise of 10 % and a turn of the smile cost."""


def test_what_is_safe_between_two_prices_is_found():
    venue = empty_venue(Policy(set_rule=RULE), NOTHING)
    venue.markets["ETH"].mark = venue.markets["ETH"].index = 100
    option = replace(venue.markets["ETH"], id="CALL", option=Option("ETH", 100, True, 10**6), mark=5, index=5)
    venue.markets["CALL"] = replace(option, grid=Grid((10,), (10,)))
    held = {"ETH": Position(-10, -1_000, 0), "CALL": Position(1, 5, 0)}
    a = Subaccount("a", "a", balances={QUOTE: 1_192}, positions=held)
    # Asked: 200 for the lots sold and 2 |w - 10|, with w the option's worth; equity is 192 + w.
    assert [price for price in range(1, 40) if not is_liquidatable(venue, a, {"CALL": price})] == [10, 11, 12]
    assert liquidation_price(venue, a, "CALL") == 9
