"""GMX v1's published numbers asked of our rules: PnL by average price, fees, liquidation state, and the vault's books.

The cases come from tests that share a small vault; what a case leaves out of it is stated below, with its source. USD
have 30 decimal places and tokens their own, as in the contract, so every number has to agree to the last digit.

Sources: gmx-io/gmx-contracts@fe55c4ba test/core/Vault/*.js; the cases name their own.
"""

import re
from fractions import Fraction
from typing import NamedTuple

from ...errors import InputError
from ...rules.average import in_profit, leverage_bps, next_average_e30, pnl_e30
from ...rules.borrowing import interval_fee_e30, interval_rate_ppm
from ...rules.collateral import closed, liquidation_state, seized, tokens_down, trading_fee_e30
from ...rules.words import PPM
from .named import NamedKinds
from .vectors import Case, Field, Ours, RefusedError, UnsupportedError

E30 = 10**30
BPS = 10_000
HOURS_A_DAY = 24
INTERVAL_HOURS = 8
"""`fundingInterval` where a case does not say: Vault.sol:68."""


class Token(NamedTuple):
    """A collateral token: its decimals, the name of its unit in the cases and how many decimals that has."""

    decimals: int
    unit: str
    unit_decimals: int
    mint_fee_bps: int
    """What its liquidity providers paid: Vault.sol's default, or the one that the tests of shorts set."""
    liquidity_usd: tuple[int, ...]
    """What they brought, in the several tests."""


TOKENS = {
    "BTC": Token(8, "sats", 0, 30, (100, 2_000)),
    "ETH": Token(18, "eth", 18, 30, (100, 2_000)),
    "DAI": Token(18, "dai", 18, 4, (100, 1_001)),
}
"""liquidateLongPosition.js:85-95, liquidateShortPosition.js:66-107, helpers.js:77-85."""
STABLE = {"DAI"}
OPENED_BETWEEN = {Fraction(41_000): Fraction(40_000)}
"""Entry of a long (the oracle's highest price) and the lowest at the same moment, where the two differed."""
MARK = re.compile(r"([\d.]+)\s*min\s*/\s*([\d.]+)\s*max\b.*")


class Prices(NamedTuple):
    """Lowest and highest price that the oracle shows, in USD with 30 decimal places."""

    low: int
    high: int

    def worst(self, *, is_long: bool) -> int:
        """The price at which a position's PnL is measured."""
        return self.low if is_long else self.high


class Trade(NamedTuple):
    """The position that a case is about, in USD with 30 decimal places."""

    is_long: bool
    size: int
    entry: int
    collateral: int
    """After the fee for opening."""
    fee: int
    token: Token
    stable: bool


def usd(number: Fraction) -> int:
    """USD with 30 decimal places."""
    return int(number * E30)


def trade(case: Case) -> Trade:
    """The position; what a case without a present price calls collateral is what was brought, before the fee."""
    held, stake = case.body["positions"].only(), case.body["collateral"].only()
    size, asset = usd(held["size_usd"].positive()), stake["asset"].text()
    if asset not in TOKENS:
        raise UnsupportedError(f"a token of unknown decimals: {asset}")
    fee = trading_fee_e30(size, case.body["rule"]["margin_fee_bps"].integer(0, BPS))
    brought = usd(stake["usd"].positive())
    opening = present(held) is None
    return Trade(
        held["side"].is_long(),
        size,
        usd(held["entry"].positive()),
        brought - fee if opening else brought,
        fee,
        TOKENS[asset],
        asset in STABLE,
    )


def present(held: Field) -> Prices | None:
    """Present prices of the index token; `None` where the case ends at opening."""
    lowest, highest, mark = held.get("price_min"), held.get("price_max"), held.get("mark")
    if lowest is not None and highest is not None:
        return ordered(lowest, highest)
    if mark is None:
        return None
    ends = MARK.fullmatch(mark.text())
    if ends is None:
        return Prices(usd(mark.positive()), usd(mark.positive()))
    return ordered(*(Field(end, mark.where) for end in ends.groups()))


def ordered(lowest: Field, highest: Field) -> Prices:
    """Two prices of one moment."""
    prices = Prices(usd(lowest.positive()), usd(highest.positive()))
    if prices.low > prices.high:
        raise InputError(f"{lowest.where}: expected no more than the highest price")
    return prices


