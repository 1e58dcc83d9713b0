"""What is measured of a run, with the definition of every figure.

Money is integers of quote atoms until `as_text`; shares are exact fractions rounded once for print. A definition stands
here and nowhere else: table, JSON and report read it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from ringfence.clearing.model import QUOTE, Venue
from ringfence.clearing.risk import leg_risk, subaccount_risk
from ringfence.sim.curves import Curves
from ringfence.sim.flow import BALANCER, Flow, FlowAccount, Leg
from ringfence.sim.partition import MAIN, Plan
from ringfence.sim.paths import Path
from ringfence.sim.tally import Tally
from ringfence.units import QUOTE_DECIMALS, format_atoms, format_fraction

TIMELINE_POINTS = 200

Unit = Literal["USD", "share", "count", "USD-days", "per account-day"]


@dataclass(frozen=True)
class Definition:
    """Title, unit and meaning of a figure; `group` is the heading of METHOD that it belongs to."""

    title: str
    unit: Unit
    group: Literal["capital", "trader risk", "venue risk", "overhead"]
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
}


def percentile(values: Sequence[Fraction], percent: int) -> Fraction:
    """Nearest-rank percentile; 0 of nothing."""
    if not values:
        return Fraction(0)
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


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


def measure_entry(plans: Sequence[Plan], entered: Venue, curves: Curves) -> Entry:
    """Measure what entering a mode asks of the traders."""
    best = next(iter(entered.markets.values()))
    unit_q = leg_risk(best, 10**12, best.mark, entered.policy.rounding)
    initial = locked = survival = free = idle = actions = ratios = 0
    for plan in plans:
        for group in plan.groups:
            name = plan.account.id if group.name == MAIN else f"{plan.account.id}/{group.name}"
            asked_q = initial_margin_q(entered, ((leg.market, leg.size_b) for leg in group.legs))
            initial += asked_q
            chosen_q = min(sum(leg.posted_q for leg in group.legs), group.collateral_q)
            locked_q = chosen_q if group.name == MAIN else group.collateral_q
            locked += locked_q
            survival += max(asked_q, survival_q(curves, group.legs, entered))
            free += group.collateral_q - locked_q
            ratios += bool(group.legs)
            actions += group.name != MAIN and name in entered.subaccounts
        main = plan.groups[0]
        idle += plan.outside_q + (0 if main.legs else main.collateral_q)
    extra = free * unit_q.notional_q // max(1, unit_q.initial_q)
    return Entry(initial, locked, survival, extra, idle, actions, ratios)


def initial_margin_q(venue: Venue, legs: Iterable[tuple[str, int]]) -> int:
    """Initial margin of some legs at the venue's present prices, at no chosen leverage."""
    rounds = venue.policy.rounding
    return sum(
        leg_risk(venue.markets[m], size_b, venue.markets[m].mark, rounds).initial_q for m, size_b in legs
    )


def survival_q(curves: Curves, legs: Iterable[Leg], entered: Venue) -> int:
    """Least collateral behind some legs that survives the path."""
    sizes = {leg.market: leg.size_b for leg in legs}
    if not sizes:
        return 0
    rounds = entered.policy.rounding
    cost_q = sum(
        leg_risk(entered.markets[m], size_b, entered.markets[m].mark, rounds).equity_q
        for m, size_b in sizes.items()
    )
    return curves.survival_q(sizes, cost_q)


def position_losses(flow: Flow, tally: Tally, venue: Venue) -> dict[tuple[str, str], int]:
    """PnL of every position from entry to the end, by account and market, from the engine's events."""
    worth: dict[tuple[str, str], int] = defaultdict(int)
    for subaccount in venue.subaccounts.values():
        for market_id, held in subaccount.positions.items():
            market = venue.markets[market_id]
            risk = leg_risk(market, held.size_b, market.mark, venue.policy.rounding)
            worth[subaccount.account, market_id] += risk.equity_q
    found = {}
    for account in flow.accounts:
        for leg in account.legs:
            key = account.id, leg.market
            cost_q = leg.notional_q if leg.size_b > 0 else -leg.notional_q
            found[key] = tally.flows_q.get(key, 0) + worth[key] - cost_q
    return found


