"""A flow through a price path on columns: what `sim.world` does for one account after the other, in compiled code.

`Replay` holds what all runs of a rulebook share. `admitted` says which positions a mode lets in, `enter` opens them,
and `Entered.run` goes through the path. A run that meets what the columns do not hold says so (`None`), and the
reference replays it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ringfence.clearing.model import Market
from ringfence.clearing.policy import Policy
from ringfence.clearing.risk import worth_q
from ringfence.errors import check
from ringfence.sim.balance import BoolArray, IntArray
from ringfence.sim.flow import FlowColumns, TopUp
from ringfence.sim.grid import grid_of, takes_market, takes_policy
from ringfence.sim.outcome import Fills, Outcome, Standing
from ringfence.sim.partition import MAIN, Arm, Partition
from ringfence.sim.paths import Path
from ringfence.sim.world import Ring

if TYPE_CHECKING:
    from ringfence.kernel.replay.book import Book
    from ringfence.kernel.replay.path import Path as KernelPath
    from ringfence.kernel.replay.plan import Groups, Slots, Wanted


def takes(markets: Mapping[str, Market], policy: Policy, flow: FlowColumns) -> bool:
    """Can a flow be replayed on columns under these rules?"""
    sizes = flow.size_b.dtype == np.int64
    return sizes and takes_policy(policy) and all(map(takes_market, markets.values()))


class Replay:
    """The rules of one rulebook along one path: entry prices, requirements, extremes of the path."""

    def __init__(self, path: Path, markets: Mapping[str, Market], policy: Policy) -> None:
        from ringfence.kernel.replay.path import pyramid

        self.source, self.markets, self.policy = path, dict(markets), policy
        self.path = pyramid(path.quanta)
        self._along = {path: self.path}
        self._survival: dict[tuple[FlowColumns, Partition], IntArray] = {}
        self.grid = grid_of(markets, policy.rounding)
        self.names = tuple(markets)

    def along(self, path: Path) -> "KernelPath":
        """Another path of the same markets, with its extremes; kept, because runs share it."""
        from ringfence.kernel.replay.path import pyramid

        if path not in self._along:
            self._along[path] = pyramid(path.quanta)
        return self._along[path]

    def wanted(self, flow: FlowColumns, mode: Partition, *, raised: bool) -> "Wanted":
        """What accounts want to hold in a mode; `raised` lets nobody post less than the initial margin."""
        from ringfence.kernel.replay.plan import Wanted, price_legs

        priced = np.empty((len(flow.market), 2), dtype=np.int64)
        legs = np.stack((flow.market, flow.size_b), axis=1)
        price_legs(self.grid, legs, self.path.quanta[0], self.path.quanta[-1], priced)
        posted = np.maximum(flow.posted_q, priced[:, 0]) if raised else flow.posted_q
        group = np.array([*_group_numbers(mode, self.names).values()], dtype=np.int64)
        columns = np.stack((flow.market, flow.size_b, flow.notional_q, posted, *priced.T), axis=1)
        return Wanted(columns, np.stack((flow.first, np.append(flow.equity_q, 0)), axis=1), group)

    def survival_q(self, flow: FlowColumns, mode: Partition, legs: IntArray, first: IntArray) -> IntArray:
        """Least collateral of every group that survives the path; kept, because arms differ in collateral alone."""
        from ringfence.kernel.replay.path import curves_for, survivals

        if (flow, mode) not in self._survival:
            found = self._survival[flow, mode] = np.empty(len(first) - 1, dtype=np.int64)
            curves = curves_for(self.grid, self.path, int(np.diff(first).max(initial=1)))
            survivals(self.grid, self.path, legs, first, curves, found)
        return self._survival[flow, mode]

    def slots(self, flow: FlowColumns) -> "Slots":
        """Room for one account's groups."""
        from ringfence.kernel.replay.path import curves_for
        from ringfence.kernel.replay.plan import SLOT_WORDS, Slots

        width = int(np.diff(flow.first).max(initial=1)) + 1
        table, legs = (np.zeros((width, words), dtype=np.int64) for words in (SLOT_WORDS, 2))
        room, ratio = np.zeros((4, width), dtype=np.int64), np.zeros(width)
        return Slots(table, legs, room, ratio, curves_for(self.grid, self.path, width))

    def admitted(
        self, flow: FlowColumns, mode: Partition, arm: Arm, unlisted: Sequence[str], *, raised: bool
    ) -> BoolArray:
        """(L,) which legs each account may enter with."""
        from ringfence.kernel.replay.plan import admit

        wanted = self.wanted(flow, mode, raised=raised)
        listed = np.array([name not in unlisted for name in self.names])
        found = np.zeros(len(flow.market), dtype=np.bool_)
        admit(self.grid, self.path, wanted, self.slots(flow), _arm(arm), listed, found)
        return found

    def enter(self, flow: FlowColumns, mode: Partition, arm: Arm, *, raised: bool) -> "Entered | None":
        """Open every position of a flow in a mode; `None` where the reference would refuse one."""
        from ringfence.kernel.replay.plan import GROUP_WORDS, Groups, lay_out

        wanted, legs, accounts = self.wanted(flow, mode, raised=raised), len(flow.market), len(flow)
        table = np.zeros((accounts + legs + 1, GROUP_WORDS), dtype=np.int64)
        groups = Groups(table, np.empty(legs, dtype=np.int64), np.empty(accounts, dtype=np.int64))
        numbers = _group_numbers(mode, self.names)
        ranks = {name: rank for rank, name in enumerate(sorted(set(map(mode.group, self.names)) - {MAIN}), 1)}
        order = np.zeros(max(numbers.values()) + 1, dtype=np.int64)
        for name, number in numbers.items():
            order[number] = ranks.get(mode.group(name), 0)
        count = lay_out(self.grid, self.path, wanted, self.slots(flow), _arm(arm), order, groups)
        check(count >= 0, f"account {-1 - count} was admitted and cannot enter {mode.name}")
        return Entered.of(self, flow, mode, wanted, groups._replace(table=table[: count + 1]))


