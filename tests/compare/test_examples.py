"""The worked examples against sums done by hand."""

import dataclasses
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.compare import examples
from ringfence.compare.examples import CROSS, ISOLATED, PAIR_AND_LONE, USD, Held, Stage, gap
from ringfence.compare.lab import Lab, Setup, run_all
from ringfence.compare.result import document
from ringfence.errors import InputError
from ringfence.sim.partition import ARMS, read_partition
from ringfence.sim.population import load_population
from ringfence.sim.prices import ORDERS
from ringfence.sim.readers import read_prices
from ringfence.sim.scenarios import load_scenario
from ringfence.sim.traders import generate

DOCS = Path(__file__).parents[2] / "docs"


def test_three_positions_lock_what_each_was_posted():
    found = examples.three_positions()
    assert found.isolated_q == 3 * 5_000 * USD
    assert found.cross_same_leverage_q == 3 * 5_000 * USD
    # at the rulebook's own rates: 2 % of ETH, 5 % of SOL, 10 % of ARB, 50,000 USD each
    assert found.cross_q == (1_000 + 2_500 + 5_000) * USD


def test_one_deposit_carries_three_positions():
    found = examples.one_deposit()
    assert (found.positions, found.subaccounts) == (3, 1)
    assert found.notional_q == 90_000 * USD


def test_one_silo_starves_beside_a_full_one():
    found = examples.two_silos()
    # ETH at +10 %: equity 10,000, initial margin 55,000 / 10
    assert found.idle_q == (10_000 - 5_500) * USD
    # SOL at -9 %: equity 500, maintenance margin 2.5 % of 45,500
    assert found.missing_q == (1_137_500_000 - 500 * USD)
    assert (found.isolated_liquidated, found.cross_liquidated) == (1, 0)
    assert found.cross_wealth_q == (10_000 + 5_000 - 4_500) * USD
    # closed at the mark: 500 USD are left, less a fee of 0.5 % of 45,500
    assert found.isolated_wealth_q == 10_500 * USD - 227_500_000
    assert found.rescued


def test_a_jump_costs_the_owner_what_backs_the_position_and_the_fund_the_rest():
    found = gap(ISOLATED, 50)
    assert (found.posted_q, found.owner_loss_q) == (5_000 * USD, 5_000 * USD)
    assert found.fund_paid_q == (25_000 - 5_000) * USD
    assert (found.others_change_q, found.bystander_change_q, found.socialized_q) == (0, 0, 0)


def test_margin_that_was_added_is_lost_too():
    found = gap(ISOLATED, 50, added_usd=2_000)
    assert found.owner_loss_q == found.posted_q == 7_000 * USD
    assert found.fund_paid_q == 18_000 * USD


def test_a_cross_account_pays_itself_as_far_as_it_reaches():
    assert gap(CROSS, 20).owner_loss_q == 10_000 * USD
    deep = gap(CROSS, 90)
    assert (deep.owner_loss_q, deep.fund_paid_q) == (25_000 * USD, 20_000 * USD)


def test_an_empty_fund_lets_the_owners_other_positions_pay():
    found = gap(ISOLATED, 50, fund_usd=0)
    # 20,000 USD over equities of 5,000 + 5,000 (the owner's others) and 90,000 (the bystander's)
    assert found.socialized_q == 20_000 * USD
    assert found.others_change_q == -2_000 * USD
    assert found.bystander_change_q == -18_000 * USD


def test_a_pool_per_market_keeps_the_loss_from_others():
    found = gap(ISOLATED, 50, fund_usd=0, per_market=True)
    assert (found.owner_loss_q, found.others_change_q, found.bystander_change_q) == (5_000 * USD, 0, 0)


@given(st.integers(1, 99), st.sampled_from([ISOLATED, PAIR_AND_LONE, CROSS]))
@settings(max_examples=25)
def test_no_jump_costs_the_owner_more_than_what_backs_the_position(percent, mode):
    found = gap(mode, percent)
    assert found.owner_loss_q <= found.posted_q
    # what is left of a closed silo goes back to the owner's main subaccount
    assert (
        found.others_change_q == (0 if mode is CROSS else found.posted_q - found.owner_loss_q) or percent < 8
    )


def test_a_fall_of_one_market_against_the_gain_of_two():
    found = examples.arb_falls(50, 20)
    # 22,500 USD of ARB lose 11,250; 22,500 USD of ETH and SOL gain 4,500
    assert found.cross_change_q == (4_500 - 11_250) * USD
    # isolated, ARB loses the 2,250 USD posted for it
    assert found.isolated_change_q == (4_500 - 2_250) * USD
    assert found.isolated_loss_q == 2_250 * USD


