"""Below liquidation: insurance fund, deleveraging, socialized loss, bad debt; one named step at a time."""

import pytest

from clearing.world import World, deleveraging, found, liquidation, moved
from ringfence.clearing import command as cmd
from ringfence.clearing import event as ev
from ringfence.clearing.model import QUOTE
from ringfence.clearing.policy import Deleveraging, Policy
from ringfence.clearing.verdict import Reason

ALL_OR_NOTHING = Policy(insurance="all_or_nothing")


def crashed(policy=None, *, fund=0, winners=(60, 40), mark=85):
    """`loser` is long 100 ETH from 100 with 1,000; `winner.1` and so on are short the other side with 1,000 each."""
    world = World(policy)
    world.open("loser", 1_000)
    for number, lots in enumerate(winners, 1):
        world.open(f"winner.{number}", 1_000)
        world.trade("ETH", lots, "loser", f"winner.{number}")
    if fund:
        world.fund(fund)
    world.price(ETH=mark)
    return world


# --- insurance --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [Policy(), ALL_OR_NOTHING])
def test_a_sufficient_fund_pays_the_whole_loss(policy):
    world = crashed(policy, fund=500)
    assert world.resolve() == ["Liquidate"]
    assert (world.equity("loser"), world.venue.fund_q("main"), world.venue.debt_q("main")) == (0, 0, 0)


def test_a_continuous_fund_pays_as_far_as_it_reaches_and_improves_the_bankruptcy_price():
    world = crashed(fund=200)
    assert world.resolve() == ["DrawInsurance", "Deleverage"]
    # 300 of the 500 are left: the winners buy 100 lots for 8,800 instead of 8,500, 3 a lot
    assert (world.equity("winner.1"), world.equity("winner.2")) == (1_000 + 900 - 180, 1_000 + 600 - 120)
    assert (world.equity("loser"), world.venue.fund_q("main")) == (0, 0)


def test_a_continuous_fund_pays_its_last_atom():
    world = crashed(fund=1)
    world.ok(cmd.DrawInsurance("main", "loser", "ETH"))
    assert (world.equity("loser"), world.venue.fund_q("main")) == (-499, 0)


def test_an_all_or_nothing_fund_that_is_too_small_keeps_its_money():
    world = crashed(ALL_OR_NOTHING, fund=499)
    assert world.resolve() == ["Deleverage"]
    assert world.venue.fund_q("main") == 499
    # 5 a lot
    assert (world.equity("winner.1"), world.equity("winner.2")) == (1_000 + 900 - 300, 1_000 + 600 - 200)


def test_the_fund_pays_old_bad_debt_first_thing():
    world = crashed(Policy(waterfall=("insurance",)))
    world.no(cmd.Liquidate("loser", "ETH"), Reason.INSURANCE_TOO_SMALL)
    world.ok(cmd.ChangePolicy(Policy(waterfall=("insurance", "socialize"))))
    world.ok(cmd.Liquidate("loser", "ETH"))
    assert world.venue.debt_q("main") == 500
    world.fund(200)
    world.ok(cmd.DrawInsurance("main"))
    assert (world.venue.debt_q("main"), world.venue.fund_q("main")) == (300, 0)
    world.fund(1_000)
    world.ok(cmd.DrawInsurance("main"))
    assert (world.venue.debt_q("main"), world.venue.fund_q("main")) == (0, 700)
    world.no(cmd.DrawInsurance("main"), Reason.NOTHING_OWED)


# --- deleveraging -----------------------------------------------------------------------------------------------------


def deleverage(world, draw=0):
    return world.ok(cmd.Deleverage("loser", "ETH", draw))


def fills(events):
    """Who was closed, and how many lots."""
    changed = found(events, ev.PositionChanged)
    return {e.subaccount: e.size_delta_b for e in changed if e.subaccount != "loser"}


def test_winners_close_at_the_bankruptcy_price():
    world = crashed()
    (done,) = found(deleverage(world), ev.Deleveraged)
    # the loser breaks even at 90; the mark is 85: winners give up 5 a lot
    assert (done.size_b, done.loss_q, done.winners) == (100, 500, 2)
    assert (world.equity("loser"), world.equity("winner.1"), world.equity("winner.2")) == (0, 1_600, 1_400)
    assert world.venue.markets["ETH"].open_interest_b == 0


