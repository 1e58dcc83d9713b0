"""One sick subaccount and the orders of its whole account, where the venue's policy says that it counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.world import World
from ringfence.clearing import command as cmd
from ringfence.clearing.gating import lacking_q, standards
from ringfence.clearing.policy import Policy
from ringfence.clearing.risk import Risk
from ringfence.clearing.verdict import Reason

GATED = Policy(account_gating="maintenance")


def account(policy=GATED, *, own=2_000, other=70, sick=100):
    """`trader` is long 100 ETH at 100 with `own`; `trader.sol` long 10 SOL with `other`, whose price is `sick`."""
    world = World(policy)
    world.open("maker", 100_000)
    world.open("trader", own)
    world.open("trader.sol", 200)
    world.trade("ETH", 100, "trader", "maker")
    world.trade("SOL", 10, "trader.sol", "maker")
    world.ok(cmd.Withdraw("trader.sol", "USDC", 100))
    world.ok(cmd.AccrueFunding("SOL", 1_000 * (100 - other)))  # 1 per mille of the worth of 1,000 is 1
    world.price(SOL=sick)
    return world


@pytest.mark.parametrize(
    ("action", "increasing", "own"),
    [
        ("place", True, "initial"),
        ("fill", True, "fill"),
        ("place", False, "maintenance"),
        ("fill", False, "maintenance"),
    ],
)
def test_what_each_action_asks(action, increasing, own):
    assert standards(action, increasing=increasing) == (own, "maintenance")


@pytest.mark.parametrize(
    ("equity", "standard", "lacks"),
    [
        (100, "initial", 0),
        (99, "initial", 1),
        (75, "fill", 0),
        (74, "fill", 1),
        (50, "maintenance", 0),
        (49, "maintenance", 1),
    ],
)
def test_standards_lie_at_their_margins(equity, standard, lacks):
    assert lacking_q(Risk(equity, 100, 50), standard) == lacks


@given(st.integers(-(2**40), 2**40), st.integers(0, 2**40), st.integers(0, 2**40))
def test_half_way_is_never_missed_by_an_atom(equity, maintenance, above):
    risk = Risk(equity, maintenance + above, maintenance)
    assert (lacking_q(risk, "fill") <= 0) == (2 * equity >= 2 * maintenance + above)
    assert lacking_q(risk, "maintenance") <= lacking_q(risk, "fill") <= lacking_q(risk, "initial")


def test_a_subaccount_between_its_margins_stops_nobody():
    world = account()  # trader.sol has 70, which is between 50 and 100
    world.trade("ETH", 10, "trader", "maker")
    world.ok(cmd.Reserve("trader", "bid", "ETH", 10))


def test_a_sick_subaccount_stops_every_order_of_its_account():
    world = account(sick=97)  # 70 - 30 is below 5 % of 970
    world.no(cmd.Reserve("trader", "bid", "ETH", 10), Reason.ACCOUNT_MARGIN)
    world.no(cmd.Trade("ETH", 10, 100, "trader", "maker"), Reason.ACCOUNT_MARGIN)
    world.no(cmd.Trade("ETH", -10, 100, "trader", "maker"), Reason.ACCOUNT_MARGIN)  # also what reduces risk
    world.no(cmd.Trade("ETH", 10, 100, "maker", "trader"), Reason.ACCOUNT_MARGIN)  # on either side of a fill
    world.trade("SOL", 1, "maker", "market/SOL")  # but nobody else's


def test_elsewhere_a_sick_subaccount_stops_nothing():
    world = account(Policy(), sick=97)
    world.ok(cmd.Reserve("trader", "bid", "ETH", 10))
    world.trade("ETH", 10, "trader", "maker")


def test_the_acting_subaccount_may_reduce_its_risk_down_to_maintenance_margin():
    world = account(own=1_000)
    world.price(ETH=97)  # 700 is below initial margin (970) and above maintenance margin (485)
    world.no(cmd.Trade("ETH", 1, 97, "trader", "maker"), Reason.INITIAL_MARGIN)
    world.trade("ETH", -10, "trader", "maker")
    world.price(ETH=93)  # 340 is below 5 % of 90 lots (418.5), and of 89
    world.no(cmd.Trade("ETH", -1, 93, "trader", "maker"), Reason.INITIAL_MARGIN)
    world.trade("ETH", -30, "trader", "maker")  # covers 5 % of 60 (279): what is left must stand


def test_a_resting_order_fills_half_way_to_initial_margin():
    world = account(own=1_100)
    world.ok(cmd.Reserve("trader", "bid", "ETH", 10))
    world.price(ETH=98)
    # 900 does not cover 10 % of 110 lots (1,078), but 7.5 % (808.5)
    world.no(cmd.Trade("ETH", 10, 98, "trader", "maker"), Reason.INITIAL_MARGIN)
    world.ok(cmd.Trade("ETH", 10, 98, "trader", "maker", taker_order="bid"))
