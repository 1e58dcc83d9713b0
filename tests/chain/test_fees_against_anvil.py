"""Our fee of the OP stack against what a node deducts from the sender, to the wei.

Needs anvil 1.7.1 (on the PATH, or named by RINGFENCE_ANVIL). Whatever fork it is told, it charges Fjord's L1 fee and
Isthmus' operator fee.
"""

import random
import time

import pytest
from eth_account import Account

from chain.anvil import anvil
from ringfence.chain.fees import op_stack
from ringfence.chain.fees.live import L1_BLOCK, live
from ringfence.chain.jsonrpc import Node

KEY = "0x" + "11" * 32
TO = "0x" + "11" * 20
PRICE_WEI = 3_000_000_000


@pytest.fixture(scope="module")
def node():
    with anvil("--network", "optimism", "--hardfork", "isthmus", "--chain-id", "10") as url:
        yield url, Node(url)


def mined(node, name):
    for _ in range(100):
        receipt = node.ask("eth_getTransactionReceipt", name)
        if receipt:
            return receipt
        time.sleep(0.02)
    raise AssertionError("the transaction is in no block")


def word(**parts):
    """A storage word with numbers at byte offsets, each as (first, width, value)."""
    content = bytearray(32)
    for first, width, value in parts.values():
        content[first : first + width] = value.to_bytes(width)
    return f"0x{content.hex()}"


@pytest.mark.parametrize("seed", range(8))
def test_the_node_deducts_our_fee_to_the_wei(node, seed):
    (url, node), draw = node, random.Random(seed)
    l1_fee, blob_fee = draw.randrange(10**8, 50 * 10**9), draw.randrange(1, 5 * 10**9)
    base_scalar, blob_scalar = draw.choice([1368, 2269, 5227]), draw.choice([810949, 1014213, 1055762])
    scalar, constant = draw.choice([0, 5, 1000]), draw.choice([0, 777, 10**9])
    node.ask("anvil_setCode", L1_BLOCK, "0x00")
    slots = {
        1: word(fee=(24, 8, l1_fee)),
        3: word(base=(16, 4, base_scalar), blob=(20, 4, blob_scalar)),
        7: word(fee=(24, 8, blob_fee)),
        8: word(scalar=(20, 4, scalar), constant=(24, 8, constant)),
    }
    for slot, value in slots.items():
        node.ask("anvil_setStorageAt", L1_BLOCK, f"0x{slot:064x}", value)
    sender = Account.from_key(KEY)
    node.ask("anvil_setBalance", sender.address, hex(10**20))
    data = bytes(
        draw.choices([0, draw.randrange(256)], weights=[2, 1])[0] for _ in range(draw.randrange(2000))
    )
    signed = sender.sign_transaction(
        {
            "type": 2,
            "chainId": node.number("eth_chainId"),
            "nonce": node.number("eth_getTransactionCount", sender.address, "latest"),
            "to": TO,
            "value": 0,
            "gas": 300_000,
            "maxFeePerGas": PRICE_WEI,
            "maxPriorityFeePerGas": 0,
            "data": data,
        }
    ).raw_transaction
    receipt = mined(node, node.ask("eth_sendRawTransaction", f"0x{signed.hex()}"))
    deducted = 10**20 - node.number("eth_getBalance", sender.address, "latest")
    gas, price = int(receipt["gasUsed"], 16), int(receipt["effectiveGasPrice"], 16)
    prices = op_stack.L1Prices(l1_fee, blob_fee, base_scalar, blob_scalar)
    ours = (
        gas * price
        + op_stack.l1_fee(bytes(signed), op_stack.Fork.ISTHMUS, prices).wei
        + op_stack.operator_fee(op_stack.Fork.ISTHMUS, gas, scalar, constant)
    )
    assert deducted == ours

    read = live(url, "optimism")
    asked = ("l1.baseFee", "l1.blobBaseFee", "l1.baseFeeScalar", "l1.blobBaseFeeScalar")
    assert tuple(read[path] for path in asked) == (l1_fee, blob_fee, base_scalar, blob_scalar)
    assert (read["l2.operatorFeeScalar"], read["l2.operatorFeeConstant"]) == (scalar, constant)
