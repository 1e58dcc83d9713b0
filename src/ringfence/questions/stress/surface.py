"""A book where prices, funding or pegs are elsewhere: who is liquidatable, what is missing, who is left with debt.

What is asked of a book stands in `Surface`; whether the engine answers account by account or compiled code by columns
is the same to whoever asks. Nobody acts in answer to a shock, no liquidation moves a price, and no fee is taken.

*Margin deficit*: maintenance margin less equity, of the liquidatable. *Bad debt*: what they would owe if all their
positions were closed at the shocked price and all their other collateral sold there, less the rulebook's discount on
such sales: before insurance funds, deleveraging and whatever else stands between a loss and the others. It belongs to
the collateral pools of the subaccount's positions, in proportion to the maintenance margin of each.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Protocol

from msgspec import Struct, field

from ...books.record import EXACT
from ...errors import InputError
from ...progress import Report, silent
from .shocks import NOW, Shock

NO_POOL = "(no market)"
"""Where debt belongs that no position made."""

ZERO = Decimal(0)


class Felled(Struct, array_like=True):
    """Positions of one market in liquidatable subaccounts: how many, their lots without sign, their worth there."""

    positions: int = 0
    contracts: Decimal = ZERO
    notional_q: int = 0

    def add(self, positions: int, contracts: Decimal, notional_q: int) -> None:
        """Count more."""
        self.positions += positions
        self.contracts = EXACT.add(self.contracts, contracts)
        self.notional_q += notional_q


class Tally(Struct, array_like=True):
    """Sums over the liquidatable at one point, amounts in quote atoms."""

    accounts: int = 0
    """Accounts with a liquidatable subaccount."""
    subaccounts: int = 0
    notional_q: int = 0
    deficit_q: int = 0
    indebted: int = 0
    """Subaccounts with bad debt."""
    bad_debt_q: dict[str, int] = field(default_factory=dict)
    """By collateral pool."""
    markets: dict[str, Felled] = field(default_factory=dict)

    @property
    def debt_q(self) -> int:
        """Bad debt of all pools."""
        return sum(self.bad_debt_q.values())

    def add(self, other: "Tally") -> None:
        """Add what is known of other accounts."""
        self.accounts += other.accounts
        self.subaccounts += other.subaccounts
        self.notional_q += other.notional_q
        self.deficit_q += other.deficit_q
        self.indebted += other.indebted
        for pool, debt_q in other.bad_debt_q.items():
            self.bad_debt_q[pool] = self.bad_debt_q.get(pool, 0) + debt_q
        for market, felled in other.markets.items():
            self.markets.setdefault(market, Felled()).add(
                felled.positions, felled.contracts, felled.notional_q
            )


class Held(Struct, array_like=True):
    """What a book holds of one market now; `mark` is the first account's, `one_mark` whether all state the same."""

    positions: int = 0
    notional_q: int = 0
    mark: Decimal | None = None
    one_mark: bool = True

    def add(self, other: "Held") -> None:
        """Count what other accounts hold."""
        self.positions += other.positions
        self.notional_q += other.notional_q
        self.one_mark = self.one_mark and other.one_mark and (self.mark in (None, other.mark))
        self.mark = other.mark if self.mark is None else self.mark


class Refused(Struct, frozen=True, array_like=True):
    """An account that its rulebook cannot hold; it counts nowhere."""

    account: str
    rulebook: str
    kind: str
    sentence: str


class Sums(Struct):
    """What a survey of a book, or of a part of it, found; `points` in the order of the shocks."""

    points: list[Tally]
    rulebooks: dict[str, int] = field(default_factory=dict)
    """Accounts by the rulebook that judges them."""
    subaccounts: int = 0
    anywhere: int = 0
    """Accounts that are liquidatable at one of the points at least."""
    unknown: int = 0
    """Accounts of which the file does not say enough to tell; the rest of them counts."""
    markets: dict[str, Held] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    notes: dict[str, int] = field(default_factory=dict)
    """What a reader should know, and of how many accounts."""

    @property
    def accounts(self) -> int:
        """Accounts that are judged."""
        return sum(self.rulebooks.values())

    def add(self, other: "Sums") -> None:
        """Add what is known of other accounts at the same points."""
        for mine, theirs in zip(self.points, other.points, strict=True):
            mine.add(theirs)
        self.subaccounts += other.subaccounts
        self.anywhere += other.anywhere
        self.unknown += other.unknown
        self.refused.extend(other.refused)
        for market, held in other.markets.items():
            self.markets.setdefault(market, Held()).add(held)
        for mine_by, theirs_by in ((self.rulebooks, other.rulebooks), (self.notes, other.notes)):
            for name, times in theirs_by.items():
                mine_by[name] = mine_by.get(name, 0) + times

    def note(self, sentence: str, accounts: int = 1) -> None:
        """Say something of so many accounts more."""
        self.notes[sentence] = self.notes.get(sentence, 0) + accounts


class Fallen(Struct, frozen=True, array_like=True):
    """One liquidatable subaccount at one point, in quote atoms."""

    account: str
    subaccount: str
    notional_q: int
    equity_q: int
    maintenance_q: int
    bad_debt_q: int
    largest: str
    """The market of its largest position, and `long` or `short`."""

    @property
    def deficit_q(self) -> int:
        """Maintenance margin less equity."""
        return max(0, self.maintenance_q - self.equity_q)


