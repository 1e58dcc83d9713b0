"""The two sides of a market whose counterparty is a pool of liquidity, and how much that pool may owe one of them."""

from msgspec import Struct


class Solvency(Struct, frozen=True):
    """What the liquidity behind a market may owe one side, as shares of half its worth; see `clearing.liquidity`."""

    cap_ppm: int
    """Most that a side is paid of its profit; beyond it every winner gets the same share."""
    trigger_ppm: int
    """Winners may be closed while a side is owed more than this ..."""
    floor_ppm: int
    """... and only as long as it is owed no less than this."""


class Side(Struct, frozen=True, array_like=True):
    """What traders (not system subaccounts) together hold on one side of a market: signed lots and what they cost."""

    size_b: int = 0
    cost_q: int = 0

    def changed(self, size_b: int, cost_q: int) -> "Side":
        """The side with lots and cost added."""
        return Side(self.size_b + size_b, self.cost_q + cost_q)
