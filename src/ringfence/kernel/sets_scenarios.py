"""Portfolio margin by scenarios, to the atom: `clearing.scenarios` in 128 bits.

Rules are those of `_rules`, generated from `rules/scenario.py`; this module walks over the legs and assets of a row and
hands them over.
"""
# mypy: no-warn-return-any

from ..rules.words import FLOOR
from ._rules import basis_loss_q, discounted_q, moved_q, naked_b, scenario_margin_q, shifted_q, value_q
from .columns import Block
from .jit import jit
from .legs import Record
from .sets_nets import (
    doubted_q,
    expiry_confidence,
    expiry_of,
    group_of,
    is_option_of,
    is_perp_of,
    lots_of_expiry,
    perp_lots,
    spot_q,
    starts_expiry,
    starts_group,
)
from .sets_row import amount_at, asset_at, asset_worth, assets_in, legs_in, lots_at, market_at, worth_of
from .sets_table import Scenarios
from .table import NOWHERE, Table
from .wide import Wide, join, max_, mul_div_up, wide


@jit
def priced_q(sets: Scenarios, block: Block, row: int, expiry: int, at: int) -> Wide:
    """Worth of one expiry at a price of the grids: bought lots at the lower price, sold ones at the higher."""
    total = wide(0)
    for leg in range(legs_in(block, row)):
        if expiry_of(sets, block, row, leg) == expiry:
            number, size = market_at(block, row, leg), lots_at(block, row, leg)
            market = sets.markets[number]
            price = sets.grids[market.grid, 0 if size > 0 else 1, at]
            den = join(market.worth_den_hi, market.worth_den_lo)
            total = total + value_q(size, market.worth_num, price, den, FLOOR)
    return total


@jit
def expiry_worth(table: Table, sets: Scenarios, block: Block, row: int, expiry: int) -> Wide:
    """Worth of one expiry at the marks."""
    total = wide(0)
    for leg in range(legs_in(block, row)):
        if expiry_of(sets, block, row, leg) == expiry:
            total = total + worth_of(table, block, row, leg)
    return total


@jit
def change_q(table: Table, sets: Scenarios, block: Block, row: int, group: int, at: int) -> Wide:
    """Change of worth of all that nets with an underlying, in one scenario."""
    scenario, total = sets.scenarios[at], wide(0)
    price_num, weight_num, den = scenario.price_num, scenario.weight_num, scenario.den
    for leg in range(legs_in(block, row)):
        if is_perp_of(block, row, leg, group):
            total = total + moved_q(worth_of(table, block, row, leg), price_num, weight_num, den)
        elif starts_expiry(sets, block, row, leg, group):
            expiry = expiry_of(sets, block, row, leg)
            term = sets.expiries[expiry]
            shocked = priced_q(sets, block, row, expiry, at)
            counted = discounted_q(shocked, term.gain_num, term.debt_num, term.term_den)
            now = expiry_worth(table, sets, block, row, expiry)
            total = total + shifted_q(counted, now, weight_num, den, scenario.either_way == 1)
    for place in range(assets_in(block, row)):
        if group_of(sets, block, row, legs_in(block, row) + place) == group:
            total = total + moved_q(asset_worth(table, block, row, place), price_num, weight_num, den)
    return total


@jit
def basis_q(table: Table, sets: Scenarios, block: Block, row: int, group: int) -> Wide:
    """What the forwards of all expiries of an underlying may lose against spot."""
    total, last = wide(0), sets.grids.shape[2] - 1
    if not sets.rule[0].charges_basis:
        return total
    for leg in range(legs_in(block, row)):
        if starts_expiry(sets, block, row, leg, group):
            expiry = expiry_of(sets, block, row, leg)
            term, now = sets.expiries[expiry], expiry_worth(table, sets, block, row, expiry)
            up = priced_q(sets, block, row, expiry, last - 1) - now
            down = priced_q(sets, block, row, expiry, last) - now
            total = total + basis_loss_q(
                up, down, term.basis_add_num, term.basis_yearly_num, term.basis_den, term.life, term.year
            )
    return total


@jit
def loss_q(table: Table, sets: Scenarios, block: Block, row: int, group: int) -> Wide:
    """The worst of the scenarios and the basis charge of an underlying; never below zero."""
    worst = max_(basis_q(table, sets, block, row, group), 0)
    for at in range(sets.scenarios.size):
        worst = max_(worst, -change_q(table, sets, block, row, group, at))
    return worst


@jit
def naked_lots(sets: Scenarios, block: Block, row: int, group: int) -> Wide:
    """Options sold without others of their strike and expiry against them."""
    total, legs = wide(0), legs_in(block, row)
    for first in range(legs):
        if not is_option_of(sets, block, row, first, group):
            continue
        one, calls, puts, is_first = sets.markets[market_at(block, row, first)], wide(0), wide(0), True
        for leg in range(legs):
            other = sets.markets[market_at(block, row, leg)]
            if expiry_of(sets, block, row, leg) != one.expiry or other.strike != one.strike:
                continue
            is_first = is_first and leg >= first
            if other.is_call:
                calls = calls + lots_at(block, row, leg)
            else:
                puts = puts + lots_at(block, row, leg)
        if is_first:
            total = total + naked_b(calls, puts)
    return total


