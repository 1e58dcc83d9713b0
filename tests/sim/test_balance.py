import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.sim.balance import Book, balance


def book(*rows):
    """Book from rows (account, market, side, notional, able)."""
    account, market, side, notional_usd, able = map(np.array, zip(*rows, strict=True))
    return Book(account, market, side, notional_usd.astype(float), able)


def net_usd(balanced_book):
    return balanced_book.per_market(balanced_book.side * balanced_book.notional_usd).tolist()


NO_LIMIT = np.full(4, 1e9)


def test_able_positions_grow_and_shrink_by_one_factor():
    result = balance(book((0, 0, 1, 90, False), (1, 0, -1, 60, True), (2, 0, 1, 60, True)), NO_LIMIT, 3)
    assert result.notional_usd == pytest.approx([90, 120, 30])  # 60 f - 60 / f = 90 at f = 2
    assert net_usd(result) == pytest.approx([0])


def test_positions_turn_around_only_where_scaling_cannot_do():
    rows = ((0, 0, -1, 100, False), (1, 0, 1, 50, True), (2, 0, -1, 20, True), (3, 0, -1, 80, True))
    assert balance(book(*rows), NO_LIMIT, 3).side.tolist() == [-1, 1, -1, -1]
    result = balance(
        book(*rows), NO_LIMIT, 1.5
    )  # 50 * 1.5 - 100 / 1.5 < 100: the 80 turns, 130 f - 20 / f = 100
    assert result.side.tolist() == [-1, 1, -1, 1]
    assert net_usd(result) == pytest.approx([0])


def test_a_position_that_would_tip_the_market_further_stays():
    result = balance(book((0, 0, 1, 100, True), (1, 0, -1, 10, False)), NO_LIMIT, 2)
    assert result.side.tolist() == [1, -1]
    assert result.notional_usd.tolist() == [50, 10]


def test_a_market_whose_heavy_side_alone_is_able_shrinks_to_fit():
    result = balance(book((0, 0, 1, 100, True), (1, 0, -1, 90, False)), NO_LIMIT, 2)
    assert result.notional_usd == pytest.approx([90, 90])


def test_growth_stops_at_the_leverage_limit():
    rows = ((0, 0, 1, 90, False), (1, 0, -1, 60, True), (1, 1, 1, 30, False))
    result = balance(book(*rows), np.array([1e9, 100.0]), 3)
    assert result.notional_usd.tolist() == [90, 70, 30]


def test_where_nobody_is_able_nothing_moves():
    rows = ((0, 0, 1, 90, False), (1, 1, -1, 60, False))
    result = balance(book(*rows), NO_LIMIT, 3)
    assert net_usd(result) == [90, -60]


@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 3),
            st.integers(0, 2),
            st.sampled_from([-1, 1]),
            st.floats(0.01, 1e8),
            st.booleans(),
        ),
        min_size=1,
        max_size=12,
    ),
    scale_max=st.floats(1, 5),
)
def test_balancing_never_makes_a_market_more_one_sided(rows, scale_max):
    before = book(*rows)
    after = balance(before, NO_LIMIT, scale_max)
    rounding_usd = 1e-9 * before.notional_usd.sum()
    assert (np.abs(net_usd(after)) <= np.abs(net_usd(before)) + rounding_usd).all()
    fixed = ~before.able
    assert np.array_equal(after.notional_usd[fixed], before.notional_usd[fixed])
    assert np.array_equal(after.side[fixed], before.side[fixed])
    ratio = after.notional_usd / before.notional_usd
    assert ((ratio >= 1 / scale_max * (1 - 1e-9)) & (ratio <= scale_max * (1 + 1e-9))).all()
