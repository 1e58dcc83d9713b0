"""A flow through a path: worked by hand where that is possible, properties elsewhere."""

import numpy as np
import pytest
from msgspec.structs import replace

from ringfence.clearing import ledger
from ringfence.clearing.model import Market, Scale
from ringfence.clearing.policy import Liquidation, Policy, Tier, Tiered, Window
from ringfence.clearing.resolve import Fills
from ringfence.clearing.risk import is_liquidatable
from ringfence.sim.curves import Curves
from ringfence.sim.flow import Flow, FlowAccount, Leg, TopUp
from ringfence.sim.partition import CROSS, ISOLATED, Arm, Partition, make_plan
from ringfence.sim.paths import Path
from ringfence.sim.world import SHARED_POOL, Ring, World, empty_venue, enter, snapshot, start

USD = 1_000_000
TABLE = Tiered(
    (Tier(0, 100_000, 50_000, 0), Tier(20_000 * USD, 200_000, 100_000, 20_000 * USD * 50_000)), 1_000_000
)
"""10x and 5 % maintenance, from 20,000 USD on 5x and 10 % on what lies above."""


def market(name: str) -> Market:
    """Lots of 0.01, prices in cents: one lot at one cent is worth 100 quote atoms."""
    return Market(name, Scale(100, 1), TABLE, "main", base_decimals=2, price_decimals=2)


MARKETS = {name: market(name) for name in ("ARB", "ETH")}
NO_TOPUP = TopUp()
POLICY = Policy(liquidation=Liquidation(fee_ppm=0))


def path(**prices: list[float]) -> Path:
    """A path in dollars, one step an hour."""
    quanta = np.array(
        [[round(100 * price) for price in column] for column in prices.values()], dtype=np.int64
    ).T
    ts_ms = np.arange(len(quanta), dtype=np.int64) * 3_600_000
    return Path(tuple(prices), ts_ms, quanta, len(quanta) - 1)


def leg(name: str, lots: int, price: float, posted_usd: float) -> Leg:
    """A position with what its owner posts when it is isolated."""
    return Leg(name, lots, round(abs(lots) * price * USD / 100), round(posted_usd * USD), True, (0.0, 0.9))


def world(
    found: Path,
    legs: list[Leg],
    equity_usd: int,
    partition: Partition,
    arm: Arm = "c",
    *,
    fund_usd: int = 0,
    topup: TopUp = NO_TOPUP,
    slippage_ppm: int = 0,
    policy: Policy = POLICY,
    window: Window | None = None,
) -> World:
    """One trader against the balancer."""
    entry = found.at(0)
    markets = {name: replace(MARKETS[name], window=window) for name in found.markets}
    flow = Flow((FlowAccount("t", "novice", equity_usd * USD, tuple(legs)),), entry)
    plan = make_plan(flow.accounts[0], partition, arm)
    assert plan is not None
    entered = enter(flow, [plan], empty_venue(markets, policy, entry))
    curves = Curves(found, markets, policy.rounding)
    ring = Ring(per_market=False, funds_q={SHARED_POOL: fund_usd * USD})
    return start(snapshot(entered), ring, curves, (plan,), Fills(slippage_ppm), topup)


def test_isolated_loses_what_was_posted_and_cross_survives() -> None:
    # 100 ETH at 100 USD, 1,000 posted of 5,000. Maintenance is 5 %: isolated is liquidatable where
    # 1000 + 100 (p - 100) < 5 p, that is below 94.74; at 94 it sells for 9,400 and keeps 1,000 - 600 = 400.
    crash = path(ETH=[100, 97, 94, 90])
    isolated = world(crash, [leg("ETH", 10_000, 100, 1_000)], 5_000, ISOLATED)
    tally = isolated.run()
    assert [fill.notional_q for fill in tally.liquidations] == [9_400 * USD]
    assert tally.final_wealth_q["t"] == (5_000 - 600) * USD
    cross = world(crash, [leg("ETH", 10_000, 100, 1_000)], 5_000, CROSS)
    assert not cross.run().liquidations
    assert cross.tally.final_wealth_q["t"] == (5_000 - 1_000) * USD


