"""Whatever happens to a book and in whatever order, bands report what a look at everybody finds."""

import os
from random import Random

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from kernel.bands_books import SHAPES, Watched, shaped_venue
from kernel.books import BOOKS, book
from ringfence.kernel import bands_record

SEEDS = st.integers(0, 2**32 - 1)


class Anything(RuleBasedStateMachine):
    """Prices, funding, trades, deposits, a rebuild; with little room, so that ticks sweep as well."""

    @initialize(shape=st.sampled_from(sorted(SHAPES)), seed=SEEDS, room=st.sampled_from((0, 256)))
    def begin(self, shape, seed, room):
        usual, bands_record.LEAST_ROOM = bands_record.LEAST_ROOM, room
        self.watched = Watched.of(shaped_venue(shape, Random(seed), 100), touches_per_sweep=1_000)
        bands_record.LEAST_ROOM = usual
        self.bands, self.indices = self.watched.bands, [0, 0, 0]

    @rule(seed=SEEDS)
    def price_moves(self, seed):
        self.watched.judge(self.bands.tick(*self.watched.tempting_price(Random(seed))))

    @rule(shares=st.lists(st.integers(800, 1_250), min_size=3, max_size=3))
    def all_prices_move(self, shares):
        prices = self.watched.prices() * np.array(shares) // 1_000
        self.watched.judge(self.bands.batch(prices))

    @rule(market=st.integers(0, 2), rise=st.integers(-(10**19), 10**19))
    def funding_is_charged(self, market, rise):
        self.indices[market] += rise
        self.watched.judge(self.bands.fund(market, self.indices[market]))

    @rule(number=st.integers(0, 99), amount_q=st.integers(-(10**9), 10**9))
    def money_moves(self, number, amount_q):
        block, row = self.watched.columns.place(number)
        block.cash[row] += amount_q
        self.watched.update(number)

    @rule(number=st.integers(0, 99), leg=st.integers(0, 3), size=st.integers(-(10**5), 10**5))
    def a_position_is_traded(self, number, leg, size):
        block, row = self.watched.columns.place(number)
        leg %= block.size.shape[1]
        market = int(block.market[row, leg])
        block.size[row, leg], block.cost[row, leg] = size, size * 500
        block.epoch[row, leg] = self.watched.plan.table.markets[market]["epoch"]
        self.watched.update(number)

    @rule(number=st.integers(0, 99), leg=st.integers(0, 3), market=st.integers(0, 2))
    def a_position_changes_market(self, number, leg, market):
        block, row = self.watched.columns.place(number)
        leg %= block.size.shape[1]
        if market not in block.market[row]:
            block.market[row, leg] = market
            block.epoch[row, leg] = self.watched.plan.table.markets[market]["epoch"]
            self.watched.update(number)

    @precondition(lambda self: self.watched.reported)
    @rule(data=st.data())
    def a_liquidatable_one_is_watched_again(self, data):
        self.watched.update(data.draw(st.sampled_from(sorted(self.watched.reported))))

    @rule()
    def everything_is_built_anew(self):
        self.watched.reported = set()
        self.watched.judge(self.bands.rebuild())


FUZZ = os.environ.get("RINGFENCE_FUZZ") == "1"
Anything.TestCase.settings = settings(
    max_examples=300 if FUZZ else 25, stateful_step_count=60 if FUZZ else 30, deadline=None
)
TestAnything = Anything.TestCase


def decisions(venue, seed, ticks):
    """Judge tempting ticks; how many subaccounts were decided at each, summed."""
    watched, random = Watched.of(venue), Random(seed)
    for _ in range(ticks):
        watched.judge(watched.bands.tick(*watched.tempting_price(random)))
        for number in random.sample(sorted(watched.reported), min(2, len(watched.reported))):
            watched.update(number)
    return ticks * len(watched.columns)


@pytest.mark.fuzz
@pytest.mark.parametrize("shape", SHAPES)
def test_no_mismatch_in_many_subaccount_ticks_of_every_shape(shape):
    """With those of the rulebooks, over a hundred million under `make fuzz`; a sample otherwise."""
    wanted, random, seen = 6_000_000 if FUZZ else 20_000, Random(shape), 0
    while seen < wanted:
        seed = random.randrange(2**32)
        seen += decisions(shaped_venue(shape, random, 2_000 if FUZZ else 100), seed, 150)
    assert seen >= wanted


@pytest.mark.fuzz
@pytest.mark.parametrize("rulebook", BOOKS, ids=lambda rulebook: rulebook.name)
def test_no_mismatch_in_many_subaccount_ticks_of_every_rulebook(rulebook):
    wanted, seen = 1_500_000 if FUZZ else 5_000, 0
    for seed in range(10**9):
        found = decisions(book(rulebook, seed, 500 if FUZZ else 50), seed, 150)
        seen += found
        if seen >= wanted or (found == 0 and seed > 3):
            break
    assert seen >= wanted or found == 0