def test_a_winner_s_child_hands_the_proceeds_to_its_parent():
    world = World()
    world.open("loser", 1_000)
    world.open("winner", 1_000)
    world.open("winner.eth", parent="winner")
    world.trade("ETH", -100, "winner.eth", "loser")
    world.price(ETH=85)
    deleverage(world)
    assert world.equity("winner") == 1_000 + 1_500 - 500


def test_ranked_takes_the_most_profitable_and_most_leveraged_first():
    world = crashed(winners=(60, 40))
    world.open("rich", 100_000)
    world.price(ETH=100)
    world.trade("ETH", -100, "rich", "winner.1")  # winner.1 is flat now, 40 of winner.1's lots turned long
    world.price(ETH=85)
    events = deleverage(world)
    assert fills(events) == {"winner.2": 40, "rich": 60}


def test_cyclic_starts_at_the_draw_and_takes_losers_too():
    world = crashed(deleveraging(policy="cyclic"), winners=(50, 30, 20))
    world.open("late", 10_000)
    world.trade("ETH", 30, "winner.1", "late")  # short from 85: no profit
    order = ["late", "winner.1", "winner.2", "winner.3"]  # by name: lots 30, 20, 30, 20
    assert fills(deleverage(world, draw=2)) == {"winner.2": 30, "winner.3": 20, "late": 30, "winner.1": 20}
    assert sorted(order) == order


def test_cyclic_looks_only_so_far():
    world = crashed(deleveraging(policy="cyclic", scan_max=1), winners=(50, 30, 20))
    assert fills(deleverage(world, draw=4)) == {"winner.2": 30}  # 4 modulo 3
    assert world.lots("loser") == 70


def with_a_late_short():
    """`late` took 6 lots of the short side at 85 with 90, so that the loser's bankruptcy price of 90 is no harm."""
    world = crashed(deleveraging(policy="cyclic"))
    world.open("late", 90)
    world.trade("ETH", 6, "winner.1", "late")
    return world


def test_a_counterparty_may_lose_as_far_as_its_own_bankruptcy_price():
    world = with_a_late_short()
    assert fills(deleverage(world)) == {"late": 6, "winner.1": 54, "winner.2": 40}
    assert world.equity("late") == 60


def test_one_whose_own_bankruptcy_price_does_not_overlap_is_passed_over():
    world = with_a_late_short()
    world.trade("SOL", 3, "winner.2", "late")
    world.price(
        SOL=120
    )  # late: 30 left; ETH's share of it is 26 of 44, so 17.7 over 6 lots: bankrupt at 87.9
    assert fills(deleverage(world)) == {"winner.1": 54, "winner.2": 40}
    assert world.lots("loser") == 6  # the unfilled remainder: nobody can be closed against it any more
    world.ok(cmd.Liquidate("loser", "ETH"))
    assert (world.equity("loser"), world.venue.debt_q("main")) == (0, 6 * 5)


@pytest.mark.parametrize(
    ("rule", "kept", "debt"),
    [
        ("bankruptcy", 0, 0),
        ("mark", 0, 500),  # at the mark the winners lose nothing and the whole loss is bad debt
        ("previous_mark", 200, 0),  # at 92 the loser even keeps 2 a lot
    ],
)
def test_transfer_price(rule, kept, debt):
    world = crashed(deleveraging(price=rule), mark=92)
    world.price(ETH=85)
    deleverage(world)
    assert world.lots("loser") == 0
    assert (world.equity("loser"), world.venue.debt_q("main")) == (kept, debt)
    total = sum(world.equity(name) for name in ("loser", "winner.1", "winner.2"))
    assert total == 3_000 + debt


def test_what_a_child_keeps_after_a_deleveraging_goes_back_to_its_parent():
    world = World(deleveraging(price="previous_mark"))
    world.open("loser", 1_000)
    world.open("winner", 1_000)
    world.open("loser.eth", parent="loser")
    world.trade("ETH", 100, "loser.eth", "winner")
    world.price(ETH=92)
    world.price(ETH=85)
    world.ok(cmd.Deleverage("loser.eth", "ETH"))
    assert (world.equity("loser"), world.equity("loser.eth")) == (200, 0)


