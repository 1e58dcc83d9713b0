"""Commands that deal with losses: liquidation, the waterfall below it, relief of a pool."""

from clearing.refusals.case import (
    HEALTHY,
    NO_ASSET,
    NO_MARKET,
    NO_POOL,
    NO_POSITION,
    NOBODY,
    OFF_STEP,
    SETTLING,
    SYSTEM,
    TOO_MUCH,
    Case,
    Violation,
    change_liquidation,
    change_market,
    change_policy,
    flagged,
    move,
    without,
)
from clearing.world import World, liquidation
from ringfence.clearing import command as cmd
from ringfence.clearing.model import QUOTE
from ringfence.clearing.policy import Auction, Policy, Solvency
from ringfence.clearing.verdict import Reason


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


def owing_market():
    """The pool of ETH holds 20,000 and owes longs 7,000 of the half that stands for them; the trigger is 60 %."""
    world = World(Policy(waterfall=("counterparty",)), solvency=Solvency(900_000, 600_000, 500_000))
    world.ok(cmd.Deposit("market/ETH", QUOTE, 20_000))
    world.open("winner", 10_000)
    world.trade("ETH", 100, "winner", "market/ETH")
    world.price(ETH=170)
    return world


def without_counterparty(world):
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


SOLVENT = Violation(Reason.NOT_INSOLVENT, {}, move(ETH=94), frozenset({"price of ETH"}))
FLAGGED = Violation(Reason.FLAGGED, {}, flagged("victim"), frozenset({"subaccount", "market"}))
BY_AUCTION = Violation(Reason.NOT_OFFERED, {}, change_liquidation(auction=Auction(0, 0, 0, 0, 0)))


CASES = [
    Case(
        sick_market,
        cmd.Liquidate("victim", "ETH", 10, 94, "liquidator"),
        [
            *(NO_MARKET, OFF_STEP, NOBODY, SYSTEM, NO_POSITION, SETTLING, HEALTHY, BY_AUCTION),
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
            Violation(Reason.FLAGGED, {}, flagged("liquidator"), frozenset({"counterparty"})),
            Violation(Reason.NOT_OFFERED, {"endorsed": True}),  # there are no windows
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
            *(NOBODY, SYSTEM, HEALTHY, FLAGGED),
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
            *(NO_ASSET, NOBODY, SYSTEM, BY_AUCTION, FLAGGED),
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
            *(NO_MARKET, NOBODY, SYSTEM, NO_POSITION, SOLVENT, BY_AUCTION, FLAGGED, without("insurance")),
            Violation(Reason.POOL_UNKNOWN, {"pool": "none"}),
            Violation(Reason.POOL_UNKNOWN, {"pool": "alt"}),  # not the pool of the market
            Violation(Reason.INSURANCE_TOO_SMALL, {}, change_policy(insurance="all_or_nothing")),
        ],
    ),
    Case(
        insolvent_market,
        cmd.Deleverage("victim", "ETH"),
        [
            *(NO_MARKET, NOBODY, SYSTEM, NO_POSITION, SOLVENT, FLAGGED, without("deleverage")),
            Violation(Reason.BLOCK_LIMIT, {}, use_up_deleveragings),
            Violation(
                Reason.NO_COUNTERPARTY, {}, lambda world: world.trade("ETH", 100, "maker", "market/ETH")
            ),
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
            *(NO_MARKET, SETTLING),
            Violation(Reason.NOT_OFFERED, {}, change_market(solvency=None)),
            Violation(Reason.SUBACCOUNT_UNKNOWN, {}, without_counterparty),
            Violation(Reason.NOTHING_OWED, {"is_long": False}),
        ],
    ),
]
