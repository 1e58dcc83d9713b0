"""How the price of gas climbs while a chain is used above its target, by the chain's own rule, to the wei.

A market is stepped: it has a price for the gas of the next step, and is told how much was used. A step is a block where
the rule counts blocks, and a second where it counts seconds.
"""

from abc import ABC, abstractmethod
from fractions import Fraction

from ..errors import InputError
from .fees import arbitrum, op_stack
from .fees.parameters import Capacity

EVM_GAS = "gas"
MS = 1_000
HORIZON_S = 7 * 86_400
"""How far ahead a price is followed."""


class GasMarket(ABC):
    """A price of gas (`price_wei`) that follows use, in steps of `step_ms` milliseconds."""

    price_wei: int
    step_ms: int

    def gas_per_step(self, gas_per_s: int) -> int:
        """Gas of one step at a rate, rounded down."""
        return gas_per_s * self.step_ms // MS

    @abstractmethod
    def use(self, gas: int) -> None:
        """Let one step go by in which so much gas was used."""


class BlockMarket(GasMarket):
    """EIP-1559 with a chain's own elasticity and denominator: the price moves once per block."""

    def __init__(self, capacity: Capacity, price_wei: int) -> None:
        self._capacity = capacity
        self.price_wei = max(price_wei, capacity.base_fee_min)
        self.step_ms = capacity.block_ms

    def use(self, gas: int) -> None:
        """Let a block go by."""
        rule = self._capacity
        self.price_wei = op_stack.next_base_fee(
            self.price_wei,
            min(gas, rule.block_gas),
            rule.block_gas,
            elasticity=rule.elasticity,
            denominator=rule.denominator,
            minimum=rule.base_fee_min,
        )


class ConstraintMarket(GasMarket):
    """Arbitrum since ArbOS 51: several targets, each with the gas used above it; all empty at the start."""

    step_ms = MS

    def __init__(self, capacity: Capacity) -> None:
        self._minimum = capacity.base_fee_min
        self._constraints = [
            arbitrum.Constraint(target.gas_per_s, target.window_s) for target in capacity.targets
        ]
        self._lowest = min(target.gas_per_s for target in capacity.targets)
        self.price_wei = self._minimum

    def use(self, gas: int) -> None:
        """Let a second go by."""
        if gas <= self._lowest and not any(each.backlog for each in self._constraints):
            return
        self._constraints = [each.after(gas, 1) for each in self._constraints]
        self.price_wei = arbitrum.constrained_base_fee(self._minimum, self._constraints)


class BacklogMarket(GasMarket):
    """Arbitrum before that: one target, and the gas used above it; empty at the start."""

    step_ms = MS

    def __init__(self, capacity: Capacity) -> None:
        self._capacity, self._backlog = capacity, 0
        self.price_wei = capacity.base_fee_min

    def use(self, gas: int) -> None:
        """Let a second go by."""
        rule = self._capacity
        self._backlog = max(self._backlog + gas - rule.speed_limit, 0)
        self.price_wei = arbitrum.legacy_base_fee(
            rule.base_fee_min, self._backlog, rule.speed_limit, rule.inertia_s, rule.tolerance_s
        )


def gas_market(capacity: Capacity, price_wei: int = 0) -> GasMarket:
    """The market of a chain, starting at a price where its rule remembers one and at its minimum elsewhere.

    Raises `InputError` where the chain's rule is not known, or its gas is not the EVM's.
    """
    if capacity.gas_unit != EVM_GAS:
        raise InputError(f"{capacity.gas_unit} is no EVM gas: a demand in gas cannot be held against it")
    if capacity.targets:
        return ConstraintMarket(capacity)
    if capacity.speed_limit:
        return BacklogMarket(capacity)
    if not capacity.denominator:
        raise InputError("how the price of gas moves on this chain is not known")
    return BlockMarket(capacity, price_wei)


def price_after(capacity: Capacity, gas_per_s: int, seconds: int, price_wei: int = 0) -> int:
    """Price (wei) after a demand was held for so many seconds."""
    market = gas_market(capacity, price_wei)
    for _ in range(seconds * MS // market.step_ms):
        market.use(market.gas_per_step(gas_per_s))
    return market.price_wei


def seconds_until(capacity: Capacity, gas_per_s: int, multiple: int, price_wei: int = 0) -> Fraction | None:
    """Seconds of a held demand until the price is a multiple of where it began; `None` where that is a week away."""
    market = gas_market(capacity, price_wei)
    wanted = multiple * market.price_wei
    for step in range(HORIZON_S * MS // market.step_ms):
        if market.price_wei >= wanted:
            return Fraction(step * market.step_ms, MS)
        market.use(market.gas_per_step(gas_per_s))
    return None


def price_max(capacity: Capacity) -> int | None:
    """Highest price (wei) that the rule can reach; `None` where it has no end."""
    if not capacity.targets:
        return None
    return capacity.base_fee_min * arbitrum.approx_exp_bips(arbitrum.EXPONENT_MAX_BIPS) // arbitrum.BIPS
