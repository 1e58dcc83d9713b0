"""The fee rules of each chain, beyond the published cases: derived examples and properties."""

import hashlib
import math
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.chain.fees import arbitrum, ethereum, op_stack, starknet, zksync
from ringfence.chain.fees.op_stack import Fork, L1Prices
from ringfence.errors import InputError

WEI = st.integers(1, 10**15)
GAS = st.integers(0, 60_000_000)
WORDS = st.one_of(st.integers(0, 2**256 - 1), st.integers(0, 2**40), st.integers(2**256 - 2**40, 2**256 - 1))


# -- Ethereum -------------------------------------------------------------------------------------------------------


def test_calldata_pays_the_floor_until_execution_is_dearer():
    data = bytes(100) + b"\1" * 100
    tokens = ethereum.tokens(data)
    assert (tokens, ethereum.calldata_gas(data)) == (500, 2_000)
    assert ethereum.gas_used(tokens, 0) == 21_000 + 10 * 500
    assert ethereum.gas_used(tokens, 3_000) == 21_000 + 10 * 500  # 4 * 500 + 3,000 is just that
    assert ethereum.gas_used(tokens, 3_001) == 21_000 + 5_001
    assert ethereum.gas_used(tokens, 50_000, creation_bytes=33) == 21_000 + 2_000 + 50_000 + 32_000 + 2 * 2


