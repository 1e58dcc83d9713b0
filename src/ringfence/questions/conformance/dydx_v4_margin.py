"""dYdX v4's own unit-test numbers asked of our rules: margin, risk, bankruptcy and fillable prices, funding.

Every function reads a case, builds the venue that it describes and asks the engine. Errors are given the venue's names.
Units are the venue's: quote quantums are our quote atoms, base quantums our base atoms, an oracle price is a whole
number of price quanta. Numbers that need a change of state are in `dydx_v4_state`, those of the documentation in
`dydx_v4_docs`.

Prices, sizes and liquidity tiers are the case's; directions of rounding, triggers and procedures are those of the
rulebook.
"""

from collections.abc import Iterable
from fractions import Fraction
from functools import cache

from msgspec.structs import replace

from ...clearing.draft import Draft
from ...clearing.liquidation import fillable_fraction, liquidation_size_b
from ...clearing.model import QUOTE, CollateralPool, Leverage, Market, Position, Scale, Subaccount, Venue
from ...clearing.policy import Liquidation, OpenInterestScaled, Policy
from ...clearing.risk import (
    Risk,
    bankruptcy_q,
    is_liquidatable,
    leg_risk,
    riskier,
    subaccount_risk,
)
from ...clearing.shapes import open_interest_fraction_ppm
from ...errors import InputError
from ...rules.funding import maintenance_ppm, rate_cap_ppm
from ...rules.value import funding_payment_q
from ...rules.words import PPM, WAD
from ...units import QUOTE_DECIMALS
from ...venues.rulebook import load
from .vectors import Case, Field, Ours, RefusedError, Rule

INDEX_SCALE = WAD // PPM
"""The venue's funding index counts millionths of a quote quantum per base quantum, ours 1e-18 of one."""
MAIN = "MAIN"
CROSS = "cross"
EXPONENT_MAX = 100
USDC = ("0", "USDC")
UNKNOWN_MARKET = "ErrPerpetualDoesNotExist"
SIZE_DELTA = "ErrInvalidPerpetualPositionSizeDelta"


@cache
def rulebook_policy() -> Policy:
    """Everything about the venue that is not a market, from the rulebook of the code that the cases test."""
    return load("dydx-v4", "2026-03").policy()


def power_of_ten(power: int) -> Scale:
    """`10 ** power` as a scale."""
    return Scale(10 ** max(power, 0), 10 ** max(-power, 0))


def worth_exponent(rule: Field) -> int:
    """Decimal exponent of one base quantum's worth, in quote quantums, at an oracle price of 1."""
    return exponent(rule["atomic_resolution"]) + exponent(rule["exponent"]) + QUOTE_DECIMALS


def exponent(stated: Field) -> int:
    """A decimal exponent."""
    return stated.integer(-EXPONENT_MAX, EXPONENT_MAX)


def requirement_of(rule: Field) -> OpenInterestScaled:
    """A liquidity tier; what a case does not need is missing and counts as zero."""
    names = ("im_ppm", "maintenance_fraction_ppm", "oi_lower_cap", "oi_upper_cap")
    return OpenInterestScaled(*(integer(rule, name) for name in names))


def integer(rule: Field, name: str) -> int:
    """A whole number that counts as zero when it is missing."""
    found = rule.get(name)
    return 0 if found is None else found.integer()


def market_of(rule: Field) -> Market:
    """A perpetual at its oracle price."""
    kind, name, price = (
        rule.get("market_type"),
        str(integer(rule, "perp_id")),
        rule["oracle_price"].integer(least=0),
    )
    isolated = kind is not None and kind.text() == "ISOLATED"
    return Market(
        name,
        power_of_ten(worth_exponent(rule)),
        requirement_of(rule),
        f"isolated/{name}" if isolated else CROSS,
        mark=price,
        index=price,
        funding_index=integer(rule, "funding_index") * INDEX_SCALE,
        open_interest_b=integer(rule, "open_interest"),
    )


def cash_of(assets: Iterable[Field]) -> int:
    """USDC of a subaccount. Anything else is refused as the venue does: it takes no other collateral."""
    total = 0
    for asset in assets:
        named = asset.get("asset") or asset.get("asset_id") or asset["AssetId"]
        name = named.text()
        amount = (asset.get("quantums") or asset["BigQuantumsDelta"]).integer()
        if name in USDC:
            total += amount
        elif amount:
            raise RefusedError(
                "ErrNotImplementedMulticollateral" if amount > 0 else "ErrNotImplementedMargin"
            )
    return total


def subaccount_of(
    name: str, cash_q: int, positions: Iterable[Field], markets: dict[str, Market]
) -> Subaccount:
    """A subaccount as the chain stores it; a position's own quote balance counts as cash."""
    found = Subaccount(name, name, balances={QUOTE: cash_q})
    for position in positions:
        market = known(position["market"].text(), markets)
        index = integer(position, "funding_index") * INDEX_SCALE
        if market in found.positions:
            raise InputError(f"{position.where}: market {market} stands twice")
        found.positions[market] = Position(position["size"].integer(), 0, index)
        found.balances[QUOTE] += integer(position, "quote_balance")
    return found


