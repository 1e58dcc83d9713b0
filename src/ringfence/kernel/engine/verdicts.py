"""Verdicts on many commands, whose events are made of the tape when somebody looks at them."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple, overload

import numpy as np

from ...clearing.verdict import Accepted, Rejected, Verdict
from . import layout as at
from .decode import events_of
from .memory import Words
from .names import Names


class Batch(NamedTuple):
    """Commands that were decided on arrays, one after the other."""

    reasons: Words
    """(n,) 0 for accepted, or a `verdict.Reason`"""
    ends: Words
    """(n,) where the events of each end on the tape; those of the next one begin there"""
    tape: Words
    refused: dict[int, Rejected]
    """Refusals by place; they say what policy and markets were at that moment, so they were made at once"""
    names: Names

    def verdict(self, place: int) -> Verdict:
        """One verdict."""
        if place in self.refused:
            return self.refused[place]
        begin = self.ends[place - 1] if place else 0
        return Accepted(tuple(events_of(self.tape[begin : self.ends[place]], self.names)))


class Verdicts(Sequence[Verdict]):
    """A verdict for each of many commands, in their order; equal to a list of the same verdicts."""

    def __init__(self) -> None:
        """None yet."""
        self._parts, self._ends = list[Batch | Verdict](), [0]

    def add(self, part: Batch | Verdict) -> None:
        """Add verdicts at the end."""
        self._parts.append(part)
        self._ends.append(len(self) + (len(part.reasons) if isinstance(part, Batch) else 1))

    @property
    def reasons(self) -> Words:
        """(n,) 0 where a command was accepted, a `verdict.Reason` where not; nothing is decoded."""
        found = [part.reasons if isinstance(part, Batch) else [_reason_of(part)] for part in self._parts]
        return np.concatenate([np.zeros(0, np.int64), *found])

    def __len__(self) -> int:
        """How many there are."""
        return self._ends[-1]

    def __iter__(self) -> Iterator[Verdict]:
        """Each in turn."""
        for part in self._parts:
            if isinstance(part, Batch):
                yield from map(part.verdict, range(len(part.reasons)))
            else:
                yield part

    @overload
    def __getitem__(self, place: int) -> Verdict: ...
    @overload
    def __getitem__(self, place: slice) -> list[Verdict]: ...
    def __getitem__(self, place: int | slice) -> Verdict | list[Verdict]:
        """One, or some of them."""
        if isinstance(place, slice):
            return [self[n] for n in range(*place.indices(len(self)))]
        n = place + len(self) if place < 0 else place
        if not 0 <= n < len(self):
            raise IndexError(place)
        found = bisect_right(self._ends, n) - 1
        part = self._parts[found]
        return part.verdict(n - self._ends[found]) if isinstance(part, Batch) else part

    def __eq__(self, other: object) -> bool:
        """Whether the same was said of every command."""
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


def _reason_of(verdict: Verdict) -> int:
    return at.ACCEPTED if isinstance(verdict, Accepted) else int(verdict.reason)
