"""Fees of Arbitrum Nitro: gas for a transaction's bytes, and a base fee that follows backlogs. Integers; wei and gas.

A transaction is charged `base fee * (poster gas + gas of its execution)`; poster gas is what its bytes, compressed by
brotli, cost at the price per unit, in gas at that base fee. A unit is a sixteenth of a byte.
Sources: OffchainLabs/nitro@6dce8d13 arbos/l1pricing/l1pricing.go, arbos/l2pricing/model.go, arbos/tx_processor.go,
util/arbmath. Its `big.Int.Div` is Euclidean, which for its positive divisors is the floor that `//` is.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ...errors import InputError

BIPS = 10_000
UNITS_PER_BYTE = 16
WINDOW_BITS = 22
"""Brotli's window."""
ARBOS_LEVEL_1 = 20
"""Version of ArbOS since which brotli's level is 1; before, it was 0."""
PADDING_UNITS = 256
PADDING_BIPS = 100
"""What an estimate of gas adds to the units."""

EQUILIBRATION_UNITS = 160_000_000
INERTIA = 10
ACCURACY = 4
"""Degree of the series that stands for the exponential function."""
EXPONENT_MAX_BIPS = 85_000
"""Largest exponent of the base fee since ArbOS 51."""
UINT64_MAX = (1 << 64) - 1
INT64_MAX = (1 << 63) - 1


# -- bytes ---------------------------------------------------------------------------------------------------------


def brotli_level(arbos_version: int) -> int:
    """Level at which a version of ArbOS compresses a transaction to price it."""
    return 1 if arbos_version >= ARBOS_LEVEL_1 else 0


def compressed_length(transaction: bytes, level: int = 1) -> int:
    """Bytes of a signed transaction after brotli."""
    import brotli  # type: ignore[import-untyped]

    return len(brotli.compress(transaction, quality=level, lgwin=WINDOW_BITS))


def poster_units(compressed_bytes: int) -> int:
    """Units that a compressed length is priced at."""
    return UNITS_PER_BYTE * compressed_bytes


def padded_units(units: int) -> int:
    """Units that an estimate of gas assumes, to be safe."""
    return (units + PADDING_UNITS) * (BIPS + PADDING_BIPS) // BIPS


def poster_gas(units: int, price_per_unit: int, gas_price: int) -> int:
    """L2 gas charged for posting: what the units cost, in gas at the price that the transaction pays."""
    return units * price_per_unit // gas_price


# -- price of a unit -----------------------------------------------------------------------------------------------


class UnitPricing(NamedTuple):
    """State of the price per unit: amounts in wei, time in seconds."""

    price_per_unit: int
    fees_available: int
    units_since_update: int
    last_update_time: int = 0
    last_surplus: int = 0
    due_to_poster: int = 0
    due_for_rewards: int = 0
    per_unit_reward: int = 10
    amortized_cost_cap_bips: int = 0
    equilibration_units: int = EQUILIBRATION_UNITS
    inertia: int = INERTIA


class Payout(NamedTuple):
    """What a batch poster's report paid out, in wei."""

    reward: int
    poster: int


def report_batch(
    pricing: UnitPricing, wei_spent: int, l1_base_fee: int, update_time: int, current_time: int
) -> tuple[UnitPricing, Payout]:
    """The state after a poster spent `wei_spent` on batches up to `update_time`, and what it was paid (ArbOS 10 on).

    Raises `InputError` for a time that lies in the future or before the last update.
    """
    last = pricing.last_update_time or max(update_time - 1, 0)
    if not last <= update_time <= current_time:
        raise InputError(f"update time {update_time}: expected one from {last} to {current_time}")
    share, whole = (update_time - last, current_time - last) if current_time > last else (1, 1)
    units = min(pricing.units_since_update * share, UINT64_MAX) // whole
    if pricing.amortized_cost_cap_bips:
        cap = l1_base_fee * units * min(pricing.amortized_cost_cap_bips, INT64_MAX) // BIPS
        wei_spent = min(wei_spent, cap)
    earned, owed = units * pricing.per_unit_reward, pricing.due_to_poster + wei_spent
    reward = min(earned, pricing.fees_available)
    poster = min(owed, pricing.fees_available - reward)
    after = pricing._replace(
        fees_available=pricing.fees_available - reward - poster,
        units_since_update=pricing.units_since_update - units,
        last_update_time=update_time,
        due_to_poster=owed - poster,
        due_for_rewards=pricing.due_for_rewards + earned - reward,
    )
    return _repriced(after, units), Payout(reward, poster)


