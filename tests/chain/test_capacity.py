"""Rates of liquidations and prices in a storm. The expected figures were worked out separately from the chains' rules.

The two workloads that recur: 63,637 liquidations in 712 seconds with a burst of 11,279 at once, the shape of
Hyperliquid's 2025-10-10; and the gas of four contracts: isolated, cross with 1, 8 and 64 positions.
"""

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.chain.capacity import (
    capacity,
    clearing_time,
    dust_threshold_usd,
    gas_in_batch,
    liquidations_per_second,
    rates,
    seconds_to_clear,
)
from ringfence.chain.congestion import gas_market, price_after, price_max, seconds_until
from ringfence.chain.fees import arbitrum
from ringfence.errors import InputError

M = 1_000_000
GAS = (39_172, 37_611, 118_846, 65_281, 768_726, 350_153, 3_000_000)
CRASH = date(2025, 10, 10)
GWEI = 10**9


@pytest.mark.parametrize(
    ("chain", "burst_s", "sustained", "burst", "ceiling"),
    [
        ("arbitrum", 300, 10, 29, 128),
        ("arbitrum", 9, 10, 60, 128),
        ("arbitrum", 86_400, 10, 10, 128),
        ("base", 300, 40, 200, 200),
        ("optimism", 300, 10, 20, 20),
        ("ethereum", 300, 2.5, 5, 5),
        ("hyperevm", 300, 1, 2, 2),
    ],
)
def test_what_a_chain_carries_now(chain, burst_s, sustained, burst, ceiling):
    found = rates(capacity(chain), burst_s)
    assert (found.sustained, found.burst, found.ceiling) == (sustained * M, burst * M, ceiling * M)


@pytest.mark.parametrize(
    ("day", "chain", "sustained", "ceiling"),
    [
        ("2022-11-08", "arbitrum", 7, 128),
        ("2022-11-08", "ethereum", 1.25, 2.5),
        ("2024-08-05", "base", 10, 60),
        ("2024-08-05", "optimism", 5, 15),
        ("2025-04-07", "base", 30, 60),
        ("2025-04-07", "optimism", 5, 15),
        ("2025-04-07", "ethereum", 1.5, 3),
        ("2025-10-10", "arbitrum", 7, 128),
        ("2025-10-10", "base", 25, 75),
        ("2025-10-10", "optimism", 10, 20),
        ("2025-10-10", "ethereum", 1.875, 3.75),
        ("2026-02-05", "arbitrum", 10, 128),
        ("2026-02-05", "base", 31.25, 187.5),
        ("2026-02-05", "ethereum", 2.5, 5),
    ],
)
def test_what_a_chain_carried_on_the_day_of_a_crash(day, chain, sustained, ceiling):
    found = rates(capacity(chain, date.fromisoformat(day)))
    assert (found.sustained, found.ceiling) == (sustained * M, ceiling * M)


@pytest.mark.parametrize(
    ("gas_per_s", "expected"),
    [
        (10 * M, (255, 266, 84, 153, 13, 29, 3.3)),
        (29 * M, (740, 771, 244, 444, 38, 83, 9.7)),
        (60 * M, (1_532, 1_595, 505, 919, 78, 171, 20)),
        (128 * M, (3_268, 3_403, 1_077, 1_961, 167, 366, 43)),
        (40 * M, (1_021, 1_064, 337, 613, 52, 114, 13)),
        (200 * M, (5_106, 5_318, 1_683, 3_064, 260, 571, 67)),
        (20 * M, (511, 532, 168, 306, 26, 57, 6.7)),
        (2_500_000, (64, 66, 21, 38, 3.3, 7.1, 0.8)),
        (2 * M, (51, 53, 17, 31, 2.6, 5.7, 0.7)),
    ],
)
def test_liquidations_per_second(gas_per_s, expected):
    for gas, number in zip(GAS, expected, strict=True):
        found = float(liquidations_per_second(gas_per_s, gas))
        assert round(found, 1 if isinstance(number, float) else 0) == number
        assert liquidations_per_second(gas_per_s, gas, 0.5) * 2 == liquidations_per_second(gas_per_s, gas)


@pytest.mark.parametrize(
    ("gas_per_s", "gas", "burst_s", "all_s"),
    [
        (128 * M, 39_172, 3.5, 20),
        (128 * M, 65_281, 5.8, 33),
        (128 * M, 118_846, 10, 59),
        (128 * M, 3_000_000, 264, 1_492),
        (10 * M, 39_172, 44, 249),
        (10 * M, 3_000_000, 3_384, 19_091),
        (200 * M, 65_281, 3.7, 21),
        (40 * M, 118_846, 34, 189),
        (20 * M, 39_172, 22, 125),
        (5 * M, 65_281, 147, 831),
    ],
)
def test_seconds_to_clear_the_worst_day(gas_per_s, gas, burst_s, all_s):
    found = float(seconds_to_clear(11_279, gas_per_s, gas)), float(seconds_to_clear(63_637, gas_per_s, gas))
    assert found == (pytest.approx(burst_s, rel=0.06), pytest.approx(all_s, rel=0.03))


