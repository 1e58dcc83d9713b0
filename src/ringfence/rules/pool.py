"""A liquidity pool as the counterparty of every trader: what it owes them, how much of that it lets out, and when.

Longs are paid in one token of the pool and shorts in the other, so the two sides are capped apart from each other. The
oracle gives a lowest and a highest price, and each use takes the one that is worse for the trader.

Units: profits and reserves are amounts of one unit of money, whichever; `_e30` are factors with 30 decimal places.
Source: gmx-io/gmx-synthetics@a5c0c883 contracts/position/PositionUtils.sol, contracts/market/MarketUtils.sol.
"""

from .words import TRUNC, Int, UInt, mul_div, mul_div_down, power_of_ten

E30 = power_of_ten(30)
"""A factor of one."""


def pnl_price(lowest: UInt, highest: UInt, is_long: bool) -> UInt:
    """The price that a position's worth is measured at: the lowest for a long, the highest for a short.

    Source: contracts/price/Price.sol:43.
    """
    return lowest if is_long else highest


def pnl(size: UInt, cost: UInt, price: UInt, is_long: bool) -> Int:
    """Unrealized PnL of `size` atoms at a price of one atom; exact. Source: PositionUtils.sol:180-236."""
    gain = size * price - cost
    return gain if is_long else -gain


def share_of_reserve(reserve: UInt, factor_e30: UInt) -> UInt:
    """Most that a side may be owed: a share of the reserve that pays it, rounded down."""
    return mul_div_down(reserve, factor_e30, E30)


def capped_profit(profit: Int, side_profit: Int, cap: UInt) -> Int:
    """A position's profit where all profit of its side together may be at most `cap`; rounds down, for the pool.

    Beyond the cap every winner gets the same share of its profit. Losses are never touched.
    Source: PositionUtils.sol:180-236, MarketUtils.sol getCappedPnl.
    """
    if profit <= 0 or side_profit <= cap:
        return profit
    return mul_div_down(profit, cap, side_profit)


def pnl_factor_e30(side_profit: Int, reserve: UInt) -> Int:
    """PnL of a side as a share of the reserve that pays it, towards zero; nothing where there is no reserve."""
    return mul_div(side_profit, E30, reserve, TRUNC) if reserve else 0


def deleveraging_due(side_profit: Int, reserve: UInt, trigger_e30: UInt) -> bool:
    """Whether a side is owed more than the share of its reserve at which winners are closed; not at equality.

    Source: contracts/adl/AdlUtils.sol updateAdlState, MarketUtils.sol isPnlFactorExceeded.
    """
    return pnl_factor_e30(side_profit, reserve) > trigger_e30


def deleveraging_stands(
    before_profit: Int, before_reserve: UInt, after_profit: Int, after_reserve: UInt, floor_e30: UInt
) -> bool:
    """May winners be closed so? It must lower what the side is owed of its reserve, and not push it below the floor.

    Which winner is closed is the keeper's choice. Source: contracts/exchange/AdlHandler.sol, AdlUtils.sol:86-235.
    """
    before_e30 = pnl_factor_e30(before_profit, before_reserve)
    return floor_e30 <= pnl_factor_e30(after_profit, after_reserve) < before_e30
