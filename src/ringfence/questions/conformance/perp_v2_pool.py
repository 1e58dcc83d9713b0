"""The Uniswap pool behind Perpetual Protocol v2's unit tests: what a maker lost and what a taker holds.

The tests print what an account owes and is owed, not what stands in the pool, so it is found from there: one order
between two ticks, and one purchase.

Source: `perp-curie-contract@d520bd8e test/vault/Vault.freeCollateral.test.ts` (`beforeEach`).
"""

from decimal import Context, Decimal
from fractions import Fraction
from functools import cache
from math import isqrt

from ...errors import InputError
from ...rules.amm import (
    Q96,
    base_between,
    liquidity_of_base,
    quote_between,
    root_after_quote,
    without_fee,
)
from ...rules.words import CEIL, FLOOR, PPM, WAD, mul_div_down, mul_div_up
from .vectors import Field
from .wad import find, positive_wad

TICKS = (0, 150_000)
"""Range of the one order."""
PRICE = Fraction("151.373306858723226652")
BASE_WAD = 200 * WAD
FEE_PPM = 10_000
"""Exchange fee before a test sets another one."""
MAKER_FEE_PPM = 500_000
"""Exchange fee where a case states what the maker earned: the tests set it to one half."""
TICK_MAX = 887_272
_DIGITS = Context(prec=80)


@cache
def root_at(tick: int) -> int:
    """Root of the price at a tick: 1.0001 to the power of half the tick, times 2^96, rounded down."""
    price = _DIGITS.power(Decimal("1.0001"), tick)
    return int(_DIGITS.multiply(_DIGITS.sqrt(price), Decimal(Q96)))


def ticks_of(position: Field) -> tuple[int, int]:
    """Range of a maker's order: the case's, or that of the tests."""
    stated = [position.get(name) for name in ("lower_tick", "upper_tick")]
    lower, upper = (
        each if field is None else field.integer(-TICK_MAX, TICK_MAX)
        for each, field in zip(TICKS, stated, strict=True)
    )
    if lower >= upper:
        raise InputError(f"{position.where}: the lower tick is not below the upper one")
    return lower, upper


def maker_profit(position: Field, mark_wad: int) -> int:
    """Unrealized profit of a maker whose order met one purchase, which paid `pending_fee` to him.

    What he provided follows from his two debts, which fix the price at which he added them.
    """
    base, quote, fee = (positive_wad(position[name]) for name in ("base_debt", "quote_debt", "pending_fee"))
    low, high = (root_at(tick) for tick in ticks_of(position))
    root = _root_of(base, quote, low, high)
    liquidity = liquidity_of_base(base, root, high)
    stated = find([position], "fee_ratio")
    fee_ppm = MAKER_FEE_PPM if stated is None else stated.integer(1, PPM - 1)
    received = mul_div_down(fee, PPM - fee_ppm, fee_ppm)
    after = root_after_quote(root, liquidity, received)
    given = base_between(liquidity, root, after, CEIL)
    return received - mul_div_up(given, mark_wad, WAD)


def _root_of(base: int, quote: int, low: int, high: int) -> int:
    """Root at which an order between two roots takes this much of both."""
    under, over = low, high
    while over - under > 1:
        root = (under + over) // 2
        asked = quote_between(liquidity_of_base(base, root, high), low, root, CEIL)
        under, over = (root, over) if asked < quote else (under, root)
    return under


def taker_size(quote_wad: int) -> int:
    """Base that a purchase for `quote_wad` buys from the pool of the tests."""
    root = isqrt(PRICE.numerator * Q96 * Q96 // PRICE.denominator)
    liquidity = liquidity_of_base(BASE_WAD, root, root_at(TICKS[1]))
    after = root_after_quote(root, liquidity, without_fee(quote_wad, FEE_PPM))
    return base_between(liquidity, root, after, FLOOR)
