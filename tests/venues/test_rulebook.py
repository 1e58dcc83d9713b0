import json
import math
import re
from datetime import date
from fractions import Fraction
from importlib.resources import files
from pathlib import Path

import pytest

from ringfence.clearing.decide import valid_policy
from ringfence.clearing.model import Scale
from ringfence.clearing.policy import OpenInterestScaled, Policy, Tiered
from ringfence.clearing.risk import leg_risk
from ringfence.clearing.shapes import Leg, initial_q, maintenance_q
from ringfence.clearing.shapes import valid as valid_requirement
from ringfence.errors import InputError, UnknownValueError
from ringfence.venues import fields, portfolio
from ringfence.venues.rulebook import build_venue, list_rulebooks, load
from ringfence.venues.standard import STANDARD
from ringfence.venues.tables import FLAT, SHAPES, leverage_table

ROOT = Path(__file__).parents[2]
USD = 1_000_000
ALL = [f"{info.venue}@{info.version}" for info in list_rulebooks()]


def test_the_library_is_part_of_the_package():
    found = {
        file.name
        for folder in files("ringfence.venues").iterdir()
        if folder.is_dir()
        for file in folder.iterdir()
    }
    assert {
        "2026-07.toml",
        "2024-10.toml",
        "2023-06.toml",
        "2026-03.toml",
        "2026-11.toml",
        "README.md",
    } <= found


def test_list_names_the_newest_version_of_each_venue():
    versions = {}
    for info in list_rulebooks():
        versions.setdefault(info.venue, []).append(info.version)
    newest = {info.venue: info.version for info in list_rulebooks() if info.newest}
    assert newest == {venue: max(each) for venue, each in versions.items()}
    assert newest.items() >= {"dydx-v4": "2026-03", "generic": "2026-11", "hyperliquid": "2026-07"}.items()


@pytest.mark.parametrize("name", ALL)
def test_every_market_of_the_library_is_one_that_the_engine_takes(name):
    rulebook = load(name)
    venue = build_venue(rulebook, rulebook.symbols, procedures=False)
    assert set(venue.markets) == set(rulebook.symbols)
    assert all(valid_requirement(market.requirement) for market in venue.markets.values())
    assert set(venue.pools) == {market.pool for market in venue.markets.values()}
    assert all(
        market.mark == market.index == market.open_interest_b == 0 for market in venue.markets.values()
    )
    assert all(
        mode in rulebook.modes() for symbol in rulebook.symbols for mode in rulebook.market_modes(symbol)
    )


@pytest.mark.parametrize("name", ["generic", "dydx-v4", "hyperliquid"])
def test_the_newest_versions_state_their_whole_policy(name):
    assert valid_policy(load(name).policy())


@pytest.mark.parametrize(
    ("named", "version"),
    [
        ("hyperliquid", "2026-07"),
        ("hyperliquid@2023", "2023-06"),
        ("hyperliquid@2024-10", "2024-10"),
        ("generic@2026-11", "2026-11"),
    ],
)
def test_a_version_is_found_by_how_it_starts(named, version):
    assert load(named).head.version == version
    assert load(named.partition("@")[0], version).head.version == version


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ("hyperliquidd", "no rulebook named 'hyperliquidd'; did you mean hyperliquid?"),
        ("", "no rulebook named ''; there are aave-v3, "),
        ("hyperliquid@2022", "hyperliquid has no version '2022'; there are 2026-07, 2024-10, 2023-06"),
        (
            "hyperliquid@202",
            "hyperliquid has more than one version '202'; there are 2026-07, 2024-10, 2023-06",
        ),
        ("nowhere/rules.toml", "nowhere/rules.toml: No such file or directory"),
    ],
)
def test_a_rulebook_that_is_not_there(named, sentence):
    with pytest.raises(InputError) as caught:
        load(named)
    assert str(caught.value).startswith(sentence)


# -- Hyperliquid ------------------------------------------------------------------------------------------------------


