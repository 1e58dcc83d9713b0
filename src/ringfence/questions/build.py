"""A book under a rulebook: cross positions share one subaccount, each isolated one has a subaccount of its own.

With an arrangement the account is held another way first. The venue's grids are the rulebook's. Where a file states a
size or a price with more decimals, the grid of that market gets finer; nothing is rounded away. What is rounded is a
balance, down to the quote atom.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import get_args

from msgspec.structs import replace

from ..books.account import Account, BookPosition, MarginMode
from ..books.options import OptionTerms
from ..books.record import EXACT, Place
from ..clearing.decide import LIMIT
from ..clearing.model import (
    QUOTE,
    Asset,
    CollateralPool,
    Leverage,
    Market,
    Position,
    Scale,
    Subaccount,
    Venue,
)
from ..clearing.policy import OpenInterestScaled, Requirement, Tier, Tiered
from ..clearing.risk import market_risk
from ..clearing.shapes import lowest_initial
from ..errors import InputError
from ..pricing.scenarios import Quote
from ..units import QUOTE_DECIMALS, round_atoms
from ..venues.model import Mode, Rulebook
from ..venues.symbols import readings
from ..venues.tables import leverage_table
from .arrange import Arrangement, Held, arrange
from .grid import asset_on_grid, atoms, places
from .listings import (
    COLLATERAL,
    MODE,
    OPTIONS,
    POOLS,
    CannotHoldError,
    Listings,
    at_mark,
    listings,
)
from .option_markets import KEPT, mark_of, offers_options, optioned_row, set_grids, spot_of

UNLISTED = "(not listed)"
"""Stands for the cross positions that a venue counts in an account but a file does not list."""

GIVEN = "given with the question"
"""Source of a price that is not the file's."""


@dataclass(frozen=True)
class Part:
    """One subaccount of the account: what is judged together.

    `knows_collateral`: the file says what backs it. `removable`: the venue lets margin leave while positions are open.
    `assets`: what backs it beside the quote asset.
    """

    subaccount: str
    mode: MarginMode
    held: tuple[Held, ...]
    knows_collateral: bool = True
    removable: bool = True
    assets: Mapping[str, Decimal] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Built:
    """An account in the engine.

    `mode` is the venue's word where the account was arranged anew. `marks` says of each market where its price is from,
    `notes` what a reader of the figures should know.
    """

    account: Account
    rulebook: Rulebook
    venue: Venue
    parts: tuple[Part, ...]
    marks: Mapping[str, Place | str]
    notes: tuple[str, ...]
    mode: str = ""
    quotes: Mapping[str, Quote] = field(default_factory=dict)
    """What options are priced with."""


def build(
    account: Account,
    rulebook: Rulebook,
    prices: Mapping[str, Decimal],
    wanted: Arrangement | None = None,
) -> Built:
    """Put `account` into an empty venue of `rulebook`, as it is held or as `wanted`.

    `prices` (by any name of a symbol) replace the file's. Raises `InputError` where a figure is missing or too large,
    and `CannotHoldError` where the venue cannot hold the account: a market or an asset that it does not have, a margin
    mode that it does not offer, pools that may not be mixed.
    """
    return _Builder(account, listings(rulebook), prices).build(wanted)


