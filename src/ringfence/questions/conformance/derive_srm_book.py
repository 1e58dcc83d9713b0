"""A subaccount under Derive's standard manager: what it holds, the feeds, and every part of its margin.

Everything is in wei. Options are priced by Black-76 without a discount, as the venue does; the standard rule does the
rest (`clearing.standard`).

Source: `derivexyz/v2-core@7736900d src/risk-managers/StandardManager.sol:364-860`.
"""

from fractions import Fraction
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from ...clearing.model import Scale
from ...clearing.risk import Risk
from ...clearing.set_rules import StandardMargin, StandardTerms
from ...clearing.standard import (
    Asked,
    Expiry,
    OptionLeg,
    Underlying,
    alone,
    doubts_q,
    expiry,
    peg_q,
    standard_margin,
    unpaired,
    worst_settlement_q,
)
from ...pricing.black76 import YEAR_SECONDS, Terms, price
from ...rules.requirement import fraction_q
from ...rules.value import notional_q, value_q
from ...rules.words import CEIL, FLOOR, WAD, abs_, mul_div_down

ONE = Scale(1, WAD)
"""Sizes, prices and amounts all have 18 decimal places."""


class Rule(NamedTuple):
    """Parameters of the manager, over `WAD`; perpetuals and collateral have theirs beside the set rule."""

    margin: StandardMargin
    perp_initial: int
    perp_maintenance: int
    base_factor: int


class Option(NamedTuple):
    """A position in an option, with its volatility and what the feed thinks of it."""

    expiry: int
    strike: int
    is_call: bool
    size: int
    vol: int
    confidence: int


class Feed(NamedTuple):
    """Prices of one underlying; a confidence is over `WAD`."""

    spot: int
    spot_confidence: int
    perp: int
    perp_confidence: int
    forwards: dict[int, int]
    """Forward by seconds to expiry, as the feed states it."""
    settled: dict[int, int]
    """The same, with the part of the settlement average that is already fixed: what options are priced at."""
    confidences: dict[int, int]


class Holding(Struct):
    """What a subaccount holds in one underlying."""

    feed: Feed
    options: list[Option]
    base: int = 0
    perp: int = 0
    pnl: int = 0
    """Unrealized PnL of the perpetual."""
    funding: int = 0


class Book(NamedTuple):
    """A subaccount."""

    rule: Rule
    cash: int
    stable: int
    """Price of the quote asset in USD."""
    holdings: dict[str, Holding]

    def sure(self) -> "Book":
        """The same subaccount where no feed is doubted."""
        return self._replace(rule=self.rule._replace(margin=replace(self.rule.margin, doubt_num=0)))


class Parts(NamedTuple):
    """What makes up the margin in one underlying; penalties are positive and ask initial margin alone."""

    held: Underlying
    worth: int
    """Of the options at their marks, signed."""
    option: Asked
    isolated: Asked
    bounded: tuple[int, int]
    """Worst settlement with unpaired calls of the expiry that the case names last (initial, maintenance), signed."""
    perp: Asked
    base: int
    base_worth: int
    doubt: int
    depeg: int


def weigh(book: Book) -> dict[str, Parts]:
    """Every part of the margin, by underlying."""
    return {name: _parts(book, held) for name, held in book.holdings.items()}


def _parts(book: Book, held: Holding) -> Parts:
    margin, terms, feed = book.rule.margin, book.rule.margin.options, held.feed
    base = value_q(held.base, feed.spot, ONE.num, ONE.den, FLOOR)
    under = _underlying(held, base)
    legs = [leg for each in under.expiries for leg in each.legs]
    option, isolated = Asked(), Asked()
    for each in under.expiries:
        option += expiry(each.legs, feed.spot, each.forward, ONE, terms)
    for leg in legs:
        isolated += alone(leg, feed.spot, ONE, terms)
    return Parts(
        under,
        sum(leg.mark_q if leg.size_b > 0 else -leg.mark_q for leg in legs),
        option,
        isolated,
        _bounded(held, under, terms),
        _perp(book.rule, held),
        mul_div_down(base, book.rule.base_factor, WAD),
        mul_div_down(base, WAD, book.stable),
        doubts_q(margin, under),
        peg_q(margin, book.stable, under),
    )


def _underlying(held: Holding, base: int) -> Underlying:
    feed, expiries = held.feed, []
    for seconds in dict.fromkeys(option.expiry for option in held.options):
        options = [option for option in held.options if option.expiry == seconds]
        legs = [_leg(option, feed.settled[seconds]) for option in options]
        sure = min(feed.confidences[seconds], *(option.confidence for option in options))
        expiries.append(Expiry(legs, feed.settled[seconds], sure))
    pledges = [(base, feed.spot_confidence)]
    return Underlying(
        feed.spot, ONE, feed.spot_confidence, expiries, abs_(held.perp), feed.perp_confidence, pledges
    )


def _perp(rule: Rule, held: Holding) -> Asked:
    notional = notional_q(held.perp, held.feed.perp, ONE.num, ONE.den, CEIL)
    rates = (rule.perp_initial, rule.perp_maintenance)
    initial, maintenance = (fraction_q(notional, rate, WAD, CEIL) for rate in rates)
    return Asked(initial, maintenance)


def _bounded(held: Holding, under: Underlying, terms: StandardTerms) -> tuple[int, int]:
    if not held.options:
        return 0, 0
    legs, forward = (
        under.expiries[-1].legs,
        held.feed.forwards[[*dict.fromkeys(o.expiry for o in held.options)][-1]],
    )
    worst, beyond = worst_settlement_q(legs, ONE), unpaired(legs, forward, ONE, terms)
    return worst - beyond.initial_q, worst - beyond.maintenance_q


def _leg(option: Option, forward: int) -> OptionLeg:
    years = option.expiry / YEAR_SECONDS
    terms = Terms(forward / WAD, option.strike / WAD, years, option.is_call)
    mark = int(Fraction(price(terms, option.vol / WAD)) * WAD)
    worth = notional_q(option.size, mark, ONE.num, ONE.den, CEIL)
    return OptionLeg(option.size, option.strike, option.is_call, worth)


def risk(book: Book, parts: dict[str, Parts]) -> Risk:
    """Equity (everything at the mark) against what the rule asks of it; the venue states the difference."""
    worth, perps, pledged = book.cash, Asked(), 0
    for name, held in book.holdings.items():
        part = parts[name]
        worth += part.worth + held.pnl + held.funding + part.base_worth
        pledged += part.base_worth - part.base
        perps += part.perp
    found = standard_margin(book.rule.margin, book.stable, [part.held for part in parts.values()], perps)
    return Risk(worth, found.initial_q + pledged, found.maintenance_q + pledged)
