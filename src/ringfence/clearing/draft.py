"""A draft of the state: what would hold after some events, without touching the real state.

`decide` needs to look at intermediate states (after funding is settled, after margin moved to a child). A draft copies
a subaccount, market or ledger account when it is first looked up and applies events to the copies only.
"""

from collections.abc import Callable, Iterator
from copy import copy
from typing import Any

from ..rules.transition import is_smaller
from ..rules.value import released_cost_q
from ..rules.words import abs_, mul_div_down
from .apply import apply
from .event import AnyEvent, FundingSettled, PositionChanged, Transfer
from .liquidity import withheld_of_fill_q
from .model import QUOTE, Market, Position, Subaccount, Venue, market_subaccount
from .risk import Risk, risk_price, unsettled_funding_q
from .verdict import Reason


class Refusal(Exception):  # noqa: N818 - not an error: the way out of a decision that ends in a rejection
    """Carries the reason out of a decision; `decide` turns it into a `Rejected` value."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


class _CopyOnLookup(dict[str, Any]):
    """A mapping that holds copies of those values of `base` that were looked up."""

    def __init__(self, base: dict[str, Any], copy_value: Callable[[Any], Any]) -> None:
        super().__init__()
        self._base, self._copy = base, copy_value

    def __missing__(self, key: str) -> object:
        value = self[key] = self._copy(self._base[key])
        return value

    def __contains__(self, key: object) -> bool:
        return dict.__contains__(self, key) or key in self._base

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*self._base, *dict.keys(self))))

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401
        return self[key] if key in self else default  # noqa: SIM401 - looking up is what copies


def _copy_subaccount(subaccount: Subaccount) -> Subaccount:
    twin = copy(subaccount)
    twin.balances, twin.positions = dict(subaccount.balances), dict(subaccount.positions)
    twin.orders, twin.leverages = dict(subaccount.orders), dict(subaccount.leverages)
    return twin


class Draft:
    """The state as it would be, and the events that lead there."""

    def __init__(self, venue: Venue) -> None:
        self.base = venue
        self.venue = copy(venue)
        self.venue.subaccounts = _CopyOnLookup(venue.subaccounts, _copy_subaccount)
        self.venue.markets = _CopyOnLookup(venue.markets, copy)
        self.venue.assets = _CopyOnLookup(venue.assets, copy)
        self.venue.pools = _CopyOnLookup(venue.pools, copy)
        self.venue.ledger = _CopyOnLookup(venue.ledger, dict)
        self.events: list[AnyEvent] = []

    def emit(self, event: AnyEvent) -> None:
        """Add an event and let the draft reflect it."""
        apply(self.venue, event)
        self.events.append(event)

    def subaccount(self, name: str) -> Subaccount:
        """The draft's copy of a subaccount."""
        return self.venue.subaccounts[name]

    def market(self, name: str) -> Market:
        """The draft's copy of a market."""
        return self.venue.markets[name]

    def move(self, debit: str, credit: str, amount: int, why: str, asset: str = QUOTE) -> None:
        """Move `amount` from `debit` to `credit`; a negative amount moves the other way, zero is no event."""
        if amount < 0:
            debit, credit, amount = credit, debit, -amount
        if amount:
            self.emit(Transfer(debit, credit, asset, amount, why))

    def keep_to_one_pool(self, subaccount: Subaccount, pool: str) -> None:
        """Refuse a position that would spread a trader's subaccount over several pools where the venue forbids it."""
        if not self.venue.policy.exclusive_pools or subaccount.system:
            return
        if any(self.market(held).pool != pool for held in subaccount.positions):
            raise Refusal(Reason.POOLS_MIXED, subaccount.id)

    def refuse_settling(self, market: Market) -> None:
        """Refuse a trade or a liquidation in a market that is in final settlement."""
        if market.settling:
            raise Refusal(Reason.MARKET_SETTLING, market.id)

    def reduces(self, name: str, after: Risk) -> bool:
        """Whether a subaccount short of initial margin only shrank its positions, where the venue asks for that."""
        if self.venue.policy.under_margin != "strict_reduce" or after.free_q >= 0:
            return True
        before, now = self.base.subaccounts[name].positions, self.subaccount(name).positions
        sizes = ((before[held].size_b if held in before else 0, now[held].size_b) for held in now)
        return all(is_smaller(before_b, after_b) for before_b, after_b in sizes)

    def settle_funding(self, name: str, market_id: str) -> None:
        """Book the funding that a position has run up."""
        position, market = self.subaccount(name).positions.get(market_id), self.market(market_id)
        if position is None or position.funding_index == market.funding_index:
            return
        due_q = unsettled_funding_q(market, position, self.venue.policy.rounding)
        self.move(f"funding/{market_id}", f"sub/{name}", due_q, "funding")
        self.emit(FundingSettled(name, market_id, market.funding_index))

    def settle_all_funding(self, name: str) -> None:
        """Book the funding of every position of a subaccount."""
        for market_id in list(self.subaccount(name).positions):
            self.settle_funding(name, market_id)

    def fill(
        self, market_id: str, name: str, counterparty: str, size_b: int, received_q: int, why: str
    ) -> None:
        """`name` changes by `size_b` lots and receives `received_q` quote; the counterparty does the opposite."""
        for who in (name, counterparty):
            self.settle_funding(who, market_id)
        withheld = (
            self._withhold(market_id, name, counterparty, size_b, received_q),
            self._withhold(market_id, counterparty, name, -size_b, -received_q),
        )
        self.move(f"sub/{counterparty}", f"sub/{name}", received_q, why)
        self._change(market_id, name, size_b, -received_q)
        self._change(market_id, counterparty, -size_b, received_q)
        self.move(f"sub/{name}", f"sub/{counterparty}", withheld[0] - withheld[1], "profit_cap")

    def _withhold(self, market_id: str, name: str, payer: str, size_b: int, received_q: int) -> int:
        """What the liquidity behind a market keeps of the profit that a fill with it realizes for a trader."""
        market, trader = self.market(market_id), self.subaccount(name)
        if market.solvency is None or payer != market_subaccount(market_id) or trader.system:
            return 0
        held, price = trader.positions.get(market_id), risk_price(self.venue, market)
        return withheld_of_fill_q(self.venue, market, held, size_b, received_q, price)

    def _change(self, market_id: str, name: str, size_b: int, paid_q: int) -> None:
        held = self.subaccount(name).positions.get(market_id)
        self.emit(PositionChanged(name, market_id, size_b, cost_change_q(held, size_b, paid_q)))

    def sweep(self, name: str) -> None:
        """A flat subaccount without orders and without debt hands what is left to its parent."""
        subaccount = self.subaccount(name)
        if subaccount.parent is None or subaccount.positions or subaccount.orders or subaccount.quote_q < 0:
            return
        for asset, amount in sorted(subaccount.balances.items()):
            if amount > 0:
                self.move(f"sub/{name}", f"sub/{subaccount.parent}", amount, "margin_returned", asset)


def cost_change_q(held: Position | None, size_b: int, paid_q: int) -> int:
    """Change of a position's cost when `size_b` lots are added for `paid_q` (negative: received)."""
    if held is None or (held.size_b > 0) == (size_b > 0):
        return paid_q
    if abs_(size_b) <= abs_(held.size_b):
        return -released_cost_q(held.cost_q, held.size_b, abs_(size_b))
    opened_q = paid_q - mul_div_down(paid_q, abs_(held.size_b), abs_(size_b))
    return opened_q - held.cost_q
