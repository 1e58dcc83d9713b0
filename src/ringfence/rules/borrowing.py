"""What a position pays the pool for the tokens that it keeps reserved.

Units: `_e30` USD and factors with 30 decimal places, rates per second; `_ppm` parts per million per interval.
Sources: gmx-io/gmx-synthetics@a5c0c883 contracts/market/MarketUtils.sol:2765-2880 (v2) and
gmx-io/gmx-contracts@fe55c4ba contracts/core/Vault.sol (v1).
"""

from .words import PPM, UInt, max_, mul_div_down, power_of_ten

E30 = power_of_ten(30)
"""One USD, or a factor of one."""


def usage_e30(reserved_e30: UInt, reservable_e30: UInt, open_e30: UInt = 0, open_max_e30: UInt = 0) -> UInt:
    """How far a side is used: of what may be reserved, or of the open interest allowed, whichever is more."""
    used_e30 = mul_div_down(reserved_e30, E30, reservable_e30)
    return max_(used_e30, mul_div_down(open_e30, E30, open_max_e30)) if open_max_e30 else used_e30


def kinked_rate_e30(used_e30: UInt, optimal_e30: UInt, base_e30: UInt, above_e30: UInt) -> UInt:
    """Borrowing rate that grows with usage at the base rate, and beyond the optimal usage fast enough to reach `above`.

    `used * base + (above - base) * (used - optimal) / (1 - optimal)`; each product rounds down.
    """
    rate_e30 = mul_div_down(used_e30, base_e30, E30)
    if used_e30 <= optimal_e30 or above_e30 <= base_e30:
        return rate_e30
    return rate_e30 + mul_div_down(above_e30 - base_e30, used_e30 - optimal_e30, E30 - optimal_e30)


def utilized_rate_e30(reserved_e30: UInt, pool_e30: UInt, factor_e30: UInt) -> UInt:
    """Borrowing rate in proportion to the share of the pool that is reserved; rounds down."""
    return mul_div_down(reserved_e30, factor_e30, pool_e30)


def accrued_fee_e30(size_e30: UInt, rate_e30: UInt, seconds: UInt) -> UInt:
    """Borrowing fee of a size over some seconds at a constant rate; rounds down."""
    return mul_div_down(size_e30, rate_e30 * seconds, E30)


def interval_rate_ppm(factor_ppm: UInt, reserved: UInt, pool: UInt, intervals: UInt) -> UInt:
    """v1: rise of the cumulative rate over whole intervals, in proportion to the share of the pool that is reserved.

    Source: Vault.sol getNextFundingRate; rounds down, an empty pool charges nothing.
    """
    return mul_div_down(factor_ppm * reserved, intervals, pool) if pool else 0


def interval_fee_e30(size_e30: UInt, risen_ppm: UInt) -> UInt:
    """v1: fee of a size for a rise of the cumulative rate since its entry; rounds down."""
    return mul_div_down(size_e30, risen_ppm, PPM)
