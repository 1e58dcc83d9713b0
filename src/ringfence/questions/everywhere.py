"""The same book at every venue, in every mode that it offers: what each asks, and where each liquidates it.

A venue answers once for its shared modes (all positions together) and once for its isolated ones (each alone), and for
accounts that hold both kinds also as they are held. Who cannot hold an account says in which respect.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, cast

from msgspec import Struct

from ..books.account import Account
from ..books.record import Place
from ..clearing.model import QUOTE
from ..errors import InputError
from ..progress import Report, silent
from ..venues.model import Rulebook
from ..venues.rulebook import list_rulebooks, load
from ..venues.symbols import readings
from .arrange import Arrangement
from .build import Built, build
from .listings import INPUT, MODE, POSITIONS, CannotHoldError, kind_of, listings
from .margin import answer, check_prices
from .procedure import in_a_word, procedure
from .spread import spread
from .summary import Summary, summarize
from .tabular import Cell, Columns

AS_HELD: Literal["as held"] = "as held"
"""The arrangement of accounts that hold some positions cross and others isolated, or one market twice."""

PARALLEL_FROM = 100
"""Accounts from which other processes are worth starting: an account takes some milliseconds at a venue."""


class Refusal(Struct, frozen=True):
    """An account that a venue cannot hold, at all or (`mode`) in one arrangement: why, and what is in the way."""

    account: str
    mode: str
    kind: str
    subjects: tuple[str, ...]
    sentence: str

    @property
    def short(self) -> str:
        """The reason without file and place."""
        return f"{self.kind}: {', '.join(self.subjects)}" if self.subjects else self.sentence

    def to_json(self) -> dict[str, object]:
        """The refusal as a JSON object."""
        named = {"account": self.account, "mode": self.mode or None, "kind": self.kind}
        return {**named, "subjects": list(self.subjects), "reason": self.sentence}


class Row(Struct, frozen=True):
    """One account in one arrangement; `detail` is its JSON where all figures were asked for."""

    arrangement: str
    summary: Summary
    detail: dict[str, Any] | None = None


class Outcome(Struct, frozen=True):
    """What one rulebook answers for some accounts."""

    rows: tuple[Row, ...]
    refused: tuple[Refusal, ...]


class VenueAnswer(Struct, frozen=True):
    """What one rulebook answers for a book; `then` says what it does with who is liquidatable, `short` in a word."""

    venue: str
    version: str
    then: str
    short: str
    rows: tuple[Row, ...]
    refused: tuple[Refusal, ...]
    warnings: tuple[str, ...] = ()

    def to_json(self) -> list[dict[str, object]]:
        """One JSON object per arrangement; one without, where no account can be held in any."""
        by_mode: dict[str | None, list[object]] = {}
        for row in self.rows:
            summary = row.summary
            plain = {"account": summary.account, "notes": list(summary.notes)}
            by_mode.setdefault(row.arrangement, []).append(plain | (row.detail or {}) | summary.to_json())
        for refusal in self.refused:
            if refusal.mode or not self.rows:
                by_mode.setdefault(refusal.mode or None, [])
        refused = [refusal.to_json() for refusal in self.refused]
        head = {"venue": self.venue, "version": self.version, "then": self.then}
        return [
            {**head, "mode": mode, "accounts": accounts, "refused": _of_mode(refused, mode)}
            for mode, accounts in by_mode.items()
        ]


def _of_mode(refused: Sequence[Mapping[str, object]], mode: str | None) -> list[Mapping[str, object]]:
    return [each for each in refused if each["mode"] in (None, mode)]


def standing(
    accounts: Iterable[Account],
    rulebook: Rulebook,
    prices: Mapping[str, Decimal],
    wanted: Arrangement | None = None,
) -> VenueAnswer:
    """What one rulebook answers for accounts as they are held, or as wanted; raises where it cannot hold one."""
    name = wanted or AS_HELD
    rows = (Row(name, summarize(build(each, rulebook, prices, wanted), name)) for each in accounts)
    return _venue_answer(rulebook, [Outcome(tuple(rows), ())])


def survey(
    accounts: Sequence[Account],
    prices: Mapping[str, Decimal],
    wanted: Arrangement | None = None,
    *,
    detail: bool = False,
    explain: bool = False,
    search: bool = True,
    workers: int = 1,
    report: Report = silent,
) -> list[VenueAnswer]:
    """Ask the newest rulebook of every venue, in every arrangement or in the one that is wanted.

    `detail` asks for all figures, `explain` for how they came about; without `search`, moves and prices are left out.
    Raises `InputError` if no venue can hold any account.
    """
    check_prices(prices, accounts)
    rulebooks = [load(info.venue, info.version) for info in list_rulebooks() if info.newest]
    job = Job(
        tuple(rulebooks), dict(prices), wanted, detail=detail or explain, explain=explain, search=search
    )
    found = spread(job, accounts, workers=workers, worth_from=PARALLEL_FROM, report=report)
    outcomes = [outcome for run in found for outcome in run]
    answers = [
        _venue_answer(rulebook, [outcome[at] for outcome in outcomes])
        for at, rulebook in enumerate(rulebooks)
    ]
    if accounts and not any(each.rows for each in answers):
        raise InputError(f"no venue can hold this: {_common_reason(answers, accounts, rulebooks)}")
    return answers


def _common_reason(
    answers: Sequence[VenueAnswer], accounts: Iterable[Account], rulebooks: Sequence[Rulebook]
) -> str:
    """Why nobody can hold any account: what the file lacks, or what no venue knows, else each venue's own reason."""
    refused = [refusal for each in answers for refusal in each.refused]
    lacking = next((refusal for refusal in refused if refusal.kind == INPUT), None)
    if lacking is not None:
        return lacking.sentence
    accepted = {QUOTE}.union(*(listings(each).assets for each in rulebooks))
    for account in accounts:
        for asset, place in _backing(account):
            if asset not in accepted:
                return f"{place}: no venue takes {asset} as collateral"
        for position in account.positions:
            symbol = position.option.underlying if position.option else position.symbol
            if not any(_knows(each, symbol) for each in rulebooks):
                return f"{position.place.field('symbol')}: no venue has a market {symbol!r}"
    return "; ".join(
        dict.fromkeys(f"{each.venue}: {each.refused[0].short}" for each in answers if each.refused)
    )


