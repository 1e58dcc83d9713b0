"""What a sweep says of a leg by its class lies on the safe side of its lines, and close to them; in rationals."""

from fractions import Fraction
from random import Random

import numpy as np
import pytest

from kernel.bands_books import USD, shaped_venue
from ringfence.clearing.model import Asset, Scale
from ringfence.clearing.policy import Tier, Tiered
from ringfence.kernel import bands_record
from ringfence.kernel.bands import Bands
from ringfence.kernel.bands_record import place_of, places_at
from ringfence.kernel.bands_sweep import chart
from ringfence.kernel.columns import from_venue
from ringfence.kernel.plan import plan

CHARTED = [
    "tiered",
    "tiered with a floor",
    "tiered with an amount added",
    "open interest",
    "sided, shorts above one",
    "a rate of one",
]
CROOKED = "tiered with a floor"
"""Here a line is nowhere the highest, so that a class has two."""
FINEST = Fraction(1, 2**40)
"""Of all magnitudes, more than `EPSILON` takes."""


def indexed(shape, random, count=120):
    """The index of the first block of such a book, in which everybody holds an asset too; and the number of markets."""
    venue = shaped_venue(shape, random, count)
    haircut = Tiered((Tier(0, 100, 50, 0), Tier(10_000 * USD, 100, 300, 2_500_000 * USD)), 1_000)
    venue.assets["X"] = Asset("X", Scale(1, 1_000), haircut, price=1_000)
    for found in venue.subaccounts.values():
        found.balances["X"] = random.randint(1, 10**11)
    found = plan(venue)
    return Bands(found, from_venue(venue, found)).indices[0], len(venue.markets)


def asked_by(index, row, units):
    """What each line of a row asks of so many units at the present price."""
    lines, price = index.lines, Fraction(index.price[row // 2])
    return [
        Fraction(lines.rate[row, line]) * units * price + Fraction(lines.offset[row, line])
        for line in range(lines.length[row])
    ]


def classes(index):
    """Row, place, and some units of every class that a leg may be in: both ends, and between them."""
    for row in range(2 * len(index.price)):
        begin = 0.0
        for kind, end in enumerate(index.until[row]):
            last = end if end < np.inf else 4 * begin + 1e6
            if begin < last:
                yield (
                    row,
                    (row << index.class_bits) + kind,
                    (np.nextafter(begin, last), (begin + last) / 2, last),
                )
            begin = end


def moved(index, random, share):
    """Move all prices by up to so much, and the funding of markets with them."""
    for factor in range(len(index.price)):
        index.price[factor] = max(round(index.price[factor] * random.uniform(1 - share, 1 + 3 * share)), 1)
    index.paid[: len(index.epoch)] = random.choice((0.0, 1e-3, 0.3, -0.2)) * index.price[: len(index.epoch)]


@pytest.mark.parametrize("shape", CHARTED)
@pytest.mark.parametrize("share", [0, 0.01, 0.9])
def test_a_class_bounds_what_each_of_its_legs_adds_to_the_surplus(shape, share):
    random, checked = Random(shape), 0
    index, markets = indexed(shape, random)
    moved(index, random, share)
    chart(index, markets)
    for row, place, units in classes(index):
        sign = 1 if row % 2 == 0 else -1
        price, paid = Fraction(index.price[row // 2]), Fraction(index.paid[row // 2])
        gain, fixed = map(Fraction, index.at_least[place])
        most, free, rate, offset = map(Fraction, index.at_most[place])
        for unit in map(Fraction, units):
            asked = asked_by(index, row, unit)
            exact = sign * unit * (price - paid) - max(asked)
            size = unit * (4 * price + abs(paid)) + abs(asked[-1])
            least = sign * unit * gain - fixed
            assert least <= exact <= sign * unit * most - free
            assert (sign * unit * rate + offset <= max(asked)) if row // 2 < markets else rate == offset == 0
            if share == 0 and shape != CROOKED:
                assert unit == units[1] or exact - least <= FINEST * size
                assert sign * unit * most - free - exact <= FINEST * size
            checked += 1
    assert checked >= 6 * len(index.price)


@pytest.mark.parametrize("shape", CHARTED)
def test_a_leg_is_in_the_class_of_its_size(shape):
    index, _ = indexed(shape, Random(shape))
    width = index.scratch.shape[1]
    rows, legs = np.nonzero(index.words[:, :width])
    assert len(rows) > 40
    for row, leg in zip(rows, legs, strict=True):
        unit, place = index.words[row, leg], int(index.shorts[row, 4 * places_at(width) + leg])
        line, kind = place >> index.class_bits, place & ((1 << index.class_bits) - 1)
        assert line % 2 == (unit < 0)
        assert index.slots.first[line // 2] <= index.slot[row, leg] // bands_record.BLOCK**2
        assert abs(unit) <= index.until[line, kind]
        assert kind == 0 or abs(unit) > index.until[line, kind - 1]


def test_a_leg_that_there_is_not_adds_nothing():
    index, markets = indexed("tiered with an amount added", Random(1))
    chart(index, markets)
    place = place_of(index, 0, 0.0)
    assert place == 2 * len(index.price) << index.class_bits
    assert not index.at_least[place].any()
    assert not index.at_most[place].any()
