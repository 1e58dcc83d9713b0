"""Is a subaccount safe? `Risk` is the addable answer, and this module reads the margin rules to get it.

Every question (decide, solve, reports) goes through `leg_risk` and `subaccount_risk`; there is no second formula.
"""

from collections.abc import Iterator, Mapping
from copy import copy
from fractions import Fraction

from msgspec import Struct

from ..rules.close import bankruptcy_quote_q
from ..rules.requirement import fraction_q, uncounted_profit_q
from ..rules.value import collateral_value_q, funding_payment_q, notional_q, released_cost_q, value_q
from ..rules.words import FLOOR, WAD, abs_, max_, mul_div_down, mul_div_up
from .holding import Exposure, Holding, Pledge
from .liquidity import withheld_q
from .model import QUOTE, Asset, Leverage, Market, Position, Subaccount, Venue
from .policy import Rounding
from .portfolio import asked
from .shapes import Leg, asked_q, close_cost_q, initial_q, maintenance_q, tier_of
from .standard import Asked

Prices = Mapping[str, int]
"""Price quanta by market that stand in for the venue's own."""


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
        return self.above_trigger_q(at_equality=at_equality) < 0

    def above_trigger_q(self, *, at_equality: bool) -> int:
        """Atoms of equity to spare before it is liquidatable; negative exactly where it is."""
        spare_q = self.equity_q - self.maintenance_q - (1 if at_equality else 0)
        return spare_q if self.maintenance_q > 0 else max_(spare_q, 0)


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
    reach_b: tuple[int, int] | None = None,
    cost_q: int | None = None,
) -> Risk:
    """Risk of `size_b` lots at `price`, without cash: worth, initial and maintenance margin, notional.

    `reach_b` are the positions that filling all buys or all sells would lead to; only initial margin looks at them.
    `cost_q` is what the lots cost, signed; their worth where it is not given.
    """
    worth = worth_q(market, size_b, price, rounds)
    held = _leg(market, size_b, price, rounds, worth if cost_q is None else cost_q)
    maintained_q = _maintained_q(market, held, rounds.requirement) if size_b else 0
    required_q = _required_q(market, held, leverage, rounds) if size_b else 0
    for reached_b in reach_b or ():
        if _grows(size_b, reached_b):
            added_q = worth_q(market, reached_b, price, rounds) - (worth if size_b * reached_b > 0 else 0)
            spent_q = added_q + (held.cost_q if size_b * reached_b > 0 else 0)
            opened = _leg(market, reached_b, price, rounds, spent_q)
            required_q = max_(required_q, _required_q(market, opened, leverage, rounds))
    return Risk(worth, max_(required_q, maintained_q), maintained_q, held.notional_q)


def _leg(market: Market, size_b: int, price: int, rounds: Rounding, cost_q: int) -> Leg:
    scale = market.scale
    return Leg(size_b, notional_q(size_b, price, scale.num, scale.den, rounds.notional), cost_q)


def _grows(size_b: int, reached_b: int) -> bool:
    """Whether a reached position is larger or on the other side; one that only shrinks asks no more."""
    return reached_b != 0 and (size_b * reached_b <= 0 or abs_(reached_b) > abs_(size_b))


def _maintained_q(market: Market, leg: Leg, rounding: int) -> int:
    """Maintenance margin of a leg with the market's fixed amount and the cost of closing."""
    cost = market.close_cost
    closing_q = close_cost_q(cost, leg, rounding) if cost is not None else 0
    return asked_q(market, maintenance_q(market, leg, rounding), closing_q)


def _required_q(market: Market, leg: Leg, leverage: Leverage | None, rounds: Rounding) -> int:
    """Initial margin of a leg with the market's fixed amount and the cost of closing."""
    cost = market.close_cost
    closing_q = close_cost_q(cost, leg, rounds.requirement) if cost is not None and cost.in_initial else 0
    return asked_q(market, initial_q(market, leg, leverage, rounds), closing_q)


def risk_price(venue: Venue, market: Market) -> int:
    """The price that margin is measured at, as the rulebook says."""
    return market.index if venue.policy.risk_price == "index" else market.mark


def reach_b(subaccount: Subaccount, market: str) -> tuple[int, int]:
    """The two positions that filling all buys or all sells would lead to, signed."""
    position = subaccount.positions.get(market)
    buys = sells = position.size_b if position else 0
    for order in subaccount.orders.values():
        if order.market == market:
            buys, sells = (buys + order.size_b, sells) if order.size_b > 0 else (buys, sells + order.size_b)
    return buys, sells


def asset_price(venue: Venue, asset: Asset, prices: Prices | None) -> int:
    """Price of a collateral asset; where it follows a market and `prices` moves that market, it moves in proportion."""
    if prices is None or asset.market not in prices:
        return asset.price
    now = risk_price(venue, venue.markets[asset.market])
    return mul_div_down(asset.price, prices[asset.market], now) if now else asset.price