class Toll(Struct, frozen=True, array_like=True):
    """The liquidatable subaccounts of one account."""

    account: str
    fallen: tuple[Fallen, ...]

    @property
    def notional_q(self) -> int:
        """Notional of them."""
        return sum(each.notional_q for each in self.fallen)

    @property
    def equity_q(self) -> int:
        """Equity in them."""
        return sum(each.equity_q for each in self.fallen)

    @property
    def maintenance_q(self) -> int:
        """Maintenance margin asked of them."""
        return sum(each.maintenance_q for each in self.fallen)

    @property
    def deficit_q(self) -> int:
        """Margin deficit."""
        return sum(each.deficit_q for each in self.fallen)

    @property
    def bad_debt_q(self) -> int:
        """Bad debt."""
        return sum(each.bad_debt_q for each in self.fallen)

    @property
    def rank(self) -> tuple[int, int, int, str]:
        """Sorts those that matter most first: by bad debt, margin deficit, notional, name."""
        return -self.bad_debt_q, -self.deficit_q, -self.notional_q, self.account


class Rung(Struct, array_like=True):
    """What is liquidatable at one price of a market and not before, coming from the mark: lots and worth of it."""

    subaccounts: int = 0
    contracts: Decimal = ZERO
    notional_q: int = 0

    def add(self, other: "Rung") -> None:
        """Count what other accounts hold."""
        self.subaccounts += other.subaccounts
        self.contracts = EXACT.add(self.contracts, other.contracts)
        self.notional_q += other.notional_q


class Ladder(Struct):
    """The liquidation map of one market: a rung for every move, falls and rises each on the way from the mark.

    `now` is what is liquidatable already; it stands on no rung. All other markets and assets hold still.
    """

    market: str
    mark: Decimal | None
    moves: list[Fraction]
    rungs: list[Rung]
    now: Rung

    def add(self, other: "Ladder") -> None:
        """Add the same market's rungs of other accounts."""
        self.mark = other.mark if self.mark is None else self.mark
        self.now.add(other.now)
        for mine, theirs in zip(self.rungs, other.rungs, strict=True):
            mine.add(theirs)

    def cumulative(self) -> list[Rung]:
        """Everything on the rungs from the mark to each, that one included."""
        totals = [Rung() for _ in self.rungs]
        for side in outward(self.moves):
            running = Rung()
            for at in side:
                running.add(self.rungs[at])
                totals[at].add(running)
        return totals


def outward(moves: Sequence[Fraction]) -> tuple[list[int], list[int]]:
    """Places of falls and of rises in a list of moves, each from the mark outwards."""
    falls = sorted((at for at, move in enumerate(moves) if move < 0), key=lambda at: -moves[at])
    rises = sorted((at for at, move in enumerate(moves) if move > 0), key=lambda at: moves[at])
    return falls, rises


class Surface(Protocol):
    """A book under its rules that can be asked what holds at other prices."""

    @property
    def size(self) -> int:
        """Accounts in the book."""

    @property
    def markets(self) -> Sequence[str]:
        """Names of the markets that the book has positions in, as its file writes them, the most frequent first."""

    @property
    def assets(self) -> Sequence[str]:
        """Names of collateral assets other than the quote asset."""

    def survey(self, shocks: Sequence[Shock], report: Report) -> Sums:
        """Sums over the liquidatable at every shock."""

    def tolls(self, shock: Shock, most: int | None, report: Report) -> list[Toll]:
        """Accounts with liquidatable subaccounts at a shock, those that matter most first; all of them for `None`."""

    def ladder(
        self, market: str, shocks: Sequence[Shock], moves: Sequence[Fraction], report: Report
    ) -> Ladder:
        """The liquidation map of a market, whose moves these shocks make."""


class Stress(Struct):
    """The answer: sums now and at every point, and the accounts that matter most at the worst of them."""

    points: list[Shock]
    now: Tally
    tallies: list[Tally]
    book: Sums
    worst: int
    tolls: list[Toll]
    ladders: list[Ladder]

    @property
    def worst_shock(self) -> Shock:
        """The point with the most bad debt (then margin deficit, then notional)."""
        return self.points[self.worst]

    @property
    def worst_tally(self) -> Tally:
        """Sums there."""
        return self.tallies[self.worst]


def stress(
    surface: Surface,
    points: Sequence[Shock],
    *,
    most: int | None = 10,
    maps: Sequence[tuple[str, Sequence[Shock]]] = (),
    report: Report = silent,
) -> Stress:
    """Ask a book what holds at each point, and list at most so many accounts at the worst one.

    `maps` are markets with the shocks of their liquidation maps. Raises `InputError` where no account can be judged.
    """
    sums = surface.survey([NOW, *points], report)
    if not sums.accounts:
        raise InputError(f"no account can be judged: {sums.refused[0].sentence}")
    now, *tallies = sums.points
    worst = max(range(len(tallies)), key=lambda at: badness(tallies[at]))
    tolls = surface.tolls(points[worst], most, report) if tallies[worst].accounts and most != 0 else []
    ladders = [
        surface.ladder(market, shocks, [shock.factor(market) - 1 for shock in shocks], report)
        for market, shocks in maps
    ]
    return Stress(list(points), now, tallies, sums, worst, tolls, ladders)


def badness(tally: Tally) -> tuple[int, int, int]:
    """Compares points: bad debt, then margin deficit, then notional."""
    return tally.debt_q, tally.deficit_q, tally.notional_q


def largest_markets(markets: Mapping[str, Held], count: int) -> list[str]:
    """Names of the markets with the largest notional."""
    return sorted(markets, key=lambda name: (-markets[name].notional_q, name))[:count]
