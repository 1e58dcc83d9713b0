"""Whole histories on the contract and on the engine: every operation, every balance, equal to the unit."""

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from chain.house import MARKETS, NAMES, START_BTC, START_PRICES, SUBS, TERMS, fresh
from ringfence.clearing.risk import equity_q, is_liquidatable

NUMBERS = tuple(range(len(MARKETS)))

names = st.sampled_from(NAMES)
markets = st.sampled_from(NUMBERS)
amounts = st.one_of(st.integers(0, 1_000), st.integers(10**6, 3 * 10**10))
assets = st.sampled_from((0, 0, 0, 1))
lots = st.one_of(st.integers(-50, 50), st.integers(-2_500, 2_500).map(lambda tens: tens * 10))
moves_ppm = st.one_of(st.integers(960_000, 1_040_000), st.integers(600_000, 1_500_000))
picks = st.integers(0, 10**6)

FUZZ = os.environ.get("RINGFENCE_FUZZ") == "1"


def sized(market, size_b):
    """Lots of about the same worth in every market."""
    return {0: size_b, 1: size_b // 15, 2: size_b * 10}[market]


class History(RuleBasedStateMachine):
    """Operations in any order; prices move enough that liquidations, losses and empty funds all happen."""

    terms = TERMS
    steps = 0
    """Of all histories so far."""

    def __init__(self):
        super().__init__()
        self.house = fresh(self.terms)
        self.prices, self.btc = dict(START_PRICES), START_BTC

    @initialize(amounts=st.lists(st.integers(10**8, 2 * 10**10), min_size=9, max_size=9))
    def everybody_deposits(self, amounts):
        for name, amount in zip(NAMES, amounts, strict=True):
            assert self.house.deposit(name, amount)

    @rule(name=names, amount=amounts, asset=assets)
    def deposit(self, name, amount, asset):
        self.house.deposit(name, amount // (1, 10_000)[asset], asset)

    @rule(name=names, amount=amounts, asset=assets)
    def withdraw(self, name, amount, asset):
        self.house.withdraw(name, amount // (1, 10_000)[asset], asset)

    @rule(name=names, to=st.sampled_from(SUBS), amount=amounts, asset=assets)
    def transfer(self, name, to, amount, asset):
        self.house.transfer(name, to, amount // (1, 10_000)[asset], asset)

    @rule(name=names, market=markets, size_b=lots)
    def trade(self, name, market, size_b):
        self.house.trade(name, market, sized(market, size_b))

    @rule(name=names, market=markets, pick=picks)
    def reduce(self, name, market, pick):
        held = self.house.venue.subaccounts[name].positions.get(f"m{market}")
        if held is not None:
            step = 10 ** MARKETS[market].step_exp
            part_b = max(step, abs(held.size_b) * (pick % 101) // 100 // step * step)
            self.house.trade(name, market, -part_b if held.size_b > 0 else part_b)

    @rule(taker=names, maker=names, market=markets, size_b=lots, off_ppm=st.integers(970_000, 1_030_000))
    def settle(self, taker, maker, market, size_b, off_ppm):
        price = self.prices[market] * off_ppm // 10**6
        self.house.settle(taker, maker, market, sized(market, size_b), price)

    @rule(moves=st.tuples(moves_ppm, moves_ppm, moves_ppm, moves_ppm))
    def prices_move(self, moves):
        for market, start in START_PRICES.items():
            moved = self.prices[market] * moves[market] // 10**6
            self.prices[market] = min(max(moved, start // 10), start * 10)
        self.btc = min(max(self.btc * moves[3] // 10**6, START_BTC // 10), START_BTC * 10)
        self.house.prices(self.prices, self.btc)

    @rule(market=markets, rate_ppm=st.integers(-20_000, 20_000))
    def fund(self, market, rate_ppm):
        self.house.fund(market, rate_ppm)

    @rule(name=names, market=markets)
    def liquidate_anybody(self, name, market):
        self.house.liquidate(name, market)

    @precondition(lambda self: self.due())
    @rule(pick=picks, size_b=st.sampled_from((0, 0, 10, 10_000)))
    def liquidate_one(self, pick, size_b):
        name = self.due()[pick % len(self.due())]
        held = sorted(self.house.venue.subaccounts[name].positions)
        self.house.liquidate(name, int(held[pick % len(held)][1:]), size_b)
        self.house.compare_risk(name)

    @precondition(lambda self: self.due())
    @rule(pick=picks, order=st.permutations(NUMBERS))
    def liquidate_account(self, pick, order):
        name = self.due()[pick % len(self.due())]
        held = self.house.venue.subaccounts[name].positions
        assert self.house.liquidate_account(name, [number for number in order if f"m{number}" in held])

    @precondition(lambda self: self.insolvent())
    @rule(pick=picks)
    def deleverage(self, pick):
        name = self.insolvent()[pick % len(self.insolvent())]
        held = sorted(self.house.venue.subaccounts[name].positions)
        self.house.deleverage(name, int(held[pick % len(held)][1:]))

    @rule(name=names)
    def sell_collateral(self, name):
        if "BTC" in self.house.venue.subaccounts[name].balances:
            self.house.sell_collateral(name)

    def due(self):
        """Subaccounts that may be liquidated."""
        venue = self.house.venue
        with_positions = (name for name in NAMES if venue.subaccounts[name].positions)
        return [name for name in with_positions if is_liquidatable(venue, venue.subaccounts[name])]

    def insolvent(self):
        """Subaccounts with positions and without equity."""
        venue = self.house.venue
        return [name for name in self.due() if equity_q(venue, venue.subaccounts[name]) <= 0]

    @invariant()
    def counted(self):
        History.steps += 1

    def teardown(self):
        for name in NAMES:
            self.house.compare_risk(name)


class SharedLosses(History):
    """The same where traders share what the fund cannot pay, and nobody is deleveraged."""

    terms = TERMS._replace(socializes=True)

    @rule(pool=st.sampled_from((0, 1)))
    def socialize(self, pool):
        self.house.socialize(pool)


class FreeReductions(History):
    """The same where lots are closed without a look at other positions."""

    terms = TERMS._replace(free_reduce=True)


def run(examples, steps, history=History):
    """So many histories of so many operations."""
    run_state_machine_as_test(
        history,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=examples < 10,
            phases=(Phase.generate,) if examples < 10 else tuple(Phase),
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_histories_end_the_same():
    run(4, 40)


def test_histories_with_shared_losses_end_the_same():
    run(3, 40, SharedLosses)


def test_histories_with_free_reductions_end_the_same():
    run(3, 40, FreeReductions)


@pytest.mark.fuzz
@pytest.mark.parametrize("histories", [History, SharedLosses, FreeReductions])
def test_ten_thousand_operations_end_the_same(histories):
    """So many of each under `make fuzz`: a history has as many as Hypothesis cares for, so they are counted."""
    end = histories.steps + (10_000 if FUZZ else 20)
    while histories.steps < end:
        run(*((50, 100) if FUZZ else (2, 50)), histories)
