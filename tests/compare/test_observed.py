"""The drawn population through the crash of 2025-10-10 against what was observed on that day."""

from ringfence.clearing.resolve import Fills
from ringfence.compare.lab import Lab, Setup
from ringfence.sim.curves import Curves
from ringfence.sim.flow import FlowAccount, TopUp
from ringfence.sim.partition import CROSS, make_plan
from ringfence.sim.scenarios import load_scenario
from ringfence.sim.world import Ring, empty_venue, enter, snapshot, start


def liquidated_share(accounts: list[FlowAccount], hit: set[str]) -> float:
    assert len(accounts) > 200
    return sum(account.id in hit for account in accounts) / len(accounts)


def test_hedged_accounts_are_liquidated_at_a_third_or_less() -> None:
    """Observed on Hyperliquid among those who traded: 45 % of accounts long in BTC and SOL, 12 % on opposite sides.

    Source: docs/explain/population.md. Neither figure went into the population's parameters.
    """
    candles = load_scenario("2025-10-10").select(("BTC", "SOL"))
    lab = Lab(Setup(candles, "2025-10-10", venue="hyperliquid", traders=6_000, modes=(CROSS,), arms=("c",)))
    markets, policy = lab.rules["hyperliquid"]
    plans = tuple(plan for account in lab.flow.accounts if (plan := make_plan(account, CROSS, "c")))
    entered = enter(lab.flow, plans, empty_venue(markets, policy, lab.path.at(0)))
    ring = Ring(per_market=False, funds_q=lab.funds_q("identical", "shared"))
    curves = Curves(lab.path, markets, policy.rounding)
    tally = start(snapshot(entered), ring, curves, plans, Fills(), TopUp()).run()
    hit = {fill.account for fill in tally.liquidations}
    pairs = [account for account in lab.flow.accounts if len(account.legs) == 2]
    both_long = [account for account in pairs if all(leg.size_b > 0 for leg in account.legs)]
    opposite = [account for account in pairs if account.legs[0].size_b * account.legs[1].size_b < 0]
    assert 3 * liquidated_share(opposite, hit) <= liquidated_share(both_long, hit)
    assert 0.3 < liquidated_share(both_long, hit) < 0.6
