"""A population of traders: who holds what at the moment a scenario begins.

`generate` draws accounts and their positions from a `Population`; `docs/explain/population.md` says what is known and
what is assumed. Everything here is float USD: a reader converts to atoms once, at the border of the exact engine.

**Common random numbers.** Whatever a trader might do later (isolate, top up, close) is drawn here, so that every margin
mode meets the same flow. Each purpose has its own random stream, and each stream is read account by account: more
traders leave the draws of the earlier ones alone, and a parameter those of other purposes, unless it adds positions.

**Two sides of every market.** Free draws leave more longs than shorts. Market makers and large accounts first take the
other side (`balance`); what remains belongs to one system account, the balancer.

`python -m ringfence.sim.census` prints what is generated beside what was observed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from functools import partial
from operator import index

import numpy as np

from ringfence.errors import InputError
from ringfence.sim.balance import Book, BoolArray, FloatArray, IntArray, balance, sum_by
from ringfence.sim.population import TOPUPS_MAX, Population, load_population

Draw = Callable[..., np.random.Generator]

BALANCER = "balancer"
"""Account id of the system account that holds what no trader takes."""

COUNT_MAX = 5_000_000
"""Most accounts that one call generates."""

CENT_USD = 0.01
"""Smallest position. Amounts are whole cents, so that they do not depend on a processor's last digit."""

_BUCKETS_USD = (1e2, 1e3, 1e4, 1e5, 1e6, 1e7)
"""Upper edges of the equity buckets; the seventh has none."""

_CLOCKS_MAX = 1 << 22
"""Most cells of the table in which markets are drawn; more accounts are taken in several tables."""


class Cohort(StrEnum):
    """Kinds of traders, told apart by what the generator knows: equity, sides and markets.

    The limits are assumed. Basis and multi-leg option traders are missing: their other legs (spot, options) are not
    part of a population of perpetuals. The first description that fits an account holds.
    """

    MARKET_MAKER = "market maker"
    INSTITUTION = "institution"
    """At least `institution_equity_usd`."""
    HEDGED = "hedged"
    """Several positions whose net is at most `hedged_net_share` of their gross notional."""
    NOVICE = "novice"
    """Less than `novice_equity_usd`."""
    LONG_TAIL = "long-tail experimenter"
    """More than half of gross notional outside `major_markets`."""
    DIRECTIONAL = "directional retail"
    """All others."""


COHORTS = tuple(Cohort)


