"""The batch twin of `clearing.log.Clearinghouse`: the same commands on arrays, the same verdicts, the same state.

    engine = Engine.from_venue(venue)
    verdicts = engine.submit(commands)      # Accepted or Rejected, as the reference would say
    engine.state_hash()                     # that of the reference after the same commands

What the plan does not compile, and whatever leaves 128 bits, is decided by the reference on a venue that is brought
up to date where it changed; so the answer is the same for every rulebook and only the time differs.
"""

from collections.abc import Iterable, Sequence
from copy import copy

import numpy as np

from ...clearing import command as cmd
from ...clearing import event as ev
from ...clearing import ledger
from ...clearing.apply import apply
from ...clearing.decide import decide
from ...clearing.log import state_hash
from ...clearing.model import Venue
from ...clearing.resolve import Fills
from ...clearing.verdict import Accepted, Verdict
from ...errors import InputError
from . import layout as at
from . import mirror
from .book import book_of
from .columns import Columns, book_with
from .decode import rejected
from .due import Steps, resolve
from .encode import records_of
from .far import directory_of
from .memory import Book, Words, blank
from .names import Names
from .plan import FRAME, Plan, plan_of
from .ranking import rank
from .run import drop_queues, look_back, run, take_back
from .verdicts import Batch, Verdicts

SEGMENT = 1 << 16
"""Most commands that are encoded at once."""
LEAVES = (OverflowError, ZeroDivisionError)
"""How compiled code says that a number left its domain."""


def copied(venue: Venue) -> Venue:
    """A venue of its own, sharing nothing that a command changes."""
    found = copy(venue)
    found.markets = {name: copy(market) for name, market in venue.markets.items()}
    found.assets = {name: copy(asset) for name, asset in venue.assets.items()}
    found.pools = {name: copy(pool) for name, pool in venue.pools.items()}
    found.ledger = {name: dict(balances) for name, balances in venue.ledger.items()}
    found.subaccounts = {}
    for name, sub in venue.subaccounts.items():
        twin = found.subaccounts[name] = copy(sub)
        twin.balances, twin.positions = dict(sub.balances), dict(sub.positions)
        twin.orders, twin.leverages = dict(sub.orders), dict(sub.leverages)
    return found


