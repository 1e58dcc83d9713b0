"""The lab: one flow, every margin mode, both layers of isolation, in the frames of the method.

A *frame* fixes what is held equal. `identical` gives every mode the same margin parameters; `venue` gives each mode the
parameters of a named venue. The liquidation procedure is that of the first rulebook in every frame. A *run* is one
frame, mode, arm and layer; modes differ in nothing but the partition.
"""

import dataclasses
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from multiprocessing import get_context
from typing import Any

from msgspec.structs import replace

from ringfence.clearing.model import Market, Venue
from ringfence.clearing.policy import Policy
from ringfence.clearing.resolve import Fills
from ringfence.clearing.set_rules import DebtMargin
from ringfence.compare.hindsight import best_split
from ringfence.compare.measures import (
    Entry,
    bad_debt_by_market,
    initial_margin_q,
    measure_entry,
    measure_run,
    stakeholders,
    timeline,
)
from ringfence.errors import InputError, check
from ringfence.rules.words import PPM
from ringfence.sim.curves import Curves
from ringfence.sim.flow import Flow, FlowAccount, Leg, TopUp, build_flow
from ringfence.sim.partition import (
    CROSS,
    HYBRID,
    ISOLATED,
    Arm,
    Partition,
    Plan,
    arms_that_differ,
    make_plan,
)
from ringfence.sim.paths import Path, decimals_that_fit, integer_path
from ringfence.sim.prices import ORDERS, Candles, Order
from ringfence.sim.traders import generate
from ringfence.sim.world import SHARED_POOL, Ring, World, admits, empty_venue, enter, snapshot, start
from ringfence.venues.model import NO_MARKETS, scale_of
from ringfence.venues.overrides import load_spec
from ringfence.venues.rulebook import Rulebook

MODES: dict[str, Partition] = {"isolated": ISOLATED, "cross": CROSS, "hybrid": HYBRID}
LAYERS = ("shared", "per_market")
SLIPPAGES_PPM = (0, 10_000, 20_000)
"""Slippage of liquidation orders in the sensitivity analysis (assumed: no depth through a crash is known)."""

Results = list[dict[str, Any]]


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
    sensitivity: bool = True


@dataclass(frozen=True)
class Job:
    """The runs of one frame, mode and arm: both layers and all variations go on from the same entry."""

    frame: str
    mode: Partition
    arm: Arm
    rulebook: str


@dataclass(frozen=True)
class Case:
    """What happens on the way: the base case leaves `varied` empty, the sensitivity analysis names what it varies."""

    order: Order
    slippage_ppm: int
    varied: str = ""


