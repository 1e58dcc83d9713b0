"""Refusals: every reason of every command, and the order in which they apply.

Each command has a case (in `refusals/`): a world in which it is accepted, and a list of violations, each of which
makes it refused for one reason. Any two violations that do not touch the same thing are then made at once, and the
reason that stands first in `Reason` must win.
"""

from itertools import combinations

import pytest
from msgspec.structs import replace

from clearing.refusals import auctions, losses, operator, options, trading
from ringfence.clearing import command as cmd
from ringfence.clearing.verdict import SENTENCES, Reason

CASES = [*trading.CASES, *losses.CASES, *auctions.CASES, *operator.CASES, *options.CASES]


def name(case):
    return f"{case.of}{type(case.command).__name__}"


def refuse(case, *violations):
    world = case.build()
    for violation in violations:
        violation.prepare(world)
    fields = {field: value for violation in violations for field, value in violation.fields.items()}
    world.no(replace(case.command, **fields), min(violation.reason for violation in violations))


@pytest.mark.parametrize("case", CASES, ids=name)
def test_the_command_of_each_case_is_accepted(case):
    case.build().ok(case.command)


SINGLES = [
    pytest.param(case, violation, id=f"{name(case)}-{violation.reason.name}-{number}")
    for case in CASES
    for number, violation in enumerate(case.violations)
]


@pytest.mark.parametrize(("case", "violation"), SINGLES)
def test_each_violation_alone_has_its_reason(case, violation):
    refuse(case, violation)


@pytest.mark.parametrize("case", CASES, ids=name)
def test_of_two_violations_the_first_reason_wins(case):
    for first, second in combinations(case.violations, 2):
        if first.goes_with(second):
            refuse(case, first, second)


def test_every_reason_is_reached():
    assert {violation.reason for case in CASES for violation in case.violations} == set(Reason)


def test_every_command_has_a_case():
    assert {type(case.command) for case in CASES} == set(cmd.AnyCommand.__args__)


def test_the_order_of_reasons_is_the_order_of_their_numbers_and_each_has_a_sentence():
    assert list(Reason) == sorted(Reason)
    assert set(SENTENCES) == set(Reason)
    assert all(sentence.endswith(".") and "\n" not in sentence for sentence in SENTENCES.values())
