"""One book under two sets of rules: who becomes liquidatable, whose free collateral runs out, what margin it costs.

The two may be two versions, two venues, or a rulebook and the same with changes. Every account is put into the engine
under both, and every figure is the engine's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from msgspec import Struct

from ..books.account import Account
from ..clearing.model import Subaccount
from ..clearing.policy import Requirement
from ..clearing.risk import Risk, collateral_risk, market_risk, subaccount_risk
from ..errors import InputError
from ..progress import Report, silent
from ..venues.model import Rulebook
from .arrange import Arrangement
from .build import UNLISTED, Built, build
from .listings import kind_of, listings
from .margin import check_prices
from .spread import spread

PARALLEL_FROM = 4000
"""Accounts from which other processes are worth starting: an account takes a fraction of a millisecond."""

NETTING = "(netting and collateral)"
"""Margin that belongs to no market: what rules over many positions give or take, and what collateral asks."""


class Standing(Struct, frozen=True, array_like=True):
    """A subaccount under one set of rules, in quote atoms; `None` is what the file leaves open."""

    equity_q: int | None
    initial_q: int | None
    maintenance_q: int
    liquidatable: bool | None

    @property
    def free_q(self) -> int | None:
        """Equity above initial margin."""
        return None if self.equity_q is None or self.initial_q is None else self.equity_q - self.initial_q

    @property
    def short(self) -> bool:
        """Whether free collateral is negative."""
        return self.free_q is not None and self.free_q < 0


NOTHING = Standing(0, 0, 0, liquidatable=False)
"""A subaccount that is not there."""

NO_RISK = Risk()


class Change(Struct, frozen=True, array_like=True):
    """A subaccount before and after, where one of the two matters: liquidation, or free collateral below zero."""

    account: str
    subaccount: str
    notional_q: int
    before: Standing
    after: Standing

    @property
    def becomes_liquidatable(self) -> bool:
        """Liquidatable after and not before."""
        return self.after.liquidatable is True and self.before.liquidatable is False

    @property
    def is_saved(self) -> bool:
        """Liquidatable before and not after."""
        return self.before.liquidatable is True and self.after.liquidatable is False

    @property
    def becomes_short(self) -> bool:
        """Free collateral is negative after and was not before."""
        return self.after.short and not self.before.short

    @property
    def is_relieved(self) -> bool:
        """Free collateral was negative before and is not after."""
        return self.before.short and not self.after.short

    @property
    def what(self) -> str:
        """What becomes of it, in words."""
        words = {
            "becomes liquidatable": self.becomes_liquidatable,
            "no longer liquidatable": self.is_saved,
            "free collateral runs out": self.becomes_short,
            "has free collateral again": self.is_relieved,
        }
        return ", ".join(word for word, holds in words.items() if holds)


class Leg(Struct, array_like=True):
    """Sums over positions in one market, before and after, in quote atoms."""

    positions: int = 0
    notional_q: int = 0
    initial_before_q: int = 0
    initial_after_q: int = 0
    maintenance_before_q: int = 0
    maintenance_after_q: int = 0

    def add(self, other: "Leg") -> None:
        """Add another's sums to these."""
        self.positions += other.positions
        self.notional_q += other.notional_q
        self.initial_before_q += other.initial_before_q
        self.initial_after_q += other.initial_after_q
        self.maintenance_before_q += other.maintenance_before_q
        self.maintenance_after_q += other.maintenance_after_q


class Refused(Struct, frozen=True, array_like=True):
    """An account that one of the rulebooks cannot hold; it counts on neither side."""

    account: str
    rulebook: str
    kind: str
    sentence: str
    only_after: bool
    """Whether the rulebook of before could hold it."""


