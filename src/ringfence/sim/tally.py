"""What happened in a run: counts and sums taken from the engine's events, never recomputed from balances."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from ringfence.clearing import command as cmd
from ringfence.clearing.event import AnyEvent, Deleveraged, Liquidated, LossSocialized, TakenOver, Transfer
from ringfence.clearing.model import Venue
from ringfence.clearing.risk import equity_q
from ringfence.sim.partition import Plan


@dataclass(frozen=True, slots=True)
class Liquidation:
    """One liquidation fill."""

    ts_ms: int
    account: str
    subaccount: str
    market: str
    notional_q: int
    fee_q: int
    loss_q: int
    owner_solvent: bool
    """The account had positive equity in its other subaccounts when the loss was made."""


@dataclass
class Tally:
    """Running record of one run."""

    liquidations: list[Liquidation] = field(default_factory=list)
    insurance_drawn_q: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    deleveraged_q: int = 0
    deleveraging_loss_q: int = 0
    deleveraged_winners: int = 0
    socialized_q: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    taken_over: int = 0
    margin_calls: int = 0
    margin_actions: int = 0
    flows_q: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    """Quote that an account received (negative: paid) for a market's position since entry."""
    window_wealth_q: dict[str, int] = field(default_factory=dict)
    final_wealth_q: dict[str, int] = field(default_factory=dict)
    _subaccounts: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def record(self, venue: Venue, command: cmd.AnyCommand, events: Iterable[AnyEvent]) -> None:
        """Take down an accepted command."""
        market = getattr(command, "market", "")
        for event in events:
            match event:
                case Liquidated():
                    self._liquidated(venue, event)
                case Deleveraged():
                    self.deleveraging_loss_q += event.loss_q
                    self.deleveraged_winners += event.winners
                    self._deleveraged(venue, event)
                case LossSocialized():
                    self.socialized_q[event.pool] += event.amount_q
                case TakenOver():
                    self.taken_over += 1
                case Transfer():
                    self._transfer(venue, event, market)
                case _:
                    pass

    def _liquidated(self, venue: Venue, event: Liquidated) -> None:
        account = venue.subaccounts[event.subaccount].account
        solvent = event.loss_q > 0 and self._wealth_elsewhere_q(venue, account, event.subaccount) > 0
        self.liquidations.append(
            Liquidation(
                venue.time_ms,
                account,
                event.subaccount,
                event.market,
                event.notional_q,
                event.fee_q,
                event.loss_q,
                solvent,
            )
        )

    def _wealth_elsewhere_q(self, venue: Venue, account: str, subaccount: str) -> int:
        """Equity of an account's other subaccounts."""
        if not self._subaccounts:
            for name, held in venue.subaccounts.items():
                self._subaccounts[held.account].append(name)
        others = (venue.subaccounts[name] for name in self._subaccounts[account] if name != subaccount)
        return sum(equity_q(venue, other) for other in others)

    def _deleveraged(self, venue: Venue, event: Deleveraged) -> None:
        market = venue.markets[event.market]
        self.deleveraged_q += event.size_b * market.mark * market.scale.num // market.scale.den

    def _transfer(self, venue: Venue, event: Transfer, market: str) -> None:
        if event.why in ("margin_posted", "margin_returned"):
            return
        if event.debit.startswith("fund/"):
            self.insurance_drawn_q[event.debit[5:]] += event.amount
        for side, sign in ((event.debit, -1), (event.credit, 1)):
            if side.startswith("sub/"):
                self.flows_q[venue.subaccounts[side[4:]].account, market] += sign * event.amount

    def close(self, venue: Venue, plans: Iterable[Plan], *, at_window: bool) -> None:
        """Note every account's wealth: equity of all its subaccounts and what it kept outside."""
        wealth = self.window_wealth_q if at_window else self.final_wealth_q
        by_account: dict[str, int] = defaultdict(int)
        for subaccount in venue.subaccounts.values():
            by_account[subaccount.account] += equity_q(venue, subaccount)
        for plan in plans:
            wealth[plan.account.id] = by_account[plan.account.id] + plan.outside_q
