"""`IsolatedOnly`: each position stands on its own collateral, and what it does to others is nothing."""

import pytest

from chain.baselines import FEE_Q, FUND_Q, MARGIN_Q, MAX_AGE_S, PRICE, SIZE, desk

LOT = 10**8


@pytest.fixture
def d():
    return desk("IsolatedOnly")


@pytest.fixture
def long(d):
    """Ada is long a tenth of a coin in market 0 on 400 USD."""
    d.do("ada", "trade", 0, SIZE, 0, MARGIN_Q)
    return d


def test_collateral_comes_and_goes(d):
    before = d.tokens("ada")
    d.do("ada", "deposit", 0, 100)
    assert d.see("position_of", d["ada"], 0) == (100, 0, 0)
    d.do("ada", "withdraw", 0, 40)
    assert d.see("position_of", d["ada"], 0) == (60, 0, 0)
    assert d.tokens("ada") == before - 60


def test_opening_books_the_notional_and_the_fee(long):
    assert long.see("position_of", long["ada"], 0) == (MARGIN_Q - 5_000 * 10**6 - FEE_Q, SIZE, 0)
    assert long.see("risk_of", long["ada"], 0) == (MARGIN_Q - FEE_Q, 250 * 10**6, 125 * 10**6)
    assert long.see("market_of", 0)[-1] == SIZE


def test_a_position_is_liquidated_below_maintenance_margin_and_not_at_it(long):
    """Equity 397.5 - (5,000 - worth) meets 2.5 % of the worth at 4,720.512821 USD, to the price quantum.

    A quantum below, the worth rounds down an atom and the requirement still rounds up.
    """
    trigger = 4_720_512_820_999
    long.set_price(trigger + 1)
    equity_q, _, maintenance_q = long.see("risk_of", long["ada"], 0)
    assert equity_q == maintenance_q == 118_012_821
    assert long.refusal("keeper", "liquidate", long["ada"], 0) == "NOT_LIQUIDATABLE"
    long.set_price(trigger)
    assert long.refusal("keeper", "liquidate", long["ada"], 0) == ""


def test_a_solvent_liquidation_pays_keeper_and_fund_and_leaves_the_rest(long):
    long.set_price(47_000 * LOT)
    (event,) = long.do("keeper", "liquidate", long["ada"], 0)
    fee_q = 4_700 * 10**6 // 200
    assert event.fields["fee_q"] == fee_q
    assert event.fields["loss_q"] == 0
    assert long.see("rewards", long["keeper"]) == fee_q - fee_q // 2
    assert long.see("pool_of", 0)[1] == FUND_Q + fee_q // 2
    assert long.see("position_of", long["ada"], 0) == (MARGIN_Q - FEE_Q - 300 * 10**6 - fee_q, 0, 0)
    assert long.do("keeper", "claim") == []
    assert long.tokens("keeper") == fee_q - fee_q // 2


def test_a_loss_is_the_funds_and_then_the_pools(long):
    """At 30,000 the account owes 1,602.5 USD; the fund has 1,000."""
    pool_q = long.see("pool_of", 0)[0]
    long.set_price(30_000 * LOT)
    (event,) = long.do("keeper", "liquidate", long["ada"], 0)
    assert (event.fields["fee_q"], event.fields["loss_q"]) == (0, 1_602_500_000)
    assert long.see("position_of", long["ada"], 0) == (0, 0, 0)
    quote_q, fund_q, _ = long.see("pool_of", 0)
    assert fund_q == 0
    assert quote_q == pool_q - 3_000 * 10**6 - (1_602_500_000 - FUND_Q)


def test_a_sick_position_touches_no_other(long):
    long.do("ada", "trade", 1, SIZE, 0, MARGIN_Q)
    healthy = long.see("position_of", long["ada"], 1)
    long.set_price(30_000 * LOT)
    long.do("ada", "withdraw", 1, 100 * 10**6)
    long.do("keeper", "liquidate", long["ada"], 0)
    assert long.see("position_of", long["ada"], 1) == (healthy[0] - 100 * 10**6, *healthy[1:])
    assert long.see("pool_of", 1)[1] == FUND_Q
    assert long.refusal("keeper", "liquidate", long["ada"], 1) == "NOT_LIQUIDATABLE"


