"""Documents are what they say: their files are written, their commands run, and their output compared.

Of a guide, those commands are run that are about the examples of this project.
"""

import re
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from ringfence.clearing import command as do
from ringfence.clearing.log import Clearinghouse, state_hash
from ringfence.clearing.resolve import resolve
from ringfence.cli import main
from ringfence.venues.rulebook import build_venue, load

ROOT = Path(__file__).resolve().parents[1]
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
GUIDES = [ROOT / "docs" / "guides" / name for name in ("diff.md", "margin.md", "stress.md")]

_BLOCK = re.compile(r"^```(toml|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"Save this as `([\w.-]+)`:\s*$")


def blocks(text):
    """Kind, content and, for a file, its name, in the order of the document."""
    for found in _BLOCK.finditer(text):
        named = _FILE.search(text[: found.start()].rstrip())
        yield found[1], found[2], named and named[1]


def commands(content):
    """The commands of a console block with the lines that follow each."""
    lines = content.splitlines()
    starts = [at for at, line in enumerate(lines) if line.startswith("$ ")]
    for start, stop in zip(starts, [*starts[1:], len(lines)], strict=True):
        yield lines[start][2:], lines[start + 1 : stop]


def matches(shown, printed):
    """Whether the lines shown are the lines printed; a line of three dots stands for any."""
    if not shown:
        return not printed
    if shown[0] == "...":
        return any(matches(shown[1:], printed[at:]) for at in range(len(printed) + 1))
    return bool(printed) and shown[0].rstrip() == printed[0].rstrip() and matches(shown[1:], printed[1:])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the examples in it, to work in."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(command):
    """Run a command as a shell would; its exit status and the lines that it prints."""
    program, *words = shlex.split(command, comments=True)
    assert program == "ringfence"
    result = CliRunner().invoke(main, words)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output.rstrip("\n").splitlines()


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_runs_as_it_is_written(path, folder):
    status, count = 0, 0
    for kind, content, name in blocks(path.read_text(encoding="utf-8")):
        if kind == "toml":
            (folder / name).write_text(content, encoding="utf-8")
            continue
        for command, shown in commands(content):
            if command == "echo $?":
                assert shown == [str(status)]
                continue
            status, printed = run(command)
            assert matches(shown, printed), "\n".join((command, *printed))
            count += 1
    assert count >= 5


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.stem)
def test_a_guide_shows_what_is_printed(path, folder):
    about = [
        (command, shown)
        for kind, content, _ in blocks(path.read_text(encoding="utf-8"))
        if kind == "console"
        for command, shown in commands(content)
        if "examples/" in command
    ]
    assert about
    for command, shown in about:
        _, printed = run(command)
        while shown and not shown[-1]:
            shown.pop()
        assert matches(shown, printed), "\n".join((command, *printed))


_PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NOT_HERE = "import ccxt"
"""What only a reader has. `docs/reference/contracts.md` is run by `tests/chain/test_reference_page.py`."""
SNIPPETS = {
    f"{path.stem}-{number}": code
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if path.stem != "contracts"
    for number, code in enumerate(_PYTHON.findall(path.read_text(encoding="utf-8")))
    if NOT_HERE not in code
}


@pytest.mark.parametrize("name", SNIPPETS)
def test_python_in_a_document_runs(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    exec(SNIPPETS[name], {"__name__": name})


COMMANDS_OF_THE_PAGE = [
    do.SetPrices(time_ms=0, block=0, marks={"BTC": 610_000}),
    do.OpenSubaccount("market/BTC", account="venue", system=True),
    do.OpenSubaccount("desk", account="desk"),
    do.Deposit("desk", "USDC", 1_000_000_000),
    do.Trade("BTC", 50_000, 610_000, taker="desk", maker="market/BTC"),
    do.SetPrices(time_ms=1, block=1, marks={"BTC": 597_000}),
    do.Withdraw("desk", "USDC", 1_000_000_000),
]


def test_the_batch_engine_does_what_its_page_says(capsys):
    """1,000 less a fee of 13.725 and half of a fall of 1,300 is 336.275, below a maintenance margin of 373.125.

    Who withdraws keeps a tenth of 29,850 at least. The state is the reference's after the same commands.
    """
    exec(SNIPPETS["batch-engine-0"], {})
    reasons, detail, step, state, plan = capsys.readouterr().out.splitlines()
    assert reasons.strip("[]").split() == [*"000000", "404"]
    assert detail == "desk must keep 2985000000, would have -663725000"
    assert step.startswith("Liquidate(subaccount='desk', market='BTC'")
    house = Clearinghouse(build_venue(load("hyperliquid"), ["BTC"]))
    for command in COMMANDS_OF_THE_PAGE:
        house.submit(command)
    resolve(house, ["desk"])
    assert (state, plan) == (state_hash(house.venue), "()")


def test_lines_are_compared():
    assert matches(["a", "...", "c"], ["a", "b", "b", "c"])
    assert matches(["a", "..."], ["a"])
    assert not matches(["a", "...", "d"], ["a", "b", "c"])
    assert not matches(["a"], ["a", "b"])
