"""Mango v4's own health tests asked of our rules: tokens, perpetuals with resting orders, orders on spot markets.

The venue counts in binary fixed point; here every number has 18 decimals, and the cases state how far the two may be
apart. A market's reserved funds may end up as either of its tokens, so each market counts at the worse of the two, as
if all other markets had turned out badly as well.
"""

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Literal, NamedTuple

from ...errors import InputError
from ...rules.weights import (
    converted,
    executed_value,
    reserved_value,
    scaled_asset_weight,
    scaled_liability_weight,
    weight_of,
    weighted_value,
)
from ...rules.words import TRUNC, WAD, mul_div
from .named import NamedKinds
from .vectors import Case, Field, Ours, UnsupportedError

HealthType = Literal["init", "liquidation_end", "maint"]

TYPES: tuple[HealthType, ...] = ("init", "liquidation_end", "maint")
STATED = {"init": "init", "liquidation_end": "init", "maint": "maint"}
"""Whose weights a type of health uses; only `init` scales them with what the venue holds and has lent."""

_TOKEN = re.compile(r"token\d+")
_PERP = re.compile(r"perp\d+")
_MARKET = re.compile(r"oo_(?P<quote>\d+)_(?P<base>\d+)")
_HELD = re.compile(
    rf"{_TOKEN.pattern}|{_PERP.pattern}|oo_\d+_\d+|(lowest_ask|highest_bid_inv)_\d+_\d+"
    r"|(bank_)?potential_serum_tokens|bank_(deposits|borrows)|(deposit|borrow)_weight_scale_start_quote"
)
"""Names of what an account holds, and of what the banks do."""
_NEVER = ("max", "inf", "none")
"""Starts of a scale that is never reached."""


class Prices(NamedTuple):
    """Price of what is owned and of what is owed: for initial health the worse of the oracle's and a slow one."""

    asset: int
    debt: int


class Token(NamedTuple):
    """A token's prices and its weights as an asset and as a debt."""

    prices: Prices
    asset: int
    debt: int

    @property
    def asset_price(self) -> int:
        """What one unit that is owned counts for."""
        return mul_div(self.prices.asset, self.asset, WAD, TRUNC)

    @property
    def debt_price(self) -> int:
        """What one unit that is owed asks for."""
        return mul_div(self.prices.debt, self.debt, WAD, TRUNC)

    def contribution(self, balance: int) -> int:
        """What a balance adds to health."""
        price = self.prices.asset if balance >= 0 else self.prices.debt
        return weighted_value(balance, weight_of(balance, self.asset, self.debt), price, WAD)


class Reserved(NamedTuple):
    """Funds of a spot market's orders, all of them turned into its base token and all into its quote token."""

    base: str
    quote: str
    as_base: int
    as_quote: int


def wad(amount: Fraction) -> int:
    """An amount with 18 decimals, the rest cut off."""
    return mul_div(amount.numerator, WAD, amount.denominator, TRUNC)


def number(field: Field | None) -> int:
    """A number with 18 decimals; one that is not stated counts as zero."""
    return 0 if field is None else wad(field.fraction())


def healths(case: Case) -> Ours:
    """Health of every type whose weights the case states."""
    rule = case.body["rule"]
    return {
        f"{kind}_health": Fraction(health(case, kind), WAD) for kind in TYPES if _states(rule, STATED[kind])
    }


def _states(rule: Field, stated: str) -> bool:
    tokens = [row for name, row in rule.entries().items() if _TOKEN.fullmatch(name)]
    return all(row.get(f"{stated}_asset") is not None for row in tokens)


def health(case: Case, kind: HealthType) -> int:
    """The sum of weighted balances and of what the spot markets' reserved funds are worth at worst."""
    rule, held = case.body["rule"], _held(case)
    tokens = _tokens(rule, held, kind)
    balances = {name: number(held.get(name)) for name in tokens}
    for name, row in rule.entries().items():
        if _PERP.fullmatch(name):
            balances[_named(tokens, row["settle"])] += _perp_value(case, name, row, kind)
    total = sum(token.contribution(balances[name]) for name, token in tokens.items())
    markets = list(_reserved(held, tokens))
    return total + sum(_reserved_worth(market, markets, balances, tokens) for market in markets)


def _held(case: Case) -> Field:
    """What the account holds; a name that is not known could change every answer."""
    held, known = case.body["collateral"].only(), case.body["rule"].entries()
    unknown = [name for name in held.entries() if not _HELD.fullmatch(name)]
    if unknown:
        raise UnsupportedError(f"holdings of an unknown kind: {', '.join(unknown)}")
    priced = [name for name in held.entries() if _TOKEN.fullmatch(name) or _PERP.fullmatch(name)]
    for row in case.body.items("positions"):
        priced += [name.removesuffix("_base_lots") for name in row.entries() if name.endswith("_base_lots")]
    for name in priced:
        if name not in known:
            raise InputError(f"{held.where}: there is no {name} in the rule")
    return held


def _prices(row: Field, kind: HealthType) -> Prices:
    oracle, stable = wad(row["price"].positive()), row.get("stable_price")
    if stable is None or kind != "init":
        return Prices(oracle, oracle)
    slow = wad(stable.positive())
    return Prices(min(oracle, slow), max(oracle, slow))


def _named(tokens: dict[str, Token], field: Field) -> str:
    name = field.text()
    if name not in tokens:
        raise InputError(f"{field.where}: there is no {name}")
    return name


def _tokens(rule: Field, held: Field, kind: HealthType) -> dict[str, Token]:
    """Tokens by name; lists of the banks' totals stand in the order of the tokens."""
    rows = {name: row for name, row in rule.entries().items() if _TOKEN.fullmatch(name)}
    return {name: _token(row, held, at, kind) for at, (name, row) in enumerate(rows.items())}


