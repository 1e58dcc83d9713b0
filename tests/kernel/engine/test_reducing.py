"""Where lots close freely, a fill is judged by the position that it shrinks, whoever decides it."""

import os
from collections import Counter
from copy import copy

import pytest
from msgspec.structs import replace

from kernel.engine.crowds import MARK, venue_with
from kernel.engine.test_accounts import must_agree
from kernel.engine.test_capped import Winners
from ringfence.clearing import command as cmd
from ringfence.clearing.decide import decide
from ringfence.clearing.log import Clearinghouse, state_hash
from ringfence.clearing.model import QUOTE, Position
from ringfence.clearing.policy import Policy
from ringfence.clearing.risk import subaccount_risk
from ringfence.clearing.verdict import Accepted, Reason, Rejected
from ringfence.kernel.engine.engine import Engine, copied
from venues.states import RULEBOOKS

FUZZ = os.environ.get("RINGFENCE_FUZZ") == "1"
FREE = Policy(under_margin="free_reduce")
POOL = "market/A"


def loser(policy, **others):
    """Ann holds 10,000 lots at their cost and owes 5 x 10^6; each lot frees 1,000 of maintenance margin."""
    venue = venue_with(policy)
    for name, lots, owed_q in (("ann", 10_000, 5 * 10**6), (POOL, -10_000, 0)):
        venue.subaccounts[name].positions = {"A": Position(lots, lots * MARK, 0), **others.get(name, {})}
        venue.subaccounts[name].balances[QUOTE] = -lots * MARK - owed_q
    venue.markets["A"].open_interest_b = 10_000
    return venue


def close(lots, price, taker_is_pool):
    sides = (POOL, "ann") if taker_is_pool else ("ann", POOL)
    return cmd.Trade("A", lots if taker_is_pool else -lots, price, *sides)


@pytest.mark.parametrize("taker_is_pool", [False, True])
def test_lots_close_as_long_as_that_frees_what_it_costs(taker_is_pool):
    """1,000 below the mark a lot costs as much as it frees. The last one is not free, nor is any by ratio."""
    refused = Reason.INITIAL_MARGIN_COUNTERPARTY if taker_is_pool else Reason.INITIAL_MARGIN
    below, here = (close(4_000, MARK - less, taker_is_pool) for less in (1_001, 1_000))
    verdicts = must_agree(loser(FREE), [below, here, close(6_000, MARK, taker_is_pool)], 0)
    assert [isinstance(verdict, Accepted) for verdict in verdicts] == [False, True, False]
    assert {verdict.reason for verdict in verdicts[::2]} == {refused}
    (verdict,) = must_agree(loser(Policy()), [here], 0)
    assert verdict.reason is refused


def test_a_fee_is_part_of_the_cost():
    taken, made = Policy(taker_fee_ppm=1_000), Policy(maker_fee_ppm=500)
    for policy, pays_q, taker_is_pool in ((taken, 100, False), (made, 50, True)):
        free = replace(policy, under_margin="free_reduce", taker_fee_ppm=policy.taker_fee_ppm)
        for less, stands in ((1_000 - pays_q, True), (1_000 - pays_q + 2, False)):
            (verdict,) = must_agree(loser(free), [close(4_000, MARK - less, taker_is_pool)], 0)
            assert isinstance(verdict, Accepted) == stands


def test_only_lots_closed_with_the_venue_in_one_pool_are_free():
    """Another trader is no liquidity of the market; a second position must stand in the same pool."""
    venue = loser(FREE, ann={"B": Position(1, MARK, 0)})
    venue.markets["B"].pool = "other"
    venue.pools["other"] = replace(venue.pools["main"], id="other")
    assert must_agree(venue, [close(4_000, MARK, False)], 0)[0].reason is Reason.INITIAL_MARGIN
    with_ben = cmd.Trade("A", -4_000, MARK, "ann", "ben")
    assert must_agree(loser(FREE), [with_ben], 0)[0].reason is Reason.INITIAL_MARGIN
    same_pool = loser(FREE, ann={"B": Position(1, MARK, 0)})
    assert isinstance(must_agree(same_pool, [close(10_000, MARK, False)], 0)[0], Accepted)


class Closers(Winners):
    """A log of a rulebook under which lots close freely."""

    def __init__(self, rulebook, seed):
        super().__init__(rulebook, seed)
        self.venue.policy = replace(self.venue.policy, under_margin="free_reduce")

    def take_out(self):
        """Whoever has positions takes out what is free and closes a part of one, at a worse price than the new mark."""
        held = [sub for sub in self.venue.subaccounts.values() if sub.positions and not sub.system]
        if not held:
            return
        trader = self.random.choice(held)
        self.submit(cmd.Withdraw(trader.id, QUOTE, subaccount_risk(self.venue, trader).free_q))
        self.move()
        for name in [*trader.positions]:
            market, size_b = self.venue.markets[name], trader.positions[name].size_b
            part_b = size_b // self.random.randint(2, 4) // market.step_b * market.step_b
            worse = -1 if size_b > 0 else 1
            price = self.tick(
                market, (market.mark or 1) * (1_000 + worse * self.random.randint(0, 8)) // 1_000
            )
            self.submit(cmd.Trade(name, -part_b, price, trader.id, f"market/{name}"))


def play(rulebook, seed):
    """One log, command by command; of fills that stand, how many the engine decided, and of how many only as free."""
    log = Closers(rulebook, seed)
    start = copied(log.venue)
    log.run()
    engine, house, met = Engine.from_venue(start), Clearinghouse(start, keep_log=False), Counter()
    for command, wanted in zip(log.commands, log.verdicts, strict=True):
        before, strict = engine.by_reference, copy(house.venue)
        strict.policy = replace(strict.policy, under_margin="ratio")
        assert engine.submit([command]) == [wanted], command
        if isinstance(command, cmd.Trade) and isinstance(wanted, Accepted) and engine.by_reference == before:
            met["fills"] += 1
            met["free"] += isinstance(decide(strict, command), Rejected)
        house.submit(command)
    assert engine.state_hash() == state_hash(house.venue)
    return met


NAMES = ("generic", "dydx-v4", "perp-v1", "synthetix-v3", "vertex", "gmx-v2")
SOME = [rulebook for rulebook in RULEBOOKS if rulebook.name.startswith(NAMES)]


def test_random_logs_reach_fills_that_stand_because_they_are_free():
    met = sum((play(rulebook, seed) for rulebook in SOME for seed in range(6)), Counter())
    assert met["free"] > 15
    assert met["fills"] > 100


@pytest.mark.fuzz
@pytest.mark.parametrize("rulebook", SOME, ids=lambda rulebook: rulebook.name)
def test_more_random_logs_of_free_fills_end_in_the_same_state(rulebook):
    """Hundreds under `make fuzz`."""
    for seed in range(6, 500 if FUZZ else 8):
        play(rulebook, seed)
