"""How far a funding rate may go."""

from .words import PPM, UInt, mul_div_down


def maintenance_ppm(initial_ppm: UInt, maintenance_fraction_ppm: UInt) -> UInt:
    """Maintenance margin of a liquidity tier as a share of notional, rounded down.

    Funding alone reads it; the requirement rounds twice, in quote atoms (`requirement.maintenance_of_initial_q`).
    Source: dYdX v4 `x/perpetuals/types/liquidity_tier.go` (`GetMaintenanceMarginPpm`).
    """
    return mul_div_down(initial_ppm, maintenance_fraction_ppm, PPM)


def rate_cap_ppm(clamp_factor_ppm: UInt, initial_ppm: UInt, maintenance_fraction_ppm: UInt) -> UInt:
    """Largest magnitude of a funding rate: the factor times initial less maintenance margin, rounded down.

    Source: dYdX v4 `x/perpetuals/types/liquidity_tier.go` (`GetMaxAbsFundingClampPpm`).
    """
    spread_ppm = initial_ppm - maintenance_ppm(initial_ppm, maintenance_fraction_ppm)
    return mul_div_down(clamp_factor_ppm, spread_ppm, PPM)
