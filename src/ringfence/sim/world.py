"""One run: a flow enters a margin mode and goes through a price path, in the exact engine.

The engine is asked only where something can happen. For every subaccount the curves say at which step its surplus first
comes near zero; until then no command about it could change anything. At that step prices are set, `resolve` settles
what is due, and whoever was touched is scheduled anew. A replay gets no feedback: recorded prices already contain the
liquidations of their day, so liquidation orders fill at the mark (or worse by a stated slippage) against the market's
own system subaccount.
"""

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from ringfence.clearing import command as cmd
from ringfence.clearing.adl import split
from ringfence.clearing.event import AnyEvent, PositionChanged, Transfer
from ringfence.clearing.log import Clearinghouse, restore, snapshot
from ringfence.clearing.model import (
    QUOTE,
    CollateralPool,
    Market,
    Position,
    Subaccount,
    Venue,
    market_subaccount,
)
from ringfence.clearing.policy import OpenInterestScaled, Policy
from ringfence.clearing.resolve import BACKSTOP, Fills, resolve
from ringfence.clearing.risk import is_liquidatable, leg_risk, subaccount_risk, worth_q
from ringfence.clearing.shapes import Leg, initial_q
from ringfence.clearing.verdict import Accepted
from ringfence.rules.words import PPM
from ringfence.sim.curves import Curves
from ringfence.sim.flow import BALANCER, Flow, FlowColumns, TopUp
from ringfence.sim.partition import MAIN, Group, Plan
from ringfence.sim.tally import Tally

SHARED_POOL = "shared"
RETRY_STEPS = 16
"""A liquidation that no step of the rulebook accepted is tried again after so many steps of the path."""


@dataclass(frozen=True)
class Ring:
    """The venue's layer of isolation: one shared collateral pool and fund, or one per market, of the same total."""

    per_market: bool
    funds_q: Mapping[str, int]

    def pool(self, market: str) -> str:
        """Pool of a market."""
        return market if self.per_market else SHARED_POOL


