"""Derive's first portfolio manager (PMRM): worst scenario and basis charge, static charges inside the loss.

Two forms of cases are read: a scenario with its feeds and parameters, in wei, and a portfolio whose feeds and
parameters stand in the venue's own test set-up; some of those change prices or confidences before they run (`CHANGES`,
by the name of the case: nothing else tells them apart). Dates, spot and forwards are those of `derive_srm_setup`.

Sources of the set-up, below `derivexyz/v2-core@7736900d test/risk-managers/unit-tests`: `PMRM/utils/PMRMTestBase.sol`,
`PMRM/TestPMRM_ProtfolioCases.t.sol`, `TestCaseExpiries.t.sol`, and `test/config-test.sol` for the parameters.
"""

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from itertools import product
from types import MappingProxyType
from typing import Literal, NamedTuple

from ...clearing.set_rules import Scenario, ScenarioMargin
from ...errors import InputError
from ...pricing.scenarios import Discount, Expiry, Shocks, VolShock
from ...rules.words import WAD
from .derive_portfolio import ONE, Answer, Book, Collateral, Feed, Lots, answer, exact
from .derive_srm_setup import PRICES, SECONDS, check_cash
from .named import NamedKinds
from .vectors import Case, Field, Ours, Range, UnsupportedError

DAY_SECONDS = 86_400
POWER_MAX = 10
"""Largest power that the manager takes for a shock's growth towards expiry."""
E8 = 10**8
"""Amounts and entry prices of portfolios have eight decimal places."""
BASE = "base"
UNDERLYING = "eth"
"""Of the manager in the venue's test set-up: each manager has one."""
VOLS: tuple[Literal["up", "none", "down"], ...] = ("up", "none", "down")
MOVES = tuple(Fraction(percent, 100) for percent in (115, 110, 105, 100, 95, 90, 85))


class Rates(NamedTuple):
    """Parameters of the manager."""

    moves: tuple[Fraction, ...] = MOVES
    basis: tuple[Fraction, ...] = tuple(map(Fraction, ("1.05", "0.95", "0.25", "0.01")))
    """Moves up and down, added share, share a year."""
    peg: tuple[Fraction, ...] = tuple(map(Fraction, ("0.98", "2")))
    doubt: tuple[Fraction, ...] = tuple(map(Fraction, ("0.6", "0.4")))
    """Threshold and share; the test contract overrides the share and those of perps and the base asset."""
    perp: Fraction = Fraction("0.025")
    base: Fraction = Fraction("0.025")
    option: Fraction = Fraction("0.01")
    initial: Fraction = Fraction("1.3")
    gain: tuple[Fraction, ...] = tuple(map(Fraction, ("0.95", "4", "0.12")))
    """Static discount: share, times the rate, plus."""
    vol: tuple[Fraction, ...] = tuple(map(Fraction, ("0.45", "0.3", "0.3", "0.13", "86400")))
    """Up, down, power up to thirty days and beyond, floor in seconds."""


# -- a scenario with its feeds -----------------------------------------------------------------------------------------


def scenario(case: Case) -> Ours:
    """Margin of a portfolio and what it is made of, in wei and negative as the venue counts charges."""
    if not case.body.items("positions"):
        raise UnsupportedError("the case leaves its portfolio in the file that it names")
    rates, stated = _rates(case.body["rule"]), case.body["positions"].only()
    found = margin_of(stated, rates)
    charges = found.parts.maintenance
    initial, maintenance = _wei(found.usd(found.initial_free_q)), _wei(found.usd(found.risk.surplus_q))
    return {
        "Cash": stated["Cash"].fraction(),
        "UnrealisedPerpPNL": stated["UnrealisedPerpPNL"].fraction(),
        "UnrealisedFunding": stated["UnrealisedFunding"].fraction(),
        "PerpContingency": _wei(found.usd(-charges.perp_q)),
        "BaseContingency": _wei(found.usd(-charges.asset_q)),
        "OptionContingency": _wei(found.usd(-charges.option_q)),
        "ForwardContingency": _wei(found.usd(-found.parts.basis_q)),
        "OracleContingency": _wei(found.usd(-found.doubt)),
        "LossFactor": Fraction(found.share_num * WAD, ONE),
        "MinSpan": _wei(found.usd(min(found.parts.changes_q))),
        "PortfolioMTM": _wei(found.usd(found.risk.equity_q)),
        **_settlement(stated),
        **{f"InitialMargin{which}": initial for which in ("Calc", "Hand")},
        **{f"MaintenanceMargin{which}": maintenance for which in ("Calc", "Hand")},
    }


