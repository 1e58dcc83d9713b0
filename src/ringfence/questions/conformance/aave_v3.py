"""Aave v3's numbers asked of our rules: percentage arithmetic, health factor, close factor, what a liquidation seizes.

Worths are counted in the oracle's 8 decimals, tokens in their own, health factors in 1e18. Parameters that a case
leaves out are those of the venue's tests, which list every token with the same ones. Whether an account may be
liquidated is the engine's answer, which knows thresholds as weights: its trigger is a health factor below 1.

Sources: `aave-v3-origin@fd1fbd91 tests/protocol/libraries/math/PercentageMath.t.sol`, `tests/protocol/pool/
Pool.Liquidations.CloseFactor.t.sol`, `tests/mocks/AaveV3TestListing.sol`.
"""

import re
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

from ...clearing.model import Asset, Scale, Subaccount, Venue
from ...clearing.policy import Sided, Tier, Tiered
from ...clearing.risk import is_liquidatable
from ...errors import InputError
from ...rules import lending as rule
from ...rules.lending import BPS, HALF_UP
from ...rules.words import CEIL, FLOOR, WAD, power_of_ten
from ...venues.rulebook import load
from .named import NamedKinds, where_stated
from .vectors import Case, Field, NotStatedError, Ours, RefusedError, UnsupportedError
from .wad import find, whole

ACCOUNT = "account"
WHOLE_WORTH = Tiered((Tier(0, 0, 0, 0),), 1)
RAY = power_of_ten(27)
LIMIT = 1 << 256
REVERTED = "revert"
BASE_DECIMALS = 8
"""Decimals of the oracle's prices."""
LISTED = {"USD": (8, "1"), "USDX": (6, "1"), "WBTC": (8, "27000"), "WETH": (18, "1800"), "GHO": (18, "1")}
"""Decimals and price (USD) of the tests' tokens (AaveV3TestListing.sol:48) and of the oracle's currency itself."""
TERMS = {"ltv": "0.825", "lt": "0.86", "bonus": "1.05", "protocol_fee": "0.1"}
"""What the tests set for every token: AaveV3TestListing.sol:80-82."""
LIQUIDATION = {
    "close_factor_default": "0.5",
    "close_factor_hf_threshold": "0.95",
    "min_base_max_close_factor_threshold_usd": "2000",
    "min_leftover_base_usd": "1000",
    "hf_liquidation": "1",
}
"""Constants of `LiquidationLogic.sol:43-64`, by the names that cases give them."""
AMOUNT = re.compile(r"\s*(\d{1,40}(?:\.\d{0,27})?)(?:\s+(\w+))?\s*")
WHOLE = re.compile(r"\d{1,78}")
TO_REACH = re.compile(r"\s*(\w+) to reach HF (\d+(?:\.\d{0,18})?)\s*")

FUNCTIONS: dict[str, tuple[int, bool]] = {
    **{f"percent{name}": (BPS, name == "Div") for name in ("Mul", "Div")},
    **{f"wad{name}": (WAD, name == "Div") for name in ("Mul", "Div")},
    **{f"ray{name}": (RAY, name == "Div") for name in ("Mul", "Div")},
}
"""Fixed-point functions: their scale, and whether they divide by the factor."""
ROUNDINGS = {"": HALF_UP, "Floor": FLOOR, "Ceil": CEIL}


@where_stated
def arithmetic(case: Case) -> Ours:
    """One fixed-point product or quotient; what does not fit 256 bits or divides by zero is refused."""
    asked, operands = case.body["rule"]["fn"], case.body["positions"].only()
    found = re.fullmatch(r"(\w+?)(Floor|Ceil|)", asked.text())
    if found is None or found[1] not in FUNCTIONS:
        raise UnsupportedError(f"{asked.text()} is not modelled")
    scale, divides = FUNCTIONS[found[1]]
    value, factor = (
        _operand(operands, "value", "a"),
        _operand(operands, "percentage", "b"),
    )
    rounding, (top, bottom) = ROUNDINGS[found[2]], (scale, factor) if divides else (factor, scale)
    if bottom == 0 or value * top + (bottom >> 1 if rounding == HALF_UP else 0) >= LIMIT:
        raise RefusedError(REVERTED)
    return {"result": rule.fixed_mul(value, top, bottom, rounding)}


