"""A book in columns gives the reference's answers to the atom: every sum, every account that matters, every rung."""

from copy import copy
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.netted_books import CAPPED, is_capped, netted
from questions.holdings import DAY_MS, JUDGED, NOW_MS, OFFERED, books
from ringfence.books import Account, BookPosition
from ringfence.books.options import OptionTerms
from ringfence.errors import InputError
from ringfence.kernel.columns import from_venue
from ringfence.kernel.plan import plan
from ringfence.questions.build import Built, Part
from ringfence.questions.listings import listings
from ringfence.questions.spread import silent
from ringfence.questions.stress.book import Together, by_columns
from ringfence.questions.stress.columns import Book, Columned
from ringfence.questions.stress.merge import merge
from ringfence.questions.stress.reference import Bench, Reference
from ringfence.questions.stress.rows import exact_sum, whole
from ringfence.questions.stress.shocks import NOW, map_shocks, shocks, wanted
from ringfence.questions.stress.surface import stress
from ringfence.venues.rulebook import load

D = Decimal
NETTED = [rulebook for rulebook in JUDGED if listings(rulebook).policy.set_rule is not None]
"""Rulebooks that margin positions together."""

OWN = "its own"
EFFORT = settings.default.max_examples // 100
"""How many times the usual examples the profile asks for."""


@st.composite
def crowds(draw, library=JUDGED):
    """A rulebook and several accounts with positions in the same markets at the same marks."""
    rulebook, first = draw(books(library))
    accounts = [first]
    for number in range(draw(st.integers(0, 5))):
        positions = tuple(
            replace(
                each,
                size=each.size * draw(st.sampled_from((1, 2, 5, -1, -3))),
                collateral=None if each.collateral is None else each.collateral * draw(st.integers(0, 3)),
            )
            for each in first.positions
            if draw(st.booleans())
        )
        gross = sum(abs(each.size) * each.mark_price for each in positions if each.mode == "cross")
        cash = gross * draw(st.decimals("-0.2", "0.6", places=4))
        others = {
            name: held for name, held in first.collateral.items() if name != "USDC" and draw(st.booleans())
        }
        accounts.append(
            replace(first, name=f"b{number}", collateral={"USDC": cash, **others}, positions=positions)
        )
    return rulebook, accounts


POINTS = shocks(wanted(grid="-60%:60%:30%", funding=["0.4%"]))
PEGS = shocks(wanted(["-5%"], depegs=["WETH=-30%", "USDT=-9%", "ETH=-20%", "BTC=-40%", "SOL=15%"]))
QUESTIONS = [NOW, *POINTS, *PEGS, *shocks(wanted(["-12.345%"])), *shocks(wanted(["33.3%"], funding=["-1%"]))]


def bench_of(rulebook):
    return Bench({OWN: rulebook}, OWN)


def surfaces(rulebook, accounts):
    """The accounts that fit into columns, on both ways."""
    bench = bench_of(rulebook)
    found, apart = merge(bench, accounts, lambda _done: None)
    left = {account.name for account in apart}
    kept = [account for account in accounts if account.name not in left]
    return [Columned(book) for book in found], Reference(kept, bench)


@settings(max_examples=30 * EFFORT)
@pytest.mark.fuzz
@given(crowds())
def test_sums_are_the_same(crowd):
    columns, reference = surfaces(*crowd)
    for surface in columns:
        assert surface.survey(QUESTIONS, silent) == reference.survey(QUESTIONS, silent)


@settings(max_examples=20 * EFFORT)
@pytest.mark.fuzz
@given(crowds(), st.sampled_from(QUESTIONS), st.sampled_from([1, 2, None]))
def test_the_accounts_that_matter_are_the_same(crowd, shock, most):
    columns, reference = surfaces(*crowd)
    for surface in columns:
        assert surface.tolls(shock, most, silent) == reference.tolls(shock, most, silent)


@settings(max_examples=15 * EFFORT)
@pytest.mark.fuzz
@given(crowds(), st.integers(6, 30))
def test_maps_are_the_same(crowd, step):
    rulebook, accounts = crowd
    columns, reference = surfaces(rulebook, accounts)
    name = accounts[0].positions[0].symbol
    points = map_shocks(wanted(grid=f"-60%:60%:{step}%"), name)
    moves = [shock.factor(name) - 1 for shock in points]
    for surface in columns:
        assert surface.ladder(name, points, moves, silent) == reference.ladder(name, points, moves, silent)


@pytest.mark.parametrize("rulebook", JUDGED, ids=lambda rulebook: rulebook.name)
def test_a_plain_account_fits_into_columns_on_every_rulebook(rulebook):
    symbol = next(iter(rulebook.symbols))
    rules = listings(rulebook)
    mode = "cross" if rules.offers(symbol, "cross") else "isolated"
    backing = D(100) if mode == "isolated" else None
    held = BookPosition(symbol, D("0.1"), D(1000), D(1000), mode, collateral=backing)
    account = Account("a", {"USDC": D(5000)}, (held,))
    found, apart = merge(bench_of(rulebook), [account], lambda _done: None)
    assert (len(found), apart) == (1, [])