def margin_of(stated: Field, rates: Rates) -> Answer:
    """Margin of a portfolio that states its own feeds."""
    return _answer(_scenario_book(stated), rates)


def _wei(usd: Range) -> Range:
    return Range(usd.low * WAD, usd.high * WAD)


def _settlement(stated: Field) -> Ours:
    """Of the next expiry: the forward with the part of it that is fixed already, and how much of it that is."""
    rows = _columns(stated, "FeedExpiries", "ForwardsFixed", "ForwardsVariable", "Forwards")
    if not rows:
        return {"SettlementPrice": None, "PercentFixed": None}
    _, fixed, moving, forward = min(rows, key=lambda row: row[0])
    return {
        "SettlementPrice": fixed + moving,
        "PercentFixed": 1 - moving / forward if forward else Fraction(0),
    }


def _rates(rule: Field) -> Rates:
    basis, other, shares, vol = rule["basis"], rule["other"], rule["margin"], rule["vol"]

    def read(table: Field, *names: str) -> tuple[Fraction, ...]:
        return tuple(table[name].fraction() for name in names)

    floor = vol["floor"]
    days = re.fullmatch(r"([0-9.]+) ?d", floor.text())
    if days is None:
        raise InputError(f"{floor.where}: expected days such as 1d, got {floor.text()}")
    perp, base, option = read(other, "perp", "base", "option")
    if max(read(vol, "shortPow", "longPow")) > POWER_MAX:
        raise InputError(f"{vol.where}: expected powers of at most {POWER_MAX}")
    return Rates(
        _moves(rule["scenarios"]),
        (basis["up"].positive(), basis["down"].positive(), *read(basis, "add", "mult")),
        read(other, "pegThreshold", "pegFactor"),
        read(other, "confThreshold", "confMargin"),
        perp,
        base,
        option,
        shares["imFactor"].fraction(),
        read(shares, "baseStaticDiscount", "rateMult", "rateAdd"),
        (*read(vol, "up", "down", "shortPow", "longPow"), Fraction(days[1]) * DAY_SECONDS),
    )


def _moves(stated: Field) -> tuple[Fraction, ...]:
    """`spot {1.15,1.10,...} x vol {up,none,down}`: every move with every shift."""
    found = re.fullmatch(r"spot \{([0-9., ]+)\} x vol \{up,none,down\}", stated.text())
    if found is None:
        raise InputError(f"{stated.where}: expected spot {{...}} x vol {{up,none,down}}, got {stated.text()}")
    return tuple(Fraction(text.strip()) for text in found[1].split(","))


def _scenario_book(stated: Field) -> Book:
    def usd(name: str) -> Fraction:
        return stated[name].fraction() / WAD

    size, feeds, lots = usd("Perps"), _feeds(stated), _lots(stated)
    for each in lots:
        if each.expiry not in feeds:
            raise InputError(f"{stated.where}.OptionExpiries: no feed of {each.expiry}")
    pnl, funding = usd("UnrealisedPerpPNL"), usd("UnrealisedFunding")
    stable = stated["StablePrice"].positive() / WAD
    return Book(
        cash=usd("Cash"),
        settled=pnl + funding if size else Fraction(0),
        spot=usd("SpotPrice"),
        spot_confidence=usd("SpotConfidence"),
        perp_size=size,
        perp_price=usd("PerpPrice"),
        perp_confidence=usd("PerpConfidence"),
        stable=stable,
        feeds=feeds,
        lots=lots,
        collateral=_base(usd("Base") * usd("SpotPrice") / stable),
    )


def _columns(stated: Field, *names: str) -> list[list[Fraction]]:
    """Columns of equal length, by row."""
    columns = [[item.fraction() for item in stated[name]] for name in names]
    if len({len(column) for column in columns}) > 1:
        raise InputError(f"{stated.where}: expected {', '.join(names)} of one length")
    return [[*row] for row in zip(*columns, strict=True)]


def _feeds(stated: Field) -> dict[int, Feed]:
    rows = _columns(
        stated,
        *("FeedExpiries", "ForwardsVariable", "ForwardsFixed", "Rates"),
        *("ForwardConfidences", "RateConfidences"),
    )
    doubts = _columns(stated, "OptionExpiries", "OptionVolConfidences")
    found = {}
    for expiry, forward, fixed, rate, *confidences in rows:
        if forward < 0 or fixed < 0 or forward + fixed <= 0:
            raise InputError(f"{stated.where}: expected forwards above 0")
        vols = [confidence for at, confidence in doubts if at == expiry]
        when = Expiry(int(expiry), float(forward / WAD), float(fixed / WAD), float(rate / WAD))
        found[int(expiry)] = Feed(when, min((*confidences, *vols)) / WAD)
    return found


