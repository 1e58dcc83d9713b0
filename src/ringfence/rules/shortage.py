"""How much a liquidation must close to cover a shortage of margin, and what it may cost.

The shortage is what equity lacks to the requirement with its buffer, in quote atoms. Prices, fees and liquidation
multipliers (1 plus or less a fee) count millionths, margin ratios, weights and shares ten-thousandths; amounts count
atoms of their asset. Every quotient rounds as the integers of the venue do, which its source names.
"""

from .words import Int, UInt, abs_, max_, min_, mul_div_down, mul_div_up, power_of_ten

MILLION = 1_000_000
MYRIAD = 10_000
MYRIAD_TO_MILLION = 100
BASE_ATOMS = 1_000_000_000
QUOTE_ATOMS = 1_000_000
QUOTE_DECIMALS = 6
GUARD_DIGIT = 10
"""Weights carry one more digit while they are multiplied."""

UNBOUNDED_64 = (1 << 64) - 1
UNBOUNDED_128 = (1 << 128) - 1
"""No amount covers the shortage, so any may be taken: the largest number of the venue's integers."""


def buffered_q(margin_q: UInt, liability_q: UInt, buffer: UInt) -> UInt:
    """A requirement with its buffer: that share of the liability's worth on top, rounded down.

    Source: drift-labs/protocol-v2@0ae3e3b1 programs/drift/src/math/margin/tests.rs:4668-4829.
    """
    return margin_q + mul_div_down(liability_q, buffer, MYRIAD)


def loss_buffer_q(pnl_q: Int, buffer: UInt) -> Int:
    """The buffer's share of an unrealized loss, at most zero and rounded towards it; a profit has none.

    Source: drift-labs/protocol-v2@0ae3e3b1 programs/drift/src/math/margin/tests.rs:3012-3122.
    """
    return -mul_div_down(max_(-pnl_q, 0), buffer, MYRIAD)


def base_to_cover_b(
    shortage_q: UInt, ratio: UInt, liquidator_fee: UInt, fund_fee: UInt, price: UInt, quote_price: UInt
) -> UInt:
    """Lots whose closing frees `shortage_q`: each frees its margin less the fees of liquidator and insurance fund.

    `shortage / (price * (ratio - liquidator fee) - price * fund fee)`, rounded down. `UNBOUNDED_64` where closing
    frees nothing (where the fund's fee alone eats what is left, the venue's own code fails).
    Source: drift-labs/protocol-v2@0ae3e3b1 programs/drift/src/math/liquidation.rs:32-63.
    """
    freed_ratio = ratio * MYRIAD_TO_MILLION - liquidator_fee
    if price == 0 or freed_ratio <= 0:
        return UNBOUNDED_64
    worth = mul_div_down(price, quote_price, MILLION)
    freed = mul_div_down(worth, freed_ratio, MILLION) - mul_div_down(price, fund_fee, MILLION)
    return mul_div_down(shortage_q, BASE_ATOMS, freed) if freed > 0 else UNBOUNDED_64


def seized_weight(asset_weight: UInt, asset_multiplier: UInt, liability_multiplier: UInt) -> UInt:
    """Weight, with a guard digit, of the assets that pay for one unit of settled debt; rounded down."""
    return mul_div_down(asset_weight * GUARD_DIGIT, asset_multiplier, liability_multiplier)


def liability_to_cover(
    shortage_q: UInt,
    asset_weight: UInt,
    asset_multiplier: UInt,
    liability_weight: UInt,
    liability_multiplier: UInt,
    liability_decimals: UInt,
    liability_price: UInt,
    fund_fee: UInt,
) -> UInt:
    """Atoms of a debt whose settling, paid for with an asset, frees `shortage_q`; rounded down.

    `UNBOUNDED_128` where the asset that is given weighs as much as the debt that goes.
    Source: drift-labs/protocol-v2@0ae3e3b1 programs/drift/src/math/liquidation.rs:65-130.
    """
    owed, seized = (
        liability_weight * GUARD_DIGIT,
        seized_weight(asset_weight, asset_multiplier, liability_multiplier),
    )
    if asset_weight >= liability_weight or seized >= owed:
        return UNBOUNDED_128
    freed = liability_price * (owed - seized) - mul_div_down(liability_price, fund_fee, MILLION) * owed
    if freed <= 0:
        return UNBOUNDED_128
    finer = power_of_ten(max_(liability_decimals - QUOTE_DECIMALS, 0))
    coarser = power_of_ten(max_(QUOTE_DECIMALS - liability_decimals, 0))
    return mul_div_down(mul_div_down(shortage_q * finer, MILLION * MYRIAD * GUARD_DIGIT, freed), 1, coarser)


def liability_for_asset(
    asset: UInt,
    asset_multiplier: UInt,
    asset_decimals: UInt,
    asset_price: UInt,
    liability_multiplier: UInt,
    liability_decimals: UInt,
    liability_price: UInt,
) -> UInt:
    """Atoms of debt that `asset` atoms settle at the liquidation's rate; rounded up, in favour of the debtor.

    Source: drift-labs/protocol-v2@0ae3e3b1 programs/drift/src/math/liquidation.rs
    (`calculate_liability_transfer_implied_by_asset_amount`).
    """
    finer = power_of_ten(max_(liability_decimals - asset_decimals, 0))
    coarser = power_of_ten(max_(asset_decimals - liability_decimals, 0))
    worth = asset * finer * asset_price * liability_multiplier
    return mul_div_up(mul_div_up(worth, 1, liability_price * asset_multiplier), 1, coarser)