@dataclass(frozen=True, slots=True)
class TraderPosition:
    """One position of one trader, and what its owner would do with it if it were isolated."""

    market: str
    side: int
    notional_usd: float
    chosen_leverage: float
    prefers_isolated: bool
    entry_rank: int
    topup_draws: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Trader:
    """One account, read out of `Traders`."""

    id: str
    equity_usd: float
    cohort: Cohort
    is_market_maker: bool
    committed_fraction: float
    positions: tuple[TraderPosition, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Traders:
    """Structure of arrays, read-only: one row per account, one per position (account by account), one per market."""

    population: Population
    markets: tuple[str, ...]
    seed: int
    crowding: float
    """The day's shift of P(long), common to all accounts."""

    equity_usd: FloatArray
    is_market_maker: BoolArray
    cohort: IntArray
    """Index into `COHORTS`."""
    committed_fraction: FloatArray
    """Share of equity that the account puts behind isolated positions, where an arm of the comparison asks for one."""
    first_position: IntArray
    """Positions of account i are rows first_position[i] to first_position[i + 1]."""

    account: IntArray
    """Row of the owner."""
    market: IntArray
    """Index into `markets`; an account's positions are in distinct markets."""
    side: IntArray
    """+1 long, -1 short."""
    notional_usd: FloatArray
    """Size at the entry price, in whole cents, at least one; less than one lot of a market is the reader's to drop."""
    chosen_leverage: FloatArray
    """The setting, used when the position is isolated. All positions isolated at once need no more than the equity."""
    prefers_isolated: BoolArray
    entry_rank: IntArray
    """0 for the first position opened in the whole population."""
    topup_draws: FloatArray
    """Uniform draws, one column per possible top-up of the position: it happens below `topup_probability`."""

    balancer_notional_usd: FloatArray
    """Per market, signed: what the balancer holds so that longs equal shorts. In lots it takes the rest."""

    def __post_init__(self) -> None:
        """Freeze the arrays: every mode reads the same flow."""
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    def __len__(self) -> int:
        return self.equity_usd.size

    def __iter__(self) -> Iterator[Trader]:
        return map(self.trader, range(len(self)))

    @property
    def gross_notional_usd(self) -> FloatArray:
        """Per account: sum of the notionals of its positions."""
        return sum_by(self.account, self.notional_usd, len(self))

    @property
    def net_notional_usd(self) -> FloatArray:
        """Per account: long less short notional."""
        return sum_by(self.account, self.side * self.notional_usd, len(self))

    @property
    def gross_leverage(self) -> FloatArray:
        """Per account: gross notional over equity."""
        return self.gross_notional_usd / self.equity_usd

    @property
    def balancer_share(self) -> FloatArray:
        """Per market: the balancer's part of its own side of the open interest, 0 where a market is empty."""
        balancer_usd = np.abs(self.balancer_notional_usd)
        both_sides_usd = sum_by(self.market, self.notional_usd, len(self.markets)) + balancer_usd
        return balancer_usd / np.where(both_sides_usd > 0, both_sides_usd / 2, 1)

    def closing_draws(self, hour: int) -> FloatArray:
        """Per account: the uniform draw that decides, below `closing_probability`, whether it closes in that hour."""
        return _stream(self.seed, Stream.CLOSING, _whole("hour", hour, 0, 2**31 - 1)).random(len(self))

    def trader(self, row: int) -> Trader:
        """Account `row` with its positions."""
        first, last = self.first_position[row], self.first_position[row + 1]
        return Trader(
            id=f"t{row:06d}",
            equity_usd=float(self.equity_usd[row]),
            cohort=COHORTS[self.cohort[row]],
            is_market_maker=bool(self.is_market_maker[row]),
            committed_fraction=float(self.committed_fraction[row]),
            positions=tuple(map(self._position, range(first, last))),
        )

    def _position(self, row: int) -> TraderPosition:
        return TraderPosition(
            market=self.markets[self.market[row]],
            side=int(self.side[row]),
            notional_usd=float(self.notional_usd[row]),
            chosen_leverage=float(self.chosen_leverage[row]),
            prefers_isolated=bool(self.prefers_isolated[row]),
            entry_rank=int(self.entry_rank[row]),
            topup_draws=tuple(self.topup_draws[row].tolist()),
        )


class Stream(IntEnum):
    """Purposes of randomness. A new one goes to the end, so that a seed keeps its meaning."""

    CROWDING = 0
    EQUITY = 1
    MARKET_MAKER = 2
    POSITIONS = 3
    MARKET_MAKER_POSITIONS = 4
    LEVERAGE = 5
    MARKET = 6
    SPLIT = 7
    LEANING = 8
    COPY = 9
    OWN_SIDE = 10
    SETTING = 11
    ISOLATED = 12
    COMMITTED = 13
    TOPUP = 14
    ENTRY = 15
    CLOSING = 16


def _stream(seed: int, stream: Stream, *part: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(stream, *part))))


