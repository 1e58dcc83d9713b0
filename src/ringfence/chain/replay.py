"""An engine's log replayed on the clearinghouse: the same commands as transactions, the same state after each block.

The state that a log starts from is set up by deposits and trades at its marks. From there on every command is a
transaction of whoever would send it, and what the engine decides (fills, fees, losses, refusals and why) is held
against what the contract does. Three things are not one to one: margin that the engine draws from a parent subaccount
or hands back to it is moved by its owner, liquidations of one subaccount in one block go in one transaction, and so do
what a fund pays of a pool's debt and what traders share of the rest.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..clearing import command as cmd
from ..clearing import event as ev
from ..clearing.log import Clearinghouse, Entry
from ..clearing.model import QUOTE, Venue, market_subaccount
from ..clearing.verdict import Accepted, Reason, Rejected, Verdict
from ..errors import InputError
from ..progress import Report, silent
from .node import LocalChain, RevertedError
from .twin import Call, Twin, differing

SHOWN_MAX = 8
"""Differences that are told; one soon leads to others."""

ON_CHAIN = {Reason.PARENT_MARGIN.name: Reason.INITIAL_MARGIN.name}
"""Reasons with another name there: margin that a parent could not post is lacking in the subaccount itself."""

FILL_FIELDS = ("size_b", "price", "notional_q", "fee_q", "loss_q")


class Replayed(NamedTuple):
    """What a replay came to; `gas` holds that of every transaction by the function called."""

    commands: int
    blocks: int
    liquidations: int
    losses: int
    gas: dict[str, list[int]]
    differences: list[str]


def replay(venue: Venue, entries: Iterable[Entry], chain: LocalChain, report: Report = silent) -> Replayed:
    """Replay a log from a state on a chain, to its end or to the first block after which the two differ.

    Raises `InputError` for what the contracts do not have, and for an entry whose hash the engine does not give.
    """
    listed = list(entries)
    opened = {entry.command.account for entry in listed if isinstance(entry.command, cmd.OpenSubaccount)}
    try:
        run = _Run(Clearinghouse(venue), Twin(venue, chain, opened, report))
    except RevertedError as error:
        raise InputError(f"the contracts refuse the state that it starts from: {error}") from None
    for number, entry in enumerate(listed, 1):
        report(number, len(listed), f"{type(entry.command).__name__} on chain")
        try:
            run.follow(entry)
        except InputError as error:
            raise InputError(f"log entry {number}: {error}") from None
        if run.differences:
            break
    run.close_block()
    run.refuse_half()
    run.differ(*run.twin.differences(run.twin.subs))
    return Replayed(
        run.commands,
        run.blocks,
        run.liquidations,
        run.losses,
        dict(run.twin.gas),
        run.differences[:SHOWN_MAX],
    )


class _Run:
    """An engine, the deployment that follows it, and the liquidations that are not sent yet."""

    def __init__(self, engine: Clearinghouse, twin: Twin) -> None:
        self.engine, self.twin = engine, twin
        self.differences: list[str] = []
        self.commands = self.blocks = self.liquidations = self.losses = 0
        self._touched: set[str] = set()
        self._due: list[tuple[cmd.Liquidate, Accepted]] = []
        self._drawn: tuple[str, Accepted] | None = None
        """The pool whose fund has paid, on the engine only so far."""

    def differ(self, *told: str) -> None:
        """Note differences."""
        self.differences += told

    def follow(self, entry: Entry) -> None:
        """Submit a log's entry to the engine and do the same on chain."""
        command = entry.command
        if isinstance(command, cmd.SetPrices):
            self.close_block()
        elif not self._joins(command):
            self._liquidate_due()
        if command != cmd.Socialize(self._drawn[0] if self._drawn else ""):
            self.refuse_half()
        call = self._call_of(command)
        verdict = self.engine.submit(command)
        if self.engine.head != entry.hash:
            raise InputError(f"hash is {entry.hash}, the engine gives {self.engine.head}")
        self.commands += 1
        self._do(command, call, verdict)
        self._touched |= _touched_by(verdict) & self.twin.subs.keys()

    def refuse_half(self) -> None:
        """Raise `InputError` where a fund paid and the rest was not shared next: on chain that is one call."""
        if self._drawn:
            raise InputError(f"DrawInsurance of {self._drawn[0]}: expected Socialize next")

    def close_block(self) -> None:
        """Send what is still due and compare whoever was touched."""
        self._liquidate_due()
        if self._touched:
            self.blocks += 1
            self.differ(*self.twin.differences(sorted(self._touched)))
            self._touched = set()

    def _do(self, command: cmd.AnyCommand, call: Call | None, verdict: Verdict) -> None:
        if isinstance(command, cmd.Liquidate) and isinstance(verdict, Accepted):
            self._due.append((command, verdict))
        elif isinstance(command, cmd.DrawInsurance) and isinstance(verdict, Accepted):
            self._drawn = command.pool, verdict
        elif isinstance(command, cmd.Socialize) and call is not None:
            self._both(call, self._drawn[1] if self._drawn and isinstance(verdict, Rejected) else verdict)
            self._drawn = None
        elif call is not None:
            self._liquidate_due()  # a liquidation that is refused comes after those that were not
            self._sweep(verdict, "margin_posted")
            self._both(call, verdict)
            self._sweep(verdict, "margin_returned")
        elif isinstance(command, cmd.SetPrices) and isinstance(verdict, Accepted):
            self.twin.move(command.time_ms, command.marks)
        elif isinstance(command, cmd.OpenSubaccount) and isinstance(verdict, Accepted) and not command.system:
            self.twin.open(command.subaccount, command.account)

    def _both(self, call: Call, verdict: Verdict) -> None:
        """The contract takes what the engine accepts, and refuses the rest for the same reason."""
        ours = verdict.reason.name if isinstance(verdict, Rejected) else "accepted"
        ours, theirs = ON_CHAIN.get(ours, ours), "accepted"
        try:
            self.twin.send(call)
        except RevertedError as error:
            theirs = error.reason
        if ours != theirs:
            self.differ(differing(f"{call[1]}{call[2]}", ours, theirs))

    def _sweep(self, verdict: Verdict, why: str) -> None:
        """What the engine moves between a subaccount and its parent by itself, their owner moves on chain."""
        for event in _events(verdict):
            if isinstance(event, ev.Transfer) and event.why == why and event.amount:
                self.twin.send(self.twin.transfer(event.debit[4:], event.credit[4:], event.amount))

    # -- what a command is on chain -------------------------------------------------------------------------------

    def _call_of(self, command: cmd.AnyCommand) -> Call | None:
        """Who calls what; `None` for what is no call. Raises `InputError` for what the contracts do not have."""
        twin = self.twin
        match command:
            case cmd.SetPrices() if not command.assets and self._indexes_are_marks(command):
                return None
            case cmd.OpenSubaccount() | cmd.DrawInsurance(subaccount=""):
                return None
            case cmd.Socialize(pool):
                return twin.sharing(pool)
            case cmd.Deposit(name, asset, amount) | cmd.Withdraw(name, asset, amount) if asset == QUOTE:
                account, sub = twin.at(name)
                return account, type(command).__name__.lower(), (sub, 0, amount)
            case cmd.TransferMargin(source, target, asset, amount) if asset == QUOTE:
                return twin.transfer(source, target, amount)
            case cmd.Trade(market, size_b, _, taker) if self._is_with_pool(command):
                return twin.trade(taker, market, size_b)
            case cmd.FundInsurance(pool, amount):
                return twin.funding(pool, amount)
            case cmd.AccrueFunding(market, rate_ppm):
                return twin.accrual(market, rate_ppm)
            case cmd.Liquidate(name, market, size_b) if self._is_at_mark(command):
                account, sub = twin.at(name)
                return twin.keeper, "liquidate", (account.address, sub, twin.number(market), size_b)
        raise InputError(f"{command}: is not replayed on chain")

    def _indexes_are_marks(self, command: cmd.SetPrices) -> bool:
        return all(price == command.marks.get(name) for name, price in command.indexes.items())

    def _is_with_pool(self, trade: cmd.Trade) -> bool:
        """Against the market's own liquidity at the mark: all that `trade` does without a spread."""
        market = self.twin.venue.markets.get(trade.market)
        at_mark = market is not None and trade.price == market.mark
        is_plain = not (trade.taker_order or trade.maker_order)
        return at_mark and is_plain and trade.maker == market_subaccount(trade.market)

    def _is_at_mark(self, command: cmd.Liquidate) -> bool:
        market = self.twin.venue.markets.get(command.market)
        at_mark = market is not None and command.price in (0, market.mark)
        return at_mark and not (command.counterparty or command.endorsed)

    # -- liquidations ---------------------------------------------------------------------------------------------

    def _joins(self, command: cmd.AnyCommand) -> bool:
        """Whether a command goes into the transaction that is being put together."""
        if not isinstance(command, cmd.Liquidate):
            return False
        return all(
            first.subaccount == command.subaccount and not (first.size_b or command.size_b)
            for first, _ in self._due
        )

    def _liquidate_due(self) -> None:
        """Send the liquidations that are due; each closes what the engine's closed, at its price, fee and loss."""
        if not self._due:
            return
        due, self._due, twin = self._due, [], self.twin
        first = due[0][0]
        account, sub = twin.at(first.subaccount)
        listed = [twin.number(command.market) for command, _ in due]
        call: Call = twin.keeper, "liquidate_account", (account.address, sub, listed)
        if len(due) == 1:
            call = twin.keeper, "liquidate", (account.address, sub, listed[0], first.size_b)
        fills = [event for _, verdict in due for event in verdict.events if isinstance(event, ev.Liquidated)]
        self.liquidations += len(fills)
        self.losses += sum(fill.loss_q > 0 for fill in fills)
        ours = [(twin.number(fill.market), *(getattr(fill, name) for name in FILL_FIELDS)) for fill in fills]
        theirs: object
        try:
            told = [
                event.fields for event in twin.house.events(twin.send(call)) if event.name == "Liquidated"
            ]
            theirs = [(fields["market"], *(fields[name] for name in FILL_FIELDS)) for fields in told]
        except RevertedError as error:
            theirs = error.reason
        if ours != theirs:
            self.differ(differing(f"liquidation of {first.subaccount}", ours, theirs))
            return
        for _, verdict in due:
            self._sweep(verdict, "margin_returned")


def _events(verdict: Verdict) -> Iterator[ev.AnyEvent]:
    """What a command caused; nothing where it was refused."""
    yield from verdict.events if isinstance(verdict, Accepted) else ()


def _touched_by(verdict: Verdict) -> set[str]:
    """Subaccounts whose balance or lots a command changed."""
    names: set[str] = set()
    for event in _events(verdict):
        if isinstance(event, ev.PositionChanged):
            names.add(event.subaccount)
        elif isinstance(event, ev.Transfer):
            names |= {side[4:] for side in (event.debit, event.credit) if side.startswith("sub/")}
    return names
