"""What a stress comes to in single figures, by the names that `--fail-if` takes: each the largest at any point."""

from collections.abc import Callable, Mapping
from decimal import Decimal

from ..measures import usd
from .surface import Stress, Tally

STRESS_MEASURES: Mapping[str, tuple[str, str]] = {
    "liquidatable": ("accounts", "with a liquidatable subaccount, at the point that has most of them"),
    "liquidatableNow": ("accounts", "with a liquidatable subaccount as things are"),
    "liquidatableAnywhere": ("accounts", "that are liquidatable at one of the points at least"),
    "liquidatableNotional": ("USD", "notional of liquidatable subaccounts"),
    "marginDeficit": ("USD", "maintenance margin that the liquidatable lack"),
    "badDebt": ("USD", "owed by the liquidatable once all they have is sold at the shocked prices"),
    "indebted": ("subaccounts", "with bad debt"),
    "refused": ("accounts", "that their rulebook cannot hold"),
    "unknown": ("accounts", "of which the file does not say enough to tell"),
}
"""Each measure with its unit and what it counts."""


def stress_measures(found: Stress) -> dict[str, Decimal]:
    """All measures of a stress."""

    def most(of: Callable[[Tally], int]) -> int:
        return max(map(of, found.tallies))

    return {
        "liquidatable": Decimal(most(lambda tally: tally.accounts)),
        "liquidatableNow": Decimal(found.now.accounts),
        "liquidatableAnywhere": Decimal(found.book.anywhere),
        "liquidatableNotional": usd(most(lambda tally: tally.notional_q)),
        "marginDeficit": usd(most(lambda tally: tally.deficit_q)),
        "badDebt": usd(most(lambda tally: tally.debt_q)),
        "indebted": Decimal(most(lambda tally: tally.indebted)),
        "refused": Decimal(len(found.book.refused)),
        "unknown": Decimal(found.book.unknown),
    }
