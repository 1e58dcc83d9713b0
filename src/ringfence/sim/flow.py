"""The flow: the same accounts, lots and entry prices for every margin mode, in integers.

`Traders` are drawn in dollars; here their notionals become lots at the first prices of a path, and what rounding leaves
over goes to the balancer, so that the lots of every market sum to zero.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ringfence.clearing.model import Market
from ringfence.clearing.policy import Rounding
from ringfence.clearing.risk import leg_risk
from ringfence.sim.balance import BoolArray, FloatArray, IntArray
from ringfence.sim.traders import BALANCER, COHORTS, Traders
from ringfence.units import PPM, QUOTE_DECIMALS

SIZE_MAX = 2**62
"""Sizes below this are held in 64 bits."""


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


@dataclass(frozen=True, eq=False)
class FlowColumns:
    """A flow as columns: `N` accounts, and their `L` legs account by account in the order in which they are opened.

    `accounts` gives the same as objects, for whoever looks at few of them.
    """

    markets: tuple[str, ...]
    entry: Mapping[str, int]
    row: IntArray
    """(N,) row of the account among the drawn traders; its id."""
    cohort: NDArray[np.str_]
    """(N,)"""
    equity_q: IntArray
    """(N,)"""
    first: IntArray
    """(N + 1,) account `a` holds the legs `first[a]` to `first[a + 1]`."""
    market: IntArray
    """(L,) index into `markets`"""
    size_b: NDArray[Any]
    """(L,) signed lots: int64, or Python's integers where base atoms are too small for 64 bits."""
    notional_q: IntArray
    """(L,) worth at entry"""
    posted_q: IntArray
    """(L,) what the owner posts where the leg stands alone"""
    prefers_isolated: BoolArray
    topup_draws: FloatArray
    """(L, times)"""
    topup: TopUp = TopUp()

    def __len__(self) -> int:
        return len(self.equity_q)

    @property
    def owner(self) -> IntArray:
        """(L,) account of each leg."""
        return np.repeat(np.arange(len(self)), np.diff(self.first))

    @cached_property
    def accounts(self) -> tuple[FlowAccount, ...]:
        """The accounts as objects."""
        legs = [
            Leg(self.markets[market], int(size_b), notional_q, posted_q, isolated, tuple(draws))
            for market, size_b, notional_q, posted_q, isolated, draws in zip(
                self.market.tolist(),
                self.size_b,
                self.notional_q.tolist(),
                self.posted_q.tolist(),
                self.prefers_isolated.tolist(),
                self.topup_draws.tolist(),
                strict=True,
            )
        ]
        rows = zip(self.row.tolist(), self.cohort.tolist(), self.equity_q.tolist(), strict=True)
        spans = pairwise(self.first.tolist())
        return tuple(
            FlowAccount(f"t{row:06d}", cohort, equity_q, tuple(legs[begin:end]))
            for (row, cohort, equity_q), (begin, end) in zip(rows, spans, strict=True)
        )

    @cached_property
    def balancer(self) -> dict[str, int]:
        """Signed lots per market that the balancer holds so that every market nets to zero."""
        held = (self.size_b[self.market == at] for at in range(len(self.markets)))
        return {name: -sum(sizes.tolist()) for name, sizes in zip(self.markets, held, strict=True)}

    def open_interest_q(self) -> dict[str, int]:
        """Notional of one side per market at entry."""
        found = {}
        for at, (name, lots) in enumerate(self.balancer.items()):
            legs = np.flatnonzero(self.market == at)
            both_q = int(self.notional_q[legs].sum())
            if legs.size:
                both_q += abs(lots) * int(self.notional_q[legs[-1]]) // abs(int(self.size_b[legs[-1]]))
            found[name] = both_q // 2
        return found

    def only(self, admitted: BoolArray) -> "FlowColumns":
        """The flow with those legs alone that `admitted` (L,) marks; an account without legs is left out."""
        count = np.bincount(self.owner[admitted], minlength=len(self))
        kept = count > 0
        return replace(
            self,
            row=self.row[kept],
            cohort=self.cohort[kept],
            equity_q=self.equity_q[kept],
            first=np.concatenate(([0], np.cumsum(count[kept]))),
            market=self.market[admitted],
            size_b=self.size_b[admitted],
            notional_q=self.notional_q[admitted],
            posted_q=self.posted_q[admitted],
            prefers_isolated=self.prefers_isolated[admitted],
            topup_draws=self.topup_draws[admitted],
        )


def build_flow(
    traders: Traders, markets: Mapping[str, Market], entry: Mapping[str, int], rounds: Rounding
) -> FlowColumns:
    """Turn drawn traders into lots at the `entry` prices; a position of less than one lot is dropped.

    A chosen leverage above what the market allows is clipped to it: nobody posts less than the initial margin.
    """
    order = np.lexsort((traders.entry_rank, traders.account))
    market, lots_b = traders.market[order], np.empty(len(order), dtype=object)
    for at, name in enumerate(traders.markets):
        lots_b[market == at] = _lots(traders.notional_usd[order][market == at], markets[name], entry[name])
    order, market, lots_b = (column[lots_b != 0] for column in (order, market, lots_b))
    size_b = lots_b * traders.side[order]
    initial_q, notional_q = _asked(traders.markets, markets, entry, market, size_b, rounds)
    chosen_q = np.rint(notional_q / traders.chosen_leverage[order]).astype(np.int64)
    count = np.bincount(traders.account[order], minlength=len(traders))
    kept, drawn = np.flatnonzero(count), traders.population
    fits = max(map(abs, size_b.tolist()), default=0) < SIZE_MAX
    return FlowColumns(
        markets=traders.markets,
        entry=dict(entry),
        row=kept,
        cohort=np.array([str(cohort) for cohort in COHORTS])[traders.cohort[kept]],
        equity_q=np.rint(traders.equity_usd[kept] * 10**QUOTE_DECIMALS).astype(np.int64),
        first=np.concatenate(([0], np.cumsum(count[kept]))),
        market=market,
        size_b=size_b.astype(np.int64) if fits else size_b,
        notional_q=notional_q,
        posted_q=np.maximum(np.maximum(initial_q, chosen_q), 1),
        prefers_isolated=traders.prefers_isolated[order],
        topup_draws=traders.topup_draws[order],
        topup=TopUp(drawn.topup_probability, round((1 - drawn.topup_trigger) * PPM), drawn.topup_max),
    )


def _lots(notional_usd: FloatArray, market: Market, price: int) -> list[int]:
    """Whole steps of a market that are worth at most so much, in base atoms."""
    per_step_q = market.step_b * price * market.scale.num / market.scale.den
    return [int(steps) * market.step_b for steps in (notional_usd * 10**QUOTE_DECIMALS / per_step_q).tolist()]


def _asked(
    names: Sequence[str],
    markets: Mapping[str, Market],
    entry: Mapping[str, int],
    market: IntArray,
    size_b: NDArray[Any],
    rounds: Rounding,
) -> tuple[IntArray, IntArray]:
    """Initial margin and notional of every leg at the entry prices."""
    risks = (
        leg_risk(markets[names[at]], size, entry[names[at]], rounds)
        for at, size in zip(market.tolist(), size_b.tolist(), strict=True)
    )
    asked = np.array([(risk.initial_q, risk.notional_q) for risk in risks], dtype=np.int64).reshape(-1, 2)
    return asked[:, 0], asked[:, 1]


__all__ = ["BALANCER", "Flow", "FlowAccount", "FlowColumns", "Leg", "TopUp", "build_flow"]
