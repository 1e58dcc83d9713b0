"""A price path on the grid of the markets: the border between measured prices (float) and the exact engine (integers).

Prices are rounded to each market's price quanta once, here; screens read the same integers as floats (exact below
2^53), so the screen and the engine look at one path.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ringfence.clearing.model import Market
from ringfence.errors import InputError
from ringfence.sim.prices import Candles, FloatArray, IntArray, Order, walk

QUANTA_MAX = 2**53
"""Prices in quanta stay below this, so that a float holds them exactly."""


@dataclass(frozen=True, eq=False)
class Path:
    """Prices of all markets at every step: `quanta` [T, M] in price quanta, `ts_ms` [T]."""

    markets: tuple[str, ...]
    ts_ms: IntArray
    quanta: IntArray
    end_of_window: int
    """Step that ends the window: 24 hours before the last step where the path is longer than that, else the last."""

    def __len__(self) -> int:
        return len(self.ts_ms)

    @property
    def days(self) -> float:
        """Length of the path."""
        return float(self.ts_ms[-1] - self.ts_ms[0]) / 86_400_000

    def column(self, market: str) -> FloatArray:
        """One market's prices as floats."""
        return self.quanta[:, self.markets.index(market)].astype(np.float64)

    def at(self, step: int) -> dict[str, int]:
        """Prices at one step, by market."""
        return dict(zip(self.markets, self.quanta[step].tolist(), strict=True))


def decimals_that_fit(candles: Candles, market: str) -> int:
    """Most decimal places with which a path's integers hold every price of a market."""
    highest = float(candles.high[:, candles.markets.index(market)].max())
    return int(np.floor(np.log10(QUANTA_MAX / highest)))


def integer_path(candles: Candles, markets: Mapping[str, Market], *, order: Order, max_step_ppm: int) -> Path:
    """Walk `candles` on the markets' grids; raises `InputError` where a price does not fit the grid."""
    steps = list(walk(candles, order=order, max_step_ppm=max_step_ppm))
    ts_ms = np.array([step.ts_ms for step in steps], dtype=np.int64)
    scale = np.array([10.0 ** markets[name].price_decimals for name in candles.markets])
    scaled = np.rint(np.array([step.prices for step in steps]) * scale)
    for column in np.flatnonzero((scaled < 1).any(axis=0) | (scaled >= QUANTA_MAX).any(axis=0))[:1]:
        decimals = markets[candles.markets[column]].price_decimals
        raise InputError(f"{candles.markets[column]}: a price does not fit {decimals} decimal places")
    later = np.flatnonzero(ts_ms <= ts_ms[-1] - 86_400_000)
    window = int(later[-1]) if later.size > 1 else len(ts_ms) - 1
    return Path(candles.markets, ts_ms, scaled.astype(np.int64), window)
