"""What a margin mode asks of a chain: gas of what keepers and traders send, and what that costs on each.

Gas is that of our own contracts (the committed snapshot): a subaccount with one position stands for `IsolatedOnly`, one
with several for `CrossOnly`. All that is due of a subaccount at one moment is one transaction. A margin action is a
transfer between two positions of `IsolatedOnly`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any, Final

from ..chain.capacity import rates
from ..chain.fees import CHAINS, parameters
from ..chain.fees.parameters import capacity
from ..chain.gas import Figure, Snapshot, read
from ..sim.tally import Liquidation
from .gas_crash import DESIGNS, MINUTE_MS, OTHER_MACHINES, liquidation_gas
from .gas_fees import figure_fee

SCENARIO: Final = "mid"
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


def keepers(fills: Iterable[Liquidation], held: Mapping[str, int], begin_ms: int) -> dict[str, Any]:
    """Transactions that close what is due, and their gas, by minute since `begin_ms`.

    `held` is how many positions a subaccount began with. `by_minute` has rows (minute, transactions, gas).
    """
    together = Counter((fill.ts_ms, fill.subaccount) for fill in fills)
    sent, gas = Counter[int](), Counter[int]()
    for (ts_ms, name), closed in together.items():
        minute, count = (ts_ms - begin_ms) // MINUTE_MS, max(held.get(name, 1), closed)
        sent[minute] += 1
        gas[minute] += _gas(count, closed)
    return {
        "transactions": sum(sent.values()),
        "gas": sum(gas.values()),
        "by_minute": [[minute, sent[minute], gas[minute]] for minute in sorted(sent)],
    }


@cache
def _gas(held: int, closed: int) -> int:
    design = DESIGNS["isolated" if held == 1 else "cross"]
    return -(-liquidation_gas(snapshot(), design, held, closed) // 1)


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
        action_usd = Decimal(figure_fee(margin_action(), given).usd)
        for run in runs:
            sent = run["keepers"]
            found.append(
                {
                    "chain": chain,
                    "mode": run["mode"],
                    "liquidation_usd": _mean_fee(run, chain),
                    "actions_usd": f"{action_usd * Decimal(run['measures']['margin_actions']):.6f}",
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
    return f"{Decimal(figure_fee(mean, parameters(chain, SCENARIO)).usd):.6f}"


def _load(chain: str, gas_by_minute: Sequence[int]) -> str:
    if chain in OTHER_MACHINES:
        return ""
    share = Fraction(max(gas_by_minute, default=0), 60 * rates(capacity(chain)).sustained)
    return f"{float(share):.6f}"
