"""GMX by its rulebooks, in the state machine: liquidation prices against closed forms, and complaints made public.

Closed forms for a position of `size` USD and `tokens`, with fees and a share `f` of the size to remain:
long, collateral in USD: (size (1 + f) + fees - collateral) / tokens
long, collateral in the index token: (size (1 + f) + fees) / (tokens + collateral)
short: (size (1 - f) - fees + collateral) / tokens, and (size (1 - f) - fees) / (tokens - collateral)
"""

from fractions import Fraction
from importlib.resources import files

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from clearing.world import Audited
from ringfence.clearing import command as cmd
from ringfence.clearing import ledger
from ringfence.clearing.model import QUOTE, market_subaccount
from ringfence.clearing.policy import CostShare, Solvency
from ringfence.clearing.resolve import resolve
from ringfence.clearing.risk import is_liquidatable, subaccount_risk
from ringfence.clearing.solve import liquidation_price, max_withdrawal
from ringfence.clearing.verdict import Reason
from ringfence.errors import InputError
from ringfence.rules.collateral import liquidation_state, trading_fee_e30
from ringfence.venues.rulebook import build_venue, load

USD = 10**6
E30 = 10**30


class House(Audited):
    """A venue of one rulebook with liquidity behind its markets and one trader, `a`."""

    def __init__(self, venue, *symbols, liquidity=10_000_000):
        super().__init__(build_venue(load(venue), symbols))
        self.time = 0
        for name in (*symbols, *self.venue.assets):
            if market_subaccount(name) not in self.venue.subaccounts:
                self.ok(cmd.OpenSubaccount(market_subaccount(name), "pool", system=True))
                self.ok(cmd.Deposit(market_subaccount(name), QUOTE, liquidity * USD))
        self.ok(cmd.OpenSubaccount("a", "a"))

    @property
    def a(self):
        return self.venue.subaccounts["a"]

    def price(self, assets=None, **marks):
        self.time += 1_000
        market, asset = self.venue.markets, self.venue.assets
        self.ok(
            cmd.SetPrices(
                self.time,
                self.time,
                {name: quanta(price, market[name].price_decimals) for name, price in marks.items()},
                {},
                {name: quanta(price, asset[name].price_decimals) for name, price in (assets or {}).items()},
            )
        )

    def deposit(self, amount, asset=QUOTE):
        decimals = 6 if asset == QUOTE else self.venue.assets[asset].decimals
        self.ok(cmd.Deposit("a", asset, quanta(amount, decimals)))

    def trade(self, market, size):
        lots = quanta(size, self.venue.markets[market].base_decimals)
        self.ok(cmd.Trade(market, lots, self.venue.markets[market].mark, "a", market_subaccount(market)))

    def trigger(self, market):
        """Liquidation price in USD."""
        found = liquidation_price(self.venue, self.a, market)
        return None if found is None else Fraction(found, 10 ** self.venue.markets[market].price_decimals)

    def liquidatable(self):
        return is_liquidatable(self.venue, self.a)


def quanta(number, decimals):
    return int(Fraction(number) * 10**decimals)


def eth(collateral, size, *, token=False):
    """10 ETH and so on at 5,000, backed by USD or WETH; the fee for opening (0.06 %) is on top."""
    house = House("gmx-v2", "ETH", "SOL")
    house.price({"WETH": 5_000}, ETH=5_000, SOL=15)
    house.deposit(abs(size) * 5_000 * Fraction(6, 10_000))
    house.deposit(collateral, "WETH" if token else QUOTE)
    house.trade("ETH", size)
    return house


# --- v2: liquidation price --------------------------------------------------------------------------------------------

FACTOR, FEE = Fraction(5, 1_000), Fraction(6, 10_000)
ATOMS, STEP = Fraction(4, 10**6), Fraction(1, 10**8)
"""Quote atoms by which the engine's roundings may miss a closed form, and the market's price quantum."""


@pytest.mark.parametrize(
    ("collateral", "size", "token", "price"),
    [
        # 10 ETH: 50,000 USD, 250 to remain, 30 for closing
        (1_000, 10, False, Fraction(50_000 + 250 + 30 - 1_000, 10)),
        (1_000, -10, False, Fraction(50_000 - 250 - 30 + 1_000, 10)),
        # 1 WETH moves with the price: neither the price at opening nor another factor gives this
        (1, 10, True, Fraction(50_280, 11)),
        (1, -10, True, Fraction(49_720, 9)),
    ],
)
def test_the_liquidation_price_is_the_trigger_with_the_factor_for_liquidation(collateral, size, token, price):
    house = eth(collateral, size, token=token)
    found = house.trigger("ETH")
    assert abs(found - price) <= ATOMS / 9 + STEP
    house.price({"WETH": found} if token else {}, ETH=found)
    assert house.liquidatable()
    before = found + (STEP if size > 0 else -STEP)
    house.price({"WETH": before} if token else {}, ETH=before)
    assert not house.liquidatable()


