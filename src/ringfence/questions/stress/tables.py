"""A stress on the terminal, as JSON, and as rows of a file."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction

import click
from msgspec.structs import asdict

from ...books.record import EXACT
from ...terminal import money, print_table, short
from ...units import format_fraction
from ..measures import plain
from ..summary import amount
from ..tabular import Cell, Columns
from .shocks import UNMOVED, shown
from .surface import (
    Fallen,
    Felled,
    Ladder,
    Refused,
    Rung,
    Stress,
    Sums,
    Tally,
    Toll,
    badness,
    largest_markets,
)

POINTS_SHOWN = 24
"""Points that are printed."""

MARKETS_SHOWN = 12
BAR_WIDTH = 32
BLOCKS = " ▏▎▍▌▋▊▉█"
"""Eighths of a block, for bars."""

PRICE_DIGITS = 6
"""Significant digits of a price in a chart."""

COLUMNS: Columns = {
    "account": "text",
    "subaccount": "text",
    "point": "text",
    "notional": "amount",
    "equity": "amount",
    "maintenanceMargin": "amount",
    "marginDeficit": "amount",
    "badDebt": "amount",
    "largestPosition": "text",
}
"""Columns of a file of liquidatable subaccounts."""

POINT_COLUMNS = ("point", "accounts", "subaccounts", "notional", "margin deficit", "bad debt")
MARKET_COLUMNS = ("market", "positions", "contracts", "notional", "of all")
TOLL_COLUMNS = ("account", "largest position", "notional", "equity", "deficit", "bad debt")


def table_rows(found: Stress) -> Iterator[tuple[Cell, ...]]:
    """The liquidatable subaccounts at the worst point as rows of a file, those that matter most first."""
    for toll in found.tolls:
        for each in toll.fallen:
            amounts = (each.notional_q, each.equity_q, each.maintenance_q, each.deficit_q, each.bad_debt_q)
            yield (
                each.account,
                each.subaccount,
                found.worst_shock.label,
                *map(amount, amounts),
                each.largest,
            )


# -- JSON --------------------------------------------------------------------------------------------------------------


def to_json(found: Stress, values: Mapping[str, Decimal], top: int) -> dict[str, object]:
    """The whole answer as a JSON object, with at most so many accounts."""
    book = found.book
    return {
        "rulebooks": book.rulebooks,
        "accounts": book.accounts,
        "subaccounts": book.subaccounts,
        "measures": {name: plain(value) for name, value in values.items()},
        "now": _tally_json(UNMOVED, found.now),
        "points": [_tally_json(*each) for each in points(found)],
        "worst": found.worst_shock.label,
        "top": [_toll_json(toll) for toll in found.tolls[:top]],
        "maps": {ladder.market: _ladder_json(ladder) for ladder in found.ladders},
        "markets": {
            name: {
                "positions": book.markets[name].positions,
                "notional": amount(book.markets[name].notional_q),
                "markPrice": _plain(book.markets[name].mark),
            }
            for name in largest_markets(book.markets, len(book.markets))
        },
        "refused": [asdict(each) for each in book.refused],
        "notes": [{"note": note, "accounts": times} for note, times in book.notes.items()],
    }


def points(found: Stress) -> list[tuple[str, Tally]]:
    """Labels and sums of all points."""
    return [(shock.label, tally) for shock, tally in zip(found.points, found.tallies, strict=True)]


def _tally_json(label: str, tally: Tally) -> dict[str, object]:
    return {
        "point": label,
        "accounts": tally.accounts,
        "subaccounts": tally.subaccounts,
        "notional": amount(tally.notional_q),
        "marginDeficit": amount(tally.deficit_q),
        "badDebt": amount(tally.debt_q),
        "indebted": tally.indebted,
        "badDebtByPool": {pool: amount(debt_q) for pool, debt_q in sorted(tally.bad_debt_q.items())},
        "markets": {
            name: {
                "positions": felled.positions,
                "contracts": _plain(felled.contracts),
                "notional": amount(felled.notional_q),
            }
            for name, felled in by_notional(tally)
        },
    }


def by_notional(tally: Tally) -> list[tuple[str, Felled]]:
    """Markets of a point, the largest first."""
    return sorted(tally.markets.items(), key=lambda item: (-item[1].notional_q, item[0]))


def _toll_json(toll: Toll) -> dict[str, object]:
    return {
        "account": toll.account,
        "notional": amount(toll.notional_q),
        "equity": amount(toll.equity_q),
        "maintenanceMargin": amount(toll.maintenance_q),
        "marginDeficit": amount(toll.deficit_q),
        "badDebt": amount(toll.bad_debt_q),
        "subaccounts": [_fallen_json(each) for each in toll.fallen],
    }


def _fallen_json(each: Fallen) -> dict[str, object]:
    return {
        "subaccount": each.subaccount,
        "notional": amount(each.notional_q),
        "equity": amount(each.equity_q),
        "maintenanceMargin": amount(each.maintenance_q),
        "marginDeficit": amount(each.deficit_q),
        "badDebt": amount(each.bad_debt_q),
        "largestPosition": each.largest,
    }


def _ladder_json(ladder: Ladder) -> dict[str, object]:
    rungs = zip(ladder.moves, ladder.rungs, ladder.cumulative(), strict=True)
    return {
        "markPrice": _plain(ladder.mark),
        "liquidatableNow": _rung_json(ladder.now),
        "rungs": [
            {
                "move": shown(move),
                "price": _plain(price_at(ladder, move)),
                **_rung_json(rung),
                "cumulative": _rung_json(total),
            }
            for move, rung, total in rungs
        ],
    }


def _rung_json(rung: Rung) -> dict[str, object]:
    return {
        "subaccounts": rung.subaccounts,
        "contracts": _plain(rung.contracts),
        "notional": amount(rung.notional_q),
    }


def _plain(number: Decimal | None) -> str | None:
    return None if number is None else format(EXACT.normalize(number), "f")


def price_at(ladder: Ladder, move: Fraction) -> Decimal | None:
    """The price of a rung, to the digits that a reader needs."""
    if ladder.mark is None:
        return None
    exact = Fraction(ladder.mark) * (1 + move)
    whole = len(str(int(exact))) if exact >= 1 else 0
    return Decimal(format_fraction(exact, max(0, PRICE_DIGITS - whole) if whole else PRICE_DIGITS + 2))


# -- the terminal ------------------------------------------------------------------------------------------------------


def show(found: Stress, top: int, *, maps: bool = True) -> None:
    """Print what holds at the points, of the worst one who and where, and the liquidation maps."""
    click.echo(f"{header(found.book)}\n")
    rows = [_point_row(UNMOVED, found.now), *(_point_row(*each) for each in telling_points(found))]
    print_table("Liquidatable (USDC)", POINT_COLUMNS, rows, text_columns=1)
    if len(found.points) > POINTS_SHOWN:
        click.echo(
            f"Of {len(found.points)} points those worse than all before them, and the last; --json has all."
        )
    if len(found.points) > 1:
        click.echo(f"Liquidatable at one of the points at least: {_count(found.book.anywhere, 'account')}.")
        if found.book.anywhere:
            click.echo(f"The worst point is {found.worst_shock.label}; there:\n")
    _show_worst(found, top)
    for ladder in found.ladders if maps else ():
        show_ladder(ladder)
    for line in remarks(found.book):
        click.echo(line)


def header(book: Sums) -> str:
    """What the book is, in a line."""
    positions = sum(held.positions for held in book.markets.values())
    notional_q = sum(held.notional_q for held in book.markets.values())
    return (
        f"{', '.join(book.rulebooks)}: {_count(book.accounts, 'account')}, {_count(book.subaccounts, 'subaccount')}, "
        f"{_count(positions, 'position')}, notional {money(amount(notional_q))} USD"
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def telling_points(found: Stress) -> list[tuple[str, Tally]]:
    """The points; of too many, those that are worse than all before them (the last of these), and the last point."""
    listed = points(found)
    if len(listed) <= POINTS_SHOWN:
        return listed
    told: list[tuple[str, Tally]] = []
    for each in listed[:-1]:
        if not told or badness(each[1]) > badness(told[-1][1]):
            told.append(each)
    return [*told[1 - POINTS_SHOWN :], listed[-1]]


def _point_row(label: str, tally: Tally) -> tuple[str, ...]:
    amounts = (tally.notional_q, tally.deficit_q, tally.debt_q)
    return (
        label,
        f"{tally.accounts:,}",
        f"{tally.subaccounts:,}",
        *(money(amount(value)) for value in amounts),
    )


def _show_worst(found: Stress, top: int) -> None:
    tally = found.worst_tally
    pools = sorted(tally.bad_debt_q.items(), key=lambda item: (-item[1], item[0]))
    if pools:
        rows = [(pool, money(amount(debt_q))) for pool, debt_q in pools[:MARKETS_SHOWN]]
        print_table("Bad debt (USDC)", ("collateral pool", "bad debt"), rows)
    if tally.markets:
        rows_by_market = [_market_row(found.book, *each) for each in by_notional(tally)[:MARKETS_SHOWN]]
        print_table("Liquidatable by market (USDC)", MARKET_COLUMNS, rows_by_market)
    if found.tolls and top:
        rows_by_account = map(_toll_row, found.tolls[:top])
        print_table("The accounts that matter most (USDC)", TOLL_COLUMNS, rows_by_account, text_columns=2)


def _market_row(book: Sums, name: str, felled: Felled) -> tuple[str, ...]:
    share = f"{Decimal(felled.positions) / Decimal(book.markets[name].positions):.1%}"
    contracts = f"{EXACT.normalize(felled.contracts):,f}"
    return name, f"{felled.positions:,}", contracts, money(amount(felled.notional_q)), share


def _toll_row(toll: Toll) -> tuple[str, ...]:
    amounts = (toll.notional_q, toll.equity_q, toll.deficit_q, toll.bad_debt_q)
    return short(toll.account), toll.fallen[0].largest, *(money(amount(value)) for value in amounts)


def remarks(book: Sums) -> Iterator[str]:
    """Who does not count, and what a reader should know."""
    reasons: dict[tuple[str, str], list[Refused]] = {}
    for refused in book.refused:
        reasons.setdefault((refused.rulebook, refused.kind), []).append(refused)
    for (rulebook, kind), listed in reasons.items():
        yield f"{rulebook} cannot hold {_count(len(listed), 'account')} ({kind}), such as: {listed[0].sentence}"
    if book.unknown:
        who = _count(book.unknown, "account")
        yield f"Note: of {who} the file does not say what backs some positions; those are not judged"
    for name, held in book.markets.items():
        if not held.one_mark:
            yield f"Note: accounts state different marks of {name}; each moves from its own"
    for note, times in book.notes.items():
        yield f"Note: {note} ({_count(times, 'account')})"


# -- the liquidation map -----------------------------------------------------------------------------------------------


def show_ladder(ladder: Ladder) -> None:
    """Print a liquidation map: the highest price first, the mark between rises and falls."""
    title = f"Liquidation map of {ladder.market} (USDC)"
    columns = ("move", "price", "", "here", "from the mark", "subaccounts")
    print_table(title, columns, ladder_rows(ladder), text_columns=3)
    if ladder.now.subaccounts:
        held = f"{money(amount(ladder.now.notional_q))} USDC of {ladder.market}"
        click.echo(f"Liquidatable at the mark already, and on no line above: {held}\n")


def ladder_rows(ladder: Ladder) -> list[tuple[str, ...]]:
    """The rungs as rows, from the highest to the lowest at which something is liquidated, and the mark between."""
    totals = ladder.cumulative()
    most = max((rung.notional_q for rung in ladder.rungs), default=0)
    order = sorted(range(len(ladder.moves)), key=lambda at: -ladder.moves[at])
    filled = [at for at in order if ladder.rungs[at].subaccounts]
    high = max((ladder.moves[at] for at in filled), default=Fraction(0))
    low = min((ladder.moves[at] for at in filled), default=Fraction(0))
    rows = [
        (_rung_row(ladder, at, totals[at], most), ladder.moves[at])
        for at in order
        if low <= ladder.moves[at] <= high
    ]
    mark = ("mark", price_text(ladder.mark), "", "", "", "")
    above = [row for row, move in rows if move > 0]
    return [*above, mark, *(row for row, move in rows if move < 0)]


def _rung_row(ladder: Ladder, at: int, total: Rung, most: int) -> tuple[str, ...]:
    rung, move = ladder.rungs[at], ladder.moves[at]
    place = (shown(move), price_text(price_at(ladder, move)))
    if not rung.subaccounts:
        return (*place, "", "", "", "")
    amounts = (money(amount(rung.notional_q)), money(amount(total.notional_q)))
    return (*place, bar(rung.notional_q, most), *amounts, f"{rung.subaccounts:,}")


def price_text(price: Decimal | None) -> str:
    """A price as people read it."""
    return "-" if price is None else f"{EXACT.normalize(price):,f}"


def bar(amount_q: int, most_q: int, width: int = BAR_WIDTH) -> str:
    """A bar in eighths of a block; whatever is not nothing shows."""
    parts = len(BLOCKS) - 1
    eighths = -(-amount_q * width * parts // most_q) if most_q else 0
    whole, rest = divmod(eighths, parts)
    return BLOCKS[-1] * whole + (BLOCKS[rest] if rest else "")
