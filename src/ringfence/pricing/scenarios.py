"""Options revalued over a grid of prices and volatilities, as whole numbers for the engine's portfolio margin.

`clearing.model.ScenarioMargin` says which moves of an underlying count; how far volatility shifts in them depends on
the time to expiry through powers, so it is decided here. `grid` gives an option's price in every scenario, `discounts`
what an expiry's worth counts for, `revaluation` both for all options of an underlying as one command.

Sources are derivexyz/v2-core@7736900d unless a function names another. Times are seconds to expiry, volatilities per
square root of a year of 365 days, rates per year.
"""

import math
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from msgspec import Struct

from ..clearing.command import SetGrids
from ..clearing.model import Grid, Term, Venue
from ..clearing.set_rules import ScenarioMargin
from ..errors import InputError
from .black76 import YEAR_SECONDS, Bounds, Terms, bounds

TENOR_SECONDS = 30 * 86_400
"""Time to expiry at which a volatility shock has its stated range; it grows towards expiry and shrinks beyond."""


GRIDS_KEPT = 1 << 13
"""Grids that are kept: the accounts of a book hold the same options, and ask for them at the same moves."""


class VolShock(Struct, frozen=True):
    """How far volatility goes up and down: `range * (30 days / time to expiry) ** power`."""

    up: float
    down: float
    short_power: float
    """Up to thirty days."""
    long_power: float
    floor_seconds: float = 86_400.0
    least_up: float = 0.0
    """A volatility that goes up ends at no less."""


class SkewShock(Struct, frozen=True):
    """How far the wings of a volatility smile turn (`linear`) or rise together (`abs`), by log-moneyness."""

    linear_cap: float
    linear_slope: float
    abs_cap: float
    abs_slope: float
    least_width: float
    width: float
    vol: float
    vol_slope: float


class Discount(Struct, frozen=True):
    """What an expiry's worth counts for: `share * exp(-years * (rate * times + plus))`; a debt grows by its own."""

    gain: float
    gain_times: float
    gain_plus: float
    debt: float = 1.0
    debt_times: float = 0.0
    debt_plus: float = 0.0


class Shocks(Struct, frozen=True):
    """The part of a portfolio margin rule that needs more than arithmetic."""

    vol: VolShock
    discount: Discount
    skew: SkewShock | None = None
    present_value: bool = False
    """Whether options are discounted to today at the expiry's rate."""


def shocks_of(tables: Mapping[str, Mapping[str, Fraction | bool]]) -> Shocks:
    """The shocks of a rulebook, from the sections of its table `portfolio` (`Rulebook.portfolio_shocks`)."""

    def read(section: str, *names: str) -> dict[str, float]:
        return {name: float(tables[section][name]) for name in names if name in tables[section]}

    vol, discount = tables["vol"], tables["discount"]
    return Shocks(
        VolShock(floor_seconds=float(vol["floor"]), **read("vol", *(n for n in vol if n != "floor"))),
        Discount(**read("discount", *(n for n in discount if n != "present_value"))),
        SkewShock(**read("skew", *tables["skew"])) if tables.get("skew") else None,
        present_value=bool(discount.get("present_value", False)),
    )


class Expiry(NamedTuple):
    """One expiry: time left, the part of the forward that still moves, the part that is fixed, the rate.

    Before a settlement at an average price, the part of the average that has passed is fixed.
    """

    seconds: int
    forward: float
    fixed: float = 0.0
    rate: float = 0.0


class Contract(NamedTuple):
    """One option and its present volatility."""

    strike: float
    call: bool
    vol: float


class Quote(NamedTuple):
    """What the market says of one option of the engine."""

    forward: float
    vol: float
    fixed: float = 0.0
    rate: float = 0.0


def vol_multipliers(shock: VolShock, seconds: int) -> tuple[float, float]:
    """What a volatility is multiplied by when it goes up and down. Source: `PMRMLib.sol:281-291`."""
    power = shock.short_power if seconds <= TENOR_SECONDS else shock.long_power
    counted = max(seconds, shock.floor_seconds)
    if counted <= 0:
        raise InputError("a volatility shock at expiry needs a floor for the time that is left")
    stretch = (TENOR_SECONDS / counted) ** power
    return 1 + shock.up * stretch, max(0.0, 1 - shock.down * stretch)


def skew_multiplier(shock: SkewShock, kind: str, expiry: Expiry, strike: float) -> float:
    """What a volatility is multiplied by when the smile turns or its wings rise.

    It grows with log-moneyness up to a cap, which is reached where the smile is taken to flatten out.
    Source: `PMRMLib_2.sol:279-338`.
    """
    root = math.sqrt(expiry.seconds / YEAR_SECONDS)
    linear = kind == "linear"
    slope, most = (shock.linear_slope, shock.linear_cap) if linear else (shock.abs_slope, shock.abs_cap)
    cap = slope * root + most
    flat = max(shock.least_width, root * shock.width * (shock.vol + root * shock.vol_slope))
    moneyness = math.log(strike / (expiry.forward + expiry.fixed))
    turned = moneyness if linear else abs(moneyness)
    shift = min(cap, turned * cap / flat) if turned >= 0 else max(-cap, turned * cap / flat)
    return max(0.0, 1 + shift)