def test_the_factor_for_opening_is_another_price():
    """gmx-solana 439: a published price took minCollateralFactor where the trigger asks ...ForLiquidation."""
    house = eth(1_000, 10)
    house.ok(cmd.ChangeRequirement("ETH", CostShare(10, 5, 1_000), USD))
    assert house.trigger("ETH") == eth(1_000, 10).trigger("ETH")
    assert house.trigger("ETH") != Fraction(50_000 + 500 + 30 - 1_000, 10)


def test_collateral_held_at_the_spot_price_is_another_price():
    """gmx-solana 439: collateral that is the index token was taken at its present price."""
    held_at_spot = Fraction(50_280 - 5_000, 10)
    assert abs(eth(1, 10, token=True).trigger("ETH") - held_at_spot) > 40


@given(st.integers(1, 40), st.integers(1, 100), st.booleans(), st.booleans())
def test_closed_forms(collateral, size, token, is_long):
    """Collateral of 1 to 40 % of the size, in USD or in the index token."""
    size_usd, stake = 5_000 * size, Fraction(size * collateral, 100)
    house = eth(stake if token else stake * 5_000, size if is_long else -size, token=token)
    asked = size_usd * (FACTOR + FEE)
    if is_long:
        exact = (size_usd + asked) / (size + stake) if token else (size_usd + asked - stake * 5_000) / size
    else:
        exact = (size_usd - asked) / (size - stake) if token else (size_usd - asked + stake * 5_000) / size
    assert abs(house.trigger("ETH") - exact) <= ATOMS / (size - stake) + STEP


def test_a_position_whose_market_stands_still_is_liquidated_when_its_collateral_falls():
    """testLiquidation.ts:167-183: SOL flat, WETH from 5,000 to 2,500. No price of SOL says when."""
    house = House("gmx-v2", "SOL")
    house.price({"WETH": 5_000}, SOL=15)
    house.deposit(270)  # the fee for opening
    house.deposit(1, "WETH")
    house.trade("SOL", 30_000)
    assert not house.liquidatable()
    house.price({"WETH": 2_500})  # 2,500 against 2,250 and 270 for closing
    assert house.liquidatable()
    assert [type(command).__name__ for command, _ in resolve(house.house, ["a"])] == [
        "Liquidate",
        "SellCollateral",
    ]
    # 0.26 % of 450,000 USD are 1,170, at 2,500 a token
    assert house.a.balances["WETH"] == quanta(1 - Fraction(1_170, 2_500), 18)


def test_a_position_of_one_dollar_is_liquidated_by_the_floor():
    house = House("gmx-v2", "SOL")
    house.price(SOL=10)
    house.deposit("10.006")
    house.trade("SOL", 1)
    # 10 USD less what is lost must stay at 1 USD and 0.006 for closing
    assert house.trigger("SOL") == Fraction(1_006_000, 10**6) - Fraction(1, 10**8)


# --- v2: complaints ---------------------------------------------------------------------------------------------------


def test_a_raised_factor_liquidates_a_position_that_was_well_backed():
    """sherlock-audit/2023-02-gmx-judging 179."""
    house = eth(400, 10)
    assert not house.liquidatable()
    house.ok(cmd.ChangeRequirement("ETH", CostShare(10, 10, 1_000), USD))
    assert house.liquidatable()


def test_profit_is_no_collateral_to_withdraw_against():
    """sherlock-audit/2023-02-gmx-judging 154: profit let owners keep a position with next to no collateral."""
    house = eth(1_000, 10)
    house.price(ETH=6_000)
    assert subaccount_risk(house.venue, house.a).equity_q == 11_000 * USD
    # 250 are asked of the cost, and maintenance margin asks 30 for closing as well
    assert max_withdrawal(house.venue, "a") == (1_000 - 280) * USD


def test_winners_are_closed_only_while_the_pool_owes_too_much():
    """sherlock-audit/2023-02-gmx-judging 153: no check that a position is still a candidate."""
    house = House("gmx-v2", "DOGE", liquidity=100_000)
    house.price(DOGE="0.1")
    house.deposit(10_000)
    house.trade("DOGE", 300_000)
    house.price(DOGE="0.19")  # 27,000 of profit; 55 % of 50,000 are 27,500
    verdict = house.house.submit(cmd.RelievePool("DOGE", is_long=True))
    assert verdict.reason == Reason.NOTHING_OWED
    house.price(DOGE="0.2")
    house.ok(cmd.RelievePool("DOGE", is_long=True))
    market = house.venue.markets["DOGE"]
    profit = (market.longs.size_b * market.mark * market.scale.num) // market.scale.den - market.longs.cost_q
    pool = house.venue.subaccounts[market_subaccount("DOGE")]
    half = (pool.quote_q + pool.positions["DOGE"].cost_q) // 2
    assert half <= 2 * profit + 2 < half + 100  # half of its half, to the atoms of two roundings


