"""Double entry: what must hold after every command, and the full audit of a state.

`check_transition` looks only at what a command's events touched and is always on. `audit` recomputes everything from
the balances and is what tests, snapshots and replays call.
"""

from collections.abc import Iterable, Iterator

from ..errors import check
from . import command as cmd
from .apply import SUBACCOUNT
from .event import AnyEvent, PositionChanged, Transfer
from .model import QUOTE, Side, Venue

NAMED_STEPS = frozenset(
    {
        "profit_haircut",
        "socialized_loss",
        "deleveraging",
        "liquidation",
        "collateral_sale",
        "insurance",
        "funding",
        "settlement",
    }
    | {"margin_posted", "margin_returned", "backstop", "forgone", "remainder", "profit_cap", "seizure"}
)
"""Reasons for which money may leave a subaccount that the command did not name."""


def totals(venue: Venue) -> dict[str, int]:
    """Sum of all balances per asset; every one must be zero, because `outside` holds minus what came in."""
    found: dict[str, int] = {}
    books = [subaccount.balances for subaccount in venue.subaccounts.values()]
    for balances in (*books, *venue.ledger.values()):
        for asset, amount in balances.items():
            found[asset] = found.get(asset, 0) + amount
    return found


def audit(venue: Venue) -> None:
    """Recompute conservation, lots, open interest and fund balances of the whole state; raise on a contradiction."""
    for asset, total in totals(venue).items():
        check(total == 0, f"{asset} is not conserved: {total} atoms too many")
    lots = dict.fromkeys(venue.markets, 0)
    longs = dict.fromkeys(venue.markets, 0)
    for subaccount in venue.subaccounts.values():
        for market_id, held in subaccount.positions.items():
            check(held.size_b != 0, f"{subaccount.id} holds an empty position in {market_id}")
            lots[market_id] += held.size_b
            longs[market_id] += max(held.size_b, 0)
    for market_id, market in venue.markets.items():
        check(lots[market_id] == 0, f"lots of {market_id} do not sum to zero: {lots[market_id]}")
        check(market.open_interest_b == longs[market_id], f"open interest of {market_id} is wrong")
        if market.solvency is not None:
            sides = (market.longs, market.shorts)
            check(sides == tuple(_sides(venue, market_id)), f"sides of {market_id} are wrong: {sides}")
    for pool in venue.pools:
        check(venue.fund_q(pool) >= 0, f"insurance fund of {pool} is negative")
        check(venue.debt_q(pool) >= 0, f"{pool} was paid more than its bad debt")


def _sides(venue: Venue, market_id: str) -> Iterator[Side]:
    """What traders hold on the long and on the short side of a market."""
    books = [subaccount.positions for subaccount in venue.subaccounts.values() if not subaccount.system]
    held = [positions[market_id] for positions in books if market_id in positions]
    for sign in (1, -1):
        side = [position for position in held if position.size_b * sign > 0]
        yield Side(sum(position.size_b for position in side), sum(position.cost_q for position in side))


def dangling(venue: Venue) -> str | None:
    """Name the first thing that refers to something that is not there; `None` for a state that hangs together."""
    for market in venue.markets.values():
        if market.pool not in venue.pools:
            return f"{market.id} belongs to the unknown pool {market.pool}"
    for name, subaccount in venue.subaccounts.items():
        markets = {*subaccount.positions, *(order.market for order in subaccount.orders.values())}
        for market_id in sorted(markets - venue.markets.keys()):
            return f"{name} is in the unknown market {market_id}"
        for asset in sorted(subaccount.balances.keys() - venue.assets.keys() - {QUOTE}):
            return f"{name} holds the unknown asset {asset}"
        if subaccount.parent is not None and subaccount.parent not in venue.subaccounts:
            return f"{name} has the unknown parent {subaccount.parent}"
    return None


def parties(command: cmd.AnyCommand) -> set[str]:
    """Subaccounts that a command names."""
    names = ("subaccount", "source", "target", "taker", "maker", "counterparty", "backstop", "bidder")
    return {getattr(command, name) for name in names if getattr(command, name, None)}


def check_transition(venue: Venue, command: cmd.AnyCommand, events: Iterable[AnyEvent]) -> None:
    """What a command did must balance, keep funds and collateral above zero and touch only whom it may."""
    lots: dict[str, int] = {}
    named = parties(command)
    for event in events:
        if isinstance(event, PositionChanged):
            lots[event.market] = lots.get(event.market, 0) + event.size_delta_b
        elif isinstance(event, Transfer):
            _check_transfer(venue, event, named)
    for market_id, total in lots.items():
        check(total == 0, f"lots of {market_id} do not sum to zero after {command}")


def _check_transfer(venue: Venue, event: Transfer, named: set[str]) -> None:
    check(event.amount > 0, f"a transfer moves a positive amount: {event}")
    if event.debit.startswith(SUBACCOUNT):
        name = event.debit[4:]
        check(name in named or event.why in NAMED_STEPS, f"{name} paid without being asked: {event}")
        if event.asset != QUOTE:
            left = venue.subaccounts[name].balances.get(event.asset, 0)
            owing = venue.subaccounts[name].system or venue.assets[event.asset].may_be_owed
            check(left >= 0 or owing, f"{name} holds {left} {event.asset}")
    elif event.debit.startswith("fund/"):
        check(venue.fund_q(event.debit[5:]) >= 0, f"{event.debit} is negative")
    if event.credit.startswith("debt/"):
        check(venue.debt_q(event.credit[5:]) >= 0, f"{event.credit} was paid more than it owed")