@jit
def unpegged_q(table: Table, sets: Scenarios, block: Block, row: int, place: int) -> Wide:
    """Worth of an asset in what the quote asset stands for."""
    rule = sets.rule[0]
    return mul_div_up(max_(asset_worth(table, block, row, place), 0), rule.quote_num, rule.quote_den)


@jit
def charges_q(table: Table, sets: Scenarios, block: Block, row: int, group: int) -> tuple[Wide, Wide]:
    """Charges on perps, on options sold alone and on moving collateral of an underlying, for both margins."""
    rule, assets = sets.rule[0], wide(0)
    for place in range(assets_in(block, row)):
        if group_of(sets, block, row, legs_in(block, row) + place) == group:
            assets = assets + unpegged_q(table, sets, block, row, place)
    perps = spot_q(sets, group, perp_lots(block, row, group))
    options, den = spot_q(sets, group, naked_lots(sets, block, row, group)), rule.charge_den
    initial = mul_div_up(perps, rule.perp_initial_num, den)
    initial = initial + mul_div_up(options, rule.option_initial_num, den)
    maintenance = mul_div_up(perps, rule.perp_maintenance_num, den)
    maintenance = maintenance + mul_div_up(options, rule.option_maintenance_num, den)
    return (
        initial + mul_div_up(assets, rule.asset_initial_num, den),
        maintenance + mul_div_up(assets, rule.asset_maintenance_num, den),
    )


@jit
def group_doubt_q(table: Table, sets: Scenarios, block: Block, row: int, group: int) -> Wide:
    """Charge for doubtful prices of an underlying, its options and the collateral that is charged with them."""
    rule, sure, legs = sets.rule[0], sets.markets[group].index_confidence, legs_in(block, row)
    lots = perp_lots(block, row, group)
    if lots > 0:
        sure = min(sure, sets.markets[group].confidence)
    total = doubted_q(sets, spot_q(sets, group, lots), sure, rule.perp_below)
    for leg in range(legs):
        if starts_expiry(sets, block, row, leg, group):
            expiry = expiry_of(sets, block, row, leg)
            least = expiry_confidence(sets, block, row, expiry, sure)
            written = spot_q(sets, group, lots_of_expiry(sets, block, row, expiry, False))
            total = total + doubted_q(sets, written, least, rule.option_below)
    for place in range(assets_in(block, row)):
        if rule.scales_charges and group_of(sets, block, row, legs + place) == group:
            least = min(sure, sets.assets[asset_at(block, row, place)].confidence)
            amount = unpegged_q(table, sets, block, row, place)
            total = total + doubted_q(sets, amount, least, rule.asset_below)
    return total


@jit
def still_doubt_q(table: Table, sets: Scenarios, block: Block, row: int) -> Wide:
    """Charge for doubtful prices of all other collateral, which are never surer than the spot of what is held."""
    rule, legs, total, sure, known = sets.rule[0], legs_in(block, row), wide(0), 0, False
    for item in range(legs + assets_in(block, row)):
        if starts_group(sets, block, row, item):
            confidence = sets.markets[group_of(sets, block, row, item)].index_confidence
            sure, known = min(sure, confidence) if known else confidence, True
    if not known:
        sure = rule.still_confidence
    for place in range(assets_in(block, row)):
        if amount_at(block, row, place) == 0:
            continue
        if rule.scales_charges and group_of(sets, block, row, legs + place) != NOWHERE:
            continue
        least = min(sure, sets.assets[asset_at(block, row, place)].confidence)
        amount = max_(asset_worth(table, block, row, place), 0)
        total = total + doubted_q(sets, amount, least, rule.asset_below)
    return total


@jit
def share_q(rule: Record, loss: Wide, charges: Wide, share_num: int) -> Wide:
    """One margin of one underlying, without doubts."""
    scaled, added = (charges, wide(0)) if rule.scales_charges else (wide(0), charges)
    return scenario_margin_q(loss, scaled, added, share_num, rule.share_den)


@jit
def scenario_margins(
    table: Table, sets: Scenarios, block: Block, row: int, with_initial: bool
) -> tuple[Wide, Wide]:
    """Initial (where asked for, else 0) and maintenance margin: underlyings one by one, and doubt about the rest."""
    rule, initial, maintenance = sets.rule[0], wide(0), wide(0)
    for item in range(legs_in(block, row) + assets_in(block, row)):
        if not starts_group(sets, block, row, item):
            continue
        group = group_of(sets, block, row, item)
        loss = loss_q(table, sets, block, row, group)
        initial_charges, charges = charges_q(table, sets, block, row, group)
        maintenance = maintenance + share_q(rule, loss, charges, rule.maintenance_num)
        if with_initial:
            initial = initial + share_q(rule, loss, initial_charges, rule.initial_num)
            if rule.doubt_num > 0:
                initial = initial + group_doubt_q(table, sets, block, row, group)
    if with_initial:
        if rule.doubt_num > 0:
            initial = initial + still_doubt_q(table, sets, block, row)
        initial = max_(initial, maintenance)
    return initial, maintenance
