"""The report: everything in one file, nothing loaded, nothing trusted, nothing hidden behind one number."""

import copy
import json
import re
import shlex
from html.parser import HTMLParser

import plotly.graph_objects as go
import pytest

from compare.sample import document, run
from ringfence.compare.claims import add_claims
from ringfence.compare.command import compare
from ringfence.compare.lab import Lab, Setup, run_all
from ringfence.compare.report import _embedded, render
from ringfence.compare.report_summary import beside, command
from ringfence.compare.report_text import short, span
from ringfence.compare.result import document as result_document
from ringfence.html import Html, markup, tag
from ringfence.sim.scenarios import load_scenario

EVIL = "<script>alert(1)</script>\"'&</title>"


class Page(HTMLParser):
    """Tags with attributes, the text of each script, and all text outside scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self.words, self._inside = [], [], [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = tag if tag in ("script", "style") else ""
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        if tag == self._inside:
            self._inside = ""

    def handle_data(self, data):
        if self._inside == "script":
            self.scripts[-1] += data
        elif not self._inside:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def ids(self):
        return [attrs["id"] for _, attrs in self.tags if "id" in attrs]


def varied():
    """Sensitivity rows: two slippages and one other order of lows."""
    return [
        run(mode, layer=layer, varied=what, bad_debt=debt)
        for mode in ("isolated", "cross", "hybrid")
        for layer in ("shared", "per_market")
        for what, debt in (("slippage 1 %", 5), ("slippage 10 %", 900), ("order high_first", 0))
    ]


@pytest.fixture(scope="module")
def result():
    """A document in which capital locked depends on the arm and everything else does not."""
    made = document(sensitivity=varied())
    for each in made["runs"]:
        if (each["mode"], each["arm"]) == ("isolated", "a"):
            each["measures"]["capital_locked"] = "2500000"
    made["headline"]["identical"]["isolated"]["capital_locked"] = ["1", "2500000"]
    add_claims(made)
    return made


@pytest.fixture(scope="module")
def page(result):
    return Page(render(result))


# -- one file that loads nothing --------------------------------------------------------------------------------------


def test_the_page_loads_nothing(page):
    for name, attrs in page.tags:
        assert name not in {"iframe", "img", "object", "embed", "base", "form"}
        for key in ("src", "href", "action", "data", "srcset", "poster", "xlink:href"):
            assert attrs.get(key, "#").startswith(("#", "data:")), f"<{name} {key}={attrs[key]}>"


def test_the_style_sheet_loads_nothing(result):
    (style,) = re.findall(r"<style>(.*?)</style>", render(result), re.DOTALL)
    assert "url(" not in style
    assert "@import" not in style


def test_the_browser_is_forbidden_to_load_anything(page):
    (policy,) = (attrs["content"] for name, attrs in page.tags if attrs.get("http-equiv"))
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert not any("http" in words or "*" in words or "self" in words for words in rules.values())


def test_plotly_stands_in_the_page(page):
    _, library, script = page.scripts
    assert "plotly.js v" in library[:200]
    assert "Plotly.react" in script
    assert "http" not in script


def test_the_file_stays_small(result):
    assert len(render(result).encode()) < 6_000_000


def test_the_same_document_gives_the_same_bytes(result):
    again = json.loads(json.dumps(result))
    assert render(again) == render(result)
    assert render({**again, "timing": {"seconds": 1.5}}) == render(result)


# -- what stands in it ------------------------------------------------------------------------------------------------


def test_every_measure_is_there_with_its_definition(page, result):
    described = [attrs["aria-describedby"] for name, attrs in page.tags if attrs.get("class") == "term"]
    for name, what in result["definitions"].items():
        assert what["title"] in page.text
        assert " ".join(what["meaning"].split()) in page.text
        assert f"def-{name}" in described
    assert set(described) <= set(page.ids())


def test_ids_are_unique_and_links_lead_somewhere(page):
    ids = page.ids()
    assert len(ids) == len(set(ids))
    assert {attrs["href"][1:] for name, attrs in page.tags if name == "a"} <= set(ids)


def test_a_range_is_never_one_number(page):
    assert "1 – 2.5 M" in page.text


def test_tables_have_captions_and_heads(page):
    names = [name for name, _ in page.tags]
    assert names.count("table") == names.count("caption") == names.count("thead")
    assert all(attrs.get("scope") for name, attrs in page.tags if name == "th")


def test_every_chart_has_a_place_and_words(page):
    figures = json.loads(page.scripts[0])
    places = {attrs["id"]: attrs for _, attrs in page.tags if attrs.get("class") == "chart"}
    assert set(figures) == set(places)
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in places.values())


def test_every_chart_is_one_that_plotly_knows(page):
    for figure in json.loads(re.sub(r'"@[a-z]+(-\d)?"', '"#000000"', page.scripts[0])).values():
        go.Figure(figure, skip_invalid=False)


def test_modes_differ_in_more_than_color(page):
    bars = json.loads(page.scripts[0])["chart-bad-debt-shared"]["data"]
    assert len({trace["marker"]["pattern"]["shape"] for trace in bars}) == len(bars) == 3
    lines = [trace for trace in json.loads(page.scripts[0])["chart-timeline"]["data"] if "name" in trace]
    assert len({trace["line"]["dash"] for trace in lines}) == len(lines) == 3


def test_slippage_is_in_order_of_size(page):
    bars = json.loads(page.scripts[0])["chart-bad-debt-shared"]["data"]
    assert bars[0]["x"] == ["0 %", "1 %", "10 %"]
    assert bars[0]["y"] == [1.0, 5.0, 900.0]


def test_the_parties_sum_to_zero_and_a_miss_shows(result):
    assert ">0.00</td>" in render(result)
    off = copy.deepcopy(result)
    for each in off["runs"]:
        each["stakeholders"][0][1] = "21.75"
    assert ">20.25</td>" in render(off)


def test_all_claims_are_rows_with_their_status(page, result):
    rows = {attrs["id"]: attrs for name, attrs in page.tags if name == "tr" and "data-status" in attrs}
    assert [f"claim-{claim['id']}" for claim in result["claims"]] == list(rows)
    assert [claim["status"] for claim in result["claims"]] == [
        attrs["data-status"] for attrs in rows.values()
    ]
    buttons = {
        attrs["data-status"] for name, attrs in page.tags if name == "button" and "data-status" in attrs
    }
    assert buttons == {claim["status"] for claim in result["claims"]}


def test_the_summary_says_where_a_sign_flips():
    runs = [run("isolated", "a", bad_debt=1), run("isolated", "c", bad_debt=9), run("cross", "c", bad_debt=5)]
    sentences = beside(document(runs), "bad_debt", ["isolated", "cross"])
    assert sentences == ["Isolated against cross: lower in arm a; higher in arm c."]


def test_the_command_line_is_one_that_exists(result):
    words = shlex.split(command(result).replace("\\\n", " "))
    assert words[:2] == ["ringfence", "compare"]
    parameters = compare.make_context("compare", words[2:]).params
    assert (parameters["scenario"], parameters["traders"], parameters["seed"]) == ("a-day", 2, 1)


def test_price_files_and_partitions_are_named_in_the_command():
    made = document()
    made["scenario"]["name"] = "my prices.csv+eth.parquet"
    made["setup"]["modes"]["two; groups"] = {"groups": [["BTC", "ETH"]], "rest": "apart"}
    words = shlex.split(command(made).replace("\\\n", " "))
    parameters = compare.make_context("compare", words[2:]).params
    assert [path.name for path in parameters["prices"]] == ["my prices.csv", "eth.parquet"]
    assert [path.name for path in parameters["partition"]] == ["two; groups.toml"]


# -- nothing trusted --------------------------------------------------------------------------------------------------


def poisoned():
    made = document(modes=("isolated", "cross"), sensitivity=varied())
    text = json.dumps(made).replace('"isolated"', json.dumps(EVIL)).replace('"BTC"', json.dumps(EVIL))
    made = json.loads(text)
    made["scenario"].update(name=EVIL, notes=[EVIL], markets_left_out=[EVIL], order="low_first")
    made["setup"].update(venue=EVIL, population=EVIL, venue_frame={EVIL: EVIL}, arms={"c": EVIL})
    made["assumptions"] = [EVIL, f"`{EVIL}`"]
    for each in made["runs"]:
        each["stakeholders"] = [[EVIL, "0"]]
        each["rulebook"] = EVIL
    return made


def test_names_stay_names():
    text = render(poisoned())
    page = Page(text)
    assert len(page.scripts) == 3
    assert "alert(1)" not in page.scripts[2]
    assert "<script>alert" not in text
    assert EVIL in page.text
    assert [name for name, _ in page.tags].count("title") == 1
    assert not any(key.startswith("on") for _, attrs in page.tags for key in attrs)


def test_names_in_charts_are_text_to_plotly():
    figures = json.loads(Page(render(poisoned())).scripts[0])
    assert "&lt;script&gt;" in json.dumps(figures)
    assert "<script>" not in json.dumps(figures)


def test_only_html_is_not_escaped():
    assert markup("<b>") == "&lt;b&gt;"
    assert markup(Html("<b>")) == "<b>"
    assert (
        tag("td", "a & b", tag("i", "<"), class_='"', data_x="")
        == '<td class="&quot;">a &amp; b<i>&lt;</i></td>'
    )


# -- documents with less in them --------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["isolated", "cross"])
def test_a_single_mode_without_sensitivity_or_claims(mode):
    page = Page(render(document(modes=(mode,))))
    assert "chart-timeline" in page.ids()
    assert "chart-bad-debt-shared" not in page.ids()
    assert "bad-debt" not in page.ids()
    assert "Not evaluated in this document." in page.text


def test_an_arm_other_than_c():
    page = Page(render(document([run("isolated", "a"), run("cross", "a")])))
    assert "isolated (arm a)" in page.scripts[0]


def test_a_second_frame_has_a_table_of_its_own():
    runs = [run(mode) for mode in ("isolated", "cross")]
    page = Page(render(document([*runs, *(run(mode, frame="venue") for mode in ("isolated", "cross"))])))
    assert "Measures by mode, venue frame" in page.text
    assert "never compare across frames" in page.text
    captions = re.findall(r"<caption>(.*?)</caption>", render(document([*runs, run("cross", frame="venue")])))
    assert (
        "Measures by mode, venue frame: arm c alone: not a headline; mode and venue change together"
        in captions
    )
    assert "Measures by mode, identical frame: arm c alone: not a headline; range over layers" in captions


def test_only_several_arms_are_a_range_over_arms(page):
    assert "Measures by mode, identical frame: range over arms and layers" in page.text
    assert "Every figure is a range over the arms of isolation (a, b, c)" in page.text
    alone = document([run("isolated"), run("cross")])
    alone["setup"]["arms"] = {"c": "as the traders set it"}
    assert "Arm c alone: not a headline." in Page(render(alone)).text


def test_no_bad_debt_says_where_the_zero_comes_from():
    zero = [run(mode, bad_debt=0) for mode in ("isolated", "cross")]
    shown = Page(render(document(zero, varied()))).text
    assert (
        "0 follows from fills at the mark on a walked path; with 1 % slippage: isolated 5 USD, cross 5 USD; "
        "with 10 % slippage: isolated 900 USD, cross 900 USD." in shown
    )
    assert "slippage was not varied" in Page(render(document(zero))).text
    assert "0 follows from" not in Page(render(document([run("isolated", bad_debt=0), run("cross")]))).text


# -- figures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("0", "USD", "0"),
        ("12345678.9", "USD", "12.3 M"),
        ("-1250", "USD", "−1.25 k"),
        ("999.4", "USD", "999"),
        ("1250775014.8", "USD", "1.25 B"),
        ("0.00004", "USD", "0.00004"),
        ("0.0000000001", "USD", "<0.000001"),
        ("0.981242", "share", "98.1 %"),
        ("0", "share", "0 %"),
        ("1.353777", "share", "135 %"),
        ("1344", "count", "1,344"),
        ("0.895467", "per account-day", "0.895"),
    ],
)
def test_short_figures(text, unit, expected):
    assert short(text, unit) == expected


@pytest.mark.parametrize(
    ("texts", "unit", "expected"),
    [
        (["5", "5"], "USD", "5"),
        (["0", "5"], "USD", "0 – 5"),
        (["1000000", "2500000"], "USD", "1 – 2.5 M"),
        (["900", "2500000"], "USD", "900 – 2.5 M"),
        (["17689835.5", "17689841"], "USD", "17.689836 – 17.689841 M"),
        (["0.1", "0.25"], "share", "10 – 25 %"),
        ([], "USD", "not measured"),
    ],
)
def test_ranges_show_that_they_are_ranges(texts, unit, expected):
    assert span(texts, unit) == expected


def test_a_real_comparison_from_lab_to_page():
    prices = load_scenario("2025-10-10").select(("BTC", "ETH", "SOL"))
    frame = {"isolated": "hyperliquid", "cross": "dydx-v4"}
    lab = Lab(Setup(prices, "2025-10-10", traders=40, arms=("c",), max_step_ppm=20_000, venue_frame=frame))
    made = result_document(lab, run_all(lab, workers=1))
    add_claims(made)
    page = Page(render(made))
    assert {"chart-timeline", "chart-bad-debt-shared", "chart-order-accounts-ruined", "claims"} <= set(
        page.ids()
    )
    assert {"M2", "C1", "R10"} <= {claim["id"] for claim in made["claims"] if claim["status"] != "open"}


def test_embedded_figures_cannot_end_their_script():
    text = _embedded({"x": "</script><!--\u2028"})
    assert "<" not in text
    assert json.loads(text) == {"x": "</script><!--\u2028"}
