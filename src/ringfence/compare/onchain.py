"""What a margin mode asks of a chain: gas of what keepers and traders send, and what that costs on each.

Gas is that of our own contracts (the committed snapshot): a subaccount with one position stands for `IsolatedOnly`, one
with several for `CrossOnly`. All that is due of a subaccount at one moment is one transaction. A margin action is a
transfer between two positions of `IsolatedOnly`.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np

from ..chain.capacity import rates
from ..chain.fees import CHAINS, parameters
from ..chain.fees.parameters import capacity
from ..chain.gas import Figure, Snapshot, read
from ..errors import InputError
from ..sim.flow import FlowColumns
from ..sim.outcome import Fills
from ..sim.partition import Partition
from ..units import format_fraction
from .gas_fees import figure_fee

DESIGNS = {"isolated": "IsolatedOnly", "cross": "CrossOnly"}
"""The contract that stands for a margin mode."""

OTHER_MACHINES = ("zksync", "starknet")
"""Fee rules of chains whose gas is not the EVM's."""

MINUTE_MS = 60_000
SCENARIO: Final = "mid"
USD_DIGITS = 12
"""Decimal places of a cost: rollups take millionths of a dollar, and traders act less than once a day."""
COLUMNS = (
    "chain",
    "mode",
    "liquidation, USD",
    "margin actions, USD per account-day",
    "worst minute of capacity",
)
Document = Mapping[str, Any]


@cache
def snapshot() -> Snapshot:
    """The committed figures, read once."""
    return read()


class Keepers(NamedTuple):
    """Transactions that close what is due, and their gas; `by_minute` has rows (minute, transactions, gas)."""

    transactions: int
    gas: int
    by_minute: list[tuple[int, int, int]]


def keepers(flow: FlowColumns, mode: Partition, fills: Fills, begin_ms: int) -> Keepers:
    """What a run's liquidations are on chain, by minute since `begin_ms`."""
    names = [mode.group(market) for market in flow.markets]
    group = np.array([names.index(name) for name in names])
    width, many = len(names), len(names) + 1
    known, held = np.unique(flow.owner * width + group[flow.market], return_counts=True)
    moment, at = np.unique(fills.ts_ms, return_inverse=True)
    subaccount = fills.account * width + group[fills.market]
    transaction, closed = np.unique(at * (len(flow) * width) + subaccount, return_counts=True)
    when, subaccount = np.divmod(transaction, len(flow) * width)
    most = np.maximum(held[np.searchsorted(known, subaccount)], closed)
    kinds, kind = np.unique(most * many + closed, return_inverse=True)
    gas = np.array([_gas(*divmod(each, many)) for each in kinds.tolist()], dtype=np.int64)[kind]
    minute, at = np.unique((moment[when] - begin_ms) // MINUTE_MS, return_inverse=True)
    sent, spent = np.bincount(at, minlength=len(minute)), np.zeros(len(minute), dtype=np.int64)
    np.add.at(spent, at, gas)
    rows = list(zip(minute.tolist(), sent.tolist(), spent.tolist(), strict=True))
    return Keepers(len(transaction), int(spent.sum()), rows)


@cache
def _gas(held: int, closed: int) -> int:
    design = DESIGNS["isolated" if held == 1 else "cross"]
    return -(-liquidation_gas(snapshot(), design, held, closed) // 1)


def liquidation_gas(snapshot: Snapshot, design: str, held: int, closed: int) -> Fraction:
    """Gas of closing some of the positions held in one transaction, between the measured figures on a straight line."""
    one = _between(snapshot.series(design, "liquidate_one"), held)
    if closed == 1 or held == 1:
        return one
    every = _between(snapshot.series(design, "liquidate_all"), held)
    return one + (every - one) * Fraction(closed - 1, held - 1)


def _between(series: Sequence[Figure], at: int) -> Fraction:
    if not series:
        raise InputError("the snapshot has no liquidations; measure it with `ringfence gas --measure`")
    below = max((each for each in series if each.positions <= at), key=_positions, default=series[0])
    above = min((each for each in series if each.positions >= at), key=_positions, default=series[-1])
    if below.positions == above.positions:
        return Fraction(below.gas)
    share = Fraction(at - below.positions, above.positions - below.positions)
    return below.gas + (above.gas - below.gas) * share


def _positions(figure: Figure) -> int:
    return figure.positions


def margin_action() -> Figure:
    """The transfer of margin that a trader sends, once both positions have been used before."""
    return snapshot().series(DESIGNS["isolated"], "transfer")[-1]


def chain_rows(runs: Sequence[Document]) -> list[dict[str, str]]:
    """What each run (one per mode) comes to on every chain, at its `mid` fees; capacity is that of today.

    `worst_minute` is the gas of the worst minute over what the chain sustains in a minute; empty where gas is not the
    EVM's. Amounts are USD as decimal text.
    """
    found = []
    for chain in CHAINS:
        given = parameters(chain, SCENARIO)
        action_usd = Fraction(figure_fee(margin_action(), given).usd)
        for run in runs:
            sent = run["keepers"]
            actions_usd = action_usd * Fraction(run["measures"]["margin_actions"])
            found.append(
                {
                    "chain": chain,
                    "mode": run["mode"],
                    "liquidation_usd": _mean_fee(run, chain),
                    "actions_usd": format_fraction(actions_usd, USD_DIGITS),
                    "worst_minute": _load(chain, [gas for _, _, gas in sent["by_minute"]]),
                }
            )
    return found


def _mean_fee(run: Document, chain: str) -> str:
    """Fee of a liquidation of mean gas; empty where there was none."""
    sent = run["keepers"]
    if not sent["transactions"]:
        return ""
    (like, *_) = snapshot().series(DESIGNS["cross"], "liquidate_one")
    mean = Figure(
        like.design, like.operation, like.positions, sent["gas"] // sent["transactions"], 1, like.calldata
    )
    return figure_fee(mean, parameters(chain, SCENARIO)).usd


def _load(chain: str, gas_by_minute: Sequence[int]) -> str:
    if chain in OTHER_MACHINES:
        return ""
    share = Fraction(max(gas_by_minute, default=0), 60 * rates(capacity(chain)).sustained)
    return f"{float(share):.6f}"
