"""The lab: one flow, every margin mode, both layers of isolation, in the frames of the method.

A *frame* fixes what is held equal. `identical` gives every mode the same margin parameters; `venue` gives each mode the
parameters of a named venue. The liquidation procedure is that of the first rulebook in every frame. A *run* is one
frame, mode, arm and layer; modes differ in nothing but the partition.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from msgspec.structs import replace

from ringfence.clearing.model import Market
from ringfence.clearing.policy import Policy
from ringfence.clearing.set_rules import DebtMargin
from ringfence.compare.measures import (
    Entry,
    bad_debt_by_market,
    measure_entry,
    measure_run,
    stakeholders,
    timeline,
)
from ringfence.compare.onchain import keepers
from ringfence.errors import InputError, check
from ringfence.questions.spread import Workers
from ringfence.rules.words import PPM
from ringfence.sim.balance import BoolArray
from ringfence.sim.flow import FlowColumns, TopUp, build_flow
from ringfence.sim.outcome import Outcome
from ringfence.sim.partition import CROSS, HYBRID, ISOLATED, Arm, Partition, arms_that_differ
from ringfence.sim.paths import Path, decimals_that_fit, integer_path
from ringfence.sim.prices import ORDERS, Candles, Order
from ringfence.sim.reference import Reference, Staged
from ringfence.sim.replay import Entered, Replay, takes
from ringfence.sim.tally import Tally
from ringfence.sim.traders import generate
from ringfence.sim.world import SHARED_POOL, Ring, World
from ringfence.venues.model import NO_MARKETS, scale_of
from ringfence.venues.overrides import load_spec
from ringfence.venues.rulebook import Rulebook

Engine = Replay | Reference
EngineName = Literal["auto", "columns", "reference"]
COLUMNS_FROM = 500
"""Accounts from which columns are the sooner done; the reference does fewer before compiled code is loaded."""

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
    engine: EngineName = "auto"
    """What replays: the reference account by account, compiled columns, or whichever is the sooner done."""


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
        self._engines: dict[tuple[str, bool], Engine] = {}
        self._flows: dict[str, FlowColumns] = {}
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

    def engine(self, rulebook: str, *, reference: bool = False) -> Engine:
        """What replays a rulebook, kept for all runs: columns where they hold all of it, the reference otherwise."""
        markets, policy = self.rules[rulebook]
        on_columns = not reference and self._wants_columns and takes(markets, policy, self.drawn)
        if self.setup.engine == "columns" and not on_columns and not reference:
            raise InputError(f"--engine: columns do not hold all rules of {rulebook}; leave it at 'auto'")
        if (rulebook, on_columns) not in self._engines:
            make = Replay if on_columns else Reference
            self._engines[rulebook, on_columns] = make(self.path, markets, policy)
        return self._engines[rulebook, on_columns]

    @property
    def _wants_columns(self) -> bool:
        many = len(self.drawn) >= COLUMNS_FROM
        return self.setup.engine == "columns" or (self.setup.engine == "auto" and many)

    @cached_property
    def admitted(self) -> dict[str, BoolArray]:
        """By job key: which of the drawn legs accounts may enter with. What a mode refuses is a row of its own."""
        return {key(job): self._admitted(job) for job in self.jobs}

    def _admitted(self, job: Job) -> BoolArray:
        unlisted = self.unlisted.get(job.rulebook, ())
        return self.engine(job.rulebook).admitted(
            self.drawn, job.mode, job.arm, unlisted, raised=self._is_raised(job)
        )

    def _is_raised(self, job: Job) -> bool:
        """Where a named venue asks more than the trader meant to post, the trader posts what it asks."""
        return job.rulebook != self.setup.venue

    @property
    def flow(self) -> FlowColumns:
        """The positions that every run of the identical frame admits."""
        return self.flow_in("identical")

    def flow_in(self, frame: str) -> FlowColumns:
        """The positions that every run of a frame admits."""
        if frame not in self._flows:
            common = np.ones(len(self.drawn.market), dtype=np.bool_)
            for job in self.jobs:
                if job.frame == frame:
                    common &= self.admitted[key(job)]
            self._flows[frame] = self.drawn.only(common)
        return self._flows[frame]

    def funds_q(self, frame: str, layer: str) -> dict[str, int]:
        """Insurance funds at entry: the same total, in one fund or split by open interest."""
        oi_q = self.flow_in(frame).open_interest_q()
        each = {market: amount * self.setup.insurance_ppm // PPM for market, amount in oi_q.items()}
        return each if layer == "per_market" else {SHARED_POOL: sum(each.values())}

    def run(self, job: Job) -> Results:
        """Enter once, then go through the path in every case, under both layers of the venue's isolation."""
        flow = self.flow_in(job.frame)
        staged = self._enter(job, flow)
        entry, results = measure_entry(staged.standing()), []
        for case in self.cases(job):
            found: dict[str, Any] = {}
            for layer in LAYERS[:1] if case.varied.startswith("order") else LAYERS:
                # Pools and funds only matter once there is a loss: without one the other layer runs the same.
                if not found or found["measures"]["bad_debt"]:
                    ring = Ring(layer == "per_market", self.funds_q(job.frame, layer))
                    outcome = self._replay(job, staged, case, ring)
                    found = _measured(flow, entry, outcome, self.path_in(case.order), ring, job.mode)
                results.append({**self._labels(job, case, layer), **found})
        return results

    def _enter(self, job: Job, flow: FlowColumns) -> Entered | Staged:
        """Open all positions; the reference does what the columns do not hold, and says what it refuses."""
        staged = self.engine(job.rulebook).enter(flow, job.mode, job.arm, raised=self._is_raised(job))
        return self._staged(job) if staged is None else staged

    def _staged(self, job: Job) -> Staged:
        """The positions of a job opened in the reference engine."""
        engine = self.engine(job.rulebook, reference=True)
        assert isinstance(engine, Reference)
        return engine.enter(self.flow_in(job.frame), job.mode, job.arm, raised=self._is_raised(job))

    def _replay(self, job: Job, staged: Entered | Staged, case: Case, ring: Ring) -> Outcome:
        path, topup = self.path_in(case.order), self._topup(job)
        found = staged.run(path, ring, case.slippage_ppm, topup)
        return self._staged(job).run(path, ring, case.slippage_ppm, topup) if found is None else found

    def compile(self) -> None:
        """Send one account through a replay, so that its code is compiled once, here, and found by all processes."""
        job = self.jobs[0]
        engine, flow = self.engine(job.rulebook), self.flow_in(job.frame)
        if isinstance(engine, Replay) and len(flow):
            first = flow.only(flow.owner == 0)
            staged = engine.enter(first, job.mode, job.arm, raised=self._is_raised(job))
            if staged is not None:
                staged.standing()
                staged.run(self.path, Ring(False, {}), self.setup.slippage_ppm, TopUp())

    def _topup(self, job: Job) -> TopUp:
        return self.flow_in(job.frame).topup if job.arm == "e" else TopUp()

    def tally(self, job: Job) -> Tally:
        """The record of a job's base case with one insurance fund for all markets: every liquidation with its time."""
        return self.world(job).run()

    def world(self, job: Job) -> World:
        """A job's base case with one insurance fund for all markets in the reference engine, ready to begin."""
        ring = Ring(False, self.funds_q(job.frame, LAYERS[0]))
        return self._staged(job).world(self.path, ring, self.setup.slippage_ppm, self._topup(job))

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


def _measured(
    flow: FlowColumns, entry: Entry, outcome: Outcome, path: Path, ring: Ring, mode: Partition
) -> dict[str, Any]:
    rows = stakeholders(flow, outcome, sum(ring.funds_q.values()))
    rounding_q, most = dict(rows)["rounding of worth"], outcome.positions + outcome.subaccounts
    check(abs(rounding_q) <= most, f"stakeholders leave {rounding_q} atoms unexplained")
    sent = keepers(flow, mode, outcome.fills, int(path.ts_ms[0]))
    return {
        "measures": measure_run(flow, entry, outcome, sent, path.days),
        "keepers": sent._asdict(),
        "stakeholders": rows,
        "bad_debt_by_market": bad_debt_by_market(flow, outcome),
        "timeline": timeline(outcome, path),
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
        for frame in dict.fromkeys(job.frame for job in lab.jobs):
            lab.flow_in(frame)  # what all processes need is worked out before they begin
        with Workers(count, "spawn", _prepare, lab) as pool:  # a fork would copy the thread of a progress bar
            for job, results in zip(longest_first, pool.map(_work, longest_first), strict=True):
                found[key(job)] = results
                progress()
    return [result for job in lab.jobs for result in found[key(job)]]
