"""Parameters read from a node: a server on this machine answers as each chain's nodes do, or as they should not."""

import json
import socket
import time
from contextlib import suppress

import pytest

from ringfence.chain.fees import SCENARIOS, fee, parameters
from ringfence.chain.fees.live import live
from ringfence.errors import InputError
from serving import running

BLOCK = {"baseFeePerGas": hex(123_456_789)}


def word(*parts):
    """A storage word with numbers at byte offsets, each as (first, width, value)."""
    content = bytearray(32)
    for first, width, value in parts:
        content[first : first + width] = value.to_bytes(width)
    return f"0x{content.hex()}"


SLOTS = {
    "0x1": word((0, 32, 1_358_506_164)),
    "0x3": word((0, 16, 7), (16, 4, 2_269), (20, 4, 1_055_762), (24, 8, 5)),
    "0x7": word((0, 32, 17)),
    "0x8": word((18, 2, 312), (20, 4, 3), (24, 8, 9)),
}


class Node:
    """Answers questions from a table, whose values may be functions of the parameters."""

    def __init__(self, answers, status=200, body=None, delay_s=0.0):
        self.answers, self.status, self.body, self.delay_s = answers, status, body, delay_s
        self.asked = []

    def answer(self, handler):
        length = int(handler.headers["Content-Length"])
        question = json.loads(handler.rfile.read(length))
        self.asked.append(question["method"])
        time.sleep(self.delay_s)
        found = self.answers.get(question["method"])
        result = found(*question["params"]) if callable(found) else found
        reply = {"jsonrpc": "2.0", "id": question["id"]}
        reply |= (
            {"error": {"code": -32601, "message": "method not found"}}
            if found is None
            else {"result": result}
        )
        content = json.dumps(reply).encode() if self.body is None else self.body
        handler.send_response(self.status)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        with suppress(BrokenPipeError):  # whoever asked has stopped waiting
            handler.wfile.write(content)


OP = {
    "eth_chainId": hex(8_453),
    "eth_getBlockByNumber": BLOCK,
    "eth_maxPriorityFeePerGas": "0xa",
    "eth_getStorageAt": lambda _address, slot, _block: SLOTS[slot],
}
NODES = {
    "ethereum": (
        {
            "eth_chainId": "0x1",
            "eth_getBlockByNumber": BLOCK,
            "eth_blobBaseFee": "0x5",
            "eth_maxPriorityFeePerGas": "0x6",
        },
        {"l1.baseFee": 123_456_789, "l1.blobBaseFee": 5, "l1.priorityFee": 6},
    ),
    "base": (
        OP,
        {
            "l1.baseFee": 1_358_506_164,
            "l1.blobBaseFee": 17,
            "l1.baseFeeScalar": 2_269,
            "l1.blobBaseFeeScalar": 1_055_762,
            "l2.baseFee": 123_456_789,
            "l2.priorityFee": 10,
            "l2.daFootprintGasScalar": 312,
            "l2.operatorFeeScalar": 3,
            "l2.operatorFeeConstant": 9,
        },
    ),
    "arbitrum": (
        {
            "eth_chainId": hex(42_161),
            "eth_getBlockByNumber": BLOCK,
            "eth_call": lambda call, _block: hex(77) if call["data"] == "0xf5d6ded7" else "0x0",
        },
        {"l2.baseFee": 123_456_789, "l1.pricePerUnit": 77},
    ),
    "zksync": (
        {
            "eth_chainId": hex(324),
            "zks_getFeeParams": {
                "V2": {
                    "config": {
                        "minimal_l2_gas_price": 25_000_000,
                        "compute_overhead_part": 0,
                        "pubdata_overhead_part": 0.5,
                        "batch_overhead_l1_gas": 800_000,
                        "max_gas_per_batch": 200_000_000,
                        "max_pubdata_per_batch": 240_000,
                    },
                    "l1_gas_price": 46_226_388_803,
                    "l1_pubdata_price": 100_780_475_095,
                }
            },
        },
        {
            "l2.minimalGasPrice": 25_000_000,
            "l2.computeOverheadPpm": 0,
            "l2.pubdataOverheadPpm": 500_000,
            "l2.maxPubdataPerBatch": 240_000,
            "l1.baseFee": 46_226_388_803,
            "l1.pubdataPrice": 100_780_475_095,
        },
    ),
    "starknet": (
        {
            "starknet_getBlockWithTxHashes": {
                "l1_gas_price": {"price_in_fri": "0x1", "price_in_wei": "0x2"},
                "l1_data_gas_price": {"price_in_fri": "0x3", "price_in_wei": "0x4"},
                "l2_gas_price": {"price_in_fri": "0x5", "price_in_wei": "0x6"},
            }
        },
        {"l1.gasPrice": 2, "l1.dataGasPrice": 4, "l2.gasPrice": 5},
    ),
}


