"""A venue beside its arrays: what the reference looks at when it decides, brought up to date only where it has to be.

Markets, assets, prices, the policy and the clock are always current in the venue. Subaccounts, ledger, open interest,
gates and the counters of the block are current in the arrays and are written back before the reference looks.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from ...clearing import event as ev
from ...clearing.model import Market, Position, Side, Subaccount, Venue, market_subaccount
from ..wide import joined
from . import layout as at
from .book import (
    choice,
    clock_of,
    fill_asset,
    fill_prices,
    fill_row,
    fill_totals,
    legs_of,
    rank_rows,
    siblings_of,
    words_of,
)
from .choices import with_choices
from .memory import Book, Words, blank
from .names import Names
from .sets import set_rule_of

REBUILDS = (ev.RequirementChanged, ev.PolicyChanged, ev.MarketSettling, ev.Expired)


def rebuilds(event: ev.AnyEvent) -> bool:
    """Whether plan and arrays are made anew after an event: one of those, or a trader who takes a market's own name."""
    if isinstance(event, ev.SubaccountOpened):
        return not event.system and event.subaccount.startswith(market_subaccount(""))
    return isinstance(event, REBUILDS)


def amount(record: Words, k: int) -> int:
    """The amount whose low word is `record[k]`."""
    return joined(record[k + 1], record[k])


# -- arrays to venue ---------------------------------------------------------------------------------------------------


def write_back_row(sub: Subaccount, record: Words, legs: Words, names: Names) -> None:
    """Bring a subaccount up to date from its record."""
    sub.cooldown_until_ms, sub.block = int(record[at.COOLDOWN_MS]), int(record[at.BLOCK])
    sub.block_liquidated_q = amount(record, at.BLOCK_LIQUIDATED_Q)
    sub.block_insured_q = amount(record, at.BLOCK_INSURED_Q)
    held = ((name, amount(record, at.BALANCES + 2 * n)) for n, name in enumerate(names.assets))
    sub.balances = {name: atoms for name, atoms in held if atoms}
    first = record[at.LEG_FIRST]
    sub.positions = {
        names.markets[leg[at.LEG_MARKET]]: Position(
            amount(leg, at.SIZE_B), amount(leg, at.COST_Q), amount(leg, at.FUNDED)
        )
        for leg in legs[first : first + record[at.LEG_COUNT]]
    }


def write_back_totals(market: Market, record: Words) -> None:
    """Bring up to date what fills change of a market."""
    market.open_interest_b = amount(record, at.OPEN_B)
    if market.solvency is not None:
        market.longs = Side(amount(record, at.LONGS_B), amount(record, at.LONGS_Q))
        market.shorts = Side(amount(record, at.SHORTS_B), amount(record, at.SHORTS_Q))


def named(venue: Venue, names: Names, record: Words, row: int) -> Subaccount:
    """A subaccount that so far stood in the arrays alone; each is an account of its own."""
    name, system = names.rows[row], bool(record[at.FLAGS] & at.SYSTEM)
    venue.subaccounts[name] = Subaccount(name, name, None, system)
    return venue.subaccounts[name]


def write_back(venue: Venue, book: Book, names: Names, rows: Iterable[int], accounts: Iterable[int]) -> None:
    """Bring a venue up to date: these rows, these ledger accounts, and all that is kept once."""
    for row in rows:
        sub = venue.subaccounts.get(names.rows[row]) or named(venue, names, book.rows[row], row)
        write_back_row(sub, book.rows[row], book.legs, names)
    for account in accounts:
        record = book.ledger[account]
        held = ((name, amount(record, 2 * n)) for n, name in enumerate(names.assets))
        venue.ledger[names.accounts[account]] = {name: atoms for name, atoms in held if atoms}
    for n, name in enumerate(names.markets):
        write_back_totals(venue.markets[name], book.markets[n])
    for n, name in enumerate(names.pools):
        venue.pools[name].gated_until_block = int(book.pools[n, at.GATED_UNTIL])
    venue.block_liquidations = int(book.clock[at.BLOCK_LIQUIDATIONS])
    venue.block_deleveragings = int(book.clock[at.BLOCK_DELEVERAGINGS])


# -- venue to arrays ---------------------------------------------------------------------------------------------------


