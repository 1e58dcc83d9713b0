"""Drift v2's accounts with isolated positions: one subaccount of the engine for each of the venue's pools.

The venue sets what is owed against the requirement, the engine takes it off equity; here it is added back to both. What
a case does not state of a market or an asset is that of the rulebook, which holds the values of the venue's own tests.
"""

from functools import cache
from typing import NamedTuple

from msgspec.structs import replace

from ...clearing.gating import Action, lacking_q, standards
from ...clearing.model import QUOTE, Asset, CollateralPool, Market, Position, Subaccount, Venue
from ...clearing.policy import Policy, Sided
from ...clearing.risk import Risk, collateral_q, subaccount_risk, worth_q
from ...errors import InputError
from ...rules.requirement import uncounted_profit_q
from ...rules.shortage import buffered_q, loss_buffer_q
from ...rules.words import FLOOR, PPM, abs_, mul_div, power_of_ten
from ...units import QUOTE_DECIMALS
from ...venues.rulebook import Rulebook, load
from .vectors import Case, Field, Ours, UnsupportedError

CROSS = "cross"
ACCOUNT = "account"
USDC = "USDC"
_POOLS = ("", "cross_", "isolated_")
_TOTALS = ("margin_requirement", "total_collateral")
ALLOWED = ("allowed",)
"""What `allowed` answers."""
MARGINS = (
    *(
        f"{pool}{total}{buffer}_1e6"
        for pool in _POOLS
        for total in _TOTALS
        for buffer in ("", "_plus_buffer")
    ),
    *(f"meets_{pool}margin_requirement" for pool in _POOLS),
)
"""What `margins` answers."""


class Held(NamedTuple):
    """A position: signed base, the largest base that its orders lead to, its quote, and the mark (0 without base)."""

    pool: str
    market: str
    size_b: int
    worst_b: int
    quote_q: int
    mark: int


class Book(NamedTuple):
    """The venue's pools as subaccounts of one account; `lent_q` is the quote that each owes beside its positions."""

    venue: Venue
    held: list[Held]
    lent_q: dict[str, int]

    def risk(self, pool: str) -> Risk:
        """Risk of a pool."""
        return subaccount_risk(self.venue, self.venue.subaccounts[pool])

    def pnl_q(self, held: Held) -> int:
        """Unrealized profit of a position, or what is left of a closed one."""
        return held.quote_q + _worth_q(self.venue, held, held.size_b)

    def debts_q(self, pool: str) -> int:
        """Worth of what a pool owes."""
        owed_q = self.lent_q.get(pool, 0)
        for name, amount in self.venue.subaccounts[pool].balances.items():
            if name != QUOTE and amount < 0:
                owed_q -= collateral_q(self.venue.assets[name], amount)
        return owed_q


@cache
def rulebook() -> Rulebook:
    """The rules of the program whose tests the cases are."""
    return load("drift-v2")


def allowed(case: Case) -> Ours:
    """May an order of one pool be placed (or filled), as the account stands with it?"""
    rule = case.body["rule"]
    action: Action = "fill" if rule["target_requirement"].text() == "Fill" else "place"
    policy = rulebook().margin_policy()
    # The cap on profits is one of initial margin alone.
    book = read_book(case, policy if action == "place" else replace(policy, initial_profit_cap_q=None))
    target = rule["target_pool"].text()
    book.venue.subaccounts.setdefault(target, Subaccount(target, ACCOUNT))
    asked = standards(action, increasing=rule["risk_increasing"].flag())
    lacking = [
        pool
        for pool in book.venue.subaccounts
        if lacking_q(book.risk(pool), asked.own if pool == target else asked.others) > 0
    ]
    return {
        "allowed": not lacking,
        "target_requirement": asked.own.capitalize(),
        "other_pools": asked.others.capitalize(),
    }


def margins(case: Case) -> Ours:
    """Requirement and collateral of the cross pool and of the first isolated one, with and without the buffer."""
    book = read_book(case, rulebook().margin_policy())
    isolated = [pool for pool in book.venue.subaccounts if pool != CROSS]
    ours: Ours = {}
    for prefix, pool in (("", CROSS), ("cross_", CROSS), *(("isolated_", pool) for pool in isolated[:1])):
        ours |= {f"{prefix}{name}_1e6": total for name, total in _totals(case, book, pool).items()}
        ours[f"meets_{prefix}margin_requirement"] = _meets(book, pool)
    ours["meets_margin_requirement"] = all(_meets(book, pool) for pool in book.venue.subaccounts)
    return ours


def _meets(book: Book, pool: str) -> bool:
    return lacking_q(book.risk(pool), "initial") <= 0


def _totals(case: Case, book: Book, pool: str) -> dict[str, int]:
    """Initial requirement and collateral as the venue counts them: debts and uncounted profits on its own sides."""
    risk, held = book.risk(pool), [each for each in book.held if each.pool == pool]
    owed_q, cap_q = book.debts_q(pool), book.venue.policy.initial_profit_cap_q
    uncounted_q = 0 if cap_q is None else sum(uncounted_profit_q(book.pnl_q(each), cap_q) for each in held)
    required_q = risk.initial_q - uncounted_q + owed_q
    counted_q = risk.equity_q - uncounted_q + owed_q
    buffer = _buffer(case.body["rule"])
    return {
        "margin_requirement": required_q,
        "total_collateral": counted_q,
        "margin_requirement_plus_buffer": buffered_q(required_q, risk.notional_q + owed_q, buffer),
        "total_collateral_plus_buffer": counted_q
        + sum(loss_buffer_q(book.pnl_q(each), buffer) for each in held),
    }


