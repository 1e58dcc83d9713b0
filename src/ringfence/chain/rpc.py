"""A chain behind JSON-RPC: any node that speaks it, and the development nodes whose clock can be moved (anvil).

A node that cannot be reached, or that answers something else than JSON-RPC, is an `InputError` that names its host: an
address may carry a key.
"""

import time
from typing import Any

from ..errors import InputError
from .accounts import Account, address_bytes
from .events import Log, revert_reason
from .jsonrpc import TIMEOUT_S, Node, RpcError
from .node import GAS_LIMIT, Chain, LocalChain, Receipt, RevertedError

RECEIPT_TIMEOUT_S = 180.0
POLL_FIRST_S, POLL_MAX_S = 0.02, 2.0
REVERT_CODES = (3, -32000)
"""Codes that nodes give to a call that reverted."""


class RpcChain(Chain):
    """A remote chain."""

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self.client = Node(url, timeout_s)
        self.chain_id = self.client.number("eth_chainId")

    @property
    def time_s(self) -> int:
        """Timestamp of the latest block."""
        return int(self._latest()["timestamp"], 16)

    def code(self, address: str) -> bytes:
        """Code that lies at an address."""
        return _bytes(self.client.ask("eth_getCode", address, "latest"))

    def balance(self, address: str) -> int:
        """Wei at an address."""
        return self.client.number("eth_getBalance", address, "latest")

    def storage(self, address: str, slot: int) -> int:
        """The word in a storage slot."""
        return self.client.number("eth_getStorageAt", address, hex(slot), "latest")

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
            "nonce": self.client.number("eth_getTransactionCount", sender.address, "pending"),
            "gas": gas,
            "maxFeePerGas": 2 * base_fee + tip,
            "maxPriorityFeePerGas": tip,
            "value": value,
            "data": data,
            **({"to": address_bytes(to)} if to else {}),
        }
        raw = sender.sign_transaction(fields)
        try:
            number = self.client.ask("eth_sendRawTransaction", f"0x{raw.hex()}")
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
            return _bytes(self.client.ask("eth_call", asked, block))
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
        block: dict[str, Any] = self.client.ask("eth_getBlockByNumber", "latest", False)
        return block

    def _tip(self) -> int:
        """What the node proposes to pay on top of the base fee; nothing where it does not say."""
        try:
            return self.client.number("eth_maxPriorityFeePerGas")
        except RpcError:
            return 0

    def _wait(self, number: str) -> dict[str, Any]:
        """The receipt, asked for at growing intervals."""
        end, pause_s = time.monotonic() + RECEIPT_TIMEOUT_S, POLL_FIRST_S
        while time.monotonic() < end:
            found: dict[str, Any] | None = self.client.ask("eth_getTransactionReceipt", number)
            if found:
                return found
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, POLL_MAX_S)
        raise InputError(f"{self.client.host}: no receipt of {number} after {RECEIPT_TIMEOUT_S:.0f} s")


class DevelopmentChain(RpcChain, LocalChain):
    """A node of one's own whose clock and state can be set: anvil, and whatever takes its methods.

    Its clock stands still between blocks, as that of the embedded chain does, so that it tells the same story however
    fast the machine is.
    """

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        super().__init__(url, timeout_s=timeout_s)
        self.client.ask("anvil_setBlockTimestampInterval", 0)

    def fund(self, account: Account, amount_wei: int = 10**24) -> Account:
        """Give an account native coins, and return it."""
        self.client.ask("anvil_setBalance", account.address, hex(amount_wei))
        return account

    def warp(self, seconds: int) -> None:
        """Let time pass; a block more."""
        self.client.ask("evm_setNextBlockTimestamp", hex(self.time_s + seconds))
        self.client.ask("evm_mine")

    def snapshot(self) -> str:
        """Remember the present state."""
        name: str = self.client.ask("evm_snapshot")
        return name

    def rollback(self, snapshot: str) -> None:
        """Go back to a snapshot."""
        if not self.client.ask("evm_revert", snapshot):
            raise InputError(f"{self.client.host}: there is no snapshot {snapshot} (any more)")


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
