"""Charts of a stress as SVG within a page: no script, colors of the reader's scheme, every bar with its figures."""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from msgspec import Struct

from ...html import Html, tag
from ..measures import usd
from .shocks import shown
from .surface import Ladder, Rung, Tally
from .tables import price_at, price_text

WIDTH, LEFT, RIGHT = 960, 64, 12
CUMULATIVE_HEIGHT, RUNGS_HEIGHT, POINTS_HEIGHT = 210, 110, 240
GAP, TOP, FOOT = 34, 14, 40
TICKS = 4
STEPS = (1, 2, 5, 10)
"""Distances between ticks, times a power of ten."""

X_LABELS = 9
DIGITS = 3
UNITS = ((Decimal(10) ** 9, "B"), (Decimal(10) ** 6, "M"), (Decimal(10) ** 3, "k"))

FALLS, RISES, INK, MUTED, GRID = "--mode-1", "--mode-0", "--ink", "--muted", "--grid"


def brief(amount: Decimal) -> str:
    """An amount in three digits or so: 1.25M."""
    size, unit = next(((size, unit) for size, unit in UNITS if abs(amount) >= size), (Decimal(1), ""))
    share = amount / size
    places = max(0, DIGITS - 1 - max(0, share.adjusted())) if share else 0
    text = f"{share:.{places}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) + unit


class Panel(Struct, frozen=True):
    """A frame whose left side counts amounts of USD from zero up to `most`; `top` is where it begins."""

    top: float
    height: float
    most: Decimal

    def y(self, amount: Decimal) -> float:
        """Where an amount lies."""
        share = float(amount / self.most) if self.most else 0.0
        return self.top + self.height * (1 - share)

    def frame(self, words: str) -> Iterator[Html]:
        """Lines across, what they stand for, and what the panel shows."""
        for tick in ticks(self.most):
            y = self.y(tick)
            yield line(LEFT, y, WIDTH - RIGHT, y, GRID)
            yield text(LEFT - 8, y + 4, brief(tick), anchor="end")
        yield text(LEFT, self.top - 5, words)


def ticks(most: Decimal) -> list[Decimal]:
    """Round amounts from zero up to `most`."""
    if most <= 0:
        return [Decimal(0)]
    rough = most / TICKS
    power = Decimal(1).scaleb(rough.adjusted())
    step = next(power * each for each in STEPS if power * each >= rough)
    return [step * at for at in range(int(most / step) + 1)]


def map_chart(ladder: Ladder) -> Html:
    """A liquidation map: what is liquidated from the mark to each price, and below it what at that price."""
    totals = ladder.cumulative()
    most = max((usd(total.notional_q) for total in totals), default=Decimal(0))
    upper = Panel(TOP + 14, CUMULATIVE_HEIGHT, most)
    here = max((usd(rung.notional_q) for rung in ladder.rungs), default=Decimal(0))
    lower = Panel(upper.top + CUMULATIVE_HEIGHT + GAP, RUNGS_HEIGHT, here)
    order = sorted(range(len(ladder.moves)), key=lambda at: ladder.moves[at])
    x = _scale([ladder.moves[at] for at in order])
    parts: list[Html] = [*upper.frame("from the mark to that price"), *lower.frame("at that price")]
    for at in order:
        parts += _rung(ladder, at, totals[at], (upper, lower), x)
    base = lower.top + lower.height
    middle = sum(x(Fraction(0))) / 2
    parts += [line(middle, upper.top, middle, base, MUTED), *_prices(ladder, order, x, base)]
    words = f"Liquidation map of {ladder.market}: {brief(most)} USD at most on one side of the mark"
    return svg(base + FOOT, words, parts)


Span = Callable[[Fraction], tuple[float, float]]


def _scale(moves: Sequence[Fraction]) -> Span:
    """Left and right of the bar of a move; bars are as wide as the least distance between two moves."""
    points = sorted({*moves, Fraction(0)})
    step = min((high - low for low, high in pairwise(points)), default=Fraction(1))
    first, last = points[0] - step / 2, points[-1] + step / 2
    unit = (WIDTH - LEFT - RIGHT) / float(last - first)

    def span(move: Fraction) -> tuple[float, float]:
        left = LEFT + float(move - step / 2 - first) * unit
        return left, left + float(step) * unit

    return span


