"""What the liquidations of a simulated crash ask of each chain: gas per second, backlog, what keepers pay, dust.

The crash is replayed with the same traders under isolated and under cross margin. Under isolated margin every
liquidation is a transaction of its own; under cross margin one transaction closes what is due of an account. The drawn
traders stand for a stated number of accounts, and liquidations are multiplied by that ratio: assumed, not forecast.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import Any

from ..chain.capacity import clearing_time, dust_threshold_usd, rates
from ..chain.fees import CHAINS, fee, parameters
from ..chain.fees.envelope import signed_transaction
from ..chain.fees.parameters import capacity, chain_data
from ..chain.gas import Snapshot
from ..sim.partition import CROSS, ISOLATED
from ..sim.scenarios import load_scenario
from .lab import Job, Lab, Setup
from .onchain import DESIGNS, MINUTE_MS, OTHER_MACHINES, liquidation_gas

REWARD_PPM = 2_500
"""Keeper's reward over notional: half of a liquidation fee of 0.5 % (assumed)."""

SHARE = 0.5
"""Most of each block that liquidations take; the rest goes to everybody else (assumed)."""

PPM = 1_000_000
COLUMNS = (
    "mode",
    "chain",
    "transactions",
    "gas each",
    "worst minute, Mgas/s",
    "sustained",
    "burst",
    "ceiling",
    "minutes late",
    "cost, USD",
    "dust below, USD",
)

Report = Callable[[int, int | None, str], None]
Document = dict[str, Any]


def crash(
    snapshot: Snapshot, *, scenario: str, traders: int, accounts: int, as_of: date | None, report: Report
) -> list[Document]:
    """A row per margin mode and chain whose gas is the EVM's, with capacities of a day (the newest for None)."""
    lab = Lab(_setup(scenario, traders))
    held = {account.id: len(account.legs) for account in lab.flow.accounts}
    scale = Fraction(accounts, max(len(held), 1))
    found = []
    for at, job in enumerate(lab.jobs):
        report(at, len(lab.jobs), f"{scenario} under {job.mode.name} margin")
        due = transactions(lab, job, held)
        for chain in CHAINS:
            row = _row(snapshot, job.mode.name, chain, due, scale, as_of)
            if row is not None:
                found.append({"scenario": scenario, "accounts": accounts, **row})
    return found


def _setup(scenario: str, traders: int) -> Setup:
    return Setup(
        load_scenario(scenario),
        scenario,
        traders=traders,
        modes=(ISOLATED, CROSS),
        arms=("c",),
        sensitivity=False,
    )


def transactions(lab: Lab, job: Job, held: Mapping[str, int]) -> list[tuple[int, int, int]]:
    """What keepers send in a job: minute, positions that the subaccount holds, positions that it closes."""
    fills = lab.tally(job).liquidations
    begin = int(lab.path.ts_ms[0])
    together = Counter((fill.ts_ms, fill.subaccount, fill.account) for fill in fills)
    alone = job.mode.name == ISOLATED.name
    return [
        ((ts_ms - begin) // MINUTE_MS, 1 if alone else max(held.get(account, 1), closed), closed)
        for (ts_ms, _, account), closed in sorted(together.items())
    ]


def _row(
    snapshot: Snapshot,
    mode: str,
    chain: str,
    due: Sequence[tuple[int, int, int]],
    scale: Fraction,
    as_of: date | None,
) -> Document | None:
    """What one chain makes of it; None where its gas is not the EVM's."""
    if chain_data(chain).rule in OTHER_MACHINES:
        return None
    design, known = DESIGNS[mode], capacity(chain, as_of)
    used = [liquidation_gas(snapshot, design, held, closed) for _, held, closed in due]
    each = -(-sum(used) // max(len(used), 1)) if used else 0
    by_minute = Counter(minute for minute, _, _ in due)
    minutes = [round(by_minute[minute] * scale) for minute in range(max(by_minute, default=0) + 1)]
    given = parameters(chain, "mid")
    raw = signed_transaction(
        bytes.fromhex(snapshot.series(design, "liquidate_one")[0].calldata), chain_data(chain).chain_id or 1
    )
    one = fee(chain, int(each), raw, given)
    limits = rates(known)
    usd = given.price(chain_data(chain).token)
    row: Document = {
        "mode": mode,
        "chain": chain,
        "capacity_since": known.since.isoformat(),
        "transactions": sum(minutes),
        "gas_per_transaction": int(each),
        "worst_gas_per_s": int(max(minutes, default=0) * each / 60),
        "sustained_gas_per_s": limits.sustained,
        "burst_gas_per_s": limits.burst,
        "ceiling_gas_per_s": limits.ceiling,
        "dust_usd": f"{float(dust_threshold_usd(one.total_wei, usd, Fraction(REWARD_PPM, PPM))):.2f}",
    }
    if not each:
        return {**row, "minutes_of_backlog": 0, "cost_usd": "0"}
    price = one.l2_wei // int(each)
    cleared = clearing_time(
        minutes, int(each), chain, as_of or known.since, SHARE, price_wei=price, data_wei=one.l1_wei
    )
    return {
        **row,
        "minutes_of_backlog": cleared.minutes_of_backlog,
        "cleared_after_s": int(cleared.cleared_after_s),
        "peak_price_wei": str(cleared.peak_price_wei),
        "cost_usd": f"{float(Fraction(cleared.cost_wei, 10**18) * usd):.2f}",
    }


def crash_rows(found: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """The table of a crash."""
    return [
        (
            row["mode"],
            row["chain"],
            f"{row['transactions']:,}",
            f"{row['gas_per_transaction']:,}",
            *(
                f"{row[name] / PPM:,.1f}"
                for name in (
                    "worst_gas_per_s",
                    "sustained_gas_per_s",
                    "burst_gas_per_s",
                    "ceiling_gas_per_s",
                )
            ),
            str(row["minutes_of_backlog"]),
            row["cost_usd"],
            row["dust_usd"],
        )
        for row in found
    ]