def reload_frame(venue: Venue, book: Book, names: Names, event: ev.AnyEvent) -> Book:
    """Let the arrays know of prices or a funding index that changed; returns the book."""
    markets, assets = set[str](), set[str]()
    if isinstance(event, ev.PricesSet):
        markets, assets = {*event.prices.marks, *event.prices.indexes}, {*event.prices.assets}
    elif isinstance(event, ev.FundingAccrued):
        markets = {event.market}
    if not isinstance(event, ev.FundingAccrued):
        # Options expire when time passes, and have prices once grids are set.
        markets |= {name for name, market in venue.markets.items() if market.option is not None}
    for name in markets:
        fill_prices(book.markets[names.market[name]], venue, venue.markets[name])
    for name in assets:
        fill_asset(book.assets[names.asset[name]], venue.assets[name])
    counters = book.clock[at.BLOCK_LIQUIDATIONS : at.BLOCK_DELEVERAGINGS + 1]
    if book.clock[at.BLOCK_NOW] != venue.block:
        counters[:] = 0
    book.clock[: at.BLOCK_NOW + 1] = (venue.time_ms, venue.block)
    book.clock[at.ALL_GATED_UNTIL] = venue.gated_until_block
    if venue.policy.set_rule is None or isinstance(event, ev.FundingAccrued):
        return book
    book.terms[at.SET_RULE], sets = set_rule_of(venue, names)
    return book._replace(sets=sets)


def parties_of(events: Iterable[ev.AnyEvent]) -> tuple[set[str], set[str]]:
    """Subaccounts and ledger accounts that events name."""
    rows, accounts = set[str](), set[str]()
    for event in events:
        if isinstance(event, ev.Transfer):
            for account in (event.debit, event.credit):
                if account.startswith("sub/"):
                    rows.add(account[4:])
                else:
                    accounts.add(account)
        else:
            named = (getattr(event, field, None) for field in ("subaccount", "backstop", "bidder"))
            rows.update(name for name in named if name)
    return rows, accounts


def reload(venue: Venue, book: Book, names: Names, events: Sequence[ev.AnyEvent]) -> Book:
    """Let the arrays know of what the reference did; returns the book, grown where it had to."""
    rows, accounts = parties_of(events)
    added = (
        [name for name in venue.subaccounts if name not in names.row]
        if len(venue.subaccounts) > len(names.rows)
        else []
    )
    if added:
        book = add_rows(book, names, added)
    for name in sorted(rows | {*added}, key=names.row.__getitem__):
        book = reload_row(book, names, venue.subaccounts[name])
    if added:
        book = book._replace(siblings=siblings_of(book.terms, book.rows[: len(names.rows)]))
    choices = [
        choice(names, event.subaccount, event.market, event.num, event.den)
        for event in events
        if isinstance(event, ev.LeverageSet)
    ]
    chosen, book.clock[at.CHOICES] = with_choices(book.chosen, int(book.clock[at.CHOICES]), choices)
    book = book._replace(chosen=chosen)
    for account in accounts:
        record = book.ledger[names.account[account]]
        record[:] = 0
        for asset, atoms in venue.ledger[account].items():
            record[2 * names.asset[asset] : 2 * names.asset[asset] + 2] = words_of([atoms])
    for n, name in enumerate(names.markets):
        fill_prices(book.markets[n], venue, venue.markets[name])
        fill_totals(book.markets[n], venue.markets[name])
        own = names.row.get(f"market/{name}", at.UNKNOWN)
        book.markets[n, at.COUNTERPARTY] = own
    for n, name in enumerate(names.pools):
        book.pools[n, at.GATED_UNTIL] = venue.pools[name].gated_until_block
    book.clock[: at.ALL_GATED_UNTIL + 1] = clock_of(venue)[: at.ALL_GATED_UNTIL + 1]
    taken = book.rows[: len(names.rows), at.FLAGS]
    book.clock[at.FROZEN_ROWS] = np.count_nonzero(taken & at.FROZEN)
    return book


def grown(array: Words, room: int) -> Words:
    """An array with at least so many records, the first ones as they are."""
    if array.shape[0] >= room:
        return array
    found = blank(max(room, 2 * len(array)), math.prod(array.shape[1:])).reshape(-1, *array.shape[1:])
    found[: array.shape[0]] = array
    return found


def add_rows(book: Book, names: Names, added: Iterable[str]) -> Book:
    """Room for new subaccounts, with their ranks."""
    for name in added:
        row = names.add_row(name)
        book = book._replace(rows=grown(book.rows, row + 1))
        book.rows[row, at.LEG_FIRST] = book.rows[row, at.LEG_COUNT] = book.rows[row, at.LEG_ROOM] = 0
        book.clock[at.ROWS] = row + 1
    return book._replace(order=rank_rows(book.rows, names))


def reload_row(book: Book, names: Names, sub: Subaccount) -> Book:
    """Write a subaccount with its positions into its record."""
    record = book.rows[names.row[sub.id]]
    fill_row(record, sub, names)
    legs = legs_of(sub, names)
    if len(legs) > record[at.LEG_ROOM]:
        top, room = int(book.clock[at.LEG_TOP]), 2 * len(legs)
        book = book._replace(legs=grown(book.legs, top + room))
        record[at.LEG_FIRST], record[at.LEG_ROOM] = top, room
        book.clock[at.LEG_TOP] = top + room
    first = record[at.LEG_FIRST]
    if legs:
        book.legs[first : first + len(legs)] = legs
    record[at.LEG_COUNT] = len(legs)
    return book
