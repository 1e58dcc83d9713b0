"""What keepers are paid and how much they may close."""

from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ringfence.rules import keeper as rule
from rules.edges import natural, positive, signed, wad

pytestmark = pytest.mark.fuzz


@pytest.mark.parametrize(
    ("size", "price", "rate", "least", "most", "fee"),
    [
        (2, 500, "0.0035", 20, 1000, 20),  # 3.5 is below the least
        (2, 500, "0.0035", 1, 1000, "3.5"),
        (2, 1500, "0.0035", 1, 1000, "10.5"),
        (2, 1500, "0.02", 30, 1000, 60),
        (200, 500, "0.0035", 20, 1000, 350),
        (200, 500, "0.0035", 20, 100, 100),
        (200, 1500, "0.0035", 20, 2000, 1050),
        (2, 500, "0.0035", 20, 10, 20),  # a floor above the cap wins
    ],
)
def test_clamped_fee(size, price, rate, least, most, fee):
    """Synthetix v2, PerpsV2Market.js:6015-6105."""
    assert rule.clamped_fee_wad(wad(size * price), *map(wad, (rate, least, most))) == wad(fee)


@pytest.mark.parametrize(
    ("price", "buffer", "fee", "keeper_fee", "margin"),
    [
        (1000, "0.0025", 20, 0, 25),
        (1000, "0.0025", 7, 0, 12),
        (1500, "0.0025", "10.5", 0, 18),
        (1500, "0.0025", 60, 0, "67.5"),
        (1500, "0.03", 60, 0, 150),
        (1500, "0.03", 60, 2, 152),  # the keeper who closes is paid as well
    ],
)
def test_liquidation_margin_of_a_size_of_two(price, buffer, fee, keeper_fee, margin):
    """Synthetix v2, PerpsV2Market.js:6260-6310."""
    assert rule.liquidation_margin_wad(wad(2 * price), *map(wad, (buffer, fee, keeper_fee))) == wad(margin)


@pytest.mark.parametrize(
    ("size", "skew", "anyone"),
    [(79, 159, True), (-79, -159, True), (80, 159, False), (79, 160, False), (79, -160, False)],
)
def test_anyone_may_close_what_is_small_in_an_even_market(size, skew, anyone):
    # limits of 0.0008 and 0.0016 of 100,000, both strict
    limits = map(wad, (100_000, "0.0008", "0.0016"))
    assert rule.closes_alone(wad(size), wad(skew), *limits) is anyone


@pytest.mark.parametrize(
    ("reward", "least_profit", "cap", "paid"),
    [
        (0, 1, wad(10), 8_932),  # 8,888 x 1.005, cut off
        (0, 10_000, 100_000, 18_888),
        (0, 1, 100, 100),
        (wad(5), 1, wad(10), wad(5) + 8_888),
        (wad(5), wad(8), wad(10), wad(8) + 8_888),
        (wad(5), wad(1), wad(3), wad(3)),
    ],
)
def test_keeper_reward_between_its_caps(reward, least_profit, cap, paid):
    """Synthetix v3, KeeperRewards.Caps.test.ts:81-135: cost 3,333 + 5,555 wei, collateral 10,000 USD, ratios 0.005."""
    least = rule.least_reward_wad(8_888, least_profit, wad("0.005"))
    most = rule.most_reward_wad(wad(10_000), wad("0.005"), cap)
    assert rule.keeper_reward_wad(reward, 8_888, least, most) == paid


def test_a_share_of_the_collateral_caps_a_reward_until_it_was_seized():
    assert rule.most_reward_wad(wad(10), wad("0.3"), wad(30)) == wad(3)
    assert rule.most_reward_wad(wad(1000), wad("0.3"), wad(30)) == wad(30)
    assert rule.most_reward_wad(0, wad("0.3"), wad(30)) == wad(30)


def test_flagging_pays_a_share_of_the_collateral_where_that_is_more():
    assert rule.flag_reward_wad(wad(5), wad(10_000), wad("0.0003")) == wad(5)
    assert rule.flag_reward_wad(wad(2), wad(10_000), wad("0.0003")) == wad(3)


TERMS = {
    "positions": wad(7),
    "collateral": wad(10_000),
    "collateral_rate": wad("0.0003"),
    "flag_cost": wad("0.4"),
    "window_cost": wad("0.2"),
    "profit": wad("0.3"),
    "profit_rate": wad("0.9"),
    "scaling": wad("0.3"),
    "cap": wad(30),
    "windows": 3,
}


def account_reward(terms):
    """The whole reward of an account, as `getPossibleLiquidationReward` puts it together."""
    cost = terms["flag_cost"] + terms["window_cost"]

    def bounded(reward, cost, collateral):
        least = rule.least_reward_wad(cost, terms["profit"], terms["profit_rate"])
        most = rule.most_reward_wad(collateral, terms["scaling"], terms["cap"])
        return rule.keeper_reward_wad(reward, cost, least, most)

    flagging = rule.flag_reward_wad(terms["positions"], terms["collateral"], terms["collateral_rate"])
    first = bounded(flagging, cost, terms["collateral"])
    following = bounded(0, terms["window_cost"], 0)
    return rule.account_reward_wad(first, following, terms["windows"])