class _Builder:
    """One account on its way into the engine."""

    def __init__(self, account: Account, rules: Listings, prices: Mapping[str, Decimal]) -> None:
        self.account, self.rules, self.rulebook = account, rules, rules.rulebook
        self.prices = {
            name.casefold(): price for symbol, price in prices.items() for name in readings(symbol)
        }
        self.venue = Venue(policy=rules.policy)
        self.marks: dict[str, Place | str] = {}
        self.rows: dict[str, str] = {}
        self.quotes: dict[str, Quote] = {}
        self.venue.time_ms = account.time_ms or 0
        self.notes: dict[str, None] = {}

    def build(self, wanted: Arrangement | None) -> Built:
        held, mode = self._held(), ""
        marks = self._marks_of(held)
        if wanted is not None:
            arranged = arrange(self.account, held, wanted, self._modes_of, marks)
            self.account, held, mode = arranged.account, arranged.held, arranged.mode
            self.notes |= dict.fromkeys(arranged.notes)
        _refuse_repeats(held)
        for row in dict.fromkeys(self._row(each.market) for each in held):
            self._add_row(row, [each for each in held if self._row(each.market) == row], marks)
        parts = tuple(self._parts(held))
        for part in parts:
            self._add_subaccount(part)
        if not self.account.complete:
            self._add_unlisted()
        notes = tuple(self.notes)
        return Built(self.account, self.rulebook, self.venue, parts, self.marks, notes, mode, self.quotes)

    def _parts(self, held: Sequence[Held]) -> "list[Part]":
        """The subaccounts: what is held cross, then each isolated position."""
        cross = tuple(each for each in held if each.position.mode == "cross")
        known = self.account.collateral is not None
        isolated = [each for each in held if each.position.mode == "isolated"]
        if (cross and not known) or any(each.position.collateral is None for each in isolated):
            self.note("the file does not say what backs the cross positions; give --collateral USDC=...")
        others = {asset: held for asset, held in (self.account.collateral or {}).items() if asset != QUOTE}
        shared = Part(self.account.name, "cross", cross, known, assets=others)
        markets = [each.market for each in isolated]
        return [
            shared,
            *(self._isolated(each, two_sided=markets.count(each.market) > 1) for each in isolated),
        ]

    def _isolated(self, each: Held, *, two_sided: bool) -> Part:
        removable = any(mode.removable for mode in self._modes_of(each.market) if not mode.shared)
        name, known = f"{self.account.name}/{each.market}", each.position.collateral is not None
        if two_sided:
            name += " long" if each.position.size > 0 else " short"
        return Part(name, "isolated", (each,), known, removable, each.position.assets)

    def note(self, sentence: str) -> None:
        self.notes[sentence] = None

    def _row(self, market: str) -> str:
        """The market of the rulebook that a market of the book goes by: an option by its underlying."""
        return self.rows.get(market, market)

    def _modes_of(self, market: str) -> Sequence[Mode]:
        return self.rules.modes_of(self._row(market))

    # -- markets ----------------------------------------------------------------------------------------------------

    def _held(self) -> tuple[Held, ...]:
        """The positions with their markets; what the venue does not list is named in full."""
        held: list[Held] = []
        missing: dict[str, str] = {}
        for position in self.account.positions:
            if position.mode not in get_args(MarginMode):
                where = position.place.field("marginMode")
                raise InputError(f"{where}: expected cross or isolated, got {position.mode!r}")
            option = position.option
            try:
                name = self.rules.symbol(option.underlying if option else position.symbol)
            except InputError as error:
                if not option and self._states_rule(position):
                    held.append(Held(position, position.symbol))
                else:
                    missing.setdefault(position.symbol, f"{position.place.field('symbol')}: {error}")
                continue
            held.append(Held(position, self._option_name(position, option, name) if option else name))
        if missing:
            first, *others = missing
            also = f"; nor has it {', '.join(others)}" if others else ""
            raise CannotHoldError(missing[first] + also, self.rules.missing_market, *missing)
        return tuple(held)

    def _option_name(self, position: BookPosition, option: OptionTerms, underlying: str) -> str:
        if not offers_options(self.rules):
            sentence = f"{position.place.field('symbol')}: {self.rulebook.name} has no options"
            raise CannotHoldError(sentence, OPTIONS, position.symbol)
        if self.account.time_ms is None:
            where = self.account.place.field("timestamp")
            raise InputError(f"{where}: missing; what an option is worth depends on the time")
        self.note(KEPT)
        name = option.name(underlying)
        self.rows[name] = underlying
        return name

    def _states_rule(self, position: BookPosition) -> bool:
        """Whether the venue itself says in the file which maximum leverage this position has."""
        return self.account.venue == self.rulebook.head.venue and position.venue_max_leverage is not None

    def _marks_of(self, held: Sequence[Held]) -> dict[str, Decimal]:
        """The mark price of each market; an option may leave its own to its volatility."""
        by_market: dict[str, list[BookPosition]] = {}
        for each in sorted(held, key=lambda each: each.market in self.rows):
            by_market.setdefault(each.market, []).append(each.position)
        marks: dict[str, Decimal] = {}
        for market, positions in by_market.items():
            row = self._row(market)
            if row != market and positions[0].mark_price is None:
                spot = spot_of(self.account, row, positions, marks.get(row), self._price(row))
                marks[market] = mark_of(self.account, positions[0], spot)
                self.marks[market] = positions[0].place.field("impliedVolatility")
            else:
                marks[market] = self._mark(market, positions)
        return marks

    def _mark(self, market: str, positions: Sequence[BookPosition]) -> Decimal:
        where = positions[0].place.field("markPrice")
        given = self._price(market, *(position.symbol for position in positions if not position.option))
        self.marks[market] = where if given is None else GIVEN
        if given is not None:
            return given
        stated = {position.mark_price for position in positions}
        if len(stated) > 1:
            raise InputError(
                f"{where}: {market} has two mark prices in one account; give --price {market}=..."
            )
        (mark,) = stated
        if mark is None:
            raise InputError(f"{where}: missing; state it in the file or give --price {market}=...")
        return mark

    def _price(self, *symbols: str) -> Decimal | None:
        """The price given for any name of a symbol."""
        if not self.prices:
            return None
        names = (name.casefold() for symbol in symbols for name in readings(symbol))
        return next((self.prices[name] for name in names if name in self.prices), None)

    def _add_row(self, row: str, held: Sequence[Held], marks: Mapping[str, Decimal]) -> None:
        """Add a market and the options on it."""
        perpetuals = [each.position for each in held if each.market == row]
        if len(perpetuals) == len(held):
            self._add_market(row, perpetuals, marks[row])
            return
        given = self._price(row)
        market, quotes = optioned_row(self.venue, self.rules, self.account, row, held, marks, given)
        self._take(market, perpetuals)
        set_grids(self.venue, self.rules, row, quotes)
        self.quotes |= quotes

    def _add_market(self, name: str, positions: Sequence[BookPosition], mark: Decimal) -> None:
        first = positions[0].place
        finest = max(places(position.size, position.place.field("contracts")) for position in positions)
        market = self._stated_market(name, positions)
        where = first.field("markPrice")
        if market is None:
            market = self.rules.priced(name, finest, mark, where)
        else:
            market = at_mark(market, finest, mark, where)
        self._take(market, positions)

    def _take(self, market: Market, positions: Sequence[BookPosition]) -> None:
        """Add a market with its pool, and say what should be known of the positions in it."""
        name, shape = market.id, market.requirement
        if isinstance(shape, OpenInterestScaled) and shape.upper_q:
            self.note(
                f"{name}: initial margin grows with open interest, which the file does not state; it is the base one"
            )
        for position in positions:
            if position.leverage is not None and _is_above(position.leverage, shape):
                self.note(
                    f"{name}: leverage {position.leverage} is above the maximum; margin is that of {_most(shape)}"
                )
        self.venue.markets[name] = market
        self.venue.pools.setdefault(market.pool, CollateralPool(market.pool))

    def _stated_market(self, name: str, positions: Sequence[BookPosition]) -> Market | None:
        """The market by the venue's own word on the position's maximum leverage, where that is not the rulebook's."""
        known = self.rules.knows(name)
        if known and name not in self.rules.symbols:
            self.note(f"{name} is not listed by {self.rulebook.name}: its catch-all market is used")
        stating = next((position for position in positions if self._states_rule(position)), None)
        if stating is None or self.rules.is_changed(name):
            return None
        if not known:
            self.note(
                f"{name}: not in {self.rulebook.name}; margin follows from the maximum leverage in the file"
            )
            return Market(name, Scale(1, 1), _stated_table(stating), pool=name, price_decimals=QUOTE_DECIMALS)
        market, stated = self.rules.market(name), stating.venue_max_leverage
        most = _most(market.requirement)
        if stated == most:
            return None
        self.note(
            f"{name}: maximum leverage is {stated} in the file and {most} in {self.rulebook.name}; the file counts"
        )
        return replace(market, requirement=_stated_table(stating))

    # -- subaccounts ------------------------------------------------------------------------------------------------

    def _add_subaccount(self, part: Part) -> None:
        """Open a subaccount whose quote balance is its collateral less what its positions cost, rounded down once."""
        self._refuse_unfit(part)
        parent = self.account.name if part.mode == "isolated" else None
        subaccount = Subaccount(part.subaccount, self.account.name, parent)
        if part.mode == "isolated":
            position = part.held[0].position
            cash, place = position.collateral or Decimal(0), position.place.field("collateral")
        else:
            cash = (self.account.collateral or {}).get(QUOTE, Decimal(0))
            place = self.account.place.field("collateral")
        subaccount.balances = self._other_collateral(part.assets, place)
        for each in part.held:
            cash = EXACT.subtract(cash, self._open(subaccount, each))
        subaccount.balances[QUOTE] = round_atoms(cash, QUOTE_DECIMALS)
        if any(abs(amount) >= LIMIT for amount in subaccount.balances.values()):
            where = f"{self.account.place}: the balance of {part.subaccount}"
            raise InputError(f"{where} is more than the engine holds (2^96 atoms)")
        self.venue.subaccounts[part.subaccount] = subaccount

    def _open(self, subaccount: Subaccount, each: Held) -> Decimal:
        """Enter a position and return what it cost, signed."""
        position, market = each.position, self.venue.markets[each.market]
        price = position.mark_price if position.entry_price is None else position.entry_price
        if price is None:
            raise InputError(f"{position.place.field('entryPrice')}: missing")
        cost = EXACT.multiply(position.size, price)
        size_b = atoms(position.size, market.base_decimals, position.place.field("contracts"))
        subaccount.positions[market.id] = Position(size_b, round_atoms(cost, QUOTE_DECIMALS, up=True), 0)
        if position.leverage is not None and position.option is None:
            subaccount.leverages[market.id] = _chosen(position.leverage)
        return cost

    def _refuse_unfit(self, part: Part) -> None:
        """Refuse what the venue's own layer of isolation does not allow."""
        pools: dict[str, str] = {}
        for each in part.held:
            where, market = each.position.place, each.market
            if not self.rules.offers(self._row(market), part.mode):
                sentence = f"{market} cannot be held {part.mode} on {self.rulebook.name}"
                raise CannotHoldError(f"{where.field('marginMode')}: {sentence}", MODE, market)
            pools[self.venue.markets[market].pool] = market
            if self.venue.policy.exclusive_pools and len(pools) > 1:
                mixed = " and ".join(pools.values())
                sentence = f"{self.rulebook.name} keeps {mixed} in collateral pools that may not mix"
                raise CannotHoldError(f"{where.field('marginMode')}: {sentence}", POOLS, *pools.values())

    def _other_collateral(self, held: Mapping[str, Decimal], place: Place) -> dict[str, int]:
        """Balances in other assets than the quote asset, whose prices are set on the way."""
        balances: dict[str, int] = {}
        for asset, amount in held.items():
            where = place.field(asset)
            if (price := self._asset_price(asset, where)) is not None:
                # Where it moves with a market of the account, it lies on that market's grid, at every price alike.
                own = self.venue.markets.get(asset)
                digits = max(places(price, where), own.price_decimals if own else 0)
                priced = asset_on_grid(self.rules.assets[asset], digits)
                priced.price = atoms(price, priced.price_decimals, where)
                self.venue.assets[asset] = priced
                balances[asset] = round_atoms(amount, priced.decimals)
                self._add_followed(priced, price, where)
        return balances

    def _add_followed(self, asset: Asset, price: Decimal, where: Place) -> None:
        """The market that collateral moves with, where a rule over all positions nets the two."""
        name = asset.market
        if self.rules.policy.set_rule is None or not name or name in self.venue.markets:
            return
        stated = self._price(name)
        mark = price if name == asset.id else self.account.prices.get(name) if stated is None else stated
        if mark is None:
            raise InputError(
                f"{where}: it moves with {name}, whose price is not stated; give --price {name}=..."
            )
        self.venue.markets[name] = self.rules.priced(name, 0, mark, where)

    def _asset_price(self, asset: str, where: Place) -> Decimal | None:
        """The price of a collateral asset; none where nobody states one, so that it counts for nothing."""
        accepted = self.rules.assets
        if asset not in accepted:
            takes = ", ".join((QUOTE, *accepted))
            sentence = f"{where}: not collateral on {self.rulebook.name}, which takes {takes}"
            raise CannotHoldError(sentence, COLLATERAL, asset)
        stated = (self._price(asset), self.account.prices.get(asset), self._own_mark(asset))
        price = next((each for each in stated if each is not None), None)
        if price is None:
            self.note(f"{asset}: no price is given, so it counts for nothing; give --price {asset}=...")
        elif asset in self.venue.markets and accepted[asset].market not in self.venue.markets:
            self.note(
                f"{asset}: its liquidation price holds the price of the {asset} in the collateral; "
                f"--price {asset}=... moves both"
            )
        return price

    def _own_mark(self, asset: str) -> Decimal | None:
        """The mark of the market named like a collateral asset, where the account has a position in it."""
        market = self.venue.markets.get(asset)
        return None if market is None else Decimal(market.mark).scaleb(-market.price_decimals, EXACT)

    def _add_unlisted(self) -> None:
        """Count what the venue asks for positions that the file does not list; their value is in the stated equity."""
        if self.account.maintenance_margin is None:
            where = self.account.place
            raise InputError(
                f"{where}: not all positions are listed, and no maintenance margin is stated for them"
            )
        subaccount = self.venue.subaccounts[self.account.name]
        listed = (market_risk(self.venue, subaccount, name).maintenance_q for name in subaccount.positions)
        rest_q = round_atoms(self.account.maintenance_margin, QUOTE_DECIMALS) - sum(listed)
        if rest_q > 0:
            rule = Tiered((Tier(0, 0, 0, 0),), 1)
            self.venue.markets[UNLISTED] = Market(
                UNLISTED, Scale(0, 1), rule, UNLISTED, minimum_margin_q=rest_q, mark=1, index=1
            )
            self.venue.pools[UNLISTED] = CollateralPool(UNLISTED)
            subaccount.positions[UNLISTED] = Position(1, 0, 0)
        self.note(
            "not all positions are listed; the others count with the maintenance margin that the venue states, at "
            "unchanged prices, and what needs their size or initial margin is left out"
        )


