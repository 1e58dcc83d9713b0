"""How accounts enter a margin mode: which collateral stands behind which group of positions, and who is admitted.

The arms of isolation and their meaning stand in `sim.partition`; `make_plan` there is the same for one account. A group
is numbered; group 0 is the main one, which also holds what backs nothing.
"""
# mypy: disable-error-code="untyped-decorator, no-any-return"

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..jit import jit
from ..wide import mul_div_down, narrow, wide
from .path import MARKET, SIZE, Curves, Path, survival_q
from .rule import Floats, Grid, Ints, initial_q, order, worth_q

SPREAD, POSTED_ONLY, CHOSEN, BEST = range(4)
"""Arms a, b, c (and e) and d."""
_, _, NOTIONAL, POSTED, INITIAL, GAIN, WANTED_WORDS = range(7)
"""Columns of `Wanted.legs` after market and size, in quote atoms.

Worth at entry, what its owner posts when it stands alone, initial margin at no chosen leverage, and profit from entry
to the end of the path.
"""
FIRST, EQUITY, ACCOUNT_WORDS = range(3)
"""Columns of `Wanted.accounts`: the first leg, equity; one more record says where the last account's legs end."""
GROUP, MONEY, ASKED, WORTH, LEAST, OF_LEG, SLOT_WORDS = range(7)
"""Columns of `Slots.table`.

Of each group of one account, the main one first, the others as they first appear: its number, the collateral behind it,
what its legs' owner posts, their worth and initial margin. `OF_LEG`: group of each leg that is taken, -1 for others.
"""
OWNER, NUMBER, BACKING, PARENT, LEGS_FROM, GROUP_WORDS = range(6)
"""Columns of `Groups.table`: the account, the group's number, its collateral, the row of the main group, its first leg.

The parent of a main group is -1; one more record says where the last group's legs end.
"""


class Wanted(NamedTuple):
    """What accounts want to hold in a mode."""

    legs: Ints
    """(L, WANTED_WORDS)"""
    accounts: Ints
    """(accounts + 1, ACCOUNT_WORDS)"""
    group: Ints
    """(M,) group of each market"""


class Slots(NamedTuple):
    """Scratch: one account's groups, and the legs of one group with their curves."""

    table: Ints
    """(width, SLOT_WORDS)"""
    legs: Ints
    """(width, 2)"""
    room: Ints
    """(4, width)"""
    ratio: Floats
    """(width,)"""
    curves: Curves


class Groups(NamedTuple):
    """Every account's groups, which become subaccounts."""

    table: Ints
    """(groups + 1, GROUP_WORDS)"""
    source: Ints
    """(L,) place of each leg among the legs that were wanted"""
    outside: Ints
    """(accounts,) what is kept outside the venue, quote atoms"""


@jit
def _clear(slots: Ints, at: int, group: int) -> None:
    slots[at, GROUP], slots[at, ASKED], slots[at, WORTH], slots[at, LEAST] = group, 0, 0, 0


@jit
def group_legs(wanted: Wanted, slots: Ints, account: int) -> int:
    """Sort the legs that `OF_LEG` marks (not -1) into groups; returns how many groups there are."""
    count, first = 1, wanted.accounts[account, FIRST]
    _clear(slots, 0, 0)
    for leg in range(first, wanted.accounts[account + 1, FIRST]):
        if slots[leg - first, OF_LEG] < 0:
            continue
        group, at = wanted.group[wanted.legs[leg, MARKET]], 0
        while at < count and slots[at, GROUP] != group:
            at += 1
        if at == count:
            _clear(slots, at, group)
            count += 1
        slots[leg - first, OF_LEG] = at
        slots[at, ASKED] += wanted.legs[leg, POSTED]
        slots[at, WORTH] += wanted.legs[leg, NOTIONAL]
        slots[at, LEAST] += wanted.legs[leg, INITIAL]
    return count


@jit
def split(amount: int, weights: Ints, count: int, room: Ints) -> None:
    """Split an amount in proportion to `count` weights by largest remainder, ties to the first; the sum is exact.

    Shares are written to `room[0]`; the rest of `room` (3, at least count) is scratch.
    """
    total, left, shares, rests, places = wide(0), amount, room[0], room[1], room[2]
    for k in range(count):
        total += weights[k]
        shares[k] = 0
    if total == 0:
        return
    for k in range(count):
        share = mul_div_down(amount, weights[k], total)
        shares[k] = narrow(share)
        rests[k] = -narrow(wide(amount) * weights[k] - share * total)
        left -= shares[k]
    order(rests, count, places)
    for k in range(left):
        shares[places[k]] += 1


@jit
def _more_and_gain(
    grid: Grid, path: Path, wanted: Wanted, slots: Slots, account: int, at: int
) -> tuple[int, int]:
    """What a group needs beyond its initial margin to survive the path, and what its positions earn along it."""
    width, gain, first = 0, 0, wanted.accounts[account, FIRST]
    for leg in range(first, wanted.accounts[account + 1, FIRST]):
        if slots.table[leg - first, OF_LEG] == at:
            slots.legs[width, MARKET], slots.legs[width, SIZE] = (
                wanted.legs[leg, MARKET],
                wanted.legs[leg, SIZE],
            )
            width, gain = width + 1, gain + wanted.legs[leg, GAIN]
    return narrow(survival_q(grid, path, slots.legs, 0, width, slots.curves)) - slots.table[at, LEAST], gain


