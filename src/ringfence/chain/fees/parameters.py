"""Dated parameters of each chain: three scenarios of fees, and what the chain could carry since when.

They are data (`chain/data/*.toml`), every value with its day, its source and how far it can be trusted: A an official
parameter file, code or receipt; B official documentation or the vendor's blog; C press; D derived here; else assumed.
Paths begin with where a value belongs: `l1.` and `l2.` are fees, `price.` is USD, `model.` is an assumption of ours.
"""

import difflib
import re
import tomllib
from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

import msgspec
from msgspec import Struct

from ...errors import InputError
from ...units import to_fraction

Scenario = Literal["low", "mid", "high"]
Confidence = Literal["A", "B", "C", "D", "assumed", "live", "given"]
Rule = Literal["ethereum", "op_stack", "arbitrum", "zksync", "starknet", "none"]

SCENARIOS: tuple[Scenario, ...] = get_args(Scenario)
CHAINS = ("ethereum", "base", "optimism", "arbitrum", "zksync", "starknet")
"""Chains with fees, L1 first."""
LIMITED = (*CHAINS, "hyperevm", "dydx")
"""Chains of which a capacity is known."""
PRICES = "prices"
SHARED: Mapping[str, tuple[str, ...]] = {
    "op_stack": ("l1.baseFee", "l1.blobBaseFee"),
    "zksync": ("l1.baseFee",),
}
"""Parameters of L1 that a rollup takes from Ethereum's file, by its rule."""
VALUE_MAX = 10**30
GWEI = 10**9

_VALUE = re.compile(r"([0-9][0-9_]*(?:\.[0-9]+)?(?:e[0-9]{1,2})?)\s*(wei|gwei|fri)?", re.IGNORECASE)


class Stated(Struct, frozen=True, forbid_unknown_fields=True):
    """A value with where it comes from; prices are decimal text, all else whole numbers."""

    value: int | str
    date: date
    confidence: Confidence
    source: str


class Parameter(Struct, frozen=True, forbid_unknown_fields=True):
    """A parameter in every scenario; `all` stands for the three."""

    path: str
    unit: str
    about: str = ""
    all: Stated | None = None
    low: Stated | None = None
    mid: Stated | None = None
    high: Stated | None = None

    def stated(self, scenario: Scenario) -> Stated:
        """Its value in a scenario."""
        found: Stated | None = self.all or getattr(self, scenario)
        if found is None:
            raise InputError(f"{self.path}: no value for the scenario {scenario}")
        return found


class Target(Struct, frozen=True, forbid_unknown_fields=True):
    """Gas per second that a chain sustains over a window of seconds."""

    gas_per_s: int
    window_s: int


