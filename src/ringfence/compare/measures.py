"""What is measured of a run, with the definition of every figure.

Money is integers of quote atoms until `as_text`; shares are exact fractions rounded once for print. A definition stands
here and nowhere else: table, JSON and report read it.
"""

from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from ringfence.compare.onchain import Keepers, margin_action
from ringfence.sim.flow import FlowColumns
from ringfence.sim.outcome import Outcome, Standing
from ringfence.sim.paths import Path
from ringfence.sim.prices import IntArray
from ringfence.units import QUOTE_DECIMALS, format_atoms, format_fraction

TIMELINE_POINTS = 200

Unit = Literal["USD", "share", "count", "gas", "USD-days", "per account-day"]


@dataclass(frozen=True)
class Definition:
    """Title, unit and meaning of a figure; `group` is the heading of METHOD that it belongs to."""

    title: str
    unit: Unit
    group: Literal["capital", "trader risk", "venue risk", "overhead", "on chain"]
    meaning: str


DEFINITIONS: dict[str, Definition] = {
    "initial_margin": Definition(
        "Initial margin",
        "USD",
        "capital",
        "Sum of the positions' initial margin at entry, at the rulebook's lowest rate. Equal in every mode by "
        "construction where a venue sums margin per position.",
    ),
    "capital_locked": Definition(
        "Capital locked",
        "USD",
        "capital",
        "Collateral that traders cannot use otherwise at entry, at the leverage each of them chose, in every mode: "
        "what sits in separate subaccounts, and what the positions of the main one ask at that leverage.",
    ),
    "survival_capital": Definition(
        "Survival-equivalent capital",
        "USD",
        "capital",
        "Least collateral with which no position is liquidated anywhere on this path (probability 0, horizon: the "
        "whole path) and every position may be opened: what the same safety costs in each mode.",
    ),
    "extra_notional": Definition(
        "Extra notional admitted",
        "USD",
        "capital",
        "Notional of the first market that what is not locked at entry would still admit at its highest leverage.",
    ),
    "idle_dollar_days": Definition(
        "Idle dollar-days",
        "USD-days",
        "capital",
        "Equity at entry that backs no position (main balance without positions, or kept outside), times the days.",
    ),
    "largest_position_loss": Definition(
        "Largest loss from one position",
        "share",
        "trader risk",
        "Loss of an account's worst position over the whole path as a share of its equity at entry: the 99th "
        "percentile of accounts (the maximum stands in the JSON).",
    ),
    "accounts_ruined": Definition(
        "Accounts losing 90 %",
        "share",
        "trader risk",
        "Accounts whose wealth at the end is at most a tenth of entry.",
    ),
    "liquidated_over_oi": Definition(
        "Notional liquidated / open interest",
        "share",
        "trader risk",
        "Notional of all liquidation fills over the sum of both sides of open interest at entry.",
    ),
    "accounts_liquidated": Definition(
        "Accounts with a liquidation", "share", "trader risk", "Accounts with at least one liquidation fill."
    ),
    "wealth_window": Definition(
        "Wealth, end of window", "USD", "trader risk", "Equity of all accounts at the end of the window."
    ),
    "wealth_later": Definition(
        "Wealth, 24 h later",
        "USD",
        "trader risk",
        "Equity of all accounts 24 hours after the end of the window.",
    ),
    "bad_debt": Definition(
        "Bad debt",
        "USD",
        "venue risk",
        "What liquidation fills left below bankruptcy, whoever paid it, and what deleveraged winners gave up.",
    ),
    "bad_debt_owner_solvent": Definition(
        "... while the owner was solvent",
        "USD",
        "venue risk",
        "The part of it made by accounts with positive equity in their other subaccounts: isolation's own cost.",
    ),
    "insurance_drawn": Definition("Insurance drawn", "USD", "venue risk", "Paid by insurance funds."),
    "deleveraged": Definition(
        "Deleveraged (ADL)", "USD", "venue risk", "Notional of losers closed against winners."
    ),
    "socialized": Definition(
        "Socialized loss", "USD", "venue risk", "Bad debt spread over solvent subaccounts."
    ),
    "debt_left": Definition(
        "Debt left", "USD", "venue risk", "Bad debt that no step of the waterfall has paid."
    ),
    "liquidations": Definition("Liquidation fills", "count", "venue risk", "Number of liquidation fills."),
    "margin_actions": Definition(
        "Margin actions",
        "per account-day",
        "overhead",
        "Transfers of margin between subaccounts (at entry and top-ups) per account-day.",
    ),
    "margin_calls": Definition(
        "Margin calls",
        "per account-day",
        "overhead",
        "Times an isolated position had used 70 % of its initial margin while its owner watched (arm e only).",
    ),
    "ratios_to_watch": Definition(
        "Ratios to watch", "per account-day", "overhead", "Subaccounts with positions per account at entry."
    ),
    "liquidation_transactions": Definition(
        "Liquidation transactions",
        "count",
        "on chain",
        "What keepers send: all that is due of a subaccount at one moment is one transaction.",
    ),
    "liquidation_gas": Definition(
        "Gas of liquidations",
        "gas",
        "on chain",
        "Gas of those transactions in our contracts, by positions held and closed (`ringfence gas`).",
    ),
    "worst_minute_gas": Definition(
        "... in the worst minute", "gas", "on chain", "Gas of the liquidations of the minute that asks most."
    ),
    "margin_action_gas": Definition(
        "Gas of margin actions a day",
        "gas",
        "on chain",
        "Per account-day: margin actions, each a transfer between two isolated positions in our contract.",
    ),
}


