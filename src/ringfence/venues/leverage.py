"""The largest leverage of a margin table in words."""

from fractions import Fraction

from ..clearing.policy import (
    CostShare,
    OpenInterestScaled,
    Requirement,
    RootScaled,
    SkewScaled,
    Step,
    Stepped,
    Tiered,
)
from ..clearing.shapes import lowest_initial
from ..units import QUOTE_DECIMALS, format_atoms, format_fraction


def leverage_text(shape: Requirement) -> str:
    """Maximum leverage by notional: `40x, 20x from 150000000`."""
    if isinstance(shape, Tiered):
        return ", ".join(_times(t.initial_num, shape.den, _usd(t.lower_q)) for t in shape.tiers)
    if isinstance(shape, Stepped):
        by_size = shape.by == "size"
        return ", ".join(
            _times(s.initial_num, shape.den, "" if by_size else _usd(s.lower)) for s in _ends(shape, by_size)
        )
    first = lowest_initial(shape)
    text = _times(first.numerator, first.denominator)
    if isinstance(shape, OpenInterestScaled) and shape.upper_q:
        return f"{text}, falling to 1x as open interest grows from {_usd(shape.lower_q)} to {_usd(shape.upper_q)}"
    if isinstance(shape, SkewScaled | RootScaled):
        return f"{text}, falling with size"
    return f"{text} of the cost" if isinstance(shape, CostShare) else text


def _ends(shape: Stepped, by_size: bool) -> tuple[Step, ...]:
    """All steps by notional; of those by size, which mean nothing without the market, the first and the last."""
    return (shape.steps[0], shape.steps[-1]) if by_size and len(shape.steps) > 1 else shape.steps


def _usd(amount_q: int) -> str:
    return format_atoms(amount_q, QUOTE_DECIMALS) if amount_q else ""


def _times(num: int, den: int, since: str = "") -> str:
    leverage = f"{format_fraction(Fraction(den, num), 2)}x" if num else "unlimited"
    return f"{leverage} from {since}" if since else leverage
