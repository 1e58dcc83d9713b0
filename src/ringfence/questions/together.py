"""How the margin of positions that are judged together came about, where it is not the sum of what each asks."""

from collections.abc import Iterator
from fractions import Fraction
from typing import cast

from ..clearing.model import Subaccount, Venue
from ..clearing.risk import collateral_risk, holding, market_risk, subaccount_risk
from ..clearing.scenarios import Breakdown, breakdowns, initial_share_num, still_doubt_q, underlying_margin
from ..clearing.set_rules import ScenarioMargin, SpreadCredit
from ..units import QUOTE_DECIMALS, format_atoms, format_fraction
from ..venues.model import Rulebook
from .explain import Explanation, cite, watch

INITIAL = "initialMargin"
SHARE_DECIMALS = 12


def together(
    venue: Venue, subaccount: Subaccount, name: str, total_q: int, rulebook: Rulebook
) -> Explanation:
    """`initialMargin` or `maintenanceMargin` of a subaccount under a rule over a set of positions."""
    rule = venue.policy.set_rule
    if isinstance(rule, ScenarioMargin):
        formula, path = "worst of the scenarios and charges, by underlying", "portfolio.scenarios"
        parts = _scenarios(venue, subaccount, rule, name)
    else:
        formula = "rule over all positions together; alone they ask"
        path = "policy.spread_credit" if isinstance(rule, SpreadCredit) else "standard.netting"
        parts = _alone(venue, subaccount, name)
    inputs = (*parts, *_collateral(venue, subaccount, name), *_uncounted(venue, subaccount, name))
    return Explanation(name, _quote(total_q), formula, inputs, cite(rulebook, path))


def _quote(amount_q: int) -> str:
    return format_atoms(amount_q, QUOTE_DECIMALS)


def _alone(venue: Venue, subaccount: Subaccount, name: str) -> Iterator[Explanation]:
    for market in subaccount.positions:
        leg = market_risk(venue, subaccount, market)
        yield Explanation(market, _quote(leg.initial_q if name == INITIAL else leg.maintenance_q))


def _collateral(venue: Venue, subaccount: Subaccount, name: str) -> Iterator[Explanation]:
    held = collateral_risk(venue, subaccount)
    if asked_q := held.initial_q if name == INITIAL else held.maintenance_q:
        yield Explanation("other collateral", _quote(asked_q), "what its weights ask")


def _uncounted(venue: Venue, subaccount: Subaccount, name: str) -> Iterator[Explanation]:
    """The profit that initial margin does not let count, where the venue nets it over all positions."""
    if name == INITIAL and venue.policy.initial_profit_cap_of == "account":
        _, calls = watch(lambda: subaccount_risk(venue, subaccount))
        for call in calls.find("uncounted_profit_q"):
            yield Explanation("unrealized profit that does not count", _quote(cast(int, call.result)))


def _scenarios(
    venue: Venue, subaccount: Subaccount, rule: ScenarioMargin, name: str
) -> Iterator[Explanation]:
    held, initial_num = holding(venue, subaccount), initial_share_num(venue, rule)
    for underlying, found in breakdowns(venue, rule, held).items():
        asked = underlying_margin(rule, initial_num, found)
        yield Explanation(
            underlying,
            _quote(asked.initial_q if name == INITIAL else asked.maintenance_q),
            "(loss + charges) x factor" if rule.scales_charges else "loss x factor + charges",
            (*_parts(rule, found, name, initial_num),),
        )
    if name == INITIAL and (doubt_q := still_doubt_q(venue, rule, held)):
        yield Explanation("doubt", _quote(doubt_q), "prices of other collateral that are not sure")


def _parts(rule: ScenarioMargin, found: Breakdown, name: str, initial_num: int) -> Iterator[Explanation]:
    initial = name == INITIAL
    share_num, charges = (
        (initial_num, found.initial) if initial else (rule.maintenance_num, found.maintenance)
    )
    yield Explanation("loss", _quote(found.loss_q), _worst(rule, found))
    for what, amount_q in (
        ("perps", charges.perp_q),
        ("options", charges.option_q),
        ("assets", charges.asset_q),
    ):
        if amount_q:
            yield Explanation(f"charge on {what}", _quote(amount_q))
    if initial and found.doubt_q:
        yield Explanation("doubt", _quote(found.doubt_q), "prices that are not sure; added")
    yield Explanation("factor", _share(share_num, rule.den))


def _worst(rule: ScenarioMargin, found: Breakdown) -> str:
    """Where the loss comes from."""
    if found.loss_q == 0:
        return "no scenario loses anything"
    if found.loss_q == found.basis_q:
        return "what the forwards may lose against the spot"
    scenario = rule.scenarios[found.changes_q.index(-found.loss_q)]
    return f"worst scenario: price x {_share(scenario.price_num, rule.den)}, volatility {scenario.vol}"


def _share(num: int, den: int) -> str:
    return format_fraction(Fraction(num, den), SHARE_DECIMALS)
