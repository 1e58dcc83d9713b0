"""StarkEx's fixed point: a grid on which margin is exact.

Prices and worth have 32 binary places, risk factors too, and so total risk, worth times factor, has 64. Nothing rounds
but the factor itself, downwards: an account whose equity is exactly the rate's share of its positions is safe.

Source: `starkware-libs/stark-perpetual@40f02826`, below `src/services/perpetual/cairo/`:
`definitions/constants.cairo`, `position/status.cairo:17-73`, `definitions/general_config.cairo`.
"""

from .words import Int, UInt, mul_div_down

FXP_32 = 4_294_967_296
"""One, with 32 binary places."""
VALUE_LIMIT_FXP64 = 9_223_372_036_854_775_808 * FXP_32 * FXP_32
"""Total value lies from minus this (2^63 collateral atoms) to just below it."""
RISK_LIMIT_FXP64 = 18_446_744_073_709_551_616 * FXP_32 * FXP_32
"""Total risk lies below this (2^64 collateral atoms)."""


def collateral_fxp64(collateral_q: Int) -> Int:
    """Collateral atoms on the grid of total risk."""
    return collateral_q * FXP_32 * FXP_32


def risk_factor_fxp32(rate_num: UInt, rate_den: UInt) -> UInt:
    """A maintenance margin rate as a risk factor, rounded down: in favour of the trader."""
    return mul_div_down(rate_num, FXP_32, rate_den)


def is_well_leveraged(value_fxp64: Int, risk_fxp64: UInt) -> bool:
    """Does total value cover total risk? At equality it does; a liquidation is legal only where it does not."""
    return risk_fxp64 <= value_fxp64


def is_value_in_range(value_fxp64: Int) -> bool:
    """Can the program hold this total value?"""
    return -VALUE_LIMIT_FXP64 <= value_fxp64 < VALUE_LIMIT_FXP64


def is_risk_in_range(risk_fxp64: UInt) -> bool:
    """Can the program hold this total risk?"""
    return risk_fxp64 < RISK_LIMIT_FXP64
