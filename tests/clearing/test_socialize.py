"""A loss that nobody pre-funded, borne by every open lot."""

import pytest

from clearing.world import World, moved
from ringfence.clearing import command as cmd
from ringfence.clearing.policy import Policy
from ringfence.clearing.verdict import Reason

BY_LOT = Policy(waterfall=("insurance", "socialize"), socialize_by="open_interest")


def bankrupt(*, mark=85):
    """`loser` was long 100 ETH from 100 with 1,000 and was closed at `mark`; `short` and `long` stay."""
    world = World(BY_LOT)
    for name, cash in (("loser", 1_000), ("short", 10_000), ("long", 200), ("idle", 10_000)):
        world.open(name, cash)
    world.trade("ETH", 100, "loser", "short")
    world.trade("ETH", 10, "long", "short")
    world.price(ETH=mark)
    world.ok(cmd.Liquidate("loser", "ETH"))
    return world


def test_every_open_lot_pays_the_same_on_both_sides():
    world = bankrupt()
    assert world.venue.debt_q("main") == 500
    events = world.ok(cmd.Socialize("main"))
    # 110 lots short and 10 long: 500 / 120 = 4.1667 a lot, rounded so that the sum is exact
    assert moved(events, "socialized_loss") == [
        ("sub/long", "debt/main", 42),
        ("sub/short", "debt/main", 458),
    ]
    assert (world.venue.debt_q("main"), world.equity("idle")) == (0, 10_000)


def test_a_lot_pays_whether_its_owner_is_solvent_or_not():
    world = bankrupt(mark=81)  # `long` has 200 - 190; 900 / 120 is 7.5 a lot
    world.ok(cmd.Socialize("main"))
    assert world.equity("long") == 10 - 75


def test_lots_of_two_markets_compare_by_what_they_are_worth():
    world = bankrupt(mark=80)
    world.open("other", 10_000)
    world.trade("SOL", 96, "other", "market/SOL")  # worth 9,600, as are the 120 lots of ETH
    paid = {who: amount for who, _, amount in moved(world.ok(cmd.Socialize("main")), "socialized_loss")}
    assert paid["sub/other"] == 500


def test_without_open_lots_the_debt_stays():
    world = bankrupt()
    world.trade("ETH", -10, "long", "short")
    world.trade("ETH", 100, "short", "market/ETH")
    world.no(cmd.Socialize("main"), Reason.NO_COUNTERPARTY)
    assert world.venue.debt_q("main") == 500


@pytest.mark.parametrize("mark", [85, 89])
def test_resolving_ends_without_debt(mark):
    world = bankrupt(mark=mark)
    world.fund(100)
    world.resolve()
    assert world.venue.debt_q("main") == 0
