"""A rulebook in use: the engine's parameters, built anew at each call, and the source of every value.

What a rulebook marks as unknown raises `UnknownValueError` when it is asked for, and never before.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal

from msgspec import Struct

from ..clearing.model import Asset, CollateralPool, Market, Scale, Venue
from ..clearing.policy import Auction, Deleveraging, Liquidation, Policy, Requirement, Rounding
from ..clearing.set_rules import ScenarioMargin
from ..clearing.shapes import lowest_initial
from ..errors import InputError, UnknownValueError
from ..units import QUOTE_DECIMALS, parse_decimal, to_atoms
from . import fields, portfolio
from .document import Document, Source, Value, first_day
from .fields import Field
from .standard import STANDARD, standard_margin
from .symbols import ANY, find_market
from .tables import (
    FINEST,
    SIDED,
    is_lent,
    read_close_cost,
    read_haircut,
    read_margin,
    read_solvency,
    read_weights,
    read_window,
)

FRESH_DAYS = 365
"""A rulebook that nobody compared with its sources for longer than this warns."""

NO_MARKETS = "facts.perpetuals"
"""Where a venue has no markets at all, the fact that says why."""


class Mode(Struct, frozen=True):
    """A margin mode in the venue's own words.

    `shared`: its positions are judged together. `removable`: margin can leave while a position is open.
    """

    name: str
    meaning: str
    shared: bool
    removable: bool
    default: bool = False


class Display(Struct, frozen=True):
    """How the venue computes the liquidation price that it shows, where that is not the trigger itself."""

    maintenance: Literal["at_liquidation_price", "at_current_mark"] = "at_liquidation_price"
    rounds_maintenance_of: tuple[str, ...] = ()
    """Modes in which the maintenance margin in that price is the rounded one."""
    decimals: int | None = None
    """Decimal places shown; `None` where they are not known."""


class Rulebook:
    """One version of one venue's rules. Immutable; everything it returns is built anew."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.head = document.head

    @property
    def name(self) -> str:
        """`hyperliquid 2026-07`."""
        return f"{self.head.venue} {self.head.version}"

    def values(self, under: str = "") -> Iterator[tuple[str, Value]]:
        """All values, or those below a path, in the order of the file."""
        for path, value in self.document.values.items():
            if not under or path == under or path.startswith(f"{under}."):
                yield path, value

    def value(self, path: str) -> Value:
        """The value at `path`, known or not."""
        if path not in self.document.values:
            raise InputError(f"{self.name}: {path}: the rulebook does not say")
        return self.document.values[path]

    def ask(self, path: str) -> Any:  # noqa: ANN401
        """What `path` holds, as written; raises `UnknownValueError` where the rulebook says that it is not known."""
        value = self.value(path)
        if value.unknown:
            raise UnknownValueError(f"{self.name}: {path} is not known ({value.note})")
        return value.value

    def source(self, path: str) -> Source:
        """The source of the value at `path`."""
        return self.document.sources[self.value(path).source]

    def warnings(self, today: date | None = None) -> list[str]:
        """What a reader should be told, as of `today` (default: the present day in UTC)."""
        now, checked = today or datetime.now(tz=UTC).date(), first_day(self.head.checked)
        if checked is None or now - checked <= timedelta(days=FRESH_DAYS):
            return []
        return [f"{self.name}: last compared with its sources on {self.head.checked}, more than a year ago"]

    # -- policy -----------------------------------------------------------------------------------------------------

    def policy(self) -> Policy:
        """Everything about the venue that is not a market; raises `UnknownValueError` at the first unknown field."""
        return Policy(
            rounding=Rounding(**self._read("policy.rounding", fields.ROUNDING)),
            liquidation=self._liquidation(),
            deleveraging=Deleveraging(**self._read("policy.deleveraging", fields.DELEVERAGING)),
            **self._read("policy", fields.MARGIN_POLICY | fields.PROCEDURE),
            **self._set_rule(),
        )

    def margin_policy(self) -> Policy:
        """Only what margin, equity and liquidation price depend on, for rulebooks whose procedures are not all known.

        Fees, liquidation procedure and waterfall are the engine's defaults: do not trade or liquidate under it.
        """
        return Policy(
            rounding=Rounding(**self._read("policy.rounding", fields.ROUNDING)),
            **self._read("policy", fields.MARGIN_POLICY),
            **self._set_rule(),
        )

    def scenarios(self) -> ScenarioMargin | None:
        """The rule over a set of positions, where the rulebook has the table `portfolio`."""
        if not self.names("portfolio"):
            return None
        return portfolio.scenario_margin(self._read("portfolio", portfolio.OWN))

    def _set_rule(self) -> dict[str, Any]:
        """The rule of the table `portfolio` or `standard`."""
        if self.names("standard"):
            return {"set_rule": standard_margin(self._read("standard", STANDARD))}
        rule = self.scenarios()
        return {"set_rule": rule} if rule is not None else {}

    def _liquidation(self) -> Liquidation:
        read = self._read("policy.liquidation", fields.LIQUIDATION)
        if self.names("policy.auction"):
            read["auction"] = Auction(**self._read("policy.auction", fields.AUCTION))
        return Liquidation(**read)

    def portfolio_shocks(self) -> dict[str, dict[str, Any]]:
        """Shifts of volatility and discounts of the table `portfolio`, by section: what `pricing` needs of it."""
        return {name: self._read(f"portfolio.{name}", wanted) for name, wanted in portfolio.SECTIONS.items()}

    def modes(self) -> dict[str, Mode]:
        """The margin modes that the venue offers, and what its words for them mean."""
        return {name: Mode(name, **self._read(f"modes.{name}", fields.MODE)) for name in self.names("modes")}

    @property
    def display(self) -> Display:
        """How the venue's shown liquidation price comes about."""
        known = {
            name: field for name, field in fields.DISPLAY.items() if not self._is_unknown(f"display.{name}")
        }
        return Display(**self._read("display", known))

    # -- markets and assets -----------------------------------------------------------------------------------------

    @property
    def symbols(self) -> tuple[str, ...]:
        """The markets listed, without the one that stands for all others."""
        return tuple(name for name in self.names("markets") if name != ANY)

    @property
    def lists_any(self) -> bool:
        """Whether the rulebook has a market that stands for every symbol it does not list."""
        return ANY in self.names("markets")

    def symbol(self, text: str) -> str:
        """Canonical base name of a symbol: `BTC` for `BTC-USD`, `BTC/USDC:USDC`, `BTCUSDT`.

        Raises `InputError` with near names for a market that the rulebook does not list; where it has none at all,
        with the reason.
        """
        if not self.names("markets"):
            raise InputError(f"{self.name} has no market {text!r}: {self.ask(NO_MARKETS)}")
        return find_market(text, self.names("markets"), self.name)

    def market(self, symbol: str, size_decimals: int | None = None) -> Market:
        """A market without prices; its requirement counts sizes with `size_decimals` (its own where not given)."""
        name = self.symbol(symbol)
        return self.market_of_row(name, self._row(name), size_decimals)

    def market_of_row(self, name: str, row: str, size_decimals: int | None = None) -> Market:
        """The market `name` by the rules of a row of the table of markets."""
        path = f"markets.{row}"
        read = self._read(path, fields.MARKET)
        base_decimals, price_decimals = read["base_decimals"], read["price_decimals"]
        where = f"{self.document.file}: {path}.step"
        requirement = self.margin_table(
            read["margin"], base_decimals if size_decimals is None else size_decimals
        )
        return Market(
            id=name,
            scale=scale_of(base_decimals, price_decimals),
            requirement=requirement,
            pool=read["pool"],
            base_decimals=base_decimals,
            price_decimals=price_decimals,
            step_b=to_atoms(parse_decimal(read["step"], where), base_decimals, where)
            if "step" in read
            else 1,
            minimum_margin_q=read.get("minimum_margin_q", 0),
            minimum_margin_as=read.get("minimum_margin_as", "added"),
            close_cost=read_close_cost(read),
            window=read_window(read, self._fees_ppm(), requirement, f"{self.document.file}: {path}"),
            solvency=read_solvency(read, f"{self.document.file}: {path}"),
            margin_locked=self._locks_margin(row),
            **self._read("policy", fields.OF_ALL_MARKETS),
        )

    def _fees_ppm(self) -> int:
        """Maker and taker fee together, as far as they are known."""
        names = ("maker_fee", "taker_fee")
        known = {name: fields.PROCEDURE[name] for name in names if not self._is_unknown(f"policy.{name}")}
        return sum(self._read("policy", known).values())

    def _locks_margin(self, row: str) -> bool:
        """Whether margin cannot leave in any mode in which a market may be held."""
        paths = [f"modes.{mode}.removable" for mode in self.row_modes(row)]
        return all(not self._is_unknown(path) and not self.ask(path) for path in paths)

    def requirement(self, symbol: str) -> Requirement:
        """Margin rule of a market."""
        path = f"markets.{self._row(self.symbol(symbol))}"
        return self.margin_table(self.ask(f"{path}.margin"), self.ask(f"{path}.base_decimals"))

    def margin_table(self, name: str, base_decimals: int = FINEST) -> Requirement:
        """The margin rule that the rulebook calls `name`, for a market whose sizes have these decimals."""
        path = f"margin.{name}"
        written = {field: self.ask(f"{path}.{field}") for field in self.names(path)}
        return read_margin(written, base_decimals, f"{self.document.file}: {path}")

    def max_leverage(self, symbol: str) -> Fraction:
        """Highest leverage of a small position: one over its initial margin rate."""
        return 1 / lowest_initial(self.requirement(symbol))

    def market_modes(self, symbol: str) -> tuple[str, ...]:
        """The margin modes that a market allows: its own list, or all of the venue's."""
        return self.row_modes(self._row(self.symbol(symbol)))

    def row_modes(self, row: str) -> tuple[str, ...]:
        """The margin modes of a row of the table of markets."""
        read = self._read(f"markets.{row}", {"modes": fields.MARKET["modes"]})
        modes: tuple[str, ...] = read.get("modes", self.names("modes"))
        return modes

    def assets(self) -> dict[str, Asset]:
        """Collateral assets other than the quote asset, without prices."""
        return {name: self.asset(name) for name in self.names("assets")}

    def asset(self, name: str) -> Asset:
        """One collateral asset."""
        path = f"assets.{name}"
        read = self._read(path, fields.ASSET)
        haircut = read_haircut(self.ask(f"{path}.haircut"), f"{self.document.file}: {path}.haircut")
        weights = read_weights(read, f"{self.document.file}: {path}")
        return Asset(
            id=name,
            scale=scale_of(read["decimals"], read["price_decimals"]),
            haircut=haircut,
            weights=weights,
            lent=is_lent(read),
            **{field: value for field, value in read.items() if field not in SIDED},
        )

    # -- reading ----------------------------------------------------------------------------------------------------

    def names(self, path: str) -> tuple[str, ...]:
        """Names in the table at `path`, in the order of the file."""
        return self._tree.get(path, ())

    @cached_property
    def _tree(self) -> dict[str, tuple[str, ...]]:
        """Names below each table. A market's name may hold a colon, never a full stop."""
        below: dict[str, dict[str, None]] = {}
        for path in self.document.values:
            parts = path.split(".")
            for depth in range(1, len(parts)):
                below.setdefault(".".join(parts[:depth]), {})[parts[depth]] = None
        return {path: tuple(found) for path, found in below.items()}

    def _is_unknown(self, path: str) -> bool:
        return path in self.document.values and self.document.values[path].unknown

    def _row(self, name: str) -> str:
        return name if name in self.names("markets") else ANY

    def _read(self, path: str, wanted: Mapping[str, Field]) -> dict[str, Any]:
        """The engine's arguments for those fields of a table that the rulebook states."""
        read: dict[str, Any] = {}
        for name, field in wanted.items():
            where = f"{path}.{name}"
            if where in self.document.values:
                read |= field.read(self.ask(where), f"{self.document.file}: {where}")
        return read


def scale_of(base_decimals: int, price_decimals: int) -> Scale:
    """Quote atoms per base atom per price quantum: 10 ** (6 - base decimals - price decimals)."""
    exponent = QUOTE_DECIMALS - base_decimals - price_decimals
    return Scale(10**exponent, 1) if exponent >= 0 else Scale(1, 10**-exponent)


def build_venue(rulebook: Rulebook, symbols: Iterable[str], *, procedures: bool = True) -> Venue:
    """The empty state of a venue: policy, markets, collateral assets and pools.

    Without `procedures` the policy is `margin_policy`: enough for questions about margin, not for a simulation.
    """
    markets = {market.id: market for market in map(rulebook.market, symbols)}
    return Venue(
        policy=rulebook.policy() if procedures else rulebook.margin_policy(),
        markets=markets,
        assets=rulebook.assets(),
        pools={market.pool: CollateralPool(market.pool) for market in markets.values()},
    )
