"""Keys that sign: transactions, typed data, and where a key may come from.

A key is never an argument of a command, where the process list and the shell's history would show it.
"""

import json
import os
from functools import cached_property
from pathlib import Path
from typing import Any

from eth_account import Account as _Signer
from eth_account.messages import encode_typed_data
from eth_keys.constants import SECPK1_N
from eth_keys.datatypes import PrivateKey
from eth_utils.crypto import keccak

from ..errors import InputError

KEY_VARIABLE = "RINGFENCE_KEY"
PASSWORD_VARIABLE = "RINGFENCE_KEYSTORE_PASSWORD"  # noqa: S105 - the name of a variable, not a password
KEY_BYTES = 32


class Account:
    """One key and the address it signs for. Addresses are lower-case `0x` texts everywhere in this package."""

    def __init__(self, key: bytes) -> None:
        self._key = PrivateKey(key)

    def __repr__(self) -> str:
        return f"Account({self.address})"

    @classmethod
    def named(cls, name: str) -> "Account":
        """A key that anyone can derive from `name`: for simulated chains only."""
        return cls(keccak(text=f"ringfence/{name}"))

    @cached_property
    def address(self) -> str:
        """Address of the key."""
        return self._key.public_key.to_address()

    def sign_transaction(self, fields: dict[str, Any]) -> bytes:
        """The signed envelope of a transaction, as it goes over the wire."""
        return bytes(_Signer.sign_transaction(fields, self._key.to_bytes()).raw_transaction)

    def sign_digest(self, digest: bytes) -> bytes:
        """Signature of a 32-byte digest: r, s and v (27 or 28), 65 bytes as `ecrecover` takes them."""
        signature = self._key.sign_msg_hash(digest).to_bytes()
        return signature[:64] + bytes([27 + signature[64]])

    def sign_typed(self, domain: dict[str, Any], types: dict[str, Any], message: dict[str, Any]) -> bytes:
        """EIP-712 signature of `message`, as `sign_digest`."""
        signable = encode_typed_data(domain, types, message)
        return self.sign_digest(keccak(b"\x19" + signable.version + signable.header + signable.body))


def address_bytes(address: str) -> bytes:
    """The 20 bytes of an address; raises `InputError` for anything else."""
    try:
        raw = bytes.fromhex(address.removeprefix("0x"))
    except ValueError:
        raw = b""
    if len(raw) != 20:  # noqa: PLR2004 - what an address is
        raise InputError(f"address {address}: expected 0x and 40 hexadecimal digits")
    return raw


def from_environment() -> Account:
    """The key that the environment holds, as 64 hexadecimal digits."""
    text = os.environ.get(KEY_VARIABLE, "")
    if not text:
        raise InputError(
            f"{KEY_VARIABLE} is not set; it holds the key to deploy with (or give a keystore file)"
        )
    try:
        key = bytes.fromhex(text.strip().removeprefix("0x"))
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise InputError(f"{KEY_VARIABLE}: expected a key of 64 hexadecimal digits")
    if not 0 < int.from_bytes(key) < SECPK1_N:
        raise InputError(f"{KEY_VARIABLE}: expected a key from 1 to below the order of secp256k1")
    return Account(key)


def from_keystore(path: Path, password: str) -> Account:
    """The key in a keystore file (version 3, as wallets write it)."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"keystore {path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise InputError(f"keystore {path}: expected UTF-8 text") from None
    try:
        held = json.loads(text)
    except ValueError:
        held = None
    if not isinstance(held, dict):
        raise InputError(f"keystore {path}: expected a JSON object, as wallets write it")
    try:
        return Account(bytes(_Signer.decrypt(held, password)))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"keystore {path}: {error} (is {PASSWORD_VARIABLE} right?)") from error
