"""An account described in decimals, put on grids so fine that no margin rule rounds within the digits printed.

Published examples speak of dollars and coins. The engine counts atoms, so an account is built on the coarsest grids
that hold its numbers exactly and read through `clearing.solve.refine`: the same integer rules, finer atoms.
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import NamedTuple

from msgspec.structs import replace

from ...clearing.model import QUOTE, CollateralPool, Leverage, Market, Position, Scale, Subaccount, Venue
from ...clearing.policy import Policy, Requirement, Tier, Tiered
from ...clearing.risk import Risk, market_risk, subaccount_risk
from ...clearing.solve import displayed_price, refine
from ...errors import InputError
from ...units import QUOTE_DECIMALS
from ...venues.tables import tiered
from .vectors import Range

DIGITS = 50
"""Decimal places by which the grids are refined: more than any published number prints."""
DECIMALS_MAX = 30
ROUNDINGS = 4
"""Divisions that may round in one leg: worth, notional, initial and maintenance margin."""
ACCOUNT = "account"
POOL = "pool"


class Rate(NamedTuple):
    """From `lower` of notional (USD) on: initial and maintenance margin as shares."""

    lower: Fraction
    initial: Fraction
    maintenance: Fraction


class Leg(NamedTuple):
    """One position: signed size in coins, price in USD, margin rates, and the leverage chosen for it."""

    market: str
    size: Fraction
    mark: Fraction
    rates: tuple[Rate, ...]
    leverage: Fraction | None = None


class Amounts(NamedTuple):
    """Risk in USD, each amount with the bound to which it is known."""

    equity: Range
    initial: Range
    maintenance: Range
    notional: Range
    surplus: Range
    free: Range


class ExactAccount(NamedTuple):
    """A venue with one subaccount, `ACCOUNT`, and the decimals of its grids."""

    venue: Venue
    quote_decimals: int

    @property
    def subaccount(self) -> Subaccount:
        """The account itself."""
        return self.venue.subaccounts[ACCOUNT]

    def amounts(self, prices: Mapping[str, Fraction] | None = None) -> Amounts:
        """Risk at the marks, or at other `prices` (USD), to `DIGITS` places beyond the account's own."""
        fine, twin = self.refined()
        quanta = {name: self._quanta(name, price) for name, price in prices.items()} if prices else None
        return self._amounts(subaccount_risk(fine, twin, quanta))

    def leg(self, market: str, price: Fraction) -> Amounts:
        """One position's share of the risk at a price (USD)."""
        fine, twin = self.refined()
        return self._amounts(market_risk(fine, twin, market, self._quanta(market, price)))

    def refined(self) -> tuple[Venue, Subaccount]:
        """The account on a grid so fine that no rounding shows."""
        return refine(self.venue, self.subaccount, price_digits=DIGITS, quote_digits=DIGITS)

    def _amounts(self, risk: Risk) -> Amounts:
        found = (
            risk.equity_q,
            risk.initial_q,
            risk.maintenance_q,
            risk.notional_q,
            risk.surplus_q,
            risk.free_q,
        )
        atoms = ROUNDINGS * len(self.subaccount.positions)
        return Amounts(*(Range(self.usd(x - atoms, DIGITS), self.usd(x + atoms, DIGITS)) for x in found))

    def usd(self, amount_q: int, digits: int = 0) -> Fraction:
        """Atoms (refined by `digits`) as USD."""
        return Fraction(amount_q, 10 ** (self.quote_decimals + digits))

    def liquidation_price(self, market: str) -> Range | None:
        """Price (USD) at which the account becomes liquidatable, all else held; `None` when there is none."""
        root = displayed_price(self.venue, self.subaccount, market, digits=DIGITS)
        if root is None:
            return None
        quantum = Fraction(1, 10 ** self.venue.markets[market].price_decimals)
        near = Fraction(1, 10**DIGITS)
        return Range((root - near) * quantum, (root + near) * quantum)

    def at_backstop(self) -> "ExactAccount":
        """The same account where only the backstop's share of maintenance margin is asked."""
        close = self.venue.policy.liquidation
        markets = {
            name: replace(
                market, requirement=_share(market.requirement, close.backstop_num, close.backstop_den)
            )
            for name, market in self.venue.markets.items()
        }
        return self._replace(venue=replace(self.venue, markets=markets))

    def _quanta(self, market: str, price: Fraction) -> int:
        return int(price * 10 ** (self.venue.markets[market].price_decimals + DIGITS))


def _share(shape: Requirement, num: int, den: int) -> Tiered:
    if not isinstance(shape, Tiered):
        raise TypeError("an exact account has tiered margin")
    tiers = (
        Tier(t.lower_q, t.initial_num * den, t.maintenance_num * num, t.deduction * num) for t in shape.tiers
    )
    return Tiered(tuple(tiers), shape.den * den)


def build(cash: Fraction, legs: Iterable[Leg], policy: Policy, where: str) -> ExactAccount:
    """An account with `cash` (USD, after paying for its positions). Raises `InputError` for endless decimals."""
    held = [leg for leg in legs if leg.size]
    lowers = [rate.lower for leg in held for rate in leg.rates]
    quote = max(QUOTE_DECIMALS, *(decimals(amount, where) for amount in (cash, *lowers)))
    subaccount = Subaccount(ACCOUNT, ACCOUNT, balances={QUOTE: int(cash * 10**quote)})
    markets = {}
    for leg in held:
        if leg.market in markets:
            raise InputError(f"{where}: {leg.market} stands twice; net the two into one position")
        markets[leg.market] = market = market_of(leg, quote, where)
        size_b = int(leg.size * 10**market.base_decimals)
        subaccount.positions[leg.market] = Position(size_b, 0, 0)
        if leg.leverage is not None:
            subaccount.leverages[leg.market] = Leverage(leg.leverage.numerator, leg.leverage.denominator)
    venue = Venue(policy, markets, pools={POOL: CollateralPool(POOL)}, subaccounts={ACCOUNT: subaccount})
    return ExactAccount(venue, quote)


def market_of(leg: Leg, quote_decimals: int, where: str) -> Market:
    """The market of a leg on the coarsest grids that hold its size and mark."""
    base, price = decimals(leg.size, where), decimals(leg.mark, where)
    mark = int(leg.mark * 10**price)
    exponent = quote_decimals - base - price
    return Market(
        leg.market,
        Scale(10 ** max(exponent, 0), 10 ** max(-exponent, 0)),
        tiered(
            [(int(rate.lower * 10**quote_decimals), rate.initial, rate.maintenance) for rate in leg.rates]
        ),
        POOL,
        base_decimals=base,
        price_decimals=price,
        mark=mark,
        index=mark,
    )


def decimals(number: Fraction, where: str) -> int:
    """Decimal places of a number; raises `InputError` when there is no end to them."""
    for places in range(DECIMALS_MAX + 1):
        if (number * 10**places).denominator == 1:
            return places
    raise InputError(f"{where}: {number} has more than {DECIMALS_MAX} decimal places")
