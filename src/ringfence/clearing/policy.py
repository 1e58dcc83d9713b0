"""The rules of a venue as data: what a position must be backed by, and how the venue deals with who lacks it.

First the shapes that a margin requirement can have, each read by `clearing.shapes`, and what a market adds to it; then
the procedures (liquidation, auction, deleveraging), and the policy that binds them. Rates are numerators over a shape's
own `den`, or `_ppm`; zero switches a limit off.
"""

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from .set_rules import SetRule


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


class CloseCost(Struct, frozen=True):
    """Estimated cost of closing that maintenance margin asks for too; see `rules.requirement.close_cost_q`."""

    num: int
    den: int
    lower_q: int = 0
    upper_q: int = 0
    of: Literal["notional", "cost"] = "notional"
    in_initial: bool = True
    """Whether initial margin asks for it as well."""


class Solvency(Struct, frozen=True):
    """What the liquidity behind a market may owe one side, as shares of half its worth; see `clearing.liquidity`."""

    cap_ppm: int
    """Most that a side is paid of its profit; beyond it every winner gets the same share."""
    trigger_ppm: int
    """Winners may be closed while a side is owed more than this ..."""
    floor_ppm: int
    """... and only as long as it is owed no less than this."""


class Window(Struct, frozen=True):
    """The pace of a market: for each second its fees' share of the depth, as often as the multiplier says."""

    depth_b: int
    """The market's skew scale."""
    fees_ppm: int
    """Maker and taker fee together."""
    multiplier_ppm: int
    length_ms: int
    premium_ppm: int = 0
    """An exhausted window opens once more per block while skew over depth is below this; 0 is never."""

    def on_grid(self, base: int) -> "Window":
        """The window where one base atom became `base` of them."""
        return replace(self, depth_b=self.depth_b * base)


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
    under_margin: Literal["ratio", "strict_reduce", "free_reduce"] = "ratio"
    """What a change may do that leaves a subaccount short of initial margin: anything that makes it no riskier, or only
    shrink positions on their side (StarkEx), or also what `clearing.reducing` says cannot make it worse (Derive)."""
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
