from functools import cache
from itertools import pairwise
from math import erf, exp, log, sqrt
from statistics import NormalDist, median

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.errors import InputError
from ringfence.sim import traders
from ringfence.sim.census import measure
from ringfence.sim.population import TOPUPS_MAX, load_population
from ringfence.sim.traders import COHORTS, COUNT_MAX, Cohort, Traders, generate

BUILTIN = ("default", "retail-heavy", "market-maker-heavy")
MARKETS = ("BTC", "ETH", "SOL", "XRP", "DOGE", "ADA", "AVAX", "LINK", "LTC")
MANY_MARKETS = (*MARKETS, *(f"M{number}" for number in range(51)))
MANY = 400_000  # the number of accounts at which the acceptance bands below are stated

ARRAYS = [name for name in Traders.__slots__ if name not in ("population", "markets", "seed", "crowding")]
PER_ACCOUNT = ["equity_usd", "is_market_maker", "committed_fraction"]
PER_POSITION = ["account", "market", "side", "topup_draws"]


@pytest.fixture(scope="module")
def free():
    """The default population with sizes as drawn: balancing turns positions around, but scales none."""
    return generate(MANY_MARKETS, MANY, 1, load_population("default").varied(balance_scale_max=1))


@pytest.fixture(scope="module")
def balanced():
    return generate(MANY_MARKETS, MANY, 1)


@cache
def figures(drawn):
    return measure(drawn)


def unbalanced(monkeypatch, *arguments):
    monkeypatch.setattr(traders, "balance", lambda book, *_: book)
    return generate(*arguments)


# What a generated population must show


def truncated_quantile(population, share):
    """Quantile of the truncated two-piece lognormal, written from its definition."""

    def cdf(equity_usd):
        distance = log(equity_usd / population.equity_median_usd)
        sigma = population.equity_sigma_below if distance < 0 else population.equity_sigma_above
        return (1 + erf(distance / sigma / sqrt(2))) / 2

    low, high = cdf(population.equity_min_usd), cdf(population.equity_max_usd)
    z = NormalDist().inv_cdf(low + share * (high - low))
    sigma = population.equity_sigma_below if z < 0 else population.equity_sigma_above
    return population.equity_median_usd * exp(sigma * z)


@pytest.mark.parametrize("share", [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99])
def test_equity_quantiles_are_within_5_percent(balanced, share):
    expected = truncated_quantile(balanced.population, share)
    assert np.quantile(balanced.equity_usd, share) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("name", BUILTIN)
def test_equity_stays_inside_its_truncation_without_piling_up_at_it(name):
    population = load_population(name)
    equity = generate(MARKETS, 50_000, 3, population).equity_usd
    assert equity.min() >= population.equity_min_usd
    assert equity.max() <= population.equity_max_usd
    assert np.mean(equity == population.equity_min_usd) < 0.001


def test_notional_by_leverage_is_that_of_open_interest(free):
    measured = figures(free)
    assert measured["gross notional of accounts below 3x"] == pytest.approx(0.36, abs=0.03)
    assert measured["gross notional of accounts at 3-7x"] == pytest.approx(0.47, abs=0.03)
    assert measured["gross notional of accounts above 7x"] == pytest.approx(0.17, abs=0.03)


def test_balancing_hardly_moves_notional_between_leverage_classes(free, balanced):
    for leverage in ("below 3x", "at 3-7x", "above 7x"):
        key = f"gross notional of accounts {leverage}"
        assert figures(balanced)[key] == pytest.approx(figures(free)[key], abs=0.03)


def test_large_accounts_use_less_leverage(free, balanced):
    for population in (free, balanced):
        assert -0.45 <= figures(population)["Spearman of equity and leverage"] <= -0.15


def test_most_accounts_hold_one_position(free):
    assert np.mean(np.diff(free.first_position) == 1) == pytest.approx(0.62, abs=0.03)


def test_aggregate_leverage_and_mean_equity_are_those_of_the_venue(balanced):
    measured = figures(balanced)
    assert 3 <= measured["gross notional / equity, all accounts"] <= 6
    assert 44_000 <= measured["equity in USD, mean"] <= 88_000


def test_large_accounts_hold_more_positions(free):
    size = np.diff(free.first_position)
    edges = [0, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, np.inf]
    means = [
        size[(low <= free.equity_usd) & (free.equity_usd < high) & ~free.is_market_maker].mean()
        for low, high in pairwise(edges)
    ]
    fitted = (1.3, 1.6, 1.9, 2.2, 3.0, 4.6, 10.6)
    assert means == pytest.approx(fitted, rel=0.1)


