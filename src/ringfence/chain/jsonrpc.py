"""Questions to a node over JSON-RPC: plain HTTP, one at a time."""

import json
from typing import Any

from ..errors import InputError
from ..web import host_of, post_json

TIMEOUT_S = 30.0
ANSWER_BYTES_MAX = 4 << 20
REASON_MAX = 120


class RpcError(InputError):
    """The node understood the question and refused it; `message` and `data` are its own words."""

    def __init__(self, host: str, method: str, error: object) -> None:
        told = error if isinstance(error, dict) else {"message": error}
        self.message, self.data = str(told.get("message", "refused")), told.get("data")
        code = told.get("code")
        self.code = code if isinstance(code, int) else 0
        super().__init__(f"{host}: {method} failed: {self.message[:REASON_MAX]}")


class Node:
    """A node that answers JSON-RPC. Every failure is an `InputError` of one sentence that names its host."""

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S) -> None:
        # An address may carry a key in its path, so only the host is ever shown.
        self.host = host_of(url, "--rpc")
        self._url, self._timeout_s = url, timeout_s

    def ask(self, method: str, *params: object) -> Any:  # noqa: ANN401 - as the method answers
        """The result of one method; `RpcError` where the node refuses it."""
        document = self._document(method, params)
        if not isinstance(document, dict) or not ("result" in document or "error" in document):
            raise InputError(f"{self.host}: {method} answered with something that is no JSON-RPC")
        if document.get("error"):
            raise RpcError(self.host, method, document["error"])
        return document["result"]

    def number(self, method: str, *params: object) -> int:
        """The result of one method as a number."""
        return quantity(self.ask(method, *params), f"{self.host}: {method}")

    def word(self, address: str, slot: int) -> bytes:
        """A storage slot of a contract."""
        found = self.number("eth_getStorageAt", address, hex(slot), "latest")
        return found.to_bytes(32)

    def base_fee(self) -> int:
        """The latest block's base fee."""
        block = self.ask("eth_getBlockByNumber", "latest", False)
        fee = block.get("baseFeePerGas") if isinstance(block, dict) else None
        return quantity(fee, f"{self.host}: baseFeePerGas of the latest block")

    def _document(self, method: str, params: tuple[object, ...]) -> object:
        question = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        shown = f"{self.host} ({method})"
        content = post_json(self._url, question, shown, timeout_s=self._timeout_s, bytes_max=ANSWER_BYTES_MAX)
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise InputError(f"{shown} answered with something that is not JSON") from None


def quantity(value: object, what: str) -> int:
    """A number as JSON-RPC writes it: hexadecimal text of at most a word, or a whole JSON number."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    digits = value.removeprefix("0x") if isinstance(value, str) and value.startswith("0x") else None
    try:
        found = int(digits or "", 16)
    except ValueError:
        raise InputError(f"{what}: expected a number, got {str(value)[:REASON_MAX]}") from None
    if not 0 <= found < 1 << 256:
        raise InputError(f"{what}: expected a number of at most 256 bits")
    return found
