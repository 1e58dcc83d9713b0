"""A small result document of a comparison, in the form that `ringfence.compare.result.document` gives."""

from ringfence.compare.measures import DEFINITIONS

MODES = {
    "isolated": {"groups": [], "rest": "apart"},
    "cross": {"groups": [], "rest": "together"},
    "hybrid": {"groups": [["BTC", "ETH"]], "rest": "apart"},
}
ARMS = {"a": "all of it spread", "b": "equal posted", "c": "as the traders set it"}
OWN_ARMS = {"isolated": ("a", "c"), "cross": ("b", "c"), "hybrid": ("a", "b", "c")}
LAYERS = ("shared", "per_market")
HOUR_MS = 3_600_000


def run(mode, arm="c", layer="shared", *, frame="identical", varied="", **measures):
    """One run; figures that are not given are 1."""
    return {
        "frame": frame,
        "mode": mode,
        "arm": arm,
        "layer": layer,
        "rulebook": "generic",
        "varied": varied,
        "measures": {name: str(measures.get(name, 1)) for name in DEFINITIONS},
        "stakeholders": [["insurance funds", "1.5"], ["traders: novice", "-1.5"]],
        "bad_debt_by_market": [],
        "timeline": [[1_760_058_000_000 + HOUR_MS * n, str(10 * n), "0"] for n in range(4)],
    }


def headline(runs):
    """Least and most of every figure, by frame and mode."""
    found = {}
    for each in runs:
        cell = found.setdefault(each["frame"], {}).setdefault(each["mode"], {})
        for name, text in each["measures"].items():
            cell.setdefault(name, []).append(text)
    for modes in found.values():
        for cells in modes.values():
            for name, texts in cells.items():
                cells[name] = list(dict.fromkeys((min(texts, key=float), max(texts, key=float))))
    return found


def document(runs=None, sensitivity=(), modes=tuple(MODES)):
    """A document of `runs`; of one run per mode, arm and layer where none are given."""
    if runs is None:
        runs = [run(mode, arm, layer) for mode in modes for arm in OWN_ARMS[mode] for layer in LAYERS]
    price = {"first": "100", "low": "50", "high": "101", "last": "60"}
    flow = {
        "accounts": 2,
        "positions": 3,
        "equity": "1000",
        "open_interest": {"BTC": "500"},
        "balancer_share": {"BTC": "0.25"},
    }
    return {
        "ringfence": "0.1.0",
        "scenario": {
            "name": "a-day",
            "from": "2025-10-10T01:00Z",
            "to": "2025-10-12T00:00Z",
            "window_ends": "2025-10-11T00:00Z",
            "markets": ["BTC"],
            "markets_left_out": [],
            "notes": ["Last-traded prices."],
            "order": "low_first",
            "max_step_ppm": 1000,
            "steps": 48,
            "prices": {"BTC": price},
        },
        "setup": {
            "venue": "generic",
            "venue_frame": {},
            "traders": 2,
            "population": "default",
            "seed": 1,
            "modes": {mode: MODES[mode] for mode in modes},
            "arms": dict(ARMS),
            "insurance_ppm": 1000,
            "slippage_ppm": 0,
        },
        "assumptions": ["Nothing moves prices. See `sensitivity`."],
        "flow": flow,
        "flow_venue": flow,
        "refused": [
            {"frame": "identical", "mode": mode, "arm": "c", "positions": 1, "accounts": 1, "notional": "7"}
            for mode in modes
        ],
        "definitions": {name: dict(vars(what)) for name, what in DEFINITIONS.items()},
        "runs": runs,
        "headline": headline(runs),
        "sensitivity": list(sensitivity),
    }


def two_modes(measure, isolated, cross, **more):
    """A document in which a measure has these values by arm in two modes; others are 1 unless `more` says so."""
    runs = [
        run("isolated", arm, layer, **{measure: x}, **more) for arm, x in isolated.items() for layer in LAYERS
    ]
    runs += [run("cross", arm, layer, **{measure: x}, **more) for arm, x in cross.items() for layer in LAYERS]
    return document(runs)
