"""Refusals: every reason of every command, and the order in which they apply.

Each command has one case: a world in which it is accepted, and a list of violations, each of which makes it refused
for one reason, by changing the command, the world or both. Any two violations that do not touch the same thing are then
made at once, and the reason that stands first in `Reason` must win.
"""

from collections.abc import Callable, Mapping
from itertools import combinations
from types import MappingProxyType
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from clearing.world import ONE, PPM, TEN_FIVE, World, liquidation
from ringfence.clearing import command as cmd
from ringfence.clearing.model import QUOTE, Auction, Leverage, LiveAuction, Market, OpenInterestScaled, Policy
from ringfence.clearing.sides import Solvency
from ringfence.clearing.verdict import SENTENCES, Reason

TOO_MUCH = 2**96


def nothing(_world):
    pass


class Violation(NamedTuple):
    reason: Reason
    fields: Mapping = MappingProxyType({})
    prepare: Callable[[World], None] = nothing
    touches: frozenset[str] = frozenset()

    def goes_with(self, other):
        """Can both be made at once, neither undoing the other?"""
        shared = self.fields.keys() & other.fields.keys()
        agree = all(self.fields[field] == other.fields[field] for field in shared)
        mine, theirs = self.touches | self.fields.keys(), other.touches | other.fields.keys()
        return agree and self.touches.isdisjoint(theirs) and other.touches.isdisjoint(mine)


class Case(NamedTuple):
    build: Callable[[], World]
    command: cmd.AnyCommand
    violations: list[Violation]


def change_policy(**changes):
    def prepare(world):
        world.venue.policy = replace(world.venue.policy, **changes)

    return prepare


def change_liquidation(**changes):
    def prepare(world):
        world.venue.policy = liquidation(world.venue.policy, **changes)

    return prepare


def move(**prices):
    return lambda world: world.price(**prices)


def open_market():
    """Healthy: `trader` is long 90 ETH with 1,000, and has a child, an order and a poor friend; lots come in fives."""
    world = World(step_b=5)
    world.venue.markets["NEW"] = Market("NEW", ONE, TEN_FIVE, "main", step_b=5)
    world.open("trader", 1_000)
    world.open("maker", 100_000)
    world.open("trader.eth", parent="trader")
    world.open("poor", 10)
    world.open("poor.eth", parent="poor")
    world.trade("ETH", 50, "trader", "maker")
    world.ok(cmd.Reserve("trader", "bid", "ETH", 10))
    world.ok(cmd.Reserve("maker", "ask", "ETH", -10))
    return world


def mixed_pools(name):
    def prepare(world):
        world.trade("ARB", 5, name, "market/ARB")
        world.venue.policy = replace(world.venue.policy, exclusive_pools=True)

    return prepare


def sick_sibling(world):
    """`trader.ill` was long 10 SOL from 100 with 100 and the mark is 90: equity 0."""
    world.open("trader.ill", 100)
    world.trade("SOL", 10, "trader.ill", "maker")
    world.price(SOL=90)
    world.venue.policy = replace(world.venue.policy, account_gating="maintenance")


def sick_market():
    """`victim` is long 100 ETH from 100 with 1,000 and the mark is 94: equity 400, maintenance margin 470."""
    world = World(liquidation(backstop_num=1), step_b=5)
    world.open("victim", 1_000)
    world.open("maker", 100_000)
    world.open("liquidator", 10_000)
    world.open("poor", 10)
    world.ok(cmd.Deposit("backstop", QUOTE, 1_000))
    world.trade("ETH", 100, "victim", "maker")
    world.trade("ARB", 5, "liquidator", "maker")
    world.price(ETH=94)
    return world


def insolvent_market():
    """`victim` is long 100 ETH from 100 with 1,000 and the mark is 85: equity -500."""
    world = World()
    world.open("victim", 1_000)
    world.open("maker", 100_000)
    world.fund(100)
    world.trade("ETH", 100, "victim", "maker")
    world.price(ETH=85)
    return world


def indebted_market():
    """`victim` lost 500 on a position that is closed and holds BTC worth 1,000."""
    world = World()
    world.open("victim", btc=1)
    world.open("maker", 100_000)
    world.trade("ETH", 50, "victim", "maker")
    world.price(ETH=90)
    world.trade("ETH", -50, "victim", "maker")
    return world