def _lots(stated: Field) -> list[Lots]:
    rows = _columns(stated, "OptionExpiries", "OptionStrikes", "OptionIsCall", "OptionVols", "OptionAmounts")
    if any(strike <= 0 or vol < 0 for _, strike, _, vol, _ in rows):
        raise InputError(f"{stated.where}: expected strikes above 0 and volatilities of at least 0")
    return [
        Lots(int(expiry), strike / WAD, call == 1, float(vol / WAD), amount / WAD)
        for expiry, strike, call, vol, amount in rows
    ]


def _base(worth: Fraction) -> list[Collateral]:
    return [Collateral(BASE, worth, Fraction(1), moves=True)] if worth else []


# -- a portfolio under the venue's test set-up -------------------------------------------------------------------------


class Change(NamedTuple):
    """What the test of a case changes first; `None` leaves a price as it is."""

    stable: Fraction = Fraction(1)
    spot: Fraction = Fraction(PRICES[UNDERLYING].spot)
    spot_confidence: Fraction = Fraction(1)
    perp: Fraction = Fraction(PRICES[UNDERLYING].perp)
    perp_confidence: Fraction = Fraction(1)
    forwards: Mapping[str, tuple[Fraction, Fraction]] = MappingProxyType({})
    """By date: forward and its confidence."""
    vols: Mapping[tuple[str, int], tuple[Fraction, Fraction]] = MappingProxyType({})
    """By date and strike: volatility and its confidence."""


def _doubtful(spot: str, vol: str, sure: str, forward: str, perp: str = "1") -> Change:
    """ETH's feeds with less confidence, for the expiry on 2023-01-18."""
    return Change(
        spot_confidence=Fraction(spot),
        perp_confidence=Fraction(perp),
        forwards={"20230118": (Fraction("2004.75"), Fraction(forward))},
        vols={("20230118", 1700): (Fraction(vol), Fraction(sure))},
    )


CHANGES: Mapping[str, Change] = MappingProxyType(
    {
        "test_depeg_contingency_pm": Change(stable=Fraction("0.2")),
        "test_oracle_cont_long_call_pm": _doubtful("0.1", "0.5", "0.3", "0.4"),
        "test_oracle_cont_short_call_pm": _doubtful("0.1", "0.5", "0.1", "0.4"),
        "test_oracle_cont_base_asset_pm": _doubtful("0.1", "0.01", "0.1", "0.02"),
        "test_oracle_cont_long_perp_asset_pm": _doubtful("0.3", "0.5", "0.1", "0.02", perp="0.1"),
        "test_general_portfolio_pm": Change(
            spot=Fraction(2004),
            spot_confidence=Fraction("0.3"),
            perp=Fraction(2017),
            perp_confidence=Fraction("0.3"),
            forwards={"20230227": (Fraction("2014.7545"), Fraction("0.2"))},
            vols={
                ("20230118", 1700): (Fraction("0.15"), Fraction("0.1")),
                ("20230118", 2100): (Fraction("1.01"), Fraction("0.1")),
                ("20230118", 1000): (Fraction("0.33"), Fraction("0.1")),
            },
        ),
    }
)
VOL, RATE = Fraction("0.5"), Fraction("0.02")


def portfolio(case: Case) -> Ours:
    """Initial and maintenance margin, net, in whole USD; the venue cuts off what is behind the point."""
    found = _answer(_portfolio_book(case), Rates())
    margins = {"im": found.usd(found.initial_free_q), "mm": found.usd(found.risk.surplus_q)}
    return {name: Range(*(Fraction(math.trunc(end)) for end in both)) for name, both in margins.items()}


