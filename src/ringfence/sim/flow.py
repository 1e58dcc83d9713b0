"""The flow: the same accounts, lots and entry prices for every margin mode, in integers.

`Traders` are drawn in dollars; here their notionals become lots at the first prices of a path, and what rounding leaves
over goes to the balancer, so that the lots of every market sum to zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ringfence.clearing.model import Market
from ringfence.clearing.policy import Rounding
from ringfence.clearing.risk import leg_risk
from ringfence.sim.traders import BALANCER, Traders
from ringfence.units import PPM, QUOTE_DECIMALS


@dataclass(frozen=True, slots=True)
class Leg:
    """One position to be opened: signed lots, worth at entry, and the margin that the trader would post if isolated."""

    market: str
    size_b: int
    notional_q: int
    posted_q: int
    prefers_isolated: bool
    topup_draws: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class FlowAccount:
    """One account: equity, cohort and its legs in the order in which they are opened."""

    id: str
    cohort: str
    equity_q: int
    legs: tuple[Leg, ...]


@dataclass(frozen=True, slots=True)
class TopUp:
    """When and how often the owner of an isolated position restores its initial margin from idle money."""

    probability: float = 0.0
    left_ppm: int = 300_000
    """The owner looks when this share of what was posted is left."""
    most: int = 2
    """Times per position."""


@dataclass(frozen=True)
class Flow:
    """All accounts, the entry prices and how traders top up where an arm lets them."""

    accounts: tuple[FlowAccount, ...]
    entry: Mapping[str, int]
    topup: TopUp = TopUp()

    @property
    def balancer(self) -> dict[str, int]:
        """Signed lots per market that the balancer holds so that every market nets to zero."""
        net: dict[str, int] = dict.fromkeys(self.entry, 0)
        for account in self.accounts:
            for leg in account.legs:
                net[leg.market] -= leg.size_b
        return net

    def open_interest_q(self) -> dict[str, int]:
        """Notional of one side per market at entry."""
        both: dict[str, int] = dict.fromkeys(self.entry, 0)
        rate: dict[str, tuple[int, int]] = {}
        for account in self.accounts:
            for leg in account.legs:
                both[leg.market] += leg.notional_q
                rate[leg.market] = (leg.notional_q, abs(leg.size_b))
        for market, lots in self.balancer.items():
            if market in rate:
                both[market] += abs(lots) * rate[market][0] // rate[market][1]
        return {market: total // 2 for market, total in both.items()}

    def only(self, admitted: Mapping[str, frozenset[str]]) -> "Flow":
        """The flow with those positions alone that `admitted` names (account to markets)."""
        kept = (
            replace(
                account, legs=tuple(leg for leg in account.legs if leg.market in admitted.get(account.id, ()))
            )
            for account in self.accounts
        )
        return replace(self, accounts=tuple(account for account in kept if account.legs))


def build_flow(
    traders: Traders, markets: Mapping[str, Market], entry: Mapping[str, int], rounds: Rounding
) -> Flow:
    """Turn drawn traders into lots at the `entry` prices; a position of less than one lot is dropped.

    A chosen leverage above what the market allows is clipped to it: nobody posts less than the initial margin.
    """
    accounts = []
    for trader in traders:
        legs = []
        for position in sorted(trader.positions, key=lambda held: held.entry_rank):
            market, price = markets[position.market], entry[position.market]
            lots_b = _lots(position.notional_usd, market, price)
            if lots_b == 0:
                continue
            size_b = position.side * lots_b
            asked = leg_risk(market, size_b, price, rounds)
            posted_q = max(asked.initial_q, round(asked.notional_q / position.chosen_leverage), 1)
            legs.append(
                Leg(
                    position.market,
                    size_b,
                    asked.notional_q,
                    posted_q,
                    position.prefers_isolated,
                    position.topup_draws,
                )
            )
        if legs:
            equity_q = round(trader.equity_usd * 10**QUOTE_DECIMALS)
            accounts.append(FlowAccount(trader.id, str(trader.cohort), equity_q, tuple(legs)))
    drawn = traders.population
    topup = TopUp(drawn.topup_probability, round((1 - drawn.topup_trigger) * PPM), drawn.topup_max)
    return Flow(tuple(accounts), dict(entry), topup)


def _lots(notional_usd: float, market: Market, price: int) -> int:
    per_step_q = market.step_b * price * market.scale.num / market.scale.den
    return int(notional_usd * 10**QUOTE_DECIMALS / per_step_q) * market.step_b


__all__ = ["BALANCER", "Flow", "FlowAccount", "Leg", "TopUp", "build_flow"]
