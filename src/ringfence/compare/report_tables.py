"""The tables of the report: measures by mode, every run, who gained what, what was refused, prices, definitions."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from ..html import Html, cell, column, details, join, label, row, section, table, tag
from ..units import format_fraction, to_fraction
from .finding import number
from .reading import FRAME, Document, Run, frames, layers, modes, runs
from .report_text import DASH, headline, mode_name, short, span, term, unit_note

FRAME_WORDS = {
    "identical": "The same margin parameters in every mode: only the partition differs.",
    "venue": "Each mode with the margin parameters of a named venue, in arm c alone: not a headline; mode and venue "
    "change together, so no difference is the mode's own. A mode that its venue does not offer is counterfactual. "
    "Positions are those that every mode of this frame admits: never compare across frames.",
}
BALANCER_WORDS = "The balancer is a system account that takes what the drawn traders leave open on one side."
LAYER_WORDS = {"shared": "shared pool", "per_market": "pool per market"}
BASE_ARM = "c"
CENT = Fraction(1, 100)


def measures(document: Document) -> Html:
    """Measures by mode, one table per frame, and every run behind them."""
    parts = []
    for frame in frames(document):
        parts += [
            tag("h3", f"Frame: {frame}"),
            tag("p", _frame_words(document, frame)),
            _measure_table(document, frame),
            details(f"Every run of the {frame} frame: each arm and layer", _run_table(document, frame)),
        ]
    return section("measures", "All measures", *parts)


def _frame_words(document: Document, frame: str) -> str:
    found, setup = runs(document, frame), document["setup"]
    rules = {run["mode"]: run["rulebook"] for run in found}
    named = (
        setup["venue"]
        if len(set(rules.values())) == 1
        else ", ".join(f"{m} as {v}" for m, v in rules.items())
    )
    flow = document.get("flow_venue" if frame == "venue" else "flow") or document["flow"]
    admitted = f"{flow['accounts']:,} accounts with {flow['positions']:,} positions"
    return f"{FRAME_WORDS.get(frame, '')} Rules: {named}. Flow: {admitted}."


def _groups(document: Document) -> dict[str, list[str]]:
    """Measures by the heading that they stand under."""
    found: dict[str, list[str]] = {}
    for name, what in document["definitions"].items():
        found.setdefault(what["group"], []).append(name)
    return found


def _measure_table(document: Document, frame: str) -> Html:
    definitions, names = document["definitions"], modes(runs(document, frame))
    body = []
    for group, members in _groups(document).items():
        body.append(
            tag("tr", tag("th", group, scope="rowgroup", colspan=str(len(names) + 1)), class_="group")
        )
        for name in members:
            unit = definitions[name]["unit"]
            cells = (cell(span(headline(document, frame, mode, name), unit)) for mode in names)
            body.append(row(_measure_label(name, definitions), *cells))
    head = row(column("Measure"), *(column(mode_name(mode, names)) for mode in names))
    return table(
        f"Measures by mode, {frame} frame: {ranged_over(document, frame)}",
        [head],
        body,
        class_="figures main",
    )


def ranged_over(document: Document, frame: str) -> str:
    """What the figures of a frame are ranges over; one arm alone is no headline."""
    arms = list(dict.fromkeys(run["arm"] for run in runs(document, frame)))
    if len(arms) != 1:
        return "range over arms and layers"
    text = f"arm {arms[0]} alone: not a headline"
    return f"{text}; mode and venue change together" if frame == "venue" else f"{text}; range over layers"


def _measure_label(name: str, definitions: Mapping[str, Any]) -> Html:
    note = unit_note(definitions[name]["unit"])
    return label(term(name, definitions), tag("small", f" {note}") if note else "")


def _run_table(document: Document, frame: str) -> Html:
    """One column per run."""
    found, definitions = runs(document, frame), document["definitions"]
    names = modes(found)
    ordered = [run for mode in names for run in found if run["mode"] == mode]
    counts = {mode: sum(run["mode"] == mode for run in ordered) for mode in names}
    head = [
        row(column("Mode"), *(column(mode_name(mode, names), span=count) for mode, count in counts.items())),
        row(column("Arm"), *(column(run["arm"]) for run in ordered)),
        row(column("Layer"), *(column(_layer(run)) for run in ordered)),
    ]
    body = (
        row(_measure_label(name, definitions), *(_figure(run, name, what["unit"]) for run in ordered))
        for name, what in definitions.items()
    )
    return table(f"Every run of the {frame} frame", head, body, class_="figures wide")


def _layer(run: Run) -> str:
    layer = str(run["layer"])
    return LAYER_WORDS.get(layer, layer)


def _figure(run: Run, name: str, unit: str) -> Html:
    text = run["measures"].get(name)
    return cell(DASH if text is None else short(text, unit))


# -- who gained what ------------------------------------------------------------------------------------------------


def stakeholders(document: Document) -> Html:
    """What each party gained in every run; each column sums to zero."""
    found = runs(document)
    arms = sorted({run["arm"] for run in found})
    first = BASE_ARM if BASE_ARM in arms else (arms or [""])[0]
    parts = [
        tag(
            "p",
            "What one party loses another gains; fees and penalties are transfers. The last row adds each column up. "
            "The rounding of open positions has a row of its own.",
        ),
        _party_table(found, first),
    ]
    parts += [details(f"Arm {arm}", _party_table(found, arm)) for arm in arms if arm != first]
    return section("stakeholders", "Who gained what", *parts)


def _party_table(found: Sequence[Run], arm: str) -> Html:
    names = modes(found)
    ordered = [run for mode in names for run in found if run["mode"] == mode and run["arm"] == arm]
    present = modes(ordered)
    gains = [dict(run["stakeholders"]) for run in ordered]
    head = [
        row(
            column("Party"), *(column(mode_name(mode, names), span=_count(ordered, mode)) for mode in present)
        ),
        row(column("Layer"), *(column(_layer(run)) for run in ordered)),
    ]
    parties = sorted({party for each in gains for party in each})
    body = (row(label(party), *(_gain(each.get(party, "0")) for each in gains)) for party in parties)
    sums = [sum((to_fraction(text, "gain") for text in each.values()), Fraction(0)) for each in gains]
    foot = [row(label("Sum"), *map(_sum, sums))]
    return table(f"Gain in USD by party, arm {arm}", head, body, foot, class_="figures party")


def _sum(total: Fraction) -> Html:
    """A column's sum to the cent; all its digits on pointing."""
    return tag(
        "td", number(total) if abs(total) >= CENT else "0.00", title=f"{format_fraction(total, 6)} USD"
    )


