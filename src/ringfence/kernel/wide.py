"""`Int128`: a signed 128-bit integer in compiled code, and the words of the rules bound to it.

Python's integers have no end; here every sum, difference and product that leaves 128 bits raises `OverflowError`, so an
answer is right or there is none. The check costs nothing where the compiler sees that nothing can leave (the product of
two 64-bit integers) and one branch elsewhere. Integers of any width mix with it and widen; it never narrows by itself:
`lo64` and `hi64` split it, `narrow` takes one that must fit in 64 bits.

Division is exact and rounds as `rules.words` says. LLVM leaves 128-bit division to the C runtime's `__divti3`; where
that is not to be had, division is done here, bit by bit. A product that is divided at once may take 256 bits: only the
quotient must fit.

In Python, outside compiled code, these names are stand-ins for `int` (for type checkers); call them from `@jit` only.
"""
# mypy: disable-error-code="misc, untyped-decorator, no-untyped-def, no-untyped-call, no-any-return"
# ruff: noqa: ANN001, ANN202, PLR2004, PLW0108 - code generators take and return objects of a compiler without types

import operator
from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.core.imputils import lower_builtin, lower_cast
from numba.core.typeconv.castgraph import Conversion
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, models, overload, register_model

from ..rules import words
from .jit import HAS_DIVISION, jit, never_inlined
from .wide_product import long_mul_div_in

Wide = int
"""What an `Int128` is to a type checker."""

I64, I128 = ir.IntType(64), ir.IntType(128)
FLOOR, CEIL, TRUNC = words.FLOOR, words.CEIL, words.TRUNC
NEAR_MOST, HIGH_MOST = 2.0**49, 1 << 62
"""Below these quotients and upper halves of denominators, floats divide and integers set them right."""


class Int128(types.Type):
    """Numba's type of a 128-bit integer."""

    def __init__(self) -> None:
        super().__init__("Int128")

    def can_convert_from(self, typingctx: object, other: object) -> Conversion | None:  # noqa: ARG002 - Numba's signature
        """Any integer widens."""
        return Conversion.promote if isinstance(other, types.Integer) else None

    def unify(self, typingctx: object, other: object) -> "Int128 | None":  # noqa: ARG002 - as above
        """Where branches meet, the wider one wins."""
        return self if isinstance(other, types.Integer | Int128) else None


WIDE = Int128()


@register_model(Int128)
class _Model(models.PrimitiveModel):
    def __init__(self, dmm, fe_type) -> None:
        super().__init__(dmm, fe_type, I128)


@lower_cast(types.Integer, Int128)
def _widen(_context, builder, fromty, _toty, value):
    return builder.sext(value, I128) if fromty.signed else builder.zext(value, I128)


def _intrinsic(function: Callable[..., object]) -> Callable[..., Any]:
    """A function that compiled code may call, whose instructions are written here."""
    return cast("Callable[..., Any]", intrinsic(function))


# -- operators ---------------------------------------------------------------------------------------------------------


def _typed(function: object, result: object) -> None:
    """Let `function` of two integers, one of them wide, be typed as one of two wide ones."""

    @infer_global(function)
    class _Template(AbstractTemplate):
        def generic(self, args, kws):  # noqa: ARG002 - Numba's signature
            wide_ones = [each for each in args if isinstance(each, Int128)]
            if (
                len(args) == 2
                and wide_ones
                and all(isinstance(each, Int128 | types.Integer) for each in args)
            ):
                return signature(result, WIDE, WIDE)
            return None


def _checked(context, builder, pair):
    """The first of (result, overflowed), or leave the function with an `OverflowError`."""
    with builder.if_then(builder.extract_value(pair, 1), likely=False):
        context.call_conv.return_user_exc(builder, OverflowError, ("a value leaves 128 bits",))
    return builder.extract_value(pair, 0)


def _define_arithmetic(function: object, emit: Callable[[Any, Any, Any], Any]) -> None:
    _typed(function, WIDE)

    @lower_builtin(function, Int128, Int128)
    def _lower(context, builder, _sig, args):
        return _checked(context, builder, emit(builder, *args))