def test_the_first_window_is_paid_for():
    """synthetix-v3#2330: forgetting it (7.4 + 2 x 0.5) broke no test of the venue."""
    # flagging 7 + 0.4 + 0.2 for the first window, then two windows at max(0.2 + 0.3, 0.2 x 1.9)
    assert account_reward(TERMS) == wad("8.6")


@pytest.mark.parametrize(
    ("changes", "total"),
    [
        ({"positions": wad(8)}, "9.6"),
        ({"flag_cost": wad("0.5")}, "8.7"),
        ({"window_cost": wad("0.3")}, "8.9"),  # three windows: 7.7 and twice 0.6
        ({"windows": 4}, "9.1"),
        ({"windows": 1}, "7.6"),
        ({"windows": 0}, "7.6"),  # a market without a limit closes in one go
        ({"profit": wad("0.4")}, "8.8"),
        ({"profit_rate": wad(2)}, "8.8"),  # twice 0.2 x 3
        ({"cap": wad(7)}, "8"),
        ({"scaling": wad("0.0005")}, "6"),  # 5 of the collateral; later windows know no collateral
        ({"collateral_rate": wad("0.001")}, "11.6"),
        ({"collateral": wad(30_000)}, "10.6"),
        ({"positions": 0, "collateral_rate": 0, "profit": wad(2)}, "7"),  # 2.6 and twice 2.2
    ],
)
def test_every_term_of_the_reward_counts(changes, total):
    assert account_reward(TERMS | changes) == wad(total)


@given(
    st.fixed_dictionaries(
        {name: natural(70) for name in TERMS if name != "windows"} | {"windows": st.integers(0, 20)}
    )
)
def test_a_reward_never_exceeds_its_caps(terms):
    assert 0 <= account_reward(terms) <= terms["cap"] * max(terms["windows"], 1)


def test_window_capacity():
    # (0.007 + 0.003) x 1,000 per second, for 10 seconds; the main market: 0.000501 x 12,500 x 1.5 x 30
    assert rule.window_capacity_wad(*map(wad, ("0.007", "0.003", 1000, 1)), 10) == wad(100)
    assert rule.window_capacity_wad(*map(wad, ("0.000001", "0.0005", 12_500, "1.5")), 30) == wad("281.8125")


@pytest.mark.parametrize(
    ("size", "windows"), [(0, 0), (1, 1), (100, 1), (-100, 1), (101, 2), (250, 3), (-300, 3)]
)
def test_windows_are_rounded_up(size, windows):
    assert rule.windows_of(wad(size), wad(100)) == windows
    assert rule.windows_of(wad(size), 0) == 0


def test_a_liquidation_leaves_the_window_after_its_length():
    assert rule.in_window(100, 109, 10)
    assert not rule.in_window(100, 110, 10)


@pytest.mark.parametrize(
    ("size", "used", "again", "closed"),
    [
        (150, 0, False, 100),
        (50, 100, False, 0),
        (-50, 60, False, 40),
        (50, 100, True, 50),
        (500, 100, True, 100),
        (500, 90, True, 10),  # what is left first
        (500, 130, False, 0),  # an endorsed liquidator may have used more than there was
    ],
)
def test_what_a_window_lets_through(size, used, again, closed):
    assert rule.window_size_wad(wad(size), wad(100), wad(used), again) == wad(closed)


def test_without_a_capacity_there_is_no_limit():
    assert rule.window_size_wad(wad(-150), 0, wad(70), reopens=False) == wad(150)


@pytest.mark.parametrize(("skew", "even"), [(59, True), (-59, True), (60, False), (-60, False)])
def test_a_window_opens_again_in_an_even_market(skew, even):
    assert rule.reopens(wad(skew), wad(1000), wad("0.06")) is even
    assert not rule.reopens(wad(skew), wad(1000), 0)


@given(
    st.lists(st.tuples(st.integers(0, 60), positive(90)), min_size=1, max_size=12),
    positive(90),
    st.integers(1, 30),
)
def test_no_window_ever_closes_more_than_its_capacity(calls, capacity, seconds):
    done = []
    for now, size in sorted(calls):
        used = sum(amount for then, amount in done if rule.in_window(then, now, seconds))
        done.append((now, rule.window_size_wad(size, capacity, used, reopens=False)))
    for start in range(61):
        inside = sum(amount for then, amount in done if start <= then < start + seconds)
        assert inside <= capacity


@given(signed(), positive())
def test_so_many_windows_and_no_fewer_close_a_position(size, capacity):
    assume(size)
    count = rule.windows_of(size, capacity)
    assert (count - 1) * capacity < abs(size) <= count * capacity


def test_larger_positions_never_pay_flaggers_less():
    fees = [
        rule.clamped_fee_wad(wad(worth), *map(wad, ("0.0035", 1, 1000))) for worth in (1, 10**3, 10**6, 10**9)
    ]
    assert all(low <= high for low, high in pairwise(fees))
