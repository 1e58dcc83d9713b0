"""Names of everything that the arrays number."""

from collections.abc import Iterable

import numpy as np

from ...clearing.model import QUOTE, Venue
from .memory import Words


class Names:
    """Numbers by name and names by number. Markets, assets, pools and ledger accounts never change; rows are added."""

    def __init__(self, venue: Venue) -> None:
        """Number all that a venue has."""
        self.markets, self.pools = [*venue.markets], [*venue.pools]
        self.assets = [QUOTE, *venue.assets]
        accounts = {
            *(f"{kind}/{pool}" for kind in ("fund", "debt") for pool in venue.pools),
            *(f"funding/{market}" for market in venue.markets),
            *venue.ledger,
        }
        self.accounts = ["outside", "fees", *sorted(accounts - {"outside", "fees"})]
        self.rows: list[str] = []
        self.market, self.pool, self.asset = (
            numbered(self.markets),
            numbered(self.pools),
            numbered(self.assets),
        )
        self.account = numbered(self.accounts)
        self.row: dict[str, int] = {}
        self.owner: dict[str, int] = {}
        """Number of an account."""
        for name in venue.subaccounts:
            self.add_row(name)

    def add_row(self, name: str) -> int:
        """Number a new subaccount."""
        self.row[name] = len(self.rows)
        self.rows.append(name)
        return self.row[name]

    def numbers(self, names: Iterable[str]) -> Words:
        """Rows of subaccounts."""
        return np.array([self.row[name] for name in names], np.int64)

    def ledger_name(self, code: int) -> str:
        """The ledger account that a record of the tape names: a row, or -1 less a ledger account."""
        return f"sub/{self.rows[code]}" if code >= 0 else self.accounts[-1 - code]


def numbered(names: Iterable[str]) -> dict[str, int]:
    """Place of each name."""
    return {name: n for n, name in enumerate(names)}