def _group_numbers(mode: Partition, names: Sequence[str]) -> dict[str, int]:
    """By market: the number of its group; 0 is the main one."""
    numbers = {MAIN: 0}
    for name in names:
        numbers.setdefault(mode.group(name), len(numbers))
    return {name: numbers[mode.group(name)] for name in names}


def _arm(arm: Arm) -> int:
    from ringfence.kernel.replay.plan import BEST, CHOSEN, POSTED_ONLY, SPREAD

    return {"a": SPREAD, "b": POSTED_ONLY, "c": CHOSEN, "d": BEST, "e": CHOSEN}[arm]


@dataclass(frozen=True, eq=False)
class Entered:
    """A flow whose positions are open: what runs go on from."""

    replay: Replay
    flow: FlowColumns
    mode: Partition
    groups: "Groups"
    posted: IntArray
    """(L,) in the order of the groups"""
    book: "Book"

    @classmethod
    def of(
        cls, replay: Replay, flow: FlowColumns, mode: Partition, wanted: "Wanted", groups: "Groups"
    ) -> "Entered | None":
        """Open all positions at the path's first prices; `None` where somebody lacks the collateral."""
        from ringfence.kernel.replay.book import SYSTEM_QUOTE
        from ringfence.kernel.replay.plan import BACKING, POSTED
        from ringfence.kernel.replay.world import enter

        posted = wanted.legs[groups.source, POSTED]
        book = _book(replay, flow, groups)
        if enter(book, posted, groups.table[:-1, BACKING].copy()) >= 0:
            return None
        traded = _worths(replay, list(flow.balancer.values()), replay.path.quanta[0].tolist())
        book.grid.table[:, SYSTEM_QUOTE] += np.array(traded)
        return cls(replay, flow, mode, groups, posted, book)

    @property
    def markets(self) -> dict[str, Market]:
        """The markets at their open interest after entry."""
        from msgspec.structs import replace

        found, flow = {}, self.flow
        for at, (name, market) in enumerate(self.replay.markets.items()):
            long = int(flow.size_b[(flow.market == at) & (flow.size_b > 0)].sum()) + max(
                flow.balancer[name], 0
            )
            price = flow.entry[name]
            found[name] = replace(market, mark=price, index=price, open_interest_b=long)
        return found

    def standing(self) -> Standing:
        """What entering asked of every group."""
        from ringfence.clearing.risk import leg_risk
        from ringfence.kernel.replay import plan as at

        replay, table, legs = self.replay, self.groups.table, self.book.legs
        rounds, markets, first = replay.policy.rounding, self.markets, table[:, at.LEGS_FROM].copy()
        priced, prices = np.empty((len(legs), 2), dtype=np.int64), replay.path.quanta[0]
        at.price_legs(grid_of(markets, rounds), legs, prices, prices, priced)
        best = next(iter(markets.values()))
        unit = leg_risk(best, 10**12, best.mark, rounds)
        return Standing(
            table[:-1, at.PARENT] < 0,
            np.diff(first),
            table[:-1, at.BACKING],
            _sums(self.posted, first),
            _sums(priced[:, 0], first),
            replay.survival_q(self.flow, self.mode, legs, first),
            int(self.groups.outside.sum()),
            (unit.notional_q, unit.initial_q),
        )

    def run(self, path: Path, ring: Ring, slippage_ppm: int, topup: TopUp) -> Outcome | None:
        """Go through a path; `None` where it leads to what only the reference decides."""
        from ringfence.kernel.replay.book import FAILED
        from ringfence.kernel.replay.world import gains, run

        book = self._fresh(path, ring, slippage_ppm, topup)
        wealth = np.zeros((2, len(self.flow)), dtype=np.int64)
        try:
            run(book, path.end_of_window, wealth)
        except OverflowError:
            return None
        if book.state[FAILED]:
            return None
        source = self.groups.source
        gain, ordered = np.empty((2, len(source)), dtype=np.int64)
        gains(book, np.sign(self.flow.size_b[source]) * self.flow.notional_q[source], ordered)
        gain[source] = ordered
        return _outcome(self, book, path, wealth + self.groups.outside, gain, ring.funds_q)

    def _fresh(self, path: Path, ring: Ring, slippage_ppm: int, topup: TopUp) -> "Book":
        """A copy of the entered state, with its own ring fence and funds."""
        from ringfence.kernel.replay import book as at

        entered, pools = self.book, [ring.pool(name) for name in self.replay.names]
        names, along = sorted(set(pools)), self.replay.along(path)
        book = entered._replace(
            grid=entered.grid._replace(table=entered.grid.table.copy()),
            path=along,
            legs=entered.legs.copy(),
            subs=entered.subs.copy(),
            pools=np.zeros((len(names), at.POOL_WORDS), dtype=np.int64),
            buckets=np.full(len(along.quanta), -1, dtype=np.int64),
            fills=np.zeros_like(entered.fills),
            state=_state(self.replay.policy, slippage_ppm, topup, self.flow.topup_draws.shape[1]),
        )
        book.grid.table[:, at.POOL] = [names.index(pool) for pool in pools]
        book.pools[:, at.FUND] = [ring.funds_q.get(name, 0) for name in names]
        subs, draws = book.subs[:-1], self.flow.topup_draws[self.groups.source]
        first, last = subs[:, at.FIRST], subs[:, at.LAST]
        answers = (draws < topup.probability) @ (1 << np.arange(draws.shape[1]))
        isolated = (subs[:, at.PARENT] >= 0) & (last > first)
        subs[isolated, at.ANSWERS] = answers[first[isolated]]
        subs[:, at.DRAWN] = np.where(isolated, 0, book.state[at.DRAWS])
        return book


