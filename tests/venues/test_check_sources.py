from datetime import date
from pathlib import Path

import pytest

import check_sources
from ringfence.venues.rulebook import list_rulebooks

TODAY = date(2026, 11, 22)


def found(path: str) -> list[str]:
    return [line.removeprefix(f"{path}: ") for line in check_sources.check(Path(path), TODAY)]


def test_the_library_is_clean(capsys):
    assert check_sources.main([]) == 0
    assert capsys.readouterr().out.startswith(f"sources: {len(list_rulebooks())} rulebooks")


def test_a_clean_file(write):
    assert found(write(('code = { title = "the code", date = "2026-01" }', ""))) == []


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('source = "docs"\n', "", "policy.risk_price: has no source"),
        ('size = "choice"\n', "", "policy.liquidation.size: has no unit"),
        ('since = "2026-01-01"\nsource', "source", "policy.risk_price: has no since"),
        ('confidence = "confirmed"\n', "", "markets.BTC.pool: has no confidence"),
        (
            'size = "full"',
            'size = { value = "full", since = "2026-12" }',
            "policy.liquidation.size: has the date 2026-12,",
        ),
        (
            'size = "full"',
            'size = { value = "full", since = "2026-11-23" }',
            "policy.liquidation.size: has the date 2026-11-23,",
        ),
        (
            'size = "full"',
            'size = { value = "full", since = "then" }',
            "policy.liquidation.size: has the date 'then';",
        ),
        (
            'size = "full"',
            'size = { value = "full", source = "x" }',
            "policy.liquidation.size: names the source 'x'",
        ),
        (
            'checked = "2026-01-31"',
            'checked = "2027-01-31"',
            "checked: has the date 2027-01-31, which lies in the future",
        ),
        ('date = "2026-01-01"', 'date = "2027"', "sources.docs: has the date 2027, which lies in the future"),
        (
            'date = "2026-01-01"',
            'date = "before 2027"',
            "sources.docs: has the date 2027, which lies in the future",
        ),
        ('title = "the documentation"', 'title = ""', "sources.docs: has no title"),
        ("schema = 1", "schema = 3", "rules.toml: head: Invalid enum value 3"),
    ],
)
def test_what_is_missing_is_named(write, old, new, sentence):
    assert any(line.startswith(sentence) for line in found(write((old, new))))


def test_a_source_that_nothing_names(write):
    assert found(write()) == ["sources.code: no value names it"]


def test_the_day_of_the_check_is_no_future(write):
    assert found(write(('checked = "2026-01-31"', 'checked = "2026-11-22"'))) == [
        "sources.code: no value names it"
    ]


def test_the_exit_status_says_whether_anything_was_found(write, capsys):
    assert check_sources.main([write()]) == 1
    assert capsys.readouterr().out.endswith("sources: 1 offence(s)\n")


def test_a_file_that_is_not_there():
    assert found("nowhere.toml") == ["[Errno 2] No such file or directory: 'nowhere.toml'"]