@dataclass
class World:
    """State of one run."""

    house: Clearinghouse
    curves: Curves
    plans: tuple[Plan, ...]
    fills: Fills
    topup: TopUp = field(default_factory=TopUp)
    tally: Tally = field(default_factory=Tally)
    _heap: list[tuple[int, str]] = field(default_factory=list)
    _due: dict[str, int] = field(default_factory=dict)
    _step: int = -1
    _posted: dict[str, int] = field(default_factory=dict)
    _draws: dict[str, list[float]] = field(default_factory=dict)

    @property
    def venue(self) -> Venue:
        """The engine's state."""
        return self.house.venue

    def run(self) -> Tally:
        """Walk the whole path; returns what happened."""
        path = self.curves.path
        self._watch_topups()
        for name, subaccount in self.venue.subaccounts.items():
            if not subaccount.system:
                self._schedule(name, 0)
        for stop, at_window in ((path.end_of_window, True), (len(path) - 1, False)):
            while self._heap and self._heap[0][0] <= stop:
                self._advance(self._heap[0][0])
            self._set_prices(stop)
            self.tally.close(self.venue, self.plans, at_window=at_window)
        return self.tally

    def _advance(self, step: int) -> None:
        """Settle everything that is due at `step`."""
        names = set()
        while self._heap and self._heap[0][0] == step:
            _, name = heapq.heappop(self._heap)
            if self._due.get(name) == step:
                names.add(name)
        if not names:
            return
        self._set_prices(step)
        touched: set[str] = set()
        for name in sorted(names):
            touched |= self._top_up(name)
        due = [name for name in names if is_liquidatable(self.venue, self.venue.subaccounts[name])]
        due.sort(key=lambda name: (subaccount_risk(self.venue, self.venue.subaccounts[name]).surplus_q, name))
        for command, verdict in resolve(self.house, due, self.fills):
            self.tally.record(self.venue, command, verdict.events)
            touched |= touched_by(verdict.events)
        for name in sorted(names | touched):
            if not self.venue.subaccounts[name].system:
                stuck = name in due and name not in touched
                self._schedule(name, step + 1 if name in names else step, stuck=stuck)

    def _set_prices(self, step: int) -> None:
        if step == self._step:
            return
        ts_ms = int(self.curves.path.ts_ms[step])
        self.house.require(cmd.SetPrices(ts_ms, ts_ms // 1000, self.curves.path.at(step)))
        self._step = step

    def _schedule(self, name: str, start: int, *, stuck: bool = False) -> None:
        """Find the next step at which a subaccount may have to be looked at.

        For one that was due and could not be helped (its loss is beyond the fund and nobody may be deleveraged before
        it is insolvent) that is when its equity is gone, or a few steps later.
        """
        subaccount = self.venue.subaccounts[name]
        self._due.pop(name, None)
        if not subaccount.positions or start >= len(self.curves.path):
            return
        sizes = {market: held.size_b for market, held in subaccount.positions.items()}
        slack = self.curves.slack(sizes)
        at = self.curves.first_at_or_below(self.curves.surplus(subaccount.quote_q, sizes, start), slack)
        if self._draws.get(name):
            level = self._posted[name] * self.topup.left_ppm / PPM
            call = self.curves.first_at_or_below(
                self.curves.equity(subaccount.quote_q, sizes, start), level + slack
            )
            at = call if at is None else at if call is None else min(at, call)
        if stuck and at is not None:
            gone = self.curves.first_at_or_below(self.curves.equity(subaccount.quote_q, sizes, start), slack)
            at = max(at, RETRY_STEPS if gone is None else min(gone, RETRY_STEPS))
        if subaccount.flagged:
            at = 0  # no price saves it: its windows are asked at every step
        if at is not None and start + at < len(self.curves.path):
            self._due[name] = start + at
            heapq.heappush(self._heap, (start + at, name))

    def _watch_topups(self) -> None:
        if self.topup.probability <= 0:
            return
        for plan in self.plans:
            for group in plan.groups:
                if group.name != MAIN:
                    name = subaccount_id(plan, group)
                    self._posted[name] = group.collateral_q
                    self._draws[name] = list(group.legs[0].topup_draws[: self.topup.most])

    def _top_up(self, name: str) -> set[str]:
        """A trader restores a position's initial margin from idle money, if the draw and the money allow.

        The venue is faster: what is liquidatable at this step is liquidated. Returns the subaccounts that it touched.
        """
        subaccount = self.venue.subaccounts[name]
        if not self._draws.get(name) or subaccount.parent is None or is_liquidatable(self.venue, subaccount):
            return set()
        equity_q = subaccount_risk(self.venue, subaccount).equity_q
        if equity_q * PPM > self._posted[name] * self.topup.left_ppm or equity_q <= 0:
            return set()
        self.tally.margin_calls += 1
        if self._draws[name].pop(0) >= self.topup.probability:
            self._draws[name].clear()  # who lets one call pass is not asked again at every step below it
            return set()
        spare_q = subaccount_risk(self.venue, self.venue.subaccounts[subaccount.parent]).free_q
        amount_q = min(self._posted[name] - equity_q, spare_q)
        if amount_q <= 0:
            return set()
        verdict = self.house.submit(cmd.TransferMargin(subaccount.parent, name, QUOTE, amount_q))
        if not isinstance(verdict, Accepted):
            return set()
        self.tally.margin_actions += 1
        return {name, subaccount.parent}


def touched_by(events: Iterable[AnyEvent]) -> set[str]:
    """Subaccounts whose balance or lots some events changed."""
    names: set[str] = set()
    for event in events:
        if isinstance(event, PositionChanged):
            names.add(event.subaccount)
        elif isinstance(event, Transfer):
            names |= {side[4:] for side in (event.debit, event.credit) if side.startswith("sub/")}
    return names


def subaccount_id(plan: Plan, group: Group) -> str:
    """`account` for the main group, `account/group` for the others."""
    return plan.account.id if group.name == MAIN else f"{plan.account.id}/{group.name}"


def empty_venue(markets: Mapping[str, Market], policy: Policy, entry: Mapping[str, int]) -> Venue:
    """Markets at their entry prices and nothing else. Trading fees are left out: positions exist before the window."""
    venue = Venue(replace(policy, taker_fee_ppm=0, maker_fee_ppm=0))
    for name, market in markets.items():
        price = entry[name]
        venue.markets[name] = replace(market, pool=SHARED_POOL, mark=price, index=price, previous_mark=price)
    venue.pools[SHARED_POOL] = CollateralPool(SHARED_POOL)
    return venue


def admits(group: Group, venue: Venue) -> bool:
    """Does a group's collateral cover the initial margin of its legs at the entry prices?"""
    twin = Subaccount("", "")
    rounds = venue.policy.rounding
    for leg in group.legs:
        market = venue.markets[leg.market]
        twin.positions[leg.market] = Position(leg.size_b, worth_q(market, leg.size_b, market.mark, rounds), 0)
    initial_q = subaccount_risk(venue, twin).initial_q
    return group.collateral_q >= initial_q


def enter(flow: Flow | FlowColumns, plans: Iterable[Plan], venue: Venue) -> Venue:
    """Let every account enter the venue as planned; the balancer takes what is left of each market.

    Positions exist before the window, so what open interest adds to initial margin is not asked of whoever opens them.
    Raises `InputError` with the engine's sentence when an entry that `admits` allowed is refused.
    """
    house, asked = Clearinghouse(venue, keep_log=False), {}
    for found in venue.markets.values():
        asked[found.id] = found.requirement
        if isinstance(found.requirement, OpenInterestScaled):
            found.requirement = replace(found.requirement, upper_q=0)
    for name in (*map(market_subaccount, venue.markets), BALANCER, BACKSTOP):
        house.require(cmd.OpenSubaccount(name, "system", None, system=True))
    for plan in plans:
        _enter_account(house, plan)
    for market, size_b in flow.balancer.items():
        if size_b:
            house.require(cmd.Trade(market, size_b, flow.entry[market], BALANCER, market_subaccount(market)))
    for name, requirement in asked.items():
        venue.markets[name].requirement = requirement
    return venue


def _enter_account(house: Clearinghouse, plan: Plan) -> None:
    account = plan.account.id
    house.require(cmd.OpenSubaccount(account, account))
    deposit_q = sum(group.collateral_q for group in plan.groups)
    if deposit_q:
        house.require(cmd.Deposit(account, QUOTE, deposit_q))
    for group in reversed(plan.groups):
        name = subaccount_id(plan, group)
        if group.name != MAIN:
            house.require(cmd.OpenSubaccount(name, account, account))
            _set_leverages(house, name, group)
        for leg in group.legs:
            price = house.venue.markets[leg.market].mark
            house.require(cmd.Trade(leg.market, leg.size_b, price, name, market_subaccount(leg.market)))


def _set_leverages(house: Clearinghouse, name: str, group: Group) -> None:
    """Choose leverages so that the group's legs draw its collateral, shared in proportion to what they ask.

    A leg whose share is just the market's initial margin needs no choice.
    """
    shares, rounds = (
        split(group.collateral_q, [leg.posted_q for leg in group.legs]),
        house.venue.policy.rounding,
    )
    for leg, share_q in zip(group.legs, shares, strict=True):
        market = house.venue.markets[leg.market]
        leg_q = leg_risk(market, leg.size_b, market.mark, rounds)
        # What the market adds to the margin of the rule, leverage does not change.
        held = Leg(leg.size_b, leg_q.notional_q, leg_q.equity_q)
        added_q = leg_q.initial_q - initial_q(market, held, None, rounds)
        if share_q > leg_q.initial_q:
            base_q = max(leg_q.notional_q, abs(leg_q.equity_q))
            house.require(cmd.SetLeverage(name, leg.market, base_q, share_q - added_q))


def start(
    entered: bytes, ring: Ring, curves: Curves, plans: tuple[Plan, ...], fills: Fills, topup: TopUp
) -> World:
    """A world that goes on from a snapshot of `enter`, with its own ring fence and insurance funds."""
    venue = restore(entered)
    venue.pools = {ring.pool(name): CollateralPool(ring.pool(name)) for name in venue.markets}
    for name, market in venue.markets.items():
        market.pool = ring.pool(name)
    house = Clearinghouse(venue, keep_log=False)
    for pool, amount_q in sorted(ring.funds_q.items()):
        if amount_q > 0:
            house.require(cmd.FundInsurance(pool, amount_q))
    return World(house, curves, plans, fills, topup)


__all__ = ["Ring", "World", "admits", "empty_venue", "enter", "snapshot", "start", "subaccount_id"]
