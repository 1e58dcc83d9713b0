"""Bad calls revert with the named reason: those of the engine, those of the chain, and bounds of parameters."""

import pytest

from chain.house import ANY_BUY, BTC, MARKETS, TERMS, fresh
from ringfence.chain import clearinghouse as chain
from ringfence.chain.node import RevertedError
from ringfence.clearing.verdict import Reason

USD = 10**6
ADA = "ada"
CHAIN_ONLY = {
    *("PAUSED", "NOT_OWNER", "NOT_FEED", "NOT_POOL", "PRICE_STALE", "SEQUENCER_DOWN", "GRACE_PERIOD"),
    *("SIGNATURE_INVALID", "ORDER_FINISHED", "TRANSFER_FAILED", "OUT_OF_ORDER", "PAYER_MISSING"),
}
UNLISTED = 99
PLAIN = chain.MarketTerms()


@pytest.fixture
def house():
    found = fresh()
    found.deposit("ada.0", 300 * USD)
    found.deposit("ada.1", 100_000, 1)
    found.trade("ada.0", 0, 1_000)
    return found


@pytest.mark.parametrize(
    ("reason", "by", "call"),
    [
        ("AMOUNT_NOT_POSITIVE", ADA, ("deposit", 0, 0, 0)),
        ("AMOUNT_NOT_POSITIVE", ADA, ("withdraw", 0, 0, 0)),
        ("AMOUNT_NOT_POSITIVE", ADA, ("trade", 0, 0, 0, ANY_BUY)),
        ("AMOUNT_TOO_LARGE", ADA, ("deposit", 0, 0, 2**95)),
        ("AMOUNT_TOO_LARGE", ADA, ("deposit", 0, 0, 2**80)),
        ("AMOUNT_TOO_LARGE", ADA, ("trade", 0, 0, 2**79, ANY_BUY)),
        ("AMOUNT_TOO_LARGE", "feed", ("accrue_funding", 0, TERMS.funding_cap_ppm + 1)),
        ("MARKET_UNKNOWN", ADA, ("trade", 0, UNLISTED, 1, ANY_BUY)),
        ("MARKET_UNKNOWN", ADA, ("trade", 0, 200, 1, ANY_BUY)),
        ("MARKET_UNKNOWN", "feed", ("accrue_funding", UNLISTED, 1)),
        ("ASSET_UNKNOWN", ADA, ("deposit", 0, 2, 1)),
        ("ASSET_UNKNOWN", ADA, ("deposit", 0, 200, 1)),
        ("POOL_UNKNOWN", ADA, ("fund_insurance", 16, 1)),
        ("SIZE_NOT_A_MULTIPLE", ADA, ("trade", 0, 2, 5, ANY_BUY)),
        ("SUBACCOUNTS_MUST_DIFFER", ADA, ("transfer_margin", 0, 0, 0, 1)),
        ("POSITION_UNKNOWN", ADA, ("close", 0, 1, ANY_BUY)),
        ("PRICE_BEYOND_LIMIT", ADA, ("trade", 0, 0, 1, 1_999_999)),
        ("PRICE_BEYOND_LIMIT", ADA, ("close", 0, 0, 2_000_001)),
        ("BALANCE_TOO_SMALL", ADA, ("withdraw", 1, BTC, 100_001)),
        ("INITIAL_MARGIN", ADA, ("withdraw", 0, 0, 99_100_001)),
        ("INITIAL_MARGIN", ADA, ("trade", 0, 0, 1_000, ANY_BUY)),
        ("INITIAL_MARGIN", ADA, ("withdraw", 2, 0, 1)),
        ("NOT_POOL", ADA, ("pool_deposit", 0, 1)),
        ("NOT_POOL", ADA, ("pool_withdraw", 0, 1, chain.ZERO_ADDRESS)),
        ("NOT_FEED", ADA, ("set_prices", 1, [])),
        ("NOT_FEED", "owner", ("accrue_funding", 0, 1)),
        ("NOT_OWNER", ADA, ("set_paused", True)),
        ("NOT_OWNER", ADA, ("set_feed", chain.ZERO_ADDRESS)),
        ("NOT_OWNER", ADA, ("transfer_ownership", chain.ZERO_ADDRESS)),
        ("NOT_OWNER", ADA, ("accept_ownership",)),
        ("NOT_OWNER", ADA, ("list_market", 5, *chain.MarketTerms())),
        ("NOT_OWNER", ADA, ("set_tiers", 0, [])),
        ("NOT_OWNER", ADA, ("open_pool", 5, chain.ZERO_ADDRESS)),
        ("NOT_OWNER", ADA, ("list_asset", 2, chain.ZERO_ADDRESS, 0, 0, 0)),
    ],
)
def test_a_bad_call_names_its_reason(house, reason, by, call):
    assert reason in CHAIN_ONLY or reason in Reason.__members__
    assert house.refusal(*call, by=by) == reason


