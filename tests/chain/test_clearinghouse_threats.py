"""One test or more per threat of docs/explain/threat-model.md, in its order."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.house import ANY_BUY, BTC, LIQUIDITY_Q, MARKETS, START_PRICES, TERMS, fresh
from ringfence.chain import clearinghouse as chain
from ringfence.chain.compile import compile_contract
from ringfence.chain.node import RevertedError

USD = 10**6
COIN = 1_000
MARK = START_PRICES[0]
STRICT = TERMS._replace(price_age_s=60, price_move_ppm=20_000, grace_s=3_600)
"""Prices of the last minute, 2 % a second, an hour of grace."""


@pytest.fixture
def house():
    return fresh()


@pytest.fixture
def strict():
    """A house with narrow limits on prices; ada holds one coin in it."""
    found = fresh(STRICT)
    found.deposit("ada.0", 300 * USD)
    found.trade("ada.0", 0, COIN)
    return found


def mark(house, market=0):
    return house.house.call("market_words", market) % 2**48


def report(house, price, seconds=1):
    """The feed reports a price of `m0` some seconds later."""
    house.evm.warp(seconds)
    chain.set_prices(house.made, house.people["feed"], {0: price})


# -- oracle manipulation -------------------------------------------------------------------------------------


@pytest.mark.parametrize("price", [1, 10**12])
def test_a_false_price_moves_the_mark_by_no_more_than_the_limit(strict, price):
    report(strict, price)
    assert mark(strict) == (MARK * 98 // 100 if price < MARK else MARK * 102 // 100)
    report(strict, MARK, seconds=2)
    assert mark(strict) == MARK


def test_a_price_moves_once_a_second(strict):
    report(strict, MARK // 2)
    report(strict, MARK // 2, seconds=0)
    assert mark(strict) == MARK * 98 // 100


def test_a_crash_reaches_the_mark_all_the_same(strict):
    for _ in range(18):
        report(strict, MARK * 7 // 10)
    assert mark(strict) == MARK * 7 // 10
    ada = strict.people["ada"].address
    assert strict.refusal("liquidate", ada, 0, 0, 0, by="keeper") == ""


@pytest.mark.parametrize("off_s", [-61, 1])
def test_prices_are_neither_old_nor_of_the_future(strict, off_s):
    words = [0 << chain.PRICE_AT | MARK]
    time_s = strict.evm.time_s + off_s
    assert strict.refusal("set_prices", time_s, words, by="feed") == "PRICE_STALE"


def test_time_does_not_run_backwards(strict):
    report(strict, MARK, seconds=30)
    words = [0 << chain.PRICE_AT | MARK]
    assert strict.refusal("set_prices", strict.evm.time_s - 1, words, by="feed") == "TIME_RUNS_BACKWARDS"


def test_an_old_price_decides_nothing(strict):
    ada = strict.people["ada"].address
    strict.deposit("ben.0", 300 * USD)
    fills = (strict.order("ben.0", 0, 1, ANY_BUY % 2**60), strict.order("ada.0", 0, -1, MARK), 1)
    strict.evm.warp(61)
    calls = (
        ("withdraw", 0, 0, 1),
        ("trade", 0, 0, 1, ANY_BUY),
        ("close", 0, 0, 0),
        ("liquidate", ada, 0, 0, 0),
        ("liquidate_account", ada, 0, [0]),
        ("settle", fills),
    )
    assert {strict.refusal(*call, by="ada") for call in calls} == {"PRICE_STALE"}


def test_a_fill_far_from_the_mark_takes_nothing_out(house):
    """Ada sells to her other subaccount far above the mark; what one loses, the other takes out only if both stand."""
    for sub in (0, 1):
        house.deposit(f"ada.{sub}", 300 * USD)
    assert not house.settle("ada.0", "ada.1", 0, COIN, 2 * MARK)
    assert house.settle("ada.0", "ada.1", 0, COIN // 2, MARK + MARK // 10)
    quote_q = [house.storage.head(house.key(f"ada.{sub}")).quote_q for sub in (0, 1)]
    assert not house.withdraw("ada.1", 300 * USD + 1)
    assert house.storage.head(house.key("ada.1")).quote_q == quote_q[1]


# -- sequencer outage ----------------------------------------------------------------------------------------


def sequencer(house, *, is_down, since_s):
    house.uptime.send("set_round", 1, int(is_down), since_s, since_s, 1, sender=house.people["owner"])


def test_no_price_is_taken_while_the_sequencer_is_down(strict):
    sequencer(strict, is_down=True, since_s=strict.evm.time_s)
    words = [0 << chain.PRICE_AT | MARK]
    assert strict.refusal("set_prices", strict.evm.time_s, words, by="feed") == "SEQUENCER_DOWN"


def test_after_an_outage_owners_come_before_liquidators(strict):
    ada = strict.people["ada"].address
    strict.evm.warp(7_200)
    up_s = strict.evm.time_s
    sequencer(strict, is_down=False, since_s=up_s)
    report(strict, MARK * 88 // 100)
    for call in (
        ("liquidate", ada, 0, 0, 0),
        ("liquidate_account", ada, 0, [0]),
        ("deleverage", ada, 0, 0, []),
        ("socialize", 0, []),
    ):
        assert strict.refusal(*call, by="keeper") == "GRACE_PERIOD"
    with strict.evm.attempt():
        assert strict.refusal("close", 0, 0, 0, by="ada") == ""
        assert strict.refusal("deposit", 0, 0, USD, by="ada") == ""
    report(strict, MARK * 88 // 100, seconds=up_s + STRICT.grace_s - strict.evm.time_s)
    assert strict.refusal("liquidate", ada, 0, 0, 0, by="keeper") == ""


# -- reentrancy ----------------------------------------------------------------------------------------------


@pytest.fixture
def reentrant(house):
    """A house that lists a token which calls back; ada has some of it, and ben is about to be liquidated."""
    token = house.evm.deploy(
        compile_contract("Reentrant", folder=Path(__file__).parent / "contracts"),
        sender=house.people["owner"],
    )
    house.house.send("list_asset", 2, token.address, 6, 500_000, 0, sender=house.people["owner"])
    token.send("mint", house.people["ada"].address, 10**9, sender=house.people["ada"])
    house.house.send("deposit", 9, 2, 10**9, sender=house.people["ada"])
    house.deposit("ben.0", 300 * USD)
    house.trade("ben.0", 0, COIN)
    house.prices({0: MARK * 85 // 100})
    return house, token


def calls_back(house):
    """A call of either part that anybody may make: nothing to settle, and a liquidation that is due."""
    ben = house.people["ben"].address
    return {
        "settle_many": house.house.data("settle_many", []),
        "liquidate": house.house.data("liquidate", ben, 0, 0, 0),
    }


@pytest.mark.parametrize("name", ["settle_many", "liquidate"])
def test_a_token_cannot_call_back_into_either_part(reentrant, name):
    house, token = reentrant
    ada, data = house.people["ada"], calls_back(house)[name]
    token.send("arm", house.house.address, data, sender=ada)
    with house.evm.attempt():
        token.send("attack", sender=ada)
        assert token.call("worked")
    house.house.send("withdraw", 9, 2, 1, sender=ada)
    assert token.call("tried")
    assert not token.call("worked")


@pytest.mark.parametrize("part", chain.PARTS[1:])
def test_all_parts_of_the_code_have_one_storage(part):
    front, other = compile_contract(chain.PARTS[0]).layout, compile_contract(part).layout
    shared = ("storage_layout", "transient_storage_layout")
    assert all(front.get(key) == other.get(key) for key in shared)
    assert front["storage_layout"]


def test_the_other_parts_by_themselves_do_nothing(house):
    """Called directly they have their own, empty storage, and no tokens."""
    office, owner = house.made.backoffice, house.people["owner"]
    with pytest.raises(RevertedError, match="MARKET_UNKNOWN"):
        office.send("liquidate", house.people["ada"].address, 0, 0, 0, sender=owner)
    with pytest.raises(RevertedError, match="MARKET_UNKNOWN"):
        house.made.resolution.send("deleverage", house.people["ada"].address, 0, 0, [], sender=owner)
    office.send("list_market", 5, *chain.MarketTerms(), sender=owner)
    assert house.house.call("market_words", 5) == 0
    house.compare()


# -- rounding ------------------------------------------------------------------------------------------------


@settings(max_examples=5)
@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 10**6)), min_size=1, max_size=6))
def test_round_trips_of_dust_never_pay(trips):
    """Lots bought and sold at one mark leave no more than there was, whatever the last digits are."""
    house = fresh(TERMS._replace(taker_fee_ppm=0, maker_fee_ppm=0))
    house.deposit("ada.0", 10**10)
    for size_b, price in trips:
        house.prices({2: START_PRICES[2] + price})
        before_q = house.storage.head(house.key("ada.0")).quote_q
        house.trade("ada.0", 2, 10 * size_b)
        house.trade("ada.0", 2, -10 * size_b)
        assert house.storage.head(house.key("ada.0")).quote_q <= before_q
    house.check_tokens()


# -- first depositor -----------------------------------------------------------------------------------------


def test_the_first_depositor_cannot_take_the_seconds_deposit(house):
    """Ada owns one atom's worth of shares and makes them dear by losing to the pool; ben's deposit keeps its worth."""
    owner, ada, ben = (house.people[name] for name in ("owner", "ada", "ben"))
    house.house.send("list_market", 5, *chain.MarketTerms(pool=5, scale_exp=0), sender=owner)
    shares = chain.open_pool(house.made, owner, 5)
    for account in (ada, ben):
        house.made.quote.send("approve", shares.address, 2**256 - 1, sender=account)
    shares.send("deposit", 1, sender=ada)
    chain.set_prices(house.made, house.people["feed"], {5: MARK})
    house.house.send("deposit", 0, 0, 1_000 * USD, sender=ada)
    house.house.send("trade", 0, 5, COIN, ANY_BUY, sender=ada)
    house.evm.warp(1)
    chain.set_prices(house.made, house.people["feed"], {5: MARK * 9 // 10})
    house.house.send("close", 0, 5, 0, sender=ada)
    house.made.quote.send("transfer", house.house.address, 10**9, sender=ada)  # counts for nothing
    assert shares.call("totalAssets") > 199 * USD
    shares.send("deposit", 50 * USD, sender=ben)
    kept_q = shares.call("maxWithdraw", ben.address)
    assert 50 * USD - kept_q <= 300  # atoms: one of a million virtual shares and what was given away for them
    assert (
        shares.call("maxWithdraw", ada.address) < 101 * USD
    )  # half of what ada lost stands behind virtual shares


# -- griefing by dust ----------------------------------------------------------------------------------------


def test_dust_of_one_subaccount_is_nobody_elses_matter(house):
    """Ben's many tiny subaccounts change neither what ada's liquidation costs nor whether it happens."""
    house.deposit("ada.0", 300 * USD)
    house.trade("ada.0", 0, COIN)
    house.prices({0: MARK * 85 // 100})
    ada, ben = house.people["ada"].address, house.people["ben"]

    def dust(sub):
        house.house.send("deposit", sub, 0, USD, sender=ben)
        house.house.send("trade", sub, 0, 1, ANY_BUY, sender=ben)

    dust(100)
    with house.evm.attempt():
        assert not house.refusal("liquidate", ada, 0, 0, 0, by="keeper")
        alone = house.receipt.gas_used
    for sub in range(101, 120):
        dust(sub)
    assert not house.refusal("liquidate", ada, 0, 0, 0, by="keeper")
    # The pool's position is one word, however many trades made it.
    assert abs(house.receipt.gas_used - alone) < 100


def test_nobody_can_put_anything_into_anothers_subaccount(house):
    """Every call that adds to a subaccount acts on the caller's own, or needs its owner's signature."""
    named = {entry["name"]: entry for entry in house.house.artifact.abi if entry["type"] == "function"}
    by_account = {
        name for name, entry in named.items() if any(i["name"] == "account" for i in entry["inputs"])
    }
    writes = {name for name in by_account if named[name]["stateMutability"] != "view"}
    assert writes == {"liquidate", "liquidate_account", "deleverage", "sell_collateral"}


# -- the switch ----------------------------------------------------------------------------------------------


def test_a_paused_system_lets_people_reduce_and_leave(house):
    for name in ("ada.0", "ben.0"):
        house.deposit(name, 300 * USD)
        house.trade(name, 0, COIN)
    house.refusal("set_paused", True, by="owner")
    assert house.refusal("trade", 0, 0, 1, ANY_BUY, by="ada") == "PAUSED"
    assert house.refusal("trade", 0, 0, -1_001, 0, by="ada") == "PAUSED"
    assert house.refusal("trade", 0, 1, 1, ANY_BUY, by="ada") == "PAUSED"
    assert house.refusal("trade", 0, 2, 10, ANY_BUY, by="ada") == "PAUSED"  # of another pool
    orders = (house.order("ada.0", 0, 1, 2**60), house.order("ben.0", 0, -1, MARK), 1)
    assert house.refusal("settle", orders, by="keeper") == "PAUSED"
    assert house.trade("ada.0", 0, -400)
    assert house.deposit("ada.0", 1)
    assert house.refusal("close", 0, 0, 0, by="ada") == ""
    held_q = house.storage.head(house.key("ada.0")).quote_q
    assert house.refusal("withdraw", 0, 0, held_q, by="ada") == ""
    assert house.refusal("set_paused", False, by="owner") == ""
    assert house.refusal("trade", 0, 0, 1, ANY_BUY, by="ben") == ""


def test_liquidations_go_on_while_paused(house):
    house.deposit("ada.0", 300 * USD)
    house.trade("ada.0", 0, COIN)
    house.prices({0: MARK * 85 // 100})
    house.refusal("set_paused", True, by="owner")
    assert house.liquidate("ada.0", 0)


def test_who_is_flat_leaves_without_any_price(strict):
    strict.deposit("ben.0", 50 * USD)
    strict.deposit("ben.0", 7_000, 1)
    strict.evm.warp(10**6)
    assert strict.withdraw("ben.0", 7_000, 1)
    assert strict.withdraw("ben.0", 50 * USD)


# -- closing lots freely -------------------------------------------------------------------------------------


@pytest.fixture
def sinking():
    """Where lots are closed freely, ada is long a coin in two markets of a pool and has lost more than she had."""
    found = fresh(TERMS._replace(free_reduce=True, price_age_s=60))
    found.deposit("ada.0", 4_000 * USD)
    for market in (0, 1):
        found.trade("ada.0", market, COIN)
    found.prices(START_PRICES | {1: 26_000_000_000})
    assert found.venue.subaccounts["ada.0"].quote_q < 0
    assert found.house.call("risk_of", found.people["ada"].address, 0)[0] < 0
    return found


def test_lots_that_free_what_they_cost_are_closed_without_a_look_at_other_positions(sinking):
    """Even by who is insolvent, and with another market's price too old."""
    sinking.evm.warp(61)
    chain.set_prices(sinking.made, sinking.people["feed"], {0: MARK})
    assert sinking.trade("ada.0", 0, -400)
    assert sinking.refusal("withdraw", 0, 0, 1, by="ada") == "PRICE_STALE"
    assert sinking.refusal("trade", 0, 1, -1, 0, by="ada") == "PRICE_STALE"
    assert sinking.trade("ada.0", 0, -600)


