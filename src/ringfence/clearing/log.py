"""The log: commands with the hash of what they caused, chained; replay, snapshot.

Canonical encoding (fixed): UTF-8 JSON as `msgspec` writes it with `order="deterministic"`: keys of mappings sorted,
fields of records in the order of their definition after the tag `"type"` of commands and events, no white space,
integers as decimal digits of any length. The hash of entry `n` is

    BLAKE2b-256( hash[n-1] || encoding(command) || 0x0A || encoding(events or rejection) )

with 32 zero bytes before the first. The state hash is BLAKE2b-256 of the encoded state. Same log, same hashes,
anywhere.
"""

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import BinaryIO

import msgspec

from ..errors import InputError, InvariantError
from . import ledger
from .apply import apply
from .command import AnyCommand, must_be_whole
from .decide import decide
from .model import Venue
from .verdict import Accepted, Rejected, Verdict

GENESIS = bytes(32)

_ENCODER = msgspec.json.Encoder(order="deterministic")


class Entry(msgspec.Struct, frozen=True):
    """One line of the log."""

    command: AnyCommand
    hash: str


def encode(value: object) -> bytes:
    """Canonical encoding of a command, event, verdict or state."""
    return _ENCODER.encode(value)


def state_hash(venue: Venue) -> str:
    """BLAKE2b-256 of the canonical encoding of the state."""
    return blake2b(encode(venue), digest_size=32).hexdigest()


def snapshot(venue: Venue) -> bytes:
    """The whole state as bytes that `restore` reads back."""
    return encode(venue)


def restore(data: bytes) -> Venue:
    """State from a snapshot; raises `InputError` when it is damaged or does not balance."""
    try:
        venue = msgspec.json.decode(data, type=Venue)
    except msgspec.MsgspecError as error:
        raise InputError(f"snapshot: {error}") from None
    if missing := ledger.dangling(venue):
        raise InputError(f"snapshot: {missing}")
    try:
        ledger.audit(venue)
    except InvariantError as error:
        raise InputError(f"snapshot: {error}") from None
    return venue


def chain(previous: bytes, command: AnyCommand, verdict: Verdict) -> bytes:
    """Hash of the next entry."""
    outcome = verdict.events if isinstance(verdict, Accepted) else verdict
    return blake2b(previous + encode(command) + b"\n" + encode(outcome), digest_size=32).digest()


class Clearinghouse:
    """The state machine with its log: `submit` is the only way in."""

    def __init__(self, venue: Venue, *, keep_log: bool = True) -> None:
        self.venue = venue
        self.entries: list[Entry] = []
        self._head, self._keep = GENESIS, keep_log

    @property
    def head(self) -> str:
        """Hash of the last entry."""
        return self._head.hex()

    def submit(self, command: AnyCommand) -> Verdict:
        """Decide `command`, apply what it causes, check the invariants and log it. Rejections are logged too.

        Raises `InputError` for what is no command and for a number that is no `int`.
        """
        must_be_whole(command)
        verdict = decide(self.venue, command)
        if isinstance(verdict, Accepted):
            for event in verdict.events:
                apply(self.venue, event)
            ledger.check_transition(self.venue, command, verdict.events)
        if self._keep:
            self._head = chain(self._head, command, verdict)
            self.entries.append(Entry(command, self.head))
        return verdict

    def require(self, command: AnyCommand) -> Accepted:
        """Submit a command that must be accepted; raises `InputError` with the reason's sentence otherwise."""
        verdict = self.submit(command)
        if isinstance(verdict, Rejected):
            raise InputError(verdict.sentence)
        return verdict


def write(entries: Iterable[Entry], file: BinaryIO) -> None:
    """Write a log, one entry a line."""
    file.writelines(encode(entry) + b"\n" for entry in entries)


def read(lines: Iterable[bytes]) -> Iterator[Entry]:
    """Read a log; raises `InputError` naming the line that cannot be read."""
    for number, line in enumerate(lines, 1):
        try:
            yield msgspec.json.decode(line, type=Entry)
        except msgspec.MsgspecError as error:
            raise InputError(f"log line {number}: {error}") from None


def replay(venue: Venue, entries: Iterable[Entry]) -> Clearinghouse:
    """Run a log on a starting state; raises `InputError` at the first entry whose hash differs."""
    house = Clearinghouse(venue)
    for number, entry in enumerate(entries, 1):
        house.submit(entry.command)
        if house.head != entry.hash:
            raise InputError(f"log entry {number}: hash is {entry.hash}, replay gives {house.head}")
    return house
