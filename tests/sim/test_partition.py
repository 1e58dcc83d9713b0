"""Partitions and arms: what backs what."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.errors import InputError
from ringfence.sim.flow import FlowAccount, Leg
from ringfence.sim.partition import (
    ARMS,
    CROSS,
    HYBRID,
    ISOLATED,
    MAIN,
    Arm,
    arms_that_differ,
    make_plan,
    read_partition,
)

MARKETS = ("BTC", "ETH", "SOL", "ARB")
legs = st.lists(
    st.builds(
        Leg,
        st.sampled_from(MARKETS),
        st.just(1),
        st.integers(1, 10**12),
        st.integers(1, 10**10),
        st.just(False),
        st.just(()),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda leg: leg.market,
)


@given(
    legs,
    st.integers(0, 10**13),
    st.sampled_from([CROSS, ISOLATED, HYBRID]),
    st.sampled_from(["a", "b", "c", "e"]),
)
def test_a_plan_spends_the_equity_to_the_atom(held: list[Leg], equity_q: int, mode: object, arm: Arm) -> None:
    plan = make_plan(FlowAccount("t", "novice", equity_q, tuple(held)), mode, arm)
    if plan is None:
        return
    assert sum(group.collateral_q for group in plan.groups) + plan.outside_q == equity_q
    assert all(group.collateral_q >= 0 for group in plan.groups)
    assert sorted(leg.market for group in plan.groups for leg in group.legs) == sorted(
        leg.market for leg in held
    )


def test_modes_group_as_they_say() -> None:
    held = tuple(Leg(market, 1, 100, 10, False, ()) for market in MARKETS)
    account = FlowAccount("t", "novice", 100, held)
    groups = {
        mode.name: {
            group.name: [leg.market for leg in group.legs] for group in make_plan(account, mode, "c").groups
        }
        for mode in (CROSS, ISOLATED, HYBRID)
    }
    assert groups["cross"] == {MAIN: list(MARKETS)}
    assert groups["isolated"] == {MAIN: [], "BTC": ["BTC"], "ETH": ["ETH"], "SOL": ["SOL"], "ARB": ["ARB"]}
    assert groups["hybrid"] == {MAIN: ["BTC", "ETH"], "SOL": ["SOL"], "ARB": ["ARB"]}


def test_arms_of_isolation() -> None:
    # 60 USD; notional 100 and 300; posted 10 and 20: arm a splits 15 / 45, c posts 10 / 20 and leaves 30 idle,
    # b leaves the same 30 outside.
    held = (Leg("BTC", 1, 100, 10, False, ()), Leg("SOL", 1, 300, 20, False, ()))
    account = FlowAccount("t", "novice", 60, held)
    found = {arm: make_plan(account, ISOLATED, arm) for arm in ("a", "b", "c")}
    assert [group.collateral_q for group in found["a"].groups] == [0, 15, 45]
    assert [group.collateral_q for group in found["c"].groups] == [30, 10, 20]
    assert ([group.collateral_q for group in found["b"].groups], found["b"].outside_q) == ([0, 10, 20], 30)
    assert [group.collateral_q for group in make_plan(account, CROSS, "b").groups] == [30]
    assert make_plan(FlowAccount("t", "novice", 29, held), ISOLATED, "c") is None


def test_arms_that_lead_to_one_run_are_run_once() -> None:
    assert arms_that_differ(CROSS, tuple(ARMS)) == {"a": "c", "b": "b", "c": "c", "d": "c", "e": "c"}
    assert arms_that_differ(ISOLATED, tuple(ARMS))["b"] == "c"
    assert set(arms_that_differ(HYBRID, tuple(ARMS)).values()) == set(ARMS)


def test_a_partition_file(tmp_path: Path) -> None:
    file = tmp_path / "majors.toml"
    file.write_text('groups = [["BTC", "ETH", "SOL"], ["DOGE", "SHIB"]]\nrest = "apart"\n')
    partition = read_partition(file)
    assert (partition.name, partition.group("SOL"), partition.group("DOGE")) == ("majors", MAIN, "DOGE+SHIB")
    assert partition.group("ARB") == "ARB"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("groups = 3", "groups: expected a list"),
        ('groups = [["BTC"], ["BTC"]]', "named twice"),
        ('groups = [["BTC"]]\nrest = "x"', "rest: expected"),
        ('groups = [["BTC"]]\nname = "cross"', "name: expected"),
        ("groups = [", "cannot be read"),
    ],
)
def test_a_bad_partition_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        read_partition(file)
    assert str(file) in str(caught.value)
