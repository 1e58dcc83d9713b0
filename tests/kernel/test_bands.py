"""Bands decide as a look at everybody does, at every tick: every rulebook, every shape, near the boundary."""

from random import Random
from typing import get_args

import numpy as np
import pytest

from kernel.bands_books import SHAPES, USD, Watched, shaped_venue, unanchored
from kernel.books import BOOKS, book
from population import cross, ticks
from ringfence.clearing.model import Asset, Scale, Subaccount
from ringfence.clearing.policy import Policy, Requirement, Rounding, Stepped, Tier, Tiered
from ringfence.clearing.set_rules import SetRule
from ringfence.errors import InputError
from ringfence.kernel import bands_record
from ringfence.kernel.bands import BOUNDS, EXACT, LOWER_BOUND, SCREEN_ONLY, bound_of
from ringfence.kernel.bands_slots import BLOCK, PAGE
from ringfence.kernel.bands_tick import key_of
from ringfence.kernel.columns import from_venue
from ringfence.kernel.plan import plan
from ringfence.kernel.screen import assess


def run(watched, random, count):
    """Tempting ticks, each judged; now and then all prices at once, and rows that are watched again."""
    for _ in range(count):
        if random.random() < 0.15:
            share = random.choice((1, 5, 50))
            prices = watched.prices()
            moved = [int(price) * (1_000 + random.randint(-share, share)) // 1_000 for price in prices]
            watched.judge(watched.bands.batch(np.array(moved, np.int64)))
        else:
            watched.judge(watched.bands.tick(*watched.tempting_price(random)))
        if watched.reported and random.random() < 0.3:
            watched.update(random.choice(sorted(watched.reported)))


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_decided_as_by_a_look_at_everybody(shape):
    random = Random(shape)
    watched = Watched.of(shaped_venue(shape, random, 60))
    run(watched, random, 120)
    assert watched.reported


@pytest.mark.parametrize("rulebook", BOOKS, ids=lambda rulebook: rulebook.name)
def test_every_rulebook_is_decided_as_by_a_look_at_everybody(rulebook):
    for seed in range(3):
        watched = Watched.of(book(rulebook, seed, 25))
        if not len(watched.columns):
            assert watched.columns.apart
            continue
        run(watched, Random(seed), 40)


@pytest.mark.parametrize(
    "shape",
    [
        "tiered",
        "tiered with a floor",
        "tiered with an amount added",
        "sided, shorts above one",
        "stepped by notional",
        "skew",
    ],
)
def test_a_tick_that_would_touch_too_many_sweeps_and_the_index_catches_up(shape, monkeypatch):
    monkeypatch.setattr(bands_record, "LEAST_ROOM", 0)
    random = Random(shape)
    watched = Watched.of(shaped_venue(shape, random, 700), touches_per_sweep=700)
    swept = 0
    for _ in range(60):
        watched.judge(watched.bands.tick(*watched.tempting_price(random)))
        swept += unanchored(watched)
    assert swept
    for _ in range(200):
        market = random.randrange(3)
        watched.judge(watched.bands.tick(market, int(watched.prices()[market])))
    run(watched, random, 30)


@pytest.mark.parametrize("rounding", [Rounding(), Rounding(value=1, notional=0, requirement=0)])
@pytest.mark.parametrize("shape", ["tiered", "tiered with an amount added", "sided, shorts above one"])
def test_a_sweep_decides_whoever_it_puts_at_the_trigger(shape, rounding, monkeypatch):
    """Whichever way the venue rounds: the exact surplus lies below the one without roundings, or above it."""
    monkeypatch.setattr(bands_record, "LEAST_ROOM", 0)
    venue, random = shaped_venue(shape, Random(shape), 700), np.random.default_rng(9)
    venue.policy = Policy(rounding=rounding)
    found = plan(venue)
    columns, prices = from_venue(venue, found), found.table.markets["price"].copy()
    surplus = assess(found, columns).surplus
    for start, block in zip(columns.starts, columns.blocks, strict=False):
        part = surplus[start : start + len(block.cash)]
        np.subtract(block.cash, part - random.integers(-10, 11, len(part)), out=block.cash)
    found.table.markets["price"] = prices * 99 // 100
    watched = Watched(found, columns, touches_per_sweep=700)
    watched.judge(watched.bands.batch(prices))
    assert unanchored(watched)


def found_owners(index):
    """Rows that hold a trigger which the present prices cross, in a block that a scan goes through."""
    found = set()
    for factor in range(len(index.price)):
        slots = slice(*(int(page) * PAGE for page in index.slots.first[factor : factor + 2]))
        for side in range(2):
            key = np.float32(key_of(index, side, factor))
            crossed = index.slots.reach[side, slots] >= key
            crossed &= np.repeat(index.slots.block[side] >= key, BLOCK)[slots]
            found |= set(index.slots.owner[slots][crossed].tolist())
    return found


def test_a_gap_of_all_prices_is_swept_and_leaves_nothing_crossed(monkeypatch):
    monkeypatch.setattr(bands_record, "LEAST_ROOM", 0)
    found, columns = cross(400)
    random, start = np.random.default_rng(8), found.table.markets["price"].copy()
    taken = random.uniform(0, 1, 400) * assess(found, columns).surplus
    columns.blocks[0].cash[:] -= taken.astype(np.int64)
    watched = Watched(found, columns, touches_per_sweep=400)
    (index,) = watched.bands.indices
    for share in (0.9, 0.91, 1.1, 0.8, 0.82):
        watched.judge(watched.bands.batch(np.rint(start * share).astype(np.int64)))
        assert unanchored(watched)
    assert watched.reported
    for _ in range(300):
        watched.judge(watched.bands.tick(0, int(watched.prices()[0])))
    assert not unanchored(watched)
    assert not found_owners(index)


@pytest.mark.parametrize("rows", [bands_record.CHUNK, bands_record.CHUNK + 1])
def test_a_sweep_reaches_the_last_row(rows, monkeypatch):
    monkeypatch.setattr(bands_record, "LEAST_ROOM", 0)
    found, columns = cross(rows)
    start = found.table.markets["price"].copy()
    columns.blocks[0].cash[-1] -= assess(found, columns).surplus[-1] - 10
    watched = Watched(found, columns, touches_per_sweep=rows)
    for share in (9, 11):
        watched.judge(watched.bands.batch(start * share // 10))
        assert unanchored(watched)
    assert rows - 1 in watched.reported


def test_after_a_gap_every_tick_anchors_some_rows_and_a_gap_lets_them_go(monkeypatch):
    monkeypatch.setattr(bands_record, "LEAST_ROOM", 0)
    found, columns = cross(400)
    start = found.table.markets["price"].copy()
    watched = Watched(found, columns, touches_per_sweep=400)
    (index,) = watched.bands.indices
    watched.judge(watched.bands.batch(start * 9 // 10))
    for left in range(400, 0, -len(index.found)):
        assert unanchored(watched) == left
        held = [bool(watched.bands.triggers(row)) for row in range(400) if index.watched[row]]
        assert held == sorted(held, reverse=True)
        assert sum(index.watched[: 400 - left]) == sum(held)
        watched.judge(watched.bands.tick(0, int(watched.prices()[0])))
    assert not unanchored(watched)
    assert not watched.judge(watched.bands.tick(0, int(watched.prices()[0])))
    watched.judge(watched.bands.batch(start * 7 // 10))
    assert unanchored(watched) == 400


@pytest.mark.parametrize("kind", ["quiet", "crash", "bounce", "at the boundary"])
def test_every_tick_of_a_market_is_decided_as_by_a_look_at_everybody(kind):
    found, columns = cross(300)
    block, random = columns.blocks[0], np.random.default_rng(7)
    if kind == "at the boundary":
        block.cash[:] -= assess(found, columns).surplus - random.integers(-10, 11, len(columns))
    watched, whole = Watched(found, columns), ticks(found, 16, "crash" if kind == "at the boundary" else kind)
    for prices in whole[:: 1 if kind == "quiet" else 2]:
        for market in random.permutation(len(prices)):
            watched.judge(watched.bands.tick(int(market), int(prices[market])))
    for prices in whole[::-1]:
        watched.judge(watched.bands.batch(prices))
    assert watched.reported or kind != "at the boundary"


def test_the_price_of_a_collateral_asset_is_followed():
    judged = 0
    for rulebook in BOOKS:
        watched = Watched.of(book(rulebook, 5, 25))
        for asset in range(len(watched.plan.table.assets)):
            price = int(watched.plan.table.assets["price"][asset]) * 2 // 3
            judged += watched.judge(watched.bands.tick_asset(asset, price))
            assert watched.plan.table.assets["price"][asset] == price or not len(watched.columns)
    assert judged


@pytest.mark.parametrize("is_swept", [False, True])
def test_a_debt_that_a_haircut_leaves_uncovered_asks_for_no_margin(is_swept, monkeypatch):
    monkeypatch.setattr(bands_record, "LEAST_ROOM", 0)
    venue, haircut = shaped_venue("tiered", Random(1), 100), Tiered((Tier(0, 100, 100, 0),), 1_000)
    venue.assets["X"] = Asset("X", Scale(1, 1_000), haircut, price=1_000)
    for number in range(100):
        owing = Subaccount(f"x{number}", "desk")
        owing.balances.update({"USDC": -95 * USD, "X": (100 + number) * USD})
        venue.subaccounts[owing.id] = owing
    watched = Watched.of(venue, touches_per_sweep=1_000 if is_swept else 1)
    watched.judge(watched.bands.tick_asset(0, 700))
    assert (unanchored(watched) > 0) == is_swept


def test_many_ticks_in_one_call_are_the_same_as_one_by_one():
    one, many = (Watched.of(shaped_venue("tiered", Random(3), 80)) for _ in range(2))
    random, moves = Random(4), []
    for _ in range(150):
        factor, price = one.tempting_price(random)
        moves.append((factor, price, sorted(one.bands.tick(factor, price).tolist())))
    factors, prices, expected = zip(*moves, strict=True)
    found = many.bands.ticks(np.array(factors), np.array(prices))
    assert [sorted(found.at(tick).tolist()) for tick in range(len(moves))] == list(expected)
    assert any(expected)
    assert np.array_equal(one.prices(), many.prices())


def test_whole_books_in_one_call_are_the_same_as_one_by_one():
    one, many = (Watched.of(shaped_venue("sided", Random(5), 80)) for _ in range(2))
    random = np.random.default_rng(6)
    prices = np.rint(one.prices() * np.exp(np.cumsum(random.normal(0, 0.01, (40, 3)), axis=0))).astype(
        np.int64
    )
    found = many.bands.batches(prices)
    for tick, row in enumerate(prices):
        assert sorted(one.bands.batch(row).tolist()) == sorted(found.at(tick).tolist())


@pytest.mark.parametrize("shape", SHAPES)
def test_funding_and_trades_are_followed(shape):
    random = Random(shape)
    watched = Watched.of(shaped_venue(shape, random, 40))
    indices = [0, 0, 0]
    for _ in range(60):
        act = random.random()
        if act < 0.3:
            market = random.randrange(3)
            indices[market] += random.choice((1, -1)) * random.randint(0, 10**18)
            watched.judge(watched.bands.fund(market, indices[market]))
        elif act < 0.6:
            number = random.randrange(len(watched.columns))
            block, row = watched.columns.place(number)
            block.cash[row] += random.randint(-(10**8), 10**8)
            leg = random.randrange(block.size.shape[1])
            block.size[row, leg] = random.choice((0, 1, -1)) * random.randint(0, 10**5)
            block.cost[row, leg] = block.size[row, leg] * random.randint(10, 3_000)
            block.epoch[row, leg] = watched.plan.table.markets[block.market[row, leg]]["epoch"]
            watched.update(number)
        else:
            watched.judge(watched.bands.tick(*watched.tempting_price(random)))


def test_a_market_that_fills_up_gets_new_slots():
    watched = Watched.of(shaped_venue("tiered", Random(1), 40))
    bands = watched.bands
    for index in bands.indices:
        index.slots.free[:] = -1
    random = Random(2)
    for number in range(0, len(watched.columns), 7):
        block, row = watched.columns.place(number)
        block.market[row, 0] = (block.market[row, 0] + 1) % 3
        if len({int(market) for market in block.market[row]}) == block.market.shape[1]:
            watched.update(number)
        else:
            block.market[row, 0] = (block.market[row, 0] + 2) % 3
    run(watched, random, 40)


def test_the_trigger_of_a_single_leg_is_its_liquidation_price():
    random, checked = Random(9), 0
    watched = Watched.of(shaped_venue("tiered", random, 80, legs=1))
    start = watched.prices()
    for number in range(len(watched.columns)):
        for market, lower, upper in watched.bands.triggers(number):
            edge = lower if lower > 0 else upper
            if not 0 < edge < 4 * start[market]:
                continue
            inside, outside = (1, -1) if lower > 0 else (-1, 1)
            # float32 has 24 bits, and 40 atoms of rounding are this many quanta of so small a position.
            block, row = watched.columns.place(number)
            width = int(edge * 2.0**-23 + 40 * 100 / abs(int(block.size[row, 0]))) + 2
            watched.plan.table.markets["price"][market] = int(edge) + outside * width
            assert number in watched.liquidatable()
            watched.plan.table.markets["price"][market] = int(edge) + inside * width
            assert number not in watched.liquidatable()
            checked += 1
            watched.plan.table.markets["price"][:] = start[:3]
    assert checked > 40


@pytest.mark.parametrize("shape", SHAPES)
def test_a_subaccount_is_safe_with_every_leg_at_its_trigger_at_once(shape):
    """The bound itself: shares are used up together, never exceeded."""
    watched, checked = Watched.of(shaped_venue(shape, Random(shape), 60)), 0
    start = watched.plan.table.markets["price"].copy()
    for number in range(len(watched.columns)):
        triggers = watched.bands.triggers(number)
        if not triggers or any(not each.lower < start[each.factor] < each.upper for each in triggers):
            continue
        at_edge = start.copy()
        for factor, lower, upper in triggers:
            within = lower + abs(lower) * 2.0**-22, upper - abs(upper) * 2.0**-22
            price = np.ceil(within[0]) if lower > 0 else np.floor(within[1])
            at_edge[factor] = min(price, 2**40) if within[0] <= price <= within[1] else start[factor]
        watched.plan.table.markets["price"] = at_edge
        assert number not in watched.liquidatable()
        checked += len(triggers) > 1
    assert checked > 3


def test_every_shape_of_the_policy_says_which_bound_its_triggers_are():
    assert {type(market.requirement) for market in SHAPES.values()} == set(get_args(Requirement))
    assert set(get_args(Requirement)) | set(get_args(SetRule)) == set(BOUNDS)
    bounds = {name: bound_of(market, Policy()) for name, market in SHAPES.items()}
    assert bounds.pop("stepped by notional") == LOWER_BOUND
    assert bounds.pop("skew") == bounds.pop("tiered with a bounded close cost") == LOWER_BOUND
    assert set(bounds.values()) == {EXACT}
    assert SHAPES["stepped by size"].requirement.by == "size"
    assert isinstance(SHAPES["stepped by size"].requirement, Stepped)


@pytest.mark.parametrize("rulebook", BOOKS, ids=lambda rulebook: rulebook.name)
def test_what_only_the_screen_decides_is_not_in_the_index(rulebook):
    venue = book(rulebook, 1, 3)
    bounds = {bound_of(market, venue.policy) for market in venue.markets.values()}
    indexed = any(block.size.any() for block in Watched.of(venue).columns.blocks)
    assert indexed == (SCREEN_ONLY not in bounds)


def test_a_rule_over_positions_together_is_for_the_screen_alone():
    policies = [book(rulebook, 1, 1).policy for rulebook in BOOKS]
    rules = {type(policy.set_rule) for policy in policies if policy.set_rule is not None}
    assert {BOUNDS[rule] for rule in get_args(SetRule)} == {SCREEN_ONLY}
    assert rules == set(get_args(SetRule))
    for policy in policies:
        assert (bound_of(SHAPES["tiered"], policy) == SCREEN_ONLY) == (policy.set_rule is not None)


@pytest.mark.parametrize(
    ("factor", "price", "sentence"),
    [
        (3, 5, "numbers from 0 to 2"),
        (-1, 5, "numbers from 0 to 2"),
        (0, -1, "between 0 and"),
        (0, 1 << 62, "between"),
    ],
)
def test_a_factor_or_a_price_that_cannot_be_is_refused(factor, price, sentence):
    watched = Watched.of(shaped_venue("tiered", Random(1), 3))
    with pytest.raises(InputError, match=sentence):
        watched.bands.tick(factor, price)


def test_a_batch_names_every_price():
    watched = Watched.of(shaped_venue("tiered", Random(1), 3))
    with pytest.raises(InputError, match="3 are needed, 2 were given"):
        watched.bands.batch(np.array([1, 2]))