@given(WEI, GAS)
def test_a_base_fee_moves_by_an_eighth_at_most_and_towards_the_target(fee, gas):
    following = ethereum.next_base_fee(fee, gas, 60_000_000)
    assert abs(following - fee) <= max(fee // 8, 1)
    assert (following > fee) == (gas > 30_000_000)


@pytest.mark.parametrize(
    ("day", "name"),
    [
        (date(2024, 3, 12), None),
        (date(2024, 3, 13), "cancun"),
        (date(2025, 10, 10), "prague"),
        (date(2025, 12, 8), "osaka"),
        (date(2026, 1, 6), "bpo1"),
        (date(2026, 11, 22), "bpo2"),
    ],
)
def test_schedules_of_blobs_by_day(day, name):
    found = ethereum.blob_schedule(day)
    assert (found and found.name) == name


@given(st.integers(0, 20 * 11_684_671))
def test_the_blob_fee_is_an_exponential(excess):
    exact = math.exp(excess / 11_684_671)
    assert ethereum.blob_base_fee(excess, 11_684_671) == pytest.approx(exact, rel=0.01, abs=1)


def test_a_full_block_of_blobs_below_the_reserve_raises_the_excess_as_above_it():
    full = 21 * ethereum.BLOB_GAS
    above = ethereum.next_excess_blob_gas(10**7, full, 14, 21)
    below = ethereum.next_excess_blob_gas(10**7, full, 14, 21, below_reserve=True)
    assert above == below == 10**7 + 7 * ethereum.BLOB_GAS
    half = ethereum.next_excess_blob_gas(10**7, full // 3, 14, 21, below_reserve=True)
    assert half == 10**7 + full // 9 > ethereum.next_excess_blob_gas(10**7, full // 3, 14, 21)


# -- OP stack -------------------------------------------------------------------------------------------------------


def test_each_fork_prices_the_same_bytes_in_its_own_way():
    transaction = bytes(10) + b"\1" * 20
    old = L1Prices(1_000, overhead=100, scalar=1_000_000)
    new = L1Prices(1_000, 10, 1_000_000, 1_000_000)
    calldata = 4 * 10 + 16 * 20
    assert op_stack.l1_fee(transaction, Fork.BEDROCK, old) == (
        (calldata + 68 * 16 + 100) * 1_000,
        calldata + 1_188,
    )
    assert op_stack.l1_fee(transaction, Fork.CANYON, old) == ((calldata + 100) * 1_000, calldata + 100)
    ecotone = calldata * (16 * 1_000 + 10) // 16
    assert op_stack.l1_fee(transaction, Fork.ECOTONE, new) == (ecotone, calldata)
    for fork in (Fork.FJORD, Fork.GRANITE, Fork.HOLOCENE, Fork.ISTHMUS, Fork.JOVIAN):
        assert op_stack.l1_fee(transaction, fork, new) == (100 * (16 * 1_000 + 10), 1_600)  # the least size
    assert op_stack.l1_fee(transaction, Fork.ECOTONE, old) == op_stack.l1_fee(
        transaction, Fork.REGOLITH, old
    )  # its first block knows no new weights
    assert op_stack.l1_fee(b"\x7e" + transaction, Fork.JOVIAN, new) == (0, 0)


def test_the_operator_fee_came_with_isthmus_and_grew_with_jovian():
    found = {fork: op_stack.operator_fee(fork, 100_000, 7, 5) for fork in Fork}
    assert found[Fork.HOLOCENE] == 0
    assert found[Fork.ISTHMUS] == 5  # 0.7 wei are rounded down
    assert found[Fork.JOVIAN] == 100_000 * 7 * 100 + 5


def test_jovian_counts_data_as_gas_and_keeps_a_minimum():
    rule = {"elasticity": 2, "denominator": 250}
    assert op_stack.next_base_fee(10**6, 0, 40_000_000, minimum=10**6, **rule) == 10**6
    full = op_stack.next_base_fee(10**6, 40_000_000, 40_000_000, **rule)
    assert full == 1_004_000
    assert op_stack.next_base_fee(10**6, 0, 40_000_000, footprint=40_000_000, **rule) == full
    assert op_stack.da_footprint(100_999_999) == 40_000


# -- Arbitrum -------------------------------------------------------------------------------------------------------


def test_bytes_are_compressed_at_the_level_of_the_version():
    noise = hashlib.shake_256(b"noise").digest(177)
    assert [arbitrum.brotli_level(version) for version in (11, 19, 20, 51)] == [0, 0, 1, 1]
    assert 177 < arbitrum.compressed_length(noise) <= 183  # what cannot be compressed grows by its headers
    assert arbitrum.compressed_length(bytes(1000), 1) < 30
    words = b"".join(index.to_bytes(32) for index in range(64))
    assert arbitrum.compressed_length(words, 1) != arbitrum.compressed_length(words, 0)
    assert arbitrum.poster_units(183) == 16 * 183
    assert arbitrum.padded_units(16 * 183) == (16 * 183 + 256) * 101 // 100
    assert arbitrum.poster_gas(2_928, 2_700_000, 20_010_000) == 395


@given(st.integers(-85_000, 85_000))
def test_the_series_is_that_of_the_exponential(bips):
    x = abs(bips) / 10_000
    series = 1 + x + x**2 / 2 + x**3 / 6 + x**4 / 24
    exact = series if bips >= 0 else 1 / series
    assert arbitrum.approx_exp_bips(bips) / 10_000 == pytest.approx(exact, abs=4e-3, rel=1e-3)


def test_the_largest_exponent_is_365_times_the_minimum():
    endless = arbitrum.Constraint(10_000_000, 9, 10**15)
    assert arbitrum.approx_exp_bips(arbitrum.EXPONENT_MAX_BIPS) == 3_654_791
    assert arbitrum.constrained_base_fee(20_000_000, [endless, endless]) == 7_309_582_000


@given(st.integers(0, 10**11))
def test_one_constraint_is_the_older_rule_without_its_tolerance(backlog):
    speed, inertia, tolerance = 7_000_000, 102, 10
    constraint = arbitrum.Constraint(speed, inertia, max(backlog - tolerance * speed, 0))
    older = arbitrum.legacy_base_fee(10**7, backlog, speed, inertia, tolerance)
    assert arbitrum.constrained_base_fee(10**7, [constraint]) == min(older, 10**7 * 3_654_791 // 10_000)


def test_a_backlog_is_paid_off_at_the_target():
    constraint = arbitrum.Constraint(10, 60).after(1_000, 1)
    assert constraint.backlog == 990
    assert constraint.exponent_bips == 990 * 10_000 // 600
    assert constraint.after(0, 1_000).backlog == 0


@pytest.mark.parametrize(("start", "due"), [(10**9, 5 * 10**9), (5 * 10**9, 10**9)])
def test_the_price_per_unit_finds_what_posting_costs(start, due):
    """Ten batches of the equilibrating size, as in the node's own test: within 1 % of the way."""
    pricing = arbitrum.UnitPricing(start, 0, 0, per_unit_reward=0)
    for batch in range(10):
        units = arbitrum.EQUILIBRATION_UNITS
        pricing = pricing._replace(
            units_since_update=pricing.units_since_update + units,
            fees_available=pricing.fees_available + pricing.price_per_unit * units,
        )
        pricing, _ = arbitrum.report_batch(pricing, due * units, due, 10 * (batch + 1), 10 * (batch + 1) + 5)
    assert pricing.price_per_unit - start == pytest.approx(due - start, rel=0.01)


@given(st.integers(0, 10**18), st.integers(0, 10**12), st.integers(0, 10**18), st.integers(0, 1_000))
def test_a_report_pays_out_what_there_was(available, units, spent, reward):
    pricing = arbitrum.UnitPricing(10**6, available, units, per_unit_reward=reward)
    after, paid = arbitrum.report_batch(pricing, spent, 10**9, 1, 3)
    assert after.fees_available + paid.reward + paid.poster == available
    assert after.fees_available >= 0
    assert after.price_per_unit >= 0
    assert after.due_to_poster == spent - paid.poster


def test_a_report_from_the_future_is_refused():
    with pytest.raises(InputError, match="update time 9: expected one from 8 to 3"):
        arbitrum.report_batch(arbitrum.UnitPricing(1, 1, 1), 1, 1, 9, 3)


def test_resources_are_weighed_against_the_heaviest():
    one = arbitrum.ResourceConstraint(100, 10, 500, {"a": 1, "b": 4, "c": 0})
    two = arbitrum.ResourceConstraint(100, 10, 0, {"d": 1})
    assert arbitrum.resource_exponents_bips([one, one, two]) == {"a": 2_500, "b": 10_000, "c": 0, "d": 0}


# -- ZKsync Era -----------------------------------------------------------------------------------------------------


def restored(before, published):
    kind, value = published[0] & 7, int.from_bytes(published[1:])
    assert published[0] >> 3 == (len(published) - 1 if kind else 0)
    return {0: value, 1: before + value, 2: before - value, 3: value}[kind] % 2**256


@given(WORDS, WORDS)
def test_what_is_published_restores_the_new_value(before, after):
    published = zksync.compress_value(before, after)
    assert restored(before, published) == after
    assert len(published) <= 33
    first, again = (zksync.pubdata_bytes(before, after, first=first) for first in (True, False))
    assert (first, again) == (32 + len(published), 4 + len(published))


@given(st.integers(0, 10**13), st.integers(0, 10**15))
def test_a_byte_of_pubdata_never_takes_more_than_the_most_gas(l2_gas, pubdata):
    prices = zksync.FairPrices(1, max(l2_gas, 1), pubdata)
    assert zksync.base_fee(prices) >= prices.l2_gas
    assert zksync.gas_per_pubdata(prices) <= 50_000
    assert zksync.gas_per_pubdata(prices) * zksync.base_fee(prices) >= pubdata


def test_a_transaction_pays_overhead_computation_and_pubdata():
    prices = zksync.FairPrices(1, 100, 1_050)
    assert zksync.overhead_gas(100) == 10_000
    assert zksync.total_gas(2_000, 300_000, 60, prices) == 20_000 + 300_000 + 60 * 11


# -- Starknet -------------------------------------------------------------------------------------------------------


def test_state_changes_are_published_and_new_keys_cost_more():
    changes = starknet.StateChanges(storage_updates=3, modified_contracts=2, allocated_keys=1)
    assert starknet.data_gas(changes) == 32 * 10
    assert starknet.state_gas(changes) == starknet.Gas(l1_data=32 * 11, l2=402_000)
    assert starknet.archive_gas(4, event_keys=1) == 5_120 * 6


@given(st.integers(0, 10**12), st.integers(0, starknet.BLOCK_GAS))
def test_the_price_of_l2_gas_keeps_to_its_minimum(price, used):
    following = starknet.next_l2_gas_price(price, used)
    if price < starknet.PRICE_MIN_FRI:
        assert following == min(price + price // 333, starknet.PRICE_MIN_FRI)
    else:
        assert following >= starknet.PRICE_MIN_FRI
        assert following <= price + price * (starknet.BLOCK_GAS - starknet.TARGET_GAS) // (
            48 * starknet.TARGET_GAS
        )
