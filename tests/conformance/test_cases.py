"""Numbers of the venues transcribed into this repository, each with its source: every one of them must come out."""

from pathlib import Path

import pytest

from ringfence.questions.conformance.vectors import read_cases
from ringfence.questions.verify import judge, kinds

CASES = [
    case for file in sorted((Path(__file__).parent / "cases").glob("*.json")) for case in read_cases(file)
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_case(case):
    result = judge(case)
    assert (result.status, [str(mismatch) for mismatch in result.mismatches]) == ("passed", [])


def test_every_kind_has_a_case():
    for venue in ("apex", "dydx_v3", "dydx_v3_starkex", "dydx_v4", "hyperliquid"):
        rules = kinds(venue)
        assert rules.keys() <= {case.kind for case in CASES if case.venue == venue}


def test_every_case_says_where_its_numbers_come_from():
    assert [case.id for case in CASES if not case.source or case.provenance == "unstated"] == []
    assert len({case.id for case in CASES}) == len(CASES)
