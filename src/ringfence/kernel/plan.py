"""What the kernel decides of a venue and on which grid: `plan` compiles a venue's rules into a `table.Table`.

A *grid* is a power of ten of atoms: sizes of a market are counted in it where atoms alone would not fit in 64 bits. A
*limit* is the largest size and price for which no product of the market's rules leaves 127 bits, found by bounding
every product with Python's integers. Within its limits a market cannot overflow; beyond them `columns` leaves the
subaccount to the reference, and should anything leave 128 bits all the same, `wide` raises.
"""
# mypy: no-warn-return-any

from collections import Counter
from collections.abc import Iterable, Mapping
from math import gcd
from typing import Any

import numpy as np

from ..clearing.model import Asset, Market, Scale, Subaccount, Venue
from ..clearing.policy import (
    CloseCost,
    OpenInterestScaled,
    RootScaled,
    Sided,
    SkewScaled,
    Stepped,
    Tiered,
)
from ..clearing.portfolio import priced
from ..clearing.risk import risk_price
from ..clearing.shapes import valid
from ..errors import InputError
from ..rules.words import PPM
from .limits import INT64_MAX, PRODUCT_MAX, SIZE_MAX, Limit, RowValues, UnfitError, limit_of, size_usual
from .sets_scale import Families, nets_options, underlying_of, worth_most
from .table import (
    ADDED,
    ASSET,
    BY_SIZE,
    COST_SHARE,
    FLOOR_BELOW,
    FLOOR_WITH_FEES,
    FRACTION,
    MARKET,
    NO_CAP,
    NOWHERE,
    OPEN_INTEREST_SCALED,
    PAIR,
    ROOT_SCALED,
    ROW,
    SIDED,
    SKEW_SCALED,
    STEPPED,
    TERMS,
    TIERED,
    Records,
    Table,
)
from .wide import joined, split

PRICE_USUAL = 1 << 58
"""A price on its grid is at most this when a plan is made, so that it may rise sixteenfold."""
GRIDS = tuple(10**digits for digits in range(19))
MINIMUM_AS = {"added": ADDED, "floor": FLOOR_BELOW, "floor_with_fees": FLOOR_WITH_FEES}
EPOCHS_SPARE = 1024
Fields = dict[str, Any]
"""Fields of a record by name: integers, but for `worth`."""


class Plan:
    """A compiled venue: the table, the numbers of its markets and assets, and what is not in it and why."""

    def __init__(self, table: Table, markets: tuple[str, ...], assets: tuple[str, ...]) -> None:
        """Name the records of `table`."""
        self.table, self.markets, self.assets = table, markets, assets
        self.market_numbers = {name: number for number, name in enumerate(markets)}
        self.asset_numbers = {name: number for number, name in enumerate(assets)}
        self.limits: list[Limit] = []
        """By number of the market."""
        self.whole = ""
        """Why sums over legs decide nobody in the venue (`sets` and the reference do); empty where they decide."""
        self.outside: dict[str, str] = {}
        """Markets and assets that only the reference knows, with the reason."""
        self.epochs = 1
        """Used places of `Table.funding`."""

    @property
    def reference(self) -> list[str]:
        """Plain sentences: what the reference decides instead of the kernel."""
        found = (
            [f"The screen of sets or the reference decides every subaccount: {self.whole}."]
            if self.whole
            else []
        )
        return found + [
            f"The reference decides who holds {name}: {why}." for name, why in sorted(self.outside.items())
        ]

    def set_price(self, market: str, price: int, mark: int | None = None) -> None:
        """Set the price (quanta) that margin is measured at, and the mark where it is another.

        `InputError` for a price that is off the market's grid or beyond its limit.
        """
        number = self.market_numbers[market]
        record = self.table.markets[number]
        record["price"] = self._on_grid(number, price)
        record["mark"] = self._on_grid(number, price if mark is None else mark)

    def _on_grid(self, number: int, price: int) -> int:
        unit, limit = int(self.table.markets[number]["price_unit"]), self.limits[number].price_max
        if price % unit or not 0 <= price // unit <= limit:
            sentence = f"a price of {price} does not fit: a multiple of {unit} up to {limit * unit} is needed"
            raise InputError(f"{self.markets[number]}: {sentence}")
        return price // unit

    def set_asset_price(self, asset: str, price: int) -> None:
        """Set the price (quanta) of a collateral asset."""
        record = self.table.assets[self.asset_numbers[asset]]
        unit = int(record["price_unit"])
        if price % unit or not 0 <= price // unit <= SIZE_MAX:
            raise InputError(
                f"{asset}: a price of {price} does not fit: a multiple of {unit} up to {SIZE_MAX * unit} is needed"
            )
        record["price"] = price // unit

    def set_funding(self, market: str, index: int) -> None:
        """Set a market's funding index; legs keep the one that they are settled to."""
        self.table.markets[self.market_numbers[market]]["epoch"] = self.epoch(index)

    def epoch(self, index: int) -> int:
        """A place in `Table.funding` that holds this index; grows the table, so read `table` again afterwards."""
        if self.epochs == len(self.table.funding):
            grown = np.zeros(2 * self.epochs + EPOCHS_SPARE, PAIR)
            grown[: self.epochs] = self.table.funding
            self.table = self.table._replace(funding=grown)
        self.table.funding[self.epochs] = split(index)
        self.epochs += 1
        return self.epochs - 1

    def leverage(self, num: int, den: int) -> int:
        """A new place in `Table.leverages` for a chosen leverage; `table` is another one afterwards."""
        chosen = np.array([(num, den)], FRACTION)
        self.table = self.table._replace(leverages=np.concatenate([self.table.leverages, chosen]))
        return len(self.table.leverages) - 1

    def funding_index(self, epoch: int) -> int:
        """The funding index at a place."""
        hi, lo = self.table.funding[epoch]
        return joined(hi, lo)

    def refresh(self, venue: Venue) -> None:
        """Take over prices, funding indices and open interest of a venue whose rules are the same."""
        for name, number in self.market_numbers.items():
            market, record = venue.markets[name], self.table.markets[number]
            self.set_price(name, risk_price(venue, market), market.mark)
            open_interest, rest = divmod(market.open_interest_b, int(record["size_unit"]))
            if rest:
                raise InputError(
                    f"{name}: an open interest of {market.open_interest_b} is off the market's grid"
                )
            record["open_interest"] = open_interest
            if self.funding_index(int(record["epoch"])) != market.funding_index:
                self.set_funding(name, market.funding_index)
        for name in self.asset_numbers:
            self.set_asset_price(name, venue.assets[name].price)