class Capacity(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a chain could carry since a day. Gas is the EVM's unless `gas_unit` says another; fees are wei per gas.

    Either `elasticity` and `denominator` of EIP-1559, or `targets`, or the one `speed_limit` (gas/s) with its inertia
    and tolerance in seconds; `attempts_per_block` where liquidations are counted, not metered.
    """

    since: date
    block_ms: int
    confidence: Confidence
    source: str
    gas_unit: str = "gas"
    block_gas: int = 0
    target_gas: int = 0
    elasticity: int = 0
    denominator: int = 0
    base_fee_min: int = 0
    transaction_gas: int = 0
    targets: tuple[Target, ...] = ()
    speed_limit: int = 0
    inertia_s: int = 0
    tolerance_s: int = 0
    attempts_per_block: int = 0


class Chain(Struct, frozen=True, forbid_unknown_fields=True):
    """One file of data."""

    title: str
    rule: Rule
    token: str
    checked: date
    fork: str = ""
    chain_id: int = 0
    parameter: tuple[Parameter, ...] = ()
    capacity: tuple[Capacity, ...] = ()


class Parameters(Struct, frozen=True):
    """The parameters of one chain in one scenario."""

    chain: str
    scenario: str
    stated: Mapping[str, Stated]

    def __getitem__(self, path: str) -> int:
        """A whole number: wei or fri per gas, a weight, a count."""
        return int(self._found(path).value)

    def price(self, token: str) -> Fraction:
        """USD per token."""
        return Fraction(self._found(f"price.{token}").value)

    def override(self, path: str, value: int | str) -> "Parameters":
        """The same parameters with one of them set.

        The value is a number, with or without `gwei` or `wei`. Raises `InputError` for a path that this chain does not
        have, naming those it has, and for anything that is no such number.
        """
        self._found(path)
        given = Stated(_read(path, str(value)), date.today(), "given", "set by hand")  # noqa: DTZ011
        return self.replaced({path: given})

    def replaced(self, stated: Mapping[str, Stated]) -> "Parameters":
        """The same parameters with others in the place of some."""
        return Parameters(self.chain, self.scenario, {**self.stated, **stated})

    def _found(self, path: str) -> Stated:
        found = self.stated.get(path)
        if found is None:
            near = difflib.get_close_matches(path, self.stated, n=1)
            meant = f"; did you mean {near[0]}" if near else ""
            raise InputError(
                f"{path}: {self.chain} has no such parameter{meant} (it has {', '.join(sorted(self.stated))})"
            )
        return found


def _read(path: str, text: str) -> int | str:
    """A value as it is kept: whole and not negative, or for a price above zero."""
    found = _VALUE.fullmatch(text.strip())
    is_price = path.startswith("price.")
    if found is None or (is_price and found[2]):
        raise InputError(
            f"{path}: expected a number{'' if is_price else ', such as 5000000 or 0.02gwei'}, got {text}"
        )
    number = to_fraction(found[1].replace("_", ""), path) * (
        GWEI if (found[2] or "").lower() == "gwei" else 1
    )
    if number > VALUE_MAX or (is_price and number == 0) or (not is_price and number.denominator != 1):
        wanted = "a price above 0" if is_price else f"a whole number of at most {VALUE_MAX:.0e}"
        raise InputError(f"{path}: expected {wanted}, got {text}")
    return found[1].replace("_", "") if is_price else int(number)


@cache
def chain_data(name: str) -> Chain:
    """The data of a chain. Raises `InputError` naming the known ones."""
    if name not in LIMITED:
        raise InputError(f"{name}: no such chain; known are {', '.join(LIMITED)}")
    return msgspec.convert(_document(name), Chain)


def _document(name: str) -> dict[str, Any]:
    return tomllib.loads((files("ringfence.chain") / "data" / f"{name}.toml").read_text(encoding="utf-8"))


@cache
def parameter_rows(name: str) -> tuple[Parameter, ...]:
    """All parameters of a chain: its own, those of L1 that it shares, and prices."""
    chain = chain_data(name)
    if not chain.parameter:
        raise InputError(f"{name}: its fees are not modelled; those of {', '.join(CHAINS)} are")
    shared = SHARED.get(chain.rule, ())
    prices = msgspec.convert(_document(PRICES)["parameter"], tuple[Parameter, ...])
    tokens = {"ETH", chain.token}
    return (
        *chain.parameter,
        *(row for row in chain_data("ethereum").parameter if row.path in shared),
        *(row for row in prices if row.path.removeprefix("price.") in tokens),
    )


def parameters(chain: str, scenario: Scenario = "mid") -> Parameters:
    """The parameters of a chain in a scenario."""
    if scenario not in SCENARIOS:
        raise InputError(f"{scenario}: no such scenario; known are {', '.join(SCENARIOS)}")
    return Parameters(chain, scenario, {row.path: row.stated(scenario) for row in parameter_rows(chain)})


def capacity(chain: str, day: date | None = None) -> Capacity:
    """What a chain could carry on a day; the newest where none is given. Raises `InputError` for a day before all."""
    rows = chain_data(chain).capacity
    known = [row for row in rows if day is None or row.since <= day]
    if not known:
        raise InputError(f"{chain}: its capacity is known since {rows[0].since}, not on {day}")
    return known[-1]
