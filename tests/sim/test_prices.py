import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.errors import InputError
from ringfence.sim.prices import (
    ORDERS,
    Candles,
    count_steps,
    largest_fall,
    largest_rise,
    utc,
    walk,
)

HOUR_MS = 3_600_000
START_MS = 1_760_054_400_000  # 2025-10-10T00:00Z


def candles(*, gaps=False, interval_ms=HOUR_MS, rows_missing=0, **markets):
    """Build candles from rows (open, high, low, close) per market."""
    table = np.array(list(markets.values()), dtype=np.float64).transpose(1, 2, 0)
    clock = START_MS + interval_ms * np.arange(len(table), dtype=np.int64)
    clock[1:] += int(interval_ms * rows_missing)
    return Candles(tuple(markets), clock, *table.transpose(1, 0, 2), interval_ms, gaps=gaps)


def hour(price):
    return candles(BTC=[price])


@st.composite
def random_candles(draw):
    """One to four markets, one to five candles, with jumps between candles or without."""
    count, rows = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    factor = st.floats(0.2, 5.0)
    jump = draw(st.booleans())
    markets = {}
    for market in range(count):
        close, table = draw(st.floats(1e-4, 1e5)), []
        for _ in range(rows):
            opening = close * draw(factor) if jump else close
            close = opening * draw(factor)
            low = min(opening, close) / draw(st.floats(1, 3))
            high = max(opening, close) * draw(st.floats(1, 3))
            table.append((opening, high, low, close))
        markets[f"M{market}"] = table
    return candles(**markets, interval_ms=draw(st.sampled_from([60_000, HOUR_MS, 86_400_000])))


def path(source, order, max_step_ppm=1000):
    steps = list(walk(source, order=order, max_step_ppm=max_step_ppm))
    return np.array([step.ts_ms for step in steps]), np.array([step.prices for step in steps])


@pytest.mark.parametrize("order", ORDERS)
@given(source=random_candles(), max_step_ppm=st.sampled_from([5_000, 50_000, 500_000]))
def test_no_step_is_larger_than_allowed_and_time_always_rises(source, order, max_step_ppm):
    stamps, prices = path(source, order, max_step_ppm)
    moves = np.abs(prices[1:] / prices[:-1] - 1)
    assert moves.max() <= max_step_ppm / 1e6 * (1 + 1e-9)
    assert (np.diff(stamps) > 0).all()
    assert stamps[0] == source.ts_ms[0]
    assert stamps[-1] == source.end_ms
    assert len(stamps) == count_steps(source, order=order, max_step_ppm=max_step_ppm)


@pytest.mark.parametrize("order", ORDERS)
@given(source=random_candles())
def test_every_figure_of_every_candle_is_hit_exactly_and_nothing_beyond_it(source, order):
    stamps, prices = path(source, order, 50_000)
    assert (prices[0] == source.open[0]).all()
    for row, begin in enumerate(source.ts_ms):
        inside = prices[(stamps > begin) & (stamps <= begin + source.interval_ms)]
        before = source.open[row] if row == 0 else source.close[row - 1]
        seen = np.vstack([before, inside])
        assert (inside[-1] == source.close[row]).all()
        assert (seen.min(axis=0) == np.minimum(source.low[row], before)).all()
        assert (seen.max(axis=0) == np.maximum(source.high[row], before)).all()
        assert all((seen[:, m] == opening).any() for m, opening in enumerate(source.open[row]))


@given(source=random_candles())
def test_the_path_depends_on_its_arguments_alone(source):
    first, second = path(source, "spread", 50_000), path(source, "spread", 50_000)
    assert (first[0] == second[0]).all()
    assert (first[1] == second[1]).all()


