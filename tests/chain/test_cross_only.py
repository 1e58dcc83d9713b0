"""`CrossOnly`: all positions of a trader stand on one balance and are judged together."""

import pytest

from chain.baselines import FEE_Q, FUND_Q, MARGIN_Q, MAX_AGE_S, PRICE, SIZE, desk

LOT = 10**8


@pytest.fixture
def d():
    return desk("CrossOnly")


@pytest.fixture
def pair(d):
    """Ada is long a tenth of a coin in both markets on 800 USD."""
    d.do("ada", "deposit", 2 * MARGIN_Q)
    d.do("ada", "trade", 0, SIZE, 0)
    d.do("ada", "trade", 1, SIZE, 0)
    return d


def equity(d, who="ada"):
    return d.see("risk_of", d[who])


def test_positions_share_one_balance(pair):
    assert pair.see("account_of", pair["ada"]) == (2 * (MARGIN_Q - 5_000 * 10**6 - FEE_Q), 0b11)
    assert equity(pair) == (2 * (MARGIN_Q - FEE_Q), 500 * 10**6, 250 * 10**6)
    assert pair.see("position_of", pair["ada"], 1) == (SIZE, 0)


def test_a_gain_in_one_market_carries_a_loss_in_another(pair):
    pair.set_price(45_000 * LOT, market=0)
    pair.set_price(55_000 * LOT, market=1)
    assert pair.refusal("keeper", "liquidate", pair["ada"], 0b11) == "NOT_LIQUIDATABLE"
    pair.set_price(50_000 * LOT, market=1)
    pair.set_price(40_000 * LOT, market=0)
    assert pair.refusal("keeper", "liquidate", pair["ada"], 0b10) == ""


def test_a_liquidation_stops_as_soon_as_there_is_margin_again(pair):
    """At 46,000 and 46,000 equity is -5 USD short of nothing; one position closed is not enough. At 46,400 it is."""
    pair.set_price(44_600 * LOT, market=0)
    equity_q, _, maintenance_q = equity(pair)
    assert equity_q == 795 * 10**6 - 540 * 10**6
    assert equity_q >= maintenance_q
    pair.set_price(44_200 * LOT, market=0)
    (event,) = pair.do("keeper", "liquidate", pair["ada"], 0b11)
    assert event.fields["market"] == 0
    assert pair.see("account_of", pair["ada"])[1] == 0b10
    assert pair.refusal("keeper", "liquidate", pair["ada"], 0b10) == "NOT_LIQUIDATABLE"


def test_a_whole_account_is_liquidated_in_one_transaction(pair):
    """5,000 USD at 30,000 each: 2 * 2,000 lost, 795 there; the fund has 1,000."""
    pair.set_price(30_000 * LOT, market=0)
    pair.set_price(30_000 * LOT, market=1)
    events = pair.do("keeper", "liquidate", pair["ada"], 0b11)
    assert [event.fields["market"] for event in events] == [0, 1]
    assert sum(event.fields["loss_q"] for event in events) == 4_000 * 10**6 - 795 * 10**6
    assert pair.see("account_of", pair["ada"]) == (0, 0)
    assert pair.see("pool_of", 0)[1] == 0


