"""The head of the report: what was compared, what differs, and whether it holds over every choice."""

import shlex
from collections.abc import Sequence
from typing import Any

from ..html import Html, coded, details, join, section, tag
from .finding import choices_at
from .reading import FRAME, Document, Pair, frames, modes, order, pairs, runs, varied_pairs
from .report_text import headline, mode_name, short, span, term, unit_note

SHOWN = (
    "survival_capital",
    "capital_locked",
    "extra_notional",
    "accounts_ruined",
    "accounts_liquidated",
    "wealth_later",
    "bad_debt",
    "margin_actions",
)
"""Measures of the summary."""
WIDTH = 80
BUILT_IN_MODES = ("isolated", "cross", "hybrid")


def title(document: Document) -> str:
    """Title of the page."""
    names = modes(runs(document, frames(document)[0])) if frames(document) else []
    text = " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)
    return f"{text[:1].upper()}{text[1:]} margin through {document['scenario']['name']}"


def header(document: Document) -> Html:
    """Title, window, rulebook, flow and seed."""
    scenario, setup, flow = document["scenario"], document["setup"], document["flow"]
    venues = ", ".join(f"{mode} as {venue}" for mode, venue in setup["venue_frame"].items())
    facts = {
        "Prices": f"{_time(scenario['from'])} to {_time(scenario['to'])}",
        "Rulebook": setup["venue"] + (f"; venue frame: {venues}" if venues else ""),
        "Flow": f"{flow['accounts']:,} accounts, {flow['positions']:,} positions, "
        f"{short(flow['equity'], 'USD')} USD of equity",
        "Traders": f"{setup['traders']:,} drawn, population {setup['population']}, seed {setup['seed']}",
        "Made by": f"Ringfence {document['ringfence']}",
    }
    rows = (tag("div", tag("dt", name), tag("dd", text)) for name, text in facts.items())
    return tag("header", tag("h1", title(document)), tag("dl", *rows, class_="facts"))


def _time(text: str) -> str:
    return text.replace("T", " ").replace("Z", " UTC")


def summary(document: Document) -> Html:
    """One card per leading measure: the range of every mode, and how the first two stand to each other."""
    if not runs(document):
        return Html()
    setup = document["setup"]
    lead = (
        f"{_arms_in_words(list(setup['arms']))} Same traders, positions, prices and rulebook in every mode. "
        "Replay prices already contain the liquidations of their day."
    )
    cards = (_card(document, name) for name in SHOWN if name in document["definitions"])
    arm_list = (tag("li", tag("b", arm), f": {text}") for arm, text in setup["arms"].items())
    return section(
        "summary",
        "What differs between the modes",
        tag("p", lead, class_="lead"),
        tag("div", *cards, class_="cards"),
        details("What the arms are", tag("ul", *arm_list)),
    )


def _arms_in_words(arms: Sequence[str]) -> str:
    """What the figures of the summary are ranges over."""
    alone = len(arms) == 1
    begin = f"Arm {arms[0]} alone: not a headline. " if alone else ""
    ranged = "" if alone else f"the arms of isolation ({', '.join(arms)}) and "
    words = f"{begin}Every figure is a range over {ranged}both layers of collateral pools"
    return f"{words}; one number stands only where all of them agree."


def _card(document: Document, measure: str) -> Html:
    definitions, names = document["definitions"], modes(runs(document))
    what = definitions[measure]
    found = {mode: headline(document, FRAME, mode, measure) for mode in names}
    ends = [float(text) for texts in found.values() for text in texts]
    low, high = min([*ends, 0.0]), max([*ends, 0.0])
    lines = [
        _track(mode_name(mode, names), texts, what["unit"], low, high)
        for mode, texts in found.items()
        if texts
    ]
    note = unit_note(what["unit"])
    head = tag("h3", term(measure, definitions), tag("small", f" {note}") if note else "")
    said = beside(document, measure, names)
    if measure == "bad_debt" and not any(ends):
        said.append(why_no_bad_debt(document, names))
    verdicts = (tag("p", text, class_="verdict") for text in said)
    return tag("article", head, *verdicts, tag("div", *lines, class_="lines"), class_="card")


def _track(name: Html, texts: Sequence[str], unit: str, low: float, high: float) -> Html:
    width = high - low or 1.0
    begin, end = (float(texts[0]) - low) / width, (float(texts[-1]) - low) / width
    style = f"left:{100 * begin:.2f}%;width:{100 * (end - begin):.2f}%"
    bar = tag("span", tag("span", class_="bar", style=style), class_="track", aria_hidden="true")
    return tag(
        "div",
        tag("span", name, class_="who"),
        bar,
        tag("span", span(texts, unit), class_="range"),
        class_="line",
    )


def beside(document: Document, measure: str, names: Sequence[str]) -> list[str]:
    """How the first mode stands beside the second, in the base runs and where something was varied."""
    if len(names) < 2:  # noqa: PLR2004
        return []
    first, second = names[0], names[1]
    sentences = [_stands(f"{first} against {second}", pairs(document, measure, first, second))]
    varied = varied_pairs(document, measure, first, second)
    base = order(pairs(document, measure, first, second))
    if varied and order(varied) != base:
        sentences.append(_stands("With slippage or another order of lows", varied))
    return [sentence.replace("_", " ") for sentence in sentences]


