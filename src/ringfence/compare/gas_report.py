"""Gas as one page that opens offline: the crossover drawn, every figure in a table."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from ..chain.gas import OPERATIONS, POSITIONS, Snapshot
from ..html import Html, cell, column, join, label, row, section, table, tag
from ..questions.tabular import write_text
from . import gas_tables as tables
from .gas_crash import crash_tables
from .report import page
from .report_charts import DASHES, SYMBOLS, Chart, base_layout

CHARTED = ("add", "withdraw", "liquidate_one", "liquidate_all")
"""Operations whose gas grows with positions in one design and not in the other, or in both at another pace."""

HEIGHT = 320
REMARKS = (
    (
        "Gas is what receipts of signed transactions show on Prague's rules, each in a block of its own: intrinsic gas "
        "and calldata included, every account and slot cold, refunds taken off."
    ),
    (
        "Figures of real venues were measured on the same machine from their own code; where they do less or more in "
        "the same operation, the scope says so."
    ),
    (
        "Fees come from the formulas of each chain on dated parameters. ZKsync Era and Starknet do not run these "
        "contracts as they are: what is said of them is modelled."
    ),
)


def write_report(snapshot: Snapshot, found: tables.Document, path: Path) -> None:
    """Write the page; raises `InputError` where the file cannot be written."""
    write_text(path, render(snapshot, found))


def render(snapshot: Snapshot, found: tables.Document) -> str:
    """The page as text."""
    charts = [_chart(snapshot, name) for name in CHARTED]
    facts = f"{snapshot.compiler}, {snapshot.evm}, measured {snapshot.measured}"
    body = join(
        [
            tag("header", tag("h1", "Gas of isolated and cross margin"), tag("p", facts)),
            tag("main", *_sections(snapshot, found, charts)),
        ]
    )
    return page("Gas of isolated and cross margin", body, charts)


def _sections(snapshot: Snapshot, found: tables.Document, charts: Sequence[Chart]) -> list[Html]:
    parts = [section("crossover", "By number of positions", *(chart.place() for chart in charts))]
    heads = ("operation", *(f"N={count}" for count in POSITIONS), "transactions", "calldata")
    by_design = (
        _table(f"{design}, gas with N positions held", heads, tables.gas_rows(snapshot, design, POSITIONS))
        for design in snapshot.designs
    )
    parts.append(section("gas", "Gas", *by_design))
    heads = ("design", "operation", "N", "gas", "venue's gas", "ratio", "cheapest venue")
    venues = _table("Against the cheapest real venue", heads, tables.venue_rows(snapshot))
    parts.append(section("venues", "Real venues", venues))
    if fees := tables.fee_rows(tables.fees_of(found)):
        chains = dict.fromkeys(each["chain"] for each in found["fees"])
        parts.append(
            section(
                "fees",
                "Fees",
                _table("Fees, USD", ("design", "operation", "N", "fees", *chains), fees),
            )
        )
    if "crash" in found:
        shown = (_table(each.title, each.columns, each.rows) for each in crash_tables(found["crash"]))
        parts.append(section("crash", "A crash", *shown))
    heads = ("design", "bytes of code", "branches", "calls", "invariants", *tables.slot_columns())
    complexity = _table("What there is to audit", heads, tables.complexity_rows(snapshot.complexity))
    parts.append(section("complexity", "Complexity", complexity))
    parts.append(section("remarks", "How to read this", tag("ul", *(tag("li", each) for each in REMARKS))))
    return parts


def _table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Html:
    body = (row(label(first), *map(cell, rest)) for first, *rest in rows)
    return table(caption, [row(*map(column, heads))], body)


def _chart(snapshot: Snapshot, operation: str) -> Chart:
    """Gas over positions, a line per design, both axes logarithmic."""
    traces, words = [], []
    for at, design in enumerate(snapshot.designs):
        series = snapshot.series(design, operation)
        if not series:
            continue
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": design,
                "x": [figure.positions for figure in series],
                "y": [figure.gas for figure in series],
                "line": {"color": f"@mode-{at}", "dash": DASHES[at], "width": 2},
                "marker": {"color": f"@mode-{at}", "symbol": SYMBOLS[at], "size": 8},
                "hovertemplate": f"{design}, %{{x}} positions: %{{y:,}} gas<extra></extra>",
            }
        )
        words.append(f"{design}: {series[0].gas:,} to {series[-1].gas:,} gas")
    axis = {"type": "log", "tickvals": list(POSITIONS), "ticktext": [str(count) for count in POSITIONS]}
    layout = base_layout(
        HEIGHT,
        xaxis=axis | {"title": {"text": "positions held"}},
        yaxis={"type": "log", "tickformat": "~s", "title": {"text": "gas"}, "nticks": 6},
        showlegend=True,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )
    said = OPERATIONS[operation]
    title = said[0].upper() + said[1:]
    return Chart(f"gas-{operation}", title, "; ".join(words), {"data": traces, "layout": layout})
