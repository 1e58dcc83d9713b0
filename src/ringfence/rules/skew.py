"""What a trade against a pool costs when the pool's depth is a number: fill price, premium, funding and margin rates.

The market's *skew* is what longs hold less what shorts hold, and its *skew scale* the size at which price, premium and
funding reach their full effect. Everything counts in 1e18 fixed point (`_wad`): sizes in base units, prices and amounts
in USD, rates as shares. Every product and quotient is cut off towards zero, one at a time and in the venue's order, so
nothing here favours anyone on purpose; a requirement comes out at most a few wei low.

Sources: `Synthetixio/synthetix@1609d156 contracts/PerpsV2MarketBase.sol` (v2) and `Synthetixio/synthetix-v3@23585f73
markets/perps-market/contracts/storage/` (v3), `markets/bfp-market/contracts/storage/Position.sol` (bfp).
"""

from .words import TRUNC, WAD, Int, UInt, abs_, max_, min_, mul_div, mul_div_down

DAY_S = 86_400


# -- price ----------------------------------------------------------------------------------------------------------


def proportional_skew_wad(skew_wad: Int, scale_wad: UInt) -> Int:
    """Skew as a share of the scale; 0 in a market without a scale."""
    return mul_div(skew_wad, WAD, scale_wad, TRUNC) if scale_wad > 0 else 0


def skewed_price_wad(price_wad: UInt, skew_wad: Int, scale_wad: UInt) -> Int:
    """The oracle price with the premium (or, where shorts prevail, the discount) of a skew."""
    return price_wad + mul_div(price_wad, proportional_skew_wad(skew_wad, scale_wad), WAD, TRUNC)


def fill_price_wad(price_wad: UInt, skew_wad: Int, size_wad: Int, scale_wad: UInt) -> Int:
    """Price of a trade of `size_wad`: the mean of the skewed prices before and after it.

    Source: v2 `PerpsV2MarketBase.sol:611-650`; v3 `AsyncOrder.sol` (`calculateFillPrice`).
    """
    before_wad = skewed_price_wad(price_wad, skew_wad, scale_wad)
    after_wad = skewed_price_wad(price_wad, skew_wad + size_wad, scale_wad)
    return mul_div(before_wad + after_wad, 1, 2, TRUNC)


def notional_wad(size_wad: Int, price_wad: UInt) -> UInt:
    """Absolute worth of a position."""
    return mul_div_down(abs_(size_wad), price_wad, WAD)


def pnl_wad(size_wad: Int, price_wad: UInt, entry_wad: UInt) -> Int:
    """Profit on price, towards zero: a loss is understated by at most a wei."""
    return mul_div(size_wad, price_wad - entry_wad, WAD, TRUNC)


def order_fee_wad(size_wad: Int, fill_wad: UInt, skew_wad: Int, maker_wad: UInt, taker_wad: UInt) -> UInt:
    """Fee on a fill: the maker's rate on the part that reduces the skew, the taker's on the part that adds to it.

    Source: v2 `PerpsV2MarketBase.sol` (`_orderFee`), v3 `AsyncOrder.sol` (`calculateOrderFee`).
    """
    worth_wad, after_wad = notional_wad(size_wad, fill_wad), skew_wad + size_wad
    if size_wad * skew_wad >= 0:
        return mul_div_down(worth_wad, taker_wad, WAD)
    if after_wad * skew_wad >= 0:
        return mul_div_down(worth_wad, maker_wad, WAD)
    taking_wad = mul_div_down(abs_(after_wad), WAD, abs_(size_wad))
    taken_wad = mul_div_down(mul_div_down(worth_wad, taking_wad, WAD), taker_wad, WAD)
    return taken_wad + mul_div_down(mul_div_down(worth_wad, WAD - taking_wad, WAD), maker_wad, WAD)


def premium_wad(size_wad: Int, price_wad: UInt, scale_wad: UInt, multiplier_wad: UInt) -> UInt:
    """What closing a position would lose against an even market, times a multiplier: `size / scale * notional`.

    Source: v2 `PerpsV2MarketBase.sol:419-440` (`_liquidationPremium`).
    """
    share_wad = proportional_skew_wad(abs_(size_wad), scale_wad)
    return mul_div_down(mul_div_down(share_wad, notional_wad(size_wad, price_wad), WAD), multiplier_wad, WAD)


# -- funding --------------------------------------------------------------------------------------------------------


def funding_velocity_wad(skew_wad: Int, scale_wad: UInt, max_velocity_wad: UInt) -> Int:
    """Change of the daily funding rate per day: the skew's share of the scale, at most all of it, of the greatest one.

    Source: v2 `PerpsV2MarketBase.sol:155-175`, v3 `PerpsMarket.sol` (`currentFundingVelocity`).
    """
    share_wad = min_(max_(proportional_skew_wad(skew_wad, scale_wad), -WAD), WAD)
    return mul_div(share_wad, max_velocity_wad, WAD, TRUNC)


def elapsed_wad(seconds: UInt) -> UInt:
    """A time in days."""
    return mul_div_down(seconds, WAD, DAY_S)


