"""Kinds that are named after what their cases expect.

Where a venue's cases came without a kind, it is the sorted names of the expected values, joined by `+`. Such kinds
differ only in which answers somebody recorded, so a function that answers several names serves every selection of them.
"""

from collections.abc import Callable, Iterable, Mapping

from .vectors import Case, Value

Rule = Callable[[Case], dict[str, Value]]


class Joined(dict[str, Rule]):
    """Rules by the names that they answer; a kind of several names is known when one rule answers them all."""

    def __init__(self, answers: Mapping[Rule, Iterable[str]]) -> None:
        super().__init__({name: rule for rule, names in answers.items() for name in names})

    def __contains__(self, kind: object) -> bool:
        return isinstance(kind, str) and self._common(kind) is not None

    def __missing__(self, kind: str) -> Rule:
        rule = self._common(kind)
        if rule is None:
            raise KeyError(kind)
        return rule

    def _common(self, kind: str) -> Rule | None:
        rules = {dict.get(self, name) for name in kind.split("+")}
        return rules.pop() if len(rules) == 1 else None
