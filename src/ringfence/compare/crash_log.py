"""The engine's log of a simulated crash, under rules that the contracts hold too.

The contracts liquidate to a target, and a pool's liquidity pays what its insurance fund cannot; the neutral rulebook
does neither, so the crash is simulated under one that does. Lots are as coarse as venues have them: a step of a lot
must be worth more than the rounding of an amount, or the fewest lots that lift equity to a target are not unique.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..clearing.log import Clearinghouse, Entry, snapshot
from ..errors import InputError
from ..sim.scenarios import load_scenario
from ..sim.tally import Tally
from .lab import Lab, Setup

STEPS = {
    "BTC": "0.0001",
    "ETH": "0.001",
    "SOL": "0.01",
    "DOGE": "1",
    "AVAX": "0.01",
}
"""Markets of the simulation and their steps of a lot in coins (assumed: of the order that venues have)."""

RULES = (
    "policy.liquidation.size=target",
    "policy.liquidation.target=1.25",
    "policy.liquidation.fee_to_fund=0.5",
)
FOR_THE_POOL, SHARED = "insurance, counterparty, deleverage", "insurance, socialize"
"""Who bears what an insurance fund cannot pay: the pool's liquidity, or traders."""


class CrashLog(NamedTuple):
    """A run of the simulator: the state after entry (a snapshot), the log from there on, and what came of it."""

    mode: str
    state: bytes
    entries: list[Entry]
    tally: Tally


def crash_logs(
    scenario: str,
    *,
    traders: int,
    move_ppm: int,
    modes: Sequence[str],
    socializes: bool,
) -> Iterator[CrashLog]:
    """The same traders through a scenario under each margin mode; prices move by at most `move_ppm` at once.

    What a fund cannot pay is the liquidity's loss, or where it `socializes` that of traders in proportion to equity.
    Arm c of the comparison: each position is posted what its owner's chosen leverage asks. Positions are those that
    every mode admits, whichever `modes` are asked for.
    """
    candles = load_scenario(scenario)
    listed = tuple(market for market in STEPS if market in candles.markets)
    if not listed:
        raise InputError(f"{scenario}: has none of {', '.join(STEPS)}")
    lab = Lab(
        Setup(
            candles.select(listed),
            scenario,
            venue=_rulebook(SHARED if socializes else FOR_THE_POOL),
            traders=traders,
            arms=("c",),
            max_step_ppm=move_ppm,
            sensitivity=False,
        )
    )
    for job in (job for job in lab.jobs if job.mode.name in modes):
        world = lab.world(job)
        state = snapshot(world.venue)
        world.house = Clearinghouse(world.venue)
        tally = world.run()
        yield CrashLog(job.mode.name, state, world.house.entries, tally)


def _rulebook(waterfall: str) -> str:
    """The neutral rulebook with the contracts' liquidations, a waterfall and coarse lots."""
    steps = (f"{market}.step={step}" for market, step in STEPS.items())
    return f"generic{{{', '.join((*RULES, f'policy.waterfall=[{waterfall}]', *steps))}}}"
