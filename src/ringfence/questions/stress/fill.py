"""Rows of a scanned table on their way into columns, compiled.

An account goes into columns whole or not at all: what does not fit marks its account `odd`, and whoever called this
leaves it to the reader. Rows are those of the table; those of an account need not stand together.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...kernel.columns import WIDTHS, Block
from ...kernel.jit import jit
from ...kernel.wide import Wide, fits, lo64, mul_div_down, narrow, wide
from ...units import QUOTE_DECIMALS
from .cells import (
    DIGITS_MAX,
    MANTISSA_END,
    PLACES_MAX,
    TENS,
    UNREAD,
    UNSTATED,
    Codes,
    Ints,
    Places,
    power_of_ten,
)

Flags = NDArray[np.bool_]

NOWHERE = -1
LARGE_Q = 2.0**55
"""Quote atoms that no cost and no backing reaches, so that those of the widest class add up to less than 2^62."""

ENDS = MANTISSA_END // TENS
"""The first mantissas that are too large for so many decimal places more."""
POWERS = 10.0 ** np.arange(2 * PLACES_MAX + QUOTE_DECIMALS + 1)
"""Powers of ten as floats."""

FINEST = 2 * PLACES_MAX - QUOTE_DECIMALS
"""Places below the quote atom that a cost can have: a size and a price have `PLACES_MAX` each. What 64 costs and a
backing have there adds up to less than 2^126."""


class Numbers(NamedTuple):
    """Decimal numbers `atoms / 10**places`, none with a zero behind its point at its end; see `cells`."""

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
    """Number of its market, `NOWHERE` where columns cannot hold it."""


class Grids(NamedTuple):
    """How positions are counted: on the usual grid of a market, which has its number, or on one for their digits."""

    places: Ints
    """Decimal places of a lot."""
    most: Ints
    """The largest size, in lots."""
    number: NDArray[np.uint16]
    """Number of the market on this grid in the kernel's plan."""
    own: Ints
    """(markets, `PLACES_MAX` + 1): the grid of those sizes of so many places that the usual one has no room for;
    `NOWHERE` for none."""
    pool: Ints
    """Number of the collateral pool, by market."""


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
    """Count sizes by market, digits behind the point and all digits."""
    for row in range(len(legs.account)):
        market = kinds.market[legs.kind[row]]
        if market == NOWHERE or odd[legs.account[row]]:
            continue
        places, digits = legs.contracts.places[row], 0
        while digits < DIGITS_MAX and legs.contracts.atoms[row] >= TENS[digits]:
            digits += 1
        counts[market, places, digits] += 1


@jit
def quote_atoms(atoms: float, places: int) -> float:
    """An amount of so many decimal places in quote atoms, about."""
    found: float = atoms * POWERS[QUOTE_DECIMALS] / POWERS[places]
    return found


@jit
def is_large(numbers: Numbers, at: int) -> bool:
    """Whether an amount is beyond what columns hold."""
    return numbers.places[at] >= 0 and not abs(quote_atoms(numbers.atoms[at], numbers.places[at])) < LARGE_Q


@jit
def is_on(grids: Grids, grid: int, atoms: int, places: int) -> bool:
    """Whether a grid has room for a size."""
    finer = grids.places[grid] - places
    if finer < 0 or finer > DIGITS_MAX or atoms >= ENDS[finer]:
        return False
    return bool(atoms * TENS[finer] <= grids.most[grid])


@jit
def grid_of(legs: Legs, grids: Grids, market: int, row: int) -> int:
    """The grid that a position is counted on; `NOWHERE` where none has room for it."""
    atoms, places = legs.contracts.atoms[row], legs.contracts.places[row]
    if is_on(grids, market, atoms, places):
        return market
    own = grids.own[market, places]
    return own if own != NOWHERE and is_on(grids, own, atoms, places) else NOWHERE


@jit
def is_misfit(legs: Legs, market: int, grids: Grids, row: int) -> bool:
    """Whether a position cannot be counted in its market, or is beyond what columns hold."""
    if market == NOWHERE or legs.contracts.places[row] < 0:
        return True
    if grid_of(legs, grids, market, row) == NOWHERE:
        return True
    cost = quote_atoms(
        float(legs.contracts.atoms[row]) * legs.entry.atoms[row],
        legs.contracts.places[row] + legs.entry.places[row],
    )
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


# -- subaccounts -------------------------------------------------------------------------------------------------------


@jit
def count_positions(legs: Legs, kinds: Kinds, counts: Ints) -> None:
    """Add the positions of each account to `counts`."""
    for row in range(len(legs.account)):
        counts[legs.account[row]] += not kinds.is_bare[legs.kind[row]]


@jit
def sort_rows(legs: Legs, kinds: Kinds, odd: Flags, ends: Ints, rows: Codes) -> None:
    """Fill in the rows of positions by account, of accounts that are not odd.

    `ends` is where those of each account begin in `rows`, and afterwards where they end.
    """
    for row in range(len(legs.account)):
        owner = legs.account[row]
        if not odd[owner] and not kinds.is_bare[legs.kind[row]]:
            rows[ends[owner]] = row
            ends[owner] += 1


