"""The reference folder of vectors: every case of every venue that has rules here passes."""

import pytest

from conftest import SHARED
from ringfence.questions.conformance.vectors import Tolerance, compare, read_cases
from ringfence.questions.verify import judge, kinds, run

FILES = sorted((SHARED / "vectors").glob("*.json"))
CASES = [case for file in FILES if kinds(file.stem) for case in read_cases(file)]


def name(case):
    return case.id if case else "no vectors"


@pytest.mark.parametrize("case", CASES or [None], ids=name)
def test_case(shared, case):
    assert case is not None, f"no vectors in {shared}"
    result = judge(case)
    assert (result.status, [str(mismatch) for mismatch in result.mismatches]) == ("passed", [])


def test_cross_checks_of_published_cases_agree(shared):
    """Numbers that others derived beside the published ones: never conformance, but they should be ours too."""
    checked = 0
    for case in read_cases(shared / "vectors" / "dydx_v4.json"):
        derived = case.body.get("derived")
        if derived is not None and case.body["expected"].get("error") is None:
            ours = kinds("dydx_v4")[case.kind](case)
            assert compare(derived, ours, Tolerance(), "") == []
            checked += 1
    assert checked > 10


def test_every_file_can_be_read(shared):
    report = run([shared / "vectors"])
    others = [result for result in report.results if not kinds(result.venue)]
    assert report.failed == 0
    assert {result.reason for result in others} == {f"no rulebook for {each.venue}" for each in others}
    assert report.headline.passed > 550
