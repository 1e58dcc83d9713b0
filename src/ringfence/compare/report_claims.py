"""The claims of the report: every statement with its status, the figures it rests on and its source."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..html import Html, cell, column, details, join, label, row, section, table, tag
from .finding import STATUSES
from .reading import Document

MARKS = {
    "confirmed": "✓",
    "refuted": "✕",
    "depends": "◑",
    "undetermined": "?",
    "not testable": "∅",
    "open": "○",
}
"""A sign beside every status, so that no color is needed to tell them apart."""
MEANINGS = {
    "confirmed": "holds in what was measured",
    "refuted": "does not hold in what was measured",
    "depends": "holds or not depending on a stated choice",
    "undetermined": "the sign flips inside the range of what is only assumed",
    "not testable": "no measurement can settle it",
    "open": "not settled yet; the verdict says what will settle it",
}


def claims(document: Document) -> Html:
    """The claims registry, filterable by status and text."""
    rows: Sequence[Mapping[str, Any]] = document.get("claims", ())
    if not rows:
        return section("claims", "Claims", tag("p", "Not evaluated in this document."))
    body = []
    for number, claim in enumerate(rows):
        if number == 0 or claim["section"] != rows[number - 1]["section"]:
            group = tag("th", claim["section"], scope="rowgroup", colspan="3")
            body.append(tag("tr", group, class_="group", data_section=claim["section"]))
        body.append(_row(claim))
    head = row(column("Statement"), column("Status"), column("Verdict, figures and source"))
    words = (
        "The statements of a published comparison of isolated and cross margin, in our words. A verdict taken from "
        'this comparison begins "On this path": it speaks of its scenario, population and seed alone, and confirms '
        "nothing general unless it holds by construction. One refuted part refutes the whole."
    )
    return section(
        "claims",
        "Claims",
        tag("p", words),
        _filters(rows),
        table("Claims with status and verdict", [head], body, class_="claims"),
    )


def _filters(rows: Sequence[Mapping[str, Any]]) -> Html:
    """Buttons by status and a search box; they show once the page's script runs."""
    counts = {status: sum(claim["status"] == status for claim in rows) for status in STATUSES}
    buttons = (
        tag(
            "button",
            tag("span", MARKS[status], aria_hidden="true"),
            f" {status} ({count})",
            type="button",
            data_status=status,
            aria_pressed="true",
            title=MEANINGS[status],
        )
        for status, count in counts.items()
        if count
    )
    search = tag(
        "input", type="search", id="claim-search", placeholder="Search claims", aria_label="Search claims"
    )
    shown = tag("output", f"{len(rows)} of {len(rows)}", id="claim-count", aria_live="polite")
    return tag(
        "div", *buttons, search, shown, class_="filters", role="group", aria_label="Filter claims by status"
    )


def _row(claim: Mapping[str, Any]) -> Html:
    statement = label(
        tag("span", claim["id"], class_="id"),
        " ",
        claim["statement"],
        tag("small", f"Settled by: {claim['settled_by']}"),
    )
    badge = tag(
        "span",
        tag("span", MARKS[claim["status"]], aria_hidden="true"),
        f" {claim['status']}",
        class_=f"badge {claim['status'].replace(' ', '-')}",
    )
    verdict = [tag("p", claim["verdict"])]
    if claim["depends_on"]:
        verdict.append(tag("p", tag("b", "Depends on: "), f"{claim['depends_on']}."))
    if claim["figures"]:
        verdict.append(details(f"Figures ({len(claim['figures'])})", _figures(claim["figures"])))
    if claim["source"]:
        verdict.append(tag("small", f"Source: {claim['source']}"))
    return tag(
        "tr",
        statement,
        cell(badge, class_="status"),
        cell(*verdict),
        data_status=claim["status"],
        data_section=claim["section"],
        id=f"claim-{claim['id']}",
    )


def _figures(figures: Mapping[str, str]) -> Html:
    return tag(
        "dl", *(join((tag("dt", name), tag("dd", text))) for name, text in figures.items()), class_="small"
    )
