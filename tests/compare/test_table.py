"""Figures short enough for a terminal, and never misleading."""

import pytest

from ringfence.compare.table import short, span


@pytest.mark.parametrize(
    ("values", "unit", "expected"),
    [
        (["20510000", "126720000"], "USD", "20.51 - 126.72 M"),
        (["0", "1060000000"], "USD", "0.00 - 1.06 B"),
        (["900000", "1500000"], "USD", "900.00 k - 1.50 M"),
        (["-1500000", "-900000"], "USD", "-1.50 M - -900.00 k"),
        (["0.4033", "0.9823"], "share", "40.33 - 98.23 %"),
        (["1467", "2485"], "count", "1,467 - 2,485"),
        (["0.921", "0.9210"], "per account-day", "0.92"),
        (["12", "12"], "USD", "12.00"),
    ],
)
def test_a_range_names_its_unit_once(values: list[str], unit: str, expected: str) -> None:
    assert span(values, unit) == expected


def test_short_keeps_the_sign() -> None:
    assert short("-13480000", "USD") == "-13.48 M"
