"""What a position must be backed by: initial and maintenance margin.

Every function is one leg's scalar rule. `notional_q` is the leg's absolute worth in quote atoms; rates are fractions
`num / den` because real venues have rates that parts per million cannot hold (Hyperliquid: 1 / (2 x max leverage)).
"""

from .words import PPM, Int, UInt, max_, mul_div, mul_div_down


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
