"""The runner itself: it fails what is wrong, refuses what it cannot read, and counts derived numbers apart."""

import json
from copy import deepcopy
from fractions import Fraction
from math import ceil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.errors import InputError
from ringfence.questions.conformance.vectors import (
    Field,
    Range,
    Tolerance,
    compare,
    printed_range,
    provenance_of,
)
from ringfence.questions.verify import WRONG_ON_PURPOSE, kinds, run

CASES = [
    case
    for file in sorted((Path(__file__).parent / "cases").glob("*.json"))
    for case in json.loads(file.read_text())
]
SUPPORTED = [case for case in CASES if case["kind"] in kinds(case["venue"])]
FIRST_OF_KIND = list({(case["venue"], case["kind"]): case for case in reversed(SUPPORTED)}.values())


def name(case):
    return case["case_id"]


def run_on(tmp_path, *cases):
    file = tmp_path / "cases.json"
    file.write_text(json.dumps(cases))
    return run([file])


def wrong(value, within):
    """Some other value of the same form, out of reach of any that lies `within` it."""
    match value:
        case bool():
            return not value
        case int():
            return value + 2 * ceil(within) + 1
        case str() if value[-1:].isdigit():
            number = Fraction(value)
            return str(float((abs(number) * 3 / 2 + 2 * within + 1) * (-1 if number < 0 else 1)))
        case str():
            return value + "?"
        case list():
            return [wrong(inner, within) for inner in value] or ["something"]
        case dict():
            return {key: wrong(inner, within) for key, inner in value.items() if key != "decimal"}
    return "1"


def allowed(case):
    """How far the numbers of a case may be off: an amount, and a share of the largest of them."""
    texts = [str(value) for value in case["expected"].values() if not isinstance(value, bool | dict | list)]
    numbers = [abs(Fraction(text)) for text in texts if text[-1:].isdigit()]
    return Fraction(case.get("tol_abs", 0)) + max(numbers, default=0) * Fraction(case.get("tol_rel", 0))


@pytest.mark.parametrize("case", SUPPORTED, ids=name)
def test_a_wrong_expected_value_fails(tmp_path, case):
    twisted = []
    for field, value in case["expected"].items():
        other = deepcopy(case) | {"case_id": f"{case['case_id']}/{field}"}
        other["expected"][field] = wrong(value, allowed(case))
        twisted.append(other)
    statuses = {result.case: result.status for result in run_on(tmp_path, *twisted).results}
    on_purpose = WRONG_ON_PURPOSE in case.get("note", "")
    assert set(statuses.values()) == {"passed" if on_purpose else "failed"}


def test_a_mistake_that_is_reproduced_fails(tmp_path):
    (right,) = (case for case in CASES if case.get("name") == "margin at the mark")
    report = run_on(tmp_path, right | {"note": f"a {WRONG_ON_PURPOSE}"})
    assert report.failed == 1
    assert report.results[0].reason == "reproduces what the case calls wrong: liq_price"


def test_a_failure_shows_ours_expected_and_tolerance(tmp_path):
    (case,) = (case for case in CASES if case["case_id"] == "dydx_v4/mm_ppm/03")
    report = run_on(tmp_path, case | {"expected": {"mm_ppm": 184344}, "tol_abs": "0.5"})
    (mismatch,) = report.results[0].mismatches
    assert str(mismatch) == "mm_ppm: ours 184343, expected 184344 (within 0.5)"
    assert report.to_json()["failed"] == 1
    assert run_on(tmp_path, case | {"expected": {"mm_ppm": 184344}, "tol_abs": 1}).failed == 0


def test_an_error_that_was_not_expected_fails(tmp_path):
    (case,) = (case for case in CASES if case["case_id"] == "dydx_v4/bankruptcy_price/01")
    case = deepcopy(case)
    case["action"]["delta_quantums"] = 0
    (mismatch,) = run_on(tmp_path, case).results[0].mismatches
    assert str(mismatch) == (
        "error: ours ErrInvalidPerpetualPositionSizeDelta, expected nothing (to the last digit)"
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"venue": "elsewhere"}, "no rulebook for elsewhere"),
        ({"kind": "horoscope"}, "no rule for horoscope of dydx_v4"),
        ({"expected": {"mm_ppm": 120000, "luck": 1}}, "no value for luck"),
    ],
)
def test_what_is_not_modelled_is_unsupported_and_says_why(tmp_path, changes, reason):
    (case,) = (case for case in CASES if case["case_id"] == "dydx_v4/mm_ppm/01")
    (result,) = run_on(tmp_path, case | changes).results
    assert (result.status, result.reason) == ("unsupported", reason)


def test_derived_numbers_are_counted_apart(tmp_path):
    (case,) = (case for case in CASES if case["case_id"] == "dydx_v4/mm_ppm/01")
    derived = case | {"case_id": "derived", "provenance": "DERIVED by us (not a published number)"}
    report = run_on(tmp_path, case, derived)
    assert (report.passed, report.headline.passed) == (2, 1)
    assert [(venue, provenance) for venue, provenance, _ in report.table()] == [
        ("dydx_v4", "derived"),
        ("dydx_v4", "published"),
    ]
    json.dumps(report.to_json())


