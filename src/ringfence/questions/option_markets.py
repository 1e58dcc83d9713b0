"""Options of a book as markets of the engine: their marks, and what they are worth in the scenarios of a venue.

Volatilities are the book's, or what the marks imply; forwards are the underlying's price. Pricing is Black-76 in
floating point, rounded against who holds or owes the option before it reaches the engine (`ringfence.pricing`).
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache

from ..books.account import Account, BookPosition
from ..books.options import OptionTerms
from ..clearing.apply import apply
from ..clearing.decide import decide
from ..clearing.model import Market, Option, Venue
from ..clearing.policy import Tier, Tiered
from ..clearing.set_rules import ScenarioMargin, StandardMargin
from ..clearing.verdict import Rejected
from ..errors import InputError
from ..pricing.black76 import YEAR_SECONDS, Terms, implied_vol, price
from ..pricing.scenarios import Quote, Shocks, revaluation, shocks_of
from .arrange import Held
from .grid import atoms, places
from .listings import Listings, at_mark

NOTHING = Tiered((Tier(0, 0, 0, 0),), 1)
"""What the market of an option asks: the venue's rule over all positions asks instead."""

MARK_DIGITS = Decimal("1e-8")
"""Digits of a mark that is worked out of a volatility."""

KEPT = "options are priced anew where all marks move together; a liquidation price of another position holds them"


@lru_cache(maxsize=64)
def offers_options(rules: Listings) -> bool:
    """Whether a venue's margin rule says what options ask."""
    rule = rules.policy.set_rule
    if isinstance(rule, ScenarioMargin):
        return bool(rules.rulebook.portfolio_shocks().get("vol"))
    return isinstance(rule, StandardMargin)


def spot_of(
    account: Account,
    row: str,
    positions: Iterable[BookPosition],
    mark: Decimal | None,
    given: Decimal | None,
) -> Decimal:
    """The price of an underlying: given with the question, stated with its options, or that of a position in it."""
    options = [position for position in positions if position.option is not None]
    stated = {price for each in options if each.option and (price := each.option.underlying_price)}
    where = options[0].place.field("underlyingPrice")
    if given is None and len(stated) > 1:
        raise InputError(f"{where}: {row} has two prices in one account; give --price {row}=...")
    spot = given or next(iter(stated), None) or mark or account.prices.get(row)
    if spot is None:
        raise InputError(f"{where}: missing; state it in the file or give --price {row}=...")
    return spot


def mark_of(account: Account, position: BookPosition, spot: Decimal) -> Decimal:
    """The mark that an option's volatility gives it, where the file states none."""
    option = _option(position)
    if option.volatility is None:
        where = position.place.field("markPrice")
        raise InputError(f"{where}: missing; state it, or impliedVolatility")
    found = Decimal(price(_terms(account, position, spot), float(option.volatility)))
    return max(MARK_DIGITS, found.quantize(MARK_DIGITS))


def optioned_row(
    venue: Venue,
    rules: Listings,
    account: Account,
    row: str,
    held: Sequence[Held],
    marks: Mapping[str, Decimal],
    given: Decimal | None,
) -> tuple[Market, dict[str, Quote]]:
    """Add the options on one underlying; returns the underlying and what pricing needs of each option."""
    spot = spot_of(account, row, (each.position for each in held), marks.get(row), given)
    where = held[0].position.place.field("underlyingPrice")
    size, finest = 0, places(spot, where)
    for position in (each.position for each in held):
        size = max(size, places(position.size, position.place.field("contracts")))
        if position.option is not None:
            finest = max(finest, places(position.option.strike, position.place.field("strike")))
    for each in held:
        finest = max(finest, places(marks[each.market], each.position.place.field("markPrice")))
    market = at_mark(rules.market(row), size, marks.get(row, spot), where, finest)
    market.index = atoms(spot, market.price_decimals, where)
    quotes = {}
    for each in held:
        if each.position.option is not None:
            mark = marks[each.market]
            venue.markets[each.market] = _option_market(each.market, market, each.position, mark)
            quotes[each.market] = Quote(float(spot), _volatility(account, each.position, spot, mark))
    return market, quotes


def _option(position: BookPosition) -> OptionTerms:
    assert position.option is not None
    return position.option


def _terms(account: Account, position: BookPosition, spot: Decimal) -> Terms:
    """What an option's price depends on now; raises `InputError` once it has expired."""
    option = _option(position)
    seconds = (option.expiry_ms - (account.time_ms or 0)) // 1000
    if seconds <= 0:
        where = position.place.field("expiry")
        raise InputError(
            f"{where}: not after the account's timestamp ({account.time_ms}); the option has expired"
        )
    return Terms(float(spot), float(option.strike), seconds / YEAR_SECONDS, option.kind == "call")


def _volatility(account: Account, position: BookPosition, spot: Decimal, mark: Decimal) -> float:
    """The stated volatility, else the one that the mark implies."""
    terms, stated = _terms(account, position, spot), _option(position).volatility
    if stated is not None:
        return float(stated)
    try:
        return implied_vol(terms, float(mark))
    except InputError as error:
        where = position.place.field("markPrice")
        raise InputError(
            f"{where}: {mark} implies no volatility ({error}); state impliedVolatility"
        ) from None


def _option_market(name: str, underlying: Market, position: BookPosition, mark: Decimal) -> Market:
    """The market of an option, on the grid of its underlying."""
    option, decimals = _option(position), underlying.price_decimals
    strike = atoms(option.strike, decimals, position.place.field("strike"))
    quanta = atoms(mark, decimals, position.place.field("markPrice"))
    return Market(
        name,
        underlying.scale,
        NOTHING,
        underlying.pool,
        base_decimals=underlying.base_decimals,
        price_decimals=decimals,
        mark=quanta,
        index=quanta,
        previous_mark=quanta,
        option=Option(underlying.id, strike, option.kind == "call", option.expiry_ms),
    )


@lru_cache(maxsize=64)
def _shocks(rules: Listings) -> Shocks:
    return shocks_of(rules.rulebook.portfolio_shocks())


def set_grids(venue: Venue, rules: Listings, underlying: str, quotes: Mapping[str, Quote]) -> None:
    """Tell the engine what the options on an underlying are worth in every scenario, where the venue has scenarios."""
    if not isinstance(venue.policy.set_rule, ScenarioMargin):
        return
    verdict = decide(venue, revaluation(venue, underlying, _shocks(rules), quotes))
    if isinstance(verdict, Rejected):
        raise InputError(f"{rules.rulebook.name}: options on {underlying}: {verdict.sentence}")
    for event in verdict.events:
        apply(venue, event)
