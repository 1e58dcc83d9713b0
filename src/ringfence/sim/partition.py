"""Margin modes as partitions, and the arms of isolation: which part of an account's equity backs which positions.

A partition puts each market of an account into a group; the groups become subaccounts. The first group, `main`, also
holds what backs nothing. What an isolated trader posts is behaviour, not mode, so it is an *arm* of the comparison:

- ``a`` all equity is spread over the groups in proportion to notional;
- ``b`` every mode gets just the collateral that the traders post when isolated, the rest stays outside;
- ``c`` each position is posted what its owner's chosen leverage asks, the rest is idle in `main`;
- ``d`` the split that would have been best, in hindsight, for the trader;
- ``e`` as ``c``, and traders top up from idle money (as often as the population does).
"""

import json
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Literal

from ringfence.clearing.adl import split
from ringfence.errors import InputError
from ringfence.sim.flow import FlowAccount, Leg

Arm = Literal["a", "b", "c", "d", "e"]
ARMS: dict[Arm, str] = {
    "a": "equal equity, all of it spread over the positions",
    "b": "equal posted collateral",
    "c": "as the traders set it (notional over chosen leverage, the rest idle)",
    "d": "the split best for the trader, in hindsight",
    "e": "as the traders set it, with automatic top-up",
}
MAIN = "main"
LENGTH_MAX = 100_000
"""Characters of a partition file that are read; a longer one does not parse."""
NAME = re.compile(r"[A-Za-z0-9_.-]{1,24}")


@dataclass(frozen=True)
class Partition:
    """A margin mode: markets named together share one subaccount; every other market goes as `rest` says."""

    name: str
    groups: tuple[tuple[str, ...], ...] = ()
    rest: Literal["together", "apart"] = "apart"

    def group(self, market: str) -> str:
        """Name of the subaccount group of a market; the first group and a common rest are `main`."""
        for at, members in enumerate(self.groups):
            if market in members:
                return MAIN if at == 0 and self.rest == "apart" else "+".join(members)
        return MAIN if self.rest == "together" else market


CROSS = Partition("cross", (), "together")
ISOLATED = Partition("isolated", (), "apart")
HYBRID = Partition("hybrid", (("BTC", "ETH"),), "apart")


def read_partition(path: FilePath) -> Partition:
    """Read a partition: TOML or JSON with `groups` (lists of markets), `rest` ("apart" or "together") and a `name`."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(LENGTH_MAX)
        raw = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(
            f"{path}: cannot be read as a partition: {(why or 'unreadable').splitlines()[0]}"
        ) from None
    groups, rest = (raw.get("groups"), raw.get("rest", "apart")) if isinstance(raw, dict) else (None, None)
    if not isinstance(groups, list) or not all(_is_group(group) for group in groups):
        raise InputError(
            f"{path}: groups: expected a list of lists of markets, such as [['BTC', 'ETH'], ['SOL']]"
        )
    members = [market for group in groups for market in group]
    if len(set(members)) != len(members):
        raise InputError(f"{path}: groups: a market is named twice")
    if rest not in ("apart", "together"):
        raise InputError(f"{path}: rest: expected 'apart' or 'together', got {rest!r}")
    for key in sorted(raw.keys() - {"groups", "rest", "name"}):
        raise InputError(f"{path}: {key!r}: expected only groups, rest and name")
    name = raw.get("name", path.stem)
    if not isinstance(name, str) or name in ("cross", "isolated") or not NAME.fullmatch(name):
        raise InputError(
            f"{path}: name: expected 1 to 24 letters, digits, '-', '_' or '.', not a built-in mode"
        )
    return Partition(name, tuple(tuple(group) for group in groups), rest)


def _is_group(group: object) -> bool:
    return (
        isinstance(group, list)
        and bool(group)
        and all(isinstance(market, str) and market for market in group)
    )


@dataclass(frozen=True)
class Group:
    """One subaccount of an account: its legs and the collateral put behind them."""

    name: str
    legs: tuple[Leg, ...]
    collateral_q: int


@dataclass(frozen=True)
class Plan:
    """How one account enters a mode: its groups (`main` first) and what it keeps outside the venue."""

    account: FlowAccount
    groups: tuple[Group, ...]
    outside_q: int = 0


BestSplit = Callable[[FlowAccount, Sequence[tuple[Leg, ...]]], list[int]]


def make_plan(
    account: FlowAccount, partition: Partition, arm: Arm, best: BestSplit | None = None
) -> Plan | None:
    """Split an account's equity over the groups of `partition`; `None` when the equity does not reach.

    `best` answers arm ``d``: given the account and the legs of the separate groups, the collateral of each.
    """
    members: dict[str, list[Leg]] = {MAIN: []}
    for leg in account.legs:
        members.setdefault(partition.group(leg.market), []).append(leg)
    apart = [name for name in members if name != MAIN]
    posted = [sum(leg.posted_q for leg in members[name]) for name in apart]
    main_posted = sum(leg.posted_q for leg in members[MAIN])
    if arm == "a" and apart:
        worth = [sum(leg.notional_q for leg in members[name]) for name in (MAIN, *apart)]
        _, *posted = split(account.equity_q, worth)
    elif arm == "d" and apart and best is not None:
        posted = best(account, [tuple(members[name]) for name in apart])
    outside_q = max(0, account.equity_q - sum(posted) - main_posted) if arm == "b" else 0
    main_q = account.equity_q - outside_q - sum(posted)
    if main_q < 0:
        return None
    groups = (
        Group(name, tuple(members[name]), x)
        for name, x in zip((MAIN, *apart), (main_q, *posted), strict=True)
    )
    return Plan(account, tuple(groups), outside_q)


def arms_that_differ(partition: Partition, arms: Sequence[Arm]) -> Mapping[Arm, Arm]:
    """Arms that lead to the same run: without separate groups only ``b`` differs from ``c``."""
    if partition.rest == "together" and not partition.groups:
        return {arm: "b" if arm == "b" else "c" for arm in arms}
    if not partition.groups:
        return {arm: "c" if arm == "b" else arm for arm in arms}
    return {arm: arm for arm in arms}
