"""A rule over sets of positions as arrays that compiled code reads, beside the table of the legs (`table.Table`).

Rates are in lowest terms, sizes and prices on the grids of the table. `sets_of` makes them for the present prices of a
venue; other prices, grids of options, terms or another peg of the quote asset are another `Sets`. So are caps on
profits: what a trader is paid depends on the whole side of his market.

docs/reference/columns.md lists every field with type, shape and unit.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..clearing.holding import term_of
from ..clearing.liquidity import most_q, owed_to_side_q
from ..clearing.model import Asset, Market, Venue
from ..clearing.policy import Sided
from ..clearing.risk import risk_price
from ..clearing.scenarios import EITHER_WAY, YEAR_MS, initial_share_num
from ..clearing.set_rules import DebtMargin, ScenarioMargin, SpreadCredit, StandardMargin
from ..errors import InputError
from ..rules.words import PPM, WAD, mul_div_down
from .limits import INT64_MAX, UnfitError
from .plan import Plan
from .sets_scale import SUM_MAX, doubt_unit, lost_peg_num, reduced, underlying_of
from .table import NOWHERE, Records
from .wide import split

_INT = np.int64

SPREAD_RULE = np.dtype(
    [("kept_num", _INT), ("kept_den", _INT)]
)  # share of one leg's rate that a pair is asked
DEBT_RULE = np.dtype(
    [("owed_num", _INT), ("owed_den", _INT)]
)  # share of what is owed that initial margin asks
DOUBT = [
    ("doubt_num", _INT),  # over `doubt_one`, as are thresholds and confidences
    ("doubt_one", _INT),
    ("perp_below", _INT),
    ("option_below", _INT),
    ("asset_below", _INT),
]
SCENARIO_RULE = np.dtype(
    [
        ("initial_num", _INT),  # shares of the worst loss, as the peg of the quote asset has them now
        ("maintenance_num", _INT),
        ("share_den", _INT),
        ("perp_initial_num", _INT),  # charges
        ("perp_maintenance_num", _INT),
        ("option_initial_num", _INT),
        ("option_maintenance_num", _INT),
        ("asset_initial_num", _INT),
        ("asset_maintenance_num", _INT),
        ("charge_den", _INT),
        ("scales_charges", _INT),  # 1: charges are multiplied by the shares of the loss too
        ("charges_basis", _INT),  # 1: the last two prices of a grid are those of the basis moves
        ("quote_num", _INT),  # price of the quote asset in what it stands for
        ("quote_den", _INT),
        ("still_confidence", _INT),  # of spot where a subaccount is exposed to nothing
        *DOUBT,
        ("fall", np.float64),  # the largest share of its worth that a long loses in a scenario
        ("rise", np.float64),  # ... and a short
    ]
)
STANDARD_RULE = np.dtype(
    [
        ("highest_num", _INT),  # over `option_den`, as far as to `unpaired_maintenance_num`
        ("lowest_num", _INT),
        ("call_num", _INT),
        ("put_num", _INT),
        ("put_mark_num", _INT),
        ("put_floor_num", _INT),
        ("unpaired_initial_num", _INT),
        ("unpaired_maintenance_num", _INT),
        ("option_den", _INT),
        ("longs_count", _INT),
        ("netted", _INT),
        ("lost_num", _INT),  # what short options and perps are charged for a lost peg
        ("lost_den", _INT),
        *DOUBT,
    ]
)
SET_MARKET = np.dtype(
    [
        ("group", _INT),  # number of the market that it nets with; of itself, but for options
        ("spot", _INT),  # index price, price units
        ("is_option", _INT),
        ("is_call", _INT),
        ("strike", _INT),  # price units
        ("expiry", _INT),  # place in `Sets.expiries`, or NOWHERE
        ("grid", _INT),  # place in `Sets.grids`, or NOWHERE
        ("confidence", _INT),
        ("index_confidence", _INT),
        ("worth_num", _INT),  # size x price x worth_num / worth_den are quote atoms
        ("worth_den_hi", _INT),
        ("worth_den_lo", _INT),
    ]
)
SET_ASSET = np.dtype(
    [
        ("group", _INT),  # number of the market that it nets with, or NOWHERE
        ("confidence", _INT),
        ("amount_scale", _INT),  # amounts times this and sizes of the market times `size_scale` are one unit
        ("size_scale", _INT),
    ]
)
EXPIRY = np.dtype(
    [
        ("gain_num", _INT),
        ("debt_num", _INT),
        ("term_den", _INT),
        ("forward", _INT),  # price units of the underlying
        ("basis_add_num", _INT),
        ("basis_yearly_num", _INT),
        ("basis_den", _INT),
        ("life", _INT),  # time that is left, in a unit of which a year has `year`
        ("year", _INT),
    ]
)
SCENARIO = np.dtype([("price_num", _INT), ("weight_num", _INT), ("den", _INT), ("either_way", _INT)])
CAP = np.dtype(
    [
        ("owed_hi", _INT),  # PnL of everybody on the side, quote atoms
        ("owed_lo", _INT),
        ("most_hi", _INT),  # what it is paid of that at most
        ("most_lo", _INT),
        ("withheld", np.float64),  # share of a profit that is not paid; all fields are 0 where everything is
    ]
)


# What compiled code needs to know of a rule over sets: NamedTuples of arrays, like `table.Table`. `markets` and
# `assets` are by number; which of the five it is chooses the rule when code is compiled.


class Spreads(NamedTuple):
    """A credit for spreads."""

    rule: Records
    """`SPREAD_RULE` (1,)"""
    assets: Records
    """`SET_ASSET` (assets,)"""


class Debts(NamedTuple):
    """Initial margin on what positions owe."""

    rule: Records
    """`DEBT_RULE` (1,)"""


class Scenarios(NamedTuple):
    """Portfolio margin by scenarios."""

    rule: Records
    """`SCENARIO_RULE` (1,)"""
    markets: Records
    """`SET_MARKET` (markets,)"""
    assets: Records
    """`SET_ASSET` (assets,)"""
    expiries: Records
    """`EXPIRY` (expiries,)"""
    scenarios: Records
    """`SCENARIO` (scenarios,)"""
    grids: NDArray[np.int64]
    """(options, 2, prices) low and high prices of options in the scenarios and basis moves, price units"""


class Standards(NamedTuple):
    """Every instrument by itself, options netted by expiry."""

    rule: Records
    """`STANDARD_RULE` (1,)"""
    markets: Records
    """`SET_MARKET` (markets,)"""
    assets: Records
    """`SET_ASSET` (assets,)"""
    expiries: Records
    """`EXPIRY` (expiries,)"""


class Caps(NamedTuple):
    """Profits of which the liquidity behind a market pays no more than its share."""

    sides: Records
    """`CAP` (markets, 2): long and short"""


Netting = Scenarios | Standards
Sets = Spreads | Debts | Netting | Caps


class Counts(NamedTuple):
    """In which order and in which units a table counts the markets and assets of a venue."""

    markets: Mapping[str, int]
    """Numbers of the markets, in order."""
    assets: Mapping[str, int]
    size_units: Sequence[int]
    """By number of the market: base atoms that one of a size counts."""
    price_units: Sequence[int]
    """Price quanta that one of a price counts."""
    price_limits: Sequence[int]
    """Largest price, price units."""
    amount_units: Sequence[int]
    """By number of the asset: atoms that one of an amount counts."""


def sets_of(venue: Venue, plan: Plan) -> Sets:
    """The venue's set rule at its present prices, on the grids of a plan of the same markets; without one, its caps.

    `UnfitError` where 64 bits do not hold it, `InputError` for a price that is off its grid or beyond its limit.
    """
    if venue.policy.set_rule is None:
        return caps_of(venue, plan.markets)
    units = (plan.table.markets["size_unit"].tolist(), plan.table.markets["price_unit"].tolist())
    limits, amounts = [limit.price_max for limit in plan.limits], plan.table.assets["amount_unit"].tolist()
    return sets_in(venue, Counts(plan.market_numbers, plan.asset_numbers, *units, limits, amounts))


def sets_in(venue: Venue, counts: Counts) -> Sets:
    """`sets_of` on any grids."""
    return _Maker(venue, counts).sets()


def caps_of(venue: Venue, markets: Sequence[str]) -> Caps:
    """What these markets cap profits to at the venue's present prices; `UnfitError` for what 128 bits do not hold."""
    found = [
        _cap(venue, venue.markets[name], is_long=is_long) for name in markets for is_long in (True, False)
    ]
    return Caps(_records(found, CAP).reshape(len(markets), 2))


