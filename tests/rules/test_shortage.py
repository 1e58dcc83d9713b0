"""What covers a shortage of margin, and which fees it leaves room for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.rules import shortage as rule

pytestmark = pytest.mark.fuzz

USD = MILLION = 10**6
COIN = 10**9


@pytest.mark.parametrize(("pnl", "buffer"), [(-100, -1), (-99, 0), (0, 0), (100, 0)])
def test_only_losses_have_a_buffer(pnl, buffer):
    assert rule.loss_buffer_q(pnl, 100) == buffer


def test_a_buffer_is_a_share_of_the_liability():
    assert rule.buffered_q(12_000 * USD, 10_000 * USD, 1_000) == 13_000 * USD
    assert rule.buffered_q(0, 9_999, 1) == 0


@pytest.mark.parametrize(
    ("liquidator", "fund", "base"),
    [
        (0, 0, COIN),  # each coin frees 10 % of 100
        (10_000, 0, 1_111_111_111),  # ... 9 %
        (10_000, 10_000, 1_250_000_000),  # ... 8 %
        (100_000, 0, rule.UNBOUNDED_64),  # ... nothing
        (50_000, 50_000, rule.UNBOUNDED_64),
    ],
)
def test_base_to_cover(liquidator, fund, base):
    assert rule.base_to_cover_b(10 * USD, 1_000, liquidator, fund, 100 * USD, USD) == base


def test_base_to_cover_without_a_price_is_all():
    assert rule.base_to_cover_b(10 * USD, 1_000, 0, 0, 0, USD) == rule.UNBOUNDED_64


@given(
    st.integers(0, 10**12),
    st.integers(100, 10_000),
    st.integers(0, 5_000),
    st.integers(0, 4_000),
    st.integers(10**4, 10**11),
)
def test_the_base_covers_the_shortage_and_a_little_more_does_not_fall_short(
    shortage, ratio, liquidator, fund, price
):
    base = rule.base_to_cover_b(shortage, ratio, liquidator, fund, price, USD)
    freed = price * (ratio * 100 - liquidator) // MILLION - price * fund // MILLION
    if freed <= 0:
        assert base == rule.UNBOUNDED_64
    else:
        assert base * freed <= shortage * COIN < (base + 1) * freed


@pytest.mark.parametrize(
    ("decimals", "amount"),
    [(9, 250_000_000), (6, 250_000), (4, 2_500)],  # 10 / (100 x (1.2 - 0.8))
)
def test_a_debt_to_settle_has_the_decimals_of_its_asset(decimals, amount):
    weights = (8_000, MILLION, 12_000, MILLION)
    assert rule.liability_to_cover(10 * USD, *weights, decimals, 100 * USD, 0) == amount


@pytest.mark.parametrize(
    ("asset", "asset_multiplier", "liability", "liability_multiplier", "fund"),
    [
        (10_000, MILLION, 10_000, 750_000, 0),
        (12_000, MILLION, 11_000, MILLION, 0),
        (8_000, 1_500_000, 12_000, MILLION, 0),  # the asset that is given weighs as much
        (8_000, MILLION, 12_000, MILLION, 400_000),  # the fund takes more than is freed
    ],
)
def test_what_frees_nothing_has_no_bound(asset, asset_multiplier, liability, liability_multiplier, fund):
    terms = (asset, asset_multiplier, liability, liability_multiplier)
    assert rule.liability_to_cover(10 * USD, *terms, 9, 100 * USD, fund) == rule.UNBOUNDED_128


def test_debts_and_assets_are_exchanged_at_the_multipliers():
    # 10 USD of an asset at 1.01 settle 10 / 1.01 x 0.99 / 100 coins, rounded up
    assert rule.liability_for_asset(10 * USD, 1_010_000, 6, USD, 990_000, 9, 100 * USD) == 98_019_802
    # one coin costs 100 x 1.01 / 0.99
    assert rule.asset_for_liability(200 * USD, 1_010_000, 6, USD, COIN, 990_000, 9, 100 * USD) == 102_020_202


@pytest.mark.parametrize(("held", "taken"), [(100_000_000, 100_000_000), (100_300_000, 99_300_000)])
def test_no_dust_of_less_than_a_dollar_stays(held, taken):
    assert rule.asset_for_liability(held, MILLION, 6, USD, 99_300_000, MILLION, 6, USD) == taken


def test_dust_is_counted_in_the_assets_own_decimals():
    # 993,000 atoms of 4 decimals; 100.2 differ by 0.9, 100.4 by 1.1
    assert rule.asset_for_liability(1_002_000, MILLION, 4, USD, 99_300_000, MILLION, 6, USD) == 1_002_000
    assert rule.asset_for_liability(1_004_000, MILLION, 4, USD, 99_300_000, MILLION, 6, USD) == 993_000


@given(*(st.integers(1, 10**12),) * 2, *(st.integers(900_000, 1_100_000),) * 2, *(st.integers(4, 9),) * 2)
def test_settled_debt_is_paid_for(asset, price, asset_multiplier, liability_multiplier, decimals, other):
    liability = rule.liability_for_asset(
        asset, asset_multiplier, decimals, price, liability_multiplier, other, 10 * USD
    )
    owed = liability * 10 * USD * asset_multiplier * 10**decimals
    paid = asset * price * liability_multiplier * 10**other
    assert owed >= paid


@pytest.mark.parametrize(
    ("slots", "fee"), [(0, 20_000), (1_499, 20_000), (1_500, 21_500), (10_000, 30_000), (10**6, 50_000)]
)
def test_a_waiting_liquidation_pays_its_liquidator_more(slots, fee):
    assert rule.grown_fee(20_000, 50_000, 1_500, 1, slots) == fee


@pytest.mark.parametrize(
    ("shortage", "fee"),
    [
        (20 * USD, 19_000),  # 95 % of 5 % - 1 % - 20 / 1,000
        (1 * USD, 37_050),
        (1_000 * USD, 0),
        (0, 38_000),
    ],
)
def test_the_funds_fee_is_what_shortage_and_liquidator_leave(shortage, fee):
    assert rule.perp_fund_fee(shortage, 10 * COIN, 500, 10_000, 100 * USD, USD, 50_000) == fee


@pytest.mark.parametrize(
    ("size", "liquidator", "price", "quote"),
    [(0, 10_000, 100 * USD, USD), (COIN, 50_000, 100 * USD, USD), (COIN, 0, 0, USD), (COIN, 0, USD, 0)],
)
def test_the_fund_gets_nothing_where_nothing_is_left(size, liquidator, price, quote):
    assert rule.perp_fund_fee(USD, size, 500, liquidator, price, quote, 50_000) == 0


@pytest.mark.parametrize(
    ("shortage", "asset", "multiplier", "fee"),
    [
        (5 * USD, 10_000, MILLION, 36_363),  # (1.1 - 1.01 - 5 / 100) / 1.1
        (100 * USD, 10_000, MILLION, 0),
        (1 * USD, 10_000, MILLION, 50_000),
        (1 * USD, 20_000, MILLION, 0),
        (1 * USD, 10_000, 0, 0),
    ],
)
def test_the_funds_fee_on_a_debt(shortage, asset, multiplier, fee):
    found = rule.spot_fund_fee(shortage, COIN, asset, 1_010_000, 11_000, multiplier, 9, 100 * USD, 50_000)
    assert found == fee


@pytest.mark.parametrize(
    ("shortage", "freed", "slots", "duration", "share"),
    [
        (49 * USD, 0, 0, 100, 10_000),  # small: at once
        (50 * USD, 0, 0, 100, 1_000),
        (50 * USD, 0, 45, 100, 5_500),
        (50 * USD, 0, 100, 100, 10_000),
        (50 * USD, 0, 0, 0, 10_000),  # no time is given: at once
        (90 * USD, 10 * USD, 0, 100, 0),  # the first tenth of 100 is freed already
        (90 * USD, 10 * USD, 45, 100, 5_000),  # 55 of 100, less 10, of 90
    ],
)
def test_how_much_of_a_shortage_may_be_liquidated_by_now(shortage, freed, slots, duration, share):
    assert rule.share_by_time(shortage, freed, 50 * USD, 1_000, slots, duration) == share


def test_no_shortage_divides_by_nothing():
    assert rule.share_by_time(0, 0, 0, 1_000, 0, 100) == 10_000
