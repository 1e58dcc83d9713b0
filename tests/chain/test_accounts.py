"""Keys: where they come from, and what they sign."""

import json

import pytest
from eth_account import Account as Wallet
from eth_utils.crypto import keccak

from ringfence.chain.accounts import Account, address_bytes, from_environment, from_keystore
from ringfence.chain.events import Log, revert_reason, signature, type_of
from ringfence.errors import InputError

KEY = "0x" + "01" * 32
ADDRESS = "0x1a642f0e3c3af545e7acbd38b07251b3990914f1"
PERSON = [{"name": "name", "type": "string"}, {"name": "wallet", "type": "address"}]
MAIL = {
    "Person": PERSON,
    "Mail": [
        {"name": "from", "type": "Person"},
        {"name": "to", "type": "Person"},
        {"name": "contents", "type": "string"},
    ],
}


def test_a_key_in_the_environment(monkeypatch):
    monkeypatch.setenv("RINGFENCE_KEY", KEY)
    account = from_environment()
    assert account.address == ADDRESS
    assert KEY[2:] not in repr(account)


@pytest.mark.parametrize("text", ["", "0x12", "zz" * 32, "00" * 32, "ff" * 32])
def test_a_key_that_is_none_is_refused_and_not_repeated(monkeypatch, text):
    monkeypatch.setenv("RINGFENCE_KEY", text)
    with pytest.raises(InputError, match="RINGFENCE_KEY") as refused:
        from_environment()
    assert not text or text not in str(refused.value)


def test_a_keystore_gives_its_key_for_the_right_password(tmp_path):
    path = tmp_path / "key.json"
    path.write_text(json.dumps(Wallet.encrypt(KEY, "secret", iterations=2)))
    assert from_keystore(path, "secret").address == ADDRESS
    with pytest.raises(InputError, match=r"key\.json"):
        from_keystore(path, "wrong")


@pytest.mark.parametrize(
    "content", [None, b"{}", b"no json", b"[]", b"3", b"\xff\xfe", b'{"version": 3, "crypto": []}']
)
def test_a_keystore_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "key.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"key\.json"):
        from_keystore(path, "secret")


def test_typed_data_is_signed_as_the_standard_says():
    """The example of EIP-712 itself."""
    cow = Account(keccak(text="cow"))
    domain = {
        "name": "Ether Mail",
        "version": "1",
        "chainId": 1,
        "verifyingContract": "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC",
    }
    message = {
        "from": {"name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"},
        "to": {"name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"},
        "contents": "Hello, Bob!",
    }
    expected = (
        "4355c47d63924e8a72e509b65029052eb6c299d53a04e167c5775fd466751c9d"
        "07299936d304c153f6443dfa05f40ff007d72911b6f72307f996231605b91562"
        "1c"
    )
    assert cow.sign_typed(domain, MAIL, message).hex() == expected


@pytest.mark.parametrize("text", ["0x12", "no address", ADDRESS + "00"])
def test_an_address_has_twenty_bytes(text):
    with pytest.raises(InputError, match="expected 0x and 40 hexadecimal digits"):
        address_bytes(text)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", ""),
        (bytes.fromhex("4e487b71") + (0x11).to_bytes(32), "panic 0x11"),
        (bytes.fromhex("08c379a0") + (32).to_bytes(32) + (3).to_bytes(32) + b"WHY".ljust(32, b"\0"), "WHY"),
        (bytes.fromhex("deadbeef"), "0xdeadbeef"),
    ],
)
def test_what_a_revert_says(data, reason):
    assert revert_reason(data) == reason


def test_a_signature_spells_out_tuples():
    pair = {"type": "tuple[]", "components": [{"type": "address"}, {"type": "uint256"}]}
    assert type_of(pair) == "(address,uint256)[]"
    assert signature({"name": "f", "inputs": [pair, {"type": "bool"}]}) == "f((address,uint256)[],bool)"


def test_a_log_of_another_contract_is_no_event(tmp_path):
    from ringfence.chain.compile import compile_contract
    from ringfence.chain.events import decode_event

    log = Log(ADDRESS, (keccak(text="Unknown()"),), b"")
    assert decode_event(compile_contract("MockToken"), log) is None