class Engine:
    """A venue as arrays, with the plan that says what is decided on them."""

    def __init__(self, venue: Venue) -> None:
        """Take a venue over: from here on it is the engine's own."""
        self._venue = venue
        self.by_reference = 0
        """Commands that the reference decided, those about prices and funding apart."""
        self._build()

    @classmethod
    def from_venue(cls, venue: Venue) -> "Engine":
        """An engine that starts where `venue` stands, which stays as it is."""
        return cls(copied(venue))

    @classmethod
    def from_columns(cls, venue: Venue, columns: Columns) -> "Engine":
        """An engine of a venue (markets, policy, its own subaccounts) with the traders of columns added.

        Their quote came in from outside. Raises `InputError` for columns that do not fit and for a venue of which the
        plan compiles nothing.
        """
        engine = cls(copied(venue))
        if engine.plan.is_empty:
            raise InputError(f"columns need a compiled venue: {engine.plan.reasons[0]}")
        engine._held = book_with(engine._venue, engine.names, columns)
        engine._stale = np.ones(len(engine.names.rows), np.int8)
        engine._stale_accounts[at.OUTSIDE] = 1
        return engine

    def _build(self) -> None:
        """Make names, arrays and plan from the venue."""
        self.plan, self.names = plan_of(self._venue), Names(self._venue)
        self._stale = np.zeros(len(self.names.rows), np.int8)
        self._stale_accounts = np.zeros(len(self.names.accounts), np.int8)
        self._held: Book | None = None
        if self.plan.is_empty:
            return
        try:
            self._held = book_of(self._venue, self.names)
        except OverflowError:
            self.plan = Plan(frozenset(), ("a number takes more than 128 bits",))

    # -- state ---------------------------------------------------------------------------------------------------------

    def current(self) -> Venue:
        """The engine's own venue, brought up to date; whoever looks changes nothing."""
        if self._held is not None:
            rows, accounts = (np.flatnonzero(stale).tolist() for stale in (self._stale, self._stale_accounts))
            mirror.write_back(self._venue, self._held, self.names, rows, accounts)
            self._stale[:] = self._stale_accounts[:] = 0
        return self._venue

    def with_pools(self) -> Venue:
        """The engine's own venue, where markets and their own subaccounts are up to date and traders need not be."""
        own = self.book.markets[:, at.COUNTERPARTY]
        mirror.write_back(self._venue, self.book, self.names, own[own >= 0].tolist(), ())
        return self._venue

    def debt_q(self, pool: str) -> int:
        """Bad debt of a pool that no step of the waterfall has paid yet."""
        account = self.names.account[f"debt/{pool}"]
        return -mirror.amount(self.book.ledger[account], 0)

    def to_venue(self) -> Venue:
        """The state as a venue of its own."""
        return copied(self.current())

    def state_hash(self) -> str:
        """`clearing.log.state_hash` of the state."""
        return state_hash(self.current())

    def audit(self) -> None:
        """Recompute conservation, lots, open interest and funds of the whole state; raise on a contradiction."""
        ledger.audit(self.current())

    # -- commands ------------------------------------------------------------------------------------------------------

    def submit(self, commands: Iterable[cmd.AnyCommand]) -> Verdicts:
        """Decide commands one after the other; a verdict each, whose events are decoded when they are looked at.

        `InputError`, and nothing is done, where one of them is no command or holds a number that is no `int`.
        """
        asked, verdicts = list(commands), Verdicts()
        for command in asked:
            cmd.must_be_whole(command)
        while len(verdicts) < len(asked):
            begin = len(verdicts)
            end = self._compiled_until(asked, begin)
            if end > begin:
                self._run(asked[begin:end], verdicts)
            else:
                verdicts.add(self._referred(asked[begin]))
        return verdicts

    def resolve(self, names: Sequence[str] | None = None, fills: Fills | None = None) -> Steps:
        """Settle every named subaccount (all of them by default) that is due, then pools that owe.

        What `clearing.resolve.resolve` does on the same venue: the same steps in the same order. The steps are decoded
        when they are looked at.
        """
        return resolve(self, names, fills)

    def refer(self, command: cmd.AnyCommand) -> Verdict:
        """Let the reference decide a command, whatever the plan says; `InputError` as `submit`."""
        cmd.must_be_whole(command)
        return self._referred(command)

    def take_back(self) -> None:
        """Undo what the command at hand did before a number left its domain; the reference decides instead."""
        take_back(directory_of(self.book))
        self.book.clock[at.STATUS] = at.REFERENCE

    def _compiled_until(self, asked: Sequence[cmd.AnyCommand], begin: int) -> int:
        end, most = begin, min(len(asked), begin + SEGMENT)
        while end < most and type(asked[end]) in self.plan.compiled:
            end += 1
        return end

    def _run(self, asked: list[cmd.AnyCommand], verdicts: Verdicts) -> None:
        """Decide commands that the plan compiles, as long as it compiles any."""
        records = records_of(asked, self.names)
        told = np.zeros((len(asked), at.VERDICT_WORDS), np.int64)
        begin = 0
        while begin < len(asked):
            stopped = self._run_from(records, told, begin)
            verdicts.add(self._told(asked[begin:stopped], told[begin:stopped]))
            begin = stopped
            if stopped == len(asked):
                return
            if told[stopped, at.REASON] == at.ROOM:
                self.grow()
            else:
                verdicts.add(self._referred(asked[stopped]))
                begin += 1
                if self.plan.is_empty:
                    return

    def _run_from(self, records: Words, told: Words, begin: int) -> int:
        """Run until something must be done here; returns the command that was not decided, or how many there are."""
        try:
            stopped: int = run(directory_of(self.book), records, told, begin)
        except LEAVES:
            stopped = int(self.book.clock[at.AT])
            self.take_back()
            told[stopped, at.REASON] = at.REFERENCE
        return stopped

    @property
    def book(self) -> Book:
        """The arrays; the plan compiles something."""
        assert self._held is not None
        return self._held

    def _told(self, asked: Sequence[cmd.AnyCommand], told: Words) -> Batch:
        """Verdicts on commands that were decided; what they did is taken off the tape."""
        refused = {
            n: rejected(told[n].tolist(), asked[n], self.names, self._venue)
            for n in np.flatnonzero(told[:, at.REASON]).tolist()
        }
        return Batch(told[:, at.REASON], told[:, at.TAPE_END], self.take_tape(), refused, self.names)

    def flush(self) -> None:
        """Note whom the tape names and begin a new one."""
        look_back(directory_of(self.book), self._stale, self._stale_accounts)

    def take_tape(self) -> Words:
        """The events on the tape, which begins anew; most of a tape is handed over rather than copied."""
        tape, taken = self.book.tape, int(self.book.clock[at.EVENTS])
        self.flush()
        if 2 * taken < len(tape):
            return tape[:taken].copy()
        self._held = self.book._replace(tape=blank(*tape.shape))
        return tape[:taken]

    def grow(self) -> None:
        """Make the array larger that was too small, or rank the queue that was asked for."""
        book, wanted = self.book, int(self.book.clock[at.WANTED])
        lacking, clock = int(book.clock[at.LACKING]), book.clock
        if clock[at.DISORDER]:
            drop_queues(directory_of(book))
            clock[at.DISORDER] = 0
        if lacking == at.TAPE_LACKS:
            book = book._replace(tape=mirror.grown(book.tape, int(clock[at.EVENTS]) + 2 * wanted))
        elif lacking == at.LEGS_LACK:
            book = book._replace(legs=mirror.grown(book.legs, int(clock[at.LEG_TOP]) + wanted))
        elif lacking == at.HEAP_LACKS:
            book = book._replace(heap=mirror.grown(book.heap, wanted))
        elif lacking == at.STEPS_LACK:
            pass  # they are taken out after every stop
        elif lacking == at.LIST_LACKS:
            book = book._replace(list=mirror.grown(book.list, wanted))
        elif lacking == at.ORDER_LACKS:
            rank(book, wanted)
        else:
            book = book._replace(holders=mirror.grown(book.holders, wanted))
        self._held = book

    # -- the reference -------------------------------------------------------------------------------------------------

    def _referred(self, command: cmd.AnyCommand) -> Verdict:
        """Let the reference decide a command; one about prices or funding without a look at subaccounts."""
        is_frame = isinstance(command, FRAME)
        if not is_frame:
            self.by_reference += 1
            self.current()
        verdict = decide(self._venue, command)
        if isinstance(verdict, Accepted):
            for event in verdict.events:
                apply(self._venue, event)
            if not is_frame:
                ledger.check_transition(self._venue, command, verdict.events)
            self._reload(verdict.events, is_frame=is_frame)
        return verdict

    def _reload(self, events: Sequence[ev.AnyEvent], *, is_frame: bool) -> None:
        if any(map(mirror.rebuilds, events)):
            self._build()
            return
        if self._held is None:
            return
        try:
            if is_frame:
                for event in events:
                    self._held = mirror.reload_frame(self._venue, self._held, self.names, event)
            else:
                self._held = mirror.reload(self._venue, self._held, self.names, events)
                self._stale = np.zeros(len(self._held.rows), np.int8)
        except (OverflowError, KeyError):
            self._build()
            return
        drop_queues(directory_of(self._held))
