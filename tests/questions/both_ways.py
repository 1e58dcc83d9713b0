"""A book asked both ways: scanned into columns where they hold it, and read account by account."""

import pytest

from ringfence.books import read_accounts
from ringfence.errors import InputError
from ringfence.questions.spread import silent
from ringfence.questions.stress import book
from ringfence.questions.stress.book import Setting, open_book
from ringfence.questions.stress.reference import Bench, Reference
from ringfence.questions.stress.shocks import NOW, shocks, wanted
from ringfence.venues.rulebook import load

QUESTIONS = [NOW, *shocks(wanted(grid="-40%:40%:40%")), *shocks(wanted(["-7.77%"], funding=["0.3%"]))]


@pytest.fixture(autouse=True)
def scans_all(monkeypatch):
    """Scan books of any size."""
    monkeypatch.setattr(book, "COLUMNS_FROM", 1)
    monkeypatch.setattr(book, "SCANNED_FROM", 0)


def answers(path, venue):
    """What both ways say; complaints too."""
    bench = Bench({venue: load(venue)}, venue)
    try:
        reference = Reference(read_accounts(path), bench)
    except InputError as error:
        reference = str(error)
    try:
        scanned, _, _ = open_book(str(path), (), Setting(venue, {}, None, 1))
    except InputError as error:
        scanned = str(error)
    return reference, scanned


def same_answers(reference, scanned):
    """Fail where the two do not say the same."""
    if isinstance(reference, str):
        assert scanned == reference
        return
    for one, other in zip(survey(scanned), survey(reference), strict=True):
        assert one == other
    tolls = [surface.tolls(QUESTIONS[1], None, silent) for surface in (scanned, reference)]
    assert tolls[0] == tolls[1]


def survey(surface):
    """What a survey says, without what depends on the order of accounts."""
    found = surface.survey(QUESTIONS, silent)
    yield found.points
    yield (found.rulebooks, found.subaccounts, found.anywhere, found.unknown, found.notes)
    yield {name: (held.positions, held.notional_q) for name, held in found.markets.items()}
    yield sorted(each.account for each in found.refused)
