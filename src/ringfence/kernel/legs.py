"""One leg and one subaccount, compiled: worth and margin to the atom, as `clearing.risk` has them.

Everything is 128 bits wide and equal to the reference for every leg on its market's grid; a product that leaves 128
bits raises `OverflowError`. `size` counts the market's size units and `price` its price units (`table.MARKET`); amounts
`_q` are quote atoms. A risk is the tuple `(equity, initial margin, maintenance margin, notional)`.

The float reading (`row_surplus_f64`) comes with the radius within which the exact surplus lies; its proof is in
docs/explain/exactness.md.
"""
# mypy: no-warn-return-any

from typing import Any

from ..rules.words import FLOOR, WAD
from ._rules import (
    close_cost_q,
    collateral_value_q,
    fraction_q,
    funding_payment_q,
    maintenance_of_initial_q,
    notional_q,
    open_interest_fraction_ppm,
    open_interest_rate_num,
    root_rate_num,
    skew_rate_num,
    tiered_q,
    uncounted_profit_q,
    value_q,
    with_leverage_q,
)
from .columns import FLAGGED, SYSTEM, Block
from .jit import jit
from .table import (
    ADDED,
    COST_SHARE,
    FLOOR_BELOW,
    NO_CAP,
    OPEN_INTEREST_SCALED,
    ROOT_SCALED,
    SIDED,
    SKEW_SCALED,
    STEPPED,
    TIERED,
    Records,
    Table,
)
from .wide import Wide, abs_, join, wide

Risk = tuple[Wide, Wide, Wide, Wide]
Record = Any
"""One record of a table."""


# -- one leg, by its market's record -----------------------------------------------------------------------------------
#
# `market` is a record of `Table.markets`, `rows` is `Table.rows`, `terms` the record of `Table.terms`. Records are
# handed on rather than the table: a pointer instead of six arrays.


@jit
def _worth(market: Record, terms: Record, size: int, price: int) -> Wide:
    den = join(market.worth_den_hi, market.worth_den_lo)
    return value_q(size, price, market.worth_num, den, terms.round_value)


@jit
def _notional(market: Record, terms: Record, size: int, price: int) -> Wide:
    den = join(market.worth_den_hi, market.worth_den_lo)
    return notional_q(size, price, market.worth_num, den, terms.round_notional)


@jit
def row_of(rows: Records, rows_at: int, rows_end: int, amount: float) -> int:
    """The row of a table that an amount (of 128 bits, or a float) falls into; a boundary belongs to the upper row."""
    above = rows_at + 1
    while above < rows_end and amount >= rows[above].lower:
        above += 1
    return above - 1


@jit
def _rates_row(market: Record, rows: Records, size: int, notional: Wide) -> int:
    """The row whose rates count for a leg."""
    if market.shape == SIDED:
        return market.rows_at + (1 if size < 0 else 0)
    if market.shape == STEPPED and market.by_size:
        return row_of(rows, market.rows_at, market.rows_end, abs_(size) * market.size_unit)
    return row_of(rows, market.rows_at, market.rows_end, notional)


@jit
def _rate(market: Record, row: Record, terms: Record, size: int, is_initial: bool) -> Wide:
    """Numerator (over the market's `rate_den`) of a leg's rate, without what open interest adds."""
    num = wide(row.initial_num if is_initial else row.maintenance_num)
    if market.shape == SKEW_SCALED:
        slope = market.initial_slope_num if is_initial else market.maintenance_slope_num
        cap = market.initial_cap_num if is_initial else market.maintenance_cap_num
        size_b = abs_(size) * market.size_unit
        return skew_rate_num(size_b, market.depth_b, num, slope, cap, terms.round_requirement)
    if market.shape == ROOT_SCALED:
        size_b = abs_(size) * market.size_unit
        return root_rate_num(
            size_b, market.unit_b, num, market.rate_den, market.factor_num, market.factor_den
        )
    return num


@jit
def _required_maintenance(
    market: Record, rows: Records, terms: Record, size: int, notional: Wide, cost: Wide
) -> Wide:
    """Maintenance margin of a leg by its rates alone."""
    row, rounding = rows[_rates_row(market, rows, size, notional)], terms.round_requirement
    if market.shape == TIERED:
        deduction = join(row.deduction_hi, row.deduction_lo)
        return tiered_q(notional, row.maintenance_num, deduction, market.rate_den, rounding)
    if market.shape == OPEN_INTEREST_SCALED:
        return maintenance_of_initial_q(notional, row.initial_num, row.maintenance_num, rounding)
    num = _rate(market, row, terms, size, False)
    base = abs_(cost) if market.shape == COST_SHARE else notional
    return fraction_q(base, num, market.rate_den, rounding)


