"""The nouns of the clearinghouse: markets, assets, subaccounts, collateral pools. Their rules stand in `policy`.

*Margin mode is a partition*: an account's positions are split into subaccounts and each subaccount is judged alone.
Isolated is one position per subaccount, cross is one subaccount for everything, hybrid is any split between; nothing
here knows which of them it is looking at. The venue's own ring fence is the collateral pool with its insurance fund:
every market belongs to one, and a loss nobody pre-funded is charged to the pool of the market that made it.

Units: `_q` quote atoms (1e-6 USD), `_b` base atoms, `price` whole price quanta of the market, `_ppm` parts per million.
A subaccount stores `quote = cash - side * basis` in its quote balance, so PnL is never booked and the sum of all
balances never changes.
"""

from typing import Literal

from msgspec import Struct, field

from ..rules.words import PPM, WAD
from .policy import CloseCost, Policy, Requirement, Sided, Solvency, Tiered, Window

QUOTE = "USDC"
"""The asset in which every market settles."""


class Scale(Struct, frozen=True, array_like=True):
    """Worth of one base atom at one price quantum: `num / den` quote atoms."""

    num: int
    den: int


class Option(Struct, frozen=True):
    """A European option, settled in cash: lots are those of the underlying, the strike is in its price quanta."""

    underlying: str
    strike: int
    call: bool
    expiry_ms: int


class Grid(Struct, frozen=True):
    """Prices of an option in every scenario of the policy, rounded down for who holds it and up for who wrote it."""

    low: tuple[int, ...]
    high: tuple[int, ...]


class Term(Struct, frozen=True, array_like=True):
    """What one expiry is worth (or owes) counts for in scenarios, over the denominator of the policy's rule."""

    expiry_ms: int
    gain_num: int
    debt_num: int
    forward: int = 0
    """Price of the underlying for that day, in its price quanta; 0 for its index price."""


class Side(Struct, frozen=True, array_like=True):
    """What traders (not system subaccounts) together hold on one side of a market: signed lots and what they cost."""

    size_b: int = 0
    cost_q: int = 0

    def changed(self, size_b: int, cost_q: int) -> "Side":
        """The side with lots and cost added."""
        return Side(self.size_b + size_b, self.cost_q + cost_q)


class Closing(Struct, frozen=True, array_like=True):
    """Lots of a market that liquidations closed at once, and when."""

    time_ms: int
    block: int
    size_b: int


class Market(Struct):
    """One perpetual future, or one option on another market. Prices are set by commands and are 0 until then."""

    id: str
    scale: Scale
    requirement: Requirement
    pool: str
    base_decimals: int = 0
    price_decimals: int = 0
    step_b: int = 1
    minimum_margin_q: int = 0
    """Part of initial and maintenance margin of every open position, as `minimum_margin_as` says."""
    minimum_margin_as: Literal["added", "floor", "floor_with_fees"] = "added"
    """Added to the requirement; or its floor, to which the cost of closing is added; or, with that cost, its floor."""
    close_cost: CloseCost | None = None
    solvency: Solvency | None = None
    longs: Side = Side()
    """What traders hold on a side; counted where `solvency` asks."""
    shorts: Side = Side()
    leverage_checked: Literal["always", "opening"] = "always"
    """Whether a chosen leverage may exceed what the rate of initial margin allows once the position is open; initial
    margin is then the notional over it, below the rate (Hyperliquid)."""
    mark: int = 0
    index: int = 0
    previous_mark: int = 0
    funding_index: int = 0
    open_interest_b: int = 0
    """Lots held long (equal to the lots held short)."""
    margin_locked: bool = False
    """Whoever holds a position here cannot take margin out; it comes back in proportion as the position is closed."""
    settling: bool = False
    """In final settlement: nobody trades or is liquidated, and positions are closed against each other at the mark, or
    at the bankruptcy price of who has negative equity."""
    window: Window | None = None
    closings: tuple[Closing, ...] = ()
    """What liquidations closed within the window."""
    confidence_ppm: int = PPM
    """How sure the source of the mark is; only rules that charge for doubt look at it."""
    index_confidence_ppm: int = PPM
    option: Option | None = None
    grid: Grid | None = None
    """An option's prices in scenarios."""
    terms: tuple[Term, ...] = ()
    """What the expiries of this market's options count for in scenarios."""