class Diff(Struct):
    """What the change means for a book, or for a part of one."""

    before: str
    after: str
    accounts: int = 0
    subaccounts: int = 0
    liquidatable_before: int = 0
    """Accounts with a subaccount that is liquidatable."""
    liquidatable_after: int = 0
    markets: dict[str, Leg] = {}
    changes: list[Change] = []
    refused: list[Refused] = []
    unknown: int = 0
    """Accounts of which the file does not say enough to tell whether they are liquidatable."""
    notes: dict[str, int] = {}
    """What a reader should know, and of how many accounts."""

    def add(self, other: "Diff") -> None:
        """Add what is known of other accounts."""
        self.accounts += other.accounts
        self.subaccounts += other.subaccounts
        self.liquidatable_before += other.liquidatable_before
        self.liquidatable_after += other.liquidatable_after
        self.unknown += other.unknown
        self.changes.extend(other.changes)
        self.refused.extend(other.refused)
        for market, leg in other.markets.items():
            self.markets.setdefault(market, Leg()).add(leg)
        for note, times in other.notes.items():
            self.notes[note] = self.notes.get(note, 0) + times

    @property
    def total(self) -> Leg:
        """Sums over all markets."""
        total = Leg()
        for leg in self.markets.values():
            total.add(leg)
        return total


def diff(
    accounts: Sequence[Account],
    before: Rulebook,
    after: Rulebook,
    prices: Mapping[str, Decimal],
    wanted: Arrangement | None = None,
    *,
    workers: int = 1,
    report: Report = silent,
) -> Diff:
    """Compare what two rulebooks ask of a book; `wanted` holds every account in that arrangement first.

    `workers` of 0 takes one process per core for large books. Raises `InputError` where neither rulebook can hold any
    account.
    """
    check_prices(prices, accounts)
    job = Job(before, after, dict(prices), wanted)
    found = Diff(before.name, after.name)
    for part in spread(job, accounts, workers=workers, worth_from=PARALLEL_FROM, report=report):
        found.add(part)
    if found.refused and len({refused.account for refused in found.refused}) == len(accounts):
        raise InputError(f"no account can be compared: {found.refused[0].sentence}")
    return found


class Job:
    """Put accounts under both rulebooks."""

    def __init__(
        self, before: Rulebook, after: Rulebook, prices: dict[str, Decimal], wanted: Arrangement | None
    ) -> None:
        self.before, self.after, self.prices, self.wanted = before, after, prices, wanted
        self.same_rule: dict[str, bool] = {}

    def __call__(self, accounts: Sequence[Account]) -> Diff:
        """What the change means for some accounts."""
        found = Diff(self.before.name, self.after.name, len(accounts))
        for account in map(self._judged_by_rulebooks, accounts):
            built = self._built(account, found)
            if built is not None:
                compare(found, *built)
        return found

    def _built(self, account: Account, found: Diff) -> tuple[Built, Built] | None:
        """The account under both rulebooks; what cannot be held goes to the refusals."""
        built: list[Built] = []
        for rulebook in (self.before, self.after):
            try:
                built.append(build(account, rulebook, self.prices, self.wanted))
            except InputError as error:
                only_after = rulebook is self.after and len(built) == 1
                kind = kind_of(error)[0]
                found.refused.append(Refused(account.name, rulebook.name, kind, str(error), only_after))
        return (built[0], built[1]) if len(built) == len(("before", "after")) else None

    def _judged_by_rulebooks(self, account: Account) -> Account:
        """The account without its venue's word on leverage where the two rulebooks differ: the rulebooks then count."""
        if self.before.head.venue != self.after.head.venue or account.venue != self.before.head.venue:
            return account
        if all(position.venue_max_leverage is None for position in account.positions):
            return account
        positions = tuple(
            position if self._same(position.symbol) else replace(position, venue_max_leverage=None)
            for position in account.positions
        )
        return replace(account, positions=positions)

    def _same(self, symbol: str) -> bool:
        """Whether both rulebooks have the same margin rule for a symbol, or none."""
        if symbol not in self.same_rule:
            rules: list[Requirement | None] = []
            for rulebook in (self.before, self.after):
                known = listings(rulebook)
                try:
                    rules.append(known.market(known.symbol(symbol)).requirement)
                except InputError:
                    rules.append(None)
            self.same_rule[symbol] = rules[0] == rules[1]
        return self.same_rule[symbol]


