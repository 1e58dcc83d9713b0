"""Derive's second portfolio manager (PMRM_2): worst scenario with tails and skews, discounts both ways, added charges.

Rule and portfolio are the case's; the published numbers come from the venue's own reference in double precision. Where
scenarios tie, which of them is named is an accident of its rounding: then any of the tied ones is right.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Literal, NamedTuple

from ...clearing.set_rules import Scenario, ScenarioMargin
from ...errors import InputError
from ...pricing.scenarios import Discount, Expiry, Shocks, SkewShock, VolShock, vol_multipliers
from .derive_pmrm import POWER_MAX
from .derive_portfolio import ONE, Answer, Book, Collateral, Feed, Lots, answer, discount_pairs, exact
from .named import NamedKinds
from .vectors import Case, Field, Ours, Tolerance, UnsupportedError, Value, compare

DAY_SECONDS = 86_400
WINDOW_SECONDS = 30 * 60
"""The settlement price is an average over the last half hour, so the forward is fixed bit by bit within it."""
TAIL = Fraction(1, 5)
"""Scenarios that move the price by more than this are called tails (the regular ones end at 18 %)."""
TIE = 10**12
"""Losses that differ by less than this part of themselves are the same in double precision after a few roundings."""
VOLS: dict[str, Literal["none", "up", "down", "linear", "abs"]] = {
    "Up": "up",
    "Down": "down",
    "None": "none",
    "LINEAR": "linear",
    "ABS": "abs",
}
SIGNS = {"up": 1, "none": 0, "down": -1}


class Loss(NamedTuple):
    """Change of worth in one scenario."""

    move: Fraction
    vol: str
    weight: Fraction
    atoms: int

    @property
    def family(self) -> str:
        """What the venue calls a scenario of its kind."""
        if self.vol in ("linear", "abs"):
            return "skew"
        return "tail" if abs(self.move) > TAIL else "regular"

    def named(self) -> Value:
        """What the venue calls the scenario itself."""
        if self.family == "skew":
            return self.vol.upper()
        name: list[Value] = [self.move, SIGNS[self.vol]]
        return [*name, self.weight] if self.family == "tail" else name


def margin(case: Case) -> Ours:
    """Margin of a portfolio and all that it is made of."""
    params, stated = _stated(case)
    rule, shocks = rule_of(case), shocks_of(params)
    book = book_of(case)
    found = answer(book, rule, shocks)
    losses = [
        Loss(Fraction(s.price_num, ONE) - 1, s.vol, Fraction(s.weight_num, ONE), change)
        for s, change in zip(rule.scenarios, found.parts.changes_q, strict=True)
    ]
    pnl, funding = stated["UnrealisedPerpPNL"].fraction(), stated["UnrealisedFunding"].fraction()
    return {
        "Cash": book.cash,
        "UnrealisedPerpPNL": pnl,
        "UnrealisedFunding": funding,
        "PerpMTM": pnl,
        **_worths(book, shocks, found),
        **_charges(found),
        **_shares(params, found),
        **_losses(losses, found),
        **_worst(case, losses, found),
        **_multipliers(book, shocks),
        **{name: found.usd(found.initial_free_q) for name in ("IM", "IMHand")},
        **{name: found.usd(found.risk.surplus_q) for name in ("MM", "MMHand")},
    }


def _stated(case: Case) -> tuple[Field, Field]:
    """Parameters and portfolio; a case may leave them in the file that it names as its source."""
    params, portfolios = case.body["rule"].get("params"), case.body.items("positions")
    if params is None or not isinstance(params.raw, dict) or not portfolios:
        raise UnsupportedError("the case leaves its parameters or its portfolio in the file that it names")
    if not params.items("Scenarios"):
        raise InputError(f"{params.where}.Scenarios: expected at least one")
    return params, case.body["positions"].only()


def _worths(book: Book, shocks: Shocks, found: Answer) -> Ours:
    pairs, marks = discount_pairs(book, shocks), list(found.marks.values())
    counted = [
        int(worth * (gain if worth >= 0 else debt)) for worth, (gain, debt) in zip(marks, pairs, strict=True)
    ]
    return {
        "CollateralMTM": found.usd(sum(exact(item.worth) for item in book.collateral)),
        "OptionMTM": found.usd(sum(marks)),
        "OptionMTMPerExpiry": [found.usd(worth) for worth in marks],
        "OptionMTMPerExpiryDiscounted": [found.usd(worth) for worth in counted],
        "PortfolioMTM": found.usd(found.risk.equity_q),
        "discount_factors": [[*pair] for pair in pairs],
    }


def _charges(found: Answer) -> Ours:
    """Charges, negative as the venue counts them; `Normal` is all that initial margin asks, without it the rest."""
    initial, maintenance = found.parts.initial, found.parts.maintenance
    pairs = {
        "Perp": (initial.perp_q, maintenance.perp_q),
        "Option": (initial.option_q, maintenance.option_q),
        "Base": (found.held.initial_q, found.held.maintenance_q),
    }
    ours: Ours = {
        "ForwardContingency": found.usd(-found.parts.basis_q),
        "OracleCont": found.usd(-found.doubt),
    }
    for name, (whole, part) in pairs.items():
        ours[f"MM{name}Cont"] = found.usd(-part)
        ours[f"IM{name}Cont"] = found.usd(part - whole)
        ours[f"IM{name}ContNormal"] = found.usd(-whole)
    return ours


def _shares(params: Field, found: Answer) -> Ours:
    share = Fraction(found.share_num, ONE)
    return {
        "IMLossFactor": share,
        "im_loss_factor": share,
        "MMLossFactor": params["Margin"]["MM_LOSS_FACTOR"].fraction(),
    }


def _losses(losses: Sequence[Loss], found: Answer) -> Ours:
    """The change of worth in every scenario, by family."""

    def rows(family: str) -> list[Value]:
        chosen = [loss for loss in losses if loss.family == family]
        head = [[loss.vol.upper()] if family == "skew" else [loss.move, SIGNS[loss.vol]] for loss in chosen]
        return [[*row, found.usd(loss.atoms)] for row, loss in zip(head, chosen, strict=True)]

    return {"reg_losses": rows("regular"), "tail_losses": rows("tail"), "skew_losses": rows("skew")}


def _worst(case: Case, losses: Sequence[Loss], found: Answer) -> Ours:
    """The worst scenario of each family and the worst family."""
    expected, tolerance, ours = case.body["expected"], case.tolerance, Ours()
    for family, short in (("regular", "reg"), ("tail", "tail"), ("skew", "skew")):
        chosen = [loss for loss in losses if loss.family == family]
        least = min((loss.atoms for loss in chosen), default=0)
        tied = [loss.named() for loss in chosen if loss.atoms <= _near(least, found)]
        ours[f"worst_{short}_loss"] = found.usd(least)
        ours[f"worst_{short}_scenario"] = _one_of(tied, expected.get(f"worst_{short}_scenario"), tolerance)
    least = min(loss.atoms for loss in losses)
    families: list[Value] = [loss.family for loss in losses if loss.atoms <= _near(least, found)]
    named = _one_of(families, expected.get("worst_all_scenarios"), tolerance)
    return {**ours, "worst_all_scenarios": named}


def _near(least: int, found: Answer) -> int:
    """Up to where a loss may be the same as the least one, as far as prices and the venue's doubles tell."""
    return least + 2 * found.slack + abs(least) // TIE