def generate(
    markets: Sequence[str], count: int, seed: int, parameters: Population | str = "default"
) -> Traders:
    """Draw `count` traders with positions in `markets`: the same arguments always give the same traders.

    `parameters` is a population, the name of a built-in one or the path of a TOML file. Raises `InputError`.
    """
    names = _distinct(markets)
    count, seed = _whole("traders", count, 1, COUNT_MAX), _whole("seed", seed, 0, 2**63 - 1)
    population = parameters if isinstance(parameters, Population) else load_population(parameters)
    draw: Draw = partial(_stream, seed)
    crowding = population.crowding_sd * float(draw(Stream.CROWDING).standard_normal())
    accounts = _draw_accounts(population, draw, count, len(names))
    free = _draw_book(population, draw, accounts, names, crowding)
    book = balance(free, population.leverage_max * accounts.equity_usd, population.balance_scale_max)
    book = replace(book, notional_usd=np.maximum(np.round(book.notional_usd, 2), CENT_USD))
    return Traders(
        population=population,
        markets=names,
        seed=seed,
        crowding=crowding,
        equity_usd=accounts.equity_usd,
        is_market_maker=accounts.maker,
        cohort=_cohorts(population, accounts, book, names),
        committed_fraction=_committed(population, draw, count),
        first_position=np.concatenate(([0], np.cumsum(accounts.size))),
        account=book.account,
        market=book.market,
        side=book.side,
        notional_usd=book.notional_usd,
        chosen_leverage=_chosen_leverage(population, draw, accounts, book),
        prefers_isolated=_isolated(population, draw, accounts, book),
        entry_rank=np.argsort(np.argsort(draw(Stream.ENTRY).random(book.account.size))),
        topup_draws=draw(Stream.TOPUP).random((book.account.size, TOPUPS_MAX)),
        balancer_notional_usd=-sum_by(book.market, book.side * book.notional_usd, len(names)),
    )


