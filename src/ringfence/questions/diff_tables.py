"""A difference on the terminal, as JSON, and as rows of a file."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

import click
import msgspec

from ..terminal import money, print_table, short
from .diff import Change, Diff, Leg, Standing
from .measures import MEASURES, plain, usd
from .rule_changes import RuleChange
from .summary import amount
from .tabular import Cell, Columns

SHOWN_MAX = 15
"""Subaccounts that are printed; a file has all of them."""

ALWAYS = frozenset({"liquidatable", "short", "initialMargin", "maintenanceMargin"})
"""Measures that are printed even where they are zero."""

RULES_MAX = 12
"""Rules that are printed; two venues differ in most of theirs."""

COLUMNS: Columns = {
    "account": "text",
    "subaccount": "text",
    "what": "text",
    "notional": "amount",
    "equityBefore": "amount",
    "equityAfter": "amount",
    "initialMarginBefore": "amount",
    "initialMarginAfter": "amount",
    "maintenanceMarginBefore": "amount",
    "maintenanceMarginAfter": "amount",
    "freeCollateralBefore": "amount",
    "freeCollateralAfter": "amount",
    "liquidatableBefore": "flag",
    "liquidatableAfter": "flag",
}
"""Columns of a file of affected subaccounts."""


def table_rows(found: Diff) -> Iterator[tuple[Cell, ...]]:
    """The affected subaccounts as rows of a file, the largest first."""
    for change in by_size(found.changes):
        old, new = change.before, change.after
        amounts = (
            (old.equity_q, new.equity_q),
            (old.initial_q, new.initial_q),
            (old.maintenance_q, new.maintenance_q),
            (old.free_q, new.free_q),
        )
        yield (
            change.account,
            change.subaccount,
            change.what,
            amount(change.notional_q),
            *(amount(value) for pair in amounts for value in pair),
            old.liquidatable,
            new.liquidatable,
        )


def by_size(changes: Sequence[Change]) -> list[Change]:
    """Those that become liquidatable first, the largest notional first, then by name."""
    return sorted(
        changes,
        key=lambda each: (not each.becomes_liquidatable, -each.notional_q, each.subaccount),
    )


# -- JSON ----------------------------------------------------------------------------------------------------------


def to_json(found: Diff, values: Mapping[str, Decimal], changes: Sequence[RuleChange]) -> dict[str, object]:
    """The whole difference as a JSON object."""
    return {
        "from": found.before,
        "to": found.after,
        "accounts": found.accounts,
        "subaccounts": found.subaccounts,
        "measures": {name: plain(value) for name, value in values.items()},
        "rules": msgspec.to_builtins(changes),
        "total": _leg_json(found.total),
        "markets": {market: _leg_json(leg) for market, leg in markets_by_size(found)},
        "affected": [_change_json(change) for change in by_size(found.changes)],
        "refused": msgspec.to_builtins([msgspec.structs.asdict(each) for each in found.refused]),
        "notes": [{"note": note, "accounts": times} for note, times in found.notes.items()],
    }


def _leg_json(leg: Leg) -> dict[str, object]:
    return {
        "positions": leg.positions,
        "notional": amount(leg.notional_q),
        "initialMarginBefore": amount(leg.initial_before_q),
        "initialMarginAfter": amount(leg.initial_after_q),
        "maintenanceMarginBefore": amount(leg.maintenance_before_q),
        "maintenanceMarginAfter": amount(leg.maintenance_after_q),
    }


def _change_json(change: Change) -> dict[str, object]:
    return {
        "account": change.account,
        "subaccount": change.subaccount,
        "what": change.what,
        "notional": amount(change.notional_q),
        "before": _standing_json(change.before),
        "after": _standing_json(change.after),
    }


def _standing_json(standing: Standing) -> dict[str, object]:
    return {
        "equity": amount(standing.equity_q),
        "initialMargin": amount(standing.initial_q),
        "maintenanceMargin": amount(standing.maintenance_q),
        "freeCollateral": amount(standing.free_q),
        "liquidatable": standing.liquidatable,
    }


def markets_by_size(found: Diff) -> list[tuple[str, Leg]]:
    """Markets by notional, the largest first."""
    return sorted(found.markets.items(), key=lambda item: (-item[1].notional_q, item[0]))


# -- the terminal --------------------------------------------------------------------------------------------------


def show(found: Diff, values: Mapping[str, Decimal], changes: Sequence[RuleChange]) -> None:
    """Print rules, measures, markets and the largest subaccounts that are affected."""
    count = "1 account" if found.accounts == 1 else f"{found.accounts:,} accounts"
    click.echo(f"{found.before} -> {found.after}: {count}\n")
    rules = [(change.what, change.before, change.after) for change in changes[:RULES_MAX]]
    if rules:
        print_table("Rules that differ", ("rule", "before", "after"), rules, text_columns=3)
    if len(changes) > RULES_MAX:
        click.echo(
            f"And {len(changes) - RULES_MAX} more rules; --json and --out note.html have all of them.\n"
        )
    measured = [
        (name, _measure(name, values[name]), f"{unit} {what}")
        for name, (unit, what) in MEASURES.items()
        if values[name] or name in ALWAYS
    ]
    print_table("What it means", ("measure", "is", "counts"), measured, text_columns=1, words_width=70)
    print_table("Margin by market (USDC)", MARKET_COLUMNS, market_rows(found), text_columns=1)
    affected = by_size(found.changes)
    if affected:
        title = f"Affected: the first {SHOWN_MAX} of {len(affected):,} subaccounts (USDC)"
        if len(affected) <= SHOWN_MAX:
            title = "Affected subaccounts (USDC)"
        columns = ("subaccount", "notional", "equity", "maint. before", "after", "what")
        rows = map(_affected_row, affected[:SHOWN_MAX])
        print_table(title, columns, rows, text_columns=1, words_width=26)
    for line in (*_refusals(found), *_notes(found)):
        click.echo(line)


def _measure(name: str, value: Decimal) -> str:
    if MEASURES[name][0] == "accounts" or value.is_infinite():
        return f"{value:,f}" if not value.is_infinite() else "infinite"
    return f"{plain(value)}" if MEASURES[name][0] == "%" else money(plain(value))


MARKET_COLUMNS = ("market", "positions", "notional", "initial before", "after", "maint. before", "after")


def market_rows(found: Diff) -> list[list[str]]:
    """A row per market and one for their sum."""
    rows = [_market_row(market, leg) for market, leg in markets_by_size(found)]
    return rows if len(rows) == 1 else [*rows, _market_row("all", found.total)]


def _market_row(market: str, leg: Leg) -> list[str]:
    amounts = (
        leg.notional_q,
        leg.initial_before_q,
        leg.initial_after_q,
        leg.maintenance_before_q,
        leg.maintenance_after_q,
    )
    return [market, f"{leg.positions:,}", *(money(usd(value)) for value in amounts)]


def _affected_row(change: Change) -> list[str]:
    amounts = (
        change.notional_q,
        change.after.equity_q,
        change.before.maintenance_q,
        change.after.maintenance_q,
    )
    return [short(change.subaccount), *(money(amount(value)) for value in amounts), change.what]


def _refusals(found: Diff) -> Iterator[str]:
    """Who cannot be compared, by rulebook and reason."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for refused in found.refused:
        reasons.setdefault((refused.rulebook, refused.kind), []).append(refused.sentence)
    for (rulebook, kind), sentences in reasons.items():
        who = "1 account" if len(sentences) == 1 else f"{len(sentences):,} accounts"
        yield f"{rulebook} cannot hold {who} ({kind}), such as: {sentences[0]}"


def _notes(found: Diff) -> Iterator[str]:
    for note, times in found.notes.items():
        yield f"Note: {note} ({times:,} {'account' if times == 1 else 'accounts'})"