def collateral_q(asset: Asset, amount: int, price: int | None = None) -> int:
    """Value of `amount` atoms of a collateral asset after its haircut."""
    at = asset.price if price is None else price
    raw_q = value_q(amount, at, asset.scale.num, asset.scale.den, FLOOR)
    tier = tier_of(asset.haircut, max_(raw_q, 0))
    return collateral_value_q(raw_q, tier.maintenance_num, tier.deduction, asset.haircut.den)


def collateral_risk(venue: Venue, subaccount: Subaccount, prices: Prices | None = None) -> Risk:
    """Quote balance and all other collateral: what it is worth, and what weights ask of it."""
    equity, initial, maintenance = subaccount.balances.get(QUOTE, 0), 0, 0
    for name, amount in subaccount.balances.items():
        if name == QUOTE:
            continue
        asset = venue.assets[name]
        worth = collateral_q(asset, amount, asset_price(venue, asset, prices))
        equity += worth
        weights, rounding = asset.weights, venue.policy.rounding.requirement
        if weights is not None:
            long = amount >= 0
            initial_num = weights.long_initial_num if long else weights.short_initial_num
            maintenance_num = weights.long_maintenance_num if long else weights.short_maintenance_num
            initial += fraction_q(abs_(worth), initial_num, weights.den, rounding)
            maintenance += fraction_q(abs_(worth), maintenance_num, weights.den, rounding)
    return Risk(equity, max_(initial, maintenance), maintenance)


def cash_q(venue: Venue, subaccount: Subaccount) -> int:
    """Quote balance plus the haircut value of all other collateral."""
    return collateral_risk(venue, subaccount).equity_q


def market_risk(venue: Venue, subaccount: Subaccount, market_id: str, price: int | None = None) -> Risk:
    """One market's share of a subaccount's risk: its position, resting orders and unsettled funding."""
    market, rounds = venue.markets[market_id], venue.policy.rounding
    position = subaccount.positions.get(market_id)
    reached = reach_b(subaccount, market_id) if subaccount.orders else None
    at = risk_price(venue, market) if price is None else price
    leverage = subaccount.leverages.get(market_id)
    if position is None:
        return leg_risk(market, 0, at, rounds, leverage, reached)
    leg = leg_risk(market, position.size_b, at, rounds, leverage, reached, position.cost_q)
    if position.funding_index != market.funding_index:
        leg += Risk(unsettled_funding_q(market, position, rounds))
    if market.solvency is not None:
        leg += Risk(-_withheld_q(venue, market, subaccount, at))
    cap_q = venue.policy.initial_profit_cap_q
    if cap_q is not None and venue.policy.initial_profit_cap_of == "position":
        leg += Risk(initial_q=uncounted_profit_q(leg.equity_q - position.cost_q, cap_q))
    return leg


def _uncounted_q(venue: Venue, subaccount: Subaccount, prices: Prices | None) -> int:
    """What initial margin does not let count of the price profit of all positions together."""
    cap_q = venue.policy.initial_profit_cap_q
    if cap_q is None or venue.policy.initial_profit_cap_of == "position":
        return 0
    profits = (each.worth_q - each.cost_q for each in exposures(venue, subaccount, prices))
    return uncounted_profit_q(sum(profits), cap_q)


def _withheld_q(venue: Venue, market: Market, subaccount: Subaccount, price: int) -> int:
    """The part of a position's profit that the liquidity behind its market would not pay."""
    held = subaccount.positions[market.id]
    if subaccount.system:
        return 0
    profit_q = worth_q(market, held.size_b, price, venue.policy.rounding) - held.cost_q
    moved = {market.id: price}
    return withheld_q(
        venue,
        market,
        profit_q,
        price,
        lambda asset: asset_price(venue, asset, moved),
        is_long=held.size_b > 0,
    )


def exposed_markets(subaccount: Subaccount) -> list[str]:
    """Markets in which the subaccount holds lots or has resting orders, in a stable order."""
    if not subaccount.orders:
        return list(subaccount.positions)
    return sorted({*subaccount.positions, *(order.market for order in subaccount.orders.values())})


def subaccount_risk(venue: Venue, subaccount: Subaccount, prices: Prices | None = None) -> Risk:
    """Risk of everything a subaccount holds; `prices` (quanta by market) stands in for the venue's own."""
    return with_least(venue, subaccount, summed_risk(venue, subaccount, prices))


def with_least(venue: Venue, subaccount: Subaccount, risk: Risk) -> Risk:
    """A subaccount's risk out of that of its parts.

    Under a rule that looks at positions together, whoever holds one is asked for at least one atom, so that a debt
    without a requirement can be liquidated.
    """
    if venue.policy.set_rule is None:
        return risk
    maintenance = max_(risk.maintenance_q, 1 if subaccount.positions else 0)
    return Risk(risk.equity_q, max_(risk.initial_q, maintenance), maintenance, risk.notional_q)


