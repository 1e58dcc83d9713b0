"""A funding rate that drifts for as long as open interest is uneven, instead of following it at once.

The rate is kept from one moment to the next; positive: longs pay. It rises with the imbalance, rests while that is
small, and falls slowly back when it is smaller still.

Units: `_e30` factors with 30 decimal places, rates per second.
Source: gmx-io/gmx-synthetics@a5c0c883 contracts/market/MarketUtils.sol:1542 (getNextFundingFactorPerSecond).
"""

from .words import Int, UInt, abs_, max_, min_, mul_div_down, power_of_ten

E30 = power_of_ten(30)
"""A factor of one."""


def imbalance_e30(long_e30: UInt, short_e30: UInt) -> UInt:
    """Difference of open interest as a share of all of it; rounds down."""
    total_e30 = long_e30 + short_e30
    return mul_div_down(abs_(long_e30 - short_e30), E30, total_e30) if total_e30 else 0


def drifted_e30(
    rate_e30: Int,
    long_e30: UInt,
    short_e30: UInt,
    seconds: UInt,
    rise_e30: UInt,
    fall_e30: UInt,
    steady_e30: UInt,
    low_e30: UInt,
    most_e30: UInt,
) -> Int:
    """The kept rate after some seconds of constant open interest, within `most_e30` in magnitude.

    While the rate already charges the larger side it rises by `imbalance * rise` above an imbalance of `steady`, falls
    by `fall` below one of `low`, and rests between them. While it charges the smaller side it moves towards the larger.
    A fall ends at one unit, so that the side which paid is remembered.
    """
    uneven_e30 = imbalance_e30(long_e30, short_e30)
    skew = 1 if long_e30 > short_e30 else -1 if long_e30 < short_e30 else 0
    charges_larger = rate_e30 * skew > 0
    if not charges_larger or uneven_e30 > steady_e30:
        next_e30 = rate_e30 + skew * mul_div_down(uneven_e30, rise_e30, E30) * seconds
    elif uneven_e30 < low_e30:
        sign = 1 if rate_e30 > 0 else -1
        next_e30 = sign * max_(1, abs_(rate_e30) - fall_e30 * seconds)
    else:
        next_e30 = rate_e30
    return max_(-most_e30, min_(most_e30, next_e30))


def charged_e30(rate_e30: Int, least_e30: UInt) -> Int:
    """The rate that is charged: the kept one, and at least `least_e30` to the side it names; at zero longs pay.

    Source: contracts/utils/Calc.sol boundMagnitude.
    """
    return min_(rate_e30, -least_e30) if rate_e30 < 0 else max_(rate_e30, least_e30)
