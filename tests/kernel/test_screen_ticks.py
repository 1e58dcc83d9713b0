"""Screen and brute force on every tick of a quiet market, a bounce, a crash, and a book placed at the boundary.

`make test` compares some ten thousand decisions, `make fuzz` a hundred million.
"""

import os

import numpy as np
import pytest

import population
from ringfence.kernel.screen import Screen, assess, brute

LONG = bool(os.environ.get("RINGFENCE_FUZZ"))
ROWS, TICKS = (20_000, 1_250) if LONG else (400, 10)


def placed(plan, columns, random):
    """Cash such that everybody lies within ten atoms of the trigger at the present prices."""
    found = assess(plan, columns).surplus
    for start, block in zip(columns.starts, columns.blocks, strict=False):
        part = found[start : start + len(block.cash)]
        np.subtract(block.cash, part - random.integers(-10, 11, len(part)), out=block.cash)


def checked(screen):
    """How many are due, and whether the screen and brute force name the same."""
    got, want = screen.liquidatable(), brute(screen.plan, screen.columns)
    assert np.array_equal(got, want)
    return len(want)


@pytest.mark.fuzz
@pytest.mark.parametrize("kind", ["quiet", "bounce", "crash"])
def test_every_tick(kind):
    plan, columns = population.cross(ROWS)
    screen, due = Screen(plan, columns), []
    for prices in population.ticks(plan, TICKS, kind):
        plan.table.markets["price"][:] = prices
        due.append(checked(screen))
    assert due[0] < ROWS // 10
    assert screen.exact < ROWS // 10


@pytest.mark.fuzz
@pytest.mark.parametrize("legs", [1, 8])
def test_every_tick_of_a_book_at_the_boundary(legs):
    random = np.random.default_rng(5)
    plan, columns = population.cross(ROWS, legs)
    placed(plan, columns, random)
    screen = Screen(plan, columns)
    assert 0 < checked(screen) < ROWS
    assert screen.exact > ROWS // 3
    for tick in range(TICKS // 2):
        prices = plan.table.markets["price"]
        prices[random.integers(len(prices))] += random.integers(-3, 4)
        if tick % 5 == 0:
            placed(plan, columns, random)
            screen.build()
        checked(screen)
