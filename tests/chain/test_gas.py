"""Gas: the committed snapshot still holds, what it shows of the designs, and the arithmetic on it."""

import os

import msgspec
import pytest

from chain.anvil import PRAGUE, anvil
from ringfence.chain.anchors import anchors, cheapest
from ringfence.chain.complexity import SLOT_OPERATIONS, complexity
from ringfence.chain.evm import GENESIS_TIME_S, Evm
from ringfence.chain.gas import (
    OPERATIONS,
    POSITIONS,
    Figure,
    Snapshot,
    crossover,
    drifts,
    measure,
    merged,
    read,
    slope,
    write,
)
from ringfence.chain.rigs import CrossRig, IsolatedRig, rigs
from ringfence.chain.rpc import DevelopmentChain
from ringfence.compare.gas_tables import TARGETS
from ringfence.errors import InputError

FUZZ = os.environ.get("RINGFENCE_FUZZ") == "1"
DESIGNS = [rig.design for rig in rigs()]
CONSTANT = ("deposit", "add", "reduce", "close", "withdraw", "liquidate_one")


@pytest.fixture(scope="module")
def snapshot():
    return read()


def unsigned():
    """The embedded chain without the arithmetic of signatures, which costs no gas."""
    return Evm(signed=False)


def made(*rows):
    figures = tuple(Figure(*row) for row in rows)
    return Snapshot("2026-01-01", "vyper 1", "evm 1", {}, {}, (), figures)


# -- the snapshot ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("design", DESIGNS)
def test_what_is_measured_now_is_what_the_snapshot_says(snapshot, design):
    """Two positions; every figure of the snapshot under `make fuzz`."""
    now = measure(POSITIONS if FUZZ else (2,), [design], new_chain=unsigned)
    assert now.designs == [design]
    assert drifts(snapshot, now) == []


def test_the_snapshot_says_what_it_was_made_with(snapshot):
    from ringfence.chain.compile import compiler

    assert snapshot.compiler == compiler()
    assert snapshot.evm.startswith("py-evm 0.12.1b1")
    assert set(snapshot.designs) == set(DESIGNS)
    assert snapshot.code_bytes.keys() == snapshot.sources.keys()


def test_every_design_has_every_operation_that_it_offers_at_every_count(snapshot):
    for design in DESIGNS:
        names = {figure.operation for figure in snapshot.figures if figure.design == design}
        assert names <= set(OPERATIONS)
        for name in names:
            assert [figure.positions for figure in snapshot.series(design, name)] == list(POSITIONS)


@pytest.mark.parametrize(("target", "limits"), TARGETS.items(), ids=str)
def test_operations_stay_below_their_limits(snapshot, target, limits):
    assert snapshot.gas(*target) <= limits[0]


def test_a_margin_check_takes_at_most_6000_gas_per_extra_position(snapshot):
    assert slope(snapshot, "CrossOnly", "add") <= 6_000
    assert slope(snapshot, "Clearinghouse, cross", "add") <= 6_000


def test_booking_funding_on_the_way_takes_no_second_look_at_a_position(snapshot):
    """A write of a word that was read (2,900) and the division: what a check with funding due costs more."""
    assert slope(snapshot, "Clearinghouse, cross", "add_funding_due") <= 9_700


def test_the_first_fill_of_two_accounts_creates_no_word_but_their_positions(snapshot):
    assert snapshot.gas("Clearinghouse, cross", "fill_first", 1) <= 120_000


@pytest.mark.parametrize("name", CONSTANT)
def test_isolated_margin_costs_the_same_however_many_positions_there_are(snapshot, name):
    used = {figure.gas for figure in snapshot.series("IsolatedOnly", name) if figure.positions > 1}
    assert len(used) == 1


@pytest.mark.parametrize("design", ["CrossOnly", "Clearinghouse, cross"])
@pytest.mark.parametrize("name", ["reduce", "close"])
def test_shrinking_costs_the_same_under_cross_margin_too(snapshot, design, name):
    assert len({figure.gas for figure in snapshot.series(design, name)[1:]}) == 1


def test_one_transaction_for_a_whole_account_is_cheaper_than_one_per_position(snapshot):
    assert crossover(snapshot, "IsolatedOnly", "CrossOnly", "liquidate_all") == 2
    assert crossover(snapshot, "IsolatedOnly", "CrossOnly", "withdraw") is None


def test_liquidating_everything_is_one_transaction_or_one_per_position(snapshot):
    for figure in snapshot.series("IsolatedOnly", "liquidate_all"):
        assert figure.transactions == figure.positions
    assert {figure.transactions for figure in snapshot.series("CrossOnly", "liquidate_all")} == {1}


