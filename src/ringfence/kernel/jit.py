"""How everything in the kernel is compiled: the one place that knows Numba's options, and where compiled code is kept.

`jit` is for exact code: no fast arithmetic, and a division by zero is a value for floats. `screen_jit` lets float sums
be reordered and multiply-adds be fused, which the error radius allows for (docs/explain/exactness.md), but keeps
infinities and NaN what they are. Both release the interpreter lock. Compiled code allocates nothing: it reads arrays
and writes into those that it is given, so it is compiled without counting references to them, which would take most of
the time of a leg.

Compiled code is kept on disk between runs. Numba itself notices a change of the file a function stands in, but not of a
file whose functions it calls, and would serve an old rule. So the directory is keyed by every source of this package,
the compiler's and Python's versions and the processor: a changed source is another directory. It lies in the user's
cache directory, or below `RINGFENCE_CACHE`; where that cannot be written, in a temporary one for the life of the
process. Writers take turns, so that several processes may compile into it at once.
"""
# mypy: disable-error-code="no-untyped-call, attr-defined"

import atexit
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import llvmlite  # type: ignore[import-untyped]
import llvmlite.binding as llvm  # type: ignore[import-untyped]
import numba
from numba.core import config, types
from numba.core.caching import FunctionCache
from numba.extending import intrinsic

from ..cache import WATCHERS

if sys.platform != "win32":
    import fcntl

SOURCES = Path(__file__).parent
KEPT_DAYS = 30
DIVISION = "__divti3"
"""The symbol that LLVM calls to divide 128-bit integers."""
COMPILING = "compiling (once, a minute or so)"
LIBRARIES = ("libgcc_s.so.1",)
FAST = {"reassoc", "contract", "arcp", "nsz"}
"""Liberties of `screen_jit`: reordering, fusing, reciprocals, the sign of zero. Never `nnan` or `ninf`."""

F = TypeVar("F", bound=Callable[..., Any])


def finds_division() -> bool:
    """Make the 128-bit division of the C runtime known to compiled code; whether there is one."""
    for library in LIBRARIES:
        if llvm.address_of_symbol(DIVISION) is None:
            try:
                llvm.load_library_permanently(library)
            except RuntimeError:
                continue
    return llvm.address_of_symbol(DIVISION) is not None


HAS_DIVISION = finds_division()


def sources_key() -> str:
    """Hash of all that compiled code depends on: sources of this package, compiler, Python, processor, C runtime."""
    found = hashlib.sha256()
    for path in sorted(SOURCES.rglob("*.py")):
        found.update(path.relative_to(SOURCES).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    host = (numba.__version__, llvmlite.__version__, sys.version, llvm.get_host_cpu_name(), HAS_DIVISION)
    found.update(repr(host).encode())
    return found.hexdigest()[:20]


def user_directory() -> Path:
    """Where this user's programs keep what they can make again."""
    if named := os.environ.get("RINGFENCE_CACHE"):
        return Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "ringfence"
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/ringfence"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ringfence"


def cache_directory() -> Path:
    """The directory for code compiled from these very sources; made here, and long unused ones removed."""
    try:
        kernels = user_directory() / "kernel"
        found = kernels / sources_key()
        found.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=found):
            os.utime(found)
    except (OSError, RuntimeError):
        found = Path(tempfile.mkdtemp(prefix="ringfence-"))
        atexit.register(shutil.rmtree, found, ignore_errors=True)
        return found
    for old in kernels.iterdir():
        if old != found and old.stat().st_mtime < time.time() - KEPT_DAYS * 86_400:
            shutil.rmtree(old, ignore_errors=True)
    return found


CACHE = cache_directory()


@contextmanager
def _turn() -> Iterator[None]:
    """Wait until no other process reads or writes the directory."""
    with (CACHE / "lock").open("w") as lock:
        if sys.platform != "win32":
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class _SharedCache(FunctionCache):
    """Numba's cache of one function. Its index and its data are two files, which must be read and written as one."""

    def load_overload(self, sig: object, target_context: object) -> object:
        with _turn():
            found = super().load_overload(sig, target_context)
        if found is None:
            for tell in WATCHERS:
                tell(COMPILING)
        return found

    def save_overload(self, sig: object, data: object) -> None:
        with _turn():
            super().save_overload(sig, data)


def _compiled(function: F, fastmath: bool | set[str]) -> F:
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": fastmath, "_nrt": False}
    dispatcher: Any = numba.njit(**options)(function)
    elsewhere, config.CACHE_DIR = config.CACHE_DIR, str(CACHE)
    try:  # a function typed at a prompt has no file and is not kept
        dispatcher._cache = _SharedCache(function)  # noqa: SLF001 - what `cache=True` sets, with turns
    except RuntimeError:
        pass
    finally:
        config.CACHE_DIR = elsewhere
    found: F = dispatcher
    return found


def _marked(attribute: str) -> Callable[[], None]:
    """What gives the function that calls it an attribute of the compiler."""

    def mark(typingctx: object) -> object:  # noqa: ARG001 - Numba's signature
        def codegen(context: Any, builder: Any, _signature: object, _args: object) -> object:  # noqa: ANN401
            builder.function.attributes.add(attribute)
            return context.get_dummy_value()

        return types.none(), codegen

    return cast("Callable[[], None]", intrinsic(mark))


never_inlined = _marked("noinline")
"""Keeps the function that calls it out of line, so that what calls that one does not grow (and compile) by it."""
always_inlined = _marked("alwaysinline")
"""Has the function that calls it compiled into whatever calls that one: to hand an index on takes longer than a leg."""


def jit(function: F) -> F:
    """Compile for exact work: integers, and floats in the order that is written."""
    return _compiled(function, fastmath=False)


def screen_jit(function: F) -> F:
    """Compile for the float screen, whose error radius covers any order of its sums."""
    return _compiled(function, fastmath=FAST)
