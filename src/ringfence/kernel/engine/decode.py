"""What happened, in the words of `clearing`: events from the tape, refusals from the record of a verdict."""

from collections.abc import Callable, Iterator
from typing import Any

from ...clearing import command as cmd
from ...clearing import event as ev
from ...clearing.model import Venue, market_subaccount
from ...clearing.verdict import Reason, Rejected
from ..wide import joined
from . import layout as at
from .memory import Words
from .names import Names

Record = list[int]


def _x(record: Record) -> int:
    low, high = record[at.X], record[at.X + 1]
    return low if high == low >> 63 else joined(high, low)


def _y(record: Record) -> int:
    low, high = record[at.Y], record[at.Y + 1]
    return low if high == low >> 63 else joined(high, low)


# -- events ------------------------------------------------------------------------------------------------------------


def events_of(tape: Words, names: Names) -> Iterator[ev.AnyEvent]:
    """The events that records of the tape tell of."""
    records = tape.tolist()
    for n, record in enumerate(records):
        kind = record[at.EVENT] & 255
        if kind == at.LIQUIDATED:
            yield _liquidated(names, record, records[n + 1], records[n + 2])
        elif kind != at.MORE:
            yield _EVENTS[kind](names, record)


def _transfer(names: Names, record: Record) -> ev.Transfer:
    debit, credit = names.ledger_name(record[at.FIRST]), names.ledger_name(record[at.SECOND])
    why = at.WHYS[record[at.EVENT] >> 8]
    return ev.Transfer(debit, credit, names.assets[record[at.ABOUT]], _x(record), why)


def _position(names: Names, record: Record) -> ev.PositionChanged:
    name, market = names.rows[record[at.FIRST]], names.markets[record[at.ABOUT]]
    return ev.PositionChanged(name, market, _x(record), _y(record))


def _settled(names: Names, record: Record) -> ev.FundingSettled:
    return ev.FundingSettled(names.rows[record[at.FIRST]], names.markets[record[at.ABOUT]], _x(record))


def _liquidated(names: Names, record: Record, second: Record, third: Record) -> ev.Liquidated:
    name, market = names.rows[record[at.FIRST]], names.markets[record[at.ABOUT]]
    amounts = (_x(record), _y(record), _x(second), _y(second), _x(third), _y(third))
    return ev.Liquidated(name, market, *amounts)


def _taken_over(names: Names, record: Record) -> ev.TakenOver:
    return ev.TakenOver(names.rows[record[at.FIRST]], names.rows[record[at.SECOND]], _x(record))


def _deleveraged(names: Names, record: Record) -> ev.Deleveraged:
    name, market = names.rows[record[at.FIRST]], names.markets[record[at.ABOUT]]
    return ev.Deleveraged(name, market, _x(record), _y(record), record[at.SECOND])


def _socialized(names: Names, record: Record) -> ev.LossSocialized:
    return ev.LossSocialized(names.pools[record[at.ABOUT]], _x(record))


def _insolvency(names: Names, record: Record) -> ev.InsolvencySeen:
    return ev.InsolvencySeen(names.pools[record[at.ABOUT]], _x(record))


_EVENTS: dict[int, Callable[[Names, Record], ev.AnyEvent]] = {
    at.TRANSFER: _transfer,
    at.POSITION_CHANGED: _position,
    at.FUNDING_SETTLED: _settled,
    at.TAKEN_OVER: _taken_over,
    at.DELEVERAGED: _deleveraged,
    at.LOSS_SOCIALIZED: _socialized,
    at.INSOLVENCY_SEEN: _insolvency,
}

# -- refusals ----------------------------------------------------------------------------------------------------------


def rejected(record: Record, command: cmd.AnyCommand, names: Names, venue: Venue) -> Rejected:
    """A refusal out of the record of its verdict; `venue` has the policy and markets of that moment."""
    return Rejected(
        Reason(record[at.REASON]), _DETAILS[record[at.DETAIL]](_Told(record, command, names, venue))
    )


