"""Rows of a scanned table on their way into columns, compiled.

An account goes into columns whole or not at all: what does not fit marks its account `odd`, and whoever called this
leaves it to the reader. Rows are those of the table; those of an account need not stand together.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..kernel.columns import Block
from ..kernel.jit import jit
from ..kernel.wide import Wide, mul_div_down, narrow, wide
from ..units import QUOTE_DECIMALS
from .stress_cells import MANTISSA_END, PLACES_MAX, UNREAD, UNSTATED, Codes, Ints, Places

Flags = NDArray[np.bool_]

NOWHERE = -1
TENS: Ints = 10 ** np.arange(PLACES_MAX + 1, dtype=np.int64)
LARGE_Q = 2.0**55
"""Quote atoms that no cost and no backing reaches, so that those of the widest class add up to less than 2^62."""

FINEST = 30
"""Places below the quote atom that a cost can have: a size and a price have 18 each."""


class Numbers(NamedTuple):
    """Decimal numbers `atoms / 10**places`, none with a zero behind its point at its end; see `stress_cells`."""

    atoms: Ints
    places: Places


class Legs(NamedTuple):
    """The rows of a table: whose they are, of which kind, and their numbers."""

    account: Codes
    kind: Codes
    contracts: Numbers
    entry: Numbers
    margin: Numbers


class Kinds(NamedTuple):
    """What rows have in common, by kind."""

    is_bare: Flags
    """A row without a position."""
    is_position: Flags
    """A row that may be one; a row that is neither is the reader's."""
    is_long: Flags
    is_isolated: Flags
    market: Ints
    """Place of its market in `Grids`, `NOWHERE` where columns cannot hold it."""


class Grids(NamedTuple):
    """How positions are counted, by market."""

    places: Ints
    """Decimal places of a lot."""
    most: Ints
    """The largest size, in lots."""
    pool: Ints
    """Number of its collateral pool."""
    number: NDArray[np.uint16]
    """Its number in the kernel's plan."""


class Groups(NamedTuple):
    """Subaccounts: the cross rows of an account together, each isolated one alone."""

    rows: Codes
    """Rows of the table, those of a subaccount side by side."""
    begin: Ints
    """Where those of each begin in `rows`."""
    legs: Ints
    """How many each has."""
    account: Ints
    is_isolated: Flags
    backing: Numbers
    """Collateral of the account, or margin of the position; 0 where none is stated."""


# -- what is odd -------------------------------------------------------------------------------------------------------


@jit
def is_wrong(legs: Legs, kinds: Kinds, row: int) -> bool:
    """Whether a row is neither a position with its numbers nor collateral alone."""
    kind, margin = legs.kind[row], legs.margin.places[row]
    contracts, entry = legs.contracts.places[row], legs.entry.places[row]
    if kinds.is_bare[kind]:
        return not contracts == entry == margin == UNSTATED
    if not kinds.is_position[kind] or contracts < 0 or entry < 0 or margin == UNREAD:
        return True
    if legs.contracts.atoms[row] <= 0 or legs.entry.atoms[row] <= 0:
        return True
    return bool(kinds.is_isolated[kind] != (margin >= 0))


@jit
def find_wrong(legs: Legs, kinds: Kinds, odd: Flags) -> None:
    """Mark the accounts of rows that cannot be used as they are."""
    for row in range(len(legs.account)):
        if is_wrong(legs, kinds, row):
            odd[legs.account[row]] = True


@jit
def own_collateral(account: Codes, stated: Numbers, owned: Numbers, odd: Flags) -> None:
    """Fill in what each account owns; accounts whose rows contradict each other are odd."""
    for row in range(len(account)):
        owner, places = account[row], stated.places[row]
        if places == UNREAD:
            odd[owner] = True
        elif places >= 0 and owned.places[owner] == UNSTATED:
            owned.atoms[owner], owned.places[owner] = stated.atoms[row], places
        elif places >= 0:
            same = owned.atoms[owner] == stated.atoms[row] and owned.places[owner] == places
            odd[owner] |= not same


@jit
def count_digits(legs: Legs, kinds: Kinds, odd: Flags, counts: Ints) -> None:
    """Count sizes by market, digits behind the point and digits before it."""
    for row in range(len(legs.account)):
        market = kinds.market[legs.kind[row]]
        if market == NOWHERE or odd[legs.account[row]]:
            continue
        places, digits = legs.contracts.places[row], 0
        while digits < PLACES_MAX and legs.contracts.atoms[row] >= TENS[digits]:
            digits += 1
        counts[market, places, max(0, digits - places)] += 1


@jit
def is_large(numbers: Numbers, at: int) -> bool:
    """Whether an amount is beyond what columns hold."""
    return not abs(numbers.atoms[at]) * 10.0 ** (QUOTE_DECIMALS - numbers.places[at]) < LARGE_Q