def test_what_a_procedure_closes_of_an_account():
    rules = examples.procedures()
    # equity 7,000 < 1,000 + 2,500 + 4,100; ARB has the largest maintenance margin and goes whole: 82,000 of 282,000
    assert examples.one_falls("generic", rules["generic"], 18).closed_ppm == 1_000_000 * 82 // 282 + 1
    taken = examples.one_falls("hyperliquid", rules["hyperliquid"], 22)
    assert taken.whole
    assert not taken.insolvent
    for name, rule in rules.items():
        assert examples.one_falls(name, rule, 30).whole
        # Synthetix v3 flags: what is liquidatable goes whole, at the pace of its windows.
        assert examples.one_falls(name, rule, 18).whole is (name == "synthetix-v3")
        assert examples.one_falls(name, rule, 10).closed_ppm == 0


def test_what_moves_a_trigger():
    apart, together = examples.trigger(ISOLATED), examples.trigger(CROSS)
    # 12.5 ETH bought for 50,000 with 5,000: 12.5 p - 45,000 = 1 % of 12.5 p
    exact = 45_000 * 10**8 * 1_000 // 12_375
    assert (
        0 <= apart.before - exact < 16
    )  # rounding against the trader: two quote atoms are 16 quanta of 12.5 ETH
    assert apart.other_market == apart.before
    assert apart.funding > apart.before
    assert together.before < together.other_market < apart.before


def test_hybrid_offsets_like_cross_and_contains_like_isolated():
    found = examples.between()
    assert [found[mode].liquidated for mode in ("isolated", "hybrid", "cross")] == [1, 0, 0]
    losses = [found[mode].jump_loss_q for mode in ("isolated", "hybrid", "cross")]
    assert losses == [5_000 * USD, 5_000 * USD, 25_000 * USD]


def test_subaccounts_with_a_ratio():
    assert examples.ratios() == (3, 1)


def test_equity_that_does_not_reach_is_refused():
    with pytest.raises(InputError, match="9 USD do not reach"):
        Stage(ISOLATED, {"ETH": Held(100, 10)}, 9)


# -- the examples of the documentation --------------------------------------------------------------------------------


def written(tmp_path, page, language, name):
    """The page's one example in a language, as a file."""
    (text,) = re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_documented_population_makes_traders(tmp_path):
    path = written(tmp_path, "explain/population.md", "toml", "mine.toml")
    population = load_population(str(path))
    assert (population.equity_median_usd, population.leverage_median) == (2500, 6)
    assert population.leverage_sigma == load_population("default").leverage_sigma
    traders = list(generate(("BTC", "ETH"), 20, 1, str(path)))
    assert sum(trader.id != "balancer" for trader in traders) == 20


def test_every_parameter_is_said_to_be_used_by_a_comparison_or_not():
    text = (DOCS / "explain/population.md").read_text(encoding="utf-8")
    listed = text.partition("## What a comparison uses")[2].partition("\n## ")[0]
    patterns = [name.replace("*", "[a-z_]*") for name in re.findall(r"`([a-z_]+\*?)`", listed)]
    for name in load_population("default").figures:
        assert any(re.fullmatch(pattern, name) for pattern in patterns), name


def test_parameters_that_a_comparison_does_not_use_change_nothing(tmp_path):
    text = (DOCS / "explain/population.md").read_text(encoding="utf-8")
    rows = [line.partition("| not used")[0] for line in text.splitlines() if "| not used" in line]
    names = re.findall(r"`([a-z_]+)`", " ".join(rows))
    assert len(names) == 7

    def outcome(values):
        path = tmp_path / "mine.toml"
        figures = (
            f'{name} = {{ value = {value}, basis = "assumed", source = "none", range = "unknown" }}\n'
            for name, value in values.items()
        )
        path.write_text(f'[population.mine]\nbase = "default"\n{"".join(figures)}')
        prices = load_scenario("2025-10-10").select(("BTC", "ETH"))
        setup = Setup(prices, "a-day", traders=15, population=str(path), max_step_ppm=20_000, arms=("c", "e"))
        lab = Lab(dataclasses.replace(setup, sensitivity=False))
        found = document(lab, run_all(lab, workers=1))
        return {name: found[name] for name in ("flow", "runs", "refused")}

    base = outcome({})
    odd = {"isolated_slope": 0.9, "closing_margin_multiple": 9, "committed_concentration": 9}
    assert outcome({name: odd.get(name, 0.9) for name in names}) == base
    assert outcome({"leverage_settings": "[[2, 0.5], [50, 0.5]]"})["runs"] != base["runs"]


def test_the_documented_partition_is_read(tmp_path):
    found = read_partition(written(tmp_path, "reference/cli.md", "toml", "mine.toml"))
    assert (found.name, found.rest) == ("majors", "apart")
    assert [found.group(market) for market in ("SOL", "ADA", "XRP")] == ["main", "DOGE+ADA", "XRP"]


def test_the_documented_prices_are_read(tmp_path):
    found = read_prices([written(tmp_path, "reference/cli.md", "csv", "prices.csv")])
    assert found.markets == ("BTC", "ETH")
    assert found.low.min(axis=0).tolist() == [109_000, 3_500]


def test_arms_and_orders_are_all_documented():
    text = (DOCS / "reference/cli.md").read_text(encoding="utf-8")
    assert all(f"| `{arm}` |" in text for arm in ARMS)
    assert all(f"`{order}`:" in text for order in ORDERS)
