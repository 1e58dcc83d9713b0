"""A chain behind JSON-RPC: any node that speaks it, and the development nodes whose clock can be moved (anvil).

Plain HTTP, one request at a time, nothing but the standard library. A node that cannot be reached, or that answers
something else than JSON-RPC, is an `InputError` that names its address.
"""

import itertools
import json
import time
import urllib.error
import urllib.request
from typing import Any

from ..errors import InputError
from .accounts import Account, address_bytes
from .events import Log, revert_reason
from .node import GAS_LIMIT, Chain, LocalChain, Receipt, RevertedError

TIMEOUT_S = 30.0
RECEIPT_TIMEOUT_S = 180.0
POLL_FIRST_S, POLL_MAX_S = 0.02, 2.0
REVERT_CODES = (3, -32000)
"""Codes that nodes give to a call that reverted."""


class RpcError(InputError):
    """The node understood the request and refused it."""

    def __init__(self, url: str, method: str, code: int, message: str, data: object = None) -> None:
        super().__init__(f"{url}: {method}: {message} ({code})")
        self.code = code
        self.message = message
        self.data = data


class Client:
    """Sends one request and returns its result."""

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S) -> None:
        if not url.startswith(("http://", "https://")):
            raise InputError(f"{url}: expected the address of a node, http://... or https://...")
        self.url = url
        self._timeout_s = timeout_s
        self._numbers = itertools.count(1)

    def request(self, method: str, *parameters: Any) -> Any:  # noqa: ANN401 - JSON
        """Result of a method; raises `RpcError` where the node refuses it, `InputError` where there is no node."""
        asked = {"jsonrpc": "2.0", "id": next(self._numbers), "method": method, "params": list(parameters)}
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            self.url, json.dumps(asked).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_s) as answer:  # noqa: S310 - as above
                told = json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise InputError(f"{self.url}: {method}: HTTP status {error.code}") from error
        except (OSError, ValueError) as error:
            raise InputError(f"{self.url}: no JSON-RPC node answers there ({error})") from error
        if not isinstance(told, dict) or not told.keys() & {"result", "error"}:
            raise InputError(f"{self.url}: {method}: the answer is not JSON-RPC")
        if refused := told.get("error"):
            code, message = int(refused.get("code", 0)), str(refused.get("message", "refused"))
            raise RpcError(self.url, method, code, message, refused.get("data"))
        return told["result"]

    def quantity(self, method: str, *parameters: Any) -> int:  # noqa: ANN401 - JSON
        """A result that is a number."""
        return int(self.request(method, *parameters), 16)


