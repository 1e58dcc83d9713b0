"""Where triggers stand: slots by factor, with the extremum of every block of 64 and of every page of 4096.

A factor is whatever a price belongs to: a market, or a collateral asset. A leg has one slot of its factor, and in it
two *reaches*: how far a price may move down (side 0) and up (side 1). Reaches and prices are compared as *keys*,
which are the price itself on the lower side and its negative on the upper one, so that on both a reach is crossed
exactly when it is at least the key. A reach of `NEVER` cannot be crossed, one of `ALWAYS` is crossed by any price.

Nothing is sorted. An extremum is the largest reach of its slots, or more: it is raised at once when a reach rises,
and lowered after a scan has gone through the block. A scan looks at the pages of one factor, at the blocks of those
pages that are crossed, and at the slots of those blocks; a price that crosses nothing costs the pages alone. Nobody
takes the reaches of a subaccount away that is no longer watched, or whose bands hold no more: a scan that crosses one
does.
"""

from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from .jit import jit

BLOCK = 64
PAGE = 64 * BLOCK
NONE = cast("int", np.int64(0))
"""Not a literal, for which a callee would be compiled once more."""
NEVER = -np.inf
ALWAYS = np.inf
SPARE = 1.25
"""Slots that are laid out per leg there is, so that legs that come later find room."""
Floats32 = NDArray[np.float32]
Ints32 = NDArray[np.int32]
Flags = NDArray[np.bool_]
Ints64 = NDArray[np.int64]


class Slots(NamedTuple):
    """The index. Sides come first in every shape, so that a scan reads consecutive memory."""

    reach: Floats32
    """(2, slots): keys; float32 of a float64 rounds monotonically, so no crossing is lost by it."""
    block: Floats32
    """(2, slots / 64): at least the largest reach of each block."""
    page: Floats32
    """(2, slots / 4096): at least the largest of each page's blocks."""
    owner: Ints32
    """(slots): row of the subaccount; in a free slot `-2 - next free one`."""
    first: Ints32
    """(factors + 1): the first page of each factor."""
    free: Ints32
    """(factors): the free slot that is given out next, -1 for none."""


def lay_out(counts: Ints64) -> Slots:
    """Empty slots for so many legs of each factor, and some to spare."""
    pages = np.maximum(np.ceil(counts * SPARE / PAGE).astype(np.int64), 1)
    first = np.concatenate([[0], np.cumsum(pages)]).astype(np.int32)
    slots = int(first[-1]) * PAGE
    owner = np.arange(-3, -3 - slots, -1, dtype=np.int32)
    owner[first[1:].astype(np.int64) * PAGE - 1] = -1
    return Slots(
        reach=np.full((2, slots), NEVER, np.float32),
        block=np.full((2, slots // BLOCK), NEVER, np.float32),
        page=np.full((2, slots // PAGE), NEVER, np.float32),
        owner=owner,
        first=first,
        free=(first[:-1].astype(np.int64) * PAGE).astype(np.int32),
    )


@jit
def take(slots: Slots, factor: int, row: int) -> int:
    """A free slot of a factor, now the row's; -1 where the factor is full and slots must be laid out anew."""
    slot = int(np.int64(slots.free[factor]))
    if slot >= 0:
        slots.free[factor] = -2 - slots.owner[slot]
        slots.owner[slot] = row
    return slot


@jit
def hand_back(slots: Slots, factor: int, slot: int) -> None:
    """Make a slot free again."""
    slots.reach[0, slot] = slots.reach[1, slot] = NEVER
    slots.owner[slot] = -2 - slots.free[factor]
    slots.free[factor] = slot


@jit
def clear(slots: Slots) -> None:
    """Let no scan find any reach until it is set again."""
    for side in range(2):
        slots.block[side, :] = NEVER
        slots.page[side, :] = NEVER


@jit
def arm(slots: Slots, slot: int, down: float, up: float) -> None:
    """Set both reaches of a slot; the extrema above them rise with them and fall later."""
    _raise(slots, NONE, slot, np.float32(down))
    _raise(slots, NONE + 1, slot, np.float32(up))


@jit
def _raise(slots: Slots, side: int, slot: int, key: np.float32) -> None:
    slots.reach[side, slot] = key
    block = slot // BLOCK
    if key > slots.block[side, block]:
        slots.block[side, block] = key
        slots.page[side, slot // PAGE] = max(slots.page[side, slot // PAGE], key)


@jit
def scan(
    slots: Slots,
    watched: Flags,
    anchored: int,
    factor: int,
    side: int,
    key: float,
    found: Ints32,
    count: int,
    seen: Ints32,
    blocks: int,
) -> tuple[int, int]:
    """Append the slots that a key crosses to `found[count:]` and the blocks they are in to `seen[blocks:]`.

    Returns how many there are now. It stops where `found` has no room for another block, and then returns more than
    `found` could hold. Reaches of rows that are not `watched`, and from row `anchored` on, are taken away.
    """
    at, room = np.float32(key), found.size - BLOCK
    for page in range(slots.first[factor], slots.first[factor + 1]):
        if slots.page[side, page] < at:
            continue
        for block in range(page * BLOCK, (page + 1) * BLOCK):
            if slots.block[side, block] < at:
                continue
            if count > room:
                return found.size + 1, blocks
            begin = count
            for slot in range(block * BLOCK, (block + 1) * BLOCK):
                found[count] = slot
                count += slots.reach[side, slot] >= at
            count = _drop_void(slots, watched, anchored, side, found, begin, count)
            if count == begin:
                slots.block[side, block] = _most(slots.reach[side], block)
            seen[blocks] = block
            blocks += 1
    return count, blocks


@jit
def _drop_void(
    slots: Slots, watched: Flags, anchored: int, side: int, found: Ints32, begin: int, end: int
) -> int:
    """Keep those of `found[begin:end]` whose reaches count; the others will not be found again."""
    kept = begin
    for number in range(begin, end):
        slot = int(np.int64(found[number]))
        row = int(np.int64(slots.owner[slot]))
        if row < anchored and watched[row]:
            found[kept] = slot
            kept += 1
        else:
            slots.reach[side, slot] = NEVER
    return kept


@jit
def _most(keys: Floats32, group: int) -> np.float32:
    """The largest of the keys of one block or page."""
    most = np.float32(NEVER)
    for place in range(group * BLOCK, (group + 1) * BLOCK):
        most = max(most, keys[place])
    return most


@jit
def settle(slots: Slots, side: int, seen: Ints32, begin: int, end: int) -> None:
    """Lower the extrema of blocks `seen[begin:end]`, which are in order, and of their pages, to what they should be."""
    last = -1
    for number in range(begin, end):
        block = int(np.int64(seen[number]))
        if last >= 0 and block // BLOCK != last:
            _settle_page(slots, side, last)
        last = block // BLOCK
        slots.block[side, block] = _most(slots.reach[side], block)
    if last >= 0:
        _settle_page(slots, side, last)


@jit
def _settle_page(slots: Slots, side: int, page: int) -> None:
    slots.page[side, page] = _most(slots.block[side], page)
