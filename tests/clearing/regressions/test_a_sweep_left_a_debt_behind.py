"""A flat child handed its collateral back to the parent although it owed quote: the debt stayed behind, unbacked."""

from clearing.world import World
from ringfence.clearing import command as cmd
from ringfence.clearing.model import QUOTE


def test_collateral_stays_until_the_debt_is_paid():
    world = World()
    world.open("trader", btc=1)
    world.open("maker", 100_000)
    world.open("trader.eth", parent="trader")
    world.ok(cmd.TransferMargin("trader", "trader.eth", "BTC", 1))
    world.ok(cmd.Reserve("trader.eth", "bid", "ETH", 50))
    world.ok(cmd.Trade("ETH", 50, 100, "trader.eth", "maker", taker_order="bid"))
    world.price(ETH=90)
    world.trade("ETH", -50, "trader.eth", "maker")
    assert world.venue.subaccounts["trader.eth"].balances == {QUOTE: -500, "BTC": 1}
    assert world.resolve() == ["SellCollateral"]
    assert world.venue.subaccounts["trader"].balances == {QUOTE: 450}  # 1,000 less 5 %, less 500
    assert world.venue.subaccounts["trader.eth"].balances == {}
