"""A crash going through a chain: liquidations minute by minute, what waits, what is paid."""

from datetime import date
from fractions import Fraction
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.chain.capacity import capacity, clearing_time, rates, usual_price
from ringfence.errors import InputError

CRASH = date(2025, 10, 10)
NOW = date(2026, 11, 22)
WORST = [5_303] * 12
"""63,636 liquidations in twelve minutes."""


def test_a_burst_waits_as_long_as_the_blocks_take():
    """OP Mainnet, 40M gas in 2 s: 400 liquidations of 100,000 gas per block, 12,000 a minute."""
    found = clearing_time([30_000, 0, 0], 100_000, "optimism", CRASH, price_wei=10**6)
    assert found.waiting == (18_000, 6_000, 0)
    assert found.minutes_of_backlog == 2
    assert found.cleared_after_s == 150  # 75 blocks
    assert found.start_price_wei == 10**6
    assert found.peak_price_wei == pytest.approx(10**6 * 1.004**74, rel=1e-3)
    paid = sum(10**6 * Fraction("1.004") ** block for block in range(75)) * 40_000_000
    assert found.cost_wei == pytest.approx(float(paid), rel=1e-3)
    dearer = clearing_time([30_000, 0, 0], 100_000, "optimism", CRASH, price_wei=10**6, data_wei=7)
    assert dearer.cost_wei - found.cost_wei == 7 * 30_000


def test_half_of_every_block_takes_twice_as_long():
    found = clearing_time([30_000, 0, 0], 100_000, "optimism", CRASH, 0.5, price_wei=10**6)
    assert found.cleared_after_s == 300
    assert found.waiting == (24_000, 18_000, 12_000, 6_000, 0)


def test_the_worst_day_at_the_gas_of_a_lean_contract_waits_nowhere_but_on_l1():
    waits = {
        chain: clearing_time(WORST, 39_172, chain, CRASH, price_wei=10**7).minutes_of_backlog
        for chain in ("arbitrum", "base", "optimism", "ethereum")
    }
    assert waits == {"arbitrum": 0, "base": 0, "optimism": 0, "ethereum": 0}
    heavy = clearing_time(WORST, 3_000_000, "base", CRASH, price_wei=10**7)
    assert heavy.cleared_after_s == pytest.approx(63_636 * 3_000_000 / 75_000_000, abs=2)
    assert heavy.minutes_of_backlog == int(heavy.cleared_after_s // 60)
    light = clearing_time(WORST, 65_281, "ethereum", CRASH, price_wei=10**9)
    assert light.minutes_of_backlog == int(63_636 * 65_281 / 3_750_000 // 60) == 18


def test_one_target_makes_a_storm_dearer_than_six():
    """The old rule of Arbitrum against the new one, 39 Mgas/s for five minutes."""
    storm = [60_000] * 5
    then = clearing_time(storm, 39_172, "arbitrum", CRASH)
    now = clearing_time(storm, 39_172, "arbitrum", NOW)
    assert (then.start_price_wei, now.start_price_wei) == (10_000_000, 20_000_000)
    assert then.peak_price_wei > 100 * now.peak_price_wei
    assert then.cleared_after_s == now.cleared_after_s == 300


def test_where_liquidations_are_counted_gas_does_not_matter():
    """The dYdX chain: 50 attempts per block of a second."""
    found = clearing_time(WORST, 3_000_000, "dydx", CRASH)
    assert found.cleared_after_s == -(-63_636 // 50)
    assert found.minutes_of_backlog == 21
    assert (found.cost_wei, found.peak_price_wei) == (0, 0)


def test_the_price_starts_where_the_chain_is_today():
    starts = {chain: usual_price(chain) for chain in ("ethereum", "base", "optimism", "arbitrum", "hyperevm")}
    assert starts == {
        "ethereum": 1_162_000_000,
        "base": 5_000_000,
        "optimism": 351,
        "arbitrum": 20_010_000,
        "hyperevm": 0,
    }
    assert clearing_time([1], 40_000, "ethereum", NOW).cost_wei == 40_000 * 1_162_000_000
    assert clearing_time([1], 40_000, "base", NOW, price_wei=1).start_price_wei == 5_000_000  # its minimum
    assert clearing_time([1], 40_000, "arbitrum", NOW).start_price_wei == 20_000_000


def test_one_liquidation_may_take_several_shares_of_a_block():
    found = clearing_time([6], 3_000_000, "ethereum", NOW, 0.01, price_wei=10**9)
    assert found.cleared_after_s == 12 * 6 * 5  # 600,000 gas of each block are theirs
    nothing = clearing_time([0, 0], 3_000_000, "ethereum", NOW, price_wei=10**9)
    assert (nothing.waiting, nothing.cost_wei, nothing.cleared_after_s) == ((0, 0), 0, 0)


@settings(max_examples=40)
@given(
    st.lists(st.integers(0, 20_000), min_size=1, max_size=6),
    st.integers(21_000, 400_000),
    st.sampled_from(["arbitrum", "base", "optimism", "ethereum"]),
    st.sampled_from([0.25, 0.5, 1.0]),
)
def test_nothing_is_lost_and_nothing_exceeds_the_chain(due, gas, chain, share):
    found = clearing_time(due, gas, chain, CRASH, share, price_wei=10**8)
    ceiling = rates(capacity(chain, CRASH)).ceiling
    assert found.liquidations == sum(due)
    assert found.waiting[-1] == 0 or found.cleared_after_s > 60 * len(found.waiting)
    most_per_minute = ceiling * share * 60 / gas
    for minute, (arrived, waiting) in enumerate(zip(accumulate(due), found.waiting, strict=False), 1):
        assert arrived - waiting <= most_per_minute * minute + 1
    if sum(due):
        assert found.cleared_after_s >= Fraction(sum(due) * gas) / Fraction(ceiling * share)
        assert found.cost_wei >= sum(due) * gas * min(found.start_price_wei, 10**7)
        assert found.cost_wei <= sum(due) * gas * found.peak_price_wei
    assert found.peak_price_wei >= found.start_price_wei


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (([1], 0, "base", NOW), "gas per liquidation: expected 1 to 16777216, what base takes in one"),
        (([1], 40_000_000, "arbitrum", NOW), "gas per liquidation: expected 1 to 32000000"),
        (([-1], 40_000, "base", NOW), "liquidations per minute: expected numbers from 0 on, got -1"),
        (([1], 40_000, "base", NOW, 0), "share: expected a number above 0 and up to 1, got 0"),
        (([1], 40_000, "base", NOW, 1.5), "share: expected a number above 0 and up to 1, got 1.5"),
        (([1], 40_000, "base", date(2022, 11, 8)), "base: its capacity is known since 2024-08-05"),
        (([10**9], 40_000, "ethereum", NOW), "would take more than a week"),
        (([1], 40_000, "mars", NOW), "mars: no such chain"),
    ],
)
def test_bad_questions_are_refused(arguments, complaint):
    with pytest.raises(InputError, match=complaint):
        clearing_time(*arguments)
