"""The charts of the report, as plain Plotly figures: traces and layout without any color of their own.

Colors are names that start with `@` (`@mode-0`, `@ink`); the page puts in those of the reader's light or dark scheme.
Modes differ in shape, dash and pattern too. Names of modes and markets are escaped, because Plotly reads a little HTML.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any

from ..html import Html, details, section, tag
from .reading import FRAME, Document, Run, layers, modes, runs
from .report_tables import BASE_ARM, LAYER_WORDS
from .report_text import short

Spec = dict[str, Any]

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "star")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
PATTERNS = ("", "/", ".", "x", "-", "+")
LEGEND = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "traceorder": "normal"}
NEAR = 0.03
"""Points closer than this share of the axis carry one label together."""


@dataclass(frozen=True)
class Chart:
    """One chart: the id of its place in the page, its title, what it says in words, and the figure."""

    id: str
    title: str
    words: str
    spec: Spec

    def place(self) -> Html:
        """Where the page draws it."""
        area = tag("div", id=self.id, class_="chart", role="img", aria_label=f"{self.title}. {self.words}")
        return tag("figure", tag("figcaption", self.title), area)


# -- building blocks ------------------------------------------------------------------------------------------------


def base_layout(height: int, **more: Any) -> Spec:  # noqa: ANN401
    """Layout that all charts share, with values of its parts replaced or added."""
    axis = {
        "gridcolor": "@grid",
        "linecolor": "@line",
        "zerolinecolor": "@line",
        "fixedrange": True,
        "automargin": True,
    }
    base: Spec = {
        "height": height,
        "margin": {"l": 8, "r": 16, "t": 8, "b": 8},
        "paper_bgcolor": "@paper",
        "plot_bgcolor": "@paper",
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": "@ink"},
        "hoverlabel": {"bgcolor": "@paper", "bordercolor": "@line", "font": {"color": "@ink"}},
        "dragmode": False,
        "showlegend": False,
        "xaxis": dict(axis),
        "yaxis": dict(axis),
    }
    for name, values in more.items():
        base[name] = {**base[name], **values} if isinstance(base.get(name), dict) else values
    return base


def _money(unit: str) -> Spec:
    """Axis ticks of an amount or a share."""
    return {"tickformat": ".0%"} if unit == "share" else {"tickformat": "~s"}


def _clusters(points: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """Labels of points that lie (nearly) on each other joined, so that they can be read."""
    ordered = sorted(points, key=lambda point: (point[1], point[0]))
    width = (ordered[-1][1] - ordered[0][1]) if ordered else 0.0
    found: list[tuple[list[str], float]] = []
    for name, at in ordered:
        if found and at - found[-1][1] <= NEAR * width:
            found[-1][0].append(name)
        else:
            found.append(([name], at))
    return [(" ".join(sorted(dict.fromkeys(names))), at) for names, at in found]


def strip(document: Document, chart: str, measure: str, *, scale: float = 1.0, title: str = "") -> Chart:
    """Every arm of every mode as a labelled point on one line; the line spans the range."""
    what, found = document["definitions"][measure], runs(document)
    names, traces, words = modes(found), [], []
    unit = "share" if scale != 1.0 else what["unit"]
    for at, mode in enumerate(names):
        points = [
            (run["arm"], float(run["measures"][measure]) * scale) for run in found if run["mode"] == mode
        ]
        ends = min(value for _, value in points), max(value for _, value in points)
        traces += _strip_traces(at, mode, points, ends, unit)
        words.append(f"{mode}: {short(str(ends[0]), unit)} to {short(str(ends[1]), unit)}")
    ticks = [escape(mode) for mode in names]
    yaxis = {
        "tickvals": list(range(len(names))),
        "ticktext": ticks,
        "range": [len(names) - 0.5, -0.6],
        "showgrid": False,
    }
    most = max(float(run["measures"][measure]) for run in found)
    room = {} if unit == "share" else {"range": [-0.04 * most, 1.08 * most or 1]}
    xaxis = _money(unit) | {"nticks": 6} | room
    layout = base_layout(52 * len(names) + 60, yaxis=yaxis | {"zeroline": False}, xaxis=xaxis)
    return Chart(
        chart,
        title or f"{what['title']}, {what['unit']}",
        "; ".join(words),
        {"data": traces, "layout": layout},
    )


def _strip_traces(
    at: int, mode: str, points: Sequence[tuple[str, float]], ends: tuple[float, float], unit: str
) -> list[Spec]:
    color, labels = f"@mode-{at % len(SYMBOLS)}", _clusters(points)
    hover = [f"{escape(mode)}, arm {arm}: {short(str(value), unit, 6)}" for arm, value in points]
    line = {"type": "scatter", "mode": "lines", "x": list(ends), "y": [at, at], "hoverinfo": "skip"}
    dots = {
        "type": "scatter",
        "mode": "markers",
        "x": [value for _, value in points],
        "y": [at] * len(points),
    }
    text = {
        "type": "scatter",
        "mode": "markers+text",
        "x": [value for _, value in labels],
        "y": [at] * len(labels),
    }
    return [
        {**line, "line": {"color": color, "width": 3, "dash": DASHES[at % len(DASHES)]}, "opacity": 0.45},
        {
            **dots,
            "marker": {"color": color, "size": 10, "symbol": SYMBOLS[at % len(SYMBOLS)]},
            "text": hover,
            "hoverinfo": "text",
        },
        {
            **text,
            "text": [escape(name) for name, _ in labels],
            "textposition": "top center",
            "marker": {"size": 12, "opacity": 0},
            "textfont": {"size": 12, "color": "@muted"},
            "hoverinfo": "skip",
            "cliponaxis": False,
        },
    ]


def _bars(
    chart: Chart, groups: Sequence[str], values: dict[str, list[float]], unit: str, top: float
) -> Chart:
    """Bars of every mode beside each other, by group."""
    traces = []
    for at, (mode, heights) in enumerate(values.items()):
        shown = [short(str(value), unit).replace(" ", "") for value in heights]
        pattern = {
            "shape": PATTERNS[at % len(PATTERNS)],
            "fgcolor": "@paper",
            "fillmode": "overlay",
            "size": 7,
            "solidity": 0.3,
        }
        traces.append(
            {
                "type": "bar",
                "name": escape(mode),
                "x": [escape(group) for group in groups],
                "y": heights,
                "text": shown,
                "textposition": "outside",
                "textangle": 0,
                "textfont": {"size": 10, "color": "@ink"},
                "cliponaxis": False,
                "hovertext": [
                    f"{escape(mode)}, {escape(g)}: {s}" for g, s in zip(groups, shown, strict=True)
                ],
                "hoverinfo": "text",
                "marker": {"color": f"@mode-{at % len(SYMBOLS)}", "pattern": pattern},
            }
        )
    layout = base_layout(
        300,
        showlegend=True,
        legend=LEGEND,
        margin={"t": 40},
        xaxis={"type": "category"},
        yaxis=_money(unit) | {"range": [0, top * 1.15 or 1], "rangemode": "tozero"},
    )
    return Chart(chart.id, chart.title, chart.words, {"data": traces, "layout": layout})


# -- the charts -----------------------------------------------------------------------------------------------------


def capital_charts(document: Document) -> list[Chart]:
    """Locked, survival-equivalent, extra notional."""
    shown = ("capital_locked", "survival_capital", "extra_notional")
    return [
        strip(document, f"chart-{name.replace('_', '-')}", name)
        for name in shown
        if name in document["definitions"]
    ]


def wealth_charts(document: Document) -> list[Chart]:
    """Wealth at the end of the window and a day later, as a share of equity at entry."""
    equity = float(document["flow"]["equity"]) or 1.0
    titles = {
        "wealth_window": "Wealth at the end of the window / equity at entry",
        "wealth_later": "Wealth 24 h later / equity at entry",
    }
    return [
        strip(document, f"chart-{name.replace('_', '-')}", name, scale=1 / equity, title=title)
        for name, title in titles.items()
        if name in document["definitions"]
    ]


def timeline_chart(document: Document) -> Chart:
    """Cumulative liquidated notional: a line per mode in arm c, in a band over all arms and layers."""
    found, traces, words = runs(document), [], []
    names = modes(found)
    for at, mode in enumerate(names):
        own = [run for run in found if run["mode"] == mode]
        base = next((run for run in own if run["arm"] == BASE_ARM), own[0])
        traces += _band(at, [[float(point[1]) for point in run["timeline"]] for run in own], _times(base))
        line = [float(point[1]) for point in base["timeline"]]
        traces.append(_line(at, mode, base["arm"], _times(base), line))
        words.append(f"{mode}, arm {base['arm']}: {short(str(line[-1]), 'USD')} USD at the end")
    ends = document["scenario"]["window_ends"].replace("T", " ").replace("Z", "")
    layout = base_layout(
        380,
        showlegend=True,
        hovermode="x unified",
        legend=LEGEND,
        margin={"t": 44},
        xaxis={"type": "date", "tickangle": 0},
        yaxis=_money("USD") | {"rangemode": "tozero"},
        shapes=[_vertical(ends)],
        annotations=[_note(ends, "window ends")],
    )
    title = "Liquidated notional since entry, USD: lines arm c, bands all arms and layers"
    return Chart("chart-timeline", title, "; ".join(words), {"data": traces, "layout": layout})


def _times(run: Run) -> list[str]:
    return [f"{datetime.fromtimestamp(point[0] / 1000, UTC):%Y-%m-%d %H:%M:%S}" for point in run["timeline"]]


def _band(at: int, curves: Sequence[Sequence[float]], times: Sequence[str]) -> list[Spec]:
    """Least and most of several curves, the room between them filled."""
    edges: Iterable[Callable[[Iterable[float]], float]] = (min, max)
    lines = [[edge(values) for values in zip(*curves, strict=True)] for edge in edges]
    base = {"type": "scatter", "mode": "lines", "x": list(times), "hoverinfo": "skip", "showlegend": False}
    hidden = {"color": f"@mode-{at % len(SYMBOLS)}", "width": 0, "shape": "hv"}
    fill = {"fill": "tonexty", "fillcolor": f"@band-{at % len(SYMBOLS)}"}
    return [{**base, "y": lines[0], "line": hidden}, {**base, "y": lines[1], "line": hidden, **fill}]


def _line(at: int, mode: str, arm: str, times: Sequence[str], values: Sequence[float]) -> Spec:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": f"{escape(mode)} (arm {escape(arm)})",
        "x": list(times),
        "y": list(values),
        "line": {
            "color": f"@mode-{at % len(SYMBOLS)}",
            "width": 2.5,
            "dash": DASHES[at % len(DASHES)],
            "shape": "hv",
        },
        "hovertemplate": "%{y:,.4s}",
    }


def _vertical(at: str) -> Spec:
    line = {"color": "@muted", "width": 1, "dash": "dot"}
    return {"type": "line", "xref": "x", "yref": "paper", "x0": at, "x1": at, "y0": 0, "y1": 1, "line": line}


def _note(at: str, text: str) -> Spec:
    font = {"size": 12, "color": "@muted"}
    place = {"xref": "x", "yref": "paper", "x": at, "y": 1, "xanchor": "left", "yanchor": "top", "xshift": 4}
    return {**place, "text": text, "showarrow": False, "font": font}


def slippage_charts(document: Document) -> list[Chart]:
    """Bad debt by slippage and mode, one chart per layer on one scale."""
    base = f"{document['setup']['slippage_ppm'] / 10_000:g} %"
    found = _by_choice(document, "slippage", base)
    groups = sorted({group for _, _, group in found}, key=lambda text: float(text.split(" ")[0]))
    names, top = modes(runs(document)), max((_value(run, "bad_debt") for run in found.values()), default=0.0)
    charts = []
    for layer in layers(runs(document)):
        values = {
            mode: [
                _value(found[mode, layer, group], "bad_debt") if (mode, layer, group) in found else 0.0
                for group in groups
            ]
            for mode in names
        }
        title = f"Bad debt by slippage, USD: {LAYER_WORDS.get(layer, layer)}"
        chart = Chart(
            f"chart-bad-debt-{layer.replace('_', '-')}", title, _in_words(values, groups, "USD"), {}
        )
        charts.append(_bars(chart, groups, values, "USD", top))
    return charts


def order_charts(document: Document) -> list[Chart]:
    """Liquidated notional and ruined accounts under each order of lows."""
    found = _by_choice(document, "order", document["scenario"]["order"].replace("_", " "))
    groups = list(dict.fromkeys(group for _, _, group in found))
    names, charts = modes(runs(document)), []
    first = (layers(runs(document)) or [""])[0]
    for measure in ("liquidated_over_oi", "accounts_ruined"):
        values = {
            mode: [
                _value(found[mode, first, group], measure) if (mode, first, group) in found else 0.0
                for group in groups
            ]
            for mode in names
        }
        title = document["definitions"][measure]["title"]
        top = max((max(each, default=0.0) for each in values.values()), default=0.0)
        chart = Chart(
            f"chart-order-{measure.replace('_', '-')}", title, _in_words(values, groups, "share"), {}
        )
        charts.append(_bars(chart, groups, values, "share", top))
    return charts


def _by_choice(document: Document, kind: str, base: str) -> dict[tuple[str, str, str], Run]:
    """Runs of arm c by mode, layer and what was varied, the base run among them."""
    found = {(run["mode"], run["layer"], base): run for run in runs(document) if run["arm"] == BASE_ARM}
    for row in document["sensitivity"]:
        if row["frame"] == FRAME and row["varied"].startswith(kind):
            found[row["mode"], row["layer"], row["varied"].removeprefix(kind).strip().replace("_", " ")] = row
    return found


def _value(run: Run, measure: str) -> float:
    return float(run["measures"].get(measure, 0))


def _in_words(values: dict[str, list[float]], groups: Sequence[str], unit: str) -> str:
    return "; ".join(
        f"{mode}: {', '.join(f'{short(str(v), unit)} at {g}' for v, g in zip(each, groups, strict=True))}"
        for mode, each in values.items()
    )


def grid(charts: Iterable[Chart]) -> Html:
    """Charts beside each other where there is room."""
    return tag("div", *(chart.place() for chart in charts), class_="grid")


def chart_section(anchor: str, title: str, words: str, charts: Sequence[Chart], *more: Html) -> Html:
    """A section of charts with what stands behind them."""
    behind = [details("The figures behind it", each) for each in more]
    return section(anchor, title, tag("p", words), grid(charts), *behind)
