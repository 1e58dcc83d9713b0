"""Margin rules over a set of positions, as data. What they ask is `clearing.portfolio`'s business."""

from typing import Literal

from msgspec import Struct


class StandardTerms(Struct, frozen=True):
    """Rates of the standard rule, over one denominator; see `rules.option_margin`."""

    highest_num: int
    """Initial margin at the money, as a share of the underlying."""
    lowest_num: int
    """Initial margin far out of the money."""
    call_num: int
    """Maintenance margin of a call."""
    put_num: int
    """Maintenance margin of a put, as a share of the underlying."""
    put_mark_num: int
    """... and of its mark; the larger counts."""
    put_floor_num: int
    """Initial margin of a put is never below this multiple of its maintenance margin."""
    den: int
    longs_count: bool = False
    """Whether the worth of options bought covers what else is asked; otherwise it only limits the worst settlement."""
    netted: bool = False
    """Whether the worst settlement of an expiry limits what is asked of it."""
    unpaired_initial_num: int = 0
    unpaired_maintenance_num: int = 0
    """Share of the forward asked for each call sold beyond those bought, where an expiry is netted."""


class Scenario(Struct, frozen=True, array_like=True):
    """One move of an underlying: its price becomes `price_num / den` of itself; `weight_num / den` of it counts.

    How far `vol` shifts volatility is for pricing. With `linear` and `abs` (the smile turns, its wings rise) a gain of
    an expiry counts as a loss, because the shift may as well go the other way.
    """

    price_num: int
    vol: Literal["none", "up", "down", "linear", "abs"]
    weight_num: int


class ScenarioMargin(Struct, frozen=True, tag=True):
    """Portfolio margin: the worst of a set of scenarios per underlying, plus charges; see `clearing.portfolio`.

    All rates are over `den`. Positions, options and the collateral in `assets` offset each other within one underlying,
    and nothing does across two.
    """

    scenarios: tuple[Scenario, ...]
    den: int
    initial_num: int
    """Share of the worst loss that initial margin asks."""
    maintenance_num: int
    perp_initial_num: int = 0
    """Charges on the notional of perps at the index price ..."""
    perp_maintenance_num: int = 0
    option_initial_num: int = 0
    """... of options sold without others of their strike against them ..."""
    option_maintenance_num: int = 0
    asset_initial_num: int = 0
    """... and of the collateral in `assets`, priced in what the quote asset stands for."""
    asset_maintenance_num: int = 0
    scales_charges: bool = False
    """Whether the charges are part of the loss that the shares above multiply."""
    basis_up_num: int = 0
    """Moves of the price alone by which forwards are judged; zero for none."""
    basis_down_num: int = 0
    basis_add_num: int = 0
    basis_yearly_num: int = 0
    peg_below_num: int = 0
    """Below this price of the quote asset the share of initial margin grows by `peg_num` times what is missing."""
    peg_num: int = 0
    doubt_below_num: int = 0
    """Prices with less confidence than this are charged `doubt_num` times their doubt, in initial margin."""
    doubt_num: int = 0
    assets: tuple[str, ...] = ()
    """Collateral that moves with its market in the scenarios."""

    @property
    def charges_basis(self) -> bool:
        """Whether forwards are charged; grids then hold two prices more than there are scenarios."""
        return self.basis_up_num > 0

    @property
    def grid_length(self) -> int:
        """Prices in a grid: one a scenario, and those of the two basis moves."""
        return len(self.scenarios) + (2 if self.charges_basis else 0)


class SpreadCredit(Struct, frozen=True, tag=True):
    """Vertex: collateral held against (or owed for) the perp that it follows offsets it; see `clearing.portfolio`."""

    kept_num: int
    """Share of one leg's rate that a hedged pair is still asked for, on the worth of both legs."""
    kept_den: int


class DebtMargin(Struct, frozen=True, tag=True):
    """Perp v2: initial margin is a share of what is owed, not of what is held; see `clearing.portfolio`.

    Owed is what shorts are worth, and the quote that longs cost as far as shorts did not bring it. Maintenance margin
    is what the markets ask.
    """

    initial_num: int
    initial_den: int


class StandardMargin(Struct, frozen=True, tag=True):
    """Every instrument by itself, options netted per expiry; see `clearing.standard`.

    Perpetuals keep what their markets ask. Options, doubtful prices and a fallen quote asset are added. Rates are over
    the denominator of `options`.
    """

    options: StandardTerms
    doubt_num: int = 0
    """Prices with less confidence than the thresholds are charged this times their doubt, in initial margin."""
    perp_doubt_below_num: int = 0
    option_doubt_below_num: int = 0
    asset_doubt_below_num: int = 0
    peg_below_num: int = 0
    """Below this price of the quote asset short options and perpetuals are charged `peg_num` times what is missing."""
    peg_num: int = 0


SetRule = ScenarioMargin | SpreadCredit | StandardMargin | DebtMargin
"""A margin rule that looks at a set of positions together, not at each alone."""
