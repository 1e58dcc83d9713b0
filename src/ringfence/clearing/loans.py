"""Debts in quote and the collateral that is sold to repay them: how much at once, at which price, with which bonus.

A loan is a subaccount without positions that owes; where its collateral has weights it is safe until they are used up,
and then repaid by portions if the rulebook says so. Sources: Aave v3 `aave-v3-origin@fd1fbd91
src/contracts/protocol/libraries/logic/LiquidationLogic.sol:43-64, 270-360`; arithmetic of single tokens in
`rules.lending`.
"""

from ..rules.words import FLOOR, PPM, max_, min_, mul_div, mul_div_down, mul_div_up
from .model import Asset, Subaccount, Venue
from .policy import Liquidation
from .risk import cash_q, collateral_q, debts_q, health_factor, quote_owed_q, subaccount_risk


def valid_portion(close: Liquidation) -> bool:
    """Is what a partial repayment leaves less than what is repaid whole, and no limit negative?"""
    return close.portion_health_ppm >= 0 and 0 <= close.leftover_q <= max_(0, close.portion_above_q - 1)


def owed_q(venue: Venue, subaccount: Subaccount) -> int:
    """Quote that would be missing if all positions were closed at the present price (negative: left over)."""
    pledged_q = cash_q(venue, subaccount) - subaccount.quote_q
    return pledged_q - subaccount_risk(venue, subaccount).equity_q


def overdrawn_q(venue: Venue, subaccount: Subaccount) -> int:
    """Quote that is owed beyond the overdraft that the venue allows, all of it; 0 within it or where none is limited.

    Source: Aevo, docs.aevo.xyz (collateral).
    """
    limit_q, short_q = venue.policy.overdraft_q, quote_owed_q(venue, subaccount)
    return short_q if limit_q is not None and short_q > limit_q else 0


def is_loan(subaccount: Subaccount, asset: Asset) -> bool:
    """Whether collateral is safe as long as its owner has maintenance margin: with positions, or with weights."""
    return bool(subaccount.positions) or asset.weights is not None


def collateral_buyer(asset: str) -> str:
    """Id of the system subaccount that buys `asset` from subaccounts in debt."""
    return f"market/{asset}"


def collateral_sale(venue: Venue, subaccount: Subaccount, name: str) -> tuple[int, int]:
    """Atoms of a collateral to sell now and quote received for them; nothing where nothing is owed.

    Just enough to repay what is due at the discounted price, bonus included, or all of it.
    """
    asset, held = venue.assets[name], subaccount.balances[name]
    owed = owed_q(venue, subaccount)
    due_q = overdrawn_q(venue, subaccount) or repayable_q(venue, subaccount, asset, owed)
    if due_q <= 0:
        return 0, 0
    amount, paid_q = _sold(asset, held, due_q)
    spared = held - _atoms_worth(venue, asset)
    # A single atom may be worth more than what should be left: it is sold all the same.
    return _sold(asset, spared, due_q) if due_q < owed and 0 < spared < amount < held else (amount, paid_q)


def _sold(asset: Asset, most: int, due_q: int) -> tuple[int, int]:
    num = asset.price * asset.scale.num * (PPM - asset.conversion_discount_ppm)
    den = asset.scale.den * (PPM + asset.bonus_ppm)
    amount = min_(most, mul_div_up(due_q, den, num)) if num else most
    return amount, mul_div(amount, num, den, FLOOR)


def _atoms_worth(venue: Venue, asset: Asset) -> int:
    """Fewest atoms of a collateral worth what a partial repayment leaves."""
    leftover_q, one_num = venue.policy.liquidation.leftover_q, asset.price * asset.scale.num
    return mul_div_up(leftover_q, asset.scale.den, one_num) if one_num else 0


def repayable_q(venue: Venue, subaccount: Subaccount, asset: Asset, owed: int) -> int:
    """Part of what is owed that one sale of a collateral may repay.

    The portion counts of all debts together. All of it where collateral or debt is worth less than the threshold, or
    where the health factor is at or below its limit; never so much that less than the leftover stays owed.
    """
    close = venue.policy.liquidation
    health = health_factor(venue, subaccount)
    if close.portion_of != "debt" or health is None or owed <= 0:
        return owed
    small = min_(collateral_q(asset, subaccount.balances[asset.id]), owed) < close.portion_above_q
    if small or health * PPM <= close.portion_health_ppm:
        return owed
    portion_q = mul_div_down(debts_q(venue, subaccount), close.portion_ppm, PPM)
    return owed if portion_q >= owed else min_(portion_q, owed - close.leftover_q)


def bonus_fee(asset: Asset, amount: int) -> int:
    """The venue's part of what a buyer of collateral gets beyond its worth: base down, fee up.

    Source: Aave v3 `aave-v3-origin@fd1fbd91 docs/3.7/liquidation-rounding.md`.
    """
    base = mul_div_down(amount, PPM, PPM + asset.bonus_ppm)
    return mul_div_up(amount - base, asset.bonus_fee_ppm, PPM)