def why_no_bad_debt(document: Document, names: Sequence[str]) -> str:
    """Where a zero comes from, and what slippage makes of it; the figures are those of the sensitivity analysis."""
    slip = document["setup"]["slippage_ppm"]
    fills = f"fills {slip / 10_000:g} % off the mark" if slip else "fills at the mark"
    found: dict[str, dict[str, list[str]]] = {}
    for row in document.get("sensitivity", ()):
        if row["frame"] == FRAME and row["varied"].startswith("slippage") and "bad_debt" in row["measures"]:
            by_mode = found.setdefault(row["varied"].removeprefix("slippage").strip(), {})
            by_mode.setdefault(row["mode"], []).append(row["measures"]["bad_debt"])
    parts = []
    for varied, by_mode in found.items():
        shown = ", ".join(f"{mode} {_least_to_most(by_mode[mode])} USD" for mode in names if mode in by_mode)
        parts.append(f"with {varied} slippage: {shown}")
    return f"0 follows from {fills} on a walked path; {'; '.join(parts) or 'slippage was not varied'}."


def _least_to_most(texts: Sequence[str]) -> str:
    ordered = sorted(texts, key=float)
    return span([ordered[0], ordered[-1]], "USD")


def _stands(what: str, found: Sequence[Pair]) -> str:
    """Where a measure of one mode is below, at or above that of another."""
    what = what[:1].upper() + what[1:]
    words = {"lower": "lower in every arm", "higher": "higher in every arm", "equal": "equal in every arm"}
    at = order(found)
    if at != "flips" and not any(pair.sign == 0 for pair in found if at != "equal"):
        return f"{what}: {words[at]}." if found else f"{what}: not measured."
    sides = {"lower": -1, "equal": 0, "higher": 1}
    parts = [f"{side} in {where}" for side, sign in sides.items() if (where := choices_at(found, sign))]
    return f"{what}: {'; '.join(parts)}."


# -- how to reproduce -----------------------------------------------------------------------------------------------


def reproduce(document: Document) -> Html:
    """The command line that gives this document again."""
    notes = [tag("p", "The same command gives the same figures, byte for byte.")]
    own = {name: rules for name, rules in document["setup"]["modes"].items() if name not in BUILT_IN_MODES}
    if own:
        files = (
            tag("li", tag("code", f"{name}.toml"), ": ", tag("code", _toml(name, rules)))
            for name, rules in own.items()
        )
        notes.append(tag("p", "Partitions of its own, as files:"))
        notes.append(tag("ul", *files))
    return section("reproduce", "How to reproduce", tag("pre", tag("code", command(document))), *notes)


def command(document: Document) -> str:
    """`ringfence compare` with every choice spelled out."""
    scenario, setup = document["scenario"], document["setup"]
    if "command" in document:
        return str(document["command"])
    parts = [["ringfence", "compare"], *_prices(scenario["name"]), ["--venue", setup["venue"]]]
    pairs_of = [["--venue-frame", f"{mode}={venue}"] for mode, venue in setup["venue_frame"].items()]
    parts += pairs_of or [["--venue-frame", "none"]]
    named = [mode for mode in setup["modes"] if mode in BUILT_IN_MODES]
    parts += [["--modes", ",".join(named)]] if named else []
    parts += [["--partition", f"{mode}.toml"] for mode in setup["modes"] if mode not in BUILT_IN_MODES]
    for option, value in (
        ("--traders", setup["traders"]),
        ("--population", setup["population"]),
        ("--seed", setup["seed"]),
        ("--arms", ",".join(setup["arms"])),
        ("--order", scenario["order"]),
        ("--step-ppm", scenario["max_step_ppm"]),
        ("--insurance-ppm", setup["insurance_ppm"]),
        ("--slippage-ppm", setup["slippage_ppm"]),
    ):
        parts.append([option, str(value)])
    parts += [] if document.get("sensitivity") else [["--no-sensitivity"]]
    return _wrapped([shlex.join(part) for part in parts])


def _wrapped(parts: Sequence[str]) -> str:
    """A command on lines that fit a narrow terminal."""
    lines = [parts[0]]
    for part in parts[1:]:
        if len(lines[-1]) + len(part) < WIDTH:
            lines[-1] += f" {part}"
        else:
            lines.append(f"  {part}")
    return " \\\n".join(lines)


def _prices(name: str) -> list[list[str]]:
    """Built-in scenarios have names without a full stop, files have an extension."""
    if "." not in name:
        return [["--scenario", name]]
    return [["--prices", file] for file in name.split("+")]


def _toml(name: str, rules: dict[str, Any]) -> str:
    groups = ", ".join(f"[{', '.join(map(_quoted, group))}]" for group in rules["groups"])
    return f"name = {_quoted(name)}; groups = [{groups}]; rest = {_quoted(rules['rest'])}".replace("; ", "\n")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def assumptions(document: Document) -> Html:
    """What the figures rest on, and what the scenario's source says of itself."""
    items = (tag("li", *coded(text)) for text in document["assumptions"])
    notes = document["scenario"]["notes"]
    more = (
        join((tag("h3", "Notes on the prices"), tag("ul", *(tag("li", text) for text in notes))))
        if notes
        else Html()
    )
    return section("assumptions", "Assumptions", tag("ul", *items), more)
