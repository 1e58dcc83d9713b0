"""What positions and collateral are worth.

Units: `_q` quote atoms (1e-6 USD), `_b` base atoms of the market, `price` whole price quanta of the market. One base
atom at one price quantum is worth `scale_num / scale_den` quote atoms, so every product is an integer and only the
last division rounds.
"""

from .words import Int, UInt, abs_, mul_div, mul_div_down, mul_div_up


def value_q(size_b: Int, price: UInt, scale_num: UInt, scale_den: UInt, rounding: UInt) -> Int:
    """Signed worth of `size_b` at `price`; negative for a short."""
    return mul_div(size_b * price, scale_num, scale_den, rounding)


def notional_q(size_b: Int, price: UInt, scale_num: UInt, scale_den: UInt, rounding: UInt) -> UInt:
    """Absolute worth of `size_b` at `price`, the base of every requirement."""
    return mul_div(abs_(size_b) * price, scale_num, scale_den, rounding)


def funding_payment_q(size_b: Int, index_delta: Int, index_scale: UInt, rounding: UInt) -> Int:
    """What a position receives when the funding index moved by `index_delta` (negative: pays).

    The index counts quote atoms per base atom times `index_scale`; longs pay when it rises.
    Source: dYdX v4 `x/subaccounts/keeper` settles `-size * delta`, floored.
    """
    return mul_div(-size_b * index_delta, 1, index_scale, rounding)


def funding_index_delta(
    price: UInt, rate_num: Int, rate_den: UInt, scale_num: UInt, scale_den: UInt, index_scale: UInt
) -> Int:
    """Rise of the funding index for one interval: `rate` of the worth of one base atom at `price`. Rounds down."""
    return mul_div_down(price * scale_num * index_scale, rate_num, scale_den * rate_den)


def released_cost_q(cost_q: Int, size_b: Int, closed_b: UInt) -> Int:
    """Share of a position's cost that leaves with `closed_b` of its lots, towards zero (entry price is kept)."""
    if cost_q < 0:
        return -mul_div_down(-cost_q, closed_b, abs_(size_b))
    return mul_div_down(cost_q, closed_b, abs_(size_b))


def collateral_value_q(raw_q: Int, haircut_num: UInt, haircut_deduction: UInt, haircut_den: UInt) -> Int:
    """Collateral worth `raw_q` less its haircut `raw * num / den - deduction / den`; the haircut rounds up.

    `num` and `deduction` are those of the haircut tier that `raw_q` falls into, so a haircut may grow with the amount.
    A negative amount (a debt) is charged in full.
    """
    if raw_q <= 0:
        return raw_q
    return raw_q - mul_div_up(raw_q * haircut_num - haircut_deduction, 1, haircut_den)
