"""How many liquidations a chain carries, how long a crash takes to clear, and what it costs those who clear it.

Three rates of gas matter. *Sustained*: the price stays at its floor. *Burst*: blocks take it, and the price climbs.
*Ceiling*: no block takes more. Data: `chain/data/*.toml`, as of any day since it is known.
"""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from itertools import accumulate

from msgspec import Struct

from ..errors import InputError
from .congestion import EVM_GAS, HORIZON_S, MS, gas_market
from .fees.ethereum import TRANSACTION_GAS
from .fees.parameters import CHAINS, Capacity, capacity, parameters

__all__ = [
    "Clearing",
    "Rates",
    "capacity",
    "clearing_time",
    "dust_threshold_usd",
    "gas_in_batch",
    "liquidations_per_second",
    "rates",
    "seconds_to_clear",
    "usual_price",
]

MINUTE_MS = 60_000
WEI = 10**18


class Rates(Struct, frozen=True):
    """Gas per second: at the floor of the price, for a number of seconds, and at most."""

    sustained: int
    burst: int
    ceiling: int


def rates(capacity: Capacity, burst_s: int = 300) -> Rates:
    """What a chain carries; `burst` for so many seconds before its price leaves the floor's neighbourhood.

    Where the rule has targets over windows that is the target of the shortest window that is long enough; elsewhere
    blocks take the ceiling at once, at a price. Raises `InputError` where gas is not the EVM's.
    """
    if capacity.gas_unit != EVM_GAS:
        raise InputError(f"{capacity.gas_unit} is no EVM gas: rates of the two cannot be compared")
    ceiling = capacity.block_gas * MS // capacity.block_ms
    if capacity.targets:
        windows = sorted(capacity.targets, key=lambda target: target.window_s)
        burst = next((each.gas_per_s for each in windows if each.window_s >= burst_s), windows[-1].gas_per_s)
        return Rates(windows[-1].gas_per_s, burst, ceiling)
    if capacity.speed_limit:
        return Rates(capacity.speed_limit, capacity.speed_limit, ceiling)
    return Rates(ceiling // capacity.elasticity, ceiling, ceiling)


def liquidations_per_second(gas_per_s: int, gas_per_liquidation: int, share: float = 1.0) -> Fraction:
    """Liquidations that a rate of gas carries, where a share of it is theirs."""
    return Fraction(share) * gas_per_s / _positive(gas_per_liquidation, "gas per liquidation")


def seconds_to_clear(liquidations: int, gas_per_s: int, gas_per_liquidation: int) -> Fraction:
    """Seconds that so many liquidations take at a rate of gas, all of them waiting at the start."""
    return liquidations / liquidations_per_second(gas_per_s, gas_per_liquidation)


def gas_in_batch(gas_per_liquidation: int, accounts: int) -> Fraction:
    """Gas per account where one transaction liquidates several: what every transaction costs is paid once."""
    return gas_per_liquidation - TRANSACTION_GAS + Fraction(TRANSACTION_GAS, _positive(accounts, "accounts"))


def usual_price(chain: str) -> int:
    """Base fee (wei) of a chain in the `mid` scenario, 0 where its fees are not known."""
    stated = parameters(chain).stated if chain in CHAINS else {}
    found = [stated[path] for path in ("l2.baseFee", "l1.baseFee") if path in stated]
    return int(found[0].value) if found else 0


def dust_threshold_usd(cost_wei: int, usd_per_eth: Fraction, reward_rate: Fraction) -> Fraction:
    """Notional (USD) from which on a keeper's reward, a rate of it, pays for a transaction of that cost."""
    if reward_rate <= 0:
        raise InputError(f"reward rate: expected a number above 0, got {reward_rate}")
    return Fraction(cost_wei, WEI) * usd_per_eth / reward_rate


class Clearing(Struct, frozen=True):
    """How a run of liquidations got through a chain.

    `waiting` counts those still waiting at the end of each minute until none is. Prices are wei per gas, the cost is
    wei for all of them.
    """

    chain: str
    day: date
    liquidations: int
    waiting: tuple[int, ...]
    minutes_of_backlog: int
    cleared_after_s: Fraction
    start_price_wei: int
    peak_price_wei: int
    cost_wei: int


def clearing_time(
    liquidations_per_minute: Sequence[int],
    gas_per_liquidation: int,
    chain: str,
    day: date,
    share: float = 1.0,
    *,
    price_wei: int | None = None,
    data_wei: int = 0,
) -> Clearing:
    """Take liquidations that come due minute by minute, evenly within each, through a chain as it was on a day.

    Of every block `share` is theirs at most. Others go on using `1 - share` of what the chain sustains, and more where
    that leaves it below: the price never falls because liquidations pause. It starts at `price_wei` where the chain's
    rule remembers a price (EIP-1559; without it, at the chain's `mid` base fee of today), else at its minimum, and
    everybody pays that of the block; `data_wei` is what a rollup charges for the bytes of each. Raises `InputError`
    where one liquidation is more than a transaction may use, where the chain is not known on that day, and where
    clearing would take more than a week.
    """
    due, known = liquidations_per_minute, capacity(chain, day)
    if any(number < 0 for number in due):
        raise InputError(f"liquidations per minute: expected numbers from 0 on, got {min(due)}")
    if not 0 < share <= 1:
        raise InputError(f"share: expected a number above 0 and up to 1, got {share}")
    if known.attempts_per_block:
        return _cleared(chain, day, _counted(due, known), start_wei=0, data_wei=0)
    limits, most = rates(known), known.transaction_gas or known.block_gas
    if not 0 < gas_per_liquidation <= most:
        raise InputError(
            f"gas per liquidation: expected 1 to {most}, what {chain} takes in one transaction on {day}, "
            f"got {gas_per_liquidation}"
        )
    ours = int(Fraction(share) * limits.ceiling)
    if sum(due) * gas_per_liquidation > ours * HORIZON_S:
        raise InputError(
            f"{chain}: {sum(due)} liquidations of {gas_per_liquidation} gas would take more than a week"
        )
    market = gas_market(known, usual_price(chain) if price_wei is None else price_wei)
    usual, start_wei = market.gas_per_step(limits.sustained), market.price_wei
    others = int((1 - Fraction(share)) * usual)
    run = _Run(due, gas_per_liquidation, market.gas_per_step(ours), market.step_ms)
    while not run.is_done:
        market.use(max(usual, others + run.step(market.price_wei)))
    return _cleared(chain, day, run, start_wei, data_wei)


def _counted(due: Sequence[int], known: Capacity) -> "_Run":
    """The run where liquidations are counted, not metered, and cost their keepers no gas."""
    run = _Run(due, 1, known.attempts_per_block, known.block_ms)
    while not run.is_done:
        run.step(price_wei=0)
    return run


def _cleared(chain: str, day: date, run: "_Run", start_wei: int, data_wei: int) -> Clearing:
    """What a run that is done came to."""
    return Clearing(
        chain,
        day,
        run.total,
        tuple(run.waiting_at),
        sum(1 for waiting in run.waiting_at if waiting),
        run.cleared_after_s,
        start_wei,
        max(run.peak_wei, start_wei),
        run.cost_wei + run.total * data_wei,
    )


class _Run:
    """Liquidations on their way through: due evenly within their minute, taken in the order in which they came due."""

    def __init__(self, due: Sequence[int], gas: int, gas_per_step: int, step_ms: int) -> None:
        self._due, self._gas, self._gas_per_step, self._step_ms = due, gas, gas_per_step, step_ms
        self._before = [0, *accumulate(due)]
        self.total = self._before[-1]
        self._elapsed_ms = self._arrived = self._taken = self._saved_gas = self._cleared_ms = 0
        self.waiting_at: list[int] = []
        self.peak_wei = self.cost_wei = 0

    @property
    def is_done(self) -> bool:
        """Whether every minute has passed and nothing waits."""
        return self._elapsed_ms >= MINUTE_MS * len(self._due) and self._taken == self.total

    @property
    def cleared_after_s(self) -> Fraction:
        """When the last one was taken."""
        return Fraction(self._cleared_ms, MS)

    def step(self, price_wei: int) -> int:
        """Let a step go by: what came due joins the queue, and as many as fit are taken. Gas that was used."""
        before, self._elapsed_ms = self._elapsed_ms, self._elapsed_ms + self._step_ms
        self._arrived = self._due_until(self._elapsed_ms)
        budget = self._saved_gas + self._gas_per_step
        taken = min(self._arrived - self._taken, budget // self._gas)
        if taken:
            self._taken += taken
            self._cleared_ms = self._elapsed_ms
            self.cost_wei += taken * self._gas * price_wei
            self.peak_wei = max(self.peak_wei, price_wei)
        # What is left of a step serves the next only while something waits: one liquidation may need several steps.
        waits = self._arrived > self._taken
        self._saved_gas = budget - taken * self._gas if waits else 0
        if self._elapsed_ms // MINUTE_MS > before // MINUTE_MS:
            self.waiting_at.append(self._arrived - self._taken)
        return taken * self._gas

    def _due_until(self, elapsed_ms: int) -> int:
        minute, within = divmod(elapsed_ms, MINUTE_MS)
        if minute >= len(self._due):
            return self.total
        return self._before[minute] + self._due[minute] * within // MINUTE_MS


def _positive(number: int, name: str) -> int:
    if number <= 0:
        raise InputError(f"{name}: expected a number above 0, got {number}")
    return number
