"""Portfolios of Derive's standard manager whose feeds stand in the venue's test set-up, and perpetuals against cash.

A portfolio states contracts, strikes and dates; parameters and prices are those of the test contract, and some cases
change a price or a confidence before they run (`CHANGES`, by the name of the case: nothing else tells them apart).

Sources at `derivexyz/v2-core@7736900d`: `test/config-test.sol` (parameters), and below `test/risk-managers/unit-tests`
`TestCaseExpiries.t.sol:60-110` (dates, spot, forwards), `StandardManager/TestStandardManager_Portfolio_Cases.t.sol`
(volatility, perpetual prices, collateral factor, changes) and `StandardManager/TestStandardManager_Perp.t.sol:147-200`.
"""

from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import NamedTuple

from msgspec.structs import replace

from ...clearing.set_rules import StandardMargin, StandardTerms
from ...errors import InputError
from ...rules.value import value_q
from ...rules.words import FLOOR, WAD
from .derive_srm_book import ONE, Book, Feed, Holding, Option, Rule
from .vectors import Case, Field
from .wad import wad

E10 = 10**10
"""From the eight decimal places of a portfolio to wei."""
HOUR = 3_600


def _wad(text: str) -> int:
    return int(Fraction(text) * WAD)


SETUP = Rule(
    StandardMargin(
        StandardTerms(
            highest_num=_wad("0.15"),
            lowest_num=_wad("0.1"),
            call_num=_wad("0.075"),
            put_num=_wad("0.075"),
            put_mark_num=_wad("0.075"),
            put_floor_num=_wad("1.05"),
            den=WAD,
            netted=True,
            unpaired_initial_num=_wad("1.2"),
            unpaired_maintenance_num=_wad("1.1"),
        ),
        doubt_num=_wad("0.4"),
        perp_doubt_below_num=_wad("0.4"),
        option_doubt_below_num=_wad("0.4"),
        asset_doubt_below_num=_wad("0.4"),
        peg_below_num=_wad("0.98"),
        peg_num=_wad("1.2"),
    ),
    perp_initial=_wad("0.065"),
    perp_maintenance=_wad("0.05"),
    base_factor=_wad("0.8"),
)
VOL = _wad("0.5")
DAYS = {
    "20230104": 3,
    "20230111": 10,
    "20230118": 17,
    "20230227": 57,
    "20230804": 215,
    "20230811": 222,
    "20230818": 229,
    "20230825": 238,
}
SECONDS = {date: (24 * days + 8) * HOUR for date, days in DAYS.items()}
"""Seconds to expiry by date."""


class Prices(NamedTuple):
    """Spot and perpetual of an underlying, and by how much its forwards exceed the spot, in the order of the dates."""

    spot: str
    perp: str
    above: tuple[str, ...]


PRICES = {
    "eth": Prices(
        "2000",
        "2001",
        ("0.91345", "2.83305", "4.7545", "15.7696", "59.87416", "61.85933", "63.8284", "66.3744"),
    ),
    "btc": Prices(
        "28000",
        "28020",
        (
            *("12.7883", "39.66276", "66.56301", "220.77451"),
            *("838.23835", "865.90472", "893.59763", "929.24184"),
        ),
    ),
}


class Change(NamedTuple):
    """What a case changes first: the price of the stable coin, and confidences of ETH's feeds (wei below one)."""

    stable: str = "1"
    spot: str = "1"
    perp: str = "1"
    vol: str = "1"
    forward: str = "1"


CHANGED_DATE = "20230118"
"""The expiry whose volatility and forward lose confidence."""
CHANGED_ABOVE = "4.75"
"""... and what its forward then is above the spot."""
EDGE = "0.399999999999999999"
"""One wei below the threshold."""

CHANGES: Mapping[str, Change] = MappingProxyType(
    {
        "test_USDC_depeg": Change(stable="0.1"),
        "test_long_perp_and_USDC_depeg": Change(stable="0.1"),
        "test_short_call_low_vol_conf": Change(vol="0.1"),
        "test_short_call_low_vol_and_fwd_confidence": Change(vol="0.5", forward=EDGE),
        "test_short_call_low_spot_vol_fwd_confidence": Change(spot="0.2", vol="0.5", forward="0.4"),
        "test_long_call_low_spot_vol_fwd_confidence": Change(spot="0.2", vol="0.5", forward="0.4"),
        "test_short_options_two_expiries_low_conf_one_expiry": Change(spot="0.9", vol="0.3", forward="0.4"),
        "test_long_eth_perp_low_perp_confidence": Change(perp="0.1"),
        "test_base_asset_low_spot_confidence": Change(spot="0.1"),
        "test_general_portfolio": Change(stable="0.97", spot="0.2", vol="0.5", forward=EDGE),
    }
)


