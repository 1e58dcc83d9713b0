"""How work that takes long says how far it is; `terminal.progress` shows it."""

from collections.abc import Callable

Report = Callable[[int, int | None, str], None]
"""Is told how many are done, of how many (where that is known), and what is being done."""


def silent(_done: int, _total: int | None, _what: str) -> None:
    """A report that nobody hears."""