def test_only_the_funding_of_the_position_that_shrinks_is_booked(sinking):
    for market in (0, 1):
        sinking.fund(market, 1_000)
    assert sinking.trade("ada.0", 0, -1)
    held = sinking.venue.subaccounts["ada.0"].positions
    assert [held[name].funding_index != 0 for name in ("m0", "m1")] == [True, False]
    sinking.compare_risk("ada.0")


def test_closing_leaves_something_to_liquidate(sinking):
    assert sinking.trade("ada.0", 0, -COIN)
    assert not sinking.trade("ada.0", 1, -COIN)
    assert sinking.trade("ada.0", 1, 1 - COIN)
    assert sinking.liquidate("ada.0", 1)


def test_a_loss_is_not_left_to_another_pool(sinking):
    sinking.deposit("ada.0", 10_000 * USD)
    sinking.trade("ada.0", 2, 1_000)
    sinking.prices({1: 10_000_000_000})
    assert not sinking.trade("ada.0", 0, -1)
    assert not sinking.trade("ada.0", 2, -1_000)
    assert sinking.liquidate("ada.0", 2)


def test_closing_freely_is_for_the_pools_price_and_for_shrinking(sinking):
    sinking.deposit("ben.0", 10_000 * USD)
    assert not sinking.settle("ada.0", "ben.0", 0, -COIN, MARK)
    assert not sinking.settle("ben.0", "ada.0", 0, COIN, MARK)
    assert not sinking.trade("ada.0", 0, -COIN - 1)
    assert not sinking.trade("ada.0", 0, 1)