_define_arithmetic(operator.add, lambda builder, x, y: builder.sadd_with_overflow(x, y))
_define_arithmetic(operator.sub, lambda builder, x, y: builder.ssub_with_overflow(x, y))
_define_arithmetic(operator.mul, lambda builder, x, y: builder.smul_with_overflow(x, y))
_define_arithmetic(operator.iadd, lambda builder, x, y: builder.sadd_with_overflow(x, y))
_define_arithmetic(operator.isub, lambda builder, x, y: builder.ssub_with_overflow(x, y))
_define_arithmetic(operator.imul, lambda builder, x, y: builder.smul_with_overflow(x, y))


def _define_comparison(function: object, sign: str) -> None:
    _typed(function, types.boolean)

    @lower_builtin(function, Int128, Int128)
    def _lower(_context, builder, _sig, args):
        return builder.icmp_signed(sign, *args)


for _function, _sign in (
    *((operator.lt, "<"), (operator.le, "<="), (operator.gt, ">"), (operator.ge, ">=")),
    *((operator.eq, "=="), (operator.ne, "!=")),
):
    _define_comparison(_function, _sign)


def _define_choice(function: object, sign: str) -> None:
    _typed(function, WIDE)

    @lower_builtin(function, Int128, Int128)
    def _lower(_context, builder, _sig, args):
        return builder.select(builder.icmp_signed(sign, *args), *args)


_define_choice(min, "<=")
_define_choice(max, ">=")


def _negative(context, builder, value):
    return _checked(context, builder, builder.ssub_with_overflow(I128(0), value))


@_intrinsic
def _neg(typingctx, x):  # noqa: ARG001 - Numba's signature, here and below
    def codegen(context, builder, _sig, args):
        return _negative(context, builder, args[0])

    return WIDE(WIDE), codegen


@_intrinsic
def _abs(typingctx, x):  # noqa: ARG001
    def codegen(context, builder, _sig, args):
        value = args[0]
        is_negative = builder.icmp_signed("<", value, I128(0))
        return builder.select(is_negative, _negative(context, builder, value), value)

    return WIDE(WIDE), codegen


@overload(operator.neg)
def _overload_neg(x):
    return (lambda x: _neg(x)) if isinstance(x, Int128) else None


@overload(abs)
def _overload_abs(x):
    return (lambda x: _abs(x)) if isinstance(x, Int128) else None


# -- in and out --------------------------------------------------------------------------------------------------------


@_intrinsic
def wide(typingctx, x) -> object:  # noqa: ARG001
    """An integer of any width as 128 bits."""

    def codegen(context, builder, sig, args):
        return context.cast(builder, args[0], sig.args[0], WIDE)

    return WIDE(x), codegen


@_intrinsic
def lo64(typingctx, x) -> object:  # noqa: ARG001
    """The lower 64 bits, as a signed integer."""

    def codegen(_context, builder, _sig, args):
        return builder.trunc(args[0], I64)

    return types.int64(WIDE), codegen


@_intrinsic
def hi64(typingctx, x) -> object:  # noqa: ARG001
    """The upper 64 bits, signed."""

    def codegen(_context, builder, _sig, args):
        return builder.trunc(builder.ashr(args[0], I128(64)), I64)

    return types.int64(WIDE), codegen


@_intrinsic
def join(typingctx, hi, lo) -> object:  # noqa: ARG001
    """The integer with these upper and lower 64 bits: `join(hi64(x), lo64(x)) == x`."""

    def codegen(_context, builder, _sig, args):
        upper = builder.shl(builder.sext(args[0], I128), I128(64))
        return builder.or_(upper, builder.zext(args[1], I128))

    return WIDE(types.int64, types.int64), codegen


def split(value: int) -> tuple[int, int]:
    """The halves of a Python integer that `join` takes; `OverflowError` beyond 128 bits."""
    if not -(1 << 127) <= value < 1 << 127:
        raise OverflowError("a value leaves 128 bits")
    low = value & ((1 << 64) - 1)
    return value >> 64, low - (1 << 64) if low >> 63 else low


def joined(hi: int, lo: int) -> int:
    """The Python integer with these halves."""
    return (int(hi) << 64) + (int(lo) & ((1 << 64) - 1))


