"""Positions in ccxt's unified structure, as `fetchPositions` returns them.

ccxt's `collateral` of an isolated position contains its unrealized PnL; it is taken out here. A list of positions does
not say what the account holds besides, so the collateral of cross positions stays unknown. Where `info` holds the
venue's own record of a position and we can read it, it is preferred: its numbers are exact, ccxt's are floats.

Source: ccxt 4.5.90 `base/types.py` (`Position`) and manual, position structure.
"""

from collections.abc import Iterable
from decimal import Context, Decimal

from . import hyperliquid, options
from .account import Account, BookPosition, MarginMode
from .record import EXACT, Place, Record

_FIELDS = """
    symbol id info timestamp datetime contracts contractSize side notional leverage unrealizedPnl realizedPnl
    positionMargin collateral entryPrice markPrice liquidationPrice marginMode hedged maintenanceMargin
    maintenanceMarginPercentage initialMargin initialMarginPercentage marginRatio lastUpdateTimestamp lastPrice
    stopLossPrice takeProfitPrice percentage isolated exitPrice
"""
FIELDS = frozenset(_FIELDS.split())
"""Every name of the unified position structure."""

MARK_DIGITS = Context(prec=12)
"""Significant digits of a mark price worked out from ccxt's floats, whose last digits are noise."""


def is_position(values: object) -> bool:
    """Whether an object looks like one of ccxt's positions."""
    return isinstance(values, dict) and "symbol" in values and ("contracts" in values or "side" in values)


def read(positions: Iterable[Record], account: str, place: Place) -> Account:
    """Read a list of positions as one account; positions of size zero are left out, as they hold nothing."""
    held = [position for position in positions if not _is_flat(position)]
    read_positions = tuple(read_position(position) for position in held)
    from_hyperliquid = bool(held) and all(_hyperliquid_info(position) is not None for position in held)
    needs_collateral = any(position.mode == "cross" for position in read_positions)
    return Account(
        name=account,
        collateral=None if needs_collateral else {},
        positions=read_positions,
        venue=hyperliquid.VENUE if from_hyperliquid else None,
        place=place,
    )


def read_position(position: Record) -> BookPosition:
    """Read one position."""
    info = _hyperliquid_info(position)
    if info is not None:
        return hyperliquid.read_position(info)
    size, entry = signed_size(position), position.positive_or_none("entryPrice")
    mark = _mark(position, size, entry)
    mode = _mode(position)
    return BookPosition(
        symbol=position.name("symbol"),
        size=size,
        entry_price=entry,
        mark_price=mark,
        mode=mode,
        leverage=position.positive_or_none("leverage"),
        collateral=_collateral(position, size, entry, mark) if mode == "isolated" else None,
        venue_liquidation_price=position.positive_or_none("liquidationPrice"),
        states_liquidation_price="liquidationPrice" in position,
        option=options.read_option(position),
        place=position.place,
    )


def signed_size(position: Record) -> Decimal:
    """Size in units of the base asset: contracts times contract size, negative for a short."""
    contracts = position.positive("contracts")
    if "contractSize" in position:
        contracts = EXACT.multiply(contracts, position.positive("contractSize"))
    return contracts if position.choice("side", "long", "short") == "long" else -contracts


def _is_flat(position: Record) -> bool:
    return position.number_or_none("contracts") == 0


def _hyperliquid_info(position: Record) -> Record | None:
    info = position.values.get("info")
    if not isinstance(info, dict) or not hyperliquid.is_position(info):
        return None
    return hyperliquid.unwrapped(position.record("info"))


def _mode(position: Record) -> MarginMode:
    """Margin mode; cross where neither field is given, as ccxt leaves them out where a venue has no isolated mode."""
    if "marginMode" in position:
        return "isolated" if position.choice("marginMode", "cross", "isolated") == "isolated" else "cross"
    return "isolated" if position.values.get("isolated") is True else "cross"


def _mark(position: Record, size: Decimal, entry: Decimal | None) -> Decimal | None:
    """Mark price: stated, or worked out from the notional or from the unrealized PnL."""
    if "markPrice" in position:
        return position.positive("markPrice")
    if "notional" in position:
        return MARK_DIGITS.divide(abs(position.number("notional")), abs(size)) or None
    if "unrealizedPnl" in position and entry is not None:
        moved = EXACT.divide(position.number("unrealizedPnl"), size)
        mark = MARK_DIGITS.plus(EXACT.add(entry, moved))
        return mark if mark > 0 else None
    return None


def _collateral(position: Record, size: Decimal, entry: Decimal | None, mark: Decimal | None) -> Decimal:
    """Isolated margin without the unrealized PnL that ccxt has in it.

    The PnL is taken out at the same prices at which it is counted in again, so equity stays what ccxt states.
    """
    equity = position.number("collateral")
    if entry is None or mark is None:
        return EXACT.subtract(equity, position.number_or_none("unrealizedPnl") or Decimal(0))
    return EXACT.subtract(equity, EXACT.multiply(size, EXACT.subtract(mark, entry)))