class RpcChain(Chain):
    """A remote chain."""

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self.client = Client(url, timeout_s)
        self.chain_id = self.client.quantity("eth_chainId")

    @property
    def time_s(self) -> int:
        """Timestamp of the latest block."""
        return int(self._latest()["timestamp"], 16)

    def code(self, address: str) -> bytes:
        """Code that lies at an address."""
        return _bytes(self.client.request("eth_getCode", address, "latest"))

    def balance(self, address: str) -> int:
        """Wei at an address."""
        return self.client.quantity("eth_getBalance", address, "latest")

    def storage(self, address: str, slot: int) -> int:
        """The word in a storage slot."""
        return self.client.quantity("eth_getStorageAt", address, hex(slot), "latest")

    def call(self, to: str, data: bytes, *, sender: str | None = None, value: int = 0) -> bytes:
        """Run a call on the latest block."""
        return self._call(to, data, sender, value, "latest")

    def transact(
        self, to: str | None, data: bytes, *, sender: Account, value: int = 0, gas: int = GAS_LIMIT
    ) -> Receipt:
        """Sign with the account's next nonce and wait until a block has the transaction."""
        base_fee = int(self._latest().get("baseFeePerGas", "0x0"), 16)
        tip = self._tip()
        fields = {
            "type": 2,
            "chainId": self.chain_id,
            "nonce": self.client.quantity("eth_getTransactionCount", sender.address, "pending"),
            "gas": gas,
            "maxFeePerGas": 2 * base_fee + tip,
            "maxPriorityFeePerGas": tip,
            "value": value,
            "data": data,
            **({"to": address_bytes(to)} if to else {}),
        }
        raw = sender.sign_transaction(fields)
        try:
            number = self.client.request("eth_sendRawTransaction", f"0x{raw.hex()}")
        except RpcError as error:
            raise _reverted(error) or error from error
        told = self._wait(number)
        gas_used, block = int(told["gasUsed"], 16), int(told["blockNumber"], 16)
        if int(told["status"], 16) == 0:
            raise self._why(to, data, sender.address, value, block, gas_used)
        logs = tuple(
            Log(entry["address"].lower(), tuple(map(_bytes, entry["topics"])), _bytes(entry["data"]))
            for entry in told["logs"]
        )
        return Receipt(gas_used, block, logs, (told.get("contractAddress") or "").lower(), raw, data)

    def _call(self, to: str | None, data: bytes, sender: str | None, value: int, block: str) -> bytes:
        asked = {
            "data": f"0x{data.hex()}",
            "value": hex(value),
            "gas": hex(GAS_LIMIT),
            **({"to": to} if to else {}),
            **({"from": sender} if sender else {}),
        }
        try:
            return _bytes(self.client.request("eth_call", asked, block))
        except RpcError as error:
            raise _reverted(error) or error from error

    def _why(
        self, to: str | None, data: bytes, sender: str, value: int, block: int, gas_used: int
    ) -> RevertedError:
        """Why a transaction in `block` failed: what a call says on the state before it."""
        try:
            self._call(to, data, sender, value, hex(block - 1))
        except RevertedError as error:
            return RevertedError(error.reason, error.data, gas_used)
        except InputError:
            pass
        return RevertedError("", b"", gas_used)

    def _latest(self) -> dict[str, Any]:
        block: dict[str, Any] = self.client.request("eth_getBlockByNumber", "latest", False)
        return block

    def _tip(self) -> int:
        """What the node proposes to pay on top of the base fee; nothing where it does not say."""
        try:
            return self.client.quantity("eth_maxPriorityFeePerGas")
        except RpcError:
            return 0

    def _wait(self, number: str) -> dict[str, Any]:
        """The receipt, asked for at growing intervals."""
        end, pause_s = time.monotonic() + RECEIPT_TIMEOUT_S, POLL_FIRST_S
        while time.monotonic() < end:
            found: dict[str, Any] | None = self.client.request("eth_getTransactionReceipt", number)
            if found:
                return found
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, POLL_MAX_S)
        raise InputError(f"{self.client.url}: no receipt of {number} after {RECEIPT_TIMEOUT_S:.0f} s")


class DevelopmentChain(RpcChain, LocalChain):
    """A node of one's own whose clock and state can be set: anvil, and whatever takes its methods."""

    def fund(self, account: Account, amount_wei: int = 10**24) -> Account:
        """Give an account native coins, and return it."""
        self.client.request("anvil_setBalance", account.address, hex(amount_wei))
        return account

    def warp(self, seconds: int) -> None:
        """Let time pass; a block more."""
        self.client.request("evm_increaseTime", hex(seconds))
        self.client.request("evm_mine")

    def snapshot(self) -> str:
        """Remember the present state."""
        name: str = self.client.request("evm_snapshot")
        return name

    def rollback(self, snapshot: str) -> None:
        """Go back to a snapshot."""
        if not self.client.request("evm_revert", snapshot):
            raise InputError(f"{self.client.url}: there is no snapshot {snapshot} (any more)")


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def _reverted(error: RpcError) -> RevertedError | None:
    """The revert that a node reports as an error of its own, or None for any other refusal."""
    data = error.data.get("data") if isinstance(error.data, dict) else error.data
    if isinstance(data, str) and data.startswith("0x"):
        return RevertedError(revert_reason(_bytes(data)), _bytes(data))
    if error.code in REVERT_CODES and "revert" in error.message:
        return RevertedError("")
    return None