def known(market: str, markets: dict[str, Market]) -> str:
    """The name of a market that exists."""
    if market not in markets:
        raise RefusedError(UNKNOWN_MARKET)
    return market


def venue_of(case: Case, policy: Policy | None = None) -> Venue:
    """The venue that a case describes, with the subaccount that it asks about."""
    body = case.body
    markets = {market.id: market for market in map(market_of, body["rule"].items("markets"))}
    main = subaccount_of(MAIN, cash_of(body.items("collateral")), body.items("positions"), markets)
    pools = {CROSS, *(market.pool for market in markets.values())}
    return Venue(
        policy or rulebook_policy(),
        markets,
        pools={pool: CollateralPool(pool) for pool in pools},
        subaccounts={MAIN: main},
    )


def settled(venue: Venue, name: str) -> Subaccount:
    """A subaccount with its funding booked, or a new one."""
    if name not in venue.subaccounts:
        return Subaccount(name, name)
    draft = Draft(venue)
    draft.settle_all_funding(name)
    return draft.subaccount(name)


def updated(venue: Venue, before: Subaccount, update: Field) -> Subaccount:
    """A settled subaccount after an update of its assets and positions, whatever becomes of its margin."""
    cash_q = before.quote_q + cash_of(update.items("asset_updates"))
    after = replace(before, balances={**before.balances, QUOTE: cash_q})
    for market, delta_b in changes(venue, update):
        after = resized(venue, after, market, delta_b)
    return after


def changes(venue: Venue, update: Field) -> list[tuple[str, int]]:
    """Markets and signed changes of size of an update."""
    found = [
        (change["PerpetualId"].text(), change["BigQuantumsDelta"]) for change in update.items("perp_updates")
    ]
    return [(known(market, venue.markets), delta.integer()) for market, delta in found]


def resized(venue: Venue, before: Subaccount, market: str, delta_b: int) -> Subaccount:
    """A settled subaccount whose position changes by `delta_b` lots."""
    held = before.positions.get(market, Position(0, 0, venue.markets[market].funding_index))
    others = {name: position for name, position in before.positions.items() if name != market}
    size_b = held.size_b + delta_b
    return replace(before, positions={**others, market: replace(held, size_b=size_b)} if size_b else others)


def liquidations_of(rule: Field) -> Liquidation:
    """A liquidations configuration, for positions closed in portions at any price."""
    config = rule["liquidations"]
    return Liquidation(
        size="portion",
        portion_ppm=config["max_position_portion_liquidated_ppm"].integer(),
        minimum_q=config["min_position_notional_liquidated"].integer(),
        adjustment_ppm=config["bankruptcy_adjustment_ppm"].integer(),
        spread_ppm=config["spread_to_maintenance_margin_ratio_ppm"].integer(),
        fee_ppm=config["max_liquidation_fee_ppm"].integer(),
        block_subaccount_q=config["max_notional_liquidated"].integer(),
        block_insurance_q=config["max_quantums_insurance_lost"].integer(),
    )


def must_reduce(subaccount: Subaccount, market: str, delta_b: int) -> None:
    """Refuse a change of size that does not reduce the position."""
    held_b = subaccount.positions[market].size_b if market in subaccount.positions else 0
    if held_b * delta_b >= 0 or abs(delta_b) > abs(held_b):
        raise RefusedError(SIZE_DELTA)


def amounts(risk: Risk) -> Ours:
    """A risk under the names of the cases."""
    return {"equity": risk.equity_q, "im": risk.initial_q, "mm": risk.maintenance_q}


def account_risk(case: Case) -> Ours:
    """Net collateral and margin requirements after an update."""
    venue = venue_of(case)
    after = updated(venue, settled(venue, MAIN), case.body["action"])
    return amounts(subaccount_risk(venue, after))


def liquidatable(case: Case) -> Ours:
    """Whether the subaccount is liquidatable."""
    venue = venue_of(case)
    main = venue.subaccounts[MAIN]
    return {"liquidatable": is_liquidatable(venue, main), **amounts(subaccount_risk(venue, main))}


def one_leg(market: Market, size_b: int, leverage: Leverage | None = None) -> Risk:
    """Risk of one position at the oracle price."""
    return leg_risk(market, size_b, market.mark, rulebook_policy().rounding, leverage)


def position_margin(case: Case) -> Ours:
    """Worth and margin requirements of one position."""
    rule, position = case.body["rule"], case.body["positions"].only()
    own_ppm = integer(rule, "custom_imf_ppm")
    leverage = Leverage(PPM, own_ppm) if own_ppm else None
    risk = one_leg(market_of(rule), position["size"].integer(), leverage)
    return {"notional": risk.equity_q, "im": risk.initial_q, "mm": risk.maintenance_q}


