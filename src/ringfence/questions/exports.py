"""Real accounts that carry the venue's own liquidation price: ours beside it, position by position.

An export does not name the version of the rules that it was made under, so each version of the venue's rulebook is
tried and the one that agrees most often is shown, the newest of equals. A price agrees when it is the same number at as
many decimal places as the venue displays.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from ..books.account import Account, BookPosition
from ..books.files import TABLE_SUFFIXES, read_accounts, read_json
from ..clearing.solve import liquidation_price
from ..errors import InputError
from ..units import format_atoms
from ..venues.model import Rulebook
from ..venues.rulebook import list_rulebooks, load
from .arrange import Held
from .build import Built, Part, build
from .figures import exact_shown_price, shown_price


class Compared(Struct, frozen=True):
    """One position: the price that the venue showed, what we say it shows, and our trigger (`None`: no price)."""

    account: str
    rulebook: str
    symbol: str
    mode: str
    shown: str | None
    ours: str | None
    trigger: str | None
    relative: str | None
    """Difference as a share of what was shown."""
    agrees: bool


class Skipped(Struct, frozen=True):
    """An account with nothing to compare, or one that no version of its venue's rulebook can hold."""

    account: str
    reason: str


class ExportReport(Struct, frozen=True):
    """What became of all positions."""

    compared: tuple[Compared, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    @property
    def passed(self) -> int:
        """Positions whose price agrees."""
        return sum(each.agrees for each in self.compared)

    @property
    def failed(self) -> int:
        """Positions whose price does not."""
        return len(self.compared) - self.passed

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        counts = {"passed": self.passed, "failed": self.failed, "skipped": len(self.skipped)}
        return {
            **counts,
            "positions": msgspec.to_builtins(self.compared),
            "accounts": msgspec.to_builtins(self.skipped),
        }


def is_export(path: str | PathLike[str]) -> bool:
    """Whether a file holds accounts; else it is taken for conformance cases, which say what they expect."""
    if Path(path).suffix.lower() in TABLE_SUFFIXES:
        return True
    document = read_json(path)
    first = document[0] if isinstance(document, list) and document else document
    return not (isinstance(first, dict) and "expected" in first)


def run(paths: Iterable[str | PathLike[str]], venue: str | None = None) -> ExportReport:
    """Compare all accounts of some files; `venue` (a rulebook's name) stands in for what they say of themselves."""
    compared: list[Compared] = []
    skipped: list[Skipped] = []
    for account in (account for path in paths for account in read_accounts(path)):
        outcome = compare(account, venue)
        if isinstance(outcome, Skipped):
            skipped.append(outcome)
        else:
            compared.extend(outcome)
    return ExportReport(tuple(compared), tuple(skipped))


def compare(account: Account, venue: str | None = None) -> list[Compared] | Skipped:
    """Compare the positions of one account under the version of the rulebook that agrees most."""
    if not any(position.states_liquidation_price for position in account.positions):
        return Skipped(account.name, "it states no liquidation price of its venue")
    refusals: list[str] = []
    outcomes: list[list[Compared]] = []
    for rulebook in _versions(venue or account.venue, account):
        try:
            outcomes.append(list(_compared(build(account, rulebook, {}))))
        except InputError as error:
            refusals.append(str(error))
    if not outcomes:
        return Skipped(account.name, refusals[0])
    best = max(outcomes, key=lambda found: sum(each.agrees for each in found))
    return best or Skipped(account.name, "it does not say what backs the positions that state a price")


def _versions(venue: str | None, account: Account) -> Iterator[Rulebook]:
    """The rulebooks to try, newest first."""
    if venue is None:
        raise InputError(f"{account.place}: does not say which venue it is from; give --venue NAME")
    versions = [info.version for info in list_rulebooks() if info.venue == venue]
    return (load(venue, version) for version in versions) if versions else iter([load(venue)])


def _compared(built: Built) -> Iterator[Compared]:
    for part in built.parts:
        for each in part.held:
            if part.knows_collateral and each.position.states_liquidation_price:
                yield _position(built, part, each)


def _position(built: Built, part: Part, each: Held) -> Compared:
    market, shown = built.venue.markets[each.market], each.position.venue_liquidation_price
    exact = exact_shown_price(built, part, each.market)
    ours = shown_price(built, part, each.market, _decimals(each.position))
    trigger = liquidation_price(built.venue, built.venue.subaccounts[part.subaccount], each.market)
    agrees = shown is None if ours is None else shown is not None and Decimal(ours) == shown
    return Compared(
        account=built.account.name,
        rulebook=built.rulebook.name,
        symbol=each.market,
        mode=part.mode,
        shown=None if shown is None else format(shown, "f"),
        ours=ours,
        trigger=None if trigger is None else format_atoms(trigger, market.price_decimals),
        relative=None if exact is None or not shown else f"{float(exact / Fraction(shown) - 1):.2e}",
        agrees=agrees,
    )


def _decimals(position: BookPosition) -> int:
    """Decimal places of the price that a venue showed, where its rulebook does not say how many it shows."""
    shown = position.venue_liquidation_price
    exponent = 0 if shown is None else shown.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
