"""The shapes that a margin requirement can have: the only module that knows them.

A shape is data (`policy.Requirement`); what it asks of a position is a rule (`rules.requirement`). Here the two meet,
and here stands what else a shape says of itself: whether it is valid, where it bends, how it looks on other grids.
"""

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise

from msgspec import Struct
from msgspec.structs import replace

from ..rules import requirement as rule
from ..rules.value import notional_q
from ..rules.words import PPM, abs_, max_, mul_div_up
from .model import Leverage, Market
from .policy import (
    CloseCost,
    CostShare,
    OpenInterestScaled,
    Requirement,
    RootScaled,
    Rounding,
    Sided,
    SkewScaled,
    Step,
    Stepped,
    Tier,
    Tiered,
)


class Leg(Struct, frozen=True):
    """What a requirement looks at: signed lots, their absolute worth and what they cost."""

    size_b: int
    notional_q: int
    cost_q: int


def tier_of(table: Tiered, notional: int) -> Tier:
    """The tier that a notional falls into; a boundary belongs to the upper tier."""
    found = table.tiers[0]
    for tier in table.tiers:
        if notional < tier.lower_q:
            break
        found = tier
    return found


def step_of(table: Stepped, leg: Leg) -> Step:
    """The step that a position falls into; a boundary belongs to the upper step."""
    amount = leg.notional_q if table.by == "notional" else abs_(leg.size_b)
    found = table.steps[0]
    for step in table.steps:
        if amount < step.lower:
            break
        found = step
    return found


def maintenance_q(market: Market, leg: Leg, rounding: int) -> int:
    """Maintenance margin of a position, without the market's additive amounts."""
    shape = market.requirement
    if isinstance(shape, Tiered):
        tier = tier_of(shape, leg.notional_q)
        return rule.tiered_q(leg.notional_q, tier.maintenance_num, tier.deduction, shape.den, rounding)
    if isinstance(shape, OpenInterestScaled):
        return rule.maintenance_of_initial_q(
            leg.notional_q, shape.initial_ppm, shape.maintenance_fraction_ppm, rounding
        )
    base_q, num, den = _share(shape, leg, rounding, initial=False)
    return rule.fraction_q(base_q, num, den, rounding)


def initial_q(market: Market, leg: Leg, leverage: Leverage | None, rounds: Rounding) -> int:
    """Initial margin of a position, with the leverage chosen for it, without the market's additive amounts."""
    shape = market.requirement
    if isinstance(shape, OpenInterestScaled):
        base_q, num, den = leg.notional_q, open_interest_fraction_ppm(market, rounds), PPM
    else:
        base_q, num, den = _share(shape, leg, rounds.requirement, initial=True)
    if isinstance(shape, CostShare) and shape.open_num:
        open_q = open_interest_q(market, rounds)
        num = rule.open_interest_rate_num(num, den, open_q, shape.open_num, shape.open_den)
    required_q = rule.fraction_q(base_q, num, den, rounds.requirement)
    if leverage is None:
        return required_q
    if market.leverage_checked == "opening":
        return rule.fraction_q(base_q, leverage.den, leverage.num, rounds.requirement)
    return rule.with_leverage_q(required_q, base_q, leverage.num, leverage.den, rounds.requirement)


def initial_rate(shape: Requirement, leg: Leg, rounding: int) -> tuple[int, int]:
    """Initial margin rate of a position as a fraction, without what open interest adds."""
    if isinstance(shape, OpenInterestScaled):
        return shape.initial_ppm, PPM
    _, num, den = _share(shape, leg, rounding, initial=True)
    return num, den


def _share(
    shape: Tiered | Stepped | SkewScaled | Sided | RootScaled | CostShare,
    leg: Leg,
    rounding: int,
    *,
    initial: bool,
) -> tuple[int, int, int]:
    """What the rate counts of, and the rate as a fraction."""
    if isinstance(shape, Sided):
        rates = (shape.long_initial_num, shape.long_maintenance_num)
        rates = rates if leg.size_b >= 0 else (shape.short_initial_num, shape.short_maintenance_num)
        return leg.notional_q, rates[0] if initial else rates[1], shape.den
    row: Tier | Step | SkewScaled | RootScaled | CostShare
    if isinstance(shape, Tiered):
        row = tier_of(shape, leg.notional_q)
    else:
        row = step_of(shape, leg) if isinstance(shape, Stepped) else shape
    num = row.initial_num if initial else row.maintenance_num
    if isinstance(shape, SkewScaled):
        slope = shape.initial_slope_num if initial else shape.maintenance_slope_num
        cap = shape.initial_cap_num if initial else shape.maintenance_cap_num
        num = rule.skew_rate_num(abs_(leg.size_b), shape.scale_b, num, slope, cap, rounding)
    elif isinstance(shape, RootScaled):
        num = rule.root_rate_num(
            abs_(leg.size_b), shape.unit_b, num, shape.den, shape.factor_num, shape.factor_den
        )
    return abs_(leg.cost_q) if isinstance(shape, CostShare) else leg.notional_q, num, shape.den


