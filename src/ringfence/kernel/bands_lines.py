"""What a leg is worth less what it is asked, as a concave function of its price, and where it has fallen too far.

Without its roundings a leg's contribution to its subaccount's surplus is `sign * N - max_k(rate_k * N + offset_k)`,
with `N` its worth at a price: the requirement is the upper edge of a few straight lines. Lines are *tight*: at the
present price their edge is what the shape asks. `outline` finds them, `asked` reads them, `lower_and_upper` inverts
them.

| lines | shape |
|---|---|
| fixed per market and side | `Tiered`, `OpenInterestScaled`, `Sided`, with a minimum margin |
| one per leg, its rate fixed while its size is | `SkewScaled`, `RootScaled`, `Stepped` by size |
| level, fixed while the position is | `CostShare`, a close cost that is a share of what the position cost |
| the present step's, up to the next step | `Stepped` by notional |
| share and lower bound; level at the upper bound | a close cost that is a share of notional |

A collateral asset has the lines of its haircut, scaled by its weight. docs/explain/bands.md proves that every bound
here is on the safe side of the exact rule.
"""
# mypy: disable-error-code="no-any-return"

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import table as tables
from .jit import jit, never_inlined
from .legs import rate_of, rates_row
from .table import Table
from .wide import joined, to_float, wide

Floats = NDArray[np.float64]
Record = Any

EPSILON = 2.0**-43
"""Relative error of any float here, and more: none is the outcome of over 1,000 roundings of 2^-53 each."""
ROUNDINGS_Q = 6.0
"""Atoms by which a leg's exact contribution may differ from the unrounded one, besides a rate of one more atom: worth,
notional, requirement (twice), close cost, funding."""

STEP_DOUBT_Q = 2.0
"""Within so many atoms of a step, the rounding of the notional may decide which one it is."""

FIXED, STEPPED, OWN = range(3)
LONG, SHORT = 0, 1


class Lines(NamedTuple):
    """Lines by `2 * factor + side`, and below them one row for each leg of a subaccount whose lines are made at touch.

    A factor is a market or, after all markets, an asset. Everything is float64 in quote atoms of notional.
    """

    rate: Floats
    """(rows, lines)"""
    offset: Floats
    """(rows, lines)"""
    inverse: Floats
    """(rows, lines): one over `sign - rate`; 0 for a level line, which is never fallen below"""
    first: Floats
    """(rows, 4): rate, offset and inverse of a row's first line, and the notional up to which no other is above it"""
    length: NDArray[np.int64]
    """(rows,): lines of the row"""
    most: Floats
    """(rows,): notional up to which the lines hold"""
    kind: NDArray[np.int64]
    """(factors,): `FIXED`, `STEPPED` or `OWN`"""
    made: NDArray[np.bool_]
    """(factors,): whether lines are made at touch; the row of such a factor holds its requirement alone"""
    error_q: float
    """How far the exact contribution of any leg may be from tight lines, without the rate of its own"""
    closing: Floats
    """(factors,): share of the notional that closing costs"""
    steepest: Floats
    """(factors,): the highest rate of any line, for what funding may do; `own_terms` may raise it"""


# -- from the table ----------------------------------------------------------------------------------------------------


def lines_of(table: Table, scratch: int) -> Lines:
    """Lines of every market and asset, and `scratch` rows for those that are made at touch."""
    markets, assets = len(table.markets), len(table.assets)
    found = [_market_rows(table, number) for number in range(markets)]
    found += [_asset_rows(table, number) for number in range(assets)]
    kind = np.array([*map(_kind, table.markets), *(FIXED for _ in range(assets))], np.int64)
    made = kind != FIXED
    made[:markets] |= table.markets["closes"] == 1
    lines = max((len(row) for pair in found for row in pair), default=1)
    shape = (2 * len(found) + scratch, 2 * lines + 2) if made.any() else (2 * len(found), lines)
    rate, offset, inverse = (np.zeros(shape) for _ in range(3))
    rows = shape[0]
    count = np.zeros(rows, np.int64)
    for number, pair in enumerate(found):
        for side, row in enumerate(pair):
            at, until = 2 * number + side, len(row)
            count[at] = until
            rate[at, :until], offset[at, :until] = np.array(row).T
            slope = (1.0 if side == LONG else -1.0) - rate[at, :until]
            inverse[at, :until] = np.divide(1.0, slope, out=np.zeros(until), where=slope != 0)
    steepest = np.array([max(line[0] for row in pair for line in row) for pair in found])
    closing = np.zeros(len(found))
    closing[:markets] = [_closing_rate(market) for market in table.markets]
    steepest += closing
    error_q = ROUNDINGS_Q + float(np.ceil(steepest.max(initial=1.0)))
    most = np.full(rows, np.inf)
    first = np.stack([rate[:, 0], offset[:, 0], inverse[:, 0], _alone(rate, offset, count)], axis=1)
    return Lines(rate, offset, inverse, first, count, most, kind, made, error_q, closing, steepest)


