"""Candles of several markets on one clock, and one deterministic price path through them.

A candle says how far a price went within its interval, never when. The order in which markets reach their extremes
decides how many positions of one account are hurt at the same moment, so `walk` takes that order as an argument,
and a study reports the bounds (all lows at once; lows spread over the interval):

- ``low_first``: open, low, high, close. Every market is at its low at one third of the interval and at its high at
  two thirds. All lows at once.
- ``high_first``: open, high, low, close, at the same thirds. All lows at once, but after the highs.
- ``spread``: open, low, high, close for each market, but market ``j`` of ``M`` (counted from 0 in the order of
  `Candles.markets`) is at its low at ``(j + 1) / (M + 2)`` of the interval, and at its high halfway from there to
  the close: the lows follow one another evenly. A single market walks as in ``low_first``.

Between two such points a price moves by equal ratios in equal times.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal, NamedTuple, Self, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from ringfence.errors import InputError

BoolArray: TypeAlias = npt.NDArray[np.bool_]
IntArray: TypeAlias = npt.NDArray[np.int64]
FloatArray: TypeAlias = npt.NDArray[np.float64]
Order: TypeAlias = Literal["low_first", "high_first", "spread"]

ORDERS: tuple[Order, ...] = get_args(Order)

_PPM = 1_000_000
_MAX_STEP_PPM = 500_000
_INTERVAL_MS = (1_000, 31 * 86_400_000)  # from one second to a calendar month
_PRICE = (1e-15, 1e15)  # wide enough for any quoted price; products and ratios inside it stay finite
_CLOCK_MS = (0, 4_102_444_800_000)  # 1970 to 2100
_CHUNK = 200_000  # node prices held at once


def utc(ts_ms: int) -> str:
    """Write `ts_ms` (milliseconds since 1970, UTC) as in ``2020-03-13T02:00Z``, finer where needed."""
    moment = datetime.fromtimestamp(ts_ms / 1000, UTC)
    precision = "minutes" if ts_ms % 60_000 == 0 else "seconds" if ts_ms % 1_000 == 0 else "milliseconds"
    return moment.replace(tzinfo=None).isoformat(timespec=precision) + "Z"


@dataclass(frozen=True, eq=False)
class Candles:
    """Open, high, low and close of `markets` (columns) at `ts_ms` (rows: open time, milliseconds since 1970, UTC).

    Prices are in the quote currency per unit of base. `interval_ms` is the length of every candle. Rows may be
    missing only where `gaps` says so. `notes` are sentences on what a reader left out, for the report.

    Raises `InputError` naming market and time unless the clock is strictly rising on a grid of `interval_ms`, every
    price is positive and finite, and low <= min(open, close) <= max(open, close) <= high.
    """

    markets: tuple[str, ...]
    ts_ms: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    interval_ms: int
    gaps: bool = False
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._check_shape()
        self._check_clock()
        for name in ("open", "high", "low", "close"):
            price = getattr(self, name)
            usable = np.isfinite(price) & (price >= _PRICE[0]) & (price <= _PRICE[1])
            self._refuse(~usable, f"{name} must be a price from {_PRICE[0]:g} to {_PRICE[1]:g}")
        self._refuse(self.low > np.minimum(self.open, self.close), "low is above open or close")
        self._refuse(self.high < np.maximum(self.open, self.close), "high is below open or close")

    @classmethod
    def from_closes(
        cls,
        markets: Sequence[str],
        ts_ms: IntArray,
        low: FloatArray,
        high: FloatArray,
        close: FloatArray,
        interval_ms: int,
        *,
        gaps: bool = False,
        notes: tuple[str, ...] = (),
    ) -> Self:
        """Candles that open at the previous close; of the first row only its close is used.

        A range that does not reach the previous close is widened to it: the price was there a moment before.
        """
        if len(ts_ms) < 2:  # noqa: PLR2004 (one row to open from, one to walk)
            raise InputError(
                f"{len(ts_ms)} candle(s): at least 2 are needed where open is the previous close"
            )
        opening = close[:-1]
        highest, lowest = np.maximum(high[1:], opening), np.minimum(low[1:], opening)
        return cls(
            tuple(markets),
            ts_ms[1:],
            opening,
            highest,
            lowest,
            close[1:],
            interval_ms,
            gaps=gaps,
            notes=notes,
        )

    def __len__(self) -> int:
        return len(self.ts_ms)

    @property
    def end_ms(self) -> int:
        """Close time of the last candle."""
        return int(self.ts_ms[-1]) + self.interval_ms

    @property
    def jumps(self) -> bool:
        """Whether any candle opens away from the close before it."""
        return bool(np.any(self.open[1:] != self.close[:-1]))

    def select(self, markets: Sequence[str]) -> "Candles":
        """Return the same candles of `markets` only, in that order; `InputError` for one that is not there."""
        for market in markets:
            if market not in self.markets:
                raise InputError(f"no prices for market {market}; there are {', '.join(self.markets)}")
        column = [self.markets.index(market) for market in markets]
        return replace(
            self,
            markets=tuple(markets),
            open=self.open[:, column],
            high=self.high[:, column],
            low=self.low[:, column],
            close=self.close[:, column],
        )

    def _check_shape(self) -> None:
        shape = (len(self.ts_ms), len(self.markets))
        if 0 in shape:
            raise InputError(f"{shape[0]} candle(s) of {shape[1]} market(s): at least one of each is needed")
        if len(set(self.markets)) != len(self.markets):
            raise InputError(f"a market is named twice: {', '.join(self.markets)}")
        for name in ("open", "high", "low", "close"):
            if getattr(self, name).shape != shape:
                raise InputError(f"{name} has the shape {getattr(self, name).shape}, expected {shape}")

    def _check_clock(self) -> None:
        shortest, longest = _INTERVAL_MS
        if not shortest <= self.interval_ms <= longest:
            raise InputError(f"interval of {self.interval_ms} ms: expected {shortest} to {longest}")
        early, late = int(self.ts_ms.min()), int(self.ts_ms.max())
        if early < _CLOCK_MS[0] or late > _CLOCK_MS[1]:
            raise InputError(f"time {early if early < _CLOCK_MS[0] else late} ms lies outside 1970 to 2100")
        paces = np.diff(self.ts_ms)
        for row in np.flatnonzero((paces <= 0) | (paces % self.interval_ms != 0))[:1]:
            raise InputError(
                f"{utc(int(self.ts_ms[row + 1]))} follows {utc(int(self.ts_ms[row]))}: "
                f"expected a later time on the grid of {self.interval_ms} ms"
            )
        for row in np.flatnonzero(paces != self.interval_ms)[: 0 if self.gaps else 1]:
            missing = int(paces[row]) // self.interval_ms - 1
            raise InputError(f"{missing} candle(s) missing after {utc(int(self.ts_ms[row]))}")

    def _refuse(self, wrong: BoolArray, sentence: str) -> None:
        for row, column in np.argwhere(wrong)[:1]:
            figures = ", ".join(
                f"{name} {getattr(self, name)[row, column]:.10g}" for name in ("open", "high", "low", "close")
            )
            raise InputError(f"{self.markets[column]} at {utc(int(self.ts_ms[row]))}: {sentence} ({figures})")


def largest_fall(candles: Candles) -> FloatArray:
    """Deepest fall of each market from an earlier price, as a share of that price, that its candles prove.

    Proved are a low after the open of its candle or after the high of an earlier one, and a close after its own
    candle's high. Whether the high or the low of one candle came first is not known.
    """
    earlier = np.vstack([candles.open[:1], np.maximum.accumulate(candles.high)[:-1]])
    to_low = candles.low / np.maximum(earlier, candles.open)
    to_close = candles.close / np.maximum(earlier, candles.high)
    deepest: FloatArray = 1.0 - np.minimum(to_low, to_close).min(axis=0)
    return deepest


def largest_rise(candles: Candles) -> FloatArray:
    """Steepest rise of each market from an earlier price, as a share of that price, that its candles prove."""
    earlier = np.vstack([candles.open[:1], np.minimum.accumulate(candles.low)[:-1]])
    to_high = candles.high / np.minimum(earlier, candles.open)
    to_close = candles.close / np.minimum(earlier, candles.low)
    steepest: FloatArray = np.maximum(to_high, to_close).max(axis=0) - 1.0
    return steepest


class Step(NamedTuple):
    """All markets at one instant: `ts_ms` in milliseconds since 1970 (UTC), `prices` in the order of the markets."""

    ts_ms: int
    prices: FloatArray


def walk(candles: Candles, *, order: Order, max_step_ppm: int = 1000) -> Iterator[Step]:
    """Move every market through its candles in steps so small that none jumps more than `max_step_ppm`.

    The first step is the opening prices. Every open, low, high and close of every market is then hit exactly, with
    rising time stamps; the last step is the last close at its close time. Where a candle opens away from the close
    before it, the price first walks from that close to the open, in the first half of its way to the first extreme.
    The path depends on its arguments alone.

    Raises `InputError` for an unknown `order`, for a `max_step_ppm` outside 1 to 500,000, and (as `count_steps` does
    beforehand) for a candle that would need more steps than it has milliseconds.
    """
    path = _Path.through(candles, order)
    pace = _log_pace(max_step_ppm)
    return _steps(candles, path, pace)


def count_steps(candles: Candles, *, order: Order, max_step_ppm: int = 1000) -> int:
    """Count the steps that `walk` yields for the same arguments; raises the same errors."""
    path = _Path.through(candles, order)
    pace = _log_pace(max_step_ppm)
    return 1 + sum(int(legs.steps.sum()) for legs in path.legs(pace))


def _log_pace(max_step_ppm: int) -> float:
    """Largest move of a logarithm in one step: upwards it is `max_step_ppm`, downwards a little less."""
    if not 1 <= max_step_ppm <= _MAX_STEP_PPM:
        raise InputError(f"max_step_ppm is {max_step_ppm}, expected 1 to {_MAX_STEP_PPM}")
    return float(np.log1p(max_step_ppm / _PPM))


def _steps(candles: Candles, path: "_Path", pace: float) -> Iterator[Step]:
    yield Step(int(candles.ts_ms[0]), candles.open[0].copy())
    for legs in path.legs(pace):
        for begin_ms, length_ms, start, end, steps in zip(*legs, strict=True):
            count = np.arange(1, steps + 1)
            stamps = begin_ms + length_ms * count // steps
            prices = _between(start, end, (count / steps)[:, None])
            yield from map(Step, stamps.tolist(), prices)


def _between(start: FloatArray, end: FloatArray, share: FloatArray) -> FloatArray:
    """Price at `share` of the way from `start` to `end` by equal ratios; exact at both ends, never outside them."""
    price = np.where(share < 1.0, start * (end / start) ** share, end)
    return np.clip(price, np.minimum(start, end), np.maximum(start, end))


class _Legs(NamedTuple):
    """Stretches of the path on which every market moves one way: one row each."""

    begin_ms: IntArray  # [L]
    length_ms: IntArray  # [L]
    start: FloatArray  # [L, M]
    end: FloatArray  # [L, M]
    steps: IntArray  # [L]


@dataclass(frozen=True)
class _Path:
    """Knots (a market's open, extremes and close) merged into nodes: the instants at which any market turns."""

    ts_ms: IntArray  # [T]
    nodes_ms: IntArray  # [G] offsets within the candle
    knots: FloatArray  # [K, T, M]
    before: IntArray  # [G, M] the last knot not after the node ...
    share: FloatArray  # [G, M] ... and how far the node lies from it to the next

    @classmethod
    def through(cls, candles: Candles, order: Order) -> Self:
        offsets_ms = _knot_times(candles, order)
        extremes = (candles.high, candles.low) if order == "high_first" else (candles.low, candles.high)
        knots = [candles.open, *extremes, candles.close]
        if candles.jumps:
            knots.insert(0, np.vstack([candles.open[:1], candles.close[:-1]]))
        nodes_ms = np.unique(offsets_ms)
        last = len(offsets_ms) - 2
        before = np.minimum((offsets_ms[:, None] <= nodes_ms[:, None]).sum(axis=0) - 1, last)
        left, right = (np.take_along_axis(offsets_ms, knot, axis=0) for knot in (before, before + 1))
        share = (nodes_ms[:, None] - left) / (right - left)
        return cls(candles.ts_ms, nodes_ms, np.stack(knots), before, share)

    def legs(self, pace: float) -> Iterator[_Legs]:
        """Yield all legs in the order of time, in chunks that bound the memory."""
        candles = max(1, _CHUNK // self.share.size)
        for first in range(0, len(self.ts_ms), candles):
            yield self._legs(slice(first, first + candles), pace)

    def _legs(self, rows: slice, pace: float) -> _Legs:
        opening_ms = self.ts_ms[rows]
        begin_ms = (opening_ms[:, None] + self.nodes_ms[:-1]).ravel()
        length_ms = np.tile(np.diff(self.nodes_ms), len(opening_ms))
        nodes = self._prices(rows)
        start, end = (part.reshape(len(begin_ms), -1) for part in (nodes[:, :-1], nodes[:, 1:]))
        move = np.abs(np.log(end / start)).max(axis=1)
        steps = np.maximum(np.ceil(move / pace), 1).astype(np.int64)
        for leg in np.flatnonzero(steps > length_ms)[:1]:
            raise InputError(
                f"{utc(int(begin_ms[leg]))}: the prices need {steps[leg]} steps within {length_ms[leg]} ms, "
                "more than one per millisecond; allow a larger max_step_ppm"
            )
        return _Legs(begin_ms, length_ms, start, end, steps)

    def _prices(self, rows: slice) -> FloatArray:
        """Node prices [candle, node, market]."""
        column = np.arange(self.share.shape[1])
        knots = self.knots[:, rows]
        start, end = (np.moveaxis(knots[knot, :, column], -1, 0) for knot in (self.before, self.before + 1))
        return _between(start, end, self.share)


def _knot_times(candles: Candles, order: Order) -> IntArray:
    """Offsets [K, M] in milliseconds of each market's knots within a candle."""
    if order not in ORDERS:
        raise InputError(f"order is {order!r}, expected one of {', '.join(ORDERS)}")
    whole, markets = candles.interval_ms, len(candles.markets)
    first = np.full(markets, whole // 3, dtype=np.int64)
    if order == "spread":
        first = whole * np.arange(1, markets + 1, dtype=np.int64) // (markets + 2)
    second = (first + whole) // 2
    knots = [np.zeros_like(first), first, second, np.full_like(first, whole)]
    if candles.jumps:
        knots.insert(1, first // 2)
    times = np.stack(knots)
    if (np.diff(times, axis=0) < 1).any():
        raise InputError(f"candles of {whole} ms are too short to spread {markets} markets over")
    return times
