"""Many subaccounts at once, as columns: how a book of a million comes in without a million objects."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...clearing.model import Venue, market_subaccount
from ...errors import InputError, check
from ..wide import joined, split
from . import layout as at
from .book import book_of, rank_rows, row_width, siblings_of, tape_room
from .memory import Book, Words
from .mirror import grown
from .names import Names


class Columns(NamedTuple):
    """Traders, each an account of its own with quote alone, and their positions, those of one trader side by side."""

    ids: Sequence[str]
    """(n,) names; none of them is in the venue yet"""
    quote_q: NDArray[np.int64]
    """(n,) quote balance, quote atoms (`cash - side * basis`, as in `clearing.model`)"""
    legs: NDArray[np.int64]
    """(n,) how many positions"""
    market: NDArray[np.int64]
    """(sum of legs,) number of the market, in the order of `venue.markets`"""
    size_b: NDArray[np.int64]
    """(sum of legs,) signed lots, never 0"""
    cost_q: NDArray[np.int64]
    """(sum of legs,) what they cost, signed, quote atoms"""


def _split(record: Words, k: int, amounts: NDArray[np.int64]) -> None:
    """Write 64-bit amounts as two words each."""
    record[:, k], record[:, k + 1] = amounts, amounts >> 63


def _must_fit(venue: Venue, columns: Columns) -> None:
    count, held = len(columns.ids), int(columns.legs.sum())
    if not (len(columns.quote_q) == len(columns.legs) == count and len(columns.market) == held):
        raise InputError("columns: quote_q and legs need a value per id, market one per position")
    if not (len(columns.size_b) == len(columns.cost_q) == held and bool(np.all(columns.size_b != 0))):
        raise InputError("columns: size_b and cost_q need a value per position, and no size is 0")
    if held and not 0 <= int(columns.market.min()) <= int(columns.market.max()) < len(venue.markets):
        raise InputError(f"columns: a market is none of the {len(venue.markets)} of the venue")
    if len({*columns.ids} | venue.subaccounts.keys()) < count + len(venue.subaccounts):
        raise InputError("columns: an id stands there twice, or is in the venue already")
    if not {*columns.ids}.isdisjoint(map(market_subaccount, venue.markets)):
        raise InputError("columns: an id is that of a market's own subaccount, which is the venue's")


def _rows_of(book: Book, names: Names, columns: Columns, first: int) -> Words:
    """`rows` with the columns' subaccounts from record `first` on."""
    rows = grown(book.rows, first + len(columns.ids))[: first + len(columns.ids)]
    added = rows[first:]
    starts = int(book.clock[at.LEG_TOP]) + np.cumsum(columns.legs) - columns.legs
    added[:, at.LEG_COUNT] = added[:, at.LEG_ROOM] = columns.legs
    added[:, at.LEG_FIRST], added[:, at.PARENT] = starts, at.UNKNOWN
    owners = names.owner
    added[:, at.ACCOUNT] = [owners.setdefault(name, len(owners)) for name in columns.ids]
    _split(added, at.BALANCES, columns.quote_q)
    return rows


def _legs_of(book: Book, columns: Columns) -> Words:
    """`legs` with the columns' positions, settled to the present funding index."""
    top, held = int(book.clock[at.LEG_TOP]), len(columns.market)
    legs = grown(book.legs, top + held + 1024)
    added = legs[top : top + held]
    added[:, at.LEG_MARKET] = columns.market
    _split(added, at.SIZE_B, columns.size_b)
    _split(added, at.COST_Q, columns.cost_q)
    added[:, at.FUNDED : at.FUNDED + 2] = book.markets[
        columns.market, at.FUNDING_INDEX : at.FUNDING_INDEX + 2
    ]
    return legs


def _count(book: Book, columns: Columns) -> None:
    """Open interest, sides, and what came in from outside, with the new subaccounts."""
    for market in np.unique(columns.market):
        is_here, record = columns.market == market, book.markets[market]
        for side, is_held in ((at.LONGS_B, columns.size_b > 0), (at.SHORTS_B, columns.size_b < 0)):
            is_on_side = is_here & is_held
            lots, cost_q = (sum(amounts[is_on_side].tolist()) for amounts in (columns.size_b, columns.cost_q))
            _add(record, at.OPEN_B, max(lots, 0))
            _add(record, side, lots)
            _add(record, side + 2, cost_q)
    _add(book.ledger[at.OUTSIDE], 0, -sum(columns.quote_q.tolist()))


def _add(record: Words, k: int, amount: int) -> None:
    high, low = split(joined(record[k + 1], record[k]) + amount)
    record[k], record[k + 1] = low, high


def book_with(venue: Venue, names: Names, columns: Columns) -> Book:
    """The arrays of a venue with the subaccounts of columns added to it; their positions must balance each other."""
    _must_fit(venue, columns)
    book, first = book_of(venue, names), len(venue.subaccounts)
    for name in columns.ids:
        names.add_row(name)
    rows, legs = _rows_of(book, names, columns, first), _legs_of(book, columns)
    check(
        len(rows) == len(names.rows) and rows.shape[1] == row_width(names), "rows and names are out of step"
    )
    _count(book, columns)
    book.clock[at.ROWS], book.clock[at.LEG_TOP] = len(rows), int(book.clock[at.LEG_TOP]) + len(columns.market)
    room = tape_room(len(rows))
    return book._replace(
        tape=grown(book.tape, room),
        steps=grown(book.steps, room // 8),
        rows=rows,
        legs=legs,
        order=rank_rows(rows, names),
        siblings=siblings_of(book.terms, rows),
    )