@pytest.mark.parametrize(
    ("reason", "number", "price"),
    [
        ("MARKET_UNKNOWN", UNLISTED, 1),
        ("ASSET_UNKNOWN", chain.FIRST_ASSET + 5, 1),
        ("ASSET_UNKNOWN", chain.FIRST_ASSET + 16, 1),
        ("PRICE_NOT_POSITIVE", 0, 0),
        ("AMOUNT_TOO_LARGE", 9, 2**48),
    ],
)
def test_a_price_of_nothing_known_or_possible_is_refused(house, reason, number, price):
    house.refusal("list_market", 9, *PLAIN, by="owner")
    house.evm.warp(1)
    words = [number << chain.PRICE_AT | price]
    assert house.refusal("set_prices", house.evm.time_s, words, by="feed") == reason


def test_a_market_without_a_price_is_not_traded(house):
    house.refusal("list_market", 9, *PLAIN, by="owner")
    assert house.refusal("trade", 0, 9, 1, ANY_BUY, by="ada") == "PRICE_NOT_SET"


def test_funding_accrues_once_per_interval(house):
    house.evm.warp(1)
    assert house.refusal("accrue_funding", 0, 1, by="feed") == ""
    assert house.refusal("accrue_funding", 0, 1, by="feed") == "COOLDOWN"
    house.evm.warp(1)
    assert house.refusal("accrue_funding", 0, 1, by="feed") == ""


def test_a_funding_index_that_does_not_fit_is_refused(house):
    """2^87 is reached by a price of 2^47, a rate of 100 % and an index that counts 1e-18 of an atom."""
    house.house.send("list_market", 9, *PLAIN._replace(scale_exp=0), sender=house.people["owner"])
    chain.set_prices(house.made, house.people["feed"], {9: 2**47})
    assert house.refusal("accrue_funding", 9, 10**6, by="feed") == "AMOUNT_TOO_LARGE"


def test_another_feed_takes_over(house):
    ben = house.people["ben"].address
    assert house.refusal("set_feed", ben, by="owner") == ""
    words = [0 << chain.PRICE_AT | 2_000_001]
    house.evm.warp(1)
    assert house.refusal("set_prices", house.evm.time_s, words, by="feed") == "NOT_FEED"
    assert house.refusal("set_prices", house.evm.time_s, words, by="ben") == ""


def keeper_calls(house):
    ada, keeper = house.people["ada"].address, house.house.address
    return {
        "NOT_LIQUIDATABLE": ("liquidate", ada, 0, 0, 0),
        "POSITION_UNKNOWN": ("liquidate", ada, 0, 1, 0),
        "MARKET_UNKNOWN": ("liquidate", ada, 0, UNLISTED, 0),
        "SIZE_NOT_A_MULTIPLE": ("liquidate", ada, 0, 2, 5),
        "SYSTEM_SUBACCOUNT": ("liquidate", keeper, 0, 0, 0),
        "NOT_INSOLVENT": ("deleverage", ada, 0, 0, []),
        "NOTHING_OWED": ("sell_collateral", ada, 1, BTC),
        "BALANCE_TOO_SMALL": ("sell_collateral", ada, 0, BTC),
        "ASSET_UNKNOWN": ("sell_collateral", ada, 1, 0),
    }


def test_keepers_are_told_why_not(house):
    calls = keeper_calls(house)
    assert {reason: house.refusal(*call, by="keeper") for reason, call in calls.items()} == {
        reason: reason for reason in calls
    }


def test_collateral_that_backs_a_position_is_not_for_sale(house):
    house.deposit("ada.0", 100_000, 1)
    assert (
        house.refusal("sell_collateral", house.people["ada"].address, 0, BTC, by="keeper")
        == "NOT_LIQUIDATABLE"
    )


def test_tokens_that_do_not_come_are_not_booked(house):
    house.made.quote.send("approve", house.house.address, 0, sender=house.people["ada"])
    with pytest.raises(RevertedError):
        house.house.send("deposit", 0, 0, 1, sender=house.people["ada"])
    house.compare()


@pytest.mark.parametrize(
    "terms",
    [
        PLAIN._replace(maintenance_ppm=0),
        PLAIN._replace(maintenance_ppm=100_001),
        PLAIN._replace(initial_ppm=1_000_001),
        PLAIN._replace(pool=16),
        PLAIN._replace(scale_exp=32),
        PLAIN._replace(step_exp=16),
        PLAIN._replace(spread_ppm=15),
        PLAIN._replace(spread_ppm=10_240),
        PLAIN._replace(capacity_q=1),
        PLAIN._replace(capacity_q=10**9 * 2**40),
    ],
)
def test_market_terms_are_bounded(house, terms):
    assert house.refusal("list_market", 9, *terms, by="owner") == "PARAMETER_INVALID"


