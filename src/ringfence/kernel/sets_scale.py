"""On which grids and up to which worth 128 bits hold what a rule over a set of positions makes of it.

Whatever nets (the perpetual of an underlying and the options on it) shares one grid of sizes and one of prices, so that
lots of one can be added to lots of another and a strike compared with a price. The rates of a rule are reduced to
lowest terms, which changes no quotient.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from math import gcd

from ..clearing.model import Market, Venue
from ..clearing.scenarios import YEAR_MS, initial_share_num
from ..clearing.set_rules import DebtMargin, ScenarioMargin, SpreadCredit, StandardMargin
from ..rules.scenario import depegged_num
from ..rules.words import PPM, WAD, mul_div_down

LEGS_MOST = 128
"""Positions and assets of a subaccount, at most."""
WORTH_USUAL = 1 << 62
SUM_MAX = 1 << 126


def reduced(*numbers: int) -> tuple[int, ...]:
    """Numbers over their greatest common divisor."""
    common = gcd(*numbers) or 1
    return tuple(number // common for number in numbers)


def underlying_of(market: Market) -> str:
    """The market that a market nets with: an option its underlying, everything else itself."""
    return market.id if market.option is None else market.option.underlying


def nets_options(venue: Venue) -> bool:
    """Whether the venue's rule looks at options together with what they are on."""
    return isinstance(venue.policy.set_rule, ScenarioMargin | StandardMargin)


class Families:
    """Sizes held and prices known of all that nets, by underlying."""

    def __init__(self, venue: Venue, held: Mapping[str, Counter[int]]) -> None:
        self.sizes: dict[str, Counter[int]] = {}
        self.prices: dict[str, set[int]] = {}
        for market in venue.markets.values():
            name = underlying_of(market)
            self.sizes.setdefault(name, Counter()).update(held.get(market.id, Counter()))
            self.prices.setdefault(name, set()).update(known_prices(market))


def known_prices(market: Market) -> Iterable[int]:
    """Every price (quanta) that a rule over a set may read of a market."""
    yield from (market.mark, market.index)
    yield from (term.forward for term in market.terms)
    if market.option is not None:
        yield market.option.strike
    if market.grid is not None:
        yield from (*market.grid.low, *market.grid.high)


def worth_most(venue: Venue) -> int:
    """The largest worth (quote atoms) of a leg for which nothing that the venue's set rule makes leaves 128 bits."""
    rule, most = venue.policy.set_rule, WORTH_USUAL
    while most > 1 and _peak(venue, most) >= SUM_MAX:
        most >>= 1
    return most if rule is not None else SUM_MAX


def _peak(venue: Venue, worth_q: int) -> int:
    """The largest number that the rule makes of a subaccount whose legs and assets are worth so much each, at most."""
    rule, total_q = venue.policy.set_rule, LEGS_MOST * (worth_q + 1)
    if isinstance(rule, DebtMargin):
        return 2 * total_q * max(reduced(rule.initial_num, rule.initial_den))
    if isinstance(rule, StandardMargin):
        terms = rule.options
        rates = (terms.highest_num, terms.call_num, terms.put_num, terms.put_mark_num, terms.den)
        factor = max(*rates, terms.unpaired_initial_num)
        margin_q = 4 * total_q * -(-factor // terms.den)
        most_q = max(
            4 * total_q * factor, margin_q * terms.put_floor_num, total_q * lost_peg_num(venue, rule)
        )
        return max(most_q, total_q * _doubted(venue, rule))
    if isinstance(rule, ScenarioMargin):
        return _scenario_peak(venue, rule, worth_q)
    return _spread_peak(venue, worth_q) if isinstance(rule, SpreadCredit) else 0


def _spread_peak(venue: Venue, worth_q: int) -> int:
    """Rates of a credit are products of four: those of asset and perp, and the share that is kept."""
    rule, most = venue.policy.set_rule, 0
    assert isinstance(rule, SpreadCredit)
    for asset in venue.assets.values():
        if asset.weights is not None and asset.market in venue.markets:
            den = getattr(venue.markets[asset.market].requirement, "den", 1)
            most = max(most, asset.weights.den * den * rule.kept_den * 8)
    return worth_q * most


def _scenario_peak(venue: Venue, rule: ScenarioMargin, worth_q: int) -> int:
    """The worst of all scenarios, each change a product; then the loss times its share."""
    total_q, swing, factors = LEGS_MOST * (worth_q + 1), 1, [_doubted(venue, rule)]
    for scenario in rule.scenarios:
        price_num, weight_num, den = reduced(scenario.price_num, scenario.weight_num, rule.den)
        factors += [(price_num + den) * weight_num, weight_num * 4, den * den]
        swing = max(swing, -(-(price_num + den) * weight_num // (den * den)))
    for market in venue.markets.values():
        for term in market.terms:
            factors += [term.gain_num, term.debt_num, rule.den]
            swing = max(swing, 2 + max(term.gain_num, term.debt_num) // rule.den)
    charges = (rule.perp_initial_num, rule.option_initial_num, rule.asset_initial_num)
    swing += sum(-(-each // rule.den) for each in charges)
    factors += [*charges, rule.den, *reduced(venue.quote_wad, WAD)]
    shares = reduced(initial_share_num(venue, rule), rule.maintenance_num, rule.den)
    if rule.charges_basis:
        life_ms = max((_life_ms(market, venue.time_ms) for market in venue.markets.values()), default=0)
        add, yearly, den = reduced(rule.basis_add_num, rule.basis_yearly_num, rule.den)
        factors.append(2 * (max(add, den) * YEAR_MS + yearly * life_ms))
        swing += 2 * -(-(add * YEAR_MS + yearly * life_ms) // (den * YEAR_MS))
    return max(total_q * max(factors), 2 * total_q * swing * max(shares))


def doubt_unit(venue: Venue, rule: ScenarioMargin | StandardMargin) -> int:
    """What the rule's denominator, thresholds and share of doubt, and all confidences over it, are multiples of."""
    if isinstance(rule, ScenarioMargin):
        den, below = rule.den, [rule.doubt_below_num]
    else:
        den = rule.options.den
        below = [rule.perp_doubt_below_num, rule.option_doubt_below_num, rule.asset_doubt_below_num]
    sources = [market.confidence_ppm for market in venue.markets.values()]
    sources += [market.index_confidence_ppm for market in venue.markets.values()]
    sources += [asset.confidence_ppm for asset in venue.assets.values()]
    return gcd(den, rule.doubt_num, *below, *(mul_div_down(each, den, PPM) for each in sources))


def lost_peg_num(venue: Venue, rule: StandardMargin) -> int:
    """Share of its peg that the quote asset has lost, times what a lost share is charged; over the rule's `den`."""
    den = rule.options.den
    return depegged_num(0, mul_div_down(venue.quote_wad, den, WAD), rule.peg_below_num, rule.peg_num, den)


def _doubted(venue: Venue, rule: ScenarioMargin | StandardMargin) -> int:
    """The largest product of rates in a charge for doubt."""
    den = rule.den if isinstance(rule, ScenarioMargin) else rule.options.den
    one, share = den // doubt_unit(venue, rule), rule.doubt_num // doubt_unit(venue, rule)
    return one * max(one, share)


def _life_ms(market: Market, time_ms: int) -> int:
    return max(market.option.expiry_ms - time_ms, 0) if market.option is not None else 0
