"""The lab on a real crash, small: fairness, determinism, convergence, balance."""

from fractions import Fraction
from functools import cache
from typing import Any

import msgspec
import pytest

from ringfence.compare.lab import Lab, Setup, run_all
from ringfence.compare.measures import DEFINITIONS
from ringfence.compare.result import document
from ringfence.sim.partition import CROSS, ISOLATED
from ringfence.sim.scenarios import load_scenario

SMALL = {"traders": 120, "seed": 4}


def setup(**changes: Any) -> Setup:
    candles = load_scenario("2025-10-10")
    return Setup(candles, "2025-10-10", **{**SMALL, "sensitivity": False, **changes})


@cache
def base() -> tuple[Lab, list[dict[str, Any]]]:
    lab = Lab(setup(sensitivity=True))
    return lab, run_all(lab, workers=1)


def test_every_figure_has_a_definition_and_every_definition_a_figure() -> None:
    _, results = base()
    for result in results:
        assert set(DEFINITIONS) <= set(result["measures"]) <= {*DEFINITIONS, "largest_position_loss_max"}


def test_the_same_seed_gives_the_same_document_on_one_process_or_two() -> None:
    lab, results = base()
    again = Lab(setup(sensitivity=True))
    assert msgspec.json.encode(document(lab, results)) == msgspec.json.encode(
        document(again, run_all(again, workers=2))
    )


def test_another_seed_gives_another_flow() -> None:
    assert Lab(setup(seed=5)).flow.accounts != base()[0].flow.accounts


def test_every_mode_has_the_same_accounts_equity_and_positions() -> None:
    lab, results = base()
    initial = {result["measures"]["initial_margin"] for result in results}
    assert len(initial) == 1, "equal by construction in one frame"
    equity_q = sum(account.equity_q for account in lab.flow.accounts)
    for result in results:
        parties = dict(result["stakeholders"])
        traders = sum(gain for party, gain in parties.items() if party.startswith("traders"))
        assert result["measures"]["wealth_later"] - equity_q == traders


def test_the_stakeholder_table_sums_to_zero() -> None:
    for result in base()[1]:
        assert sum(gain for _, gain in result["stakeholders"]) == 0
        assert abs(dict(result["stakeholders"])["rounding of worth"]) <= 5_000, "under an atom a subaccount"


def test_longs_and_shorts_balance_in_lots() -> None:
    flow = base()[0].flow
    for market, rest_b in flow.balancer.items():
        held = sum(leg.size_b for account in flow.accounts for leg in account.legs if leg.market == market)
        assert held + rest_b == 0


def test_cross_never_needs_more_capital_than_isolated_to_survive() -> None:
    """The sum of worst cases is at least the worst case of the sum."""
    need = {result["mode"]: result["measures"]["survival_capital"] for result in base()[1]}
    assert need["cross"] <= need["hybrid"] <= need["isolated"]


def test_a_layer_changes_only_who_pays() -> None:
    """Without a shortfall of a fund the venue's layer moves nothing."""
    _, results = base()
    for shared, split in zip(results[::2], results[1::2], strict=False):
        if shared["varied"] or split["varied"] or shared["mode"] != split["mode"]:
            continue
        assert shared["measures"]["liquidations"] == split["measures"]["liquidations"]


def test_slippage_costs_somebody() -> None:
    _, results = base()
    bad = {
        r["varied"]: r["measures"]["bad_debt"] for r in results if r["mode"] == "isolated" and r["arm"] == "c"
    }
    assert bad["slippage 2 %"] > bad["slippage 1 %"] >= bad[""]


@pytest.mark.slow
def test_results_converge_as_the_steps_of_the_path_shrink() -> None:
    """Jumping from extreme to extreme multiplies bad debt; small steps liquidate near the trigger and agree."""
    found = {}
    for step_ppm in (500_000, 4_000, 1_000, 500):
        lab = Lab(setup(max_step_ppm=step_ppm, modes=(ISOLATED, CROSS), arms=("c",), traders=200))
        found[step_ppm] = {(r["mode"], r["layer"]): r["measures"] for r in run_all(lab, workers=1)}
    for run in (("isolated", "shared"), ("cross", "shared")):
        jump, coarse, fine, finest = (found[ppm][run] for ppm in (500_000, 4_000, 1_000, 500))
        assert jump["bad_debt"] > 5 * max(coarse["bad_debt"], 1)
        assert fine["bad_debt"] <= coarse["bad_debt"]
        assert abs(fine["liquidated_over_oi"] - finest["liquidated_over_oi"]) < Fraction(1, 100)
        drift = abs(fine["wealth_later"] - finest["wealth_later"])
        assert drift * 500 < finest["wealth_later"], "within 0.2 %"
