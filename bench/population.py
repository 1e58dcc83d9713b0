"""Synthetic books for the kernel's measurements: many subaccounts over 64 markets, nobody liquidatable at the start.

Popularity of markets falls as rank^-1.2, a position's notional is lognormal (median 1,500 USD, sigma 1.5), leverage too
(median 3 for cross subaccounts, 8 for isolated ones), and each market has three maintenance tiers. Nobody knows that
real books look like this; ratios between implementations on the same book are what it is for.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ringfence.clearing.model import CollateralPool, Market, Scale, Venue
from ringfence.clearing.policy import Tier, Tiered
from ringfence.kernel.columns import Block, Columns, empty
from ringfence.kernel.plan import Plan, plan

MARKETS = 64
BASE_DECIMALS, PRICE_DECIMALS = 6, 6
SCALE = Scale(1, 10 ** (BASE_DECIMALS + PRICE_DECIMALS - 6))
RATE_DEN = 10_000
CHUNK = 100_000
Floats = NDArray[np.float64]


class Rates(NamedTuple):
    """What `markets` draws: prices in USD, popularity, and tiers (maintenance rates and bounds in USD)."""

    prices: Floats
    weights: Floats
    rates: Floats
    bounds: Floats


def markets(seed: int = 1) -> Rates:
    """64 markets: two large ones, ten middling ones, and a tail."""
    random = np.random.default_rng(seed)
    prices = np.exp(random.uniform(np.log(0.05), np.log(3000), MARKETS))
    prices[:2] = 60_000.0, 3_000.0
    weights = 1 / np.arange(1, MARKETS + 1) ** 1.2
    rank = np.arange(MARKETS)
    base = np.where(rank < 2, 0.005, np.where(rank < 12, 0.0125, 0.025))
    bounds = np.stack([np.where(rank < 2, 2e5, 2e4), np.where(rank < 2, 2e6, 2e5)], 1)
    return Rates(prices, weights / weights.sum(), np.stack([base, 2 * base, 5 * base], 1), bounds)


def venue(found: Rates) -> Venue:
    """The markets as a venue without subaccounts; initial margin is twice maintenance."""
    listed = {}
    for number in range(MARKETS):
        tiers, deduction = list[Tier](), 0
        for tier, lower in enumerate((0.0, *found.bounds[number])):
            num, lower_q = round(found.rates[number, tier] * RATE_DEN), round(lower * 1e6)
            deduction += lower_q * (num - (tiers[-1].maintenance_num if tiers else num))
            tiers.append(Tier(lower_q, 2 * num, num, deduction))
        name = f"M{number:02}"
        price = round(found.prices[number] * 10**PRICE_DECIMALS)
        listed[name] = Market(name, SCALE, Tiered(tuple(tiers), RATE_DEN), "main", mark=price, index=price)
    return Venue(markets=listed, pools={"main": CollateralPool("main")})


def maintenance(notional: Floats, found: Rates, market: NDArray[np.int64]) -> Floats:
    """Maintenance margin in USD by the tiers, continuous."""
    rates, bounds = found.rates[market], found.bounds[market]
    owed = rates[..., 0] * notional
    for tier in (1, 2):
        beyond = np.maximum(notional - bounds[..., tier - 1], 0)
        owed += beyond * (rates[..., tier] - rates[..., tier - 1])
    return owed


def fill(block: Block, found: Rates, random: np.random.Generator, leverage: float) -> None:
    """Fill a block with positions and with cash, in chunks."""
    rows, width = block.size.shape
    for start in range(0, rows, CHUNK):
        part = slice(start, min(rows, start + CHUNK))
        count = part.stop - start
        chosen = np.log(found.weights) + random.gumbel(size=(count, MARKETS)).astype(np.float32)
        market = np.argpartition(-chosen, width, axis=1)[:, :width]
        notional = np.exp(random.normal(np.log(1500), 1.5, (count, width)))
        longs = random.beta(1.5, 1.0, (count, 1))
        side = np.where(random.random((count, width)) < longs, 1.0, -1.0)
        worth = side * notional
        size = np.rint(worth / found.prices[market] * 10**BASE_DECIMALS).astype(np.int64)
        needed = maintenance(notional, found, market).sum(1)
        least = needed * (1.02 + random.exponential(0.5, count))
        equity = np.maximum(notional.sum(1) / np.exp(random.normal(np.log(leverage), 0.75, count)), least)
        block.market[part], block.size[part] = market, size
        block.cost[part] = np.rint(worth * 1e6)
        block.cash[part] = np.rint((equity - worth.sum(1)) * 1e6) + 1_000


def cross(subaccounts: int, legs: int = 8, seed: int = 2) -> tuple[Plan, Columns]:
    """Subaccounts of `legs` positions each, and the plan of their venue."""
    found = markets()
    block = empty(subaccounts, legs)
    fill(block, found, np.random.default_rng(seed), 3.0)
    return plan(venue(found)), Columns([block])


def isolated(subaccounts: int, seed: int = 3) -> tuple[Plan, Columns]:
    """Subaccounts of one position each."""
    found = markets()
    block = empty(subaccounts, 1)
    fill(block, found, np.random.default_rng(seed), 8.0)
    return plan(venue(found)), Columns([block])


def ticks(found: Plan, count: int, kind: str, seed: int = 4) -> NDArray[np.int64]:
    """(count, markets) prices in price units, four whole-book ticks a second, one factor with correlation 0.7.

    `quiet` moves by 50 to 130 % a year; in a `crash` the first market loses 10 % a minute, the others half as much
    again, at five times the volatility; a `bounce` falls like that and comes back.
    """
    random = np.random.default_rng(seed)
    start = found.table.markets["price"].astype(np.float64)
    volatility = random.uniform(0.5, 1.3, len(start)) * (1.0 if kind == "quiet" else 5.0)
    step = volatility * np.sqrt(0.25 / (365 * 86_400))
    common = random.standard_normal((count, 1))
    own = random.standard_normal((count, len(start)))
    moves = step * (np.sqrt(0.7) * common + np.sqrt(0.3) * own)
    if kind != "quiet":
        beta = np.where(np.arange(len(start)) == 0, 1.0, 1.5)
        fall = np.full((count, 1), np.log(0.9) / 240)
        if kind == "bounce":
            fall[count // 2 :] *= -1
        moves = moves + fall * beta
    return np.maximum(np.rint(start * np.exp(np.cumsum(moves, axis=0))), 1).astype(np.int64)
