"""An account of Perpetual Protocol v2 as its test cases describe it, in the engine at the venue's own 18 decimals.

Equity, worth and collateral are read from `clearing.risk` under the rulebook `perp-v2`; parameters that a case states
replace the rulebook's.
"""

from fractions import Fraction
from functools import cache
from typing import NamedTuple

from msgspec.structs import replace

from ...clearing.model import QUOTE, Asset, CollateralPool, Market, Position, Scale, Subaccount, Venue
from ...clearing.policy import Tier, Tiered
from ...clearing.risk import Risk, collateral_risk, subaccount_risk
from ...errors import InputError
from ...rules.value import value_q
from ...rules.words import FLOOR, PPM, WAD, mul_div_down, power_of_ten
from ...units import QUOTE_DECIMALS
from ...venues.model import Rulebook
from ...venues.rulebook import load
from .perp_v2_pool import maker_profit, taker_size
from .vectors import Case, Field, NotStatedError, UnsupportedError
from .wad import find, need, positive_wad, wad

ACCOUNT = "account"
POOL = "fund"
WAD_DECIMALS = 18
ROLES = ("taker", "maker", "liquidator")
DEBTS = ("debt", "debt_usd", "settlement_debt", "settlement_debt_usd", "max_debt_usd")
"""Names of a debt in the settlement token that a case states instead of what it came from."""


@cache
def rulebook() -> Rulebook:
    """The rulebook whose directions and procedures apply."""
    return load("perp-v2")


class Terms(NamedTuple):
    """Parameters: shares in parts per million, amounts in wei."""

    initial_ppm: int
    maintenance_ppm: int
    penalty_ppm: int
    minimum: int
    portion_ppm: int
    fund_fee_ppm: int
    dust: int
    decimals: int


def terms_of(case: Case) -> Terms:
    """The parameters of a case, each the rulebook's where the case states none."""
    rule, book = case.body["rule"], rulebook()
    minimum, dust = rule.get("min_partial_liq_value_usd"), rule.get("collateralValueDust_usd")
    stated = rule.get("settlement_decimals")
    return Terms(
        share_ppm(rule, "imRatio", "margin.all.initial"),
        share_ppm(rule, "mmRatio", "margin.all.maintenance"),
        share_ppm(rule, "liquidationPenaltyRatio", "policy.liquidation.fee"),
        wad(minimum) if minimum else _amount(book, "policy.liquidation.portion_above"),
        share_ppm(rule, "liquidationRatio", "facts.collateral_portion"),
        share_ppm(rule, "clInsuranceFundFeeRatio", "facts.collateral_insurance_fee"),
        wad(dust) if dust else _amount(book, "facts.collateral_dust"),
        stated.integer(0, WAD_DECIMALS) if stated else QUOTE_DECIMALS,
    )


def share_ppm(rule: Field, name: str, path: str) -> int:
    """A share in parts per million: the case's or the rulebook's."""
    stated = rule.get(name)
    return int(Fraction(str(rulebook().ask(path))) * PPM) if stated is None else stated.integer(0, PPM)


def _amount(book: Rulebook, path: str) -> int:
    return int(Fraction(str(book.ask(path))) * WAD)


class Held(NamedTuple):
    """A taker's position in wei: signed size and quote (negative: paid), mark, and the index price."""

    market: str
    size: int
    quote: int
    mark: int
    index_price: int


def takers(case: Case) -> list[Held]:
    """The positions of the account itself, in the order of the case."""
    held = [item for item in case.body.items("positions") if role_of(item) == "taker"]
    return [held_of(item) for item in held if find([item], "mark") or not find([item], *DEBTS)]


def makers(case: Case) -> list[Field]:
    """The account's liquidity, as the case states it."""
    return [item for item in case.body.items("positions") if role_of(item) == "maker"]


def role_of(position: Field) -> str:
    """Whose position it is, and which kind."""
    stated = position.get("role")
    role = "taker" if stated is None else stated.text()
    if role not in ROLES:
        raise InputError(f"{position.where}.role: expected {', '.join(ROLES)}, got {role!r}")
    return role


def held_of(position: Field) -> Held:
    """A position. Without a size it is what the tests' pool gives for the notional."""
    market, mark = position.get("market"), positive_wad(need([position], "mark", "index", "price"))
    notional, index = find([position], "open_notional_wei", "open_notional"), position.get("index")
    if notional is None:
        raise NotStatedError(f"{position.where}.open_notional")
    quote = notional.integer() if notional.where.endswith("_wei") else wad(notional)
    return Held(
        market.text() if market else "ETH",
        _size_of(position, quote),
        quote,
        mark,
        positive_wad(index) if index else mark,
    )


def _size_of(position: Field, quote: int) -> int:
    exact, size = position.get("size_wei"), position.get("size")
    if exact is not None:
        return exact.integer()
    if size is not None:
        return wad(size)
    if quote >= 0:
        raise UnsupportedError("the size of a short is not stated")
    return taker_size(-quote)


class Token(NamedTuple):
    """Collateral: its amount in the token's own units, its price in the feed's, and the venue's terms for it."""

    name: str
    amount: int | None
    price: int | None
    decimals: int
    unit: int
    weight_ppm: int
    discount_ppm: int


def tokens(case: Case) -> list[Token]:
    """Collateral other than the settlement token."""
    return [
        token_of(item, case.body["rule"])
        for item in case.body.items("collateral")
        if item["asset"].text() not in (QUOTE, "equity")
    ]