@jit
def is_misfit(legs: Legs, market: int, grids: Grids, row: int) -> bool:
    """Whether a position cannot be counted in its market, or is beyond what columns hold."""
    if market == NOWHERE or legs.contracts.places[row] < 0:
        return True
    atoms, finer = legs.contracts.atoms[row], grids.places[market] - legs.contracts.places[row]
    if finer < 0 or atoms >= MANTISSA_END // TENS[finer] or atoms * TENS[finer] > grids.most[market]:
        return True
    size = atoms * 10.0 ** -legs.contracts.places[row]
    cost = size * legs.entry.atoms[row] * 10.0 ** (QUOTE_DECIMALS - legs.entry.places[row])
    return not cost < LARGE_Q or is_large(legs.margin, row)


@jit
def find_misfits(legs: Legs, kinds: Kinds, grids: Grids, owned: Numbers, odd: Flags) -> None:
    """Mark the accounts that columns cannot hold."""
    for row in range(len(legs.account)):
        kind = legs.kind[row]
        if not kinds.is_bare[kind] and is_misfit(legs, kinds.market[kind], grids, row):
            odd[legs.account[row]] = True
    for account in range(len(odd)):
        odd[account] |= is_large(owned, account)


@jit
def sort_rows(keys: Codes, rows: Codes, ends: Ints, found: Codes) -> None:
    """Fill in `rows` in order of their keys, those with the same key as they are; `ends` are zeros, one per key."""
    for row in rows:
        ends[keys[row]] += 1
    total = 0
    for key in range(len(ends)):
        count, ends[key] = ends[key], total
        total += count
    for row in rows:
        found[ends[keys[row]]] = row
        ends[keys[row]] += 1


@jit
def sort_within(keys: Codes, ranks: Codes, rows: Codes) -> None:
    """Sort rows with the same key, which stand together, by rank: few of each, so one by one into its place."""
    for at in range(1, len(rows)):
        row, to = rows[at], at
        while to > 0 and keys[rows[to - 1]] == keys[row] and ranks[rows[to - 1]] > ranks[row]:
            rows[to] = rows[to - 1]
            to -= 1
        rows[to] = row


# -- columns -----------------------------------------------------------------------------------------------------------


@jit
def power_of_ten(digits: int) -> Wide:
    """Ten to the power of `digits`, at most twice `PLACES_MAX`."""
    low = min(digits, PLACES_MAX)
    found: Wide = wide(TENS[low]) * TENS[digits - low]
    return found


@jit
def floored(value: Wide, digits: int) -> tuple[Wide, Wide]:
    """A number with `digits` places as a whole one, rounded down, and what is beyond it with `FINEST` places."""
    if digits <= 0:
        return value * power_of_ten(-digits), wide(0)
    unit = power_of_ten(digits)
    down = mul_div_down(value, 1, unit)
    return down, (value - down * unit) * power_of_ten(FINEST - digits)


@jit
def fill_leg(legs: Legs, kinds: Kinds, grids: Grids, row: int, block: Block, at: int, leg: int) -> Wide:
    """Fill in one leg; what is beyond its cost, rounded down, with `FINEST` places. Costs are rounded up."""
    kind = legs.kind[row]
    market = kinds.market[kind]
    size = legs.contracts.atoms[row] * TENS[grids.places[market] - legs.contracts.places[row]]
    if not kinds.is_long[kind]:
        size = -size
    digits = grids.places[market] + legs.entry.places[row] - QUOTE_DECIMALS
    down, beyond = floored(wide(size) * legs.entry.atoms[row], digits)
    block.market[at, leg], block.size[at, leg] = grids.number[market], size
    block.cost[at, leg] = narrow(down + (1 if beyond > 0 else 0))
    return beyond


@jit
def fill(legs: Legs, kinds: Kinds, grids: Grids, groups: Groups, chosen: Ints, block: Block) -> None:
    """Fill in a block with the chosen subaccounts, as `questions.build` rounds them.

    A cost is rounded up; a balance is the backing less the exact costs, rounded down once.
    """
    for at in range(len(chosen)):
        group = chosen[at]
        places = groups.backing.places[group]
        left, rest = floored(wide(groups.backing.atoms[group]), places - QUOTE_DECIMALS)
        for leg in range(groups.legs[group]):
            row = groups.rows[groups.begin[group] + leg]
            beyond = fill_leg(legs, kinds, grids, row, block, at, leg)
            left = left - block.cost[at, leg] + (1 if beyond > 0 else 0)
            rest = rest - beyond
        block.cash[at] = narrow(left + mul_div_down(rest, 1, power_of_ten(FINEST)))
