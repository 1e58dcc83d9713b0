"""Integers where integer arithmetic breaks, around zero, powers of two and powers of ten; and venues' fixed points."""

from fractions import Fraction

from hypothesis import strategies as st

BITS_MAX = 96
"""Sizes, prices and amounts that the engine accepts are below 2**96."""


def near_powers(bits):
    twos = st.integers(0, bits).map(lambda exponent: 2**exponent)
    tens = st.integers(0, bits // 4).map(lambda exponent: 10**exponent)
    return st.builds(
        lambda power, step: min(max(0, power + step), 2**bits - 1), twos | tens, st.integers(-2, 2)
    )


def natural(bits=BITS_MAX):
    """0 .. 2**bits - 1, mostly at an edge."""
    return near_powers(bits) | st.integers(0, 20) | st.integers(0, 2**bits - 1)


def positive(bits=BITS_MAX):
    return natural(bits).map(lambda number: number or 1)


def signed(bits=BITS_MAX):
    return st.builds(lambda number, sign: number * sign, natural(bits), st.sampled_from((1, -1)))


roundings = st.sampled_from((0, 1, 2))
ppm = st.sampled_from((0, 1, 499_999, 500_000, 999_999, 1_000_000)) | st.integers(0, 1_000_000)


def wad(number):
    """A number, or the text of one, with 18 decimal places."""
    return int(Fraction(number) * 10**18)


def e30(number):
    return int(Fraction(number) * 10**30)
