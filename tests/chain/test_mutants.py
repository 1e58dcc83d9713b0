"""What the mutants of the contracts are: one wrong thing in one line that does something, and no other lines."""

import pytest

import mutate_contracts as mutate

SOURCE = '''# pragma version ==0.4.3
"""
@notice a < b in a text
"""
HELD: constant(int256) = 1 + 1


@internal
def kept(
    a: int256, b: int256
) -> int256:
    """
    @notice a + b
    """
    # a + b
    assert a > 0, "A + B > 0"
    log Kept(a=a + b)
    return a + b  # not a - b
'''


def test_only_lines_of_functions_that_do_something_have_mutants():
    assert [line for _, line in mutate.code(SOURCE)] == [
        "    a: int256, b: int256",
        '    assert a > 0, "A + B > 0"',
        "    return a + b  # not a - b",
    ]


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ('    assert a > 0, "A + B > 0"', ["    pass", '    assert a >= 0, "A + B > 0"']),
        ("    return a + b  # not a - b", ["    return a - b  # not a - b"]),
        ("    c += max(a, b)", ["    c -= max(a, b)", "    c += min(a, b)"]),
        ("    return rules.fraction_up_q(a)", ["    return rules.fraction_down_q(a)"]),
        ("    return a", []),
    ],
)
def test_a_mutant_has_one_thing_wrong(line, wrong):
    assert list(mutate.changed(line)) == wrong


def test_every_file_has_mutants_in_the_place_that_they_name():
    for file in mutate.FILES:
        text = (mutate.ROOT / mutate.CONTRACTS / file).read_text(encoding="utf-8")
        found = list(mutate.mutants(file, text))
        assert found
        assert all(text.splitlines()[mutant.line - 1] == mutant.was != mutant.now for mutant in found)