def _cap(venue: Venue, market: Market, *, is_long: bool) -> dict[str, float]:
    """A side that is owed more than it is paid."""
    if market.solvency is None:
        return {}
    owed_q = owed_to_side_q(venue, market, risk_price(venue, market), is_long=is_long)
    paid_q = most_q(venue, market)
    if owed_q <= paid_q:
        return {}
    if owed_q >= SUM_MAX:
        raise UnfitError(f"what a side of {market.id} is owed leaves 128 bits")
    halves = (*split(owed_q), *split(paid_q))
    names = ("owed_hi", "owed_lo", "most_hi", "most_lo")
    return {**dict(zip(names, halves, strict=True)), "withheld": (owed_q - paid_q) / owed_q}


class _Maker:
    """Collects records."""

    def __init__(self, venue: Venue, counts: Counts) -> None:
        rule = venue.policy.set_rule
        assert rule is not None
        self.venue, self.counts, self.rule = venue, counts, rule
        self.expiries: dict[tuple[str, int], int] = {}
        self.terms: list[dict[str, int]] = []
        self.grids: list[tuple[list[int], list[int]]] = []
        self.unit = doubt_unit(venue, rule) if isinstance(rule, ScenarioMargin | StandardMargin) else 1

    def sets(self) -> Sets:
        """Everything as arrays."""
        rule = self.rule
        if isinstance(rule, DebtMargin):
            rates = reduced(rule.initial_num, rule.initial_den)
            return Debts(_records([dict(zip(("owed_num", "owed_den"), rates, strict=True))], DEBT_RULE))
        assets = _records([self.asset(self.venue.assets[name]) for name in self.counts.assets], SET_ASSET)
        if isinstance(rule, SpreadCredit):
            rates = reduced(rule.kept_num, rule.kept_den)
            kept = dict(zip(("kept_num", "kept_den"), rates, strict=True))
            return Spreads(_records([kept], SPREAD_RULE), assets)
        listed = [self.market(self.venue.markets[name]) for name in self.counts.markets]
        markets, expiries = _records(listed, SET_MARKET), _records(self.terms, EXPIRY)
        if isinstance(rule, StandardMargin):
            return Standards(_records([self._standard(rule)], STANDARD_RULE), markets, assets, expiries)
        grids = np.array(self.grids, np.int64).reshape(len(self.grids), 2, rule.grid_length)
        rates_of_rule = _records([self._scenario_rates(rule)], SCENARIO_RULE)
        moves = _records(_scenarios(rule), SCENARIO)
        return Scenarios(rates_of_rule, markets, assets, expiries, moves, grids)

    # -- rates ---------------------------------------------------------------------------------------------------------

    def _scenario_rates(self, rule: ScenarioMargin) -> dict[str, float]:
        initial_num = initial_share_num(self.venue, rule)
        shares = reduced(initial_num, rule.maintenance_num, rule.den)
        names = [f"{what}_{margin}_num" for what in ("perp", "option", "asset") for margin in MARGINS]
        charges = reduced(*(getattr(rule, name) for name in names), rule.den)
        quote_num, quote_den = reduced(self.venue.quote_wad, WAD)
        spots = (market for market in self.venue.markets.values() if market.option is None)
        still_ppm = min((market.index_confidence_ppm for market in spots), default=PPM)
        return {
            **dict(zip(("initial_num", "maintenance_num", "share_den"), shares, strict=True)),
            **dict(zip((*names, "charge_den"), charges, strict=True)),
            "scales_charges": int(rule.scales_charges),
            "charges_basis": int(rule.charges_basis),
            "quote_num": quote_num,
            "quote_den": quote_den,
            "still_confidence": self.sure(still_ppm),
            **self._doubts(rule.den, rule.doubt_num),
            **dict.fromkeys(BELOW, rule.doubt_below_num // self.unit),
            "fall": max(0.0, *(-swing for swing in _swings(rule))),
            "rise": max(0.0, *_swings(rule)),
        }

    def _standard(self, rule: StandardMargin) -> dict[str, int]:
        terms, lost = rule.options, lost_peg_num(self.venue, rule)
        lost_num, lost_den = reduced(lost, terms.den)
        names = (
            *("highest_num", "lowest_num", "call_num", "put_num", "put_mark_num", "put_floor_num"),
            *("unpaired_initial_num", "unpaired_maintenance_num"),
        )
        rates = reduced(*(getattr(terms, name) for name in names), terms.den)
        below = (rule.perp_doubt_below_num, rule.option_doubt_below_num, rule.asset_doubt_below_num)
        return {
            **dict(zip((*names, "option_den"), rates, strict=True)),
            "longs_count": int(terms.longs_count),
            "netted": int(terms.netted),
            "lost_num": lost_num,
            "lost_den": lost_den,
            **self._doubts(terms.den, rule.doubt_num),
            **{name: num // self.unit for name, num in zip(BELOW, below, strict=True)},
        }

    def _doubts(self, den: int, doubt_num: int) -> dict[str, int]:
        return {"doubt_num": doubt_num // self.unit, "doubt_one": den // self.unit}

    def sure(self, confidence_ppm: int) -> int:
        """A confidence over `doubt_one`."""
        rule = self.rule
        if isinstance(rule, SpreadCredit | DebtMargin):
            return 0
        den = rule.den if isinstance(rule, ScenarioMargin) else rule.options.den
        return mul_div_down(confidence_ppm, den, PPM) // self.unit

    # -- markets, assets, expiries -------------------------------------------------------------------------------------

    def market(self, market: Market) -> dict[str, int]:
        """What a market is to the rule."""
        number = self.counts.markets[market.id]
        found = {
            **self.worth(number, market),
            "group": self.counts.markets[underlying_of(market)],
            "spot": self.counted(number, market.index),
            "expiry": NOWHERE,
            "grid": NOWHERE,
            "confidence": self.sure(market.confidence_ppm),
            "index_confidence": self.sure(market.index_confidence_ppm),
        }
        option = market.option
        if option is not None:
            found |= {
                "is_option": 1,
                "is_call": int(option.call),
                "strike": self.counted(number, option.strike),
            }
            found["expiry"] = self.expiry(self.venue.markets[option.underlying], option.expiry_ms)
        if option is not None and isinstance(self.rule, ScenarioMargin) and market.grid is not None:
            low, high = (
                [self.counted(number, price) for price in side]
                for side in (market.grid.low, market.grid.high)
            )
            found["grid"] = len(self.grids)
            self.grids.append((low, high))
        return found

    def worth(self, number: int, market: Market) -> dict[str, int]:
        """The scale between sizes and prices as they are counted and quote atoms, in lowest terms."""
        units = self.counts.size_units[number] * self.counts.price_units[number]
        num, den = reduced(market.scale.num * units, market.scale.den)
        high, low = split(den)
        return {"worth_num": num, "worth_den_hi": high, "worth_den_lo": low}

    def counted(self, number: int, price: int) -> int:
        """A price in price units."""
        unit, limit = self.counts.price_units[number], self.counts.price_limits[number]
        if price % unit or price // unit > limit:
            raise InputError(
                f"{[*self.counts.markets][number]}: a price of {price} does not fit: a multiple of {unit} up to "
                f"{limit * unit} is needed"
            )
        return price // unit

    def expiry(self, underlying: Market, expiry_ms: int) -> int:
        """The place of an expiry."""
        key = (underlying.id, expiry_ms)
        if key not in self.expiries:
            self.expiries[key] = len(self.terms)
            self.terms.append(self._terms(underlying, expiry_ms))
        return self.expiries[key]

    def _terms(self, underlying: Market, expiry_ms: int) -> dict[str, int]:
        rule = self.rule
        den = rule.den if isinstance(rule, ScenarioMargin) else 1
        term, number = term_of(underlying, expiry_ms, den), self.counts.markets[underlying.id]
        found = {"forward": self.counted(number, term.forward or underlying.index)}
        if isinstance(rule, ScenarioMargin):
            names = ("gain_num", "debt_num", "term_den")
            found |= dict(zip(names, reduced(term.gain_num, term.debt_num, den), strict=True))
            names = ("basis_add_num", "basis_yearly_num", "basis_den")
            found |= dict(zip(names, reduced(rule.basis_add_num, rule.basis_yearly_num, den), strict=True))
            life_ms = max(expiry_ms - self.venue.time_ms, 0)
            found |= dict(zip(("life", "year"), reduced(life_ms, YEAR_MS), strict=True))
        return found

    def asset(self, asset: Asset) -> dict[str, int]:
        """What a collateral asset is to the rule."""
        number = self.counts.markets.get(asset.market, NOWHERE)
        found = {"group": number, "confidence": self.sure(asset.confidence_ppm)}
        if isinstance(self.rule, ScenarioMargin) and asset.id not in self.rule.assets:
            found["group"] = NOWHERE
        if not isinstance(self.rule, SpreadCredit) or number == NOWHERE:
            return found
        market = self.venue.markets[asset.market]
        if asset.weights is None or not isinstance(market.requirement, Sided):
            return {**found, "group": NOWHERE}
        finer = market.base_decimals - asset.decimals
        amount_unit = self.counts.amount_units[self.counts.assets[asset.id]]
        size_unit = self.counts.size_units[number]
        scales = reduced(amount_unit * 10 ** max(finer, 0), size_unit * 10 ** max(-finer, 0))
        return found | dict(zip(("amount_scale", "size_scale"), scales, strict=True))


def _swings(rule: ScenarioMargin) -> list[float]:
    """Changes of worth in each scenario, as shares."""
    return [(each.price_num - rule.den) * each.weight_num / rule.den**2 for each in rule.scenarios]


def _scenarios(rule: ScenarioMargin) -> Iterator[dict[str, int]]:
    """Moves of a scenario rule."""
    for each in rule.scenarios:
        price_num, weight_num, den = reduced(each.price_num, each.weight_num, rule.den)
        is_either_way = int(each.vol in EITHER_WAY)
        yield {"price_num": price_num, "weight_num": weight_num, "den": den, "either_way": is_either_way}


MARGINS = ("initial", "maintenance")
BELOW = ("perp_below", "option_below", "asset_below")


def _records(found: Iterable[Mapping[str, float]], dtype: np.dtype[Any]) -> Records:
    listed = list(found)
    records = np.zeros(len(listed), dtype)
    for record, fields in zip(records, listed, strict=True):
        for name, value in fields.items():
            if not -INT64_MAX <= value <= INT64_MAX:
                raise UnfitError(f"the {name.replace('_', ' ')} of its rule, {value}, is beyond 64 bits")
            record[name] = value
    return records
