"""Is a subaccount safe? `Risk` is the addable answer, and this module reads the margin rules to get it.

Every question (decide, solve, reports) goes through `leg_risk` and `subaccount_risk`; there is no second formula.
"""

from collections.abc import Mapping

from msgspec import Struct

from ..rules import requirement as rule
from ..rules.close import bankruptcy_quote_q
from ..rules.value import collateral_value_q, funding_payment_q, notional_q, value_q
from ..rules.words import PPM, WAD, max_
from .model import QUOTE, Asset, Leverage, Market, Position, Rounding, Subaccount, Tier, Tiered, Venue


class Risk(Struct, frozen=True):
    """Equity against what is asked of it, in quote atoms. A subaccount's risk is the sum of its legs'."""

    equity_q: int = 0
    initial_q: int = 0
    maintenance_q: int = 0
    notional_q: int = 0

    def __add__(self, other: "Risk") -> "Risk":
        """Sum of two risks that share one equity."""
        return Risk(
            self.equity_q + other.equity_q,
            self.initial_q + other.initial_q,
            self.maintenance_q + other.maintenance_q,
            self.notional_q + other.notional_q,
        )

    @property
    def surplus_q(self) -> int:
        """Equity above maintenance margin; negative when it is short."""
        return self.equity_q - self.maintenance_q

    @property
    def free_q(self) -> int:
        """Equity above initial margin; negative when it is short."""
        return self.equity_q - self.initial_q

    def liquidatable(self, *, at_equality: bool) -> bool:
        """Below maintenance margin, or at it where the rulebook says so; never without a requirement."""
        surplus_q = self.equity_q - self.maintenance_q
        return self.maintenance_q > 0 and (surplus_q < 0 or (at_equality and surplus_q == 0))


def riskier(first: Risk, second: Risk) -> int:
    """Compare equity / maintenance by cross-multiplication: 1 when `first` is riskier, -1 when safer, 0 when equal.

    Of two with the same ratio the one with the larger maintenance margin is riskier, then the one with less equity.
    Without a requirement a positive equity is the safest and a negative one the riskiest ratio there is.
    Source: dYdX v4 `lib/margin/risk.go:56`.
    """
    left, right = first.equity_q * second.maintenance_q, second.equity_q * first.maintenance_q
    if left != right:
        return 1 if left < right else -1
    asked_q = first.maintenance_q - second.maintenance_q
    less_q = second.equity_q - first.equity_q
    return _sign(asked_q) or _sign(less_q)


def _sign(amount: int) -> int:
    return (amount > 0) - (amount < 0)


def may_act(before: Risk, after: Risk) -> bool:
    """May a change from `before` to `after` stand?

    Yes when initial margin is covered afterwards. Otherwise only when it makes the subaccount no riskier: maintenance
    margin does not rise and equity / maintenance does not fall, so nobody is kept from reducing risk.
    Source: dYdX v4 `x/subaccounts/lib/updates.go:103`.
    """
    if after.equity_q >= after.initial_q:
        return True
    if after.maintenance_q > before.maintenance_q:
        return False
    if after.maintenance_q == 0 or before.maintenance_q == 0:
        return after.maintenance_q == before.maintenance_q == 0 and after.equity_q > before.equity_q
    return after.equity_q * before.maintenance_q >= before.equity_q * after.maintenance_q


def tier_of(table: Tiered, notional: int) -> Tier:
    """The tier that a notional falls into; a boundary belongs to the upper tier."""
    found = table.tiers[0]
    for tier in table.tiers:
        if notional < tier.lower_q:
            break
        found = tier
    return found


def maintenance_q(market: Market, notional: int, rounding: int) -> int:
    """Maintenance margin of a leg of `notional` quote atoms, without the market's additive minimum."""
    shape = market.requirement
    if isinstance(shape, Tiered):
        tier = tier_of(shape, notional)
        return rule.tiered_q(notional, tier.maintenance_num, tier.deduction, shape.den, rounding)
    return rule.maintenance_of_initial_q(
        notional, shape.initial_ppm, shape.maintenance_fraction_ppm, rounding
    )


def initial_q(market: Market, notional: int, leverage: Leverage | None, rounds: Rounding) -> int:
    """Initial margin of a leg, with the leverage chosen for it, without the market's additive minimum."""
    shape = market.requirement
    if isinstance(shape, Tiered):
        num, den = tier_of(shape, notional).initial_num, shape.den
    else:
        num, den = open_interest_fraction_ppm(market, rounds), PPM
    required_q = rule.fraction_q(notional, num, den, rounds.requirement)
    if leverage is None:
        return required_q
    return rule.with_leverage_q(required_q, notional, leverage.num, leverage.den, rounds.requirement)


def open_interest_fraction_ppm(market: Market, rounds: Rounding) -> int:
    """Initial margin fraction of an open-interest scaled market at its present open interest."""
    shape = market.requirement
    assert not isinstance(shape, Tiered)
    if shape.upper_q == 0:
        return shape.initial_ppm
    open_q = notional_q(
        market.open_interest_b, market.mark, market.scale.num, market.scale.den, rounds.notional
    )
    return rule.open_interest_fraction_ppm(shape.initial_ppm, open_q, shape.lower_q, shape.upper_q)


def unsettled_funding_q(market: Market, position: Position, rounds: Rounding) -> int:
    """Funding that a position would receive if it were settled now."""
    delta = market.funding_index - position.funding_index
    return funding_payment_q(position.size_b, delta, WAD, rounds.funding) if delta else 0


def worth_q(market: Market, size_b: int, price: int, rounds: Rounding) -> int:
    """Signed worth of `size_b` lots at `price`."""
    return value_q(size_b, price, market.scale.num, market.scale.den, rounds.value)


