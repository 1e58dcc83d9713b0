"""Rules over sets of positions on the engine's arrays: `kernel.sets_exact`, bound to them.

Each rule is a function of its own, compiled when a venue has it: `terms` holds its address (`far.late`). Its tables
(`kernel.sets_table`) stand in `sets` in one piece. Sizes and amounts are counted in atoms, prices in units that 64 bits
hold; where none does, the reference decides whatever asks for margin.
"""
# mypy: disable-error-code="call-arg, no-any-return, no-untyped-call, no-untyped-def, untyped-decorator"
# mypy: warn-unreachable=False
# ruff: noqa: ANN001, ANN202, ARG005 - readings of names whose types stand in `sets_row`

import numpy as np

from ...clearing.model import Venue
from ...errors import InputError
from .. import sets_row as row_of
from ..jit import jit
from ..limits import INT64_MAX, UnfitError
from ..plan import price_grid
from ..sets_exact import asked
from ..sets_scale import Families, nets_options, underlying_of
from ..sets_table import (
    DEBT_RULE,
    EXPIRY,
    SCENARIO,
    SCENARIO_RULE,
    SET_ASSET,
    SET_MARKET,
    SPREAD_RULE,
    STANDARD_RULE,
    Counts,
    Debts,
    Scenarios,
    Sets,
    Spreads,
    Standards,
    sets_in,
)
from ..wide import WIDE, Wide
from . import layout as at
from .far import INT, YES_NO, address_of
from .memory import BOOK, HEAD, Book, Words, get, table_in
from .names import Names
from .risk import asset_worth_q, leg_worth
from .tape import balance

TAKEN = (BOOK, INT, WIDE, WIDE, YES_NO)
"""Arguments of a rule; see `risk.asked`."""


# -- rows --------------------------------------------------------------------------------------------------------------


@jit
def _leg(book: Book, row: int, leg: int) -> int:
    return book.rows[row, at.LEG_FIRST] + leg


def _worth_of(book, _same, row, leg):
    place = _leg(book, row, leg)
    return leg_worth(book, book.legs[place, at.LEG_MARKET], get(book.legs, place, at.SIZE_B))[0]


def _asset_worth(book, _same, row, place):
    return asset_worth_q(book, place + 1, balance(book, row, place + 1))


def _perp_rates(book, market):
    row = book.markets[market, at.ROWS_FIRST]
    initial, maintenance = get(book.margins, row, at.INITIAL), get(book.margins, row, at.MAINTENANCE)
    return initial, maintenance, book.markets[market, at.RATE_DEN]


def _asset_rates(book, asset):
    record = asset + 1
    initial, maintenance = book.assets[record, at.LONG_INITIAL], book.assets[record, at.LONG_MAINTENANCE]
    return initial, maintenance, book.assets[record, at.WEIGHTS_DEN]


# The quote asset, number 0 of the arrays, is no asset of a rule.
for _name, _reading in (
    (row_of.legs_in, lambda book, row: book.rows[row, at.LEG_COUNT]),
    (row_of.assets_in, lambda book, row: len(book.assets) - 1),
    (row_of.market_at, lambda book, row, leg: book.legs[_leg(book, row, leg), at.LEG_MARKET]),
    (row_of.lots_at, lambda book, row, leg: get(book.legs, _leg(book, row, leg), at.SIZE_B)),
    (row_of.cost_at, lambda book, row, leg: get(book.legs, _leg(book, row, leg), at.COST_Q)),
    (row_of.asset_at, lambda book, row, place: place),
    (row_of.amount_at, lambda book, row, place: balance(book, row, place + 1)),
    (row_of.worth_of, _worth_of),
    (row_of.asset_worth, _asset_worth),
    (row_of.rounding_of, lambda book: book.terms[at.REQUIREMENT_ROUNDING]),
    (row_of.perp_rates, _perp_rates),
    (row_of.asset_rates, _asset_rates),
):
    row_of.bind(_name, lambda kind: isinstance(kind, type(BOOK)), _reading)


# -- rules -------------------------------------------------------------------------------------------------------------


