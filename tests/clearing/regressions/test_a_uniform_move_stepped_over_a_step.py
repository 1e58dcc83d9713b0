"""Where a margin rate jumps, a rise can liquidate a long position; only the largest rise was looked at."""

from clearing.world import empty_venue
from ringfence.clearing.model import QUOTE, Position, Subaccount
from ringfence.clearing.policy import Step, Stepped
from ringfence.clearing.solve import liquidation_price, uniform_move_ppm

JUMP = Stepped((Step(0, 5, 5), Step(10_000, 10, 10)), 100)
"""5 %; from 10,000 of notional on 10 %, of all of it."""


def test_the_step_is_nearer_than_the_fall():
    venue = empty_venue(requirement=JUMP)
    venue.markets["ETH"].mark = 99
    # 100 lots and 890 of equity. At 100: 990 < 1,000. A fall liquidates at 94: 390 < 470.
    long = Subaccount("a", "a", balances={QUOTE: 890 - 9_900}, positions={"ETH": Position(100, 9_900, 0)})
    assert liquidation_price(venue, long, "ETH") == 100
    assert uniform_move_ppm(venue, long) == 10_102  # 99 x 1.010102 is 100.000098