@pytest.mark.parametrize(
    ("order", "extremes"),
    [("low_first", (90.0, 120.0)), ("high_first", (120.0, 90.0)), ("spread", (90.0, 120.0))],
)
def test_a_single_market_is_at_its_extremes_at_the_thirds_of_the_hour(order, extremes):
    stamps, prices = path(hour((100, 120, 90, 110)), order)
    at = dict(zip((stamps - START_MS).tolist(), prices[:, 0].tolist(), strict=True))
    assert (at[0], at[HOUR_MS // 3], at[HOUR_MS * 2 // 3], at[HOUR_MS]) == (100.0, *extremes, 110.0)


def test_the_number_of_steps_is_that_of_the_market_that_moves_most():
    source = candles(BTC=[(100, 100, 50, 50)], ETH=[(10, 10, 9, 10)])
    legs = (math.log(2), math.log(2), math.log(2))  # BTC: to its low, back to its high, and to its close
    assert count_steps(source, order="low_first", max_step_ppm=10_000) == 1 + sum(
        math.ceil(leg / math.log(1.01)) for leg in legs
    )


def test_prices_move_by_equal_ratios_in_equal_times():
    stamps, prices = path(hour((100, 100, 80, 100)), "low_first", 10_000)
    falling = prices[stamps <= START_MS + HOUR_MS // 3, 0]
    assert np.allclose(falling[1:] / falling[:-1], 0.8 ** (1 / (len(falling) - 1)), rtol=1e-12)


def test_low_first_puts_all_lows_at_one_moment_and_spread_puts_them_one_after_another():
    source = candles(A=[(10, 11, 9, 10)], B=[(20, 22, 18, 20)], C=[(30, 33, 27, 30)])
    for order, expected in (("low_first", [1 / 3] * 3), ("spread", [1 / 5, 2 / 5, 3 / 5])):
        stamps, prices = path(source, order)
        assert (stamps[prices.argmin(axis=0)] - START_MS).tolist() == [share * HOUR_MS for share in expected]


def test_a_flat_candle_still_keeps_time():
    stamps, prices = path(hour((5, 5, 5, 5)), "low_first")
    assert (stamps - START_MS).tolist() == [0, HOUR_MS // 3, HOUR_MS * 2 // 3, HOUR_MS]
    assert (prices == 5).all()


def test_a_jump_between_candles_is_walked_not_leapt():
    source = candles(BTC=[(100, 100, 100, 100), (150, 150, 150, 150)])
    stamps, prices = path(source, "low_first", 10_000)
    assert prices.max() == 150
    assert (prices[1:] / prices[:-1]).max() <= 1.01 * (1 + 1e-12)
    assert stamps[prices[:, 0].argmax()] == START_MS + HOUR_MS + HOUR_MS // 6


def test_yielded_prices_belong_to_the_caller():
    source = hour((100, 120, 90, 110))
    for step in walk(source, order="low_first"):
        step.prices[:] = 0
    assert source.open[0, 0] == 100
    assert [step.prices[0] for step in walk(source, order="low_first")][-1] == 110


def test_more_steps_than_milliseconds_is_refused():
    source = candles(BTC=[(1, 1e6, 1, 1)], interval_ms=1_000)
    with pytest.raises(
        InputError, match=r"^2025-10-10T00:00:00.333Z: the prices need \d+ steps within 333 ms"
    ):
        count_steps(source, order="low_first", max_step_ppm=100)


def test_too_many_markets_for_a_second_are_refused():
    source = candles(**{f"M{i}": [(1, 1, 1, 1)] for i in range(1000)}, interval_ms=1_000)
    with pytest.raises(InputError, match="candles of 1000 ms are too short to spread 1000 markets over"):
        count_steps(source, order="spread")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"order": "backwards"}, "order is 'backwards', expected one of low_first, high_first, spread"),
        ({"order": "spread", "max_step_ppm": 0}, "max_step_ppm is 0, expected 1 to 500000"),
        ({"order": "spread", "max_step_ppm": 500_001}, "max_step_ppm is 500001, expected 1 to 500000"),
    ],
)
def test_bad_arguments_are_refused_before_the_first_step(arguments, message):
    with pytest.raises(InputError, match=message):
        walk(hour((1, 1, 1, 1)), **arguments)


@pytest.mark.parametrize(
    ("price", "message"),
    [
        ((100, 90, 80, 85), r"BTC at 2025-10-10T00:00Z: high is below open or close \(open 100, high 90, "),
        ((100, 120, 101, 110), "low is above open or close"),
        ((100, 120, 0, 110), "low must be a price from 1e-15 to 1e"),
        ((100, 120, -1, 110), "low must be a price"),
        ((100, math.nan, 90, 110), "high must be a price"),
        ((100, math.inf, 90, 110), "high must be a price"),
        ((math.nan, 120, 90, 110), "open must be a price"),
    ],
)
def test_a_candle_that_cannot_be_is_named(price, message):
    with pytest.raises(InputError, match=message):
        hour(price)


def test_the_clock_must_rise_on_its_grid_without_gaps():
    flat = [(1, 1, 1, 1)] * 3
    with pytest.raises(InputError, match=r"^1 candle\(s\) missing after 2025-10-10T00:00Z$"):
        candles(BTC=flat, rows_missing=1)
    assert candles(BTC=flat, rows_missing=1, gaps=True).end_ms == START_MS + 4 * HOUR_MS
    with pytest.raises(InputError, match="follows 2025-10-10T00:00Z: expected a later time"):
        candles(BTC=flat, rows_missing=-1, gaps=True)
    with pytest.raises(InputError, match="expected a later time on the grid of 3600000 ms"):
        candles(BTC=flat, rows_missing=0.5, gaps=True)