def _token(row: Field, held: Field, at: int, kind: HealthType) -> Token:
    prices = _prices(row, kind)
    asset, debt = (number(row[f"{STATED[kind]}_{side}"]) for side in ("asset", "liab"))
    if kind != "init":
        return Token(prices, asset, debt)
    # What rests on the spot markets may still come back as a deposit.
    resting = max(_of(held, f"{of}potential_serum_tokens", at) for of in ("", "bank_"))
    deposits = _of(held, "bank_deposits", at) + resting
    deposited, lent = (
        mul_div(amount, prices.debt, WAD, TRUNC) for amount in (deposits, _of(held, "bank_borrows", at))
    )
    asset = scaled_asset_weight(asset, _of(held, "deposit_weight_scale_start_quote", at), deposited)
    debt = scaled_liability_weight(debt, _of(held, "borrow_weight_scale_start_quote", at), lent)
    return Token(prices, asset, debt)


def _of(held: Field, name: str, at: int) -> int:
    """One of a list that stands in the order of the tokens: zero where it is not stated or never counts."""
    rows = held.items(name)
    if at >= len(rows) or rows[at].raw is None or rows[at].raw in _NEVER:
        return 0
    return number(rows[at])


# -- perpetuals --------------------------------------------------------------------------------------------------------


def _perp_value(case: Case, name: str, rule: Field, kind: HealthType) -> int:
    """Unsettled profit of a perpetual at its worse side of orders; a profit counts by the overall weight."""
    lots, quote, bids, asks = _perp_position(case, name)
    if lots == quote == bids == asks == 0:
        return 0
    unit, prices, stated = number(rule["base_lot_size"]), _prices(rule, kind), STATED[kind]
    asset = mul_div(prices.asset, number(rule[f"{stated}_base_asset"]), WAD, TRUNC)
    debt = mul_div(prices.debt, number(rule[f"{stated}_base_liab"]), WAD, TRUNC)
    worth = quote + min(
        executed_value(lots * unit, orders * unit, asset, debt, at, WAD)
        for orders, at in ((bids, prices.debt), (-asks, prices.asset))
    )
    if worth <= 0:
        return worth
    return mul_div(worth, number(rule[f"{stated}_overall_asset"]), WAD, TRUNC)


def _perp_position(case: Case, name: str) -> tuple[int, int, int, int]:
    """Lots, quote (18 decimals), lots bid and lots asked."""
    stated = [row for row in case.body.items("positions") if row.get(f"{name}_base_lots") is not None]
    if stated:
        row = stated[0]
        orders = (row.get(side) for side in ("bids_lots", "asks_lots"))
        bids, asks = (0 if lots is None else lots.integer(least=0) for lots in orders)
        return row[f"{name}_base_lots"].integer(), number(row[f"{name}_quote"]), bids, asks
    row = case.body["collateral"].only()
    listed = row.items(name)
    if not listed:
        return 0, 0, 0, 0
    if len(listed) != 4:  # noqa: PLR2004 - lots, quote, bids and asks
        raise InputError(
            f"{row.where}.{name}: expected lots, quote, bids and asks, got {len(listed)} numbers"
        )
    lots, bids, asks = (listed[at].integer() for at in (0, 2, 3))
    return lots, number(listed[1]), bids, asks


# -- orders on spot markets --------------------------------------------------------------------------------------------


def _reserved(held: Field, tokens: dict[str, Token]) -> Iterator[Reserved]:
    """Reserved funds of each spot market that has some, converted at the worst price that its orders state."""
    for name, row in held.entries().items():
        market = _MARKET.fullmatch(name)
        if market is None or row.raw is None:
            continue
        quote_name, base_name = f"token{market['quote']}", f"token{market['base']}"
        if quote_name not in tokens or base_name not in tokens:
            raise InputError(f"{row.where}: there is no {quote_name} or {base_name}")
        suffix = name.removeprefix("oo_")
        funds = [number(amount) for amount in row]
        if len(funds) != 2:  # noqa: PLR2004 - of quote and of base
            raise InputError(f"{row.where}: expected amounts of quote and base, got {len(funds)}")
        in_quote, in_base = funds
        quote, base = tokens[quote_name], tokens[base_name]
        lowest_ask, highest_bid_inv = (
            number(held.get(f"{limit}_{suffix}")) for limit in ("lowest_ask", "highest_bid_inv")
        )
        as_base = in_base + converted(
            in_quote, quote.prices.asset, base.prices.debt, mul_div(in_quote, highest_bid_inv, WAD, TRUNC)
        )
        as_quote = in_quote + converted(
            in_base, base.prices.asset, quote.prices.debt, mul_div(in_base, lowest_ask, WAD, TRUNC)
        )
        if as_base and as_quote:
            yield Reserved(base_name, quote_name, as_base, as_quote)


def _reserved_worth(
    market: Reserved, markets: list[Reserved], balances: dict[str, int], tokens: dict[str, Token]
) -> int:
    """The worse of both outcomes, with all markets' funds added to the balances first."""

    def added(name: str, amount: int) -> int:
        most = balances[name] + sum(
            each.as_base if each.base == name else each.as_quote
            for each in markets
            if name in (each.base, each.quote)
        )
        return reserved_value(most, amount, tokens[name].asset_price, tokens[name].debt_price, WAD)

    return min(added(market.base, market.as_base), added(market.quote, market.as_quote))


KINDS = NamedKinds({healths: tuple(f"{kind}_health" for kind in TYPES)})
