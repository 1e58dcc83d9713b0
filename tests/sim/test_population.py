import re
import tomllib
from pathlib import Path

import pytest

from ringfence.errors import InputError
from ringfence.sim import population as module
from ringfence.sim.population import Population, load_population

BUILTIN = ("default", "retail-heavy", "market-maker-heavy")


def test_every_parameter_has_unit_meaning_and_a_known_source():
    path = Path(module.__file__).parent / "data" / "population.toml"
    file = tomllib.loads(path.read_text())
    fields = set(Population.__struct_fields__) - {"name", "figures"}
    assert set(file["parameter"]) == fields
    assert set(file["population"]) == set(BUILTIN)
    for name in BUILTIN:
        population = load_population(name)
        assert set(population.figures) == fields
        assert {figure.source for figure in population.figures.values()} <= set(file["source"])
        assert all(
            file["population"][name][key]["range"]
            for key in population.assumed()
            if key in file["population"][name]
        )


def test_margin_mode_shares_are_marked_as_assumed():
    for name in BUILTIN:
        assert {"isolated_intercept", "isolated_slope", "topup_probability"} <= set(
            load_population(name).assumed()
        )


def test_a_file_changes_what_it_names_and_inherits_the_rest(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(
        """
        [source.export]
        title = "our own accounts"
        date = "2026-10"

        [population.mine]
        base = "retail-heavy"
        equity_median_usd = { value = 5000, basis = "measured", source = "export" }
        """
    )
    population = load_population(str(file))
    assert population.name == "mine"
    assert population.equity_median_usd == 5000
    assert population.leverage_median == load_population("retail-heavy").leverage_median
    assert "equity_median_usd" not in population.assumed()
    assert "equity_median_usd" in load_population("retail-heavy").assumed()


def test_the_example_of_the_documentation_loads(tmp_path):
    page = Path(__file__).parents[2] / "docs" / "explain" / "population.md"
    (example,) = re.findall(r"```toml\n(.*?)```", page.read_text(), re.DOTALL)
    file = tmp_path / "mine.toml"
    file.write_text(example)
    population = load_population(str(file))
    assert population.name == "ours"
    assert population.isolated_intercept == 0.2
    assert "isolated_intercept" not in population.assumed()


def test_a_varied_parameter_counts_as_assumed():
    population = load_population("default").varied(equity_median_usd=5000)
    assert population.equity_median_usd == 5000
    assert "equity_median_usd" in population.assumed()


def figure(value, basis="measured", source="none", **more):
    return (
        f'{{ value = {value}, basis = "{basis}", source = "{source}"'
        + "".join(f", {key} = {text}" for key, text in more.items())
        + " }"
    )


BAD_FIGURES = {
    "not a figure": ("equity_median_usd = 5000", "equity_median_usd"),
    "no basis": ('equity_median_usd = { value = 1, source = "none" }', "basis"),
    "unknown basis": (f"equity_median_usd = {figure(5000, basis='guessed')}", "basis"),
    "unknown source": (f"equity_median_usd = {figure(5000, source='rumor')}", "rumor"),
    "assumed without range": (f"equity_median_usd = {figure(5000, basis='assumed')}", "range"),
    "unknown key in a figure": (f"equity_median_usd = {figure(5000, colour='1')}", "colour"),
    "unknown parameter": (f"height = {figure(5)}", "height"),
    "parameter called name": (f"name = {figure(5)}", "name"),
    "text for a number": (f"equity_median_usd = {figure(repr('many'))}", "equity_median_usd"),
    "truth value for a number": (f"equity_median_usd = {figure('true')}", "equity_median_usd"),
    "not a number": (f"equity_median_usd = {figure('nan')}", "equity_median_usd"),
    "infinite": (f"equity_max_usd = {figure('inf')}", "equity_max_usd"),
    "negative": (f"equity_median_usd = {figure(-1)}", "equity_median_usd"),
    "probability above 1": (f"copy_probability = {figure(1.1)}", "copy_probability"),
    "six buckets": (f"positions_p = {figure([0.5] * 6)}", "positions_p"),
    "log-series at 1": (f"positions_p = {figure([0.5] * 6 + [1.0])}", "positions_p"),
    "fractional count": (f"positions_max = {figure(5.5)}", "positions_max"),
    "median outside": (f"equity_min_usd = {figure(1001)}", "equity_min_usd < equity_median_usd"),
    "nearly all cut off": (
        f"equity_max_usd = {figure(1001)}\nequity_min_usd = {figure(999)}",
        "more than half",
    ),
    "mix does not sum": (f"market_mix = {figure('{ BTC = 0.5, others = 0.4 }')}", "market_mix"),
    "mix without others": (f"market_mix = {figure('{ BTC = 0.5, ETH = 0.5 }')}", "others"),
    "settings do not sum": (f"leverage_settings = {figure([[50, 0.5]])}", "leverage_settings"),
    "settings descend": (f"leverage_settings = {figure([[50, 0.5], [40, 0.5]])}", "ascending"),
    "settings too low": (f"leverage_settings = {figure([[5, 1.0]])}", "leverage_max"),
    "unknown base": ('base = "whales"', "whales"),
    "base is no name": ("base = 3", "base"),
}


@pytest.mark.parametrize("case", BAD_FIGURES)
def test_a_bad_figure_is_named_in_one_line(tmp_path, case):
    line, expected = BAD_FIGURES[case]
    file = tmp_path / "bad.toml"
    file.write_text(
        ("" if line.startswith("base") else 'base = "default"\n').join(["[population.mine]\n", line])
    )
    with pytest.raises(InputError, match=re.escape(expected)) as caught:
        load_population(str(file))
    message = str(caught.value)
    assert message.startswith(f"{file}: population mine: ")
    assert "\n" not in message


BAD_FILES = {
    "empty": b"",
    "not TOML": b"population = [",
    "not text": b"\xff\xfe\x00",
    "nested too deep": b"population = " + b"[" * 100_000,
    "no population": b"[source.a]\ntitle = 'a'\ndate = '2026'",
    "two populations": b"[population.a]\n[population.b]",
    "incomplete, without base": b"[population.a]",
    "population is no table": b"population = 3",
    "date in words": b"[source.a]\ntitle = 'a'\ndate = 'May'\n[population.a]\nbase = 'default'",
    "too large": b"# " + b"x" * (1 << 20),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_named_in_one_line(tmp_path, case):
    file = tmp_path / "bad.toml"
    file.write_bytes(BAD_FILES[case])
    with pytest.raises(InputError) as caught:
        load_population(str(file))
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["whales", "", "default.json", "missing.toml", "nul\0.toml", "."])
def test_a_population_that_is_not_there_is_named(name):
    with pytest.raises(InputError) as caught:
        load_population(name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "values", [{"height": 1}, {"copy_probability": float("nan")}, {"name": "x"}], ids=str
)
def test_a_variation_is_checked_as_a_file_is(values):
    with pytest.raises(InputError, match="population default"):
        load_population("default").varied(**values)