def test_moving_margin_leaves_initial_margin_behind(long):
    free_q = MARGIN_Q - FEE_Q - 250 * 10**6
    assert long.refusal("ada", "transfer_margin", 0, 1, free_q + 1) == "INITIAL_MARGIN"
    long.do("ada", "transfer_margin", 0, 1, free_q)
    assert long.see("position_of", long["ada"], 1)[0] == free_q


def test_longs_pay_what_shorts_receive(long):
    """1 % of 5,000 USD is 50 USD; the pool stands between them."""
    long.do("ben", "trade", 0, -SIZE, 0, MARGIN_Q)
    long.do("feed", "accrue_funding", 0, 10_000)
    pool_q = long.see("pool_of", 0)[0]
    for who, paid_q in (("ada", 50 * 10**6), ("ben", -50 * 10**6)):
        before = long.see("position_of", long[who], 0)[0]
        long.do(who, "withdraw", 0, 1)
        assert long.see("position_of", long[who], 0)[0] == before - 1 - paid_q
    assert long.see("pool_of", 0)[0] == pool_q


@pytest.mark.parametrize(
    ("who", "call", "reason"),
    [
        ("ada", ("deposit", 0, 0), "AMOUNT_NOT_POSITIVE"),
        ("ada", ("deposit", 0, 2**96), "AMOUNT_TOO_LARGE"),
        ("ada", ("deposit", 64, 1), "MARKET_UNKNOWN"),
        ("ada", ("withdraw", 0, 1), "INITIAL_MARGIN"),
        ("ada", ("withdraw", 0, 0), "AMOUNT_NOT_POSITIVE"),
        ("ada", ("trade", 0, 0, 0, 0), "AMOUNT_NOT_POSITIVE"),
        ("ada", ("trade", 2, 1, 0, 0), "MARKET_UNKNOWN"),
        ("ada", ("trade", 0, 2**55, 0, 0), "INITIAL_MARGIN"),
        ("ada", ("trade", 0, SIZE, PRICE - 1, MARGIN_Q), "PRICE_BEYOND_LIMIT"),
        ("ada", ("trade", 0, -SIZE, PRICE + 1, MARGIN_Q), "PRICE_BEYOND_LIMIT"),
        ("ada", ("trade", 0, SIZE, 0, 252 * 10**6), "INITIAL_MARGIN"),
        ("ada", ("transfer_margin", 1, 1, 1), "SUBACCOUNTS_MUST_DIFFER"),
        ("keeper", ("liquidate", "0x" + "11" * 20, 0), "POSITION_UNKNOWN"),
        ("keeper", ("claim",), "AMOUNT_NOT_POSITIVE"),
        ("ada", ("set_prices", 1, [1]), "NOT_FEED"),
        ("ada", ("accrue_funding", 0, 1), "NOT_FEED"),
        ("feed", ("accrue_funding", 0, 10**6 + 1), "AMOUNT_TOO_LARGE"),
        ("feed", ("set_prices", 1, [1]), "PRICE_STALE"),
        ("ada", ("set_feed", "0x" + "11" * 20), "NOT_OWNER"),
        ("ada", ("pause", 0, True), "NOT_OWNER"),
        ("owner", ("pause", 64, True), "POOL_UNKNOWN"),
        ("owner", ("set_market", 64, 2, 1, 0, 0, 0, 0), "MARKET_UNKNOWN"),
        ("owner", ("set_market", 0, 1, 1, 0, 0, 0, 0), "PARAMETER_INVALID"),
        ("owner", ("set_market", 0, 2, 0, 0, 0, 0, 0), "PARAMETER_INVALID"),
        ("owner", ("set_market", 0, 2, 1, 100_001, 0, 0, 0), "PARAMETER_INVALID"),
        ("owner", ("set_market", 0, 2, 1, 0, 0, 10**6 + 1, 0), "PARAMETER_INVALID"),
        ("owner", ("set_market", 0, 2, 1, 0, 0, 0, 2**55), "PARAMETER_INVALID"),
    ],
)
def test_a_call_that_does_not_hold_says_why(d, who, call, reason):
    assert d.refusal(who, *call) == reason