def _sums(values: IntArray, first: IntArray) -> IntArray:
    """Sums of the stretches of `values` that begin at `first`."""
    total = np.concatenate(([0], np.cumsum(values)))
    found: IntArray = total[first[1:]] - total[first[:-1]]
    return found


def _state(policy: Policy, slippage_ppm: int, topup: TopUp, draws: int) -> IntArray:
    """The policy and how traders top up, and sums at zero."""
    from ringfence.kernel.replay import book as at

    state, close = np.zeros(at.STATE_WORDS, dtype=np.int64), policy.liquidation
    state[at.AT_EQUALITY], state[at.SLIPPAGE_PPM] = policy.trigger_at_equality, slippage_ppm
    state[at.FEE_PPM], state[at.FEE_TO_FUND_PPM] = close.fee_ppm, close.fee_to_fund_ppm
    state[at.HAS_INSURANCE] = "insurance" in policy.waterfall
    state[at.HAS_COUNTERPARTY] = "counterparty" in policy.waterfall
    state[at.HAS_DELEVERAGE] = "deleverage" in policy.waterfall
    state[at.HAS_SOCIALIZE] = "socialize" in policy.waterfall
    state[at.WITHDRAWAL_FLOOR_PPM], state[at.LEFT_PPM] = policy.withdrawal_floor_ppm, topup.left_ppm
    state[at.DRAWS] = min(topup.most, draws) if topup.probability > 0 else 0
    state[at.NOW] = state[at.LATEST] = -1
    return state