@pytest.mark.parametrize("chain", NODES)
def test_what_a_node_says_takes_the_place_of_the_scenario(chain):
    answers, expected = NODES[chain]
    with running(Node(answers)) as url:
        found = live(f"{url}/v2/secret-key", chain)
    assert {path: found[path] for path in expected} == expected
    assert found.scenario == "live"
    assert found.scenario not in SCENARIOS
    kept = parameters(chain)
    for path, stated in found.stated.items():
        if path in expected:
            assert (stated.confidence, stated.source) == ("live", "read from 127.0.0.1")
        elif stated.confidence != "live":
            assert stated == kept.stated[path]
    assert fee(chain, 100_000, b"\x02" * 200, found).total_wei > 0


def test_a_node_of_another_chain_is_refused():
    with (
        running(Node(OP)) as url,
        pytest.raises(InputError, match=r"is a node of chain 8453, OP Mainnet is 10"),
    ):
        live(url, "optimism")


@pytest.mark.parametrize(
    ("node", "complaint"),
    [
        (Node({}, status=429), "127.0.0.1 (eth_chainId) answers that there were too many requests"),
        (Node({}, body=b"<html>"), "127.0.0.1 (eth_chainId) answered with something that is not JSON"),
        (Node({}, body=b"[]"), "127.0.0.1: eth_chainId answered with something that is no JSON-RPC"),
        (Node({}, body=b'{"error": "no key"}'), "127.0.0.1: eth_chainId failed: no key"),
        (Node({}), "127.0.0.1: eth_chainId failed: method not found"),
        (Node(OP | {"eth_chainId": "ten"}), "127.0.0.1: eth_chainId: expected a number, got ten"),
        (Node(OP | {"eth_chainId": "0x" + "f" * 65}), "expected a number of at most 256 bits"),
        (
            Node(OP | {"eth_getBlockByNumber": {}}),
            "baseFeePerGas of the latest block: expected a number, got None",
        ),
        (Node(OP, delay_s=1.0), "127.0.0.1 (eth_chainId) did not answer within 0.2 seconds"),
    ],
    ids=["status", "html", "list", "refused", "unknown", "word", "long", "empty", "late"],
)
def test_a_node_that_is_of_no_use_is_said_in_one_line(node, complaint):
    with running(node) as url, pytest.raises(InputError) as caught:
        live(f"{url}/secret-key", "base", timeout_s=0.2)
    assert complaint in str(caught.value)
    assert "secret-key" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("answers", "complaint"),
    [
        ({"V1": {}}, "zks_getFeeParams answered without parameters of version 2"),
        ({"V2": {"config": {"compute_overhead_part": "half"}}}, "l1_gas_price: expected a number, got None"),
    ],
)
def test_other_answers_of_zksync_are_refused(answers, complaint):
    node = Node({"eth_chainId": hex(324), "zks_getFeeParams": answers})
    with running(node) as url, pytest.raises(InputError, match=complaint):
        live(url, "zksync")


def test_where_nobody_listens():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with pytest.raises(InputError, match=r"127.0.0.1 \(\w+\) cannot be reached \(Connection refused\)"):
        live(f"http://127.0.0.1:{port}", "base")
    with pytest.raises(InputError, match="--rpc: expected an address that starts with https"):
        live("file:///etc/passwd", "base")
