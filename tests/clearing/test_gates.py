"""When collateral may not leave: after an outage, and from behind a position whose margin is locked."""

import pytest

from clearing.world import World, moved
from ringfence.clearing import command as cmd
from ringfence.clearing.model import QUOTE
from ringfence.clearing.policy import Policy
from ringfence.clearing.solve import max_withdrawal, removable_margin_q
from ringfence.clearing.verdict import Reason

FIVE_MINUTES = 300_000
GATED = Policy(withdrawal_gate_blocks=50, outage_ms=FIVE_MINUTES)


def after(milliseconds, policy=GATED):
    """A world whose next block comes so much later."""
    world = World(policy)
    world.open("trader", 1_000)
    world.open("trader.two", 1_000, account="trader")
    world.block += 1
    world.ok(cmd.SetPrices(world.venue.time_ms + milliseconds, world.block, {}))
    return world


@pytest.mark.parametrize(("gap", "closed"), [(FIVE_MINUTES - 1, False), (FIVE_MINUTES, True)])
def test_five_minutes_without_a_block_close_withdrawals(gap, closed):
    world = after(gap)
    for command in (cmd.Withdraw("trader", QUOTE, 1), cmd.TransferMargin("trader", "trader.two", QUOTE, 1)):
        if closed:
            world.no(command, Reason.WITHDRAWALS_GATED)
        else:
            world.ok(command)


def test_they_open_again_fifty_blocks_later():
    world = after(FIVE_MINUTES)
    seen, now = world.block, world.venue.time_ms
    world.ok(cmd.SetPrices(now, seen + 49, {}))
    world.no(cmd.Withdraw("trader", QUOTE, 1), Reason.WITHDRAWALS_GATED)
    world.ok(cmd.SetPrices(now, seen + 50, {}))
    world.ok(cmd.Withdraw("trader", QUOTE, 1))


def test_deposits_and_trades_go_on():
    world = after(FIVE_MINUTES)
    world.ok(cmd.Deposit("trader", QUOTE, 1))
    world.trade("ETH", 10, "trader", "trader.two")


def test_the_first_block_is_no_outage():
    world = World(GATED)
    assert world.venue.gated_until_block == 0


def test_a_venue_without_the_rule_does_not_care():
    after(10 * FIVE_MINUTES, Policy(withdrawal_gate_blocks=50)).ok(cmd.Withdraw("trader", QUOTE, 1))


# --- locked margin ----------------------------------------------------------------------------------------------------


@pytest.fixture
def strict():
    """`trader.eth` is long 40 ETH from 100 with 400 from its parent, which has 600 left; margin of ETH is locked."""
    world = World()
    world.venue.markets["ETH"].margin_locked = True
    world.open("trader", 1_000)
    world.open("maker", 100_000)
    world.open("trader.eth", parent="trader")
    world.trade("ETH", 40, "trader.eth", "maker")
    return world


def test_locked_margin_cannot_be_taken_out(strict):
    strict.price(ETH=120)
    assert strict.risk("trader.eth").free_q > 700
    strict.no(cmd.Withdraw("trader.eth", QUOTE, 1), Reason.MARGIN_LOCKED)
    strict.no(cmd.TransferMargin("trader.eth", "trader", QUOTE, 1), Reason.MARGIN_LOCKED)
    assert max_withdrawal(strict.venue, "trader.eth") == 0
    assert removable_margin_q(strict.venue, "trader.eth", "trader") == 0


def test_it_can_be_added(strict):
    strict.ok(cmd.TransferMargin("trader", "trader.eth", QUOTE, 100))
    assert strict.equity("trader.eth") == 500


def test_it_comes_back_in_proportion(strict):
    strict.ok(cmd.TransferMargin("trader", "trader.eth", QUOTE, 200))
    events = strict.trade("ETH", -10, "trader.eth", "maker")
    # a quarter of 600; the rest has 450 for 30 lots, which ask 300
    assert moved(events, "margin_returned") == [("sub/trader.eth", "sub/trader", 150)]
    assert (strict.equity("trader.eth"), strict.equity("trader")) == (450, 550)


def test_profit_comes_back_with_it(strict):
    strict.price(ETH=110)
    events = strict.trade("ETH", -20, "trader.eth", "maker")
    # half of 400 and of 400 unrealized
    assert moved(events, "margin_returned") == [("sub/trader.eth", "sub/trader", 400)]


def test_only_what_can_be_spared_comes_back(strict):
    strict.price(ETH=96)
    events = strict.trade("ETH", -20, "trader.eth", "maker")
    # equity 240, half of it 120; 20 lots at 96 ask 192, so 48 can be spared
    assert moved(events, "margin_returned") == [("sub/trader.eth", "sub/trader", 48)]


def test_nothing_comes_back_from_a_position_that_turns_or_grows(strict):
    assert moved(strict.trade("ETH", 1, "trader.eth", "maker"), "margin_returned") == []
    strict.ok(cmd.TransferMargin("trader", "trader.eth", QUOTE, 100))
    assert moved(strict.trade("ETH", -51, "trader.eth", "maker"), "margin_returned") == []


def test_a_closed_position_gives_back_all(strict):
    strict.trade("ETH", -40, "trader.eth", "maker")
    assert (strict.equity("trader.eth"), strict.equity("trader")) == (0, 1_000)


def test_margin_of_other_markets_is_free(strict):
    strict.open("trader.sol", parent="trader")
    strict.trade("SOL", 10, "trader.sol", "maker")
    strict.price(SOL=120)
    strict.ok(cmd.TransferMargin("trader.sol", "trader", QUOTE, 1))