def _operand(operands: Field, *names: str) -> int:
    """A whole number of up to 256 bits: written out it may be longer than the numbers of books and prices."""
    found = find([operands], *names) or operands[names[0]]
    number = int(found.text()) if WHOLE.fullmatch(found.text()) else found.integer(least=0)
    if number >= LIMIT:
        raise InputError(f"{found.where}: expected a whole number of at most 256 bits")
    return number


class Reserve(NamedTuple):
    """A token that an account holds or owes: its amount, price and unit in atoms, its worth and its terms in bps."""

    name: str
    amount: int
    price: int
    unit: int
    worth: int
    lt_bps: int
    ltv_bps: int
    bonus_bps: int
    fee_bps: int


class Account(NamedTuple):
    """Collateral and debts; worths in the oracle's decimals."""

    collateral: list[Reserve]
    debts: list[Reserve]

    @property
    def worth(self) -> int:
        """Worth of all collateral."""
        return sum(each.worth for each in self.collateral)

    @property
    def owed(self) -> int:
        """Worth of all debts."""
        return sum(each.worth for each in self.debts)

    @property
    def weighted(self) -> int:
        """Each collateral's worth times its liquidation threshold."""
        return sum(each.worth * each.lt_bps for each in self.collateral)

    @property
    def health_wad(self) -> int | None:
        """The health factor; `None` without debt."""
        return rule.health_factor_wad(self.weighted, self.owed) if self.owed else None


def account_of(case: Case) -> Account:
    """The account of a case."""
    terms, held = case.body["rule"], [*case.body["collateral"]]
    collateral = [_collateral(item, terms) for item in held]
    account = Account(collateral, [])
    debts = [debt for item in case.body["positions"] for debt in _debts(item, account, terms)]
    return account._replace(debts=debts)


def _collateral(item: Field, terms: Field) -> Reserve:
    name, (amount, named) = item["asset"].text(), _amount(item["amount"])
    if named not in (None, name, "USD"):
        raise InputError(f"{item.where}.amount: in {named}, but the asset is {name}")
    if named != "USD" or name == "USD":
        return _reserve(name, amount, item, terms, rule.collateral_worth)
    listed = _reserve(name, Fraction(0), item, terms, rule.collateral_worth)
    held = _base(amount, item) * listed.unit // listed.price
    return listed._replace(amount=held, worth=rule.collateral_worth(held, listed.price, listed.unit))


def _reserve(
    name: str, amount: Fraction, item: Field, terms: Field, worth: Callable[[int, int, int], int]
) -> Reserve:
    decimals, listed = LISTED.get(name, (18, None))
    stated, places = item.get("price"), item.get("decimals")
    if stated is None and listed is None:
        raise NotStatedError(f"{item.where}.price")
    usd = Fraction(str(listed)) if stated is None else stated.positive()
    unit = power_of_ten(decimals if places is None else places.integer(0, 36))
    price = _base(usd, item)
    category = terms.get("emode")
    inside = category is not None and name in {each.text() for each in category.items("collateral")}
    places_of = [item, category if inside else None, terms]
    ltv, lt, bonus, fee = (
        _bps(find(places_of, key), otherwise, key == "bonus") for key, otherwise in TERMS.items()
    )
    atoms = amount * unit
    if atoms.denominator != 1:
        raise InputError(f"{item.where}: {name} has fewer decimals than its amount")
    return Reserve(name, int(atoms), price, unit, worth(int(atoms), price, unit), lt, ltv, bonus, fee)


