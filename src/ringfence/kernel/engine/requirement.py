"""What a market asks of a position: `clearing.shapes`, compiled, for sizes in base atoms of any length."""
# mypy: disable-error-code="untyped-decorator, no-untyped-call, no-any-return"

from numba.core import types

from ...rules.words import PPM
from .._rules import (
    close_cost_q,
    fraction_q,
    maintenance_of_initial_q,
    notional_q,
    open_interest_fraction_ppm,
    open_interest_rate_num,
    root_rate_num,
    skew_rate_num,
    tiered_q,
    with_leverage_q,
)
from ..jit import jit
from ..wide import WIDE, Wide, abs_, wide
from . import layout as at
from .far import INT, far
from .memory import Book, get


@jit
def _row(book: Book, market: int, size_b: Wide, worth_q: Wide) -> int:
    """The record of `margins` that a position falls into; a boundary belongs to the upper one."""
    markets, shape = book.markets, book.markets[market, at.SHAPE]
    first = markets[market, at.ROWS_FIRST]
    if shape == at.SIDED:
        return first if size_b >= 0 else first + 1
    found, amount = first, abs_(size_b) if markets[market, at.BY_SIZE] else worth_q
    for n in range(first + 1, first + markets[market, at.ROWS_COUNT]):
        if amount < get(book.margins, n, at.LOWER):
            break
        found = n
    return found


@jit
def _rate(book: Book, market: int, row: int, size_b: Wide, of: int) -> Wide:
    """Numerator of the rate over `RATE_DEN`, with what it grows by; `of` is `INITIAL` or `MAINTENANCE`."""
    markets, shape = book.markets, book.markets[market, at.SHAPE]
    num, initial = get(book.margins, row, of), of == at.INITIAL
    if shape == at.SKEW_SCALED:
        slope = get(markets, market, at.INITIAL_SLOPE if initial else at.MAINTENANCE_SLOPE)
        cap = get(markets, market, at.INITIAL_CAP if initial else at.MAINTENANCE_CAP)
        rounding = book.terms[at.REQUIREMENT_ROUNDING]
        return skew_rate_num(abs_(size_b), get(markets, market, at.DEPTH_B), num, slope, cap, rounding)
    if shape == at.ROOT_SCALED:
        unit_b, factor = get(markets, market, at.UNIT_B), get(markets, market, at.FACTOR_NUM)
        den = wide(markets[market, at.RATE_DEN])
        return root_rate_num(abs_(size_b), unit_b, num, den, factor, get(markets, market, at.FACTOR_DEN))
    return num


@jit
def _open_q(book: Book, market: int) -> Wide:
    """Worth of the lots held long at the mark."""
    markets = book.markets
    num, den = get(markets, market, at.SCALE_NUM), get(markets, market, at.SCALE_DEN)
    rounding = book.terms[at.NOTIONAL_ROUNDING]
    return notional_q(get(markets, market, at.OPEN_B), num, get(markets, market, at.MARK), den, rounding)


@jit
def _with_choice_q(book: Book, market: int, required_q: Wide, base_q: Wide, choice: int) -> Wide:
    """Initial margin by the rates alone, after the leverage that was chosen."""
    if choice < 0:
        return required_q
    num, den = get(book.chosen, choice, at.LEVERAGE_NUM), get(book.chosen, choice, at.LEVERAGE_DEN)
    rounding = book.terms[at.REQUIREMENT_ROUNDING]
    if book.markets[market, at.MARKET_FLAGS] & at.AT_OPENING:
        return fraction_q(base_q, den, num, rounding)
    return with_leverage_q(required_q, base_q, num, den, rounding)


@jit
def _initial_q(book: Book, market: int, row: int, size_b: Wide, worth_q: Wide, cost_q: Wide) -> Wide:
    """Initial margin by the rates alone."""
    markets, shape = book.markets, book.markets[market, at.SHAPE]
    rounding = book.terms[at.REQUIREMENT_ROUNDING]
    if shape == at.OPEN_INTEREST_SCALED:
        ppm, upper_q = get(book.margins, row, at.INITIAL), get(markets, market, at.OPEN_UPPER_Q)
        if upper_q != 0:
            lower_q = get(markets, market, at.OPEN_LOWER_Q)
            ppm = open_interest_fraction_ppm(ppm, _open_q(book, market), lower_q, upper_q)
        return fraction_q(worth_q, ppm, PPM, rounding)
    den, num = markets[market, at.RATE_DEN], _rate(book, market, row, size_b, at.INITIAL)
    if shape != at.COST_SHARE:
        return fraction_q(worth_q, num, den, rounding)
    open_num = get(markets, market, at.OPEN_NUM)
    if open_num != 0:
        open_den = get(markets, market, at.OPEN_DEN)
        num = open_interest_rate_num(num, den, _open_q(book, market), open_num, open_den)
    return fraction_q(abs_(cost_q), num, den, rounding)


@jit
def _maintenance_q(book: Book, market: int, row: int, size_b: Wide, worth_q: Wide, cost_q: Wide) -> Wide:
    shape, rounding = book.markets[market, at.SHAPE], book.terms[at.REQUIREMENT_ROUNDING]
    num, den = get(book.margins, row, at.MAINTENANCE), book.markets[market, at.RATE_DEN]
    if shape == at.TIERED:
        return tiered_q(worth_q, num, get(book.margins, row, at.TIER_DEDUCTION), den, rounding)
    if shape == at.OPEN_INTEREST_SCALED:
        return maintenance_of_initial_q(worth_q, get(book.margins, row, at.INITIAL), num, rounding)
    num = _rate(book, market, row, size_b, at.MAINTENANCE)
    return fraction_q(abs_(cost_q) if shape == at.COST_SHARE else worth_q, num, den, rounding)


