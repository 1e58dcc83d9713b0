"""The baseline designs with all around them: token, parameters, prices, liquidity.

`Baseline.create` is what tests, measurements and `ringfence chain deploy` share, on whatever chain.
"""

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from ..errors import InputError
from ..progress import Report, silent
from .accounts import Account
from .node import Chain, Contract, Receipt

Design = Literal["IsolatedOnly", "CrossOnly"]
DESIGNS: tuple[Design, ...] = ("IsolatedOnly", "CrossOnly")

MARKETS_MAX = 64
SCALE_DEN = 10**10
"""One lot at one price quantum is worth 1 / SCALE_DEN quote atoms (1e-6 USD), in every market."""

LOT = 10**8
"""Lots of one unit of a coin, and price quanta of one USD, where both have 8 decimals."""

MAX_AGE_S = 3_600
UNLIMITED = 2**256 - 1


class Terms(NamedTuple):
    """What a market asks: rates and fees in parts per million, and the largest net size of all traders in lots."""

    initial_ppm: int = 50_000
    maintenance_ppm: int = 25_000
    fee_ppm: int = 500
    liquidation_fee_ppm: int = 5_000
    fund_share_ppm: int = 500_000
    cap_b: int = 2**55 - 1


class Baseline:
    """A deployed `IsolatedOnly` or `CrossOnly` with its token and the two accounts that run it."""

    def __init__(self, contract: Contract, token: Contract, owner: Account, feed: Account) -> None:
        self.chain: Chain = contract.chain
        self.contract, self.token = contract, token
        self.owner, self.feed = owner, feed
        self.listing: list[Receipt] = []
        """Of every market that was listed."""

    @classmethod
    def create(
        cls,
        chain: Chain,
        design: str,
        owner: Account,
        feed: Account,
        *,
        markets: int = MARKETS_MAX,
        terms: Terms | None = None,
        token: str = "",
        max_age_s: int = MAX_AGE_S,
        report: Report = silent,
    ) -> "Baseline":
        """Deploy a design and list markets 0 to `markets` - 1, all on the same terms.

        Without the address of a `token` a mock one is deployed. Raises `InputError` for a design that is none.
        """
        if design not in DESIGNS:
            raise InputError(f"design {design}: expected one of {', '.join(DESIGNS)}")
        if not 0 < markets <= MARKETS_MAX:
            raise InputError(f"markets {markets}: expected 1 to {MARKETS_MAX}")
        report(0, markets + 2, "token")
        held = chain.at("MockToken", token) if token else chain.deploy("MockToken", sender=owner)
        report(1, markets + 2, design)
        contract = chain.deploy(design, held.address, max_age_s, sender=owner)
        made = cls(contract, held, owner, feed)
        contract.send("set_feed", feed.address, sender=owner)
        for market in range(markets):
            report(2 + market, markets + 2, f"market {market}")
            made.listing.append(made.set_terms(market, terms or Terms()))
        return made

    def set_terms(self, market: int, terms: Terms) -> Receipt:
        """List a market or change what it asks."""
        return self.contract.send("set_market", market, *terms, sender=self.owner)

    def set_prices(self, prices: Mapping[int, int]) -> Receipt:
        """Set prices (quanta by market) as of now."""
        return self.contract.send(
            "set_prices", self.chain.time_s, price_words(prices.items()), sender=self.feed
        )

    def supply(self, pool: int, amount_q: int, fund_q: int) -> Receipt:
        """Bring liquidity and insurance for a pool, out of freshly minted tokens."""
        self.mint(self.owner, amount_q + fund_q)
        return self.contract.send("supply", pool, amount_q, fund_q, sender=self.owner)

    def mint(self, account: Account, amount_q: int) -> None:
        """Give an account mock tokens that the contract may take."""
        self.token.send("mint", account.address, amount_q, sender=self.owner)
        self.token.send("approve", self.contract.address, UNLIMITED, sender=account)


def price_words(prices: Iterable[tuple[int, int]]) -> list[int]:
    """Prices as a price table takes them: `market << 64 | price`."""
    return [market << 64 | price for market, price in prices]