def plan(venue: Venue, sizes: Mapping[str, Counter[int]] | None = None) -> Plan:
    """Compile a venue: rules, present prices, and a grid on which most of the positions there are fit.

    `sizes` are how often each size (base atoms) is held, by market, where positions are not in the venue.
    """
    maker = _Maker(venue, _sizes(venue.subaccounts.values()) if sizes is None else sizes)
    markets, limits, outside = list[str](), list[Limit](), maker.outside
    for market in sorted(venue.markets.values(), key=lambda each: each.option is not None):
        try:
            limits.append(maker.add_market(market))
        except UnfitError as why:
            outside[market.id] = str(why)
        else:
            markets.append(market.id)
    numbers = {name: number for number, name in enumerate(markets)}
    assets = list[str]()
    amounts = _amounts(venue.subaccounts.values())
    for asset in venue.assets.values():
        try:
            maker.add_asset(asset, amounts.get(asset.id, Counter()), numbers)
        except UnfitError as why:
            outside[asset.id] = str(why)
        else:
            assets.append(asset.id)
    found = Plan(maker.table(), tuple(markets), tuple(assets))
    found.limits, found.outside = limits, outside
    found.whole = _whole(venue)
    for name, number in numbers.items():
        if venue.markets[name].funding_index:
            found.table.markets[number]["epoch"] = found.epoch(venue.markets[name].funding_index)
    return found


def _whole(venue: Venue) -> str:
    rule = venue.policy.set_rule
    if rule is not None:
        return f"its rule looks at positions together ({type(rule).__name__})"
    if any(market.solvency is not None for market in venue.markets.values()):
        return "what liquidity pays of a profit depends on everybody in its market"
    return ""


def _sizes(subaccounts: Iterable[Subaccount]) -> dict[str, Counter[int]]:
    """How often each size is held, by market."""
    found: dict[str, Counter[int]] = {}
    for subaccount in subaccounts:
        for name, position in subaccount.positions.items():
            found.setdefault(name, Counter())[position.size_b] += 1
    return found


def _amounts(subaccounts: Iterable[Subaccount]) -> dict[str, Counter[int]]:
    """How often each amount of an asset is held or owed."""
    found: dict[str, Counter[int]] = {}
    for subaccount in subaccounts:
        for name, amount in subaccount.balances.items():
            found.setdefault(name, Counter())[amount] += 1
    return found


