"""Fees of the OP stack (OP Mainnet, Base), fork by fork. Integers; wei and gas.

A transaction pays gas * (base fee + priority fee), an L1 fee for its bytes, and since Isthmus an operator fee.
Sources: ethereum-optimism/specs@fd72cf79 (fjord, isthmus and jovian exec-engine.md); ethereum-optimism/op-geth@7b56c731
core/types/rollup_cost.go; ethereum-optimism/optimism@1cbf91a rust/op-revm.
"""

from enum import IntEnum
from typing import NamedTuple

from . import ethereum, fastlz

SCALAR_DEN = 1_000_000
CALLDATA_GAS = 16
SIGNATURE_BYTES = 68
"""Bytes that Bedrock counted for a signature that was not there yet."""

SIZE_COEFFICIENT = 836_500
SIZE_INTERCEPT = -42_585_600
SIZE_MIN = 100_000_000
"""Of Fjord's estimate of a transaction's compressed size, in millionths of a byte."""

OPERATOR_MULTIPLIER = 100
DA_FOOTPRINT_GAS_SCALAR = 400
"""Gas per estimated byte where the chain sets none (Jovian)."""
DEPOSIT_TYPE = 0x7E


class Fork(IntEnum):
    """Upgrades in their order."""

    BEDROCK = 0
    REGOLITH = 1
    CANYON = 2
    DELTA = 3
    ECOTONE = 4
    FJORD = 5
    GRANITE = 6
    HOLOCENE = 7
    ISTHMUS = 8
    JOVIAN = 9


class L1Prices(NamedTuple):
    """What a chain knows of L1: its fees (wei), and its own weights of them in millionths.

    `overhead` (gas) and `scalar` count before Ecotone, the other two weights from there on.
    """

    base_fee: int
    blob_base_fee: int = 0
    base_fee_scalar: int = 0
    blob_base_fee_scalar: int = 0
    overhead: int = 0
    scalar: int = 0

    @property
    def scaled(self) -> int:
        """Price of 16 gas of compressed calldata, and of the same byte in a blob, weighted (1e-6 wei)."""
        calldata = CALLDATA_GAS * self.base_fee * self.base_fee_scalar
        return calldata + self.blob_base_fee * self.blob_base_fee_scalar

    @property
    def is_before_ecotone(self) -> bool:
        """Whether nothing of Ecotone's is known yet, as in its very first block."""
        return not (self.blob_base_fee or self.base_fee_scalar or self.blob_base_fee_scalar)


class L1Fee(NamedTuple):
    """Fee for a transaction's bytes: wei, and the L1 gas that its receipt shows."""

    wei: int
    gas: int


def is_free(transaction: bytes) -> bool:
    """Whether a transaction pays no L1 and no operator fee: a deposit, or a call without bytes."""
    return not transaction or transaction[0] == DEPOSIT_TYPE


def estimated_size(fastlz_bytes: int) -> int:
    """Estimated compressed size in millionths of a byte (Fjord)."""
    return max(SIZE_MIN, SIZE_COEFFICIENT * fastlz_bytes + SIZE_INTERCEPT)


def data_gas(transaction: bytes, fork: Fork) -> int:
    """L1 gas of a transaction's bytes, without overhead."""
    if fork >= Fork.FJORD:
        return size_gas(estimated_size(fastlz.compressed_length(transaction)))
    unsigned = CALLDATA_GAS * SIGNATURE_BYTES if fork < Fork.REGOLITH else 0
    return ethereum.calldata_gas(transaction) + unsigned


def size_gas(size: int) -> int:
    """L1 gas of an estimated size (millionths of a byte)."""
    return size * CALLDATA_GAS // SCALAR_DEN


def l1_fee(transaction: bytes, fork: Fork, prices: L1Prices) -> L1Fee:
    """L1 fee of a signed transaction, its envelope included."""
    if is_free(transaction):
        return L1Fee(0, 0)
    if fork < Fork.ECOTONE or prices.is_before_ecotone:
        return bedrock_fee(data_gas(transaction, min(fork, Fork.REGOLITH)), prices)
    if fork < Fork.FJORD:
        return ecotone_fee(data_gas(transaction, fork), prices)
    return fjord_fee(fastlz.compressed_length(transaction), prices)


def bedrock_fee(gas: int, prices: L1Prices) -> L1Fee:
    """L1 fee of `gas` of calldata before Ecotone."""
    total = gas + prices.overhead
    return L1Fee(total * prices.base_fee * prices.scalar // SCALAR_DEN, total)


def ecotone_fee(gas: int, prices: L1Prices) -> L1Fee:
    """L1 fee of `gas` of calldata in Ecotone."""
    return L1Fee(gas * prices.scaled // (CALLDATA_GAS * SCALAR_DEN), gas)


def fjord_fee(fastlz_bytes: int, prices: L1Prices) -> L1Fee:
    """L1 fee of a transaction that FastLZ compresses to so many bytes, from Fjord on."""
    return size_fee(estimated_size(fastlz_bytes), prices)


def size_fee(size: int, prices: L1Prices) -> L1Fee:
    """L1 fee of an estimated size (millionths of a byte), from Fjord on."""
    return L1Fee(size * prices.scaled // SCALAR_DEN**2, size_gas(size))


def operator_fee(fork: Fork, gas: int, scalar: int, constant: int) -> int:
    """Operator fee in wei: nothing before Isthmus; Jovian made the scalar a hundred million times as heavy."""
    if fork < Fork.ISTHMUS:
        return 0
    if fork < Fork.JOVIAN:
        return gas * scalar // SCALAR_DEN + constant
    return gas * scalar * OPERATOR_MULTIPLIER + constant


def da_footprint(size: int, gas_scalar: int = DA_FOOTPRINT_GAS_SCALAR) -> int:
    """Gas that an estimated size (millionths of a byte) takes of a block's data (Jovian)."""
    return size // SCALAR_DEN * gas_scalar


def next_base_fee(
    base_fee: int,
    gas: int,
    gas_limit: int,
    *,
    elasticity: int,
    denominator: int,
    footprint: int = 0,
    minimum: int = 0,
) -> int:
    """Base fee after a block of `gas` and data `footprint`, not below the chain's `minimum` (Jovian)."""
    used = max(gas, footprint)
    following = ethereum.next_base_fee(
        base_fee, used, gas_limit, elasticity=elasticity, denominator=denominator
    )
    return max(following, minimum)
