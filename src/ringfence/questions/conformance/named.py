"""Kinds of cases that are called after what they expect: the names of the expected values, joined by "+".

Such kinds differ by which outputs a case records, not by what is computed. One function answers all of its names, so
any mix of them is a kind.
"""

import re
from collections.abc import Iterator, Mapping
from fnmatch import translate
from functools import wraps

from .vectors import Case, NotStatedError, Ours, Rule, UnsupportedError


def where_stated(rule: Rule) -> Rule:
    """A rule for cases of no fixed form: one that does not state what the rule needs is unsupported, not malformed."""

    @wraps(rule)
    def answer(case: Case) -> Ours:
        try:
            return rule(case)
        except NotStatedError as missing:
            raise UnsupportedError(f"{missing.field} is not stated") from None

    return answer


class NamedKinds(Mapping[str, Rule]):
    """Functions by the names that they answer; `*` in a name stands for an asset. The first that fits is taken."""

    def __init__(self, answers: Mapping[Rule, tuple[str, ...]]) -> None:
        self._answers = dict(answers)
        self._patterns = {
            rule: re.compile("|".join(map(translate, names))) for rule, names in self._answers.items()
        }

    def __getitem__(self, kind: str) -> Rule:
        names = kind.split("+")
        for rule, pattern in self._patterns.items():
            if all(pattern.fullmatch(name) for name in names):
                return rule
        raise KeyError(kind)

    def __iter__(self) -> Iterator[str]:
        return (name for names in self._answers.values() for name in names)

    def __len__(self) -> int:
        return sum(map(len, self._answers.values()))
