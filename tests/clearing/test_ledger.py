"""Double entry: what the checks accept and, above all, what they catch."""

import pytest
from msgspec.structs import replace

from clearing.world import World
from ringfence.clearing import command as cmd
from ringfence.clearing import event as ev
from ringfence.clearing import ledger
from ringfence.clearing.apply import apply
from ringfence.clearing.model import QUOTE, Order, Position
from ringfence.errors import InvariantError


@pytest.fixture
def venue():
    world = World()
    world.open("trader", 1_000, btc=2)
    world.open("maker", 1_000)
    world.fund(50)
    world.trade("ETH", 10, "trader", "maker")
    return world.venue


def test_totals_are_zero_for_every_asset(venue):
    assert ledger.totals(venue) == {QUOTE: 0, "BTC": 0}


def lose_an_atom(venue):
    venue.subaccounts["maker"].balances[QUOTE] -= 1


def invent_collateral(venue):
    venue.subaccounts["trader"].balances["BTC"] += 1


def drop_a_position(venue):
    del venue.subaccounts["maker"].positions["ETH"]


def hold_nothing(venue):
    venue.subaccounts["maker"].positions["SOL"] = Position(0, 0, 0)


def miscount_open_interest(venue):
    venue.markets["ETH"].open_interest_b += 1


def overdraw_the_fund(venue):
    venue.ledger["fund/main"][QUOTE] = -1
    venue.ledger["outside"][QUOTE] += 51


def overpay_the_debt(venue):
    venue.ledger["debt/main"] = {QUOTE: 1}
    venue.ledger["outside"][QUOTE] -= 1


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lose_an_atom, "USDC is not conserved: -1"),
        (invent_collateral, "BTC is not conserved: 1"),
        (drop_a_position, "lots of ETH do not sum to zero: 10"),
        (hold_nothing, "maker holds an empty position in SOL"),
        (miscount_open_interest, "open interest of ETH is wrong"),
        (overdraw_the_fund, "insurance fund of main is negative"),
        (overpay_the_debt, "main was paid more than its bad debt"),
    ],
)
def test_the_audit_finds(venue, damage, sentence):
    ledger.audit(venue)
    damage(venue)
    with pytest.raises(InvariantError, match=sentence):
        ledger.audit(venue)


DEPOSIT = cmd.Deposit("trader", QUOTE, 1)


@pytest.mark.parametrize(
    ("events", "sentence"),
    [
        ([ev.Transfer("sub/maker", "sub/trader", QUOTE, 1, "deposit")], "maker paid without being asked"),
        ([ev.Transfer("outside", "sub/trader", QUOTE, 0, "deposit")], "a transfer moves a positive amount"),
        ([ev.Transfer("sub/trader", "outside", "BTC", 3, "withdrawal")], "trader holds -1 BTC"),
        ([ev.Transfer("fund/main", "sub/trader", QUOTE, 51, "insurance")], "fund/main is negative"),
        ([ev.Transfer("outside", "debt/main", QUOTE, 1, "x")], "debt/main was paid more than it owed"),
        ([ev.PositionChanged("trader", "ETH", 1, 0)], "lots of ETH do not sum to zero"),
    ],
)
def test_a_transition_that_breaks_a_rule_is_caught(venue, events, sentence):
    for event in events:
        apply(venue, event)
    with pytest.raises(InvariantError, match=sentence):
        ledger.check_transition(venue, DEPOSIT, events)


def test_named_steps_may_take_from_others(venue):
    events = [ev.Transfer("sub/maker", "sub/trader", QUOTE, 1, why) for why in ledger.NAMED_STEPS]
    ledger.check_transition(venue, DEPOSIT, events)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda v: v.pools.pop("alt"), "ARB belongs to the unknown pool alt"),
        (lambda v: v.assets.clear(), "trader holds the unknown asset BTC"),
        (lambda v: v.markets.pop("ETH"), "is in the unknown market ETH"),
        (
            lambda v: v.subaccounts["maker"].orders.update(x=Order("NONE", 1)),
            "maker is in the unknown market NONE",
        ),
        (
            lambda v: v.subaccounts.update(x=replace(v.subaccounts["maker"], parent="y")),
            "x has the unknown parent y",
        ),
    ],
)
def test_what_refers_to_nothing_is_named(venue, damage, sentence):
    assert ledger.dangling(venue) is None
    damage(venue)
    assert sentence in ledger.dangling(venue)