def _alone(rate: Floats, offset: Floats, count: NDArray[np.int64]) -> Floats:
    """Notional up to which the first line of each row is above all others; negative where it never is."""
    found = np.full(len(count), np.inf)
    for row, lines in enumerate(count):
        for at in range(1, lines):
            steeper, lower = rate[row, at] - rate[row, 0], offset[row, 0] - offset[row, at]
            if lower < 0:
                found[row] = -1.0
            elif steeper > 0:
                found[row] = min(found[row], lower / steeper)
    return found


def crossings(lines: Lines, rows: int, count: int) -> Floats:
    """(rows, count): ascending notionals between which one line of a row is above all others, the last infinite.

    Those at which a line meets the next steeper one; more than fit, and lines that are never above, leave some out or
    add some.
    """
    found = np.full((rows, count), np.inf)
    for row, length in enumerate(lines.length[:rows]):
        order = np.argsort(lines.rate[row, :length], kind="stable")
        steeper, lower = np.diff(lines.rate[row, order]), -np.diff(lines.offset[row, order])
        meet = np.unique(lower[steeper > 0] / steeper[steeper > 0])
        meet = meet[meet > 0][: count - 1]
        found[row, : len(meet)] = meet
    return found


def _kind(market: np.void) -> int:
    if market["shape"] == tables.STEPPED:
        return OWN if market["by_size"] else STEPPED
    own = market["shape"] in {tables.SKEW_SCALED, tables.ROOT_SCALED, tables.COST_SHARE}
    return OWN if own else FIXED


def _closing_rate(market: np.void) -> float:
    """Share of the notional that closing costs."""
    of_notional = market["closes"] and not market["close_of_cost"]
    return float(market["close_num"] / market["close_den"]) if of_notional else 0.0


Row = list[tuple[float, float]]


def _market_rows(table: Table, number: int) -> tuple[Row, Row]:
    """Lines (rate, offset) of the long and the short side, with the minimum margin where nothing else is added."""
    market = table.markets[number]
    rows, den = table.rows[market["rows_at"] : market["rows_end"]], float(market["rate_den"])
    if market["shape"] == tables.SIDED:
        sides = tuple([(float(row["maintenance_num"]) / den, 0.0)] for row in rows[:2])
    elif market["shape"] == tables.OPEN_INTEREST_SCALED:
        share = float(rows[0]["initial_num"]) * float(rows[0]["maintenance_num"]) / (den * den)
        sides = ([(share, 0.0)],) * 2
    elif market["shape"] == tables.TIERED:
        sides = ([_tier(row, den) for row in rows],) * 2
    else:
        sides = ([(max(float(row["maintenance_num"]) for row in rows) / den, 0.0)],) * 2
    if market["closes"] or not market["minimum_q"]:
        return sides[0], sides[1]
    minimum_q = float(market["minimum_q"])
    if market["minimum_as"] == tables.ADDED:
        long, short = ([(rate, offset + minimum_q) for rate, offset in row] for row in sides)
        return long, short
    return [*sides[0], (0.0, minimum_q)], [*sides[1], (0.0, minimum_q)]


def _tier(row: np.void, den: float) -> tuple[float, float]:
    return float(row["maintenance_num"]) / den, -joined(row["deduction_hi"], row["deduction_lo"]) / den


def _asset_rows(table: Table, number: int) -> tuple[Row, Row]:
    """Lines of an asset that is held, and of one that is owed: `sign - rate` is what counts of its worth."""
    asset = table.assets[number]
    rows, den = table.rows[asset["rows_at"] : asset["rows_end"]], float(asset["rate_den"])
    weights = np.zeros(2)
    if asset["weighs"]:
        weights[:] = asset["long_maintenance_num"], asset["short_maintenance_num"]
        weights /= asset["weight_den"]
    kept = 1.0 - weights[LONG]
    held = [_tier(row, den) for row in rows]
    return [(1 - kept * (1 - rate), kept * offset) for rate, offset in held], [(float(weights[SHORT]), 0.0)]


# -- a leg's own lines -------------------------------------------------------------------------------------------------


@jit
def own_terms(table: Table, number: int, size: int, cost: int) -> tuple[float, float, float]:
    """Rate, offset and close cost of a leg that its size and cost decide; zeros where they decide nothing."""
    never_inlined()
    market = table.markets[number]
    rate, offset, closing = 0.0, 0.0, 0.0
    if market.shape == tables.COST_SHARE:
        offset = abs(float(cost)) * table.rows[market.rows_at].maintenance_num / market.rate_den
    else:
        row = rates_row(table, number, size, wide(0))
        rate = to_float(rate_of(table, number, row, size, False)) / market.rate_den
    if market.closes == 1 and market.close_of_cost == 1:
        closing = max(abs(float(cost)) * market.close_num / market.close_den, float(market.close_lower_q))
        if market.close_upper_q > 0:
            closing = min(closing, float(market.close_upper_q))
    return rate, offset, closing


# -- at touch ----------------------------------------------------------------------------------------------------------


