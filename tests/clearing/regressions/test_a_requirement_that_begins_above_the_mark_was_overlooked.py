"""A position so small that rounding leaves no requirement cannot be liquidated; where its worth grows, it can.

Only prices below the mark were searched for the one at which the requirement vanishes.
"""

from clearing.world import empty_venue
from ringfence.clearing.model import QUOTE, Position, Subaccount
from ringfence.clearing.policy import Policy, Rounding
from ringfence.clearing.risk import is_liquidatable
from ringfence.clearing.solve import liquidation_price


def test_it_is_found_above():
    venue = empty_venue(Policy(rounding=Rounding(requirement=0)))
    venue.markets["ETH"].mark = 10
    lot = Subaccount("a", "a", balances={QUOTE: -22}, positions={"ETH": Position(1, 22, 0)})
    # 5 %, rounded down, is nothing below 20. There equity is -2; at 24 it is 2 and enough again.
    bad = [price for price in range(1, 40) if is_liquidatable(venue, lot, {"ETH": price})]
    assert bad == [20, 21, 22]
    assert liquidation_price(venue, lot, "ETH") == 20