@jit
def _best(grid: Grid, path: Path, wanted: Wanted, slots: Slots, account: int, count: int) -> None:
    """With hindsight: save the groups for which a dollar saves most, as far as the equity reaches; see `hindsight`."""
    table, budget = slots.table, wanted.accounts[account, EQUITY] - slots.table[0, ASKED]
    ratio, extra, places = slots.ratio, slots.room[0], slots.room[1]
    for at in range(count):
        ratio[at], extra[at] = np.inf, 0
    for at in range(1, count):
        table[at, MONEY] = table[at, LEAST]
        budget -= table[at, LEAST]
        more, gain = _more_and_gain(grid, path, wanted, slots, account, at)
        if more > 0 and gain + table[at, LEAST] > 0:
            ratio[at], extra[at] = -(gain + table[at, LEAST]) / more, more
    order(ratio, count, places)
    for k in range(count):
        at = places[k]
        if extra[at] and extra[at] <= budget:
            table[at, MONEY] += extra[at]
            budget -= extra[at]


@jit
def fund(grid: Grid, path: Path, wanted: Wanted, slots: Slots, account: int, arm: int, count: int) -> int:
    """Put collateral behind the groups of an account; returns what it keeps outside, -1 where equity does not reach."""
    table, equity, total = slots.table, wanted.accounts[account, EQUITY], 0
    if arm == SPREAD and count > 1:
        for at in range(count):
            slots.room[3, at] = table[at, WORTH]
        split(equity, slots.room[3], count, slots.room)
        for at in range(count):
            table[at, MONEY] = slots.room[0, at]
    elif arm == BEST and count > 1:
        _best(grid, path, wanted, slots, account, count)
    else:
        for at in range(1, count):
            table[at, MONEY] = table[at, ASKED]
    for at in range(1, count):
        total += table[at, MONEY]
    outside = max(0, equity - total - table[0, ASKED]) if arm == POSTED_ONLY else 0
    table[0, MONEY] = equity - outside - total
    return outside if table[0, MONEY] >= 0 else -1


@jit
def _fits(grid: Grid, path: Path, wanted: Wanted, slots: Slots, account: int, arm: int) -> bool:
    """Does every group's collateral cover the initial margin of its legs?"""
    count = group_legs(wanted, slots.table, account)
    if fund(grid, path, wanted, slots, account, arm, count) < 0:
        return False
    short = 0
    for at in range(count):
        short += slots.table[at, MONEY] < slots.table[at, LEAST]
    return short == 0


@jit
def admit(
    grid: Grid,
    path: Path,
    wanted: Wanted,
    slots: Slots,
    arm: int,
    listed: NDArray[np.bool_],
    found: NDArray[np.bool_],
) -> None:
    """Mark (L,) the legs with which each account may enter: all in `listed` (M,) markets, or what fits one by one."""
    of_leg = slots.table[:, OF_LEG]
    for account in range(len(wanted.accounts) - 1):
        first, last = wanted.accounts[account, FIRST], wanted.accounts[account + 1, FIRST]
        for leg in range(first, last):
            of_leg[leg - first] = 0 if listed[wanted.legs[leg, MARKET]] else -1
        if _fits(grid, path, wanted, slots, account, arm):
            for leg in range(first, last):
                found[leg] = of_leg[leg - first] >= 0
            continue
        for leg in range(first, last):
            of_leg[leg - first] = -1
        for leg in range(first, last):
            if listed[wanted.legs[leg, MARKET]]:
                of_leg[leg - first] = 0
                found[leg] = _fits(grid, path, wanted, slots, account, arm)
                if not found[leg]:
                    of_leg[leg - first] = -1


@jit
def lay_out(
    grid: Grid, path: Path, wanted: Wanted, slots: Slots, arm: int, ranks: Ints, groups: Groups
) -> int:
    """Write every account's groups, the main one first and the others in the order of their names (`ranks`).

    Returns the number of groups, or -1 less the account that the mode does not admit.
    """
    row, leg_row, found = 0, 0, groups.table
    for account in range(len(wanted.accounts) - 1):
        first, last = wanted.accounts[account, FIRST], wanted.accounts[account + 1, FIRST]
        for leg in range(first, last):
            slots.table[leg - first, OF_LEG] = 0
        count = group_legs(wanted, slots.table, account)
        outside = fund(grid, path, wanted, slots, account, arm, count)
        if outside < 0:
            return -1 - account
        groups.outside[account] = outside
        main = row
        for at in range(count):
            slots.room[0, at] = ranks[slots.table[at, GROUP]]
        order(slots.room[0], count, slots.room[1])
        for k in range(count):
            at = slots.room[1, k]
            found[row, OWNER], found[row, NUMBER] = account, slots.table[at, GROUP]
            found[row, BACKING], found[row, PARENT] = slots.table[at, MONEY], -1 if at == 0 else main
            found[row, LEGS_FROM] = leg_row
            for leg in range(first, last):
                if slots.table[leg - first, OF_LEG] == at:
                    groups.source[leg_row] = leg
                    leg_row += 1
            row += 1
    found[row, LEGS_FROM] = leg_row
    return row


@jit
def price_legs(grid: Grid, legs: Ints, prices: Ints, last: Ints, found: Ints) -> None:
    """Fill (L, 2): initial margin of every leg at `prices` (M,), and its profit from there to the prices `last`."""
    for leg in range(len(legs)):
        market, size = legs[leg, MARKET], legs[leg, SIZE]
        found[leg, 0] = narrow(initial_q(grid, market, size, prices[market]))
        before, after = (
            worth_q(grid, market, size, prices[market]),
            worth_q(grid, market, size, last[market]),
        )
        found[leg, 1] = narrow(after - before)
