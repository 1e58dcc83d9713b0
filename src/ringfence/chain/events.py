"""What goes into a contract and comes out of it: calls, results, logs, reasons of a revert.

Amounts stay Python integers, addresses lower-case `0x` texts, bytes stay bytes; nothing is lost either way.
"""

from functools import cache
from typing import Any, NamedTuple

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

from ..errors import InputError
from .compile import Artifact

ERROR_SELECTOR = keccak(text="Error(string)")[:4]
PANIC_SELECTOR = keccak(text="Panic(uint256)")[:4]


class Log(NamedTuple):
    """A log as the chain keeps it."""

    address: str
    topics: tuple[bytes, ...]
    data: bytes


class Event(NamedTuple):
    """A log with the names that the contract's interface gives it."""

    name: str
    fields: dict[str, Any]


def type_of(entry: dict[str, Any]) -> str:
    """Canonical type of an ABI parameter, tuples spelled out."""
    kind: str = entry["type"]
    if not kind.startswith("tuple"):
        return kind
    inner = ",".join(map(type_of, entry["components"]))
    return f"({inner}){kind.removeprefix('tuple')}"


def signature(entry: dict[str, Any]) -> str:
    """Canonical signature of a function or event."""
    return f"{entry['name']}({','.join(map(type_of, entry['inputs']))})"


@cache
def selector(text: str) -> bytes:
    """First four bytes of the hash of a signature."""
    return keccak(text=text)[:4]


def function(artifact: Artifact, name: str, count: int) -> dict[str, Any]:
    """The ABI entry of the function `name` with `count` arguments."""
    named = [entry for entry in artifact.abi if entry.get("name") == name and entry["type"] == "function"]
    for entry in named:
        if len(entry["inputs"]) == count:
            return entry
    if named:
        wanted = " or ".join(signature(entry) for entry in named)
        raise InputError(f"{artifact.name}.{name}: expected {wanted}, not {count} arguments")
    raise InputError(f"{artifact.name} has no function {name}")


def encode_call(artifact: Artifact, name: str, arguments: tuple[Any, ...]) -> bytes:
    """Calldata of a call."""
    entry = function(artifact, name, len(arguments))
    return selector(signature(entry)) + encode([type_of(item) for item in entry["inputs"]], arguments)


def encode_deployment(artifact: Artifact, arguments: tuple[Any, ...]) -> bytes:
    """Code of a deployment with the constructor's arguments behind it."""
    inputs: list[dict[str, Any]] = next(
        (entry["inputs"] for entry in artifact.abi if entry["type"] == "constructor"), []
    )
    if len(inputs) != len(arguments):
        names = ", ".join(item["name"] for item in inputs)
        raise InputError(f"{artifact.name}: the constructor takes ({names}), not {len(arguments)} arguments")
    return artifact.bytecode + encode([type_of(item) for item in inputs], arguments)


def decode_result(artifact: Artifact, name: str, count: int, data: bytes) -> Any:  # noqa: ANN401 - as the ABI says
    """What a function returned: nothing, one value, or a tuple of several."""
    outputs = function(artifact, name, count)["outputs"]
    values = decode([type_of(item) for item in outputs], data)
    return values[0] if len(values) == 1 else values or None


def decode_event(artifact: Artifact, log: Log) -> Event | None:
    """The log as one of the contract's events; None where it is none of them."""
    for entry in artifact.abi:
        if entry["type"] == "event" and log.topics and log.topics[0] == keccak(text=signature(entry)):
            return Event(entry["name"], _fields(entry["inputs"], log))
    return None


def _fields(inputs: list[dict[str, Any]], log: Log) -> dict[str, Any]:
    topics = iter(log.topics[1:])
    plain = iter(decode([type_of(item) for item in inputs if not item["indexed"]], log.data))
    return {
        item["name"]: decode([type_of(item)], next(topics))[0] if item["indexed"] else next(plain)
        for item in inputs
    }


def revert_reason(data: bytes) -> str:
    """Why a call reverted: the contract's reason, a panic's number, or an empty text where it gave none."""
    if data[:4] == ERROR_SELECTOR:
        return str(decode(["string"], data[4:])[0])
    if data[:4] == PANIC_SELECTOR:
        return f"panic {decode(['uint256'], data[4:])[0]:#04x}"
    return f"0x{data.hex()}" if data else ""
