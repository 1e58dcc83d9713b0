"""The float reading of a rule over sets: surplus of a row, and the radius within which the exact surplus lies.

As in `legs_f64`, a float is off by a share of what was added up and by the atoms that the rules' own roundings move.
What a rule makes of a row is sums, multiples by fixed rates, and choices of the larger or smaller: none of these makes
an error more than its own multiple of it. So every amount here is a triple: the value, the magnitude of what was added
up to it, and its atoms. The proof is in docs/explain/exactness.md.
"""
# mypy: disable-error-code="no-any-return, no-untyped-def, untyped-decorator"
# ruff: noqa: ANN001, ANN202, ARG001 - the compiler's ways of choosing by type have no types of their own

from numba.extending import overload

from ._rules import in_the_money
from .columns import SYSTEM, Block
from .jit import jit
from .legs_f64 import asset_f64, leg_f64, notional_f64, rest_surplus_f64, share_of
from .sets_nets import (
    expiry_of,
    group_of,
    is_option_of,
    is_perp_of,
    starts_expiry,
    starts_group,
)
from .sets_table import Caps, Debts, Netting, Scenarios, Sets, Spreads, Standards
from .table import Table
from .wide import to_float

Triple = tuple[float, float, float]
NOTHING = (0.0, 0.0, 0.0)


@jit
def _plus(first: Triple, second: Triple) -> Triple:
    return first[0] + second[0], first[1] + second[1], first[2] + second[2]


@jit
def _times(share: float, amount: Triple) -> Triple:
    """A multiple, by a share that is not negative, and an atom for its rounding."""
    return share * amount[0], share * amount[1], share * amount[2] + 1.0


@jit
def _worth(table: Table, block: Block, row: int, leg: int) -> Triple:
    """Signed worth of a leg."""
    market, size = table.markets[block.market[row, leg]], block.size[row, leg]
    notional = notional_f64(market, size, float(market.price))
    return notional if size > 0 else -notional, notional, 1.0


@jit
def _asset(table: Table, block: Block, row: int, place: int) -> Triple:
    """What equity counts another asset for."""
    worth, raw = asset_f64(table, block.asset[row, place], block.amount[row, place])
    return worth, 3.0 * abs(raw), 2.0


@jit
def _at_price(table: Table, group: int, lots: float, gross: float, price: int) -> Triple:
    """Worth of lots of an underlying; `gross` is what was added up to them, without signs."""
    unit = float(price) * table.markets[group].worth
    return lots * unit, gross * unit, 1.0


# -- spreads -----------------------------------------------------------------------------------------------------------


@jit
def _pair(table: Table, sets: Spreads, block: Block, row: int, place: int, leg: int) -> Triple:
    """What one pair of an asset and the perp on it is given back of maintenance margin."""
    asset, held = sets.assets[block.asset[row, place]], table.assets[block.asset[row, place]]
    owned, market = block.amount[row, place] > 0, table.markets[block.market[row, leg]]
    if owned == (block.size[row, leg] > 0):
        return NOTHING
    amount = abs(float(block.amount[row, place])) * asset.amount_scale
    size = abs(float(block.size[row, leg])) * asset.size_scale
    basis, rule = min(amount, size), sets.rule[0]
    asset_rate = held.long_maintenance_num / held.weight_den
    perp_rate = table.rows[market.rows_at].maintenance_num / market.rate_den
    kept = (perp_rate if owned else asset_rate) * rule.kept_num / rule.kept_den
    found, rest = _asset(table, block, row, place), _worth(table, block, row, leg)
    hedged = abs(found[0]) * (basis / amount) + abs(rest[0]) * (basis / size)
    rate, rates = (asset_rate + perp_rate) / 2.0 - kept, asset_rate + perp_rate + kept
    return hedged * rate, (found[1] + rest[1]) * rates, (found[2] + rest[2] + 2.0) * rates + 1.0


@jit
def _credit(table: Table, sets: Spreads, block: Block, row: int) -> Triple:
    total = NOTHING
    for place in range(block.asset.shape[1]):
        for leg in range(block.size.shape[1]):
            group = sets.assets[block.asset[row, place]].group
            if block.amount[row, place] != 0 and is_perp_of(block, row, leg, group):
                total = _plus(total, _pair(table, sets, block, row, place, leg))
    return total


# -- scenarios ---------------------------------------------------------------------------------------------------------


@jit
def _priced(table: Table, sets: Scenarios, block: Block, row: int, expiry: int, at: int) -> Triple:
    """Worth of one expiry at a price of the grids."""
    total = NOTHING
    for leg in range(block.size.shape[1]):
        if expiry_of(sets, block, row, leg) == expiry:
            number, size = block.market[row, leg], block.size[row, leg]
            price = sets.grids[sets.markets[number].grid, 0 if size > 0 else 1, at]
            notional = notional_f64(table.markets[number], size, float(price))
            total = _plus(total, (notional if size > 0 else -notional, notional, 1.0))
    return total


