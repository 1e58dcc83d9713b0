"""What a rule over sets reads of one row: its positions, its other assets, and what they are worth.

The rules walk over rows through these names alone, so that one evaluation serves all that holds positions: here they
are bound to a `Block` and its table, and `engine.sets` binds them to the arrays of the engine. The type of the first
argument chooses when code is compiled.
"""
# mypy: disable-error-code="no-any-return, no-untyped-def, untyped-decorator"
# ruff: noqa: ANN001, ANN002, ANN202, ARG001, ARG005 - the compiler's ways of choosing by type have no types of their own

from collections.abc import Callable
from typing import Any

from numba.core import types
from numba.extending import overload

from .columns import Block
from .legs import pledge_worth, worth_at
from .table import Table
from .wide import Wide

Rows = Any
"""What holds rows."""
Rules = Any
"""What holds prices and requirements."""


def legs_in(rows: Rows, row: int) -> int:
    """Number of places for positions in a row."""
    raise NotImplementedError


def assets_in(rows: Rows, row: int) -> int:
    """Number of places for other assets in a row."""
    raise NotImplementedError


def market_at(rows: Rows, row: int, leg: int) -> int:
    """Number of a position's market."""
    raise NotImplementedError


def lots_at(rows: Rows, row: int, leg: int) -> int:
    """Signed lots of a position; 0 is none."""
    raise NotImplementedError


def cost_at(rows: Rows, row: int, leg: int) -> int:
    """What a position cost, quote atoms."""
    raise NotImplementedError


def asset_at(rows: Rows, row: int, place: int) -> int:
    """Number of another asset."""
    raise NotImplementedError


def amount_at(rows: Rows, row: int, place: int) -> int:
    """How much of it is held or (negative) owed."""
    raise NotImplementedError


def worth_of(rules: Rules, rows: Rows, row: int, leg: int) -> Wide:
    """Signed worth of a position, quote atoms."""
    raise NotImplementedError


def asset_worth(rules: Rules, rows: Rows, row: int, place: int) -> Wide:
    """What equity counts another asset for, quote atoms."""
    raise NotImplementedError


def rounding_of(rules: Rules) -> int:
    """How the policy rounds requirements."""
    raise NotImplementedError


def perp_rates(rules: Rules, market: int) -> tuple[Wide, Wide, Wide]:
    """Initial and maintenance rate of a long position and their denominator; of markets with a rate for each side."""
    raise NotImplementedError


def asset_rates(rules: Rules, asset: int) -> tuple[Wide, Wide, Wide]:
    """Initial and maintenance weight of an asset that is held, and their denominator."""
    raise NotImplementedError


def bind(name: Callable[..., Any], fits: Callable[[Any], bool], reading: Callable[..., Any]) -> None:
    """Let `name` be `reading` in compiled code where its first argument is of a type that fits."""

    @overload(name, strict=False)
    def _bound(first, *others):
        return reading if fits(first) else None


def _is_block(kind: Any) -> bool:  # noqa: ANN401 - Numba's types have none
    return isinstance(kind, types.NamedTuple) and kind.instance_class is Block


def _is_table(kind: Any) -> bool:  # noqa: ANN401 - as above
    return isinstance(kind, types.NamedTuple) and kind.instance_class is Table


def _perp_rates(rules, market):
    record = rules.markets[market]
    row = rules.rows[record.rows_at]
    return row.initial_num, row.maintenance_num, record.rate_den


def _asset_rates(rules, asset):
    record = rules.assets[asset]
    return record.long_initial_num, record.long_maintenance_num, record.weight_den


def _worth_of(rules, rows, row, leg):
    number = rows.market[row, leg]
    return worth_at(rules, number, rows.size[row, leg], rules.markets[number].price)


bind(legs_in, _is_block, lambda rows, row: rows.size.shape[1])
bind(assets_in, _is_block, lambda rows, row: rows.asset.shape[1])
bind(market_at, _is_block, lambda rows, row, leg: rows.market[row, leg])
bind(lots_at, _is_block, lambda rows, row, leg: rows.size[row, leg])
bind(cost_at, _is_block, lambda rows, row, leg: rows.cost[row, leg])
bind(asset_at, _is_block, lambda rows, row, place: rows.asset[row, place])
bind(amount_at, _is_block, lambda rows, row, place: rows.amount[row, place])
bind(worth_of, _is_table, _worth_of)
bind(
    asset_worth,
    _is_table,
    lambda rules, rows, row, place: pledge_worth(rules, rows.asset[row, place], rows.amount[row, place]),
)
bind(rounding_of, _is_table, lambda rules: rules.terms[0].round_requirement)
bind(perp_rates, _is_table, _perp_rates)
bind(asset_rates, _is_table, _asset_rates)