def opened(asked: Trade) -> Prices:
    """Prices of the index token when the position was opened."""
    lowest = OPENED_BETWEEN.get(Fraction(asked.entry, E30)) if asked.is_long else None
    return Prices(asked.entry if lowest is None else usd(lowest), asked.entry)


def collateral_prices(asked: Trade, prices: Prices) -> Prices:
    """Prices of the collateral: those of the index token, or one dollar."""
    return Prices(E30, E30) if asked.stable else prices


def answer(case: Case) -> Ours:
    """Everything that our rules say about the position of a case."""
    asked, now = trade(case), present(case.body["positions"].only())
    ours: Ours = {
        "collateral_after_fee_usd": Fraction(asked.collateral, E30),
        "avg_price": Fraction(asked.entry, E30),
    }
    ours["fee_usd"] = Fraction(asked.fee, E30)
    ours |= amounts(asked.token, {"reserve": vault_of(asked).reserved})
    if now is None:
        return ours
    return {**ours, **standing(case, asked, now), **grown(case, asked, now), **liquidated(case, asked, now)}


def least_profit_bps(case: Case) -> int:
    """Profit that counts as none: only within a time after the trade, which is over unless the case names it."""
    stated = case.body["rule"].get("min_profit_bps")
    return 0 if stated is None else stated.integer(0, BPS)


def pnl(case: Case, asked: Trade, price: int) -> int:
    """PnL at a price, in USD with 30 decimal places."""
    return pnl_e30(asked.size, asked.entry, price, asked.is_long, least_profit_bps(case))


def state(case: Case, asked: Trade, now: Prices, fees: int) -> int:
    """Liquidation state at present prices."""
    rule = case.body["rule"]
    gained = pnl(case, asked, now.worst(is_long=asked.is_long))
    liquidation_fee, leverage = (
        usd(rule["liquidation_fee_usd"].fraction()),
        rule["max_leverage_bps"].integer(1),
    )
    return liquidation_state(asked.collateral, gained, fees, liquidation_fee, asked.size, leverage)


def standing(case: Case, asked: Trade, now: Prices) -> Ours:
    """Does it gain, how much, and may it be liquidated?"""
    price = now.worst(is_long=asked.is_long)
    return {
        "has_profit": in_profit(asked.entry, price, asked.is_long),
        "delta_1e30": abs(pnl(case, asked, price)),
        "delta_before_1e30": abs(pnl(case, asked, price)),
        "leverage_bps_before": leverage_bps(asked.size, asked.collateral),
        "liquidation_state": state(case, asked, now, fees_due(case, asked)),
    }


def grown(case: Case, asked: Trade, now: Prices) -> Ours:
    """The position after it grew at present prices: average price, leverage, and its PnL at the prices asked for."""
    added_usd = case.body["positions"].only().get("increase_usd")
    if added_usd is None:
        return {}
    added, price = usd(added_usd.positive()), now.high if asked.is_long else now.low
    carried = pnl(case, asked, now.worst(is_long=asked.is_long))
    average = next_average_e30(asked.size, added, carried, price, asked.is_long)
    fee = trading_fee_e30(added, case.body["rule"]["margin_fee_bps"].integer(0, BPS))
    if asked.collateral <= fee:
        raise RefusedError("insufficient collateral for fees")
    after = asked._replace(size=asked.size + added, entry=average, collateral=asked.collateral - fee)
    return {
        "next_average_price_1e30": average,
        "leverage_bps_after": leverage_bps(after.size, after.collateral),
        **{
            f"{name}{stated}": abs(pnl(case, after, usd(Fraction(stated))))
            for name, stated in asked_at(case, r"(delta_after_at_)([\d.]+)")
        },
    }


def asked_at(case: Case, pattern: str) -> list[tuple[str, str]]:
    """Names of expected values that end in the price they are asked at, as (name, price)."""
    found = (re.fullmatch(pattern, name) for name in case.body["expected"].entries())
    return [(match[1], match[2]) for match in found if match]


class Vault(NamedTuple):
    """The vault's books in the collateral token, in atoms, and the USD that it guarantees to longs."""

    pool: int
    fees: int
    reserved: int
    guaranteed: int


