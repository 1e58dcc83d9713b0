"""Compiled code is kept between runs, and never that of another source."""

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import ringfence
from ringfence.kernel import jit

CALLER = """
import numpy as np
from ringfence.kernel import jit
from ringfence.cache import WATCHERS
from ringfence.kernel.caller import answer
told = []
WATCHERS.append(told.append)
got = answer(100)
dispatcher_hits = sum(answer.stats.cache_hits.values())
assert bool(told) == (not dispatcher_hits), told
print(got, dispatcher_hits, jit.CACHE)
"""
MODULE = """
from ._rules import fraction_q
from .jit import jit
from .wide import lo64

@jit
def answer(amount):
    return lo64(fraction_q(amount, 1, 4, 0))
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A copy of what the kernel needs, with a function in another file than the rule it calls."""
    root = tmp_path_factory.mktemp("copy") / "ringfence"
    source = Path(ringfence.__file__).parent
    root.mkdir()
    for name in ("__init__", "cache"):
        shutil.copy(source / f"{name}.py", root)
    shutil.copytree(source / "rules", root / "rules")
    (root / "kernel").mkdir()
    for name in ("__init__", "jit", "wide", "wide_product", "_rules"):
        shutil.copy(source / f"kernel/{name}.py", root / "kernel")
    (root / "kernel/caller.py").write_text(textwrap.dedent(MODULE))
    return root


def run(package, cache):
    environment = {**os.environ, "PYTHONPATH": str(package.parent), "RINGFENCE_CACHE": str(cache)}
    command = [sys.executable, "-c", CALLER]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    value, hits, directory = done.stdout.split()
    return int(value), int(hits), Path(directory)


def test_a_changed_rule_is_never_answered_from_the_cache(package, tmp_path):
    assert run(package, tmp_path)[:2] == (25, 0)
    value, hits, before = run(package, tmp_path)
    assert (value, hits) == (25, 1)
    rules = package / "kernel/_rules.py"
    stamp, text = rules.stat(), rules.read_text()
    line = "return mul_div(notional_q, rate_num, rate_den, rounding)"
    assert line in text
    rules.write_text(text.replace(line, line.replace("rate_num,", "wide(3),")))
    os.utime(rules, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    value, _, after = run(package, tmp_path)
    assert value == 75
    assert after != before


def test_where_nothing_can_be_written_the_cache_is_temporary(package, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a directory")
    value, _, directory = run(package, blocked)
    assert value in {25, 75}
    assert not directory.is_relative_to(blocked)
    assert not directory.exists()


def test_directories_that_nobody_used_for_long_are_removed(monkeypatch, tmp_path):
    monkeypatch.setenv("RINGFENCE_CACHE", str(tmp_path))
    old, recent = tmp_path / "kernel/old", tmp_path / "kernel/recent"
    for directory in (old, recent):
        directory.mkdir(parents=True)
    os.utime(old, (0, 0))
    found = jit.cache_directory()
    assert found == tmp_path / "kernel" / jit.sources_key()
    assert recent.exists()
    assert not old.exists()


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [("linux", "XDG_CACHE_HOME", "ringfence"), ("win32", "LOCALAPPDATA", "ringfence")],
)
def test_the_users_directory(monkeypatch, tmp_path, platform, variable, expected):
    monkeypatch.delenv("RINGFENCE_CACHE", raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv(variable, str(tmp_path))
    assert jit.user_directory() == tmp_path / expected


def test_fast_arithmetic_keeps_nan_and_infinity():
    assert {"nnan", "ninf"}.isdisjoint(jit.FAST)


def test_a_function_without_a_file_is_compiled_but_not_kept():
    scope = {}
    exec("def double(a):\n    return a + a", scope)
    assert jit.jit(scope["double"])(21) == 42


def test_a_small_book_needs_no_compiler(tmp_path):
    code = "import sys, ringfence.cli, ringfence.questions.margin; print('numba' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.strip() == "False"
