"""The engine says what the reference says and stands where it stands, on logs of every rulebook."""

import os

import pytest

from chaos.world import Crash
from kernel.engine.logs import Keeper
from ringfence.clearing import command as cmd
from ringfence.clearing.log import restore, state_hash
from ringfence.kernel.engine.engine import Engine, copied
from ringfence.kernel.engine.plan import FRAME, LOSSES, MARGIN, MONEY
from venues.states import RULEBOOKS

BATCH = 25
"""Commands handed over at once; small, so that a difference is found near where it arose."""


def must_agree(start, commands, verdicts):
    """Run a log in batches; returns the engine."""
    engine = Engine.from_venue(start)
    for begin in range(0, len(commands), BATCH):
        batch = commands[begin : begin + BATCH]
        for command, found, wanted in zip(
            batch, engine.submit(batch), verdicts[begin : begin + BATCH], strict=True
        ):
            assert found == wanted, command
    return engine


FUZZ = os.environ.get("RINGFENCE_FUZZ") == "1"


def run_log(rulebook, seed):
    log = Keeper(rulebook, seed)
    start = copied(log.venue)
    log.run()
    engine = must_agree(start, log.commands, log.verdicts)
    assert engine.state_hash() == state_hash(log.venue)
    return log, engine


OURS = (*MONEY, *MARGIN, *LOSSES)
"""Kinds of commands that the engine means to decide."""
MOST_REFERRED = 0.25
"""Share of them that may be left to the reference: subaccounts with orders, under auction, prices of any digits."""


def referred(log, engine):
    """Of the commands that the engine means to decide: how many the reference decided."""
    return engine.by_reference - sum(type(command) not in (*OURS, *FRAME) for command in log.commands)


@pytest.mark.parametrize("rulebook", RULEBOOKS, ids=lambda rulebook: rulebook.name)
def test_random_logs_end_in_the_same_state_and_the_engine_decides_them_itself(rulebook):
    left = asked = 0
    for seed in range(4):
        log, engine = run_log(rulebook, seed)
        left, asked = left + referred(log, engine), asked + sum(type(c) in OURS for c in log.commands)
    assert left <= MOST_REFERRED * asked


@pytest.mark.fuzz
@pytest.mark.parametrize("rulebook", RULEBOOKS, ids=lambda rulebook: rulebook.name)
def test_more_random_logs_end_in_the_same_state(rulebook):
    """A thousand under `make fuzz`."""
    for seed in range(3, 1_000 if FUZZ else 5):
        run_log(rulebook, seed)


def test_the_logs_go_through_compiled_code_and_all_its_steps():
    """What the differential above proves is only what its logs reach."""
    done, by_reference = set(), 0
    generic = next(rulebook for rulebook in RULEBOOKS if rulebook.name.startswith("generic"))
    total = 0
    for seed in range(25):
        log, engine = run_log(generic, seed)
        accepted = (
            command
            for command, verdict in zip(log.commands, log.verdicts, strict=True)
            if hasattr(verdict, "events")
        )
        done |= {type(command) for command in accepted}
        by_reference, total = by_reference + engine.by_reference, total + len(log.commands)
    assert {
        *(cmd.Deposit, cmd.Withdraw, cmd.TransferMargin, cmd.FundInsurance, cmd.Trade, cmd.Liquidate),
        *(cmd.TakeOver, cmd.DrawInsurance, cmd.Deleverage, cmd.Socialize),
    } <= done
    assert by_reference < total / 2


def run_crash(seed):
    world = Crash(seed)
    verdicts, submit = [], world.house.submit

    def told(command):
        verdicts.append(submit(command))
        return verdicts[-1]

    world.house.submit = told
    world.run()
    commands = [entry.command for entry in world.house.entries]
    engine = must_agree(restore(world.start), commands, verdicts)
    assert engine.state_hash() == state_hash(world.venue)


@pytest.mark.parametrize("seed", range(8))
def test_a_chaos_run_ends_in_the_same_state(seed):
    run_crash(seed)


@pytest.mark.fuzz
def test_more_chaos_runs_end_in_the_same_state():
    """Hundreds under `make fuzz`."""
    for seed in range(8, 500 if FUZZ else 12):
        run_crash(seed)
