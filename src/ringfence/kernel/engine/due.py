"""`Engine.resolve`: the compiled loop over subaccounts, the reference where it stops, then the pools."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...clearing import command as cmd
from ...clearing import event as ev
from ...clearing.model import Venue
from ...clearing.resolve import BACKSTOP, Fills, Step, proposals
from ...clearing.resolve import resolve as resolve_by_reference
from ...clearing.solvency import pool_relief_due
from ...clearing.verdict import Accepted, Reason, Rejected, Verdict
from ..wide import joined
from . import layout as at
from .decode import events_of
from .far import directory_of
from .memory import Words
from .names import Names
from .resolve import resolve as resolve_rows

if TYPE_CHECKING:
    from .engine import Engine

TOLD = (ev.SliceSold, ev.InsolvencySeen, ev.Deleveraged)
"""Events that are no progress by themselves; see `clearing.resolve`."""


class Part(NamedTuple):
    """Steps as arrays: commands with where their events begin and end on the tape."""

    steps: Words
    tape: Words


class Steps(Sequence[Step]):
    """What was done, in order; commands and events are made of the arrays when they are looked at."""

    def __init__(self, names: Names) -> None:
        """No steps yet."""
        self._names, self._parts = names, list[Part | Step]()

    def add(self, part: Part | Step) -> None:
        """Add steps at the end."""
        self._parts.append(part)

    def __repr__(self) -> str:
        """How many; decoding millions to print them would take minutes."""
        return f"<{len(self)} steps>"

    def __len__(self) -> int:
        """How many steps were done."""
        return sum(len(part.steps) if isinstance(part, Part) else 1 for part in self._parts)

    def __iter__(self) -> Iterator[Step]:
        """Each step: the command and its verdict."""
        for part in self._parts:
            if isinstance(part, Part):
                for record in part.steps.tolist():
                    events = events_of(part.tape[record[at.STEP_BEGIN] : record[at.STEP_END]], self._names)
                    yield _command(record, self._names), Accepted(tuple(events))
            else:
                yield part

    def __getitem__(self, place: int | slice) -> Step | list[Step]:  # type: ignore[override]
        """A step, or some of them."""
        return list(self)[place]

    def count(self, kind: object) -> int:
        """Steps whose command is of a type, without decoding them."""
        number = _KINDS.get(kind) if isinstance(kind, type) else None
        found = 0
        for part in self._parts:
            if isinstance(part, Part):
                found += int(np.count_nonzero(part.steps[:, at.EVENT] == number))
            else:
                found += isinstance(kind, type) and type(part[0]) is kind
        return found


_KINDS: dict[object, int] = {
    cmd.Liquidate: at.LIQUIDATE,
    cmd.TakeOver: at.TAKE_OVER,
    cmd.DrawInsurance: at.DRAW_INSURANCE,
    cmd.Deleverage: at.DELEVERAGE,
}


def _command(record: list[int], names: Names) -> cmd.AnyCommand:
    """The command of a step."""
    kind, name = record[at.EVENT], names.rows[record[at.FIRST]]
    if kind == at.TAKE_OVER:
        return cmd.TakeOver(name, names.rows[record[at.SECOND]])
    if kind == at.DRAW_INSURANCE:
        return cmd.DrawInsurance(names.pools[record[at.ABOUT]], name, names.markets[record[at.SECOND]])
    market = names.markets[record[at.ABOUT]]
    if kind == at.DELEVERAGE:
        return cmd.Deleverage(name, market, record[at.X])
    return cmd.Liquidate(name, market, 0, joined(record[at.Y + 1], record[at.Y]))


class _House:
    """What `clearing.resolve` asks of a clearinghouse, on the venue of an engine."""

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine

    @property
    def venue(self) -> Venue:
        return self._engine.current()

    def submit(self, command: cmd.AnyCommand) -> Verdict:
        return self._engine.refer(command)


def resolve(engine: "Engine", names: Sequence[str] | None, fills: Fills | None) -> Steps:
    """Settle every named subaccount that is due, then the pools that owe; see `Engine.resolve`."""
    found, done = fills or Fills(), Steps(engine.names)
    asked = [*engine.names.rows] if names is None else names
    if cmd.Liquidate not in engine.plan.compiled or type(found) is not Fills or found.slippage_ppm < 0:
        return _by_reference(engine, asked, found, done)
    rows = np.arange(len(asked)) if names is None else engine.names.numbers(names)
    settled = _settle(engine, rows, found, done)
    if engine.plan.is_empty:
        return _by_reference(engine, asked[settled:], found, done)
    for command in _for_pools(engine):
        verdict = engine.submit([command])[0]
        if isinstance(verdict, Accepted):
            done.add((command, verdict))
    return done


def _by_reference(engine: "Engine", names: Sequence[str], fills: Fills, done: Steps) -> Steps:
    """Let the reference settle subaccounts and pools."""
    for step in resolve_by_reference(_House(engine), names, fills):  # type: ignore[arg-type]
        done.add(step)
    return done


def _for_pools(engine: "Engine") -> Iterator[cmd.AnyCommand]:
    """What is due of pools: bad debt to be paid, and liquidity to be relieved, which the reference decides."""
    for pool in sorted(engine.names.pools):
        if engine.debt_q(pool) > 0:
            yield from (cmd.DrawInsurance(pool), cmd.Socialize(pool))
    if not engine.book.terms[at.CAPPED]:
        return
    venue = engine.with_pools()
    for name, market in sorted(venue.markets.items()):
        for is_long in (True, False):
            if pool_relief_due(venue, market, is_long=is_long):
                yield cmd.RelievePool(name, is_long)


def _settle(engine: "Engine", rows: Words, fills: Fills, done: Steps) -> int:
    """Settle rows in turn, in compiled code as far as it goes; how many, as long as anything is compiled."""
    place = answered = 0
    while place < len(rows) and not engine.plan.is_empty:
        book = engine.book
        book.clock[at.SLIPPAGE], book.clock[at.DRAWN] = fills.slippage_ppm, fills.draw
        book.clock[at.BACKSTOP_ROW] = engine.names.row.get(BACKSTOP, at.UNKNOWN)
        try:
            stopped = resolve_rows(directory_of(book), rows, place, answered)
        except OverflowError:
            stopped = int(book.clock[at.AT])
            engine.take_back()
        lacks = stopped < len(rows) and book.clock[at.STATUS] == at.ROOM
        if not lacks or book.clock[at.LACKING] in (at.TAPE_LACKS, at.STEPS_LACK):
            _drain(engine, done)
        answered = int(book.clock[at.TRIED]) if lacks else 0
        if lacks:
            engine.grow()
        elif stopped < len(rows) and book.clock[at.STATUS] == at.REFERENCE:
            name = engine.names.rows[rows[stopped]]
            _by_proposals(engine, name, fills, int(book.clock[at.TRIED]), done)
            stopped += 1
        place = stopped
    return place


def _drain(engine: "Engine", done: Steps) -> None:
    """Take steps and events out of the arrays."""
    book = engine.book
    steps, tape = int(book.clock[at.STEPS]), engine.take_tape()
    if steps:
        done.add(Part(book.steps[:steps].copy(), tape))
    book.clock[at.STEPS] = 0


def _by_proposals(engine: "Engine", name: str, fills: Fills, tried: int, done: Steps) -> None:
    """Settle one subaccount by the reference's own proposals, of which some were answered before."""
    while (step := _next(engine, name, fills, tried)) is not None:
        done.add(step)
        tried = 0


def _next(engine: "Engine", name: str, fills: Fills, tried: int) -> Step | None:
    """Submit proposals until one is accepted and changed something; `None` when nothing is left to do."""
    venue = engine.current()
    for command in [*proposals(venue, venue.subaccounts[name], fills)][tried:]:
        verdict = engine.refer(command)
        if isinstance(verdict, Accepted) and any(not isinstance(event, TOLD) for event in verdict.events):
            return command, verdict
        if isinstance(verdict, Rejected) and verdict.reason is Reason.COOLDOWN:
            return None
    return None
