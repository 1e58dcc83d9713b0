"""Commands as records. What has no record is decided by the reference."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...clearing import command as cmd
from ..wide import split
from . import layout as at
from .memory import Words
from .names import Names

Named = tuple[int, int, int, int, int, int]
"""Kind, three names, two amounts."""
NOTHING: Named = (0, 0, 0, 0, 0, 0)


def _deposit(c: cmd.Deposit, names: Names) -> Named:
    return at.DEPOSIT, _row(names, c.subaccount), 0, names.asset.get(c.asset, at.UNKNOWN), c.amount, 0


def _withdraw(c: cmd.Withdraw, names: Names) -> Named:
    return at.WITHDRAW, _row(names, c.subaccount), 0, names.asset.get(c.asset, at.UNKNOWN), c.amount, 0


def _transfer(c: cmd.TransferMargin, names: Names) -> Named:
    asset = names.asset.get(c.asset, at.UNKNOWN)
    return at.TRANSFER_MARGIN, _row(names, c.source), _row(names, c.target), asset, c.amount, 0


def _fund_insurance(c: cmd.FundInsurance, names: Names) -> Named:
    return at.FUND_INSURANCE, 0, 0, names.pool.get(c.pool, at.UNKNOWN), c.amount, 0


def _trade(c: cmd.Trade, names: Names) -> Named | None:
    if c.taker_order is not None or c.maker_order is not None:
        return None
    market = names.market.get(c.market, at.UNKNOWN)
    return at.TRADE, _row(names, c.taker), _row(names, c.maker), market, c.size_b, c.price


def _liquidate(c: cmd.Liquidate, names: Names) -> Named | None:
    if c.endorsed:
        return None
    counterparty = _row(names, c.counterparty) if c.counterparty else at.ABSENT
    market = names.market.get(c.market, at.UNKNOWN)
    return at.LIQUIDATE, _row(names, c.subaccount), counterparty, market, c.size_b, c.price


def _take_over(c: cmd.TakeOver, names: Names) -> Named:
    return at.TAKE_OVER, _row(names, c.subaccount), _row(names, c.backstop), 0, 0, 0


def _draw_insurance(c: cmd.DrawInsurance, names: Names) -> Named:
    row = _row(names, c.subaccount) if c.subaccount else at.ABSENT
    market, pool = names.market.get(c.market, at.UNKNOWN), names.pool.get(c.pool, at.UNKNOWN)
    return at.DRAW_INSURANCE, row, market, pool, 0, 0


def _deleverage(c: cmd.Deleverage, names: Names) -> Named | None:
    if not 0 <= c.draw < 1 << 62:
        return None
    market = names.market.get(c.market, at.UNKNOWN)
    return at.DELEVERAGE, _row(names, c.subaccount), 0, market, c.draw, 0


def _socialize(c: cmd.Socialize, names: Names) -> Named:
    return at.SOCIALIZE, 0, 0, names.pool.get(c.pool, at.UNKNOWN), 0, 0


def _row(names: Names, name: str) -> int:
    return names.row.get(name, at.UNKNOWN)


_RECORDS: dict[type, Callable[[Any, Names], Named | None]] = {
    cmd.Deposit: _deposit,
    cmd.Withdraw: _withdraw,
    cmd.TransferMargin: _transfer,
    cmd.FundInsurance: _fund_insurance,
    cmd.Trade: _trade,
    cmd.Liquidate: _liquidate,
    cmd.TakeOver: _take_over,
    cmd.DrawInsurance: _draw_insurance,
    cmd.Deleverage: _deleverage,
    cmd.Socialize: _socialize,
}


def records_of(commands: list[cmd.AnyCommand], names: Names) -> Words:
    """Commands as records; kind 0 for what the reference has to decide."""
    named = [_RECORDS[type(command)](command, names) or NOTHING for command in commands]
    try:
        short = np.array(named, np.int64).reshape(len(named), len(NOTHING))
    except OverflowError:
        return np.array([_long(each) for each in named], np.int64)
    records = np.empty((len(named), at.COMMAND_WORDS), np.int64)
    records[:, : at.X + 1] = short[:, : at.X + 1]
    records[:, at.Y] = short[:, -1]
    records[:, at.X + 1], records[:, at.Y + 1] = short[:, at.X] >> 63, short[:, -1] >> 63
    return records


def _long(named: Named) -> list[int]:
    """A record whose amounts may take more than a word; of kind 0 where one takes more than two."""
    *numbers, x, y = named
    try:
        (x_high, x_low), (y_high, y_low) = split(x), split(y)
    except OverflowError:
        return [0] * at.COMMAND_WORDS
    return [*numbers, x_low, x_high, y_low, y_high]