def _debts(item: Field, account: Account, terms: Field) -> list[Reserve]:
    """Debts of one entry: in USD, an amount of a token, or as much of one (else USDX) as reaches a health factor."""
    usd, debt, health = (item.get(name) for name in ("debt_usd", "debt", "health_factor"))
    if usd is not None:
        return [_reserve("USD", usd.fraction(), item, terms, rule.debt_worth)]
    if debt is None and health is not None:
        name = item.get("asset")
        return [_borrowed(name.text() if name else "USDX", health.positive(), account, item, terms)]
    if debt is None:
        amount, _ = _amount(item["amount"])
        return [_reserve(item["asset"].text(), amount, item, terms, rule.debt_worth)]
    wanted = TO_REACH.fullmatch(debt.text())
    if wanted is None:
        amount, named = _amount(debt)
        return [_reserve(named or "USD", amount, item, terms, rule.debt_worth)]
    return [_borrowed(wanted[1], Fraction(wanted[2]), account, item, terms)]


def _borrowed(name: str, health: Fraction, account: Account, item: Field, terms: Field) -> Reserve:
    """The loan that the tests take to come out just below a health factor: LiquidationHelper.sol."""
    if int(health * WAD) == 0:
        raise InputError(f"{item.where}.debt: expected a health factor above 0")
    mean_bps = account.weighted // account.worth if account.worth else 0
    worth = rule.percent_mul(account.worth, mean_bps + 1, HALF_UP) * WAD // int(health * WAD)
    listed = _reserve(name, Fraction(0), item, terms, rule.debt_worth)
    amount = worth * listed.unit // listed.price
    return listed._replace(amount=amount, worth=rule.debt_worth(amount, listed.price, listed.unit))


def _amount(field: Field) -> tuple[Fraction, str | None]:
    """A number, with the name of a token behind it where there is one."""
    found = AMOUNT.fullmatch(field.text())
    if found is None:
        raise InputError(f"{field.where}: expected an amount, got {field.text()!r}")
    return Fraction(found[1]), found[2]


def _base(usd: Fraction, item: Field) -> int:
    price = usd * power_of_ten(BASE_DECIMALS)
    if price.denominator != 1:
        raise InputError(f"{item.where}: more than {BASE_DECIMALS} decimal places")
    return int(price)


def _bps(stated: Field | None, otherwise: str, above_one: bool) -> int:
    """A share in basis points; a bonus is written with the whole that it is added to."""
    exact = Fraction(otherwise) if stated is None else stated.fraction()
    least = int(above_one)
    if stated is not None and not least <= exact <= least + 1:
        raise InputError(f"{stated.where}: expected a share from {least} to {least + 1}")
    return int(exact * BPS)


