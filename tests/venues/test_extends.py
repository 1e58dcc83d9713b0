"""A rulebook that states only what differs from another one of the library, and Hyperliquid's account modes."""

import pytest

from ringfence.clearing import command as cmd
from ringfence.clearing.log import Clearinghouse
from ringfence.clearing.model import QUOTE
from ringfence.clearing.risk import Risk, is_liquidatable, subaccount_risk
from ringfence.clearing.verdict import Reason
from ringfence.errors import InputError
from ringfence.venues.rulebook import build_venue, load

USD = 10**6


@pytest.mark.parametrize("name", ["hyperliquid-unified", "hyperliquid-portfolio"])
def test_what_is_not_stated_is_taken_from_the_other(name):
    base, rulebook = load("hyperliquid@2026-07"), load(name)
    assert rulebook.symbols == base.symbols
    assert [rulebook.requirement(symbol) for symbol in base.symbols] == [
        base.requirement(symbol) for symbol in base.symbols
    ]
    assert rulebook.head.venue == name


def test_what_is_stated_counts_here_and_only_here():
    assert load("hyperliquid@2026-07").policy().exclusive_pools
    assert not load("hyperliquid-portfolio").policy().exclusive_pools


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ("nowhere", "extends: no rulebook of the library is named 'nowhere'"),
        ("other.toml", "extends: no rulebook of the library is named 'other.toml'"),
        ("hyperliquid-portfolio", "extends: 'hyperliquid-portfolio' extends another rulebook itself"),
    ],
)
def test_what_cannot_be_extended(write, named, sentence):
    path = write(('title = "A', f'extends = "{named}"\ntitle = "A'))
    with pytest.raises(InputError) as error:
        load(path)
    assert str(error.value) == f"{path}: {sentence}"


def test_a_version_does_not_extend_its_own_venue(write):
    path = write(('venue = "small"', 'venue = "generic"'), ('title = "A', 'extends = "generic"\ntitle = "A'))
    with pytest.raises(InputError, match="is the same venue; a version states all of its values"):
        load(path)


def test_margin_is_locked_where_every_mode_says_so():
    rulebook = load("hyperliquid")
    assert rulebook.market("MEGA").margin_locked
    assert not rulebook.market("BTC").margin_locked


def test_an_asset_without_rates_for_who_owes_it_is_not_lent():
    assert not load("hyperliquid-portfolio").asset("HYPE").lent


# --- portfolio margin -------------------------------------------------------------------------------------------------


def borrower():
    """`a` pledges 10,000 HYPE at 40 USD."""
    house = Clearinghouse(build_venue(load("hyperliquid-portfolio"), ["BTC", "HYPE"]))
    house.require(cmd.OpenSubaccount("a", "a"))
    price(house, 40 * 10**4)
    house.require(cmd.Deposit("a", "HYPE", 10_000 * 10**8))
    return house


def price(house, quanta):
    """Set what HYPE costs, in 1/10,000 USD."""
    market = house.venue.markets["HYPE"]
    mark = quanta * 10**market.price_decimals // 10**4
    block = house.venue.block + 1
    house.require(cmd.SetPrices(block, block, marks={"HYPE": mark}, assets={"HYPE": quanta}))


def risk(house):
    return subaccount_risk(house.venue, house.venue.subaccounts["a"])


def test_half_of_the_worth_can_be_borrowed():
    """10,000 HYPE at 40 USD lend 200,000 USDC: the page on portfolio margin."""
    house = borrower()
    assert house.submit(cmd.Withdraw("a", QUOTE, 200_000 * USD + 1)).reason == Reason.INITIAL_MARGIN
    house.require(cmd.Withdraw("a", QUOTE, 200_000 * USD))
    assert risk(house) == Risk(200_000 * USD, 200_000 * USD, 100_000 * USD, 0)


def test_three_quarters_of_it_count_where_an_account_is_judged():
    house = borrower()
    house.require(cmd.Withdraw("a", QUOTE, 200_000 * USD))
    # 266,667 of worth: three quarters are 200,000.25; 266,666: 199,999.5
    price(house, 266_667)
    assert not is_liquidatable(house.venue, house.venue.subaccounts["a"])
    price(house, 266_666)
    assert is_liquidatable(house.venue, house.venue.subaccounts["a"])
