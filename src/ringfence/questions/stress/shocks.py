"""Shocks: how prices, funding and pegs are elsewhere than now, and what a command line says of them.

A move is a share of today's price, kept as an exact fraction. A collateral asset moves with the market that its
rulebook names for it, else with the listed market of its own name; a depeg comes on top and moves it alone.
"""

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache

from msgspec import Struct, field
from msgspec.structs import replace

from ...clearing.model import QUOTE
from ...errors import InputError
from ...units import format_fraction, parse_decimal
from ...venues.symbols import readings

POINTS_MAX = 500
"""Most points of a grid."""

RISE_MAX = 100
"""Largest rise: to so many times the price more."""

FUNDING_MAX = 1
"""Largest funding payment, as a share of notional."""

LABEL_DIGITS = 4
NAMES_MAX = 12
HUNDRED = 100
UNMOVED = "as it is"

Reader = Callable[[str, str], Fraction]
"""Reads a value; its second argument begins the complaint about it."""

DEFAULT_GRID = "-50%:50%:10%"
"""All markets together, where nothing else is asked."""

MAP_GRID = "-50%:50%:2%"
"""Prices of a liquidation map, where no grid is given."""

_PERCENT = re.compile(r"(?P<number>[^%\s]+)\s*%")


class Shock(Struct, frozen=True):
    """One point of a stress: every figure of the book is asked for there.

    `factors` are prices after over before, by every reading of a market's name in lower case; `elsewhere` holds for all
    other markets. `pegs` are the same of single collateral assets, on top of what they move with. `rates` are funding
    payments at the shocked price, as a share of notional that longs pay to shorts (negative: shorts pay).
    """

    label: str
    factors: Mapping[str, Fraction] = field(default_factory=dict)
    elsewhere: Fraction = Fraction(1)
    pegs: Mapping[str, Fraction] = field(default_factory=dict)
    rates: Mapping[str, Fraction] = field(default_factory=dict)
    rate_elsewhere: Fraction = Fraction(0)

    @property
    def is_now(self) -> bool:
        """Whether it leaves everything where it is."""
        moved = self.factors or self.pegs or self.rates
        return not moved and self.elsewhere == 1 and self.rate_elsewhere == 0

    def factor(self, market: str) -> Fraction:
        """Price after over price before."""
        return _look_up(self.factors, market, self.elsewhere)

    def names(self, market: str) -> bool:
        """Whether a market is named, and not only meant with all others."""
        return any(name in self.factors for name in folded(market))

    def peg(self, asset: str) -> Fraction:
        """What a collateral asset's price changes by, beside the market that it moves with."""
        return _look_up(self.pegs, asset, Fraction(1))

    def rate(self, market: str) -> Fraction:
        """Share of notional that longs pay."""
        return _look_up(self.rates, market, self.rate_elsewhere)


NOW = Shock(UNMOVED)
"""Nothing has moved."""


def _look_up(values: Mapping[str, Fraction], name: str, otherwise: Fraction) -> Fraction:
    if not values:
        return otherwise
    return next((values[each] for each in folded(name) if each in values), otherwise)


@lru_cache(maxsize=8192)
def folded(name: str) -> tuple[str, ...]:
    """Every base name that a symbol may stand for, in lower case."""
    return tuple(dict.fromkeys(each.casefold() for each in readings(name)))


class Wanted(Struct, frozen=True):
    """What a command line asks for, read but not yet matched with a book: names as they were given.

    `None` as a name stands for all others. `grid` is the name and the moves of the market (or all) that takes them.
    """

    moves: Mapping[str | None, Fraction] = field(default_factory=dict)
    grid: "tuple[str | None, tuple[Fraction, ...]] | None" = None
    betas: Mapping[str | None, Fraction] = field(default_factory=dict)
    lead: str | None = None
    funding: Mapping[str | None, Fraction] = field(default_factory=dict)
    depegs: Mapping[str | None, Fraction] = field(default_factory=dict)

    @property
    def moves_prices(self) -> bool:
        """Whether a price move is asked for."""
        return bool(self.moves) or self.grid is not None

    @property
    def markets(self) -> list[tuple[str, str]]:
        """Names of markets with the option that each was given with."""
        given = [("--move", name) for name in self.moves]
        given += [("--grid", self.grid[0])] if self.grid else []
        given += [("--beta", name) for name in self.betas]
        given += [("--lead", self.lead)]
        given += [("--funding", name) for name in self.funding]
        return [(option, name) for option, name in given if name is not None]

    @property
    def assets(self) -> list[str]:
        """Names of collateral assets."""
        return [name for name in self.depegs if name is not None]


# -- reading -----------------------------------------------------------------------------------------------------------


