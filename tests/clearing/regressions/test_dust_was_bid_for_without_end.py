"""A slice too small to hold an atom was sold again and again: what is due was never done."""

from clearing.world import World, liquidation
from ringfence.clearing import command as cmd
from ringfence.clearing.model import Sided
from ringfence.clearing.policy import Auction
from ringfence.clearing.resolve import BIDDER, Fills, resolve

STEPS = 50


class Patient(Fills):
    """Stops a keeper that never comes to an end."""

    steps = 0

    def filled(self, command, verdict):
        self.steps += 1
        assert self.steps < STEPS, f"still {command}: {verdict.events}"


def test_a_bid_that_takes_nothing_is_no_progress():
    world = World(liquidation(auction=Auction(1_000_000, 950_000, 0, 1_500, 3_000)))
    world.venue.assets["BTC"].weights = Sided(100, 50, 200, 100, 1_000)
    world.ok(cmd.OpenSubaccount(BIDDER, "venue", system=True))
    world.open("maker", 100_000)
    world.open("trader", btc=1)  # 900 after the haircut
    world.trade("ETH", 20, "trader", "maker")
    world.price(ETH=56)
    world.trade("ETH", -20, "trader", "maker")
    # Without a position, 880 owed and 45 asked for BTC: 20 is left, and of one atom of BTC no slice can be cut.
    resolve(world.house, ["trader"], Patient())
    left = world.venue.subaccounts["trader"]
    assert left.balances["BTC"] == 1
    assert left.auction is not None
