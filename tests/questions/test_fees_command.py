"""`ringfence fees`: one row per chain and scenario, parameters of one's own, and complaints in one line."""

import json

import pytest
from click.testing import CliRunner

from ringfence.chain.fees import CHAINS, SCENARIOS, envelope, fee, parameters
from ringfence.cli import main
from serving import running


def run(*arguments, status=0):
    result = CliRunner().invoke(main, ["fees", *map(str, arguments)])
    assert result.exit_code == status, result.output
    return result


def document(*arguments):
    return json.loads(run("--json", *arguments).stdout)


def test_every_chain_in_every_scenario():
    found = document("--gas", 39_172)
    assert [(row["chain"], row["scenario"]) for row in found["fees"]] == [
        (chain, scenario) for chain in CHAINS for scenario in SCENARIOS
    ]
    transaction = envelope.signed_transaction(envelope.typical_calldata(132))
    assert found["transaction_bytes"] == len(transaction)
    for row in found["fees"]:
        ours = fee(row["chain"], 39_172, transaction, parameters(row["chain"], row["scenario"]))
        assert (row["total_wei"], row["usd"]) == (str(ours.total_wei), ours.usd)
        assert row["modelled"] == (row["chain"] in {"zksync", "starknet"})
        assert all(stated["source"] and stated["date"] for stated in row["parameters"].values())


def test_the_table_says_what_is_modelled_and_where_prices_are_from():
    shown = run("--gas", 100_000, "--chain", "base", "--chain", "zksync").stdout
    assert "Fee of 100,000 gas, 245 bytes signed" in shown
    assert shown.count("modelled  ") == 3
    assert "l2.baseFee 5000000 (low mid; base): 2026-02-19, A: minimum base fee, base/docs 1148" in shown
    assert "modelled: zksync, mid: 2 EraVM gas per EVM gas, 6 slots of 13 bytes of pubdata" in shown
    assert "calldata assumed" in shown


@pytest.mark.parametrize("content", [b"\x02\xfa\x00\xff", b"0x02fa00ff\n"])
def test_a_transaction_from_a_file(tmp_path, content):
    file = tmp_path / "tx"
    file.write_bytes(content)
    found = document("--gas", 21_000, "--tx", file, "--chain", "ethereum")
    assert (found["transaction_bytes"], found["assumed"]) == (4, "")


def test_parameters_of_ones_own():
    found = document("--gas", 100, "--chain", "base", "--chain", "ethereum", "--set", "l2.baseFee=1gwei")
    assert {row["l2_wei"] for row in found["fees"]} == {str(100 * 10**9), "0"}
    priced = document(
        "--gas", 100, "--chain", "ethereum", "--set", "price.ETH=1", "--set", "l1.baseFee=1000gwei"
    )
    assert {row["usd"] for row in priced["fees"]} == {"0.0001"}


class Node:
    def answer(self, handler):
        question = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        results = {"eth_chainId": "0x1", "eth_getBlockByNumber": {"baseFeePerGas": "0x3b9aca00"}}
        reply = {"jsonrpc": "2.0", "id": 1, "result": results.get(question["method"], "0x0")}
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(json.dumps(reply).encode())


def test_parameters_of_this_moment():
    with running(Node()) as url:
        found = document("--gas", 7, "--chain", "ethereum", "--rpc", url)
        shown = run("--gas", 7, "--chain", "ethereum", "--rpc", url).stdout
    assert [(row["scenario"], row["total_wei"]) for row in found["fees"]] == [("live", "7000000000")]
    assert "live: read from 127.0.0.1" in shown


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--gas", -1], "--gas -1: expected a number from 0 to"),
        (["--gas", 1, "--chain", "solana"], "solana: no such chain; known are ethereum"),
        (["--gas", 1, "--chain", "dydx"], "dydx: its fees are not modelled"),
        (["--gas", 1, "--set", "l2.baseFee"], "--set l2.baseFee: expected PATH=VALUE"),
        (["--gas", 1, "--set", "l3.baseFee=1"], "l3.baseFee: ethereum has no such parameter"),
        (["--gas", 1, "--chain", "base", "--set", "l2.baseFee=x"], "l2.baseFee: expected a number"),
        (["--gas", 1, "--rpc", "http://localhost"], "--rpc: expected one --chain"),
        (["--gas", 1, "--tx", "nowhere"], "--tx nowhere: cannot be read"),
        (["--gas", 1, "--calldata-bytes", -4], "--calldata-bytes -4: expected a number from 0 to"),
        (["--gas", 1, "--tx", "x", "--calldata-bytes", 4], "--tx and --calldata-bytes: expected one"),
    ],
)
def test_bad_questions_are_one_line(arguments, complaint):
    result = run(*arguments, status=2)
    assert complaint in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_empty_file_is_no_transaction(tmp_path):
    (tmp_path / "tx").write_bytes(b"")
    assert "expected a transaction of 1 to" in run("--gas", 1, "--tx", tmp_path / "tx", status=2).stderr