def grid(amounts: Mapping[int, int], largest: int = SIZE_MAX) -> int:
    """The finest power of ten of atoms on which most of these amounts (with how often each occurs) fit."""

    def fitting(unit: int) -> int:
        return sum(n for amount, n in amounts.items() if amount % unit == 0 and abs(amount) // unit < largest)

    return max(GRIDS, key=lambda unit: (fitting(unit), -unit))


def price_grid(prices: Iterable[int]) -> int:
    """The finest power of ten of quanta on which these prices fit with room to rise; `UnfitError` where none does."""
    found = [each for each in prices if each]
    for unit in GRIDS:
        if all(each // unit < PRICE_USUAL for each in found):
            if any(each % unit for each in found):
                raise UnfitError(
                    f"its price has more digits than 64 bits hold (no multiple of {unit} quanta)"
                )
            return unit
    raise UnfitError("its price is beyond any grid")


class _Maker:
    """Collects records."""

    def __init__(self, venue: Venue, sizes: Mapping[str, Counter[int]]) -> None:
        self.venue = venue
        self.families = Families(venue, sizes)
        self.worth_most = worth_most(venue)
        self.outside: dict[str, str] = {}
        self.markets, self.assets = list[Fields](), list[Fields]()
        self.rows = list[RowValues]()
        self.pools = {name: number for number, name in enumerate(venue.pools)}

    def table(self) -> Table:
        """Everything collected, as arrays."""
        rounding, policy = self.venue.policy.rounding, self.venue.policy
        cap_q = policy.initial_profit_cap_q
        terms = {
            "round_value": rounding.value,
            "round_notional": rounding.notional,
            "round_requirement": rounding.requirement,
            "round_funding": rounding.funding,
            "at_equality": int(policy.trigger_at_equality),
            "profit_cap_q": NO_CAP if cap_q is None else cap_q,
            "cap_of_account": int(policy.initial_profit_cap_of == "account"),
        }
        rows = [(*row[:3], *split(row[3])) for row in self.rows]
        return Table(
            _records(self.markets, MARKET),
            np.array(rows, dtype=ROW),
            _records(self.assets, ASSET),
            _records([terms], TERMS),
            np.zeros(EPOCHS_SPARE, PAIR),
            np.zeros(1, FRACTION),
        )

    def add_market(self, market: Market) -> Limit:
        """Compile a market; `UnfitError` says why it cannot be."""
        if market.option is not None and not nets_options(self.venue):
            raise UnfitError("it is an option")
        if not priced(self.venue.policy, market):
            raise UnfitError("it has no prices in scenarios")
        if underlying_of(market) in self.outside:
            raise UnfitError(f"it is an option on {underlying_of(market)}, which is not compiled")
        if market.solvency is not None and self.venue.policy.set_rule is not None:
            raise UnfitError("it caps profits, beside a rule that looks at positions together")
        if not valid(market.requirement):
            raise UnfitError("its requirement is not one that rises with size")
        price = risk_price(self.venue, market)
        family = underlying_of(market)
        sizes, prices = self.families.sizes[family], {price, market.mark}
        if nets_options(self.venue):
            prices |= self.families.prices[family]
        price_unit = price_grid(prices)
        unit = grid(sizes, size_usual(max(prices) // price_unit))
        if market.open_interest_b % unit:
            raise UnfitError(f"its open interest is no multiple of {unit} base atoms")
        rows = _rows(market)
        fields = _requirement_fields(market) | _margin_fields(market) | _cost_fields(market.close_cost)
        fields |= _worth(market.scale, unit, price_unit)
        fields |= {
            "price": price // price_unit,
            "mark": market.mark // price_unit,
            "size_unit": unit,
            "price_unit": price_unit,
            "rows_at": len(self.rows),
            "rows_end": len(self.rows) + len(rows),
            "open_interest": market.open_interest_b // unit,
            "pool": self.pools.get(market.pool, NOWHERE),
            "rate_most": _rate_most(market, rows),
        }
        _check(fields, rows)
        limit = limit_of(market, fields, rows, max(prices) // price_unit, self.worth_most)
        self.markets.append(fields)
        self.rows += rows
        return limit

    def add_asset(self, asset: Asset, held: Mapping[int, int], markets: Mapping[str, int]) -> None:
        """Compile a collateral asset; `UnfitError` says why it cannot be."""
        if asset.market in self.outside and self.venue.policy.set_rule is not None:
            raise UnfitError(f"it nets with {asset.market}, which is not compiled")
        unit, price_unit = grid(held), price_grid((asset.price,))
        rows = _tiers(asset.haircut)
        fields = _worth(asset.scale, unit, price_unit) | {
            "price": asset.price // price_unit,
            "amount_unit": unit,
            "price_unit": price_unit,
            "rows_at": len(self.rows),
            "rows_end": len(self.rows) + len(rows),
            "rate_den": asset.haircut.den,
            "market": markets.get(asset.market, NOWHERE),
        }
        if asset.weights is not None:
            weights = asset.weights
            fields |= {
                "weighs": 1,
                "long_initial_num": weights.long_initial_num,
                "long_maintenance_num": weights.long_maintenance_num,
                "short_initial_num": weights.short_initial_num,
                "short_maintenance_num": weights.short_maintenance_num,
                "weight_den": weights.den,
            }
        _check(fields, rows)
        self.assets.append(fields)
        self.rows += rows


def _records(found: list[Fields], dtype: np.dtype[np.void]) -> Records:
    records = np.zeros(len(found), dtype)
    for record, fields in zip(records, found, strict=True):
        for name, value in fields.items():
            record[name] = value
    return records


def _worth(scale: Scale, unit: int, price_unit: int) -> Fields:
    """The scale between the grids and quote atoms, in lowest terms."""
    num, den = scale.num * unit * price_unit, scale.den
    common = gcd(num, den)
    hi, lo = split(den // common)
    return {"worth_num": num // common, "worth_den_hi": hi, "worth_den_lo": lo, "worth": num / den}


def _check(fields: Mapping[str, Any], rows: Iterable[RowValues]) -> None:
    """Raise `UnfitError` for a number that its column does not hold."""
    for name, value in fields.items():
        if not -INT64_MAX <= value <= INT64_MAX:
            raise UnfitError(
                f"its {name.removesuffix('_num').replace('_', ' ')} of {value} is beyond 64 bits"
            )
    for *numbers, deduction in rows:
        if max(numbers) > INT64_MAX or abs(deduction) >= PRODUCT_MAX:
            raise UnfitError("a row of its table is beyond 64 bits")


def _tiers(table: Tiered) -> list[RowValues]:
    return [(tier.lower_q, tier.initial_num, tier.maintenance_num, tier.deduction) for tier in table.tiers]


def _rows(market: Market) -> list[RowValues]:
    """Rows of a market's table; one for a flat rate, long and short for a sided one."""
    shape = market.requirement
    if isinstance(shape, Tiered):
        return _tiers(shape)
    if isinstance(shape, Stepped):
        return [(step.lower, step.initial_num, step.maintenance_num, 0) for step in shape.steps]
    if isinstance(shape, OpenInterestScaled):
        return [(0, shape.initial_ppm, shape.maintenance_fraction_ppm, 0)]
    if isinstance(shape, Sided):
        long = (0, shape.long_initial_num, shape.long_maintenance_num, 0)
        return [long, (0, shape.short_initial_num, shape.short_maintenance_num, 0)]
    return [(0, shape.initial_num, shape.maintenance_num, 0)]


def _requirement_fields(market: Market) -> Fields:
    """What a market's requirement says besides its rows."""
    shape = market.requirement
    if isinstance(shape, OpenInterestScaled):
        return {
            "shape": OPEN_INTEREST_SCALED,
            "rate_den": PPM,
            "open_lower_q": shape.lower_q,
            "open_upper_q": shape.upper_q,
        }
    fields = {"rate_den": shape.den}
    if isinstance(shape, Tiered):
        return fields | {"shape": TIERED}
    if isinstance(shape, Stepped):
        return fields | {"shape": STEPPED, "by_size": int(shape.by == "size")}
    if isinstance(shape, Sided):
        return fields | {"shape": SIDED}
    if isinstance(shape, SkewScaled):
        return fields | {
            "shape": SKEW_SCALED,
            "depth_b": shape.scale_b,
            "initial_slope_num": shape.initial_slope_num,
            "maintenance_slope_num": shape.maintenance_slope_num,
            "initial_cap_num": shape.initial_cap_num,
            "maintenance_cap_num": shape.maintenance_cap_num,
        }
    if isinstance(shape, RootScaled):
        return fields | {
            "shape": ROOT_SCALED,
            "unit_b": shape.unit_b,
            "factor_num": shape.factor_num,
            "factor_den": shape.factor_den,
        }
    return fields | {"shape": COST_SHARE, "open_num": shape.open_num, "open_den": shape.open_den}


def _margin_fields(market: Market) -> Fields:
    """What a market adds to its requirement."""
    return {
        "minimum_q": market.minimum_margin_q,
        "minimum_as": MINIMUM_AS[market.minimum_margin_as],
        "at_opening": int(market.leverage_checked == "opening"),
    }


def _cost_fields(cost: CloseCost | None) -> Fields:
    if cost is None:
        return {"close_den": 1}
    return {
        "closes": 1,
        "close_num": cost.num,
        "close_den": cost.den,
        "close_lower_q": cost.lower_q,
        "close_upper_q": cost.upper_q,
        "close_of_cost": int(cost.of == "cost"),
        "close_in_initial": int(cost.in_initial),
        "close_rate": cost.num / cost.den,
    }


def _rate_most(market: Market, rows: Iterable[RowValues]) -> float:
    """The highest rate of maintenance margin that a leg can be asked, whatever its size."""
    shape = market.requirement
    if isinstance(shape, SkewScaled | RootScaled):
        return BY_SIZE
    if isinstance(shape, OpenInterestScaled):
        return shape.initial_ppm / PPM
    return max(row[2] for row in rows) / shape.den
