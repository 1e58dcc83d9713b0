"""A portfolio of Derive's portfolio managers as an account of the engine, on grids of 24 decimal places.

Options are priced by `pricing.scenarios` and handed over as the engine wants them: prices rounded down for bought lots
and up for sold ones. Everything else, to the margin itself, is the engine's portfolio rule. What the rounding leaves
open is added to both sides of an answer, so a number is compared as the range in which it is known to lie.
"""

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

from ...clearing.model import (
    QUOTE,
    Asset,
    CollateralPool,
    Grid,
    Market,
    Option,
    Position,
    Scale,
    Subaccount,
    Venue,
)
from ...clearing.policy import Policy, Rounding, Sided, Tier, Tiered
from ...clearing.risk import Risk, collateral_risk, holding, subaccount_risk
from ...clearing.scenarios import (
    Breakdown,
    Charges,
    breakdowns,
    initial_share_num,
    still_doubt_q,
    underlying_margin,
)
from ...clearing.set_rules import ScenarioMargin
from ...pricing.scenarios import Contract, Expiry, Shocks, discounts, grid, scenario_bounds, term
from ...rules.words import CEIL, FLOOR, PPM
from .vectors import Range

DECIMALS = 24
ONE = 10**DECIMALS
ASKS_NOTHING = Tiered((Tier(0, 0, 0, 0),), 1)
"""Requirement of a market that a portfolio rule judges."""
UNDERLYING, ACCOUNT, POOL = "underlying", "account", "pool"


class Feed(NamedTuple):
    """What is known of one expiry: time and forward, and the least confidence of forward, rate and volatility."""

    expiry: Expiry
    confidence: Fraction


class Lots(NamedTuple):
    """A position in one option: the expiry is a key of the book's feeds, `size` is signed."""

    expiry: int
    strike: Fraction
    call: bool
    vol: float
    size: Fraction


class Collateral(NamedTuple):
    """Collateral: what it is worth in the quote asset, how sure that is, its charges, and whether scenarios move it."""

    name: str
    worth: Fraction
    confidence: Fraction
    moves: bool
    initial: Fraction = Fraction(0)
    maintenance: Fraction = Fraction(0)


class Book(NamedTuple):
    """A portfolio with its prices, in USD; `settled` is unrealized PnL and funding of the perps."""

    cash: Fraction
    settled: Fraction
    spot: Fraction
    spot_confidence: Fraction
    perp_size: Fraction
    perp_price: Fraction
    perp_confidence: Fraction
    stable: Fraction
    feeds: dict[int, Feed]
    lots: Sequence[Lots]
    collateral: Sequence[Collateral]


class Answer(NamedTuple):
    """What the engine says of a book."""

    risk: Risk
    initial_free_q: int
    """Net initial margin as the venue states it: ours never exceeds net maintenance margin, the venue's may."""
    held: Risk
    """Collateral alone: what it is worth and what its haircuts ask."""
    parts: Breakdown
    doubt: int
    """Charge for uncertain prices."""
    share_num: int
    """Share of the worst loss that initial margin asks."""
    marks: dict[int, int]
    """Worth of each expiry at the marks."""
    slack: int
    """Atoms by which rounded prices may have moved an amount."""

    def usd(self, atoms: int) -> Range:
        """An amount in USD."""
        return Range(Fraction(atoms - self.slack, ONE), Fraction(atoms + self.slack, ONE))


def exact(number: Fraction) -> int:
    """A number on the grid, rounded down."""
    atoms: int = math.floor(number * ONE)
    return atoms


def answer(book: Book, rule: ScenarioMargin, shocks: Shocks) -> Answer:
    """Ask the engine for the margin of a book under a scenario rule."""
    venue = _venue(book, rule, shocks)
    account = venue.subaccounts[ACCOUNT]
    everything = holding(venue, account)
    parts = breakdowns(venue, rule, everything).get(UNDERLYING, _nothing(rule))
    marks = dict.fromkeys(book.feeds, 0)
    for lots in _merged(book.lots):
        mark = venue.markets[_name(lots)].mark
        marks[lots.expiry] += math.floor(lots.size * mark)
    risk, held = subaccount_risk(venue, account), collateral_risk(venue, account)
    share_num, still_q = initial_share_num(venue, rule), still_doubt_q(venue, rule, everything)
    asked_q = held.initial_q + underlying_margin(rule, share_num, parts).initial_q + still_q
    return Answer(
        risk,
        risk.equity_q - asked_q,
        held,
        parts,
        parts.doubt_q + still_q,
        share_num,
        marks,
        _slack(venue, account, rule),
    )


def _nothing(rule: ScenarioMargin) -> Breakdown:
    return Breakdown(tuple(0 for _ in rule.scenarios), 0, Charges(), Charges(), 0)


