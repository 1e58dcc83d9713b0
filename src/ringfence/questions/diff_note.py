"""A difference as a note for those who decide: one page that opens offline, made from the difference alone."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from ringfence import __version__

from ..html import Html, cell, column, details, document, label, row, section, table, tag
from .diff import Change, Diff, Leg
from .diff_tables import by_size, markets_by_size
from .measures import MEASURES, plain, usd
from .rule_changes import RuleChange

AFFECTED_MAX = 50
"""Subaccounts that the page names; a file has all of them."""

UNMOVED = (
    "Positions, entry prices, marks and collateral are those of the book; what people would do in answer is not "
    "guessed, and neither is what their liquidations would do to prices."
)
AT_ONCE = (
    "The rules of after hold for open positions at once; some venues spare those until they are changed."
)

DASH = "–"
MINUS = "−"
CENTS_BELOW = Decimal(1000)
PER_CENT = Decimal(100)


def note(
    found: Diff,
    values: Mapping[str, Decimal],
    rules: Sequence[RuleChange],
    *,
    book: str,
    command: str,
) -> str:
    """The page; the same difference gives the same bytes."""
    changes = found.after.removeprefix(found.before)
    title = f"From {found.before} to {found.after}"
    if changes.startswith("{") and changes.endswith("}"):
        title = f"{found.before} with {changes[1:-1]}"
    body = [
        _header(found, title, book),
        tag(
            "main",
            _summary(found, values),
            _rules(rules),
            _markets(found),
            _affected(found),
            _limits(found),
            _definitions(values),
            section("reproduce", "Make this page again", tag("pre", tag("code", command))),
        ),
    ]
    return document(title, body)


def _header(found: Diff, title: str, book: str) -> Html:
    facts = {
        "Before": found.before,
        "After": found.after,
        "Book": f"{book}: {found.accounts:,} accounts, {found.total.positions:,} positions, "
        f"{money(found.total.notional_q)} USD of notional",
        "Made by": f"Ringfence {__version__}",
    }
    rows = (tag("div", tag("dt", name), tag("dd", text)) for name, text in facts.items())
    return tag("header", tag("h1", title), tag("dl", *rows, class_="facts"))


# -- what it comes to ----------------------------------------------------------------------------------------------


def _summary(found: Diff, values: Mapping[str, Decimal]) -> Html:
    total = found.total
    cards = (
        _card(
            "Become liquidatable",
            _count(values["liquidatable"], "account"),
            f"{_usd(values['liquidatableNotional'])} USD of notional, {_usd(values['liquidatableEquity'])} USD of "
            f"equity. Liquidatable in all: {plain(values['liquidatableBefore'])} before, "
            f"{plain(values['liquidatableAfter'])} after.",
        ),
        _card(
            "Free collateral runs out",
            _count(values["short"], "account"),
            "They can open nothing and withdraw nothing until they add collateral; nobody liquidates them for it.",
        ),
        _card(
            "Initial margin",
            _signed(total.initial_after_q - total.initial_before_q),
            f"{money(total.initial_before_q)} USD before, {money(total.initial_after_q)} USD after"
            f"{_share(values['initialMarginPercent'])}.",
        ),
        _card(
            "Maintenance margin",
            _signed(total.maintenance_after_q - total.maintenance_before_q),
            f"{money(total.maintenance_before_q)} USD before, {money(total.maintenance_after_q)} USD after"
            f"{_share(values['maintenanceMarginPercent'])}.",
        ),
    )
    lead = "All at the marks of the book: nobody has moved a position or added collateral in answer to the change."
    return section(
        "summary", "What it means", tag("p", lead, class_="lead"), tag("div", *cards, class_="cards")
    )


def _card(title: str, figure: str, text: str) -> Html:
    return tag("div", tag("h3", title), tag("p", tag("strong", figure)), tag("p", text), class_="card")


def _count(value: Decimal, noun: str) -> str:
    return f"{int(value):,} {noun}{'' if value == 1 else 's'}"


def _signed(amount_q: int) -> str:
    return f"{'+' if amount_q > 0 else ''}{money(amount_q)} USD"


def _share(percent: Decimal) -> str:
    return "" if percent.is_infinite() or percent == 0 else f" ({percent.normalize():+f} %)"


def money(amount_q: int) -> str:
    """An amount in USD to the digits that a page needs: cents only below a thousand."""
    return _usd(usd(amount_q))


def _usd(amount: Decimal) -> str:
    places = 2 if abs(amount) < CENTS_BELOW else 0
    text = f"{abs(amount):,.{places}f}"
    return f"{MINUS}{text}" if amount < 0 else text


# -- rules and markets ---------------------------------------------------------------------------------------------


def _rules(rules: Sequence[RuleChange]) -> Html:
    if not rules:
        return section("rules", "Rules that differ", tag("p", "None that matter to this book."))
    head = row(column("Rule"), column("Before"), column("After"))
    body = (
        row(
            label(change.what),
            cell(*_cited(change.before, change.source_before)),
            cell(*_cited(change.after, change.source_after)),
        )
        for change in rules
    )
    caption = "Margin rules of the book's markets, then the venue's policy, each with its source"
    return section("rules", "Rules that differ", table(caption, [head], body))


def _cited(text: str, source: str) -> Iterable[str]:
    yield text
    if source:
        yield Html("<br>")
        yield tag("small", source)


def _markets(found: Diff) -> Html:
    head = row(
        column("Market"),
        column("Positions"),
        column("Notional"),
        column("Initial before"),
        column("after"),
        column("Maintenance before"),
        column("after"),
        column("change"),
    )
    body = [_market_row(market, leg) for market, leg in markets_by_size(found)]
    foot = [_market_row("All", found.total)]
    caption = "Sums over all positions, in USD"
    return section("markets", "Margin by market", table(caption, [head], body, foot, class_="figures"))


def _market_row(market: str, leg: Leg) -> Html:
    amounts = (
        leg.notional_q,
        leg.initial_before_q,
        leg.initial_after_q,
        leg.maintenance_before_q,
        leg.maintenance_after_q,
    )
    more_q = leg.maintenance_after_q - leg.maintenance_before_q
    share = DASH
    if more_q and leg.maintenance_before_q:
        share = f"{Decimal(more_q) / Decimal(leg.maintenance_before_q) * PER_CENT:+.1f} %"
    return row(
        label(market), cell(f"{leg.positions:,}"), *(cell(money(value)) for value in amounts), cell(share)
    )


# -- who is affected -----------------------------------------------------------------------------------------------


def _affected(found: Diff) -> Html:
    changes = by_size(found.changes)
    if not changes:
        return section("affected", "Who is affected", tag("p", "Nobody, at these marks."))
    head = row(
        column("Subaccount"),
        column("What happens", class_="text"),
        column("Notional"),
        column("Equity"),
        column("Maintenance before"),
        column("after"),
        column("Free before"),
        column("after"),
    )
    body = [_affected_row(change) for change in changes[:AFFECTED_MAX]]
    more = len(changes) - AFFECTED_MAX
    told = f"And {more:,} more; --out affected.csv writes all of them."
    rest = [tag("p", told)] if more > 0 else []
    caption = "Subaccounts that change sides, those that become liquidatable first, the largest first; in USD"
    return section("affected", "Who is affected", table(caption, [head], body, class_="figures"), *rest)


def _affected_row(change: Change) -> Html:
    amounts = (
        change.notional_q,
        change.after.equity_q,
        change.before.maintenance_q,
        change.after.maintenance_q,
        change.before.free_q,
        change.after.free_q,
    )
    cells = (cell(DASH if value is None else money(value)) for value in amounts)
    return row(label(change.subaccount), cell(change.what, class_="text"), *cells)


def _limits(found: Diff) -> Html:
    """What the figures leave out or take for granted."""
    items = [UNMOVED, AT_ONCE]
    if found.unknown:
        items.append(
            f"Of {_count(Decimal(found.unknown), 'account')} the book does not say enough to tell whether they are "
            "liquidatable."
        )
    reasons: dict[tuple[str, str], list[str]] = {}
    for refused in found.refused:
        reasons.setdefault((refused.rulebook, refused.kind), []).append(refused.sentence)
    for (rulebook, kind), sentences in reasons.items():
        who = _count(Decimal(len(sentences)), "account")
        items.append(f"{rulebook} cannot hold {who} ({kind}); they count on neither side. {sentences[0]}")
    items += [f"{text} ({_count(Decimal(times), 'account')})" for text, times in found.notes.items()]
    return section("limits", "What to know", tag("ul", *(tag("li", item) for item in items)))


def _definitions(values: Mapping[str, Decimal]) -> Html:
    """Every measure with its value, as conditions name it."""
    head = row(column("Measure"), column("Value"), column("Counts", class_="text"))
    body = (
        row(label(tag("code", name)), cell(plain(values[name])), cell(f"{unit} {what}", class_="text"))
        for name, (unit, what) in MEASURES.items()
    )
    caption = "Names as --fail-if takes them"
    return section(
        "measures", "All measures", details("Show them", table(caption, [head], body, class_="figures"))
    )