@jit
def _expiry_worth(table: Table, sets: Scenarios, block: Block, row: int, expiry: int) -> Triple:
    total = NOTHING
    for leg in range(block.size.shape[1]):
        if expiry_of(sets, block, row, leg) == expiry:
            total = _plus(total, _worth(table, block, row, leg))
    return total


@jit
def _less(first: Triple, second: Triple) -> Triple:
    return first[0] - second[0], first[1] + second[1], first[2] + second[2]


@jit
def _shifted(table: Table, sets: Scenarios, block: Block, row: int, expiry: int, at: int) -> Triple:
    """Change of worth of one expiry in a scenario."""
    term, scenario = sets.expiries[expiry], sets.scenarios[at]
    shocked, now = (
        _priced(table, sets, block, row, expiry, at),
        _expiry_worth(table, sets, block, row, expiry),
    )
    share = (term.gain_num if shocked[0] >= 0.0 else term.debt_num) / term.term_den
    most = max(term.gain_num, term.debt_num) / term.term_den
    counted = (share * shocked[0], most * shocked[1], most * shocked[2] + 1.0)
    change = _times(scenario.weight_num / scenario.den, _less(counted, now))
    return (-abs(change[0]) if scenario.either_way else change[0]), change[1], change[2]


@jit
def _basis(table: Table, sets: Scenarios, block: Block, row: int, expiry: int) -> Triple:
    """What the forwards of one expiry may lose against spot."""
    term, now = sets.expiries[expiry], _expiry_worth(table, sets, block, row, expiry)
    last = sets.grids.shape[2] - 1
    up = _less(_priced(table, sets, block, row, expiry, last - 1), now)
    down = _less(_priced(table, sets, block, row, expiry, last), now)
    years = term.life / term.year
    share = (term.basis_add_num + term.basis_yearly_num * years) / term.basis_den
    return _times(share, (max(0.0, -min(up[0], down[0])), up[1] + down[1], up[2] + down[2]))


@jit
def _moving(table: Table, sets: Scenarios, block: Block, row: int, group: int) -> tuple[Triple, float]:
    """Worth of perps and assets that move with an underlying, and how many they are."""
    total, count = NOTHING, 0.0
    for leg in range(block.size.shape[1]):
        if is_perp_of(block, row, leg, group):
            total, count = _plus(total, _worth(table, block, row, leg)), count + 1.0
    for place in range(block.asset.shape[1]):
        if group_of(sets, block, row, block.size.shape[1] + place) == group:
            total, count = _plus(total, _asset(table, block, row, place)), count + 1.0
    return total, count


@jit
def _loss(table: Table, sets: Scenarios, block: Block, row: int, group: int) -> Triple:
    """The worst of the scenarios and the basis charge of an underlying."""
    rule, basis, has_options = sets.rule[0], NOTHING, False
    (worth, gross, atoms), count = _moving(table, sets, block, row, group)
    for leg in range(block.size.shape[1]):
        if starts_expiry(sets, block, row, leg, group):
            has_options = True
            if rule.charges_basis:
                basis = _plus(basis, _basis(table, sets, block, row, expiry_of(sets, block, row, leg)))
    if not has_options:
        swing = max(rule.fall, rule.rise)
        return max(worth * rule.fall, -worth * rule.rise), swing * gross, swing * atoms + count
    worst, most, rounded = max(0.0, basis[0]), 0.0, 0.0
    for at in range(sets.scenarios.size):
        scenario = sets.scenarios[at]
        swing = float(scenario.price_num - scenario.den) / scenario.den * (scenario.weight_num / scenario.den)
        change = (swing * worth, abs(swing) * gross, abs(swing) * atoms + count)
        for leg in range(block.size.shape[1]):
            if starts_expiry(sets, block, row, leg, group):
                expiry = expiry_of(sets, block, row, leg)
                change = _plus(change, _shifted(table, sets, block, row, expiry, at))
        worst, most, rounded = max(worst, -change[0]), max(most, change[1]), max(rounded, change[2])
    return worst, most + basis[1], rounded + basis[2]


@jit
def _lots(sets: Netting, block: Block, row: int, group: int) -> tuple[float, float, float]:
    """Lots of an underlying itself; of options sold without others of their strike; of all options, without signs."""
    perps, naked, gross, legs = 0.0, 0.0, 0.0, block.size.shape[1]
    for first in range(legs):
        if is_perp_of(block, row, first, group):
            perps += abs(float(block.size[row, first]))
        if not is_option_of(sets, block, row, first, group):
            continue
        gross += abs(float(block.size[row, first]))
        one, net, is_first = sets.markets[block.market[row, first]], 0.0, True
        for leg in range(legs):
            if expiry_of(sets, block, row, leg) != one.expiry:
                continue
            if sets.markets[block.market[row, leg]].strike == one.strike:
                is_first = is_first and leg >= first
                net += float(block.size[row, leg])
        if is_first:
            naked += max(0.0, -net)
    return perps, naked, gross


