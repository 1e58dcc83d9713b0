"""Ethereum's own fee rules: gas of calldata, base fee, blob base fee. Integers; gas and wei.

Sources: EIP-1559, EIP-2028, EIP-4844, EIP-7623, EIP-7691, EIP-7892, EIP-7918, EIP-8134, EIP-8135; checked against
ethereum/go-ethereum@02b73d4e consensus/misc.
"""

from datetime import date
from typing import NamedTuple

TRANSACTION_GAS = 21_000
CREATION_GAS = 32_000
INITCODE_WORD_GAS = 2
WORD_BYTES = 32

TOKENS_PER_NONZERO_BYTE = 4
TOKEN_GAS = 4
TOKEN_FLOOR_GAS = 10

ELASTICITY = 2
DENOMINATOR = 8

BLOB_GAS = 131_072
BLOB_FEE_MIN = 1
BLOB_BASE_COST = 8_192
"""Execution gas that a blob's gas must at least cost (EIP-7918)."""


class BlobSchedule(NamedTuple):
    """Blobs per block from a day on: the target, the most, the speed of the fee, and whether EIP-7918 holds."""

    name: str
    since: date
    target: int
    most: int
    update_fraction: int
    has_reserve: bool


BLOB_SCHEDULES = (
    BlobSchedule("cancun", date(2024, 3, 13), 3, 6, 3_338_477, False),
    BlobSchedule("prague", date(2025, 5, 7), 6, 9, 5_007_716, False),
    BlobSchedule("osaka", date(2025, 12, 3), 6, 9, 5_007_716, True),
    BlobSchedule("bpo1", date(2025, 12, 9), 10, 15, 8_346_193, True),
    BlobSchedule("bpo2", date(2026, 1, 7), 14, 21, 11_684_671, True),
)
"""The main network's schedules, oldest first."""


def blob_schedule(day: date) -> BlobSchedule | None:
    """The schedule in force on a day; `None` before there were blobs."""
    in_force = [schedule for schedule in BLOB_SCHEDULES if schedule.since <= day]
    return in_force[-1] if in_force else None


def tokens(data: bytes) -> int:
    """Calldata tokens: 1 for a zero byte, 4 for any other (EIP-7623)."""
    zeros = data.count(0)
    return zeros + TOKENS_PER_NONZERO_BYTE * (len(data) - zeros)


def calldata_gas(data: bytes) -> int:
    """Gas of calldata: 4 for a zero byte, 16 for any other (EIP-2028)."""
    return TOKEN_GAS * tokens(data)


def gas_used(calldata_tokens: int, execution_gas: int, *, creation_bytes: int | None = None) -> int:
    """Gas of a transaction whose execution, after refunds, took `execution_gas` (EIP-7623).

    `creation_bytes` is the length of the calldata of a transaction that creates a contract, `None` for any other.
    """
    words = 0 if creation_bytes is None else -(-creation_bytes // WORD_BYTES)
    creation = 0 if creation_bytes is None else CREATION_GAS + INITCODE_WORD_GAS * words
    standard = TOKEN_GAS * calldata_tokens + execution_gas + creation
    return TRANSACTION_GAS + max(standard, TOKEN_FLOOR_GAS * calldata_tokens)


def next_base_fee(
    base_fee: int,
    gas: int,
    gas_limit: int,
    *,
    elasticity: int = ELASTICITY,
    denominator: int = DENOMINATOR,
) -> int:
    """Base fee (wei per gas) of the block after one that used `gas` of `gas_limit` (EIP-1559)."""
    target = gas_limit // elasticity
    if gas == target:
        return base_fee
    change = base_fee * abs(gas - target) // (target * denominator)
    return base_fee + max(change, 1) if gas > target else max(base_fee - change, 0)


def fake_exponential(factor: int, numerator: int, denominator: int) -> int:
    """The `factor` times e ** (numerator / denominator), as EIP-4844 approximates it by a Taylor series."""
    term, total, index = factor * denominator, 0, 1
    while term:
        total += term
        term = term * numerator // (denominator * index)
        index += 1
    return total // denominator


def blob_base_fee(excess_blob_gas: int, update_fraction: int) -> int:
    """Wei per blob gas (EIP-4844)."""
    return fake_exponential(BLOB_FEE_MIN, excess_blob_gas, update_fraction)


def is_below_reserve(base_fee: int, blob_fee: int) -> bool:
    """Whether a blob costs less than the execution gas it is worth (EIP-7918): then it costs more from here on."""
    return BLOB_BASE_COST * base_fee > BLOB_GAS * blob_fee


def next_excess_blob_gas(
    excess: int, blob_gas_used: int, target: int, most: int, *, below_reserve: bool = False
) -> int:
    """Excess blob gas after a block; `target` and `most` are blobs per block (EIP-4844; EIP-7918 below the reserve)."""
    total = excess + blob_gas_used
    if total < target * BLOB_GAS:
        return 0
    if below_reserve:
        return excess + blob_gas_used * (most - target) // most
    return total - target * BLOB_GAS
