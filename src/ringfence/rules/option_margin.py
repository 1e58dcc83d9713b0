"""What options must be backed by where every instrument is margined by itself.

A short option asks what buying it back costs plus a share of the underlying, less what it is out of the money. Options
of one expiry may ask less together: never more than the most that they can lose at settlement. A long option asks
nothing and covers nothing but that loss.

Units: `underlying_q` is the worth of the position's size at spot, `out_q` its size times the distance to the strike,
`mark_q` what buying it back costs; all three are amounts of one short position and not negative. Rates are fractions
over one `den`.

Sources: Derive `derivexyz/v2-core@7736900d src/risk-managers/StandardManager.sol:364-860`; Aevo, docs.aevo.xyz,
standard margin (the same two formulas, without netting).
"""

from .words import Int, UInt, max_, min_, mul_div


def in_the_money(strike: UInt, price: UInt, is_call: bool) -> UInt:
    """What one option pays at settlement, in price quanta; European and settled in cash."""
    return max_(0, price - strike if is_call else strike - price)


def out_of_the_money(strike: UInt, price: UInt, is_call: bool) -> UInt:
    """How far the price must move before one option pays anything, in price quanta."""
    return in_the_money(strike, price, not is_call)


def short_maintenance_q(
    mark_q: UInt, underlying_q: UInt, rate_num: UInt, mark_rate_num: UInt, den: UInt, rounding: UInt
) -> UInt:
    """Maintenance margin of a short option alone: its mark and the larger share of underlying or mark.

    Derive and Aevo let the share of the mark count for puts only (`mark_rate_num` is zero for calls).
    Source: StandardManager.sol `_getIsolatedMarginForCall`, `_getIsolatedMarginForPut`.
    """
    return mark_q + mul_div(max_(underlying_q * rate_num, mark_q * mark_rate_num), 1, den, rounding)


def short_initial_q(
    mark_q: UInt,
    underlying_q: UInt,
    out_q: UInt,
    highest_num: UInt,
    lowest_num: UInt,
    den: UInt,
    rounding: UInt,
) -> UInt:
    """Initial margin of a short option alone: its mark and a share of the underlying that shrinks out of the money.

    `mark + max(highest x underlying - out, lowest x underlying)`. Source: as `short_maintenance_q`.
    """
    return mark_q + mul_div(
        max_(underlying_q * highest_num - out_q * den, underlying_q * lowest_num), 1, den, rounding
    )


def expiry_q(isolated_q: UInt, worst_settlement_q: Int, unpaired_q: UInt) -> UInt:
    """Margin of all options of one expiry: the sum of the short ones alone, or what the worst settlement can take.

    `worst_settlement_q` is the least that the expiry pays over all settlement prices where its payoff bends (zero and
    every strike); above the last strike it falls without end when more calls are sold than bought, which `unpaired_q`
    stands for: their number at a stressed forward. Source: StandardManager.sol `_calcNetBasicMarginSingleExpiry`.
    """
    return min_(isolated_q, max_(0, -worst_settlement_q) + unpaired_q)
