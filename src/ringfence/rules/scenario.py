"""Portfolio margin: the worst of a set of scenarios, and the charges that no scenario holds.

A scenario moves the price of one underlying to `price_num / den` of itself and shifts the volatility of its options.
What a leg gains or loses in it is a signed change of worth, in quote atoms; gains are positive. Worths of options come
from outside (volatility needs powers and logarithms, `ringfence.pricing`), rounded against whoever holds them. Rates
are numerators over one denominator of the rule. Everything rounds against the trader: changes down, charges up.

Sources are derivexyz/v2-core@7736900d unless a function names another.
"""

from .words import Int, UInt, max_, min_, mul_div_down, mul_div_up


def moved_q(worth_q: Int, price_num: UInt, weight_num: UInt, den: UInt) -> Int:
    """Change of worth of a perp or of collateral when its price becomes `price_num / den` of itself.

    `weight_num` (over `den`) dampens the scenario. Source: `PMRMLib.sol:215-232`, `PMRMLib_2.sol:181-236`.
    """
    return mul_div_down(worth_q * (price_num - den), weight_num, den * den)


def discounted_q(worth_q: Int, gain_num: UInt, debt_num: UInt, den: UInt) -> Int:
    """Worth of one expiry as a scenario counts it: less than all of what it is worth, more than all of what is owed.

    Source: `PMRMLib.sol:207-213` (worth alone), `PMRMLib_2.sol:217-219` (worth and debt).
    """
    return mul_div_down(worth_q, gain_num if worth_q >= 0 else debt_num, den)


def shifted_q(shocked_q: Int, worth_q: Int, weight_num: UInt, den: UInt, either_way: bool) -> Int:
    """Change of worth of one expiry in a scenario that `weight_num` dampens.

    `either_way`: the shift of volatility may also go in the other direction, so that a gain counts as a loss.
    Source: `PMRMLib_2.sol:221-230`.
    """
    change_q = mul_div_down(shocked_q - worth_q, weight_num, den)
    return min_(change_q, -change_q) if either_way else change_q


def basis_loss_q(
    up_q: Int,
    down_q: Int,
    add_num: UInt,
    yearly_num: UInt,
    den: UInt,
    life: UInt,
    year: UInt,
) -> UInt:
    """What the forwards of one expiry may lose against the spot: a share of its worse change, growing with time.

    `up_q` and `down_q` are its changes of worth in two moves of the price alone; the share is
    `add + yearly * life / year`, with `life` and `year` in one unit of time. Source: `PMRMLib.sol:293-308`.
    """
    loss_q = max_(0, -min_(up_q, down_q))
    return mul_div_up(loss_q, add_num * year + yearly_num * life, den * year)


def naked_b(call_b: Int, put_b: Int) -> UInt:
    """Lots of one strike and expiry that are owed without lots of the other kind against them.

    Source: `PMRMLib.sol:318-356`.
    """
    return max_(0, -(call_b + put_b))


def doubt_q(notional_q: UInt, confidence: UInt, below: UInt, share: UInt, one: UInt) -> UInt:
    """Charge on what is priced with less confidence than `below`: a share of notional that grows with the doubt.

    All three are over `one`. Source: `PMRMLib.sol:310-316`.
    """
    if confidence >= below:
        return 0
    return mul_div_up(notional_q * (one - confidence), share, one * one)


def depegged_num(factor_num: UInt, price_num: UInt, below_num: UInt, slope_num: UInt, den: UInt) -> UInt:
    """Loss factor when the quote asset is worth less than `below`: it grows with what is missing.

    Source: `PMRMLib.sol:146-150`.
    """
    return factor_num + mul_div_up(max_(0, below_num - price_num), slope_num, den)


def scenario_margin_q(loss_q: UInt, scaled_q: UInt, added_q: UInt, factor_num: UInt, den: UInt) -> UInt:
    """Margin requirement: the worst loss and the charges that scale with it, times the loss factor, plus the rest.

    Source: `PMRMLib.sol:143-156` (static charges scale), `PMRMLib_2.sol:158-176` (they are added).
    """
    return mul_div_up(loss_q + scaled_q, factor_num, den) + added_q
