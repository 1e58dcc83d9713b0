"""Loans: collateral with weights backs a debt in quote, is safe while it does, and is sold by portions after that.

A thousand atoms of BTC are one coin. It counts at 80 % for borrowing and 86 % before it is sold; who buys it gets 5 %
more than it is worth, a tenth of which is the venue's. These are the terms of Aave v3's tests
(`aave-v3-origin@fd1fbd91 tests/mocks/AaveV3TestListing.sol:80-82`) on a coarse grid.
"""

from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

import naive
from clearing.world import World, haircut, liquidation, moved
from ringfence.clearing import command as cmd
from ringfence.clearing.decide import valid_policy
from ringfence.clearing.loans import collateral_sale
from ringfence.clearing.log import Clearinghouse
from ringfence.clearing.model import QUOTE, Asset, Scale
from ringfence.clearing.policy import Policy, Sided
from ringfence.clearing.pools import ConstantProduct, PoolFills
from ringfence.clearing.resolve import resolve
from ringfence.clearing.risk import debts_q, health_factor, is_liquidatable
from ringfence.clearing.verdict import Reason
from ringfence.venues.rulebook import build_venue, load

COIN = 1_000
BY_HALVES = liquidation(
    Policy(waterfall=("insurance",)),
    size="portion",
    portion_of="debt",
    portion_ppm=500_000,
    portion_above_q=2_000,
    portion_health_ppm=950_000,
    leftover_q=1_000,
)
LENT = Asset("BTC", Scale(1, COIN), haircut(0), bonus_ppm=50_000, bonus_fee_ppm=100_000)
WEIGHTS = Sided(200, 140, 0, 0, 1_000)


def lending(policy=BY_HALVES, **changes):
    """A venue where `lender` keeps a million and `borrower` has not come yet; BTC is at 1,800."""
    world = World(policy)
    world.venue.assets["BTC"] = replace(LENT, weights=WEIGHTS, **changes)
    world.venue.assets["OTHER"] = replace(LENT, id="OTHER", weights=WEIGHTS)
    for name in ("market/OTHER", "pool"):
        world.ok(cmd.OpenSubaccount(name, "venue", system=True))
    world.price(BTC=1_800, OTHER=1_000)
    return world


def borrowed(world, debt, coins=10, price=1_800, other=0):
    """`borrower` borrows against so many coins, at a price at which that is allowed, before the price changes."""
    world.price(BTC=10**9)
    world.open("borrower", btc=int(coins * COIN))
    if other:
        world.ok(cmd.Deposit("borrower", "OTHER", other))
    world.ok(cmd.Withdraw("borrower", QUOTE, debt))
    world.price(BTC=price)
    return world


def borrower(world):
    return world.venue.subaccounts["borrower"]


def owing(world):
    return -world.quote("borrower")


# -- health -------------------------------------------------------------------------------------------------------


def test_the_health_factor_of_a_loan_up_to_its_limit():
    """Borrowing 82.5 % of a coin at 1,800 leaves 0.86 / 0.825 = 1.0424: the terms of the venue's tests."""
    world = borrowed(lending(), 1_485, coins=1)
    assert health_factor(world.venue, borrower(world)) == Fraction(1548, 1485)


@pytest.mark.parametrize(("debt", "sick"), [(15_480, False), (15_481, True)])
def test_a_loan_is_liquidatable_below_a_health_factor_of_one(debt, sick):
    world = borrowed(lending(), debt)
    assert (health_factor(world.venue, borrower(world)) < 1) is sick
    assert is_liquidatable(world.venue, borrower(world)) is sick


def test_without_debt_there_is_no_health_factor():
    world = lending()
    world.open("saver", 5, btc=COIN)
    assert health_factor(world.venue, world.venue.subaccounts["saver"]) is None


def test_debts_are_quote_and_assets_but_not_what_positions_cost():
    world = lending()
    world.open("borrower", 2_000, btc=COIN)
    world.trade("ETH", 100, "borrower", "market/ETH")
    assert (world.quote("borrower"), debts_q(world.venue, borrower(world))) == (-8_000, 0)
    world.ok(cmd.Withdraw("borrower", "OTHER", 300))
    assert debts_q(world.venue, borrower(world)) == 300
    world.ok(cmd.Withdraw("borrower", QUOTE, 2_010))
    assert debts_q(world.venue, borrower(world)) == 310


# -- who is liquidated, and by how much ---------------------------------------------------------------------------