def _name(lots: Lots) -> str:
    return f"{lots.expiry}-{lots.strike}-{'C' if lots.call else 'P'}"


def _merged(lots: Iterable[Lots]) -> list[Lots]:
    """One position an option: the venue keeps one balance of each."""
    found: dict[str, Lots] = {}
    for item in lots:
        before = found.get(_name(item))
        found[_name(item)] = item if before is None else item._replace(size=before.size + item.size)
    return [item for item in found.values() if item.size]


def _venue(book: Book, rule: ScenarioMargin, shocks: Shocks) -> Venue:
    scale = Scale(1, ONE)
    mark = book.perp_price if book.perp_size else book.spot
    main = Market(UNDERLYING, scale, ASKS_NOTHING, POOL, mark=exact(mark), index=exact(book.spot))
    main.confidence_ppm = _ppm(book.perp_confidence if book.perp_size else Fraction(1))
    main.index_confidence_ppm = _ppm(book.spot_confidence)
    main.terms = tuple(term(shocks, _ms(key), feed.expiry, rule.den) for key, feed in book.feeds.items())
    markets, positions = {UNDERLYING: main}, {}
    balance = exact(book.cash) + exact(book.settled)
    if book.perp_size:
        size = exact(book.perp_size)
        positions[UNDERLYING] = Position(size, 0, 0)
        balance -= size * main.mark // ONE
    for lots in _merged(book.lots):
        market = _option(book.feeds[lots.expiry], lots, rule, shocks)
        markets[market.id] = market
        positions[market.id] = Position(exact(lots.size), 0, 0)
    assets = {item.name: _asset(item) for item in book.collateral}
    balances = {QUOTE: balance, **{item.name: exact(item.worth) for item in book.collateral}}
    account = Subaccount(ACCOUNT, ACCOUNT, balances=balances, positions=positions)
    policy = Policy(rounding=Rounding(FLOOR, CEIL, CEIL, FLOOR), set_rule=rule)
    pools = {POOL: CollateralPool(POOL)}
    venue = Venue(policy, markets, assets, pools, {ACCOUNT: account})
    venue.quote_wad = math.floor(book.stable * 10**18)
    return venue


def _ms(seconds: int) -> int:
    return max(seconds, 0) * 1000


def _ppm(confidence: Fraction) -> int:
    return math.floor(confidence * PPM)


def _option(feed: Feed, lots: Lots, rule: ScenarioMargin, shocks: Shocks) -> Market:
    contract = Contract(float(lots.strike), lots.call, lots.vol)
    at_mark = scenario_bounds(shocks, feed.expiry, contract, "none", Fraction(1), ONE)
    option = Option(UNDERLYING, exact(lots.strike), lots.call, _ms(lots.expiry))
    market = Market(_name(lots), Scale(1, ONE), ASKS_NOTHING, POOL, option=option)
    market.mark = market.index = (at_mark.low + at_mark.high) // 2
    market.grid = grid(rule, shocks, feed.expiry, contract, ONE)
    market.confidence_ppm = _ppm(feed.confidence)
    return market


def _asset(item: Collateral) -> Asset:
    weights = Sided(exact(item.initial), exact(item.maintenance), 0, 0, ONE)
    asset = Asset(item.name, Scale(1, 1), ASKS_NOTHING, price=1, weights=weights)
    asset.confidence_ppm = _ppm(item.confidence)
    asset.market = UNDERLYING if item.moves else ""
    return asset


def _slack(venue: Venue, account: Subaccount, rule: ScenarioMargin) -> int:
    """Sum of the widths of all prices used, as much as the rule can multiply them, and an atom for each division."""
    found = 0
    for name, held in account.positions.items():
        prices: Grid | None = venue.markets[name].grid
        if prices is not None:
            width = max(high - low for low, high in zip(prices.low, prices.high, strict=True))
            found += abs(held.size_b) * width // ONE + 1
    gain = max((term.debt_num for term in venue.markets[UNDERLYING].terms), default=ONE)
    weight = max(scenario.weight_num for scenario in rule.scenarios)
    factors = (initial_share_num(venue, rule), rule.basis_add_num + rule.basis_yearly_num, weight, gain)
    times: int = math.prod(max(1, -(-factor // ONE)) for factor in factors)
    return 4 * found * times + 100 * (len(account.positions) + len(account.balances) + 1)


def discount_pairs(book: Book, shocks: Shocks) -> list[list[Fraction]]:
    """What worth and debt of each expiry count for, in the order of the feeds."""
    return [[Fraction(share) for share in discounts(shocks, feed.expiry)] for feed in book.feeds.values()]