def _portfolio_book(case: Case) -> Book:
    change = CHANGES.get(case.id.rpartition("/")[2], Change())
    cash = base = size = settled = Fraction(0)
    for item in (*case.body.items("collateral"), *case.body.items("positions")):
        owner = item.get("underlying")
        if owner is not None and owner.text() != UNDERLYING:
            raise UnsupportedError(f"the manager of the test set-up takes {UNDERLYING}, not {owner.text()}")
    for item in case.body.items("collateral"):
        amount = item["amount"].fraction() / E8
        if item.get("underlying") is None:
            check_cash(item)
            cash += amount
        else:
            base += amount
    options = []
    for position in case.body.items("positions"):
        if position.get("strike") is not None:
            options.append(position)
            continue
        lots = position["amount"].fraction() / E8
        size += lots
        settled += lots * (change.perp - position["entryPrice"].fraction() / E8)
    worth = base * change.spot / change.stable
    return Book(
        cash,
        settled,
        change.spot,
        change.spot_confidence,
        size,
        change.perp,
        change.perp_confidence,
        change.stable,
        _test_feeds(options, change),
        [_test_lots(option, change) for option in options],
        _base(worth),
    )


def _date(option: Field) -> str:
    date = option["expiry"]
    if date.text() not in SECONDS:
        raise InputError(f"{date.where}: expected one of {', '.join(SECONDS)}, got {date.text()}")
    return date.text()


def _test_feeds(options: list[Field], change: Change) -> dict[int, Feed]:
    """Feeds of the dates that options need.

    The test contract keeps one confidence of volatility an expiry, the one that was set last: that of the change, or
    full where an option's volatility is set for the case.
    """
    above = dict(zip(SECONDS, PRICES[UNDERLYING].above, strict=True))
    found = {}
    for date in dict.fromkeys(map(_date, options)):
        usual = Fraction(PRICES[UNDERLYING].spot) + Fraction(above[date]), Fraction(1)
        forward, forward_sure = change.forwards.get(date, usual)
        known = {strike: sure for (day, strike), (_, sure) in change.vols.items() if day == date}
        strikes = {option["strike"].integer() for option in options if _date(option) == date}
        vol_sure = min(known.values()) if strikes <= known.keys() else Fraction(1)
        expiry = Expiry(SECONDS[date], float(forward), rate=float(RATE))
        found[SECONDS[date]] = Feed(expiry, min(forward_sure, vol_sure))
    return found


def _test_lots(option: Field, change: Change) -> Lots:
    date, strike, which = _date(option), option["strike"].integer(1), option["type"].text()
    if which not in ("call", "put"):
        raise InputError(f"{option['type'].where}: expected call or put, got {which}")
    vol, _ = change.vols.get((date, strike), (VOL, Fraction(1)))
    amount = option["amount"].fraction() / E8
    return Lots(SECONDS[date], Fraction(strike), which == "call", float(vol), amount)


# -- both --------------------------------------------------------------------------------------------------------------


def _answer(book: Book, rates: Rates) -> Answer:
    return answer(book, rule_of(rates), shocks_of(rates))


def rule_of(rates: Rates) -> ScenarioMargin:
    """The engine's half of the parameters."""
    up, down, add, yearly = map(exact, rates.basis)
    perp, option, base = map(exact, (rates.perp, rates.option, rates.base))
    below, slope = map(exact, rates.peg)
    doubt_below, doubt = map(exact, rates.doubt)
    return ScenarioMargin(
        scenarios=tuple(Scenario(exact(move), vol, ONE) for move, vol in product(rates.moves, VOLS)),
        den=ONE,
        initial_num=exact(rates.initial),
        maintenance_num=ONE,
        perp_initial_num=perp,
        perp_maintenance_num=perp,
        option_initial_num=option,
        option_maintenance_num=option,
        asset_initial_num=base,
        asset_maintenance_num=base,
        scales_charges=True,
        basis_up_num=up,
        basis_down_num=down,
        basis_add_num=add,
        basis_yearly_num=yearly,
        peg_below_num=below,
        peg_num=slope,
        doubt_below_num=doubt_below,
        doubt_num=doubt,
        assets=(BASE,),
    )


def shocks_of(rates: Rates) -> Shocks:
    """The half that pricing needs; options are not discounted, and a debt counts for what it is."""
    up, down, short, long, floor = map(float, rates.vol)
    return Shocks(VolShock(up, down, short, long, floor), Discount(*map(float, rates.gain)))


ANSWERS = (
    *("Cash", "UnrealisedPerpPNL", "UnrealisedFunding", "SettlementPrice", "PercentFixed"),
    *(f"{of}Contingency" for of in ("Perp", "Base", "Option", "Forward", "Oracle")),
    *("LossFactor", "MinSpan", "PortfolioMTM"),
    *(f"{of}Margin{which}" for of in ("Initial", "Maintenance") for which in ("Calc", "Hand")),
)

KINDS = NamedKinds({scenario: ANSWERS, portfolio: ("im", "mm")})