def open_interest_fraction_ppm(market: Market, rounds: Rounding) -> int:
    """Initial margin fraction of an open-interest scaled market at its present open interest."""
    shape = market.requirement
    assert isinstance(shape, OpenInterestScaled)
    if shape.upper_q == 0:
        return shape.initial_ppm
    open_q = open_interest_q(market, rounds)
    return rule.open_interest_fraction_ppm(shape.initial_ppm, open_q, shape.lower_q, shape.upper_q)


def open_interest_q(market: Market, rounds: Rounding) -> int:
    """Worth of the lots held long at the mark."""
    scale = market.scale
    return notional_q(market.open_interest_b, market.mark, scale.num, scale.den, rounds.notional)


def close_cost_q(cost: CloseCost, leg: Leg, rounding: int) -> int:
    """Estimated cost of closing a position."""
    base_q = abs_(leg.cost_q) if cost.of == "cost" else leg.notional_q
    return rule.close_cost_q(base_q, cost.num, cost.den, cost.lower_q, cost.upper_q, rounding)


def asked_q(market: Market, required_q: int, closing_q: int) -> int:
    """A requirement with the market's fixed amount and the estimated cost of closing."""
    minimum_q = market.minimum_margin_q
    if market.minimum_margin_as == "added":
        return required_q + minimum_q + closing_q
    if market.minimum_margin_as == "floor":
        return max_(required_q, minimum_q) + closing_q
    return max_(required_q, minimum_q + closing_q)


def over_floor_q(market: Market, leg: Leg, rounding: int) -> int:
    """Maintenance margin by the requirement alone, less the market's floor; negative where the floor binds."""
    cost, floor_q = market.close_cost, market.minimum_margin_q
    if market.minimum_margin_as == "floor_with_fees" and cost is not None:
        floor_q += close_cost_q(cost, leg, rounding)
    return maintenance_q(market, leg, rounding) - floor_q


def lowest_initial(shape: Requirement) -> Fraction:
    """Initial margin rate of the smallest position, the lower one of its two sides: one over the highest leverage."""
    if isinstance(shape, OpenInterestScaled):
        return Fraction(shape.initial_ppm, PPM)
    if isinstance(shape, Sided):
        return Fraction(min(shape.long_initial_num, shape.short_initial_num), shape.den)
    if isinstance(shape, Tiered):
        return Fraction(shape.tiers[0].initial_num, shape.den)
    if isinstance(shape, Stepped):
        return Fraction(shape.steps[0].initial_num, shape.den)
    return Fraction(shape.initial_num, shape.den)


# -- validity ----------------------------------------------------------------------------------------------------------


def valid(shape: Requirement) -> bool:
    """Do tables start at zero and rise, do rates lie in 0..1 and does initial margin cover maintenance?"""
    if isinstance(shape, OpenInterestScaled):
        in_range = 0 <= shape.initial_ppm <= PPM and 0 <= shape.maintenance_fraction_ppm <= PPM
        return in_range and (shape.upper_q == 0 or 0 <= shape.lower_q <= shape.upper_q)
    if shape.den <= 0:
        return False
    if isinstance(shape, Tiered):
        return _valid_tiers(shape)
    if isinstance(shape, Stepped):
        rows = [(step.lower, step.initial_num, step.maintenance_num) for step in shape.steps]
        return _rises(rows, shape.den)
    if isinstance(shape, Sided):
        long = _covers(shape.long_initial_num, shape.long_maintenance_num, shape.den)
        # A liability may weigh more than twice its worth.
        return long and 0 <= shape.short_maintenance_num <= shape.short_initial_num
    if isinstance(shape, SkewScaled):
        slopes = 0 <= shape.maintenance_slope_num <= shape.initial_slope_num or shape.initial_cap_num > 0
        caps = shape.initial_cap_num >= 0 and shape.maintenance_cap_num >= 0
        positive = shape.scale_b > 0 and shape.maintenance_slope_num >= 0 and shape.initial_slope_num >= 0
        return positive and slopes and caps and _covers(shape.initial_num, shape.maintenance_num, shape.den)
    if isinstance(shape, RootScaled) and (shape.unit_b <= 0 or shape.factor_den <= 0 or shape.factor_num < 0):
        return False
    if isinstance(shape, CostShare) and (shape.open_num < 0 or shape.open_den <= 0):
        return False
    return _covers(shape.initial_num, shape.maintenance_num, shape.den)


