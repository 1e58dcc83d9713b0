"""Accounts put together into the columns of one venue per rulebook, as far as they fit; the others are named.

An account fits whole or not at all. It does not where one of its subaccounts is outside the kernel's plan, where the
file leaves open what backs a position, and where it states a mark, a volatility, a time (with options) or a margin rule
of its own: a column has one.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from msgspec.structs import replace

from ...books.account import Account
from ...clearing.model import Asset, CollateralPool, Market, Subaccount, Venue
from ...clearing.set_rules import ScenarioMargin
from ...errors import InputError
from ...kernel.columns import Columns, from_venue
from ...kernel.limits import UnfitError
from ...kernel.plan import plan
from ...kernel.sets_scale import underlying_of
from ...pricing.scenarios import Quote
from ...venues.model import Rulebook
from ..build import UNLISTED, Built
from ..grid import market_on_grid
from ..listings import listings
from .columns import Book, may_move, rule_of
from .reference import Bench, judged


def merge(
    bench: Bench, accounts: Iterable[Account], told: Callable[[int], None]
) -> tuple[list[Book], list[Account]]:
    """The accounts as books in columns, one per rulebook, and those that only the reference can judge."""
    merging: dict[str, _Merging] = {}
    apart: list[Account] = []
    for number, account in enumerate(accounts, 1):
        rulebook = bench.rulebook(account)
        into = merging.setdefault(rulebook.name, _Merging(rulebook))
        if not into.takes(bench, account):
            apart.append(account)
        told(number)
    books = []
    for into in merging.values():
        book, left = into.book()
        apart += left
        books += [book] if book is not None else []
    return books, apart


class _Merging:
    """Accounts of one rulebook on their way into columns."""

    def __init__(self, rulebook: Rulebook) -> None:
        self.rulebook = rulebook
        self.venue = Venue(policy=listings(rulebook).policy)
        self.quotes: dict[str, Quote] = {}
        self.times: set[int] = set()
        self.same: set[tuple[int, int]] = set()
        self.kept: list[Market] = []
        self.members: list[tuple[Account, list[tuple[Subaccount, dict[str, int]]], tuple[str, ...]]] = []

    def takes(self, bench: Bench, account: Account) -> bool:
        """Put an account into the venue; false where it does not fit."""
        try:
            built = bench.build(account)
        except InputError:
            return False
        parts = judged(built)
        if (
            not self._has_quotes(built)
            or UNLISTED in built.venue.markets
            or not all(part.knows_collateral for part in parts)
        ):
            return False
        if not (all(map(self._agrees, built.venue.markets.values())) and self._has_assets(built)):
            return False
        held = [built.venue.subaccounts[part.subaccount] for part in parts]
        markets = built.venue.markets
        decimals = [{name: markets[name].base_decimals for name in each.positions} for each in held]
        self.members.append((account, list(zip(held, decimals, strict=True)), built.notes))
        return True

    def _agrees(self, market: Market) -> bool:
        """Whether a market is the one that the venue has, but for how fine sizes are counted; adds one it lacks."""
        known = self.venue.markets.get(market.id)
        if known is None:
            if not may_move(market):
                return False
            self.venue.markets[market.id] = market
            self.venue.pools.setdefault(market.pool, CollateralPool(market.pool))
            return True
        if (id(known), id(market)) in self.same or known is market:
            return True
        finest = max(known.base_decimals, market.base_decimals)
        one, other = (market_on_grid(each, finest, each.price_decimals) for each in (known, market))
        if one != other:
            return False
        if finest > known.base_decimals:
            self.venue.markets[market.id] = one
        self.kept += [known, market, one]  # their ids stay theirs
        self.same |= {(id(each), id(market)) for each in (known, one)}
        return True

    def _has_quotes(self, built: Built) -> bool:
        """Whether the account's options are priced as in the venue, at the same time; adds what the venue lacks.

        Prices in scenarios, which are worked out in floating point, have more digits than a column holds.
        """
        if not built.quotes:
            return True
        if isinstance(self.venue.policy.set_rule, ScenarioMargin):
            return False
        if any(self.quotes.get(name, quote) != quote for name, quote in built.quotes.items()):
            return False
        if self.times - {built.venue.time_ms}:
            return False
        self.times.add(built.venue.time_ms)
        self.quotes |= built.quotes
        self.venue.time_ms = built.venue.time_ms
        return True

    def _has_assets(self, built: Built) -> bool:
        """Whether the account's collateral costs what it costs in the venue; adds what the venue lacks."""
        assets: dict[str, Asset] = built.venue.assets
        if any(self.venue.assets.get(name, asset) != asset for name, asset in assets.items()):
            return False
        self.venue.assets |= assets
        return True

    def book(self) -> tuple[Book | None, list[Account]]:
        """The columns of the accounts that fit, and the accounts that do not."""
        apart: list[Account] = []
        while self.members:
            try:
                columns, owners = self._columns()
            except UnfitError:
                return None, apart + [account for account, *_ in self.members]
            misfit = {owners[name] for name in columns.apart}
            if not misfit:
                return self._book(columns, owners), apart
            apart += [account for account, *_ in self.members if account.name in misfit]
            self.members = [each for each in self.members if each[0].name not in misfit]
        return None, apart

    def _columns(self) -> tuple[Columns, dict[str, str]]:
        """All subaccounts as columns on the venue's grid, and the account of each.

        `UnfitError` where the rule over their positions has no place in columns.
        """
        self.venue.subaccounts, owners = {}, {}
        self._align_options()
        for account, held, _ in self.members:
            for subaccount, decimals in held:
                self.venue.subaccounts[subaccount.id] = self._on_grid(subaccount, decimals)
                owners[subaccount.id] = account.name
        self.plan = plan(self.venue)
        rule_of(self.venue, self.plan)
        return from_venue(self.venue, self.plan, netted=True), owners

    def _align_options(self) -> None:
        """Count options as finely as what they are on, and the other way round: their lots are added up."""
        markets = self.venue.markets
        finest: dict[str, int] = {}
        for market in markets.values():
            name = underlying_of(market)
            finest[name] = max(finest.get(name, 0), market.base_decimals)
        for market in list(markets.values()):
            most = finest[underlying_of(market)]
            if most > market.base_decimals:
                markets[market.id] = market_on_grid(market, most, market.price_decimals)

    def _on_grid(self, subaccount: Subaccount, decimals: dict[str, int]) -> Subaccount:
        positions = {}
        for name, position in subaccount.positions.items():
            more = self.venue.markets[name].base_decimals - decimals[name]
            positions[name] = replace(position, size_b=position.size_b * 10**more)
        return replace(subaccount, positions=positions)

    def _book(self, columns: Columns, owners: dict[str, str]) -> Book:
        names: Sequence[str] = [account.name for account, *_ in self.members]
        places = {name: at for at, name in enumerate(names)}
        owner = np.array([places[owners[columns.name(at)]] for at in range(len(columns))], np.int64)
        notes: dict[str, int] = {}
        for _, _, told in self.members:
            for note in told:
                notes[note] = notes.get(note, 0) + 1
        self.venue.subaccounts = {}
        columns.templates = {}
        quotes = {name: quote for name, quote in self.quotes.items() if name in self.venue.markets}
        return Book(self.rulebook, self.venue, self.plan, columns, owner, names, notes, quotes)