def token_of(stated: Field, rule: Field) -> Token:
    """One collateral; decimals, price feed, weight and discount are the rulebook's where the case says nothing."""
    name, assets = stated["asset"].text(), rulebook().assets()
    if name not in assets:
        raise UnsupportedError(f"{name} is not among the collateral of {rulebook().name}")
    asset, amount, price = assets[name], stated.get("amount"), stated.get("price")
    return Token(
        name,
        None if amount is None else _atoms(amount, asset.decimals),
        None if price is None else _atoms(price, asset.price_decimals),
        asset.decimals,
        power_of_ten(asset.price_decimals),
        _weight_ppm(asset, stated.get("weight"), rule.get("collateralRatio")),
        share_ppm(rule, "discountRatio", f"assets.{name}.conversion_discount"),
    )


def _weight_ppm(asset: Asset, stated: Field | None, ratio: Field | None) -> int:
    if stated is not None:
        return max(int(stated.positive() * PPM), 1)
    if ratio is not None:
        return ratio.integer(1, PPM)
    return PPM - int(Fraction(asset.haircut.tiers[0].maintenance_num, asset.haircut.den) * PPM)


def _atoms(field: Field, decimals: int) -> int:
    exact = field.fraction() * power_of_ten(decimals)
    if exact.denominator != 1 or exact < 0:
        raise InputError(f"{field.where}: expected a number from 0 on with {decimals} decimal places")
    return int(exact)


class Standing(NamedTuple):
    """What an account has, in wei: cash after funding and fees, all collateral as it counts, and its positions."""

    cash: int
    collateral: int
    profit: int
    risk: Risk
    base_debt_value: int
    net_quote: int

    @property
    def equity(self) -> int:
        """Account value: collateral and unrealized profit."""
        return self.collateral + self.profit


def standing_of(case: Case) -> Standing:
    """The account of a case: takers stand in the engine, makers are taken from the pool of the tests."""
    held, providing = takers(case), makers(case)
    cash = sum(_cash(item) for item in case.body.items("collateral") if item["asset"].text() == QUOTE)
    cash += sum(_booked(item) for item in case.body.items("positions") if role_of(item) != "liquidator")
    venue = venue_of(case, held, cash)
    account = venue.subaccounts[ACCOUNT]
    risk, collateral = subaccount_risk(venue, account), collateral_risk(venue, account).equity_q
    quotes = sum(position.quote for position in held)
    debts = [(positive_wad(item["base_debt"]), positive_wad(item["mark"])) for item in providing]
    earned = sum(maker_profit(item, positive_wad(item["mark"])) for item in providing)
    return Standing(
        cash,
        collateral - quotes,
        risk.equity_q - collateral + quotes + earned,
        risk,
        sum(mul_div_down(base, mark, WAD) for base, mark in debts)
        + sum(mul_div_down(-each.size, each.mark, WAD) for each in held if each.size < 0),
        quotes - sum(positive_wad(item["quote_debt"]) for item in providing),
    )


def _booked(position: Field) -> int:
    """What a position adds to the balance before it closes: fees and realized profit, less funding that is due."""
    earned = (position.get(name) for name in ("pending_fee", "owed_realized_pnl"))
    due = find([position], "funding_payment", "pending_funding")
    return sum(wad(amount) for amount in earned if amount is not None) - (wad(due) if due else 0)


def _cash(item: Field) -> int:
    amount = item.get("amount")
    return 0 if amount is None else wad(amount)


def venue_of(case: Case, held: list[Held], cash: int) -> Venue:
    """A venue with the account in it. Its quote atoms are wei: 10^-18 USD."""
    terms = terms_of(case)
    table = Tiered((Tier(0, terms.initial_ppm, terms.maintenance_ppm, 0),), PPM)
    markets: dict[str, Market] = {}
    account = Subaccount(ACCOUNT, ACCOUNT, balances={QUOTE: cash + sum(each.quote for each in held)})
    for each in held:
        if each.market in markets:
            raise InputError(f"{case.place}: {each.market} stands twice; net the two into one position")
        markets[each.market] = Market(
            each.market,
            Scale(1, WAD),
            table,
            POOL,
            WAD_DECIMALS,
            WAD_DECIMALS,
            mark=each.mark,
            index=each.mark,
        )
        account.positions[each.market] = Position(each.size, -each.quote, 0)
    assets = {token.name: _asset(token) for token in tokens(case) if token.amount and token.price}
    account.balances |= {token.name: token.amount for token in tokens(case) if token.amount and token.price}
    policy = replace(rulebook().policy(), initial_profit_cap_q=None)
    return Venue(policy, markets, assets, {POOL: CollateralPool(POOL)}, {ACCOUNT: account})


def _asset(token: Token) -> Asset:
    """A collateral on the engine's grid; its haircut is what the weight leaves."""
    haircut = Tiered((Tier(0, PPM - token.weight_ppm, PPM - token.weight_ppm, 0),), PPM)
    scale = Scale(WAD, power_of_ten(token.decimals) * token.unit)
    assert token.price is not None
    return Asset(token.name, scale, haircut, token.decimals, price=token.price)


def worth_wad(size: int, price: int) -> int:
    """Absolute worth of a size at a price."""
    return value_q(abs(size), price, 1, WAD, FLOOR)
