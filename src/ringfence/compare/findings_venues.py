"""Claims that rulebooks settle: which venue offers which margin mode, at what leverage, and how it deleverages."""

from collections.abc import Iterator
from fractions import Fraction
from statistics import median_high

from ..clearing.set_rules import ScenarioMargin, StandardMargin
from ..clearing.shapes import lowest_initial
from ..errors import UnknownValueError
from ..units import format_fraction
from ..venues.model import Rulebook
from ..venues.rulebook import load
from .examples_options import RULEBOOK as EXAMPLE
from .examples_options import perpetual_and_option
from .finding import Finding, measurement, usd
from .reading import Document

VENUES = (
    "dydx-v3",
    "dydx-v4",
    "gmx-v1",
    "gmx-v2",
    "hyperliquid",
    "aevo",
    "vertex",
    "apex-pro",
    "apex-omni",
    "synthetix-v2",
    "synthetix-v3",
    "kwenta",
    "perp-v1",
    "perp-v2",
    "derive",
    "drift-v2",
    "mango-v4",
)
"""Rulebooks of venues with perpetual futures that the registry asks, those of the comparison first."""
SAID = {
    "gmx-v1": "isolated",
    "gmx-v2": "isolated",
    "hyperliquid": "isolated",
    "dydx-v3": "cross",
    "dydx-v4": "cross",
    "aevo": "cross",
    "vertex": "cross",
}
"""M7: the column in which the comparison lists a venue."""
CROSS_SAID = (3, 10)
"""M6: the range of maximum leverage that the comparison calls typical of cross margin."""
COLLATERAL = "facts.collateral"
"""R9: where a rulebook says what is taken besides the quote asset and the engine does not know it as an asset."""


def offered(rulebook: Rulebook) -> dict[str, bool]:
    """Whether a venue offers isolated and cross margin; the names are the comparison's."""
    shared = {mode.shared for mode in rulebook.modes().values()}
    return {"isolated": False in shared, "cross": True in shared}


def default_mode(rulebook: Rulebook) -> str:
    """What a trader gets who does not choose."""
    return "cross" if next(mode for mode in rulebook.modes().values() if mode.default).shared else "isolated"


def leverages(rulebook: Rulebook, mode: str) -> list[Fraction]:
    """Maximum leverage of every market that a venue offers in a mode and whose margin is known."""
    modes = rulebook.modes()
    found = []
    for row in rulebook.names("markets"):
        if not any(modes[name].shared == (mode == "cross") for name in rulebook.row_modes(row)):
            continue
        try:
            rate = lowest_initial(rulebook.margin_table(rulebook.ask(f"markets.{row}.margin")))
        except UnknownValueError:
            continue
        found += [1 / rate] if rate else []
    return found


def _each(mode: str) -> Iterator[tuple[Rulebook, list[Fraction]]]:
    """Venues with known leverage in a mode."""
    for name in VENUES:
        rulebook = load(name)
        if found := leverages(rulebook, mode):
            yield rulebook, found


def times(leverage: Fraction) -> str:
    """A leverage as people write it."""
    return f"{format_fraction(leverage, 1).removesuffix('.0')}x"


@measurement("rulebooks")
def leverage_by_mode(_document: Document | None) -> Finding:
    """M6: highest and median maximum leverage of the markets that rulebooks offer in each mode."""
    figures, tops, cells = {}, {}, {}
    for mode in ("isolated", "cross"):
        most = {}
        for rulebook, found in _each(mode):
            most[rulebook.name] = max(found)
            count = "1 market" if len(found) == 1 else f"{len(found)} markets"
            text = f"up to {times(max(found))}, median market {times(median_high(found))}, {count}"
            figures[f"{rulebook.name}, {mode}"] = text
        tops[mode] = most
        low, high = min(most, key=most.__getitem__), max(most, key=most.__getitem__)
        cells[mode] = f"{times(most[low])} ({low}) to {times(most[high])} ({high})"
    within = [name for name, most in tops["cross"].items() if most <= CROSS_SAID[1]]
    both = [
        (most, tops["isolated"][name]) for name, most in tops["cross"].items() if name in tops["isolated"]
    ]
    if len(within) == len(tops["cross"]) and min(tops["isolated"].values()) > CROSS_SAID[1]:
        return Finding("confirmed", "Isolated markets go higher than cross ones.", figures, cells=cells)
    words = (
        f"{len(tops['cross']) - len(within)} of {len(tops['cross'])} venues with cross margin go beyond 10x."
    )
    if all(cross == isolated for cross, isolated in both):
        words += (
            f" All {len(both)} venues that offer both have one maximum for both: it belongs to the market."
        )
    return Finding("refuted", words, figures, cells=cells)


