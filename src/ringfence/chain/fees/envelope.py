"""Bytes of a signed transaction, and one to stand for those of which only the calldata's length is known.

Rollups charge for a transaction's bytes after compression, so its content matters: a typical call is a selector and
words of 32 bytes, each with a small number or an address in it and zeros before it. Source: EIP-1559, EIP-2718 (RLP).
"""

import hashlib
from collections.abc import Sequence
from itertools import count
from typing import TypeAlias

Item: TypeAlias = "bytes | int | Sequence[Item]"

TYPE = b"\x02"
SELECTOR_BYTES, WORD_BYTES, ADDRESS_BYTES = 4, 32, 20
NUMBER_BYTES = (6, 12, ADDRESS_BYTES)
"""Bytes of a word that are not zero, in turn: a price or size, an amount at 18 decimals, an address."""
SHORT_MAX, LONG_OFFSET = 55, 55
STRING_OFFSET, LIST_OFFSET = 0x80, 0xC0
NONCE, GAS, FEE_WEI = 1_000, 500_000, 10**9

ASSUMPTION = "calldata assumed: a selector, then words of 6, 12 and 20 bytes after zeros"


def rlp(item: Item) -> bytes:
    """Recursive length prefix encoding."""
    if isinstance(item, int):
        return rlp(item.to_bytes((item.bit_length() + 7) // 8))
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] < STRING_OFFSET:
            return item
        return _prefixed(item, STRING_OFFSET)
    return _prefixed(b"".join(map(rlp, item)), LIST_OFFSET)


def _prefixed(content: bytes, offset: int) -> bytes:
    if len(content) <= SHORT_MAX:
        return bytes([offset + len(content)]) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8)
    return bytes([offset + LONG_OFFSET + len(length)]) + length + content


def typical_calldata(length: int) -> bytes:
    """Calldata of a typical call, cut to a length."""
    content = _random("selector", SELECTOR_BYTES)
    for index in count():
        if len(content) >= length:
            return content[:length]
        number = _random(f"word {index}", NUMBER_BYTES[index % len(NUMBER_BYTES)])
        content += number.rjust(WORD_BYTES, b"\0")
    raise AssertionError  # pragma: no cover - `count` does not end


def signed_transaction(calldata: bytes, chain_id: int = 1) -> bytes:
    """A transaction of type 2 with this calldata and a signature of random digits, as long as a real one."""
    to, r, s = _random("to", ADDRESS_BYTES), _random("r", WORD_BYTES), _random("s", WORD_BYTES)
    fields: list[Item] = [chain_id, NONCE, FEE_WEI, FEE_WEI, GAS, to, 0, calldata, [], 1, r, s]
    return TYPE + rlp(fields)


def _random(name: str, length: int) -> bytes:
    """Digits that look random and are the same every time; none of them is zero."""
    digits = hashlib.shake_256(name.encode()).digest(length)
    return bytes(digit or 1 for digit in digits)