def test_a_healthy_loan_is_left_alone():
    world = borrowed(lending(), 15_480)
    world.no(cmd.SellCollateral("borrower", "BTC"), Reason.NOT_LIQUIDATABLE)
    assert world.resolve() == []
    assert world.house.entries[-1].command == cmd.SellCollateral("borrower", "BTC")  # it was not even tried


def test_collateral_without_weights_pays_a_debt_as_before():
    world = lending()
    world.venue.assets["BTC"].weights = None
    borrowed(world, 1_000, coins=1)
    assert world.resolve() == ["SellCollateral"]
    assert owing(world) <= 0


def test_half_of_the_debt_is_repaid_at_once():
    # 10 coins count for 15,480: health 0.9736. Half of 15,900 buys 7,950 / 1,800 = 4.4167 coins and 5 % on top,
    # 4.6375, rounded up to 4.638; the base of that is 4.417, and a tenth of 0.221 is 0.0221, rounded up
    world = borrowed(lending(), 15_900)
    events = world.ok(cmd.SellCollateral("borrower", "BTC"))
    assert moved(events, "collateral_sale") == [
        ("sub/borrower", "sub/market/BTC", 4_638 - 23),
        ("sub/borrower", "fees", 23),
        ("sub/market/BTC", "sub/borrower", 7_950),
    ]
    assert owing(world) == 7_950


@pytest.mark.parametrize(
    ("coins", "price", "debt", "repaid"),
    [
        (10, 1_800, 16_290, 8_145),  # health just above 0.95
        (10, 1_800, 16_295, 16_295),  # 15,480 / 16,295 = 0.94999
        (1, 2_000, 1_999, 1_904),  # a debt below 2,000 is repaid as far as the collateral goes: 2,000 / 1.05
        (2, 1_001, 1_800, 1_800),
        (1.1, 1_800, 1_720, 1_720),  # collateral of 1,980
        (10, 250, 2_200, 1_100),  # both are worth more: 2,500 and 2,200
    ],
)
def test_the_close_factor(coins, price, debt, repaid):
    """As in `Pool.Liquidations.CloseFactor.t.sol`: half, or all when far below, or when either side is small."""
    world = borrowed(lending(), debt, coins=coins, price=price)
    world.ok(cmd.SellCollateral("borrower", "BTC"))
    assert debt - owing(world) == pytest.approx(repaid, abs=1)


@pytest.mark.parametrize(
    ("coins", "health", "factor"), [(100, "0.94", 1), (0.5, "0.97", 1), (100, "0.97", Fraction(1, 2))]
)
def test_the_published_close_factors(coins, health, factor):
    """`tests/protocol/pool/Pool.Liquidations.CloseFactor.t.sol:128-130` under the rulebook: WETH at 1,800 USD."""
    world = lending(load("aave-v3").policy())
    world.venue.assets["BTC"].scale = Scale(10**6, COIN)
    debt = int(coins * 1_800 * 10**6 * Fraction(86, 100) / Fraction(health))
    borrowed(world, debt, coins=coins)
    world.ok(cmd.SellCollateral("borrower", "BTC"))
    atom = 1_800 * 10**6 // COIN
    assert 0 <= debt - owing(world) - int(debt * factor) <= atom


def test_what_is_lent_against_wsteth_pays_its_bonus():
    """The rulebook: 79 % count, 7.2 % on top, a tenth of that to the venue; 10 at 1,800 USD against 14,500."""
    house = Clearinghouse(build_venue(load("aave-v3"), []))
    house.require(cmd.OpenSubaccount("market/wstETH", "liquidators", system=True))
    house.require(cmd.OpenSubaccount("a", "a"))
    for price, command in (
        (3_000, cmd.Deposit("a", "wstETH", 10**19)),
        (3_000, cmd.Withdraw("a", QUOTE, 14_500 * 10**6)),
        (1_800, cmd.SellCollateral("a", "wstETH")),
    ):
        house.require(cmd.SetPrices(1, 1, assets={"wstETH": price * 10**8}))
        house.require(command)
    assert house.venue.subaccounts["a"].quote_q == -7_250 * 10**6
    sold = Fraction(7_250, 1_800) * Fraction(1072, 1000)
    assert 10**19 - house.venue.subaccounts["a"].balances["wstETH"] == ceil(sold * 10**18)
    paid = house.venue.ledger["fees"]["wstETH"]
    assert paid == pytest.approx(sold * Fraction(72, 10_720) * 10**18, abs=1)


