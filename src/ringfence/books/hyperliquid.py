"""Hyperliquid's `clearinghouseState`, alone or inside a capture, and single positions cut out of one.

The venue keeps `rawUsd`: cash less what the positions cost. A position's value at the mark is `positionValue`, and
equity is `rawUsd` plus the signed values. Our collateral excludes unrealized PnL, so it is `rawUsd` plus the signed
cost at the entry price, and equity comes out as the server states it whatever digits the entry price was shown with.

Source: Hyperliquid docs, info endpoint, perpetuals: user's perpetuals account summary.
"""

from collections.abc import Iterable
from decimal import Decimal

from ..clearing.model import QUOTE
from .account import Account, BookPosition
from .record import EXACT, Record

VENUE = "hyperliquid"

MARK_DECIMALS = Decimal("1e-18")
"""Finest mark price worked out of a position's value; the venue's own have at most six decimals."""

LISTING_TOLERANCE = Decimal("0.01")
"""Quote by which the listed positions' value may miss the stated total before the list counts as incomplete."""


def is_state(values: dict[str, object]) -> bool:
    """Whether an object looks like an account's state."""
    summarized = isinstance(values.get("crossMarginSummary") or values.get("marginSummary"), dict)
    return summarized and (
        isinstance(values.get("assetPositions"), list) or isinstance(values.get("positions"), list)
    )


def is_position(values: dict[str, object]) -> bool:
    """Whether an object looks like a position, bare or in its `{"type", "position"}` wrapper."""
    inner = values.get("position", values)
    return isinstance(inner, dict) and "szi" in inner and "leverage" in inner


def is_cutout(values: dict[str, object]) -> bool:
    """Whether an object holds one position and what its account adds to it (`accountValue`, `crossMM`)."""
    inputs = values.get("inputs")
    return isinstance(inputs, dict) and is_position(inputs) and "accountValue" in inputs


def unwrapped(entry: Record) -> Record:
    """The position itself."""
    return entry.record("position") if "position" in entry else entry


def read(state: Record, name: str) -> Account:
    """Read an account's state."""
    entries = state.records("assetPositions" if "assetPositions" in state else "positions")
    positions = tuple(read_position(held) for held in map(unwrapped, entries) if held.number("szi"))
    cross = [position for position in positions if position.mode == "cross"]
    summary = state.record("crossMarginSummary" if "crossMarginSummary" in state else "marginSummary")
    stated_at = state.number_or_none("time")
    return Account(
        name=name,
        collateral={QUOTE: _cash(summary.number("accountValue"), cross)},
        positions=positions,
        venue=VENUE,
        maintenance_margin=state.number_or_none("crossMaintenanceMarginUsed"),
        complete=_is_complete(summary, cross),
        time_ms=None if stated_at is None else int(stated_at),
        place=state.place,
    )


def read_cutout(cutout: Record, name: str) -> Account:
    """Read one position with its account's value and maintenance margin; what else the account holds is not listed."""
    inputs = cutout.record("inputs")
    stated = {"coin": name.partition(":")[2], "liquidationPx": cutout.values.get("expected_liquidationPx")}
    position = read_position(Record({**stated, **inputs.values}, inputs.place))
    cross = [position] if position.mode == "cross" else []
    return Account(
        name=name,
        collateral={QUOTE: _cash(inputs.number("accountValue"), cross)},
        positions=(position,),
        venue=VENUE,
        maintenance_margin=inputs.number_or_none("crossMM"),
        complete=not cross,
        place=cutout.place,
    )


def read_position(held: Record) -> BookPosition:
    """Read one position."""
    leverage = held.record("leverage")
    size, entry, mark = held.number("szi"), held.positive_or_none("entryPx"), _mark(held)
    isolated = leverage.choice("type", "cross", "isolated") == "isolated"
    return BookPosition(
        symbol=held.name("coin"),
        size=size,
        entry_price=entry,
        mark_price=mark,
        mode="isolated" if isolated else "cross",
        leverage=leverage.positive_or_none("value"),
        collateral=_isolated_margin(held, leverage, size, entry, mark) if isolated else None,
        venue_max_leverage=held.positive_or_none("maxLeverage"),
        venue_liquidation_price=held.number_or_none("liquidationPx"),
        states_liquidation_price="liquidationPx" in held.values,
        place=held.place,
    )


def _mark(held: Record) -> Decimal:
    """The price at which the position has its stated value; the division is exact for the venue's own numbers."""
    value, size = held.positive("positionValue"), held.number("szi")
    if size == 0:
        raise held.error("szi", "expected a size other than 0")
    mark = EXACT.divide(value, abs(size)).quantize(MARK_DECIMALS, context=EXACT).normalize(EXACT)
    if mark == 0:
        raise held.error("positionValue", f"expected the value of {size} at a price above 0, got {value}")
    return mark


def _isolated_margin(
    held: Record, leverage: Record, size: Decimal, entry: Decimal | None, mark: Decimal
) -> Decimal:
    """Margin of an isolated position without its unrealized PnL: from `rawUsd`, or from `marginUsed`, which has it."""
    if "rawUsd" in leverage:
        return EXACT.add(leverage.number("rawUsd"), EXACT.multiply(size, mark if entry is None else entry))
    return EXACT.subtract(held.number("marginUsed"), _unrealized(size, entry, mark))


def _cash(account_value: Decimal, positions: Iterable[BookPosition]) -> Decimal:
    """Account value without the unrealized PnL that the positions will have at their marks."""
    for held in positions:
        account_value = EXACT.subtract(
            account_value, _unrealized(held.size, held.entry_price, held.mark_price)
        )
    return account_value


def _unrealized(size: Decimal, entry: Decimal | None, mark: Decimal | None) -> Decimal:
    if entry is None or mark is None:
        return Decimal(0)
    return EXACT.multiply(size, EXACT.subtract(mark, entry))


def _is_complete(summary: Record, positions: Iterable[BookPosition]) -> bool:
    """Whether the listed positions make up the stated total."""
    if "totalNtlPos" not in summary:
        return True
    unlisted = summary.number("totalNtlPos")
    for held in positions:
        unlisted = EXACT.subtract(unlisted, EXACT.multiply(abs(held.size), held.mark_price or Decimal(0)))
    return abs(unlisted) <= LISTING_TOLERANCE