@jit
def by_spreads(
    book: Book, row: int, legs_initial: Wide, legs_maintenance: Wide, with_initial: bool
) -> tuple[Wide, Wide]:
    """A credit for spreads."""
    sets = Spreads(table_in(book.sets, 0, SPREAD_RULE), table_in(book.sets, 1, SET_ASSET))
    return asked(book, sets, book, row, legs_initial, legs_maintenance, with_initial)


@jit
def by_debts(
    book: Book, row: int, legs_initial: Wide, legs_maintenance: Wide, with_initial: bool
) -> tuple[Wide, Wide]:
    """Initial margin on what positions owe."""
    sets = Debts(table_in(book.sets, 0, DEBT_RULE))
    return asked(book, sets, book, row, legs_initial, legs_maintenance, with_initial)


@jit
def by_scenarios(
    book: Book, row: int, legs_initial: Wide, legs_maintenance: Wide, with_initial: bool
) -> tuple[Wide, Wide]:
    """Portfolio margin by scenarios."""
    sets = Scenarios(
        table_in(book.sets, 0, SCENARIO_RULE),
        table_in(book.sets, 1, SET_MARKET),
        table_in(book.sets, 2, SET_ASSET),
        table_in(book.sets, 3, EXPIRY),
        table_in(book.sets, 4, SCENARIO),
        table_in(book.sets, 5, np.int64),
    )
    return asked(book, sets, book, row, legs_initial, legs_maintenance, with_initial)


@jit
def by_standards(
    book: Book, row: int, legs_initial: Wide, legs_maintenance: Wide, with_initial: bool
) -> tuple[Wide, Wide]:
    """Every instrument by itself, options netted by expiry."""
    sets = Standards(
        table_in(book.sets, 0, STANDARD_RULE),
        table_in(book.sets, 1, SET_MARKET),
        table_in(book.sets, 2, SET_ASSET),
        table_in(book.sets, 3, EXPIRY),
    )
    return asked(book, sets, book, row, legs_initial, legs_maintenance, with_initial)


@jit
def by_reference(
    book: Book, _row: int, legs_initial: Wide, legs_maintenance: Wide, _with_initial: bool
) -> tuple[Wide, Wide]:
    """No answer: a price of the rule takes more than 64 bits."""
    if book.terms[at.SET_RULE]:
        raise OverflowError("a price leaves 64 bits")
    return legs_initial, legs_maintenance


_RULES = {Spreads: by_spreads, Debts: by_debts, Scenarios: by_scenarios, Standards: by_standards}


def set_rule_of(venue: Venue, names: Names) -> tuple[int, Words]:
    """Where the function of the venue's rule over sets is (0 for none), and its tables at the present prices."""
    if venue.policy.set_rule is None:
        return 0, np.zeros(1, np.int64)
    try:
        sets = sets_in(venue, _counts(venue, names))
    except (UnfitError, InputError):
        return address_of(by_reference, TAKEN), np.zeros(1, np.int64)
    return address_of(_RULES[type(sets)], TAKEN), _words_of(sets)


def _counts(venue: Venue, names: Names) -> Counts:
    """Sizes in atoms; prices in one unit for all that nets, where prices of options are compared."""
    units = dict.fromkeys(names.markets, 1)
    if nets_options(venue):
        prices = Families(venue, {}).prices
        units = {name: price_grid(prices[underlying_of(venue.markets[name])]) for name in names.markets}
    sizes, limits = [1] * len(units), [INT64_MAX] * len(units)
    assets = {name: n for n, name in enumerate(names.assets[1:])}
    return Counts(names.market, assets, sizes, [*units.values()], limits, [1] * len(assets))


def _words_of(sets: Sets) -> Words:
    """Tables in one piece, with where they are before them."""
    found, parts = np.zeros(HEAD * len(sets), np.int64), list[Words]()
    start = len(found)
    for n, table in enumerate(sets):
        found[HEAD * n : HEAD * (n + 1)] = (start, table.shape[0], table.shape[-1])
        parts.append(np.ascontiguousarray(table).view(np.int64).reshape(-1))
        start += len(parts[-1])
    return np.concatenate([found, *parts])