def bad_debt_market():
    """The pool `main` has a debt of 500, and `maker` and `other` are exposed to it."""
    world = insolvent_market()
    world.ok(cmd.ChangePolicy(Policy(waterfall=("insurance", "socialize"))))
    world.open("other", 100_000)
    world.trade("SOL", 5, "other", "maker")
    world.ok(cmd.Liquidate("victim", "ETH"))
    return world


def outgrow_leverage(name):
    """20x was chosen when it was allowed; it binds again when the position grows."""

    def prepare(world):
        world.venue.markets["ETH"].leverage_checked = "opening"
        world.venue.subaccounts[name].leverages["ETH"] = Leverage(20, 1)

    return prepare


def owing_market():
    """The pool of ETH holds 20,000 and owes longs 7,000 of the half that stands for them; the trigger is 60 %."""
    world = World(Policy(waterfall=("counterparty",)), solvency=Solvency(900_000, 600_000, 500_000))
    world.ok(cmd.Deposit("market/ETH", QUOTE, 20_000))
    world.open("winner", 10_000)
    world.trade("ETH", 100, "winner", "market/ETH")
    world.price(ETH=170)
    return world


def without_limits(world):
    world.venue.markets["ETH"].solvency = None


def without_pool(world):
    world.venue.subaccounts["elsewhere"] = world.venue.subaccounts.pop("market/ETH")


def use_up_deleveragings(world):
    world.venue.policy = liquidation(world.venue.policy, block_deleveragings=1)
    world.venue.block_deleveragings = 1


def forget_debt(world):
    world.venue.ledger["outside"][QUOTE] -= world.venue.debt_q("main")
    world.venue.ledger.pop("debt/main")


def leave_market(world):
    world.trade("SOL", -5, "other", "maker")
    world.trade("ETH", 100, "maker", "market/ETH")


def sick_auction_market():
    """The sick market where subaccounts are sold by auction: 95 % of worth at first, nothing after 100 seconds."""
    world = sick_market()
    terms = Auction(950_000, 950_000, 0, 100_000, 100_000)
    world.venue.policy = replace(world.venue.policy, waterfall=("insurance",))
    world.venue.policy = liquidation(world.venue.policy, auction=terms, backstop_num=0)
    return world


def auctioned_market():
    world = sick_auction_market()
    world.ok(cmd.StartAuction("victim"))
    return world


def wait_out(world):
    world.price(blocks=100)


def unwanted_market():
    world = auctioned_market()
    wait_out(world)
    return world


def recovered_market():
    world = auctioned_market()
    world.price(ETH=97)
    return world


def unpayable(world):
    world.price(ETH=80)
    world.ok(cmd.ConvertAuction("victim"))


AMOUNT = [
    Violation(Reason.AMOUNT_NOT_POSITIVE, {"amount": 0}),
    Violation(Reason.AMOUNT_TOO_LARGE, {"amount": TOO_MUCH}),
]
NO_ASSET = Violation(Reason.ASSET_UNKNOWN, {"asset": "XRP"})
NO_MARKET = Violation(Reason.MARKET_UNKNOWN, {"market": "NONE"})
NO_PRICE = Violation(Reason.PRICE_NOT_SET, {"market": "NEW"})
NO_POOL = Violation(Reason.POOL_UNKNOWN, {"pool": "none"})
NOBODY = Violation(Reason.SUBACCOUNT_UNKNOWN, {"subaccount": "nobody"})
OFF_STEP = Violation(Reason.SIZE_NOT_A_MULTIPLE, {"size_b": 7})
BROKE = Violation(Reason.INITIAL_MARGIN, {}, move(ETH=90), frozenset({"price of ETH"}))
GATED = Violation(
    Reason.WITHDRAWALS_GATED, {}, lambda world: setattr(world.venue.pools["main"], "gated_until_block", 99)
)
SETTLING = Violation(
    Reason.MARKET_SETTLING,
    {},
    lambda world: setattr(world.venue.markets["ETH"], "settling", True),
    frozenset({"market"}),
)
LOCKED = Violation(
    Reason.MARGIN_LOCKED, {}, lambda world: setattr(world.venue.markets["ETH"], "margin_locked", True)
)
HEALTHY = Violation(Reason.NOT_LIQUIDATABLE, {}, move(ETH=100), frozenset({"price of ETH"}))
SOLVENT = Violation(Reason.NOT_INSOLVENT, {}, move(ETH=94), frozenset({"price of ETH"}))
SYSTEM = Violation(Reason.SYSTEM_SUBACCOUNT, {"subaccount": "market/SOL"})
FROZEN = Violation(
    Reason.UNDER_AUCTION,
    {},
    lambda world: setattr(world.venue.subaccounts["trader"], "auction", LiveAuction(0, False)),
    frozenset({"size_b", "market", "subaccount", "source", "taker"}),
)
NO_AUCTIONS = Violation(Reason.NOT_OFFERED, {}, change_liquidation(auction=None), frozenset({"policy"}))
NOT_AUCTIONED = Violation(Reason.NOT_UNDER_AUCTION, {"subaccount": "maker"})
NO_POSITION = Violation(Reason.POSITION_UNKNOWN, {"market": "SOL"})


