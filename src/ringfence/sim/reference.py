"""A flow through a price path in the reference engine, account by account: any rulebook, and the oracle of `replay`."""

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ringfence.clearing.log import snapshot
from ringfence.clearing.model import QUOTE, Market, Venue
from ringfence.clearing.policy import Policy
from ringfence.clearing.resolve import Fills as Slippage
from ringfence.clearing.risk import leg_risk, subaccount_risk
from ringfence.errors import check
from ringfence.sim.balance import BoolArray
from ringfence.sim.curves import Curves
from ringfence.sim.flow import BALANCER, FlowAccount, FlowColumns, Leg, TopUp
from ringfence.sim.hindsight import best_split, initial_margin_q, survival_q
from ringfence.sim.outcome import Fills, Outcome, Standing
from ringfence.sim.partition import MAIN, Arm, Partition, Plan, make_plan
from ringfence.sim.paths import Path
from ringfence.sim.tally import Tally
from ringfence.sim.world import Ring, World, admits, empty_venue, enter, start


class Reference:
    """The rules of one rulebook along one path; has the methods of `replay.Replay`."""

    def __init__(self, path: Path, markets: Mapping[str, Market], policy: Policy) -> None:
        self.source, self.markets, self.policy = path, dict(markets), policy
        self._curves: dict[Path, Curves] = {}

    def curves(self, path: Path) -> Curves:
        """The rules read along a path; kept, because runs share them."""
        if path not in self._curves:
            self._curves[path] = Curves(path, self.markets, self.policy.rounding)
        return self._curves[path]

    def venue(self) -> Venue:
        """The venue before anybody has entered."""
        return empty_venue(self.markets, self.policy, self.source.at(0))

    def planner(self, mode: Partition, arm: Arm, *, raised: bool) -> Callable[[FlowAccount], Plan | None]:
        """How an account is split; `raised` lets nobody post less than the initial margin."""
        venue = self.venue()
        best = best_split(self.curves(self.source), venue)

        def at_least(leg: Leg) -> Leg:
            asked_q = initial_margin_q(venue, [(leg.market, leg.size_b)])
            return leg if leg.posted_q >= asked_q else dataclasses.replace(leg, posted_q=asked_q)

        def plan_for(account: FlowAccount) -> Plan | None:
            if raised:
                account = dataclasses.replace(account, legs=tuple(map(at_least, account.legs)))
            return make_plan(account, mode, arm, best)

        return plan_for

    def admitted(
        self, flow: FlowColumns, mode: Partition, arm: Arm, unlisted: Sequence[str], *, raised: bool
    ) -> BoolArray:
        """(L,) which legs each account may enter with: all of them, or one after the other what fits."""
        venue, plan_for = self.venue(), self.planner(mode, arm, raised=raised)
        found: list[bool] = []

        def fits(account: FlowAccount, legs: tuple[Leg, ...]) -> bool:
            plan = plan_for(dataclasses.replace(account, legs=legs))
            return plan is not None and all(admits(group, venue) for group in plan.groups)

        for account in flow.accounts:
            wanted = tuple(leg for leg in account.legs if leg.market not in unlisted)
            legs = wanted if fits(account, wanted) else ()
            for leg in wanted if not legs else ():
                legs = (*legs, leg) if fits(account, (*legs, leg)) else legs
            names = {leg.market for leg in legs}
            found += [leg.market in names for leg in account.legs]
        return np.array(found, dtype=np.bool_)

    def enter(self, flow: FlowColumns, mode: Partition, arm: Arm, *, raised: bool) -> "Staged":
        """Let every account enter as the mode and arm say; raises `InputError` where one cannot."""
        planned = map(self.planner(mode, arm, raised=raised), flow.accounts)
        plans = tuple(plan for plan in planned if plan is not None)
        check(len(plans) == len(flow), f"an admitted account cannot enter {mode.name}")
        entered = enter(flow, plans, self.venue())
        return Staged(self, flow, plans, entered, snapshot(entered))