def _count(ordered: Iterable[Run], mode: str) -> int:
    return sum(run["mode"] == mode for run in ordered)


def _gain(text: str) -> Html:
    return cell(short(text, "USD"), class_="loss" if text.startswith("-") else "")


# -- what was refused, prices, sensitivity ----------------------------------------------------------------------------


def refused(document: Document) -> Html:
    """What each mode refuses of what was drawn."""
    names = list(dict.fromkeys(each["mode"] for each in document["refused"]))
    body = (
        row(
            label(mode_name(each["mode"], names)),
            cell(each["frame"], class_="text"),
            cell(each["arm"], class_="text"),
            cell(f"{each['positions']:,}"),
            cell(f"{each['accounts']:,}"),
            cell(short(each["notional"], "USD")),
        )
        for each in document["refused"]
    )
    left = (column(text, class_="text") for text in ("Frame", "Arm"))
    head = row(column("Mode"), *left, *map(column, ("Positions", "Accounts", "Notional, USD")))
    words = "Positions whose margin the mode refuses at entry. All other figures use what every mode admits."
    return section(
        "refused",
        "Refused positions",
        tag("p", words),
        table("Refused by mode and arm", [head], body, class_="figures"),
    )


def prices(document: Document) -> Html:
    """The scenario's prices and how much of each market the balancing account had to hold."""
    scenario, flow = document["scenario"], document["flow"]
    body = []
    for name, price in scenario["prices"].items():
        fall = 1 - float(price["low"]) / float(price["first"]) if float(price["first"]) else 0.0
        body.append(
            row(
                label(name),
                *(cell(_price(price[key])) for key in ("first", "low", "high", "last")),
                cell(short(str(-fall), "share")),
                cell(short(flow["open_interest"].get(name, "0"), "USD")),
                cell(short(flow["balancer_share"].get(name, "0"), "share")),
            )
        )
    heads = (
        "Market",
        "First",
        "Low",
        "High",
        "Last",
        "Low against first",
        "Open interest, USD",
        "Held by the balancer",
    )
    order, step = scenario["order"].replace("_", " "), scenario["max_step_ppm"] / 10_000
    path = (
        f"{scenario['steps']:,} steps of at most {step:g} % each; inside a candle: {order}. The window ends "
    )
    path += f"{scenario['window_ends'].replace('T', ' ')}; the path goes on for a day."
    words = [path, BALANCER_WORDS]
    if scenario["markets_left_out"]:
        words.append(
            f"Left out, because the rulebook does not list them: {', '.join(scenario['markets_left_out'])}."
        )
    return section(
        "prices",
        "Prices",
        *(tag("p", text) for text in words),
        table("Prices in USD, open interest at entry", [row(*map(column, heads))], body, class_="figures"),
    )


