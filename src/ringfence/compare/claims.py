"""The claims registry: every statement about isolated and cross margin, with its status and what settles it.

`claims.toml` holds the statements. Where a status can be measured it is computed at every call, from the exact engine
(`examples`) and from the result document of a comparison, and typed nowhere. A verdict taken from a comparison alone
begins "On this path": it speaks of its scenario, population and seed, and confirms or refutes only what holds by
construction.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from typing import Any

from ..errors import check
from ..venues.rulebook import load
from . import examples, findings_capital, findings_chain, findings_risk, findings_venues
from .finding import MEASUREMENTS, STATUSES, Finding, Origin, Status
from .reading import Document

__all__ = ["STATUSES", "Claim", "Status", "add_claims", "evaluate", "registry"]

_MEASURED_BY = (findings_capital, findings_chain, findings_risk, findings_venues)
"""Importing these modules fills the registry of measurements."""


@dataclass(frozen=True)
class Claim:
    """One row of the registry; all text, so that it can be written as JSON."""

    id: str
    section: str
    statement: str
    settled_by: str
    status: Status
    verdict: str
    depends_on: str
    measurement: str
    figures: dict[str, str]
    source: str
    row: str = ""
    """For a row of the feature matrix: its name, what is said of each mode, and what is measured."""
    said: dict[str, str] = field(default_factory=dict)
    cells: dict[str, str] = field(default_factory=dict)


def evaluate(document: Document | None) -> list[Claim]:
    """All claims with their status, in the order of the registry.

    With `None` only what the engine's worked examples and the rulebooks settle; with the result document of a
    comparison also what its runs settle. The same document gives the same rows.
    """
    raw = registry()
    return [_claim(name, entry, raw["sections"], document) for name, entry in raw["claims"].items()]


def add_claims(document: Document) -> None:
    """Put the claims, evaluated with this comparison, into its result document under `claims`."""
    document["claims"] = [asdict(claim) for claim in evaluate(document)]


def registry() -> dict[str, Any]:
    """The registry as written."""
    return tomllib.loads((files(__package__) / "claims.toml").read_text(encoding="utf-8"))


def _claim(
    name: str, entry: Mapping[str, Any], sections: Mapping[str, str], document: Document | None
) -> Claim:
    measured = entry.get("measurement", "")
    check(bool(measured) != ("status" in entry), f"claim {name}: expected either a measurement or a status")
    if measured:
        found = MEASUREMENTS[measured].measure(document)
        source = _origins(MEASUREMENTS[measured].origins, document)
    else:
        found, source = _typed(entry)
    return Claim(
        id=name,
        section=sections[name.rstrip("0123456789")],
        statement=entry["statement"],
        settled_by=entry["settled_by"],
        status=found.status,
        verdict=found.verdict,
        depends_on=found.depends_on,
        measurement=measured,
        figures=dict(found.figures),
        source=source,
        row=entry.get("row", ""),
        said={mode: entry[mode] for mode in ("isolated", "cross") if mode in entry},
        cells=dict(found.cells),
    )


def _origins(origins: Iterable[Origin], document: Document | None) -> str:
    """Where the figures of a measurement are from, as text."""
    words = {
        "engine": f"worked examples under the rulebook {load(examples.RULEBOOK).name}",
        "contracts": "receipts of our own contracts on an embedded EVM (`ringfence gas`), dated chain parameters",
        "rulebooks": f"rulebooks of {len(findings_venues.VENUES)} venues, with their sources (`ringfence venues`)",
    }
    if document is not None:
        scenario, setup = document["scenario"], document["setup"]
        words["comparison"] = (
            f"comparison {scenario['name']}, {setup['traders']} traders, seed {setup['seed']}"
        )
    return "; ".join(words[origin] for origin in origins if origin in words)


def _typed(entry: Mapping[str, Any]) -> tuple[Finding, str]:
    """A typed status; what rulebooks say for it is read from them, with their sources."""
    figures: dict[str, str] = {}
    sources: dict[str, None] = {}
    for item in entry.get("evidence", ()):
        name, _, path = item.partition(":")
        rulebook = load(name)
        figures[f"{name}: {path}"] = _shown(rulebook.ask(path))
        cited = rulebook.source(path)
        sources[f"{cited.title} ({cited.date})"] = None
    finding = Finding(entry["status"], entry["verdict"], figures, entry.get("depends_on", ""))
    return finding, "; ".join(sources)


def _shown(found: object) -> str:
    return ("yes" if found else "no") if isinstance(found, bool) else str(found)
