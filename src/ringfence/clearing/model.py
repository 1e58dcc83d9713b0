"""The nouns of the clearinghouse: markets, subaccounts, collateral pools and the policy that binds them.

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
from .pace import Closing, Window
from .set_rules import SetRule
from .sides import Side, Solvency

QUOTE = "USDC"
"""The asset in which every market settles."""


class Scale(Struct, frozen=True, array_like=True):
    """Worth of one base atom at one price quantum: `num / den` quote atoms."""

    num: int
    den: int


class Tier(Struct, frozen=True, array_like=True):
    """From `lower_q` of notional on: margin rates over the table's denominator. See `rules.requirement.tiered_q`."""

    lower_q: int
    initial_num: int
    maintenance_num: int
    deduction: int


class Tiered(Struct, frozen=True, tag=True):
    """Margin table: initial margin at the tier's rate on the whole notional, maintenance marginal (with deduction)."""

    tiers: tuple[Tier, ...]
    den: int


class OpenInterestScaled(Struct, frozen=True, tag=True):
    """dYdX v4: initial margin grows with the market's open interest, maintenance is a share of the base initial."""

    initial_ppm: int
    maintenance_fraction_ppm: int
    lower_q: int
    upper_q: int


class Step(Struct, frozen=True, array_like=True):
    """From `lower` on (quote atoms of notional or base atoms of size): rates that count for the whole position."""

    lower: int
    initial_num: int
    maintenance_num: int


class Stepped(Struct, frozen=True, tag=True):
    """Rates that jump with a position's notional or size (StarkEx, ApeX, dYdX v3): not marginal, not continuous."""

    steps: tuple[Step, ...]
    den: int
    by: Literal["notional", "size"] = "notional"


class SkewScaled(Struct, frozen=True, tag=True):
    """Synthetix: rates that grow with size against the depth of the market; see `rules.requirement.skew_rate_num`."""

    scale_b: int
    initial_num: int
    initial_slope_num: int
    maintenance_num: int
    maintenance_slope_num: int
    den: int
    initial_cap_num: int = 0
    maintenance_cap_num: int = 0
    """A cap of zero is none."""


class Sided(Struct, frozen=True, tag=True):
    """Vertex, Mango: rates of longs and of shorts, 1 less the asset weight and the liability weight less 1."""

    long_initial_num: int
    long_maintenance_num: int
    short_initial_num: int
    short_maintenance_num: int
    den: int


class RootScaled(Struct, frozen=True, tag=True):
    """Drift: rates with a premium that grows with the square root of size; see `rules.requirement.root_rate_num`."""

    initial_num: int
    maintenance_num: int
    factor_num: int
    den: int
    unit_b: int
    """One base unit in atoms."""
    factor_den: int = 1_000_000


class CostShare(Struct, frozen=True, tag=True):
    """GMX: a share of what the position cost, whatever it is worth now."""

    initial_num: int
    maintenance_num: int
    den: int
    open_num: int = 0
    open_den: int = 1
    """Initial margin is at least this rate per quote atom of the market's open interest."""


Requirement = Tiered | OpenInterestScaled | Stepped | SkewScaled | Sided | RootScaled | CostShare


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


class CloseCost(Struct, frozen=True):
    """Estimated cost of closing that maintenance margin asks for too; see `rules.requirement.close_cost_q`."""

    num: int
    den: int
    lower_q: int = 0
    upper_q: int = 0
    of: Literal["notional", "cost"] = "notional"
    in_initial: bool = True
    """Whether initial margin asks for it as well."""


class Rounding(Struct, frozen=True):
    """Direction of each division, as the rulebook says (`rules.words`: 0 floor, 1 ceil, 2 towards zero)."""

    value: int = 0
    notional: int = 1
    requirement: int = 1
    funding: int = 0


class Auction(Struct, frozen=True):
    """Sale of a whole subaccount slice by slice, for a price that falls with time; see `rules.auction`.

    A slice costs a share of its worth: from `start_ppm` to `cutoff_ppm` in `fast_ms`, from there to nothing in
    `slow_ms`. A worthless one brings its taker money, up to the missing maintenance margin after `insolvent_ms`.
    """

    start_ppm: int
    cutoff_ppm: int
    fast_ms: int
    slow_ms: int
    insolvent_ms: int
    buffer_ppm: int = 0
    """Share of maintenance margin by which a solvent auction lifts a subaccount above it."""
    fee_ppm: int = 0
    """Share of what could be sold at full worth that starting a solvent auction costs."""