def shifted_vol(shocks: Shocks, kind: str, expiry: Expiry, contract: Contract) -> float:
    """Volatility of an option in a scenario: `none`, `up`, `down`, `linear` or `abs`."""
    if kind == "none":
        return contract.vol
    if kind in ("linear", "abs"):
        if shocks.skew is None:
            raise InputError(f"a scenario shifts the smile ({kind}) and no shift is given")
        return contract.vol * skew_multiplier(shocks.skew, kind, expiry, contract.strike)
    up, down = vol_multipliers(shocks.vol, expiry.seconds)
    return max(shocks.vol.least_up, contract.vol * up) if kind == "up" else contract.vol * down


def terms_of(shocks: Shocks, expiry: Expiry, contract: Contract, move: Fraction = Fraction(1)) -> Terms:
    """What an option's price depends on when the part of the forward that moves becomes `move` of itself."""
    years = expiry.seconds / YEAR_SECONDS
    discount = math.exp(-max(expiry.rate, 0.0) * years) if shocks.present_value else 1.0
    forward = float(Fraction(expiry.forward) * move + Fraction(expiry.fixed))
    return Terms(forward, contract.strike, years, contract.call, discount)


def scenario_bounds(
    shocks: Shocks, expiry: Expiry, contract: Contract, kind: str, move: Fraction, quanta: int
) -> Bounds:
    """Price of an option in one scenario, in whole quanta below and above."""
    return bounds(
        terms_of(shocks, expiry, contract, move), shifted_vol(shocks, kind, expiry, contract), quanta
    )


@lru_cache(maxsize=GRIDS_KEPT)
def grid(rule: ScenarioMargin, shocks: Shocks, expiry: Expiry, contract: Contract, quanta: int) -> Grid:
    """Price of an option in every scenario of `rule`, and in the two moves that its basis charge looks at."""
    moves = [(scenario.vol, scenario.price_num) for scenario in rule.scenarios]
    if rule.charges_basis:
        moves += [("none", rule.basis_up_num), ("none", rule.basis_down_num)]
    found = [
        scenario_bounds(shocks, expiry, contract, kind, Fraction(price_num, rule.den), quanta)
        for kind, price_num in moves
    ]
    return Grid(tuple(pair.low for pair in found), tuple(pair.high for pair in found))


def discounts(shocks: Shocks, expiry: Expiry) -> tuple[float, float]:
    """What the worth and the debt of one expiry count for in a scenario; an expiry that has passed counts as it is.

    A debt grows to at most what its discount to today took off. Source: `PMRMLib_2.sol:392-412`, `PMRMLib.sol:271-278`.
    """
    if expiry.seconds <= 0:
        return 1.0, 1.0
    shape, rate, years = shocks.discount, max(expiry.rate, 0.0), expiry.seconds / YEAR_SECONDS
    gain = shape.gain * math.exp(-years * (rate * shape.gain_times + shape.gain_plus))
    owed = shape.debt * math.exp(min(years * (rate * shape.debt_times + shape.debt_plus), 700.0))
    return gain, min(owed, math.exp(min(rate * years, 700.0))) if shocks.present_value else owed


def term(shocks: Shocks, expiry_ms: int, expiry: Expiry, den: int) -> Term:
    """What one expiry's worth counts for, over `den`: worth rounded down, debt up."""
    gain, owed = (Fraction(share) for share in discounts(shocks, expiry))
    return Term(expiry_ms, math.floor(gain * den), math.ceil(owed * den))


def revaluation(venue: Venue, underlying: str, shocks: Shocks, quotes: Mapping[str, Quote]) -> SetGrids:
    """The command that tells the engine what the options of `underlying` are worth in every scenario.

    `quotes` by option market, forwards in units of the strike. Raises `InputError` for what is no option on it.
    """
    rule = venue.policy.set_rule
    if not isinstance(rule, ScenarioMargin):
        raise InputError("the venue's policy has no scenarios")
    grids, terms = {}, {}
    for name, quote in quotes.items():
        market = venue.markets.get(name)
        if market is None or market.option is None or market.option.underlying != underlying:
            raise InputError(f"{name} is no option on {underlying}")
        option = market.option
        seconds = max(0, (option.expiry_ms - venue.time_ms) // 1000)
        expiry = Expiry(seconds, quote.forward, quote.fixed, quote.rate)
        strike = Fraction(option.strike, 10 ** venue.markets[underlying].price_decimals)
        contract = Contract(float(strike), option.call, quote.vol)
        grids[name] = grid(rule, shocks, expiry, contract, 10**market.price_decimals)
        terms[option.expiry_ms] = term(shocks, option.expiry_ms, expiry, rule.den)
    return SetGrids(underlying, grids, tuple(terms[at] for at in sorted(terms)))