@jit
def _initial_rate(market: Record, row: Record, terms: Record, size: int) -> Wide:
    """Numerator of a leg's rate of initial margin, with what open interest adds."""
    num = _rate(market, row, terms, size, True)
    if market.shape == OPEN_INTEREST_SCALED and market.open_upper_q > 0:
        open_q = _notional(market, terms, market.open_interest, market.mark)
        return open_interest_fraction_ppm(num, open_q, market.open_lower_q, market.open_upper_q)
    if market.shape == COST_SHARE and market.open_num > 0:
        open_q = _notional(market, terms, market.open_interest, market.mark)
        return open_interest_rate_num(num, market.rate_den, open_q, market.open_num, market.open_den)
    return num


@jit
def _required_initial(
    market: Record, rows: Records, terms: Record, chosen: Record, size: int, notional: Wide, cost: Wide
) -> Wide:
    """Initial margin of a leg by its rates and the leverage chosen for it (a numerator of 0 is none)."""
    rounding = terms.round_requirement
    base = abs_(cost) if market.shape == COST_SHARE else notional
    if chosen.num != 0 and market.at_opening:
        return fraction_q(base, chosen.den, chosen.num, rounding)
    row = rows[_rates_row(market, rows, size, notional)]
    required = fraction_q(base, _initial_rate(market, row, terms, size), market.rate_den, rounding)
    return with_leverage_q(required, base, chosen.num, chosen.den, rounding)


@jit
def _closing_cost(market: Record, terms: Record, notional: Wide, cost: Wide) -> Wide:
    """Estimated cost of closing a leg; 0 where the market has none."""
    if not market.closes:
        return wide(0)
    base = abs_(cost) if market.close_of_cost else notional
    num, den, rounding = market.close_num, market.close_den, terms.round_requirement
    return close_cost_q(base, num, den, market.close_lower_q, market.close_upper_q, rounding)


@jit
def _asked(market: Record, required: Wide, closing: Wide) -> Wide:
    """A requirement with the market's fixed amount and the estimated cost of closing."""
    if market.minimum_as == ADDED:
        return required + market.minimum_q + closing
    if market.minimum_as == FLOOR_BELOW:
        return max(required, market.minimum_q) + closing
    return max(required, market.minimum_q + closing)


@jit
def _maintenance(market: Record, rows: Records, terms: Record, size: int, cost: Wide, notional: Wide) -> Wide:
    if size == 0:
        return wide(0)
    required = _required_maintenance(market, rows, terms, size, notional, cost)
    return _asked(market, required, _closing_cost(market, terms, notional, cost))


@jit
def _initial(
    market: Record, rows: Records, terms: Record, chosen: Record, size: int, cost: Wide, price: int
) -> Wide:
    if size == 0:
        return wide(0)
    notional = _notional(market, terms, size, price)
    required = _required_initial(market, rows, terms, chosen, size, notional, cost)
    closing = wide(0)
    if market.close_in_initial:
        closing = _closing_cost(market, terms, notional, cost)
    return _asked(market, required, closing)


# -- one leg, by the number of its market ------------------------------------------------------------------------------


@jit
def worth_at(table: Table, number: int, size: int, price: int) -> Wide:
    """Signed worth of `size` in market `number` at `price`."""
    return _worth(table.markets[number], table.terms[0], size, price)


@jit
def notional_at(table: Table, number: int, size: int, price: int) -> Wide:
    """Absolute worth of `size` in market `number` at `price`, the base of requirements."""
    return _notional(table.markets[number], table.terms[0], size, price)


@jit
def funding_of(table: Table, number: int, size: int, epoch: int) -> Wide:
    """Funding that a leg settled to `epoch` would receive if it were settled now."""
    market = table.markets[number]
    if market.epoch == epoch or size == 0:
        return wide(0)
    now, then = table.funding[market.epoch], table.funding[epoch]
    delta = join(now.hi, now.lo) - join(then.hi, then.lo)
    return funding_payment_q(wide(size) * market.size_unit, delta, WAD, table.terms[0].round_funding)


