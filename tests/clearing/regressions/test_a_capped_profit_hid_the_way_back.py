"""A profit that the pool caps makes the surplus turn: safe between two prices, liquidatable on both sides of them.

Only the ends of all prices were compared, so the way back to safety was not found.
"""

from msgspec.structs import replace

from clearing.world import ONE, empty_venue
from ringfence.clearing.model import QUOTE, Position, Side, Subaccount
from ringfence.clearing.policy import Solvency
from ringfence.clearing.risk import asset_price, is_liquidatable
from ringfence.clearing.solve import displayed_price, liquidation_price


def stood(mark, cash, coins=0):
    """`a` is long 100 from 50, others 900 from 100; the pool pays longs half of 2,000 and of its coins, and no more."""
    venue = empty_venue()
    market = venue.markets["ETH"] = replace(
        venue.markets["ETH"], mark=mark, index=mark, solvency=Solvency(10**6, 0, 0), longs=Side(1_000, 95_000)
    )
    venue.assets["BTC"] = replace(venue.assets["BTC"], price=mark, market=market.id, scale=ONE)
    venue.subaccounts["market/ETH"] = Subaccount("market/ETH", "venue", system=True)
    venue.subaccounts["market/ETH"].balances = {QUOTE: 2_000, "BTC": coins}
    a = venue.subaccounts["a"] = Subaccount("a", "a")
    a.positions, a.balances = {"ETH": Position(100, 5_000, 0)}, {QUOTE: cash - 5_000}
    return venue, a


def test_both_sides_of_what_is_safe_are_found():
    # 5 % of 100 lots. At 94: 4,400 - 4,000 < 470; at 95 it is 500 of 475. The longs earn 1,000 at 96, and at 97 only
    # half of the profit of 4,700 is paid: 2,350 - 4,000 < 485.
    venue, a = stood(90, -4_000)
    assert [price for price in range(80, 120) if not is_liquidatable(venue, a, {"ETH": price})] == [95, 96]
    assert liquidation_price(venue, a, "ETH") == 94
    venue, a = stood(96, -4_000)
    assert liquidation_price(venue, a, "ETH") == 97
    venue, a = stood(110, -4_000)
    assert liquidation_price(venue, a, "ETH") == 97


def test_the_price_shown_is_the_same_to_the_last_digit():
    # 100 (p - 50) - 4,000 = 5 p at 9,000 / 95.
    venue, a = stood(90, -4_000)
    assert abs(displayed_price(venue, a, "ETH") * 95 - 9_000) < 10**-15


def test_the_coins_of_the_pool_move_with_the_market():
    venue, a = stood(100, -1_500, coins=40)
    price = liquidation_price(venue, a, "ETH")
    for at, bad in ((price, True), (price + (1 if price < 100 else -1), False)):
        btc = replace(venue.assets["BTC"], price=asset_price(venue, venue.assets["BTC"], {"ETH": at}))
        market = replace(venue.markets["ETH"], mark=at, index=at)
        moved = replace(venue, markets={**venue.markets, "ETH": market}, assets={"BTC": btc})
        assert is_liquidatable(moved, a) is bad
