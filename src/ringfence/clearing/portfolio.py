"""Margin asked of a set of positions: the rules that look at what a subaccount holds together.

A market's requirement judges one position. Where the venue's policy has a `set_rule`, that rule decides instead what a
subaccount must have. This module is the only one that knows the set rules: `asked` dispatches on them. Nothing else
changes: equity stays the sum of what the legs and the collateral are worth, and every question goes through
`risk.subaccount_risk`.

`ScenarioMargin` asks for the worst of a set of moves of each underlying (`clearing.scenarios`). `StandardMargin` asks
for every instrument by itself, options netted per expiry (`clearing.standard`).
`DebtMargin` asks for a share of what positions owe, as initial margin.
`SpreadCredit` takes what the markets ask for each position and gives a part back where collateral and the perp on it
cancel: the asset owned and the perp sold, or the asset owed and the perp bought.
"""

from collections.abc import Callable
from itertools import pairwise

from ..rules.ratio import debt_value
from ..rules.requirement import fraction_q
from ..rules.weights import spread_basis, spread_relief_q
from ..rules.words import PPM, WAD, abs_, max_, mul_div_down, power_of_ten
from .holding import Exposure, Holding, Pledge, grouped, perp_b, term_of
from .model import Market, Scale, Venue
from .policy import Policy, Sided
from .scenarios import scenario_bends, scenario_kinks, scenario_margin, valid_scenarios
from .set_rules import DebtMargin, ScenarioMargin, SetRule, SpreadCredit, StandardMargin
from .standard import Asked, Expiry, OptionLeg, Underlying, standard_margin, valid_standard
from .standard import bends as standard_bends


def valid(rule: SetRule) -> bool:
    """Are its rates fit for use?"""
    if isinstance(rule, SpreadCredit):
        return 0 <= rule.kept_num <= rule.kept_den and rule.kept_den > 0
    if isinstance(rule, StandardMargin):
        return valid_standard(rule)
    if isinstance(rule, DebtMargin):
        return 0 <= rule.initial_num <= rule.initial_den and rule.initial_den > 0
    return valid_scenarios(rule)


def priced(policy: Policy, market: Market) -> bool:
    """Whether the policy's set rule has what it needs to judge a position in this market."""
    rule = policy.set_rule
    if market.option is None or not isinstance(rule, ScenarioMargin):
        return True
    return market.grid is not None and len(market.grid.low) == rule.grid_length


def asked(venue: Venue, holding: Holding, legs: Asked) -> Asked:
    """Margin that the policy's set rule asks of a holding; `legs` is what the markets' own requirements add up to.

    Below zero where the rule gives back what the weights of collateral ask for.
    """
    rule = venue.policy.set_rule
    assert rule is not None
    if isinstance(rule, SpreadCredit):
        return spread_margin(rule, holding, legs)
    if isinstance(rule, DebtMargin):
        return Asked(debt_margin_q(rule, holding, venue.policy.rounding.requirement), legs.maintenance_q)
    if isinstance(rule, StandardMargin):
        quote_num = mul_div_down(venue.quote_wad, rule.options.den, WAD)
        return standard_margin(rule, quote_num, underlyings(venue, rule, holding), legs)
    return scenario_margin(venue, rule, holding)


def bends(venue: Venue, at: Callable[[int], Holding], market: Market, most: int) -> list[int]:
    """Prices of `market` up to `most` at which the set rule's requirement may bend; `at` is a holding at a price of it.

    With everything else held, what a rule asks is made of straight lines in the price, and bends where one takes over
    from another.
    """
    rule, found = venue.policy.set_rule, list[int]()
    if isinstance(rule, StandardMargin):
        both = zip(*(underlyings(venue, rule, at(price)) for price in (1, most)), strict=True)
        return [price for a, b in both for price in standard_bends(rule.options, a, b, (1, most))]
    if isinstance(rule, ScenarioMargin):
        name = market.id if market.option is None else market.option.underlying
        if market.option is not None:
            found += scenario_kinks(venue, rule, (at(1), at(most)), market.option, (1, most))
        edges = sorted({1, *(price for price in found if 1 < price < most), most})
        for low, high in pairwise(edges):
            found += scenario_bends(venue, rule, (at(low), at(high)), name, (low, high))
    return found