@jit
def maintenance_at(table: Table, number: int, size: int, cost: int, price: int) -> Wide:
    """All that maintenance margin asks of a leg at a price."""
    market, terms = table.markets[number], table.terms[0]
    return _maintenance(market, table.rows, terms, size, wide(cost), _notional(market, terms, size, price))


@jit
def initial_at(table: Table, number: int, size: int, cost: Wide, leverage: int, price: int) -> Wide:
    """All that the rates of initial margin ask of a leg at a price (it may be less than maintenance margin)."""
    market, chosen = table.markets[number], table.leverages[leverage]
    return _initial(market, table.rows, table.terms[0], chosen, size, wide(cost), price)


@jit
def rates_row(table: Table, number: int, size: int, notional: Wide) -> int:
    """Place in `Table.rows` of the row whose rates count for a leg of this notional."""
    return _rates_row(table.markets[number], table.rows, size, notional)


@jit
def rate_of(table: Table, number: int, row: int, size: int, is_initial: bool) -> Wide:
    """Numerator (over the market's `rate_den`) of a leg's rate in a row, without what open interest adds."""
    return _rate(table.markets[number], table.rows[row], table.terms[0], size, is_initial)


@jit
def reached_initial(
    table: Table, number: int, size: int, cost: int, leverage: int, price: int, reached: int
) -> Wide:
    """Initial margin of the position that resting orders would lead to; 0 where it would only shrink."""
    same_side = (size > 0 and reached > 0) or (size < 0 and reached < 0)
    if reached == 0 or (same_side and abs(reached) <= abs(size)):
        return wide(0)
    spent = worth_at(table, number, reached, price)
    if same_side:
        spent = spent - worth_at(table, number, size, price) + cost
    return initial_at(table, number, reached, spent, leverage, price)


# -- what a leg and a subaccount are worth -----------------------------------------------------------------------------


@jit
def leg_surplus(table: Table, number: int, size: int, cost: int, epoch: int, price: int) -> Wide:
    """Worth of a leg at a price with unsettled funding, less its maintenance margin."""
    worth = worth_at(table, number, size, price) + funding_of(table, number, size, epoch)
    return worth - maintenance_at(table, number, size, cost, price)


@jit
def leg_risk(table: Table, block: Block, row: int, leg: int) -> Risk:
    """Risk of one leg of a subaccount at the present price, resting orders and unsettled funding included."""
    number, size, cost = block.market[row, leg], block.size[row, leg], block.cost[row, leg]
    price, leverage = table.markets[number].price, block.leverage[row, leg]
    worth = worth_at(table, number, size, price)
    maintenance = maintenance_at(table, number, size, cost, price)
    initial = initial_at(table, number, size, cost, leverage, price)
    if block.buys.shape[0]:
        for reached in (block.buys[row, leg], block.sells[row, leg]):
            initial = max(initial, reached_initial(table, number, size, cost, leverage, price, reached))
    initial = max(initial, maintenance)
    equity = worth + funding_of(table, number, size, block.epoch[row, leg])
    terms = table.terms[0]
    if terms.profit_cap_q != NO_CAP and not terms.cap_of_account and size != 0:
        initial = initial + uncounted_profit_q(equity - cost, terms.profit_cap_q)
    return equity, initial, maintenance, notional_at(table, number, size, price)


@jit
def pledge_worth(table: Table, asset: int, amount: int) -> Wide:
    """Worth of another asset after its haircut; a debt is charged in full."""
    held = table.assets[asset]
    den = join(held.worth_den_hi, held.worth_den_lo)
    raw = value_q(amount, held.price, held.worth_num, den, FLOOR)
    tier = table.rows[row_of(table.rows, held.rows_at, held.rows_end, max(raw, 0))]
    deduction = join(tier.deduction_hi, tier.deduction_lo)
    return collateral_value_q(raw, tier.maintenance_num, deduction, held.rate_den)


@jit
def pledge_margin(table: Table, asset: int, amount: int, worth: Wide, is_initial: bool) -> Wide:
    """What the weights of an asset ask of its worth."""
    held = table.assets[asset]
    if not held.weighs:
        return wide(0)
    if is_initial:
        num = held.long_initial_num if amount >= 0 else held.short_initial_num
    else:
        num = held.long_maintenance_num if amount >= 0 else held.short_maintenance_num
    return fraction_q(abs_(worth), num, held.weight_den, table.terms[0].round_requirement)