class Asset(Struct):
    """A collateral asset other than the quote asset. The haircut table is a `Tiered` read through its maintenance."""

    id: str
    scale: Scale
    haircut: Tiered
    decimals: int = 0
    price_decimals: int = 0
    price: int = 0
    conversion_discount_ppm: int = 0
    """Taken off the index price when the venue sells this collateral to cover a debt."""
    bonus_ppm: int = 0
    """Who buys it then gets so much more of it."""
    bonus_fee_ppm: int = 0
    """The venue's part of that bonus."""
    weights: Sided | None = None
    """Where equity counts the asset whole and both margins ask a share of its worth; without them it cannot be owed."""
    lent: bool = True
    """Whether an asset with weights may be owed."""
    market: str = ""
    """The market whose price it follows in questions about other prices; empty for none."""
    confidence_ppm: int = PPM

    @property
    def may_be_owed(self) -> bool:
        """Whether a subaccount's balance of it may be negative."""
        return self.weights is not None and self.lent


class Position(Struct, frozen=True):
    """Signed lots, what they cost (signed; for entry price and PnL) and the funding index they are settled to."""

    size_b: int
    cost_q: int
    funding_index: int


class Order(Struct, frozen=True):
    """Lots that a resting order may still add, signed; margin is held for the worse side."""

    market: str
    size_b: int


class Leverage(Struct, frozen=True, array_like=True):
    """Leverage chosen for a market, as a fraction."""

    num: int
    den: int


class LiveAuction(Struct, frozen=True):
    """An auction that is on: since when, whether bidders are paid, and what bidders have paid, no longer for sale."""

    started_ms: int
    insolvent: bool
    reserved_q: int = 0


class Subaccount(Struct):
    """Positions and balances judged together.

    A subaccount with a `parent` draws the margin of what it opens from it and hands back what is left when it is flat.
    A `system` subaccount (the market's counterparty, a backstop, a pool) is never judged, ranked or counted.
    """

    id: str
    account: str
    parent: str | None = None
    system: bool = False
    balances: dict[str, int] = field(default_factory=dict)
    positions: dict[str, Position] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    leverages: dict[str, Leverage] = field(default_factory=dict)
    cooldown_until_ms: int = 0
    """End of the cooldown that the last partial liquidation started."""
    block: int = 0
    block_liquidated_q: int = 0
    block_insured_q: int = 0
    auction: LiveAuction | None = None
    """While it is on, nothing leaves but what bidders take, and positions may only shrink."""
    flagged: bool = False
    """All it had was seized; what remains is closed by liquidation and nothing else, until nothing is left."""

    @property
    def quote_q(self) -> int:
        """The quote balance."""
        return self.balances.get(QUOTE, 0)


class CollateralPool(Struct):
    """Which markets share a loss that nobody pre-funded; its insurance fund is the ledger account `fund/<id>`."""

    id: str
    gated_until_block: int = 0


class Venue(Struct):
    """The whole state. Only `clearing.apply` changes it."""

    policy: Policy = Policy()
    markets: dict[str, Market] = field(default_factory=dict)
    assets: dict[str, Asset] = field(default_factory=dict)
    pools: dict[str, CollateralPool] = field(default_factory=dict)
    subaccounts: dict[str, Subaccount] = field(default_factory=dict)
    ledger: dict[str, dict[str, int]] = field(default_factory=dict)
    """Balances of no subaccount: `fund/<pool>`, `debt/<pool>` (bad debt, negative), `fees`, `funding/<market>`,
    `rounding` and `outside` (minus all that was ever deposited and not withdrawn)."""
    quote_wad: int = WAD
    """What the quote asset is worth in the unit that it stands for; only rules that ask for its peg look at it."""
    time_ms: int = 0
    block: int = 0
    block_liquidations: int = 0
    block_deleveragings: int = 0
    gated_until_block: int = 0
    """Withdrawals from all pools are closed until this block: the chain had stood still."""

    def fund_q(self, pool: str) -> int:
        """What the insurance fund of `pool` holds."""
        return self.balance_q(f"fund/{pool}")

    def debt_q(self, pool: str) -> int:
        """Bad debt of `pool` that no step of the waterfall has paid yet."""
        return -self.balance_q(f"debt/{pool}")

    def balance_q(self, account: str) -> int:
        """Quote balance of a ledger account outside the subaccounts."""
        return self.ledger.get(account, {}).get(QUOTE, 0)


def market_subaccount(market: str) -> str:
    """Id of the system subaccount that takes the other side of liquidation fills in `market`."""
    return f"market/{market}"