def portfolio_book(case: Case) -> Book:
    """A portfolio with the feeds of the test set-up."""
    change = CHANGES.get(case.id.rpartition("/")[2], Change())
    holdings = {name: Holding(_feed(name, change), []) for name in PRICES}
    cash = 0
    for item in case.body.items("collateral"):
        amount, owner = item["amount"].integer() * E10, item.get("underlying")
        if owner is None:
            check_cash(item)
            cash += amount
        else:
            _known(holdings, owner).base += amount
    for position in case.body["positions"]:
        held = _known(holdings, position["underlying"])
        if position.get("strike"):
            held.options.append(_option(position, change))
        else:
            _add_perp(held, position["amount"].integer() * E10, position["entryPrice"].integer() * E10)
    return Book(SETUP, cash, _wad(change.stable), holdings)


def check_cash(item: Field) -> None:
    """Refuse collateral without an underlying that is not the quote asset."""
    if item["asset"].text() != "cash":
        raise InputError(f"{item.where}.underlying: missing")


def _known(holdings: dict[str, Holding], owner: Field) -> Holding:
    if owner.text() not in holdings:
        raise InputError(f"{owner.where}: expected one of {', '.join(holdings)}, got {owner.text()}")
    return holdings[owner.text()]


def _option(position: Field, change: Change) -> Option:
    date, which, owner = position["expiry"].text(), position["type"].text(), position["underlying"].text()
    if date not in SECONDS:
        raise InputError(f"{position['expiry'].where}: expected one of {', '.join(SECONDS)}, got {date}")
    if which not in ("call", "put"):
        raise InputError(f"{position['type'].where}: expected call or put, got {which}")
    position["strike"].positive()
    doubted = owner == "eth" and date == CHANGED_DATE
    return Option(
        SECONDS[date],
        wad(position["strike"]),
        which == "call",
        position["amount"].integer() * E10,
        VOL,
        _wad(change.vol) if doubted else WAD,
    )


def _add_perp(held: Holding, size: int, entry: int) -> None:
    held.perp += size
    held.pnl += value_q(size, held.feed.perp - entry, ONE.num, ONE.den, FLOOR)


def _feed(name: str, change: Change) -> Feed:
    prices = PRICES[name]
    spot = _wad(prices.spot)
    forwards = {SECONDS[date]: spot + _wad(above) for date, above in zip(SECONDS, prices.above, strict=True)}
    confidences = dict.fromkeys(forwards, WAD)
    if name != "eth":
        return Feed(spot, WAD, _wad(prices.perp), WAD, forwards, forwards, confidences)
    if change.forward != "1":
        forwards[SECONDS[CHANGED_DATE]] = spot + _wad(CHANGED_ABOVE)
        confidences[SECONDS[CHANGED_DATE]] = _wad(change.forward)
    sure = (_wad(change.spot), _wad(change.perp))
    return Feed(spot, sure[0], _wad(prices.perp), sure[1], forwards, forwards, confidences)


def perp_book(case: Case) -> Book:
    """Perpetuals opened at the mark against cash, with the parameters that the case states."""
    stated = case.body["rule"]
    threshold, factor = stated.get("perpThreshold"), stated.get("OCFactor")
    doubt = {
        "perp_doubt_below_num": wad(threshold) if threshold else 0,
        "doubt_num": wad(factor) if factor else 0,
    }
    rule = Rule(
        replace(SETUP.margin, **doubt), wad(stated["imPerpReq"]), wad(stated["mmPerpReq"]), SETUP.base_factor
    )
    holdings: dict[str, Holding] = {}
    for position in case.body["positions"]:
        mark, spot = wad(position["mark"]), position.get("spot")
        sure = [position.get(name) for name in ("spot_confidence", "perp_confidence")]
        confidence = [wad(each) if each else WAD for each in sure]
        feed = Feed(wad(spot) if spot else mark, confidence[0], mark, confidence[1], {}, {}, {})
        held = holdings.setdefault(position["market"].text(), Holding(feed, []))
        entry = position.get("entry")
        _add_perp(held, wad(position["size"]), wad(entry) if entry else mark)
    cash = sum(wad(item["amount"]) for item in case.body.items("collateral"))
    return Book(rule, cash, WAD, holdings)
