"""What resting orders hold back before they are filled."""

from .words import UInt, mul_div


def order_margin_q(
    notional_q: UInt, initial_num: UInt, initial_den: UInt, fee_num: UInt, fee_den: UInt, rounding: UInt
) -> UInt:
    """Initial margin of an order at its own price, and the fee that it would pay as a taker.

    `price * size * (initial rate + taker fee)`. Source: `ApeX-Protocol/apexpro-openapi@662417e4
    tests/account_value.py`.
    """
    rate_num = initial_num * fee_den + fee_num * initial_den
    return mul_div(notional_q, rate_num, initial_den * fee_den, rounding)
