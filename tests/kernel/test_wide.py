"""128-bit integers against Python's: every operation, at the edges and between, and what leaves 128 bits."""

import math
import operator
from functools import partial

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ringfence.kernel import wide as w
from ringfence.kernel.jit import HAS_DIVISION, jit
from ringfence.rules import words

LOW, HIGH = -(1 << 127), (1 << 127) - 1
POWERS = [1 << bits for bits in range(127)]
MIDDLES = (0, *POWERS, *(-power for power in POWERS), LOW, HIGH)
EDGES = sorted({min(max(middle + off, LOW), HIGH) for middle in MIDDLES for off in (-1, 0, 1)})
wides = st.one_of(st.sampled_from(EDGES), st.integers(LOW, HIGH), st.integers(-(10**20), 10**20))
dens = wides.map(abs).filter(lambda d: 0 < d <= HIGH)
OVERFLOW = "overflow"

ADD, SUB, MUL, NEG, ABS, MIN, MAX, SQRT, DOWN, UP, DIV, LONG = range(12)


@jit
def _apply(what, a, b, d, rounding):
    x, y, z = w.join(a[0], a[1]), w.join(b[0], b[1]), w.join(d[0], d[1])
    if what == ADD:
        return x + y
    if what == SUB:
        return x - y
    if what == MUL:
        return x * y
    if what == NEG:
        return -x
    if what == ABS:
        return abs(x)
    if what == MIN:
        return min(x, y)
    if what == MAX:
        return max(x, y)
    if what == SQRT:
        return w.isqrt(x)
    if what == DOWN:
        return w.mul_div_down(x, y, z)
    if what == UP:
        return w.mul_div_up(x, y, z)
    if what == LONG:
        return w._long_division(x, z)
    return w.mul_div(x, y, z, rounding)


@jit
def _run(what, a, b, d, rounding, out):
    found = _apply(what, a, b, d, rounding)
    out[0], out[1] = w.hi64(found), w.lo64(found)


@jit
def _compare(a, b, out):
    x, y = w.join(a[0], a[1]), w.join(b[0], b[1])
    out[0], out[1], out[2] = x < y, x <= y, x > y
    out[3], out[4], out[5] = x >= y, x == y, x != y


@jit
def _float(a):
    return w.to_float(w.join(a[0], a[1]))


@jit
def _narrow(a):
    return w.narrow(w.join(a[0], a[1]))


def halves(value):
    return np.array(w.split(value), dtype=np.int64)


def compiled(what, a, b=0, d=1, rounding=0):
    out = np.zeros(2, np.int64)
    try:
        _run(what, halves(a), halves(b), halves(d), rounding, out)
    except OverflowError:
        return OVERFLOW
    return w.joined(*out)


def held(value):
    return value if LOW <= value <= HIGH else OVERFLOW


def trunc(a, b):
    return abs(a) // abs(b) * (1 if (a >= 0) == (b > 0) else -1)


@given(wides)
def test_halves_join_again(value):
    assert w.joined(*w.split(value)) == value


@pytest.mark.parametrize("value", [LOW - 1, HIGH + 1])
def test_what_has_no_halves(value):
    with pytest.raises(OverflowError):
        w.split(value)


@given(wides, wides)
@example(HIGH, 1)
@example(LOW, -1)
@example(LOW, LOW)
@example(1 << 64, 1 << 62)
@example(1 << 64, 1 << 63)
def test_arithmetic_is_pythons_or_overflows(a, b):
    assert compiled(ADD, a, b) == held(a + b)
    assert compiled(SUB, a, b) == held(a - b)
    assert compiled(MUL, a, b) == held(a * b)
    assert compiled(MIN, a, b) == min(a, b)
    assert compiled(MAX, a, b) == max(a, b)


@given(wides)
@example(LOW)
def test_sign_and_magnitude(a):
    assert compiled(NEG, a) == held(-a)
    assert compiled(ABS, a) == held(abs(a))


@given(wides, wides)
def test_comparisons(a, b):
    out = np.zeros(6, np.bool_)
    _compare(halves(a), halves(b), out)
    ways = (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne)
    assert out.tolist() == [way(a, b) for way in ways]


@given(wides, wides, dens, st.sampled_from([words.FLOOR, words.CEIL, words.TRUNC]))
@example(-7, 1, 2, words.FLOOR)
@example(-7, 1, 2, words.TRUNC)
@example(-7, 1, 2, words.CEIL)
@example((1 << 63) - 1, 1 << 63, (1 << 63) + 1, words.CEIL)
@example(HIGH, 1, HIGH, words.CEIL)
@example(10**21, 10**23, 10**30, words.FLOOR)
@example(-(10**21), 10**23 + 1, 10**30, words.FLOOR)
@example(LOW, LOW, HIGH, words.CEIL)
@example(LOW, HIGH, HIGH, words.TRUNC)
@example(HIGH, HIGH, HIGH - 1, words.FLOOR)
def test_division_rounds_as_the_words_say(a, b, d, rounding):
    """A product may take 256 bits, where the quotient fits."""
    for what, want in (
        (DOWN, partial(words.mul_div_down, a, b, d)),
        (UP, partial(words.mul_div_up, a, b, d)),
        (DIV, partial(words.mul_div, a, b, d, rounding)),
    ):
        assert compiled(what, a, b, d, rounding) == held(want())