def test_lots_may_cost_all_that_they_free_and_no_more(sinking):
    """A thousand lots of an atom each ask 50 atoms: 20 of them free one, the least fee; 19 free none."""
    sinking.prices({0: 1})
    assert not sinking.trade("ada.0", 0, -19)
    assert sinking.trade("ada.0", 0, -20)


def test_a_spread_that_costs_more_than_lots_free_is_looked_at(sinking):
    """Maintenance margin is 0.12 % and the fee 0.045 %: a spread of 0.1 % is too much, one of 0.07 % is not."""
    terms = MARKETS[1]._replace(initial_ppm=2_000, maintenance_ppm=1_200, spread_ppm=1_000)
    sinking.house.send("list_market", 1, *terms, sender=sinking.people["owner"])
    assert sinking.refusal("trade", 0, 1, -1, 0, by="ada") == "INITIAL_MARGIN"
    sinking.house.send("list_market", 1, *terms._replace(spread_ppm=700), sender=sinking.people["owner"])
    assert sinking.refusal("trade", 0, 1, -1, 0, by="ada") == ""


# -- the pool's solvency -------------------------------------------------------------------------------------


def test_a_pool_takes_no_more_than_its_capacity(house):
    terms = chain.MarketTerms(scale_exp=0, capacity_q=3_000 * USD)
    house.house.send("list_market", 0, *terms, sender=house.people["owner"])
    house.deposit("ada.0", 10_000 * USD)
    assert house.refusal("trade", 0, 0, 1_501, ANY_BUY, by="ada") == "BACKSTOP_CAPACITY"
    assert house.refusal("trade", 0, 0, 1_500, ANY_BUY, by="ada") == ""
    assert house.refusal("trade", 0, 0, 1, ANY_BUY, by="ada") == "BACKSTOP_CAPACITY"
    assert house.refusal("trade", 0, 0, -1, 0, by="ada") == ""


