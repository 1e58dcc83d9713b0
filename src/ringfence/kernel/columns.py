"""Many subaccounts as arrays: a structure of arrays in classes of fixed width, which compiled code reads in order.

A subaccount stands in the narrowest class (1, 2, 4, 8, 16, 32 or 64 legs) that holds its positions. A leg without a
position has `size` 0 (and any market): it adds nothing to anything, so no loop has to ask. Conversion from and to
`clearing.model` is exact; a subaccount that does not fit (more than 64 legs, a size off the grid of its market, an
amount beyond 64 bits) is named with the reason and left to the reference.

docs/reference/columns.md lists name, type, shape and unit of every column.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from copy import copy
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..clearing.model import QUOTE, Leverage, Position, Subaccount, Venue
from ..clearing.risk import reach_b
from ..errors import InputError
from .plan import Plan

WIDTHS = (1, 2, 4, 8, 16, 32, 64)
AMOUNT_MAX = 1 << 62
"""No cash, cost or amount is larger, so that a sum of two fits in 64 bits."""
LEG_TYPES: dict[str, np.dtype[Any]] = {
    "market": np.dtype(np.uint16),
    "size": np.dtype(np.int64),
    "cost": np.dtype(np.int64),
    "epoch": np.dtype(np.int32),
    "leverage": np.dtype(np.uint16),
}
OWN_TYPES: dict[str, np.dtype[Any]] = {"cash": np.dtype(np.int64), "flags": np.dtype(np.uint8)}
PLEDGE_TYPES: dict[str, np.dtype[Any]] = {"asset": np.dtype(np.uint16), "amount": np.dtype(np.int64)}
SYSTEM, FLAGGED = 1, 2
"""Bits of `flags`: never judged; liquidatable whatever it has."""


class Block(NamedTuple):
    """All subaccounts of one width; a NamedTuple of arrays, so that it can be handed to `@jit` as it is.

    `n` subaccounts of `w` legs and up to `k` other assets each.
    """

    market: NDArray[np.uint16]
    """(n, w) number of the market"""
    size: NDArray[np.int64]
    """(n, w) signed lots, in the market's size units; 0 is no position"""
    cost: NDArray[np.int64]
    """(n, w) what they cost, signed, quote atoms"""
    epoch: NDArray[np.int32]
    """(n, w) funding index that the leg is settled to, by place in `Table.funding`"""
    leverage: NDArray[np.uint16]
    """(n, w) chosen leverage, by place in `Table.leverages`; 0 is none"""
    cash: NDArray[np.int64]
    """(n,) quote balance, quote atoms (`cash - side * basis`, as in `clearing.model`)"""
    flags: NDArray[np.uint8]
    """(n,) bits `SYSTEM`, `FLAGGED`"""
    asset: NDArray[np.uint16]
    """(n, k) number of another asset held or owed"""
    amount: NDArray[np.int64]
    """(n, k) its amount, signed, in the asset's amount units; 0 is none"""
    buys: NDArray[np.int64]
    """(n, w) position that filling all resting buys would lead to, size units; (0, w) where nobody has orders"""
    sells: NDArray[np.int64]
    """(n, w) the same for resting sells"""


class Columns:
    """A book of subaccounts: blocks by width, the names of their rows, and who is left to the reference and why."""

    def __init__(self, blocks: Sequence[Block], ids: Sequence[Sequence[str]] | None = None) -> None:
        """Blocks in order of width; `ids` are the names of their rows, where they have any."""
        self.blocks = tuple(blocks)
        self.starts = tuple(accumulate((len(block.cash) for block in self.blocks), initial=0))
        """Number of the first row of each block, and the number of all rows."""
        self.ids = None if ids is None else tuple(ids)
        self.templates: dict[int, Subaccount] = {}
        """What the columns do not hold of a subaccount that came from a venue (orders, cooldowns), by row number."""
        self.apart: dict[str, str] = {}
        """Subaccounts that only the reference decides, with the reason."""
        self.netted = False
        """Whether a row is more than the sum of its legs, so that only `sets` decides it."""

    def __len__(self) -> int:
        return self.starts[-1]

    @property
    def nbytes(self) -> int:
        """Bytes of all columns (names not counted)."""
        return sum(column.nbytes for block in self.blocks for column in block)

    def must_add_up(self) -> None:
        """`InputError` where a row is no sum over its legs."""
        if self.netted:
            raise InputError(
                "these rows are more than the sum of their legs: only the screen of sets decides them"
            )

    def place(self, number: int) -> tuple[Block, int]:
        """The block and the row in it of row `number`."""
        if not 0 <= number < len(self):
            raise IndexError(f"no row {number} among {len(self)}")
        at = bisect_right(self.starts, number) - 1
        return self.blocks[at], number - self.starts[at]

    def name(self, number: int) -> str:
        """Name of row `number`; the number itself where rows have no names."""
        if self.ids is None:
            return str(number)
        at = bisect_right(self.starts, number) - 1
        return self.ids[at][number - self.starts[at]]

    def numbers(self) -> dict[str, int]:
        """Row numbers by name."""
        return {self.name(number): number for number in range(len(self))}


