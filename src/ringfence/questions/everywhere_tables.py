"""The same book at every venue, as one table in the terminal."""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

import click

from ..books.account import Account
from ..terminal import LIQUIDATABLE, money, print_table, short
from ..units import format_fraction
from .everywhere import Refusal, Row, VenueAnswer
from .summary import Summary, amount, move

ROWS_MAX = 150
"""Rows that are printed one by one; a larger book is summed up by venue and mode."""

WORDS_WIDTH = 10

DIGITS = 6
"""Digits of a price in the table."""

CENTS_BELOW_Q = 1_000_000_000
"""Amounts from here on (1,000 USD) are shown without cents."""

NAMED_MAX = 3
"""Names in a sentence about many."""


def show(answers: Sequence[VenueAnswer], accounts: Sequence[Account]) -> None:
    """Print a row per venue and mode for each account, notes, and who cannot hold what."""
    rows = [(answer, row) for answer in answers for row in answer.rows]
    if len(rows) > ROWS_MAX:
        _show_totals(answers)
    else:
        for account in accounts:
            _show_account(account.name, [each for each in rows if each[1].summary.account == account.name])
    for line in (*_notes(rows), *_refusals(answers, len(accounts))):
        click.echo(line)


def _show_account(name: str, rows: Sequence[tuple[VenueAnswer, Row]]) -> None:
    columns = ("venue", "mode", "equity", "initial", "maint.", "most", "move", "liq. at", "then")
    cells = [_cells(answer, row) for answer, row in rows]
    if not cells:
        return
    print_table(
        f"{short(name)}: every venue and mode (USDC)", columns, cells, text_columns=2, words_width=WORDS_WIDTH
    )
    moves = [(row.summary.move_ppm, answer, row) for answer, row in rows if row.summary.move_ppm is not None]
    if moves:
        ppm, answer, row = min(moves, key=lambda each: abs(each[0]))
        how = "it is liquidatable now" if ppm == 0 else f"when all marks move by {move(ppm)}%"
        click.echo(f"Liquidated first: {answer.venue}, {row.summary.mode}, {how}.\n")


def _cells(answer: VenueAnswer, row: Row) -> list[str]:
    summary = row.summary
    amounts = [brief(value) for value in (summary.equity_q, summary.initial_q, summary.maintenance_q)]
    prices = "\n".join(f"{line.market} {rounded(line.price)}" for line in summary.prices)
    most = summary.max_leverage
    at_most = "-" if most is None else f"{format_fraction(most, 1)}x"
    return [answer.venue, summary.mode, *amounts, at_most, to_liquidation(summary), prices, answer.short]


def brief(amount_q: int | None) -> str:
    """An amount for a narrow column: cents only below a thousand."""
    if amount_q is None:
        return "-"
    return money(amount(amount_q)) if abs(amount_q) < CENTS_BELOW_Q else f"{round(amount_q, -6) // 10**6:,}"


def rounded(price: str | None) -> str:
    """A price to the digits that fit into a table; the JSON has them all."""
    if price is None:
        return "-"
    exact = Decimal(price)
    places = max(0, DIGITS - 1 - exact.adjusted())
    return price if places == 0 else format(exact.quantize(Decimal(1).scaleb(-places)).normalize(), "f")


def to_liquidation(summary: Summary) -> str:
    """The move that is left, or that there is none."""
    if summary.liquidatable:
        return LIQUIDATABLE
    return "-" if summary.move_ppm is None else f"{summary.move_ppm / 10_000:.1f}%"


def _show_totals(answers: Sequence[VenueAnswer]) -> None:
    """A row per venue and mode for the whole book."""
    columns = ("venue", "mode", "accounts", "equity", "initial", "maint.", "liq. now", "then")
    rows = (_total(answer, mode) for answer in answers for mode in _modes(answer))
    print_table(
        "Every venue and mode, all accounts (USDC)", columns, rows, text_columns=2, words_width=WORDS_WIDTH
    )


def _modes(answer: VenueAnswer) -> Iterable[str]:
    return dict.fromkeys(row.arrangement for row in answer.rows)


def _total(answer: VenueAnswer, mode: str) -> list[str]:
    found = [row.summary for row in answer.rows if row.arrangement == mode]
    equity = sum(each.equity_q or 0 for each in found)
    initial, maintenance = (
        sum(each.initial_q or 0 for each in found),
        sum(each.maintenance_q for each in found),
    )
    amounts = [brief(value) for value in (equity, initial, maintenance)]
    bad = sum(each.liquidatable is True for each in found)
    return [answer.venue, mode, f"{len(found):,}", *amounts, f"{bad:,}", answer.short]


def _notes(rows: Sequence[tuple[VenueAnswer, Row]]) -> Iterator[str]:
    """What was decided or assumed, once for all rows that it holds for."""
    told: dict[str, dict[tuple[str, str], None]] = {}
    for answer, row in rows:
        for note in row.summary.notes:
            told.setdefault(note, {})[answer.venue, row.arrangement] = None
    for note, where in told.items():
        yield f"Note: {_labels(rows, set(where))}: {note}"


def _labels(rows: Sequence[tuple[VenueAnswer, Row]], where: set[tuple[str, str]]) -> str:
    """The rows that a note holds for, as few words as name them: a mode, venues, or both."""
    known = {(answer.venue, row.arrangement) for answer, row in rows}
    for mode in {mode for _, mode in where}:
        if len(where) > 1 and where == {each for each in known if each[1] == mode}:
            return mode
    whole = dict.fromkeys(venue for venue, _ in sorted(where) if {e for e in known if e[0] == venue} <= where)
    rest = [f"{venue} {mode}" for venue, mode in sorted(where) if venue not in whole]
    return _some([*whole, *rest])


def _refusals(answers: Iterable[VenueAnswer], accounts: int) -> Iterator[str]:
    """Which venues cannot hold which accounts, and why: a line per venue and respect."""
    for answer in answers:
        reasons: dict[tuple[str, str], list[Refusal]] = {}
        for refusal in answer.refused:
            key = refusal.mode, refusal.kind if refusal.subjects else refusal.sentence
            reasons.setdefault(key, []).append(refusal)
        for (mode, reason), refused in reasons.items():
            name = f"{answer.venue} {mode}".strip()
            subjects = dict.fromkeys(subject for refusal in refused for subject in refusal.subjects)
            whom = "this" if accounts == 1 else _some([short(refusal.account) for refusal in refused])
            yield f"{name} cannot hold {whom}: {reason}{': ' if subjects else ''}{', '.join(subjects)}"


def _some(names: Sequence[str]) -> str:
    more = len(names) - NAMED_MAX
    return ", ".join(names[:NAMED_MAX]) + (f" and {more} more" if more > 0 else "")
