"""Runs on columns against the reference engine: the same figures to the digit."""

from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ringfence.clearing.adl import split as split_exactly
from ringfence.clearing.model import Scale
from ringfence.clearing.policy import Deleveraging, Liquidation, Policy, Stepped
from ringfence.compare.lab import MODES, EngineName, Lab, Setup, run_all
from ringfence.compare.measures import percentile, total
from ringfence.compare.result import document
from ringfence.sim.flow import build_flow
from ringfence.sim.grid import takes_market, takes_policy
from ringfence.sim.partition import read_partition
from ringfence.sim.scenarios import load_scenario
from ringfence.sim.traders import generate
from ringfence.venues.overrides import load_spec


def lab(engine: EngineName, scenario: str = "2025-10-10", **changes: Any) -> Lab:
    return Lab(Setup(load_scenario(scenario), scenario, engine=engine, **changes))


def both(**changes: Any) -> None:
    """Whole documents, not only headlines, on columns and in the reference."""
    fast, slow = lab("columns", **changes), lab("reference", **changes)
    assert document(fast, run_all(fast, workers=1)) == document(slow, run_all(slow, workers=1))


# -- what columns take -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "taken"),
    [
        (Policy(), True),
        (Policy(liquidation=Liquidation(fee_ppm=5_000)), True),
        (Policy(waterfall=("counterparty",)), True),
        (Policy(trigger_at_equality=True, withdrawal_floor_ppm=100_000), True),
        (Policy(liquidation=Liquidation(size="portion", portion_ppm=200_000)), False),
        (Policy(liquidation=Liquidation(backstop_num=2, backstop_den=3)), False),
        (Policy(liquidation=Liquidation(limit="fillable")), False),
        (Policy(liquidation=Liquidation(fee_ppm=1, fee_of="cost")), False),
        (Policy(deleveraging=Deleveraging("pro_rata")), False),
        (Policy(insurance="all_or_nothing"), False),
        (Policy(account_gating="maintenance"), False),
    ],
)
def test_a_procedure_is_taken_only_where_all_of_it_is_compiled(policy: Policy, taken: bool) -> None:
    assert takes_policy(policy) == taken


def test_a_market_is_taken_only_where_all_that_it_asks_is_compiled() -> None:
    market = load_spec("generic").market("BTC")
    assert takes_market(market)
    assert not takes_market(replace(market, requirement=Stepped(((0, 1, 1),), 10)))
    assert not takes_market(replace(market, minimum_margin_as="floor"))
    assert not takes_market(replace(market, margin_locked=True))
    assert not takes_market(replace(market, minimum_margin_q=2**62))


# -- columns and objects -----------------------------------------------------------------------------------------------


def test_columns_and_objects_are_the_same_flow() -> None:
    found = lab("reference", traders=200, seed=3).drawn
    assert [account.equity_q for account in found.accounts] == found.equity_q.tolist()
    legs = [leg for account in found.accounts for leg in account.legs]
    assert [leg.posted_q for leg in legs] == found.posted_q.tolist()
    assert [leg.size_b for leg in legs] == found.size_b.tolist()
    held = {name: sum(leg.size_b for leg in legs if leg.market == name) for name in found.markets}
    assert found.balancer == {name: -size_b for name, size_b in held.items()}


def test_a_flow_without_some_legs_leaves_out_accounts_that_have_none() -> None:
    found = lab("reference", traders=200, seed=3).drawn
    kept = found.only(found.size_b > 0)
    assert (kept.size_b > 0).all()
    longs = [account for account in found.accounts if any(leg.size_b > 0 for leg in account.legs)]
    assert [account.id for account in kept.accounts] == [account.id for account in longs]


def test_sizes_beyond_64_bits_are_held_exactly() -> None:
    generic = load_spec("generic")
    coarse = generic.market("BTC")
    fine = replace(coarse, scale=Scale(1, coarse.scale.den * 10**15))
    traders, rounds, entry = generate(("BTC",), 50, 1), generic.policy().rounding, {"BTC": 10**13}
    found, same = (build_flow(traders, {"BTC": each}, entry, rounds) for each in (fine, coarse))
    assert found.size_b.dtype == object
    assert max(map(abs, found.size_b.tolist())) > 2**63
    assert all(
        abs(size_b - like_b * 10**15) < 10**15
        for size_b, like_b in zip(found.size_b, same.size_b.tolist(), strict=True)
    )


