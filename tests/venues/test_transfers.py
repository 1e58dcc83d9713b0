"""Moving margin between two subaccounts leaves both able to stand, on every venue's rules.

The successor of one venue once moved margin into an isolated subaccount without looking at what its parent kept
(nadohq/nado-contracts#10); here every rulebook is asked, after a move of prices, for any amount and either direction.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.clearing import command as do
from ringfence.clearing.log import Clearinghouse
from ringfence.clearing.model import QUOTE
from ringfence.clearing.risk import is_liquidatable, may_act, subaccount_risk
from ringfence.clearing.verdict import Accepted
from ringfence.errors import UnknownValueError
from ringfence.venues.rulebook import build_venue, list_rulebooks, load

LIBRARY = [load(info.venue, info.version) for info in list_rulebooks()]
RULEBOOKS = [rulebook for rulebook in LIBRARY if rulebook.symbols or rulebook.lists_any]
USD = 10**6
WORTH = 10_000
"""USD in each position."""


def opened(rulebook, symbol, usdc, sides):
    """Two subaccounts of one account, each with a position of about 10,000 USD in the same market."""
    house = Clearinghouse(build_venue(rulebook, [symbol], procedures=False))
    market = house.venue.markets[symbol]
    mark = 100 * 10 ** max(market.price_decimals, 0)
    while mark * market.scale.num * market.step_b > WORTH * USD * market.scale.den:
        mark //= 10  # a market of coins that cost next to nothing trades a million at a time
    house.require(do.SetPrices(time_ms=0, block=0, marks={symbol: mark}))
    house.require(do.OpenSubaccount("maker", account="maker", system=True))
    unit_q = mark * market.scale.num / market.scale.den * market.step_b
    lots_b = max(1, int(WORTH * USD / unit_q)) * market.step_b
    for name, side, amount in zip(("cash", "apart"), sides, usdc, strict=True):
        house.require(do.OpenSubaccount(name, account="desk"))
        house.require(do.Deposit(name, QUOTE, 10 * WORTH * USD))
        house.require(do.Trade(symbol, side * lots_b, mark, taker=name, maker="maker"))
        spare_q = 10 * WORTH * USD - amount
        house.submit(do.Withdraw(name, QUOTE, spare_q))
    return house, mark


@pytest.mark.fuzz
@given(st.data())
def test_both_stand_after_a_transfer(data):
    rulebook = data.draw(st.sampled_from(RULEBOOKS))
    symbol = data.draw(st.sampled_from(rulebook.symbols or ("BTC",)))
    sides = data.draw(st.tuples(*[st.sampled_from([1, -1])] * 2))
    usdc = data.draw(st.tuples(*[st.integers(WORTH * USD // 100, 2 * WORTH * USD)] * 2))
    try:
        house, mark = opened(rulebook, symbol, usdc, sides)
    except UnknownValueError:
        return
    moved = mark * data.draw(st.integers(80, 120)) // 100
    house.require(do.SetPrices(time_ms=1, block=1, marks={symbol: moved}))
    before = {name: subaccount_risk(house.venue, house.venue.subaccounts[name]) for name in ("cash", "apart")}
    source, target = data.draw(st.permutations(["cash", "apart"]))
    amount = data.draw(st.integers(1, 3 * WORTH * USD))
    verdict = house.submit(do.TransferMargin(source, target, QUOTE, amount))
    after = {name: subaccount_risk(house.venue, house.venue.subaccounts[name]) for name in ("cash", "apart")}
    if not isinstance(verdict, Accepted):
        assert after == before
        return
    assert after[source].free_q >= 0
    assert not is_liquidatable(house.venue, house.venue.subaccounts[source])
    assert may_act(before[target], after[target])
    assert sum(risk.equity_q for risk in after.values()) == sum(risk.equity_q for risk in before.values())
