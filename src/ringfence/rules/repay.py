"""Collateral sold to repay a debt in the settlement asset: how much may be repaid, and what that buys.

Settlement amounts are counted in 1e18; `unit` is one price in its feed's decimals. The liquidator chooses one side of
the exchange and the other is rounded against him: settlement down, collateral up (in 1e18, before the token's own
decimals cut it).
"""

from .words import PPM, UInt, max_, mul_div_down, mul_div_up


def discounted(price: UInt, discount_ppm: UInt) -> UInt:
    """Price at which the venue lets a liquidator buy, rounded down.

    Source: Perp v2 `perp-curie-contract@d520bd8e contracts/Vault.sol` (`getRepaidSettlementByCollateral`).
    """
    return mul_div_down(price, PPM - discount_ppm, PPM)


def max_repaid(debt: UInt, requirement: UInt, dust: UInt, share_ppm: UInt, fee_ppm: UInt) -> UInt:
    """Most settlement that liquidators may pay at once, the insurance fund's fee included, rounded down.

    A share of the larger of debt and margin requirement; all of it where that is no more than `dust`.
    Source: Perp v2 `perp-curie-contract@d520bd8e contracts/Vault.sol` (`_getMaxRepaidSettlement`).
    """
    owed = max_(debt, requirement)
    repaid = mul_div_down(owed, share_ppm, PPM) if owed > dust else owed
    return mul_div_down(repaid, PPM, PPM - fee_ppm)


def settlement_for(collateral: UInt, price: UInt, unit: UInt) -> UInt:
    """Settlement that an amount of collateral (in 1e18) costs, rounded down.

    Source: Perp v2 `perp-curie-contract@d520bd8e contracts/Vault.sol:919-955`.
    """
    return mul_div_down(collateral, price, unit)


def collateral_for(settlement: UInt, price: UInt, unit: UInt) -> UInt:
    """Collateral (in 1e18) that a settlement amount buys, rounded up.

    Source: Perp v2 `perp-curie-contract@d520bd8e contracts/Vault.sol:919-955`.
    """
    return mul_div_up(settlement, unit, price)


def insurance_fee(settlement: UInt, fee_ppm: UInt) -> UInt:
    """The insurance fund's part of what a liquidator pays, rounded down, so that a debt can be repaid whole.

    Source: Perp v2 `perp-curie-contract@d520bd8e contracts/Vault.sol` (`_liquidateCollateral`).
    """
    return mul_div_down(settlement, fee_ppm, PPM)