def hyperliquid_maintenance(symbol: str, notional_usd: int) -> Fraction:
    rulebook = load("hyperliquid")
    rounds = rulebook.policy().rounding.requirement
    return Fraction(maintenance_q(rulebook.market(symbol), Leg(1, notional_usd * USD, 0), rounds), USD)


@pytest.mark.parametrize(
    ("symbol", "notional_usd", "maintenance"),
    [
        # 1/80 below 150M, 1/40 less 1,875,000 from there on: both sides of the boundary give 1,875,000
        ("BTC", 149_999_999, Fraction(149_999_999, 80)),
        ("BTC", 150_000_000, Fraction(1_875_000)),
        ("BTC", 300_000_000, Fraction(5_625_000)),
        # 1/50, then 1/30 less 4,000,000/3
        ("ETH", 99_999_999, Fraction(99_999_999, 50)),
        ("ETH", 100_000_000, Fraction(2_000_000)),
        ("ETH", 200_000_000, Fraction(16_000_000, 3)),
        ("SOL", 69_999_999, Fraction(69_999_999, 40)),
        ("SOL", 70_000_000, Fraction(1_750_000)),
        ("XRP", 40_000_000, Fraction(1_000_000)),
        ("DOGE", 40_000_000, Fraction(3_000_000)),
        ("ARB", 3_000_000, Fraction(150_000)),
        ("DYDX", 1_000, Fraction(100)),
        ("xyz:XYZ100", 60, Fraction(1)),
    ],
)
def test_maintenance_margin_of_2026_07(symbol, notional_usd, maintenance):
    assert hyperliquid_maintenance(symbol, notional_usd) == Fraction(math.floor(maintenance * USD), USD)


def test_maintenance_of_a_third_is_cut_at_six_decimals():
    # 1/6 of 1 USD is 0.1666...: the server's fields are truncated
    assert hyperliquid_maintenance("GMX", 1) == Fraction(166_666, USD)


def test_size_times_price_is_a_whole_number_of_quote_atoms_on_hyperliquid():
    rulebook = load("hyperliquid")
    assert {rulebook.market(symbol).scale for symbol in rulebook.symbols} == {Scale(1, 1)}
    eth = rulebook.market(
        "ETH"
    )  # captured 2026-07-19: 23.8678 ETH at 1869.3 are 44616.07854 USD, at 20x 2230.803927
    risk = leg_risk(eth, 238_678, 186_930, rulebook.policy().rounding)
    assert risk.notional_q == 44_616_078_540
    assert rulebook.max_leverage("ETH") == 25


@pytest.mark.parametrize(
    ("version", "leverages"),
    [
        ("2023", {"BTC": 50, "ETH": 50, "SOL": 50, "DYDX": 50}),
        ("2024", {"BTC": 50, "ETH": 50, "SOL": 20, "DOGE": 20}),
        ("2026", {"BTC": 40, "ETH": 25, "SOL": 20, "DOGE": 10, "DYDX": 5, "xyz:HOOD": 10}),
    ],
)
def test_maximum_leverage_by_version(version, leverages):
    rulebook = load(f"hyperliquid@{version}")
    assert {symbol: rulebook.max_leverage(symbol) for symbol in leverages} == leverages


def test_the_shown_liquidation_price_by_version():
    shown = {version: load(f"hyperliquid@{version}").display for version in ("2023", "2024", "2026")}
    assert [display.maintenance for display in shown.values()] == [
        "at_current_mark",
        "at_liquidation_price",
        "at_liquidation_price",
    ]
    assert [display.decimals for display in shown.values()] == [8, 8, 10]
    assert {display.rounds_maintenance_of for display in shown.values()} == {("cross",)}


def test_hyperliquid_policy_in_numbers():
    policy = load("hyperliquid").policy()
    close = policy.liquidation
    assert (close.size, close.portion_ppm, close.portion_above_q, close.portion_once, close.cooldown_ms) == (
        *("portion", 200_000, 100_000 * USD, True),
        30_000,
    )
    assert (close.backstop_num, close.backstop_den, close.fee_ppm) == (2, 3, 0)
    assert (policy.waterfall, policy.deleveraging.price) == (("deleverage",), "previous_mark")
    assert policy.withdrawal_floor_ppm == 100_000


