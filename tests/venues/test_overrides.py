"""Rulebooks with a few values changed: what changes, what does not, and what is refused."""

from fractions import Fraction

import pytest

from ringfence.clearing.policy import OpenInterestScaled, Sided, Stepped
from ringfence.errors import InputError
from ringfence.venues.check import checked_rulebook
from ringfence.venues.document import read_document
from ringfence.venues.leverage import leverage_text
from ringfence.venues.overrides import CHANGED, changed, is_changed, load_spec, split
from ringfence.venues.rulebook import load


def rates(rulebook, market):
    """(lower bound in USD, initial rate, maintenance rate) of each tier."""
    table = rulebook.requirement(market)
    return [
        (t.lower_q // 10**6, Fraction(t.initial_num, table.den), Fraction(t.maintenance_num, table.den))
        for t in table.tiers
    ]


def test_a_name_without_changes_is_the_rulebook():
    assert load_spec("hyperliquid") is load("hyperliquid")
    assert split(" hyperliquid@2023 ") == ("hyperliquid@2023", ())


def test_changes_stand_in_braces_behind_a_name_or_a_path():
    assert split("my rules.toml{BTC.maxLeverage=20,policy.waterfall=[insurance,deleverage], a.b = c}") == (
        "my rules.toml",
        ("BTC.maxLeverage=20", "policy.waterfall=[insurance,deleverage]", "a.b = c"),
    )


def test_a_lower_largest_leverage_caps_every_tier_and_keeps_their_ratio():
    """Hyperliquid's BTC: 40x, from 150 million 20x; maintenance margin is half of the initial one."""
    at_30 = load_spec("hyperliquid{BTC.maxLeverage=30}")
    assert rates(at_30, "BTC") == [
        (0, Fraction(1, 30), Fraction(1, 60)),
        (150_000_000, Fraction(1, 20), Fraction(1, 40)),
    ]
    at_10 = load_spec("hyperliquid{BTC.maxLeverage=10}")
    assert rates(at_10, "BTC") == [
        (0, Fraction(1, 10), Fraction(1, 20)),
        (150_000_000, Fraction(1, 10), Fraction(1, 20)),
    ]


def test_a_higher_one_changes_the_first_tier_alone():
    raised = load_spec("hyperliquid{BTC.maxLeverage=50}")
    assert rates(raised, "BTC") == [
        (0, Fraction(1, 50), Fraction(1, 100)),
        (150_000_000, Fraction(1, 20), Fraction(1, 40)),
    ]


def test_other_markets_of_the_same_table_stay():
    before, after = load("hyperliquid"), load_spec("hyperliquid{ARB.maxLeverage=2}")
    shared = [
        name
        for name in before.symbols
        if before.ask(f"markets.{name}.margin") == before.ask("markets.ARB.margin")
    ]
    assert len(shared) > 1
    for name in before.symbols:
        same = before.requirement(name) == after.requirement(name)
        assert same == (name != "ARB")
        assert is_changed(after, name) == (name == "ARB")
        assert not is_changed(before, name)


def test_the_leverage_of_a_scaled_market_keeps_its_maintenance_fraction():
    before, after = (
        load("dydx-v4").requirement("SOL"),
        load_spec("dydx-v4{SOL.maxLeverage=5}").requirement("SOL"),
    )
    assert isinstance(before, OpenInterestScaled)
    assert (before.initial_ppm, after.initial_ppm) == (100_000, 200_000)
    assert before.maintenance_fraction_ppm == after.maintenance_fraction_ppm


def test_a_symbol_of_the_catch_all_gets_a_row_of_its_own():
    rulebook = load_spec("generic{PEPE.maxLeverage=4}")
    assert rates(rulebook, "PEPE")[:2] == [
        (0, Fraction(1, 4), Fraction(1, 8)),
        (500_000, Fraction(1, 4), Fraction(1, 8)),
    ]
    assert rates(rulebook, "WIF") == rates(load("generic"), "WIF")
    assert "PEPE" in rulebook.symbols


SHAPES = """
schema = 1
venue = "shapes"
version = "1"
title = "Shapes"
since = "2026"
checked = "2026-11-22"
[sources]
s = { title = "t", date = "2026" }
[defaults]
since = "2026"
source = "s"
confidence = "assumed"
[defaults.units]
meaning = "text"
shared = "flag"
removable = "flag"
risk_price = "choice"
trigger_at_equality = "flag"
waterfall = "list"
size = "choice"
worth = "direction"
notional = "direction"
requirement = "direction"
funding = "direction"
steps = "tiers"
by = "choice"
long_initial = "share"
long_maintenance = "share"
short_initial = "share"
short_maintenance = "share"
margin = "name"
pool = "name"
base_decimals = "decimals"
price_decimals = "decimals"
[modes.cross]
meaning = "all"
shared = true
removable = true
[policy]
risk_price = "mark"
trigger_at_equality = false
waterfall = []
rounding = { worth = "floor", notional = "ceil", requirement = "ceil", funding = "floor" }
liquidation = { size = "full" }
[margin.stepped]
by = "notional"
steps = [
  { lower = "0", initial = "0.02", maintenance = "0.01" },
  { lower = "1000", initial = "0.1", maintenance = "0.02" },
]
[margin.sided]
long_initial = "0.1"
long_maintenance = "0.05"
short_initial = "0.2"
short_maintenance = "0.1"
[markets]
BTC = { base_decimals = 8, price_decimals = 2, margin = "stepped", pool = "main" }
ETH = { base_decimals = 8, price_decimals = 2, margin = "sided", pool = "main" }
"""


@pytest.fixture(scope="module")
def shapes():
    return checked_rulebook(read_document(SHAPES, "s.toml"))


def test_the_largest_leverage_of_steps(shapes):
    table = changed(shapes, ["BTC.maxLeverage=20"]).requirement("BTC")
    assert isinstance(table, Stepped)
    exact = [
        (Fraction(s.initial_num, table.den), Fraction(s.maintenance_num, table.den)) for s in table.steps
    ]
    # Halves and fifths are kept, but rates never fall: a fifth of 10 % is less than half of 5 %.
    assert exact == [(Fraction(1, 20), Fraction(1, 40)), (Fraction(1, 10), Fraction(1, 40))]


def test_the_largest_leverage_of_both_sides(shapes):
    table = changed(shapes, ["ETH.maxLeverage=4"]).requirement("ETH")
    assert isinstance(table, Sided)
    exact = [
        Fraction(num, table.den)
        for num in (
            table.long_initial_num,
            table.long_maintenance_num,
            table.short_initial_num,
            table.short_maintenance_num,
        )
    ]
    assert exact == [Fraction(1, 4), Fraction(1, 8), Fraction(1, 4), Fraction(1, 8)]


@pytest.mark.parametrize(
    ("change", "path", "value"),
    [
        ("policy.liquidation.portion=0.5", "policy.liquidation.portion", "0.5"),
        ("policy.liquidation.portion=1", "policy.liquidation.portion", 1),
        ("policy.trigger_at_equality=true", "policy.trigger_at_equality", True),
        ("policy.waterfall=[]", "policy.waterfall", []),
        ("policy.liquidation.minimum=100", "policy.liquidation.minimum", 100),
        ("markets.BTC.margin=3", "markets.BTC.margin", "3"),
        ("BTC.margin=3", "markets.BTC.margin", "3"),
        ("btc-usd.margin=3", "markets.BTC.margin", "3"),
        ("policy.liquidation.backstop=1/2", "policy.liquidation.backstop", "1/2"),
    ],
)
def test_any_value_by_its_path(change, path, value):
    rulebook = load_spec(f"hyperliquid{{{change}}}")
    assert rulebook.ask(path) == value
    assert rulebook.value(path).source == CHANGED
    assert rulebook.name == f"hyperliquid 2026-07{{{change}}}"


def test_one_row_of_a_table():
    rulebook = load_spec("hyperliquid{margin.56.tiers[1].lower=1000000}")
    assert leverage_text(rulebook.requirement("BTC")) == "40x, 20x from 1000000"


def test_what_was_unknown_can_be_supposed():
    assert load("hyperliquid@2024").value("policy.deleveraging.price").unknown
    assert (
        load_spec("hyperliquid@2024{policy.deleveraging.price=mark}").ask("policy.deleveraging.price")
        == "mark"
    )


def test_the_rulebook_itself_stays_as_it_is():
    load_spec("hyperliquid{BTC.maxLeverage=2, policy.liquidation.portion=1}")
    assert leverage_text(load("hyperliquid").requirement("BTC")) == "40x, 20x from 150000000"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("hyperliquid{}", "expected NAME, or NAME{PATH=VALUE, ...} with at least one change"),
        ("hyperliquid{BTC.maxLeverage=20", "expected NAME, or NAME{PATH=VALUE, ...}"),
        ("hyperliquid}", "expected NAME, or NAME{PATH=VALUE, ...}"),
        ("hyperliquid{a=1}{b=1}", "expected NAME, or NAME{PATH=VALUE, ...}"),
        ("hyperliquid{,}", "'': expected PATH=VALUE, such as BTC.maxLeverage=20"),
        ("hyperliquid{BTC.maxLeverage}", "expected PATH=VALUE"),
        ("hyperliquid{BTC.maxLeverage=}", "expected PATH=VALUE"),
        ("hyperlikuid{BTC.maxLeverage=20}", "no rulebook named 'hyperlikuid'; did you mean hyperliquid?"),
        ("hyperliquid{BTCC.maxLeverage=20}", "BTCC.maxLeverage: there is no such value"),
        ("hyperliquid{BTC.maxLeverag=20}", "there is no such value; did you mean markets.BTC.maxLeverage?"),
        ("hyperliquid{BTC.maxLeverage=0.5}", "BTC.maxLeverage: expected a leverage of at least 1, got 0.5"),
        ("hyperliquid{BTC.maxLeverage=x}", "BTC.maxLeverage: expected a decimal number"),
        ("hyperliquid{BTC.maxLeverage=2,BTC-USD.maxLeverage=3}", "markets.BTC.maxLeverage: changed twice"),
        (
            "hyperliquid{policy.liquidation.porton=1}",
            "policy.liquidation.porton: there is no such value; did you mean policy.liquidation.portion?",
        ),
        (
            "hyperliquid{policy.liquidation=1}",
            "policy.liquidation: a table; name one of its values, such as policy.liquidation.size, ",
        ),
        ("hyperliquid{margin.57.tiers=1}", "there is no such value; did you mean margin.5.tiers?"),
        ("hyperliquid{margin.56.tiers=1}", "expected a list of tiers"),
        ("hyperliquid{BTC.margin=none}", "markets.BTC.margin: there is no margin table 'none'"),
        ("hyperliquid{policy.liquidation.portion=2}", "expected a share from 0 to 1, got 2"),
        ("hyperliquid{policy.risk_price=last}", "expected mark or index, got 'last'"),
        ("hyperliquid{policy.exclusive_pools=perhaps}", "expected true or false, got 'perhaps'"),
        (
            "hyperliquid{margin.56.tiers[2].initial=1}",
            "margin.56.tiers[2]: there are 2 rows, the first is [0]",
        ),
        ("hyperliquid{margin.56.tiers[0].rate=1}", "a row has lower, initial, maintenance"),
        ("hyperliquid{policy.waterfall[0].a=1}", "policy.waterfall: has no rows"),
        ("hyperliquid{margin.56.tiers[1].initial=1/80}", "with rates that rise"),
        (
            "dydx-v4{policy.waterfall=[insurance}",
            "'policy.waterfall=[insurance': a list stands between [ and ]",
        ),
        ("dydx-v4{policy.waterfall=insurance]}", "a list stands between [ and ]"),
        ("dydx-v4{policy.waterfall=insurance,deleverage]}", "a list stands between [ and ]"),
        ("dydx-v4{policy.waterfall=[insurance,BTC.maxLeverage=2}", "a list stands between [ and ]"),
        ("dydx-v4{policy.waterfall=[[insurance]]}", "a list stands between [ and ]"),
        ("dydx-v4{policy.liquidation.portoin.a=1}", "there is no such value"),
        ("hyperliquid{facts.chain=Solana}", "a fact for readers; nothing would be different"),
        ("dydx-v4{BTC.maxLeverage=30}", "1/30 is not a whole number of parts per million"),
    ],
)
def test_a_change_that_cannot_be_made_is_one_line(spec, said):
    with pytest.raises(InputError) as caught:
        load_spec(spec)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
