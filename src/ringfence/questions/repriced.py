"""The move that liquidates a subaccount with options: every price of an underlying moves, and options are priced anew.

The engine holds what pricing told it, so it can be asked about other prices only after they are told. Each candidate is
a state of its own: marks moved, options repriced at the volatilities that they have now, scenarios too. With options
the surplus is not concave, so the search walks in steps and finds the nearest side of liquidation up to a step.
"""

from collections.abc import Callable, Iterator, Mapping
from copy import copy
from decimal import Decimal
from fractions import Fraction

from msgspec.structs import replace

from ..books.record import EXACT
from ..clearing import solve
from ..clearing.model import Market, Subaccount, Venue
from ..clearing.risk import subaccount_risk
from ..pricing.black76 import YEAR_SECONDS, Terms, price
from ..pricing.scenarios import Quote
from ..rules.words import PPM
from ..venues.model import Rulebook
from .build import Built
from .listings import listings
from .option_markets import set_grids

WALK_PPM = ((5_000, 300_000), (20_000, 1_000_000), (100_000, 5_000_000))
"""Steps of the walk, each up to a bound: half a percent as far as 30 %, two as far as 100 %, ten as far as 500 %."""

FINEST_PPM = 100
"""What is found is known to a hundredth of a percent."""

FALL_MOST_PPM = 950_000


def uniform_move_ppm(built: Built, subaccount: Subaccount) -> int | None:
    """Smallest common move of all marks, in ppm, at which a subaccount is liquidatable; options are priced anew."""
    if not any(built.venue.markets[name].option for name in subaccount.positions):
        return solve.uniform_move_ppm(built.venue, subaccount)

    def bad(move_ppm: int) -> bool:
        venue = moved(built, move_ppm)
        risk = subaccount_risk(venue, subaccount)
        return risk.liquidatable(at_equality=venue.policy.trigger_at_equality)

    if bad(0):
        return 0
    safe = {1: 0, -1: 0}
    for far in _walk():
        for sign in (-1, 1):
            if sign < 0 and far > FALL_MOST_PPM:
                continue
            if bad(sign * far):
                near, beyond = safe[sign], sign * far
                while abs(beyond - near) > FINEST_PPM:
                    middle = (near + beyond) // 2
                    near, beyond = (near, middle) if bad(middle) else (middle, beyond)
                return beyond
            safe[sign] = sign * far
    return None


def _walk() -> Iterator[int]:
    far = 0
    for step, most in WALK_PPM:
        yield from range(far + step, most + 1, step)
        far = most


def moved(built: Built, move_ppm: int) -> Venue:
    """The venue after every underlying has moved, with options priced anew at their volatilities."""
    venue, before = copy(built.venue), built.venue
    venue.markets = {name: _moved_market(market, move_ppm) for name, market in before.markets.items()}
    venue.assets = {
        name: replace(asset, price=_moved(asset.price, move_ppm)) if asset.market in before.markets else asset
        for name, asset in before.assets.items()
    }
    reprice_options(built.rulebook, built.quotes, venue, lambda _underlying: Fraction(PPM + move_ppm, PPM))
    return venue


def reprice_options(
    rulebook: Rulebook, quoted: Mapping[str, Quote], venue: Venue, factor: Callable[[str], Fraction]
) -> None:
    """Price the options of `venue` anew, whose underlyings cost `factor` (by name) times what they did when `quoted`.

    Options on an underlying that has not moved keep their prices. The markets of `venue` are its own, and change.
    """
    by_row: dict[str, dict[str, Quote]] = {}
    for name, quote in quoted.items():
        market = venue.markets[name]
        assert market.option is not None
        share = factor(market.option.underlying)
        if share != 1:
            now = quote._replace(forward=quote.forward * share.numerator / share.denominator)
            market.mark = market.index = _option_mark(venue, market, now)
            by_row.setdefault(market.option.underlying, {})[name] = now
    for row, quotes in by_row.items():
        set_grids(venue, listings(rulebook), row, quotes)


def _moved_market(market: Market, move_ppm: int) -> Market:
    """A twin of a market, whose prices have moved unless it is an option."""
    if market.option is not None:
        return replace(market)
    return replace(market, mark=_moved(market.mark, move_ppm), index=_moved(market.index, move_ppm))


def _moved(quanta: int, move_ppm: int) -> int:
    return max(1, quanta * (PPM + move_ppm) // PPM)


def _option_mark(venue: Venue, market: Market, quote: Quote) -> int:
    """The price of an option at its volatility, in quanta."""
    option, decimals = market.option, market.price_decimals
    assert option is not None
    years = max(1, (option.expiry_ms - venue.time_ms) // 1000) / YEAR_SECONDS
    strike = float(Decimal(option.strike).scaleb(-decimals, EXACT))
    found = price(Terms(quote.forward, strike, years, option.call), quote.vol)
    return max(1, int(Decimal(found).scaleb(decimals, EXACT)))