def test_a_keeper_goes_on_until_the_loan_is_healthy():
    world = borrowed(lending(), 15_900)
    assert world.resolve() == ["SellCollateral"]
    assert health_factor(world.venue, borrower(world)) > 1
    assert world.resolve() == []


def test_a_loan_under_water_ends_without_collateral_and_with_a_debt():
    world = borrowed(lending(), 18_500)
    assert world.resolve() == ["SellCollateral"]
    assert "BTC" not in borrower(world).balances
    assert owing(world) == 18_500 - 17_142  # 18,000 / 1.05
    assert world.resolve() == []


@pytest.mark.parametrize(("debt", "price", "left"), [(9_700, 1_000, 1_000), (9_200, 900, 1_070)])
def test_a_part_leaves_enough_of_the_collateral_or_none(debt, price, left):
    """5,900 of BTC beside 5 coins of OTHER: half of 9,700 with the bonus would leave 807, so less is sold."""
    world = borrowed(lending(), debt, coins=5.9, price=1_000, other=5_000)
    world.price(OTHER=price)
    world.ok(cmd.SellCollateral("borrower", "BTC"))
    assert borrower(world).balances["BTC"] == left


def test_collateral_that_the_part_uses_up_is_sold_whole():
    world = borrowed(lending(), 10_000, coins=2.5, price=1_000, other=8_900)
    world.ok(cmd.SellCollateral("borrower", "BTC"))
    assert "BTC" not in borrower(world).balances
    assert owing(world) == 10_000 - 2_380


def test_debts_in_other_assets_count_towards_the_portion():
    """Half of 10,000 in quote and 4,000 in OTHER is 7,000, all of it quote."""
    world = lending()
    world.price(BTC=10**9)
    world.open("borrower", btc=16 * COIN)
    world.ok(cmd.Withdraw("borrower", "OTHER", 4_000))
    world.ok(cmd.Withdraw("borrower", QUOTE, 10_000))
    world.price(BTC=1_000)
    world.ok(cmd.SellCollateral("borrower", "BTC"))
    assert owing(world) == 3_000


def test_a_pool_pays_for_what_the_buyer_gets():
    """The venue's part of the bonus is not the liquidator's to sell."""
    for price, steps in ((1_800, ["SellCollateral"]), (1_700, [])):
        world = borrowed(lending(), 15_900)
        fills = PoolFills({"BTC": ConstantProduct(10**9, price * 10**6)})
        assert [type(command).__name__ for command, _ in resolve(world.house, ["borrower"], fills)] == steps


@pytest.mark.parametrize(
    ("changes", "fit"),
    [
        ({}, True),
        ({"leftover_q": 2_000}, False),
        ({"portion_above_q": 0, "leftover_q": 0}, True),
        ({"portion_health_ppm": -1}, False),
    ],
)
def test_what_is_left_is_less_than_what_is_repaid_whole(changes, fit):
    assert valid_policy(liquidation(BY_HALVES, **changes)) is fit


# -- any loan -----------------------------------------------------------------------------------------------------


@given(
    st.integers(COIN, 20_000),
    st.integers(100, 3_000),
    st.integers(0, 20_000),
    st.integers(1, 30_000),
    st.integers(100, 2_500),
)
def test_a_sale_is_due_small_enough_and_leaves_enough(amount, price, other, debt, other_price):
    world = borrowed(lending(), debt, coins=Fraction(amount, COIN), price=price, other=other)
    world.price(OTHER=other_price)
    sub, venue = borrower(world), world.venue
    health = naive.health_factor(venue, sub)
    assert health_factor(venue, sub) == health
    assert is_liquidatable(venue, sub) is (health < 1)
    if health >= 1:
        world.no(cmd.SellCollateral("borrower", "BTC"), Reason.NOT_LIQUIDATABLE)
        return
    sold, paid = collateral_sale(venue, sub, "BTC")
    worth = Fraction(amount * price, COIN)
    world.ok(cmd.SellCollateral("borrower", "BTC"))
    left = borrower(world)
    assert (sold, paid) == (amount - left.balances.get("BTC", 0), debt - owing(world))
    atom = Fraction(price, COIN) + 1
    small = min(worth, debt) < 2_000 or health <= Fraction(95, 100)
    assert small or paid <= Fraction(debt, 2) + atom
    assert paid <= debt + atom
    assert paid * Fraction(105, 100) <= sold * Fraction(price, COIN) + Fraction(105, 100)
    ended = left.balances.get("BTC", 0) == 0 or owing(world) <= 0
    assert ended or small or min(owing(world), (amount - sold) * Fraction(price, COIN)) >= 1_000 - atom
