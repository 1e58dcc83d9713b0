"""The result of a comparison as one document: what was run, under which assumptions, with every figure as text.

The document is the same, byte for byte, for the same setup; what depends on the machine stands under `timing` alone.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from ringfence import __version__
from ringfence.compare.lab import Lab, Results
from ringfence.compare.measures import DEFINITIONS, as_text, total
from ringfence.compare.onchain import chain_rows
from ringfence.sim.flow import FlowColumns
from ringfence.sim.partition import ARMS
from ringfence.sim.prices import utc
from ringfence.units import QUOTE_DECIMALS, format_atoms

Document = dict[str, Any]

ASSUMPTIONS = (
    "Replay: recorded prices already contain the liquidations of their day, so liquidations feed nothing back.",
    "Liquidation orders fill at the mark; the market's own system account takes the other side. See `sensitivity`.",
    "Traders open nothing and close nothing during the window; only arm e tops up. No funding is charged.",
    "Shares of margin modes, top-up and chosen leverage of the population are assumed: see the population file.",
    "Insurance at entry is assumed: a share of one side of open interest, the same total in both layers.",
    "Where drawn longs and shorts do not match, one system account, the balancer, holds the rest: see `flow`.",
    "Deleveraged losers close at the bankruptcy price, without slippage: a smaller fund can make bad debt smaller.",
    "A candle does not say when its low was: the path puts all lows at once, `sensitivity` shows other orders.",
)


def document(lab: Lab, results: Results) -> Document:
    """Everything that a comparison found."""
    setup = lab.setup
    base = [result for result in results if not result["varied"]]
    runs = [run_text(result) for result in base]
    return {
        "ringfence": __version__,
        "scenario": {
            "name": setup.scenario,
            "from": utc(int(lab.path.ts_ms[0])),
            "to": utc(int(lab.path.ts_ms[-1])),
            "window_ends": utc(int(lab.path.ts_ms[lab.path.end_of_window])),
            "markets": list(lab.path.markets),
            "markets_left_out": lab.left_out,
            "markets_unlisted": {name: list(missing) for name, missing in lab.unlisted.items() if missing},
            "notes": [*setup.candles.notes, *_notes(lab)],
            "order": setup.order,
            "max_step_ppm": setup.max_step_ppm,
            "steps": len(lab.path),
            "prices": _prices(lab),
        },
        "setup": {
            "venue": setup.venue,
            "venue_frame": dict(setup.venue_frame),
            "traders": setup.traders,
            "population": setup.population,
            "seed": setup.seed,
            "modes": {mode.name: {"groups": mode.groups, "rest": mode.rest} for mode in setup.modes},
            "arms": {arm: ARMS[arm] for arm in setup.arms},
            "insurance_ppm": setup.insurance_ppm,
            "slippage_ppm": setup.slippage_ppm,
        },
        "assumptions": list(ASSUMPTIONS),
        "flow": _flow(lab, lab.flow),
        "flow_venue": _flow(lab, lab.flow_in("venue")) if setup.venue_frame else None,
        "refused": _refused(lab),
        "definitions": {name: vars(definition) for name, definition in DEFINITIONS.items()},
        "runs": runs,
        "chains": chain_rows([run for run in runs if is_base(run)]),
        "headline": headline(base),
        "sensitivity": [run_text(result, brief=True) for result in results if result["varied"]],
    }


def _notes(lab: Lab) -> list[str]:
    """What a reader must know about this path."""
    notes = []
    if lab.path.end_of_window == len(lab.path) - 1:
        notes.append(
            "The path is no longer than a day: wealth at the end of the window and 24 hours later are one figure."
        )
    if lab.path.days < 2:  # noqa: PLR2004 - a window of a day and the day after
        notes.append(
            f"The path has {lab.path.days:.1f} days: the window is what lies before its last 24 hours."
        )
    for name, missing in lab.unlisted.items():
        if missing:
            notes.append(
                f"{name} does not list {', '.join(missing)}: the venue frame leaves these positions out."
            )
    return notes


def _prices(lab: Lab) -> dict[str, dict[str, str]]:
    found = {}
    for name in lab.path.markets:
        column, decimals = lab.path.quanta[:, lab.path.markets.index(name)], lab.markets[name].price_decimals
        found[name] = {
            "first": format_atoms(int(column[0]), decimals),
            "low": format_atoms(int(column.min()), decimals),
            "high": format_atoms(int(column.max()), decimals),
            "last": format_atoms(int(column[-1]), decimals),
        }
    return found


def _flow(lab: Lab, flow: FlowColumns) -> dict[str, object]:
    return {
        "accounts": len(flow),
        "positions": len(flow.market),
        "equity": format_atoms(total(flow.equity_q), QUOTE_DECIMALS),
        "open_interest": {
            name: format_atoms(x, QUOTE_DECIMALS) for name, x in flow.open_interest_q().items()
        },
        "balancer_share": {name: f"{share:.4f}" for name, share in lab.balancer_share.items()},
    }


def _refused(lab: Lab) -> list[dict[str, object]]:
    """What each mode refuses of what was drawn; the headline uses only what every run admits."""
    rows = []
    for name, admitted in lab.admitted.items():
        frame, mode, arm = name.split("/")
        rows.append(
            {
                "frame": frame,
                "mode": mode,
                "arm": arm,
                "positions": int(np.count_nonzero(~admitted)),
                "accounts": len(np.unique(lab.drawn.owner[~admitted])),
                "notional": format_atoms(total(lab.drawn.notional_q[~admitted]), QUOTE_DECIMALS),
            }
        )
    return rows


def run_text(result: Mapping[str, Any], *, brief: bool = False) -> dict[str, object]:
    """One run with its figures as text."""
    text = {
        name: result[name]
        for name in ("frame", "mode", "arm", "layer", "rulebook", "varied", "counterfactual")
        if name in result
    }
    outcomes = {name for name, what in DEFINITIONS.items() if what.group in ("trader risk", "venue risk")}
    shown = {name: value for name, value in result["measures"].items() if not brief or name in outcomes}
    text["measures"] = {name: as_text(name, value) for name, value in shown.items()}
    if not brief:
        for name in ("stakeholders", "bad_debt_by_market"):
            text[name] = [[who, format_atoms(amount, QUOTE_DECIMALS)] for who, amount in result[name]]
        text["keepers"] = result["keepers"]
        text["timeline"] = [
            [ts_ms, format_atoms(liquidated, QUOTE_DECIMALS), format_atoms(bad, QUOTE_DECIMALS)]
            for ts_ms, liquidated, bad in result["timeline"]
        ]
    return text


def is_base(run: Mapping[str, Any]) -> bool:
    """Whether a run is the one that tables of a single run show: identical frame, arm c, one shared pool."""
    return (run["frame"], run["arm"], run["layer"]) == ("identical", "c", "shared")


def headline(results: Results) -> dict[str, dict[str, dict[str, list[str]]]]:
    """Per frame, mode and measure: least and most over arms and layers. A single number only where they agree."""
    found: dict[str, dict[str, dict[str, list[int | Fraction]]]] = {}
    for result in results:
        cell = found.setdefault(result["frame"], {}).setdefault(result["mode"], {})
        for name, value in result["measures"].items():
            cell.setdefault(name, []).append(value)
    return {
        frame: {
            mode: {
                name: list(dict.fromkeys((as_text(name, min(values)), as_text(name, max(values)))))
                for name, values in cells.items()
            }
            for mode, cells in modes.items()
        }
        for frame, modes in found.items()
    }
