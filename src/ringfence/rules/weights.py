"""What assets count for and what debts ask: worth times a weight, at most 1 for an asset and at least 1 for a debt.

Weights and prices are fixed-point numbers of scale `one` (1e18 on Vertex); weights alone may have a scale of their own,
which is then called `precision` (1e4 on Drift). The sum of all weighted worths is what venues call health: this
package's surplus. Products round towards zero, once each, as the venues' contracts do.
"""

from .words import TRUNC, Int, UInt, abs_, isqrt, max_, min_, mul_div, mul_div_down

ROOT_SCALE = 100_000
"""The square root of a size in billionths, times ten, counts hundred-thousandths of the root of the size."""


def weight_of(amount: Int, asset_weight: UInt, liability_weight: UInt) -> UInt:
    """The weight that an amount has: the asset's from zero on, the debt's below."""
    return asset_weight if amount >= 0 else liability_weight


def weighted_value(amount: Int, weight: UInt, price: UInt, one: UInt) -> Int:
    """`amount * weight * price`, each product towards zero: in favour of a debtor, against an owner.

    Source: vertex-protocol/vertex-contracts@e1381815 core/contracts/BaseEngine.sol (`getHealthContribution`).
    """
    return mul_div(mul_div(amount, weight, one, TRUNC), price, one, TRUNC)


def spread_basis(spot: Int, perp: Int) -> UInt:
    """How much of an asset and of the perp on it cancel: the smaller of two opposite positions, else nothing."""
    if (spot > 0) == (perp > 0):
        return 0
    return min_(abs_(spot), abs_(perp))


def spread_credit(
    basis: UInt, price_sum: UInt, spot_weight: UInt, perp_weight: UInt, hedged_weight: UInt, one: UInt
) -> Int:
    """What a spread of `basis` gives back of the two weights that its legs were charged.

    A hedged pair is charged a fifth of the requirement of one leg, on the worth of both, instead of both legs'
    average. `spot_weight` and `perp_weight` are asset weights; `hedged_weight` is that of the leg which is the hedge:
    the perp's where the asset is owned, the asset's where it is owed.
    Source: vertex-protocol/vertex-contracts@e1381815 core/contracts/Clearinghouse.sol:77-147.
    """
    charged = mul_div(spot_weight + perp_weight, 1, 2, TRUNC)
    kept = one - mul_div(one - hedged_weight, 1, 5, TRUNC)
    return mul_div(mul_div(basis, price_sum, one, TRUNC), kept - charged, one, TRUNC)


def spread_relief_q(
    hedged_q: UInt,
    asset_num: UInt,
    asset_den: UInt,
    perp_num: UInt,
    perp_den: UInt,
    kept_num: UInt,
    kept_den: UInt,
) -> Int:
    """`spread_credit` in rates: what `hedged_q` of worth is asked less than half of both legs' rates together.

    `(asset rate + perp rate) / 2` less the rate that is kept, each a fraction; rounded down, against the trader.
    """
    charged_num = asset_num * perp_den + perp_num * asset_den
    kept = 2 * kept_num * asset_den * perp_den
    return mul_div_down(hedged_q, charged_num * kept_den - kept, 2 * asset_den * perp_den * kept_den)


def discounted_price(price: UInt, weight: UInt, parts: UInt, one: UInt) -> UInt:
    """Price at which a liquidator takes an asset over (or settles a debt): one of `parts` of its weight's discount.

    `price * (1 + (weight - 1) / parts)`, below the price for an asset and above it for a debt.
    Source: vertex-protocol/vertex-contracts@e1381815 core/contracts/ClearinghouseStorage.sol:54-73 (5 parts; 25 for a
    spread). The venue's documents say half of the discount; its code was run.
    """
    return mul_div(price, one + mul_div(weight - one, 1, parts, TRUNC), one, TRUNC)