@given(
    st.lists(st.tuples(st.integers(-(2**40), 2**40), st.integers(1, 2**40)), min_size=1), st.integers(1, 100)
)
def test_a_percentile_is_the_exact_nearest_rank(pairs: list[tuple[int, int]], percent: int) -> None:
    over, under = np.array(pairs, dtype=np.int64).T
    ordered = sorted(Fraction(*pair) for pair in pairs)
    assert percentile(over, under, percent) == ordered[-(-len(ordered) * percent // 100) - 1]


@given(st.lists(st.integers(-(2**62), 2**62)))
def test_a_total_is_exact(amounts: list[int]) -> None:
    assert total(np.array(amounts, dtype=np.int64)) == sum(amounts)


# -- runs --------------------------------------------------------------------------------------------------------------


@pytest.mark.fuzz
@settings(max_examples=3)
@given(
    seed=st.integers(0, 2**32),
    population=st.sampled_from(("default", "retail-heavy", "market-maker-heavy")),
    slippage_ppm=st.sampled_from((0, 5_000, 20_000, 50_000)),
    insurance_ppm=st.sampled_from((0, 100, 10_000)),
    order=st.sampled_from(("low_first", "high_first", "spread")),
    scenario=st.sampled_from(("2025-10-10", "2020-03-12", "2025-05-layer")),
    step_ppm=st.sampled_from((1_000, 20_000, 300_000)),
)
def test_random_runs_agree(
    seed: int,
    population: str,
    slippage_ppm: int,
    insurance_ppm: int,
    order: Any,
    scenario: str,
    step_ppm: int,
) -> None:
    both(
        scenario=scenario,
        seed=seed,
        population=population,
        slippage_ppm=slippage_ppm,
        insurance_ppm=insurance_ppm,
        order=order,
        max_step_ppm=step_ppm,
        traders=60,
        sensitivity=False,
        venue_frame={"isolated": "hyperliquid", "cross": "dydx-v4"},
    )


@pytest.mark.slow
def test_all_arms_modes_layers_and_cases_agree() -> None:
    both(traders=150, seed=7, venue_frame={"isolated": "hyperliquid", "cross": "dydx-v4"})


@pytest.mark.slow
def test_an_own_partition_agrees(tmp_path: Path) -> None:
    file = tmp_path / "pairs.toml"
    file.write_text('groups = [["ETH", "BTC"], ["SOL", "XRP", "DOGE"]]\nrest = "together"\n')
    both(traders=150, seed=5, modes=(MODES["cross"], read_partition(file)), slippage_ppm=20_000)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("waterfall", "fee_ppm"),
    list(product(("insurance,deleverage", "insurance,socialize", "counterparty", "deleverage"), (0, 20_000))),
)
def test_every_waterfall_agrees(waterfall: str, fee_ppm: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def policy(self: Lab) -> None:
        steps: Any = tuple(waterfall.split(","))
        self.procedure = replace(
            self.procedure, waterfall=steps, liquidation=Liquidation(fee_ppm=fee_ppm, fee_to_fund_ppm=400_000)
        )

    found = []
    engines: tuple[EngineName, ...] = ("columns", "reference")
    for engine in engines:
        ready = lab(engine, traders=100, seed=2, slippage_ppm=20_000, sensitivity=False, arms=("c", "e"))
        policy(ready)
        found.append(run_all(ready, workers=1))
    assert found[0] == found[1]


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**15), st.lists(st.integers(0, 10**15), min_size=1, max_size=20))
def test_a_split_is_the_same(amount: int, weights: list[int]) -> None:
    from ringfence.kernel.replay.plan import split

    room = np.zeros((3, len(weights)), dtype=np.int64)
    split(amount, np.array(weights, dtype=np.int64), len(weights), room)
    assert room[0].tolist() == split_exactly(amount, weights)
