"""`Engine.resolve` does what `clearing.resolve` does, step by step, in chaos and in a crash of a crowd."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import chaos.world
from kernel.engine.crowds import MARK, crowd, crowd_venue, fallen
from ringfence.clearing import command as cmd
from ringfence.clearing import event as ev
from ringfence.clearing import ledger
from ringfence.clearing.log import Clearinghouse, state_hash
from ringfence.clearing.model import QUOTE, Asset, Position, Scale, Subaccount
from ringfence.clearing.policy import Deleveraging, Liquidation, Policy, Tier, Tiered
from ringfence.clearing.resolve import Fills, resolve
from ringfence.errors import InputError
from ringfence.kernel.engine import layout as at
from ringfence.kernel.engine.columns import Columns
from ringfence.kernel.engine.engine import Engine

SCORES = ("profit_leverage", "index", "index_literal", "profit_margin")


def policy(how="ranked", score="profit_leverage", **others):
    return Policy(liquidation=Liquidation(fee_ppm=5_000), deleveraging=Deleveraging(how, score), **others)


def both(engine, names, fills):
    """Steps of both, on the state of the engine; the reference's house."""
    house = Clearinghouse(engine.to_venue(), keep_log=False)
    return list(engine.resolve(names, fills)), resolve(house, names, fills), house


def crash(fund_q, venue_policy, count=400, seed=1, fills=None):
    engine = Engine.from_columns(crowd_venue(fund_q, venue_policy), crowd(count, seed))
    assert engine.submit([cmd.SetPrices(2, 2, fallen())])[0].events
    found, wanted, house = both(engine, list(engine.names.rows), fills or Fills())
    assert found == wanted
    assert engine.state_hash() == state_hash(house.venue)
    ledger.audit(engine.to_venue())
    return engine, [type(command) for command, _ in found]


@pytest.mark.parametrize("score", SCORES)
def test_a_crash_without_a_fund_deleverages_in_the_order_of_the_reference(score):
    engine, kinds = crash(0, policy("ranked", score))
    assert kinds.count(cmd.Deleverage) > 50
    assert engine.by_reference == 0


ALIKE = st.tuples(st.sampled_from((100, 200, 300)), st.sampled_from((8, 19)), st.sampled_from((8, 19)))