def _repriced(pricing: UnitPricing, units: int) -> UnitPricing:
    """The state with its price moved towards the one at which the surplus of fees would vanish."""
    if not units:
        return pricing
    surplus = pricing.fees_available - pricing.due_to_poster - pricing.due_for_rewards
    wanted = -surplus // pricing.equilibration_units
    actual = (surplus - pricing.last_surplus) // units
    weight = pricing.equilibration_units // pricing.inertia + units
    price = pricing.price_per_unit + (wanted - actual) * units // weight
    return pricing._replace(price_per_unit=max(price, 0), last_surplus=surplus)


# -- base fee ------------------------------------------------------------------------------------------------------


def approx_exp_bips(exponent_bips: int, accuracy: int = ACCURACY) -> int:
    """Exponential of x in basis points as its Taylor polynomial of degree `accuracy`; 1 / that of -x below zero."""
    x = abs(exponent_bips)
    result = BIPS + x // accuracy
    for degree in range(accuracy - 1, 0, -1):
        result = BIPS + min(result * x, UINT64_MAX) // (degree * BIPS)
    return min(result if exponent_bips >= 0 else BIPS * BIPS // result, INT64_MAX)


class Constraint(NamedTuple):
    """A target of gas per second, the window (s) over which it is meant, and the gas above it so far."""

    target: int
    window: int
    backlog: int = 0

    def after(self, gas: int, seconds: int) -> "Constraint":
        """The constraint after `gas` was used and `seconds` went by."""
        backlog = self.backlog + gas - seconds * self.target
        return Constraint(self.target, self.window, max(backlog, 0))

    @property
    def exponent_bips(self) -> int:
        """What it adds to the exponent of the base fee."""
        return self.backlog * BIPS // (self.window * self.target)


def constrained_base_fee(minimum: int, constraints: Iterable[Constraint]) -> int:
    """Base fee (wei) under several constraints (ArbOS 51): the minimum times the exponential of all backlogs."""
    exponent = min(sum(each.exponent_bips for each in constraints), EXPONENT_MAX_BIPS)
    return minimum * approx_exp_bips(exponent) // BIPS


def legacy_base_fee(minimum: int, backlog: int, speed_limit: int, inertia: int, tolerance: int) -> int:
    """Base fee (wei) before ArbOS 51: one target (gas/s), a backlog tolerated for so many seconds, an inertia (s)."""
    excess = backlog - tolerance * speed_limit
    if excess <= 0:
        return minimum
    exponent = min(excess * BIPS, INT64_MAX) // (inertia * speed_limit)
    return minimum * approx_exp_bips(exponent) // BIPS


class ResourceConstraint(NamedTuple):
    """A constraint on weighted resources (ArbOS 60): `weights` by name, the others as in `Constraint`."""

    target: int
    window: int
    backlog: int
    weights: Mapping[str, int]


def resource_exponents_bips(constraints: Iterable[ResourceConstraint]) -> dict[str, int]:
    """Exponent of each weighted resource; the base fee follows the largest."""
    exponents: dict[str, int] = {}
    for each in constraints:
        heaviest = max(each.weights.values(), default=0)
        divisor = min(each.window * min(each.target * heaviest, UINT64_MAX), INT64_MAX)
        for name, weight in each.weights.items():
            added = 0
            if weight and each.backlog:
                weighted = min(each.backlog * weight, INT64_MAX)
                added = min(weighted * BIPS, INT64_MAX) // divisor
            exponents[name] = min(exponents.get(name, 0) + added, INT64_MAX)
    return exponents
