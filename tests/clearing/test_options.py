"""Options as an instrument: premium, marks, grids, settlement in cash, and what may not be done with them."""

import pytest
from msgspec.structs import replace

from clearing.option_world import (
    CALL,
    DAY_MS,
    EXPIRIES,
    FAR_CALL,
    OPTIONS,
    PUT,
    OptionWorld,
    empty_venue,
    payoff,
)
from clearing.world import moved
from ringfence.clearing import command as cmd
from ringfence.clearing import ledger
from ringfence.clearing.log import Clearinghouse
from ringfence.clearing.model import QUOTE, Grid, Term
from ringfence.clearing.policy import Policy
from ringfence.clearing.resolve import resolve
from ringfence.clearing.verdict import Accepted, Reason

EXPIRY_DAYS = EXPIRIES[0] // DAY_MS


@pytest.fixture
def world():
    world = OptionWorld()
    world.open("buyer", 100_000)
    world.open("writer", 200_000)
    return world


def test_the_buyer_pays_the_premium_and_the_writer_receives_it(world):
    mark = world.venue.markets[CALL].mark
    world.trade(CALL, 3, "buyer", "writer")
    assert world.sub("buyer").quote_q == 100_000 - 3 * mark
    assert world.sub("writer").quote_q == 200_000 + 3 * mark
    assert world.risk("buyer").equity_q == 100_000, "what was paid is what the option is worth"
    assert world.risk("writer").equity_q == 200_000


def test_a_mark_changes_both_sides_by_the_same(world):
    world.trade(CALL, 3, "buyer", "writer")
    before = world.venue.markets[CALL].mark
    world.price(11_500)
    gained = 3 * (world.venue.markets[CALL].mark - before)
    assert gained > 0
    assert world.risk("buyer").equity_q == 100_000 + gained
    assert world.risk("writer").equity_q == 200_000 - gained


@pytest.mark.parametrize("settled", [0, 8_000, 9_999, 10_000, 10_001, 14_000])
@pytest.mark.parametrize("market", [CALL, PUT])
def test_settlement_pays_what_exercise_would(world, market, settled):
    world.trade(market, 3, "buyer", "writer")
    world.price(10_000, days=EXPIRY_DAYS)
    cash = {name: world.sub(name).quote_q for name in ("buyer", "writer")}
    events = world.ok(cmd.Expire(market, settled))
    paid = 3 * payoff(OPTIONS[market], settled)
    assert world.sub("buyer").quote_q == cash["buyer"] + paid
    assert world.sub("writer").quote_q == cash["writer"] - paid
    assert not world.sub("buyer").positions
    assert not world.sub("writer").positions
    assert world.venue.markets[market].open_interest_b == 0
    assert bool(moved(events, "settlement")) == bool(paid)


def test_what_rounding_leaves_is_booked(world):
    """A lot worth a third of an atom: 1 long of 7 quanta gets 2, the short pays 3, one atom is left over."""
    venue = empty_venue()
    for name in ("ETH", CALL):
        venue.markets[name].scale = replace(venue.markets[name].scale, den=3)
    world.house = Clearinghouse(venue)
    world.ok(cmd.SetPrices(0, 1, {"ETH": 10_000, CALL: 500}, {}, {"WETH": 10_000}))
    grid = Grid((500,) * 14, (500,) * 14)
    world.ok(cmd.SetGrids("ETH", {CALL: grid}))
    for name in ("buyer", "writer"):
        world.open(name, 10_000)
    world.trade(CALL, 1, "buyer", "writer")
    world.ok(cmd.SetPrices(EXPIRIES[0], 2))
    world.ok(cmd.Expire(CALL, 10_007))
    assert world.venue.balance_q("rounding") == 1
    assert world.venue.balance_q(f"settlement/{CALL}") == 0


def test_a_writer_who_cannot_pay_leaves_the_fund_and_then_a_debt(world):
    world.ok(cmd.FundInsurance("main", 1_000))
    world.open("poor", 10_000)
    world.trade(CALL, 1, "buyer", "poor")
    world.price(10_000, days=EXPIRY_DAYS)
    cash = world.sub("poor").quote_q
    world.ok(cmd.Expire(CALL, 40_000))
    assert world.sub("poor").quote_q == 0
    assert world.venue.fund_q("main") == 0
    assert world.venue.debt_q("main") == 30_000 - cash - 1_000
    assert world.sub("buyer").quote_q > 100_000, "who bought is paid in full"