def wanted(
    moves: Sequence[str] = (),
    grid: str | None = None,
    betas: Sequence[str] = (),
    lead: str | None = None,
    funding: Sequence[str] = (),
    depegs: Sequence[str] = (),
) -> Wanted:
    """Read the options of a command line; raises `InputError` naming the option and what was expected."""
    found = Wanted(
        moves=_by_name(moves, "--move", "BTC=-20%", _move),
        grid=None if grid is None else _grid(grid),
        betas=_by_name(betas, "--beta", "ETH=1.3", _beta),
        lead=lead,
        funding=_by_name(funding, "--funding", "BTC=0.5%", _rate),
        depegs=_by_name(depegs, "--depeg", "USDT=-5%", _move),
    )
    if None in found.depegs:
        raise InputError(f"--depeg {depegs[0]}: name the asset, such as USDT=-5%")
    if any(QUOTE.casefold() in folded(name) for name in found.assets):
        raise InputError(f"--depeg {QUOTE}: {QUOTE} is what all prices are in; its own is always 1")
    if found.grid is not None and found.grid[0] in found.moves:
        what = found.grid[0] or "all markets"
        raise InputError(f"--grid and --move both move {what}; give one of the two")
    return found


def _by_name(texts: Sequence[str], option: str, example: str, read: Reader) -> dict[str | None, Fraction]:
    """Values by the name that stands before the equals sign; alone, a value is for all (others)."""
    values: dict[str | None, Fraction] = {}
    given: dict[str | None, str] = {}
    for text in texts:
        name, equals, value = text.rpartition("=")
        if equals and not name.strip():
            raise InputError(f"{option} {text}: expected a name before the equals sign, such as {example}")
        key = name.strip() or None
        for reading in folded(key) if key else (None,):
            if reading in given:
                raise InputError(f"{option} {text}: the same as {given[reading]}; give one of the two")
            given[reading] = text
        values[key] = read(value, f"{option} {text}")
    return values


def percent(text: str, what: str) -> Fraction:
    """A percentage such as `-20%` as a fraction."""
    match = _PERCENT.fullmatch(text.strip())
    if match is None:
        raise InputError(f"{what}: expected a percentage with its sign, such as -20%")
    return Fraction(parse_decimal(match["number"], what)) / HUNDRED


def _move(text: str, what: str) -> Fraction:
    return _possible(percent(text, what), what)


def _possible(move: Fraction, what: str) -> Fraction:
    if not -1 < move <= RISE_MAX:
        raise InputError(
            f"{what}: {shown(move)} is no move of a price; expected more than -100% and at most {RISE_MAX}00%"
        )
    return move


def _rate(text: str, what: str) -> Fraction:
    rate = percent(text, what)
    if abs(rate) > FUNDING_MAX:
        raise InputError(f"{what}: expected a share of notional from -100% to 100%")
    return rate


def _beta(text: str, what: str) -> Fraction:
    return Fraction(parse_decimal(text, what))


def _grid(text: str) -> tuple[str | None, tuple[Fraction, ...]]:
    """A grid `FROM:TO:STEP` of moves, of one market where its name stands before it."""
    name, equals, values = text.rpartition("=")
    ends, what = values.split(":"), f"--grid {text}"
    if len(ends) != len(("from", "to", "step")) or (equals and not name.strip()):
        raise InputError(f"{what}: expected FROM:TO:STEP in percent, such as -50%:50%:5% or BTC=-50%:0%:5%")
    first, last = (_move(end, what) for end in ends[:2])
    step = percent(ends[2], what)
    if step <= 0 or first > last:
        raise InputError(f"{what}: expected a rising grid, such as -50%:50%:5%")
    count = (last - first) // step + 1
    if count > POINTS_MAX:
        raise InputError(f"{what}: {count} points, expected at most {POINTS_MAX}; take a wider step")
    return name.strip() or None, tuple(first + step * at for at in range(count))


def shown(share: Fraction) -> str:
    """A share as percent with its sign."""
    text = format_fraction(share * HUNDRED, LABEL_DIGITS)
    return f"{'+' if share > 0 else ''}{text}%"


# -- building ----------------------------------------------------------------------------------------------------------


def check_names(asked: Wanted, markets: Collection[str], assets: Collection[str]) -> None:
    """Refuse what the book does not hold; the complaint says what it does hold."""
    for option, name in asked.markets:
        check_market(option, name, markets)
    for name in asked.assets:
        _check("--depeg", name, assets, "collateral")


def check_market(option: str, name: str, markets: Collection[str]) -> str:
    """The market that a name means, as the book writes it; raises `InputError` where no account has positions in it."""
    return _check(option, name, markets, "a position")


