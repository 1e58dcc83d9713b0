"""Selling a portfolio slice by slice for a price that falls with time.

Whoever bids takes the same share of every position and balance. While the portfolio is worth something the bidder pays
a falling share of that worth, and only as much may be sold as lifts the rest to its buffer margin; what bidders paid is
reserved and no longer for sale. Once nobody wants it for nothing, or when it is worth less than nothing, a bidder is
paid for taking it: from its (negative) worth at first to its whole shortfall of maintenance margin at the end.

Units: shares and discounts `_wad` (1e18 is all of it), times in any one unit.

Source: Derive `derivexyz/v2-core@7736900d src/liquidation/DutchAuction.sol:596-760`; the insolvent price follows the
venue's simulated auctions, `test/integration-tests/liquidation/PMRM_insolvent.json@3a7985a5`.
"""

from .words import WAD, Int, UInt, max_, min_, mul_div_down, mul_div_up


def buffer_margin_q(equity_q: Int, maintenance_q: UInt, buffer_num: UInt, den: UInt) -> Int:
    """Equity above maintenance margin and a buffer on top of it; rounds down. A solvent auction ends at zero."""
    return equity_q - maintenance_q - mul_div_up(maintenance_q, buffer_num, den)


def discount_wad(
    elapsed: UInt, fast_length: UInt, slow_length: UInt, start_wad: UInt, cutoff_wad: UInt
) -> UInt:
    """Share of its worth that a slice costs: from start to cutoff in the fast part, from there to zero in the slow one.

    What has fallen is rounded down, so the price is never too low.
    """
    if elapsed < fast_length:
        return start_wad - mul_div_down(start_wad - cutoff_wad, elapsed, fast_length)
    if elapsed - fast_length >= slow_length:
        return 0
    return cutoff_wad - mul_div_down(cutoff_wad, elapsed - fast_length, slow_length)


def largest_slice_wad(buffer_q: Int, equity_q: Int, reserved_q: UInt, discount: UInt) -> UInt:
    """Largest share of what is left that may be sold: as much as lifts the rest to its buffer margin, rounded up.

    `BM / (BM - equity x discount - reserved x (1 - discount))`. Nothing at or above the buffer margin, everything where
    selling cannot lift it.
    """
    if buffer_q >= 0:
        return 0
    gap = equity_q * discount + reserved_q * (WAD - discount) - buffer_q * WAD
    return min_(WAD, mul_div_up(-buffer_q * WAD, WAD, gap)) if gap > 0 else WAD


def slice_q(equity_q: Int, reserved_q: UInt, share: UInt) -> Int:
    """What a share of the portfolio is worth, reserved cash left out; rounds down."""
    return mul_div_down(equity_q - reserved_q, share, WAD)


def slice_price_q(worth_q: Int, discount: UInt) -> UInt:
    """What a bidder pays for a slice of this worth; rounds up, in favour of the portfolio."""
    return max_(0, mul_div_up(worth_q, discount, WAD))


def payout_q(start_q: UInt, end_q: UInt, elapsed: UInt, length: UInt, share: UInt) -> UInt:
    """What a bidder is paid for taking a share of an insolvent portfolio; rounds down, in favour of the fund.

    It grows from `start_q` (what the portfolio owes, nothing while it is worth something) to `end_q` (its whole
    shortfall of maintenance margin) over `length`.
    """
    if elapsed >= length:
        return mul_div_down(end_q, share, WAD)
    return mul_div_down(start_q * length + (end_q - start_q) * elapsed, share, WAD * length)


def slice_b(size_b: UInt, share: UInt, step_b: UInt) -> UInt:
    """Lots in a share of a position, rounded up to the market's step, never more than the position.

    Rounded up, so that a bidder relieves the portfolio of at least the share of risk that it is paid for.
    """
    return min_(mul_div_up(mul_div_up(size_b, share, WAD), 1, step_b) * step_b, size_b)


def start_fee_q(equity_q: UInt, largest: UInt, fee_num: UInt, den: UInt) -> UInt:
    """Fee for starting an auction: a share of the worth that could be sold at no discount; rounds down."""
    return mul_div_down(equity_q * largest, fee_num, WAD * den)
