"""The reference folder of vectors: every case passes, or is unsupported for a known reason."""

import pytest

from conftest import SHARED
from ringfence.questions.conformance.vectors import Tolerance, compare, read_cases
from ringfence.questions.verify import judge, kinds, run

VENUES = ("apex", "dydx_v3", "dydx_v3_starkex", "dydx_v4", "hyperliquid")


def cases(venue):
    file = SHARED / "vectors" / f"{venue}.json"
    found = read_cases(file) if file.is_file() else []
    return found or [pytest.param(None, id=f"no {venue} vectors")]


def name(case):
    return None if case is None else case.id


@pytest.mark.parametrize("case", [case for venue in VENUES for case in cases(venue)], ids=name)
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
    assert report.headline.passed > 200
