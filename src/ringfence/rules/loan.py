"""Collateral that lends: how much may be borrowed against it, and when what was borrowed is called.

Amounts are quote atoms, the loan to value is the fraction `loan_num / loan_den`; ratios are compared by
cross-multiplication.
"""

from .words import Int, UInt, max_, min_, mul_div_down


def borrowable_q(worth_q: UInt, loan_num: UInt, loan_den: UInt) -> UInt:
    """Quote that collateral of this worth lets an account borrow, rounded down.

    `balance * oracle price * loan to value`. Source: Hyperliquid docs, FAQ of portfolio margin (10,000 HYPE at 40 USD
    and one half: 200,000 USDC).
    """
    return mul_div_down(worth_q, loan_num, loan_den)


def threshold_num(loan_num: UInt, loan_den: UInt) -> UInt:
    """Share of collateral that counts when an account is judged, over `2 * loan_den`: half-way from the loan to all.

    `0.5 + 0.5 * loan to value`. Source: Hyperliquid docs, portfolio margin, liquidations.
    """
    return loan_den + loan_num


def support_q(worth_q: UInt, loan_num: UInt, loan_den: UInt, cap_q: UInt) -> UInt:
    """Worth of collateral when an account is judged, rounded down: by its threshold, and never above the borrow cap.

    `min(borrow cap, worth * threshold)`. The supply cap is on the amount behind `worth_q`.
    Source: Hyperliquid docs, portfolio margin, liquidations.
    """
    return min_(cap_q, mul_div_down(worth_q, threshold_num(loan_num, loan_den), 2 * loan_den))


def required_q(offset_q: UInt, maintenance_q: UInt, borrowed_q: UInt) -> UInt:
    """What a portfolio margin account must cover: a fixed offset, maintenance margin of all dexes, and its debt.

    Source: Hyperliquid docs, portfolio margin, liquidations (the offset is 20 USDC).
    """
    return offset_q + maintenance_q + borrowed_q


def is_called(asked_q: UInt, value_q: Int, limit_num: UInt, limit_den: UInt) -> bool:
    """Is what is asked over what there is above the limit? An account that must cover something with nothing is.

    Source: Hyperliquid docs, portfolio margin: liquidatable above 0.95.
    """
    return asked_q * limit_den > max_(value_q, 0) * limit_num