def measure_run(
    flow: Flow, entry: Entry, tally: Tally, venue: Venue, days: float
) -> dict[str, int | Fraction]:
    """All figures of one run, money in quote atoms, shares and rates as fractions."""
    accounts = {account.id: account for account in flow.accounts}
    losses = worst_losses(accounts, position_losses(flow, tally, venue))
    span = Fraction(days).limit_denominator(10_000)
    account_days = max(Fraction(1, 10_000), len(accounts) * span)
    oi_q = sum(flow.open_interest_q().values()) * 2
    bad_q = sum(fill.loss_q for fill in tally.liquidations) + tally.deleveraging_loss_q
    ruined = sum(10 * tally.final_wealth_q[name] <= account.equity_q for name, account in accounts.items())
    return {
        "initial_margin": entry.initial_margin_q,
        "capital_locked": entry.capital_locked_q,
        "survival_capital": entry.survival_q,
        "extra_notional": entry.extra_notional_q,
        "idle_dollar_days": int(entry.idle_q * span),
        "largest_position_loss": percentile(losses, 99),
        "largest_position_loss_max": max(losses, default=Fraction(0)),
        "accounts_ruined": Fraction(ruined, max(1, len(accounts))),
        "liquidated_over_oi": Fraction(sum(fill.notional_q for fill in tally.liquidations), max(1, oi_q)),
        "accounts_liquidated": Fraction(
            len({fill.account for fill in tally.liquidations}), max(1, len(accounts))
        ),
        "wealth_window": sum(tally.window_wealth_q.values()),
        "wealth_later": sum(tally.final_wealth_q.values()),
        "bad_debt": bad_q,
        "bad_debt_owner_solvent": sum(fill.loss_q for fill in tally.liquidations if fill.owner_solvent),
        "insurance_drawn": sum(tally.insurance_drawn_q.values()),
        "deleveraged": tally.deleveraged_q,
        "socialized": sum(tally.socialized_q.values()),
        "debt_left": sum(venue.debt_q(pool) for pool in venue.pools),
        "liquidations": len(tally.liquidations),
        "margin_actions": Fraction(entry.margin_actions + tally.margin_actions) / account_days,
        "margin_calls": Fraction(tally.margin_calls) / account_days,
        "ratios_to_watch": Fraction(entry.ratios, max(1, len(accounts))),
    }


def worst_losses(accounts: Mapping[str, FlowAccount], pnl_q: Mapping[tuple[str, str], int]) -> list[Fraction]:
    """Per account: the loss of its worst position as a share of its equity at entry."""
    worst: dict[str, int] = dict.fromkeys(accounts, 0)
    for (name, _), gain_q in pnl_q.items():
        worst[name] = max(worst[name], -gain_q)
    return [Fraction(loss_q, max(1, accounts[name].equity_q)) for name, loss_q in worst.items()]


def stakeholders(flow: Flow, tally: Tally, venue: Venue, funded_q: int) -> list[tuple[str, int]]:
    """What each party gained, in quote atoms: one balanced table whose rows sum to zero."""
    cohort = {account.id: account.cohort for account in flow.accounts}
    rows: dict[str, int] = defaultdict(int)
    for account in flow.accounts:
        rows[f"traders: {cohort[account.id]}"] += tally.final_wealth_q[account.id] - account.equity_q
    for subaccount in venue.subaccounts.values():
        if subaccount.account == "system":
            kind = {BALANCER: "balancer", "backstop": "backstop"}.get(subaccount.id, "liquidators (market)")
            rows[kind] += subaccount_risk(venue, subaccount).equity_q
    for account_id, balances in venue.ledger.items():
        amount_q = balances.get(QUOTE, 0)
        if account_id.startswith("fund/"):
            rows["insurance funds"] += amount_q
        elif account_id.startswith("debt/"):
            rows["unpaid bad debt"] += amount_q
        elif account_id != "outside":
            rows["protocol (fees, funding, rounding)"] += amount_q
    rows["insurance funds"] -= funded_q
    rows["rounding of worth"] = -sum(rows.values())
    return sorted(rows.items())


def bad_debt_by_market(tally: Tally) -> list[tuple[str, int]]:
    """Which markets' fills made the bad debt."""
    found: dict[str, int] = {}
    for fill in tally.liquidations:
        if fill.loss_q:
            found[fill.market] = found.get(fill.market, 0) + fill.loss_q
    return sorted(found.items())


def timeline(tally: Tally, path: Path) -> list[tuple[int, int, int]]:
    """Cumulative liquidated notional and bad debt (quote atoms) at evenly spaced times."""
    begin, end = int(path.ts_ms[0]), int(path.ts_ms[-1])
    points, at, liquidated, bad = [], 0, 0, 0
    fills = sorted(tally.liquidations, key=lambda fill: fill.ts_ms)
    for number in range(TIMELINE_POINTS + 1):
        ts_ms = begin + (end - begin) * number // TIMELINE_POINTS
        while at < len(fills) and fills[at].ts_ms <= ts_ms:
            liquidated, bad, at = liquidated + fills[at].notional_q, bad + fills[at].loss_q, at + 1
        points.append((ts_ms, liquidated, bad))
    return points


def as_text(name: str, value: int | Fraction) -> str:
    """A figure as decimal text in its unit."""
    if isinstance(value, Fraction):
        return format_fraction(value, 6)
    unit = DEFINITIONS[name].unit if name in DEFINITIONS else "USD"
    return str(value) if unit == "count" else format_atoms(value, QUOTE_DECIMALS)
