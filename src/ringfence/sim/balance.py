"""Two sides of every market: free draws leave more longs than shorts, and somebody has to hold the other side.

Market makers and large accounts ("able" positions) take it, in two steps. Where no change of sizes could close a
market, the largest able positions on its heavy side turn around. Then able positions grow on the light side and shrink
on the heavy one, within their accounts' leverage limits. What remains is for the caller's system account.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


def sum_by(rows: IntArray, values: FloatArray, count: int) -> FloatArray:
    """Sum of the values that belong to each of `count` rows."""
    return np.bincount(rows, values, count).astype(np.float64, copy=False)


@dataclass(frozen=True, slots=True)
class Book:
    """Columns of positions: owner's row, market's row, side (+1 or -1), notional in USD, and who may be moved."""

    account: IntArray
    market: IntArray
    side: IntArray
    notional_usd: FloatArray
    able: BoolArray

    def per_market(self, values: FloatArray) -> FloatArray:
        """Sum of one value per position over each market."""
        return sum_by(self.market, values, int(self.market.max()) + 1)


def balance(book: Book, limit_usd: FloatArray, scale_max: float) -> Book:
    """Return the book with its markets as nearly balanced as its able positions allow.

    `limit_usd` is the highest gross notional per account, `scale_max` the highest factor by which a position changes.
    """
    return _scaled(_turned(book, scale_max), limit_usd, scale_max)


def _sides(book: Book) -> tuple[BoolArray, FloatArray, FloatArray, FloatArray]:
    """Which positions are on the heavy side; per market: able notional light and heavy, and the gap of the rest.

    A market is balanced when light - heavy = gap.
    """
    net = book.per_market(book.side * book.notional_usd)
    on_heavy = book.side == np.where(net < 0, -1, 1)[book.market]
    light = book.per_market(book.notional_usd * (book.able & ~on_heavy))
    heavy = book.per_market(book.notional_usd * (book.able & on_heavy))
    return on_heavy, light, heavy, np.abs(net) + light - heavy


def _turned(book: Book, scale_max: float) -> Book:
    """Turn able positions around, largest first, in markets that no scaling up to `scale_max` can balance."""
    on_heavy, light, heavy, gap = _sides(book)
    side = book.side.copy()
    for market in np.flatnonzero(light * scale_max - heavy / scale_max < gap):
        rows = np.flatnonzero(book.able & on_heavy & (book.market == market))
        for row in rows[np.argsort(-book.notional_usd[rows], kind="stable")]:
            size = book.notional_usd[row]
            if size >= gap[market] - light[market] + heavy[market]:
                continue  # turned around it would tip the market further to the other side
            side[row] = -side[row]
            light[market] += size
            heavy[market] -= size
            if light[market] * scale_max - heavy[market] / scale_max >= gap[market]:
                break
    return replace(book, side=side)


def _scaled(book: Book, limit_usd: FloatArray, scale_max: float) -> Book:
    """Let able positions grow by f on the light side and shrink by f on the heavy one: light f - heavy / f = gap."""
    on_heavy, light, heavy, gap = _sides(book)
    root = np.sqrt(gap**2 + 4 * light * heavy)
    # Of the two forms of the positive root, the one that adds: it holds where one side has nobody able.
    above, below = np.where(gap > 0, root + gap, 2 * heavy), np.where(gap > 0, 2 * light, root - gap)
    in_reach = above < below * scale_max
    factor = np.where(in_reach, above / np.where(in_reach, below, 1), scale_max)[book.market]
    grow = book.notional_usd * (factor - 1) * (book.able & ~on_heavy)
    shrink = book.notional_usd * (1 - 1 / factor) * (book.able & on_heavy)
    wanted = sum_by(book.account, grow, limit_usd.size)
    room = limit_usd - sum_by(book.account, book.notional_usd - shrink, limit_usd.size)
    granted = np.clip(room / np.where(wanted > 0, wanted, 1), 0, 1)
    return replace(book, notional_usd=book.notional_usd - shrink + grow * granted[book.account])
