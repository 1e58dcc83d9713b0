"""A stress as one page that opens offline, made from the answer alone: the same answer gives the same bytes."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from ringfence import __version__

from ...html import Html, cell, column, details, document, label, row, section, table, tag
from ..measures import plain
from ..summary import amount
from .chart import map_chart, points_chart
from .measures import STRESS_MEASURES
from .shocks import UNMOVED
from .surface import Stress, Tally, Toll
from .tables import by_notional, header, ladder_rows, points, remarks

CENTS_BELOW = 1000

DEFINITIONS = (
    "Liquidatable: a subaccount that the rulebook's own trigger catches at these prices.",
    "Margin deficit: maintenance margin less equity, of the liquidatable.",
    (
        "Bad debt: what they would owe if all their positions were closed at the shocked price and all their other "
        "collateral sold there, less the rulebook's discount on such sales; before insurance funds, deleveraging and "
        "all else that stands between a loss and the others. It is shared out to the pools of the positions by the "
        "maintenance margin of each."
    ),
    (
        "Positions, orders and collateral are those of the book: nobody acts in answer, no liquidation moves a price, "
        "and no fee is taken. A collateral asset moves with the market that its rulebook names, else with the market "
        "of its own name."
    ),
    (
        "Liquidation map: one market moves, all else holds still. A subaccount counts once on each side of the mark, "
        "with what it holds of that market, at the first price of the grid where it is liquidatable."
    ),
)


def report(found: Stress, values: Mapping[str, Decimal], *, book: str, command: str, top: int) -> str:
    """The page."""
    body = [
        _header(found, book),
        tag(
            "main",
            _summary(found),
            _points(found),
            _worst(found, top),
            _maps(found),
            section("definitions", "What is meant", tag("ul", *(tag("li", each) for each in DEFINITIONS))),
            _remarks(found),
            _measures(values),
            section("reproduce", "Make this page again", tag("pre", tag("code", command))),
        ),
    ]
    return document(f"Stress of {book}", body)


def _header(found: Stress, book: str) -> Html:
    count = len(found.points)
    points = (
        found.points[0].label
        if count == 1
        else f"{found.points[0].label} to {found.points[-1].label}, {count} points"
    )
    facts = {
        "Book": book,
        "Holds": header(found.book),
        "Stress": points,
        "Made by": f"Ringfence {__version__}",
    }
    rows = (tag("div", tag("dt", name), tag("dd", text)) for name, text in facts.items())
    return tag("header", tag("h1", f"Stress of {book}"), tag("dl", *rows, class_="facts"))


def _summary(found: Stress) -> Html:
    tally, where = found.worst_tally, found.worst_shock.label
    pools = sorted(tally.bad_debt_q.items(), key=lambda item: (-item[1], item[0]))
    by_pool = ", ".join(f"{pool} {usd_text(debt_q)}" for pool, debt_q in pools[:4])
    elsewhere = (
        f"As things are: {found.now.accounts:,}; at one of the points at least: {found.book.anywhere:,}."
    )
    cards = (
        ("Liquidatable", f"{tally.accounts:,} accounts", elsewhere),
        (
            "Notional",
            f"{usd_text(tally.notional_q)} USD",
            f"Of {tally.subaccounts:,} liquidatable subaccounts, at these prices.",
        ),
        (
            "Margin deficit",
            f"{usd_text(tally.deficit_q)} USD",
            f"{usd_text(found.now.deficit_q)} USD as things are.",
        ),
        (
            "Bad debt",
            f"{usd_text(tally.debt_q)} USD",
            f"Of {tally.indebted:,} subaccounts. {'By pool: ' + by_pool + '.' if pools else 'No pool has any.'}",
        ),
    )
    lead = f"At {where}, the worst point: the one with the most bad debt, then margin deficit, then notional."
    shown = (
        tag("div", tag("h3", title), tag("p", tag("strong", figure)), tag("p", words), class_="card")
        for title, figure, words in cards
    )
    return section(
        "summary", "What it comes to", tag("p", lead, class_="lead"), tag("div", *shown, class_="cards")
    )


def usd_text(amount_q: int) -> str:
    """An amount in USD; cents only below a thousand."""
    dollars = Decimal(amount(amount_q) or 0)
    return f"{dollars:,.{2 if abs(dollars) < CENTS_BELOW else 0}f}".replace("-", "−")


def _points(found: Stress) -> Html:
    listed = points(found)
    head = row(*map(column, ("Point", "Accounts", "Subaccounts", "Notional", "Margin deficit", "Bad debt")))
    body = [_point_row(*each) for each in ((UNMOVED, found.now), *listed)]
    shown = table("Liquidatable at every point, in USD", [head], body, class_="figures")
    if len(listed) == 1:
        return section("points", "The point", shown)
    parts = (points_chart(listed), details("All points", shown))
    return section("points", "Point by point", *parts)


def _point_row(where: str, tally: Tally) -> Html:
    amounts = (tally.notional_q, tally.deficit_q, tally.debt_q)
    cells = (f"{tally.accounts:,}", f"{tally.subaccounts:,}", *map(usd_text, amounts))
    return row(label(where), *map(cell, cells))


def _worst(found: Stress, top: int) -> Html:
    tally, where = found.worst_tally, found.worst_shock.label
    if not tally.subaccounts:
        return section("worst", f"At {where}", tag("p", "Nobody is liquidatable."))
    markets = [
        row(
            label(name),
            cell(f"{felled.positions:,}"),
            cell(f"{felled.contracts.normalize():,f}"),
            cell(usd_text(felled.notional_q)),
        )
        for name, felled in by_notional(tally)
    ]
    head = row(*map(column, ("Market", "Positions", "Contracts", "Notional")))
    parts: list[Html] = []
    if found.tolls[:top]:
        parts.append(_tolls(found.tolls[:top]))
    parts.append(table("Positions of the liquidatable by market, in USD", [head], markets, class_="figures"))
    return section("worst", f"Who and where at {where}", *parts)


def _tolls(tolls: Iterable[Toll]) -> Html:
    names = ("Account", "Largest position", "Notional", "Equity", "Maintenance", "Deficit", "Bad debt")
    head = row(*(column(name, class_="text" if name == "Largest position" else "") for name in names))
    body = (
        row(
            label(toll.account),
            cell(toll.fallen[0].largest, class_="text"),
            *(
                cell(usd_text(value))
                for value in (
                    toll.notional_q,
                    toll.equity_q,
                    toll.maintenance_q,
                    toll.deficit_q,
                    toll.bad_debt_q,
                )
            ),
        )
        for toll in tolls
    )
    return table(
        "The accounts that matter most, by bad debt and margin deficit, in USD",
        [head],
        body,
        class_="figures",
    )


def _maps(found: Stress) -> Html:
    if not found.ladders:
        return Html()
    parts: list[Html] = []
    for ladder in found.ladders:
        now = (
            f" {usd_text(ladder.now.notional_q)} USD are liquidatable at the mark and not drawn."
            if ladder.now.subaccounts
            else ""
        )
        words = f"Notional of {ladder.market} in subaccounts that a move of {ladder.market} alone liquidates.{now}"
        names = ("Move", "Price", "Here", "From the mark", "Subaccounts")
        body = [row(label(each[0]), *map(cell, (each[1], *each[3:]))) for each in ladder_rows(ladder)]
        figures = table(
            "Rungs where something is liquidated, and those between, in USD",
            [row(*map(column, names))],
            body,
            class_="figures",
        )
        parts += [
            tag("h3", ladder.market),
            tag("p", words),
            map_chart(ladder),
            details("The figures behind it", figures),
        ]
    return section("maps", "Liquidation maps", *parts)


def _remarks(found: Stress) -> Html:
    told = [tag("li", line) for line in remarks(found.book)]
    return section("remarks", "What to know", tag("ul", *told)) if told else Html()


def _measures(values: Mapping[str, Decimal]) -> Html:
    head = row(column("Measure"), column("Value"), column("Counts", class_="text"))
    body = (
        row(label(tag("code", name)), cell(plain(values[name])), cell(f"{unit} {what}", class_="text"))
        for name, (unit, what) in STRESS_MEASURES.items()
    )
    caption = "The largest at any point; names as --fail-if takes them"
    return section(
        "measures", "All measures", details("Show them", table(caption, [head], body, class_="figures"))
    )