def test_resting_orders_end_with_the_option(world):
    world.ok(cmd.Reserve("buyer", "bid", CALL, 2))
    world.price(10_000, days=EXPIRY_DAYS)
    world.ok(cmd.Expire(CALL, 10_000))
    assert not world.sub("buyer").orders


def test_a_hedged_writer_is_liquidated_only_for_what_is_left(world):
    """A spread that loses its long leg asks for more; both legs can be liquidated and the books balance."""
    world.open("spread", 12_000)
    world.trade(FAR_CALL, 4, "spread", "writer")
    world.trade(CALL, -4, "spread", "buyer")
    world.ok(cmd.Withdraw("spread", QUOTE, world.risk("spread").free_q))
    world.price(13_000)
    done = resolve(world.house, ["spread"])
    ledger.audit(world.venue)
    assert [type(command).__name__ for command, _ in done].count("Liquidate") == 2
    assert not world.sub("spread").positions


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (cmd.Expire("NONE", 1), Reason.MARKET_UNKNOWN),
        (cmd.Expire(CALL, -1), Reason.PRICE_NOT_POSITIVE),
        (cmd.Expire(CALL, 2**96), Reason.AMOUNT_TOO_LARGE),
        (cmd.Expire("ETH", 1), Reason.WRONG_INSTRUMENT),
        (cmd.Expire(CALL, 10_000), Reason.NOT_EXPIRED),
        (cmd.AccrueFunding(CALL, 100), Reason.WRONG_INSTRUMENT),
        (cmd.SetGrids("ETH", {"NONE": Grid((), ())}), Reason.MARKET_UNKNOWN),
        (cmd.SetGrids("ETH", {CALL: Grid((1,), (1,))}), Reason.PARAMETER_INVALID),
        (cmd.SetGrids("ETH", {CALL: Grid((2,) * 14, (1,) * 14)}), Reason.PARAMETER_INVALID),
        (cmd.SetGrids("ETH", {CALL: Grid((1,) * 14, (2**96,) * 14)}), Reason.AMOUNT_TOO_LARGE),
        (cmd.SetGrids("ETH", {"SOL": Grid((1,) * 14, (1,) * 14)}), Reason.WRONG_INSTRUMENT),
        (cmd.SetGrids("SOL", {CALL: Grid((1,) * 14, (1,) * 14)}), Reason.WRONG_INSTRUMENT),
        (cmd.SetGrids("ETH", {}, (Term(EXPIRIES[0], -1, 1),)), Reason.PARAMETER_INVALID),
        (cmd.SetPrices(0, 9, confidences={"ETH": 1_000_001}), Reason.PARAMETER_INVALID),
        (cmd.SetPrices(0, 9, asset_confidences={"XRP": 1}), Reason.ASSET_UNKNOWN),
        (cmd.SetPrices(0, 9, quote_wad=-1), Reason.PRICE_NOT_POSITIVE),
    ],
)
def test_what_is_refused(world, command, reason):
    assert world.refused(command) == reason


def test_an_expired_option_is_not_traded(world):
    world.trade(CALL, 1, "buyer", "writer")
    world.price(10_000, days=EXPIRY_DAYS)
    assert world.refused(cmd.Trade(CALL, 1, 100, "buyer", "writer")) == Reason.EXPIRED
    assert world.refused(cmd.Reserve("buyer", "bid", CALL, 1)) == Reason.EXPIRED


def test_an_option_without_a_grid_is_not_traded(world):
    world.venue.markets[CALL].grid = None
    assert world.refused(cmd.Trade(CALL, 1, 100, "buyer", "writer")) == Reason.PRICE_NOT_SET


def test_a_rule_with_other_scenarios_needs_other_grids_first(world):
    world.trade(CALL, 1, "buyer", "writer")
    rule = world.venue.policy.set_rule
    shorter = replace(rule, scenarios=rule.scenarios[:-1])
    changed = replace(world.venue.policy, set_rule=shorter)
    assert world.refused(cmd.ChangePolicy(changed)) == Reason.PRICE_NOT_SET
    assert isinstance(world.house.submit(cmd.ChangePolicy(Policy())), Accepted)


def test_scenarios_are_for_venues_that_have_them(world):
    world.ok(cmd.ChangePolicy(Policy()))
    assert world.refused(cmd.SetGrids("ETH", {})) == Reason.NOT_OFFERED