@jit
def sort_within(legs: Legs, ranks: Ints, ends: Ints, rows: Codes) -> None:
    """Sort the rows of each account by the rank of their kind: few of each, so one by one into its place."""
    begin = 0
    for end in ends:
        for at in range(begin + 1, end):
            row, to = rows[at], at
            rank = ranks[legs.kind[row]]
            while to > begin and ranks[legs.kind[rows[to - 1]]] > rank:
                rows[to] = rows[to - 1]
                to -= 1
            rows[to] = row
        begin = end


@jit
def is_split(legs: Legs, kinds: Kinds, grids: Grids, rows: Codes, begin: int, end: int) -> bool:
    """Whether the last of an account's rows is isolated, on another grid than its cross position in the same market."""
    last = rows[end - 1]
    market = kinds.market[legs.kind[last]]
    for at in range(begin, end - 1):
        kind = legs.kind[rows[at]]
        if kinds.is_isolated[kind]:
            return False
        if kinds.market[kind] == market:
            return bool(grid_of(legs, grids, market, rows[at]) != grid_of(legs, grids, market, last))
    return False


@jit
def find_apart(
    legs: Legs, kinds: Kinds, grids: Grids, pools: Ints, ends: Ints, rows: Codes, odd: Flags
) -> None:
    """Mark the accounts whose sorted rows cannot stand together.

    They have a market twice, or cross and isolated on different grids (`build` has one of an account), more cross
    positions than the widest class holds, or cross ones in different `pools` (by market).
    """
    begin = 0
    for owner in range(len(ends)):
        for at in range(begin + 1, ends[owner]):
            kind, last = legs.kind[rows[at]], legs.kind[rows[at - 1]]
            odd[owner] |= kinds.is_isolated[kind] and is_split(legs, kinds, grids, rows, begin, at + 1)
            if kinds.is_isolated[kind] != kinds.is_isolated[last]:
                continue
            is_cross, market, before = not kinds.is_isolated[kind], kinds.market[kind], kinds.market[last]
            odd[owner] |= market == before or (is_cross and pools[market] != pools[before])
            odd[owner] |= is_cross and at - begin >= WIDTHS[-1]
        begin = ends[owner]


@jit
def add_group(groups: Groups, count: int, place: tuple[int, int], owner: int, alone: bool) -> None:
    """Add a subaccount whose rows begin at and are as many as `place` says."""
    groups.begin[count], groups.legs[count] = place
    groups.account[count], groups.is_isolated[count] = owner, alone


@jit
def group_up(legs: Legs, kinds: Kinds, owned: Numbers, ends: Ints, odd: Flags, groups: Groups) -> int:
    """Fill in the subaccounts of all accounts that are not odd; how many there are.

    Cross ones of whoever has cross positions or collateral, isolated ones of one position each.
    """
    begin, count = 0, 0
    for owner in range(len(ends)):
        at, end = begin, ends[owner]
        begin = end
        if odd[owner]:
            continue
        first = at
        while at < end and not kinds.is_isolated[legs.kind[groups.rows[at]]]:
            at += 1
        if at > first or owned.places[owner] >= 0:
            add_group(groups, count, (first, at - first), owner, False)
            groups.backing.atoms[count] = owned.atoms[owner]
            groups.backing.places[count] = max(owned.places[owner], 0)
            count += 1
        for place in range(at, end):
            add_group(groups, count, (place, 1), owner, True)
            row = groups.rows[place]
            groups.backing.atoms[count] = legs.margin.atoms[row]
            groups.backing.places[count] = legs.margin.places[row]
            count += 1
    return count


# -- columns -----------------------------------------------------------------------------------------------------------


@jit
def floored(value: Wide, digits: int) -> tuple[Wide, Wide]:
    """A number with `digits` places as a whole one, rounded down, and what is beyond it with `FINEST` places."""
    if digits <= 0:
        return value * power_of_ten(-digits), wide(0)
    if digits <= DIGITS_MAX and fits(value):
        floor = lo64(value) // TENS[digits]
        beyond = lo64(value) - floor * TENS[digits]
        return wide(floor), wide(0) if beyond == 0 else beyond * power_of_ten(FINEST - digits)
    unit = power_of_ten(digits)
    down = mul_div_down(value, 1, unit)
    rest = value - down * unit
    return down, rest if rest == 0 else rest * power_of_ten(FINEST - digits)


@jit
def fill_leg(legs: Legs, kinds: Kinds, grids: Grids, row: int, block: Block, at: int, leg: int) -> Wide:
    """Fill in one leg; what is beyond its cost, rounded down, with `FINEST` places. Costs are rounded up."""
    kind = legs.kind[row]
    grid = grid_of(legs, grids, kinds.market[kind], row)
    size = legs.contracts.atoms[row] * TENS[grids.places[grid] - legs.contracts.places[row]]
    if not kinds.is_long[kind]:
        size = -size
    digits = grids.places[grid] + legs.entry.places[row] - QUOTE_DECIMALS
    down, beyond = floored(wide(size) * legs.entry.atoms[row], digits)
    block.market[at, leg], block.size[at, leg] = grids.number[grid], size
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
        if rest != 0:
            left = left + mul_div_down(rest, 1, power_of_ten(FINEST))
        block.cash[at] = narrow(left)