@dataclass(frozen=True)
class Staged:
    """A flow whose positions are open: what runs go on from."""

    reference: Reference
    flow: FlowColumns
    plans: tuple[Plan, ...]
    entered: Venue
    saved: bytes

    def standing(self) -> Standing:
        """What entering asked of every group."""
        entered, curves = self.entered, self.reference.curves(self.reference.source)
        groups = [group for plan in self.plans for group in plan.groups]
        best = next(iter(entered.markets.values()))
        unit = leg_risk(best, 10**12, best.mark, entered.policy.rounding)
        initial = (initial_margin_q(entered, ((leg.market, leg.size_b) for leg in g.legs)) for g in groups)
        return Standing(
            np.array([group.name == MAIN for group in groups], dtype=np.bool_),
            np.array([len(group.legs) for group in groups], dtype=np.int64),
            np.array([group.collateral_q for group in groups], dtype=np.int64),
            np.array([sum(leg.posted_q for leg in group.legs) for group in groups], dtype=np.int64),
            np.array([*initial], dtype=np.int64),
            np.array([survival_q(curves, group.legs, entered) for group in groups], dtype=np.int64),
            sum(plan.outside_q for plan in self.plans),
            (unit.notional_q, unit.initial_q),
        )

    def world(self, path: Path, ring: Ring, slippage_ppm: int, topup: TopUp) -> World:
        """A run along a path, ready to begin."""
        curves = self.reference.curves(path)
        return start(self.saved, ring, curves, self.plans, Slippage(slippage_ppm), topup)

    def run(self, path: Path, ring: Ring, slippage_ppm: int, topup: TopUp) -> Outcome:
        """Go through a path."""
        world = self.world(path, ring, slippage_ppm, topup)
        return _outcome(self.flow, world.run(), world.venue)


def _outcome(flow: FlowColumns, tally: Tally, venue: Venue) -> Outcome:
    accounts = {account.id: at for at, account in enumerate(flow.accounts)}
    return Outcome(
        _fills(flow, tally, accounts),
        np.array([tally.window_wealth_q[name] for name in accounts], dtype=np.int64),
        np.array([tally.final_wealth_q[name] for name in accounts], dtype=np.int64),
        np.array(_gains(flow, tally, venue), dtype=np.int64),
        insurance_drawn_q=sum(tally.insurance_drawn_q.values()),
        deleveraged_q=tally.deleveraged_q,
        deleveraging_loss_q=tally.deleveraging_loss_q,
        socialized_q=sum(tally.socialized_q.values()),
        debt_left_q=sum(venue.debt_q(pool) for pool in venue.pools),
        margin_calls=tally.margin_calls,
        margin_actions=tally.margin_actions,
        parties_q=_parties(venue),
        positions=sum(len(subaccount.positions) for subaccount in venue.subaccounts.values()),
        subaccounts=len(venue.subaccounts),
    )


def _fills(flow: FlowColumns, tally: Tally, accounts: Mapping[str, int]) -> Fills:
    markets = {name: at for at, name in enumerate(flow.markets)}
    rows = [
        (
            *(fill.ts_ms, accounts[fill.account], markets[fill.market]),
            *(fill.notional_q, fill.fee_q, fill.loss_q, fill.owner_solvent),
        )
        for fill in tally.liquidations
    ]
    columns = np.array(rows, dtype=np.int64).reshape(-1, 7).T
    ts_ms, account, market, notional_q, fee_q, loss_q, solvent = columns
    return Fills(ts_ms, account, market, notional_q, fee_q, loss_q, solvent != 0)


def _gains(flow: FlowColumns, tally: Tally, venue: Venue) -> list[int]:
    """Profit of every position from entry to the end, from the engine's events."""
    worth: dict[tuple[str, str], int] = defaultdict(int)
    for subaccount in venue.subaccounts.values():
        for market_id, held in subaccount.positions.items():
            market = venue.markets[market_id]
            risk = leg_risk(market, held.size_b, market.mark, venue.policy.rounding)
            worth[subaccount.account, market_id] += risk.equity_q
    found = []
    for account in flow.accounts:
        for leg in account.legs:
            key = account.id, leg.market
            cost_q = leg.notional_q if leg.size_b > 0 else -leg.notional_q
            found.append(tally.flows_q.get(key, 0) + worth[key] - cost_q)
    return found


def _parties(venue: Venue) -> dict[str, int]:
    """What the system's subaccounts, the funds and the venue end with."""
    rows: dict[str, int] = defaultdict(int)
    for subaccount in venue.subaccounts.values():
        if subaccount.account == "system":
            kind = {BALANCER: "balancer", "backstop": "backstop"}.get(subaccount.id, "liquidators (market)")
            rows[kind] += subaccount_risk(venue, subaccount).equity_q
    for account_id, balances in venue.ledger.items():
        amount_q = balances.get(QUOTE, 0)
        if account_id.startswith("fund/"):
            rows["insurance funds"] += amount_q
        elif account_id.startswith("debt/"):
            rows["unpaid bad debt"] += amount_q
        elif account_id != "outside":
            rows["protocol (fees, funding, rounding)"] += amount_q
    return dict(rows)
