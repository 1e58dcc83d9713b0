"""The arrays as compiled code sees them: addresses, not Numba arrays.

A tuple of Numba arrays is a hundred words to every function that takes it, and each use of one counts references. So
the compiled engine is handed one address: that of a directory with base, stride and length of every array of a `Book`.
In compiled code `book.rows` is a view without an owner, `view[i, k]` and `view[k]` are single loads, `view[i, k] = x` a
single store, and `len(view)` counts records. Nothing checks an index, as in all compiled code here.

Whoever calls compiled code keeps the arrays alive: `far.directory_of(book)` goes in, and `as_book` makes a book of it.
"""
# mypy: disable-error-code="misc, untyped-decorator, no-untyped-def, no-untyped-call, no-any-return, override, call-arg"
# mypy: disallow-subclassing-any=False, warn-unreachable=False
# ruff: noqa: ANN001, ANN202

import operator
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.core.imputils import lower_builtin, lower_getattr_generic
from numba.core.typing.templates import (
    AbstractTemplate,
    AttributeTemplate,
    infer_getattr,
    infer_global,
    signature,
)
from numba.extending import intrinsic, models, overload, register_model
from numba.np.arrayobj import make_array, populate_array

from ..jit import jit
from ..wide import Wide, hi64, join, lo64
from . import layout as at

Words = np.ndarray[tuple[int, ...], np.dtype[np.int64]]
"""An array of 64-bit integers; in compiled code of this package, often a view of one."""
Marks = np.ndarray[tuple[int, ...], np.dtype[np.int8]]
"""A yes or no each."""
I64 = ir.IntType(64)
LINE_WORDS = 8
"""Words of a cache line."""


class Book(NamedTuple):
    """The engine's state; see `layout`. Every array is int64 and contiguous."""

    rows: Words
    legs: Words
    markets: Words
    margins: Words
    assets: Words
    haircuts: Words
    ledger: Words
    pools: Words
    terms: Words
    sets: Words
    clock: Words
    heap: Words
    queues: Words
    holders: Words
    holders_end: Words
    order: Words
    siblings: Words
    chosen: Words
    list: Words
    steps: Words
    tape: Words
    told: Words
    """Verdict on the command at hand; see `layout`."""
    command: Words
    """The command at hand."""


WIDTHS = {
    "legs": at.LEG_WORDS,
    "markets": at.MARKET_WORDS,
    "margins": at.MARGIN_WORDS,
    "assets": at.ASSET_WORDS,
    "haircuts": at.HAIRCUT_WORDS,
    "pools": at.POOL_WORDS,
    "heap": at.CLAIM_WORDS,
    "queues": at.QUEUE_WORDS,
    "list": at.LIST_WORDS,
    "steps": at.STEP_WORDS,
    "tape": at.TAPE_WORDS,
}
"""Words of a record, where that is the same in every book."""


def blank(records: int, width: int) -> Words:
    """Records of zeros that begin where a cache line does, so that a position is one line and a subaccount few.

    The system gives memory to an array of zeros where it is first written to; an allocator's header would shift it.
    """
    found = np.zeros(records * width + LINE_WORDS, np.int64)
    begin = -found.ctypes.data // 8 % LINE_WORDS
    return found[begin : begin + records * width].reshape(records, width)


def arrays_of(book: Book) -> list[int]:
    """Base address, words of a record and records of every array: how a directory begins."""
    found = list[int]()
    for array in book:
        found += [array.__array_interface__["data"][0], array.strides[0] // 8, array.shape[0]]
    return found


class _BookType(types.Type):
    def __init__(self) -> None:
        super().__init__("RingfenceBook")


class _ViewType(types.Type):
    def __init__(self) -> None:
        super().__init__("RingfenceView")


BOOK, VIEW = _BookType(), _ViewType()


@register_model(_BookType)
class _BookModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type) -> None:
        super().__init__(dmm, fe_type, I64)


@register_model(_ViewType)
class _ViewModel(models.StructModel):
    def __init__(self, dmm, fe_type) -> None:
        members = [("base", types.int64), ("stride", types.int64), ("records", types.int64)]
        super().__init__(dmm, fe_type, members)


@intrinsic
def _book_at(typingctx, address):  # noqa: ARG001 - Numba's signature, here and below
    def codegen(_context, _builder, _sig, args):
        return args[0]

    return BOOK(types.int64), codegen


@jit
def as_book(directory: Words) -> Any:  # noqa: ANN401 - `Book` in compiled code
    """The book whose directory stands in an array."""
    return _book_at(directory.ctypes.data)


@infer_getattr
class _BookFields(AttributeTemplate):
    key = _BookType

    def generic_resolve(self, _book, attr):
        return VIEW if attr in Book._fields else None


def _word(builder, address):
    return builder.load(builder.inttoptr(address, I64.as_pointer()))


def _constant(builder, address):
    """A word that stays what it is as long as compiled code runs, so that it is loaded once."""
    found = _word(builder, address)
    found.set_metadata("invariant.load", builder.module.add_metadata([]))
    return found


@lower_getattr_generic(_BookType)
def _lower_field(context, builder, _typ, value, attr):
    view = cgutils.create_struct_proxy(VIEW)(context, builder)
    entry = builder.add(value, I64(24 * Book._fields.index(attr)))
    view.base = _constant(builder, entry)
    width = WIDTHS.get(attr)
    view.stride = I64(width) if width else _constant(builder, builder.add(entry, I64(8)))
    view.records = _constant(builder, builder.add(entry, I64(16)))
    return view._getvalue()  # noqa: SLF001 - how a struct proxy gives its value


