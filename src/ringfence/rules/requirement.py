"""What a position must be backed by: initial and maintenance margin.

Every function is one leg's scalar rule. `notional_q` is the leg's absolute worth in quote atoms; rates are fractions
`num / den` because real venues have rates that parts per million cannot hold (Hyperliquid: 1 / (2 x max leverage)).
"""

from .words import PPM, Int, UInt, isqrt, max_, min_, mul_div, mul_div_down


def fraction_q(notional_q: UInt, rate_num: UInt, rate_den: UInt, rounding: UInt) -> UInt:
    """A flat share of the notional."""
    return mul_div(notional_q, rate_num, rate_den, rounding)


def tier_deduction(previous: Int, lower_q: UInt, rate_num: UInt, rate_num_below: UInt) -> Int:
    """Deduction of the tier that starts at `lower_q`, times the rates' denominator; makes the tiers continuous.

    Source: Hyperliquid docs, margin tiers: `ded_k = ded_(k-1) + lower_k * (rate_k - rate_(k-1))`.
    """
    return previous + lower_q * (rate_num - rate_num_below)


def tiered_q(notional_q: UInt, rate_num: UInt, deduction: Int, rate_den: UInt, rounding: UInt) -> UInt:
    """`(notional * rate - deduction) / den` with the rate and deduction of the tier of `notional_q`."""
    return mul_div(notional_q * rate_num - deduction, 1, rate_den, rounding)


def open_interest_fraction_ppm(
    initial_ppm: UInt, open_notional_q: UInt, lower_q: UInt, upper_q: UInt
) -> UInt:
    """Initial margin fraction that grows with the market's open interest up to 100 %; the growth rounds down.

    Source: dYdX v4 `x/perpetuals/types/liquidity_tier.go` (OIMF); an upper cap of zero switches it off.
    """
    if upper_q == 0 or open_notional_q <= lower_q:
        return initial_ppm
    if open_notional_q >= upper_q:
        return PPM
    return initial_ppm + mul_div_down(PPM - initial_ppm, open_notional_q - lower_q, upper_q - lower_q)


def open_interest_rate_num(
    rate_num: UInt, rate_den: UInt, open_notional_q: UInt, open_num: UInt, open_den: UInt
) -> UInt:
    """Initial margin rate that is at least `open_num / open_den` per quote atom of open interest; rounds down.

    Source: GMX v2 `MarketUtils.sol:2392-2430` (`minCollateralFactorForOpenInterestMultiplier`).
    """
    return max_(rate_num, mul_div_down(open_notional_q * open_num, rate_den, open_den))


def maintenance_of_initial_q(
    notional_q: UInt, initial_ppm: UInt, maintenance_fraction_ppm: UInt, rounding: UInt
) -> UInt:
    """Maintenance as a share of the base initial margin, each rounded (dYdX v4: two ceilings)."""
    return mul_div(mul_div(notional_q, initial_ppm, PPM, rounding), maintenance_fraction_ppm, PPM, rounding)


def with_leverage_q(
    required_q: UInt, notional_q: UInt, leverage_num: UInt, leverage_den: UInt, rounding: UInt
) -> UInt:
    """Initial margin when the trader chose a leverage: never less than `notional / leverage`."""
    if leverage_num == 0:
        return required_q
    return max_(required_q, mul_div(notional_q, leverage_den, leverage_num, rounding))


def withdrawal_q(initial_q: UInt, notional_q: UInt, floor_ppm: UInt, rounding: UInt) -> UInt:
    """What must stay behind when collateral leaves.

    Source: Hyperliquid docs, margining: `max(initial margin, 10 % of notional)`.
    """
    return max_(initial_q, mul_div(notional_q, floor_ppm, PPM, rounding))


def skew_rate_num(
    size_b: UInt, scale_b: UInt, rate_num: UInt, slope_num: UInt, cap_num: UInt, rounding: UInt
) -> UInt:
    """Margin rate that grows with the size of a position against the depth of its market, at most `cap_num`.

    `rate + size / scale * slope`; a cap of zero is none. Source: Synthetix v3
    `PerpsMarketConfiguration.sol:115-155` and, with a rate of zero, the liquidation premium of v2
    (`PerpsV2MarketBase.sol:419-440`).
    """
    grown_num = rate_num + mul_div(size_b, slope_num, scale_b, rounding)
    return min_(grown_num, cap_num) if cap_num > 0 else grown_num


def root_rate_num(
    size_b: UInt, unit_b: UInt, rate_num: UInt, rate_den: UInt, factor_num: UInt, factor_den: UInt
) -> UInt:
    """Margin rate with a premium for size: `max(rate, 0.8 rate + factor * sqrt(size in base units))`, rounded down.

    `unit_b` is one base unit in atoms; the answer is over `rate_den`. The root is taken of billionths of a unit and
    kept to five places, as the venue does. Source: Drift v2 `programs/drift/src/math/margin.rs:47-80`.
    """
    root = isqrt(mul_div_down(size_b, 1_000_000_000, unit_b) * 10 + 1)
    premium_num = mul_div_down(root, factor_num * rate_den, 100_000 * factor_den)
    return (
        max_(rate_num, rate_num - mul_div_down(rate_num, 1, 5) + premium_num) if factor_num > 0 else rate_num
    )


def close_cost_q(
    base_q: UInt, rate_num: UInt, rate_den: UInt, lower_q: UInt, upper_q: UInt, rounding: UInt
) -> UInt:
    """Estimated cost of closing a position: a share of `base_q` within bounds; an upper bound of zero is none.

    Source: Synthetix v2 `PerpsV2MarketBase.sol:369-397` (keeper fee between its bounds), GMX closing fees.
    """
    cost_q = max_(mul_div(base_q, rate_num, rate_den, rounding), lower_q)
    return min_(cost_q, upper_q) if upper_q > 0 else cost_q


def uncounted_profit_q(profit_q: Int, cap_q: UInt) -> UInt:
    """Unrealized profit that initial margin does not let count: what exceeds the cap.

    Source: GMX v2 `PositionUtils.sol:454-520` (none counts), Drift v2 (at most 100 USD per market).
    """
    return max_(0, profit_q - cap_q)