def _distinct(markets: Sequence[str]) -> tuple[str, ...]:
    names = () if isinstance(markets, str) else tuple(markets)
    if not names or not all(name and isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise InputError(f"markets: expected distinct names, at least one, got {markets!r}")
    return names


def _whole(what: str, number: int, low: int, high: int) -> int:
    try:
        whole = index(number)
    except TypeError:
        whole = low - 1
    if not low <= whole <= high:
        raise InputError(f"{what}: expected a whole number from {low} to {high}, got {number!r}")
    return whole


# ---------------------------------------------------------------------------------------------------- accounts


@dataclass(frozen=True, slots=True)
class _Accounts:
    equity_usd: FloatArray
    maker: BoolArray
    gross_usd: FloatArray
    """Gross notional that the account wants to hold."""
    size: IntArray
    """Number of positions."""


def _draw_accounts(population: Population, draw: Draw, count: int, markets: int) -> _Accounts:
    equity_usd = _equity(population, draw, count)
    bucket = np.searchsorted(_BUCKETS_USD, equity_usd, side="right")
    maker = draw(Stream.MARKET_MAKER).random(count) < np.asarray(population.market_maker_share)[bucket]
    gross_usd = equity_usd * _leverage(population, draw, equity_usd, maker)
    size = np.where(maker, _maker_sizes(population, draw, count), _sizes(population, draw, bucket))
    return _Accounts(equity_usd, maker, gross_usd, np.minimum(size, markets))


def _equity(population: Population, draw: Draw, count: int) -> FloatArray:
    """Two-piece lognormal in whole cents; what falls outside the truncation is drawn again, each round its stream."""
    equity_usd = np.zeros(count)
    missing, attempt = np.ones(count, dtype=np.bool_), 0
    while missing.any():
        normal = draw(Stream.EQUITY, attempt).standard_normal(count)
        sigma = np.where(normal < 0, population.equity_sigma_below, population.equity_sigma_above)
        drawn = np.round(population.equity_median_usd * np.exp(sigma * normal), 2)
        equity_usd[missing] = drawn[missing]
        missing &= (drawn < population.equity_min_usd) | (drawn > population.equity_max_usd)
        attempt += 1
    return equity_usd


def _leverage(population: Population, draw: Draw, equity_usd: FloatArray, maker: BoolArray) -> FloatArray:
    """Gross leverage per account: lognormal around a power of equity, clipped."""
    median = population.leverage_median * (equity_usd / 1000) ** population.leverage_slope
    median = np.where(maker, population.market_maker_leverage_median, median)
    sigma = np.where(maker, population.market_maker_leverage_sigma, population.leverage_sigma)
    normal = draw(Stream.LEVERAGE).standard_normal(equity_usd.size)
    return np.minimum(median * np.exp(sigma * normal), population.leverage_max)


def _sizes(population: Population, draw: Draw, bucket: IntArray) -> IntArray:
    """Number of positions of a trader: log-series, its parameter by equity bucket, clipped."""
    uniform = draw(Stream.POSITIONS).random(bucket.size)
    number = np.arange(1, population.positions_max)
    sizes = np.empty(bucket.size, dtype=np.int64)
    for row, p in enumerate(population.positions_p):
        cumulative = np.cumsum(p**number / number) / -np.log1p(-p)
        sizes[bucket == row] = 1 + np.searchsorted(cumulative, uniform[bucket == row], side="right")
    return sizes


def _maker_sizes(population: Population, draw: Draw, count: int) -> IntArray:
    """Number of positions of a market maker: Poisson, clipped."""
    sizes = draw(Stream.MARKET_MAKER_POSITIONS).poisson(population.market_maker_positions_mean, count)
    return np.clip(sizes, population.market_maker_positions_min, population.positions_max)


# --------------------------------------------------------------------------------------------------- positions


def _draw_book(
    population: Population, draw: Draw, accounts: _Accounts, names: tuple[str, ...], crowding: float
) -> Book:
    """Positions as everybody wants them, before each market finds its other side."""
    account = np.repeat(np.arange(accounts.size.size), accounts.size)
    weights = _market_weights(population, names)
    market = _pick_markets(draw(Stream.MARKET), weights, accounts.size)
    share = _split(population, draw, account, _tilt(weights)[accounts.size[account] - 1, market])
    notional_usd = accounts.gross_usd[account] * share
    large = accounts.equity_usd >= population.large_equity_usd
    long_share = crowding + np.where(large, population.long_share_large, population.long_share_small)
    side = _sides(population, draw, np.where(accounts.maker, 1 / 2, long_share), account)
    _hedge(side, np.flatnonzero(accounts.maker), account, notional_usd)
    return Book(account, market, side, notional_usd, able=(large | accounts.maker)[account])


def _market_weights(population: Population, names: tuple[str, ...]) -> FloatArray:
    """Target share of notional per market: the mix, `others` split over markets it does not name, renormalized."""
    mix = population.market_mix
    unnamed = sum(name not in mix for name in names)
    weights: FloatArray = np.array([mix[name] if name in mix else mix["others"] / unnamed for name in names])
    return weights / float(weights.sum())


def _pick_markets(rng: np.random.Generator, weights: FloatArray, size: IntArray) -> IntArray:
    """Distinct markets per account: those whose exponential clocks, at rates `weights`, ring first."""
    chosen = []
    rows = max(1, _CLOCKS_MAX // weights.size)
    for start in range(0, size.size, rows):
        part = size[start : start + rows]
        ringing = np.argsort(rng.standard_exponential((part.size, weights.size)) / weights, axis=1)
        chosen.append(ringing[np.arange(weights.size) < part[:, np.newaxis]])
    return np.concatenate(chosen)


def _tilt(weights: FloatArray) -> FloatArray:
    """Factor on a position's share, by number of positions (row k - 1) and market, that keeps the market mix.

    k distinct markets cannot be picked in proportion to the mix: the largest would have to be picked more than once.
    Dividing by the probability of being picked (Horvitz and Thompson 1952) restores the mix by notional, to within
    0.04 per market, 0.06 where there are two. That probability is 1 - exp(-weight t), where t makes all of them sum
    to k (Rosen 1997, first order).
    """
    elapsed = np.geomspace(1e-2, 1e6, 4000)[:, np.newaxis]
    picked = -np.expm1(-elapsed * weights)
    positions = np.arange(1, weights.size + 1)
    row = np.minimum(np.searchsorted(picked.sum(axis=1), positions), elapsed.size - 1)
    return weights / picked[row]


def _split(population: Population, draw: Draw, account: IntArray, tilt: FloatArray) -> FloatArray:
    """Share of the account's gross notional in each position."""
    drawn = draw(Stream.SPLIT).standard_exponential(account.size) ** population.split_exponent
    weight = np.maximum(drawn, 1e-12) * tilt  # the floor keeps every sum above zero, whatever the exponent
    return weight / sum_by(account, weight, int(account[-1]) + 1)[account]


def _sides(population: Population, draw: Draw, long_share: FloatArray, account: IntArray) -> IntArray:
    """+1 or -1 per position: it copies its account's leaning, or draws its own side."""
    leaning = np.where(draw(Stream.LEANING).random(long_share.size) < long_share, 1, -1)[account]
    own = np.where(draw(Stream.OWN_SIDE).random(account.size) < long_share[account], 1, -1)
    copies = draw(Stream.COPY).random(account.size) < population.copy_probability
    return np.where(copies, leaning, own)


def _hedge(side: IntArray, makers: IntArray, account: IntArray, notional_usd: FloatArray) -> None:
    """Turn the positions of market makers, from the second largest down, against the account's net so far."""
    largest_first = np.lexsort((-notional_usd, account))
    first, last = np.searchsorted(account, makers), np.searchsorted(account, makers, side="right")
    net = np.zeros(makers.size)
    for rank in range((last - first).max(initial=0)):
        live = first + rank < last
        rows = largest_first[first[live] + rank]
        side[rows] = np.where(net[live] == 0, side[rows], -np.sign(net[live]))
        net[live] += side[rows] * notional_usd[rows]


def _chosen_leverage(population: Population, draw: Draw, accounts: _Accounts, book: Book) -> FloatArray:
    """Setting per position: drawn, and raised to the first class at which equity funds all positions isolated."""
    settings, shares = np.array(population.leverage_settings).T
    uniform = draw(Stream.SETTING).random(book.account.size)
    drawn = np.searchsorted(np.cumsum(shares)[:-1], uniform, side="right")
    gross_leverage = sum_by(book.account, book.notional_usd, accounts.size.size) / accounts.equity_usd
    fundable = np.minimum(np.searchsorted(settings, gross_leverage), settings.size - 1)
    return np.asarray(settings[np.maximum(drawn, fundable[book.account])])


def _isolated(population: Population, draw: Draw, accounts: _Accounts, book: Book) -> BoolArray:
    logit = population.isolated_intercept + population.isolated_slope * np.log10(book.notional_usd / 1000)
    drawn = draw(Stream.ISOLATED).random(logit.size) < 1 / (1 + np.exp(-logit))
    return drawn & ~accounts.maker[book.account]


def _committed(population: Population, draw: Draw, count: int) -> FloatArray:
    alpha = population.committed_mean * population.committed_concentration
    return draw(Stream.COMMITTED).beta(alpha, population.committed_concentration - alpha, count)


def _cohorts(population: Population, accounts: _Accounts, book: Book, names: tuple[str, ...]) -> IntArray:
    """Index into `COHORTS` per account: the first description that fits."""
    count = accounts.size.size
    minor = np.array([name not in population.major_markets for name in names])[book.market]
    gross_usd = sum_by(book.account, book.notional_usd, count)
    net_usd = np.abs(sum_by(book.account, book.side * book.notional_usd, count))
    minor_usd = sum_by(book.account, book.notional_usd * minor, count)
    fits = {
        Cohort.MARKET_MAKER: accounts.maker,
        Cohort.INSTITUTION: accounts.equity_usd >= population.institution_equity_usd,
        Cohort.HEDGED: (net_usd <= population.hedged_net_share * gross_usd) & (accounts.size > 1),
        Cohort.NOVICE: accounts.equity_usd < population.novice_equity_usd,
        Cohort.LONG_TAIL: minor_usd > gross_usd / 2,
    }
    codes = [COHORTS.index(cohort) for cohort in fits]
    return np.select(list(fits.values()), codes, default=COHORTS.index(Cohort.DIRECTIONAL))