def summed_risk(venue: Venue, subaccount: Subaccount, prices: Prices | None = None) -> Risk:
    """Risk without that least atom: equity and maintenance margin are sums over the parts that net."""
    held = collateral_risk(venue, subaccount, prices)
    equity, initial, maintenance, notional = held.equity_q, held.initial_q, held.maintenance_q, 0
    for market_id in exposed_markets(subaccount):
        leg = market_risk(venue, subaccount, market_id, prices.get(market_id) if prices else None)
        equity += leg.equity_q
        initial += leg.initial_q
        maintenance += leg.maintenance_q
        notional += leg.notional_q
    total, beyond_q = Risk(equity, initial, maintenance, notional), _uncounted_q(venue, subaccount, prices)
    if venue.policy.set_rule is None:
        return total + Risk(initial_q=beyond_q)
    return _set_risk(venue, subaccount, held, total, prices, beyond_q)


def _set_risk(
    venue: Venue, subaccount: Subaccount, held: Risk, total: Risk, prices: Prices | None, beyond_q: int
) -> Risk:
    """Risk under a rule that looks at positions together: it replaces what the markets ask for each.

    Resting orders count in initial margin as the worse of all buys and all sells being filled.
    """
    legs = Asked(total.initial_q - held.initial_q, total.maintenance_q - held.maintenance_q)
    found = asked(venue, holding(venue, subaccount, prices), legs)
    initial = held.initial_q + found.initial_q + beyond_q
    for filled in _filled(venue, subaccount, prices) if subaccount.orders else ():
        initial = max_(initial, subaccount_risk(venue, filled, prices).initial_q)
    return Risk(total.equity_q, initial, held.maintenance_q + found.maintenance_q, total.notional_q)


def holding(venue: Venue, subaccount: Subaccount, prices: Prices | None = None) -> Holding:
    """Everything that a set rule looks at."""
    pledges = []
    for name, amount in subaccount.balances.items():
        if name != QUOTE and amount:
            asset = venue.assets[name]
            worth = collateral_q(asset, amount, asset_price(venue, asset, prices))
            pledges.append(Pledge(asset, worth, amount))
    spots = {}
    for market_id, price in prices.items() if prices else ():
        market = venue.markets[market_id]
        now = risk_price(venue, market)
        spots[market_id] = mul_div_up(market.index, price, now) if now else price
    return Holding([*exposures(venue, subaccount, prices)], pledges, spots)


def exposures(venue: Venue, subaccount: Subaccount, prices: Prices | None) -> Iterator[Exposure]:
    """Every position with what it is worth and what it cost."""
    for market_id, position in subaccount.positions.items():
        market = venue.markets[market_id]
        at = risk_price(venue, market)
        price = at if prices is None else prices.get(market_id, at)
        worth = worth_q(market, position.size_b, price, venue.policy.rounding)
        yield Exposure(market, position.size_b, price, worth, position.cost_q)


def with_sizes(subaccount: Subaccount, sizes: Mapping[str, int]) -> Subaccount:
    """The subaccount without orders and with other lots in some markets; their cost changes in proportion."""
    twin = copy(subaccount)
    twin.positions, twin.orders = dict(subaccount.positions), {}
    for market_id, size_b in sizes.items():
        held = twin.positions.pop(market_id, Position(size_b or 1, 0, 0))
        if size_b:
            cost_q = mul_div_down(held.cost_q, abs_(size_b), abs_(held.size_b))
            twin.positions[market_id] = Position(size_b, cost_q, held.funding_index)
    return twin


def _filled(venue: Venue, subaccount: Subaccount, prices: Prices | None) -> Iterator[Subaccount]:
    """The subaccount after all its buys, and after all its sells; lots that are added cost what they are worth."""
    reached = {market_id: reach_b(subaccount, market_id) for market_id in exposed_markets(subaccount)}
    for side in (0, 1):
        twin = with_sizes(subaccount, {market_id: sizes[side] for market_id, sizes in reached.items()})
        for each in list(exposures(venue, twin, prices)):
            held = subaccount.positions.get(each.market.id, Position(0, 0, each.market.funding_index))
            if _grows(held.size_b, each.size_b):
                kept = held if held.size_b * each.size_b > 0 else Position(0, 0, 0)
                kept_q = worth_q(each.market, kept.size_b, each.price, venue.policy.rounding)
                cost_q = kept.cost_q + each.worth_q - kept_q
                twin.positions[each.market.id] = Position(each.size_b, cost_q, held.funding_index)
        yield twin


