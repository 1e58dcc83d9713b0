"""Texts of a table numbered in order of appearance, kept as bytes: a text is made of those that somebody asks for."""

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from ...books.arrow import Texts
from . import cells
from .cells import WORD, Codes, Index, Ints, Rows

ENTRIES, BYTES = 256, 1 << 13
"""Room that an index begins with."""

PADDING = np.zeros(WORD, np.uint8)


class Numbering:
    """Numbers for what rows say in `width` columns, those of several batches."""

    def __init__(self, width: int) -> None:
        self.count, self._width = 0, width
        self._index = Index(
            np.full(2 * ENTRIES, -1, np.int32),
            np.empty(ENTRIES, np.uint64),
            np.zeros(ENTRIES * width + 1, np.int64),
            np.empty(BYTES, np.uint8),
        )

    def number(self, columns: Sequence[Texts], codes: Codes) -> None:
        """Fill in the numbers of rows."""
        rows, row = _side_by_side(columns), 0
        while row < len(codes):
            row, self.count = cells.number_rows(rows, self._index, row, self.count, codes)
            if row < len(codes):
                self._grow(int((rows.offsets[:, row + 1] - rows.offsets[:, row]).sum()))

    def _grow(self, length: int) -> None:
        """Make room for at least one more entry of so many bytes."""
        slots, hashes, bounds, data = self._index
        if self.count == len(hashes):
            slots = np.full(2 * len(slots), -1, np.int32)
            cells.find_slots(hashes, slots)
            hashes = longer(hashes, 2 * len(hashes))
            bounds = longer(bounds, len(hashes) * self._width + 1)
        if (needed := int(bounds[self.count * self._width]) + length + WORD) > len(data):
            data = longer(data, max(needed, 2 * len(data)))
        self._index = Index(slots, hashes, bounds, data)

    def texts(self) -> "Names":
        """What there is by number, the columns of each after one another."""
        return Names(self._index.bounds[: self.count * self._width + 1], self._index.data)

    def plain(self) -> NDArray[np.bool_]:
        """Which of the texts need no closer look as the name of an account."""
        found = np.empty(self.count * self._width, np.bool_)
        cells.find_plain(self._index.bounds, self._index.data, found)
        return found


class Names(Sequence[str]):
    """Texts that stand side by side in one array of bytes."""

    def __init__(self, bounds: Ints, data: NDArray[np.uint8]) -> None:
        """Text `k` is `data[bounds[k]:bounds[k + 1]]`, UTF-8."""
        self.bounds, self.data = bounds, data

    def __len__(self) -> int:
        return len(self.bounds) - 1

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> list[str]: ...
    def __getitem__(self, at: int | slice) -> str | list[str]:
        if isinstance(at, slice):
            return [self[each] for each in range(*at.indices(len(self)))]
        return self.raw(at).decode()

    def raw(self, at: int) -> bytes:
        """The bytes of a text."""
        if not 0 <= at < len(self):
            raise IndexError(f"no text {at} among {len(self)}")
        return self.data[self.bounds[at] : self.bounds[at + 1]].tobytes()


class Chosen(Sequence[str]):
    """Some of a sequence of texts."""

    def __init__(self, texts: Sequence[str], places: Ints) -> None:
        self.texts, self.places = texts, places

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> "Chosen": ...
    def __getitem__(self, at: int | slice) -> "str | Chosen":
        if isinstance(at, slice):
            return Chosen(self.texts, self.places[at])
        return self.texts[int(self.places[at])]


def _side_by_side(columns: Sequence[Texts]) -> Rows:
    """Columns in one array of bytes."""
    lengths = np.array([len(column.data) for column in columns], np.int64)
    return Rows(
        np.stack([column.offsets for column in columns]),
        np.cumsum(lengths) - lengths,
        np.concatenate([*(column.data for column in columns), PADDING]),
    )


def longer(array: NDArray[Any], length: int) -> NDArray[Any]:
    """The same array with room behind it."""
    found = np.empty(length, array.dtype)
    found[: len(array)] = array
    return found