def _covers(initial_num: int, maintenance_num: int, den: int) -> bool:
    return 0 <= maintenance_num <= initial_num <= den


def _rises(rows: Sequence[tuple[int, int, int]], den: int) -> bool:
    """Rows of (lower bound, initial, maintenance): bounds rise from zero, rates never fall."""
    if not rows or rows[0][0] != 0:
        return False
    pairs = pairwise(rows)
    grows = all(low[0] < high[0] and low[1] <= high[1] and low[2] <= high[2] for low, high in pairs)
    return grows and all(_covers(initial, maintenance, den) for _, initial, maintenance in rows)


def _valid_tiers(table: Tiered) -> bool:
    if not _rises(
        [(tier.lower_q, tier.initial_num, tier.maintenance_num) for tier in table.tiers], table.den
    ):
        return False
    deduction, below = 0, table.tiers[0].maintenance_num
    for tier in table.tiers:
        deduction = rule.tier_deduction(deduction, tier.lower_q, tier.maintenance_num, below)
        below = tier.maintenance_num
        if tier.deduction != deduction:
            return False
    return True


# -- where it bends ----------------------------------------------------------------------------------------------------


def bends(market: Market, size_b: int, most: int) -> list[int]:
    """Prices below `most` at which the requirement of a position may bend or jump: both sides of each boundary."""
    found: set[int] = set()
    for amount_q in _bending_notionals(market) if size_b else ():
        at = mul_div_up(amount_q, market.scale.den, abs_(size_b) * market.scale.num)
        found.update(price for price in (at - 1, at) if 0 < price < most)
    return sorted(found)


def _bending_notionals(market: Market) -> Iterator[int]:
    shape, cost = market.requirement, market.close_cost
    if isinstance(shape, Tiered):
        yield from (tier.lower_q for tier in shape.tiers[1:])
    elif isinstance(shape, Stepped) and shape.by == "notional":
        yield from (step.lower for step in shape.steps[1:])
    if cost is not None and cost.num and cost.of == "notional":
        # Rounding moves the bend by at most one atom of the cost, so the atoms next to it are named as well.
        for bound_q in (cost.lower_q, cost.upper_q):
            yield from (mul_div_up(bound_q + off, cost.den, cost.num) for off in (-1, 0, 1) if bound_q)


# -- other grids -------------------------------------------------------------------------------------------------------


def on_grid(market: Market, *, quote: int = 1, base: int = 1) -> Market:
    """The market where one quote atom became `quote` of them and one base atom `base`, without its scale and prices."""
    cost = market.close_cost
    return replace(
        market,
        requirement=_on_grid(market.requirement, quote, base),
        minimum_margin_q=market.minimum_margin_q * quote,
        close_cost=None if cost is None else _cost_on_grid(cost, quote),
        window=None if market.window is None else market.window.on_grid(base),
    )


def _cost_on_grid(cost: CloseCost, quote: int) -> CloseCost:
    return replace(cost, lower_q=cost.lower_q * quote, upper_q=cost.upper_q * quote)


def _on_grid(shape: Requirement, quote: int, base: int) -> Requirement:
    if isinstance(shape, Tiered):
        return tiers_on_grid(shape, quote)
    if isinstance(shape, OpenInterestScaled):
        return replace(shape, lower_q=shape.lower_q * quote, upper_q=shape.upper_q * quote)
    if isinstance(shape, Stepped):
        factor = quote if shape.by == "notional" else base
        return replace(shape, steps=tuple(_steps(shape.steps, factor)))
    if isinstance(shape, SkewScaled):
        return replace(shape, scale_b=shape.scale_b * base)
    if isinstance(shape, RootScaled):
        return replace(shape, unit_b=shape.unit_b * base)
    if isinstance(shape, CostShare):
        return replace(shape, open_den=shape.open_den * quote)
    return shape


def _steps(steps: Iterable[Step], factor: int) -> Iterator[Step]:
    return (replace(step, lower=step.lower * factor) for step in steps)


def tiers_on_grid(table: Tiered, quote: int) -> Tiered:
    """The same table where one quote atom became `quote` of them."""
    tiers = (
        Tier(t.lower_q * quote, t.initial_num, t.maintenance_num, t.deduction * quote) for t in table.tiers
    )
    return Tiered(tuple(tiers), table.den)
