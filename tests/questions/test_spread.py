"""Runs of items on one process or several: the same answers in the same order."""

import subprocess
import sys

import pytest

from ringfence.questions import spread as module
from ringfence.questions.spread import CHUNKS, spread


def squares(numbers):
    return [number * number for number in numbers]


class Times:
    """A job with something to carry."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, numbers):
        return [self.factor * number for number in numbers]


def flat(parts):
    return [number for part in parts for number in part]


@pytest.mark.parametrize("total", [0, 1, 7, 99, 100, 101, 1234])
@pytest.mark.parametrize("workers", [1, 2])
def test_every_item_once_and_in_order(total, workers):
    assert flat(spread(Times(3), range(total), workers=workers)) == [3 * n for n in range(total)]


def test_few_items_start_no_process(monkeypatch):
    def refuse(*_arguments, **_options):
        raise AssertionError("a process was started")

    monkeypatch.setattr(module, "Workers", refuse)
    assert flat(spread(squares, range(10), workers=4, worth_from=11)) == squares(range(10))
    with pytest.raises(AssertionError, match="a process was started"):
        flat(spread(squares, range(11), workers=4, worth_from=11))


def test_where_a_fork_is_not_safe_others_are_started(monkeypatch):
    monkeypatch.setattr(module, "may_fork", lambda: False)
    assert flat(spread(Times(2), range(50), workers=2)) == [2 * n for n in range(50)]


BEING_STOPPED = """
import os, signal, sys, time
from ringfence.questions.spread import Workers

def slow_to_begin():
    time.sleep(1)

if __name__ == "__main__":
    method, after_s, sleep_s, handler = sys.argv[1:]
    signal.signal(signal.SIGINT, getattr(signal, handler))
    with Workers(2, method, slow_to_begin) as pool:
        waiting = pool.map(time.sleep, [float(sleep_s)] * 3)
        time.sleep(float(after_s))
        os.killpg(0, signal.SIGINT)
        list(waiting)
"""


def stopped(tmp_path, *arguments):
    """What a program writes that is interrupted with its workers; whether interrupts are ignored is inherited."""
    script = tmp_path / "stopped.py"
    script.write_text(BEING_STOPPED)
    command = [sys.executable, str(script), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, start_new_session=True, timeout=30
    )


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("after_s", ["0.01", "2.5"])
def test_an_interrupt_ends_workers_at_once_and_without_a_word(method, after_s, tmp_path):
    """Also while they start: what is written is what Python writes for us, once."""
    done = stopped(tmp_path, method, after_s, "60", "default_int_handler")
    assert done.stderr.count("Traceback") == 1
    assert done.stderr.endswith("KeyboardInterrupt\n")


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_whoever_ignores_interrupts_go_on(method, tmp_path):
    """Under nohup, say: an interrupt of the group ended the workers alone, and with them the command."""
    done = stopped(tmp_path, method, "1.5", "1", "SIG_IGN")
    assert (done.returncode, done.stderr) == (0, "")


def test_progress_runs_to_the_end():
    told = []
    flat(spread(squares, range(1000), report=lambda *heard: told.append(heard), what="numbers"))
    assert told[0] == (0, 1000, "numbers")
    assert told[-1] == (1000, 1000, "numbers")
    assert len(told) == CHUNKS + 1


def fails(numbers):
    raise ValueError(f"no {numbers[0]}")


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_in_a_job_comes_through(workers):
    with pytest.raises(ValueError, match="no 0"):
        flat(spread(fails, range(5), workers=workers))
    assert module._state == []
