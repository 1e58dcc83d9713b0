"""A JSON-RPC node over HTTP in this process, with the embedded chain behind it: what a remote node looks like."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

from eth_utils.crypto import keccak

from ringfence.chain.evm import Evm
from ringfence.chain.node import RevertedError


class Node:
    """Answers the methods that a client needs; `silent` receipts come late, as on a real chain."""

    def __init__(self, chain: Evm, *, late: int = 0):
        self.chain = chain
        self.receipts = {}
        self.late = late
        self.snapshots = []

    def answer(self, method, parameters):
        name = method.replace("eth_", "").replace("evm_", "").replace("anvil_", "")
        return getattr(self, name)(*parameters)

    def chainId(self):  # noqa: N802 - the method's name
        return hex(self.chain.chain_id)

    def getBlockByNumber(self, _block, _full):  # noqa: N802
        return {"timestamp": hex(self.chain.time_s), "baseFeePerGas": "0x0"}

    def getTransactionCount(self, address, _block):  # noqa: N802
        return hex(self.chain.nonce(address))

    def getCode(self, address, _block):  # noqa: N802
        return f"0x{self.chain.code(address).hex()}"

    def getBalance(self, address, _block):  # noqa: N802
        return hex(self.chain.balance(address))

    def getStorageAt(self, address, slot, _block):  # noqa: N802
        return f"0x{self.chain.storage(address, int(slot, 16)):064x}"

    def call(self, asked, _block):
        data = bytes.fromhex(asked["data"][2:])
        return f"0x{self.chain.call(asked['to'], data, sender=asked.get('from')).hex()}"

    def sendRawTransaction(self, text):  # noqa: N802
        raw = bytes.fromhex(text[2:])
        name = f"0x{keccak(raw).hex()}"
        try:
            receipt = self.chain.send_raw(raw)
        except RevertedError as error:
            told = {"status": "0x0", "gasUsed": hex(error.gas_used), "blockNumber": "0x2", "logs": []}
        else:
            logs = [
                {
                    "address": log.address,
                    "topics": [f"0x{topic.hex()}" for topic in log.topics],
                    "data": f"0x{log.data.hex()}",
                }
                for log in receipt.logs
            ]
            told = {
                "status": "0x1",
                "gasUsed": hex(receipt.gas_used),
                "blockNumber": hex(receipt.block),
                "contractAddress": receipt.created or None,
                "logs": logs,
            }
        self.receipts[name] = [None] * self.late + [told]
        return name

    def getTransactionReceipt(self, name):  # noqa: N802
        waiting = self.receipts[name]
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    def setBalance(self, address, amount):  # noqa: N802
        class _Named:
            pass

        named = _Named()
        named.address = address
        self.chain.fund(named, int(amount, 16))

    def setBlockTimestampInterval(self, seconds):  # noqa: N802
        assert seconds == 0  # the embedded chain's clock stands still anyway

    def setNextBlockTimestamp(self, time_s):  # noqa: N802
        self.chain.warp(int(time_s, 16) - self.chain.time_s)

    def mine(self):
        return None

    def snapshot(self):
        self.snapshots.append(self.chain.snapshot())
        return hex(len(self.snapshots) - 1)

    def revert(self, name):
        if int(name, 16) >= len(self.snapshots):
            return False
        self.chain.rollback(self.snapshots[int(name, 16)])
        del self.snapshots[int(name, 16) :]
        return True


@contextmanager
def serving(node: Node):
    """The address at which `node` answers while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told = {"jsonrpc": "2.0", "id": asked["id"]}
            try:
                told["result"] = node.answer(asked["method"], asked["params"])
            except RevertedError as error:
                told["error"] = {"code": 3, "message": "execution reverted", "data": f"0x{error.data.hex()}"}
            except AttributeError:
                told["error"] = {"code": -32601, "message": "the method does not exist"}
            body = json.dumps(told).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