@pytest.mark.slow
@pytest.mark.parametrize("design", DESIGNS)
def test_gas_is_the_same_to_the_unit_on_anvil(design):
    """With one position; with every count of the snapshot under `make fuzz`."""
    counts = POSITIONS if FUZZ else (1,)
    with anvil(*PRAGUE, "--timestamp", str(GENESIS_TIME_S)) as url:
        there = measure(counts, [design], new_chain=lambda: DevelopmentChain(url))
    assert there.figures == measure(counts, [design], new_chain=unsigned).figures


# -- arithmetic -----------------------------------------------------------------------------------------------------


def test_a_drift_is_more_than_a_percent_either_way_or_a_new_figure():
    before = made(("A", "add", 1, 10_000), ("A", "add", 2, 10_000))
    assert drifts(before, made(("A", "add", 1, 10_100), ("A", "add", 2, 9_900))) == []
    found = drifts(before, made(("A", "add", 1, 10_101), ("A", "add", 2, 9_899), ("A", "add", 4, 5)))
    assert [(each.was, each.now) for each in found] == [(10_000, 10_101), (10_000, 9_899), (0, 5)]
    assert str(found[0]) == "A add at 1 positions: 10000 gas, now 10101"


def test_the_crossover_is_where_the_second_stays_cheaper():
    rows = [("A", "x", 1, 10), ("A", "x", 2, 20), ("A", "x", 4, 40)]
    assert crossover(made(*rows, ("B", "x", 1, 9), ("B", "x", 2, 21), ("B", "x", 4, 39)), "A", "B", "x") == 4
    assert crossover(made(*rows, ("B", "x", 1, 9), ("B", "x", 2, 19), ("B", "x", 4, 39)), "A", "B", "x") == 1
    assert (
        crossover(made(*rows, ("B", "x", 1, 10), ("B", "x", 2, 20), ("B", "x", 4, 40)), "A", "B", "x") is None
    )
    assert crossover(made(*rows), "A", "B", "x") is None


def test_the_slope_is_gas_per_extra_position():
    found = made(("A", "add", 8, 100), ("A", "add", 16, 180))
    assert slope(found, "A", "add") == 10
    assert slope(found, "A", "close") is None


def test_merging_replaces_the_designs_that_were_measured_again():
    before = made(("A", "x", 1, 1), ("B", "x", 1, 2))
    assert [figure.gas for figure in merged(before, made(("A", "x", 1, 3))).figures] == [3, 2]
    assert [figure.gas for figure in merged(before, made(("C", "x", 1, 3))).figures] == [1, 2, 3]


def test_a_snapshot_is_read_as_it_was_written(snapshot, tmp_path):
    path = tmp_path / "gas.json"
    write(snapshot, path)
    assert read(path) == snapshot
    assert path.read_text().count("\n") > len(snapshot.figures)


@pytest.mark.parametrize("content", [None, "{}", "no json"])
def test_a_file_that_is_no_snapshot_is_named(tmp_path, content):
    path = tmp_path / "gas.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=r"gas\.json"):
        read(path)


def test_a_design_that_is_none_is_refused():
    with pytest.raises(InputError, match="design Nothing: expected some of IsolatedOnly"):
        measure((1,), ["Nothing"])


# -- beside it ------------------------------------------------------------------------------------------------------


def test_storage_slots_are_those_of_the_layout():
    """Account, pool and terms; then a word per market and half a word per position, or one word for both."""
    isolated, cross = complexity(IsolatedRig), complexity(CrossRig)
    assert set(isolated.slots) == set(SLOT_OPERATIONS)
    assert isolated.slots["add"] == {1: 4, 16: 4}
    assert isolated.slots["withdraw"] == {1: 2, 16: 2}
    assert cross.slots["add"] == {count: 3 + count + -(-count // 2) for count in (1, 16)}
    assert cross.slots["withdraw"] == {1: 3, 16: 1 + 16 + 8}
    for found in (isolated, cross):
        assert 0 < found.code_share < 1
        assert found.branches > 100
        assert found.external_calls == 2  # tokens in, tokens out
        assert found.invariants >= 5


def test_the_cheapest_venue_is_the_one_with_the_least_gas_at_that_count():
    assert cheapest("withdraw", 16).venue == "Nado"
    assert cheapest("withdraw", 16).gas == 614_380
    assert cheapest("liquidate_one", 1).venue == "dYdX v1 perpetual"
    assert cheapest("withdraw", 3) is None


def test_every_venue_figure_is_of_a_known_operation_with_a_source():
    for venue in anchors().venue:
        assert "commit" in venue.source
        assert {figure.operation for figure in venue.figures} <= set(OPERATIONS)
        assert all(figure.gas > 21_000 for figure in venue.figures)
        assert msgspec.json.decode(msgspec.json.encode(venue), type=type(venue)) == venue
