"""What an isolated subaccount opens draws margin from its parent, which must be able to spare it, on all rulebooks.

The other half of nadohq/nado-contracts#10: there, creating an isolated subaccount moved margin without looking at what
the parent kept.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.clearing import command as do
from ringfence.clearing.log import Clearinghouse
from ringfence.clearing.model import QUOTE, Venue
from ringfence.clearing.risk import Risk, is_liquidatable, subaccount_risk
from ringfence.clearing.verdict import Accepted
from ringfence.errors import UnknownValueError
from ringfence.venues.rulebook import build_venue, list_rulebooks, load

RULEBOOKS = [rulebook for info in list_rulebooks() if (rulebook := load(info.venue, info.version)).symbols]
USD = 10**6


def lots_worth(venue: Venue, symbol: str, usd: int) -> int:
    """Lots of about so much worth, a whole number of steps."""
    market = venue.markets[symbol]
    step_q = market.step_b * market.mark * market.scale.num / market.scale.den
    return max(1, int(usd * USD / step_q)) * market.step_b


def risks(venue: Venue) -> dict[str, Risk]:
    return {name: subaccount_risk(venue, venue.subaccounts[name]) for name in ("parent", "child")}


@pytest.mark.fuzz
@given(st.data())
def test_a_parent_stands_after_a_child_drew_its_margin(data):
    rulebook = data.draw(st.sampled_from(RULEBOOKS))
    symbol = data.draw(st.sampled_from(rulebook.symbols))
    try:
        house = Clearinghouse(build_venue(rulebook, [symbol], procedures=False))
    except UnknownValueError:
        return
    mark = 100 * 10 ** max(house.venue.markets[symbol].price_decimals, 0)
    house.require(do.SetPrices(time_ms=0, block=0, marks={symbol: mark}))
    house.require(do.OpenSubaccount("maker", "maker", system=True))
    house.require(do.OpenSubaccount("parent", "desk"))
    house.require(do.OpenSubaccount("child", "desk", parent="parent"))
    house.require(do.Deposit("parent", QUOTE, data.draw(st.integers(1, 20_000)) * USD))
    held = data.draw(st.integers(100, 50_000)) * data.draw(st.sampled_from([1, -1]))
    lots_b = lots_worth(house.venue, symbol, abs(held))
    house.submit(do.Trade(symbol, lots_b if held > 0 else -lots_b, mark, "parent", "maker"))
    moved = mark * data.draw(st.integers(90, 110)) // 100
    house.require(do.SetPrices(time_ms=1, block=1, marks={symbol: moved}))
    before = risks(house.venue)
    lots_b = lots_worth(house.venue, symbol, data.draw(st.integers(100, 50_000)))
    lots_b *= data.draw(st.sampled_from([1, -1]))
    verdict = house.submit(do.Trade(symbol, lots_b, moved, "child", "maker"))
    after = risks(house.venue)
    if not isinstance(verdict, Accepted):
        assert after == before
        return
    assert after["parent"].free_q >= 0
    assert after["child"].free_q >= 0
    assert not any(is_liquidatable(house.venue, house.venue.subaccounts[name]) for name in after)
    # Margin moved between the two, and a fill at the mark without fees costs what rounding cuts off.
    cost_q = sum(risk.equity_q for risk in before.values()) - sum(risk.equity_q for risk in after.values())
    assert abs(cost_q) <= 2