def test_sides_of_one_account_are_correlated(free):
    # Only accounts that balancing leaves alone; both sides drawn with the same P(long).
    small = ~free.is_market_maker & (free.equity_usd < 1e6)
    side = np.full((len(free), 2), 0)
    for market in (0, 1):
        rows = free.market == market
        side[free.account[rows], market] = free.side[rows]
    both = side[small & (side != 0).all(axis=1)]
    assert len(both) > 10_000
    assert np.corrcoef(both.T)[0, 1] == pytest.approx(0.79**2, abs=0.03)


@pytest.mark.parametrize("name", BUILTIN)
def test_large_accounts_lean_less_to_the_long_side(name, monkeypatch):
    # Equity around the limit, so that both kinds are many; no crowding, no balancing.
    population = load_population(name).varied(
        equity_median_usd=1e6, equity_sigma_above=0.5, equity_sigma_below=0.5, crowding_sd=0
    )
    drawn = unbalanced(monkeypatch, MARKETS, 40_000, 5, population)
    owner_large = (drawn.equity_usd >= population.large_equity_usd)[drawn.account]
    trader = ~drawn.is_market_maker[drawn.account]
    long = drawn.side > 0
    assert long[trader & ~owner_large].mean() == pytest.approx(population.long_share_small, abs=0.02)
    assert long[trader & owner_large].mean() == pytest.approx(population.long_share_large, abs=0.02)


def test_some_days_start_one_sided():
    crowding = [generate(["BTC"], 1, seed).crowding for seed in range(200)]
    assert np.std(crowding) == pytest.approx(0.08, abs=0.015)
    assert np.mean(crowding) == pytest.approx(0, abs=0.02)


def test_market_makers_hold_many_positions_and_little_net(monkeypatch):
    drawn = unbalanced(monkeypatch, MANY_MARKETS, 20_000, 2, "market-maker-heavy")
    maker = drawn.is_market_maker
    assert np.diff(drawn.first_position)[maker].mean() == pytest.approx(20, abs=0.5)
    assert np.diff(drawn.first_position)[maker].min() >= 5
    assert not drawn.prefers_isolated[maker[drawn.account]].any()
    net = np.abs(drawn.net_notional_usd[maker]) / drawn.gross_notional_usd[maker]
    assert 0.1 < net.mean() < 0.25
    assert abs(np.mean(drawn.net_notional_usd[maker] > 0) - 0.5) < 0.03


@pytest.mark.parametrize("markets", [MARKETS, MANY_MARKETS, ("BTC", "NEW"), ("NEW", "NEWER")])
@pytest.mark.parametrize("name", BUILTIN)
def test_market_mix_by_notional_survives_distinct_markets(name, markets, monkeypatch):
    # Equal accounts, so that the mix shows at few accounts: with many positions each, where it is hard to keep.
    population = load_population(name).varied(
        equity_sigma_below=0, equity_sigma_above=0, leverage_sigma=0, positions_p=[0.9] * 7
    )
    drawn = unbalanced(monkeypatch, markets, 20_000, 4, population)
    measured = np.bincount(drawn.market, drawn.notional_usd) / drawn.notional_usd.sum()
    unnamed = [name for name in markets if name not in population.market_mix]
    mix = [
        population.market_mix.get(name, population.market_mix["others"] / len(unnamed)) for name in markets
    ]
    assert measured == pytest.approx(np.array(mix) / sum(mix), abs=0.06)


def test_isolation_falls_with_size(balanced):
    retail = ~balanced.is_market_maker[balanced.account]
    for low, high in ((10, 100), (1e3, 1e4), (1e5, 1e6)):
        rows = retail & (low <= balanced.notional_usd) & (balanced.notional_usd < high)
        logit = -1.2 - 0.45 * np.log10(balanced.notional_usd[rows] / 1000)
        assert balanced.prefers_isolated[rows].mean() == pytest.approx(
            (1 / (1 + np.exp(-logit))).mean(), abs=0.01
        )


def test_settings_are_drawn_as_stated_where_equity_funds_any_of_them():
    population = load_population("default").varied(leverage_median=0.1, leverage_sigma=0)
    drawn = generate(["BTC"], 50_000, 1, population)
    rows = ~drawn.is_market_maker[drawn.account]
    for setting, share in population.leverage_settings:
        assert np.mean(drawn.chosen_leverage[rows] == setting) == pytest.approx(share, abs=0.01)


def test_committed_fraction_and_topup_draws_have_their_means(balanced):
    assert balanced.committed_fraction.mean() == pytest.approx(0.4, abs=0.005)
    assert balanced.topup_draws.mean() == pytest.approx(0.5, abs=0.005)
    assert np.mean(balanced.closing_draws(0) < 0.05) == pytest.approx(0.05, abs=0.002)