@lru_cache(maxsize=4096)
def _most(requirement: Requirement) -> Fraction | None:
    """Largest leverage that a requirement allows; `None` where it sets no bound."""
    least = lowest_initial(requirement)
    return 1 / least if least else None


@lru_cache(maxsize=4096)
def _is_above(leverage: Decimal, requirement: Requirement) -> bool:
    most = _most(requirement)
    return most is not None and Fraction(leverage) > most


@lru_cache(maxsize=4096)
def _chosen(leverage: Decimal) -> Leverage:
    exact = Fraction(leverage)
    return Leverage(exact.numerator, exact.denominator)


def _refuse_repeats(held: Sequence[Held]) -> None:
    seen = set()
    for each in held:
        alone = each.position.mode == "isolated"
        key = (each.market, each.position.mode, alone and each.position.size > 0)
        if key in seen:
            where = each.position.place.field("symbol")
            raise InputError(
                f"{where}: {each.market} stands twice as {each.position.mode}; net the two into one"
            )
        seen.add(key)


def _stated_table(position: BookPosition) -> Tiered:
    stated = position.venue_max_leverage
    if stated is None or stated != int(stated):
        raise InputError(f"{position.place.field('maxLeverage')}: expected a whole number, got {stated}")
    return leverage_table([(0, int(stated))])
