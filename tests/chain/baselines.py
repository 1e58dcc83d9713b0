"""A deployed baseline design with traders, for tests that tell one thing each."""

from ringfence.chain.accounts import Account
from ringfence.chain.deploy import LOT, Baseline, Terms
from ringfence.chain.evm import Evm
from ringfence.chain.node import RevertedError

PRICE = 50_000 * LOT
SIZE = LOT // 10
"""5,000 USD at the first price: 250 USD of initial margin, 125 of maintenance margin, 2.5 of fee."""
MARGIN_Q, FEE_Q = 400_000_000, 2_500_000
FUND_Q, LIQUIDITY_Q, WALLET_Q = 10**9, 10**13, 10**13
MAX_AGE_S = 3_600


class Desk:
    """One design, two traders, a keeper; what they do returns events or the reason of a refusal."""

    def __init__(self, design, markets=2):
        self.chain = Evm(signed=False)
        names = ("owner", "feed", "ada", "ben", "keeper")
        self.people = {name: self.chain.fund(Account.named(name)) for name in names}
        self.venue = Baseline.create(
            self.chain,
            design,
            self.people["owner"],
            self.people["feed"],
            markets=markets,
            terms=Terms(),
            max_age_s=MAX_AGE_S,
        )
        self.contract, self.token = self.venue.contract, self.venue.token
        for pool in range(markets if design == "IsolatedOnly" else 1):
            self.venue.supply(pool, LIQUIDITY_Q, FUND_Q)
        for name in ("ada", "ben"):
            self.venue.mint(self.people[name], WALLET_Q)
        self.venue.set_prices(dict.fromkeys(range(markets), PRICE))
        self.start = self.chain.snapshot()

    def __getitem__(self, name):
        return self.people[name].address

    def do(self, who, name, *arguments):
        """Send a transaction; what it made happen."""
        return self.contract.events(self.contract.send(name, *arguments, sender=self.people[who]))

    def refusal(self, who, name, *arguments):
        """Why a transaction is refused; empty where it is not. Nothing of it stays."""
        with self.chain.attempt():
            try:
                self.contract.send(name, *arguments, sender=self.people[who])
            except RevertedError as error:
                return error.reason
        return ""

    def set_price(self, price, market=0):
        self.chain.warp(1)
        self.venue.set_prices({market: price})

    def see(self, name, *arguments):
        return self.contract.call(name, *arguments)

    def tokens(self, who):
        return self.token.call("balanceOf", self[who])


_DESKS = {}


def desk(design):
    """A desk as it was deployed; deployed once."""
    if design not in _DESKS:
        _DESKS[design] = Desk(design)
    _DESKS[design].chain.rollback(_DESKS[design].start)
    return _DESKS[design]