def _one_of(tied: Sequence[Value], stated: Field | None, tolerance: Tolerance) -> Value:
    """The one of what ties that agrees with the stated one, or the first; nothing where there is none."""
    agreeing = [each for each in tied if stated is not None and not compare(stated, each, tolerance, "")]
    return next(iter((*agreeing, *tied)), None)


def _multipliers(book: Book, shocks: Shocks) -> Ours:
    """By option, what its volatility is multiplied by when it goes up and down, and what comes of it."""
    pairs = [vol_multipliers(shocks.vol, book.feeds[lots.expiry].expiry.seconds) for lots in book.lots]
    ours: Ours = {}
    for side, name in enumerate(("Up", "Down")):
        least = Fraction(shocks.vol.least_up if name == "Up" else 0)
        times = [Fraction(pair[side]) for pair in pairs]
        ours[f"VolShock{name}Multiplier"] = [*times]
        ours[f"VolShock{name}Evaluated"] = [
            max(least, Fraction(lots.vol) * by) for lots, by in zip(book.lots, times, strict=True)
        ]
    return ours


# -- reading -----------------------------------------------------------------------------------------------------------


def rule_of(case: Case) -> ScenarioMargin:
    """The engine's half of a case's parameters."""
    params = case.body["rule"]["params"]
    shares, other, basis = params["Margin"], params["OtherContingency"], params["BasisContingency"]

    def num(field: Field) -> int:
        return exact(field.fraction())

    perp, option = num(other["MM_PERP_PERCENT"]), num(other["MM_OPTION_PERCENT"])
    return ScenarioMargin(
        scenarios=tuple(_scenario(item) for item in params["Scenarios"]),
        den=ONE,
        initial_num=num(shares["IM_LOSS_FACTOR"]),
        maintenance_num=num(shares["MM_LOSS_FACTOR"]),
        perp_initial_num=perp + num(other["IM_PERP_PERCENT"]),
        perp_maintenance_num=perp,
        option_initial_num=option + num(other["IM_OPTION_PERCENT"]),
        option_maintenance_num=option,
        basis_up_num=exact(basis["SCENARIO_SPOT_UP"].positive()),
        basis_down_num=exact(basis["SCENARIO_SPOT_DOWN"].positive()),
        basis_add_num=num(basis["BASIS_CONT_ADD_FACTOR"]),
        basis_yearly_num=num(basis["BASIS_CONT_MULT_FACTOR"]),
        peg_below_num=num(other["PEG_LOSS_THRESHOLD"]),
        peg_num=num(other["PEG_LOSS_FACTOR"]),
        doubt_below_num=num(other["CONF_THRESHOLD"]),
        doubt_num=num(other["CONF_MARGIN"]),
        assets=tuple(item["Name"].text() for item in _assets(case) if item["IsRiskCancelling"].flag()),
    )