def test_each_position_answers_for_its_share_of_the_equity(pair):
    """The healthy market's position is closed without a loss of its own beyond its share of the maintenance margin."""
    pair.set_price(40_000 * LOT, market=0)
    (event,) = pair.do("keeper", "liquidate", pair["ada"], 0b10)
    equity_q, maintenance_q = 795 * 10**6 - 1_000 * 10**6, 225 * 10**6
    share_q = -(equity_q * 125 * 10**6 // maintenance_q)
    assert event.fields["loss_q"] == share_q
    assert pair.see("pool_of", 0)[1] == FUND_Q - share_q


def test_only_positions_that_are_held_can_be_closed(pair):
    pair.set_price(30_000 * LOT)
    assert pair.refusal("keeper", "liquidate", pair["ada"], 0b101) == "POSITION_UNKNOWN"
    assert pair.refusal("keeper", "liquidate", pair["ada"], 0) == "POSITION_UNKNOWN"
    assert pair.refusal("keeper", "liquidate", pair["ben"], 0b1) == "POSITION_UNKNOWN"


def test_withdrawing_leaves_the_initial_margin_of_all_positions(pair):
    free_q = 2 * (MARGIN_Q - FEE_Q) - 500 * 10**6
    assert pair.refusal("ada", "withdraw", free_q + 1) == "INITIAL_MARGIN"
    assert pair.refusal("ada", "withdraw", free_q) == ""


def test_shrinking_looks_at_no_other_position(pair):
    """With a stale price in market 1 nothing can be added anywhere; market 0 can still be left."""
    pair.chain.warp(MAX_AGE_S + 1)
    pair.set_price(PRICE, market=0)
    assert pair.refusal("ada", "trade", 0, 1, 0) == "PRICE_STALE"
    assert pair.refusal("ada", "withdraw", 1) == "PRICE_STALE"
    assert pair.refusal("ada", "trade", 0, -SIZE, 0) == ""
    assert pair.refusal("ada", "deposit", 1) == ""


def test_the_last_position_is_not_closed_into_a_debt(pair):
    pair.set_price(40_000 * LOT, market=0)
    pair.do("ada", "trade", 1, -SIZE, 0)
    assert pair.refusal("ada", "trade", 0, -SIZE, 0) == "INITIAL_MARGIN"
    assert pair.refusal("ada", "trade", 0, -SIZE // 2, 0) == ""


def test_paused_traders_reduce_and_leave_and_keepers_liquidate(pair):
    pair.do("owner", "pause", 0, True)
    assert pair.refusal("ada", "trade", 0, 1, 0) == "PAUSED"
    assert pair.refusal("ada", "trade", 0, -SIZE, 0) == ""
    assert pair.refusal("ada", "withdraw", 1) == ""
    pair.set_price(40_000 * LOT)
    assert pair.refusal("keeper", "liquidate", pair["ada"], 0b11) == ""


def test_funding_is_booked_for_all_positions_on_request(pair):
    pair.do("feed", "accrue_funding", 0, 10_000)
    pair.do("feed", "accrue_funding", 1, -2_000)
    equity_q, _, _ = equity(pair)
    assert equity_q == 2 * (MARGIN_Q - FEE_Q) - 50 * 10**6 + 10 * 10**6
    quote_q, held = pair.see("account_of", pair["ada"])
    pair.do("keeper", "settle_funding", pair["ada"])
    assert pair.see("account_of", pair["ada"]) == (quote_q - 40 * 10**6, held)
    assert equity(pair)[0] == equity_q
    pair.do("keeper", "settle_funding", pair["ada"])
    assert pair.see("account_of", pair["ada"]) == (quote_q - 40 * 10**6, held)


def test_a_position_that_turns_is_judged_as_a_new_one(pair):
    assert pair.refusal("ada", "trade", 0, -2 * SIZE, 0) == ""
    assert pair.refusal("ada", "trade", 0, -4 * SIZE, 0) == "INITIAL_MARGIN"


@pytest.mark.parametrize(
    ("who", "call", "reason"),
    [
        ("ada", ("deposit", 0), "AMOUNT_NOT_POSITIVE"),
        ("ada", ("withdraw", 1), "INITIAL_MARGIN"),
        ("ada", ("trade", 0, 0, 0), "AMOUNT_NOT_POSITIVE"),
        ("ada", ("trade", 64, 1, 0), "MARKET_UNKNOWN"),
        ("ada", ("trade", 0, SIZE, PRICE - 1), "PRICE_BEYOND_LIMIT"),
        ("ada", ("trade", 0, SIZE, 0), "INITIAL_MARGIN"),
        ("ada", ("supply", 0, 0, 0), "AMOUNT_NOT_POSITIVE"),
        ("owner", ("supply", 64, 1, 0), "POOL_UNKNOWN"),
    ],
)
def test_a_call_that_does_not_hold_says_why(d, who, call, reason):
    assert d.refusal(who, *call) == reason


def test_a_listed_market_that_is_not_held_costs_nothing():
    """Adding to one of two positions takes the same gas on a venue with many markets."""
    from chain.baselines import Desk

    used = []
    for markets in (2, 20):
        d = Desk("CrossOnly", markets=markets)
        d.do("ada", "deposit", 2 * MARGIN_Q)
        d.do("ada", "trade", 0, SIZE, 0)
        used.append(d.contract.send("trade", 0, SIZE // 3, 0, sender=d.people["ada"]).gas_used)
    assert used[0] == used[1]