def _backing(account: Account) -> Iterator[tuple[str, Place]]:
    """Every asset that the account or one of its positions holds, and where the file says so."""
    held = [(account.place, account.collateral or {}), *((p.place, p.assets) for p in account.positions)]
    for place, assets in held:
        yield from ((asset, place.field("collateral").field(asset)) for asset in assets)


def _knows(rulebook: Rulebook, symbol: str) -> bool:
    try:
        listings(rulebook).symbol(symbol)
    except InputError:
        return False
    return True


def _venue_answer(rulebook: Rulebook, outcomes: Sequence[Outcome]) -> VenueAnswer:
    return VenueAnswer(
        rulebook.head.venue,
        rulebook.head.version,
        procedure(rulebook),
        in_a_word(rulebook),
        tuple(row for outcome in outcomes for row in outcome.rows),
        tuple(refusal for outcome in outcomes for refusal in outcome.refused),
        tuple(rulebook.warnings()),
    )


class Job:
    """Ask all rulebooks about some accounts."""

    def __init__(
        self,
        rulebooks: tuple[Rulebook, ...],
        prices: dict[str, Decimal],
        wanted: Arrangement | None,
        *,
        detail: bool,
        explain: bool,
        search: bool,
    ) -> None:
        self.rulebooks, self.prices, self.wanted = rulebooks, prices, wanted
        self.detail, self.explain, self.search = detail, explain, search

    def __call__(self, accounts: Sequence[Account]) -> list[tuple[Outcome, ...]]:
        """For each account one outcome per rulebook, in their order."""
        return [
            tuple(self._outcome(account, rulebook) for rulebook in self.rulebooks) for account in accounts
        ]

    def _outcome(self, account: Account, rulebook: Rulebook) -> Outcome:
        names = [self.wanted] if self.wanted else arrangements(account)
        built, refused = held(account, rulebook, self.prices, names)
        rows = (
            Row(name, summarize(each, name, search=self.search), self._detail(each)) for name, each in built
        )
        return Outcome(tuple(rows), refused)

    def _detail(self, built: Built) -> dict[str, Any] | None:
        return answer(built).to_json(explain=self.explain) if self.detail else None


