import copy
import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.errors import InputError, UnknownValueError
from ringfence.venues.check import checked_rulebook
from ringfence.venues.document import read_document
from ringfence.venues.rulebook import build_venue, load

UNKNOWN = "{ unknown = true }"


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("schema = 1", "schema = 2", "head: Invalid enum value 2 - at `$.schema`"),
        ("schema = 1", "schema = ", "not a TOML file: Invalid value (at line 2, column 10)"),
        ('title = "A small exchange"\n', "", "head: Object missing required field `title`"),
        ("[modes.cross]", "[moods.cross]", "head: Object contains unknown field `moods`"),
        (
            'since = "2026-01-01"\nchecked',
            'since = "soon"\nchecked',
            "since: expected YYYY, YYYY-MM or YYYY-MM-DD, got 'soon'",
        ),
        (
            'checked = "2026-01-31"',
            'checked = "2026-13"',
            "checked: expected YYYY, YYYY-MM or YYYY-MM-DD, got '2026-13'",
        ),
        ('title = "A', 'until = "2025"\ntitle = "A', "until: 2025 is before since, 2026-01-01"),
        ('source = "docs"\n', "", "modes.cross.meaning: has no source"),
        ('confidence = "confirmed"\n', "", "modes.cross.meaning: has no confidence"),
        ('size = "choice"\n', "", "policy.liquidation.size: has no unit"),
        (
            'since = "2026-01-01"\nsource = "docs"',
            'since = "2026-02-30"\nsource = "docs"',
            "modes.cross.meaning: has the date '2026-02-30'; expected YYYY, YYYY-MM or YYYY-MM-DD",
        ),
        (
            'size = "full"',
            'size = { value = "full", source = "dcos" }',
            "policy.liquidation.size: names the source 'dcos', which is not among the sources",
        ),
        (
            'size = "full"',
            'size = { value = "full", confidence = "sure" }',
            "policy.liquidation.size: has the confidence 'sure'; expected confirmed or executed or unconfirmed or",
        ),
        (
            'confidence = "confirmed"',
            'confidence = "sure"',
            "modes.cross.meaning: has the confidence 'sure'; expected confirmed or",
        ),
        ('checked = "2026-01-31"', 'checked = "2999-01"', "checked: has the date 2999-01, which lies in the"),
        ('date = "2026-01"', 'date = "2999"', "sources.code: has the date 2999, which lies in the future"),
        (
            'size = "full"',
            'size = { value = "full", since = "2999-01-01" }',
            "policy.liquidation.size: has the date 2999-01-01, which lies in the future",
        ),
        (
            'size = "full"',
            'size = "full"\nportion = { valu = "0.1", unit = "share" }',
            "policy.liquidation.portion.valu: no such field; did you mean value?",
        ),
        (
            'size = "full"',
            'size = "full"\nportion = { unit = "share", valu = "0.1" }',
            "policy.liquidation.portion.valu: no such field; did you mean value?",
        ),
        (
            'size = "full"',
            'size = "full"\nportion = { unit = "share" }',
            "policy.liquidation.portion: expected either a value or `unknown = true`",
        ),
        (
            "BTC = { base_decimals = 4",
            "BTC = { base_decimals = { valeu = 4 }",
            "markets.BTC.base_decimals.valeu: no such field; did you mean value?",
        ),
        (
            "[markets]\n",
            '[markets]\nbtc = { base_decimals = 4, price_decimals = 1, margin = "one", pool = "main" }\n',
            "markets.BTC: differs from btc in capitals alone",
        ),
        (
            'size = "full"',
            'size = { value = "full", sauce = "docs" }',
            "policy.liquidation.size: Object contains unknown field `sauce`",
        ),
        (
            'size = "full"',
            f"size = {UNKNOWN}",
            "policy.liquidation.size: an unknown value needs a note that says what is known",
        ),
        (
            'size = "full"',
            'size = { value = "full", unknown = true, note = "?" }',
            "policy.liquidation.size: expected either a value or `unknown = true`",
        ),
        (
            'size = "full"',
            'size = "half"',
            "policy.liquidation.size: expected full or portion or target or window, got 'half'; a venue with policy.",
        ),
        ('size = "full"', "sise = 1", "policy.liquidation.sise: no such field; did you mean size?"),
        (
            'size = "full"',
            'size = "full"\nportoin = { value = "0.1", unit = "share" }',
            "policy.liquidation.portoin: no such field; did you mean portion?",
        ),
        (
            'size = "full"',
            'size = "full"\nportion = { value = "0.1", unit = "ppm" }',
            "policy.liquidation.portion: expected the unit 'share', got 'ppm'",
        ),
        (
            'size = "full"',
            'size = "full"\nportion = { value = "1/3", unit = "share" }',
            "policy.liquidation.portion: 1/3 is not a whole number of parts per million",
        ),
        (
            'size = "full"',
            'size = "full"\nportion = { value = 1.5, unit = "share" }',
            "policy.liquidation.portion: expected a share from 0 to 1, got 1.5",
        ),
        (
            'size = "full"',
            'size = "full"\nminimum = { value = "-1", unit = "USD" }',
            "policy.liquidation.minimum: expected a number from 0 on, got -1",
        ),
        (
            'size = "full"',
            'size = "full"\nminimum = { value = nan, unit = "USD" }',
            "policy.liquidation.minimum: expected a decimal number of at most 60 characters, got 'nan'",
        ),
        (
            'size = "full"',
            'size = "full"\nblock_liquidations = { value = 1.0, unit = "per block" }',
            "policy.liquidation.block_liquidations: expected a whole number from 0 to 1000000000, got '1.0'",
        ),
        (
            'size = "full"',
            'size = "full"\nbackstop = { value = "3/2", unit = "share" }',
            "policy.liquidation.backstop: expected a share from 0 to 1, got 3/2",
        ),
        ('risk_price = "mark"\n', "", "policy: risk_price is missing"),
        (
            'worth = "floor"',
            'worth = "down"',
            "policy.rounding.worth: expected floor, ceil or trunc, got 'down'",
        ),
        (
            "trigger_at_equality = false",
            "trigger_at_equality = 0",
            "policy.trigger_at_equality: expected true or false, got 0",
        ),
        (
            "waterfall = []",
            'waterfall = ["insurance"]',
            "policy.insurance: missing, and the waterfall needs it",
        ),
        (
            "waterfall = []",
            'waterfall = ["deleverage"]',
            "policy.deleveraging.policy: missing, and the waterfall needs it",
        ),
        (
            "waterfall = []",
            'waterfall = ["socialize", "socialize"]',
            "policy.waterfall: expected a list of insurance, counterparty, deleverage, socialize, each at most once",
        ),
        (
            "waterfall = []",
            'waterfall = []\nmaker_fee = { value = "-0.1", unit = "share" }',
            "policy: the maker's rebate exceeds the taker's fee, or a portion is zero",
        ),
        (
            'maintenance = "1/20"',
            'maintenance = "1/5"',
            "margin.one.tiers: expected tiers that start at 0 and rise",
        ),
        ('lower = "0"', 'lower = "1"', "margin.one.tiers: expected tiers that start at 0 and rise"),
        (
            'initial = "1/10"',
            'initial = "10"',
            "margin.one.tiers[0].initial: expected a rate from 0 to 1, got 10",
        ),
        ('initial = "1/10", ', "", "margin.one.tiers[0]: expected { lower, initial, maintenance }, got"),
        (
            'tiers = [{ lower = "0", initial = "1/10", maintenance = "1/20" }]',
            "tiers = []",
            "margin.one.tiers: expected a list",
        ),
        ('tiers = "tiers"', 'tiers = "table"', "margin.one.tiers: expected the unit 'tiers', got 'table'"),
        (
            'margin = "one", pool',
            'margin = "two", pool',
            "markets.BTC.margin: there is no margin table 'two'",
        ),
        (', pool = "main"', "", "markets.BTC: pool is missing"),
        (
            "base_decimals = 4",
            'base_decimals = "4"',
            "markets.BTC.base_decimals: expected a whole number from -18 to 36, got '4'",
        ),
        (
            'pool = "main" }',
            'pool = "main", pol = "x" }',
            "markets.BTC.pol: no such field; did you mean pool?",
        ),
        ("BTC = {", '"B.TC" = {', "markets.B.TC: a name cannot hold a full stop"),
        ("shared = true\n", "", "modes.cross: shared is missing"),
    ],
)
def test_a_mistake_is_named_with_file_and_path(write, old, new, sentence):
    path = write((old, new))
    with pytest.raises(InputError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: {sentence}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("add", "sentence"),
    [
        (
            '[display]\nmaintenance = { value = "at_dawn", unit = "choice" }\n',
            "display.maintenance: expected at_liquidation_price or at_current_mark, got 'at_dawn'",
        ),
        ('[assets.ETH]\ndecimals = { value = 18, unit = "decimals" }\n', "assets.ETH: haircut is missing"),
        (
            '[assets.ETH]\nhaircut = { value = [{ lower = "0" }], unit = "tiers" }\n',
            "assets.ETH: decimals is missing",
        ),
        (
            '[margin.two]\ninitial = { value = 0.5, unit = "share" }\n',
            "margin.two: expected a margin table with one of tiers, steps",
        ),
        ("[policy.rounding.defaults]\nunit = 1\n", "policy.rounding.defaults: Expected `str`, got `int`"),
    ],
)
def test_a_table_that_is_wrong(write, add, sentence):
    path = write(add=add)
    with pytest.raises(InputError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: {sentence}")


def test_a_file_without_markets(write):
    path = write(('BTC = { base_decimals = 4, price_decimals = 1, margin = "one", pool = "main" }', ""))
    with pytest.raises(InputError, match=r"rules\.toml: markets: expected at least one$"):
        load(path)


@pytest.mark.parametrize(
    ("content", "sentence"), [(b"\xff", "not a text file in UTF-8"), (b" " * 5_000_001, "5000001 bytes")]
)
def test_a_file_that_is_no_rulebook(tmp_path, content, sentence):
    path = tmp_path / "rules.toml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        load(str(path))


def test_a_folder_is_no_rulebook(tmp_path):
    folder = tmp_path / "rules.toml"
    folder.mkdir()
    with pytest.raises(InputError, match="Is a directory"):
        load(str(folder))


def test_an_empty_file(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_text("")
    with pytest.raises(InputError, match="missing required field `schema`"):
        load(str(path))


def test_defaults_of_inner_tables_win(write):
    rulebook = load(
        write(
            ("[policy.rounding]", '[policy.rounding]\ndefaults = { source = "code", since = "2025" }'),
            ('funding = "floor"', 'funding = { value = "floor", since = "2024-05" }'),
        )
    )
    worth, funding = rulebook.value("policy.rounding.worth"), rulebook.value("policy.rounding.funding")
    assert (worth.source, worth.since, worth.confidence, worth.unit) == (
        "code",
        "2025",
        "confirmed",
        "direction",
    )
    assert (funding.source, funding.since) == ("code", "2024-05")
    assert rulebook.value("policy.risk_price").source == "docs"


def leaves(table, path=()):
    for key, item in table.items():
        yield (*path, key)
        if isinstance(item, dict):
            yield from leaves(item, (*path, key))


TREE = tomllib.loads((Path(__file__).parent / "small.toml").read_text(encoding="utf-8"))
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats().map(str),
    st.sampled_from(["", "mark", "one", "1/0", "1e99", "-1", "2026-01-01", "9" * 70, "*", "a.b"]),
    st.lists(st.sampled_from(["insurance", "deleverage", {"lower": "0"}, 1, []]), max_size=2),
    st.sampled_from(
        [{}, {"value": 1}, {"unknown": True, "note": "?"}, {"unknown": False}, {"defaults": {"unit": "x"}}]
    ),
)


@given(st.sampled_from(list(leaves(TREE))), ODD)
def test_whatever_stands_in_a_rulebook_it_loads_or_is_refused_in_one_line(path, odd):
    tables = copy.deepcopy(TREE)
    inner = tables
    for key in path[:-1]:
        inner = inner[key]
    if odd is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = odd
    refusal = refused(toml(tables))
    assert refusal is None or "\n" not in str(refusal)
    assert refusal is None or "rules.toml" in str(refusal) or isinstance(refusal, UnknownValueError)


def refused(text: str) -> InputError | None:
    try:
        rulebook = checked_rulebook(read_document(text, "rules.toml"))
        build_venue(rulebook, rulebook.symbols)
    except InputError as error:
        return error
    return None


def toml(value) -> str:
    """The tables as TOML; JSON's strings, numbers and lists are TOML's, and a table may be written inline."""
    return "\n".join(f"{json.dumps(key)} = {inline(item)}" for key, item in value.items())


def inline(value) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {inline(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    return json.dumps(value)