@dataclass(frozen=True)
class Entry:
    """Figures of a mode that need no run: what entering it asks."""

    initial_margin_q: int
    capital_locked_q: int
    survival_q: int
    extra_notional_q: int
    idle_q: int
    margin_actions: int
    ratios: int


def measure_entry(standing: Standing) -> Entry:
    """Measure what entering a mode asks of the traders."""
    money_q, is_main, held = standing.money_q, standing.is_main, standing.positions > 0
    locked_q = np.where(is_main, np.minimum(standing.posted_q, money_q), money_q)
    notional_q, initial_q = standing.unit
    return Entry(
        total(standing.initial_q),
        total(locked_q),
        total(np.maximum(standing.initial_q, standing.survival_q)),
        total(money_q - locked_q) * notional_q // max(1, initial_q),
        standing.outside_q + total(money_q[is_main & ~held]),
        int(np.count_nonzero(~is_main)),
        int(np.count_nonzero(held)),
    )


def total(amounts: IntArray) -> int:
    """Sum of amounts, exact where 64 bits would not hold it."""
    return (int((amounts >> 32).sum()) << 32) + int((amounts & 0xFFFFFFFF).sum())


def percentile(numerators: IntArray, denominators: IntArray, percent: int) -> Fraction:
    """Nearest-rank percentile of fractions with positive denominators; 0 of nothing.

    Floats find the neighbourhood, exact fractions decide within it.
    """
    if not numerators.size:
        return Fraction(0)
    near = numerators / denominators
    rank = max(0, -(-near.size * percent // 100) - 1)
    value = float(np.partition(near, rank)[rank])
    off = abs(value) * 1e-12
    below = int(np.count_nonzero(near < value - off))
    close = np.flatnonzero((near >= value - off) & (near <= value + off))
    pairs = zip(numerators[close].tolist(), denominators[close].tolist(), strict=True)
    exact = sorted(Fraction(*pair) for pair in pairs)
    return exact[rank - below]


def measure_run(
    flow: FlowColumns, entry: Entry, found: Outcome, sent: Keepers, days: float
) -> dict[str, int | Fraction]:
    """All figures of one run, money in quote atoms, shares and rates as fractions."""
    accounts, fills = max(1, len(flow)), found.fills
    equity_q, loss_q = np.maximum(flow.equity_q, 1), worst_losses_q(flow, found)
    span = Fraction(days).limit_denominator(10_000)
    account_days = max(Fraction(1, 10_000), len(flow) * span)
    oi_q = sum(flow.open_interest_q().values()) * 2
    margin_actions = Fraction(entry.margin_actions + found.margin_actions) / account_days
    return {
        "initial_margin": entry.initial_margin_q,
        "capital_locked": entry.capital_locked_q,
        "survival_capital": entry.survival_q,
        "extra_notional": entry.extra_notional_q,
        "idle_dollar_days": int(entry.idle_q * span),
        "largest_position_loss": percentile(loss_q, equity_q, 99),
        "largest_position_loss_max": percentile(loss_q, equity_q, 100),
        "accounts_ruined": Fraction(
            int(np.count_nonzero(found.final_wealth_q <= flow.equity_q // 10)), accounts
        ),
        "liquidated_over_oi": Fraction(total(fills.notional_q), max(1, oi_q)),
        "accounts_liquidated": Fraction(len(np.unique(fills.account)), accounts),
        "wealth_window": total(found.window_wealth_q),
        "wealth_later": total(found.final_wealth_q),
        "bad_debt": total(fills.loss_q) + found.deleveraging_loss_q,
        "bad_debt_owner_solvent": total(fills.loss_q[fills.owner_solvent]),
        "insurance_drawn": found.insurance_drawn_q,
        "deleveraged": found.deleveraged_q,
        "socialized": found.socialized_q,
        "debt_left": found.debt_left_q,
        "liquidations": len(fills.ts_ms),
        "margin_actions": margin_actions,
        "margin_calls": Fraction(found.margin_calls) / account_days,
        "ratios_to_watch": Fraction(entry.ratios, accounts),
        "liquidation_transactions": sent.transactions,
        "liquidation_gas": sent.gas,
        "worst_minute_gas": max((gas for _, _, gas in sent.by_minute), default=0),
        "margin_action_gas": int(margin_actions * margin_action().gas),
    }


def worst_losses_q(flow: FlowColumns, found: Outcome) -> IntArray:
    """Per account: the loss of its worst position; 0 where none lost."""
    worst = np.zeros(len(flow), dtype=np.int64)
    np.maximum.at(worst, flow.owner, -found.gain_q)
    return worst


def stakeholders(flow: FlowColumns, found: Outcome, funded_q: int) -> list[tuple[str, int]]:
    """What each party gained, in quote atoms: one balanced table whose rows sum to zero."""
    rows: dict[str, int] = defaultdict(int, found.parties_q)
    gained_q = found.final_wealth_q - flow.equity_q
    for cohort in np.unique(flow.cohort).tolist():
        rows[f"traders: {cohort}"] = total(gained_q[flow.cohort == cohort])
    rows["insurance funds"] -= funded_q
    rows["rounding of worth"] = -sum(rows.values())
    return sorted(rows.items())


def bad_debt_by_market(flow: FlowColumns, found: Outcome) -> list[tuple[str, int]]:
    """Which markets' fills made the bad debt."""
    fills = found.fills
    losses = {name: total(fills.loss_q[fills.market == at]) for at, name in enumerate(flow.markets)}
    return sorted((name, loss_q) for name, loss_q in losses.items() if loss_q)


def timeline(found: Outcome, path: Path) -> list[tuple[int, int, int]]:
    """Cumulative liquidated notional and bad debt (quote atoms) at evenly spaced times."""
    begin, end, fills = int(path.ts_ms[0]), int(path.ts_ms[-1]), found.fills
    ts_ms = [begin + (end - begin) * number // TIMELINE_POINTS for number in range(TIMELINE_POINTS + 1)]
    at = np.searchsorted(fills.ts_ms, ts_ms, side="right")
    sums = (np.concatenate(([0], np.cumsum(column)))[at] for column in (fills.notional_q, fills.loss_q))
    return list(zip(ts_ms, *(column.tolist() for column in sums), strict=True))


def as_text(name: str, value: int | Fraction) -> str:
    """A figure as decimal text in its unit."""
    if isinstance(value, Fraction):
        return format_fraction(value, 6)
    unit = DEFINITIONS[name].unit if name in DEFINITIONS else "USD"
    return str(value) if unit in ("count", "gas") else format_atoms(value, QUOTE_DECIMALS)
