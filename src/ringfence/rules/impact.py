"""Price impact of a trade against a pool: a power of the imbalance before it against a power of the one after.

The pool quotes its oracle price whatever the size. What a large trade would cost elsewhere is charged as impact, and
who evens out long and short open interest is rewarded. The power is computed bit for bit as the contract does it,
`x ** y = 2 ** (y * log2(x))` in 18 decimal places: 10,000 squared is 99,999,999.999999998123521649 there, and a venue
that prices with it is met only by the same steps. Reference reading only.

Units: `_wad` numbers with 18 decimal places, `_e30` USD or factors with 30.
Source: gmx-io/gmx-synthetics@a5c0c883 contracts/pricing/PricingUtils.sol and PositionPricingUtils.sol; the power is
that of PRBMath's UD60x18.
"""

from .words import WAD, Int, UInt, abs_, isqrt, max_, min_, mul_div_down, power_of_ten

E30 = power_of_ten(30)
"""One USD, or a factor of one."""
E12 = power_of_ten(12)
"""From 18 to 30 decimal places."""
PLACES = 64
"""Binary places of an exponent of two."""
EXPONENT_MAX_WAD = 192 * WAD
ONE = 1 << 191
"""One, at the scale at which a power of two is built up."""


def _roots() -> tuple[UInt, ...]:
    """2 ** (2 ** -i) for i = 1..64 in units of 2 ** -64, each rounded to the nearest; found with 256 binary places."""
    roots, root, exact = [], 2 << 256, 1 << 256
    for _ in range(PLACES):
        root = isqrt(root * exact)
        roots.append((root + ONE) >> 192)
    return tuple(roots)


ROOTS = _roots()


def log2_wad(x_wad: UInt) -> UInt:
    """Binary logarithm of a number of at least 1, rounded down place by place (1/2, 1/4, ... in whole wads).

    The mantissa in 1..2 is squared; each time it reaches 2 the next place counts and it is halved.
    """
    whole = mul_div_down(x_wad, 1, WAD).bit_length() - 1
    found_wad, mantissa_wad, place_wad = whole * WAD, x_wad >> whole, WAD >> 1
    if mantissa_wad == WAD:
        return found_wad
    while place_wad > 0:
        mantissa_wad = mul_div_down(mantissa_wad, mantissa_wad, WAD)
        if mantissa_wad >= 2 * WAD:
            found_wad += place_wad
            mantissa_wad >>= 1
        place_wad >>= 1
    return found_wad


def exp2_wad(x_wad: UInt) -> UInt:
    """2 to the power of a number below 192, rounded down: a root of two is multiplied in for each bit that is set."""
    bits = mul_div_down(x_wad, 1 << PLACES, WAD)
    found = ONE
    for place, root in enumerate(ROOTS, start=1):
        if bits & (1 << PLACES >> place):
            found = (found * root) >> PLACES
    return mul_div_down(found, WAD, ONE >> (bits >> PLACES))


def power_wad(base_wad: UInt, exponent_wad: UInt) -> UInt:
    """`base ** exponent` for a base of at least 1; the product of exponent and logarithm rounds half up."""
    product_wad = mul_div_down(2 * log2_wad(base_wad) * exponent_wad + WAD, 1, 2 * WAD)
    return exp2_wad(product_wad)


def has_power(amount_e30: UInt, exponent_e30: UInt) -> bool:
    """Whether the power of an amount stays below 2 ** 192, beyond which the contract refuses to compute it."""
    if amount_e30 < E30 or exponent_e30 == E30:
        return True
    exponent_wad = mul_div_down(exponent_e30, 1, E12)
    return log2_wad(mul_div_down(amount_e30, 1, E12)) * exponent_wad < EXPONENT_MAX_WAD * WAD


def powered_e30(amount_e30: UInt, exponent_e30: UInt) -> UInt:
    """A power of an amount of USD. Less than 1 USD counts as nothing, and an exponent of exactly 1 leaves it as it is.

    Both numbers lose their last 12 decimal places on the way into the power.
    """
    if amount_e30 < E30:
        return 0
    if exponent_e30 == E30:
        return amount_e30
    return power_wad(mul_div_down(amount_e30, 1, E12), mul_div_down(exponent_e30, 1, E12)) * E12


def imbalance_cost_e30(imbalance_e30: UInt, factor_e30: UInt, exponent_e30: UInt) -> UInt:
    """What an imbalance of open interest stands for in USD: `imbalance ** exponent * factor`, rounded down."""
    return mul_div_down(powered_e30(imbalance_e30, exponent_e30), factor_e30, E30)


def price_impact_e30(
    before_e30: Int,
    after_e30: Int,
    reward_factor_e30: UInt,
    cost_factor_e30: UInt,
    reward_exponent_e30: UInt,
    cost_exponent_e30: UInt,
) -> Int:
    """USD that a trade receives (negative: pays) for taking the imbalance (long less short) from `before` to `after`.

    On one side of balance both ends are weighed with the same factor, that of the reward when the imbalance shrinks.
    Across it the old imbalance is rewarded and the new one charged. A reward's factor never exceeds that of the cost,
    so going there and back cannot pay. Source: PositionPricingUtils.sol getPriceImpactUsd.
    """
    reward_e30 = min_(reward_factor_e30, cost_factor_e30)
    old_e30, new_e30 = abs_(before_e30), abs_(after_e30)
    if (before_e30 <= 0) != (after_e30 <= 0):
        earned_e30 = imbalance_cost_e30(old_e30, reward_e30, reward_exponent_e30)
        return earned_e30 - imbalance_cost_e30(new_e30, cost_factor_e30, cost_exponent_e30)
    shrinks = new_e30 < old_e30
    factor_e30 = reward_e30 if shrinks else cost_factor_e30
    exponent_e30 = reward_exponent_e30 if shrinks else cost_exponent_e30
    moved_e30 = imbalance_cost_e30(old_e30, factor_e30, exponent_e30)
    return moved_e30 - imbalance_cost_e30(new_e30, factor_e30, exponent_e30)


def impact_in_trigger_e30(impact_e30: Int, size_e30: UInt, factor_e30: UInt) -> Int:
    """The impact of closing that a liquidation check counts: no reward, and a cost of at most a share of the size.

    The limit keeps one liquidation's impact from causing the next; rounded down.
    Source: contracts/position/PositionUtils.sol:316-452, MarketUtils.sol getMaxPositionImpactFactorForLiquidations.
    """
    return max_(min_(impact_e30, 0), -mul_div_down(size_e30, factor_e30, E30))