class _Side(Struct):
    """An account under one rulebook: its subaccounts, and each market's share."""

    standings: dict[str, Standing]
    notionals: dict[str, int]
    legs: dict[str, Risk]
    rest: Risk

    @property
    def is_liquidatable(self) -> bool | None:
        """Whether a subaccount is; `None` where that is not known of one and no other is."""
        states = [standing.liquidatable for standing in self.standings.values()]
        return True if True in states else None if None in states else False


def compare(found: Diff, before: Built, after: Built) -> None:
    """Add the difference between an account that stands in the engine under two rulebooks."""
    left, right = _side(before), _side(after)
    for name in dict.fromkeys((*left.standings, *right.standings)):
        notional_q = left.notionals.get(name) or right.notionals.get(name, 0)
        old, new = left.standings.get(name, NOTHING), right.standings.get(name, NOTHING)
        change = Change(before.account.name, name, notional_q, old, new)
        if change.what:
            found.changes.append(change)
    found.subaccounts += len(left.standings)
    found.liquidatable_before += left.is_liquidatable is True
    found.liquidatable_after += right.is_liquidatable is True
    found.unknown += None in (left.is_liquidatable, right.is_liquidatable)
    _add_markets(found.markets, before, left, right)
    for note in dict.fromkeys((*before.notes, *after.notes)):
        found.notes[note] = found.notes.get(note, 0) + 1


def _side(built: Built) -> _Side:
    """Every subaccount's risk, and what each market has in it."""
    side = _Side({}, {}, {}, Risk())
    at_equality = built.venue.policy.trigger_at_equality
    for part in built.parts:
        if not (part.held or built.account.collateral):
            continue
        subaccount = built.venue.subaccounts[part.subaccount]
        risk = _add_legs(built, subaccount, side)
        whole = UNLISTED not in subaccount.positions
        side.notionals[part.subaccount] = risk.notional_q
        side.standings[part.subaccount] = Standing(
            risk.equity_q if part.knows_collateral else None,
            risk.initial_q if whole else None,
            risk.maintenance_q,
            risk.liquidatable(at_equality=at_equality) if part.knows_collateral else None,
        )
    return side


def _add_legs(built: Built, subaccount: Subaccount, side: _Side) -> Risk:
    """Risk of a subaccount, whose legs are added to those of the side."""
    venue = built.venue
    total = held = collateral_risk(venue, subaccount)
    for market in subaccount.positions:
        leg = market_risk(venue, subaccount, market)
        side.legs[market] = side.legs.get(market, Risk()) + leg
        total += leg
    if venue.policy.set_rule is not None:
        whole = subaccount_risk(venue, subaccount)
        rest = Risk(0, whole.initial_q - total.initial_q, whole.maintenance_q - total.maintenance_q)
        side.rest += rest
        total = whole
    side.rest += Risk(0, held.initial_q, held.maintenance_q)
    return total


def _add_markets(markets: dict[str, Leg], before: Built, left: _Side, right: _Side) -> None:
    """Add both sides' legs to the sums by market."""
    for part in before.parts:
        for each in part.held:
            markets.setdefault(each.market, Leg()).positions += 1
    for market in dict.fromkeys((*left.legs, *right.legs)):
        old, new = left.legs.get(market, NO_RISK), right.legs.get(market, NO_RISK)
        _add_leg(markets.setdefault(market, Leg()), old, new)
    if left.rest != NO_RISK or right.rest != NO_RISK:
        _add_leg(markets.setdefault(NETTING, Leg()), left.rest, right.rest)


def _add_leg(leg: Leg, old: Risk, new: Risk) -> None:
    leg.notional_q += old.notional_q or new.notional_q
    leg.initial_before_q += old.initial_q
    leg.initial_after_q += new.initial_q
    leg.maintenance_before_q += old.maintenance_q
    leg.maintenance_after_q += new.maintenance_q
