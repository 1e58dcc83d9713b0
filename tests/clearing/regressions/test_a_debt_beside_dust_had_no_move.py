"""A subaccount in debt whose lots are worth less than an atom is asked for no margin; a move away was looked for."""

from clearing.world import empty_venue
from ringfence.clearing.model import QUOTE, Position, Subaccount
from ringfence.clearing.policy import Policy, Rounding
from ringfence.clearing.risk import is_liquidatable
from ringfence.clearing.solve import uniform_move_ppm


def test_nothing_is_left_already():
    venue = empty_venue(Policy(rounding=Rounding(requirement=0)))
    venue.markets["ETH"].mark = 10
    # 5 % of one lot at 10, rounded down, is nothing; equity is 10 - 22.
    lot = Subaccount("a", "a", balances={QUOTE: -22}, positions={"ETH": Position(1, 22, 0)})
    assert not is_liquidatable(venue, lot)
    assert uniform_move_ppm(venue, lot) == 0
