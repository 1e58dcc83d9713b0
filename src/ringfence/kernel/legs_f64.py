"""The float reading of a leg and of a subaccount: surplus, and the radius within which the exact surplus lies.

Floats round everywhere and the rules' own roundings nowhere, so a float surplus is off by two things: a share of what
was added up, at most `share_of(legs)` of its magnitude, and a few atoms per leg. `row_surplus_f64` returns the sum of
both as the radius; the proof is in docs/explain/exactness.md. Where a table jumps and the float cannot tell the side,
the radius is `UNSURE`. Rates that a rule rounds by themselves (skew, root) are read exactly: one unit of such a rate
may be worth more than any rounding.
"""
# mypy: no-warn-return-any

from ._rules import (
    close_cost_q_f64,
    collateral_value_q_f64,
    fraction_q_f64,
    maintenance_of_initial_q_f64,
    tiered_q_f64,
)
from .columns import Block
from .jit import jit
from .legs import Record, _rate, _rates_row, funding_of, row_of
from .table import (
    ADDED,
    COST_SHARE,
    FLOOR_BELOW,
    OPEN_INTEREST_SCALED,
    ROOT_SCALED,
    SIDED,
    SKEW_SCALED,
    STEPPED,
    TIERED,
    Records,
    Table,
)
from .wide import join, to_float, wide

UNSURE = 1e300
"""A radius beyond any amount."""
UNIT = 2.0**-53
"""Largest relative error of one float operation."""
CHAIN = 64
"""More operations than any term of a leg goes through."""
STEP_DOUBT = 2.0**-44
"""Relative distance to a step within which its side is doubted; far more than a notional is off by."""


@jit
def share_of(legs: int) -> float:
    """Bound on the relative error of a sum over `legs` legs, as a share of the magnitude summed."""
    return 2.0 * (CHAIN + legs) * UNIT


@jit
def notional_f64(market: Record, size: int, price: float) -> float:
    """Absolute worth of `size` at `price`."""
    return abs(float(size)) * price * market.worth


@jit
def rates_row_f64(market: Record, rows: Records, size: int, notional: float) -> int:
    """The row whose rates count for a leg; exact where it does not depend on the notional."""
    if market.shape == SIDED or (market.shape == STEPPED and market.by_size):
        return _rates_row(market, rows, size, wide(0))
    return row_of(rows, market.rows_at, market.rows_end, notional)


@jit
def rate_f64(market: Record, row: Record, terms: Record, size: int) -> float:
    """Numerator of a leg's rate of maintenance margin."""
    if market.shape in (SKEW_SCALED, ROOT_SCALED):
        return to_float(_rate(market, row, terms, size, False))
    return float(row.maintenance_num)


@jit
def required_f64(
    market: Record, rows: Records, terms: Record, size: int, cost: int, notional: float, ceiling: float
) -> float:
    """Maintenance margin by the rates alone; steps are read at `ceiling`, at or above the notional."""
    if market.shape == TIERED:
        row = rows[row_of(rows, market.rows_at, market.rows_end, notional)]
        deduction = to_float(join(row.deduction_hi, row.deduction_lo))
        return tiered_q_f64(notional, row.maintenance_num, deduction, market.rate_den, 0)
    row = rows[rates_row_f64(market, rows, size, ceiling)]
    if market.shape == OPEN_INTEREST_SCALED:
        return maintenance_of_initial_q_f64(notional, row.initial_num, row.maintenance_num, 0)
    base = abs(float(cost)) if market.shape == COST_SHARE else notional
    return fraction_q_f64(base, rate_f64(market, row, terms, size), market.rate_den, 0)


@jit
def maintenance_f64(
    market: Record, rows: Records, terms: Record, size: int, cost: int, notional: float, ceiling: float
) -> float:
    """All that maintenance margin asks of a leg; steps and a capped cost of closing are read at `ceiling`."""
    required = required_f64(market, rows, terms, size, cost, notional, ceiling)
    closing = 0.0
    if market.closes:
        base = ceiling if market.close_upper_q > 0 else notional
        if market.close_of_cost:
            base = abs(float(cost))
        num, den = market.close_num, market.close_den
        closing = close_cost_q_f64(base, num, den, market.close_lower_q, market.close_upper_q, 0)
    if market.minimum_as == ADDED:
        return required + market.minimum_q + closing
    if market.minimum_as == FLOOR_BELOW:
        return max(required, float(market.minimum_q)) + closing
    return max(required, market.minimum_q + closing)


@jit
def reads_a_ceiling(market: Record) -> bool:
    """Whether it matters at which notional `maintenance_f64` reads steps and a capped cost of closing."""
    return (market.shape == STEPPED and not market.by_size) or (market.closes and market.close_upper_q > 0)