def asset_for_liability(
    held: UInt,
    asset_multiplier: UInt,
    asset_decimals: UInt,
    asset_price: UInt,
    liability: UInt,
    liability_multiplier: UInt,
    liability_decimals: UInt,
    liability_price: UInt,
) -> UInt:
    """Atoms of an asset that pay for `liability` atoms of debt, rounded down.

    All that is held where that differs from it by less than 1 USD, so that no dust stays behind.
    Source: drift-labs/protocol-v2@0ae3e3b1 programs/drift/src/math/liquidation.rs
    (`calculate_asset_transfer_for_liability_transfer`).
    """
    finer = power_of_ten(max_(asset_decimals - liability_decimals, 0))
    coarser = power_of_ten(max_(liability_decimals - asset_decimals, 0))
    worth = liability * finer * liability_price * asset_multiplier
    taken = mul_div_down(mul_div_down(worth, 1, asset_price * liability_multiplier), 1, coarser)
    rest_q = mul_div_down(
        mul_div_down(abs_(taken - held), asset_price, MILLION), QUOTE_ATOMS, power_of_ten(asset_decimals)
    )
    return held if rest_q < QUOTE_ATOMS else taken


def grown_fee(base: UInt, most: UInt, grace_slots: UInt, growth: UInt, slots: UInt) -> UInt:
    """A liquidator's fee that grows when a liquidation waits: by `growth` for each slot waited, at most to `most`.

    Nothing happens during the grace; after it the slots of the grace count too.
    Source: drift-labs/protocol-v2@0ae3e3b1 programs/drift/src/math/liquidation.rs:535-553.
    """
    if slots < grace_slots:
        return base
    return min_(base + slots * growth, most)


def perp_fund_fee(
    shortage_q: UInt,
    size_b: UInt,
    ratio: UInt,
    liquidator_fee: UInt,
    price: UInt,
    quote_price: UInt,
    most: UInt,
) -> UInt:
    """The insurance fund's fee on a position: 95 % of the margin that shortage and liquidator leave, at most `most`.

    Nothing where there is no position, no price or nothing left. Every quotient rounds down.
    Source: drift-labs/protocol-v2@0ae3e3b1 programs/drift/src/math/liquidation.rs:401-443.
    """
    left = ratio * MYRIAD_TO_MILLION - liquidator_fee
    if price == 0 or quote_price == 0 or size_b == 0 or left <= 0:
        return 0
    worth = mul_div_down(price, quote_price, MILLION)
    per_base = mul_div_down(shortage_q, BASE_ATOMS, size_b)
    lacking = mul_div_down(per_base, MILLION, worth)
    return min_(mul_div_down(max_(left - lacking, 0), 19, 20), most)


def spot_fund_fee(
    shortage_q: UInt,
    amount: UInt,
    asset_weight: UInt,
    asset_multiplier: UInt,
    liability_weight: UInt,
    liability_multiplier: UInt,
    decimals: UInt,
    price: UInt,
    most: UInt,
) -> UInt:
    """The insurance fund's fee on a settled debt: what the shortage and the liquidator leave, at most `most`.

    Source: drift-labs/protocol-v2@0ae3e3b1 programs/drift/src/math/liquidation.rs (`calculate_spot_if_fee`).
    """
    if asset_weight >= liability_weight or price == 0 or amount == 0 or liability_multiplier == 0:
        return 0
    owed, owned = liability_weight * MYRIAD_TO_MILLION, asset_weight * MYRIAD_TO_MILLION
    seized = mul_div_down(owned, asset_multiplier, liability_multiplier)
    per_unit = mul_div_down(shortage_q * MILLION, power_of_ten(decimals), amount)
    lacking = mul_div_down(per_unit, 1, price)
    left = max_(max_(owed - seized, 0) - lacking, 0)
    return min_(mul_div_down(left, MILLION, owed), most)


def share_by_time(
    shortage_q: UInt, freed_q: UInt, small_q: UInt, initial_share: UInt, slots: UInt, duration_slots: UInt
) -> UInt:
    """Share (ten-thousandths) of a shortage that may be liquidated by now; all of one below `small_q`.

    The allowance starts at `initial_share` of the whole shortage, what was already freed (`freed_q`) included, and
    reaches all of it after `duration_slots` (at once where that is zero). Rounds down, in favour of the liquidated.
    Source: drift-labs/protocol-v2@0ae3e3b1 programs/drift/src/math/liquidation.rs:368-399.
    """
    if shortage_q < small_q or shortage_q == 0:
        return MYRIAD
    waited = mul_div_down(slots, MYRIAD, duration_slots) if duration_slots > 0 else MYRIAD
    allowed = min_(waited + initial_share, MYRIAD)
    freeable_q = max_(mul_div_down(shortage_q + freed_q, allowed, MYRIAD) - freed_q, 0)
    return mul_div_down(freeable_q, MYRIAD, shortage_q)