class Lab:
    """A setup made ready: path, markets and flow are built once and shared by all runs."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.rulebooks = {name: load_spec(name) for name in (setup.venue, *setup.venue_frame.values())}
        """Rulebooks by the name, path or changed name that the setup gives them."""
        for rulebook in self.rulebooks.values():
            refuse(rulebook)
        _check_frame(setup, self.rulebooks)
        self.rulebook = self.rulebooks[setup.venue]
        self.procedure = self.rulebook.policy()
        self.markets, self.left_out = _markets(self.rulebook, setup)
        self._paths: dict[Order, Path] = {}
        self._curves: dict[tuple[str, Order], Curves] = {}
        self._flows: dict[str, Flow] = {}
        self.unlisted: dict[str, tuple[str, ...]] = {}
        """Markets of the scenario that a rulebook of the venue frame does not list."""
        for mode in setup.modes:
            _check_groups(mode, self.markets, self.rulebook)
        traders = generate(tuple(self.markets), setup.traders, setup.seed, setup.population)
        self.drawn = build_flow(traders, self.markets, self.path.at(0), self.procedure.rounding)
        self.balancer_share = dict(zip(traders.markets, traders.balancer_share.tolist(), strict=True))

    @property
    def path(self) -> Path:
        """The path of the base runs."""
        return self.path_in(self.setup.order)

    def path_in(self, order: Order) -> Path:
        """The scenario's path with another order of lows and highs."""
        if order not in self._paths:
            candles = self.setup.candles.select(tuple(self.markets))
            step_ppm = self.setup.max_step_ppm
            self._paths[order] = integer_path(candles, self.markets, order=order, max_step_ppm=step_ppm)
        return self._paths[order]

    @cached_property
    def jobs(self) -> list[Job]:
        """Every frame, mode and arm that leads to a run of its own."""
        setup = self.setup
        found: list[Job] = []
        for mode in setup.modes:
            arms = sorted(set(arms_that_differ(mode, setup.arms).values()))
            found += [Job("identical", mode, arm, setup.venue) for arm in arms]
        named = setup.venue_frame
        found += [Job("venue", mode, "c", named[mode.name]) for mode in setup.modes if mode.name in named]
        return found

    def cases(self, job: Job) -> list[Case]:
        """The base case and, for arm c of the identical frame, one thing changed: slippage, the order of lows."""
        setup = self.setup
        found = [Case(setup.order, setup.slippage_ppm)]
        if not (setup.sensitivity and job.frame == "identical" and job.arm == "c"):
            return found
        slips = (slip for slip in SLIPPAGES_PPM if slip != setup.slippage_ppm)
        found += [Case(setup.order, slip, f"slippage {slip / 10_000:g} %") for slip in slips]
        found += [
            Case(order, setup.slippage_ppm, f"order {order}") for order in ORDERS if order != setup.order
        ]
        return found

    @cached_property
    def rules(self) -> dict[str, tuple[dict[str, Market], Policy]]:
        """Markets and policy under each rulebook that a frame names; the procedure is the first rulebook's."""
        found = {}
        for name in dict.fromkeys(job.rulebook for job in self.jobs):
            policy = replace(self.procedure, rounding=self.rulebooks[name].margin_policy().rounding)
            found[name] = (self.markets if name == self.setup.venue else self._regrid(name)), policy
        return found

    def _regrid(self, name: str) -> dict[str, Market]:
        """Another venue's margin requirement on the lots and price grid of the flow, so that positions stay the same.

        Markets that the venue does not list keep theirs and admit nobody.
        """
        rulebook, found, missing = self.rulebooks[name], {}, []
        for symbol, market in self.markets.items():
            try:
                asked = rulebook.market(symbol, market.base_decimals)
            except InputError:
                missing.append(symbol)
                asked = market
            found[symbol] = replace(
                market,
                requirement=asked.requirement,
                minimum_margin_q=asked.minimum_margin_q,
                minimum_margin_as=asked.minimum_margin_as,
                close_cost=asked.close_cost,
            )
        self.unlisted[name] = tuple(missing)
        return found

    def curves(self, rulebook: str, order: Order) -> Curves:
        """The rules of a rulebook read along a path; kept, because runs share them."""
        if (rulebook, order) not in self._curves:
            markets, policy = self.rules[rulebook]
            self._curves[rulebook, order] = Curves(self.path_in(order), markets, policy.rounding)
        return self._curves[rulebook, order]

    @cached_property
    def admitted(self) -> dict[str, dict[str, frozenset[str]]]:
        """By job key: which positions each account may enter with. What a mode refuses is a row of its own."""
        return {key(job): self._admitted(job) for job in self.jobs}

    @property
    def flow(self) -> Flow:
        """The positions that every run of the identical frame admits."""
        return self.flow_in("identical")

    def flow_in(self, frame: str) -> Flow:
        """The positions that every run of a frame admits."""
        if frame not in self._flows:
            common = {
                account.id: frozenset(leg.market for leg in account.legs) for account in self.drawn.accounts
            }
            for job in self.jobs:
                if job.frame == frame:
                    admitted = self.admitted[key(job)]
                    common = {name: markets & admitted[name] for name, markets in common.items()}
            self._flows[frame] = self.drawn.only(common)
        return self._flows[frame]

    def _planner(self, job: Job) -> tuple[Venue, Callable[[FlowAccount], Plan | None]]:
        """The venue that a job enters, and how an account is split on it.

        Where a named venue asks more than the trader meant to post, the trader posts what it asks.
        """
        markets, policy = self.rules[job.rulebook]
        venue = empty_venue(markets, policy, self.path.at(0))
        best = best_split(self.curves(job.rulebook, self.setup.order), venue)

        def at_least(leg: Leg) -> Leg:
            asked_q = initial_margin_q(venue, [(leg.market, leg.size_b)])
            return leg if leg.posted_q >= asked_q else dataclasses.replace(leg, posted_q=asked_q)

        def plan_for(account: FlowAccount) -> Plan | None:
            if job.rulebook != self.setup.venue:
                account = dataclasses.replace(account, legs=tuple(map(at_least, account.legs)))
            return make_plan(account, job.mode, job.arm, best)

        return venue, plan_for

    def _admitted(self, job: Job) -> dict[str, frozenset[str]]:
        found = {}
        venue, plan_for = self._planner(job)
        unlisted = self.unlisted.get(job.rulebook, ())

        def fits(account: FlowAccount, legs: tuple[Leg, ...]) -> bool:
            plan = plan_for(dataclasses.replace(account, legs=legs))
            return plan is not None and all(admits(group, venue) for group in plan.groups)

        for account in self.drawn.accounts:
            wanted = tuple(leg for leg in account.legs if leg.market not in unlisted)
            legs = wanted if fits(account, wanted) else ()
            for leg in wanted if not legs else ():
                legs = (*legs, leg) if fits(account, (*legs, leg)) else legs
            found[account.id] = frozenset(leg.market for leg in legs)
        return found

    def funds_q(self, frame: str, layer: str) -> dict[str, int]:
        """Insurance funds at entry: the same total, in one fund or split by open interest."""
        oi_q = self.flow_in(frame).open_interest_q()
        each = {market: amount * self.setup.insurance_ppm // PPM for market, amount in oi_q.items()}
        return each if layer == "per_market" else {SHARED_POOL: sum(each.values())}

    def run(self, job: Job) -> Results:
        """Enter once, then go through the path in every case, under both layers of the venue's isolation."""
        flow = self.flow_in(job.frame)
        venue, plan_for = self._planner(job)
        plans = tuple(plan for plan in map(plan_for, flow.accounts) if plan is not None)
        check(len(plans) == len(flow.accounts), f"an admitted account cannot enter {key(job)}")
        entered = enter(flow, plans, venue)
        entry = measure_entry(plans, entered, self.curves(job.rulebook, self.setup.order))
        saved, results = snapshot(entered), []
        topup = flow.topup if job.arm == "e" else TopUp()
        for case in self.cases(job):
            curves = self.curves(job.rulebook, case.order)
            found: dict[str, Any] = {}
            for layer in LAYERS[:1] if case.varied.startswith("order") else LAYERS:
                # Pools and funds only matter once there is a loss: without one the other layer runs the same.
                if not found or found["measures"]["bad_debt"]:
                    funds = self.funds_q(job.frame, layer)
                    ring = Ring(layer == "per_market", funds)
                    world = start(saved, ring, curves, plans, Fills(case.slippage_ppm), topup)
                    found = _outcome(flow, world, entry, sum(funds.values()))
                results.append({**self._labels(job, case, layer), **found})
        return results

    def _labels(self, job: Job, case: Case, layer: str) -> dict[str, Any]:
        labels = {
            "frame": job.frame,
            "mode": job.mode.name,
            "arm": job.arm,
            "layer": layer,
            "rulebook": job.rulebook,
        }
        offered = offers(self.rulebooks[job.rulebook], job.mode)
        return labels | {"varied": case.varied, "counterfactual": not offered}

    def warnings(self) -> list[str]:
        """What a reader should be told of the rulebooks: which are old, and which margin modes are a what-if."""
        found = [warning for rulebook in self.rulebooks.values() for warning in rulebook.warnings()]
        if what_if := [mode.name for mode in self.setup.modes if not offers(self.rulebook, mode)]:
            found.append(
                f"{self.rulebook.name} judges positions only {_judges(self.rulebook)}; "
                f"{' and '.join(what_if)} margin under its parameters is a what-if"
            )
        return found


def _outcome(flow: Flow, world: World, entry: Entry, funded_q: int) -> dict[str, Any]:
    tally, path = world.run(), world.curves.path
    rows = stakeholders(flow, tally, world.venue, funded_q)
    rounding_q = dict(rows)["rounding of worth"]
    check(
        abs(rounding_q) <= len(world.venue.subaccounts), f"stakeholders leave {rounding_q} atoms unexplained"
    )
    return {
        "measures": measure_run(flow, entry, tally, world.venue, path.days),
        "stakeholders": rows,
        "bad_debt_by_market": bad_debt_by_market(tally),
        "timeline": timeline(tally, path),
    }


def offers(rulebook: Rulebook, mode: Partition) -> bool:
    """Does the venue let positions share a subaccount, and stand alone, where the margin mode needs it?"""
    offered = {kind.shared for kind in rulebook.modes().values()}
    needed = {True} if mode.groups or mode.rest == "together" else set()
    return needed | ({False} if mode.rest == "apart" else set()) <= offered


def key(job: Job) -> str:
    """Name of a job's runs."""
    return f"{job.frame}/{job.mode.name}/{job.arm}"


def _markets(rulebook: Rulebook, setup: Setup) -> tuple[dict[str, Market], list[str]]:
    """Markets of the scenario that the rulebook lists, and those that it lacks.

    Caps on a pool's profits are left out: who provides liquidity, and how much, is not part of a replay.
    """
    found, missing = {}, []
    for symbol in setup.candles.markets:
        try:
            market = rulebook.market(symbol)
        except InputError:
            missing.append(symbol)
        else:
            decimals = min(market.price_decimals, decimals_that_fit(setup.candles, symbol))
            scale = scale_of(market.base_decimals, decimals)
            found[symbol] = replace(market, price_decimals=decimals, scale=scale, solvency=None)
    if not found:
        raise InputError(f"{rulebook.name} lists none of the markets {', '.join(setup.candles.markets)}")
    return found, missing


def _judges(rulebook: Rulebook) -> str:
    """How a venue with one kind of margin mode judges positions."""
    return "together" if any(kind.shared for kind in rulebook.modes().values()) else "one by one"


def _check_frame(setup: Setup, rulebooks: Mapping[str, Rulebook]) -> None:
    """The venue frame asks what a venue does: only modes that it offers have a place there."""
    for mode in setup.modes:
        rulebook = rulebooks.get(setup.venue_frame.get(mode.name, ""))
        if rulebook is not None and not offers(rulebook, mode):
            raise InputError(
                f"venue frame: {rulebook.name} offers no {mode.name} margin, it judges positions only "
                f"{_judges(rulebook)}; as the venue of the identical frame it can be asked what if"
            )


def refuse(rulebook: Rulebook) -> None:
    """A replay needs perpetual futures, and finds triggers leg by leg, which a rule over a set does not allow.

    One that leaves maintenance margin to the legs does.
    """
    if not rulebook.names("markets"):
        raise InputError(f"{rulebook.name} has nothing to replay: {rulebook.ask(NO_MARKETS)}")
    rule = rulebook.margin_policy().set_rule
    if rule is not None and not isinstance(rule, DebtMargin):
        raise InputError(
            f"{rulebook.name} judges sets of positions, which a replay of a crash does not; "
            "`ringfence margin` answers for it"
        )


def _check_groups(mode: Partition, markets: Mapping[str, Market], rulebook: Rulebook) -> None:
    """A partition may name markets that this scenario lacks, but not markets that nobody knows."""
    for market in (name for group in mode.groups for name in group):
        if market not in markets and market not in rulebook.symbols:
            known = ", ".join(markets)
            raise InputError(f"partition {mode.name}: unknown market {market!r}; this scenario has {known}")


_LAB: Lab | None = None


def _prepare(lab: Lab) -> None:
    global _LAB  # noqa: PLW0603 - a worker process holds one lab
    _LAB = lab


def _work(job: Job) -> Results:
    assert _LAB is not None
    return _LAB.run(job)


def run_all(lab: Lab, *, workers: int = 0, progress: Callable[[], None] = lambda: None) -> Results:
    """Run every job, on several processes where there are several cores; results come in the order of the jobs."""
    longest_first = sorted(lab.jobs, key=lambda job: -len(lab.cases(job)))
    count = min(len(longest_first), workers or os.cpu_count() or 1)
    found: dict[str, Results] = {}
    if count <= 1:
        for job in longest_first:
            found[key(job)] = lab.run(job)
            progress()
    else:
        context = get_context("spawn")  # a fork would copy the thread of a progress bar
        with ProcessPoolExecutor(count, context, initializer=_prepare, initargs=(lab,)) as pool:
            for job, results in zip(longest_first, pool.map(_work, longest_first), strict=True):
                found[key(job)] = results
                progress()
    return [result for job in lab.jobs for result in found[key(job)]]