# -- what does not fit -------------------------------------------------------------------------------------------------


def btc(name, size="1", usdc="3000", mark="60000", **more):
    held = BookPosition("BTC", D(size), D(60000), D(mark), "cross", **more)
    return Account(name, {"USDC": D(usdc)}, (held,), venue="hyperliquid")


def names_apart(accounts, venue="hyperliquid"):
    _, apart = merge(Bench({venue: load(venue)}, venue), accounts, lambda _done: None)
    return [account.name for account in apart]


def test_accounts_that_columns_cannot_hold_go_to_the_reference():
    plain, odd_mark = btc("plain"), btc("odd", mark="60001")
    own_rule = btc("rule", venue_max_leverage=D(5))
    bare = Account("bare", None, plain.positions)
    huge = btc("huge", size="1000000000000000.00001")
    unknown = Account("unknown", {"USDC": D(1)}, (replace(plain.positions[0], symbol="NOSUCH"),))
    assert names_apart([plain, odd_mark, own_rule, bare, huge, unknown]) == [
        "odd",
        "rule",
        "bare",
        "unknown",
        "huge",
    ]


def option(strike, kind, days, volatility="0.6"):
    return OptionTerms("ETH", kind, D(strike), NOW_MS + days * DAY_MS, volatility=D(volatility))


def optioned(name, lots, perp="0", usdc="3000", time_ms=NOW_MS, volatility="0.6"):
    """An account with options on ETH at 3,000 and lots of ETH itself."""
    prices = {(2500, "put", 7): 40, (3000, "call", 7): 110, (3000, "put", 30): 205, (3500, "call", 30): 70}
    held = [
        BookPosition("ETH", D(size), D(90), D(mark), "cross", option=option(*terms, volatility))
        for (terms, mark), size in zip(prices.items(), lots, strict=False)
        if size
    ]
    if D(perp):
        held.append(BookPosition("ETH", D(perp), D(2950), D(3000), "cross"))
    return Account(name, {"USDC": D(usdc)}, tuple(held), prices={"ETH": D(3000)}, time_ms=time_ms)


@pytest.mark.parametrize("venue", ["derive", "aevo"])
def test_options_that_are_netted_by_expiry_are_the_same_on_both_ways(venue):
    sizes = [
        (-1, 0, 0, 2),
        (-3, "0.5", 4),
        (0, 0, 0, -6),
        (2, -1),
        ("-0.001", "0.25", -1, 1),
        (-9, -9, -9, -9),
    ]
    accounts = [
        optioned(f"a{number}{perp}", lots, perp, usdc)
        for number, lots in enumerate(sizes)
        for perp, usdc in (("0", "800"), ("1.5", "1500"), ("-2", "12000"))
    ]
    (surface,), reference = surfaces(load(venue), [*accounts, optioned("bare", (), "3", "900")])
    assert surface.size == len(accounts) + 1
    assert surface.markets == reference.markets == ["ETH"]
    found = surface.survey(QUESTIONS, silent)
    assert found == reference.survey(QUESTIONS, silent)
    assert 0 < found.points[0].accounts < len(accounts)
    for shock in POINTS:
        assert surface.tolls(shock, 5, silent) == reference.tolls(shock, 5, silent)
    points = map_shocks(wanted(grid="-60%:60%:20%"), "ETH")
    moves = [shock.factor("ETH") - 1 for shock in points]
    assert surface.ladder("ETH", points, moves, silent) == reference.ladder("ETH", points, moves, silent)


def test_options_that_are_priced_otherwise_go_to_the_reference():
    accounts = [
        optioned("first", (-1, 2)),
        optioned("same", (1, -2), "1"),
        optioned("calmer", (-1,), volatility="0.5"),
        optioned("later", (-1,), time_ms=NOW_MS + 1000),
        optioned("without", (), "1", time_ms=NOW_MS + 1000),
    ]
    assert names_apart(accounts, "derive") == ["calmer", "later"]
    assert names_apart(accounts, "derive-pm2") == ["first", "same", "calmer", "later"]