def discount_share(
    price: UInt, taken_price: UInt, amount: Int, share_num: UInt, share_den: UInt, one: UInt
) -> Int:
    """The insurance fund's share of what a liquidator gains on `amount`, in two products towards zero.

    Source: vertex-protocol/vertex-contracts@e1381815 core/contracts/ClearinghouseLiq.sol (`_handleLiquidationPayment`).
    """
    per_unit = mul_div(price - taken_price, share_num, share_den, TRUNC)
    return mul_div(per_unit, amount, one, TRUNC)


def scaled_asset_weight(weight: UInt, start: UInt, total: UInt) -> UInt:
    """An asset's weight once the venue holds more of it than `start`: so that weight times total stays the same.

    `total` and `start` are worths. A start of zero is none. Rounds down, against the owner.
    Source: drift-labs/protocol-v2@0ae3e3b1 programs/drift/src/math/margin/tests.rs:190-231;
    blockworks-foundation/mango-v4@1303a4a1 programs/mango-v4/src/health/cache.rs:1767-1796.
    """
    if start == 0 or total <= start:
        return weight
    return mul_div_down(weight, start, total)


def scaled_liability_weight(weight: UInt, start: UInt, total: UInt) -> UInt:
    """A debt's weight once the venue has lent more than `start` of it; grows in proportion, rounds down.

    Source: blockworks-foundation/mango-v4@1303a4a1 programs/mango-v4/src/health/cache.rs:1797-1826.
    """
    if start == 0 or total <= start:
        return weight
    return mul_div_down(weight, total, start)


def discounted_weight(
    size: UInt, factor: UInt, weight: UInt, factor_precision: UInt, precision: UInt
) -> UInt:
    """An asset's weight with a discount for size: `min(weight, 1.1 / (1 + factor * sqrt(size)))`, rounded down.

    `size` in billionths of a unit, `factor` in `factor_precision` and weights in `precision`. The premium of a debt's
    weight is `requirement.root_rate_num`.
    Source: drift-labs/protocol-v2@0ae3e3b1 programs/drift/src/math/margin.rs:47-80.
    """
    if factor == 0:
        return weight
    root = isqrt(size * 10 + 1)
    top = factor_precision + mul_div_down(factor_precision, 1, 10)
    return min_(
        weight, mul_div_down(top, precision, factor_precision + mul_div_down(root, factor, ROOT_SCALE))
    )


def executed_value(
    held: Int, ordered: Int, asset_price: UInt, liability_price: UInt, order_price: UInt, one: UInt
) -> Int:
    """Weighted worth of a position once all orders of one side are executed, less what they cost.

    `held` and `ordered` (negative: asks) are base amounts, the first two prices are already multiplied by weights.
    Source: blockworks-foundation/mango-v4@1303a4a1 programs/mango-v4/src/health/cache.rs:455-581.
    """
    after = held + ordered
    worth = mul_div(after, weight_of(after, asset_price, liability_price), one, TRUNC)
    return worth - mul_div(ordered, order_price, one, TRUNC)


def reserved_value(balance: Int, reserved: UInt, asset_price: UInt, liability_price: UInt, one: UInt) -> UInt:
    """What `reserved` adds to a weighted balance of which it is already a part and which it was added to last.

    The part that fills a debt counts at the liability's weighted price, the rest at the asset's.
    Source: blockworks-foundation/mango-v4@1303a4a1 programs/mango-v4/src/health/cache.rs (`health_contribution`).
    """
    owned = min_(max_(balance, 0), reserved)
    rest = mul_div(reserved - owned, liability_price, one, TRUNC)
    return mul_div(owned, asset_price, one, TRUNC) + rest


def converted(amount: UInt, price_from: UInt, price_to: UInt, limit: UInt) -> UInt:
    """`amount` of one asset in units of another, never more than `limit` (zero: none), rounded down.

    The limit is what the amount brings at the worst price of the orders that hold it.
    Source: blockworks-foundation/mango-v4@1303a4a1 programs/mango-v4/src/health/cache.rs (`all_reserved_as_base`).
    """
    exchanged = mul_div_down(amount, price_from, price_to)
    return min_(exchanged, limit) if limit > 0 else exchanged