def test_pro_rata_takes_profit_in_proportion_and_keeps_the_winners_lots():
    world = crashed(deleveraging(policy="pro_rata"))
    events = deleverage(world)
    # profits 900 and 600 pay 500
    assert moved(events, "profit_haircut") == [
        ("sub/winner.1", "sub/loser", 300),
        ("sub/winner.2", "sub/loser", 200),
    ]
    assert (world.lots("winner.1"), world.lots("winner.2"), world.lots("market/ETH")) == (-60, -40, 100)
    assert (world.equity("loser"), world.venue.debt_q("main")) == (0, 0)


def test_pro_rata_never_takes_more_than_profit_and_leaves_the_rest_as_bad_debt():
    world = crashed(deleveraging(policy="pro_rata"))
    world.open("late", 10_000)
    world.price(ETH=86)
    world.trade("ETH", 60, "winner.1", "late")
    world.trade("ETH", 40, "winner.2", "late")  # the profits are taken out; late has 1 a lot of its own
    world.price(ETH=85)
    events = deleverage(world)
    assert moved(events, "profit_haircut") == [("sub/late", "sub/loser", 100)]
    assert world.venue.debt_q("main") == 400


def test_the_same_profit_is_not_taken_twice():
    world = crashed(deleveraging(policy="pro_rata"), winners=(100,))
    world.ok(cmd.Deposit("winner.1", QUOTE, 10_000))  # what else the winner owns is not at stake
    taken = []
    for name in ("second", "third"):
        world.price(ETH=100)
        world.trade("ETH", 100, world.open(name, 1_000), "market/ETH")
    world.price(ETH=85)
    for name in ("loser", "second", "third"):
        taken += moved(world.ok(cmd.Deleverage(name, "ETH")), "profit_haircut")
    assert [amount for _, _, amount in taken] == [500, 500, 500]  # the whole profit of 15 a lot
    world.price(ETH=100)
    world.trade("ETH", 100, world.open("fourth", 1_000), "market/ETH")
    world.price(ETH=85)
    world.no(cmd.Deleverage("fourth", "ETH"), Reason.NO_COUNTERPARTY)


def test_a_winner_without_profit_is_left_alone():
    world = crashed(winners=(100,))
    world.open("even", 10_000)
    world.trade("ETH", 40, "winner.1", "even")  # at the mark
    assert fills(deleverage(world)) == {"winner.1": 60}


def test_only_so_many_deleveragings_in_one_block():
    world = crashed(liquidation(block_deleveragings=2), winners=(100,))
    for name in ("second", "third"):
        world.price(ETH=100)
        world.trade("ETH", 50, world.open(name, 500), world.open(f"against.{name}", 1_000))
    world.price(ETH=85)
    for name in ("loser", "second"):
        world.ok(cmd.Deleverage(name, "ETH"))
    world.no(cmd.Deleverage("third", "ETH"), Reason.BLOCK_LIMIT)
    world.price()
    world.ok(cmd.Deleverage("third", "ETH"))


def test_nobody_in_profit_nobody_to_deleverage():
    world = crashed(winners=(100,))
    world.trade("ETH", 100, "winner.1", "market/ETH")
    world.no(cmd.Deleverage("loser", "ETH"), Reason.NO_COUNTERPARTY)


def test_an_insolvency_seen_closes_withdrawals_of_its_pool_for_a_while():
    world = crashed(Policy(withdrawal_gate_blocks=2), winners=(100,))
    world.open("bystander", 1_000)
    world.open("elsewhere", 1_000)
    world.trade("SOL", 1, "bystander", "market/SOL")
    world.trade("ARB", 1, "elsewhere", "market/ARB")
    world.trade("ETH", 100, "winner.1", "market/ETH")
    deleverage(world)  # closes nothing, but the insolvency is seen
    world.no(cmd.Withdraw("bystander", QUOTE, 1), Reason.WITHDRAWALS_GATED)
    world.ok(cmd.Withdraw("elsewhere", QUOTE, 1))
    world.price(blocks=2)
    world.ok(cmd.Withdraw("bystander", QUOTE, 1))