def bytes_per_leg() -> int:
    """What one leg takes: market, size, cost, funding epoch and leverage."""
    return sum(dtype.itemsize for dtype in LEG_TYPES.values())


def bytes_per_subaccount(width: int, assets: int = 0) -> int:
    """What one subaccount of a width class takes, with room for so many other assets."""
    own = sum(dtype.itemsize for dtype in OWN_TYPES.values())
    return own + width * bytes_per_leg() + assets * sum(dtype.itemsize for dtype in PLEDGE_TYPES.values())


def empty(rows: int, width: int, assets: int = 0, *, orders: bool = False) -> Block:
    """A block of `rows` subaccounts without anything, with room for `assets` other assets each."""
    reach = rows if orders else 0
    return Block(
        **{name: np.zeros((rows, width), dtype) for name, dtype in LEG_TYPES.items()},
        **{name: np.zeros(rows, dtype) for name, dtype in OWN_TYPES.items()},
        **{name: np.zeros((rows, assets), dtype) for name, dtype in PLEDGE_TYPES.items()},
        buys=np.zeros((reach, width), np.int64),
        sells=np.zeros((reach, width), np.int64),
    )


def width_of(legs: int) -> int:
    """The narrowest width that holds so many legs; `ValueError` beyond the widest."""
    for width in WIDTHS:
        if legs <= width:
            return width
    raise ValueError(f"{legs} positions are more than the widest class of {WIDTHS[-1]} holds")


# -- from and to the model ---------------------------------------------------------------------------------------------


class _Row(NamedTuple):
    """A subaccount on the grid: what its row will hold."""

    source: Subaccount
    legs: list[tuple[int, int, int, int, int, int, int]]
    """Market, size, cost, epoch, leverage, buys, sells."""
    pledges: list[tuple[int, int]]
    cash: int


class _MisfitError(Exception):
    """Why a subaccount is left to the reference."""


class _Reader:
    """Puts subaccounts of a venue on the grid of a plan."""

    def __init__(self, venue: Venue, plan: Plan, *, netted: bool) -> None:
        self.venue, self.plan, self.netted = venue, plan, netted
        self.epochs: dict[tuple[int, int], int] = {}
        self.leverages: dict[Leverage, int] = {}

    def row(self, source: Subaccount) -> _Row:
        """A subaccount on the grid; `_MisfitError` says why there is no place for it."""
        if self.plan.whole and not self.netted:
            raise _MisfitError(self.plan.whole)
        if not self.plan.markets:  # an empty leg points at the first market, so there must be one
            raise _MisfitError("none of the venue's markets is compiled")
        held = set(source.positions) | {order.market for order in source.orders.values()}
        if len(held) > WIDTHS[-1]:
            raise _MisfitError(
                f"its {len(held)} markets are more than the {WIDTHS[-1]} legs of the widest class"
            )
        legs = [self.leg(source, market) for market in sorted(held)]
        pledges = [self.pledge(*held) for held in source.balances.items() if held[0] != QUOTE and held[1]]
        return _Row(source, legs, pledges, _within(source.quote_q, "its quote balance", AMOUNT_MAX))

    def leg(self, source: Subaccount, market: str) -> tuple[int, int, int, int, int, int, int]:
        """One position with the orders in its market."""
        number = self.plan.market_numbers.get(market)
        if number is None:
            raise _MisfitError(
                f"it holds {market}: {self.plan.outside.get(market, 'a market without rules')}"
            )
        unit, limit = int(self.plan.table.markets[number]["size_unit"]), self.plan.limits[number].size_max
        position = source.positions.get(market, Position(0, 0, self.venue.markets[market].funding_index))
        sizes = (position.size_b, *reach_b(source, market))
        size, buys, sells = (_counted(each, unit, f"its size in {market}", limit) for each in sizes)
        cost_q = _within(position.cost_q, f"its cost in {market}", AMOUNT_MAX)
        epoch = self.epoch(number, position.funding_index)
        return number, size, cost_q, epoch, self.leverage(source.leverages.get(market)), buys, sells

    def epoch(self, number: int, index: int) -> int:
        """Place of a funding index in the table."""
        now = int(self.plan.table.markets[number]["epoch"])
        if index == self.plan.funding_index(now):
            return now
        if (number, index) not in self.epochs:
            self.epochs[number, index] = self.plan.epoch(index)
        return self.epochs[number, index]

    def leverage(self, chosen: Leverage | None) -> int:
        """Place of a chosen leverage in the table."""
        if chosen is None or chosen.num == 0:
            return 0
        if chosen not in self.leverages:
            self.leverages[chosen] = self.plan.leverage(chosen.num, chosen.den)
        return self.leverages[chosen]

    def pledge(self, name: str, amount: int) -> tuple[int, int]:
        """Another asset held or owed."""
        number = self.plan.asset_numbers.get(name)
        if number is None:
            raise _MisfitError(f"it holds {name}: {self.plan.outside.get(name, 'an asset without rules')}")
        unit = int(self.plan.table.assets[number]["amount_unit"])
        return number, _counted(amount, unit, f"its amount of {name}", AMOUNT_MAX)


