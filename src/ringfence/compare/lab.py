"""The lab: one flow, every margin mode, both layers of isolation, in the frames of the method.

A *frame* fixes what is held equal. `identical` gives every mode the same margin parameters; `venue` gives each mode the
parameters of a named venue. The liquidation procedure is that of the first rulebook in every frame. A *run* is one
frame, mode, arm and layer; modes differ in nothing but the partition.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property

from msgspec.structs import replace

from ringfence.clearing.model import Market, Policy, Venue
from ringfence.clearing.resolve import Fills
from ringfence.clearing.risk import leg_risk
from ringfence.compare.measures import Entry, initial_margin_q, measure_entry, measure_run, stakeholders, survival_q
from ringfence.errors import InputError, check
from ringfence.rules.words import PPM
from ringfence.sim.curves import Curves
from ringfence.sim.flow import Flow, FlowAccount, Leg, build_flow
from ringfence.sim.partition import (
    CROSS,
    HYBRID,
    ISOLATED,
    Arm,
    BestSplit,
    Partition,
    Plan,
    arms_that_differ,
    make_plan,
)
from ringfence.sim.paths import Path, integer_path
from ringfence.sim.prices import Candles, Order
from ringfence.sim.tally import Tally
from ringfence.sim.traders import generate
from ringfence.sim.world import SHARED_POOL, Ring, admits, empty_venue, enter, snapshot, start
from ringfence.venues.rulebook import Rulebook, load

MODES: dict[str, Partition] = {"isolated": ISOLATED, "cross": CROSS, "hybrid": HYBRID}
LAYERS = ("shared", "per_market")
TIMELINE_POINTS = 200

Results = list[dict[str, object]]


@dataclass(frozen=True)
class Setup:
    """Everything that a comparison depends on; the same setup gives the same result, byte for byte."""

    candles: Candles
    scenario: str
    venue: str = "generic"
    venue_frame: Mapping[str, str] = field(default_factory=dict)
    """Mode to rulebook of the venue frame; empty for the identical frame alone."""
    traders: int = 2_000
    population: str = "default"
    seed: int = 1
    modes: tuple[Partition, ...] = (ISOLATED, CROSS, HYBRID)
    arms: tuple[Arm, ...] = ("a", "b", "c", "d", "e")
    order: Order = "low_first"
    max_step_ppm: int = 1_000
    insurance_ppm: int = 1_000
    """Total insurance, as a share of one side of open interest at entry (assumed; the same in both layers)."""
    slippage_ppm: int = 0


@dataclass(frozen=True)
class Job:
    """The runs of one frame, mode and arm: both layers go on from the same entry."""

    frame: str
    mode: Partition
    arm: Arm
    rulebook: str


class Lab:
    """A setup made ready: path, markets and flow are built once and shared by all runs."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.procedure = load(setup.venue).policy()
        self.markets, self.left_out = _markets(load(setup.venue), setup)
        candles = setup.candles.select(tuple(self.markets))
        self.path = integer_path(candles, self.markets, order=setup.order, max_step_ppm=setup.max_step_ppm)
        traders = generate(tuple(self.markets), setup.traders, setup.seed, setup.population)
        self.drawn = build_flow(traders, self.markets, self.path.at(0), self.procedure.rounding)
        self.balancer_share = dict(zip(traders.markets, traders.balancer_share.tolist(), strict=True))

    @cached_property
    def jobs(self) -> list[Job]:
        """Every frame, mode and arm that leads to a run of its own."""
        found = []
        for mode in self.setup.modes:
            for arm in sorted(set(arms_that_differ(mode, self.setup.arms).values())):
                found.append(Job("identical", mode, arm, self.setup.venue))
        for mode in self.setup.modes:
            if mode.name in self.setup.venue_frame:
                found.append(Job("venue", mode, "c", self.setup.venue_frame[mode.name]))
        return found

    @cached_property
    def rules(self) -> dict[str, tuple[dict[str, Market], Policy, Curves]]:
        """Markets, policy and curves under each rulebook that a frame names."""
        found = {}
        for name in dict.fromkeys(job.rulebook for job in self.jobs):
            policy = replace(self.procedure, rounding=load(name).policy().rounding)
            markets = self.markets if name == self.setup.venue else _regrid(load(name), self.markets)
            found[name] = markets, policy, Curves(self.path, markets, policy.rounding)
        return found

    @cached_property
    def admitted(self) -> dict[str, dict[str, frozenset[str]]]:
        """By job key: which positions each account may enter with. What a mode refuses is a row of its own."""
        return {key(job): self._admitted(job) for job in self.jobs}

    @cached_property
    def flow(self) -> Flow:
        """The positions that every run admits."""
        common = {account.id: frozenset(leg.market for leg in account.legs) for account in self.drawn.accounts}
        for admitted in self.admitted.values():
            common = {name: markets & admitted[name] for name, markets in common.items()}
        return self.drawn.only(common)

    def plan(self, job: Job, account: FlowAccount) -> Plan | None:
        """How an account enters a job's mode."""
        venue = self._venue(job.rulebook)
        return make_plan(account, job.mode, job.arm, best_split(self.rules[job.rulebook][2], venue))

    def _venue(self, rulebook: str) -> Venue:
        markets, policy, _ = self.rules[rulebook]
        return empty_venue(markets, policy, self.path.at(0))

    def _admitted(self, job: Job) -> dict[str, frozenset[str]]:
        venue, found = self._venue(job.rulebook), {}
        best = best_split(self.rules[job.rulebook][2], venue)
        for account in self.drawn.accounts:
            legs = account.legs
            while legs:
                plan = make_plan(_with_legs(account, legs), job.mode, job.arm, best)
                if plan is not None and all(admits(group, venue) for group in plan.groups):
                    break
                legs = legs[:-1]
            found[account.id] = frozenset(leg.market for leg in legs)
        return found

    def funds_q(self, layer: str) -> dict[str, int]:
        """Insurance funds at entry: the same total, in one fund or split by open interest."""
        oi_q = self.flow.open_interest_q()
        each = {market: amount * self.setup.insurance_ppm // PPM for market, amount in oi_q.items()}
        return each if layer == "per_market" else {SHARED_POOL: sum(each.values())}

    def run(self, job: Job) -> Results:
        """Enter once, then go through the path under both layers of the venue's isolation."""
        _, _, curves = self.rules[job.rulebook]
        venue = self._venue(job.rulebook)
        plans = tuple(self._plans(job))
        entered = enter(self.flow, plans, venue)
        entry, saved = measure_entry(self.flow, plans, entered, curves), snapshot(entered)
        topup = self.flow.topup_probability if job.arm == "e" else 0.0
        results: Results = []
        for layer in LAYERS:
            funds = self.funds_q(layer)
            ring = Ring(layer == "per_market", funds)
            world = start(saved, ring, curves, plans, Fills(self.setup.slippage_ppm), topup)
            tally = world.run()
            results.append(self._result(job, layer, entry, world.venue, tally, sum(funds.values())))
        return results

    def _plans(self, job: Job) -> list[Plan]:
        plans = []
        for account in self.flow.accounts:
            plan = self.plan(job, account)
            if plan is None:
                raise InputError(f"{account.id} cannot enter {job.mode.name} in arm {job.arm}")
            plans.append(plan)
        return plans

    def _result(self, job: Job, layer: str, entry: Entry, venue: Venue, tally: Tally, funded_q: int) -> dict[str, object]:
        rows = stakeholders(self.flow, tally, venue, funded_q)
        check(abs(sum(amount for _, amount in rows)) <= len(venue.subaccounts), "stakeholders do not sum to zero")
        return {
            "frame": job.frame,
            "mode": job.mode.name,
            "arm": job.arm,
            "layer": layer,
            "rulebook": job.rulebook,
            "measures": measure_run(self.flow, entry, tally, venue, self.path.days),
            "stakeholders": rows,
            "bad_debt_by_market": _by_market(tally),
            "timeline": timeline(tally, self.path),
        }


def key(job: Job) -> str:
    """Name of a job's runs."""
    return f"{job.frame}/{job.mode.name}/{job.arm}"


def _with_legs(account: FlowAccount, legs: tuple[Leg, ...]) -> FlowAccount:
    return FlowAccount(account.id, account.cohort, account.equity_q, legs)


def _markets(rulebook: Rulebook, setup: Setup) -> tuple[dict[str, Market], list[str]]:
    """Markets of the scenario that the rulebook lists, and those that it lacks."""
    found, missing = {}, []
    for symbol in setup.candles.markets:
        try:
            found[symbol] = rulebook.market(symbol)
        except InputError:
            missing.append(symbol)
    if not found:
        raise InputError(f"{rulebook.name} lists none of the markets {', '.join(setup.candles.markets)}")
    return found, missing


def _regrid(rulebook: Rulebook, markets: Mapping[str, Market]) -> dict[str, Market]:
    """Another venue's margin requirement on the lots and price grid of the flow, so that positions stay the same."""
    found = {}
    for symbol, market in markets.items():
        other = rulebook.market(symbol)
        found[symbol] = replace(market, requirement=other.requirement, minimum_margin_q=other.minimum_margin_q)
    return found


def best_split(curves: Curves, venue: Venue) -> BestSplit:
    """Arm d: with hindsight, which positions deserve enough margin to survive and which the least.

    A position is worth saving when ending the path beats losing its initial margin; the budget goes first to where
    a dollar saves most. Greedy, so a lower bound of the best split (each position is saved whole or not at all).
    """

    def best(account: FlowAccount, groups: Sequence[tuple[Leg, ...]]) -> list[int]:
        least = [initial_margin_q(venue, ((leg.market, leg.size_b) for leg in legs)) for legs in groups]
        apart = {leg.market for legs in groups for leg in legs}
        main_q = sum(leg.posted_q for leg in account.legs if leg.market not in apart)
        budget_q, posted, options = account.equity_q - main_q - sum(least), list(least), []
        for at, legs in enumerate(groups):
            extra_q = survival_q(curves, legs, venue) - least[at]
            gain_q = _final_gain_q(curves, legs, venue) + least[at]
            if extra_q > 0 and gain_q > 0:
                options.append((-gain_q / extra_q, at, extra_q))
        for _, at, extra_q in sorted(options):
            if extra_q <= budget_q:
                posted[at] += extra_q
                budget_q -= extra_q
        return posted

    return best


def _final_gain_q(curves: Curves, legs: Sequence[Leg], venue: Venue) -> int:
    """PnL of some legs from entry to the last step of the path."""
    last, rounds, gain_q = curves.path.at(len(curves.path) - 1), venue.policy.rounding, 0
    for leg in legs:
        market = venue.markets[leg.market]
        gain_q += leg_risk(market, leg.size_b, last[leg.market], rounds).equity_q
        gain_q -= leg_risk(market, leg.size_b, market.mark, rounds).equity_q
    return gain_q


def _by_market(tally: Tally) -> list[tuple[str, int]]:
    found: dict[str, int] = {}
    for fill in tally.liquidations:
        if fill.loss_q:
            found[fill.market] = found.get(fill.market, 0) + fill.loss_q
    return sorted(found.items())


def timeline(tally: Tally, path: Path) -> list[tuple[int, int, int]]:
    """Cumulative liquidated notional and bad debt (quote atoms) at evenly spaced times."""
    begin, end = int(path.ts_ms[0]), int(path.ts_ms[-1])
    points, at, liquidated, bad = [], 0, 0, 0
    fills = sorted(tally.liquidations, key=lambda fill: fill.ts_ms)
    for number in range(TIMELINE_POINTS + 1):
        ts_ms = begin + (end - begin) * number // TIMELINE_POINTS
        while at < len(fills) and fills[at].ts_ms <= ts_ms:
            liquidated, bad, at = liquidated + fills[at].notional_q, bad + fills[at].loss_q, at + 1
        points.append((ts_ms, liquidated, bad))
    return points


_LAB: Lab | None = None


def _prepare(setup: Setup) -> None:
    global _LAB  # noqa: PLW0603 - a worker process holds one lab
    _LAB = Lab(setup)


def _work(job: Job) -> Results:
    assert _LAB is not None
    return _LAB.run(job)


def run_all(lab: Lab, *, workers: int | None = None, progress: Callable[[int, int], None] | None = None) -> Results:
    """Run every job, on several processes where there are several cores; results come in the order of the jobs."""
    count = workers or min(len(lab.jobs), os.cpu_count() or 1)
    results: Results = []
    if count <= 1:
        for done, job in enumerate(lab.jobs, 1):
            results += lab.run(job)
            if progress:
                progress(done, len(lab.jobs))
        return results
    with ProcessPoolExecutor(count, initializer=_prepare, initargs=(lab.setup,)) as pool:
        for done, found in enumerate(pool.map(_work, lab.jobs), 1):
            results += found
            if progress:
                progress(done, len(lab.jobs))
    return results
