"""Atoms, parts per million and the text that people write: parse and format.

The only file in which `Decimal` and strings of money appear. Inside the engine money is `int`: quote atoms (1e-6 USD),
base atoms and price quanta of a market.
"""

import re
from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    Context,
    Decimal,
    InvalidOperation,
    localcontext,
)
from fractions import Fraction

from .errors import InputError

QUOTE_DECIMALS = 6
PPM = 1_000_000
DIGITS_MAX = 60
"""Longest number accepted: enough for every venue's units, short enough that arithmetic stays cheap."""

SHOWN_MAX = 40
"""Characters of a bad value that a message repeats."""

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?")
_EXACT = Context(prec=200)


def parse_decimal(text: object, what: str) -> Decimal:
    """Read a finite decimal number given as text or as an integer.

    Raises `InputError` naming `what` for anything else; a JSON float is accepted through its shortest text.
    """
    if isinstance(text, bool) or not isinstance(text, str | int | float | Decimal):
        raise InputError(f"{what}: expected a decimal number, got {_show(text)}")
    written = str(text).strip()
    if len(written) > DIGITS_MAX or not _NUMBER.fullmatch(written):
        raise InputError(
            f"{what}: expected a decimal number of at most {DIGITS_MAX} characters, got {_show(text)}"
        )
    try:
        return Decimal(written)
    except InvalidOperation:
        raise InputError(f"{what}: expected a decimal number, got {_show(text)}") from None


def to_atoms(number: Decimal, decimals: int, what: str) -> int:
    """Exact atoms of `number` at 10**-`decimals`; raises `InputError` when digits would be lost."""
    scaled = number.scaleb(decimals, _EXACT)
    if scaled != scaled.to_integral_value(context=_EXACT):
        raise InputError(f"{what}: {number} has more than {decimals} decimal places")
    return int(scaled)


def round_atoms(number: Decimal, decimals: int, *, up: bool = False) -> int:
    """Atoms of `number` at 10**-`decimals`, rounded down (or `up`)."""
    scaled = number.scaleb(decimals, _EXACT)
    return int(scaled.to_integral_value(rounding=ROUND_CEILING if up else ROUND_FLOOR, context=_EXACT))


def format_atoms(atoms: int, decimals: int) -> str:
    """Atoms as plain decimal text without trailing zeros: `format_atoms(1500000, 6) == "1.5"`."""
    sign, digits = ("-" if atoms < 0 else ""), str(abs(atoms)).rjust(decimals + 1, "0")
    if decimals <= 0:
        return sign + digits + "0" * -decimals
    whole, part = digits[:-decimals], digits[-decimals:].rstrip("0")
    return f"{sign}{whole}.{part}" if part else sign + whole


def format_fraction(value: Fraction, decimals: int) -> str:
    """A fraction as decimal text, rounded half up to `decimals` places, without trailing zeros."""
    with localcontext(_EXACT):
        scaled = abs(value) * 10**decimals
        atoms = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return format_atoms(-atoms if value < 0 else atoms, decimals)


def significant(text: str, digits: int = 3) -> str:
    """A decimal text for people, rounded to so many significant digits, but not above the unit.

    Without an exponent, and never zero for what is not: `significant("0.00000818112") == "0.00000818"`.
    """
    number = Decimal(text)
    last = min(0, number.adjusted() - digits + 1) if number else 0
    rounded = number.quantize(Decimal(1).scaleb(last), context=_EXACT)
    shown = f"{rounded:,f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def to_fraction(text: object, what: str) -> Fraction:
    """Exact fraction of a decimal number or of text such as `90000/97`."""
    if isinstance(text, str) and "/" in text:
        top, _, bottom = text.partition("/")
        denominator = Fraction(parse_decimal(bottom, what))
        if denominator == 0:
            raise InputError(f"{what}: division by zero in {_show(text)}")
        return Fraction(parse_decimal(top, what)) / denominator
    return Fraction(parse_decimal(text, what))


def _show(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= SHOWN_MAX else shown[: SHOWN_MAX - 3] + "..."
