"""What the liquidations of a simulated crash ask of each chain: gas per second, backlog, what keepers pay, dust.

The crash is replayed with the same traders under isolated, cross and hybrid margin, each on every design that can hold
it. All that is due of a subaccount at one moment is one transaction. The drawn traders stand for a stated number of
accounts, and liquidations are multiplied by that ratio: assumed, not forecast.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import Any, NamedTuple

from ..chain.capacity import clearing_time, dust_threshold_usd, rates
from ..chain.fees import Parameters, fee
from ..chain.fees.envelope import signed_transaction
from ..chain.fees.parameters import capacity, chain_data
from ..chain.gas import Snapshot
from ..progress import Report
from ..sim.scenarios import load_scenario
from .lab import MODES, Job, Lab, Setup
from .onchain import MINUTE_MS, OTHER_MACHINES, liquidation_gas

DESIGNS = {
    "isolated": {"IsolatedOnly": "IsolatedOnly", "Clearinghouse": "Clearinghouse, cross"},
    "cross": {"CrossOnly": "CrossOnly", "Clearinghouse": "Clearinghouse, cross"},
    "hybrid": {"Clearinghouse": "Clearinghouse, cross"},
}
"""By margin mode, the designs that can hold it and which figures of the snapshot are theirs. What a subaccount of the
clearinghouse costs depends on the positions in it, whatever the mode: with one it is what isolated margin costs."""

REWARD_PPM = 2_500
"""Keeper's reward over notional: half of a liquidation fee of 0.5 % (assumed)."""

SHARE = 0.5
"""Most of each block that liquidations take; the rest goes to everybody else (assumed)."""

PPM = 1_000_000
PRICED_OUT_USD = 10**9
"""A cost beyond this says that nobody would pay it, not what anybody would pay."""

Document = dict[str, Any]


def crash(
    snapshot: Snapshot,
    fees: Sequence[Parameters],
    *,
    scenario: str,
    traders: int,
    accounts: int,
    as_of: date | None,
    report: Report,
) -> list[Document]:
    """A row per margin mode, design and set of `fees`, with capacities of a day (the newest for None).

    Left out are designs that the snapshot does not have, and chains whose gas is not the EVM's.
    """
    lab = Lab(_setup(scenario, traders))
    scale = Fraction(accounts, max(len(lab.flow), 1))
    found = []
    for at, job in enumerate(lab.jobs):
        report(at, len(lab.jobs), f"{scenario} under {job.mode.name} margin")
        due = transactions(lab, job)
        for design, figures in DESIGNS[job.mode.name].items():
            if figures not in snapshot.designs:
                continue
            labels = {"scenario": scenario, "accounts": accounts, "mode": job.mode.name, "design": design}
            rows = (_row(snapshot, figures, given, due, scale, as_of) for given in fees)
            found += [labels | row for row in rows if row is not None]
    return found


def _setup(scenario: str, traders: int) -> Setup:
    return Setup(
        load_scenario(scenario),
        scenario,
        traders=traders,
        modes=tuple(MODES.values()),
        arms=("c",),
        sensitivity=False,
    )


def transactions(lab: Lab, job: Job) -> list[tuple[int, int, int]]:
    """What keepers send in a job: minute, positions that the subaccount held at first, positions that are closed."""
    world = lab.world(job)
    held = {name: len(subaccount.positions) for name, subaccount in world.venue.subaccounts.items()}
    begin = int(lab.path.ts_ms[0])
    together = Counter((fill.ts_ms, fill.subaccount) for fill in world.run().liquidations)
    return [
        ((ts_ms - begin) // MINUTE_MS, held[subaccount], closed)
        for (ts_ms, subaccount), closed in sorted(together.items())
    ]


def _row(
    snapshot: Snapshot,
    figures: str,
    given: Parameters,
    due: Sequence[tuple[int, int, int]],
    scale: Fraction,
    as_of: date | None,
) -> Document | None:
    """What one chain makes of it; None where its gas is not the EVM's."""
    chain = given.chain
    if chain_data(chain).rule in OTHER_MACHINES:
        return None
    known = capacity(chain, as_of)
    used = [liquidation_gas(snapshot, figures, held, closed) for _, held, closed in due]
    each = -(-sum(used) // max(len(used), 1)) if used else 0
    by_minute = Counter(minute for minute, _, _ in due)
    minutes = [round(by_minute[minute] * scale) for minute in range(max(by_minute, default=0) + 1)]
    raw = signed_transaction(
        bytes.fromhex(snapshot.series(figures, "liquidate_one")[0].calldata), chain_data(chain).chain_id or 1
    )
    one = fee(chain, int(each), raw, given)
    limits = rates(known)
    usd = given.price(chain_data(chain).token)
    row: Document = {
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


class Table(NamedTuple):
    """Title, heads of the columns, rows, and how many columns are text."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    text_columns: int


def crash_tables(found: Sequence[Mapping[str, Any]]) -> list[Table]:
    """What a crash asks, what chains have, and what comes of it."""
    asked: dict[str, tuple[str, ...]] = {
        _built(row): (
            _built(row),
            f"{row['transactions']:,}",
            f"{row['gas_per_transaction']:,}",
            f"{row['worst_gas_per_s'] / PPM:,.1f}",
        )
        for row in found
    }
    limits = ("sustained_gas_per_s", "burst_gas_per_s", "ceiling_gas_per_s")
    carried: dict[str, tuple[str, ...]] = {
        row["chain"]: (row["chain"], row["capacity_since"], *(f"{row[name] / PPM:,.1f}" for name in limits))
        for row in found
    }
    results: list[tuple[str, ...]] = [
        (_built(row), row["chain"], str(row["minutes_of_backlog"]), _usd(row["cost_usd"]), row["dust_usd"])
        for row in found
    ]
    heads = ("design", "transactions", "gas each", "worst minute, Mgas/s")
    return [
        Table("What the liquidations of the crash ask", heads, [*asked.values()], 1),
        Table(
            "What chains carry, Mgas/s",
            ("chain", "since", "sustained", "burst", "ceiling"),
            [*carried.values()],
            2,
        ),
        Table(
            "The crash on each chain, if keepers pay any price of gas",
            ("design", "chain", "minutes late", "cost, USD", "dust below, USD"),
            results,
            2,
        ),
    ]


def _built(row: Mapping[str, Any]) -> str:
    """A design, and how it is used where it can be used in several ways."""
    only = len([mode for mode in DESIGNS if row["design"] in DESIGNS[mode]]) == 1
    return str(row["design"]) if only else f"{row['design']}, {row['mode']}"


def _usd(text: str) -> str:
    amount = float(text)
    return f"{amount:,.2f}" if amount < PRICED_OUT_USD else "priced out"