class Liquidation(Struct, frozen=True):
    """The liquidation procedure as data; zero switches a limit off."""

    size: Literal["full", "portion", "target", "window"] = "full"
    """`window`: everything is seized at once and positions are closed at the pace of their markets' windows."""
    portion_ppm: int = 1_000_000
    portion_of: Literal["position", "account", "debt"] = "position"
    """What the portion is a share of: the position, the notional of all positions (taken from one), or the quote that
    is owed (repaid by selling collateral)."""
    portion_above_q: int = 0
    """Positions of at most this notional are closed whole; larger ones by `portion_ppm` first."""
    portion_floor_ppm: int = 0
    """With equity below this share of maintenance margin a position is closed whole."""
    portion_health_ppm: int = 0
    """At this health factor or below a debt is repaid whole."""
    leftover_q: int = 0
    """Repaying a portion of a debt leaves at least this much of it and of the collateral sold, or nothing of one."""
    portion_once: bool = False
    """The portion is a first slice: during the cooldown that it starts, everything is closed whole."""
    minimum_q: int = 0
    """A portion is never smaller than this notional."""
    target_ppm: int = 1_000_000
    """`target`: close until equity reaches this share of a margin (the liquidation-end margin)."""
    target_of: Literal["maintenance", "initial"] = "maintenance"
    buffer_ppm: int = 0
    """Share of the notional that the liquidation-end margin asks on top."""
    cooldown_ms: int = 0
    limit: Literal["none", "fillable"] = "none"
    adjustment_ppm: int = 1_000_000
    spread_ppm: int = 0
    fee_ppm: int = 0
    fee_of: Literal["notional", "cost", "maintenance"] = "notional"
    """What the fee is a share of: what the fill is worth, what the lots cost, or the maintenance margin they free."""
    fee_to_fund_ppm: int = 1_000_000
    fee_in_full: bool = False
    """The fee is charged even where less is left: that makes the loss larger, and the fund then gets no part of it."""
    block_liquidations: int = 0
    block_deleveragings: int = 0
    block_subaccount_q: int = 0
    block_insurance_q: int = 0
    remainder: Literal["subaccount", "fund", "fees"] = "subaccount"
    """Who keeps what is left in a subaccount whose last position was closed by a liquidation."""
    remainder_least_q: int = 0
    """A remainder worth less than this is kept by the market's counterparty instead."""
    backstop_num: int = 0
    backstop_den: int = 1
    """A subaccount whose equity is below this share of maintenance margin goes to the backstop."""
    auction: Auction | None = None
    """Subaccounts are sold by auction, and by nothing else."""


class Deleveraging(Struct, frozen=True):
    """How winners are chosen and at which price they are closed; see `clearing.adl`."""

    policy: Literal["ranked", "pro_rata", "cyclic"] = "ranked"
    score: Literal["profit_leverage", "index", "index_literal", "profit_margin"] = "profit_leverage"
    price: Literal["bankruptcy", "mark", "previous_mark"] = "bankruptcy"
    scan_max: int = 0


class Policy(Struct, frozen=True):
    """Everything about a venue that is not a market: directions, prices, procedures, fees."""

    rounding: Rounding = Rounding()
    risk_price: Literal["mark", "index"] = "mark"
    trigger_at_equality: bool = False
    withdrawal_floor_ppm: int = 0
    overdraft_q: int | None = None
    """Most quote that a subaccount may owe before its collateral is converted, even where its margin suffices."""
    initial_profit_cap_q: int | None = None
    """Most unrealized profit that counts towards initial margin; `None` counts all of it."""
    initial_profit_cap_of: Literal["position", "account"] = "position"
    """Whether the cap is on each position's profit or on what all of them have earned together."""
    account_gating: Literal["none", "maintenance"] = "none"
    """What an order asks of the other subaccounts of its account; see `clearing.gating`."""
    exclusive_pools: bool = False
    """A subaccount may only hold positions whose markets share one collateral pool."""
    under_margin: Literal["ratio", "strict_reduce"] = "ratio"
    """What a change may do that leaves a subaccount short of initial margin: anything that makes it no riskier, or only
    shrink positions on their side (StarkEx)."""
    taker_fee_ppm: int = 0
    maker_fee_ppm: int = 0
    liquidation: Liquidation = Liquidation()
    insurance: Literal["continuous", "all_or_nothing"] = "continuous"
    deleveraging: Deleveraging = Deleveraging()
    waterfall: tuple[Literal["insurance", "counterparty", "deleverage", "socialize"], ...] = (
        "insurance",
        "deleverage",
        "socialize",
    )
    socialize_by: Literal["equity", "open_interest"] = "equity"
    """Who bears a loss: everybody in proportion to equity, or every open lot of the market that made it."""
    withdrawal_gate_blocks: int = 0
    """Withdrawals stay closed for this many blocks after a subaccount with negative equity was seen."""
    outage_ms: int = 0
    """Time without a block after which withdrawals from all pools close for as many blocks; 0 is never."""
    set_rule: SetRule | None = None
    """Asks for a subaccount's positions together what the markets' own requirements ask for each."""


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