def around(*bounds):
    """Integers near these, and anywhere below."""
    near = [st.integers(bound - 3, bound + 3) for bound in bounds]
    return st.one_of(*near, st.integers(1, max(bounds)), st.integers(1, 10**7))


quotients = around(1, 1 << 11, 1 << 49, 1 << 53, 1 << 61, 1 << 62, 1 << 63)
near_dens = around(4, 10**6, 10**18, 1 << 50, 1 << 62, 1 << 64, 1 << 77)


@given(quotients, near_dens, st.integers(-2, 2), st.sampled_from([1, -1]))
@example(1 << 61, (1 << 62) - 1, -1, 1)
@example((1 << 61) - 1, (1 << 62) - 1, -1, -1)
def test_a_quotient_is_right_beside_every_whole_one(quotient, d, off, sign):
    for rest in (off, d // 2 + off):
        n = max(LOW, min(sign * (quotient * d + rest), HIGH))
        for rounding in (words.FLOOR, words.CEIL, words.TRUNC):
            assert compiled(DIV, n, 1, d, rounding) == words.mul_div(n, 1, d, rounding)


@given(st.integers(-3, 3), st.integers((1 << 126) - 3, (1 << 126) + 3), st.integers(-2, 2))
def test_the_largest_denominators(quotient, d, off):
    n = min(max(quotient * d + off, LOW), HIGH)
    for rounding in (words.FLOOR, words.CEIL, words.TRUNC):
        assert compiled(DIV, n, 1, d, rounding) == words.mul_div(n, 1, d, rounding)


@given(wides.filter(lambda a: a > LOW), dens)
@example(HIGH, 3)
@example(-HIGH, (1 << 64) - 1)
def test_division_without_the_c_runtime(a, d):
    assert compiled(LONG, a, 0, d) == trunc(a, d)


def test_this_machine_divides_by_the_c_runtime_or_says_so():
    assert w._quotient is (w._runtime_division if HAS_DIVISION else w._long_division)


@pytest.mark.parametrize("d", [0, -1, LOW])
def test_a_denominator_is_positive(d):
    with pytest.raises(ZeroDivisionError):
        compiled(DOWN, 1, 1, d)


@given(wides.filter(lambda a: a >= 0))
@example(HIGH)
@example((1 << 126) - 1)
def test_square_root(a):
    assert compiled(SQRT, a) == math.isqrt(a) == words.isqrt(a)


def test_a_negative_number_has_no_root():
    with pytest.raises(ValueError, match="negative"):
        compiled(SQRT, -1)


@given(wides)
@example(-1)
@example(-(1 << 64))
@example(LOW)
def test_a_float_has_the_right_sign_and_is_near(a):
    got = _float(halves(a))
    assert (got > 0) - (got < 0) == (a > 0) - (a < 0)
    assert abs(int(got) - a) <= abs(a) >> 52


@given(wides)
def test_only_what_fits_is_narrowed(a):
    if -(1 << 63) <= a < 1 << 63:
        assert _narrow(halves(a)) == a
    else:
        with pytest.raises(OverflowError):
            _narrow(halves(a))


@jit
def _mixed(small, flag):
    found = w.wide(small) * small if flag else 7
    found += 1
    found -= 2
    found *= 3
    return w.lo64(found), w.lo64(max(found, 10)), w.lo64(min(5, found)), found > 10


def test_integers_of_other_widths_widen():
    assert _mixed(4, True) == (45, 45, 5, True)
    assert _mixed(4, False) == (18, 18, 5, True)
    assert _mixed(np.int32(4), True) == (45, 45, 5, True)
    assert _mixed(np.uint8(4), True) == (45, 45, 5, True)


@jit
def _unsigned(value):
    return w.wide(value) + 0 == w.join(0, -1)


def test_an_unsigned_integer_keeps_its_value():
    assert _unsigned(np.uint64(2**64 - 1))


@pytest.mark.fuzz
@given(st.lists(st.tuples(wides, wides, dens), min_size=10, max_size=10))
def test_all_of_it_many_times(cases):
    for a, b, d in cases:
        assert compiled(MUL, a, b) == held(a * b)
        assert compiled(UP, a, b, d) == held(words.mul_div_up(a, b, d))
        assert compiled(DOWN, a, b, d) == held(words.mul_div_down(a, b, d))