def test_modes_of_a_market():
    rulebook = load("hyperliquid")
    assert rulebook.market_modes("BTC") == ("cross", "isolated")
    assert rulebook.market_modes("xyz:HOOD") == ("no_cross",)
    assert [mode.name for mode in rulebook.modes().values() if mode.default] == ["cross"]
    assert not rulebook.modes()["strict_isolated"].removable


def test_older_hyperliquid_versions_answer_margin_questions_and_refuse_the_rest():
    old = load("hyperliquid@2024")
    with pytest.raises(
        UnknownValueError, match=r"^hyperliquid 2024-10: policy\.deleveraging\.score is not known \("
    ):
        old.policy()
    with pytest.raises(UnknownValueError):
        build_venue(old, ["BTC"])
    policy = old.margin_policy()
    assert policy.rounding == load("hyperliquid").policy().rounding
    assert (policy.risk_price, policy.liquidation) == ("mark", Policy().liquidation)
    assert build_venue(old, ["BTC"], procedures=False).policy == policy


def test_an_unknown_fact_says_what_is_known():
    rulebook = load("hyperliquid")
    with pytest.raises(UnknownValueError) as caught:
        rulebook.ask("facts.backstop_capacity")
    assert str(caught.value).startswith(
        "hyperliquid 2026-07: facts.backstop_capacity is not known (since 2025-03"
    )
    assert rulebook.source("facts.backstop_capacity").date == "2025-03-28"


# -- dYdX v4 ----------------------------------------------------------------------------------------------------------


def test_liquidity_tiers_of_dydx():
    rulebook = load("dydx-v4")
    assert rulebook.requirement("BTC") == OpenInterestScaled(20_000, 600_000, 0, 0)
    assert rulebook.requirement("SOL") == OpenInterestScaled(
        100_000, 500_000, 20_000_000 * USD, 50_000_000 * USD
    )
    assert rulebook.requirement("EIGEN") == OpenInterestScaled(
        50_000, 600_000, 500_000 * USD, 1_000_000 * USD
    )
    assert rulebook.max_leverage("ETH") == 50


def test_dydx_markets_share_one_quantum_of_value():
    # every market has atomic resolution + price exponent = -15, so one base atom at one price quantum is 1e-9 atoms
    rulebook = load("dydx-v4")
    assert {rulebook.market(symbol).scale for symbol in rulebook.symbols} == {Scale(1, 10**9)}
    steps = {symbol: rulebook.market(symbol).step_b for symbol in ("BTC", "PEPE", "SHIB", "BOME")}
    assert set(steps.values()) == {1_000_000}  # step_base_quantums
    assert rulebook.market("PEPE").base_decimals == -1


def test_only_isolated_markets_of_dydx_have_a_pool_of_their_own():
    rulebook = load("dydx-v4")
    pools = {symbol: rulebook.market(symbol).pool for symbol in rulebook.symbols}
    assert {symbol: pool for symbol, pool in pools.items() if pool != "cross"} == {
        "EIGEN": "EIGEN",
        "BOME": "BOME",
    }
    assert sorted(build_venue(rulebook, ["BTC", "ETH", "EIGEN"]).pools) == ["EIGEN", "cross"]
    assert rulebook.policy().exclusive_pools


def test_dydx_margin_rounds_up_twice():
    # 1 step of BTC at 50,000.00001: notional 5.000000 (cut), initial 0.1, maintenance 60 % of it
    rulebook = load("dydx-v4")
    btc, rounds = rulebook.market("BTC"), rulebook.policy().rounding
    risk = leg_risk(btc, 1_000_000, 5_000_000_001, rounds)
    assert (risk.notional_q, risk.initial_q, risk.maintenance_q) == (5_000_000, 100_000, 60_000)
    assert maintenance_q(btc, Leg(1, 1, 1), rounds.requirement) == 1
    assert initial_q(btc, Leg(1, 1, 1), None, rounds) == 1