def _counted(amount: int, unit: int, what: str, limit: int) -> int:
    """An amount of atoms on a grid."""
    if amount % unit:
        raise _MisfitError(f"{what} of {amount} is no multiple of {unit}")
    return _within(amount // unit, what, limit)


def _within(amount: int, what: str, limit: int) -> int:
    if abs(amount) > limit:
        raise _MisfitError(f"{what} of {amount} is beyond {limit}")
    return amount


def from_venue(
    venue: Venue, plan: Plan, names: Iterable[str] | None = None, *, netted: bool = False
) -> Columns:
    """The subaccounts of a venue (or those named) as columns, in order of width and then of name.

    Where sums over legs decide nobody (`Plan.whole`) nobody has a place but in columns for `sets` (`netted`). Funding
    indices and leverages that the plan's table does not have yet are added to it.
    """
    reader = _Reader(venue, plan, netted=netted)
    chosen = venue.subaccounts if names is None else {name: venue.subaccounts[name] for name in names}
    by_width: dict[int, list[_Row]] = {}
    apart: dict[str, str] = {}
    for name in sorted(chosen):
        try:
            row = reader.row(chosen[name])
        except _MisfitError as why:
            apart[name] = str(why)
        else:
            by_width.setdefault(width_of(len(row.legs)), []).append(row)
    classes = sorted(by_width.items())
    ids = [[row.source.id for row in rows] for _, rows in classes]
    found = Columns([_block(rows, width) for width, rows in classes], ids)
    sources = (row.source for _, rows in classes for row in rows)
    found.templates = dict(enumerate(sources))
    found.apart, found.netted = apart, netted and bool(plan.whole)
    return found


def _block(rows: Sequence[_Row], width: int) -> Block:
    most = max(len(row.pledges) for row in rows)
    block = empty(len(rows), width, most, orders=any(row.source.orders for row in rows))
    legs: tuple[NDArray[Any], ...] = (block.market, block.size, block.cost, block.epoch, block.leverage)
    for at, row in enumerate(rows):
        for leg, (*values, buys, sells) in enumerate(row.legs):
            for column, value in zip(legs, values, strict=True):
                column[at, leg] = value
            if len(block.buys):
                block.buys[at, leg], block.sells[at, leg] = buys, sells
        for place, (asset, amount) in enumerate(row.pledges):
            block.asset[at, place], block.amount[at, place] = asset, amount
        block.cash[at] = row.cash
        block.flags[at] = SYSTEM * row.source.system | FLAGGED * row.source.flagged
    return block


def to_subaccount(columns: Columns, plan: Plan, number: int) -> Subaccount:
    """Row `number` as `clearing` knows it; what the columns do not hold is as it was when it came from a venue."""
    block, row = columns.place(number)
    template = columns.templates.get(number)
    name = columns.name(number)
    found = Subaccount(name, name) if template is None else copy(template)
    kept = {} if template is None else template.balances
    balances = dict.fromkeys(kept, 0) | {QUOTE: int(block.cash[row])}
    for asset, amount in zip(block.asset[row], block.amount[row], strict=True):
        if amount:
            unit = int(plan.table.assets[asset]["amount_unit"])
            balances[plan.assets[asset]] = int(amount) * unit
    found.balances = {asset: amount for asset, amount in balances.items() if amount or asset in kept}
    found.positions, found.leverages = {}, {} if template is None else dict(template.leverages)
    for leg in np.flatnonzero(block.size[row]):
        market = int(block.market[row, leg])
        size_b = int(block.size[row, leg]) * int(plan.table.markets[market]["size_unit"])
        index = plan.funding_index(int(block.epoch[row, leg]))
        found.positions[plan.markets[market]] = Position(size_b, int(block.cost[row, leg]), index)
        if block.leverage[row, leg]:
            num, den = plan.table.leverages[block.leverage[row, leg]]
            found.leverages[plan.markets[market]] = Leverage(int(num), int(den))
    found.flagged = bool(block.flags[row] & FLAGGED)
    found.system = bool(block.flags[row] & SYSTEM)
    return found
