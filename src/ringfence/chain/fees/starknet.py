"""Fees of Starknet: three kinds of gas, each with its price; state changes are published in blobs. Integers.

Prices are wei or fri (1e-18 STRK) per gas. Starknet's L2 gas is not EVM gas.
Source: starkware-libs/sequencer@60161ba7 crates/blockifier/src/fee/gas_usage.rs,
crates/starknet_api/src/execution_resources.rs,
crates/apollo_consensus_orchestrator/src/fee_market/mod.rs (0.14.4).
"""

from typing import NamedTuple

FELT_BLOB_GAS = 32
"""Blob gas of one field element."""
NEW_KEY_L1_DATA_GAS = 32
NEW_KEY_L2_GAS = 402_000
"""What a storage key costs beyond its update when it is written for the first time."""
ARCHIVE_FELT_GAS = 5_120
"""L2 gas of a field element of calldata, signature or event data; keys of events count twice."""
KEY_FACTOR = 2
FELT_BYTES = 31

DENOMINATOR = 48
TARGET_GAS = 1_040_000_000
BLOCK_GAS = 5_800_000_000
PRICE_MIN_FRI = 8_000_000_000
RAMP_DENOMINATOR = 333
"""A price below its minimum rises by this part of itself per block."""


class Gas(NamedTuple):
    """Gas of the three kinds."""

    l1: int = 0
    l1_data: int = 0
    l2: int = 0


class Prices(NamedTuple):
    """Price per gas of each kind, in wei or fri."""

    l1: int
    l1_data: int
    l2: int


class StateChanges(NamedTuple):
    """What a transaction changes; `allocated_keys` counts storage keys written for the first time."""

    storage_updates: int = 0
    class_updates: int = 0
    compiled_class_updates: int = 0
    modified_contracts: int = 0
    allocated_keys: int = 0


def fee(gas: Gas, prices: Prices, tip: int = 0) -> int:
    """Fee in the unit of the prices; a tip is paid per L2 gas."""
    return gas.l1 * prices.l1 + gas.l1_data * prices.l1_data + gas.l2 * (prices.l2 + tip)


def data_gas(changes: StateChanges) -> int:
    """L1 data gas of publishing state changes in blobs, without what new keys add."""
    felts = 2 * (changes.storage_updates + changes.compiled_class_updates + changes.modified_contracts)
    return FELT_BLOB_GAS * (felts + changes.class_updates)


def state_gas(changes: StateChanges) -> Gas:
    """Gas of state changes, new keys included."""
    new = changes.allocated_keys
    return Gas(l1_data=data_gas(changes) + NEW_KEY_L1_DATA_GAS * new, l2=NEW_KEY_L2_GAS * new)


def archive_gas(felts: int, event_keys: int = 0) -> int:
    """L2 gas of keeping field elements of calldata, signatures and events."""
    return ARCHIVE_FELT_GAS * (felts + KEY_FACTOR * event_keys)


def next_l2_gas_price(
    price: int,
    gas_used: int,
    *,
    target: int = TARGET_GAS,
    denominator: int = DENOMINATOR,
    minimum: int = PRICE_MIN_FRI,
) -> int:
    """Price of L2 gas (fri) after a block; one below the minimum climbs towards it slowly, whatever was used."""
    if price < minimum:
        return min(price + price // RAMP_DENOMINATOR, minimum)
    change = price * abs(gas_used - target) // (target * denominator)
    return max(price + change if gas_used > target else price - change, minimum)