@pytest.mark.parametrize("change", [{"pool": 1}, {"scale_exp": 1}, {"step_exp": 1}])
def test_what_a_market_is_stays(house, change):
    assert house.refusal("list_market", 0, *MARKETS[0]._replace(**change), by="owner") == "PARAMETER_INVALID"


def test_what_a_market_asks_may_change_and_its_price_and_funding_stay(house):
    before = house.house.call("market_words", 1)
    assert not house.refusal("list_market", 1, *MARKETS[1]._replace(initial_ppm=60_000), by="owner")
    after = house.house.call("market_words", 1)
    assert before % 2**168 == after % 2**168
    assert after >> 168 & 2**20 - 1 == 60_000


TIER = 50_000 * USD


@pytest.mark.parametrize(
    "tiers",
    [
        [(TIER + 1, 150_000, 80_000)],
        [(0, 150_000, 80_000)],
        [(2**24 * 10**10, 150_000, 80_000)],
        [(TIER, 99_999, 80_000)],
        [(TIER, 150_000, 49_999)],
        [(TIER, 150_000, 150_001)],
        [(TIER, 1_000_001, 80_000)],
        [(TIER, 150_000, 80_000), (TIER, 300_000, 200_000)],
        [(TIER, 150_000, 80_000), (2 * TIER, 140_000, 100_000)],
    ],
)
def test_margin_tiers_rise(house, tiers):
    assert house.refusal("set_tiers", 0, tiers, by="owner") == "PARAMETER_INVALID"


@pytest.mark.parametrize(
    ("scale", "haircut", "discount"), [(64, 0, 0), (8, 1_000_001, 0), (8, 40_000, 40_001)]
)
def test_a_haircut_covers_the_discount_of_a_sale(house, scale, haircut, discount):
    token = house.btc.address
    assert house.refusal("list_asset", 2, token, scale, haircut, discount, by="owner") == "PARAMETER_INVALID"


def test_an_asset_stays_the_token_that_it_is(house):
    other = house.made.quote.address
    assert house.refusal("list_asset", BTC, other, 8, 100_000, 50_000, by="owner") == "PARAMETER_INVALID"
    assert (
        house.refusal("list_asset", BTC, house.btc.address, 7, 100_000, 50_000, by="owner")
        == "PARAMETER_INVALID"
    )
    assert house.refusal("list_asset", BTC, house.btc.address, 8, 110_000, 50_000, by="owner") == ""


def test_a_pool_is_opened_once(house):
    assert house.refusal("open_pool", 0, house.btc.address, by="owner") == "PARAMETER_INVALID"
    assert house.refusal("open_pool", 7, chain.ZERO_ADDRESS, by="owner") == "PARAMETER_INVALID"


@pytest.mark.parametrize(
    "change",
    [
        *({name: value} for name in chain.Terms._fields[:4] for value in (-1, 10**6 + 1)),
        *({"target_ppm": value} for value in (999_999, 10_000_001)),
        *({name: -1} for name in ("withdrawal_floor_ppm", "funding_cap_ppm")),
        *({"price_age_s": value} for value in (0, 2**30 + 1)),
        *({"price_move_ppm": value} for value in (0, 10**12 + 1)),
        {"grace_s": 2**32},
    ],
)
def test_terms_are_bounded(house, change):
    with pytest.raises(RevertedError, match="PARAMETER_INVALID"):
        house.evm.deploy(
            "Resolution", chain.ZERO_ADDRESS, tuple(TERMS._replace(**change)), sender=house.people["owner"]
        )


def test_all_parts_have_the_same_terms(house):
    owner, terms = house.people["owner"], tuple(TERMS._replace(taker_fee_ppm=451))
    arguments = (house.made.quote.address, chain.ZERO_ADDRESS, chain.ZERO_ADDRESS, terms)
    with pytest.raises(RevertedError, match="PARAMETER_INVALID"):
        house.evm.deploy("Clearinghouse", *arguments, house.made.backoffice.address, sender=owner)
    with pytest.raises(RevertedError, match="PARAMETER_INVALID"):
        house.evm.deploy("Backoffice", chain.ZERO_ADDRESS, terms, house.made.resolution.address, sender=owner)


def test_ownership_changes_hands_in_two_steps(house):
    ben = house.people["ben"].address
    assert not house.refusal("transfer_ownership", ben, by="owner")
    assert house.house.call("owner") == house.people["owner"].address
    assert house.refusal("accept_ownership", by="ada") == "NOT_OWNER"
    assert not house.refusal("accept_ownership", by="ben")
    assert house.house.call("owner") == ben
    assert house.refusal("set_paused", True, by="owner") == "NOT_OWNER"
