"""How a position is closed against its owner's will: prices, sizes and fees of a liquidation.

`delta` quantities describe the part being closed. Quote amounts are what the liquidated subaccount receives (negative:
pays), so one formula serves longs and shorts.
"""

from .words import PPM, Int, UInt, abs_, max_, min_, mul_div, mul_div_down, mul_div_up


def bankruptcy_quote_q(
    value_closed_q: Int, equity_q: Int, maintenance_closed_q: UInt, maintenance_q: UInt
) -> Int:
    """Quote amount at which closing `value_closed_q` uses up exactly its share of the equity, rounded up.

    `value_closed_q` is the signed worth of the lots closed, `maintenance_closed_q` the maintenance margin that they
    free of the subaccount's `maintenance_q`. Rounding up favours the collateral pool: it never ends below zero.
    Source: dYdX v4 `x/clob/keeper/liquidations.go:396` (`-DNNV - TNC * abs(DMMR) / TMMR`).
    """
    if maintenance_q == 0:
        return value_closed_q
    return value_closed_q + mul_div_up(-equity_q, maintenance_closed_q, maintenance_q)


def fillable_spread_num(
    equity_q: Int, maintenance_q: UInt, adjustment_ppm: UInt, spread_ppm: UInt, position_maintenance_q: UInt
) -> UInt:
    """Numerator (over `maintenance_q * PPM * PPM`) of the quote amount that a liquidator may earn on a position.

    `clamp(adjustment * (1 - equity / maintenance), 0, 1) * spread * position maintenance`, kept exact.
    Source: dYdX v4 `x/clob/keeper/liquidations.go:500`.
    """
    depth_num = min_(max_((maintenance_q - equity_q) * adjustment_ppm, 0), maintenance_q * PPM)
    return depth_num * spread_ppm * position_maintenance_q


def liquidation_fee_q(fill_notional_q: UInt, fee_ppm: UInt, surplus_q: Int) -> UInt:
    """Fee on a liquidation fill, rounded down; never more than what the fill leaves above bankruptcy, never negative.

    Source: dYdX v4 `x/clob/keeper/liquidations.go:641`.
    """
    return max_(0, min_(mul_div_down(fill_notional_q, fee_ppm, PPM), surplus_q))


def fee_share_q(fee_q: UInt, share_ppm: UInt) -> UInt:
    """The part of a fee that goes to the insurance fund, rounded down; the venue keeps the rest."""
    return mul_div_down(fee_q, share_ppm, PPM)


def close_portion_b(size_b: Int, portion_ppm: UInt, step_b: UInt) -> UInt:
    """Lots in a share of a position, rounded up to the market's step, never more than the position."""
    lots = mul_div_up(mul_div_up(abs_(size_b), portion_ppm, PPM), 1, step_b) * step_b
    return min_(lots, abs_(size_b))


def slipped_price(price: UInt, slippage_ppm: UInt, sells: bool) -> UInt:
    """Price that a forced order gets when it moves the market by `slippage_ppm`: worse for its owner, at least 1."""
    if sells:
        return max_(1, mul_div_down(price, PPM - min_(slippage_ppm, PPM), PPM))
    return mul_div_up(price, PPM + slippage_ppm, PPM)


def accept_price(mark: UInt, numerator: Int, denominator: UInt, rounding: UInt) -> UInt:
    """Turn an exact price fraction into price quanta; never negative (a bid of zero accepts anything)."""
    if denominator == 0:
        return mark
    return max_(0, mul_div(numerator, 1, denominator, rounding))
