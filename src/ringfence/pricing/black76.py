"""Black-76: European calls and puts on a forward, their sensitivities, and the volatility that a price implies.

    call = discount * (forward * N(d1) - strike * N(d2))
    d1,2 = ln(forward / strike) / w +- w / 2,   w = vol * sqrt(years)

Prices are per unit of the underlying, in the currency of the strike. `vol` is per square root of a year (0.5 is 50 %),
`years` are years of 365 days. `discount` is 1 where the venue does not discount.

F. Black, The pricing of commodity contracts, Journal of Financial Economics 3 (1976), 167-179.
"""

import math
from collections.abc import Callable
from fractions import Fraction
from statistics import NormalDist
from typing import NamedTuple

from ..errors import InputError
from ..rules.words import UInt

YEAR_SECONDS = 365 * 86_400
EPSILON = 2.0**-52
DEVIATION_LEAST = 2.0**-50
"""With a smaller `vol * sqrt(years)` an option is worth what exercising it at the forward brings."""
DEVIATION_MOST = 100.0
"""With a larger one a call is worth the discounted forward: N(d1) = 1 and N(d2) = 0 in double precision."""
VOL_MOST = 1_000.0
"""Largest volatility that `implied_vol` looks for."""

_NORMAL = NormalDist()


class Terms(NamedTuple):
    """What a price depends on beside its volatility."""

    forward: float
    strike: float
    years: float
    call: bool
    discount: float = 1.0


class Greeks(NamedTuple):
    """Sensitivities of one option's price, each to one unit of what it is named after.

    `delta`: price per unit of the forward. `gamma`: delta per unit of the forward. `vega`: price per 1.00 of volatility
    (per percentage point it is a hundredth). `theta`: price per year that passes, at an unchanged forward and a
    discount that grows at its own rate (per day it is a 365th); negative where time is lost.
    """

    delta: float
    gamma: float
    vega: float
    theta: float


class Bounds(NamedTuple):
    """Whole numbers that a price is not below and not above."""

    low: UInt
    high: UInt


def normal_cdf(x: float) -> float:
    """Standard normal distribution; accurate in the left tail as well."""
    return 0.5 * math.erfc(-x * math.sqrt(0.5))


def price(terms: Terms, vol: float) -> float:
    """Price of an option; the true one differs by at most `error(terms)`."""
    forward, strike, years, call, discount = _checked(terms, vol)
    sign = 1.0 if call else -1.0
    deviation = vol * math.sqrt(years)
    if deviation < DEVIATION_LEAST or strike == 0 or forward == 0:
        return discount * max(0.0, sign * (forward - strike))
    if deviation > DEVIATION_MOST:
        return discount * (forward if call else strike)
    d1 = math.log(forward / strike) / deviation + deviation / 2
    d2 = d1 - deviation
    found = discount * sign * (forward * normal_cdf(sign * d1) - strike * normal_cdf(sign * d2))
    return min(max(found, 0.0), discount * (forward if call else strike))


def error(terms: Terms) -> float:
    """Most by which `price` may be off: 16 times the spacing of doubles at `forward + strike`.

    Why so little: an error in d1 and d2 alike moves `forward * N(d1)` and `strike * N(d2)` by the same amount, because
    their densities balance; what is left are a few roundings of numbers no larger than the forward and the strike. The
    test of this bound compares with fifty digits.
    """
    return 16 * EPSILON * terms.discount * (terms.forward + terms.strike)


def greeks(terms: Terms, vol: float) -> Greeks:
    """Sensitivities of an option; at expiry or without volatility those of its payoff."""
    forward, strike, years, call, discount = _checked(terms, vol)
    deviation = vol * math.sqrt(years)
    rate = -math.log(discount) / years if years > 0 else 0.0
    carry = rate * price(terms, vol)
    if deviation > DEVIATION_MOST:
        return Greeks(discount if call else 0.0, 0.0, 0.0, carry)
    if deviation < DEVIATION_LEAST or strike == 0 or forward == 0:
        pays = forward > strike if call else forward < strike
        return Greeks((discount if call else -discount) if pays else 0.0, 0.0, 0.0, carry)
    d1 = math.log(forward / strike) / deviation + deviation / 2
    density = discount * _NORMAL.pdf(d1)
    delta = discount * (normal_cdf(d1) if call else -normal_cdf(-d1))
    vega = forward * density * math.sqrt(years)
    decay = forward * density * vol / (2 * math.sqrt(years))
    return Greeks(delta, density / (forward * deviation), vega, carry - decay)


def implied_vol(terms: Terms, paid: float) -> float:
    """The volatility at which an option is worth `paid`; 0 for its value at exercise.

    Raises `InputError` for a price that no volatility gives: below exercise or not below its upper limit.
    """
    _checked(terms, 0.0)
    least, most = price(terms, 0.0), terms.discount * (terms.forward if terms.call else terms.strike)
    slack = error(terms)
    if not least - slack <= paid < most or terms.years <= 0:
        raise InputError(
            f"no volatility gives the price {paid:g}: it lies between {least:g} and {most:g} before expiry"
        )
    if paid <= least + slack:
        return 0.0
    return rising_root(lambda vol: price(terms, vol) - paid, 0.0, VOL_MOST)


def rising_root(f: Callable[[float], float], low: float, high: float) -> float:
    """Where a function that rises from below zero to above it crosses, to the last bit: halving with secant steps."""
    below, above = f(low), f(high)
    if above < 0:
        raise InputError(f"no volatility up to {high:g} gives this price")
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        secant = low - below * (high - low) / (above - below) if above > below else middle
        for at in (secant, middle):
            if low < at < high:
                value = f(at)
                if value < 0:
                    low, below = at, value
                else:
                    high, above = at, value
    return high


def bounds(terms: Terms, vol: float, quanta: UInt) -> Bounds:
    """The price in whole quanta (`quanta` of them a unit of currency), rounded down and up by its error and more.

    A holder is valued at `low` and a writer at `high`: neither gains by what floating point does not know.
    """
    found, slack = Fraction(price(terms, vol)), Fraction(error(terms))
    most = Fraction(terms.discount) * Fraction(terms.forward if terms.call else terms.strike)
    low, high = max(found - slack, Fraction(0)) * quanta, min(found + slack, most) * quanta
    return Bounds(math.floor(low), math.ceil(high))


def _checked(terms: Terms, vol: float) -> Terms:
    values = (terms.forward, terms.strike, terms.years, terms.discount, vol)
    if not all(map(math.isfinite, values)) or min(values) < 0 or terms.discount == 0:
        raise InputError(
            "an option needs a forward, strike, time and volatility of at least 0 and a discount above 0; "
            f"got {terms.forward:g}, {terms.strike:g}, {terms.years:g}, {vol:g} and {terms.discount:g}"
        )
    return terms
