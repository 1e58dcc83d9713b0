"""A lending market's account: health factor, how much debt one liquidation repays and what collateral it seizes.

Worths are in the oracle's base currency (USD with 8 decimals on Aave), amounts in atoms of their token, shares in
basis points (`_bps`, 10,000 is the whole), health factors in 1e18.
"""

from .words import FLOOR, WAD, UInt, min_, mul_div, mul_div_down, mul_div_up

BPS = 10_000
HALF_UP = 3
"""A fourth direction of rounding: to the nearest, halves up."""


def percent_mul(value: UInt, share_bps: UInt, rounding: UInt) -> UInt:
    """A share of a value; half-up in the venue's plain function, floor or ceil in its explicit ones.

    Source: Aave v3 `aave-v3-origin@fd1fbd91 src/contracts/protocol/libraries/math/PercentageMath.sol`.
    """
    return fixed_mul(value, share_bps, BPS, rounding)


def percent_div(value: UInt, share_bps: UInt, rounding: UInt) -> UInt:
    """The value of which `value` is a share.

    Source: Aave v3 `aave-v3-origin@fd1fbd91 src/contracts/protocol/libraries/math/PercentageMath.sol`.
    """
    return fixed_mul(value, BPS, share_bps, rounding)


def fixed_mul(value: UInt, factor: UInt, scale: UInt, rounding: UInt) -> UInt:
    """`value * factor / scale`, where `rounding` may also be `HALF_UP`."""
    if rounding == HALF_UP:
        return mul_div_down(2 * value * factor + scale, 1, 2 * scale)
    return mul_div(value, factor, scale, rounding)


def collateral_worth(amount: UInt, price: UInt, unit: UInt) -> UInt:
    """Worth of collateral, rounded down.

    Source: Aave v3 `aave-v3-origin@fd1fbd91 src/contracts/protocol/libraries/logic/GenericLogic.sol:65-183`.
    """
    return mul_div_down(amount, price, unit)


def debt_worth(amount: UInt, price: UInt, unit: UInt) -> UInt:
    """Worth of a debt, rounded up.

    Source: Aave v3 `aave-v3-origin@fd1fbd91 src/contracts/protocol/libraries/logic/GenericLogic.sol:65-183`.
    """
    return mul_div_up(amount, price, unit)


def health_factor_wad(weighted: UInt, debt: UInt) -> UInt:
    """Collateral by its liquidation thresholds over debt: half-up at the threshold's precision, then cut.

    `weighted` is the sum of each worth times its threshold in basis points; without debt there is no health factor.
    Source: Aave v3 `aave-v3-origin@fd1fbd91 src/contracts/protocol/libraries/logic/GenericLogic.sol:65-183`.
    """
    return mul_div_down(fixed_mul(weighted, WAD, debt, HALF_UP), 1, BPS)


def close_factor_bps(
    health_wad: UInt, limit_wad: UInt, collateral: UInt, debt: UInt, minimum: UInt, share_bps: UInt
) -> UInt:
    """Share of the debt that one liquidation may repay: all of it at or below the limit of health.

    All of it, too, where the collateral to be seized or the debt to be repaid is worth less than `minimum`.
    Source: Aave v3 `aave-v3-origin@fd1fbd91 src/contracts/protocol/libraries/logic/LiquidationLogic.sol:43-64,270-360`;
    before v3.3 the minimum was 0.
    """
    if health_wad <= limit_wad or collateral < minimum or debt < minimum:
        return BPS
    return share_bps


def liquidatable_debt(
    debt_amount: UInt, debt: UInt, total_debt: UInt, factor_bps: UInt, price: UInt, unit: UInt
) -> UInt:
    """Most of one debt that a liquidation may repay: the close factor counts of all debts together.

    Source: Aave v3 `aave-v3-origin@fd1fbd91 src/contracts/protocol/libraries/logic/LiquidationLogic.sol:270-360`.
    """
    allowed = percent_mul(total_debt, factor_bps, HALF_UP)
    if factor_bps == BPS or debt <= allowed:
        return debt_amount
    return mul_div_down(allowed, unit, price)


def collateral_for_debt(
    debt_amount: UInt, debt_price: UInt, debt_unit: UInt, price: UInt, unit: UInt
) -> UInt:
    """Collateral of the same worth as an amount of debt, without the bonus, rounded down."""
    return mul_div_down(debt_amount * debt_price, unit, price * debt_unit)


def seized(base_amount: UInt, bonus_bps: UInt, rounding: UInt) -> UInt:
    """Collateral that a liquidation takes, bonus included (10,500 is a bonus of 5 %): down since v3.7, half-up before.

    Source: Aave v3 `aave-v3-origin@fd1fbd91 docs/3.7/liquidation-rounding.md`.
    """
    return percent_mul(base_amount, bonus_bps, rounding)


def debt_for_all(
    amount: UInt, price: UInt, unit: UInt, debt_price: UInt, debt_unit: UInt, bonus_bps: UInt, rounding: UInt
) -> UInt:
    """Debt that seizing all of a collateral repays: up since v3.5, half-up before.

    Source: Aave v3 `aave-v3-origin@fd1fbd91 src/contracts/protocol/libraries/logic/LiquidationLogic.sol`.
    """
    return percent_div(mul_div_down(price * amount, debt_unit, debt_price * unit), bonus_bps, rounding)


def protocol_fee(amount: UInt, bonus_bps: UInt, fee_bps: UInt, base_rounding: UInt, rounding: UInt) -> UInt:
    """The protocol's part of the bonus in collateral seized: base down and fee up since v3.7, both half-up before.

    Source: Aave v3 `aave-v3-origin@fd1fbd91 docs/3.7/liquidation-rounding.md`.
    """
    return percent_mul(amount - percent_div(amount, bonus_bps, base_rounding), fee_bps, rounding)


def leaves_dust(debt_left: UInt, collateral_left: UInt, minimum: UInt) -> bool:
    """Would a liquidation that ends neither debt nor collateral leave less than `minimum` of one? It is refused.

    Source: Aave v3 `aave-v3-origin@fd1fbd91 src/contracts/protocol/libraries/logic/LiquidationLogic.sol:43-64`.
    """
    return min_(debt_left, collateral_left) < minimum and debt_left > 0 and collateral_left > 0


def available_borrows(collateral: UInt, ltv_bps: UInt, debt: UInt) -> UInt:
    """Worth that may still be borrowed against collateral with a mean loan-to-value, rounded down.

    Source: Aave v3 `aave-v3-origin@fd1fbd91 src/contracts/protocol/libraries/logic/GenericLogic.sol`.
    """
    most = percent_mul(collateral, ltv_bps, FLOOR)
    return most - debt if most > debt else 0


def within_ceiling(debt_cents: UInt, amount: UInt, unit: UInt, ceiling_cents: UInt) -> bool:
    """May `amount` more be borrowed against an isolated collateral (up to v3.6)?

    The ceiling counts hundredths of a token, cut, each token as one USD: only stable coins could be borrowed.

    Source: Aave v3 `aave-v3-core@782f5191 contracts/protocol/libraries/logic/ValidationLogic.sol` (debt ceiling).
    """
    return debt_cents + mul_div_down(amount, 100, unit) <= ceiling_cents
