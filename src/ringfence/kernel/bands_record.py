"""The trigger index of one block of subaccounts: its arrays, and the packed record of each subaccount.

A record holds what decides, in as few cache lines as it fits (two for eight legs): what a price unit of each leg is
worth, what does not depend on prices, and the place of each leg. The *place* of a leg says its factor, its
side and its *class*, in which the legs of a factor and side are by size: those that one line of the requirement was
above all others for when the index was laid out.
"""
# mypy: disable-error-code="no-any-return"

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .bands_lines import LONG, SHORT, Floats, Lines, crossings, lines_of, own_terms
from .bands_slots import BLOCK, NONE, Flags, Ints32, Ints64, Slots, hand_back, lay_out, take
from .columns import Block
from .jit import jit, never_inlined
from .table import Table
from .wide import join, joined, to_float

WAD = 1e18
CHUNK = 512
"""Rows that a sweep goes through before it looks closer at some of them, while their records are at hand."""
LEAST_ROOM = 256
"""A tick touches so many at least before it would rather sweep."""
ANCHORED, DOUBTS = range(2)
PLACE_BITS = 16
FACTORS_MOST = (1 << PLACE_BITS) // 2 - 1
"""Markets and assets that places can tell apart, with one place for a leg that there is not."""


class Index(NamedTuple):
    """Bands of one `Block`; `w` is its legs and other assets together, factors are markets, then assets."""

    words: Floats
    """(n, words): worth (quote atoms per price unit, signed) of each of `w` legs, then what no price moves"""
    shorts: NDArray[np.uint16]
    """the same memory: places of the legs begin at `4 * places_at`"""
    slot: Ints32
    """(n, w): of each leg, -1 where there is none"""
    own: Floats
    """(n, legs, 3) for `bands_lines.outline`; (0, 0, 3) where no market needs it"""
    slots: Slots
    lines: Lines
    worth: Floats
    """(factors,): quote atoms of one size unit at one price unit"""
    quoted: Ints64
    """(factors,): price units"""
    price: Floats
    """(factors,): the same"""
    epoch: Ints64
    """(markets,): the funding index, by place in the table"""
    base: Ints64
    """(markets,): the one that the records count from"""
    paid: Floats
    """(factors,): what holding one size unit has cost since `base`, in price units"""
    narrowed: Floats
    """(2, factors): price units by which funding has narrowed the bands of each side since they were laid out"""
    watched: Flags
    """(n,): neither a system subaccount nor reported as liquidatable since it was last updated"""
    state: Ints64
    """(2,): at `ANCHORED` how many rows, from the first, have bands that hold; at `DOUBTS` the number of `doubts`"""
    doubts: Ints32
    """(n and as many as are found): rows that only 128 bits decide"""
    class_bits: int
    """the lowest bits of a place; above them is `2 * factor + side`, the row of its lines"""
    until: Floats
    """(2 * factors, classes): units up to which a leg is in each class"""
    at_least: Floats
    """(places, 2) for `bands_sweep`: what a unit adds to the surplus at least, once a leg is asked the second number"""
    at_most: Floats
    """(places, 4): the same at most; and what is asked of a unit and of a leg, at least"""
    unclear: Ints32
    """(rows of a chunk,): who is not clearly safe"""
    scratch: Floats
    """(2, w): notional and contribution of the legs of the subaccount that is touched"""
    found: Ints32
    seen: Ints32
    spans: Ints64
    """(factors, 4): factor, side and the end of what a scan has `found` and `seen`"""


@jit
def places_at(width: int) -> int:
    """Word at which the places of `width` legs begin."""
    return width + 1


