"""What a subaccount short of initial margin may still do where positions may only shrink, and when leverage binds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from clearing.world import PPM, TEN_FIVE, World
from ringfence.clearing import command as cmd
from ringfence.clearing.decide import decide
from ringfence.clearing.model import QUOTE
from ringfence.clearing.policy import Policy, Solvency, Tier, Tiered
from ringfence.clearing.reducing import is_free
from ringfence.clearing.set_rules import DebtMargin
from ringfence.clearing.verdict import Accepted, Reason

STRICT = Policy(under_margin="strict_reduce")


def short_of_margin(policy):
    """`trader` is long 60 ETH and short 30 SOL from 100 with 1,000, and ETH fell to 90: equity 400, which asks 840."""
    world = World(policy)
    world.open("trader", 1_000)
    world.open("maker", 100_000)
    world.trade("ETH", 60, "trader", "maker")
    world.trade("SOL", -30, "trader", "maker")
    world.price(ETH=90)
    return world


@pytest.mark.parametrize("policy", [Policy(), STRICT])
def test_a_position_may_shrink_at_the_mark(policy):
    world = short_of_margin(policy)
    world.trade("ETH", -20, "trader", "maker")
    world.trade("SOL", 30, "trader", "maker")


@pytest.mark.parametrize("policy", [Policy(), STRICT])
def test_not_at_a_price_that_makes_it_riskier(policy):
    # 400 over 420 of maintenance margin; a sale of 1 lot at 80 leaves 390 over 415.5
    short_of_margin(policy).no(cmd.Trade("ETH", -1, 80, "trader", "maker"), Reason.INITIAL_MARGIN)


def test_a_position_may_turn_where_only_the_ratio_counts():
    # from 60 long to 50 short: maintenance margin falls from 270 to 225
    short_of_margin(Policy()).trade("ETH", -110, "trader", "maker")


def test_not_where_it_may_only_shrink():
    world = short_of_margin(STRICT)
    world.no(cmd.Trade("ETH", -110, 90, "trader", "maker"), Reason.INITIAL_MARGIN)
    world.trade("ETH", -60, "trader", "maker")


def test_it_may_turn_if_it_ends_with_enough():
    # 5 lots short ask 45 beside the 300 of SOL: 400 is enough, whatever was held before
    short_of_margin(STRICT).trade("ETH", -65, "trader", "maker")


def test_a_new_market_is_no_shrinking():
    world = short_of_margin(STRICT)
    world.ok(cmd.Reserve("trader", "close", "ETH", -60))
    world.no(cmd.Trade("ARB", 1, 100, "trader", "maker"), Reason.INITIAL_MARGIN)


def taking_over(policy):
    """At 95, `trader` is worth 700 and asks 870; `victim`, short 110 from 90 with 990, is worth 440 and asks 522.5."""
    world = short_of_margin(policy)
    world.open("victim", 990)
    world.trade("ETH", -110, "victim", "maker")
    world.price(ETH=95)
    return world, cmd.Liquidate("victim", "ETH", 110, 95, "trader")


def test_who_takes_a_position_over_may_turn_where_only_the_ratio_counts():
    # 50 lots short ask 237.5 to maintain beside the 150 of SOL, where 60 long asked 285
    world, command = taking_over(Policy())
    world.ok(command)
    assert world.venue.subaccounts["trader"].positions["ETH"].size_b == -50


def test_who_takes_a_position_over_must_shrink_as_well():
    # 50 lots short ask 475 + 300 initial margin: more than 700
    world, command = taking_over(STRICT)
    world.no(command, Reason.BACKSTOP_CAPACITY)


def test_a_transfer_may_help_a_subaccount_that_stays_short():
    world = short_of_margin(STRICT)
    world.open("trader.rich", 1_000, account="trader")
    world.ok(cmd.TransferMargin("trader.rich", "trader", QUOTE, 10))
    assert world.equity("trader") == 410


# --- when a chosen leverage binds -------------------------------------------------------------------------------------

TWO_TIERS = Tiered((Tier(0, 50, 25, 0), Tier(5_000, 100, 50, 125_000)), 1_000)
"""20x below 5,000, 10x from there on; half of it to maintain."""


def geared(checked):
    """`trader` chose 20x and is long 49 ETH at 100, just below the tier of 10x."""
    world = World(requirement=TWO_TIERS, leverage_checked=checked)
    world.open("trader", 1_000)
    world.open("maker", 100_000)
    world.ok(cmd.SetLeverage("trader", "ETH", 20))
    world.trade("ETH", 49, "trader", "maker")
    return world


@pytest.mark.parametrize(("checked", "initial"), [("always", 588), ("opening", 294)])
def test_a_position_that_grew_into_a_tier_by_price(checked, initial):
    world = geared(checked)
    world.price(ETH=120)
    # 5,880: at 10x or, where leverage is checked on opening, at the 20x that was chosen
    assert world.risk("trader").initial_q == initial


def test_the_chosen_leverage_still_counts_far_into_a_tier():
    world = geared("opening")
    world.price(ETH=400)
    # 19,600 at 20x is 980, above the 855 (5 % less 125) of maintenance
    assert world.risk("trader").initial_q == 980


def test_the_tier_binds_when_the_position_grows():
    world = geared("opening")
    world.no(cmd.Trade("ETH", 1, 100, "trader", "maker"), Reason.LEVERAGE_TOO_HIGH)
    world.no(cmd.Reserve("trader", "bid", "ETH", 1), Reason.LEVERAGE_TOO_HIGH)
    world.price(ETH=120)
    world.trade("ETH", -9, "trader", "maker")
    world.no(cmd.Trade("ETH", -90, 120, "trader", "maker"), Reason.LEVERAGE_TOO_HIGH)
    world.ok(cmd.SetLeverage("trader", "ETH", 10))
    world.trade("ETH", 5, "trader", "maker")


def test_elsewhere_margin_simply_rises():
    geared("always").trade("ETH", 1, "trader", "maker")


# --- lots that are closed against liquidity ---------------------------------------------------------------------------

FREE = Policy(under_margin="free_reduce", taker_fee_ppm=1_000)


def insolvent(policy=FREE, second="SOL", requirement=TEN_FIVE):
    """`trader` is long 60 ETH and 10 of another market from 100 with 720; 7 went to fees, and ETH fell to 88."""
    world = World(policy, requirement)
    world.open("trader", 720)
    world.trade("ETH", 60, "trader", "market/ETH")
    world.trade(second, 10, "trader", f"market/{second}")
    world.price(ETH=88)
    assert world.equity("trader") == -7
    return world


def sale(size_b, market="ETH", price=88, maker="market/ETH"):
    return cmd.Trade(market, -size_b, price, "trader", maker)


def test_who_is_insolvent_may_close_lots_that_free_more_than_they_cost():
    # 60 lots are worth 5,280: the fee of 6 is less than the 264 of maintenance margin that they free
    world = insolvent()
    before = world.risk("trader")
    world.ok(sale(60))
    assert world.equity("trader") == -13
    assert world.risk("trader").surplus_q == before.surplus_q - 6 + 264


@pytest.mark.parametrize("policy", [Policy(taker_fee_ppm=1_000), replace(FREE, under_margin="strict_reduce")])
def test_elsewhere_that_makes_it_riskier(policy):
    insolvent(policy).no(sale(1), Reason.INITIAL_MARGIN)


def test_the_last_position_is_not_closed_into_a_debt():
    world = insolvent()
    world.ok(sale(10, "SOL", 100, "market/SOL"))
    world.ok(sale(59))
    world.no(sale(1), Reason.INITIAL_MARGIN)


def test_nor_against_a_trader():
    world = insolvent()
    world.open("friend", 100_000)
    world.no(sale(60, maker="friend"), Reason.INITIAL_MARGIN)


def test_nor_by_whoever_could_leave_the_loss_to_another_pool():
    insolvent(second="ARB").no(sale(60), Reason.INITIAL_MARGIN)


def test_nor_beyond_zero():
    insolvent().no(sale(61), Reason.INITIAL_MARGIN)


def test_nor_more_of_it():
    insolvent().no(sale(-1), Reason.INITIAL_MARGIN)


@pytest.mark.parametrize(("price", "reason"), [(84, None), (83, Reason.INITIAL_MARGIN)])
def test_a_price_may_cost_as_much_maintenance_margin_as_it_frees(price, reason):
    # A lot frees 4.4 of maintenance margin; 60 of them 264. At 84 they cost 240 and a fee of 6, at 83 300 and 5.
    world = insolvent()
    world.no(sale(60, price=price), reason) if reason else world.ok(sale(60, price=price))


def test_only_the_funding_of_the_position_is_booked():
    world = insolvent()
    for market in ("ETH", "SOL"):
        world.ok(cmd.AccrueFunding(market, 10_000))
    equity_q = world.equity("trader")
    world.ok(sale(1))
    positions = world.venue.subaccounts["trader"].positions
    assert [each.funding_index != 0 for each in positions.values()] == [True, False]
    assert world.equity("trader") == equity_q - 1
    world.ok(cmd.Deposit("trader", QUOTE, 1_000))
    world.trade("SOL", 1, "trader", "market/SOL")
    assert world.venue.subaccounts["trader"].positions["SOL"].funding_index != 0


@pytest.mark.parametrize("together", [{"account_gating": "maintenance"}, {"set_rule": DebtMargin(1, 10)}])
def test_a_venue_that_asks_positions_together_looks_at_all_of_them(together):
    insolvent(replace(FREE, **together)).no(sale(60), Reason.INITIAL_MARGIN)


def test_nor_where_liquidity_caps_what_it_pays():
    world = insolvent()
    world.venue.markets["ETH"].solvency = Solvency(PPM, PPM, PPM)
    world.no(sale(60), Reason.INITIAL_MARGIN)


lots = st.integers(-60, 60).filter(bool)
pairs = st.tuples(lots, lots)


@given(
    held=pairs,
    marks=st.tuples(st.integers(60, 140), st.integers(60, 140)),
    rates_ppm=st.tuples(*[st.integers(-30_000, 30_000)] * 2),
    part=st.integers(1, 60),
    price=st.integers(50, 150),
    fee_ppm=st.sampled_from((0, 1_000, 60_000)),
)
def test_a_fill_that_is_judged_alone_never_lowers_the_surplus(held, marks, rates_ppm, part, price, fee_ppm):
    """The proof in `clearing.reducing`, tried to the atom; what is not judged alone is judged as elsewhere."""
    world = World(replace(FREE, taker_fee_ppm=fee_ppm))
    world.open("trader", 1_200 + 120 * fee_ppm // 10_000)
    for market, size_b in zip(("ETH", "SOL"), held, strict=True):
        world.trade(market, size_b, "trader", f"market/{market}")
    world.price(ETH=marks[0], SOL=marks[1])
    for market, rate_ppm in zip(("ETH", "SOL"), rates_ppm, strict=True):
        world.ok(cmd.AccrueFunding(market, rate_ppm))
    size_b = -min(part, abs(held[0])) * (1 if held[0] > 0 else -1)
    command, venue = cmd.Trade("ETH", size_b, price, "trader", "market/ETH"), world.venue
    fee_q = -(abs(size_b) * price * fee_ppm // -PPM)
    trader, liquidity = venue.subaccounts["trader"], venue.subaccounts["market/ETH"]
    alone = is_free(venue, trader, liquidity, venue.markets["ETH"], size_b, -size_b * price - fee_q)
    elsewhere = decide(replace(venue, policy=replace(venue.policy, under_margin="ratio")), command)
    surplus_q = world.risk("trader").surplus_q
    verdict = world.house.submit(command)
    if alone:
        assert isinstance(verdict, Accepted)
        assert world.risk("trader").surplus_q >= surplus_q
    else:
        assert verdict == elsewhere
