"""Commands of traders: subaccounts, money in and out, orders, fills, leverage."""

from msgspec.structs import replace

from clearing.refusals.case import (
    AMOUNT,
    EXPIRED,
    NO_ASSET,
    NO_MARKET,
    NO_POOL,
    NO_PRICE,
    NOBODY,
    OFF_STEP,
    SETTLING,
    TOO_MUCH,
    Case,
    Violation,
    change_market,
    flagged,
    move,
    under_auction,
)
from clearing.world import ONE, TEN_FIVE, World
from ringfence.clearing import command as cmd
from ringfence.clearing.model import QUOTE, Leverage, Market, Option
from ringfence.clearing.verdict import Reason


def open_market():
    """Healthy: `trader` is long 50 ETH with 1,000, and has a child, an order and a poor friend; lots come in fives.

    NEW has no price; OLD is an option after its expiry, CALL one before.
    """
    world = World(step_b=5)
    world.venue.markets["NEW"] = Market("NEW", ONE, TEN_FIVE, "main", step_b=5)
    for name, expiry_ms in (("OLD", 1_000), ("CALL", 10**9)):
        option = Option("ETH", 100, call=True, expiry_ms=expiry_ms)
        world.venue.markets[name] = Market(
            name, ONE, TEN_FIVE, "main", step_b=5, option=option, mark=10, index=10
        )
        world.ok(cmd.OpenSubaccount(f"market/{name}", "venue", system=True))
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


def outgrow_leverage(name):
    """20x was chosen when it was allowed; it binds again when the position grows."""

    def prepare(world):
        world.venue.markets["ETH"].leverage_checked = "opening"
        world.venue.subaccounts[name].leverages["ETH"] = Leverage(20, 1)

    return prepare


BROKE = Violation(Reason.INITIAL_MARGIN, {}, move(ETH=90), frozenset({"price of ETH"}))
POOL_GATED = Violation(
    Reason.WITHDRAWALS_GATED, {}, lambda world: setattr(world.venue.pools["main"], "gated_until_block", 99)
)
ALL_GATED = Violation(
    Reason.WITHDRAWALS_GATED, {}, lambda world: setattr(world.venue, "gated_until_block", 99)
)
LOCKED = Violation(Reason.MARGIN_LOCKED, {}, change_market(margin_locked=True))
FROZEN = Violation(
    Reason.UNDER_AUCTION,
    {},
    under_auction("trader"),
    frozenset({"size_b", "market", "subaccount", "source", "taker"}),
)
FLAGGED = Violation(
    Reason.FLAGGED, {}, flagged("trader"), frozenset({"size_b", "market", "subaccount", "source", "taker"})
)
TAKING_OUT = [*AMOUNT, NO_ASSET, LOCKED, FROZEN, FLAGGED, POOL_GATED, ALL_GATED, BROKE]


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
        [*TAKING_OUT, NOBODY, Violation(Reason.BALANCE_TOO_SMALL, {"asset": "BTC"})],
    ),
    Case(
        open_market,
        cmd.TransferMargin("trader", "trader.eth", QUOTE, 5),
        [
            *TAKING_OUT,
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
            *(NO_MARKET, NO_PRICE, OFF_STEP, EXPIRED, NOBODY, FROZEN, FLAGGED, BROKE, SETTLING),
            Violation(Reason.AMOUNT_NOT_POSITIVE, {"size_b": 0}),
            Violation(Reason.AMOUNT_TOO_LARGE, {"size_b": -TOO_MUCH}),
            Violation(Reason.ORDER_EXISTS, {"order": "bid"}),
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
            *(NO_MARKET, NO_PRICE, OFF_STEP, EXPIRED, FROZEN, FLAGGED, BROKE, SETTLING),
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
]