def vault_of(asked: Trade) -> Vault:
    """The vault once the position is open: liquidity less its mint fee, and what opening did to it.

    Of the tests' vaults it is the smallest that can hold the position's reserve.
    """
    token, prices = asked.token, collateral_prices(asked, opened(asked))
    unit = 10**token.decimals
    reserved = tokens_down(asked.size, prices.low, unit)
    liquidity = (tokens_down(usd(Fraction(amount)), prices.low, unit) for amount in token.liquidity_usd)
    brought = next((amount for amount in liquidity if amount >= reserved), None)
    if brought is None:
        raise UnsupportedError("the case does not say how much liquidity the vault holds")
    kept = brought * (BPS - token.mint_fee_bps) // BPS
    margin = tokens_down(asked.collateral + asked.fee, prices.low, unit) if asked.is_long else 0
    fee = tokens_down(asked.fee, prices.high, unit)
    pool = kept + margin - fee if asked.is_long else kept
    guaranteed = asked.size - asked.collateral if asked.is_long else 0
    return Vault(pool, brought - kept + fee, reserved, guaranteed)


def fees_due(case: Case, asked: Trade) -> int:
    """Fee for closing, and for the reserve over the days that the position was open."""
    days = case.body["positions"].only().get("days_open")
    if days is None:
        return asked.fee
    rule, vault = case.body["rule"], vault_of(asked)
    interval = rule.get("fundingInterval_h")
    hours = INTERVAL_HOURS if interval is None else interval.integer(1)
    precision = rule["funding_rate_precision"].integer(1)
    intervals = int(days.fraction() * HOURS_A_DAY // hours)
    factor = rule["fundingRateFactor"].integer(0) * PPM // precision
    risen = interval_rate_ppm(factor, vault.reserved, vault.pool, intervals)
    return asked.fee + interval_fee_e30(asked.size, risen)


def liquidated(case: Case, asked: Trade, now: Prices) -> Ours:
    """The vault's books before and after a liquidation at present prices, and who was paid."""
    before, fees = vault_of(asked), fees_due(case, asked)
    price, unit = collateral_prices(asked, now).high, 10**asked.token.decimals
    outcome, liquidator, trader = state(case, asked, now, fees), 0, 0
    gained = pnl(case, asked, now.worst(is_long=asked.is_long))
    kept = change = 0
    if outcome == 1:
        reward = usd(case.body["rule"]["liquidation_fee_usd"].fraction())
        kept, change, liquidator = seized(asked.collateral, fees, reward, price, unit, asked.is_long)
    elif outcome:
        kept, change, trader = closed(asked.collateral, gained, fees, price, unit, asked.is_long)
    after = Vault(before.pool + change, before.fees + kept, 0, 0) if outcome else before
    return {
        "guaranteed_usd_before": Fraction(before.guaranteed, E30),
        "guaranteed_usd_after": Fraction(after.guaranteed, E30),
        "reserved_before": before.reserved,
        "reserved_after": after.reserved,
        **amounts(asked.token, {"pool_before": before.pool, "pool_after": after.pool, "pool": after.pool}),
        **amounts(asked.token, {"liquidator_receives": liquidator, "trader_receives": trader}),
        **fee_reserves(case, asked, before.fees, after.fees),
    }


def fee_reserves(case: Case, asked: Trade, before: int, after: int) -> Ours:
    """What the vault set aside as fees, and its worth at the prices asked for."""
    token = asked.token
    asset = case.body["collateral"].only()["asset"].text().lower()
    name = f"fee_reserves_{asset}" + (f"_{token.unit}" if token.unit != asset else "")
    worth = {
        f"{prefix}{stated}": Fraction(after, 10**token.decimals) * Fraction(stated)
        for prefix, stated in asked_at(case, r"(fee_usd_at_)([\d.]+)")
    }
    scale = 10**token.unit_decimals
    return {
        f"{name}_before": Fraction(before, scale),
        f"{name}_after": Fraction(after, scale),
        name: Fraction(after, scale),
        **worth,
    }


def amounts(token: Token, atoms: dict[str, int]) -> Ours:
    """Amounts of a token in the unit of the cases; `before` and `after` stand in front of the unit."""
    return {
        f"{name}_{token.unit}": Fraction(amount, 10**token.unit_decimals) for name, amount in atoms.items()
    }


KINDS = NamedKinds({answer: ("*",)})
