"""A balance of nothing in an asset made its underlying's doubtful price one that the subaccount is exposed to.

Collateral is never surer than the spot price of what is held; what is not held does not matter.
"""

from msgspec.structs import replace

from clearing.option_world import RULE, empty_venue
from clearing.world import ONE, haircut
from ringfence.clearing.model import QUOTE, Asset, Position, Subaccount
from ringfence.clearing.risk import subaccount_risk


def test_a_balance_of_nothing_asks_for_nothing():
    venue = empty_venue(replace(RULE, doubt_below_num=600_000, doubt_num=400_000))
    for name, price in (("ETH", 10_000), ("SOL", 1_000)):
        venue.markets[name].mark = venue.markets[name].index = price
    venue.assets["USDT"] = Asset("USDT", ONE, haircut(0), price=1)
    venue.assets["WETH"].price = 10_000
    venue.markets["ETH"].index_confidence_ppm = 100_000
    held = Subaccount("a", "a", positions={"SOL": Position(1, 1_000, 0)})
    held.balances = {QUOTE: 0, "USDT": 5_000}
    without = subaccount_risk(venue, held)
    held.balances["WETH"] = 0
    assert subaccount_risk(venue, held) == without
    held.balances["WETH"] = 1
    # 0.9 x 0.4 of 5,000 for the USDT alone; the WETH itself asks for more.
    assert subaccount_risk(venue, held).initial_q > without.initial_q + 1_800
