"""Whatever stands in a file, the answer is a result or one line: never a traceback, never half a document."""

import copy
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from ringfence.cli import main

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
DESK = json.loads((EXAMPLES / "eth-collateral.json").read_text())
CCXT = [
    {
        "symbol": "BTC/USDC:USDC",
        "contracts": 0.5,
        "contractSize": 1,
        "side": "long",
        "entryPrice": 60000.5,
        "markPrice": 61000,
        "collateral": 5000.25,
        "marginMode": "isolated",
        "info": {"a": 1},
    },
    {
        "symbol": "ETH/USDC:USDC",
        "contracts": 3,
        "side": "short",
        "entryPrice": 3000,
        "notional": 8900,
        "isolated": False,
    },
]
STATE = {
    "crossMarginSummary": {"accountValue": "1010.5", "totalNtlPos": "1100.0"},
    "crossMaintenanceMarginUsed": "11.0",
    "time": 1700000000000,
    "assetPositions": [
        {
            "type": "oneWay",
            "position": {
                "coin": coin,
                "szi": size,
                "leverage": {"type": mode, "value": 20, "rawUsd": "1500.0"},
                "entryPx": "50000.0",
                "positionValue": "1100.0",
                "liquidationPx": None,
                "maxLeverage": 50,
            },
        }
        for coin, size, mode in (("BTC", "0.02", "cross"), ("new:COIN", "-0.02", "isolated"))
    ],
}
OPTIONS = json.loads((EXAMPLES / "options.json").read_text())
DOCUMENTS = (DESK, [DESK], {"accounts": [DESK]}, CCXT, STATE, {"response": [STATE]})
WEIRD = st.sampled_from(
    [
        *(None, True, False, 0, -1, 1, 0.1, 1e308, -1e-308, 10**400, float("nan"), float("inf")),
        *(
            "",
            " ",
            "NaN",
            "-Infinity",
            "1e99",
            "1e-99",
            "1e999",
            "0x10",
            "1_000",
            "١٢٣",
            "5/3",
            "long",
            "x" * 500,
        ),
        *(
            "\x00",
            "\x1b[31m",
            "\ud800",
            "a/b",
            "BTC",
            "USDC",
            "../x",
            "[red]",
            "9" * 61,
            "1e28",
            "79228162514264337593543950335",
        ),
        *([], {}, [[]], [None], {"a": {}}, [DESK], CCXT),
    ]
)


@st.composite
def mutated(draw):
    """A valid document after a few random changes."""
    document = {"root": copy.deepcopy(draw(st.sampled_from((*DOCUMENTS, OPTIONS, OPTIONS))))}
    for _ in range(draw(st.integers(1, 4))):
        places = list(slots(document))
        holder, key = draw(st.sampled_from(places))
        match draw(st.sampled_from(["replace", "delete", "repeat", "rename"])):
            case "delete" if key != "root":
                del holder[key]
            case "repeat" if isinstance(holder, list):
                holder.append(copy.deepcopy(holder[key]))
            case "rename" if isinstance(holder, dict) and key != "root":
                holder[draw(st.sampled_from(["collateral", "symbol", "side", "", "x", "positions"]))] = (
                    holder.pop(key)
                )
            case _:
                holder[key] = copy.deepcopy(draw(WEIRD))
    return json.dumps(document["root"]).replace(
        "1e+308", draw(st.sampled_from(["1e308", "-1e99999999999999999999"]))
    )


def slots(value):
    """Every place in a document that can be changed: its holder and the key in it."""
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from slots(value[key])


@st.composite
def damaged(draw):
    """The bytes of a file after a cut, a flip or an insertion."""
    content = bytearray(
        draw(st.sampled_from([json.dumps(DESK).encode(), (EXAMPLES / "book.csv").read_bytes()]))
    )
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, max(0, len(content) - 1)))
        match draw(st.sampled_from(["cut", "flip", "insert"])):
            case "cut":
                del content[at : at + draw(st.integers(1, 20))]
            case "flip" if content:
                content[at] = draw(st.integers(0, 255))
            case _:
                content[at:at] = draw(st.binary(min_size=1, max_size=8))
    return bytes(content)


def check(path, *options, command="margin"):
    result = CliRunner().invoke(main, [command, str(path), "--json", *options])
    if result.exit_code == 0:
        json.loads(result.stdout)
        return
    assert isinstance(result.exception, SystemExit), result.exception
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = [line for line in result.stderr.split("\n") if line and not line.startswith("Warning: ")]
    assert line.startswith("Error: ")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder for the files of this module."""
    return tmp_path_factory.mktemp("bad")


@pytest.mark.fuzz
@given(text=mutated(), venue=st.sampled_from([None, "all", "hyperliquid", "derive", "derive-pm"]))
def test_changed_documents(folder, text, venue):
    path = folder / "book.json"
    path.write_text(text)
    check(path, *(() if venue is None else ("--venue", venue)))


@pytest.mark.fuzz
@given(text=mutated(), mode=st.sampled_from([(), ("--mode", "cross"), ("--mode", "isolated")]))
def test_changed_documents_under_two_rulebooks(folder, text, mode):
    path = folder / "book.json"
    path.write_text(text)
    check(path, "--from", "derive", "--to", "hyperliquid{BTC.maxLeverage=9}", *mode, command="diff")


SPECS = st.text(alphabet="{}=,.[]0129 abBTCmaxLeveragepolicyliquidationportion", max_size=60)


@pytest.mark.fuzz
@given(changes=SPECS | SPECS.map("BTC.maxLeverage={}".format) | SPECS.map("policy.{}=1".format))
def test_changes_of_any_kind(folder, changes):
    path = folder / "desk.json"
    path.write_text(json.dumps(DESK | {"collateral": {"USDC": "1"}}))
    check(path, "--venue", f"hyperliquid{{{changes}}}")


@pytest.mark.fuzz
@given(text=st.text(max_size=30) | st.sampled_from(["liquidatable", "short"]).map("{}>1e99".format))
def test_conditions_of_any_kind(folder, text):
    path = folder / "desk.json"
    path.write_text(json.dumps(DESK))
    result = CliRunner().invoke(
        main, ["diff", str(path), "--from", "generic", "--to", "generic", "--fail-if", text, "--json"]
    )
    assert result.exit_code in {0, 1, 2}
    assert isinstance(result.exception, SystemExit | None), result.exception


@pytest.mark.fuzz
@given(content=damaged(), name=st.sampled_from(["book.json", "book.csv", "book.parquet", "book"]))
def test_damaged_files(folder, content, name):
    path = folder / name
    path.write_bytes(content)
    check(path)


@pytest.mark.parametrize(
    "document", DOCUMENTS, ids=["account", "list", "accounts", "ccxt", "state", "nested"]
)
def test_the_documents_themselves_are_good(folder, document):
    path = folder / "good.json"
    path.write_text(json.dumps(document))
    result = CliRunner().invoke(main, ["margin", str(path), "--json"])
    assert (result.exit_code, result.exception) == (0, None)