@pytest.mark.parametrize(
    ("stated", "provenance"),
    [
        ("upstream unit-test table (expected values are upstream's)", "published"),
        ("third-party exact-decimal test (MIT)", "published"),
        ("official docs worked example", "published"),
        ("EXECUTED on real Vertex contracts (pyrevm); inputs ours except where noted", "executed"),
        ("server-captured", "live"),
        ("live exchange positions recorded by freqtrade contributors via ccxt", "live"),
        ("measured", "measured"),
        ("DERIVED by us from the published formula", "derived"),
        ("derived_from_published", "derived"),
        ("somebody delivered it", "unstated"),
    ],
)
def test_classes_of_provenance(stated, provenance):
    assert provenance_of(stated) == provenance


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[", "not valid JSON"),
        ('"text"', "expected a JSON array of cases"),
        ("[1]", "[0]: expected an object"),
        ("[{}]", "[0].case_id: missing"),
        ('[{"case_id": "a/1"}]', "a/1: expected: missing"),
        ('[{"case_id": "a/1", "expected": {}}]', "a/1: kind: missing"),
        ('[{"case_id": "a/1", "kind": [], "expected": {}}]', "a/1: kind: expected text, got a list"),
    ],
)
def test_a_malformed_file_is_named_with_case_and_field(tmp_path, text, sentence):
    file = tmp_path / "broken.json"
    file.write_text(text)
    with pytest.raises(InputError) as raised:
        run([file])
    assert sentence in str(raised.value)
    assert "broken.json" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("im_ppm", "many", "dydx_v4/mm_ppm/01: rule.im_ppm: expected a decimal number of at most 60"),
        ("im_ppm", "0.5", "dydx_v4/mm_ppm/01: rule.im_ppm: expected a whole number, got '0.5'"),
        ("im_ppm", None, "dydx_v4/mm_ppm/01: rule.im_ppm: missing"),
        ("im_ppm", [1], "dydx_v4/mm_ppm/01: rule.im_ppm: expected a number, got a list"),
    ],
)
def test_a_malformed_field_is_named(tmp_path, field, value, sentence):
    (case,) = (deepcopy(case) for case in CASES if case["case_id"] == "dydx_v4/mm_ppm/01")
    good = deepcopy(case)
    case["rule"][field] = value
    report = run_on(tmp_path, case, good)
    assert [result.status for result in report.results] == ["unreadable", "passed"]
    assert sentence in report.results[0].reason


def places(value, path=()):
    """Paths of everything inside a JSON value."""
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from places(item, (*path, key))


@pytest.mark.parametrize("case", FIRST_OF_KIND, ids=name)
def test_nothing_malformed_escapes_as_another_error(tmp_path, case):
    """Every value of a case in turn becomes something else: a result or one line follows, nothing else."""
    refusals = []
    for path in places(case):
        for value in (None, "x", []):
            other = deepcopy(case)
            inner = other
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = value
            try:
                (result,) = run_on(tmp_path, other).results
            except InputError as error:
                refusals.append(str(error))
            else:
                refusals += [result.reason] if result.status == "unreadable" else []
    assert refusals
    assert [refusal for refusal in refusals if "\n" in refusal or "cases.json: " not in refusal] == []


def test_a_folder_stands_for_its_files(tmp_path):
    with pytest.raises(InputError, match="holds no JSON files"):
        run([tmp_path])
    run_on(tmp_path, CASES[0], CASES[1])
    assert len(run([tmp_path]).results) == 2


@given(
    st.integers(min_value=10**18, max_value=10**30),
    st.sampled_from((-1, 1)),
    st.integers(min_value=1, max_value=12),
    st.integers(min_value=-4, max_value=4),
)
def test_a_long_printed_number_is_a_rounded_one(digits, sign, decimals, beyond):
    """A number agrees with what it rounds to, and not with the printed number next to that."""
    number = sign * (digits + Fraction(beyond, 10)) / 10**decimals
    for printed, mismatches in ((digits, 0), (digits + 1, 1), (digits - 1, 1)):
        text = str(printed)
        expected = Field(f"{'-' if sign < 0 else ''}{text[:-decimals]}.{text[-decimals:]}", "case")
        assert len(compare(expected, number, Tolerance(), "x")) == mismatches


def test_short_numbers_are_exact_unless_a_person_rounded_them():
    assert printed_range(Field("3174.60", "case")) == Range(Fraction("3174.60"), Fraction("3174.60"))
    assert printed_range(Field("3174.60", "case"), rounded=True) == Range(
        Fraction("3174.595"), Fraction("3174.605")
    )
    assert compare(Field("100", "case"), Fraction(1001, 10), Tolerance(), "x") != []