# What holds for every population


@given(
    name=st.sampled_from(BUILTIN),
    count=st.integers(1, 300),
    seed=st.integers(0, 2**63 - 1),
    size=st.integers(1, 12),
)
def test_every_population_is_consistent(name, count, seed, size):
    drawn = generate(MANY_MARKETS[-size:], count, seed, name)
    population, owner = drawn.population, drawn.account
    assert len(drawn) == count
    assert drawn.first_position[0] == 0
    assert drawn.first_position[-1] == owner.size
    assert (np.diff(drawn.first_position) == np.bincount(owner, minlength=count)).all()
    assert (np.diff(drawn.first_position) >= 1).all()
    assert np.unique(owner * size + drawn.market).size == owner.size  # distinct markets within an account
    assert set(np.unique(drawn.side)) <= {-1, 1}
    assert (drawn.notional_usd >= 0.01).all()
    for cents in (100 * drawn.notional_usd, 100 * drawn.equity_usd):
        assert np.abs(cents - np.round(cents)).max() < 1e-4
    assert drawn.equity_usd.min() >= population.equity_min_usd
    assert drawn.equity_usd.max() <= population.equity_max_usd
    slack_usd = 0.01 * size  # rounding to cents
    assert (drawn.gross_notional_usd <= population.leverage_max * drawn.equity_usd + slack_usd).all()
    assert sorted(drawn.entry_rank) == list(range(owner.size))
    assert drawn.topup_draws.shape == (owner.size, TOPUPS_MAX)
    assert ((drawn.committed_fraction >= 0) & (drawn.committed_fraction <= 1)).all()


@given(name=st.sampled_from(BUILTIN), count=st.integers(1, 300), seed=st.integers(0, 2**32))
def test_isolating_everything_never_needs_more_than_equity(name, count, seed):
    drawn = generate(MARKETS, count, seed, name)
    margin_usd = np.bincount(drawn.account, drawn.notional_usd / drawn.chosen_leverage)
    assert (margin_usd <= drawn.equity_usd + 0.01 * len(MARKETS)).all()
    assert np.isin(
        drawn.chosen_leverage, [setting for setting, _ in drawn.population.leverage_settings]
    ).all()


@given(name=st.sampled_from(BUILTIN), count=st.integers(1, 500), seed=st.integers(0, 2**32))
def test_the_balancer_leaves_no_market_one_sided(name, count, seed):
    drawn = generate(MARKETS, count, seed, name)
    cents = np.round(100 * drawn.notional_usd).astype(np.int64) * drawn.side
    balancer_cents = np.round(100 * drawn.balancer_notional_usd).astype(np.int64)
    assert [cents[drawn.market == row].sum() for row in range(len(MARKETS))] == (-balancer_cents).tolist()
    assert ((drawn.balancer_share >= 0) & (drawn.balancer_share <= 1 + 1e-12)).all()
    assert all(drawn.balancer_share[np.setdiff1d(np.arange(len(MARKETS)), drawn.market)] == 0)


def test_large_accounts_leave_little_to_the_balancer(balanced):
    assert balanced.balancer_share.max() < 1e-6
    shares = [measure(generate(MARKETS, 2000, seed))["balancer, of one-sided notional"] for seed in range(15)]
    assert median(shares) < 0.1


def test_each_account_falls_into_the_first_cohort_that_fits():
    drawn = generate(MARKETS, 3000, 8)
    for trader in drawn:
        gross = sum(position.notional_usd for position in trader.positions)
        net = abs(sum(position.side * position.notional_usd for position in trader.positions))
        minor = sum(p.notional_usd for p in trader.positions if p.market not in ("BTC", "ETH", "SOL"))
        if trader.is_market_maker:
            expected = Cohort.MARKET_MAKER
        elif trader.equity_usd >= 1e6:
            expected = Cohort.INSTITUTION
        elif len(trader.positions) > 1 and net <= 0.25 * gross:
            expected = Cohort.HEDGED
        elif trader.equity_usd < 250:
            expected = Cohort.NOVICE
        elif minor > gross / 2:
            expected = Cohort.LONG_TAIL
        else:
            expected = Cohort.DIRECTIONAL
        assert trader.cohort is expected
    assert set(drawn.cohort) == set(range(len(COHORTS)))