def funding_rate_wad(rate_wad: Int, velocity_wad: Int, days_wad: UInt) -> Int:
    """Daily funding rate after a time in which the skew, and so the velocity, stood still.

    Source: v2 `PerpsV2MarketBase.sol:183-205`, v3 `PerpsMarket.sol` (`currentFundingRate`).
    """
    return rate_wad + mul_div(velocity_wad, days_wad, WAD, TRUNC)


def funding_per_unit_wad(rate_wad: Int, next_rate_wad: Int, days_wad: UInt, price_wad: UInt) -> Int:
    """What one base unit held long receives (negative: pays) while the rate went from one value to the next.

    The mean of both rates for the whole time, at the present price. Source: v2 `PerpsV2MarketBase.sol:207-220`, v3
    `PerpsMarket.sol` (`unrecordedFunding`).
    """
    mean_wad = -mul_div(rate_wad + next_rate_wad, 1, 2, TRUNC)
    return mul_div(mul_div(mean_wad, days_wad, WAD, TRUNC), price_wad, WAD, TRUNC)


def accrued_funding_wad(size_wad: Int, per_unit_wad: Int) -> Int:
    """What a position receives (negative: pays) of funding per base unit."""
    return mul_div(size_wad, per_unit_wad, WAD, TRUNC)


# -- margin ---------------------------------------------------------------------------------------------------------


def initial_ratio_wad(
    size_wad: Int, scale_wad: UInt, slope_wad: UInt, least_wad: UInt, most_wad: UInt = 0
) -> UInt:
    """Initial margin rate of a position: `size / scale * slope + least`, at most `most` (0 is no cap).

    Source: v3 `PerpsMarketConfiguration.sol:115-155`; with a cap bfp `Position.sol:477-525`.
    """
    share_wad = proportional_skew_wad(abs_(size_wad), scale_wad)
    ratio_wad = mul_div_down(share_wad, slope_wad, WAD) + least_wad
    return min_(ratio_wad, most_wad) if most_wad > 0 else ratio_wad


def maintenance_ratio_wad(initial_wad: UInt, scalar_wad: UInt) -> UInt:
    """Maintenance margin rate as a share of the initial one."""
    return mul_div_down(initial_wad, scalar_wad, WAD)


def margin_wad(worth_wad: UInt, ratio_wad: UInt, addition_wad: UInt) -> UInt:
    """A margin: a share of the notional and an amount added for every open position."""
    return mul_div_down(worth_wad, ratio_wad, WAD) + addition_wad


def inaccessible_wad(worth_wad: UInt, max_leverage_wad: UInt, least_wad: UInt) -> UInt:
    """Margin that cannot be withdrawn from under a position; a thousandth is kept back against rounding.

    `max(notional / (maximum leverage - 0.001), least) + 0.001`, and nothing without a position. Source: v2
    `PerpsV2MarketBase.sol:336-360` (`_accessibleMargin`).
    """
    milli_wad = mul_div_down(WAD, 1, 1000)
    bound_wad = mul_div_down(worth_wad, WAD, max_leverage_wad - milli_wad)
    return max_(bound_wad, least_wad) + milli_wad if bound_wad > 0 else 0


def approximate_liquidation_price_wad(
    size_wad: Int, entry_wad: UInt, margin_left_wad: Int, maintenance_wad: UInt, per_unit_wad: Int
) -> UInt:
    """The liquidation price that v2 displays: where a loss leaves `maintenance_wad`, taken at the *present* price.

    `margin_left_wad` is the margin less the liquidation premium, also at the present price, and `per_unit_wad` the
    funding that one base unit has received. Maintenance margin and premium move with the price, so this is the trigger
    only once the price is there. Until then it shows too high on both sides: a long is still safe at it, and a short is
    liquidated before it. Never below zero. Source: v2 `PerpsV2MarketViews.sol:351-385` (`_approxLiquidationPrice`).
    """
    room_wad = maintenance_wad - margin_left_wad if size_wad > 0 else margin_left_wad - maintenance_wad
    return max_(0, entry_wad + mul_div(room_wad, WAD, abs_(size_wad), TRUNC) - per_unit_wad)


# -- collateral -----------------------------------------------------------------------------------------------------


def discount_wad(
    amount_wad: UInt, spot_scale_wad: UInt, scalar_wad: UInt, lower_wad: UInt, upper_wad: UInt
) -> UInt:
    """Haircut of collateral, growing with its amount against the depth of its spot market, between two bounds.

    Without a depth there is no haircut. Source: v3 `PerpsCollateralConfiguration.sol` (`valueInUsd`).
    """
    if spot_scale_wad == 0:
        return 0
    impact_wad = mul_div_down(mul_div_down(amount_wad, WAD, spot_scale_wad), scalar_wad, WAD)
    return min_(max_(impact_wad, lower_wad), upper_wad)


def discounted_wad(worth_wad: UInt, share_wad: UInt) -> UInt:
    """Collateral after its haircut."""
    return mul_div_down(worth_wad, WAD - share_wad, WAD)
