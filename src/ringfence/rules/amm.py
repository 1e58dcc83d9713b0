"""What a pool of two assets gives for one of them: constant product, and concentrated liquidity within one price range.

A pool holds a *base* asset (what is sold or bought) and a *quote* asset (what it is paid in). Amounts are atoms of
either; fees are parts per million of what goes in and stay in the pool. Every division favours the pool, as the venues
have it: it never pays out more or takes in less than its curve says.

Concentrated liquidity counts the square root of the price (quote atoms per base atom) times 2^96, `root`; between two
roots the pool is a constant product of its own with `liquidity = sqrt(base * quote)`.
"""

from .words import CEIL, FLOOR, PPM, Int, UInt, mul_div, mul_div_down, mul_div_up

Q96 = 79_228_162_514_264_337_593_543_950_336
"""The scale of a root: 2^96."""


# -- constant product --------------------------------------------------------------------------------------------------


def paid_out(amount_in: UInt, reserve_in: UInt, reserve_out: UInt, fee_ppm: UInt) -> UInt:
    """What a constant product pays out for `amount_in`, rounded down.

    Source: Uniswap v2 `v2-periphery contracts/libraries/UniswapV2Library.sol` (`getAmountOut`, with a fee of 0.3 %).
    """
    kept = amount_in * (PPM - fee_ppm)
    return mul_div_down(kept, reserve_out, reserve_in * PPM + kept)


def paid_in(amount_out: UInt, reserve_in: UInt, reserve_out: UInt, fee_ppm: UInt) -> UInt:
    """What must go into a constant product to take `amount_out`, less than its reserve, out of it; one atom above.

    Source: Uniswap v2 `v2-periphery contracts/libraries/UniswapV2Library.sol` (`getAmountIn` adds 1 to the quotient).
    """
    return mul_div_down(reserve_in * PPM, amount_out, (reserve_out - amount_out) * (PPM - fee_ppm)) + 1


def virtual_trade(amount: UInt, reserve: UInt, other: UInt, adds: bool, unit: UInt) -> Int:
    """What a virtual pool without fee gives for `amount` added to a reserve, or asks for `amount` taken from it.

    The product is itself kept in fixed point: it is rounded down to `unit`, and the other reserve after the trade is
    rounded up, so the trader gets up to one atom less and pays up to one more.
    Source: Perp v1 `perpetual-protocol@bf5adf65 src/Amm.sol` (`getInputPriceWithReserves`,
    `getOutputPriceWithReserves`: 1 wei less for the trader while the amount does not divide).
    """
    product = mul_div_down(reserve, other, unit)
    if adds:
        return other - mul_div_up(product, unit, reserve + amount)
    return mul_div_up(product, unit, reserve - amount) - other


# -- concentrated liquidity --------------------------------------------------------------------------------------------


def base_between(liquidity: UInt, low_root: UInt, high_root: UInt, rounding: UInt) -> UInt:
    """Base that `liquidity` holds between two roots: rounded up where it is paid in, down where it is paid out.

    Source: Uniswap v3 `v3-core contracts/libraries/SqrtPriceMath.sol` (`getAmount0Delta`).
    """
    return mul_div(mul_div(liquidity * Q96, high_root - low_root, high_root, rounding), 1, low_root, rounding)


def quote_between(liquidity: UInt, low_root: UInt, high_root: UInt, rounding: UInt) -> UInt:
    """Quote that `liquidity` holds between two roots.

    Source: Uniswap v3 `v3-core contracts/libraries/SqrtPriceMath.sol` (`getAmount1Delta`).
    """
    return mul_div(liquidity, high_root - low_root, Q96, rounding)


def liquidity_of_base(base: UInt, low_root: UInt, high_root: UInt) -> UInt:
    """Liquidity that a deposit of base gives between two roots at or above the price, rounded down.

    Source: Uniswap v3 `v3-periphery contracts/libraries/LiquidityAmounts.sol` (`getLiquidityForAmount0`).
    """
    return mul_div_down(base, mul_div_down(low_root, high_root, Q96), high_root - low_root)


def liquidity_of_quote(quote: UInt, low_root: UInt, high_root: UInt) -> UInt:
    """Liquidity that a deposit of quote gives between two roots at or below the price, rounded down.

    Source: Uniswap v3 `v3-periphery contracts/libraries/LiquidityAmounts.sol` (`getLiquidityForAmount1`).
    """
    return mul_div_down(quote, Q96, high_root - low_root)


def root_after_sale(root: UInt, liquidity: UInt, base: UInt) -> UInt:
    """Root after `base` (without the fee) came in, rounded up: the price never falls further than paid for.

    Source: Uniswap v3 `v3-core contracts/libraries/SqrtPriceMath.sol` (`getNextSqrtPriceFromAmount0RoundingUp`).
    """
    return mul_div_up(liquidity * Q96, root, liquidity * Q96 + base * root)


def root_after_purchase(root: UInt, liquidity: UInt, base: UInt) -> UInt:
    """Root after `base`, less than the liquidity holds above `root`, went out, rounded up.

    Source: Uniswap v3 `v3-core contracts/libraries/SqrtPriceMath.sol` (`getNextSqrtPriceFromAmount0RoundingUp`).
    """
    return mul_div_up(liquidity * Q96, root, liquidity * Q96 - base * root)


def root_after_quote(root: UInt, liquidity: UInt, quote: UInt) -> UInt:
    """Root after `quote` (without the fee) came in, rounded down.

    Source: Uniswap v3 `v3-core contracts/libraries/SqrtPriceMath.sol` (`getNextSqrtPriceFromAmount1RoundingDown`).
    """
    return root + mul_div_down(quote, Q96, liquidity)


def without_fee(amount_in: UInt, fee_ppm: UInt) -> UInt:
    """What of an amount paid in moves the price, rounded down.

    Source: Uniswap v3 `v3-core contracts/libraries/SwapMath.sol` (`computeSwapStep`).
    """
    return mul_div_down(amount_in, PPM - fee_ppm, PPM)


def fee_on_top(amount_in: UInt, fee_ppm: UInt) -> UInt:
    """Fee for an amount that moves the price by all of itself, rounded up.

    Source: Uniswap v3 `v3-core contracts/libraries/SwapMath.sol` (`computeSwapStep`).
    """
    return mul_div_up(amount_in, fee_ppm, PPM - fee_ppm)


def sold_within(liquidity: UInt, root_before: UInt, root_after: UInt) -> UInt:
    """Quote that a sale receives as it moves the price down within one range."""
    return quote_between(liquidity, root_after, root_before, FLOOR)


def bought_within(liquidity: UInt, root_before: UInt, root_after: UInt) -> UInt:
    """Quote that a purchase pays, without the fee, as it moves the price up within one range."""
    return quote_between(liquidity, root_before, root_after, CEIL)
