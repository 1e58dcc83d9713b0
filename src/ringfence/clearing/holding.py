"""What a rule over a set of positions looks at: lots and collateral with what they are worth, by underlying."""

from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple

from ..rules.words import abs_
from .model import Asset, Market, Option, Term, Venue


class Exposure(NamedTuple):
    """Lots of one market with the price that they are judged at, what they are worth there and what they cost."""

    market: Market
    size_b: int
    price: int
    worth_q: int
    cost_q: int = 0


class Pledge(NamedTuple):
    """Collateral other than quote, and what equity counts it for."""

    asset: Asset
    worth_q: int
    amount: int = 0


class Holding(NamedTuple):
    """Everything that a set rule looks at; `spots` stand in for index prices where a question moves a market."""

    exposures: Sequence[Exposure]
    pledges: Sequence[Pledge] = ()
    spots: Mapping[str, int] = {}


class Group(NamedTuple):
    """What nets: the perps, options by expiry and moving collateral of one underlying."""

    underlying: Market
    spot: int
    perps: list[Exposure]
    expiries: dict[int, list[tuple[Option, Exposure]]]
    pledges: list[Pledge]


def grouped(venue: Venue, assets: Container[str], holding: Holding) -> dict[str, Group]:
    """A holding by underlying, with those of its `assets` that move with one."""
    found: dict[str, Group] = {}

    def of(name: str) -> Group:
        market = venue.markets[name]
        return found.setdefault(name, Group(market, holding.spots.get(name, market.index), [], {}, []))

    for exposure in holding.exposures:
        option = exposure.market.option
        if option is None:
            of(exposure.market.id).perps.append(exposure)
        else:
            of(option.underlying).expiries.setdefault(option.expiry_ms, []).append((option, exposure))
    for pledge in holding.pledges:
        if pledge.asset.id in assets and pledge.asset.market:
            of(pledge.asset.market).pledges.append(pledge)
    return found


def term_of(underlying: Market, expiry_ms: int, den: int) -> Term:
    """What an expiry counts for; all of it where nothing was said."""
    found = (term for term in underlying.terms if term.expiry_ms == expiry_ms)
    return next(found, Term(expiry_ms, den, den))


def perp_b(group: Group) -> int:
    """Lots of perps, of either side."""
    return sum(abs_(exposure.size_b) for exposure in group.perps)