def empty_index(table: Table, block: Block, touches_per_sweep: int) -> Index:
    """An index with room for a block, at the prices of the table, in which nobody is written yet."""
    rows, legs = block.size.shape
    width, markets = legs + block.asset.shape[1], len(table.markets)
    words = _aligned(rows, (width + 1 + (width + 3) // 4 + 3) // 4 * 4)
    counts = _counts(block, markets, len(table.assets))
    lines, slots = lines_of(table, width), lay_out(counts)
    room = max(rows // touches_per_sweep, LEAST_ROOM) + BLOCK
    bits = min(int(lines.length.max(initial=1) - 1).bit_length(), PLACE_BITS - (2 * len(counts)).bit_length())
    quoted = np.concatenate([table.markets["price"], table.assets["price"]])
    epoch = table.markets["epoch"].copy()
    return Index(
        words=words,
        shorts=words.view(np.uint16),
        slot=np.full((rows, width), -1, np.int32),
        own=np.zeros((rows, legs, 3) if lines.made.any() else (0, 0, 3)),
        slots=slots,
        lines=lines,
        worth=_worths(table),
        quoted=quoted,
        price=quoted.astype(np.float64),
        epoch=epoch,
        base=epoch.copy(),
        paid=np.zeros(len(counts)),
        narrowed=np.zeros((2, len(counts))),
        watched=np.zeros(rows, np.bool_),
        state=np.array([rows, 0]),
        doubts=np.zeros(rows + room, np.int32),
        class_bits=bits,
        until=crossings(lines, 2 * len(counts), 1 << bits) / np.repeat(np.maximum(quoted, 1), 2)[:, None],
        at_least=np.zeros((2 * len(counts) + 1 << bits, 2)),
        at_most=np.zeros((2 * len(counts) + 1 << bits, 4)),
        unclear=np.zeros(CHUNK, np.int32),
        scratch=np.zeros((2, width)),
        found=np.zeros(room, np.int32),
        seen=np.zeros(slots.block.shape[1], np.int32),
        spans=np.zeros((len(counts), 4), np.int64),
    )


def _counts(block: Block, markets: int, assets: int) -> Ints64:
    """(factors,): how many legs each has; a column at a time, which in a large book takes little memory."""
    found = np.zeros(markets + assets, np.int64)
    for leg in range(block.size.shape[1]):
        found[:markets] += np.bincount(block.market[block.size[:, leg] != 0, leg], minlength=markets)
    for place in range(block.asset.shape[1]):
        held = block.asset[block.amount[:, place] != 0, place]
        found[markets:] += np.bincount(held, minlength=assets)
    return found


def _aligned(rows: int, words: int) -> Floats:
    """Zeros, the first record at the beginning of a cache line."""
    memory = np.zeros(rows * words + 8)
    begin = -memory.ctypes.data // 8 % 8
    return memory[begin : begin + rows * words].reshape(rows, words)


def _worths(table: Table) -> Floats:
    records = (*table.markets, *table.assets)
    dens = (joined(each["worth_den_hi"], each["worth_den_lo"]) for each in records)
    return np.array([int(each["worth_num"]) / den for each, den in zip(records, dens, strict=True)])


# -- records -----------------------------------------------------------------------------------------------------------


@jit
def leg_of(index: Index, table: Table, block: Block, row: int, leg: int) -> tuple[int, float]:
    """Factor and worth (quote atoms per price unit, signed) of a leg, or of another asset after the legs."""
    legs = block.size.shape[1]
    if leg < legs:
        factor, size = int(np.int64(block.market[row, leg])), block.size[row, leg]
    else:
        factor = len(table.markets) + int(np.int64(block.asset[row, leg - legs]))
        size = block.amount[row, leg - legs]
    if size == 0:
        return factor, 0.0
    return factor, float(size) * index.worth[factor]


@jit
def fixed_of(index: Index, table: Table, block: Block, row: int) -> float:
    """What a subaccount has whatever prices do: its quote balance and the funding it is owed at `base`."""
    total = float(block.cash[row])
    for leg in range(block.size.shape[1]):
        size, number = block.size[row, leg], int(np.int64(block.market[row, leg]))
        epoch = int(np.int64(block.epoch[row, leg]))
        if size != 0 and epoch != index.base[number]:
            total -= (
                float(size) * index.worth[number] * rise_of(index, table, number, index.base[number], epoch)
            )
    return total


@jit
def rise_of(index: Index, table: Table, number: int, now: int, then: int) -> float:
    """What holding one size unit costs while a market's funding index goes from place `then` to `now`: price units."""
    never_inlined()
    there, here = table.funding[now], table.funding[then]
    rise = to_float(join(there.hi, there.lo) - join(here.hi, here.lo)) / WAD
    return rise * table.markets[number].size_unit / index.worth[number]


@jit
def place_of(index: Index, factor: int, unit: float) -> int:
    """The place of a leg of so many units; the last line's, which adds nothing, where there is none."""
    if unit == 0.0:
        return 2 * len(index.price) << index.class_bits
    row, kind = 2 * factor + (LONG if unit > 0.0 else SHORT), NONE
    while abs(unit) > index.until[row, kind]:
        kind += 1
    return (row << index.class_bits) + kind


@jit
def write(index: Index, table: Table, block: Block, row: int) -> bool:
    """Copy a subaccount into its record and see that every leg has a slot; False where a factor has none left."""
    width = block.size.shape[1] + block.asset.shape[1]
    places = 4 * places_at(width)
    index.words[row, width] = fixed_of(index, table, block, row)
    for leg in range(width):
        factor, unit = leg_of(index, table, block, row, leg)
        held, slot = (
            int(np.int64(index.shorts[row, places + leg])) >> index.class_bits >> 1,
            int(np.int64(index.slot[row, leg])),
        )
        if slot >= 0 and (unit == 0.0 or held != factor):
            hand_back(index.slots, held, slot)
            slot = -1
        if unit != 0.0 and slot < 0:
            slot = take(index.slots, factor, row)
        index.words[row, leg] = unit
        index.shorts[row, places + leg] = place_of(index, factor, unit)
        index.slot[row, leg] = slot
        if unit != 0.0 and slot < 0:
            return False
        if leg < index.own.shape[1] and unit != 0.0 and index.lines.made[factor]:
            rate, offset, closing = own_terms(table, factor, block.size[row, leg], block.cost[row, leg])
            terms = index.own[row, leg]
            terms[0], terms[1], terms[2] = rate, offset, closing
            steepest = rate + index.lines.closing[factor]
            index.lines.steepest[factor] = max(index.lines.steepest[factor], steepest)
    return True
