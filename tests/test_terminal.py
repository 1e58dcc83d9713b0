"""The progress bar."""

import io
import sys

import pytest

from ringfence import cache, terminal


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_says_what_is_made_once_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    with terminal.progress("admitting", after_s=3600.0):
        for tell in cache.WATCHERS:
            tell("compiling (once)")
    assert "compiling (once)" in screen.getvalue()
    assert "admitting" not in screen.getvalue()
    assert not cache.WATCHERS


def test_a_bar_for_long_work_does_not_show_before_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    with terminal.progress("admitting", after_s=3600.0) as report:
        report(1, 2, "admitting")
    assert screen.getvalue() == ""
