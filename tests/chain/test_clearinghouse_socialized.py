"""Socialized loss: what no fund pays is shared by all who hold, by the engine and by the contract, to the atom.

Ada loses 504.50 USD more than she had, of which the fund pays 200 USD. At that price ben has 1,399.10 USD and cyd
299.55 USD, both in markets of the same pool.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.house import FUND_Q, TERMS, fresh
from ringfence.chain import clearinghouse as chain
from ringfence.clearing import command as cmd

MARK, COIN, USD = 2_000_000, 1_000, 10**6
SHARING = TERMS._replace(socializes=True)
DEBT_Q = 304_500_000
BEN_Q, CYD_Q = 1_399_100_000, 299_550_000


@pytest.fixture
def house():
    found = fresh(SHARING)
    for name, amount, size_b in (("ada.0", 1_500, 5_000), ("ben.0", 1_000, -1_000), ("cyd.1", 500, 500)):
        found.deposit(name, amount * USD)
        found.trade(name, 0, size_b)
    found.prices({0: 1_600_000})
    assert found.liquidate("ada.0", 0)
    return found


def quote_q(house, name):
    return house.storage.head(house.key(name)).quote_q


def insure(house, amount):
    """Somebody brings quote into the fund."""
    assert house.both(cmd.FundInsurance("p0", amount), "fund_insurance", 0, amount, by="provider")


def refusal(house, payers, pool=0):
    return house.refusal("socialize", pool, payers, by="keeper")


def test_a_loss_beyond_the_fund_is_a_debt_until_traders_share_it(house):
    assert house.house.call("pool_of", 0)[0] == 0
    assert house.house.call("debts", 0) == DEBT_Q
    before_q = {name: quote_q(house, name) for name in ("ben.0", "cyd.1")}
    assert house.socialize(0)
    assert house.house.call("debts", 0) == 0
    # 304.50 USD times 1,399.10 / 1,698.65 and 299.55 / 1,698.65: the odd atom is ben's, whose remainder is larger.
    shares_q = {name: before_q[name] - quote_q(house, name) for name in before_q}
    assert shares_q == {"ben.0": 250_802_667, "cyd.1": 53_697_333}
    [told] = [event.fields for event in house.house.events(house.receipt) if event.name == "LossSocialized"]
    assert told == {"pool": 0, "amount": DEBT_Q, "insured_q": 0}


def test_the_pool_goes_without_nothing(house):
    """Its liquidity takes the lots at the mark; what they lost before is not its loss."""
    equity_q = house.house.call("pool_equity", 0)
    assert house.socialize(0)
    assert house.house.call("pool_equity", 0) == equity_q


def test_the_fund_pays_first(house):
    insure(house, 100 * USD)
    ben_q = quote_q(house, "ben.0")
    assert house.socialize(0)
    assert ben_q - quote_q(house, "ben.0") == (DEBT_Q - 100 * USD) * BEN_Q // (BEN_Q + CYD_Q) + 1


def test_a_fund_that_pays_all_asks_nobody(house):
    insure(house, 400 * USD)
    ben_q = quote_q(house, "ben.0")
    assert refusal(house, []) == ""
    assert quote_q(house, "ben.0") == ben_q
    assert house.house.call("pool_of", 0)[0] == 400 * USD - DEBT_Q


def test_nobody_pays_more_than_the_equity_there_is(house):
    """Only cyd holds on, with a tenth of the debt; the rest stands, and her equity is zero and not below."""
    assert house.trade("ben.0", 0, 1_000)
    house.withdraw("cyd.1", 100 * USD)
    left_q = CYD_Q - 100 * USD
    assert house.socialize(0)
    assert house.house.call("debts", 0) == DEBT_Q - left_q
    assert house.house.call("risk_of", house.people["cyd"].address, 1)[0] == 0
    assert refusal(house, [house.key("cyd.1")]) == "NO_COUNTERPARTY"


def test_who_holds_in_two_markets_of_the_pool_pays_once(house):
    assert house.trade("cyd.1", 1, 5)
    assert len(house.payers(0)) == 2
    assert house.socialize(0)


def test_who_has_no_equity_is_listed_and_pays_nothing(house):
    """At 1,000 USD cyd's half coin has lost the 500 USD that she brought, and she owes her fee of 0.45 USD."""
    house.prices({0: 1_000_000})
    assert house.house.call("risk_of", house.people["cyd"].address, 1)[0] == -450_000
    before_q = quote_q(house, "ben.0")
    assert refusal(house, [house.key("ben.0")]) == "PAYER_MISSING"
    cyd_q = quote_q(house, "cyd.1")
    assert house.socialize(0)
    assert (before_q - quote_q(house, "ben.0"), quote_q(house, "cyd.1")) == (DEBT_Q, cyd_q)