def held(
    account: Account,
    rulebook: Rulebook,
    prices: Mapping[str, Decimal],
    names: Iterable[Arrangement | Literal["as held"]],
) -> tuple[list[tuple[str, Built]], tuple[Refusal, ...]]:
    """The account in each of these arrangements that the venue offers, and why there is not every one."""
    found: list[tuple[str, Built]] = []
    errors: dict[str, InputError] = {}
    for name in names:
        try:
            _refuse_unlisted(account, rulebook)
            wanted = None if name == AS_HELD else name
            found.append((name, build(account, rulebook, prices, wanted)))
        except InputError as error:
            errors[name] = error
    if found:
        # That a venue lacks a mode is no refusal where it answers in another; nor is it one that it cannot mix both.
        errors = {
            name: error for name, error in errors.items() if name != AS_HELD and kind_of(error)[0] != MODE
        }
        return found, tuple(_refusal(account, name, error) for name, error in errors.items())
    # A mode that the venue lacks is not what is in the way where another one fails for a reason of its own.
    reasons = sorted(errors.values(), key=lambda error: kind_of(error)[0] == MODE)
    return [], (_refusal(account, "", reasons[0]),)


def arrangements(account: Account) -> list[Arrangement | Literal["as held"]]:
    """The arrangements in which an account is worth asking about.

    One position held cross is as good as alone, unless the account holds its market twice.
    """
    if not account.positions:
        return ["cross"]
    cross = sum(position.mode == "cross" for position in account.positions)
    mixed = 1 < cross < len(account.positions) or _repeats_market(account)
    return ["cross", "isolated", AS_HELD] if mixed else ["cross", "isolated"]


def _repeats_market(account: Account) -> bool:
    """Whether two perpetuals may be in one market, by whichever names."""
    seen: set[str] = set()
    for position in account.positions:
        names = {name.casefold() for name in readings(position.symbol)} if not position.option else set()
        if names & seen:
            return True
        seen |= names
    return False


def _refuse_unlisted(account: Account, rulebook: Rulebook) -> None:
    """What a venue states about positions that are not listed holds there alone."""
    if not account.complete and account.venue != rulebook.head.venue:
        sentence = f"{account.place}: not all positions are listed, so only {account.venue} can answer"
        raise CannotHoldError(sentence, POSITIONS)


def _refusal(account: Account, mode: str, error: InputError) -> Refusal:
    kind, subjects = kind_of(error)
    return Refusal(account.name, mode, kind, subjects, str(error))


# -- as a table ---------------------------------------------------------------------------------------------------

COLUMNS: Columns = {
    "account": "text",
    "venue": "text",
    "version": "text",
    "mode": "text",
    "venueMode": "text",
    "equity": "amount",
    "initialMargin": "amount",
    "maintenanceMargin": "amount",
    "maxLeverage": "ratio",
    "liquidatable": "flag",
    "uniformMoveToLiquidation": "ratio",
    "liquidationPrices": "text",
    "then": "text",
    "notes": "text",
    "refused": "text",
}
"""Columns of an exported table: a row per account, venue and mode, and one per refusal."""


def table_rows(answers: Iterable[VenueAnswer]) -> Iterator[tuple[Cell, ...]]:
    """The rows of an exported table, by venue."""
    for each in answers:
        for row in each.rows:
            values = row.summary.to_json()
            prices = ", ".join(f"{line.market} {line.price or 'none'}" for line in row.summary.prices)
            told = {
                **values,
                "account": row.summary.account,
                "venue": each.venue,
                "version": each.version,
                "mode": row.arrangement,
                "liquidationPrices": prices,
                "then": each.then,
                "notes": "; ".join(row.summary.notes),
            }
            yield tuple(cast(Cell, told.get(name)) for name in COLUMNS)
        for refusal in each.refused:
            said = {
                "account": refusal.account,
                "venue": each.venue,
                "version": each.version,
                "mode": refusal.mode or None,
                "refused": refusal.short,
            }
            yield tuple(said.get(name) for name in COLUMNS)