def _price(text: str) -> str:
    whole, point, rest = text.partition(".")
    return f"{int(whole):,}{point}{rest}"


def sensitivity_table(document: Document, kind: str, base: str, measures_shown: Sequence[str]) -> Html:
    """Measures by mode with one thing varied; `kind` starts the name of what is varied, `base` names the base run."""
    found, varied = _varied(document, kind, base)
    names, definitions = modes(runs(document)), document["definitions"]
    head = [
        row(column("Measure"), *(column(mode_name(mode, names), span=len(varied)) for mode in names)),
        row(column("Varied"), *(column(each) for _ in names for each in varied)),
    ]
    body = (
        row(
            _measure_label(name, definitions),
            *(_ranged(found.get((mode, each), []), name, definitions) for mode in names for each in varied),
        )
        for name in measures_shown
        if name in definitions
    )
    return table(f"Sensitivity to {kind}, arm {BASE_ARM}: range over layers", head, body, class_="figures")


def _varied(document: Document, kind: str, base: str) -> tuple[dict[tuple[str, str], list[Run]], list[str]]:
    """Runs of arm c by mode and by what was varied, the base run among them."""
    found: dict[tuple[str, str], list[Run]] = {}
    for run in runs(document):
        if run["arm"] == BASE_ARM:
            found.setdefault((run["mode"], base), []).append(run)
    varied: dict[str, None] = {base: None}
    for each in document["sensitivity"]:
        if each["varied"].startswith(kind) and each["frame"] == FRAME:
            name = each["varied"].removeprefix(kind).strip().replace("_", " ")
            varied[name] = None
            found.setdefault((each["mode"], name), []).append(each)
    return found, sorted(varied, key=_natural)


def _natural(text: str) -> tuple[float, str]:
    """Percentages by size, words by name."""
    first = text.split(" ", maxsplit=1)[0]
    return (float(first), "") if first.replace(".", "", 1).isdigit() else (0.0, text)


def _ranged(found: Sequence[Run], name: str, definitions: Mapping[str, Any]) -> Html:
    texts = sorted((run["measures"][name] for run in found if name in run["measures"]), key=float)
    return cell(span([texts[0], texts[-1]], definitions[name]["unit"]) if texts else DASH)


def glossary(document: Document) -> Html:
    """The definition of every measure and the layers of pools."""
    items = []
    for name, what in document["definitions"].items():
        unit = f" ({what['unit']})" if what["unit"] else ""
        items.append(
            join((tag("dt", what["title"], tag("small", unit)), tag("dd", what["meaning"], id=f"def-{name}")))
        )
    pools = (
        tag("dt", "Layer: one shared pool"),
        tag("dd", "All markets share one collateral pool and one insurance fund."),
        tag("dt", "Layer: a pool per market"),
        tag(
            "dd",
            "Every market has a collateral pool and an insurance fund of its own; the funds' total is the same.",
        ),
    )
    found = layers(runs(document))
    return section(
        "definitions", "Definitions", tag("dl", *items, *(pools if found else ()), class_="glossary")
    )