def test_a_trader_reads_its_rows():
    drawn = generate(MARKETS, 50, 8)
    everyone = list(drawn)
    assert [trader.id for trader in everyone[:2]] == ["t000000", "t000001"]
    assert [trader.equity_usd for trader in everyone] == drawn.equity_usd.tolist()
    positions = [position for trader in everyone for position in trader.positions]
    assert [p.notional_usd for p in positions] == drawn.notional_usd.tolist()
    assert [p.side for p in positions] == drawn.side.tolist()
    assert [p.market for p in positions] == [MARKETS[row] for row in drawn.market]
    assert [p.chosen_leverage for p in positions] == drawn.chosen_leverage.tolist()
    assert [p.prefers_isolated for p in positions] == drawn.prefers_isolated.tolist()
    assert [p.entry_rank for p in positions] == drawn.entry_rank.tolist()
    assert [list(p.topup_draws) for p in positions] == drawn.topup_draws.tolist()
    assert [len(trader.positions) for trader in everyone] == np.diff(drawn.first_position).tolist()


# Common random numbers


@pytest.mark.parametrize("name", BUILTIN)
def test_the_same_seed_gives_the_same_traders(name):
    first, second = generate(MARKETS, 2000, 7, name), generate(MARKETS, 2000, 7, name)
    for column in ARRAYS:
        assert np.array_equal(getattr(first, column), getattr(second, column)), column
    assert first.crowding == second.crowding


def test_another_seed_gives_other_traders():
    first, second = generate(MARKETS, 100, 7), generate(MARKETS, 100, 8)
    assert not np.intersect1d(first.equity_usd, second.equity_usd).size
    assert first.crowding != second.crowding


@settings(max_examples=30)
@given(few=st.integers(1, 200), more=st.integers(1, 200), seed=st.integers(0, 2**32))
def test_more_traders_leave_the_draws_of_the_earlier_ones_alone(few, more, seed):
    with pytest.MonkeyPatch.context() as patch:
        small = unbalanced(patch, MARKETS, few, seed)
        large = unbalanced(patch, MARKETS, few + more, seed)
    for columns, size in ((PER_ACCOUNT, few), ([*PER_POSITION, "notional_usd"], small.account.size)):
        for column in columns:
            assert np.array_equal(getattr(small, column), getattr(large, column)[:size]), column
    for column in ("chosen_leverage", "prefers_isolated"):
        assert np.array_equal(getattr(small, column), getattr(large, column)[: small.account.size]), column
    assert np.array_equal(np.argsort(small.entry_rank), np.argsort(large.entry_rank[: small.account.size]))
    assert np.array_equal(small.closing_draws(3), large.closing_draws(3)[:few])


@pytest.mark.parametrize(
    ("change", "moved"),
    [
        ({"isolated_intercept": 1}, {"prefers_isolated"}),
        ({"committed_mean": 0.6}, {"committed_fraction"}),
        ({"topup_probability": 1, "closing_probability": 0}, set()),
        ({"novice_equity_usd": 1000}, {"cohort"}),
        ({"leverage_settings": [[50, 1]]}, {"chosen_leverage"}),
    ],
    ids=str,
)
def test_a_parameter_moves_only_what_it_is_about(change, moved):
    population = load_population("default")
    before, after = (
        generate(MARKETS, 2000, 7, population),
        generate(MARKETS, 2000, 7, population.varied(**change)),
    )
    assert {c for c in ARRAYS if not np.array_equal(getattr(before, c), getattr(after, c))} == moved


def test_every_hour_has_its_own_closing_draws():
    drawn = generate(MARKETS, 100, 7)
    assert np.array_equal(drawn.closing_draws(5), drawn.closing_draws(5))
    assert not np.intersect1d(drawn.closing_draws(5), drawn.closing_draws(6)).size


def test_nobody_can_change_the_flow():
    with pytest.raises(ValueError, match="read-only"):
        generate(MARKETS, 10, 7).notional_usd[0] = 1


# Bad input


@pytest.mark.parametrize("markets", [(), "BTC", ("BTC", "BTC"), ("BTC", ""), ("BTC", 3)], ids=str)
def test_markets_are_distinct_names(markets):
    with pytest.raises(InputError, match="markets"):
        generate(markets, 10, 1)


@pytest.mark.parametrize("count", [0, -1, 1.5, "10", None, COUNT_MAX + 1], ids=str)
def test_the_number_of_traders_is_whole_and_positive(count):
    with pytest.raises(InputError, match="traders"):
        generate(MARKETS, count, 1)


@pytest.mark.parametrize("seed", [-1, 0.5, "one", None, 2**63], ids=str)
def test_the_seed_is_whole(seed):
    with pytest.raises(InputError, match="seed"):
        generate(MARKETS, 10, seed)
