"""The progress bar."""

import io
import sys

import click
import pytest
from click.testing import CliRunner

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


def test_a_command_is_told_as_it_was_typed_without_what_changes_nothing() -> None:
    @click.command(name="ask")
    @click.argument("book")
    @click.option("--price", "prices", multiple=True)
    @click.option("--vary/--no-vary", default=True)
    @click.option("--deep", is_flag=True)
    @click.option("--seed", default=1)
    @click.option("--out")
    def ask(**_options: object) -> None:
        click.echo(terminal.command_again({"out"}), nl=False)

    def told(*words: str) -> str:
        return CliRunner().invoke(ask, words).stdout

    assert told("a book.csv") == "ringfence ask 'a book.csv'"
    assert told(
        "--out", "x", "b", "--seed", "1", "--price", "A=1", "--price", "B=2", "--no-vary", "--deep"
    ) == ("ringfence ask b --price A=1 --price B=2 --no-vary --deep --seed 1")
