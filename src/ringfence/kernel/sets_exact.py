"""What a rule over sets asks of a subaccount, and whether that is liquidatable: `clearing.portfolio` in 128 bits.

Caps on profits (`clearing.liquidity`) are one of them: they ask for nothing, and take from equity what is not paid.

Rules are those of `_rules`, generated from `rules/`; this module walks over the legs and assets of a row and hands them
over. The type of `sets` says which rule it is, and only that one is compiled.
"""
# mypy: disable-error-code="no-any-return, no-untyped-def, untyped-decorator"
# ruff: noqa: ANN001, ANN202, ARG001 - the compiler's ways of choosing by type have no types of their own

import numpy as np
from numba.extending import overload
from numpy.typing import NDArray

from ._rules import (
    capped_profit,
    debt_value,
    fraction_q,
    spread_basis,
    spread_relief_q,
    uncounted_profit_q,
)
from .columns import FLAGGED, SYSTEM, Block
from .jit import jit
from .legs import (
    Risk,
    funding_of,
    is_judged,
    is_short,
    maintenance_at,
    pledges_risk,
    summed_risk,
    uncounted_q,
    worth_at,
)
from .sets_nets import is_perp_of
from .sets_row import (
    amount_at,
    asset_at,
    asset_rates,
    asset_worth,
    assets_in,
    cost_at,
    legs_in,
    lots_at,
    perp_rates,
    rounding_of,
    worth_of,
)
from .sets_scenarios import scenario_margins
from .sets_standard import standard_margins
from .sets_table import Caps, Debts, Scenarios, Sets, Spreads
from .table import NO_CAP, Table
from .wide import Wide, abs_, join, max_, mul_div_down, narrow, wide

Ints = NDArray[np.int64]


@jit
def debt_margin(table: Table, sets: Debts, block: Block, row: int) -> Wide:
    """Initial margin on what positions owe."""
    sold, spent = wide(0), wide(0)
    for leg in range(legs_in(block, row)):
        spent = spent + cost_at(block, row, leg)
        if lots_at(block, row, leg) < 0:
            sold = sold - worth_of(table, block, row, leg)
    rule = sets.rule[0]
    return fraction_q(debt_value(sold, -spent), rule.owed_num, rule.owed_den, rounding_of(table))


@jit
def hedged_q(table: Table, sets: Spreads, block: Block, row: int, place: int, leg: int) -> Wide:
    """Worth of the parts of an asset and of the perp that it follows which cancel, both together; rounded down."""
    asset = sets.assets[asset_at(block, row, place)]
    amount = wide(amount_at(block, row, place)) * asset.amount_scale
    size = wide(lots_at(block, row, leg)) * asset.size_scale
    basis = spread_basis(amount, size)
    if basis == 0:
        return wide(0)
    asset_q = mul_div_down(abs_(asset_worth(table, block, row, place)), basis, abs_(amount))
    return asset_q + mul_div_down(abs_(worth_of(table, block, row, leg)), basis, abs_(size))


@jit
def spread_credit(table: Table, sets: Spreads, block: Block, row: int) -> tuple[Wide, Wide]:
    """What all pairs of an asset and the perp that it follows are given back, of both margins."""
    initial, maintenance, rule = wide(0), wide(0), sets.rule[0]
    for place in range(assets_in(block, row)):
        group = sets.assets[asset_at(block, row, place)].group
        for leg in range(legs_in(block, row)):
            if amount_at(block, row, place) == 0 or not is_perp_of(block, row, leg, group):
                continue
            hedged = hedged_q(table, sets, block, row, place, leg)
            perp_initial, perp, perp_den = perp_rates(table, group)
            asset_initial, asset, asset_den = asset_rates(table, asset_at(block, row, place))
            is_owned = amount_at(block, row, place) > 0
            kept_den = wide(perp_den if is_owned else asset_den) * rule.kept_den
            kept_num = wide(perp_initial if is_owned else asset_initial) * rule.kept_num
            initial = initial + spread_relief_q(
                hedged, asset_initial, asset_den, perp_initial, perp_den, kept_num, kept_den
            )
            kept_num = wide(perp if is_owned else asset) * rule.kept_num
            maintenance = maintenance + spread_relief_q(
                hedged, asset, asset_den, perp, perp_den, kept_num, kept_den
            )
    return initial, maintenance