def test_a_pool_pays_winners_at_most_its_cap():
    house = House("gmx-v2", "SOL", liquidity=200_000)
    house.price(SOL=10)
    house.deposit(50_030)
    house.trade("SOL", 5_000)
    house.price(SOL=100)  # testPositionUtils.ts:60-121 with the cap of this market: 90 % of 100,000
    assert subaccount_risk(house.venue, house.a).equity_q == (50_000 + 90_000) * USD


# --- v1 ---------------------------------------------------------------------------------------------------------------


def btc(collateral, size_usd, *, is_long=True):
    """A position at 50,000 in v1; the fee for opening (0.1 %) is on top."""
    house = House("gmx-v1", "BTC")
    house.price(BTC=50_000)
    house.deposit(collateral + Fraction(size_usd, 1_000))
    house.trade("BTC", Fraction(size_usd if is_long else -size_usd, 50_000))
    return house


@pytest.mark.parametrize(
    ("collateral", "size", "is_long", "loss"),
    [
        # 1,000 USD: 20 must remain (50x)
        (100, 1_000, True, 80),
        (100, 1_000, False, 80),
        # 50 USD: the fee of 0.05 and 2 USD are more than 1
        (10, 50, True, Fraction(795, 100)),
        (10, 50, False, Fraction(795, 100)),
    ],
)
def test_in_v1_the_stricter_of_two_conditions_liquidates(collateral, size, is_long, loss):
    house = btc(collateral, size, is_long=is_long)
    move = 50_000 * loss / size
    assert abs(house.trigger("BTC") - (50_000 - move if is_long else 50_000 + move)) <= Fraction(1, 10)


@given(st.integers(1, 2_000), st.integers(1, 100), st.integers(1, 100_000), st.booleans())
def test_v1_ends_a_position_as_its_liquidation_state_says(lots, percent, price, is_long):
    """Seized and kept by the vault in state 1, closed and returned in state 2, left alone in state 0."""
    size_usd = 5 * lots
    collateral = Fraction(size_usd * percent, 100)
    assume(collateral >= max(Fraction(size_usd, 50), Fraction(size_usd, 1_000) + 2))
    house = btc(collateral, size_usd, is_long=is_long)
    house.price(BTC=price)
    gained = Fraction(size_usd * (price - 50_000), 50_000) * (1 if is_long else -1)
    size, fees = size_usd * E30, trading_fee_e30(size_usd * E30, 10)
    ends = liquidation_state(int(collateral * E30), int(gained * E30), fees, 2 * E30, size, 500_000)
    assert house.liquidatable() is (ends != 0)
    resolve(house.house, ["a"])
    ledger.audit(house.venue)
    left = max(0, int((collateral + gained - Fraction(size_usd, 1_000)) * USD))
    assert bool(house.a.positions) is (ends == 0)
    if ends:
        assert house.a.quote_q == (left if ends == 2 else 0)


# --- what the files may say -------------------------------------------------------------------------------------------

V2 = (files("ringfence.venues") / "gmx-v2" / "2026-03.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("line", "instead", "sentence"),
    [
        (
            'profit_floor = { value = "0.77", source = "markets" }\n',
            "",
            "expected profit_cap, profit_trigger, profit_floor together",
        ),
        (
            'profit_floor = { value = "0.77"',
            'profit_floor = { value = "0.86"',
            "profit_floor is above profit_trigger",
        ),
        (
            'minimum_margin_as = "floor"',
            'minimum_margin_as = "least"',
            "expected added or floor or floor_with_fees, got 'least'",
        ),
        (
            'open_interest_initial = "0.0000000002"',
            'open_interest_initial = "2"',
            "expected a rate from 0 to 1, got 2",
        ),
    ],
)
def test_a_mistake_in_these_fields_is_named(tmp_path, line, instead, sentence):
    assert line in V2
    file = tmp_path / "rules.toml"
    file.write_text(V2.replace(line, instead, 1))
    with pytest.raises(InputError) as caught:
        load(str(file))
    assert sentence in str(caught.value)


def test_the_files_say_what_the_configuration_says():
    market = load("gmx-v2").market("BTC")
    # 6e-11 per USD is 6e-17 per quote atom: 0.5 % from 83.3 million USD on
    assert market.requirement == CostShare(1, 1, 200, 3, 5 * 10**16)
    assert (market.minimum_margin_q, market.minimum_margin_as) == (USD, "floor")
    assert market.solvency == Solvency(900_000, 850_000, 770_000)
    assert load("gmx-v2").max_leverage("BTC") == 200
    assert load("gmx-v2").max_leverage("PEPE") == 100
    assert load("gmx-v1").max_leverage("BTC") == 50
    assert load("gmx-v1").policy().liquidation.remainder_least_q == 2 * USD
