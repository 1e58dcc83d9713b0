"""Standard margin, every short option alone or all of an expiry, to the atom: `clearing.standard` in 128 bits.

Rules are those of `_rules`, generated from `rules/option_margin.py`.
"""
# mypy: no-warn-return-any

from ..rules.words import CEIL, FLOOR
from ._rules import expiry_q, fraction_q, in_the_money, out_of_the_money, short_initial_q, short_maintenance_q
from .columns import Block
from .jit import jit
from .sets_nets import (
    at_price,
    doubted_q,
    expiry_confidence,
    expiry_of,
    group_of,
    lots_of_expiry,
    perp_lots,
    spot_q,
    starts_expiry,
    starts_group,
)
from .sets_row import amount_at, asset_at, asset_worth, assets_in, legs_in, lots_at, market_at, worth_of
from .sets_table import Standards
from .table import NOWHERE, Table
from .wide import Wide, abs_, join, max_, min_, mul_div_down, wide


@jit
def alone_q(table: Table, sets: Standards, block: Block, row: int, leg: int) -> tuple[Wide, Wide]:
    """Both margins of one option alone; nothing for a long one."""
    size, option, rule = lots_at(block, row, leg), sets.markets[market_at(block, row, leg)], sets.rule[0]
    if size >= 0:
        return wide(0), wide(0)
    spot, mark = sets.markets[option.group].spot, abs_(worth_of(table, block, row, leg))
    underlying = at_price(sets, option.group, wide(size), spot, CEIL)
    rate_num = rule.call_num if option.is_call else rule.put_num
    mark_num = 0 if option.is_call else rule.put_mark_num
    maintenance = short_maintenance_q(mark, underlying, rate_num, mark_num, rule.option_den, CEIL)
    out = out_of_the_money(option.strike, spot, option.is_call == 1)
    out_q = at_price(sets, option.group, wide(size), out, FLOOR)
    initial = short_initial_q(
        mark, underlying, out_q, rule.highest_num, rule.lowest_num, rule.option_den, CEIL
    )
    if not option.is_call:
        initial = max_(initial, fraction_q(maintenance, rule.put_floor_num, rule.option_den, CEIL))
    return max_(initial, maintenance), maintenance


@jit
def settlement_q(sets: Standards, block: Block, row: int, expiry: int, price: int) -> Wide:
    """What an expiry pays at a settlement price; rounds down."""
    paid, group = wide(0), 0
    for leg in range(legs_in(block, row)):
        if expiry_of(sets, block, row, leg) == expiry:
            option = sets.markets[market_at(block, row, leg)]
            paid = paid + wide(lots_at(block, row, leg)) * in_the_money(
                option.strike, price, option.is_call == 1
            )
            group = option.group
    market = sets.markets[group]
    return mul_div_down(paid, market.worth_num, join(market.worth_den_hi, market.worth_den_lo))


@jit
def worst_settlement_q(sets: Standards, block: Block, row: int, expiry: int) -> Wide:
    """Least that an expiry pays over the settlement prices where its payoff bends: zero and every strike."""
    worst = settlement_q(sets, block, row, expiry, 0)
    for leg in range(legs_in(block, row)):
        if expiry_of(sets, block, row, leg) == expiry:
            strike = sets.markets[market_at(block, row, leg)].strike
            worst = min_(worst, settlement_q(sets, block, row, expiry, strike))
    return worst


@jit
def unpaired_q(sets: Standards, block: Block, row: int, expiry: int) -> tuple[Wide, Wide]:
    """What the calls sold beyond those bought ask at a stressed forward, for both margins."""
    calls, group, rule = wide(0), 0, sets.rule[0]
    for leg in range(legs_in(block, row)):
        option = sets.markets[market_at(block, row, leg)]
        if expiry_of(sets, block, row, leg) == expiry and option.is_call:
            calls, group = calls + lots_at(block, row, leg), option.group
    worth = at_price(sets, group, min_(calls, 0), sets.expiries[expiry].forward, CEIL)
    return (
        fraction_q(worth, rule.unpaired_initial_num, rule.option_den, CEIL),
        fraction_q(worth, rule.unpaired_maintenance_num, rule.option_den, CEIL),
    )