@jit
def rate_most_f64(market: Record, rows: Records, terms: Record, size: int) -> float:
    """The highest rate that a leg of this size can be asked, as a share."""
    if market.rate_most >= 0.0:
        return market.rate_most
    return rate_f64(market, rows[market.rows_at], terms, size) / market.rate_den


@jit
def atoms_f64(market: Record, rate: float) -> float:
    """Atoms by which the rules' roundings may move a leg's surplus.

    One for worth, `rate` for the notional's, two for the requirement's (dYdX v4 rounds twice), and where closing costs
    something its share of the notional's and one; one more for funding.
    """
    return 4.0 + rate + market.close_rate + market.closes


@jit
def is_near_a_step(market: Record, rows: Records, size: int, notional: float) -> bool:
    """Whether a float notional cannot tell which step of a table that jumps it is on."""
    if market.shape != STEPPED or market.by_size:
        return False
    low, high = notional * (1.0 - STEP_DOUBT) - 2.0, notional * (1.0 + STEP_DOUBT) + 2.0
    return rates_row_f64(market, rows, size, low) != rates_row_f64(market, rows, size, high)


@jit
def leg_f64(
    market: Record, rows: Records, terms: Record, size: int, cost: int, price: float
) -> tuple[float, float, float, float]:
    """Worth of a leg without funding, its maintenance margin, the magnitude of what adds up, and atoms of rounding."""
    if size == 0:
        return 0.0, 0.0, 0.0, 0.0
    notional = notional_f64(market, size, price)
    rate = rate_most_f64(market, rows, terms, size)
    atoms = UNSURE if is_near_a_step(market, rows, size, notional) else atoms_f64(market, rate)
    asked = maintenance_f64(market, rows, terms, size, cost, notional, notional)
    worth = notional if size > 0 else -notional
    return worth, asked, notional * (1.0 + 2.0 * rate) + asked, atoms


@jit
def asset_f64(table: Table, asset: int, amount: int) -> tuple[float, float]:
    """Worth of another asset after its haircut, and before it."""
    held = table.assets[asset]
    raw = float(amount) * float(held.price) * held.worth
    tier = table.rows[row_of(table.rows, held.rows_at, held.rows_end, max(raw, 0.0))]
    deduction = to_float(join(tier.deduction_hi, tier.deduction_lo))
    return collateral_value_q_f64(raw, tier.maintenance_num, deduction, held.rate_den), raw


@jit
def pledge_f64(table: Table, asset: int, amount: int) -> tuple[float, float, float]:
    """Worth of another asset after its haircut less what its weights ask for maintenance; magnitude; atoms."""
    held = table.assets[asset]
    worth, raw = asset_f64(table, asset, amount)
    weight = 0.0
    if held.weighs:
        num = held.long_maintenance_num if amount >= 0 else held.short_maintenance_num
        weight = num / held.weight_den
    return worth - abs(worth) * weight, 3.0 * abs(raw) * (1.0 + weight), 3.0 + 2.0 * weight


@jit
def rest_surplus_f64(table: Table, block: Block, row: int) -> tuple[float, float, float]:
    """What does not depend on the prices of markets: cash, funding and other assets; with magnitude and atoms."""
    surplus = float(block.cash[row])
    magnitude, atoms = abs(surplus), 0.0
    for place in range(block.asset.shape[1]):
        if block.amount[row, place] != 0:
            worth, size, rounded = pledge_f64(table, block.asset[row, place], block.amount[row, place])
            surplus, magnitude, atoms = surplus + worth, magnitude + size, atoms + rounded
    for leg in range(block.size.shape[1]):
        number = block.market[row, leg]
        if table.markets[number].epoch != block.epoch[row, leg]:
            paid = to_float(funding_of(table, number, block.size[row, leg], block.epoch[row, leg]))
            surplus, magnitude = surplus + paid, magnitude + abs(paid)
    return surplus, magnitude, atoms


@jit
def row_surplus_f64(table: Table, block: Block, row: int) -> tuple[float, float]:
    """Equity less maintenance margin of a subaccount, and the radius within which the exact one lies."""
    surplus, magnitude, atoms = rest_surplus_f64(table, block, row)
    rows, terms = table.rows, table.terms[0]
    for leg in range(block.size.shape[1]):
        market = table.markets[block.market[row, leg]]
        size, cost = block.size[row, leg], block.cost[row, leg]
        worth, asked, size_of_it, rounded = leg_f64(market, rows, terms, size, cost, float(market.price))
        surplus, magnitude, atoms = surplus + worth - asked, magnitude + size_of_it, atoms + rounded
    return surplus, atoms + share_of(block.size.shape[1] + block.asset.shape[1]) * magnitude