def without(step):
    steps = tuple(name for name in ("insurance", "deleverage", "socialize") if name != step)
    return Violation(Reason.NOT_OFFERED, {}, change_policy(waterfall=steps))


CASES = [
    Case(
        open_market,
        cmd.OpenSubaccount("new", "trader", "trader"),
        [
            Violation(Reason.SUBACCOUNT_EXISTS, {"subaccount": "maker"}),
            Violation(Reason.PARENT_INVALID, {"parent": "nobody"}),
            Violation(Reason.PARENT_INVALID, {"parent": "maker"}),  # of another account
            Violation(Reason.PARENT_INVALID, {"parent": "trader.eth"}),  # has a parent itself
        ],
    ),
    Case(open_market, cmd.Deposit("trader", QUOTE, 5), [*AMOUNT, NO_ASSET, NOBODY]),
    Case(
        open_market,
        cmd.Withdraw("trader", QUOTE, 5),
        [
            *AMOUNT,
            NO_ASSET,
            NOBODY,
            LOCKED,
            FROZEN,
            Violation(Reason.BALANCE_TOO_SMALL, {"asset": "BTC"}),
            GATED,
            BROKE,
        ],
    ),
    Case(
        open_market,
        cmd.TransferMargin("trader", "trader.eth", QUOTE, 5),
        [
            *(*AMOUNT, NO_ASSET, LOCKED, FROZEN, GATED, BROKE),
            Violation(Reason.SUBACCOUNT_UNKNOWN, {"source": "nobody"}),
            Violation(Reason.SUBACCOUNT_UNKNOWN, {"target": "nobody"}),
            Violation(Reason.SUBACCOUNTS_MUST_DIFFER, {"source": "trader", "target": "trader"}),
            Violation(Reason.ACCOUNTS_DIFFER, {"target": "maker"}),
            Violation(Reason.BALANCE_TOO_SMALL, {"asset": "BTC"}),
        ],
    ),
    Case(open_market, cmd.FundInsurance("main", 5), [*AMOUNT, NO_POOL]),
    Case(
        open_market,
        cmd.Reserve("trader", "new", "ETH", 10),
        [
            *(NO_MARKET, NO_PRICE, OFF_STEP, NOBODY, FROZEN, BROKE),
            Violation(Reason.AMOUNT_NOT_POSITIVE, {"size_b": 0}),
            Violation(Reason.AMOUNT_TOO_LARGE, {"size_b": -TOO_MUCH}),
            Violation(Reason.ORDER_EXISTS, {"order": "bid"}),
            SETTLING,
            Violation(
                Reason.LEVERAGE_TOO_HIGH, {}, outgrow_leverage("trader"), frozenset({"subaccount", "market"})
            ),
            Violation(Reason.POOLS_MIXED, {}, mixed_pools("trader"), frozenset({"size_b", "price of ETH"})),
            Violation(
                Reason.ACCOUNT_MARGIN, {}, sick_sibling, frozenset({"subaccount", "market", "price of ETH"})
            ),
        ],
    ),
    Case(
        open_market,
        cmd.Release("trader", "bid"),
        [NOBODY, Violation(Reason.ORDER_UNKNOWN, {"order": "none"})],
    ),
    Case(
        open_market,
        cmd.Trade("ETH", 10, 100, "trader", "maker"),
        [
            *(NO_MARKET, NO_PRICE, OFF_STEP, FROZEN, BROKE),
            Violation(Reason.AMOUNT_NOT_POSITIVE, {"size_b": 0}),
            Violation(Reason.AMOUNT_TOO_LARGE, {"size_b": TOO_MUCH}),
            Violation(Reason.AMOUNT_TOO_LARGE, {"price": TOO_MUCH}),
            Violation(Reason.PRICE_NOT_POSITIVE, {"price": 0}),
            Violation(Reason.PRICE_NOT_POSITIVE, {"price": -1}),
            Violation(Reason.SUBACCOUNT_UNKNOWN, {"taker": "nobody"}),
            Violation(Reason.SUBACCOUNT_UNKNOWN, {"maker": "nobody"}),
            Violation(Reason.SUBACCOUNTS_MUST_DIFFER, {"taker": "maker", "maker": "maker"}),
            Violation(Reason.ORDER_UNKNOWN, {"taker_order": "none"}),
            Violation(Reason.ORDER_UNKNOWN, {"maker_order": "none"}),
            SETTLING,
            Violation(
                Reason.LEVERAGE_TOO_HIGH, {}, outgrow_leverage("trader"), frozenset({"taker", "market"})
            ),
            *(
                Violation(Reason.ORDER_MISMATCH, fields, touches=frozenset({"taker", "maker"}))
                for fields in (
                    {"taker_order": "bid", "size_b": 15},  # larger than the order
                    {"maker_order": "ask", "size_b": -10},  # the other side
                    {"taker_order": "bid", "market": "SOL"},
                )
            ),
            Violation(
                Reason.POOLS_MIXED, {}, mixed_pools("trader"), frozenset({"size_b", "taker", "price of ETH"})
            ),
            Violation(Reason.PARENT_MARGIN, {"taker": "poor.eth"}),
            Violation(Reason.INITIAL_MARGIN_COUNTERPARTY, {"maker": "poor"}),
            Violation(Reason.ACCOUNT_MARGIN, {}, sick_sibling, frozenset({"taker", "maker", "price of ETH"})),
        ],
    ),
    Case(
        open_market,
        cmd.SetLeverage("trader", "ETH", 8),
        [
            *(NO_MARKET, NOBODY),
            Violation(Reason.LEVERAGE_TOO_HIGH, {"num": 11}),
            Violation(Reason.LEVERAGE_TOO_HIGH, {"num": 0}),
            Violation(Reason.LEVERAGE_TOO_HIGH, {"den": 0}),
            Violation(Reason.INITIAL_MARGIN, {}, move(ETH=90), frozenset({"price of ETH", "num", "den"})),
        ],
    ),
    Case(
        open_market,
        cmd.SetPrices(9_000, 9, {"ETH": 100}, {"SOL": 100}, {"BTC": 1_000}),
        [
            Violation(Reason.AMOUNT_TOO_LARGE, {"assets": {"BTC": TOO_MUCH}}),
            Violation(Reason.MARKET_UNKNOWN, {"indexes": {"NONE": 1}}),
            Violation(Reason.ASSET_UNKNOWN, {"assets": {"XRP": 1}}),
            Violation(Reason.PRICE_NOT_POSITIVE, {"marks": {"ETH": 0}}),
            Violation(Reason.TIME_RUNS_BACKWARDS, {"block": 0}),
            Violation(Reason.TIME_RUNS_BACKWARDS, {"time_ms": 0}),
        ],
    ),
    Case(
        open_market,
        cmd.AccrueFunding("ETH", 100),
        [NO_MARKET, NO_PRICE, Violation(Reason.AMOUNT_TOO_LARGE, {"rate_ppm": -PPM - 1})],
    ),
    Case(
        sick_market,
        cmd.Liquidate("victim", "ETH", 10, 94, "liquidator"),
        [
            *(NO_MARKET, OFF_STEP, NOBODY, SYSTEM, NO_POSITION, SETTLING, HEALTHY),
            Violation(Reason.AMOUNT_NOT_POSITIVE, {"size_b": -5}),
            Violation(Reason.AMOUNT_NOT_POSITIVE, {"price": -1}),
            Violation(Reason.AMOUNT_TOO_LARGE, {"size_b": TOO_MUCH}),
            Violation(Reason.AMOUNT_TOO_LARGE, {"price": TOO_MUCH}),
            Violation(Reason.SUBACCOUNT_UNKNOWN, {"counterparty": "nobody"}),
            Violation(Reason.SUBACCOUNTS_MUST_DIFFER, {"subaccount": "victim", "counterparty": "victim"}),
            Violation(
                Reason.POOLS_MIXED, {}, change_policy(exclusive_pools=True), frozenset({"counterparty"})
            ),
            Violation(
                Reason.COOLDOWN,
                {},
                lambda world: setattr(world.venue.subaccounts["victim"], "cooldown_until_ms", 10**9),
                frozenset({"subaccount"}),
            ),
            Violation(Reason.BLOCK_LIMIT, {}, change_liquidation(block_subaccount_q=10)),
            Violation(Reason.BLOCK_LIMIT, {"price": 50}, change_liquidation(block_insurance_q=1)),
            Violation(Reason.PRICE_BEYOND_LIMIT, {"price": 50}, change_liquidation(limit="fillable")),
            Violation(Reason.INSURANCE_TOO_SMALL, {"price": 50}),
            Violation(Reason.BACKSTOP_CAPACITY, {"counterparty": "poor"}),
        ],
    ),
    Case(
        sick_market,
        cmd.TakeOver("victim", "backstop"),
        [
            *(NOBODY, SYSTEM, HEALTHY),
            Violation(Reason.NOT_OFFERED, {}, change_liquidation(backstop_num=0)),
            Violation(Reason.SUBACCOUNT_UNKNOWN, {"backstop": "nobody"}),
            Violation(Reason.SUBACCOUNTS_MUST_DIFFER, {"subaccount": "victim", "backstop": "victim"}),
            Violation(Reason.POOLS_MIXED, {"backstop": "liquidator"}, change_policy(exclusive_pools=True)),
            Violation(Reason.BACKSTOP_CAPACITY, {}, move(ETH=85), frozenset({"price of ETH"})),
            Violation(Reason.BACKSTOP_CAPACITY, {"backstop": "poor"}),
        ],
    ),
    Case(
        indebted_market,
        cmd.SellCollateral("victim", "BTC"),
        [
            *(NO_ASSET, NOBODY, SYSTEM),
            Violation(
                Reason.PRICE_NOT_SET,
                {},
                lambda world: setattr(world.venue.assets["BTC"], "price", 0),
                frozenset({"price of BTC"}),
            ),
            Violation(Reason.SUBACCOUNTS_MUST_DIFFER, {"subaccount": "market/BTC"}),
            Violation(Reason.BALANCE_TOO_SMALL, {"subaccount": "maker"}),
            Violation(
                Reason.NOT_LIQUIDATABLE,
                {},
                lambda world: world.trade("ETH", 5, "victim", "maker"),
                frozenset({"subaccount", "price of BTC"}),
            ),
            Violation(
                Reason.NOTHING_OWED,
                {},
                lambda world: world.ok(cmd.Deposit("victim", QUOTE, 500)),
                frozenset({"subaccount"}),
            ),
        ],
    ),
    Case(
        insolvent_market,
        cmd.DrawInsurance("main", "victim", "ETH"),
        [
            *(NO_MARKET, NOBODY, SYSTEM, NO_POSITION, SOLVENT, without("insurance")),
            Violation(Reason.POOL_UNKNOWN, {"pool": "none"}),
            Violation(Reason.POOL_UNKNOWN, {"pool": "alt"}),  # not the pool of the market
            Violation(Reason.INSURANCE_TOO_SMALL, {}, change_policy(insurance="all_or_nothing")),
        ],
    ),
    Case(
        bad_debt_market,
        cmd.Socialize("main"),
        [
            *(NO_POOL, without("socialize")),
            Violation(Reason.NO_COUNTERPARTY, {}, leave_market),
            Violation(Reason.NOTHING_OWED, {}, forget_debt),
        ],
    ),
    Case(
        owing_market,
        cmd.RelievePool("ETH", is_long=True),
        [
            NO_MARKET,
            Violation(Reason.NOT_OFFERED, {}, without_limits),
            Violation(Reason.SUBACCOUNT_UNKNOWN, {}, without_pool),
            SETTLING,
            Violation(Reason.NOTHING_OWED, {"is_long": False}),
        ],
    ),
    Case(
        insolvent_market,
        cmd.Deleverage("victim", "ETH"),
        [
            *(NO_MARKET, NOBODY, SYSTEM, NO_POSITION, SOLVENT, without("deleverage")),
            Violation(Reason.BLOCK_LIMIT, {}, use_up_deleveragings),
            Violation(
                Reason.NO_COUNTERPARTY, {}, lambda world: world.trade("ETH", 100, "maker", "market/ETH")
            ),
        ],
    ),
    Case(
        sick_auction_market,
        cmd.StartAuction("victim"),
        [
            *(NOBODY, SYSTEM, HEALTHY, NO_AUCTIONS),
            Violation(
                Reason.UNDER_AUCTION,
                {},
                lambda world: world.ok(cmd.StartAuction("victim")),
                frozenset({"price of ETH", "policy", "subaccount"}),
            ),
        ],
    ),
    Case(
        auctioned_market,
        cmd.Bid("victim", "liquidator", PPM**3 // 10),
        [
            *(NOBODY, SYSTEM, HEALTHY, NO_AUCTIONS, NOT_AUCTIONED),
            Violation(Reason.AMOUNT_NOT_POSITIVE, {"share_wad": 0}),
            Violation(Reason.AMOUNT_TOO_LARGE, {"share_wad": TOO_MUCH}),
            Violation(Reason.SUBACCOUNT_UNKNOWN, {"bidder": "nobody"}),
            Violation(Reason.SUBACCOUNTS_MUST_DIFFER, {"subaccount": "victim", "bidder": "victim"}),
            Violation(Reason.POOLS_MIXED, {}, change_policy(exclusive_pools=True), frozenset({"bidder"})),
            Violation(
                Reason.UNDER_AUCTION,
                {},
                lambda world: setattr(
                    world.venue.subaccounts["liquidator"], "auction", LiveAuction(0, False)
                ),
                frozenset({"bidder"}),
            ),
            Violation(Reason.AUCTION_OVER, {}, wait_out, frozenset({"price of ETH"})),
            Violation(Reason.BACKSTOP_CAPACITY, {"bidder": "poor"}),
            Violation(Reason.INSURANCE_TOO_SMALL, {}, unpayable, frozenset({"price of ETH", "policy"})),
        ],
    ),
    Case(
        unwanted_market,
        cmd.ConvertAuction("victim"),
        [
            *(NOBODY, SYSTEM, HEALTHY, NO_AUCTIONS, NOT_AUCTIONED),
            Violation(
                Reason.AUCTION_RUNNING,
                {},
                lambda world: setattr(
                    world.venue.subaccounts["victim"], "auction", LiveAuction(world.venue.time_ms, False)
                ),
                frozenset({"subaccount", "price of ETH"}),
            ),
        ],
    ),
    Case(
        recovered_market,
        cmd.EndAuction("victim"),
        [
            *(NOBODY, SYSTEM, NO_AUCTIONS, NOT_AUCTIONED),
            Violation(Reason.AUCTION_RUNNING, {}, move(ETH=94), frozenset({"price of ETH"})),
        ],
    ),
    Case(open_market, cmd.SettleMarket("ETH"), [NO_MARKET, NO_PRICE, SETTLING]),
    Case(
        open_market,
        cmd.ChangeRequirement("ETH", TEN_FIVE),
        [
            NO_MARKET,
            Violation(Reason.PARAMETER_INVALID, {"minimum_margin_q": -1}),
            Violation(Reason.PARAMETER_INVALID, {"requirement": OpenInterestScaled(PPM + 1, 0, 0, 0)}),
        ],
    ),
    Case(
        open_market,
        cmd.ChangePolicy(Policy()),
        [Violation(Reason.PARAMETER_INVALID, {"policy": Policy(taker_fee_ppm=-1)})],
    ),
]


def name(case):
    return type(case.command).__name__


def refuse(case, *violations):
    world = case.build()
    for violation in violations:
        violation.prepare(world)
    fields = {field: value for violation in violations for field, value in violation.fields.items()}
    world.no(replace(case.command, **fields), min(violation.reason for violation in violations))


@pytest.mark.parametrize("case", CASES, ids=name)
def test_the_command_of_each_case_is_accepted(case):
    case.build().ok(case.command)


SINGLES = [
    pytest.param(case, violation, id=f"{name(case)}-{violation.reason.name}-{number}")
    for case in CASES
    for number, violation in enumerate(case.violations)
]


@pytest.mark.parametrize(("case", "violation"), SINGLES)
def test_each_violation_alone_has_its_reason(case, violation):
    refuse(case, violation)


@pytest.mark.parametrize("case", CASES, ids=name)
def test_of_two_violations_the_first_reason_wins(case):
    for first, second in combinations(case.violations, 2):
        if first.goes_with(second):
            refuse(case, first, second)


def test_every_reason_is_reached():
    assert {violation.reason for case in CASES for violation in case.violations} == set(Reason)


def test_every_command_has_a_case():
    assert {type(case.command) for case in CASES} == set(cmd.AnyCommand.__args__)


def test_the_order_of_reasons_is_the_order_of_their_numbers_and_each_has_a_sentence():
    assert list(Reason) == sorted(Reason)
    assert set(SENTENCES) == set(Reason)
    assert all(sentence.endswith(".") and "\n" not in sentence for sentence in SENTENCES.values())