def test_dydx_policy_in_numbers():
    policy = load("dydx-v4").policy()
    close = policy.liquidation
    assert (close.portion_ppm, close.minimum_q, close.limit, close.fee_ppm) == (
        100_000,
        1_000 * USD,
        "fillable",
        15_000,
    )
    assert (close.adjustment_ppm, close.spread_ppm) == (1_000_000, 1_500_000)
    assert (close.block_liquidations, close.block_deleveragings) == (50, 10)
    assert (close.block_subaccount_q, close.block_insurance_q) == (100_000 * USD, 1_000_000 * USD)
    assert (policy.insurance, policy.waterfall) == ("all_or_nothing", ("insurance", "deleverage"))
    assert (policy.deleveraging.policy, policy.deleveraging.price, policy.deleveraging.scan_max) == (
        *("cyclic", "bankruptcy"),
        500,
    )
    assert policy.withdrawal_gate_blocks == 50


def test_what_governance_set_is_unknown():
    with pytest.raises(UnknownValueError, match="live_liquidity_tiers is not known"):
        load("dydx-v4").ask("facts.live_liquidity_tiers")


# -- generic ----------------------------------------------------------------------------------------------------------


def test_generic_values_are_all_marked_as_assumed():
    assert {value.confidence for _, value in load("generic").values()} == {"assumed"}


def test_generic_knows_every_symbol():
    rulebook = load("generic")
    assert [rulebook.max_leverage(symbol) for symbol in ("BTC", "SOL", "LAYER")] == [50, 20, 10]
    assert rulebook.market("LAYERUSDT").id == "LAYER"
    assert rulebook.lists_any
    assert "*" not in rulebook.symbols


def test_generic_collateral_has_a_haircut_that_grows():
    btc = load("generic").assets()["BTC"]
    assert isinstance(btc.haircut, Tiered)
    assert [Fraction(tier.maintenance_num, btc.haircut.den) for tier in btc.haircut.tiers] == [
        Fraction(1, 10),
        Fraction(1, 5),
        Fraction(1, 2),
    ]
    assert btc.conversion_discount_ppm == 20_000
    assert load("dydx-v4").assets() == {}


# -- age, values, own files -------------------------------------------------------------------------------------------


def test_a_rulebook_warns_after_a_year():
    rulebook = load("hyperliquid")  # checked on 2026-11-22
    assert rulebook.warnings(date(2027, 11, 22)) == []
    assert rulebook.warnings(date(2027, 11, 23)) == [
        "hyperliquid 2026-07: last compared with its sources on 2026-11-22, more than a year ago"
    ]


def test_every_value_resolves_to_a_unit_a_date_and_a_source():
    for name in ALL:
        rulebook = load(name)
        for path, value in rulebook.values():
            assert value.unit
            assert value.since
            assert rulebook.source(path).title
            assert value.unknown == (value.value is None)


def test_values_below_a_path():
    rulebook = load("dydx-v4")
    below = dict(rulebook.values("policy.rounding"))
    assert list(below) == [
        f"policy.rounding.{name}" for name in ("worth", "notional", "requirement", "funding")
    ]
    assert below["policy.rounding.funding"].source == "code"


def test_a_file_of_ones_own(write):
    rulebook = load(write())
    assert rulebook.name == "small 2026-01"
    assert rulebook.market("BTC").scale == Scale(10, 1)
    assert rulebook.requirement("BTC") == leverage_table([(0, 10)])


def test_an_unknown_market_parameter_is_refused_only_when_asked_for(write):
    unknown = 'pool = { unknown = true, note = "not said" }'
    path = write(add=f'ETH = {{ base_decimals = 4, price_decimals = 1, margin = "one", {unknown} }}\n')
    rulebook = load(path)
    assert rulebook.max_leverage("ETH") == 10
    with pytest.raises(
        UnknownValueError, match=r"^small 2026-01: markets\.ETH\.pool is not known \(not said\)$"
    ):
        rulebook.market("ETH")


