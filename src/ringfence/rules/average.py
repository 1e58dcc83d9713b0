"""Positions kept as a size in USD and an average price: their PnL, and the average after they grow.

Units: `_e30` USD with 30 decimal places; prices in the same. The magnitude of PnL rounds down, whoever it favours.
Source: gmx-io/gmx-contracts@fe55c4ba contracts/core/Vault.sol:891-959.
"""

from .words import Int, UInt, abs_, mul_div_down

BPS = 10_000


def in_profit(average_e30: UInt, price_e30: UInt, is_long: bool) -> bool:
    """Whether a position has gained: the price is above its average for a long, below it for a short; not at it."""
    return price_e30 > average_e30 if is_long else price_e30 < average_e30


def pnl_e30(size_e30: UInt, average_e30: UInt, price_e30: UInt, is_long: bool, least_bps: UInt = 0) -> Int:
    """`size * |average - price| / average`, signed: what a position gained or (negative) lost.

    A profit of at most `least_bps` of the size counts as none: soon after a trade it could come from a late oracle.
    """
    moved_e30 = mul_div_down(size_e30, abs_(price_e30 - average_e30), average_e30)
    if not in_profit(average_e30, price_e30, is_long):
        return -moved_e30
    return 0 if moved_e30 * BPS <= size_e30 * least_bps else moved_e30


def next_average_e30(
    size_e30: UInt, added_e30: UInt, pnl_now_e30: Int, price_e30: UInt, is_long: bool
) -> UInt:
    """Average price after `added_e30` at `price_e30`, at which the grown position has the PnL that it had; rounds down.

    `price * next size / (next size + pnl)` for a long, `- pnl` for a short. Where the price of the addition is not the
    one that PnL is measured at, the position loses a little.
    """
    grown_e30 = size_e30 + added_e30
    carried_e30 = pnl_now_e30 if is_long else -pnl_now_e30
    return mul_div_down(price_e30, grown_e30, grown_e30 + carried_e30)


def leverage_bps(size_e30: UInt, collateral_e30: UInt) -> UInt:
    """Size over collateral in basis points (10,000 is 1x), rounded down."""
    return mul_div_down(size_e30, BPS, collateral_e30)