def _buffer(rule: Field) -> int:
    names = ("margin_buffer_1e4", "liquidation_buffer_1e4")
    return next((found.integer(least=0) for name in names if (found := rule.get(name)) is not None), 0)


# -- reading -----------------------------------------------------------------------------------------------------------


def read_book(case: Case, policy: Policy) -> Book:
    """The account of a case. Every requirement counts resting orders, so a position stands at its worst size."""
    rule, held = case.body["rule"], [*map(_held, case.body["positions"])]
    venue = Venue(policy, {each.market: _market(rule, each) for each in held if each.mark})
    for each in held:
        if each.mark and venue.markets[each.market].mark != each.mark:
            raise InputError(f"{case.place}: {each.market} has two marks")
    venue.pools = {market.pool: CollateralPool(market.pool) for market in venue.markets.values()}
    rows = (*case.body.items("collateral"), *case.body.items("positions"))
    venue.subaccounts = {pool: Subaccount(pool, ACCOUNT) for pool in (CROSS, *map(_pool, rows))}
    for row in case.body.items("collateral"):
        _pledge(venue, row)
    lent_q = {pool: max(0, -each.quote_q) for pool, each in venue.subaccounts.items()}
    for each in held:
        _open(venue, each)
    return Book(venue, held, lent_q)


def _pool(row: Field) -> str:
    found = row.get("pool")
    return CROSS if found is None else found.text()


def _atoms(field: Field | None, decimals: int) -> int:
    """An amount in atoms, zero where it is not stated; raises `InputError` for more decimals than the venue has."""
    if field is None:
        return 0
    exact = field.fraction() * power_of_ten(decimals)
    if exact.denominator != 1:
        raise InputError(f"{field.where}: expected at most {decimals} decimals, got {field.raw}")
    return int(exact)


def _held(row: Field) -> Held:
    market, mark = row["market"].text(), row.get("mark")
    decimals = rulebook().ask(f"markets.{_symbol(market)}.base_decimals")
    size_b = _atoms(row["size"], decimals)
    bids, asks = (abs_(_atoms(row.get(name), decimals)) for name in ("open_bids", "open_asks"))
    worst_b = max(size_b - asks, size_b + bids, key=abs)
    if worst_b:
        row["mark"].positive()
    quote_q = _atoms(row.get("quote"), QUOTE_DECIMALS)
    if row.get("quote") is None:
        paid = -size_b * _atoms(row["entry"], QUOTE_DECIMALS)
        quote_q = mul_div(paid, 1, power_of_ten(decimals), FLOOR)
    return Held(_pool(row), market, size_b, worst_b, quote_q, _atoms(mark, QUOTE_DECIMALS))


def _symbol(market: str) -> str:
    """The rulebook's row for a market; any of the tests' markets stands for one that it does not name."""
    name, known = market.removesuffix("-PERP"), rulebook().symbols
    return name if name in known else known[0]


def _market(rule: Field, held: Held) -> Market:
    """A market with the case's margin ratios where it states them, else with the rulebook's."""
    market = replace(rulebook().market(_symbol(held.market)), id=held.market, mark=held.mark, index=held.mark)
    if rule.get("initial") is None:
        return market
    initial, maintenance = (rule[name].positive() * PPM for name in ("initial", "maintenance"))
    if initial.denominator != 1 or maintenance.denominator != 1:
        raise UnsupportedError("margin ratios finer than a millionth")
    rates = (int(initial), int(maintenance))
    return replace(market, requirement=Sided(*rates, *rates, PPM))


def _pledge(venue: Venue, row: Field) -> None:
    """Put collateral into its pool; assets other than the quote come with a price."""
    name, balances = row["asset"].text(), venue.subaccounts[_pool(row)].balances
    if name == USDC:
        balances[QUOTE] = balances.get(QUOTE, 0) + _atoms(row["amount"], QUOTE_DECIMALS)
        return
    asset = venue.assets[name] = _asset(name)
    asset.price = _atoms(row["price"], asset.price_decimals)
    balances[name] = balances.get(name, 0) + _atoms(row["amount"], asset.decimals)


def _asset(name: str) -> Asset:
    assets = rulebook().assets()
    if name not in assets:
        raise UnsupportedError(f"collateral whose weights are not known: {name}")
    return assets[name]


def _open(venue: Venue, held: Held) -> None:
    """Enter a position at its worst size, with the cash that keeps its profit what it is at its own size."""
    subaccount = venue.subaccounts[held.pool]
    cash_q = held.quote_q + _worth_q(venue, held, held.size_b) - _worth_q(venue, held, held.worst_b)
    if held.worst_b:
        subaccount.positions[held.market] = Position(held.worst_b, -cash_q, 0)
    subaccount.balances[QUOTE] = subaccount.quote_q + cash_q


def _worth_q(venue: Venue, held: Held, size_b: int) -> int:
    if size_b == 0:
        return 0
    return worth_q(venue.markets[held.market], size_b, held.mark, venue.policy.rounding)