@jit
def _asked_q(book: Book, market: int, required_q: Wide, closing_q: Wide) -> Wide:
    """A requirement with the market's fixed amount and the estimated cost of closing."""
    least_q, how = get(book.markets, market, at.LEAST_Q), book.markets[market, at.MINIMUM_AS]
    if how == at.ADDED:
        return required_q + least_q + closing_q
    if how == at.FLOOR:
        return max(required_q, least_q) + closing_q
    return max(required_q, least_q + closing_q)


@jit
def _closing_q(book: Book, market: int, worth_q: Wide, cost_q: Wide) -> Wide:
    """Estimated cost of closing a position."""
    markets = book.markets
    base_q = abs_(cost_q) if markets[market, at.CLOSE_OF_COST] else worth_q
    num, den = get(markets, market, at.CLOSE_NUM), get(markets, market, at.CLOSE_DEN)
    lower_q, upper_q = get(markets, market, at.CLOSE_LOWER_Q), get(markets, market, at.CLOSE_UPPER_Q)
    return close_cost_q(base_q, num, den, lower_q, upper_q, book.terms[at.REQUIREMENT_ROUNDING])


@far(types.UniTuple(WIDE, 2), INT, WIDE, WIDE, WIDE, INT)
def _margins_of_any(
    book: Book, market: int, size_b: Wide, worth_q: Wide, cost_q: Wide, choice: int
) -> tuple[Wide, Wide]:
    """`margins` under any requirement."""
    row, closing_q = _row(book, market, size_b, worth_q), wide(0)
    if book.markets[market, at.CLOSES]:
        closing_q = _closing_q(book, market, worth_q, cost_q)
    maintenance = _maintenance_q(book, market, row, size_b, worth_q, cost_q)
    maintained_q = _asked_q(book, market, maintenance, closing_q)
    if not book.markets[market, at.CLOSE_IN_INITIAL]:
        closing_q = wide(0)
    initial = _initial_q(book, market, row, size_b, worth_q, cost_q)
    base_q = abs_(cost_q) if book.markets[market, at.SHAPE] == at.COST_SHARE else worth_q
    initial = _with_choice_q(book, market, initial, base_q, choice)
    return max(_asked_q(book, market, initial, closing_q), maintained_q), maintained_q


@jit
def _is_plain(book: Book, market: int) -> bool:
    """Whether a market asks by tiers of notional, plus a fixed amount, and no more: the common case."""
    markets = book.markets
    adds = markets[market, at.MINIMUM_AS] == at.ADDED and not markets[market, at.CLOSES]
    return adds and markets[market, at.SHAPE] == at.TIERED


@jit
def _plain_maintenance_q(book: Book, market: int, row: int, worth_q: Wide) -> Wide:
    """Maintenance margin by tiers of notional, plus a fixed amount."""
    den, rounding = book.markets[market, at.RATE_DEN], book.terms[at.REQUIREMENT_ROUNDING]
    num, deduction = get(book.margins, row, at.MAINTENANCE), get(book.margins, row, at.TIER_DEDUCTION)
    return tiered_q(worth_q, num, deduction, den, rounding) + get(book.markets, market, at.LEAST_Q)


@jit
def margins(
    book: Book, market: int, size_b: Wide, worth_q: Wide, cost_q: Wide, choice: int
) -> tuple[Wide, Wide]:
    """Initial and maintenance margin of lots worth `worth_q` that cost `cost_q`; initial is at least the other.

    `choice` is the record of the leverage that was chosen, or `UNKNOWN`.
    """
    if size_b == 0:
        return wide(0), wide(0)
    if choice >= 0 or not _is_plain(book, market):
        return _margins_of_any(book, market, size_b, worth_q, cost_q, choice)
    row, rounding = _row(book, market, size_b, worth_q), book.terms[at.REQUIREMENT_ROUNDING]
    den, least_q = book.markets[market, at.RATE_DEN], get(book.markets, market, at.LEAST_Q)
    initial = fraction_q(worth_q, get(book.margins, row, at.INITIAL), den, rounding) + least_q
    maintenance = _plain_maintenance_q(book, market, row, worth_q)
    return max(initial, maintenance), maintenance


@far(WIDE, INT, WIDE, WIDE, WIDE)
def _maintenance_of_any(book: Book, market: int, size_b: Wide, worth_q: Wide, cost_q: Wide) -> Wide:
    """`maintenance_of` under any requirement."""
    row, closing_q = _row(book, market, size_b, worth_q), wide(0)
    if book.markets[market, at.CLOSES]:
        closing_q = _closing_q(book, market, worth_q, cost_q)
    maintenance = _maintenance_q(book, market, row, size_b, worth_q, cost_q)
    return _asked_q(book, market, maintenance, closing_q)


@jit
def maintenance_of(book: Book, market: int, size_b: Wide, worth_q: Wide, cost_q: Wide) -> Wide:
    """Maintenance margin alone, where nobody asks for the initial one."""
    if size_b == 0:
        return wide(0)
    if not _is_plain(book, market):
        return _maintenance_of_any(book, market, size_b, worth_q, cost_q)
    return _plain_maintenance_q(book, market, _row(book, market, size_b, worth_q), worth_q)
