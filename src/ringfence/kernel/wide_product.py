"""Quotients of products of 256 bits, as instructions for the compiler; `wide` puts them under its words.

Venues that count 18 decimals make such products of any fill, and quotients of them that are small again.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"
# ruff: noqa: ANN001, ANN201, ANN202 - code generators take and return objects of a compiler without types

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils

from ..rules.words import CEIL, FLOOR
from .jit import HAS_DIVISION

BIT, I64, I128, I256 = ir.IntType(1), ir.IntType(64), ir.IntType(128), ir.IntType(256)


def _return_rounded(builder, kind, quotient, rest, rounding):
    """Return a quotient towards zero, rounded, in 128 bits, and whether it leaves them."""
    wider = quotient.type
    for sign, towards, emit in ((">", CEIL, builder.add), ("<", FLOOR, builder.sub)):
        asked = builder.icmp_signed("==", rounding, I64(towards))
        step = builder.and_(builder.icmp_signed(sign, rest, rest.type(0)), asked)
        quotient = emit(quotient, builder.zext(step, wider))
    found = builder.trunc(quotient, I128)
    leaves = builder.icmp_signed("!=", builder.sext(found, wider), quotient)
    pair = builder.insert_value(ir.Constant(kind.return_type, ir.Undefined), found, 0)
    builder.ret(builder.insert_value(pair, leaves, 1))


def _return_quotient(builder, kind, n, d, rounding):
    """Return `n / d`, which are of one type."""
    quotient = builder.sdiv(n, d)
    _return_rounded(builder, kind, quotient, builder.sub(n, builder.mul(quotient, d)), rounding)


def _return_near_quotient(builder, kind, n, d, rounding):
    """Return `n / d` of 256 bits where 63 leading bits of the denominator tell the quotient to within a few.

    With `d` cut to 63 bits and rounded up, and `n` shifted alike, their quotient is below the true one by at most
    `q * 2^-62 + 2`. Where the shifted numerator has more than 127 bits, control goes on after what is emitted here.
    """
    is_negative = builder.icmp_signed("<", n, I256(0))
    magnitude = builder.select(is_negative, builder.neg(n), n)
    length = builder.sub(I128(128), builder.ctlz(builder.trunc(d, I128), BIT(0)))
    is_long = builder.icmp_unsigned(">", length, I128(63))
    shift = builder.zext(builder.select(is_long, builder.sub(length, I128(63)), I128(0)), I256)
    numerator = builder.lshr(magnitude, shift)
    fits_128 = builder.icmp_unsigned("<", numerator, I256(1 << 127))
    with builder.if_then(fits_128):
        denominator = builder.add(builder.lshr(d, shift), builder.zext(is_long, I256))
        low = builder.sdiv(builder.trunc(numerator, I128), builder.trunc(denominator, I128))
        quotient, rest = builder.alloca(I256), builder.alloca(I256)
        builder.store(builder.zext(low, I256), quotient)
        builder.store(builder.sub(magnitude, builder.mul(builder.zext(low, I256), d)), rest)
        test, more, done = (builder.append_basic_block(name) for name in ("test", "more", "done"))
        builder.branch(test)
        builder.position_at_end(test)
        builder.cbranch(builder.icmp_unsigned(">=", builder.load(rest), d), more, done)
        builder.position_at_end(more)
        builder.store(builder.add(builder.load(quotient), I256(1)), quotient)
        builder.store(builder.sub(builder.load(rest), d), rest)
        builder.branch(test)
        builder.position_at_end(done)
        found, left = builder.load(quotient), builder.load(rest)
        found = builder.select(is_negative, builder.neg(found), found)
        left = builder.select(is_negative, builder.neg(left), left)
        _return_rounded(builder, kind, found, left, rounding)


def long_mul_div_in(module):
    """The function of a module that divides a product of 256 bits: quotient, and whether it leaves 128.

    It is kept out of line, since LLVM divides 256 bits by a loop that would stand at every place of use.
    """
    kind = ir.FunctionType(ir.LiteralStructType((I128, BIT)), (I128, I128, I128, I64))
    function = cgutils.get_or_insert_function(module, kind, "ringfence_mul_div")
    if not function.is_declaration:
        return function
    function.linkage = "linkonce_odr"
    function.attributes.add("noinline")
    builder, (a, b, d, rounding) = ir.IRBuilder(function.append_basic_block()), function.args
    product_256 = builder.mul(builder.sext(a, I256), builder.sext(b, I256))
    if HAS_DIVISION:
        short = builder.smul_with_overflow(a, b)
        with builder.if_then(builder.not_(builder.extract_value(short, 1))):
            _return_quotient(builder, kind, builder.extract_value(short, 0), d, rounding)
        _return_near_quotient(builder, kind, product_256, builder.sext(d, I256), rounding)
    _return_quotient(builder, kind, product_256, builder.sext(d, I256), rounding)
    return function
