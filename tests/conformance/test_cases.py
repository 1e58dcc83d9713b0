"""Numbers of the venues transcribed into this repository, each with its source: every one of them must come out."""

from pathlib import Path
from pkgutil import iter_modules

import pytest

from ringfence.questions import conformance
from ringfence.questions.conformance.vectors import read_cases
from ringfence.questions.verify import judge, kinds

CASES = [
    case for file in sorted((Path(__file__).parent / "cases").glob("*.json")) for case in read_cases(file)
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_case(case):
    result = judge(case)
    assert (result.status, [str(mismatch) for mismatch in result.mismatches]) == ("passed", [])


VENUES = sorted(found.name for found in iter_modules(conformance.__path__) if kinds(found.name))


@pytest.mark.parametrize("venue", VENUES)
def test_every_rule_has_a_case(venue):
    rules = kinds(venue)
    assert {*rules.values()} == {rules[case.kind] for case in CASES if case.venue == venue}


def test_every_case_says_where_its_numbers_come_from():
    assert [case.id for case in CASES if not case.source or case.provenance == "unstated"] == []
    assert len({case.id for case in CASES}) == len(CASES)
