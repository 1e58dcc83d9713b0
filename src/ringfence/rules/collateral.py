"""Collateral that is a token of the pool: what it is worth, what costs take of it, and what is paid back.

Units: `_e30` USD with 30 decimal places, prices `_e30` per atom of the token, amounts in atoms. Every division favours
the pool. Sources: gmx-io/gmx-synthetics@a5c0c883 (v2) and gmx-io/gmx-contracts@fe55c4ba (v1), named at each rule.
"""

from .words import Int, UInt, abs_, max_, min_, mul_div_down, mul_div_up

BPS = 10_000


def tokens_down(amount_e30: UInt, price_e30: UInt, unit: UInt = 1) -> UInt:
    """Atoms worth an amount of USD at a price per `unit` atoms, rounded down: what is paid out or reserved.

    Source: v1 contracts/core/Vault.sol usdToToken; v2 DecreasePositionCollateralUtils.sol (at the highest price).
    """
    return mul_div_down(amount_e30, unit, price_e30)


def tokens_up(amount_e30: UInt, price_e30: UInt, unit: UInt = 1) -> UInt:
    """Atoms that cover an amount of USD, rounded up: what a cost takes."""
    return mul_div_up(amount_e30, unit, price_e30)


def worth_e30(amount: UInt, price_e30: UInt, unit: UInt = 1) -> UInt:
    """USD that atoms count for, rounded down; the caller brings the lowest price."""
    return mul_div_down(amount, price_e30, unit)


def trading_fee_e30(size_e30: UInt, fee_bps: UInt) -> UInt:
    """Fee on a size: the size less what is left after the fee, so it rounds up. Source: v1 Vault.sol getPositionFee."""
    return size_e30 - mul_div_down(size_e30, BPS - fee_bps, BPS)


def pay_cost(available: UInt, cost_e30: UInt, price_e30: UInt) -> tuple[UInt, UInt]:
    """Take a cost out of a token: atoms paid, and the USD that no atom was left for.

    Source: v2 contracts/position/DecreasePositionCollateralUtils.sol payForCost.
    """
    paid = min_(available, tokens_up(cost_e30, price_e30))
    covered = paid * price_e30 >= cost_e30
    return paid, 0 if covered else cost_e30 - paid * price_e30


def payout(
    collateral: UInt, profit: UInt, costs_e30: tuple[UInt, ...], price_e30: UInt
) -> tuple[UInt, tuple[UInt, ...], UInt]:
    """Close a position: atoms returned, atoms that each cost took in turn, and the USD that stay uncollected.

    `profit` are atoms that the pool pays first; they too stand for costs. Where the money runs out, later costs get
    nothing. v2 pays funding, then the loss, then fees, then impact
    (contracts/position/DecreasePositionCollateralUtils.sol:100-480).
    """
    left, taken, unpaid_e30 = collateral + profit, [], 0
    for cost_e30 in costs_e30:
        paid, missing_e30 = pay_cost(left, cost_e30, price_e30)
        left, unpaid_e30 = left - paid, unpaid_e30 + missing_e30
        taken.append(paid)
    return left, tuple(taken), unpaid_e30


def liquidation_state(
    collateral_e30: UInt,
    pnl_e30: Int,
    fees_e30: UInt,
    liquidation_fee_e30: UInt,
    size_e30: UInt,
    leverage_bps: UInt,
) -> UInt:
    """v1: 0 for a position that stands, 1 for one that is seized, 2 for one that is closed and its remainder returned.

    Seized when PnL, fees and the liquidation fee leave nothing; closed when what PnL leaves carries more than the
    largest leverage. Both are strict, and fees do not count towards leverage. When a position is opened or reduced the
    same check leaves profit out. Source: v1 contracts/core/VaultUtils.sol:61-105.
    """
    remaining_e30 = collateral_e30 + pnl_e30
    if remaining_e30 < fees_e30 + liquidation_fee_e30:
        return 1
    return 2 if remaining_e30 * leverage_bps < size_e30 * BPS else 0


def seized(
    collateral_e30: UInt,
    fees_e30: UInt,
    liquidation_fee_e30: UInt,
    price_e30: UInt,
    unit: UInt,
    is_long: bool,
) -> tuple[UInt, Int, UInt]:
    """v1: atoms that a seizure adds to the fees and to the pool, and that it pays to the liquidator.

    A long's collateral is in the pool since it opened, so only its fees leave; a short's stands apart and comes in now,
    less fees. The liquidator is paid by the pool. Source: v1 Vault.sol:701-754.
    """
    fees = tokens_down(fees_e30, price_e30, unit)
    reward = tokens_down(liquidation_fee_e30, price_e30, unit)
    gained = -fees if is_long else tokens_down(max_(0, collateral_e30 - fees_e30), price_e30, unit)
    return fees, gained - reward, reward


def closed(
    collateral_e30: UInt, pnl_e30: Int, fees_e30: UInt, price_e30: UInt, unit: UInt, is_long: bool
) -> tuple[UInt, Int, UInt]:
    """v1: atoms that closing a whole position adds to the fees and to the pool, and that it pays to the trader.

    The pool pays a long out of what it holds, collateral included; of a short it only sees the PnL.
    Source: v1 Vault.sol _decreasePosition and _reduceCollateral.
    """
    out_e30 = collateral_e30 + pnl_e30
    fees, paid = (tokens_down(amount, price_e30, unit) for amount in (fees_e30, out_e30 - fees_e30))
    if is_long:
        return fees, -tokens_down(out_e30, price_e30, unit), paid
    moved = tokens_down(abs_(pnl_e30), price_e30, unit)
    return fees, moved if pnl_e30 < 0 else -moved, paid