def test_bad_debt_arises_only_where_nobody_can_be_closed():
    world = crashed(winners=(100,))
    world.no(cmd.Liquidate("loser", "ETH"), Reason.INSURANCE_TOO_SMALL)  # the winner comes first
    world.trade("ETH", 100, "winner.1", "market/ETH")
    (done,) = found(world.ok(cmd.Liquidate("loser", "ETH")), ev.Liquidated)
    assert (done.loss_q, world.venue.debt_q("main"), world.equity("loser")) == (500, 500, 0)


def test_deleveraging_of_a_cross_loser_takes_its_share_of_the_loss_only():
    world = World()
    world.open("loser", 1_000)
    world.open("winner", 10_000)
    world.trade("ETH", 50, "loser", "winner")
    world.trade("SOL", 50, "loser", "winner")
    world.price(ETH=80, SOL=80)  # -1,000; half of it is ETH's
    deleverage(world)
    assert (world.equity("loser"), world.equity("winner")) == (-500, 10_000 + 2_000 - 500)
    assert world.resolve() == ["Deleverage"]
    assert world.equity("loser") == 0


# --- socialized loss --------------------------------------------------------------------------------------------------


def test_bad_debt_is_spread_by_equity_over_those_exposed_to_the_pool():
    world = crashed(Policy(waterfall=("insurance", "socialize")), winners=(100,))
    world.open("elsewhere", 100_000)
    world.open("idle", 100_000)
    world.open("bystander", 7_500)
    world.trade("SOL", 1, "bystander", "market/SOL")
    world.trade("ARB", 1, "elsewhere", "market/ARB")
    world.ok(cmd.Liquidate("loser", "ETH"))
    events = world.ok(cmd.Socialize("main"))
    # equities 7,500 and 2,500: 375 and 125
    assert moved(events, "socialized_loss") == [
        ("sub/bystander", "debt/main", 375),
        ("sub/winner.1", "debt/main", 125),
    ]
    assert world.venue.debt_q("main") == 0


def test_socializing_stops_at_what_there_is():
    world = crashed(Policy(waterfall=("socialize",)), winners=(100,))
    world.open("last", 200)
    world.trade("ETH", 1, "last", "market/ETH")
    world.trade("ETH", 100, "winner.1", "market/ETH")
    world.ok(cmd.Liquidate("loser", "ETH"))
    world.ok(cmd.Socialize("main"))
    assert (world.equity("last"), world.venue.debt_q("main")) == (0, 300)


def test_a_single_atom_of_bad_debt_is_socialized_too():
    world = crashed(Policy(waterfall=("socialize",)), winners=(100,), mark=90)
    world.ok(cmd.AccrueFunding("ETH", 20))  # 0.0018 a lot, rounded up to an atom: equity -1
    world.ok(cmd.Liquidate("loser", "ETH"))
    assert world.venue.debt_q("main") == 1
    world.ok(cmd.Socialize("main"))
    assert world.venue.debt_q("main") == 0


def test_a_venue_without_insurance_never_draws_it():
    world = crashed(Policy(waterfall=("socialize",)), fund=1_000)
    world.ok(cmd.Liquidate("loser", "ETH"))
    assert (world.venue.fund_q("main"), world.venue.debt_q("main")) == (1_000, 500)
    assert world.resolve() == ["Socialize"]


def test_money_is_conserved_through_the_whole_waterfall():
    policy = Policy(deleveraging=Deleveraging(policy="pro_rata"))
    world = crashed(policy, fund=100)
    world.open("late", 10_000)
    world.trade("ETH", 60, "winner.1", "late")
    world.trade("ETH", 40, "winner.2", "late")
    world.price(ETH=84)
    # loss 600: the fund pays 100, late's profit 100, and late's equity the rest
    assert world.resolve() == ["DrawInsurance", "Deleverage", "Socialize"]
    assert world.equity("late") == 10_000 + 100 - 500
    names = ("loser", "winner.1", "winner.2", "late", "market/ETH")
    assert sum(world.equity(name) for name in names) == 1_000 * 3 + 10_000 + 100