@jit
def fits(x: Wide) -> bool:
    """Whether 64 bits hold it."""
    return wide(lo64(x)) == x


@jit
def narrow(x: Wide) -> int:
    """It as a 64-bit integer; `OverflowError` where it does not fit."""
    if wide(lo64(x)) != x:
        raise OverflowError("a value leaves 64 bits")
    return lo64(x)


@jit
def to_float(x: Wide) -> float:
    """It as a float, of the right sign; the relative error is below 2^-52."""
    if wide(lo64(x)) == x:
        return float(lo64(x))
    low = np.uint64(lo64(x))
    if hi64(x) >= 0:
        return float(hi64(x)) * 18446744073709551616.0 + float(low)
    # The halves of a negative one are of opposite sign and would cancel; those of its complement are not.
    return -(float(~hi64(x)) * 18446744073709551616.0 + float(~low))


# -- division ----------------------------------------------------------------------------------------------------------


def _define_unchecked(emit: Callable[[Any, Any, Any], Any]) -> Callable[..., Any]:
    @_intrinsic
    def unchecked(typingctx, x, y):  # noqa: ARG001
        def codegen(_context, builder, _sig, args):
            return emit(builder, *args)

        return WIDE(WIDE, WIDE), codegen

    return unchecked


_runtime_quotient = _define_unchecked(lambda builder, x, y: builder.sdiv(x, y))
_wrapping_mul = _define_unchecked(lambda builder, x, y: builder.mul(x, y))
_wrapping_add = _define_unchecked(lambda builder, x, y: builder.add(x, y))
_wrapping_sub = _define_unchecked(lambda builder, x, y: builder.sub(x, y))
_shift_left = _define_unchecked(lambda builder, x, y: builder.shl(x, y))
_shift_right = _define_unchecked(lambda builder, x, y: builder.lshr(x, y))


