"""Errors a person can act on.

Three kinds of failure are never mixed: a *refusal* is a value (`clearing.verdict.Rejected`), *bad input* is an
`InputError` whose single line names the file, row and field, and a *bug* is an `InvariantError`.
"""


class InputError(ValueError):
    """Something the caller gave cannot be used; the message names it and says what was expected."""


class InvariantError(AssertionError):
    """The engine contradicted itself (money not conserved, lots not balanced): a bug in Ringfence, never bad input."""


class UnknownValueError(InputError):
    """A rulebook says that a value is not known, and the question asked needs it."""


def check(condition: bool, sentence: str) -> None:
    """Raise `InvariantError` with `sentence` unless `condition` holds; always on."""
    if not condition:
        raise InvariantError(sentence)
