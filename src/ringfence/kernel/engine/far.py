"""Calls through a table of addresses, so that a function is compiled once and not into everything that calls it.

The compiler takes what a function calls into the function's own module, all the way down. With a hundred functions in
ten layers the margin rules would be compiled a hundred times over. A function that is `@far` is reached through its
address instead, which stands behind the arrays in the directory of the book (`memory`), its first argument. An
exception passes through such a call as through any other.
"""
# mypy: disable-error-code="misc, no-untyped-def, no-untyped-call, untyped-decorator, no-any-return"
# ruff: noqa: ANN001, ANN202, ARG005

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic

from ..jit import jit
from ..wide import WIDE
from .memory import BOOK, Book, Words, arrays_of

F = TypeVar("F", bound=Callable[..., Any])
I64 = ir.IntType(64)
INT, YES_NO, NOTHING = types.int64, types.boolean, types.none
RISK = types.UniTuple(WIDE, 4)

_TABLE: list[tuple[Any, tuple[Any, ...]]] = []
"""Compiled function and argument types, in the order of their places."""

_BY_ARITY: dict[int, Callable[[Callable[[], Any]], Any]] = {
    1: lambda typed: lambda typingctx, a: typed(),
    2: lambda typed: lambda typingctx, a, b: typed(),
    3: lambda typed: lambda typingctx, a, b, c: typed(),
    4: lambda typed: lambda typingctx, a, b, c, d: typed(),
    5: lambda typed: lambda typingctx, a, b, c, d, e: typed(),
    6: lambda typed: lambda typingctx, a, b, c, d, e, f: typed(),
    7: lambda typed: lambda typingctx, a, b, c, d, e, f, g: typed(),
}


def _word_at(builder, address, offset):
    return builder.load(builder.inttoptr(builder.add(address, I64(offset)), I64.as_pointer()))


def _called_at(find, result, taken):
    """A function in compiled code that calls what stands at the address which `find` has the code look up."""

    def codegen(context, builder, _sig, args):
        kind = context.call_conv.get_function_type(result, taken)
        callee = builder.inttoptr(find(builder, args[0]), kind.as_pointer())
        status, found = context.call_conv.call_function(builder, callee, result, taken, args)
        with cgutils.if_unlikely(builder, status.is_error):
            context.call_conv.return_status_propagate(builder, status)
        return found

    return intrinsic(_BY_ARITY[len(taken)](lambda: (result(*taken), codegen)))


def far(result: Any, *arguments: Any) -> Callable[[F], F]:  # noqa: ANN401 - Numba's types have none
    """Compile a function of a book and `arguments` by itself; compiled code calls it through the book's directory."""
    taken = (BOOK, *arguments)

    def wrapped(function: F) -> F:
        offset = 24 * len(Book._fields) + 8 * len(_TABLE)
        _TABLE.append((jit(function), taken))
        compiled: F = _called_at(lambda builder, book: _word_at(builder, book, offset), result, taken)
        return compiled

    return wrapped


def late(term: int, result: Any, *arguments: Any) -> Callable[[F], F]:  # noqa: ANN401 - as above
    """Let compiled code call, by this name, the function of a book and `arguments` whose address is a term.

    So a venue has only that compiled which its policy asks for.
    """
    taken = (BOOK, *arguments)

    def find(builder, book):
        terms = _word_at(builder, book, 24 * Book._fields.index("terms"))
        return _word_at(builder, terms, 8 * term)

    def wrapped(_function: F) -> F:
        compiled: F = _called_at(find, result, taken)
        return compiled

    return wrapped


def address_of(dispatcher: Any, taken: tuple[Any, ...]) -> int:  # noqa: ANN401 - as above
    """Where a function is; compiled or taken from the cache at the first call."""
    dispatcher.compile(taken)
    compiled = dispatcher.overloads[taken]
    address: int = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
    return address


def _addresses() -> list[int]:
    """Where the functions are, in the order of their places."""
    if len(_ADDRESSES) != len(_TABLE):
        _ADDRESSES[:] = [address_of(dispatcher, taken) for dispatcher, taken in _TABLE]
    return _ADDRESSES


_ADDRESSES: list[int] = []


def directory_of(book: Book) -> Words:
    """What compiled code is handed: where the arrays are, then where the functions are."""
    return np.array([*arrays_of(book), *_addresses()], np.int64)