def leg_risk(
    market: Market,
    size_b: int,
    price: int,
    rounds: Rounding,
    leverage: Leverage | None = None,
    worst_b: int | None = None,
) -> Risk:
    """Risk of `size_b` lots at `price`, without cash: worth, initial and maintenance margin, notional.

    `worst_b` is the largest position that resting orders can lead to; only initial margin looks at it.
    """
    scale = market.scale
    notional = notional_q(size_b, price, scale.num, scale.den, rounds.notional)
    open_b = size_b if worst_b is None else worst_b
    open_q = (
        notional if open_b == size_b else notional_q(open_b, price, scale.num, scale.den, rounds.notional)
    )
    minimum_q = market.minimum_margin_q
    required_q = initial_q(market, open_q, leverage, rounds) + (minimum_q if open_b else 0)
    maintained_q = maintenance_q(market, notional, rounds.requirement) + minimum_q if size_b else 0
    return Risk(
        worth_q(market, size_b, price, rounds), max_(required_q, maintained_q), maintained_q, notional
    )


def risk_price(venue: Venue, market: Market) -> int:
    """The price that margin is measured at, as the rulebook says."""
    return market.index if venue.policy.risk_price == "index" else market.mark


def worst_size_b(subaccount: Subaccount, market: str) -> int:
    """The larger of the two positions that filling all buys or all sells would lead to, signed."""
    position = subaccount.positions.get(market)
    held = position.size_b if position else 0
    buys = sells = held
    for order in subaccount.orders.values():
        if order.market == market:
            buys, sells = (buys + order.size_b, sells) if order.size_b > 0 else (buys, sells + order.size_b)
    return buys if buys > -sells else sells


def collateral_q(asset: Asset, amount: int) -> int:
    """Value of `amount` atoms of a collateral asset after its haircut."""
    raw_q = value_q(amount, asset.price, asset.scale.num, asset.scale.den, 0)
    tier = tier_of(asset.haircut, max_(raw_q, 0))
    return collateral_value_q(raw_q, tier.maintenance_num, tier.deduction, asset.haircut.den)


def cash_q(venue: Venue, subaccount: Subaccount) -> int:
    """Quote balance plus the haircut value of all other collateral."""
    total = subaccount.balances.get(QUOTE, 0)
    for asset, amount in subaccount.balances.items():
        if asset != QUOTE:
            total += collateral_q(venue.assets[asset], amount)
    return total


def market_risk(venue: Venue, subaccount: Subaccount, market_id: str, price: int | None = None) -> Risk:
    """One market's share of a subaccount's risk: its position, resting orders and unsettled funding."""
    market, rounds = venue.markets[market_id], venue.policy.rounding
    position = subaccount.positions.get(market_id)
    worst_b = worst_size_b(subaccount, market_id) if subaccount.orders else None
    at = risk_price(venue, market) if price is None else price
    leverage = subaccount.leverages.get(market_id)
    leg = leg_risk(market, position.size_b if position else 0, at, rounds, leverage, worst_b)
    if position is None or position.funding_index == market.funding_index:
        return leg
    return leg + Risk(unsettled_funding_q(market, position, rounds))


def exposed_markets(subaccount: Subaccount) -> list[str]:
    """Markets in which the subaccount holds lots or has resting orders, in a stable order."""
    if not subaccount.orders:
        return list(subaccount.positions)
    return sorted({*subaccount.positions, *(order.market for order in subaccount.orders.values())})


def subaccount_risk(venue: Venue, subaccount: Subaccount, prices: Mapping[str, int] | None = None) -> Risk:
    """Risk of everything a subaccount holds; `prices` (quanta by market) stands in for the venue's own."""
    equity, initial, maintenance, notional = cash_q(venue, subaccount), 0, 0, 0
    for market_id in exposed_markets(subaccount):
        leg = market_risk(venue, subaccount, market_id, prices.get(market_id) if prices else None)
        equity += leg.equity_q
        initial += leg.initial_q
        maintenance += leg.maintenance_q
        notional += leg.notional_q
    return Risk(equity, initial, maintenance, notional)


def equity_q(venue: Venue, subaccount: Subaccount) -> int:
    """Equity alone, where no requirement is asked for."""
    total, rounds = cash_q(venue, subaccount), venue.policy.rounding
    for market_id, position in subaccount.positions.items():
        market = venue.markets[market_id]
        total += worth_q(market, position.size_b, risk_price(venue, market), rounds)
        total += unsettled_funding_q(market, position, rounds)
    return total


def is_liquidatable(venue: Venue, subaccount: Subaccount, prices: Mapping[str, int] | None = None) -> bool:
    """The trigger itself."""
    if subaccount.system or not subaccount.positions:
        return False
    return subaccount_risk(venue, subaccount, prices).liquidatable(
        at_equality=venue.policy.trigger_at_equality
    )


def bankruptcy_q(venue: Venue, subaccount: Subaccount, market_id: str, size_b: int) -> int:
    """Quote that closing signed `size_b` lots (same sign as the position) must bring to use up its share of equity."""
    market, held = venue.markets[market_id], subaccount.positions[market_id]
    price, rounds = risk_price(venue, market), venue.policy.rounding
    risk = subaccount_risk(venue, subaccount)
    whole, rest = (leg_risk(market, lots, price, rounds) for lots in (held.size_b, held.size_b - size_b))
    freed_q = whole.maintenance_q - rest.maintenance_q
    return bankruptcy_quote_q(whole.equity_q - rest.equity_q, risk.equity_q, freed_q, risk.maintenance_q)