def equity_q(venue: Venue, subaccount: Subaccount) -> int:
    """Equity alone, where no requirement is asked for."""
    total, rounds = cash_q(venue, subaccount), venue.policy.rounding
    for market_id, position in subaccount.positions.items():
        market = venue.markets[market_id]
        total += worth_q(market, position.size_b, risk_price(venue, market), rounds)
        total += unsettled_funding_q(market, position, rounds)
        if market.solvency is not None:
            total -= _withheld_q(venue, market, subaccount, risk_price(venue, market))
    return total


def owes(subaccount: Subaccount) -> bool:
    """Whether a subaccount owes something: quote or another asset."""
    return any(amount < 0 for amount in subaccount.balances.values())


def quote_owed_q(venue: Venue, subaccount: Subaccount) -> int:
    """Quote that is owed (negative: left over). What perpetuals cost is not owed, what options cost was paid."""
    perps = (held.cost_q for name, held in subaccount.positions.items() if venue.markets[name].option is None)
    return -(subaccount.quote_q + sum(perps))


def debts_q(venue: Venue, subaccount: Subaccount, prices: Prices | None = None) -> int:
    """Worth of all that a subaccount owes, quote and other assets."""
    total = max_(0, quote_owed_q(venue, subaccount))
    for name, amount in subaccount.balances.items():
        if name != QUOTE and amount < 0:
            asset = venue.assets[name]
            total -= collateral_q(asset, amount, asset_price(venue, asset, prices))
    return total


def health_factor(venue: Venue, subaccount: Subaccount, prices: Prices | None = None) -> Fraction | None:
    """What is left for debts by the weights of what backs them, over those debts; `None` without one.

    `(equity + debt - maintenance margin) / debt`: below 1 a loan is liquidatable. Source: Aave v3
    `aave-v3-origin@fd1fbd91 src/contracts/protocol/libraries/logic/GenericLogic.sol:65-183`.
    """
    owed_q = debts_q(venue, subaccount, prices)
    if owed_q == 0:
        return None
    risk = subaccount_risk(venue, subaccount, prices)
    return Fraction(risk.equity_q + owed_q - risk.maintenance_q, owed_q)


def is_liquidatable(venue: Venue, subaccount: Subaccount, prices: Prices | None = None) -> bool:
    """The trigger itself; a flagged subaccount has no way back."""
    if subaccount.system or not (subaccount.positions or owes(subaccount)):
        return False
    if subaccount.flagged:
        return True
    return subaccount_risk(venue, subaccount, prices).liquidatable(
        at_equality=venue.policy.trigger_at_equality
    )


def closing_risks(venue: Venue, subaccount: Subaccount, market_id: str, left_b: int) -> tuple[Risk, Risk]:
    """Risk of a leg as it is, and with `left_b` lots of it left.

    Under a rule that looks at positions together, a leg's share of the requirement is what closing it frees: the two
    then hold what the whole set asks before and after.
    """
    market, held = venue.markets[market_id], subaccount.positions[market_id]
    price, rounds = risk_price(venue, market), venue.policy.rounding
    left_q = held.cost_q - released_cost_q(held.cost_q, held.size_b, abs_(held.size_b - left_b))
    whole = leg_risk(market, held.size_b, price, rounds, cost_q=held.cost_q)
    rest = leg_risk(market, left_b, price, rounds, cost_q=left_q)
    if venue.policy.set_rule is None:
        return whole, rest
    now = subaccount_risk(venue, subaccount)
    then = subaccount_risk(venue, with_sizes(subaccount, {market_id: left_b}))
    return (
        Risk(whole.equity_q, now.initial_q, now.maintenance_q, whole.notional_q),
        Risk(rest.equity_q, then.initial_q, then.maintenance_q, rest.notional_q),
    )


def freed_maintenance_q(venue: Venue, subaccount: Subaccount, market_id: str) -> int:
    """Maintenance margin that closing a position would free; none where it would ask for more, as with a hedge."""
    whole, rest = closing_risks(venue, subaccount, market_id, 0)
    return max_(0, whole.maintenance_q - rest.maintenance_q)


def bankruptcy_q(venue: Venue, subaccount: Subaccount, market_id: str, size_b: int) -> int:
    """Quote that closing signed `size_b` lots (same sign as the position) must bring to use up its share of equity.

    Lots that free no maintenance margin have no share: they are closed at what they are worth, and who closes the last
    leg answers for all that is left.
    """
    held, risk = subaccount.positions[market_id], subaccount_risk(venue, subaccount)
    whole, rest = closing_risks(venue, subaccount, market_id, held.size_b - size_b)
    freed_q = max_(0, whole.maintenance_q - rest.maintenance_q)
    return bankruptcy_quote_q(whole.equity_q - rest.equity_q, risk.equity_q, freed_q, risk.maintenance_q)
