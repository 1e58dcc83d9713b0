"""Commands on options, and what is refused of other commands because a market is an option."""

from msgspec.structs import replace

from clearing.option_world import CALL, EXPIRIES, RULE, OptionWorld
from clearing.refusals.case import NO_MARKET, TOO_MUCH, Case, Violation
from ringfence.clearing import command as cmd
from ringfence.clearing.model import Grid, Term
from ringfence.clearing.policy import Policy
from ringfence.clearing.verdict import Reason

DAYS = EXPIRIES[0] // 86_400_000
FLAT = Grid((100,) * RULE.grid_length, (101,) * RULE.grid_length)


def open_market():
    """`holder` bought ten calls from `writer`, thirty days before they expire."""
    world = OptionWorld()
    world.open("holder", 10**9)
    world.open("writer", 10**9)
    world.trade(CALL, 10, "holder", "writer")
    return world


def expired_market():
    world = open_market()
    world.price(10_500, days=DAYS)
    return world


def pass_expiry(world):
    world.price(10_000, days=DAYS)


def without_scenarios(world):
    world.venue.policy = Policy()


def unpriced(world):
    world.venue.markets[CALL].grid = None


def grid(low, high):
    return {CALL: Grid((low,) * RULE.grid_length, (high,) * RULE.grid_length)}


NO_OPTION = Violation(Reason.WRONG_INSTRUMENT, {"market": "ETH"})

CASES = [
    Case(
        open_market,
        cmd.SetGrids("ETH", {CALL: FLAT}, (Term(EXPIRIES[0], 900_000, 1_000_000),)),
        [
            Violation(Reason.AMOUNT_TOO_LARGE, {"grids": grid(0, TOO_MUCH)}),
            Violation(Reason.AMOUNT_TOO_LARGE, {"terms": (Term(EXPIRIES[0], 1, 1, TOO_MUCH),)}),
            Violation(Reason.MARKET_UNKNOWN, {"underlying": "NONE"}),
            Violation(Reason.MARKET_UNKNOWN, {"grids": {"NONE": FLAT}}),
            Violation(Reason.PARAMETER_INVALID, {"grids": grid(-1, 5)}),
            Violation(Reason.PARAMETER_INVALID, {"grids": grid(6, 5)}),
            Violation(Reason.PARAMETER_INVALID, {"grids": {CALL: Grid((1,), (1,))}}),
            Violation(Reason.PARAMETER_INVALID, {"terms": (Term(EXPIRIES[0], -1, 1),)}),
            Violation(Reason.NOT_OFFERED, {}, without_scenarios, frozenset({"grids"})),
            Violation(Reason.WRONG_INSTRUMENT, {"underlying": "SOL"}),
            Violation(Reason.WRONG_INSTRUMENT, {"grids": {"SOL": FLAT}}),
        ],
    ),
    Case(
        expired_market,
        cmd.Expire(CALL, 10_500),
        [
            *(NO_MARKET, NO_OPTION),
            Violation(Reason.AMOUNT_TOO_LARGE, {"price": TOO_MUCH}),
            Violation(Reason.PRICE_NOT_POSITIVE, {"price": -1}),
            Violation(
                Reason.NOT_EXPIRED,
                {},
                lambda world: setattr(world.venue, "time_ms", EXPIRIES[0] - 1),
                frozenset({"market"}),
            ),
        ],
    ),
    Case(
        open_market,
        cmd.Trade(CALL, 1, 200, "holder", "writer"),
        [Violation(Reason.EXPIRED, {}, pass_expiry), Violation(Reason.AMOUNT_NOT_POSITIVE, {"size_b": 0})],
        of="Option",
    ),
    Case(
        open_market,
        cmd.Reserve("holder", "bid", CALL, 1),
        [
            Violation(Reason.EXPIRED, {}, pass_expiry),
            Violation(Reason.PRICE_NOT_SET, {}, unpriced, frozenset({"market"})),
        ],
        of="Option",
    ),
    Case(
        open_market,
        cmd.ChangePolicy(Policy(set_rule=RULE)),
        [
            Violation(
                Reason.PRICE_NOT_SET,
                {"policy": Policy(set_rule=replace(RULE, scenarios=RULE.scenarios[:-1]))},
            ),
            Violation(
                Reason.PARAMETER_INVALID,
                {"policy": Policy(set_rule=replace(RULE, initial_num=RULE.maintenance_num - 1))},
            ),
        ],
        of="Option",
    ),
]