def debt_margin_q(rule: DebtMargin, holding: Holding, rounding: int) -> int:
    """Initial margin on what positions owe.

    Source: Perp v2 `perp-curie-contract@d520bd8e contracts/Vault.sol:815-838` and `AccountBalance.sol`
    (`getTotalDebtValue`).
    """
    sold_q = sum(-exposure.worth_q for exposure in holding.exposures if exposure.size_b < 0)
    spent_q = sum(exposure.cost_q for exposure in holding.exposures)
    return fraction_q(debt_value(sold_q, -spent_q), rule.initial_num, rule.initial_den, rounding)


def spread_margin(rule: SpreadCredit, holding: Holding, legs: Asked) -> Asked:
    """What the legs ask, less the credit of every pair of collateral and the perp that it follows."""
    initial_q, maintenance_q = legs.initial_q, legs.maintenance_q
    for pledge in holding.pledges:
        for exposure in holding.exposures:
            weights, perp = pledge.asset.weights, exposure.market.requirement
            if exposure.market.id != pledge.asset.market or weights is None or not isinstance(perp, Sided):
                continue
            hedged_q = _hedged_q(pledge, exposure)
            hedge = perp if pledge.amount > 0 else weights
            initial_q -= spread_relief_q(
                hedged_q,
                *(weights.long_initial_num, weights.den, perp.long_initial_num, perp.den),
                *(hedge.long_initial_num * rule.kept_num, hedge.den * rule.kept_den),
            )
            maintenance_q -= spread_relief_q(
                hedged_q,
                *(weights.long_maintenance_num, weights.den, perp.long_maintenance_num, perp.den),
                *(hedge.long_maintenance_num * rule.kept_num, hedge.den * rule.kept_den),
            )
    return Asked(initial_q, maintenance_q)


def _hedged_q(pledge: Pledge, exposure: Exposure) -> int:
    """Worth of the parts of collateral and perp that cancel, both together; rounded down."""
    finer = exposure.market.base_decimals - pledge.asset.decimals
    amount = pledge.amount * power_of_ten(max_(finer, 0))
    size = exposure.size_b * power_of_ten(max_(-finer, 0))
    basis = spread_basis(amount, size)
    if basis == 0:
        return 0
    asset_q = mul_div_down(abs_(pledge.worth_q), basis, abs_(amount))
    return asset_q + mul_div_down(abs_(exposure.worth_q), basis, abs_(size))


def underlyings(venue: Venue, rule: StandardMargin, holding: Holding) -> list[Underlying]:
    """A holding by underlying, as the standard rule looks at it."""
    den = rule.options.den

    def sure(confidence_ppm: int) -> int:
        return mul_div_down(confidence_ppm, den, PPM)

    assets = [pledge.asset.id for pledge in holding.pledges]
    found = []
    for group in grouped(venue, assets, holding).values():
        expiries = []
        for expiry_ms, options in group.expiries.items():
            legs = [OptionLeg(e.size_b, option.strike, option.call, abs_(e.worth_q)) for option, e in options]
            least = min(exposure.market.confidence_ppm for _, exposure in options)
            forward = term_of(group.underlying, expiry_ms, den).forward or group.spot
            expiries.append(Expiry(legs, forward, sure(least)))
        found.append(
            Underlying(
                group.spot,
                group.underlying.scale,
                sure(group.underlying.index_confidence_ppm),
                expiries,
                perp_b(group),
                sure(group.underlying.confidence_ppm),
                [(pledge.worth_q, sure(pledge.asset.confidence_ppm)) for pledge in group.pledges],
            )
        )
    still = [pledge for pledge in holding.pledges if not pledge.asset.market]
    worths = [(pledge.worth_q, sure(pledge.asset.confidence_ppm)) for pledge in still]
    return [*found, Underlying(0, Scale(1, 1), den, pledges=worths)]