def test_liquidity_that_backs_positions_stays(house):
    house.deposit("ada.0", 1_000 * USD)
    house.trade("ada.0", 0, COIN)
    provider, shares = house.people["provider"], house.shares[0]
    free_q = shares.call("maxWithdraw", provider.address)
    assert free_q < LIQUIDITY_Q
    with pytest.raises(RevertedError, match="INITIAL_MARGIN"):
        shares.send("withdraw", free_q + 10 * USD, sender=provider)
    shares.send("withdraw", free_q, sender=provider)
    equity, initial, _, _ = house.house.call("risk_of", house.house.address, 0)
    assert 0 <= equity - initial < 10


def test_one_pools_loss_is_not_anothers(house):
    before = house.house.call("pool_equity", 1), house.house.call("pool_of", 1)
    house.deposit("ada.0", 1_500 * USD)
    house.trade("ada.0", 0, 5 * COIN)
    house.prices({0: MARK // 2})
    assert house.liquidate("ada.0", 0)
    assert (house.house.call("pool_equity", 1), house.house.call("pool_of", 1)) == before
    assert house.house.call("pool_of", 0)[0] == 0


def test_collateral_of_a_flat_subaccount_is_safe_without_a_debt(house):
    house.deposit("ada.1", 5_000, 1)
    ada = house.people["ada"].address
    assert house.refusal("sell_collateral", ada, 1, BTC, by="keeper") == "NOTHING_OWED"


# -- socialized loss -----------------------------------------------------------------------------------------


def test_nobody_is_left_out_of_a_loss_that_traders_share():
    """Ada's loss is for ben and cyd; a keeper who lists one of them, or one of them twice, is refused."""
    house = fresh(TERMS._replace(socializes=True))
    for name, size_b in (("ada.0", 5 * COIN), ("ben.0", -COIN), ("cyd.0", -COIN)):
        house.deposit(name, 1_500 * USD)
        house.trade(name, 0, size_b)
    house.prices({0: MARK // 2})
    assert house.liquidate("ada.0", 0)
    first, second = house.payers(0)
    for payers in ([first], [second], [first, first], [second, first], []):
        assert house.refusal("socialize", 0, payers, by="keeper") in ("PAYER_MISSING", "OUT_OF_ORDER")
    assert house.refusal("socialize", 0, [first, second], by="keeper") == ""


def test_a_shared_loss_takes_no_more_than_the_equity_behind_it():
    """A debt larger than all that is left leaves everybody at zero, and what nobody can pay stays on the books."""
    house = fresh(TERMS._replace(socializes=True))
    for name, amount, size_b in (("ada.0", 3_000, 10 * COIN), ("ben.0", 20, COIN // 100)):
        house.deposit(name, amount * USD)
        house.trade(name, 0, size_b)
    house.prices({0: MARK // 2})
    assert house.liquidate("ada.0", 0)
    assert house.socialize(0)
    assert house.house.call("risk_of", house.people["ben"].address, 0)[0] == 0
    assert house.house.call("debts", 0) > 0
    house.check_tokens()
