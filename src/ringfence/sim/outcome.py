"""What a run leaves behind, as columns in the order of its flow: the one form that all figures are measured from."""

from collections.abc import Mapping
from dataclasses import dataclass

from ringfence.sim.balance import BoolArray, IntArray


@dataclass(frozen=True, eq=False)
class Fills:
    """Liquidation fills in the order in which they happened."""

    ts_ms: IntArray
    account: IntArray
    """Place of the owner in the flow."""
    market: IntArray
    """Index into the flow's markets."""
    notional_q: IntArray
    fee_q: IntArray
    loss_q: IntArray
    owner_solvent: BoolArray
    """The account had positive equity in its other subaccounts when the loss was made."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """Of a flow with `N` accounts and `L` legs, amounts in quote atoms."""

    fills: Fills
    window_wealth_q: IntArray
    """(N,) equity of all subaccounts and what was kept outside, at the end of the window"""
    final_wealth_q: IntArray
    """(N,) the same at the end of the path"""
    gain_q: IntArray
    """(L,) profit of every position since entry"""
    insurance_drawn_q: int
    deleveraged_q: int
    deleveraging_loss_q: int
    socialized_q: int
    debt_left_q: int
    margin_calls: int
    margin_actions: int
    parties_q: Mapping[str, int]
    """What everybody but the traders ends with: system subaccounts, funds, unpaid bad debt."""
    positions: int
    """How many positions are left; each is worth a fraction of an atom more than its rounded worth says."""
    subaccounts: int
    """How many subaccounts there are, the system's included."""


@dataclass(frozen=True, eq=False)
class Standing:
    """What entering a mode asks of each of `G` groups of positions (each becomes a subaccount), in quote atoms."""

    is_main: BoolArray
    positions: IntArray
    money_q: IntArray
    """Collateral put behind it."""
    posted_q: IntArray
    """What its legs ask at the leverage that their owner chose."""
    initial_q: IntArray
    """Initial margin at no chosen leverage, at the open interest after entry."""
    survival_q: IntArray
    """Least collateral that survives the path."""
    outside_q: int
    """Kept outside the venue, by all accounts."""
    unit: tuple[int, int]
    """Notional and initial margin of some lots of the first market."""
