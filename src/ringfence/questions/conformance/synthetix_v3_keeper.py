"""Keepers of Synthetix v3: what they are paid, and how much they may close when."""

from typing import NamedTuple

from ...rules import keeper, skew
from ...rules.words import WAD
from .named import where_stated
from .synthetix_v3_collateral import collateral
from .vectors import Case, Field, Ours, Value
from .wad import amount_wad, count, find, need, positive_wad, wad, whole

REWARD_ANSWERS = (
    "account_liquidation_reward",
    "account_liquidation_reward_wei",
    "first_reward",
    "flag_reward",
    "next_reward",
)
WINDOW_ANSWERS = (
    "liquidated",
    "max_liquidation_amount_in_window",
    "number_of_windows",
    "sizes",
    "window_capacity",
)
WINDOW = ("window_s", "window_seconds", "max_seconds_in_liquidation_window")
"""Names of a window's length in seconds."""


class Guards(NamedTuple):
    """Bounds of every reward: least profit (amount and share of the cost), cap, and share of the collateral."""

    profit: int = 0
    profit_rate: int = 0
    cap: int = 0
    collateral_rate: int = 0


class Costs(NamedTuple):
    """What flagging and each window cost a keeper, and the share of all collateral that flagging pays at least."""

    flag: int = 0
    window: int = 0
    collateral_rate: int = 0


def guards(rule: Field) -> Guards:
    """The guards that a case states; zeros, which pay nothing, are what the venue's tests start from."""
    places = [rule.get("keeper_guards"), rule]
    return Guards(
        _amount(places, "min_reward"),
        _amount(places, "min_profit_ratio"),
        _amount(places, "max_reward"),
        _amount(places, "max_scaling_ratio", "max_scaling"),
    )


def costs(rule: Field) -> Costs:
    """The keepers' costs that a case states."""
    places = [rule, rule.get("keeper_guards")]
    return Costs(
        _amount(places, "flag_cost"),
        _amount(places, "liquidate_cost"),
        _amount(places, "collateral_reward_ratio", "collateral_liquidate_reward_ratio"),
    )


def _amount(places: list[Field | None], *names: str) -> int:
    """An amount in USD or, under the same name with `_wei`, in wei; 0 where it is not stated."""
    in_wei = find(places, *(f"{name}_wei" for name in names))
    if in_wei is not None:
        return count(in_wei)
    stated = find(places, *names)
    return 0 if stated is None else amount_wad(stated)


def first_reward_wad(flag_reward: int, paid: Costs, collateral: int, bounds: Guards) -> int:
    """What flagging an account and closing its first window pays."""
    return _bounded(flag_reward, paid.flag + paid.window, collateral, bounds)


def next_reward_wad(paid: Costs, bounds: Guards) -> int:
    """What each further window pays: its cost and a profit, when nothing is left to seize."""
    return _bounded(0, paid.window, 0, bounds)


def _bounded(earned: int, cost: int, collateral: int, bounds: Guards) -> int:
    least = keeper.least_reward_wad(cost, bounds.profit, bounds.profit_rate)
    most = keeper.most_reward_wad(collateral, bounds.collateral_rate, bounds.cap)
    return keeper.keeper_reward_wad(earned, cost, least, most)


@where_stated
def reward(case: Case) -> Ours:
    """What the keepers get who liquidate an account, window by window where the case has a window.

    An endorsed keeper gets no reward for flagging.
    """
    rule, endorsed = case.body["rule"], find([case.body.get("action"), case.body["rule"]], "endorsed")
    backing, paid, bounds = collateral(case), costs(rule), guards(rule)
    by_position, windows = 0, 0
    for held in case.body["positions"]:
        size, price = wad(held["size"]), positive_wad(held["mark"])
        rate = amount_wad(need([held, rule], "flag_reward_ratio", "flag"))
        by_position += skew.margin_wad(skew.notional_wad(size, price), rate, 0)
        windows = max(windows, keeper.windows_of(size, capacity_wad(rule)))
    flagging = keeper.flag_reward_wad(by_position, backing.value, paid.collateral_rate)
    if endorsed is not None and endorsed.flag():
        flagging = 0
    first, following = first_reward_wad(flagging, paid, backing.value, bounds), next_reward_wad(paid, bounds)
    total = keeper.account_reward_wad(first, following, windows)
    return {
        "flag_reward": whole(flagging),
        "first_reward": whole(first),
        "next_reward": whole(following),
        "account_liquidation_reward": whole(total),
        "account_liquidation_reward_wei": total,
    }


def capacity_wad(rule: Field) -> int:
    """Most base units that a window closes; 0 where the case has no window."""
    length = find([rule], *WINDOW)
    if length is None:
        return 0
    multiplier = find([rule], "multiplier", "max_liquidation_limit_accumulation_multiplier")
    return keeper.window_capacity_wad(
        amount_wad(need([rule], "maker_fee", "maker")),
        amount_wad(need([rule], "taker_fee", "taker")),
        positive_wad(need([rule], "skew_scale", "ss")),
        WAD if multiplier is None else amount_wad(multiplier),
        count(length, least=1),
    )


class Market(NamedTuple):
    """What a window knows: its capacity and length, and how even the market must be to open another one."""

    capacity: int
    seconds: int
    scale: int
    max_premium: int


@where_stated
def windows(case: Case) -> Ours:
    """Who is closed by how much when keepers call at the times of a case, all in one market.

    `action.calls` are in order: a time `at_s`, the `position` that is called on (by its place, 0 when left out), and
    whether the caller is `endorsed`. An exhausted window opens once more in a block that has seen no liquidation yet.
    """
    rule, places = case.body["rule"], case.body["positions"]
    places.first()
    sizes = [wad(held["size"]) for held in places]
    premium, capacity = find([rule], "max_liquidation_pd", "max_pd"), capacity_wad(rule)
    market = Market(
        capacity,
        count(need([rule], *WINDOW), least=1),
        positive_wad(need([rule], "skew_scale", "ss")),
        amount_wad(premium) if premium else 0,
    )
    action = case.body.get("action")
    calls = [] if action is None else action.items("calls")
    closed, after = _run(market, sizes, calls)
    return {
        "max_liquidation_amount_in_window": whole(capacity),
        "window_capacity": whole(capacity),
        "number_of_windows": [keeper.windows_of(size, capacity) for size in sizes],
        "liquidated": closed,
        "sizes": after,
    }


def _run(market: Market, sizes: list[int], calls: list[Field]) -> tuple[list[Value], list[Value]]:
    """What each call closed, and the size of its position after it."""
    held, done = [*sizes], list[tuple[int, int]]()
    closed, after = list[Value](), list[Value]()
    for call in calls:
        now = count(call["at_s"], least=done[-1][0] if done else 0)
        place = call.get("position")
        at, endorsed = 0 if place is None else place.integer(0, len(held) - 1), call.get("endorsed")
        size = _closable(market, held, at, done, now)
        if endorsed is not None and endorsed.flag():
            size = abs(held[at])
        if size:
            done.append((now, size))
        held[at] -= size if held[at] > 0 else -size
        closed.append(whole(size))
        after.append(whole(held[at]))
    return closed, after


def _closable(market: Market, held: list[int], at: int, done: list[tuple[int, int]], now: int) -> int:
    used = sum(size for then, size in done if keeper.in_window(then, now, market.seconds))
    first_of_block = all(then != now for then, _ in done)
    even = keeper.reopens(sum(held), market.scale, market.max_premium)
    return keeper.window_size_wad(held[at], market.capacity, used, first_of_block and even)