def test_market_options(write):
    rulebook = load(
        write(
            ('pool = "name"', 'pool = "name"\nstep = "base"\nminimum_margin = "USD"'),
            ('pool = "main" }', 'pool = "main", step = "0.01", minimum_margin = "2.5" }'),
        )
    )
    market = rulebook.market("BTC")
    assert (market.step_b, market.minimum_margin_q) == (100, 2_500_000)


def test_leverage_table_is_the_written_one():
    rows = [(0, 40), (150_000_000 * USD, 20)]
    assert load("hyperliquid").requirement("BTC") == leverage_table(rows)


# -- captured answers -------------------------------------------------------------------------------------------------


def capture(shared, name):
    return json.loads(
        (shared / "data/hyperliquid-math/fixtures/live" / f"2026-07-19-mainnet-{name}.json").read_text()
    )


def test_markets_of_2026_07_agree_with_the_captured_meta(shared):
    listed = capture(shared, "m1")["selection"]
    builder = capture(shared, "m5")["selection"]["hip3Meta"]["universe"]
    rulebook, compared = load("hyperliquid"), 0
    for entry in (*listed["perpUniverse"], *listed["hip3Universe"], *builder):
        if not entry.get("isDelisted"):
            market = rulebook.market(entry["name"])
            assert market.base_decimals == entry["szDecimals"]
            assert market.price_decimals == 6 - entry["szDecimals"]
            assert rulebook.max_leverage(entry["name"]) == entry["maxLeverage"]
            assert rulebook.value(f"markets.{entry['name']}.margin").value == str(entry["marginTableId"])
            assert ("cross" in rulebook.market_modes(entry["name"])) == (entry.get("marginMode") != "noCross")
            compared += 1
    assert compared == 15


def test_margin_tables_of_2026_07_agree_with_the_captured_ones(shared):
    for entry in capture(shared, "m3")["selection"]["perpUniverse"]:
        if entry["marginTable"]:
            tiers = entry["marginTable"]["marginTiers"]
            rows = [(int(float(tier["lowerBound"])) * USD, tier["maxLeverage"]) for tier in tiers]
            assert load("hyperliquid").requirement(entry["name"]) == leverage_table(rows)


def test_markets_of_2023_are_those_of_the_recorded_meta(shared):
    cassettes = json.loads((shared / "data/hyperliquid_sdk_cassettes.json").read_text())["cassettes"]
    universe = cassettes["test_get_info"][0]["response"]["universe"]
    rulebook = load("hyperliquid@2023")
    written = {
        symbol: (rulebook.market(symbol).base_decimals, rulebook.max_leverage(symbol))
        for symbol in rulebook.symbols
    }
    assert written == {entry["name"]: (entry["szDecimals"], entry["maxLeverage"]) for entry in universe}


@pytest.mark.parametrize("text", ["a = " + "[" * 5_000, "[margin" + ".a" * 5_000 + "]"])
def test_a_file_nested_too_deeply_is_named(tmp_path, text):
    path = tmp_path / "deep.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"deep\.toml: "):
        load(str(path))


def test_the_reference_lists_every_field_with_its_unit():
    text = (ROOT / "docs" / "reference" / "rulebooks.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| ([\w ]+) \|", text, re.MULTILINE)
    documented = {(name, unit) for names, unit in rows for name in re.findall(r"`(\w+)`", names)}
    tables = (
        fields.MARGIN_POLICY,
        fields.PROCEDURE,
        fields.OF_ALL_MARKETS,
        fields.ROUNDING,
        fields.LIQUIDATION,
        fields.AUCTION,
        fields.DELEVERAGING,
    )
    tables += (fields.MARKET, fields.ASSET, fields.MODE, fields.DISPLAY)
    tables += (FLAT.fields, *(shape.fields for shape in SHAPES.values()))
    tables += (STANDARD, portfolio.OWN, *portfolio.SECTIONS.values())
    known = {(name, field.unit) for table in tables for name, field in table.items()}
    assert known | {("haircut", "tiers")} == documented
