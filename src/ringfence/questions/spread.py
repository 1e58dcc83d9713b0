"""The same question about many accounts, on several processes where that is worth starting them."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from ..progress import Report, silent

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")

Job = Callable[[Sequence[T]], R]
"""Answers for a run of accounts at once; picklable, and the same wherever it runs."""

TASKS = Path("/proc/self/task")
"""The threads of this process, where the system lists them."""

CHUNKS = 100
"""Runs that a book is cut into; progress is told after each."""


def spread(
    job: Job[T, R],
    items: Sequence[T],
    *,
    workers: int = 1,
    worth_from: int = 0,
    report: Report = silent,
    what: str = "accounts",
) -> Iterator[R]:
    """The job's answers for successive runs of the items.

    `workers` of 0 takes one process per core, and one alone for fewer than `worth_from` items: starting others takes
    longer than the work.
    """
    total = len(items)
    count = min(workers or (os.cpu_count() or 1), total)
    size = max(1, -(-total // CHUNKS))
    runs = [(start, min(start + size, total)) for start in range(0, total, size)]
    report(0, total, what)
    answers = _here(job, items, runs) if count <= 1 or total < worth_from else _there(job, items, runs, count)
    for (_, stop), answer in zip(runs, answers, strict=True):
        yield answer
        report(stop, total, what)


def _here(job: Job[T, R], items: Sequence[T], runs: Sequence[tuple[int, int]]) -> Iterator[R]:
    return (job(items[start:stop]) for start, stop in runs)


def _there(job: Job[T, R], items: Sequence[T], runs: Sequence[tuple[int, int]], count: int) -> Iterator[R]:
    """Answers of other processes: a fork has the items already, any other is sent each run of them."""
    if may_fork():
        with Workers(count, "fork", _prepare, job, items) as pool:
            yield from pool.map(_work_on, runs)
    else:
        parts = (items[start:stop] for start, stop in runs)
        with Workers(count, "spawn", _prepare, job, ()) as pool:
            yield from pool.map(_work, parts)


def may_fork() -> bool:
    """Whether this process may be forked: a fork copies the locks of other threads, such as a progress bar's, as held.

    Only where the system says how many threads there are.
    """
    return TASKS.is_dir() and len(list(TASKS.iterdir())) == 1


class Workers(ProcessPoolExecutor):
    """Worker processes that Ctrl-C ends without a word, while they start as well: what there is to say, we say.

    Each is prepared by `prepare(*given)`; a fork has the arguments already, any other process is sent them once.
    """

    def __init__(self, count: int, method: str, prepare: Callable[..., None], /, *given: object) -> None:
        super().__init__(count, get_context(method), initializer=_begin, initargs=(prepare, given))

    def submit(self, job: Callable[P, T], /, *given: P.args, **named: P.kwargs) -> Future[T]:
        """As any executor does; it is here that processes are started, which inherit what is held back."""
        with _interrupts_held_back():
            return super().submit(job, *given, **named)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the processes; for what they do now alone, where something went wrong."""
        self.shutdown(cancel_futures=kind is not None)


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """A Ctrl-C meanwhile comes afterwards, to us and to every process that was started meanwhile."""
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(prepare: Callable[..., None], given: Sequence[object]) -> None:
    if (
        signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
    ):  # as under nohup, where we are not to be stopped either
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    prepare(*given)


_state: list[Any] = []
"""The job of a worker process and, where it was forked, the items."""


def _prepare(job: Job[Any, Any], items: Sequence[Any]) -> None:
    _state[:] = [job, items]


def _work(part: Sequence[Any]) -> Any:  # noqa: ANN401 - as the job has it
    return _state[0](part)


def _work_on(run: tuple[int, int]) -> Any:  # noqa: ANN401 - as the job has it
    return _state[0](_state[1][slice(*run)])
