"""Standard margin: each short option alone, or all options of one expiry by the worst that they can settle at.

The unit of netting is one expiry of one underlying. Venues state what is asked against cash: a long option is no
collateral, and what a short one is worth is part of what it asks. Equity counts options at their marks, so the worth
that must not count is asked for again (`standard_margin`).
"""

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct

from ..rules import option_margin as rule
from ..rules.requirement import fraction_q
from ..rules.scenario import depegged_num, doubt_q
from ..rules.value import notional_q
from ..rules.words import CEIL, FLOOR, abs_, max_, min_, mul_div
from .lines import Line, crossing, line
from .model import Scale
from .set_rules import StandardMargin, StandardTerms


class OptionLeg(NamedTuple):
    """A position in one option: signed lots and what the lots are worth at the mark, not negative."""

    size_b: int
    strike: int
    is_call: bool
    mark_q: int


class Asked(Struct, frozen=True):
    """Initial and maintenance margin, addable."""

    initial_q: int = 0
    maintenance_q: int = 0

    def __add__(self, other: "Asked") -> "Asked":
        return Asked(self.initial_q + other.initial_q, self.maintenance_q + other.maintenance_q)


class Expiry(NamedTuple):
    """All options of one expiry; the confidence is the least of what they are priced with, over the rule's `den`."""

    legs: Sequence[OptionLeg]
    forward: int
    confidence: int


class Underlying(NamedTuple):
    """What a subaccount holds in one underlying; confidences are over the rule's `den`."""

    spot: int
    scale: Scale
    spot_confidence: int
    expiries: Sequence[Expiry] = ()
    perp_b: int = 0
    """Lots of perpetuals, of either side."""
    perp_confidence: int = 0
    pledges: Sequence[tuple[int, int]] = ()
    """Collateral of this underlying: worth and confidence."""


def valid_standard(rule: StandardMargin) -> bool:
    """Are rates shares that fall out of the money, does initial margin cover maintenance, is nothing negative?"""
    terms = rule.options
    rates = (
        terms.call_num,
        terms.put_num,
        terms.put_mark_num,
        terms.lowest_num,
        rule.doubt_num,
        rule.peg_num,
    )
    shares = (rule.perp_doubt_below_num, rule.option_doubt_below_num, rule.asset_doubt_below_num)
    falls = terms.lowest_num <= terms.highest_num
    covered = 0 <= terms.unpaired_maintenance_num <= terms.unpaired_initial_num and rule.peg_below_num >= 0
    in_range = all(0 <= share <= terms.den for share in shares) and terms.put_floor_num >= 0
    return terms.den > 0 and min(rates) >= 0 and falls and covered and in_range


def standard_margin(rule: StandardMargin, quote_num: int, held: Sequence[Underlying], legs: Asked) -> Asked:
    """What the rule asks on top of `legs`, which perpetuals ask; `quote_num` is the price of the quote asset."""
    total = legs
    for under in held:
        penalty_q = doubts_q(rule, under) + peg_q(rule, quote_num, under)
        total += Asked(penalty_q, 0)
        for each in under.expiries:
            back_q = uncounted_q(each.legs, rule.options)
            total += Asked(back_q, back_q) + expiry(
                each.legs, under.spot, each.forward, under.scale, rule.options
            )
    return Asked(max_(total.initial_q, total.maintenance_q), total.maintenance_q)


def uncounted_q(legs: Sequence[OptionLeg], terms: StandardTerms) -> int:
    """Worth of options that equity counts and the rule does not: of those bought, less what the sold ones owe."""
    owed_q = sum(leg.mark_q for leg in legs if leg.size_b < 0)
    return (0 if terms.longs_count else sum(leg.mark_q for leg in legs if leg.size_b > 0)) - owed_q


def doubts_q(rule: StandardMargin, under: Underlying) -> int:
    """Initial margin for prices that their sources are not sure of: perpetuals, short options, collateral."""
    den, sure = rule.options.den, under.spot_confidence
    total_q = doubt_q(
        _spot_q(under, under.perp_b),
        min_(sure, under.perp_confidence),
        rule.perp_doubt_below_num,
        rule.doubt_num,
        den,
    )
    for each in under.expiries:
        sold_q, least = _spot_q(under, short_b(each.legs)), min_(sure, each.confidence)
        total_q += doubt_q(sold_q, least, rule.option_doubt_below_num, rule.doubt_num, den)
    for worth_q, confidence in under.pledges:
        least = min_(sure, confidence)
        total_q += doubt_q(max_(worth_q, 0), least, rule.asset_doubt_below_num, rule.doubt_num, den)
    return total_q


def peg_q(rule: StandardMargin, quote_num: int, under: Underlying) -> int:
    """Initial margin for a fallen quote asset: on short options and perpetuals, at spot."""
    exposed_b = under.perp_b + sum(short_b(each.legs) for each in under.expiries)
    lost_num = depegged_num(0, quote_num, rule.peg_below_num, rule.peg_num, rule.options.den)
    return fraction_q(_spot_q(under, exposed_b), lost_num, rule.options.den, CEIL)


def _spot_q(under: Underlying, lots_b: int) -> int:
    return notional_q(lots_b, under.spot, under.scale.num, under.scale.den, CEIL)


