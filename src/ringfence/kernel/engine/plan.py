"""What of a venue the engine decides itself, and why the rest is left to the reference."""

from typing import NamedTuple

from ...clearing import command as cmd
from ...clearing.model import QUOTE, Venue, market_subaccount
from ...clearing.policy import Policy
from ...clearing.portfolio import priced

MONEY = (cmd.Deposit, cmd.FundInsurance)
MARGIN = (cmd.Withdraw, cmd.TransferMargin, cmd.Trade)
LOSSES = (cmd.Liquidate, cmd.TakeOver, cmd.DrawInsurance, cmd.Deleverage, cmd.Socialize)
FRAME = (cmd.SetPrices, cmd.SetGrids, cmd.AccrueFunding)
"""Commands about markets alone, which the reference decides without looking at a single subaccount."""


class Plan(NamedTuple):
    """Commands decided on arrays, and a sentence for everything that is not."""

    compiled: frozenset[type]
    reasons: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether the reference decides everything."""
        return not self.compiled


def plan_of(venue: Venue) -> Plan:
    """The plan for a venue with its policy and markets as they are now."""
    whole = [*_of_policy(venue.policy), *_of_state(venue)]
    if whole:
        return Plan(frozenset(), tuple(whole))
    compiled, reasons = {*MONEY, *MARGIN, *LOSSES}, []
    close = venue.policy.liquidation
    if close.auction is not None or close.size == "window":
        compiled.difference_update(LOSSES)
        how = "by auction" if close.auction is not None else "at the pace of windows"
        reasons.append(f"subaccounts are closed {how}, so the reference decides the loss waterfall")
    paced = (market.id for market in venue.markets.values() if market.window is not None)
    reasons += [f"a window paces liquidations of {name}: the reference decides them" for name in paced]
    return Plan(frozenset(compiled), tuple(reasons))


def _of_policy(policy: Policy) -> list[str]:
    """Why nothing of a venue with this policy is compiled."""
    found = []
    numbers = (
        policy.overdraft_q,
        policy.initial_profit_cap_q,
        *_integers(policy),
        *_integers(policy.liquidation),
    )
    if any(number is not None and abs(number) >= 1 << 62 for number in numbers):
        found.append("a limit of the policy takes more than 62 bits")
    return found


def _integers(record: object) -> list[int]:
    fields: tuple[str, ...] = record.__struct_fields__  # type: ignore[attr-defined]
    values = (getattr(record, name) for name in fields)
    return [value for value in values if isinstance(value, int)]


def _of_state(venue: Venue) -> list[str]:
    """Why nothing of a venue with these markets and balances is compiled."""
    found = [
        f"the liquidity behind {market.id}, which caps what traders are paid, is a trader itself"
        for market in venue.markets.values()
        if market.solvency is not None and is_trader(venue, market_subaccount(market.id))
    ]
    found += [
        f"{market.id} has positions and no prices in scenarios"
        for market in venue.markets.values()
        if market.open_interest_b > 0 and not priced(venue.policy, market)
    ]
    stated = (name for name, sub in venue.subaccounts.items() if 0 in sub.balances.values())
    found += [f"{name} holds a stated balance of nothing" for name in stated]
    if QUOTE in venue.assets:
        found.append(f"{QUOTE} is listed as collateral beside the quote asset")
    return found


def is_trader(venue: Venue, name: str) -> bool:
    """Whether there is a subaccount of this name and it is not the venue's own."""
    return name in venue.subaccounts and not venue.subaccounts[name].system
