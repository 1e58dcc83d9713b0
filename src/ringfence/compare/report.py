"""The report of a comparison: one HTML file that opens offline, made from the result document alone.

The same document gives the same bytes: element ids are fixed, nothing depends on the clock or the machine. The page
loads nothing: Plotly's script, the style sheet and the figures stand in the file, and its content security policy
forbids the browser to fetch anything else.
"""

import json
from collections.abc import Sequence
from importlib.resources import files
from string import Template
from typing import Any

from ..html import Html, join, section, style, tag
from .reading import Document, runs
from .report_charts import (
    Chart,
    capital_charts,
    chart_section,
    grid,
    order_charts,
    slippage_charts,
    timeline_chart,
    wealth_charts,
)
from .report_claims import claims
from .report_summary import assumptions, header, reproduce, summary, title
from .report_tables import glossary, measures, prices, refused, sensitivity_table, stakeholders

VENUE_RISK = (
    "bad_debt",
    "bad_debt_owner_solvent",
    "insurance_drawn",
    "deleveraged",
    "socialized",
    "debt_left",
)
OUTCOMES = (
    "liquidated_over_oi",
    "accounts_liquidated",
    "accounts_ruined",
    "largest_position_loss",
    "wealth_later",
)
CONTENTS = {
    "summary": "Summary",
    "measures": "Measures",
    "capital": "Capital",
    "liquidations": "Liquidations",
    "wealth": "Wealth",
    "bad-debt": "Bad debt",
    "order": "Lows",
    "stakeholders": "Gains",
    "refused": "Refused",
    "claims": "Claims",
    "prices": "Prices",
    "assumptions": "Assumptions",
    "reproduce": "Reproduce",
    "definitions": "Definitions",
}


def render(document: Document) -> str:
    """The report as text."""
    body, charts = _body(document)
    return page(title(document), body, charts)


def page(heading: str, body: Html, charts: Sequence[Chart]) -> str:
    """A whole page with Plotly's charts in their places."""
    from plotly.offline import get_plotlyjs

    figures = {chart.id: chart.spec for chart in charts}
    return Template(_resource("report.html")).substitute(
        title=tag("title", heading),
        style=style() + _resource("report.css"),
        body=body,
        figures=_embedded(figures),
        plotly=get_plotlyjs().replace("</script", r"<\/script"),
        script=_resource("report.js"),
    )


def _resource(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


def _embedded(figures: dict[str, Any]) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(figures, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _body(document: Document) -> tuple[Html, list[Chart]]:
    """All sections in the order of `CONTENTS`, and the charts in them."""
    charted: list[Html] = []
    charts: list[Chart] = []
    if runs(document):
        charted, charts = _charted(document)
    sections = [
        summary(document),
        measures(document),
        *charted,
        stakeholders(document) if runs(document) else Html(),
        refused(document),
        claims(document),
        prices(document),
        assumptions(document),
        reproduce(document),
        glossary(document),
    ]
    links = (
        tag("li", tag("a", words, href=f"#{anchor}"))
        for anchor, words in CONTENTS.items()
        if any(f'<section id="{anchor}"' in part for part in sections)
    )
    contents = tag("nav", tag("ul", *links), aria_label="Contents")
    return join((header(document), contents, tag("main", *sections))), charts


def _charted(document: Document) -> tuple[list[Html], list[Chart]]:
    """Sections with charts, and the charts."""
    capital, time, wealth = capital_charts(document), timeline_chart(document), wealth_charts(document)
    sections = [
        section("capital", "Capital", tag("p", CAPITAL_WORDS), grid(capital)),
        section("liquidations", "Liquidations", tag("p", TIMELINE_WORDS), grid([time])),
        section("wealth", "Wealth", tag("p", WEALTH_WORDS), grid(wealth)),
    ]
    charts: list[Chart] = [*capital, time, *wealth]
    if document.get("sensitivity"):
        more, drawn = _sensitivity(document)
        sections += more
        charts += drawn
    return sections, charts


def _sensitivity(document: Document) -> tuple[Sequence[Html], Sequence[Chart]]:
    slippage, orders = slippage_charts(document), order_charts(document)
    base = f"{document['setup']['slippage_ppm'] / 10_000:g} %"
    order = document["scenario"]["order"].replace("_", " ")
    tables = (
        sensitivity_table(document, "slippage", base, VENUE_RISK),
        sensitivity_table(document, "order", order, OUTCOMES),
    )
    return (
        chart_section("bad-debt", "Bad debt", SLIPPAGE_WORDS, slippage, tables[0]),
        chart_section("order", "Order of lows", ORDER_WORDS, orders, tables[1]),
    ), (*slippage, *orders)


CAPITAL_WORDS = (
    "Each point is an arm, each line the range over the arms. What isolated traders post is behaviour, so what is "
    "locked is a range; what the same safety costs is not."
)
TIMELINE_WORDS = (
    "Notional of all liquidation fills since entry. The line is the arm in which traders post what they chose; the "
    "band holds every arm and both layers."
)
WEALTH_WORDS = "Equity of all accounts over their equity at entry, by mode and arm."
SLIPPAGE_WORDS = (
    "What liquidations lose against the mark is not known for a crash, so it is varied: arm c, with one shared pool "
    "and with a pool per market. The total of insurance is the same in both."
)
ORDER_WORDS = (
    "A candle does not say when its low was. All lows at once, all highs first, or extremes spread over the hour: arm "
    "c, one shared pool."
)