@jit
def outline(
    lines: Lines, table: Table, factor: int, sign: float, notional: float, terms: Floats, row: int
) -> bool:
    """Make the lines of a leg in `row`: those that are tight at `notional`. Whether they surely are.

    `terms` are the leg's in `Own`. They are not tight within two atoms of a step, where rounding says which one it is:
    there the upper step's are taken, which ask more.
    """
    never_inlined()
    market, base = table.markets[factor], 2 * factor + (LONG if sign > 0 else SHORT)
    lines.length[row], lines.first[row, 3], lines.most[row], sure = 0, -1.0, np.inf, True
    if lines.kind[factor] == FIXED:
        for at in range(lines.length[base]):
            _append(
                lines, market, row, sign, notional, lines.rate[base, at], lines.offset[base, at], terms[2]
            )
    elif lines.kind[factor] == OWN:
        _append(lines, market, row, sign, notional, terms[0], terms[1], terms[2])
    else:
        rate, lines.most[row], sure = _step(table, market, notional)
        _append(lines, market, row, sign, notional, rate, 0.0, terms[2])
    if market.minimum_as != tables.ADDED:
        _append_closing(lines, market, row, sign, notional, 0.0, float(market.minimum_q), terms[2])
    return sure


@jit
def _step(table: Table, market: Record, notional: float) -> tuple[float, float, bool]:
    """Rate of the step at a notional, the notional at which it ends, and whether that step is sure."""
    den, last = float(market.rate_den), market.rows_end - 1
    at = market.rows_at
    while at < last and notional >= table.rows[at + 1].lower - STEP_DOUBT_Q:
        at += 1
    sure = at == market.rows_at or notional >= table.rows[at].lower + STEP_DOUBT_Q
    most = table.rows[at + 1].lower - STEP_DOUBT_Q if at < last else np.inf
    return table.rows[at].maintenance_num / den, most, sure


@jit
def _append(
    lines: Lines,
    market: Record,
    row: int,
    sign: float,
    notional: float,
    rate: float,
    offset: float,
    closing: float,
) -> None:
    """Append one line of the requirement, with the fixed amount and the close cost where they are added to it."""
    if market.minimum_as == tables.FLOOR_WITH_FEES:
        _append_line(lines, row, sign, rate, offset)
    else:
        added = float(market.minimum_q) if market.minimum_as == tables.ADDED else 0.0
        _append_closing(lines, market, row, sign, notional, rate, offset + added, closing)


@jit
def _append_closing(
    lines: Lines,
    market: Record,
    row: int,
    sign: float,
    notional: float,
    rate: float,
    offset: float,
    closing: float,
) -> None:
    """Append a line with the close cost added: a level one or, below its upper bound, the larger of two."""
    if market.closes == 0 or market.close_of_cost == 1:
        _append_line(lines, row, sign, rate, offset + closing)
        return
    share, upper = market.close_num / float(market.close_den), float(market.close_upper_q)
    if upper > 0.0 and share * notional >= upper:
        _append_line(lines, row, sign, rate, offset + upper)
        return
    _append_line(lines, row, sign, rate + share, offset)
    _append_line(lines, row, sign, rate, offset + float(market.close_lower_q))


@jit
def _append_line(lines: Lines, row: int, sign: float, rate: float, offset: float) -> None:
    at, slope = lines.length[row], sign - rate
    lines.rate[row, at], lines.offset[row, at] = rate, offset
    lines.inverse[row, at] = 1.0 / slope if slope != 0.0 else 0.0
    lines.length[row] = at + 1


@jit
def asked(lines: Lines, row: int, notional: float) -> float:
    """What the lines of a row ask of a notional."""
    if notional <= lines.first[row, 3]:
        return lines.first[row, 0] * notional + lines.first[row, 1]
    most = lines.rate[row, 0] * notional + lines.offset[row, 0]
    for at in range(1, lines.length[row]):
        most = max(most, lines.rate[row, at] * notional + lines.offset[row, at])
    return most


@jit
def lower_and_upper(lines: Lines, row: int, least: float, notional: float) -> tuple[float, float]:
    """The notionals about the present one between which the contribution is at least `least`, rounded inwards."""
    alone = lines.first[row, 3]
    if notional <= alone:
        offset, inverse = lines.first[row, 1], lines.first[row, 2]
        edge = (least + offset + EPSILON * (abs(least) + abs(offset))) * inverse
        if inverse > 0.0:
            return max(edge, 0.0) * (1.0 + EPSILON), np.inf
        if inverse < 0.0 and edge <= alone:
            return 0.0, edge * (1.0 - EPSILON)
    lower, upper = 0.0, lines.most[row]
    for at in range(lines.length[row]):
        offset, inverse = lines.offset[row, at], lines.inverse[row, at]
        edge = (least + offset + EPSILON * (abs(least) + abs(offset))) * inverse
        if inverse > 0.0:
            lower = max(lower, edge)
        elif inverse < 0.0:
            upper = min(upper, edge)
    return lower * (1.0 + EPSILON), upper * (1.0 - EPSILON)