@where_stated
def health(case: Case) -> Ours:
    """What an account is worth, owes and may still borrow, and its health factor."""
    account = account_of(case)
    found = account.health_wad
    mean_ltv = (
        sum(each.worth * each.ltv_bps for each in account.collateral) // account.worth if account.worth else 0
    )
    unit = power_of_ten(BASE_DECIMALS)
    return {
        "health_factor": None if found is None else whole(found),
        "health_factor_wad": found,
        "liquidatable": engine_liquidates(account),
        "total_collateral_usd": Fraction(account.worth, unit),
        "total_debt_usd": Fraction(account.owed, unit),
        "available_borrows_usd": Fraction(
            rule.available_borrows(account.worth, mean_ltv, account.owed), unit
        ),
        "ltv": Fraction(mean_ltv, BPS),
        "liquidation_threshold": Fraction(account.weighted // account.worth if account.worth else 0, BPS),
    }


def engine_liquidates(account: Account) -> bool:
    """The engine's trigger for the same account: thresholds as weights of its balances, quote atoms of 1e-8 USD."""
    held = [
        *((each, each.amount) for each in account.collateral),
        *((each, -each.amount) for each in account.debts),
    ]
    balances = {f"{at}/{each.name}": amount for at, (each, amount) in enumerate(held)}
    assets = {f"{at}/{each.name}": _asset(each) for at, (each, _) in enumerate(held)}
    subaccount = Subaccount(ACCOUNT, ACCOUNT, balances=balances)
    venue = Venue(load("aave-v3").margin_policy(), assets=assets, subaccounts={ACCOUNT: subaccount})
    return is_liquidatable(venue, subaccount)


def _asset(each: Reserve) -> Asset:
    weights = Sided(BPS - each.ltv_bps, BPS - each.lt_bps, 0, 0, BPS)
    return Asset(each.name, Scale(1, each.unit), WHOLE_WORTH, weights=weights, price=each.price)


@where_stated
def liquidation(case: Case) -> Ours:
    """How much of a debt one liquidation repays and what it seizes; of several tokens the largest of each."""
    account = account_of(case)
    found = account.health_wad
    if found is None or found >= _limit(case, "hf_liquidation", WAD):
        raise RefusedError("HEALTH_FACTOR_NOT_BELOW_THRESHOLD")
    if not account.collateral:
        raise InputError(f"{case.place}: collateral: expected at least one item")
    pledged, debt = (max(each, key=lambda reserve: reserve.worth) for each in account)
    minimum = _limit(case, "min_base_max_close_factor_threshold_usd", power_of_ten(BASE_DECIMALS))
    owed = rule.collateral_worth(debt.amount, debt.price, debt.unit)
    factor = rule.close_factor_bps(
        found,
        _limit(case, "close_factor_hf_threshold", WAD),
        pledged.worth,
        owed,
        minimum,
        _limit(case, "close_factor_default", BPS),
    )
    most = rule.liquidatable_debt(debt.amount, owed, account.owed, factor, debt.price, debt.unit)
    return {
        **health(case),
        "close_factor": Fraction(factor, BPS),
        "max_liquidatable_debt": Fraction(most, debt.unit),
        **seizure(case, pledged, debt, _wanted(case, most, debt.unit)),
    }


def _wanted(case: Case, most: int, unit: int) -> int:
    """What the liquidator offers to repay, at most what he may; nothing stated stands for that."""
    stated = find([case.body.get("action")], "debt_to_cover")
    return most if stated is None else min(most, int(stated.positive() * unit))


def seizure(case: Case, pledged: Reserve, debt: Reserve, repaid: int) -> Ours:
    """Collateral for a repayment, the bonus with it, and the protocol's fee out of the bonus, as v3.7 rounds them."""
    base = rule.collateral_for_debt(repaid, debt.price, debt.unit, pledged.price, pledged.unit)
    taken = rule.seized(base, pledged.bonus_bps, FLOOR)
    if taken > pledged.amount:
        taken, units = pledged.amount, (pledged.price, pledged.unit, debt.price, debt.unit)
        repaid = rule.debt_for_all(taken, *units, pledged.bonus_bps, CEIL)
    fee = rule.protocol_fee(taken, pledged.bonus_bps, pledged.fee_bps, FLOOR, CEIL)
    left = rule.collateral_worth(pledged.amount - taken + fee, pledged.price, pledged.unit)
    owed = rule.collateral_worth(debt.amount - repaid, debt.price, debt.unit)
    ends = repaid >= debt.amount or taken >= pledged.amount
    minimum = _limit(case, "min_leftover_base_usd", power_of_ten(BASE_DECIMALS))
    return {
        "debt_repaid": Fraction(repaid, debt.unit),
        "collateral_seized": Fraction(taken, pledged.unit),
        "collateral_to_liquidator": Fraction(taken - fee, pledged.unit),
        "protocol_fee": Fraction(fee, pledged.unit),
        "leaves_dust": not ends and rule.leaves_dust(owed, left, minimum),
    }


def _limit(case: Case, name: str, scale: int) -> int:
    stated = case.body["rule"].get(name)
    return int((Fraction(LIQUIDATION[name]) if stated is None else stated.fraction()) * scale)


HEALTH = (
    *("health_factor", "health_factor_wad", "liquidatable", "total_collateral_usd", "total_debt_usd"),
    *("available_borrows_usd", "ltv", "liquidation_threshold"),
)
SEIZURE = (
    *(
        "close_factor",
        "max_liquidatable_debt",
        "debt_repaid",
        "collateral_seized",
        "collateral_to_liquidator",
    ),
    *("protocol_fee", "leaves_dust", "error", "no_error"),
)
KINDS = NamedKinds({arithmetic: ("result",), health: HEALTH, liquidation: HEALTH + SEIZURE})
