"""The rulebook as a page: everything is on it, nothing is Python, and it fits into a terminal."""

import re

import pytest

from ringfence.venues.document import Value
from ringfence.venues.overrides import load_spec
from ringfence.venues.page import WIDTH, escaped, page, percent, words
from ringfence.venues.rulebook import list_rulebooks, load

NAMES = [f"{info.venue}@{info.version}" for info in list_rulebooks()]
PYTHON = re.compile(r"\b(None|True|False)\b|[\[{]'|Decimal\(|Fraction\(|<[\w.]+ object")


def value(raw, unit, **more):
    return Value("a.b", raw, more.pop("unknown", False), unit, "2026", "s", "confirmed", more.pop("note", ""))


@pytest.mark.parametrize("name", NAMES)
def test_every_page_reads_well(name):
    rulebook = load(name)
    text = page(rulebook, ["it is old"])
    assert text.startswith("# ")
    assert text.endswith("\n")
    assert not PYTHON.search(text)
    for line in text.splitlines():
        assert len(line) <= WIDTH or len(line.split()) <= 2, line
        assert line == line.rstrip()
    for section in ("Margin modes", "Policy", "Sources"):
        assert f"\n## {section}\n" in text
    assert "**it is old.**" in text
    flat = " ".join(text.split())
    for key in rulebook.document.sources:
        assert f"**{escaped(key)}**," in flat
    for path, each in rulebook.values():
        if each.unknown:
            assert f"`{path}`: " in flat
    for group in ("policy", "portfolio", "standard"):
        for path, each in rulebook.values(group):
            assert each.unknown or f"`{path.removeprefix(f'{group}.')}` " in flat
    for row in rulebook.names("markets"):
        assert row == "*" or escaped(row) in flat


def test_what_a_reader_finds():
    text = " ".join(page(load("hyperliquid")).split())
    assert (
        "`hyperliquid@2026-07`, in force since 2026-07-19, compared with its sources on 2026-11-22." in text
    )
    assert "- BTC: **40x, 20x from 150,000,000**; tiers from 0 USD initial 2.5 %, maintenance 1.25 %;" in text
    assert (
        "- `liquidation.portion_above` 100,000 USD: smaller positions are closed whole (liquidations)" in text
    )
    assert "- `liquidation.backstop` 2/3 (66.67 %): below this share" in text
    assert "- **margining**, 2026-11: hyperliquid.gitbook.io/hyperliquid-docs/trading/margining" in text


def test_a_version_that_has_ended_says_until_when():
    assert "in force since 2024-10-10 until 2025-03" in " ".join(page(load("hyperliquid@2024")).split())


def test_a_changed_rulebook_says_what_was_changed():
    text = " ".join(page(load_spec("hyperliquid{BTC.maxLeverage=20}")).split())
    assert "- BTC: **20x, 20x from 150,000,000**" in text
    assert "- **changed**, 2026-11-22: changed for the question: BTC.maxLeverage=20" in text


@pytest.mark.parametrize(
    ("raw", "unit", "text"),
    [
        (True, "flag", "yes"),
        (False, "flag", "no"),
        ("0.00045", "share", "0.045 %"),
        ("2/3", "share", "2/3 (66.67 %)"),
        ("1/5000000000", "share", "1/5000000000"),
        ("100000", "USD", "100,000 USD"),
        ("0.5", "base", "0.5 base"),
        ("30", "s", "30 s"),
        (50, "per block", "50 per block"),
        ("all_or_nothing", "choice", "all or nothing"),
        (["insurance", "deleverage"], "list", "insurance, deleverage"),
        ([], "list", "none"),
        ("fee_note as written", "text", "fee_note as written"),
        ("-0.05", "number", "-0.05"),
        ([{"lower": "0", "haircut": "0.1"}], "tiers", "10 %"),
        (
            [
                {"price": "1.1", "vol": "up"},
                {"price": "1.1", "vol": "none"},
                {"price": 2, "vol": "up", "weight": 0.1},
            ],
            "scenarios",
            "price x 1.1 with volatility up, none; price x 2 with volatility up, of which 10 % counts",
        ),
        (
            [{"lower": "0", "haircut": "0.1"}, {"lower": "1000000", "haircut": "1/3"}],
            "tiers",
            "from 0 USD 10 %; from 1,000,000 USD 1/3 (33.33 %)",
        ),
    ],
)
def test_values_in_words(raw, unit, text):
    assert words(value(raw, unit)) == text


def test_what_is_not_known_is_called_unknown():
    assert words(value(None, "share", unknown=True, note="nobody says")) == "unknown"
    assert percent("soon") == "soon"


def test_text_of_a_rulebook_is_not_markup():
    assert escaped("a*b_c [x](y) <i> # | `z`") == r"a\*b\_c \[x\](y) \<i\> \# \| \`z\`"


def test_no_line_of_an_item_begins_an_item_of_its_own():
    """A minus, a plus or a number with a full stop that happens to come first in a line."""
    text = page(load("hyperliquid"))
    blocks = re.split(r"\n\n", text)
    for block in blocks:
        for line in block.splitlines()[1:]:
            assert not re.match(r"^  ([-+>#]|\d+[.)])(\s|$)", line), line
