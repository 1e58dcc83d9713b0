"""`ringfence bench` runs what lies in `bench/`, by name."""

import pytest
from click.testing import CliRunner

from ringfence import bench_command
from ringfence.errors import InputError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with two measurements; the second fails."""
    (tmp_path / "one.py").write_text(
        '"""How fast one is.\n"""\nfrom pathlib import Path\nPath(__file__).with_suffix(".out").touch()\n'
    )
    (tmp_path / "two.py").write_text('"""How fast two is."""\nraise SystemExit(3)\n')
    (tmp_path / "population.py").write_text('"""A book."""\n')
    found = bench_command.scripts(tmp_path)
    monkeypatch.setattr(bench_command, "scripts", lambda: found)
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(bench_command.bench, arguments)


def test_the_names_say_what_they_measure(folder):
    _, _, *rows = (line.split(maxsplit=1) for line in run("--list").output.strip().splitlines())
    assert [[name, words.strip()] for name, words in rows] == [
        ["one", "How fast one is."],
        ["two", "How fast two is."],
    ]


def test_a_name_is_run(folder):
    assert run("one").exit_code == 0
    assert (folder / "one.out").exists()


def test_a_failure_is_said(folder):
    error = run().exception
    assert isinstance(error, InputError)
    assert str(error) == "two: the measurement ended with status 3"


def test_an_unknown_name_says_what_there_is(folder):
    error = run("three").exception
    assert str(error) == "three: no such measurement; expected some of one, two"
    assert not (folder / "one.out").exists()


def test_without_a_checkout_it_says_where_to_get_one(tmp_path):
    with pytest.raises(InputError, match="source checkout"):
        bench_command.scripts(tmp_path)


def test_every_script_of_the_checkout_is_listed():
    assert max(map(len, run("--list").output.splitlines())) <= 100
    assert {"engine", "kernel_screen", "peers"} <= set(bench_command.scripts())
