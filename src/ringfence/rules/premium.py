"""Funding that follows the average premium of the book over the index price."""

from .words import TRUNC, Int, UInt, min_, mul_div, mul_div_down


def premium_index_delta(
    premium: Int, price: UInt, cap_num: UInt, cap_den: UInt, interval: UInt, day: UInt
) -> Int:
    """Rise of the funding index over an interval: its share of a day of the average premium, which is capped.

    `premium` is the average of book less index price, capped at `cap_num / cap_den` of the index `price` either way;
    interval and day are in one unit of time. Every quotient rounds towards zero.
    Source: vertex-protocol/vertex-contracts@e1381815 core/contracts/PerpEngineState.sol (`updateStates`).
    """
    most = mul_div_down(price, cap_num, cap_den)
    capped = min_(premium, most) if premium > 0 else -min_(-premium, most)
    return mul_div(capped, interval, day, TRUNC)
