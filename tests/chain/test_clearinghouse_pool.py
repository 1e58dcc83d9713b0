"""Shares of a pool's liquidity: what they cost and bring, who may move them, and what a loss does to all of them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.house import ANY_BUY, LIQUIDITY_Q, fresh
from ringfence.chain.node import RevertedError

USD = 10**6
SHARE = 10**6
"""Shares that one atom buys at first: they have 12 decimals, the quote asset has 6."""


@pytest.fixture
def house():
    return fresh()


@pytest.fixture
def shares(house):
    return house.shares[0]


def worth(shares, account):
    return shares.call("convertToAssets", shares.call("balanceOf", account.address))


def test_shares_start_at_one_atom_per_million(house, shares):
    provider = house.people["provider"].address
    assert shares.call("balanceOf", provider) == shares.call("totalSupply") == LIQUIDITY_Q * SHARE
    assert shares.call("totalAssets") == LIQUIDITY_Q
    assert shares.call("decimals") == 12
    assert shares.call("asset") == house.made.quote.address


def test_what_goes_in_comes_out(house, shares):
    ada = house.people["ada"]
    before_q = house.made.quote.call("balanceOf", ada.address)
    shares.send("deposit", 700 * USD, sender=ada)
    shares.send("mint", 300 * USD * SHARE, ada.address, sender=ada)
    assert worth(shares, ada) == 1_000 * USD
    shares.send("withdraw", 400 * USD, sender=ada)
    shares.send("redeem", 600 * USD * SHARE, sender=ada)
    assert shares.call("balanceOf", ada.address) == 0
    assert house.made.quote.call("balanceOf", ada.address) == before_q
    house.compare()


@settings(max_examples=10)
@given(st.integers(1, 10**12), st.integers(-300_000, 300_000), st.integers(1, 10**12))
def test_previews_are_what_happens_and_every_round_trip_costs(amount_q, move_ppm, other_q):
    """Whatever the pool has won or lost before: a preview is exact, and who comes and goes at once gains nothing."""
    house = fresh()
    shares, ada = house.shares[0], house.people["ada"]
    house.deposit("ben.0", 50_000 * USD)
    house.trade("ben.0", 0, 10_000)
    house.prices({0: 2_000_000 + move_ppm})
    shares.send("deposit", other_q, sender=house.people["cyd"])
    foreseen = shares.call("previewDeposit", amount_q)
    shares.send("deposit", amount_q, sender=ada)
    assert shares.call("balanceOf", ada.address) == foreseen
    bought = foreseen // 2 + 1
    cost_q = shares.call("previewMint", bought)
    assert cost_q >= shares.call("convertToAssets", bought)
    back_q = shares.call("previewRedeem", foreseen)
    assert back_q <= amount_q
    before_q = house.made.quote.call("balanceOf", ada.address)
    shares.send("redeem", foreseen, sender=ada) if back_q else None
    assert house.made.quote.call("balanceOf", ada.address) == before_q + back_q


def test_shares_move_like_a_token(house, shares):
    provider, ada, ben = (house.people[name] for name in ("provider", "ada", "ben"))
    shares.send("transfer", ada.address, 10, sender=provider)
    with pytest.raises(RevertedError):
        shares.send("transferFrom", ada.address, ben.address, 1, sender=ben)
    shares.send("approve", ben.address, 7, sender=ada)
    shares.send("transferFrom", ada.address, ben.address, 7, sender=ben)
    with pytest.raises(RevertedError):
        shares.send("transferFrom", ada.address, ben.address, 1, sender=ben)
    with pytest.raises(RevertedError):
        shares.send("transfer", ben.address, 4, sender=ada)
    assert [shares.call("balanceOf", who.address) for who in (ada, ben)] == [3, 7]


def test_only_who_is_allowed_takes_anothers_liquidity(house, shares):
    provider, ada = house.people["provider"], house.people["ada"]
    with pytest.raises(RevertedError):
        shares.send("withdraw", 100, ada.address, provider.address, sender=ada)
    shares.send("approve", ada.address, 100 * SHARE, sender=provider)
    before_q = house.made.quote.call("balanceOf", ada.address)
    shares.send("withdraw", 100, ada.address, provider.address, sender=ada)
    assert house.made.quote.call("balanceOf", ada.address) == before_q + 100
    assert shares.call("allowance", provider.address, ada.address) == 0


def test_nothing_buys_nothing(house, shares):
    for call in (("deposit", 0), ("mint", 0), ("withdraw", 0), ("redeem", 0)):
        with pytest.raises(RevertedError, match="AMOUNT_NOT_POSITIVE"):
            shares.send(*call, sender=house.people["ada"])


def test_a_traders_profit_is_every_shares_loss(house, shares):
    """Ben makes 1,000 USD on five coins; the pool has them less, and a tenth of the shares bears a tenth."""
    ada, provider = house.people["ada"], house.people["provider"]
    house.deposit("ben.0", 2_000 * USD)
    house.trade("ben.0", 0, 5_000)
    shares.send("deposit", shares.call("totalAssets") // 9, sender=ada)
    total_q, ada_q, provider_q = shares.call("totalAssets"), worth(shares, ada), worth(shares, provider)
    house.prices({0: 2_200_000})
    assert shares.call("totalAssets") == total_q - 1_000 * USD
    assert ada_q - worth(shares, ada) == pytest.approx(100 * USD, abs=2)
    assert provider_q - worth(shares, provider) == pytest.approx(900 * USD, abs=2)


def test_a_pool_that_owes_sells_no_shares(house):
    """A pool of 100 USD sold five coins and lost 1,000 USD on them."""
    owner = house.people["owner"]
    for each in house.shares[:1]:
        free_q = each.call("maxWithdraw", house.people["provider"].address)
        each.send("withdraw", free_q - 100 * USD, sender=house.people["provider"])
    house.house.send("deposit", 5, 0, 2_000 * USD, sender=house.people["ben"])
    house.house.send("trade", 5, 0, 5_000, ANY_BUY, sender=house.people["ben"])
    house.prices({0: 2_200_000})
    shares = house.shares[0]
    assert house.house.call("pool_equity", 0) < 0
    assert shares.call("totalAssets") == shares.call("maxWithdraw", house.people["provider"].address) == 0
    assert shares.call("maxDeposit", owner.address) == shares.call("maxMint", owner.address) == 0
    with pytest.raises(RevertedError, match="BACKSTOP_CAPACITY"):
        shares.send("deposit", USD, sender=owner)


def test_the_limits_on_offer_are_those_that_hold(house, shares):
    provider = house.people["provider"]
    assert shares.call("maxDeposit", provider.address) == 2**95 - 1
    assert shares.call("maxMint", provider.address) == shares.call("convertToShares", 2**95 - 1)
    house.deposit("ada.0", 1_000 * USD)
    house.trade("ada.0", 0, 1_000)
    most = shares.call("maxRedeem", provider.address)
    assert most < shares.call("balanceOf", provider.address)
    shares.send("redeem", most, sender=provider)