def _rung(ladder: Ladder, at: int, total: Rung, panels: tuple[Panel, Panel], x: Span) -> Iterator[Html]:
    move, rung = ladder.moves[at], ladder.rungs[at]
    color = RISES if move > 0 else FALLS
    left, right = x(move)
    price = price_at(ladder, move)
    words = (
        f"{shown(move)}, {price}: {brief(usd(rung.notional_q))} USD of {rung.subaccounts} subaccounts here, "
        f"{brief(usd(total.notional_q))} USD from the mark"
    )
    for panel, amount_q, faint in zip(
        panels, (total.notional_q, rung.notional_q), (True, False), strict=True
    ):
        if amount_q:
            y = panel.y(usd(amount_q))
            yield rect((left, right), y, panel.top + panel.height - y, color, words, faint=faint)


def _prices(ladder: Ladder, order: Sequence[int], x: Span, base: float) -> Iterator[Html]:
    """Prices and moves below the bars, the mark among them."""
    every = max(1, -(-len(order) // X_LABELS))
    zero = sum(x(Fraction(0))) / 2
    yield text(zero, base + 16, price_text(ladder.mark), anchor="middle")
    yield text(zero, base + 32, "mark", anchor="middle")
    for at in order[::every]:
        middle = sum(x(ladder.moves[at])) / 2
        if abs(middle - zero) > (WIDTH / X_LABELS) / 2:
            yield text(middle, base + 16, price_text(price_at(ladder, ladder.moves[at])), anchor="middle")
            yield text(middle, base + 32, shown(ladder.moves[at]), anchor="middle")


def points_chart(points: Sequence[tuple[str, Tally]]) -> Html:
    """Margin deficit and the bad debt in it, point by point."""
    most = max(usd(tally.deficit_q) for _, tally in points)
    panel = Panel(TOP + 14, POINTS_HEIGHT, max(most, *(usd(tally.debt_q) for _, tally in points)))
    width, base = (WIDTH - LEFT - RIGHT) / len(points), panel.top + panel.height
    parts = [*panel.frame("margin deficit (pale) and bad debt")]
    every = max(1, -(-len(points) // X_LABELS))
    for at, (label, tally) in enumerate(points):
        left, words = LEFT + at * width, _point_words(label, tally)
        span = (left + width * 0.1, left + width * 0.9)
        for amount_q, faint in ((tally.deficit_q, True), (tally.debt_q, False)):
            if amount_q:
                y = panel.y(usd(amount_q))
                parts.append(rect(span, y, base - y, FALLS, words, faint=faint))
        if at % every == 0:
            parts.append(text(left + width / 2, base + 16, label, anchor="middle"))
    return svg(base + FOOT - 16, "Margin deficit and bad debt at every point", parts)


def _point_words(label: str, tally: Tally) -> str:
    return (
        f"{label}: {tally.accounts} accounts, deficit {brief(usd(tally.deficit_q))} USD, "
        f"bad debt {brief(usd(tally.debt_q))} USD"
    )


# -- marks -------------------------------------------------------------------------------------------------------------


def svg(height: float, words: str, parts: Sequence[Html]) -> Html:
    """A drawing as wide as the page."""
    frame = f"0 0 {WIDTH} {height:g}"
    drawing = tag(
        "svg",
        *parts,
        viewBox=frame,
        role="img",
        aria_label=words,
        style="width:100%;height:auto;display:block",
    )
    return tag("figure", drawing, style="margin:12px 0 20px")


def line(x1: float, y1: float, x2: float, y2: float, color: str) -> Html:
    """A thin line."""
    ends = {"x1": f"{x1:.1f}", "y1": f"{y1:.1f}", "x2": f"{x2:.1f}", "y2": f"{y2:.1f}"}
    return tag("line", **ends, style=f"stroke:var({color});stroke-width:1")


def rect(span: tuple[float, float], y: float, height: float, color: str, words: str, *, faint: bool) -> Html:
    """A bar that says its figures when it is pointed at; never too low to be seen."""
    left, right = span
    tall = max(1.0, height)
    place = {"x": f"{left:.1f}", "width": f"{max(0.5, right - left - 0.5):.1f}"}
    place |= {"y": f"{y - (tall - height):.1f}", "height": f"{tall:.1f}"}
    style = f"fill:var({color});fill-opacity:{0.35 if faint else 1}"
    return tag("rect", tag("title", words), **place, style=style)


def text(x: float, y: float, words: str, anchor: str = "start") -> Html:
    """Small words."""
    style = f"fill:var({MUTED});font-size:12px;text-anchor:{anchor}"
    return tag("text", words, x=f"{x:.1f}", y=f"{y:.1f}", style=style)