def _of_notional(rule: Field) -> Market:
    """A market counted in quote quantums, so that a size is a notional."""
    open_q = rule["open_interest_notional"].integer()
    return Market(
        "notional", Scale(1, 1), requirement_of(rule), CROSS, mark=1, index=1, open_interest_b=open_q
    )


def initial_margin(case: Case) -> Ours:
    """Initial margin of a notional at the market's open interest."""
    position = case.body["positions"].only()
    risk = one_leg(_of_notional(case.body["rule"]), position["notional"].integer())
    return {"im": risk.initial_q}


def initial_fraction(case: Case) -> Ours:
    """Initial margin fraction at the market's open interest."""
    return {"im_ppm": open_interest_fraction_ppm(_of_notional(case.body["rule"]), rulebook_policy().rounding)}


def maintenance_fraction(case: Case) -> Ours:
    """Maintenance margin fraction of a liquidity tier."""
    rule = case.body["rule"]
    return {"mm_ppm": maintenance_ppm(rule["im_ppm"].integer(), rule["maintenance_fraction_ppm"].integer())}


def funding_cap(case: Case) -> Ours:
    """Largest funding rate of a liquidity tier."""
    names = ("clamp_factor_ppm", "im_ppm", "maintenance_fraction_ppm")
    return {"max_abs_ppm": rate_cap_ppm(*(case.body["rule"][name].integer() for name in names))}


def funding_settlement(case: Case) -> Ours:
    """Funding that a position receives, in millionths of a quote quantum."""
    position = case.body["positions"].only()
    delta = case.body["rule"]["funding_index"].integer() - position["funding_index"].integer()
    return {
        "net_settlement_ppm": funding_payment_q(
            position["size"].integer(), delta, 1, rulebook_policy().rounding.funding
        )
    }


def bankruptcy_price(case: Case) -> Ours:
    """Quote that closing part of a position must bring to use up exactly its share of the collateral."""
    venue = venue_of(case)
    market, delta_b = closing(case, venue)
    return {"bankruptcy_price_quote_quantums": bankruptcy_q(venue, venue.subaccounts[MAIN], market, -delta_b)}


def closing(case: Case, venue: Venue) -> tuple[str, int]:
    """The market and signed change of size that a case asks for; refused when it does not reduce the position."""
    action = case.body["action"]
    market, delta_b = action["close_market"].text(), action["delta_quantums"].integer()
    must_reduce(venue.subaccounts[MAIN], known(market, venue.markets), delta_b)
    return market, delta_b


def fillable_price(case: Case) -> Ours:
    """Worst price of a liquidation order, in quote quantums per base quantum."""
    venue = venue_of(case, replace(rulebook_policy(), liquidation=liquidations_of(case.body["rule"])))
    name, _ = closing(case, venue)
    market = venue.markets[name]
    num, den = fillable_fraction(venue, venue.subaccounts[MAIN], name)
    quanta = Fraction(num, den) if den else Fraction(market.mark)
    return {"fillable_price_quote_per_base_quantum": quanta * Fraction(market.scale.num, market.scale.den)}


def partial_limits(case: Case) -> Ours:
    """Least and most notional that one liquidation of a position may close.

    Asked of a position counted in quote quantums, so that lots are notional: once with the configured portion, once
    with none, which leaves the minimum.
    """
    rule, position = case.body["rule"], case.body["positions"].only()
    markets = {market.id: market for market in map(market_of, rule["markets"])}
    market = markets[known(position["market"].text(), markets)]
    notional_q = one_leg(market, position["size"].integer()).notional_q
    config = liquidations_of(rule)

    def closed(portion_ppm: int) -> int:
        counted = replace(market, scale=Scale(1, 1), mark=1, index=1)
        main = Subaccount(MAIN, MAIN, positions={market.id: Position(notional_q, 0, market.funding_index)})
        policy = replace(rulebook_policy(), liquidation=replace(config, portion_ppm=portion_ppm))
        return liquidation_size_b(Venue(policy, {market.id: counted}), main, market.id, 1)

    return {"min_notional": closed(0), "max_notional": closed(config.portion_ppm)}


def compared(case: Case) -> Ours:
    """Which of two risks is riskier."""
    first, second = (
        Risk(equity_q=side["nc"].integer(), maintenance_q=side["mm"].integer())
        for side in (case.body["action"]["first"], case.body["action"]["second"])
    )
    return {"cmp": riskier(first, second)}


MARGIN_KINDS: dict[str, Rule] = {
    "account_risk": account_risk,
    "bankruptcy_price": bankruptcy_price,
    "fillable_price": fillable_price,
    "funding_clamp": funding_cap,
    "funding_settlement": funding_settlement,
    "is_liquidatable": liquidatable,
    "margin_req": position_margin,
    "mm_ppm": maintenance_fraction,
    "notional": position_margin,
    "oimf_im": initial_margin,
    "oimf_ppm": initial_fraction,
    "partial_liq_limits": partial_limits,
    "risk_cmp": compared,
}
