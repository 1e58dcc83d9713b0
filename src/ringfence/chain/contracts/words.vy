# pragma version ==0.4.3
"""
@title The closed vocabulary of the margin rules, on chain
@license Apache-2.0
@notice The same words as in `src/ringfence/rules/words.py`, with the same meaning for negative numbers: `FLOOR`
        rounds towards minus infinity, `CEIL` towards plus infinity, `TRUNC` towards zero. Denominators are
        positive: zero reverts.
@dev    Every product is a checked 256-bit multiplication: one that does not fit reverts instead of wrapping.
        Divisions are unsafe ones: the divisor is positive, so that the quotient, truncated, times the divisor is
        between zero and the dividend and nothing can wrap; comparing it with the dividend says whether anything was
        cut off, and where.
"""

PPM: constant(int256) = 1_000_000
WAD: constant(int256) = 1_000_000_000_000_000_000

FLOOR: constant(int256) = 0
CEIL: constant(int256) = 1
TRUNC: constant(int256) = 2


@internal
@pure
def div_down(a: int256, d: int256) -> int256:
    """
    @notice `a / d` rounded towards minus infinity.
    """
    assert d > 0
    quotient: int256 = unsafe_div(a, d)
    if unsafe_mul(quotient, d) > a:
        return unsafe_sub(quotient, 1)
    return quotient


@internal
@pure
def div_up(a: int256, d: int256) -> int256:
    """
    @notice `a / d` rounded towards plus infinity.
    """
    assert d > 0
    quotient: int256 = unsafe_div(a, d)
    if unsafe_mul(quotient, d) < a:
        return unsafe_add(quotient, 1)
    return quotient


@internal
@pure
def div(a: int256, d: int256, rounding: int256) -> int256:
    """
    @notice `a / d` rounded as `rounding` says (`FLOOR`, `CEIL` or `TRUNC`).
    """
    if rounding == CEIL:
        return self.div_up(a, d)
    if rounding == FLOOR:
        return self.div_down(a, d)
    assert d > 0
    return unsafe_div(a, d)


@internal
@pure
def mul_div_down(a: int256, b: int256, d: int256) -> int256:
    """
    @notice `a * b / d` rounded towards minus infinity.
    """
    return self.div_down(a * b, d)


@internal
@pure
def mul_div_up(a: int256, b: int256, d: int256) -> int256:
    """
    @notice `a * b / d` rounded towards plus infinity.
    """
    return self.div_up(a * b, d)


@internal
@pure
def mul_div(a: int256, b: int256, d: int256, rounding: int256) -> int256:
    """
    @notice `a * b / d` rounded as `rounding` says (`FLOOR`, `CEIL` or `TRUNC`).
    """
    return self.div(a * b, d, rounding)
