"""On every rulebook, straight in the engine: the liquidation price is the trigger, and none is nearer to the mark.

Requirements that jump, profits that are capped, credits and rules over all positions make a surplus that is not
monotone in a price: then the published price must still be the nearest one at which the verdict changes.
"""

from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ringfence.clearing.risk import is_liquidatable, risk_price, subaccount_risk
from ringfence.clearing.solve import PRICE_MAX, liquidation_price, uniform_move_ppm
from ringfence.rules.words import PPM
from venues.states import RULEBOOKS, States, at_price, turning_prices

STATES = st.builds(
    lambda rulebook, seed: States(rulebook, seed).account(),
    st.sampled_from(RULEBOOKS),
    st.integers(0, 2**32),
)
GRID = 24
"""Prices on each side of the mark at which the verdict is asked."""


def questions(state):
    """Every market that has a price and a position: its id, its price, and what the engine answers."""
    venue, trader = state
    for market_id in trader.positions:
        mark = risk_price(venue, venue.markets[market_id])
        if mark:
            yield market_id, mark, liquidation_price(venue, trader, market_id)


def rounding_q(trader):
    """Atoms that rounding may make of a surplus: a few for everything that is held."""
    return 4 * (len(trader.positions) + len(trader.balances) + 2)


@pytest.mark.fuzz
@given(STATES)
def test_the_liquidation_price_is_the_trigger(state):
    venue, trader = state
    begun = is_liquidatable(venue, trader)
    for market_id, mark, price in questions(state):
        if price is None:
            continue

        def bad(at, market_id=market_id):
            return at > 0 and is_liquidatable(at_price(venue, market_id, at), trader)

        assert bad(price)
        # Coming from the safe side: from the mark, or towards it where the mark itself is on the wrong side.
        towards_safety = 1 if (mark > price) != begun else -1
        assert not bad(price + towards_safety) if price != mark else not (bad(price - 1) and bad(price + 1))


def grid(market, trader, mark, price, random):
    """Prices on both sides of the mark, nearer to it than the one published; everywhere where none is."""
    if price is None:
        near = {mark * at // GRID for at in range(3 * GRID)}
        far = {int(mark * 10 ** random.uniform(-6, 6)) for _ in range(GRID)}
        low, high, found = 0, PRICE_MAX + 1, {1, PRICE_MAX, *near, *far}
    else:
        reach = abs(price - mark)
        low, high = mark - reach, mark + reach
        found = {mark + sign * reach * at // GRID for at in range(GRID) for sign in (1, -1)}
        found.update(random.randint(low, high) for _ in range(GRID // 2))
    turns = turning_prices(market, trader)
    found.update(turn * at // 1000 + off for turn in turns for at in (998, 1000, 1002) for off in (-1, 0, 1))
    return [at for at in found if max(low, 0) < at < high]


@pytest.mark.fuzz
@given(STATES, st.integers(0, 2**32))
def test_no_nearer_price_changes_the_verdict(state, seed):
    venue, trader = state
    begun, random = is_liquidatable(venue, trader), Random(seed)
    for market_id, mark, price in questions(state):
        for at in grid(venue.markets[market_id], trader, mark, price, random):
            risk = subaccount_risk(venue, trader, {market_id: at})
            above_q = risk.above_trigger_q(at_equality=venue.policy.trigger_at_equality)
            assert (above_q < 0) is begun or abs(above_q) <= rounding_q(trader), (market_id, at, price, mark)


@pytest.mark.fuzz
@given(STATES, st.integers(0, 2**32))
def test_the_uniform_move_is_the_first_that_liquidates(state, seed):
    venue, trader = state
    move, random = uniform_move_ppm(venue, trader), Random(seed)
    prices = {
        name: risk_price(venue, venue.markets[name])
        for name in trader.positions
        if venue.markets[name].option is None
    }
    if not prices:
        assert move is None
        return
    # Moved prices are whole quanta: a common move of coarse prices is none, they jump one after the other.
    assume(min(prices.values()) >= PPM)

    def above_q(at):
        moved = {name: max(1, price * (PPM + at) // PPM) for name, price in prices.items()}
        risk = subaccount_risk(venue, trader, moved)
        return min(risk.above_trigger_q(at_equality=venue.policy.trigger_at_equality), risk.equity_q)

    if move == 0:
        assert is_liquidatable(venue, trader) or above_q(0) < 0
        return
    reach = 10 * PPM if move is None else abs(move)
    if move is not None:
        assert above_q(move) < 0 <= above_q(move + (1 if move < 0 else -1))
    for _ in range(2 * GRID):
        at = random.randint(max(-PPM, 1 - reach), reach - 1)
        assert above_q(at) >= -rounding_q(trader), (at, move)
