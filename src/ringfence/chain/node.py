"""One interface to a chain, embedded or remote: deploy, call, transact, and the receipts that gas is read from.

Gas is only ever taken from the receipt of a signed transaction, where every account and storage slot starts cold.
Calls in one process that share access lists report less than half of what a user pays.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import msgspec

from .accounts import Account
from .compile import Artifact, compile_contract
from .events import Event, Log, decode_event, decode_result, encode_call, encode_deployment

GAS_LIMIT = 16_000_000
"""Gas that a transaction may use unless it says otherwise; Ethereum takes no more than 2^24 in one."""


class Receipt(msgspec.Struct, frozen=True):
    """What became of a transaction."""

    gas_used: int
    """All that its sender pays for on the execution layer: intrinsic, calldata and execution, less refunds."""
    block: int
    logs: tuple[Log, ...]
    created: str
    """Address of the contract that it deployed; empty for a call."""
    raw: bytes
    """The signed envelope, which is what Layer 2s compress and post."""
    calldata: bytes


class RevertedError(Exception):
    """A call or transaction was undone; `reason` is what the contract said (empty for none), `data` its bytes."""

    def __init__(self, reason: str, data: bytes = b"", gas_used: int = 0) -> None:
        super().__init__(reason or "reverted without a reason")
        self.reason = reason
        self.data = data
        self.gas_used = gas_used


class Chain(ABC):
    """A chain that transactions can be sent to, one per block."""

    chain_id: int

    @abstractmethod
    def call(self, to: str, data: bytes, *, sender: str | None = None, value: int = 0) -> bytes:
        """Run a call that leaves nothing behind and return its output; raises `RevertedError`."""

    @abstractmethod
    def transact(
        self, to: str | None, data: bytes, *, sender: Account, value: int = 0, gas: int = GAS_LIMIT
    ) -> Receipt:
        """Sign, send and wait for the receipt; `to` is None for a deployment. Raises `RevertedError`."""

    @abstractmethod
    def code(self, address: str) -> bytes:
        """Code that lies at an address."""

    @abstractmethod
    def balance(self, address: str) -> int:
        """Wei at an address."""

    @abstractmethod
    def storage(self, address: str, slot: int) -> int:
        """The word in a storage slot."""

    @property
    @abstractmethod
    def time_s(self) -> int:
        """Timestamp that the next call and transaction will see, in seconds."""

    def deploy(self, artifact: Artifact | str, *arguments: Any, sender: Account) -> "Contract":  # noqa: ANN401
        """Deploy a contract, by artifact or by its name among the project's own."""
        made = compile_contract(artifact) if isinstance(artifact, str) else artifact
        receipt = self.transact(None, encode_deployment(made, arguments), sender=sender)
        return Contract(self, made, receipt.created, receipt)

    def at(self, artifact: Artifact | str, address: str) -> "Contract":
        """A contract that is there already."""
        made = compile_contract(artifact) if isinstance(artifact, str) else artifact
        return Contract(self, made, address.lower())


class LocalChain(Chain):
    """A chain of one's own: its clock moves when it is told to, and it can go back."""

    @abstractmethod
    def fund(self, account: Account, amount_wei: int = 10**24) -> Account:
        """Give an account native coins, and return it."""

    @abstractmethod
    def warp(self, seconds: int) -> None:
        """Let time pass."""

    @abstractmethod
    def snapshot(self) -> Any:  # noqa: ANN401 - what `rollback` takes
        """Remember the present state."""

    @abstractmethod
    def rollback(self, snapshot: Any) -> None:  # noqa: ANN401
        """Go back to a state that was remembered; it may be used again."""

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Whatever happens inside is undone at the end."""
        before = self.snapshot()
        try:
            yield
        finally:
            self.rollback(before)


class Contract:
    """A contract at an address, with the names of its interface."""

    def __init__(
        self, chain: Chain, artifact: Artifact, address: str, deployment: Receipt | None = None
    ) -> None:
        self.chain = chain
        self.artifact = artifact
        self.address = address
        self.deployment = deployment

    def __repr__(self) -> str:
        return f"Contract({self.artifact.name} at {self.address})"

    def data(self, name: str, *arguments: Any) -> bytes:  # noqa: ANN401 - as the ABI says
        """Calldata of a call."""
        return encode_call(self.artifact, name, arguments)

    def call(self, name: str, *arguments: Any, sender: Account | None = None) -> Any:  # noqa: ANN401
        """Read: run a function without a transaction and return what it returns."""
        data = self.data(name, *arguments)
        output = self.chain.call(self.address, data, sender=sender.address if sender else None)
        return decode_result(self.artifact, name, len(arguments), output)

    def send(self, name: str, *arguments: Any, sender: Account, value: int = 0) -> Receipt:  # noqa: ANN401
        """Write: send a transaction and return its receipt."""
        return self.chain.transact(self.address, self.data(name, *arguments), sender=sender, value=value)

    def events(self, receipt: Receipt) -> list[Event]:
        """Events of a receipt that this contract emitted."""
        mine = (decode_event(self.artifact, log) for log in receipt.logs if log.address == self.address)
        return [event for event in mine if event is not None]

    @cached_property
    def code_bytes(self) -> int:
        """Size of the code on chain."""
        return len(self.chain.code(self.address))
