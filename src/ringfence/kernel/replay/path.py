"""A price path with the extremes of its stretches, and the questions that are asked along it.

The screen decides where a subaccount may come near a level at all. Over a stretch of steps every leg's surplus is
concave in its price, so it is lowest at one of the stretch's extremes, and the sum of these lows bounds the
subaccount's surplus from below: a stretch whose bound lies above the level is passed over at once.
"""
# mypy: disable-error-code="untyped-decorator, no-any-return"

from typing import NamedTuple

import numpy as np

from ..jit import jit
from ..wide import Wide, mul_div_up, narrow, to_float, wide
from .rule import (
    DEN,
    LOWER,
    NUM,
    PER,
    ROWS_FROM,
    ROWS_TO,
    SHAPE,
    SIDED,
    Floats,
    Grid,
    Ints,
    surplus,
    surplus_q,
    worth_q,
)

FAN = 8
"""Stretches that make one of the next level."""
SLACK_RELATIVE = 1e-9
SLACK_ATOMS = 16.0
"""What lies within this share of gross notional plus these atoms of a level is decided exactly."""


class Path(NamedTuple):
    """Prices at `T` steps in `M` markets, and the extremes of stretches of 1, 8, 64, ... steps."""

    quanta: Ints
    """(T, M)"""
    extents: Floats
    """(2, stretches of all levels, M) lowest and highest price"""
    levels: Ints
    """(levels + 1,) first stretch of each level; level 0 is the steps themselves"""


def pyramid(quanta: Ints) -> Path:
    """A path with the extremes of its stretches."""
    low, high, first = [quanta.astype(np.float64)], [quanta.astype(np.float64)], [0, len(quanta)]
    while len(low[-1]) > FAN:
        cuts = np.arange(0, len(low[-1]), FAN)
        low.append(np.minimum.reduceat(low[-1], cuts))
        high.append(np.maximum.reduceat(high[-1], cuts))
        first.append(first[-1] + len(cuts))
    extents = np.stack((np.concatenate(low), np.concatenate(high)))
    return Path(quanta, extents, np.array(first, dtype=np.int64))


MARKET, SIZE = 0, 1
"""First columns of any array of legs: index of the market, signed base atoms (0 once it is closed)."""


@jit
def extent(path: Path, market: int) -> tuple[float, float]:
    """Lowest and highest price of a market on the whole path."""
    top = path.levels.size - 2
    low, high = path.extents[0, path.levels[top], market], path.extents[1, path.levels[top], market]
    for at in range(path.levels[top], path.levels[top + 1]):
        low, high = min(low, path.extents[0, at, market]), max(high, path.extents[1, at, market])
    return low, high


@jit
def slack(grid: Grid, path: Path, legs: Ints, first: int, last: int) -> float:
    """Distance to a level within which only the exact rule decides, for the legs from `first` to `last`."""
    gross = 0.0
    for leg in range(first, last):
        market = legs[leg, MARKET]
        gross += abs(float(legs[leg, SIZE])) * extent(path, market)[1] * grid.floats[market, PER]
    return SLACK_RELATIVE * gross + SLACK_ATOMS


@jit
def _lowest(grid: Grid, path: Path, legs: Ints, first: int, last: int, at: int, margins: bool) -> float:
    """The least that some legs can add to a subaccount over one stretch: surplus, or (no `margins`) worth."""
    total = 0.0
    for leg in range(first, last):
        size, market = float(legs[leg, SIZE]), legs[leg, MARKET]
        if size == 0.0:
            continue
        low, high = path.extents[0, at, market], path.extents[1, at, market]
        if margins:
            total += min(surplus(grid, market, size, low), surplus(grid, market, size, high))
        else:
            total += size * grid.floats[market, PER] * (low if size > 0.0 else high)
    return total


