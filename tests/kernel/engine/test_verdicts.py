"""Verdicts on many commands: a list to whoever looks at it, made of the tape only then."""

import pytest

from kernel.engine.crowds import MARK, crowd, crowd_venue
from ringfence.clearing import command as cmd
from ringfence.clearing.log import Clearinghouse
from ringfence.clearing.model import QUOTE
from ringfence.clearing.policy import Policy
from ringfence.clearing.verdict import Reason, Rejected
from ringfence.kernel.engine import engine as engine_module
from ringfence.kernel.engine import verdicts as verdicts_module
from ringfence.kernel.engine.engine import Engine

COMMANDS = [
    cmd.Deposit("t0000001", QUOTE, 10**12),
    cmd.Withdraw("t0000001", QUOTE, 10**14),
    cmd.OpenSubaccount("new", "new"),
    cmd.Deposit("new", QUOTE, 10**12),
    cmd.Trade("A", 3, MARK, "new", "t0000001"),
    cmd.Deposit("nobody", QUOTE, 1),
    cmd.Deposit("new", QUOTE, 1 << 140),
    cmd.Withdraw("new", QUOTE, 10**6),
]


def asked(commands):
    """What the engine and the reference say of the same commands."""
    engine = Engine.from_columns(crowd_venue(0), crowd(20, 1))
    house = Clearinghouse(engine.to_venue(), keep_log=False)
    return engine, engine.submit(commands), [house.submit(command) for command in commands]


def test_they_are_a_list_of_what_the_reference_says():
    _, found, wanted = asked(COMMANDS)
    assert len(found) == len(wanted) == 8
    assert found == wanted
    assert [found[n] for n in range(8)] == [found[n - 8] for n in range(8)] == wanted
    assert found[2:7:2] == wanted[2:7:2]
    assert found != wanted[:-1]
    with pytest.raises(IndexError):
        found[8]


def test_reasons_are_told_without_a_look_at_events(monkeypatch):
    monkeypatch.setattr(verdicts_module, "events_of", None)
    _, found, wanted = asked(COMMANDS)
    reasons = [int(verdict.reason) if isinstance(verdict, Rejected) else 0 for verdict in wanted]
    assert found.reasons.tolist() == reasons
    assert reasons.count(int(Reason.SUBACCOUNT_UNKNOWN)) == 1
    assert asked([])[1].reasons.tolist() == []


def test_what_was_said_stays_said():
    """Later commands write a new tape, make the arrays anew and change the policy; earlier verdicts do not move."""
    engine, found, wanted = asked(COMMANDS)
    engine.submit([cmd.ChangePolicy(Policy(taker_fee_ppm=100)), *COMMANDS])
    assert found == wanted


def test_a_full_tape_is_handed_over_and_a_new_one_begun(monkeypatch):
    monkeypatch.setattr(engine_module, "SEGMENT", 64)
    engine = Engine.from_columns(crowd_venue(0), crowd(20, 1))
    engine._held = engine.book._replace(tape=engine.book.tape[:60].copy())
    house = Clearinghouse(engine.to_venue(), keep_log=False)
    commands = [cmd.Deposit("t0000001", QUOTE, n + 1) for n in range(300)]
    assert engine.submit(commands) == [house.submit(command) for command in commands]