@jit
def _charges(table: Table, sets: Scenarios, block: Block, row: int, group: int) -> Triple:
    """Charges of maintenance margin on one underlying."""
    rule, assets, spot = sets.rule[0], NOTHING, sets.markets[group].spot
    for place in range(block.asset.shape[1]):
        if group_of(sets, block, row, block.size.shape[1] + place) == group:
            worth, gross, atoms = _asset(table, block, row, place)
            held = _times(rule.quote_num / rule.quote_den, (max(worth, 0.0), gross, atoms))
            assets = _plus(assets, held)
    perps, naked, gross = _lots(sets, block, row, group)
    total = _times(rule.asset_maintenance_num / rule.charge_den, assets)
    on_perps = _at_price(table, group, perps, perps, spot)
    total = _plus(total, _times(rule.perp_maintenance_num / rule.charge_den, on_perps))
    on_options = _at_price(table, group, naked, gross, spot)
    return _plus(total, _times(rule.option_maintenance_num / rule.charge_den, on_options))


@jit
def _scenario_margin(table: Table, sets: Scenarios, block: Block, row: int) -> Triple:
    total, rule = NOTHING, sets.rule[0]
    share = rule.maintenance_num / rule.share_den
    for item in range(block.size.shape[1] + block.asset.shape[1]):
        if starts_group(sets, block, row, item):
            group = group_of(sets, block, row, item)
            loss = _loss(table, sets, block, row, group)
            charges = _charges(table, sets, block, row, group)
            if rule.scales_charges:
                total = _plus(total, _times(share, _plus(loss, charges)))
            else:
                total = _plus(total, _plus(_times(share, loss), charges))
    return total


# -- the standard rule -------------------------------------------------------------------------------------------------


@jit
def _alone(table: Table, sets: Standards, block: Block, row: int, leg: int) -> Triple:
    """Maintenance margin of one option alone; nothing for a long one."""
    size, option, rule = block.size[row, leg], sets.markets[block.market[row, leg]], sets.rule[0]
    if size >= 0:
        return NOTHING
    lots = abs(float(size))
    under = _at_price(table, option.group, lots, lots, sets.markets[option.group].spot)
    rate = (rule.call_num if option.is_call else rule.put_num) / rule.option_den
    mark_rate = (0 if option.is_call else rule.put_mark_num) / rule.option_den
    mark = abs(_worth(table, block, row, leg)[0])
    return (
        mark + max(under[0] * rate, mark * mark_rate),
        mark + under[0] * rate + mark * mark_rate,
        2.0 + rate + mark_rate,
    )


@jit
def _settlement(table: Table, sets: Standards, block: Block, row: int, expiry: int, price: int) -> Triple:
    """What an expiry pays at a settlement price."""
    paid, gross = 0.0, 0.0
    for leg in range(block.size.shape[1]):
        if expiry_of(sets, block, row, leg) == expiry:
            option = sets.markets[block.market[row, leg]]
            each = to_float(in_the_money(option.strike, price, option.is_call == 1))
            each = float(block.size[row, leg]) * each * table.markets[option.group].worth
            paid, gross = paid + each, gross + abs(each)
    return paid, gross, 1.0


@jit
def _settled(table: Table, sets: Standards, block: Block, row: int, expiry: int) -> Triple:
    """What the worst settlement of an expiry takes, and what is asked for calls sold beyond those bought."""
    rule, calls, gross, group = sets.rule[0], 0.0, 0.0, 0
    worst, most, _ = _settlement(table, sets, block, row, expiry, 0)
    for leg in range(block.size.shape[1]):
        if expiry_of(sets, block, row, leg) != expiry:
            continue
        option = sets.markets[block.market[row, leg]]
        paid, added, _ = _settlement(table, sets, block, row, expiry, option.strike)
        worst, most = min(worst, paid), max(most, added)
        if option.is_call:
            calls, gross, group = (
                calls + block.size[row, leg],
                gross + abs(float(block.size[row, leg])),
                option.group,
            )
    beyond = _at_price(table, group, max(0.0, -calls), gross, sets.expiries[expiry].forward)
    beyond = _times(rule.unpaired_maintenance_num / rule.option_den, beyond)
    return _plus((max(0.0, -worst), most, 1.0), beyond)


