"""The closed vocabulary that a margin rule may use, in its exact meaning (Python integers).

A rule imports nothing but this module. Other readings of a rule (compiled, on chain) bind the same names to other
number systems, so a word says precisely what it does to negative numbers: `FLOOR` rounds towards minus infinity,
`CEIL` towards plus infinity, `TRUNC` towards zero. Denominators are positive.
"""

UInt = int
Int = int

PPM = 1_000_000
WAD = 1_000_000_000_000_000_000

FLOOR = 0
CEIL = 1
TRUNC = 2


def mul_div_down(a: Int, b: Int, d: UInt) -> Int:
    """`a * b / d` rounded towards minus infinity."""
    return a * b // d


def mul_div_up(a: Int, b: Int, d: UInt) -> Int:
    """`a * b / d` rounded towards plus infinity."""
    return -(-a * b // d)


def mul_div(a: Int, b: Int, d: UInt, rounding: UInt) -> Int:
    """`a * b / d` rounded as `rounding` says (`FLOOR`, `CEIL` or `TRUNC`)."""
    product = a * b
    if rounding == CEIL or (rounding == TRUNC and product < 0):
        return -(-product // d)
    return product // d


def abs_(a: Int) -> UInt:
    """The magnitude of `a`."""
    return a if a >= 0 else -a


def min_(a: Int, b: Int) -> Int:
    """The smaller of two."""
    return a if a <= b else b  # noqa: FURB136 - the built-in has other readings elsewhere


def max_(a: Int, b: Int) -> Int:
    """The larger of two."""
    return a if a >= b else b  # noqa: FURB136 - as above


def power_of_ten(digits: UInt) -> UInt:
    """A scale: 1 followed by `digits` zeros (extended word: the reference reading only)."""
    scale = 1
    for _ in range(digits):
        scale *= 10
    return scale


def isqrt(a: UInt) -> UInt:
    """Square root rounded down, by Newton's method from above (extended word)."""
    if a == 0:
        return 0
    root = 1 << (a.bit_length() + 1 >> 1)
    while True:
        better = (root + mul_div_down(a, 1, root)) >> 1
        if better >= root:
            return root
        root = better