def test_what_the_fund_pays_is_paid_even_where_nobody_has_equity(house):
    assert house.trade("ben.0", 0, 1_000)
    house.prices({0: 1_000_000})
    insure(house, 100 * USD)
    assert house.socialize(0)
    assert house.house.call("debts", 0) == DEBT_Q - 100 * USD
    assert refusal(house, [house.key("cyd.1")]) == "NO_COUNTERPARTY"


def test_who_holds_elsewhere_does_not_pay(house):
    house.deposit("cyd.2", 5_000 * USD)
    house.trade("cyd.2", 2, 10 * COIN)
    before_q = quote_q(house, "cyd.2")
    assert house.socialize(0)
    assert quote_q(house, "cyd.2") == before_q
    assert refusal(house, [house.key("cyd.2")]) == "POSITION_UNKNOWN"


def test_a_list_that_is_not_the_rulebooks_is_refused(house):
    ben, cyd = (house.key(name) for name in ("ben.0", "cyd.1"))
    odd = chain.PAYS_ODD_ATOM
    assert house.payers(0) == [ben | odd, cyd]
    pool = chain.key_of(house.house.address, 0)
    cases = {
        "PAYER_MISSING": ([], [ben | odd], [cyd]),
        "OUT_OF_ORDER": ([cyd, ben | odd], [ben, ben], [ben, cyd], [ben, cyd | odd], [ben | odd, cyd | odd]),
        "POSITION_UNKNOWN": ([house.key("ada.0"), ben | odd, cyd],),
        "SYSTEM_SUBACCOUNT": ([pool],),
    }
    for reason, lists in cases.items():
        assert [refusal(house, each) for each in lists] == [reason] * len(lists)
    assert refusal(house, [ben | odd, cyd]) == ""
    assert refusal(house, [ben, cyd]) == "NOTHING_OWED"


def test_what_is_not_there_is_not_shared(house):
    assert refusal(house, [], pool=16) == "POOL_UNKNOWN"
    assert refusal(house, [], pool=1) == "NO_COUNTERPARTY"
    assert refusal(fresh(), []) == "NOT_OFFERED"


def test_who_shares_losses_does_not_deleverage():
    house = fresh(SHARING)
    for name in ("ada.0", "ben.0"):
        house.deposit(name, 1_500 * USD)
    house.settle("ada.0", "ben.0", 0, 5 * COIN, MARK)
    house.prices({0: 1_600_000})
    assert not house.deleverage("ada.0", 0)
    assert house.liquidate("ada.0", 0)
    assert house.house.call("debts", 0) == 504_500_000 - FUND_Q
    assert house.socialize(0)


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(1, 10**4), min_size=6, max_size=6), st.integers(1, 10**6))
def test_any_equities_share_as_the_engine_splits(amounts, off):
    """Six equities of a few atoms' difference, equal ones among them: remainders tie, and the first pays."""
    house = fresh(SHARING)
    house.deposit("ada.0", 1_500 * USD)
    house.trade("ada.0", 0, 5 * COIN)
    holders = [f"{who}.{sub}" for who in ("ben", "cyd") for sub in (0, 1, 2)]
    for name, amount in zip(holders, amounts, strict=True):
        house.deposit(name, 300 * USD + amount // 2_000)
        house.trade(name, 0, -1)
    house.prices({0: 1_600_000 - off})
    assert house.liquidate("ada.0", 0)
    assert house.socialize(0)
    house.check_tokens()