def _scenario(item: Field) -> Scenario:
    name, move = item["VolShockDirection"], item["SpotShock"].positive()
    if name.text() not in VOLS:
        raise InputError(f"{name.where}: expected one of {', '.join(VOLS)}, got {name.text()}")
    vol = VOLS[name.text()]
    if vol in ("linear", "abs") and move != 1:
        raise UnsupportedError("a skew that also moves the price: the venue's setScenarios refuses it")
    return Scenario(exact(move), vol, exact(item["DampeningFactor"].fraction()))


def shocks_of(params: Field) -> Shocks:
    """The half of a case's parameters that pricing needs."""

    def read(table: str, *names: str) -> list[float]:
        return [float(params[table][name].fraction()) for name in names]

    up, down, short, long, floor_days, least = read(
        "VolShock",
        *("VOLRANGEUP", "VOLRANGEDOWN", "SHORTTERMPOWER", "LONGTERMPOWER", "DTE_FLOOR"),
        "MIN_VOL_EVAL_SHOCKED",
    )
    if max(short, long) > POWER_MAX:
        raise InputError(f"{params.where}.VolShock: expected powers of at most {POWER_MAX}")
    skew = read(
        "SkewShock",
        *("LINEAR_SCALE_CAP", "LINEAR_CBASE", "ABS_SCALE_CAP", "ABS_CBASE", "MIN_K_STAR", "MIN_WIDTH_SCALE"),
        *("VOL_PARAM_STATIC", "VOL_PARAM_SCALE"),
    )
    discount = read(
        "Margin",
        *("BASE_STATIC_DISCOUNT", "LONG_RATE_MULTSCALE", "LONG_RATE_ADDSCALE"),
        *("BASE_STATIC_DISCOUNT_NEG", "SHORT_RATE_MULTSCALE", "SHORT_RATE_ADDSCALE"),
    )
    vol = VolShock(up, down, short, long, floor_days * DAY_SECONDS, least)
    return Shocks(vol, Discount(*discount), SkewShock(*skew), present_value=True)


