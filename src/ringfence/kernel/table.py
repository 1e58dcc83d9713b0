"""A venue's rules as arrays that compiled code reads: one record per market, per row of a margin table, per asset.

`plan.plan` makes them. It says which markets the kernel decides in 128 bits and on which grid, and gives a plain
sentence for each that the reference decides instead. Numbers are 64-bit integers; sizes and amounts count units of a
power of ten atoms, prices count whole quanta or a power of ten of them, so that venues of 18 decimals fit as well.
Worth on these grids is to the atom what it is on the venue's: both cancel against the market's scale, and
`a * g / (b * g)` rounds as `a / b` does. What does not fit is never cut: it goes to the reference.

docs/reference/columns.md lists every field with type, shape and unit.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Shapes of a requirement, see `clearing.policy`.
TIERED, OPEN_INTEREST_SCALED, STEPPED, SKEW_SCALED, SIDED, ROOT_SCALED, COST_SHARE = range(7)
# How a market's fixed amount enters: added, a floor under the requirement, a floor under requirement and close cost.
ADDED, FLOOR_BELOW, FLOOR_WITH_FEES = range(3)
NO_CAP = -1
NOWHERE = -1
BY_SIZE = -1.0
"""`MARKET.rate_most` where the rate grows with size without an end."""

_INT = np.int64

MARKET = np.dtype(
    [
        ("shape", _INT),
        ("price", _INT),  # the price that margin is measured at, in price units
        ("mark", _INT),  # price units; worth of the open interest
        ("worth_num", _INT),  # size x price x worth_num / worth_den are quote atoms
        ("worth_den_hi", _INT),
        ("worth_den_lo", _INT),
        ("size_unit", _INT),  # base atoms that one of `size` counts
        ("price_unit", _INT),  # price quanta that one of `price` counts
        ("rows_at", _INT),  # first row of its margin table in `Table.rows`; long and short where sided
        ("rows_end", _INT),
        ("rate_den", _INT),
        ("by_size", _INT),  # 1: steps are of size (base atoms), 0: of notional (quote atoms)
        ("depth_b", _INT),  # skew scale, base atoms
        ("initial_slope_num", _INT),
        ("maintenance_slope_num", _INT),
        ("initial_cap_num", _INT),
        ("maintenance_cap_num", _INT),
        ("unit_b", _INT),  # one base unit in atoms, under the root
        ("factor_num", _INT),
        ("factor_den", _INT),
        ("open_lower_q", _INT),
        ("open_upper_q", _INT),
        ("open_num", _INT),
        ("open_den", _INT),
        ("open_interest", _INT),  # lots held long, size units
        ("minimum_q", _INT),
        ("minimum_as", _INT),
        ("closes", _INT),  # 1 where closing has an estimated cost
        ("close_num", _INT),
        ("close_den", _INT),
        ("close_lower_q", _INT),
        ("close_upper_q", _INT),
        ("close_of_cost", _INT),  # 1: a share of the cost, 0: of the notional
        ("close_in_initial", _INT),
        ("at_opening", _INT),  # 1: a chosen leverage replaces the rate of initial margin
        ("epoch", _INT),  # its present funding index, by place in `Table.funding`
        ("pool", _INT),  # number of its collateral pool
        ("worth", np.float64),  # worth_num / worth_den, in quote atoms
        ("rate_most", np.float64),  # highest maintenance rate of any leg, as a share; BY_SIZE where it grows
        ("close_rate", np.float64),  # close_num / close_den, 0 without a cost of closing
    ]
)
ROW = np.dtype(
    [
        ("lower", _INT),  # quote atoms, or base atoms for steps of size
        ("initial_num", _INT),
        ("maintenance_num", _INT),
        ("deduction_hi", _INT),
        ("deduction_lo", _INT),
    ]
)
ASSET = np.dtype(
    [
        ("price", _INT),  # price units
        ("worth_num", _INT),
        ("worth_den_hi", _INT),
        ("worth_den_lo", _INT),
        ("amount_unit", _INT),
        ("price_unit", _INT),
        ("rows_at", _INT),  # haircut tiers; `maintenance_num` is the haircut
        ("rows_end", _INT),
        ("rate_den", _INT),
        ("weighs", _INT),  # 1 where margins ask a share of its worth
        ("long_initial_num", _INT),
        ("long_maintenance_num", _INT),
        ("short_initial_num", _INT),
        ("short_maintenance_num", _INT),
        ("weight_den", _INT),
        ("market", _INT),  # number of the market whose price it follows, or NOWHERE
        ("worth", np.float64),  # worth_num / worth_den, in quote atoms
    ]
)
TERMS = np.dtype(
    [
        ("round_value", _INT),
        ("round_notional", _INT),
        ("round_requirement", _INT),
        ("round_funding", _INT),
        ("at_equality", _INT),  # 1: liquidatable at equality
        ("profit_cap_q", _INT),  # most profit that initial margin counts, or NO_CAP
        ("cap_of_account", _INT),  # 1: of all positions together
    ]
)
PAIR = np.dtype([("hi", _INT), ("lo", _INT)])
"""Two halves of a 128-bit integer."""
FRACTION = np.dtype([("num", _INT), ("den", _INT)])

Records = NDArray[np.void]


class Table(NamedTuple):
    """All that compiled code needs to know of a venue; a NamedTuple, so that it can be handed to `@jit` as it is."""

    markets: Records
    """`MARKET` (markets,)"""
    rows: Records
    """`ROW` (rows of all tables,)"""
    assets: Records
    """`ASSET` (assets,)"""
    terms: Records
    """`TERMS` (1,): what the policy says"""
    funding: Records
    """`PAIR` (epochs,): every funding index that a market has, or a leg is settled to; `MARKET.epoch` and a leg's
    `epoch` are places in it"""
    leverages: Records
    """`FRACTION` (leverages,): chosen leverages; place 0 is none"""