def test_a_path_crosses_a_gap_by_walking_to_the_next_open():
    source = candles(BTC=[(100, 100, 100, 100), (50, 50, 50, 50)], rows_missing=3, gaps=True)
    stamps, prices = path(source, "low_first", 10_000)
    assert (prices[1:] / prices[:-1]).min() >= 1 / 1.01 - 1e-12
    assert (np.diff(stamps) > 0).all()
    assert prices[-1, 0] == 50


def test_shapes_and_names_are_checked():
    clock, price = np.array([START_MS]), np.ones((1, 1))
    with pytest.raises(InputError, match=r"low has the shape \(1, 2\), expected \(1, 1\)"):
        Candles(("BTC",), clock, price, price, np.ones((1, 2)), price, HOUR_MS)
    with pytest.raises(InputError, match="a market is named twice: BTC, BTC"):
        Candles(("BTC", "BTC"), clock, *[np.ones((1, 2))] * 4, HOUR_MS)
    with pytest.raises(InputError, match="0 market"):
        Candles((), clock, *[np.ones((1, 0))] * 4, HOUR_MS)
    with pytest.raises(InputError, match="interval of 999 ms"):
        Candles(("BTC",), clock, *[price] * 4, 999)
    with pytest.raises(InputError, match="lies outside 1970 to 2100"):
        Candles(("BTC",), clock * 1000, *[price] * 4, HOUR_MS)


def test_candles_without_opens_start_at_the_close_before_and_reach_it():
    low, high, close = (
        np.array([[value] for value in row], dtype=float) for row in ([90, 96], [110, 99], [95, 97])
    )
    clock = START_MS + HOUR_MS * np.arange(2)
    made = Candles.from_closes(["BTC"], clock, low, high, close, HOUR_MS)
    assert (made.open, made.high, made.low, made.close) == (
        95,
        99,
        95,
        97,
    )  # the low reaches down to the open
    assert made.ts_ms.tolist() == [START_MS + HOUR_MS]
    assert not made.jumps
    with pytest.raises(InputError, match="at least 2 are needed"):
        Candles.from_closes(["BTC"], clock[:1], low[:1], high[:1], close[:1], HOUR_MS)


def test_selecting_markets_orders_them():
    source = candles(BTC=[(10, 12, 9, 11)], ETH=[(1, 1.2, 0.9, 1.1)])
    picked = source.select(["ETH", "BTC"])
    assert picked.markets == ("ETH", "BTC")
    assert picked.close.tolist() == [[1.1, 11]]
    with pytest.raises(InputError, match="no prices for market SOL; there are BTC, ETH"):
        source.select(["SOL"])


def test_falls_and_rises_are_measured_from_an_earlier_price():
    source = candles(BTC=[(100, 150, 90, 120), (120, 125, 60, 100)])
    assert largest_fall(source).tolist() == pytest.approx(
        [1 - 60 / 150]
    )  # the high of the first hour, not the open
    assert largest_rise(source).tolist() == pytest.approx(
        [100 / 60 - 1]
    )  # whether 125 came after 60 is not known
    assert largest_fall(hour((100, 150, 90, 120))).tolist() == pytest.approx([1 - 120 / 150])
    assert largest_rise(hour((100, 150, 90, 120))).tolist() == pytest.approx([150 / 100 - 1])


@pytest.mark.parametrize("order", ORDERS)
@given(source=random_candles())
def test_falls_and_rises_are_the_least_of_any_path(source, order):
    _, prices = path(source, order, 50_000)
    peak, trough = np.maximum.accumulate(prices), np.minimum.accumulate(prices)
    fall, rise = (1 - prices / peak).max(axis=0), (prices / trough - 1).max(axis=0)
    assert (largest_fall(source) <= fall + 1e-9).all()
    assert (largest_rise(source) <= rise + 1e-9).all()
    if order == "high_first":
        assert largest_rise(source) == pytest.approx(rise)
    else:
        assert largest_fall(source) == pytest.approx(fall)


def test_times_are_written_as_short_as_they_can_be():
    assert [utc(START_MS + ms) for ms in (0, 1_000, 1)] == [
        "2025-10-10T00:00Z",
        "2025-10-10T00:00:01Z",
        "2025-10-10T00:00:00.001Z",
    ]


def test_steps_come_in_the_order_of_time_across_chunks():
    rng = np.random.default_rng(7)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.001, (300, 30)), axis=0))
    clock = START_MS + 60_000 * np.arange(len(close))
    source = Candles.from_closes([f"M{i}" for i in range(30)], clock, close, close, close, 60_000)
    steps = list(walk(source, order="spread", max_step_ppm=100_000))
    assert len(steps) == count_steps(source, order="spread", max_step_ppm=100_000)
    assert all(earlier.ts_ms < later.ts_ms for earlier, later in pairwise(steps))