def book_of(case: Case) -> Book:
    """The portfolio of a case."""
    stated = case.body["positions"].only()
    stable = stated["StablePrice"].positive()
    feeds = {feed.expiry.seconds: feed for feed in map(_feed, stated.items("OptionFeeds"))}
    if len(feeds) < len(stated.items("OptionFeeds")):
        raise UnsupportedError("several feeds of one expiry, or of expiries that have passed")
    return Book(
        cash=stated["Cash"].fraction(),
        settled=stated["UnrealisedPerpPNL"].fraction() + stated["UnrealisedFunding"].fraction(),
        spot=stated["SpotPrice"].positive(),
        spot_confidence=stated["SpotConfidence"].fraction(),
        perp_size=stated["NumPerps"].fraction(),
        perp_price=stated["PerpPrice"].fraction(),
        perp_confidence=stated["PerpConfidence"].fraction(),
        stable=stable,
        feeds=feeds,
        lots=[_lots(item, feeds) for item in stated.items("Options")],
        collateral=[_collateral(item, stable) for item in _assets(case)],
    )


def _assets(case: Case) -> list[Field]:
    """Collateral other than cash, which the portfolio states."""
    found = [item for item in case.body.items("collateral") if item.get("asset") is None]
    for item in found:
        item["Name"].text()
    return found


def _feed(item: Field) -> Feed:
    seconds, forward = max(item["FeedExpiry"].integer(), 0), item["Forward"].positive()
    passed = Fraction(max(WINDOW_SECONDS - seconds, 0), WINDOW_SECONDS)
    confidences = ("ForwardConfidence", "RateConfidence", "OptionVolConfidences")
    return Feed(
        Expiry(
            seconds,
            float(forward * (1 - passed)),
            float(forward * passed),
            float(item["Rate"].fraction()),
        ),
        min(item[name].fraction() for name in confidences),
    )


def _lots(item: Field, feeds: Mapping[int, Feed]) -> Lots:
    expiry = max(item["Expiry"].integer(), 0)
    if expiry not in feeds:
        raise InputError(f"{item.where}.Expiry: no feed of this expiry")
    return Lots(
        expiry,
        item["Strike"].positive(),
        bool(item["IsCall"].integer(0, 1)),
        float(_not_negative(item["MarkVol"])),
        item["Amount"].fraction(),
    )


def _not_negative(field: Field) -> Fraction:
    if field.fraction() < 0:
        raise InputError(f"{field.where}: expected a number of at least 0, got {field.raw}")
    return field.fraction()


def _collateral(item: Field, stable: Fraction) -> Collateral:
    """Initial margin asks both haircuts."""
    maintenance = item["MMHaircut"].fraction()
    return Collateral(
        item["Name"].text(),
        item["Amount"].fraction() * item["Price"].fraction() / stable,
        item["Confidence"].fraction(),
        item["IsRiskCancelling"].flag(),
        maintenance + item["IMHaircut"].fraction(),
        maintenance,
    )


ANSWERS = (
    *("Cash", "UnrealisedPerpPNL", "UnrealisedFunding", "PerpMTM", "CollateralMTM", "OptionMTM"),
    *("OptionMTMPerExpiry", "OptionMTMPerExpiryDiscounted", "PortfolioMTM", "discount_factors"),
    *(f"{which}{of}Cont" for which in ("MM", "IM") for of in ("Perp", "Option", "Base")),
    *(f"IM{of}ContNormal" for of in ("Perp", "Option", "Base")),
    *("ForwardContingency", "OracleCont", "IMLossFactor", "MMLossFactor", "im_loss_factor"),
    *(f"{family}_losses" for family in ("reg", "tail", "skew")),
    *(f"worst_{family}_{what}" for family in ("reg", "tail", "skew") for what in ("loss", "scenario")),
    "worst_all_scenarios",
    *(f"VolShock{way}{what}" for way in ("Up", "Down") for what in ("Multiplier", "Evaluated")),
    *("IM", "MM", "IMHand", "MMHand"),
)

KINDS = NamedKinds({margin: ANSWERS})
