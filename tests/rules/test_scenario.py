"""Portfolio margin: the worst of a set of scenarios, discounts, charges."""

from hypothesis import given
from hypothesis import strategies as st

from ringfence.rules.scenario import (
    basis_loss_q,
    depegged_num,
    discounted_q,
    doubt_q,
    moved_q,
    naked_b,
    scenario_margin_q,
    shifted_q,
)

DEN = 1_000_000
amounts = st.integers(-(10**15), 10**15)
rates = st.integers(0, 10 * DEN)


def test_a_perp_loses_its_share_of_the_move() -> None:
    # One ETH at 2,001 USD, price to 85 %: 2,001 x (0.85 - 1) = -300.15.
    assert moved_q(2_001_000_000, 850_000, DEN, DEN) == -300_150_000
    # A short gains it; a scenario of which a tenth counts takes a tenth.
    assert moved_q(-2_001_000_000, 850_000, DEN, DEN) == 300_150_000
    assert moved_q(2_001_000_000, 850_000, 100_000, DEN) == -30_015_000


def test_worth_is_discounted_and_debt_is_grown() -> None:
    assert discounted_q(1_000, 950_000, 1_040_000, DEN) == 950
    assert discounted_q(-1_000, 950_000, 1_040_000, DEN) == -1_040
    assert discounted_q(0, 950_000, 1_040_000, DEN) == 0
    # Rounded against the trader on both sides: 0.95 down to 0, 1.04 up to 2.
    assert discounted_q(1, 950_000, 1_040_000, DEN) == 0
    assert discounted_q(-1, 950_000, 1_040_000, DEN) == -2


def test_a_skew_may_go_either_way() -> None:
    assert shifted_q(1_200, 1_000, DEN, DEN, either_way=False) == 200
    assert shifted_q(1_200, 1_000, DEN, DEN, either_way=True) == -200
    assert shifted_q(800, 1_000, DEN, DEN, either_way=True) == -200
    assert shifted_q(800, 1_000, 500_000, DEN, either_way=False) == -100


def test_the_basis_charge_grows_with_time() -> None:
    # derivexyz/v2-core testAndVerifyScenarios.json, Test1: a short at-the-money call of 500,400 s whose worse move
    # costs 45.0750... USD is charged 25 % and 1 % a year: 11.2759... = loss x (0.25 + 0.01 x 500400 / 31536000).
    loss = 45_075_037
    expected = -(-loss * (250_000 * 31_536_000 + 10_000 * 500_400) // (DEN * 31_536_000))
    assert basis_loss_q(-loss, 30_000_000, 250_000, 10_000, DEN, 500_400, 31_536_000) == expected
    assert basis_loss_q(5, 7, 250_000, 10_000, DEN, 500_400, 31_536_000) == 0


def test_only_what_is_sold_without_cover_is_naked() -> None:
    assert naked_b(-3, 0) == 3
    assert naked_b(-3, 5) == 0
    assert naked_b(-5, 3) == 2
    assert naked_b(-2, -1) == 3
    assert naked_b(4, 1) == 0


def test_doubt_is_charged_below_its_threshold() -> None:
    # One ETH at 2,000 USD with confidence 0.1, threshold 0.6, share 0.4: 0.9 x 0.4 x 2,000 = 720
    # (derivexyz/v2-core test-cases-portfolio-pm.json, test_oracle_cont_base_asset_pm: 1545 - 825).
    assert doubt_q(2_000_000_000, 100_000, 600_000, 400_000, DEN) == 720_000_000
    assert doubt_q(2_000_000_000, 600_000, 600_000, 400_000, DEN) == 0


def test_the_share_of_the_loss_grows_when_the_peg_is_lost() -> None:
    # derivexyz/v2-core testAndVerifyScenarios.json, Test12: stable at 0.9, threshold 0.98, factor 2: 1.3 + 0.16.
    assert depegged_num(1_300_000, 900_000, 980_000, 2 * DEN, DEN) == 1_460_000
    assert depegged_num(1_300_000, 980_000, 980_000, 2 * DEN, DEN) == 1_300_000


def test_charges_scale_with_the_loss_or_stand_beside_it() -> None:
    # test_long_ATM_perp_pm: loss 300.15, charge 2.5 % of 2,000, share 1.3: 1.3 x 350.15 = 455.195.
    assert scenario_margin_q(300_150_000, 50_000_000, 0, 1_300_000, DEN) == 455_195_000
    assert scenario_margin_q(300_150_000, 0, 50_000_000, 1_300_000, DEN) == 440_195_000


@given(amounts, rates, rates, rates)
def test_a_larger_move_against_a_position_never_costs_less(
    worth: int, first: int, second: int, weight: int
) -> None:
    low, high = sorted((first, second))
    costs = [-moved_q(worth, price, weight, DEN) for price in (low, high)]
    assert costs[0] >= costs[1] if worth >= 0 else costs[0] <= costs[1]


@given(amounts, st.integers(0, DEN), st.integers(DEN, 3 * DEN))
def test_counted_worth_is_never_more_than_worth(worth: int, gain: int, debt: int) -> None:
    assert discounted_q(worth, gain, debt, DEN) <= worth


@given(amounts, amounts, st.integers(0, 5 * DEN))
def test_either_way_is_never_a_gain(shocked: int, worth: int, weight: int) -> None:
    both = shifted_q(shocked, worth, weight, DEN, either_way=True)
    assert both <= 0
    assert both <= shifted_q(shocked, worth, weight, DEN, either_way=False)


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), max_size=6))
def test_cover_of_one_strike_is_no_cover_of_another(lots: list[tuple[int, int]]) -> None:
    apart = sum(naked_b(call, put) for call, put in lots)
    assert apart >= naked_b(sum(call for call, _ in lots), sum(put for _, put in lots))