@jit
def _long_quotient(n: Wide, d: Wide) -> Wide:
    """`n / d` for `n >= 0` and `d > 0`, rounded down: schoolbook division, one binary digit at a time."""
    if fits(n) and fits(d):
        return wide(lo64(n) // lo64(d))
    quotient, rest, one = wide(0), n, wide(1)
    shift = wide(0)
    while _shift_right(n, shift) >= d:
        shift = shift + one
    while shift > 0:
        shift = shift - one
        if _shift_right(rest, shift) >= d:
            rest = _wrapping_sub(rest, _shift_left(d, shift))
            quotient = quotient + _shift_left(one, shift)
    return quotient


@jit
def _long_division(n: Wide, d: Wide) -> Wide:
    """`n / d` for `d > 0`, towards zero, without the C runtime."""
    return _long_quotient(n, d) if n >= 0 else -_long_quotient(-n, d)


@jit
def _runtime_division(n: Wide, d: Wide) -> Wide:
    """`n / d` for `d > 0`, towards zero, by the C runtime."""
    return _runtime_quotient(n, d)


_quotient = _runtime_division if HAS_DIVISION else _long_division


@_intrinsic
def _truncated_64(typingctx, n, d):  # noqa: ARG001
    def codegen(_context, builder, _sig, args):
        return builder.sdiv(*args)

    return types.int64(types.int64, types.int64), codegen


@jit
def _step(rest: int, rounding: int) -> int:
    """What a remainder adds to a quotient towards zero; without branches, since its sign is anybody's guess."""
    up = (rest > 0) & (rounding == CEIL)
    down = (rest < 0) & (rounding == FLOOR)
    return up - down


@jit
def _divided_64(n: int, d: int, rounding: int) -> int:
    """`n / d` for `d > 0`, where 64 bits are enough."""
    quotient = _truncated_64(n, d)
    return quotient + _step(n - quotient * d, rounding)


@jit
def _divided_128(n: Wide, d: Wide, rounding: int) -> Wide:
    """`n / d` for `d > 0`: by floats that integers set right where the quotient is small, else by long division.

    Kept out of line, so that what divides stays small enough to be inlined itself. Operands and quotient of the floats
    are right to the share 2^-52 each and the quotient is below 2^49, so it is off by less than one half, and its
    floor by at most one.
    """
    never_inlined()
    near = to_float(n) / to_float(d)
    if abs(near) < NEAR_MOST and hi64(d) < HIGH_MOST:
        whole = int(np.floor(near))
        rest = _wrapping_sub(n, _wrapping_mul(wide(whole), d))
        if rest < 0:
            whole, rest = whole - 1, _wrapping_add(rest, d)
        elif rest >= d:
            whole, rest = whole + 1, _wrapping_sub(rest, d)
        up = (rounding == CEIL) | ((rounding == TRUNC) & (hi64(n) < 0))
        return wide(whole + (up & (rest != 0)))
    quotient = _quotient(n, d)
    rest = _wrapping_sub(n, _wrapping_mul(quotient, d))
    return quotient + _step(hi64(rest) | (lo64(rest) != 0), rounding)


@jit
def product(a: Wide, b: Wide) -> Wide:
    """`a * b`; two that fit in 64 bits take one instruction and cannot overflow."""
    if fits(a) and fits(b):
        return wide(lo64(a)) * wide(lo64(b))
    return a * b


@jit
def _divided(n: Wide, d: Wide, rounding: int) -> Wide:
    if d <= 0:
        raise ZeroDivisionError("a denominator is not positive")
    if fits(n) and fits(d):
        return wide(_divided_64(lo64(n), lo64(d), rounding))
    return _divided_128(n, d, rounding)


@_intrinsic
def _long_mul_div(typingctx, a, b, d, rounding):  # noqa: ARG001
    """`a * b / d` for `d > 0`, in 256 bits."""

    def codegen(context, builder, _sig, args):
        return _checked(context, builder, builder.call(long_mul_div_in(builder.module), args))

    return WIDE(WIDE, WIDE, WIDE, types.int64), codegen


@jit
def _scaled(a: Wide, b: Wide, d: Wide, rounding: int) -> Wide:
    """`a * b / d`, where 64 or 128 bits are mostly enough for the product."""
    if fits(a) and fits(b):
        return _divided(wide(lo64(a)) * wide(lo64(b)), d, rounding)
    if b == 1:
        return _divided(a, d, rounding)
    if d <= 0:
        raise ZeroDivisionError("a denominator is not positive")
    return _long_mul_div(a, b, d, rounding)


# -- the words of the rules --------------------------------------------------------------------------------------------


@jit
def mul_div_down(a: Wide, b: Wide, d: Wide) -> Wide:
    """`a * b / d` rounded towards minus infinity; only the quotient must fit in 128 bits."""
    return _scaled(wide(a), wide(b), wide(d), FLOOR)


@jit
def mul_div_up(a: Wide, b: Wide, d: Wide) -> Wide:
    """`a * b / d` rounded towards plus infinity."""
    return _scaled(wide(a), wide(b), wide(d), CEIL)


@jit
def mul_div(a: Wide, b: Wide, d: Wide, rounding: int) -> Wide:
    """`a * b / d` rounded as `rounding` says (`FLOOR`, `CEIL` or `TRUNC`)."""
    return _scaled(wide(a), wide(b), wide(d), rounding)


@jit
def abs_(a: Wide) -> Wide:
    """The magnitude of `a`."""
    return abs(wide(a))


@jit
def min_(a: Wide, b: Wide) -> Wide:
    """The smaller of two."""
    return min(wide(a), wide(b))


@jit
def max_(a: Wide, b: Wide) -> Wide:
    """The larger of two."""
    return max(wide(a), wide(b))


@jit
def isqrt(a: Wide) -> Wide:
    """Square root rounded down; `ValueError` below zero.

    One step of Newton's method takes the float root, right to 52 bits, to within one of the integer root, which is at
    most 64 bits long.
    """
    n = wide(a)
    if n < 0:
        raise ValueError("the square root of a negative number")
    if n == 0:
        return n
    near = wide(np.uint64(np.sqrt(to_float(n))))
    root = _shift_right(near + _quotient(n, near), wide(1))
    while root * root > n:
        root = root - 1
    while n - root * root > root + root:
        root = root + 1
    return root