def _check(option: str, name: str, held: Collection[str], what: str) -> str:
    by_folded = {reading: each for each in held for reading in folded(each)}
    for reading in folded(name):
        if reading in by_folded:
            return by_folded[reading]
    near = difflib.get_close_matches(name.casefold(), by_folded, n=3, cutoff=0.5)
    shown_names = list(held)[:NAMES_MAX]
    more = f" and {len(held) - NAMES_MAX} more" if len(held) > NAMES_MAX else ""
    there = f"there are {', '.join(shown_names)}{more}" if held else "there is none"
    hint = f"did you mean {' or '.join(dict.fromkeys(by_folded[each] for each in near))}?" if near else there
    raise InputError(f"{option} {name}: no account has {what} in {name}; {hint}")


def shocks(asked: Wanted) -> list[Shock]:
    """The points that a command line asks for; a grid of all markets where it asks for nothing."""
    if asked.grid is None and (asked.moves or asked.funding or asked.depegs):
        return [_shock(asked, dict(asked.moves), _label(asked))]
    name, moves = asked.grid or _grid(DEFAULT_GRID)
    prefix = f"{name} " if name else ""
    return [_shock(asked, {**asked.moves, name: move}, f"{prefix}{shown(move)}") for move in moves]


def path(asked: Wanted, points: Iterable[tuple[str, Mapping[str, Fraction]]], lead: str) -> list[Shock]:
    """Points of a path of prices (label, and price over first price by market); betas follow its `lead`."""
    led = replace(asked, lead=asked.lead or lead) if asked.betas else asked
    return [_shock(led, {name: factor - 1 for name, factor in factors.items()}, at) for at, factors in points]


def map_shocks(asked: Wanted, market: str) -> list[Shock]:
    """The points of a market's liquidation map, the rest of the book as it is."""
    _, moves = asked.grid or _grid(MAP_GRID)
    factors = (dict.fromkeys(folded(market), 1 + move) for move in moves)
    return [Shock(shown(move), each) for move, each in zip(moves, factors, strict=True) if move]


def _shock(asked: Wanted, moves: Mapping[str | None, Fraction], label: str) -> Shock:
    """One point: the moves, those that follow one of them, funding and depegs."""
    all_moves = {**moves, **dict(_following(asked, moves))}
    return Shock(
        label,
        {reading: 1 + move for name, move in all_moves.items() if name for reading in folded(name)},
        1 + all_moves.get(None, Fraction(0)),
        {reading: 1 + move for name, move in asked.depegs.items() if name for reading in folded(name)},
        {reading: rate for name, rate in asked.funding.items() if name for reading in folded(name)},
        asked.funding.get(None, Fraction(0)),
    )


def _following(asked: Wanted, moves: Mapping[str | None, Fraction]) -> Iterator[tuple[str | None, Fraction]]:
    """Moves of the markets that follow the lead."""
    if not asked.betas:
        if asked.lead is not None:
            raise InputError(
                f"--lead {asked.lead}: nothing follows it; give --beta ETH=1.3, or --beta 1.2 for all"
            )
        return
    name, lead_move = _lead(asked, moves)
    for follower, beta in asked.betas.items():
        if _is_in(follower, moves):
            raise InputError(
                f"--beta and a move are both given for {follower or 'all others'}; give one of the two"
            )
        move = beta * lead_move
        what = f"--beta {follower + '=' if follower else ''}{format_fraction(beta, LABEL_DIGITS)}"
        yield follower, _possible(move, f"{what} at {name} {shown(lead_move)}")


def _is_in(name: str | None, moves: Mapping[str | None, Fraction]) -> bool:
    if name is None:
        return None in moves
    given = {reading for each in moves if each for reading in folded(each)}
    return any(reading in given for reading in folded(name))


def _lead(asked: Wanted, moves: Mapping[str | None, Fraction]) -> tuple[str, Fraction]:
    """The market that others follow, and how far it moves."""
    named = [name for name in moves if name is not None]
    if asked.lead is None and len(named) != 1:
        raise InputError("--beta: which market do the others follow? give --lead BTC, or one --move BTC=-20%")
    lead = asked.lead or named[0]
    for name in named:
        if set(folded(name)) & set(folded(lead)):
            return lead, moves[name]
    raise InputError(f"--lead {lead}: it has no move to follow; give --move {lead}=-20% or --grid {lead}=...")


def _label(asked: Wanted) -> str:
    """A point in words."""
    words = [f"{name or 'all'} {shown(move)}" for name, move in asked.moves.items()]
    words += [f"funding {name or 'all'} {shown(rate)}" for name, rate in asked.funding.items()]
    words += [f"{name} depeg {shown(move)}" for name, move in asked.depegs.items()]
    return ", ".join(words)
