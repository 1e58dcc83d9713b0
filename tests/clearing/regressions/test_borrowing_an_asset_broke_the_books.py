"""An asset that may be owed could not be borrowed: the check of transfers allowed nobody less than nothing of it."""

from clearing.world import World
from ringfence.clearing import command as cmd
from ringfence.clearing.policy import Sided
from ringfence.clearing.verdict import Reason


def test_an_asset_with_weights_is_borrowed_and_asks_for_margin():
    world = World()
    world.open("trader", 2_000)
    world.no(cmd.Withdraw("trader", "BTC", 1), Reason.BALANCE_TOO_SMALL)
    world.venue.assets["BTC"].weights = Sided(100, 50, 200, 100, 1_000)
    world.ok(cmd.Withdraw("trader", "BTC", 1))
    # A debt counts in full, 1,000, and asks 10 % of that in maintenance and 20 % in initial margin.
    assert world.venue.subaccounts["trader"].balances["BTC"] == -1
    assert (world.risk("trader").equity_q, world.risk("trader").maintenance_q) == (1_000, 100)
    assert world.risk("trader").initial_q == 200