def _book(replay: Replay, flow: FlowColumns, groups: "Groups") -> "Book":
    """The state before anybody has entered."""
    from ringfence.kernel.replay import book as at
    from ringfence.kernel.replay import plan
    from ringfence.kernel.replay.winners import QUEUE_WORDS

    table, size = groups.table[:-1], len(flow.market)
    first, room = groups.table[:, plan.LEGS_FROM], 4 * size + 8 * len(replay.names)
    subs = np.zeros((len(table) + 1, at.SUB_WORDS), dtype=np.int64)
    subs[:-1, at.ACCOUNT], subs[:-1, at.PARENT] = table[:, plan.OWNER], table[:, plan.PARENT]
    subs[:-1, at.POSTED], subs[:-1, at.OPEN] = table[:, plan.BACKING], np.diff(first)
    subs[:-1, at.FIRST], subs[:-1, at.LAST] = first[:-1], first[1:]
    subs[:, at.DUE] = subs[:, at.NEWER] = subs[:, at.OLDER] = -1
    legs = np.zeros((size, at.LEG_WORDS), dtype=np.int64)
    legs[:, 0], legs[:, 1] = flow.market[groups.source], flow.size_b[groups.source]
    legs[:, at.SUB] = np.repeat(np.arange(len(table)), np.diff(first))
    legs[:, at.MEMBER] = np.argsort(legs[:, 0], kind="stable")
    return at.Book(
        grid=replay.grid._replace(table=_table(replay, legs[:, 0])),
        path=replay.path,
        legs=legs,
        subs=subs,
        pools=np.zeros((1, at.POOL_WORDS), dtype=np.int64),
        buckets=np.zeros(1, dtype=np.int64),
        fills=np.zeros((size, at.FILL_WORDS), dtype=np.int64),
        state=np.zeros(at.STATE_WORDS, dtype=np.int64),
        keys=np.zeros(room),
        queue=np.zeros((room, QUEUE_WORDS), dtype=np.int64),
        room=np.zeros((at.ROOMS, len(subs) + size + 2), dtype=np.int64),
        scores=np.zeros((at.SCORES, size + 2)),
    )


def _table(replay: Replay, market: IntArray) -> IntArray:
    """The table of markets before anybody has entered: prices, ranks, members, room for the queues of both sides."""
    from ringfence.kernel.replay import book as at
    from ringfence.kernel.replay.winners import ROOM, STRETCH

    table, markets = replay.grid.table.copy(), len(replay.names)
    held = np.bincount(market, minlength=markets)
    table[:, at.MARK], table[:, at.MEMBERS_TO] = replay.path.quanta[0], np.cumsum(held)
    table[:, at.MEMBERS_FROM] = np.cumsum(held) - held
    table[np.argsort(np.array(replay.names)), at.RANK] = np.arange(markets)
    room = np.cumsum(np.repeat(2 * held + 4, 2)) - np.repeat(2 * held + 4, 2)
    for side, first in ((at.SHORTS, room[::2]), (at.LONGS, room[1::2])):
        table[:, side], table[:, side + STRETCH], table[:, side + ROOM] = -1, -1, first
    return table