@jit
def expiry_margins(table: Table, sets: Standards, block: Block, row: int, expiry: int) -> tuple[Wide, Wide]:
    """Both margins of all options of one expiry, with their worth that equity counts and the rule does not."""
    initial, maintenance, uncounted, rule = wide(0), wide(0), wide(0), sets.rule[0]
    for leg in range(legs_in(block, row)):
        if expiry_of(sets, block, row, leg) == expiry:
            alone_initial, alone = alone_q(table, sets, block, row, leg)
            initial, maintenance = initial + alone_initial, maintenance + alone
            if lots_at(block, row, leg) < 0 or not rule.longs_count:
                worth = abs_(worth_of(table, block, row, leg))
                uncounted = uncounted + (worth if lots_at(block, row, leg) > 0 else -worth)
    if rule.netted:
        worst = worst_settlement_q(sets, block, row, expiry)
        beyond_initial, beyond = unpaired_q(sets, block, row, expiry)
        initial = expiry_q(initial, worst, beyond_initial)
        maintenance = expiry_q(maintenance, worst, beyond)
    return initial + uncounted, maintenance + uncounted


@jit
def penalties_q(table: Table, sets: Standards, block: Block, row: int, group: int) -> Wide:
    """Initial margin for doubtful prices of an underlying and for a fallen quote asset."""
    rule, market, legs = sets.rule[0], sets.markets[group], legs_in(block, row)
    sure, perps = market.index_confidence, perp_lots(block, row, group)
    exposed = perps
    total = doubted_q(sets, spot_q(sets, group, perps), min(sure, market.confidence), rule.perp_below)
    for leg in range(legs):
        if starts_expiry(sets, block, row, leg, group):
            expiry = expiry_of(sets, block, row, leg)
            sold = lots_of_expiry(sets, block, row, expiry, True)
            least = expiry_confidence(sets, block, row, expiry, sure)
            total = total + doubted_q(sets, spot_q(sets, group, sold), least, rule.option_below)
            exposed = exposed + sold
    for place in range(assets_in(block, row)):
        if group_of(sets, block, row, legs + place) == group:
            least = min(sure, sets.assets[asset_at(block, row, place)].confidence)
            total = total + doubted_q(
                sets, max_(asset_worth(table, block, row, place), 0), least, rule.asset_below
            )
    return total + fraction_q(spot_q(sets, group, exposed), rule.lost_num, rule.lost_den, CEIL)


@jit
def still_doubt_q(table: Table, sets: Standards, block: Block, row: int) -> Wide:
    """Charge for doubtful prices of collateral that follows no market: it is as sure as its own source."""
    total, legs = wide(0), legs_in(block, row)
    for place in range(assets_in(block, row)):
        if amount_at(block, row, place) != 0 and group_of(sets, block, row, legs + place) == NOWHERE:
            confidence = sets.assets[asset_at(block, row, place)].confidence
            amount = max_(asset_worth(table, block, row, place), 0)
            total = total + doubted_q(sets, amount, confidence, sets.rule[0].asset_below)
    return total


@jit
def standard_margins(
    table: Table, sets: Standards, block: Block, row: int, with_initial: bool
) -> tuple[Wide, Wide]:
    """What is asked beside the markets' own requirements: for initial (without `with_initial` in part), maintenance."""
    initial, maintenance, legs = wide(0), wide(0), legs_in(block, row)
    for item in range(legs + assets_in(block, row)):
        if not starts_group(sets, block, row, item):
            continue
        group = group_of(sets, block, row, item)
        if with_initial:
            initial = initial + penalties_q(table, sets, block, row, group)
        for leg in range(legs):
            if starts_expiry(sets, block, row, leg, group):
                expiry = expiry_of(sets, block, row, leg)
                expiry_initial, expiry_maintenance = expiry_margins(table, sets, block, row, expiry)
                initial, maintenance = initial + expiry_initial, maintenance + expiry_maintenance
    if with_initial:
        initial = initial + still_doubt_q(table, sets, block, row)
    return initial, maintenance
