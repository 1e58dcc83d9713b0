"""`Engine.resolve` does what `clearing.resolve` does on every rulebook, whatever is due under random procedures."""

import os
from contextlib import suppress

import pytest

from kernel.engine.logs import MOST, TRADERS, FullError, Log
from ringfence.clearing import command as cmd
from ringfence.clearing.log import Clearinghouse, state_hash
from ringfence.clearing.model import QUOTE
from ringfence.clearing.resolve import Fills, resolve
from ringfence.clearing.risk import subaccount_risk
from ringfence.kernel.engine.engine import Engine
from venues.states import RULEBOOKS

FUZZ = os.environ.get("RINGFENCE_FUZZ") == "1"


class Limited(Clearinghouse):
    """One that takes only so many commands: a position of 10^20 atoms may be closed in ever smaller parts."""

    left = MOST

    def submit(self, command):
        self.left -= 1
        if self.left < 0:
            raise FullError
        return super().submit(command)


class Settled(Log):
    """A log whose settlements are done twice, by the engine and by the reference, from the same state."""

    steps = 0

    def due(self):
        names = [*self.venue.subaccounts]
        self.random.shuffle(names)
        fills = Fills(self.random.choice((0, 0, 5_000)), self.random.randrange(4))
        engine = Engine.from_venue(self.venue)
        house = Limited(engine.to_venue(), keep_log=False)
        wanted = resolve(house, names, fills)
        assert list(engine.resolve(names, fills)) == wanted
        assert engine.state_hash() == state_hash(house.venue)
        self.steps += len(wanted)
        self.house = Clearinghouse(house.venue, keep_log=False)
        self.venue = self.house.venue

    def crash(self):
        """Traders take out what they may; then half or double of every price, and all that is due."""
        for name in TRADERS:
            self.submit(
                cmd.Withdraw(name, QUOTE, subaccount_risk(self.venue, self.venue.subaccounts[name]).free_q)
            )
        shift = self.random.choice((500, 1900))
        perps = [market for market in self.venue.markets.values() if market.option is None]
        marks = {market.id: self.tick(market, market.mark * shift // 1000) for market in perps}
        self.submit(cmd.SetPrices(self.time + 1, self.venue.block + 1, marks, marks))
        self.due()


def settle(rulebook, seed):
    log = Settled(rulebook, seed)
    log.run(actions=25)
    with suppress(FullError):
        log.crash()
    return log.steps


@pytest.mark.parametrize("rulebook", RULEBOOKS, ids=lambda rulebook: rulebook.name)
def test_all_that_is_due_is_done_alike(rulebook):
    assert sum(settle(rulebook, seed) for seed in range(3)) > 0


@pytest.mark.fuzz
@pytest.mark.parametrize("rulebook", RULEBOOKS, ids=lambda rulebook: rulebook.name)
def test_all_that_is_due_is_done_alike_many_times(rulebook):
    """Hundreds under `make fuzz`."""
    for seed in range(3, 400 if FUZZ else 5):
        settle(rulebook, seed)


def test_a_deleveraging_in_vain_is_counted_once_though_room_was_wanting():
    """Its gate is closed and counted in the block, then a queue must be ranked and the loop begins again at the row."""
    settle(next(rulebook for rulebook in RULEBOOKS if rulebook.name.startswith("aevo")), 76)