# -- caps on profits ---------------------------------------------------------------------------------------------------


@jit
def withheld_of(table: Table, sets: Caps, block: Block, row: int, leg: int) -> Wide:
    """The part of a position's profit that the liquidity behind its market does not pay; system ones are paid all."""
    size = block.size[row, leg]
    side = sets.sides[block.market[row, leg], 0 if size > 0 else 1]
    if size == 0 or side.withheld == 0.0 or block.flags[row] & SYSTEM:
        return wide(0)
    profit = worth_of(table, block, row, leg) - block.cost[row, leg]
    return profit - capped_profit(profit, join(side.owed_hi, side.owed_lo), join(side.most_hi, side.most_lo))


@jit
def twice_uncounted(table: Table, sets: Caps, block: Block, row: int) -> Wide:
    """What initial margin would leave out of profits, position by position, though equity is already without it."""
    terms, total = table.terms[0], wide(0)
    if terms.profit_cap_q == NO_CAP or terms.cap_of_account:
        return total
    for leg in range(block.size.shape[1]):
        number, size = block.market[row, leg], block.size[row, leg]
        profit = worth_of(table, block, row, leg) + funding_of(table, number, size, block.epoch[row, leg])
        profit = profit - block.cost[row, leg]
        paid = profit - withheld_of(table, sets, block, row, leg)
        total = total + uncounted_profit_q(profit, terms.profit_cap_q)
        total = total - uncounted_profit_q(paid, terms.profit_cap_q)
    return total


def withheld(table: Table, sets: Sets, block: Block, row: int) -> Wide:
    """What is not paid of all profits of a row."""
    raise NotImplementedError  # the type of `sets` chooses, below


@overload(withheld)
def _choose_withheld(table, sets, block, row):
    return _withheld if sets.instance_class is Caps else _all_paid


def _withheld(table, sets, block, row):
    total = wide(0)
    for leg in range(block.size.shape[1]):
        total = total + withheld_of(table, sets, block, row, leg)
    return total


def _all_paid(table, sets, block, row):
    return wide(0)


# -- what a row is asked -----------------------------------------------------------------------------------------------


def asked(
    table: Table,
    sets: Sets,
    block: Block,
    row: int,
    legs_initial: Wide,
    legs_maintenance: Wide,
    with_initial: bool,
) -> tuple[Wide, Wide]:
    """What the set rule asks, where the markets' own requirements add up to `legs_...`; initial margin if wanted."""
    raise NotImplementedError  # the type of `sets` chooses, below


@overload(asked)
def _choose(table, sets, block, row, legs_initial, legs_maintenance, with_initial):
    kind = sets.instance_class
    if kind is Spreads:
        return _spread
    if kind is Debts:
        return _debt
    if kind is Caps:
        return _capped
    return _scenario if kind is Scenarios else _standard


def _spread(table, sets, block, row, legs_initial, legs_maintenance, with_initial):
    credit_initial, credit = spread_credit(table, sets, block, row)
    return legs_initial - credit_initial, legs_maintenance - credit


def _debt(table, sets, block, row, legs_initial, legs_maintenance, with_initial):
    return debt_margin(table, sets, block, row), legs_maintenance


def _capped(table, sets, block, row, legs_initial, legs_maintenance, with_initial):
    if with_initial:
        legs_initial = legs_initial - twice_uncounted(table, sets, block, row)
    return legs_initial, legs_maintenance


def _scenario(table, sets, block, row, legs_initial, legs_maintenance, with_initial):
    return scenario_margins(table, sets, block, row, with_initial)