def test_a_batch_pays_the_intrinsic_gas_once():
    assert gas_in_batch(39_172, 1) == 39_172
    assert gas_in_batch(39_172, 10) == 18_172 + 2_100


@pytest.mark.parametrize(
    ("price_wei", "usd"), [(7.31 * GWEI, 72), (2.49 * GWEI, 24), (318 * GWEI, 3_114)], ids=str
)
def test_a_position_too_small_to_pay_its_keeper(price_wei, usd):
    assert round(dust_threshold_usd(39_172 * int(price_wei), Fraction(2_500), Fraction(1, 100))) == usd


# -- price of a storm ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("demand", "gwei", "x10_s", "x100_s", "cap_s"),
    [
        (20, (0.020, 0.020, 0.020, 0.021), None, None, None),  # hours
        (40, (0.020, 0.022, 0.034, 0.099), 1_336, 3_189, 4_722),
        (60, (0.023, 0.045, 0.70, 7.31), 180, 429, 634),
        (80, (0.037, 0.58, 7.31, 7.31), 39, 92, 136),
        (100, (0.061, 3.3, 7.31, 7.31), 22, 52, 77),
        (128, (0.12, 7.31, 7.31, 7.31), 14, 32, 48),
    ],
)
def test_arbitrum_climbs_by_six_constraints_to_its_cap(demand, gwei, x10_s, x100_s, cap_s):
    now = capacity("arbitrum")
    found = [price_after(now, demand * M, seconds) / GWEI for seconds in (10, 60, 300, 900)]
    assert found == [pytest.approx(price, rel=0.03) for price in gwei]
    if x10_s:
        assert seconds_until(now, demand * M, 10) == x10_s
        assert seconds_until(now, demand * M, 100) == x100_s
        assert price_after(now, demand * M, cap_s) == price_max(now) == 7_309_582_000
        assert price_after(now, demand * M, cap_s - 1) < price_max(now)


@given(st.lists(st.integers(0, 60 * M), max_size=30))
def test_the_price_is_that_of_the_backlogs_whatever_was_used(used):
    now = capacity("arbitrum")
    market = gas_market(now)
    constraints = [arbitrum.Constraint(target.gas_per_s, target.window_s) for target in now.targets]
    for gas in used:
        market.use(gas)
        constraints = [each.after(gas, 1) for each in constraints]
        assert market.price_wei == arbitrum.constrained_base_fee(20_000_000, constraints)


@pytest.mark.parametrize(("demand", "x10_s"), [(14, 255), (20, 137), (40, 54)])
def test_arbitrum_before_had_one_target(demand, x10_s):
    then = capacity("arbitrum", CRASH)
    assert seconds_until(then, demand * M, 10) == x10_s + 1  # stepped by the second
    assert price_max(then) is None


@pytest.mark.parametrize(
    ("chain", "day", "x10_s", "x100_s"),
    [
        ("base", None, 118, 236),  # 1.04 per 2 s
        ("base", CRASH, 118, 236),
        ("optimism", None, 1_154, 2_308),  # 1.004 per 2 s: 19 minutes
        ("ethereum", None, 240, 480),  # 1.125 per 12 s
    ],
    ids=str,
)
def test_full_blocks_multiply_the_price(chain, day, x10_s, x100_s):
    known = capacity(chain, day)
    full = rates(known).ceiling
    assert seconds_until(known, full, 10, GWEI) == x10_s
    assert seconds_until(known, full, 100, GWEI) == x100_s
    assert price_after(known, rates(known).sustained, 600, GWEI) == GWEI
    assert price_after(known, 2 * full, 60, GWEI) == price_after(known, full, 60, GWEI)


@given(
    st.sampled_from(["base", "arbitrum", "ethereum", "optimism"]),
    st.integers(0, 300 * M),
    st.integers(0, 300 * M),
)
def test_more_demand_is_never_cheaper(chain, one, other):
    low, high = sorted((one, other))
    known = capacity(chain)
    assert price_after(known, low, 60, GWEI) <= price_after(known, high, 60, GWEI)


@pytest.mark.parametrize(
    ("chain", "complaint"),
    [
        ("zksync", "EraVM gas is no EVM gas"),
        ("starknet", "Starknet L2 gas is no EVM gas"),
        ("hyperevm", "how the price of gas moves on this chain is not known"),
    ],
)
def test_what_cannot_be_compared_is_refused(chain, complaint):
    with pytest.raises(InputError, match=complaint):
        clearing_time([1], 40_000, chain, date(2026, 11, 22))
