"""Portfolio margin by scenarios: the worst that a set of moves would cost a subaccount, and charges.

Netting is within one underlying and never across two: perps at their price, options by the prices that were logged for
each scenario (`model.Grid`), expiry by expiry, and the collateral that moves with the underlying. The worst change of
worth over the scenarios, or the basis charge if that is worse, is the loss; the shares and charges of the rule turn it
into initial and maintenance margin.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise

from msgspec import Struct

from ..rules.scenario import (
    basis_loss_q,
    depegged_num,
    discounted_q,
    doubt_q,
    moved_q,
    naked_b,
    scenario_margin_q,
    shifted_q,
)
from ..rules.value import notional_q, value_q
from ..rules.words import CEIL, FLOOR, PPM, WAD, abs_, max_, min_, mul_div_down, mul_div_up
from .holding import Exposure, Group, Holding, Pledge, grouped, perp_b, term_of
from .lines import crossing, line, upper
from .model import Option, Venue
from .set_rules import ScenarioMargin
from .standard import Asked

YEAR_MS = 31_536_000_000
EITHER_WAY = ("linear", "abs")


class Charges(Struct, frozen=True):
    """What a scenario rule asks beside the worst loss, by what it is asked for."""

    perp_q: int = 0
    option_q: int = 0
    asset_q: int = 0

    @property
    def total_q(self) -> int:
        """Their sum."""
        return self.perp_q + self.option_q + self.asset_q


class Breakdown(Struct, frozen=True):
    """How the margin of one underlying comes about."""

    changes_q: tuple[int, ...]
    """Change of worth in each scenario of the rule."""
    basis_q: int
    initial: Charges
    maintenance: Charges
    doubt_q: int
    """Charge for prices that their sources are not sure of; initial margin only."""

    @property
    def loss_q(self) -> int:
        """The worst of the scenarios and the basis charge; never below zero."""
        return max(self.basis_q, *(-change_q for change_q in self.changes_q), 0)


def valid_scenarios(rule: ScenarioMargin) -> bool:
    """Are rates shares, and does initial margin cover maintenance?"""
    pairs = (
        (rule.initial_num, rule.maintenance_num),
        (rule.perp_initial_num, rule.perp_maintenance_num),
        (rule.option_initial_num, rule.option_maintenance_num),
        (rule.asset_initial_num, rule.asset_maintenance_num),
    )
    others = (rule.basis_add_num, rule.basis_yearly_num, rule.peg_below_num, rule.peg_num, rule.doubt_num)
    moves = [number for scenario in rule.scenarios for number in (scenario.price_num, scenario.weight_num)]
    covered = all(0 <= maintenance <= initial for initial, maintenance in pairs)
    basis = 0 <= rule.basis_down_num <= rule.den <= rule.basis_up_num if rule.charges_basis else True
    in_range = min((*others, *moves), default=0) >= 0 and 0 <= rule.doubt_below_num <= rule.den
    return rule.den > 0 and bool(rule.scenarios) and covered and basis and in_range


def scenario_margin(venue: Venue, rule: ScenarioMargin, holding: Holding) -> Asked:
    """What the scenario rule asks: underlyings one by one, and doubt about the rest of the collateral."""
    initial_num = initial_share_num(venue, rule)
    parts = [underlying_margin(rule, initial_num, each) for each in breakdowns(venue, rule, holding).values()]
    initial_q = sum(part.initial_q for part in parts) + still_doubt_q(venue, rule, holding)
    maintenance_q = sum(part.maintenance_q for part in parts)
    return Asked(max_(initial_q, maintenance_q), maintenance_q)


def underlying_margin(rule: ScenarioMargin, initial_num: int, found: Breakdown) -> Asked:
    """What is asked of one underlying, with `initial_num` as the share of the loss that initial margin asks."""

    def of(share_num: int, charges_q: int) -> int:
        scaled_q, added_q = (charges_q, 0) if rule.scales_charges else (0, charges_q)
        return scenario_margin_q(found.loss_q, scaled_q, added_q, share_num, rule.den)

    return Asked(
        found.doubt_q + of(initial_num, found.initial.total_q),
        of(rule.maintenance_num, found.maintenance.total_q),
    )


def initial_share_num(venue: Venue, rule: ScenarioMargin) -> int:
    """Share of the worst loss that initial margin asks now: it grows when the quote asset loses its peg."""
    price_num = mul_div_down(venue.quote_wad, rule.den, WAD)
    return depegged_num(rule.initial_num, price_num, rule.peg_below_num, rule.peg_num, rule.den)


def breakdowns(venue: Venue, rule: ScenarioMargin, holding: Holding) -> dict[str, Breakdown]:
    """The margin of a holding taken apart, by underlying."""
    return {
        name: _breakdown(venue, rule, group) for name, group in grouped(venue, rule.assets, holding).items()
    }


def _breakdown(venue: Venue, rule: ScenarioMargin, group: Group) -> Breakdown:
    den = rule.den
    changes = [0] * len(rule.scenarios)
    for worth_q in (*(e.worth_q for e in group.perps), *(p.worth_q for p in group.pledges)):
        for at, scenario in enumerate(rule.scenarios):
            changes[at] += moved_q(worth_q, scenario.price_num, scenario.weight_num, den)
    basis_q = 0
    for expiry_ms, options in group.expiries.items():
        worth_q = sum(exposure.worth_q for _, exposure in options)
        prices_q, term = shocked_q(rule, options), term_of(group.underlying, expiry_ms, den)
        for at, scenario in enumerate(rule.scenarios):
            counted_q = discounted_q(prices_q[at], term.gain_num, term.debt_num, den)
            either_way = scenario.vol in EITHER_WAY
            changes[at] += shifted_q(counted_q, worth_q, scenario.weight_num, den, either_way)
        if rule.charges_basis:
            up_q, down_q = (price_q - worth_q for price_q in prices_q[-2:])
            life_ms = max_(expiry_ms - venue.time_ms, 0)
            add, yearly = rule.basis_add_num, rule.basis_yearly_num
            basis_q += basis_loss_q(up_q, down_q, add, yearly, den, life_ms, YEAR_MS)
    initial, maintenance = _charges(venue, rule, group)
    return Breakdown(tuple(changes), basis_q, initial, maintenance, _doubt_q(venue, rule, group))


def shocked_q(rule: ScenarioMargin, options: Iterable[tuple[Option, Exposure]]) -> list[int]:
    """Worth of one expiry at every price of the grids: bought lots at the lower price, sold ones at the higher."""
    total = [0] * rule.grid_length
    for _, (market, size_b, *_) in options:
        grid, scale = market.grid, market.scale
        assert grid is not None, f"{market.id} has no grid"
        for at, price in enumerate(grid.low if size_b > 0 else grid.high):
            total[at] += value_q(size_b, price, scale.num, scale.den, FLOOR)
    return total


def _charges(venue: Venue, rule: ScenarioMargin, group: Group) -> tuple[Charges, Charges]:
    perp_q, option_q = _spot_q(group, perp_b(group)), _spot_q(group, _naked_b(group))
    asset_q = sum(_unpegged_q(venue, pledge) for pledge in group.pledges)

    def of(perp_num: int, option_num: int, asset_num: int) -> Charges:
        pairs = ((perp_q, perp_num), (option_q, option_num), (asset_q, asset_num))
        return Charges(*(mul_div_up(amount_q, num, rule.den) for amount_q, num in pairs))

    return (
        of(rule.perp_initial_num, rule.option_initial_num, rule.asset_initial_num),
        of(rule.perp_maintenance_num, rule.option_maintenance_num, rule.asset_maintenance_num),
    )


def _naked_b(group: Group) -> int:
    """Options sold without others of their strike and expiry against them."""
    total = 0
    for options in group.expiries.values():
        for strike in {option.strike for option, _ in options}:
            lots = [(option.call, e.size_b) for option, e in options if option.strike == strike]
            total += naked_b(sum(b for call, b in lots if call), sum(b for call, b in lots if not call))
    return total


def _spot_q(group: Group, size_b: int) -> int:
    """Worth of lots of the underlying at its spot price."""
    scale = group.underlying.scale
    return notional_q(size_b, group.spot, scale.num, scale.den, CEIL)


def _unpegged_q(venue: Venue, pledge: Pledge) -> int:
    """Worth of collateral in what the quote asset stands for, whatever that is worth itself."""
    return mul_div_up(max_(pledge.worth_q, 0), venue.quote_wad, WAD)


def _doubt_q(venue: Venue, rule: ScenarioMargin, group: Group) -> int:
    """Charge for the prices of perps and options, and of the collateral that the rule charges with them."""
    if not rule.doubt_num:
        return 0
    sure = group.underlying.index_confidence_ppm
    if group.perps:
        sure = min_(sure, group.underlying.confidence_ppm)
    total_q = _doubted_q(rule, sure, _spot_q(group, perp_b(group)))
    for options in group.expiries.values():
        least = min(sure, *(exposure.market.confidence_ppm for _, exposure in options))
        lots_b = sum(abs_(exposure.size_b) for _, exposure in options)
        total_q += _doubted_q(rule, least, _spot_q(group, lots_b))
    if rule.scales_charges:
        for pledge in group.pledges:
            least = min_(sure, pledge.asset.confidence_ppm)
            total_q += _doubted_q(rule, least, _unpegged_q(venue, pledge))
    return total_q


def still_doubt_q(venue: Venue, rule: ScenarioMargin, holding: Holding) -> int:
    """Charge for the prices of collateral: never surer than the spot price of what the subaccount is exposed to."""
    if not rule.doubt_num:
        return 0
    groups = grouped(venue, rule.assets, holding)
    known = [group.underlying for group in groups.values()]
    spots = known or [market for market in venue.markets.values() if market.option is None]
    sure = min((market.index_confidence_ppm for market in spots), default=PPM)
    taken = {pledge.asset.id for group in groups.values() for pledge in group.pledges}
    return sum(
        _doubted_q(rule, min_(sure, pledge.asset.confidence_ppm), max_(pledge.worth_q, 0))
        for pledge in holding.pledges
        if not (rule.scales_charges and pledge.asset.id in taken)
    )


def _doubted_q(rule: ScenarioMargin, confidence_ppm: int, notional: int) -> int:
    confidence = mul_div_down(confidence_ppm, rule.den, PPM)
    return doubt_q(notional, confidence, rule.doubt_below_num, rule.doubt_num, rule.den)


def scenario_bends(
    venue: Venue,
    rule: ScenarioMargin,
    both: tuple[Holding, Holding],
    underlying: str,
    prices: tuple[int, int],
) -> Iterator[int]:
    """Prices at which the rule's requirement may bend, from the same holding at two prices of one market.

    With everything else held, the change of worth in each scenario is a straight line in the price; the worst of them
    bends where two cross.
    """
    near, far = (_losses(breakdowns(venue, rule, holding).get(underlying)) for holding in both)
    if len(near) != len(far):
        return
    lines = {line(a, b, prices) for a, b in zip(near, far, strict=True)}
    for first, second in pairwise(upper(lines)):
        yield from crossing(first, second)


def scenario_kinks(
    venue: Venue, rule: ScenarioMargin, both: tuple[Holding, Holding], option: Option, prices: tuple[int, int]
) -> Iterator[int]:
    """Prices of an option at which its expiry is worth what a charge holds against it.

    There a gain becomes a loss, where a gain counts for nothing (forwards) or as a loss (shifts of the smile).
    """
    groups = [grouped(venue, rule.assets, holding)[option.underlying] for holding in both]
    near, far = (group.expiries[option.expiry_ms] for group in groups)
    near_q, far_q = (sum(exposure.worth_q for _, exposure in options) for options in (near, far))
    shocked, term = shocked_q(rule, near), term_of(groups[0].underlying, option.expiry_ms, rule.den)
    levels = set(shocked[-2:]) if rule.charges_basis else set[int]()
    for price_q, scenario in zip(shocked, rule.scenarios, strict=False):
        if scenario.vol in EITHER_WAY:
            levels.add(discounted_q(price_q, term.gain_num, term.debt_num, rule.den))
    for level_q in levels:
        yield from crossing(line(near_q, far_q, prices), line(level_q, level_q, prices))


def _losses(found: Breakdown | None) -> list[int]:
    return [] if found is None else [0, found.basis_q, *(-change_q for change_q in found.changes_q)]