@jit
def pledges_risk(table: Table, block: Block, row: int) -> Risk:
    """Quote balance and all other assets of a subaccount."""
    equity, initial, maintenance = wide(block.cash[row]), wide(0), wide(0)
    for place in range(block.asset.shape[1]):
        asset, amount = block.asset[row, place], block.amount[row, place]
        if amount == 0:
            continue
        worth = pledge_worth(table, asset, amount)
        equity = equity + worth
        initial = initial + pledge_margin(table, asset, amount, worth, True)
        maintenance = maintenance + pledge_margin(table, asset, amount, worth, False)
    return equity, max(initial, maintenance), maintenance, wide(0)


@jit
def summed_risk(table: Table, block: Block, row: int) -> Risk:
    """Risk of a subaccount, but for what initial margin leaves out of the profit of all positions together."""
    equity, initial, maintenance, notional = pledges_risk(table, block, row)
    for leg in range(block.size.shape[1]):
        one_equity, one_initial, one_maintenance, one_notional = leg_risk(table, block, row, leg)
        equity, initial = equity + one_equity, initial + one_initial
        maintenance, notional = maintenance + one_maintenance, notional + one_notional
    return equity, initial, maintenance, notional


@jit
def uncounted_q(table: Table, block: Block, row: int) -> Wide:
    """What initial margin does not let count of the price profit of all positions together."""
    terms, profit = table.terms[0], wide(0)
    if terms.profit_cap_q == NO_CAP or not terms.cap_of_account:
        return wide(0)
    for leg in range(block.size.shape[1]):
        number = block.market[row, leg]
        worth = worth_at(table, number, block.size[row, leg], table.markets[number].price)
        profit = profit + worth - block.cost[row, leg]
    return uncounted_profit_q(profit, terms.profit_cap_q)


@jit
def row_risk(table: Table, block: Block, row: int) -> Risk:
    """Risk of a whole subaccount: `clearing.risk.subaccount_risk`."""
    equity, initial, maintenance, notional = summed_risk(table, block, row)
    return equity, initial + uncounted_q(table, block, row), maintenance, notional


@jit
def row_equity_and_maintenance(table: Table, block: Block, row: int) -> tuple[Wide, Wide]:
    """The two numbers that decide, without initial margin."""
    equity, maintenance = wide(block.cash[row]), wide(0)
    if block.asset.shape[1]:
        equity, _, maintenance, _ = pledges_risk(table, block, row)
    rows, terms = table.rows, table.terms[0]
    for leg in range(block.size.shape[1]):
        market, size = table.markets[block.market[row, leg]], block.size[row, leg]
        cost = wide(block.cost[row, leg])
        equity = equity + _worth(market, terms, size, market.price)
        if market.epoch != block.epoch[row, leg]:
            equity = equity + funding_of(table, block.market[row, leg], size, block.epoch[row, leg])
        notional = _notional(market, terms, size, market.price)
        maintenance = maintenance + _maintenance(market, rows, terms, size, cost, notional)
    return equity, maintenance


# -- the decision ------------------------------------------------------------------------------------------------------


@jit
def is_judged(block: Block, row: int) -> bool:
    """Whether a subaccount can be liquidatable at all: no system one, and it has a position or owes something."""
    if block.flags[row] & SYSTEM:
        return False
    for leg in range(block.size.shape[1]):
        if block.size[row, leg] != 0:
            return True
    for place in range(block.amount.shape[1]):
        if block.amount[row, place] < 0:
            return True
    return block.cash[row] < 0


@jit
def is_short(table: Table, equity: Wide, maintenance: Wide) -> bool:
    """The trigger: below maintenance margin, or at it where the policy says so; never without a requirement."""
    return maintenance > 0 and equity - maintenance < table.terms[0].at_equality


@jit
def is_liquidatable(table: Table, block: Block, row: int) -> bool:
    """`clearing.risk.is_liquidatable` of a subaccount, exactly."""
    if not is_judged(block, row):
        return False
    if block.flags[row] & FLAGGED:
        return True
    equity, maintenance = row_equity_and_maintenance(table, block, row)
    return is_short(table, equity, maintenance)