def _standard(table, sets, block, row, legs_initial, legs_maintenance, with_initial):
    beside_initial, beside = standard_margins(table, sets, block, row, with_initial)
    maintenance = legs_maintenance + beside
    return max_(legs_initial + beside_initial, maintenance), maintenance


def least_q(table: Table, sets: Sets, block: Block, row: int) -> int:
    """Maintenance margin is this at least: an atom of whoever has a position."""
    raise NotImplementedError  # the type of `sets` chooses, below


@overload(least_q)
def _choose_least(table, sets, block, row):
    return _least_by_markets if sets.instance_class is Caps else _least


def _least(table, sets, block, row):
    for leg in range(block.size.shape[1]):
        if block.size[row, leg] != 0:
            return 1
    return 0


def _least_by_markets(table, sets, block, row):
    """Nobody is asked for what no market asks; one with a fixed amount does."""
    for leg in range(block.size.shape[1]):
        if block.size[row, leg] != 0 and table.markets[block.market[row, leg]].minimum_q > 0:
            return 1
    return 0


@jit
def row_equity_and_maintenance(table: Table, sets: Sets, block: Block, row: int) -> tuple[Wide, Wide]:
    """The two numbers that decide, without initial margin."""
    equity, _, held, _ = pledges_risk(table, block, row)
    legs_q = wide(0)
    for leg in range(block.size.shape[1]):
        number, size = block.market[row, leg], block.size[row, leg]
        equity = equity + worth_of(table, block, row, leg)
        equity = equity + funding_of(table, number, size, block.epoch[row, leg])
        legs_q = legs_q + maintenance_at(
            table, number, size, block.cost[row, leg], table.markets[number].price
        )
    _, set_q = asked(table, sets, block, row, wide(0), legs_q, False)
    equity = equity - withheld(table, sets, block, row)
    return equity, max_(held + set_q, least_q(table, sets, block, row))


@jit
def row_risk(table: Table, sets: Sets, block: Block, row: int) -> Risk:
    """Risk of a whole subaccount, resting orders only as far as a leg by itself asks for them."""
    equity, initial, maintenance, notional = summed_risk(table, block, row)
    _, held_initial, held, _ = pledges_risk(table, block, row)
    set_initial, set_maintenance = asked(
        table, sets, block, row, initial - held_initial, maintenance - held, True
    )
    initial = held_initial + set_initial + uncounted_q(table, block, row)
    maintenance = max_(held + set_maintenance, least_q(table, sets, block, row))
    equity = equity - withheld(table, sets, block, row)
    return equity, max_(initial, maintenance), maintenance, notional


@jit
def is_liquidatable(table: Table, sets: Sets, block: Block, row: int) -> bool:
    """`clearing.risk.is_liquidatable` of a subaccount, exactly."""
    if not is_judged(block, row):
        return False
    if block.flags[row] & FLAGGED:
        return True
    equity, maintenance = row_equity_and_maintenance(table, sets, block, row)
    return is_short(table, equity, maintenance)


# -- orders ------------------------------------------------------------------------------------------------------------


@jit
def fill_costs(table: Table, block: Block, reached: Ints, cost: Ints) -> None:
    """What the positions that resting orders would lead to cost; lots that are added cost what they are worth."""
    for row in range(block.cash.size):
        for leg in range(block.size.shape[1]):
            number, size, after = block.market[row, leg], block.size[row, leg], reached[row, leg]
            kept, price = wide(block.cost[row, leg]), table.markets[number].price
            same_side = (size > 0 and after > 0) or (size < 0 and after < 0)
            if not same_side:
                kept = worth_at(table, number, after, price)
            elif abs(after) > abs(size):
                kept = kept + worth_at(table, number, after, price) - worth_at(table, number, size, price)
            else:
                kept = mul_div_down(kept, abs(after), abs(size))
            cost[row, leg] = narrow(kept)