def _worths(replay: Replay, sizes: Sequence[int], prices: Sequence[int]) -> list[int]:
    """Worth of lots in each market."""
    rounds, markets = replay.policy.rounding, replay.markets.values()
    return [worth_q(*each, rounds) for each in zip(markets, sizes, prices, strict=True)]


def _outcome(
    entered: Entered, book: "Book", path: Path, wealth: IntArray, gain: IntArray, funds_q: Mapping[str, int]
) -> Outcome:
    from ringfence.kernel.replay import book as at

    fills, pools = book.fills[: book.state[at.FILLED]], book.pools
    leg = fills[:, at.LEG]
    found = Fills(
        ts_ms=path.ts_ms[fills[:, at.STEP]],
        account=book.subs[book.legs[leg, at.SUB], at.ACCOUNT],
        market=book.legs[leg, 0],
        notional_q=fills[:, at.NOTIONAL],
        fee_q=fills[:, at.FEE],
        loss_q=fills[:, at.LOSS],
        owner_solvent=fills[:, at.SOLVENT] != 0,
    )
    return Outcome(
        found,
        wealth[0],
        wealth[1],
        gain,
        insurance_drawn_q=int(pools[:, at.INSURED].sum()),
        deleveraged_q=int(book.state[at.DELEVERAGED]),
        deleveraging_loss_q=int(book.state[at.DELEVERAGING_LOSS]),
        socialized_q=int(pools[:, at.SOCIALIZED].sum()),
        debt_left_q=int(pools[:, at.DEBT].sum()),
        margin_calls=int(book.state[at.CALLS]),
        margin_actions=int(book.state[at.ACTIONS]),
        parties_q=_parties(entered, book, funds_q),
        positions=int(np.count_nonzero(book.legs[:, 1])) + 2 * len(book.grid.table),
        subaccounts=len(book.subs) + len(book.grid.table) + 1,
    )


def _parties(entered: Entered, book: "Book", funds_q: Mapping[str, int]) -> dict[str, int]:
    """What the system's subaccounts, the funds and the venue end with; raises where money was made or lost."""
    from ringfence.kernel.replay import book as at
    from ringfence.kernel.replay.plan import BACKING

    replay, balancer = entered.replay, list(entered.flow.balancer.values())
    first, last = replay.path.quanta[0].tolist(), book.grid.table[:, at.MARK].tolist()
    spent, pools = sum(_worths(replay, balancer, first)), book.pools
    funds, debts, fees = int(pools[:, at.FUND].sum()), int(pools[:, at.DEBT].sum()), int(book.state[at.FEES])
    cash = int(book.grid.table[:, at.SYSTEM_QUOTE].sum()), int(book.subs[:-1, at.QUOTE].sum())
    paid_in = int(entered.groups.table[:-1, BACKING].sum()) + sum(funds_q.values())
    left = sum(cash) - spent + funds - debts + fees
    check(left == paid_in, f"quote is not conserved: {left - paid_in} atoms too many")
    sizes = [-int(book.legs[book.legs[:, 0] == m, 1].sum()) for m in range(len(balancer))]
    system = [held - own for held, own in zip(sizes, balancer, strict=True)]
    check(system == book.grid.table[:, at.SYSTEM_SIZE].tolist(), "lots do not sum to zero")
    found = {
        "balancer": sum(_worths(replay, balancer, last)) - spent,
        "backstop": 0,
        "liquidators (market)": cash[0] + sum(_worths(replay, system, last)),
        "insurance funds": funds,
    }
    if pools[:, at.INDEBTED].any():
        found["unpaid bad debt"] = -debts
    if fees:
        found["protocol (fees, funding, rounding)"] = fees
    return found