def test_prices_are_refused_when_old_and_never_run_backwards(d):
    now = d.chain.time_s
    assert d.refusal("feed", "set_prices", now + 1, [PRICE]) == "PRICE_STALE"
    assert d.refusal("feed", "set_prices", now - 1, [PRICE]) == "TIME_RUNS_BACKWARDS"
    assert d.refusal("feed", "set_prices", now, [0]) == "PRICE_NOT_POSITIVE"
    assert d.refusal("feed", "set_prices", now, [2**56]) == "AMOUNT_TOO_LARGE"
    d.chain.warp(MAX_AGE_S)
    assert d.refusal("ada", "trade", 0, SIZE, 0, MARGIN_Q) == ""
    d.chain.warp(1)
    assert d.refusal("ada", "trade", 0, SIZE, 0, MARGIN_Q) == "PRICE_STALE"


def test_without_a_fresh_price_only_what_needs_none_goes_on(long):
    long.do("ada", "deposit", 1, 100)
    long.chain.warp(MAX_AGE_S + 1)
    assert long.refusal("ada", "withdraw", 0, 1) == "PRICE_STALE"
    assert long.refusal("keeper", "liquidate", long["ada"], 0) == "PRICE_STALE"
    assert long.refusal("ada", "withdraw", 1, 100) == ""
    assert long.refusal("ada", "deposit", 0, 1) == ""


def test_paused_traders_reduce_and_leave_and_keepers_liquidate(long):
    long.do("owner", "pause", 0, True)
    assert long.refusal("ada", "trade", 0, 1, 0, 0) == "PAUSED"
    assert long.refusal("ada", "trade", 0, -2 * SIZE, 0, MARGIN_Q) == "PAUSED"
    assert long.refusal("ada", "trade", 0, -SIZE // 2, 0, 0) == ""
    assert long.refusal("ada", "withdraw", 0, 1) == ""
    assert long.refusal("ben", "trade", 1, SIZE, 0, MARGIN_Q) == ""
    long.set_price(45_000 * LOT)
    assert long.refusal("keeper", "liquidate", long["ada"], 0) == ""
    long.do("owner", "pause", 0, False)
    long.set_price(PRICE)
    assert long.refusal("ada", "trade", 0, 1, 0, 0) == ""


def test_nobody_closes_a_position_and_leaves_a_debt(long):
    long.set_price(45_000 * LOT)
    assert long.refusal("ada", "trade", 0, -SIZE, 0, 0) == "INITIAL_MARGIN"
    assert long.refusal("ada", "trade", 0, -SIZE // 2, 0, 0) == ""
    assert long.refusal("ada", "trade", 0, -SIZE, 0, 110 * 10**6) == ""


def test_the_pool_takes_no_more_than_its_cap(d):
    d.do("owner", "set_market", 0, 50_000, 25_000, 500, 5_000, 500_000, SIZE)
    d.do("ada", "trade", 0, SIZE, 0, MARGIN_Q)
    assert d.refusal("ben", "trade", 0, 1, 0, MARGIN_Q) == "BACKSTOP_CAPACITY"
    d.do("ben", "trade", 0, -2 * SIZE, 0, 2 * MARGIN_Q)
    assert d.refusal("ben", "trade", 0, -1, 0, 0) == "BACKSTOP_CAPACITY"


def test_ownership_changes_in_two_steps(d):
    d.do("owner", "transfer_ownership", d["ada"])
    assert d.refusal("ben", "accept_ownership") == "NOT_OWNER"
    assert d.refusal("ada", "pause", 0, True) == "NOT_OWNER"
    d.do("ada", "accept_ownership")
    assert d.refusal("owner", "pause", 0, True) == "NOT_OWNER"
    assert d.refusal("ada", "pause", 0, True) == ""
