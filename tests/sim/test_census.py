import pytest
from click.testing import CliRunner

from ringfence.sim import census
from ringfence.sim.traders import generate


def test_the_census_compares_populations_with_what_was_observed():
    result = CliRunner().invoke(
        census.main, ["default", "retail-heavy", "--traders", "500", "--markets", "3"]
    )
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0].split() == ["observed", "default", "retail-heavy"]
    assert [line[:40].strip() for line in lines[1:]] == list(census.OBSERVED)
    row = next(line for line in lines if line.startswith("accounts with one position"))
    assert float(row.split()[-2]) == pytest.approx(0.62, abs=0.07)


def test_the_census_measures_a_single_account():
    assert census.measure(generate(["BTC"], 1, 1))["positions per account"] == 1


@pytest.mark.parametrize("arguments", [["whales"], ["--traders", "0"], ["--markets", "0"], ["--seed", "-1"]])
def test_the_census_refuses_in_one_line(arguments):
    result = CliRunner().invoke(census.main, arguments)
    assert result.exit_code == 2
    assert result.output.startswith("error: ")
    assert result.output.count("\n") == 1