@settings(max_examples=60)
@given(
    st.lists(ALIKE, min_size=1, max_size=40),
    st.sampled_from([*(("ranked", score) for score in SCORES), ("cyclic", SCORES[0])]),
    st.sampled_from((0, 10**6)),
)
@example([(100, 8, 8)] * 30, ("ranked", "index"), 0)
@example([(300, 19, 8)] * 9 + [(200, 8, 19)] * 9, ("ranked", "profit_margin"), 10**6)
def test_traders_who_are_alike_take_their_turn_by_name(pairs, how, fund_q):
    """Scores tie, winners are closed in part again and again, and many losers are bankrupt at one price."""
    lots, *leverages = np.array(pairs).T
    size_b, worth_q = np.concatenate([lots, -lots]), MARK * np.concatenate([lots, -lots])
    columns = Columns(
        [f"t{n * 7 % 97:02d}" for n in range(len(size_b))],
        np.abs(worth_q) // np.concatenate(leverages) - worth_q,
        np.ones(len(size_b), np.int64),
        np.zeros(len(size_b), np.int64),
        size_b,
        worth_q,
    )
    engine = Engine.from_columns(crowd_venue(fund_q, policy(*how)), columns)
    engine.submit([cmd.SetPrices(2, 2, {"A": MARK * 90 // 100})])
    found, wanted, house = both(engine, [*engine.names.rows], Fills())
    assert found == wanted
    assert engine.state_hash() == state_hash(house.venue)
    assert engine.by_reference == 0


@pytest.mark.parametrize("draw", [0, 3])
def test_a_cyclic_scan_starts_where_it_was_drawn(draw):
    _, kinds = crash(0, policy("cyclic"), fills=Fills(0, draw))
    assert cmd.Deleverage in kinds


def test_profits_are_cut_in_proportion():
    _, kinds = crash(0, policy("pro_rata"), count=60)
    assert cmd.Deleverage in kinds


@pytest.mark.parametrize("by", ["equity", "open_interest"])
@pytest.mark.parametrize("fund_q", [0, 10**10])
def test_bad_debt_is_spread_over_others(by, fund_q):
    _, kinds = crash(fund_q, policy(waterfall=("insurance", "socialize"), socialize_by=by), seed=2)
    assert cmd.Socialize in kinds


def test_a_rich_fund_pays_for_all():
    _, kinds = crash(10**15, policy(), fills=Fills(2_000))
    assert {*kinds} == {cmd.Liquidate}


@pytest.mark.parametrize("seed", range(8))
def test_all_that_is_due_in_a_chaos_run_is_done_alike(seed, monkeypatch):
    compared = []

    def due(house, names, fills=None):
        engine = Engine.from_venue(house.venue)
        found, wanted, twin = both(engine, [*names], fills)
        assert found == wanted
        assert engine.state_hash() == state_hash(twin.venue)
        compared.extend(wanted)
        return resolve(house, names, fills)

    monkeypatch.setattr(chaos.world, "resolve", due)
    chaos.world.Crash(seed).run()


def test_records_lie_on_cache_lines():
    """Also in arrays that had to grow, and on a tape that was handed over."""
    engine = Engine.from_columns(crowd_venue(0), crowd(6_000, 1))
    engine.submit([cmd.SetPrices(2, 2, fallen())])
    engine._held = engine.book._replace(tape=engine.book.tape[:1_000])
    engine.resolve()
    book = engine.book
    for array in (book.rows, book.legs, book.markets, book.heap, book.list, book.steps, book.tape):
        assert array.ctypes.data % 64 == 0


def test_names_that_are_not_asked_for_are_left_alone():
    engine = Engine.from_columns(crowd_venue(0), crowd(100, 3))
    engine.submit([cmd.SetPrices(2, 2, fallen())])
    assert len(engine.resolve([])) == 0
    steps = engine.resolve(["t0000001"])
    assert {getattr(command, "subaccount", "t0000001") for command, _ in steps} <= {"t0000001", ""}


def test_columns_that_do_not_fit_are_named():
    columns = crowd(10, 1)
    with pytest.raises(InputError, match="twice"):
        Engine.from_columns(crowd_venue(0), columns._replace(ids=["same"] * len(columns.ids)))
    with pytest.raises(InputError, match="no size is 0"):
        Engine.from_columns(crowd_venue(0), columns._replace(size_b=0 * columns.size_b))
    with pytest.raises(InputError, match="none of the 4"):
        Engine.from_columns(crowd_venue(0), columns._replace(market=9 + columns.market))


def test_a_queue_takes_more_winners_than_it_was_made_for():
    """Two losers are deleveraged; between them many more traders go short than there were when the first one was."""
    newcomers, lots, worth_q = 2_000, 100, 100 * MARK
    ids = ["loser-1", "loser-2", "winner-1", "winner-2", *(f"n{number:04d}" for number in range(newcomers))]
    engine = Engine.from_columns(
        crowd_venue(0, policy("cyclic")),
        Columns(
            ids,
            np.array([-worth_q + worth_q // 20] * 2 + [2 * worth_q] * 2 + [worth_q] * newcomers),
            np.array([1] * 4 + [0] * newcomers),
            np.zeros(4, np.int64),
            np.array([lots, lots, -lots, -lots]),
            np.array([worth_q, worth_q, -worth_q, -worth_q]),
        ),
    )
    house = Clearinghouse(engine.to_venue(), keep_log=False)
    fallen_mark = MARK * 86 // 100
    commands = [
        cmd.SetPrices(2, 2, {"A": fallen_mark}),
        cmd.Deleverage("loser-1", "A"),
        *(
            cmd.Trade("A", -1, fallen_mark, ids[4 + number], ids[5 + number])
            for number in range(0, newcomers, 2)
        ),
        cmd.Deleverage("loser-2", "A"),
    ]
    for command in commands:
        assert engine.submit([command]) == [house.submit(command)], command
    assert engine.state_hash() == state_hash(house.venue)
    assert engine.by_reference == 0


def test_winners_of_any_wealth_are_ranked_and_none_is_left_to_the_reference():
    """Cost times equity of a maker needs more than 95 bits, which is where a shorter way to its score ends."""
    lots = np.array([10**8, 10**8, 3, -(10**8), -(10**8), -3])
    worth_q = lots * MARK
    engine = Engine.from_columns(
        crowd_venue(0, policy()),
        Columns(
            ["loser-1", "loser-2", "loser-3", "maker-1", "maker-2", "winner"],
            np.array([*(-worth_q[:3] + worth_q[:3] // 20), 10**18 + 10**6, 10**18, 4 * 10**5]),
            np.ones(6, np.int64),
            np.zeros(6, np.int64),
            lots,
            worth_q,
        ),
    )
    engine.submit([cmd.SetPrices(2, 2, {"A": MARK * 86 // 100})])
    found, wanted, house = both(engine, [*engine.names.rows], Fills())
    assert found == wanted
    assert [type(command) for command, _ in found] == [cmd.Deleverage] * 3
    assert engine.state_hash() == state_hash(house.venue)
    assert engine.by_reference == 0


def test_whoever_opened_and_added_since_the_last_loser_is_a_winner_too():
    """Holders were listed for one market; before another is asked for, a trader opens a position there in two steps."""
    ids = ["loser-1", "loser-2", "winner-1", "winner-2", "a-newcomer", "b-newcomer"]
    lots, worth_q = 100, 100 * MARK
    engine = Engine.from_columns(
        crowd_venue(0, policy("cyclic")),
        Columns(
            ids,
            np.array([-worth_q + worth_q // 20] * 2 + [2 * worth_q] * 2 + [worth_q] * 2),
            np.array([1] * 4 + [0] * 2),
            np.array([0, 1, 0, 1]),
            np.array([lots, lots, -lots, -lots]),
            np.array([worth_q, worth_q, -worth_q, -worth_q]),
        ),
    )
    house = Clearinghouse(engine.to_venue(), keep_log=False)
    mark = MARK * 86 // 100
    blocks = [
        [cmd.SetPrices(2, 2, {"A": mark, "B": mark}), cmd.Deleverage("loser-1", "A")],
        [*[cmd.Trade("B", -1, mark, "a-newcomer", "b-newcomer")] * 2, cmd.Deleverage("loser-2", "B")],
    ]
    for commands in blocks:
        assert engine.submit(commands) == [house.submit(command) for command in commands]
    assert engine.state_hash() == state_hash(house.venue)
    assert engine.by_reference == 0


def venue_of_many_assets(assets=70):
    """A loser and winners of whom each hands a little of every asset to its parent as soon as it is flat."""
    venue, unworthy = crowd_venue(0, policy()), Tiered((Tier(0, 0, 0, 0),), 1)
    venue.assets |= {f"X{n}": Asset(f"X{n}", Scale(1, 10**6), unworthy, price=1) for n in range(assets)}
    for name, lots, quote_q in (("loser", 100, -95), ("w1", -60, 200), ("w2", -30, 100), ("w3", -10, 50)):
        venue.subaccounts[name] = Subaccount(name, name)
        venue.subaccounts[f"{name}/1"] = Subaccount(
            *(f"{name}/1", name, name),
            balances={QUOTE: quote_q * MARK, **dict.fromkeys(venue.assets, 1)},
            positions={"A": Position(lots, lots * MARK, 0)},
        )
    venue.markets["A"].open_interest_b = 100
    return venue


def test_a_tape_may_end_anywhere_in_a_deleveraging():
    """Whoever is flat hands 70 assets on, more records than were once kept for the end of a deleveraging.

    What was wrong then: it stopped for want of them with the winners' claims out of the queue, and found nobody.
    """
    commands = [cmd.SetPrices(2, 2, {"A": MARK * 86 // 100}), cmd.Deleverage("loser/1", "A")]
    house = Clearinghouse(venue_of_many_assets(), keep_log=False)
    wanted = [house.submit(command) for command in commands]
    assert sum(isinstance(event, ev.Transfer) for event in wanted[1].events) > 4 * 70
    for room in range(1, 500, 7):
        engine = Engine.from_venue(venue_of_many_assets())
        engine._held = engine.book._replace(tape=np.zeros((room, at.TAPE_WORDS), np.int64))
        assert engine.submit(commands) == wanted, room
        assert engine.by_reference == 0
    assert engine.state_hash() == state_hash(house.venue)