@measurement("rulebooks")
def venues_by_mode(_document: Document | None) -> Finding:
    """M7: the modes that rulebooks offer, which one is the default, and in which column the comparison has it."""
    figures: dict[str, str] = {}
    wrong, both = [], []
    columns: dict[str, list[str]] = {"isolated": [], "cross": []}
    for name in VENUES:
        rulebook = load(name)
        has, default = offered(rulebook), default_mode(rulebook)
        words = [mode.name for mode in rulebook.modes().values()]
        figures[rulebook.name] = f"{', '.join(words)}; {default} by default"
        if all(has.values()):
            both.append(name)
        for mode, names in columns.items():
            if has[mode]:
                names.append(name if not all(has.values()) else f"{name} *")
        if SAID.get(name, default) != default:
            wrong.append(name)
    cells = {mode: ", ".join(names) for mode, names in columns.items()}
    words_both = f"{', '.join(both)} offer both (*)."
    if wrong:
        verdict = f"Not so by default on {', '.join(wrong)}; {words_both}"
        return Finding("refuted", verdict, figures, cells=cells)
    return Finding("confirmed", f"As stated by default; {words_both}", figures, cells=cells)


@measurement("rulebooks")
def deleveraging_by_mode(_document: Document | None) -> Finding:
    """M4: whether any venue deleverages differently by margin mode."""
    figures: dict[str, str] = {}
    groups: dict[str, list[str]] = {}
    for name in VENUES:
        rulebook = load(name)
        try:
            steps = rulebook.ask("policy.waterfall")
            how = rulebook.ask("policy.deleveraging.policy") if "deleverage" in steps else "none"
        except UnknownValueError:
            how = "unknown"
        if any(path.endswith(".profit_trigger") for path, _ in rulebook.values("markets")):
            how = "of winners, for the pool's solvency"
        figures[rulebook.name] = how if how in ("none", "unknown") else f"{how}, for every mode"
        groups.setdefault(how, []).append(name)
    text = "; ".join(f"{how}: {', '.join(names)}" for how, names in groups.items())
    words = "No venue has a procedure by margin mode: deleveraging is the venue's, the same for all its positions."
    return Finding("refuted", words, figures, cells={"isolated": text, "cross": "the same on each venue"})


@measurement("rulebooks")
def collateral_by_mode(_document: Document | None) -> Finding:
    """R9: what venues take as collateral besides the quote asset, by the modes that they offer."""
    figures: dict[str, str] = {}
    isolated_only: list[tuple[str, bool]] = []
    with_cross: list[tuple[str, bool]] = []
    for name in VENUES:
        rulebook = load(name)
        listed = ", ".join(rulebook.names("assets"))
        stated = listed or (rulebook.ask(COLLATERAL) if COLLATERAL in rulebook.document.values else "")
        figures[rulebook.name] = f"besides the quote asset: {stated or 'none'}"
        (with_cross if offered(rulebook)["cross"] else isolated_only).append((name, bool(stated)))
    many = [name for name, others in with_cross if others]
    few = [name for name, others in isolated_only if others]
    words = f"Besides the quote asset, {len(many)} of {len(with_cross)} venues with cross margin take other assets"
    words += f" ({', '.join(many)}) and {len(few)} of {len(isolated_only)} that are isolated only"
    words += (
        f" ({', '.join(few)}: the pool's own tokens)."
        if few == ["gmx-v2"]
        else f" ({', '.join(few) or 'none'})."
    )
    if few:
        return Finding("depends", words, figures, "the venue: tokens come with its pools, not with the mode")
    return Finding("refuted", words, figures)


def lists_options(rulebook: Rulebook) -> bool:
    """Whether a venue's margin has rules for options."""
    return isinstance(rulebook.margin_policy().set_rule, ScenarioMargin | StandardMargin)


@measurement("engine", "rulebooks")
def perpetuals_and_options(_document: Document | None) -> Finding:
    """C6: a covered call behind one deposit, and whether the venues named for it list options."""
    found = perpetual_and_option()
    apart_q = found.perpetual_q + found.option_q
    figures = {
        f"{EXAMPLE}, 10 ETH perpetual and 10 calls sold, initial margin together": usd(found.together_q),
        f"{EXAMPLE}, the perpetual alone": usd(found.perpetual_q),
        f"{EXAMPLE}, the calls alone": usd(found.option_q),
        f"{EXAMPLE}, left free of one deposit": usd(found.free_q),
    }
    lists = {name: lists_options(load(name)) for name in ("hyperliquid", "aevo", "derive")}
    figures |= {load(name).name: "options" if has else "no options" for name, has in lists.items()}
    if found.free_q < 0 or found.together_q > apart_q:
        return Finding("refuted", "One deposit does not carry both better than two.", figures)
    without = [name for name, has in lists.items() if not has]
    words = "It can, where a venue judges both together: the option's risk then offsets the perpetual's."
    if without:
        return Finding("depends", f"{words} {', '.join(without)} lists no options.", figures, "the venue")
    return Finding("confirmed", words, figures)