def alone(leg: OptionLeg, spot: int, scale: Scale, terms: StandardTerms) -> Asked:
    """Margin of one option alone; nothing for a long one."""
    if leg.size_b >= 0:
        return Asked()
    underlying_q = notional_q(leg.size_b, spot, scale.num, scale.den, CEIL)
    out = rule.out_of_the_money(leg.strike, spot, leg.is_call)
    out_q = notional_q(leg.size_b, out, scale.num, scale.den, FLOOR)
    rate_num, mark_rate_num = (terms.call_num, 0) if leg.is_call else (terms.put_num, terms.put_mark_num)
    maintenance_q = rule.short_maintenance_q(
        leg.mark_q, underlying_q, rate_num, mark_rate_num, terms.den, CEIL
    )
    initial_q = rule.short_initial_q(
        leg.mark_q, underlying_q, out_q, terms.highest_num, terms.lowest_num, terms.den, CEIL
    )
    if not leg.is_call:
        initial_q = max_(initial_q, fraction_q(maintenance_q, terms.put_floor_num, terms.den, CEIL))
    return Asked(max_(initial_q, maintenance_q), maintenance_q)


def worst_settlement_q(legs: Sequence[OptionLeg], scale: Scale) -> int:
    """Least that an expiry pays over the settlement prices where its payoff bends: zero and every strike."""
    return min(settlement_q(legs, price, scale) for price in (0, *(leg.strike for leg in legs)))


def settlement_q(legs: Sequence[OptionLeg], price: int, scale: Scale) -> int:
    """What an expiry pays at a settlement price; rounds down."""
    paid = sum(leg.size_b * rule.in_the_money(leg.strike, price, leg.is_call) for leg in legs)
    return mul_div(paid, scale.num, scale.den, FLOOR)


def unpaired(legs: Sequence[OptionLeg], forward: int, scale: Scale, terms: StandardTerms) -> Asked:
    """What the calls sold beyond those bought ask at a stressed forward."""
    calls_b = sum(leg.size_b for leg in legs if leg.is_call)
    worth_q = notional_q(min_(calls_b, 0), forward, scale.num, scale.den, CEIL)
    return Asked(
        fraction_q(worth_q, terms.unpaired_initial_num, terms.den, CEIL),
        fraction_q(worth_q, terms.unpaired_maintenance_num, terms.den, CEIL),
    )


def expiry(legs: Sequence[OptionLeg], spot: int, forward: int, scale: Scale, terms: StandardTerms) -> Asked:
    """Margin of all options of one expiry."""
    total = Asked()
    for leg in legs:
        total += alone(leg, spot, scale, terms)
    if not terms.netted or not legs:
        return total
    worst_q, beyond = worst_settlement_q(legs, scale), unpaired(legs, forward, scale, terms)
    return Asked(
        rule.expiry_q(total.initial_q, worst_q, beyond.initial_q),
        rule.expiry_q(total.maintenance_q, worst_q, beyond.maintenance_q),
    )


def short_b(legs: Sequence[OptionLeg]) -> int:
    """Lots sold, of all strikes and kinds."""
    return sum(abs_(leg.size_b) for leg in legs if leg.size_b < 0)


# -- where it bends ----------------------------------------------------------------------------------------------------


def bends(terms: StandardTerms, near: Underlying, far: Underlying, prices: tuple[int, int]) -> list[int]:
    """Prices at which maintenance margin may bend: where a put's mark takes over, where netting begins or ends.

    `near` and `far` are the same positions at two `prices`, between and beyond which spot and marks move in a straight
    line. More prices than there are bends do no harm.
    """
    found: list[int] = []
    for first, second in zip(near.expiries, far.expiries, strict=True):
        pairs = list(zip(first.legs, second.legs, strict=True))
        choices = [_choices(pair, (near, far), terms, prices) for pair in pairs if pair[0].size_b < 0]
        turns = sorted(at for rates in choices for at in crossing(*rates))
        found += turns
        beyond = [
            unpaired(each.legs, each.forward, near.scale, terms).maintenance_q for each in (first, second)
        ]
        loss_q = max_(0, -worst_settlement_q(first.legs, near.scale))
        bound = line(loss_q + beyond[0], loss_q + beyond[1], prices)
        for at in (0, *turns):
            asked = [max(rates, key=lambda rate: rate[0] * at + rate[1]) for rates in choices]
            found += crossing((sum(each[0] for each in asked), sum(each[1] for each in asked)), bound)
    return sorted(set(found))


def _choices(
    pair: tuple[OptionLeg, OptionLeg],
    held: tuple[Underlying, Underlying],
    terms: StandardTerms,
    prices: tuple[int, int],
) -> tuple[Line, Line]:
    """Maintenance margin of a short option by the share of the underlying, and by the share of its mark."""
    rate, mark_rate = (terms.call_num, 0) if pair[0].is_call else (terms.put_num, terms.put_mark_num)

    def asked(leg: OptionLeg, under: Underlying) -> tuple[int, int]:
        spot_q = _spot_q(under, leg.size_b)
        by_spot, by_mark = (
            fraction_q(base_q, num, terms.den, CEIL)
            for base_q, num in ((spot_q, rate), (leg.mark_q, mark_rate))
        )
        return leg.mark_q + by_spot, leg.mark_q + by_mark

    near, far = (asked(leg, under) for leg, under in zip(pair, held, strict=True))
    return line(near[0], far[0], prices), line(near[1], far[1], prices)
