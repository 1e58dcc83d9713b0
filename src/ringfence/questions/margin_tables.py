"""Margin of accounts under one rulebook, as tables and explanations in the terminal."""

import click

from ..terminal import LIQUIDATABLE, money, percent, plain, print_table, short
from .margin import Answer, PositionResult, SubaccountResult


def show_answer(answer: Answer) -> None:
    """Print the subaccounts and the positions."""
    name = answer.rulebook.name
    parts = [part for account in answer.accounts for part in account.subaccounts]
    columns = ("subaccount", "mode", "status", "equity", "initial", "maintenance", "free", "ratio", "to liq.")
    if parts:
        print_table(f"{name}: subaccounts (USDC)", columns, map(_subaccount_row, parts), text_columns=3)
    rows = [_position_row(part, position) for part in parts for position in part.positions]
    columns = ("subaccount", "symbol", "side", "size", "notional", "PnL", "mark", "liq. at", "venue shows")
    if rows:
        print_table(f"{name}: positions", columns, rows, text_columns=3)


def _subaccount_row(part: SubaccountResult) -> list[str]:
    names = ("equity", "initialMargin", "maintenanceMargin", "freeCollateral")
    amounts = [money(part[name].value) for name in names]
    move, ratio = part["uniformMoveToLiquidation"].value, percent(part["marginRatio"].value)
    to_liquidation = "-" if move is None else f"{move}%"
    return [short(part.subaccount), part.mode, _status(part), *amounts, ratio, to_liquidation]


def _status(part: SubaccountResult) -> str:
    """A debt without a position is not safe either, though there is nothing to liquidate."""
    equity, liquidatable = part["equity"].value, part["liquidatable"].value
    if liquidatable is None:
        return "?"
    if liquidatable:
        return LIQUIDATABLE
    return "in debt" if str(equity).startswith("-") else "safe"


def _position_row(part: SubaccountResult, held: PositionResult) -> list[str]:
    amounts = [money(held[name].value) for name in ("notional", "unrealizedPnl")]
    prices = (held.stated["markPrice"], held["liquidationPrice"].value, held["venueLiquidationPrice"].value)
    side, size = plain(held.stated["side"]), plain(held.stated["contracts"])
    return [short(part.subaccount), held.symbol, side, size, *amounts, *map(plain, prices)]


def show_explanations(answer: Answer) -> None:
    """Print how every figure came about."""
    for account in answer.accounts:
        for subaccount in account.subaccounts:
            click.echo(f"{answer.rulebook.name}: {subaccount.subaccount}")
            for figure in subaccount.figures.values():
                click.echo("\n".join(figure.explain().lines(1)))
            for position in subaccount.positions:
                click.echo(f"{answer.rulebook.name}: {subaccount.subaccount}, {position.symbol}")
                for figure in position.figures.values():
                    click.echo("\n".join(figure.explain().lines(1)))
