"""Rows that DuckDB hands over in Arrow's memory layout, as NumPy arrays that copy nothing.

DuckDB fills Arrow's C data interface (https://arrow.apache.org/docs/format/CDataInterface.html) without any Arrow
library; this is the reader for what tables of accounts are made of: texts, decimals, and whole numbers and floats of 64
bits.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import duckdb
import numpy as np
from numpy.typing import NDArray

NATIVE_DECIMALS = "SET arrow_output_version = '1.5'"
"""Makes a connection hand over decimals of at most 18 digits in the 64 bits that it keeps them in, others in 128."""

_CAPSULE = b"arrow_array_stream"
_TEXT, _FLOATS, _NUMBERS = "u", "g", ("l", "d:")


class Texts(NamedTuple):
    """A column of texts: row `i` is `data[offsets[i]:offsets[i + 1]]`, UTF-8; nothing where it states nothing."""

    stated: NDArray[np.uint8]
    """A bit per row, the lowest of a byte first, that is 0 where the row states nothing; empty where all rows do."""
    offsets: NDArray[np.int32]
    """(rows + 1,)"""
    data: NDArray[np.uint8]


class Integers(NamedTuple):
    """A column of integers; of decimals, without their point."""

    stated: NDArray[np.uint8]
    """As for texts."""
    values: NDArray[np.int64]
    """(rows, words) words of 64 bits, one or two of them, the lowest first"""


class Floats(NamedTuple):
    """A column of 64-bit floats."""

    stated: NDArray[np.uint8]
    """As for texts."""
    values: NDArray[np.float64]
    """(rows,)"""


Column = Texts | Integers | Floats


class Batch(NamedTuple):
    """Some rows; the arrays are of no use once the next batch is asked for."""

    rows: int
    columns: list[Column]


# -- the C data interface ----------------------------------------------------------------------------------------------


class _Schema(ctypes.Structure):
    pass


class _Array(ctypes.Structure):
    pass


class _Stream(ctypes.Structure):
    pass


_RELEASE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_Schema._fields_ = [
    ("format", ctypes.c_char_p),
    ("name", ctypes.c_char_p),
    ("metadata", ctypes.c_void_p),
    ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("children", ctypes.POINTER(ctypes.POINTER(_Schema))),
    ("dictionary", ctypes.c_void_p),
    ("release", _RELEASE),
    ("private_data", ctypes.c_void_p),
]
_Array._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(_Array))),
    ("dictionary", ctypes.c_void_p),
    ("release", _RELEASE),
    ("private_data", ctypes.c_void_p),
]
_Stream._fields_ = [
    ("get_schema", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(_Schema))),
    ("get_next", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(_Array))),
    ("get_last_error", ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_void_p)),
    ("release", _RELEASE),
    ("private_data", ctypes.c_void_p),
]


def batches(relation: duckdb.DuckDBPyRelation) -> Iterator[Batch]:
    """The rows of a query in order, a batch at a time.

    `TypeError` for a column of another type, `duckdb.Error` where its rows cannot be read.
    """
    capsule = relation.__arrow_c_stream__()
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    stream = ctypes.cast(pointer(capsule, _CAPSULE), ctypes.POINTER(_Stream))
    formats = _formats(stream)
    while True:
        with _next(stream) as array:
            if array is None:
                return
            columns = [_column(array.children[at].contents, kind) for at, kind in enumerate(formats)]
            yield Batch(array.length, columns)


def _checked(stream: Any, status: int) -> None:  # noqa: ANN401 - a pointer of ctypes
    if status:
        said = stream.contents.get_last_error(stream) or b""
        raise duckdb.Error(said.decode(errors="replace"))


def _formats(stream: Any) -> list[str]:  # noqa: ANN401 - as above
    """How the columns are laid out."""
    schema = _Schema()
    _checked(stream, stream.contents.get_schema(stream, ctypes.byref(schema)))
    try:
        found = [schema.children[at].contents.format.decode() for at in range(schema.n_children)]
    finally:
        schema.release(ctypes.byref(schema))
    for kind in found:
        if kind not in {_TEXT, _FLOATS} and not (kind.startswith(_NUMBERS) and _bits(kind) in {64, 128}):
            raise TypeError(f"a column of Arrow's type {kind}: expected texts, 64-bit numbers or decimals")
    return found


def _bits(kind: str) -> int:
    """Bits of a number; a decimal says so in its third part, if it has not 128."""
    parts = kind.split(",")
    return int(parts[2]) if len(parts) > 2 else 128 if kind.startswith("d:") else 64  # noqa: PLR2004


@contextmanager
def _next(stream: Any) -> Iterator[Any]:  # noqa: ANN401 - as above
    """The next batch while it is needed; nothing at the end."""
    array = _Array()
    _checked(stream, stream.contents.get_next(stream, ctypes.byref(array)))
    if not array.release:
        yield None
        return
    try:
        yield array
    finally:
        array.release(ctypes.byref(array))


def _column(array: Any, kind: str) -> Column:  # noqa: ANN401 - as above
    assert array.offset == 0  # DuckDB fills whole arrays; a slice of one would begin elsewhere
    rows = array.length
    stated = _view(array.buffers[0], np.uint8, (rows + 7) // 8 if array.null_count else 0)
    if kind == _FLOATS:
        return Floats(stated, _view(array.buffers[1], np.float64, rows))
    if kind != _TEXT:
        words = _bits(kind) // 64
        return Integers(stated, _view(array.buffers[1], np.int64, rows * words).reshape(rows, words))
    offsets = _view(array.buffers[1], np.int32, rows + 1)
    return Texts(stated, offsets, _view(array.buffers[2], np.uint8, int(offsets[-1]) if rows else 0))


def _view(address: int | None, dtype: type, count: int) -> NDArray[Any]:
    """So many items at an address as an array."""
    if not address or not count:
        return np.empty(0, dtype)
    raw = (ctypes.c_uint8 * (count * np.dtype(dtype).itemsize)).from_address(address)
    return np.ctypeslib.as_array(raw).view(dtype)