@jit
def first_step(
    grid: Grid,
    path: Path,
    legs: Ints,
    first: int,
    last: int,
    cash: float,
    level: float,
    start: int,
    margins: bool,
) -> int:
    """First step from `start` on at which cash and surplus (or worth) are not above `level`; -1 for none."""
    step, end = start, path.quanta.shape[0]
    while step < end:
        k, width = 0, 1
        while k + 2 < path.levels.size and step % (width * FAN) == 0:
            k, width = k + 1, width * FAN
        while cash + _lowest(grid, path, legs, first, last, path.levels[k] + step // width, margins) <= level:
            if k == 0:
                return step
            k, width = k - 1, width // FAN
        step += width
    return -1


# -- the least collateral that survives --------------------------------------------------------------------------------


class Curves(NamedTuple):
    """Scratch: the exact surplus of up to `W` legs where their rules bend, and straight lines between these prices."""

    knots: Ints
    """(W, most)"""
    values: Floats
    length: Ints
    """(W,)"""
    extremes: Ints
    """(2, M) steps at which each market is first at its lowest and at its highest"""


def curves_for(grid: Grid, path: Path, width: int) -> Curves:
    """Room for the curves of `width` legs along a path."""
    most = 2 + 2 * int((grid.table[:, ROWS_TO] - grid.table[:, ROWS_FROM]).max())
    extremes = np.stack((path.quanta.argmin(axis=0), path.quanta.argmax(axis=0)))
    knots, count = np.zeros((width, most), dtype=np.int64), np.zeros(width, dtype=np.int64)
    return Curves(knots, np.zeros((width, most)), count, extremes)


@jit
def _trace(grid: Grid, path: Path, curves: Curves, at: int, market: int, size: int) -> None:
    """Read the exact rule at the path's extremes and at both sides of each bend between them."""
    low, high = extent(path, market)
    knots, count = curves.knots[at], 1
    knots[0] = np.int64(low)
    for row in range(grid.table[market, ROWS_FROM] + 1, grid.table[market, ROWS_TO]):
        if (
            grid.table[market, SHAPE] == SIDED
            or float(grid.rows[row, LOWER]) > 2.0 * abs(size) * grid.floats[market, PER] * high
        ):
            break
        bend = narrow(
            mul_div_up(
                grid.rows[row, LOWER], grid.table[market, DEN], wide(abs(size)) * grid.table[market, NUM]
            )
        )
        for price in (bend - 1, bend):
            if knots[count - 1] < price < np.int64(high):
                knots[count] = price
                count += 1
    if high > low:
        knots[count] = np.int64(high)
        count += 1
    for k in range(count):
        curves.values[at, k] = to_float(surplus_q(grid, market, size, knots[k]))
    curves.length[at] = count


@jit
def _on_curve(curves: Curves, at: int, price: float) -> float:
    """A leg's surplus at a price of the path."""
    knots, values, last = curves.knots[at], curves.values[at], curves.length[at] - 1
    if last == 0:
        return values[0]
    if last == 1:
        return values[0] + (price - knots[0]) * ((values[1] - values[0]) / (knots[1] - knots[0]))
    k = 0
    while k < last and price >= knots[k + 1]:
        k += 1
    if k == last:
        return values[last]
    slope = (values[k + 1] - values[k]) / (knots[k + 1] - knots[k])
    return slope * (price - knots[k]) + values[k]


@jit
def _at_step(path: Path, legs: Ints, first: int, last: int, cost: float, curves: Curves, step: int) -> float:
    """Surplus of some legs at a step, on their curves."""
    total = -cost
    for leg in range(first, last):
        total += _on_curve(curves, leg - first, path.extents[0, step, legs[leg, MARKET]])
    return total


@jit
def _worst_step(
    grid: Grid, path: Path, legs: Ints, first: int, last: int, cost: float, curves: Curves
) -> int:
    """First of the steps at which the surplus of some legs is lowest."""
    near, known = slack(grid, path, legs, first, last), np.inf
    for leg in range(first, last):
        for extreme in curves.extremes[:, legs[leg, MARKET]]:
            known = min(known, _at_step(path, legs, first, last, cost, curves, extreme))
    step, end, worst, least = 0, path.quanta.shape[0], 0, np.inf
    while step < end:
        k, width = 0, 1
        while k + 2 < path.levels.size and step % (width * FAN) == 0:
            k, width = k + 1, width * FAN
        while k > 0:
            bound = _lowest(grid, path, legs, first, last, path.levels[k] + step // width, True)
            if bound - cost - near > known:
                break
            k, width = k - 1, width // FAN
        if k == 0:
            total = _at_step(path, legs, first, last, cost, curves, step)
            if total < least:
                worst, least = step, total
        step += width
    return worst


@jit
def survival_q(grid: Grid, path: Path, legs: Ints, first: int, last: int, curves: Curves) -> Wide:
    """Least collateral with which legs bought at the path's first prices are not liquidated anywhere on it.

    The step at which surplus is lowest is found on the curves and the exact rule is read there; one atom more than its
    shortfall survives under either strictness of the trigger.
    """
    cost = wide(0)
    if first == last:
        return cost
    for leg in range(first, last):
        market, size = legs[leg, MARKET], legs[leg, SIZE]
        cost += worth_q(grid, market, size, path.quanta[0, market])
        _trace(grid, path, curves, leg - first, market, size)
    worst, kept = _worst_step(grid, path, legs, first, last, to_float(cost), curves), wide(0)
    for leg in range(first, last):
        market = legs[leg, MARKET]
        kept += surplus_q(grid, market, legs[leg, SIZE], path.quanta[worst, market])
    return max(wide(0), cost - kept + 1)


@jit
def survivals(grid: Grid, path: Path, legs: Ints, groups: Ints, curves: Curves, found: Ints) -> None:
    """Fill (groups,) with the least collateral that survives; group `g` has the legs `groups[g]` to `groups[g + 1]`."""
    for at in range(found.size):
        found[at] = narrow(survival_q(grid, path, legs, groups[at], groups[at + 1], curves))
