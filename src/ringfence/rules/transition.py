"""When may a position change that stays short of margin? StarkEx's rule, on any pair of scales for value and risk.

A change is legal when the result is well leveraged. Otherwise holdings must shrink in every market without changing
side, and value over risk must not fall. Ratios are compared by cross-multiplication, so nothing rounds.

Source: `starkware-libs/stark-perpetual@40f02826`, below `src/services/perpetual/cairo/`:
`position/validate_state_transition.cairo:20`, `position/check_smaller_holdings.cairo`,
`transactions/deleverage.cairo:26`.
"""

from .words import Int, UInt, abs_


def is_smaller(before_b: Int, after_b: Int) -> bool:
    """Is a holding no larger than before and on the same side? Nothing left is smaller than anything."""
    return after_b == 0 or (after_b * before_b > 0 and abs_(after_b) <= abs_(before_b))


def keeps_ratio(value_before: Int, risk_before: UInt, value_after: Int, risk_after: UInt) -> bool:
    """Does value over risk not fall? `value0 / risk0 <= value1 / risk1`, multiplied out."""
    return value_before * risk_after <= value_after * risk_before


def keeps_value(value_before: Int, risk_before: UInt, value_after: Int) -> bool:
    """Where there was no risk, and so no ratio: does value not fall?"""
    return risk_before > 0 or value_before <= value_after


def is_fair(
    value_before: Int, risk_before: UInt, value_after: Int, risk_after: UInt, unit_value: UInt
) -> bool:
    """Does who is deleveraged receive the least that keeps its ratio?

    With one collateral atom (worth `unit_value`) less the ratio would have fallen, so the counterparty pays the
    smallest legal amount and the loser keeps its bankruptcy price, not more.
    """
    return (value_after - unit_value) * risk_before < value_before * risk_after
