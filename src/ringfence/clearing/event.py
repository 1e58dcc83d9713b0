"""What happened. Every movement of money is a `Transfer`; every change of lots is a `PositionChanged`.

The remaining events change no balance: they set prices and parameters, or state why the money moved.
"""

from msgspec import Struct

from .command import SetGrids, SetPrices
from .policy import Policy, Requirement


class Event(Struct, frozen=True, tag=True):
    """Base of all events."""


class Transfer(Event, frozen=True):
    """`amount` >= 0 atoms of `asset` leave ledger account `debit` and enter `credit`; `why` names the reason.

    Ledger accounts are `sub/<subaccount>` and those of `model.Venue.ledger`.
    """

    debit: str
    credit: str
    asset: str
    amount: int
    why: str


class SubaccountOpened(Event, frozen=True):
    """A subaccount exists from here on."""

    subaccount: str
    account: str
    parent: str | None
    system: bool


class PositionChanged(Event, frozen=True):
    """Lots and cost of a position changed by these signed amounts; at zero lots the position is gone."""

    subaccount: str
    market: str
    size_delta_b: int
    cost_delta_q: int


class FundingSettled(Event, frozen=True):
    """A position's funding is settled up to `index`."""

    subaccount: str
    market: str
    index: int


class FundingAccrued(Event, frozen=True):
    """The funding index of a market moved."""

    market: str
    index: int


class OrderReserved(Event, frozen=True):
    """Margin is held for an order."""

    subaccount: str
    order: str
    market: str
    size_b: int


class OrderReleased(Event, frozen=True):
    """Margin is held for `size_b` lots less; an order without lots is gone."""

    subaccount: str
    order: str
    size_b: int


class LeverageSet(Event, frozen=True):
    """A leverage was chosen."""

    subaccount: str
    market: str
    num: int
    den: int


class PricesSet(Event, frozen=True):
    """Clock and prices moved."""

    prices: SetPrices


class GridsSet(Event, frozen=True):
    """Options have new prices in scenarios."""

    grids: SetGrids


class Expired(Event, frozen=True):
    """An option was settled: each lot bought was paid `payoff` price quanta of the underlying."""

    market: str
    price: int
    payoff: int
    holders: int


class Liquidated(Event, frozen=True):
    """Lots were closed by liquidation, at `price`.

    `fee_q` was charged to the subaccount; `loss_q` is what the fill fell short of the bankruptcy price, paid by the
    insurance fund or left as bad debt of the market's pool. One of the two is zero unless fees are charged in full.
    """

    subaccount: str
    market: str
    size_b: int
    price: int
    notional_q: int
    fee_q: int
    loss_q: int
    cooldown_until_ms: int


class Flagged(Event, frozen=True):
    """Everything a subaccount had was seized; its positions stay, at what they cost, until windows let them go."""

    subaccount: str
    equity_q: int


class AuctionStarted(Event, frozen=True):
    """A subaccount is under auction from `started_ms` on; in an `insolvent` one bidders are paid."""

    subaccount: str
    started_ms: int
    insolvent: bool


class SliceSold(Event, frozen=True):
    """A bidder took a share of a subaccount worth `worth_q` and paid `price_q` for it (negative: was paid)."""

    subaccount: str
    bidder: str
    share_wad: int
    worth_q: int
    price_q: int


class AuctionEnded(Event, frozen=True):
    """A subaccount is no longer under auction."""

    subaccount: str


class TakenOver(Event, frozen=True):
    """A subaccount's positions and collateral went to a backstop."""

    subaccount: str
    backstop: str
    equity_q: int


class Deleveraged(Event, frozen=True):
    """`size_b` lots of a loser were closed by deleveraging; winners gave up `loss_q` against the present price."""

    subaccount: str
    market: str
    size_b: int
    loss_q: int
    winners: int


class PoolRelieved(Event, frozen=True):
    """Winners of one side closed `size_b` lots against the liquidity behind the market, which paid them `paid_q`."""

    market: str
    is_long: bool
    size_b: int
    paid_q: int
    winners: int


class LossSocialized(Event, frozen=True):
    """Bad debt was spread over others."""

    pool: str
    amount_q: int


class InsolvencySeen(Event, frozen=True):
    """A subaccount with negative equity was seen; its pool's withdrawals close for a while."""

    pool: str
    gated_until_block: int


class OutageSeen(Event, frozen=True):
    """No block came for too long; all withdrawals close for a while."""

    gated_until_block: int


class MarketSettling(Event, frozen=True):
    """A market is in final settlement."""

    market: str


class RequirementChanged(Event, frozen=True):
    """A market's margin requirement is new."""

    market: str
    requirement: Requirement
    minimum_margin_q: int


class PolicyChanged(Event, frozen=True):
    """The venue's policy is new."""

    policy: Policy


AnyEvent = (
    Transfer
    | SubaccountOpened
    | PositionChanged
    | FundingSettled
    | FundingAccrued
    | OrderReserved
    | OrderReleased
    | LeverageSet
    | PricesSet
    | GridsSet
    | Expired
    | Liquidated
    | Flagged
    | AuctionStarted
    | SliceSold
    | AuctionEnded
    | TakenOver
    | Deleveraged
    | PoolRelieved
    | LossSocialized
    | InsolvencySeen
    | OutageSeen
    | MarketSettling
    | RequirementChanged
    | PolicyChanged
)