def _index_type(index):
    """How a view may be indexed: by one integer, or by two."""
    if isinstance(index, types.Integer):
        return types.int64
    pair = isinstance(index, types.BaseTuple) and len(index) == len(("record", "word"))
    return types.UniTuple(types.int64, 2) if pair else None


@infer_global(operator.getitem)
class _GetWord(AbstractTemplate):
    def generic(self, args, kws):  # noqa: ARG002 - Numba's signature
        if not isinstance(args[0], _ViewType):
            return None
        index = _index_type(args[1])
        return None if index is None else signature(types.int64, VIEW, index)


@infer_global(operator.setitem)
class _SetWord(AbstractTemplate):
    def generic(self, args, kws):  # noqa: ARG002 - as above
        if not isinstance(args[0], _ViewType):
            return None
        index = _index_type(args[1])
        return None if index is None else signature(types.none, VIEW, index, types.int64)


def _address(context, builder, view, index, *, of_pair):
    found = cgutils.create_struct_proxy(VIEW)(context, builder, value=view)
    if of_pair:
        record, word = cgutils.unpack_tuple(builder, index, 2)
        index = builder.add(builder.mul(record, found.stride), word)
    return builder.add(found.base, builder.shl(index, I64(3)))


def _define_index(kind, *, of_pair) -> None:
    @lower_builtin(operator.getitem, _ViewType, kind)
    def _get(context, builder, _sig, args):
        return _word(builder, _address(context, builder, args[0], args[1], of_pair=of_pair))

    @lower_builtin(operator.setitem, _ViewType, kind, types.Integer)
    def _set(context, builder, _sig, args):
        address = _address(context, builder, args[0], args[1], of_pair=of_pair)
        builder.store(args[2], builder.inttoptr(address, I64.as_pointer()))
        return context.get_dummy_value()


_define_index(types.Integer, of_pair=False)
_define_index(types.UniTuple, of_pair=True)


@intrinsic
def _records(typingctx, view):  # noqa: ARG001
    def codegen(context, builder, _sig, args):
        return cgutils.create_struct_proxy(VIEW)(context, builder, value=args[0]).records

    return types.int64(VIEW), codegen


@intrinsic
def _stride(typingctx, view):  # noqa: ARG001
    def codegen(context, builder, _sig, args):
        return cgutils.create_struct_proxy(VIEW)(context, builder, value=args[0]).stride

    return types.int64(VIEW), codegen


HEAD = 3
"""Words that tell of a table in a view of tables: where it begins, its records, and the length of its last axis."""


@intrinsic
def table_in(typingctx, view, number, dtype) -> object:  # noqa: ARG001
    """One of the tables that stand in a view behind `HEAD` words for each: records, or pairs of rows of integers."""
    of_records = isinstance(dtype.dtype, types.Record)
    kind = types.Array(dtype.dtype, 1 if of_records else 3, "C")

    def codegen(context, builder, _sig, args):
        first = builder.mul(args[1], I64(HEAD))
        start, count, width = (
            _word(builder, _address(context, builder, args[0], builder.add(first, I64(n)), of_pair=False))
            for n in range(HEAD)
        )
        data = _address(context, builder, args[0], start, of_pair=False)
        array = make_array(kind)(context, builder)
        size = I64(context.get_abi_sizeof(context.get_data_type(kind.dtype)))
        shape = [count] if of_records else [count, I64(2), width]
        strides = [size]
        for extent in shape[:0:-1]:
            strides.insert(0, builder.mul(strides[0], extent))
        pointer = builder.inttoptr(data, array.data.type)
        populate_array(array, pointer, shape, strides, size, None)
        return array._getvalue()  # noqa: SLF001 - as above

    return kind(VIEW, types.int64, dtype), codegen


@intrinsic
def _fetch(typingctx, view, record):  # noqa: ARG001
    def codegen(context, builder, _sig, args):
        found = cgutils.create_struct_proxy(VIEW)(context, builder, value=args[0])
        address = builder.add(found.base, builder.shl(builder.mul(args[1], found.stride), I64(3)))
        pointer, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), (pointer, flag, flag, flag))
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        for_read, keep, data = flag(0), flag(3), flag(1)
        for line in (0, 64):
            where = builder.inttoptr(builder.add(address, I64(line)), pointer)
            builder.call(prefetch, (where, for_read, keep, data))
        return context.get_dummy_value()

    return types.none(VIEW, types.int64), codegen


@overload(len)
def _overload_len(view):
    return (lambda view: _records(view)) if isinstance(view, _ViewType) else None  # noqa: PLW0108 - an overload's form


@jit
def get(array: Words, i: int, k: int) -> Wide:
    """The amount whose low word is `array[i, k]`."""
    return join(array[i, k + 1], array[i, k])


@jit
def put(array: Words, i: int, k: int, amount: Wide) -> None:
    """Write an amount, low word at `array[i, k]`."""
    array[i, k] = lo64(amount)
    array[i, k + 1] = hi64(amount)


@jit
def fetch(array: Words, record: int) -> None:
    """Have a record of at most two cache lines brought in, which is read soon."""
    _fetch(array, record)


@jit
def copy_record(array: Words, target: int, source: int) -> None:
    """Write one record of a view over another."""
    for k in range(_stride(array)):
        array[target, k] = array[source, k]
