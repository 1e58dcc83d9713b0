"""Scenarios of Derive's standard manager: positions and feeds in one object, in wei.

Source: `derivexyz/v2-core@7736900d test/risk-managers/unit-tests/StandardManager/test-cases.json`.
"""

from ...clearing.set_rules import StandardMargin, StandardTerms
from ...errors import InputError
from ...rules.value import value_q
from ...rules.words import FLOOR, WAD, mul_div_down
from .derive_srm_book import ONE, Book, Feed, Holding, Option, Rule
from .vectors import Case, Field
from .wad import wad

UNDERLYINGS = ("ETH", "BTC")
WINDOW_SECONDS = 3_600
"""Settlement averages the price over this time before expiry: with 900 s to go, three quarters are fixed."""


def rule_of(stated: Field) -> Rule:
    """The manager's parameters as a scenario states them."""
    option, doubt, depeg = stated["option"], stated["oracle_contingency"], stated["depeg"]
    terms = StandardTerms(
        highest_num=wad(option["maxSpotReq"]),
        lowest_num=wad(option["minSpotReq"]),
        call_num=wad(option["mmCallSpotReq"]),
        put_num=wad(option["mmPutSpotReq"]),
        put_mark_num=wad(option["MMPutMtMReq"]),
        put_floor_num=wad(option["mmOffsetScale"]),
        den=WAD,
        netted=True,
        unpaired_initial_num=wad(option["unpairedIMScale"]),
        unpaired_maintenance_num=wad(option["unpairedMMScale"]),
    )
    margin = StandardMargin(
        terms,
        doubt_num=wad(doubt["OCFactor"]),
        perp_doubt_below_num=wad(doubt["perp"]),
        option_doubt_below_num=wad(doubt["option"]),
        asset_doubt_below_num=wad(doubt["base"]),
        peg_below_num=wad(depeg["threshold"]),
        peg_num=wad(depeg["factor"]),
    )
    return Rule(margin, wad(stated["perp_im"]), wad(stated["perp_mm"]), wad(stated["base_margin_factor"]))


def scenario_book(case: Case) -> Book:
    """A scenario: one object that holds the positions and the feeds."""
    stated = case.body["positions"].only()
    holdings = {name: _scenario_holding(stated, at, name) for at, name in enumerate(UNDERLYINGS)}
    return Book(
        rule_of(case.body["rule"]), stated["Cash"].integer(), stated["USDCValue"].integer(1), holdings
    )


_COLUMNS = (
    "OptionUnderlying",
    "OptionExpiries",
    "OptionStrikes",
    "OptionIsCall",
    "OptionAmounts",
    "OptionVols",
    "OptionVolConfidences",
    "FeedExpiries",
    "Forwards",
    "ForwardConfidences",
)
Row = dict[str, Field]


def _rows(stated: Field) -> list[Row]:
    """One row per option, with the forward that its expiry has."""
    count = len([*stated["OptionUnderlying"]])
    columns = [_listed(stated[name], count) for name in _COLUMNS]
    return [dict(zip(_COLUMNS, row, strict=True)) for row in zip(*columns, strict=True)]


def _listed(stated: Field, count: int) -> list[Field]:
    found = [*stated]
    if len(found) != count:
        raise InputError(f"{stated.where}: expected {count} items, got {len(found)}")
    return found


def _scenario_holding(stated: Field, at: int, name: str) -> Holding:
    rows = [row for row in _rows(stated) if row["OptionUnderlying"].text() == name]
    feed = _feed(stated, at, name, rows)
    perp, entry = stated[f"Perps_{name}"].integer(), stated.get(f"LastEntry{name}")
    now, before = stated[f"{name}GlobalFundingIndex"].integer(), stated.get(f"Account{name}FundingIndex")
    moved = feed.perp - (entry.integer() if entry else feed.perp)
    return Holding(
        feed,
        [_option(row) for row in rows],
        stated[f"w{name}"].integer(0),
        perp,
        pnl=value_q(perp, moved, ONE.num, ONE.den, FLOOR),
        funding=value_q(-perp, now - (before.integer() if before else now), ONE.num, ONE.den, FLOOR),
    )


def _option(row: Row) -> Option:
    seconds = row["OptionExpiries"]
    if row["FeedExpiries"].integer() != seconds.integer(0):
        raise InputError(f"{seconds.where}: the forward of this option is that of another expiry")
    return Option(
        seconds.integer(0),
        row["OptionStrikes"].integer(0),
        row["OptionIsCall"].integer(0, 1) == 1,
        row["OptionAmounts"].integer(),
        row["OptionVols"].integer(0),
        row["OptionVolConfidences"].integer(0),
    )


def _feed(stated: Field, at: int, name: str, rows: list[Row]) -> Feed:
    sure = _listed(_listed(stated["SpotPerpConfidences"], len(UNDERLYINGS))[at], 2)
    forwards, settled, confidences = {}, {}, {}
    for row in rows:
        seconds, forward = row["FeedExpiries"].integer(0), row["Forwards"].integer(1)
        forwards[seconds] = settled[seconds] = forward
        confidences[seconds] = row["ForwardConfidences"].integer(0)
        if seconds < WINDOW_SECONDS:
            fixed, average = wad(stated[f"PercentFixed{name}"]), stated[f"TWAP_{name}"].integer(0)
            settled[seconds] = mul_div_down(average * fixed + forward * (WAD - fixed), 1, WAD)
    return Feed(
        stated[f"{name}SpotPrice"].integer(1),
        sure[0].integer(0),
        _listed(stated["PerpPrice"], len(UNDERLYINGS))[at].integer(1),
        sure[1].integer(0),
        forwards,
        settled,
        confidences,
    )
