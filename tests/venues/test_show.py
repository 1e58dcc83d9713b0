import json
import re
from pathlib import Path

import pytest

from ringfence.venues import fields, portfolio, show
from ringfence.venues.rulebook import list_rulebooks, load
from ringfence.venues.standard import STANDARD
from ringfence.venues.tables import FLAT, SHAPES

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "name", ["generic", "dydx-v4", "hyperliquid", "hyperliquid@2024", "hyperliquid@2023"]
)
def test_rows_fit_their_columns(name):
    rulebook = load(name)
    for columns, rows in (
        (show.MODES, show.mode_rows(rulebook)),
        (show.MARKETS, show.market_rows(rulebook)),
        (show.VALUES, show.value_rows(rulebook)),
        (show.SOURCES, show.source_rows(rulebook)),
    ):
        assert rows
        assert all(len(row) == len(columns) and all(isinstance(cell, str) for cell in row) for row in rows)


def test_the_library_in_rows_and_json():
    infos = list_rulebooks()
    rows = show.rulebook_rows(infos)
    assert ("hyperliquid", "2024-10", "2024-10-10", "2025-03", "2026-11-22", "4") in [row[:6] for row in rows]
    assert [entry["venue"] for entry in json.loads(json.dumps(show.rulebooks_as_json(infos)))] == [
        row[0] for row in rows
    ]


def test_leverage_is_shown_by_size():
    rows = {row[0]: row for row in show.market_rows(load("hyperliquid"))}
    assert rows["BTC"][1] == "40x, 20x from 150000000"
    assert rows["GMX"][1] == "3x"
    rows = {row[0]: row for row in show.market_rows(load("dydx-v4"))}
    assert rows["BTC"][1] == "50x"
    assert rows["SOL"][1] == "10x, falling to 1x as open interest grows from 20000000 to 50000000"


def test_unknown_is_shown_as_unknown():
    rows = {row[0]: row for row in show.value_rows(load("hyperliquid@2024"), "policy.deleveraging")}
    assert rows["policy.deleveraging.price"][1] == "unknown"
    assert rows["policy.deleveraging.policy"][1] == "ranked"


def test_json_holds_every_value_with_its_source():
    rulebook = load("dydx-v4")
    shown = json.loads(json.dumps(show.rulebook_as_json(rulebook, ["old"])))
    assert shown["warnings"] == ["old"]
    assert {value["source"] for value in shown["values"]} <= set(shown["sources"])
    by_path = {value["path"]: value for value in shown["values"]}
    assert by_path["policy.liquidation.spread"]["value"] == "1.5"
    assert by_path["facts.live_fee_tiers"] | {"note": ""} == {
        "path": "facts.live_fee_tiers",
        "value": None,
        "unknown": True,
        "unit": "text",
        "since": "2026-03-04",
        "source": "sample-genesis",
        "confidence": "confirmed",
        "note": "",
    }


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
