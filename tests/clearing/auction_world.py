"""A house with auctions: one victim, a maker and a buyer, and a clock that can be moved."""

from msgspec.structs import replace

from clearing.world import World, liquidation
from ringfence.clearing import command as cmd
from ringfence.clearing.model import QUOTE
from ringfence.clearing.policy import Auction, Policy
from rules.edges import wad

HOUR = 3_600_000
TERMS = Auction(950_000, 700_000, 900_000, 12 * HOUR, HOUR, buffer_ppm=150_000)
"""Derive's schedule on mainnet, without its fee."""
BY_AUCTION = Policy(waterfall=("insurance", "socialize"))


def auctions(**changes):
    return liquidation(BY_AUCTION, auction=replace(TERMS, **changes))


class House(World):
    """`victim` buys 100 ETH at 100 with 1,000 and perhaps BTC; then ETH falls to `mark`."""

    def __init__(self, policy=None, mark=94, *, quote=1_000, btc=0, bought=100, price=100, **world):
        super().__init__(policy or auctions(), **world)
        self.open("victim", quote, btc=btc)
        for name in ("maker", "buyer"):
            self.open(name, 10**12)
        self.price(ETH=price)
        self.trade("ETH", bought, "victim", "maker")
        self.price(ETH=mark)

    def start(self):
        return self.ok(cmd.StartAuction("victim"))

    def wait(self, milliseconds, **marks):
        self.block += 1
        return self.ok(cmd.SetPrices(self.venue.time_ms + milliseconds, self.block, marks))

    def bid(self, share, bidder="buyer"):
        return self.ok(cmd.Bid("victim", bidder, wad(share)))

    def put(self, equity, margin):
        """Move the price until the position asks what it should, and the cash until equity is right."""
        self.block += 1
        lots = abs(self.lots("victim"))
        self.ok(cmd.SetPrices(self.venue.time_ms, self.block, {"ETH": -(-(equity - margin) // lots)}))
        short = equity - self.equity("victim")
        self.venue.subaccounts["victim"].balances[QUOTE] = self.quote("victim") + short
        self.venue.ledger["outside"][QUOTE] -= short

    @property
    def live(self):
        return self.venue.subaccounts["victim"].auction

    @property
    def surplus(self):
        return self.surplus_of("victim")

    def surplus_of(self, name):
        return self.risk(name).surplus_q
