"""Fees of ZKsync Era: a price of gas, a price of published data, and how little of a write is published.

Prices are wei, per gas or per byte of pubdata. The node multiplies by its overhead shares in double precision, and so
does this; all else is integers. EraVM gas is not EVM gas.
Source: matter-labs/zksync-era@3e29e4a0 core/lib/types/src: fee_model.rs, storage/writes/compression.rs; and
core/lib/multivm/src/versions/vm_latest: utils/fee.rs, utils/overhead.rs, oracles/storage.rs.
"""

from typing import NamedTuple

GAS_PER_PUBDATA_MAX = 50_000
OVERHEAD_SLOT_GAS = 10_000
OVERHEAD_BYTE_GAS = 10
L2_GAS_PRICE_MAX = 10**13
PUBDATA_PRICE_MAX = 10**15
"""Prices that the bootloader accepts at most."""

KEY_BYTES = 32
INDEX_BYTES = 4
"""Bytes by which a slot is named: the first time, and again."""
VALUE_BYTES_MAX = 31
"""Compressed values are shorter than this."""
WORD = 1 << 256
UINT64_MAX = (1 << 64) - 1
LENGTH_SHIFT = 3
NONE, ADD, SUB, TRANSFORM = range(4)


class FeeModel(NamedTuple):
    """How a chain spreads the cost of closing a batch: prices in wei, limits per batch, shares as factors."""

    minimal_l2_gas_price: int
    batch_overhead_l1_gas: int
    max_gas_per_batch: int
    max_pubdata_per_batch: int
    compute_overhead_part: float = 0.0
    pubdata_overhead_part: float = 1.0


class FairPrices(NamedTuple):
    """Prices in wei: of L1 gas, of L2 gas, and of a byte of pubdata."""

    l1_gas: int
    l2_gas: int
    pubdata: int

    def clipped(self) -> "FairPrices":
        """The prices that the bootloader accepts."""
        return self._replace(
            l2_gas=min(self.l2_gas, L2_GAS_PRICE_MAX), pubdata=min(self.pubdata, PUBDATA_PRICE_MAX)
        )


def fair_prices(
    model: FeeModel,
    l1_gas_price: int,
    l1_pubdata_price: int,
    *,
    gas_scale: float = 1.0,
    pubdata_scale: float = 1.0,
) -> FairPrices:
    """Prices under the second fee model, not clipped; the scales are the operator's safety factors."""
    gas_price, pubdata_price = _scaled(l1_gas_price, gas_scale), _scaled(l1_pubdata_price, pubdata_scale)
    overhead = gas_price * model.batch_overhead_l1_gas
    per_gas, per_byte = -(-overhead // model.max_gas_per_batch), -(-overhead // model.max_pubdata_per_batch)
    return FairPrices(
        gas_price,
        model.minimal_l2_gas_price + _scaled(per_gas, model.compute_overhead_part),
        pubdata_price + _scaled(per_byte, model.pubdata_overhead_part),
    )


def _scaled(amount: int, factor: float) -> int:
    """The amount times a factor in double precision, cut to a 64-bit unsigned integer."""
    return min(max(int(float(amount) * factor), 0), UINT64_MAX)


def in_base_token(price: int, numerator: int, denominator: int) -> int:
    """A price in wei as one in the chain's own token, at so many of its units per wei."""
    return min(price * numerator // denominator, UINT64_MAX)


def base_fee(prices: FairPrices) -> int:
    """Price of L2 gas (wei): high enough that a byte of pubdata never takes more than the most gas allowed."""
    return max(prices.l2_gas, -(-prices.pubdata // GAS_PER_PUBDATA_MAX))


def gas_per_pubdata(prices: FairPrices) -> int:
    """L2 gas that a byte of pubdata takes."""
    return -(-prices.pubdata // base_fee(prices))


def overhead_gas(encoded_bytes: int) -> int:
    """L2 gas of a transaction's share of its batch, by the length of its encoding."""
    return max(OVERHEAD_SLOT_GAS, OVERHEAD_BYTE_GAS * encoded_bytes)


def compress_value(before: int, after: int) -> bytes:
    """What is published of a changed word: a byte that says how, then the shortest of difference and new value."""
    candidates = ((ADD, (after - before) % WORD), (SUB, (before - after) % WORD), (TRANSFORM, after))
    mode, value = min(candidates, key=lambda each: _bytes(each[1]))
    length = _bytes(value)
    if length >= VALUE_BYTES_MAX:
        return bytes([NONE]) + after.to_bytes(KEY_BYTES)
    return bytes([length << LENGTH_SHIFT | mode]) + value.to_bytes(length)


def _bytes(value: int) -> int:
    return (value.bit_length() + 7) // 8


def pubdata_bytes(before: int, after: int, *, first: bool) -> int:
    """Bytes of pubdata of one write, to a slot written for the `first` time or again."""
    return (KEY_BYTES if first else INDEX_BYTES) + len(compress_value(before, after))


def total_gas(encoded_bytes: int, compute_gas: int, pubdata: int, prices: FairPrices) -> int:
    """L2 gas of a transaction: its overhead, its computation, its bytes of pubdata."""
    return overhead_gas(encoded_bytes) + compute_gas + pubdata * gas_per_pubdata(prices)