@jit
def _expiry_margin(table: Table, sets: Standards, block: Block, row: int, expiry: int) -> Triple:
    """Maintenance margin of one expiry, with the worth of options that equity counts and the rule does not."""
    alone, uncounted, rule = NOTHING, NOTHING, sets.rule[0]
    for leg in range(block.size.shape[1]):
        if expiry_of(sets, block, row, leg) == expiry:
            alone = _plus(alone, _alone(table, sets, block, row, leg))
            if block.size[row, leg] < 0 or not rule.longs_count:
                uncounted = _plus(uncounted, _worth(table, block, row, leg))
    if rule.netted:
        settled = _settled(table, sets, block, row, expiry)
        alone = (min(alone[0], settled[0]), alone[1] + settled[1], alone[2] + settled[2])
    return _plus(alone, uncounted)


@jit
def _standard_margin(table: Table, sets: Standards, block: Block, row: int) -> Triple:
    total = NOTHING
    for leg in range(block.size.shape[1]):
        group = group_of(sets, block, row, leg)
        if starts_expiry(sets, block, row, leg, group):
            expiry = expiry_of(sets, block, row, leg)
            total = _plus(total, _expiry_margin(table, sets, block, row, expiry))
    return total


# -- caps on profits ---------------------------------------------------------------------------------------------------


@jit
def _withheld(table: Table, sets: Caps, block: Block, row: int) -> Triple:
    """What liquidity does not pay of a row's profits."""
    total = NOTHING
    for leg in range(block.size.shape[1]):
        size, cost = block.size[row, leg], float(block.cost[row, leg])
        share = sets.sides[block.market[row, leg], 0 if size > 0 else 1].withheld
        if size != 0 and share > 0.0:
            worth, notional, _ = _worth(table, block, row, leg)
            total = _plus(total, (max(0.0, worth - cost) * share, notional + abs(cost), 1.0))
    return NOTHING if block.flags[row] & SYSTEM else total


# -- a subaccount ------------------------------------------------------------------------------------------------------


def _asked(table: Table, sets: Sets, block: Block, row: int, legs: float) -> Triple:
    """What the set rule asks, or takes, where the markets' own requirements add up to `legs`."""
    raise NotImplementedError  # the type of `sets` chooses, below


@overload(_asked)
def _choose(table, sets, block, row, legs):
    kind = sets.instance_class
    if kind is Spreads:
        return _spread
    if kind is Debts:
        return _debt
    if kind is Caps:
        return _capped
    return _scenario if kind is Scenarios else _standard


def _spread(table, sets, block, row, legs):
    credit, magnitude, atoms = _credit(table, sets, block, row)
    return legs - credit, magnitude, atoms


def _debt(table, sets, block, row, legs):
    return legs, 0.0, 0.0


def _capped(table, sets, block, row, legs):
    lost, magnitude, atoms = _withheld(table, sets, block, row)
    return legs + lost, magnitude, atoms


def _scenario(table, sets, block, row, legs):
    return _scenario_margin(table, sets, block, row)


def _standard(table, sets, block, row, legs):
    beside, magnitude, atoms = _standard_margin(table, sets, block, row)
    return legs + beside, magnitude, atoms


@jit
def _held(table: Table, block: Block, row: int) -> float:
    """What the weights of other assets ask for maintenance."""
    total = 0.0
    for place in range(block.asset.shape[1]):
        asset, amount = table.assets[block.asset[row, place]], block.amount[row, place]
        if amount != 0 and asset.weighs:
            num = asset.long_maintenance_num if amount > 0 else asset.short_maintenance_num
            worth, _ = asset_f64(table, block.asset[row, place], amount)
            total += abs(worth) * (num / asset.weight_den)
    return total


@jit
def row_surplus_f64(table: Table, sets: Sets, block: Block, row: int) -> tuple[float, float]:
    """Equity less maintenance margin of a subaccount, and the radius within which the exact one lies."""
    surplus, magnitude, atoms = rest_surplus_f64(table, block, row)
    rows, terms, legs = table.rows, table.terms[0], 0.0
    for leg in range(block.size.shape[1]):
        market = table.markets[block.market[row, leg]]
        size, cost = block.size[row, leg], block.cost[row, leg]
        worth, needed, size_of_it, rounded = leg_f64(market, rows, terms, size, cost, float(market.price))
        surplus, legs = surplus + worth, legs + needed
        magnitude, atoms = magnitude + size_of_it, atoms + rounded
    asked, added, rounded = _asked(table, sets, block, row, legs)
    width = 4 * block.size.shape[1] + 2 * block.asset.shape[1]
    # Margin is nothing at least, however much is given back; one more atom, since a position is asked for one.
    surplus = min(surplus - asked, surplus + _held(table, block, row))
    return surplus, atoms + rounded + 1.0 + share_of(width) * (magnitude + added)