def hedgers(rulebook, count):
    """Accounts with one or two perps and, where the venue takes it, the coin of one: long, short, and hedged."""
    assets, accounts, known = listings(rulebook).assets, [], OFFERED[rulebook.name]
    marks = {name: mark for name, mark in (("BTC", D(60000)), ("ETH", D(3000))) if name in known}
    for number in range(count):
        worths = {
            name: D(number % modulus - modulus // 2) * 6000
            for name, modulus in zip(marks, (7, 5), strict=False)
        }
        sizes = {name: worth / marks[name] for name, worth in worths.items() if worth}
        held = tuple(
            BookPosition(name, size, marks[name] * D("0.98"), marks[name], "cross")
            for name, size in sizes.items()
        )
        coins = {name: abs(size) * (number % 3) / 2 for name, size in sizes.items() if name in assets}
        backed = sum((coin * marks[name] for name, coin in coins.items()), D(0))
        gross = sum(map(abs, worths.values()))
        cash = {"USDC": gross * D(number % 11) / 50 - backed / 2}
        if held:
            accounts.append(Account(f"a{number:03}", cash | coins, held, prices=marks, time_ms=NOW_MS))
    return accounts


@pytest.mark.parametrize("rulebook", NETTED, ids=lambda rulebook: rulebook.name)
def test_positions_margined_together_are_the_same_on_both_ways(rulebook):
    accounts = hedgers(rulebook, 35)
    columns, reference = surfaces(rulebook, accounts)
    (surface,) = columns
    assert surface.size == len(accounts)
    found = surface.survey(QUESTIONS, silent)
    assert found == reference.survey(QUESTIONS, silent)
    assert 0 < found.anywhere < len(accounts)
    for shock in (NOW, *POINTS):
        assert surface.tolls(shock, 5, silent) == reference.tolls(shock, 5, silent)
    name = surface.markets[0]
    points = map_shocks(wanted(grid="-60%:60%:20%"), name)
    moves = [shock.factor(name) - 1 for shock in points]
    assert surface.ladder(name, points, moves, silent) == reference.ladder(name, points, moves, silent)


class Traders(Bench):
    """Accounts that are the traders of one venue, with its pools: no file says what these hold and owe."""

    def __init__(self, rulebook, venue):
        super().__init__({OWN: rulebook}, OWN)
        self.of = venue
        self.accounts = [
            Account(name, {"USDC": D(1)}, ()) for name, held in venue.subaccounts.items() if not held.system
        ]

    def build(self, account):
        part = Part(account.name, "isolated", ())
        return Built(account, self.rulebooks[OWN], self.of, (part,), {}, ())

    def columns(self):
        venue, names = copy(self.of), [account.name for account in self.accounts]
        found = plan(venue)
        columns = from_venue(venue, found, names, netted=True)
        assert len(columns) == len(names)
        owner = np.array([names.index(columns.name(at)) for at in range(len(names))])
        return Columned(Book(self.rulebooks[OWN], venue, found, columns, owner, names, {}))


@pytest.mark.parametrize("seed", [0, 8, 9, 13, 38])
def test_profits_that_pools_cap_are_the_same_on_both_ways(seed):
    """At every price of a stress pools pay something else, and some of them hold what the shock moves."""
    (rulebook,) = CAPPED
    venue = netted(rulebook, seed, 20)
    bench = Traders(rulebook, venue)
    surface, reference = bench.columns(), Reference(bench.accounts, bench)
    found = surface.survey(QUESTIONS, silent)
    assert found == reference.survey(QUESTIONS, silent)
    assert 0 < found.points[0].accounts < found.anywhere
    assert sum(is_capped(venue, each) for each in venue.subaccounts.values()) > 3
    for shock in (NOW, *POINTS):
        assert surface.tolls(shock, None, silent) == reference.tolls(shock, None, silent)
    for name in venue.markets:
        points = map_shocks(wanted(grid="-60%:60%:12%"), name)
        moves = [shock.factor(name) - 1 for shock in points]
        assert surface.ladder(name, points, moves, silent) == reference.ladder(name, points, moves, silent)


def test_finer_sizes_make_the_grid_finer_and_change_nothing():
    accounts = [btc("coarse"), btc("fine", size="1.000000001"), btc("finer", size="0.00000000001")]
    columns, reference = surfaces(load("hyperliquid"), accounts)
    (surface,) = columns
    assert surface.survey(QUESTIONS, silent) == reference.survey(QUESTIONS, silent)


def test_both_ways_together_are_one_book():
    accounts = [
        btc("a"),
        btc("b", mark="60001"),
        btc("c", usdc="100"),
        Account("d", None, btc("d").positions),
    ]
    bench = Bench({"hyperliquid": load("hyperliquid")}, "hyperliquid")
    both = by_columns(bench, accounts, 1, silent)
    assert isinstance(both, Together)
    assert (both.size, both.markets, both.assets) == (4, ["BTC"], [])
    asked = wanted(grid="-10%:10%:5%")
    maps = [("BTC", map_shocks(asked, "BTC"))]
    found, expected = (stress(each, shocks(asked), maps=maps) for each in (both, Reference(accounts, bench)))
    # Each way says whether its own accounts state one mark.
    assert found.book.markets["BTC"].one_mark is expected.book.markets["BTC"].one_mark is False
    assert found == expected


def test_prices_beyond_the_plan_are_refused_in_words():
    (surface,), _ = surfaces(load("hyperliquid"), [btc("a")])
    with pytest.raises(InputError, match=r"all \+5000%: BTC: a price of .* does not fit.*without columns"):
        surface.survey(shocks(wanted(["5000%"])), silent)


def test_sums_in_limbs_are_exact():
    amounts = np.array([2**62, 2**62, 2**62, -5], np.int64)
    assert exact_sum(amounts) == 3 * 2**62 - 5
    assert whole(np.array([[3, 7], [0, 0]], np.int64)) == [3 * 2**32 + 7, 0]