class _Told:
    """What a refusal's detail is made of."""

    def __init__(self, record: Record, command: Any, names: Names, venue: Venue) -> None:  # noqa: ANN401
        self.reason, self.who = Reason(record[at.REASON]), record[at.WHO]
        self.x, self.y = _x(record), _y(record)
        self.command, self.names, self.venue = command, names, venue

    @property
    def name(self) -> str:
        return self.names.rows[self.who]

    @property
    def market(self) -> str:
        return self.names.markets[self.who]

    @property
    def pool(self) -> str:
        return self.names.pools[self.who]


def parties(command: cmd.AnyCommand) -> tuple[str, ...]:
    """The subaccounts that a command names, in the order in which they are looked up."""
    fields = ("subaccount", "source", "target", "taker", "maker", "counterparty", "backstop")
    return tuple(getattr(command, field) for field in fields if hasattr(command, field))


def _of_command(told: _Told) -> str:
    """What a command itself says that is wrong."""
    command, reason = told.command, told.reason
    if reason is Reason.SUBACCOUNT_UNKNOWN:
        return parties(command)[told.who]
    if reason is Reason.AMOUNT_NOT_POSITIVE:
        if isinstance(command, cmd.Trade):
            return "size 0"
        if isinstance(command, cmd.Liquidate):
            return f"size {command.size_b}, price {command.price}"
        return f"got {command.amount}"
    fields = {Reason.ASSET_UNKNOWN: "asset", Reason.MARKET_UNKNOWN: "market", Reason.POOL_UNKNOWN: "pool"}
    if reason in fields:
        return str(getattr(command, fields[reason]))
    return f"got {command.price}" if reason is Reason.PRICE_NOT_POSITIVE else ""


_DETAILS: dict[int, Callable[[_Told], str]] = {
    at.NO_DETAIL: lambda _: "",
    at.OF_COMMAND: _of_command,
    at.NAMED: lambda told: told.name,
    at.HOLDS: lambda told: f"{told.name} holds {told.x} {told.names.assets[told.y]}",
    at.ALL_POOLS: lambda _: "all pools",
    at.OF_POOL: lambda told: told.pool,
    at.MUST_KEEP: lambda told: f"{told.name} must keep {told.x}, would have {told.y}",
    at.OF_MARKET: lambda told: told.market,
    at.LACKS: lambda told: f"{told.name} lacks {told.x}",
    at.STEP: lambda told: f"step {told.venue.markets[told.market].step_b}",
    at.EQUITY: lambda told: f"equity {told.x}, maintenance margin {told.y}",
    at.UNTIL_MS: lambda told: f"until {told.x} ms",
    at.LIQUIDATIONS: lambda told: f"{told.venue.policy.liquidation.block_liquidations} liquidations",
    at.ENOUGH: lambda told: f"{told.name} was liquidated enough in this block",
    at.INSURANCE_LIMIT: lambda told: (
        f"insurance loss of this block is limited to {told.venue.policy.liquidation.block_insurance_q}"
    ),
    at.FILLABLE_PRICE: lambda told: f"fillable price {told.x}",
    at.POOL_NEEDS: lambda told: f"{told.pool} holds {told.x}, needs {told.y}",
    at.ABOVE_BACKSTOP: lambda _: "above the backstop threshold",
    at.POOL_HOLDS: lambda told: f"{told.pool} holds {told.x}",
    at.DELEVERAGINGS: lambda told: f"{told.venue.policy.liquidation.block_deleveragings} deleveragings",
    at.NO_BACKSTOP: lambda _: "backstop",
    at.NO_INSURANCE: lambda _: "insurance",
    at.NO_DELEVERAGE: lambda _: "deleverage",
    at.NO_SOCIALIZE: lambda _: "socialize",
    at.OWN_COUNTERPARTY: lambda told: market_subaccount(told.command.market),
}