def test_a_flagged_account_is_closed_window_by_window_whatever_the_price() -> None:
    # As above, cross: 1,000 of equity are short of 5 % at 94. A window lets 4,000 lots go in an hour.
    policy = Policy(liquidation=Liquidation(size="window"), waterfall=("counterparty",))
    window = Window(4_000, 10_000, 27_778, 3_600_000)  # 1 % of 4,000, times 0.027778, for 3,600 seconds
    there_and_back = path(ETH=[100, 94, 120, 120, 120])
    found = world(
        there_and_back, [leg("ETH", 10_000, 100, 1_000)], 1_000, CROSS, policy=policy, window=window
    )
    tally = found.run()
    assert [fill.notional_q for fill in tally.liquidations] == [
        *(lots * price * USD // 100 for lots, price in ((4_000, 94), (4_000, 120), (2_000, 120))),
    ]
    assert tally.final_wealth_q["t"] == 0


def test_a_gap_makes_bad_debt_while_the_owner_is_solvent() -> None:
    # Straight from 100 to 80: the position has lost 2,000 against 1,000 posted; 1,000 are missing, the owner has 4,000.
    gap = path(ETH=[100, 80, 80])
    found = world(gap, [leg("ETH", 10_000, 100, 1_000)], 5_000, ISOLATED, fund_usd=300)
    tally = found.run()
    assert tally.liquidations[0].loss_q == 1_000 * USD
    assert tally.liquidations[0].owner_solvent
    assert tally.final_wealth_q["t"] == 4_000 * USD
    assert tally.insurance_drawn_q[SHARED_POOL] == 300 * USD
    ledger.audit(found.venue)


def test_a_trader_tops_up_while_the_draws_allow() -> None:
    # 2,000 posted on 10,000. At 86, 600 are left (30 %): the draw 0.0 brings 1,400 in. At 72, 600 of 3,400 are left:
    # the draw 0.9 brings nothing. At 69, 300 are below maintenance (345): sold, 3,100 lost of 5,000.
    # Without top-up it is liquidatable below 84.21 and sold at 80 with nothing left: 2,000 lost.
    slide = path(ETH=[100, 90, 86, 80, 72, 69])
    legs = [leg("ETH", 10_000, 100, 2_000)]
    without = world(slide, legs, 5_000, ISOLATED).run()
    assert (without.final_wealth_q["t"], without.margin_actions) == (3_000 * USD, 0)
    topped = world(slide, legs, 5_000, ISOLATED, "e", topup=TopUp(0.5)).run()
    assert (topped.final_wealth_q["t"], topped.margin_actions, topped.margin_calls) == (1_900 * USD, 1, 2)


def test_liquidation_comes_before_a_top_up() -> None:
    # 1,000 posted: at 92.9, 290 are left, which is below maintenance (464): too late to top up.
    found = path(ETH=[100, 97, 92.9, 90])
    tally = world(found, [leg("ETH", 10_000, 100, 1_000)], 5_000, ISOLATED, "e", topup=TopUp(1.0)).run()
    assert (len(tally.liquidations), tally.margin_actions) == (1, 0)


@pytest.mark.parametrize("lots", [10_000, -10_000, 40_000, -40_000])
def test_curves_agree_with_the_exact_rule_at_every_step(lots: int) -> None:
    rng = np.random.default_rng(7)
    found = path(ETH=list(100 * np.exp(np.cumsum(rng.normal(0, 0.02, 400)))))
    curves = Curves(found, MARKETS, POLICY.rounding)
    surplus = curves.surplus(-lots * 100 * 100 + 1_500 * USD, {"ETH": lots})
    slack = curves.slack({"ETH": lots})
    entered = world(found, [leg("ETH", lots, 100, 1_000_000)], 2_000_000, CROSS).venue
    subaccount = entered.subaccounts["t"]
    subaccount.balances = {"USDC": -lots * 100 * 100 + 1_500 * USD}
    for step in range(len(found)):
        bad = is_liquidatable(entered, subaccount, found.at(step))
        if abs(surplus[step]) > slack:
            assert bad == (surplus[step] < 0), step


@pytest.mark.parametrize("lots", [10_000, -10_000, 30_000])
def test_survival_capital_is_the_least_that_survives(lots: int) -> None:
    rng = np.random.default_rng(abs(lots))
    found = path(ETH=list(100 * np.exp(np.cumsum(rng.normal(0, 0.01, 300)))))
    curves = Curves(found, MARKETS, POLICY.rounding)
    cost_q = lots * found.at(0)["ETH"] * 100
    need_q = curves.survival_q({"ETH": lots}, cost_q)
    floor_q = abs(cost_q) // 5
    for collateral_q, liquidated in ((need_q, False), (need_q - 2, True)):
        held = leg("ETH", lots, found.at(0)["ETH"] / 100, 0)
        ready = world(found, [held], 10_000_000, CROSS)
        ready.venue.subaccounts["t"].balances["USDC"] = collateral_q - cost_q
        ready.run()
        assert bool(ready.tally.liquidations) == liquidated, (need_q, floor_q)


def test_two_markets_net_in_cross_only() -> None:
    # ETH +6 %, ARB -6 %: cross loses nothing; isolated ARB (posted 1,000, trigger 94.74) is liquidated at 94.
    both = path(ETH=[100, 103, 106], ARB=[100, 97, 94])
    legs = [leg("ETH", 10_000, 100, 1_000), leg("ARB", 10_000, 100, 1_000)]
    assert not world(both, legs, 2_000, CROSS).run().liquidations
    assert [fill.market for fill in world(both, legs, 2_000, ISOLATED).run().liquidations] == ["ARB"]


def test_a_run_is_repeatable() -> None:
    rng = np.random.default_rng(3)
    found = path(ETH=list(100 * np.exp(np.cumsum(rng.normal(0, 0.02, 200)))))
    held = leg("ETH", 10_000, found.at(0)["ETH"] / 100, 2_000)
    first, second = (world(found, [held], 3_000, ISOLATED, "e", topup=TopUp(0.5)) for _ in "ab")
    assert first.run() == second.run()


def test_a_parent_that_gave_margin_away_is_watched_anew() -> None:
    # Main holds ETH, ARB stands alone. ARB's top-up takes what ETH could have survived on: ETH's trigger moves up, and
    # it is liquidated at the step at which the rule says so, not where it stood before the transfer.
    both = path(ARB=[100, 88, 86, 86, 86, 86, 86], ETH=[100, 100, 100, 97, 95, 93.5, 80])
    legs = [leg("ETH", 10_000, 100, 1_000), leg("ARB", 10_000, 100, 2_000)]
    main = Partition("main", (("ETH",),), "apart")
    found = world(both, legs, 4_000, main, "e", topup=TopUp(0.5))
    tally = found.run()
    # 2,000 in ETH, 1,400 of them free above its initial margin of 1,000 at most: 1,000 move. Then 1,000 are left:
    # liquidatable below 94.74, that is at 93.5, where it sells without a loss to anybody.
    assert tally.margin_actions == 1
    assert [(fill.market, fill.notional_q, fill.loss_q) for fill in tally.liquidations] == [
        ("ETH", 9_350 * USD, 0)
    ]


def test_who_lets_a_call_pass_is_not_asked_again() -> None:
    # 2,000 posted; from 86 on less than 30 % is left, at several steps above the trigger (84.21): one call, not five.
    slide = path(ETH=[100, 90, 86, 85.8, 85.6, 85.4, 85.2])
    held = Leg("ETH", 10_000, 10_000 * USD, 2_000 * USD, True, (0.9, 0.0))
    tally = world(slide, [held], 5_000, ISOLATED, "e", topup=TopUp(0.5)).run()
    assert (tally.margin_calls, tally.margin_actions) == (1, 0)
